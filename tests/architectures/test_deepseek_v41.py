"""DeepSeek V4.1: weight bytes, the tables that lie in host memory, and the KV plan, as vLLM 0.33.0 itself has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.weights import Split, weigh_whole
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.deployment import Value
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

FLASH = "deepseek-ai/DeepSeek-V4.1-Flash"
KV_BYTES = 20 * 2**30
TEXT: dict[str, Any] = {
    "vocab_size": 1000,
    "hidden_size": 128,
    "moe_intermediate_size": 128,
    "num_hidden_layers": 6,
    "num_attention_heads": 64,
    "num_key_value_heads": 1,
    "head_dim": 512,
    "qk_rope_head_dim": 64,
    "q_lora_rank": 64,
    "o_lora_rank": 32,
    "o_groups": 2,
    "max_position_embeddings": 512,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "sliding_window": 128,
    "compress_ratios": [0, 2, 2, 1, 1, 1],
    "kv_source_layer_ids": [1, 3],
    "index_source_layer_ids": [1, 3, 5],
    "index_n_heads": 4,
    "index_head_dim": 128,
    "hc_mult": 2,
    "engram_layer_ids": [0, 2],
    "engram_num_embeddings": [420, 508],
    "engram_max_ngram_size": 3,
    "engram_n_heads": 2,
    "engram_head_dim": 64,
    "tie_word_embeddings": False,
}
VISION = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "patch_size": 14,
    "downsample_ratio": 2,
    "max_image_tokens": 64,
}
QUANTIZATION = {"quant_method": "fp8", "weight_block_size": [32, 32], "scale_fmt": "ue8m0", "expert_dtype": "fp4"}


def small(**changed: Any) -> Model:
    return read_model(
        {
            "architectures": ["DeepseekV41ForCausalLM"],
            "model_type": "deepseek_v41",
            "dtype": "bfloat16",
            "quantization_config": QUANTIZATION,
            "text_config": {**TEXT, **changed},
            "vision_config": VISION,
        }
    )


def flash(gpu: str = "h100-sxm", /, **flags: Value) -> Memory:
    facts = models.find(FLASH)
    model = read_model(facts.config, facts.quantization, model_id=facts.id)
    hardware = Hardware(gpus.find(gpu), 8)
    settings = {"max_model_len": 32768, "kv_cache_memory_bytes": KV_BYTES, "tensor_parallel_size": 8, **flags}
    deployment = Deployment(model.id, tuple(Setting(flag.replace("_", "-"), value) for flag, value in settings.items()))
    engine = engines.find("0.33.0")
    return estimate_memory(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)


@pytest.mark.parametrize(("tensor", "on_gpu"), [(1, 23_484_560), (2, 12_453_264)])
def test_every_rank_holds_the_engines_bytes(tensor: int, on_gpu: int) -> None:
    assert weigh_whole(small(), Split(tensor, 1, tensor, (9, 0), tables=False)) == on_gpu


def test_tables_take_a_byte_a_number_and_one_for_every_32() -> None:
    with_tables, without = (weigh_whole(small(), Split(1, 1, 1, (9, 0), tables=tables)) for tables in (True, False))
    assert with_tables - without == (420 + 508) * (64 + 2)


def test_tables_lie_on_the_gpu_only_when_told_so() -> None:
    assert flash().stage_weights == (42_167_608_000,)
    assert flash(engram_config={"cpu_offload": False}).stage_weights == pytest.approx((67_512_051_520,), rel=1e-5)
    assert "pinned host memory" in small().notes[0]


def test_only_some_layers_hold_a_cache_that_others_read() -> None:
    model = small()
    layers = [model.groups[number] for number in model.pattern]
    assert [len(layer.caches) for layer in layers] == [1, 4, 1, 3, 1, 1]
    assert [layer.source for layer in layers] == [None, None, 1, None, 3, 3]


@pytest.mark.parametrize(
    ("gpu", "flags", "expected"),
    [
        ("h100-sxm", {}, (116_928, 183_658, 1_456_463, 64)),
        ("b200", {}, (136_224, 157_643, 959_800, 128)),
        ("b200", {"kv_cache_dtype": "fp8_ds_mla"}, (212_256, 101_174, 760_906, 128)),
        ("b200", {"attention_backend": "FLASHINFER_MLA_SPARSE_DSV41"}, (370_688, 57_932, 435_693, 128)),
        ("h100-sxm", {"block_size": 256, "kv_cache_memory_bytes": 2 * KV_BYTES}, (9_884_160, 4_345, 122_422, 256)),
    ],
)
def test_kv_plan_is_the_engines(gpu: str, flags: dict[str, Value], expected: tuple[int, ...]) -> None:
    kv = flash(gpu, **flags).kv
    assert kv is not None
    assert (kv.bytes_per_block, kv.num_blocks, kv.tokens, kv.block_size) == expected


def test_older_releases_have_neither_the_fused_kernel_nor_padded_blocks() -> None:
    facts = models.find(FLASH)
    model = read_model(facts.config, facts.quantization, model_id=facts.id)
    hardware, blocks = Hardware(gpus.find("b200"), 8), {}
    settings = (Setting("tensor-parallel-size", 8), Setting("kv-cache-memory-bytes", KV_BYTES))
    deployment = Deployment(FLASH, settings)
    for release in ("0.30.0", "0.31.0", "0.33.0"):
        engine = engines.find(release)
        resolved = resolve(deployment, model, hardware, engine)
        kv = estimate_memory(deployment, model, resolved, hardware, engine).kv
        assert kv is not None
        blocks[release] = (kv.bytes_per_block, kv.block_size)
    assert blocks == {"0.30.0": (211_968, 32), "0.31.0": (135_168, 128), "0.33.0": (136_224, 128)}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"kv_cache_dtype": "bfloat16"}, "packed KV layouts only support fp8 kv-cache, got bfloat16"),
        ({"kv_cache_dtype": "nvfp4_ds_mla"}, "FlashMLA decodes only on SM100"),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 4}, "model.layers.8.attn not found on this rank"),
    ],
)
def test_refuses_in_the_engines_words(flags: dict[str, Value], words: str) -> None:
    failure = flash(**flags).failure
    assert failure is not None
    assert words in failure.engine_message


def test_a_ring_has_room_for_the_drafts() -> None:
    kv = flash(speculative_config={"method": "ngram", "num_speculative_tokens": 9}).kv
    assert kv is not None
    rings = [group for group in kv.groups if group.kind == "circular_buffer"]
    assert [(ring.layers, ring.block_size, ring.blocks_per_request) for ring in rings] == [(1, 16, 1)] * 3
    assert kv.tokens == 1_455_758


def test_a_wrong_ratio_is_named() -> None:
    with pytest.raises(ConfigError, match="compression ratio must be 2, 4 or 128, not 3"):
        small(compress_ratios=[0, 3, 3, 1, 1, 1])
