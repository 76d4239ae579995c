"""Laws of the memory plan over models of the catalogue: sums, and what may only rise or fall."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

GIB = 2**30
BATCH: dict[str, Value] = {"max-num-seqs": 64, "max-num-batched-tokens": 131_072}
EVERY = 4  # one in four models of the catalogue
law = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@lru_cache(maxsize=256)
def model_of(name: str) -> Model | None:
    facts = models.find(name)
    try:
        return read_model(facts.config, facts.quantization, model_id=name)
    except ConfigError:
        return None


names = some.sampled_from(models.names()[::EVERY])
boards = some.sampled_from(("t4", "l4", "rtx-4090", "a100-sxm-40gb", "h100-sxm", "b200-sxm", "mi300x"))
releases = some.sampled_from(("0.6.6", "0.8.5", "0.11.2", "0.19.1", "0.24.0", "0.33.0"))
ways = some.sampled_from((1, 2, 4, 8))
lengths = some.sampled_from((512, 2048, 4096, 10_000, 32_768, 131_072))


def plan(name: str, board: str, release: str, values: Mapping[str, Value], *, more: float = 1.0) -> Memory:
    """The memory plan with these settings, on a GPU with ``more`` times the memory and all other facts kept."""
    model = model_of(name)
    assume(model is not None)
    assert model is not None
    gpu = gpus.find(board)
    hardware = Hardware(replace(gpu, total_memory=int(gpu.total_memory * more)), 8)
    deployment = Deployment(name, tuple(Setting(flag, value) for flag, value in values.items()))
    engine = engines.find(release)
    resolved = resolve(deployment, model, hardware, engine)
    return estimate_memory(deployment, model, resolved, hardware, engine)


def tokens(memory: Memory) -> int:
    return memory.kv.tokens if memory.kv is not None else 0


@law
@given(names, boards, releases, ways, ways, lengths)
def test_parts_sum_to_the_total(name: str, board: str, release: str, tensor: int, stages: int, length: int) -> None:
    values = {"tensor-parallel-size": tensor, "pipeline-parallel-size": stages, "max-model-len": length}
    memory = plan(name, board, release, values)
    assert sum(part.bytes for part in memory.parts) == memory.total
    assert all(part.low <= part.bytes <= part.high for part in memory.parts)
    assert all(part.why for part in memory.parts)
    assert memory.kv_low <= memory.kv_high
    if memory.fits:
        assert all(part.bytes >= 0 for part in memory.parts if part.name != "unused")


@law
@given(names, boards, releases, ways, lengths, some.floats(1.0, 8.0))
def test_more_memory_never_takes_tokens_away(
    name: str, board: str, release: str, tensor: int, length: int, more: float
) -> None:
    # The engine's own defaults of batch sizes follow the GPU's memory, so they are set: the law is about memory.
    values = {**BATCH, "tensor-parallel-size": tensor, "max-model-len": length}
    values["max-num-batched-tokens"] = max(2048, length)
    less = plan(name, board, release, values)
    larger = plan(name, board, release, values, more=more)
    assert tokens(larger) >= tokens(less)
    assert larger.fits or not less.fits
    assert (larger.max_model_len_that_fits or 0) >= (less.max_model_len_that_fits or 0)


@law
@given(names, boards, releases, ways, lengths, lengths)
def test_a_longer_context_never_needs_less_cache(
    name: str, board: str, release: str, tensor: int, one: int, other: int
) -> None:
    values = {**BATCH, "tensor-parallel-size": tensor, "kv-cache-memory-bytes": 2000 * GIB}
    short = plan(name, board, release, {**values, "max-model-len": min(one, other)}, more=100)
    long = plan(name, board, release, {**values, "max-model-len": max(one, other)}, more=100)
    assume(short.kv is not None and long.kv is not None)
    assert short.kv is not None
    assert long.kv is not None
    assert long.kv.needed_bytes >= short.kv.needed_bytes
    assert long.kv.max_concurrency <= short.kv.max_concurrency


@law
@given(names, boards, releases, ways, ways)
def test_more_tensor_parallel_never_needs_more_weights(
    name: str, board: str, release: str, one: int, other: int
) -> None:
    values = {**BATCH, "max-model-len": 512}
    few = plan(name, board, release, {**values, "tensor-parallel-size": min(one, other)}, more=100)
    many = plan(name, board, release, {**values, "tensor-parallel-size": max(one, other)}, more=100)
    assume(len(few.parts) > 1 and len(many.parts) > 1)  # a size that does not divide is refused
    assert many.part("weights").bytes <= few.part("weights").bytes
