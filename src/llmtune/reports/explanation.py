"""What ``explain`` prints of a setting or a sampling parameter: a page to read, or JSON.

The page is plain text that wraps to the paper's width; only headings are bold, so it does without rich.
"""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.reports.text import Paper
    from llmtune.spec.explanation import Change, SamplingExplanation, SettingExplanation

SETTING = "llmtune/explain-setting/1"
SAMPLING = "llmtune/explain-sampling/1"
LEFT = 34  # columns, and at most half the page; a longer label stands on a line of its own
ROOM = 20  # columns that text gets at least
SHORT = 24  # characters of a default that is told again when it changes


def setting_text(page: SettingExplanation, paper: Paper) -> str:
    """A setting as a page."""
    out = _Page(paper)
    out.headline(f"--{page.flag} · vLLM {page.release}")
    out.paragraphs([page.what, *_remarks(page)])
    out.table("", _facts(page))
    switch = page.option.type == "bool"
    out.section("Do instead", page.instead)
    out.section("On" if switch else "More", page.more)
    out.section("Off" if switch else "Less", page.less)
    out.section("Advice", page.advice)
    out.table("Over the releases", [(change.release, _said(change, page.flag)) for change in page.history.changes])
    out.table("Related", page.related)
    out.section("Source", f"vLLM {page.source}.")
    return out.text()


def sampling_text(page: SamplingExplanation, paper: Paper) -> str:
    """A sampling parameter as a page."""
    out = _Page(paper)
    out.headline(f"{page.name} · sampling parameter of a request · vLLM {page.release}")
    asked = [f"{page.asked} is another name of it."] if page.asked else []
    other = f"The server's setting --{page.setting} is something else: llmtune explain --{page.setting}."
    out.paragraphs([page.what, *asked, *([other] if page.setting else [])])
    known = {"formula": page.formula, "range": page.range, "default": _plain(page.default)}
    out.table("", [(label, text) for label, text in known.items() if text])
    out.section("More", page.more)
    out.section("Less", page.less)
    out.section("Advice", page.advice)
    out.table("In the scenarios", [(use.scenario, f"{use.value:g}: {use.reason}") for use in page.uses])
    out.bullets("Interplay", page.interplay)
    if any(page.name in step.parameters for step in page.order):
        steps = [(page.name in step.parameters, step.text) for step in page.order]
        out.steps("Where it acts", steps, page.order_note)
    out.section("For all requests of a server", _server(page))
    out.table("Related", page.related)
    out.section("Source", f"vLLM {page.release}: {page.source}.")
    return out.text()


def setting_json(page: SettingExplanation) -> str:
    """A setting as a document."""
    option, history = page.option, page.history
    return _dump(
        {
            "schema": SETTING,
            "setting": page.flag,
            "vllm": page.release,
            "status": page.status,
            "option_of": page.table,
            "type": page.takes,
            "default": page.default,
            "choices": list(page.choices),
            "aliases": list(option.aliases),
            "negatable": option.negatable,
            "deprecated": option.deprecated,
            "since": history.since,
            "since_or_earlier": history.from_the_start,
            "removed": history.removed,
            "changes": [
                {"release": change.release, "what": change.what, "before": change.before, "after": change.after}
                for change in history.changes
            ],
            **_texts(page, ("what", "more", "less", "advice", "instead", "accepted_as", "note")),
            "related": [name for name, _ in page.related],
            "source": page.source,
        }
    )


def sampling_json(page: SamplingExplanation) -> str:
    """A sampling parameter as a document."""
    return _dump(
        {
            "schema": SAMPLING,
            "parameter": page.name,
            "vllm": page.release,
            "default": page.default,
            **_texts(page, ("range", "formula", "what", "more", "less", "advice")),
            "scenarios": {use.scenario: {"value": use.value, "reason": use.reason} for use in page.uses},
            "interplay": list(page.interplay),
            "order": [{"step": step.text, "parameters": list(step.parameters)} for step in page.order],
            "generation_config_key": page.server,
            "related": [name for name, _ in page.related],
            "source": page.source,
        }
    )


def _texts(page: object, keys: Iterable[str]) -> dict[str, Any]:
    """The fields that have something to say."""
    return {key: getattr(page, key) for key in keys if getattr(page, key) is not None}


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _remarks(page: SettingExplanation) -> list[str]:
    """What must be known before the rest: another name, another release."""
    lines = []
    if page.asked:
        lines.append(f"{page.asked} is {_relation(page)} --{page.flag}.")
    if page.status == "not yet":
        lines.append(f"vLLM {page.release} does not have it yet: it came with {page.history.since}.")
    if page.status == "removed":
        lines.append(f"vLLM {page.release} does not have it any more: it was removed in {page.history.removed}.")
    if page.accepted_as:
        lines.append(f"This release accepts the name again, as the opposite of --{page.accepted_as}.")
    if page.note:
        lines.append(f"{page.note}.")
    return lines


