"""The KV cache plan against sums by hand and vLLM 0.33.0's own planning code; logs are in ``test_vectors.py``."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmtune.calc.kv_cache import largest_max_model_len, plan_kv_cache, refuse_graph_capture
from llmtune.calc.kv_packing import _least_padding
from llmtune.calc.kv_strands import share
from llmtune.calc.stages import stage_layers
from llmtune.catalog.engines import behaviour_of
from llmtune.spec.deployment import Resolved
from llmtune.spec.engine import EngineVersion
from llmtune.spec.hardware import Gpu
from llmtune.spec.memory import Failure, KvCache
from llmtune.spec.model import (
    Cache,
    ChunkedLocal,
    CompressedLatent,
    CompressorState,
    CrossAttention,
    FullAttention,
    Indexer,
    Latent,
    LayerGroup,
    Model,
    SlidingWindow,
    State,
    StateSpace,
    WindowLatent,
)

GIB = 2**30


def gpu(major: int, minor: int = 0, product: str = "NVIDIA TEST") -> Gpu:
    return Gpu(
        name="test",
        product=product,
        vendor="nvidia",
        architecture="test",
        aliases=(),
        total_memory=80 * GIB,
        bandwidth=None,
        flops={},
        compute_capability=(major, minor),
        gfx=None,
        multiprocessors=None,
        nvlink_bandwidth=None,
        pcie_bandwidth=None,
        integrated=False,
        source=(),
    )


A100, H100, B200, RTX_5090 = (
    gpu(8, product="NVIDIA A100-SXM4-80GB"),
    gpu(9),
    gpu(10),
    gpu(12),
)


def engine(release: str = "0.33.0") -> EngineVersion:
    return EngineVersion(release, {}, behaviour_of(release))


def model(*layers: tuple[Cache, ...], state_dtype: str | None = None) -> Model:
    """A model of which only the caches matter; one tuple of caches a layer."""
    kinds = list(dict.fromkeys(layers))
    return Model(
        id="test",
        family="test",
        architecture="TestForCausalLM",
        hidden=0,
        heads=0,
        kv_heads=0,
        head_dim=0,
        vocab=0,
        intermediate=0,
        max_context=0,
        groups=tuple(LayerGroup((), caches) for caches in kinds),
        pattern=tuple(kinds.index(layer) for layer in layers),
        embedding=(),
        head=(),
        state_dtype=state_dtype,
    )


def resolved(length: int = 32768, **changes: object) -> Resolved:
    base = Resolved(length, 256, 8192, 0.9, max_concurrent_batches=2)
    return replace(base, **changes)  # type: ignore[arg-type]


def plan(of: Model, setup: Resolved, *, on: Gpu = H100, release: str = "0.33.0", gib: float = 20) -> KvCache:
    kv = plan_kv_cache(of, setup, gpu=on, engine=engine(release), available=int(gib * GIB))
    assert isinstance(kv, KvCache), kv
    return kv


def refusal(of: Model, setup: Resolved, *, on: Gpu = H100, release: str = "0.33.0", gib: float = 20) -> str:
    kv = plan_kv_cache(of, setup, gpu=on, engine=engine(release), available=int(gib * GIB))
    assert isinstance(kv, Failure), kv
    return kv.engine_message


def groups(kv: KvCache) -> list[tuple[str, int, int, int, int]]:
    return [(g.engine_type, g.layers, g.page_bytes, g.block_size, g.blocks_per_request) for g in kv.groups]


def delta_net(key_heads: int, value_heads: int, dim: int = 128) -> StateSpace:
    conv = State(units=(2 * key_heads + value_heads) * dim, columns=3, speculative=True)
    return StateSpace("gdn", (conv, State(value_heads, dim * dim, recurrent=True)))


def hybrid(full: FullAttention, state: StateSpace, repeats: int, *, state_dtype: str | None = None) -> Model:
    return model(*([(state,)] * 3 + [(full,)]) * repeats, state_dtype=state_dtype)


LLAMA_8B = model(*[(FullAttention(8, 128),)] * 32)
GPT_OSS_WINDOW: tuple[Cache, ...] = (SlidingWindow(8, 64, 128, sinks=True),)
GPT_OSS_FULL: tuple[Cache, ...] = (FullAttention(8, 64, sinks=True),)
GPT_OSS_120B = model(*[GPT_OSS_WINDOW, GPT_OSS_FULL] * 18)
GEMMA_WINDOW: tuple[Cache, ...] = (SlidingWindow(16, 128, 1024, bidirectional=True),)
GEMMA_FULL: tuple[Cache, ...] = (FullAttention(16, 128, bidirectional=True),)
GEMMA_27B = model(*[GEMMA_FULL if layer % 6 == 5 else GEMMA_WINDOW for layer in range(62)])
QWEN38_27B = hybrid(FullAttention(4, 256), delta_net(16, 48), 16, state_dtype="float32")
QWEN3_NEXT = hybrid(FullAttention(2, 256), delta_net(16, 32), 12)
DEEPSEEK_V3 = model(*[(Latent(512, 64, 128, 128, 128),)] * 61)
DEEPSEEK_V32 = model(*[(Indexer(128), Latent(512, 64, 128, 128, 128, sparse=True))] * 61)
SCOUT = model(*([(ChunkedLocal(8, 128, 8192),)] * 3 + [(FullAttention(8, 128),)]) * 12)


class TestReleases:
    """The same memory, other releases (10 GiB, sums by hand)."""

    @pytest.mark.parametrize(
        ("release", "tokens"), [("0.19.1", 145_632), ("0.24.0", 273_847), ("0.26.0", 258_648), ("0.33.0", 258_648)]
    )
    def test_tokens_of_windowed_model(self, release: str, tokens: int) -> None:
        assert plan(GPT_OSS_120B, resolved(131_072), release=release, gib=10).tokens == tokens

    def test_windows_count_as_full_without_hybrid_manager(self) -> None:
        kv = plan(GPT_OSS_120B, resolved(131_072, hybrid_kv_manager=False), gib=10)
        assert groups(kv) == [("FullAttentionSpec", 36, 32_768, 16, 8192)]
        assert kv.bytes_per_block == 1_179_648
        old = plan(GPT_OSS_120B, resolved(131_072), release="0.8.5", gib=10)
        assert (old.bytes_per_block, old.tokens) == (1_179_648, 145_632)

    def test_latent_block_size(self) -> None:
        setup = resolved(tensor_parallel=8)
        assert plan(DEEPSEEK_V3, setup, release="0.11.0").block_size == 64
        assert plan(DEEPSEEK_V3, setup, on=B200, release="0.11.0").block_size == 128
        assert plan(DEEPSEEK_V3, setup).block_size == 16
        assert plan(DEEPSEEK_V3, setup, on=B200).block_size == 32

    def test_null_block(self) -> None:
        """2 MiB a block: 2048 blocks hold 32768 tokens, unless one of them is set aside."""
        assert plan(LLAMA_8B, resolved(), release="0.29.0", gib=4).num_blocks == 2048
        assert "estimated maximum model length is 32752." in refusal(LLAMA_8B, resolved(), release="0.31.0", gib=4)

    def test_v0_words(self) -> None:
        message = refusal(LLAMA_8B, resolved(131_072), release="0.7.3", gib=10)
        assert message.startswith("The model's max seq len (131072) is larger than the maximum number of tokens")
        assert "KV cache (81920)" in message


class TestEngineOutput:
    """What vLLM 0.33.0's planning code answers, 20 GiB a GPU unless noted."""

    def test_gemma(self) -> None:
        kv = plan(GEMMA_27B, resolved())
        assert groups(kv) == [
            *[("SlidingWindowSpec", 9, 131_072, 16, 1089)] * 4,
            *[("SlidingWindowSpec", 8, 131_072, 16, 1089)] * 2,
            ("FullAttentionSpec", 10, 131_072, 16, 2048),
        ]

    def test_recurrent_states_with_checkpoints(self) -> None:
        kv = plan(QWEN38_27B, resolved(mamba_cache_mode="align"))
        assert groups(kv) == [("MambaSpec", 16, 3_407_872, 832, 3)] * 3 + [
            ("FullAttentionSpec", 16, 3_407_872, 832, 40)
        ]
        assert (kv.bytes_per_block, kv.num_blocks) == (54_525_952, 393)

    def test_recurrent_states_without_prefix_caching(self) -> None:
        kv = plan(QWEN38_27B, resolved(prefix_caching=False))
        assert groups(kv)[2:] == [
            ("MambaSpec", 16, 3_211_264, 32_768, 1),
            ("FullAttentionSpec", 16, 3_211_264, 784, 42),
        ]
        assert (kv.bytes_per_block, kv.num_blocks) == (51_380_224, 417)

    def test_short_convolution(self) -> None:
        conv = StateSpace("short_conv", (State(2048, columns=2, speculative=True),))
        full = FullAttention(8, 64)
        lfm2 = model(*[(full,) if layer in {2, 5, 8, 10, 12, 14} else (conv,) for layer in range(16)])
        kv = plan(lfm2, resolved(mamba_cache_mode="align"))
        assert groups(kv) == [("MambaSpec", 5, 32_768, 16, 2)] * 2 + [("FullAttentionSpec", 6, 32_768, 16, 2048)]
        assert (kv.num_blocks, kv.tokens) == (109_226, 1_744_209)

    @pytest.mark.parametrize(
        ("ranks", "page", "block", "blocks", "tokens"),
        [(1, 2_211_840, 1920, 1387, 1_893_717), (4, 589_824, 512, 5201, 2_434_662)],
    )
    def test_kimi_linear(self, ranks: int, page: int, block: int, blocks: int, tokens: int) -> None:
        latent = Latent(512, 64, 32, 128, 128)
        kda = StateSpace("kda", _kda_states(32))
        layers = model(*[(latent,) if layer in {4, 8, 12, 16, 20, 24, 27} else (kda,) for layer in range(1, 28)])
        kv = plan(layers, resolved(mamba_cache_mode="align", tensor_parallel=ranks))
        assert [g.layers for g in kv.groups] == [7, 7, 6, 7]
        assert groups(kv)[0] == ("MambaSpec", 7, page, block, 2)
        assert (kv.num_blocks, kv.tokens) == (blocks, tokens)

    def test_kimi_k3(self) -> None:
        latent, kda = Latent(512, 64, 96, 128, 128), StateSpace("flash_kda", _kda_states(96))
        layers = model(*[(latent,) if layer % 4 == 0 or layer == 93 else (kda,) for layer in range(1, 94)])
        kv = plan(layers, resolved(mamba_cache_mode="align", tensor_parallel=8))
        assert groups(kv) == [("MambaSpec", 23, 884_736, 768, 3)] * 3 + [("MLAAttentionSpec", 24, 884_736, 768, 43)]
        assert (kv.num_blocks, kv.tokens) == (1011, 637_085)

    @pytest.mark.parametrize(("ranks", "page", "tokens"), [(1, 81_920, 6796), (4, 20_480, 27_185)])
    def test_whisper(self, ranks: int, page: int, tokens: int) -> None:
        decoder = model(*[(FullAttention(20, 64), CrossAttention(20, 64))] * 32)
        kv = plan(decoder, resolved(448, dtype="float16", tensor_parallel=ranks))
        assert groups(kv) == [("FullAttentionSpec", 32, page, 16, 28), ("CrossAttentionSpec", 32, page, 16, 512)]
        assert kv.tokens == tokens

    @pytest.mark.parametrize(("dtype", "page", "blocks"), [("auto", 17_596_416, 1220), ("fp8", 9_732_096, 2206)])
    def test_minimax_m3(self, dtype: str, page: int, blocks: int) -> None:
        dense = (FullAttention(4, 128),)
        sparse = (FullAttention(4, 128, sparse=True), Indexer(128, quantized=False))
        kv = plan(model(*[dense] * 3, *[sparse] * 57), resolved(kv_cache_dtype=dtype))
        assert groups(kv) == [("UniformTypeKVCacheSpecs", 117, page, 128, 256)]
        assert kv.num_blocks == blocks

    @pytest.mark.parametrize(
        ("on", "dtype", "bytes_per_block"),
        [
            (H100, "auto", 5_012_736),
            (H100, "fp8", 3_076_352),
            (B200, "auto", 5_012_736),
            (B200, "fp8", 2_764_032),
            (RTX_5090, "auto", 61 * (8448 + 41_984)),
        ],
    )
    def test_sparse_latent_format_follows_backend(self, on: Gpu, dtype: str, bytes_per_block: int) -> None:
        kv = plan(DEEPSEEK_V32, resolved(kv_cache_dtype=dtype), on=on)
        assert groups(kv) == [("UniformTypeKVCacheSpecs", 122, bytes_per_block, 64, 512)]

    def test_deepseek_v4_flash(self) -> None:
        kv = plan(_deepseek_v4_flash(), resolved(), on=H100)
        mixed = "UniformTypeKVCacheSpecs"
        assert groups(kv) == [
            (mixed, 22, 823_680, 64, 259),
            (mixed, 21, 786_240, 64, 259),
            (mixed, 62, 1_002_240, 256, 128),
            (mixed, 42, 870_912, 4, 4099),
            (mixed, 20, 656_640, 8, 2065),
        ]
        assert (kv.bytes_per_block, kv.num_blocks, kv.block_size) == (1_002_240, 21_426, 4)

    def test_deepseek_v4_flash_on_two_stages(self) -> None:
        kv = plan(_deepseek_v4_flash(), resolved(pipeline_parallel=2, max_concurrent_batches=3))
        assert [(g.layers, g.page_bytes, g.blocks_per_request) for g in kv.groups] == [
            (11, 411_840, 387),
            (11, 411_840, 387),
            (30, 478_080, 128),
            (20, 414_720, 6147),
            (10, 328_320, 3089),
        ]
        assert (kv.bytes_per_block, kv.num_blocks) == (478_080, 40_970)

    @pytest.mark.parametrize(
        ("dtype", "page"),
        [("fp8_per_token_head", 33_792), ("int4_per_token_head", 17_408), ("nvfp4", 18_432), ("fp8_e5m2", 32_768)],
    )
    def test_kv_formats(self, dtype: str, page: int) -> None:
        assert plan(LLAMA_8B, resolved(kv_cache_dtype=dtype)).groups[0].page_bytes == page

    def test_context_parallel_holds_a_share_of_the_tokens(self) -> None:
        assert plan(DEEPSEEK_V3, resolved(tensor_parallel=8)).blocks_per_request == 2048
        sharded = resolved(tensor_parallel=8, decode_context_parallel=8)
        assert plan(DEEPSEEK_V3, sharded).blocks_per_request == 256
        assert refusal(GPT_OSS_120B, sharded) == "DCP not support sliding window."

    def test_chunks_are_grouped_or_held_as_full(self) -> None:
        assert [g.kind for g in plan(SCOUT, resolved()).groups] == ["chunked_local_attention"] * 3 + ["full_attention"]
        kv = plan(SCOUT, resolved(hybrid_kv_manager=False))
        assert groups(kv) == [("FullAttentionSpec", 48, 65_536, 16, 2048)]

    def test_unequal_heads_are_unified_by_block_size(self) -> None:
        """MiMo-V2-Flash: 4 and 8 KV heads of 192 + 128."""
        full, window = FullAttention(4, 192, 128, sinks=True), SlidingWindow(8, 192, 128, 128, sinks=True)
        mimo = model(*[(full,)] * 9, *[(window,)] * 39)
        kv = plan(mimo, resolved())
        assert groups(kv)[0] == ("FullAttentionSpec", 9, 81_920, 32, 1024)
        assert groups(kv)[-1] == ("SlidingWindowSpec", 7, 81_920, 16, 1033)
        assert (kv.num_blocks, kv.tokens) == (29_127, 154_214)


