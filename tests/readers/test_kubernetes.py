"""Kubernetes manifests: servers in pods of every kind, their words with places, and what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtune.readers import ReadError, read_document
from llmtune.readers.kinds import kubernetes
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN, Fact
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document, Server

STACK = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat, namespace: models}
spec:
  replicas: 2
  strategy: {type: Recreate}
  selector:
    matchLabels: {app: chat}
  template:
    metadata:
      labels: {app: chat, tier: serving}
    spec:
      enableServiceLinks: false
      terminationGracePeriodSeconds: 90
      nodeSelector:
        cloud.google.com/gke-accelerator: nvidia-l4
        node.kubernetes.io/instance-type: g2-standard-24
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args:
            - --model=$(MODEL)
            - --max-model-len
            - "16384"
            - --port=9000
          env:
            - name: MODEL
              value: Qwen/Qwen3-8B
            - name: HF_TOKEN
              valueFrom: {secretKeyRef: {name: hub, key: token}}
            - name: LD_LIBRARY_PATH
              value: ${LD_LIBRARY_PATH}:/opt/lib
          envFrom:
            - configMapRef: {name: common}
          ports:
            - {name: http, containerPort: 9000}
          resources:
            limits: {nvidia.com/gpu: 2, memory: 64Gi}
            requests: {cpu: 500m}
          startupProbe:
            httpGet: {path: /health, port: http}
            failureThreshold: 90
          livenessProbe:
            exec:
              command: [sh, -c, "curl -f http://localhost:8000/health"]
          volumeMounts:
            - {name: shm, mountPath: /dev/shm}
            - {name: cache, mountPath: /root/.cache/huggingface}
            - {name: scratch, mountPath: /tmp/x}
          securityContext:
            privileged: true
            capabilities: {add: [IPC_LOCK]}
        - name: metrics
          image: prom/statsd-exporter
      volumes:
        - name: shm
          emptyDir: {medium: Memory, sizeLimit: 8Gi}
        - name: cache
          persistentVolumeClaim: {claimName: hub}
        - name: scratch
          emptyDir: {}
---
apiVersion: v1
kind: Service
metadata: {name: vllm, namespace: models}
spec:
  type: LoadBalancer
  selector: {app: chat}
  ports:
    - {port: 80, targetPort: http}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: other}
spec:
  type: NodePort
  selector: {app: chat}
  ports: [{port: 80}]
"""


def read(text: str) -> Document:
    source = Source(text, "pod.yaml")
    assert kubernetes.recognises(source)
    return kubernetes.read_document(source)


def one(text: str) -> Server:
    (server,) = read(text).servers
    return server


def pod(container: str = "", spec: str = "", other: str = "") -> str:
    """A pod whose one container and specification also say this, with other documents behind it."""
    inner = "".join(f"      {line}\n" for line in container.splitlines())
    outer = "".join(f"  {line}\n" for line in spec.splitlines())
    head = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  labels: {app: chat}\nspec:\n  containers:\n"
    body = "    - name: c\n      image: vllm/vllm-openai:v0.11.0\n"
    arguments = "" if "args:" in container or "command:" in container else "      args: [--model, m]\n"
    return head + body + arguments + inner + outer + other


def texts(server: Server) -> list[str]:
    return [shown(word.text) for word in server.words]


def value(fact: Fact[Any] | None) -> object:
    return None if fact is None else fact.value


def written(text: str, server: Server) -> list[str]:
    """What the file has where the words stand."""
    return [Source(text, "pod.yaml").slice(word.span) for word in server.words if word.span]


