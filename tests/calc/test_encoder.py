"""What the encoder adds while the engine profiles, and what sampling takes that no profile sees."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.activations import after_profile, sampler
from llmtune.calc.encoder import encoder, encoder_batch, encoder_cache
from llmtune.calc.memory import estimate_memory
from llmtune.calc.persistent import lora_slots
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

H100 = gpus.find("h100-80gb-sxm")


@lru_cache
def model_of(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=name)


def resolved_of(name: str, release: str, **settings: object) -> Resolved:
    return resolve(_deployment(name, settings), model_of(name), Hardware(H100, 1), engines.find(release))


def plan(name: str, release: str, **settings: object) -> Memory:
    resolved = resolved_of(name, release, **settings)
    deployment = _deployment(name, settings)
    return estimate_memory(deployment, model_of(name), resolved, Hardware(H100, 1), engines.find(release))


def _deployment(name: str, settings: dict[str, object]) -> Deployment:
    pairs = ((flag.replace("_", "-"), value) for flag, value in settings.items())
    return Deployment(name, tuple(Setting(flag, value) for flag, value in pairs))  # type: ignore[arg-type]


QWEN = "Qwen/Qwen2.5-VL-7B-Instruct"
GEMMA = "google/gemma-3-12b-it"


@pytest.mark.parametrize(
    ("settings", "tokens", "patches"),
    [
        ({"max_model_len": 8192, "max_num_batched_tokens": 2048}, 16384, 65536),  # one image or two frames, whatever T
        ({"max_model_len": 65536, "max_num_batched_tokens": 2048}, 4 * 16384, 4 * 65536),  # a video of eight frames
        ({"max_model_len": 8192, "skip_mm_profiling": True}, 0, 0),
        ({"max_model_len": 8192, "language_model_only": True}, 0, 0),
    ],
)
def test_the_largest_item_is_encoded(settings: dict[str, object], tokens: int, patches: int) -> None:
    batch = encoder_batch(model_of(QWEN), resolved_of(QWEN, "0.19.0", **settings), engines.find("0.19.0"))
    assert (batch.tokens, batch.patches) == (tokens, patches)


def test_small_items_fill_the_budget() -> None:
    """Gemma 3: images of 256 tokens from 4096 patches; 8192 tokens hold 32 of them."""
    batch = encoder_batch(model_of(GEMMA), resolved_of(GEMMA, "0.19.0"), engines.find("0.19.0"))
    assert (batch.tokens, batch.patches) == (8192, 32 * 4096)


def test_runner_v2_encodes_from_0_27_on() -> None:
    for release, encodes in (("0.26.0", False), ("0.27.1", True), ("0.33.0", True)):
        resolved = resolved_of("Qwen/Qwen3-VL-8B-Instruct", release)
        assert resolved.runner == "v2"
        found = encoder(model_of("Qwen/Qwen3-VL-8B-Instruct"), resolved, engines.find(release))
        assert bool(found.bytes) is encodes


def test_outputs_are_padded_to_the_budget_in_0_11_and_0_12_only() -> None:
    """32 images of 8192 rows of 3840 numbers in place of 32 of 256; the pixels beside them."""
    pixels = 2 * 32 * 896 * 896 * 3
    kept = {
        release: encoder_cache(model_of(GEMMA), resolved_of(GEMMA, release), engines.find(release)).bytes - pixels
        for release in ("0.10.2", "0.11.2", "0.12.0", "0.13.0")
    }
    assert kept["0.10.2"] == kept["0.13.0"] == 2 * 8192 * 3840
    assert kept["0.11.2"] == kept["0.12.0"] == 32 * kept["0.13.0"]


@pytest.mark.parametrize(("release", "entry"), [("0.24.0", 6), ("0.28.0", 2), ("0.33.0", 12)])
def test_runner_v2_samples_by_release(release: str, entry: int) -> None:
    """R 1024 of V 151,936, and 8192 x 4096 hidden numbers."""
    model = model_of("Qwen/Qwen3-8B")
    resolved = resolved_of("Qwen/Qwen3-8B", release, max_num_seqs=1024, max_num_batched_tokens=8192)
    found = sampler(model, resolved, gpu=H100, engine=engines.find(release))
    assert found.bytes == 1024 * 151936 * entry + 2 * 8192 * 4096
    unseen = after_profile(model, resolved, engine=engines.find(release))
    assert unseen == 1024 * 151936 * (12 - entry)


def test_what_the_profile_does_not_see_is_a_warning_where_it_does_not_fit() -> None:
    tight = plan("Qwen/Qwen3-8B", "0.28.0", gpu_memory_utilization=0.98, max_num_seqs=1024)
    assert any("warm-up" in risk for risk in tight.risks)
    assert plan("Qwen/Qwen3-8B", "0.28.0", gpu_memory_utilization=0.8, max_num_seqs=1024).risks == ()
    assert plan("Qwen/Qwen3-8B", "0.33.0", gpu_memory_utilization=0.98, max_num_seqs=1024).risks == ()


def test_close_calls_say_what_decides() -> None:
    clear = plan("Qwen/Qwen3-8B", "0.33.0", max_model_len=4096)
    assert (clear.verdict, clear.doubt) == ("yes", "")
    needed = clear.kv_available
    block = clear.kv.bytes_per_block if clear.kv else 1
    length = needed // block * 16 - 32
    close = plan("Qwen/Qwen3-8B", "0.33.0", max_model_len=min(length, 40960), gpu_memory_utilization=0.318)
    assert close.verdict == "too close to call"
    assert "the widest interval decides" in close.doubt
    assert plan("Qwen/Qwen3-8B", "0.33.0", gpu_memory_utilization=0.1).verdict == "no"


def test_fully_sharded_adapters_are_split_over_all_ranks() -> None:
    model = model_of("Qwen/Qwen3-8B")
    whole = resolved_of("Qwen/Qwen3-8B", "0.33.0", enable_lora=True, tensor_parallel_size=4)
    layers = range(model.layers)
    split = replace(whole, fully_sharded_loras=True)
    alone = replace(whole, tensor_parallel=1)
    assert lora_slots(model, split, layers).bytes * 4 == lora_slots(model, alone, layers).bytes
    assert lora_slots(model, whole, layers).bytes > lora_slots(model, split, layers).bytes
