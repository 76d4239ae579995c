"""Every row of the speed measurements can be used, or says why not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.performance_rows import DATA, load_pairs, load_rows

from llmtune.catalog import gpus, models
from llmtune.catalog.history import exists, variable_history

ROWS = load_rows()
USABLE = [row for row in ROWS if not row.excluded]
PAIRS = load_pairs()


def test_ids_are_unique() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS) > 3000
    assert len({pair.id for pair in PAIRS}) == len(PAIRS) >= 200


def test_every_row_has_an_address() -> None:
    assert all(row.source_url.startswith("https://") for row in ROWS)
    assert all(pair.url.startswith("https://") for pair in PAIRS)


def test_models_and_gpus_are_in_the_catalogue() -> None:
    named = {row.model for row in USABLE} | {side.model for pair in PAIRS for side in (pair.before, pair.after)}
    for name in named:
        assert models.find(name).id == name
    assert {row.gpu for row in USABLE} <= set(gpus.names())


def test_usable_rows_have_lengths_and_numbers() -> None:
    for row in USABLE:
        assert row.measured
        assert all(value > 0 for value in row.measured.values())
        assert row.load.prompt.p50 <= row.load.prompt.p95


def test_parallel_sizes_take_all_gpus() -> None:
    for row in USABLE:
        resolved = row.site.resolved
        ranks = resolved.tensor_parallel * resolved.pipeline_parallel * resolved.data_parallel
        assert ranks == row.gpus == row.site.hardware.gpus, row.id


def test_runs_of_one_server_share_its_site() -> None:
    by_key = {row.key: row for row in USABLE}
    assert all(row.site is by_key[row.key].site for row in USABLE)


def test_variables_are_those_that_the_release_reads() -> None:
    """Scripts that set a variable before a release knew it, or after it was gone, would be of another day."""
    told = [row for row in USABLE if row.environment]
    assert len(told) > 300
    for row in told:
        assert row.site.deployment.environment == row.environment
        for name in row.environment:
            lifetime = variable_history(name)
            assert lifetime is not None
            assert exists(lifetime, row.site.engine), f"{row.id}: {name}"


@pytest.mark.parametrize(
    ("model", "quantization"),
    [
        ("openai/gpt-oss-120b", "gpt_oss_mxfp4"),
        ("MiniMaxAI/MiniMax-M2.5", "fp8"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "modelopt"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "modelopt_fp4"),
        ("mistralai/Mistral-7B-v0.1", None),
    ],
)
def test_weights_have_the_format_that_was_measured(model: str, quantization: str | None) -> None:
    row = next(row for row in USABLE if row.model == model)
    assert row.site.model.quantization == quantization


def test_a_pair_changes_what_it_says() -> None:
    for pair in PAIRS:
        assert pair.change == pytest.approx(pair.after_value / pair.before_value - 1, abs=2e-4)


def test_files_name_source_and_licence() -> None:
    for path in DATA.glob("*.jsonl"):
        header = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
        assert path.stem == "tuning_pairs" or {"source", "url", "licence", "about"} <= set(header)
