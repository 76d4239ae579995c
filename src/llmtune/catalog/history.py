"""What existed in which release: options, environment variables, parsers, quantisation methods; and what came instead.

The tables are made by ``tools/make_flag_history.py``, ``make_environment.py``, ``make_parsers.py`` and
``make_quantization_methods.py``; advice and families of parsers are written by hand. Every look-up answers None for
what no release known ever had. Names are written as the engine does: options bare (``max-model-len``), short ones with
their dash (``-tp``).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.catalog import UnknownName, engines
from llmtune.spec.history import (
    ChangedDefault,
    FlagHistory,
    Lifetime,
    MethodHistory,
    ParserFamily,
    Replacement,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.engine import EngineVersion

DATA = Path(__file__).parent / "data"
PLUGINS = {  # variables that no release reads, but an engine's plug-in or another image does
    "VLLM_ASCEND_": "vllm-ascend",
    "VLLM_BUCKETING_": "vllm-gaudi",
    "VLLM_DECODE_BLOCK_BUCKET_": "vllm-gaudi",
    "VLLM_DECODE_BS_BUCKET_": "vllm-gaudi",
    "VLLM_EXPONENTIAL_BUCKETING": "vllm-gaudi",
    "VLLM_GAUDI_": "vllm-gaudi",
    "VLLM_HPU_": "vllm-gaudi",
    "VLLM_METAL_": "vllm-metal",
    "VLLM_NEURON_": "vllm-neuron",
    "VLLM_OMNI_": "vllm-omni",
    "VLLM_PROMPT_BS_BUCKET_": "vllm-gaudi",
    "VLLM_PROMPT_SEQ_BUCKET_": "vllm-gaudi",
    "VLLM_RBLN_": "vllm-rbln",
    "VLLM_SKIP_WARMUP": "vllm-gaudi",
    "VLLM_SPYRE_": "vllm-spyre",
    "VLLM_TPU_": "tpu-inference",
}
MISSPELT = 0.8  # of 1; below it suggestions for made-up names (VLLM_MAX_NUM_SEQS) look random
EMPTY: tuple[object, ...] = (None, False, "", [], {})  # ways in which releases write that nothing is set


def within(engine: EngineVersion, since: str | None, until: str | None) -> bool:
    """Whether a release lies between two others, both included; None leaves a side open."""
    release = engines.parts(engine.requested or engine.release)
    return (since is None or release >= engines.parts(since)) and (until is None or release <= engines.parts(until))


def exists(lifetime: Lifetime | FlagHistory | MethodHistory, engine: EngineVersion) -> bool:
    """Whether a release has something.

    >>> exists(Lifetime("0.6.0", "0.16.0", "0.17.0"), engines.find("0.17.0"))
    False
    """
    return within(engine, lifetime.first, lifetime.last)


@lru_cache(maxsize=512)
def flag_history(flag: str) -> FlagHistory | None:
    """Since and until when a name of an option exists, over all option tables.

    Names that a table has only as the opposite of another (``no-...``, since 0.33.0 ``disable-x`` of ``enable-x``) do
    not count, so look into the release's own table first.

    >>> flag_history("swap-space")
    FlagHistory(first='0.6.0', last='0.17.1', gone='0.18.0', of=None)
    """
    entry = _table("flags").get(flag)
    return None if entry is None else FlagHistory(*_lifetime(entry), of=entry.get("of"))


@lru_cache(maxsize=512)
def replacement(flag: str) -> Replacement | None:
    """What to do about an option that is gone, or that some release calls deprecated."""
    entry = _table("replacements").get(flag)
    return None if entry is None else Replacement(**entry)


@lru_cache(maxsize=512)
def variable_history(name: str) -> Lifetime | None:
    """Since and until when an environment variable is read.

    >>> variable_history("VLLM_ATTENTION_BACKEND")
    Lifetime(first='0.6.0', last='0.14.1', gone='0.15.0')
    """
    entry = _table("environment").get(name)
    return None if entry is None else Lifetime(*_lifetime(entry))


def variable_advice(name: str) -> str | None:
    """What to do instead of setting a variable that is gone, as a phrase without a full stop."""
    advice: str | None = _table("environment_advice").get(name)
    return advice


def variable_plugin(name: str) -> str | None:
    """The plug-in that reads variables of this name, where vLLM itself never did."""
    return next((plugin for prefix, plugin in PLUGINS.items() if name.startswith(prefix)), None)


def closest_variable(name: str, engine: EngineVersion | None = None) -> str | None:
    """The variable that a misspelt one may mean, of those that the release reads (of the newest if none is given).

    >>> closest_variable("VLLM_LOGING_LEVEL")
    'VLLM_LOGGING_LEVEL'
    """
    return _closest_variable(name, (engine.requested or engine.release) if engine else engines.newest())


@lru_cache(maxsize=512)
def _closest_variable(name: str, wanted: str) -> str | None:
    release = engines.find(wanted)
    known = [
        item for item in _table("environment") if exists(Lifetime(*_lifetime(_table("environment")[item])), release)
    ]
    # Names are compared without the prefix that makes all of them alike.
    suggestions = UnknownName("variable", _stem(name), {_stem(item): item for item in known}).suggestions
    return next((found for found in suggestions if _is_misspelt(_stem(name), _stem(found))), None)


def _is_misspelt(written: str, meant: str) -> bool:
    """Whether a name is so close to another one that it is a slip, not a name that somebody made up."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - only a name that nobody knows needs it

    return SequenceMatcher(None, written, meant).ratio() >= MISSPELT


