"""From a server and a load to the benchmark that would verify them."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, exp, log
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune import __version__
from llmtune.catalog.bench_options import find_client
from llmtune.cli.loads import within_context
from llmtune.cli.predicting import predict_load
from llmtune.cli.servers import estimate_words
from llmtune.readers.secrets import MASK, is_secret
from llmtune.reports.text import hardware_line
from llmtune.spec.bench import BenchPlan, BenchRun
from llmtune.spec.deployment import Setting
from llmtune.spec.scenario import Tokens
from llmtune.writers import bench_script
from llmtune.writers.bench_script import RESULTS

if TYPE_CHECKING:
    from llmtune.cli.loads import AskedLoad
    from llmtune.cli.servers import HardwareOptions, Source
    from llmtune.spec.deployment import Deployment
    from llmtune.spec.performance import Load
    from llmtune.spec.recommendation import Estimate

P95 = 1.6449  # standard deviations above the median
LEVELS = (0.25, 1, 2)  # of the concurrency or rate that was asked for; one request alone comes first
EACH = 8  # requests a run, for each that is in flight
FEWEST, MOST = 16, 2000  # requests a run
SECONDS = 60  # of arrivals, with a rate


def find_estimate(words: list[str], hardware: HardwareOptions, source: Source, asked: AskedLoad) -> Estimate:
    """The server that the words describe, or the one that is recommended for the model they name."""
    if _is_model(words):
        return _recommended(words[0], hardware, source, asked)
    return estimate_words(words, hardware, source)


def _is_model(words: list[str]) -> bool:
    """Whether a word names a model and no file."""
    if len(words) != 1 or words[0].startswith("-") or any(letter.isspace() for letter in words[0].strip()):
        return False
    path = Path(words[0])
    return path.is_dir() or not (path.exists() or path.suffix in {".yaml", ".yml", ".sh", ".json"})


def _recommended(name: str, hardware: HardwareOptions, source: Source, asked: AskedLoad) -> Estimate:
    from llmtune.cli import advise, judge  # noqa: PLC0415 - only where a model is named
    from llmtune.cli.goals import GoalOptions, find_goal  # noqa: PLC0415
    from llmtune.cli.scenarios import scenario_with  # noqa: PLC0415

    machines, notes = hardware.find()
    model = judge.load_model(name, offline=source.offline, assume_architecture=source.assume_architecture)
    engine = judge.load_engine(source.vllm_version)
    request = advise.request(model, machines, engine, scenario_with(asked), (), records=source.records)
    goal = replace(find_goal(GoalOptions(), request.scenario, machines.gpu), load=asked.load)
    answer = advise.advise(request, notes, goal=goal)
    return answer.estimate


def write_plan(
    estimate: Estimate, asked: AskedLoad, source: Source, *, sweep: bool, script: str = ""
) -> tuple[str, tuple[str, ...]]:
    """The script (to be kept under the name ``script``), and what is said beside it."""
    deployment, left_out = without_secrets(estimate.deployment)
    deployment = kept_local(deployment)
    load, said = within_context(asked.load, estimate.resolved)
    fixed = replace(load, prompt=fixed_length(load.prompt), output=fixed_length(load.output))
    fixed, clipped = within_context(fixed, estimate.resolved)
    runs = tuple(
        BenchRun(_name(level), level, predict_load(estimate, level, records=source.records))
        for level in levels(fixed, requests=asked.load.requests)
    )
    server = f"{script or 'THIS_SCRIPT'} --gpu {estimate.hardware.gpu.name}"
    where = hardware_line(estimate).replace(" · ", ", ")  # a script is plain ASCII
    about = (
        f"Measures what llmtune {__version__} predicts: {estimate.model.id} on {where}.",
        f"Prompts of {fixed.prompt.p50} tokens, answers of {fixed.output.p50}. Results go to {RESULTS}/; then:",
        f"llmtune bench-read {RESULTS}/ {server}",
    )
    client = find_client(estimate.engine.release)
    plan = BenchPlan(deployment, estimate.engine.release, client, runs, about)
    text = bench_script.write(plan, estimate.engine, sweep=sweep)
    return text, (*asked.notes, *said, *clipped, *left_out)


def levels(load: Load, *, requests: int) -> list[Load]:
    """The loads to measure: one request alone, then parts and multiples of what was asked for."""
    if load.offline:
        return [replace(load, requests=requests or 10 * EACH)]
    alone = replace(load, concurrency=1, rate=None, requests=requests or FEWEST)
    if load.rate is not None:
        rates = [load.rate * level for level in (*LEVELS[:-1], 1.25)]
        return [alone, *(replace(load, rate=rate, requests=requests or _clipped(rate * SECONDS)) for rate in rates)]
    counts = sorted({ceil((load.concurrency or 1) * level) for level in LEVELS} - {1})
    return [alone, *(replace(load, concurrency=n, requests=requests or _clipped(EACH * n)) for n in counts)]


def fixed_length(tokens: Tokens) -> Tokens:
    """The mean of a log-normal length, for all requests.

    >>> fixed_length(Tokens(600, 3000))
    Tokens(p50=968, p95=968)

    """
    spread = log(tokens.p95 / tokens.p50) / P95
    mean = round(tokens.p50 * exp(spread * spread / 2))
    return Tokens(mean, mean)


def without_secrets(deployment: Deployment) -> tuple[Deployment, tuple[str, ...]]:
    """A deployment to write into a script: no keys, which client and server on one machine do not need."""
    dropped = [setting.flag for setting in deployment.settings if is_secret(setting.flag)]
    hidden = [name for name, value in deployment.environment.items() if MASK in value]
    kept = replace(
        deployment,
        settings=tuple(setting for setting in deployment.settings if setting.flag not in dropped),
        environment={name: value for name, value in deployment.environment.items() if name not in hidden},
    )
    names = [f"--{flag}" for flag in dropped] + hidden
    return kept, (f"left out of the script: {', '.join(names)}; set it outside where it is needed",) if names else ()


def kept_local(deployment: Deployment) -> Deployment:
    """The server of a benchmark listens where its client is and nowhere else."""
    if deployment.has("host") or deployment.has("uds"):
        return deployment
    return replace(deployment, settings=(*deployment.settings, Setting("host", "127.0.0.1")))


def _name(load: Load) -> str:
    """The name of a run's result file: c32 in flight, r12 requests a second."""
    if load.rate is not None:
        return f"r{load.rate:g}"
    return f"c{load.concurrency}" if load.concurrency else "offline"


def _clipped(requests: float) -> int:
    return max(FEWEST, min(MOST, ceil(requests)))