def test_a_whole_file() -> None:
    document = read(STACK)
    (chat,) = document.servers
    assert (document.kind, chat.name, chat.entry) == ("kubernetes", "Deployment chat, container server", "image")
    assert texts(chat) == ["--model=Qwen/Qwen3-8B", "--max-model-len", "16384", "--port=9000"]
    assert written(STACK, chat) == ["--model=$(MODEL)", "--max-model-len", '"16384"', "--port=9000"]
    around = chat.surroundings
    assert (around.platform, value(around.image), around.complete) == ("kubernetes", "vllm/vllm-openai:v0.11.0", True)
    assert (value(around.gpus), value(around.gpu_name), value(around.instance)) == (2, "nvidia-l4", "g2-standard-24")
    assert (value(around.memory_limit), value(around.cpu_request), value(around.replicas)) == (64 << 30, 0.5, 2)
    assert (value(around.strategy), value(around.grace_period), value(around.service_links)) == ("Recreate", 90, False)
    assert (value(around.privileged), [value(item) for item in around.capabilities]) == (True, ["IPC_LOCK"])
    assert value(around.shared_memory) == "8Gi"
    assert [(mount.path, mount.kind, mount.size_limit) for mount in around.mounts] == [
        ("/dev/shm", "memory", "8Gi"),
        ("/root/.cache/huggingface", "claim", None),
        ("/tmp/x", "empty-dir", None),
    ]
    assert [(port.number, port.role) for port in around.ports] == [
        *((9000, "container"), (9000, "probe"), (8000, "probe"), (9000, "service")),
    ]
    assert [(probe.kind, probe.path, probe.failures) for probe in around.probes] == [
        ("startup", "/health", 90.0),
        ("liveness", "/health", 3.0),
    ]
    assert (value(around.exposure), [value(name) for name in around.service_names]) == ("LoadBalancer", ["vllm"])
    assert around.replaces_entrypoint is False


def test_variables() -> None:
    (chat,) = read(STACK).servers
    found = [(item.name, shown(item.value), item.secret, item.written_as) for item in chat.variables]
    assert found == [
        ("MODEL", "Qwen/Qwen3-8B", False, "kubernetes"),
        ("HF_TOKEN", "", True, "kubernetes"),
        ("LD_LIBRARY_PATH", "${LD_LIBRARY_PATH}:/opt/lib", False, "kubernetes"),
        ("", "", True, "map"),
    ]
    source = Source(STACK, "pod.yaml")
    entry = chat.variables[0].word
    assert entry.extent
    assert source.slice(entry.extent) == "            - name: MODEL\n              value: Qwen/Qwen3-8B\n"
    (notice,) = chat.notices
    assert notice.span
    assert (notice.name, source.slice(notice.span)) == ("literal-variable", "${LD_LIBRARY_PATH}")


@pytest.mark.parametrize(
    ("body", "entry", "expected"),
    [
        ("args: [--model, m, --port, '1']", "image", ["--model", "m", "--port", "1"]),
        ("args: [m, --port, 1]", "image", ["m", "--port", "1"]),
        ("command: [vllm, serve, m]\nargs: [--port=1]", "serve", ["m", "--port=1"]),
        ("command: [python3, -m, vllm.entrypoints.openai.api_server]\nargs: [--model=m]", "api_server", ["--model=m"]),
        ("command: [/bin/sh, -c]\nargs: ['vllm serve m --port 1']", "serve", ["m", "--port", "1"]),
        ("command: [bash, -c, 'cd /x && exec vllm serve m']", "serve", ["m"]),
        ("command: [bash, -c]\nargs:\n- |\n  vllm serve m \\\n    --port 1", "serve", ["m", "--port", "1"]),
        ("env: [{name: P, value: '1'}]\nargs: [--port=$(P), --x=$$(P)]", "image", ["--port=1", "--x=$(P)"]),
        ("env: [{name: P, value: '1'}]\ncommand: [sh, -c, vllm serve m --port $P]", "serve", ["m", "--port", "1"]),
        ("env: [{name: P, value: '1'}]\ncommand: [sh, -c, vllm serve m --port $(P)]", "serve", ["m", "--port", "1"]),
        ("env: [{name: A, value: x}, {name: B, value: $(A)/y}]\nargs: [--model, $(B)]", "image", ["--model", "x/y"]),
        ("env: [{name: A, valueFrom: {}}]\nargs: [--model, $(A)]", "image", ["--model", "$(A)"]),
        ("args: [--model, $(NOT_SET), --port, '${PORT}']", "image", ["--model", "$(NOT_SET)", "--port", "${PORT}"]),
        ("args: [--model=__MODEL__, --x=<your-x>]", "image", ["--model=__MODEL__", "--x=<your-x>"]),
        ("args:\n- --model\n- m\n- a: b", "image", ["--model", "m", "a: b"]),
        ("args: []", "image", []),
    ],
)
def test_forms_of_a_command(body: str, entry: str, expected: list[str]) -> None:
    server = one(pod(body))
    assert (server.entry, texts(server)) == (entry, expected)


