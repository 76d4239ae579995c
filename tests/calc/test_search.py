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


def ask(name: str, *pinned: Setting) -> Recommendation:
    facts = models.find(name)
    model = read_model(facts.config, facts.quantization, model_id=name)
    hardware = Hardware(gpus.find("h100-80gb-sxm"), 1)
    return recommend(request(model, hardware, engines.find("0.33.0"), scenarios.find("chat"), pinned))


def trusted(answer: Recommendation) -> object:
    assert answer.deployment is not None
    values = {setting.flag: setting.value for setting in answer.deployment.settings}
    return values.get("trust-remote-code")


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
