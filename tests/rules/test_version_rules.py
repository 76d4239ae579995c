"""Rules about releases: which release is meant, what forks and hidden tags silence, and what became of a name."""

from __future__ import annotations

from typing import Any

import pytest

Checker = Any  # of conftest.py

FLAGS = (
    "unknown-flag",
    "flag-removed",
    "flag-too-new",
    "flag-deprecated",
    "ambiguous-abbreviation",
    "abbreviated-flag",
)
VARIABLES = ("env-removed", "env-unknown")


def compose(image: str, *arguments: str, environment: str = "{}") -> str:
    command = "".join(f"\n      - {argument}" for argument in ("--model=Qwen/Qwen3-8B", *arguments))
    return f"services:\n  vllm:\n    image: {image}\n    environment: {environment}\n    command:{command}\n"


@pytest.mark.parametrize(
    ("image", "flag", "expected"),
    [
        # a release that is named
        ("vllm/vllm-openai:v0.17.1", "--swap-space=4", []),
        ("vllm/vllm-openai:v0.18.0", "--swap-space=4", ["flag-removed"]),
        ("vllm/vllm-openai:v0.10.2", "--attention-backend=FLASH_ATTN", ["flag-too-new"]),
        ("vllm/vllm-openai:v0.10.2", "--no-such-flag", ["unknown-flag"]),
        ("vllm/vllm-openai:v0.16.0", "--disable-log-requests", ["flag-deprecated"]),
        ("vllm/vllm-openai:v0.20.0", "--disable-log-requests", ["flag-removed"]),
        ("vllm/vllm-openai:v0.33.0", "--disable-log-requests", []),  # the opposite of --enable-log-requests
        ("vllm/vllm-openai:v0.33.0", "--device=cuda", ["flag-removed"]),  # now the beginning of two others
        ("vllm/vllm-openai:v0.20.0", "--disable-prefix-caching", ["unknown-flag"]),
        ("registry.example.com/mirror/vllm/vllm-openai:v0.18.0", "--swap-space=4", ["flag-removed"]),
        # none is named: the newest known is meant
        ("vllm/vllm-openai:latest", "--swap-space=4", ["flag-removed"]),
        ("vllm/vllm-openai", "--no-such-flag", ["unknown-flag"]),
        ("vllm/vllm-openai:latest", "--disable-log-requests", ["flag-deprecated"]),
        # it is hidden, or newer than what is known
        ('"vllm/vllm-openai:${TAG}"', "--swap-space=4", []),
        ('"vllm/vllm-openai:${TAG}"', "--no-such-flag", []),
        ('"vllm/vllm-openai:${TAG}"', "--max-model-length=8192", ["unknown-flag"]),  # of no release
        ('"${REGISTRY}/vllm-openai:${TAG}"', "--max-model-length=8192", []),
        ("vllm/vllm-openai:v9.9.9", "--max-model-length=8192", ["unknown-flag"]),
        ("vllm/vllm-openai:v9.9.9", "--no-such-flag", []),
        ("vllm/vllm-openai:v9.9.9", "--swap-space=4", []),
        ("vllm/vllm-openai@sha256:0f1e", "--swap-space=4", []),
        # somebody else's build
        ("rocm/vllm:rocm7.0.0_ubuntu_22.04_vllm_0.10.2", "--no-such-flag", []),
        ("rocm/vllm:rocm7.0.0_ubuntu_22.04_vllm_0.18.0", "--swap-space=4", ["flag-removed"]),
        ("quay.io/ascend/vllm-ascend:v0.18.0", "--swap-space=4", []),
        ("vllm/vllm-tpu:v0.18.0", "--no-such-flag", []),
        ("example.com/me/my-vllm:1", "--swap-space=4", []),
    ],
)
def test_which_release_is_meant(check: Checker, image: str, flag: str, expected: list[str]) -> None:
    text = compose(image, "serve" if "rocm" in image else "--host=127.0.0.1", flag).replace(
        "- --model=Qwen/Qwen3-8B\n      - serve", "- vllm\n      - serve\n      - Qwen/Qwen3-8B"
    )
    assert check.names(text, *FLAGS, name="compose.yaml") == expected


def test_the_command_line_outranks_the_image(check: Checker) -> None:
    text = compose("quay.io/ascend/vllm-ascend:v0.18.0", "--swap-space=4")
    assert check.names(text, *FLAGS, name="compose.yaml", release="0.20.0") == ["flag-removed"]
    assert check.names(text, *FLAGS, name="compose.yaml", release="0.16.0") == []


def test_what_is_said_of_a_removed_flag(check: Checker) -> None:
    [found] = check.findings("vllm serve m --swap-space 4\n", "flag-removed", release="0.20.0")
    assert found.message == "--swap-space was removed in vLLM 0.18.0"
    assert found.note == "vLLM 0.20.0 refuses it"
    assert found.help.startswith("delete it")
    assert found.fix is not None
    assert found.fix.safe
    [found] = check.findings("vllm serve m --swap-space 4\n", "flag-removed")
    assert found.confidence == "likely"
    assert found.note.startswith("no release is named here; vLLM 0.33.0, the newest known,")


