"""``llmtune explain``: pages that fit the terminal, documents, and one line for words that nobody knows."""

from __future__ import annotations

import gc
import json
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from llmtune import cli
from llmtune.catalog import explanations

if TYPE_CHECKING:
    from collections.abc import Callable


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs ``llmtune explain WORDS`` at a width."""
    monkeypatch.setattr(gc, "disable", lambda: None)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def command(*words: str, width: int = 80) -> Ended:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setattr(sys, "argv", ["llmtune", "explain", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        caught = capsys.readouterr()
        return Ended(int(stop.value.code or 0), caught.out, caught.err)

    return command


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize(
    "word", ["max-num-batched-tokens", "quantization", "temperature", "seed", "swap-space", "stop"]
)
def test_pages_keep_to_the_width(run: Callable[..., Ended], word: str, width: int) -> None:
    code, out, err = run(word, width=width)
    assert (code, err) == (0, "")
    breakable = [line for line in out.splitlines() if len(line.split()) > 1 and "::" not in line]
    assert max(map(len, breakable)) <= width
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_a_wide_page_is_shorter(run: Callable[..., Ended]) -> None:
    assert run("temperature", width=160).out.count("\n") < run("temperature", width=80).out.count("\n")


def test_headings_are_bold_on_a_terminal_that_wants_it(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in run("max-num-seqs").out
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1mAdvice\x1b[0m" in run("max-num-seqs").out


def test_a_setting_says_what_it_does_and_how_it_changed(run: Callable[..., Ended]) -> None:
    out = run("gpu_memory_utilization").out
    assert out.startswith("--gpu-memory-utilization · vLLM 0.33.0\n")
    for heading in ("More", "Less", "Advice", "Over the releases", "Related", "Source"):
        assert f"\n{heading}\n" in out
    assert "0.20.0  default changed from 0.9 to 0.92" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-tp",), "-tp is another name of --tensor-parallel-size."),
        (("-dph",), "-dph is another name of --data-parallel-hybrid-lb."),
        (("--", "-tp"), "-tp is another name of --tensor-parallel-size."),
        (("--no-enable-prefix-caching",), "is the opposite of --enable-prefix-caching."),
        (("--disable-prefix-caching",), "is the opposite of --enable-prefix-caching."),
        (("--compilation-config.mode",), "is a key of --compilation-config."),
        (("--task",), "it was removed in 0.13.0."),
        (("disable-log-requests",), "as the opposite of --enable-log-requests."),
        (("watermark", "--vllm-version", "0.11.0"), "it came with 0.24.0."),
        (("--vllm-version", "0.11", "--max-num-seqs"), "--max-num-seqs · vLLM 0.11"),
        (("max_completion_tokens",), "max_completion_tokens is another name of it."),
        (("seed",), "llmtune explain --seed."),
        (("top_p",), "->  9. top_p"),
        (("frequency_penalty",), "z(i) = z(i) - f x (times i stands in the answer)"),
        (("max_tokens",), "gets max_new_tokens of --override-generation-config, else"),
        (("temperature",), "--override-generation-config '{\"temperature\": 0.7}', else"),
    ],
)
def test_pages_say(run: Callable[..., Ended], words: tuple[str, ...], said: str) -> None:
    code, out, _ = run(*words, width=160)
    assert code == 0
    assert said in out


def test_a_parameter_shows_the_values_of_the_scenarios(run: Callable[..., Ended]) -> None:
    out = run("temperature").out
    assert "In the scenarios" in out
    assert "code           0.2: code has few right continuations" in out


def test_every_setting_and_parameter_has_a_page_and_a_document() -> None:
    from llmtune.reports import explanation as report
    from llmtune.reports.text import Paper

    for name in explanations.texts("settings"):
        page = explanations.setting(f"--{name}", "latest")
        assert page is not None
        assert report.setting_text(page, Paper(80)).startswith(f"--{name} · vLLM")
        assert json.loads(report.setting_json(page))["setting"] == name
    for name in explanations.texts("sampling")["parameters"]:
        parameter = explanations.sampling(name)
        assert parameter is not None
        assert report.sampling_text(parameter, Paper(80, unicode=False)).startswith(f"{name} | sampling parameter")
        assert json.loads(report.sampling_json(parameter))["parameter"] == name


def test_a_setting_as_a_document(run: Callable[..., Ended]) -> None:
    document = json.loads(run("--gpu-memory-utilization", "--format", "json").out)
    assert document["schema"] == "llmtune/explain-setting/1"
    assert document["default"] == 0.92
    assert document["changes"] == [{"release": "0.20.0", "what": "default", "before": 0.9, "after": 0.92}]
    assert (document["since"], document["since_or_earlier"], document["removed"]) == ("0.6.0", True, None)


def test_a_parameter_as_a_document(run: Callable[..., Ended]) -> None:
    document = json.loads(run("temperature", "-f", "json").out)
    assert document["schema"] == "llmtune/explain-sampling/1"
    assert document["scenarios"]["chat"]["value"] == 0.7
    assert document["generation_config_key"] == "temperature"


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("max-num-bached-tokens", "Did you mean 'max-num-batched-tokens', "),
        ("--gpu-memory", "Did you mean 'gpu-memory-utilization'? See: llmtune explain --help"),
        ("temprature", "Did you mean 'temperature' or "),
        ("VLLM_USE_V1", "rule. See: llmtune explain --help"),
        ("", "rule. See: llmtune explain --help"),
        ("--apikey=sk-secret", "'--apikey' is no setting"),
    ],
)
def test_unknown_words_are_one_line_with_suggestions(run: Callable[..., Ended], word: str, suggestion: str) -> None:
    code, out, err = run(word)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("error: '")
    assert suggestion in err
    assert "sk-secret" not in err


@pytest.mark.parametrize(
    "words", [(), ("max-num-seqs", "--format", "yaml"), ("max-num-seqs", "--vllm-version", "9.9"), ("a", "b")]
)
def test_wrong_command_lines_are_one_line(run: Callable[..., Ended], words: tuple[str, ...]) -> None:
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_help_is_still_help(run: Callable[..., Ended]) -> None:
    assert run("-h").out == run("--help").out
    assert "WORD" in run("--help").out


def test_rules_are_asked_last(run: Callable[..., Ended]) -> None:
    page = run("config-equals-ignored").out
    assert page.startswith("config-equals-ignored\n")
    document = json.loads(run("config-equals-ignored", "-f", "json").out)
    assert document == {"schema": "llmtune/explain-rule/1", "rule": "config-equals-ignored", "text": page}
    assert run("no-such-rule").code == 2
    assert run("max-num-seqs").out.startswith("--max-num-seqs")
    assert "config-equals-ignored" in run("config-equals-ignord").err