def test_what_is_hidden_is_a_hole() -> None:
    server = one(pod("args: [--model, $(NOT_SET), --port, '${PORT}', '${EXTRA}']"))
    assert [word.open for word in server.words] == [False, True, False, True, True]
    assert [word.plain for word in server.words] == [True, False, True, False, False]


def test_a_script_knows_its_places() -> None:
    text = pod(
        "command: [sh, -c]\nargs:\n  - |\n    export VLLM_USE_V1=1\n    exec vllm serve m \\\n      --port $(P)\n"
    )
    text = text.replace("name: c\n", "name: c\n      env: [{name: P, value: '7000'}]\n")
    server = one(text)
    assert texts(server) == ["m", "--port", "7000"]
    assert written(text, server) == ["m", "--port", "$(P)"]
    assert [item.name for item in server.variables] == ["P", "VLLM_USE_V1"]
    assert server.surroundings.replaces_entrypoint is True


@pytest.mark.parametrize(
    "manifest",
    [
        "apiVersion: apps/v1\nkind: StatefulSet\nspec:\n  selector: {}\n  template:\n    spec:\n",
        "apiVersion: apps/v1\nkind: DaemonSet\nspec:\n  selector: {}\n  template:\n    spec:\n",
        "apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec:\n",
        "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n     template:\n      spec:\n",
        "apiVersion: serving.knative.dev/v1\nkind: Service\nspec:\n  template:\n    spec:\n",
        "apiVersion: x.example/v1\nkind: ModelServer\nspec:\n  engine:\n    pod:\n      spec:\n",
    ],
)
def test_kinds_that_hold_a_pod(manifest: str) -> None:
    container = "        containers:\n        - {name: c, image: vllm/vllm-openai, args: [--model, m]}\n"
    (server,) = read(manifest + container).servers
    kind = manifest.split("kind: ")[1].split("\n", maxsplit=1)[0]
    assert server.name == f"{kind}, container c"
    assert server.surroundings.complete is (kind not in {"Service", "ModelServer"})


@pytest.mark.parametrize(
    "text",
    [
        "#!/bin/sh\nkubectl apply -f - <<EOF\napiVersion: v1\nkind: Pod\nEOF\n",
        "kubectl apply -f - <<EOF\napiVersion: v1\nkind: Pod\nEOF\n",
        "kind: Pod\n",
        "model: m\n# apiVersion: v1\n",
    ],
)
def test_what_is_no_manifest(text: str) -> None:
    assert not kubernetes.recognises(Source(text, "pod"))


def test_lists_of_manifests() -> None:
    item = "{apiVersion: v1, kind: Pod, spec: {containers: [{name: c, image: vllm/vllm-openai, args: [--model, m]}]}}"
    assert len(read(f"apiVersion: v1\nkind: List\nitems:\n- {item}\n- {item}\n").servers) == 2
    assert len(read('{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}} # vllm').servers) == 0


