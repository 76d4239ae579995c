"""What a setting buys: the choice beside the same deployment with that one setting as it would be otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.closed_form import forecast
from llmtune.calc.simulation import simulate
from llmtune.spec.ranking import Effect
from llmtune.spec.recommendation import Reason
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.contenders import Contender
    from llmtune.calc.objective import Goal
    from llmtune.spec.performance import Performance
    from llmtune.spec.ranking import EngineDefault
    from llmtune.spec.recommendation import Recommendation

TOKENS = "max-num-batched-tokens"
SEQS = "max-num-seqs"
LAYOUT = "layout"
OF_LAYOUT = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "enable-expert-parallel")


@dataclass(frozen=True, slots=True)
class Simplest:
    """The first layout in order of preference, and its replay where it had one."""

    one: Contender
    found: Performance | None


def describe_effects(
    choice: Contender, found: Performance, default: EngineDefault, simplest: Simplest, goal: Goal
) -> tuple[Effect, ...]:
    """Effects of layout, step and slots where they differ from the simplest layout and the engine's own values.

    Slots that never fill have none, nor has the step where prompts are not cut; step and slots are taken back with the
    blocks of the choice.
    """
    effects = []
    if choice.layout != simplest.one.layout:
        effects.append(_of_layout(choice, found, simplest, goal))
    server, resolved = choice.server, choice.candidate.resolved
    if server.chunked_prefill and resolved.max_num_batched_tokens != default.max_num_batched_tokens:
        other = replace(server, max_num_batched_tokens=default.max_num_batched_tokens)
        before, after = default.max_num_batched_tokens, resolved.max_num_batched_tokens
        effects.append(_effect(TOKENS, (str(before), str(after)), simulate(other, goal.load), found))
    each = choice.speed.running / server.replicas
    if resolved.max_num_seqs < default.max_num_seqs and each >= resolved.max_num_seqs - 1 and _waits(choice, goal):
        other = replace(server, max_num_seqs=default.max_num_seqs)
        before, after = default.max_num_seqs, resolved.max_num_seqs
        effects.append(_effect(SEQS, (str(before), str(after)), simulate(other, goal.load), found))
    return tuple(effects)


def _waits(choice: Contender, goal: Goal) -> bool:
    """Whether more slots would be used."""
    asked = goal.load.concurrency
    return asked is None or asked > choice.server.max_num_seqs * choice.server.replicas


def _effect(setting: str, values: tuple[str, str], before: Performance, after: Performance) -> Effect:
    return Effect(
        setting=setting,
        before=values[0],
        after=values[1],
        throughput=after.output_tokens_per_s / before.output_tokens_per_s - 1,
        ttft=after.ttft.mean - before.ttft.mean,
        tpot=after.tpot.mean - before.tpot.mean,
        itl_p99=after.itl.p99 - before.itl.p99,
    )


def _of_layout(choice: Contender, found: Performance, simplest: Simplest, goal: Goal) -> Effect:
    """Both replayed, or both in closed form where the simplest was so far behind that it was not."""
    layouts = str(simplest.one.layout), str(choice.layout)
    if simplest.found is not None:
        return _effect(LAYOUT, layouts, simplest.found, found)
    before, after = simplest.one.speed, forecast(choice.server, goal.load)
    return Effect(
        setting=LAYOUT,
        before=layouts[0],
        after=layouts[1],
        throughput=after.output_tokens_per_s / before.output_tokens_per_s - 1,
        ttft=after.ttft - before.ttft,
        tpot=after.tpot - before.tpot,
        itl_p99=None,
    )


def with_effects(found: Recommendation, effects: tuple[Effect, ...]) -> Recommendation:
    """The recommendation with figures in the reasons of what was chosen by them."""
    said = {effect.setting: tell(effect) for effect in effects}
    if not said or found.deployment is None:
        return found
    reasons, told = [], False
    for reason in found.reasons:
        text = said.get(reason.flag, "")
        if reason.flag in OF_LAYOUT and LAYOUT in said and not told and reason.text != "set by you":
            text, told = said[LAYOUT], True
            reasons.append(Reason(reason.flag, text))
            continue
        reasons.append(Reason(reason.flag, f"{text}; {reason.text}" if text else reason.text))
    return replace(found, reasons=tuple(reasons))


def tell(effect: Effect) -> str:
    """An effect in words.

    >>> tell(Effect("max-num-batched-tokens", "2048", "8192", 0.09, -0.1, 0.0001, 0.004))
    '2048 -> 8192: +9 % throughput, TTFT -100 ms, p99 ITL +4 ms'

    """
    parts = [f"{100 * effect.throughput:+.0f} % throughput"]
    times = (("TTFT", effect.ttft), ("TPOT", effect.tpot), ("p99 ITL", effect.itl_p99))
    parts += [f"{name} {_milliseconds(change)}" for name, change in times if change is not None and _matters(change)]
    return f"{effect.before} -> {effect.after}: {', '.join(parts)}"


def _matters(change: float) -> bool:
    return abs(change) >= 0.0005  # noqa: PLR2004 - half a millisecond


def _milliseconds(change: float) -> str:
    return f"{1000 * change:+.0f} ms" if abs(change) < 1 else f"{change:+.1f} s"
