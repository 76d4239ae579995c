"""Compose files: which services are servers, their words with places, and what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtune.readers import ReadError
from llmtune.readers.compose_text import interpolate, split
from llmtune.readers.kinds import compose
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN, Fact
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document, Server

STACK = """\
name: assistants
x-gpu: &gpu
  deploy:
    resources:
      limits: {memory: 48g, cpus: "6"}
      reservations:
        devices:
          - driver: nvidia
            device_ids: ["0", "1"]
            capabilities: [gpu]

services:
  chat:
    <<: *gpu
    image: vllm/vllm-openai:${VLLM_TAG:-v0.11.0}
    command:
      - --model
      - ${CHAT_MODEL:-Qwen/Qwen3-8B}
      - --max-model-len=${CHAT_LENGTH:-16384}
      - ${CHAT_EAGER:+--enforce-eager}
      - --port
      - "9000"
    environment:
      - HF_TOKEN=${HF_TOKEN}
      - VLLM_LOGGING_LEVEL="DEBUG"
    env_file: .env
    ports: ["127.0.0.1:9000:9000"]
    volumes:
      - ${MODELS:?set MODELS}:/root/.cache/huggingface
      - type: tmpfs
        target: /dev/shm
        tmpfs: {size: 8gb}
    healthcheck:
      test: curl -f http://localhost:9000/health
      interval: 1m30s
      retries: 5
      start_period: ${GRACE:-10m}
    restart: unless-stopped
    stop_grace_period: 2m

  proxy:
    image: nginx:1.27
    ports: ["80:80"]
"""


def read(text: str, name: str = "compose.yaml") -> Document:
    source = Source(text, name)
    assert compose.recognises(source)
    return compose.read_document(source)


def one(text: str, name: str = "compose.yaml") -> Server:
    (server,) = read(text, name).servers
    return server


def service(body: str, image: str = "vllm/vllm-openai:v0.11.0") -> Server:
    """A service with an image and a model, and what ``body`` says at its level."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return one(f"services:\n  chat:\n    image: {image}\n    command: [--model, m]\n{lines}")


def texts(server: Server) -> list[str]:
    return [shown(word.text) for word in server.words]


def command(body: str) -> list[str]:
    """The words of a service whose ``command:`` (and more) is ``body``."""
    return texts(one(f"services:\n  vllm:\n    image: vllm/vllm-openai:v0.11.0\n{body}"))


def value(fact: Fact[Any] | None) -> object:
    return None if fact is None else fact.value


def test_a_whole_file() -> None:
    document = read(STACK)
    (chat,) = document.servers
    assert (document.kind, document.notices) == ("compose", ())
    assert (chat.name, chat.entry, chat.span.line) == ("service chat", "image", 13)
    assert texts(chat) == [
        *("--model", "Qwen/Qwen3-8B", "--max-model-len=16384", "${CHAT_EAGER:+--enforce-eager}", "--port", "9000"),
    ]
    assert [word.open for word in chat.words] == [False, False, False, True, False, False]
    around = chat.surroundings
    assert (around.platform, value(around.image), around.complete) == ("compose", "vllm/vllm-openai:v0.11.0", True)
    assert (value(around.gpus), value(around.gpu_ids), around.all_gpus) == (2, ("0", "1"), False)
    assert (value(around.memory_limit), value(around.cpu_request)) == (48 << 30, 6.0)
    assert value(around.shared_memory) == "8gb"
    assert [(mount.path, mount.kind) for mount in around.mounts] == [
        ("/root/.cache/huggingface", "bind"),
        ("/dev/shm", "memory"),
    ]
    assert [(port.number, port.role, port.address) for port in around.ports] == [
        (9000, "container", None),
        (9000, "published", "127.0.0.1"),
        (9000, "health", None),
    ]
    assert around.exposure is None
    (probe,) = around.probes
    assert (probe.kind, probe.path, probe.delay, probe.period, probe.failures) == (
        *("healthcheck", "/health"),
        *(600.0, 90.0, 5.0),
    )
    assert (value(around.restart), value(around.grace_period)) == ("unless-stopped", 120)
    assert [(variable.name, shown(variable.value)) for variable in chat.variables] == [
        ("HF_TOKEN", "${HF_TOKEN}"),
        ("VLLM_LOGGING_LEVEL", '"DEBUG"'),
        ("", ""),  # whatever .env brings
    ]


