"""Which parsers of tool calls and thoughts fit a server's model and exist in its release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.calc.case import Case

# Kind, the option that names the parser, and the one that loads parsers of one's own.
KINDS = (
    ("tool", "tool-call-parser", "tool-parser-plugin"),
    ("reasoning", "reasoning-parser", "reasoning-parser-plugin"),
)


def model_name(case: Case) -> str:
    """What the model is called: its id, or the last part of its path; nothing where it is hidden."""
    text = case.deployment.model.rstrip("/")
    if not text or is_unknown(text):
        return ""
    parts = text.split("/")
    return parts[-1] if text.startswith(("/", ".", "~")) or len(parts) > 2 else text  # noqa: PLR2004 - org/name


def parsers_of(case: Case, kind: str) -> tuple[str, ...]:
    """Every parser of the release."""
    found: tuple[str, ...] = case.facts.history.parsers(kind, case.engine.requested or case.engine.release)
    return found


def family_parsers(case: Case, kind: str) -> tuple[str, ...]:
    """The parsers that fit the model's family, best first; none where nothing is known of it."""
    name = model_name(case)
    family = case.facts.history.parser_family(name) if name else None
    if family is None:
        return ()
    fitting: tuple[str, ...] = family.tool if kind == "tool" else family.reasoning
    return fitting


def best_parser(case: Case, kind: str) -> str | None:
    """The best parser for the model that the release has."""
    known = parsers_of(case, kind)
    return next((name for name in family_parsers(case, kind) if name in known), None)
