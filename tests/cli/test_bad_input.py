"""Bad input as one table: what is typed or lies in a file → exit code and the one line that says it.

Exit 2 is a mistake: one line on stderr, nothing on stdout. Exit 1 is an answer about the deployment, on stdout. Every
case runs in this process through ``main`` and ends within a second of processor time; a few run as real processes.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmtune import cli
from llmtune.catalog import models
from llmtune.cli import hardware

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 1.0
MODEL = "Qwen/Qwen3-8B"
R = f"recommend {MODEL} --gpu h100"
E = "estimate --gpu h100"
SERVE = f"{E} -- vllm serve {MODEL}"
LONG = "9" * 5000
CONFIG: dict[str, Any] = dict(models.find(MODEL).config)
PRESET = (Path(__file__).parents[2] / "presets" / "chat.yaml").read_text(encoding="utf-8")


class Ended(NamedTuple):
    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    """Runs a command line in an empty directory; words may be given apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gc, "disable", lambda: None)  # what is good for a short process is not for all tests
    for name in ("NO_COLOR", "FORCE_COLOR", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)

    def command(line: str, *words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["llmtune", *shlex.split(line), *words])
        before = time.process_time()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        seconds = time.process_time() - before
        code = stop.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr(), seconds)

    return command


def check_mistake(ended: Ended, fragment: str) -> None:
    assert "Traceback" not in ended.err
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert fragment in lines[0]
    assert len(lines[0]) < 1100
    assert ended.out == ""
    assert ended.code == 2
    assert ended.seconds < SECONDS


# ---------------------------------------------------------------- the command line

