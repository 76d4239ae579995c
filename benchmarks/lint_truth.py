"""What ``lint`` reports in 42 public deployment files against what is known to be wrong in them.

    python benchmarks/lint_truth.py DIRECTORY [--assume] [--kind compose] [--file PART]

DIRECTORY holds the files that ``data/lint_labels.json`` names by repository, path and commit, each as
``<owner>__<repo>__<path with / as __>``; they are other people's and no part of this project. A label names rules that
must be reported (certain), that should be (advisory) and that must stay silent (traps). Each file is linted by a
command of its own, under its own path, with the other files of its repository beside it. One row a kind of file, then
every file that is missing or failed, every label missed, every trap that fired, and every finding that no label speaks
of. With ``--assume``, a file that does not name its vLLM release is linted for the one that its label was written for.
Exits with 1 when a command failed or a trap fired.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = Path(__file__).parent / "data" / "lint_labels.json"
COMMAND = (sys.executable, "-m", "llmtune", "lint", "--format", "json", "--exit-zero", "--allow-empty")
LIMIT = 120  # seconds a file
NAMES_RELEASE = re.compile(r"^[^#\n]*\bvllm(?:[-\w/.]*:|\s*==\s*)v?\d+\.\d+", re.MULTILINE)  # an image tag or a pin


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one public file. ``engine`` is the release that was assumed, if it matters."""

    repo: str
    path: str
    commit: str
    kind: str
    engine: str | None
    certain: tuple[str, ...]
    advisory: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file as lines of the report call it."""
        return f"{self.repo}/{self.path}"

    @property
    def stored(self) -> str:
        """The file's name in the directory."""
        return self.name.replace("/", "__")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding, as far as it is compared."""

    rule: str
    severity: str
    message: str
    line: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """One file linted; ``failed`` says why there are no findings to compare."""

    label: Label
    findings: tuple[Finding, ...] = ()
    failed: str = ""

    @property
    def reported(self) -> frozenset[str]:
        """The rules that were reported."""
        return frozenset(finding.rule for finding in self.findings)

    @property
    def fired(self) -> list[Finding]:
        """Findings that must not be."""
        return [finding for finding in self.findings if finding.rule in self.label.silent]

    @property
    def others(self) -> list[Finding]:
        """Findings that no label speaks of."""
        known = {*self.label.certain, *self.label.advisory, *self.label.silent}
        return [finding for finding in self.findings if finding.rule not in known]


def main() -> int:
    """Print the table and what it is made of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the files are")
    parser.add_argument("--assume", action="store_true", help="lint for the release that the label was written for")
    parser.add_argument("--kind", help="only this kind of file")
    parser.add_argument("--file", default="", help="only files whose repository and path hold this")
    chosen = parser.parse_args()
    labels = [
        label
        for label in read_labels()
        if chosen.kind in {None, label.kind} and chosen.file.lower() in label.name.lower()
    ]
    there = [label for label in labels if (chosen.directory / label.stored).is_file()]
    results = lint_all(there, chosen.directory, assume=chosen.assume)
    _print_table(results)
    for label in labels:
        if label not in there:
            print(f"not there: {label.stored}")
    for result in results:
        if result.failed:
            print(f"failed: {result.label.name}: {result.failed}")
    _print_details(results)
    return int(any(result.failed or result.fired for result in results))


def read_labels() -> list[Label]:
    """All labels, in the order of the file."""
    return [_label(row) for row in json.loads(LABELS.read_text(encoding="utf-8"))]


def _label(row: dict[str, Any]) -> Label:
    return Label(**(row | {key: tuple(row[key]) for key in ("certain", "advisory", "silent")}))


def lint_all(labels: Sequence[Label], directory: Path, *, assume: bool = False) -> list[Result]:
    """Every file linted, in the place that its repository and path give it."""
    with TemporaryDirectory() as kept, ThreadPoolExecutor() as pool:
        root = Path(kept)
        for label in read_labels():
            if (directory / label.stored).is_file():
                place = root / label.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes((directory / label.stored).read_bytes())
        return list(pool.map(lambda label: lint(label, root, assume=assume), labels))


def lint(label: Label, root: Path, *, assume: bool = False) -> Result:
    """One file linted by the command."""
    text = (root / label.name).read_text(encoding="utf-8", errors="replace")
    asked = ("--vllm-version", label.engine) if assume and label.engine and not NAMES_RELEASE.search(text) else ()
    try:
        done = subprocess.run(
            [*COMMAND, *asked, label.name], cwd=root, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return Result(label, failed=f"no answer in {LIMIT} s")
    try:
        document: dict[str, Any] = json.loads(done.stdout)
        findings = tuple(
            Finding(row["rule"], row["severity"], row["message"], row.get("line")) for row in document["findings"]
        )
    except (ValueError, TypeError, KeyError) as error:
        said = [line.strip(" │╭╮╰╯─") for line in done.stderr.splitlines()]
        return Result(label, failed=next((line for line in reversed(said) if line), f"{type(error).__name__}: {error}"))
    return Result(label, findings, f"exit status {done.returncode}" if done.returncode else "")


def _print_table(results: Sequence[Result]) -> None:
    kinds = sorted({result.label.kind for result in results})
    rows = [(kind, [result for result in results if result.label.kind == kind]) for kind in kinds]
    print(f"{'kind':14} {'files':>5} {'certain':>14} {'advisory':>14} {'traps fired':>14} {'no label':>9}")
    for name, chosen in [*rows, ("all", list(results))]:
        shares = [_share(chosen, attribute) for attribute in ("certain", "advisory", "silent")]
        others = sum(len(result.others) for result in chosen)
        print(f"{name:14} {len(chosen):5} {' '.join(f'{share:>14}' for share in shares)} {others:9}")


def _share(results: Sequence[Result], attribute: str) -> str:
    labels = [(result, rule) for result in results for rule in getattr(result.label, attribute)]
    found = sum(rule in result.reported for result, rule in labels)
    return f"{found}/{len(labels)} ({found / len(labels):4.0%})" if labels else "-"


def _print_details(results: Sequence[Result]) -> None:
    for kind in ("certain", "advisory"):
        missed = [
            (result, rule) for result in results for rule in getattr(result.label, kind) if rule not in result.reported
        ]
        print(f"\nmissed, {kind}: {len(missed)}")
        for result, rule in missed:
            print(f"  {result.label.name} {rule}")
    for title, attribute in (("traps that fired", "fired"), ("findings without a label", "others")):
        found = [(result, finding) for result in results for finding in getattr(result, attribute)]
        print(f"\n{title}: {len(found)}")
        for result, finding in found:
            place = result.label.name if finding.line is None else f"{result.label.name}:{finding.line}"
            print(f"  {place} {finding.rule} ({finding.severity}) {' '.join(finding.message.split())}")


if __name__ == "__main__":
    sys.exit(main())
