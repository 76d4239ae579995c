"""What a Compose file says about a service's container: GPUs, memory, mounts, ports, health checks.

Keys as in the Compose specification and compose-go (types/types.go, format/volume.go, types/device.go); sizes are
Docker's, where ``8g`` is 8 GiB.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.compose_ports import ports_of
from llmtune.readers.compose_text import fields, filled, interpolate
from llmtune.spec.record import dataclass
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Probe, Surroundings
from llmtune.spec.word import HOLE, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.server import Variable
    from llmtune.spec.surroundings import Port

SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
WHOLE = re.compile(r"\d{1,18}")
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(us|ms|s|m|h)")
CORES = re.compile(r"\d{1,9}\.?\d{0,9}|\.\d{1,9}")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
GPU_DRIVERS = frozenset({"", "nvidia", "cdi", "amd", "amd.com"})
GPU_DEVICE = re.compile(r"/dev/(kfd|dri|nvidia|davinci|accel|vfio|dxg|hl)")
CDI = re.compile(r"(?:nvidia|amd)\.com/gpu=(\w+)")
HEALTH_PATH = re.compile(r"https?://[^\s'\"/]+(/[^\s'\"?)]*)")
NO_GPUS = frozenset({"none", "void", ""})
HEALTH_PERIOD, HEALTH_RETRIES = 30.0, 3.0  # of Docker


@dataclass(slots=True)
class Gpus:
    """The GPUs of a service, from whichever key names them."""

    count: Fact[int] | None = None
    ids: Fact[tuple[str, ...]] | None = None
    all: bool = False

    def add(self, node: Yaml, count: int | None) -> None:
        """So many GPUs more; None for a number that is hidden."""
        before = 0 if self.count is None else self.count.value
        total = UNKNOWN if count is None or not isinstance(before, int) else before + count
        self.count = Fact[int](total, node.span)

    def add_ids(self, node: Yaml, texts: Sequence[str]) -> None:
        """GPUs by their numbers."""
        ids = tuple(part.strip() for text in texts for part in text.split(",") if part.strip())
        if any(is_unknown(text) for text in texts):
            self.ids = Fact[tuple[str, ...]](UNKNOWN, node.span)
            self.add(node, None)
        elif "all" in ids:
            self.all = True
        elif ids:
            before = self.ids.value if self.ids is not None else ()
            both = UNKNOWN if not isinstance(before, tuple) else (*before, *ids)
            self.ids = Fact[tuple[str, ...]](both, node.span)
            self.add(node, len(ids))


def surroundings_of(service: Yaml, variables: Sequence[Variable], *, complete: bool) -> Surroundings:
    """Everything a service says about its container."""
    gpus = _gpus(service, variables)
    limits, reservations = service.at("deploy.resources.limits"), service.at("deploy.resources.reservations")
    mounts = tuple(_mounts(service))
    ports, exposure = _ports(service)
    host = fact(service["network_mode"])
    return Surroundings(
        platform="compose",
        image=fact(service["image"]),
        gpus=gpus.count,
        gpu_ids=gpus.ids,
        all_gpus=gpus.all,
        shared_memory=_shared_memory(service, mounts),
        mounts=mounts,
        ports=ports,
        probes=tuple(_probes(service["healthcheck"])),
        restart=fact(service["restart"]) or fact(service.at("deploy.restart_policy.condition")),
        replicas=_number(service.at("deploy.replicas")) or _number(service["scale"]),
        exposure=exposure,
        host_network=None if host is None else _is(host, "host"),
        privileged=_truth(service["privileged"]),
        capabilities=tuple(found for item in service["cap_add"].items if (found := fact(item))),
        memory_limit=_size(limits["memory"]) or _size(service["mem_limit"]),
        cpu_request=_cores(reservations["cpus"]) or _cores(limits["cpus"]) or _cores(service["cpus"]),
        grace_period=_seconds(service["stop_grace_period"]),
        replaces_entrypoint=bool(service["entrypoint"]) and not service["entrypoint"].is_null,
        built=bool(service["build"]),
        complete=complete,
    )


def fact(node: Yaml) -> Fact[str] | None:
    """A scalar as a fact; None where there is none."""
    text = filled(node)
    return None if not text else Fact[str](UNKNOWN if is_unknown(text) else text, node.span)


def _gpus(service: Yaml, variables: Sequence[Variable]) -> Gpus:
    gpus = Gpus()
    whole = service["gpus"]
    if whole.is_text and filled(whole):
        _count(gpus, whole, filled(whole))
    requests = (service.at("deploy.resources.reservations.devices"), whole, service["device_requests"])
    for item in (item for request in requests for item in request.items if item.is_mapping):
        _request(gpus, item)
    for item in service["devices"].items:
        text = filled(item) or filled(item["source"])
        cdi = CDI.match(text)
        if cdi:
            gpus.add_ids(item, [cdi[1]])
        elif GPU_DEVICE.match(text):
            gpus.add(item, None)
    if gpus == Gpus():
        _runtime(gpus, service, variables)
    return gpus


def _request(gpus: Gpus, item: Yaml) -> None:
    """One entry of ``devices``."""
    driver = filled(item["driver"])
    wanted = {filled(node) for node in item["capabilities"].walk() if node.is_text}
    if (driver not in GPU_DRIVERS and not is_unknown(driver)) or (wanted and not wanted & {"gpu", "nvidia", "amd"}):
        return
    ids, count = item["device_ids"], item["count"]
    if ids:
        texts = [filled(node) for node in ids.items] if ids.is_list else [filled(ids)]
        gpus.add_ids(ids, [text if (cdi := CDI.match(text)) is None else cdi[1] for text in texts])
    elif count:
        _count(gpus, count, filled(count))
    else:
        gpus.all = True


def _count(gpus: Gpus, node: Yaml, text: str) -> None:
    if text in {"all", "-1"}:
        gpus.all = True
    else:
        gpus.add(node, int(text) if WHOLE.fullmatch(text) else None)


def _runtime(gpus: Gpus, service: Yaml, variables: Sequence[Variable]) -> None:
    """``runtime: nvidia``: the variable says which GPUs, and vLLM's images set it to all."""
    runtime = fact(service["runtime"])
    visible = next((item for item in reversed(variables) if item.name == "NVIDIA_VISIBLE_DEVICES"), None)
    if runtime is None:
        return
    if runtime.value is UNKNOWN or (visible is not None and is_unknown(visible.value)):
        gpus.count = Fact[int](UNKNOWN, runtime.span)
    elif runtime.value == "nvidia" and visible is None:
        gpus.all = True
    elif runtime.value == "nvidia" and visible is not None and visible.value.lower() not in NO_GPUS:
        gpus.add_ids(service["runtime"], [visible.value])


