"""A page of text: a headline, the memory bar with its legend, tables and lists; any width, with or without colour."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from llmtune.spec.memory import Memory

GIB = 2**30
GLYPHS = {  # unicode, ASCII, colour
    "weights": ("█", "#", "blue"),
    "KV cache": ("▓", "K", "green"),
    "activations": ("▒", "a", "yellow"),
    "persistent buffers": ("░", "p", "magenta"),
    "CUDA graphs": ("▪", "g", "cyan"),
    "non-torch": ("▫", "n", "white"),
    "other processes": ("◦", "o", "red"),
    "unused": ("·", ".", "bright_black"),
}
NAME_WIDTH = 18
SETTING_WIDTH = 34


@dataclass(frozen=True, slots=True)
class Paper:
    """What a page is written on: its width in columns, and whether it can show colour and block characters."""

    width: int
    color: bool = False
    unicode: bool = True


class Page:
    """A page that is written top to bottom."""

    def __init__(self, paper: Paper) -> None:
        """Start an empty page."""
        from rich.console import Console

        self._width, self._unicode = paper.width, paper.unicode
        self._out = io.StringIO()
        self._console: Console = Console(
            file=self._out,
            width=paper.width,
            force_terminal=paper.color,
            no_color=not paper.color,
            color_system="standard" if paper.color else None,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def text(self) -> str:
        """The page, without trailing blanks."""
        return "\n".join(line.rstrip() for line in self._out.getvalue().splitlines()).rstrip("\n") + "\n"

    def headline(self, text: str) -> None:
        """What it is about."""
        self._console.print(text if self._unicode else text.replace("·", "|"), style="bold")

    def memory(self, memory: Memory) -> None:
        """One stacked bar of the fullest GPU and its legend."""
        parts = [part for part in memory.parts if part.bytes > 0]
        if all(part.name == "unused" for part in parts):
            return  # refused before anything was computed
        from rich.text import Text

        total = max(memory.total, sum(part.bytes for part in parts))
        bar = Text()
        ends, done, drawn = max(20, min(self._width, 100)), 0, 0
        for part in parts:
            done += part.bytes
            upto = round(done / total * ends)
            bar.append(self._glyph(part.name) * (upto - drawn), style=GLYPHS[part.name][2])
            drawn = upto
        self._console.print(bar)
        for part in memory.parts:
            if part.bytes == 0 and part.name not in {"KV cache", "unused"}:
                continue
            share = f"{part.bytes / memory.total:.0%}"
            range_ = f"{part.low / GIB:.1f}..{part.high / GIB:.1f}" if part.high - part.low >= GIB / 20 else ""
            left = f"{part.name:<{NAME_WIDTH}} {part.bytes / GIB:7.2f} GiB {share:>5}"
            row = f"{left}  {range_:<11} " if self._width >= 90 else f"{left}  "  # noqa: PLR2004 - columns
            self._hang(self._glyph(part.name) + " " + row, part.why, style=GLYPHS[part.name][2])

    def verdict(self, memory: Memory) -> None:
        """Whether it starts; if not, the engine's own words."""
        self._console.print()
        if memory.failure is not None:
            said = f"{memory.failure.kind}: {memory.failure.engine_message}"
            self._hang(f"{'probably ' if memory.doubt else ''}does not start: ", said, style="bold red")
            self._doubt(memory)
            if memory.max_model_len_that_fits:
                self._console.print(f"longest context that fits: {memory.max_model_len_that_fits}")
            return
        kv = memory.kv
        self._console.print("probably starts" if memory.doubt else "starts", style="bold green")
        self._doubt(memory)
        if kv is not None and kv.groups:
            low, high = memory.kv_low / GIB, memory.kv_high / GIB
            self._hang(
                "",
                f"KV cache {low:.1f} to {high:.1f} GiB: {kv.tokens} tokens in {kv.num_blocks} blocks of "
                f"{kv.block_size}, {kv.max_concurrency:.2f} requests of full length at once; "
                f"longest context that fits {memory.max_model_len_that_fits}",
            )

    def _doubt(self, memory: Memory) -> None:
        if memory.doubt:
            self._hang("too close to call: ", memory.doubt, style="bold yellow")

    def table(self, title: str, rows: Iterable[tuple[str, str]]) -> None:
        """Left a setting, right what to know of it."""
        rows = list(rows)
        if not rows:
            return
        self._console.print()
        self._console.print(title, style="bold")
        fitting = max((len(left) for left, _ in rows if len(left) <= SETTING_WIDTH), default=SETTING_WIDTH)
        for left, right in rows:
            if len(left) > SETTING_WIDTH:
                self._hang("  ", left)
                self._hang(" " * (fitting + 4), right)
            else:
                self._hang(f"  {left:<{fitting}}  ", right)

    def bullets(self, title: str, lines: Iterable[str]) -> None:
        """A list of sentences."""
        lines = list(lines)
        if not lines:
            return
        self._console.print()
        self._console.print(title, style="bold")
        for line in lines:
            self._hang("  - ", line)

    def line(self, label: str, text: str) -> None:
        """A label and a sentence that wraps beside it."""
        self._hang(label, text)

    def lines(self, lines: Iterable[str]) -> None:
        """Lines that are laid out already, behind an empty one."""
        self._console.print()
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def block(self, title: str, text: str) -> None:
        """Something to copy, never wrapped."""
        self._console.print()
        self._console.print(title, style="bold")
        for line in text.rstrip("\n").splitlines():
            self._console.print("  " + line, soft_wrap=True)

    def _glyph(self, name: str) -> str:
        return GLYPHS[name][0 if self._unicode else 1]

    def _hang(self, left: str, right: str, style: str | None = None) -> None:
        """A label and text that wraps beside it."""
        from textwrap import wrap  # noqa: PLC0415

        from rich.text import Text

        room = max(20, self._width - len(left))
        lines = wrap(right, room, break_on_hyphens=False) or [""]
        first = Text(left, style=style or "")
        first.append(lines[0], style="default" if style else None)
        self._console.print(first, soft_wrap=True)
        for line in lines[1:]:
            self._console.print(" " * len(left) + line, soft_wrap=True)
