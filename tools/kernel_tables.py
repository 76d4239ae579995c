"""NVIDIA's public kernel timings (aiconfigurator, Apache-2.0): reading them, and fitting times to them.

A table is one parquet file for an operation, a GPU, an engine and its release; a row is one shape and the milliseconds
that it took. ``tools/read_kernel_tables.py`` says where they come from. Needs numpy, scipy and pyarrow.
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

np: Any = importlib.import_module("numpy")  # no dependencies of the project
optimize: Any = importlib.import_module("scipy.optimize")
parquet: Any = importlib.import_module("pyarrow.parquet")

CATALOG = Path(__file__).resolve().parent.parent / "src" / "llmtune" / "catalog" / "data" / "gpus"
GPUS = {  # folder: name in the catalogue, bytes of L2 cache (NVIDIA's architecture whitepapers)
    "a100_sxm": ("a100-sxm-80gb", 40e6),
    "l40s": ("l40s", 96e6),
    "h100_sxm": ("h100-sxm", 50e6),
    "h200_sxm": ("h200-sxm", 50e6),
    "b200_sxm": ("b200", 126e6),
    "b300_sxm": ("b300", 126e6),
    "gb200": ("gb200", 126e6),
    "gb300": ("gb300", 126e6),
    "rtx_pro_6000_server": ("rtx-pro-6000-blackwell-server", 128e6),
}
LAUNCH = 1e-6  # seconds that a call takes at least
Columns = dict[str, Any]


@dataclass(frozen=True)
class Gpu:
    """A GPU of the tables: datasheet rates per second, bytes of L2 cache."""

    folder: str
    architecture: str
    bandwidth: float
    flops: dict[str, float]
    cache: float

    def peak(self, rate: str) -> float:
        """FLOPs a second of a dtype, of 16 bit where the GPU has none."""
        return self.flops.get(rate, self.flops["bf16"])


@dataclass(frozen=True)
class Figure:
    """One fitted number: what it is, what it holds for, from how many rows of which table."""

    quantity: str
    keys: str
    unit: str
    value: float
    points: int
    table: str


def gpus() -> Iterator[Gpu]:
    """The GPUs of the tables with the catalogue's rates. Blackwell's two families have different kernels."""
    for folder, (name, cache) in GPUS.items():
        entry = json.loads((CATALOG / f"{name}.json").read_text())
        architecture = entry["architecture"]
        if architecture == "blackwell" and entry["compute_capability"].startswith("12"):
            architecture = "blackwell-12"
        yield Gpu(folder, architecture, entry["bandwidth"], entry["flops"], cache)


def tables(directory: Path, gpu: Gpu, operation: str, name: str) -> Iterator[tuple[str, str, Columns]]:
    """Engine, ``engine-release`` and columns of the newest table of each engine."""
    newest: dict[str, Path] = {}
    for path in (directory / gpu.folder / operation).glob(f"*/*/{name}.parquet"):
        engine = path.parent.parent.name
        newest[engine] = max(newest.get(engine, path), path, key=lambda path: _numbers(path.parent.name))
    for engine, path in sorted(newest.items()):
        table = parquet.read_table(path)
        columns = {field: np.asarray(table[field].to_pylist()) for field in table.column_names}
        yield engine, f"{engine}-{path.parent.name}", columns | {"seconds": columns["latency"] * 1e-3}


def where(columns: Columns, mask: Any) -> Columns:
    """The rows of a mask."""
    return {name: values[mask] for name, values in columns.items()}


def fit(model: Callable[..., Any], seconds: Any, start: Iterable[float], least: Iterable[float]) -> list[float]:
    """Parameters of a model of times, by robust least squares of the logarithm, from ``start`` and never below."""

    def residual(logs: Any) -> Any:
        return np.log(model(*np.exp(logs)) / seconds)

    lowest = np.log(list(least))
    found = optimize.least_squares(
        residual, np.log(list(start)), loss="soft_l1", f_scale=0.1, bounds=(lowest, lowest + 20)
    )
    return [float(parameter) for parameter in np.exp(found.x)]


def smooth(read: Any, compute: Any, sharpness: float) -> Any:
    """The larger of two times, more where they are alike: the step-time model's form."""
    larger = np.maximum(read, compute)
    return larger * ((read / larger) ** sharpness + (compute / larger) ** sharpness) ** (1 / sharpness)


def _numbers(release: str) -> list[int]:
    """A release as numbers, to compare."""
    return [int(part) for part in re.findall(r"\d+", release)]
