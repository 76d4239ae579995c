"""From a start-up log to a comparison and a record: which deployment it was, and which of its workers decides."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from llmtune.calc.calibration import SLACK, correct_exactly, identify
from llmtune.calc.comparison import compare, measured_cache
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site, fullest_share
from llmtune.calc.switches import on
from llmtune.catalog import UnknownName
from llmtune.cli import judge
from llmtune.cli.errors import UserError
from llmtune.spec.calibration import Figures, Record
from llmtune.spec.deployment import Setting
from llmtune.spec.memory import Failure
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.shares import Share
    from llmtune.readers import Reading
    from llmtune.spec.calibration import Comparison, StartupLog, Worker
    from llmtune.spec.deployment import Deployment, Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

GIB = 2**30
OTHER_GPU = 0.03  # share by which the total in the log may differ before it is another GPU
SHARE_DIGITS = 0.006  # V0 prints the utilization with two digits
REPRODUCES = 0.01  # of the KV cache: what a record must give back
LONGEST_NAME = 100
STAGE = re.compile(r"_PP(\d{1,4})(?:_|$)")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A log beside its prediction. ``record`` is None where nothing was measured that an estimate could use."""

    site: Site
    log: StartupLog
    rows: tuple[Comparison, ...]
    decides: str
    record: Record | None
    calibrated: Memory | None
    notes: tuple[str, ...]


def measure(
    log: StartupLog, reading: Reading, model: Model, hardware: Hardware, engine: EngineVersion, *, name: str | None
) -> Measurement:
    """Predicted against measured, and the record of it.

    Raises:
        UserError: when the log is of another GPU, or of a deployment that is expected to be refused.

    """
    _check_gpu(log, hardware)
    site, notes = _site(log, reading, model, hardware, engine)
    share = fullest_share(site)
    memory = estimate_memory(site.deployment, site.model, site.resolved, site.hardware, site.engine)
    if share is None:
        why = memory.failure.engine_message if memory.failure else "no reason is known"
        raise UserError(
            f"vLLM {engine.release} should have refused this deployment ({why.partition('. ')[0]}); "
            "check --gpu, --vllm-version and the command behind '--'"
        )
    place, worker = _deciding(log, site)
    figures = _filled(log, place)
    given = replace(site, resolved=replace(site.resolved, kv_cache_memory=None))
    share = fullest_share(given) or share
    figures = replace(figures, kv_cache=measured_cache(figures.kv_cache, log, share, given))
    figures = replace(figures, kv_cache=None) if log.kv_cache_given else figures
    rows = compare(figures, log, share, memory, given)
    record, calibrated = _record(log, figures, share, site, name=name or default_name(site))
    said = (*notes, *_about_workers(log, worker), *_missing(log, figures), *_about_record(record, calibrated, figures))
    return Measurement(site, log, rows, worker, record, calibrated, said)


def _deciding(log: StartupLog, site: Site) -> tuple[int, str]:
    """The worker whose cache holds the fewest blocks, or that printed the most where none says."""
    places = range(len(log.workers))
    least = [place for place in places if log.workers[place].figures.kv_cache is not None]
    if least:
        pool = describe_pool(site.model, site.resolved, gpu=site.hardware.gpu, engine=site.engine)
        stages = (1,) if isinstance(pool, Failure) else pool.block_bytes
        place = min(least, key=lambda place: _blocks(log.workers[place], stages))
    elif log.workers:
        place = max(places, key=lambda place: len(_printed(log.workers[place].figures)))
    else:
        return 0, ""
    return place, log.workers[place].name


def _blocks(worker: Worker, stages: tuple[int, ...]) -> float:
    """A worker's cache in blocks of its pipeline stage, where its name says which one that is."""
    stage = STAGE.search(worker.name)
    place = int(stage[1]) if stage is not None else 0
    block = stages[place] if place < len(stages) else stages[-1]
    return (worker.figures.kv_cache or 0) / (block or 1)


def _printed(figures: Figures) -> dict[str, int]:
    found = {field.name: getattr(figures, field.name) for field in fields(figures)}
    return {name: size for name, size in found.items() if size is not None}


