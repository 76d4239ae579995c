"""Which files to lint: those that were named, and those under the directories that were.

Directories are walked without following links; what git ignores is left out, as are hidden directories except those
that hold CI configurations.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.cli.errors import UserError
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pathspec

SUFFIXES = frozenset({".yaml", ".yml", ".sh", ".bash", ".service", ".container", ".dockerfile", ".tpl", ".zsh"})
NAMES = re.compile(r"(Dockerfile|Containerfile)(\..+)?|.+\.(Dockerfile|Containerfile)", re.IGNORECASE)
SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages", "venv", "target", "dist", "build"})
WALKED = frozenset({".github", ".gitlab", ".ci", ".circleci"})
GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Target:
    """One file to lint. ``named``: the user named it, so it is looked at whatever its name is."""

    path: str
    named: bool


def targets(paths: Sequence[str], exclude: Sequence[str]) -> Iterator[Target]:
    """Every file to lint, in a stable order, each once.

    Raises:
        UserError: for a path that does not exist, or a pattern that matches nothing.

    """
    import pathspec

    excluded = pathspec.GitIgnoreSpec.from_lines(exclude)
    seen: set[str] = set()
    for path in paths:
        for target in _expand(path):
            name = os.path.normpath(target.path)
            if name not in seen and not excluded.match_file(_below_here(name)):
                seen.add(name)
                yield target


def _below_here(path: str) -> str:
    return os.path.relpath(path) if os.path.isabs(path) else path  # noqa: PTH117 - texts, thousands of them


def _expand(path: str) -> Iterator[Target]:
    if path == "-":
        yield Target("-", named=True)
    elif os.path.isdir(path):  # noqa: PTH112
        yield from (Target(found, named=False) for found in _walk(path))
    elif os.path.lexists(path):
        yield Target(path, named=True)
    elif GLOB.search(path):
        found = sorted(str(item) for item in _glob(path))
        if not found:
            raise UserError(f"no file matches '{path}'")
        for item in found:
            yield from _expand(item)
    else:
        raise UserError(f"'{path}' does not exist; name files, directories or patterns, or '-' for stdin")


def _glob(pattern: str) -> Iterable[str]:
    from glob import glob  # noqa: PLC0415

    return glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute


def _walk(top: str) -> Iterator[str]:
    """Files below a directory that may hold a deployment, as git sees the tree."""
    ignores = _Ignores(top)
    for directory, below, files in os.walk(top):
        ignores.enter(directory, files)
        below[:] = sorted(name for name in below if _is_walked(name) and not ignores.covers(directory, name, "/"))
        for name in sorted(files):
            path = os.path.join(directory, name)  # noqa: PTH118
            if _may_hold_a_server(name, path) and not ignores.covers(directory, name, ""):
                yield os.path.relpath(path, ".") if top == "." else path


def _is_walked(name: str) -> bool:
    return name not in SKIPPED and (not name.startswith(".") or name in WALKED)


def _may_hold_a_server(name: str, path: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if suffix in SUFFIXES or NAMES.fullmatch(name):
        return True
    return not suffix and _is_script(path)


def _is_script(path: str) -> bool:
    """Whether a file without a suffix begins as a shell script."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            return False
        with open(path, "rb") as file:  # noqa: PTH123
            return bool(re.match(rb"#!.*\b(ba|z|da|k)?sh\b", file.read(64)))
    except OSError:
        return False


class _Ignores:
    """The .gitignore files from the repository's root down to where the walk is."""

    def __init__(self, top: str) -> None:
        self.specs: dict[str, pathspec.GitIgnoreSpec] = {}
        root = _repository(Path(top).resolve())
        if root is not None:
            here = Path(top).resolve()
            for directory in (root, *reversed([parent for parent in here.parents if root in parent.parents])):
                self.enter(str(directory), [".gitignore"])

    def enter(self, directory: str, files: Iterable[str]) -> None:
        """Read a directory's own .gitignore."""
        if ".gitignore" not in files:
            return
        import pathspec

        try:
            text = Path(directory, ".gitignore").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        self.specs[os.path.realpath(directory)] = pathspec.GitIgnoreSpec.from_lines(text.splitlines())

    def covers(self, directory: str, name: str, end: str) -> bool:
        """Whether git ignores a name in a directory (with ``/`` at its end: a directory)."""
        if not self.specs:
            return False
        path = os.path.join(os.path.realpath(directory), name)  # noqa: PTH118
        return any(
            spec.match_file(os.path.relpath(path, base) + end)
            for base, spec in self.specs.items()
            if path.startswith(base + os.sep)
        )


def _repository(directory: Path) -> Path | None:
    """The root of the git repository that a directory is in."""
    return next((parent for parent in (directory, *directory.parents) if (parent / ".git").exists()), None)


def read_bytes(path: str, largest: int) -> bytes:
    """A regular file's bytes, at most one more than ``largest``.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is no regular file: reading a pipe or a device may never end.

    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
        raise ValueError("it is no regular file")
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read(largest + 1)
