"""`--enforce-eager` switches off CUDA graphs and compilation.

Every step then launches its kernels one by one from Python, which makes decoding two to three times slower on fast
GPUs for small batches; newer releases also skip what they would otherwise prepare at the start. The flag is for
debugging. If it was set to save memory, lower `--max-num-seqs` or `--cudagraph-capture-sizes` instead: graphs of few
sizes take little (vLLM 0.33.0, config/model.py, enforce_eager; config/vllm.py). It is a note where the server would
not fit otherwise.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --enforce-eager --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.devices import runs_on_cpu
from llmtune.calc.mending import without
from llmtune.calc.trials import starts_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
FLAG = "enforce-eager"


def check(case: Case) -> Iterator[Finding]:
    """The switch, unless it decides whether the server starts."""
    if not case.is_on(FLAG) or runs_on_cpu(case):
        return
    needed = case.memory is not None and case.memory.fits and not starts_with(case, {FLAG: None})
    yield case.finding(
        "no CUDA graphs and no compilation: decoding is slower",
        case.setting(FLAG),
        note="with them the server may not fit" if needed else "",
        help="lower --max-num-seqs to make room, then remove it" if needed else "remove it",
        fix=None if needed else without(case.setting(FLAG)),
        severity="info" if needed else "",
    )
