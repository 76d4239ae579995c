"""A vLLM start-up log of any release: the figures it prints about memory, the settings, and what went wrong.

The lines are those of vLLM 0.6.0 to 0.33.0; ``log_lines`` has their forms with the place in vLLM's source. A log may
hold several workers, of which each keeps its own figures, and several starts, of which the last with figures counts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers import ReadError
from llmtune.readers.log_lines import FAILURES, FIGURES, RULES, WHOLE_FIGURES
from llmtune.readers.log_text import Lines, open_log
from llmtune.readers.log_values import read_values
from llmtune.spec.calibration import Figures, StartupLog, Worker

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from llmtune.readers.log_text import Line
    from llmtune.spec.deployment import Value

GIB = 2**30
MOST = 1 << 50  # bytes, tokens, blocks: what is above is no figure of a GPU
SAFE_NAME = re.compile(r"[\w .-]{1,60}")
MAIN = "engine"


def read_startup_log(path: Path) -> StartupLog:
    """Read a log file; ``-`` is stdin.

    Raises:
        ReadError: when it cannot be read, is no text, or holds none of the lines about memory.

    """
    stream = open_log(path)
    if str(path) == "-":
        return read_stream(stream, "stdin")
    with stream:
        return read_stream(stream, str(path))


def read_stream(stream: BinaryIO, name: str) -> StartupLog:
    """Read a log from a stream, in constant memory."""
    notes: list[str] = []
    starts = [_Start()]
    try:
        for line in Lines(stream, name, notes):
            if starts[-1].is_over(line.text):
                starts.append(_Start())
            starts[-1].take(line)
    except OSError as error:
        message = f"cannot read {name}: {error.strerror or error}"
        raise ReadError(message, name="unreadable-file") from error
    chosen = next((start for start in reversed(starts) if start.has_figures), starts[-1])
    if not chosen.has_figures and not chosen.failures:
        raise ReadError(f"{name} {_nothing(chosen)}", name="no-startup-log")
    if len(starts) > 1:
        which = "last" if chosen is starts[-1] else "last one with figures"
        notes.append(f"the log holds {len(starts)} starts of a server; the {which} counts")
    return replace(chosen.finish(), starts=len(starts), notes=(*notes, *chosen.notes))


def _nothing(start: _Start) -> str:
    if start.release is None and not start.arguments and not start.config:
        return "holds none of the lines that vLLM prints about memory; name the output of a 'vllm serve' from its start"
    return "ends before vLLM says anything about memory; let the server start up and name the whole log"


class _Start:
    """What the lines of one start have said so far."""

    def __init__(self) -> None:
        self.release: str | None = None
        self.runner: str | None = None
        self.model: str | None = None
        self.arguments: dict[str, Value] = {}
        self.config: dict[str, Value] = {}
        self.has_arguments = False
        self.unread: tuple[str, ...] = ()
        self.workers: dict[tuple[str, str], dict[str, float]] = {}
        self.numbers: dict[str, float] = {}
        self.failures: list[str] = []
        self.graphs_charged: bool | None = None
        self.given = False
        self.date: str | None = None
        self.notes: list[str] = []
        self.equivalent: float | None = None

    @property
    def has_figures(self) -> bool:
        """Whether anything was measured."""
        return any(self.workers.values()) or bool({"tokens", "blocks"} & set(self.numbers))

    def is_over(self, text: str) -> bool:
        """Whether a line belongs to the next start: a server says its version once, an engine its config."""
        if not self.has_figures:
            return False
        if "vLLM API server version" in text or "vLLM server version" in text or re.search(r"█\s+version \d", text):
            return True
        replicas = self.config.get("data_parallel_size", 1)
        return "LLM engine (v" in text and replicas == 1 and bool({"tokens", "blocks"} & set(self.numbers))

    def take(self, line: Line) -> None:
        """Look at one line."""
        text = line.text
        for hint, pattern in RULES:
            if hint in text and (found := pattern.search(text)) is not None:
                self._keep(found.groupdict(), line)
        for hint, kind in FAILURES:
            if hint in text and kind not in self.failures:
                self.failures.append(kind)

    def _keep(self, found: dict[str, str | None], line: Line) -> None:
        said = {name: value for name, value in found.items() if value is not None}
        self.date = self.date or line.date
        for name, value in said.items():
            if name in FIGURES or name in WHOLE_FIGURES:
                size = float(value) if name in FIGURES else float(value) / GIB
                if abs(size) * GIB < MOST:
                    self.workers.setdefault(line.process, {})[FIGURES.get(name, WHOLE_FIGURES.get(name, name))] = size
            elif name in {"tokens", "blocks", "length", "concurrency", "utilization", "batched"}:
                self._number(name, float(value.replace(",", "")))
            else:
                self._word(name, value)

    def _number(self, name: str, value: float) -> None:
        """Figures of the whole engine; of several workers' or replicas' counts the least holds."""
        if value >= MOST:
            return
        if name in {"tokens", "blocks", "concurrency"} and name in self.numbers:
            value = min(value, self.numbers[name])
        self.numbers[name] = value

    def _word(self, name: str, value: str) -> None:
        match name:
            case "release":
                self.release = self.release or value.rstrip(").,").removeprefix("v")
            case "server_model":
                self.model = self.model or value
            case "engine":
                self.runner = self.runner or ("v0" if value == "V0" else "v1")
            case "v2":
                self.runner = "v2"
            case "arguments" if not self.has_arguments:
                (self.arguments, self.unread), self.has_arguments = read_values(value), True
            case "config" if not self.config:
                self.config, _ = read_values(value)
            case "enabled" | "disabled":
                self.graphs_charged = name == "enabled"
            case "with_graphs" | "without_graphs":
                self.numbers[name] = float(value)
            case "given":
                self.given = True

    def finish(self) -> StartupLog:
        """The log, its figures in bytes."""
        workers = [Worker(_name(key, place), self._figures(values)) for place, (key, values) in enumerate(self._each())]
        model = self.config.get("model") or self.arguments.get("model") or self.model
        tokens, blocks, length = (self._whole(name) for name in ("tokens", "blocks", "length"))
        return StartupLog(
            release=self.release,
            runner=self.runner,
            model=model if isinstance(model, str) and model.isprintable() else None,
            arguments={name.replace("_", "-"): value for name, value in self.arguments.items()},
            config=self.config,
            has_arguments=self.has_arguments,
            unread=tuple(name.replace("_", "-") for name in self.unread),
            workers=tuple(workers),
            tokens=tokens,
            blocks=blocks,
            length=length,
            concurrency=self.numbers.get("concurrency"),
            utilization=self.numbers.get("utilization"),
            batched_tokens=self._whole("batched"),
            graphs_charged=self.graphs_charged,
            kv_cache_given=self.given,
            failures=tuple(self.failures),
            measured=self.date,
        )

    def _each(self) -> list[tuple[tuple[str, str], dict[str, float]]]:
        return [(key, values) for key, values in self.workers.items() if values]

    def _whole(self, name: str) -> int | None:
        return int(self.numbers[name]) if name in self.numbers else None

    def _figures(self, values: dict[str, float]) -> Figures:
        """One worker's figures in bytes, with what follows from them.

        0.6.4 prints a peak with the weights in it; from 0.27 on the peak holds the estimate of the graphs, where that
        is charged, and a debug line all that is not cache, of which what is not consumed is the peak.
        """
        graphs = values.get("graphs_estimated", self._graphs_by_share(values))
        weights, activations, peak = (values.get(name) for name in ("weights", "activations", "peak"))
        if activations is None and "torch_peak" in values and weights is not None:
            activations = values["torch_peak"] - weights
        if activations is None and "beside_cache" in values and "consumed" in values:
            activations = values["beside_cache"] - values["consumed"]
        if peak is not None and ("consumed" in values or self.graphs_charged):
            charged = self.graphs_charged is not False
            if activations is None and (not charged or graphs is not None):
                activations = peak - (graphs or 0.0 if charged else 0.0)
        elif peak is not None and activations is None:
            activations = peak
        return Figures(
            total=_bytes(values.get("total")),
            free=_bytes(values.get("free")),
            weights=_bytes(weights),
            activations=_bytes(activations),
            peak=_bytes(peak) if activations is None else None,
            non_torch=_bytes(values.get("non_torch")),
            consumed=_bytes(values.get("consumed")),
            kv_cache=_bytes(values.get("kv_cache")) if not self.given else None,
            graphs_estimated=_bytes(graphs),
            graphs_taken=_bytes(values.get("graphs_taken")),
        )

    def _graphs_by_share(self, values: dict[str, float]) -> float | None:
        """The estimate of the graphs from two shares of the total that the log calls equivalent."""
        with_graphs, without = self.numbers.get("with_graphs"), self.numbers.get("without_graphs")
        total = values.get("total")
        if total is None or with_graphs is None or without is None:
            return None
        return abs(with_graphs - without) * total


def _bytes(gib: float | None) -> int | None:
    return None if gib is None else round(gib * GIB)


def _name(key: tuple[str, str], place: int) -> str:
    """A worker's name without its process id; processes that share a name are told apart by their place."""
    name = key[0] if SAFE_NAME.fullmatch(key[0]) else MAIN
    return f"{name} #{place}" if name.lower() in {"ray worker", "vllmworkerprocess", "rayworkerwrapper"} else name
