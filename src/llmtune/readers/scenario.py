"""A user's scenario file: YAML, checked against the published schema before anything is computed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import ValidationError

    from llmtune.readers.scenario_schema import ScenarioFile
    from llmtune.spec.scenario import Scenario

DEEPEST = 16  # nested collections; a scenario has 4
PROBLEMS = {
    "extra_forbidden": "no such key",
    "missing": "is missing",
    "model_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
}


def read_scenario(path: Path) -> Scenario:
    """A scenario from a file.

    Raises:
        ReadError: with the file and the key that is wrong.

    """
    from pydantic import ValidationError

    from llmtune.catalog.scenarios import scenario_from  # noqa: PLC0415
    from llmtune.readers.scenario_schema import ScenarioFile  # noqa: PLC0415

    data = _load(path)
    try:
        checked = ScenarioFile.model_validate(data)
    except ValidationError as error:
        raise ReadError(_sentence(path, error), name="invalid-scenario") from error
    _check_order(path, checked)
    return scenario_from(path.stem, checked.model_dump(exclude_none=True), source=str(path))


def _check_order(path: Path, checked: ScenarioFile) -> None:
    """Pairs that must ascend."""
    work = checked.workload
    pairs = {
        "workload.prompt_tokens": (work.prompt_tokens.p50, work.prompt_tokens.p95),
        "workload.output_tokens": (work.output_tokens.p50, work.output_tokens.p95),
        "policy.max_num_seqs": tuple(checked.policy.max_num_seqs),
    }
    for key, (low, high) in pairs.items():
        if low > high:
            raise ReadError(f"{path}: {key}: {low} is above {high}; the smaller comes first", name="invalid-scenario")


def _load(path: Path) -> Any:
    import yaml

    text = read_text(path)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_shape(path, text, loader)
        return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except ReadError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)[:80]
        raise ReadError(f"{path}{where}: not valid YAML: {problem}", name="invalid-yaml") from error


def _check_shape(path: Path, text: str, loader: Any) -> None:
    """Refuse aliases, which can be made to explode, and deep nesting; a scenario needs neither."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        alias = isinstance(event, yaml.AliasEvent)
        if alias or depth > DEEPEST:
            mark: Any = event.start_mark
            what = "aliases are not allowed" if alias else f"more than {DEEPEST} levels"
            where = f"{path}:{mark.line + 1}:{mark.column + 1}"
            raise ReadError(f"{where}: {what} in a scenario; write it plainly", name="invalid-yaml")


def _sentence(path: Path, error: ValidationError) -> str:
    """The first problem as one line: file, key, what is wrong."""
    # A misspelt key is what makes another one missing, so it is told first.
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    said = PROBLEMS.get(first["type"]) or first["msg"].lower()
    return f"{path}: {key}: {said}{more}; see docs/reference/scenario.schema.json"
