"""What ``performance.py`` found, row by row, and the figures that follow: errors, intervals, coverage.

``data/performance_results.json`` holds for each measurement what every method predicted over what was measured, so that
tables are made without replaying anything. A method is a fold (``gpu``: predicted by coefficients that saw no row of
that GPU), a baseline (``datasheet``, ``thumb``) or a baseline that was fitted to a fold's rows (``three/gpu``).

Nothing here needs numpy: the documentation is made of it.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RESULTS = Path(__file__).parent / "data" / "performance_results.json"
ABOUT = (
    "Predicted over measured, by `python -m benchmarks.performance --write`; made of benchmarks/data/performance and "
    "benchmarks/data/performance_priors.json."
)
FOLDS = {
    "gpu": "GPU left out",
    "model": "model left out",
    "source": "source left out",
    "own": "deployments left out",
    "layout": "layouts left out",
    "architecture": "architecture left out",
}
HELD_OUT = ("gpu", "model", "source")  # what an interval rests on: something about the row was never seen
QUANTITIES = ("tpot", "ttft", "e2e", "throughput")
ERRORS = {"tpot": "tpot", "ttft": "ttft", "itl": "tpot", "e2e": "e2e", "throughput": "throughput"}
COVERED = 0.9  # share of held-out measurements that an interval holds
ENOUGH = 30  # measurements of an engine generation that has an error of its own
ROUNDING = 1e-9
PLACES = 3  # of a ratio
ONLINE, OFFLINE, OFFLINE_AMD, OWN_RUNS = "online", "offline", "offline-amd", "own-runs"


@dataclass(frozen=True, slots=True)
class Label:
    """What a row is, as far as tables are concerned.

    ``shape`` names all models that have the same layers, ``generation`` is the engine's (``v0``, ``v1``, ``async``),
    ``chip`` the GPU's architecture. ``part`` says how it counts: ``online``, ``offline`` (a batch at once on NVIDIA),
    ``offline-amd``, or ``own-runs`` (settings not published). ``band`` of requests at once, ``rate`` where they come in
    time. ``fitted``: coefficients are fitted to such rows, those of other folds. ``known``: load and machine were told,
    latencies are means, settings are those that the model knows. ``busy``: the throughput is the server's, not that of
    the arrivals.
    """

    source: str
    model: str
    shape: str
    gpu: str
    chip: str
    generation: str
    part: str
    band: str
    moe: bool
    fitted: bool
    known: bool
    busy: bool


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement: ``ratios`` are predicted over measured, by method."""

    label: Label
    quantity: str
    ratios: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """Relative errors of some measurements, as shares: mean, median, 90th percentile, and the median with its sign."""

    count: int
    mean: float
    half: float
    most: float
    bias: float


def summarise(results: Iterable[Result], method: str) -> Summary | None:
    """The errors of a method; None where it says nothing about any of them."""
    ratios = [result.ratios[method] for result in results if method in result.ratios]
    if not ratios:
        return None
    errors = sorted(abs(ratio - 1) for ratio in ratios)
    return Summary(len(errors), sum(errors) / len(errors), median(errors), _at(errors, COVERED), median(ratios) - 1)


def find_errors(results: Sequence[Result]) -> dict[str, float]:
    """Errors e by coefficient name: nine held-out measurements in ten lie in mean / (1 + e) .. mean x (1 + e).

    ``relative_error/tpot`` is that of all, ``relative_error/tpot/async`` that of one engine generation where enough was
    measured on it, ``relative_error/tpot/unseen`` for GPUs of an architecture without rows. Groups of one source, model
    and GPU count as the root of their number, as in the fit: otherwise one source decides.
    """
    found = {}
    for name, quantity in ERRORS.items():
        scored = [result for result in results if result.quantity == quantity and counts(result)]
        every = _error(scored, HELD_OUT)
        found[f"relative_error/{name}"] = every
        for generation, group in group_by(scored, lambda label: label.generation).items():
            if len(group) >= ENOUGH:
                found[f"relative_error/{name}/{generation}"] = _error(group, HELD_OUT)
        found[f"relative_error/{name}/unseen"] = max(every, _error(scored, ("architecture",)))
    return {name: round(error, 3) for name, error in found.items()}


