"""Every catalogue model x 12 GPUs x every scenario x five releases: does each case end well, and how fast?

    python benchmarks/sweep.py [--sample 2000] [--seed 1] [--model PART] [--release 0.33.0] [--quick] [--all]

A case ends well with a recommendation whose settings exist in the release with a value it takes, which the writers'
command and YAML give back unchanged when read, and which a fresh ``estimate`` of what was read calls fitting, with the
same memory plan, and which is predicted to be at most 2 % worse than the engine's own values (but for scenarios that
save memory); or with a refusal that names at least one way out. Everything else is a violation; each kind is printed
with its count and the first case. One, two, four or eight GPUs, by turns. The time is that of the advice alone (search
and ways out), in one process; ``--quick`` chooses by memory alone. Exits with 1 when there is a violation.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from statistics import fmean, quantiles
from typing import TYPE_CHECKING, Any
from zlib import crc32

from llmtune.calc.objective import NOT_WORSE, gain, speed_of
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.advise import advise, request
from llmtune.cli.goals import GoalOptions, find_goal
from llmtune.cli.judge import estimate, load_model
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers import ReadError, read
from llmtune.spec.hardware import Hardware
from llmtune.writers import WriteError
from llmtune.writers import command as command_writer
from llmtune.writers import vllm_yaml as yaml_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from llmtune.calc.objective import Goal
    from llmtune.readers import Reading
    from llmtune.spec.deployment import Deployment, Setting
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.model import Model
    from llmtune.spec.recommendation import Advice, Estimate

GPUS = (
    *("t4", "a10g", "l4", "rtx-4090", "rtx-5090", "l40s"),
    *("a100-sxm-40gb", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "mi300x"),
)
COUNTS = (1, 2, 4, 8)
RELEASES = ("0.8.5", "0.11.2", "0.19.1", "0.24.0", "0.33.0")


@dataclass(frozen=True, slots=True)
class Case:
    """One question."""

    model: str
    gpu: str
    scenario: str
    release: str

    @property
    def gpus(self) -> int:
        """How many GPUs: one, two, four or eight, the same for one case every time."""
        return COUNTS[crc32(f"{self.model} {self.gpu} {self.release}".encode()) % len(COUNTS)]

    def __str__(self) -> str:
        """The command that asks it."""
        return (
            f"llmtune recommend {self.model} --gpu {self.gpu} --gpus {self.gpus} --scenario {self.scenario} "
            f"--vllm-version {self.release}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended: a recommendation or not, seconds of the advice, violations as kind and detail."""

    case: Case
    feasible: bool
    seconds: float
    violations: tuple[tuple[str, str], ...] = ()


def every_case() -> list[Case]:
    """All cases, model by model."""
    return [Case(*parts) for parts in product(models.names(), GPUS, scenarios.names(), RELEASES)]


def sample(count: int, seed: int = 1, cases: Sequence[Case] | None = None) -> list[Case]:
    """The same cases for a seed, in the order of all."""
    known = every_case() if cases is None else cases
    chosen = random.Random(seed).sample(range(len(known)), min(count, len(known)))  # noqa: S311 - a sample, no secret
    return [known[number] for number in sorted(chosen)]


def run(case: Case, *, quick: bool = False) -> Outcome:
    """Ask one case and check the answer. A crash is a violation like any other."""
    started = time.perf_counter()
    try:
        model = _model(case.model)
        hardware = Hardware(gpus.find(case.gpu), case.gpus)
        engine = engines.find(case.release)
        asked = request(model, hardware, engine, scenarios.find(case.scenario), ())
        goal = None if quick else find_goal(GoalOptions(), asked.scenario, hardware.gpu)
        started = time.perf_counter()
        answer = advise(asked, goal=goal)
        seconds = time.perf_counter() - started
        saves = asked.scenario.policy.aim == "memory"
        wrong = (*check(answer), *(check_times(answer, goal, saves=saves) if goal is not None else ()))
        return Outcome(case, answer.recommendation.deployment is not None, seconds, wrong)
    except Exception as error:  # noqa: BLE001 - any crash is what this looks for
        seconds = time.perf_counter() - started
        return Outcome(case, feasible=False, seconds=seconds, violations=((_kind_of(error), str(error)),))


