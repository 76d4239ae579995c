"""`--quantization` repeats what the checkpoint says.

The engine reads the method from config.json and picks the fastest kernel for it. The flag adds nothing, and stops the
start on the day when somebody changes the model and forgets it (vLLM 0.33.0, config/model.py, _verify_quantization).

Example:
    ```sh
    vllm serve Qwen/Qwen3-14B-AWQ --max-model-len 8192 --quantization awq_marlin --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-14B-AWQ --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import is_written_out, without
from llmtune.calc.switches import words
from llmtune.calc.trials import changed
from llmtune.calc.validity_quantization import ANY_CHECKPOINT, FAMILIES, HALF_ONLY, SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
NEEDS = ("model",)
FLAG = "quantization"


def check(case: Case) -> Iterator[Finding]:
    """The checkpoint's method or another name for it, where the name chooses no other kernel."""
    asked, setting = case.settings.text(FLAG), case.setting(FLAG)
    if asked is None or case.model is None or setting is None or not is_written_out(setting):
        return
    checkpoint = case.facts.find_model(changed(case.deployment, {FLAG: None}))
    stored = checkpoint.quantization if checkpoint is not None else None
    if stored is None or asked in SHARED | ANY_CHECKPOINT or case.refusals:
        return
    if stored in words(case.engine, "quantization.overrides") and asked != stored:
        yield case.finding(
            f"--quantization {asked} has no effect: the checkpoint decides",
            case.setting(FLAG),
            note=f"it is stored in {stored}",
            help="remove it",
            fix=without(case.setting(FLAG), safe=True),
        )
        return
    methods = words(case.engine, "quantization.methods")
    if asked in HALF_ONLY and HALF_ONLY[asked] not in methods:
        return  # quantization-forces-slow-kernel
    if asked == stored or any(asked in family and stored in family for family in FAMILIES):
        yield case.finding(
            f"--quantization {asked} repeats what the checkpoint says",
            case.setting(FLAG),
            help="remove it",
            fix=without(case.setting(FLAG), safe=True),
        )
