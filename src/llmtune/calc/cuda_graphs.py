"""Memory of captured CUDA graphs: how much, and whether the release takes it off the KV cache.

Graphs are captured after the KV cache is allocated. Releases up to 0.19 leave them to what the budget does not cover;
later ones estimate them first and take the estimate off. That estimate extrapolates from the largest shapes and is
known to be far off for some models, so the interval is wide.
Source: vLLM 0.33.0 v1/worker/gpu_model_runner.py::profile_cudagraph_memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.constant import Constant, Range, times
from llmtune.calc.settings import Settings
from llmtune.calc.switches import on
from llmtune.spec.memory import Part

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.model import Model

GIB = 2**30
ESTIMATE_VARIABLE = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"

POOL = Constant(
    0.30 * GIB, 0.15 * GIB, 0.60 * GIB, "B",
    "27 start-ups of 13 models under 0.19.0 with 51 + 51 graphs: 0.49 GiB for a stage of 8 layers, 0.54 for 16",
)  # fmt: skip
PER_LAYER_AND_GRAPH = Constant(
    0.0155 * GIB / 102, 0.0075 * GIB / 102, 0.030 * GIB / 102, "B",
    "the same start-ups: 0.84 GiB for 32 dense layers, 1.63 to 1.92 for 80; estimates, which lie within 0.1 GiB of "
    "what the capture took in 20 of 27",
)  # fmt: skip
EXPERTS_FACTOR = 1.25  # layers with routed experts take more: 0.82 GiB for 24 of them, 1.24 for 48 (same source)
LORA_FACTOR = 2  # each graph is captured with and without adapters (cudagraph_specialize_lora)


def graph_memory(model: Model, resolved: Resolved, *, layers: range) -> Part:
    """Memory of one rank's graphs.

    Example:
        36 dense layers, 51 piecewise + 51 full graphs: 0.30 + 36 x 0.0155 = 0.86 GiB (Qwen3-8B under 0.19.0:
        estimated 0.84, taken 0.96).

    """
    graphs = count_graphs(resolved)
    if not graphs:
        return Part("CUDA graphs", 0, "none are captured", 0, 0)
    factor = EXPERTS_FACTOR if traits.is_moe(model) else 1
    factor *= LORA_FACTOR if resolved.max_loras else 1
    total: Range = times(POOL, 1) + times(PER_LAYER_AND_GRAPH, len(layers) * graphs * factor)
    why = f"{graphs} graphs of up to {resolved.cudagraph_sizes[-1]} tokens, {len(layers)} layers"
    return Part("CUDA graphs", total.bytes, why, total.low, total.high)


def count_graphs(resolved: Resolved) -> int:
    """Piecewise and full graphs together; full ones only for batches in which every request decodes.

    >>> from llmtune.spec.deployment import Resolved
    >>> count_graphs(Resolved(1024, 2, 1024, 0.9, cudagraph_sizes=(1, 2, 4)))
    5
    """
    sizes = resolved.cudagraph_sizes
    decode = resolved.max_num_seqs * (1 + resolved.speculative_tokens)
    full = sum(size <= decode for size in sizes)
    counts = {"none": 0, "piecewise": len(sizes), "full": len(sizes), "full_decode_only": full}
    return counts.get(resolved.cudagraph_mode, len(sizes) + full)


def charges_graphs(deployment: Deployment, engine: EngineVersion) -> bool:
    """Whether the release takes the estimate off the KV cache; an environment variable overrides from 0.18 on."""
    asked = Settings(deployment).variable(ESTIMATE_VARIABLE)
    if asked is not None and on(engine, "memory.graphs_estimated"):
        return asked
    return on(engine, "memory.graphs_charged")
