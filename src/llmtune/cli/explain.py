"""``llmtune explain``: what a setting of vLLM, a sampling parameter or a lint rule means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from llmtune.cli import options as opt  # noqa: TC001 - Typer reads the annotations

if TYPE_CHECKING:
    from llmtune.spec.explanation import SamplingExplanation, SettingExplanation

RULE = "llmtune/explain-rule/1"
FORMATS = ("text", "json")
Word = Annotated[
    str, typer.Argument(help="A setting (max-num-seqs, -tp), a sampling parameter or a lint rule.", metavar="WORD")
]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


class AnyWord(TyperCommand):
    """A command whose argument may look like an option: ``llmtune explain --max-num-seqs``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move words that look like options but are none of ours behind ``--``."""
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        foreign = [word for word in args if word.startswith("-") and word.partition("=")[0] not in own]
        if "--" in args or not foreign:
            return super().parse_args(ctx, args)
        return super().parse_args(ctx, [*(word for word in args if word not in foreign), "--", *foreign])


def command(word: Word, format_: Format = "text", vllm_version: opt.EngineRelease = None) -> None:
    """Explain a setting of vLLM, a sampling parameter or a lint rule: what it does, defaults, history, advice."""
    from llmtune.cli.errors import UserError  # noqa: PLC0415 - not needed by --help
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    if format_ not in FORMATS:  # cli.judge could check it, and would bring every calculation along
        raise UserError(f"--format must be one of {', '.join(FORMATS)}, not '{format_}'")
    page = explanation_of(word, vllm_version or "latest")
    text = _rendered(word, page, format_)
    if format_ == "text" and not isinstance(page, str):
        text += _rule_of_the_same_name(word)
    deliver(text, None)


def _rule_of_the_same_name(word: str) -> str:
    """The page of a rule that is called as the setting is (enforce-eager), to stand below it."""
    from llmtune.cli import rule_pages  # noqa: PLC0415 - not needed by --help

    found = rule_pages.find(word.lstrip("-"))
    return f"\nLint rule {found}" if found else ""


def explanation_of(word: str, version: str = "latest") -> SamplingExplanation | SettingExplanation | str:
    """What a word means: a sampling parameter first, then a setting, then a lint rule (its page as text).

    Raises:
        UserError: for a word that is none of them, with the nearest names.

    """
    from llmtune.catalog import explanations  # noqa: PLC0415 - not needed by --help
    from llmtune.cli import rule_pages  # noqa: PLC0415
    from llmtune.rules import rules  # noqa: PLC0415

    found = explanations.sampling(word) or explanations.setting(word, version) or rule_pages.find(word)
    if found is None:
        raise _unknown(word, explanations.names() | {name: name for name in rules()})
    return found


def _unknown(word: str, known: dict[str, str]) -> Exception:
    """The one line for a word that nobody knows."""
    from llmtune.catalog import UnknownName  # noqa: PLC0415 - only for an error
    from llmtune.cli.errors import UserError  # noqa: PLC0415

    name = word.partition("=")[0]  # what stands behind may be a secret
    plain = name.lower().replace("_", "-").lstrip("-")
    longer = [full for spelling, full in known.items() if plain and spelling.startswith(plain)]
    names = longer[:3] or UnknownName("setting", plain, known).suggestions
    *others, last = map(repr, names) if names else ("",)
    meant = f" Did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if last else ""
    return UserError(f"'{name}' is no setting of vLLM, sampling parameter or rule.{meant} See: llmtune explain --help")


def _rendered(word: str, page: SamplingExplanation | SettingExplanation | str, format_: str) -> str:
    """The explanation in the format that was asked for."""
    import json  # noqa: PLC0415 - not needed by --help

    from llmtune.cli.terminal import use_color, use_unicode, width  # noqa: PLC0415
    from llmtune.reports import explanation as report  # noqa: PLC0415
    from llmtune.reports.text import Paper  # noqa: PLC0415
    from llmtune.spec.explanation import SettingExplanation  # noqa: PLC0415

    as_json = format_ == "json"
    if isinstance(page, str):
        document = {"schema": RULE, "rule": word, "text": page}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n" if as_json else page
    sheet = Paper(width(), color=use_color("auto"), unicode=use_unicode())
    if isinstance(page, SettingExplanation):
        return report.setting_json(page) if as_json else report.setting_text(page, sheet)
    return report.sampling_json(page) if as_json else report.sampling_text(page, sheet)
