"""The longest context a config.json allows, as vLLM derives it, and the sizes of its tables and patches.

Source: vLLM 0.33.0 config/model.py::_get_and_verify_max_len and transformers_utils/model_arch_config_convertor.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LENGTH_KEYS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
NOT_MULTIPLIED = frozenset({"default", "su", "longrope", "llama3", "mrope", "proportional"})
YARN = frozenset({"yarn", "deepseek_yarn", "deepseek_llama_scaling"})
FALLBACK = 2048  # what the engine assumes, with a warning, when no key is there


def context_lengths(config: Mapping[str, Any]) -> tuple[int, int, int | None]:
    """Longest context, the default one, and the longest of releases that multiply by the YaRN factor (to 0.29).

    The default is shorter than the longest for LongRoPE models, where the engine starts with the original length, and
    for RoBERTa, where it starts with the tokenizer's.
    """
    text = _text_part(config)
    lengths = [value for key in LENGTH_KEYS if isinstance(value := text.get(key), int) and value > 0]
    longest = min(lengths, default=FALLBACK)
    if isinstance(preferred := text.get("model_max_length"), int) and preferred > 0:
        longest = preferred
    default, yarn, factor = longest - _unused_positions(text), None, 1.0
    gemma3 = "gemma3" in str(config.get("model_type", ""))
    for rope in () if gemma3 else _ropes(text):
        kind = str(rope.get("rope_type") or rope.get("type") or "default")
        scale = rope.get("factor") or 1.0
        if kind in YARN:
            yarn = int((rope.get("original_max_position_embeddings") or longest) * scale)
        elif kind == "longrope":
            original = text.get("original_max_position_embeddings") or rope.get("original_max_position_embeddings")
            default = original if isinstance(original, int) else longest
        elif kind not in NOT_MULTIPLIED:
            factor = float(scale)
    return int(longest * factor), int(default * factor), yarn


def rotary_rows(config: Mapping[str, Any]) -> int:
    """Positions of all rotary tables together: one table for each kind of rotation that the layers have.

    Linear and dynamic scaling make a table longer by their factor, YaRN one of the original length times its factor.
    Source: vLLM 0.33.0 model_executor/layers/rotary_embedding/*.py::_compute_cos_sin_cache.

    Example:
        Gemma 3 has 131,072 positions for its windows, and 8 x 131,072 for the layers without: 1,179,648.

    """
    text = _text_part(config)
    positions = text.get("max_position_embeddings")
    if not isinstance(positions, int):
        return 0
    tables = [_rows_of(rope, positions) for rope in _ropes(text)] or [positions]
    if "rope_local_base_freq" in text or ("gemma3" in str(config.get("model_type", "")) and len(tables) == 1):
        tables.append(positions)
    return sum(tables)


def _rows_of(rope: Mapping[str, Any], positions: int) -> int:
    kind = str(rope.get("rope_type") or rope.get("type") or "default")
    factor = float(rope.get("factor") or 1.0)
    original = rope.get("original_max_position_embeddings") or positions
    if kind in YARN:
        return int(original * factor)
    if kind in {"linear", "dynamic"}:
        return int(positions * factor)
    return positions + original if kind == "longrope" else positions


def patch_values(config: Mapping[str, Any]) -> int:
    """Numbers of one patch as it enters the vision tower: 588 for 14 x 14 pixels of three colours."""
    vision = config.get("vision_config")
    if not isinstance(vision, dict):
        return 0
    side = vision.get("patch_size")
    channels = vision.get("in_channels", vision.get("in_chans", vision.get("num_channels", 3)))
    frames = vision.get("temporal_patch_size", 1)
    if not (isinstance(side, int) and isinstance(channels, int) and isinstance(frames, int)):
        return 0
    return side**2 * channels * frames


def _unused_positions(text: Mapping[str, Any]) -> int:
    """Positions that RoBERTa leaves out: it counts from behind the padding id. Its tokenizers say the same limit."""
    if "roberta" not in str(text.get("model_type", "")):
        return 0
    padding = text.get("pad_token_id")
    return 1 + (padding if isinstance(padding, int) else 1)


def _text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("text_config", "llm_config", "language_config", "thinker_config"):
        inner = config.get(key)
        if isinstance(inner, dict):
            return _text_part(inner) if "text_config" in inner else {**config, **inner}
    return config


def _ropes(text: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, dict):
        return
    nested = [value for value in rope.values() if isinstance(value, dict)]
    yield from nested or [rope]
