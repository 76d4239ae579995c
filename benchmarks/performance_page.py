"""The section about speed of ``docs/concepts/accuracy.md``, from ``data/performance_results.json``; no numpy needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.performance_results import (
    FOLDS,
    HELD_OUT,
    OFFLINE,
    OFFLINE_AMD,
    ONLINE,
    QUANTITIES,
    Label,
    Result,
    counts,
    coverage,
    find_errors,
    group_by,
    load,
    summarise,
)
from benchmarks.performance_tables import ALL, FEWEST, NAMES, is_inferencex

from benchmarks import performance_tables
from llmtune.calc.objective import SPREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

REGRET = Path(__file__).parent / "data" / "regret.txt"
PAGE = Path(__file__).parents[1] / "docs" / "concepts" / "accuracy.md"
CAUSES = Path(__file__).parent / "data" / "performance_causes.json"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
LEAST, MOST = 0.85, 0.97  # what an interval for 90 % may cover
WORST = 10  # groups that are shown
INTRODUCTION = """\
## Speed

How far predicted times are from measured ones. This section is made by `python -m benchmarks.performance --write`;
its figures are in `benchmarks/data/performance_results.json`, the measurements in `benchmarks/data/performance`.

No figure here is in sample unless it says so. Each row is predicted by coefficients that were fitted without its GPU,
without its model (nor any other of the same layers: quantised siblings, finetunes), without its source, without its
deployment (a server as configured, with all its loads; a fifth of the deployments of each GPU in turn), or without its
layout (a model on a GPU with one split, whatever release and settings). Rows are never split at random: runs of one
deployment say nearly the same. Coefficients are fitted to the sources
{fitted}; the others are only predicted.

MAPE is the mean of |predicted / measured - 1|, half is the median, both in percent. TTFT, TPOT and E2E are means over
requests (E2E: TTFT and TPOT times the further tokens). Throughput is scored where the server decides it, not where it
keeps up with the arrivals. Sources that give medians, that do not say how long prompts are, how much of them was cached
or what GPU it was, and V0's multi-step scheduling appear in the table by source only.

Some choices were made with the folds in view, so the folds are not blind to them: how strongly chips move together
(`ALIKE`) and what does not (`APART`, both in `benchmarks/performance_priors.py`); the form in which experts are visited
(`expert_evenness`); and the priors of Triton's attention, of `processor_bandwidth/paged`, of MXFP4 weights that are not
laid out (`mxfp4-strided`), of Marlin's experts on Hopper and Ampere, of `expert_imbalance` and of `fused_norm_gain`:
each rests on a table or a count that its evidence names, but was chosen knowing what rows fit to. What else a step
depends on was read in vLLM's sources and in the scripts of the benchmarks, often where rows erred. Models without a row
in the fit (`argonne-unseen`) have the machines of `argonne`, and most of them the layers of models that were fitted;
these are left out where the model is.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be: limits of the mean, median and 90th percentile of the relative error, in percent."""

    title: str
    quantity: str
    methods: tuple[str, ...]
    holds: Callable[[Label], bool]
    mean: float = 0.0
    half: float = 0.0
    most: float = 0.0


GOALS = (
    Goal("TPOT, InferenceX", "tpot", ("gpu", "model"), is_inferencex, mean=12, half=8),
    Goal("TPOT, InferenceX", "tpot", ("own",), is_inferencex, mean=8, half=5),
    Goal("Decoding by batch, offline, dense, NVIDIA", "throughput", ALL,
         lambda label: label.part == OFFLINE and label.known and label.source == "argonne", half=5, most=12),
    Goal("The same, models without a row in the fit", "throughput", ALL,
         lambda label: label.part == OFFLINE and label.known and label.source == "argonne-unseen" and not label.moe,
         half=5, most=12),
    Goal("Saturated throughput, online", "throughput", ALL, lambda label: label.part == ONLINE, mean=12),
    Goal("TTFT, load known", "ttft", ALL, lambda label: label.part == ONLINE, mean=18),
    Goal("TTFT, InferenceX", "ttft", ALL, is_inferencex, mean=18),
)  # fmt: skip
OTHERS = (
    Goal("TPOT, InferenceX", "tpot", ("source", "layout", "architecture"), is_inferencex),
    Goal(
        "TTFT, clients in a loop or all at once",
        "ttft",
        ALL,
        lambda label: label.part == ONLINE and label.band != "rate",
    ),
    Goal("TTFT, requests in time (Poisson)", "ttft", ALL, lambda label: label.band == "rate"),
    Goal("E2E, load known", "e2e", ALL, lambda label: label.part == ONLINE),
    Goal("Offline, AMD", "throughput", ALL, lambda label: label.part == OFFLINE_AMD and label.source == "argonne"),
    Goal("Offline, MI300X", "throughput", ALL, lambda label: label.gpu == "mi300x" and label.source == "argonne"),
)


def section() -> str:
    """The section, from the written figures."""
    return render(*load())


def write(page: Path = PAGE) -> None:
    """Put the section between its markers, or at the end of the page."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    page.write_text(head.rstrip("\n") + "\n\n" + section() + rest.partition(END)[2].lstrip("\n"), encoding="utf-8")


