"""Numbers in every form that people write, and numbers that no machine has."""

from __future__ import annotations

import pytest

from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers.numbers import counted, whole


@pytest.mark.parametrize(
    "text", ["9" * 400 + ".0", "1e99", "9" * 5000 + "k", "0x" + "f" * 5000, "9" * 400, "inf", "nan"]
)
def test_whole_gives_digits_or_nothing(text: str) -> None:
    found = whole(text)
    assert found is None or found.isdecimal()


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("8000", 8000), ("9" * 18, 10**18 - 1)])
def test_counted(text: str, number: int) -> None:
    assert counted(text) == number


@pytest.mark.parametrize("text", ["", "-1", "\u00b2", "8k", "1_000", "9" * 19, "9" * 5000])
def test_not_counted(text: str) -> None:
    assert counted(text) is None


@pytest.mark.parametrize("option", ["--gpus", "--stop-timeout", "--cpus", "--memory", "--health-retries"])
def test_docker_takes_numbers_of_any_length(option: str) -> None:
    text = f"docker run {option} {'9' * 5000} --health-cmd true vllm/vllm-openai:v0.11.0 --model m\n"
    checked = lint_text(text, "a.sh", LintOptions())
    assert checked is not None
    assert checked.servers


def test_a_number_beyond_64_bits_is_refused() -> None:
    checked = lint_text(f"vllm serve m --max-num-seqs {'9' * 30}\n", "a.sh", LintOptions())
    assert checked is not None
    assert "invalid-number" in {finding.rule for finding in checked.findings}


def test_sub_keys_within_sub_keys_have_an_end() -> None:
    checked = lint_text(f"vllm serve m --hf-overrides{'.a' * 20_000} 1\n", "a.sh", LintOptions())
    assert checked is not None
    assert "invalid-json-argument" in {finding.rule for finding in checked.findings}
