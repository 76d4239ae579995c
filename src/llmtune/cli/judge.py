"""From what commands were given to an estimate, and from an estimate to text: what several commands share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site
from llmtune.cli.errors import UserError
from llmtune.cli.loading import load_engine, load_model
from llmtune.cli.sharing_notes import about_sharing
from llmtune.cli.terminal import use_color, use_unicode, width
from llmtune.spec.recommendation import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmtune.readers import Reading
    from llmtune.reports.text import Paper
    from llmtune.spec.calibration import Corrections, Record
    from llmtune.spec.deployment import Deployment, Setting
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model

__all__ = ["load_engine", "load_model"]  # commands take both from here

FILE_WIDTH = 100
MOST_GPUS = 1 << 20  # 1024 nodes of 1024
LARGEST_NUMBER = 2.0**64  # seeds reach it, nothing else does
# Sizes that are divided by, and that the engine's own checks leave through or refuse late.
NEVER_BELOW_ONE = frozenset({"block-size", "decode-context-parallel-size", "prefill-context-parallel-size"})


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
    if total > MOST_GPUS:
        raise UserError(f"the parallel sizes multiply to {_short(total)} GPUs, more than {MOST_GPUS}; correct them")
    return -(-total // max(nodes, 1)) if total > 1 else None


def check_sizes(settings: Iterable[Setting], positive: Iterable[str] = NEVER_BELOW_ONE) -> None:
    """Refuse numbers that no calculation can go on with; what the engine itself refuses is an answer, not a mistake.

    Raises:
        UserError: naming the setting.

    """
    for setting in settings:
        for number in _numbers(setting.value):
            if not abs(number) <= LARGEST_NUMBER:  # not a number compares false
                raise UserError(f"--{setting.flag} {_short(number)} is no number that an engine can start with")
            if setting.flag in positive and number < 1:
                raise UserError(f"--{setting.flag} must be at least 1, not {_short(number)}")


def _numbers(value: object) -> Iterator[float]:
    """Every number in a value; JSON values are short, so recursion is too."""
    match value:
        case bool():
            return
        case int() | float():
            yield value
        case list():
            yield from (number for item in value for number in _numbers(item))
        case dict():
            yield from (number for item in value.values() for number in _numbers(item))


def _short(number: float) -> str:
    return f"{number:d}" if isinstance(number, int) and abs(number) < LARGEST_NUMBER else f"{float(number):g}"


def estimate(
    reading: Reading,
    model: Model,
    hardware: Hardware,
    engine: EngineVersion,
    notes: Iterable[str],
    *,
    records: Sequence[Record] = (),
) -> Estimate:
    """What a deployment that was read will do; ``records`` are measured start-ups that may correct it."""
    from llmtune.readers.secrets import redact_deployment  # noqa: PLC0415 - recommend has no secrets

    check_sizes(reading.deployment.settings)
    deployment = replace(reading.deployment, engine_version=engine.release, hardware=hardware)
    model = quantised_while_loading(model, deployment)
    resolved = resolve(deployment, model, hardware, engine)
    site = Site(deployment, model, resolved, hardware, engine)
    corrections = corrections_of(records, site)
    memory = estimate_memory(deployment, model, resolved, hardware, engine, corrections=corrections)
    warnings = (*(str(notice) for notice in reading.warnings), *memory.risks)
    shared = about_sharing(site, memory)
    measured = (corrections.said,) if corrections is not None else ()
    return Estimate(
        model=model,
        engine=engine,
        hardware=hardware,
        deployment=redact_deployment(deployment),
        resolved=resolved,
        memory=memory,
        assumptions=(*assumptions_of(model, hardware, engine, notes), *shared, *measured),
        warnings=warnings,
    )


def corrections_of(records: Sequence[Record], site: Site) -> Corrections | None:
    """What measured start-ups say of a deployment."""
    if not records:
        return None
    from llmtune.calc.calibration import find_corrections  # noqa: PLC0415 - only for those who have records

    return find_corrections(records, site)


def assumptions_of(model: Model, hardware: Hardware, engine: EngineVersion, notes: Iterable[str]) -> tuple[str, ...]:
    """What an answer rests on beside what was asked: said wherever it is shown."""
    amd = "activations, graphs and non-torch memory are those of CUDA; on ROCm they have not been measured"
    return (
        *notes,
        *model.notes,
        *((engine.note,) if engine.note else ()),
        *((amd,) if hardware.gpu.vendor == "amd" else ()),
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
    except ValueError as error:
        raise UserError(f"--quantization: {error}") from error


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