class TestRefusals:
    @pytest.mark.parametrize(
        ("of", "backend"),
        [(GPT_OSS_120B, "Triton attention"), (GEMMA_27B, "Triton attention"), (DEEPSEEK_V3, "Triton MLA")],
    )
    def test_eight_bit_cache_on_ampere(self, of: Model, backend: str) -> None:
        assert refusal(of, resolved(kv_cache_dtype="fp8"), on=A100) == (
            f"FP8 KV cache is not supported by the {backend} backend on NVIDIA A100-SXM4-80GB (compute capability "
            "8.0); native FP8 (fp8e4nv) requires SM89+. Re-run with --kv-cache-dtype bfloat16."
        )
        assert plan(LLAMA_8B, resolved(kv_cache_dtype="fp8"), on=A100).groups[0].page_bytes == 32_768

    def test_does_not_fit(self) -> None:
        assert refusal(LLAMA_8B, resolved(), gib=1) == (
            "To serve at least one request with the model's max seq len (32768), (4.0 GiB KV cache is needed, which is "
            "larger than the available KV cache memory (1.0 GiB). Based on the available memory, the estimated maximum "
            "model length is 8176. Try increasing `gpu_memory_utilization` (which also controls CPU memory on the CPU "
            "backend) or decreasing `max_model_len` when initializing the engine. See "
            "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
        )
        assert "(7.32 GiB" not in refusal(QWEN3_NEXT, resolved(mamba_cache_mode="align"), gib=0.5)
        assert "is 15552." in refusal(QWEN3_NEXT, resolved(mamba_cache_mode="align"), gib=0.5)
        assert "is 2592." in refusal(_deepseek_v4_flash(), resolved(), gib=1)

    def test_no_memory(self) -> None:
        assert refusal(LLAMA_8B, resolved(), gib=-1).startswith("No available memory for the cache blocks.")

    def test_heads_that_do_not_split(self) -> None:
        assert "AssertionError" in refusal(model((FullAttention(10, 128),)), resolved(tensor_parallel=4))

    def test_graph_capture(self) -> None:
        setup = resolved(mamba_cache_mode="align", max_num_seqs=1024)
        kv = plan(QWEN38_27B, setup)
        failure = refuse_graph_capture(kv, setup, engine())
        assert failure is not None
        assert failure.engine_message.startswith("max_num_seqs (1024) exceeds available Mamba cache blocks (393).")
        assert refuse_graph_capture(kv, replace(setup, max_num_seqs=393), engine()) is None
        assert refuse_graph_capture(kv, replace(setup, enforce_eager=True), engine()) is None
        assert refuse_graph_capture(kv, setup, engine("0.20.0")) is None
        assert refuse_graph_capture(plan(LLAMA_8B, setup), replace(setup, max_num_seqs=10**6), engine()) is None

    def test_named_backend(self) -> None:
        assert plan(LLAMA_8B, resolved(attention_backend="FLASHINFER")).block_size == 16
        message = refusal(LLAMA_8B, resolved(attention_backend="FLASHMLA"))
        assert message.startswith("Selected backend AttentionBackendEnum.FLASHMLA is not valid")

    def test_latent_page_that_cannot_be_padded(self) -> None:
        """5 heads of 64 are 20480 bytes a block and 576 numbers 18432: windows are held as full, chunks refused."""
        latent = (Latent(512, 64, 16, 128, 128),)
        kv = plan(model(*[latent] * 4, *[(SlidingWindow(5, 64, 128),)] * 4), resolved())
        assert groups(kv) == [("UniformTypeKVCacheSpecs", 8, 4 * (18_432 + 20_480), 16, 2048)]
        assert "cannot be padded" in refusal(model(*[latent] * 4, *[(ChunkedLocal(5, 64, 128),)] * 4), resolved())

    def test_recurrent_model_needs_the_hybrid_manager(self) -> None:
        setup = resolved(hybrid_kv_manager=False)
        assert refusal(QWEN3_NEXT, setup) == "Failed to promote local KV cache specs to one unified type."


