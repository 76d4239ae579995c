"""This release runs code that a request brings along: CVE-2026-22778.

From 0.8.3 to 0.14.0 a server of a model that takes images or videos can be taken over with two requests: an image
that cannot be decoded makes it tell an address of its memory, and a crafted video overflows the heap of its decoder.
A key does not help, since `/invocations` is not guarded. Fixed in 0.14.1 (GitHub advisory on CVE-2026-22778; vLLM
issue 58144).

Example:
    ```sh vllm-version=0.12.0
    vllm serve Qwen/Qwen2.5-VL-7B-Instruct --max-model-len 16384 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.14.1
    vllm serve Qwen/Qwen2.5-VL-7B-Instruct --max-model-len 16384 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
SINCE, UNTIL = "0.8.3", "0.14.0"
NEEDS = ("release", "model")


def check(case: Case) -> Iterator[Finding]:
    """A release with the flaw, and a model that takes images."""
    if case.model is None or not case.model.multimodal or case.is_on("language-model-only"):
        return
    limits = case.deployment.value("limit-mm-per-prompt")
    if isinstance(limits, dict) and limits.get("image") == 0 and limits.get("video") == 0:
        return
    yield case.finding(
        f"vLLM {case.release} can be taken over by an image and a video (CVE-2026-22778)",
        case.server.release or case.around.image,
        note="a key does not guard every path to it",
        help="use vLLM 0.14.1 or later",
        severity="" if case.facts.release_from in {"image", "file"} else "info",  # the file does not choose it
    )
