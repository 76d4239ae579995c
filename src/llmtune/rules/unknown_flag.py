"""No release of vLLM has a flag of this name, so the server does not start.

The parser refuses what it does not know: "unrecognized arguments". Underscores, unique beginnings, `--no-` in front of
switches, dotted keys of JSON options and `-O3` are understood as vLLM understands them (vLLM 0.33.0,
utils/argparse_utils.py, FlexibleArgumentParser). The table is that of the release that the file names by its image or
its package; images that others built may have more flags and are not checked. Flags that were removed or come later
have rules of their own.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-length 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import Trust, fate, notices, trust, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding, Notice

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """Flags that the parser of the release refuses and that neither went nor come later."""
    level = trust(case)
    if level in {Trust.NONE, Trust.BUILD}:
        return
    for notice in notices(case, "unknown-flag"):
        if fate(case, notice.flag).kind != "unknown":
            continue
        if level is Trust.FULL and not unfinished(case):
            yield case.finding(notice.message, notice.span, fix=notice.fix)
        elif notice.fix is not None or level is Trust.ASSUMED:
            message = f"no release of vLLM known here has a flag {notice.flag}"
            advice = notice.fix.title if notice.fix else _meant(notice) or "delete it, or name the release that has it"
            yield case.finding(message, notice.span, help=advice, fix=notice.fix, confidence="likely")


def _meant(notice: Notice) -> str:
    """What the reader takes the flag for, where the file spells it so that it cannot be edited."""
    better = notice.message.partition("Did you mean ")[2].rstrip("?")
    return f"write {better}" if better else ""
