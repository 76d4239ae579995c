"""Arguments that KServe makes of its own fields, and those of its Hugging Face server that are not vLLM's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.pod_text import hidden
from llmtune.spec.word import Word, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.readers.yaml_tree import Yaml

HUB = "hf://"
FLAGS = {
    "tensor": "--tensor-parallel-size",
    "pipeline": "--pipeline-parallel-size",
    "data": "--data-parallel-size",
    "dataLocal": "--data-parallel-size-local",
    "tensorParallelSize": "--tensor-parallel-size",
    "pipelineParallelSize": "--pipeline-parallel-size",
}
# Of python/huggingfaceserver/__main__.py and kserve/model_server.py, those with a value and those without.
WRAPPER_VALUES = re.compile(
    r"model_(name|dir|id|revision)|backend|(http|grpc)_port|workers|max_(threads|asyncio_workers|length)|log_config_file"
    r"|enable_(grpc|docs_url|latency_logging)|configure_logging|access_log_format|event_loop|timeout_keep_alive|protocol"
    r"|predictor_(host|protocol|use_ssl|request_(timeout_seconds|retries))|grpc_max_(send|receive)_message_length"
    r"|tensor_input_names"
)
WRAPPER_SWITCHES = re.compile(
    r"disable_(lower_case|special_tokens|log_requests)|return_(token_type_ids|offsets_mapping|probabilities|raw_logits)"
    r"|enable_predictor_health_check"
)


def model_word(uri: Yaml) -> Word | None:
    """The model of a URI: an id of the Hub; what lies in a claim or a bucket is not known."""
    text = hidden(uri.text)
    if not text:
        return None
    if not text.startswith(HUB) or is_unknown(text):
        return Word(hole(uri.text), uri.span)
    end = len(HUB) + len(text.removeprefix(HUB).partition(":")[0])
    plain = uri.excerpt.is_plain(len(HUB), end)
    return Word(text[len(HUB) : end], uri.excerpt.span(len(HUB), end), plain=plain)


def parallel_words(node: Yaml, keys: Sequence[str]) -> list[Word]:
    """The flags that the platform makes of parallel sizes; 1 is what it is without them."""
    words = []
    for key in keys:
        value = node[key]
        if key == "expert" and value.text == "true":
            words.append(Word("--enable-expert-parallel", value.span))
        elif key in FLAGS and value.text not in {"", "1"}:
            words += [Word(FLAGS[key], value.key_span), Word(hidden(value.text), value.span)]
    return words


def without_wrapper(words: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """Arguments of the Hugging Face server in two parts: vLLM's, and what its own say of the model."""
    own: list[Word] = []
    wrapped: list[Word] = []
    at = 0
    while at < len(words):
        word = words[at]
        name, equals, value = word.text.partition("=")
        flag = name.removeprefix("--").replace("-", "_") if name.startswith("--") else ""
        takes_value = WRAPPER_VALUES.fullmatch(flag) is not None
        if not takes_value and not WRAPPER_SWITCHES.fullmatch(flag):
            own.append(word)
            at += 1
            continue
        apart = takes_value and not equals and at + 1 < len(words)
        if flag == "model_id":
            model = words[at + 1] if apart else Word(value, word.span)
            wrapped += [Word("--model", word.span), model]
        at += 2 if apart else 1
    return own, wrapped
