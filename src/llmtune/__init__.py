"""llmtune: says before a GPU is started what vLLM will do with a model, and writes a config that starts."""

__version__ = "0.1.0"
