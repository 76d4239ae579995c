"""How many files ``llmtune lint`` checks in a second, and whether its memory stays flat.

    python benchmarks/lint_speed.py [--files 10000]

Writes files of every kind, 2 to 200 lines, seeded, into a temporary folder, and lints the folder in a process of its
own, a tenth of it first, for the memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = (
    "Qwen/Qwen3-8B",
    "meta-llama/Llama-3.1-8B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "openai/gpt-oss-20b",
)
FLAGS = (
    ("--max-model-len", "8192"), ("--gpu-memory-utilization", "0.9"), ("--tensor-parallel-size", "2"),
    ("--max-num-seqs", "64"), ("--enforce-eager", ""), ("--trust-remote-code", ""), ("--host", "::"),
    ("--port", "8000"), ("--swap-space", "4"), ("--enable-prefix-caching", ""), ("--kv-cache-dtype", "fp8"),
    ("--config=vllm.yaml", ""), ("--max-num-sequences", "4"),
)  # fmt: skip
MEASURE = """
import resource, sys, time
sys.argv = ["llmtune", "lint", sys.argv[1], "--format", "json", "--output", sys.argv[2], "--exit-zero"]
from llmtune.cli import main
start = time.perf_counter()
try:
    main()
except SystemExit as stop:
    code = stop.code
used = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(time.perf_counter() - start, max(used), code)
"""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    files = parser.parse_args().files
    print(f"{'files':>7}  {'lines':>9}  {'findings':>8}  {'seconds':>7}  {'files/s':>7}  {'peak MiB of a process':>21}")
    for count in (files // 10, files):
        with tempfile.TemporaryDirectory() as folder:
            lines = write(Path(folder), count)
            measure(Path(folder), count, lines)


def write(folder: Path, count: int) -> int:
    """Write the files; return their lines."""
    source = random.Random(count)  # noqa: S311 - the same files every time
    lines = 0
    for number in range(count):
        name, text = KINDS[number % len(KINDS)](source)
        path = folder / f"{number % 100:02}" / f"{number}-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        lines += text.count("\n")
    return lines


def measure(folder: Path, count: int, lines: int) -> None:
    """Lint the folder and print a row."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        words = [sys.executable, "-c", MEASURE, str(folder), report.name]
        found = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
        summary = json.loads(Path(report.name).read_text(encoding="utf-8"))["summary"]
    seconds, peak, _ = found.stdout.split()
    findings = sum(summary["findings"].values())
    rate = count / float(seconds)
    print(f"{count:>7}  {lines:>9}  {findings:>8}  {float(seconds):>7.1f}  {rate:>7.0f}  {int(peak) / 1024:>21.0f}")


def _arguments(source: random.Random) -> list[str]:
    chosen = source.sample(FLAGS, source.randint(0, 6))
    return [word for flag, value in chosen for word in (flag, value) if word]


def _padding(source: random.Random, comment: str = "#") -> str:
    return "".join(f"{comment} line {number}\n" for number in range(source.choice((0, 0, 5, 20, 170))))


def _shell(source: random.Random) -> tuple[str, str]:
    body = " \\\n  ".join([f"vllm serve {source.choice(MODELS)}", *_arguments(source)])
    return "run.sh", f"#!/bin/bash\nset -e\n{_padding(source)}export HF_HOME=/data\n{body}\n"


def _config(source: random.Random) -> tuple[str, str]:
    text = f"model: {source.choice(MODELS)}\nmax-model-len: 8192\nport: {source.randint(8000, 9000)}\n"
    return "vllm.yaml", _padding(source) + text


def _compose(source: random.Random) -> tuple[str, str]:
    items = "".join(f"      - {json.dumps(word)}\n" for word in ["--model", source.choice(MODELS), *_arguments(source)])
    text = f"services:\n  vllm:\n    image: vllm/vllm-openai:v0.19.0\n    ipc: host\n    command:\n{items}"
    return "compose.yaml", _padding(source) + text


def _kubernetes(source: random.Random) -> tuple[str, str]:
    items = "".join(f"        - {json.dumps(word)}\n" for word in [source.choice(MODELS), *_arguments(source)])
    head = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n"
    )
    image = "        image: vllm/vllm-openai:latest\n        command: [vllm, serve]\n"
    text = f"{head}      - name: a\n{image}        args:\n{items}"
    return "deployment.yaml", _padding(source) + text


def _dockerfile(source: random.Random) -> tuple[str, str]:
    words = json.dumps(["--model", source.choice(MODELS), *_arguments(source)])
    return "Dockerfile", f"FROM vllm/vllm-openai:v0.17.1\n{_padding(source)}CMD {words}\n"


def _unit(source: random.Random) -> tuple[str, str]:
    command = " ".join([f"/opt/venv/bin/vllm serve {source.choice(MODELS)}", *_arguments(source)])
    return "vllm.service", f"[Unit]\nDescription=a\n{_padding(source)}[Service]\nExecStart={command}\n"


def _other(source: random.Random) -> tuple[str, str]:
    return "values.yaml", "".join(f"key{number}: [{source.random()}]\n" for number in range(source.randint(2, 200)))


KINDS = (_shell, _config, _compose, _kubernetes, _dockerfile, _unit, _other)


if __name__ == "__main__":
    main()
