"""``llmtune compare``: GPUs side by side, prices, order, and bad input."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from llmtune import cli

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "compare Qwen/Qwen3-8B"


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Ended]:
    def command(line: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["llmtune", *shlex.split(line)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Ended(int(stop.value.code or 0), captured.out, captured.err)

    return command


def test_offers_have_what_they_need_reach_and_cost(run: Callable[[str], Ended]) -> None:
    document = run(f"{MODEL} --gpus-from l4,h100 --price l4=0.7,h100=$2.5 --format json").document
    assert document["schema"] == "llmtune/gpu-comparison/1"
    assert document["sorted_by"] == "cost"
    offers = {one["gpu"]: one for one in document["offers"]}
    assert set(offers) == {"l4", "h100-sxm"}
    for one in offers.values():
        rate = one["performance"]["output_tokens_per_s"]
        assert one["output_tokens_per_s_per_gpu"] == pytest.approx(rate / one["gpus"])
        assert one["usd_per_hour"] == pytest.approx(one["price"]["usd_per_gpu_hour"] * one["gpus"])
        assert one["usd_per_million_output_tokens"] == pytest.approx(one["usd_per_hour"] / rate / 3600 * 1e6)
        assert one["settings"]["max-model-len"] > 0
    assert offers["h100-sxm"]["price"] == {"usd_per_gpu_hour": 2.5, "who": "--price", "date": "", "source": ""}


def test_what_meets_the_targets_comes_first_then_the_cheaper(run: Callable[[str], Ended]) -> None:
    offers = run(f"{MODEL} --format json").document["offers"]
    keys = [
        (not one["fits"], not one["meets_targets"], one["usd_per_million_output_tokens"] or float("inf"))
        for one in offers
    ]
    assert keys == sorted(keys)


def test_without_any_price_tokens_of_one_gpu_decide(run: Callable[[str], Ended]) -> None:
    document = run(f"{MODEL} --gpus-from l4,mi325x --format json").document
    assert document["sorted_by"] == "tokens per GPU"
    assert {one["price"] for one in document["offers"]} == {None}
    rates = [one["output_tokens_per_s_per_gpu"] for one in document["offers"] if one["meets_targets"]]
    assert rates == sorted(rates, reverse=True)
    text = run(f"{MODEL} --gpus-from l4,mi325x").out
    assert "no public price with a source for" in text


def test_list_prices_are_dated(run: Callable[[str], Ended]) -> None:
    text = " ".join(run(f"{MODEL} --gpus-from h100").out.split())
    assert "list prices on demand: RunPod Secure Cloud (2026-" in text


def test_more_gpus_are_taken_where_one_is_too_small(run: Callable[[str], Ended]) -> None:
    document = run("compare meta-llama/Llama-3.3-70B-Instruct --gpus-from h100,l4 --max-gpus 2 --format json").document
    offers = {one["gpu"]: one for one in document["offers"]}
    assert offers["h100-sxm"]["gpus"] == 2
    assert offers["l4"]["fits"] is False
    assert offers["l4"]["why_not"]
    assert offers["l4"]["performance"] is None


def test_nothing_that_fits_is_exit_1(run: Callable[[str], Ended]) -> None:
    line = "compare deepseek-ai/DeepSeek-R1 --gpus-from l4"
    ended = run(line)
    assert ended.code == 1
    assert "Does not fit" in ended.out
    assert run(f"{line} --exit-zero").code == 0


def test_the_chart_keeps_to_the_width(run: Callable[[str], Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    chart = run(f"{MODEL} --gpus-from h100,a100,l40s").out.partition("output tokens\n")[2].partition("\n\n")[0]
    lines = chart.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b" not in chart


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ("--gpus-from ''", "separated by commas"),
        ("--gpus-from l4,,h100", "separated by commas"),
        ("--gpus-from h10", "unknown GPU 'h10'"),
        ("--price h100", "takes GPU=USD an hour"),
        ("--price h100=-1", "takes GPU=USD an hour"),
        ("--price nope=1", "unknown GPU 'nope'"),
        ("--price h100=0", "above 0"),
        ("--price h100=1,h100-sxm=2", "names h100-sxm twice"),
        ("--max-gpus 3", "must be one of 1, 2, 4, 8"),
        ("--format csv", "must be one of text, json"),
        ("--rate x", "is no rate"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(options: str, fragment: str, run: Callable[[str], Ended]) -> None:
    ended = run(f"{MODEL} {options}")
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert fragment in ended.err


def test_what_does_not_fit_says_what_was_tried_and_why_in_plain_words(run: Callable[[str], Ended]) -> None:
    line = "compare deepseek-ai/DeepSeek-R1 --gpus-from l4"
    text = " ".join(run(line).out.split())
    assert "l4: not on 1, 2, 4 or 8 GPUs: the weights do not fit" in text
    assert "torch" not in text
    (offer,) = run(f"{line} --format json").document["offers"]
    assert offer["tried"] == [1, 2, 4, 8]
    assert "OutOfMemoryError" in offer["why_not"]
    assert "not on 1 GPU:" in run(f"{line} --max-gpus 1").out


def test_a_gpu_that_cannot_keep_up_with_a_rate_misses_it(run: Callable[[str], Ended]) -> None:
    document = run(f"{MODEL} --gpus-from l4,h100 --max-gpus 1 --rate 6/s --format json").document
    offers = {one["gpu"]: one for one in document["offers"]}
    assert "rate" in offers["l4"]["missed"]
    assert offers["l4"]["arrivals"]["keeps_up"] is False
    assert offers["h100-sxm"]["arrivals"]["keeps_up"] is True
    reached = offers["h100-sxm"]["arrivals"]["output_tokens_per_s"]
    assert offers["h100-sxm"]["output_tokens_per_s_per_gpu"] == pytest.approx(reached)


def test_a_model_that_embeds_is_refused(run: Callable[[str], Ended]) -> None:
    ended = run("compare BAAI/bge-m3 --no-hub")
    assert (ended.code, ended.out) == (2, "")
    assert "generates no text" in ended.err


@pytest.mark.parametrize("width", [40, 50, 60])
def test_long_names_keep_to_narrow_paper(
    width: int, run: Callable[[str], Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = run(f"{MODEL} --gpus-from h100,l4,rtx-pro-6000-blackwell-workstation").out
    assert max(map(len, out.splitlines())) <= width
    assert "no price" in out
