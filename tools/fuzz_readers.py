"""Throws broken files at the readers, at ``lint`` and at ``--fix``, and keeps those that break a law.

    pip install atheris                                        # coverage-guided; without it mutation is blind
    python tools/fuzz_readers.py --kind compose --seconds 600
    python tools/fuzz_readers.py --kind all --seconds 180      # every kind in turn

The seeds are ``tests/cases/fuzz/<kind>/`` (``lint`` and ``fix`` take those of all kinds); what a check says stands in
``fuzz_checks``. Inputs that break something are written to ``--found`` once for each place where they break; put them,
made small, among the seeds, which the tests read again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import os
import random
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
SEEDS = ROOT / "tests" / "cases" / "fuzz"
SLOWEST = 4.0  # seconds of this process for one input of a few kilobytes
LARGEST = 6000  # characters
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
WORDS = r"""
' " ` $ $( ) ${ } ${A:-b} $A \ | || & && ; # > < <<EOF EOF [ ] { } {{ }} {% %} * & ? ! !!int !!binary !x % @ : - , =
-- --model= --max-model-len 9999999999999999999999 -1 1e999 nan .inf 0x 1e4 null ~ true no --hf-overrides.a.b
--- ... |- >+ << *a &a $$ $(A) %i ~/ = == [Service] FROM CMD RUN ENV if then fi do done () case esac
services: command: args: env: - --port --api-key --speculative-config '{"a":1}' vllm serve docker run
"""
BLANKS = " ", "\n", "\r\n", "\r", "\t", "  ", "\\\n", "\\ \n", "\n\n", "\u00a0", "\u2028", "\ufeff"
PIECES = (*WORDS.split(), *BLANKS, "\u00e9", "\U0001f680", "\ue000", "\ue001")


class Fuzzer:
    """One check, its seeds, and what broke it so far."""

    def __init__(self, kind: str, check: Callable[[str], None], found: Path) -> None:
        self.kind = kind
        self.check = check
        self.found = found
        self.seeds = seeds(kind)
        self.places: set[str] = set()
        self.count = 0

    def try_one(self, text: str) -> bool:
        """Whether a text breaks nothing; what does is written down."""
        self.count += 1
        start = time.process_time()
        try:
            self.check(text)
        except Exception as error:  # noqa: BLE001 - that is what we look for
            return self.note(text, error)
        seconds = time.process_time() - start
        return seconds < SLOWEST or self.note(text, TimeoutError(f"{seconds:.1f} s"))

    def note(self, text: str, error: Exception) -> bool:
        """Keep the first input of every place that breaks."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "llmtune" in frame.filename] or frames
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
        law = re.sub(r"\W+", " ", str(error))[:25] if not ours or "fuzz_checks" in ours[-1].filename else ""
        place = f"{type(error).__name__} {where} {law}"
        if place not in self.places:
            self.places.add(place)
            path = self.found / self.kind / hashlib.sha256(place.encode()).hexdigest()[:12]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            print(f"{self.kind}: {place}\n  {str(error)[:1500]}\n  {path}", flush=True)
        return False

    def summary(self, seconds: float) -> str:
        """One line at the end."""
        return f"{self.kind}: {self.count} inputs in {seconds:.0f} s, {len(self.places)} places broke"

    def mutate(self, text: str, source: random.Random) -> str:
        """A text with one to six changes, most of which leave its shape."""
        for _ in range(source.choice((1, 1, 2, 3, 6))):
            text = MUTATIONS[source.randrange(len(MUTATIONS))](text, source, self.seeds)
        return text[:LARGEST]

    def run_blind(self, seconds: float, seed: int) -> None:
        """Mutate seeds, and what came of them, without looking at coverage."""
        source, until = random.Random(seed), time.monotonic() + seconds  # noqa: S311
        pool = list(self.seeds)
        while time.monotonic() < until:
            text = self.mutate(source.choice(pool), source)
            self.try_one(text)
            if source.random() < 0.02:  # noqa: PLR2004 - one in fifty lives on
                pool = [*self.seeds, *pool[-200:], text]

    def run_guided(self, atheris: Any, seconds: float, seed: int) -> None:
        """libFuzzer, which keeps what reaches new code; it ends the process."""
        until = time.monotonic() + seconds

        def one(data: bytes) -> None:
            with contextlib.suppress(UnicodeDecodeError):
                self.try_one(data.decode("utf-8"))
            if time.monotonic() > until:
                print(self.summary(seconds), flush=True)
                os._exit(int(bool(self.places)))  # libFuzzer runs nothing on its way out

        def mutator(data: bytes, size: int, number: int) -> bytes:
            source = random.Random(number)  # noqa: S311
            if source.random() < 0.2:  # noqa: PLR2004 - bytes anywhere
                return bytes(atheris.Mutate(data, size))
            return self.mutate(data.decode("utf-8", "replace"), source).encode("utf-8", "replace")[:size]

        corpus = self.found / "corpus" / self.kind
        corpus.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(self.seeds):
            (corpus / f"seed{number}").write_bytes(text.encode())
        limits = [f"-max_len={LARGEST}", f"-seed={seed}", "-verbosity=0", "-timeout=60"]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], one, custom_mutator=mutator)
        atheris.Fuzz()


