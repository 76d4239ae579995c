"""``docker run``: which word is the image, what the container is, what it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN, Fact, Surroundings
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Server

IMAGE = "vllm/vllm-openai:v0.9.0"


def servers(text: str) -> list[Server]:
    document = read_document(text, "run.sh")
    return list(document.servers) if document is not None else []


def server(options: str, arguments: str = "--model m", image: str = IMAGE) -> Server:
    (found,) = servers(f"docker run {options} {image} {arguments}")
    return found


def around(options: str) -> Surroundings:
    return server(options).surroundings


def line(found: Server) -> str:
    return " ".join([found.entry, *(shown(word.text) for word in found.words)])


@pytest.mark.parametrize(
    "options",
    [
        "-it --rm",
        "-itd --gpus all",
        "-d --name x --runtime nvidia",
        "--name=x -p 8000:8000 -v ~/.cache:/root/.cache",
        "-p8000:8000 -eA=b -w/x",
        "--init --privileged --read-only --shm-size 1g",
        "--log-opt max-size=10m --ulimit memlock=-1 --network host",
        "--health-cmd 'curl -f localhost' --health-interval=10s",
        "--detach=true --tty=false --interactive",
        "-ti -u 1000:1000 -h host -l a=b -a STDOUT",
        "--security-opt label=disable --device /dev/kfd --group-add video",
        "$OPTS --rm",
        "--env-file .env --cpus 4 -m 8g --",
    ],
)
def test_the_image_is_found(options: str) -> None:
    found = server(options)
    assert found.surroundings.image is not None
    assert (found.surroundings.image.value, line(found)) == (IMAGE, "image --model m")
    assert found.surroundings.platform == "docker"


@pytest.mark.parametrize(
    "program", ["docker", "podman", "sudo docker", "nerdctl", "docker --context x", "DOCKER_HOST=x docker"]
)
@pytest.mark.parametrize("verb", ["run", "container run", "create"])
def test_programs(program: str, verb: str) -> None:
    (found,) = servers(f"{program} {verb} --rm {IMAGE} --model m")
    assert line(found) == "image --model m"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"docker run --entrypoint vllm {IMAGE} serve m", "serve m"),
        (f"docker run --entrypoint=bash {IMAGE} -c 'pip install x; vllm serve m --port 1'", "serve m --port 1"),
        (
            f"docker run --entrypoint python3 {IMAGE} -m vllm.entrypoints.openai.api_server --model m",
            "api_server --model m",
        ),
        ("docker run nvcr.io/x:1 bash -c 'vllm serve m'", "serve m"),
        ("docker run rocm/vllm:x vllm serve m", "serve m"),
        ("docker run $IMAGE --model m --max-model-len 1  # vllm", "image --model m --max-model-len 1"),
        ("docker run vllm/vllm-openai:${TAG} org/m", "image org/m"),
        (f"docker run {IMAGE} m --port $PORT", "image m --port $PORT"),
        (f"docker run {IMAGE}", "image"),
    ],
)
def test_what_runs(text: str, expected: str) -> None:
    assert [line(found) for found in servers(text)] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        f"docker run -it {IMAGE} bash",
        f"docker run --entrypoint bash {IMAGE}",
        f"docker run --entrypoint /bin/bash {IMAGE} -c 'pip install x && exec bash'",
        f"docker run {IMAGE} --help",
        "docker run lmsysorg/sglang python3 -m sglang.launch_server --model-path vllm",
        "docker run ghcr.io/huggingface/text-generation-inference --model-id vllm",
        "docker run ubuntu echo vllm",
        f"docker pull {IMAGE}",
        f"docker rm -f vllm; docker build -t vllm .; docker stop {IMAGE}",
        "docker run",
        "docker run --gpus all",
    ],
)
def test_what_starts_no_server(text: str) -> None:
    assert servers(text) == []


@pytest.mark.parametrize(
    "arguments", ["vllm serve m", "serve m", "python3 -m vllm.entrypoints.openai.api_server --model m"]
)
def test_the_entrypoint_repeated(arguments: str) -> None:
    found = server("--rm", arguments)
    assert (found.entry, [notice.name for notice in found.notices]) == ("image", ["entrypoint-repeated"])


def test_leaving_out_what_the_entrypoint_says() -> None:
    text = f"docker run {IMAGE} \\\n  vllm serve m"
    source = Source(text, "run.sh")
    ((notice,),) = [found.notices for found in servers(text)]
    assert notice.fix is not None
    assert [source.slice(edit.span) for edit in notice.fix.edits] == [" \\\n  vllm", " serve"]


def test_variables() -> None:
    text = f"export C=3\ndocker run -e A=1 --env B=$X -eC -e D --env-file f -e E='x y' {IMAGE} org/m"
    source = Source(text, "run.sh")
    (found,) = servers(text)
    assert [(item.name, shown(item.value)) for item in found.variables] == [
        ("A", "1"),
        ("B", "$X"),
        ("C", "3"),
        ("D", "$D"),
        ("E", "x y"),
        ("", ""),  # whatever the file has
    ]
    spans = [item.word.span for item in found.variables]
    assert [source.slice(span) for span in spans if span] == [
        "-e A=1",
        "--env B=$X",
        "-eC",
        "-e D",
        "-e E='x y'",
        "--env-file f",
    ]
    extents = [item.word.extent for item in found.variables]
    assert [source.slice(span) for span in extents if span][:5] == [
        " -e A=1",
        " --env B=$X",
        " -eC",
        " -e D",
        " -e E='x y'",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (None, None, False)),
        ("--gpus all", (None, None, True)),
        ("--gpus=all", (None, None, True)),
        ("--gpus 2", (2, None, False)),
        ("--gpus '\"device=0,1\"'", (2, ("0", "1"), False)),
        ('--gpus \\"device=0,1\\"', (2, ("0", "1"), False)),
        ("--gpus device=3", (1, ("3",), False)),
        ("--gpus count=2,capabilities=compute", (2, None, False)),
        ("--gpus all,capabilities=utility", (None, None, True)),
        ("--gpus $GPUS", (UNKNOWN, None, False)),
        ("--gpus device=$GPU", (UNKNOWN, None, False)),
        ("--device nvidia.com/gpu=all", (None, None, True)),
        ("--device nvidia.com/gpu=0 --device nvidia.com/gpu=1", (2, ("0", "1"), False)),
        ("--device=/dev/kfd --device=/dev/dri", (UNKNOWN, None, False)),
        ("--runtime nvidia", (None, None, True)),
        ("--runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=0,2", (2, ("0", "2"), False)),
        ("--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=all", (None, None, True)),
        ("--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=none", (None, None, False)),
        ("--runtime runc", (None, None, False)),
    ],
)
def test_gpus(options: str, expected: tuple[object, object, bool]) -> None:
    found = around(options)
    assert (value(found.gpus), value(found.gpu_ids), found.all_gpus) == expected


def value(fact: Fact[int] | Fact[str] | Fact[float] | Fact[bool] | Fact[tuple[str, ...]] | None) -> object:
    return None if fact is None else fact.value


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", None),
        ("--ipc=host", "host"),
        ("--ipc host --shm-size 1g", "host"),
        ("--shm-size=16g", "16g"),
        ("--shm-size $S", UNKNOWN),
        ("--ipc container:x", UNKNOWN),
        ("--ipc private", None),
    ],
)
def test_shared_memory(options: str, expected: object) -> None:
    assert value(around(options).shared_memory) == expected


def test_mounts() -> None:
    options = "-v ~/.cache:/c -v data:/d:ro --volume=$PWD/x:/e -v /only --tmpfs /dev/shm:size=2g"
    found = around(options + " --mount type=bind,source=/a,target=/f --mount type=tmpfs,dst=/g,tmpfs-size=1g")
    assert [(mount.path, mount.kind, mount.size_limit) for mount in found.mounts] == [
        ("/c", "bind", None),
        ("/d", "volume", None),
        ("/e", "bind", None),
        ("/only", "volume", None),
        ("/f", "bind", None),
        ("/g", "memory", "1g"),
        ("/dev/shm", "memory", "2g"),
    ]


@pytest.mark.parametrize(
    ("options", "ports", "exposure"),
    [
        ("-p 8000:80", [(80, "container", None), (8000, "published", None)], "published"),
        ("-p 127.0.0.1:8000:80", [(80, "container", None), (8000, "published", "127.0.0.1")], None),
        ("-p [::1]:8000:80", [(80, "container", None), (8000, "published", "[::1]")], None),
        ("-p 0.0.0.0:1:2/tcp", [(2, "container", None), (1, "published", "0.0.0.0")], "published"),
        ("-p 80", [(80, "container", None)], "published"),
        ("-p $P:80", [(80, "container", None)], "published"),
        ("-p $IP:1:2", [(2, "container", None), (1, "published", None)], UNKNOWN),
        (
            "-p 1-2:3-4",
            [(3, "container", None), (4, "container", None), (1, "published", None), (2, "published", None)],
            "published",
        ),
        ("--expose 9", [(9, "container", None)], None),
        ("--network host", [], "hostNetwork"),
        ("--net=host", [], "hostNetwork"),
        ("-P", [], "published"),
        ("", [], None),
    ],
)
def test_ports(options: str, ports: list[tuple[int, str, str | None]], exposure: object) -> None:
    found = around(options)
    assert [(port.number, port.role, port.address) for port in found.ports] == ports
    assert value(found.exposure) == exposure


def test_other_facts() -> None:
    options = "--restart always --privileged --cap-add SYS_ADMIN --cap-add=IPC_LOCK -m 8g --cpus 2.5 --network host"
    found = around(f"{options} --stop-timeout 60")
    assert value(found.restart) == "always"
    assert value(found.privileged) is True
    assert [fact.value for fact in found.capabilities] == ["SYS_ADMIN", "IPC_LOCK"]
    assert (value(found.memory_limit), value(found.cpu_request)) == (8 << 30, 2.5)
    assert (value(found.host_network), value(found.grace_period)) == (True, 60)
    assert found.complete
    assert not around("$OPTS").complete


def test_health_check() -> None:
    options = "--health-cmd='curl -f http://localhost:8000/health' --health-interval=10s --health-start-period=2m"
    found = around(f"{options} --health-retries 5")
    (probe,) = found.probes
    assert (probe.kind, probe.path, probe.delay, probe.period, probe.failures) == (
        "healthcheck",
        "/health",
        120.0,
        10.0,
        5.0,
    )
    assert [(port.number, port.role) for port in found.ports] == [(8000, "health")]
    assert around("--health-cmd 'x' --no-healthcheck").probes == ()


def test_places() -> None:
    text = f"docker run --gpus all \\\n  --ipc=host -p 1:2 \\\n  {IMAGE} \\\n  --model m"
    source = Source(text, "run.sh")
    (found,) = servers(text)
    facts = (found.surroundings.image, found.surroundings.shared_memory, found.surroundings.exposure)
    assert [source.slice(fact.span) for fact in facts if fact] == [IMAGE, "--ipc=host", "-p 1:2"]
    assert [source.slice(word.span) for word in found.words if word.span] == ["--model", "m"]
    assert found.name == "line 1"


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "-1", "0x1"])
def test_absurd_numbers(number: str) -> None:
    options = f"--gpus {number} -m {number}g --cpus {number} -p {number}:1 --health-cmd x --health-interval {number}s"
    assert around(f"{options} --health-retries {number} --stop-timeout {number}").platform == "docker"