def error_of(errors: Mapping[str, float], result: Result) -> float:
    """The error that a measurement's prediction is given with, by its engine generation."""
    name = f"relative_error/{result.quantity}"
    return errors.get(f"{name}/{result.label.generation}", errors[name])


def counts(result: Result) -> bool:
    """Whether a measurement may judge the model: its load and settings are known, and the server decided."""
    label = result.label
    if label.part == OWN_RUNS or not label.known:
        return False
    return label.busy or result.quantity != "throughput"


def coverage(results: Iterable[Result], methods: Iterable[str], errors: Mapping[str, float]) -> tuple[int, int]:
    """How many predictions have the measurement in their interval, of how many."""
    inside = [
        _distance(result.ratios[method]) <= error_of(errors, result)
        for method in methods
        for result in results
        if method in result.ratios
    ]
    return sum(inside), len(inside)


def group_by(results: Iterable[Result], key: Callable[[Label], Any]) -> dict[Any, list[Result]]:
    """Measurements by something of their label, in its order."""
    groups: dict[Any, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result.label), []).append(result)
    return {name: groups[name] for name in sorted(groups)}


def save(results: Sequence[Result], hygiene: Sequence[str], path: Path = RESULTS) -> None:
    """Write the file: the errors, labels once, ratios with as many digits as they are worth."""
    labels = list(dict.fromkeys(result.label for result in results))
    places = {label: place for place, label in enumerate(labels)}
    methods = list(dict.fromkeys(method for result in results for method in result.ratios))
    lines = [
        json.dumps([places[r.label], r.quantity, *(_short(r.ratios.get(m)) for m in methods)], separators=(",", ":"))
        for r in results
    ]
    labelled = [field.name for field in fields(Label)]
    head = {"about": ABOUT, "errors": find_errors(results), "hygiene": list(hygiene)}
    head |= {"methods": methods, "label": labelled}
    listed = ",\n".join(json.dumps(astuple(label), separators=(",", ":")) for label in labels)
    text = json.dumps(head, indent=1)[:-2]
    text += ',\n "labels": [\n' + listed + '\n],\n "results": [\n' + ",\n".join(lines) + "\n]\n}\n"
    path.write_text(text, encoding="utf-8")


def load(path: Path = RESULTS) -> tuple[list[Result], list[str]]:
    """The measurements, and the table of what was left out."""
    document = json.loads(path.read_text(encoding="utf-8"))
    labels = [Label(**dict(zip(document["label"], values, strict=True))) for values in document["labels"]]
    results = []
    for place, quantity, *ratios in document["results"]:
        known = {m: ratio for m, ratio in zip(document["methods"], ratios, strict=True) if ratio is not None}
        results.append(Result(labels[place], quantity, known))
    return results, document["hygiene"]


def _error(results: Sequence[Result], methods: Sequence[str]) -> float:
    """The weighted quantile over all results and methods; 0 of none."""
    groups = group_by(results, lambda label: (label.source, label.model, label.gpu))
    weighed = [
        (_distance(result.ratios[method]), len(group) ** -0.5)
        for group in groups.values()
        for result in group
        for method in methods
        if method in result.ratios
    ]
    total, reached = sum(weight for _, weight in weighed), 0.0
    for error, weight in sorted(weighed):
        reached += weight
        if reached >= COVERED * total - ROUNDING:
            return error
    return 0.0


def _distance(ratio: float) -> float:
    """The smallest e whose interval holds the measurement."""
    return max(ratio, 1 / ratio) - 1


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, PLACES)
