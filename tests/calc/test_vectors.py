"""Start-ups that people published, from config to plan: every figure to the digits that the engine printed.

The engine prints memory in GiB with two decimals, so a printed 4.99 stands for 4.985 to 4.995. Where the number of
blocks turns inside that range, the tests give the printed figure itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.memory import estimate_memory
from llmtune.calc.persistent import expert_layout, rotary_tables
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Resolved, Setting, Value
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.memory import KvCache, Memory
    from llmtune.spec.model import Model

GIB = 2**30
LLAMA, LLAMA_3 = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3-8B"
QWEN_235B, QWEN_NEXT = "Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-Next-80B-A3B-Instruct"
QWEN36, QWEN38 = "nvidia/Qwen3.6-35B-A3B-NVFP4", "Qwen/Qwen3.8-27B-FP8"
GPT_OSS, V4_FLASH = "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V4-Flash"
PREFIXES: dict[str, Value] = {"enable-prefix-caching": True, "max-model-len": 131_072, "max-num-batched-tokens": 8192}
FP8: dict[str, Value] = {**PREFIXES, "kv-cache-dtype": "fp8"}
ROUNDED = 0.00499  # GiB that two printed decimals hide


def described(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def start(name: str, gpu: str, release: str, flags: Mapping[str, Value], count: int = 8) -> tuple[Memory, Resolved]:
    deployment = Deployment(name, tuple(Setting(flag, value) for flag, value in flags.items()))
    model, hardware, engine = described(name), Hardware(gpus.find(gpu), count), engines.find(release)
    resolved = resolve(deployment, model, hardware, engine)
    return estimate_memory(deployment, model, resolved, hardware, engine), resolved


def cache(name: str, gpu: str, release: str, flags: Mapping[str, Value], *, gib: float = 30) -> KvCache:
    """The cache that ``gib`` of memory a GPU hold."""
    memory, _ = start(name, gpu, release, {**flags, "kv-cache-memory-bytes": int(gib * GIB)})
    assert memory.kv is not None, memory.failure
    return memory.kv


def loaded(name: str, gpu: str, release: str, ranks: int = 1) -> float:
    """What the engine prints after loading, in GiB: weights, rotary tables, and the kernels' layout of experts."""
    memory, resolved = start(name, gpu, release, {"tensor-parallel-size": ranks})
    model = described(name)
    layout = expert_layout(model, resolved, gpu=gpus.find(gpu), layers=range(model.layers))
    return (memory.part("weights").bytes + rotary_tables(model, resolved).bytes + layout.bytes) / GIB


def delta_net(ranks: int, *, value_heads: int, drafts: int = 0, element: int = 4) -> int:
    """Bytes of one layer's state on a rank: a 16-bit convolution over 3 tokens and the drafts, and 128 x 128 a head.

    With 16 key heads; ``element`` bytes a number of the recurrent state.
    """
    convolution = (2 * 16 + value_heads) * 128 // ranks * (3 + drafts) * 2
    return convolution + value_heads // ranks * 128 * 128 * element


def padding(kv: KvCache, state: int) -> str:
    """Per cent, as in the engine's "Padding mamba page size by"."""
    return f"{100 * (kv.groups[0].page_bytes - state) / state:.2f}"


