"""Seconds per part of a step: a deployment's work over what its GPUs and its engine reach of their peak rates.

    read    = bytes / (bandwidth x share of it that kernels of this class reach on this architecture)
    compute = FLOPs / (peak rate of the dtype x share of it)
    host    = a step + layers x a layer + a request; which engine generation it is decides

The coefficients are measured (``catalog/coefficients.py``), none belongs to a model.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from llmtune.calc.step_time import CacheCosts, DenseCosts, ExpertCosts, SendCosts, StepCosts, Way
from llmtune.calc.step_work import PEAKS, WIDENING, StepWork, describe_work
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.calc.shares import Site
    from llmtune.calc.step_work import ExpertWork, Matrices
    from llmtune.spec.coefficients import Coefficients
    from llmtune.spec.hardware import Hardware

# Stated bounds, where a fact is missing; the prediction says so (``calc.predict``). Bytes per second.
SLOWEST_BANDWIDTH = 100e9  # of a GPU's memory
SLOWEST_FABRIC = 12.5e9  # between nodes: 100 Gbit/s
SLOWEST_PCIE = 16e9  # PCIe 3.0 x16, one direction
LEAST_INTENSITY = 100  # FLOPs for each byte of bandwidth, where a GPU's rates are not known; V100 has 139, L4 403
ATTENTION_KERNELS = 4  # of a layer: rotary, cache writes, attention, activation
PAGED = "paged"  # V0's own attention kernel of crowded steps
BOTH_DIRECTIONS = 2  # nvlink_bandwidth counts both
PAIR = 2  # GPUs; of a pair each reads the other, whatever the size
CONSUMER_BLACKWELL = (12, 0)  # compute capability


@dataclass(frozen=True, slots=True)
class Rates:
    """What a deployment's rates are looked up by: GPU and engine generation."""

    hardware: Hardware
    generation: str
    coefficients: Coefficients

    @property
    def chip(self) -> tuple[str, ...]:
        """What kernels run alike on: the architecture, and ``half`` for its consumer line, as keys of coefficients.

        ``blackwell-12`` has compute capability 12; ``half`` stands for chips whose 16-bit rate is twice that of 32 bit
        (most GeForce cards): they reach nearly all of it.
        """
        gpu = self.hardware.gpu
        name = gpu.architecture
        if name == "blackwell" and gpu.compute_capability and gpu.compute_capability >= CONSUMER_BLACKWELL:
            name = "blackwell-12"
        half = gpu.vendor == "nvidia" and gpu.flops.get("bf16", 0.0) and gpu.flops["bf16"] < 2.5 * gpu.flops["fp32"]
        return (name, "half") if half else (name,)

    def bandwidth(self, quantity: str, kernel: str) -> float:
        """Bytes a second that kernels of a class reach: of the memory, or all that the multiprocessors get through."""
        share = self.coefficients.value(quantity, kernel, *self.chip)
        return min((self.hardware.gpu.bandwidth or SLOWEST_BANDWIDTH) * share, self.through(kernel))

    def through(self, kernel: str) -> float:
        """Bytes a second that kernels of a class get through on all multiprocessors, wherever they come from."""
        count = self.hardware.gpu.multiprocessors
        return count * self.coefficients.value("processor_bandwidth", kernel, *self.chip) if count else inf

    def flops(self, quantity: str, kernel: str) -> float:
        """FLOPs a second that kernels of a class reach.

        Linear layers whose weights are widened first reach a part of what 16-bit ones do.
        """
        value, chip = self.coefficients.value, self.chip
        if quantity == "flops_share" and kernel in WIDENING:
            return self.peak(kernel) * value(quantity, "plain", *chip) * value("widening_share", kernel, *chip)
        return self.peak(kernel) * value(quantity, kernel, *chip)

    def peak(self, kernel: str) -> float:
        """The datasheet's rate for a kernel class."""
        flops = self.hardware.gpu.flops
        for name in (PEAKS.get(kernel, "bf16"), "bf16", "fp16", "fp32"):
            if name in flops:
                return flops[name]
        return (self.hardware.gpu.bandwidth or SLOWEST_BANDWIDTH) * LEAST_INTENSITY


def describe_costs(site: Site, coefficients: Coefficients) -> StepCosts:
    """The costs of a step of one deployment."""
    return cost(describe_work(site), Rates(site.hardware, generation(site), coefficients), site=site)


