"""Rules about who gets in and what is given away, where they are easily wrong: what must fire, and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.catalog import engines
from llmtune.cli.linting import LintOptions, lint_text

if TYPE_CHECKING:
    from llmtune.spec.finding import Finding


COMPOSE = """
services:
  qwen:
    image: vllm/vllm-openai:v0.33.0
    command: {command}
{more}
"""
PODS = """
apiVersion: v1
kind: Pod
metadata: {{name: qwen, labels: {{app: qwen}}}}
spec: {{{pod}containers: [{{name: vllm, image: 'vllm/vllm-openai:v0.33.0', args: [Qwen/Qwen3-8B]{container}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: qwen{annotations}}}
spec: {{selector: {{app: qwen}}, type: {type}, ports: [{{port: 80, targetPort: 8000}}]}}
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def findings(rule: str, text: str, name: str = "a.sh", release: str | None = None) -> list[Finding]:
    """What one rule says about a text."""
    options = LintOptions(release=engines.find(release) if release else None, select=frozenset({rule}))
    result = lint_text(text, name, options)
    assert result is not None
    assert result.servers
    return list(result.findings)


def severities(rule: str, text: str, name: str = "a.sh", release: str | None = None) -> list[str]:
    """The same as severities."""
    return [finding.severity for finding in findings(rule, text, name, release)]


def compose(more: str = "", command: str = "[Qwen/Qwen3-8B]") -> str:
    return COMPOSE.format(command=command, more="\n".join(f"    {line}" for line in more.splitlines()))


def pods(kind: str, pod: str = "", container: str = "", annotations: str = "") -> str:
    return PODS.format(type=kind, pod=pod, container=container, annotations=annotations)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("vllm serve a/b --host 0.0.0.0", ["warning"]),
        ("vllm serve a/b --host ::", ["warning"]),
        ("HOST=${HOST:-0.0.0.0}\nvllm serve a/b --host $HOST", ["warning"]),
        ("vllm serve a/b", ["info"]),
        ("vllm serve a/b --host 10.0.0.7", ["info"]),
        ("vllm serve a/b --host 127.0.0.1", []),
        ("vllm serve a/b --host localhost", []),
        ("vllm serve a/b --host ::1", []),
        ("vllm serve a/b --host $HOST", []),
        ("HOST=${HOST:-127.0.0.1}\nvllm serve a/b --host $HOST", []),
        ("vllm serve a/b --host 0.0.0.0 $MORE", ["info"]),
        ("vllm serve a/b --host 0.0.0.0 $AUTH_ARGS", []),
        ("vllm serve a/b --host 0.0.0.0 ${KEY:+--api-key $KEY}", []),
        ("vllm serve a/b $MORE", []),
        ("vllm serve a/b --host 0.0.0.0 --api-key $KEY", []),
        ("vllm serve a/b --host 0.0.0.0 --api-key ''", ["warning"]),
        ("VLLM_API_KEY=$KEY vllm serve a/b --host 0.0.0.0", []),
        ("export VLLM_API_KEY=abc\nvllm serve a/b --host 0.0.0.0", []),
        ("VLLM_API_KEY= vllm serve a/b --host 0.0.0.0", ["warning"]),
        ("vllm serve a/b --uds /run/vllm.sock", []),
        ("vllm serve a/b --headless", []),
        ("vllm serve a/b --host 0.0.0.0 --middleware auth.Check", []),
        ("vllm serve a/b --host 0.0.0.0 --ssl-cert-reqs 2", []),
    ],
)
def test_public_without_auth_on_a_machine(command: str, expected: list[str]) -> None:
    assert severities("public-without-auth", command) == expected


@pytest.mark.parametrize(
    ("options", "arguments", "expected"),
    [
        ("-p 8000:8000", "", ["warning"]),
        ("-p 9898:8000", "", ["warning"]),
        ("-p 0.0.0.0:8000:8000", "", ["warning"]),
        ("-p $PORT:8000", "", ["warning"]),
        ("-p 127.0.0.1:8000:8000", "--host 0.0.0.0", []),
        ("-p $ADDRESS:8000:8000", "", []),
        ("", "--host 0.0.0.0", []),  # nobody outside of Docker's network
        ("-p 9000:9000", "", []),  # another port
        ("--network host", "", ["warning"]),
        ("--network host", "--host 127.0.0.1", []),
        ("-p 8000:8000", "--api-key $KEY", []),
        ("-p 8000:8000 -e VLLM_API_KEY", "", []),
        ("-p 8000:8000 --env-file .env", "", []),
    ],
)
def test_public_without_auth_in_docker(options: str, arguments: str, expected: list[str]) -> None:
    command = f"docker run {options} vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B {arguments}"
    assert severities("public-without-auth", command) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("ports: ['8000:8000']", ["warning"]),
        ("ports: ['${PORT:-8000}:8000']", ["warning"]),
        ("ports: ['${PORT}:8000']", ["warning"]),
        ("ports: [{target: 8000, published: 8000}]", ["warning"]),
        ("network_mode: host", ["warning"]),
        ("ports: ['127.0.0.1:8000:8000']", []),
        ("ports: [{target: 8000, published: 8000, host_ip: 127.0.0.1}]", []),
        ("ports: ['${ADDRESS}:8000:8000']", []),
        ("expose: ['8000']", []),
        ("", []),
        ("ports: ['8000:8000']\nenvironment: {VLLM_API_KEY: '${VLLM_API_KEY}'}", []),
        ("ports: ['8000:8000']\nenvironment: {VLLM_API_KEY: '${VLLM_API_KEY:-}'}", []),
        ("ports: ['8000:8000']\nenvironment: [VLLM_API_KEY]", []),
        ("ports: ['8000:8000']\nenv_file: .env", []),
        ("ports: ['8000:8000']\nextends: {file: base.yaml, service: a}", []),
    ],
)
def test_public_without_auth_in_compose(more: str, expected: list[str]) -> None:
    assert severities("public-without-auth", compose(more), "compose.yaml") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (pods("ClusterIP"), []),
        (pods("LoadBalancer"), ["error"]),
        (pods("NodePort"), ["warning"]),
        (pods("ClusterIP", pod="hostNetwork: true, "), ["error"]),
        (pods("'${TYPE}'"), []),
        (pods("LoadBalancer", annotations=", annotations: {networking.gke.io/load-balancer-type: Internal}"), []),
        (
            pods(
                "LoadBalancer", container=", env: [{name: VLLM_API_KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}]"
            ),
            [],
        ),
        (pods("LoadBalancer", container=", envFrom: [{secretRef: {name: a}}]"), []),
        (pods("LoadBalancer", container=", env: [{name: VLLM_API_KEY, value: ''}]"), ["error"]),
    ],
)
def test_public_without_auth_in_a_cluster(text: str, expected: list[str]) -> None:
    assert severities("public-without-auth", text, "pods.yaml") == expected


