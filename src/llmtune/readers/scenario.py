"""A user's scenario file: YAML, checked against the published schema before anything is computed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError, read_text
from llmtune.spec.scenario import AIMS

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter, ValidationError

    from llmtune.spec.scenario import Scenario


def read_scenario(path: Path) -> Scenario:
    """A scenario from a file.

    Raises:
        ReadError: with the file and the key that is wrong.

    """
    from pydantic import ValidationError  # noqa: PLC0415 - 60 ms that only a user's file needs

    from llmtune.catalog.scenarios import scenario_from  # noqa: PLC0415

    data = _load(path)
    try:
        checked = adapter().validate_python(data)
    except ValidationError as error:
        raise ReadError(_sentence(path, error), name="invalid-scenario") from error
    return scenario_from(path.stem, adapter().dump_python(checked, exclude_none=True), source=str(path))


def _load(path: Path) -> Any:
    import yaml  # noqa: PLC0415

    text = read_text(path)
    try:
        return yaml.load(text, Loader=_loader(yaml))  # noqa: S506 - a safe loader without aliases
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ReadError(f"{path}{where}: not valid YAML: {problem}", name="invalid-yaml") from error


def _loader(yaml: Any) -> Any:
    class Plain(yaml.SafeLoader):  # type: ignore[name-defined,misc,unused-ignore]
        """A safe loader that refuses aliases: a scenario needs none, and they can be made to explode."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                event = self.peek_event()
                raise yaml.composer.ComposerError(None, None, "aliases are not allowed", event.start_mark)
            return super().compose_node(parent, index)

    return Plain


def adapter() -> TypeAdapter[Any]:
    """The schema of a scenario file, as pydantic checks it and as docs/reference/scenario.schema.json publishes it."""
    from typing import Annotated, Literal  # noqa: PLC0415

    from pydantic import BaseModel, ConfigDict, Field, TypeAdapter  # noqa: PLC0415

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid", strict=True)

    count = Annotated[int, Field(ge=1, le=100_000_000)]
    share = Annotated[float, Field(gt=0, le=1, strict=False)]

    class Percentiles(Strict):
        p50: count  # type: ignore[valid-type]
        p95: count  # type: ignore[valid-type]

    class WorkloadFile(Strict):
        prompt_tokens: Percentiles
        output_tokens: Percentiles
        concurrency: Annotated[int, Field(ge=1, le=1_000_000)]

    class TargetsFile(Strict):
        ttft: Annotated[float, Field(gt=0, strict=False, description="seconds")] | None = None
        tpot: Annotated[float, Field(gt=0, strict=False, description="seconds")] | None = None

    class PolicyFile(Strict):
        aim: Literal[AIMS]  # type: ignore[valid-type]
        gpu_memory_utilization: share | None = None  # type: ignore[valid-type]
        headroom: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.05
        max_num_seqs: Annotated[list[Annotated[int, Field(ge=1, le=1_000_000)]], Field(min_length=2, max_length=2)]
        kv_cache_dtypes: Annotated[list[str], Field(min_length=1)] = ["auto"]
        max_num_batched_tokens: count | None = None  # type: ignore[valid-type]
        prefix_caching: bool | None = None
        chunked_prefill: bool | None = None
        quantization: list[str] = []

    class SamplingFile(Strict):
        value: Annotated[float, Field(strict=False)]
        reason: Annotated[str, Field(min_length=1)]

    class ScenarioFile(Strict):
        title: str
        description: str
        workload: WorkloadFile
        targets: TargetsFile = TargetsFile()
        policy: PolicyFile
        reasons: dict[str, str] = {}
        sampling: dict[str, SamplingFile] = {}

    for model in (WorkloadFile, TargetsFile, PolicyFile, ScenarioFile):
        model.model_rebuild(_types_namespace={**locals(), **globals()})
    return TypeAdapter(ScenarioFile)


def _sentence(path: Path, error: ValidationError) -> str:
    """The first problem as one line: file, key, what is wrong."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{path}: {key}: {first['msg'].lower()}{more}"
