"""Settings that a run must have had beside those its source tells: it did start.

Where the memory plan says that one request of the model's own length does not fit, the server was given a shorter
length, or more of the GPU; sources leave this out ("set as needed"). The longest length that fits is taken, and where
none does, with 95 % of the GPU. It is said in ``assumed``; speed depends on it only through the room for the KV cache.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmtune.architectures import read_model
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from performance_sources.common import Run

LENGTHS = (32768, 16384, 8192, 4096, 2048, 1024)
MOST = 0.95  # of the GPU
KV_CACHE = "kv_cache"
_verdicts: dict[str, str] = {}


def startable(run: Run) -> Run:
    """The run with the settings that it must have had; as it is where it starts, or where nothing helps."""
    if run.excluded or _failure(run, run.settings) != KV_CACHE:
        return run
    for extra in _tries(run):
        if not _failure(run, {**run.settings, **extra}):
            assumed = tuple(dict.fromkeys((*run.assumed, "settings")))
            return replace(run, settings={**run.settings, **extra}, assumed=assumed)
    return run


def _tries(run: Run) -> Iterator[dict[str, Any]]:
    """Lengths that hold the longest request, longest first, unless one is given; then with more memory."""
    given = [run.load.get("prompt", 0), run.load.get("output", 0)]
    longest = sum(length[-1] if isinstance(length, list) else length for length in given)
    lengths = [length for length in LENGTHS if length > longest]
    if "max-model-len" not in run.settings:
        yield from ({"max-model-len": length} for length in lengths)
    yield {"gpu-memory-utilization": MOST}
    yield from ({"gpu-memory-utilization": MOST, "max-model-len": length} for length in lengths)


def _failure(run: Run, settings: Mapping[str, Any]) -> str:
    """What keeps a deployment from starting: nothing, or the kind of failure."""
    key = repr((run.model, run.gpu, run.gpus, run.engine, sorted(settings.items(), key=str)))
    if key not in _verdicts:
        _verdicts[key] = _plan(run, settings)
    return _verdicts[key]


def _plan(run: Run, settings: Mapping[str, Any]) -> str:
    facts = models.find(run.model)
    model = read_model(facts.config, facts.quantization, model_id=facts.id, source=facts.source)
    deployment = Deployment(run.model, tuple(Setting(flag, value) for flag, value in settings.items()))
    hardware, engine = Hardware(gpus.load(run.gpu), run.gpus), engines.find(run.engine)
    resolved = resolve(deployment, model, hardware, engine)
    memory = estimate_memory(deployment, model, resolved, hardware, engine)
    return memory.failure.kind if memory.failure else ""