class TestRecurrentLayers:
    """Block sizes and pages of hybrids, where attention blocks are stretched over a state."""

    @pytest.mark.parametrize(
        ("gib", "tokens", "concurrency", "blocks"),
        [(5.98, 567_978, "4.33", 299), (6.01, 569_878, "4.35", 300)],  # club-3090 #612 and #652
    )
    def test_qwen36_35b_on_an_rtx_5090(self, gib: float, tokens: int, concurrency: str, blocks: int) -> None:
        kv = cache(QWEN36, "rtx-5090", "0.24.0", {**FP8, "max-num-seqs": 1}, gib=gib)
        state, attention = (10, 2_146_304, 2), (10, 2_146_304, 63)
        held = [(group.layers, group.page_bytes, group.blocks_per_request) for group in kv.groups]
        assert held == [state, state, state, attention]
        assert (kv.block_size, kv.num_blocks, kv.blocks_per_request) == (2096, blocks, 69)
        assert (kv.tokens, f"{kv.max_concurrency:.2f}") == (tokens, concurrency)

    @pytest.mark.parametrize("gib", [4.99 - ROUNDED, 4.99, 4.99 + ROUNDED])
    def test_qwen38_27b_on_two_rtx_3090(self, gib: float) -> None:
        """talos-argocd-proxmox #1995; every figure that rounds to 4.99 GiB holds the same blocks."""
        kv = cache(QWEN38, "rtx-3090", "0.26.0", {**FP8, "max-num-seqs": 2, "tensor-parallel-size": 2}, gib=gib)
        assert (kv.block_size, kv.num_blocks, kv.blocks_per_request) == (1568, 208, 90)
        assert (kv.tokens, f"{kv.max_concurrency:.2f}") == (302_921, "2.31")

    @pytest.mark.parametrize(
        ("gpu", "ranks", "drafts", "block", "printed"),
        [
            ("rtx-5090", 2, 7, 1648, "0.73"),  # club-3090 #1107: drafts widen the convolution's state
            ("rtx-5090", 1, 0, 1568, "0.13"),  # club-3090 #1047
        ],
    )
    def test_qwen38_27b_with_fp8_cache(self, gpu: str, ranks: int, drafts: int, block: int, printed: str) -> None:
        kv = cache(QWEN38, gpu, "0.26.0", {**FP8, **_drafting(drafts), "tensor-parallel-size": ranks})
        assert kv.block_size == block
        assert padding(kv, delta_net(ranks, value_heads=48, drafts=drafts)) == printed

    @pytest.mark.parametrize("ranks", [1, 2])
    @pytest.mark.parametrize(("drafts", "block", "printed"), [(15, 480, "1.27"), (7, 448, "3.23")])
    def test_qwen38_27b_with_16_bit_states(self, ranks: int, drafts: int, block: int, printed: str) -> None:
        """qwen38-27b-rtx3090 #102; both sides of the page halve with two ranks, so the block stays."""
        flags = {**PREFIXES, **_drafting(drafts), "mamba-ssm-cache-dtype": "bfloat16", "tensor-parallel-size": ranks}
        kv = cache(QWEN38, "rtx-3090", "0.26.0", flags)
        assert kv.block_size == block
        assert padding(kv, delta_net(ranks, value_heads=48, drafts=drafts, element=2)) == printed

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_qwen3_next(self, ranks: int) -> None:
        kv = cache(QWEN_NEXT, "h100-sxm", "0.10.2", {"tensor-parallel-size": ranks})
        assert kv.block_size == 544
        assert padding(kv, delta_net(ranks, value_heads=32, element=2)) == "1.49"


def _drafting(tokens: int) -> dict[str, Value]:
    return {"speculative-config": {"method": "mtp", "num_speculative_tokens": tokens}} if tokens else {}


class TestAttention:
    def test_vllm_21348(self) -> None:
        """Qwen3-235B on four H100: the log has one rank's 8.11 GiB, and the tokens of the rank with least."""
        flags: dict[str, Value] = {"tensor-parallel-size": 4}
        assert cache(QWEN_235B, "h100-sxm", "0.10.0", flags, gib=8.11).tokens == 180_928
        assert cache(QWEN_235B, "h100-sxm", "0.10.0", flags, gib=8.018).tokens == 178_880

    def test_pr_17122(self) -> None:
        """Llama-3.1-8B on an L40S: 158,656 tokens, in 19.37 GiB."""
        assert cache(LLAMA, "l40s", "0.8.5", {}, gib=19.368).tokens == 158_656
        assert cache(LLAMA, "l40s", "0.8.5", {}, gib=19.37 - ROUNDED).tokens <= 158_656


