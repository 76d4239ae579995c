r"""A tool-call or reasoning parser is named that the release does not have.

vLLM stops with "invalid tool call parser" or "invalid reasoning parser". Parsers come and go with releases: `minimax`
went after 0.23.0, `GptOss` after 0.10.1. A parser of one's own is loaded with `--tool-parser-plugin` or
`--reasoning-parser-plugin`, and is not checked (vLLM 0.33.0, entrypoints/common/cli_args.py,
validate_api_server_args).

Example:
    ```sh
    vllm serve Qwen/Qwen3-4B-Instruct-2507 --enable-auto-tool-choice --tool-call-parser qwen3 \
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
from llmtune.calc.parsers import KINDS, best_parser, parsers_of
from llmtune.calc.releases import Trust, trust, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.history import Lifetime

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """Each kind of parser against those of the release."""
    level = trust(case)
    if level in {Trust.NONE, Trust.BUILD, Trust.HIDDEN} or unfinished(case):
        return
    for kind, flag, plugin in KINDS:
        setting = case.setting(flag)
        name = setting.value if setting is not None else None
        unused = kind == "tool" and not case.is_on("enable-auto-tool-choice")
        if not isinstance(name, str) or name.lower() in {"", "none"} or unused or not case.unset(plugin):
            continue
        known = parsers_of(case, kind)
        if name in known:
            continue
        history = case.facts.history.parser_history(kind, name)
        best = best_parser(case, kind)
        yield case.finding(
            f"vLLM {case.release} has no {kind} parser {name!r}{fate_of(history, case)}",
            setting,
            help=f"use {best}" if best else f"it has {', '.join(known)}",
            fix=set_to(setting, best) if best else None,
            confidence="" if level is Trust.FULL else "likely",
        )


def fate_of(history: Lifetime | None, case: Case) -> str:
    """When it went or comes."""
    if history is None:
        return ""
    if history.gone and not case.facts.history.within(case.engine, None, history.last):
        return f", which went in {history.gone}"
    return f", which comes in {history.first}"
