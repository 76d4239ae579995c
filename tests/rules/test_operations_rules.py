"""Rules about how a server is operated, where they are easily wrong: what must fire, and what must not."""

from __future__ import annotations

import pytest

from llmtune.catalog import engines
from llmtune.cli.linting import LintOptions, lint_text

COMPOSE = """
services:
  qwen:
    image: {image}
    command: {command}
{more}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: qwen}}
spec:
{spec}
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.33.0
      args: {arguments}
      resources: {{limits: {{nvidia.com/gpu: 1}}}}
{more}
"""
IMAGE = "vllm/vllm-openai:v0.33.0"
RUN = f"docker run {{options}} {IMAGE} Qwen/Qwen3-8B {{arguments}}"


def severities(rule: str, text: str, name: str = "compose.yaml", release: str | None = None) -> list[str]:
    """What one rule says about a text, as severities."""
    options = LintOptions(release=engines.find(release) if release else None, select=frozenset({rule}))
    result = lint_text(text, name, options)
    assert result is not None
    assert result.servers
    return [finding.severity for finding in result.findings]


def compose(more: str = "", command: str = "[Qwen/Qwen3-8B]", image: str = IMAGE) -> str:
    lines = "\n".join(f"    {line}" for line in more.splitlines())
    return COMPOSE.format(image=image, command=command, more=lines)


def pod(more: str = "", arguments: str = "[Qwen/Qwen3-8B]", spec: str = "") -> str:
    lines = "\n".join(f"      {line}" for line in more.splitlines())
    return POD.format(arguments=arguments, more=lines, spec="\n".join(f"  {line}" for line in spec.splitlines()))


def run(options: str = "", arguments: str = "") -> str:
    return RUN.format(options=options, arguments=arguments)


@pytest.mark.parametrize(
    ("image", "fires"),
    [
        ("vllm/vllm-openai:latest", True),
        ("vllm/vllm-openai", True),
        ("vllm/vllm-openai:nightly", True),
        ("vllm/vllm-openai:latest-cu130", True),
        ("ghcr.io/me/vllm:main", True),
        ("registry.local:5000/me/vllm", True),
        ("vllm/vllm-openai:v0.33.0", False),
        ("vllm/vllm-openai:v0.33.0-cu130", False),
        ("vllm/vllm-openai:nightly-0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c", False),
        ("vllm/vllm-openai:latest@sha256:" + "0" * 64, False),
        ("vllm/vllm-openai:${TAG}", False),
        ("${IMAGE}", False),
        ("vllm-spark:latest", False),  # built on this machine
        ("localhost/vllm:latest", False),
    ],
)
def test_image_not_pinned(image: str, *, fires: bool) -> None:
    text = compose(image=image, command="[vllm, serve, Qwen/Qwen3-8B]", more="entrypoint: []")
    assert severities("image-not-pinned", text) == ["warning"] * fires
    if "$" not in image:
        assert (
            severities("image-not-pinned", f"docker run --entrypoint vllm {image} serve a/b", "a.sh")
            == ["warning"] * fires
        )


def test_an_image_that_compose_builds_has_no_tag_to_pin() -> None:
    assert severities("image-not-pinned", compose("build: .", image="me/vllm:latest")) == []


@pytest.mark.parametrize(
    ("more", "command", "expected"),
    [
        ("", "[Qwen/Qwen3-8B, --tensor-parallel-size, '2']", ["error"]),
        ("", "[Qwen/Qwen3-8B, --pipeline-parallel-size, '2']", ["error"]),
        ("", "[Qwen/Qwen3-8B]", ["info"]),
        ("gpus: all", "[Qwen/Qwen3-8B, --tensor-parallel-size, '${TP}']", ["warning"]),
        ("", "[Qwen/Qwen3-8B, --tensor-parallel-size, '${TP}']", []),
        ("ipc: host", "[Qwen/Qwen3-8B, --tensor-parallel-size, '2']", []),
        ("shm_size: 16gb", "[Qwen/Qwen3-8B, --tensor-parallel-size, '2']", []),
        ("volumes: ['/dev/shm:/dev/shm']", "[Qwen/Qwen3-8B, --tensor-parallel-size, '2']", []),
        ("extends: {file: base.yaml, service: vllm}", "[Qwen/Qwen3-8B, --tensor-parallel-size, '2']", []),
    ],
)
def test_no_shared_memory_in_compose(more: str, command: str, expected: list[str]) -> None:
    assert severities("no-shared-memory", compose(more, command)) == expected