def _mounts(service: Yaml) -> Iterator[Mount]:
    for item in service["volumes"].items:
        found = _long_mount(item) if item.is_mapping else _short_mount(item)
        if found is not None:
            yield found
    single = service["tmpfs"]
    for item in [*single.items, *([single] if single.is_text else [])]:
        parts = fields(filled(item))
        size = re.search(r"(?:^|,)size=([^,]+)", parts[1]) if len(parts) > 1 else None
        if parts:
            yield Mount(parts[0], item.span, "memory", size[1] if size else None)


def _short_mount(item: Yaml) -> Mount | None:
    """``source:target:options``; a target alone is a volume without a name."""
    parts = fields(filled(item))
    drive = len(parts) > 1 and len(parts[0]) == 1 and parts[1][:1] in {"\\", "/"} and parts[0].isalpha()
    parts = [":".join(parts[:2]), *parts[2:]] if drive else parts
    if len(parts) < 2:  # noqa: PLR2004 - source and target
        return Mount(parts[0], item.span, "volume") if parts else None
    kind = "bind" if drive or parts[0][0] in {".", "/", "~", HOLE} else "volume"
    return Mount(parts[1], item.span, kind)


def _long_mount(item: Yaml) -> Mount | None:
    path = filled(item["target"])
    kind = {"bind": "bind", "volume": "volume", "": "volume", "tmpfs": "memory"}.get(filled(item["type"]), "other")
    size = filled(item.at("tmpfs.size")) or None
    return Mount(path, item["target"].span, kind, size) if path else None


