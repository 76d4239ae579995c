"""What ``estimate`` says against what vLLM 0.33.0's own planning code says, row by row.

    python benchmarks/engine_truth.py [--set main] [--model PART] [--all]

A row is one deployment: model, GPU, parallel sizes, KV dtype, bytes for the KV cache, and what the engine made of it on
a machine without a GPU. Each goes the way of a user's command (settings, model, resolved settings, memory plan, JSON
document), and the document is compared: KV groups, page bytes, block size, bytes per block, blocks, tokens and
concurrency must be equal; weights count as close within 0.2 % and as near within 1 %; a refusal must be a refusal.
Rows with online quantisation are listed apart: the engine's bytes there are those before quantising, ours those after.
Weights leave out tables that the engine keeps in host memory (DeepSeek-V4.1, unless ``engram_config`` says otherwise).
``kind`` says how far a config is from its publisher; "strict" rows are as shipped or copied by a project.
Rows of Llama-4-Scout that were made before its config was mended (they lack 0.4 % of the published parameters) have no
weights to score.
Exits with 1 when a KV plan or a refusal differs, or weights are off in more than 2 % of the rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantize import quantize_online
from llmtune.calc.errors import Refused
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.catalog import UnknownName, engines, gpus, models
from llmtune.reports.json import describe
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware
from llmtune.spec.recommendation import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from llmtune.spec.model import Model

DATA = Path(__file__).parent / "data"
RELEASE = "0.33.0"
BOARDS = 8  # GPUs of the machine that the engine was shown
CLOSE, NEAR = 0.002, 0.01  # shares of the engine's weight bytes
MOST_CLOSE = 0.98  # share of the rows that must be close
STRICT = frozenset({"shipped", "copied-by-a-project"})
ROOM = 1000  # times the GPU's memory, to see a refusal that lies behind a lack of memory
MEMORY = frozenset({"weights", "activations", "sampler", "free_memory", "cuda_graphs"})
PLAN = {
    "bytes_per_block": "bytes_per_block",
    "num_blocks": "num_blocks",
    "tokens": "tokens",
    "concurrency": "max_concurrency",
    "block_size": "block_size",
}
RESOLVED = {"max_model_len": "max-model-len", "seqs": "max-num-seqs", "tokens_in_batch": "max-num-batched-tokens"}
GROUP = ("engine_type", "layers", "page_bytes", "block_size", "blocks_per_request")
WRAPPED = re.compile(r"^(?:\w+Error:\s*)+")


@dataclass(frozen=True, slots=True)
class Result:
    """One row compared. ``kv`` and ``refusal`` hold what differs, ``off`` the worst share of the weights by rank."""

    row: dict[str, Any]
    kv: str | None = None
    off: float | None = None
    refusal: str | None = None
    words: bool = True  # a refusal in the engine's words
    online: str = ""

    @property
    def refused(self) -> bool:
        """Whether the engine refuses the row."""
        return "error" in self.row


def load_rows(name: str | None = None, part: str = "") -> list[dict[str, Any]]:
    """The rows of one set or of all, of the models whose id holds a text."""
    lines = gzip.decompress((DATA / "engine_truth.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if name in {None, row["set"]} and part.casefold() in row["model"].casefold()]


def compare(row: dict[str, Any]) -> Result:
    """Estimate one row and compare."""
    try:
        model = load_model(row["model"])
    except (ConfigError, UnknownName) as error:
        unread = f"not read: {str(error).partition(',')[0]}"
        return Result(row, refusal=unread) if "error" in row else Result(row, kv=unread)
    said = estimate(row, model)
    if "error" in row:
        if said["failure"] in MEMORY:
            batch = {flag: said["settings"][flag]["value"] for flag in ("max-num-seqs", "max-num-batched-tokens")}
            said = estimate(row, model, room=ROOM, pinned=batch)
        return _compare_refusal(row, said)
    result = Result(row, kv=_compare_plan(row, said))
    rank = str(said["memory"]["rank"])
    if rank not in row["weights"] or said["kv_cache"] is None:
        return result
    real, ours = row["weights"][rank], said["memory"]["per_gpu"]["weights_bytes"]
    if "quantization" in row["args"]:
        return replace(result, online=f"{real / 2**30:.2f} GiB before, {ours / 2**30:.2f} GiB after quantising")
    return replace(result, off=(ours - real) / real)


def estimate(
    row: dict[str, Any], model: Model, *, room: int = 1, pinned: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The document that ``estimate --format json`` prints for a row.

    ``room`` multiplies the GPU's memory; ``pinned`` keeps defaults that would follow it.
    """
    engine = engines.find(RELEASE)
    gpu = gpus.find(row["gpu"])
    hardware = Hardware(replace(gpu, total_memory=gpu.total_memory * room), max(BOARDS, row["tp"] * row["pp"]))
    deployment = Deployment(
        row["model"], (*_settings(row), *(Setting(*pin) for pin in (pinned or {}).items())), {}, RELEASE, hardware
    )
    method = row["args"].get("quantization")
    if method and model.quantization is None:
        model = _online(model, method)
    resolved = resolve(deployment, model, hardware, engine)
    memory = estimate_memory(deployment, model, resolved, hardware, engine)
    return describe(Estimate(model, engine, hardware, deployment, resolved, memory))


def _settings(row: dict[str, Any]) -> Iterable[Setting]:
    yield Setting("tensor-parallel-size", row["tp"])
    yield Setting("pipeline-parallel-size", row["pp"])
    yield Setting("kv-cache-dtype", row["kv_dtype"])
    yield Setting("kv-cache-memory-bytes", row["kv_bytes"])
    if row["length"]:
        yield Setting("max-model-len", row["length"])
    for name, value in row["args"].items():
        yield Setting(name.replace("_", "-"), value)


