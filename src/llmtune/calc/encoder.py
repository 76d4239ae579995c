"""The vision or audio tower while the engine profiles: one batch of the largest items, before the language model.

    tokens    = of the largest item that fits the context: an image, or a video where that has more
    items     = as many as the budget max(T, tokens) holds, and no more than the requests that run at once have
    encoder   = b P (2 H_v + widest tower layer)      P patches of all items
    kept      = b items tokens H                      the outputs stay until the language model has read them;
                                                      0.11 and 0.12 pad each of them to the whole budget, and
                                                      runner v1 keeps the pixels as well

v0 encodes one item of every kind for each sequence of its profile run; encoder-decoders one for each of S requests.
Source: vLLM 0.33.0 multimodal/encoder_budget.py::MultiModalBudget, v1/worker/gpu_model_runner.py::profile_run; 0.8.5
worker/model_runner.py::profile_run, inputs/registry.py::dummy_data_for_profiling.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.constant import NOTHING, Constant, Range, exactly, times
from llmtune.calc.switches import on
from llmtune.spec.record import dataclass
from llmtune.spec.weights import Linear, Shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.model import Model

ENCODED = Constant(
    1, 0.75, 1.5, "of the tensors alive in an encoder's widest layer",
    "Llama-3.2-11B-Vision, S 128, 0.6.6: 36.63 GiB measured, 35.21 with 1 (that release has the pixels twice: 36.35); "
    "counted in mllama.py::MllamaVisionModel.forward",
)  # fmt: skip
UNKNOWN_PATCHES = Constant(
    4,
    1,
    4,
    "patches per encoded token",
    "merge of 2 x 2 patches, the most common; for towers whose items are not known",
)
WIDE_DTYPES = frozenset({"float32"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What is encoded at once, over all items: their tokens, the tower's patches, and the rows that are kept."""

    tokens: int
    patches: int
    kept: int = 0


def element_bytes(resolved: Resolved) -> int:
    """Bytes of one activation."""
    return 4 if resolved.dtype in WIDE_DTYPES else 2


def encoder(model: Model, resolved: Resolved, engine: EngineVersion) -> Range:
    """Bytes of the tower while it encodes, its outputs included."""
    linears = [module for module in model.towers if isinstance(module, Linear)]
    batch = encoder_batch(model, resolved, engine)
    if not linears or not batch.tokens:
        return NOTHING
    ranks = 1 if resolved.mm_encoder_tp_mode == "data" else resolved.tensor_parallel
    width = tower_width(linears, ranks)
    if _encodes_for_all(model, resolved):
        return times(ENCODED, element_bytes(resolved) * batch.patches * (width + model.encoder_width))
    alive = ENCODED if model.item_tokens else UNKNOWN_PATCHES
    return times(alive, element_bytes(resolved) * batch.patches * width) + encoder_cache(model, resolved, engine)


def encoder_cache(model: Model, resolved: Resolved, engine: EngineVersion) -> Range:
    """Bytes of what the encoder made, which the language model has not read yet; runner v1 keeps the pixels as long.

    Example:
        Gemma-3-27b, T 8192: 8192 x 5376 outputs, and 32 pictures of 896 x 896 x 3 pixels, which are 0.14 GiB.

    """
    batch = encoder_batch(model, resolved, engine)
    pixels = batch.patches * model.patch_values if resolved.runner == "v1" else 0
    return exactly(element_bytes(resolved) * ((batch.kept or batch.tokens) * model.hidden + pixels))


def encoder_batch(model: Model, resolved: Resolved, engine: EngineVersion) -> Batch:
    """The batch of the profile run.

    Example:
        Qwen2.5-VL with T 2048 and 8192 tokens of context: one image of 16,384 tokens and 65,536 patches.

    """
    if not model.multimodal or resolved.language_model_only or not resolved.mm_profiling:
        return Batch(0, 0)
    if resolved.runner == "v2" and not on(engine, "memory.v2_encodes"):
        return Batch(0, 0)
    if _encodes_for_all(model, resolved):
        return Batch(resolved.max_num_seqs * model.encoder_tokens, resolved.max_num_seqs * model.encoder_tokens)
    budget = resolved.max_num_batched_tokens
    image, video = Batch(model.item_tokens, model.item_patches), _video(model, resolved)
    if not image.tokens:
        return Batch(budget, budget)
    if resolved.runner == "v0":
        every = Batch(image.tokens + video.tokens, image.patches + video.patches)
        return _of_items(every, max(1, min(resolved.max_num_seqs, budget // every.tokens)))
    item = video if video.tokens >= image.tokens else image
    most = resolved.max_num_seqs * max(1, resolved.max_model_len // item.tokens)
    budget = max(budget, item.tokens)
    count = max(1, min(budget // item.tokens, most))
    padded = count * budget if on(engine, "memory.encoder_padded") else 0
    return replace(_of_items(item, count), kept=padded)


def _of_items(item: Batch, count: int) -> Batch:
    return Batch(item.tokens * count, item.patches * count)


def _video(model: Model, resolved: Resolved) -> Batch:
    """The longest video that the context holds, of models whose videos grow with it."""
    if model.video_step is None:
        return Batch(0, 0)
    tokens, patches, most = model.video_step
    steps = max(1, min(resolved.max_model_len // tokens, most))
    return Batch(tokens * steps, patches * steps)


def _encodes_for_all(model: Model, resolved: Resolved) -> bool:
    """Whether v0 profiles an encoder-decoder: the largest item for each of S requests.

    Source: vLLM 0.8.5 worker/enc_dec_model_runner.py::EncoderDecoderModelRunner.profile_run.
    """
    return resolved.runner == "v0" and bool(model.encoder_tokens)


def tower_width(linears: Sequence[Linear], ranks: int) -> int:
    """Numbers that a patch has at once: residual and input, and the widest block's outputs and last input.

    A block ends where a layer leads back to the tower's own width.
    """
    hidden = Counter(module.inputs for module in linears).most_common(1)[0][0]
    widest = outputs = 0
    for module in linears:
        ends = module.shard is Shard.ROW or (module.shard is Shard.NONE and module.size == hidden)
        split = 1 if module.shard is Shard.NONE else ranks
        if ends:
            widest = max(widest, outputs + -(-module.inputs // split))
            outputs = 0
        else:
            outputs += -(-module.size // split)
    return 2 * hidden + max(widest, outputs)
