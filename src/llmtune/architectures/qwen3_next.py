"""Qwen3-Next, Qwen3.5, 3.6 and 3.8: three gated delta nets to one gated full attention; dense or routed experts.

Source: vLLM 0.33.0 model_executor/models/qwen3_next.py, qwen3_5.py, qwen3_next_mtp.py, qwen3_5_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.drafts import predicted, stacked
from llmtune.architectures.parts import BOTH, attention, decoder, full, head_norms, layer_norms, mlp, read_heads
from llmtune.architectures.qwen3_moe import expert_count, moe
from llmtune.architectures.recurrent import read_delta_net
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen3NextForCausalLM", "Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads, delta = read_heads(config), read_delta_net(config)
    gate = config.flag("attn_output_gate", default=True)
    kinds = config.items("layer_types")
    step = config.size("full_attention_interval", default=4) or 1
    dense = set(config.items("mlp_only_layers"))
    layers = []
    for depth in range(config.layers()):
        routed = expert_count(config) > 0 and depth not in dense
        feed = moe(config) if routed else mlp(heads.hidden, config.size("intermediate_size"))
        sees_all = kinds[depth] == "full_attention" if kinds else (depth + 1) % step == 0
        if sees_all:
            mixer, cache = (*attention(heads, gate=gate), *head_norms(heads)), full(heads)
            layers.append(LayerGroup((*mixer, *feed, *layer_norms(heads.hidden)), (cache,)))
        else:
            layers.append(LayerGroup((*delta.modules(), *feed, *layer_norms(heads.hidden)), (delta.cache(),)))
    feed = moe(config) if expert_count(config) > 0 else mlp(heads.hidden, config.size("intermediate_size"))
    mixer = (*attention(heads, gate=gate), *head_norms(heads))
    block = LayerGroup((*mixer, *feed, *layer_norms(heads.hidden)), (full(heads),))
    old = config.text("model_type") == "qwen3_next"
    key = "num_nextn_predict_layers" if old else "mtp_num_hidden_layers"
    return decoder(
        config,
        heads,
        layers,
        unstaged=BOTH if old else BOTH[:1],
        state_dtype=config.text("mamba_ssm_dtype") or None,
        draft=stacked(config, [block] * predicted(config, key, default=1)),
        draft_prefix="mtp.",
    )
