"""Kimi Linear and the text part of Kimi K3: three Kimi delta attentions (KDA) to one latent attention, routed experts.

K3 adds a full-rank gate, gated latent attention, experts in a latent space and residual attention between layers.
Source: vLLM 0.33.0 models/kimi_k3/nvidia/model.py, kda.py, mla.py, layers/mamba/gdn/kimi_gdn_linear_attn.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import deepseek_v3
from llmtune.architectures.parts import Heads, column, decoder, layer_norms, mlp, norm, router, row, whole
from llmtune.spec.model import Latent, LayerGroup, State, StateSpace
from llmtune.spec.weights import FP32, Embedding, Experts, Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("KimiLinearForCausalLM",)
LEAST = 256  # KimiMoE pads a rank's share of the experts to this (min_moe_intermediate_per_partition)


def describe(config: Config) -> Model:
    """Model from a config.json; layers count from 1 in ``kda_layers``."""
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    recurrent = set(config.part("linear_attn_config").items("kda_layers"))
    residual = config.size("attn_res_block_size", default=0) > 0
    delta = LayerGroup(_kda(config), (_kda_cache(config),))
    latent = LayerGroup(_mla(config), (_latent(config),))
    common: tuple[Module, ...] = layer_norms(hidden)
    if residual:
        common = (*common, *_residual(hidden, "self_attention_res"), *_residual(hidden, "mlp_res"))
    layers = []
    for depth in range(config.layers()):
        mixer = delta if depth + 1 in recurrent else latent
        feed = _moe(config, hidden) if _is_routed(config, depth) else mlp(hidden, config.size("intermediate_size"))
        layers.append(LayerGroup((*mixer.modules, *feed, *common), mixer.caches))
    head: tuple[Module, ...] = (norm("model.norm", hidden),)
    if residual:
        head = (*head, *_residual(hidden, "model.output_attn_res"))
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", config.size("vocab_size"), hidden))
    width = config.size("qk_nope_head_dim") + config.size("qk_rope_head_dim")
    shape = Heads(hidden, heads, config.size("num_key_value_heads", default=heads), width, config.size("v_head_dim"))
    return decoder(config, shape, layers, head=head)


def _kda(config: Config, name: str = "self_attn") -> tuple[Module, ...]:
    """Kimi delta attention: one input projection, with a full-rank gate inside or a low-rank gate beside it.

    With a full-rank gate the projection is padded to a multiple of 16 rows a rank.
    """
    linear = config.part("linear_attn_config")
    hidden, count, dim = config.size("hidden_size"), linear.size("num_heads"), linear.size("head_dim")
    heads, low, beta = Slice(count, dim), Slice(dim, copied=True), Slice(count)
    full_rank = linear.flag("use_full_rank_gate")
    outputs = (heads, heads, heads, heads, low, beta) if full_rank else (heads, heads, heads, beta, low)
    kernel = linear.size("short_conv_kernel_size", default=4)
    modules: tuple[Module, ...] = (
        Linear(f"{name}.in_proj_qkvgfab", hidden, outputs, Shard.COLUMN, rows=16 if full_rank else 1),
        column(f"{name}.f_b_proj", dim, count * dim),
        Vector(f"{name}.dt_bias", count, dim, sharded=True, bytes=4),
        Vector(f"{name}.A_log", count, sharded=True, bytes=4),
        Linear(f"{name}.conv1d", kernel, (heads, heads, heads), Shard.COLUMN, format=FP32, fixed=True),
        norm(f"{name}.o_norm", dim),
        row(f"{name}.o_proj", count * dim, hidden),
    )
    if full_rank:
        return modules
    return (*modules, whole(f"{name}.g_a_proj", hidden, dim), column(f"{name}.g_b_proj", dim, count * dim))


def _kda_cache(config: Config) -> StateSpace:
    """Convolution and recurrent state of one request."""
    linear = config.part("linear_attn_config")
    heads, dim = linear.size("num_heads"), linear.size("head_dim")
    columns = linear.size("short_conv_kernel_size", default=4) - 1
    conv = State(units=3 * heads * dim, columns=columns, speculative=True)
    return StateSpace("kda", (conv, State(units=heads, width=dim * dim, recurrent=True, fp32=True)))


def _mla(config: Config, name: str = "self_attn") -> tuple[Module, ...]:
    """Latent attention; K3's output gate is fused with the down projections, which stay whole on every rank."""
    modules = deepseek_v3.mla(config, name=name)
    if not config.flag("mla_use_output_gate"):
        return modules
    hidden, heads, value = config.size("hidden_size"), config.size("num_attention_heads"), config.size("v_head_dim")
    q_lora = config.size("q_lora_rank", default=0)
    if not q_lora:
        return (*modules, column(f"{name}.g_proj", hidden, heads * value))
    latent = config.size("kv_lora_rank") + config.size("qk_rope_head_dim")
    outputs = (Slice(q_lora, copied=True), Slice(latent, copied=True), Slice(heads, value))
    return Linear(f"{name}.fused_qkv_a_g_proj", hidden, outputs, Shard.COLUMN), *modules[1:]


def _latent(config: Config) -> Latent:
    return Latent(
        lora_rank=config.size("kv_lora_rank"),
        rope_dim=config.size("qk_rope_head_dim"),
        heads=config.size("num_attention_heads"),
        nope_dim=config.size("qk_nope_head_dim"),
        value_dim=config.size("v_head_dim"),
    )


def _is_routed(config: Config, depth: int) -> bool:
    step = config.size("moe_layer_freq", default=1) or 1
    first = config.size("first_k_dense_replace", default=0)
    return config.size("num_experts", default=0) > 0 and depth >= first and depth % step == 0


def _moe(config: Config, hidden: int, name: str = "block_sparse_moe") -> tuple[Module, ...]:
    """Router, routed experts (in a latent space of their own in K3) and shared experts."""
    count, width = config.size("num_experts"), config.size("moe_intermediate_size")
    top_k, latent = config.size("num_experts_per_token"), config.size("routed_expert_hidden_size", default=0)
    modules: tuple[Module, ...] = (
        router(hidden, count, name=f"{name}.gate"),
        Vector(f"{name}.gate.e_score_correction_bias", count, bytes=4),
        Experts(f"{name}.experts", count, latent or hidden, width, top_k, least=LEAST),
    )
    if latent:
        down, up = f"{name}.routed_expert_down_proj", f"{name}.routed_expert_up_proj"
        modules = (*modules, whole(down, hidden, latent), whole(up, latent, hidden))
        if config.flag("latent_moe_use_norm"):
            modules = (*modules, norm(f"{name}.routed_expert_norm", latent))
    shared = config.size("num_shared_experts", default=0)
    return (*modules, *mlp(hidden, width * shared, name=f"{name}.shared_experts")) if shared else modules


def _residual(hidden: int, name: str) -> tuple[Module, ...]:
    """Norm and score of the attention over earlier layers' outputs."""
    return norm(f"{name}_norm", hidden), whole(f"{name}_proj", hidden, 1, fixed=True)