def test_every_place_is_exact() -> None:
    source = Source(STACK, "compose.yaml")
    (chat,) = read(STACK).servers
    written = [source.slice(word.span) for word in chat.words if word.span]
    assert written == [
        *("--model", "${CHAT_MODEL:-Qwen/Qwen3-8B}", "--max-model-len=${CHAT_LENGTH:-16384}"),
        *("${CHAT_EAGER:+--enforce-eager}", "--port", '"9000"'),
    ]
    (notice,) = chat.notices
    assert (notice.name, source.slice(notice.span)) == ("env-literal-quotes", '"DEBUG"')  # type: ignore[arg-type]
    assert notice.fix
    assert [(source.slice(edit.span), edit.text) for edit in notice.fix.edits] == [('"DEBUG"', "DEBUG")]
    health = chat.surroundings.ports[-1].span
    assert (source.slice(health), health.line) == ("9000", 34)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("    command: --model m --port 8001", ["--model", "m", "--port", "8001"]),
        ("    command: >\n      --model m\n      --port 8001\n", ["--model", "m", "--port", "8001"]),
        ("    command: |\n      --model m\n      --port 8001\n", ["--model", "m", "--port", "8001"]),
        ("    command: ['--model', 'm', '--port', 8001]", ["--model", "m", "--port", "8001"]),
        (
            "    command: --model m --served-model-name '$${NAME} x'",
            ["--model", "m", "--served-model-name", "${NAME} x"],
        ),
        (
            """    command: --model m --speculative-config '{"method":"mtp"}'""",
            ["--model", "m", "--speculative-config", '{"method":"mtp"}'],
        ),
        ("    command: --model ${A:-${B:-m}} --port ${PORT-80}", ["--model", "m", "--port", "80"]),
        ("    command: --model ${A:?needed} $EXTRA", ["--model", "${A:?needed}", "$EXTRA"]),
        ("    command: --model m; echo ready", ["--model", "m"]),  # Compose drops what follows
        ("    command: ['serve', 'm', '--port', '1']", ["m", "--port", "1"]),
        ("", []),
        ("    command: []", []),
    ],
)
def test_forms_of_a_command(body: str, expected: list[str]) -> None:
    assert command(body) == expected


@pytest.mark.parametrize("style", ["|", ">"])
def test_backslashes_do_not_continue_lines(style: str) -> None:
    text = f"services:\n  a:\n    image: vllm/vllm-openai\n    command: {style}\n      -a m \\\n      --port 1 \\\n"
    server = one(text)
    assert texts(server) == ["-a", "m", "--port", "1"]
    assert [(notice.name, notice.span and notice.span.line) for notice in server.notices] == [
        ("broken-continuation", 5),
        ("broken-continuation", 6),
    ]
    source = Source(text, "compose.yaml")
    assert all(notice.span and source.slice(notice.span) == "\\" for notice in server.notices)


def test_a_backslash_within_a_word_is_none_of_it() -> None:
    assert command("    command: -a /my\\ model") == ["-a", "/my model"]


