"""Where a server runs: what the file says about its container, pod or unit. Every fact has its place.

A fact that the file does not state is None. A fact that is there but hidden by a variable or template has the value
``UNKNOWN``: rules keep silent about it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.span import Span

Known = TypeVar("Known")


class Unknown(Enum):
    """The one value that is not known."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Fact(Generic[Known]):
    """A value that a file states, and where."""

    value: Known | Unknown
    span: Span


@dataclass(frozen=True, slots=True)
class Mount:
    """Something mounted into the container. ``kind``: bind, volume, claim, host-path, empty-dir, memory, other."""

    path: str  # in the container; may hold a hole
    span: Span
    kind: str = "other"
    size_limit: str | None = None  # of an empty-dir


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the file names. ``role``: container, published (reachable from outside), probe, service, health."""

    number: int
    span: Span
    role: str
    address: str | None = None  # the host address it is published on; None: all


@dataclass(frozen=True, slots=True)
class Probe:
    """A Kubernetes probe or a Compose health check; seconds. ``kind``: startup, liveness, readiness, healthcheck."""

    kind: str
    span: Span
    path: str | None = None
    delay: float = 0.0
    period: float = 10.0
    failures: float = 3.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a server's command.

    ``platform``: host (a shell, a unit file without container), docker (``docker run``), compose, quadlet, kubernetes,
    dockerfile, skypilot, dstack, ray, helm. ``replaces_entrypoint``: the command is started instead of the image's
    ENTRYPOINT (Kubernetes ``command:``, Compose ``entrypoint:``), so it must name a program.
    """

    platform: str = "host"
    image: Fact[str] | None = None
    image_written: str = ""  # with its holes: a variable for the tag leaves the repository known
    gpus: Fact[int] | None = None  # GPUs given to one node's container
    gpu_ids: Fact[tuple[str, ...]] | None = None
    gpu_name: Fact[str] | None = None  # node selector, accelerator: what the platform calls it
    instance: Fact[str] | None = None  # a cloud machine type
    all_gpus: bool = False  # --gpus all, count: all
    nodes: Fact[int] | None = None
    shared_memory: Fact[str] | None = None  # "host" (ipc: host) or a size as written ("8gb")
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    probes: tuple[Probe, ...] = ()
    restart: Fact[str] | None = None
    strategy: Fact[str] | None = None  # RollingUpdate, Recreate
    replicas: Fact[int] | None = None
    exposure: Fact[str] | None = None  # LoadBalancer, NodePort, Ingress, hostNetwork, published
    host_network: Fact[bool] | None = None
    privileged: Fact[bool] | None = None
    capabilities: tuple[Fact[str], ...] = ()
    service_links: Fact[bool] | None = None
    service_names: tuple[Fact[str], ...] = ()  # Services of the same namespace in the file
    memory_limit: Fact[int] | None = None  # bytes
    cpu_request: Fact[float] | None = None  # cores
    grace_period: Fact[int] | None = None  # seconds
    replaces_entrypoint: bool = False
    built: bool = False  # the image is built beside the file (Compose's ``build:``): its name says nothing
    complete: bool = True  # False where a template or an overlay may add facts: rules about what is missing keep silent