def render(results: Sequence[Result], hygiene: Sequence[str]) -> str:
    """The section."""
    sources = sorted({result.label.source for result in results if result.label.fitted})
    lines = (
        BEGIN,
        INTRODUCTION.format(fitted=", ".join(sources)),
        *_goals(results),
        *performance_tables.baselines(results),
        *performance_tables.tables(results),
        *_intervals(results),
        *_worst(results),
        *_regret(),
        *_excluded(hygiene),
        END,
    )
    return "\n".join(lines) + "\n"


def _goals(results: Sequence[Result]) -> Iterator[str]:
    yield "### Goals\n"
    yield "| figure | predicted with | n | goal | found | met |\n|---|---|--:|---|---|---|"
    for goal in GOALS:
        yield from _goal_lines(results, goal)
    errors = find_errors(results)
    for quantity in QUANTITIES:
        scored = [result for result in results if result.quantity == quantity and counts(result)]
        inside, total = coverage(scored, HELD_OUT, errors)
        met = "yes" if LEAST <= inside / total <= MOST else "**no**"
        wanted = f"{LEAST * 100:.0f} to {MOST * 100:.0f} %"
        title = f"{NAMES[quantity]} inside its interval"
        share = _percent(inside / total)
        yield f"| {title} | GPU, model or source left out | {total} | {wanted} | {share} | {met} |"
    for goal in OTHERS:
        yield from _goal_lines(results, goal)
    yield ""


def _regret() -> Iterator[str]:
    """What ``benchmarks/regret.py --write`` kept."""
    if not REGRET.exists():
        return
    yield "### Regret\n"
    yield "What is lost by choosing by prediction, against the best that was measured. This is what"
    yield "`python -m benchmarks.regret --replay --folds gpu,model --worst 3 --write` printed. A cell is the mean loss"
    yield "of throughput where the limit of TPOT is met, and how many of the choices miss it by more than 5 %."
    yield f"`recommend` takes a spread of {_percent(SPREAD['tpot'])}. The goals are a loss of 3 % and 5 % missed.\n"
    yield f"```text\n{REGRET.read_text(encoding='utf-8').rstrip()}\n```\n"


def _goal_lines(results: Sequence[Result], goal: Goal) -> Iterator[str]:
    chosen = [r for r in results if r.quantity == goal.quantity and goal.holds(r.label) and counts(r)]
    for method in goal.methods:
        found = summarise(chosen, method)
        if found is None:
            continue
        figures = (
            ("MAPE", goal.mean, found.mean),
            ("half", goal.half, found.half),
            ("nine in ten", goal.most, found.most),
        )
        limits = [(name, limit, value * 100) for name, limit, value in figures if limit]
        wanted = ", ".join(f"{name} {limit:g} %" for name, limit, _ in limits)
        said = ", ".join(f"{name} {value * 100:.1f} %" for name, limit, value in figures if limit or not limits)
        met = "" if not limits else "yes" if all(value <= limit for _, limit, value in limits) else "**no**"
        yield f"| {goal.title} | {FOLDS[method]} | {found.count} | {wanted} | {said} | {met} |"


