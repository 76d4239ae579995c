"""How long a server takes until it answers ``/health``: a fast and a slow bound, from the bytes of its weights.

Both are assumptions about machines nobody described: local NVMe at 2 GiB/s, a network disk at 400 MiB/s, the Hub
over 1 Gbit/s. The slow bound is held against Llama-4-Scout (202 GiB, four H100: "about 10 minutes", llm-d-benchmark
issue 83) and the 10 minutes that KServe grants since its pull request 5063.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import from_hub
from llmtune.calc.errors import Refused
from llmtune.calc.weights import Split, weigh_whole

if TYPE_CHECKING:
    from llmtune.calc.case import Case
    from llmtune.spec.model import Model

QUICK_START, SLOW_START = 30, 60  # seconds besides the weights: imports, CUDA, profiling, compilation, graphs
LOCAL_DISK = 2 * 2**30  # bytes per second
NETWORK_DISK = 400 * 2**20
DOWNLOAD = 119 * 10**6
ENOUGH = 600.0  # seconds: KServe's startup probe of 60 x 10 s
WHOLE = Split(tensor=1, experts=1, moe_tensor=1, capability=None)


def weight_bytes(model: Model) -> int | None:
    """Bytes of all weights together; None where they cannot be counted without more facts.

    Example:
        Qwen3-8B: 16,381,470,720 B.

    """
    try:
        return weigh_whole(model, WHOLE)
    except (Refused, ValueError, ArithmeticError):
        return None


def start_seconds(case: Case) -> tuple[float, float] | None:
    """The fast and the slow bound; None where the model is not known.

    Example:
        Qwen3-8B, 15.3 GiB: 30 + 7.6 = 38 s from a local disk; 60 + 39 = 99 s from a network disk, and 138 s more when
        it is downloaded first.

    """
    size = None if case.model is None else weight_bytes(case.model)
    if size is None:
        return None
    download = size / DOWNLOAD if from_hub(case) else 0.0
    return QUICK_START + size / LOCAL_DISK, SLOW_START + size / NETWORK_DISK + download
