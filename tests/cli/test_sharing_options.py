"""GPUs that others use too: the options, what contradicts what, and what is said."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.catalog import gpus
from llmtune.cli import main
from llmtune.cli.errors import UserError
from llmtune.cli.hardware import from_options
from llmtune.cli.sharing import read_share

if TYPE_CHECKING:
    from collections.abc import Callable

GIB, MIB = 2**30, 2**20
TOTAL = gpus.find("h100-sxm").total_memory
H100 = "NVIDIA H100 80GB HBM3"
MODEL = "Qwen/Qwen3-8B"
SERVE = f"-- vllm serve {MODEL} --max-model-len 8192"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """The JSON document of a command line, with its exit code."""

    def command(line: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["llmtune", *shlex.split(line)])
        with pytest.raises(SystemExit) as stop:
            main()
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        estimate: dict[str, Any] = document.get("estimate", document)
        return {"code": int(stop.value.code or 0), "estimate": estimate, **document}

    return command


SHARED = {
    "4GiB": 4 * GIB,
    "4GiB+512MiB": 4 * GIB + 512 * MIB,
    "1 GiB + 1 GiB": 2 * GIB,
    "300MiB": 300 * MIB,
}


@pytest.mark.parametrize(("text", "size"), SHARED.items())
def test_shared_with(text: str, size: int) -> None:
    hardware, notes = from_options(gpu="h100", shared_with=[text])
    assert (hardware.others, hardware.free_memory) == (size, TOTAL - size)
    assert notes[0].startswith(f"--shared-with: others take {size / GIB:.2f} GiB of each GPU, ")


def test_shared_with_may_be_repeated() -> None:
    assert from_options(gpu="h100", shared_with=["4GiB", "2GiB+1GiB"])[0].others == 7 * GIB


@pytest.mark.parametrize(("text", "share"), [("0.45", 0.45), (".5", 0.5), ("1/2", 0.5), ("1 / 3", 1 / 3), ("1", 1.0)])
def test_gpu_share(text: str, share: float) -> None:
    assert read_share(text) == share
    hardware, notes = from_options(gpu="h100", gpu_share=text)
    assert (hardware.gpu_share, hardware.free_memory) == (share, int(TOTAL * share))
    assert "its CUDA context counted" in notes[0]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"shared_with": ["0"]}, "--shared-with '0' is 0 bytes, outside of 1 MiB to 4 TiB"),
    ({"shared_with": ["-4GiB"]}, "--shared-with '-4GiB' is no size"),
    ({"shared_with": ["4GiB+"]}, "--shared-with '' is no size"),
    ({"shared_with": ["4"]}, "did you mean 4GiB?"),
    ({"shared_with": ["a lot"]}, "is no size"),
    ({"shared_with": ["40GiB", "40GiB"]}, "--shared-with 80.00 GiB leaves nothing: the GPU has 79.19 GiB"),
    ({"gpu_share": "0"}, "--gpu-share '0' lies outside of 0 to 1"),
    ({"gpu_share": "0/2"}, "--gpu-share '0/2' lies outside"),
    ({"gpu_share": "3/2"}, "--gpu-share '3/2' lies outside"),
    ({"gpu_share": "1.5"}, "--gpu-share '1.5' lies outside"),
    ({"gpu_share": "1/0"}, "--gpu-share '1/0' is no part of a GPU"),
    ({"gpu_share": "-0.5"}, "--gpu-share '-0.5' is no part of a GPU"),
    ({"gpu_share": "50%"}, "write 0.45 or 1/2"),
    ({"gpu_share": ""}, "is no part of a GPU"),
    ({"gpu_share": "nan"}, "is no part of a GPU"),
    ({"gpu_share": "1/2", "shared_with": ["4GiB"]}, "--shared-with and --gpu-share both say how much"),
    ({"free_memory": "60GiB", "shared_with": ["4GiB"]}, "--free-memory and --shared-with both say how much"),
    ({"free_memory": "60GiB", "gpu_share": "1/2"}, "--free-memory and --gpu-share both say how much"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        from_options(gpu="h100", **options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_options_stand_above_what_is_free_now(nvml: Any) -> None:
    nvml.add(H100, 81559, used=40 * 1024)
    seen, _ = from_options()
    assert seen.free_memory is not None
    hardware, notes = from_options(shared_with=["4GiB"])
    assert hardware.free_memory == TOTAL - 4 * GIB
    assert notes[-1].endswith("GiB are free now, which is less")
    assert from_options(gpu_share="1/4")[0].free_memory == TOTAL // 4
    assert "now, which" not in from_options(gpu_share="1/4")[1][-1]


def test_half_a_gpu(answer: Callable[..., dict[str, Any]]) -> None:
    found = answer(f"recommend {MODEL} --gpu h100 --gpu-share 1/2 --format json")
    assert found["code"] == 0
    assert found["settings"]["gpu-memory-utilization"]["value"] == 0.49
    assert "this server may use 39.6 of 79.2 GiB" in found["settings"]["gpu-memory-utilization"]["reason"]
    sizes = found["estimate"]["memory"]["per_gpu"]
    assert sizes["other_processes_bytes"] == TOTAL - TOTAL // 2
    assert sizes["unused_bytes"] >= 0
    again = answer(
        f"estimate --gpu h100 --gpu-share 1/2 --format json {SERVE} --gpu-memory-utilization 0.49 --max-num-seqs 32"
    )
    assert again["fits"]
    more = answer(f"estimate --gpu h100 --gpu-share 1/2 --format json {SERVE} --gpu-memory-utilization 0.5")
    assert (more["code"], more["failure"]) == (1, "free_memory")


def test_too_little_is_answered_with_what_is_needed(answer: Callable[..., dict[str, Any]]) -> None:
    for option, way in (("--gpu-share 0.15", "--gpu-share 0.23"), ("--shared-with 68GiB", "--shared-with ")):
        found = answer(f"recommend {MODEL} --gpu h100 {option} --format json")
        assert found["code"] == 1
        first = found["ways_out"][0]
        assert first["arguments"].startswith(way)
        assert "GiB free; 11." in first["change"]
        assert answer(f"recommend {MODEL} --gpu h100 {first['arguments']} --format json")["code"] == 0


def said(document: dict[str, Any]) -> str:
    return "\n".join(document["estimate"]["assumptions"])


def test_unified_memory_is_said(answer: Callable[..., dict[str, Any]]) -> None:
    found = answer(f"recommend {MODEL} --gpu gb10 --format json")
    assert "GPU and system share 121.7 GiB" in said(found)
    assert found["settings"]["gpu-memory-utilization"]["value"] == 0.83
    assert "drop_caches" not in said(found)
    old = "estimate --format json --free-memory 110GiB --vllm-version"
    assert "drop_caches" in said(answer(f"{old} 0.11.0 --gpu gb10 {SERVE}"))
    assert "drop_caches" not in said(answer(f"{old} 0.11.1 --gpu gb10 {SERVE}"))
    assert "file cache" in said(answer(f"estimate --format json --gpu gh200-96gb {SERVE}"))
    assert "file cache" not in said(answer(f"estimate --format json --gpu h100 {SERVE}"))


def test_a_desktop_is_a_word_where_it_changes_the_answer(answer: Callable[..., dict[str, Any]]) -> None:
    roomy = f"estimate --format json --gpu rtx-4090 {SERVE}"
    close = f"{roomy} --gpu-memory-utilization 0.93"
    assert "no screen is taken to hang on this GPU" in said(answer(close))
    assert "no screen" not in said(answer(f"{roomy} --gpu-memory-utilization 0.8"))
    assert "no screen" not in said(answer(close.replace("--gpu rtx", "--shared-with 300MiB --gpu rtx")))
    assert "no screen" not in said(answer(close.replace("rtx-4090", "rtx-6000-ada")))


def test_releases_that_charge_others_are_said(answer: Callable[..., dict[str, Any]]) -> None:
    assert "a server that starts after them" in said(
        answer(f"recommend {MODEL} --gpu h100 --gpu-share 1/2 --vllm-version 0.8.5 --format json")
    )