@pytest.mark.parametrize(
    ("body", "entry", "expected"),
    [
        ("entrypoint: [vllm, serve]\ncommand: [m, --port, '1']", "serve", ["m", "--port", "1"]),
        ("entrypoint: vllm serve m\ncommand: --port 1", "serve", ["m", "--port", "1"]),
        ("entrypoint: python3 -m vllm.entrypoints.openai.api_server --model m", "api_server", ["--model", "m"]),
        ("entrypoint: [bash, -c]\ncommand: ['exec vllm serve m --port 1']", "serve", ["m", "--port", "1"]),
        ("entrypoint: ['/bin/sh', '-c', 'vllm serve m --port 1; echo']", "serve", ["m", "--port", "1"]),
        ("entrypoint: null\ncommand: --model m", "image", ["--model", "m"]),
        ("entrypoint: []\ncommand: vllm serve m", "serve", ["m"]),
    ],
)
def test_entrypoint_replaces_that_of_the_image(body: str, entry: str, expected: list[str]) -> None:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    server = one(f"services:\n  vllm:\n    image: vllm/vllm-openai:v0.11.0\n{lines}")
    assert (server.entry, texts(server)) == (entry, expected)
    assert server.surroundings.replaces_entrypoint is ("null" not in body)


def test_a_script_in_a_string_knows_its_places() -> None:
    text = (
        "services:\n  vllm:\n    image: mine:1\n    command: >-\n"
        '      bash -c "pip install vllm==0.9.2 &&\n      vllm serve m --port ${PORT:-7000}"\n'
    )
    server = one(text)
    source = Source(text, "compose.yaml")
    assert (server.entry, texts(server)) == ("serve", ["m", "--port", "7000"])
    assert [source.slice(word.span) for word in server.words if word.span] == ["m", "--port", "7000"]
    assert value(server.release) == "0.9.2"


@pytest.mark.parametrize(
    "body",
    [
        "    image: lmsysorg/sglang:latest\n    command: python3 -m sglang.launch_server --model-path m",
        "    image: ghcr.io/huggingface/text-generation-inference:3\n    command: --model-id m",
        "    image: ollama/ollama",
        "    image: lmcache/vllm-router:1\n    command: --port 8001",
        "    build: .\n    command: python app.py",
        "    image: vllm/vllm-openai:v0.11.0\n    entrypoint: [sleep, infinity]",
        "    build: ./vllm",
    ],
)
def test_no_server(body: str) -> None:
    assert read(f"services:\n  vllm:\n{body}\n# vllm\n").servers == ()


@pytest.mark.parametrize(
    "body",
    [
        "    image: registry.example/team/vllm:1\n    command: --model m",
        "    image: ${IMAGE}\n    command: --model m --gpu-memory-utilization 0.9",
        "    image: vllm/vllm-openai:${TAG}",
        "    build: ./server\n    command: --model m --port 8000",
        "    image: nvcr.io/nvidia/pytorch:25.01-py3\n    command: vllm serve m",
    ],
)
def test_a_server_of_another_image(body: str) -> None:
    assert one(f"services:\n  vllm:\n{body}\n").name == "service vllm"


def test_a_hidden_image_is_not_known() -> None:
    assert value(one("services:\n  a:\n    image: vllm/vllm-openai:${TAG}\n").surroundings.image) is UNKNOWN


@pytest.mark.parametrize(
    ("body", "count", "ids", "every"),
    [
        ("gpus: all", None, None, True),
        ("gpus:\n  - driver: nvidia\n    count: 2", 2, None, False),
        ("runtime: nvidia", None, None, True),
        ("runtime: nvidia\nenvironment: {NVIDIA_VISIBLE_DEVICES: '1,2'}", 2, ("1", "2"), False),
        ("runtime: nvidia\nenvironment: [NVIDIA_VISIBLE_DEVICES=none]", None, None, False),
        ("runtime: nvidia\nenvironment: ['NVIDIA_VISIBLE_DEVICES=${GPU}']", UNKNOWN, None, False),
        ("runtime: ${RUNTIME}", UNKNOWN, None, False),
        ("devices: ['/dev/kfd', '/dev/dri']", UNKNOWN, None, False),
        ("devices: ['nvidia.com/gpu=all']", None, None, True),
        ("devices: ['nvidia.com/gpu=3']", 1, ("3",), False),
        ("", None, None, False),
    ],
)
def test_gpus(body: str, count: object, ids: object, every: object) -> None:
    around = service(body).surroundings
    assert (value(around.gpus), value(around.gpu_ids), around.all_gpus) == (count, ids, every)


