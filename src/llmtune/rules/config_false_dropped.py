"""`false` in a `--config` file is dropped, so the option keeps its default.

vLLM makes command-line arguments of the file: `true` becomes the bare flag, `false` nothing at all. An option that is
on by default stays on. The parser looks for the negative form in the wrong place, `vllm serve`'s top-level parser
(vLLM 0.33.0, utils/argparse_utils.py, load_config_file; issue 51401, which pull request 51573 mended only for
`python -m vllm.entrypoints.openai.api_server`).

Example:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    async-scheduling: false
    ```

Use instead:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    no-async-scheduling: true
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
    yield from reported(case, "config-false-dropped")