MISTAKES = [
    # names, with a suggestion where one is near
    ("recommend Qwen/Qwen3-8B --gpu h10", "unknown GPU 'h10'. Did you mean 'h100-sxm'?"),
    ("recommend Qwen/Qwen3-8B --gpu zzz", "unknown GPU 'zzz'. See: llmtune list gpus"),
    ("recommend Qwen/Qwen3-8B --gpu mine --gpu-memory 24GiB", "add --compute-capability"),
    ("recommend Qwen/Qwen3-8B --instance p5.48xlrge", "unknown instance 'p5.48xlrge'. Did you mean 'p5.48xlarge'?"),
    ("recommend Qwen/Qwen3-8B --instance p5.48xlarge --gpu l4", "leave out --gpu"),
    ("recommend Qwen/Qwen3-8B --instance p5.48xlarge --gpus 9", "has 8 GPUs, not 9"),
    ("recommend qwen3-8c --gpu l4", "Did you mean 'Qwen/Qwen3-8B'?"),
    ("recommend '' --gpu l4", "no model named"),
    ("recommend ./nowhere --gpu l4", "nowhere not found; give a model directory"),
    ("recommend '~nobody-here/x' --gpu l4", "is no model"),
    (f"recommend {'a' * 5000} --gpu l4", "File name too long"),
    (f"recommend org/{'a' * 250} --gpu l4", "too long for a model id"),
    ("recommend a/b/c --gpu l4", "unknown model 'a/b/c'"),
    (f"recommend {MODEL} --gpu {'a' * 300}", "unknown GPU"),
    (f"{R} --scenario chatt", "unknown scenario 'chatt'. Did you mean 'chat'?"),
    (f"{R} --scenario ''", "unknown scenario ''"),
    (f"{R} --scenario nope.yaml", "cannot read nope.yaml: No such file"),
    (f"{R} --scenario /", "is a directory"),
    (f"{R} --format xml", "--format must be one of text, json, yaml, command, not 'xml'"),
    (f"{R} --color pink", "--color must be one of auto, always, never"),
    (f"{R} --vllm-version 9.9", "unknown vLLM version '9.9'"),
    (f"{R} --vllm-version 0.5.0", "unknown vLLM version '0.5.0'"),
    (f"{R} --vllm-version ''", "unknown vLLM version ''"),
    (f"{R} --assume-architecture Foo", "architecture 'Foo' is not known"),
    ("list gpu", "KIND must be one of gpus, instances, models, scenarios, versions, rules, not 'gpu'"),
    ("list gpus --format yaml", "--format must be one of text, json, not 'yaml'"),
    ("show gpus h100", "KIND must be one of gpu, instance"),
    ("show gpu h10", "Did you mean 'h100-sxm'?"),
    ("show model nope", "unknown model 'nope'"),
    ("show scenario ../chat", "unknown scenario '../chat'"),
    ("show instance ../../x", "unknown instance"),
    ("detect --format yaml", "--format"),
    # Click's own
    ("recomend x", "no such command 'recomend'. Did you mean 'recommend'? See: llmtune --help"),
    ("recommend", "missing argument"),
    ("list", "missing argument"),
    (f"{R} --foo", "no such option: --foo"),
    (f"{R} --gpuz h100", "--gpus). See: llmtune recommend --help"),
    (f"{R} extra", "unexpected extra argument"),
    (f"{R} --gpus two", "invalid value for '--gpus'"),
    (f"{R} --headroom x", "invalid value for '--headroom'"),
    (f"recommend {MODEL} --gpu", "requires an argument"),
    # sizes
    (f"{R} --gpus 0", "--gpus 0 is outside of 1 to 1024"),
    (f"{R} --gpus -1", "--gpus -1 is outside"),
    (f"{R} --gpus 1000000000", "--gpus 1000000000 is outside"),
    (f"{R} --nodes 0", "--nodes 0 is outside"),
    (f"{R} --gpu-memory 0", "--gpu-memory '0'"),
    (f"{R} --gpu-memory 5", "did you mean 5GiB?"),
    (f"{R} --gpu-memory 1e99GiB", "--gpu-memory '1e99GiB' is no size"),
    (f"{R} --gpu-memory abc", "--gpu-memory 'abc' is no size"),
    (f"{R} --gpu-memory -80GiB", "is no size"),
    (f"{R} --free-memory 90GiB", "is more than the GPU has"),
    (f"{R} --shared-with 0", "--shared-with '0' is 0 bytes"),
    (f"{R} --shared-with 90GiB", "leaves nothing: the GPU has 79.19 GiB"),
    (f"{R} --shared-with=-1GiB", "is no size"),
    (f"{R} --gpu-share 2", "--gpu-share '2'"),
    (f"{R} --gpu-share 1/2 --free-memory 40GiB", "--free-memory and --gpu-share both say how much"),
    (f"{R} --compute-capability 9", "--compute-capability '9'"),
    (f"{R} --concurrency 0", "--concurrency must lie in 1..1000000, not 0"),
    (f"{R} --concurrency {10**12}", "--concurrency must lie in"),
    (f"{R} --prompt-tokens x", "--prompt-tokens takes a number of tokens"),
    (f"{R} --prompt-tokens 5:1", "the 95th percentile cannot be below the median"),
    (f"{R} --prompt-tokens 0", "--prompt-tokens takes"),
    (f"{R} --prompt-tokens {LONG}", "--prompt-tokens takes"),
    (f"{R} --output-tokens 1:2:3", "--output-tokens takes"),
    (f"{R} --headroom 1.5", "--headroom is a share from 0 to below 1, not 1.5"),
    (f"{R} --headroom -1", "--headroom is a share"),
    (f"{R} --headroom nan", "--headroom is a share"),
    (f"{R} --max-model-len 0", "--max-model-len must be at least 1, not 0"),
    (f"{R} --max-model-len -5", "--max-model-len must be at least 1, not -5"),
    (f"{R} --max-model-len abc", "'abc' is not a whole number"),
    (f"{R} --max-model-len {LONG}", "is not a whole number"),
    (f"{R} --tensor-parallel-size 0", "--tensor-parallel-size must be at least 1"),
    (f"{R} --pipeline-parallel-size -2", "--pipeline-parallel-size must be at least 1"),
    (f"{R} --quantization q9", "'q9' does not quantise a 16-bit checkpoint"),
    # --set
    (f"{R} --set max-num-seqs", "--max-num-seqs needs a value"),
    (f"{R} --set =4", "--set takes FLAG=VALUE"),
    (f"{R} --set ''", "--set takes FLAG=VALUE"),
    (f"{R} --set max-nun-seqs=4", "has no flag --max-nun-seqs. Did you mean --max-num-seqs?"),
    (f"{R} --set foo=1", "has no flag --foo"),
    (f"{R} --set max-num-seqs=abc", "'abc' is not a whole number"),
    (f"{R} --set max-num-seqs=0", "--max-num-seqs must be at least 1, not 0"),
    (f"{R} --set gpu-memory-utilization=nan", "--gpu-memory-utilization nan is no number"),
    (f"{R} --set enable-prefix-caching=maybe", "'maybe'"),
    (f"{R} --set model=other", "--set model is not possible"),
    (f"{R} --set config=x.yaml", "--set config is not possible"),
    # estimate's command
    (E, "no server named"),
    (f"{E} ''", "no server named"),
    (f"{E} -- python foo.py", "holds no 'vllm serve' command"),
    (f"{E} -- vllm serve", "no model named"),
    (f"{E} -- vllm serve '\"'", "unknown model"),
    (f"{E} -- 'vllm serve \"x'", "never closed"),
    (f"{SERVE} --max-model-len", "--max-model-len needs a value"),
    (f"{SERVE} --max-nun-seqs 4", "Did you mean --max-num-seqs?"),
    (f"{SERVE} stray", "'stray' belongs to no flag"),
    (f"{SERVE} --dtype fp9", "'fp9' is not among the choices"),
    (f"{SERVE} --quantization q9", "'q9' does not quantise"),
    (f"{SERVE} --block-size 0", "--block-size must be at least 1"),
    (f"{SERVE} --gpu-memory-utilization inf", "inf is no number"),
    (f"{SERVE} --gpu-memory-utilization 1e308", "1e+308 is no number"),
    (f"{SERVE} --cpu-offload-gb nan", "nan is no number"),
    (f"{SERVE} --max-num-batched-tokens {10**30}", "does not fit into 64 bits"),
    (f"{SERVE} -tp {10**12}", "the parallel sizes multiply to"),
    (f"{SERVE} --compilation-config '{{'", "not valid JSON"),
    (f"{SERVE} --compilation-config '[1]'", "the JSON is no object"),
    (f"{SERVE} --config nope.yaml", "cannot read nope.yaml"),
    # --output
    (f"{R} -o missing/plan.txt", "cannot write missing/plan.txt: No such file or directory"),
    (f"{R} -o .", "cannot write .: Is a directory"),
    (f"{R} -o /dev/full", "cannot write /dev/full: No space left"),
    (f"{R} -o {'a' * 300}", "File name too long"),
]


