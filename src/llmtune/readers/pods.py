"""A pod in Kubernetes and one container of it as the surroundings of a server.

Every manifest that holds a pod ends here, whatever its kind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.pod_neighbours import Neighbours, port_number, reach
from llmtune.readers.pod_text import hidden
from llmtune.readers.yaml_facts import cores_fact, count_fact, flag_fact, is_hidden, memory_fact, text_fact
from llmtune.readers.yaml_tree import Yaml
from llmtune.spec.record import dataclass
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Port, Probe, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GPU_COUNTS = ("nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi", "google.com/tpu", "nvidia.com/gpu.shared")
GPU_PARTS = re.compile(r"nvidia\.com/mig-|nvidia\.com/gpu\.shared|gpu-?(mem|core|percent)|vgpu|vcuda", re.IGNORECASE)
OTHER_DEVICES = re.compile(r"gpu|npu|neuron|ascend|xpu|gaudi|tpu|mlu|dcu", re.IGNORECASE)
GPU_LABELS = frozenset(
    {
        *("cloud.google.com/gke-accelerator", "cloud.google.com/gke-tpu-accelerator", "nvidia.com/gpu.product"),
        *("gpu.nvidia.com/model", "gpu.nvidia.com/class", "k8s.amazonaws.com/accelerator", "accelerator"),
        *(
            "karpenter.k8s.aws/instance-gpu-name",
            "amd.com/gpu.product-name",
            "gpu.product",
            "beta.amd.com/gpu.product-name",
        ),
    }
)
INSTANCE_LABELS = frozenset({"node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"})
NODES = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
MOUNT_KINDS = {
    "persistentVolumeClaim": "claim",
    "ephemeral": "claim",
    "hostPath": "host-path",
    **dict.fromkeys(
        ("nfs", "csi", "image", "azureFile", "azureDisk", "awsElasticBlockStore", "gcePersistentDisk"), "volume"
    ),
    **dict.fromkeys(("cephfs", "rbd", "iscsi", "glusterfs", "fc", "local", "portworxVolume"), "volume"),
}
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - it is looked for
OWN_ADDRESS = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{1,5})(?!\d)(/[^\s'\"?)]*)?")
PROBES = {"startupProbe": "startup", "livenessProbe": "liveness", "readinessProbe": "readiness"}
MOST_CONTAINERS = 50  # that are looked at: each is held against the others
FAR = float("inf")  # a time that is not known: nothing is said about it


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, and what its manifest says around it. ``spec`` is the pod's own."""

    kind: str
    name: str
    manifest: Yaml
    spec: Yaml
    labels: Mapping[str, str]
    neighbours: Neighbours
    platform: str = "kubernetes"
    namespace: str = ""
    nodes: Fact[int] | None = None
    replicas: Fact[int] | None = None
    strategy: Fact[str] | None = None
    complete: bool = True

    @property
    def containers(self) -> list[Yaml]:
        """Its containers, and those of its init containers that keep running."""
        running = [item for item in self.spec["initContainers"].items if item["restartPolicy"].text == "Always"]
        return [*self.spec["containers"].items, *running][:MOST_CONTAINERS]


def surroundings_of(pod: Pod, container: Yaml) -> Surroundings:
    """Where a server in a container of a pod runs."""
    others = [item for item in pod.containers if item is not container]
    reached = reach(pod.neighbours, pod.labels, pod.namespace, container, others)
    gpu_name, instance = _nodes(pod.spec)
    gpus, part = _gpus(container)
    mounts = tuple(_mounts(pod, container))
    limits, requests = container.at("resources.limits"), container.at("resources.requests")
    security = container["securityContext"]
    host_network = flag_fact(pod.spec["hostNetwork"])
    on_host = Fact[str]("hostNetwork", host_network.span) if host_network and host_network.value is True else None
    return Surroundings(
        platform=pod.platform,
        image=text_fact(container["image"]),
        gpus=gpus or _given_by_runtime(pod.spec),
        gpu_name=part or gpu_name,
        instance=instance,
        nodes=pod.nodes,
        shared_memory=_shared_memory(pod, mounts),
        mounts=mounts,
        ports=(*_ports(container), *reached.ports),
        probes=tuple(_probes(container)),
        restart=text_fact(pod.spec["restartPolicy"]),
        strategy=pod.strategy,
        replicas=pod.replicas,
        exposure=reached.exposure or on_host or _host_port(container),
        host_network=host_network,
        privileged=flag_fact(security["privileged"]),
        capabilities=tuple(fact for item in security.at("capabilities.add").items if (fact := text_fact(item))),
        service_links=flag_fact(pod.spec["enableServiceLinks"]),
        service_names=tuple(reached.names),
        memory_limit=memory_fact(limits["memory"]),
        cpu_request=cores_fact(requests["cpu"]) or cores_fact(limits["cpu"]),
        grace_period=count_fact(pod.spec["terminationGracePeriodSeconds"]),
        replaces_entrypoint=bool(container["command"].items),
        complete=pod.complete,
    )


