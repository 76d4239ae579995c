"""Dockerfiles: stages, both forms of ENTRYPOINT and CMD, variables, the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document, Server

OFFICIAL = "FROM vllm/vllm-openai:v0.9.0\n"


def document(text: str, name: str = "Dockerfile") -> Document:
    found = read_document(text, name)
    assert found is not None
    assert found.kind == "dockerfile"
    return found


def server(text: str) -> Server:
    (found,) = document(text).servers
    return found


def line(found: Server) -> str:
    return " ".join([found.entry, *(shown(word.text) + "*" * word.open for word in found.words)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OFFICIAL + 'CMD ["--model", "m"]', "image --model m"),
        (OFFICIAL + 'cmd ["--model", "m"]', "image --model m"),
        (OFFICIAL + 'ENTRYPOINT ["vllm", "serve", "m"]', "serve m"),
        (OFFICIAL + 'ENTRYPOINT ["vllm", "serve"]\nCMD ["m", "--port", "1"]', "serve m --port 1"),
        (OFFICIAL + 'CMD ["m"]\nENTRYPOINT ["vllm", "serve"]', "serve m"),
        (OFFICIAL + 'ENTRYPOINT ["vllm", "serve"]', "serve ...*"),
        (OFFICIAL + 'ENTRYPOINT ["python3", "-m", "vllm.entrypoints.openai.api_server"]', "api_server ...*"),
        (OFFICIAL + "ENTRYPOINT vllm serve m --port $PORT", "serve m --port $PORT"),
        (OFFICIAL + "ENTRYPOINT exec vllm serve ${M:-m} \\\n  # comment\n\n  --port 1", "serve m --port 1"),
        (OFFICIAL + 'ENTRYPOINT ["/bin/bash", "-c", "vllm serve m"]', "serve m"),
        (OFFICIAL + 'ENTRYPOINT ["bash", "-c"]\nCMD ["vllm serve m"]', "serve m"),
        (OFFICIAL + "ENTRYPOINT vllm serve m\nCMD ignored", "serve m"),
        (OFFICIAL + "RUN x", "image ...*"),
        (OFFICIAL + 'ENTRYPOINT ["/start.sh"]', "image ...*"),
        (OFFICIAL + 'CMD ["a"]\nCMD ["--model", "b"]', "image --model b"),
        ("FROM python:3.12\nRUN pip install vllm\nCMD vllm serve m", "serve m"),
        ('FROM python:3.12\nCMD ["vllm", "serve", "m"]', "serve m"),
        (OFFICIAL + 'CMD [ "--x", "{\\"a\\": 1}",\\\n  "é" ]', 'image --x {"a": 1} é ...*'),
    ],
)
def test_what_starts(text: str, expected: str) -> None:
    assert line(server(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.12\nRUN pip install vllm",
        OFFICIAL + 'ENTRYPOINT ["bash"]',
        OFFICIAL + 'ENTRYPOINT ["sleep", "infinity"]',
        OFFICIAL + 'ENTRYPOINT ["python3", "app.py"]',
        OFFICIAL + "FROM python:3.12\nCOPY --from=0 /x /y\nCMD app # vllm",
        "FROM lmsysorg/sglang\nCMD python3 -m sglang.launch_server # vllm",
        OFFICIAL + "ENTRYPOINT []",
    ],
)
def test_what_starts_none(text: str) -> None:
    assert document(text).servers == ()


def test_the_entrypoint_repeated() -> None:
    found = server(OFFICIAL + 'CMD ["vllm", "serve", "m"]')
    assert (line(found), [notice.name for notice in found.notices]) == ("image m", ["entrypoint-repeated"])
    found = server(OFFICIAL + "CMD vllm serve m")
    assert (line(found), [notice.name for notice in found.notices]) == ("serve m", ["entrypoint-repeated"])


@pytest.mark.parametrize(
    ("text", "image", "written"),
    [
        ("FROM vllm/vllm-openai:v1 AS x", "vllm/vllm-openai:v1", "vllm/vllm-openai:v1"),
        ("FROM --platform=linux/amd64 vllm/vllm-openai:v1", "vllm/vllm-openai:v1", "vllm/vllm-openai:v1"),
        ("ARG T=v1\nFROM vllm/vllm-openai:${T}", "vllm/vllm-openai:v1", "vllm/vllm-openai:${T}"),
        ("ARG T=v1\nARG I=vllm/vllm-openai:$T\nFROM $I", "vllm/vllm-openai:v1", "$I"),
        ("ARG T\nFROM vllm/vllm-openai:${T:-v2}", "vllm/vllm-openai:v2", "vllm/vllm-openai:${T:-v2}"),
        ("ARG T\nFROM vllm/vllm-openai:$T", UNKNOWN, "vllm/vllm-openai:$T"),
        ("FROM vllm/vllm-openai:v1 AS Base\nFROM x AS y\nFROM base", "vllm/vllm-openai:v1", "vllm/vllm-openai:v1"),
    ],
)
def test_image(text: str, image: object, written: str) -> None:
    fact = (
        server(f'{text}\nCMD ["--model", "m"]').surroundings.image
        if image is UNKNOWN
        else server(text).surroundings.image
    )
    assert fact is not None
    assert fact.value == image
    assert Source(text, "Dockerfile").slice(fact.span) == written


def test_variables_and_stages() -> None:
    text = """ARG V=0.9.1