@pytest.mark.parametrize(
    ("device", "count", "ids", "every"),
    [
        ("{driver: nvidia, count: 4, capabilities: [gpu]}", 4, None, False),
        ("{driver: nvidia, count: all, capabilities: [gpu]}", None, None, True),
        ("{driver: nvidia, capabilities: [gpu]}", None, None, True),
        ("{driver: nvidia, count: '${GPUS}', capabilities: [gpu]}", UNKNOWN, None, False),
        ("{driver: nvidia, count: '${GPUS:-2}', capabilities: [gpu]}", 2, None, False),
        ("{driver: nvidia, device_ids: ['${A:-0}', '1'], capabilities: [gpu]}", 2, ("0", "1"), False),
        ("{driver: nvidia, device_ids: ['${A}'], capabilities: [gpu]}", UNKNOWN, UNKNOWN, False),
        ("{driver: cdi, device_ids: ['nvidia.com/gpu=all']}", None, None, True),
        ("{driver: nvidia, count: 1, capabilities: [tpu]}", None, None, False),
        ("{driver: other, count: 1}", None, None, False),
        ("{driver: nvidia, count: " + "9" * 5000 + "}", UNKNOWN, None, False),
    ],
)
def test_reserved_devices(device: str, count: object, ids: object, every: object) -> None:
    body = f"deploy:\n  resources:\n    reservations:\n      devices:\n        - {device}"
    around = service(body).surroundings
    assert (value(around.gpus), value(around.gpu_ids), around.all_gpus) == (count, ids, every)


@pytest.mark.parametrize(
    ("ports", "numbers", "exposure"),
    [
        ("['8001:8000']", [(8000, "container"), (8001, "published")], "published"),
        ("['8000']", [(8000, "container")], "published"),
        ("['127.0.0.1:8001:8000']", [(8000, "container"), (8001, "published")], None),
        ("['[::1]:8001:8000/tcp']", [(8000, "container"), (8001, "published")], None),
        ("['${PORT:?which: port/number}:8000']", [(8000, "container")], "published"),
        ("['${BIND}:8001:8000']", [(8000, "container"), (8001, "published")], UNKNOWN),
        ("['${BIND:-127.0.0.1}:8001:8000']", [(8000, "container"), (8001, "published")], None),
        ("['1-2:8-9']", [(8, "container"), (9, "container"), (1, "published"), (2, "published")], "published"),
        ("[{target: 8000, published: '8001'}]", [(8000, "container"), (8001, "published")], "published"),
        ("[{target: 8000, published: 8001, host_ip: 127.0.0.1}]", [(8000, "container"), (8001, "published")], None),
        ("['99999999:1']", [(1, "container")], "published"),
    ],
)  # fmt: skip
def test_ports(ports: str, numbers: list[tuple[int, str]], exposure: object) -> None:
    around = service(f"ports: {ports}").surroundings
    assert [(port.number, port.role) for port in around.ports] == numbers
    assert value(around.exposure) == exposure


def test_the_network_of_the_host() -> None:
    around = service("network_mode: host\nprivileged: true\ncap_add: [SYS_ADMIN]").surroundings
    assert (value(around.host_network), value(around.exposure)) == (True, "hostNetwork")
    assert (value(around.privileged), [value(item) for item in around.capabilities]) == (True, ["SYS_ADMIN"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ipc: host", "host"),
        ("ipc: host\nshm_size: 1g", "host"),
        ("ipc: service:other", UNKNOWN),
        ("shm_size: 16gb", "16gb"),
        ("shm_size: ${SHM}", UNKNOWN),
        ("shm_size: ${SHM:-2g}", "2g"),
        ("volumes: ['/dev/shm:/dev/shm']", "host"),
        ("tmpfs: ['/dev/shm:size=4g,mode=1777']", "4g"),
        ("", None),
    ],
)
def test_shared_memory(body: str, expected: object) -> None:
    assert value(service(body).surroundings.shared_memory) == expected


