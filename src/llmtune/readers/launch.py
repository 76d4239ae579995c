"""How one command starts a server: ``vllm serve`` or a module of vLLM, itself or behind a program that runs another."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers.shell_parts import ASSIGNMENT
from llmtune.readers.source import Excerpt, joined
from llmtune.spec.finding import Fix, Notice
from llmtune.spec.record import dataclass
from llmtune.spec.server import Variable
from llmtune.spec.surroundings import Fact
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.readers.shell import Command
    from llmtune.spec.word import Word

MODULES = {
    "vllm.entrypoints.openai.api_server": "api_server",
    "vllm.entrypoints.api_server": "demo",
    "vllm.entrypoints.cli.main": "cli",
    "vllm.scripts": "cli",
    "vllm": "cli",
}
FILES = re.compile(r"(?:^|/)vllm/entrypoints/(openai/)?api_server\.py$")
PROGRAM = re.compile(r"vllm(\[.*\])?([@=]=?[\w.+]+)?$")  # uvx vllm@0.9.0 serve
PYTHON = re.compile(r"(python|pypy)[\d.]*$")
SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ash", "ksh", "busybox"})
SHELL_FLAG = re.compile(r"-[a-zA-Z]*c[a-zA-Z]*")
# Programs that are given a command as one text. tmux and screen type it, ssh runs it elsewhere.
HOLD_SCRIPTS = frozenset(
    {"tmux", "screen", "ssh", "su", "runuser", "watch", "script", "sbatch", "parallel", "wsl", "gcloud", "modal"}
)
# Programs whose arguments are words to be shown, searched for or installed: "vllm serve" among them starts nothing.
SPEAK = frozenset(
    {
        "echo",
        "printf",
        "print",
        "cat",
        "grep",
        "egrep",
        "pgrep",
        "pkill",
        "kill",
        "killall",
        "ps",
        "which",
        "type",
        "man",
    }
    | {"help", "alias", "history", "sed", "awk", "find", "info", "warn", "error", "die", "usage", "test", "[", "curl"}
    | {
        "wget",
        "git",
        "ls",
        "rm",
        "cp",
        "mv",
        "touch",
        "trap",
        "pip",
        "pip3",
        "kubectl",
        "helm",
        "oc",
        "docker",
        "podman",
    }
    | {"nerdctl", "service", "systemctl", "journalctl", "cd", "mkdir", "source", ".", "exit", "return", "read", "make"}
)
SPEAKS = re.compile(r"^(log|print|echo|info|warn|msg|say|is_|check_|stop_|kill_|wait_)|(_log|_info|_running|_exists)$")
RUN_IN_PODS = frozenset({"kubectl", "oc"})
# Wrappers that take a program behind their options, with the options that take a value.
PREFIXES = {
    "exec": {"-a"},
    "env": {"-u", "--unset", "-C", "--chdir"},
    "sudo": {"-u", "-g", "-h", "-p", "-C", "-T", "-U", "--user", "--group"},
    "doas": {"-u"},
    "time": {"-f", "-o"},
    "nice": {"-n"},
    "ionice": {"-c", "-n"},
    "stdbuf": {"-i", "-o", "-e"},
    **{name: set() for name in ("nohup", "command", "builtin", "setsid", "eatmydata", "unbuffer", "dumb-init", "tini")},
}
SET_VARIABLES = frozenset({"env", "sudo", "doas"})
PIN = re.compile(r"\bvllm(?:\[[^\]]*\])?\s*==\s*v?([0-9][\w.+]*)|/vllm-([0-9][\w.]*)[+-]|\bvllm@v?([0-9][\w.]*)$")
INSTALLERS = frozenset({"install", "add", "uvx", "run", "--from", "--with", "tool"})
IMAGE = re.compile(r"(?:docker|oci|registry)://(\S+)|--container-image=(\S+)")


@dataclass(frozen=True, slots=True)
class Start:
    """How a command starts a server: the entry (as in ``Server``), where its arguments begin, and what is wrong."""

    entry: str
    at: int
    variables: tuple[Variable, ...] = ()
    notices: tuple[Notice, ...] = ()


def program_of(word: Word) -> str:
    """The name of a program without its directory."""
    return word.text.rsplit("/", 1)[-1]


def behind_prefixes(command: Command) -> tuple[int, tuple[Variable, ...]]:
    """Where the program stands behind ``exec``, ``sudo``, ``env A=b``; and the variables that those set."""
    words, at = command.words, 0
    own: list[Variable] = []
    while at < len(words):
        program = program_of(words[at])
        if program != "$" and program not in PREFIXES:  # a prompt that was copied
            break
        at += 1
        while at < len(words) and program != "$":
            text = words[at].text
            if program in SET_VARIABLES and ASSIGNMENT.match(text):
                own.append(_assigned(words[at]))
            elif text in PREFIXES[program]:
                at += 1
            elif not text.startswith("-") or text == "-":
                break
            at += 1
    return at, tuple(own)


def _assigned(word: Word) -> Variable:
    name, _, value = word.text.partition("=")
    return Variable(name, value, word)


def find_start(command: Command, at: int = 0) -> Start | None:
    """How a command starts a server, itself or behind a program that runs another."""
    words = command.words
    if at >= len(words) or asks_for_help(words):
        return None
    program = program_of(words[at])
    if program in RUN_IN_PODS:
        behind = next((index + 1 for index in range(at, len(words)) if words[index].text == "--"), len(words))
        return find_start(command, behind)
    if speaks(program):
        return None
    for index in range(at, len(words)):
        if words[index].text in {"install", "uninstall"}:
            return None
        start = _start_at(words, index)
        if start is not None:
            before = words[at:index]
            sets = any(program_of(word) in SET_VARIABLES for word in before)
            own = [word for word in before if sets and ASSIGNMENT.match(word.text)]
            return replace(start, variables=tuple(_assigned(word) for word in own))
    return None


def asks_for_help(words: Sequence[Word]) -> bool:
    """Whether a command only prints its help: scripts ask so for what a release can do."""
    return any(word.text == "-h" or word.text.startswith("--help") for word in words)


def speaks(program: str) -> bool:
    """Whether a program shows or looks for its arguments; a capital starts a sentence."""
    return program in SPEAK or bool(SPEAKS.search(program)) or program[:1].isupper() or program.endswith(":")


def _start_at(words: Sequence[Word], index: int) -> Start | None:
    """A server that starts at a word of a command."""
    text, program = words[index].text, program_of(words[index])
    following = words[index + 1].text if index + 1 < len(words) else ""
    named = PROGRAM.match(program) or (is_unknown(program) and "vllm" in program.lower())
    if named and following == "serve":
        return Start("serve", index + 2)
    file = FILES.search(text)
    if file:
        return Start("api_server", index + 1) if file[1] else _demo(words, index)
    if text != "-m" or not any(_runs_modules(word) for word in words[:index]):
        return None
    entry = MODULES.get(following)
    if entry == "cli":
        serves = index + 2 < len(words) and words[index + 2].text == "serve"
        return Start("serve", index + 3) if serves else None
    if entry == "demo":
        return _demo(words, index + 1)
    return Start(entry, index + 2) if entry else None


def _runs_modules(word: Word) -> bool:
    program = program_of(word)
    return bool(PYTHON.match(program)) or is_unknown(program) or "run" in program or "launch" in program


def _demo(words: Sequence[Word], index: int) -> Start:
    word = words[index]
    message = "vllm.entrypoints.api_server is a demonstration without the OpenAI API; use 'vllm serve'"
    module = "vllm.entrypoints.api_server"
    edit = word.edit(0, len(module), "vllm.entrypoints.openai.api_server") if word.text == module else None
    fix = Fix("start the OpenAI server", (edit,), safe=False) if edit else None
    return Start("api_server", index + 1, (), (Notice("demo-server-module", message, word.span, fix),))


def script_of(command: Command, at: int = 0) -> Excerpt | None:
    """The script in ``bash -c "..."``, ``eval "..."``, ``tmux new -d "..."``; None where there is none.

    ``vllm bench sweep serve --serve-cmd "..."`` starts its server from such a text too.
    """
    words = command.words
    program = program_of(words[at])
    if program == "eval":
        return joined(command.texts[at + 1 :])
    if speaks(program) and program not in RUN_IN_PODS:
        return None
    for index in range(at, len(words)):
        if program_of(words[index]) in SHELLS:
            return _string_of_shell(command, index)
        if words[index].text == "--serve-cmd" and index + 1 < len(words) and _sweeps(words[at:index]):
            return command.texts[index + 1]
    if program in HOLD_SCRIPTS:
        for index in range(at + 1, len(words)):
            if "vllm" in words[index].text and re.search(r"\s", words[index].text):
                typed = re.sub(r"(\\[nr]|\^M)$", "", words[index].text)
                return command.texts[index].part(0, len(typed))
    return None


def _sweeps(words: Sequence[Word]) -> bool:
    """Whether words begin a ``vllm bench sweep``."""
    texts = [word.text for word in words]
    return "sweep" in texts and any(PROGRAM.match(program_of(word)) for word in words)


def _string_of_shell(command: Command, at: int) -> Excerpt | None:
    """The text behind ``-c``: ``bash -lc``, ``sh -e -c``, ``bash -o pipefail -c``."""
    words = command.words
    for index in range(at + 1, len(words) - 1):
        text = words[index].text
        if SHELL_FLAG.fullmatch(text):
            behind = index + 2 if words[index + 1].text in {"--", "-"} else index + 1
            return command.texts[behind] if behind < len(words) else None
        if not text.startswith(("-", "+", "sh")) and words[index - 1].text not in {"-o", "+o", "-O"}:
            return None
    return None


def pinned(command: Command) -> Fact[str] | None:
    """The release of vLLM that a command installs or runs: ``pip install vllm==0.8.5``, ``uvx vllm@0.8.5``."""
    if not {word.text for word in command.words[:6]} & INSTALLERS:
        return None
    for word in command.words:
        match = PIN.search(word.text)
        if match and word.span is not None and not is_unknown(word.text[match.start() :]):
            return Fact(next(group for group in match.groups() if group), word.span)
    return None


def image_of(command: Command) -> Fact[str] | None:
    """The image that Slurm or Apptainer run a command in."""
    for word in command.words:
        match = IMAGE.match(word.text)
        if match and word.span is not None and not is_unknown(word.text):
            return Fact((match[1] or match[2]).replace("#", "/"), word.span)
    return None
