"""Result files of ``vllm bench serve`` (``--save-result``) and ``vllm bench sweep``, of every release from 0.6 on.

Source: vLLM benchmarks/serve.py (0.8.0 to 0.33.0), main_async: one JSON object a run; a sweep's ``summary.json`` is a
list of them, ``--append-result`` one object a line. Times are ``mean_ttft_ms``, ``median_ttft_ms``, ``p99_ttft_ms``;
``request_rate`` is a number or "inf".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError
from llmtune.spec.bench import BenchResult
from llmtune.spec.performance import Load
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 256 << 20  # bytes; detailed results hold every token's time
NEEDED = ("completed", "total_input_tokens", "total_output_tokens")
METRICS = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
STATISTICS = {"mean": "mean", "median": "p50", "p50": "p50", "p95": "p95", "p99": "p99"}
RATES = {
    "output_throughput": "output_tokens_per_s",
    "total_token_throughput": "total_tokens_per_s",
    "request_throughput": "requests_per_s",
}
OURS = "llmtune_"  # metadata that bench-plan writes
MILLISECONDS = 1000


def read_bench_results(path: Path) -> tuple[BenchResult, ...]:
    """The runs in a result file.

    Raises:
        ReadError: when it cannot be read, or is no result of the client.

    """
    documents = _documents(path)
    found = [_result(path, entry) for entry in documents]
    if not found:
        raise _no_result(path, "it is empty")
    return tuple(found)


def is_bench_result(path: Path) -> bool:
    """Whether a path is a file that looks like a result; a file that cannot be read is looked at later."""
    if path.suffix.lower() not in {".json", ".jsonl"} or not path.is_file():
        return False
    with path.open("rb") as file:
        return b"total_output_tokens" in file.read(LARGEST)


def _documents(path: Path) -> list[Any]:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}; check the name of the result file"
        raise ReadError(message, name="unreadable-file") from error
    if len(data) > LARGEST:
        raise ReadError(f"{path} has more than {LARGEST >> 20} MiB; leave out --save-detailed", name="file-too-large")
    try:
        text = data.decode("utf-8-sig")
        document = _lines(text) if path.suffix.lower() == ".jsonl" else json.loads(text)
    except (ValueError, RecursionError):
        try:
            document = _lines(data.decode("utf-8-sig"))  # --append-result
        except (ValueError, RecursionError) as error:
            raise _no_result(path, "it is no JSON") from error
    return document if isinstance(document, list) else [document]


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _no_result(path: Path, why: str) -> ReadError:
    return ReadError(f"{path} is no result of 'vllm bench serve --save-result': {why}", name="no-bench-result")


def _result(path: Path, entry: Any) -> BenchResult:
    if not isinstance(entry, dict):
        raise _no_result(path, "it holds no object")
    for key in NEEDED:
        if _number(entry.get(key)) is None:
            raise _no_result(path, f"'{key}' is missing")
    completed = int(entry["completed"])
    if completed < 1 or entry["total_output_tokens"] < 1:
        raise _no_result(path, "no request was completed")
    figures = {name: value for key, name in RATES.items() if (value := _number(entry.get(key)))}
    for metric, name in METRICS.items():
        for statistic, of in STATISTICS.items():
            value = _number(entry.get(f"{statistic}_{metric}_ms"))
            if value is not None and value > 0:
                figures[f"{name}_{of}"] = round(value / MILLISECONDS, 9)
    metadata = {key: str(value) for key, value in entry.items() if key.startswith(OURS)}
    load, notes = _load(entry, completed, metadata)
    return BenchResult(
        path=str(path),
        model=str(entry.get("model_id") or ""),
        load=load,
        completed=completed,
        duration=_number(entry.get("duration")) or 0.0,
        figures=figures,
        date=_date(entry.get("date")),
        metadata=metadata,
        notes=notes,
    )


def _load(entry: dict[str, Any], completed: int, metadata: dict[str, str]) -> tuple[Load, tuple[str, ...]]:
    """The load as far as the file tells, and what it does not."""
    notes = []
    rate, limit = _number(entry.get("request_rate")), _number(entry.get("max_concurrency"))
    if rate is not None and limit is not None:
        notes.append(f"requests came at {rate:g}/s and at most {limit:.0f} at once; the limit is not replayed")
    if entry.get("ramp_up_strategy"):
        notes.append("the request rate was ramped up, which is not replayed")
    if _number(entry.get("burstiness")) not in (None, 1.0) and rate is not None:
        notes.append("arrivals were not Poisson (--burstiness); they are replayed as if they were")
    failed = _number(entry.get("failed")) or max(0.0, (_number(entry.get("num_prompts")) or 0) - completed)
    if failed:
        notes.append(f"{failed:.0f} requests failed: figures are those of the others")
    load = Load(
        prompt=_tokens(entry.get("input_lens"), entry["total_input_tokens"], completed),
        output=_tokens(entry.get("output_lens"), entry["total_output_tokens"], completed),
        concurrency=int(limit) if rate is None and limit else None,
        rate=rate,
        offline=rate is None and not limit,
        requests=completed,
        prefix_hit=_share(metadata.get(f"{OURS}prefix_hit")),
    )
    return load, tuple(notes)


def _tokens(lengths: Any, total: float, completed: int) -> Tokens:
    """Median and 95th percentile where every request's length is there, else the mean."""
    mean = max(1, round(total / completed))
    known = sorted(int(length) for length in lengths if _number(length)) if isinstance(lengths, list) else []
    if len(known) < completed or known[0] == known[-1]:
        return Tokens(mean, mean)
    return Tokens(max(1, known[len(known) // 2]), max(1, known[min(len(known) - 1, int(0.95 * len(known)))]))


def _number(value: Any) -> float | None:
    """A finite number; "inf" and everything else is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None


def _share(text: str | None) -> float:
    try:
        share = float(text or 0)
    except ValueError:
        return 0.0
    return share if 0 <= share <= 1 else 0.0


def _date(value: Any) -> str | None:
    """``20260312-101102`` is 2026-03-12."""
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if text[:8].isdigit() else None