def test_shared_memory_of_a_pod() -> None:
    volume = "volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]"
    mounted = "volumeMounts: [{name: shm, mountPath: /dev/shm}]"
    assert severities("no-shared-memory", pod()) == ["info"]
    assert severities("no-shared-memory", pod(mounted, spec=volume)) == []
    assert severities("no-shared-memory", pod(spec="hostIPC: true")) == []
    assert severities("shm-unbounded", pod(mounted, spec=volume)) == []
    assert severities("shm-unbounded", pod(mounted, spec=volume.replace(", sizeLimit: 8Gi", ""))) == ["info"]


def test_ipc_is_put_in_front_of_the_image() -> None:
    text = run(arguments="-tp 2")
    result = lint_text(text, "a.sh", LintOptions(select=frozenset({"no-shared-memory"})))
    assert result is not None
    (finding,) = result.findings
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    column = edit.span.column - 1
    assert text[:column] + edit.text + text[column:] == run("--ipc=host", "-tp 2").replace("run --ipc", "run  --ipc")


@pytest.mark.parametrize(
    ("more", "command", "fires"),
    [
        ("", "[Qwen/Qwen3-8B]", True),
        ("", "", True),  # vLLM's own default is a model of the Hub
        ("volumes: ['${HF_HOME}/hub:/data']", "[Qwen/Qwen3-8B]", True),
        ("volumes: ['./cache:/root/.cache/huggingface']\nenvironment: {HF_HOME: /models}", "[Qwen/Qwen3-8B]", True),
        ("volumes: ['./cache:/root/.cache/huggingface']", "[Qwen/Qwen3-8B, --download-dir, /weights]", True),
        ("tmpfs: /root/.cache", "[Qwen/Qwen3-8B]", True),
        ("volumes: ['./cache:/root/.cache/huggingface']", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['cache:/root/.cache/']", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['./hub:/root/.cache/huggingface/hub']", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['./m:/models']\nenvironment: [HF_HOME=/models/hf]", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['./m:/models']\nenvironment: ['HF_HOME=${PLACE}']", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['./m:${PLACE}']", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['./m:/m']\nenv_file: .env", "[Qwen/Qwen3-8B]", False),
        ("volumes: ['./m:/weights']", "[Qwen/Qwen3-8B, --download-dir, /weights]", False),
        ("volumes: ['./m:/m']\nenvironment: {HF_HUB_OFFLINE: '1'}", "[Qwen/Qwen3-8B]", False),
        (
            "volumes: ['./m:/cache']\nenvironment: {VLLM_USE_MODELSCOPE: 'true', MODELSCOPE_CACHE: /cache}",
            "[a/b]",
            False,
        ),
        ("", "[/models/qwen]", False),
        ("", "['s3://bucket/qwen']", False),
        ("", "['${MODEL}']", False),
        ("", "['--model=${MODEL}']", False),
        ("volumes: ['./models:/vllm-workspace/models']", "[models/qwen]", False),
        ("", "[Qwen/Qwen3-8B, --load-format, dummy]", False),
    ],
)
def test_no_model_cache(more: str, command: str, *, fires: bool) -> None:
    assert severities("no-model-cache", compose(more, command)) == ["warning"] * fires


def test_an_image_of_ones_own_may_hold_the_model() -> None:
    assert severities("no-model-cache", compose(image="example.com/me/qwen:1", command="[vllm, serve, a/b]")) == []


LIVENESS = "livenessProbe: {{httpGet: {{path: /health, port: 8000}}, initialDelaySeconds: {}, failureThreshold: {}}}"
STARTUP = "startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 60}"
READINESS = "readinessProbe: {httpGet: {path: /health, port: 8000}}"


