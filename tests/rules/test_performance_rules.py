"""Rules about performance, and the refusals that have no rule of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.rules.conftest import Found

QWEN = "vllm serve Qwen/Qwen3-8B --max-model-len 8192"
SERVICE = "services: {{qwen: {{image: vllm/vllm-openai:v0.33.0, command: '--model Qwen/Qwen3-8B {}'}}}}"
OWN = "services: {{qwen: {{image: example.com/vllm:1, command: 'vllm serve Qwen/Qwen3-8B {}'}}}}"


@pytest.mark.parametrize(
    ("text", "facts", "severities"),
    [
        (f"{QWEN} --enforce-eager", {}, ["warning"]),
        (f"{QWEN} --enforce-eager", {"gpu": "l40s"}, ["warning"]),
        (QWEN, {}, []),
        (f"{QWEN} --no-enforce-eager", {}, []),
        ("vllm serve some/model --enforce-eager --device cpu", {}, []),
        ("docker run vllm/vllm-openai-cpu:v0.33.0 some/model --enforce-eager", {}, []),
    ],
)
def test_eager(found: Found, text: str, facts: dict[str, str], severities: list[str]) -> None:
    assert [finding.severity for finding in found(text, "enforce-eager", **facts)] == severities


def test_eager_that_decides_whether_it_fits_is_a_note(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-8B --max-model-len 21504 --enforce-eager"
    (finding,) = found(text, "enforce-eager", gpu="l4")
    assert finding.severity == "info"
    assert finding.fix is None


def test_eager_in_yaml_is_taken_out_with_its_line(found: Found) -> None:
    text = "model: Qwen/Qwen3-8B\nmax-model-len: 8192\nenforce-eager: true  # debugging\nport: 8000\n"
    (finding,) = found(text, "enforce-eager", name="vllm.yaml")
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    assert (edit.span.line, edit.span.column, edit.span.end_line, edit.span.end_column) == (3, 1, 4, 1)


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("--max-num-batched-tokens 512 --max-num-seqs 64", "0.33.0", True),
        ("--max-num-batched-tokens 2048", "0.33.0", False),
        ("--max-num-batched-tokens 512", "0.7.3", False),  # the default of that engine
        ("--max-num-batched-tokens $TOKENS", "0.33.0", False),
        ("--max-model-len 512 --max-num-batched-tokens 512", "0.33.0", False),  # whole prompts
        ("--max-num-batched-tokens 128 --max-num-seqs 256", "0.33.0", False),  # refused
    ],
)
def test_small_steps(found: Found, arguments: str, release: str, *, fires: bool) -> None:
    text = f"vllm serve Qwen/Qwen3-8B {arguments}"
    assert bool(found(text, "batched-tokens-small", release=release)) == fires


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("--max-num-batched-tokens 4096 --no-enable-chunked-prefill", "0.33.0", True),
        ("--max-num-batched-tokens 4096", "0.33.0", False),
        ("--max-num-batched-tokens 4096 --no-enable-chunked-prefill", "0.10.2", False),  # cut all the same
        ("--max-num-batched-tokens 8192 --no-enable-chunked-prefill", "0.33.0", False),
        ("--max-num-batched-tokens $TOKENS --no-enable-chunked-prefill", "0.33.0", False),
    ],
)
def test_steps_and_prompts(found: Found, arguments: str, release: str, *, fires: bool) -> None:
    text = f"vllm serve some/model --max-model-len 8192 {arguments}"
    assert bool(found(text, "batched-tokens-below-max-len", release=release)) == fires


def test_steps_and_prompts_by_defaults(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-8B --max-num-batched-tokens 4096"
    facts = {"gpu": "l40s", "release": "0.7.3"}
    assert found(f"{text} --max-model-len 8192", "batched-tokens-below-max-len", **facts)
    assert not found(f"{text} --max-model-len 40960", "batched-tokens-below-max-len", **facts)  # long ones are cut


@pytest.mark.parametrize(
    ("arguments", "facts", "fires"),
    [
        ("--max-num-batched-tokens 128 --max-num-seqs 256", {}, True),
        ("--max-num-batched-tokens 2k --max-num-seqs 256", {}, False),
        ("--max-num-batched-tokens 128", {}, False),
        ("--max-num-batched-tokens 128", {"gpu": "l4", "release": "0.10.2"}, True),  # 256 requests by default
        ("--max-num-batched-tokens 128", {"gpu": "l4"}, False),  # later releases lower them
        ("--max-num-seqs 4096", {"gpu": "l4"}, True),  # 2048 tokens by default
        ("--max-num-seqs 4096 --max-num-batched-tokens $TOKENS", {"gpu": "l4"}, False),
    ],
)
def test_steps_and_requests(found: Found, arguments: str, facts: dict[str, str], *, fires: bool) -> None:
    said = found(f"{QWEN} {arguments}", "batched-tokens-below-seqs", **facts)
    assert bool(said) == fires
    assert not found(f"{QWEN} {arguments}", "refused-by-engine", **facts)


@pytest.mark.parametrize(
    ("text", "release", "confidences"),
    [
        (f"{QWEN} --enable-prefix-caching", "0.33.0", ["certain"]),
        (f"{QWEN} --enable-prefix-caching --enable-chunked-prefill", "0.10.0", ["certain", "certain"]),
        (f"{QWEN} --enable-prefix-caching --enable-chunked-prefill", "0.7.3", []),
        ("vllm serve some/model --enable-prefix-caching", "0.16.0", ["likely"]),
        ("vllm serve $MODEL --enable-chunked-prefill", "0.16.0", ["likely"]),
        ("vllm serve Qwen/Qwen3.5-9B --enable-prefix-caching", "0.25.0", []),  # hybrid: off by default then
        ("vllm serve Qwen/Qwen3.5-9B --enable-prefix-caching", "0.26.0", ["certain"]),
        ("vllm serve mine/qwen3.5-9b-tuned --enable-prefix-caching", "0.25.0", []),
        ("vllm serve BAAI/bge-m3 --enable-chunked-prefill", "0.33.0", []),
        ("vllm serve mine/embedding-model --enable-chunked-prefill", "0.33.0", []),
        ("vllm serve some/model --runner pooling --enable-chunked-prefill", "0.33.0", []),
        ("VLLM_USE_V1=0 vllm serve some/model --enable-prefix-caching", "0.10.0", []),
        (f"{QWEN} --no-enable-prefix-caching", "0.33.0", []),
        (f"{QWEN} -tp 1 --pipeline-parallel-size 1", "0.33.0", ["certain", "certain"]),
        (f"{QWEN} -tp 2", "0.33.0", []),
        (f"{QWEN} -tp $TP", "0.33.0", []),
        (f"{QWEN} -tp ${{TP:-1}}", "0.33.0", []),  # a value that somebody may set
        (f"TP=1\n{QWEN} --tensor-parallel-size=$TP", "0.33.0", []),
        (f"{QWEN} --no-enable-log-requests", "0.33.0", ["certain"]),
        (f"{QWEN} --dtype auto --port 8000 --gpu-memory-utilization 0.92", "0.33.0", []),
    ],
)
def test_what_the_engine_does_anyway(found: Found, text: str, release: str, confidences: list[str]) -> None:
    said = found(text, "redundant-default", release=release)
    assert [finding.confidence for finding in said] == confidences
    assert all(finding.fix is not None for finding in said)
    assert [finding.fix.safe for finding in said if finding.fix] == [name == "certain" for name in confidences]


@pytest.mark.parametrize(
    ("text", "name", "confidences"),
    [
        (f"{QWEN} --enable-prefix-caching --no-enable-log-requests", "serve.sh", ["likely", "likely"]),
        ("model: Qwen/Qwen3-8B\ntensor-parallel-size: 1\n", "vllm_config.yaml", ["certain"]),
        (SERVICE.format("--tensor-parallel-size ${TP:-1}"), "compose.yaml", []),
        (SERVICE.format("--tensor-parallel-size 1"), "compose.yaml", ["certain"]),
        (OWN.format("--no-enable-log-requests --enable-chunked-prefill"), "compose.yaml", ["likely"]),
    ],
)
def test_what_an_unnamed_release_does_anyway(found: Found, text: str, name: str, confidences: list[str]) -> None:
    assert [finding.confidence for finding in found(text, "redundant-default", name=name)] == confidences


def test_prefix_caching_off(found: Found) -> None:
    assert found(f"{QWEN} --no-enable-prefix-caching", "prefix-caching-off")
    assert not found(f"{QWEN} --no-enable-prefix-caching", "prefix-caching-off", release="0.7.3")
    assert not found("vllm serve BAAI/bge-m3 --no-enable-prefix-caching", "prefix-caching-off")


def test_few_requests_in_a_large_cache(found: Found) -> None:
    assert found(f"{QWEN} --max-num-seqs 1", "max-num-seqs-throttle", gpu="h100-sxm")
    assert not found(f"{QWEN} --max-num-seqs 1", "max-num-seqs-throttle", gpu="l4")
    assert not found(f"{QWEN} --max-num-seqs 8", "max-num-seqs-throttle", gpu="h100-sxm")
    assert not found(f"{QWEN} --max-num-seqs 1", "max-num-seqs-throttle")


@pytest.mark.parametrize(
    ("text", "facts", "fires"),
    [
        (f"NCCL_P2P_DISABLE=1 {QWEN} -tp 2", {"gpu": "h100-sxm", "count": 2}, True),
        (f"NCCL_P2P_DISABLE=1 {QWEN} -tp 2", {"gpu": "l4", "count": 2}, False),
        (f"NCCL_P2P_DISABLE=0 {QWEN} -tp 2", {"gpu": "h100-sxm", "count": 2}, False),
        (f"NCCL_P2P_DISABLE=1 {QWEN}", {"gpu": "h100-sxm"}, False),
        (f"NCCL_P2P_DISABLE=1 {QWEN} -tp 2", {}, False),
    ],
)
def test_gpus_kept_apart(found: Found, text: str, facts: dict[str, object], *, fires: bool) -> None:
    assert bool(found(text, "nccl-p2p-disabled", **facts)) == fires


@pytest.mark.parametrize(
    ("arguments", "facts", "safe"),
    [
        ("", {}, True),
        ("-tp 2", {"gpu": "h100-sxm", "count": 2}, False),
        ("-tp 2", {"gpu": "l4", "count": 2}, None),
        ("-tp 2", {}, None),
        ("-tp $TP", {}, None),
        ("$MORE", {}, None),
    ],
)
def test_custom_all_reduce(found: Found, arguments: str, facts: dict[str, object], *, safe: bool | None) -> None:
    said = found(f"{QWEN} --disable-custom-all-reduce {arguments}", "custom-allreduce-off", **facts)
    assert [finding.fix.safe for finding in said if finding.fix] == ([] if safe is None else [safe])


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("--enable-lora --max-num-seqs 512 --max-num-batched-tokens 2048", "0.33.0", True),
        ("--enable-lora --max-num-seqs 256 --max-num-batched-tokens 2048", "0.33.0", False),
        ("--max-num-seqs 512 --max-num-batched-tokens 2048", "0.33.0", False),
        ("--enable-lora --max-num-seqs 512 --max-num-batched-tokens 2048", "0.11.0", False),
    ],
)
def test_draft_tokens_of_adapters(found: Found, arguments: str, release: str, *, fires: bool) -> None:
    drafts = '--speculative-config \'{"method": "ngram", "num_speculative_tokens": 5}\''
    assert bool(found(f"{QWEN} {arguments} {drafts}", "spec-decode-budget", release=release)) == fires


def test_block_sizes_of_latent_attention(found: Found) -> None:
    text = "vllm serve deepseek-ai/DeepSeek-V2-Lite-Chat --max-model-len 8192"
    (finding,) = found(f"{text} --block-size 16", "block-size-costs-backend", gpu="b200-sxm")
    assert finding.message == "blocks of 16 tokens shut out FLASHINFER_MLA"
    assert not found(f"{text} --block-size 64", "block-size-costs-backend", gpu="b200-sxm")
    assert not found(f"{text} --block-size 16 --attention-backend TRITON_MLA", "block-size-costs-backend", gpu="b200")


@pytest.mark.parametrize(
    ("text", "facts", "severities"),
    [
        (f"{QWEN} -tp 4 -dcp 3", {"gpu": "h100-sxm", "count": 4}, ["error"]),
        (f"{QWEN} -tp 4 -dcp 3", {}, ["error"]),
        (f"{QWEN} -tp $TP -dcp 3", {}, []),
        (f"{QWEN} -tp 4 -dcp 3 $MORE", {}, []),
        ("vllm serve BAAI/Aquila-7B", {"release": "0.33.0"}, ["error"]),
        ("vllm serve BAAI/Aquila-7B", {}, ["warning"]),  # an earlier release has it
        (f"{QWEN} --long-prefill-token-threshold 16384", {"gpu": "h100-sxm"}, ["error"]),
        (f"{QWEN} --enable-eplb", {}, ["error"]),
        (QWEN, {"gpu": "h100-sxm"}, []),
    ],
)
def test_other_refusals(found: Found, text: str, facts: dict[str, object], severities: list[str]) -> None:
    assert [finding.severity for finding in found(text, "refused-by-engine", **facts)] == severities
