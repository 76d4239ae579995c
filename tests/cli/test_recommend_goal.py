"""``llmtune recommend`` by predicted times: options, agreement with ``simulate``, JSON, ``--quick``, bad input."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmtune import cli
from llmtune.cli.goals import read_counts, read_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASK = "recommend Qwen/Qwen3-8B --gpu h100 --no-calibration"


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Ended]:
    def command(line: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["llmtune", *shlex.split(line)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(stop.value.code or 0), captured.out, captured.err)

    return command


@pytest.mark.parametrize("options", ["", "--gpus 4 --scenario high-throughput", "--rate 8/s --tpot 20ms"])
def test_simulate_says_the_same_of_what_was_recommended(run: Callable[[str], Ended], options: str) -> None:
    found = run(f"{ASK} {options} --format json").document
    written = run(f"{ASK} {options} --format command").out.strip()
    load = found["load"]
    arrival = f"--rate {load['rate_per_s']}/s" if load["rate_per_s"] else f"--concurrency {load['concurrency']}"
    lengths = " ".join(
        f"--{name}-tokens {load[f'{name}_tokens']['p50']}:{load[f'{name}_tokens']['p95']}"
        for name in ("prompt", "output")
    )
    count = found["estimate"]["hardware"]["gpus_per_node"]
    again = run(
        f"simulate --gpu h100 --gpus {count} --no-calibration {arrival} {lengths} --requests {load['requests']} "
        f"--format json -- {written}"
    ).document
    expected = {name: value for name, value in found["performance"].items() if name != "tokens_per_gpu_per_s"}
    assert again["performance"] == expected
    assert again["interval"] == found["interval"]


def test_the_document_has_what_the_choice_was_made_by(run: Callable[[str], Ended]) -> None:
    found = run(f"{ASK} --gpus 2 --objective cost --price 2.5 --ttft 1s --tpot 50ms --format json").document
    assert found["objective"] == "cost"
    assert found["targets"] == {"ttft_s": 1.0, "tpot_s": 0.05}
    assert found["misses"] == []
    assert found["not_predicted"] is None
    per_gpu = found["performance"]["tokens_per_gpu_per_s"]
    assert per_gpu == pytest.approx(found["performance"]["output_tokens_per_s"] / 2)
    assert found["cost"]["usd_per_million_output_tokens"] == pytest.approx(2.5 / (per_gpu * 0.0036))
    assert found["cost"]["who"] == "--price"
    assert found["engine_default"]["settings"]["max-num-seqs"] == 1024
    assert {point["meets_targets"] for point in found["front"]} <= {True, False}


def test_list_prices_are_dated(run: Callable[[str], Ended]) -> None:
    cost = run(f"{ASK} --objective cost --format json").document["cost"]
    assert cost is None or cost["date"]


def test_quick_looks_at_memory_alone(run: Callable[[str], Ended]) -> None:
    found = run(f"{ASK} --quick --format json").document
    assert found["feasible"]
    assert found["performance"] is found["objective"] is found["load"] is found["engine_default"] is None
    assert found["front"] == found["effects"] == found["misses"] == []
    assert "Predicted" not in run(f"{ASK} --quick").out


def test_the_page_has_the_choice_the_engines_own_values_and_the_front(run: Callable[[str], Ended]) -> None:
    page = run(f"{ASK} --gpus 8 --ttft 2s")
    assert page.code == 0
    for words in ("Predicted for", "this choice", "engine's own", "bound by", "targets: TTFT 2", "What these GPUs"):
        assert words in page.out


def test_a_range_of_gpus_is_a_choice(run: Callable[[str], Ended]) -> None:
    found = run(f"{ASK} --gpus 1-8 --format json").document
    assert found["estimate"]["hardware"]["gpus_per_node"] == 1
    assert any("2 x h100-sxm" in one["candidate"] for one in found["rejected"])
    quick = run(f"{ASK} --gpus 1-8 --quick --format json").document
    assert quick["estimate"]["hardware"]["gpus_per_node"] == 1
    large = run("recommend meta-llama/Llama-3.3-70B-Instruct --gpu h100 --gpus 1-8 --quick --format json").document
    assert large["estimate"]["hardware"]["gpus_per_node"] > 1


def test_quantised_siblings_only_where_they_are_allowed(run: Callable[[str], Ended]) -> None:
    line = "recommend Qwen/Qwen3-32B --gpu l40s --gpus 2 --scenario low-latency --format json"
    assert run(line).document["estimate"]["model"]["quantization"] is None
    found = run(f"{line} --allow-quantized").document["estimate"]
    assert found["model"]["quantization"] is not None
    assert any("stands in for Qwen/Qwen3-32B" in said for said in found["assumptions"])


def test_a_gpu_without_known_rates_is_answered_by_memory(run: Callable[[str], Ended]) -> None:
    line = "recommend Qwen/Qwen3-8B --gpu mystery --gpu-memory 40GiB --compute-capability 9.0 --format json"
    found = run(line).document
    assert found["feasible"]
    assert "not known" in found["not_predicted"]
    assert any("times are not predicted" in said for said in found["estimate"]["assumptions"])


def test_a_measured_benchmark_scales_the_prediction(run: Callable[[str], Ended], tmp_path: Path) -> None:
    speed = run(f"{ASK} --format json").document["performance"]
    result = {
        "date": "20261101-120000",
        "backend": "openai",
        "model_id": "Qwen/Qwen3-8B",
        "num_prompts": 320,
        "request_rate": "inf",
        "max_concurrency": 32,
        "completed": 320,
        "duration": 100.0,
        "total_input_tokens": 320 * 1000,
        "total_output_tokens": 320 * 350,
        "mean_tpot_ms": 2000 * speed["tpot_s"]["mean"],
        "mean_ttft_ms": 1000 * speed["ttft_s"]["mean"],
    }
    (tmp_path / "c32.json").write_text(json.dumps(result), encoding="utf-8")
    records = tmp_path / "records.json"
    server = "-- vllm serve Qwen/Qwen3-8B --max-model-len 4096"
    assert run(f"bench-read {tmp_path / 'c32.json'} --gpu h100 --save --calibration {records} {server}").code == 0
    again = run(f"recommend Qwen/Qwen3-8B --gpu h100 --calibration {records} --format json").document
    assert any("calibrated by" in said for said in again["estimate"]["assumptions"])
    assert again["performance"]["tpot_s"]["mean"] > 1.5 * speed["tpot_s"]["mean"]


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ("--objective speed", "--objective must be one of throughput, latency, cost, not 'speed'"),
        ("--ttft 500", "--ttft '500' is no time: write 500ms or 0.5s"),
        ("--tpot 0ms", "--tpot '0ms' is no time"),
        ("--rate fast", "--rate 'fast' is no rate"),
        ("--rate 3/s --concurrency 4", "two ways to send requests"),
        ("--price 0", "--price is USD per GPU and hour"),
        ("--gpus 8-1", "a range goes from a number above 0 to a larger one"),
        ("--gpus many", "'many' is no number, and no range"),
    ],
)
def test_bad_input_is_one_line(run: Callable[[str], Ended], options: str, fragment: str) -> None:
    ended = run(f"{ASK} {options}")
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert fragment in ended.err


def test_ranges_and_times() -> None:
    assert read_counts(None) == ()
    assert read_counts("3") == (3,)
    assert read_counts("1-8") == (1, 2, 4, 8)
    assert read_counts("2..6") == (2, 4, 6)
    assert read_time("--ttft", "0.5 s") == read_time("--ttft", "500ms") == 0.5