@pytest.mark.parametrize(("line", "fragment"), MISTAKES, ids=[line[:70] for line, _ in MISTAKES])
def test_mistake_on_the_command_line(line: str, fragment: str, run: Callable[..., Ended]) -> None:
    check_mistake(run(line), fragment)


ANSWERS = [
    (f"{SERVE} --tensor-parallel-size 3", "attention heads (32) must be divisible by tensor parallel"),
    (f"{R} --gpus 4 --tensor-parallel-size 3", "attention heads (32) must be divisible by tensor parallel"),
    (f"{R} --tensor-parallel-size 3", "larger than the number of available GPUs (1)"),
    (f"{R} --max-model-len {10**15}", f"max_model_len ({10**15}) is greater than the derived"),
    (f"{SERVE} --max-model-len 0", "max_model_len must be a positive integer"),
    (f"{SERVE} --max-num-seqs 0", "max_num_seqs: Input should be greater than or equal to 1"),
    (f"{SERVE} -tp -1", "tensor_parallel_size: Input should be greater than or equal to 1"),
    (f"{SERVE} --gpu-memory-utilization 1.5", "Input should be less than or equal to 1"),
    (f"{SERVE} --gpu-memory-utilization 0", "Input should be greater than 0"),
]


@pytest.mark.parametrize(("line", "fragment"), ANSWERS, ids=[line[:90] for line, _ in ANSWERS])
def test_answer_about_the_deployment(line: str, fragment: str, run: Callable[..., Ended]) -> None:
    before, dashes, after = line.partition(" -- ")
    text = run(line)
    document = run(f"{before} --format json{dashes}{after}")
    zero = run(f"{before} --exit-zero{dashes}{after}")
    assert (text.code, document.code, zero.code) == (1, 1, 0)
    assert fragment in " ".join(text.out.split())
    assert fragment in " ".join(json.dumps(json.loads(document.out)).replace("\\n", " ").split())
    assert text.err == document.err == ""
    assert max(text.seconds, document.seconds) < SECONDS


