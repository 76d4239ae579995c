"""The reason for every setting of a recommendation, and the sampling defaults that leave with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.sharing import charges_others, highest_share, taken_by_others, taken_by_server
from llmtune.calc.traits import generates, is_moe
from llmtune.spec.deployment import Setting
from llmtune.spec.recommendation import Reason

if TYPE_CHECKING:
    from llmtune.calc.candidates import Candidate, Request
    from llmtune.spec.deployment import Deployment, Value

GIB = 2**30
NEARLY_ALL = 0.98  # share of free memory from which nobody else is worth a word
SAMPLING = "override-generation-config"
PLAIN = {  # settings that have one reason, whatever the numbers
    "allow-deprecated-quantization": "the engine wants it said: a later release will not load this checkpoint's format",
    "distributed-executor-backend": "one server over several nodes runs on Ray",
    "dtype": "this GPU has no bfloat16, and the release does not fall back by itself",
    "trust-remote-code": "the checkpoint brings its own Python code, without which it does not load",
}


def sampling_settings(request: Request) -> tuple[Setting, ...]:
    """What the scenario adds beside memory and layout: sampling defaults, prefix caching, chunked prefill."""
    options, policy = request.engine.options, request.scenario.policy
    settings: list[Setting] = []
    wishes = (("enable-prefix-caching", policy.prefix_caching), ("enable-chunked-prefill", policy.chunked_prefill))
    for flag, wish in wishes:
        if wish is not None and flag in options and request.pin(flag) is None and not _is_default(request, flag, wish):
            settings.append(Setting(flag, wish))
    sampling: dict[str, Value] = {entry.name: entry.value for entry in request.scenario.sampling}
    if sampling and generates(request.model) and SAMPLING in options and request.pin(SAMPLING) is None:
        settings.append(Setting(SAMPLING, sampling))
    return tuple(settings)


def _is_default(request: Request, flag: str, wish: bool) -> bool:  # noqa: FBT001 - the value of a switch
    """Whether the release does by itself what the scenario wishes; models it would not do it for keep their default."""
    if flag == "enable-prefix-caching":
        return bool(request.engine.behaviour.get("default.prefix_caching", True)) == wish
    return bool(request.engine.behaviour.get("default.chunked_prefill", True)) == wish


def explain(request: Request, candidate: Candidate, deployment: Deployment) -> tuple[Reason, ...]:
    """A sentence for every setting, with the numbers it rests on."""
    pinned = {setting.flag for setting in request.pinned}
    return tuple(
        Reason(setting.flag, "set by you" if setting.flag in pinned else _reason(setting, request, candidate))
        for setting in deployment.settings
    )


def _reason(setting: Setting, request: Request, candidate: Candidate) -> str:  # noqa: PLR0911 - one for each flag
    scenario, memory = request.scenario, candidate.memory
    said = scenario.reasons.get(setting.flag.replace("-", "_"), "")
    match setting.flag:
        case "tensor-parallel-size" | "pipeline-parallel-size" | "enable-expert-parallel":
            return _layout_reason(setting.flag, request, candidate)
        case "data-parallel-size":
            each = candidate.layout.gpus // candidate.layout.data
            if is_moe(request.model):
                return f"attention and KV cache in {candidate.layout.data} replicas, which share the experts"
            return (
                f"{candidate.layout.data} replicas, {each} GPU{'s' if each > 1 else ''} each: the model needs no more"
            )
        case "max-model-len":
            return _length_reason(request, candidate)
        case "max-num-seqs":
            shared = f", {candidate.layout.data} replicas share them" if candidate.layout.data > 1 else ""
            wanted = f"{scenario.workload.concurrency} requests expected{shared}"
            kv = memory.kv
            room = f", the KV cache holds {candidate.holds:.0f} typical ones" if kv is not None and kv.groups else ""
            return f"{wanted}{room}{f'; {said}' if said else ''}"
        case "max-num-batched-tokens" if not candidate.resolved.chunked_prefill:
            return "prompts are not cut into steps here, so one step must hold the longest"
        case "gpu-memory-utilization":
            return _free_reason(request, candidate) or said or _share_reason(request, candidate)
        case "kv-cache-dtype":
            expected = scenario.workload.concurrency
            return f"8 bit holds {candidate.holds:.0f} typical requests, 16 bit about half; {expected} are expected"
        case "override-generation-config":
            return "; ".join(f"{entry.name} {entry.value:g}: {entry.reason}" for entry in scenario.sampling)
        case _:
            other = f"chosen for {scenario.title.lower()} ({memory.total / GIB:.1f} GiB GPU)"
            return PLAIN.get(setting.flag) or said or other


def _layout_reason(flag: str, request: Request, candidate: Candidate) -> str:
    layout, weights = candidate.layout, candidate.memory.part("weights").bytes / GIB
    if flag == "enable-expert-parallel":
        if layout.data > 1:
            return "the replicas share whole experts instead of slices of every one"
        return "slices of single experts do not divide by this many GPUs; whole experts do"
    if flag == "pipeline-parallel-size":
        return f"{layout.pipeline} stages of layers: {weights:.1f} GiB of weights on the fullest GPU"
    if request.scenario.policy.aim == "latency":
        return f"{layout.tensor} GPUs work on every token together; {weights:.1f} GiB of weights on each"
    return f"the smallest split that holds the workload: {weights:.1f} GiB of weights on each GPU"


def _length_reason(request: Request, candidate: Candidate) -> str:
    work, length = request.scenario.workload, candidate.resolved.max_model_len
    need = f"{work.prompt.p95} prompt + {work.output.p95} output tokens at the 95th percentile"
    if length < work.context:
        limit = request.model.default_context or request.model.max_context
        return f"{need} would need {work.context}; {'the model ends' if length >= limit else 'memory ends'} at {length}"
    said = request.scenario.reasons.get("max_model_len", "")
    return f"{need}{f'; {said}' if said else ''}"


def _free_reason(request: Request, candidate: Candidate) -> str:
    """Where others hold memory and that decides the share: how much is free. Otherwise nothing."""
    hardware, share = request.hardware, candidate.resolved.gpu_memory_utilization
    highest = highest_share(candidate.resolved, hardware, request.engine)
    total = hardware.gpu.total_memory
    if highest is None or share < highest - 0.02 or taken_by_others(hardware).high < (1 - NEARLY_ALL) * total:
        return ""
    server = taken_by_server(candidate.resolved, hardware, request.engine).bytes / GIB
    before = f"{server:.1f} GiB of that are gone before the engine compares them with its budget"
    if hardware.gpu_share is not None:
        return f"this server may use {hardware.gpu_share * total / GIB:.1f} of {total / GIB:.1f} GiB; {before}"
    if hardware.free_memory is not None:
        return f"{hardware.free_memory / GIB:.1f} GiB are free, others hold the rest; {before}"
    free = (total - taken_by_others(hardware).high) / GIB
    return f"the system uses the same memory: {free:.1f} of {total / GIB:.1f} GiB are counted on; {before}"


def _share_reason(request: Request, candidate: Candidate) -> str:
    hardware, share = request.hardware, candidate.resolved.gpu_memory_utilization
    total, others = hardware.gpu.total_memory, taken_by_others(hardware).bytes
    rest = f"{(1 - share) * total / GIB:.1f} GiB for the CUDA context, graphs and headroom"
    if others < (1 - NEARLY_ALL) * total:
        return f"leaves {rest}"
    if charges_others(candidate.resolved, request.engine):
        return f"of all that is in use, the {others / GIB:.1f} GiB of others included; leaves {rest}"
    rest = f"{((1 - share) * total - others) / GIB:.1f} GiB for the CUDA context, graphs and headroom"
    return f"leaves {others / GIB:.1f} GiB to others and {rest}"
