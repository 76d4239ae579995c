"""How long one engine step takes: a smooth roofline over what the step reads, computes, sends and schedules.

Every number of ``StepCosts`` is seconds per something, made once per deployment by ``calc.step_costs``; the functions
here only add and multiply, so that a simulation can call them a hundred thousand times. They use operators alone, so
arrays work as well as numbers: that is how ``tools/fit_performance.py`` evaluates thousands of steps at once.

    dense   = (read ** p + computed ** p) ** (1 / p)      reading weights and computing overlap, but not perfectly
    experts = read + computed                            in grouped kernels they hardly do
    step    = dense + head + experts + attention + KV cache + activations + communication + host
    step    = launches, where they take longer and no CUDA graph spares them
"""

from __future__ import annotations

from llmtune.spec.record import dataclass

TINY = 1e-9  # tokens; keeps a batch without a prompt from dividing by zero


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step works on, on one replica.

    ``decodes`` requests are extended, and hold ``context`` tokens on average. ``prefill_tokens`` prompt tokens of
    ``prefills`` requests are computed; ``pairs`` is the sum, over these tokens, of the tokens each one attends to
    (a chunk of n tokens after c earlier ones: n c + n (n + 1) / 2), and ``read`` the sum of c over the chunks: tokens
    of the KV cache that prefills read.
    """

    decodes: float = 0.0
    context: float = 0.0
    prefill_tokens: float = 0.0
    prefills: float = 0.0
    pairs: float = 0.0
    read: float = 0.0


@dataclass(frozen=True, slots=True)
class DenseCosts:
    """Weight matrices of one kernel class: ``read`` seconds for all of them, ``compute`` seconds a token.

    ``sharpness`` is p of the smooth maximum of the two.
    """

    read: float
    compute: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class ExpertCosts:
    """Routed experts of layers that are alike: ``read`` seconds for all of them, ``compute`` seconds a token.

    Each of T tokens visits a ``share`` of them, top-k over their number. Some are visited more than others: with
    popularity spread as a gamma distribution of shape k (``StepCosts.evenness``) a step touches
    1 - (1 + ``share`` T / k) ** -k of them.
    """

    read: float
    compute: float
    share: float


@dataclass(frozen=True, slots=True)
class CacheCosts:
    """KV cache of layers that are alike: ``read`` seconds a token of context, at most ``window`` of them (0: all).

    ``pair`` seconds for one computed prompt token to attend to one other. ``again`` more seconds a token of context
    where more than ``crowd`` requests decode.
    """

    read: float
    pair: float
    window: int = 0
    again: float = 0.0
    crowd: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """Seconds of collectives that go one way: whatever their size, and more a token."""

    start: float
    token: float


@dataclass(frozen=True, slots=True)
class SendCosts:
    """Collectives of a step in one group of ranks, in one of three ways.

    ``one``: a kernel in which every rank reads all others, taken for steps of fewer than ``below`` tokens; ``two``: one
    in which each sums a part and reads the others' sums; ``ring``: NCCL. Of the last two the quicker is taken.
    """

    one: Way
    two: Way
    ring: Way
    below: float


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds that the parts of a step take.

    ``dense`` works on every token, ``head`` on sampled ones; ``token`` seconds a token (kernels that only move
    activations, attention to a fixed window), ``state`` a request (recurrent states); ``sends`` are collectives;
    ``host_step`` a step, ``host_prompts`` more for one with prompts (where the others are one CUDA graph each),
    ``host_request`` a request in the batch. A step of more than ``graph_tokens`` tokens, or ``graph_prompt_tokens``
    where some are of prompts, runs outside CUDA graphs: launching its kernels takes the host ``host_launch``, while the
    GPU works, so it shows where that has little to do. A decoding request brings ``decode_tokens`` (1 and draft
    tokens). ``evenness`` says how alike experts are in how often they are visited. ``replicas`` share the
    experts: these see that many times the tokens.
    """

    dense: tuple[DenseCosts, ...]
    head: tuple[DenseCosts, ...]
    experts: tuple[ExpertCosts, ...]
    caches: tuple[CacheCosts, ...]
    state: float
    sends: tuple[SendCosts, ...]
    host_step: float
    host_request: float
    host_prompts: float = 0.0
    host_launch: float = 0.0
    graph_tokens: int = 0
    graph_prompt_tokens: int = 0
    decode_tokens: float = 1.0
    replicas: float = 1.0
    evenness: float = 1.0
    token: float = 0.0