@pytest.mark.parametrize(
    ("more", "model", "expected"),
    [
        (LIVENESS.format(0, 3), "Qwen/Qwen3-8B", ["error"]),
        (LIVENESS.format(60, 3), "Qwen/Qwen3-8B", ["warning"]),
        (LIVENESS.format(300, 30), "Qwen/Qwen3-8B", []),
        (LIVENESS.format(60, 3), "/models/qwen", ["warning"]),
        (LIVENESS.format(300, 30), "/models/qwen", []),
        (LIVENESS.format("'${DELAY}'", 3), "Qwen/Qwen3-8B", []),
        (LIVENESS.format(0, 3) + "\n" + STARTUP, "Qwen/Qwen3-8B", []),
        (STARTUP.replace("60", "3"), "Qwen/Qwen3-8B", ["error"]),
        (STARTUP.replace("60", "12"), "Qwen/Qwen3-8B", []),
        (STARTUP.replace("60", "3"), "/models/qwen", []),
        ("", "Qwen/Qwen3-8B", ["info"]),
        (READINESS, "Qwen/Qwen3-8B", ["info"]),
    ],
)
def test_no_startup_probe(more: str, model: str, expected: list[str]) -> None:
    assert severities("no-startup-probe", pod(more, f"[{model}]")) == expected


def test_no_readiness_probe() -> None:
    assert severities("no-readiness-probe", pod()) == ["warning"]
    assert severities("no-readiness-probe", pod(READINESS)) == []
    assert severities("no-readiness-probe", pod(arguments="[Qwen/Qwen3-8B, --headless]")) == []
    assert severities("no-readiness-probe", compose()) == ["info"]
    assert severities("no-readiness-probe", compose("healthcheck: {test: curl -f http://localhost:8000/health}")) == []
    assert severities("no-readiness-probe", run(), "a.sh") == []
    assert severities("no-readiness-probe", "vllm serve a/b", "a.sh") == []


SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: vllm}
spec: {selector: {app: other}, ports: [{port: 80}]}
"""


def test_a_service_called_vllm() -> None:
    assert severities("service-named-vllm", pod() + SERVICE) == ["error"]
    assert severities("service-named-vllm", pod() + SERVICE.replace("name: vllm", "name: vllm-qwen")) == []
    assert severities("service-named-vllm", pod() + SERVICE.replace("ports", "clusterIP: None, ports")) == []
    assert severities("service-named-vllm", pod() + SERVICE.replace("name: vllm", "name: vllm, namespace: x")) == [
        "error"
    ]
    assert severities("service-named-vllm", pod(spec="enableServiceLinks: false") + SERVICE) == []
    assert severities("service-named-vllm", pod("env: [{name: VLLM_PORT, value: '5000'}]") + SERVICE) == []


def test_no_restart_policy() -> None:
    assert severities("no-restart-policy", compose()) == ["info"]
    assert severities("no-restart-policy", compose("restart: unless-stopped")) == []
    assert severities("no-restart-policy", compose("deploy: {restart_policy: {condition: any}}")) == []
    assert severities("no-restart-policy", run(), "a.sh") == []
    unit = "[Service]\nExecStart=/opt/vllm/bin/vllm serve Qwen/Qwen3-8B\n"
    assert severities("no-restart-policy", unit, "vllm.service") == ["info"]
    assert severities("no-restart-policy", unit + "Restart=always\n", "vllm.service") == []
    assert severities("no-restart-policy", unit + "Restart=no\n", "vllm.service") == []
    assert severities("no-restart-policy", unit + "Restart=unless-stopped\n", "vllm.service") == ["warning"]


@pytest.mark.parametrize(
    ("more", "image", "fires"),
    [
        ("", IMAGE, True),
        ("", "vllm/vllm-openai-cpu:v0.33.0", False),
        ("", "example.com/me/vllm:1", False),
        ("gpus: all", IMAGE, False),
        ("runtime: nvidia", IMAGE, False),
        ("runtime: ${RUNTIME}", IMAGE, False),
        ("devices: ['nvidia.com/gpu=all']", IMAGE, False),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}", IMAGE, False),
        ("deploy: {resources: {reservations: {devices: [{count: '${N}', capabilities: [gpu]}]}}}", IMAGE, False),
        ("privileged: true", IMAGE, False),
        ("extends: {file: base.yaml, service: gpu}", IMAGE, False),
    ],
)
def test_no_gpu_requested(more: str, image: str, *, fires: bool) -> None:
    assert severities("no-gpu-requested", compose(more, "[Qwen/Qwen3-8B, --dtype, half]", image)) == ["error"] * fires


def test_gpus_of_a_pod() -> None:
    without = pod().replace("nvidia.com/gpu: 1", "memory: 16Gi")
    assert severities("no-gpu-requested", without) == ["error"]
    assert severities("no-gpu-requested", without.replace("spec:\n", "spec:\n  runtimeClassName: nvidia\n")) == []
    for resource in ("amd.com/gpu", "habana.ai/gaudi", "google.com/tpu", "nvidia.com/mig-1g.10gb", "'${GPU}'"):
        assert severities("no-gpu-requested", without.replace("memory: 16Gi", f"{resource}: 1")) == []


def test_cpu_on_cuda_image() -> None:
    assert severities("cpu-on-cuda-image", compose(command="[a/b, --device, cpu]")) == ["error"]
    assert severities("cpu-on-cuda-image", compose(command="[a/b, --device=cpu]"), release="0.9.2") == ["error"]
    assert severities("cpu-on-cuda-image", compose(command="[a/b, --device, cuda]")) == []
    cpu = compose(command="[a/b, --device, cpu]", image="vllm/vllm-openai-cpu:v0.9.2")
    assert severities("cpu-on-cuda-image", cpu) == []


@pytest.mark.parametrize(
    ("options", "arguments", "fires"),
    [
        ("-p 8001:8000", "", False),
        ("-p 8001:8001", "", True),
        ("-p 8001:8001", "--port 8001", False),
        ("-p 8000:8000", "--port 8001", True),
        ("-p 8000:8000", "--port $PORT", False),
        ("-p 8000:8000", "$ARGUMENTS", False),
        ("-p $PORT:$PORT", "", False),
        ("-p 9000:9000 -p 8000:8000", "", False),
        ("--network host -p 9000:9000", "", False),
        ("--network host", "--port 9000", False),
        ("-p 8001:8001", "--uds /run/vllm.sock", False),
        ("--health-cmd 'curl -f http://localhost:8001/health'", "", True),
        ("--health-cmd 'curl -f http://localhost:8000/health'", "", False),
    ],
)
def test_port_mismatch_of_docker_run(options: str, arguments: str, *, fires: bool) -> None:
    assert severities("port-mismatch", run(options, arguments), "a.sh") == ["error"] * fires


def test_port_mismatch_of_a_pod() -> None:
    probe = "ports: [{{name: http, containerPort: {}}}]\nreadinessProbe: {{httpGet: {{path: /health, port: {}}}}}"
    assert severities("port-mismatch", pod(probe.format(8000, "http"))) == []
    assert severities("port-mismatch", pod(probe.format(8080, "http"))) == ["error"]
    assert severities("port-mismatch", pod(probe.format(80, 8000))) == []  # the list of ports is documentation
    assert severities("port-mismatch", pod(probe.format(8000, 8080), "[a/b, --port, '8000']")) == ["error"]
    beside = pod(probe.format(8080, 8080)).replace(
        "args: [Qwen/Qwen3-8B]", "command: [sh, -c, 'proxy & vllm serve a/b']"
    )
    assert severities("port-mismatch", beside) == []


def test_two_servers_of_one_container_have_a_port_each() -> None:
    script = "docker run -p 8000:8000 -p 8001:8001 --entrypoint sh vllm/vllm-openai:v0.33.0 -c '{}'"
    both = "vllm serve a/b & vllm serve c/d --port 8001"
    assert severities("port-mismatch", script.format(both), "a.sh") == []


def test_pip_install_at_start() -> None:
    command = "entrypoint: [sh, -c]"
    assert severities("pip-install-at-start", compose(command, "['pip install timm && vllm serve a/b']")) == ["warning"]
    uv = "['uv pip install --system -U transformers; exec vllm serve a/b']"
    assert severities("pip-install-at-start", compose(command, uv)) == ["warning"]
    assert severities("pip-install-at-start", compose(command, "['echo pip install; exec vllm serve a/b']")) == []
    assert severities("pip-install-at-start", "pip install vllm==0.33.0\nvllm serve a/b\n", "a.sh") == []


@pytest.mark.parametrize(
    ("command", "fires"),
    [
        ("vllm serve /models/qwen", True),
        ("vllm serve ./qwen", True),
        ("vllm serve /models/$NAME", True),
        ("vllm serve Qwen/Qwen3-8B", False),
        ("vllm serve $MODEL", False),
        ("vllm serve /models/qwen --served-model-name qwen", False),
        ("vllm serve /models/qwen $MORE", False),
        ("vllm serve /models/qwen --config more.yaml", False),
    ],
)
def test_served_name_missing(command: str, *, fires: bool) -> None:
    assert severities("served-name-missing", command, "a.sh") == ["info"] * fires


@pytest.mark.parametrize(
    ("more", "model", "fires"),
    [
        ("", "meta-llama/Llama-3.1-8B-Instruct", True),
        ("", "google/gemma-3-27b-it", True),
        ("", "google/gemma-4-31B-it", False),
        ("", "Qwen/Qwen3-8B", False),
        ("environment: {HF_TOKEN: '${HF_TOKEN}'}", "meta-llama/Llama-3.1-8B-Instruct", False),
        ("env_file: .env", "meta-llama/Llama-3.1-8B-Instruct", False),
        ("secrets: [hf]\nenvironment: {HF_TOKEN_PATH: /run/secrets/hf}", "meta-llama/Llama-3.1-8B-Instruct", False),
        ("volumes: ['./hf:/root/.cache/huggingface']", "meta-llama/Llama-3.1-8B-Instruct", False),  # may hold both
    ],
)
def test_gated_model_no_token(more: str, model: str, *, fires: bool) -> None:
    assert severities("gated-model-no-token", compose(more, f"[{model}]")) == ["error"] * fires


@pytest.mark.parametrize(
    ("more", "arguments", "fires"),
    [
        ("stop_grace_period: 2m", "", True),
        ("stop_grace_period: 10s", "", False),
        ("", "", False),
        ("stop_grace_period: 2m", ", --shutdown-timeout, '100'", False),
        ("stop_grace_period: 1m", ", --shutdown-timeout, '100'", True),
        ("", ", --shutdown-timeout, '100'", True),
        ("stop_grace_period: '${GRACE}'", ", --shutdown-timeout, '100'", False),
    ],
)
def test_graceful_stop(more: str, arguments: str, *, fires: bool) -> None:
    assert severities("graceful-stop", compose(more, f"[Qwen/Qwen3-8B{arguments}]")) == ["info"] * fires


def test_before_release_18_a_grace_period_is_all_there_is() -> None:
    older = compose("stop_grace_period: 2m", image="vllm/vllm-openai:v0.17.0")
    assert severities("graceful-stop", older) == []


@pytest.mark.parametrize(
    ("more", "arguments", "fires"),
    [
        ("mem_limit: 16g", "", True),
        ("mem_limit: 64g", "", False),
        ("mem_limit: 64g", ", --cpu-offload-gb, '64'", True),
        ("mem_limit: 64g", ", --cpu-offload-gb, inf", False),
        ("mem_limit: '${LIMIT}'", ", --cpu-offload-gb, '64'", False),
        ("mem_limit: 16g", ", --load-format, runai_streamer", False),
        ("", "", False),
    ],
)
def test_host_memory_limit(more: str, arguments: str, *, fires: bool) -> None:
    assert severities("host-memory-limit", compose(more, f"[Qwen/Qwen3-8B{arguments}]")) == ["warning"] * fires


def test_cpu_starved() -> None:
    text = pod().replace("}}\n", "}, requests: {cpu: CORES}}\n", 1)
    assert severities("cpu-starved", text.replace("CORES", "1")) == ["warning"]
    assert severities("cpu-starved", text.replace("CORES", "500m")) == ["warning"]
    assert severities("cpu-starved", text.replace("CORES", "3")) == []
    assert severities("cpu-starved", text.replace("CORES", "'${CORES}'")) == []
    assert severities("cpu-starved", pod()) == []


def test_compile_cache_lost() -> None:
    volume = "volumes: [{name: cache, persistentVolumeClaim: {claimName: cache}}]"
    weights = "volumeMounts: [{name: cache, mountPath: /root/.cache/huggingface}]"
    assert severities("compile-cache-lost", pod(weights, spec=volume)) == ["info"]
    assert severities("compile-cache-lost", pod(weights.replace("/huggingface", ""), spec=volume)) == []
    elsewhere = weights + "\nenv: [{name: VLLM_CACHE_ROOT, value: /root/.cache/huggingface/vllm}]"
    assert severities("compile-cache-lost", pod(elsewhere, spec=volume)) == []
    assert severities("compile-cache-lost", pod(weights, "[a/b, --enforce-eager]", volume)) == []
    assert severities("compile-cache-lost", pod()) == []


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: qwen}
spec:
  STRATEGY
  selector: {matchLabels: {app: qwen}}
  template:
    metadata: {labels: {app: qwen}}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.33.0
          args: [Qwen/Qwen3-8B]
          resources: {limits: {nvidia.com/gpu: 2}}
"""


