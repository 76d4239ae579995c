r"""The parser is made for another family of models.

Each family writes tool calls and thoughts in its own way, and a parser that looks for another way finds nothing: calls
stay in the text, thoughts stay in the answer. Qwen3-Coder writes XML and needs `qwen3_xml` or `qwen3_coder`, not
`hermes`; Qwen2.5 and Qwen3 need `hermes`, not `llama3_json` (vLLM's documentation of tool calling and reasoning
outputs; issues 14359 and vllm-ascend 11060). A model that was trained further may write like another family.

Example:
    ```sh
    vllm serve Qwen/Qwen3-4B-Instruct-2507 --enable-auto-tool-choice --tool-call-parser llama3_json \
      --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-4B-Instruct-2507 --enable-auto-tool-choice --tool-call-parser hermes \
      --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.parsers import KINDS, best_parser, family_parsers, model_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
ANY_FAMILY = frozenset({"hf", "none", ""})


def check(case: Case) -> Iterator[Finding]:
    """Each kind of parser against the model's family."""
    for kind, flag, plugin in KINDS:
        setting = case.setting(flag)
        fitting = family_parsers(case, kind)
        name = setting.value if setting is not None else None
        if not isinstance(name, str) or not fitting or name in fitting or name.lower() in ANY_FAMILY:
            continue
        known = case.facts.history.parser_history(kind, name) is not None
        if not known or not case.unset(plugin) or template_for(case, name):
            continue
        best = best_parser(case, kind)
        yield case.finding(
            f"the {kind} parser {name!r} does not fit {model_name(case)}",
            setting,
            help=f"use {best or ' or '.join(fitting)}",
            fix=set_to(setting, best) if best else None,
        )


def template_for(case: Case, parser: str) -> bool:
    """Whether a chat template is given that makes the model write as the parser reads, by its name."""
    template = case.setting("chat-template")
    if template is None:
        return False
    return not isinstance(template.value, str) or parser.split("_", maxsplit=1)[0] in template.value.lower()