class TestStages:
    def test_uneven_layers(self) -> None:
        assert [len(stage) for stage in stage_layers(62, 4)] == [15, 16, 16, 15]
        assert [len(stage) for stage in stage_layers(61, 2)] == [31, 30]
        assert stage_layers(4, 1) == (range(4),)

    def test_fullest_stage_decides(self) -> None:
        setup = resolved(pipeline_parallel=2, max_concurrent_batches=3)
        even = plan(LLAMA_8B, setup)
        kv = plan_kv_cache(LLAMA_8B, setup, gpu=H100, engine=engine(), available=[20 * GIB, 15 * GIB])
        assert isinstance(kv, KvCache)
        assert (even.num_blocks, kv.num_blocks, kv.bytes_per_block) == (20_480, 15_360, 2**20)

    def test_shares_of_a_group(self) -> None:
        assert [share((3, 3), part, 4) for part in range(4)] == [(1, 1), (1, 1), (1, 0), (0, 1)]
        assert [share((31, 30), part, 2) for part in range(2)] == [(16, 15), (15, 15)]


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    parts=st.integers(1, 9),
)
def test_shares_add_up(counts: list[int], parts: int) -> None:
    shares = [share(tuple(counts), part, parts) for part in range(parts)]
    assert [sum(stage) for stage in zip(*shares, strict=True)] == counts


