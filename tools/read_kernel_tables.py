"""Derive what kernels reach of a GPU's peak rates from NVIDIA's public kernel timings.

    pip download --no-deps aiconfigurator-core==0.12.0 && unzip -q aiconfigurator_core-*.whl -d DIRECTORY
    python tools/read_kernel_tables.py DIRECTORY/aiconfigurator_core/systems/data [--json FILE]

Every section fits the step-time model's form to one kind of kernel and prints, by GPU architecture, each coefficient:
the middle of all fits (GPU x engine, by rows), the lowest, the highest, rows, tables. Needs numpy, scipy and pyarrow.

Kernels were timed alone, in CUDA graphs, on made-up weights. What stays in the L2 cache from one repetition to the next
is dropped, for a model's layers come from memory. A call takes at least ``LAUNCH``, a share of a peak is at most 1.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from kernel_collectives import collectives
from kernel_tables import LAUNCH, Columns, Figure, Gpu, fit, gpus, np, smooth, tables, where

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMATS = {  # name in the tables: kernel class, bytes a weight with its scales, peak rate
    "bfloat16": ("plain", 2.0, "bf16"),
    "fp8": ("fp8", 1.0, "fp8"),
    "fp8_block": ("fp8-block", 1 + 4 / 128**2, "fp8"),
    "nvfp4": ("nvfp4", 0.5 + 1 / 16, "fp4"),
    "int8_wo": ("widened", 1.0, "bf16"),
    "int4_wo": ("int4", 0.5 + 2 / 128, "bf16"),
    "sq": ("int8", 1.0, "int8"),
    "w4a16_mxfp4": ("mxfp4", 0.5 + 1 / 32, "bf16"),
    "w4a8_mxfp4_mxfp8": ("mxfp4-fp8", 0.5 + 1 / 32, "fp8"),
}
WITHOUT_GRAPHS = {("vllm", "fp8_block")}  # its dense layers: 60 to 400 us of launches
ODD = re.compile("modeloptfp8moe_flashinfer_cutlass|situ_as_silu")  # 5 times slower than its like; a stand-in
UNGATED = {(1024, 2688), (2048, 5120), (2688, 1856)}  # hidden, intermediate of experts with two matrices, not three
SMALLEST, LARGEST = 1024, 16384  # rows and columns of a layer's matrices
WIDE, LONG, SHORT = 32, 8192, 255  # requests; tokens of context
MANY, FEW = 100, 3
DIVERSITY = 0.8  # of the tables' power law: it touches as many experts as 0.8 times the tokens would at random


def main() -> None:
    """Print and perhaps write all coefficients."""
    parser = argparse.ArgumentParser(description="what kernels reach of a GPU's peak rates")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    grouped: dict[tuple[str, str, str], list[Figure]] = defaultdict(list)
    for gpu in gpus():
        for section in (dense, experts, decode_attention, prefill_attention, latent_attention, states, collectives):
            for figure in section(arguments.directory, gpu):
                grouped[figure.quantity, figure.keys, figure.unit].append(figure)
    lines = [summary(key, figures) for key, figures in sorted(grouped.items())]
    for line in lines:
        print("{name:58} {unit:8} {value:10.4g} {low:10.4g} {high:10.4g} {n:7d}  {source}".format(**line))
    if arguments.json:
        arguments.json.write_text(json.dumps(lines, indent=1) + "\n")


def summary(key: tuple[str, str, str], figures: list[Figure]) -> dict[str, Any]:
    """One coefficient over all its fits."""
    values = [figure.value for figure in figures]
    return {
        "name": "/".join(key[:2]),
        "unit": key[2],
        "value": middle(figures),
        "low": min(values),
        "high": max(values),
        "n": _rows(figures),
        "source": " ".join(sorted({figure.table for figure in figures})),
        "fits": [asdict(figure) for figure in figures],
    }


def middle(figures: list[Figure]) -> float:
    """The median of all fits, each weighing as much as it has rows: kernels that few shapes run with say little."""
    percents = [max(1, 100 * figure.points // _rows(figures)) for figure in figures]
    return median(figure.value for figure, percent in zip(figures, percents, strict=True) for _ in range(percent))


def _rows(figures: list[Figure]) -> int:
    return sum(figure.points for figure in figures)


def dense(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Linear layers: seconds = call + smooth(weights / bandwidth, FLOPs / rate)."""
    for engine, table, columns in tables(directory, gpu, "gemm", "gemm_perf"):
        sides = columns["n"], columns["k"]
        usual = (np.minimum(*sides) >= SMALLEST) & (np.maximum(*sides) <= LARGEST)
        for name, (kernel, width, rate) in FORMATS.items():
            cold = columns["n"] * columns["k"] * width >= gpu.cache / 5  # six matrices take turns
            rows = where(columns, (columns["gemm_dtype"] == name) & usual & cold)
            if len(rows["m"]) < MANY or (engine, name) in WITHOUT_GRAPHS:
                continue
            read = rows["n"] * rows["k"] * width / gpu.bandwidth
            compute = 2.0 * rows["m"] * rows["n"] * rows["k"] / gpu.peak(rate)

            def model(call: float, slow: float, slower: float, blunt: float, r: Any = read, c: Any = compute) -> Any:
                return call + smooth(r * slow, c * slower, blunt)

            call, slow, slower, blunt = fit(model, rows["seconds"], (4e-6, 1.2, 1.5, 2), (LAUNCH, 1, 1, 1))
            for quantity, unit, value in (
                ("bandwidth_share", "share", 1 / slow),
                ("flops_share", "share", 1 / slower),
                ("call_seconds", "s", call),
                ("sharpness", "", blunt),
            ):
                yield Figure(quantity, f"{kernel}/{gpu.architecture}", unit, value, len(read), table)


