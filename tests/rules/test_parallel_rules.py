"""Rules about parallel sizes, GPUs and nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.rules.conftest import Found

SEVEN = "vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 8192"  # 28 heads, 4 KV heads
COMPOSE = """
services:
  chat:
    image: vllm/vllm-openai:v0.33.0
    command: {command}
    environment: {variables}
    deploy: {{resources: {{reservations: {{devices: [{{driver: nvidia, {gpus}, capabilities: [gpu]}}]}}}}}}
"""
GROUP = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: vllm}}
spec:
  leaderWorkerTemplate:
    size: {size}
    leaderTemplate:
      spec:
        containers:
          - name: vllm
            image: vllm/vllm-openai:v0.33.0
            command: [sh, -c, "{before}vllm serve Qwen/Qwen2.5-72B-Instruct --max-model-len 8192 {arguments}"]
            resources: {{limits: {{nvidia.com/gpu: "{gpus}"}}}}
    workerTemplate:
      spec:
        containers:
          - name: worker
            image: vllm/vllm-openai:v0.33.0
            command: [sh, -c, "ray start --block"]
            resources: {{limits: {{nvidia.com/gpu: "{gpus}"}}}}
"""


def compose(command: str, gpus: str, variables: str = "{}") -> str:
    return COMPOSE.format(command=command, gpus=gpus, variables=variables)


@pytest.mark.parametrize(
    ("size", "facts", "advice"),
    [
        (3, {}, "use --tensor-parallel-size 1 or 2"),
        (
            8,
            {"gpu": "h100-sxm", "count": 8},
            "use --tensor-parallel-size 1, 2 or 4; 8 GPUs: --tensor-parallel-size 4 --data-parallel-size 2",
        ),
    ],
)
def test_heads_that_do_not_divide(found: Found, size: int, facts: dict[str, object], advice: str) -> None:
    (finding,) = found(f"{SEVEN} --tensor-parallel-size {size}", "tp-does-not-divide-heads", **facts)
    assert finding.message == f"28 attention heads cannot be split over {size} GPUs"
    assert finding.help == advice
    assert not found(f"{SEVEN} -tp {size}", "kv-heads-replicated", **facts)
    assert not found(f"{SEVEN} -tp {size}", "refused-by-engine", **facts)


@pytest.mark.parametrize(
    "text",
    [f"{SEVEN} -tp 4", f"{SEVEN} -tp $TP", "vllm serve some/model -tp 3", f"{SEVEN} -tp 3 -tp 4", SEVEN],
)
def test_heads_that_divide_or_are_not_known(found: Found, text: str) -> None:
    assert not found(text, "tp-does-not-divide-heads")


def test_heads_are_seen_beside_hidden_settings(found: Found) -> None:
    text = f"{SEVEN} --tensor-parallel-size 3 --gpu-memory-utilization $SHARE --dtype $DTYPE $MORE"
    assert found(text, "tp-does-not-divide-heads")


def test_copies_of_kv_heads(found: Found) -> None:
    (finding,) = found("vllm serve Qwen/Qwen3-30B-A3B -tp 8", "kv-heads-replicated")
    assert (finding.severity, finding.message) == ("info", "4 KV heads on 8 GPUs: each is kept 2 times")
    assert not found("vllm serve Qwen/Qwen3-30B-A3B -tp 4", "kv-heads-replicated")
    assert not found("vllm serve Qwen/Qwen3-30B-A3B -tp 8 -dcp 2", "kv-heads-replicated")
    assert not found("vllm serve deepseek-ai/DeepSeek-V3 -tp 8", "kv-heads-replicated")  # latents have no heads


def test_kv_heads_that_neither_divide_nor_copy(found: Found) -> None:
    (finding,) = found("vllm serve meta-llama/Llama-3.2-3B-Instruct -tp 3", "kv-heads-replicated")  # 24 and 8 heads
    assert finding.severity == "error"


def test_quantised_weights_that_cannot_be_cut(found: Found) -> None:
    text = "vllm serve Qwen/Qwen2.5-14B-Instruct-AWQ --max-model-len 8192 --tensor-parallel-size"
    (finding,) = found(f"{text} 8", "tp-quant-misaligned")
    assert finding.message == "awq weights cannot be cut for 8 GPUs"
    assert finding.help.startswith("use --tensor-parallel-size 4")
    assert not found(f"{text} 8", "refused-by-engine")
    assert not found(f"{text} 4", "tp-quant-misaligned")
    assert not found("vllm serve Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8 -tp 2", "tp-quant-misaligned")


