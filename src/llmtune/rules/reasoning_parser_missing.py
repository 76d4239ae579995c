r"""A model that thinks is served without a reasoning parser.

Without `--reasoning-parser` the thoughts stay in `content`, between `<think>` and `</think>`, where clients show them
and tool parsers stumble over them. Reported for models that always think, and for those that think unless told not to
where tools are called automatically (vLLM's documentation of reasoning outputs; issue 18538).

Example:
    ```sh
    vllm serve deepseek-ai/DeepSeek-R1-Distill-Qwen-7B --host 127.0.0.1 --max-model-len 16384
    ```

Use instead:
    ```sh
    vllm serve deepseek-ai/DeepSeek-R1-Distill-Qwen-7B --host 127.0.0.1 --max-model-len 16384 \
      --reasoning-parser deepseek_r1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.exposure import elsewhere
from llmtune.calc.mending import behind
from llmtune.calc.parsers import best_parser, model_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "likely"
NEEDS = ("arguments",)
SINCE = "0.7.3"
ALWAYS = re.compile(r"think|reason|-r1|r1-|qwq|magistral", re.IGNORECASE)


def check(case: Case) -> Iterator[Finding]:
    """The family thinks, nothing parses its thoughts, and it is plain that they come."""
    family = case.facts.history.parser_family(model_name(case)) if model_name(case) else None
    if family is None or not family.thinks or not case.unset("reasoning-parser") or elsewhere(case):
        return
    best = best_parser(case, "reasoning")
    calls_tools = case.is_on("enable-auto-tool-choice")
    if best is None or not (calls_tools or ALWAYS.search(model_name(case))) or set_otherwise(case):
        return
    yield case.finding(
        "the model's thoughts stay in its answers without --reasoning-parser",
        case.model_word,
        help=f"add --reasoning-parser {best}",
        fix=behind(case, case.model_word, "reasoning-parser", best),
    )


def set_otherwise(case: Case) -> bool:
    """Whether a parser is named in JSON, or the server asks the model not to think."""
    outputs = case.deployment.value("structured-outputs-config")
    if isinstance(outputs, dict) and outputs.get("reasoning_parser"):
        return True
    asked = case.deployment.value("default-chat-template-kwargs")
    return isinstance(asked, dict) and False in {asked.get("enable_thinking"), asked.get("thinking")}
