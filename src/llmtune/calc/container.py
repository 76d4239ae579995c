"""What a container gives a server: places that outlive it, shared memory, GPUs.

Source: huggingface_hub 1.0 constants.py (``HF_HUB_CACHE``, ``HUGGINGFACE_HUB_CACHE``, ``HF_HOME``, ``XDG_CACHE_HOME``),
modelscope 1.30 hub/utils/utils.py, vLLM 0.33.0 envs.py (``VLLM_CACHE_ROOT``). vLLM's images run as root.
"""

from __future__ import annotations

import posixpath
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from llmtune.calc.exposure import elsewhere, host_of
from llmtune.calc.exposure import is_local as is_loopback
from llmtune.calc.releases import PLUGINS
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.calc.case import Case
    from llmtune.spec.word import Word

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HOME = "/root"
RUN_AS_ROOT = frozenset({None, "nvidia", "lmcache", "amd"})  # vendors of images
CUDA = frozenset({None, "nvidia", "lmcache", "dynamo", "coreweave"})
OTHER_DEVICE = re.compile(r"rocm|xpu|cpu|tpu|hpu|neuron|gaudi|spyre|ascend|arc", re.IGNORECASE)
TRUE = frozenset({"1", "true", "yes", "on"})  # huggingface_hub constants.py::ENV_VARS_TRUE_VALUES
SHARED = "/dev/shm"  # noqa: S108 - a place in a container
CACHE_VARIABLES = (
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "HOME",
    "VLLM_USE_MODELSCOPE",
    "MODELSCOPE_CACHE",
)


def text_of(case: Case, name: str) -> str | None:
    """The value of an environment variable that the file sets; None where it does not, or hides it."""
    variable = case.variable(name)
    return None if variable is None or variable.secret or is_unknown(variable.value) else variable.value


def is_true(case: Case, name: str) -> bool:
    """Whether a variable of the Hugging Face libraries is switched on."""
    return (text_of(case, name) or "").lower() in TRUE


def from_hub(case: Case) -> bool:
    """Whether the model is surely downloaded: a name on the Hub, or none (vLLM then takes its small default)."""
    model = case.deployment.model
    if not model:
        return not elsewhere(case) and case.server.entry in {"serve", "api_server", "image"}
    if not HUB_ID.fullmatch(model):
        return False
    first = model.split("/")[0]  # "models/llama" may be a directory: one that is mounted, or stands in the image
    return first not in {"models", "model", "weights", "data"} and not any(
        first in mount.path.split("/") for mount in case.around.mounts
    )


def is_local(model: str) -> bool:
    """Whether a model is a path in the file system.

    >>> is_local("/models/llama"), is_local("Qwen/Qwen3-8B")
    (True, False)
    """
    return model.startswith(("/", "./", "../", "~"))


def model_caches(case: Case) -> tuple[str, ...]:
    """The directories of which one keeps downloaded weights; none where that cannot be told."""
    if any(case.variable(name) is not None and text_of(case, name) is None for name in CACHE_VARIABLES):
        return ()
    if case.setting("download-dir") is not None:
        place = case.deployment.value("download-dir")
        return (place,) if isinstance(place, str) else ()
    modelscope = is_true(case, "VLLM_USE_MODELSCOPE")
    direct = ("MODELSCOPE_CACHE",) if modelscope else ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    named = next((place for name in direct if (place := text_of(case, name))), None)
    if named is not None:
        return (named,)
    if not modelscope and (home := text_of(case, "HF_HOME")):
        return (f"{home}/hub",)
    shared = user_cache(case)
    return () if shared is None else (f"{shared}/modelscope" if modelscope else f"{shared}/huggingface/hub",)


def user_cache(case: Case) -> str | None:
    """Where programs keep what they can make again; None where the image's user is not known."""
    if case.variable("XDG_CACHE_HOME") or case.variable("HOME"):
        home = text_of(case, "HOME")
        return text_of(case, "XDG_CACHE_HOME") or (home and f"{home}/.cache")
    image = case.facts.image
    as_root = image is not None and image.runs_vllm and image.vendor in RUN_AS_ROOT
    return f"{HOME}/.cache" if as_root else None


