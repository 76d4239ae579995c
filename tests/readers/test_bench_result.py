"""Result files of vLLM's client, as several releases write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.readers import ReadError
from llmtune.readers.bench_result import is_bench_result, read_bench_results
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from pathlib import Path

PLAIN: dict[str, Any] = {
    "model_id": "Qwen/Qwen3-8B",
    "num_prompts": 10,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 4,
    "duration": 12.5,
    "completed": 10,
    "total_input_tokens": 10_000,
    "total_output_tokens": 2_000,
    "output_throughput": 160.0,
    "mean_ttft_ms": 100.0,
    "p99_ttft_ms": 200.0,
    "mean_e2el_ms": 5000.0,
}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_run_is_read(tmp_path: Path) -> None:
    (found,) = read_bench_results(write(tmp_path / "a.json", {**PLAIN, "date": "20261110-101112"}))
    assert found.load.concurrency == 4
    assert (found.load.rate, found.load.offline) == (None, False)
    assert (found.load.prompt, found.load.output, found.load.requests) == (Tokens(1000, 1000), Tokens(200, 200), 10)
    assert found.figures == {
        "output_tokens_per_s": 160.0,
        "ttft_mean": 0.1,
        "ttft_p99": 0.2,
        "e2e_mean": 5.0,
    }
    assert found.date == "2026-11-10"
    assert found.notes == ()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"max_concurrency": None}, (None, None, True)),
        ({"request_rate": 2.5, "max_concurrency": None}, (None, 2.5, False)),
        ({"request_rate": 2.5}, (None, 2.5, False)),
        ({"request_rate": None}, (4, None, False)),
    ],
)
def test_how_requests_came(entries: dict[str, Any], expected: tuple[Any, ...], tmp_path: Path) -> None:
    (found,) = read_bench_results(write(tmp_path / "a.json", {**PLAIN, **entries}))
    assert (found.load.concurrency, found.load.rate, found.load.offline) == expected


def test_what_is_not_replayed_is_said(tmp_path: Path) -> None:
    odd = {**PLAIN, "request_rate": 2.5, "burstiness": 0.5, "ramp_up_strategy": "linear", "num_prompts": 12}
    (found,) = read_bench_results(write(tmp_path / "a.json", odd))
    said = " ".join(found.notes)
    for word in ("at most 4 at once", "not Poisson", "ramped up", "2 requests failed"):
        assert word in said


def test_lengths_of_every_request_give_the_spread(tmp_path: Path) -> None:
    lengths = [100] * 5 + [200] * 4 + [3000]
    (found,) = read_bench_results(write(tmp_path / "a.json", {**PLAIN, "input_lens": lengths}))
    assert found.load.prompt == Tokens(200, 3000)


def test_the_plans_metadata_is_read(tmp_path: Path) -> None:
    (found,) = read_bench_results(write(tmp_path / "a.json", {**PLAIN, "llmtune_prefix_hit": "0.25"}))
    assert found.load.prefix_hit == 0.25
    (other,) = read_bench_results(write(tmp_path / "a.json", {**PLAIN, "llmtune_prefix_hit": "much"}))
    assert other.load.prefix_hit == 0


def test_a_sweeps_summary_and_appended_results_hold_several(tmp_path: Path) -> None:
    runs = [{**PLAIN, "max_concurrency": count} for count in (1, 8)]
    lines = "\n".join(json.dumps(run) for run in runs)
    (tmp_path / "appended.json").write_text(lines, encoding="utf-8")
    for path in (write(tmp_path / "summary.json", runs), tmp_path / "appended.json"):
        assert [found.load.concurrency for found in read_bench_results(path)] == [1, 8]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "it is empty"),
        ("[]", "it is empty"),
        ("[1]", "it holds no object"),
        ("{", "it is no JSON"),
        ("\x00\xff", "it is no JSON"),
        (json.dumps({**PLAIN, "completed": 0}), "no request was completed"),
        (json.dumps({**PLAIN, "completed": "ten"}), "'completed' is missing"),
        (json.dumps({**PLAIN, "total_output_tokens": 0}), "no request was completed"),
    ],
)
def test_what_is_no_result_is_refused(text: str, fragment: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ReadError, match="no result of"):
        read_bench_results(path)
    with pytest.raises(ReadError, match=fragment):
        read_bench_results(path)


def test_files_are_told_apart(tmp_path: Path) -> None:
    assert is_bench_result(write(tmp_path / "a.json", PLAIN))
    assert not is_bench_result(write(tmp_path / "b.json", {"a": 1}))
    assert not is_bench_result(tmp_path / "missing.json")
    assert not is_bench_result(write(tmp_path / "c.yaml", PLAIN))
