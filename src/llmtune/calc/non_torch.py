"""Memory outside the allocator: the process's CUDA context, communication buffers, kernels' own work space.

Part of it is there before the engine takes its baseline and is not charged to the budget; the rest is. Which is which
changed with the releases (``memory.baseline``).
Source: vLLM 0.33.0 v1/worker/gpu_worker.py::init_device, utils/mem_utils.py::memory_profiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.constant import NOTHING, Constant, Range, times
from llmtune.calc.switches import on, word
from llmtune.spec.memory import Part
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu

GIB = 2**30

CONTEXT = Constant(
    0.51 * GIB, 0.22 * GIB, 0.7 * GIB, "B",
    "what is not free when the engine starts: 0.51 GiB of an H100 under 0.19.0 (42 logs) and of an RTX 3090, 0.56 of "
    "an RTX PRO 6000 under 0.29, 0.23 of a card with 16 GB",
    (("llm-d-planner", 0.51 * GIB), ("file69231470721", 0.51 * GIB), ("file70918295951", 0.56 * GIB)),
)  # fmt: skip
COMMUNICATION = Constant(
    1.02 * GIB, 0.3 * GIB, 1.8 * GIB, "B",
    "H100 under 0.19.0 with 2 or 4 ranks: 77.64 to 77.76 of 79.19 GiB free when the engine starts, CONTEXT taken off",
    (("llm-d-planner", 1.02 * GIB),), (1.0 * GIB, 0.1 * GIB, 1.8 * GIB),
)  # fmt: skip
PCIE_COMMUNICATION = Constant(
    0.15 * GIB, 0.0, 0.5 * GIB, "B",
    "ranks without NVLink: 0.43 GiB on 4 RTX PRO 6000 under about 0.27; with KERNELS taken off 0.08 on 4 ranks under "
    "0.8.5, 0.22 to 0.31 on 4 A100 PCIe under 0.8.3, 0.08 on 16 RTX 3090 under V0; about nothing on 2 L4 under 0.9.0",
    (("f-dsr1", 0.08 * GIB), ("i16570", 0.28 * GIB), ("f-qwen25vl", 0.05 * GIB), ("i14447", 0.08 * GIB)),
    (0.2 * GIB, 0.0, 0.6 * GIB),
)  # fmt: skip
KERNELS = Constant(
    0.12 * GIB, 0.03 * GIB, 0.20 * GIB, "B",
    "non-torch memory of start-ups without communication: 0.13 GiB on an H100 under 0.15 to 0.17, 0.16 under 0.6.6, "
    "0.09 on a V100 under 0.8.5, 0.03 on a 4060 under 0.7.3",
    (("llm-d-planner", 0.13 * GIB), ("pr12126", 0.16 * GIB), ("f-qwen25-7b-v100", 0.09 * GIB), ("i13882", 0.03 * GIB)),
)  # fmt: skip
CAPTURING = Constant(
    0.25 * GIB, 0.12 * GIB, 0.50 * GIB, "B",
    "the same where graphs are captured for an estimate before memory is measured: 40 start-ups on one H100 under 0.18 "
    "and 0.19, 0.24 to 0.27 GiB; from 0.27 on fragmentation of the allocator counts here",
    (("llm-d-planner", 0.25 * GIB),), (0.12 * GIB, 0.03 * GIB, 0.50 * GIB),
)  # fmt: skip
STAGE_KERNELS = Constant(
    0.07 * GIB,
    0.05 * GIB,
    0.50 * GIB,
    "B",
    "non-torch memory of 2 start-ups with 2 and 4 pipeline stages under 0.19.0",
    (("llm-d-planner", 0.07 * GIB),),
    (0.12 * GIB, 0.03 * GIB, 0.50 * GIB),
)
FUSED_ALLREDUCE = Constant(
    1.85 * GIB, 1.5 * GIB, 2.0 * GIB, "B",
    "non-torch memory of 8 start-ups on 2 and 4 H100 under 0.19.0: 2.06 to 2.21 GiB, CAPTURING taken off",
    (("llm-d-planner", 1.85 * GIB),), (1.0 * GIB, 0.0, 2.2 * GIB),
)  # fmt: skip
LAZY_CHANNELS = Constant(
    0.15 * GIB,
    0.0,
    0.6 * GIB,
    "B",
    "channels that NCCL opens with the first collectives, after the baseline; not measured",
)
SWITCHED = 200e9  # bytes per second and GPU: links of data-centre boards, not the bridge of two consumer cards
FUSING_GPUS = frozenset({9, 10})  # compute capability: Hopper and data-centre Blackwell


@dataclass(frozen=True, slots=True)
class NonTorch:
    """``charged`` is taken off the KV cache; ``outside`` comes on top of the budget."""

    charged: Part
    outside: Part


def non_torch(resolved: Resolved, *, gpu: Gpu, engine: EngineVersion) -> NonTorch:
    """Non-torch memory of one rank.

    Example:
        Two H100 with tensor parallelism under 0.33.0: 0.25 + 1.85 GiB charged, 0.51 + 1.02 GiB beside the budget.

    """
    staged = resolved.pipeline_parallel > 1 and resolved.tensor_parallel == 1
    capturing = on(engine, "memory.graphs_estimated") and resolved.runner != "v0" and resolved.cudagraph_mode != "none"
    kernels = STAGE_KERNELS if staged else CAPTURING if capturing else KERNELS
    charged, outside = times(kernels, 1), NOTHING
    why = ["kernels"]
    ranks = resolved.tensor_parallel * resolved.pipeline_parallel > 1
    context = times(CONTEXT, 1)
    link = COMMUNICATION if (gpu.nvlink_bandwidth or 0) >= SWITCHED else PCIE_COMMUNICATION
    buffers = times(link, 1) if ranks else NOTHING
    if fuses_allreduce(resolved, gpu=gpu, engine=engine):
        charged += times(FUSED_ALLREDUCE, 1)
        why.append("fused all-reduce")
    match baseline(resolved, engine):
        case "device":
            charged += context + buffers
            why += ["CUDA context", "NCCL"] if ranks else ["CUDA context"]
        case "before_distributed":
            charged += buffers
            outside = context
            why += ["NCCL"] if ranks else []
        case _:
            charged += times(LAZY_CHANNELS, 1) if resolved.tensor_parallel > 1 and len(why) == 1 else NOTHING
            outside = context + buffers
    return NonTorch(_part(charged, ", ".join(why)), _part(outside, "CUDA context and communication"))


def baseline(resolved: Resolved, engine: EngineVersion) -> str:
    """From when on memory counts as the engine's: before or after distributed initialisation, or all of the device."""
    return word(engine, "memory.v0_baseline" if resolved.runner == "v0" else "memory.baseline")


def fuses_allreduce(resolved: Resolved, *, gpu: Gpu, engine: EngineVersion) -> bool:
    """Whether all-reduce is fused with the norm after it, which needs a large shared work space.

    Source: config/vllm.py::enable_allreduce_rms_fusion.
    """
    capability = gpu.compute_capability
    return (
        on(engine, "memory.allreduce_fusion")
        and resolved.tensor_parallel > 1
        and resolved.data_parallel == 1
        and resolved.pipeline_parallel == 1
        and not resolved.enforce_eager
        and capability is not None
        and capability[0] in FUSING_GPUS
        and resolved.cudagraph_mode != "none"
    )


def _part(total: Range, why: str) -> Part:
    return Part("non-torch", total.bytes, why, total.low, total.high)
