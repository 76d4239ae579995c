"""What several test modules share: an NVML without GPUs behind it."""

from __future__ import annotations

import sys
import time
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 2**20


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option: write the expected texts of tests/cases anew instead of comparing with them."""
    parser.addoption("--update-goldens", action="store_true", help="write tests/cases/*/*.expected.txt anew")


class FakeNvml(ModuleType):
    """Stands in for ``pynvml``. ``fail`` maps a function, or (function, GPU), to the code it returns."""

    class NVMLError(Exception):
        def __init__(self, value: int) -> None:
            super().__init__(f"code {value}")
            self.value = value

    class NVMLLibraryMismatchError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.gpus: list[dict[str, Any]] = []
        self.fail: dict[Any, int] = {}
        self.hang: set[str] = set()
        self.driver, self.cuda = "570.86.15", 12080
        self.names: dict[int, str] = {}

    def add(self, name: str, total_mib: int, **facts: Any) -> dict[str, Any]:
        """One more GPU; sizes are in MiB. ``mig`` lists the instances of a GPU that is cut up."""
        index = len(self.gpus)
        gpu = {
            "gpu": index, "name": name, "uuid": f"GPU-{index}{index}aa-{index}", "total": total_mib, "reserved": 470,
            "used": 0, "capability": (9, 0), "ecc": [1, 1], "display": 0, "pcie": (5, 5, 16, 16), "nvlink": (),
            "compute": (), "graphics": (), "mig": None, "attributes": None, **facts,
        }  # fmt: skip
        self.gpus.append(gpu)
        return gpu

    def __getattr__(self, name: str) -> Any:
        answer = vars(type(self)).get(f"_{name}")
        if answer is None:
            raise AttributeError(name)

        def call(*arguments: Any, **options: Any) -> Any:
            if name in self.hang:
                time.sleep(60)
            first = arguments[0] if arguments else None
            which = first["gpu"] if isinstance(first, dict) else first
            code = self.fail.get((name, which), self.fail.get(name))
            if code == -1:
                raise self.NVMLLibraryMismatchError
            if code:
                raise self.NVMLError(code)
            return answer(self, *arguments, **options)

        return call

    def _nvmlInit(self) -> None: ...  # noqa: N802 - NVML's names, here and below

    def _nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def _nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        return self.gpus[index]

    def _nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return self.driver

    def _nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        return self.cuda

    def _nvmlSystemGetProcessName(self, pid: int) -> str:  # noqa: N802
        if pid not in self.names:
            raise self.NVMLError(6)
        return self.names[pid]

    def _nvmlDeviceGetName(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["name"]

    def _nvmlDeviceGetUUID(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["uuid"]

    def _nvmlDeviceGetMemoryInfo(self, gpu: dict[str, Any], version: int | None = None) -> Any:  # noqa: N802
        if version and "v2" in self.fail:
            raise self.NVMLError(self.fail["v2"])
        reserved = gpu["reserved"]
        free = gpu["total"] - reserved - gpu["used"]
        info = SimpleNamespace(total=gpu["total"] * MIB, free=free * MIB)
        if version:
            info.reserved = reserved * MIB
        return info

    def _nvmlDeviceGetCudaComputeCapability(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["capability"]

    def _nvmlDeviceGetEccMode(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["ecc"]

    def _nvmlDeviceGetDisplayActive(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["display"]

    def _nvmlDeviceGetCurrPcieLinkGeneration(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["pcie"][0]

    def _nvmlDeviceGetMaxPcieLinkGeneration(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["pcie"][1]

    def _nvmlDeviceGetCurrPcieLinkWidth(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["pcie"][2]

    def _nvmlDeviceGetMaxPcieLinkWidth(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["pcie"][3]

    def _nvmlDeviceGetP2PStatus(self, one: dict[str, Any], other: dict[str, Any], kind: int) -> int:  # noqa: N802
        assert kind == 2
        return 0 if other["gpu"] in one["nvlink"] else 5

    def _nvmlDeviceGetComputeRunningProcesses(self, gpu: dict[str, Any]) -> list[Any]:  # noqa: N802
        return [_process(*entry) for entry in gpu["compute"]]

    def _nvmlDeviceGetGraphicsRunningProcesses(self, gpu: dict[str, Any]) -> list[Any]:  # noqa: N802
        return [_process(*entry) for entry in gpu["graphics"]]

    def _nvmlDeviceGetMigMode(self, gpu: dict[str, Any]) -> list[int]:  # noqa: N802
        return [int(gpu["mig"] is not None)] * 2

    def _nvmlDeviceGetMaxMigDeviceCount(self, _: dict[str, Any]) -> int:  # noqa: N802
        return 7

    def _nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: dict[str, Any], index: int) -> Any:  # noqa: N802
        if index >= len(gpu["mig"]):
            raise self.NVMLError(6)
        profile, total, processors = gpu["mig"][index]
        uuid = f"MIG-{gpu['gpu']}{index}bb-{index}"
        attributes = SimpleNamespace(
            multiprocessorCount=processors, gpuInstanceSliceCount=int(profile[0]), memorySizeMB=total
        )
        name = f"{gpu['name']} MIG {profile}"
        return {**gpu, "name": name, "uuid": uuid, "total": total, "reserved": 0, "attributes": attributes}

    def _nvmlDeviceGetAttributes(self, gpu: dict[str, Any]) -> Any:  # noqa: N802
        return gpu["attributes"]


def _process(pid: int, mib: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=None if mib is None else mib * MIB)


@pytest.fixture(scope="session", autouse=True)
def no_records_of_the_user() -> Iterator[None]:
    """Measured start-ups of whoever runs the tests must not change what they expect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", "/nowhere")
        yield


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """An NVML that works and has no GPUs yet; CUDA's variables are not set."""
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    return fake
