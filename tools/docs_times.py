"""The tables of docs/concepts/performance.md: what the coefficients make of formats, engines, links and experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs_tables import table
from docs_worked_time import MODEL, site_of

from llmtune.calc.step_costs import describe_costs, generation
from llmtune.calc.step_time import Batch, step_seconds, step_time
from llmtune.calc.step_work import describe_work
from llmtune.catalog import engines
from llmtune.catalog.coefficients import load_coefficients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.shares import Site
    from llmtune.calc.step_time import StepCosts
    from llmtune.spec.coefficients import Coefficient

FORMATS = (
    ("FP8", "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic"),
    ("INT8 (W8A8)", "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w8a8"),
    ("INT4 (AWQ)", "hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4"),
)
GPUS = ("a100-sxm-80gb", "l40s", "h100-sxm")
DECODES, CONTEXT, CHUNK = (1, 32, 256), 1000, 4096
LARGE = "meta-llama/Llama-3.3-70B-Instruct"
LINKED = (
    *(("h100-sxm", 2), ("h100-sxm", 8), ("a100-sxm-80gb", 8)),
    *(("h100-pcie", 2), ("l40s", 2), ("l40s", 8), ("rtx-4090", 2), ("rtx-4090", 8)),
)
SPARSE = "openai/gpt-oss-120b"
TOKENS = (1, 4, 16, 64, 256, 1024)
WORDS = {
    "accepted_share": "draft tokens that are kept, of those checked, each given the one before",
    "activation_passes": "times that norms and other small kernels move what goes into and comes out of matrices",
    "attention_flops_share": "peak rate that attention of prompts reaches",
    "bandwidth_share": "bandwidth that reading weights reaches",
    "call_seconds": "a matrix product, however small",
    "collective_seconds": "a collective of a small message, however small",
    "decode_attention_share": "peak rate that attention of decoding requests reaches",
    "expert_bandwidth_share": "bandwidth that reading experts reaches",
    "expert_each_seconds": "and an expert on the rank, in such a layer",
    "expert_evenness": "shape of how often experts are visited; the larger, the more alike",
    "expert_flops_share": "peak rate that experts reach",
    "expert_imbalance": "work of the busiest rank over the mean, where ranks hold whole experts",
    "expert_launches": "launches that a layer with experts counts as",
    "expert_layer_seconds": "routing and sorting in a layer with experts",
    "expert_moved": "times that copies of tokens pass through memory between expert kernels",
    "flops_share": "peak rate that matrix products reach",
    "front_end_seconds": "from the client to the scheduler: HTTP",
    "widening_share": "of the rate of 16-bit kernels that weight-only ones reach",
    "front_end_token_seconds": "and a prompt token: tokenizer",
    "kv_bandwidth_share": "bandwidth that reading the KV cache reaches",
    "layer_seconds": "attention, rotary and activation kernels of a layer, however small",
    "fused_norm_gain": "what a norm saves that is part of an all-reduce",
    "halves_seconds": "a collective in two stages, before its traffic",
    "halves_share": "link's bandwidth that collectives in two stages reach",
    "launch_seconds": "launching a kernel, on the host, outside CUDA graphs",
    "link_share": "link's bandwidth that collectives of small messages reach",
    "listed_token_seconds": "a token of context in V0's lists of blocks, on the host",
    "norm_seconds": "a norm",
    "outputs_request_seconds": "a request whose outputs V0 processes after the step, on the host",
    "outputs_seconds": "a step whose outputs V0 processes after it, on the host",
    "processor_bandwidth": "bytes that kernels get through on one multiprocessor, however fast the memory is",
    "prompts_seconds": "a step with prompts more than one graph of decodes, on the host",
    "relative_error": "error that nine in ten measurements stay below that no coefficient was fitted to",
    "request_seconds": "a request in a step, on the host",
    "ring_seconds": "a collective of a large message, before its traffic",
    "ring_share": "link's bandwidth that collectives of large messages reach",
    "sharpness": "p of the smooth maximum of reading and computing",
    "state_layer_seconds": "kernels of a recurrent layer, however small",
    "step_seconds": "a step, on the host",
}


def formats() -> str:
    """By how much a quantised model's steps are faster than the same in 16 bit, by GPU and size of the step."""
    rows = []
    for gpu in GPUS:
        plain = [step_seconds(_costs(_site(MODEL, gpu)), batch) for batch in _batches()]
        for name, model in FORMATS:
            site = _site(model, gpu)
            kernel = max(describe_work(site).dense, key=lambda part: part.flops).kernel
            costs = _costs(site)
            times = [step_seconds(costs, batch) for batch in _batches()]
            faster = (f"{old / new:.2f} x" for old, new in zip(plain, times, strict=True))
            rows.append((gpu, name, kernel, *faster))
    head = [*(f"{count} decoding" for count in DECODES), f"{CHUNK} prompt tokens"]
    return table(("GPU", "format", "kernel class", *head), rows)


