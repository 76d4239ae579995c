"""The API key does not guard every path of the server.

vLLM asks for the key on paths under `/v1` (later also `/v2`, `/inference` and `/cohere`) and nowhere else.
`/invocations` takes the same requests as `/v1` without it, and so do `/tokenize`, `/pooling`, `/score`, `/classify`
and `/metrics`, by release and model (vLLM 0.33.0, entrypoints/serve/middleware/authenticate.py; measured on 0.27.1
and 0.29.0 in issue 58144). Let a proxy pass only the paths that clients need.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 0.0.0.0 --api-key "$API_KEY"
    ```

Use instead:
    ```sh
    # behind a proxy that passes /v1 only
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --api-key "$API_KEY"
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.exposure import NETWORK, exposure, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
SINCE = "0.7.0"  # the first with /invocations

LETS_IN_ALL = frozenset({"LoadBalancer", "hostNetwork"})  # an Ingress may pass some paths only


def check(case: Case) -> Iterator[Finding]:
    """A key, and clients that reach the server directly."""
    key, found = key_of(case), exposure(case)
    if key is None or found is None or case.setting("middleware") is not None:
        return
    if found.reach != NETWORK and case.value_of(case.around.exposure) not in LETS_IN_ALL:
        return
    yield case.finding(
        "the key guards /v1 only: /invocations takes the same requests without it",
        key,
        note=found.how,
        help="put a proxy in front that passes only the paths that clients need",
    )
