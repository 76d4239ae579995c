"""LongCat-Flash: two attention blocks and two MLPs a layer around routed experts, some of which compute nothing.

Source: vLLM 0.33.0 model_executor/models/longcat_flash.py, longcat_flash_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.deepseek_v3 import mla
from llmtune.architectures.drafts import Frame, layered
from llmtune.architectures.parts import Heads, decoder, layer_norms, mlp, router
from llmtune.spec.model import Latent, LayerGroup
from llmtune.spec.weights import Experts, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("LongcatFlashForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. ``num_layers`` counts pairs of blocks; each block has a cache of its own."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    nope, rope = config.size("qk_nope_head_dim"), config.size("qk_rope_head_dim")
    heads = Heads(hidden, count, count, nope + rope, config.size("v_head_dim"))
    width = config.size("ffn_hidden_size", "intermediate_size")
    modules: tuple[Module, ...] = _moe(config, hidden)
    for block in range(2):
        norms = layer_norms(hidden, f"input_layernorm.{block}", f"post_attention_layernorm.{block}")
        modules = (*modules, *mla(config, name=f"self_attn.{block}"), *mlp(hidden, width, name=f"mlps.{block}"), *norms)
    cache = Latent(config.size("kv_lora_rank"), rope, count, nope, heads.values)
    layers = [LayerGroup(modules, (cache, cache))] * config.layers("num_layers", "num_hidden_layers")
    dense = LayerGroup((*mla(config), *mlp(hidden, width), *layer_norms(hidden)), (cache,))
    draft = layered(config, [dense], Frame(after="final_layernorm", head="lm_head", fixed=False))
    return decoder(
        config, heads, layers, intermediate=width, draft=draft, draft_prefix=f"model.layers.{2 * len(layers)}."
    )


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    """Router in 32 bit with its correction bias over real and empty experts; only the real ones have weights."""
    count, width = config.size("n_routed_experts"), config.size("expert_ffn_hidden_size", "moe_intermediate_size")
    choices = count + config.size("zero_expert_num", default=0)
    return (
        router(hidden, choices, name="mlp.router.classifier", fp32=True),
        Vector("mlp.router.e_score_correction_bias", choices, bytes=4),
        Experts("mlp.experts", count, hidden, width, config.size("moe_topk", default=1)),
    )
