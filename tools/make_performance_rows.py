"""Turn tables of public vLLM measurements into the rows that ``benchmarks/performance_rows.py`` reads.

    python tools/make_performance_rows.py MEASUREMENTS.csv TUNING_PAIRS.csv ALL_RESULTS.csv

The last one is Plots/All_results.csv of argonne-lcf/LLM-Inference-Bench (``performance_sources/argonne.py``).

Writes ``benchmarks/data/performance/SOURCE.jsonl``, one file a source: first its address, licence and what its loads
are, then one line a deployment (model, GPU, GPUs, release, settings) with its runs (load, what was measured); and
``tuning_pairs.jsonl``, two runs a line. Every source is read by a module of ``performance_sources``, which says where
its settings and lengths come from. A row that says the same measurement as an earlier one is left out and counted.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from performance_sources import argonne, dstack, gpustack, inferencex, inferencex_lengths, infpop, iog, others, pairs
from performance_sources.starting import startable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from performance_sources.common import Found, Run, Source

DATA = Path(__file__).resolve().parent.parent / "benchmarks" / "data" / "performance"
TOLD_APART = frozenset({"settings", "environment", "assumed"})  # what extracts of one measurement differ in
SAME = 3  # significant digits in which two extracts of one measurement agree
READERS = (
    inferencex.read,
    inferencex_lengths.read,
    argonne.read,
    gpustack.read,
    infpop.read,
    iog.read,
    dstack.read,
    others.read_simulator,
    others.read_mlperf,
    others.read_recipes,
    others.read_rest,
)


def main() -> None:
    """Write one file a source and the pairs, and say how many runs each has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", type=Path)
    parser.add_argument("tuning_pairs", type=Path)
    parser.add_argument("all_results", type=Path)
    chosen = parser.parse_args()
    rows = [row for row in read_table(chosen.measurements) if row["framework"] == "vLLM"]
    DATA.mkdir(exist_ok=True)
    runs: dict[str, list[Run]] = {}
    unseen = argonne.read_unseen(read_table(chosen.all_results), rows)
    for found in (*(read(rows) for read in READERS), unseen):
        source = without_repeats(found)
        source = replace(source, runs=distinct(startable(run) for run in source.runs))
        runs[source.name] = source.runs
        write(source.name, lines(source))
        excluded = sum(bool(run.excluded) for run in source.runs)
        print(f"{source.name:18} {len(source.runs):5} runs, {excluded:4} excluded, {source.repeated:4} repeated")
    told = pairs.read(read_table(chosen.tuning_pairs), runs)
    write("tuning_pairs", told)
    print(f"{len(told)} pairs, {sum('excluded' in pair for pair in told)} excluded")


def read_table(path: Path) -> list[Found]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(name: str, entries: Iterable[dict[str, Any]]) -> None:
    """One JSON document a line."""
    text = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)
    (DATA / f"{name}.jsonl").write_text(text, encoding="utf-8")


def without_repeats(source: Source) -> Source:
    """The source without rows that say the same measurement again: the first has what all of them tell."""
    kept: dict[str, Run] = {}
    for run in source.runs:
        place = {key: value for key, value in run.deployment.items() if key not in TOLD_APART}
        told = run.measured.get("total_tok_s") or {name: f"{value:.{SAME}g}" for name, value in run.measured.items()}
        key = json.dumps([place, run.load, told], sort_keys=True)
        first = kept.setdefault(key, run)
        kept[key] = replace(first, measured={**run.measured, **first.measured})
    return replace(source, runs=list(kept.values()), repeated=len(source.runs) - len(kept))


def distinct(runs: Iterable[Run]) -> list[Run]:
    """The runs with a number behind an id that an earlier one has: the same configuration, measured again."""
    seen: dict[str, int] = {}
    named = []
    for run in runs:
        seen[run.id] = seen.get(run.id, 0) + 1
        named.append(run if seen[run.id] == 1 else replace(run, id=f"{run.id}-{seen[run.id]}"))
    return named


def lines(source: Source) -> Iterator[dict[str, Any]]:
    """The header, then every deployment with its runs, in the order in which they come."""
    yield {
        "source": source.name,
        "url": source.url,
        "licence": source.licence,
        "about": source.about,
        "statistic": source.statistic,
        "repeated": source.repeated,
    }
    grouped: dict[str, list[Run]] = {}
    for run in source.runs:
        grouped.setdefault(json.dumps(run.deployment, sort_keys=True), []).append(run)
    for runs in grouped.values():
        yield {**runs[0].deployment, "runs": [run.run for run in runs]}


if __name__ == "__main__":
    main()
