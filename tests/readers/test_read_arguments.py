from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.readers import ReadError
from llmtune.readers.arguments import parse

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion

# Accepted by the parser of vLLM 0.33.0 with these values.
ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("--max-model-len 32768", {"max-model-len": 32768}),
    ("--max-model-len=32768", {"max-model-len": 32768}),
    ("--max_model_len 32k", {"max-model-len": 32000}),
    ("--max-model-len 32K", {"max-model-len": 32768}),
    ("--max-model-len 25.6k", {"max-model-len": 25600}),
    ("--max-model-len auto", {"max-model-len": -1}),
    ("--max-model-len -1", {"max-model-len": -1}),
    ("--max-num-batched-tokens 1_000", {"max-num-batched-tokens": 1000}),
    ("--port ' 7'", {"port": 7}),
    ("--seed -1", {"seed": -1}),
    ("--kv-cache-memory 20G", {"kv-cache-memory-bytes": 20 << 30}),
    ("--kv-cache-memory-bytes None", {"kv-cache-memory-bytes": None}),
    ("-tp 2", {"tensor-parallel-size": 2}),
    ("-tp=2", {"tensor-parallel-size": 2}),
    ("-t 2", {"tensor-parallel-size": 2}),
    ("-n2", {"nnodes": 2}),
    ("-qfp8", {"quantization": "fp8"}),
    ("--tensor_parallel_size=2", {"tensor-parallel-size": 2}),
    ("--gpu-memory 0.8", {"gpu-memory-utilization": 0.8}),
    ("--device-memory-utilization=.8", {"gpu-memory-utilization": 0.8}),
    ("--gpu-memory-utilization=-0.5", {"gpu-memory-utilization": -0.5}),
    ("--port 8000 --port=9000", {"port": 9000}),
    ("--enable-prefix-caching", {"enable-prefix-caching": True}),
    ("--no-enable-prefix-caching", {"enable-prefix-caching": False}),
    ("--no_enable_prefix_caching", {"enable-prefix-caching": False}),
    ("--disable-prefix-caching", {"enable-prefix-caching": False}),
    ("-ep", {"enable-expert-parallel": True}),
    ("-O3", {"optimization-level": "3"}),
    ("-O=1", {"optimization-level": "1"}),
    ("-O 2", {"optimization-level": "2"}),
    ("-cc.mode=3", {"compilation-config": {"mode": 3}}),
    ("-cc.mode none", {"compilation-config": {"mode": "none"}}),
    ("--compilation-config '{\"bytes\": 80g}'", {"compilation-config": {"bytes": 80 * 10**9}}),
    ("--compilation-config.a.b_c 80g", {"compilation-config": {"a": {"b_c": 80 * 10**9}}}),
    ("--compilation-config.l+ x,y --compilation-config.l+=z", {"compilation-config": {"l": ["x", "y", "z"]}}),
    (
        "--speculative-config.method eagle --speculative_config.num_speculative_tokens 3",
        {"speculative-config": {"method": "eagle", "num_speculative_tokens": 3}},
    ),
    ("""--speculative-config '{"a": 1}' --speculative-config.b 2""", {"speculative-config": {"b": 2}}),
    ("--speculative-config None", {"speculative-config": None}),
    ("--hf-overrides org/config", {"hf-overrides": "org/config"}),
    ("""--hf-overrides '{"a": null}'""", {"hf-overrides": {"a": None}}),
    ("""--allowed-origins '["*"]'""", {"allowed-origins": ["*"]}),
    ("--served-model-name a b --port 1", {"served-model-name": ["a", "b"], "port": 1}),
    ("--served-model-name=a", {"served-model-name": ["a"]}),
    ("--cudagraph-capture-sizes 1 2 4", {"cudagraph-capture-sizes": [1, 2, 4]}),
    ("--window 1 2", {"window": [1, 2]}),
    ("--hf-token --port 1", {"hf-token": True, "port": 1}),
    ("--hf-token abc", {"hf-token": "abc"}),
    ("--middleware a --port 1 --middleware b", {"middleware": ["a", "b"], "port": 1}),
    ("--dtype bfloat16", {"dtype": "bfloat16"}),
    ("--max-lora-rank 16", {"max-lora-rank": 16}),
    ("--moe-backend Deep-GEMM", {"moe-backend": "deep_gemm"}),
    ("--chat-template ./a.jinja --host=1.2.3.4", {"chat-template": "./a.jinja", "host": "1.2.3.4"}),
    ("--chat-template '-a b'", {"chat-template": "-a b"}),
    ("--chat-template=-a", {"chat-template": "-a"}),
    ("--lora-modules a=/x", {"lora-modules": ["a=/x"]}),
    ("""--lora-modules '{"name": "b", "path": "c"}'""", {"lora-modules": ['{"name": "b", "path": "c"}']}),
]