@pytest.mark.parametrize(
    ("strategy", "fires"),
    [
        ("replicas: 1", True),
        ("strategy: {type: RollingUpdate}", True),
        ("strategy: {type: Recreate}", False),
        ("strategy: {rollingUpdate: {maxSurge: 0}}", False),
        ("strategy: {type: '${STRATEGY}'}", False),
    ],
)
def test_rollout_needs_two_gpu_sets(strategy: str, *, fires: bool) -> None:
    text = DEPLOYMENT.replace("STRATEGY", strategy, 1)
    assert severities("rollout-needs-two-gpu-sets", text) == ["info"] * fires
    assert severities("rollout-needs-two-gpu-sets", text.replace("nvidia.com/gpu: 2", "memory: 16Gi")) == []
    stateful = text.replace("kind: Deployment", "kind: StatefulSet").replace(strategy, "serviceName: qwen")
    assert severities("rollout-needs-two-gpu-sets", stateful) == []  # one pod ends before the next one starts


def test_a_base_image_that_is_not_vllms_is_another_ones_concern() -> None:
    text = "FROM {}\nRUN pip install vllm==0.33.0\nCMD vllm serve Qwen/Qwen3-8B\n"
    assert severities("image-not-pinned", text.format("nvidia/cuda:latest"), "Dockerfile") == []
    assert severities("image-not-pinned", text.format("vllm/vllm-openai:latest"), "Dockerfile") == ["warning"]