GROUP = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: big}
spec:
  replicas: 3
  leaderWorkerTemplate:
    size: 4
    leaderTemplate:
      metadata: {labels: {role: leader}}
      spec:
        containers:
          - name: head
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c]
            args:
              - "bash multi-node-serving.sh leader --ray_cluster_size=$(LWS_GROUP_SIZE);
                 vllm serve m -tp 8 -pp 4"
            resources: {limits: {nvidia.com/gpu: '8'}}
    workerTemplate:
      spec:
        containers:
          - name: rest
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "bash multi-node-serving.sh worker --ray_address=$(LWS_LEADER_ADDRESS)"]
---
apiVersion: v1
kind: Service
metadata: {name: big}
spec:
  type: NodePort
  selector: {leaderworkerset.sigs.k8s.io/name: big, role: leader}
  ports: [{port: 8000}]
"""


def test_leader_and_workers() -> None:
    server = one(GROUP)
    around = server.surroundings
    assert (server.name, texts(server)) == ("LeaderWorkerSet big, container head", ["m", "-tp", "8", "-pp", "4"])
    assert (value(around.nodes), value(around.gpus), value(around.replicas)) == (4, 8, 3)
    assert value(around.exposure) == "NodePort"
    (ray,) = server.prologue
    assert shown(ray[-1].text) == "--ray_cluster_size=$(LWS_GROUP_SIZE)"


def test_without_a_leader_template_the_leader_is_like_a_worker() -> None:
    start, end = GROUP.index("    leaderTemplate"), GROUP.index("    workerTemplate")
    text = (GROUP[:start] + GROUP[end:]).replace("bash multi-node-serving.sh worker", "vllm serve m")
    assert one(text).name == "LeaderWorkerSet big, container rest"


@pytest.mark.parametrize(
    ("resources", "count", "name"),
    [
        ("limits: {nvidia.com/gpu: 4}", 4, None),
        ("limits: {nvidia.com/gpu: '${GPUS}'}", UNKNOWN, None),
        ("requests: {amd.com/gpu: '1'}", 1, None),
        ("limits: {habana.ai/gaudi: 8}", 8, None),
        ("limits: {google.com/tpu: 4}", 4, None),
        ("limits: {nvidia.com/mig-3g.40gb: 2}", 2, "nvidia.com/mig-3g.40gb"),
        ("limits: {gpu.intel.com/i915: 1}", UNKNOWN, None),
        ("claims: [{name: gpu}]", UNKNOWN, None),
        ("limits: {cpu: 4, ephemeral-storage: 1Gi}", None, None),
        ("limits: {nvidia.com/gpu: " + "9" * 5000 + "}", UNKNOWN, None),
    ],
)
def test_gpus(resources: str, count: object, name: object) -> None:
    around = one(pod(f"resources: {{{resources}}}")).surroundings
    assert (value(around.gpus), value(around.gpu_name)) == (count, name)


def test_a_runtime_class_may_give_gpus() -> None:
    assert value(one(pod(spec="runtimeClassName: nvidia")).surroundings.gpus) is UNKNOWN


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{key: nvidia.com/gpu.product, operator: In, values: [NVIDIA-H100-80GB-HBM3]}", "NVIDIA-H100-80GB-HBM3"),
        ("{key: nvidia.com/gpu.product, operator: In, values: [A, B]}", UNKNOWN),
        ("{key: nvidia.com/gpu.product, operator: NotIn, values: [A]}", None),
        ("{key: nvidia.com/gpu.product, operator: Exists}", None),
        ("{key: zone, operator: In, values: [a]}", None),
    ],
)
def test_affinity(rule: str, expected: object) -> None:
    terms = f"{{nodeSelectorTerms: [{{matchExpressions: [{rule}]}}]}}"
    spec = f"affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {terms}}}}}"
    assert value(one(pod(spec=spec)).surroundings.gpu_name) == expected


@pytest.mark.parametrize(
    ("volume", "kind", "size"),
    [
        ("emptyDir: {medium: Memory}", "memory", "memory"),
        ("emptyDir: {medium: Memory, sizeLimit: 2Gi}", "memory", "2Gi"),
        ("emptyDir: {medium: Memory, sizeLimit: '${S}'}", "memory", UNKNOWN),
        ("emptyDir: {}", "empty-dir", UNKNOWN),
        ("hostPath: {path: /dev/shm}", "host-path", "host"),
        ("configMap: {name: x}", "other", UNKNOWN),
        ("nfs: {server: x}", "volume", UNKNOWN),
    ],
)
def test_shared_memory(volume: str, kind: str, size: object) -> None:
    text = pod("volumeMounts: [{name: v, mountPath: /dev/shm/}]", f"volumes: [{{name: v, {volume}}}]")
    around = one(text).surroundings
    assert (around.mounts[0].kind, value(around.shared_memory)) == (kind, size)


def test_ipc_of_the_host() -> None:
    assert value(one(pod(spec="hostIPC: true")).surroundings.shared_memory) == "host"


def test_claims_of_a_stateful_set() -> None:
    text = (
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec:\n  selector: {}\n"
        "  template: {spec: {containers: [{name: c, image: vllm/vllm-openai, args: [--model, m],\n"
        "    volumeMounts: [{name: data, mountPath: /data}]}]}}\n"
        "  volumeClaimTemplates: [{metadata: {name: data}}]\n"
    )
    around = one(text).surroundings
    assert (around.mounts[0].kind, around.strategy) == ("claim", None)


SERVICE = "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n"


@pytest.mark.parametrize(
    ("service", "exposure", "names"),
    [
        ("  type: LoadBalancer\n  selector: {app: chat}\n", "LoadBalancer", ["s"]),
        ("  type: NodePort\n  selector: {app: chat}\n", "NodePort", ["s"]),
        ("  selector: {app: chat}\n", None, ["s"]),
        ("  type: LoadBalancer\n  selector: {app: other}\n", None, ["s"]),
        ("  type: LoadBalancer\n", None, ["s"]),
        ("  type: '${TYPE}'\n  selector: {app: chat}\n", UNKNOWN, ["s"]),
        ("  clusterIP: None\n  selector: {app: chat}\n", None, []),
        ("  type: ExternalName\n  externalName: x\n", None, []),
        ("  type: LoadBalancer\n  selector: {app: chat}\n  loadBalancerSourceRanges: [10.0.0.0/8]\n", None, ["s"]),
        ("  type: LoadBalancer\n  selector: {app: chat}\n  ports: [{port: 80}]\n", "LoadBalancer", ["s"]),
    ],
)
def test_services(service: str, exposure: object, names: list[str]) -> None:
    around = one(pod(other=SERVICE + service)).surroundings
    assert (value(around.exposure), [value(name) for name in around.service_names]) == (exposure, names)


def test_a_load_balancer_inside_is_no_exposure() -> None:
    note = "annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: 'true'}"
    service = SERVICE.replace("{name: s}", f"{{name: s, {note}}}") + "  type: LoadBalancer\n  selector: {app: chat}\n"
    assert one(pod(other=service)).surroundings.exposure is None


def test_a_service_of_another_container_is_no_exposure() -> None:
    proxy = "- {name: proxy, image: proxy, ports: [{name: web, containerPort: 4180}]}"
    text = pod("ports: [{containerPort: 8000}]").replace("  containers:\n", f"  containers:\n    {proxy}\n")
    service = SERVICE + "  type: LoadBalancer\n  selector: {app: chat}\n  ports: [{port: 80, targetPort: web}]\n"
    assert one(text + service).surroundings.exposure is None


@pytest.mark.parametrize(("note", "expected"), [("{}", "Ingress"), ("{nginx.ingress.kubernetes.io/auth-url: x}", None)])
def test_an_ingress(note: str, expected: object) -> None:
    ingress = (
        f"---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i, annotations: {note}}}\n"
        "spec: {rules: [{http: {paths: [{backend: {service: {name: s, port: {number: 80}}}}]}}]}\n"
    )
    text = pod(other=SERVICE + "  selector: {app: chat}\n" + ingress)
    assert value(one(text).surroundings.exposure) == expected


def test_ports_of_the_node() -> None:
    around = one(pod("ports: [{containerPort: 8000, hostPort: 80}]")).surroundings
    assert (value(around.exposure), [port.role for port in around.ports]) == ("published", ["container", "published"])
    around = one(pod(spec="hostNetwork: true")).surroundings
    assert (value(around.exposure), value(around.host_network)) == ("hostNetwork", True)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("", "RollingUpdate"),
        ("  strategy: {type: Recreate}\n", "Recreate"),
        ("  strategy: {rollingUpdate: {maxSurge: 0}}\n", "RollingUpdate without surge"),
        ("  strategy: {rollingUpdate: {maxSurge: '${S}'}}\n", UNKNOWN),
    ],
)
def test_a_deployment_rolls_unless_told_otherwise(strategy: str, expected: object) -> None:
    text = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  selector: {}\n" + strategy
    text += "  template: {spec: {containers: [{name: c, image: vllm/vllm-openai, args: [--model, m]}]}}\n"
    assert value(one(text).surroundings.strategy) == expected


@pytest.mark.parametrize(
    ("container", "named"),
    [
        ("env: [{name: HF_TOKEN, value: $HF_TOKEN}]", ["$HF_TOKEN"]),
        ("env: [{name: X, value: '${HOME}/x'}]", ["${HOME}"]),
        ("env: [{name: A, value: a}, {name: B, value: $(A)/$(C)}]", ["$(C)"]),
        ("env: [{name: B, value: $(A)}, {name: A, value: a}]", ["$(A)"]),
        ("env: [{name: M, value: m}]\nargs: [--model, '${M}']", ["${M}"]),
        ("env: [{name: M, value: m}]\nargs: [--model, $(N)]", ["$(N)"]),
        # a password, an escaped dollar, a shell, what the cluster sets, further variables, a file for envsubst
        ("env: [{name: DB_PASSWORD, value: a$Bc}]", []),
        ("env: [{name: X, value: 5$}]", []),
        ("env: [{name: X, value: $$HOME}]", []),
        ("env: [{name: X, value: $(Y_SERVICE_HOST)}]", []),
        ("env: [{name: M, value: m}]\ncommand: [sh, -c, 'vllm serve ${M} --port ${P}']", []),
        ("env: [{name: X, value: $(Y)}]\nenvFrom: [{secretRef: {name: s}}]", []),
        ("env: [{name: X, value: '${Y}'}]\nargs: [--model, '${MODEL}']", []),
        ("env: [{name: X, value: '${Y}'}]\nresources: {limits: {nvidia.com/gpu: '${N}'}}", []),
    ],
)
def test_variables_that_nothing_expands(container: str, named: list[str]) -> None:
    text = pod(container)
    source = Source(text, "pod.yaml")
    notices = one(text).notices
    assert {notice.name for notice in notices} <= {"literal-variable"}
    assert [source.slice(notice.span) for notice in notices if notice.span] == named


def test_a_reference_in_the_syntax_of_a_shell_can_be_mended() -> None:
    text = pod("env: [{name: A, value: a}, {name: B, value: '${A}/b'}]")
    (notice,) = one(text).notices
    assert notice.fix
    assert notice.fix.safe
    assert [edit.text for edit in notice.fix.edits] == ["$(A)"]


MAP = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  MODEL: Qwen/Qwen3-8B
  start.sh: |
    #!/bin/sh
    exec vllm serve $MODEL --port 9000
"""


