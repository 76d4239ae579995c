"""Reduce rows of the engine's own planning code to what ``benchmarks/engine_truth.py`` compares.

    python tools/make_engine_truth.py ROWS.jsonl --further DIR --stages DIR --configs DIR --sources FILE

A row comes from vLLM run over a config.json on a machine without a GPU: what it was asked, and the weights, KV groups,
blocks and tokens that it answered, or its refusal. ``--further`` and ``--stages`` hold rows of the same kind as one
file a model (other models; pipeline stages) and become sets of their own. A refusal that comes from the stand-in
machine (custom code, a missing image processor, a model type that its libraries do not know) is no answer and is left
out. A model keeps its catalogue id where the catalogue's config describes the same model; otherwise its own reduced
config is written beside the rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from add_model import reduce_config, reduce_quantization

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.catalog import models

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmtune.spec.model import Model

DATA = Path(__file__).resolve().parent.parent / "benchmarks" / "data"
GIB = 2**30
LENGTH = 32768  # what every row was asked for, unless its label says the model's own length
NATIVE = "native-max-len-60GiB"
ERROR = 120  # characters of a refusal
OLDER_CONFIG = {  # rows made before a config was mended: 108,225,039,360 parameters, 108,641,793,536 are published
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": (216450078720, 27065668736),
}
WRAPPED = re.compile(r"ValidationError: 1 validation error for \w+\s+Value error, |\s*\[type=value_error.*", re.DOTALL)
STAND_IN = (
    "Can't load image processor",
    "does not recognize this architecture",
    "contains custom code",
    "are not supported for now",
    "has no attribute",
)


def main() -> None:
    """Write the rows and the configs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--further", type=Path, required=True)
    parser.add_argument("--stages", type=Path, required=True)
    parser.add_argument("--configs", type=Path, required=True)
    parser.add_argument("--sources", type=Path, required=True)
    chosen = parser.parse_args()
    sets = {"main": [chosen.rows], "further": _files(chosen.further), "stages": _files(chosen.stages)}
    rows = []
    for name, files in sets.items():
        found = list(_rows(files))
        kept = [_reduce(name, row, chosen.configs) for row in found if not _is_stand_in(row)]
        print(f"{name}: {len(kept)} rows, {len(found) - len(kept)} refusals of the stand-in left out")
        rows += kept
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (DATA / "engine_truth.jsonl.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    configs = _own_configs(sorted({row["model"] for row in rows}), chosen.configs, _sources(chosen.sources))
    (DATA / "engine_truth_configs.json").write_text(json.dumps(configs, indent=1) + "\n", encoding="utf-8")
    print(f"{len(configs)} configs that the catalogue does not hold so: {', '.join(configs)}")


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.jsonl"))


def _rows(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _is_stand_in(row: dict[str, Any]) -> bool:
    return any(words in row.get("error", "") for words in STAND_IN)


def _reduce(name: str, row: dict[str, Any], configs: Path) -> dict[str, Any]:
    """One row in our form."""
    reduced = {
        "set": name,
        "model": row["model"],
        "kind": row.get("config_kind"),
        "gpu": row["gpu"],
        "tp": row["tp"],
        "pp": row["pp"],
        "kv_dtype": row["kv_dtype"],
        "kv_bytes": int(row["kv_gib"] * GIB),
        "length": _asked(row, configs),
        "args": row.get("engine_args") or {},
        "label": row.get("label"),
        "weights": _weights(row),
    }
    if not row["ok"]:
        return reduced | {"stage": row["stage"], "error": WRAPPED.sub("", row["error"])[:ERROR]}
    return reduced | {
        "max_model_len": row["max_model_len"],
        "seqs": row["max_num_seqs"],
        "tokens_in_batch": row["max_num_batched_tokens"],
        "groups": [[group[key] for key in GROUP] for group in row["groups"]],
        "bytes_per_block": row["bytes_per_block"],
        "num_blocks": row["num_blocks"],
        "tokens": row["kv_tokens"],
        "concurrency": row["max_concurrency"],
        "block_size": row["block_size"],
    }


def _asked(row: dict[str, Any], configs: Path) -> int | None:
    """The length that was asked for; None for the model's own, which was taken where the model holds less."""
    if row.get("label") == NATIVE:
        return None
    if "max_model_len" in row:
        return LENGTH if row["max_model_len"] == LENGTH else None
    model = _described(*_config(row["model"], configs))
    return LENGTH if model is None or model.max_context >= LENGTH else None


GROUP = ("type", "n_layers", "page_bytes", "block_size", "max_blocks_per_request")


def _weights(row: dict[str, Any]) -> dict[str, int]:
    """Weight bytes by rank: the first rank of every pipeline stage."""
    if "weight_bytes_by_rank" in row:
        found = dict(row["weight_bytes_by_rank"])
        return {} if found.get("0") in OLDER_CONFIG.get(row["model"], ()) else found
    return {str(one["rank"]): one["bytes"] for one in row.get("weights", ())}


def _sources(path: Path) -> dict[str, str]:
    """Where each config file comes from, by file name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("\t") for line in lines if "\t" in line)
    return {name: source for name, _, source in pairs}


def _own_configs(names: Iterable[str], directory: Path, sources: dict[str, str]) -> dict[str, Any]:
    """The configs of the models that the catalogue describes otherwise, or not at all."""
    own: dict[str, Any] = {}
    for name in names:
        config, quantization = _config(name, directory)
        real = _described(config, quantization)
        if name in models.names():
            facts = models.find(name)
            if real is None or real == _described(facts.config, facts.quantization):
                continue
        reduced: dict[str, Any] = {
            "source": sources.get(f"{name.replace('/', '__')}.json", "the file that the rows were made from")
        }
        reduced["config"] = reduce_config(config)
        if quantization is not None:
            reduced["quantization"] = reduce_quantization(quantization)
            if "producer" in quantization:  # its name decides the method
                reduced["quantization"]["producer"] = {"name": quantization["producer"]["name"]}
        if real != _described(reduced["config"], reduced.get("quantization")):
            raise SystemExit(f"error: the reduction of {name} changes the model")
        own[name] = reduced
    return own


def _config(name: str, directory: Path) -> tuple[Any, Any]:
    """The config.json and hf_quant_config.json that the rows of a model were made from."""
    stem = name.replace("/", "__")
    path = directory / f"{stem}.hf_quant_config.json"
    quantization = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return json.loads((directory / f"{stem}.json").read_text(encoding="utf-8")), quantization


def _described(config: Any, quantization: Any) -> Model | None:
    """The model of a config, without where it comes from; None when its family is not known."""
    try:
        model = read_model(config, quantization)
    except ConfigError:
        return None
    return replace(model, id="", source="", parameters=None)


if __name__ == "__main__":
    main()
