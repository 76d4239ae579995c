"""Every seed of tools/fuzz_readers.py, and inputs that it broke something with, keep the laws of fuzz_checks."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llmtune.readers import readers

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "tests" / "cases" / "fuzz"
FILES = sorted(path.relative_to(SEEDS).as_posix() for path in SEEDS.glob("*/*"))


@pytest.fixture(scope="module")
def checks() -> dict[str, Callable[[str], None]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        found: dict[str, Callable[[str], None]] = importlib.import_module("fuzz_checks").checks()
    return found


def test_every_kind_has_seeds() -> None:
    assert {name.partition("/")[0] for name in FILES} == {reader.KIND for reader in readers()}


@pytest.mark.parametrize("name", FILES)
def test_seed_keeps_the_laws(name: str, checks: dict[str, Callable[[str], None]]) -> None:
    text = (SEEDS / name).read_bytes().decode("utf-8")
    for kind in (name.partition("/")[0], "lint", "fix"):
        checks[kind](text)


def test_fuzzer_runs() -> None:
    words = [sys.executable, str(ROOT / "tools" / "fuzz_readers.py"), "--blind", "--kind", "systemd", "--seconds", "1"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "0 places broke" in result.stdout
