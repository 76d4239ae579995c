"""The deployment behind a start-up log, from what the engine printed of its own arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.catalog import models
from llmtune.cli.errors import UserError
from llmtune.cli.loading import load_engine
from llmtune.cli.measuring import shown_model
from llmtune.readers import Notice, Reading
from llmtune.readers.secrets import is_secret
from llmtune.spec.deployment import Deployment, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.calibration import StartupLog
    from llmtune.spec.deployment import Value
    from llmtune.spec.engine import EngineVersion, Option

# What the config line of every release calls a setting, where there are no arguments (config/vllm.py::__str__).
CONFIG = {
    "max_seq_len": "max-model-len",
    "dtype": "dtype",
    "kv_cache_dtype": "kv-cache-dtype",
    "quantization": "quantization",
    "tensor_parallel_size": "tensor-parallel-size",
    "pipeline_parallel_size": "pipeline-parallel-size",
    "data_parallel_size": "data-parallel-size",
    "decode_context_parallel_size": "decode-context-parallel-size",
    "enforce_eager": "enforce-eager",
    "enable_prefix_caching": "enable-prefix-caching",
    "enable_chunked_prefill": "enable-chunked-prefill",
    "chunked_prefill_enabled": "enable-chunked-prefill",
}
SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)(?:/snapshots/|$|/)")


def find_release(log: StartupLog, asked: str | None) -> EngineVersion:
    """The release in the log, or the one that was named.

    Raises:
        UserError: when neither says it.
        UnknownName: when it is not known.

    """
    if asked is None and log.release is None:
        raise UserError("the log does not say which vLLM release wrote it; name it with --vllm-version")
    return load_engine(asked or log.release)


def deployment_of(log: StartupLog, engine: EngineVersion) -> Reading:
    """The settings that the log prints: the arguments, or what the engine's config line shows of them.

    Raises:
        UserError: when the log names no model.

    """
    if not log.model:
        raise UserError(
            "the log does not say which model was served; put the command behind '--', as in "
            "'llmtune calibrate LOG -- vllm serve MODEL ...'"
        )
    settings = tuple(_arguments(log, engine) if log.has_arguments else _config(log, engine))
    notices = []
    if not log.has_arguments:
        message = (
            "the log prints no arguments: settings are those of the engine's config line, and max-num-seqs is taken to "
            "be the default; put the command behind '--' to be exact"
        )
        notices.append(Notice("no-arguments", message))
    unread = [*(flag for flag in log.unread if flag in engine.options), *_illegal(log, engine)]
    if unread:
        message = f"the log prints {', '.join(unread)} in a form that cannot be read; put the command behind '--'"
        notices.append(Notice("unread-arguments", message))
    return Reading(Deployment(_model(log.model), settings), tuple(notices))


def _arguments(log: StartupLog, engine: EngineVersion) -> Iterator[Setting]:
    """Arguments that are options of the release and differ from its defaults, secrets left out."""
    for flag, value in log.arguments.items():
        option = engine.options.get(flag)
        if option is None or flag in {"model", "config"} or is_secret(flag) or not _is_legal(value, option):
            continue
        if value not in (None, [], option.default):
            yield Setting(flag, value)


def _config(log: StartupLog, engine: EngineVersion) -> Iterator[Setting]:
    seen: dict[str, Value] = {}
    for key, flag in CONFIG.items():
        value = log.config.get(key)
        option = engine.options.get(flag)
        if option is not None and value not in (None, option.default) and _is_legal(value, option):
            seen[flag] = value
    if log.batched_tokens is not None:
        seen["max-num-batched-tokens"] = log.batched_tokens
    if log.utilization is not None:
        seen["gpu-memory-utilization"] = log.utilization
    yield from (Setting(flag, value) for flag, value in seen.items())


def _illegal(log: StartupLog, engine: EngineVersion) -> list[str]:
    """Options whose printed values the release does not have: the log is damaged, or of another build."""
    known = [(flag, value, engine.options.get(flag)) for flag, value in log.arguments.items()]
    return [flag for flag, value, option in known if option is not None and not _is_legal(value, option)]


def _is_legal(value: Value, option: Option) -> bool:
    """Whether a word is one of those that an option takes; what is no word is looked at when it is used."""
    return not option.choices or not isinstance(value, str) or value in option.choices


def _model(printed: str) -> str:
    """The model's id: of a path into the Hugging Face cache, or of a directory that a model of the catalogue names."""
    snapshot = SNAPSHOT.search(printed)
    if snapshot is not None:
        return f"{snapshot[1]}/{snapshot[2]}"
    last = shown_model(printed)
    if "/" in last or last == printed:
        return printed
    from pathlib import Path  # noqa: PLC0415 - a directory is rare

    named = [name for name in models.names() if name.rsplit("/", 1)[-1].casefold() == last.casefold()]
    if len(named) == 1 and not Path(printed).exists():
        return named[0]
    if not Path(printed).exists():
        raise UserError(
            f"the log's model is a directory that is not here ('{last}'); put the command behind '--' with the model's "
            "Hugging Face id, as in '-- vllm serve ORGANISATION/MODEL ...'"
        )
    return printed