def generation(site: Site) -> str:
    """Which engine it is: ``v0``, ``v1`` or ``async`` (v1 with asynchronous scheduling)."""
    if site.resolved.runner == "v0":
        return "v0"
    return "async" if site.resolved.async_scheduling else "v1"


def cost(work: StepWork, rates: Rates, *, site: Site) -> StepCosts:
    """The costs of this work at these rates."""
    value = rates.coefficients.value
    graph_tokens, graph_prompt_tokens = _graphs(site)
    fixed = work.layers * value("layer_seconds", *rates.chip) + work.norms * value("norm_seconds")
    fixed -= work.fused_norms * value("fused_norm_gain")
    fixed += sum(part.calls * value("call_seconds", part.kernel, *rates.chip) for part in work.dense)
    for part in work.experts:
        each = part.local * value("expert_each_seconds", part.kernel, *rates.chip)
        fixed += part.layers * (value("expert_layer_seconds", part.kernel, *rates.chip) + each)
    fixed += work.state_layers * value("state_layer_seconds")
    fixed += value("step_seconds", rates.generation, "one" if work.ranks == 1 else "several")
    request = value("request_seconds", rates.generation)
    if rates.generation == "v0" and not site.resolved.async_output_proc:
        fixed += value("outputs_seconds")
        request += value("outputs_request_seconds")
    return StepCosts(
        dense=_dense(work.dense, rates),
        head=_dense(work.head, rates),
        experts=_experts(work, rates),
        caches=_caches(work, rates),
        state=work.state_bytes / rates.bandwidth("kv_bandwidth_share", "state"),
        sends=_sends(work, rates),
        host_step=fixed,
        host_request=request,
        host_prompts=value("prompts_seconds") if _only_decodes_whole(site) else 0.0,
        host_launch=_launching(work, rates),
        graph_tokens=graph_tokens,
        graph_prompt_tokens=graph_prompt_tokens,
        evenness=value("expert_evenness"),
        token=_token(work, rates),
        decode_tokens=work.decode_tokens,
        replicas=work.replicas,
    )


def _launching(work: StepWork, rates: Rates) -> float:
    """Seconds in which the host launches a step: matrices, norms, collectives, and what attention and experts take.

    Steps so large that no graph covers them are mostly beyond the messages that norms are fused into.
    """
    kernels = work.norms + work.collectives + work.exchanges + ATTENTION_KERNELS * work.layers
    kernels += sum(part.calls for part in work.dense)
    layers = sum(part.layers for part in work.experts)
    value = rates.coefficients.value
    return (kernels + value("expert_launches") * layers) * value("launch_seconds", rates.generation)


def _only_decodes_whole(site: Site) -> bool:
    """Whether a step that only decodes is one CUDA graph, and one with prompts is not. V0's ``full`` is of decodes."""
    mode = site.resolved.cudagraph_mode
    return mode in {"full_decode_only", "full_and_piecewise"} or (mode == "full" and site.resolved.runner == "v0")


def _graphs(site: Site) -> tuple[int, int]:
    """Tokens up to which steps run in CUDA graphs: those that only decode, and those with prompts.

    Source: vLLM 0.33.0 v1/cudagraph_dispatcher.py::CudagraphDispatcher.dispatch; V0 captured decoding only.
    """
    largest = max(site.resolved.cudagraph_sizes, default=0)
    decodes_only = site.resolved.runner == "v0" or site.resolved.cudagraph_mode == "full_decode_only"
    return largest, 0 if decodes_only else largest


def _dense(matrices: Iterable[Matrices], rates: Rates) -> tuple[DenseCosts, ...]:
    return tuple(
        DenseCosts(
            read=part.bytes / rates.bandwidth("bandwidth_share", part.kernel),
            compute=part.flops / rates.flops("flops_share", part.kernel),
            sharpness=rates.coefficients.value("sharpness", part.kernel, *rates.chip),
        )
        for part in matrices
    )