def _online(model: Model, method: str) -> Model:
    try:
        return quantize_online(model, method)
    except Refused:
        return model


@lru_cache(maxsize=1)
def _own_configs() -> dict[str, Any]:
    own: dict[str, Any] = json.loads((DATA / "engine_truth_configs.json").read_text(encoding="utf-8"))
    return own


@lru_cache(maxsize=256)
def load_model(name: str) -> Model:
    """The model of the rows: as the catalogue has it, or the config kept beside the rows."""
    own = _own_configs().get(name)
    if own is not None:
        return read_model(own["config"], own.get("quantization"), model_id=name, source=own["source"])
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=name, source=facts.source)


def _compare_plan(row: dict[str, Any], said: dict[str, Any]) -> str | None:
    """What of the KV plan differs."""
    plan = said["kv_cache"]
    if plan is None:
        return f"refused: {said['engine_message']}"
    groups = [[group[key] for key in GROUP] for group in plan["groups"]]
    different = [f"groups {groups} for {row['groups']}"] if groups != row["groups"] else []
    different += [
        f"{theirs} {plan[ours]} for {row[theirs]}" for theirs, ours in PLAN.items() if plan[ours] != row[theirs]
    ]
    settings = said["settings"]
    different += [
        f"{flag} {settings[flag]['value']} for {row[name]}"
        for name, flag in RESOLVED.items()
        if settings[flag]["value"] != row[name]
    ]
    return "; ".join(different) or None


def _compare_refusal(row: dict[str, Any], said: dict[str, Any]) -> Result:
    failure = said["failure"]
    if failure is None or failure in MEMORY:
        return Result(row, refusal=f"not refused, the engine says: {row['error']}")
    if (failure == "kv_cache") != (row["stage"] == "kv_config"):
        return Result(row, refusal=f"refused as {failure}: {said['engine_message']}; the engine says: {row['error']}")
    ours, theirs = (WRAPPED.sub("", text).strip() for text in (said["engine_message"], row["error"]))
    return Result(row, words=ours.startswith(theirs) if theirs else True)


def main() -> None:
    """Print the table and what disagrees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", help="only this set: main, further or stages")
    parser.add_argument("--model", default="", help="only models whose id holds this text")
    parser.add_argument("--all", action="store_true", help="list every row that disagrees, not three of a model")
    chosen = parser.parse_args()
    results = [compare(row) for row in load_rows(chosen.set, chosen.model)]
    print(
        f"{'set':24} {'rows':>5} {'KV equal':>12} {'weights <0.2%':>14} {'<1%':>12} {'refusals':>10} {'same words':>10}"
    )
    for name in ("main", "further", "stages"):
        of_set = [result for result in results if result.row["set"] == name]
        if of_set:
            print(summarise(name, of_set))
            strict = [result for result in of_set if result.row["kind"] in STRICT]
            if strict:
                print(summarise(f"{name}, strict", strict))
    _disagreements(results, most=len(results) if chosen.all else 3)
    sys.exit(0 if passes(results) else 1)


def summarise(name: str, results: Sequence[Result]) -> str:
    """One line of the table."""
    planned = [result for result in results if not result.refused]
    weighed = [abs(result.off) for result in planned if result.off is not None]
    refused = [result for result in results if result.refused]
    cells = (
        f"{len(results):5}",
        f"{_share(sum(result.kv is None for result in planned), len(planned)):>12}",
        f"{_share(sum(off <= CLOSE for off in weighed), len(weighed)):>14}",
        f"{_share(sum(off <= NEAR for off in weighed), len(weighed)):>12}",
        f"{_share(sum(result.refusal is None for result in refused), len(refused)):>10}",
        f"{_share(sum(result.refusal is None and result.words for result in refused), len(refused)):>10}",
    )
    return f"{name:24} " + " ".join(cells)


def passes(results: Sequence[Result]) -> bool:
    """Whether every KV plan and refusal agrees and enough weights are close."""
    weighed = [abs(result.off) for result in results if result.off is not None]
    close = sum(off <= CLOSE for off in weighed) >= MOST_CLOSE * len(weighed)
    return close and all(off <= NEAR for off in weighed) and not any(result.kv or result.refusal for result in results)


def _share(count: int, of: int) -> str:
    return f"{count}/{of}"


def _disagreements(results: Sequence[Result], *, most: int) -> None:
    shown: dict[str, int] = {}
    for result in results:
        line = _line(result)
        model = result.row["model"]
        if line is None:
            continue
        shown[model] = shown.get(model, 0) + 1
        if shown[model] <= most:
            print(line)
    hidden = sum(max(0, count - most) for count in shown.values())
    print(f"{len(shown)} models with a disagreement" + (f"; {hidden} more lines with --all" if hidden else ""))
    for result in results:
        if result.online:
            print(f"online, not scored: {_label(result.row)}: {result.online}")


def _line(result: Result) -> str | None:
    parts = [result.kv or "", result.refusal or ""]
    if result.off is not None and abs(result.off) > CLOSE:
        parts.append(f"weights off by {result.off:+.2%}")
    text = "; ".join(part for part in parts if part)
    return f"{_label(result.row)}: {text[:400]}" if text else None


def _label(row: dict[str, Any]) -> str:
    extra = "".join(f" {key}={value}" for key, value in row["args"].items())
    return (
        f"{row['model']} {row['gpu']} TP{row['tp']} PP{row['pp']} {row['kv_dtype']}{extra} [{row['kind'] or 'no kind'}]"
    )


if __name__ == "__main__":
    main()
