"""A command that starts a vLLM server: ``vllm serve MODEL ...`` or ``python -m vllm.entrypoints.openai.api_server``.

Reads one command or a shell script that holds one. Variables are not expanded. Behaviour of ``--model`` and
``--config`` as in vLLM 0.33.0, utils/argparse_utils.py, FlexibleArgumentParser.parse_args.
"""

from __future__ import annotations

import re
from dataclasses import field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.readers import Notice, ReadError, Reading, shell, vllm_yaml
from llmtune.readers.arguments import Arguments, Token, cover, parse
from llmtune.spec.deployment import Deployment
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmtune.spec.deployment import Setting
    from llmtune.spec.engine import EngineVersion

SERVER = "vllm.entrypoints.openai.api_server"
MAIN = "vllm.entrypoints.cli.main"
DEMO = "vllm.entrypoints.api_server"
CONTAINER = frozenset({"docker", "podman", "nerdctl", "kubectl", "helm"})
KNOWN = re.compile(rf"\bvllm\s+(\\\r?\n\s*)?serve\b|{re.escape(SERVER)}|{re.escape(DEMO)}|{re.escape(MAIN)}")
OTHER_FILE = re.compile(r"^(apiVersion|kind|services)\s*:|^FROM\s|^\[Unit\]", re.MULTILINE)
COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
MODEL_FLAG = re.compile(r"--model(=.+)?", re.DOTALL)
SERVED_NAME = re.compile(r"--served[-_]model[-_]name(=.+)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Invocation:
    """How a server is started: through ``serve`` or the ``api_server`` module, with what, in which directory."""

    entry: str = "serve"
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = field(default_factory=Path)


def recognises(text: str, name: str) -> bool:
    """Whether the text starts a server from a shell."""
    other = name.endswith((".yaml", ".yml", ".json", ".service")) or OTHER_FILE.search(text)
    return not other and bool(KNOWN.search(COMMENT.sub("", text)))


def read(text: str, engine: EngineVersion, *, file: str = "<command>", directory: Path | None = None) -> Reading:
    """Read a command line or a script with one server command in it.

    ``directory`` is where a relative ``--config`` is looked for, the current one unless given.

    Raises:
        ReadError: when there is no such command, more than one, or the engine refuses it.

    """
    found = [words for words in shell.commands(text, file) if _server(words)]
    if len(found) > 1:
        message = "a second server command; give one file or text for each server"
        raise ReadError(message, name="several-servers", span=found[1][0].span)
    if not found:
        raise ReadError(_nothing(text, file), name="no-server-command")
    _check_continued(shell.commands(text, file), found[0])
    environment = _exported(shell.commands(text, file))
    return _read_words(found[0], engine, environment, directory or Path())


def read_argv(argv: Iterable[str], engine: EngineVersion, *, directory: Path | None = None) -> Reading:
    """Read an argument vector that starts a server, for example ``["vllm", "serve", "MODEL", "-tp", "2"]``."""
    words = [Token(text) for text in argv]
    if words and words[0].text == "serve":
        words.insert(0, Token("vllm"))
    if not _server(words):
        raise ReadError(_nothing("", "the argument list"), name="no-server-command")
    return _read_words(words, engine, {}, directory or Path())


def read_arguments(tokens: Iterable[Token], engine: EngineVersion, invocation: Invocation) -> Reading:
    """Read the arguments behind ``vllm serve`` (or the module), as containers are given them."""
    given = list(tokens)
    warnings: list[Notice] = []
    if invocation.entry == "serve":
        given, warnings = _model_first(given, engine)
    given, from_file = _with_config(given, engine, invocation)
    arguments = parse(given, engine, positionals=1 if invocation.entry == "serve" else 0)
    model, settings, about_model = _model(arguments)
    settings, ignored = _without_config(settings)
    deployment = Deployment(model, settings, dict(invocation.environment), engine.requested or engine.release)
    return Reading(deployment, (*warnings, *from_file, *arguments.warnings, *about_model, *ignored))


def _read_words(words: list[Token], engine: EngineVersion, exported: Mapping[str, str], directory: Path) -> Reading:
    entry, start = _server(words) or ("serve", 0)
    own = {match[1]: match[2] for word in words[:start] if (match := ASSIGNMENT.fullmatch(word.text))}
    invocation = Invocation(entry, {**exported, **own}, directory)
    return read_arguments(words[start:], engine, invocation)


def _server(words: Sequence[Token]) -> tuple[str, int] | None:
    """How a command starts a server and where its arguments begin; None when it does not."""
    texts = [word.text for word in words]
    if texts and Path(texts[0]).name in CONTAINER:
        return None
    for at, (first, second) in enumerate(pairwise(texts)):
        if Path(first).name == "vllm" and second == "serve":
            return "serve", at + 2
        if first == "-m" and second == SERVER:
            return "api_server", at + 2
        if first == "-m" and second == MAIN and texts[at + 2 : at + 3] == ["serve"]:
            return "serve", at + 3
        if first == "-m" and second == DEMO:
            message = f"{DEMO} is a demonstration without the OpenAI API; use 'vllm serve'"
            raise ReadError(message, name="demo-server-module", span=words[at + 1].span)
    return None


def _exported(commands: Iterable[Sequence[Token]]) -> dict[str, str]:
    words = [word.text for command in commands if command[0].text == "export" for word in command[1:]]
    return {match[1]: match[2] for word in words if (match := ASSIGNMENT.fullmatch(word))}


def _check_continued(commands: Sequence[Sequence[Token]], server: Sequence[Token]) -> None:
    """Refuse flags that stand in a command of their own behind the server's: a continued line broke off."""
    places = [words[0].span for words in commands]
    behind = commands[places.index(server[0].span) + 1 :]
    if behind and behind[0][0].text.startswith("-"):
        message = f"{behind[0][0].text.partition('=')[0]} is cut off from the command; end the line before it with '\\'"
        raise ReadError(message, name="broken-continuation", span=behind[0][0].span)


def _nothing(text: str, file: str) -> str:
    if re.search(r"\b(docker|podman|kubectl)\s", text):
        return f"{file} starts a container, which this reader does not open; give the 'vllm serve' command itself"
    return f"{file} holds no 'vllm serve' command; write one that starts so"


def _model_first(tokens: list[Token], engine: EngineVersion) -> tuple[list[Token], list[Notice]]:
    """``--model M`` moved to the front, as ``vllm serve`` does."""
    at = next((at for at, token in enumerate(tokens) if MODEL_FLAG.fullmatch(token.text)), None)
    warnings = []
    if at is not None:
        flag = tokens[at]
        joined = flag.text.startswith("--model=")
        if not joined and at + 1 == len(tokens):
            raise ReadError("--model needs a value", name="missing-value", span=flag.span)
        message = "give the model as the first argument of 'vllm serve', not with --model"
        if engine.behaviour.get("parser.serve_model_flag") == "refused":
            raise ReadError(message, name="serve-model-flag", span=flag.span)
        warnings.append(Notice("serve-model-flag", message, flag.span))
        model = Token(flag.text.removeprefix("--model="), flag.span) if joined else tokens[at + 1]
        tokens = [model, *tokens[:at], *tokens[at + (1 if joined else 2) :]]
    texts = [token.text for token in tokens]
    named = next((token for token in tokens if SERVED_NAME.fullmatch(token.text)), None)
    if named and texts[0].startswith("-") and not any(re.fullmatch(r"--config(=.+)?", text) for text in texts):
        message = "put the model before --served-model-name, which takes every word that follows it"
        raise ReadError(message, name="served-name-before-model", span=named.span)
    return tokens, warnings


def _with_config(
    tokens: list[Token], engine: EngineVersion, invocation: Invocation
) -> tuple[list[Token], Sequence[Notice]]:
    """The tokens with those of the ``--config`` file in front, so that the command line wins."""
    places = [at for at, token in enumerate(tokens) if token.text == "--config"]
    if not places:
        return tokens, ()
    at = places[0]
    if len(places) > 1:
        message = "a second --config; put the settings of both files into one"
        raise ReadError(message, name="config-file-shape", span=tokens[places[1]].span)
    if at + 1 == len(tokens):
        raise ReadError("--config needs a file", name="missing-value", span=tokens[at].span)
    path = invocation.directory / tokens[at + 1].text
    read, warnings = vllm_yaml.tokens_of_file(path, engine, entry=invocation.entry)
    rest = [*tokens[:at], *tokens[at + 2 :]]
    if invocation.entry != "serve":
        return [*read, *rest], warnings
    if tokens[0].text[:1] != "-":
        return [rest[0], *read, *rest[1:]], warnings
    if not any(token.text == "--model" for token in read):
        message = "no model: vLLM looks for it right behind 'serve' or as 'model:' in the file; name it there"
        raise ReadError(message, name="no-model", span=cover(tokens[at].span, tokens[at + 1].span))
    return [*read, *rest], warnings


def _model(arguments: Arguments) -> tuple[str, tuple[Setting, ...], list[Notice]]:
    """The model, the settings without it, and what to say about it."""
    flagged = [setting for setting in arguments.settings if setting.flag == "model"]
    settings = tuple(setting for setting in arguments.settings if setting.flag != "model")
    if arguments.positionals:
        model = arguments.positionals[0].text
        message = f"this model is not served: the one on the command line is, {model!r}"
        return model, settings, [Notice("model-given-twice", message, setting.span) for setting in flagged]
    if flagged:
        return str(flagged[-1].value), settings, []
    message = "no model is named, so vLLM serves the small default of its release; name one"
    return "", settings, [Notice("no-model", message)]


def _without_config(settings: tuple[Setting, ...]) -> tuple[tuple[Setting, ...], list[Notice]]:
    """The settings without ``--config=FILE``, which the engine accepts and never opens."""
    ignored = [setting for setting in settings if setting.flag == "config"]
    message = "vLLM ignores --config={0} without a word; write --config {0}"
    notices = [Notice("config-equals-ignored", message.format(item.value), item.span) for item in ignored]
    return tuple(setting for setting in settings if setting.flag != "config"), notices
