"""A server that a file starts, and a release: its deployment, and everything the release's parser says about it.

Behaviour of ``--model`` and ``--config`` as in vLLM 0.33.0, utils/argparse_utils.py,
FlexibleArgumentParser.parse_args.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.readers import ReadError, Reading
from llmtune.readers.arguments import cover, survey
from llmtune.spec.deployment import Deployment
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.record import dataclass
from llmtune.spec.word import Word, hole, is_unknown, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.readers.arguments import Arguments
    from llmtune.spec.deployment import Setting
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Server

MODEL_FLAG = re.compile(r"--model(=.+)?", re.DOTALL)
SERVED_NAME = re.compile(r"--served[-_]model[-_]name(=.+)?", re.DOTALL)
CONFIG_FLAG = re.compile(r"--config(=.+)?", re.DOTALL)


@dataclass(slots=True)
class _Reader:
    """Takes a server's words apart for one release; whatever is wrong is collected."""

    engine: EngineVersion
    entry: str
    directory: Path
    problems: list[ReadError] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)
    of_image: bool = False  # the arguments are those of an image's ENTRYPOINT
    near: bool = False  # open no --config file but those beside or below the file that names it
    config_unread: bool = False  # a --config file that is not here: it may hold any setting

    def refuse(self, message: str, name: str, word: Word | None = None, fix: Fix | None = None) -> None:
        """Note something that the engine refuses."""
        self.problems.append(ReadError(message, name=name, span=word.span if word else None, fix=fix))

    def warn(self, name: str, message: str, word: Word | None, fix: Fix | None = None) -> None:
        """Note something that the engine accepts and that does not do what it seems to."""
        self.warnings.append(Notice(name, message, word.span if word else None, fix))


def read_server(server: Server, engine: EngineVersion, *, directory: Path | None = None, near: bool = False) -> Reading:
    """The deployment that a server is for a release, with all mistakes in ``problems`` and ``warnings``.

    ``directory`` is where a relative ``--config`` is looked for, the current one unless given. With ``near`` only a
    file in or below it is opened: what a stranger's file names elsewhere on this machine is not looked at.
    """
    entry = _entry(server, engine)
    reader = _Reader(engine, entry, directory or Path(), of_image=server.entry == "image", near=near)
    reader.warnings += server.notices
    given = list(server.words)
    if server.config is not None:
        from llmtune.readers.kinds import vllm_yaml  # noqa: PLC0415 - reads YAML

        given += vllm_yaml.tokens(server.config, engine, reader.warnings, reader.problems)
    positionals = 0
    if entry == "serve" and server.config is None:
        given, positionals = _model_first(given, reader), 1
    if server.config is None:
        given = _with_config(given, reader)
    arguments = survey(given, engine, positionals=positionals)
    if any(notice.name == "open-quote" for notice in server.notices):  # the value is behind the quote
        kept = tuple(problem for problem in arguments.problems if problem.name != "missing-value")
        arguments = replace(arguments, problems=kept)
    model, word, settings = _model(arguments, reader, server)
    settings = _without_config(settings, reader)
    environment = {variable.name: variable.value for variable in server.variables}
    return Reading(
        deployment=Deployment(model, settings, environment, engine.requested or engine.release),
        warnings=_unsaid((*reader.warnings, *arguments.warnings), (*reader.problems, *arguments.problems)),
        problems=(*reader.problems, *arguments.problems),
        model_word=word,
        open_ended=arguments.open_ended or reader.config_unread,
    )


def _unsaid(warnings: Iterable[Notice], problems: Iterable[ReadError]) -> tuple[Notice, ...]:
    """The warnings without those that a problem says, too: a reader and the parser may meet the same word."""
    said = {(problem.name, problem.span) for problem in problems}
    return tuple(notice for notice in warnings if notice.span is None or (notice.name, notice.span) not in said)


