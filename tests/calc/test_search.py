"""What a recommendation says beside memory: settings that a checkpoint needs before it loads at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.search import recommend
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.advise import request
from llmtune.spec.deployment import Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.recommendation import Recommendation

OWN_CODE = {  # vLLM tests/models/registry.py: trust_remote_code of the example of each architecture
    "XiaomiMiMo/MiMo-7B-Base": True,
    "internlm/internlm2_5-7b-chat": True,
    "OpenGVLab/InternVL3-8B": True,
    "microsoft/Phi-4-multimodal-instruct": True,
    "Qwen/Qwen3-8B": False,
    "microsoft/Phi-3-mini-128k-instruct": False,
}


def ask(
    name: str,
    *pinned: Setting,
    release: str = "0.33.0",
    scenario: str = "chat",
    gpu: str = "h100-80gb-sxm",
    count: int = 1,
) -> Recommendation:
    facts = models.find(name)
    model = read_model(facts.config, facts.quantization, model_id=name)
    hardware = Hardware(gpus.find(gpu), count)
    return recommend(request(model, hardware, engines.find(release), scenarios.find(scenario), pinned))


def settings_of(answer: Recommendation) -> dict[str, object]:
    assert answer.deployment is not None
    return {setting.flag: setting.value for setting in answer.deployment.settings}


def trusted(answer: Recommendation) -> object:
    return settings_of(answer).get("trust-remote-code")


@pytest.mark.parametrize(("name", "needed"), OWN_CODE.items())
def test_a_checkpoint_that_brings_its_own_code_is_trusted_in_so_many_words(name: str, needed: bool) -> None:  # noqa: FBT001
    answer = ask(name)
    assert trusted(answer) is (True if needed else None)
    assert any("--trust-remote-code" in warning for warning in answer.warnings) is needed
    assert any(reason.flag == "trust-remote-code" for reason in answer.reasons) is needed


def test_the_user_may_refuse_the_checkpoints_code() -> None:
    answer = ask("XiaomiMiMo/MiMo-7B-Base", Setting("trust-remote-code", value=False))
    assert trusted(answer) is False
    assert not any("--trust-remote-code" in warning for warning in answer.warnings)


@pytest.mark.parametrize("release", ["0.6.6", "0.8.5", "0.10.0", "0.11.2", "0.33.0"])
def test_an_encoder_takes_whole_prompts_and_draws_no_tokens(release: str) -> None:
    """vLLM 0.33.0 refuses 8194 tokens in steps of 8192; RoBERTa's positions, and its tokenizer, end at 8192."""
    answer = ask("BAAI/bge-m3", release=release, scenario="summarization")
    found = settings_of(answer)
    assert answer.resolved is not None
    assert not answer.resolved.chunked_prefill
    assert found["max-model-len"] == found["max-num-batched-tokens"] == 8192
    assert "override-generation-config" not in found


def test_a_short_step_grows_where_prompts_are_not_cut() -> None:
    found = settings_of(ask("BAAI/bge-m3", scenario="low-latency"))
    assert found["max-num-batched-tokens"] == found["max-model-len"] == 3072
    older = settings_of(ask("meta-llama/Llama-3.1-8B-Instruct", release="0.6.6", scenario="summarization"))
    assert older["max-num-batched-tokens"] == older["max-model-len"] == 30720


def test_float16_that_breaks_a_model_is_replaced_by_the_engine() -> None:
    answer = ask("gaunernst/gemma-3-27b-it-int4-awq")
    assert answer.resolved is not None
    assert answer.resolved.dtype == "bfloat16"
    assert "dtype" not in settings_of(answer)


def test_stages_and_length_leave_room_for_what_lies_outside_the_budget() -> None:
    answer = ask("Qwen/Qwen2.5-72B-Instruct-AWQ", scenario="code", gpu="t4", count=4)
    assert answer.memory is not None
    assert answer.memory.part("unused").bytes >= 0