REFUSED = [
    ("--num-scheduler-steps 8", "unknown-flag"),
    ("--tp 2", "unknown-flag"),
    ("-tp2", "unknown-flag"),
    ("-t=2", "unknown-flag"),
    ("--max-num 12", "ambiguous-abbreviation"),
    ("--enable-prefix-caching=true", "bool-flag-with-value"),
    ("--enforce-eager false", "bool-flag-with-value"),
    ("-ep=1", "bool-flag-with-value"),
    ("--max-model-len", "missing-value"),
    ("--max-model-len --port 1", "missing-value"),
    ("--served-model-name", "missing-value"),
    ("--window 1", "missing-value"),
    ("--window=1", "missing-value"),
    ("--compilation-config.mode", "missing-value"),
    ("--max-model-len 1.5K", "invalid-number"),
    ("--max-num-seqs 1k", "invalid-number"),
    ("--max-num-seqs 1e3", "invalid-number"),
    ("--port abc", "invalid-number"),
    ("--port None", "invalid-number"),
    ("--gpu-memory-utilization 0.9x", "invalid-number"),
    ("--gpu-memory-utilization -1.5", "invalid-number"),
    ("--port $PORT", "literal-variable"),
    ("--dtype fp16", "invalid-choice"),
    ("--max-lora-rank 7", "invalid-choice"),
    ("--limit-mm-per-prompt image=2", "invalid-json-argument"),
    ("--compilation-config 3", "invalid-json-argument"),
    ("--speculative-config \"{'a': 1}\"", "invalid-json-argument"),
    ("--speculative-config '{\"a\": 1k}'", "invalid-json-argument"),
    ("--lora-modules org/adapter", "invalid-json-argument"),
    ("extra", "extra-argument"),
    ("--", "extra-argument"),
    ("--port 1 2", "extra-argument"),
    ("'--port 8000'", "flag-and-value-in-one-item"),
    ("\u2013tp 2", "unicode-dash-or-quote"),
    ("--help", "asks-for-help"),
    ("-h", "asks-for-help"),
]


@pytest.mark.parametrize(("line", "values"), ACCEPTED)
def test_accepted(line: str, values: dict[str, Any], engine: EngineVersion) -> None:
    read = parse(["org/model", *shlex.split(line)], engine)
    assert [token.text for token in read.positionals] == ["org/model"]
    assert {setting.flag: setting.value for setting in read.settings} == values
    assert all(type(setting.value) is type(values[setting.flag]) for setting in read.settings if setting.flag != "port")


@pytest.mark.parametrize(("line", "name"), REFUSED)
def test_refused(line: str, name: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        parse(["org/model", *shlex.split(line)], engine)
    assert caught.value.name == name
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--tp 2", "Did you mean -tp?"),
        ("--max-model-lenn 2", "vLLM 0.33.0 has no flag --max-model-lenn. Did you mean --max-model-len?"),
        ("--dtype fp16", "'fp16' is not among the choices (did you mean float16?): auto, bfloat16, float16"),
        ("--enable-prefix-caching=false", "use --no-enable-prefix-caching to turn it off"),
        ("--max-model-len 1.5K", "write 1.5k"),
        ("--speculative-config {a}", "--speculative-config.key value"),
        ("--device 1 --max-num 12", "--max-num-batched-tokens, --max-num-seqs"),
    ],
)
def test_message_says_what_to_do(line: str, part: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        parse(["m", *shlex.split(line)], engine)
    assert any(part in str(error) for error in (caught.value, *caught.value.others))


def test_all_mistakes_are_reported(engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        parse(shlex.split("m --port x --bogus 1 --dtype fp16 extra"), engine)
    names = [caught.value.name, *(error.name for error in caught.value.others)]
    assert sorted(names) == ["extra-argument", "invalid-choice", "invalid-number", "unknown-flag"]


def test_a_value_behind_an_unknown_flag_is_not_reported_again(engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        parse(["m", "--bogus", "1"], engine)
    assert caught.value.others == ()


def test_warnings(engine: EngineVersion) -> None:
    read = parse(shlex.split("m --gpu-mem 0.5 --port 1 --port 2"), engine)
    assert [notice.name for notice in read.warnings] == ["abbreviated-flag", "duplicate-flag"]


def test_secret_never_stands_in_a_message(engine: EngineVersion) -> None:
    for line in ("m --api-key=one hunter2", "m x://a:hunter2@b y"):
        with pytest.raises(ReadError) as caught:
            parse(shlex.split(line), engine)
        assert "hunter2" not in str(caught.value)


def test_early_release(old_engine: EngineVersion) -> None:
    line = "m --enable-chunked-prefill=False --limit-mm-per-prompt image=4,video=1 -O3 --swap-space 4"
    read = parse(shlex.split(line), old_engine)
    assert {setting.flag: setting.value for setting in read.settings} == {
        "enable-chunked-prefill": False,
        "limit-mm-per-prompt": {"image": 4, "video": 1},
        "swap-space": 4.0,
        "compilation-config": {"level": 3},
    }
    assert parse(["m", "--enable-chunked-prefill"], old_engine).settings[0].value is True
    with pytest.raises(ReadError, match="name=number"):
        parse(["m", "--limit-mm-per-prompt", "image"], old_engine)
    with pytest.raises(ReadError, match="neither true nor false"):
        parse(["m", "--enable-chunked-prefill=x"], old_engine)
