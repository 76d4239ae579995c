from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtune.readers import LARGEST, ReadError, read, vllm_yaml
from llmtune.spec.engine import EngineVersion, Option

if TYPE_CHECKING:
    from pathlib import Path

# Text, what vLLM 0.33.0 makes of it, warnings. Every text gets a model in front.
ACCEPTED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("port: 8000", {"port": 8000}, []),
    ("tensor_parallel_size: 2", {"tensor-parallel-size": 2}, []),
    ("gpu-mem: 0.5", {"gpu-memory-utilization": 0.5}, ["abbreviated-flag"]),
    ("enable-prefix-caching: true", {"enable-prefix-caching": True}, []),
    ("enable-prefix-caching: yes", {"enable-prefix-caching": True}, []),
    ("enable-prefix-caching: false", {}, ["config-false-dropped"]),
    ("enable_prefix_caching: off", {}, ["config-false-dropped"]),
    ("disable-log-stats: false", {}, ["config-false-dropped"]),
    ("no-enable-prefix-caching: true", {"enable-prefix-caching": False}, []),
    ("disable-prefix-caching: true", {"enable-prefix-caching": False}, []),
    ("seed: -1", {"seed": -1}, []),
    ("max-model-len: 32k", {"max-model-len": 32000}, []),
    ("max-model-len: auto", {"max-model-len": -1}, []),
    ("kv-cache-memory-bytes: null", {"kv-cache-memory-bytes": None}, []),
    ("served-model-name: [a, b]", {"served-model-name": ["a", "b"]}, []),
    ("served-model-name: a", {"served-model-name": ["a"]}, []),
    ("cudagraph-capture-sizes:\n- 1\n- 2", {"cudagraph-capture-sizes": [1, 2]}, []),
    ("middleware: []", {}, ["config-empty-list"]),
    ("compilation-config: {mode: 3}", {"compilation-config": {"mode": 3}}, []),
    ("compilation-config:\n  mode: 3\n  x: {}", {"compilation-config": {"mode": 3, "x": {}}}, []),
    ("""compilation-config: '{"mode": 3}'""", {"compilation-config": {"mode": 3}}, []),
    ("speculative-config.method: ngram", {"speculative-config": {"method": "ngram"}}, []),
    ("hf-token: true", {"hf-token": True}, []),
    ("port: 1\nport: 2", {"port": 2}, ["duplicate-yaml-key"]),
    ("max-num-seqs: 1\nmax_num_seqs: 2", {"max-num-seqs": 2}, ["duplicate-flag"]),
    ("revision: 0123456", {"revision": "42798"}, ["yaml-implicit-type"]),
    ("revision: '0123456'", {"revision": "0123456"}, []),
    ("<<: {port: 5}", {"port": 5}, []),
    ("port: &p 3\nseed: *p", {"port": 3, "seed": 3}, []),
    ("port: !!str 3", {"port": 3}, []),
    ("port=3: true", {"port": 3}, []),
    ("port: 3\r\nseed: 4\r", {"port": 3, "seed": 4}, []),
    ("config: other.yaml", {}, ["config-equals-ignored"]),
]

REFUSED = [
    ("", "config-file-shape"),
    ("# nothing\n", "config-file-shape"),
    ("- a\n- b\n", "config-file-shape"),
    ("text\n", "config-file-shape"),
    ("1: 2\n", "config-file-shape"),
    ("port: 3\n---\nport: 4\n", "invalid-yaml"),
    ("port: [1\n", "invalid-yaml"),
    ("\tport: 1\n", "invalid-yaml"),
    ("port: !!python/object:os.system 3\n", "invalid-yaml"),
    ("revision: 2024-13-45\n", "invalid-yaml"),
    ("port: *nowhere\n", "invalid-yaml"),
    ("port: \x01\n", "invalid-yaml"),
    ("model_tag: a/b\n", "unknown-flag"),
    ("bogus: 1\n", "unknown-flag"),
    ("bogus: false\n", "unknown-flag"),
    ("-tp: 2\n", "unknown-flag"),
    ("max-num: 3\n", "ambiguous-abbreviation"),
    ("enforce-eager: 'false'\n", "config-quoted-boolean"),
    ("enforce-eager: null\n", "bool-flag-with-value"),
    ("enforce-eager: 1\n", "bool-flag-with-value"),
    ("dtype: fp16\n", "invalid-choice"),
    ("port: 1.0\n", "invalid-number"),
    ("port: null\n", "invalid-number"),
    ("chat-template: -x\n", "missing-value"),
    ("gpu-memory-utilization: -1.5\n", "invalid-number"),
    ("speculative-config: {a: 2024-01-02}\n", "invalid-json-argument"),
    ("middleware: [a, b]\n", "extra-argument"),
    ("help: true\n", "asks-for-help"),
]