def test_skypilot_opens_the_ports_that_a_task_names() -> None:
    task = "resources: {{accelerators: H100:1, ports: {}}}\nrun: |\n  vllm serve Qwen/Qwen3-8B --port 8081 {}\n"
    assert severities("public-without-auth", task.format(8081, ""), "task.yaml") == ["warning"]
    assert severities("public-without-auth", task.format(9000, ""), "task.yaml") == []
    assert severities("public-without-auth", task.format(8081, "--api-key $KEY"), "task.yaml") == []


def test_a_config_file_alone_tells_no_more_than_it_says() -> None:
    config = "model: Qwen/Qwen3-8B\nmax-model-len: 8192\n"
    assert severities("public-without-auth", config, "vllm.yaml") == []
    assert severities("public-without-auth", config + 'host: "0.0.0.0"\n', "vllm.yaml") == ["warning"]
    assert severities("served-name-missing", "model: /models/a\nmax-model-len: 8192\n", "vllm.yaml") == []


@pytest.mark.parametrize(
    ("command", "fires"),
    [
        ("vllm serve a/b --host 0.0.0.0 --api-key $KEY", True),
        ("VLLM_API_KEY=$KEY vllm serve a/b --host 0.0.0.0", True),
        ("docker run -p 8000:8000 vllm/vllm-openai:v0.33.0 a/b --api-key $KEY", True),
        ("vllm serve a/b --api-key $KEY", False),  # nothing says that others reach it
        ("vllm serve a/b --host 127.0.0.1 --api-key $KEY", False),
        ("vllm serve a/b --host 0.0.0.0", False),
        ("docker run -p 127.0.0.1:8000:8000 vllm/vllm-openai:v0.33.0 a/b --api-key $KEY", False),
    ],
)
def test_api_key_partial(command: str, *, fires: bool) -> None:
    assert severities("api-key-partial", command) == ["info"] * fires


