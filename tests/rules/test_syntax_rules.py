"""Rules about the form of arguments, where they are easily wrong: what must fire, what must not, and what mends it."""

from __future__ import annotations

from typing import Any

import pytest

Checker = Any  # of conftest.py

SYNTAX = (
    "unknown-flag", "ambiguous-abbreviation", "abbreviated-flag", "bool-flag-with-value", "invalid-choice",
    "invalid-number", "invalid-json-argument", "unknown-json-key", "duplicate-flag", "serve-model-flag",
    "served-name-before-model", "unicode-dash-or-quote", "flag-and-value-in-one-item", "missing-value",
    "extra-argument", "no-model", "model-given-twice", "exclusive-options", "flag-removed", "flag-too-new",
    "config-equals-ignored", "max-model-len-unset",
)  # fmt: skip

# A mistake is said once, under one name.
ONE_MISTAKE = [
    ("--max-model-length 8192", ["unknown-flag"]),
    ("--num-scheduler-steps 8", ["flag-removed"]),
    ("--device cuda", ["flag-removed"]),
    ("--max-num 8", ["ambiguous-abbreviation"]),
    ("--gpu-memory 0.8", ["abbreviated-flag"]),
    ("--enable-lora true", ["bool-flag-with-value"]),
    ("--dtype fp16", ["invalid-choice"]),
    ("--kv-cache-dtype fp16", ["invalid-choice"]),
    ("--max-lora-rank 48", ["invalid-choice"]),
    ("--max-num-seqs 1e2", ["invalid-number"]),
    ("--max-num-seqs 0", ["invalid-number"]),
    ("--gpu-memory-utilization 90%", ["invalid-number"]),
    ("--limit-mm-per-prompt image=2", ["invalid-json-argument"]),
    ('--hf-overrides {"a": 1, "b": 2}', ["invalid-json-argument"]),
    ("--kv-transfer-config.kv_connector NixlConnector", ["invalid-json-argument"]),
    ("--compilation-config.cuda_graph_mode FULL", ["unknown-json-key"]),
    ("--port 1 --port 2", ["duplicate-flag"]),
    ("--lora-modules a=b --lora-modules c=d", ["duplicate-flag"]),
    ("\u2013tp 2", ["unicode-dash-or-quote"]),
    ("\u2014\u2014port 2", ["unicode-dash-or-quote"]),
    ("'--port 8000'", ["flag-and-value-in-one-item"]),
    ("--port", ["missing-value"]),
    ("--port --seed 1", ["missing-value"]),
    ("two words", ["extra-argument"]),
    ("--model other/model", ["model-given-twice"]),
    ("--config=a.yaml", ["config-equals-ignored"]),
    ("--headless --api-server-count 2", ["exclusive-options"]),
    ("--data-parallel-rank 0 --data-parallel-hybrid-lb", ["exclusive-options"]),
    ("--enable-log-outputs", ["exclusive-options"]),
]
RIGHT = [
    "-tp 2 -pp=2 -O3 -dp 2",
    "--tensor_parallel_size=2",
    "--max-num-batched-tokens 8k",
    "--no-enable-prefix-caching --disable-chunked-prefill",
    "--compilation-config.cudagraph_mode full --compilation_config.custom_ops+ +rms_norm",
    """--compilation-config '{"mode": 3, "pass_config": {"fuse_norm_quant": true}}'""",
    """--speculative-config '{"method": "ngram", "num_speculative_tokens": "3"}'""",
    "--served-model-name a b c",
    "--middleware a.b --middleware c.d",
    "--enable-log-outputs --enable-log-requests",
    "--seed -1 --hf-token --api-key a b",
    "--chat-template '{{ x }} and a - b'",
    "--default-chat-template-kwargs.enable_thinking false",
]
HIDDEN = [
    "$EXTRA",
    '"$EXTRA"',
    "--max-model-len $LENGTH",
    "--port ${PORT:-}",
    "$FLAGS --max-model-len 1024 $MORE",
    "${LORA:+--enable-lora}",
    '"${ARGS[@]}"',
    "--gpu-memory-utilization ${UTIL}",
    "--dtype $DTYPE --enforce-eager=$EAGER",
    "--hf-overrides $OVERRIDES",
    "--$FLAG 8",
]


