"""``llmtune calibrate``: from a log to a record, from a record to an estimate, and what goes wrong on the way."""

from __future__ import annotations

import json
import multiprocessing
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmtune import cli
from llmtune.readers import ReadError
from llmtune.readers.calibration_file import read_records
from llmtune.spec.calibration import Figures, Identity, Record
from llmtune.writers.calibration_file import change_records, write

if TYPE_CHECKING:
    from collections.abc import Callable

GIB = 2**30
LOG = """\
(APIServer pid=9) INFO 03-12 10:11:02 [api_server.py:1289] vLLM API server version 0.19.0
(APIServer pid=9) INFO 03-12 10:11:02 [utils.py:233] non-default args: {{'model_tag': '{model}', \
'host': 'gpu7.example.org', 'api_key': ['sk-verysecret1234567890ab'], \
'model': '{model}', 'max_model_len': 8192, 'gpu_memory_utilization': 0.95}}
(EngineCore_DP0 pid=71) INFO 03-12 10:11:20 [core.py:93] Initializing a V1 LLM engine (v0.19.0) with config: \
model='{model}', speculative_config=None, dtype=torch.bfloat16, max_seq_len=8192, tensor_parallel_size=1, \
pipeline_parallel_size=1, data_parallel_size=1, quantization=None, enforce_eager=False, kv_cache_dtype=auto
(EngineCore_DP0 pid=71) INFO 03-12 10:11:40 [gpu_model_runner.py:4100] \
Model loading took 15.27 GiB memory and 8.1 seconds
(EngineCore_DP0 pid=71) INFO 03-12 10:12:01 [gpu_worker.py:436] Available KV cache memory: {kv} GiB
(EngineCore_DP0 pid=71) INFO 03-12 10:12:10 [gpu_worker.py:640] Free memory on device (78.68/79.19 GiB) on startup. \
Desired GPU memory utilization is (0.95, 75.23 GiB). Actual usage is 15.27 GiB for weight, \
3.2 GiB for peak activation, 0.45 GiB for non-torch memory, and 0.96 GiB for CUDAGraph memory. \
Replace gpu_memory_utilization config with \
`--kv-cache-memory=1` (0.0 GiB) to fit into requested memory, or `--kv-cache-memory=2` (0.0 GiB) to fully utilize \
gpu memory. Current kv cache memory in use is {kv} GiB.
"""
MODEL = "Qwen/Qwen3-8B"
ESTIMATE = "estimate --gpu h100 --vllm-version 0.19.0 --format json"
SERVE = f"-- vllm serve {MODEL} --max-model-len 8192 --gpu-memory-utilization 0.95"


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Path("start.log").write_text(LOG.format(model=MODEL, kv=56.3), encoding="utf-8")

    def command(line: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["llmtune", *shlex.split(line)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(stop.value.code or 0), captured.out, captured.err)

    return command


def test_a_log_is_compared_stored_and_used(run: Callable[..., Ended]) -> None:
    plain = run(f"{ESTIMATE} {SERVE}").document
    ended = run("calibrate start.log --gpu h100")
    assert ended.code == 0
    rows = {line[:24].strip(): line[24:].split() for line in ended.out.splitlines() if "GiB" in line and line[0] != "c"}
    assert rows["activations"][2] == "3.20"
    assert rows["KV cache"][2:6] == ["56.30", "GiB", "-1.20", "GiB"]
    assert "stored as 'qwen3-8b-h100-sxm-0.19.0'" in ended.err
    stored = Path("config/llmtune/calibration.json")
    assert stored.is_file()
    calibrated = run(f"{ESTIMATE} {SERVE}").document
    assert calibrated["memory"]["per_gpu"]["kv_cache_bytes"] == pytest.approx(56.3 * GIB, rel=0.01)
    assert (
        sum(part["bytes"] for part in calibrated["memory"]["parts"]) == calibrated["memory"]["per_gpu"]["total_bytes"]
    )
    assert any("calibrated by qwen3-8b-h100-sxm-0.19.0" in line for line in calibrated["assumptions"])
    assert any("measured on 03-12" in line for line in calibrated["assumptions"])
    low, high = calibrated["memory"]["interval"]["kv_cache_bytes"]
    assert high - low < 0.2 * GIB
    assert run(f"{ESTIMATE} --no-calibration {SERVE}").document == plain
    assert run(f"{ESTIMATE} --calibration {stored} {SERVE}").document == calibrated
    contradiction = run(f"{ESTIMATE} --calibration {stored} --no-calibration {SERVE}")
    assert contradiction.code == 2
    assert "contradict" in contradiction.err


def test_the_record_keeps_no_text_no_host_and_no_secret(run: Callable[..., Ended]) -> None:
    Path("path.log").write_text(LOG.format(model="/srv/secret-place/models/Qwen3-8B", kv=56.3), encoding="utf-8")
    ended = run("calibrate path.log --gpu h100")
    assert ended.code == 0
    text = Path("config/llmtune/calibration.json").read_text(encoding="utf-8")
    for word in ("sk-very", "example.org", "secret-place", "INFO", "pid", str(Path.cwd())):
        assert word not in text
        assert word not in ended.out
    assert json.loads(text)["records"][0]["model"] == MODEL


def test_a_local_model_is_kept_by_its_last_part(run: Callable[..., Ended], tmp_path: Path) -> None:
    from llmtune.catalog import models

    directory = tmp_path / "private" / "tuned"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(dict(models.find(MODEL).config)), encoding="utf-8")
    Path("own.log").write_text(LOG.format(model=directory, kv=56.3), encoding="utf-8")
    assert run("calibrate own.log --gpu h100").code == 0
    text = Path("config/llmtune/calibration.json").read_text(encoding="utf-8")
    assert json.loads(text)["records"][0]["model"] == "tuned"
    assert "private" not in text
    assert any("calibrated by" in line for line in run(f"{ESTIMATE} {SERVE}").document["assumptions"])


