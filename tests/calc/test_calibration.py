"""A record reproduces its own log, helps its class and leaves everything else as it was."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from llmtune.architectures import read_model
from llmtune.calc.calibration import find_corrections, identify, matches
from llmtune.calc.comparison import group
from llmtune.calc.corrections import correct
from llmtune.calc.memory import estimate_memory
from llmtune.calc.other_settings import other_settings
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Share, Site, fullest_share
from llmtune.calc.switches import on
from llmtune.catalog import engines, gpus, models
from llmtune.spec.calibration import Corrections, Figures, Record
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware
from llmtune.spec.memory import Memory, Part

GIB = 2**30
RELEASES = ("0.6.6", "0.7.3", "0.8.5", "0.9.2", "0.11.2", "0.13.0", "0.18.1", "0.19.0", "0.20.2", "0.24.0", "0.27.1",
            "0.29.0", "0.33.0")  # fmt: skip
CASES: list[tuple[str, str, int, dict[str, Value]]] = [
    ("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}),
    ("Qwen/Qwen3-8B", "l4", 1, {"max-model-len": 4096, "max-num-seqs": 64}),
    ("meta-llama/Llama-3.1-8B-Instruct", "a100-sxm-80gb", 1, {"enforce-eager": True, "max-model-len": 16384}),
    ("meta-llama/Llama-3.1-8B-Instruct", "l40s", 1, {"kv-cache-dtype": "fp8", "max-model-len": 32768}),
    ("meta-llama/Llama-3.3-70B-Instruct", "h100-sxm", 4, {"tensor-parallel-size": 4, "max-model-len": 16384}),
    ("meta-llama/Llama-3.3-70B-Instruct", "a100-sxm-80gb", 4, {"pipeline-parallel-size": 4, "max-model-len": 8192}),
    ("Qwen/Qwen2.5-14B-Instruct", "a100-sxm-80gb", 2, {"pipeline-parallel-size": 2, "max-model-len": 8192}),
    ("Qwen/Qwen3-30B-A3B", "h100-sxm", 1, {"max-model-len": 16384}),
    ("google/gemma-3-12b-it", "h100-sxm", 1, {"max-model-len": 16384}),
    ("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192, "enable-lora": True, "max-loras": 2}),
]


def site_of(model: str, gpu: str, count: int, settings: dict[str, Value], release: str) -> Site:
    facts = models.find(model)
    described = read_model(facts.config, facts.quantization, model_id=facts.id)
    deployment = Deployment(model, tuple(Setting(flag, value) for flag, value in settings.items()))
    hardware, engine = Hardware(gpus.find(gpu), count), engines.find(release)
    resolved = resolve(deployment, described, hardware, engine)
    return Site(deployment, described, resolved, hardware, engine)


def estimate(site: Site, corrections: Corrections | None = None) -> Memory:
    return estimate_memory(
        site.deployment, site.model, site.resolved, site.hardware, site.engine, corrections=corrections
    )


def printed(size: float) -> int:
    """A size as a log prints it."""
    return round(round(size / GIB, 2) * GIB)


def measured(site: Site, share: Share, chance: random.Random, kind: str) -> Figures:
    """Figures of a start-up whose parts are up to 20 % off, in the form of the release."""
    predicted = group(share, site)

    def off(size: int, most: float) -> int:
        return int(size * (1 + chance.uniform(-most, most)))

    weights, activations = off(predicted.weights, 0.02), off(predicted.activations, 0.2)
    beside, graphs = off(predicted.consumed - predicted.weights, 0.9), off(predicted.graphs, 0.5)
    charged = weights + activations + beside + (graphs if predicted.graphs_charged else 0)
    whole = sum(part.bytes for part in share.charged) + share.available
    kv = printed(whole - charged)
    if kind == "cache":
        return Figures(kv_cache=kv)
    if kind == "weights":
        return Figures(kv_cache=kv, weights=printed(weights))
    merged = on(site.engine, "memory.sampler_state_charged")
    return Figures(
        weights=printed(weights),
        kv_cache=kv,
        activations=None if kind == "peak" else printed(activations),
        peak=printed(activations + (graphs if predicted.graphs_charged else 0)) if kind == "peak" else None,
        non_torch=None if merged else printed(beside),
        consumed=printed(weights + beside) if merged else None,
        graphs_estimated=None if kind == "peak" else printed(graphs),
        graphs_taken=printed(graphs * 1.1),
    )


def record_of(site: Site, figures: Figures, name: str = "mine") -> Record:
    return Record(name, site.model.id, identify(site), site.resolved.gpu_memory_utilization, figures, measured="03-12")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].rpartition('/')[2]}-{case[1]}-{len(case[3])}")
def test_a_calibrated_estimate_reproduces_its_own_log(
    case: tuple[str, str, int, dict[str, Value]], release: str
) -> None:
    site = site_of(*case, release)
    share = fullest_share(site)
    if share is None or share.available < GIB:
        pytest.skip("this release does not start it")
    chance = random.Random(f"{case}{release}")
    for kind in ("split", "peak", "weights", "cache"):
        figures = measured(site, share, chance, kind)
        assert figures.kv_cache is not None
        corrections = find_corrections([record_of(site, figures)], site)
        assert corrections is not None
        assert "calibrated by mine" in corrections.said
        corrected = fullest_share(replace(site, corrections=corrections))
        assert corrected is not None
        assert corrected.available == pytest.approx(figures.kv_cache, rel=0.01)
        memory = estimate(site, corrections)
        assert sum(part.bytes for part in memory.parts) == memory.total
        assert all(part.bytes >= 0 and part.low <= part.bytes <= part.high for part in memory.parts[:-1])
        assert memory.kv_high - memory.kv_low <= 0.2 * GIB
        assert memory.kv_low <= figures.kv_cache <= memory.kv_high or abs(corrected.available - figures.kv_cache) < GIB


def test_the_share_and_the_size_of_the_cache_are_no_part_of_a_match() -> None:
    case = ("Qwen/Qwen3-8B", "h100-sxm", 1)
    site = site_of(*case, {"max-model-len": 8192, "gpu-memory-utilization": 0.95}, "0.19.0")
    record = record_of(site, Figures(weights=printed(15.3 * GIB), kv_cache=56 * GIB))
    other = site_of(*case, {"max-model-len": 8192, "gpu-memory-utilization": 0.8}, "0.19.0")
    corrected = fullest_share(replace(other, corrections=find_corrections([record], other)))
    assert corrected is not None
    expected = 56 * GIB - 0.15 * other.hardware.gpu.total_memory
    assert corrected.available == pytest.approx(expected, abs=2 << 20)
    given = site_of(*case, {"max-model-len": 8192, "kv-cache-memory-bytes": 30 * GIB}, "0.19.0")
    found = find_corrections([record], given)
    assert found is not None
    assert estimate(given, found).part("KV cache").bytes <= 30 * GIB


CHANGES: list[tuple[str, str, int, dict[str, Value], str]] = [
    ("Qwen/Qwen3-8B", "a100-sxm-80gb", 1, {"max-model-len": 8192}, "0.19.0"),
    ("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.1"),
    ("Qwen/Qwen3-8B", "h100-sxm", 2, {"max-model-len": 8192, "tensor-parallel-size": 2}, "0.19.0"),
    ("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192, "enforce-eager": True}, "0.19.0"),
    ("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192, "enable-lora": True}, "0.19.0"),
    ("Qwen/Qwen3-8B-FP8", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0"),
    ("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0"),
]
SPLIT = Figures(
    weights=16 * GIB, activations=2 * GIB, non_torch=GIB, kv_cache=56 * GIB, graphs_estimated=GIB, graphs_taken=GIB
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]}-{change[1]}-{change[4]}-{len(change[3])}")
def test_what_does_not_match_stays_as_it_was(change: tuple[str, str, int, dict[str, Value], str]) -> None:
    record = record_of(site_of("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0"), SPLIT)
    assert find_corrections([record], site_of(*change)) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"max-model-len": 4096},
        {"max-model-len": 8192, "max-num-seqs": 64},
        {"max-model-len": 8192, "max-num-batched-tokens": 2048},
        {"max-model-len": 8192, "kv-cache-dtype": "fp8"},
        {"max-model-len": 8192, "limit-mm-per-prompt": {"image": 2}},
    ],
    ids=str,
)
def test_other_sizes_take_the_non_torch_memory_alone(settings: dict[str, Value]) -> None:
    record = record_of(site_of("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0"), SPLIT)
    site = site_of("Qwen/Qwen3-8B", "h100-sxm", 1, settings, "0.19.0")
    found = find_corrections([record], site)
    assert found is not None
    assert set(found.charged) == {"non-torch"}
    assert "non-torch memory is that of mine" in found.said
    plain, corrected = estimate(site), estimate(site, found)
    assert corrected.part("weights") == plain.part("weights")
    assert corrected.part("activations") == plain.part("activations")
    share = fullest_share(replace(site, corrections=found))
    assert share is not None
    assert next(part.bytes for part in share.charged if part.name == "non-torch") == GIB
    unprinted = replace(record, figures=replace(SPLIT, non_torch=None))
    assert find_corrections([unprinted], site) is None


def test_an_exact_match_goes_before_a_class_and_the_last_before_the_first() -> None:
    exact = site_of("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0")
    near = site_of("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 4096}, "0.19.0")
    records = [record_of(exact, SPLIT, "first"), record_of(exact, SPLIT, "second"), record_of(near, SPLIT, "near")]
    found = find_corrections(records, exact)
    assert found is not None
    assert "calibrated by second" in found.said


def test_another_name_of_the_same_model_matches() -> None:
    site = site_of("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0")
    tuned = replace(site, model=replace(site.model, id="me/my-tuned-model", parameters=None))
    assert matches(identify(site), identify(tuned))


def test_a_record_from_before_a_setting_was_resolved_still_matches() -> None:
    site = site_of("Qwen/Qwen3-8B", "h100-sxm", 1, {"max-model-len": 8192}, "0.19.0")
    record = record_of(site, SPLIT)
    older = {key: value for key, value in record.identity.settings.items() if key != "mamba_cache_mode"}
    assert find_corrections([replace(record, identity=replace(record.identity, settings=older))], site) is not None


def test_settings_that_are_not_resolved_are_told_apart_without_their_text() -> None:
    engine = engines.find("0.19.0")
    settings = (
        Setting("host", "secret.example.org"),
        Setting("api-key", "sk-1234567890abcdef1234"),
        Setting("max-model-len", 8192),
        Setting("skip-mm-profiling", True),
        Setting("kv-transfer-config", {"kv_connector": "X", "kv_ip": "10.1.2.3"}),
        Setting("distributed-executor-backend", "mp"),
    )
    kept = other_settings(Deployment("m", settings), engine)
    assert set(kept) == {"skip-mm-profiling", "kv-transfer-config", "distributed-executor-backend"}
    assert kept["skip-mm-profiling"] is True
    assert "10.1.2.3" not in str(kept)
    assert str(kept["kv-transfer-config"]).startswith("sha256:")


def test_what_one_part_cannot_give_the_next_one_does() -> None:
    parts = [
        Part(name, size, "why", size, size) for name, size in (("weights", 50), ("activations", 5), ("non-torch", 2))
    ]
    charged, outside = correct(parts, parts, Corrections("", {"non-torch": -4}))
    assert [part.bytes for part in charged] == [50, 3, 0]
    assert outside == parts
    assert correct(parts, parts, None) == (parts, parts)