@pytest.mark.parametrize("format_", ["command", "yaml"])
def test_no_document_where_nothing_fits(format_: str, run: Callable[..., Ended]) -> None:
    ended = run(f"{R} --tensor-parallel-size 3 --format {format_}")
    assert (ended.code, ended.out) == (1, "")
    assert "World size (3) is larger" in ended.err
    assert all(line.startswith("note: ") for line in ended.err.splitlines())


def test_no_arguments_show_the_help(run: Callable[..., Ended]) -> None:
    ended = run("")
    assert ended.code == 2
    assert "Commands:" in ended.out + ended.err


# ---------------------------------------------------------------- a model's directory


def header(content: Any) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


def tensor(offsets: Any, shape: Any) -> bytes:
    return header({"a": {"dtype": "BF16", "shape": shape, "data_offsets": offsets}})


CONFIGS: list[tuple[str, bytes, str]] = [
    ("empty", b"", "is not valid JSON"),
    ("truncated", json.dumps(CONFIG).encode()[:100], "is not valid JSON"),
    ("list", b"[]", "must hold a JSON object, not list"),
    ("null", b"null", "must hold a JSON object"),
    ("brackets", b"[" * 100_000, "nested too deeply"),
    ("objects", b'{"a":' * 100_000, "nested too deeply"),
    ("binary", bytes(range(256)), "is not valid JSON"),
    ("no-text", b'{"a": "\xff\xfe"}', "not UTF-8 text"),
    ("no-keys", b"{}", "'architectures' is missing"),
]


