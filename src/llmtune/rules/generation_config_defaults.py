r"""`--override-generation-config` changes some sampling defaults, and the model's author sets the others.

Since 0.8.0 the server takes its defaults from the model's `generation_config.json` (`--generation-config auto`):
temperature, top_p, top_k and the penalties that requests leave out. What is overridden is put on top, so a temperature
of 0 may still run with the model's top_k and repetition penalty. `--generation-config vllm` starts from vLLM's neutral
defaults instead (vLLM 0.33.0, config/model.py, get_diff_sampling_param; issue 15241).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --override-generation-config.temperature 0.2 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --generation-config vllm --override-generation-config.temperature 0.2 \
      --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "possible"
NEEDS = ("arguments",)
SINCE = "0.8.0"


def check(case: Case) -> Iterator[Finding]:
    """Some defaults are set, and the source of the others is left to vLLM."""
    override = case.setting("override-generation-config")
    if override is None or not isinstance(override.value, dict) or not case.unset("generation-config"):
        return
    yield case.finding(
        "sampling defaults that are not named here come from the model's generation_config.json",
        override,
        help="name every one that matters, or add --generation-config vllm for vLLM's neutral defaults",
    )
