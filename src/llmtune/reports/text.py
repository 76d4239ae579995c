"""``--format text``: a plan for people. The memory bar and its legend come first, then settings with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.page import Page, Paper
from llmtune.reports.settings import resolved_settings

if TYPE_CHECKING:
    from llmtune.spec.recommendation import Advice, Estimate

__all__ = ["Paper", "advice", "estimate", "hardware_line"]

ORIGIN_WORDS = ("set",)


def estimate(result: Estimate, paper: Paper) -> str:
    """What a deployment will do."""
    page = Page(paper)
    page.headline(f"{result.model.id} on {hardware_line(result)}")
    page.memory(result.memory)
    page.verdict(result.memory)
    rows = [
        (f"--no-{flag}" if value is False else f"--{flag} {_plain(value)}".rstrip(), origin)
        for flag, (value, origin) in resolved_settings(result.deployment, result.resolved).items()
        if (value is not None and value is not False) or origin in ORIGIN_WORDS
    ]
    page.table("Settings", rows)
    page.bullets("Assumptions", result.assumptions)
    page.bullets("Warnings", result.warnings)
    return page.text()


def advice(result: Advice, command: str | None, paper: Paper) -> str:
    """A recommendation, or a refusal with the ways out."""
    page = Page(paper)
    answer, shown = result.recommendation, result.estimate
    page.headline(f"{shown.model.id} for {result.scenario.name} on {hardware_line(shown)}")
    page.memory(shown.memory)
    page.verdict(shown.memory)
    if answer.deployment is None:
        ways = [(way.arguments, f"{way.change}: {way.result}") for way in answer.ways_out]
        page.table("What would make it fit", ways or [("nothing that was tried", "a smaller model is needed")])
    else:
        rows = [
            (f"--{setting.flag} {_plain(setting.value)}".rstrip(), reason.text)
            for setting, reason in zip(answer.deployment.settings, answer.reasons, strict=True)
        ]
        page.table("Settings", rows)
    if answer.ranking is not None:
        from llmtune.reports import ranking_text  # noqa: PLC0415 - not with --quick

        ranking_text.write(page, answer.ranking)
    known = shown.memory.failure.engine_message if shown.memory.failure else None
    tried = [(one.candidate, _first_sentence(one.why)) for one in answer.rejected if one.why != known]
    page.table("Also tried", tried)
    page.bullets("Assumptions", shown.assumptions)
    page.bullets("Warnings", shown.warnings)
    if command:
        page.block("Start it", command)
    return page.text()


def hardware_line(result: Estimate) -> str:
    """Hardware, release and share, as headlines say them."""
    hardware = result.hardware
    count = f"{hardware.gpus} x " if hardware.gpus > 1 else ""
    nodes = f" on {hardware.nodes} nodes" if hardware.nodes > 1 else ""
    share = f"gpu-memory-utilization {result.resolved.gpu_memory_utilization:g}"
    return f"{count}{hardware.gpu.product}{nodes} · vLLM {result.engine.release} · {share}"


def _first_sentence(text: str) -> str:
    """What an engine message says before its advice; the JSON report has all of it."""
    return text.partition(". ")[0].rstrip(".")


def _plain(value: object) -> str:
    if value is True:
        return ""
    if isinstance(value, dict | list):
        import json  # noqa: PLC0415 - only sampling defaults and the like

        return json.dumps(value, ensure_ascii=False)
    return str(value)
