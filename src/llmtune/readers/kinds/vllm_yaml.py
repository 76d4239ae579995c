"""The YAML file of ``vllm serve --config FILE``.

Other tools' configuration files are YAML mappings, too, and some of their keys are vLLM's. A file is taken for vLLM's
when most of its keys are flags that some release has, and none is one that only another tool knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.catalog import history
from llmtune.readers import LARGEST, ReadError, read_text
from llmtune.readers.config_words import tokens
from llmtune.readers.source import Source
from llmtune.readers.yaml_tree import Yaml, about_duplicates, documents
from llmtune.spec.server import ConfigText, Document, Server
from llmtune.spec.surroundings import Surroundings

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.finding import Notice
    from llmtune.spec.word import Word

__all__ = ["KIND", "ORDER", "read_document", "recognises", "tokens", "tokens_of_file"]

KIND = "vllm-config"
ORDER = 90
SUFFIXES = frozenset({"yaml", "yml"})
KEY = re.compile(r"^['\"]?([A-Za-z][\w.-]*)['\"]?[ \t]*:(?=\s|$)", re.MULTILINE)
WRONG_SUFFIX = "vLLM refuses {}: rename it to end in .yaml or .yml"
ENOUGH = 0.6  # share of keys that are flags; a public file with one mistake in three keys has been seen
# Keys that no other kind of file is known to have at its top level: one of them makes it vLLM's.
TELLING = frozenset(
    {
        *("max-model-len", "gpu-memory-utilization", "tensor-parallel-size", "max-num-seqs", "max-num-batched-tokens"),
        *("served-model-name", "kv-cache-dtype", "enforce-eager", "enable-prefix-caching", "pipeline-parallel-size"),
        *(
            "data-parallel-size",
            "enable-chunked-prefill",
            "swap-space",
            "tool-call-parser",
            "reasoning-parser",
            "enable-auto-tool-choice",
        ),
        *(
            "speculative-config",
            "compilation-config",
            "limit-mm-per-prompt",
            "enable-expert-parallel",
            "trust-remote-code",
        ),
    }
)
# Keys of other tools: Kubernetes, Compose, Helm; SGLang, TensorRT-LLM, LMDeploy, LiteLLM; LLaMA-Factory, axolotl, TRL,
# OpenRLHF, verl and Hydra, accelerate, DeepSpeed; lm-eval, promptfoo, guidellm; GitHub Actions, SkyPilot, dstack, Ray.
FOREIGN = frozenset(
    {
        *("apiversion", "kind", "services", "helmversion", "include", "image"),
        *(
            "model-path",
            "mem-fraction-static",
            "tp-size",
            "dp-size",
            "chunked-prefill-size",
            "schedule-policy",
            "context-length",
            "backend",
        ),
        *(
            "kv-cache-config",
            "cuda-graph-config",
            "enable-attention-dp",
            "print-iter-log",
            "cache-max-entry-count",
            "session-len",
        ),
        *("model-list", "litellm-settings", "general-settings", "router-settings"),
        *(
            "model-name-or-path",
            "stage",
            "do-train",
            "finetuning-type",
            "template",
            "infer-backend",
            "vllm-maxlen",
            "base-model",
            "adapter",
            "datasets",
        ),
        *(
            "dataset",
            "dataset-name",
            "output-dir",
            "learning-rate",
            "num-train-epochs",
            "num-epochs",
            "per-device-train-batch-size",
            "sequence-len",
        ),
        *(
            "micro-batch-size",
            "gradient-accumulation-steps",
            "lora-r",
            "lora-alpha",
            "pretrain",
            "actor-rollout-ref",
            "actor",
            "rollout",
            "critic",
        ),
        *("trainer", "algorithm", "reward-model", "defaults", "hydra", "data", "training", "train-batch-size"),
        *("compute-environment", "distributed-type", "num-processes", "zero-optimization"),
        *("tasks", "num-fewshot", "model-args", "providers", "prompts", "tests", "evaluators", "benchmark"),
        *(
            "on",
            "jobs",
            "steps",
            "run",
            "setup",
            "resources",
            "envs",
            "type",
            "commands",
            "applications",
            "llm-configs",
            "engine-kwargs",
            "model-loading-config",
        ),
        *("prompt", "messages", "temperature", "max-tokens", "top-p", "system-prompt"),
    }
)


def recognises(source: Source) -> bool:
    """Whether the text is a mapping in YAML whose keys are vLLM's flags."""
    suffix = _suffix(source.name)
    if suffix not in {None, *SUFFIXES}:
        return False
    keys = [_flag(match[1]) for match in KEY.finditer(source.text)]
    if not keys or not FOREIGN.isdisjoint(key.lower() for key in keys):
        return False
    known = sum(history.flag_history(key) is not None for key in keys)
    if not TELLING.isdisjoint(keys):
        return known >= ENOUGH * len(keys)
    named_so = "vllm" in source.name.rsplit("/", 1)[-1].lower()
    return "model" in keys and known == len(keys) and (suffix is None or len(keys) > 1 or named_so)


