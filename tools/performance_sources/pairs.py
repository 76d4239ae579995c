"""Before and after: two runs that differ in settings, layout or weight format, and what changed.

A pair of the table names flags in words; its two values are looked up among the runs of the same page or file, so that
a pair is two runs with everything that is known of them. The code completion pairs name GPU count and batch size, from
which their runs follow. Pairs of other engines, and values that no run has, are kept with the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from performance_sources.common import Found, rounded
from performance_sources.infpop import GPUS, MODELS, RELEASE, STATED, load_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from performance_sources.common import Run

METRICS = {  # our name and factor
    "total_tok_s": ("total_tok_s", 1.0),
    "output_tok_s": ("output_tok_s", 1.0),
    "mean_tpot_ms": ("tpot_s", 1e-3),
    "mean_latency_s": ("e2e_s", 1.0),
}
OTHERS = re.compile(r"sglang|trtllm|mindie", re.IGNORECASE)
SAID = re.compile(r"TP=(\d+) batch=(\d+)")
VERSION = re.compile(r"-v[\d.]+$")
Pair = dict[str, Any]


def read(rows: Iterable[Found], runs: Mapping[str, Iterable[Run]]) -> list[Pair]:
    """Every pair of the table; ``runs`` are the runs of each source."""
    named: dict[str, int] = {}
    pairs = []
    for row in rows:
        pair = _pair(row, runs)
        named[pair["id"]] = named.get(pair["id"], 0) + 1
        if named[pair["id"]] > 1:
            pair["id"] += f"-{named[pair['id']]}"
        pairs.append(pair)
    return pairs


def _pair(row: Found, runs: Mapping[str, Iterable[Run]]) -> Pair:
    name, factor = METRICS.get(row["metric"], (row["metric"], 1.0))
    before, after = (float(row[key]) * factor for key in ("before", "after"))
    source = next((part for part in ("gpustack", "dstack", "infpop") if part in row["source"]), "pages")
    pair = {"id": _name(row, source), "metric": name}
    values = {"before_value": rounded(before), "after_value": rounded(after), "change": rounded(after / before - 1)}
    reason = ""
    sides: dict[str, Any] = {}
    if OTHERS.search(row["baseline_flags"] + row["tuned_flags"] + row["engine"]):
        reason = "one of the two is another engine"
    elif source == "infpop":
        sides = {key: _known(_completion(row, row[flags]), runs[source]) for key, flags in _SIDES}
    elif source == "pages":
        reason = "model, GPU or load are not said"
    else:
        found = _candidates(row, runs[source])
        sides = {key: _run_with(found, name, rounded(value)) for key, value in (("before", before), ("after", after))}
        if not all(sides.values()):
            reason, sides = "its runs are not among the rows", {}
    excluded = [side.excluded for side in sides.values() if not isinstance(side, dict) and side.excluded]
    if excluded:
        reason, sides = excluded[0], {}
    told = {key: side if isinstance(side, dict) else side.id for key, side in sides.items()}
    linked = told and not any(isinstance(side, dict) for side in told.values())
    url = {} if linked else {"url": row["source"]}  # the runs have it
    return {**pair, **url, **told, **values, **({"excluded": reason} if reason else {})}


_SIDES = (("before", "baseline_flags"), ("after", "tuned_flags"))


def _name(row: Found, source: str) -> str:
    if source == "gpustack":
        place = row["source"].partition("/performance-lab/")[2].removesuffix(".md")
        words = f"{place}-{row['workload']}-{row['metric']}"
    elif source == "infpop":
        words = f"{row['gpu'].rpartition(' ')[2]}-{row['model']}"
    else:
        words = f"{row['model']}-{row['workload']}"
    return f"{source}-" + re.sub(r"[^a-z0-9.]+", "-", words.casefold()).strip("-")


def _candidates(row: Found, runs: Iterable[Run]) -> list[Run]:
    """Runs of the page or table that a pair comes from."""
    return [run for run in runs if row["source"].endswith(run.url)]


def _run_with(runs: list[Run], name: str, value: float) -> Run | None:
    """The first run that measured just this."""
    return next((run for run in runs if run.measured.get(name) == value), None)


def _known(side: dict[str, Any], runs: Iterable[Run]) -> dict[str, Any] | Run:
    """The run of the tables that has this deployment and load, or what is known of it."""
    layout = (side["model"], side["gpu"], side["gpus"], side["load"]["batch"])
    same = (run for run in runs if (run.model, run.gpu, run.gpus, run.load["batch"]) == layout)
    return next(same, side)


def _completion(row: Found, said: str) -> dict[str, Any]:
    """A run of the code completion tables, from its GPU count and batch size."""
    found = SAID.search(said)
    assert found
    gpus, batch = int(found[1]), int(found[2])
    gpu = GPUS[row["gpu"]]
    return {
        "model": MODELS[VERSION.sub("", row["model"])],
        "gpu": gpu,
        "gpus": gpus,
        "engine": RELEASE,
        "stated": STATED,
        "settings": settings_of(gpu, gpus),
        "load": load_of(batch),
    }
