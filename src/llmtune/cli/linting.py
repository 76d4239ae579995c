"""From one text to findings: every rule on every server, then the comments that silence some."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.cli.cases import LintOptions, find_cases, mask, secrets_of
from llmtune.readers.secrets import redact_line, redact_text
from llmtune.readers.source import Source
from llmtune.readers.suppressions import suppress, suppressions
from llmtune.rules import judge, rules
from llmtune.spec.finding import Finding
from llmtune.spec.lint import CheckedFile, CheckedServer
from llmtune.spec.span import Span
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmtune.readers.suppressions import Suppression
    from llmtune.spec.rule import Rule
    from llmtune.spec.server import Document

__all__ = ["LintOptions", "lint_text"]


def lint_text(text: str, name: str, options: LintOptions) -> CheckedFile | None:
    """Everything the rules say about a text; None when no reader knows it.

    Raises:
        ReadError: when it cannot be read as what it is.

    """
    document, cases = find_cases(text, name, options)
    if document is None:
        return None
    chosen = chosen_rules(name, options)
    findings: list[Finding] = about_document(document, chosen)
    servers = []
    for case in cases:
        found, unchecked = judge(case, chosen)
        findings += found
        servers.append(CheckedServer(case.server.name, case.release, case.facts.release_from, tuple(unchecked)))
    hidden = secrets_of(cases)
    findings = sorted(_distinct(presentable(finding, hidden) for finding in findings), key=_place)
    source = Source(text, name)
    here, everywhere = {rule.name for rule in chosen}, set(rules())
    known = tuple(item for item in suppressions(source) if item.rule in here or item.rule not in everywhere)
    kept, silenced, unused = suppress(findings, known)
    kept = sorted([*kept, *_about_unused(unused, chosen)], key=_place)
    return CheckedFile(
        path=name,
        kind=document.kind,
        servers=tuple(servers),
        findings=tuple(kept),
        suppressed=len(silenced),
        lines={line: mask(redact_line(source.line(line)), hidden) for line in {item.span.line for item in kept}},
    )


def _place(finding: Finding) -> tuple[int, int, str]:
    return finding.span.line, finding.span.column, finding.rule


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Findings each said once: a mistake in what several servers share is that of the first one."""
    kept: dict[tuple[str, Span, str], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.rule, finding.span, finding.message), finding)
    return list(kept.values())


def presentable(finding: Finding, hidden: Iterable[str]) -> Finding:
    """A finding whose texts hold no secret and show holes as the file writes them."""

    def clean(text: str) -> str:
        written = shown(text).encode("utf-8", "replace").decode()  # an escape in a file may give half a character
        return mask(redact_text(written), hidden)

    return replace(
        finding,
        message=clean(finding.message),
        note=clean(finding.note),
        help=clean(finding.help),
        server=clean(finding.server),
    )


def _about_unused(unused: Sequence[Suppression], chosen: Sequence[Rule]) -> Iterator[Finding]:
    name = "unused-suppression"
    rule = next((rule for rule in chosen if rule.name == name), None)
    if rule is None:
        return
    for item in unused:
        yield Finding(
            message=f"nothing here breaks '{item.rule}'; delete the comment",
            span=item.span,
            rule=name,
            severity=rule.severity,
            confidence=rule.confidence,
        )


def chosen_rules(path: str, options: LintOptions) -> tuple[Rule, ...]:
    """The rules that a file is checked by."""
    ignored = options.ignore
    if options.per_file_ignores:
        below = Path(os.path.relpath(path, options.directory)).as_posix()
        for pattern, names in options.per_file_ignores.items():
            if _pattern(pattern).match_file(below):
                ignored |= set(names)
    return _rules(options.select, ignored)


@lru_cache(maxsize=64)
def _rules(select: frozenset[str], ignored: frozenset[str]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules().values() if (not select or rule.name in select) and rule.name not in ignored)


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> Any:
    import pathspec

    return pathspec.GitIgnoreSpec.from_lines([pattern])


def about_document(document: Document, chosen: Sequence[Rule]) -> list[Finding]:
    """Findings about a file as a whole; each is a rule's, by its name."""
    known = {rule.name: rule for rule in chosen}
    return [
        Finding(
            message=notice.message,
            span=notice.span or Span(document.path, 1, 1, 1, 1),
            fix=notice.fix,
            rule=notice.name,
            severity=known[notice.name].severity,
            confidence=known[notice.name].confidence,
        )
        for notice in document.notices
        if notice.name in known
    ]
