"""Where the vLLM production stack runs a server: its chart's pod, as the values file sets it.

What the chart adds by itself (probes, shared memory beside tensor parallelism) stands at the entry that causes it, or
at the model's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.numbers import counted
from llmtune.readers.yaml_facts import (
    cores_fact,
    count_fact,
    flag_fact,
    is_hidden,
    is_true,
    memory_fact,
    text_fact,
)
from llmtune.readers.yaml_tree import Yaml
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Port, Probe, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")
GPU_LABELS = frozenset(
    {
        *("cloud.google.com/gke-accelerator", "nvidia.com/gpu.product", "gpu.nvidia.com/class"),
        *("k8s.amazonaws.com/accelerator", "karpenter.k8s.aws/instance-gpu-name", "amd.com/gpu.product-name"),
    }
)
INSTANCE_LABELS = frozenset({"node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"})
DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")
SHARED = "/data/shared-pvc-storage"
SHARED_MEMORY = "20Gi"  # the chart's default beside tensorParallelSize
# The chart's values.yaml, which the file's are laid over: delay, period, failures.
PROBES = {"startup": (15.0, 10.0, 60.0), "liveness": (15.0, 10.0, 3.0), "readiness": (15.0, 5.0, 3.0)}


def surroundings(spec: Yaml, engine: Yaml, shared: Yaml, *, complete: bool) -> Surroundings:
    """The pod of one model. ``shared`` is the chart's ``sharedPvcStorage``."""
    labels = dict(_labels(spec))
    gpu_name = next((fact for label, fact in labels.items() if label in GPU_LABELS), None)
    security = engine["containerSecurityContext"]
    port = engine["containerPort"]
    nodes = _nodes(spec)
    return Surroundings(
        platform="helm",
        image=_image(spec),
        gpus=_gpus(spec),
        gpu_name=Fact[str](UNKNOWN, spec.span) if _shares_gpu(spec) else gpu_name,
        all_gpus=bool(spec.at("lmcacheConfig.cudaVisibleDevices").text),  # chosen among those that the node shows
        instance=next((fact for label, fact in labels.items() if label in INSTANCE_LABELS), None),
        nodes=nodes,
        shared_memory=_shared_memory(spec),
        mounts=tuple(_mounts(spec, shared)),
        ports=() if (number := counted(port.text)) is None else (Port(number, port.span, "container"),),
        probes=tuple(_probes(engine, spec)),
        strategy=text_fact(engine.at("strategy.type")),
        replicas=None if nodes else count_fact(spec["replicaCount"]),
        privileged=flag_fact(security["privileged"]),
        capabilities=tuple(fact for item in security.at("capabilities.add").items if (fact := text_fact(item))),
        memory_limit=memory_fact(spec.at("resources.limits.memory") or spec["limitMemory"]),
        cpu_request=cores_fact(spec.at("resources.requests.cpu") or spec["requestCPU"]),
        replaces_entrypoint=True,
        complete=complete and not _reads_secrets(spec),
    )


def cache_home(spec: Yaml, shared: Yaml) -> tuple[str, Yaml]:
    """Where the chart puts the cache of models (``HF_HOME``), and the entry that decides it."""
    if is_true(shared["enabled"]):
        return SHARED, shared["enabled"]
    if spec["pvcStorage"]:
        return "/data", spec["pvcStorage"]
    return "/tmp", spec["modelURL"]  # noqa: S108 - it is the chart's


def _image(spec: Yaml) -> Fact[str] | None:
    repository, tag = spec["repository"], spec["tag"]
    if not repository.text or not tag.text:
        return None
    text = f"{repository.text}:{tag.text}"
    return Fact[str](UNKNOWN if is_hidden(text) else text, tag.span)


def _gpus(spec: Yaml) -> Fact[int] | None:
    """GPUs of one pod; ``resources`` outranks ``requestGPU``."""
    if spec["resources"].entries:
        limits = spec.at("resources.limits")
        return next((count_fact(limits[name]) for name in GPU_RESOURCES if limits[name].text), None)
    return count_fact(spec["requestGPU"])


