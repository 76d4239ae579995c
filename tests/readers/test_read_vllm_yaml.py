from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtune.readers import LARGEST, ReadError, Reading, read, read_document
from llmtune.readers.kinds import vllm_yaml
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.engine import EngineVersion, Option
from llmtune.spec.finding import Edit, Fix
from llmtune.spec.server import Server
from llmtune.spec.span import Span
from llmtune.spec.word import Word, is_unknown

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
    ("model_tag: a/b\n", "config-file-shape"),
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


def applied(text: str, fix: Fix) -> str:
    """The text with a fix's edits."""
    source = Source(text, "vllm.yaml")
    for edit in sorted(fix.edits, key=lambda edit: edit.span.column, reverse=True):
        start, end = source.range(edit.span)
        text = text[:start] + edit.text + text[end:]
    return text


def read_yaml(text: str, engine: EngineVersion, *, file: str = "vllm.yaml") -> Reading:
    return read(text, engine, file=file, kind="vllm-config")


@pytest.mark.parametrize(("text", "values", "names"), ACCEPTED)
def test_accepted(text: str, values: dict[str, Any], names: list[str], engine: EngineVersion) -> None:
    reading = read_yaml(f"model: org/m\n{text}\n", engine)
    deployment = reading.deployment
    assert deployment.model == "org/m"
    assert {setting.flag: setting.value for setting in deployment.settings} == values
    assert [notice.name for notice in reading.warnings] == names


