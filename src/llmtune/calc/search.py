"""Searches the deployments of a model on given hardware for the one that serves a scenario best.

Layouts in order of preference x KV dtypes in the scenario's order; the first that starts and holds the workload's
requests wins, otherwise the one that holds the most. Nothing is emitted that differs from the plan it was judged by.
This is the search by memory alone (``recommend --quick``); ``calc/tune.py`` ranks by predicted times.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.candidates import Candidate, complete
from llmtune.calc.explain import explain, sampling_settings
from llmtune.calc.layouts import Layout, Pins, enumerate_layouts
from llmtune.spec.recommendation import Recommendation, Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.candidates import Request
    from llmtune.spec.deployment import Setting


def recommend(request: Request) -> Recommendation:
    """The recommendation, or a refusal with what was tried.

    ``ways_out`` of a refusal are for ``calc.ways_out`` to find: they need hardware and models of the catalogue.
    """
    candidates: list[Candidate] = []
    for layout in layouts_of(request):
        for dtype in kv_dtypes(request):
            candidate = complete(request, layout, dtype)
            candidates.append(candidate)
            if candidate.starts and candidate.holds >= request.scenario.workload.concurrency:
                return answer(request, candidate, rejected(request, candidate, candidates))
    best = choose(candidates)
    if best is None:
        nearest = max(candidates, key=lambda candidate: candidate.memory.part("unused").bytes)
        others = rejected(request, None, candidates)
        return Recommendation(None, nearest.resolved, nearest.memory, (), others, (), ())
    return answer(request, best, rejected(request, best, candidates))


def recommend_first(requests: Sequence[Request]) -> tuple[Request, Recommendation]:
    """The first of several requests that something starts for; the last one's refusal where nothing does."""
    for request in requests:
        found = recommend(request)
        if found.deployment is not None:
            return request, found
    return request, found


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """The candidate that holds the most requests, the first of equals; None when none starts."""
    starting = [candidate for candidate in candidates if candidate.starts]
    return max(starting, key=lambda candidate: candidate.holds) if starting else None


def layouts_of(request: Request) -> list[Layout]:
    """Layouts that respect the user's sizes, best first."""
    pins = Pins(
        tensor=_size(request, "tensor-parallel-size"),
        pipeline=_size(request, "pipeline-parallel-size"),
        data=_size(request, "data-parallel-size"),
        experts=True if request.pin("enable-expert-parallel") else None,
    )
    aim = request.scenario.policy.aim
    found = enumerate_layouts(request.model, request.hardware, request.engine, pins=pins, aim=aim)
    # Sizes that cannot be split are still judged once, so that the engine's own words say why.
    return found or [Layout(pins.tensor or 1, pins.pipeline or 1, pins.data or 1, bool(pins.experts))]


def kv_dtypes(request: Request) -> tuple[str, ...]:
    """KV dtypes to try; those the release does not have are left out."""
    pinned = request.pin("kv-cache-dtype")
    if isinstance(pinned, str):
        return (pinned,)
    if traits.crosses_in_own_layers(request.model):
        return ("auto",)  # these layers write 16 bits into whatever cache there is (0.8.5 mllama.py: no cache_config)
    option = request.engine.options.get("kv-cache-dtype")
    known = set(option.choices) if option is not None else set()
    return tuple(dtype for dtype in request.scenario.policy.kv_cache_dtypes if not known or dtype in known)


def _size(request: Request, flag: str) -> int | None:
    value = request.pin(flag)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def answer(request: Request, best: Candidate, others: tuple[Rejected, ...]) -> Recommendation:
    """The recommendation of a candidate."""
    settings: tuple[Setting, ...] = (*best.deployment.settings, *sampling_settings(request))
    deployment = replace(best.deployment, settings=settings)
    return Recommendation(
        deployment=deployment,
        resolved=best.resolved,
        memory=best.memory,
        reasons=explain(request, best, deployment),
        rejected=others,
        ways_out=(),
        assumptions=(),
        warnings=_warnings(request, best),
    )


def rejected(request: Request, best: Candidate | None, candidates: Sequence[Candidate]) -> tuple[Rejected, ...]:
    """The candidates that were not taken, with what memory says of each."""
    return tuple(
        Rejected(label(candidate), _why_not(request, candidate, best))
        for candidate in candidates
        if candidate is not best
    )


def label(candidate: Candidate) -> str:
    """A candidate in a list of them."""
    return f"{candidate.layout}, KV cache {candidate.resolved.kv_cache_dtype}"


def _why_not(request: Request, candidate: Candidate, best: Candidate | None) -> str:
    if candidate.memory.failure is not None:
        return candidate.memory.failure.engine_message
    if not candidate.starts:
        return "fits only if the estimate is right; the low end of its interval does not hold one request (--risk even)"
    wanted = request.scenario.workload.concurrency
    more = f"; the choice holds {best.holds:.0f}" if best is not None else ""
    return f"holds {candidate.holds:.0f} of {wanted} requests at once{more}"


def _warnings(request: Request, best: Candidate) -> tuple[str, ...]:
    warnings = []
    scenario = request.scenario
    if best.holds < scenario.workload.concurrency:
        warnings.append(
            f"the KV cache holds {best.holds:.0f} typical requests ({scenario.workload.typical} tokens) at once; "
            f"{scenario.workload.concurrency} are expected, the others wait"
        )
    if best.resolved.max_model_len < scenario.workload.typical:
        warnings.append(
            f"the context of {best.resolved.max_model_len} tokens does not hold a typical request of this scenario "
            f"({scenario.workload.typical} tokens): most will be refused; take a model with a longer context"
        )
    elif best.resolved.max_model_len < scenario.workload.context:
        warnings.append(
            f"the context of {best.resolved.max_model_len} tokens is shorter than the {scenario.workload.context} that "
            "5 % of this scenario's requests reach; those will be refused"
        )
    if any(setting.flag == "trust-remote-code" and setting.value is True for setting in best.deployment.settings):
        warnings.append(
            "--trust-remote-code runs Python that comes with the checkpoint: read it first, and pin it with --revision"
        )
    return (*warnings, *best.memory.risks)
