"""How decoder layers are dealt out to pipeline stages."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def stage_layers(layers: int, pipeline_parallel: int) -> tuple[range, ...]:
    """The decoder layers of every pipeline stage, in order.

    Each stage gets ``layers // pipeline_parallel``; what remains goes one by one to the stages before the last,
    backwards, so that the last stage (which also has the output head) never gets more than another::

        >>> [len(stage) for stage in stage_layers(62, 4)]
        [15, 16, 16, 15]

    Source: vLLM 0.33.0, ``distributed/utils.py::get_pp_indices``.
    """
    sizes = [layers // pipeline_parallel] * pipeline_parallel
    for extra in range(layers % pipeline_parallel):
        sizes[-2 - extra] += 1
    starts = [sum(sizes[:stage]) for stage in range(pipeline_parallel)]
    return tuple(range(start, start + size) for start, size in zip(starts, sizes, strict=True))