@lru_cache(maxsize=4)
def _model(name: str) -> Model:
    return load_model(name, offline=True)


def _kind_of(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    code = frame.tb_frame.f_code if frame is not None else None
    where = f" in {code.co_filename.rpartition('/llmtune/')[2]}::{code.co_name}" if code else ""
    return f"{type(error).__name__}{where}"


def check(answer: Advice) -> Iterator[tuple[str, str]]:
    """The violations of an answer."""
    recommendation = answer.recommendation
    deployment = recommendation.deployment
    if deployment is None:
        if not recommendation.ways_out:
            failure = answer.estimate.memory.failure
            yield "refusal without a way out", failure.engine_message if failure else "too close to call"
        return
    engine = answer.estimate.engine
    if len(recommendation.reasons) != len(deployment.settings) or not all(one.text for one in recommendation.reasons):
        yield "setting without a reason", str([setting.flag for setting in deployment.settings])
    yield from _check_options(deployment.settings, engine)
    for name, write, read_back in FORMATS:
        yield from _check_written(answer, deployment, name, write=write, read_back=read_back)


def check_times(answer: Advice, goal: Goal, *, saves: bool = False) -> Iterator[tuple[str, str]]:
    """Whether times were predicted, or why not; and the choice beside the engine's own values.

    A scenario that saves memory has fewer slots than the engine's own, and so smaller CUDA graphs.
    """
    found = answer.recommendation
    ranking = found.ranking
    if found.deployment is None:
        return
    if ranking is None:
        if not found.unranked:
            yield "no times and no reason", str(answer.estimate.model.id)
        return
    default, gpus_ = ranking.default.performance, ranking.hardware.gpus
    if default is not None and ranking.default.starts == "yes" and not saves:
        worse = gain(goal, (speed_of(default), gpus_), (speed_of(ranking.performance), gpus_))
        if worse > NOT_WORSE + 1e-9:
            yield "worse than the engine's own", f"{worse:.3f}"


def _read_command(text: str, engine: EngineVersion) -> Reading:
    return read(text, engine, kind="shell")


def _read_yaml(text: str, engine: EngineVersion) -> Reading:
    return read(text, engine, kind="vllm-config")


KINDS = {"command": "shell", "yaml": "vllm-config"}
FORMATS: tuple[tuple[str, Callable[[Deployment, EngineVersion], str], Callable[[str, EngineVersion], Reading]], ...] = (
    ("command", command_writer.write, _read_command),
    ("yaml", yaml_writer.write, _read_yaml),
)


def _check_options(settings: Iterable[Setting], engine: EngineVersion) -> Iterator[tuple[str, str]]:
    """Whether the release has every option, with the value among its choices."""
    for setting in settings:
        option = engine.options.get(setting.flag)
        if option is None:
            yield "option that the release does not have", f"--{setting.flag}"
        elif option.deprecated:
            yield "deprecated option", f"--{setting.flag}"
        elif option.choices and not isinstance(setting.value, list) and str(setting.value) not in option.choices:
            yield "value that the release does not have", f"--{setting.flag} {setting.value}"


def _check_written(
    answer: Advice,
    deployment: Deployment,
    name: str,
    *,
    write: Callable[[Deployment, EngineVersion], str],
    read_back: Callable[[str, EngineVersion], Reading],
) -> Iterator[tuple[str, str]]:
    """Whether a file reads back as what was written, and an estimate of it agrees with the recommendation."""
    shown = answer.estimate
    try:
        text = write(deployment, shown.engine)
        reading = read_back(text, shown.engine)
    except (WriteError, ReadError) as error:
        yield f"{name}: {type(error).__name__}", str(error)
        return
    for notice in reading.warnings:
        yield f"{name}: the reader warns", str(notice)
    yield from _check_lint(text, name, shown)
    if (reading.deployment.model, _values(reading.deployment)) != (deployment.model, _values(deployment)):
        yield f"{name}: reads back as something else", text.strip()
        return
    again = estimate(reading, _model(shown.model.id), shown.hardware, shown.engine, ())
    memory = again.memory
    if not memory.fits:
        yield f"{name}: estimate says that it does not fit", memory.failure.engine_message if memory.failure else ""
    elif memory != shown.memory:
        yield f"{name}: estimate differs from the recommendation", text.strip()
    elif sum(part.bytes for part in memory.parts) != memory.total:
        yield "parts do not sum to the total", text.strip()
    elif memory.part("unused").bytes < 0:
        yield "more memory planned than there is", f"{memory.part('unused').bytes} bytes: {text.strip()}"


def _check_lint(text: str, name: str, shown: Estimate) -> Iterator[tuple[str, str]]:
    """Whether lint has an error or a warning for what was written."""
    options = LintOptions(release=shown.engine, hardware=shown.hardware, kind=KINDS[name])
    checked = lint_text(text, "vllm.yaml" if name == "yaml" else "run.sh", options)
    for finding in checked.findings if checked is not None else ():
        if finding.severity != "info":
            yield f"lint: {finding.severity}[{finding.rule}]", f"{finding.message} ({finding.note}): {text.strip()}"
    if checked is None or len(checked.servers) != 1:
        yield "lint: sees no server", text.strip()


def _values(deployment: Deployment) -> dict[str, Any]:
    return {setting.flag: setting.value for setting in deployment.settings}


def summarise(outcomes: Sequence[Outcome], *, every: bool = False) -> str:
    """Counts, times and every kind of violation with its first case."""
    times = [outcome.seconds * 1000 for outcome in outcomes]
    feasible = [outcome.seconds * 1000 for outcome in outcomes if outcome.feasible]
    broken = [outcome for outcome in outcomes if outcome.violations]
    lines = [
        f"{len(outcomes)} cases: {len(feasible)} recommendations, {len(outcomes) - len(feasible)} refusals, "
        f"{len(broken)} with a violation",
        _times("all", times),
        _times("recommendations", feasible),
        _times("refusals", [outcome.seconds * 1000 for outcome in outcomes if not outcome.feasible]),
    ]
    counts = Counter(kind for outcome in broken for kind in dict(outcome.violations))
    for kind, count in counts.most_common():
        having = [(one.case, detail) for one in broken for found, detail in one.violations if found == kind]
        lines.append(f"\n{count} x {kind} ({len({case.model for case, _ in having})} models)")
        lines += [f"    {case}\n        {detail[:300]}" for case, detail in (having if every else having[:1])]
    return "\n".join(lines)


def _times(name: str, times: Sequence[float]) -> str:
    if len(times) < 2:  # noqa: PLR2004 - no percentile of one
        return f"{name:16} -"
    p95 = quantiles(times, n=20)[-1]
    return f"{name:16} mean {fmean(times):7.1f} ms, p95 {p95:7.1f} ms, longest {max(times):7.1f} ms"


def main() -> None:
    """Run the sweep, or a sample of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="as many cases, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="", help="only models whose id holds this text")
    parser.add_argument("--release", choices=RELEASES)
    parser.add_argument("--quick", action="store_true", help="choose by memory alone")
    parser.add_argument("--all", action="store_true", help="print every case of a violation")
    chosen = parser.parse_args()
    cases = [
        case
        for case in every_case()
        if chosen.model.casefold() in case.model.casefold() and chosen.release in {None, case.release}
    ]
    if chosen.sample is not None:
        cases = sample(chosen.sample, chosen.seed, cases)
    outcomes = [run(case, quick=chosen.quick) for case in cases]
    print(summarise(outcomes, every=chosen.all))
    sys.exit(1 if any(outcome.violations for outcome in outcomes) else 0)


if __name__ == "__main__":
    main()
