"""Tables of the errors of speed: beside simpler models, and by source, GPU, model, engine and load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.performance_results import (
    FOLDS,
    HELD_OUT,
    OFFLINE,
    OFFLINE_AMD,
    ONLINE,
    OWN_RUNS,
    QUANTITIES,
    Label,
    Result,
    counts,
    group_by,
    summarise,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ALL = (*HELD_OUT, "own")
NAMES = {"tpot": "TPOT", "ttft": "TTFT", "e2e": "E2E", "throughput": "throughput"}
ORDER = ("1-4", "5-16", "17-64", "65-256", "over 256", "rate")
FEWEST = 3  # measurements that make a group
COLUMNS = {
    "model": "ours, model",
    "three/model": "three shares, model",
    "gpu": "ours, GPU",
    "three/gpu": "three shares, GPU",
    "datasheet": "datasheet",
    "thumb": "rule of thumb",
    "fit": "ours, in sample",
}


def is_inferencex(label: Label) -> bool:
    """Whether it is a row of InferenceX itself."""
    return label.source == "inferencex" and label.part == ONLINE


PARTS: dict[str, Callable[[Label], bool]] = {
    "InferenceX": is_inferencex,
    "other online": lambda label: label.part == ONLINE and label.source != "inferencex",
    "offline, NVIDIA": lambda label: label.part == OFFLINE,
    "offline, AMD": lambda label: label.part == OFFLINE_AMD,
}


def baselines(results: Sequence[Result]) -> Iterator[str]:
    """Ours and simpler models, on the same rows."""
    yield "### Beside simpler models\n"
    yield (
        "*Datasheet*: bytes over bandwidth or FLOPs over peak, nothing else. *Three shares*: the same with a share of "
        "bandwidth, of peak and of the KV cache's bandwidth, fitted to the same rows as ours. Both replay the same "
        "schedule. *Rule of thumb*, without replay: a token takes what weights and KV cache of the requests that have "
        "room need at 60 % of the bandwidth, a prompt its FLOPs at half of the peak. MAPE / median, in percent, with "
        "the model left out and with the GPU left out.\n"
    )
    yield f"| rows | quantity | n | {' | '.join(COLUMNS.values())} |"
    yield "|---|---|--:|" + "--:|" * len(COLUMNS)
    for title, holds in PARTS.items():
        for quantity in QUANTITIES:
            chosen = [r for r in results if r.quantity == quantity and holds(r.label) and counts(r)]
            if len(chosen) >= FEWEST:
                cells = " | ".join(_pair(chosen, column) for column in COLUMNS)
                yield f"| {title} | {NAMES[quantity]} | {len(chosen)} | {cells} |"
    yield ""


def tables(results: Sequence[Result]) -> Iterator[str]:
    """Errors by source (all rows), and by what else is known (rows that may judge the model)."""
    scored = [result for result in results if counts(result)]
    yield from _table("By source", [r for r in results if r.label.busy or r.quantity != "throughput"], _source)
    yield from _table("By GPU", scored, lambda label: label.gpu)
    yield from _table("By model", scored, lambda label: label.shape)
    yield from _table("By engine", scored, lambda label: label.generation)
    yield from _table("By requests at once", scored, lambda label: label.band)


def _source(label: Label) -> str:
    if label.part == OWN_RUNS:
        return f"{label.source}, NVIDIA's own runs"
    return label.source if label.known else f"{label.source} (not all is known)"


def _table(title: str, results: Sequence[Result], key: Callable[[Label], str]) -> Iterator[str]:
    """MAPE / median by something, for each quantity that was measured."""
    yield f"### {title}\n"
    yield f"| {title.split(' ', 1)[1]} | quantity | n | {' | '.join(FOLDS[method] for method in ALL)} |"
    yield "|---|---|--:|" + "--:|" * len(ALL)
    groups = group_by(results, key)
    for name in sorted(groups, key=lambda name: (ORDER.index(name) if name in ORDER else 0, name)):
        for quantity in QUANTITIES:
            chosen = [result for result in groups[name] if result.quantity == quantity]
            if chosen and quantity != "e2e":
                cells = " | ".join(_pair(chosen, method) for method in ALL)
                yield f"| {name} | {NAMES[quantity]} | {len(chosen)} | {cells} |"
    yield ""


def _pair(results: Sequence[Result], method: str) -> str:
    found = summarise(results, method)
    return f"{found.mean * 100:.1f} / {found.half * 100:.1f}" if found else ""
