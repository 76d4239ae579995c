"""Files that a shell script writes: here-documents that are manifests, Compose files, units or Dockerfiles.

The text of one is read by the reader of its kind where it stands, so places are those of the script. What the shell
fills in before the file is there (``$X`` under an unquoted marker) is a hole; a file that is written in pieces is left
out, since none of them is the whole.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from llmtune.readers import ReadError, readers
from llmtune.readers.shell_tree import TARGET
from llmtune.readers.source import Source
from llmtune.spec.record import dataclass
from llmtune.spec.word import END, FILLER, HOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmtune.readers.source import Excerpt
    from llmtune.spec.server import Document

SUFFIXES = (".yaml", ".yml", ".service", ".container", ".dockerfile")
NAMES = re.compile(r"(?:Dockerfile|Containerfile)\b")
APPENDS = re.compile(r">>|\btee\s+-a\b")
# Programs that take a file as their input, and what that file is.
READERS = (
    (re.compile(r"\b(?:kubectl|oc)\s[^|]*?(?:apply|create|replace)\s[^|]*?(?:-f|--filename)[ =]*-(?=\s|$)"), "-.yaml"),
    (re.compile(r"\b(?:docker|podman)[ -]compose\s[^|]*?(?:-f|--file)[ =]*-(?=\s|$)"), "compose.yaml"),
    (re.compile(r"\b(?:docker|podman|buildah)\s[^|]*?build\s[^|]*?\s-(?=\s|$)"), "Dockerfile"),
)
# What the shell changes in the text of an unquoted here-document.
FILLED_IN = re.compile(
    r"(?P<backslash>\\\\(?=\r?\n))|\\[$`\\]|\$\{[^{}\n]*\}|\$\([^()\n]*\)|\$(?:[A-Za-z_]\w*|[0-9@*#?])|`[^`\n]*`"
)
TABS = re.compile(r"^\t+", re.MULTILINE)
OTHER_KINDS = frozenset({"shell", "vllm-config"})  # scripts are walked; a config belongs to the command that names it
LONGEST_HEADER = 1000  # characters
MOST = 100  # here-documents of one script


@dataclass(frozen=True, slots=True)
class HereDocument:
    """A here-document that is a file: how the file is called, where its text stands, and how the shell reads it.

    ``target`` is the file as the script writes it, empty where a program takes the text as its input.
    """

    title: str
    target: str
    start: int
    end: int
    quoted: bool
    tabs: bool = False  # ``<<-``: the shell takes the tabs away


def here_document(header: str, start: int, end: int, *, quoted: bool) -> HereDocument | None:
    """A here-document whose command is ``header``; None where its text is no file that is known by its name.

    >>> here_document("sudo tee /etc/systemd/system/vllm.service > /dev/null <<EOF", 0, 9, quoted=False).title
    'vllm.service'
    """
    header = header[:LONGEST_HEADER]
    tabs = "<<-" in header
    for program, title in READERS:
        if program.search(header):
            return HereDocument(title, "", start, end, quoted, tabs)
    found = TARGET.search(header)
    target = found[1].strip("'\"") if found else ""
    title = target.rsplit("/", 1)[-1]
    if APPENDS.search(header) or not (title.lower().endswith(SUFFIXES) or NAMES.match(title)):
        return None
    return HereDocument(title, target, start, end, quoted, tabs)


def documents_in(script: Excerpt, found: Iterable[HereDocument], appended: Iterable[str]) -> Iterator[Document]:
    """What the files hold; those that are written more than once, or added to, are left out."""
    files = list(found)[:MOST]
    written = Counter([*(file.target for file in files), *appended])
    for file in files:
        if file.target and written[file.target] > 1:
            continue
        document = _read(script, file)
        if document is not None and document.servers:
            yield document


def appended_file(header: str) -> str:
    """The file that a here-document is added to; empty where there is none."""
    found = TARGET.search(header[:LONGEST_HEADER])
    return found[1].strip("'\"") if found and APPENDS.search(header) else ""


def _read(script: Excerpt, file: HereDocument) -> Document | None:
    source = _source(script, file)
    if source is None or "vllm" not in source.text.lower():
        return None
    for reader in readers():
        if reader.KIND in OTHER_KINDS:
            continue
        try:
            if reader.recognises(source):
                document: Document = reader.read_document(source)
                return document
        except (ReadError, RecursionError):  # what the shell fills in may make it whole
            return None
    return None


def _source(script: Excerpt, file: HereDocument) -> Source | None:
    """The text as a file of its own whose lines and columns are the script's; None where a template is in it."""
    start, end = script.offsets[file.start], script.offsets[file.end]
    whole, body = script.source, script.text[file.start : file.end]
    if whole.text[start:end] != body:
        return None
    if file.tabs:
        body = TABS.sub(lambda tabs: " " * len(tabs.group()), body)
    if not file.quoted:
        body = FILLED_IN.sub(_hidden, body)
    return Source("\n" * (whole.span(start, start).line - 1) + body, whole.name, file.title)


def _hidden(found: re.Match[str]) -> str:
    """A hole as long as what it hides; of two backslashes at the end of a line one is left."""
    return " \\" if found["backslash"] else f"{HOLE}{FILLER * (len(found.group()) - 2)}{END}"