def _intervals(results: Sequence[Result]) -> Iterator[str]:
    """What the intervals are, and what they cover."""
    errors = find_errors(results)
    yield "### Do the intervals of times hold?\n"
    yield (
        "A mean comes with the interval mean / (1 + e) to mean x (1 + e), with e by engine generation. e is what nine "
        "in ten held-out measurements stay below, with groups of one source, model and GPU counted as the root of "
        "their number. *Architecture not seen* is for GPUs of an architecture that nothing was measured on. ITL has "
        "the error of TPOT.\n"
    )
    generations = sorted({result.label.generation for result in results})
    yield f"| mean of | {' | '.join(f'e, {name}' for name in (*generations, 'any'))} | e, architecture not seen |"
    yield "|---|" + "--:|" * (len(generations) + 2)
    for quantity in QUANTITIES:
        name = f"relative_error/{quantity}"
        cells = [_number(errors.get(f"{name}/{key}")) for key in generations]
        yield f"| {NAMES[quantity]} | {' | '.join(cells)} | {errors[name]:.2f} | {errors[f'{name}/unseen']:.2f} |"
    yield f"\n| inside | {' | '.join(FOLDS[method] for method in FOLDS)} |\n|---|" + "--:|" * len(FOLDS)
    for quantity in QUANTITIES:
        scored = [result for result in results if result.quantity == quantity and counts(result)]
        wide = dict.fromkeys((f"relative_error/{quantity}",), errors[f"relative_error/{quantity}/unseen"])
        cells = [_share(coverage(scored, (method,), wide if method == "architecture" else errors)) for method in FOLDS]
        yield f"| {NAMES[quantity]} | {' | '.join(cells)} |"
    yield ""


def _worst(results: Sequence[Result]) -> Iterator[str]:
    """Groups of one source, model and GPU that are furthest off with the model left out."""
    causes = json.loads(CAUSES.read_text(encoding="utf-8"))["causes"]
    scored = [result for result in results if counts(result) and "model" in result.ratios]
    groups = group_by(scored, lambda label: (label.source, label.model, label.gpu))
    far = {name: _distance(found) for name, found in groups.items() if len(found) >= FEWEST}
    yield "### What it does not get right\n"
    yield (
        f"The {WORST} groups of one source, model and GPU that are furthest off, with the model left out: how far "
        "in the middle (predicted over measured), and what we think is behind it.\n"
    )
    yield "| source | model | GPU | n | TPOT | TTFT | throughput | probable cause |\n|---|---|---|--:|--:|--:|--:|---|"
    for name in sorted(far, key=lambda name: -far[name])[:WORST]:
        cells = [_times(groups[name], quantity) for quantity in ("tpot", "ttft", "throughput")]
        yield f"| {' | '.join(name)} | {len(groups[name])} | {' | '.join(cells)} | {_cause(name, causes)} |"
    yield ""


def _distance(results: Sequence[Result]) -> float:
    return fmean(abs(log(result.ratios["model"])) for result in results)


def _times(results: Sequence[Result], quantity: str) -> str:
    logs = sorted(log(result.ratios["model"]) for result in results if result.quantity == quantity)
    return f"x {exp(logs[len(logs) // 2]):.2f}" if logs else ""


def _cause(name: tuple[str, str, str], causes: Sequence[dict[str, str]]) -> str:
    """The first cause whose source, model and GPU, as far as it names them, are the group's."""
    for cause in causes:
        keys = zip(("source", "model", "gpu"), name, strict=True)
        if all(cause.get(key, value) == value for key, value in keys):
            return cause["cause"]
    return "not known"


def _excluded(hygiene: Sequence[str]) -> Iterator[str]:
    yield "### Measurements that were left out\n"
    yield (
        "By rule (`python -m benchmarks.speed_of_light --all` gives each with its reason): rows that no server can "
        "have measured so, wholly or only the figures concerned.\n"
    )
    yield "```text"
    yield from hygiene
    yield "```\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(covered: tuple[int, int]) -> str:
    inside, total = covered
    return f"{_percent(inside / total)} of {total}" if total else ""


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
