r"""A model without a chat template is served for chat.

Base models were never taught a form of conversation, and some older chat models keep theirs outside the tokenizer. vLLM
then refuses every request to `/v1/chat/completions`: "default chat template is no longer allowed" (transformers 4.44
and later; issues 7978, 17977, 18140, 39279). Reported where the settings show that chat is meant: parsers for tools or
thoughts, or arguments of a template. Take the instruct model, or give a template.

Example:
    ```sh
    vllm serve meta-llama/Llama-3.1-8B --enable-auto-tool-choice --tool-call-parser llama3_json \
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

from llmtune.calc.exposure import elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
NEEDS = ("arguments",)
CHATS = ("enable-auto-tool-choice", "tool-call-parser", "reasoning-parser", "default-chat-template-kwargs")


def check(case: Case) -> Iterator[Finding]:
    """A known id, options for chat, and no template."""
    chats = next((case.setting(flag) for flag in CHATS if case.setting(flag) is not None), None)
    if chats is None or not case.unset("chat-template") or not case.unset("tokenizer") or elsewhere(case):
        return
    if case.facts.history.is_listed("no_chat_template", case.deployment.model):
        yield case.finding(
            f"{case.deployment.model} has no chat template, so chat requests are refused",
            case.model_word,
            note=f"--{chats.flag} is for chat",
            help="serve the instruct model, or add --chat-template FILE",
        )
