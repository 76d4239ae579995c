r"""The number of nodes does not go with the other parallel settings.

`--nnodes` starts one engine over several machines without Ray. All ranks must divide evenly among them, `--node-rank`
counts from 0, and neither Ray nor another data parallel backend can be asked for beside it (since 0.11.1; vLLM 0.33.0,
engine/arg_utils.py, create_engine_config).

Example:
    ```sh
    vllm serve Qwen/Qwen2.5-72B-Instruct --max-model-len 8192 --tensor-parallel-size 8 --nnodes 2 --node-rank 2 \
      --master-addr 10.0.0.1 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen2.5-72B-Instruct --max-model-len 8192 --tensor-parallel-size 4 --pipeline-parallel-size 2 \
      --nnodes 2 --node-rank 1 --master-addr 10.0.0.1 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.devices import SIZES
from llmtune.calc.validity_parallel import NODE_BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
SINCE = "0.11.1"
FLAG = "nnodes"


def check(case: Case) -> Iterator[Finding]:
    """The engine's checks, one after the other."""
    nodes = case.number(FLAG)
    if not isinstance(nodes, int) or nodes <= 1:
        return
    rank, world = case.number("node-rank"), 1
    for flag in SIZES:
        world *= int(case.number(flag) or 1)
    if case.in_sight(*SIZES) and world % nodes:
        yield case.finding(
            f"{world} ranks do not divide among {nodes} nodes",
            case.setting(FLAG),
            help="make the product of the parallel sizes a multiple of the nodes",
        )
    if rank is not None and not 0 <= rank < nodes:
        yield case.finding(
            f"--node-rank {int(rank)} is no number of {nodes} nodes",
            case.setting("node-rank"),
            help=f"count from 0 to {nodes - 1}",
        )
    executor = case.settings.text("distributed-executor-backend")
    if executor is not None and executor not in NODE_BACKENDS:
        yield case.finding(
            f"--nnodes does not go with --distributed-executor-backend {executor}",
            case.setting("distributed-executor-backend"),
            help="use mp, or leave --nnodes out",
        )
    backend = case.settings.text("data-parallel-backend")
    if backend not in {None, "mp"}:
        yield case.finding(
            f"--nnodes does not go with --data-parallel-backend {backend}",
            case.setting("data-parallel-backend"),
            help="use mp, or leave --nnodes out",
        )
