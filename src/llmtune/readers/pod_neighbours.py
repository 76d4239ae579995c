"""What stands beside a pod in a file: Services and Ingresses that reach it, and the ConfigMaps that it may read."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.readers.yaml_facts import is_hidden
from llmtune.spec.record import dataclass
from llmtune.spec.surroundings import UNKNOWN, Fact, Port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from llmtune.readers.yaml_tree import Yaml

# Load balancers that have no address on the internet.
INTERNAL = re.compile(r"load-?balancer-(internal|scheme|type)|internal-load-balancer|azure-load-balancer-internal")
INTERNAL_VALUE = re.compile(r"true|internal|0\.0\.0\.0/0", re.IGNORECASE)
GUARD = re.compile(r"auth-(url|type|signin|secret|tls)|/auth|whitelist-source-range|allowlist-source-range|middlewares")
OUTSIDE = ("LoadBalancer", "NodePort", "Ingress")
INGRESSES = frozenset({"Ingress", "HTTPRoute", "IngressRoute", "Route"})
LARGEST_PORT = 65535
MOST = 100  # Services that are looked at: every pod is held against each


@dataclass(frozen=True, slots=True)
class Service:
    """A Service. ``name`` is None where its pods are given no variables of it; ``exposure`` says how it is reached."""

    namespace: str
    name: Fact[str] | None
    selector: Mapping[str, str]
    ports: tuple[Yaml, ...]
    exposure: Fact[str] | None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The Services of a file, the data of its ConfigMaps by name, and whether it is a template."""

    services: tuple[Service, ...] = ()
    maps: Mapping[str, Yaml] = field(default_factory=dict)
    templated: bool = False


@dataclass(slots=True)
class Reach:
    """How a pod is reached: names of Services beside it, ports that they ask, and from where."""

    names: list[Fact[str]] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    exposure: Fact[str] | None = None


def neighbours_of(manifests: Sequence[Yaml]) -> Neighbours:
    """The neighbours among a file's manifests."""
    services = [root for root in manifests if root["kind"].text == "Service" and root["apiVersion"].text == "v1"]
    ingresses = [root for root in manifests if root["kind"].text in INGRESSES]
    maps = {root.at("metadata.name").text: root["data"] for root in manifests if root["kind"].text == "ConfigMap"}
    led_to = {name: ingress for ingress in ingresses for name in _backends(ingress)}
    templated = bool(manifests) and "{{" in manifests[0].source.text
    return Neighbours(tuple(_service(root, led_to) for root in services[:MOST]), maps, templated)


def _service(root: Yaml, led_to: Mapping[str, Yaml]) -> Service:
    name, spec = root.at("metadata.name"), root["spec"]
    linked = bool(name.text) and spec["clusterIP"].text != "None" and spec["type"].text != "ExternalName"
    return Service(
        namespace=root.at("metadata.namespace").text,
        name=Fact[str](UNKNOWN if is_hidden(name.text) else name.text, name.span) if linked else None,
        selector={key: value.text for key, value in spec["selector"].entries.items()},
        ports=tuple(spec["ports"].items),
        exposure=_exposure(root, led_to.get(name.text)),
    )


def reach(
    neighbours: Neighbours, labels: Mapping[str, str], namespace: str, container: Yaml, others: Sequence[Yaml]
) -> Reach:
    """How the pod with these labels is reached in its ``container``; ``others`` are the pod's further containers."""
    found = Reach()
    for service in neighbours.services:
        if not _same_namespace(service.namespace, namespace):
            continue
        if service.name is not None:
            found.names.append(service.name)
        if not service.selector or not service.selector.items() <= labels.items():
            continue
        asked = [_target(port, container, others) for port in service.ports]
        mine = [port for port in asked if port is not None]
        if mine or not asked:
            found.ports += [port for port in mine if port.number]
            found.exposure = _outranking(found.exposure, service.exposure)
    return found


def port_number(port: Yaml, container: Yaml) -> int:
    """A port's number, by its name where it has one; 0 where it is not known."""
    text = port.text
    for item in container["ports"].items:
        if text and item["name"].text == text:
            text = item["containerPort"].text
    return int(text) if re.fullmatch(r"\d{1,5}", text) and int(text) <= LARGEST_PORT else 0


def _same_namespace(first: str, second: str) -> bool:
    return not first or not second or first == second or is_hidden(first) or is_hidden(second)


def _target(port: Yaml, container: Yaml, others: Sequence[Yaml]) -> Port | None:
    """The port of the container that a Service's port leads to; None where it leads to another container."""
    target = port["targetPort"] or port["port"]
    number = port_number(target, container)
    own = {item["containerPort"].text for item in container["ports"].items}
    elsewhere = [item for other in others for item in other["ports"].items]
    if number and str(number) in own:
        return Port(number, target.span, "service")
    if any(target.text in {item["name"].text, item["containerPort"].text} for item in elsewhere if target.text):
        return None
    return Port(number, target.span, "service")


def _exposure(service: Yaml, ingress: Yaml | None) -> Fact[str] | None:
    kind = service.at("spec.type")
    if kind.text == "LoadBalancer" and not _is_internal(service):
        return Fact[str]("LoadBalancer", kind.span)
    if kind.text == "NodePort":
        return Fact[str]("NodePort", kind.span)
    if is_hidden(kind.text):
        return Fact[str](UNKNOWN, kind.span)
    if ingress is not None and not any(GUARD.search(key) for key, _ in _annotations(ingress)):
        return Fact[str]("Ingress", ingress["kind"].span)
    return None


def _is_internal(service: Yaml) -> bool:
    if service.at("spec.loadBalancerSourceRanges").items:
        return not any(item.text == "0.0.0.0/0" for item in service.at("spec.loadBalancerSourceRanges").items)
    return any(INTERNAL.search(key) and INTERNAL_VALUE.search(value) for key, value in _annotations(service))


def _annotations(root: Yaml) -> Iterator[tuple[str, str]]:
    for key, value in root.at("metadata.annotations").entries.items():
        yield key, value.text


def _backends(ingress: Yaml) -> set[str]:
    """Names of the Services that an Ingress leads to, wherever its kind writes them."""
    found = set()
    for node in ingress["spec"].walk():
        service = node["service"]
        found |= {service["name"].text, service.text, node["serviceName"].text}
        for item in [*node["backendRefs"].items, *node["services"].items, node["to"]]:
            found.add(item["name"].text)
    return found - {""}


def _outranking(first: Fact[str] | None, second: Fact[str] | None) -> Fact[str] | None:
    """The way in that is wider."""
    if first is None or second is None:
        return first or second
    ranks = [OUTSIDE.index(fact.value) if fact.value in OUTSIDE else len(OUTSIDE) for fact in (first, second)]
    return first if ranks[0] <= ranks[1] else second