def _experts(work: StepWork, rates: Rates) -> tuple[ExpertCosts, ...]:
    """Whole experts on a rank are not equally busy: the busiest rank decides."""
    uneven = rates.coefficients.value("expert_imbalance") if work.whole_experts else 1.0
    return tuple(
        ExpertCosts(
            read=uneven * part.bytes / rates.bandwidth("expert_bandwidth_share", part.kernel),
            compute=uneven * part.flops / rates.flops("expert_flops_share", part.kernel) + _moved(part, rates),
            share=part.share,
        )
        for part in work.experts
    )


def _moved(part: ExpertWork, rates: Rates) -> float:
    times = rates.coefficients.value("expert_moved", part.kernel, *rates.chip)
    return times * part.moved / (rates.hardware.gpu.bandwidth or SLOWEST_BANDWIDTH)


def _token(work: StepWork, rates: Rates) -> float:
    """What a token costs wherever it stands: kernels that only move activations, and attention to a fixed window."""
    passes = rates.coefficients.value("activation_passes")
    seconds = passes * work.activations / (rates.hardware.gpu.bandwidth or SLOWEST_BANDWIDTH)
    for part in work.caches:
        if part.whole:
            seconds += part.window * part.prefill_flops / rates.flops("attention_flops_share", part.kernel)
    return seconds


def _caches(work: StepWork, rates: Rates) -> tuple[CacheCosts, ...]:
    costs = []
    for part in work.caches:
        kind = f"{part.kind}-v0" if rates.generation == "v0" else part.kind  # V0 had other decode kernels
        read = part.bytes / rates.bandwidth("kv_bandwidth_share", kind)
        if part.whole:
            costs.append(CacheCosts(read, 0.0, part.window))
            continue
        attend = part.decode_flops / rates.flops("decode_attention_share", part.kernel)
        pair = part.prefill_flops / rates.flops("attention_flops_share", part.kernel)
        again = max(0.0, (1 + part.rereads) * part.bytes / rates.through(PAGED) - read) if part.rereads else 0.0
        costs.append(CacheCosts(max(read, attend), pair, part.window, again, part.crowd))
    if rates.generation == "v0" and costs:  # makes a list of all blocks in every step (0.8.5 worker/model_runner.py)
        costs.append(CacheCosts(rates.coefficients.value("listed_token_seconds"), 0.0))
    return tuple(costs)


def _sends(work: StepWork, rates: Rates) -> tuple[SendCosts, ...]:
    """Collectives of a step: of tensor parallelism, of experts, and what one stage sends to the next."""
    groups = []
    for count, ranks in ((work.collectives, work.ranks), (work.exchanges, work.expert_ranks)):
        if count and ranks > 1:
            groups.append(_send(work, rates, reach=ranks, ranks=ranks, count=count))
    if work.stages > 1:
        groups.append(_send(work, rates, reach=rates.hardware.gpus, ranks=2, count=work.stages - 1))
    return tuple(groups)


def _send(work: StepWork, rates: Rates, *, reach: int, ranks: int, count: int) -> SendCosts:
    """``count`` times a step's tokens over the slowest link within ``reach`` GPUs.

    An all-reduce moves 2 (n - 1) / n of the tensor through each GPU's link.
    """
    link, bandwidth = _link(rates.hardware, reach)
    keys = (link, str(ranks), *rates.chip)
    value = rates.coefficients.value
    moved = 2 * (ranks - 1) / ranks * work.reduced_bytes

    def way(start: str, share: str) -> Way:
        return Way(count * value(start, *keys), count * moved / (bandwidth * value(share, *keys)))

    one, ring = way("collective_seconds", "link_share"), way("ring_seconds", "ring_share")
    if link != "nvlink" or ranks <= PAIR:
        return SendCosts(one, one, ring, 0.0)
    return SendCosts(one, way("halves_seconds", "halves_share"), ring, work.one_kernel_bytes / work.reduced_bytes)


def _link(hardware: Hardware, ranks: int) -> tuple[str, float]:
    """The slowest link that a group of ranks crosses, and its bandwidth in one direction."""
    gpu = hardware.gpu
    if ranks > hardware.gpus_per_node:
        return "fabric", float(hardware.node_bandwidth or SLOWEST_FABRIC)
    if gpu.nvlink_bandwidth:
        return "nvlink", gpu.nvlink_bandwidth / BOTH_DIRECTIONS
    return "pcie" if gpu.peer_to_peer else "host", float(gpu.pcie_bandwidth or SLOWEST_PCIE)
