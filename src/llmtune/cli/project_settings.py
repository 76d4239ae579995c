"""``llmtune.toml``: what a repository says once instead of on every command line. Looked for up to its root."""

from __future__ import annotations

import tomllib
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.cli.errors import UserError
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "llmtune.toml"
LISTS = ("select", "ignore", "exclude")
TEXTS = ("fail-on", "vllm-version", "gpu", "instance", "baseline")
LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The ``[lint]`` table. ``per_file_ignores`` maps a pattern, as git writes them, to rules."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    gpus: int | None = None
    directory: Path = field(default_factory=Path)

    def text(self, key: str) -> str | None:
        """One of the plain settings."""
        return self.texts.get(key)


def find_settings(start: Path) -> ProjectSettings:
    """The settings of the repository that a directory is in; empty where there is no file.

    Raises:
        UserError: when there is one and it is wrong.

    """
    for directory in (start, *start.parents):
        path = directory / NAME
        if path.is_file():
            return _read(path)
        if (directory / ".git").exists():
            break
    return ProjectSettings()


def _read(path: Path) -> ProjectSettings:
    try:
        with path.open("rb") as file:
            document = tomllib.loads(file.read(LARGEST).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    table = _table(path, document)
    lists = {key: _texts(path, key, table.get(key, [])) for key in LISTS}
    ignores = table.get("per-file-ignores", {})
    if not isinstance(ignores, dict):
        raise UserError(f"{path}: per-file-ignores is a table of pattern = [rules]")
    gpus = table.get("gpus")
    if gpus is not None and (not isinstance(gpus, int) or isinstance(gpus, bool)):
        raise UserError(f"{path}: gpus is a number")
    for key in TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise UserError(f"{path}: {key} is a text; put it in quotes")
    return ProjectSettings(
        select=lists["select"],
        ignore=lists["ignore"],
        exclude=lists["exclude"],
        per_file_ignores={pattern: _texts(path, pattern, names) for pattern, names in ignores.items()},
        texts={key: table[key] for key in TEXTS if key in table},
        gpus=gpus,
        directory=path.parent,
    )


def _table(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    known = {*LISTS, *TEXTS, "per-file-ignores", "gpus"}
    table = document.get("lint", {})
    stray = [key for key in document if key != "lint"]
    if stray or not isinstance(table, dict):
        raise UserError(f"{path}: only a table [lint] is known here, not '{(stray or ['lint'])[0]}'")
    unknown = [key for key in table if key not in known]
    if unknown:
        raise UserError(f"{path}: [lint] has no key '{unknown[0]}'; it has {', '.join(sorted(known))}")
    return table


def _texts(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UserError(f"{path}: '{key}' is a list of texts")
    return tuple(value)