def test_recommend_uses_a_matching_record_and_says_so(run: Callable[..., Ended]) -> None:
    ask = f"recommend {MODEL} --gpu h100 --vllm-version 0.19.0 --format json"
    plain = run(ask).document
    settings = " ".join(f"--{flag} '{json.dumps(entry['value'])}'" for flag, entry in plain["settings"].items()
                        if flag != "override-generation-config")  # fmt: skip
    settings = settings.replace("'\"", "").replace("\"'", "").replace("'", "")
    assert run(f"calibrate start.log --gpu h100 -- vllm serve {MODEL} {settings}").code == 0
    calibrated = run(ask).document
    assert any("calibrated by" in line for line in calibrated["estimate"]["assumptions"])
    assert calibrated["estimate"]["memory"] != plain["estimate"]["memory"]
    assert run(f"{ask} --no-calibration").document == plain
    command = run(f"{ask.replace('json', 'command')}").out
    estimated = run(f"estimate --gpu h100 --vllm-version 0.19.0 --format json -- {command}").document
    assert estimated["memory"] == calibrated["estimate"]["memory"]


def test_records_are_listed_shown_and_removed(run: Callable[..., Ended]) -> None:
    assert "no calibration records" in run("calibrate --list").out
    run("calibrate start.log --gpu h100 --name one")
    run("calibrate start.log --gpu h100 --name two -- vllm serve Qwen/Qwen3-8B --max-model-len 4096")
    listed = run("calibrate --list")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["one", "two"]
    assert [one["name"] for one in run("calibrate --list --format json").document["records"]] == ["one", "two"]
    shown = run("calibrate --show two")
    assert "max_model_len" in shown.out
    assert run("calibrate --show one --format json").document["figures"]["weights_bytes"] == round(15.27 * GIB)
    assert run("calibrate --remove one --dry-run").code == 0
    assert run("calibrate --remove one").out.startswith("removed 'one'")
    assert [line.split()[0] for line in run("calibrate --list").out.splitlines()] == ["two"]
    unknown = run("calibrate --remove one")
    assert unknown.code == 2
    assert "it has two" in unknown.err


def test_the_same_start_up_replaces_its_record_and_another_gets_a_number(run: Callable[..., Ended]) -> None:
    run("calibrate start.log --gpu h100")
    Path("again.log").write_text(LOG.format(model=MODEL, kv=56.1), encoding="utf-8")
    run("calibrate again.log --gpu h100")
    records = read_records(Path("config/llmtune/calibration.json"))
    assert [(one.name, one.figures.kv_cache) for one in records] == [("qwen3-8b-h100-sxm-0.19.0", round(56.1 * GIB))]
    run(f"calibrate start.log --gpu h100 -- vllm serve {MODEL} --max-model-len 4096")
    names = [one.name for one in read_records(Path("config/llmtune/calibration.json"))]
    assert names == ["qwen3-8b-h100-sxm-0.19.0", "qwen3-8b-h100-sxm-0.19.0-2"]