def is_mounted(case: Case, place: str) -> bool:
    """Whether something is mounted at a directory, above or below it, or at a place that a variable hides."""
    mounts = [mount for mount in case.around.mounts if mount.kind != "memory"]
    return any(is_unknown(mount.path) or _meets(place, mount.path) for mount in mounts)


def is_kept(case: Case, place: str) -> bool:
    """Whether a directory, or one above or below it, outlives the pod or may."""
    lasting = [mount for mount in case.around.mounts if mount.kind not in {"memory", "empty-dir"}]
    return any(is_unknown(mount.path) or _meets(place, mount.path) for mount in lasting)


def _meets(place: str, path: str) -> bool:
    place, path = posixpath.normpath(place), posixpath.normpath(path)
    return _within(place, path) or _within(path, place)


def _within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def has_shared_memory(case: Case) -> bool:
    """Whether the container gets more than the 64 MB of /dev/shm that a runtime gives."""
    return case.around.shared_memory is not None or any(
        is_unknown(mount.path) or posixpath.normpath(mount.path) in {SHARED, "/dev"} for mount in case.around.mounts
    )


def size_of(case: Case, flag: str) -> int | None:
    """A parallel size: 1 where it is not set, None where it is hidden."""
    if case.setting(flag) is None:
        return None if elsewhere(case) else 1
    number = case.number(flag)
    return None if number is None else int(number)


def ranks_of(case: Case) -> int | None:
    """Worker processes of one engine: tensor x pipeline parallel ranks; None where a size is hidden."""
    tensor, pipeline = size_of(case, "tensor-parallel-size"), size_of(case, "pipeline-parallel-size")
    return None if tensor is None or pipeline is None else tensor * pipeline


def gpus_of(case: Case) -> int | None:
    """GPUs that the container is given; None where nothing tells how many."""
    ids = case.value_of(case.around.gpu_ids)
    count: int | None = case.value_of(case.around.gpus)
    return count if count is not None else len(ids) if ids else None


def device_word(case: Case) -> Word | None:
    """The word that asks for the CPU. Words are looked at as written: releases from 0.10.0 on have no ``--device``."""
    words = case.server.words
    joined = next((word for word in words if word.text == "--device=cpu"), None)
    pairs = (value for flag, value in pairwise(words) if (flag.text, value.text) == ("--device", "cpu"))
    return joined or next(pairs, None)


def wants_cpu(case: Case) -> bool:
    """Whether the server is to run on the CPU: the image's or the command's choice."""
    image = case.facts.image
    return (image is not None and image.cpu) or device_word(case) is not None


def runs_vllm(case: Case) -> bool:
    """Whether the image is known to hold vLLM, as its vendor built it."""
    image = case.facts.image
    return image is not None and image.runs_vllm is True and not case.around.built


def is_cuda_image(case: Case) -> bool:
    """Whether the image is known to hold vLLM for NVIDIA's GPUs."""
    image = case.facts.image
    if image is None or not runs_vllm(case) or image.cpu or image.vendor not in CUDA:
        return False
    return not OTHER_DEVICE.search(f"{image.repository}:{image.tag or ''}")


def is_awaited(case: Case) -> bool:
    """Whether others wait for the server to be ready: not for a Job's, nor for one that only its own pod can reach."""
    if is_worker(case) or case.value_of(case.around.restart) in {"Never", "OnFailure"}:
        return False
    host = case.setting("host")
    return case.around.platform != "kubernetes" or host is None or not is_loopback(host_of(host) or "")


def on_other_chips(case: Case) -> bool:
    """Whether the image is for chips that are no GPUs, which are linked and fed in ways of their own."""
    image = case.facts.image
    return image is not None and image.vendor in PLUGINS


def is_worker(case: Case) -> bool:
    """Whether it only lends its GPUs to another node's server."""
    setting = case.setting("headless")
    return setting is not None and setting.value is not False
