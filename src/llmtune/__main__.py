"""``python -m llmtune``."""

from llmtune.cli import main

main()
