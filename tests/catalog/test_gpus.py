"""GPU look-up and the GPU files."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from llmtune.catalog import UnknownName, gpus

GIB = 2**30
KEYS = {
    *("product", "vendor", "architecture", "aliases", "total_memory", "total_memory_note", "bandwidth", "flops"),
    *("multiprocessors", "nvlink_bandwidth", "pcie_bandwidth", "integrated", "source", "date"),
}
DTYPES = {"fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4"}
# Cards of different size that report one product string.
SHARED_PRODUCTS = {"NVIDIA GeForce RTX 3080", "NVIDIA GeForce RTX 4060 Ti", "NVIDIA GeForce RTX 5060 Ti", "Orin"}

SPELLINGS = {
    "H100": "h100-sxm",
    "h100": "h100-sxm",
    " h100 ": "h100-sxm",
    "h100 80gb": "h100-sxm",
    "H100-80G": "h100-sxm",
    "H100 SXM5 80GB": "h100-sxm",
    "h100sxm": "h100-sxm",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "hopper h100": "h100-sxm",
    "H100 PCIe": "h100-pcie",
    "h100-pcie": "h100-pcie",
    "H100 80GB PCIe": "h100-pcie",
    "NVIDIA H100 PCIe": "h100-pcie",
    "H100 NVL": "h100-nvl",
    "NVIDIA H100 NVL": "h100-nvl",
    "h100 94gb": "h100-nvl",
    "H100 64GB": "h100-64gb",
    "H200": "h200-sxm",
    "NVIDIA H200": "h200-sxm",
    "h200 141 GB": "h200-sxm",
    "NVIDIA H200 NVL": "h200-nvl",
    "h800": "h800-sxm",
    "H20": "h20",
    "H20 96GB": "h20",
    "NVIDIA H20-3e": "h20-141gb",
    "h20 141gb": "h20-141gb",
    "gh200": "gh200-96gb",
    "NVIDIA GH200 480GB": "gh200-96gb",
    "GH200 120GB": "gh200-96gb",
    "NVIDIA GH200 144G HBM3e": "gh200-144gb",
    "gh200-144": "gh200-144gb",
    "B200": "b200",
    "NVIDIA B200": "b200",
    "b300": "b300",
    "NVIDIA B300 SXM6 AC": "b300",
    "GB200": "gb200",
    "gb200 nvl72": "gb200",
    "NVIDIA GB300": "gb300",
    "a100": "a100-sxm-80gb",
    "A100 80GB": "a100-sxm-80gb",
    "A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "a100-40": "a100-sxm-40gb",
    "A100-40GB": "a100-sxm-40gb",
    "A100 40G": "a100-sxm-40gb",
    "NVIDIA A100-SXM4-40GB": "a100-sxm-40gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "A100 PCIe 40GB": "a100-pcie-40gb",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "a100 pcie": "a100-pcie-80gb",
    "A800": "a800-sxm-80gb",
    "NVIDIA A800 80GB PCIe": "a800-pcie-80gb",
    "A10": "a10",
    "NVIDIA A10": "a10",
    "a10g": "a10g",
    "A16": "a16",
    "a2": "a2",
    "A30": "a30",
    "A40": "a40",
    "L4": "l4",
    "nvidia-l4": "l4",
    "l40": "l40",
    "L40S": "l40s",
    "l40s 48gb": "l40s",
    "T4": "t4",
    "Tesla T4": "t4",
    "NVIDIA T4": "t4",
    "V100": "v100-sxm2-16gb",
    "V100 32GB": "v100-sxm2-32gb",
    "Tesla V100-PCIE-32GB": "v100-pcie-32gb",
    "p100": "p100-pcie-16gb",
    "RTX PRO 6000": "rtx-pro-6000-blackwell-workstation",
    "rtx pro 6000 blackwell": "rtx-pro-6000-blackwell-workstation",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx-pro-6000-blackwell-server",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "rtx-pro-6000-blackwell-max-q",
    "NVIDIA RTX PRO 4500 Blackwell": "rtx-pro-4500-blackwell",
    "rtx pro 5000 72gb": "rtx-pro-5000-blackwell-72gb",
    "RTX 6000 Ada": "rtx-6000-ada",
    "NVIDIA RTX 6000 Ada Generation": "rtx-6000-ada",
    "A6000": "rtx-a6000",
    "NVIDIA RTX A6000": "rtx-a6000",
    "rtx4090": "rtx-4090",
    "RTX 4090": "rtx-4090",
    "4090": "rtx-4090",
    "GeForce RTX 4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090 D": "rtx-4090-d",
    "4090d": "rtx-4090-d",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "rtx-4090-laptop",
    "rtx4070tisuper": "rtx-4070-ti-super",
    "5070 Ti": "rtx-5070-ti",
    "rtx 5090": "rtx-5090",
    "3090ti": "rtx-3090-ti",
    "RTX 3080": "rtx-3080-10gb",
    "RTX 3080 12GB": "rtx-3080-12gb",
    "4060 Ti": "rtx-4060-ti-8gb",
    "4060 ti 16gb": "rtx-4060-ti-16gb",
    "DGX Spark": "gb10",
    "NVIDIA GB10": "gb10",
    "Jetson AGX Orin 32GB": "jetson-agx-orin-32gb",
    "jetson agx orin": "jetson-agx-orin-64gb",
    "Thor": "jetson-agx-thor",
    "MI300X": "mi300x",
    "AMD Instinct MI300X": "mi300x",
    "mi300x 192gb": "mi300x",
    "mi355x": "mi355x",
    "AMD Instinct MI250X": "mi250x",
    "7900 XTX": "rx-7900-xtx",
    "rx7900xtx": "rx-7900-xtx",
    "AMD Radeon RX 7900 XTX": "rx-7900-xtx",
    "R9700": "radeon-ai-pro-r9700",
}
NOT_GPUS = [
    *("", " ", "nvidia", "80gb", "h1", "h10", "h1000", "a1", "a1000", "a100-64gb", "a100 96gb", "h100 96gb", "h200-40"),
    *(
        "l4s",
        "40s",
        "5090 d",
        "gtx 4090",
        "rtx 6000",
        "4090 48gb",
        "mi300z",
        "h100 a100",
        "../gpus/h100-sxm",
        "h100 x8",
    ),
]


@pytest.mark.parametrize(("text", "name"), SPELLINGS.items())
def test_find_understands(text: str, name: str) -> None:
    """People and drivers write one GPU in many ways."""
    assert gpus.find(text).name == name


@pytest.mark.parametrize("text", NOT_GPUS)
def test_find_never_guesses(text: str) -> None:
    """Part of a name, or a name with a foreign word, is no name."""
    with pytest.raises(UnknownName):
        gpus.find(text)


@pytest.mark.parametrize("name", gpus.names())
def test_own_spellings_lead_home(name: str) -> None:
    """Name, aliases and product lead back to the GPU, in any case; a product of several sizes does with its size."""
    gpu = gpus.load(name)
    for text in (name, name.upper(), name.replace("-", " "), *gpu.aliases):
        assert gpus.find(text).name == name, text
    assert gpus.find(gpu.product, total_memory=gpu.total_memory).name == name
    if gpu.product not in SHARED_PRODUCTS:
        assert gpus.find(gpu.product).name == name


def test_shared_product_without_size_means_the_smallest() -> None:
    """No plan may count on memory that is not there."""
    assert gpus.find("NVIDIA GeForce RTX 3080").name == "rtx-3080-10gb"
    assert gpus.find("NVIDIA GeForce RTX 3080", total_memory=12 * GIB).name == "rtx-3080-12gb"
    assert gpus.find("Orin", total_memory=61 * GIB).name == "jetson-agx-orin-64gb"


def test_unknown_name_suggests() -> None:
    """The message is one line that says what to do."""
    with pytest.raises(UnknownName) as caught:
        gpus.find("h10")
    assert str(caught.value) == "unknown GPU 'h10'. Did you mean 'h100-sxm'? See: llmtune list gpus"
    assert (caught.value.kind, caught.value.text, caught.value.suggestions[0]) == ("GPU", "h10", "h100-sxm")
    assert isinstance(caught.value, ValueError)


def test_unknown_name_without_anything_close() -> None:
    """No suggestion is better than a random one."""
    with pytest.raises(UnknownName) as caught:
        gpus.find("qqqqqqqq")
    assert str(caught.value) == "unknown GPU 'qqqqqqqq'. See: llmtune list gpus"


def test_there_are_many() -> None:
    """The catalogue covers what people serve on."""
    assert len(gpus.names()) >= 55
    assert list(gpus.names()) == sorted(gpus.names())


@pytest.mark.parametrize("name", gpus.names())
def test_file(name: str) -> None:
    """Keys, units and plausibility of one file."""
    data = json.loads((gpus.DATA / f"{name}.json").read_text(encoding="utf-8"))
    model = "compute_capability" if data["vendor"] == "nvidia" else "gfx"
    assert set(data) - {"coherent", "bridge_bandwidth", "peer_to_peer"} == KEYS | {model}
    assert re.fullmatch(gpus.NAME, name)
    assert data["vendor"] in {"nvidia", "amd"}
    assert re.match(r"(measured|derived): .{10,}", data["total_memory_note"])
    assert data["source"]
    assert all(isinstance(source, str) and source for source in data["source"])
    assert re.fullmatch(r"\d{4}-\d{2}", data["date"])
    assert set(data["flops"]) <= DTYPES
    assert all(1e12 < rate < 3e16 for rate in data["flops"].values())
    assert data["bandwidth"] is None or 1e11 < data["bandwidth"] < 2e13
    assert data["nvlink_bandwidth"] is None or 5e10 <= data["nvlink_bandwidth"] <= 2e12
    assert 5e10 <= data.get("bridge_bandwidth", 1e11) <= 6e11
    assert data["nvlink_bandwidth"] is None or "bridge_bandwidth" not in data
    assert data["pcie_bandwidth"] is None or 1e10 < data["pcie_bandwidth"] <= 2e11
    assert 1 <= data["multiprocessors"] <= 512


@pytest.mark.parametrize("name", gpus.names())
def test_total_memory_is_not_the_number_on_the_box(name: str) -> None:
    """What the runtime reports is less than the box says, but not by much."""
    gpu = gpus.load(name)
    boxes = [int(size) for text in (name, *gpu.aliases) for size in re.findall(r"-(\d+)gb", text)]
    assert boxes, "an alias must state the size"
    assert isinstance(gpu.total_memory, int)
    assert 0.88 * min(boxes) < gpu.total_memory / GIB < min(boxes)


@pytest.mark.parametrize("name", gpus.names())
def test_rates_follow_the_architecture(name: str) -> None:
    """A dtype is listed where the hardware has it, and narrower ones are not slower."""
    gpu = gpus.load(name)
    capability = gpu.compute_capability
    if not gpu.flops:
        pytest.skip("rates not published")
    if capability is not None:
        assert ("bf16" in gpu.flops) == (capability >= (8, 0))
        assert ("fp8" in gpu.flops) == (capability >= (8, 9))
        assert ("fp4" in gpu.flops) == (capability >= (10, 0))
        assert gpu.gfx is None
    else:
        assert gpu.gfx is not None
    rates = [gpu.flops[dtype] for dtype in ("fp32", "tf32", "fp16", "fp8", "fp4") if dtype in gpu.flops]
    assert rates == sorted(rates)


def test_no_spelling_belongs_to_two() -> None:
    """Look-up must not depend on the order of files."""
    owners: dict[frozenset[str], str] = {}
    for name in gpus.names():
        gpu = gpus.load(name)
        for text in (name, *gpu.aliases):
            assert owners.setdefault(gpus._words(text), name) == name, text


def test_gpu_is_hashable() -> None:
    """Caches key on it."""
    assert hash(gpus.find("l4")) == hash(gpus.load("l4"))


def test_look_up_stays_light() -> None:
    """Neither parsers nor difflib are imported to find a GPU."""
    code = (
        "import sys; from llmtune.catalog import gpus; gpus.find('NVIDIA L4'); "
        "print(sorted({'pydantic', 'yaml', 'rich', 'difflib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
