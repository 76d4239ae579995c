"""From one text to cases: which servers it starts, with which release, model and GPU, and which texts are secret."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.calc.case import Case, Facts
from llmtune.catalog import UnknownName, engines, history
from llmtune.cli.lint_hardware import find_hardware
from llmtune.readers import ReadError, read_document
from llmtune.readers.secrets import MASK, is_secret, is_secret_variable
from llmtune.readers.server import read_server
from llmtune.spec.record import dataclass
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from llmtune.spec.deployment import Deployment
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model
    from llmtune.spec.server import Document, Server

MOST_SERVERS = 500  # in one file; each costs some milliseconds
SHORTEST_SECRET = 3  # characters; masking a shorter one would mask half the line


@dataclass(frozen=True, slots=True)
class LintOptions:
    """What the command line says about files to be linted."""

    release: EngineVersion | None = None
    hardware: Hardware | None = None
    kind: str | None = None
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    directory: str = "."  # what the patterns of per_file_ignores are below of
    offline: bool = True


def find_cases(text: str, name: str, options: LintOptions) -> tuple[Document | None, list[Case]]:
    """What a text is, and a case for every server in it; None when no reader knows it.

    Raises:
        ReadError: when it cannot be read as what it is.

    """
    document = read_document(text, name, options.kind)
    if document is None:
        return None, []
    if len(document.servers) > MOST_SERVERS:
        raise ReadError(f"more than {MOST_SERVERS} servers; put them into several files", name="unreadable-file")
    cases = [make_case(server, document, options) for server in document.servers]
    for case in cases:
        case.neighbours = tuple(other for other in cases if other is not case)
    return document, cases


def secrets_of(cases: Iterable[Case]) -> frozenset[str]:
    """Every text that the file gives to a flag or a variable that holds secrets."""
    found: set[str] = set()
    for case in cases:
        found |= {item.value for item in case.server.variables if item.value and is_secret_variable(item.name)}
        for setting in case.deployment.settings:
            if is_secret(setting.flag):
                found |= {word.text for word in setting.words[1:]}
                found |= {word.text.partition("=")[2] for word in setting.words[:1]}
    return frozenset(text for text in found if len(text) >= SHORTEST_SECRET and not is_unknown(text))


def mask(text: str, hidden: Iterable[str]) -> str:
    """A text without any of the secrets."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def make_case(server: Server, document: Document, options: LintOptions) -> Case:
    """One server with its release and everything that can be known about it."""
    image = _image(server)
    engine, origin = find_release(server, image, options)
    reading = read_server(server, engine, directory=Path(document.path).parent, near=True)
    notices = (*reading.warnings, *(problem.notice() for problem in reading.problems))
    facts = Facts(
        engine=engine,
        release_from=origin,
        history=history,
        find_model=lambda deployment: find_model(deployment, offline=options.offline),
        find_hardware=lambda deployment, around: find_hardware(deployment, around, options.hardware),
        image=image,
    )
    return Case(
        server,
        document,
        reading.deployment,
        notices,
        facts,
        model_word=reading.model_word,
        open_ended=reading.open_ended,
    )


def release_of(server: Server) -> tuple[EngineVersion, str]:
    """The release a server runs, and who says so, where the command line does not."""
    return find_release(server, _image(server), LintOptions())


def find_release(server: Server, image: object, options: LintOptions) -> tuple[EngineVersion, str]:
    """The release a server runs, and who says so: the command line, the file, its image, or nobody."""
    if options.release is not None:
        return options.release, "option"
    stated = server.release.value if server.release is not None else None
    tagged = getattr(image, "release", None)
    for text, origin in ((stated, "file"), (tagged, "image")):
        engine = _nearest(text) if isinstance(text, str) else None
        if engine is not None:
            return engine, origin
    return engines.find(engines.newest()), "newest"


def _nearest(text: str) -> EngineVersion | None:
    """A release, or the oldest or newest known one where it is beyond those; None for what is none."""
    try:
        wanted = engines.parts(text)
        oldest, newest = engines.names()[0], engines.newest()
        beyond = oldest if wanted < engines.parts(oldest) else newest if wanted > engines.parts(newest) else text
        return engines.find(beyond)
    except UnknownName:
        return None


def _image(server: Server) -> object:
    from llmtune.catalog import images  # noqa: PLC0415 - only for containers

    fact, written = server.surroundings.image, server.surroundings.image_written
    if fact is not None and not isinstance(fact.value, str) and written:
        return None if is_unknown(images.split(written)[0]) else images.identify(written)
    return images.identify(fact.value) if fact is not None and isinstance(fact.value, str) else None


@lru_cache(maxsize=1024)
def _checkpoint(reference: str, *, offline: bool) -> Model | None:
    """A model by its name or path: many files name the same few, and looking for an unknown one takes longest."""
    from llmtune.cli.errors import UserError  # noqa: PLC0415
    from llmtune.cli.loading import load_model  # noqa: PLC0415

    try:
        return load_model(reference, offline=offline)
    except (UserError, UnknownName, ValueError, ArithmeticError, LookupError):
        return None


def find_model(deployment: Deployment, *, offline: bool) -> Model | None:
    """The model of a deployment as ``estimate`` sees it; None where it is hidden or not known."""
    from llmtune.calc.validity_quantization import WITH_OWN_CONFIG  # noqa: PLC0415
    from llmtune.cli import judge as judging  # noqa: PLC0415
    from llmtune.cli.drafts import attach  # noqa: PLC0415
    from llmtune.cli.errors import UserError  # noqa: PLC0415

    if not deployment.model or is_unknown(deployment.model):
        return None
    try:
        model = _checkpoint(deployment.model, offline=offline)
        if model is None:
            return None
        if model.quantization is not None or deployment.value("quantization") not in WITH_OWN_CONFIG:
            model = judging.quantised_while_loading(model, deployment)  # else the engine refuses it, and a rule says so
        return attach(model, deployment, offline=offline)[0]
    except (UserError, UnknownName, ValueError, ArithmeticError, LookupError):
        return None
