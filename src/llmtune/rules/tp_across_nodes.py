r"""Tensor parallelism spans nodes.

Every layer ends in an all-reduce over the whole tensor parallel group, and between nodes it goes over the network.
Split tensors within a node and stages between nodes: `--tensor-parallel-size` = GPUs of a node,
`--pipeline-parallel-size` = nodes. Without Ray or `--nnodes` the engine does not start at all (vLLM 0.33.0,
config/parallel.py; v1/executor/ray_utils.py warns of it).

Example:
    ```sh gpu=h100-sxm gpus=8 nodes=2
    vllm serve deepseek-ai/DeepSeek-V3-0324 --max-model-len 8192 --tensor-parallel-size 16 \
      --distributed-executor-backend ray --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=h100-sxm gpus=8 nodes=2
    vllm serve deepseek-ai/DeepSeek-V3-0324 --max-model-len 8192 --tensor-parallel-size 8 \
      --pipeline-parallel-size 2 --distributed-executor-backend ray --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import on_other_chips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
FLAG = "tensor-parallel-size"


def check(case: Case) -> Iterator[Finding]:
    """A split larger than a node, on hardware or in a file that has several nodes."""
    size = case.number(FLAG)
    per_node, nodes = _nodes(case)
    if size is None or per_node is None or nodes < 2 or size <= per_node or size > per_node * nodes:  # noqa: PLR2004
        return
    if on_other_chips(case):
        return  # a slice of TPUs is one network
    stages = -(-int(size) // per_node)
    yield case.finding(
        f"a split over {int(size)} GPUs crosses nodes of {per_node}",
        case.setting(FLAG),
        note="every layer then waits for the network",
        help=f"--tensor-parallel-size {per_node} --pipeline-parallel-size {stages}",
    )


def _nodes(case: Case) -> tuple[int | None, int]:
    """GPUs of one node and how many nodes there are, by the file or the hardware."""
    around = case.around
    nodes = case.number("nnodes") or case.value_of(around.nodes)
    ids = case.value_of(around.gpu_ids)
    per_node = len(ids) if ids else case.value_of(around.gpus)
    if per_node is None and case.hardware is not None:
        per_node = case.hardware.gpus_per_node
        nodes = nodes or case.hardware.nodes
    return per_node, int(nodes or 1)