def _entry(server: Server, engine: EngineVersion) -> str:
    """How the arguments are read; arguments of an image are those of its ENTRYPOINT in this release."""
    if server.entry == "image":
        return str(engine.behaviour.get("parser.image_entry", "api_server"))
    return server.entry


def _model_first(tokens: list[Word], reader: _Reader) -> list[Word]:
    """``--model M`` moved to the front, as ``vllm serve`` does."""
    at = next((at for at, token in enumerate(tokens) if MODEL_FLAG.fullmatch(token.text)), None)
    if at is not None:
        flag = tokens[at]
        joined = flag.text.startswith("--model=")
        if not joined and at + 1 == len(tokens):
            reader.refuse("--model needs a value", "missing-value", flag)
            return tokens[:-1]
        message = "give the model as the first argument of 'vllm serve', not with --model"
        fix = _positional_fix(tokens, at, joined=joined)
        if at > 0 and not tokens[0].text.startswith("-") and not is_unknown(tokens[0].text):
            message = (
                f"vLLM serves {shown(tokens[0].text)!r} or this model, not both, and refuses to choose; delete one"
            )
            reader.problems.append(ReadError(message, name="model-given-twice", span=flag.span, flag="--model"))
            return [*tokens[:at], *tokens[at + (1 if joined else 2) :]]
        if reader.engine.behaviour.get("parser.serve_model_flag") == "refused" and not reader.of_image:
            reader.refuse(message, "serve-model-flag", flag, fix)
        elif not reader.of_image:  # vLLM's own pages start its image so
            reader.warn("serve-model-flag", message, flag, fix)
        model = Word(flag.text.removeprefix("--model="), flag.span) if joined else tokens[at + 1]
        tokens = [model, *tokens[:at], *tokens[at + (1 if joined else 2) :]]
    named = next((token for token in tokens if SERVED_NAME.fullmatch(token.text)), None)
    if named and tokens[0].text.startswith("-") and not any(CONFIG_FLAG.fullmatch(token.text) for token in tokens):
        message = "put the model before --served-model-name, which takes every word that follows it"
        reader.refuse(message, "served-name-before-model", named)
        tokens = _after_names(tokens, named)
    return tokens


def _after_names(tokens: list[Word], named: Word) -> list[Word]:
    """The last name in front, where the model was meant to stand: nothing else is said about it then."""
    first = next(at for at, token in enumerate(tokens) if token is named) + 1
    last = next((at for at, token in enumerate(tokens) if at >= first and token.text.startswith("-")), len(tokens)) - 1
    least = first if "=" in named.text else first + 1
    return [tokens[last], *tokens[:last], *tokens[last + 1 :]] if last >= least else tokens


def _positional_fix(tokens: list[Word], at: int, *, joined: bool) -> Fix | None:
    """``vllm serve --model M`` to ``vllm serve M``, where the flag stands first; elsewhere words would have to move."""
    flag = tokens[at]
    if at != 0 or flag.span is None:
        return None
    if joined:
        edit = flag.edit(0, len("--model="), "")
        return Fix("give the model as the first argument", (edit,), safe=True) if edit else None
    after = tokens[1].span
    if after is None or flag.extent is None or tokens[1].extent is None:
        return None
    return Fix("give the model as the first argument", (Edit(flag.extent, ""),), safe=True)


def _with_config(tokens: list[Word], reader: _Reader) -> list[Word]:
    """The tokens with those of the ``--config`` file in front, so that the command line wins."""
    places = [at for at, token in enumerate(tokens) if token.text == "--config"]
    if not places:
        return tokens
    at = places[0]
    if len(places) > 1:
        message = "a second --config; put the settings of both files into one"
        reader.refuse(message, "config-file-shape", tokens[places[1]])
        tokens = [token for place, token in enumerate(tokens) if place not in {places[1], places[1] + 1}]
    if at + 1 >= len(tokens):
        reader.refuse("--config needs a file", "missing-value", tokens[at])
        return tokens[:-1]
    read = _words_of_config(tokens[at + 1], reader)
    rest = [*tokens[:at], *tokens[at + 2 :]]
    if reader.entry != "serve":
        return [*read, *rest]
    if tokens[0].text[:1] != "-":
        return [rest[0], *read, *rest[1:]]
    if not reader.config_unread and not any(token.text == "--model" for token in read):
        message = "no model: vLLM looks for it right behind 'serve' or as 'model:' in the file; name it there"
        problem = ReadError(message, name="no-model", span=cover(tokens[at].span, tokens[at + 1].span))
        reader.problems.append(problem)
    return [*read, *rest]


