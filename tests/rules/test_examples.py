"""Every rule's own text: its example breaks that rule and no other, and what to use instead breaks none.

A block's first line says in which language it is and what the command line would say: ``sh vllm-version=0.16.0 gpu=l4
gpus=2 nodes=2 free-memory=12GiB name=deploy.yaml``. Blocks of ``text`` are for readers only.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.catalog import engines, gpus
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers import ReadError
from llmtune.rules import rules
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.rule import Rule

BLOCK = re.compile(r"^    ```(\w+)([^\n]*)\n(.*?)^    ```$", re.MULTILINE | re.DOTALL)
HEADINGS = re.compile(r"^(Example|Use instead):$", re.MULTILINE)
NAMES = {"sh": "serve.sh", "yaml": "deploy.yaml", "dockerfile": "Dockerfile", "ini": "vllm.service"}
GIB = 1 << 30
# Found before there is a server: by reading the file, or about comments.
WHOLE_FILE = frozenset({"invalid-yaml", "unreadable-file"})


def blocks(rule: Rule, heading: str) -> list[tuple[str, str, str]]:
    """Language, options and text of the blocks under a heading."""
    parts = HEADINGS.split(rule.text)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return [
        (match[1], match[2], re.sub(r"^ {4}", "", match[3], flags=re.MULTILINE))
        for match in BLOCK.finditer(found.get(heading, ""))
    ]


def options(words: str) -> tuple[LintOptions, str]:
    """What the command line would say, and the file's name."""
    given = dict(word.split("=", 1) for word in words.split())
    hardware = None
    if "gpu" in given:
        hardware = Hardware(gpus.find(given["gpu"]), int(given.get("gpus", 1)), int(given.get("nodes", 1)))
    if "free-memory" in given and hardware:
        hardware = replace(hardware, free_memory=int(given["free-memory"].removesuffix("GiB")) * GIB)
    release = engines.find(given["vllm-version"]) if "vllm-version" in given else None
    return LintOptions(release=release, hardware=hardware), given.get("name", "")


def reported(language: str, words: str, text: str) -> set[str]:
    """The rules that a text breaks."""
    chosen, name = options(words)
    try:
        result = lint_text(text, name or NAMES[language], chosen)
    except ReadError as error:
        return {error.name}
    assert result is not None, "no reader knows it"
    assert result.servers or result.findings, "no server in it"
    return {finding.rule for finding in result.findings}


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.name)
def test_example_breaks_this_rule_only(rule: Rule) -> None:
    examples = blocks(rule, "Example")
    assert examples
    for language, words, text in examples:
        if language != "text":
            assert reported(language, words, text) == {rule.name}


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.name)
def test_what_to_use_instead_breaks_no_rule(rule: Rule) -> None:
    instead = blocks(rule, "Use instead")
    assert instead
    for language, words, text in instead:
        if language != "text":
            assert reported(language, words, text) == set()
