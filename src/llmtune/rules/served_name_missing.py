"""Clients have to ask for the model by its path on this machine.

Without `--served-model-name` the name in `/v1/models` and in every request is the text that the server was started
with. For a directory that is `/models/llama-3`: clients break when it moves, and it tells them how the machine is
laid out.

Example:
    ```sh
    vllm serve /models/qwen3-8b --max-model-len 16384 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve /models/qwen3-8b --max-model-len 16384 --host 127.0.0.1 --served-model-name qwen3-8b
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import is_local
from llmtune.calc.exposure import elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
NEEDS = ("arguments",)

ENTRIES = frozenset({"serve", "api_server", "image"})


def check(case: Case) -> Iterator[Finding]:
    """A directory without a name."""
    if case.server.entry not in ENTRIES or elsewhere(case) or not is_local(case.deployment.model):
        return
    if case.unset("served-model-name"):
        yield case.finding(
            "clients have to ask for the model by this path",
            case.model_word,
            help="give it a name: --served-model-name",
        )
