"""What container image references say, and the table behind it."""

from __future__ import annotations

import json
import re

import pytest

from llmtune.catalog import engines, images
from llmtune.spec.word import hole

RELEASES = {
    "vllm/vllm-openai:v0.8.5": "0.8.5",
    "vllm/vllm-openai:v0.8.5.post1": "0.8.5.post1",
    "vllm/vllm-openai:v0.9.0.1-x86_64": "0.9.0.1",
    "vllm/vllm-openai:v0.19.0-cu130-ubuntu2404": "0.19.0",
    "vllm/vllm-openai:0.7.3": "0.7.3",
    "vllm/vllm-openai:v0.20.0rc1": "0.20.0",
    "docker.io/vllm/vllm-openai:v0.11.0@sha256:0f1e": "0.11.0",
    "docker.m.daocloud.io/vllm/vllm-openai:v0.10.0": "0.10.0",
    "docker://vllm/vllm-openai:v0.8.5": "0.8.5",
    "${REGISTRY}/vllm/vllm-openai:v0.10.2": "0.10.2",
    "public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.8.5": "0.8.5",
    "rocm/vllm:rocm6.4.1_vllm_0.10.1_20250909": "0.10.1",
    "nvcr.io/nvidia/vllm:26.03-py3": "0.17.1",
    "ghcr.io/llm-d/llm-d-cuda:v0.6.0": "0.17.1",
    "lmcache/vllm-openai:v0.5.4": "0.27.1",
    "kserve/huggingfaceserver:v0.15.2-gpu": "0.8.5",
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.11.1-gpu-py312-cu129-ubuntu22.04-ec2-v1.0": "0.11.1",
    "registry.redhat.io/rhaiis/vllm-cuda-rhel9:3.2.2": "0.10.1.1",
    "quay.io/ascend/vllm-ascend:v0.11.0rc1": "0.11.0",
    "substratusai/vllm:v0.6.3.post1-cpu": "0.6.3.post1",
}
UNKNOWN = [
    "vllm/vllm-openai",
    "vllm/vllm-openai:latest",
    "vllm/vllm-openai:nightly-0f1e2d3c",
    "vllm/vllm-openai:gptoss",
    "vllm/vllm-openai@sha256:0f1e",
    "vllm/vllm-openai:${TAG}",
    "vllm/vllm-openai:${TAG:-v0.8.5}",
    "vllm/vllm-openai:v{{ .Values.version }}",
    "vllm/vllm-openai:<tag>",
    "{{ .Values.image.repository }}:{{ .Values.image.tag }}",
    "nvcr.io/nvidia/vllm:99.01-py3",
    "somebody/vllm-openai:v0.8.5",
    "localhost:5000/vllm:v0.8.5",
    "quay.io/modh/vllm:rhoai-2.25-cuda",
    "",
    ":",
    "@",
    "a:b:c:d@e@f",
]


@pytest.mark.parametrize(("reference", "release"), RELEASES.items())
def test_release(reference: str, release: str) -> None:
    found = images.identify(reference)
    assert (found.runs_vllm, found.release) == (True, release)


@pytest.mark.parametrize("reference", UNKNOWN)
def test_release_is_never_guessed(reference: str) -> None:
    assert images.identify(reference).release is None


def test_a_hole_is_not_read() -> None:
    assert images.identify("vllm/vllm-openai:" + hole("${TAG:-v0.8.5}")).release is None
    assert images.identify(hole("$IMAGE")).runs_vllm is None


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "digest"),
    [
        ("localhost:5000/x", "localhost:5000/x", None, None),
        ("localhost:5000/x:dev", "localhost:5000/x", "dev", None),
        ("a/b:c@sha256:0f", "a/b", "c", "sha256:0f"),
        ("a/b@sha256:0f", "a/b", None, "sha256:0f"),
        ("a/b:${TAG:-v1}", "a/b", "${TAG:-v1}", None),
        ("${IMAGE:-a/b:c}", "${IMAGE:-a/b:c}", None, None),
        ("{{ .repo }}:{{ .tag }}", "{{ .repo }}", "{{ .tag }}", None),
        ("nvcr.io#nvidia/vllm:26.08-py3", "nvcr.io/nvidia/vllm", "26.08-py3", None),
        ('"a/b:c"', "a/b", "c", None),
    ],
)
def test_split(reference: str, repository: str, tag: str | None, digest: str | None) -> None:
    assert images.split(reference) == (repository, tag, digest)


@pytest.mark.parametrize(
    ("reference", "entrypoint"),
    [
        ("vllm/vllm-openai:v0.11.0", "api_server"),
        ("vllm/vllm-openai:v0.11.1", "serve"),
        ("vllm/vllm-openai:v0.5.4", "api_server"),
        ("vllm/vllm-openai:latest", "serve"),
        ("vllm/vllm-openai", "serve"),
        ("vllm/vllm-openai:nightly", "serve"),
        ("vllm/vllm-openai:gptoss", None),
        ("vllm/vllm-openai@sha256:0f1e", None),
        ("vllm/vllm-openai:$TAG", None),
        ("vllm/vllm-openai-rocm:v0.17.0", "serve"),
        ("nvcr.io/nvidia/vllm:26.03-py3", "exec"),
        ("ghcr.io/llm-d/llm-d-cuda:v0.4.0", "api_server"),
        ("somebody/vllm:v0.8.5", None),
    ],
)
def test_entrypoint(reference: str, entrypoint: str | None) -> None:
    assert images.identify(reference).entrypoint == entrypoint


def test_other_engines_and_strangers() -> None:
    for reference in ("lmsysorg/sglang:v0.5.6", "ghcr.io/huggingface/text-generation-inference:3.0", "ollama/ollama"):
        assert images.identify(reference).runs_vllm is False
    assert images.identify("vllm/vllm-router:nightly").runs_vllm is False
    assert images.identify("registry.example.com/team/llm:1.2").runs_vllm is None


def test_cpu_and_vendor() -> None:
    assert images.identify("vllm/vllm-openai-cpu:latest-x86_64").cpu
    assert images.identify("kserve/huggingfaceserver:v0.15.2").cpu
    assert not images.identify("kserve/huggingfaceserver:v0.15.2-gpu").cpu
    assert not images.identify("vllm/vllm-openai:v0.33.0").cpu
    assert images.identify("vllm/vllm-openai:v0.33.0").vendor is None
    assert images.identify("quay.io/ascend/vllm-ascend:v0.11.0").vendor == "ascend"


def test_table() -> None:
    """Keys are those that the module lists, patterns compile, releases are vLLM's and every entry has a source."""
    entries = json.loads(images.DATA.read_text(encoding="utf-8"))
    keys = {"repository", "vllm", "vendor", "release", "releases", "entrypoint", "cpu", "source"}
    for entry in entries:
        assert set(entry) <= keys
        assert entry["source"]
        re.compile(entry["repository"])
        for release in entry.get("releases", {}).values():
            assert engines.parts(release) <= engines.parts(engines.newest())
    assert len({entry["repository"] for entry in entries}) == len(entries)
