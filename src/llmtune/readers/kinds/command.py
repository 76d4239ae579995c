"""Shell scripts and one-liners that start vLLM servers; argument vectors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers import ReadError, raise_problems, refuse, shell
from llmtune.readers.server import read_server
from llmtune.readers.shell_documents import documents_in
from llmtune.readers.source import Excerpt, Source
from llmtune.readers.start import of_items, servers_of
from llmtune.spec.server import Document
from llmtune.spec.surroundings import Surroundings
from llmtune.spec.word import END, HOLE, Word, hole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from llmtune.readers import Reading
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Server

KIND = "shell"
ORDER = 80
SUFFIXES = frozenset({"sh", "bash", "zsh", "ksh", "command", "sbatch", "slurm"})
TEMPLATES = (".tpl", ".tmpl", ".j2", ".jinja", ".jinja2", ".in", ".example", ".sample", ".template", ".bak")
OTHER_SUFFIXES = frozenset(
    {
        "yaml",
        "yml",
        "json",
        "service",
        "timer",
        "md",
        "rst",
        "py",
        "ipynb",
        "toml",
        "ini",
        "cfg",
        "js",
        "ts",
        "go",
        "rs",
    }
    | {"html", "xml", "csv", "log", "lock", "bat", "ps1", "cmd", "tf", "hcl"}
)
SHEBANG = re.compile(r"#!\s*\S*/(?:env\s+(?:-S\s+)?)?(?:ba|z|k|da|a)?sh\b")
NAMED = re.compile(r"vllm", re.IGNORECASE)
STARTS = re.compile(r"\bvllm\b['\"}]?\s+(?:\\\r?\n\s*)?['\"]?serve\b|\bvllm[./]entrypoints[./]", re.IGNORECASE)
RUNS = re.compile(r"\b(?:docker|podman|nerdctl)\s+(?:container\s+)?run\b")
OTHER_FILE = re.compile(
    r"^(?:apiVersion|kind|services)\s*:|^[ \t]*FROM[ \t]+\S+[ \t]*$|^\[(?:Unit|Service|Container)\]\s*$"
    r"|^import\s+\w+\s*$|^from\s+[\w.]+\s+import\s|^```|^---\s*$|\A\s*\{",
    re.MULTILINE,
)
COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
TEMPLATE = re.compile(
    r"(?P<line>^[ \t]*(?:\{[{%][^{}\n]{0,400}[}%]\}[ \t]*)+\r?(?:\n|\Z))|(?P<value>\{[{%][^{}\n]{0,400}[}%]\})"
    r"|(?<=[\s=\"'])(?P<name><(?:[A-Z][A-Z0-9_ -]{1,60}|[A-Za-z]{1,30}[-_ ][A-Za-z0-9_ -]{1,60}|model|path)>)"
    r"(?=[\s\"'/]|\Z)",
    re.MULTILINE,
)


def recognises(source: Source) -> bool:
    """Whether the text is a shell script, or a command that starts a server."""
    text, name = source.text, source.name.rsplit("/", 1)[-1].lower()
    for template in TEMPLATES:
        name = name.removesuffix(template)
    suffix = name.rsplit(".", 1)[-1] if "." in name and not name.startswith("<") else ""
    if suffix in SUFFIXES or SHEBANG.match(text):
        return True
    if suffix in OTHER_SUFFIXES or not NAMED.search(text):
        return False
    bare = COMMENT.sub("", text)
    return bool(STARTS.search(bare) or RUNS.search(bare)) and not OTHER_FILE.search(bare)


def read_document(source: Source) -> Document:
    """The servers that a script starts."""
    if not NAMED.search(source.text):
        return Document(source.name, KIND)
    script = filled_in(source)
    walk = shell.walk(script)
    commands, files = walk.found, list(documents_in(script, walk.documents.values(), walk.appended))
    servers = servers_of(commands, Surroundings(platform="host"))
    said = {notice.span for server in servers for notice in server.notices}
    notices = [notice for command in commands for notice in command.notices if notice.span not in said]
    kept = [item for item in notices if item.name == "open-quote"]
    kept += [notice for file in files for notice in file.notices]
    return Document(source.name, KIND, (*servers, *(server for file in files for server in file.servers)), tuple(kept))


def filled_in(source: Source) -> Excerpt:
    """A script with holes where a template engine or a reader of the docs fills something in.

    A line of templates alone is gone when the script runs, or is some other line: it ends no continued command.
    """
    text = source.text
    if not TEMPLATE.search(text):
        return source.whole()
    pieces: list[str] = []
    offsets: list[int] = []
    at = 0
    for match in TEMPLATE.finditer(text):
        written = hole(match.group().strip().replace(HOLE, "").replace(END, ""))
        if match["line"] and not text[: match.start()].endswith(("\\\n", "\\\r\n")):
            written = ""  # between commands
        pieces += [text[at : match.start()], f"{written} " if match["line"] and written else written]
        offsets += [*range(at, match.start()), *[match.start()] * len(pieces[-1])]
        at = match.end()
    return Excerpt(source, "".join([*pieces, text[at:]]), [*offsets, *range(at, len(text) + 1)])


def read_argv(
    argv: Iterable[str],
    engine: EngineVersion | Callable[[Server], EngineVersion],
    *,
    directory: Path | None = None,
) -> Reading:
    """Read an argument vector that starts a server, for example ``["vllm", "serve", "MODEL", "-tp", "2"]``.

    Raises:
        ReadError: when it starts no server, or the engine refuses it.

    """
    words = list(argv)
    if words and words[0] == "serve":
        words.insert(0, "vllm")
    texts = [Source(word, "<command>").whole() for word in words]
    command = of_items([Word(word) for word in words], texts, Source("", "<command>").span(0, 0))
    servers = servers_of([command], Surroundings(platform="host"))
    if not servers:
        message = "the argument list holds no 'vllm serve' command; write one that starts so"
        raise ReadError(message, name="no-server-command")
    server = servers[0]
    refuse(server)
    return raise_problems(read_server(server, engine(server) if callable(engine) else engine, directory=directory))
