"""The buffers that mixture-of-experts kernels work in.

Source: vLLM 0.33.0 model_executor/layers/fused_moe/modular_kernel.py::_allocate_buffers and
experts/triton_moe.py::workspace_shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.constant import NOTHING, Range, exactly
from llmtune.calc.switches import size

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Experts

FOUR_BITS = 4


def expert_workspace(model: Model, resolved: Resolved, engine: EngineVersion) -> Range:
    """Two work buffers for all tokens of a step, each token once for every expert that it visits.

    ``b M k (max(I, H) + max(2 I, H))`` for M tokens that visit k of the experts of width I: data parallel ranks
    gather their tokens, so M = T x DP; tensor parallelism hardly helps, because of the max with H. Kernels for 4-bit
    floating point weights allocate their own and need only the output here.

    Example:
        Qwen3-30B-A3B, T 8192: 2 x 8192 x 8 x (2048 + 2048) = 0.50 GiB (measured under 0.19.0: 0.50).

    """
    routed = traits.experts(model)
    if not routed:
        return NOTHING
    chunk = size(engine, "memory.moe_chunk")
    tokens = resolved.max_num_batched_tokens * resolved.data_parallel
    tokens = min(tokens, chunk) if chunk else tokens
    return max((_of_experts(module, resolved, tokens) for module in routed), key=lambda found: found.bytes)


def _of_experts(module: Experts, resolved: Resolved, tokens: int) -> Range:
    element = 4 if resolved.dtype == "float32" else 2
    ways = 1 if resolved.expert_parallel else resolved.tensor_parallel * resolved.data_parallel
    width = -(-module.intermediate // ways)
    up = width * (2 if module.gated else 1)
    full = element * tokens * module.top_k * (max(width, module.hidden) + max(up, module.hidden))
    if module.format.bits == FOUR_BITS and "fp4" in module.format.name:
        output = element * tokens * module.hidden
        return Range(output, 0, full)
    return exactly(full)
