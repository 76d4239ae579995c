"""Cloud machine look-up and the machine files."""

from __future__ import annotations

import json
import re

import pytest

from llmtune.catalog import UnknownName, gpus, instances
from llmtune.spec.hardware import Hardware

SPELLINGS = {
    "p5.48xlarge": "p5.48xlarge",
    "P5.48xlarge": "p5.48xlarge",
    "ml.p5.48xlarge": "p5.48xlarge",
    " g6e.xlarge ": "g6e.xlarge",
    "g5.2xlarge": "g5.2xlarge",
    "a3-highgpu-8g": "a3-highgpu-8g",
    "a3 highgpu 8g": "a3-highgpu-8g",
    "g2-standard-4": "g2-standard-4",
    "Standard_ND96isr_H100_v5": "standard_nd96isr_h100_v5",
    "ND96isr_H100_v5": "standard_nd96isr_h100_v5",
    "ND96isr H100 v5": "standard_nd96isr_h100_v5",
    "NC24ads A100 v4": "standard_nc24ads_a100_v4",
    "BM.GPU.H100.8": "bm.gpu.h100.8",
    "VM.GPU.A10.2": "vm.gpu.a10.2",
    "BM.GPU.A100-v2.8": "bm.gpu.a100-v2.8",
    "gpu_8x_h100_sxm5": "gpu_8x_h100_sxm5",
    "gpu_1x_gh200": "gpu_1x_gh200",
}


@pytest.mark.parametrize(("text", "name"), SPELLINGS.items())
def test_find_understands(text: str, name: str) -> None:
    """Case, separators and the clouds' prefixes do not matter."""
    assert instances.find(text).name == name


@pytest.mark.parametrize(
    "text", ["", "p5", "p5.48", "g52xlarge", "xlarge", "../instances/p5.48xlarge", "ml.", "standard_"]
)
def test_find_never_guesses(text: str) -> None:
    """Part of a name is no name."""
    with pytest.raises(UnknownName):
        instances.find(text)


def test_unknown_name_suggests() -> None:
    """The message is one line that says what to do."""
    with pytest.raises(
        UnknownName, match=r"^unknown instance 'p5\.48xlrge'\. Did you mean 'p5\.48xlarge'\? See: "
    ) as caught:
        instances.find("p5.48xlrge")
    assert str(caught.value).endswith("See: llmtune list instances")


def test_there_are_many() -> None:
    """All five clouds are there."""
    assert len(instances.names()) >= 45
    clouds = {instances.load(name).cloud for name in instances.names()}
    assert clouds == {"aws", "gcp", "azure", "oci", "lambda"}


@pytest.mark.parametrize("name", instances.names())
def test_file(name: str) -> None:
    """Keys, units and plausibility of one file; its GPU is a canonical name of the catalogue."""
    data = json.loads((instances.DATA / f"{name}.json").read_text(encoding="utf-8"))
    assert set(data) == {"cloud", "gpu", "gpus", "fabric_bandwidth", "source", "date"}
    assert re.fullmatch(instances.NAME, name)
    assert data["gpu"] in gpus.names()
    assert data["gpus"] in {1, 2, 4, 8, 16}
    assert data["fabric_bandwidth"] is None or 1e9 <= data["fabric_bandwidth"] <= 1e12
    assert all(isinstance(source, str) and source for source in data["source"])
    assert data["source"]
    assert re.fullmatch(r"\d{4}-\d{2}", data["date"])
    assert instances.find(name.upper()).name == name


def test_number_in_the_name_is_the_number_of_gpus() -> None:
    """Names that state their GPUs must agree with the file."""
    for name in instances.names():
        stated = re.search(r"^gpu_(\d+)x|gpu-(\d+)g$|^[bv]m\.gpu.*\.(\d+)$", name)
        if stated:
            assert instances.load(name).gpus == int(next(filter(None, stated.groups()))), name


def test_hardware_counts_gpus() -> None:
    """GPUs of all nodes."""
    assert Hardware(gpus.find("h100"), gpus_per_node=8, nodes=2).gpus == 16
