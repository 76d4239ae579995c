"""What stays allocated beside weights and KV cache: sampler state, work buffers, rotary tables, LoRA slots.

Source: vLLM 0.33.0 v1/worker/gpu/sample/{penalties,logit_bias,bad_words}.py, v1/worker/gpu/structured_outputs.py,
model_executor/layers/attention/mla_attention.py, lora/layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.constant import NOTHING, Range, exactly
from llmtune.calc.drafts import draft_layers
from llmtune.calc.encoder import element_bytes
from llmtune.calc.moe_buffers import expert_workspace
from llmtune.calc.switches import on, size
from llmtune.spec.memory import Part
from llmtune.spec.record import dataclass
from llmtune.spec.weights import Experts, Linear, Shard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

# Runner v2, bytes for every request slot: allowed tokens 1024 x 4, logit biases 1024 x (4 + 4), stop tokens 128 x 4,
# bad words 1024 x 4 and their offsets 129 x 4. All are fixed tables, so this is exact.
SLOT_BYTES = 1024 * 4 + 1024 * 8 + 128 * 4 + 1024 * 4 + 129 * 4
SPARSE_ROW = 576  # numbers of a latent row, model_executor/layers/attention/mla_attention.py
SPARSE_LONG = 262_144  # tokens of context above which sparse attention takes the smaller factor
INDEXER_ROW = 132  # bytes of an indexer key and its scale
INDEXER_FACTOR = 8  # v1/attention/backends/mla/indexer.py::get_max_prefill_buffer_size
HOPPER = 9  # major compute capability
HOPPER_TILE = 256  # values along the reduced dimension in Triton's MXFP4 layout
MXFP4_WIDTH = 64  # multiple that a rank's intermediate size is rounded to, fused_moe/oracle/mxfp4.py


@dataclass(frozen=True, slots=True)
class Buffers:
    """Persistent buffers by name: ``charged`` ones are taken off the KV cache, the others come on top of the budget."""

    charged: Part
    uncharged: Part


def persistent_buffers(model: Model, resolved: Resolved, engine: EngineVersion, *, gpu: Gpu, layers: range) -> Buffers:
    """Buffers of one rank that holds ``layers``.

    Example:
        Runner v2, S 1024, V 151,936: counts 1024 x 151,936 x 4 + masks 2 x 1024 x 151,936 / 8 + 1024 x 17,412
        = 679 MB, which releases from 0.27 on charge to the budget.

    """
    state = sampler_state(model, resolved)
    work = {
        "rotary tables": rotary_tables(model, resolved),
        "absorbed projections": absorbed_projections(model, resolved, layers),
        "kernel layout of the experts": expert_layout(model, resolved, gpu=gpu, layers=layers),
        "LoRA slots": lora_slots(model, resolved, layers),
    }
    name, shared = work_space(model, resolved, engine)
    work[name] = shared
    if on(engine, "memory.sampler_state_charged"):
        work["sampler state"] = state
        state = NOTHING
    return Buffers(_part(work), _part({"sampler state": state}))


def sampler_state(model: Model, resolved: Resolved) -> Range:
    """Runner v2's tables for every request slot: counts of output tokens, a mask of prompt tokens, a grammar mask."""
    if resolved.runner != "v2":
        return NOTHING
    mask = -(-model.vocab // 32) * 4
    return exactly(resolved.max_num_seqs * (model.vocab * 4 + 2 * mask + SLOT_BYTES))


def rotary_tables(model: Model, resolved: Resolved) -> Range:
    """Cosines and sines for every position of the model's own context; one table serves all layers of a kind.

    Models that rotate only part of a head have smaller ones.

    Example:
        Gemma-3-12b: 1,179,648 positions x 256 x 2 B = 0.56 GiB (measured beside its weights under 0.19.0: 0.55).

    """
    latent = traits.latent(model)
    width = latent.rope_dim if latent else model.head_dim
    most = (model.rotary_rows or model.max_context) * width * element_bytes(resolved)
    return Range(most, 0, most)


def absorbed_projections(model: Model, resolved: Resolved, layers: range) -> Range:
    """Latent attention keeps a 16-bit copy of a quantised up-projection; an unquantised one is read in place.

    Example:
        DeepSeek-V3 (FP8) on 8 ranks: 61 layers x 16 heads x (128 + 128) x 512 x 2 B = 244 MiB a rank.

    """
    latent = traits.latent(model)
    if latent is None:
        return NOTHING
    heads = -(-latent.heads // resolved.tensor_parallel)
    one = heads * (latent.nope_dim + latent.value_dim) * latent.lora_rank * 2
    stored = {number for number, group in enumerate(model.groups) if _up_projection_is_quantised(group.modules)}
    drafts = draft_layers(model, resolved) if layers.stop == model.layers else ()
    copied = sum(_up_projection_is_quantised(group.modules) for group in drafts)
    return exactly(one * (copied + sum(model.pattern[layer] in stored for layer in layers)))


def expert_layout(model: Model, resolved: Resolved, *, gpu: Gpu, layers: range) -> Range:
    """What Triton's MXFP4 layout on Hopper adds to the experts: the reduced dimension is padded to 256 values.

    Source: vLLM 0.33.0 third_party/triton_kernels/tensor_details/layout_details/hopper_value.py::swizzle_data.
    Example: gpt-oss-120b, 36 layers x 128 experts, 2880 -> 3072 in both projections: + 3.56 GiB (measured: 3.6).
    """
    if gpu.compute_capability is None or gpu.compute_capability[0] != HOPPER:
        return NOTHING
    ranks = resolved.tensor_parallel * resolved.data_parallel
    extra = 0
    for number, group in enumerate(model.groups):
        count = sum(model.pattern[layer] == number for layer in layers)
        for module in group.modules:
            if isinstance(module, Experts) and module.format.name == "mxfp4":
                extra += count * _padding(module, ranks, whole=resolved.expert_parallel)
    return exactly(extra)


def _padding(experts: Experts, ranks: int, *, whole: bool) -> int:
    """Bytes by which one layer's experts grow on a rank: half a byte a value."""
    held = -(-experts.count // ranks) if whole else experts.count
    width = experts.intermediate if whole else -(-experts.intermediate // ranks)
    width = -(-width // MXFP4_WIDTH) * MXFP4_WIDTH
    up = 2 * width * (-experts.hidden % HOPPER_TILE)
    down = experts.hidden * (-width % HOPPER_TILE)
    return held * (up + down) // 2


def lora_slots(model: Model, resolved: Resolved, layers: range) -> Range:
    """Room for ``max_loras`` adapters of ``max_lora_rank`` r: r x (inputs + outputs) of every linear layer."""
    if not resolved.max_loras:
        return NOTHING
    features = [_lora_features(group.modules, resolved) for group in model.groups]
    total = sum(features[model.pattern[layer]] for layer in layers)
    return exactly(total * resolved.max_loras * resolved.max_lora_rank * element_bytes(resolved))


def work_space(model: Model, resolved: Resolved, engine: EngineVersion) -> tuple[str, Range]:
    """The work space that kernels share, as large as what asks for most of it, and what that is.

    Experts, the rows that sparse attention gathers and the keys of its indexer take turns (v1/worker/workspace.py); to
    0.12 each has its own, and that of the experts is free again after every step.

    Example:
        GLM-5.3 at 1,048,576 tokens with an 8-bit cache under 0.28: 5 x 1,048,576 x 576 x 2 B = 5.63 GiB of rows.

    """
    rows, keys = sparse_buffers(model, resolved, engine)
    if not on(engine, "memory.moe_workspace_persistent"):
        return "sparse attention", rows + keys
    experts = expert_workspace(model, resolved, engine)
    asked = {"expert workspace": experts, "sparse attention": rows, "keys of the indexer": keys}
    name = max(asked, key=lambda name: asked[name].bytes)
    return name, asked[name]


def sparse_buffers(model: Model, resolved: Resolved, engine: EngineVersion) -> tuple[Range, Range]:
    """Gathered rows of sparse latent attention, with an 8-bit cache only, and keys of its indexer (V3.2, GLM-5).

    Source: v1/attention/backends/mla/flashmla_sparse.py::get_prefill_workspace_size,
    indexer.py::get_max_prefill_buffer_size.

    Example:
        At 163,840 tokens: 5 x 163,840 x 576 x 2 B = 900 MiB and 163,840 x 8 x 5 x 132 B = 825 MiB.

    """
    latent = traits.latent(model)
    if latent is None or not latent.sparse:
        return NOTHING, NOTHING
    long = resolved.max_model_len > SPARSE_LONG
    factor = size(engine, "memory.sparse_long_factor" if long else "memory.sparse_factor")
    rows = factor * resolved.max_model_len * SPARSE_ROW * 2 if resolved.kv_cache_dtype.startswith("fp8") else 0
    keys = resolved.max_model_len * INDEXER_FACTOR * factor * INDEXER_ROW
    return Range(rows, 0, rows), Range(keys, 0, keys)


def _up_projection_is_quantised(modules: Iterable[Module]) -> bool:
    return any(
        isinstance(module, Linear) and "kv_b_proj" in module.name and module.format.bits < 16  # noqa: PLR2004 - bits
        for module in modules
    )


def _lora_features(modules: Iterable[Module], resolved: Resolved) -> int:
    """Numbers for each unit of rank. What TP does not split anyway is split by ``--fully-sharded-loras``.

    Source: vLLM 0.33.0 lora/layers/base_linear.py::BaseLinearLayerWithLoRA.create_lora_weights, fused_moe.py.
    """
    tensor = resolved.tensor_parallel
    cut = tensor if resolved.fully_sharded_loras else 1
    ways = 1 if resolved.expert_parallel else tensor * resolved.data_parallel
    shared = tensor * resolved.data_parallel if resolved.expert_parallel else 1
    total = 0
    for module in modules:
        match module:
            case Linear(shard=Shard.COLUMN):
                total += -(-module.inputs // cut) * len(module.outputs) + -(-module.size // tensor)
            case Linear(shard=Shard.ROW):
                total += -(-module.inputs // tensor) + -(-module.size // cut)
            case Experts():
                width = -(-module.intermediate // ways)
                parts = 3 if module.gated else 2
                total += -(-module.count // shared) * parts * (-(-module.hidden // cut) + width)
            case _:
                pass
    return total


def _part(buffers: dict[str, Range]) -> Part:
    there = {name: found for name, found in buffers.items() if found.high}
    total = sum(there.values(), NOTHING)
    why = ", ".join(sorted(there, key=lambda name: -there[name].bytes)) or "none"
    return Part("persistent buffers", total.bytes, why, total.low, total.high)
