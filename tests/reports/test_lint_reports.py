"""Every format of lint, from one result that has what breaks formats: secrets aside, odd characters everywhere."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from llmtune.cli.lint import FORMATS
from llmtune.reports.text import Paper
from llmtune.rules import rules
from llmtune.spec.finding import Edit, Finding, Fix
from llmtune.spec.lint import CheckedFile, CheckedServer, LintResult, SkippedFile
from llmtune.spec.span import Span

PATH = "deploy/a,b:c.yaml"
SPAN = Span(PATH, 3, 5, 3, 21)
ODD = '50% of <b> & "c" | d\r\n\x07'


def result() -> LintResult:
    fix = Fix("delete it", (Edit(Span(PATH, 3, 1, 4, 1), ""), Edit(SPAN, "x: 1")), safe=False)
    findings = (
        Finding("it is wrong", SPAN, note="4 GiB is left", help="lower it", fix=fix, rule="config-equals-ignored",
                severity="error", confidence="certain", server="service vllm"),
        Finding(ODD, Span(PATH, 5, 1, 7, 2), rule="unused-suppression", severity="warning", confidence="likely"),
        Finding("worth knowing", Span(PATH, 9, 2, 9, 3), rule="unused-suppression", severity="info",
                confidence="possible"),
    )  # fmt: skip
    server = CheckedServer("service vllm", "0.8.5", "image", ("weights-do-not-fit",))
    other = CheckedServer("service other", "0.33.0", "newest")
    file = CheckedFile(PATH, "compose", (server, other), findings, 2, {3: "    command: --x=y", 5: "\tport: 1", 9: ""})
    place = Span("b.yaml", 1, 1, 1, 1)
    broken = Finding("no UTF-8", place, rule="unreadable-file", severity="error", confidence="certain")
    return LintResult(
        (file, CheckedFile("b.yaml", "broken", findings=(broken,), broken=True), CheckedFile("good.sh", "shell")),
        (SkippedFile("c.yaml", "it starts no vLLM server"),),
    )


def render(format_: str, paper: Paper | None = None) -> str:
    text: str = import_module(f"llmtune.reports.lint_{format_}").render(result(), rules(), paper or Paper(80))
    return text


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_ends_with_one_line_end_and_names_every_finding(format_: str) -> None:
    text = render(format_)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text.count("config-equals-ignored") >= 1
    assert text.count("unreadable-file") >= 1


def test_text() -> None:
    blocks = render("text").split("\n\n")
    assert blocks[0].splitlines() == [
        "error[config-equals-ignored]: it is wrong",
        " --> deploy/a,b:c.yaml:3:5 (service vllm)",
        "  |",
        "3 |     command: --x=y",
        "  |     ^^^^^^^^^^^^^^ 4 GiB is left",
        "  |",
        "  = help: lower it",
        "  = help: --fix --unsafe can do it: delete it",
    ]
    assert blocks[-1].startswith("2 errors, 1 warning, 1 info in 2 servers in 3 files; 1 can be fixed with --fix")
    assert "2 suppressed; 1 rule not checked for lack of a fact" in blocks[-1]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_text_keeps_to_the_width_and_colours_on_request(width: int) -> None:
    plain = render("text", Paper(width))
    body = plain.rpartition("\n\n")[0]
    assert all(len(line) <= width for line in body.splitlines() if "-->" not in line)
    coloured = render("text", Paper(width, color=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_concise_is_one_line_each() -> None:
    lines = render("concise").splitlines()
    assert lines[0] == f"{PATH}:3:5: error[config-equals-ignored] it is wrong (4 GiB is left)"


def test_json_contract() -> None:
    document = json.loads(render("json"))
    assert list(document) == ["schema", "findings", "checked", "skipped", "summary"]
    first = document["findings"][0]
    keys = {"rule", "severity", "confidence", "message", "path", "line", "column", "end_line", "end_column"}
    assert keys | {"server", "fix", "help_url"} <= set(first)
    assert (first["line"], first["column"], first["end_line"], first["end_column"]) == (3, 5, 3, 21)
    assert first["fix"]["safe"] is False
    assert len(first["fix"]["edits"]) == 2
    assert document["findings"][1]["fix"] is None
    assert document["checked"][0]["servers"][0] == {
        "name": "service vllm",
        "engine_version": "0.8.5",
        "engine_version_from": "image",
        "not_checked": ["weights-do-not-fit"],
    }
    assert document["skipped"] == [{"path": "c.yaml", "why": "it starts no vLLM server"}]
    assert document["summary"]["findings"] == {"error": 2, "warning": 1, "info": 1}


def test_github_commands_follow_the_documented_grammar() -> None:
    lines = render("github").splitlines()
    assert len(lines) == 4
    for line in lines:
        match = re.fullmatch(r"::(error|warning|notice) ([^:]*?)::(.*)", line)
        assert match is not None, line
        properties = dict(part.split("=", 1) for part in match[2].split(","))
        assert {"file", "line", "endLine", "title"} <= set(properties)
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", match[2] + match[3])
    assert "file=deploy/a%2Cb%3Ac.yaml" in lines[0]
    assert "col=5,endColumn=20" in lines[0]
    assert "col=" not in lines[1]


def test_gitlab_issues() -> None:
    issues = json.loads(render("gitlab"))
    assert [issue["severity"] for issue in issues] == ["critical", "minor", "info", "critical"]
    assert len({issue["fingerprint"] for issue in issues}) == 4
    for issue in issues:
        assert {"description", "check_name", "fingerprint", "severity", "location"} == set(issue)


def test_junit_is_xml() -> None:
    root = ET.fromstring(render("junit"))  # our own text
    assert root.attrib["failures"] == "4"
    assert [suite.attrib["name"] for suite in root] == [PATH, "b.yaml", "good.sh"]
    assert [case.find("failure") is None for suite in root for case in suite] == [False] * 4 + [True]


def test_markdown_is_a_table() -> None:
    rows = [line for line in render("markdown").splitlines() if line.startswith("|")]
    assert len(rows) == 6
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)


# What SARIF 2.1.0 demands of the parts that are written here (sections 3.13 to 3.30); `tools/check_sarif.py` holds a
# report against the whole schema.
REGION = {
    "type": "object",
    "required": ["startLine", "startColumn", "endLine", "endColumn"],
    "additionalProperties": {"type": "integer", "minimum": 1},
}
ARTIFACT = {"type": "object", "required": ["uri"], "properties": {"uri": {"type": "string", "pattern": "^[^ ,:]+$"}}}
PLACE = {"properties": {"region": REGION, "artifactLocation": ARTIFACT}}
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {"properties": {"driver": {"required": ["name", "rules"]}}},
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "ruleIndex", "level", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "locations": {
                                    "items": {
                                        "properties": {"physicalLocation": PLACE}
                                    }
                                },
                            },
                        }
                    },
                },
            }
        },
    },
}  # fmt: skip


def test_sarif() -> None:
    document = json.loads(render("sarif"))
    jsonschema.validate(document, SARIF)
    run = document["runs"][0]
    names = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert names == sorted(rules())
    assert all(names[found["ruleIndex"]] == found["ruleId"] for found in run["results"])
    assert run["invocations"] == [{"executionSuccessful": False}]
    assert all(rule["help"]["text"] and rule["help"]["markdown"] for rule in run["tool"]["driver"]["rules"])
    assert run["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"][0] == {
        "deletedRegion": {"startLine": 3, "startColumn": 1, "endLine": 4, "endColumn": 1}
    }
