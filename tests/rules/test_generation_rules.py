"""Rules about parsers, templates, adapters and runners: what must fire, and what must not."""

from __future__ import annotations

from typing import Any

import pytest

Checker = Any  # of conftest.py

RULES = (
    "tool-choice-needs-parser", "parser-unknown", "parser-model-mismatch", "reasoning-parser-missing",
    "chat-template-missing", "generation-config-defaults", "lora-rank-too-small", "lora-not-enabled", "lora-counts",
    "pooling-runner",
)  # fmt: skip
CODER, INSTRUCT, LLAMA = "Qwen/Qwen3-Coder-30B-A3B-Instruct", "Qwen/Qwen3-4B-Instruct-2507", "meta-llama/Llama-3.1-8B"


def tools(parser: str) -> str:
    return f"--enable-auto-tool-choice --tool-call-parser {parser}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (f"{INSTRUCT} {tools('hermes')}", []),
        (f"{INSTRUCT} --enable-auto-tool-choice", ["tool-choice-needs-parser"]),
        (f"{INSTRUCT} --enable-auto-tool-choice $MORE", []),
        (f"{INSTRUCT} --enable-auto-tool-choice --tool-call-parser $PARSER", []),
        (f"{INSTRUCT} --tool-call-parser hermes", ["tool-choice-needs-parser"]),
        (f"{INSTRUCT} {tools('llama3_json')}", ["parser-model-mismatch"]),
        (f"{INSTRUCT} {tools('no_such_parser')}", ["parser-unknown"]),
        (f"{INSTRUCT} {tools('mine')} --tool-parser-plugin mine.py", []),
        (f"{INSTRUCT} {tools('hf')}", []),
        (f"{CODER} {tools('hermes')}", ["parser-model-mismatch"]),
        (f"{CODER} {tools('qwen3_xml')}", []),
        (f"/models/{CODER} {tools('hermes')}", ["parser-model-mismatch"]),
        (f"$MODEL {tools('hermes')}", []),
        (f"nobody/knows-it {tools('hermes')}", []),
        (f"{LLAMA}-Instruct {tools('hermes')} --chat-template hermes.jinja", []),
        (f"{LLAMA}-Instruct {tools('hermes')}", ["parser-model-mismatch"]),
        (f"{INSTRUCT} --reasoning-parser deepseek_r1", []),  # nothing is known to fit, so nothing is said
        ("Qwen/Qwen3-8B --reasoning-parser qwen3", []),
        ("Qwen/Qwen3-8B --reasoning-parser mistral", ["parser-model-mismatch"]),
        ("Qwen/Qwen3-8B --reasoning-parser none", []),
        ("Qwen/Qwen3-8B --reasoning-parser thoughts", ["parser-unknown"]),
        ("Qwen/Qwen3-8B", []),  # thinks unless asked not to
        (f"Qwen/Qwen3-8B {tools('hermes')}", ["reasoning-parser-missing"]),
        (f"Qwen/Qwen3-8B {tools('hermes')} --default-chat-template-kwargs.enable_thinking false", []),
        ("Qwen/QwQ-32B", ["reasoning-parser-missing"]),
        ("deepseek-ai/DeepSeek-R1 --reasoning-parser deepseek_r1", []),
        (f"{LLAMA} {tools('llama3_json')}", ["chat-template-missing"]),
        (f"{LLAMA} {tools('llama3_json')} --chat-template x.jinja", []),
        (f"{LLAMA}-Instruct {tools('llama3_json')}", []),
        ("facebook/opt-125m", []),  # completions need no template
        ("facebook/opt-125m --reasoning-parser qwen3", ["chat-template-missing"]),
        ("m --override-generation-config.temperature 0", ["generation-config-defaults"]),
        ("m --override-generation-config.temperature 0 --generation-config vllm", []),
        ("m --enable-lora", ["lora-rank-too-small"]),
        ("m --enable-lora $MORE", []),
        ("m --enable-lora --max-lora-rank 64 --lora-modules a=/x/sql-r64", []),
        ("m --enable-lora --max-lora-rank 32 --lora-modules a=/x/sql-r64", ["lora-rank-too-small"]),
        ("m --enable-lora --lora-modules a=/x/lora-r8", []),
        ("m --enable-lora --lora-modules a=/x/deepseek-r1-lora", ["lora-rank-too-small"]),  # r1 is no rank
        ("m --lora-modules a=b", ["lora-not-enabled"]),
        ("m --lora-modules a=b $MORE", []),
        ("m --max-lora-rank 64", ["lora-not-enabled"]),
        ("m --no-enable-lora --lora-modules a=b", ["lora-not-enabled"]),
        ("m --enable-lora --max-lora-rank 8 --max-loras 4 --max-cpu-loras 2", ["lora-counts"]),
        ("m --enable-lora --max-lora-rank 8 --max-loras 4 --max-cpu-loras 4", []),
        ("m --enable-lora --max-lora-rank 8 --max-loras $N --max-cpu-loras 1", []),
        ("Qwen/Qwen3-Embedding-8B --runner generate", ["pooling-runner"]),
        ("Qwen/Qwen3-Embedding-8B --runner pooling", []),
        ("Qwen/Qwen3-Embedding-8B", []),
        ("BAAI/bge-m3 --runner generate", ["pooling-runner"]),
        ("Qwen/Qwen3-8B --runner generate", []),
    ],
)
def test_which_rule_speaks(check: Checker, arguments: str, expected: list[str]) -> None:
    text = f"vllm serve {arguments} --max-model-len 8192\n"
    assert check.names(text, *RULES, release="0.33.0") == expected


@pytest.mark.parametrize(
    ("parser", "release", "expected"),
    [
        ("granite4", "0.18.0", []),
        ("granite4", "0.16.0", ["parser-unknown"]),
        ("hermes", "0.16.0", []),
        ("minimax", "0.24.0", ["parser-unknown"]),
    ],
)
def test_parsers_of_a_release(check: Checker, parser: str, release: str, expected: list[str]) -> None:
    text = f"vllm serve m {tools(parser)}\n"
    assert check.names(text, "parser-unknown", release=release) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{INSTRUCT} --enable-auto-tool-choice", f"{INSTRUCT} --enable-auto-tool-choice --tool-call-parser hermes"),
        (f"{INSTRUCT} {tools('llama3_json')}", f"{INSTRUCT} {tools('hermes')}"),
        ("m --lora-modules a=b", "m --lora-modules a=b --enable-lora"),
        ("Qwen/QwQ-32B --seed 1", "Qwen/QwQ-32B --reasoning-parser deepseek_r1 --seed 1"),
        ("BAAI/bge-m3 --runner=generate", "BAAI/bge-m3 --runner=pooling"),
    ],
)
def test_fixes(check: Checker, before: str, after: str) -> None:
    rules = [rule for rule in RULES if rule != "lora-rank-too-small"]
    assert check.mended(f"vllm serve {before}\n", *rules, release="0.33.0") == f"vllm serve {after}\n"


def test_a_config_on_its_own_may_be_completed(check: Checker) -> None:
    text = "model: Qwen/QwQ-32B\nenable-auto-tool-choice: true\nlora-modules: [a=b]\nmax-model-len: 8192\n"
    assert check.names(text, *RULES, name="vllm.yaml", release="0.33.0") == []
