"""``--format json``: one document with a versioned schema (docs/reference/json.md). Sizes in bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmtune.reports.settings import resolved_settings

if TYPE_CHECKING:
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.memory import Memory
    from llmtune.spec.recommendation import Advice, Estimate

ESTIMATE = "llmtune/estimate/1"
RECOMMENDATION = "llmtune/recommendation/1"
PARTS = {
    "weights": "weights_bytes",
    "KV cache": "kv_cache_bytes",
    "activations": "activation_bytes",
    "persistent buffers": "persistent_bytes",
    "CUDA graphs": "cuda_graph_bytes",
    "non-torch": "non_torch_bytes",
    "other processes": "other_processes_bytes",
    "unused": "unused_bytes",
}


def estimate(result: Estimate) -> str:
    """An estimate as a document."""
    return dump({"schema": ESTIMATE, **describe(result)})


def advice(result: Advice) -> str:
    """A recommendation as a document; ``estimate`` inside has the form of an estimate's own."""
    from llmtune.reports.ranking_json import ranking  # noqa: PLC0415 - it uses this module

    answer = result.recommendation
    deployment = answer.deployment
    return dump(
        {
            "schema": RECOMMENDATION,
            "model": {"id": result.estimate.model.id},
            "scenario": result.scenario.name,
            "feasible": deployment is not None,
            "settings": {
                setting.flag: {"value": setting.value, "reason": reason.text}
                for setting, reason in zip(deployment.settings, answer.reasons, strict=True)
            }
            if deployment
            else {},
            "environment": dict(deployment.environment) if deployment else {},
            "rejected": [{"candidate": one.candidate, "why": one.why} for one in answer.rejected],
            "ways_out": [
                {"change": way.change, "arguments": way.arguments, "result": way.result} for way in answer.ways_out
            ],
            **ranking(answer),
            "estimate": describe(result.estimate),
        }
    )


def describe(result: Estimate) -> dict[str, Any]:
    """The fields of an estimate."""
    memory = result.memory
    return {
        "model": {
            "id": result.model.id,
            "architecture": result.model.architecture,
            "parameters": result.model.parameters,
            "quantization": result.model.quantization,
            "source": result.model.source,
        },
        "engine_version": result.engine.release,
        "hardware": _hardware(result.hardware),
        "settings": {
            flag: {"value": value, "origin": origin}
            for flag, (value, origin) in resolved_settings(result.deployment, result.resolved).items()
        },
        "memory": {
            "per_gpu": _per_gpu(memory),
            "interval": {"kv_cache_bytes": [memory.kv_low, memory.kv_high]},
            "parts": [
                {"name": part.name, "bytes": part.bytes, "low": part.low, "high": part.high, "why": part.why}
                for part in memory.parts
            ],
            "rank": memory.rank,
            "weights_bytes_by_stage": list(memory.stage_weights),
        },
        "kv_cache": _kv_cache(memory),
        "fits": memory.fits,
        "verdict": memory.verdict,
        "decided_by": memory.doubt or None,
        "failure": memory.failure.kind if memory.failure else None,
        "engine_message": memory.failure.engine_message if memory.failure else None,
        "max_model_len_that_fits": memory.max_model_len_that_fits,
        "assumptions": list(result.assumptions),
        "warnings": list(result.warnings),
    }


def _per_gpu(memory: Memory) -> dict[str, int]:
    sizes = dict.fromkeys(PARTS.values(), 0)
    for part in memory.parts:
        sizes[PARTS[part.name]] += part.bytes
    return {"total_bytes": memory.total, "budget_bytes": memory.budget, **sizes}


def _kv_cache(memory: Memory) -> dict[str, Any] | None:
    kv = memory.kv
    if kv is None:
        return None
    return {
        "groups": [
            {
                "kind": group.kind,
                "engine_type": group.engine_type,
                "layers": group.layers,
                "page_bytes": group.page_bytes,
                "block_size": group.block_size,
                "blocks_per_request": group.blocks_per_request,
            }
            for group in kv.groups
        ],
        "bytes_per_block": kv.bytes_per_block,
        "num_blocks": kv.num_blocks,
        "tokens": kv.tokens,
        "max_concurrency": kv.max_concurrency,
        "block_size": kv.block_size,
        "needed_bytes": kv.needed_bytes,
    }


def _hardware(hardware: Hardware) -> dict[str, Any]:
    gpu = hardware.gpu
    return {
        "gpu": gpu.name,
        "product": gpu.product,
        "gpus_per_node": hardware.gpus_per_node,
        "nodes": hardware.nodes,
        "total_memory_bytes": gpu.total_memory,
        "free_memory_bytes": hardware.free_memory,
        "compute_capability": gpu.capability or None,
        "origin": hardware.origin,
    }


def dump(document: dict[str, Any]) -> str:
    """The text of a document."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