@lru_cache(maxsize=64)
def parsers(kind: str, release: str) -> tuple[str, ...]:
    """The parsers of a release, sorted; ``kind`` is tool or reasoning."""
    engine = engines.find(release)
    table = _table("parsers")[kind]
    return tuple(name for name, entry in table.items() if exists(Lifetime(*_lifetime(entry)), engine))


@lru_cache(maxsize=256)
def parser_history(kind: str, name: str) -> Lifetime | None:
    """Since and until when a parser exists; ``kind`` is tool or reasoning."""
    entry = _table("parsers")[kind].get(name)
    return None if entry is None else Lifetime(*_lifetime(entry))


@lru_cache(maxsize=64)
def parser_family(model: str) -> ParserFamily | None:
    """The family of a model, by its name on the Hub or the name of its directory.

    >>> parser_family("Qwen/Qwen3-Coder-30B-A3B-Instruct").tool
    ('qwen3_xml', 'qwen3_coder')
    """
    wanted = model.casefold()
    for entry in _list("parser_families"):
        if re.search(entry["models"], wanted):
            return ParserFamily(**{**entry, "tool": tuple(entry["tool"]), "reasoning": tuple(entry["reasoning"])})
    return None


@lru_cache(maxsize=64)
def is_listed(name: str, model: str) -> bool:
    """Whether a model is one of a list: ``gated`` (the Hub asks for a token) or ``no_chat_template``.

    >>> is_listed("gated", "meta-llama/Llama-3.1-8B-Instruct"), is_listed("gated", "Qwen/Qwen3-8B")
    (True, False)
    """
    return re.search(_table("model_lists")[name]["models"], model, re.IGNORECASE) is not None


@lru_cache(maxsize=64)
def method_history(name: str) -> MethodHistory | None:
    """Since and until when a quantisation method exists, and what it asks of the GPU."""
    return _method("methods", name)


@lru_cache(maxsize=64)
def load_format_history(name: str) -> MethodHistory | None:
    """Since and until when a value of ``--load-format`` exists."""
    return _method("load_formats", name)


@lru_cache(maxsize=8)
def changed_defaults(old: str, new: str) -> tuple[ChangedDefault, ...]:
    """Options of both releases whose declared default differs, sorted by flag.

    Left out is what the release's code computes (no default in the table) and one way of saying nothing for another
    (no value, false, an empty list).

    >>> [(item.flag, item.before, item.after) for item in changed_defaults("0.19.1", "0.20.0")][:1]
    [('gpu-memory-utilization', 0.9, 0.92)]
    """
    tables = [_declared(engines.find(release).release) for release in (old, new)]
    options = engines.find(new).options
    return tuple(
        ChangedDefault(flag, before, after, options[flag])
        for flag, before in sorted(tables[0].items())
        if flag in tables[1] and not _same(before, after := tables[1][flag])
    )


def _declared(release: str) -> dict[str, object]:
    """The default of every option that declares one."""
    table = _read(f"engines/{release}")["options"]
    return {flag: entry["default"] for flag, entry in table.items() if "default" in entry}


def _same(one: object, other: object) -> bool:
    # 0 == False, and a seed of 0 is not no seed.
    nothing = [any(value is empty or (value == empty and value != 0) for empty in EMPTY) for value in (one, other)]
    return all(nothing) or (one == other and isinstance(one, bool) == isinstance(other, bool))


def _method(kind: str, name: str) -> MethodHistory | None:
    entry = _table("quantization_methods")[kind].get(name)
    if entry is None:
        return None
    return MethodHistory(
        *_lifetime(entry),
        min_capability=entry.get("min_capability"),
        deprecated=entry.get("deprecated"),
        advice=entry.get("removed_advice"),
    )


def _lifetime(entry: Mapping[str, str]) -> tuple[str, str | None, str | None]:
    last = entry.get("until")
    return entry["since"], last, None if last is None else _following()[last]


@lru_cache(maxsize=1)
def _following() -> dict[str, str]:
    """Every release known with the one after it."""
    return dict(zip(engines.names(), engines.names()[1:], strict=False))


def _stem(name: str) -> str:
    return name.casefold().removeprefix("vllm_").replace("_", "-")


def _table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = _read(name)
    return table


def _list(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = _read(name)
    return entries


@lru_cache(maxsize=16)
def _read(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
