from __future__ import annotations

from typing import Any

import pytest

from llmtune.catalog import engines
from llmtune.readers.json_keys import mistake, takes


@pytest.mark.parametrize(
    ("types", "value", "expected"),
    [
        (("int",), 3, True), (("int",), 3.0, True), (("int",), "3", True), (("int",), True, True),
        (("int",), 2.5, False), (("int",), "three", False), (("int",), None, False), (("int", "none"), None, True),
        (("int>=1,<=9",), 9, True), (("int>=1,<=9",), 10, False), (("float>0",), "0", False), (("float",), "1e3", True),
        (("bool",), "off", True), (("bool",), 1, True), (("bool",), 2, False), (("bool",), "maybe", False),
        (("str",), "a", True), (("str",), 1, False), (("=#3", "=#4"), 3, True), (("=#3",), True, False),
        (("=CLS",), "cls", False), (("~CLS",), "cls", True), (("~A_B",), "a-b", False), (("%a_b",), "A-B", True),
        (("list:int",), [1, "2"], True), (("list:int",), [1, "b"], False), (("list:str",), "ab", False),
        (("list",), [{}], True), (("dict",), [], False), (("@Class",), {}, True), (("@Class",), 1, False),
        (("any",), object(), True), (("float!=0",), 0.5, True), (("float!=0",), False, False),
        (("~#2",), 2.0, True), (("~#1",), True, True), (("~#2",), "2", False),
    ],
)  # fmt: skip
def test_what_types_take(types: tuple[str, ...], value: Any, *, expected: bool) -> None:
    assert takes(types, value) is expected


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        (
            "compilation-config",
            {"cuda_graph_mode": "FULL"},
            "has no key 'cuda_graph_mode'; did you mean 'cudagraph_mode'?",
        ),
        ("compilation-config", {"pass_config": {"fuse": 1}}, "has no key 'pass_config.fuse'; it takes"),
        ("compilation-config", {"custom_ops": "none"}, "'custom_ops' is \"none\", but takes a list of texts"),
        ("eplb-config", {"window_size": 0}, "'window_size' is 0, but takes a whole number > 0"),
        ("kv-transfer-config", {"kv_role": "both"}, "'kv_role' is \"both\", but takes kv_producer, kv_both"),
        ("kv-transfer-config", {"kv_connector": "NixlConnector"}, "'kv_connector' is refused without \"kv_role\""),
        ("structured-outputs-config", {"disable_any_whitespace": True}, 'is refused without "backend": "xgrammar"'),
        ("profiler-config", {"proton_mode": ""}, '\'proton_mode\' is refused without "profiler": "proton"'),
        ("profiler-config", {"proton_data": "trace"}, "'proton_data' is refused without"),
        ("profiler-config", {"profiler": "torch", "torch_profiler_dir": ""}, 'is refused without "torch_profiler_dir"'),
        ("eplb-config", {"communicator": "pynccl"}, "'communicator' is refused without \"use_async\": false"),
        ("pooler-config", {"logit_sigma": 0}, "'logit_sigma' is 0, but takes a number other than 0 or null"),
        ("quantization-config", {"moe": "auto"}, "'moe' is \"auto\", but takes an object, null, fp8_per_tensor_static"),
    ],
)
def test_mistakes(flag: str, value: dict[str, Any], said: str) -> None:
    found = mistake(engines.find("0.33.0").options[flag], value)
    assert found is not None
    assert said in found[1]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("compilation-config", {"mode": "vllm_compile", "cudagraph_mode": 1, "custom_ops": ["none"]}),
        ("kv-transfer-config", {"kv_connector": "NixlConnector", "kv_role": "kv_both"}),
        ("structured-outputs-config", {"disable_any_whitespace": "off"}),
        ("hf-overrides", {"anything": {"goes": 1}}),
        ("profiler-config", {"proton_data": "tree", "proton_graph_attribution": "off", "proton_profiler_dir": ""}),
        ("eplb-config", {"communicator": "pynccl", "use_async": False}),
        ("quantization-config", {"linear": "fp8_per_block", "moe": "int8_per_channel_weight_only"}),
        ("attention-config", {"backend_per_kind": {"sliding_window": "FLASH_ATTN"}}),
    ],
)
def test_right_objects(flag: str, value: dict[str, Any]) -> None:
    assert mistake(engines.find("0.33.0").options[flag], value) is None
