"""Where llmtune keeps what it was told to remember: the user's configuration directory of this system."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def config_directory() -> Path | None:
    r"""The directory, which need not exist; None for a user without a home.

    ``$XDG_CONFIG_HOME/llmtune`` where that variable holds an absolute path, ``%APPDATA%\\llmtune`` on Windows,
    ``~/.config/llmtune`` elsewhere (XDG Base Directory Specification 0.8).
    """
    asked = os.environ.get("XDG_CONFIG_HOME", "")
    if asked and Path(asked).is_absolute():
        return Path(asked) / "llmtune"
    if sys.platform == "win32" and os.environ.get("APPDATA"):
        return Path(os.environ["APPDATA"]) / "llmtune"
    try:
        return Path.home() / ".config" / "llmtune"
    except RuntimeError:
        return None
