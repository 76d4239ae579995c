"""``lint --format text``: the place, the numbers and the cure, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.lint_json import summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.finding import Finding
    from llmtune.spec.lint import CheckedFile, LintResult
    from llmtune.spec.rule import Rule

COLORS = {"error": "31;1", "warning": "33;1", "info": "36;1", "frame": "34", "strong": "1"}
TAB = "    "


def render(result: LintResult, _: Mapping[str, Rule], paper: Paper) -> str:
    """Every finding with its line, then what was looked at."""
    lines = [line for file in result.checked for finding in file.findings for line in _finding(file, finding, paper)]
    return "\n".join([*lines, *_wrapped("", "", closing(result), paper), ""])


def closing(result: LintResult) -> str:
    """The last line: what was found, in how many servers, and what could not be checked."""
    counts = summary(result)
    found = [_count(number, severity) for severity, number in counts["findings"].items() if number]
    where = f"{_count(counts['servers'], 'server')} in {_count(counts['files'], 'file')}"
    parts = [f"{', '.join(found) or 'no findings'} in {where}"]
    if counts["fixable"]:
        parts.append(f"{counts['fixable']} can be fixed with --fix (some with --unsafe)")
    if counts["suppressed"]:
        parts.append(f"{counts['suppressed']} suppressed")
    unchecked = {name for file in result.checked for server in file.servers for name in server.unchecked}
    if unchecked:
        parts.append(f"{_count(len(unchecked), 'rule')} not checked for lack of a fact (--show-files names them)")
    return "; ".join(parts)


def _finding(file: CheckedFile, finding: Finding, paper: Paper) -> Iterator[str]:
    """One finding as a block of lines."""
    span = finding.span
    line = file.lines.get(span.line, "")
    gutter = " " * len(str(span.line))
    bar = _paint("|", "frame", paper)
    head = _paint(f"{finding.severity}[{finding.rule}]", finding.severity, paper)
    yield from _wrapped(f"{head}: ", f"{finding.severity}[{finding.rule}]: ", finding.message, paper)
    arrow = _paint("-->", "frame", paper)
    about = f" ({finding.server})" if finding.server and len(file.servers) > 1 else ""
    yield f"{gutter}{arrow} {span.file}:{span.line}:{span.column}{about}"
    if line.strip():
        yield from _excerpt(finding, line, paper)
    elif finding.note:
        yield f"{gutter} {bar} {finding.note}"
    said = finding.help if finding.fix is None or finding.help != finding.fix.title else ""
    for text in filter(None, (said, _fix(finding))):
        lead = f"{gutter} {_paint('=', 'frame', paper)} "
        yield from _wrapped(lead, f"{gutter} = ", f"help: {text}", paper)
    yield ""


def _excerpt(finding: Finding, line: str, paper: Paper) -> Iterator[str]:
    """The line with the place marked; a long line is cut around it."""
    span = finding.span
    number, gutter, bar = str(span.line), " " * len(str(span.line)), _paint("|", "frame", paper)
    start = len(line[: span.column - 1].replace("\t", TAB))
    end_column = span.end_column if span.end_line == span.line else len(line) + 1
    length = max(1, len(line[span.column - 1 : end_column - 1].replace("\t", TAB)))
    text = line.replace("\t", TAB)
    room = max(20, paper.width - len(number) - 4)
    if len(text) > room:
        first = max(0, min(start - room // 4, len(text) - room))
        text, start = text[first : first + room], start - first
        length = min(length, max(1, room - start))
    yield f"{gutter} {bar}"
    yield f"{_paint(number, 'frame', paper)} {bar} {text}"
    marks = _paint("^" * length, finding.severity, paper)
    note = f" {finding.note}" if finding.note else ""
    if note and len(gutter) + 3 + start + length + len(note) > paper.width:
        yield f"{gutter} {bar} {' ' * start}{marks}"
        yield from _wrapped(f"{gutter} {bar} ", f"{gutter} | ", finding.note, paper)
    else:
        yield f"{gutter} {bar} {' ' * start}{marks}{note}"
    yield f"{gutter} {bar}"


def _fix(finding: Finding) -> str:
    if finding.fix is None:
        return ""
    how = "--fix" if finding.fix.safe else "--fix --unsafe"
    return f"{how} can do it: {finding.fix.title}"


def _wrapped(lead: str, plain: str, text: str, paper: Paper) -> Iterator[str]:
    """A text behind a lead, which may be coloured; ``plain`` is what it looks like."""
    from textwrap import wrap  # noqa: PLC0415 - only this report wraps

    lines = wrap(
        f"{plain}{text}", paper.width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    ) or [plain]
    yield f"{lead}{lines[0][len(plain) :]}"
    yield from lines[1:]


def _paint(text: str, what: str, paper: Paper) -> str:
    return f"\x1b[{COLORS[what]}m{text}\x1b[0m" if paper.color else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 or noun == 'info' else 's'}"
