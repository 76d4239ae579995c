"""Start-ups that people published, from config to plan: every figure to the digits that the engine printed.

The engine prints memory in GiB with two decimals, so a printed 5.98 stands for 5.975 to 5.985. Where the number of
blocks turns inside that range, the printed figure is what the test gives as ``--kv-cache-memory-bytes``, and the
neighbouring ends of the range enclose the answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.memory import estimate_memory
from llmtune.calc.non_torch import non_torch
from llmtune.calc.persistent import expert_layout, rotary_tables
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Resolved, Setting, Value
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.memory import KvCache, Memory
    from llmtune.spec.model import Model

GIB = 2**30
QWEN35_MOE = "nvidia/Qwen3.6-35B-A3B-NVFP4"
QWEN38 = "Qwen/Qwen3.8-27B-FP8"
V4_FLASH = "deepseek-ai/DeepSeek-V4-Flash"
FP8: dict[str, Value] = {"kv-cache-dtype": "fp8", "enable-prefix-caching": True}
ROUNDED = 0.00499  # GiB, what two printed decimals hide


def described(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def start(name: str, gpu: str, release: str, count: int = 1, **flags: Value) -> tuple[Memory, Resolved]:
    """The plan of a deployment; flags with underscores."""
    deployment = Deployment(name, tuple(Setting(flag.replace("_", "-"), value) for flag, value in flags.items()))
    model, hardware, engine = described(name), Hardware(gpus.find(gpu), count), engines.find(release)
    resolved = resolve(deployment, model, hardware, engine)
    return estimate_memory(deployment, model, resolved, hardware, engine), resolved


def cache(name: str, gpu: str, release: str, gib: float = 30, count: int = 1, **flags: Value) -> KvCache:
    """The cache that ``gib`` of memory a GPU hold."""
    memory, _ = start(name, gpu, release, count, **flags, kv_cache_memory_bytes=int(gib * GIB))
    assert memory.kv is not None, memory.failure
    return memory.kv


def speculate(tokens: int) -> Value:
    return {"method": "mtp", "num_speculative_tokens": tokens}


def dashes(flags: dict[str, Value]) -> dict[str, Value]:
    return {flag.replace("-", "_"): value for flag, value in flags.items()}


class TestHybrids:
    """Block sizes and pages of recurrent models, where attention blocks are stretched over a state."""

    @pytest.mark.parametrize(
        ("gib", "tokens", "concurrency", "blocks"),
        [(5.98, 567_978, "4.33", 299), (6.01, 569_878, "4.35", 300)],  # club-3090 #612 and #652
    )
    def test_qwen36_35b_on_rtx_5090(self, gib: float, tokens: int, concurrency: str, blocks: int) -> None:
        flags: dict[str, Value] = {"max_model_len": 131_072, "max_num_batched_tokens": 8192, "max_num_seqs": 1}
        kv = cache(QWEN35_MOE, "rtx-5090", "0.24.0", gib, **dashes(FP8), **flags)
        assert [(group.layers, group.page_bytes, group.blocks_per_request) for group in kv.groups] == [
            *[(10, 2_146_304, 2)] * 3,
            (10, 2_146_304, 63),
        ]
        assert (kv.block_size, kv.num_blocks, kv.blocks_per_request) == (2096, blocks, 69)
        assert (kv.tokens, f"{kv.max_concurrency:.2f}") == (tokens, concurrency)

    def test_qwen38_27b_on_two_rtx_3090(self) -> None:
        """talos-argocd-proxmox #1995: 4.99 GiB a GPU; every value that rounds to it gives the same blocks."""
        flags: dict[str, Value] = {**dashes(FP8), "max_model_len": 131_072, "max_num_batched_tokens": 8192}
        for gib in (4.99 - ROUNDED, 4.99, 4.99 + ROUNDED):
            kv = cache(QWEN38, "rtx-3090", "0.26.0", gib, 2, **flags, max_num_seqs=2, tensor_parallel_size=2)
            assert (kv.block_size, kv.num_blocks, kv.blocks_per_request) == (1568, 208, 90)
            assert (kv.tokens, f"{kv.max_concurrency:.2f}") == (302_921, "2.31")

    @pytest.mark.parametrize(
        ("gpu", "ranks", "flags", "block", "padding"),
        [
            # club-3090 #1107: two cards, drafts of 7 tokens widen the convolution's state
            ("rtx-5090", 2, {**FP8, "speculative-config": speculate(7)}, 1648, "0.73"),
            ("rtx-5090", 1, FP8, 1568, "0.13"),  # club-3090 #1047
            # qwen38-27b-rtx3090 #102: 16-bit cache and states, drafts of 15 and of 7 tokens
            ("rtx-3090", 1, {"mamba-ssm-cache-dtype": "bfloat16", "speculative-config": speculate(15)}, 480, "1.27"),
            ("rtx-3090", 2, {"mamba-ssm-cache-dtype": "bfloat16", "speculative-config": speculate(15)}, 480, "1.27"),
            ("rtx-3090", 1, {"mamba-ssm-cache-dtype": "bfloat16", "speculative-config": speculate(7)}, 448, "3.23"),
        ],
    )
    def test_qwen38_27b_padding(self, gpu: str, ranks: int, flags: dict[str, Value], block: int, padding: str) -> None:
        setup: dict[str, Value] = {"enable_prefix_caching": True, "max_model_len": 65_536, **dashes(flags)}
        kv = cache(QWEN38, gpu, "0.26.0", 30, ranks, **setup, tensor_parallel_size=ranks)
        assert kv.block_size == block
        drafts = int(dict(setup.get("speculative_config") or {}).get("num_speculative_tokens", 0))  # type: ignore[call-overload]
        element = 2 if "mamba_ssm_cache_dtype" in setup else 4
        state = _delta_net(ranks, key_heads=16, value_heads=48, drafts=drafts, element=element)
        assert f"{100 * (kv.groups[0].page_bytes - state) / state:.2f}" == padding

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_qwen3_next(self, ranks: int) -> None:
        """Printed for Qwen3-Next-80B-A3B since 0.10.2: 544 tokens, 1.49 %."""
        kv = cache("Qwen/Qwen3-Next-80B-A3B-Instruct", "h100-sxm", "0.10.2", 30, ranks, tensor_parallel_size=ranks)
        state = _delta_net(ranks, key_heads=16, value_heads=32, drafts=0, element=2)
        assert kv.groups[-1].block_size == 544
        assert f"{100 * (kv.groups[0].page_bytes - state) / state:.2f}" == "1.49"


