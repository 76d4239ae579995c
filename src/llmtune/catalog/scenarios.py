"""Shipped scenarios (presets), and where they lie in a wheel or a checkout.

The YAML files are what people read and change; ``data/scenarios.json`` is the same content made by tools/make_docs.py,
because reading YAML takes longer than planning. A preset that is not in it is read from its file.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.catalog import UnknownName
from llmtune.spec.scenario import Policy, SamplingDefault, Scenario, Targets, Tokens, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

PREPARED = Path(__file__).parent / "data" / "scenarios.json"


@lru_cache(maxsize=1)
def directory() -> Path:
    """The directory of the presets: inside the installed package, or beside ``src`` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "presets"
    return inside if inside.is_dir() else package.parents[1] / "presets"


def names() -> tuple[str, ...]:
    """All presets."""
    return tuple(sorted(path.stem for path in directory().glob("*.yaml")))


@lru_cache(maxsize=16)
def find(name: str) -> Scenario:
    """A preset by its name.

    Raises:
        UnknownName: with the nearest names.

    """
    key = name.strip().lower().replace("_", "-")
    if key not in names():
        raise UnknownName("scenario", name, names())
    prepared = json.loads(PREPARED.read_text(encoding="utf-8")) if PREPARED.exists() else {}
    return scenario_from(key, prepared[key] if key in prepared else load(key))


def load(name: str) -> dict[str, Any]:
    """The content of a preset's YAML file."""
    import yaml

    data: dict[str, Any] = yaml.safe_load((directory() / f"{name}.yaml").read_text(encoding="utf-8"))
    return data


def scenario_from(name: str, data: Mapping[str, Any], *, source: str = "preset") -> Scenario:
    """A scenario from data that has been checked (presets by the tests, users' files by ``readers.scenario``)."""
    work, policy = data["workload"], data["policy"]
    low, high = policy["max_num_seqs"]
    return Scenario(
        name=name,
        title=data["title"],
        description=data["description"],
        workload=Workload(
            prompt=Tokens(**work["prompt_tokens"]),
            output=Tokens(**work["output_tokens"]),
            concurrency=work["concurrency"],
        ),
        targets=Targets(**(data.get("targets") or {})),
        policy=Policy(
            aim=policy["aim"],
            gpu_memory_utilization=policy.get("gpu_memory_utilization"),
            headroom=policy["headroom"],
            max_num_seqs=(low, high),
            kv_cache_dtypes=tuple(policy["kv_cache_dtypes"]),
            max_num_batched_tokens=policy.get("max_num_batched_tokens"),
            prefix_caching=policy.get("prefix_caching"),
            chunked_prefill=policy.get("chunked_prefill"),
        ),
        sampling=tuple(
            SamplingDefault(key, entry["value"], entry["reason"]) for key, entry in (data.get("sampling") or {}).items()
        ),
        reasons=dict(data.get("reasons") or {}),
        source=source,
    )
