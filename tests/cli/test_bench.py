"""``llmtune bench-plan`` and ``bench-read``: a script that runs, results that are compared, records that are used."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmtune import cli
from llmtune.catalog.bench_options import find_client

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = "bench-plan --gpu h100"
SERVE = "-- vllm serve Qwen/Qwen3-8B --max-model-len 8192"
RESULT: dict[str, Any] = {
    "date": "20261110-101112",
    "endpoint_type": "openai",
    "model_id": "Qwen/Qwen3-8B",
    "num_prompts": 128,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 16,
    "duration": 20.0,
    "completed": 128,
    "total_input_tokens": 128_000,
    "total_output_tokens": 25_600,
    "request_throughput": 6.4,
    "output_throughput": 1280.0,
    "total_token_throughput": 7680.0,
    "mean_ttft_ms": 200.0,
    "median_ttft_ms": 180.0,
    "p99_ttft_ms": 400.0,
    "mean_tpot_ms": 11.5,
    "median_tpot_ms": 11.4,
    "p99_tpot_ms": 13.0,
}


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[[str], Ended]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Path("c16.json").write_text(json.dumps(RESULT), encoding="utf-8")

    def command(line: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["llmtune", *shlex.split(line)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(stop.value.code or 0), captured.out, captured.err)

    return command


def commands(script: str) -> list[list[str]]:
    """The commands of a script, comments and line ends taken off."""
    text = re.sub(r"^#.*$", "", script, flags=re.MULTILINE).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def bash_accepts(script: str) -> bool:
    return subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize("release", ["0.6.6", "0.8.5", "0.9.2", "0.10.2", "0.11.0", "0.12.0", "0.20.0", "0.33.0"])
def test_a_plan_is_a_script_with_flags_that_the_release_has(release: str, run: Callable[[str], Ended]) -> None:
    ended = run(f"{PLAN} --vllm-version {release} --prefix-hit 0.25 -- vllm serve Qwen/Qwen2.5-7B-Instruct --port 9000")
    assert ended.code == 0, ended.err
    assert bash_accepts(ended.out)
    client = find_client(release)
    runs = [words for words in commands(ended.out) if "--dataset-name" in words]
    assert len(runs) == 5  # the warm-up and four loads
    for words in runs:
        expected = "python" if client.script else "vllm"
        assert words[0] == expected
        flags = {word.removeprefix("--") for word in words if word.startswith("--")}
        assert flags <= client.serve
        assert words[words.index("--port") + 1] == "9000"
    assert [words[-1] for words in runs[1:]] == ["c1.json", "c8.json", "c32.json", "c64.json"]
    seeds = [words[words.index("--seed") + 1] for words in runs]
    assert len(set(seeds)) == len(seeds), "equal seeds are equal prompts, which the prefix cache holds"
    assert ended.out.count("predicted TTFT") == 4


def test_a_plan_is_clean_under_lint_and_names_itself_for_bench_read(run: Callable[[str], Ended]) -> None:
    assert run(f"{PLAN} -o verify.sh {SERVE}").code == 0
    script = Path("verify.sh").read_text(encoding="utf-8")
    assert "llmtune bench-read bench-results/ verify.sh --gpu h100-sxm" in script
    linted = run("lint verify.sh --gpu h100")
    assert linted.code == 0
    assert linted.out.startswith("no findings in 1 server")
    assert run("bench-read c16.json verify.sh --gpu h100").code == 0


def test_a_plan_for_a_model_is_of_what_is_recommended(run: Callable[[str], Ended]) -> None:
    ended = run("bench-plan Qwen/Qwen3-8B --gpu h100 --rate 4/s --requests 50")
    assert ended.code == 0
    server = next(words for words in commands(ended.out) if words[:2] == ["vllm", "serve"])
    assert "--max-num-seqs" in server
    rates = [words[words.index("--request-rate") + 1] for words in commands(ended.out) if "--request-rate" in words]
    assert rates == ["1.0", "4.0", "5.0"]


def test_a_sweep_is_one_command_and_its_loads(run: Callable[[str], Ended]) -> None:
    ended = run(f"{PLAN} --sweep {SERVE}")
    assert bash_accepts(ended.out)
    loads = json.loads(ended.out.partition("<<'JSON'\n")[2].partition("\nJSON\n")[0])
    assert [load["max_concurrency"] for load in loads] == [1, 8, 32, 64]
    (sweep,) = [words for words in commands(ended.out) if words[:4] == ["vllm", "bench", "sweep", "serve"]]
    client = find_client("0.33.0")
    assert {word.removeprefix("--") for word in sweep if word.startswith("--")} <= client.sweep
    bench = shlex.split(sweep[sweep.index("--bench-cmd") + 1])
    assert {word.removeprefix("--") for word in bench if word.startswith("--")} <= client.serve
    assert shlex.split(sweep[sweep.index("--serve-cmd") + 1])[:3] == ["vllm", "serve", "Qwen/Qwen3-8B"]
    assert run(f"{PLAN} --sweep --vllm-version 0.11.0 {SERVE}").code == 2


def test_the_server_of_a_sweep_is_found_in_its_script(run: Callable[[str], Ended]) -> None:
    assert run(f"{PLAN} --sweep -o sweep.sh {SERVE}").code == 0
    assert "llmtune bench-read bench-results/ sweep.sh --gpu h100-sxm" in Path("sweep.sh").read_text(encoding="utf-8")
    linted = run("lint sweep.sh --gpu h100")
    assert (linted.code, linted.out[:25]) == (0, "no findings in 1 server i")
    assert run("bench-read c16.json sweep.sh --gpu h100").code == 0
    longer = Path("sweep.sh").read_text(encoding="utf-8").replace("max-model-len 8192", "max-model-len 819200")
    Path("sweep.sh").write_text(longer, encoding="utf-8")
    assert "max-model-len-exceeds-model" in run("lint sweep.sh --gpu h100").out


def test_a_run_of_very_many_requests_is_cut_and_said(run: Callable[[str], Ended]) -> None:
    many = RESULT | {
        "num_prompts": 10**8,
        "completed": 10**8,
        "total_input_tokens": 10**9,
        "total_output_tokens": 10**8,
    }
    Path("many.json").write_text(json.dumps(many), encoding="utf-8")
    ended = run(f"bench-read many.json --gpu h100 --save {SERVE}")
    assert ended.code == 0
    assert "of which 20000 are replayed" in ended.out


def test_no_secret_reaches_a_plan(run: Callable[[str], Ended]) -> None:
    ended = run(f"{PLAN} {SERVE} --api-key sk-verysecret1234567890ab")
    assert "verysecret" not in ended.out + ended.err
    assert "--api-key" not in ended.out
    assert "left out of the script: --api-key" in ended.err


def test_a_server_that_does_not_start_has_no_plan(run: Callable[[str], Ended]) -> None:
    ended = run("bench-plan --gpu l4 -- vllm serve Qwen/Qwen3-8B")
    assert (ended.code, ended.out) == (1, "")
    assert "nothing to measure" in ended.err


def test_a_result_is_compared_with_the_prediction_of_its_load(run: Callable[[str], Ended]) -> None:
    ended = run(f"bench-read c16.json --gpu h100 --format json {SERVE}")
    assert ended.code == 0
    document = ended.document
    assert document["schema"] == "llmtune/bench/1"
    (one,) = document["runs"]
    assert one["load"]["concurrency"] == 16
    assert one["load"]["prompt_tokens"] == {"p50": 1000, "p95": 1000}
    rows = {row["name"]: row for row in one["figures"]}
    assert rows["tpot_mean"]["measured"] == pytest.approx(0.0115)
    assert rows["ttft_p50"]["measured"] == pytest.approx(0.18)
    assert rows["output_tokens_per_s"]["measured"] == 1280
    tpot = rows["tpot_mean"]
    assert tpot["difference"] == pytest.approx(tpot["measured"] / tpot["predicted"] - 1)
    text = run(f"bench-read c16.json --gpu h100 {SERVE}").out
    assert "TPOT mean" in text
    assert "measured" in text


def test_fail_over_decides_the_exit_code(run: Callable[[str], Ended]) -> None:
    assert run(f"bench-read c16.json --gpu h100 --fail-over 10000 {SERVE}").code == 0
    assert run(f"bench-read c16.json --gpu h100 --fail-over 0 {SERVE}").code == 1
    assert run(f"bench-read c16.json --gpu h100 {SERVE}").code == 0


def test_without_a_server_the_results_model_is_served_with_defaults(run: Callable[[str], Ended]) -> None:
    ended = run("bench-read c16.json --gpu h100")
    assert ended.code == 0
    assert "taken to be 'vllm serve Qwen/Qwen3-8B'" in " ".join(ended.out.split())


def test_kept_times_scale_later_predictions_of_the_same_server(run: Callable[[str], Ended]) -> None:
    record = "--calibration kept.json"
    saved = run(f"bench-read c16.json --gpu h100 --save {record} {SERVE}")
    assert saved.code == 0
    assert "1 measured load kept as 'qwen3-8b-h100-sxm-0.33.0' in kept.json" in saved.err
    load = "--prompt-tokens 1000 --output-tokens 200 --concurrency 16 --requests 128 --format json"
    found = run(f"simulate --gpu h100 {load} {record} {SERVE}").document
    assert found["performance"]["tpot_s"]["mean"] == pytest.approx(0.0115, rel=0.03)
    assert found["performance"]["ttft_s"]["mean"] == pytest.approx(0.2, rel=0.1)
    assert any("times are calibrated by" in said for said in found["assumptions"])
    plain = run(f"simulate --gpu h100 {load} --no-calibration {SERVE}").document
    assert plain["performance"]["tpot_s"]["mean"] != found["performance"]["tpot_s"]["mean"]
    other = run(f"simulate --gpu h100 {load} {record} {SERVE} --kv-cache-dtype fp8").document
    assert not any("times are calibrated" in said for said in other["assumptions"])
    longer = run(f"simulate --gpu h100 {load} {record} -- vllm serve Qwen/Qwen3-8B --max-model-len 4096").document
    assert any("times are calibrated" in said for said in longer["assumptions"])


def test_times_do_not_pass_for_measured_memory(run: Callable[[str], Ended]) -> None:
    record = "--calibration kept.json"
    estimate = f"estimate --gpu h100 --format json {{}} {SERVE}"
    before = run(estimate.format("")).out
    run(f"bench-read c16.json --gpu h100 --save {record} {SERVE}")
    assert run(estimate.format(record)).out == before


def test_a_second_result_joins_the_record_and_replaces_its_own_load(run: Callable[[str], Ended]) -> None:
    line = f"bench-read {{}} --gpu h100 --save --calibration kept.json {SERVE}"
    run(line.format("c16.json"))
    run(line.format("c16.json"))
    Path("c4.json").write_text(json.dumps({**RESULT, "max_concurrency": 4}), encoding="utf-8")
    run(line.format("c4.json"))
    (record,) = json.loads(Path("kept.json").read_text(encoding="utf-8"))["records"]
    assert [timing["concurrency"] for timing in record["times"]] == [16, 4]
    assert "2 loads timed" in run("calibrate --list --calibration kept.json").out


def test_a_directory_of_results_is_read_whole(run: Callable[[str], Ended]) -> None:
    Path("results").mkdir()
    for count in (1, 8):
        text = json.dumps({**RESULT, "max_concurrency": count})
        Path("results", f"c{count}.json").write_text(text, encoding="utf-8")
    Path("results", "notes.json").write_text("{}", encoding="utf-8")
    runs = run(f"bench-read results --gpu h100 --format json {SERVE}").document["runs"]
    assert [one["load"]["concurrency"] for one in runs] == [1, 8]


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("bench-plan --gpu h100", "no server named"),
        ("bench-plan nope --gpu h100", "unknown model"),
        (f"{PLAN} --rate x {SERVE}", "is no rate"),
        (f"{PLAN} --vllm-version 0.9.0 --sweep {SERVE}", "no 'vllm bench sweep'"),
        ("bench-read", "no result named"),
        ("bench-read nope.json", "cannot read nope.json"),
        ("bench-read empty", "no result of 'vllm bench serve --save-result' in empty"),
        ("bench-read broken.json --gpu h100", "it is no JSON"),
        ("bench-read other.json --gpu h100", "'completed' is missing"),
        ("bench-read c16.json --gpu h100 --fail-over -1", "--fail-over takes percent"),
        ("bench-read c16.json --gpu h100 --save --no-calibration", "contradict each other"),
        ("bench-read c16.json --gpu l4 -- vllm serve Qwen/Qwen3-8B", "predicted not to start"),
        ("bench-read c16.json --gpu h100 --prefix-hit 3", "is no share"),
        ("bench-read c16.json --gpu h100 -- vllm serve Qwen/Qwen3-8B --max-model-len 512", "does not fit"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(line: str, fragment: str, run: Callable[[str], Ended]) -> None:
    Path("empty").mkdir()
    Path("broken.json").write_text("{", encoding="utf-8")
    Path("other.json").write_text('{"a": 1}', encoding="utf-8")
    ended = run(line)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert len(ended.err.splitlines()) == 1
    assert fragment in ended.err
