"""``docker run``, ``podman run`` and ``nerdctl run``: the options, the image, and what the container is given to run.

Options as in docker/cli (cli/command/container/opts.go) and Podman (cmd/podman/common/create.go).
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from llmtune.readers.shell import Command
from llmtune.readers.spelling import cover
from llmtune.readers.start import in_container, servers_of
from llmtune.spec.record import dataclass
from llmtune.spec.server import Variable
from llmtune.spec.span import Span
from llmtune.spec.surroundings import Surroundings
from llmtune.spec.word import HOLE, Word, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmtune.readers.source import Excerpt
    from llmtune.readers.start import Site
    from llmtune.spec.server import Server

NOWHERE = Span("<command>", 1, 1, 1, 1)  # an argument vector has no places
SWITCHES = frozenset(
    {
        "detach",
        "interactive",
        "tty",
        "rm",
        "init",
        "privileged",
        "read-only",
        "publish-all",
        "oom-kill-disable",
        "quiet",
    }
    | {"no-healthcheck", "sig-proxy", "disable-content-trust", "help", "replace", "rmi", "env-host", "http-proxy"}
    | {"no-hosts", "no-hostname", "tls-verify", "passwd", "use-api-socket"}
)
SHORT_SWITCHES = frozenset("ditPq")
SHORT = {
    "e": "env",
    "v": "volume",
    "p": "publish",
    "m": "memory",
    "c": "cpu-shares",
    "u": "user",
    "w": "workdir",
    "h": "hostname",
    "l": "label",
    "a": "attach",
    "P": "publish-all",
}
RENAMED = {"net": "network"}
BEFORE_COMMAND = frozenset(
    {"-H", "--host", "-c", "--context", "--config", "-l", "--log-level", "-n", "--namespace", "--root", "--address"}
)
EXEC_VALUES = frozenset({"-e", "--env", "-u", "--user", "-w", "--workdir", "--env-file", "--detach-keys"})


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its value; ``words`` are the words that say it, ``text`` the value with its places."""

    name: str
    value: str
    words: tuple[Word, ...]
    text: Excerpt | None = None

    @property
    def span(self) -> Span:
        """Where it stands."""
        return cover(self.words[0].span, self.words[-1].span) or NOWHERE

    @property
    def known(self) -> bool:
        """Whether nothing of its value is hidden."""
        return not is_unknown(self.value)


@dataclass(slots=True)
class Run:
    """A command line of ``docker run``, taken apart."""

    options: list[Option] = field(default_factory=list)
    image: int = 0  # its word
    hidden: bool = False  # a variable may hold further options

    def last(self, name: str) -> Option | None:
        """The option of a name that counts."""
        return next((option for option in reversed(self.options) if option.name == name), None)

    def all(self, *names: str) -> list[Option]:
        """Every option of some names."""
        return [option for option in self.options if option.name in names]


def servers_of_docker(command: Command, at: int, site: Site) -> list[Server]:
    """The servers that a command of docker starts; ``at`` is where ``docker`` stands."""
    words, at = command.words, at + 1
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in BEFORE_COMMAND else 1
    if at < len(words) and words[at].text == "container":
        at += 1
    match words[at].text if at < len(words) else "":
        case "run" | "create":
            return _servers_of_run(command, at + 1, site)
        case "exec":
            return _servers_of_exec(command, at + 1, site)
    return []


def _servers_of_run(command: Command, at: int, site: Site) -> list[Server]:
    from llmtune.readers.docker_facts import surroundings_of  # noqa: PLC0415 - it imports this module

    run = options_of(command, at)
    if run is None:
        return []
    host = {variable.name: variable.value for variable in site.variables}
    variables = tuple(variables_of_run(run, host))
    image = command.words[run.image]
    around = surroundings_of(run, image, variables)
    around = replace(around, restart=around.restart or site.surroundings.restart)
    words, texts = list(command.words[run.image + 1 :]), list(command.texts[run.image + 1 :])
    entry = run.last("entrypoint")
    if entry is not None and entry.value and entry.text is not None:
        words, texts = [replace(entry.words[-1], text=entry.value, plain=False), *words], [entry.text, *texts]
    inner = Command(tuple(words), (), command.span, tuple(texts), command.notices)
    return in_container(inner, replace(site, surroundings=around, variables=variables, image=image.text))


def _servers_of_exec(command: Command, at: int, site: Site) -> list[Server]:
    """``docker exec CONTAINER vllm serve ...``: a container of which nothing is known."""
    words = command.words
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in EXEC_VALUES else 1
    inner = Command(words[at + 1 :], (), command.span, command.texts[at + 1 :], command.notices)
    around = Surroundings(platform="docker", complete=False)
    return servers_of([inner], around, name=site.name, span=site.span) if inner.words else []


def options_of(command: Command, at: int) -> Run | None:
    """The options up to the image; None where there is no image."""
    run, words = Run(), command.words
    while at < len(words):
        word = words[at]
        if word.text == "--":
            at += 1
            break
        if word.text.startswith(HOLE) and _holds_options(word, words[at + 1 :]):
            run.hidden, at = True, at + 1
        elif word.text.startswith("-") and word.text != "-":
            at += _option(run, command, at)
        else:
            break
    run.image = at
    return run if at < len(words) else None


def _holds_options(word: Word, following: Sequence[Word]) -> bool:
    """Whether a variable in front of the image holds options: an image still has to follow, or more of them."""
    if "IMAGE" in word.text.upper() or not following:
        return False
    flags = {"model", "tensor-parallel-size", "max-model-len", "gpu-memory-utilization", "host", "port", "dtype"}
    first = following[0].text
    name = first.lstrip("-").partition("=")[0].replace("_", "-")
    return word.open or not (first.startswith("--") and name in flags)


def _option(run: Run, command: Command, at: int) -> int:
    """Take one option; return how many words it has."""
    word, text = command.words[at], command.words[at].text
    if text.startswith("--"):
        name, equals, value = text[2:].partition("=")
        start = len(name) + 3
    else:
        letter = next((index for index in range(1, len(text)) if text[index] not in SHORT_SWITCHES), None)
        run.options += [Option(SHORT[short], "true", (word,)) for short in text[1:letter] if short == "P"]
        if letter is None:
            return 1
        start = letter + 1 + (text[letter + 1 : letter + 2] == "=")
        name, equals, value = SHORT.get(text[letter], text[letter]), text[start:], text[start:]
    name = RENAMED.get(name, name)
    if equals:
        run.options.append(Option(name, value, (word,), command.texts[at].part(start, len(text))))
        return 1
    if name in SWITCHES:
        run.options.append(Option(name, "true", (word,)))
        return 1
    if at + 1 < len(command.words):
        behind = command.words[at + 1]
        run.options.append(Option(name, behind.text, (word, behind), command.texts[at + 1]))
    return 2


def variables_of_run(run: Run, host: Mapping[str, str]) -> Iterator[Variable]:
    """The container's environment; ``-e NAME`` takes the value from outside."""
    for option in run.all("env"):
        name, equals, value = option.value.partition("=")
        if not is_unknown(name):
            yield Variable(name, value if equals else host.get(name, hole(f"${name}")), _entry(option))
    for option in run.all("env-file"):  # one without a name stands for those that are not read
        yield Variable("", hole(""), _entry(option), secret=True)


def _entry(option: Option) -> Word:
    """An option as one word, to be deleted with both of its words."""
    first, last = option.words[0], option.words[-1]
    extent = cover(first.extent, last.extent) if first.extent and last.extent else None
    return Word(option.value, option.span, extent)
