"""Ask vLLM's own parser about thousands of argument lists and compare its verdicts with ours.

    python tools/check_options_with_engine.py ORACLE [--count 2400] [--seed 1] [--write] [--commands FILE]
    LLMTUNE_ENGINE_ORACLE=ORACLE python tools/check_options_with_engine.py

ORACLE is a directory with an unpacked vLLM 0.33.0 that runs without a GPU: ``check_command.py`` and a virtual
environment ``venv/``. The lists are made from the option table of that release with a seed: legal values, misspelt and
abbreviated flags, every boolean form, JSON whole, dotted and broken, numbers and choices of the wrong kind, flags of
other releases, and several of these at once. What is compared is whether the parser takes a list, which is what it
does before it looks at a model. ``--write`` keeps the lists with the engine's verdicts in
``benchmarks/data/option_verdicts.json.gz``, where a test reads them. ``--commands`` asks nobody: it lints the commands
of a file of rows (``command``, ``gpu``, ``ngpu``, ``accepted``, ``error``), so that checks of the model and the GPU
count, too. Exits with 1 when a verdict differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import option_lists

from llmtune.catalog import engines, gpus
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers.server import read_server
from llmtune.spec.hardware import Hardware
from llmtune.spec.server import Server
from llmtune.spec.span import Span
from llmtune.spec.word import Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RELEASE = "0.33.0"
REAL_MODEL = "Qwen/Qwen3-0.6B"  # of which the oracle has the config
VERDICTS = Path(__file__).resolve().parent.parent / "benchmarks/data/option_verdicts.json.gz"
BOARDS = {"h100": "h100-sxm", "h200": "h200-sxm", "a100": "a100-sxm-80gb", "b200": "b200-sxm"}
NOWHERE = Span("<list>", 1, 1, 1, 1)


def main() -> None:
    """Make lists, ask, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("oracle", type=Path, nargs="?", default=os.environ.get("LLMTUNE_ENGINE_ORACLE"))
    parser.add_argument("--count", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the verdicts")
    parser.add_argument("--commands", type=Path, help="compare the rows of a file")
    chosen = parser.parse_args()
    if chosen.commands is not None:
        sys.exit(1 if compare_commands(chosen.commands) else 0)
    if chosen.oracle is None:
        parser.error("name the oracle's directory, or set LLMTUNE_ENGINE_ORACLE")
    made = option_lists.make(engines.find(RELEASE), chosen.count, chosen.seed)
    answers = ask_twice(Path(chosen.oracle).resolve(), made)
    wrong = compare(made, answers)
    if chosen.write:
        keep(made, answers, f"seed {chosen.seed}, count {chosen.count}")
    sys.exit(1 if wrong else 0)


def ask_twice(oracle: Path, lists: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The parser's answers; where we refuse what it takes, those of the engine's later checks with a real model."""
    answers = ask(oracle, lists, "--parse-only")
    doubtful = [at for at, words in enumerate(lists) if parsed(answers[at]) and refusals(words)]
    models = [[REAL_MODEL if word == option_lists.MODEL else word for word in lists[at]] for at in doubtful]
    for at, answer in zip(doubtful, ask(oracle, models), strict=True):
        answers[at] = {**answer, "stage": "parse"}
    return answers


def ask(oracle: Path, lists: Sequence[Sequence[str]], *how: str) -> list[dict[str, Any]]:
    """The engine's answers, from one process."""
    done = subprocess.run(
        [str(oracle / "venv/bin/python"), "check_command.py", "--stdin", *how],
        cwd=oracle,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        input="".join(json.dumps(["serve", *words]) + "\n" for words in lists),
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"accepted"')]
    if len(answers) != len(lists):
        sys.exit(f"error: {len(answers)} answers to {len(lists)} questions: {done.stderr[-1000:]}")
    return answers


def compare(lists: Iterable[Sequence[str]], answers: Iterable[dict[str, Any]]) -> int:
    """Print every list on which the verdicts differ; return their number."""
    wrong = total = 0
    for words, answer in zip(lists, answers, strict=True):
        total += 1
        theirs = parsed(answer)
        problems = refusals(words)
        if theirs != (not problems):
            wrong += 1
            said = " ".join(str(answer.get("error", "")).split())[:300] if not theirs else "accepted"
            ours = "; ".join(f"[{name}] {text}" for name, text in problems) or "accepted"
            print(f"{shlex.join(words)}\n    engine: {said}\n    llmtune: {ours}")
    print(f"{total - wrong} of {total} verdicts agree")
    return wrong


def compare_commands(file: Path) -> int:
    """Print every command that the engine and lint see differently; return their number."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    wrong = 0
    for row in rows:
        hardware = Hardware(gpus.find(BOARDS.get(row["gpu"], row["gpu"])), row["ngpu"])
        options = LintOptions(release=engines.find(RELEASE), hardware=hardware)
        result = lint_text(row["command"] + "\n", "serve.sh", options)
        errors = [item for item in result.findings if item.severity == "error"] if result else []
        if row["accepted"] == bool(errors):
            wrong += 1
            said = "accepted" if row["accepted"] else " ".join(str(row.get("error", "")).split())[:300]
            ours = "; ".join(f"[{item.rule}] {item.message}" for item in errors) or "no error"
            print(f"{row['command']}\n    engine: {said}\n    llmtune: {ours}")
    print(f"{len(rows) - wrong} of {len(rows)} verdicts agree")
    return wrong


def parsed(answer: dict[str, Any]) -> bool:
    """Whether the parser itself took the list: later stages look at models and at options together."""
    return bool(answer["accepted"]) or answer["stage"] in {"validate", "api_server"}


def refusals(words: Sequence[str]) -> list[tuple[str, str]]:
    """What our reading of a list refuses, by name."""
    server = Server("", NOWHERE, "serve", tuple(Word(word) for word in words))
    reading = read_server(server, engines.find(RELEASE), directory=Path("/nowhere"))
    return [(problem.name, problem.message) for problem in reading.problems if problem.name != "asks-for-help"]


def keep(lists: Sequence[Sequence[str]], answers: Sequence[dict[str, Any]], how: str) -> None:
    """Write lists and verdicts, the same bytes for the same verdicts."""
    rows = [[*words, parsed(answer)] for words, answer in zip(lists, answers, strict=True)]
    document = {
        "source": f"the parser of 'vllm serve' of vLLM {RELEASE}, asked by tools/check_options_with_engine.py",
        "made": how,
        "release": RELEASE,
        "form": "each row: the arguments behind 'vllm serve', then whether the engine takes them: its parser, and "
        "where llmtune refuses what the parser takes, also its checks of a model's config",
        "rows": rows,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items() if key != "rows"]
    listed = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    text = "{\n" + ",\n".join(lines) + ',\n "rows": [\n' + listed + "\n ]\n}\n"
    with VERDICTS.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        packed.write(text.encode())


if __name__ == "__main__":
    main()
