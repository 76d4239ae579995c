"""How many GPUs a server takes on one node, and which ones its file gives it.

Where a variable hides a size, or other nodes take part, nothing is said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.calc.case import Case
    from llmtune.spec.server import Variable
    from llmtune.spec.span import Span

RAY = re.compile(r"(?<![a-z])ray(?![a-z])")
VISIBLE = "CUDA_VISIBLE_DEVICES"
SIZES = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "prefill-context-parallel-size")
# One of these flags says, or may say, that processes of other nodes or of other commands belong to the server.
ELSEWHERE = (
    *("nnodes", "node-rank", "master-addr", "headless", "data-parallel-address", "data-parallel-start-rank"),
    *("data-parallel-external-lb", "data-parallel-hybrid-lb", "data-parallel-backend", "data-parallel-rank"),
    "data-parallel-multi-port-external-lb",
)


@dataclass(frozen=True, slots=True)
class Given:
    """GPUs that the file gives to a server on one node, and where it says so."""

    count: int
    span: Span


def ranks(case: Case) -> int | None:
    """GPUs that the server takes on its node: TP x PP x replicas; None where that cannot be told from the file."""
    flags = (*SIZES, "data-parallel-size-local", "distributed-executor-backend")
    if not case.in_sight(*flags, *ELSEWHERE) or spreads(case):
        return None
    taken = 1
    for flag in SIZES:
        local = case.number("data-parallel-size-local") if flag == "data-parallel-size" else None
        size = case.number(flag) if local is None else local
        if size is not None and (not isinstance(size, int) or size < 1):
            return None
        taken *= int(size or 1)
    return taken


def spreads(case: Case) -> bool:
    """Whether the server may stand on several nodes: it says so, runs on Ray, or Ray is started beside it."""
    if case.settings.text("distributed-executor-backend") not in {None, "mp", "uni"}:
        return True
    nodes = case.value_of(case.around.nodes)
    if case.around.platform == "ray" or (case.around.nodes is not None and nodes != 1):
        return True
    return any(case.deployment.has(flag) for flag in ELSEWHERE) or starts_ray(case)


def starts_ray(case: Case) -> bool:
    """Whether the same script starts Ray, which older releases then use by themselves."""
    return any(RAY.search(word.text) for line in case.server.prologue for word in line)


def runs_on_cpu(case: Case) -> bool:
    """Whether the server surely uses no GPU: its image is one for CPUs, or a flag of earlier releases says so."""
    told = any(word.text in {"cpu", "--device=cpu"} for word in case.server.words)
    return told or bool(getattr(case.facts.image, "cpu", False))


def given(case: Case) -> Given | None:
    """The GPUs of the server's container or shell; None where the file does not say, or says all."""
    around = case.around
    counts = []
    if around.gpu_ids is not None:
        ids = case.value_of(around.gpu_ids)
        if ids is None:
            return None
        counts.append(Given(len(ids), around.gpu_ids.span))
    elif around.gpus is not None:
        number = case.value_of(around.gpus)
        if number is None:
            return None
        counts.append(Given(number, around.gpus.span))
    variable = case.variable(VISIBLE)
    if variable is not None:
        visible = visible_ids(variable)
        if visible is None:
            return None
        counts.append(Given(len(visible), variable.word.span or case.server.span))
    return min(counts, key=lambda each: each.count) if counts else None


def visible_ids(variable: Variable) -> tuple[str, ...] | None:
    """The devices that a variable names; None where they are hidden or it names all."""
    text = variable.value.strip()
    if variable.secret or is_unknown(text) or text.lower() in {"all", "none", "void"}:
        return None
    return tuple(item.strip() for item in text.strip("\"'").split(",") if item.strip())
