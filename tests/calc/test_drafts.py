"""What speculative decoding adds to weights and KV cache.

The expectations are the parameters and the KV plans of vLLM 0.33.0's own classes, built for these configs with
``--max-model-len 8192`` and 20 GiB of cache on an H100; embeddings and heads that it shares with the model are left
out of the draft's bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.architectures import read_model
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.weights import Split, module_bytes, weigh
from llmtune.catalog import engines, gpus, models
from llmtune.cli.drafts import attach
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.spec.deployment import Resolved, Value
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

GIB = 2**30
HARDWARE = Hardware(gpus.find("h100-sxm"), 8)
V3, QWEN = "deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-8B"
SLACK = 8  # bytes of scales that the engine creates with every quantised attention layer, and that are not described

# Model, ranks, stages, bytes of the draft, blocks, bytes a block, tokens.
PREDICT = [
    (V3, 8, 1, 1661047968, 18791, 1142784, 300656),
    ("Qwen/Qwen3.5-27B", 1, 1, 849398784, 370, 57933824, 137774),
    ("Qwen/Qwen3.5-27B", 1, 2, 3392195584, 700, 27262976, 260654),
    ("zai-org/GLM-4.6", 8, 1, 1091885696, 28187, 761856, 450992),
    ("zai-org/GLM-4.7-Flash", 2, 1, 655252224, 24272, 884736, 388352),
    ("zai-org/GLM-5", 8, 1, 2667777024, 3307, 6491904, 211648),
    ("zai-org/GLM-5.2", 8, 1, 2667777024, 3572, 6010368, 228608),
    ("deepseek-ai/DeepSeek-V3.2", 8, 1, 1676387488, 4214, 5094912, 269696),
    ("XiaomiMiMo/MiMo-V2-Flash", 4, 1, 149479080, 116508, 184320, 338331),
    ("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16", 8, 1, 2873182208, 1539, 13950976, 630374),
    ("nvidia/Qwen3.5-397B-A17B-NVFP4", 4, 1, 3303064584, 1241, 17301504, 635392),
    ("nvidia/DeepSeek-V3.1-NVFP4", 8, 1, 3112119304, 9395, 2285568, 601280),
    ("stepfun-ai/Step-3.5-Flash", 8, 1, 783312384, None, None, None),
    ("tencent/Hy3-preview", 8, 1, 999859456, None, None, None),
]
LLAMA_HEAD: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 1,
    "vocab_size": 128256,
    "max_position_embeddings": 2048,
    "head_dim": 128,
    "tie_word_embeddings": False,
}
THIRD = {**LLAMA_HEAD, "draft_vocab_size": 32000}
# Method, config of the head, ranks, stages, bytes of the draft, blocks, bytes a block, tokens of Llama 3.1 8B.
HEADS: list[tuple[str, dict[str, Any], int, int, int, int, int, int]] = [
    ("eagle", LLAMA_HEAD, 1, 1, 503324672, 9929, 2162688, 158864),
    ("eagle", LLAMA_HEAD, 2, 1, 285220864, 19859, 1081344, 317744),
    ("eagle3", THIRD, 1, 1, 849635328, 9929, 2162688, 158864),
    ("eagle3", THIRD, 2, 1, 475293696, 19859, 1081344, 317744),
    ("eagle3", {**THIRD, "architectures": ["LlamaForCausalLMEagle3"]}, 2, 1, 475293696, 19859, 1081344, 317744),
    ("eagle3", THIRD, 1, 2, 1900308480, 19275, 1048576, 308400),
]


def described(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def start(
    name: str, spec: Value, *, release: str = "0.33.0", **flags: Value
) -> tuple[Model, Resolved, Memory, tuple[str, ...]]:
    given: dict[str, Value] = {"max-model-len": 8192, "kv-cache-memory-bytes": 20 * GIB, "speculative-config": spec}
    given |= {flag.replace("_", "-"): value for flag, value in flags.items()}
    deployment = Deployment(name, tuple(Setting(flag, value) for flag, value in given.items()))
    model, said = attach(described(name), deployment, offline=True)
    engine = engines.find(release)
    resolved = resolve(deployment, model, HARDWARE, engine)
    return model, resolved, estimate_memory(deployment, model, resolved, HARDWARE, engine), said


def draft_bytes(model: Model, resolved: Resolved) -> int:
    return weigh(model, resolved, HARDWARE.gpu)[-1].parts["draft"]


def plan(memory: Memory) -> tuple[int, int, int]:
    assert memory.kv is not None, memory.failure
    return memory.kv.num_blocks, memory.kv.bytes_per_block, memory.kv.tokens


def mtp(count: int = 1) -> Value:
    return {"method": "mtp", "num_speculative_tokens": count}


@pytest.mark.parametrize(("name", "tensor", "pipeline", "weights", "blocks", "block", "tokens"), PREDICT)
def test_a_checkpoints_own_layers(  # noqa: PLR0913 - the columns
    name: str, tensor: int, pipeline: int, weights: int, blocks: int | None, block: int, tokens: int
) -> None:
    spec = mtp(3 if "Step" in name else 1)
    model, resolved, memory, said = start(name, spec, tensor_parallel_size=tensor, pipeline_parallel_size=pipeline)
    assert not said
    assert weights - draft_bytes(model, resolved) in {0, SLACK}
    if blocks is not None:
        assert plan(memory) == (blocks, block, tokens)
    assert f"draft {draft_bytes(model, resolved) / GIB:.2f} GiB" in memory.parts[0].why or pipeline > 1


@pytest.mark.parametrize(("method", "config", "tensor", "pipeline", "weights", "blocks", "block", "tokens"), HEADS)
def test_eagle_heads(  # noqa: PLR0913 - the columns
    tmp_path: Path,
    method: str,
    config: dict[str, Any],
    tensor: int,
    pipeline: int,
    weights: int,
    blocks: int,
    block: int,
    tokens: int,
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    spec: Value = {"method": method, "model": str(tmp_path), "num_speculative_tokens": 3}
    model, resolved, memory, said = start(
        "meta-llama/Llama-3.1-8B-Instruct", spec, tensor_parallel_size=tensor, pipeline_parallel_size=pipeline
    )
    assert not said
    assert draft_bytes(model, resolved) == weights
    assert plan(memory) == (blocks, block, tokens)


def test_a_draft_model_shares_nothing() -> None:
    spec: Value = {"model": "Qwen/Qwen3-0.6B", "num_speculative_tokens": 3}
    model, resolved, memory, _ = start(QWEN, spec, tensor_parallel_size=2)
    assert draft_bytes(model, resolved) == 596115456
    assert plan(memory) == (10240, 2097152, 163840)


def test_layers_are_loaded_by_their_method_only() -> None:
    without = start(V3, None, tensor_parallel_size=8)
    lookup = start(V3, {"method": "ngram", "num_speculative_tokens": 3}, tensor_parallel_size=8)
    for model, resolved, memory, said in (without, lookup):
        assert not said
        assert draft_bytes(model, resolved) == 0
        assert plan(memory) == plan(without[2])
        assert "draft" not in memory.parts[0].why


def test_size_of_deepseek_v3s_module() -> None:
    """The published 11.5 billion parameters of the module, with 8-bit weights and without embedding and head."""
    layer = described(V3).draft[0]
    own = [module for module in layer.modules if "embed" not in module.name and "head.head" not in module.name]
    assert sum(module_bytes(module, Split(1, 1, 1, (9, 0))) for module in own) == pytest.approx(11.6e9, rel=0.02)


def test_releases_before_0_16_keep_every_layers_head() -> None:
    old = start(V3, mtp(), release="0.15.0", tensor_parallel_size=8)
    new = start(V3, mtp(), release="0.16.0", tensor_parallel_size=8)
    assert draft_bytes(*old[:2]) - draft_bytes(*new[:2]) == 129280 // 8 * 7168 * 2


@pytest.mark.parametrize(
    "spec",
    [
        {"method": "eagle3", "model": "nobody/no-such-head", "num_speculative_tokens": 3},
        {"method": "medusa", "model": QWEN, "num_speculative_tokens": 3},
        {"method": "mtp", "num_speculative_tokens": 1},
    ],
)
def test_what_cannot_be_counted_is_said(spec: Value) -> None:
    model, resolved, memory, said = start(QWEN, spec)
    assert "not counted" in said[0]
    assert draft_bytes(model, resolved) == 0
    assert memory.kv is not None


REFUSED: list[tuple[str, dict[str, Value], str]] = [
    ("stepfun-ai/Step-3.5-Flash", {"method": "mtp", "num_speculative_tokens": 4}, "must be divisible by n_predict=3"),
    (QWEN, {"model": "Qwen/Qwen3-0.6B", "draft_tensor_parallel_size": 3}, "cannot be other value than 1"),
    (QWEN, {"model": "Qwen/Qwen3-0.6B", "tensor_parallel_size": 1}, "is not a valid argument"),
]


@pytest.mark.parametrize(("name", "spec", "words"), REFUSED)
def test_refusals(name: str, spec: dict[str, Value], words: str) -> None:
    failure = start(name, {"num_speculative_tokens": 3, **spec}, tensor_parallel_size=8)[2].failure
    assert failure is not None
    assert words in failure.engine_message
