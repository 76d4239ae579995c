"""What existed in which release: a few rows checked by hand against vLLM's sources, and the tables as a whole."""

from __future__ import annotations

import json
import re

import pytest

from llmtune.catalog import UnknownName, engines, history
from llmtune.spec.history import FlagHistory, Lifetime

TABLES = ("flags", "environment", "replacements", "environment_advice", "parsers", "quantization_methods")


@pytest.mark.parametrize(
    ("flag", "first", "last", "gone"),
    [
        ("swap-space", "0.6.0", "0.17.1", "0.18.0"),
        ("disable-log-requests", "0.6.0", "0.16.0", "0.17.0"),
        ("guided-decoding-backend", "0.6.0", "0.11.2", "0.12.0"),
        ("num-scheduler-steps", "0.6.0", "0.10.0", "0.10.1"),
        ("max-model-len", "0.6.0", None, None),
        ("attention-backend", "0.13.0", None, None),
    ],
)
def test_flag(flag: str, first: str, last: str | None, gone: str | None) -> None:
    assert history.flag_history(flag) == FlagHistory(first, last, gone)


def test_aliases_name_their_option() -> None:
    alias = history.flag_history("-tp")
    assert alias is not None
    assert alias.of == "tensor-parallel-size"
    assert history.flag_history("no-such-option") is None


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("VLLM_USE_V1", "0.6.4", "0.11.0"),
        ("VLLM_ATTENTION_BACKEND", "0.6.0", "0.14.1"),
        ("VLLM_RPC_TIMEOUT", "0.6.2", "0.22.1"),
        ("VLLM_SLEEP_WHEN_IDLE", "0.9.1", "0.17.1"),
        ("VLLM_TEST_FORCE_FP8_MARLIN", "0.6.0", "0.28.0"),
        ("VLLM_BATCH_INVARIANT", "0.11.1", None),  # read by code before envs.py had it
        ("VLLM_CPU_CI_ENV", "0.9.2", None),
        ("VLLM_GC_THR_GEN0", "0.6.4", "0.9.2"),  # a name put together in a loop
        ("VLLM_CUSTOM_ALLREDUCE_ALGO", "0.10.2", None),  # read by C++
        ("VLLM_RS_PYTHON", "0.22.0", None),  # read by the Rust front end
        ("VLLM_LOGGING_LEVEL", "0.6.0", None),
        ("VLLM_SERVER_DEV_MODE", "0.7.0", None),
        ("CUDA_HOME", "0.6.0", None),
    ],
)
def test_variable(name: str, first: str, last: str | None) -> None:
    found = history.variable_history(name)
    assert found is not None
    assert (found.first, found.last) == (first, last)


def test_variables_nobody_reads() -> None:
    assert history.variable_history("VLLM_TENSOR_PARALLEL_SIZE") is None
    assert history.closest_variable("VLLM_TENSOR_PARALLEL_SIZE") is None
    assert history.closest_variable("VLLM_LOGING_LEVEL") == "VLLM_LOGGING_LEVEL"
    assert history.closest_variable("VLLM_USE_V2") != "VLLM_USE_V1"  # which the newest release does not read
    assert history.closest_variable("VLLM_USE_V2", engines.find("0.10.0")) == "VLLM_USE_V1"
    assert history.variable_plugin("VLLM_ASCEND_ENABLE_NZ") == "vllm-ascend"
    assert history.variable_plugin("VLLM_LOGGING_LEVEL") is None


def test_advice_is_about_what_is_gone() -> None:
    gone = {name for name, entry in history._table("environment").items() if "until" in entry}
    assert set(history._table("environment_advice")) <= gone
    internal = ("VLLM_TEST_", "VLLM_DYNAMO_", "VLLM_FUN_")
    assert {name for name in gone if not name.startswith(internal)} <= set(history._table("environment_advice"))
    assert "--attention-backend" in str(history.variable_advice("VLLM_ATTENTION_BACKEND"))


def test_advice_names_things_that_exist() -> None:
    """Options and variables that an advice recommends exist in the newest release, or it says in brackets when."""
    texts = [*history._table("environment_advice").values()]
    texts += [entry["advice"] for entry in history._table("replacements").values()]
    texts += [
        entry["removed_advice"]
        for entry in history._table("quantization_methods")["methods"].values()
        if "until" in entry
    ]
    options = engines.find(engines.newest()).options
    for text in texts:
        outside = re.sub(r"\([^)]*\d[^)]*\)|it became .*|together with .*|--calculate-kv-scales went", "", text)
        for flag in re.findall(r"(?<!\w)--([a-z0-9-]+)", outside):
            assert flag in options, text
        for name in re.findall(r"\b(?:VLLM|GPT_OSS)_[A-Z0-9_]+\b", outside):
            found = history.variable_history(name)
            assert found is not None, text
            assert found.last is None, text


def test_replacements_cover_what_is_gone() -> None:
    known = history._table("replacements")
    gone = {flag for flag, entry in history._table("flags").items() if "until" in entry}
    assert gone <= set(known)
    deprecated = {
        option.flag for name in engines.names() for option in engines.find(name).options.values() if option.deprecated
    }
    assert deprecated <= set(known)
    newest = engines.find(engines.newest()).options
    for flag in known:
        entry = history.replacement(flag)
        assert entry is not None
        if entry.rename:
            assert entry.rename.partition(".")[0] in newest, flag
            assert not entry.delete, flag
        assert (entry.removed_in is not None) <= (flag in newest), flag


def test_replacement() -> None:
    entry = history.replacement("swap-space")
    assert entry is not None
    assert entry.delete
    renamed = history.replacement("eplb-window-size")
    assert renamed is not None
    assert renamed.rename == "eplb-config.window_size"
    assert history.replacement("max-model-len") is None


