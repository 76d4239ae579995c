"""The page of all lint rules: the docstrings of the rule modules, in order, with their facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.cli.rule_pages import NEEDS, releases
from llmtune.rules import rules

if TYPE_CHECKING:
    from llmtune.spec.rule import Rule

HEAD = """# Lint rules

What `llmtune lint` looks for: {count} rules. This page is made by `python tools/make_docs.py` from the rules
themselves; `llmtune explain RULE` shows the same text. An **error** will fail or be wrong, a **warning** is wasteful or
risky, an **info** is worth knowing. A rule that lacks a fact is not checked, and `--show-files` says so.

| rule | severity | what is wrong |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    found = [rules()[name] for name in sorted(rules())]
    table = "".join(f"| [`{rule.name}`](#{rule.name}) | {rule.severity} | {_title(rule)} |\n" for rule in found)
    return HEAD.format(count=len(found)) + table + "".join(f"\n{_section(rule)}" for rule in found)


def _title(rule: Rule) -> str:
    return rule.title.rstrip(".").replace("|", "\\|")


def _section(rule: Rule) -> str:
    facts = [f"{rule.severity}", f"confidence: {rule.confidence}"]
    if rule.since or rule.until:
        facts.append(f"vLLM {releases(rule.since, rule.until)}")
    facts += [f"needs {NEEDS[need]}" for need in rule.needs]
    text = re.sub(r"^    ", "", rule.text, flags=re.MULTILINE)
    text = re.sub(r"^(Example|Use instead):\n", r"**\1**\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"^(```\w+)[^\n]*$", r"\1", text, flags=re.MULTILINE)
    return f"## {rule.name}\n\n*{'; '.join(facts)}*\n\n{text}\n"