def seeds(kind: str) -> list[str]:
    """The texts to start from."""
    folders = [SEEDS / kind] if (SEEDS / kind).is_dir() else sorted(SEEDS.iterdir())
    return [path.read_bytes().decode("utf-8") for folder in folders for path in sorted(folder.iterdir())]


def _spot(text: str, source: random.Random) -> tuple[int, int]:
    """A token of a text, as its start and end."""
    at = source.randrange(len(text) + 1)
    match = TOKEN.match(text, at)
    return match.span() if match else (at, at)


def _insert(text: str, source: random.Random, _: list[str]) -> str:
    at = source.randrange(len(text) + 1)
    return text[:at] + source.choice(PIECES) + text[at:]


def _replace(text: str, source: random.Random, _: list[str]) -> str:
    start, end = _spot(text, source)
    return text[:start] + source.choice(PIECES) + text[end:]


def _delete(text: str, source: random.Random, _: list[str]) -> str:
    start, end = _spot(text, source)
    return text[:start] + text[end:]


def _swap_lines(text: str, source: random.Random, _: list[str]) -> str:
    lines = text.split("\n")
    first, second = source.randrange(len(lines)), source.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)


def _repeat_lines(text: str, source: random.Random, _: list[str]) -> str:
    lines = text.split("\n")
    start = source.randrange(len(lines))
    part = lines[start : start + source.randint(1, 5)]
    at = source.randrange(len(lines) + 1)
    return "\n".join([*lines[:at], *part * source.choice((1, 1, 2, 30)), *lines[at:]])


def _delete_lines(text: str, source: random.Random, _: list[str]) -> str:
    lines = text.split("\n")
    start = source.randrange(len(lines))
    del lines[start : start + source.randint(1, 4)]
    return "\n".join(lines)


def _indent(text: str, source: random.Random, _: list[str]) -> str:
    lines = text.split("\n")
    start = source.randrange(len(lines))
    by = source.choice((-4, -2, -1, 1, 2, 4))
    for at in range(start, min(len(lines), start + source.randint(1, 6))):
        lines[at] = " " * by + lines[at] if by > 0 else lines[at].removeprefix(" " * -by)
    return "\n".join(lines)


def _splice(text: str, source: random.Random, others: list[str]) -> str:
    """A few lines of another seed, or the value of another key."""
    other = source.choice(others).split("\n")
    start = source.randrange(len(other))
    lines = text.split("\n")
    at = source.randrange(len(lines) + 1)
    return "\n".join([*lines[:at], *other[start : start + source.randint(1, 8)], *lines[at:]])


def _move_token(text: str, source: random.Random, _: list[str]) -> str:
    start, end = _spot(text, source)
    piece, text = text[start:end], text[:start] + text[end:]
    at = source.randrange(len(text) + 1)
    return text[:at] + piece + text[at:]


def _quote(text: str, source: random.Random, _: list[str]) -> str:
    start, end = _spot(text, source)
    mark = source.choice(("'", '"', "`", "*", "_", "{{ ", "${"))
    close = {"{{ ": " }}", "${": "}"}.get(mark, mark)
    return text[:start] + mark + text[start:end] + close + text[end:]


def _newlines(text: str, source: random.Random, _: list[str]) -> str:
    return text.replace("\n", source.choice(("\r\n", "\n", "\r", " \n")), source.choice((1, 3, -1)))


MUTATIONS = (
    _insert, _insert, _replace, _replace, _delete, _swap_lines, _repeat_lines, _delete_lines, _indent, _splice,
    _move_token, _quote, _newlines,
)  # fmt: skip


def load_atheris() -> Any:
    """atheris, None where it is not installed; it is no dependency of the project."""
    try:
        return importlib.import_module("atheris")
    except ImportError:
        print("atheris is not installed (pip install atheris); mutating blindly", file=sys.stderr)
        return None


def main() -> int:
    """Fuzz one kind, or all of them in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="all", help="a kind of file, 'lint', 'fix', or 'all'")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="mutate blindly even where atheris is installed")
    parser.add_argument("--found", type=Path, default=Path("/tmp/llmtune-fuzz"), help="where to keep inputs")  # noqa: S108
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "src"))
    atheris = None if options.blind else load_atheris()
    traced = ["llmtune.readers", "llmtune.rules"]
    with atheris.instrument_imports(include=traced) if atheris else contextlib.nullcontext():
        checks = importlib.import_module("fuzz_checks").checks()
    if options.kind == "all":
        words = [sys.executable, *sys.argv]
        codes = [subprocess.run([*words, "--kind", kind], check=False).returncode for kind in checks]
        return int(any(codes))
    if options.kind not in checks:
        parser.error(f"unknown kind {options.kind!r}; one of {', '.join(checks)}")
    fuzzer = Fuzzer(options.kind, checks[options.kind], options.found)
    for text in fuzzer.seeds:
        fuzzer.try_one(text)
    if atheris:
        fuzzer.run_guided(atheris, options.seconds, options.seed)
    fuzzer.run_blind(options.seconds, options.seed)
    print(fuzzer.summary(options.seconds))
    return int(bool(fuzzer.places))


if __name__ == "__main__":
    sys.exit(main())
