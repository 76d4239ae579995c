"""A benchmark plan as a shell script: the server, a warm-up, and one run of vLLM's own client for each load.

Every run has a seed of its own: the client makes the same prompts from the same seed, and the prefix cache would hold
those of the run before. Lengths are fixed (the client's random data set draws them evenly, a workload does not), and
predictions are for exactly these runs. Source: vLLM 0.33.0 benchmarks/serve.py, benchmarks/sweep/serve.py; which flags
a release has is in ``catalog/data/bench_options.json``.
"""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING

from llmtune.writers import WriteError, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.bench import BenchClient, BenchPlan, BenchRun
    from llmtune.spec.deployment import Deployment
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.performance import Performance

RESULTS = "bench-results"
LOADS = "bench-loads.json"
REPOSITORY = "https://github.com/vllm-project/vllm"
CHECKOUT = "vllm-bench"
WARM_UP = (8, 4)  # requests, in flight
READY_TIMEOUT = 3600  # seconds for a large model to load
DEFAULT_PORT = 8000


def write(plan: BenchPlan, engine: EngineVersion, *, sweep: bool = False) -> str:
    """The script.

    Raises:
        WriteError: for a setting that the release does not have, or a sweep that it cannot make.

    """
    if sweep and not plan.client.sweep:
        raise WriteError(f"vLLM {plan.release} has no 'vllm bench sweep' (since 0.11.1); leave out --sweep")
    head = ["#!/usr/bin/env bash", *(f"# {line}".rstrip() for line in plan.about), "set -euo pipefail", ""]
    body = _sweep(plan, engine) if sweep else _runs(plan, engine)
    return "\n".join([*head, *body]) + "\n"


def _runs(plan: BenchPlan, engine: EngineVersion) -> Iterator[str]:
    """The server in the background, then run after run."""
    server = command.write(plan.deployment, engine, pretty=True).rstrip("\n")
    if plan.client.script:
        yield f"# vLLM {plan.release} has no 'vllm bench serve': the client is a script of the repository."
        yield f"[ -d {CHECKOUT} ] || git clone --depth 1 --branch v{plan.client.script} {REPOSITORY} {CHECKOUT}"
        yield ""
    yield f"{server} &"
    yield "server=$!"
    yield "trap 'kill \"$server\"' EXIT"
    yield f"until curl --fail --silent --output /dev/null {_address(plan.deployment)}/health; do"
    yield '  kill -0 "$server"  # ends the script when the server has ended'
    yield "  sleep 2"
    yield "done"
    yield ""
    yield "# Warm-up: kernels are compiled and caches filled before anything is measured."
    yield _pretty(_client(plan, plan.runs[0]) + _warm_up(plan))
    for place, run in enumerate(plan.runs):
        yield ""
        yield f"# {run.name}: {said(run.performance)}"
        yield _pretty(_client(plan, run) + _load(run, seed=place) + _saved(run))


def _sweep(plan: BenchPlan, engine: EngineVersion) -> Iterator[str]:
    """The loads as a file, and the one command that starts the server and makes all runs."""
    loads = [_record(run, seed=place) for place, run in enumerate(plan.runs)]
    for run in plan.runs:
        yield f"# {run.name}: {said(run.performance)}"
    yield f"cat > {LOADS} <<'JSON'"
    yield "[\n" + ",\n".join(f"  {json.dumps(load)}" for load in loads) + "\n]"
    yield "JSON"
    pairs = [
        ("--serve-cmd", command.write(plan.deployment, engine).strip()),
        ("--bench-cmd", _line(_client(plan, plan.runs[0]) + _fixed())),
        ("--bench-params", LOADS),
        ("--output-dir", RESULTS),
        ("--num-runs", "1"),
        ("--server-ready-timeout", str(READY_TIMEOUT)),
        ("--warmup-num-prompts", str(WARM_UP[0])),
    ]
    known = [pair for pair in pairs if pair[0].removeprefix("--") in plan.client.sweep]
    yield _pretty([("vllm", "bench", "sweep", "serve"), *known])


