"""What one engine step of a deployment moves, computes and sends: bytes, FLOPs and calls, before any efficiency.

Counted on the fullest rank and summed over pipeline stages, so that it is the work behind one step's latency. Sizes
come from the same modules and caches as the memory plan. A format's kernel class says which kernels run it and which
peak rate they compute at (``PEAKS``); weight-only classes widen their weights to 16 bit first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.all_reduce import one_kernel_bytes
from llmtune.calc.drafts import draft_modules
from llmtune.calc.expert_kernels import expert_kernel
from llmtune.calc.step_caches import CacheWork, cache_work, state_bytes
from llmtune.calc.weights import Split, module_bytes
from llmtune.spec.model import StateSpace
from llmtune.spec.record import dataclass
from llmtune.spec.weights import BF16, Embedding, Experts, Linear, Scale, Shard, Vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from llmtune.calc.shares import Site
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.weights import Format, Module

PLAIN, INT8, INT4, MXFP4, NVFP4 = "plain", "int8", "int4", "mxfp4", "nvfp4"
FP8, FP8_BLOCK, WIDENED = "fp8", "fp8-block", "widened"  # the last: 8 bits without tensor cores for them
FP32 = "fp32"  # routers in 32 bit: no tensor cores
PEAKS = {FP8: "fp8", FP8_BLOCK: "fp8", INT8: "int8", NVFP4: "fp4", FP32: "fp32"}  # the others compute in 16 bit
PEAKS |= {"fp8-block-cutlass": "fp8", "fp8-block-triton": "fp8", "mxfp4-fp8": "fp8"}  # of ``expert_kernels``
WIDENING = frozenset({INT4, MXFP4, WIDENED})  # weights become 16-bit numbers on their way into the tensor cores
EIGHT_BITS, SIXTEEN_BITS = 8, 16
PRECISION, ROUNDED = "VLLM_FLOAT32_MATMUL_PRECISION", frozenset({"high", "medium"})
QUERIES_AND_KEYS = 2  # a norm over all heads sums both at once
ACTIVATION = 2  # bytes of a number between layers


@dataclass(frozen=True, slots=True)
class Matrices:
    """Weight matrices of one kernel class: bytes read, FLOPs a token, and how many there are."""

    kernel: str
    bytes: float
    flops: float
    calls: int


@dataclass(frozen=True, slots=True)
class ExpertWork:
    """Routed experts that are alike: bytes of the ``local`` ones of a rank, its FLOPs a token, top-k over all.

    ``moved`` bytes a token go through memory between their kernels: a copy of the token for each expert it is sent to,
    in and out of the layer and in between.
    """

    kernel: str
    bytes: float
    flops: float
    share: float
    layers: int
    moved: float
    local: int


@dataclass(frozen=True, slots=True)
class StepWork:
    """The work of one step.

    ``dense`` and ``head`` by kernel class; ``state_bytes`` a request, read and written; ``reduced_bytes`` of one token
    in one collective, of which there are ``collectives`` over ``ranks`` GPUs, in one kernel each up to
    ``one_kernel_bytes`` of all tokens, and ``exchanges`` of experts over ``expert_ranks``. ``layers`` of all stages,
    ``state_layers`` among them, and ``norms`` in all of them: each is a small kernel, but for ``fused_norms`` that are
    part of a collective. ``activations`` are bytes of a token that go into and come out of all matrices on a rank.
    ``whole_experts``: a rank holds whole experts, not slices of all.
    """

    dense: tuple[Matrices, ...]
    head: tuple[Matrices, ...]
    experts: tuple[ExpertWork, ...]
    caches: tuple[CacheWork, ...]
    state_bytes: float
    layers: int
    state_layers: int
    norms: int
    fused_norms: int
    activations: float
    whole_experts: bool
    ranks: int
    collectives: int
    reduced_bytes: float
    one_kernel_bytes: int
    expert_ranks: int
    exchanges: int
    stages: int
    replicas: int
    decode_tokens: int


def describe_work(site: Site) -> StepWork:
    """The work of one step of a deployment.

    Raises:
        Refused: where the weights cannot be laid out so.

    """
    model, resolved = site.model, site.resolved
    split = split_of(site)
    layers = [model.groups[number] for number in model.pattern]
    dense: list[Module] = [m for group in layers for m in group.modules if not isinstance(m, Experts)]
    draft = [m for m in draft_modules(model, resolved) if not isinstance(m, Experts)] * resolved.speculative_tokens
    routed = [m for group in layers for m in group.modules if isinstance(m, Experts)]
    head = model.head if not model.tied else (*model.embedding[:1], *model.head)
    tensor, data = resolved.tensor_parallel, resolved.data_parallel
    shared = data if routed else 1
    ends, sums = (sum(count(group.modules) for group in layers) for count in (_ends, _sums))
    norms = sum(isinstance(module, Vector) and "norm" in module.name for module in dense)
    return StepWork(
        dense=_matrices((*dense, *draft), split, site),
        head=_matrices(head, split, site),
        experts=_experts(routed, split, site),
        caches=cache_work(site),
        state_bytes=state_bytes(site),
        layers=model.layers,
        state_layers=sum(any(isinstance(c, StateSpace) for c in group.caches) for group in layers),
        norms=norms + (QUERIES_AND_KEYS * sums if tensor > 1 else 0),
        fused_norms=ends if resolved.fuses_norms else 0,
        activations=ACTIVATION * sum(_widths(m, split.tensor) for m in dense if isinstance(m, Linear)),
        whole_experts=split.experts > 1,
        ranks=tensor,
        collectives=ends + sums if tensor > 1 else 0,
        reduced_bytes=float(model.hidden * ACTIVATION),
        one_kernel_bytes=one_kernel_bytes(site),
        expert_ranks=tensor * shared,
        exchanges=2 * len(routed) if shared > 1 else 0,
        stages=resolved.pipeline_parallel,
        replicas=shared,
        decode_tokens=1 + resolved.speculative_tokens,
    )


def split_of(site: Site) -> Split:
    """How this deployment splits modules, as ``calc.weights`` does."""
    resolved = site.resolved
    ranks = resolved.tensor_parallel * resolved.data_parallel
    return Split(
        tensor=resolved.tensor_parallel,
        experts=ranks if resolved.expert_parallel else 1,
        moe_tensor=1 if resolved.expert_parallel else ranks,
        capability=site.hardware.gpu.compute_capability,
        wide=resolved.dtype == "float32",
        tables=not resolved.tables_on_host,
    )


def kernel_of(form: Format, gpu: Gpu) -> str:
    """The kernel class that a format runs with on a GPU.

    8-bit floats need tensor cores for them (Ada on), NVFP4 Blackwell's; elsewhere vLLM widens the weights (Marlin).
    Source: vLLM 0.33.0 quantization/utils/marlin_utils_fp8.py, kernels/linear/nvfp4.
    """
    name = form.name
    if form.bits > EIGHT_BITS:
        return FP32 if form.bits > SIXTEEN_BITS else PLAIN
    if name.startswith(("fp8", "mxfp8")):
        own = FP8_BLOCK if form.scale in {Scale.BLOCK, Scale.GROUP} else FP8
        return own if "fp8" in gpu.flops else WIDENED
    if form.bits == EIGHT_BITS:
        return INT8 if name.startswith("int8") and "int8" in gpu.flops else WIDENED
    if name.startswith("nvfp4") and "w4a16" not in name:
        return NVFP4 if "fp4" in gpu.flops else INT4
    return MXFP4 if name.startswith("mxfp4") else INT4


def _matrices(modules: Iterable[Module], split: Split, site: Site) -> tuple[Matrices, ...]:
    gpu, rounded = site.hardware.gpu, _rounds(site)
    size: dict[str, float] = defaultdict(float)
    flops: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for module, count in _counted(modules).items():
        kernel = kernel_of(module.format, gpu) if isinstance(module, (Linear, Embedding)) else PLAIN
        if kernel == FP32 and rounded:
            kernel = PLAIN
        size[kernel] += count * module_bytes(module, split)
        if isinstance(module, (Linear, Embedding)):
            flops[kernel] += count * 2 * _elements(module, split)
            calls[kernel] += count
    return tuple(Matrices(kernel, size[kernel], flops[kernel], calls[kernel]) for kernel in size)


def _rounds(site: Site) -> bool:
    """Whether tensor cores multiply 32-bit numbers, rounded to TF32: on request.

    Newer kernels for routers of few tokens, and those on request of 0.26.0, are not told apart.
    Source: vLLM 0.13.0 v1/worker/gpu_worker.py::Worker.init_device.
    """
    return site.deployment.environment.get(PRECISION) in ROUNDED and "tf32" in site.hardware.gpu.flops


def _counted(modules: Iterable[Module]) -> Mapping[Module, int]:
    every = tuple(modules)
    objects = {id(module): module for module in every}  # hashing each by its value would take most of the time
    counts: dict[Module, int] = defaultdict(int)
    for key, count in Counter(map(id, every)).items():
        counts[objects[key]] += count
    return counts


def _elements(module: Linear | Embedding | Experts, split: Split) -> float:
    """Weights of a module on one rank: its size in 16 bit, over two."""
    return module_bytes(replace(module, format=BF16, bias=False), replace(split, wide=False)) / 2


def _widths(module: Linear, tensor: int) -> float:
    """Numbers of a token that a rank's part of a matrix reads and writes."""
    match module.shard:
        case Shard.COLUMN:
            return module.inputs + module.size / tensor
        case Shard.ROW:
            return module.inputs / tensor + module.size
        case _:
            return module.inputs + module.size


