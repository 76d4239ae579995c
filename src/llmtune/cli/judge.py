"""From what commands were given to an estimate, and from an estimate to text: what several commands share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.cli.errors import UserError
from llmtune.cli.loading import load_engine, load_model
from llmtune.cli.terminal import use_color, use_unicode, width
from llmtune.spec.recommendation import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.readers import Reading
    from llmtune.reports.text import Paper
    from llmtune.spec.deployment import Deployment
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model

__all__ = ["load_engine", "load_model"]  # commands take both from here

FILE_WIDTH = 100


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """One of the words an option takes.

    Raises:
        UserError: naming the choices.

    """
    if value not in choices:
        raise UserError(f"{option} must be one of {', '.join(choices)}, not '{value}'")


def gpus_asked_for(deployment: Deployment, nodes: int) -> int | None:
    """GPUs a node that the parallel sizes need, where no number was given; None when they say nothing."""
    sizes = [deployment.value(f"{kind}-parallel-size") for kind in ("tensor", "pipeline", "data")]
    total = 1
    for size in sizes:
        total *= size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else 1
    return -(-total // max(nodes, 1)) if total > 1 else None


def estimate(
    reading: Reading, model: Model, hardware: Hardware, engine: EngineVersion, notes: Iterable[str]
) -> Estimate:
    """What a deployment that was read will do."""
    from llmtune.readers.secrets import redact_deployment  # noqa: PLC0415 - recommend has no secrets

    deployment = replace(reading.deployment, engine_version=engine.release, hardware=hardware)
    model = quantised_while_loading(model, deployment)
    resolved = resolve(deployment, model, hardware, engine)
    memory = estimate_memory(deployment, model, resolved, hardware, engine)
    warnings = tuple(str(notice) for notice in reading.warnings)
    return Estimate(
        model=model,
        engine=engine,
        hardware=hardware,
        deployment=redact_deployment(deployment),
        resolved=resolved,
        memory=memory,
        assumptions=(*notes, *model.notes, *((engine.note,) if engine.note else ())),
        warnings=warnings,
    )


def quantised_while_loading(model: Model, deployment: Deployment) -> Model:
    """The model as ``--quantization`` makes it, where its checkpoint is not quantised already."""
    method = deployment.value("quantization")
    if not isinstance(method, str) or model.quantization is not None:
        return model
    from llmtune.architectures.quantize import quantize_online  # noqa: PLC0415 - rarely asked for

    try:
        return quantize_online(model, method)
    except Refused:
        return model  # the validity check says why, in the engine's words


def render_estimate(result: Estimate, format_: str, *, color: str, to_file: bool) -> str:
    """An estimate in the format that was asked for."""
    if format_ == "json":
        from llmtune.reports import json as report  # noqa: PLC0415 - one of two

        return report.estimate(result)
    from llmtune.reports import text as page  # noqa: PLC0415

    return page.estimate(result, paper(color, to_file=to_file))


def paper(color: str, *, to_file: bool) -> Paper:
    """What a page of text is written on."""
    from llmtune.reports.text import Paper  # noqa: PLC0415

    if to_file:
        return Paper(FILE_WIDTH, color=color == "always")
    return Paper(width(), color=use_color(color), unicode=use_unicode())
