"""GPUs through NVML, and everything that goes wrong there."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from llmtune.probes import nvml as module
from llmtune.probes.apart import run_apart
from llmtune.probes.nvml import ProbeError, probe
from llmtune.spec.machine import Device, PcieLink, Process

MIB, GIB = 2**20, 2**30
H100 = "NVIDIA H100 80GB HBM3"
A100 = "NVIDIA A100-SXM4-40GB"


def test_one_h100(nvml: Any) -> None:
    nvml.names = {7: "/usr/bin/python3 -m server --api-key sk-secret"}
    nvml.add(H100, 81559, used=8000, compute=[(7, 7900)], graphics=[(9, None)])
    machine = probe(visible=None)
    assert machine.driver == "570.86.15"
    assert machine.cuda == "12.8"
    assert machine.notes == ()
    assert machine.visible == machine.devices
    assert machine.devices == (
        Device(
            index=0,
            uuid="GPU-00aa-0",
            name=H100,
            total_memory=81559 * MIB,
            free_memory=73089 * MIB,
            reserved_memory=470 * MIB,
            processes=(Process(7, "python3", 7900 * MIB), Process(9, None, None)),
            mig=None,
            ecc=True,
            compute_capability=(9, 0),
            nvlink=(),
            pcie=PcieLink(5, 5, 16, 16),
            integrated=False,
            display=False,
        ),
    )


def test_eight_h100_with_nvlink(nvml: Any) -> None:
    for index in range(8):
        nvml.add(H100, 81559, nvlink=[other for other in range(8) if other != index])
    machine = probe(visible=None)
    assert len(machine.visible) == 8
    assert machine.devices[3].nvlink == (0, 1, 2, 4, 5, 6, 7)


def test_mig_instances_are_the_devices(nvml: Any) -> None:
    nvml.add(A100, 40960, mig=[("3g.20gb", 19968, 42), ("1g.5gb", 4864, 14)], nvlink=(1,))
    nvml.add(A100, 40960)
    machine = probe(visible=None)
    assert [device.label for device in machine.devices] == ["0:0", "0:1", "1"]
    first = machine.devices[0]
    assert first.mig is not None
    assert (first.mig.profile, first.mig.multiprocessors, first.mig.parent_memory) == ("3g.20gb", 42, 40960 * MIB)
    assert (first.name, first.total_memory, first.nvlink) == (A100, 19968 * MIB, ())
    assert [device.label for device in machine.visible] == ["0:0"]
    assert machine.notes == ("a CUDA program uses one MIG instance and nothing beside it: device 0:0",)


def test_mig_parent_that_hides_its_memory_is_not_integrated(nvml: Any) -> None:
    nvml.add(A100, 40960, mig=[("1g.5gb", 4864, 14)])
    nvml.fail = {"nvmlDeviceGetEccMode": 4, "nvmlDeviceGetName": 4, "v2": 4}
    (device,) = probe(visible=None).devices
    assert (device.name, device.integrated, device.total_memory) == ("unknown GPU", False, 4864 * MIB)
    assert device.mig is not None
    assert device.mig.profile == "1g.5gb"


FIELDS = {
    "nvmlDeviceGetUUID": "uuid",
    "nvmlDeviceGetEccMode": "ecc",
    "nvmlDeviceGetCudaComputeCapability": "compute_capability",
    "nvmlDeviceGetDisplayActive": "display",
    "nvmlDeviceGetP2PStatus": "nvlink",
}


@pytest.mark.parametrize("code", [2, 3, 4, 6, 13, 999, -1])
@pytest.mark.parametrize(("call", "field"), FIELDS.items())
def test_a_field_that_cannot_be_had_is_none(nvml: Any, call: str, field: str, code: int) -> None:
    nvml.add(H100, 81559)
    nvml.add(H100, 81559)
    nvml.fail = {call: code}
    device = probe(visible=None).devices[0]
    assert getattr(device, field) is None
    assert (device.name, device.total_memory) == (H100, 81559 * MIB)


def test_nothing_but_the_count_is_needed(nvml: Any) -> None:
    nvml.add(H100, 81559)
    asked = [name[1:] for name in dir(type(nvml)) if name.startswith(("_nvmlDevice", "_nvmlSystem"))]
    nvml.fail = dict.fromkeys(asked, 999) | {"nvmlDeviceGetCount": 0, "nvmlDeviceGetHandleByIndex": 0}
    machine = probe(visible=None)
    (device,) = machine.devices
    assert (machine.driver, machine.cuda) == (None, None)
    assert (device.name, device.uuid, device.total_memory, device.processes) == ("unknown GPU", None, None, ())
    assert device.pcie == PcieLink(None, None, None, None)
    assert not device.integrated


def test_old_driver_does_not_tell_what_it_reserves(nvml: Any) -> None:
    nvml.add(H100, 81559)
    nvml.fail = {"v2": 13}
    (device,) = probe(visible=None).devices
    assert (device.total_memory, device.reserved_memory) == (81559 * MIB, None)


def test_unified_memory_is_the_hosts(nvml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       127600748 kB\nMemFree:  1000 kB\nMemAvailable:   118566368 kB\n")
    monkeypatch.setattr(module, "MEMINFO", meminfo)
    nvml.add("NVIDIA GB10", 0, capability=(12, 1))
    nvml.fail = {"nvmlDeviceGetMemoryInfo": 3}
    machine = probe(visible=None)
    (device,) = machine.devices
    assert device.integrated
    assert (device.total_memory, device.free_memory) == (127600748 << 10, 118566368 << 10)
    assert machine.notes == (f"GPU and CPU share their memory; its size is from {meminfo}",)


@pytest.mark.parametrize("content", [None, "", "MemTotal:\nMemAvailable: 5\n", "\xff"])
def test_unified_memory_without_meminfo(
    nvml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.setattr(module, "MEMINFO", tmp_path / "meminfo")
    if content is not None:
        (tmp_path / "meminfo").write_text(content, encoding="latin-1")
    nvml.add("NVIDIA GB10", 0, reserved=0)
    (device,) = probe(visible=None).devices
    assert (device.integrated, device.total_memory) == (True, None)


STARTS = {
    4: "no permission to use the NVIDIA driver",
    9: "the NVIDIA driver is not loaded",
    12: "no NVIDIA driver on this machine",
    13: "the NVIDIA driver is too old",
    17: "the system keeps us from the NVIDIA driver",
    18: "the NVIDIA library and the loaded kernel driver differ",
    20: "the NVIDIA driver cannot be asked (code 20)",
    999: "the NVIDIA driver fails with 'unknown error'",
}


@pytest.mark.parametrize(("code", "start"), STARTS.items())
def test_nvml_that_does_not_start(nvml: Any, code: int, start: str) -> None:
    nvml.fail = {"nvmlInit": code}
    with pytest.raises(ProbeError) as caught:
        probe(visible=None)
    line = str(caught.value)
    assert line.startswith(start)
    assert "\n" not in line
    assert "--gpu" in line


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(ProbeError, match=r"^nvidia-ml-py is not installed: pip install .* --gpu"):
        probe(visible=None)


def test_no_gpu(nvml: Any) -> None:
    with pytest.raises(ProbeError, match="shows no GPU"):
        probe(visible=None)
    nvml.add(H100, 81559)
    nvml.fail = {"nvmlDeviceGetHandleByIndex": 4}
    with pytest.raises(ProbeError, match="none of the GPUs can be used"):
        probe(visible=None)


@pytest.mark.parametrize("call", ["nvmlDeviceGetHandleByIndex", "nvmlDeviceGetMemoryInfo"])
def test_a_lost_gpu_ends_it(nvml: Any, call: str) -> None:
    nvml.add(H100, 81559)
    nvml.fail = {call: 15}
    with pytest.raises(ProbeError, match="a GPU has fallen off the bus"):
        probe(visible=None)


def test_a_gpu_that_is_not_ours_is_left_out(nvml: Any) -> None:
    for _ in range(3):
        nvml.add(H100, 81559)
    nvml.fail = {("nvmlDeviceGetHandleByIndex", 0): 4, ("nvmlDeviceGetHandleByIndex", 2): 999}
    machine = probe(visible="0")
    assert [device.index for device in machine.visible] == [1]
    assert machine.notes == (
        "GPU 0 is left out: no permission to use it",
        "GPU 2 is left out: NVML error 999",
    )


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetMemoryInfo"])
def test_a_call_that_hangs(nvml: Any, call: str) -> None:
    nvml.add(H100, 81559)
    nvml.hang = {call}
    before = time.monotonic()
    with pytest.raises(ProbeError, match=r"^the NVIDIA driver did not answer within 0\.2 s: .* --gpu"):
        probe(visible=None, timeout=0.2)
    assert time.monotonic() - before < 2


def test_the_process_ends_while_a_call_hangs() -> None:
    program = """
        import sys, time, types
        fake = types.ModuleType("pynvml")
        fake.NVMLError = fake.NVMLLibraryMismatchError = OSError
        fake.nvmlInit = lambda: time.sleep(60)
        sys.modules["pynvml"] = fake
        from llmtune.probes.nvml import ProbeError, probe
        try:
            probe(visible=None, timeout=0.2)
        except ProbeError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_crash_of_the_library_is_one_line(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setattr(nvml, "nvmlInit", lambda: os._exit(1))
    with pytest.raises(ProbeError, match="the NVIDIA driver library crashed"):
        probe(visible=None)


def test_our_own_bugs_come_back() -> None:
    def divide() -> float:
        return 1 / 0

    class OddError(Exception):
        pass

    def odd() -> None:
        raise OddError("local classes do not pickle")

    with pytest.raises(ZeroDivisionError):
        run_apart(divide, timeout=5)
    with pytest.raises(RuntimeError, match="OddError: local classes"):
        run_apart(odd, timeout=5)
    assert run_apart(lambda: b"x" * 1_000_000, timeout=5) == b"x" * 1_000_000


VISIBLE = {
    None: [0, 1, 2],
    "": [],
    " ": [],
    "-1": [],
    "0": [0],
    "2,0": [2, 0],
    " 1 , 2": [1, 2],
    "0,7,1": [0],
    "1,-1,2": [1],
    "0,x,1": [0],
    "x": [],
    "1gpu,2": [1, 2],
    "1,1": [],
    "GPU-11aa-1": [1],
    "GPU-1": [1],
    "GPU-2,GPU-0": [2, 0],
    "GPU-": [],
    "GPU-9,GPU-0": [],
    "GPU-0,1": [0],
    "0,GPU-1": [0],
    "GPU-1,GPU-11": [],
    "gpu-1": [],
    "MIG-1": [],
}


@pytest.mark.parametrize(("visible", "expected"), VISIBLE.items())
def test_cuda_visible_devices(nvml: Any, visible: str | None, expected: list[int]) -> None:
    for _ in range(3):
        nvml.add(H100, 81559)
    machine = probe(visible=visible)
    assert [device.index for device in machine.visible] == expected
    assert len(machine.devices) == 3


VISIBLE_MIG = {
    None: ["0:0"],
    "0": ["0:0"],
    "1": ["1"],
    "1,0": ["0:0"],
    "2": [],
    "GPU-00aa": ["0:0"],
    "GPU-1": ["1"],
    "MIG-01bb-1": ["0:1"],
    "MIG-0": [],
    "MIG-01,MIG-00": ["0:1"],
}


@pytest.mark.parametrize(("visible", "expected"), VISIBLE_MIG.items())
def test_cuda_visible_devices_with_mig(nvml: Any, visible: str | None, expected: list[str]) -> None:
    nvml.add(A100, 40960, mig=[("3g.20gb", 19968, 42), ("3g.20gb", 19968, 42)])
    nvml.add(A100, 40960)
    assert [device.label for device in probe(visible=visible).visible] == expected


def test_what_cuda_visible_devices_loses_is_said(nvml: Any) -> None:
    nvml.add(H100, 81559)
    assert probe(visible="0,7,1").notes == ("CUDA_VISIBLE_DEVICES: '7' names no device; CUDA stops reading there",)
    assert probe(visible="0,0").notes == ("CUDA_VISIBLE_DEVICES names device 0 twice; CUDA then uses none",)
    assert probe(visible="-1").notes == ()


def test_every_call_exists_in_the_library_and_in_the_fake(nvml: Any) -> None:
    import importlib

    del sys.modules["pynvml"]
    real = importlib.import_module("pynvml")
    source = Path(module.__file__).read_text(encoding="utf-8")
    calls = set(re.findall(r"\bnvml(?:Init|System|Device)\w*", source))
    assert len(calls) > 15
    for call in calls:
        assert hasattr(real, call)
        assert hasattr(nvml, call)
    assert real.nvmlMemory_v2 == module.MEMORY_V2
    assert (module.NVLINK, module.LINKED) == (real.NVML_P2P_CAPS_INDEX_NVLINK, real.NVML_P2P_STATUS_OK)


@pytest.mark.gpu
def test_this_machine() -> None:
    machine = probe(visible=None)
    assert machine.driver
    for device in machine.devices:
        assert device.total_memory is None or device.total_memory > GIB