def _filled(log: StartupLog, place: int) -> Figures:
    """The figures of the worker that decides; what it did not print, from the first that did."""
    if not log.workers:
        return Figures()
    found: dict[str, int] = {}
    for worker in reversed(log.workers):
        found |= _printed(worker.figures)
    own = _printed(log.workers[place].figures)
    if "activations" in own or "peak" in own:
        found.pop("activations", None)
        found.pop("peak", None)
    return Figures(**(found | own))


def _check_gpu(log: StartupLog, hardware: Hardware) -> None:
    total = hardware.gpu.total_memory
    printed = max((worker.figures.total or 0 for worker in log.workers), default=0)
    if printed and abs(printed - total) > OTHER_GPU * total:
        raise UserError(
            f"the log's GPU has {printed / GIB:.2f} GiB, {hardware.gpu.name} has {total / GIB:.2f} GiB: "
            "name the GPU that it ran on with --gpu, or its size with --gpu-memory"
        )


def _site(
    log: StartupLog, reading: Reading, model: Model, hardware: Hardware, engine: EngineVersion
) -> tuple[Site, list[str]]:
    """The deployment with what the log shows of its environment."""
    judge.check_sizes(reading.deployment.settings)
    deployment = replace(reading.deployment, engine_version=engine.release, hardware=hardware)
    model = judge.quantised_while_loading(model, deployment)
    resolved = resolve(deployment, model, hardware, engine)
    notes = [*_other_server(log, deployment, engine), *_differing(log, resolved)]
    shown = dict(_environment(log, resolved, engine))
    if shown:
        deployment = replace(deployment, environment={**deployment.environment, **shown})
        notes.append("the log shows " + ", ".join(f"{key}={value}" for key, value in shown.items()))
    share = log.utilization
    if share is not None and abs(share - resolved.gpu_memory_utilization) > SHARE_DIGITS:
        deployment = _with(deployment, "gpu-memory-utilization", share)
        notes.append(f"the log ran with gpu-memory-utilization {share:g}, which is taken")
    resolved = resolve(deployment, model, hardware, engine)
    return Site(deployment, model, resolved, hardware, engine), notes


def _other_server(log: StartupLog, deployment: Deployment, engine: EngineVersion) -> Iterator[str]:
    """Where the log names another release or another model than it is compared with."""
    if log.release is not None and _table_of(log.release) not in {None, engine.release}:
        yield f"the log is of vLLM {log.release}, and is compared with {engine.release}"
    printed = log.model or ""
    is_id = printed.count("/") == 1 and shown_model(printed) == printed
    if is_id and printed != deployment.model and shown_model(deployment.model) == deployment.model:
        yield f"the log's server has {printed}, and is compared with {deployment.model}"


def _table_of(text: str) -> str | None:
    """The release whose options stand for one that a log names; None when it is not known."""
    try:
        return judge.load_engine(text).release
    except UnknownName:
        return None


def _with(deployment: Deployment, flag: str, value: float) -> Deployment:
    kept = tuple(setting for setting in deployment.settings if setting.flag != flag)
    return replace(deployment, settings=(*kept, Setting(flag, value)))


def _environment(log: StartupLog, resolved: Resolved, engine: EngineVersion) -> Iterator[tuple[str, str]]:
    """Variables that must have been set for the log to be as it is."""
    if log.runner is not None and log.runner != resolved.runner:
        if "v0" in {log.runner, resolved.runner}:
            yield "VLLM_USE_V1", "0" if log.runner == "v0" else "1"
        elif on(engine, "runner.v2_env"):
            yield "VLLM_USE_V2_MODEL_RUNNER", "1" if log.runner == "v2" else "0"
    if log.graphs_charged is not None and on(engine, "memory.graphs_estimated"):
        default = on(engine, "memory.graphs_charged")
        if log.graphs_charged != default:
            yield "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS", "1" if log.graphs_charged else "0"


def _differing(log: StartupLog, resolved: Resolved) -> Iterator[str]:
    """Settings that the engine resolved in another way than is expected here."""
    expected = {
        "max_seq_len": resolved.max_model_len,
        "tensor_parallel_size": resolved.tensor_parallel,
        "pipeline_parallel_size": resolved.pipeline_parallel,
        "enforce_eager": resolved.enforce_eager,
    }
    for key, value in expected.items():
        printed = log.config.get(key)
        automatic = key == "max_seq_len" and resolved.auto_max_model_len
        if printed is not None and printed != value and not automatic:
            yield f"the log's engine has {key.replace('_', ' ')} {printed}, where {value} is expected"
    if log.batched_tokens is not None and log.batched_tokens != resolved.max_num_batched_tokens:
        expected_tokens = resolved.max_num_batched_tokens
        yield f"the log's engine has max-num-batched-tokens {log.batched_tokens}, where {expected_tokens} is expected"


