from __future__ import annotations

import pytest

from llmtune.catalog import gpus
from llmtune.cli.lint_hardware import WITHOUT_COUNT, find_hardware
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware
from llmtune.spec.span import Span
from llmtune.spec.surroundings import UNKNOWN, Fact, Surroundings, Unknown

HERE = Span("x.yaml", 1, 1, 1, 2)


def deployment(*, hidden: str = "", **sizes: Value) -> Deployment:
    settings = [Setting(name.replace("_", "-"), value) for name, value in sizes.items()]
    settings += [Setting(hidden, None, known=False)] if hidden else []
    return Deployment("org/m", tuple(settings))


def text(value: str | Unknown) -> Fact[str]:
    return Fact[str](value, HERE)


def count(value: int | Unknown) -> Fact[int]:
    return Fact[int](value, HERE)


def around(name: str | Unknown = "nvidia-l4", platform: str = "kubernetes") -> Surroundings:
    return Surroundings(platform=platform, gpu_name=text(name))


def shape(hardware: Hardware | None) -> tuple[str, int, int] | None:
    return (hardware.gpu.name, hardware.gpus_per_node, hardware.nodes) if hardware else None


@pytest.mark.parametrize(
    ("platform", "name", "gpu"),
    [
        ("kubernetes", "nvidia-l4", "l4"),
        ("kubernetes", "NVIDIA-H100-80GB-HBM3", "h100-sxm"),
        ("kubernetes", "nvidia-tesla-t4", "t4"),
        ("kubernetes", "nvidia-tesla-a100", "a100-sxm-40gb"),
        ("kubernetes", "nvidia-a100-80gb", "a100-sxm-80gb"),
        ("kubernetes", "nvidia-h100-mega-80gb", "h100-sxm"),
        ("kubernetes", "NVIDIA-A100-SXM4-80GB", "a100-sxm-80gb"),
        ("kubernetes", "NVIDIA-A100-PCIE-40GB", "a100-pcie-40gb"),
        ("kubernetes", "A100_NVLINK_80GB", "a100-sxm-80gb"),
        ("kubernetes", "AMD_Instinct_MI300X_OAM", "mi300x"),
        ("kubernetes", "nvidia-gpu-a100-40gb", "a100-sxm-40gb"),
        ("kubernetes", "amd-gpu-mi300x", "mi300x"),
        ("skypilot", "A100", "a100-sxm-40gb"),
        ("skypilot", "A100-80GB", "a100-sxm-80gb"),
        ("skypilot", "A10g", "a10g"),
        ("skypilot", "H100-MEGA", "h100-sxm"),
        ("skypilot", "V100", "v100-sxm2-16gb"),
        ("ray", "A100-40G", "a100-sxm-40gb"),
        ("ray", "AMD-Instinct-MI300X-OAM", "mi300x"),
        ("dstack", "A100 80GB", "a100-sxm-80gb"),
        # Several cards have the name, or it is a part of one, or none that is known.
        ("ray", "A100", None),
        ("dstack", "A100", None),
        ("kubernetes", "a100", None),
        ("kubernetes", "NVIDIA-GeForce-RTX-3080", None),
        ("kubernetes", "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", None),
        ("kubernetes", "NVIDIA-L4-SHARED", None),
        ("kubernetes", "cpu", None),
        ("kubernetes", "google-tpu-v5e-1x1", None),
        ("kubernetes", "our-gpu-pool", None),
    ],
)
def test_names_of_platforms(platform: str, name: str, gpu: str | None) -> None:
    found = find_hardware(deployment(), around(name, platform), None)
    assert (found.gpu.name if found else None) == gpu


def test_nothing_is_known() -> None:
    assert find_hardware(deployment(), Surroundings(), None) is None
    assert find_hardware(deployment(), Surroundings(gpus=count(2)), None) is None
    assert find_hardware(deployment(), around(UNKNOWN), None) is None
    assert find_hardware(deployment(), Surroundings(gpu_name=text("nvidia-l4"), gpus=count(0)), None) is None


def test_count_of_the_file_comes_first() -> None:
    sizes = deployment(tensor_parallel_size=4)
    name = text("nvidia-l4")
    given = Surroundings(gpu_name=name, gpus=count(2))
    assert shape(find_hardware(sizes, given, None)) == ("l4", 2, 1)
    listed = Surroundings(gpu_name=name, gpu_ids=Fact[tuple[str, ...]](("0", "3"), HERE))
    assert shape(find_hardware(sizes, listed, None)) == ("l4", 2, 1)


