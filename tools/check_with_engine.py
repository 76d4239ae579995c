"""Ask vLLM's own parser and config validation whether it accepts what ``recommend`` writes.

    python tools/check_with_engine.py ORACLE [--sample 200] [--seed 1] [--deep GIB]
    LLMTUNE_ENGINE_ORACLE=ORACLE python tools/check_with_engine.py

ORACLE is a directory with an unpacked vLLM 0.33.0 that runs without a GPU: ``check_command.py``, ``configs/`` and a
virtual environment ``venv/``. Recommendations for a sample of models, boards and scenarios are written as commands and
as YAML files in turns. A model's config.json is the one in ``configs/``, or else the facts of the catalogue. ``--deep``
also builds each model and plans its KV cache with that many GiB. Rejections that come from the stand-in machine (a
missing image processor, custom code, a catalogue config without rotary factors) are counted apart. Exits with 1 when
the engine rejects something.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import ConfigError
from llmtune.calc.search import recommend
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.advise import request
from llmtune.cli.judge import load_model
from llmtune.spec.hardware import Hardware
from llmtune.writers import command, vllm_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = "0.33.0"
BOARDS = {
    "t4": "t4",
    "l4": "l4",
    "l40s": "l40s",
    "rtx5090": "rtx-5090",
    "a100": "a100-sxm-80gb",
    "h100": "h100-sxm",
    "h200": "h200-sxm",
    "b200": "b200-sxm",
}
COUNTS = (1, 2, 4, 8)
STAND_IN = (
    "Can't load image processor",
    "Can't load feature extractor",
    "Can't load video processor",
    "Can't load tokenizer",
    "does not recognize this architecture",
    "contains custom code",
    "The text_config extracted from the model config",  # Mistral's own format, of which the catalogue has the facts
    "does not appear to have a file named configuration_",
    "are not supported for now",
    "has no attribute",
    "No module named",
    "Missing required keys in `rope_parameters`",  # the catalogue leaves out factors that move no limit
)


@dataclass(frozen=True, slots=True)
class Written:
    """One recommendation: where it is for, what it was asked with, its form, and the arguments for the engine."""

    board: str
    question: str
    form: str
    arguments: list[str]
    text: str


def main() -> None:
    """Sample, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("oracle", type=Path, nargs="?", default=os.environ.get("LLMTUNE_ENGINE_ORACLE"))
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deep", type=float, default=0.0, metavar="GIB")
    parser.add_argument("--model", default="", help="only models whose id holds this text")
    chosen = parser.parse_args()
    if chosen.oracle is None:
        parser.error("name the oracle's directory, or set LLMTUNE_ENGINE_ORACLE")
    oracle = Path(chosen.oracle).resolve()
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        written = list(write_sample(chosen.sample, chosen.seed, place, part=chosen.model))
        share_configs(oracle / "configs", place)
        answers = {
            board: ask(oracle, board, [one for one in written if one.board == board], place, deep=chosen.deep)
            for board in sorted({one.board for one in written})
        }
    results = [pair for board in answers for pair in answers[board]]
    sys.exit(1 if report(results) else 0)


def write_sample(count: int, seed: int, place: Path, *, part: str = "") -> Iterator[Written]:
    """Recommendations for random questions, every second one as a YAML file."""
    choice = random.Random(seed)  # noqa: S311 - a sample, no secret
    engine = engines.find(RELEASE)
    names = [name for name in models.names() if part.casefold() in name.casefold()]
    done = 0
    for _ in range(50 * count):
        name, board = choice.choice(names), choice.choice(list(BOARDS))
        scenario, number = choice.choice(scenarios.names()), choice.choice(COUNTS)
        try:
            model = load_model(name, offline=True)
        except ConfigError:
            continue
        hardware = Hardware(gpus.find(BOARDS[board]), number)
        answer = recommend(request(model, hardware, engine, scenarios.find(scenario), ()))
        if answer.deployment is None:
            continue
        question = f"{name} --gpu {BOARDS[board]} --gpus {number} --scenario {scenario}"
        if done % 2:
            path = place / f"{done}.yaml"
            path.write_text(vllm_yaml.write(answer.deployment, engine), encoding="utf-8")
            yield Written(board, question, "yaml", ["serve", "--config", str(path)], path.read_text(encoding="utf-8"))
        else:
            words = command.arguments(answer.deployment, engine)
            text = command.write(answer.deployment, engine)
            yield Written(board, question, "command", ["serve", *words], text)
        done += 1
        if done == count:
            return


def share_configs(configs: Path, place: Path) -> None:
    """The configs that the engine reads: the oracle's own, and the catalogue's facts where it has none."""
    for path in configs.glob("*.json"):
        (place / path.name).symlink_to(path)
    for name in models.names():
        path = place / f"{name.replace('/', '__')}.json"
        if path.exists():
            continue
        facts = models.find(name)
        path.write_text(json.dumps(facts.config), encoding="utf-8")
        if facts.quantization is not None:
            path.with_suffix(".hf_quant_config.json").write_text(json.dumps(facts.quantization), encoding="utf-8")


def ask(
    oracle: Path, board: str, written: list[Written], place: Path, *, deep: float
) -> list[tuple[Written, dict[str, Any]]]:
    """The engine's answers for one board, in one process of its own."""
    lines = "".join(json.dumps(one.arguments) + "\n" for one in written)
    words = ["check_command.py", "--stdin", "--gpu", board, "--ngpu", str(max(COUNTS)), "--models", str(place)]
    if deep:
        words += ["--deep", str(deep)]
    done = subprocess.run(
        [str(oracle / "venv/bin/python"), *words],
        cwd=oracle,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"accepted"')]
    if len(answers) != len(written):
        sys.exit(f"error: {len(answers)} answers to {len(written)} questions: {done.stderr[-1000:]}")
    print(f"{board}: {sum(answer['accepted'] for answer in answers)} of {len(answers)} accepted", flush=True)
    return list(zip(written, answers, strict=True))


def report(results: list[tuple[Written, dict[str, Any]]]) -> int:
    """Print what was rejected; return how much of it is ours."""
    kinds: Counter[tuple[str, str]] = Counter()
    ours = 0
    for one, answer in results:
        error = " ".join(str(answer.get("error", "")).split())
        stand_in = not answer["accepted"] and any(words in error for words in STAND_IN)
        kinds[one.form, "accepted" if answer["accepted"] else "stand-in" if stand_in else "rejected"] += 1
        if answer["accepted"] and answer["stage"] != "ok":
            kinds[one.form, "only parsed"] += 1
        if not answer["accepted"]:
            ours += not stand_in
            label = "stand-in's own" if stand_in else "REJECTED"
            print(f"{label}: {one.question} ({one.form}, {answer['stage']})\n    {error[:400]}")
            if not stand_in:
                print("    " + one.text.strip().replace("\n", "\n    "))
    for (form, outcome), count in sorted(kinds.items()):
        print(f"{form:8} {outcome:12} {count}")
    return ours


if __name__ == "__main__":
    main()