@pytest.mark.parametrize(("name", "content", "fragment"), CONFIGS, ids=[name for name, _, _ in CONFIGS])
def test_config_json_that_is_none(
    name: str, content: bytes, fragment: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    directory = tmp_path / name
    directory.mkdir()
    (directory / "config.json").write_bytes(content)
    check_mistake(run(f"recommend ./{name} --gpu h100"), fragment)
    check_mistake(run(f"{E} -- vllm serve ./{name}"), fragment)


VALUES: list[tuple[dict[str, Any], str]] = [
    ({"architectures": []}, "'architectures' is missing"),
    ({"architectures": "Qwen3ForCausalLM"}, "'architectures' must be a list of names"),
    ({"architectures": [1]}, "'architectures' must be a list of names"),
    ({"architectures": ["Qwen3ForCausaLM"]}, "The nearest one known is Qwen3ForCausalLM."),
    ({"architectures": ["../x"]}, "architecture '../x' is not known"),
    ({"architectures": ["X" * 10**6]}, "is not known"),
    ({"num_hidden_layers": "36"}, "'num_hidden_layers' must be a whole number, not '36'"),
    ({"num_hidden_layers": 10**9}, "'num_hidden_layers' must lie in 1..2000"),
    ({"num_hidden_layers": 0}, "'num_hidden_layers' must lie in"),
    ({"num_hidden_layers": None}, "'num_hidden_layers' is missing"),
    ({"hidden_size": -4096}, "'hidden_size' must lie in"),
    ({"hidden_size": 0}, "hidden size must lie in 1.."),
    ({"hidden_size": 1e300}, "'hidden_size' must lie in"),
    ({"hidden_size": float("nan")}, "'hidden_size' must be a whole number, not nan"),
    ({"hidden_size": float("inf")}, "'hidden_size' must be a whole number, not inf"),
    ({"hidden_size": 10**4000}, "'hidden_size' must lie in"),
    ({"hidden_size": True}, "'hidden_size' must be a whole number, not True"),
    ({"intermediate_size": [1]}, "'intermediate_size' must be a whole number"),
    ({"head_dim": 0}, "head dim of its FullAttention layers must lie in 1.."),
    ({"num_key_value_heads": 0}, "kv heads of its FullAttention layers must lie in 1.."),
    ({"num_attention_heads": {"a": 1}}, "'num_attention_heads' must be a whole number"),
    ({"vocab_size": "many"}, "'vocab_size' must be a whole number"),
    ({"tie_word_embeddings": "yes"}, "'tie_word_embeddings' must be true or false"),
    ({"torch_dtype": "float9", "dtype": None}, "dtype 'float9' must be one of bfloat16, float16, float32"),
    ({"max_position_embeddings": 10**30}, "context length must lie in 1.."),
    ({"rope_scaling": {"rope_type": "yarn", "factor": "x"}}, "some value is not what Qwen3ForCausalLM needs"),
    ({"rope_scaling": {"rope_type": "yarn", "factor": float("nan")}}, "some value is not what"),
    ({"quantization_config": 5}, "'quantization_config' must be an object, not 5"),
    ({"quantization_config": {"quant_method": "foo"}}, "quantization method 'foo' is not known"),
    ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [3]}}, "some value is not what"),
    ({"quantization_config": {"quant_method": "fp8", "weight_block_size": ["a", "b"]}}, "bits and block sizes"),
    ({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"-:(": {}}}}, "error"),
]


@pytest.mark.parametrize(("change", "fragment"), VALUES, ids=[str(change)[:60] for change, _ in VALUES])
def test_config_json_with_a_wrong_value(
    change: dict[str, Any], fragment: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, **change}), encoding="utf-8")
    check_mistake(run("recommend . --gpu h100"), fragment)


BESIDE: list[tuple[str, bytes, str]] = [
    ("hf_quant_config.json", b"{", "hf_quant_config.json is not valid JSON"),
    ("hf_quant_config.json", b"[]", "hf_quant_config.json must hold a JSON object"),
    ("hf_quant_config.json", b'{"quantization": 5}', "'quantization' must be an object, not int"),
    ("model.safetensors", b"", "is no readable safetensors file"),
    ("model.safetensors", b"version https://git-lfs.github.com/spec/v1", "is no safetensors file"),
    ("model.safetensors", b"\xff" * 8, "its header would have 18446744073709551615 bytes"),
    ("model.safetensors", struct.pack("<Q", 10**5) + b"[" * 10**5, "is no readable safetensors file"),
    ("model.safetensors", header([]), "its header is no object"),
    ("model.safetensors", tensor("zz", [1]), "does not say where 'a' lies"),
    ("model.safetensors", tensor([5, 1], [1]), "does not say where 'a' lies"),
    ("model.safetensors", tensor([0, 10**400], [10**300]), "does not say where 'a' lies"),
    ("model.safetensors", tensor([0, float("nan")], [1.5]), "does not say where 'a' lies"),
]


@pytest.mark.parametrize(("name", "content", "fragment"), BESIDE, ids=[fragment for _, _, fragment in BESIDE])
def test_broken_file_beside_config_json(
    name: str, content: bytes, fragment: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / name).write_bytes(content)
    check_mistake(run("recommend . --gpu h100"), fragment)


