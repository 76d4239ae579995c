"""What tests of rules share: lint a text for some rules, on some GPUs, or mend it with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from llmtune.catalog import engines, gpus
from llmtune.cli.fixing import fixed
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.finding import Finding

GIB = 1 << 30


class Checker:
    """Lints texts for a few rules; all of them where none is named."""

    @staticmethod
    def findings(text: str, *rules: str, name: str = "a.sh", release: str | None = None) -> list[Finding]:
        options = LintOptions(release=engines.find(release) if release else None, select=frozenset(rules))
        result = lint_text(text, name, options)
        assert result is not None
        return list(result.findings)

    def names(self, text: str, *rules: str, name: str = "a.sh", release: str | None = None) -> list[str]:
        return [finding.rule for finding in self.findings(text, *rules, name=name, release=release)]

    @staticmethod
    def mended(text: str, *rules: str, name: str = "a.sh", release: str | None = None) -> str:
        options = LintOptions(release=engines.find(release) if release else None, select=frozenset(rules))
        once = fixed(text, name, options, unsafe=True)[0]
        assert fixed(once, name, options, unsafe=True)[0] == once
        return once


@pytest.fixture(scope="session")
def check() -> Checker:
    return Checker()


class Found(Protocol):
    """What one rule finds in a text, on ``count`` GPUs of ``nodes`` nodes with ``free`` GiB of free memory each."""

    def __call__(self, text: str, rule: str, **facts: Any) -> list[Finding]: ...


def find(text: str, rule: str, **facts: Any) -> list[Finding]:
    hardware = None
    if "gpu" in facts:
        hardware = Hardware(gpus.find(facts["gpu"]), facts.get("count", 1), facts.get("nodes", 1))
        if "free" in facts:
            hardware = replace(hardware, free_memory=int(facts["free"] * GIB))
    release = engines.find(facts["release"]) if "release" in facts else None
    result = lint_text(text, facts.get("name", "serve.sh"), LintOptions(release, hardware, select=frozenset({rule})))
    assert result is not None
    assert result.servers
    return list(result.findings)


@pytest.fixture
def found() -> Found:
    return find