def _words_of_config(word: Word, reader: _Reader) -> list[Word]:
    """The words of a ``--config`` file. One that is not on this machine may say anything."""
    from llmtune.readers.kinds import vllm_yaml  # noqa: PLC0415 - reads YAML

    path = reader.directory / word.text
    if is_unknown(word.text) or (reader.near and not _is_near(path, reader.directory)):
        reader.config_unread = True
        return []
    try:
        return vllm_yaml.tokens_of_file(path, reader.engine, reader.entry, reader.warnings, reader.problems)
    except ReadError as error:
        if error.name == "unreadable-file":
            reader.config_unread = True
        if error.span is None:
            error.span = word.span
        reader.problems.append(error)
    return []


def _is_near(path: Path, directory: Path) -> bool:
    """Whether a file is a regular one beside or below another, or missing: no other file of this machine is meant."""
    try:
        return path.resolve().is_relative_to(directory.resolve()) and (path.is_file() or not path.exists())
    except (OSError, RuntimeError, ValueError):
        return False


def _model(arguments: Arguments, reader: _Reader, server: Server) -> tuple[str, Word | None, tuple[Setting, ...]]:
    """The model, where it is named, and the settings without it."""
    flagged = [setting for setting in arguments.settings if setting.flag == "model"]
    settings = tuple(setting for setting in arguments.settings if setting.flag != "model")
    free = [word for word in arguments.positionals if not (flagged and word.open)]  # $ARGS beside --model is no model
    if free:
        word = free[0]
        message = f"this model is not served: the one on the command line is, {word.text!r}"
        reader.warnings += [Notice("model-given-twice", message, setting.span) for setting in flagged]
        return word.text, word, settings
    if flagged:
        last = flagged[-1]
        text = str(last.value) if last.known else last.words[-1].text if last.words else hole("")
        return text, last.words[-1] if last.words else None, settings
    if not arguments.open_ended and not reader.config_unread:
        if server.entry == "config":
            message = "the file names no model; add 'model:' or name it on the command line"
        else:
            message = "no model is named, so vLLM serves the small default of its release; name one"
        reader.warnings.append(Notice("no-model", message, None))
    return "", None, settings


def _without_config(settings: Sequence[Setting], reader: _Reader) -> tuple[Setting, ...]:
    """The settings without ``--config=FILE``, which the engine accepts and never opens."""
    for item in settings:
        if item.flag != "config":
            continue
        reader.config_unread = True  # once it is opened, it may say what seems to be missing now
        word = item.words[0] if len(item.words) == 1 else None
        if word is None:  # a key of a config file
            message = "vLLM does not open a second file from here; delete this"
            reader.warnings.append(Notice("config-equals-ignored", message, item.span))
            continue
        value = item.value if item.known else "FILE"
        message = f"vLLM ignores --config={value} without a word; write --config {value}"
        in_shell = word.extent is not None and word.span is not None and word.extent.end_line == word.span.end_line
        splits = in_shell and word.text.startswith("--config=")  # an item of a list stays one argument, blank or not
        edit = word.edit(len("--config"), len("--config="), " ") if splits else None
        fix = Fix("write a blank instead of '='", (edit,), safe=True) if edit else None
        reader.warnings.append(Notice("config-equals-ignored", message, item.span, fix))
    return tuple(setting for setting in settings if setting.flag != "config")