def test_parsers() -> None:
    assert history.parsers("tool", "0.6.2") == ("hermes", "mistral")
    assert "glm47" not in history.parsers("tool", "0.13.0")
    assert "glm47" in history.parsers("tool", "0.14.0")
    assert "minimax" in history.parsers("tool", "0.23.0")
    assert "minimax" not in history.parsers("tool", "0.24.0")
    assert "qwen3" in history.parsers("reasoning", "latest")
    assert history.parser_history("tool", "hermes") == Lifetime("0.6.0")
    assert history.parser_history("reasoning", "hermes") is None


@pytest.mark.parametrize(
    ("model", "tool", "reasoning", "thinks"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "hermes", None, False),
        ("Qwen/Qwen3-8B", "hermes", "qwen3", True),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "hermes", None, False),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "qwen3_xml", None, False),
        ("Qwen/Qwen3.6-27B", "qwen3_coder", "qwen3", True),
        ("/models/qwen3_8b", "hermes", "qwen3", True),
        ("Qwen/QwQ-32B", "hermes", "deepseek_r1", True),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama3_json", None, False),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4_pythonic", None, False),
        ("deepseek-ai/DeepSeek-R1", "deepseek_v3", "deepseek_r1", True),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", None, "deepseek_r1", True),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek_v31", "deepseek_v3", False),
        ("deepseek-ai/DeepSeek-V4-Flash", "deepseek_v4", "deepseek_v4", True),
        ("openai/gpt-oss-120b", "openai", "openai_gptoss", False),
        ("zai-org/GLM-4.5-Air", "glm45", "glm45", True),
        ("zai-org/GLM-4.7", "glm47", "glm45", True),
        ("moonshotai/Kimi-K2-Instruct", "kimi_k2", None, False),
        ("ibm-granite/granite-4.0-h-small", "granite4", None, False),
        ("google/gemma-4-31B-it", "gemma4", "gemma4", False),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes", None, False),
        ("Qwen/Qwen3-8B-Base", None, None, False),
        ("Qwen/Qwen3-Embedding-8B", None, None, False),
    ],
)
def test_family(model: str, tool: str | None, reasoning: str | None, thinks: bool) -> None:  # noqa: FBT001
    found = history.parser_family(model)
    assert found is not None
    assert next(iter(found.tool), None) == tool
    assert next(iter(found.reasoning), None) == reasoning
    assert found.thinks is thinks


def test_families_name_parsers_that_exist() -> None:
    assert history.parser_family("meta-llama/Llama-2-7b-chat-hf") is None
    for entry in history._list("parser_families"):
        re.compile(entry["models"])
        for kind in ("tool", "reasoning"):
            plugins = {"nano_v3"}
            assert all(name in plugins or history.parser_history(kind, name) for name in entry[kind]), entry


def test_methods() -> None:
    bitsandbytes = history.method_history("bitsandbytes")
    assert bitsandbytes is not None
    assert (bitsandbytes.last, bitsandbytes.gone) == ("0.27.1", "0.28.0")
    assert "vllm-bnb-plugin" in str(bitsandbytes.advice)
    awq, deprecated = history.method_history("awq"), history.method_history("fbgemm_fp8")
    assert awq is not None
    assert (awq.last, awq.min_capability, awq.deprecated) == (None, 75, None)
    assert deprecated is not None
    assert deprecated.deprecated == "0.14.0"
    gguf = history.load_format_history("gguf")
    assert gguf is not None
    assert gguf.gone == "0.24.0"
    assert history.method_history("no_such") is None


def test_changed_defaults() -> None:
    def changes(old: str, new: str) -> dict[str, tuple[object, object]]:
        return {item.flag: (item.before, item.after) for item in history.changed_defaults(old, new)}

    assert changes("0.19.1", "0.20.0") == {"gpu-memory-utilization": (0.9, 0.92)}
    assert changes("0.11.2", "0.12.0")["seed"] == (None, 0)
    assert changes("0.8.5", "0.33.0")["allowed-origins"] == (["*"], [])
    assert not changes("0.33.0", "latest")


def test_within() -> None:
    assert history.within(engines.find("0.11.0"), "0.11.0", "0.11.0")
    assert not history.within(engines.find("0.11.1"), None, "0.11.0")
    assert not history.within(engines.find("0.10.2"), "0.11.0", None)
    assert history.within(engines.find("0.20.1rc1.dev16+g7a1eb8a"), "0.20.1", "0.20.1")
    assert history.within(engines.find("latest"), engines.newest(), None)


def test_parts() -> None:
    assert engines.parts("v0.8.5.post1") == (0, 8, 5, 1)
    assert engines.parts("0.27") == engines.parts("0.27.1")
    assert engines.parts("0.33.0") == engines.parts("latest")
    with pytest.raises(UnknownName):
        engines.parts("main")


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_sorted_and_name_known_releases(name: str) -> None:
    tables = [history._table(name)]
    if name in {"parsers", "quantization_methods"}:
        tables = list(tables[0].values())
    known = set(engines.names())
    for table in tables:
        assert list(table) == sorted(table)
        for entry in table.values():
            if isinstance(entry, dict):
                assert {entry[key] for key in ("since", "until") if key in entry} <= known


def test_one_entry_a_line() -> None:
    for name in (*TABLES, "parser_families"):
        text = (history.DATA / f"{name}.json").read_text(encoding="utf-8")
        entries = json.loads(text)
        nested = name in {"parsers", "quantization_methods"}
        count = sum(len(table) + 2 for table in entries.values()) if nested else len(entries)
        assert len(text.splitlines()) == count + 2
