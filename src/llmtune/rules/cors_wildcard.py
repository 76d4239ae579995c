"""Any web page may call the server from its visitors' browsers.

`--allowed-origins '["*"]'` answers every origin, so a page that somebody in your network opens can send requests to
the server, at `localhost` too, and read the answers. It was the default until 0.31 and is closed from 0.32.0 on (vLLM
0.32.0, entrypoints/common/cli_args.py). With `--allow-credentials` the browser sends the visitor's cookies as well.
Name the origins of your own pages.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --allowed-origins '["*"]'
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --allowed-origins '["https://chat.example.com"]'
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"

OPEN_UNTIL = "0.31.0"  # the last whose default is every origin


def check(case: Case) -> Iterator[Finding]:
    """Every origin is allowed, by the file or, with credentials, by the release."""
    setting, cookies = case.setting("allowed-origins"), case.is_on("allow-credentials")
    if setting is not None:
        origins = setting.value if isinstance(setting.value, list) else [setting.value]
        if "*" not in origins:
            return
    elif not cookies or case.open_ended or not case.facts.history.within(case.engine, None, OPEN_UNTIL):
        return
    yield case.finding(
        "any web page may call this server from a visitor's browser"
        + (", with the visitor's cookies" if cookies else ""),
        setting or case.setting("allow-credentials"),
        help="name the origins: --allowed-origins '[\"https://...\"]'",
        severity="warning" if cookies else "info",
    )