def _gpus(container: Yaml) -> tuple[Fact[int] | None, Fact[str] | None]:
    """How many GPUs the container is given, and what they are called where they are parts of GPUs."""
    resources = container["resources"]
    amounts = {**resources["requests"].entries, **resources["limits"].entries}
    whole = [count_fact(amounts[name]) for name in GPU_COUNTS if name in amounts]
    parts = [(name, node) for name, node in amounts.items() if GPU_PARTS.search(name)]
    if parts:
        name, node = parts[0]
        return whole[0] if whole else count_fact(node) or Fact[int](UNKNOWN, node.span), Fact[str](name, node.key_span)
    if whole:
        return whole[0], None
    other = next((node for name, node in amounts.items() if "/" in name and OTHER_DEVICES.search(name)), None)
    claims = resources["claims"]
    if other is not None or claims or _is_hole(resources) or any(is_hidden(name) for name in amounts):
        return Fact[int](UNKNOWN, (other or claims or resources).span), None
    return None, None


def _given_by_runtime(spec: Yaml) -> Fact[int] | None:
    """The runtime class of NVIDIA gives every GPU to a container that asks for none."""
    runtime = spec["runtimeClassName"]
    return Fact[int](UNKNOWN, runtime.span) if "nvidia" in runtime.text or is_hidden(runtime.text) else None


def _is_hole(node: Yaml) -> bool:
    return node.is_text and is_hidden(node.text)


def _nodes(spec: Yaml) -> tuple[Fact[str] | None, Fact[str] | None]:
    """What the labels of the nodes say: the GPU's name and the machine type."""
    gpu = instance = None
    for label, fact in _labels(spec):
        if label in GPU_LABELS and fact.value not in {"true", "gpu", "nvidia"}:
            gpu = gpu or fact
        elif label in INSTANCE_LABELS:
            instance = instance or fact
    return gpu, instance


def _labels(spec: Yaml) -> Iterator[tuple[str, Fact[str]]]:
    for label, value in spec["nodeSelector"].entries.items():
        fact = text_fact(value)
        if fact is not None:
            yield label, fact
    terms = spec.at(NODES).items
    for rule in (rule for term in terms for rule in term["matchExpressions"].items):
        values = rule["values"].items
        if rule["operator"].text == "In" and values:
            fact = text_fact(values[0]) if len(values) == len(terms) == 1 else Fact[str](UNKNOWN, rule["values"].span)
            if fact is not None:
                yield rule["key"].text, fact


def _mounts(pod: Pod, container: Yaml) -> Iterator[Mount]:
    volumes = {volume["name"].text: volume for volume in pod.spec["volumes"].items}
    claims = {item.at("metadata.name").text for item in pod.manifest.at("spec.volumeClaimTemplates").items}
    for item in container["volumeMounts"].items:
        path, name = item["mountPath"], item["name"].text
        volume = volumes.get(name, Yaml(pod.spec.source))
        kind, limit = "claim" if name in claims else _kind(volume), volume.at("emptyDir.sizeLimit").text or None
        if path.text:
            yield Mount(hidden(path.text), path.span, kind, limit)


def _kind(volume: Yaml) -> str:
    if "emptyDir" in volume.entries:
        return "memory" if volume.at("emptyDir.medium").text == "Memory" else "empty-dir"
    return next((kind for key, kind in MOUNT_KINDS.items() if key in volume.entries), "other")


def _shared_memory(pod: Pod, mounts: Sequence[Mount]) -> Fact[str] | None:
    """``memory`` is shared memory that only the pod's own limit ends."""
    own_ipc = flag_fact(pod.spec["hostIPC"])
    if own_ipc is not None and own_ipc.value is not False:
        return Fact[str]("host" if own_ipc.value is True else UNKNOWN, own_ipc.span)
    mount = next((mount for mount in mounts if mount.path.rstrip("/") == SHARED_MEMORY), None)
    if mount is None:
        return None
    limit = mount.size_limit
    text = "host" if mount.kind == "host-path" else limit or ("memory" if mount.kind == "memory" else UNKNOWN)
    return Fact[str](UNKNOWN if limit and is_hidden(limit) else text, mount.span)


def _ports(container: Yaml) -> Iterator[Port]:
    for item in container["ports"].items:
        number, on_host = port_number(item["containerPort"], container), port_number(item["hostPort"], container)
        if number:
            yield Port(number, item["containerPort"].span, "container")
        if on_host:
            yield Port(on_host, item["hostPort"].span, "published", item["hostIP"].text or None)
    for key in PROBES:
        for action in ("httpGet", "tcpSocket", "grpc"):
            port = container[key][action]["port"]
            number = port_number(port, container)
            if number:
                yield Port(number, port.span, "probe")
        for word in container[key].at("exec.command").items:
            for match in OWN_ADDRESS.finditer(word.text):
                yield Port(int(match[1]), word.excerpt.span(match.start(1), match.end(1)), "probe")


def _host_port(container: Yaml) -> Fact[str] | None:
    for item in container["ports"].items:
        if item["hostPort"].text and not item["hostIP"].text.startswith("127."):
            return Fact[str]("published", item["hostPort"].span)
    return None


def _probes(container: Yaml) -> Iterator[Probe]:
    for key, kind in PROBES.items():
        probe = container[key]
        if not probe or probe.is_null:
            continue
        told = OWN_ADDRESS.search(" ".join(word.text for word in probe.at("exec.command").items))
        path = probe.at("httpGet.path").text or (told[2] if told else None)
        numbers = (
            _number(probe["initialDelaySeconds"], 0.0),
            _number(probe["periodSeconds"], 10.0),
            _number(probe["failureThreshold"], 3.0),
        )
        yield Probe(kind, probe.key_span, path or None, *numbers)


def _number(node: Yaml, default: float) -> float:
    return default if not node.text else float(node.text) if re.fullmatch(r"\d{1,9}", node.text) else FAR
