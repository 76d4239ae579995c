"""What a model's weights are made of, before anything is sharded.

A model is described module by module, as vLLM builds it (fused QKV, merged gate and up projections, stacked
experts). That is more than a parameter count, and it is what makes bytes per rank exact: which dimension is split,
what is replicated, what is padded and how each weight is stored all hang on the module.
Traded away: names of checkpoint tensors. Only the module name that quantisation configs match on is kept.
"""

from __future__ import annotations

from enum import Enum

from llmtune.spec.record import dataclass


class Shard(Enum):
    """How tensor parallelism splits a module."""

    COLUMN = "column"  # outputs are split
    ROW = "row"  # inputs are split
    NONE = "replicated"  # every rank holds all of it


class Scale(Enum):
    """Where a quantised weight keeps its scales."""

    NONE = "none"
    TENSOR = "tensor"  # one per fused output part
    CHANNEL = "channel"  # one per output row
    BLOCK = "block"  # one per block of outputs x inputs
    GROUP = "group"  # one per output row and group of inputs


@dataclass(frozen=True, slots=True)
class Format:
    """How one weight matrix is stored.

    ``bits`` per weight; ``scale_bytes`` per scale; ``block`` is (outputs, inputs) for ``Scale.BLOCK`` and
    (1, group) for ``Scale.GROUP``; ``zero_bits`` per group for zero points; ``index_bytes`` per input row
    (GPTQ ``g_idx``); ``tensor_bytes`` per fused part for scalars such as second-level and input scales;
    ``matrix_bytes`` per matrix whatever it fuses (a linear layer is one, an expert is two); ``bias``: biases are
    created even where the model has none. ``name`` selects the engine's shape rules in ``calc.stored``.
    """

    name: str
    bits: int
    scale: Scale = Scale.NONE
    scale_bytes: int = 0
    block: tuple[int, int] = (1, 1)
    zero_bits: int = 0
    index_bytes: int = 0
    tensor_bytes: int = 0
    matrix_bytes: int = 0
    bias: bool = False


BF16 = Format("bf16", 16)
FP32 = Format("fp32", 32)


@dataclass(frozen=True, slots=True)
class Slice:
    """One fused part of a linear layer's output: ``units`` heads (or channels) of ``width`` each.

    A rank holds ``units / tp`` of them. With ``replicate`` it holds at least one when there are fewer units than
    ranks (KV heads, Mamba groups); ``copied`` parts are whole on every rank.
    """

    units: int
    width: int = 1
    replicate: bool = False
    copied: bool = False

    @property
    def size(self) -> int:
        """All output features of this part."""
        return self.units * self.width


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: ``inputs`` features to the fused ``outputs``.

    ``name`` is the module path inside its layer as vLLM spells it (``self_attn.qkv_proj``). ``fixed``
    modules (routers, gates) keep their format whatever the quantisation says. ``heads``: a tower's layer that stays
    whole on every rank where its heads do not divide by the ranks. ``rows``: outputs on a rank are padded to a
    multiple of this (Kimi K3's fused KDA projection).
    """

    name: str
    inputs: int
    outputs: tuple[Slice, ...]
    shard: Shard
    bias: bool = False
    format: Format = BF16
    fixed: bool = False
    heads: int = 0
    rows: int = 1

    @property
    def size(self) -> int:
        """All output features."""
        return sum(part.size for part in self.outputs)


@dataclass(frozen=True, slots=True)
class Experts:
    """The routed experts of a mixture-of-experts layer, stacked as vLLM stacks them.

    ``gated`` experts have gate and up projections. Without expert parallelism the intermediate dimension is split
    over tensor and data parallel ranks; with it, whole experts are. ``least``: a rank's share of the intermediate
    dimension is padded to at least this (Kimi Linear and K3: 256).
    """

    name: str
    count: int
    hidden: int
    intermediate: int
    top_k: int
    gated: bool = True
    bias: bool = False
    format: Format = BF16
    fixed: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class Embedding:
    """A table of ``vocab`` rows; rows are padded to a multiple of 64 and split over tensor parallel ranks."""

    name: str
    vocab: int
    hidden: int
    bias: bool = False
    format: Format = BF16
    sharded: bool = True
    padded: bool = True


@dataclass(frozen=True, slots=True)
class Vector:
    """Norm weights, convolution kernels, decay parameters: ``units`` x ``width`` numbers of ``bytes`` each.

    ``sharded`` vectors are split over ranks; with ``replicate`` a rank holds at least one unit. ``host``: a table that
    lies in pinned host memory unless the engine is told otherwise (``Resolved.tables_on_host``). ``reduced``: a norm
    over more than a rank holds, so that ranks have to sum its squares in every step.
    """

    name: str
    units: int
    width: int = 1
    sharded: bool = False
    bytes: int = 2
    replicate: bool = False
    host: bool = False
    reduced: bool = False


Module = Linear | Experts | Embedding | Vector