def test_a_dimension_without_scales_is_another_refusal(found: Found) -> None:
    text = "vllm serve zai-org/GLM-4.5V-FP8 -tp 8"  # 12 heads in its tower
    assert not found(text, "tp-quant-misaligned")
    assert found(text, "refused-by-engine")


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("vllm serve Qwen/Qwen3-8B -tp 2 --enable-expert-parallel", True),
        ("vllm serve Qwen/Qwen3-30B-A3B -tp 2 --enable-expert-parallel", False),
        ("vllm serve Qwen/Qwen3-30B-A3B -tp 3 -pp 1 --enable-expert-parallel --enable-eplb", True),  # 128 / 3
        ("vllm serve Qwen/Qwen3-30B-A3B -tp 2 --enable-expert-parallel --enable-eplb", False),
        (
            "vllm serve Qwen/Qwen3-30B-A3B -tp 2 --enable-expert-parallel --enable-eplb "
            "--eplb-config '{\"num_redundant_experts\": 3}'",
            True,
        ),
    ],
)
def test_experts(found: Found, text: str, *, fires: bool) -> None:
    assert bool(found(text, "expert-count-indivisible")) == fires


@pytest.mark.parametrize(
    ("command", "gpus", "rules"),
    [
        ("[some/model, -tp, '2']", "count: 1", {"gpu-count-too-small"}),
        ("[some/model, -tp, '2', -pp, '2']", "count: 2", {"gpu-count-too-small"}),
        ("[some/model, -dp, '4']", "count: 2", {"gpu-count-too-small"}),
        ("[some/model, -tp, '2']", "count: 2", set()),
        ("[some/model, -tp, '2']", "count: all", set()),
        ("[some/model, -tp, '${TP:?}']", "count: 1", set()),
        ("[some/model, -tp, '4']", "count: '${GPUS:?}'", set()),
        ("[some/model, -tp, '2']", 'device_ids: ["0", "1", "2"]', {"idle-gpus"}),
        ("[some/model]", "count: 2", {"idle-gpus"}),
        ("some/model ${MORE:?}", "count: 2", set()),
        ("[some/model, -dp, '2']", "count: 2", set()),
        ("[some/model, -tp, '4', --distributed-executor-backend, ray]", "count: 2", set()),
        ("[some/model, -tp, '4', --nnodes, '2', --node-rank, '0', --master-addr, 10.0.0.1]", "count: 2", set()),
        (
            "[some/model, -dp, '4', --data-parallel-size-local, '2', --data-parallel-address, 10.0.0.1]",
            "count: 2",
            set(),
        ),
    ],
)
def test_gpus_of_a_container(found: Found, command: str, gpus: str, rules: set[str]) -> None:
    said = {
        finding.rule
        for rule in ("gpu-count-too-small", "idle-gpus")
        for finding in found(compose(command, gpus), rule, name="compose.yaml")
    }
    assert said == rules


def test_visible_devices_limit_the_gpus(found: Found) -> None:
    (finding,) = found("CUDA_VISIBLE_DEVICES=0,1 vllm serve some/model -tp 4", "gpu-count-too-small")
    assert finding.message == "the server needs 4 GPUs and is given 2"
    assert not found("CUDA_VISIBLE_DEVICES=0,1,2 vllm serve some/model -tp 2", "idle-gpus")  # nothing is reserved