@pytest.mark.parametrize(
    ("volume", "path", "kind"),
    [
        ("models:/models", "/models", "volume"),
        ("./models:/models:ro", "/models", "bind"),
        ("~/.cache:/cache", "/cache", "bind"),
        ("${HOME}/a:/b", "/b", "bind"),
        ("/models", "/models", "volume"),
        ("C:\\models:/models", "/models", "bind"),
        ("a:${TARGET}", "${TARGET}", "volume"),
        ("{type: bind, source: ., target: /x}", "/x", "bind"),
        ("{type: volume, source: v, target: /x}", "/x", "volume"),
        ("{type: tmpfs, target: /x}", "/x", "memory"),
    ],
)
def test_mounts(volume: str, path: str, kind: str) -> None:
    item = volume if volume.startswith("{") else f"'{volume}'"
    (mount,) = service(f"volumes:\n  - {item}").surroundings.mounts
    assert (shown(mount.path), mount.kind) == (path, kind)


@pytest.mark.parametrize("check", ["disable: true", "test: [NONE]", "interval: 3s"])
def test_a_health_check_that_checks_nothing(check: str) -> None:
    assert service(f"healthcheck: {{{check}}}").surroundings.probes == ()


def test_hidden_times_are_far() -> None:
    body = "healthcheck: {test: [CMD, curl, localhost], interval: '${EVERY}', retries: '${TIMES}'}"
    (probe,) = service(body).surroundings.probes
    assert (probe.delay, probe.period, probe.failures) == (0.0, float("inf"), float("inf"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("include: [base.yaml]\nservices:\n  a:\n    image: vllm/vllm-openai\n", "compose.yaml"),
        ("services:\n  a:\n    extends: b\n    command: --model m --max-model-len 1\n", "compose.yaml"),
        (
            "services:\n  a:\n    image: vllm/vllm-openai\n    volumes_from: [b]\n    command: --model m\n",
            "compose.yaml",
        ),
        ("services:\n  a:\n    command: --model m --max-model-len 1\n", "compose.gpu.yaml"),
        ("services:\n  a:\n    image: vllm/vllm-openai\n", "docker-compose.override.yml"),
        ("services:\n  a:\n    image: vllm/vllm-openai\n    {{ extra }}\n", "compose.yaml"),
    ],
)
def test_a_part_of_a_service_is_not_complete(text: str, name: str) -> None:
    assert one(text, name).surroundings.complete is False


def test_an_overlay_without_a_command_is_no_server() -> None:
    assert read("services:\n  vllm:\n    shm_size: 8g\n").servers == ()


def test_several_servers() -> None:
    text = "".join(f"  gpu{n}:\n    image: vllm/vllm-openai\n    command: --model m{n}\n" for n in range(3))
    assert [server.name for server in read("services:\n" + text).servers] == [
        "service gpu0",
        "service gpu1",
        "service gpu2",
    ]


def test_a_key_that_stands_twice() -> None:
    text = "services:\n  a:\n    image: vllm/vllm-openai\n    shm_size: 1g\n    shm_size: 2g\n"
    (notice,) = read(text).notices
    assert (notice.name, notice.span and notice.span.line) == ("duplicate-yaml-key", 5)


@pytest.mark.parametrize(
    ("item", "quoted"),
    [
        ('VLLM_USE_V1="1"', True),
        ("HF_HOME='/x'", True),
        ('VLLM_USE_V1=""', True),
        ('GREETING="hi"', False),
        ('VLLM_X="a" "b"', False),
        ("VLLM_USE_V1=1", False),
    ],
)
def test_quotes_in_a_list(item: str, quoted: object) -> None:
    names = [notice.name for notice in service(f"environment:\n  - {item}").notices]
    assert names == (["env-literal-quotes"] if quoted else [])