def experts(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Fused experts, one kernel at a time, routed evenly where that was measured, else by the tables' power law."""
    for engine, table, columns in tables(directory, gpu, "moe", "moe_perf"):
        even = columns["distribution"] == "balanced"
        if not even.any():
            even = (columns["distribution"] == "power_law_1.01") & (columns["moe_ep_size"] == 1)
        gated = [shape not in UNGATED for shape in zip(columns["hidden_size"], columns["inter_size"], strict=True)]
        for source in sorted(set(columns["kernel_source"][even])):
            for name in FORMATS:
                mask = even & np.asarray(gated) & (columns["kernel_source"] == source) & (columns["moe_dtype"] == name)
                if engine == "vllm" and mask.sum() >= MANY and not ODD.search(source):
                    yield from fused(where(columns, mask), gpu, name, f"{table}:{str(source).removeprefix('vllm_')}")


def fused(rows: Columns, gpu: Gpu, name: str, table: str) -> Iterator[Figure]:
    """One kernel of fused experts: seconds = layer + experts touched / bandwidth + FLOPs / rate, and with rows moved.

    An even routing of T tokens touches min(E, T k) of E experts. Kernels move all T k rows on each rank, also those of
    other ranks' experts, in 16 bit: twice the hidden size and three times the intermediate one. ``counted``: and
    something for every expert on the rank.
    """
    kernel, width, rate = FORMATS[name]
    inter, ranks = rows["inter_size"] / rows["moe_tp_size"], rows["moe_ep_size"]
    each, routed = 3.0 * rows["hidden_size"] * inter, rows["num_tokens"] * rows["topk"]
    touched = np.minimum(rows["num_experts"], np.maximum(ranks, routed)) / ranks
    if rows["distribution"][0] != "balanced":
        missed = (1 - rows["topk"] / rows["num_experts"]) ** (DIVERSITY * rows["num_tokens"])
        touched = rows["num_experts"] * (1 - missed) / ranks
    read, compute = touched * each * width / gpu.bandwidth, 2 * each * routed / ranks / gpu.peak(rate)
    moved = routed * (2 * rows["hidden_size"] + 3 * inter) * 2 / gpu.bandwidth

    def still(layer: float, slow: float, slower: float) -> Any:
        return layer + read * slow + compute * slower

    def moving(layer: float, slow: float, slower: float, times: float) -> Any:
        return still(layer, slow, slower) + moved * times

    for prefix, model, start in (("", still, (3e-5, 1.2, 2)), ("moving_", moving, (3e-5, 1.2, 2, 1))):
        least = (LAUNCH, 1, 1, 1e-3)[: len(start)]
        layer, slow, slower, *times = fit(model, rows["seconds"], start, least)
        keys = f"{kernel}/{gpu.architecture}"
        yield Figure(prefix + "expert_bandwidth_share", keys, "share", 1 / slow, len(read), table)
        yield Figure(prefix + "expert_flops_share", keys, "share", 1 / slower, len(read), table)
        yield Figure(prefix + "expert_layer_seconds", keys, "s", layer, len(read), table)
        yield from (Figure("moving_expert_rows", keys, "times", value, len(read), table) for value in times)

    def counted(layer: float, slow: float, slower: float, times: float, one: float) -> Any:
        return moving(layer, slow, slower, times) + one * rows["num_experts"] / ranks

    *_, one = fit(counted, rows["seconds"], (3e-5, 1.2, 2, 1, 1e-7), (LAUNCH, 1, 1, 1e-3, 1e-10))
    yield Figure("counted_expert_each_seconds", keys, "s", one, len(read), table)


def grouped_heads(directory: Path, gpu: Gpu, name: str) -> Iterator[tuple[str, str, Columns]]:
    """Tables of vLLM's attention by KV dtype and head size: 2 to 16 queries a KV head, no window."""
    for engine, table, columns in tables(directory, gpu, "attention", name):
        windows = columns.get("window_size", 0 * columns["batch_size"])
        queries = columns["num_heads"] / columns["num_key_value_heads"]
        usual = (windows == 0) & (np.abs(np.log2(queries) - 2.5) <= 1.5)  # noqa: PLR2004
        for dtype in ("bfloat16", "fp8"):
            for size in (64, 128, 256):
                rows = where(columns, usual & (columns["kv_cache_dtype"] == dtype) & (columns["head_dim"] == size))
                if len(rows["seconds"]) >= MANY and engine == "vllm":
                    yield f"{dtype}-{size}/{gpu.architecture}", table, rows


def decode_attention(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Decoding: seconds = layer + KV cache / bandwidth, where the KV cache is larger than the L2 cache."""
    for keys, table, rows in grouped_heads(directory, gpu, "generation_attention_perf"):
        width = 1 if keys.startswith("fp8") else 2
        cache = rows["batch_size"] * (rows["step"] + 1) * 2.0 * rows["num_key_value_heads"] * rows["head_dim"] * width
        cold = (cache > 1.5 * gpu.cache) & (rows["step"] >= SHORT)
        read, seconds = cache[cold] / gpu.bandwidth, rows["seconds"][cold]

        def model(layer: float, slow: float, r: Any = read) -> Any:
            return layer + r * slow

        layer, slow = fit(model, seconds, (2e-5, 1.2), (LAUNCH, 1))
        yield Figure("kv_bandwidth_share", f"heads-{keys}", "share", 1 / slow, len(read), table)
        yield Figure("decode_attention_seconds", keys, "s", layer, len(read), table)
        idle = float(np.median(rows["seconds"][(cache < 1 << 20) & (rows["batch_size"] <= WIDE / 4)]))
        yield Figure("least_decode_attention_seconds", keys, "s", idle, len(rows["step"]), table)


def prefill_attention(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Prompts: seconds = layer + causal FLOPs / rate of 16 bit + queries, keys, values and results / bandwidth."""
    for keys, table, rows in grouped_heads(directory, gpu, "context_attention_perf"):
        batch, tokens, size = rows["batch_size"], rows["isl"], rows["head_dim"]
        compute = batch * 2.0 * rows["num_heads"] * size * tokens * (tokens + 1) / gpu.peak("bf16")
        moved = batch * tokens * 4.0 * (rows["num_heads"] + rows["num_key_value_heads"]) * size / gpu.bandwidth

        def model(layer: float, slower: float, times: float, c: Any = compute, m: Any = moved) -> Any:
            return layer + c * slower + m * times

        layer, slower, times = fit(model, rows["seconds"], (1e-5, 2, 2), (LAUNCH, 0.5, 1e-3))
        yield Figure("attention_flops_share", keys, "share", 1 / slower, len(moved), table)
        yield Figure("prefill_attention_seconds", keys, "s", layer, len(moved), table)
        yield Figure("prefill_attention_moved", keys, "times", times, len(moved), table)


def latent_attention(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Latent attention (DeepSeek V3): the slope of a layer's time over its context, so without its linear layers.

    A token holds 512 + 64 numbers, of which decoding reads all with every head, 2 x (576 + 512) FLOPs each.
    """
    for engine, table, columns in tables(directory, gpu, "mla", "mla_generation_module_perf"):
        for dtype, width in (("bfloat16", 2), ("fp8", 1)):
            for heads in (16, 128):
                mask = (columns["kv_cache_dtype"] == dtype) & (columns["num_heads"] == heads)
                rows = where(columns, mask & (columns["batch_size"] >= WIDE) & (columns["step"] >= LONG))
                slopes = [*_slopes(rows)]
                if engine != "vllm" or len(slopes) < FEW:
                    continue
                keys = f"latent-{dtype}-{heads}-heads/{gpu.architecture}"
                read = 576 * width / gpu.bandwidth / median(slopes)
                compute = 2 * heads * 1088 / gpu.peak("bf16") / median(slopes)
                yield Figure("kv_bandwidth_share", keys, "share", read, len(slopes), table)
                yield Figure("decode_attention_share", keys, "share", compute, len(slopes), table)


def _slopes(rows: Columns) -> Iterator[float]:
    """Seconds a token of context, between neighbouring contexts of the same batch."""
    times: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    names = ("gemm_type", "batch_size", "step", "seconds")
    for form, batch, step, seconds in zip(*(rows[name] for name in names), strict=True):
        times[str(form), int(batch)][int(step)] = float(seconds)
    for (_, batch), row in times.items():
        for one, two in pairwise(sorted(row)):
            yield (row[two] - row[one]) / (batch * (two - one))


def states(directory: Path, gpu: Gpu) -> Iterator[Figure]:
    """Gated delta rule: a decoding request reads and writes a head's state, 128 x 128 numbers of 32 bit."""
    for engine, table, columns in tables(directory, gpu, "linear_attention", "gdn_perf"):
        recurrent = np.asarray(["recurrent" in str(source) for source in columns["kernel_source"]])
        rows = where(columns, recurrent & (columns["phase"] == "generation"))
        moved = 8.0 * rows["batch_size"] * rows["num_v_heads"] * rows["head_k_dim"] * rows["head_v_dim"]
        shares = (moved / gpu.bandwidth / rows["seconds"])[moved > 4 * gpu.cache]
        if engine == "vllm" and len(shares) >= FEW:
            yield Figure(
                "kv_bandwidth_share", f"state/{gpu.architecture}", "share", float(np.median(shares)), len(shares), table
            )


if __name__ == "__main__":
    main()