def test_before_release_7_no_path_did_the_same_without_a_key() -> None:
    assert severities("api-key-partial", "vllm serve a/b --host 0.0.0.0 --api-key $KEY", release="0.6.6") == []


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("vllm serve Qwen/Qwen3-8B --trust-remote-code", ["warning"]),
        ("vllm serve someone/something --trust-remote-code", ["warning"]),
        ("vllm serve $MODEL --trust-remote-code", ["warning"]),
        ("vllm serve moonshotai/Kimi-K2-Instruct --trust-remote-code", ["info"]),  # brings its own tokenizer
        ("vllm serve /models/something --trust-remote-code", ["info"]),
        ("vllm serve Qwen/Qwen3-8B --no-trust-remote-code", []),
        (f"vllm serve someone/something --trust-remote-code --revision {COMMIT}", []),
        (f"vllm serve someone/something --trust-remote-code --code-revision {COMMIT}", []),
        ("vllm serve someone/something --trust-remote-code --revision $COMMIT", []),
        ("vllm serve someone/something --trust-remote-code --revision main", ["warning"]),
    ],
)
def test_trust_remote_code(command: str, expected: list[str]) -> None:
    assert severities("trust-remote-code", command) == expected


def test_code_that_is_not_needed_is_left_out() -> None:
    text = "vllm serve Qwen/Qwen3-8B --trust-remote-code --host 127.0.0.1"
    (finding,) = findings("trust-remote-code", text)
    assert finding.fix is not None
    assert not finding.fix.safe
    (edit,) = finding.fix.edits
    first, last = edit.span.column - 1, edit.span.end_column - 1
    assert text[:first] + edit.text + text[last:] == "vllm serve Qwen/Qwen3-8B --host 127.0.0.1"
    assert findings("trust-remote-code", text.replace("Qwen/Qwen3-8B", "a/b"))[0].fix is None


TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"


@pytest.mark.parametrize(
    ("command", "fires"),
    [
        ("vllm serve a/b --api-key secret-1", True),
        ("vllm serve a/b --api-key=secret-1", True),
        ("vllm serve a/b --api-key EMPTY", True),
        ("vllm serve a/b --api-key changeme", True),
        ("VLLM_API_KEY=secret-1 vllm serve a/b", True),
        (f"HF_TOKEN={TOKEN} vllm serve a/b", True),
        (f"export HUGGING_FACE_HUB_TOKEN={TOKEN}\nvllm serve a/b", True),
        (f"huggingface-cli login --token {TOKEN}\nvllm serve a/b", True),
        (f"vllm serve a/b --hf-token {TOKEN}", True),
        (f"AWS_SECRET_ACCESS_KEY={TOKEN[3:]}/AbC vllm serve a/b", True),
        ("AWS_SECRET_ACCESS_KEY=minio-password vllm serve a/b", False),
        ("WANDB_API_KEY=https://example.com/where-keys-are-1 vllm serve a/b", False),
        ("vllm serve a/b --api-key $KEY", False),
        ("vllm serve a/b --api-key ${KEY:?}", False),
        ("vllm serve a/b --api-key <your-key>", False),
        ("vllm serve a/b --api-key '<key>'", False),
        ("vllm serve a/b --api-key YOUR_API_KEY", False),
        ("vllm serve a/b --api-key '{{ key }}'", False),
        ("vllm serve a/b --api-key sk-xxxxxxxx", False),
        ("HF_TOKEN=$TOKEN vllm serve a/b", False),
        ("HF_TOKEN= vllm serve a/b", False),
        ("HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx vllm serve a/b", False),
        ("HF_TOKEN=your_token vllm serve a/b", False),
        ("HF_TOKEN=/run/secrets/hf-token vllm serve a/b", False),
        ("OPENAI_API_KEY=EMPTY vllm serve a/b", False),
        ("vllm serve a/b --hf-token", False),
        ("vllm serve a/b --tokenizer a/secret-token", False),
    ],
)
def test_literal_secret(command: str, *, fires: bool) -> None:
    assert severities("literal-secret", command) == ["error"] * fires


