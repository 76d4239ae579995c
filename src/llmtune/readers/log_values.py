"""What vLLM prints of its arguments and its config: Python values, objects and cut-off ends among them.

    non-default args: {'model': 'Qwen/Qwen3-8B', 'max_model_len': 8192, 'compilation_config': CompilationConfig(...)}
    args: Namespace(model_tag='Qwen/Qwen3-8B', max_model_len=8192, dispatch_function=<function ... at 0x7f>)
    model='Qwen/Qwen3-8B', speculative_config=None, dtype=torch.bfloat16, max_seq_len=8192, ...
Values that are no plain data are left out. One pass over the text, whatever it holds.
Source: vLLM 0.33.0 entrypoints/common/startup.py::log_non_default_args, config/vllm.py::VllmConfig.__str__; 0.8.5
entrypoints/openai/api_server.py.
"""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtune.spec.deployment import Value

OPENING, CLOSING = "([{<", ")]}>"
LONGEST_VALUE = 20_000  # characters
DEEPEST = 20
DEEPEST_DATA = 8
KEY = re.compile(r"""\s*['"]?([A-Za-z_]\w{0,80})['"]?\s*[:=]\s*""")
ENUM = re.compile(r"<(\w{1,60})\.(\w{1,80}): ([^<>]{1,200})>")
OUTER = re.compile(r"\s*(?:Namespace\(|\{)")


def read_values(text: str) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Keys and values of a dict, a ``Namespace(...)`` or a list ``a=1, b=2``, up to where the text ends or breaks off.

    The second half names the keys whose values are no plain data.

    >>> read_values("{'model': 'a/b', 'config': Thing(x=[1, 2]), 'max_model_len': 4096, 'seed'")
    ({'model': 'a/b', 'max_model_len': 4096}, ('config',))
    """
    outer = OUTER.match(text)
    start = outer.end() if outer else 0
    found: dict[str, Value] = {}
    unread = []
    for item, whole in _items(text[start:], closed=outer is not None):
        key = KEY.match(item)
        if key is None or not whole:
            continue
        value, is_data = _value(item[key.end() :].strip())
        if is_data:
            found[key[1]] = value
        else:
            unread.append(key[1])
    return found, tuple(unread)


def _items(text: str, *, closed: bool) -> list[tuple[str, bool]]:
    """The parts between commas that stand in no bracket and no quotes; whether each is whole."""
    items: list[tuple[str, bool]] = []
    depth = start = at = 0
    quote = ""
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == "\\":
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"" and (at == 0 or not text[at - 1].isalnum()):
            quote = letter
        elif letter in OPENING:
            depth += 1
        elif letter in CLOSING and text[at - 1 : at + 1] != "->":
            depth -= 1
            if depth < 0:
                return [*items, (text[start:at], True)]
        elif letter == "," and depth == 0:
            items.append((text[start:at], True))
            start = at + 1
        at += 1
    return [*items, (text[start:], not closed and not quote and depth == 0)]


def _value(text: str) -> tuple[Value, bool]:
    """A plain value; whether it is one."""
    if re.fullmatch(r"torch\.\w{1,40}", text):
        return text.removeprefix("torch."), True
    if len(text) > LONGEST_VALUE or sum(map(text.count, "([{-+~")) > LONGEST_VALUE // 20:
        return None, False
    try:
        return _plain(ast.literal_eval(ENUM.sub(_enum, text)), 0)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        pass
    try:
        return _plain(json.loads(text), 0)  # some releases print a part of the config as JSON
    except (ValueError, RecursionError):
        bare = re.fullmatch(r"[A-Za-z_][\w.-]{0,80}", text)  # the config line prints some words without quotes
        return (text, True) if bare else (None, False)


def _enum(found: re.Match[str]) -> str:
    """An enum as options take it: graph modes by name (``<CUDAGraphMode.FULL: 2>``), the others by value."""
    return repr(found[2]) if found[1] == "CUDAGraphMode" else found[3]


def _plain(value: object, depth: int) -> tuple[Value, bool]:
    """A value of JSON's kinds; tuples and sets become lists."""
    if value is None or isinstance(value, bool | int | float | str):
        return value, True
    if depth < DEEPEST_DATA and isinstance(value, list | tuple | set | frozenset):
        ordered = value if isinstance(value, list | tuple) else sorted(value, key=str)
        items = [_plain(item, depth + 1) for item in ordered]
        return [item for item, _ in items], all(is_data for _, is_data in items)
    if depth < DEEPEST_DATA and isinstance(value, dict):
        pairs = {str(key): _plain(item, depth + 1) for key, item in value.items()}
        return {key: item for key, (item, _) in pairs.items()}, all(is_data for _, is_data in pairs.values())
    return None, False
