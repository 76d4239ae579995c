"""What must be free when a server starts: the check by release, others on the GPU, unified memory, a part of a GPU."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from llmtune.architectures import read_model
from llmtune.calc.candidates import Request
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.search import recommend
from llmtune.calc.sharing import OTHERS
from llmtune.calc.start_up import OUT_OF_MEMORY
from llmtune.calc.ways_out import find_ways_out
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.deployment import Value
    from llmtune.spec.memory import Failure, Memory
    from llmtune.spec.model import Model
    from llmtune.spec.recommendation import Recommendation

GIB = 2**30
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
TOTAL = gpus.find("h100-sxm").total_memory
ADVICE = "Decrease GPU memory utilization or reduce GPU memory used by other processes."
law = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@lru_cache(maxsize=8)
def model_of(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def with_free(gpu: str = "h100-sxm", free: float | None = None, *, gpus_: int = 1) -> Hardware:
    return Hardware(gpus.find(gpu), gpus_, free_memory=None if free is None else int(free * GIB))


def plan(hardware: Hardware, release: str = "0.33.0", *, v1: bool | None = None, **flags: Value) -> Memory:
    deployment = Deployment(
        LLAMA,
        tuple(Setting(flag.replace("_", "-"), value) for flag, value in ({"max_model_len": 8192} | flags).items()),
        {} if v1 is None else {"VLLM_USE_V1": str(int(v1))},
    )
    engine = engines.find(release)
    resolved = resolve(deployment, model_of(LLAMA), hardware, engine)
    return estimate_memory(deployment, model_of(LLAMA), resolved, hardware, engine)


def failure(memory: Memory) -> Failure:
    assert memory.failure is not None
    return memory.failure


def advice(hardware: Hardware, release: str = "0.33.0", *pins: Setting) -> Recommendation:
    return recommend(Request(model_of(LLAMA), hardware, engines.find(release), scenarios.find("chat"), pins))


def parts_sum(memory: Memory) -> bool:
    return sum(part.bytes for part in memory.parts) == memory.total


# Read in the source of every release from 0.6.0 to 0.33.0: when the check came, and what its message says.
CHECKED = ["0.9.1", "0.9.2", "0.10.2", "0.11.2", "0.13.0", "0.14.0", "0.20.0", "0.33.0"]


@pytest.mark.parametrize("release", CHECKED)
def test_the_check_of_the_releases_that_have_it(release: str) -> None:
    memory = plan(with_free(free=60), release, gpu_memory_utilization=0.9)
    assert failure(memory).kind == "free_memory"
    device = " cuda:0" if release in {"0.14.0", "0.20.0", "0.33.0"} else ""
    assert failure(memory).engine_message == (
        f"Free memory on device{device} (59.78/79.19 GiB) on startup is less than desired GPU memory utilization "
        f"(0.9, 71.27 GiB). {ADVICE}"
    )
    assert parts_sum(memory)
    assert plan(with_free(free=72), release, gpu_memory_utilization=0.9).fits


def test_what_the_process_takes_before_the_check_counts() -> None:
    assert not plan(with_free(free=71.4), gpu_memory_utilization=0.9).fits  # the CUDA context
    assert plan(with_free(free=71.6), gpu_memory_utilization=0.9).fits
    two = with_free(free=71.6, gpus_=2)
    assert plan(two, "0.10.2", gpu_memory_utilization=0.9, tensor_parallel_size=2).fits
    later = plan(two, "0.11.0", gpu_memory_utilization=0.9, tensor_parallel_size=2)
    assert not later.fits  # from 0.11 on communication as well


@pytest.mark.parametrize(("release", "v1"), [("0.6.6", True), ("0.7.3", True), ("0.8.5", None), ("0.9.0", None)])
def test_releases_that_charge_the_others_to_the_budget(release: str, v1: bool | None) -> None:  # noqa: FBT001
    alone = plan(with_free(), release, v1=v1, gpu_memory_utilization=0.9)
    beside = plan(with_free(free=60), release, v1=v1, gpu_memory_utilization=0.9)
    missing = alone.part("KV cache").bytes - beside.part("KV cache").bytes
    assert missing == pytest.approx(TOTAL - 60 * GIB, abs=4 * 2**20)
    assert beside.fits
    assert parts_sum(beside)
    assert beside.part(OTHERS).bytes == TOTAL - 60 * GIB
    full = plan(with_free(free=20), release, v1=v1, gpu_memory_utilization=0.9)
    assert failure(full).kind in {"kv_cache", "weights"}


@pytest.mark.parametrize("release", ["0.6.3", "0.6.6", "0.7.3"])
def test_v0_neither_checks_nor_charges_and_runs_out_of_memory(release: str) -> None:
    memory = plan(with_free(free=60), release, gpu_memory_utilization=0.9)
    assert failure(memory).kind == "free_memory"
    assert failure(memory).engine_message == OUT_OF_MEMORY
    alone = plan(with_free(), release, gpu_memory_utilization=0.9)
    assert memory.part("KV cache").bytes == alone.part("KV cache").bytes
    assert memory.part("unused").bytes < 0
    assert plan(with_free(free=60), release, gpu_memory_utilization=0.7).fits


def test_v0_of_0_6_4_charges_the_others() -> None:
    assert plan(with_free(free=60), "0.6.4", gpu_memory_utilization=0.9).fits


def test_a_cache_of_a_size_that_was_asked_for_must_be_free() -> None:
    assert plan(with_free(free=70), kv_cache_memory_bytes=50 * GIB, gpu_memory_utilization=0.4).fits
    short = plan(with_free(free=60), kv_cache_memory_bytes=50 * GIB, gpu_memory_utilization=0.4)
    assert failure(short).engine_message == OUT_OF_MEMORY


def test_unified_memory_is_shared_with_the_system() -> None:
    gb10 = gpus.find("gb10")
    assert gb10.integrated
    unknown = plan(Hardware(gb10, 1))
    others = unknown.part(OTHERS)
    assert 0 < others.low < others.bytes < others.high
    assert parts_sum(unknown)
    # Measured: 113.69 to 114.54 of 121.69 GiB are free when an engine starts on an idle machine.
    assert unknown.fits
    assert not plan(Hardware(gb10, 1), gpu_memory_utilization=0.97).fits
    assert not plan(with_free("gb10", 100)).fits
    # 116.43 GiB available, 113.69 seen by the engine: its own processes take memory on the host.
    assert plan(with_free("gb10", 116.43), gpu_memory_utilization=0.93).fits
    assert not plan(with_free("gb10", 116.43), gpu_memory_utilization=0.95).fits
    assert not gpus.find("gh200-96gb").integrated
    assert gpus.find("gh200-96gb").coherent


@pytest.mark.parametrize("release", ["0.6.6", "0.8.5", "0.10.2", "0.13.0", "0.33.0"])
@pytest.mark.parametrize("free", [20.0, 40.0, 78.0])
def test_recommended_shares_are_free_and_say_why(release: str, free: float) -> None:
    answer = advice(with_free(free=free), release)
    assert answer.memory is not None
    if answer.deployment is None:
        assert (release, free) == ("0.8.5", 20.0)  # it may use 0.9 of the GPU, 0.75 of which others hold
        return
    assert answer.memory.fits
    assert answer.memory.part("unused").bytes >= 0
    if release != "0.8.5" and free < 70:
        reasons = {reason.flag: reason.text for reason in answer.reasons}
        assert f"{free:.1f} GiB are free, others hold the rest" in reasons["gpu-memory-utilization"]


def test_servers_on_one_gpu_fit_beside_each_other() -> None:
    card = gpus.find("h100-sxm")
    for servers in (2, 3, 4):
        part = Hardware(card, 1, free_memory=int(TOTAL / servers), gpu_share=1 / servers)
        answer = advice(part)
        assert answer.deployment is not None
        assert answer.memory is not None
        # What one server holds leaves the next its budget, when it has made its own CUDA context.
        used = sum(one.bytes for one in answer.memory.parts if one.name not in {OTHERS, "unused"})
        last = Hardware(card, 1, free_memory=TOTAL - (servers - 1) * used)
        flags = {setting.flag: setting.value for setting in answer.deployment.settings}
        assert plan(last, gpu_memory_utilization=flags["gpu-memory-utilization"], max_model_len=4096).fits


def test_a_way_out_names_what_must_be_free() -> None:
    request = Request(model_of(LLAMA), with_free(free=12), engines.find("0.33.0"), scenarios.find("chat"))
    way = find_ways_out(request)[0]
    assert way.change.endswith("GiB free; 12.0 are")
    size = int(way.arguments.removeprefix("--free-memory ").removesuffix("MiB"))
    assert advice(with_free(free=size / 1024)).deployment is not None
    assert advice(with_free(free=size / 1024 - 1)).deployment is None
    share = Setting("gpu-memory-utilization", 0.9)
    pinned = Request(model_of(LLAMA), with_free(free=40), engines.find("0.33.0"), scenarios.find("chat"), (share,))
    assert "--set gpu-memory-utilization=0.49" in {way.arguments for way in find_ways_out(pinned)}


def test_what_was_said_of_others_holds_on_another_gpu() -> None:
    larger = gpus.find("h200-sxm")
    said = Hardware(gpus.find("h100-sxm"), 1, free_memory=TOTAL - 4 * GIB, others=4 * GIB)
    assert said.with_gpu(larger).free_memory == larger.total_memory - 4 * GIB
    part = Hardware(gpus.find("h100-sxm"), 1, free_memory=TOTAL // 2, gpu_share=0.5)
    assert part.with_gpu(larger).free_memory == larger.total_memory // 2
    assert with_free(free=60).with_gpu(larger).free_memory is None


@law
@given(
    some.sampled_from(("l4", "rtx-4090", "h100-sxm", "gb10", "gh200-96gb")),
    some.sampled_from(("0.6.3", "0.6.4", "0.6.6", "0.8.5", "0.9.0", "0.10.2", "0.13.0", "0.33.0")),
    some.floats(0.02, 1),
    some.floats(0.02, 1),
    some.sampled_from((0.3, 0.6, 0.9, 0.95)),
    some.booleans(),
)
def test_less_free_memory_never_makes_anything_fit(
    board: str,
    release: str,
    one: float,
    other: float,
    share: float,
    recommended: bool,  # noqa: FBT001
) -> None:
    total = gpus.find(board).total_memory / GIB
    less, more = sorted((one * total, other * total))
    if recommended:
        found = [advice(with_free(board, free), release).deployment is not None for free in (less, more)]
    else:
        plans = [plan(with_free(board, free), release, gpu_memory_utilization=share) for free in (less, more)]
        found = [memory.fits for memory in plans]
        tokens = [memory.kv.tokens if memory.kv else 0 for memory in plans]
        assert tokens[0] <= tokens[1]
        assert all(parts_sum(memory) for memory in plans)
    assert found[0] <= found[1]