def test_hardware_counts_where_the_file_says_nothing(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-32B --max-model-len 8192 -tp 4"
    (finding,) = found(text, "gpu-count-too-small", gpu="l40s", count=2)
    assert finding.message == "the server needs 4 GPUs, the hardware has 2"
    (finding,) = found(text.replace("4", "8"), "gpu-count-too-small", gpu="l40s", count=4, nodes=2)
    assert finding.message == "one node has 4 GPUs, and 8 are needed together"


@pytest.mark.parametrize(
    ("before", "arguments", "size", "rules"),
    [
        ("ray start --head; ", "-tp 8 -pp 2", 2, set()),
        ("bash multi-node.sh leader --ray_cluster_size=2; ", "-tp 8 -pp 2", 2, set()),
        ("ray start --head; ", "-tp 16", 2, {"tp-across-nodes"}),
        ("", "-tp 16 --distributed-executor-backend ray", 2, {"tp-across-nodes"}),
    ],
)
def test_groups_of_nodes(found: Found, before: str, arguments: str, size: int, rules: set[str]) -> None:
    text = GROUP.format(before=before, arguments=arguments, size=size, gpus=8)
    said = {
        finding.rule
        for rule in ("gpu-count-too-small", "idle-gpus", "tp-across-nodes", "nnodes-inconsistent")
        for finding in found(text, rule, name="lws.yaml")
    }
    assert said == rules


@pytest.mark.parametrize(
    ("text", "name", "fires"),
    [
        ("CUDA_VISIBLE_DEVICES=0,0 vllm serve m", "serve.sh", True),
        ("CUDA_VISIBLE_DEVICES= vllm serve m", "serve.sh", True),
        ("CUDA_VISIBLE_DEVICES= vllm serve m --device cpu", "serve.sh", False),
        ("CUDA_VISIBLE_DEVICES=all vllm serve m", "serve.sh", True),
        ("NVIDIA_VISIBLE_DEVICES=all vllm serve m", "serve.sh", False),
        ("CUDA_VISIBLE_DEVICES=3 vllm serve m", "serve.sh", False),
        ("CUDA_VISIBLE_DEVICES=$GPUS vllm serve m", "serve.sh", False),
        ("HIP_VISIBLE_DEVICES=1 CUDA_VISIBLE_DEVICES=0 vllm serve m", "serve.sh", True),
        ("HIP_VISIBLE_DEVICES=0 CUDA_VISIBLE_DEVICES=0 vllm serve m", "serve.sh", False),
        ("vllm serve m --device-ids 0,0", "serve.sh", True),
        ("CUDA_VISIBLE_DEVICES=4,5 vllm serve m --device-ids 4", "serve.sh", True),
        ("CUDA_VISIBLE_DEVICES=4,5 vllm serve m --device-ids 0,1 -tp 2", "serve.sh", False),
        (compose("[some/model]", 'device_ids: ["3"]', "{CUDA_VISIBLE_DEVICES: '3'}"), "compose.yaml", True),
        (compose("[some/model]", 'device_ids: ["3"]', "{CUDA_VISIBLE_DEVICES: '0'}"), "compose.yaml", False),
        (compose("[some/model]", "count: all", "{CUDA_VISIBLE_DEVICES: '3'}"), "compose.yaml", False),
    ],
)
def test_lists_of_gpus(found: Found, text: str, name: str, *, fires: bool) -> None:
    assert bool(found(text, "visible-devices-conflict", name=name)) == fires


def test_tpu_slices_are_one_network(found: Found) -> None:
    text = GROUP.format(before="", arguments="-tp 16 --distributed-executor-backend ray", size=4, gpus=4)
    slices = text.replace("vllm-openai:v0.33.0", "vllm-tpu:v0.13.0").replace("nvidia.com/gpu", "google.com/tpu")
    for rule in ("tp-across-nodes", "kv-heads-replicated"):
        assert found(text, rule, name="lws.yaml")
        assert not found(slices, rule, name="lws.yaml")


def test_wide_splits_over_pcie(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 16 -tp"
    (finding,) = found(f"{text} 4", "tp-over-pcie", gpu="l40s", count=4)
    assert finding.severity == "warning"
    assert finding.help == "--tensor-parallel-size 1 --data-parallel-size 4"
    assert not found(f"{text} 2", "tp-over-pcie", gpu="l40s", count=2)
    assert not found(f"{text} 4", "tp-over-pcie", gpu="h100-sxm", count=4)
    big = "vllm serve Qwen/Qwen2.5-72B-Instruct --max-model-len 8192 -tp 4"
    assert not found(big, "tp-over-pcie", gpu="l40s", count=4)  # two do not hold it


def test_splits_that_one_gpu_does_not_need(found: Found) -> None:
    text = "vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 32 -tp 4"
    assert [f.severity for f in found(text, "over-sharded-small-model", gpu="h100-sxm", count=4)] == ["info"]
    assert not found(text.replace("8192", "40960"), "over-sharded-small-model", gpu="h100-sxm", count=4)
    assert not found(text, "over-sharded-small-model", gpu="l40s", count=4)  # tp-over-pcie


@pytest.mark.parametrize(
    ("arguments", "release", "fires"),
    [
        ("Qwen/Qwen3-8B -dp 2 --data-parallel-rank 0", "0.33.0", True),
        ("Qwen/Qwen3-8B -dp 2 --data-parallel-rank 0", "0.20.0", False),
        ("Qwen/Qwen3-30B-A3B -dp 2 --data-parallel-rank 0", "0.33.0", False),
        ("Qwen/Qwen3-8B -dp 2", "0.33.0", False),
        ("some/model -dp 2 --data-parallel-rank 0", "0.33.0", False),
    ],
)
def test_ranks_of_dense_models(found: Found, arguments: str, release: str, *, fires: bool) -> None:
    assert bool(found(f"vllm serve {arguments}", "dp-dense-external-lb", release=release)) == fires


@pytest.mark.parametrize(
    ("arguments", "fires"),
    [
        ("-tp 8 --nnodes 3 --node-rank 0", True),
        ("-tp 8 --nnodes 2 --node-rank 2", True),
        ("-tp 8 --nnodes 2 --node-rank 1 --distributed-executor-backend ray", True),
        ("-tp 8 --nnodes 2 --node-rank 1", False),
        ("-tp $TP --nnodes 3 --node-rank 1", False),
        ("-tp 8 --nnodes 1 --node-rank 0", False),
    ],
)
def test_numbers_of_nodes(found: Found, arguments: str, *, fires: bool) -> None:
    assert bool(found(f"vllm serve some/model {arguments}", "nnodes-inconsistent")) == fires


def test_encoder_decoders_have_no_stages(found: Found) -> None:
    assert found("vllm serve openai/whisper-large-v3 -pp 2", "pp-unsupported")
    assert not found("vllm serve Qwen/Qwen3-8B -pp 2", "pp-unsupported")
