"""Which measured start-up speaks for a deployment, and what it corrects.

An exact match has the same GPU, release, sizes of the model and every setting that memory depends on; then each part
becomes what was measured, and the interval what rounding leaves. A start-up of the same class (GPU, release, family
of models, runner, parallel sizes and features) lends its non-torch memory, where its log printed that. Anything else
stays untouched. ``gpu-memory-utilization`` and the size of the cache are no part of a match: what the engine takes
beside the cache does not depend on them.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING

from llmtune.calc.comparison import group
from llmtune.calc.cuda_graphs import charges_graphs
from llmtune.calc.other_settings import other_settings
from llmtune.calc.shares import fullest_share
from llmtune.spec.calibration import Corrections, Figures, Identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.calc.shares import Share, Site
    from llmtune.spec.calibration import Record
    from llmtune.spec.deployment import Value
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.model import Model

# Logs round to 0.01 GiB. Of four start-ups that were made twice on one machine, both said the same to that digit
# (0.19.0 on H100: Llama-3.1-8B 58.11 GiB, Qwen2.5-7B 58.53 GiB), so this is what a part may be off.
SLACK = round(0.01 * 2**30)
CLOSE = 1 << 20  # bytes between the measured cache and the one that the corrected plan has
ROUNDS = 8  # of closing that gap; with several stages another one may become the fullest
SAME_MEMORY = 0.005  # share by which the total of one GPU may differ between two ways to read it
WIDE = frozenset({  # what memory beside the cache does not depend on
    "gpu_memory_utilization", "kv_cache_memory", "num_gpu_blocks_override", "auto_max_model_len", "origins",
})  # fmt: skip
CLASS = (
    "runner", "tensor_parallel", "pipeline_parallel", "data_parallel", "decode_context_parallel", "expert_parallel",
    "enforce_eager", "cudagraph_mode", "speculative_method", "dtype", "quantization", "attention_backend",
    "async_scheduling", "graphs_charged",
)  # fmt: skip
SHAPE = (
    "architecture", "layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "vocab", "dtype",
    "quantization",
)  # fmt: skip
LINE_ONLY = re.compile(r"v?\d+\.\d+")
LOCAL_BUILD = re.compile(r"\+(cu|rocm|cpu)\d*$")


def identify(site: Site) -> Identity:
    """What memory depends on, in a form that can be kept."""
    resolved, model = site.resolved, site.model
    settings: dict[str, Value] = {
        field.name: _plain(getattr(resolved, field.name)) for field in fields(resolved) if field.name not in WIDE
    }
    settings["graphs_charged"] = charges_graphs(site.deployment, site.engine)
    return Identity(
        gpu=site.hardware.gpu.name,
        total_memory=site.hardware.gpu.total_memory,
        release=release_of(site.engine),
        family=model.family,
        model={name: _plain(getattr(model, name)) for name in SHAPE} | {"modules": _modules(model)},
        settings=settings,
        others=other_settings(site.deployment, site.engine),
    )


def release_of(engine: EngineVersion) -> str:
    """The release that memory was measured under: a build for another CUDA is the same, a development version is not.

    >>> from llmtune.spec.engine import EngineVersion
    >>> release_of(EngineVersion("0.20.0", {}, {}, requested="v0.20.1rc1.dev3+g7a1e"))
    '0.20.1rc1.dev3+g7a1e'
    """
    asked = LOCAL_BUILD.sub("", engine.requested.strip().lower()).removeprefix("v")
    return engine.release if not asked or LINE_ONLY.fullmatch(asked) else asked


def _modules(model: Model) -> int:
    """A number that changes with what the model is made of, where its sizes alone do not say it."""
    return sum(len(group.modules) * model.pattern.count(place) for place, group in enumerate(model.groups)) + len(
        model.towers
    )


def _plain(value: object) -> Value:
    """A value as JSON keeps it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def find_corrections(records: Iterable[Record], site: Site) -> Corrections | None:
    """What the records say of a deployment: the last exact match, else the last of its class; None without any."""
    known = [one for one in records if one.figures != Figures() and _same_hardware(one, site)]
    if not known:
        return None
    identity = identify(site)
    for record in reversed(known):
        if matches(_completed(record.identity, site), identity):
            return correct_exactly(record, site)
    for record in reversed(known):
        if record.figures.non_torch is not None and same_class(_completed(record.identity, site), identity):
            return _correct_class(record, site)
    return None


def _completed(identity: Identity, site: Site) -> Identity:
    """A record made before a setting was resolved: it had the setting's default."""
    resolved = [field for field in fields(site.resolved) if field.name not in WIDE and field.default is not MISSING]
    defaults = {field.name: _plain(field.default) for field in resolved}
    return replace(identity, settings={**defaults, **identity.settings})