def _relation(page: SettingExplanation) -> str:
    """How the name that was asked for relates to the setting."""
    asked = (page.asked or "").replace("_", "-").lstrip("-")
    if asked in {f"no-{page.flag}", page.option.inverse}:
        return "the opposite of"
    return "a key of" if "." in asked else "another name of"


def _facts(page: SettingExplanation) -> list[tuple[str, str]]:
    """Type, default, choices and age."""
    option, history = page.option, page.history
    takes = f"{page.takes}; 8k is 8000, 8K is 8192" if option.human and option.type == "int" else page.takes
    since = f"{history.since} or earlier" if history.from_the_start else history.since
    until = f", removed in {history.removed}" if history.removed else ""
    rows = [
        ("type", takes + ("; 'auto' too" if option.auto else "")),
        ("default", _plain(page.default)),
        ("choices", ", ".join(page.choices)),
        ("also", ", ".join([*option.aliases, *([f"--no-{page.flag}"] if option.negatable else [])])),
        ("deprecated", f"yes, in {page.table}" if option.deprecated else ""),
        ("since", since + until),
    ]
    return [(label, text) for label, text in rows if text]


def _said(change: Change, flag: str) -> str:
    """A change in words."""
    match change.what:
        case "default":
            before, after = _plain(change.before), _plain(change.after)
            return f"default changed from {before} to {after}" if len(before) <= SHORT else f"default now {after}"
        case "type":
            return f"type changed from {change.before} to {change.after}"
        case "deprecated":
            return "deprecated"
        case "negation":
            return f"--no-{flag} is understood"
        case _:
            return _choices(change.before, change.after)


def _choices(gone: Any, come: Any) -> str:
    if come is None:
        return "choices are no longer listed by the parser"
    if gone is None:
        return f"choices: {', '.join(come)}"
    parts = [f"{word} {', '.join(values)}" for word, values in (("new:", come), ("gone:", gone)) if values]
    return "choices " + "; ".join(parts)


def _server(page: SamplingExplanation) -> str | None:
    """How a server gives it to requests that do not set it."""
    if page.server is None:
        return None
    example = f" '{json.dumps({page.server: page.uses[0].value})}'" if page.uses else ""
    return (
        f"A request that does not set it gets {page.server} of --override-generation-config{example}, else of the "
        f"model's generation_config.json (--generation-config auto, the default from 0.8.0 on), else the default."
    )


def _plain(value: object) -> str:
    """A default as people would write it."""
    match value:
        case None:
            return "unset"
        case True:
            return "on"
        case False:
            return "off"
        case "":
            return "empty"
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


class _Page:
    """Text that is written top to bottom."""

    def __init__(self, paper: Paper) -> None:
        """Start an empty page."""
        self._paper = paper
        self._lines: list[str] = []

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"

    def headline(self, text: str) -> None:
        """What it is about."""
        self._hang("", text if self._paper.unicode else text.replace("·", "|"), bold=True)

    def paragraphs(self, texts: Iterable[str]) -> None:
        """Sentences at the margin."""
        for text in texts:
            self._hang("", text)

    def section(self, title: str, text: str | None) -> None:
        """A heading with a paragraph."""
        if text:
            self._heading(title)
            self._hang("  ", text)

    def bullets(self, title: str, texts: Sequence[str]) -> None:
        """A list of sentences."""
        if texts:
            self._heading(title)
        for text in texts:
            self._hang("  - ", text)

    def steps(self, title: str, steps: Iterable[tuple[bool, str]], note: str) -> None:
        """Numbered steps; an arrow and bold letters mark the ones in question."""
        self._heading(title)
        for number, (marked, text) in enumerate(steps, 1):
            self._hang(f"{'->' if marked else '  '} {number:>2}. ", text, bold=marked)
        self._hang("  ", note)

    def table(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Left a name, right what to know of it."""
        if not rows:
            return
        self._heading(title)
        limit = min(LEFT, self._paper.width // 2 - 4)
        fitting = max((len(left) for left, _ in rows if len(left) <= limit), default=2)
        for left, right in rows:
            if len(left) > fitting:
                self._lines.append(f"  {left}")
            self._hang(f"  {left if len(left) <= fitting else '':<{fitting}}  ", right)

    def _heading(self, title: str) -> None:
        self._lines.append("")
        if title:
            self._bold(title)

    def _bold(self, text: str) -> None:
        self._lines.append(f"\x1b[1m{text}\x1b[0m" if self._paper.color else text)

    def _hang(self, left: str, right: str, *, bold: bool = False) -> None:
        """A label and text that wraps beside it."""
        lines = wrap(right, max(ROOM, self._paper.width - len(left)), break_on_hyphens=False, break_long_words=False)
        first, *rest = [f"{left if number == 0 else ' ' * len(left)}{line}" for number, line in enumerate(lines)]
        for line in (first, *rest):
            self._bold(line) if bold else self._lines.append(line)
