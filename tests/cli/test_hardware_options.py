"""Hardware from options and from this machine, and the detect command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.catalog import UnknownName, gpus
from llmtune.cli.detect import run
from llmtune.cli.errors import UserError
from llmtune.cli.hardware import from_options, read_size
from llmtune.probes import nvml as probe_module

if TYPE_CHECKING:
    from pathlib import Path

MIB, GIB = 2**20, 2**30
H100 = "NVIDIA H100 80GB HBM3"
A100 = "NVIDIA A100-SXM4-40GB"


def h100s(nvml: Any, count: int, **facts: Any) -> None:
    """GPUs that NVLink joins."""
    for index in range(count):
        nvml.add(H100, 81559, nvlink=[other for other in range(count) if other != index], **facts)


def test_gpu_by_name() -> None:
    hardware, notes = from_options(gpu="H100", gpus=8)
    assert (hardware.gpu.name, hardware.gpus_per_node, hardware.nodes) == ("h100-sxm", 8, 1)
    assert hardware.free_memory is None
    assert notes == ()
    assert from_options(gpu="l4")[0].gpus == 1


def test_nodes_and_their_network() -> None:
    hardware, notes = from_options(gpu="h100", gpus=8, nodes=2)
    assert hardware.gpus == 16
    assert notes == ("the network between the nodes is not known; --instance names a machine with its network",)
    hardware, notes = from_options(instance="p5.48xlarge", nodes=2)
    assert (hardware.gpus, hardware.node_bandwidth, notes) == (16, 400_000_000_000, ())


def test_part_of_an_instance() -> None:
    hardware, notes = from_options(instance="ml.p5.48xlarge", gpus=4, gpu="h100")
    assert (hardware.gpu.name, hardware.gpus) == ("h100-sxm", 4)
    assert notes == ("4 of the 8 GPUs of p5.48xlarge",)


def test_memory_override() -> None:
    hardware, notes = from_options(gpu="h100", gpu_memory="79.1GiB", free_memory="70 GiB")
    assert hardware.gpu.total_memory == int(79.1 * GIB)
    assert hardware.free_memory == 70 * GIB
    assert notes == ("--gpu-memory: 79.10 GiB instead of 79.19 GiB, taken as what CUDA reports",)


@pytest.mark.parametrize("gpu", [None, "auto", "AUTO", "rtx 9999"])
def test_described_gpu(gpu: str | None) -> None:
    hardware, notes = from_options(gpu=gpu, gpus=2, gpu_memory="47.5GiB", compute_capability="8.9")
    found = hardware.gpu
    assert found.total_memory == int(47.5 * GIB)
    assert (found.compute_capability, found.architecture) == ((8, 9), "ada")
    assert (found.bandwidth, found.flops) == (None, {})
    assert hardware.gpus == 2
    (note,) = notes
    assert note == f"'{found.name}' is described by options: its bandwidth and speed are not known"


SIZES = {
    "79.2GiB": int(79.2 * GIB),
    "80GB": 80 * 10**9,
    "80 gb": 80 * 10**9,
    "81089MiB": 81089 * MIB,
    "81089 mib": 81089 * MIB,
    "85027979264": 85027979264,
    "85027979264B": 85027979264,
    "1GiB": GIB,
    "4TiB": 2**42,
}


@pytest.mark.parametrize(("text", "size"), SIZES.items())
def test_sizes(text: str, size: int) -> None:
    assert read_size("--gpu-memory", text) == size


@pytest.mark.parametrize(
    "text", ["", "GiB", "-80GiB", "80G", "80 gigs", "1e3GiB", "nan", "1GB", "5TiB", "0", "9" * 40, "80,5GiB", "٣GiB"]
)
def test_no_sizes(text: str) -> None:
    with pytest.raises(UserError, match=r"^--gpu-memory '") as caught:
        read_size("--gpu-memory", text)
    assert "\n" not in str(caught.value)


def test_bare_numbers_are_bytes() -> None:
    with pytest.raises(UserError, match=r"did you mean 80GiB\?"):
        read_size("--gpu-memory", "80")


MISTAKES = {
    "--gpus 0": {"gpu": "h100", "gpus": 0},
    "--nodes -1": {"gpu": "h100", "nodes": -1},
    "--gpus 5000": {"gpu": "h100", "gpus": 5000},
    "--instance p5.48xlarge has h100-sxm, not 'l4'": {"instance": "p5.48xlarge", "gpu": "l4"},
    "--instance p5.48xlarge has 8 GPUs, not 16": {"instance": "p5.48xlarge", "gpus": 16},
    "--compute-capability 8.0: h100-sxm has 9.0": {"gpu": "h100", "compute_capability": "8.0"},
    "--compute-capability 8.9: mi300x has none": {"gpu": "mi300x", "compute_capability": "8.9"},
    "--compute-capability 'sm_89'": {"gpu": "h100", "compute_capability": "sm_89"},
    "--compute-capability '99.0'": {"gpu": "h100", "compute_capability": "99.0"},
    "--free-memory 79.50 GiB is more": {"gpu": "h100", "free_memory": "79.5GiB"},
    "--free-memory 'lots'": {"gpu": "h100", "free_memory": "lots"},
    "unknown GPU 'rtx 9999'.": {"gpu": "rtx 9999", "gpu_memory": "48GiB"},
}


@pytest.mark.parametrize(("start", "options"), MISTAKES.items())
def test_mistakes_are_one_line(start: str, options: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        from_options(**options)
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'h100"):
        from_options(gpu="h10")
    with pytest.raises(UnknownName, match="list instances"):
        from_options(instance="p5.48xlarg")


def test_auto_takes_the_catalogs_total(nvml: Any) -> None:
    h100s(nvml, 8)
    hardware, notes = from_options()
    assert hardware.gpu == gpus.load("h100-sxm")
    assert hardware.gpus == 8
    assert hardware.free_memory == hardware.gpu.total_memory
    assert hardware.origin == "NVML, driver 570.86.15"
    assert not hardware.shared_with_display
    assert notes == ()


def test_auto_counts(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    h100s(nvml, 4)
    assert from_options(gpus=2)[0].gpus == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    assert from_options()[0].gpus == 2
    with pytest.raises(UserError, match="--gpus 4, but a CUDA program sees 2 of this machine's 4 devices"):
        from_options(gpus=4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES leaves no GPU"):
        from_options()


def test_auto_says_who_holds_memory(nvml: Any) -> None:
    nvml.names = {5: "VLLM::EngineCore"}
    h100s(nvml, 2)
    nvml.gpus[1].update(used=40960, compute=[(5, 30720), (6, 1024), (7, 1024), (8, None)], display=1)
    hardware, notes = from_options(nodes=2)
    assert hardware.free_memory == (81559 - 470 - 40960) * MIB
    assert hardware.shared_with_display
    assert notes[0] == (
        "GPU 1: 39.2 GiB free; processes: VLLM::EngineCore (pid 5) 30.0 GiB, a process (pid 6) 1.0 GiB, "
        "a process (pid 7) 1.0 GiB and 1 more"
    )
    assert notes[-1] == "all 2 nodes are taken to be like this one"
    assert from_options(free_memory="79GiB")[0].free_memory == 79 * GIB


def test_auto_without_free_memory(nvml: Any) -> None:
    h100s(nvml, 1)
    nvml.fail = {"nvmlDeviceGetMemoryInfo": 999}
    hardware, notes = from_options()
    assert (hardware.gpu.name, hardware.free_memory) == ("h100-sxm", None)
    assert notes == (
        f"NVML does not tell the memory of {H100}; the catalog's figure is used",
        "NVML does not tell how much memory is free: planned as if all were",
    )


def test_auto_with_a_board_of_another_size(nvml: Any) -> None:
    nvml.add("NVIDIA A10", 24564, reserved=441, capability=(8, 6), ecc=[0, 0], pcie=(4, 4, 16, 16))
    hardware, notes = from_options()
    assert (hardware.gpu.name, hardware.gpu.total_memory) == ("a10", 24123 * MIB)
    assert notes == (
        "NVIDIA A10 shows 23.99 GiB with ECC off, which is not the board of the catalog (22.06 GiB in CUDA): "
        "planned with 23.56 GiB",
    )


def test_auto_tells_sizes_of_one_name_apart(nvml: Any) -> None:
    nvml.add("NVIDIA GeForce RTX 3080", 12288, capability=(8, 6), ecc=None, pcie=(4, 4, 16, 16))
    assert from_options()[0].gpu.name == "rtx-3080-12gb"


def test_auto_with_an_unknown_gpu(nvml: Any) -> None:
    nvml.add("NVIDIA RTX 9999", 49152, reserved=600, capability=(14, 0))
    hardware, notes = from_options()
    assert (hardware.gpu.name, hardware.gpu.total_memory) == ("NVIDIA RTX 9999", 48552 * MIB)
    assert notes == (
        "'NVIDIA RTX 9999' is not in the catalog: speed is not known, 47.41 GiB is derived "
        "(NVML less what the driver reserves)",
    )
    nvml.fail = {"v2": 13}
    bound, notes = from_options()
    assert bound.gpu.total_memory == 49152 * MIB - 640 * MIB - int(49152 * MIB * 0.005)
    assert "(NVML less a bound)" in notes[0]


def test_auto_with_an_unknown_gpu_and_holes(nvml: Any) -> None:
    nvml.add("NVIDIA RTX 9999", 49152, capability=None)
    nvml.fail = {"nvmlDeviceGetMemoryInfo": 999}
    with pytest.raises(UserError, match=r"add --gpu-memory$"):
        from_options()
    with pytest.raises(UserError, match=r"add --compute-capability$"):
        from_options(gpu_memory="47GiB")
    nvml.fail = {}
    assert from_options(compute_capability="14.0")[0].gpu.compute_capability == (14, 0)


def test_the_bound_on_what_drivers_keep_back_covers_what_was_seen() -> None:
    from llmtune.cli.found_hardware import KEPT_BACK, KEPT_BACK_SHARE

    for total, kept in ((11264, 439), (15360, 451), (46068, 611), (81920, 882), (97871, 1103), (284208, 1072)):
        assert kept * MIB <= KEPT_BACK + KEPT_BACK_SHARE * total * MIB


def test_auto_with_mixed_gpus(nvml: Any) -> None:
    nvml.add("NVIDIA GeForce RTX 3090", 24576, capability=(8, 6), pcie=(4, 4, 16, 16), display=1)
    nvml.add("NVIDIA GeForce RTX 5080", 16303, capability=(12, 0))
    hardware, notes = from_options()
    assert (hardware.gpu.name, hardware.gpus) == ("rtx-5080", 2)
    assert notes[0] == (
        "mixed GPUs (1 x NVIDIA GeForce RTX 3090, 1 x NVIDIA GeForce RTX 5080): "
        "planned as 2 x NVIDIA GeForce RTX 5080, the one with the least memory"
    )
    assert notes[1].startswith("NVIDIA GeForce RTX 3090 has a lower compute capability than NVIDIA GeForce RTX 5080")
    assert not any("CUDA_DEVICE_ORDER" in note for note in notes)


def test_device_order_matters_when_numbers_choose(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add("NVIDIA GeForce RTX 3090", 24576, capability=(8, 6))
    nvml.add("NVIDIA GeForce RTX 5080", 16303, capability=(12, 0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert any("only with CUDA_DEVICE_ORDER=PCI_BUS_ID" in note for note in from_options()[1])
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert not any("CUDA_DEVICE_ORDER" in note for note in from_options()[1])


def test_auto_with_mig(nvml: Any) -> None:
    nvml.add(A100, 40960, capability=(8, 0), mig=[("3g.20gb", 19968, 42)], pcie=(4, 4, 16, 16))
    hardware, notes = from_options()
    board, part = gpus.load("a100-sxm-40gb"), hardware.gpu
    assert (part.name, part.total_memory, hardware.gpus) == ("a100-sxm-40gb-mig-3g.20gb", 19968 * MIB, 1)
    assert board.bandwidth is not None
    assert part.bandwidth == board.bandwidth // 2
    assert part.flops["bf16"] == board.flops["bf16"] * 42 / 108
    assert (part.multiprocessors, part.nvlink_bandwidth) == (42, None)
    assert hardware.free_memory == part.total_memory
    assert notes == ("MIG 3g.20gb is taken as 50.0% of the GPU's bandwidth and 38.9% of its speed",)


def test_auto_with_mig_of_an_unknown_gpu(nvml: Any) -> None:
    nvml.add("NVIDIA X1000", 99999, mig=[("1g.12gb", 12000, 16)])
    hardware, notes = from_options()
    assert hardware.gpu.name == "NVIDIA X1000 MIG 1g.12gb"
    assert notes[0].endswith("11.72 GiB is derived (as NVML says)")


def test_auto_with_unified_memory(nvml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       127600748 kB\nMemAvailable:   100000000 kB\n")
    monkeypatch.setattr(probe_module, "MEMINFO", tmp_path / "meminfo")
    nvml.add("NVIDIA GB10", 0, capability=(12, 1))
    nvml.fail = {"nvmlDeviceGetMemoryInfo": 3}
    hardware, notes = from_options()
    assert (hardware.gpu.name, hardware.gpu.integrated) == ("gb10", True)
    assert (hardware.gpu.total_memory, hardware.free_memory) == (127600748 << 10, 100000000 << 10)
    assert notes[-1] == "GPU 0: 95.4 GiB free; the system and its programs hold the rest"


@pytest.mark.parametrize("fail", [{}, {"nvmlDeviceGetP2PStatus": 3}])
def test_auto_without_nvlink(nvml: Any, fail: dict[str, int]) -> None:
    nvml.add(H100, 81559)
    nvml.add(H100, 81559)
    nvml.fail = fail
    hardware, notes = from_options()
    assert hardware.gpu.nvlink_bandwidth is None
    assert notes == ("NVML shows no NVLink between GPU 0 and GPU 1: planned without NVLink",)


@pytest.mark.parametrize(("peers", "bandwidth"), [((1, 0), 112_500_000_000), ((), None)])
def test_auto_counts_on_a_bridge_only_where_nvml_sees_one(nvml: Any, peers: tuple[int, ...], bandwidth: object) -> None:
    for index in range(2):
        nvml.add("NVIDIA GeForce RTX 3090", 24576, capability=(8, 6), nvlink=peers[index : index + 1])
    hardware, notes = from_options()
    assert (hardware.gpu.nvlink_bandwidth, notes) == (bandwidth, ())
    assert gpus.load("rtx-3090").nvlink_bandwidth is None


def test_auto_with_a_narrow_slot(nvml: Any) -> None:
    nvml.add(H100, 81559, pcie=(1, 4, 8, 16))
    hardware, notes = from_options()
    assert hardware.gpu.pcie_bandwidth == 16_000_000_000
    assert notes == ("PCIe runs at generation 4 x8, 25% of what the GPU can do",)


def test_auto_without_a_driver(nvml: Any) -> None:
    nvml.fail = {"nvmlInit": 12}
    with pytest.raises(UserError, match=r"^no NVIDIA driver on this machine .* --gpu"):
        from_options()


def test_detect_text(nvml: Any) -> None:
    nvml.names = {5: "VLLM::EngineCore"}
    h100s(nvml, 2)
    nvml.gpus[1].update(used=40960, compute=[(5, 30720)], pcie=(5, 5, 8, 16))
    text, code = run("text")
    assert code == 0
    assert text == (
        "NVIDIA driver 570.86.15, CUDA up to 12.8\n"
        "\n"
        "GPU  name                                 total      free  cap.  ECC  PCIe\n"
        "0    H100 80GB HBM3                    79.6 GiB  79.2 GiB  9.0   on   5 x16\n"
        "1    H100 80GB HBM3                    79.6 GiB  39.2 GiB  9.0   on   5 x8/16\n"
        "\n"
        "NVLink      all pairs\n"
        "in use      GPU 1: VLLM::EngineCore (pid 5), 30.0 GiB\n"
        "planned as  2 x h100-sxm, 79.19 GiB each as CUDA reports it, 39.19 GiB free on\n"
        "            the fullest\n"
        "note: PCIe runs at generation 5 x8, 50% of what the GPU can do\n"
        "note: GPU 1: 39.2 GiB free; processes: VLLM::EngineCore (pid 5) 30.0 GiB\n"
    )


def test_detect_text_fits_80_columns(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 97887, compute=[(1, None)], pcie=(5, 5, 8, 16))
    nvml.add(A100, 40960, mig=[("1g.5gb", 4864, 14)] * 7)
    nvml.add("NVIDIA X", 9999, capability=None, nvlink=(0,))
    nvml.fail = {"nvmlSystemGetDriverVersion": 999}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0,5")
    text, code = run("text")
    assert code == 0
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "visible     2, 0\n" in text
    assert "note: 'NVIDIA X' is not in the catalog and NVML does not tell more" in text
    assert "planned as" not in text


def test_detect_json(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    h100s(nvml, 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    text, code = run("json")
    document = json.loads(text)
    assert (code, document["schema"], document["driver"], document["notes"]) == (0, "llmtune/detect/1", "570.86.15", [])
    assert [device["cuda_index"] for device in document["devices"]] == [None, 0]
    assert document["devices"][0]["nvlink"] == [1]
    assert document["devices"][0]["mig"] is None
    assert document["hardware"]["gpu"] == "h100-sxm"
    assert document["hardware"]["gpus_per_node"] == 1


def test_detect_json_of_mig(nvml: Any) -> None:
    nvml.add(A100, 40960, mig=[("3g.20gb", 19968, 42)])
    (device,) = json.loads(run("json")[0])["devices"]
    assert device["mig"] == {"profile": "3g.20gb", "instance": 0, "parent_uuid": "GPU-00aa-0"}


def test_detect_without_a_driver(nvml: Any) -> None:
    nvml.fail = {"nvmlInit": 9}
    text, code = run("text")
    assert code == 2
    assert text.startswith("error: the NVIDIA driver is not loaded")
    assert text.count("\n") == 1
    text, code = run("json")
    document = json.loads(text)
    assert (code, document["hardware"], document["devices"]) == (2, None, [])
    assert document["error"].startswith("the NVIDIA driver is not loaded")


def test_detect_format() -> None:
    with pytest.raises(UserError, match="--format 'xml' is not one of text, json"):
        run("xml")