@pytest.mark.parametrize(
    ("sizes", "gpus_per_node"),
    [
        (deployment(), 1),
        (deployment(tensor_parallel_size=4), 4),
        (deployment(tensor_parallel_size=4, pipeline_parallel_size=2), 8),
        (deployment(tensor_parallel_size=2, data_parallel_size=3), 6),
        (deployment(hidden="tensor-parallel-size"), 1),  # at least
        (deployment(tensor_parallel_size=2, hidden="pipeline-parallel-size"), 2),
    ],
)
@pytest.mark.parametrize("gpus", [None, UNKNOWN])
def test_count_from_the_parallel_sizes(sizes: Deployment, gpus_per_node: int, gpus: Unknown | None) -> None:
    given = Surroundings(gpu_name=text("nvidia-l4"), gpus=None if gpus is None else count(gpus))
    assert shape(find_hardware(sizes, given, None)) == ("l4", gpus_per_node, 1)


def test_nodes() -> None:
    sixteen = deployment(tensor_parallel_size=8, pipeline_parallel_size=2)
    given = Surroundings(gpu_name=text("nvidia-l4"), nodes=count(2))
    assert shape(find_hardware(sixteen, given, None)) == ("l4", 8, 2)
    said = deployment(tensor_parallel_size=8, pipeline_parallel_size=2, nnodes=2)
    assert shape(find_hardware(said, around(), None)) == ("l4", 8, 2)
    hidden = Surroundings(gpu_name=text("nvidia-l4"), nodes=count(UNKNOWN))
    assert shape(find_hardware(sixteen, hidden, None)) == ("l4", 16, 1)
    eight = Surroundings(gpu_name=text("nvidia-l4"), nodes=count(UNKNOWN), gpus=count(8))
    assert shape(find_hardware(sixteen, eight, None)) == ("l4", 8, 2)
    assert shape(find_hardware(deployment(hidden="nnodes"), around(), None)) == ("l4", 1, 1)


def test_instances() -> None:
    machine = Surroundings(instance=text("a3-highgpu-8g"))
    found = find_hardware(deployment(), machine, None)
    assert shape(found) == ("h100-sxm", 8, 1)
    assert found is not None
    assert found.node_bandwidth
    part = Surroundings(instance=text("p4d.24xlarge"), gpus=count(2))
    assert shape(find_hardware(deployment(), part, None)) == ("a100-sxm-40gb", 2, 1)
    hidden = Surroundings(instance=text("p4d.24xlarge"), gpus=count(UNKNOWN))
    assert shape(find_hardware(deployment(tensor_parallel_size=4), hidden, None)) == ("a100-sxm-40gb", 4, 1)
    assert find_hardware(deployment(), Surroundings(instance=text("m5.large")), None) is None
    both = Surroundings(instance=text("unknown.large"), gpu_name=text("nvidia-l4"))
    assert shape(find_hardware(deployment(), both, None)) == ("l4", 1, 1)


def test_the_option_outranks_the_file() -> None:
    option = Hardware(gpus.load("h100-sxm"), 4, origin="option")
    assert find_hardware(deployment(), around(), option) == option


def test_the_file_says_how_many_nodes_there_are() -> None:
    option = Hardware(gpus.load("h100-sxm"), 8, origin="option")
    assert shape(find_hardware(deployment(tensor_parallel_size=16), Surroundings(), option)) == ("h100-sxm", 8, 1)
    for flags in ({"nnodes": 2}, {"distributed_executor_backend": "ray"}, {"data_parallel_address": "10.0.0.1"}):
        spread = deployment(tensor_parallel_size=16, **flags)
        assert shape(find_hardware(spread, Surroundings(), option)) == ("h100-sxm", 8, 2)


def test_an_option_without_a_count_takes_it_from_the_file() -> None:
    option = Hardware(gpus.load("h100-sxm"), 1, origin=WITHOUT_COUNT)
    assert shape(find_hardware(deployment(tensor_parallel_size=4), Surroundings(), option)) == ("h100-sxm", 4, 1)
    assert shape(find_hardware(deployment(), Surroundings(gpus=count(2)), option)) == ("h100-sxm", 2, 1)
    assert find_hardware(deployment(), Surroundings(gpus=count(0)), option) is None