def test_a_release_that_was_still_worked_on_may_have_more(check: Checker) -> None:
    text = "pip install vllm==0.10.2rc1\nvllm serve m --attention-backend FLASH_ATTN --no-such-flag 1\n"
    assert check.names(text, "flag-too-new", "unknown-flag") == []


@pytest.mark.parametrize(
    ("line", "release", "expected"),
    [
        ("export VLLM_ATTENTION_BACKEND=FLASHINFER", "0.14.1", []),
        ("export VLLM_ATTENTION_BACKEND=FLASHINFER", "0.15.0", ["env-removed"]),
        ("export VLLM_USE_V1=${VLLM_USE_V1:-1}", "0.20.0", ["env-removed"]),
        ("export VLLM_LOGING_LEVEL=DEBUG", "0.20.0", ["env-unknown"]),
        ("export VLLM_API_KEY=$KEY VLLM_LOGGING_LEVEL=DEBUG", "0.20.0", []),
        ("VLLM_MY_PORT=8000", "0.20.0", []),  # not exported: the script's own
        ("export VLLM_MY_PORT=8000; echo $VLLM_MY_PORT", "0.20.0", []),  # the script reads it
        ("export VLLM_EXTRA_ARGS=--seed", "0.20.0", []),  # for a script around the server
        ("export VLLM_SERVICE_HOST=10.0.0.1 VLLM_PORT_8000_TCP_ADDR=10.0.0.1", "0.20.0", []),  # Kubernetes' own
        ("export VLLM_ASCEND_ENABLE_NZ=1", "0.20.0", []),  # of a plug-in
        ("export CUDA_VISIBLE_DEVICES=0 MY_VLLM_FLAG=1", "0.20.0", []),
    ],
)
def test_variables_of_a_script(check: Checker, line: str, release: str, expected: list[str]) -> None:
    assert check.names(f"{line}\nvllm serve Qwen/Qwen3-8B\n", *VARIABLES, release=release) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("vllm/vllm-openai:v0.20.0", ["env-removed", "env-unknown"]),
        ("vllm/vllm-openai:latest", ["env-removed", "env-unknown"]),
        ("rocm/vllm:rocm7_vllm_0.20.0", ["env-removed"]),
        ("example.com/me/vllm:1", []),
        ('"vllm/vllm-openai:${TAG}"', []),
    ],
)
def test_variables_of_a_container(check: Checker, image: str, expected: list[str]) -> None:
    text = compose(image, environment="{VLLM_USE_V1: '1', VLLM_NO_SUCH: '1'}")
    if "rocm" in image:
        text = text.replace("- --model=", "- vllm\n      - serve\n      - --model=")
    assert sorted(check.names(text, *VARIABLES, name="compose.yaml")) == expected


def test_a_variable_that_comes_later(check: Checker) -> None:
    text = "export VLLM_ENABLE_CUDA_COMPATIBILITY=1\nvllm serve Qwen/Qwen3-8B\n"
    [found] = check.findings(text, *VARIABLES, release="0.8.5")
    assert found.message == "VLLM_ENABLE_CUDA_COMPATIBILITY is read since vLLM 0.17.0; 0.8.5 runs here"
    assert check.names(text, *VARIABLES) == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("VLLM_LOGING_LEVEL", "did you mean VLLM_LOGGING_LEVEL?"),
        ("VLLM_MAX_NUM_SEQS", "vLLM takes it as a flag: --max-num-seqs"),
        ("VLLM_TEMPLATE_DIR", "delete it, or give it a name of your own"),
    ],
)
def test_what_to_do_about_an_unknown_variable(check: Checker, name: str, advice: str) -> None:
    [found] = check.findings(f"export {name}=1\nvllm serve Qwen/Qwen3-8B\n", *VARIABLES)
    assert found.help == advice
    assert (found.fix is not None) == advice.startswith("did you mean")


def test_variables_for_a_script_in_an_image(check: Checker) -> None:
    text = "FROM vllm/vllm-openai:v0.33.0\nENV VLLM_NO_SUCH=1\n"
    assert check.names(text, *VARIABLES, name="Dockerfile") == ["env-unknown"]
    assert check.names(text + 'ENTRYPOINT ["/start.sh"]\n', *VARIABLES, name="Dockerfile") == []


def test_no_value_of_a_variable_is_shown(check: Checker) -> None:
    text = "export VLLM_HF_TOKEN=hf_0123456789abcdefghij VLLM_SECRET_KEY=verysecret\nvllm serve Qwen/Qwen3-8B\n"
    said = " ".join(f"{item.message} {item.note} {item.help}" for item in check.findings(text, *VARIABLES))
    assert "VLLM_SECRET_KEY" in said
    assert "verysecret" not in said
    assert "hf_0123" not in said


def test_defaults_that_change(check: Checker) -> None:
    text = compose("vllm/vllm-openai:v0.19.1")
    [found] = check.findings(text, "default-changed", name="compose.yaml", release="0.20.0")
    assert "--gpu-memory-utilization 0.9 to 0.92" in found.note
    assert check.names(text, "default-changed", name="compose.yaml") == []
    assert check.names(text, "default-changed", name="compose.yaml", release="0.19.1") == []
    hidden = compose("vllm/vllm-openai:v0.19.1", '"${MORE}"')
    assert check.names(hidden, "default-changed", name="compose.yaml", release="0.20.0") == []
