"""How long a whole process takes: ``llmtune`` against an empty Typer app that parses the same command line.

    python benchmarks/startup_time.py [--runs 40] [--uncompiled]

Both are started in turns (A B A B ...) on the same interpreter, after a few unmeasured runs of each, so that noise of
the machine meets both alike; the figure is the median of the pairs' ratios. The empty app has the same commands,
options and Typer settings, and bodies that do nothing: what is above 1 is ours. Both run from bytecode, as a package
that pip installed does, whatever PYTHONDONTWRITEBYTECODE says; ``--uncompiled`` takes the environment as it is, and a
checkout without bytecode is then compiled anew in every run. Exits with 1 above 1.5.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

LIMIT = 1.5
WARM_UPS = 3
COMMANDS = (
    ("--help",),
    ("recommend", "Qwen/Qwen3-8B", "--gpu", "l4", "--scenario", "chat", "--format", "command"),
)
OURS = "from llmtune.cli import run; run()"
EMPTY = '''
from pathlib import Path
from typing import Annotated
import typer

app = typer.Typer(
    name="llmtune",
    help="Nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Text = Annotated[str | None, typer.Option(help="Text.")]
Count = Annotated[int | None, typer.Option(help="Count.")]


@app.command("recommend")
def recommend(
    model: Annotated[str, typer.Argument(help="Model.")],
    scenario: Annotated[str, typer.Option("--scenario", "-s", help="Scenario.")] = "chat",
    gpu: Annotated[str, typer.Option("--gpu", help="GPU.")] = "auto",
    gpus: Count = None,
    nodes: Annotated[int, typer.Option("--nodes", help="Nodes.")] = 1,
    instance: Text = None,
    gpu_memory: Text = None,
    free_memory: Text = None,
    compute_capability: Text = None,
    vllm_version: Text = None,
    max_model_len: Text = None,
    concurrency: Count = None,
    prompt_tokens: Text = None,
    output_tokens: Text = None,
    kv_cache_dtype: Text = None,
    quantization: Text = None,
    tensor_parallel_size: Count = None,
    pipeline_parallel_size: Count = None,
    data_parallel_size: Count = None,
    headroom: Annotated[float | None, typer.Option(help="Share.")] = None,
    pins: Annotated[list[str] | None, typer.Option("--set", help="Pin.")] = None,
    format_: Annotated[str, typer.Option("--format", "-f", help="Format.")] = "text",
    pretty: Annotated[bool, typer.Option("--pretty", help="Pretty.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Offline.")] = False,
    assume_architecture: Text = None,
    color: Annotated[str, typer.Option("--color", help="Colour.")] = "auto",
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0.")] = False,
) -> None:
    """Nothing."""


def nothing() -> None:
    """Nothing."""


for name in ("estimate", "detect", "list", "show"):
    app.command(name)(nothing)


@app.callback()
def options(version: bool = typer.Option(False, "--version", is_eager=True, help="Version.")) -> None:
    """Nothing."""


app()
'''


def main() -> None:
    """Measure both commands and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40, help="pairs of each command")
    parser.add_argument("--uncompiled", action="store_true", help="do not see to it that there is bytecode")
    chosen = parser.parse_args()
    print(f"{'command':48} {'llmtune':>10} {'empty app':>10} {'ratio':>6}   (medians of {chosen.runs} pairs)")
    worst = 0.0
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "empty_app.py").write_text(EMPTY, encoding="utf-8")
        for words in COMMANDS:
            environment = _environment(directory, compiled=not chosen.uncompiled)
            pairs = measure(words, environment, chosen.runs)
            ratio = median(ours / theirs for ours, theirs in pairs)
            worst = max(worst, ratio)
            times = [median(times) * 1000 for times in zip(*pairs, strict=True)]
            print(f"{'llmtune ' + ' '.join(words)[:40]:48} {times[0]:7.0f} ms {times[1]:7.0f} ms {ratio:6.2f}")
    sys.exit(1 if worst > LIMIT else 0)


def measure(words: tuple[str, ...], environment: dict[str, str], runs: int) -> list[tuple[float, float]]:
    """Seconds of both processes, pair by pair; who starts first alternates."""
    commands = ([sys.executable, "-c", OURS, *words], [sys.executable, "-c", "import empty_app", *words])
    pairs = []
    for number in range(WARM_UPS + runs):
        order = (0, 1) if number % 2 else (1, 0)
        seconds = {which: _seconds(commands[which], environment) for which in order}
        pairs.append((seconds[0], seconds[1]))
    return pairs[WARM_UPS:]


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command[:3])} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return time.perf_counter() - started


def _environment(directory: str, *, compiled: bool) -> dict[str, str]:
    """The environment as it is, with the empty app to be found, and with bytecode kept for both."""
    paths = [directory, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if compiled:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(Path(directory) / "bytecode")
    return environment


if __name__ == "__main__":
    main()