def _record(
    log: StartupLog, figures: Figures, share: Share, site: Site, *, name: str
) -> tuple[Record | None, Memory | None]:
    """The record, and the estimate that it leads to; None where the log has nothing that an estimate could use."""
    useful = {"weights", "activations", "peak", "non_torch", "consumed", "kv_cache", "graphs_estimated", "graphs_taken"}
    if not useful & set(_printed(figures)) or not share.charged:
        return None, None
    record = Record(
        name=name,
        model=shown_model(site.model.id),
        identity=identify(site),
        utilization=site.resolved.gpu_memory_utilization,
        figures=figures,
        workers=max(1, len(log.workers)),
        tokens=log.tokens,
        blocks=log.blocks,
        measured=log.measured,
    )
    corrections = correct_exactly(record, site)
    return record, estimate_memory(
        site.deployment, site.model, site.resolved, site.hardware, site.engine, corrections=corrections
    )


def shown_model(model: str) -> str:
    """A model as it may be kept: an id, or the last part of a path."""
    text = model.replace("\\", "/").rstrip("/")
    is_path = text.startswith(("/", ".", "~")) or text.count("/") > 1 or re.match(r"[A-Za-z]:/", text)
    kept = text.rsplit("/", 1)[-1] if is_path else text
    return kept[:LONGEST_NAME] or "model"


def default_name(site: Site) -> str:
    """A name that people can type: ``qwen3-8b-h100-sxm-0.19.0``."""
    model = shown_model(site.model.id).rsplit("/", 1)[-1]
    ranks = "".join(
        f"-{kind}{size}"
        for kind, size in (("tp", site.resolved.tensor_parallel), ("pp", site.resolved.pipeline_parallel))
        if size > 1
    )
    text = f"{model}-{site.hardware.gpu.name}{ranks}-{identify(site).release}".lower()
    return re.sub(r"[^a-z0-9.+-]+", "-", text).strip("-")[:LONGEST_NAME]


def _about_workers(log: StartupLog, decides: str) -> Iterator[str]:
    """Where several workers printed a cache: the one that counts, and how far apart they are."""
    sizes = [worker.figures.kv_cache for worker in log.workers if worker.figures.kv_cache is not None]
    if len(sizes) > 1 and min(sizes) == max(sizes):
        yield f"{len(sizes)} workers, each with {min(sizes) / GIB:.2f} GiB of KV cache"
    elif len(sizes) > 1:
        yield (
            f"{len(sizes)} workers with {min(sizes) / GIB:.2f} to {max(sizes) / GIB:.2f} GiB of KV cache; "
            f"{decides} has the least and decides"
        )


def _missing(log: StartupLog, figures: Figures) -> Iterator[str]:
    if log.kv_cache_given:
        yield "the size of the KV cache was given, so the engine measured nothing else than the weights"
    elif figures.kv_cache is None:
        yield "the log does not say how much was left for the KV cache"
    elif not set(_printed(figures)) & {"weights", "activations", "peak", "non_torch", "consumed"}:
        yield "the log prints the KV cache alone: the whole difference is booked on non-torch memory"
    elif not set(_printed(figures)) & {"activations", "peak", "non_torch", "consumed"}:
        yield "the log does not split what lies beside weights and KV cache: the rest is booked on non-torch memory"


def _about_record(record: Record | None, calibrated: Memory | None, figures: Figures) -> Iterator[str]:
    """What is off with the record: without figures, or with a plan that does not become the measured one."""
    if record is None:
        yield "nothing in the log can correct an estimate, so nothing is stored"
    elif calibrated is not None and figures.kv_cache is not None and calibrated.kv is not None:
        available = calibrated.kv_available
        if abs(available - figures.kv_cache) > max(REPRODUCES * abs(figures.kv_cache), SLACK):
            yield f"the calibrated estimate has {available / GIB:.2f} GiB, not what was measured"
