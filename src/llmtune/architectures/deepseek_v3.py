"""DeepSeek V1 to V3.2 and the models built like them: Kimi K2, GLM-4.7-Flash, GLM-5.

V1 has ordinary attention; V2 and V3 have multi-head latent attention (MLA); V3.2 and GLM-5 add an indexer that picks
the tokens to attend to.
Source: vLLM 0.33.0 model_executor/models/deepseek_v2.py, deepseek_v32, glm4_moe_lite.py, glm_moe_dsa; deepseek_mtp.py,
glm4_moe_lite_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.drafts import layered, predicted
from llmtune.architectures.parts import (
    Heads,
    attention,
    column,
    decoder,
    experts,
    full,
    layer_norms,
    mlp,
    norm,
    read_heads,
    router,
    row,
    whole,
)
from llmtune.spec.model import Indexer, Latent, LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Cache, Model
    from llmtune.spec.weights import Module

ARCHITECTURES = (
    "DeepseekForCausalLM",
    "DeepseekV2ForCausalLM",
    "DeepseekV3ForCausalLM",
    "DeepseekV32ForCausalLM",
    "Glm4MoeLiteForCausalLM",
    "GlmMoeDsaForCausalLM",
)
FP32_ROUTER = frozenset({"glm4_moe_lite"})


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = _latent_heads(config) if _is_latent(config) else read_heads(config)
    kinds = config.items("mlp_layer_types")
    indexers = config.items("indexer_types")
    layers = []
    for depth in range(config.layers()):
        indexed = not indexers or indexers[depth] == "full"
        routed = kinds[depth] == "sparse" if kinds else is_routed(config, depth)
        layers.append(_layer(config, heads, indexed=indexed, routed=routed))
    count = config.layers()
    drafts = range(count, count + predicted(config)) if _is_latent(config) else ()
    blocks = [_layer(config, heads, indexed=True, routed=is_routed(config, depth)) for depth in drafts]
    return decoder(config, heads, layers, draft=layered(config, blocks))


def _layer(config: Config, heads: Heads, *, indexed: bool, routed: bool) -> LayerGroup:
    indexed = indexed and config.size("index_topk", default=0) > 0
    bias = config.flag("attention_bias")
    latent = _is_latent(config)
    mixer = mla(config, indexed=indexed) if latent else attention(heads, bias=bias, out_bias=bias)
    feed = moe(config) if routed else mlp(heads.hidden, config.size("intermediate_size"))
    caches = _latent_caches(config, indexed=indexed) if latent else (full(heads),)
    return LayerGroup((*mixer, *feed, *layer_norms(heads.hidden)), caches)


def _is_latent(config: Config) -> bool:
    return config.size("kv_lora_rank", default=0) > 0


def is_routed(config: Config, depth: int) -> bool:
    """Whether the layer at a depth has routed experts (deepseek_v2.py::DeepseekV2DecoderLayer)."""
    first = config.size("first_k_dense_replace", default=0)
    step = config.size("moe_layer_freq", default=1) or 1
    return config.size("n_routed_experts", default=0) > 0 and depth >= first and depth % step == 0


def mla(config: Config, *, indexed: bool = False, name: str = "self_attn") -> tuple[Module, ...]:
    """Multi-head latent attention: the down projections are whole on every rank, the up projections split by heads."""
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    lora, rope = config.size("kv_lora_rank"), config.size("qk_rope_head_dim")
    nope, value = config.size("qk_nope_head_dim"), config.size("v_head_dim")
    q_lora = config.size("q_lora_rank", default=0)
    if q_lora:
        queries: tuple[Module, ...] = (
            whole(f"{name}.fused_qkv_a_proj", hidden, q_lora, lora + rope),
            norm(f"{name}.q_a_layernorm", q_lora),
            column(f"{name}.q_b_proj", q_lora, heads * (nope + rope)),
        )
    else:
        queries = (
            whole(f"{name}.kv_a_proj_with_mqa", hidden, lora + rope),
            column(f"{name}.q_proj", hidden, heads * (nope + rope)),
        )
    modules = (
        *queries,
        norm(f"{name}.kv_a_layernorm", lora),
        column(f"{name}.kv_b_proj", lora, heads * (nope + value)),
        row(f"{name}.o_proj", heads * value, hidden),
    )
    return (*modules, *_indexer(config, name)) if indexed else modules


def _indexer(config: Config, name: str) -> tuple[Module, ...]:
    """The indexer's projections, whole on every rank (deepseek_v2.py::Indexer)."""
    hidden, q_lora = config.size("hidden_size"), config.size("q_lora_rank")
    heads, dim = config.size("index_n_heads"), config.size("index_head_dim")
    return (
        whole(f"{name}.indexer.wq_b", q_lora, heads * dim),
        whole(f"{name}.indexer.wk_weights_proj", hidden, dim, heads, fixed=True),
        norm(f"{name}.indexer.k_norm", dim, bias=True, width=4),
    )


def moe(config: Config) -> tuple[Module, ...]:
    """Router, routed experts and shared experts (one MLP of their joint width)."""
    hidden, count = config.size("hidden_size"), config.size("n_routed_experts")
    width = config.size("moe_intermediate_size")
    modules: tuple[Module, ...] = (
        router(hidden, count, fp32=config.text("model_type") in FP32_ROUTER),
        experts(config, hidden, width, count),
    )
    if config.text("topk_method") == "noaux_tc" or config.text("model_type") in FP32_ROUTER:
        modules = (*modules, Vector("mlp.gate.e_score_correction_bias", count, bytes=4))
    shared = config.size("n_shared_experts", default=0)
    return (*modules, *mlp(hidden, width * shared, name="mlp.shared_experts")) if shared else modules


def _latent_heads(config: Config) -> Heads:
    heads = config.size("num_attention_heads")
    width = config.size("qk_nope_head_dim") + config.size("qk_rope_head_dim")
    return Heads(config.size("hidden_size"), heads, heads, width, config.size("v_head_dim"))


def _latent_caches(config: Config, *, indexed: bool) -> tuple[Cache, ...]:
    latent = Latent(
        lora_rank=config.size("kv_lora_rank"),
        rope_dim=config.size("qk_rope_head_dim"),
        heads=config.size("num_attention_heads"),
        nope_dim=config.size("qk_nope_head_dim"),
        value_dim=config.size("v_head_dim"),
        sparse=config.size("index_topk", default=0) > 0,
    )
    if not indexed:
        return (latent,)
    return (Indexer(config.size("index_head_dim"), heads=config.size("index_n_heads")), latent)