@pytest.mark.parametrize(
    ("container", "variables"),
    [
        (
            "args: [--model, $(M), --port, '9000']\n"
            "env: [{name: M, valueFrom: {configMapKeyRef: {name: settings, key: MODEL}}}]",
            ["M"],
        ),
        (
            "args: [--model, $(MODEL), --port, '9000']\nenvFrom: [{configMapRef: {name: settings}}]",
            ["MODEL", "start.sh"],
        ),
        ("args: [--model, $(A_MODEL), --port, '9000']\nenvFrom: [{prefix: A_, configMapRef: {name: settings}}]", None),
        ("command: [sh, /scripts/start.sh]\nenv: [{name: MODEL, value: Qwen/Qwen3-8B}]", ["MODEL"]),
    ],
)
def test_a_config_map_of_the_file(container: str, variables: list[str] | None) -> None:
    text = pod(container, other=MAP)
    server = one(text)
    assert texts(server)[-3:] == ["Qwen/Qwen3-8B", "--port", "9000"]
    assert variables is None or [item.name for item in server.variables] == variables
    assert not any(item.secret for item in server.variables)


def test_a_config_map_that_is_elsewhere_hides_values() -> None:
    server = one(pod("env: [{name: M, valueFrom: {configMapKeyRef: {name: a, key: b}}}]\nargs: [--model, $(M)]"))
    assert texts(server) == ["--model", "$(M)"]
    assert server.words[1].open