def said(found: Performance) -> str:
    """A prediction in one line."""
    tpot = found.interval.get("tpot_s")
    between = f" ({1000 * tpot[0]:.1f} to {1000 * tpot[1]:.1f})" if tpot else ""
    return (
        f"predicted TTFT {1000 * found.ttft.mean:.0f} ms, TPOT {1000 * found.tpot.mean:.1f} ms{between}, "
        f"{found.output_tokens_per_s:.0f} output tokens/s"
    )


Words = tuple[str, ...]


def _client(plan: BenchPlan, run: BenchRun) -> list[Words]:
    """The client with everything but the number of requests and how they arrive."""
    deployment, load = plan.deployment, run.load
    cached = round(load.prefix_hit * load.prompt.p50)
    script = f"{CHECKOUT}/benchmarks/benchmark_serving.py"
    words: list[Words] = [("python", script) if plan.client.script else ("vllm", "bench", "serve")]
    words.append(("--model", deployment.model))
    name = deployment.value("served-model-name")
    if name:
        words.append(("--served-model-name", str(name[0] if isinstance(name, list) else name)))
    if port(deployment) != DEFAULT_PORT:
        words.append(("--port", str(port(deployment))))
    if deployment.value("trust-remote-code") is True:
        words.append(("--trust-remote-code",))
    words += [
        ("--dataset-name", "random"),
        ("--random-input-len", str(max(1, load.prompt.p50 - cached))),
        ("--random-output-len", str(load.output.p50)),
    ]
    if cached:
        words.append(("--random-prefix-len", str(cached)))
    words.append(("--ignore-eos",))
    return _known(words, plan.client)


def _load(run: BenchRun, *, seed: int) -> list[Words]:
    return [(f"--{name.replace('_', '-')}", str(value)) for name, value in _record(run, seed=seed).items()]


def _record(run: BenchRun, *, seed: int) -> dict[str, float]:
    """Number of requests and arrivals, by the names that a sweep's file has."""
    load = run.load
    record: dict[str, float] = {"num_prompts": load.requests}
    if load.rate is not None:
        record["request_rate"] = load.rate
    elif load.concurrency is not None:
        record["max_concurrency"] = load.concurrency
    return record | {"seed": seed}


def _fixed() -> list[Words]:
    return [("--metric-percentiles", "50,95,99")]


def _saved(run: BenchRun) -> list[Words]:
    cached = [("--metadata", f"llmtune_prefix_hit={run.load.prefix_hit:g}")] if run.load.prefix_hit else []
    return [
        ("--percentile-metrics", "ttft,tpot,itl,e2el"),
        *_fixed(),
        *cached,
        ("--save-result",),
        ("--result-dir", RESULTS),
        ("--result-filename", f"{run.name}.json"),
    ]


def _warm_up(plan: BenchPlan) -> list[Words]:
    requests, in_flight = WARM_UP
    return [
        ("--num-prompts", str(requests)),
        ("--max-concurrency", str(in_flight)),
        ("--seed", str(len(plan.runs))),
    ]


def _known(words: list[Words], client: BenchClient) -> list[Words]:
    """Refuse a flag that the client does not have: nothing that is written may fail on the machine.

    Raises:
        WriteError: naming it.

    """
    for first, *_ in words:
        if first.startswith("--") and first.removeprefix("--") not in client.serve:
            raise WriteError(f"the benchmark client of this release has no {first}")
    return words


def _address(deployment: Deployment) -> str:
    return f"http://127.0.0.1:{port(deployment)}"


def port(deployment: Deployment) -> int:
    """The port that the server listens on."""
    value = deployment.value("port")
    return value if isinstance(value, int) and not isinstance(value, bool) else DEFAULT_PORT


def _line(words: list[Words]) -> str:
    return " ".join(quote(word) for part in words for word in part)


def _pretty(words: list[Words]) -> str:
    return " \\\n  ".join(" ".join(quote(word) for word in part) for part in words)
