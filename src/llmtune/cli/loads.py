"""From the load options to a ``Load``: what the command line says, and a scenario for what it leaves open."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.cli.errors import UserError
from llmtune.spec.performance import Load
from llmtune.spec.record import dataclass
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.scenario import Scenario

DEFAULT = "chat"
MOST_TOKENS = 100_000_000
MOST_IN_FLIGHT = 10_000
MOST_REQUESTS = 20_000  # a replay of more takes seconds
FASTEST = 100_000.0  # requests a second
RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?:(?:req|requests)?\s*/\s*(s|sec|second|m|min|minute|h|hour))?")
SECONDS = {"s": 1, "m": 60, "h": 3600}
SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})\s*(%?)")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The options as they were typed; None where nothing was said."""

    scenario: str | None = None
    prompt: str | None = None
    output: str | None = None
    concurrency: int | None = None
    rate: str | None = None
    offline: bool = False
    requests: int | None = None
    prefix_hit: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class AskedLoad:
    """A load, the scenario it was completed with, and what is said about that."""

    load: Load
    scenario: Scenario
    completed: bool
    notes: tuple[str, ...]


def read_load(options: LoadOptions) -> AskedLoad:
    """The load that the options describe.

    Raises:
        UserError: for a number that makes no sense, and for options that contradict each other.

    """
    check_arrivals(options)
    scenario = find_scenario(options.scenario or DEFAULT)
    work = scenario.workload
    rate = None if options.rate is None else read_rate(options.rate)
    arrives = rate is not None or options.offline or options.concurrency is not None
    load = Load(
        prompt=work.prompt if options.prompt is None else read_tokens("--prompt-tokens", options.prompt),
        output=work.output if options.output is None else read_tokens("--output-tokens", options.output),
        concurrency=options.concurrency if arrives else work.concurrency,
        rate=rate,
        offline=options.offline and options.concurrency is None,
        requests=_within("--requests", options.requests, MOST_REQUESTS) or 0,
        prefix_hit=0.0 if options.prefix_hit is None else read_share("--prefix-hit", options.prefix_hit),
        seed=options.seed,
    )
    open_ = {
        f"prompts of {_tokens(load.prompt)}": options.prompt is None,
        f"answers of {_tokens(load.output)}": options.output is None,
        f"{load.concurrency} requests in flight": not arrives,
    }
    left = [what for what, is_open in open_.items() if is_open]
    notes = (f"{', '.join(left)}: as {_whose(scenario)} has them",) if left else ()
    return AskedLoad(load, scenario, bool(left), notes)


def check_arrivals(options: LoadOptions) -> None:
    """Refuse two ways to arrive. ``--offline`` with a concurrency is a closed loop: all are there, N at a time.

    Raises:
        UserError: naming both.

    """
    if options.rate is not None and (options.concurrency is not None or options.offline):
        other = "--concurrency" if options.concurrency is not None else "--offline"
        raise UserError(f"--rate and {other} are two ways to send requests; leave one out")
    _within("--concurrency", options.concurrency, MOST_IN_FLIGHT)


def find_scenario(name: str) -> Scenario:
    """A preset, or a user's own file."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        from pathlib import Path  # noqa: PLC0415 - only for a file

        from llmtune.readers.scenario import read_scenario  # noqa: PLC0415 - validation takes pydantic

        return read_scenario(Path(name))
    from llmtune.catalog import scenarios  # noqa: PLC0415

    return scenarios.find(name)


def read_tokens(option: str, text: str) -> Tokens:
    """A number of tokens that all requests have, or median and 95th percentile.

    >>> read_tokens("--prompt-tokens", "1000:4000")
    Tokens(p50=1000, p95=4000)

    """
    parts = text.strip().split(":")
    numbers = [int(part) for part in parts if re.fullmatch(r"[0-9]{1,9}", part)]
    if len(numbers) != len(parts) or not 1 <= len(numbers) <= 2 or not all(1 <= n <= MOST_TOKENS for n in numbers):  # noqa: PLR2004
        raise UserError(f"{option} takes a number of tokens, or two as P50:P95, not '{text}'")
    if numbers[-1] < numbers[0]:
        raise UserError(f"{option}: the 95th percentile cannot be below the median, as in '{text}'")
    return Tokens(numbers[0], numbers[-1])


def read_rate(text: str) -> float:
    """Requests a second.

    >>> read_rate("12/s"), read_rate("90/min"), read_rate("0.5")
    (12.0, 1.5, 0.5)

    """
    found = RATE.fullmatch(text.strip().casefold())
    rate = float(found[1]) / SECONDS[(found[2] or "s")[0]] if found else 0.0
    if not 0 < rate <= FASTEST:
        hint = "; for all at once there is --offline" if text.strip().casefold() == "inf" else ""
        raise UserError(f"--rate '{text}' is no rate: write 12/s or 90/min, up to {FASTEST:.0f}/s{hint}")
    return rate


def read_share(option: str, text: str) -> float:
    """A share of 1, or of 100 %.

    >>> read_share("--prefix-hit", "0.4"), read_share("--prefix-hit", "40%")
    (0.4, 0.4)

    """
    found = SHARE.fullmatch(text.strip())
    share = float(found[1]) / (100 if found[2] else 1) if found else -1.0
    if not 0 <= share <= 1:
        raise UserError(f"{option} '{text}' is no share: write 0.4 or 40%")
    return share


def within_context(load: Load, resolved: Resolved) -> tuple[Load, tuple[str, ...]]:
    """The load that the engine can serve: answers end where the context does, and a prefix cache must be on.

    Raises:
        UserError: when a typical prompt alone does not fit.

    """
    longest = resolved.max_model_len
    if load.prompt.p50 >= longest:
        raise UserError(
            f"a prompt of {load.prompt.p50} tokens does not fit in --max-model-len {longest}, vLLM refuses it: "
            "lower --prompt-tokens or raise the context"
        )
    notes = []
    room = longest - load.prompt.p50
    if load.output.p50 > room:
        notes.append(f"answers end after {room} tokens, where the context of {longest} does")
        load = replace(load, output=Tokens(room, room))
    if load.prefix_hit and not resolved.prefix_caching:
        notes.append("prefix caching is off in this configuration, so --prefix-hit changes nothing")
        load = replace(load, prefix_hit=0.0)
    return load, tuple(notes)


def _within(option: str, number: int | None, most: int) -> int | None:
    if number is not None and not 1 <= number <= most:
        raise UserError(f"{option} must lie in 1..{most}, not {number}")
    return number


def _tokens(tokens: Tokens) -> str:
    spread = f" (95 %: {tokens.p95})" if tokens.p95 != tokens.p50 else ""
    return f"{tokens.p50}{spread} tokens"


def _whose(scenario: Scenario) -> str:
    return f"the scenario {scenario.name}" if scenario.source == "preset" else scenario.name
