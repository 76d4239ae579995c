"""Recurrent states: their bytes, the blocks they hold, and how attention blocks are stretched to their size.

All layers of a hybrid model draw blocks from one pool, so a block of attention must be as large as a state. vLLM makes
the attention block long enough and pads the state's page to match.
Source: vLLM 0.33.0, ``platforms/interface.py::_align_hybrid_block_size``,
``model_executor/layers/mamba/mamba_utils.py`` and ``mamba/abstract.py::MambaBase.get_kv_cache_spec``.
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING

from llmtune.calc.attention_rules import BLACKWELL, BLACKWELL_CONSUMER, HOPPER
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.calc.attention_backend import Backend
    from llmtune.calc.attention_rules import Site
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.model import Model, State, StateSpace

ELEMENT = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes
LATENT_BLOCK = 128  # tokens: MLA kernels want physical blocks in steps of 128 next to recurrent states
CHECKPOINT_STEP = 64  # tokens: FlashInfer's delta net exports states there (v1/attention/backends/gdn_attn.py)
NEWEST = frozenset({HOPPER, BLACKWELL, BLACKWELL_CONSUMER})  # where FlashInfer and FlashKDA prefill run


@dataclass(frozen=True, slots=True)
class AttentionSide:
    """The attention layers of a hybrid: their block size so far, bytes of one token in one layer, and backends.

    ``one_token`` is 0 and ``backends`` empty for models without attention. ``latent``: the layers are MLA.
    """

    block_size: int
    one_token: int
    backends: tuple[Backend, ...]
    latent: bool


@dataclass(frozen=True, slots=True)
class StateLayout:
    """How recurrent states lie in the pool.

    ``page_bytes`` is what every state is padded to, 0 when nothing is padded. ``blocks`` a request holds by kind.
    """

    block_size: int  # tokens of an attention block
    state_block: int  # tokens of a state's block
    page_bytes: int
    own_bytes: Mapping[StateSpace, int]
    blocks: Mapping[str, int]
    every_block: bool = False


def align_states(
    states: Sequence[StateSpace], attention: AttentionSide, *, model: Model, resolved: Resolved, site: Site
) -> StateLayout:
    """Stretch the attention block over the largest state and pad the states to it.

    Worked example (Qwen3.5-27B, one rank): the state takes 3 x 10240 x 2 + 48 x 128 x 128 x 4 = 3,207,168 bytes,
    attention 2 x 4 x 256 x 2 = 4096 a token, so 784 tokens (49 x 16) hold it: 3,211,264 bytes. With checkpoints every
    64 tokens the block is 832.
    """
    own = {state: sum(state_bytes(part, resolved, model) for part in state.states) for state in states}
    blocks = {state.kind: _blocks_held(state.kind, resolved, site) for state in states}
    mode, block_size, page_bytes = resolved.mamba_cache_mode, attention.block_size, 0
    if attention.backends:
        aligned = mode == "align" and all(_exports_states(state.kind, site) for state in states)
        block_size = _stretch(attention, max(own.values()), CHECKPOINT_STEP if aligned else 1)
        page_bytes = block_size * attention.one_token
    return StateLayout(
        block_size=block_size,
        state_block=resolved.max_model_len if mode == "none" else block_size,
        page_bytes=page_bytes,
        own_bytes=own,
        blocks=blocks,
        every_block=mode == "all",
    )


def _stretch(attention: AttentionSide, state: int, checkpoint_step: int) -> int:
    """The fewest tokens whose attention page holds a state of ``state`` bytes, in steps that every kernel accepts."""
    step = max(attention.backends[0].smallest, attention.block_size)  # the first layer's backend counts
    if attention.latent:
        step = max(step, LATENT_BLOCK)
    step = lcm(step, checkpoint_step)
    tokens = step * -(-state // (step * attention.one_token))
    together = lcm(*(backend.smallest for backend in attention.backends))
    return max(attention.block_size, together * -(-tokens // together))


def state_bytes(state: State, resolved: Resolved, model: Model) -> int:
    """Bytes of one tensor of a recurrent state on one rank.

    Source: ``MambaStateShapeCalculator`` and ``MambaStateDtypeCalculator``.
    """
    ranks = resolved.tensor_parallel
    groups = state.groups if state.groups % ranks == 0 else ranks
    row = (state.units * state.width + groups * state.group_width) // ranks
    columns = state.columns + (resolved.speculative_tokens if state.speculative else 0)
    return row * columns * ELEMENT[_state_dtype(state, resolved, model)]


def _state_dtype(state: State, resolved: Resolved, model: Model) -> str:
    plain = resolved.mamba_cache_dtype
    dtype = resolved.dtype if plain is None or plain == "auto" else plain
    if not state.recurrent:
        return dtype
    own = resolved.mamba_ssm_cache_dtype
    if own is not None and own != "auto":
        return own
    return model.state_dtype or ("float32" if state.fp32 else dtype)


def _blocks_held(kind: str, resolved: Resolved, site: Site) -> int:
    """Blocks a request holds: the running state, one a draft token, and with prefix caching the last block's state.

    Layers whose prefill can write the state of a block boundary hold one more for it.
    Source: ``v1/kv_cache_interface.py::MambaSpec.max_memory_usage_bytes``.
    """
    if resolved.mamba_cache_mode == "all":
        return resolved.speculative_tokens
    if resolved.mamba_cache_mode != "align":
        return 1 + resolved.speculative_tokens
    exports = site.behaviour.get("kv.prefill_checkpoints")
    extra = isinstance(exports, list) and kind in exports and (kind == "mamba2" or site.major in NEWEST)
    return 2 + resolved.speculative_tokens + int(extra)


def _exports_states(kind: str, site: Site) -> bool:
    """Whether a layer's prefill kernel needs blocks in steps of 64 tokens: FlashInfer's gated delta net."""
    exports = site.behaviour.get("kv.prefill_checkpoints")
    return kind == "gdn" and isinstance(exports, list) and kind in exports and site.major in NEWEST