TEMPLATE = """\
{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-vllm
spec:
  selector: {matchLabels: {app: vllm}}
  template:
    spec:
      containers:
        - name: vllm
          image: "{{ .Values.image }}:{{ .Values.tag }}"
          args:
            - --model={{ .Values.model }}
            {{- if .Values.eager }}
            - --enforce-eager
            {{- else }}
            - --no-enforce-eager
            {{- end }}
            {{- toYaml .Values.extra | nindent 12 }}
          resources:
            limits:
              nvidia.com/gpu: {{ .Values.gpus }}
{{- end }}
"""


def test_a_template_of_helm() -> None:
    server = one(TEMPLATE)
    assert [word.open for word in server.words] == [False, False, True]
    assert [word.text for word in server.words][1] == "--enforce-eager"  # one of two that exclude each other
    around = server.surroundings
    assert (value(around.image), value(around.gpus), around.complete) == (UNKNOWN, UNKNOWN, False)


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Pod\n{{ vllm }}: {{ x }}: [",
        "apiVersion: v1\nkind: Pod\nspec:\n{{- range .x }}\n  - a\n{{- end }}\n  b: vllm\n",
    ],
)
def test_a_template_that_is_no_yaml_has_no_servers(text: str) -> None:
    assert read(text).servers == ()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        # a patch of Kustomize: no selector, or no image
        ("kind: Deployment\nspec: {template: {spec: {containers: [{name: vllm, args: [--model, m]}]}}}", 1),
        ("kind: Deployment\nspec: {template: {spec: {containers: [{name: vllm, resources: {}}]}}}", 0),
    ],
)
def test_a_patch_is_not_complete(text: str, count: int) -> None:
    servers = read(f"apiVersion: apps/v1\n{text}\n").servers
    assert [server.surroundings.complete for server in servers] == [False] * count


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: vllm/vllm-openai, command: [sleep, '1']}]}",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: lmsysorg/sglang, args: [--model-path, vllm]}]}",
        "apiVersion: v1\nkind: Pod\nspec: {initContainers: [{image: vllm/vllm-openai}], containers: []}",
        "apiVersion: v1\nkind: ConfigMap\ndata: {a: vllm serve m}",
        "apiVersion: v1\nkind: Pod\nspec: [vllm]",
        "apiVersion: v1\nkind: [vllm]\nspec: {containers: vllm}",
        "apiVersion: v1\nkind: Deployment\nspec: {template: vllm}",
        "apiVersion: v1\nkind: LeaderWorkerSet\nspec: {leaderWorkerTemplate: vllm}",
        "apiVersion: v1\nkind: List\nitems: [1, {a: vllm}, []]",
    ],
)
def test_no_server(text: str) -> None:
    assert read(text).servers == ()