def _delta_net(ranks: int, *, key_heads: int, value_heads: int, drafts: int, element: int) -> int:
    """Bytes of one layer's state on a rank: a 16-bit convolution over 3 tokens and the drafts, and 128 x 128 a head."""
    convolution = (2 * key_heads + value_heads) * 128 // ranks * (3 + drafts) * 2
    return convolution + value_heads // ranks * 128 * 128 * element


class TestPlainCaches:
    def test_vllm_21348(self) -> None:
        """Qwen3-235B on four H100: one rank printed 8.11 GiB, and the tokens are those of the rank with least."""
        flags: dict[str, Value] = {"tensor_parallel_size": 4}
        name = "Qwen/Qwen3-235B-A22B-FP8"
        assert cache(name, "h100-sxm", "0.10.0", 8.11, 4, **flags).tokens == 180_928
        assert cache(name, "h100-sxm", "0.10.0", 8.018, 4, **flags).tokens == 178_880

    def test_pr_17122(self) -> None:
        """Llama-3.1-8B on an L40S: 158,656 tokens are 9916 blocks, 19.367 GiB; 14.9889 GiB when it is loaded."""
        name = "meta-llama/Llama-3.1-8B-Instruct"
        assert cache(name, "l40s", "0.8.5", 19.37 - ROUNDED).tokens <= 158_656
        assert cache(name, "l40s", "0.8.5", 19.368).tokens == 158_656
        assert _loaded(name, "l40s", "0.8.5") == pytest.approx(14.9889, abs=0.0002)


