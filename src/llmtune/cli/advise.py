"""From the options of ``recommend`` to a request, and from a recommendation to text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.calc.candidates import Request
from llmtune.calc.search import recommend_first
from llmtune.calc.shares import Site
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.errors import UserError
from llmtune.cli.judge import (
    NEVER_BELOW_ONE,
    assumptions_of,
    check_sizes,
    corrections_of,
    load_model,
    paper,
    quantised_while_loading,
)
from llmtune.cli.sharing_notes import about_sharing
from llmtune.readers.secrets import redact_deployment
from llmtune.spec.deployment import Deployment
from llmtune.spec.recommendation import Advice, Estimate
from llmtune.spec.record import dataclass
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from llmtune.calc.objective import Goal
    from llmtune.spec.calibration import Record
    from llmtune.spec.deployment import Setting
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model
    from llmtune.spec.recommendation import Recommendation, WayOut
    from llmtune.spec.scenario import Scenario

FORMATS = ("text", "json", "yaml", "command")
MOST_TOKENS = 100_000_000
MOST_REQUESTS = 1_000_000
SIZES = NEVER_BELOW_ONE | {
    *("max-model-len", "max-num-seqs", "max-num-batched-tokens", "kv-cache-memory-bytes", "num-gpu-blocks-override"),
    *("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"),
}  # fmt: skip
NOT_PINNED = {
    "model": "name the model as the first argument",
    "config": "it holds settings; pin each with its own --set, or give the file to llmtune estimate",
}
BIGGER_GPUS = ("l4", "a10g", "l40s", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "b300-sxm")


@dataclass(frozen=True, slots=True)
class Workload:
    """What the command line says about the requests; None leaves the scenario's figure."""

    concurrency: int | None
    prompt: str | None
    output: str | None
    headroom: float | None


