"""Kubernetes manifests: servers in the pods of Deployments, StatefulSets, Jobs, LeaderWorkerSets and their kin.

A kind that is not known is searched for pods all the same, but may add to them, so nothing is said about what they
lack; the same holds for templates of Helm and for patches of Kustomize, which are parts of manifests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.pod_containers import servers_in
from llmtune.readers.pod_neighbours import Neighbours, neighbours_of
from llmtune.readers.pods import Pod
from llmtune.readers.yaml_facts import count_fact, is_hidden, roots, text_fact
from llmtune.readers.yaml_files import duplicates, is_relevant, starts_as_yaml
from llmtune.spec.server import Document
from llmtune.spec.surroundings import UNKNOWN, Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from llmtune.readers.source import Source
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.server import Server

KIND = "kubernetes"
ORDER = 40
VERSION = re.compile(r"(?:^|[{,])[\s-]*['\"]?apiVersion['\"]?\s*:", re.MULTILINE)
KIND_OF = re.compile(r"(?:^|[{,])[\s-]*['\"]?kind['\"]?\s*:", re.MULTILINE)
SELECTING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
TEMPLATES = {
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "ReplicationController"), "spec.template"
    ),
    "Pod": "",
    "PodTemplate": "template",
    "CronJob": "spec.jobTemplate.spec.template",
    "DeploymentConfig": "spec.template",
    "Rollout": "spec.template",
}
WITHOUT_PODS = frozenset({"ConfigMap", "Secret", "CustomResourceDefinition"})
LWS = "leaderworkerset.sigs.k8s.io"


def recognises(source: Source) -> bool:
    """Whether the text is made of manifests."""
    return bool(VERSION.search(source.text) and KIND_OF.search(source.text)) and starts_as_yaml(source)


def read_document(source: Source) -> Document:
    """Every server in the pods of a file.

    Raises:
        ReadError: for what is no YAML.

    """
    if not is_relevant(source):
        return Document(source.name, KIND)
    found = roots(source)
    servers = servers_of_manifests(manifests_of(found))
    return Document(source.name, KIND, tuple(servers), tuple(duplicates(found)) if servers else ())


def manifests_of(found: Iterable[Yaml]) -> list[Yaml]:
    """The manifests of documents, each item of a List on its own."""
    manifests: list[Yaml] = []
    for root in found:
        items = root["items"].items or root.items
        manifests += items if items and (root.is_list or root["kind"].text.endswith("List")) else [root]
    return [root for root in manifests if root.is_mapping]


def servers_of_manifests(manifests: Sequence[Yaml]) -> list[Server]:
    """The servers of every pod of the manifests."""
    neighbours = neighbours_of(manifests)
    return [server for root in manifests for pod in pods_of(root, neighbours) for server in servers_in(pod)]


def pods_of(root: Yaml, neighbours: Neighbours) -> Iterator[Pod]:
    """The pods of a manifest."""
    kind, version = root["kind"].text, root["apiVersion"].text
    if kind == "LeaderWorkerSet":
        yield from _leader_and_workers(root, neighbours)
    elif kind in TEMPLATES:
        template = root.at(TEMPLATES[kind]) if TEMPLATES[kind] else root
        partial = kind in SELECTING and version.startswith("apps/") and not root.at("spec.selector")
        yield pod_of(root, template, neighbours, complete=not partial)
    elif kind not in WITHOUT_PODS and (kind, version) != ("Service", "v1"):
        for template in _templates(root):
            yield pod_of(root, template, neighbours, complete=False)


def pod_of(
    root: Yaml,
    template: Yaml,
    neighbours: Neighbours,
    *,
    complete: bool,
    nodes: Fact[int] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Pod:
    """The pod of a template: a mapping with ``metadata`` and ``spec``."""
    name = root.at("metadata.name") or root.at("metadata.generateName")
    own = {key: value.text for key, value in template.at("metadata.labels").entries.items()}
    return Pod(
        kind=root["kind"].text,
        name=name.text,
        manifest=root,
        spec=template["spec"],
        labels={**own, **(labels or {})},
        neighbours=neighbours,
        namespace=root.at("metadata.namespace").text,
        nodes=nodes,
        replicas=count_fact(root.at("spec.replicas")),
        strategy=_strategy(root),
        complete=complete and not neighbours.templated and not is_hidden(template["spec"].text),
    )


def _strategy(root: Yaml) -> Fact[str] | None:
    """How pods are replaced. A Deployment rolls unless it says otherwise; without a surge it never needs two."""
    stated = text_fact(root.at("spec.strategy.type")) or text_fact(root.at("spec.updateStrategy.type"))
    surge = root.at("spec.strategy.rollingUpdate.maxSurge")
    if root["kind"].text != "Deployment" or (stated is not None and stated.value != "RollingUpdate"):
        return stated
    where = stated.span if stated is not None else root["kind"].span
    if surge.text in {"0", "0%"}:
        return Fact[str]("RollingUpdate without surge", surge.span)
    return Fact[str](UNKNOWN if is_hidden(surge.text) else "RollingUpdate", where)


def _leader_and_workers(root: Yaml, neighbours: Neighbours) -> Iterator[Pod]:
    """The pods of a group; without a template of its own the leader is like a worker."""
    group = root.at("spec.leaderWorkerTemplate")
    nodes, name = count_fact(group["size"]), root.at("metadata.name").text
    labels = {f"{LWS}/name": name, f"{LWS}/worker-index": "0"}
    leader, worker = group["leaderTemplate"], group["workerTemplate"]
    yield pod_of(root, leader or worker, neighbours, complete=True, nodes=nodes, labels=labels)
    if leader and any(container["command"] or container["args"] for container in worker.at("spec.containers").items):
        yield pod_of(root, worker, neighbours, complete=True, nodes=nodes, labels={f"{LWS}/name": name})


def _templates(root: Yaml) -> Iterator[Yaml]:
    """Every mapping below a manifest that looks like the template of a pod."""
    for node in root.walk():
        if node["spec"]["containers"].is_list and node is not root:
            yield node
