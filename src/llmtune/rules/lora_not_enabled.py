r"""Options for adapters are set, and adapters are off.

`--lora-modules` without `--enable-lora` stops the server when it loads them: "LoRA is not enabled". Sizes such as
`--max-lora-rank` do nothing (vLLM 0.33.0, engine/arg_utils.py, create_engine_config: `LoRAConfig` is made only with
`enable_lora`).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --lora-modules sql=/adapters/sql --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-lora --max-lora-rank 32 --lora-modules sql=/adapters/sql \
      --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.exposure import elsewhere
from llmtune.calc.mending import behind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("arguments",)
SIZES = ("max-lora-rank", "max-loras", "max-cpu-loras", "fully-sharded-loras", "lora-dtype")


def check(case: Case) -> Iterator[Finding]:
    """Adapters first; sizes without any are only useless."""
    if case.is_on("enable-lora") or elsewhere(case) or not (case.unset("enable-lora") or off(case)):
        return
    modules = case.setting("lora-modules")
    if modules is not None:
        yield case.finding(
            "--lora-modules needs --enable-lora",
            modules,
            help="add --enable-lora",
            fix=None if off(case) else behind(case, modules, "enable-lora", safe=True),
        )
        return
    size = next((case.setting(flag) for flag in SIZES if case.deployment.value(flag) not in {None, False}), None)
    if size is not None:
        message = f"--{size.flag} does nothing without --enable-lora"
        yield case.finding(message, size, help="add --enable-lora or delete it", severity="warning")


def off(case: Case) -> bool:
    """Whether adapters are turned off by name."""
    return case.deployment.value("enable-lora") is False