@pytest.mark.parametrize("name", ["config.json", "hf_quant_config.json"])
def test_file_of_200_megabytes(name: str, run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    with (tmp_path / name).open("wb") as file:
        file.truncate(200 << 20)
    check_mistake(run("recommend . --gpu h100"), f"{name} has 200 MiB")


def test_config_json_that_cannot_be_opened(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "a" / "config.json").mkdir(parents=True)
    check_mistake(run("recommend ./a --gpu h100"), "config.json is a directory")
    (tmp_path / "b").mkdir()
    check_mistake(run("recommend ./b --gpu h100"), "config.json not found")
    os.mkfifo(tmp_path / "b" / "config.json")  # would block for ever
    check_mistake(run("recommend ./b --gpu h100"), "config.json not found")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_without_permission(run: Callable[..., Ended], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    config.chmod(0)
    check_mistake(run("recommend . --gpu h100"), "Permission denied")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    check_mistake(run(f"{R} -o locked/plan"), "cannot write locked/plan: Permission denied")


# ---------------------------------------------------------------- files of vLLM, scenarios

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "is empty"),
    ("list", "- a", "is no mapping"),
    ("number", "5", "is no mapping"),
    ("bomb", BOMB, "aliases that grow without bound"),
    ("itself", "model: &a {x: *a}", "aliases that grow without bound"),
    ("deep", "model: " + "[" * 100_000, "more than 64 levels"),
    ("tabs", "model: a\n\tmax-model-len: 5", "not valid YAML (found a tab"),
    ("binary", bytes(range(256)), "is not UTF-8 text"),
    ("utf-16", "model: a".encode("utf-16"), "is not UTF-8 text"),
    ("five-megabytes", "# comment\n" * 500_000, "is larger than"),
    ("unknown-key", f"model: {MODEL}\nmax-model-lenn: 5", "yaml:2:1: vLLM 0.33.0 has no flag --max-model-lenn. Did"),
    ("wrong-type", f"model: {MODEL}\nmax-model-len: many", "yaml:2:16: --max-model-len: 'many' is not a whole number"),
    ("nan", f"model: {MODEL}\ngpu-memory-utilization: .nan", "nan is no number"),
    ("long-number", f"model: {MODEL}\nmax-model-len: {LONG}", "not valid YAML"),
    ("date", f"model: {MODEL}\nseed: 2020-13-45", "not valid YAML: month"),
    ("tag", 'model: !!python/object/apply:os.system ["id"]', "could not determine a constructor"),
    ("two", "model: a\n---\nmodel: b", "holds several documents"),
    ("no-model", "max-model-len: 4096", "no model named"),
    ("kubernetes", "apiVersion: v1\nkind: Pod", "starts no vLLM server"),
]


