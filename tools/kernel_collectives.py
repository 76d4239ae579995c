"""Latency and rate of collectives in NVIDIA's public kernel timings (``tools/read_kernel_tables.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernel_tables import LAUNCH, Columns, Figure, Gpu, fit, tables, where

from llmtune.calc.all_reduce import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = "vllm_graph"  # vLLM's own all-reduce, in CUDA graphs
WANTED = {"vllm": (OWN,), "nccl": ("all_reduce", "all_gather", "reduce_scatter", "alltoall")}
BOTH_WAYS = {OWN, "all_reduce"}
LEAST, MOST, TWO_STAGES = 2 << 10, 32 << 20, 16 << 20  # numbers of a message; bytes of one that takes two stages
FEW = 6


def collectives(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Collectives: seconds = latency + moved / rate; a message counts 16-bit numbers, a ring moves 2 (n - 1) / n of it.

    vLLM's own all-reduce of four and eight also below the size from which it takes two stages, and above; NCCL's
    collectives by their names.
    """
    link = "pcie" if gpu.architecture in {"ada", "blackwell-12"} else f"nvlink-{gpu.architecture}"
    for name in ("custom_allreduce_perf", "nccl_perf"):
        for engine, table, columns in tables(directory, gpu, "comm", name):
            kinds = columns.get("backend", columns["op_name"])
            sizes = (columns["message_size"] >= LEAST) & (columns["message_size"] <= MOST)
            sizes &= columns.get("nccl_dtype", kinds) != "int8"
            for kind in WANTED.get(engine, ()):
                for ranks in (2, 4, 8):
                    rows = where(columns, (kinds == kind) & (columns["num_gpus"] == ranks) & sizes)
                    keys = f"{kind.replace('_', '-')}/{link}/{ranks}"
                    yield from _line(rows, kind, ranks, keys, table)
                    if kind == OWN and ranks in STAGES and link != "pcie":
                        yield from _stages(rows, ranks, keys, table)


def _stages(rows: Columns, ranks: int, keys: str, table: str) -> Iterator[Figure]:
    """The same for messages that take one stage, and two."""
    size = rows["message_size"] * 2.0
    few, many = size < STAGES[ranks], (size >= STAGES[ranks]) & (size <= TWO_STAGES)
    yield from _line(where(rows, few), OWN, ranks, f"{keys}/one-stage", table)
    yield from _line(where(rows, many), OWN, ranks, f"{keys}/two-stages", table)


def _line(rows: Columns, kind: str, ranks: int, keys: str, table: str) -> Iterator[Figure]:
    """Latency and rate of one kind of collective."""
    moved = (2 if kind in BOTH_WAYS else 1) * (ranks - 1) / ranks * rows["message_size"] * 2.0
    if len(moved) < FEW:
        return

    def model(latency: float, per_byte: float) -> Any:
        return latency + moved * per_byte

    latency, per_byte = fit(model, rows["seconds"], (1e-5, 5e-12), (LAUNCH, 1e-13))
    yield Figure("collective_seconds", keys, "s", latency, len(moved), table)
    yield Figure("link_rate", keys, "bytes/s", 1 / per_byte, len(moved), table)
