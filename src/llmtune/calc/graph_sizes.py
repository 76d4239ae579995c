"""Which batch sizes are captured as CUDA graphs.

Source: vLLM 0.33.0 config/vllm.py::VllmConfig._set_cudagraph_sizes; 0.8.5 and 0.10.2 the same function in config.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.runner import pools
from llmtune.calc.settings import whole_numbers
from llmtune.calc.switches import on, size, table, word, words

if TYPE_CHECKING:
    from llmtune.calc.batching import Basis

OPTIMIZATION_NONE, OPTIMIZATION_PIECEWISE = 0, 1
FINE_SIZES = 32  # every size up to this with --performance-mode interactivity
FIRST_SIZES = (1, 2, 4)
COARSE_FROM = 256  # steps of 8 below, of 16 from here on


def graph_mode(basis: Basis) -> str:
    """Which kinds of graphs are captured: none, piecewise, full, full_decode_only or full_and_piecewise."""
    config = basis.settings.mapping("compilation-config")
    level = basis.settings.integer("optimization-level")
    asked = config.get("cudagraph_mode")
    eager = basis.model.architecture in words(basis.engine, "graphs.eager_architectures")
    if eager or basis.settings.flag("enforce-eager") or level == OPTIMIZATION_NONE:
        return "none"
    if isinstance(asked, str):
        return asked.lower()
    if config.get("use_cudagraph") is False:
        return "none"
    default = "full" if basis.runner == "v0" else word(basis.engine, "graphs.mode")
    if level == OPTIMIZATION_PIECEWISE or pools(basis.settings, basis.model):
        return "piecewise"
    if default == "full_and_piecewise" and traits.is_encoder_decoder(basis.model):
        return "full_decode_only"
    return default


def capture_sizes(basis: Basis, *, mode: str, seqs: int, tokens: int, draft_tokens: int) -> tuple[int, ...]:
    """The batch sizes (in tokens) that are captured, ascending.

    Example:
        S 1024, T 8192 under 0.33.0: 1, 2, 4, then 8 to 248 in steps of 8 and 256 to 512 in steps of 16, 51 sizes.
        Under 0.10.2 the steps stay 8: 67 sizes.

    """
    if mode == "none":
        return ()
    given = _given(basis)
    if given:
        return tuple(sorted({size_ for size_ in given if size_ <= tokens}))
    if basis.runner == "v0":
        return tuple(size_ for size_ in _steps(basis, _rounded_up(seqs)) if size_ <= _rounded_up(seqs))
    query = 1 + (draft_tokens if on(basis.engine, "graphs.draft_tokens") else 0)
    ceiling = _ceiling(basis)
    largest = min(_largest(basis, seqs * query, ceiling), tokens)
    sizes = set(_steps(basis, largest))
    if on(basis.engine, "graphs.batch_tokens") and tokens <= largest:
        sizes.add(tokens)
    if on(basis.engine, "graphs.requests") and not _asked_largest(basis):
        sizes.update(size_ for size_ in _uniform(seqs, query, largest, ceiling=ceiling) if size_ <= tokens)
    return tuple(sorted(sizes))


def _given(basis: Basis) -> tuple[int, ...]:
    config = basis.settings.mapping("compilation-config")
    sizes = whole_numbers(config.get("cudagraph_capture_sizes"))
    if sizes:
        return sizes
    sizes = basis.settings.sizes("cudagraph-capture-sizes")
    old = basis.settings.sizes("cuda-graph-sizes")
    if sizes or len(old) > 1:
        return sizes or old
    return _steps(basis, old[0]) if old else ()


def _asked_largest(basis: Basis) -> int | None:
    config = basis.settings.mapping("compilation-config").get("max_cudagraph_capture_size")
    if isinstance(config, int):
        return config
    return basis.settings.integer("max-cudagraph-capture-size")


def _ceiling(basis: Basis) -> int:
    """The largest size the release captures unasked on this GPU."""
    capability = basis.gpu.compute_capability
    family = str(capability[0]) if capability else ""
    by_capability = table(basis.engine, "graphs.largest_by_capability").get(family)
    by_model = table(basis.engine, "graphs.largest_by_architecture").get(basis.model.architecture)
    return max(by_capability or 0, by_model or 0) or size(basis.engine, "graphs.largest")


def _largest(basis: Basis, decode_tokens: int, ceiling: int) -> int:
    asked = _asked_largest(basis)
    if asked is not None:
        return asked
    if basis.model.architecture in table(basis.engine, "graphs.largest_by_architecture"):
        return ceiling
    return min(2 * decode_tokens, ceiling) if on(basis.engine, "graphs.twice_requests") else ceiling


def _steps(basis: Basis, largest: int) -> tuple[int, ...]:
    if basis.settings.text("performance-mode") == "interactivity":
        sizes = list(range(1, min(largest, FINE_SIZES) + 1))
    else:
        sizes = [first for first in FIRST_SIZES if first <= largest]
    if word(basis.engine, "graphs.sizes") == "steps_of_8":
        return tuple(sorted({*sizes, *range(8, largest + 1, 8)}))
    sizes += range(8, min(largest + 1, COARSE_FROM), 8)
    sizes += range(COARSE_FROM, largest + 1, 16)
    return tuple(sorted(set(sizes)))


def _uniform(seqs: int, query: int, largest: int, *, ceiling: int) -> tuple[int, ...]:
    """Sizes of batches in which every request decodes: multiples of a request's tokens that fit under the largest."""
    if query == 1:
        return (seqs,) if seqs <= largest else ()
    most = min(seqs, ceiling)
    counts = {count for count in FIRST_SIZES if count <= most} | {most}
    counts.update(range(8, min(most + 1, COARSE_FROM), 8))
    counts.update(range(COARSE_FROM, most + 1, 16))
    return tuple(sorted(count * query for count in counts if count * query <= largest))


def _rounded_up(seqs: int) -> int:
    """The first of v0's sizes (1, 2, 4, 8, 16, 24 …) that holds all requests."""
    return next((first for first in FIRST_SIZES if first >= seqs), -(-seqs // 8) * 8)
