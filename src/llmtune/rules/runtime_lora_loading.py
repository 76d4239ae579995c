r"""Clients may load adapters from any path while the server runs.

`VLLM_ALLOW_RUNTIME_LORA_UPDATING` opens `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`. Without a key whoever
reaches the server may load files that it can read or repositories of the Hub, and take adapters away from others;
vLLM logs that it "should ONLY be used for local development" (0.33.0, entrypoints/serve/lora/api_router.py). Name the
adapters with `--lora-modules`. From 0.9.1 on the server does not start with it and `--api-server-count` above one
(entrypoints/cli/serve.py).

Example:
    ```sh
    export VLLM_ALLOW_RUNTIME_LORA_UPDATING=True
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --enable-lora --max-lora-rank 32
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --enable-lora --max-lora-rank 32 \
      --lora-modules support=/srv/adapters/support
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import text_of
from llmtune.calc.exposure import is_guarded
from llmtune.calc.mending import without_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
SINCE = "0.6.1"

NAME = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
REFUSED_SINCE = "0.9.1"


def check(case: Case) -> Iterator[Finding]:
    """The variable is on; with several API servers that is refused."""
    variable = case.variable(NAME)
    if case.document.kind == "kubeai":  # its way of loading the adapters that the file names
        return
    if variable is None or (text_of(case, NAME) or "").strip().lower() not in {"1", "true"}:
        return
    fix = without_word(variable.word, f"remove {NAME}")
    servers = case.number("api-server-count")
    if servers is not None and servers > 1 and case.facts.history.within(case.engine, REFUSED_SINCE, None):
        message = f"vLLM does not start with {NAME} and {servers:.0f} API servers"
        yield case.finding(message, variable, help="name the adapters with --lora-modules", fix=fix, severity="error")
        return
    asked = case.open_ended or is_guarded(case)
    yield case.finding(
        "clients may load adapters from any path" + ("" if asked else ", and the server asks for no key"),
        variable,
        help="name the adapters with --lora-modules",
        fix=fix,
        severity="info" if asked else "warning",
    )
