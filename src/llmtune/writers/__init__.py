"""Deployments to files and command lines: one module per kind of file.

A module that writes a kind of file has ``write(deployment, engine) -> str``. What it writes, the reader of the same
kind reads back as the same deployment; what it cannot write so, it refuses.
"""

from __future__ import annotations


class WriteError(ValueError):
    """A deployment that this kind of file cannot hold, or a file that cannot be written; the message is one line."""
