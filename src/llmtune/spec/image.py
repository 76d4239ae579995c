"""A container image, as its reference names it."""

from __future__ import annotations

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image by its name alone; None where it is not known.

    ``repository`` is the name without tag and digest, as written. ``runs_vllm`` is False for images that are known to
    run something else. ``release`` is vLLM's release in it, as a tag has it (``0.8.5.post1``). ``entrypoint`` says what
    the container's arguments follow: ``serve`` (``vllm serve``), ``api_server`` (``python3 -m
    vllm.entrypoints.openai.api_server``) or ``exec`` (nothing, they are a command). ``cpu``: it has no GPU build.
    ``vendor`` is who builds it, where that is not the vLLM project: such an image may differ from the release it names.
    """

    repository: str
    tag: str | None = None
    digest: str | None = None
    runs_vllm: bool | None = None
    release: str | None = None
    entrypoint: str | None = None
    cpu: bool = False
    vendor: str | None = None
