r"""Automatic tool calls and the parser for them are set one without the other.

`--enable-auto-tool-choice` without `--tool-call-parser` stops vLLM: "--enable-auto-tool-choice requires
--tool-call-parser". A parser alone starts, and requests that leave the choice to the model are answered with an error:
'"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set' (vLLM 0.33.0,
entrypoints/common/cli_args.py, validate_parsed_serve_args).

Example:
    ```sh
    vllm serve Qwen/Qwen3-4B-Instruct-2507 --enable-auto-tool-choice --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-4B-Instruct-2507 --enable-auto-tool-choice --tool-call-parser hermes \
      --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.exposure import elsewhere
from llmtune.calc.mending import behind
from llmtune.calc.parsers import best_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("arguments",)


def check(case: Case) -> Iterator[Finding]:
    """One is set, and the other surely is not."""
    if elsewhere(case):
        return
    auto, parser = case.setting("enable-auto-tool-choice"), case.setting("tool-call-parser")
    if case.is_on("enable-auto-tool-choice") and case.unset("tool-call-parser"):
        best = best_parser(case, "tool")
        yield case.finding(
            "--enable-auto-tool-choice needs --tool-call-parser",
            auto,
            help=f"add --tool-call-parser {best}" if best else "add --tool-call-parser with the model's parser",
            fix=behind(case, auto, "tool-call-parser", best) if best else None,
        )
    elif parser is not None and case.unset("enable-auto-tool-choice") and parser.value not in {None, ""}:
        yield case.finding(
            "--tool-call-parser does nothing for automatic tool calls without --enable-auto-tool-choice",
            parser,
            help="add --enable-auto-tool-choice",
            fix=behind(case, parser, "enable-auto-tool-choice"),
            severity="warning",
        )
