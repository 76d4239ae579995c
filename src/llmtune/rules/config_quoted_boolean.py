"""A quoted `"true"` or `"false"` in a `--config` file turns the switch on, whichever it is.

vLLM writes the text behind the flag as if it were a value. A switch takes none: it is turned on, and the text is left
over as the model's name or as an argument that nobody expects (vLLM 0.33.0, utils/argparse_utils.py, load_config_file).

Example:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    enable-prompt-tokens-details: "false"
    ```

Use instead:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    no-enable-prompt-tokens-details: true
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from reported(case, "config-quoted-boolean")