FROM python:3.12 AS base
ARG V
ARG OTHER=x
ENV A=1 B="two words" C=$A/$OTHER
RUN apt-get update && \\
    # why
    pip install --no-cache-dir vllm==${V}
ENV OLD form of it
EXPOSE 8000 9000/tcp
ENTRYPOINT ["vllm", "serve"]
CMD ["lost"]
FROM scratch AS other
ENV NO=1
FROM base
ENV A=2
CMD ["org/m"]
"""
    found = server(text)
    assert line(found) == "serve org/m"
    assert {item.name: item.value for item in found.variables} == {
        "A": "2",
        "B": "two words",
        "C": "1/x",
        "OLD": "form of it",
    }
    assert found.release is not None
    assert (found.release.value, found.name) == ("0.9.1", "line 17")
    assert [(port.number, port.role) for port in found.surroundings.ports] == [(8000, "container"), (9000, "container")]
    assert not found.surroundings.complete


def test_variables_of_a_shell_form() -> None:
    assert line(server(OFFICIAL + "ENV M=org/m P=80\nARG Q=1\nENTRYPOINT vllm serve $M --port ${P} $Q")) == (
        "serve org/m --port 80 $Q*"  # ARG is gone when the container runs
    )


def test_places() -> None:
    text = OFFICIAL + 'ENV A=1\nENV B=2 C=3\nENTRYPOINT ["vllm", \\\n  "serve", "m", "--port", "80"]\n'
    source = Source(text, "Dockerfile")
    found = server(text)
    assert [source.slice(word.span) for word in found.words if word.span] == ['"m"', '"--port"', '"80"']
    assert [source.slice(word.extent) for word in found.words if word.extent] == [', "m"', ', "--port"', ', "80"']
    words = [item.word for item in found.variables]
    assert [source.slice(word.span) for word in words if word.span] == ["A=1", "B=2", "C=3"]
    assert words[0].extent is not None
    assert source.slice(words[0].extent) == "ENV A=1\n"
    text = OFFICIAL + "ENTRYPOINT vllm serve m \\\n  --port 80\n"
    source = Source(text, "Dockerfile")
    words = list(server(text).words)
    assert [source.slice(word.extent) for word in words if word.extent] == [" m", " \\\n  --port", " 80"]
    assert all(word.plain for word in words)


def test_health_check() -> None:
    check = "HEALTHCHECK --interval=10s --start-period=5m --retries=4 CMD curl -f http://localhost:8000/health"
    found = server(OFFICIAL + check).surroundings
    (probe,) = found.probes
    assert (probe.path, probe.delay, probe.period, probe.failures) == ("/health", 300.0, 10.0, 4.0)
    assert [(port.number, port.role) for port in found.ports] == [(8000, "health")]
    assert server(OFFICIAL + "HEALTHCHECK NONE").surroundings.probes == ()


def test_here_documents_are_no_instructions() -> None:
    text = (
        OFFICIAL + 'COPY <<EOF /x\nCMD ["--model", "no"]\nEOF\nRUN <<EOF\npip install vllm==0.9.2\nENTRYPOINT no\nEOF\n'
    )
    found = server(text + 'CMD ["--model", "m"]')
    assert line(found) == "image --model m"
    assert found.release is not None
    assert found.release.value == "0.9.2"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("Dockerfile.vllm", OFFICIAL, "dockerfile"),
        ("x.dockerfile", OFFICIAL, "dockerfile"),
        ("Containerfile", "# syntax=x\nARG A\nFROM b", "dockerfile"),
        ("", OFFICIAL + "RUN x", "dockerfile"),
        ("<stdin>", "FROM x\nCMD vllm serve m", "dockerfile"),
        ("Dockerfile", "vllm serve m", "shell"),
        ("run.sh", "cat > Dockerfile <<EOF\nFROM x\nCMD y\nEOF\nvllm serve m", "shell"),
        ("x.sql", "SELECT vllm\nFROM a\nCMD b", None),
    ],
)
def test_kind(name: str, text: str, kind: str | None) -> None:
    found = read_document(text, name)
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize("end", ["\\", "[", '["', '["a",', "<<EOF", "--x=", "$", "${", "\\\n# c", "]"])
@pytest.mark.parametrize("name", ["CMD", "ENTRYPOINT", "ENV", "ARG", "RUN", "FROM", "EXPOSE", "HEALTHCHECK"])
def test_cut_off_texts(name: str, end: str) -> None:
    found = document(f"{OFFICIAL}{name} {end}")
    assert len(found.servers) <= 1