def test_a_secret_is_never_repeated() -> None:
    for command in (f"HF_TOKEN={TOKEN} vllm serve a/b", f"vllm serve a/b --api-key={TOKEN} other-key"):
        for finding in findings("literal-secret", command):
            assert TOKEN not in repr(finding)


def test_values_from_the_platforms_secrets_are_no_literals() -> None:
    variables = ", env: [{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hub, key: token}}}]"
    assert severities("literal-secret", pods("ClusterIP", container=variables), "pods.yaml") == []
    literal = f", env: [{{name: HF_TOKEN, value: {TOKEN}}}]"
    assert severities("literal-secret", pods("ClusterIP", container=literal), "pods.yaml") == ["error"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("VLLM_SERVER_DEV_MODE=1 vllm serve a/b --host 127.0.0.1", ["warning"]),
        ("VLLM_SERVER_DEV_MODE=1 vllm serve a/b", ["warning"]),
        ("VLLM_SERVER_DEV_MODE=1 vllm serve a/b --host 0.0.0.0", ["error"]),
        (
            "VLLM_SERVER_DEV_MODE=1 vllm serve a/b --host 0.0.0.0 --api-key $KEY",
            ["error"],
        ),  # the key does not guard them
        ("VLLM_SERVER_DEV_MODE=0 vllm serve a/b --host 0.0.0.0", []),
        ("VLLM_SERVER_DEV_MODE=--1 vllm serve a/b --host 0.0.0.0", []),
        ("VLLM_SERVER_DEV_MODE=$DEV vllm serve a/b --host 0.0.0.0", []),
    ],
)
def test_dev_mode(command: str, expected: list[str]) -> None:
    assert severities("dev-mode", command) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve a/b", ["warning"]),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve a/b --api-key $KEY", ["info"]),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve a/b $MORE", ["info"]),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING=0 vllm serve a/b", []),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING=yes vllm serve a/b", []),  # vLLM takes 1 and true
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 vllm serve a/b --api-server-count 2", ["error"]),
    ],
)
def test_runtime_lora_loading(command: str, expected: list[str]) -> None:
    assert severities("runtime-lora-loading", command) == expected


@pytest.mark.parametrize(
    ("arguments", "release", "expected"),
    [
        ("""--allowed-origins '["*"]'""", None, ["info"]),
        ("""--allowed-origins '["*"]' --allow-credentials""", None, ["warning"]),
        ("""--allowed-origins '["https://a.example"]'""", None, []),
        ("--allow-credentials", "0.31.0", ["warning"]),
        ("--allow-credentials", "0.32.0", []),
        ("", "0.31.0", []),
        ("--allowed-origins $ORIGINS", None, []),
    ],
)
def test_cors_wildcard(arguments: str, release: str | None, expected: list[str]) -> None:
    assert severities("cors-wildcard", f"vllm serve a/b {arguments}", release=release) == expected


def test_privileged_container() -> None:
    docker = "docker run {} vllm/vllm-openai:v0.33.0 a/b"
    assert severities("privileged-container", docker.format("--privileged")) == ["warning"]
    assert severities("privileged-container", docker.format("--cap-add SYS_ADMIN")) == ["warning"]
    assert severities("privileged-container", docker.format("--cap-add=IPC_LOCK --cap-add SYS_PTRACE")) == []
    assert severities("privileged-container", compose("privileged: true"), "compose.yaml") == ["warning"]
    assert severities("privileged-container", compose("privileged: false"), "compose.yaml") == []
    assert severities(
        "privileged-container", pods("ClusterIP", container=", securityContext: {privileged: true}"), "p.yaml"
    )


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "0.12.0", True),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "0.14.1", False),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "0.8.2", False),
        ("Qwen/Qwen2.5-VL-7B-Instruct", None, False),
        ("Qwen/Qwen3-8B", "0.12.0", False),
        ("""Qwen/Qwen2.5-VL-7B-Instruct --limit-mm-per-prompt '{"image": 0, "video": 0}'""", "0.12.0", False),
    ],
)
def test_known_vulnerable_version(arguments: str, release: str | None, *, fires: bool) -> None:
    assert severities("known-vulnerable-version", f"vllm serve {arguments}", release=release) == ["info"] * fires
    if release is not None:
        pinned = f"docker run vllm/vllm-openai:v{release} --model {arguments}"
        assert severities("known-vulnerable-version", pinned) == ["error"] * fires
