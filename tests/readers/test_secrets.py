from __future__ import annotations

import pytest

from llmtune.readers.secrets import redact, redact_deployment, redact_environment, redact_text, redact_value
from llmtune.spec.deployment import Deployment, Setting


def test_settings() -> None:
    settings = (
        Setting("api-key", ["one", "two"]),
        Setting("hf-token", "hf_x"),
        Setting("hf-token", True),
        Setting("port", 8000),
        Setting("max-num-batched-tokens", 8192),
        Setting("tokenizer", "org/t"),
        Setting("kv-transfer-config", {"secret_key": "s", "url": "redis://u:p@h", "list": [{"password": 1}], "n": 3}),
    )
    assert [setting.value for setting in redact(settings)] == [
        ["***", "***"],
        "***",
        True,
        8000,
        8192,
        "org/t",
        {"secret_key": "***", "url": "redis://u:***@h", "list": [{"password": "***"}], "n": 3},
    ]


@pytest.mark.parametrize("key", ["num_speculative_tokens", "tokenizer_mode", "key_cache", "monkey", "pad_token"])
def test_words_that_are_no_secret(key: str) -> None:
    assert redact_value(key, "v") == "v"


def test_environment() -> None:
    environment = {
        "HF_TOKEN": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "VLLM_API_KEY": "",
        "PATH": "/x",
        "P": "http://u:p@h/",
    }
    assert redact_environment(environment) == {
        "HF_TOKEN": "***",
        "AWS_SECRET_ACCESS_KEY": "***",
        "VLLM_API_KEY": "",
        "PATH": "/x",
        "P": "http://u:***@h/",
    }


def test_deployment_and_texts() -> None:
    deployment = Deployment("s3://k:p@bucket/m", (Setting("api-key", "x"),), {"A_KEY": "y"})
    assert redact_deployment(deployment) == Deployment(
        "s3://k:***@bucket/m", (Setting("api-key", "***"),), {"A_KEY": "***"}
    )
    assert redact_text("token hf_abcdefghijklmnopqrstuvwx here") == "token *** here"
    assert redact_text("http://host:80/a@b") == "http://host:80/a@b"
