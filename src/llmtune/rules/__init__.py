"""Lint rules: one module each, and its file name is the rule's name.

A rule module has a docstring (the text of ``llmtune explain``, of the docs page and of SARIF: a first line that says
what is wrong, what and why, ``Example:`` and ``Use instead:``), ``SEVERITY``, ``check(case)``, and where they differ
from the defaults ``CONFIDENCE`` ("certain"), ``SINCE`` and ``UNTIL`` (releases in which it applies, both included) and
``NEEDS``: facts without which it is not checked: ``release`` (somebody said which), ``model``, ``hardware``,
``memory``, ``arguments`` (no variable hides any), ``container`` (a container is described in full).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from llmtune.spec.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding


@lru_cache(maxsize=1)
def rules() -> dict[str, Rule]:
    """Every rule by name."""
    found = {}
    for module_info in iter_modules(__path__):
        module = import_module(f"{__name__}.{module_info.name}")
        if hasattr(module, "check"):
            rule = Rule(
                name=module_info.name.replace("_", "-"),
                severity=module.SEVERITY,
                confidence=getattr(module, "CONFIDENCE", "certain"),
                needs=tuple(getattr(module, "NEEDS", ())),
                since=getattr(module, "SINCE", None),
                until=getattr(module, "UNTIL", None),
                text=(module.__doc__ or "").strip(),
                check=module.check,
            )
            found[rule.name] = rule
    return found


def judge(case: Case, chosen: Iterable[Rule]) -> tuple[list[Finding], list[str]]:
    """What rules say about a case, and the names of those that lacked a fact."""
    findings: list[Finding] = []
    unchecked: list[str] = []
    for rule in chosen:
        if (rule.since or rule.until) and not case.facts.history.within(case.engine, rule.since, rule.until):
            continue
        if rule.needs and not all(has(case, need) for need in rule.needs):
            unchecked.append(rule.name)
            continue
        findings += [stamped(rule, finding) for finding in rule.check(case)]
    return findings, unchecked


def stamped(rule: Rule, finding: Finding) -> Finding:
    """A finding with the rule's name, severity and confidence."""
    return replace(
        finding,
        rule=rule.name,
        severity=finding.severity or rule.severity,
        confidence=finding.confidence or rule.confidence,
    )


def has(case: Case, need: str) -> bool:
    """Whether a fact is known."""
    match need:
        case "release":
            return case.release_known
        case "model":
            return case.model is not None
        case "hardware":
            return case.hardware is not None
        case "memory":
            return case.memory is not None
        case "arguments":
            return not case.open_ended
        case "container":
            return case.in_container
    raise ValueError(need)


def reported(case: Case, name: str) -> Iterator[Finding]:
    """What reading the file found under a rule's name."""
    for notice in case.notices:
        if notice.name == name:
            yield case.finding(notice.message, notice.span, fix=notice.fix)