@pytest.mark.parametrize(("arguments", "expected"), ONE_MISTAKE)
def test_a_mistake_is_said_once(check: Checker, arguments: str, expected: list[str]) -> None:
    length = "" if "length" in arguments else " --max-model-len 8192"
    text = f"vllm serve Qwen/Qwen3-8B{length} {arguments}\n"
    assert check.names(text, *SYNTAX, release="0.33.0") == expected


@pytest.mark.parametrize("arguments", RIGHT)
def test_legal_spellings_are_silent(check: Checker, arguments: str) -> None:
    text = f"vllm serve Qwen/Qwen3-8B --max-model-len 8192 {arguments}\n"
    assert check.names(text, *SYNTAX, release="0.33.0") == []


@pytest.mark.parametrize("arguments", HIDDEN)
def test_what_a_variable_hides_is_not_judged(check: Checker, arguments: str) -> None:
    text = f"vllm serve Qwen/Qwen3-8B {arguments}\n"
    assert check.names(text, *(rule for rule in SYNTAX if "unset" not in rule), release="0.33.0") == []


MENDED = [
    ("--max-model-length 8192", "--max-model-len 8192"),
    ("--tp 2", "-tp 2"),
    ("--mem-fraction-static 0.8", "--gpu-memory-utilization 0.8"),
    ("--swap-space 4 --seed 1", "--seed 1"),
    ("--swap-space=4", ""),
    ("--task embed", "--convert embed"),
    ("--task=embedding", "--convert=embed"),
    ("--task generate --seed 1", "--runner generate --seed 1"),
    ("--task reward", "--task reward"),  # what replaces it depends on the model
    ("--guided-decoding-backend xgrammar", "--structured-outputs-config.backend xgrammar"),
    ("--gpu_memory 0.8", "--gpu-memory-utilization 0.8"),
    ("--enable-lora true", "--enable-lora"),
    ("--enable-prefix-caching=false", "--no-enable-prefix-caching"),
    ("--disable-log-stats false --seed 1", "--seed 1"),
    ("--dtype bf16", "--dtype bfloat16"),
    ("--dtype=fp16", "--dtype=float16"),
    ("--max-lora-rank 48", "--max-lora-rank 64"),
    ("--max-num-seqs 1e2", "--max-num-seqs 100"),
    ("--max-num-seqs=256.0", "--max-num-seqs=256"),
    ("--max-model-len 1.5K", "--max-model-len 1.5k"),
    ("--gpu-memory-utilization 0,9", "--gpu-memory-utilization 0.9"),
    ("--port 1 --port=2", "--port=2"),
    ("\u2013tp 2", "-tp 2"),
    ("\u2014port 2", "--port 2"),
    ("--config=a.yaml", "--config a.yaml"),
    ("--attention-backend FLASHINFER -ac.backend FLASH_ATTN", "-ac.backend FLASH_ATTN"),
]


@pytest.mark.parametrize(("before", "after"), MENDED)
def test_fixes(check: Checker, before: str, after: str) -> None:
    rules = [rule for rule in SYNTAX if rule != "max-model-len-unset"]
    text = f"vllm serve Qwen/Qwen3-8B {before}  # a comment\n"
    expected = f"vllm serve Qwen/Qwen3-8B {after}".rstrip() + "  # a comment\n"
    assert check.mended(text, *rules, release="0.33.0") == expected


def test_a_key_of_json_is_marked_and_renamed(check: Checker) -> None:
    text = """vllm serve Qwen/Qwen3-8B --compilation-config '{"cuda_graph_mode": "FULL"}'\n"""
    [found] = check.findings(text, "unknown-json-key", release="0.33.0")
    assert found.message.endswith("did you mean 'cudagraph_mode'?")


