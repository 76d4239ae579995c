"""Rules about ranks: how many GPUs, and which ways of splitting go together.

Source: vLLM 0.33.0 config/parallel.py::ParallelConfig, config/model.py::verify_with_parallel_config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.switches import on, word

if TYPE_CHECKING:
    from llmtune.calc.validity import Claim

NODE_BACKENDS = frozenset({"mp", "uni", "external_launcher"})
PARALLEL_FLAGS = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")


def too_few_gpus(claim: Claim) -> str | None:
    """A replica's ranks against the GPUs of the node it has to stand on."""
    settings, resolved = claim.settings, claim.resolved
    world = resolved.tensor_parallel * resolved.pipeline_parallel
    there = claim.hardware.gpus_per_node
    spread = settings.text("distributed-executor-backend") == "ray" or settings.text("data-parallel-backend") == "ray"
    if spread or (settings.integer("nnodes") or 1) > 1:
        there = claim.hardware.gpus
    if world <= there:
        return None
    if spread or word(claim.engine, "validity.world_size") == "ray":
        return (
            f"The number of required GPUs exceeds the total number of available GPUs in the placement group ({world} "
            f"> {there})."
        )
    return (
        f"World size ({world}) is larger than the number of available GPUs ({there}) in this node. If this is "
        "intentional and you are using:\n- ray, set '--distributed-executor-backend ray'.\n- multiprocessing, set "
        "'--nnodes' appropriately."
    )


def too_few_replica_gpus(claim: Claim) -> str | None:
    """All data parallel replicas of one node against its GPUs: the engine finds out when a worker takes its device."""
    resolved, hardware = claim.resolved, claim.hardware
    world = resolved.tensor_parallel * resolved.pipeline_parallel
    local = claim.settings.integer("data-parallel-size-local")
    if claim.settings.has("data-parallel-rank"):
        local = 1
    there = hardware.gpus if local is None else hardware.gpus_per_node
    replicas = resolved.data_parallel if local is None else local
    return None if world * replicas <= there else "RuntimeError: CUDA error: invalid device ordinal"


def _at_least_one(claim: Claim) -> str | None:
    for flag in PARALLEL_FLAGS:
        value = claim.settings.integer(flag)
        if value is not None and value < 1:
            return f"{flag.replace('-', '_')}: Input should be greater than or equal to 1"
    return None


def _local_replicas(claim: Claim) -> str | None:
    local, replicas = claim.settings.integer("data-parallel-size-local"), claim.resolved.data_parallel
    if local is None or local <= replicas:
        return None
    return f"data_parallel_size_local ({local}) must be <= data_parallel_size ({replicas})"


def _external_balancing(claim: Claim) -> str | None:
    if not claim.settings.flag("data-parallel-external-lb") or claim.resolved.data_parallel > 1:
        return None
    return "data_parallel_external_lb can only be set when data_parallel_size > 1"


def _expert_balancing(claim: Claim) -> str | None:
    resolved = claim.resolved
    if not claim.settings.flag("enable-eplb"):
        redundant = claim.settings.mapping("eplb-config").get("num_redundant_experts")
        if not redundant:
            return None
        return (
            f"num_redundant_experts is set to {redundant} but EPLB is not enabled. Either enable EPLB or unset "
            "num_redundant_experts."
        )
    if not resolved.expert_parallel:
        return "enable_expert_parallel must be True to use EPLB."
    if resolved.tensor_parallel * resolved.data_parallel > 1:
        return None
    return (
        "EPLB requires tensor, prefill-context, or data parallelism, but got "
        f"TP={resolved.tensor_parallel}, PCP=1, DP={resolved.data_parallel}."
    )


def _context_ranks(claim: Claim) -> str | None:
    tensor, context = claim.resolved.tensor_parallel, claim.resolved.decode_context_parallel
    if tensor % context == 0 or claim.settings.has("prefill-context-parallel-size"):
        return None
    return f"tp_size={tensor} must be divisible by dcp_size={context}."


def _nodes(claim: Claim) -> str | None:
    nodes = claim.settings.integer("nnodes") or 1
    backend = claim.settings.text("distributed-executor-backend")
    if nodes > 1 and backend is not None and backend not in NODE_BACKENDS:
        return "nnodes > 1 can only be set when distributed executor backend is mp, uni or external_launcher."
    resolved = claim.resolved
    world = resolved.tensor_parallel * resolved.pipeline_parallel * resolved.data_parallel
    if nodes == 1 or world % nodes == 0:
        return None
    return (
        f"Invalid data-parallel launch options: `--nnodes {nodes}` must evenly divide the total world size ({world}). "
        "Adjust `--nnodes`, `--data-parallel-size`, `--pipeline-parallel-size`, `--tensor-parallel-size`, or "
        "`--prefill-context-parallel-size`."
    )


def _experts_to_share(claim: Claim) -> str | None:
    if not claim.resolved.expert_parallel or traits.is_moe(claim.model):
        return None
    return "Number of experts in the model must be greater than 0 when expert parallelism is enabled."


def _even_experts(claim: Claim) -> str | None:
    """EPLB moves experts between ranks that hold equally many (fused_moe/layer.py)."""
    resolved = claim.resolved
    if not claim.settings.flag("enable-eplb") or not resolved.expert_parallel:
        return None
    redundant = claim.settings.mapping("eplb-config").get("num_redundant_experts")
    extra = redundant if isinstance(redundant, int) else 0
    ranks = resolved.tensor_parallel * resolved.data_parallel
    odd = next((one.count + extra for one in traits.experts(claim.model) if (one.count + extra) % ranks), None)
    if odd is None:
        return None
    return (
        f"EPLB currently only supports even distribution of experts across ranks. Got {odd} experts and {ranks} EP "
        "ranks."
    )


def _stages(claim: Claim) -> str | None:
    """Encoder-decoders have no stages (config/model.py::verify_with_parallel_config: SupportsPP)."""
    if claim.resolved.pipeline_parallel == 1 or not traits.is_encoder_decoder(claim.model):
        return None
    return (
        "Pipeline parallelism is not supported for this model. Supported models implement the `SupportsPP` interface."
    )


def _grouped_query_context(claim: Claim) -> str | None:
    """Context parallelism of plain attention needs more ranks than KV heads."""
    tensor, context = claim.resolved.tensor_parallel, claim.resolved.decode_context_parallel
    kv_heads = claim.model.kv_heads
    if context == 1 or traits.uses_latents(claim.model) or not kv_heads:
        return None
    if not on(claim.engine, "validity.grouped_query_context_parallel"):
        return None
    if tensor <= kv_heads:
        return (
            f"Decode context parallelism for GQA/MQA requires `--tensor-parallel-size` ({tensor}) to be greater than "
            f"the model's total number of KV heads ({kv_heads}). Increase `--tensor-parallel-size` or set "
            "`--decode-context-parallel-size 1`."
        )
    most = tensor // kv_heads
    if context > most:
        return (
            f"`--decode-context-parallel-size` ({context}) exceeds the maximum supported value ({most}) for "
            f"`--tensor-parallel-size` ({tensor}) and {kv_heads} model KV heads."
        )
    queries = claim.model.heads // kv_heads
    if queries % context:
        return (
            f"The model's number of query heads per KV head ({queries}) must be divisible by "
            f"`--decode-context-parallel-size` ({context}) for GQA/MQA."
        )
    return None


RULES = (_at_least_one, _local_replicas, _external_balancing, _expert_balancing, _context_ranks, _nodes)
MODEL_RULES = (_experts_to_share, _even_experts, _stages, _grouped_query_context)