@pytest.mark.parametrize(
    "container",
    [
        "env: [1, {}, {name: [a]}, {name: a}, {value: b}, X=y]\nenvFrom: {a: b}",
        "env: {A: b}\nargs: [--model, m]",
        "ports: [1, {containerPort: x}, {containerPort: 99999999}]",
        "resources: {limits: [a], requests: {cpu: x, memory: y}}",
        "resources: {limits: {memory: " + "9" * 999 + "Gi, cpu: 1e999}}",
        "livenessProbe: x\nreadinessProbe: {httpGet: x, periodSeconds: []}",
        "volumeMounts: [{name: a}, {mountPath: b}, 1]",
        "securityContext: {capabilities: {add: x}, privileged: maybe}",
        'command: [sh, -c, "vllm serve m --x \'"]',
    ],
)
def test_odd_containers_do_not_crash(container: str) -> None:
    assert len(read(pod(container, "volumes: [1, {name: a}]\nnodeSelector: x\naffinity: []")).servers) == 1


def test_many_manifests_take_no_long_time() -> None:
    """Pods, Services, containers and variables are not held against each other without end."""
    container = "{name: c, image: vllm/vllm-openai, args: [--model, m]}"
    pods = (
        f"---\napiVersion: v1\nkind: Pod\nmetadata: {{labels: {{a: b}}}}\nspec: {{containers: [{container}]}}\n" * 100
    )
    services = "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {a: b}}\n" * 1000
    assert len(read(pods + services).servers) == 100
    variables = ", ".join(f"{{name: A{n}, value: $(A)}}" for n in range(1000))
    (server,) = read(pod(f"env: [{variables}]")).servers
    assert len(server.variables) == 1000


