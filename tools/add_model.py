"""Reduce a published config.json to the facts the catalog needs and write the model's file.

    python tools/add_model.py ID CONFIG_JSON [--quant HF_QUANT_JSON] --source TEXT --kind published
    python tools/add_model.py ID CONFIG_JSON --same-as OTHER_ID --source TEXT
    python tools/add_model.py ID --same-as OTHER_ID --source TEXT

The file is ``src/llmtune/catalog/data/models/<org>--<name>.json``. With ``--same-as`` it holds only
the top-level keys whose values differ from the other model's; a key that the other model has and
this one lacks is written as null.

A drop-list, not a keep-list: a key that nobody has seen before stays in the file, because it may be
the one that changes a size. What is dropped neither has a shape nor sets a limit. The groups are
in ``DROPPED``, each with its reason.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parent.parent / "src/llmtune/catalog/data/models"
KINDS = ("published", "copied", "rebuilt")
DATE = "2026-11"
LINE = 110

DROPPED = {
    "token ids and tokenizer bookkeeping": """
        *_token_id *_token_ids *_token_index *_placeholder ignore_index pad_id prefix
        image_token audio_token video_token added_tokens tokenizer_class tokenizer_file
        suppress_tokens begin_suppress_tokens forced_decoder_ids""",
    "initialisation and training": """
        *initializer* init_std init_method* *dropout* *dropprob* *_pdrop *aux_loss* seq_aux
        *jitter* *z_loss* pretraining_tp gradient_checkpointing rescale_prenorm_residual
        num_reward_heads label_smoothing* classifier_dropout apply_spec_augment mask_time_*
        mask_feature_* load_balance_coeff""",
    "numerics without a shape": """
        *_eps *_epsilon eps hidden_act hidden_activation activation_function activation_func
        activation act_fn projector_hidden_act mamba_hidden_act *softcap* query_pre_attn_scalar
        *_scaling_factor norm_topk_prob n_group topk_group score_func scoring_func *router_dtype
        swiglu_* *_multiplier *_multipliers logit_scale logits_scaling attention_value_scale
        scale_attention_softmax_in_fp32 scale_attn_* scale_emb scale_embedding scale_depth
        attention_softmax_in_fp32 residual_in_fp32 residual_in_float32 hc_sinkhorn_iters
        time_step_floor time_step_limit time_step_max time_step_min time_step_scale
        time_step_init_scheme mamba_norm_before_gate apply_residual_connection_post_layernorm
        use_gemma_norm""",
    "rotary bases and shapes of the curve (they move no limit)": """
        rope_theta *_rope_theta rope_theta_* rotary_emb_base rope_local_base_freq
        rope_interleave* *_rope_interleave rotary_emb_scale_base rotary_emb_interleaved
        long_factor short_factor beta_fast beta_slow attention_factor mscale mscale_all_dim
        truncate""",
    "generation defaults and outputs": """
        return_dict* output_attentions output_hidden_states output_router_logits output_scores
        use_cache cache_implementation num_logits_to_keep temperature top_k top_p typical_p
        num_beams num_beam_groups diversity_penalty length_penalty repetition_penalty
        encoder_no_repeat_ngram_size no_repeat_ngram_size exponential_decay_length_penalty
        do_sample early_stopping max_length min_length bad_words_ids num_return_sequences
        remove_invalid_values task_specific_params finetuning_task problem_type id2label label2id
        summary_* is_decoder cross_attention_hidden_size chunk_size_feed_forward""",
    "library bookkeeping": """
        _* auto_map transformers_version transformers.js_config torchscript tf_legacy_loss
        use_bfloat16 pruned_heads tie_encoder_decoder attn_implementation use_flash_attn
        flash_attn use_mamba_kernels ep_size moe_shared_expert_overlap model_version unsloth_*""",
    "pictures and sound: no weight, no token count": """
        process_image_mode tokens_per_second position_id_per_seconds enable_audio_output""",
    "parts that vLLM never builds (the talker and the vocoder of Qwen-Omni)": """
        talker_config code2wav_config""",
}
"""Key patterns (shell style) left out at every depth, by reason."""

DROPPED_IN_QUANTIZATION = """
    observer observer_kwargs *compression_ratio version meta dataset tokenizer
    damp_percent true_sequential static_groups batch_size exllama* use_exllama* disable_exllama
    use_cuda_fp16 model_name_or_path model_file_base_name model_seqlen max_input_length
    module_name_preceding_first_block pad_token_id _load_in_* transformers_version"""
"""Key patterns left out of a quantization config: how a checkpoint was made, not what it stores."""

NOTHING_IF_NULL = """
    architectures dtype torch_dtype rope_scaling rope_parameters quantization_config"""
"""Keys for which null says the same as absence in every family. Other nulls stay: a null
sliding_window or q_lora_rank overrides a number that the family would assume."""

NOTHING_IF_FALSE = "is_encoder_decoder add_cross_attention"
"""Keys for which false says the same as absence in every family."""


def matches(key: str, patterns: str) -> bool:
    """Say whether ``key`` fits one of the shell-style ``patterns``, which white space separates."""
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns.split())


def says_nothing(key: str, value: Any) -> bool:
    """Say whether leaving ``key`` out changes no fact that the catalog needs."""
    if value is None and matches(key, NOTHING_IF_NULL):
        return True
    if value is False and matches(key, NOTHING_IF_FALSE):
        return True
    return any(matches(key, patterns) for patterns in DROPPED.values())


def reduce_quantization(value: Any) -> Any:
    """Leave out of a quantization config what does not decide a stored size."""
    if isinstance(value, list):
        return [reduce_quantization(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: reduce_quantization(item) for key, item in value.items() if not matches(key, DROPPED_IN_QUANTIZATION)}


def reduce_rope(value: dict[str, Any]) -> dict[str, Any]:
    """Leave the rotary facts that move the maximum length; nothing for the plain rotation."""
    kept = reduce_config(value)
    plain = set(kept) <= {"rope_type", "type"} and set(kept.values()) <= {"default", "axial"}
    return {} if plain else kept


def reduce_config(config: dict[str, Any]) -> dict[str, Any]:
    """Reduce a config.json, its nested parts included, to structure, limits and quantization.

    The older spelling torch_dtype is written as dtype, so that one file can override another.

    >>> reduce_config({"hidden_size": 64, "bos_token_id": 1, "rope_scaling": None})
    {'hidden_size': 64}
    """
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if says_nothing(key, value):
            continue
        if key == "quantization_config":
            kept[key] = reduce_quantization(value)
        elif key in {"rope_scaling", "rope_parameters"} and isinstance(value, dict):
            kept |= {key: rope} if (rope := reduce_rope(value)) else {}
        elif isinstance(value, dict):
            kept |= {key: part} if (part := reduce_config(value)) else {}
        else:
            kept["dtype" if key == "torch_dtype" else key] = value
    return kept


def subtract(config: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """List the top-level keys of ``config`` that differ from ``base``; null for those it lacks."""
    changed = {key: value for key, value in config.items() if key not in base or base[key] != value}
    return changed | {key: None for key in base if key not in config}


def dump(value: Any, indent: int = 0) -> str:
    """Write JSON with one key per line and lists of plain values wrapped on few lines."""
    pad = " " * (indent + 1)
    if isinstance(value, dict) and value:
        lines = [f"{pad}{json.dumps(key)}: {dump(item, indent + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        lines = [pad + dump(item, indent + 1) for item in value]
        return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, list) or len(text) <= LINE:
        return text
    rows = [""]
    for number, item in enumerate(value):
        part = json.dumps(item, ensure_ascii=False) + (", " if number < len(value) - 1 else "")
        if rows[-1] and len(rows[-1]) + len(part) > LINE:
            rows.append("")
        rows[-1] += part
    return "[\n" + "\n".join(pad + row.rstrip() for row in rows) + "\n" + " " * indent + "]"


def file_of(model: str) -> Path:
    """Name the catalog file of ``org/name``."""
    org, _, name = model.partition("/")
    if not org or not name or "/" in name:
        message = f"error: {model!r} is not of the form org/name"
        raise SystemExit(message)
    return MODELS / f"{org}--{name}.json"


def config_of(model: str) -> dict[str, Any]:
    """Read the config of a model in the catalog, through its own same_as."""
    entry = json.loads(file_of(model).read_text(encoding="utf-8"))
    base = config_of(entry["same_as"]) if "same_as" in entry else {}
    merged: dict[str, Any] = base | entry.get("config", {})
    return merged


def build_entry(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the catalog entry that the command line asks for."""
    config: dict[str, Any] = {}
    if arguments.config is not None:
        config = reduce_config(json.loads(arguments.config.read_text(encoding="utf-8")))
    entry: dict[str, Any]
    if arguments.same_as:
        changed = subtract(config, config_of(arguments.same_as)) if config else {}
        entry = {"same_as": arguments.same_as, "source": arguments.source}
        entry |= {"config": changed} if changed else {}
    else:
        entry = {
            "source": arguments.source,
            "kind": arguments.kind,
            "parameters": arguments.parameters,
            "date": DATE,
            "config": config,
        }
    if arguments.quant is not None:
        quant = json.loads(arguments.quant.read_text(encoding="utf-8"))
        entry["quantization"] = reduce_quantization(quant)
    return entry


def main() -> None:
    """Parse the command line and write one file."""
    parser = argparse.ArgumentParser(description="Add a model to the catalog.")
    parser.add_argument("id", help="org/name, in the case the publisher uses")
    parser.add_argument("config", type=Path, nargs="?", help="the model's config.json")
    parser.add_argument("--quant", type=Path, help="the model's hf_quant_config.json")
    parser.add_argument("--same-as", help="write only what differs from this model of the catalog")
    parser.add_argument("--source", required=True, help="where the facts come from")
    parser.add_argument("--kind", choices=KINDS, help="how far the config is from its publisher")
    parser.add_argument("--parameters", type=int, help="published parameter count, all parts")
    arguments = parser.parse_args()
    if not arguments.same_as and (arguments.config is None or arguments.kind is None):
        parser.error("CONFIG_JSON and --kind are needed unless --same-as is given")
    target = file_of(arguments.id)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(dump(build_entry(arguments)) + "\n", encoding="utf-8")
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main()
