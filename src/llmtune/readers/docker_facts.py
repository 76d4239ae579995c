"""What the options of ``docker run`` say about the container: GPUs, memory, mounts, ports, health checks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.compose_facts import CDI, DURATION, GPU_DEVICE, HEALTH_PATH, NO_GPUS, POWERS, SIZE, UNITS
from llmtune.readers.compose_ports import LOOPBACK, MOST, OWN_ADDRESS
from llmtune.readers.compose_text import fields
from llmtune.readers.docker_run import NOWHERE
from llmtune.readers.numbers import counted
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Port, Probe, Surroundings, Unknown
from llmtune.spec.word import HOLE, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmtune.readers.docker_run import Option, Run
    from llmtune.spec.server import Variable
    from llmtune.spec.span import Span
    from llmtune.spec.word import Word

NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/\w+)?")
BRACKETS = re.compile(r"(\[[0-9A-Fa-f:]*\]):")
DEVICE_REQUEST = re.compile(r"\bdevice=([\w,.:-]+)")
COUNT = re.compile(r"(?:^|count=)(\d{1,9})(?!\d)")
LARGEST_PORT = 65535
OWN_SHARED_MEMORY = frozenset({"private", "shareable", "none", ""})

Gpus = tuple[Fact[int] | None, Fact[tuple[str, ...]] | None, bool]  # how many, which, whether all


def surroundings_of(run: Run, image: Word, variables: Sequence[Variable]) -> Surroundings:
    """Everything that the options say."""
    count, ids, every = _gpus(run, variables)
    network, entry = _text(run, "network"), run.last("entrypoint")
    ports, exposure = _ports(run)
    if network is not None and network.value == "host":
        exposure = Fact("hostNetwork", network.span)
    return Surroundings(
        platform="docker",
        image=Fact(UNKNOWN if is_unknown(image.text) else image.text, image.span or NOWHERE),
        gpus=count,
        gpu_ids=ids,
        all_gpus=every,
        shared_memory=_shared_memory(run),
        mounts=tuple(_mounts(run)),
        ports=ports,
        probes=tuple(_probes(run)),
        restart=_text(run, "restart"),
        exposure=exposure,
        host_network=None if network is None else Fact(_is(network, "host"), network.span),
        privileged=_switch(run, "privileged"),
        capabilities=tuple(_fact(option) for option in run.all("cap-add")),
        memory_limit=_size(run.last("memory")),
        cpu_request=_cores(run.last("cpus")),
        grace_period=_whole(run.last("stop-timeout")),
        replaces_entrypoint=entry is not None and bool(entry.value),
        complete=not run.hidden,
    )


def _fact(option: Option) -> Fact[str]:
    return Fact(option.value if option.known else UNKNOWN, option.span)


def _text(run: Run, name: str) -> Fact[str] | None:
    option = run.last(name)
    return None if option is None else _fact(option)


def _is(fact: Fact[str], wanted: str) -> bool | Unknown:
    return UNKNOWN if fact.value is UNKNOWN else fact.value == wanted


def _switch(run: Run, name: str) -> Fact[bool] | None:
    option = run.last(name)
    return None if option is None else Fact(option.value != "false" if option.known else UNKNOWN, option.span)


def _gpus(run: Run, variables: Sequence[Variable]) -> Gpus:
    """``--gpus``, devices by name or file, or the NVIDIA runtime with its variable."""
    option = run.last("gpus")
    if option is not None:
        return _request(option)
    named = [(option, match[1]) for option in run.all("device") if (match := CDI.search(option.value))]
    if named:
        return _ids(",".join(name for _, name in named), named[0][0].span)
    device = next((option for option in run.all("device", "volume") if GPU_DEVICE.match(option.value)), None)
    if device is not None:
        return Fact(UNKNOWN, device.span), None, False
    runtime = run.last("runtime")
    visible = next((item for item in reversed(variables) if item.name == "NVIDIA_VISIBLE_DEVICES"), None)
    if runtime is None or runtime.value != "nvidia" or (visible is not None and visible.value.lower() in NO_GPUS):
        return None, None, False
    return (None, None, True) if visible is None else _ids(visible.value, runtime.span)


def _request(option: Option) -> Gpus:
    """``all``, ``2``, ``device=0``, ``"device=0,1"``, ``count=2``; without its quotes a list ends at the comma."""
    value = option.value.strip("\"'")
    ids, count = DEVICE_REQUEST.search(value), COUNT.search(value)
    if not option.known:
        return Fact(UNKNOWN, option.span), None, False
    if ids:
        return _ids(ids[1] if '"' in option.value else ids[1].split(",")[0], option.span)
    if "all" in re.split("[,=]", value) or value == "-1":
        return None, None, True
    return Fact(int(count[1]) if count else UNKNOWN, option.span), None, False


def _ids(text: str, span: Span) -> Gpus:
    """GPUs by their numbers, with commas between them."""
    if is_unknown(text):
        return Fact(UNKNOWN, span), Fact(UNKNOWN, span), False
    names = tuple(part for part in text.split(",") if part)
    return (None, None, True) if "all" in names else (Fact(len(names), span), Fact(names, span), False)


def _shared_memory(run: Run) -> Fact[str] | None:
    ipc, size = run.last("ipc"), run.last("shm-size")
    if ipc is not None and ipc.value == "host":
        return Fact("host", ipc.span)
    if size is not None:
        return _fact(size)
    return None if ipc is None or ipc.value in OWN_SHARED_MEMORY else Fact(UNKNOWN, ipc.span)


def _mounts(run: Run) -> Iterator[Mount]:
    for option in run.all("volume"):
        parts = fields(option.value)
        if len(parts) > 1:
            yield Mount(parts[1], option.span, "bind" if parts[0][:1] in {".", "/", "~", HOLE} else "volume")
        elif parts:
            yield Mount(parts[0], option.span, "volume")
    for option in run.all("mount"):
        keys = dict(part.partition("=")[::2] for part in option.value.split(","))
        path = next((keys[key] for key in ("target", "destination", "dst") if key in keys), "")
        kind = {"bind": "bind", "tmpfs": "memory"}.get(keys.get("type", "volume"), "volume")
        if path:
            yield Mount(path, option.span, kind, keys.get("tmpfs-size"))
    for option in run.all("tmpfs"):
        path, _, options = option.value.partition(":")
        size = re.search(r"(?:^|,)size=([^,]+)", options)
        yield Mount(path, option.span, "memory", size[1] if size else None)


def _ports(run: Run) -> tuple[tuple[Port, ...], Fact[str] | None]:
    """Every port that is named, and whether one of them can be reached from outside."""
    ports: list[Port] = []
    exposure: Fact[str] | None = None
    for option in run.all("publish"):
        address, parts = _parts(option.value)
        ports += [Port(number, option.span, "container") for number in _numbers(parts[-1])]
        where = address if address and not is_unknown(address) else None
        ports += [Port(number, option.span, "published", where) for part in parts[-2:-1] for number in _numbers(part)]
        hidden = is_unknown(address)
        if not LOOPBACK.match(address) and (exposure is None or exposure.value is UNKNOWN):
            exposure = Fact(UNKNOWN if hidden else "published", option.span)
    ports += [Port(number, item.span, "container") for item in run.all("expose") for number in _numbers(item.value)]
    check, every = run.last("health-cmd"), run.last("publish-all")
    if check is not None:
        ports += [Port(int(match[1]), check.span, "health") for match in OWN_ADDRESS.finditer(check.value)]
    if every is not None and exposure is None:
        exposure = Fact("published", every.span)
    return tuple(ports), exposure


def _parts(text: str) -> tuple[str, list[str]]:
    """``address:published:target``: the address, and the rest."""
    bracket = BRACKETS.match(text)
    if bracket:
        return bracket[1], fields(text[bracket.end() :]) or [""]
    parts = fields(text) or [""]
    return (parts[0], parts[1:]) if len(parts) > 2 else ("", parts)  # noqa: PLR2004 - three parts


def _numbers(text: str) -> list[int]:
    """``8000`` or ``8000-8010``; none where they are hidden."""
    match = PORTS.fullmatch(text)
    if match is None:
        return []
    first, last = int(match[1]), int(match[2] or match[1])
    return list(range(first, min(last, first + MOST) + 1)) if last <= LARGEST_PORT else []


def _probes(run: Run) -> Iterator[Probe]:
    check = run.last("health-cmd")
    if check is None or run.last("no-healthcheck") is not None:
        return
    path, retries = HEALTH_PATH.search(check.value), run.last("health-retries")
    yield Probe(
        "healthcheck",
        check.span,
        path[1] if path else None,
        _seconds(run.last("health-start-period"), 0.0),
        _seconds(run.last("health-interval"), 30.0),
        3.0 if retries is None else float(retries.value) if retries.value.isdecimal() else float("inf"),
    )


def _seconds(option: Option | None, default: float) -> float:
    """A duration; without end where it is hidden, so that nothing is said of a time that is not known."""
    if option is None:
        return default
    parts = DURATION.findall(option.value)
    return sum(float(number) * UNITS[unit] for number, unit in parts) if parts and option.known else float("inf")


def _whole(option: Option | None) -> Fact[int] | None:
    if option is None:
        return None
    number = counted(option.value)
    return Fact(UNKNOWN if number is None else number, option.span)


def _size(option: Option | None) -> Fact[int] | None:
    """Docker's sizes: powers of 1024 whatever the unit is called."""
    if option is None:
        return None
    found = SIZE.fullmatch(option.value)
    return Fact(int(float(found[1]) * 1024 ** POWERS[found[2].lower()]) if found else UNKNOWN, option.span)


def _cores(option: Option | None) -> Fact[float] | None:
    if option is None:
        return None
    return Fact(float(option.value) if NUMBER.fullmatch(option.value) else UNKNOWN, option.span)
