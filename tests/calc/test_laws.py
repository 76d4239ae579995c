"""Laws of the memory plan over the whole catalogue: sums, intervals, and what may only rise or fall.

Every law is a function of one model and one setup. Hypothesis looks for setups that break it, and
``test_every_model`` walks through the catalogue, with another GPU and release for each model.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

BOARDS = ("t4", "l4", "rtx-5090", "a100-sxm-40gb", "h100-sxm", "b200-sxm", "mi300x")
RELEASES = ("0.8.5", "0.11.2", "0.19.1", "0.24.0", "0.33.0")
WAYS = (1, 2, 4, 8)
LENGTHS = (1, 17, 512, 2048, 4096, 10_000, 32_768, 131_072)
LAYOUTS: tuple[dict[str, Value], ...] = (
    {},
    {"tensor-parallel-size": 2},
    {"tensor-parallel-size": 8},
    {"pipeline-parallel-size": 2},
    {"tensor-parallel-size": 2, "pipeline-parallel-size": 3},
    {"data-parallel-size": 4, "enable-expert-parallel": True},
    {"tensor-parallel-size": 4, "enable-expert-parallel": True},
)
AMPLE = 100.0  # times the GPU's memory: where a law is about what is needed, not about what fits
CHARGED = ("weights", "activations", "persistent buffers", "CUDA graphs", "non-torch")


@dataclass(frozen=True, slots=True)
class Setup:
    """A GPU, a release, and the settings that a law leaves as they are.

    Batch sizes are always set: the engine's own defaults follow the GPU's memory and the length.
    """

    board: str
    release: str
    layout: int = 0
    length: int = 4096
    seqs: int = 64
    tokens: int = 8192

    def values(self) -> dict[str, Value]:
        return {
            **LAYOUTS[self.layout],
            "max-model-len": self.length,
            "max-num-seqs": self.seqs,
            "max-num-batched-tokens": max(self.tokens, self.length),
        }


@lru_cache(maxsize=512)
def model_of(name: str) -> Model | None:
    """A catalogue model; None for those whose quantisation is not described."""
    facts = models.find(name)
    try:
        return read_model(facts.config, facts.quantization, model_id=name)
    except ConfigError:
        return None


def plan(name: str, setup: Setup, more: float = 1.0, **changes: Value) -> Memory | None:
    """The plan on a GPU with ``more`` times the memory; None when the engine refuses the combination."""
    model = model_of(name)
    if model is None:
        return None
    gpu, engine = gpus.find(setup.board), engines.find(setup.release)
    hardware = Hardware(replace(gpu, total_memory=int(gpu.total_memory * more)), 8)
    values = {**setup.values(), **{flag.replace("_", "-"): value for flag, value in changes.items()}}
    deployment = Deployment(name, tuple(Setting(flag, value) for flag, value in values.items()))
    resolved = resolve(deployment, model, hardware, engine)
    memory = estimate_memory(deployment, model, resolved, hardware, engine)
    return memory if len(memory.parts) > 1 else None


def accepted(plans: Sequence[Memory | None]) -> list[tuple[Memory, Memory]]:
    """Neighbours among those that the engine accepts."""
    return list(pairwise(memory for memory in plans if memory is not None))


def tokens(memory: Memory) -> int:
    return memory.kv.tokens if memory.kv is not None else 0


def beside(memory: Memory) -> tuple[int, int, int]:
    """Bytes beside the KV cache: at least, expected, at most."""
    parts = [memory.part(name) for name in CHARGED]
    return sum(part.low for part in parts), sum(part.bytes for part in parts), sum(part.high for part in parts)


def needs_no_less(more: Memory, less: Memory) -> bool:
    """Neither beside the cache nor, where there is one, for the cache.

    A plan is that of the pipeline stage that holds the fewest blocks. Where that becomes another stage, what is beside
    the cache is another stage's, and only the blocks can be compared.
    """
    same = more.rank == less.rank
    needs = not same or all(larger >= smaller for larger, smaller in zip(beside(more), beside(less), strict=True))
    return needs and (more.kv is None or less.kv is None or more.kv.num_blocks <= less.kv.num_blocks)


def holds_no_less(more: Memory, less: Memory) -> bool:
    """More cache, no fewer tokens, no shorter longest context, and it starts if the other does."""
    return (
        tokens(more) >= tokens(less)
        and more.part("KV cache").bytes >= less.part("KV cache").bytes
        and (more.max_model_len_that_fits or 0) >= (less.max_model_len_that_fits or 0)
        and (more.fits or not less.fits)
    )


def parts_sum_to_the_total(name: str, setup: Setup) -> None:
    for changes in ({}, {"max_num_seqs": 1024}, {"enforce_eager": True}, {"kv_cache_memory_bytes": 2**30}):
        memory = plan(name, setup, **changes)
        if memory is None:
            continue
        assert sum(part.bytes for part in memory.parts) == memory.total
        assert all(part.low <= part.bytes <= part.high for part in memory.parts)
        assert all(part.why for part in memory.parts)
        assert memory.kv_low <= max(0, memory.kv_available) <= memory.kv_high
        told = memory.failure or memory.doubt or memory.risks or "kv_cache_memory_bytes" in changes
        assert memory.part("unused").bytes >= 0 or told
        assert all(part.bytes >= 0 for part in memory.parts if part.name != "unused")


def more_memory_never_holds_less(name: str, setup: Setup) -> None:
    plans = [plan(name, setup, more) for more in (1.0, 1.01, 1.5, 4.0)]
    assert all(holds_no_less(larger, smaller) for smaller, larger in accepted(plans))


def a_higher_share_never_holds_less(name: str, setup: Setup) -> None:
    plans = [plan(name, setup, gpu_memory_utilization=share) for share in (0.3, 0.8, 0.9, 0.95)]
    for lower, higher in accepted(plans):
        assert tokens(higher) >= tokens(lower)
        assert higher.part("KV cache").bytes >= lower.part("KV cache").bytes
        assert higher.kv_low >= lower.kv_low
        assert higher.kv_high >= lower.kv_high


def a_longer_context_never_needs_less_cache(name: str, setup: Setup) -> None:
    """With the same tokens in flight: what a step may hold is set to the longest."""
    whole = {"max_num_batched_tokens": max(LENGTHS), "kv_cache_memory_bytes": 2**41}
    plans = [plan(name, setup, AMPLE, max_model_len=length, **whole) for length in LENGTHS]
    caches = [memory.kv for memory in plans if memory is not None and memory.kv is not None]  # else no backend runs
    for short, long in pairwise(caches):
        assert long.needed_bytes >= short.needed_bytes
        assert long.max_concurrency <= short.max_concurrency


def more_ranks_never_need_more_weights(name: str, setup: Setup) -> None:
    """Sizes that do not divide are refused; replicated heads and padded shares stay below what fewer ranks hold."""
    for together in (False, True):
        plans = [plan(name, setup, AMPLE, tensor_parallel_size=ways, enable_expert_parallel=together) for ways in WAYS]
        for few, many in accepted(plans):
            assert many.part("weights").bytes <= few.part("weights").bytes


def more_requests_never_need_less(name: str, setup: Setup) -> None:
    plans = [plan(name, setup, AMPLE, max_num_seqs=seqs) for seqs in (1, 3, 8, 64, 300, 1024, 4096)]
    assert all(needs_no_less(many, few) for few, many in accepted(plans))


def larger_batches_never_need_less(name: str, setup: Setup) -> None:
    steps = [setup.length + more for more in (0, 1, 1000, 8192, 16_384)]
    plans = [plan(name, setup, AMPLE, max_num_batched_tokens=step) for step in steps]
    assert all(needs_no_less(large, small) for small, large in accepted(plans))


def graphs_never_need_less_than_eager(name: str, setup: Setup) -> None:
    eager, graphs = plan(name, setup, AMPLE, enforce_eager=True), plan(name, setup, AMPLE)
    if eager is not None and graphs is not None:
        assert eager.part("CUDA graphs").bytes == 0
        assert needs_no_less(graphs, eager)
        assert holds_no_less(eager, graphs)


LAWS: tuple[Callable[[str, Setup], None], ...] = (
    parts_sum_to_the_total,
    more_memory_never_holds_less,
    a_higher_share_never_holds_less,
    a_longer_context_never_needs_less_cache,
    more_ranks_never_need_more_weights,
    more_requests_never_need_less,
    larger_batches_never_need_less,
    graphs_never_need_less_than_eager,
)
setups = some.builds(
    Setup,
    board=some.sampled_from(BOARDS),
    release=some.sampled_from(RELEASES),
    layout=some.integers(0, len(LAYOUTS) - 1),
    length=some.sampled_from(LENGTHS[1:]),
    seqs=some.sampled_from((1, 64, 256, 1024)),
    tokens=some.sampled_from((2048, 8192, 16_384)),
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(name=some.sampled_from(models.names()), setup=setups)
def test_law(law: Callable[[str, Setup], None], name: str, setup: Setup) -> None:
    law(name, setup)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_every_model(law: Callable[[str, Setup], None]) -> None:
    for number, name in enumerate(models.names()):
        setup = Setup(BOARDS[number % len(BOARDS)], RELEASES[number % len(RELEASES)])
        try:
            law(name, setup)
        except AssertionError as error:
            raise AssertionError(f"{name}, {setup}: {error}") from error