def test_a_record_with_the_cache_is_not_given_up_for_one_without(run: Callable[..., Ended]) -> None:
    run("calibrate start.log --gpu h100")
    lines = LOG.format(model=MODEL, kv=56.3).splitlines()[:4]
    Path("weights.log").write_text("\n".join(lines), encoding="utf-8")
    assert "not stored" in run("calibrate weights.log --gpu h100").err
    assert [one.figures.kv_cache for one in read_records(Path("config/llmtune/calibration.json"))] == [
        round(56.3 * GIB)
    ]


def test_a_dry_run_stores_nothing(run: Callable[..., Ended]) -> None:
    assert run("calibrate start.log --gpu h100 --dry-run --format json").document["record"]["model"] == MODEL
    assert not Path("config").exists()


def test_a_config_file_describes_the_server(run: Callable[..., Ended]) -> None:
    Path("vllm.yaml").write_text(f"model: {MODEL}\nmax-model-len: 4096\n", encoding="utf-8")
    document = run("calibrate start.log --gpu h100 --config vllm.yaml --dry-run --format json").document
    assert document["record"]["settings"]["max_model_len"] == 4096
    assert any("max seq len 8192, where 4096 is expected" in note for note in document["notes"])
    both = run(f"calibrate start.log --gpu h100 --config vllm.yaml -- vllm serve {MODEL}")
    assert both.code == 2


def test_a_log_without_arguments_says_what_is_assumed(run: Callable[..., Ended]) -> None:
    lines = [line for line in LOG.format(model=MODEL, kv=56.3).splitlines() if "non-default" not in line]
    Path("less.log").write_text("\n".join(lines), encoding="utf-8")
    document = run("calibrate less.log --gpu h100 --format json").document
    assert document["record"]["settings"]["max_model_len"] == 8192
    assert any("prints no arguments" in note for note in document["notes"])


def test_a_value_that_the_release_does_not_have_is_left_out_and_named(run: Callable[..., Ended]) -> None:
    text = LOG.format(model=MODEL, kv=56.3).replace("'max_model_len'", "'dtype': 'float99', 'max_model_len'")
    Path("odd.log").write_text(text, encoding="utf-8")
    document = run("calibrate odd.log --gpu h100 --format json").document
    assert document["record"]["settings"]["dtype"] == "bfloat16"
    assert any("prints dtype in a form that cannot be read" in note for note in document["notes"])


def test_a_log_of_the_cache_alone_is_one_lump(run: Callable[..., Ended]) -> None:
    lines = [line for line in LOG.format(model=MODEL, kv=40.5).splitlines() if "loading" not in line]
    Path("less.log").write_text("\n".join(lines[:-1]), encoding="utf-8")
    ended = run("calibrate less.log --gpu h100")
    assert "whole difference is booked on non-torch" in " ".join(ended.out.split())
    parts = {part["name"]: part for part in run(f"{ESTIMATE} {SERVE}").document["memory"]["parts"]}
    assert parts["KV cache"]["bytes"] == pytest.approx(40.5 * GIB, rel=0.01)
    assert parts["non-torch"]["bytes"] > 15 * GIB


def test_several_workers_are_told(run: Callable[..., Ended]) -> None:
    text = LOG.format(model=MODEL, kv=56.3).replace("tensor_parallel_size=1", "tensor_parallel_size=2")
    text = text.replace("'max_model_len'", "'tensor_parallel_size': 2, 'max_model_len'")
    text += "(Worker_TP1 pid=72) INFO 03-12 10:12:01 [gpu_worker.py:436] Available KV cache memory: 56.1 GiB\n"
    Path("two.log").write_text(text, encoding="utf-8")
    document = run("calibrate two.log --gpu h100 --format json").document
    assert document["decided_by"] == "Worker_TP1"
    assert [worker["name"] for worker in document["workers"]] == ["EngineCore_DP0", "Worker_TP1"]
    assert any("Worker_TP1 has the least and decides" in note for note in document["notes"])
    assert document["record"]["name"] == "qwen3-8b-h100-sxm-tp2-0.19.0"


def test_a_failed_start_is_compared_as_far_as_it_went(run: Callable[..., Ended]) -> None:
    lines = LOG.format(model=MODEL, kv=-2.14).splitlines()[:-1]
    lines.append("ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`")
    Path("failed.log").write_text("\n".join(lines), encoding="utf-8")
    ended = run("calibrate failed.log --gpu h100 --dry-run")
    assert ended.code == 0
    assert "the start failed: kv_cache" in ended.out
    Path("early.log").write_text(
        "\n".join([*lines[:3], "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"]),
        encoding="utf-8",
    )
    ended = run("calibrate early.log --gpu h100")
    assert "so nothing is stored" in ended.out
    assert not Path("config").exists()


