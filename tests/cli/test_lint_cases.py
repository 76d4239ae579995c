"""Files as people write them: what lint says about the bad ones, word for word, and nothing about the good ones.

``tests/cases/bad/NAME.expected.txt`` is what ``llmtune lint OPTIONS bad/NAME.EXT`` prints at 100 columns; the options
of a file stand in ``tests/cases/options.json``. After a change that was meant, write them anew and read the difference:

    python -m pytest tests/cli/test_lint_cases.py --update-goldens
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmtune.catalog import engines, gpus
from llmtune.cli import main
from llmtune.cli.fixing import fixed
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers import ReadError
from llmtune.readers.source import Source
from llmtune.rules import rules
from llmtune.spec.hardware import Hardware
from llmtune.writers.fixes import apply_fixes

if TYPE_CHECKING:
    from llmtune.spec.finding import Finding

CASES = Path(__file__).resolve().parents[1] / "cases"
EXPECTED = ".expected.txt"
OPTIONS: dict[str, str] = json.loads((CASES / "options.json").read_text(encoding="utf-8"))
BAD = sorted(path.name for path in (CASES / "bad").iterdir() if not path.name.endswith(EXPECTED))
GOOD = sorted(path.name for path in (CASES / "good").iterdir())
WIDTH = 100
SECRETS = re.compile("hf_(?!token)|sk-team|9b1deb4d|3f1c9a7b|team-secret|changeme")  # how those in the files begin
READABLE = [name for name in BAD if not name.startswith(("broken_", "saved_by_"))]
# What a file cannot show in words: a free amount of memory is an option of the machine that asks.
ELSEWHERE: frozenset[str] = frozenset()


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(CASES)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def golden(name: str) -> Path:
    path = CASES / "bad" / name
    return path.with_name(path.name.split(".")[0] + EXPECTED)


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, *words: str
) -> tuple[int, str]:
    """Exit code and standard output of ``llmtune lint`` for a file, with its options."""
    monkeypatch.setattr(sys, "argv", ["llmtune", "lint", *OPTIONS.get(name, "").split(), *words, name])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0), capsys.readouterr().out


def options(name: str) -> LintOptions:
    words = OPTIONS.get(name, "").split()
    given = dict(zip(words[::2], words[1::2], strict=True))
    hardware = None
    if "--gpu" in given:
        count = given.get("--gpus")
        origin = "option" if count else "option without count"
        hardware = Hardware(gpus.find(given["--gpu"]), int(count or 1), origin=origin)
    release = given.get("--vllm-version")
    return LintOptions(release=engines.find(release) if release else None, hardware=hardware)


def test_there_are_enough() -> None:
    assert len(BAD) >= 45
    assert len(GOOD) >= 45
    assert {f"bad/{name}" for name in BAD} | {f"good/{name}" for name in GOOD} >= set(OPTIONS)
    assert len({golden(name) for name in BAD}) == len(BAD)


@pytest.mark.parametrize("name", BAD)
def test_bad(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config
) -> None:
    code, text = said(monkeypatch, capsys, f"bad/{name}")
    assert "a bug in llmtune" not in text
    if pytestconfig.getoption("--update-goldens"):
        golden(name).write_text(text, encoding="utf-8")
    assert text == golden(name).read_text(encoding="utf-8")
    assert all(len(line) <= WIDTH for line in text.splitlines()[:-1])
    assert not SECRETS.search(text)
    failed = any(line.startswith(("error[", "warning[")) for line in text.splitlines())
    assert code == (int(failed) if name in READABLE else 2)


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    path = f"good/{name}"
    result = lint_text(Path(path).read_text(encoding="utf-8"), path, options(path))
    assert result is not None
    assert result.findings == ()
    assert result.servers
    assert all(len(server.unchecked) < len(rules()) / 2 for server in result.servers)


def test_every_rule_has_a_case() -> None:
    found = {
        line.split("[")[1].split("]")[0]
        for name in BAD
        for line in golden(name).read_text(encoding="utf-8").splitlines()
        if line.startswith(("error[", "warning[", "info["))
    }
    assert sorted(set(rules()) - found - ELSEWHERE) == []
    assert sorted(found - set(rules())) == []


@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
@pytest.mark.parametrize("name", READABLE)
def test_fixes_touch_nothing_else(name: str, *, unsafe: bool) -> None:
    """Round by round: lines without an edit stay as they are, and the result can be read."""
    path = f"bad/{name}"
    text = Path(path).read_text(encoding="utf-8")
    whole = fixed(text, path, options(path), unsafe=unsafe)[0]
    for _ in range(20):
        after, done = apply_fixes(Source(text, path), findings(text, path), unsafe=unsafe)
        assert is_subsequence(untouched(text, done), after.splitlines())
        if after == text:
            break
        text = after
    assert text == whole
    assert fixed(text, path, options(path), unsafe=unsafe) == (text, 0)


def findings(text: str, path: str) -> tuple[Finding, ...]:
    try:
        result = lint_text(text, path, options(path))
    except ReadError as error:
        pytest.fail(f"no longer readable: {error}\n{text}")
    assert result is not None
    return result.findings


def untouched(text: str, done: list[Finding]) -> list[str]:
    """The lines of a text in which no edit of the findings lies."""
    edited = {
        line
        for finding in done
        if finding.fix is not None
        for edit in finding.fix.edits
        for line in range(edit.span.line, edit.span.end_line + 1)
    }
    return [line for number, line in enumerate(text.splitlines(), 1) if number not in edited]


def is_subsequence(lines: list[str], others: list[str]) -> bool:
    rest = iter(others)
    return all(line in rest for line in lines)


def test_fixing_in_place(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The command does what the functions above do: once through files of several kinds."""
    (tmp_path / "bad").mkdir()
    for name in ("tuned_to_death.sh", "compose_rag_stack.yaml", "config_booleans.yaml", "vllm.service"):
        path = f"bad/{name}"
        monkeypatch.chdir(tmp_path)
        shutil.copy(CASES / path, path)
        before = Path(path).read_text(encoding="utf-8")
        said(monkeypatch, capsys, path, "--fix", "--unsafe")
        after = Path(path).read_text(encoding="utf-8")
        assert after == fixed(before, path, options(path), unsafe=True)[0] != before
        said(monkeypatch, capsys, path, "--fix", "--unsafe")
        assert Path(path).read_text(encoding="utf-8") == after
