"""The worked sum of docs/concepts/memory.md: a real estimate taken apart, every step checked against the document.

The arithmetic here is done from the shapes in config.json and the named constants, not with the package's functions,
so it is a second opinion: where it differs from the estimate, ``make_docs`` stops. It covers a dense model with full
attention on one GPU; the page uses one such model.
"""

from __future__ import annotations

import json
from math import ceil

from llmtune.calc.activations import HIDDEN_COPIES, MIB, RUNNER_V2_SAMPLER, SAMPLER_SCRATCH
from llmtune.calc.cuda_graphs import PER_LAYER_AND_GRAPH, POOL
from llmtune.calc.non_torch import CONTEXT, KERNELS
from llmtune.calc.persistent import SLOT_BYTES
from llmtune.catalog import models

GIB = 2**30
BLOCK = 16  # tokens


class Sheet:
    """Lines of ``name  expression = result``, in code blocks under headings."""

    def __init__(self) -> None:
        """Start empty."""
        self.lines: list[str] = []
        self._rows: list[tuple[str, str, str]] = []

    def step(self, name: str, expression: str, value: float, unit: str = "") -> None:
        """One line of the sum."""
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
        self._rows.append((name, expression, f"{shown} {unit}".rstrip()))

    def say(self, *paragraphs: str) -> None:
        """Close the code block and write text."""
        if self._rows:
            left, middle = (max(len(row[column]) for row in self._rows) for column in (0, 1))
            rows = [f"{a:<{left}}  {b:<{middle}}  = {c}" for a, b, c in self._rows]
            self.lines += ["```text", *rows, "```", ""]
            self._rows = []
        for paragraph in paragraphs:
            self.lines += [paragraph, ""]


def write(document: str, command: str) -> str:
    """The worked sum of one estimate, as Markdown."""
    estimate = json.loads(document)
    config = models.find(estimate["model"]["id"]).config
    sheet = Sheet()
    sheet.say(
        f"The command is `{command}`. Its whole output is in "
        "[estimate.example.json](../reference/estimate.example.json). "
        "The shapes are those of the model's `config.json`; b is 2 bytes, the size of a bfloat16 number.",
    )
    weights = _weights(sheet, config, estimate)
    available = _budget(sheet, config, estimate, weights)
    _kv_cache(sheet, config, estimate, available)
    sheet.say()
    return "\n".join(sheet.lines).rstrip("\n") + "\n"


def _weights(sheet: Sheet, config: dict[str, int] | object, estimate: dict[str, object]) -> int:
    raise NotImplementedError