MISTAKES = {
    "calibrate": "nothing to read",
    "calibrate start.log --list": "more than one thing to do",
    "calibrate none.log --gpu h100": "cannot read none.log",
    "calibrate . --gpu h100": "is a directory",
    "calibrate start.log --gpu l4": "the log's GPU has 79.19 GiB, l4 has 22.03 GiB",
    "calibrate start.log --gpu h100 --format yaml": "--format must be one of",
    "calibrate start.log --gpu h100 --name ''": "--name must be",
    "calibrate start.log --gpu h100 --calibration .": "Is a directory",
    "calibrate start.log --gpu h100 --vllm-version 0.1.0": "unknown vLLM version",
    "calibrate start.log --gpu h100 -- vllm serve": "no model",
    "calibrate empty.log --gpu h100": "holds none of the lines",
    "calibrate binary.log --gpu h100": "is no text",
    "calibrate nameless.log --gpu h100": "does not say which vLLM release",
    "calibrate nameless.log --gpu h100 --vllm-version 0.19.0": "does not say which model",
    "calibrate refused.log --gpu h100": "vLLM 0.19.0 should have refused this deployment",
    "calibrate elsewhere.log --gpu h100": "a directory that is not here ('unheard-of')",
    "calibrate --show none": "no calibration record 'none'",
    "calibrate --list --calibration missing.json": "missing.json not found",
    "calibrate --list --calibration broken.json": "is no calibration file",
    "calibrate start.log --gpu h100 --calibration broken.json": "is no calibration file",
    f"{ESTIMATE} --calibration broken.json {SERVE}": "add --no-calibration",
    f"{ESTIMATE} --calibration missing.json {SERVE}": "missing.json not found",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(run: Callable[..., Ended], line: str) -> None:
    Path("empty.log").write_bytes(b"")
    Path("binary.log").write_bytes(bytes(range(256)))
    Path("broken.json").write_text('{"schema": "something/else"}', encoding="utf-8")
    Path("nameless.log").write_text("INFO Available KV cache memory: 3.2 GiB\n", encoding="utf-8")
    Path("elsewhere.log").write_text(LOG.format(model="/srv/models/unheard-of", kv=56.3), encoding="utf-8")
    refused = LOG.format(model=MODEL, kv=56.3).replace("'max_model_len'", "'max_num_seqs': 0, 'max_model_len'")
    Path("refused.log").write_text(refused, encoding="utf-8")
    ended = run(line)
    assert (ended.code, ended.out) == (2, "")
    assert MISTAKES[line] in ended.err
    assert len(ended.err.splitlines()) == 1
    assert Path("broken.json").read_text(encoding="utf-8") == '{"schema": "something/else"}'


def record(name: str) -> Record:
    identity = Identity("h100-sxm", 80 * GIB, "0.19.0", "qwen3", {"layers": 36}, {"sizes": [1, 2], "dtype": None}, {})
    return Record(name, "a/b", identity, 0.9, Figures(weights=15 * GIB, kv_cache=-GIB), 2, 100, None, "03-12")


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "calibration.json"
    records = (record("one"), record("zwei ü"))
    change_records(path, lambda old: [*old, *records])
    assert read_records(path) == records
    assert write(read_records(path)) == path.read_text(encoding="utf-8")
    change_records(path, lambda old: old[1:])
    assert read_records(path) == records[1:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "\0",
        '{"schema": "llmtune/calibration/1"}',
        '{"schema": "llmtune/calibration/1", "records": [1]}',
        '{"schema": "llmtune/calibration/1", "records": [{"name": "x"}]}',
        write([record("x")]).replace('"gpu_memory_utilization": 0.9', '"gpu_memory_utilization": "much"'),
        write([record("x")]).replace(str(15 * GIB), "1e99"),
        write([record("x")]).replace(str(80 * GIB), "0"),
        write([record("x")]).replace('"03-12"', "[]"),
        "[" * 100_000,
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match="is no calibration file that can be read") as caught:
        read_records(path)
    assert "\n" not in str(caught.value)


def add(path: Path, name: str) -> None:
    for number in range(5):
        change_records(path, lambda old, number=number: [*old, record(f"{name}{number}")])  # type: ignore[misc]


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    start = multiprocessing.get_context("fork").Process
    writers = [start(target=add, args=(path, name)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read_records(path)) == 20