def test_fixes_in_lists_of_yaml(check: Checker) -> None:
    text = """services:
  vllm:
    image: vllm/vllm-openai:v0.20.0
    command:
      - Qwen/Qwen3-8B
      - --swap-space
      - "4"
      - --dtype=fp16
      - --port 8000
"""
    rules = ("flag-removed", "invalid-choice", "flag-and-value-in-one-item")
    after = check.mended(text, *rules, name="compose.yaml")
    assert after == text.replace("=fp16", "=float16").replace("--port 8000", "--port=8000").replace(
        "      - --swap-space\n", ""
    ).replace('      - "4"\n', "")


def test_a_command_over_its_config_is_no_duplicate(check: Checker) -> None:
    text = "vllm serve Qwen/Qwen3-8B --config nowhere.yaml --port 1\n"
    assert check.names(text, "duplicate-flag", "no-model", "unknown-flag") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("async-scheduling: false", ["config-false-dropped"]),
        ("enforce-eager: false", []),
        ("async-scheduling: true", []),
    ],
)
def test_false_in_a_config(check: Checker, value: str, expected: list[str]) -> None:
    text = f"model: Qwen/Qwen3-8B\nmax-model-len: 8192\n{value}\n"
    assert check.names(text, "config-false-dropped", name="vllm.yaml", release="0.33.0") == expected


@pytest.mark.parametrize(
    ("release", "severity"), [("0.10.2", "error"), ("0.33.0", "warning"), (None, "warning"), ("0.8.2", "warning")]
)
def test_the_model_by_flag(check: Checker, release: str | None, severity: str) -> None:
    text = "vllm serve --model Qwen/Qwen3-8B --port 1\n"
    found = check.findings(text, "serve-model-flag", "no-model", release=release)
    assert [(item.rule, item.severity) for item in found] == [("serve-model-flag", severity)]


def test_served_names_do_not_hide_the_model(check: Checker) -> None:
    text = "vllm serve --served-model-name chat Qwen/Qwen3-8B --port 1\n"
    assert check.names(text, "served-name-before-model", "no-model", "extra-argument") == ["served-name-before-model"]


def test_no_model(check: Checker) -> None:
    rules = ("no-model", "extra-argument", "unknown-flag")
    assert check.names("vllm serve --port 1\n", *rules) == ["no-model"]
    assert check.names('vllm serve "$MODEL" --port 1\n', *rules) == []
    assert check.names("vllm serve $FLAGS --port 1\n", *rules) == []
    assert check.names("vllm serve --disable-log-requests Qwen/Qwen3-8B\n", *rules, release="0.20.0") == []


DOCKERFILE = """FROM vllm/vllm-openai:v0.10.0
ENTRYPOINT ["python3", "-m", "vllm.entrypoints.openai.api_server"]
CMD ["--host", "0.0.0.0"]
"""


def test_a_model_that_comes_when_the_image_is_run(check: Checker) -> None:
    assert check.names(DOCKERFILE, "no-model", name="Dockerfile") == []
    alone = "FROM ubuntu:24.04\nRUN pip install vllm\nCMD vllm serve --port 1\n"
    assert check.names(alone, "no-model", name="Dockerfile") == ["no-model"]


@pytest.mark.parametrize("made", ["", "read -r -a ARGS <<< $MORE\n", "mapfile -t ARGS < args.txt\n"])
def test_an_array_nothing_is_known_of(check: Checker, made: str) -> None:
    text = made + 'vllm serve Qwen/Qwen3-8B --port 1 "${ARGS[@]}"\n'
    assert check.names(text, "model-given-twice", "extra-argument", "missing-value") == []


def test_a_value_that_ends_its_line(check: Checker) -> None:
    text = 'exec vllm serve m --kv-transfer-config \'{"kv_role":"kv_both"}\n\' $MORE\n'
    assert check.names(text, "invalid-json-argument") == []


def test_no_secret_in_a_message(check: Checker) -> None:
    text = "vllm serve Qwen/Qwen3-8B --api-key=sk-012345678901234567890 --host h --tokenizzer hf_abcdefghijklmnop0123\n"
    said = " ".join(f"{item.message} {item.note} {item.help}" for item in check.findings(text, release="0.33.0"))
    assert "sk-0123" not in said
    assert "hf_abcd" not in said
