"""vLLM's benchmark client by release: ``data/bench_options.json``, made by ``tools/make_bench_options.py``."""

from __future__ import annotations

import json
from pathlib import Path

from llmtune.catalog.engines import parts
from llmtune.spec.bench import BenchClient

DATA = Path(__file__).parent / "data" / "bench_options.json"
FIRST = "0.8.0"  # with ``vllm bench serve``; before, the script of the repository, whose flags are those of 0.8.0


def find_client(release: str) -> BenchClient:
    """The client that measures a server of this release.

    >>> "num-warmups" in find_client("0.33.0").serve, find_client("0.7.3").script
    (True, '0.8.0')

    """
    tables = json.loads(DATA.read_text(encoding="utf-8"))
    script = FIRST if parts(release) < parts(FIRST) else ""
    at = parts(script or release)
    serve, sweep = (
        frozenset(
            flag
            for flag, span in tables[command].items()
            if parts(span["since"]) <= at and ("until" not in span or at <= parts(span["until"]))
        )
        for command in ("bench serve", "bench sweep serve")
    )
    return BenchClient(serve, frozenset() if script else sweep, script)
