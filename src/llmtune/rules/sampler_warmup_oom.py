"""Sampling for all requests at once may run out of memory.

The sampler sorts the logits of every request in 32 bit: `--max-num-seqs` x vocabulary x several copies. With 1024
requests and a vocabulary of 150,000 that is gigabytes, which the start-up profile reserves only in part: the start
then ends in "CUDA out of memory occurred when warming up sampler with 1024 dummy requests", or a full batch with
penalties fails later (vLLM 0.33.0, v1/worker/gpu_model_runner.py, _dummy_sampler_run).

Example:
    ```sh gpu=l4 vllm-version=0.16.0
    vllm serve Qwen/Qwen3-0.6B --max-model-len 4096 --max-num-seqs 8192 --max-num-batched-tokens 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l4 vllm-version=0.16.0
    vllm serve Qwen/Qwen3-0.6B --max-model-len 4096 --max-num-seqs 128 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("memory",)
FLAG = "max-num-seqs"


def check(case: Case) -> Iterator[Finding]:
    """A start that fails in the sampler, and the risk of it later."""
    memory, resolved = case.memory, case.resolved
    if memory is None or resolved is None:
        return
    fails = memory.failure is not None and memory.failure.kind == "sampler"
    if not fails and (memory.failure is not None or not memory.risks):
        return
    yield case.finding(
        f"sampling for {resolved.max_num_seqs} requests at once "
        f"{'does not fit' if fails else 'may not fit'} beside the rest",
        case.setting(FLAG) or case.model_word,
        note="" if fails else memory.risks[0].split(";")[0],
        help="lower --max-num-seqs or --gpu-memory-utilization",
        severity="" if fails else "info",
        confidence="" if fails else "possible",
    )
