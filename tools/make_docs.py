"""Write every generated part of the documentation (and the presets as JSON), or say which parts are stale.

    python tools/make_docs.py            # write
    python tools/make_docs.py --check    # exit 1 and name the stale files

A page (README.md and everything under docs/) may hold blocks:

    <!-- begin: llmtune recommend Qwen/Qwen3-8B --gpu l4 -->     a command, with what it really prints
    <!-- begin: file src/llmtune/catalog/data/gpus/l4.json -->   a file of this repository
    <!-- begin: table scenarios -->                              a table, see ``TABLES``
    ...
    <!-- end -->

Commands run inside this process, 80 columns wide and without colour, in an empty folder for each page: what one
command writes (``-o vllm.yaml``), the next one can read, and ``cat`` shows it. ``<!-- write: NAME -->`` before a fenced
block puts that block into the folder. Some files are made as a whole, see ``FILES``. The command reference is read from
the same objects as ``--help``, not from its text, because the layout of that text changes with Typer's releases.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import docs_rules
import docs_tables
import docs_times
import docs_worked_sum
import docs_worked_time

from llmtune.catalog import scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?P<open><!-- begin: (?P<what>.+?) -->\n)(?P<body>.*?)(?P<close><!-- end -->)"
    r"|<!-- write: (?P<name>\S+) -->\n```\w*\n(?P<text>.*?)```",
    re.DOTALL,
)
LANGUAGES = {".json": "json", ".py": "python", ".yaml": "yaml"}
ENVIRONMENT = {  # XDG_CONFIG_HOME: nobody's own records of measured start-ups
    "COLUMNS": "80", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1", "XDG_CONFIG_HOME": "/nowhere",
}  # fmt: skip
ESTIMATE = "llmtune estimate --gpu l4 --format json -- vllm serve Qwen/Qwen3-8B --max-model-len 8192"
RECOMMENDATION = "llmtune recommend Qwen/Qwen3-8B --gpu l4 --scenario chat --format json"


def main() -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something is stale")
    checking = parser.parse_args().check
    made = list(generate())
    stale = [path for path, text in made if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path, text in made:
        if path in stale and not checking:
            path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{'stale' if checking else 'wrote'} {path.relative_to(ROOT)}")
    if checking and stale:
        print("run: python tools/make_docs.py", file=sys.stderr)
    return int(checking and bool(stale))


def generate() -> Iterator[tuple[Path, str]]:
    """Every page and file with the text it should have."""
    nothing = Path(os.devnull) / "none"  # presets are read from their YAML files, not from what is made here
    with patch.dict(os.environ, ENVIRONMENT), patch.object(scenarios, "PREPARED", nothing):
        os.environ.pop("FORCE_COLOR", None)
        for name, make in FILES.items():
            yield ROOT / name, make()
        for page in pages():
            yield page, render(page.read_text(encoding="utf-8"))


def pages() -> list[Path]:
    """The pages that people write."""
    made = {ROOT / name for name in FILES}
    return [ROOT / "README.md", *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path not in made)]


def render(page: str) -> str:
    """The page with its blocks filled anew."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return BLOCK.sub(_fill, page)


def _fill(block: re.Match[str]) -> str:
    if block["name"]:
        Path(block["name"]).write_text(block["text"], encoding="utf-8")
        return block[0]
    kind, _, argument = block["what"].partition(" ")
    match kind:
        case "llmtune" | "cat":
            body = printed(block["what"])
        case "file":
            text = (ROOT / argument).read_text(encoding="utf-8")
            body = _fenced(LANGUAGES[Path(argument).suffix], text)
        case "table":
            body = TABLES[argument]()
        case _:
            raise SystemExit(f"make_docs: unknown block '{block['what']}'")
    return f"{block['open']}{body}{block['close']}"


def printed(command: str) -> str:
    """A command as a reader would type it, what it prints, and its exit code when that is not 0."""
    words = shlex.split(command)
    text, code = (Path(words[1]).read_text(encoding="utf-8"), 0) if words[0] == "cat" else run(words)
    if text and not text.endswith("\n"):
        text += "\n"
    end = f"$ echo $?\n{code}\n" if code else ""
    return _fenced("console", f"$ {command}\n{text}{end}")


def run(words: list[str]) -> tuple[str, int]:
    """What ``llmtune WORDS`` prints on both streams, and its exit code."""
    from llmtune.cli import main as llmtune

    raw = io.BytesIO()
    screen = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    code: object = 0
    with patch.object(sys, "argv", words), contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        try:
            llmtune()
        except SystemExit as stop:
            code = stop.code or 0
    return raw.getvalue().decode(), int(str(code))


def _document(command: str) -> str:
    text, code = run(shlex.split(command))
    if code:
        raise SystemExit(f"make_docs: '{command}' ends with {code}: {text}")
    return text


def _prepared_scenarios() -> str:
    found = {name: scenarios.load(name) for name in scenarios.names()}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _scenario_schema() -> str:
    from llmtune.readers.scenario_schema import ScenarioFile

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ScenarioFile.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _worked_sum() -> str:
    return docs_worked_sum.write(_document(ESTIMATE), ESTIMATE)


def _worked_time() -> str:
    return docs_worked_time.write(_document(docs_worked_time.COMMAND))


def _releases() -> str:
    return docs_tables.releases(_document)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}```\n"


def _benchmark() -> ModuleType:
    """The accuracy page is made by the benchmark that measures it."""
    sys.path.insert(0, str(ROOT))
    from benchmarks import startup_page

    return startup_page


def _speed() -> str:
    """The section about speed, from the last run of its benchmark."""
    sys.path.insert(0, str(ROOT))
    from benchmarks import performance_page

    return performance_page.section()


def _graphs() -> str:
    """Measured times to the first token, by what CUDA graphs cover."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.performance_rows import by_graphs

    rows = [(*row[:-1], f"{row[-1] * 1e3:.0f} ms") for row in by_graphs()]
    return docs_tables.table(("GPU", "capture size", "clients", "runs", "measured TTFT"), rows)


FILES: dict[str, Callable[[], str]] = {
    "docs/concepts/accuracy.md": lambda: str(_benchmark().page()).rstrip("\n") + "\n\n" + _speed(),
    "src/llmtune/catalog/data/scenarios.json": _prepared_scenarios,
    "docs/reference/cli.md": docs_tables.command_reference,
    "docs/reference/rules.md": docs_rules.page,
    "docs/reference/scenario.schema.json": _scenario_schema,
    "docs/reference/estimate.example.json": lambda: _document(ESTIMATE),
    "docs/reference/recommendation.example.json": lambda: _document(RECOMMENDATION),
}
TABLES: dict[str, Callable[[], str]] = {
    "accuracy": lambda: str(_benchmark().two_lines()),
    "behaviour": docs_tables.behaviour,
    "behaviour-speed": docs_tables.behaviour_of_speed,
    "behaviour-entry": docs_tables.behaviour_entry,
    "batch-defaults": docs_tables.batch_defaults,
    "catalog": docs_tables.catalog,
    "coefficients": docs_times.quantities,
    "constants": docs_tables.constants,
    "coverage": docs_times.coverage,
    "formats": docs_times.formats,
    "generations": docs_times.generations,
    "graphs": _graphs,
    "links": docs_times.links,
    "options": docs_tables.option_ranges,
    "releases": _releases,
    "sampling": docs_tables.sampling,
    "scenarios": docs_tables.scenario_table,
    "scenario-reasons": docs_tables.scenario_reasons,
    "worked-sum": _worked_sum,
    "worked-time": _worked_time,
}


if __name__ == "__main__":
    sys.exit(main())