def read_document(source: Source) -> Document:
    """The server that a config file describes; its model is left out when the command line names it.

    Raises:
        ReadError: when it is no mapping in YAML.

    """
    if _suffix(source.name) not in {None, *SUFFIXES}:
        raise ReadError(WRONG_SUFFIX.format(source.name), name="config-file-shape")
    root = _root(source)
    first = next(iter(root.entries.values()), root)
    server = Server(
        name="",
        span=first.key_span,
        entry="config",
        config=ConfigText("file", root),
        surroundings=Surroundings(platform="config", complete=False),
    )
    return Document(source.name, KIND, (server,), tuple(about_duplicates([root])))


def tokens_of_file(
    path: Path, engine: EngineVersion, entry: str, warnings: list[Notice], problems: list[ReadError]
) -> list[Word]:
    """The arguments in the file behind ``--config``, whose name must end in .yaml or .yml.

    Raises:
        ReadError: when it cannot be read, or is no mapping in YAML.

    """
    if str(path).rsplit(".", 1)[-1] not in SUFFIXES:
        raise ReadError(WRONG_SUFFIX.format(path), name="config-file-shape")
    root = _root(Source(read_text(path), str(path)))
    warnings += about_duplicates([root])
    return tokens(ConfigText("file", root), engine, warnings, problems, entry=entry)


def _root(source: Source) -> Yaml:
    if len(source.text) > LARGEST:
        message = f"{source.name} is larger than {LARGEST} bytes; name a configuration file"
        raise ReadError(message, name="file-too-large")
    roots = documents(source)
    if len(roots) != 1 or not roots[0].is_mapping:
        what = "is empty" if not roots else "holds several documents" if len(roots) > 1 else "is no mapping"
        span = roots[-1].span if roots else None
        message = f"{source.name} {what}; write one 'flag: value' per line"
        raise ReadError(message, name="invalid-yaml" if len(roots) > 1 else "config-file-shape", span=span)
    _check_keys(roots[0])
    return roots[0]


def _check_keys(root: Yaml) -> None:
    """Refuse keys that are no texts: the engine adds dashes to them."""
    for key, _ in root.node.value:
        if key.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}:
            node = Yaml(root.source, key)
            message = f"YAML reads the key {node.text or '?'} as no text; write the name of a flag"
            raise ReadError(message, name="config-file-shape", span=node.span)


def _suffix(name: str) -> str | None:
    base = name.rsplit("/", 1)[-1]
    return base.rsplit(".", 1)[-1] if "." in base else None


def _flag(key: str) -> str:
    """A key as its flag is spelled: ``no-`` and sub-keys do not matter."""
    return key.partition(".")[0].replace("_", "-").removeprefix("no-")