def _same_hardware(record: Record, site: Site) -> bool:
    gpu, known = site.hardware.gpu, record.identity
    near = abs(gpu.total_memory - known.total_memory) <= SAME_MEMORY * gpu.total_memory
    return gpu.name == known.gpu and near and release_of(site.engine) == known.release


def matches(one: Identity, other: Identity) -> bool:
    """Whether two start-ups use the same memory beside the cache."""
    same = (one.gpu, one.release, one.family) == (other.gpu, other.release, other.family)
    return same and one.model == other.model and one.settings == other.settings and one.others == other.others


def same_class(one: Identity, other: Identity) -> bool:
    """Whether memory outside of PyTorch is the same: sizes may differ, how the engine runs may not."""
    same = (one.gpu, one.release, one.family) == (other.gpu, other.release, other.family)
    loras = bool(one.settings.get("max_loras")) == bool(other.settings.get("max_loras"))
    return same and loras and all(one.settings.get(key) == other.settings.get(key) for key in CLASS)


def correct_exactly(record: Record, site: Site) -> Corrections | None:
    """Corrections that make the plan what was measured; None where the plan is refused.

    Example:
        Weights 15.26 predicted and 15.30 measured, activations 2.20 and 2.20, cache 57.53 and 57.50 GiB: weights
        +0.04, and non-torch -0.01 closes the sum.

    """
    world = _as_measured(record, site)
    share = fullest_share(world)
    if share is None:
        return None
    figures = record.figures
    charged, outside = _residuals(figures, share, world)
    for _ in range(ROUNDS if figures.kv_cache is not None else 0):
        made = Corrections("", charged, outside)
        closer = fullest_share(replace(world, corrections=made))
        gap = 0 if closer is None or figures.kv_cache is None else closer.available - figures.kv_cache
        if abs(gap) <= CLOSE:
            break
        charged["non-torch"] = charged.get("non-torch", 0) + gap
    known = {part.name for part in share.charged} if figures.kv_cache is not None else set(charged)
    said = f"calibrated by {record.name}: parts as measured{_when(record)} with this GPU, release, model and settings"
    return Corrections(said, charged, outside, frozenset(known), SLACK)


def _as_measured(record: Record, site: Site) -> Site:
    """The deployment with the share and the total that the record's cache was left of."""
    gpu = replace(site.hardware.gpu, total_memory=record.identity.total_memory)
    resolved = replace(
        site.resolved,
        gpu_memory_utilization=record.utilization,
        kv_cache_memory=None,
        num_gpu_blocks_override=None,
    )
    hardware = replace(site.hardware, gpu=gpu, free_memory=None, others=None, gpu_share=None)
    return replace(site, resolved=resolved, hardware=hardware, corrections=None)


def _residuals(figures: Figures, share: Share, site: Site) -> tuple[dict[str, int], dict[str, int]]:
    """Measured less predicted, part by part as far as the log tells them apart."""
    predicted = group(share, site)
    charged: dict[str, int] = {}
    outside: dict[str, int] = {}
    if figures.weights is not None:
        charged["weights"] = figures.weights - predicted.weights
    if figures.graphs_estimated is not None and predicted.graphs_charged:
        charged["CUDA graphs"] = figures.graphs_estimated - predicted.graphs
    if figures.activations is not None:
        charged["activations"] = figures.activations - predicted.activations
    elif figures.peak is not None:
        charged["activations"] = figures.peak - predicted.peak - charged.get("CUDA graphs", 0)
    if figures.non_torch is not None:
        charged["non-torch"] = figures.non_torch - predicted.non_torch
    elif figures.consumed is not None:
        charged["non-torch"] = figures.consumed - predicted.consumed - charged.get("weights", 0)
    if figures.graphs_taken is not None and not predicted.graphs_charged:
        outside["CUDA graphs"] = figures.graphs_taken - predicted.graphs
    return charged, outside


def _correct_class(record: Record, site: Site) -> Corrections | None:
    """Non-torch memory as another model of the class had it."""
    share = fullest_share(replace(site, corrections=None))
    measured = record.figures.non_torch
    if share is None or measured is None or measured < 0:
        return None
    said = (
        f"non-torch memory is that of {record.name}, measured{_when(record)} with this GPU, release and family of "
        "models; its other parts depend on sizes and are not used"
    )
    return Corrections(said, {"non-torch": measured - group(share, site).non_torch})


def _when(record: Record) -> str:
    return f" on {record.measured}" if record.measured else ""
