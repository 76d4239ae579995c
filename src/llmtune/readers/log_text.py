"""The lines of a log that may matter, from whatever it comes wrapped in: gzip, UTF-16, JSON lines, colours, prefixes.

A log of a server that ran for weeks has gigabytes, of which a hundred lines are about its start. So it is read in
pieces of constant size, each is searched for a few words, and only lines that hold one are looked at. Traded away: a
word that is cut by the end of a piece inside one endless line.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO

from llmtune.readers import ReadError
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE = 1 << 20  # bytes read at once
LONGEST_LINE = 1 << 18  # characters looked at; the longest argument lines have some thousand
MOST_LINES = 50_000  # lines with one of the words; a start prints fewer than a hundred, and restarts are many
MOST_BYTES = 1 << 34  # of text, whatever a compressed file would unpack to
GZIP = b"\x1f\x8b"
GZIP_FORMAT = 16 + zlib.MAX_WBITS
NEEDLES = tuple(
    word.encode()
    for word in (
        "GiB", "GB and", "weights took", "not enough GPU", "GPU blocks", "cuda blocks", "KV cache size",
        "concurrency for", "LLM engine (v", "args: ", "version ", "█", "out of memory", "cache blocks", "max seq len",
        "V2 Model Runner", "max_num_batched_tokens=", "memory profiling", "Auto-fit", "num_gpu_blocks_override",
        "warming up",
    )
)  # fmt: skip
COLOUR = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
PROCESS = re.compile(r"\((\w{1,60})(?: rank=(\d{1,5}))? pid=(\d{1,10})[^()]{0,80}\)")
RAY_PREFIX = re.compile(r"\(pid=(\d{1,10})[^()]{0,80}\)")
LONG_DATE = re.compile(r"\b(20\d\d-[01]\d-[0-3]\d)[T ]\d\d:\d\d")
SHORT_DATE = re.compile(r"\b(?:DEBUG|INFO|WARNING|ERROR) ([01]\d-[0-3]\d) \d\d:\d\d:\d\d\b")
MESSAGES = ("message", "msg", "log", "MESSAGE", "textPayload", "line", "body")
MOSTLY = 0.9  # share of zeros among the high bytes of UTF-16 text without a mark
PREFIX = 300  # characters in front of a message in which processes and dates are looked for


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the process that printed it (name and id, both empty for the main one), its date, and the text."""

    process: tuple[str, str]
    date: str | None
    text: str


@dataclass(slots=True)
class Lines:
    """The lines of a log in their order; ``notes`` fill up while they are read."""

    stream: BinaryIO
    name: str
    notes: list[str]

    def __iter__(self) -> Iterator[Line]:
        """Every line that holds one of the words, its JSON and prefixes taken off."""
        for given, raw in enumerate(self._lines(), start=1):
            yield from _unwrap(raw)
            if given >= MOST_LINES:
                self.notes.append(f"only the first {MOST_LINES} lines about memory were read")
                return

    def _lines(self) -> Iterator[str]:
        for piece in _whole_lines(self._pieces()):
            for start, end in _found(piece):
                yield piece[start : min(end, start + LONGEST_LINE)].decode("utf-8", "replace")

    def _pieces(self) -> Iterator[bytes]:
        """The text as UTF-8, piece by piece."""
        source = self._unpacked()
        first = next(source, b"")
        encoding = _encoding(first)
        if encoding is None:
            if b"\0" in first[:PIECE]:
                raise ReadError(f"{self.name} is no text; name the log that vLLM printed", name="not-text")
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from source
            return
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        yield decoder.decode(first).removeprefix("\ufeff").encode("utf-8", "replace")
        for piece in source:
            yield decoder.decode(piece).encode("utf-8", "replace")

    def _unpacked(self) -> Iterator[bytes]:
        head = self.stream.read(PIECE)
        source: Iterator[bytes] = _chained(head, self.stream)
        if head.startswith(GZIP):
            source = self._gunzipped(source)
        size = 0
        for piece in source:
            yield piece
            size += len(piece)
            if size > MOST_BYTES:
                self.notes.append(f"only the first {MOST_BYTES >> 30} GiB were read")
                return

    def _gunzipped(self, source: Iterator[bytes]) -> Iterator[bytes]:
        """What a gzip file holds, also of several members; what is there of one that was cut off."""
        unpacker, empty = zlib.decompressobj(GZIP_FORMAT), True
        for packed in source:
            rest = packed
            while rest:
                try:
                    text = unpacker.decompress(rest, PIECE)
                except zlib.error as error:
                    if empty:
                        message = f"{self.name} is a gzip file that cannot be unpacked; copy it again"
                        raise ReadError(message, name="broken-gzip") from error
                    self.notes.append("the gzip file is damaged; what comes before that was read")
                    return
                yield text
                empty = empty and not text
                rest = unpacker.unconsumed_tail
                if unpacker.eof:
                    rest = unpacker.unused_data.lstrip(b"\0")
                    unpacker = zlib.decompressobj(GZIP_FORMAT)


