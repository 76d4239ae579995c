"""The page of a rule: its docstring, as ``llmtune explain`` shows it."""

from __future__ import annotations

from llmtune.rules import rules

NEEDS = {
    "release": "vLLM's release to be named: by the image tag, a pin in the file, or --vllm-version",
    "model": "a model that the catalogue or a local directory has",
    "hardware": "the GPU: from the file, --gpu or --instance",
    "memory": "the GPU, the model and all settings, for the memory plan",
    "arguments": "that no variable hides further arguments",
    "container": "a container that the file describes in full",
}


def find(word: str) -> str | None:
    """The page of a rule by its name; None when there is none."""
    rule = rules().get(word.strip().replace("_", "-"))
    if rule is None:
        return None
    facts = [f"severity    {rule.severity}", f"confidence  {rule.confidence}"]
    if rule.since or rule.until:
        facts.append(f"releases    {releases(rule.since, rule.until)}")
    if rule.needs:
        facts.append(f"needs       {'; '.join(NEEDS[need] for need in rule.needs)}")
    facts.append(f"to silence  # llmtune: ignore[{rule.name}] reason")
    return "\n".join([rule.name, "", rule.text, "", *facts, ""])


def releases(since: str | None, until: str | None) -> str:
    """The releases a rule is for, in words."""
    if since and until:
        return f"{since} to {until}"
    return f"from {since} on" if since else f"up to {until}"
