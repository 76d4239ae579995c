"""Rules about quantisation and number formats against model, GPU and release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.rules.conftest import Found

QWEN = "vllm serve Qwen/Qwen3-8B --max-model-len 4096 --max-num-seqs 16"
AWQ = "vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --max-model-len 4096 --max-num-seqs 16"


@pytest.mark.parametrize(
    ("text", "gpu", "severities", "fix"),
    [
        ("vllm serve some/model --dtype bfloat16", "t4", ["error"], "half"),
        ("vllm serve google/gemma-3-1b-it --dtype bfloat16", "v100-sxm2-16gb", ["error"], "float32"),
        ("vllm serve Qwen/Qwen3-4B --max-model-len 4096", "t4", ["info"], None),
        ("vllm serve Qwen/Qwen3-4B --max-model-len 4096 --dtype half", "t4", [], None),
        ("vllm serve Qwen/Qwen3-4B --dtype $DTYPE", "t4", [], None),
        ("vllm serve some/model --dtype bfloat16", "l4", [], None),
        ("vllm serve some/model --dtype bfloat16", "mi300x", [], None),
    ],
)
def test_bfloat16_before_ampere(found: Found, text: str, gpu: str, severities: list[str], fix: str | None) -> None:
    said = found(text, "bf16-before-ampere", gpu=gpu)
    assert [finding.severity for finding in said] == severities
    assert [finding.fix.edits[0].text for finding in said if finding.fix] == ([fix] if fix else [])


def test_release_whose_auto_does_not_fall_back_says_nothing_of_it(found: Found) -> None:
    assert not found("vllm serve Qwen/Qwen3-4B --max-model-len 4096", "bf16-before-ampere", gpu="t4", release="0.8.5")


def test_gpu_too_old_for_the_method(found: Found) -> None:
    (finding,) = found(f"{AWQ} --dtype half", "quant-min-capability", gpu="v100-sxm2-32gb")
    assert finding.message == "v100-sxm2-32gb is too old for awq"
    assert finding.note == "Minimum capability: 75. Current capability: 70"
    assert not found(f"{AWQ} --dtype half", "quant-min-capability", gpu="t4")
    assert not found(AWQ, "quant-min-capability")


def test_fp8_weights_without_fp8_arithmetic(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-8B-FP8 --max-model-len 4096"
    assert [f.severity for f in found(text, "fp8-weight-only-fallback", gpu="a100-sxm-40gb")] == ["info"]
    assert not found(text, "fp8-weight-only-fallback", gpu="l4")
    assert not found(QWEN, "fp8-weight-only-fallback", gpu="a100-sxm-40gb")


@pytest.mark.parametrize(
    ("model", "gpu", "fires"),
    [
        ("google/gemma-3-12b-it", "a100-sxm-80gb", True),
        ("openai/gpt-oss-20b", "a100-sxm-80gb", True),
        ("Qwen/Qwen3-4B", "t4", True),
        ("Qwen/Qwen3-8B", "a100-sxm-80gb", False),  # FlashInfer reads it
        ("google/gemma-3-12b-it", "l40s", False),
        ("some/model", "t4", False),
    ],
)
def test_8_bit_cache(found: Found, model: str, gpu: str, *, fires: bool) -> None:
    text = f"vllm serve {model} --max-model-len 4096 --max-num-seqs 8 --dtype auto --kv-cache-dtype fp8"
    said = found(text, "fp8-kv-unsupported", gpu=gpu)
    assert bool(said) == fires
    assert not found(text, "refused-by-engine", gpu=gpu)


def test_8_bit_cache_where_no_gpu_is_known(found: Found) -> None:
    assert not found("vllm serve google/gemma-3-12b-it --kv-cache-dtype fp8", "fp8-kv-unsupported")


@pytest.mark.parametrize(
    ("model", "method", "message"),
    [
        ("Qwen/Qwen3-14B-AWQ", "fp8", "the checkpoint is stored in awq, not in fp8"),
        ("Qwen/Qwen3-14B-AWQ", "gptq", "the checkpoint is stored in awq, not in gptq"),
        ("Qwen/Qwen3-8B", "awq", "the checkpoint is not quantised, so there is nothing for awq to load"),
        (
            "Qwen/Qwen3-8B",
            "gptq_marlin",
            "the checkpoint is not quantised, so there is nothing for gptq_marlin to load",
        ),
        ("Qwen/Qwen3-14B-AWQ", "awq", ""),
        ("Qwen/Qwen3-14B-AWQ", "awq_marlin", ""),
        ("Qwen/Qwen3-14B-AWQ", "$METHOD", ""),
        ("Qwen/Qwen3-8B", "fp8", ""),  # quantised while it is loaded
        ("Qwen/Qwen3-8B-FP8", "fp8", ""),
        ("Qwen/Qwen3-30B-A3B-GPTQ-Int4", "moe_wna16", ""),
        ("nvidia/Qwen3-235B-A22B-NVFP4", "fp4", ""),  # the checkpoint overrides the flag
        ("some/model", "awq", ""),
    ],
)
def test_method_and_checkpoint(found: Found, model: str, method: str, message: str) -> None:
    said = found(f"vllm serve {model} --quantization {method}", "quantization-mismatch")
    assert [finding.message for finding in said] == ([message] if message else [])


@pytest.mark.parametrize(
    ("model", "method", "release", "fires"),
    [
        ("Qwen/Qwen3-14B-AWQ", "awq_marlin", "0.16.0", True),
        ("Qwen/Qwen3-14B-AWQ", "awq", "0.16.0", False),  # it takes the slow kernel
        ("Qwen/Qwen3-14B-AWQ", "awq", "0.33.0", True),
        ("Qwen/Qwen3-8B-FP8", "fp8", "0.33.0", True),
        ("Qwen/Qwen3-8B", "fp8", "0.33.0", False),
        ("nvidia/Qwen3-235B-A22B-NVFP4", "modelopt", "0.33.0", True),
        ("nvidia/Qwen3-235B-A22B-NVFP4", "fp4", "0.33.0", True),
        ("Qwen/Qwen3-30B-A3B-GPTQ-Int4", "moe_wna16", "0.33.0", False),  # another kernel
        ("some/model", "awq", "0.33.0", False),
    ],
)
def test_method_that_the_checkpoint_says(found: Found, model: str, method: str, release: str, *, fires: bool) -> None:
    said = found(f"vllm serve {model} --quantization {method}", "quantization-redundant", release=release)
    assert bool(said) == fires
    assert all(finding.fix is not None and finding.fix.safe for finding in said)


@pytest.mark.parametrize(
    ("arguments", "facts", "fires"),
    [
        ("--quantization awq", {"release": "0.16.0"}, True),
        ("--quantization awq", {"release": "0.16.0", "gpu": "t4"}, False),  # no other kernel there
        ("--quantization awq", {"release": "0.16.0", "gpu": "l4"}, True),
        ("--quantization awq_marlin", {"release": "0.16.0"}, False),
        ("--quantization awq", {"release": "0.24.0"}, False),
        ("--quantization gptq", {"release": "0.22.0"}, False),
        ("", {"release": "0.16.0"}, False),
        ("--quantization awq --dtype bfloat16", {"release": "0.16.0"}, False),  # refused
    ],
)
def test_slow_kernels(found: Found, arguments: str, facts: dict[str, str], *, fires: bool) -> None:
    model = "some/model" if "gptq" in arguments else "Qwen/Qwen2.5-7B-Instruct-AWQ"
    assert bool(found(f"vllm serve {model} {arguments}", "quantization-forces-slow-kernel", **facts)) == fires


@pytest.mark.parametrize(
    ("text", "facts", "severities"),
    [
        (f"{QWEN} --quantization bitsandbytes", {"release": "0.28.0"}, ["error"]),
        (f"{QWEN} --quantization bitsandbytes", {"release": "0.27.1"}, []),
        (f"{QWEN} --quantization bitsandbytes", {}, ["warning"]),  # nobody said which release
        (f"{QWEN} --load-format bitsandbytes", {"release": "0.33.0"}, ["error"]),
        (f"{QWEN} --load-format gguf", {"release": "0.23.0"}, []),
        (f"{QWEN} --quantization hqq", {"release": "0.16.0"}, ["error"]),
        ("vllm serve unsloth/Qwen2.5-7B-Instruct-bnb-4bit", {"release": "0.33.0"}, ["error"]),
        ("vllm serve unsloth/Qwen2.5-7B-Instruct-bnb-4bit", {"release": "0.20.0"}, []),
        (f"{QWEN} --quantization fp8", {"release": "0.33.0"}, []),
        (f"{QWEN} --quantization made_up", {"release": "0.33.0"}, []),
        (f"{QWEN} --quantization $METHOD", {"release": "0.33.0"}, []),
    ],
)
def test_methods_that_are_gone(found: Found, text: str, facts: dict[str, str], severities: list[str]) -> None:
    said = found(text, "quantization-method-removed", **facts)
    assert [finding.severity for finding in said] == severities


@pytest.mark.parametrize(
    ("text", "release", "fires"),
    [
        (f"{QWEN} --quantization fp_quant", "0.33.0", True),
        (f"{QWEN} --quantization fp_quant --allow-deprecated-quantization", "0.33.0", False),
        (f"{QWEN} --quantization fp_quant", "0.13.0", False),
        ("vllm serve meta-llama/Llama-3.1-405B-Instruct-FP8", "0.33.0", True),
        ("vllm serve meta-llama/Llama-3.1-405B-Instruct-FP8 $MORE", "0.33.0", False),
    ],
)
def test_methods_that_are_going(found: Found, text: str, release: str, *, fires: bool) -> None:
    assert bool(found(text, "quantization-deprecated", release=release)) == fires
    assert not found(text, "refused-by-engine", release=release)


@pytest.mark.parametrize(
    ("text", "facts", "fires"),
    [
        ("vllm serve google/gemma-3-12b-it --dtype half", {}, True),
        ("vllm serve google/gemma-2-9b-it --dtype float16", {}, True),
        ("vllm serve gaunernst/gemma-3-27b-it-int4-awq --dtype half", {"gpu": "t4"}, True),
        ("vllm serve gaunernst/gemma-3-27b-it-int4-awq", {}, False),  # stored in float16, and auto leaves it out
        ("vllm serve gaunernst/gemma-3-27b-it-int4-awq --dtype auto", {"gpu": "l40s"}, False),
        ("vllm serve google/gemma-3-12b-it --dtype half", {"release": "0.8.5"}, False),
        ("vllm serve google/gemma-3-12b-it --dtype $DTYPE", {}, False),
        ("vllm serve Qwen/Qwen3-8B --dtype half", {}, False),
    ],
)
def test_models_that_float16_breaks(found: Found, text: str, facts: dict[str, str], *, fires: bool) -> None:
    assert bool(found(text, "fp16-unstable-model", **facts)) == fires


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("--quantization awq --dtype bfloat16", "0.16.0", True),
        ("--quantization awq --dtype half", "0.16.0", False),
        ("--quantization awq", "0.16.0", False),  # stored in float16
        ("--dtype bfloat16", "0.16.0", False),
        ("--quantization awq --dtype bfloat16", "0.33.0", False),
        ("--quantization awq --dtype $DTYPE", "0.16.0", False),
    ],
)
def test_kernels_for_float16(found: Found, arguments: str, release: str, *, fires: bool) -> None:
    assert bool(found(f"{AWQ} {arguments}", "awq-needs-fp16", release=release)) == fires


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("--kv-cache-dtype float16", "0.33.0", True),
        ("--kv-cache-dtype bfloat16", "0.33.0", False),
        ("--kv-cache-dtype float16 --dtype half", "0.33.0", False),
        ("--kv-cache-dtype float16", "0.32.0", False),
        ("--kv-cache-dtype fp8", "0.33.0", False),
        ("--kv-cache-dtype float16 --dtype $DTYPE", "0.33.0", False),
    ],
)
def test_cache_and_model(found: Found, arguments: str, release: str, *, fires: bool) -> None:
    assert bool(found(f"{QWEN} {arguments}", "kv-dtype-vs-model", release=release)) == fires


@pytest.mark.parametrize("dtype", ["turboquant_k8v4", "octave_k3v4", "ultraquant_4bit"])
def test_caches_with_kernels_of_their_own_are_not_judged(found: Found, dtype: str) -> None:
    text = f"vllm serve Qwen/Qwen3-8B --max-model-len 4096 --kv-cache-dtype {dtype}"
    assert not found(text, "kv-dtype-vs-model", gpu="h100-sxm", release="0.33.0")
    assert not found(text, "refused-by-engine", gpu="h100-sxm", release="0.33.0")


def test_cache_of_4_bits_for_latents(found: Found) -> None:
    text = "vllm serve deepseek-ai/DeepSeek-V2-Lite-Chat --max-model-len 4096 --kv-cache-dtype nvfp4"
    assert found(text, "kv-dtype-vs-model", gpu="h100-sxm", release="0.33.0")
    assert not found(text, "refused-by-engine", gpu="h100-sxm", release="0.33.0")
