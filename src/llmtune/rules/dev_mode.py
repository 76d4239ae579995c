"""`VLLM_SERVER_DEV_MODE` opens endpoints that are for development only.

They put the engine to sleep, drop its caches, load other weights, and `/collective_rpc` calls any method of the
workers; none of them asks for the API key. vLLM itself says "this should NOT be used in production" (0.33.0,
entrypoints/serve/__init__.py::register_vllm_dev_api_routers). It is an error where others can reach the server.

Example:
    ```sh
    VLLM_SERVER_DEV_MODE=1 vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.container import text_of
from llmtune.calc.exposure import UNSTATED, exposure
from llmtune.calc.mending import without_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
SINCE = "0.7.0"

NAME = "VLLM_SERVER_DEV_MODE"
ON = re.compile(r"[+-]?[0-9]*[1-9][0-9]*")  # bool(int(...)); vLLM refuses what is no number


def check(case: Case) -> Iterator[Finding]:
    """The variable is a number other than 0."""
    value, variable = text_of(case, NAME), case.variable(NAME)
    if value is None or variable is None or ON.fullmatch(value.strip()) is None:
        return
    found = exposure(case)
    open_to_others = found is not None and found.reach != UNSTATED
    yield case.finding(
        "endpoints for development are open: they put the engine to sleep and call any method of its workers, "
        "without a key",
        variable,
        note=found.how if found is not None and open_to_others else "",
        help=f"leave {NAME} out",
        fix=without_word(variable.word, f"remove {NAME}"),
        severity="error" if open_to_others else "warning",
    )
