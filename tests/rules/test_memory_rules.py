"""Rules about memory: they say what ``estimate`` says, and keep quiet where a fact is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.rules.conftest import Found

QWEN = "vllm serve Qwen/Qwen3-8B"  # 15.3 GiB, 144 KiB a token, 40,960 tokens
COMPOSE = """
services:
  one:
    image: vllm/vllm-openai:v0.33.0
    command: [Qwen/Qwen3-8B, --max-model-len=4096{one}]
    deploy: {{resources: {{reservations: {{devices: [{{driver: nvidia, device_ids: [{ids}], capabilities: [gpu]}}]}}}}}}
  two:
    image: vllm/vllm-openai:v0.33.0
    command: [BAAI/bge-m3{two}]
    deploy: {{resources: {{reservations: {{devices: [{{driver: nvidia, device_ids: ["0"], capabilities: [gpu]}}]}}}}}}
"""


def test_weights_beyond_the_gpu(found: Found) -> None:
    (finding,) = found("vllm serve Qwen/Qwen3-32B --max-model-len 4096", "weights-do-not-fit", gpu="l4")
    assert finding.severity == "error"
    assert finding.note.startswith("61.0 GiB of weights")
    assert "--tensor-parallel-size 4 on 4 GPUs" in finding.help
    assert finding.span.column == len("vllm serve ") + 1


def test_weights_that_fit_leave_nothing(found: Found) -> None:
    text = f"{QWEN} --max-model-len 4096 --gpu-memory-utilization 0.7"
    (finding,) = found(text, "weights-do-not-fit", gpu="l4")
    assert "leave no KV cache" in finding.message
    assert "leave --gpu-memory-utilization at its default" in finding.help
    assert not found(text, "kv-below-one-request", gpu="l4")


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve Qwen/Qwen3-32B $MORE",
        "vllm serve Qwen/Qwen3-32B --quantization $METHOD",
        "vllm serve Qwen/Qwen3-32B --tensor-parallel-size ${TP}",
        "vllm serve $MODEL",
        "vllm serve some/model-that-nobody-knows",
        "vllm serve Qwen/Qwen3-32B --hf-overrides '{\"num_hidden_layers\": 4}'",
    ],
)
def test_no_plan_without_all_facts(found: Found, text: str) -> None:
    assert not found(text, "weights-do-not-fit", gpu="l4")
    assert not found(text, "kv-below-one-request", gpu="l4")


def test_hidden_settings_that_do_not_matter_hide_nothing(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-32B --port $PORT --served-model-name ${NAME}"
    assert found(text, "weights-do-not-fit", gpu="l4")


def test_context_beyond_the_cache_is_lowered_to_what_surely_fits(found: Found) -> None:
    (finding,) = found(f"{QWEN} --max-model-len 40960", "kv-below-one-request", gpu="l4")
    assert finding.severity == "error"
    assert finding.note == "needs 5.6 GiB of KV cache; 3.4 GiB is left on one l4"
    assert finding.help == "lower it to 16384, or set --kv-cache-dtype fp8 (32768 fits)"
    assert finding.fix is not None
    assert [edit.text for edit in finding.fix.edits] == ["16384"]
    assert not finding.fix.safe
    assert not found(f"{QWEN} --max-model-len 16384", "kv-below-one-request", gpu="l4")


def test_native_context_beyond_the_cache(found: Found) -> None:
    (finding,) = found(QWEN, "kv-below-one-request", gpu="l4")
    assert finding.message == "one request of 40960 tokens does not fit in the KV cache"
    assert finding.fix is None
    assert not found(f"{QWEN} --max-model-len auto", "kv-below-one-request", gpu="l4")
    assert not found(QWEN, "max-model-len-unset", gpu="l4")  # one cause, one finding


def test_too_close_to_call_is_a_warning(found: Found) -> None:
    (finding,) = found(f"{QWEN} --max-model-len 20480", "kv-below-one-request", gpu="l4")
    assert (finding.severity, finding.confidence) == ("warning", "likely")
    assert finding.message == "one request at --max-model-len may not fit in the KV cache"
    assert finding.note.startswith("at worst")
    assert finding.help.startswith("lower it to 16384")


def test_few_requests_of_full_length(found: Found) -> None:
    text = f"{QWEN} --max-model-len 16384"
    (finding,) = found(text, "low-concurrency", gpu="l4")
    assert (finding.severity, finding.message) == (
        "warning",
        "the KV cache holds 1.5 requests of 16384 tokens at once",
    )
    (finding,) = found(f"{text} --max-num-seqs 16", "low-concurrency", gpu="l4")
    assert finding.severity == "info"
    assert not found(f"{text} --max-num-seqs 1", "low-concurrency", gpu="l4")
    assert not found(f"{QWEN} --max-model-len 8192", "low-concurrency", gpu="l4")


@pytest.mark.parametrize(
    ("share", "facts", "severities"),
    [
        ("1.0", {}, ["error"]),
        ("1.0", {"release": "0.9.0"}, ["warning"]),  # before the engine looked
        ("0.99", {}, ["warning"]),
        ("0.95", {}, ["warning"]),
        ("0.94", {}, []),
        ("1.0", {"gpu": "mi300x"}, ["warning"]),
        ("$SHARE", {}, []),
    ],
)
def test_share_without_a_known_model(found: Found, share: str, facts: dict[str, str], severities: list[str]) -> None:
    text = f"vllm serve some/model --gpu-memory-utilization {share}"
    assert [finding.severity for finding in found(text, "util-too-high", **facts)] == severities


@pytest.mark.parametrize(
    ("share", "release", "severities"),
    [
        ("1.0", "0.33.0", ["error"]),
        ("0.97", "0.33.0", ["warning"]),
        ("0.95", "0.33.0", []),  # graphs lie within the budget, and what else there is has room
        ("0.98", "0.16.0", ["warning"]),  # graphs lie beside the budget
    ],
)
def test_share_by_the_plan(found: Found, share: str, release: str, severities: list[str]) -> None:
    text = f"{QWEN} --max-model-len 4096 --gpu-memory-utilization {share}"
    said = found(text, "util-too-high", gpu="l4", release=release)
    assert [finding.severity for finding in said] == severities
    assert all(finding.fix is not None and not finding.fix.safe for finding in said)


def test_servers_on_one_gpu(found: Found) -> None:
    text = COMPOSE.format(one=", --gpu-memory-utilization=0.6", two=", --gpu-memory-utilization=0.5", ids='"0"')
    (finding,) = found(text, "util-oversubscribed", name="compose.yaml")
    assert (finding.severity, finding.server) == ("error", "service two")
    assert finding.message == "servers on GPU 0 claim 1.10 of its memory together"
    assert finding.note == "0.5 here, 0.6 by service one"


@pytest.mark.parametrize(
    ("one", "two", "ids"),
    [
        (", --gpu-memory-utilization=0.6", ", --gpu-memory-utilization=0.3", '"0"'),
        (", --gpu-memory-utilization=0.6", ", --gpu-memory-utilization=0.5", '"1"'),
        (", --gpu-memory-utilization=0.6", ', "--gpu-memory-utilization=${SHARE}"', '"0"'),
        (", --gpu-memory-utilization=0.6", ", --gpu-memory-utilization=0.5", '"${GPU}"'),
        (", --kv-cache-memory-bytes=4G", "", '"0"'),
    ],
)
def test_servers_that_may_share(found: Found, one: str, two: str, ids: str) -> None:
    assert not found(COMPOSE.format(one=one, two=two, ids=ids), "util-oversubscribed", name="compose.yaml")


def test_default_shares_count(found: Found) -> None:
    (finding,) = found(COMPOSE.format(one="", two="", ids='"0"'), "util-oversubscribed", name="compose.yaml")
    assert finding.note == "0.92 here, 0.92 by service one"


def test_other_processes(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-0.6B --max-model-len 4096"
    (finding,) = found(text, "gpu-not-empty", gpu="l4", free=12)
    assert finding.severity == "error"
    assert finding.help == "set --gpu-memory-utilization 0.51"
    assert not found(f"{text} --gpu-memory-utilization 0.5", "gpu-not-empty", gpu="l4", free=12)
    assert not found(text, "gpu-not-empty", gpu="l4")
    assert not found(text, "util-too-high", gpu="l4", free=12)


@pytest.mark.parametrize(
    ("text", "facts", "confidence"),
    [
        (QWEN, {}, "likely"),
        ("vllm serve openai/gpt-oss-120b --tensor-parallel-size 2", {}, "likely"),
        ("vllm serve /models/Llama-3.2-3B-Instruct", {}, "possible"),
        ("vllm serve ./Qwen3-8B/", {}, "possible"),
        (QWEN, {"gpu": "a100-sxm-40gb"}, "likely"),  # 3.5 requests fit
        (QWEN, {"gpu": "h100-sxm"}, None),  # 9 requests fit
        (f"{QWEN} --max-model-len 8192", {}, None),
        (f"{QWEN} --max-model-len $LENGTH", {}, None),
        (f"{QWEN} $MORE", {}, None),
        (f"{QWEN} --config more.yaml", {}, None),
        ("vllm serve BAAI/bge-m3", {}, None),
        ("vllm serve Qwen/Qwen3-Embedding-8B", {}, None),
        ("vllm serve microsoft/phi-4", {}, None),  # 16,384 tokens
        ("vllm serve some/model", {}, None),
        ("vllm serve /models/of-mine", {}, None),
    ],
)
def test_length_that_nobody_set(found: Found, text: str, facts: dict[str, str], confidence: str | None) -> None:
    said = [finding.confidence for finding in found(text, "max-model-len-unset", **facts)]
    assert said == ([confidence] if confidence else [])


def test_length_beyond_the_model(found: Found) -> None:
    text = "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 131072"
    (finding,) = found(text, "max-model-len-exceeds-model")
    assert finding.note == "Qwen/Qwen2.5-7B-Instruct has 32768 tokens"
    assert finding.fix is not None
    assert finding.fix.edits[0].text == "32768"


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 32768",
        "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 32k",
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 131072",
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN=$LONG vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 131072",
        "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 131072 "
        '--hf-overrides \'{"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}\'',
        "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 131072 --hf-overrides.max_position_embeddings 131072",
        "vllm serve /models/Qwen2.5-7B-Instruct --max-model-len 131072",
    ],
)
def test_length_that_is_allowed(found: Found, text: str) -> None:
    assert not found(text, "max-model-len-exceeds-model")


def test_needless_variable_is_removed(found: Found) -> None:
    text = "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve Qwen/Qwen3-8B --max-model-len 32768"
    (finding,) = found(text, "allow-long-max-model-len")
    assert "not needed" in finding.message
    assert finding.fix is not None
    assert finding.fix.safe


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("VLLM_ALLOW_LONG_MAX_MODEL_LEN=true vllm serve some/model --max-model-len 131072", True),
        ("VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve Qwen/Qwen3-8B --max-model-len 131072", True),
        ("VLLM_ALLOW_LONG_MAX_MODEL_LEN=0 vllm serve Qwen/Qwen3-8B --max-model-len 131072", False),
        ("VLLM_ALLOW_LONG_MAX_MODEL_LEN=$X vllm serve Qwen/Qwen3-8B", False),
    ],
)
def test_variable_that_allows_any_length(found: Found, text: str, *, fires: bool) -> None:
    said = found(text, "allow-long-max-model-len")
    assert bool(said) == fires
    assert all(finding.fix is None for finding in said)


def test_prefill_steps_that_take_the_cache(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-4B --max-model-len 8192 --max-num-seqs 16 --max-num-batched-tokens"
    (finding,) = found(f"{text} 65536", "batched-tokens-memory", gpu="l4")
    assert "would give back 4.2 GiB" in finding.note
    assert not found(f"{text} 16384", "batched-tokens-memory", gpu="l4")
    assert not found(f"{text} 65536", "batched-tokens-memory", gpu="h200-sxm")
    assert not found(f"{text} 65536", "batched-tokens-memory")


def test_sampler_of_too_many_requests(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-0.6B --max-model-len 4096 --max-num-batched-tokens 8192 --max-num-seqs"
    assert found(f"{text} 8192", "sampler-warmup-oom", gpu="l4", release="0.16.0")[0].severity == "error"
    assert not found(f"{text} 1024", "sampler-warmup-oom", gpu="l4", release="0.16.0")


def test_cache_in_bytes_and_share(found: Found) -> None:
    both = f"{QWEN} --kv-cache-memory-bytes 8G --gpu-memory-utilization 0.8"
    assert [finding.severity for finding in found(both, "kv-bytes-overrides-util")] == ["info"]
    assert not found(f"{QWEN} --kv-cache-memory-bytes 8G", "kv-bytes-overrides-util")


def test_offloaded_weights(found: Found) -> None:
    text = f"{QWEN} --cpu-offload-gb 8"
    assert found(text, "cpu-offload-slow")[0].note == "about 320 ms a step"
    assert not found(text, "cpu-offload-slow", gpu="gh200-96gb")
    assert not found(f"{QWEN} --cpu-offload-gb 0", "cpu-offload-slow")