def test_aliases_within_aliases() -> None:
    chain = "".join(f"  a{n}: &a{n}\n    - *a{n - 1}\n" for n in range(1, 490))
    text = f"x:\n  a0: &a0\n    - 1\n{chain}" + pod("env:\n- name: A\n  value: *a489\n- name: B")
    with pytest.raises(ReadError, match="nested"):
        read_document(text, "pod.yaml", "kubernetes")


def test_a_key_that_stands_twice() -> None:
    (notice,) = read(pod("env: []\nenv: []")).notices
    assert notice.name == "duplicate-yaml-key"
    assert read(TEMPLATE + "\n---\na: 1\na: 2\n").notices == ()


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(ReadError, match="not valid YAML"):
        read("apiVersion: v1\nkind: Pod\nspec: [vllm\n")


@given(st.integers(0, len(STACK)), st.integers(0, 60), st.sampled_from(["", "\t", "{", "- ", ": ", "\x01", "{{ a }}"]))
def test_damaged_files_are_read_or_refused(start: int, length: int, instead: str) -> None:
    text = STACK[:start] + instead + STACK[start + length :]
    source = Source(text, "pod.yaml")
    try:
        document = kubernetes.read_document(source)
    except ReadError:
        return
    for server in document.servers:
        for word in server.words:
            if word.plain:
                assert word.span
                assert source.slice(word.span) == word.text or word.added
                assert word.text in source.slice(word.span)


def test_images_that_the_catalogue_knows_start_the_server() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: d}\nspec:\n  containers:\n"
        "    - {name: a, image: 'ghcr.io/llm-d/llm-d-cuda:v0.6.0', args: [--model, org/m]}\n"
        "    - {name: b, image: 'ghcr.io/llm-d/llm-d-routing-sidecar:v0.6.0', args: [--port, '1']}\n"
    )
    found = read_document(text, "pod.yaml")
    assert found is not None
    assert [[word.text for word in server.words] for server in found.servers] == [["--model", "org/m"]]
