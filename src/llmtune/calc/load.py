"""The requests of a load: how many, how long, and when they come. The same load always gives the same requests.

Lengths are log-normal through the load's median and 95th percentile. They are not drawn but laid out: request i of n
stands at the quantile (i + 1/2) / n, and a shuffle with the load's seed puts them in order, so that mean and
percentiles of a few hundred requests are those of the distribution. Poisson gaps are drawn, and stretched so that the
rate is exact, as ``vllm bench serve`` does (vLLM 0.19.0 benchmarks/serve.py::get_request).
"""

from __future__ import annotations

from math import exp, log, sqrt
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused

if TYPE_CHECKING:
    from llmtune.spec.performance import Load
    from llmtune.spec.scenario import Tokens

PROMPTS_PER_CLIENT = 10  # of a closed loop: InferenceX sends 10 prompts for each request in flight
PROMPTS = 1000  # otherwise: --num-prompts of ``vllm bench serve`` and ``vllm bench throughput``
MANY = 200  # requests of unequal length from which a 99th percentile can be told
MASK = (1 << 64) - 1
GAMMA, SPREAD = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95  # odd: seeds next to each other have nothing in common
TOO_LONG = (
    "This model's maximum context length is {} tokens. However, you requested {} tokens "
    "({} in the prompt, {} for the output)."
)


def count_requests(load: Load) -> int:
    """How many requests the run has: as many as the load says, otherwise enough for a steady state.

    A closed loop gets 10 requests for each in flight (at least 200 where lengths differ), other loads 1000.
    """
    if load.requests:
        return load.requests
    if load.concurrency is None:
        return PROMPTS
    count = PROMPTS_PER_CLIENT * load.concurrency
    return count if _alike(load.prompt) and _alike(load.output) else max(count, MANY)


def draw_lengths(load: Load, count: int, max_model_len: int) -> list[tuple[int, int]]:
    """Prompt and output tokens of every request, cut to the context length.

    Raises:
        Refused: where the median request is longer than the context, as the API server refuses it.

    """
    prompt, output = load.prompt.p50, load.output.p50
    if prompt + output > max_model_len:
        raise Refused("length", TOO_LONG.format(max_model_len, prompt + output, prompt, output))
    prompts = _lengths(load.prompt, count, load.seed)
    outputs = _lengths(load.output, count, load.seed + 1)
    cut = [min(length, max_model_len - 1) for length in prompts]
    return [(length, min(wanted, max_model_len - length)) for length, wanted in zip(cut, outputs, strict=True)]


def draw_arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Seconds at which requests come; the last of ``count`` comes after ``count / rate`` seconds."""
    times, now = [], 0.0
    for share in draw_shares(count, seed + 2):
        now -= log(1.0 - share)
        times.append(now)
    stretch = count / rate / now
    return [time * stretch for time in times]


def _alike(tokens: Tokens) -> bool:
    return tokens.p50 == tokens.p95


def _lengths(tokens: Tokens, count: int, seed: int) -> list[int]:
    """Lengths through median and 95th percentile, in a shuffled order."""
    if _alike(tokens):
        return [max(1, tokens.p50)] * count
    sigma = log(tokens.p95 / tokens.p50) / normal_quantile(0.95)
    middles = ((index + 0.5) / count for index in range(count))
    lengths = [max(1, round(tokens.p50 * exp(sigma * normal_quantile(middle)))) for middle in middles]
    return [length for _, length in sorted(zip(draw_shares(count, seed), lengths, strict=True))]


def draw_shares(count: int, seed: int) -> list[float]:
    """Numbers that look random, from 0 to below 1 (SplitMix64: Steele, Lea and Flood 2014).

    ``random`` would do, but importing it takes longer than simulating a small load.
    """
    state, shares = (seed * SPREAD) & MASK, []
    for _ in range(count):
        state = (state + GAMMA) & MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        shares.append(((mixed ^ (mixed >> 31)) >> 11) / (1 << 53))
    return shares


def normal_quantile(share: float) -> float:
    """The quantile of the standard normal distribution, to 5e-4 (Abramowitz and Stegun 26.2.23).

    >>> round(normal_quantile(0.95), 2)
    1.65
    """
    tail = min(share, 1.0 - share)
    t = sqrt(-2.0 * log(tail))
    above = 2.515517 + t * (0.802853 + t * 0.010328)
    below = 1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    size = t - above / below
    return size if share > 0.5 else -size  # noqa: PLR2004 - the median
