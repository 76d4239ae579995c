"""The documentation: generated parts are fresh, links lead somewhere, JSON fields are real, examples work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from llmtune import architectures
from llmtune.architectures import quantization, read_model
from llmtune.catalog import gpus, instances, models, scenarios
from llmtune.cli import main
from llmtune.readers.scenario import read_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(?:#([^)\s]+))?\)")
FIELD = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
PRICED = ["recommend", "Qwen/Qwen3-8B", "--gpu", "l4", "--gpus", "2", "--price", "0.7", "--format", "json"]
NOT_FITTING = ["recommend", "meta-llama/Llama-3.3-70B-Instruct", "--gpu", "l4", "--format", "json"]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of ``llmtune WORDS``."""
    monkeypatch.setattr(sys, "argv", ["llmtune", *words])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_generated_parts_are_fresh() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "make_docs.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target) if target else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


COMMANDS = [
    *("recommend", "estimate", "simulate", "compare", "bench-plan", "bench-read"),
    *("lint", "explain", "calibrate", "detect", "list", "show"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_help_stands_in_the_reference(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    section = reference.partition(f"## llmtune {command}\n")[2].partition("\n## ")[0]
    assert run(monkeypatch, command, "--help") == 0
    said = set(re.findall(r"^ +(?:-\w+, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert said - {"--help"} == set(re.findall(r"`(--[a-z-]+)`", section))


def documented(schema: str) -> set[str]:
    """The field paths that the JSON reference lists for a schema."""
    text = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {schema}\n")[2].partition("\n## ")[0]
    return set(FIELD.findall(section.partition("`failure` is one of")[0]))


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Every field of a document as the reference writes it; flags of settings are one, their values are not entered."""
    if isinstance(value, dict) and not path.endswith("<flag>.value"):
        for key, inner in value.items():
            name = "<flag>" if path == "settings" else key
            yield from paths(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from (found for item in value for found in paths(item, f"{path}[]"))
    if path:
        yield path


def test_estimate_fields_are_those_of_real_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "estimate", "--gpu", "l4", "--format", "json", "--", "vllm", "serve", "Qwen/Qwen3-8B") == 1
    real = set(paths(json.loads(capsys.readouterr().out)))
    example = json.loads((DOCS / "reference" / "estimate.example.json").read_text(encoding="utf-8"))
    real |= set(paths(example))
    known = documented(example["schema"])
    assert known <= real, "documented, but not there"
    leaves = {path for path in real if not any(other.startswith((f"{path}.", f"{path}[")) for other in real)}
    assert leaves <= known, "there, but not documented"


def test_recommendation_fields_are_those_of_real_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *NOT_FITTING) == 1
    refusal = json.loads(capsys.readouterr().out)
    example = json.loads((DOCS / "reference" / "recommendation.example.json").read_text(encoding="utf-8"))
    assert run(monkeypatch, *PRICED) == 0
    priced = json.loads(capsys.readouterr().out)
    simulated = {"ttft_s", "tpot_s", "itl_s", "e2e_s", "output_tokens_per_s", "bound_by"}
    for document in (example, priced):
        assert simulated <= set(document.pop("performance")) - {"tokens_per_gpu_per_s"}
        assert simulated <= set(document["engine_default"].pop("performance"))
        assert document.pop("load")["requests"] > 0
        del document["interval"], document["engine_default"]["settings"]
    documents = (refusal, example, priced)
    estimates = [document.pop("estimate") for document in documents]
    for estimate in estimates:
        assert {path.partition(".")[0].partition("[")[0] for path in documented("llmtune/estimate/1")} == {
            "schema",
            *estimate,
        }
    real = {path for document in documents for path in paths(document)}
    known = documented(example["schema"]) - {"estimate", "engine_default.settings", "engine_default.performance"}
    assert known <= real, "documented, but not there"
    leaves = {path for path in real if not any(other.startswith((f"{path}.", f"{path}[")) for other in real)}
    assert leaves <= known, "there, but not documented"


def test_lint_fields_are_those_of_real_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.sh").write_text("vllm serve Qwen/Qwen3-8B --config=vllm.yaml\n")
    (tmp_path / "b.yaml").write_text("a: 1\n")
    assert run(monkeypatch, "lint", str(tmp_path), "--format", "json") == 1
    document = json.loads(capsys.readouterr().out)
    document["findings"].sort(key=lambda found: found["fix"] is None)
    real, known = set(paths(document)), documented(document["schema"])
    assert known - real == set(), "documented, but not there"
    leaves = {path for path in real if not any(other.startswith((f"{path}.", f"{path}[")) for other in real)}
    assert leaves <= known, "there, but not documented"


def test_simulation_fields_are_those_of_real_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = []
    for gpu, code in (("l4", 1), ("h100", 0)):
        words = ("simulate", "--gpu", gpu, "--rate", "5/s", "--format", "json", "--", "vllm", "serve", "Qwen/Qwen3-8B")
        assert run(monkeypatch, *words) == code
        document = json.loads(capsys.readouterr().out)
        document["interval"] = None  # its keys are the names of the means
        documents.append(document)
    _check_fields(documents, documents[0]["schema"])


def test_gpu_comparison_fields_are_those_of_real_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "compare", "Qwen/Qwen3-8B", "--gpus-from", "h100,t4", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    document["load"] = None  # these have the form of a simulation's
    for offer in document["offers"]:
        offer |= {"performance": None, "interval": None, "settings": None}
    _check_fields([document], document["schema"])


def test_bench_fields_are_those_of_real_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = (DOCS / "guide" / "simulate.md").read_text(encoding="utf-8")
    result = page.partition("<!-- write: c32.json -->\n```json\n")[2].partition("```")[0]
    (tmp_path / "c32.json").write_text(result, encoding="utf-8")
    assert run(monkeypatch, "bench-read", str(tmp_path / "c32.json"), "--gpu", "h100", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    document["hardware"] = None
    for one in document["runs"]:
        one |= {"load": None, "performance": None}
    _check_fields([document], document["schema"])


def _check_fields(documents: list[Any], schema: str) -> None:
    real = {path for document in documents for path in paths(document)}
    known = documented(schema)
    assert known <= real, "documented, but not there"
    leaves = {path for path in real if not any(other.startswith((f"{path}.", f"{path}[")) for other in real)}
    assert leaves <= known, "there, but not documented"


def test_scenario_schema_accepts_the_presets() -> None:
    schema = json.loads((DOCS / "reference" / "scenario.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in scenarios.names():
        jsonschema.validate(scenarios.load(name), schema)


def example(path: str) -> str:
    """The text that stands on the page about adding things for one of its files."""
    page = (DOCS / "contributing" / "adding.md").read_text(encoding="utf-8")
    block = page.partition(f"<!-- begin: file {path} -->\n")[2].partition("<!-- end -->")[0]
    return re.sub(r"\A```\w+\n|```\n\Z", "", block)


@pytest.fixture
def empty_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalogue without GPUs, instances and models, whose look-ups forget what they knew."""
    kinds = {"gpus": gpus, "instances": instances, "models": models}
    caches = [gpus.names, gpus.find, gpus.load, gpus._all, instances.names, instances.find, instances.load]
    caches += [models.names, models.find]
    for name, module in kinds.items():
        (tmp_path / name).mkdir()
        monkeypatch.setattr(module, "DATA", tmp_path / name)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    for cached in caches:
        cached.cache_clear()


def test_the_gpu_and_model_of_the_page_work(
    empty_catalog: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = "src/llmtune/catalog/data"
    written = {
        "gpus/my-card.json": example(f"{data}/gpus/l4.json"),
        "instances/my-machine.json": example(f"{data}/instances/g6.xlarge.json").replace('"l4"', '"my-card"'),
        "models/Qwen--Qwen3-8B.json": example(f"{data}/models/Qwen--Qwen3-8B.json"),
        "models/Me--Smaller.json": example(f"{data}/models/Qwen--Qwen3-8B-FP8.json"),
    }
    for name, text in written.items():
        (empty_catalog / name).write_text(text, encoding="utf-8")
    words = ("--format", "json", "--", "vllm", "serve", "Me/Smaller", "--max-model-len", "8192")
    assert run(monkeypatch, "estimate", "--gpu", "my-card", *words) == 0
    by_gpu = json.loads(capsys.readouterr().out)
    assert by_gpu["hardware"]["gpu"] == "my-card"
    assert by_gpu["model"]["quantization"] == "fp8"
    assert run(monkeypatch, "estimate", "--instance", "my-machine", *words) == 0
    assert json.loads(capsys.readouterr().out)["kv_cache"] == by_gpu["kv_cache"]


def test_the_family_and_quantization_of_the_page_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = example("src/llmtune/architectures/qwen3.py").replace("Qwen3ForCausalLM", "MyForCausalLM")
    (tmp_path / "my_family.py").write_text(family, encoding="utf-8")
    method = example("src/llmtune/architectures/quantization/mxfp4.py").replace('"experts"', '"linear"')
    (tmp_path / "my_method.py").write_text(method, encoding="utf-8")
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    monkeypatch.setattr(quantization, "__path__", [*quantization.__path__, str(tmp_path)])
    monkeypatch.setitem(quantization._READERS, "my-method", "my_method")
    facts = models.find("Qwen/Qwen3-8B").config
    config = {**facts, "architectures": ["MyForCausalLM"], "quantization_config": {"quant_method": "my-method"}}
    model = read_model(config)
    assert (model.family, model.quantization, model.layers) == ("my_family", "my-method", 36)
    formats = {module.name: module.format.name for module in model.groups[0].modules if hasattr(module, "format")}
    assert formats["mlp.down_proj"] == "mxfp4"


def test_the_scenario_of_the_page_works(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(example("presets/low-latency.yaml"), encoding="utf-8")
    mine = read_scenario(tmp_path / "mine.yaml")
    assert mine.name == "mine"
    assert mine.policy == scenarios.find("low-latency").policy
