"""Llama 3.2 Vision: published parameter counts, what every rank holds whole, and what the v0 engine makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.search import kv_dtypes
from llmtune.calc.weights import Split, module_bytes
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.advise import request
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware
from llmtune.spec.model import CrossAttention, FullAttention
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved, Value
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

INSTRUCT, BASE = "meta-llama/Llama-3.2-11B-Vision-Instruct", "meta-llama/Llama-3.2-11B-Vision"
WHISPER = "openai/whisper-large-v3"
GIB = 2**30
CROSSING = [3, 8, 13, 18, 23, 28, 33, 38]
ONE = Hardware(gpus.find("h100-sxm"), 8)


def described(name: str = INSTRUCT) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def rank_bytes(model: Model, tensor: int, *, padded: bool = True) -> int:
    split = Split(tensor=tensor, experts=1, moe_tensor=tensor, capability=(9, 0))
    layers = [module for number in model.pattern for module in model.groups[number].modules]
    modules = [*layers, *model.embedding, *model.head, *model.towers]
    bare = [replace(one, padded=padded) if isinstance(one, Embedding) else one for one in modules]
    return sum(module_bytes(module, split) for module in bare)


def plan(release: str, model: Model | None = None, **flags: Value) -> tuple[Resolved, Memory]:
    model = model or described()
    settings = tuple(Setting(flag.replace("_", "-"), value) for flag, value in flags.items())
    deployment, engine = Deployment(model.id, settings), engines.find(release)
    resolved = resolve(deployment, model, ONE, engine)
    return resolved, estimate_memory(deployment, model, resolved, ONE, engine)


@pytest.mark.parametrize(("name", "published"), [(INSTRUCT, 10_670_220_835), (BASE, 10_642_941_475)])
def test_one_rank_holds_the_published_parameters(name: str, published: int) -> None:
    assert rank_bytes(described(name), 1, padded=False) == 2 * published


def test_positions_norms_and_gates_are_whole_on_every_rank() -> None:
    """76,177,939 numbers of the tower (positions of 9 shapes of 4 tiles above all) and 333,840 of the layers."""
    model = described()
    assert (2 * rank_bytes(model, 2) - rank_bytes(model, 1)) // 2 == 76_177_939 + 333_840


def test_every_fifth_layer_reads_the_pictures() -> None:
    model = described()
    found = [model.groups[number].caches for number in model.pattern]
    own, cross = (FullAttention(8, 128),), (CrossAttention(8, 128),)
    assert found == [cross if depth in CROSSING else own for depth in range(40)]
    assert (model.encoder_tokens, model.encoder_width) == (4 * 1601, 25_528)


def test_the_head_is_its_own_whatever_the_config_says() -> None:
    facts = models.find(INSTRUCT)
    tied = read_model({**facts.config, "text_config": {**facts.config["text_config"], "tie_word_embeddings": True}})
    assert tied.head == described().head
    assert not tied.tied


@pytest.mark.parametrize("release", ["0.7.3", "0.8.0", "0.8.5", "0.9.2", "0.10.2"])
def test_it_runs_on_v0_with_one_cache_in_all_forty_layers(release: str) -> None:
    resolved, memory = plan(release, max_model_len=4096, max_num_seqs=16)
    assert (resolved.runner, resolved.chunked_prefill, resolved.prefix_caching) == ("v0", False, False)
    assert memory.kv is not None
    assert [(group.layers, group.blocks_per_request) for group in memory.kv.groups] == [(40, 256)]
    assert memory.kv.bytes_per_block == 40 * 16 * 2 * 8 * 128 * 2
    assert memory.kv.tokens == 16 * memory.kv.num_blocks


def test_v0_counts_tokens_when_it_refuses() -> None:
    _, memory = plan("0.10.2", max_num_seqs=80)
    assert memory.failure is not None
    assert "maximum number of tokens that can be stored in KV cache" in memory.failure.engine_message


@pytest.mark.parametrize(("release", "mode"), [("0.7.3", "none"), ("0.8.1", "none"), ("0.8.2", "full")])
def test_some_releases_run_it_without_graphs(release: str, mode: str) -> None:
    assert plan(release, max_model_len=4096)[0].cudagraph_mode == mode


def test_the_profile_run_encodes_a_picture_for_every_request() -> None:
    """6404 patches of (2 x 1280 + 2 x 5120 + 25,528) numbers in 16 bits: 468.2 MiB a request."""
    few, many = (plan("0.8.5", max_model_len=4096, max_num_seqs=seqs)[1].part("activations") for seqs in (16, 32))
    assert many.bytes - few.bytes == 16 * 6404 * 2 * (2560 + 10_240 + 25_528)
    assert not plan("0.8.5", max_model_len=4096, max_num_seqs=256)[1].fits


def test_a_measured_start_up() -> None:
    """0.6.6 on an H100 of 79.22 GiB (vLLM pull request 12126): weights 19.86, activations 36.63, cache 14.65 GiB."""
    model, card = described(BASE), replace(ONE.gpu, total_memory=int(79.22 * GIB))
    flags: dict[str, Value] = {"max-model-len": 65_536, "max-num-seqs": 128, "enforce-eager": True}
    deployment, engine = Deployment(BASE, tuple(Setting(*flag) for flag in flags.items())), engines.find("0.6.6")
    hardware = Hardware(card, 1)
    memory = estimate_memory(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)
    peak = memory.part("activations")
    assert memory.part("weights").bytes / GIB == pytest.approx(19.86, abs=0.04)
    assert peak.low < 36.63 * GIB < peak.high
    assert memory.kv_low < 14.65 * GIB < memory.kv_high
    assert memory.kv is not None
    assert 6001 * memory.kv.bytes_per_block / GIB == pytest.approx(14.65, abs=0.005)


def test_it_has_no_pipeline_stages() -> None:
    _, memory = plan("0.10.2", pipeline_parallel_size=2)
    assert memory.failure is not None
    assert memory.failure.engine_message.startswith("Pipeline parallelism is not supported")


def test_only_sixteen_bit_caches_are_tried() -> None:
    asked = request(described(), ONE, engines.find("0.10.2"), scenarios.find("chat"), ())
    assert kv_dtypes(asked) == ("auto",)


def test_whisper_left_v0_before_it() -> None:
    whisper = described(WHISPER)
    runners = [plan(release, whisper)[0].runner for release in ("0.7.3", "0.8.5", "0.10.1", "0.10.2")]
    assert runners == ["v0", "v0", "v0", "v1"]
    _, memory = plan("0.10.1", whisper, max_num_seqs=16)
    assert memory.kv is not None
    assert [(group.layers, group.engine_type) for group in memory.kv.groups] == [(32, "FullAttentionSpec")]


@pytest.mark.parametrize("release", ["0.11.0", "0.33.0"])
def test_later_releases_refuse_it(release: str) -> None:
    _, memory = plan(release)
    assert memory.failure is not None
    assert "MllamaForConditionalGeneration" in memory.failure.engine_message