@pytest.mark.parametrize(("text", "values", "names"), ACCEPTED)
def test_accepted(text: str, values: dict[str, Any], names: list[str], engine: EngineVersion) -> None:
    reading = vllm_yaml.read(f"model: org/m\n{text}\n", engine)
    deployment = reading.deployment
    assert deployment.model == "org/m"
    assert {setting.flag: setting.value for setting in deployment.settings} == values
    assert [notice.name for notice in reading.warnings] == names


@pytest.mark.parametrize(("text", "name"), REFUSED)
def test_refused(text: str, name: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        vllm_yaml.read(text, engine)
    assert caught.value.name == name
    assert "\n" not in str(caught.value)


def test_places(engine: EngineVersion) -> None:
    text = "model: m\nport: 8000\ncompilation-config:\n  mode: 3\nserved-model-name: [a,\n  b]\n"
    spans = {setting.flag: setting.span for setting in vllm_yaml.read(text, engine).deployment.settings}
    places = [(s.line, s.column, s.end_line, s.end_column) for s in spans.values() if s]
    assert places == [(2, 1, 2, 11), (3, 1, 3, 19), (5, 1, 6, 5)]
    with pytest.raises(ReadError, match=r"^v\.yaml:2:1: vLLM 0\.33\.0 has no flag --prt\. Did you mean --port\?$"):
        vllm_yaml.read("model: m\nprt: 1\n", engine, file="v.yaml")
    with pytest.raises(ReadError, match=r"^v\.yaml:1:1: --port: 'x' is not a whole number"):
        vllm_yaml.read("\ufeffport: x\n", engine, file="v.yaml")


def test_advice_for_false(engine: EngineVersion) -> None:
    warnings = vllm_yaml.read("model: m\nenforce-eager: false\ndisable-log-stats: false\n", engine).warnings
    assert "write 'no-enforce-eager: true'" in str(warnings[0])
    assert "delete it" in str(warnings[1])


def test_early_release(old_engine: EngineVersion) -> None:
    deployment = vllm_yaml.read("model: m\nenable-chunked-prefill: false\n", old_engine).deployment
    assert deployment.value("enable-chunked-prefill") is False
    with pytest.raises(ReadError, match="--compilation-config: not valid JSON"):
        vllm_yaml.read("compilation-config: {level: 3}\n", old_engine)
    assert vllm_yaml.read("served-model-name: [a]\n", old_engine).deployment.value("served-model-name") == ["['a']"]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 70 + "]" * 70,
        "a: " + "[" * 500_000,
        "a: " + "{a: " * 100_000,
        "a: &a [x]\n" + "".join(f"b{i}: *a\n" for i in range(100)),
        "a0: &a0 x\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 21)),
        "a: &a [*a]\n",
        "a: &a {b: *a}\n",
        "port: 1 #" + "x" * LARGEST,
    ],
)
def test_bombs_are_refused_quickly(text: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        vllm_yaml.read(text, engine)
    assert len(str(caught.value)) < 300


def test_kinds_of_files(tmp_path: Path, engine: EngineVersion) -> None:
    good = tmp_path / "v.yml"
    good.write_bytes(b"\xef\xbb\xbfmodel: m\r\nport: 3\r\n")
    assert read(good, engine).deployment.value("port") == 3
    refused = {
        "utf16.yaml": "model: m\n".encode("utf-16"),
        "binary.yaml": b"\x00\x01\x02",
        "latin.yaml": b"model: \xe9\n",
        "pod.yaml": b"apiVersion: v1\nkind: Pod\n",
        "v.yaml.bak": b"model: m\n",
        "large.yaml": b"#" * (LARGEST + 1),
    }
    for name, data in refused.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ReadError, match=name):
            read(path, engine)
    for path in (tmp_path, tmp_path / "nowhere.yaml"):
        with pytest.raises(ReadError, match=r"directory|No such file"):
            read(path, engine)


def test_text_is_recognised(engine: EngineVersion) -> None:
    assert read("model: m\nport: 1\n", engine).deployment.model == "m"
    assert read("vllm serve m --port 1", engine).deployment.model == "m"
    assert read("# vllm serve --config\nmodel: m\n", engine).deployment.model == "m"
    with pytest.raises(ReadError, match="no vLLM configuration that is known"):
        read("hello", engine)


# At module level, because a property test takes no fixture.
SMALL = EngineVersion("0.33.0", {"port": Option("port", "int"), "config": Option("config", "json", json=True)}, {})


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        vllm_yaml.read(text, SMALL)
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017


@given(st.text("ab:-[]{}&*!|>'\"%@`#,? \n\t012.\ufeff"))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    try:
        vllm_yaml.read(f"port: {text}", SMALL)
    except ReadError as error:
        assert str(error)  # noqa: PT017
