"""Recurrent mixers that hybrid families share: Mamba 2 and the gated delta net, as modules and as state.

Source: vLLM 0.33.0 model_executor/layers/mamba/mamba_mixer2.py, mamba_utils.py, gdn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import row
from llmtune.spec.model import State, StateSpace
from llmtune.spec.record import dataclass
from llmtune.spec.weights import Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.weights import Module


@dataclass(frozen=True, slots=True)
class Mamba2:
    """The shape of a Mamba 2 mixer. ``inner`` = ``heads`` x ``head_dim``; ``state`` numbers a channel."""

    hidden: int
    inner: int
    heads: int
    head_dim: int
    groups: int
    state: int
    kernel: int
    norm: bool = True
    bias: bool = False
    conv_bias: bool = True

    def modules(self, name: str) -> tuple[Module, ...]:
        """Input projection (gate, x, B, C, dt), convolution over x, B and C, decay parameters, norm, output."""
        inner = Slice(self.heads, self.head_dim)
        grouped = Slice(self.groups, self.state, replicate=True)
        convolved = (inner, grouped, grouped)
        conv = Linear(f"{name}.conv1d", self.kernel, convolved, Shard.COLUMN, self.conv_bias, fixed=True)
        modules: tuple[Module, ...] = (
            Linear(
                f"{name}.in_proj",
                self.hidden,
                (inner, *convolved, Slice(self.heads)),
                Shard.COLUMN,
                self.bias,
            ),
            conv,
            Vector(f"{name}.A", self.heads, sharded=True, bytes=4),
            Vector(f"{name}.D", self.heads, sharded=True),
            Vector(f"{name}.dt_bias", self.heads, sharded=True),
            row(f"{name}.out_proj", self.inner, self.hidden, bias=self.bias),
        )
        if not self.norm:
            return modules
        return (*modules, Vector(f"{name}.norm", self.heads, self.head_dim, sharded=True))

    def cache(self) -> StateSpace:
        """Convolution and recurrent state of one request."""
        conv = State(
            units=self.inner,
            columns=self.kernel - 1,
            groups=self.groups,
            group_width=2 * self.state,
            speculative=True,
        )
        return StateSpace("mamba2", (conv, State(self.heads, self.head_dim * self.state, recurrent=True)))


@dataclass(frozen=True, slots=True)
class DeltaNet:
    """The shape of a gated delta net."""

    hidden: int
    key_heads: int
    key_dim: int
    value_heads: int
    value_dim: int
    kernel: int

    def modules(self, name: str = "linear_attn") -> tuple[Module, ...]:
        """Projections of query, key, value and gate, of beta and alpha, convolution, decay, norm, output."""
        keys, values = Slice(self.key_heads, self.key_dim), Slice(self.value_heads, self.value_dim)
        ones = Slice(self.value_heads)
        conv = Linear(f"{name}.conv1d", self.kernel, (keys, keys, values), Shard.COLUMN, fixed=True)
        return (
            Linear(f"{name}.in_proj_qkvz", self.hidden, (keys, keys, values, values), Shard.COLUMN),
            Linear(f"{name}.in_proj_ba", self.hidden, (ones, ones), Shard.COLUMN),
            conv,
            Vector(f"{name}.dt_bias", self.value_heads, sharded=True),
            Vector(f"{name}.A_log", self.value_heads, sharded=True, bytes=4),
            Vector(f"{name}.norm", self.value_dim),
            row(f"{name}.out_proj", self.value_heads * self.value_dim, self.hidden),
        )

    def cache(self) -> StateSpace:
        """Convolution and recurrent state of one request."""
        convolved = 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
        conv = State(units=convolved, columns=self.kernel - 1, speculative=True)
        return StateSpace("gdn", (conv, State(self.value_heads, self.value_dim * self.key_dim, recurrent=True)))


def read_delta_net(config: Config) -> DeltaNet:
    """Shape from the ``linear_*`` keys of Qwen3-Next and Qwen3.5."""
    return DeltaNet(
        hidden=config.size("hidden_size"),
        key_heads=config.size("linear_num_key_heads"),
        key_dim=config.size("linear_key_head_dim"),
        value_heads=config.size("linear_num_value_heads"),
        value_dim=config.size("linear_value_head_dim"),
        kernel=config.size("linear_conv_kernel_dim", default=4),
    )
