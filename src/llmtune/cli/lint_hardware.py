"""The GPUs that a file's server gets: from the command line, else from what the platform calls them.

A name that several cards have (``A100`` on a platform that has both sizes) and a part of a GPU (a MIG slice, a shared
one) give nothing: no answer is better than one for another card.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmtune.calc.devices import ELSEWHERE
from llmtune.catalog import UnknownName, gpus, instances
from llmtune.spec.hardware import Hardware
from llmtune.spec.surroundings import UNKNOWN

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Setting
    from llmtune.spec.hardware import Gpu, Instance
    from llmtune.spec.surroundings import Fact, Surroundings

WITHOUT_COUNT = "option without count"  # origin of hardware of which only the GPU was named
# Names that mean one card on the platform that uses them: Google Cloud's accelerators (A2 has the 40 GB card, N1 the
# V100 of 16 GB, G4 the server edition), and SkyPilot's catalog, where the larger cards have their size in the name.
MEANT = {
    "nvidia-tesla-a100": "a100-sxm-40gb",
    "nvidia-tesla-p100": "p100-pcie-16gb",
    "nvidia-tesla-v100": "v100-sxm2-16gb",
    "nvidia-rtx-pro-6000": "rtx-pro-6000-blackwell-server",
    "skypilot a100": "a100-sxm-40gb",
    "skypilot v100": "v100-sxm2-16gb",
    "skypilot rtxpro6000": "rtx-pro-6000-blackwell-server",
}
# Several cards of different sizes have these names.
SEVERAL = frozenset({"a100", "v100", "a800", "rtx3080", "rtx4060ti", "rtx5060ti"})
PART = re.compile(r"\bmig\b|-mig-|[-_]shared$|\bvgpu\b", re.IGNORECASE)
PREFIX = re.compile(r"^(?:nvidia|amd)[-_ .](?:gpu[-_ .])?(?:com[-_/])?", re.IGNORECASE)
SIZES = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "prefill-context-parallel-size")


def find_hardware(deployment: Deployment, around: Surroundings, option: Hardware | None) -> Hardware | None:
    """The machines that a server runs on; None where nothing says which GPU, or it gets none.

    ``option`` is what the command line or the project's settings say; it outranks the file.
    """
    ranks, nodes = _ranks(deployment), _nodes(deployment, around)
    if option is not None and option.origin != WITHOUT_COUNT:
        return replace(option, nodes=max(option.nodes, nodes or -(-ranks // option.gpus_per_node)))
    machine = _instance(around.instance)
    gpu = option.gpu if option is not None else _gpu(around, machine)
    count = _count(around, machine, ranks, nodes or 1)
    if gpu is None or count < 1:
        return None
    nodes = nodes or -(-ranks // count)
    bandwidth = machine.fabric_bandwidth if machine is not None else None
    if option is not None:
        return replace(option, gpus_per_node=count, nodes=nodes, node_bandwidth=option.node_bandwidth or bandwidth)
    return Hardware(gpu=gpu, gpus_per_node=count, nodes=nodes, node_bandwidth=bandwidth, origin="file")


def _known(fact: Fact[Any] | None) -> Any:
    return None if fact is None or fact.value is UNKNOWN else fact.value


def _instance(fact: Fact[str] | None) -> Instance | None:
    name = _known(fact)
    try:
        return instances.find(name) if name else None
    except UnknownName:
        return None


def _gpu(around: Surroundings, machine: Instance | None) -> Gpu | None:
    """The GPU by its name, else the one that the machine has."""
    if around.gpu_name is None:
        return gpus.load(machine.gpu) if machine is not None else None
    name = _known(around.gpu_name)
    return _named(name, around.platform) if name else None


def _named(name: str, platform: str) -> Gpu | None:
    """The card that a name means on a platform; None for a part of one and for names of several."""
    text = name.strip().casefold()
    if PART.search(text):
        return None
    exact = MEANT.get(f"{platform} {text}") or MEANT.get(text)
    if exact is not None:
        return gpus.load(exact)
    if re.sub(r"[-_ ]|nvidia|geforce|tesla", "", PREFIX.sub("", text)) in SEVERAL:
        return None
    for spelling in (text, PREFIX.sub("", text)):
        try:
            return gpus.find(spelling)
        except UnknownName:
            continue
    return None


def _count(around: Surroundings, machine: Instance | None, ranks: int, nodes: int) -> int:
    """GPUs of one node: those that the file gives, else those of the machine, else as many as the server takes."""
    given = _known(around.gpus)
    if given is None and _known(around.gpu_ids) is not None:
        given = len(_known(around.gpu_ids))
    if given is not None:
        return int(given)
    if machine is not None and around.gpus is None and around.gpu_ids is None:
        return machine.gpus
    return -(-ranks // nodes)


def _nodes(deployment: Deployment, around: Surroundings) -> int | None:
    """How many nodes take part; None where that is hidden, or others may join without being counted."""
    if around.nodes is not None:
        return int(around.nodes.value) if around.nodes.value is not UNKNOWN else None
    stated = _last(deployment, "nnodes")
    if stated is not None:
        return _size(stated) if stated.known else None
    ray = deployment.value("distributed-executor-backend") == "ray"
    return None if ray or any(deployment.has(flag) for flag in ELSEWHERE) else 1


def _ranks(deployment: Deployment) -> int:
    """GPUs that the server takes on all nodes, at least: a size that is hidden counts as one."""
    return math.prod(_size(_last(deployment, flag)) for flag in SIZES)


def _last(deployment: Deployment, flag: str) -> Setting | None:
    return next((setting for setting in reversed(deployment.settings) if setting.flag == flag), None)


def _size(setting: Setting | None) -> int:
    value = setting.value if setting is not None else None
    return value if isinstance(value, int) and value > 1 else 1
