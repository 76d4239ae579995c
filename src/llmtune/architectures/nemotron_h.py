"""Nemotron-H, Nemotron Nano v2, Nemotron 3: layers that are Mamba 2, attention, MLP or experts, one norm each.

Source: vLLM 0.33.0 model_executor/models/nemotron_h.py, nemotron_h_mtp.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.config import ConfigError
from llmtune.architectures.drafts import predicted
from llmtune.architectures.parts import (
    BOTH,
    Heads,
    attention,
    column,
    decoder,
    full,
    norm,
    plain_mlp,
    router,
    whole,
)
from llmtune.architectures.recurrent import Mamba2
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Experts, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Cache, Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("NemotronHForCausalLM",)
SPELLED = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}


def describe(config: Config) -> Model:
    """Model from a config.json; the pattern has a letter a layer: M Mamba 2, * attention, - MLP, E experts."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    width = config.size("head_dim", "attention_head_dim", default=hidden // max(count, 1))
    heads = Heads(hidden, count, config.size("num_key_value_heads", default=count), width)
    mixer = _mixer(config, hidden)
    kinds = {
        "M": LayerGroup((*mixer.modules("mixer"), norm("norm", hidden)), (mixer.cache(),)),
        "*": LayerGroup(
            (*attention(heads, name="mixer", bias=config.flag("attention_bias")), norm("norm", hidden)), (full(heads),)
        ),
    }
    pattern = _letters(config, "hybrid_override_pattern", "layers_block_type")
    layers = []
    for depth, letter in enumerate(pattern):
        if letter in kinds:
            layers.append(kinds[letter])
        elif letter == "-":
            up, down = "mixer.up_proj", "mixer.down_proj"
            feed = plain_mlp(hidden, _width(config, depth), up=up, down=down, bias=config.flag("mlp_bias"))
            layers.append(LayerGroup((*feed, norm("norm", hidden))))
        elif letter == "E":
            layers.append(LayerGroup((*_moe(config, hidden), norm("norm", hidden))))
        else:
            raise ConfigError(f"config.json: 'hybrid_override_pattern' has a letter that is not known: {letter!r}")
    vocab = config.size("vocab_size")
    head: tuple[Module, ...] = (norm("model.norm_f", hidden),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", vocab, hidden))
    state_dtype = config.text("mamba_ssm_cache_dtype", "float32")
    draft = _draft(config, kinds["*"]) if predicted(config) else ()
    return decoder(
        config, heads, layers, head=head, unstaged=BOTH, state_dtype=state_dtype, draft=draft, draft_prefix="mtp."
    )


def _draft(config: Config, attends: LayerGroup) -> tuple[LayerGroup, ...]:
    """The one step that is loaded: attention and experts by a pattern of their own, its embedding is the model's."""
    hidden = config.size("hidden_size")
    modules: list[Module] = [norm("enorm", hidden), norm("hnorm", hidden), norm("final_layernorm", hidden)]
    modules.append(column("layers.0.eh_proj", 2 * hidden, hidden))
    caches: list[Cache] = []
    for depth, letter in enumerate(_letters(config, "mtp_hybrid_override_pattern", "mtp_layers_block_type")):
        block = attends if letter == "*" else LayerGroup((*_moe(config, hidden), norm("norm", hidden)))
        modules += [replace(module, name=f"layers.{depth}.{module.name}") for module in block.modules]
        caches += block.caches
    return (LayerGroup(tuple(modules), tuple(caches)),)


def _letters(config: Config, key: str, spelled: str) -> str:
    """A letter a layer, from a text or from words."""
    return config.text(key) or "".join(SPELLED.get(str(kind), "?") for kind in config.items(spelled))


def _mixer(config: Config, hidden: int) -> Mamba2:
    heads, width = config.size("mamba_num_heads"), config.size("mamba_head_dim")
    return Mamba2(
        hidden=hidden,
        inner=heads * width,
        heads=heads,
        head_dim=width,
        groups=config.size("n_groups", default=1),
        state=config.size("ssm_state_size"),
        kernel=config.size("conv_kernel", default=4),
        bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias", default=True),
    )


def _width(config: Config, depth: int) -> int:
    """Width of an MLP layer: one for all, or a list with an entry for each MLP layer."""
    widths = config.data.get("intermediate_size")
    if not isinstance(widths, list):
        return config.size("intermediate_size")
    before = config.text("hybrid_override_pattern")[:depth].count("-")
    return int(widths[before] if len(widths) > 1 else widths[0])


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    """Router, ungated routed experts (in a latent space of their own in the large models), shared expert."""
    count, latent = config.size("n_routed_experts"), config.size("moe_latent_size", default=0)
    top_k = config.size("num_experts_per_tok", default=1)
    modules: tuple[Module, ...] = (
        router(hidden, count, name="mixer.gate"),
        Vector("mixer.gate.e_score_correction_bias", count, bytes=4),
        Experts("mixer.experts", count, latent or hidden, config.size("moe_intermediate_size"), top_k, gated=False),
    )
    if latent:
        modules = (
            *modules,
            whole("mixer.fc1_latent_proj", hidden, latent),
            whole("mixer.fc2_latent_proj", latent, hidden),
        )
    shared = config.size("n_shared_experts", default=0) * config.size("moe_shared_expert_intermediate_size", default=0)
    if shared:
        up, down = "mixer.shared_experts.up_proj", "mixer.shared_experts.down_proj"
        modules = (*modules, *plain_mlp(hidden, shared, up=up, down=down, bias=False))
    return modules
