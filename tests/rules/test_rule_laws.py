"""Laws between commands: what ``recommend`` writes is clean under ``lint``, which never disagrees with ``estimate``."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from llmtune.calc.search import recommend
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.advise import Workload, load_scenario, request
from llmtune.cli.cases import LintOptions, find_cases
from llmtune.cli.linting import lint_text
from llmtune.cli.loading import load_model
from llmtune.spec.hardware import Hardware
from llmtune.writers import command, vllm_yaml

if TYPE_CHECKING:
    from llmtune.spec.finding import Finding

NEWEST = engines.find(engines.newest())
UNBOUND = Workload(None, None, None, None)
CHOICES = {  # flag: how often it is set, and to what
    "max-model-len": (0.7, (2048, 8192, 16384, 32768, 131072)),
    "gpu-memory-utilization": (0.4, (0.5, 0.8, 0.9, 0.95, 0.98, 1.0)),
    "tensor-parallel-size": (0.5, (1, 2, 3, 4, 8)),
    "pipeline-parallel-size": (0.2, (1, 2)),
    "max-num-seqs": (0.3, (1, 64, 1024, 4096)),
    "max-num-batched-tokens": (0.3, (64, 2048, 8192, 65536)),
    "kv-cache-dtype": (0.2, ("fp8", "auto", "float16")),
    "dtype": (0.2, ("half", "bfloat16", "auto")),
    "quantization": (0.1, ("awq", "fp8", "compressed-tensors")),
    "block-size": (0.1, (16, 64, 128)),
    "decode-context-parallel-size": (0.05, (2,)),
}


def findings(text: str, name: str, hardware: Hardware) -> list[Finding]:
    result = lint_text(text, name, LintOptions(NEWEST, hardware))
    assert result is not None
    assert result.servers
    return list(result.findings)


@pytest.mark.parametrize("seed", range(40))
def test_what_recommend_writes_is_clean(seed: int) -> None:
    chance = random.Random(seed)
    model = load_model(chance.choice(models.names()), offline=True)
    hardware = Hardware(gpus.load(chance.choice(gpus.names())), chance.choice((1, 1, 2, 3, 4, 8)))
    scenario = load_scenario(chance.choice(scenarios.names()), UNBOUND)
    answer = recommend(request(model, hardware, NEWEST, scenario, ()))
    if answer.deployment is None:
        return
    for text, name in (
        (command.write(answer.deployment, NEWEST), "serve.sh"),
        (vllm_yaml.write(answer.deployment, NEWEST), "vllm.yaml"),
    ):
        loud = [finding for finding in findings(text, name, hardware) if finding.severity != "info"]
        assert not loud, text


@pytest.mark.parametrize("seed", range(60))
def test_lint_says_what_estimate_says(seed: int) -> None:
    chance = random.Random(1000 + seed)
    flags = " ".join(
        f"--{flag} {chance.choice(values)}" for flag, (often, values) in CHOICES.items() if chance.random() < often
    )
    text = f"vllm serve {chance.choice(models.names())} --host 127.0.0.1 {flags}"
    hardware = Hardware(gpus.load(chance.choice(gpus.names())), chance.choice((1, 2, 4, 8)))
    (case,) = find_cases(text, "serve.sh", LintOptions(NEWEST, hardware))[1]
    severities = {finding.severity for finding in findings(text, "serve.sh", hardware)}
    if case.memory is None:
        return
    match case.memory.verdict:
        case "no":
            assert "error" in severities, text
        case "yes":
            assert "error" not in severities, text
        case _:
            assert "error" not in severities, text
            assert "warning" in severities, text
