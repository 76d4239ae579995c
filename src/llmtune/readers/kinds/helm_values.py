"""Values of Helm charts that somebody made for vLLM: an image that starts vLLM beside ``args`` or ``command``.

A chart decides what it makes of its values, so they describe a server only in part: more arguments may come from other
keys, the model too, and nothing is said about what is missing. The image and the arguments themselves are read as a
container's. Traded for precision: an image somewhere else than beside the arguments, and an item that may be split at
its blanks or not, which is read as if it were.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers import ReadError, shell
from llmtune.readers.start import container_servers, is_official, names_vllm, of_items
from llmtune.readers.yaml_facts import container_word, count_fact, is_hidden, is_yaml, roots, text_fact, variables_of
from llmtune.readers.yaml_files import duplicates
from llmtune.spec.server import Document
from llmtune.spec.surroundings import UNKNOWN, Fact, Surroundings
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Excerpt, Source
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.server import Server

KIND = "helm-values"
ORDER = 70
IMAGE = re.compile(r"^[ \t]*(?:-[ \t]+)?image[ \t]*:", re.MULTILINE)
ARGUMENTS = ("args", "extraArgs", "extra_args", "extraArguments", "vllmArgs", "vllmExtraArgs", "serverArgs")
SIDE_BY_SIDE = re.compile(rf"^[ \t]*(?:-[ \t]+)?(?:command|{'|'.join(ARGUMENTS)})[ \t]*:", re.MULTILINE)
OTHER_FILE = re.compile(r"^(?:apiVersion|services|version|stages|jobs|steps)[ \t]*:", re.MULTILINE)
GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")
TAGS = ("tag", "version")
MOST = 64  # servers of one file


def recognises(source: Source) -> bool:
    """Whether the text may be values with an image of vLLM beside arguments."""
    text = source.text
    wanted = is_yaml(source) and "vllm" in text.lower() and IMAGE.search(text) and SIDE_BY_SIDE.search(text)
    if not wanted or OTHER_FILE.search(text):
        return False
    try:
        return any(True for root in roots(source) for _ in _places(root))
    except ReadError:
        return False


def read_document(source: Source) -> Document:
    """Every place with an image of vLLM and arguments.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    places = [place for root in found for place in _places(root)][:MOST]
    servers = [server for node in places for server in _servers(node)]
    return Document(source.name, KIND, tuple(servers), tuple(duplicates(found)) if servers else ())


def _places(root: Yaml) -> Iterator[Yaml]:
    """The mappings that have both, outermost first."""
    for node in root.walk():
        if not node.is_mapping or not node["image"]:
            continue
        image = _image(node["image"])
        name = "" if image is None else image[0]
        if (is_official(name) or names_vllm(name)) and any(node[key].text or node[key].items for key in _keys(node)):
            yield node


def _keys(node: Yaml) -> Iterator[str]:
    yield from (key for key in ("command", *ARGUMENTS) if key in node.entries)


def _image(image: Yaml) -> tuple[str, Yaml] | None:
    """An image with its tag, in one text or by its parts; the entry that has the tag."""
    if image.text:
        return image.text, image
    name = image["repository"] if image["repository"].text else image["name"]
    tag = next((image[key] for key in TAGS if image[key].text), None)
    if not name.text:
        return None
    whole = "/".join(part.text for part in (image["registry"], name) if part.text)
    return (whole, name) if tag is None else (f"{whole}:{tag.text}", tag)


def _servers(node: Yaml) -> list[Server]:
    """The server of one place, with whatever else its chart may add to the arguments."""
    image = _image(node["image"])
    if image is None:
        return []
    name, place = image
    variables = variables_of(node["env"])
    pairs = [pair for key in _keys(node) for pair in _words(node[key])]
    rest = Word(hole(""), node.span, open=True)
    words = [container_word(word, variables) for word, _ in pairs] + [rest]
    texts = [text for _, text in pairs] + [node.excerpt]
    command = node["command"]
    around = Surroundings(
        platform="kubernetes",
        image=Fact[str](UNKNOWN if is_hidden(name) or ":" not in name else name, place.span),
        gpus=next((count_fact(limit) for limit in _gpu_limits(node) if limit.text), None),
        shared_memory=text_fact(node["shmSize"]),
        replaces_entrypoint=bool(command.items or command.text),
        complete=False,
    )
    called = node.key_node.value if node.key_node is not None else ""
    line = of_items(words, texts, node.key_span)
    return container_servers(line, around, name=called, span=node.key_span, variables=variables, image=name)


def _gpu_limits(node: Yaml) -> Iterator[Yaml]:
    for kind in ("limits", "requests"):
        yield from (node["resources"][kind][name] for name in GPU_RESOURCES)


def _words(node: Yaml) -> list[tuple[Word, Excerpt]]:
    """Arguments as a list or in one text; an item with blanks that starts as a flag does is several."""
    if node.is_text:
        return _split(node.excerpt)
    found: list[tuple[Word, Excerpt]] = []
    for item in node.items:
        several = item.text.startswith("-") and re.search(r"\s", item.text)
        found += _split(item.excerpt) if several else [(item.word(), item.excerpt)]
    return found


def _split(text: Excerpt) -> list[tuple[Word, Excerpt]]:
    """The words of a text, as a shell has them."""
    return [pair for command in shell.commands(text)[:1] for pair in zip(command.words, command.texts, strict=False)]
