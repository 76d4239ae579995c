"""The performance page: its tables say what every coefficient is, and its worked example stops where sums differ."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import docs_times
import docs_worked_time
import make_docs

from llmtune.calc import predict
from llmtune.catalog.coefficients import load_coefficients

if TYPE_CHECKING:
    from llmtune.calc.shares import Site
    from llmtune.calc.simulation_server import Server
    from llmtune.spec.coefficients import Coefficients
    from llmtune.spec.memory import Memory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document() -> str:
    """What the command of the page prints."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in make_docs.ENVIRONMENT.items():
            patch.setenv(name, value)
        return make_docs._document(docs_worked_time.COMMAND)


def test_the_page_has_the_tables() -> None:
    page = (ROOT / "docs" / "concepts" / "performance.md").read_text(encoding="utf-8")
    for name in ("worked-time", "formats", "coverage", "links", "generations", "coefficients"):
        assert f"<!-- begin: table {name} -->" in page
        assert name in make_docs.TABLES


def test_every_coefficient_is_explained() -> None:
    quantities = {name.partition("/")[0] for name in load_coefficients().entries}
    assert quantities <= set(docs_times.WORDS)


def test_every_quantity_but_errors_and_acceptance_has_one_that_always_holds() -> None:
    entries = load_coefficients().entries
    keyed = {name.partition("/")[0] for name in entries} - {"relative_error", "accepted_share"}
    assert {name for name in keyed if name not in entries} == set()


def test_the_example_follows_the_first_request(document: str) -> None:
    text = docs_worked_time.write(document)
    assert f"{docs_worked_time.CLIENTS} requests that hold" in text
    assert "TTFT  " in text
    assert "TPOT  " in text
    parts = [f"**{number}. " for number in range(1, 7)]
    assert [part for part in parts if part not in text] == []


def test_the_example_stops_where_the_prediction_is_another(document: str) -> None:
    found = json.loads(document)
    found["performance"]["ttft_s"]["mean"] *= 1.01
    with pytest.raises(SystemExit, match="mean TTFT"):
        docs_worked_time.write(json.dumps(found))


def test_the_example_stops_where_a_cost_is_not_in_it(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def slower(site: Site, memory: Memory, coefficients: Coefficients) -> Server:
        server = predict.describe_server(site, memory, coefficients)
        return replace(server, costs=replace(server.costs, host_step=server.costs.host_step + 1e-4))

    monkeypatch.setattr(docs_worked_time, "describe_server", slower)
    with pytest.raises(SystemExit, match="A decode step"):
        docs_worked_time.write(document)