def test_a_server_on_cpus_starves_no_gpu() -> None:
    text = pod().replace("{limits: {nvidia.com/gpu: 1}}", "{requests: {cpu: 1}}")
    assert severities("cpu-starved", text) == ["warning"]
    assert severities("cpu-starved", text.replace("vllm-openai:", "vllm-openai-cpu:")) == []
    assert severities("cpu-starved", text.replace("vllm/vllm-openai:v0.33.0", "me/vllm-cpu:1")) == []


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        (compose('ports: ["8000:8000"]', "[Qwen/Qwen3-8B, --host, 127.0.0.1]"), True),
        (compose('ports: ["127.0.0.1:9000:8000"]', "[Qwen/Qwen3-8B, --host=localhost]"), True),
        (compose('ports: ["8000:9000"]', "[Qwen/Qwen3-8B, --host=localhost]"), False),  # another program's
        (compose('expose: ["8000"]', "[Qwen/Qwen3-8B, --host=localhost]"), False),
        (compose('ports: ["8000:8000"]', "[Qwen/Qwen3-8B, --host=0.0.0.0]"), False),
        (compose('ports: ["8000:8000"]', '[Qwen/Qwen3-8B, "--host=${HOST}"]'), False),
        (compose('ports: ["8000:8000"]\nnetwork_mode: host', "[Qwen/Qwen3-8B, --host=localhost]"), False),
        (run("-p 8000:8000 --gpus all", "--host ::1"), True),
        (run("-p 8000:8000 --gpus all", "--host ::1 $MORE"), False),
        (run("--network host --gpus all", "--host 127.0.0.1"), False),
        (run("--gpus all", "--host 127.0.0.1"), False),
        (pod("readinessProbe: {httpGet: {path: /health, port: 8000}}", "[Qwen/Qwen3-8B, --host, 127.0.0.1]"), True),
        (pod("readinessProbe: {exec: {command: [curl, localhost]}}", "[Qwen/Qwen3-8B, --host, 127.0.0.1]"), False),
        ("vllm serve Qwen/Qwen3-8B --host 127.0.0.1\n", False),
    ],
)
def test_localhost_in_a_container(text: str, *, fires: bool) -> None:
    name = "run.sh" if text.startswith(("docker", "vllm")) else "compose.yaml"
    assert bool(severities("localhost-in-container", text, name)) is fires