def _experts(modules: Iterable[Experts], split: Split, site: Site) -> tuple[ExpertWork, ...]:
    work, gpu = [], site.hardware.gpu
    for module, layers in _counted(modules).items():
        assert isinstance(module, Experts)
        size = layers * module_bytes(module, split)
        local = -(-module.count // split.experts)
        each = layers * 2 * _elements(module, split) / local
        flops = each * module.top_k / split.experts
        inner = (3 if module.gated else 2) * module.intermediate / split.moe_tensor
        moved = layers * module.top_k * (2 * module.hidden + inner) * ACTIVATION
        kernel = expert_kernel(kernel_of(module.format, gpu), site, whole=split.experts > 1)
        work.append(ExpertWork(kernel, size, flops, module.top_k / module.count, layers, moved, local))
    return tuple(work)


def _sums(modules: Iterable[Module]) -> int:
    """Norms over all heads in one layer: on several ranks a sum in the middle, with kernels before and after it.

    Source: vLLM 0.16.0 layers/mamba/linear_attn.py::MiniMaxText01RMSNormTP.forward_qk.
    """
    return sum(isinstance(m, Vector) and m.reduced for m in modules)


def _ends(modules: Iterable[Module]) -> int:
    """Blocks of one layer that end in a sum over ranks: attention and MLP (shared and routed experts together)."""
    return min(2, sum(isinstance(m, Experts) or (isinstance(m, Linear) and m.shard is Shard.ROW) for m in modules))
