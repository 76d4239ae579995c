"""What would make a model fit, each tried for real and told with its numbers, the cheapest change first."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from llmtune.calc.candidates import LENGTH_STEP, choose_share, complete, share_that_is_free
from llmtune.calc.errors import Refused
from llmtune.calc.search import kv_dtypes, layouts_of
from llmtune.calc.weights import weigh
from llmtune.spec.deployment import Resolved, Setting
from llmtune.spec.recommendation import WayOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from llmtune.calc.candidates import Candidate, Request
    from llmtune.calc.layouts import Layout
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model

GIB = 2**30
FREE_STEP = GIB // 2
MOST_GPUS = 64
MOST_NODE_GPUS = 8
SMALLEST_CONTEXT = 1024
MOST_SIBLINGS = 3  # quantised checkpoints that are named, those of the model's own publisher first


def find_ways_out(
    request: Request,
    *,
    gpus: Iterable[Gpu] = (),
    siblings: Iterable[Model] = (),
    online: Model | None = None,
    others: Iterable[EngineVersion] = (),
) -> tuple[WayOut, ...]:
    """Changes that make the request start.

    ``gpus`` are larger ones to consider, smallest first; ``siblings`` quantised checkpoints of the same model;
    ``online`` the model quantised while loading, where the release and the GPU can; ``others`` are releases to try
    when nothing else helps, in the order of preference.
    """
    if request.model.architecture in request.engine.refused:
        return tuple(_other_release(request, others))
    found = (
        *_more_free(request),
        *_less(request),
        *_quantised(request, siblings, online),
        *_more_gpus(request),
        *_bigger_gpu(request, gpus),
    )
    if found:
        return found
    releases = tuple(others)
    return tuple(_other_release(request, releases)) or tuple(_both(request, gpus, releases[:1]))


def starting(request: Request) -> Candidate | None:
    """The first candidate that starts."""
    for layout in layouts_of(request):
        if too_heavy(request, layout):
            continue
        for dtype in kv_dtypes(request):
            candidate = complete(request, layout, dtype)
            if candidate.starts:
                return candidate
    return None


def too_heavy(request: Request, layout: Layout) -> bool:
    """Whether the weights alone overflow the GPU: most layouts of a model that is too large end here, for little."""
    split = Resolved(
        max_model_len=1,
        max_num_seqs=1,
        max_num_batched_tokens=1,
        gpu_memory_utilization=1.0,
        tensor_parallel=layout.tensor,
        pipeline_parallel=layout.pipeline,
        data_parallel=layout.data,
        expert_parallel=layout.experts,
    )
    try:
        stages = weigh(request.model, split, request.hardware.gpu)
    except Refused:
        return True
    return request.pin("cpu-offload-gb") is None and max(s.bytes for s in stages) > request.hardware.gpu.total_memory


def _other_release(request: Request, others: Iterable[EngineVersion]) -> Iterator[WayOut]:
    """The first other release that starts it; the last one tried where memory is short as well."""
    other = None
    for other in others:
        found = starting(replace(request, engine=other))
        if found is not None:
            yield WayOut(f"vLLM {other.release}", f"--vllm-version {other.release}", _result(found))
            return
    if other is not None and request.model.architecture in request.engine.refused:
        why = f"has {request.model.architecture}, but it needs more memory than there is"
        yield WayOut(f"vLLM {other.release}", f"--vllm-version {other.release}", why)


def _both(request: Request, gpus: Iterable[Gpu], releases: Iterable[EngineVersion]) -> Iterator[WayOut]:
    """Another release and larger GPUs together, for what neither alone can start."""
    for release in releases:
        for way in _bigger_gpu(replace(request, engine=release), gpus):
            yield WayOut(
                f"{way.change} with vLLM {release.release}",
                f"{way.arguments} --vllm-version {release.release}",
                way.result,
            )


def _more_free(request: Request) -> Iterator[WayOut]:
    """How much must be free, where less than all of the GPU is."""
    hardware, total = request.hardware, request.hardware.gpu.total_memory
    free = hardware.free_memory
    if free is None or free >= total:
        return

    def with_taken(steps: int) -> Candidate | None:
        board = replace(hardware, free_memory=total - steps * FREE_STEP)
        return starting(replace(request, hardware=board))

    steps = last_true(lambda steps: with_taken(steps) is not None, (total - free) // FREE_STEP)
    found = with_taken(steps)
    if found is None:
        return
    need, taken = total - steps * FREE_STEP, steps * FREE_STEP / GIB
    if hardware.gpu_share is not None:
        arguments = f"--gpu-share {ceil(100 * need / total) / 100:g}"
    elif hardware.others is not None:
        arguments = f"--shared-with {taken:g}GiB" if steps else "no --shared-with"
    else:
        arguments = f"--free-memory {need >> 20}MiB"
    yield WayOut(f"needs {need / GIB:.1f} GiB free; {free / GIB:.1f} are", arguments, _result(found))


def _less(request: Request) -> Iterator[WayOut]:
    """Smaller context, fp8 KV cache, no CUDA graphs: what the same GPUs can still do."""
    tries: list[tuple[str, str, dict[str, Setting]]] = []
    if request.pin("max-model-len") is not None or request.model.max_context > SMALLEST_CONTEXT:
        longest = _longest_that_starts(request)
        if longest:
            tries.append((f"context of {longest} tokens", f"--max-model-len {longest}", _set("max-model-len", longest)))
    option = request.engine.options.get("kv-cache-dtype")
    if option is not None and request.pin("kv-cache-dtype") != "fp8":
        tries.append(("8-bit KV cache", "--kv-cache-dtype fp8", _set("kv-cache-dtype", "fp8")))
    full = request.engine.behaviour["default.gpu_memory_utilization"]
    if request.scenario.policy.gpu_memory_utilization not in {None, full}:
        share = Setting("gpu-memory-utilization", float(str(full)))
        tries.append(("the engine's own share of the GPU", f"--set {share.flag}={share.value}", {share.flag: share}))
    free = _share_of_free(request)
    if free is not None:
        tries.append(("the share of the GPU that is free", f"--set {free.flag}={free.value}", {free.flag: free}))
    tries.append(("smaller prefill steps", "--set max-num-batched-tokens=2048", _set("max-num-batched-tokens", 2048)))
    tries.append(("16-bit floats with a wide range", "--set dtype=bfloat16", _set("dtype", "bfloat16")))
    tries.append(("fewer requests at once", "--concurrency 1 --set max-num-seqs=1", _set("max-num-seqs", 1)))
    tries.append(("no CUDA graphs", "--set enforce-eager=true", _set("enforce-eager", True)))
    for change, arguments, settings in tries:
        kept = tuple(setting for setting in request.pinned if setting.flag not in settings)
        found = starting(replace(request, pinned=(*kept, *settings.values())))
        if found is not None:
            yield WayOut(change, arguments, _result(found))


def _share_of_free(request: Request) -> Setting | None:
    """The share that would be chosen, where the one that the user insists on is not free."""
    pinned = request.pin("gpu-memory-utilization")
    layout = layouts_of(request)[0]
    free = share_that_is_free(request, layout)
    if free is None or not isinstance(pinned, int | float) or pinned <= free:
        return None
    kept = tuple(setting for setting in request.pinned if setting.flag != "gpu-memory-utilization")
    share = choose_share(replace(request, pinned=kept), layout)
    return None if share is None else Setting("gpu-memory-utilization", share)


def _longest_that_starts(request: Request) -> int | None:
    """The longest context, in steps of 1024, that starts when nothing shorter was asked for."""
    kept = tuple(setting for setting in request.pinned if setting.flag != "max-model-len")

    def starts(steps: int) -> bool:
        length = Setting("max-model-len", steps * LENGTH_STEP)
        return starting(replace(request, pinned=(*kept, length))) is not None

    most = request.model.max_context // LENGTH_STEP
    steps = last_true(starts, most)
    return steps * LENGTH_STEP if steps else None


def last_true(test: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to ``most`` that passes a test which stops passing once; 0 when none does."""
    if most < 1 or not test(1):
        return 0
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if test(middle) else (low, middle - 1)
    return low


