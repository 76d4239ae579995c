"""Jamba: Mamba 1 with an attention layer in eight, routed experts in every other layer.

Source: vLLM 0.33.0 model_executor/models/jamba.py, layers/mamba/mamba_mixer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    BOTH,
    column,
    decoder,
    experts,
    full,
    layer_norms,
    mlp,
    norm,
    qkv,
    read_heads,
    router,
    row,
)
from llmtune.spec.model import LayerGroup, State, StateSpace
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("JambaForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden = heads.hidden
    attends = (qkv("qkv_proj", heads), row("o_proj", heads.heads * heads.head_dim, hidden))
    norms = layer_norms(hidden, "input_layernorm", "pre_ff_layernorm")
    layers = []
    for depth in range(config.layers()):
        feed = _feed(config, hidden, depth)
        if _hits(config, "attn", depth, period=8, offset=4):
            layers.append(LayerGroup((*attends, *feed, *norms), (full(heads),)))
        else:
            layers.append(LayerGroup((*mamba1(config, "mamba"), *feed, *norms), (mamba1_cache(config),)))
    head: tuple[Module, ...] = (norm("model.final_layernorm", hidden),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", config.size("vocab_size"), hidden))
    return decoder(config, heads, layers, head=head, unstaged=BOTH)


def mamba1(config: Config, name: str) -> tuple[Module, ...]:
    """Mamba 1 mixer: projections, convolution, decay parameters and the norms that Jamba adds."""
    hidden = config.size("hidden_size")
    inner, state = _inner(config), config.size("mamba_d_state", "state_size")
    rank, kernel = _rank(config), config.size("mamba_d_conv", "conv_kernel", default=4)
    modules: tuple[Module, ...] = (
        column(f"{name}.in_proj", hidden, inner, inner, bias=config.flag("mamba_proj_bias")),
        Vector(f"{name}.conv1d", inner, kernel + 1, sharded=True),
        Vector(f"{name}.A", inner, state, sharded=True, bytes=4),
        Vector(f"{name}.D", inner, sharded=True),
        row(f"{name}.x_proj", inner, rank + 2 * state),
        column(f"{name}.dt_proj", rank, inner, bias=True),
        row(f"{name}.out_proj", inner, hidden, bias=config.flag("mamba_proj_bias")),
    )
    if config.text("model_type") != "jamba":
        return modules
    return (*modules, norm(f"{name}.dt_layernorm", rank + 2 * state))


def mamba1_cache(config: Config) -> StateSpace:
    """Convolution and recurrent state of one request."""
    inner, state = _inner(config), config.size("mamba_d_state", "state_size")
    kernel = config.size("mamba_d_conv", "conv_kernel", default=4)
    return StateSpace("mamba1", (State(inner, columns=kernel - 1), State(inner, state, recurrent=True)))


def _inner(config: Config) -> int:
    given = config.size("intermediate_size", default=0) if config.text("model_type") != "jamba" else 0
    return given or config.size("mamba_expand", "expand", default=2) * config.size("hidden_size")


def _rank(config: Config) -> int:
    for key in ("mamba_dt_rank", "time_step_rank"):
        if isinstance(config.data.get(key), int):
            return config.size(key)
    return -(-config.size("hidden_size") // 16)  # "auto" in both configs


def _hits(config: Config, kind: str, depth: int, *, period: int, offset: int) -> bool:
    every = config.size(f"{kind}_layer_period", default=period) or 1
    return depth % every == config.size(f"{kind}_layer_offset", default=offset)


def _feed(config: Config, hidden: int, depth: int) -> tuple[Module, ...]:
    width, count = config.size("intermediate_size"), config.size("num_experts", default=1)
    if count <= 1 or not _hits(config, "expert", depth, period=2, offset=1):
        return mlp(hidden, width, name="feed_forward")
    gate = router(hidden, count, name="feed_forward.router")
    return gate, experts(config, hidden, width, count, name="feed_forward.experts")