def load_scenario(name: str, workload: Workload) -> Scenario:
    """A preset or a user's file, with what the command line overrides.

    Raises:
        UserError: when a number makes no sense.

    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        from llmtune.readers.scenario import read_scenario  # noqa: PLC0415 - validation takes pydantic

        scenario = read_scenario(Path(name))
    else:
        scenario = scenarios.find(name)
    work, policy = scenario.workload, scenario.policy
    if workload.concurrency is not None:
        if not 1 <= workload.concurrency <= MOST_REQUESTS:
            raise UserError(f"--concurrency must lie in 1..{MOST_REQUESTS}, not {workload.concurrency}")
        work = replace(work, concurrency=workload.concurrency)
    if workload.prompt is not None:
        work = replace(work, prompt=_tokens("--prompt-tokens", workload.prompt))
    if workload.output is not None:
        work = replace(work, output=_tokens("--output-tokens", workload.output))
    if workload.headroom is not None:
        if not 0 <= workload.headroom < 1:
            raise UserError(f"--headroom is a share from 0 to below 1, not {workload.headroom:g}")
        policy = replace(policy, headroom=workload.headroom)
    return replace(scenario, workload=work, policy=policy)


def _tokens(option: str, text: str) -> Tokens:
    """``1000`` or ``1000:4000``."""
    parts = text.split(":")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or not all(1 <= number <= MOST_TOKENS for number in numbers):  # noqa: PLR2004
        raise UserError(f"{option} takes a number of tokens, or two as P50:P95, not '{text}'")
    if numbers[-1] < numbers[0]:
        raise UserError(f"{option}: the 95th percentile cannot be below the median, as in '{text}'")
    return Tokens(numbers[0], numbers[-1])


def read_pins(wishes: Mapping[str, object], pins: Iterable[str], engine: EngineVersion) -> tuple[Setting, ...]:
    """Settings the user insists on, checked against the release's options.

    Raises:
        ReadError: for a flag or a value the release does not have.

    """
    if not wishes and not pins:
        return ()
    from llmtune.readers.arguments import parse  # noqa: PLC0415 - only with settings to read
    from llmtune.spec.word import Word  # noqa: PLC0415

    tokens = [Word(f"--{flag}={value}") for flag, value in wishes.items()]
    for pin in pins:
        flag, equals, value = pin.partition("=")
        name = flag.strip().lstrip("-")
        if not name:
            raise UserError(f"--set takes FLAG=VALUE, for example --set max-num-seqs=64, not '{pin}'")
        switch = not equals or value.strip().lower() == "true"
        if switch:
            tokens.append(Word(f"--{name}"))
        elif value.strip().lower() == "false":
            tokens.append(Word(f"--no-{name}"))
        else:
            tokens += [Word(f"--{name}"), Word(value)]
    settings = parse(tokens, engine, positionals=0).settings
    automatic = [setting for setting in settings if setting.value == -1 and engine.options[setting.flag].auto]
    check_sizes([setting for setting in settings if setting not in automatic], SIZES)
    for setting in settings:
        if setting.flag in NOT_PINNED:
            raise UserError(f"--set {setting.flag} is not possible; {NOT_PINNED[setting.flag]}")
    return settings


def request(
    model: Model,
    hardware: Hardware,
    engine: EngineVersion,
    scenario: Scenario,
    pinned: tuple[Setting, ...],
    *,
    records: tuple[Record, ...] = (),
) -> Request:
    """The request, with the model as the pinned settings make it."""
    model = quantised_while_loading(model, Deployment(model.id, pinned))
    return Request(model, hardware, engine, scenario, pinned, records)


def check_lengths(asked: Request) -> None:
    """Refuse a workload given by number that the model cannot serve.

    A preset that is too long for a model is answered with what the model has, and a warning.

    Raises:
        UserError: naming both lengths.

    """
    typical, longest = asked.scenario.workload.typical, asked.model.max_context
    if typical > longest:
        raise UserError(
            f"{asked.model.id} ends at {longest} tokens, and a typical request would have {typical}: "
            "lower --prompt-tokens or --output-tokens, or name a model with a longer context"
        )


def advise(
    asked: Request, notes: Iterable[str] = (), *, goal: Goal | None = None, others: Iterable[Request] = ()
) -> Advice:
    """The recommendation with everything a report needs; where nothing fits, with the ways out.

    With a goal it is chosen by predicted times, among the ``others`` too; without one by memory alone.
    """
    wanted = asked.model
    if goal is None:
        asked, answer = recommend_first((asked, *others))
    else:
        from llmtune.calc.tune import tune  # noqa: PLC0415 - not with --quick

        asked, answer = tune((asked, *others), goal)
    if asked.model is not wanted:
        notes = (*notes, f"{asked.model.id} stands in for {wanted.id}: quantised weights change answers a little")
    if answer.deployment is None:
        answer = replace(answer, ways_out=ways_out(asked))
    if answer.resolved is None or answer.memory is None:
        raise UserError("no layout of this model over these GPUs exists; change --gpus")
    engine, deployment = asked.engine, answer.deployment or Deployment(asked.model.id, asked.pinned)
    site = Site(deployment, asked.model, answer.resolved, asked.hardware, engine)
    measured = corrections_of(asked.records, site)
    estimate = Estimate(
        model=asked.model,
        engine=engine,
        hardware=asked.hardware,
        deployment=deployment,
        resolved=answer.resolved,
        memory=answer.memory,
        assumptions=(
            *assumptions_of(asked.model, asked.hardware, engine, notes),
            *about_sharing(site, answer.memory),
            *((measured.said,) if measured is not None else ()),
            *_about_times(answer),
        ),
        warnings=answer.warnings,
    )
    return Advice(estimate, asked.scenario, answer)


def _about_times(answer: Recommendation) -> tuple[str, ...]:
    if answer.ranking is not None:
        return answer.ranking.performance.assumptions
    return (f"times are not predicted: {answer.unranked}",) if answer.unranked else ()


def ways_out(asked: Request) -> tuple[WayOut, ...]:
    """Ways out among the catalogue's GPUs and the model's quantised siblings."""
    from llmtune.calc.ways_out import find_ways_out  # noqa: PLC0415 - only when nothing fits

    siblings = []
    if asked.model.quantization is None and asked.model.id in models.names():
        siblings = [load_model(name, offline=True) for name in models.siblings(asked.model.id)]
    others: Iterator[EngineVersion] = (
        engines.find(name) for name in reversed(engines.names()) if name != asked.engine.release
    )
    online = None
    methods = asked.engine.options.get("quantization")
    if asked.model.quantization is None and methods is not None and asked.pin("quantization") is None:
        from llmtune.architectures.quantize import quantize_online  # noqa: PLC0415 - rarely needed

        online = quantize_online(asked.model, "fp8")
    larger = [gpus.find(name) for name in BIGGER_GPUS]
    release = asked.engine.refused.get(asked.model.architecture)
    if release:
        others = iter([engines.find(release)])
    return find_ways_out(asked, gpus=larger, siblings=siblings, online=online, others=others)


def render(answer: Advice, format_: str, *, pretty: bool, color: str, to_file: bool) -> str:
    """A recommendation in the format that was asked for."""
    if format_ in {"json", "text"}:
        answer = _without_secrets(answer)  # only a document to start the server with may hold them
    deployment, engine = answer.recommendation.deployment, answer.estimate.engine
    if format_ == "json":
        from llmtune.reports import json as report  # noqa: PLC0415 - one of several

        return report.advice(answer)
    if format_ == "text":
        from llmtune.reports import text as page  # noqa: PLC0415

        line = None if deployment is None else _command(deployment, engine, pretty=True)
        return page.advice(answer, line, paper(color, to_file=to_file))
    if deployment is None:
        raise UserError("nothing fits, so there is nothing to write")
    if format_ == "yaml":
        from llmtune.writers import vllm_yaml  # noqa: PLC0415

        return vllm_yaml.write(deployment, engine)
    return _command(deployment, engine, pretty=pretty)


def _without_secrets(answer: Advice) -> Advice:
    estimate, found = answer.estimate, answer.recommendation
    return replace(
        answer,
        estimate=replace(estimate, deployment=redact_deployment(estimate.deployment)),
        recommendation=replace(found, deployment=found.deployment and redact_deployment(found.deployment)),
    )


def _command(deployment: Deployment, engine: EngineVersion, *, pretty: bool) -> str:
    from llmtune.writers import command  # noqa: PLC0415

    return command.write(deployment, engine, pretty=pretty)


def spoken(answer: Advice) -> tuple[str, ...]:
    """What is said on stderr beside a document: assumptions, warnings, and why there is no document."""
    shown = answer.estimate
    lines = [*shown.assumptions, *shown.warnings]
    if answer.recommendation.deployment is None:
        failure = shown.memory.failure
        lines.append(f"nothing starts: {failure.engine_message if failure else 'too close to call'}")
        lines += [f"{way.arguments}: {way.change}: {way.result}" for way in answer.recommendation.ways_out]
    return tuple(lines)
