"""``docs/concepts/accuracy.md``: every start-up with what was predicted, from the figures of ``startups.py``."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.startups import PARTS, TESTBED, Result, compare_all, confusion, decidable, middle, started, with_part

from benchmarks import startups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BANDS = {"weights": 0.02, "activations": 0.08, "KV cache": 0.04}  # share beyond which a row is explained
NON_TORCH = 0.15  # GiB
INTRODUCTION = """# Accuracy

How far llmtune's memory estimates are from what real vLLM servers printed when they started; [speed](#speed) follows
below. This page is made by `python tools/make_docs.py` from `benchmarks/data/startups.json`;
`python benchmarks/startups.py` prints the same figures. Sizes are GiB per GPU. Errors of the KV cache are relative to
the measured KV cache itself, not to the GPU.

*In sample* is what llmtune ships. *Left out* predicts each source of logs from constants that never saw it: where no
other source is left, from the value that would be assumed without any measurement. The left-out figures are what to
expect for a machine that is not listed here. {testbed} of the {scored} start-ups come from one H100 testbed, so
everything is said with and without it.
"""


def page() -> str:
    """The whole page."""
    rows = json.loads(startups.ROWS.read_text(encoding="utf-8"))
    fitted, left_out = compare_all(rows), compare_all(rows, leave_out=True)
    scored = [result for result in fitted if not result.skipped]
    sections = (
        INTRODUCTION.format(testbed=sum(result.testbed for result in scored), scored=len(scored)),
        *_errors(fitted, left_out),
        *_coverage(fitted, left_out),
        *_fits(fitted),
        *_table(fitted),
        *_beyond(fitted),
        *_excluded(fitted),
    )
    return "\n".join(sections)


def two_lines() -> str:
    """What the README quotes."""
    rows = json.loads(startups.ROWS.read_text(encoding="utf-8"))
    left_out = compare_all(rows, leave_out=True)
    lines = []
    for title, testbed in (("one H100 testbed", True), ("all other sources", False)):
        found = _with_cache(left_out, testbed=testbed)
        half, most = middle([result.share("KV cache") for result in found])
        sources = len({result.source for result in found})
        lines.append(
            f"* {title} ({len(found)} start-ups, {sources} source{'s' if sources > 1 else ''}): KV cache off by "
            f"{half:.1%} in the middle, {most:.1%} for nine in ten, predicted without having seen the source"
        )
    return "\n".join(lines) + "\n"


def _with_cache(results: Sequence[Result], *, testbed: bool | None = None) -> list[Result]:
    """Results with a KV cache: where nothing was left for one there is no size to be off from."""
    return [result for result in with_part(results, "KV cache", testbed=testbed) if result.measured["KV cache"] > 0]


def _errors(fitted: Sequence[Result], left_out: Sequence[Result]) -> Iterator[str]:
    yield "## Error by part\n"
    yield "| rows | part | n | in sample: half | nine in ten | left out: half | nine in ten |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for title, testbed in (("H100 testbed", True), ("all others", False)):
        for part in PARTS:
            cells = []
            for results in (fitted, left_out):
                found = with_part(results, part, testbed=testbed)
                if part == "KV cache":
                    found = _with_cache(results, testbed=testbed)
                cells += [_error(part, share) for share in middle([_distance(result, part) for result in found])]
            yield f"| {title} | {part} | {len(found)} | {' | '.join(cells)} |"
    yield ""
    yield "Non-torch memory is small, so its error is given in GiB; the others are shares of what was measured.\n"


def _distance(result: Result, part: str) -> float:
    return abs(result.off(part)) if part == "non-torch" else result.share(part)


def _error(part: str, value: float) -> str:
    return f"{value:.2f} GiB" if part == "non-torch" else f"{value:.1%}"


def _coverage(fitted: Sequence[Result], left_out: Sequence[Result]) -> Iterator[str]:
    yield "## Do the intervals hold?\n"
    yield "Every estimate of the KV cache comes with an interval that should hold nine measurements in ten.\n"
    yield "| rows | in sample | left out |\n|---|--:|--:|"
    for title, testbed in (("H100 testbed", True), ("all others", False), ("together", None)):
        cells = []
        for results in (fitted, left_out):
            found = with_part(results, "KV cache", testbed=testbed)
            inside = sum(result.inside for result in found)
            cells.append(f"{inside} of {len(found)} ({inside / len(found):.0%})")
        yield f"| {title} | {' | '.join(cells)} |"
    yield ""


def _fits(results: Sequence[Result]) -> Iterator[str]:
    counts = confusion(results)
    said = ("yes", "too close to call", "no")
    yield "## Starts or not\n"
    yield f"| what happened | {' | '.join(f'said: {word}' for word in said)} |\n|---|--:|--:|--:|"
    for happened in ("started", "failed"):
        yield f"| {happened} | {' | '.join(str(counts[happened, word]) for word in said)} |"
    failed = [result for result in decidable(results) if not started(result)]
    yield "\n| failed | how | said |\n|---|---|---|"
    for result in failed:
        kind = f", {result.failure}" if result.failure else ""
        yield f"| {result.row['id']} | {result.row['outcome'].replace('_', ' ')} | {result.verdict}{kind} |"
    yield ""


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield "## Every start-up\n"
    yield "Measured, predicted. A source that is named without an address is a public log whose address is not known.\n"
    yield "| start-up | release | GPU | weights | activations | non-torch | KV cache | interval |"
    yield "|---|---|---|--:|--:|--:|--:|--:|"
    for result in results:
        if result.skipped or not result.predicted:
            continue
        row = result.row
        cells = [
            f"{result.measured[part]:.2f}, {result.predicted[part]:.2f}" if part in result.measured else ""
            for part in PARTS
        ]
        board = row["gpu"] if isinstance(row["gpu"], str) else f"{row['total_gib']:g} GiB"
        name = row["id"]
        link = f"[{name}]({row['source']})" if str(row["source"]).startswith("http") else name
        several = f"{row['count']} x " if (row["count"] or 1) > 1 else ""
        interval = f"{result.interval[0]:.1f}..{result.interval[1]:.1f}"
        yield f"| {link} | {row['release']} | {several}{board} | {' | '.join(cells)} | {interval} |"
    yield ""


def _beyond(results: Sequence[Result]) -> Iterator[str]:
    yield "## Rows that are further off, and why\n"
    yield (
        f"Weights beyond {BANDS['weights']:.0%}, activations beyond {BANDS['activations']:.0%}, the KV cache beyond "
        f"{BANDS['KV cache']:.0%}, non-torch memory beyond {NON_TORCH} GiB.\n"
    )
    for result in results:
        off = [
            part for part in PARTS if part in result.predicted and part in result.measured and _is_beyond(result, part)
        ]
        if off and not result.skipped:
            sizes = ", ".join(f"{part} {result.off(part):+.2f} GiB" for part in off)
            yield f"* **{result.row['id']}** ({sizes}): {result.row.get('explained', 'not explained')}."
    yield ""


def _is_beyond(result: Result, part: str) -> bool:
    if part == "non-torch":
        return abs(result.off(part)) > NON_TORCH
    return result.share(part) > BANDS[part] and abs(result.off(part)) > startups.PRINTED


def _excluded(results: Sequence[Result]) -> Iterator[str]:
    yield "## Not scored\n"
    skipped = Counter(result.skipped for result in results if result.skipped)
    for reason, count in skipped.most_common():
        names = ", ".join(result.row["id"] for result in results if result.skipped == reason)
        yield f"* {count} x {reason}: {names}."
    undecided = [result.row for result in results if "undecidable" in result.row and not result.skipped]
    for row in undecided:
        yield f"* Not counted under “starts or not”: {row['id']}: {row['undecidable']}."
    yield f"\nThe H100 testbed is the one of {TESTBED}."