def _batches() -> Iterator[Batch]:
    for count in DECODES:
        yield Batch(count, CONTEXT)
    yield Batch(prefill_tokens=CHUNK, prefills=1, pairs=CHUNK * (CHUNK + 1) / 2)


def generations() -> str:
    """The engine generations: releases that run a plain server so, and what the host costs."""
    releases: dict[str, list[str]] = {}
    for release in engines.names():
        releases.setdefault(generation(_site(MODEL, "h100-sxm", release)), []).append(release)
    value = load_coefficients().value
    rows = []
    for name, found in releases.items():
        step, request = value("step_seconds", name), value("request_seconds", name)
        costs = (f"{step * 1e3:.2f} ms", f"{request * 1e6:.3g} us")
        host = (f"{(step + count * request) * 1e3:.2f} ms" for count in DECODES)
        rows.append((f"`{name}`", f"{found[0]} to {found[-1]}", *costs, *host))
    head = ("generation", "releases", "step", "request", *(f"{n} decoding" for n in DECODES))
    return table(head, rows)


def links() -> str:
    """What tensor parallel costs a step, by link."""
    rows = []
    for gpu, ranks in LINKED:
        site, _ = site_of(f"vllm serve {LARGE} --tensor-parallel-size {ranks} --max-model-len 8192", gpu, ranks)
        costs = _costs(site)
        plain = "PCIe" if site.hardware.gpu.peer_to_peer else "PCIe, through the host"
        link = "NVLink" if site.hardware.gpu.nvlink_bandwidth else plain
        batches = (Batch(1, CONTEXT), Batch(DECODES[-1], CONTEXT), Batch(prefill_tokens=CHUNK, prefills=1))
        sent = (f"{step_time(costs, batch).communication * 1e3:.2f} ms" for batch in batches)
        rows.append((gpu, link, ranks, describe_work(site).collectives, *sent))
    head = ("GPU", "link", "TP", "collectives", "1 decoding", f"{DECODES[-1]} decoding", f"{CHUNK} prompt tokens")
    return table(head, rows)


def coverage() -> str:
    """The share of a model's experts that a step reads, by its tokens."""
    costs = _costs(_site(SPARSE, "h100-sxm"))
    experts = costs.experts[0]
    rows = []
    for count in TOKENS:
        missed = (1 + experts.share * count / costs.evenness) ** -costs.evenness
        read = sum(part.read for part in costs.experts) * (1 - missed)
        step = step_seconds(costs, Batch(count, CONTEXT))
        rows.append((count, f"{1 - missed:.0%}", f"{read * 1e3:.2f} ms", f"{step * 1e3:.2f} ms"))
    return table(("requests decoding", "experts read", "reading them", "whole step"), rows)


def quantities() -> str:
    """Every quantity of the coefficients: what it says, the values it has, and what they rest on."""
    entries: dict[str, list[Coefficient]] = {}
    for name, entry in load_coefficients().entries.items():
        entries.setdefault(name.partition("/")[0], []).append(entry)
    rows = []
    for name, found in sorted(entries.items()):
        low, high = min(one.value for one in found), max(one.value for one in found)
        scale, unit = _unit(found[0].unit, high)
        values = f"{low * scale:.3g}" if low == high else f"{low * scale:.3g} to {high * scale:.3g}"
        rows.append((f"`{name}`", WORDS.get(name, ""), values, unit, len(found)))
    return table(("coefficient", "what it is", "values", "unit", "entries"), rows)


def _unit(unit: str, most: float) -> tuple[float, str]:
    if unit == "bytes/s":
        return 1e-9, "GB/s"
    if unit != "seconds":
        return 1.0, unit
    return (1e6, "us") if most < 1e-3 else (1e3, "ms")  # noqa: PLR2004 - a millisecond


def _site(model: str, gpu: str, release: str | None = None) -> Site:
    return site_of(f"vllm serve {model} --max-model-len 8192", gpu, release=release)[0]


def _costs(site: Site) -> StepCosts:
    return describe_costs(site, load_coefficients())