class TestDeepSeekV4:
    """Pages of several sizes side by side in one block, which releases laid out in three ways."""

    @pytest.mark.parametrize(
        ("release", "block", "needed"),
        [
            ("0.22.0", 1_051_776, 1_051_776),
            ("0.26.0", 1_039_680, 1_051_776),
            ("0.28.0", 1_002_240, 1_051_776),
            ("0.29.0", 1_002_240, 1_002_240),
        ],
    )
    def test_bytes_of_a_block(self, release: str, block: int, needed: int) -> None:
        kv = cache(V4_FLASH, "h100-sxm", release, {"max-model-len": 8192, "kv-cache-dtype": "fp8"})
        assert (kv.bytes_per_block, kv.needed_bytes) == (block, kv.blocks_per_request * needed)

    def test_vllm_44376(self) -> None:
        """Two GH200 under 0.22, batches of 16,384 as the LLM class has them, 5.44 GiB for requests of 30,000 tokens."""
        flags: dict[str, Value] = {
            "tensor-parallel-size": 2,
            "enable-expert-parallel": True,
            "max-model-len": 30_000,
            "max-num-batched-tokens": 16_384,
            "kv-cache-dtype": "fp8",
            "block-size": 256,
            "kv-cache-memory-bytes": int(5.4405 * GIB),
        }
        memory, _ = start(V4_FLASH, "gh200-96gb", "0.22.0", flags)
        assert memory.failure is not None
        assert "(6.66 GiB KV cache is needed" in memory.failure.engine_message
        assert "available KV cache memory (5.44 GiB)" in memory.failure.engine_message
        assert "the estimated maximum model length is 13528." in memory.failure.engine_message

    def test_vllm_51041(self) -> None:
        """Two H20 under 0.26.0: 150K tokens in 7.7 GiB; small groups count less in what is printed."""
        flags: dict[str, Value] = {
            "tensor-parallel-size": 2,
            "max-model-len": 121_344,
            "max-num-batched-tokens": 8192,
            "max-num-seqs": 32,
            "kv-cache-dtype": "fp8",
        }
        kv = cache("deepseek-ai/DeepSeek-V4-Flash-0731", "h20", "0.26.0", flags, gib=7.7)
        assert (kv.bytes_per_block, kv.num_blocks, kv.tokens) == (1_039_680, 7952, 150_982)

    def test_vllm_51454(self) -> None:
        """Eight caches hold eight times what one holds that all ranks repeat (7.7, with what the weights leave)."""
        flags: dict[str, Value] = {"max-model-len": 1_048_576, "kv-cache-dtype": "fp8", "max-num-batched-tokens": 8192}
        tensor = cache(V4_FLASH, "b200-sxm", "0.25.0", {**flags, "tensor-parallel-size": 8}, gib=140)
        apart: dict[str, Value] = {"data-parallel-size": 8, "enable-expert-parallel": True}
        data = cache(V4_FLASH, "b200-sxm", "0.25.0", {**flags, **apart}, gib=140)
        assert (tensor.needed_bytes, tensor.max_concurrency) == (data.needed_bytes, data.max_concurrency)


class TestWeights:
    @pytest.mark.parametrize(("ranks", "printed"), [(1, "14.96"), (2, "7.48")])
    def test_pr_10511(self, ranks: int, printed: str) -> None:
        """Llama-3-8B on H100: weights as printed, and the 1.26 GiB of activations within their interval."""
        assert f"{loaded(LLAMA_3, 'h100-sxm', '0.6.5', ranks):.2f}" == printed
        memory, _ = start(LLAMA_3, "h100-sxm", "0.6.5", {"tensor-parallel-size": ranks})
        assert memory.part("activations").low <= 1.26 * GIB <= memory.part("activations").high
        assert f"{memory.total / GIB:.1f}" == "79.2"

    def test_pr_17122(self) -> None:
        assert loaded(LLAMA, "l40s", "0.8.5") == pytest.approx(14.9889, abs=0.0002)

    def test_vllm_17327(self) -> None:
        """Qwen3-30B-A3B on four ranks: experts and heads split, router and norms replicated."""
        assert loaded("Qwen/Qwen3-30B-A3B", "h100-sxm", "0.8.5", 4) == pytest.approx(14.2474, abs=0.003)

    def test_vllm_33155(self) -> None:
        """gpt-oss-120b in Triton's layout on an H100."""
        assert loaded(GPT_OSS, "h100-sxm", "0.14.1") == pytest.approx(64.38, rel=0.001)

    def test_vllm_23278(self) -> None:
        """gpt-oss-120b on an H100 without Triton's kernels, so in Marlin's layout, as on an A100.

        Utilization 0.9 left -2.14 GiB: beside the weights 71.3 - 65.97 + 2.14 = 7.47 GiB, nearly all of it sampling.
        """
        assert loaded(GPT_OSS, "a100-sxm-80gb", "0.10.1") == pytest.approx(65.9651, rel=0.001)
        memory, _ = start(GPT_OSS, "h100-sxm", "0.10.1", {"max-num-seqs": 1024, "max-num-batched-tokens": 8192})
        assert memory.part("activations").bytes == pytest.approx(7.47 * GIB, rel=0.02)
        assert memory.failure is not None
        assert memory.failure.engine_message.startswith("No available memory for the cache blocks.")


def test_vllm_14011() -> None:
    """An L40S has 44.52 GiB; driver and ECC settings move it."""
    assert gpus.find("l40s").total_memory / GIB == pytest.approx(44.52, abs=0.15)
