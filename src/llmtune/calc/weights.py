"""Weight bytes of every pipeline stage under tensor, expert and data parallelism.

Counts the parameters that vLLM creates for one rank, in the shapes its layers give them (before any repacking after
loading, which keeps the size in all but the cases that ``calc.activations`` lists as persistent buffers).
Source: vLLM 0.33.0 model_executor/layers/linear.py, vocab_parallel_embedding.py, fused_moe/config.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from llmtune.calc.drafts import draft_modules
from llmtune.calc.errors import Refused
from llmtune.calc.stages import stage_layers
from llmtune.calc.stored import experts_bytes, linear_bytes
from llmtune.spec.record import dataclass
from llmtune.spec.weights import BF16, FP32, Embedding, Experts, Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import LayerGroup, Model
    from llmtune.spec.weights import Module

VOCAB_PADDING = 64  # vocab_parallel_embedding.py::DEFAULT_VOCAB_PADDING_SIZE


@dataclass(frozen=True, slots=True)
class RankWeights:
    """Weights of the fullest rank of one pipeline stage, in bytes, by part."""

    stage: int
    bytes: int
    parts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Split:
    """How modules are split over ranks: ``tensor`` ways, experts ``experts`` ways whole or ``moe_tensor`` ways cut.

    ``tables``: tables that may lie in host memory lie on the GPU.
    """

    tensor: int
    experts: int
    moe_tensor: int
    capability: tuple[int, int] | None
    wide: bool = False  # --dtype float32: what is stored in 16 bit takes 32
    tables: bool = True


def weigh(model: Model, resolved: Resolved, gpu: Gpu) -> tuple[RankWeights, ...]:
    """Weight bytes per pipeline stage, on its fullest rank.

    Raises:
        Refused: when a dimension cannot be split as the engine splits it.

    Example:
        Qwen3-8B on one GPU: 36 layers x 385,892,864 B + embedding and head of 151,936 x 4,096 x 2 B each
        + the last norm = 16,381,470,720 B = 15.26 GiB.

    """
    ranks = resolved.tensor_parallel * resolved.data_parallel
    split = Split(
        tensor=resolved.tensor_parallel,
        experts=ranks if resolved.expert_parallel else 1,
        moe_tensor=1 if resolved.expert_parallel else ranks,
        capability=gpu.compute_capability,
        wide=resolved.dtype == "float32",
        tables=not resolved.tables_on_host,
    )
    stages = stage_layers(model.layers, resolved.pipeline_parallel)
    towers = () if resolved.language_model_only else model.towers
    tower_split = split if resolved.mm_encoder_tp_mode != "data" else replace(split, tensor=1)
    result = []
    for stage, layers in enumerate(stages):
        parts = _layer_parts(model, layers, split)
        first, last = stage == 0, stage == len(stages) - 1
        if first or "embedding" in model.unstaged:
            parts["embedding"] = _total(model.embedding, split)
        elif last and model.tied:
            parts["embedding"] = _total(model.embedding[:1], split)
        if last or "head" in model.unstaged:
            parts["head"] = _total(model.head, split)
        if first:
            parts["towers"] = _total(towers, tower_split)
        if last:
            parts["draft"] = _total(draft_modules(model, resolved), split)
        result.append(RankWeights(stage, sum(parts.values()), parts))
    return tuple(result)


def weigh_whole(model: Model, split: Split) -> int:
    """Weight bytes of all layers, embeddings, head and towers together."""
    layers = sum(_layer_parts(model, range(model.layers), split).values())
    return layers + sum(_total(part, split) for part in (model.embedding, model.head, model.towers))


def _layer_parts(model: Model, layers: range, split: Split) -> dict[str, int]:
    dense = routed = 0
    for number, group in enumerate(model.groups):
        count = model.pattern[layers.start : layers.stop].count(number)
        if count:
            of_layer = _group_bytes(group, split)
            dense += count * of_layer[0]
            routed += count * of_layer[1]
    return {"layers": dense, "experts": routed}


@lru_cache(maxsize=4096)
def _group_bytes(group: LayerGroup, split: Split) -> tuple[int, int]:
    routed = tuple(module for module in group.modules if isinstance(module, Experts))
    dense = tuple(module for module in group.modules if not isinstance(module, Experts))
    return _total(dense, split), _total(routed, split)


def _total(modules: Sequence[Module], split: Split) -> int:
    return sum(module_bytes(module, split) for module in modules)


def module_bytes(module: Module, split: Split) -> int:
    """Bytes of one module on one rank."""
    if split.wide and not isinstance(module, Vector) and module.format == BF16:
        module = replace(module, format=FP32)
    match module:
        case Linear():
            return _linear(module, split)
        case Experts():
            return _experts(module, split)
        case Embedding():
            return _embedding(module, split)
        case Vector(host=True) if not split.tables:
            return 0
        case Vector():
            part = Slice(module.units, module.width, replicate=module.replicate, copied=not module.sharded)
            return local_size(part, split.tensor, module.name) * module.bytes
        case _:
            assert_never(module)


def _linear(module: Linear, split: Split) -> int:
    shard = Shard.NONE if module.heads % split.tensor else module.shard
    match shard:
        case Shard.NONE:
            return linear_bytes(module, inputs=module.inputs, outputs=[part.size for part in module.outputs])
        case Shard.COLUMN:
            outputs = [local_size(part, split.tensor, module.name) for part in module.outputs]
            if padding := -sum(outputs) % module.rows:
                outputs.append(padding)
            return linear_bytes(module, inputs=module.inputs, outputs=outputs)
        case Shard.ROW:
            inputs = _divide(module.inputs, split.tensor, module.name)
            return linear_bytes(module, inputs=inputs, outputs=[part.size for part in module.outputs])
        case _:
            assert_never(shard)


def local_size(part: Slice, tensor: int, name: str) -> int:
    """Output features of one fused part on one rank (linear.py::QKVParallelLinear for replicated heads)."""
    if part.copied:
        return part.size
    if part.replicate and part.units < tensor:
        _divide(tensor, part.units, name)
        return part.width
    return _divide(part.units, tensor, name) * part.width


def _experts(module: Experts, split: Split) -> int:
    count = -(-module.count // split.experts)
    intermediate = _divide(module.intermediate, split.moe_tensor, module.name)
    if split.moe_tensor > 1:
        intermediate = max(intermediate, module.least)
    return experts_bytes(module, count=count, intermediate=intermediate, capability=split.capability)


def _embedding(module: Embedding, split: Split) -> int:
    rows = module.vocab
    if module.padded:
        rows = -(-rows // VOCAB_PADDING) * VOCAB_PADDING
    if module.sharded:
        rows = _divide(rows, split.tensor, module.name)
    linear = Linear(module.name, module.hidden, (Slice(rows),), Shard.NONE, module.bias, module.format)
    return linear_bytes(linear, inputs=module.hidden, outputs=[rows])


def _divide(size: int, ways: int, name: str) -> int:
    """Split without rest, or the engine's assertion (distributed/utils.py::divide)."""
    if size % ways:
        raise Refused("invalid", f"AssertionError: {size} is not divisible by {ways} ({name})")
    return size // ways