def test_least_padding() -> None:
    assert _least_padding([61, 30, 31], 30) == 31
    assert _least_padding([43, 21, 20], 21) == 22
    assert _least_padding([4], 9) == 9


ANY_MODEL = st.sampled_from([LLAMA_8B, GPT_OSS_120B, GEMMA_27B, QWEN3_NEXT, DEEPSEEK_V3, DEEPSEEK_V32, SCOUT])


@settings(max_examples=60, deadline=None)
@given(of=ANY_MODEL, length=st.integers(1, 200_000), gib=st.integers(1, 60))
def test_more_memory_and_shorter_requests_never_hurt(of: Model, length: int, gib: int) -> None:
    setup = resolved(length)
    smaller, larger = (
        plan_kv_cache(of, setup, gpu=H100, engine=engine(), available=size * GIB) for size in (gib, gib + 1)
    )
    longest = largest_max_model_len(of, setup, gpu=H100, engine=engine(), available=gib * GIB)
    if isinstance(smaller, KvCache):
        assert isinstance(larger, KvCache)
        assert larger.tokens >= smaller.tokens
        assert longest == length
    else:
        assert longest < length
        if longest:
            fitting = replace(setup, max_model_len=longest)
            assert isinstance(plan_kv_cache(of, fitting, gpu=H100, engine=engine(), available=gib * GIB), KvCache)
    shorter = plan(of, resolved(max(1, length // 2)), gib=10**4)
    assert plan(of, setup, gib=10**4).needed_bytes >= shorter.needed_bytes


def test_auto_max_model_len() -> None:
    kv = plan(LLAMA_8B, resolved(auto_max_model_len=True), gib=1)
    assert (kv.max_model_len, kv.num_blocks, kv.blocks_per_request) == (8176, 512, 511)
    assert "even a single token" in refusal(LLAMA_8B, resolved(auto_max_model_len=True), gib=0.001)


def test_blocks_override() -> None:
    kv = plan(LLAMA_8B, resolved(num_gpu_blocks_override=3000), gib=1)
    assert (kv.num_blocks, kv.tokens) == (3000, 48_000)


def test_draft_layers_add_caches() -> None:
    drafted = replace(LLAMA_8B, draft=(LayerGroup((), (FullAttention(8, 128),)),))
    assert plan(drafted, resolved(), gib=20).bytes_per_block == 32 * 65_536
    used = resolved(speculative_tokens=1, speculative_method="mtp")
    assert plan(drafted, used, gib=20).bytes_per_block == 33 * 65_536
    assert plan(drafted, replace(used, speculative_method="ngram"), gib=20).bytes_per_block == 32 * 65_536


def test_model_without_cache() -> None:
    assert plan(model(()), resolved()).groups == ()
    assert largest_max_model_len(model(()), resolved(), gpu=H100, engine=engine(), available=GIB) == 32_768


def _kda_states(heads: int) -> tuple[State, ...]:
    conv = State(units=3 * heads * 128, columns=3, speculative=True)
    return conv, State(heads, 128 * 128, recurrent=True, fp32=True)


def _deepseek_v4_flash() -> Model:
    """43 layers: two with the window alone, then ratios 4 and 128 in turn."""
    window = WindowLatent(512, 128)
    four = (window, Indexer(128, ratio=4), CompressorState(128, 4), CompressedLatent(512, 4), CompressorState(512, 4))
    many = (window, CompressedLatent(512, 128), CompressorState(512, 128))
    return model((window,), (window,), *[four if layer % 2 == 0 else many for layer in range(2, 43)])
