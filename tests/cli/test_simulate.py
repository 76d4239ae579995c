"""``llmtune simulate``: options to a load, exit codes, one document, and laws of what is predicted."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmtune import cli

if TYPE_CHECKING:
    from collections.abc import Callable

GPU = "simulate --gpu h100"
SERVE = "-- vllm serve Qwen/Qwen3-8B --max-model-len 8192"
CLOSED = "--prompt-tokens 1000 --output-tokens 200 --concurrency 16"


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


def test_the_document_keeps_its_contract(run: Callable[[str], Ended]) -> None:
    ended = run(f"{GPU} {CLOSED} --format json {SERVE}")
    assert ended.code == 0
    document = ended.document
    assert document["schema"] == "llmtune/simulation/1"
    assert document["settings"]["max-model-len"] == {"value": 8192, "origin": "set"}
    found = document["performance"]
    for name in ("ttft_s", "tpot_s", "itl_s", "e2e_s"):
        assert set(found[name]) == {"mean", "p50", "p95", "p99"}
        assert 0 < found[name]["p50"] <= found[name]["p95"] <= found[name]["p99"]
    assert found["total_tokens_per_s"] == pytest.approx(6 * found["output_tokens_per_s"])
    assert found["output_tokens_per_s"] == pytest.approx(200 * found["requests_per_s"])
    assert 0 < found["running_mean"] <= 16
    assert 0 < found["kv_use_max"] <= 1
    assert found["preemptions"] == 0
    assert isinstance(found["bound_by"], str)
    for name, (low, high) in document["interval"].items():
        mean = found[name]["mean"] if name.endswith("_s") and isinstance(found[name], dict) else found[name]
        assert low < mean < high
    assert document["load"]["concurrency"] == 16
    assert document["load"]["scenario"] is None


def test_the_same_input_gives_the_same_bytes(run: Callable[[str], Ended]) -> None:
    line = f"{GPU} --rate 5/s --format json {SERVE}"
    assert run(line).out == run(line).out
    assert run(f"{GPU} --rate 5/s --seed 7 --format json {SERVE}").out != run(line).out


def test_what_the_options_leave_open_comes_from_a_scenario_and_is_said(run: Callable[[str], Ended]) -> None:
    document = run(f"{GPU} --format json {SERVE}").document
    assert document["load"]["scenario"] == "chat"
    assert document["load"]["prompt_tokens"] == {"p50": 600, "p95": 3000}
    assert document["load"]["concurrency"] == 32
    assert any("scenario chat" in said for said in document["assumptions"])
    other = run(f"{GPU} --scenario summarization --rate 90/min --format json {SERVE}").document
    assert other["load"]["rate_per_s"] == 1.5
    assert other["load"]["concurrency"] is None
    assert other["load"]["prompt_tokens"]["p50"] != 600


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--rate 12", {"rate_per_s": 12.0, "concurrency": None, "offline": False}),
        ("--rate 12/s", {"rate_per_s": 12.0}),
        ("--concurrency 4", {"concurrency": 4, "rate_per_s": None}),
        ("--offline --requests 40", {"offline": True, "requests": 40, "concurrency": None}),
        ("--offline --concurrency 4", {"offline": False, "concurrency": 4}),
        ("--prefix-hit 40%", {"prefix_hit": 0.4}),
        ("--prompt-tokens 100:400", {"prompt_tokens": {"p50": 100, "p95": 400}}),
    ],
)
def test_load_options(options: str, expected: dict[str, Any], run: Callable[[str], Ended]) -> None:
    load = run(f"{GPU} {options} --format json {SERVE}").document["load"]
    assert {name: load[name] for name in expected} == expected


def test_more_requests_in_flight_are_slower_each_and_faster_together(run: Callable[[str], Ended]) -> None:
    sizes = [1, 8, 64]
    found = [
        run(f"{GPU} --prompt-tokens 1000 --output-tokens 200 --concurrency {n} --format json {SERVE}").document[
            "performance"
        ]
        for n in sizes
    ]
    tpots = [one["tpot_s"]["mean"] for one in found]
    rates = [one["output_tokens_per_s"] for one in found]
    assert tpots == sorted(tpots)
    assert rates == sorted(rates)


def test_cached_prefixes_shorten_the_time_to_the_first_token(run: Callable[[str], Ended]) -> None:
    cold, warm = (
        run(f"{GPU} {CLOSED} --prefix-hit {share} --format json {SERVE}").document["performance"]["ttft_s"]["mean"]
        for share in (0, 0.9)
    )
    assert warm < cold


def test_a_switched_off_prefix_cache_hits_nothing(run: Callable[[str], Ended]) -> None:
    document = run(f"{GPU} {CLOSED} --prefix-hit 0.9 --format json {SERVE} --no-enable-prefix-caching").document
    assert document["load"]["prefix_hit"] == 0
    assert any("prefix caching is off" in said for said in document["assumptions"])


def test_what_does_not_start_is_exit_1_with_the_estimates_failure(run: Callable[[str], Ended]) -> None:
    line = "simulate --gpu l4 {} -- vllm serve Qwen/Qwen3-8B"
    text = run(line.format(""))
    assert text.code == 1
    assert "does not start" in text.out
    document = run(line.format("--format json"))
    assert document.code == 1
    assert document.document["performance"] is None
    assert document.document["failure"] == "kv_cache"
    assert document.document["interval"] == {}
    assert run(line.format("--exit-zero")).code == 0


def test_answers_end_where_the_context_does(run: Callable[[str], Ended]) -> None:
    document = run(f"{GPU} --prompt-tokens 8000 --output-tokens 8000 --format json {SERVE}").document
    assert document["load"]["output_tokens"] == {"p50": 192, "p95": 192}
    assert any("answers end after 192 tokens" in said for said in document["assumptions"])


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ("--rate 0", "is no rate"),
        ("--rate -3", "is no rate"),
        ("--rate inf", "--offline"),
        ("--rate 12/s --concurrency 3", "two ways to send requests"),
        ("--rate 12/s --offline", "two ways to send requests"),
        ("--concurrency 0", "must lie in 1..10000"),
        ("--concurrency 99999", "must lie in 1..10000"),
        ("--requests 0", "must lie in 1..20000"),
        ("--prompt-tokens x", "takes a number of tokens"),
        ("--prompt-tokens 400:100", "95th percentile cannot be below"),
        ("--prompt-tokens 0", "takes a number of tokens"),
        ("--output-tokens 1:2:3", "takes a number of tokens"),
        ("--prompt-tokens 9000", "does not fit in --max-model-len 8192"),
        ("--prefix-hit 2", "is no share"),
        ("--prefix-hit some", "is no share"),
        ("--scenario chatt", "unknown scenario"),
        ("--format yaml", "must be one of text, json"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(options: str, fragment: str, run: Callable[[str], Ended]) -> None:
    ended = run(f"{GPU} {options} {SERVE}")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) == 1
    assert fragment in ended.err


def test_no_server_is_a_mistake(run: Callable[[str], Ended]) -> None:
    assert run(GPU).code == 2
    assert "no server named" in run(GPU).err


@pytest.mark.parametrize("width", [40, 80, 120])
def test_text_keeps_to_its_tables(width: int, run: Callable[[str], Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ended = run(f"{GPU} {CLOSED} {SERVE}")
    assert ended.code == 0
    for word in ("TTFT", "TPOT", "ITL", "E2E", "output tokens/s", "preemptions", "bound by"):
        assert word in ended.out


@pytest.mark.parametrize(
    "server",
    [
        "vllm serve openai/gpt-oss-20b --max-model-len 8192",
        "vllm serve deepseek-ai/DeepSeek-R1 -tp 8 --max-model-len 8192 --gpu-memory-utilization 0.95",
        "vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct -tp 4 --max-model-len 8192",
        "vllm serve meta-llama/Llama-3.3-70B-Instruct -tp 2 -pp 2 --max-model-len 8192",
        "vllm serve Qwen/Qwen3-30B-A3B -dp 2 --enable-expert-parallel --max-model-len 8192",
    ],
)
def test_kinds_of_models_and_layouts(server: str, run: Callable[[str], Ended]) -> None:
    ended = run(f"simulate --gpu h200 {CLOSED} --format json -- {server}")
    assert ended.code == 0, ended.err
    assert ended.document["performance"]["tpot_s"]["mean"] > 0.001


@pytest.mark.parametrize("release", ["0.6.6", "0.8.5", "0.11.0", "0.33.0"])
def test_releases(release: str, run: Callable[[str], Ended]) -> None:
    ended = run(
        f"{GPU} {CLOSED} --vllm-version {release} --format json -- vllm serve Qwen/Qwen2.5-7B-Instruct "
        "--max-model-len 8192"
    )
    assert ended.code == 0, ended.err
    assert ended.document["engine_version"] == release


def test_at_a_rate_it_is_said_what_ends_while_requests_come(run: Callable[[str], Ended]) -> None:
    line = f"{GPU} --prompt-tokens 1000 --output-tokens 200 --rate 4/s {{}} {SERVE}"
    document = run(line.format("--format json")).document
    arriving, whole = document["arrivals"], document["performance"]
    assert arriving["keeps_up"] is True
    assert arriving["requests_per_s"] == pytest.approx(4)
    assert arriving["output_tokens_per_s"] == pytest.approx(800)
    assert arriving["total_tokens_per_s"] == pytest.approx(4800)
    assert arriving["sustained_per_s"] > 4
    assert whole["requests_per_s"] < 4
    assert arriving["drain_s"] == pytest.approx(whole["duration_s"] - 1000 / 4)
    text = " ".join(run(line.format("")).out.split())
    assert "keeps up" in text
    assert "after the last arrival" in text


def test_a_rate_that_is_too_high_is_said_with_what_can_be_served(run: Callable[[str], Ended]) -> None:
    line = f"{GPU} --prompt-tokens 1000 --output-tokens 200 --rate 80/s {{}} {SERVE}"
    ended = run(line.format("--format json"))
    arriving = ended.document["arrivals"]
    assert ended.code == 0
    assert arriving["keeps_up"] is False
    full = run(f"{GPU} --prompt-tokens 1000 --output-tokens 200 --offline --requests 5000 --format json {SERVE}")
    assert arriving["sustained_per_s"] == pytest.approx(full.document["performance"]["requests_per_s"], rel=0.1)
    assert arriving["requests_per_s"] == arriving["sustained_per_s"]
    assert "cannot keep up: 80 requests/s come" in run(line.format("")).out


def test_what_comes_at_no_rate_has_no_arrivals(run: Callable[[str], Ended]) -> None:
    assert run(f"{GPU} {CLOSED} --format json {SERVE}").document["arrivals"] is None


@pytest.mark.parametrize("server", ["BAAI/bge-m3", "Qwen/Qwen3-8B --runner pooling"])
def test_what_embeds_has_no_time_per_token(server: str, run: Callable[[str], Ended]) -> None:
    ended = run(f"{GPU} --no-hub {CLOSED} -- vllm serve {server}")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert "generates no text" in ended.err


def test_fewer_requests_than_a_steady_state_takes_are_said(run: Callable[[str], Ended]) -> None:
    said = run(f"{GPU} --prompt-tokens 100 --output-tokens 2 --concurrency 4096 --format json {SERVE}").document
    assert said["load"]["requests"] == 20_000
    assert any("40960 requests, of which 20000 are replayed" in one for one in said["assumptions"])
    few = run(f"{GPU} {CLOSED} --requests 4 --format json {SERVE}").document
    assert any("never has more than 4 in flight" in one for one in few["assumptions"])


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "text only"),
        ("Qwen/Qwen3-8B --enable-lora", "no LoRA adapter"),
        ("deepseek-ai/DeepSeek-R1 -tp 8 -dcp 8", "decode context parallel"),
        (
            """Qwen/Qwen3-8B --speculative-config '{"method":"ngram","num_speculative_tokens":3}'""",
            "at least this fast",
        ),
        (
            """deepseek-ai/DeepSeek-R1 -tp 8 --speculative-config '{"method":"mtp","num_speculative_tokens":1}'""",
            "kept on average",
        ),
    ],
)
def test_what_is_left_out_is_an_assumption(server: str, said: str, run: Callable[[str], Ended]) -> None:
    ended = run(f"simulate --gpu h200 {CLOSED} --format json -- vllm serve {server} --max-model-len 8192")
    assert ended.code == 0, ended.err
    assert any(said in one for one in ended.document["assumptions"])


@pytest.mark.parametrize(("gpu", "count"), [("h100-pcie", 1), ("h100-pcie", 0), ("rtx-4090", 0), ("h100-nvl", 0)])
def test_a_bridge_between_boards_is_not_assumed(gpu: str, count: int, run: Callable[[str], Ended]) -> None:
    split = "--tensor-parallel-size 2" if count or gpu != "h100-pcie" else ""
    ended = run(f"simulate --gpu {gpu} {CLOSED} --format json {SERVE} {split}")
    assert ended.code == 0, ended.err
    assert sum("an NVLink bridge" in said for said in ended.document["assumptions"]) == count


@pytest.mark.parametrize("width", [40, 50, 80])
def test_no_line_is_wider_than_the_paper(
    width: int, run: Callable[[str], Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run(f"{GPU} --rate 5/s {SERVE}").out.splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line.startswith("0.92") for line in lines)


def test_colour_is_only_where_there_is_some(run: Callable[[str], Ended]) -> None:
    assert "\x1b[39m" not in run(f"{GPU} {CLOSED} --color always {SERVE}").out
