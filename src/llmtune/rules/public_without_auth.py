"""Whoever reaches the server may use it: it listens to others and asks for no key.

vLLM listens on every address unless `--host` says otherwise, and without `--api-key` or `VLLM_API_KEY` it serves
everybody who can connect: they spend the GPU, read what else it tells (`/metrics`, `/v1/models`), and use any flaw of
that release. It is an error where a load balancer, an Ingress or the node's network opens it to the world outside a
cluster, a warning where the file states the address or publishes a port, and advice where a plain command only leaves
the default. Requests from inside a cluster are not judged. It is advice, too, where a variable may hold a key. The
project scans for such servers (nuclei-templates pull request 16471, vLLM issue 23052).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 0.0.0.0
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.exposure import EVERYONE, NETWORK, exposure, is_guarded
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"

KEY = re.compile(r"key|auth|secret|token(?!s|iz)|security", re.IGNORECASE)
HELP = "set VLLM_API_KEY from a secret and put a proxy in front"
OR_ELSE = {"kubernetes": ", or keep it inside the cluster", "helm": ", or keep it inside the cluster", "skypilot": ""}


def check(case: Case) -> Iterator[Finding]:
    """Others reach it, and nothing asks who they are."""
    found = exposure(case)
    if found is None or is_guarded(case) or may_hide_key(case):
        return
    advice = HELP + OR_ELSE.get(case.around.platform, ", or let only 127.0.0.1 in")
    if case.open_ended:
        if found.reach in {EVERYONE, NETWORK}:
            yield case.finding(
                "anyone who reaches this server may use it, unless what a variable hides makes it ask for a key",
                found.at,
                note=found.how,
                help=advice,
                severity="info",
                confidence="possible",
            )
        return
    yield case.finding(
        "anyone who reaches this server may use it: it asks for no key",
        found.at,
        note=found.how,
        help=advice,
        severity={EVERYONE: "error", NETWORK: "warning"}.get(found.reach, "info"),
    )


def may_hide_key(case: Case) -> bool:
    """Whether a word that hides settings sounds like a key: ``${API_KEY:+--api-key $API_KEY}``."""
    return case.open_ended and any(is_unknown(word.text) and KEY.search(word.text) for word in case.server.words)