@pytest.mark.parametrize(("name", "content", "fragment"), YAML, ids=[name for name, _, _ in YAML])
def test_config_file_of_vllm(
    name: str, content: str | bytes, fragment: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    check_mistake(run(f"{E} {name}.yaml"), fragment)


def test_config_file_that_is_none(run: Callable[..., Ended], tmp_path: Path) -> None:
    check_mistake(run(f"{E} nope.yaml"), "cannot read nope.yaml: No such file or directory")
    check_mistake(run(f"{E} ."), "is a directory")
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    check_mistake(run(f"{E} notes.txt"), "is no vLLM configuration that is known")


def test_config_file_with_a_model_alone_or_a_key_twice_is_fine(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(f"model: {MODEL}", encoding="utf-8")
    assert run(f"{E} one.yaml").code == 0
    (tmp_path / "two.yaml").write_text(f"model: {MODEL}\nmax-model-len: 10\nmax-model-len: 4096", encoding="utf-8")
    twice = run(f"{E} two.yaml --format json")
    assert twice.code == 0
    assert "stands here a second time" in str(json.loads(twice.out)["warnings"])


SCENARIOS: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "must be a mapping"),
    ("list", "[]", "must be a mapping"),
    ("unknown-key", f"{PRESET}\nfoo: 1\n", "foo: no such key"),
    ("missing-key", "title: x\ndescription: y\n", "workload: is missing"),
    ("wrong-type", PRESET.replace("concurrency: ", "concurrency: many #"), "workload.concurrency: input should be"),
    ("negative", PRESET.replace("concurrency: ", "concurrency: -"), "workload.concurrency: input should be"),
    ("not-a-number", PRESET.replace("headroom: ", "headroom: .nan #"), "policy.headroom"),
    ("descending", PRESET.replace("{p50: ", "{p50: 9999"), "the smaller comes first"),
    ("bomb", BOMB, "aliases are not allowed in a scenario"),
    ("deep", "[" * 100_000, "more than 16 levels"),
    ("binary", b"\xff\xfe\x00", "is not UTF-8 text"),
    ("date", PRESET.replace("title:", "title: 2020-13-45 #"), "not valid YAML: month"),
    ("tag", '!!python/object/apply:os.system ["id"]', "could not determine a constructor"),
    ("two-megabytes", "# comment\n" * 200_000, "is larger than"),
]