def _shares_gpu(spec: Yaml) -> bool:
    """Whether the pod gets a part of a GPU: a MIG slice, or what HAMi gives it."""
    parts = ("requestGPUMem", "requestGPUMemPercentage", "limitGPUMem", "limitGPUMemPercentage")
    return "mig" in spec["requestGPUType"].text.lower() or any(spec[part].text for part in parts)


def _nodes(spec: Yaml) -> Fact[int] | None:
    """With Ray a head and ``replicaCount`` workers are one server."""
    workers = count_fact(spec["replicaCount"])
    if not is_true(spec.at("raySpec.enabled")) or workers is None:
        return None
    return workers if workers.value is UNKNOWN else Fact[int](workers.value + 1, workers.span)


def _labels(spec: Yaml) -> Iterator[tuple[str, Fact[str]]]:
    """The labels that the node must have, where there is one choice."""
    required = spec.at("affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms")
    for term in [*spec["nodeSelectorTerms"].items, *required.items]:
        for rule in term["matchExpressions"].items:
            values = rule["values"].items
            fact = text_fact(values[0]) if len(values) == 1 and rule["operator"].text == "In" else None
            if fact is not None:
                yield rule["key"].text, fact
    for label, value in spec["nodeSelector"].entries.items():
        fact = text_fact(value)
        if fact is not None:
            yield label, fact


def _shared_memory(spec: Yaml) -> Fact[str] | None:
    size, cause, split = spec["shmSize"], spec.at("vllmConfig.tensorParallelSize"), spec.at("lmcacheConfig.enablePD")
    if is_true(split):  # the pod gets hostIPC
        return Fact[str]("host", split.span)
    if cause:
        return text_fact(size) or Fact[str](SHARED_MEMORY, cause.span)
    for mount in spec["extraVolumeMounts"].items:
        if mount["mountPath"].text == "/dev/shm":  # noqa: S108 - it is looked for, not written
            return Fact[str](_volume(spec, mount["name"].text).at("emptyDir.sizeLimit").text or "memory", mount.span)
    return None


def _mounts(spec: Yaml, shared: Yaml) -> Iterator[Mount]:
    storage = spec["pvcStorage"]
    if is_true(shared["enabled"]):
        yield Mount(SHARED, shared["enabled"].span, "claim")
    if storage:
        empty = storage.is_mapping and bool(storage["emptyDir"])
        yield Mount("/data", storage.span, "empty-dir" if empty else "claim")
    for mount in spec["extraVolumeMounts"].items:
        volume = _volume(spec, mount["name"].text)
        path, limit = mount["mountPath"], volume.at("emptyDir.sizeLimit").text or None
        if path.text:
            yield Mount(path.text, path.span, _kind(volume), limit)


def _volume(spec: Yaml, name: str) -> Yaml:
    named = (volume for volume in spec["extraVolumes"].items if volume["name"].text == name)
    return next(named, Yaml(spec.source))


def _kind(volume: Yaml) -> str:
    if volume["emptyDir"]:
        return "memory" if volume.at("emptyDir.medium").text == "Memory" else "empty-dir"
    kinds = {"persistentVolumeClaim": "claim", "hostPath": "host-path"}
    return next((kind for key, kind in kinds.items() if volume[key]), "other")


def _probes(engine: Yaml, spec: Yaml) -> Iterator[Probe]:
    for kind, defaults in PROBES.items():
        probe = engine[f"{kind}Probe"]
        if probe.is_null:
            continue
        names = ("initialDelaySeconds", "periodSeconds", "failureThreshold")
        numbers = [_number(probe[name], default) for name, default in zip(names, defaults, strict=True)]
        where = probe.span if probe else (spec["name"] or spec).span
        yield Probe(kind, where, probe.at("httpGet.path").text or "/health", *numbers)


def _number(node: Yaml, default: float) -> float:
    return float(node.text) if DECIMAL.fullmatch(node.text) else default


def _reads_secrets(spec: Yaml) -> bool:
    """Whether the environment comes from elsewhere, too."""
    return bool(spec.at("envFromSecret.name").text)