@dataclass(frozen=True, slots=True)
class StepTime:
    """Seconds of one step and where they go. ``weights`` and ``compute`` are the two sides of what overlaps."""

    total: float
    weights: float
    compute: float
    kv_cache: float
    communication: float
    host: float


def step_seconds(costs: StepCosts, batch: Batch) -> float:
    """Seconds of one step."""
    return step_time(costs, batch).total


def step_time(costs: StepCosts, batch: Batch) -> StepTime:
    """Seconds of one step, with its parts."""
    tokens = batch.decodes * costs.decode_tokens + batch.prefill_tokens
    sampled = batch.decodes * costs.decode_tokens + batch.prefills
    weights = compute = 0.0
    total = costs.token * tokens
    for parts, worked in ((costs.dense, tokens), (costs.head, sampled)):
        for part in parts:
            total += _smooth(part.read, part.compute * worked, part.sharpness)
            weights += part.read
            compute += part.compute * worked
    for experts in costs.experts:
        routed = tokens * costs.replicas
        touched = 1 - (1 + routed * experts.share / costs.evenness) ** -costs.evenness
        read = experts.read * touched
        total += read + experts.compute * routed
        weights += read
        compute += experts.compute * routed
    kv_cache = costs.state * (batch.decodes + batch.prefills)
    for cache in costs.caches:
        decoded = batch.decodes * _within(batch.context, cache.window)
        kv_cache += cache.read * (decoded + batch.read) + cache.again * decoded * (batch.decodes > cache.crowd)
        attention = cache.pair * _seen(batch, cache.window)
        total += attention
        compute += attention
    sent = 0.0
    for send in costs.sends:
        two, ring = send.two.start + send.two.token * tokens, send.ring.start + send.ring.token * tokens
        quicker = _least(two, ring)
        sent += quicker + (send.one.start + send.one.token * tokens - quicker) * (tokens < send.below)
    total += kv_cache + sent + costs.host_step
    host = costs.host_request * (batch.decodes + batch.prefills) + _launching(costs, batch, total)
    return StepTime(total + host, weights, compute, kv_cache, sent, costs.host_step + host)


def _launching(costs: StepCosts, batch: Batch, device: float) -> float:
    """Seconds that a step of these seconds on the GPU waits for what the host does before and in it."""
    prompts = batch.prefill_tokens > 0
    covered = costs.graph_tokens + (costs.graph_prompt_tokens - costs.graph_tokens) * prompts
    outside = batch.decodes * costs.decode_tokens + batch.prefill_tokens > covered
    return costs.host_prompts * prompts + (_most(device, costs.host_launch) - device) * outside


def _smooth(read: float, computed: float, p: float) -> float:
    """The larger of two times that overlap, and more where they are alike."""
    smooth: float = (read**p + computed**p) ** (1 / p)
    return smooth


def _seen(batch: Batch, window: int) -> float:
    """Tokens that the computed prompt tokens attend to in a layer with a window, as if all saw the mean."""
    if not window:
        return batch.pairs
    tokens = batch.prefill_tokens + TINY
    return tokens * _within(batch.pairs / tokens, window)


def _within(context: float, window: int) -> float:
    """Tokens of the context that a layer reads."""
    return _least(context, window) if window else context


def _most(one: float, other: float) -> float:
    """The larger, of numbers as of arrays."""
    return (one + other + abs(one - other)) / 2


def _least(one: float, other: float) -> float:
    """The smaller, of numbers as of arrays."""
    return (one + other - abs(one - other)) / 2