@pytest.mark.parametrize(("name", "content", "fragment"), SCENARIOS, ids=[name for name, _, _ in SCENARIOS])
def test_scenario_file(
    name: str, content: str | bytes, fragment: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    (tmp_path / f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    check_mistake(run(f"{R} --scenario {name}.yaml"), fragment)


# ---------------------------------------------------------------- NVML, Hub, secrets, documents

WITHOUT_GPU = [f"recommend {MODEL}", f"estimate -- vllm serve {MODEL}", "detect"]


@pytest.mark.parametrize("line", WITHOUT_GPU)
@pytest.mark.parametrize(
    ("code", "fragment"),
    [
        (12, "no NVIDIA driver on this machine"),
        (18, "the NVIDIA library and the loaded kernel driver differ"),
        (4, "no permission to use the NVIDIA driver"),
        (999, "fails with 'unknown error'"),
    ],
)
def test_nvml_that_fails(line: str, code: int, fragment: str, nvml: Any, run: Callable[..., Ended]) -> None:
    nvml.fail["nvmlInit"] = code
    ended = run(line)
    check_mistake(ended, fragment)
    assert "--gpu" in ended.err


@pytest.mark.parametrize("line", WITHOUT_GPU)
def test_nvml_that_is_not_there_or_shows_nothing_or_hangs(
    line: str, nvml: Any, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_mistake(run(line), "shows no GPU")
    nvml.hang.add("nvmlInit")
    monkeypatch.setattr(hardware, "PROBE_TIMEOUT", 0.2)
    check_mistake(run(line), "did not answer within 0.2 s")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    check_mistake(run(line), "nvidia-ml-py is not installed")


def test_unknown_model_offline_opens_no_socket(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    pytest.importorskip("huggingface_hub")  # imported before the clock runs
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    line = "recommend some/unknown-model --gpu l4 --offline"
    check_mistake(run(line), "model 'some/unknown-model' is not in the Hugging Face cache, and --offline forbids")
    check_mistake(run("recommend Qwen/Qwen3-8C --gpu l4 --offline"), "Did you mean 'Qwen/Qwen3-8B'?")
    assert run(f"{R} --offline").code == 0


@pytest.mark.parametrize("format_", ["text", "json"])
def test_secrets_reach_no_output(format_: str, run: Callable[..., Ended], tmp_path: Path) -> None:
    token = "hf_" + "Abcdefgh12345678"
    (tmp_path / "vllm.yaml").write_text(f"model: {MODEL}\napi-key: sekret-key\n", encoding="utf-8")
    (tmp_path / "run.sh").write_text(
        f"export HF_TOKEN={token}\nvllm serve {MODEL} --api-key sekret-key\n", encoding="utf-8"
    )
    before = f"{E} --format {format_}"
    for line in (
        f"{before} vllm.yaml",
        f"{before} run.sh",
        f"{before} -- HF_TOKEN={token} vllm serve {MODEL} --api-key sekret-key",
        f"{before} -- vllm serve {MODEL} --api-key sekret-key --foo",
        f"{before} -- vllm serve {MODEL} --max-model-len {token}",
        f"{before} -- vllm serve https://me:sekret-key@host/model",
        f"recommend {MODEL} --gpu h100 --format {format_} --set api-key=sekret-key",
    ):
        ended = run(line)
        assert ended.code in {0, 2}
        assert "sekret-key" not in ended.out + ended.err, line
        assert token not in ended.out + ended.err, line


@pytest.mark.parametrize(
    "line",
    [
        R,
        f"{E} -- vllm serve {MODEL}",
        *(f"list {kind}" for kind in ("gpus", "instances", "models", "scenarios", "versions")),
        *("show gpu h100", "show instance p5.48xlarge", f"show model {MODEL}", "show scenario chat"),
        "show version 0.33.0",
    ],
)
def test_one_json_document_and_the_same_exit_code_in_every_format(line: str, run: Callable[..., Ended]) -> None:
    before, dashes, after = line.partition(" -- ")
    document = run(f"{before} --format json{dashes}{after}")
    assert json.loads(document.out)["schema"].startswith("llmtune/")
    assert document.err == ""
    assert document.code == run(line).code == 0


def test_colour_only_when_it_is_asked_for(run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in run(R).out
    assert "\x1b[" in run(f"{R} --color always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run(R).out
    assert "\x1b[" not in run(f"{R} --color never").out
    assert "\x1b[" not in run(f"{R} --format json").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run(R).out


def test_ctrl_c_is_quiet(run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("llmtune.cli.judge.load_engine", interrupt)
    ended = run(R)
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_a_bug_of_ours_says_that_it_is_one(run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("llmtune.cli.judge.load_engine", fail)
    ended = run(R)
    assert (ended.code, ended.out) == (2, "")
    assert "this is a bug in llmtune" in ended.err
    assert "RuntimeError: oh" in ended.err


# ---------------------------------------------------------------- real processes

PROGRAM = [sys.executable, "-m", "llmtune"]


def process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **options.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([*PROGRAM, *words], check=False, text=True, env=environment, timeout=60, **pipes)


def test_process_with_a_mistake() -> None:
    ended = process("recommend", MODEL, "--gpu", "h10")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: unknown GPU 'h10'. Did you mean 'h100-sxm'? See: llmtune list gpus\n"


def test_process_whose_reader_has_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        for words in (("list", "models"), ("--help",)):
            ended = process(*words, stdout=writer)
            assert (ended.returncode, ended.stderr) == (141, "")
    finally:
        os.close(writer)


def test_process_that_is_interrupted(tmp_path: Path) -> None:
    pipe = tmp_path / "vllm.yaml"
    os.mkfifo(pipe)
    words = [*PROGRAM, "estimate", "--gpu", "h100", str(pipe)]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child,
        pipe.open("w", encoding="utf-8"),  # opens when the reader is there
    ):
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, "", "")


def test_process_on_a_full_disk() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = process("list", "gpus", stdout=full)
    assert ended.returncode == 2
    assert ended.stderr == "error: the system refuses: No space left on device\n"


def test_process_without_utf8() -> None:
    ended = process("recommend", MODEL, "--gpu", "h100", "--format", "json", env={"PYTHONIOENCODING": "ascii"})
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["schema"].startswith("llmtune/")


def test_process_without_stdout() -> None:
    ended = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *PROGRAM, "recommend", MODEL, "--gpu", "h100"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