def _quantised(request: Request, siblings: Iterable[Model], online: Model | None) -> Iterator[WayOut]:
    publisher = request.model.id.partition("/")[0]
    told = 0
    for sibling in sorted(siblings, key=lambda model: (model.id.partition("/")[0] != publisher, model.id)):
        found = starting(replace(request, model=sibling)) if told < MOST_SIBLINGS else None
        if found is not None:
            told += 1
            yield WayOut(f"quantised checkpoint {sibling.id}", sibling.id, _result(found))
    if online is not None:
        found = starting(replace(request, model=online, pinned=(*request.pinned, Setting("quantization", "fp8"))))
        if found is not None:
            yield WayOut("quantise to fp8 while loading", "--quantization fp8", _result(found))


def _more_gpus(request: Request) -> Iterator[WayOut]:
    """The smallest number of the same GPUs that works: more in a node up to 8, then more nodes."""
    hardware = request.hardware
    counts = [(gpus, 1) for gpus in (2, 4, 8)] + [(MOST_NODE_GPUS, nodes) for nodes in (2, 4, 8)]
    for gpus, nodes in counts:
        if gpus * nodes <= hardware.gpus or gpus * nodes > MOST_GPUS:
            continue
        found = starting(replace(request, hardware=replace(hardware, gpus_per_node=gpus, nodes=nodes)))
        if found is not None:
            arguments = f"--gpus {gpus}" if nodes == 1 else f"--gpus {gpus} --nodes {nodes}"
            yield WayOut(f"{gpus * nodes} x {hardware.gpu.name}", arguments, f"{found.layout}; {_result(found)}")
            return


def _bigger_gpu(request: Request, gpus: Iterable[Gpu]) -> Iterator[WayOut]:
    """The smallest larger GPU that works in the same number; else in a node of eight, else in more nodes."""
    hardware = request.hardware
    larger = [gpu for gpu in gpus if gpu.total_memory > hardware.gpu.total_memory]
    for per_node, nodes in ((hardware.gpus_per_node, hardware.nodes), (8, 1), (8, 2), (8, 4)):
        for gpu in larger:
            board = replace(hardware.with_gpu(gpu), gpus_per_node=per_node, nodes=nodes)
            found = starting(replace(request, hardware=board))
            if found is not None:
                several = f" --gpus {per_node}" if board.gpus > 1 else ""
                arguments = f"--gpu {gpu.name}{several}{f' --nodes {nodes}' if nodes > 1 else ''}"
                yield WayOut(f"{board.gpus} x {gpu.name}", arguments, _result(found))
                return


def _set(flag: str, value: bool | int | str) -> dict[str, Setting]:  # noqa: FBT001 - the value of a setting
    return {flag: Setting(flag, value)}


def _result(candidate: Candidate) -> str:
    memory, resolved = candidate.memory, candidate.resolved
    kv = memory.part("KV cache").bytes / GIB
    return f"context {resolved.max_model_len}, {kv:.1f} GiB of KV cache, {_requests(candidate.holds)} at once"


def _requests(count: float) -> str:
    return "1 typical request" if round(count) == 1 else f"{count:.0f} typical requests"
