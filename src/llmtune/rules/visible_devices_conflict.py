"""The lists of visible GPUs contradict each other.

`CUDA_VISIBLE_DEVICES` counts the GPUs that the process sees. In a container that is given GPU 3 of the machine, that
GPU is number 0, so `CUDA_VISIBLE_DEVICES=3` hides it and the engine finds no GPU. A number twice, an empty list, the
word "all" (CUDA stops at the first entry that it does not know), and HIP and CUDA variables that differ ("Inconsistent
GPU visibility env vars", vLLM 0.33.0, platforms/rocm.py) fail likewise. `--device-ids` counts within
`CUDA_VISIBLE_DEVICES` and takes no duplicates (engine/arg_utils.py, _resolve_device_ids).

Example:
    ```sh
    CUDA_VISIBLE_DEVICES=0,0 vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    CUDA_VISIBLE_DEVICES=0 vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.devices import VISIBLE, runs_on_cpu, visible_ids
from llmtune.calc.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
HIP = "HIP_VISIBLE_DEVICES"


def check(case: Case) -> Iterator[Finding]:
    """Each list by itself, then one against the other."""
    if runs_on_cpu(case):
        return
    for name in (VISIBLE, HIP):
        yield from _list(case, name)
    yield from _against_container(case)
    yield from _against_flag(case)
    cuda, hip = case.variable(VISIBLE), case.variable(HIP)
    if cuda is None or hip is None:
        return
    one, other = visible_ids(cuda), visible_ids(hip)
    if one and other and one != other:
        yield case.finding(f"{HIP} and {VISIBLE} name different GPUs", hip, help="set only one of them")


def _list(case: Case, name: str) -> Iterator[Finding]:
    variable = case.variable(name)
    ids = visible_ids(variable) if variable is not None else None
    if variable is not None and variable.value.strip("\"' ").lower() == "all":
        message = f"{name} knows no 'all': it names no GPU, and none is visible"
        yield case.finding(message, variable, help="remove it: NVIDIA_VISIBLE_DEVICES is what takes 'all'")
    if variable is None or ids is None:
        return
    if not ids:
        if not variable.value.strip("\"' "):
            yield case.finding(f"{name} is empty: no GPU is visible", variable, help="remove it, or name the GPUs")
        return
    twice = next((item for item in ids if ids.count(item) > 1), None)
    if twice is not None:
        yield case.finding(f"{name} names GPU {twice} twice: CUDA then sees none", variable, help="name each GPU once")


def _against_container(case: Case) -> Iterator[Finding]:
    """Numbers in a container start at 0 whichever GPUs of the machine it was given."""
    variable, around = case.variable(VISIBLE), case.around
    ids = visible_ids(variable) if variable is not None else None
    granted = case.value_of(around.gpu_ids)
    there = len(granted) if granted else case.value_of(around.gpus)
    if not ids or not there or variable is None or around.platform in {"host", "config"}:
        return
    beyond = [item for item in ids if item.isdigit() and int(item) >= there]
    if beyond:
        last = f"0 to {there - 1}" if there > 1 else "0"
        yield case.finding(
            f"{VISIBLE} names GPU {beyond[0]}, but the container has {count(there, 'GPU')}, numbered {last}",
            variable,
            help="remove it: the container sees only the GPUs it is given",
        )


def _against_flag(case: Case) -> Iterator[Finding]:
    setting = case.setting("device-ids")
    text = case.settings.text("device-ids")
    if setting is None or text is None:
        return
    ids = [item.strip() for item in text.strip("[]").split(",") if item.strip()]
    if len(set(ids)) != len(ids):
        yield case.finding("--device-ids names a GPU twice", setting, help="name each GPU once")
    variable = case.variable(VISIBLE)
    visible = visible_ids(variable) if variable is not None else None
    beyond = next((item for item in ids if visible and item.isdigit() and int(item) >= len(visible)), None)
    if beyond is not None and visible:
        yield case.finding(
            f"--device-ids {beyond} is beyond the {count(len(visible), 'GPU')} of {VISIBLE}",
            setting,
            help=f"count within {VISIBLE}, from 0",
        )
