"""The grammar of a shell text, and where its nodes stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from llmtune.spec.word import END, FILLER, HOLE

# The parser's time grows with the square of these where they stand in no order: 2500 of them take it two seconds at
# worst. The largest public scripts have 1200.
COSTLY = re.compile(r"[()|?@`\[\]<>;&!*~]|\b(?:case|esac|for|function)\b")
MOST_COSTLY = 2500
GROWS = re.compile(r"`[\s\\]*[<>]")  # tree-sitter-bash 0.25 takes memory by their square: a gigabyte for 2000
MOST_GROWING = 100
MASK = re.compile(f"{HOLE}[^{HOLE}{END}]*{END}")
WIDE = re.compile(r"[^\x00-\x7f]")
READERS = frozenset({"bash", "sh", "zsh", "dash", "ksh", "ssh", "srun"})  # programs that take a script as their input
SCRIPT = re.compile(r"\A\s*#!.*sh\b")
TARGET = re.compile(r"(?:>{1,2}\s*|\btee\s+(?:-a\s+)?)([^\s<>|;&]+)")
FIRST_PROGRAM = re.compile(r"\s*(?:sudo\s+(?:-\S+\s+)*)?([\w./-]+)")


class Tree:
    """A text and the nodes that tree-sitter-bash sees in it."""

    def __init__(self, text: str) -> None:
        """Parse a text; what its holes hide could be anything."""
        self.text = text
        masked = MASK.sub(lambda match: HOLE + FILLER * (len(match.group()) - 2) + END, text)
        masked = masked.replace("\r\n", " \n")  # else the ends of here-documents are not found
        self.ends: list[int] = []  # of characters that take more than a byte, in bytes
        self.extra: list[int] = [0]  # bytes more than characters up to there
        for match in WIDE.finditer(masked):
            self.extra.append(self.extra[-1] + len(match.group().encode("utf-8", "replace")) - 1)
            self.ends.append(match.end() + self.extra[-1])
        self.root = _parse(masked)

    def at(self, offset: int) -> int:
        """Bytes to characters."""
        return offset - self.extra[bisect_right(self.ends, offset)]

    def written(self, node: Any) -> str:
        """A node's text."""
        return self.text[self.at(node.start_byte) : self.at(node.end_byte)]


def _parse(text: str) -> Any:
    """The root of the syntax tree; None for a text that would keep the parser busy."""
    import tree_sitter
    import tree_sitter_bash

    if len(GROWS.findall(text)) > MOST_GROWING or len(COSTLY.findall(text)) > MOST_COSTLY:
        return None
    language = tree_sitter.Language(tree_sitter_bash.language())
    return tree_sitter.Parser(language).parse(text.encode("utf-8", "replace")).root_node


def is_script(written: str, body: str) -> bool:
    """Whether a here-document is a shell script: its target's name, its first line, or the shell that reads it."""
    first, target = FIRST_PROGRAM.match(written), TARGET.search(written)
    if first and first[1].rsplit("/", 1)[-1] in READERS:
        return True
    name = target[1].strip("'\"") if target else ""
    return bool(name) and (name.endswith((".sh", ".bash")) or bool(SCRIPT.match(body)))
