"""Files in YAML that are about many things: whether one is YAML at all, and whether vLLM is among the things."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.yaml_tree import about_duplicates

if TYPE_CHECKING:
    from llmtune.readers.source import Source
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.finding import Notice

# Behind comments, directives and templates: a key, an item, or JSON. A script that holds a manifest starts otherwise.
START = re.compile(
    r"""\s*(?:(?:\#(?!!)[^\n]*|---[^\n]*|%[^\n]*|\{\{[^\n]*)(?:\n\s*|\Z))*
    (?:[{\[] | -\s | ['"]?[\w./-]+['"]?\s*:(?:\s|$))""",
    re.VERBOSE,
)
RELEVANT = re.compile(r"vllm|llm-d/llm-d|--(max.model.len|gpu.memory.utilization|tensor.parallel.size)", re.IGNORECASE)


def starts_as_yaml(source: Source) -> bool:
    """Whether a text starts as YAML and JSON do."""
    return START.match(source.text) is not None


def is_relevant(source: Source) -> bool:
    """Whether a text speaks of vLLM, or of flags that only vLLM has; others need not be parsed."""
    return RELEVANT.search(source.text) is not None


def duplicates(found: list[Yaml]) -> list[Notice]:
    """Keys that stand twice in a mapping; in a template they may be alternatives."""
    return [] if found and "{{" in found[0].source.text else about_duplicates(found)
