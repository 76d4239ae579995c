"""Starting up is a feature: ``--help`` and a recommendation load no library that they do not need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from llmtune.cli import _asked_alone, app

HEAVY = {"pydantic", "rich", "yaml", "pynvml", "huggingface_hub"}
LIST = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
OURS = f"""
import sys
sys.argv = ["llmtune", *sys.argv[1:]]
from llmtune.cli import main
try:
    main()
except SystemExit:
    pass
{LIST}
"""
EMPTY = f"""
import typer
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
@app.command()
def nothing(words: list[str] = typer.Argument(None), count: int = typer.Option(0, "--count")) -> None: ...
try:
    app()
except SystemExit:
    pass
{LIST}
"""


def modules_after(code: str, *words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def brought_by_typer() -> set[str]:
    return modules_after(EMPTY, "--help") | modules_after(EMPTY, "word", "--count", "1")


def test_help_loads_nothing_heavy(brought_by_typer: set[str]) -> None:
    assert not (modules_after(OURS, "--help") & HEAVY) - brought_by_typer


def test_help_loads_no_calculation_and_no_probe() -> None:
    code = OURS.replace("name.partition('.')[0]", "name")
    loaded = {name for name in modules_after(code, "--help") if name.startswith("llmtune.")}
    assert not [name for name in loaded if name.split(".")[1] in {"calc", "architectures", "probes", "readers"}]


def test_a_recommendation_loads_only_yaml_beside_what_typer_brings(brought_by_typer: set[str]) -> None:
    words = ("recommend", "Qwen/Qwen3-8B", "--gpu", "l4", "--scenario", "chat", "--format", "command")
    assert (modules_after(OURS, *words) & HEAVY) - brought_by_typer <= {"yaml"}


def test_only_the_command_that_is_asked_for_is_built_and_all_are_there_again() -> None:
    every = [command.name for command in app.registered_commands]
    with _asked_alone(["lint"]):
        assert [command.name for command in app.registered_commands] == ["lint"]
    for words in ([], ["--help"], ["nonsense"]):
        with _asked_alone(words):
            assert [command.name for command in app.registered_commands] == every
    assert [command.name for command in app.registered_commands] == every