class TestDeepSeekV4:
    def test_replicas_of_the_cache(self) -> None:
        """vllm #51454, 8 B200: eight caches hold 7.7 times what one hold that every tensor parallel rank repeats."""
        flags: dict[str, Value] = {"max_model_len": 1_048_576, "kv_cache_dtype": "fp8", "max_num_batched_tokens": 8192}
        tensor = cache(V4_FLASH, "b200-sxm", "0.25.0", 140, 8, **flags, tensor_parallel_size=8)
        data = cache(V4_FLASH, "b200-sxm", "0.25.0", 140, 8, **flags, data_parallel_size=8, enable_expert_parallel=True)
        assert tensor.needed_bytes == data.needed_bytes
        assert 8 * data.max_concurrency / tensor.max_concurrency == 8  # 7.7 with what is left beside the weights


class TestWeights:
    @pytest.mark.parametrize(("ranks", "printed"), [(1, "14.96"), (2, "7.48")])
    def test_pr_10511(self, ranks: int, printed: str) -> None:
        """Llama-3-8B on H100s of 79.22 GiB under 0.6.5: weights and activations as printed (1.26 GiB of those)."""
        name = "meta-llama/Meta-Llama-3-8B"
        assert f"{_loaded(name, 'h100-sxm', '0.6.5', ranks, tensor_parallel_size=ranks):.2f}" == printed
        memory, _ = start(name, "h100-sxm", "0.6.5", ranks, tensor_parallel_size=ranks)
        activations = memory.part("activations")
        assert activations.low <= 1.26 * GIB <= activations.high

    def test_vllm_17327(self) -> None:
        """Qwen3-30B-A3B on four ranks, 14.2474 GiB each: experts and heads split, router and norms replicated."""
        loaded = _loaded("Qwen/Qwen3-30B-A3B", "h100-sxm", "0.8.5", 4, tensor_parallel_size=4)
        assert loaded == pytest.approx(14.2474, abs=0.003)

    def test_vllm_33155(self) -> None:
        """gpt-oss-120b in Triton's layout on an H100 under 0.14.1: 64.38 GiB."""
        assert _loaded("openai/gpt-oss-120b", "h100-sxm", "0.14.1") == pytest.approx(64.38, rel=0.001)

    def test_vllm_23278(self) -> None:
        """gpt-oss-120b under 0.10.1 on an H100 without Triton's kernels, so in Marlin's layout, as on an A100.

        65.9651 GiB loaded; utilization 0.9 left -2.14 GiB, so all else that is charged took 7.47.
        """
        name = "openai/gpt-oss-120b"
        assert _loaded(name, "a100-sxm-80gb", "0.10.1") == pytest.approx(65.9651, rel=0.001)
        memory, _ = start(name, "h100-sxm", "0.10.1", max_num_seqs=1024, max_num_batched_tokens=8192)
        activations, context = memory.part("activations"), 0.5 * GIB
        assert activations.low <= (71.3 - 65.97 + 2.14) * GIB <= activations.high + context
        assert memory.failure is not None
        assert memory.failure.engine_message.startswith("No available memory for the cache blocks.")


def _loaded(name: str, gpu: str, release: str, count: int = 1, **flags: Value) -> float:
    """What the engine prints after loading, in GiB: weights, rotary tables, and the kernels' layout of experts."""
    memory, resolved = start(name, gpu, release, count, **flags)
    model = described(name)
    layout = expert_layout(model, resolved, gpu=gpus.find(gpu), layers=range(model.layers))
    return (memory.part("weights").bytes + rotary_tables(model, resolved).bytes + layout.bytes) / GIB


class TestHardware:
    def test_vllm_14011(self) -> None:
        assert gpus.find("l40s").total_memory / GIB == pytest.approx(44.52, abs=0.15)

    def test_vllm_14447(self) -> None:
        """DeepSeek-R1-AWQ on 16 RTX 3090 under v0: 0.20 GiB outside the allocator (of the 0.37 GiB peak no settings)."""
        _, resolved = start("cognitivecomputations/DeepSeek-R1-AWQ", "rtx-3090", "0.7.3", 16, tensor_parallel_size=16)
        resolved = replace(resolved, runner="v0")
        charged = non_torch(resolved, gpu=gpus.find("rtx-3090"), engine=engines.find("0.7.3")).charged
        assert charged.low <= 0.20 * GIB <= charged.high