def test_the_entry_of_a_variable_can_be_deleted() -> None:
    text = (
        "services:\n  a:\n    image: vllm/vllm-openai\n    command: --model m\n"
        "    environment:\n      VLLM_USE_V1: 1\n      OTHER:\n"
    )
    source = Source(text, "compose.yaml")
    first, second = one(text).variables
    assert (first.name, first.value, first.written_as) == ("VLLM_USE_V1", "1", "map")
    assert first.word.extent
    assert source.slice(first.word.extent) == "      VLLM_USE_V1: 1\n"
    assert (second.name, shown(second.value)) == ("OTHER", "$OTHER")


@pytest.mark.parametrize(
    "text",
    [
        "services: []",
        "services: vllm",
        "services:\n  vllm: [1]",
        "services:\n  vllm:\n    image: [vllm/vllm-openai]\n    command: {a: b}\n    ports: 8000\n    volumes: x",
        "services:\n  vllm:\n    image: vllm/vllm-openai\n    command:\n      - a: b\n      - [x]\n      -\n",
        "services:\n  vllm:\n    image: vllm/vllm-openai\n    ports: [{}, [], '', ':', 'a:b:c:d']\n    gpus: [1, {}]",
        "services:\n  vllm:\n    image: vllm/vllm-openai\n    healthcheck: {test: {}, interval: [], retries: x}",
        "services:\n  vllm:\n    image: vllm/vllm-openai\n    mem_limit: " + "9" * 999 + "g\n    cpus: 1e999",
        'services:\n  vllm:\n    image: vllm/vllm-openai\n    command: "--model \'m"',
        "services:\n  vllm:\n    image: vllm/vllm-openai\n    command: '${" + "A:-${" * 500 + "'",
        "services: {vllm: {image: vllm/vllm-openai, environment: [=, a, =b, 1], stop_grace_period: x}}",
    ],
)
def test_odd_files_do_not_crash(text: str) -> None:
    read(text)


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(ReadError, match="not valid YAML"):
        read("services:\n  vllm: [\n")


def test_a_file_without_vllm_is_not_parsed() -> None:
    assert read("services:\n  web: [\n").servers == ()


@given(st.text(alphabet="a-${}:?+'\"\\ \n;|&A", max_size=40))
def test_splitting_keeps_places(text: str) -> None:
    source = Source(text, "f")
    filled = interpolate(source.whole())
    assert len(filled.offsets) == len(filled.text) + 1
    for word, part in split(filled):
        assert word.span
        assert part.text == word.text
        assert len(part.offsets) == len(part.text) + 1
        if word.plain:
            assert source.slice(word.span) == word.text


@given(
    st.integers(0, len(STACK)), st.integers(0, 60), st.sampled_from(["", "\t", "{", "- ", ": ", "\x01", "&a *a", "'"])
)
def test_damaged_files_are_read_or_refused(start: int, length: int, instead: str) -> None:
    text = STACK[:start] + instead + STACK[start + length :]
    source = Source(text, "compose.yaml")
    try:
        document = compose.read_document(source)
    except ReadError:
        return
    for server in document.servers:
        for word in server.words:
            if word.plain:
                assert word.span
                assert source.slice(word.span) == word.text or word.added
                assert word.text in source.slice(word.span)


FRAGMENT = """\
chat:
  image: vllm/vllm-openai:v0.11.0
  command: [--model, org/m]
  restart: always
proxy:
  image: nginx:1.27
"""


def test_fragments_have_no_services_key() -> None:
    (server,) = read(FRAGMENT).servers
    assert (server.name, [word.text for word in server.words]) == ("service chat", ["--model", "org/m"])
    assert not server.surroundings.complete


@pytest.mark.parametrize(
    "text",
    [
        FRAGMENT.replace("vllm/vllm-openai", "nginx"),
        FRAGMENT.replace("  restart: always\n", ""),  # as well the values of a chart
        FRAGMENT + "version: '3'\n",
        FRAGMENT + "list: [\n",
    ],
)
def test_other_mappings_are_no_fragments(text: str) -> None:
    assert not compose.recognises(Source(text, "a.yaml"))