def open_log(path: Path) -> BinaryIO:
    """The log as bytes; ``-`` is stdin.

    Raises:
        ReadError: when it cannot be opened.

    """
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        if path.is_dir():
            raise ReadError(f"{path} is a directory; name a log file in it", name="unreadable-file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        if isinstance(error, ReadError):
            raise
        reason = getattr(error, "strerror", None) or error
        message = f"cannot read {path}: {reason}; check the path and its permissions"
        raise ReadError(message, name="unreadable-file") from error


def _chained(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    while head:
        yield head
        head = stream.read(PIECE)


def _encoding(head: bytes) -> str | None:
    """UTF-16 by its mark, or by the zeros between ASCII letters; None for everything else."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if head.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    sample = head[:1024]
    odd, even = sample[1::2], sample[::2]
    for encoding, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros.count(0) > MOSTLY * len(zeros) and letters.count(0) == 0:
            return encoding
    return None


def _whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces that end at a line's end, carriage returns made line ends; an endless line is cut."""
    rest = b""
    for piece in pieces:
        text = rest + (piece.replace(b"\r", b"\n") if b"\r" in piece else piece)
        end = text.rfind(b"\n") + 1
        if not end and len(text) > PIECE:
            end = len(text)
        yield text[:end]
        rest = text[end:]
    yield rest


def _found(piece: bytes) -> list[tuple[int, int]]:
    """Start and end of every line that holds one of the words."""
    lines: dict[int, int] = {}
    for word in NEEDLES:
        at = piece.find(word)
        while at >= 0:
            start, end = piece.rfind(b"\n", 0, at) + 1, piece.find(b"\n", at)
            end = len(piece) if end < 0 else end
            lines[start] = end
            if len(lines) > MOST_LINES:
                break
            at = piece.find(word, end)
    return sorted(lines.items())


def _unwrap(raw: str) -> Iterator[Line]:
    """The lines in one line of a file: a JSON object may hold several."""
    text = COLOUR.sub("", raw).strip()
    if not text.startswith("{") or not text.endswith("}"):
        yield _line(text)
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield _line(text)
        return
    message, process, date = _message(document)
    if message is None:
        yield _line(text)
        return
    for part in COLOUR.sub("", message).splitlines():
        line = _line(part.strip())
        yield Line(line.process if any(line.process) else process, line.date or date, line.text)


def _message(document: dict[str, object]) -> tuple[str | None, tuple[str, str], str | None]:
    """The text of a JSON log entry, the process that it names, and its date."""
    nested = next((document[key] for key in ("jsonPayload", "fields") if isinstance(document.get(key), dict)), None)
    entry = {**document, **nested} if isinstance(nested, dict) else document
    message = next((entry[key] for key in MESSAGES if isinstance(entry.get(key), str)), None)
    name, number = entry.get("processName"), entry.get("process")
    process = (name, str(number)) if isinstance(name, str) and name != "MainProcess" else ("", "")
    stamps = " ".join(str(entry[key]) for key in ("asctime", "timestamp", "time", "@timestamp") if key in entry)
    date = LONG_DATE.search(f"{stamps[:PREFIX]}T00:00" if stamps.count(":") == 0 else stamps[:PREFIX])
    return (message if isinstance(message, str) else None), process, (date[1] if date else None)


def _line(text: str) -> Line:
    """A line with the process and the date that stand in front of it."""
    front = text[:PREFIX]
    processes = [found for found in PROCESS.finditer(front) if found[1] != "APIServer"]
    process = ("", "")
    if processes:
        last = processes[-1]
        process = (f"{last[1]} {last[2]}" if last[2] else last[1], last[3])
    elif (ray := RAY_PREFIX.search(front)) is not None:
        process = ("ray worker", ray[1])
    date = LONG_DATE.search(front) or SHORT_DATE.search(front)
    return Line(process, date[1] if date else None, text)
