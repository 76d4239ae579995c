"""A file cannot be read.

It is not UTF-8, too large for a configuration (1 MiB), no regular file, or its permissions forbid reading. What cannot
be read cannot be checked, and that is never fine: the run ends with exit code 2, after every other file was checked.

Example:
    ```text
    llmtune lint deploy.yaml    # saved as UTF-16
    ```

Use instead:
    ```text
    llmtune lint deploy.yaml    # saved as UTF-8
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(_: Case) -> Iterator[Finding]:
    """Found before there is a case."""
    yield from ()
