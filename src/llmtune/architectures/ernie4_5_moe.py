"""ERNIE 4.5 with routed experts from a first to a last layer, and shared experts as one MLP.

Source: vLLM 0.33.0 model_executor/models/ernie45_moe.py, ernie_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.drafts import Frame, layered, predicted
from llmtune.architectures.parts import attention, decoder, experts, full, layer_norms, mlp, read_heads, router
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Ernie4_5_MoeForCausalLM",)
FRAME = Frame(("mtp_emb_norm", "mtp_hidden_norm"), "mtp_linear_proj", "", "lm_head")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias = config.flag("use_bias")
    common = (*attention(heads, bias=bias), *layer_norms(heads.hidden))
    dense = mlp(heads.hidden, config.size("intermediate_size"), bias=bias)
    layers = [
        LayerGroup((*common, *(_moe(config) if _is_routed(config, depth) else dense)), (full(heads),))
        for depth in range(config.layers())
    ]
    block = (*attention(heads), *mlp(heads.hidden, config.size("intermediate_size")), *layer_norms(heads.hidden))
    draft = layered(config, [LayerGroup(block, (full(heads),))] * predicted(config), FRAME)
    return decoder(config, heads, layers, tied_default=True, draft=draft)


def _is_routed(config: Config, depth: int) -> bool:
    """Whether a layer has experts (ernie45_moe.py::Ernie4_5_MoeDecoderLayer); an end of -1 is the last layer."""
    end = config.data.get("moe_layer_end_index")
    last = end if isinstance(end, int) and end >= 0 else config.layers() - 1
    every = config.size("moe_layer_interval", default=1) or 1
    first = config.size("moe_layer_start_index", default=0)
    return config.size("moe_num_experts", default=0) > 0 and first <= depth <= last and (depth + 1) % every == 0


def _moe(config: Config) -> tuple[Module, ...]:
    """Router in 32 bit with its correction bias, routed experts, shared experts (never with biases)."""
    hidden, count = config.size("hidden_size"), config.size("moe_num_experts")
    width, shared = config.size("moe_intermediate_size"), config.size("moe_num_shared_experts", default=0)
    modules: tuple[Module, ...] = (
        router(hidden, count, fp32=True),
        Vector("mlp.gate.e_score_correction_bias", count, bytes=4),
        experts(config, hidden, width, count),
    )
    return (*modules, *mlp(hidden, width * shared, name="mlp.shared_experts")) if shared else modules
