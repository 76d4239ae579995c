r"""More adapters are to run at once than are kept in host memory.

`--max-cpu-loras` is how many adapters stay loaded and must be at least `--max-loras`, how many a batch may mix;
otherwise vLLM stops: "max_cpu_loras must be >= max_loras" (vLLM 0.33.0, config/lora.py, _validate_lora_config).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-lora --max-lora-rank 32 --max-loras 8 --max-cpu-loras 4 \
      --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-lora --max-lora-rank 32 --max-loras 8 --max-cpu-loras 8 \
      --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """Both numbers, or the default of one adapter at a time."""
    loras = case.setting("max-loras")
    if case.is_on("enable-lora") and loras is not None and loras.value == 0:
        yield case.finding("--max-loras must be at least 1", loras, help="set it to 1 or more")
        return
    kept = case.number("max-cpu-loras")
    at_once = case.number("max-loras") if case.setting("max-loras") else 1
    if not case.is_on("enable-lora") or kept is None or at_once is None or kept >= at_once:
        return
    setting = case.setting("max-cpu-loras")
    yield case.finding(
        f"--max-cpu-loras {kept:.0f} is below --max-loras {at_once:.0f}, which vLLM refuses",
        setting,
        help=f"set --max-cpu-loras {at_once:.0f} or more",
        fix=set_to(setting, int(at_once)),
    )