@pytest.mark.parametrize(("text", "name"), REFUSED)
def test_refused(text: str, name: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        read_yaml(text, engine)
    assert caught.value.name == name
    assert "\n" not in str(caught.value)


def test_places(engine: EngineVersion) -> None:
    text = "model: m\nport: 8000\ncompilation-config:\n  mode: 3\nserved-model-name: [a,\n  b]\n"
    spans = {setting.flag: setting.span for setting in read_yaml(text, engine).deployment.settings}
    places = [(s.line, s.column, s.end_line, s.end_column) for s in spans.values() if s]
    assert places == [(2, 1, 2, 11), (3, 1, 3, 19), (5, 1, 6, 5)]
    with pytest.raises(ReadError, match=r"^v\.yaml:2:1: vLLM 0\.33\.0 has no flag --prt\. Did you mean --port\?$"):
        read_yaml("model: m\nprt: 1\n", engine, file="v.yaml")
    with pytest.raises(ReadError, match=r"^v\.yaml:1:8: --port: 'x' is not a whole number"):
        read_yaml("\ufeffport: x\n", engine, file="v.yaml")


def test_advice_for_false(engine: EngineVersion) -> None:
    warnings = read_yaml("model: m\nenforce-eager: false\ndisable-log-stats: false\n", engine).warnings
    assert "write 'no-enforce-eager: true'" in str(warnings[0])
    assert "delete it" in str(warnings[1])


def test_false_as_the_default_is_no_finding(engine: EngineVersion) -> None:
    options = {
        "trust-remote-code": Option("trust-remote-code", "bool", default=False, negatable=True),
        "enable-prefix-caching": Option(
            "enable-prefix-caching", "bool", default=True, negatable=True, inverse="disable-prefix-caching"
        ),
    }
    with_defaults = replace(engine, options=dict(engine.options) | options)
    text = "model: m\ntrust_remote_code: false\nno-enable-prefix-caching: false\ndisable_prefix_caching: false\n"
    assert read_yaml(text, with_defaults).warnings == ()
    (warning,) = read_yaml("model: m\nno-trust_remote_code: false\n", with_defaults).warnings
    assert "write 'trust-remote-code: true'" in str(warning)


FIXED = [
    ("model: m\nenforce_eager: false  # why\n", "model: m\nno_enforce_eager: true  # why\n"),
    ("model: m\ndisable-prefix-caching: off\n", "model: m\nenable-prefix-caching: true\n"),
    ("{model: m, enforce-eager: no}\n", "{model: m, no-enforce-eager: true}\n"),
    ("model: m\nrevision: 0123\n", 'model: m\nrevision: "0123"\n'),
    ("model: m\ngpu-mem: 0.5 # half\n", "model: m\ngpu-memory-utilization: 0.5 # half\n"),
    ("model: m\ngpu_mem : 0.5\n", "model: m\ngpu-memory-utilization : 0.5\n"),
    ("model: m\n'enforce-eager': false\n", None),
    (
        "base: &base {enforce-eager: false}\n<<: *base\nmodel: m\n",
        "base: &base {no-enforce-eager: true}\n<<: *base\nmodel: m\n",
    ),
]


@pytest.mark.parametrize(("before", "after"), FIXED)
def test_fixes_are_exact(before: str, after: str | None, engine: EngineVersion) -> None:
    document = read_document(before, "vllm.yaml", "vllm-config")
    assert document is not None
    fixes = [notice.fix for notice in read_server(document.servers[0], engine).warnings if notice.fix]
    assert [applied(before, fix) for fix in fixes] == ([] if after is None else [after])


EXTENTS = [
    ("port: 1\nseed: 2  # two\n", "seed", "port: 1\n"),
    ("seed: 2\nport: 1\n", "seed", "port: 1\n"),
    ("port: 1\r\nseed: 2\r\n", "seed", "port: 1\r\n"),
    ("port: 1\nseed: 2", "seed", "port: 1\n"),
    ("served-model-name:\n- a\n- b\n\n# next\nport: 1\n", "served-model-name", "\n# next\nport: 1\n"),
    ("speculative-config:\n  method: ngram  # x\nport: 1\n", "speculative-config", "port: 1\n"),
    ("chat-template: |\n  a\n  b\n\nport: 1\n", "chat-template", "\nport: 1\n"),
    ("served-model-name: [a,\n  b]\nport: 1\n", "served-model-name", "port: 1\n"),
    ("{seed: 1, port: 2}\n", "seed", None),
    ("{\n seed: 1,\n port: 2}\n", "seed", None),
    ("seed: &s 1\nport: *s\n", "seed", None),
    ("port: &s 1\nseed: *s\n", "seed", None),
]


@pytest.mark.parametrize(("text", "flag", "rest"), EXTENTS)
def test_extent_of_an_entry(text: str, flag: str, rest: str | None, engine: EngineVersion) -> None:
    settings = read_yaml(text, engine).deployment.settings
    extent = next(setting.words[0].extent for setting in settings if setting.flag == flag)
    assert rest == (None if extent is None else applied(text, Fix("", (Edit(extent, ""),), safe=True)))


def test_early_release(old_engine: EngineVersion) -> None:
    deployment = read_yaml("model: m\nenable-chunked-prefill: 'false'\n", old_engine).deployment
    assert deployment.value("enable-chunked-prefill") is False
    with pytest.raises(ReadError, match=r"--compilation-config: .* is not JSON"):
        read_yaml("compilation-config: {level: 3}\n", old_engine)
    assert read_yaml("served-model-name: [a]\n", old_engine).deployment.value("served-model-name") == ["['a']"]


def test_boolean_with_a_value_in_an_early_release(old_engine: EngineVersion, tmp_path: Path) -> None:
    # Only `python -m ...api_server` looks among its own options, and it compares names with underscores (0.8.4).
    reading = read_yaml("model: m\nenable_chunked_prefill: false\n", old_engine)
    assert reading.deployment.settings == ()
    assert [str(notice) for notice in reading.warnings] == [
        "vllm.yaml:2:1: 'enable_chunked_prefill: false' has no effect, vLLM drops it; "
        "write 'enable_chunked_prefill: \"false\"'"
    ]
    path = tmp_path / "v.yaml"
    values = {}
    for key in ("enable_chunked_prefill", "enable-chunked-prefill"):
        path.write_text(f"{key}: false\n", encoding="utf-8")
        server = Server("", Span("x", 1, 1, 1, 2), "api_server", (Word("--config"), Word("v.yaml")))
        settings = read_server(server, old_engine, directory=tmp_path).deployment.settings
        values[key] = [setting.value for setting in settings]
    assert values == {"enable_chunked_prefill": [False], "enable-chunked-prefill": []}


def test_before_0_6_4_every_boolean_is_a_text() -> None:
    options = {"model": Option("model", "str"), "enforce-eager": Option("enforce-eager", "bool", flag_only=True)}
    engine = EngineVersion("0.6.3", options, {"parser.config_booleans": False})
    with pytest.raises(ReadError) as caught:
        read_yaml("model: m\nenforce-eager: true\n", engine)
    assert caught.value.name == "bool-flag-with-value"


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
        read_yaml(text, engine)
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
        read_yaml(text, SMALL)
    except ReadError as error:
        assert "\n" not in str(error)  # noqa: PT017


@given(st.text("ab:-[]{}&*!|>'\"%@`#,? \n\t012.\ufeff"))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(f"port: {text}", SMALL)
    except ReadError as error:
        assert str(error)  # noqa: PT017


OTHERS = {
    "llama-factory.yaml": "model_name_or_path: a/b\ntrust_remote_code: true\nstage: sft\ntemplate: qwen\n",
    "axolotl.yml": "base_model: a/b\ntrust_remote_code: true\ntensor_parallel_size: 2\nsequence_len: 4096\n",
    "litellm.yaml": "model_list:\n- model_name: a\n  litellm_params: {model: hosted_vllm/a, max_model_len: 3}\n",
    "sglang.yaml": "model-path: a/b\ntrust-remote-code: true\nmem-fraction-static: 0.8\nserved-model-name: a\n",
    "trtllm.yaml": "tensor_parallel_size: 2\nenable_chunked_prefill: true\nkv_cache_config: {dtype: fp8}\n",
    "hydra.yaml": "defaults:\n- base\nmodel: a/b\nrollout:\n  name: vllm\n  gpu_memory_utilization: 0.5\n",
    "verl.yaml": "actor_rollout_ref:\n  rollout: {tensor_model_parallel_size: 2, enforce_eager: true}\n",
    "nested.yaml": "vllm:\n  model: a/b\n  max_model_len: 4096\n  enforce_eager: true\n",
    "bench.yaml": "max_model_len: 4096\nnum_prompts: 10\nresult_dir: out\nwarmup: 3\n",
    "promptfoo.yaml": "prompts: [a]\nproviders: [vllm]\nserved-model-name: a\n",
    "accelerate.yaml": "compute_environment: LOCAL_MACHINE\nnum_processes: 8\ndtype: bfloat16\n",
    "grpo.yaml": "model: a/b\noutput_dir: out\nuse_vllm: true\nmax_model_len: 4096\n",
    "deployment.yaml": "apiVersion: v1\nkind: Pod\nmax-model-len: 3\n",
    "compose.yaml": "services:\n  a:\n    command: --max-model-len 3\n",
    "model.yaml": "model: a/b\n",
    "config.toml": "max-model-len: 3\n",
    "empty.yaml": "",
}

OURS = {
    "vllm_config.yaml": "model: a/b\nmax_model_len: 4096\nmax_seq_len: 3\n",
    "serving.yml": "gpu-memory-utilization: 0.8\nmax-model-len: 4110\n",
    "config.yaml": "'model': a/b\n\"port\": 3\n",
    "old.yaml": "model: a/b\nswap-space: 4\nguided-decoding-backend: outlines\n",
    "templated.yaml": "model: {{ .model }}\n{{- if .eager }}\nenforce-eager: true\n{{- end }}\n",
    "crlf.yaml": "max-num-seqs: 3\r\nport: 4\r\n",
    "vllm.yaml": "model: a/b\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_config_files_of_other_tools(name: str) -> None:
    assert not vllm_yaml.recognises(Source(OTHERS[name], f"configs/{name}"))


@pytest.mark.parametrize("name", OURS)
def test_config_files_of_vllm(name: str) -> None:
    assert vllm_yaml.recognises(Source(OURS[name], f"configs/{name}"))


def test_holes(engine: EngineVersion) -> None:
    def reading(text: str) -> Reading:
        return read_yaml(text, engine)

    hidden = reading("model: ${MODEL}\nport: {{ .port }}\nrevision: main-${TAG}\nseed: 3\n")
    assert is_unknown(hidden.deployment.model)
    known = {setting.flag: setting.known for setting in hidden.deployment.settings}
    assert known == {"port": False, "revision": False, "seed": True}
    assert not hidden.open_ended
    for text in ("enforce-eager: ${EAGER}\n", "enforce-eager: {{ .eager }}\n", "{{- toYaml .more }}\n"):
        perhaps = reading(f"model: m\nserved-model-name: [a]\n{text}")
        assert [setting.value for setting in perhaps.deployment.settings] == [["a"]]
        assert perhaps.open_ended