def _shared_memory(service: Yaml, mounts: Sequence[Mount]) -> Fact[str] | None:
    ipc = fact(service["ipc"])
    if ipc is not None and (
        ipc.value is UNKNOWN or str(ipc.value).partition(":")[0] in {"host", "service", "container"}
    ):
        return ipc if ipc.value == "host" else Fact[str](UNKNOWN, ipc.span)
    size = fact(service["shm_size"])
    mounted = next((mount for mount in mounts if mount.path.rstrip("/") == "/dev/shm"), None)  # noqa: S108 - its name
    if size is None and mounted is not None:
        return Fact[str]("host" if mounted.kind == "bind" else mounted.size_limit or UNKNOWN, mounted.span)
    return size


def _ports(service: Yaml) -> tuple[tuple[Port, ...], Fact[str] | None]:
    """Every port that the service names, and whether one of them can be reached from outside."""
    mode = fact(service["network_mode"])
    ports, exposure = ports_of(service)
    if mode is not None and mode.value == "host":
        exposure = Fact[str]("hostNetwork", mode.span)
    return ports, exposure


def _probes(check: Yaml) -> Iterator[Probe]:
    test = check["test"]
    words = [filled(item) for item in test.items] if test.is_list else [filled(test)]
    if not test or check["disable"].text == "true" or words[:1] == ["NONE"]:
        return
    path = HEALTH_PATH.search(" ".join(words))
    yield Probe(
        "healthcheck",
        check.span,
        path[1] if path else None,
        _duration(check["start_period"], 0.0),
        _duration(check["interval"], HEALTH_PERIOD),
        _count_of(check["retries"], HEALTH_RETRIES),
    )


def _duration(node: Yaml, default: float) -> float:
    """Seconds; without end where they are hidden, so that nothing is said of a time that is not known."""
    text = interpolate(node.excerpt).text if node else ""
    if not text:
        return default
    parts = DURATION.findall(text)
    if parts and DURATION.sub("", text).strip() == "":
        return sum(float(number) * UNITS[unit] for number, unit in parts)
    return float(text) if WHOLE.fullmatch(text) else float("inf")


def _count_of(node: Yaml, default: float) -> float:
    text = filled(node)
    return default if not text else float(text) if WHOLE.fullmatch(text) else float("inf")


def _seconds(node: Yaml) -> Fact[int] | None:
    if not node.text:
        return None
    found = _duration(node, 0.0)
    return Fact[int](UNKNOWN if found == float("inf") else int(found), node.span)


def _size(node: Yaml) -> Fact[int] | None:
    """Docker's sizes: powers of 1024 whatever the unit is called."""
    text = filled(node)
    found = SIZE.fullmatch(text.strip())
    if not text:
        return None
    return Fact[int](int(float(found[1]) * 1024 ** POWERS[found[2].lower()]) if found else UNKNOWN, node.span)


def _cores(node: Yaml) -> Fact[float] | None:
    text = filled(node)
    return None if not text else Fact[float](float(text) if CORES.fullmatch(text) else UNKNOWN, node.span)


def _number(node: Yaml) -> Fact[int] | None:
    text = filled(node)
    return None if not text else Fact[int](int(text) if WHOLE.fullmatch(text) else UNKNOWN, node.span)


def _truth(node: Yaml) -> Fact[bool] | None:
    text = filled(node).lower()
    known = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return None if not text else Fact[bool](known.get(text, UNKNOWN), node.span)


def _is(found: Fact[str], wanted: str) -> Fact[bool]:
    return Fact[bool](UNKNOWN if found.value is UNKNOWN else found.value == wanted, found.span)
