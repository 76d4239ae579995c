"""The server that a simulation replays: what a step costs, what a batch may hold, and how it is scheduled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmtune.calc.kv_pool import Pool
    from llmtune.calc.step_time import StepCosts


@dataclass(frozen=True, slots=True)
class Server:
    """One vLLM server. Sizes in tokens and blocks, times in seconds.

    ``costs`` are those of a batch through the whole model (all pipeline stages) on one replica. ``num_blocks`` KV
    blocks of one replica can be given to requests; ``request_blocks(tokens)`` of them hold a running request's tokens,
    may only grow with the tokens, and only behind multiples of ``block_size``: :func:`held_blocks` of a pool.

    ``replicas`` (data parallel) share the load evenly, and one is simulated. ``stages`` (pipeline parallel) keep as
    many batches in flight, each with its part of the requests: they are simulated as replicas that share blocks and
    ``max_num_seqs``, since with equal batches each stage always works on another one.

    Speculation: ``draft_tokens`` are checked for every decoding request in a step, and ``accepted_tokens`` of them are
    kept on average; ``costs.decode_tokens`` has to be 1 + draft_tokens.

    ``old_scheduler``: V0, whose steps hold prompts or decodes unless prefill is chunked. ``async_scheduling``: a step
    is scheduled when the one before it starts, so a finished request's place is taken one step later.
    ``reserve_full_prompt``: a request is admitted when its whole prompt fits into the cache, not only its first chunk
    (``scheduler_reserve_full_isl``, from 0.19 on; V0 always does). ``watermark`` is the share of blocks that admission
    leaves free (V0: 0.01). ``long_prefill_threshold`` bounds a chunk where other requests are there (0: no bound).
    ``front_end`` seconds pass between a client's sending and the scheduler's seeing a request (HTTP), and
    ``front_end_token`` for each token of its prompt (tokenizer).
    """

    costs: StepCosts
    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    num_blocks: int
    request_blocks: Callable[[int], int]
    block_size: int = 16
    chunked_prefill: bool = True
    prefix_caching: bool = True
    replicas: int = 1
    stages: int = 1
    draft_tokens: int = 0
    accepted_tokens: float = 0.0
    old_scheduler: bool = False
    async_scheduling: bool = False
    reserve_full_prompt: bool = True
    watermark: float = 0.0
    long_prefill_threshold: int = 0
    front_end: float = 0.0
    front_end_token: float = 0.0


def held_blocks(pool: Pool) -> Callable[[int], int]:
    """Blocks that a running request of so many tokens holds: windows keep what they see, not what a prefill adds.

    ``Pool.request_blocks`` counts a prefill's tokens into every window, because that is what a request may need at its
    worst; between steps the engine frees what has left the window (v1/core/kv_cache_manager.py::allocate_slots calls
    ``remove_skipped_blocks``).
    """
    return replace(pool, in_flight=1).request_blocks
