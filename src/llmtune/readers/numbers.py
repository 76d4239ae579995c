"""Numbers as people write them on a command line: with a suffix, as vLLM takes them, and in forms that it refuses."""

from __future__ import annotations

import re

THOUSANDS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
DIGITS = re.compile(r"[0-9]{1,18}")  # all numbers of these fit into 64 bits
HUMAN = re.compile(r"(\d+)(\.\d+)?([kKmMgGtT])")
BARE_HUMAN = re.compile(r"\b\d+(?:\.\d+)?[kKmMgGtT]\b")
LONGEST = 40  # digits; a 64-bit number has 20
QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')


def human_int(text: str) -> int:
    """A whole number with an optional suffix: k, m, g, t count in thousands and K, M, G, T in 1024.

    >>> human_int("25.6k"), human_int("32K"), human_int("8192")
    (25600, 32768, 8192)

    Raises:
        ValueError: for anything else, decimals before a binary suffix included.

    """
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} digits are no size")
    match = HUMAN.fullmatch(text.strip())
    if match is None:
        return int(text)
    number, decimals, suffix = match.groups(default="")
    if suffix.isupper():
        if decimals:
            raise ValueError(f"{text.strip()!r} has decimals before a binary suffix; write {text.strip().lower()}")
        return int(number) * BINARY[suffix]
    return int(float(number + decimals) * THOUSANDS[suffix])


def counted(text: str) -> int | None:
    """The number that up to 18 decimal digits are; None for every other text.

    >>> counted("8000"), counted("8k"), counted("9" * 5000)
    (8000, None, None)
    """
    return int(text) if DIGITS.fullmatch(text) else None


def whole(text: str) -> str | None:
    """The digits that a number in another form stands for; None where it is none, or not a whole one.

    >>> whole("1e4"), whole("256.0"), whole("1,024"), whole("32k"), whole("0x10"), whole("2.5")
    ('10000', '256', '1024', '32000', '16', None)
    """
    bare = text.strip().replace("_", "")
    try:
        if re.fullmatch(r"\d{1,3}(,\d{3})+", bare):
            return bare.replace(",", "")
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", bare):
            return str(int(bare, 16))
        if HUMAN.fullmatch(bare):
            return str(human_int(bare))
        if re.fullmatch(r"\d+(\.0*)?([eE]\+?\d{1,2})?|\d+\.\d+[eE]\+?\d{1,2}", bare):
            value = float(bare)
            return str(int(value)) if value == int(value) else None
    except (ValueError, OverflowError):
        return None
    return None


def number(text: str) -> str | None:
    """A number with a decimal point for one with a comma or a per cent sign; None for anything else.

    >>> number("0,9"), number("90%"), number("0.9x")
    ('0.9', '0.9', None)
    """
    bare = text.strip()
    if re.fullmatch(r"\d+,\d+", bare):
        return bare.replace(",", ".")
    if re.fullmatch(r"\d+(\.\d+)?\s*%", bare):
        return f"{float(bare.rstrip('% ')) / 100:g}"
    return None


def expand_suffixes(text: str) -> str:
    """JSON with every bare ``80g`` written out; quoted strings stay as they are.

    Raises:
        ValueError: for decimals before a binary suffix.

    """
    parts = QUOTED.split(text)
    return "".join(
        part if index % 2 else BARE_HUMAN.sub(lambda match: str(human_int(match.group())), part)
        for index, part in enumerate(parts)
    )
