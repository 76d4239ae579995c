"""``python -m llmtune``."""

from llmtune.cli import run

run()
