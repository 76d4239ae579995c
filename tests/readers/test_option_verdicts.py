"""Thousands of argument lists with what vLLM 0.33.0 says of them; tools/check_options_with_engine.py asked it."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path

from llmtune.catalog import engines
from llmtune.readers.server import read_server
from llmtune.spec.server import Server
from llmtune.spec.span import Span
from llmtune.spec.word import Word

VERDICTS = Path(__file__).parents[2] / "benchmarks/data/option_verdicts.json.gz"
NOWHERE = Span("<list>", 1, 1, 1, 1)


def refusals(words: list[str], release: str) -> list[str]:
    server = Server("", NOWHERE, "serve", tuple(map(Word, words)))
    reading = read_server(server, engines.find(release), directory=Path("/nowhere"))
    return [problem.message for problem in reading.problems if problem.name != "asks-for-help"]


def test_verdicts_agree_with_the_engine() -> None:
    document = json.loads(gzip.decompress(VERDICTS.read_bytes()))
    rows = document["rows"]
    assert len(rows) > 2000
    assert min(sum(row[-1] for row in rows), sum(not row[-1] for row in rows)) > len(rows) / 3
    wrong = []
    for *words, accepted in rows:
        line = shlex.join(words)
        if accepted == bool(refusals(words, document["release"])):
            wrong.append(line)
    assert not wrong
