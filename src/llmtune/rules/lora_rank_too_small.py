r"""Adapters have a higher rank than the server makes room for.

An adapter whose rank is above `--max-lora-rank`, 16 unless set, is refused when it is loaded: at start-up with
`--lora-modules`, at the first request otherwise ("LoRA rank 64 is greater than max_lora_rank 16"). The rank stands in
the adapter's `adapter_config.json` as `r`, and often in its name. Room for a rank that no adapter has costs memory and
speed (vLLM 0.33.0, config/lora.py; lora/peft_helper.py, validate_legal; issue 2847).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-lora --lora-modules sql=/adapters/sql-r64 \
      --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-lora --max-lora-rank 64 --lora-modules sql=/adapters/sql-r64 \
      --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.mending import behind, set_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "possible"
NEEDS = ("arguments",)
DEFAULT = 16
RANK = re.compile(r"(?:^|[-_./=])(?:r|rank)[-_=]?(8|16|32|64|128|256|320|512)(?=$|[-_./])", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """Ranks that names of adapters tell; without any, that nothing says how high they are."""
    if not case.is_on("enable-lora"):
        return
    limit = case.setting("max-lora-rank")
    room = DEFAULT if limit is None else case.number("max-lora-rank")
    if room is None:
        return
    modules = case.setting("lora-modules")
    ranks = [int(match[1]) for match in RANK.finditer(" ".join(texts(modules.value if modules else None)))]
    highest = max(ranks, default=0)
    if highest > room:
        yield case.finding(
            f"an adapter of rank {highest} is refused: --max-lora-rank is {room:.0f}",
            limit or modules,
            help=f"set --max-lora-rank {highest}",
            fix=set_to(limit, highest) if limit else behind(case, modules, "max-lora-rank", highest),
        )
    elif limit is None and not ranks:
        yield case.finding(
            f"adapters of a rank above {DEFAULT} are refused: --max-lora-rank is not set",
            case.setting("enable-lora"),
            help="set --max-lora-rank to the highest 'r' in the adapters' adapter_config.json",
            severity="info",
        )


def texts(value: object) -> list[str]:
    """The adapters as they are written, each a text."""
    return [str(item) for item in value] if isinstance(value, list) else []
