"""GLM-4, GLM-4-0414, GLM-4.5 and 4.6: Llama-like, with routed experts from 4.5 on.

Source: vLLM 0.33.0 model_executor/models/glm.py, glm4.py, glm4_moe.py, glm4_moe_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.deepseek_v3 import is_routed
from llmtune.architectures.drafts import layered, predicted
from llmtune.architectures.parts import (
    attention,
    decoder,
    experts,
    full,
    head_norms,
    layer_norms,
    mlp,
    read_heads,
    router,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GlmForCausalLM", "Glm4ForCausalLM", "Glm4MoeForCausalLM")
FOUR_NORMS = ("input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    names = FOUR_NORMS if config.text("model_type") == "glm4" else ()
    common: tuple[Module, ...] = (
        *attention(heads, bias=config.flag("attention_bias")),
        *layer_norms(heads.hidden, *names),
    )
    if config.flag("use_qk_norm"):
        common = (*common, *head_norms(heads))
    count, layers = config.layers(), []
    drafts = predicted(config) if config.text("model_type") == "glm4_moe" else 0
    for depth in range(count + drafts):
        feed = moe(config) if is_routed(config, depth) else mlp(heads.hidden, config.size("intermediate_size"))
        layers.append(LayerGroup((*common, *feed), (full(heads),)))
    return decoder(config, heads, layers[:count], draft=layered(config, layers[count:]))


def moe(config: Config) -> tuple[Module, ...]:
    """Router in 32 bit with its correction bias, routed experts, shared experts."""
    hidden, count = config.size("hidden_size"), config.size("n_routed_experts")
    width, shared = config.size("moe_intermediate_size"), config.size("n_shared_experts", default=0)
    modules: tuple[Module, ...] = (
        router(hidden, count, fp32=True),
        Vector("mlp.gate.e_score_correction_bias", count, bytes=4),
        experts(config, hidden, width, count),
    )
    return (*modules, *mlp(hidden, width * shared, name="mlp.shared_experts")) if shared else modules
