"""The worked example of docs/concepts/performance.md: one load taken apart, every step checked against the prediction.

Sizes are worked out here from the shapes in config.json, rates from the coefficients by name; what the scheduler does
is the replay's own record. Where a sum differs from what the package calculates, ``make_docs`` stops. It covers a dense
model with full attention in 16 bit on one GPU; the page uses one such model.
"""

from __future__ import annotations

import json
from math import isclose
from typing import TYPE_CHECKING, Any

from docs_worked_sum import Sheet

from llmtune.calc.load import draw_lengths
from llmtune.calc.predict import describe_server
from llmtune.calc.shares import Site
from llmtune.calc.simulation_replay import Replay
from llmtune.calc.step_costs import Rates, generation
from llmtune.calc.step_time import step_seconds
from llmtune.catalog import models
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.servers import HardwareOptions, Source, estimate_words
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.calc.simulation_server import Server
    from llmtune.calc.simulation_tally import Steps
    from llmtune.calc.step_time import Batch
    from llmtune.spec.performance import Load
    from llmtune.spec.recommendation import Estimate

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
PROMPT, OUTPUT, CLIENTS = 1000, 200, 32
SERVER = f"vllm serve {MODEL} --max-model-len 8192"
LOAD = f"--prompt-tokens {PROMPT} --output-tokens {OUTPUT} --concurrency {CLIENTS}"
COMMAND = f"llmtune simulate --gpu h100 {LOAD} --format json -- {SERVER}"
B = 2  # bytes of a bfloat16 number
MS, TERA = 1e3, 1e12
CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Work:
    """Bytes and FLOPs of the model: of its layers and its head, of one token in the cache, of one token seen.

    ``activations`` are the bytes of one token that go into and come out of all matrices of the layers.
    """

    layers: int
    calls: int
    norms: int
    activations: int
    bytes: int
    flops: int
    head_bytes: int
    head_flops: int
    token_bytes: int
    pair_flops: int


@dataclass(frozen=True, slots=True)
class Reached:
    """Rates that kernels reach, a second, and p of the smooth maximum."""

    weights: float
    compute: float
    cache: float
    attention: float
    sharpness: float


def site_of(server: str, gpu: str, gpus: int | None = None, release: str | None = None) -> tuple[Site, Estimate]:
    """The deployment that a command starts, as ``simulate`` would take it, and its estimate."""
    estimate = estimate_words(server.split(), HardwareOptions(gpu, gpus), Source(release, offline=True))
    resolved, hardware = estimate.resolved, estimate.hardware
    return Site(estimate.deployment, estimate.model, resolved, hardware, estimate.engine), estimate


def write(document: str) -> str:
    """The worked example, from the output of ``COMMAND``, as Markdown."""
    found = json.loads(document)
    site, estimate = site_of(SERVER, "h100")
    server = describe_server(site, estimate.memory, load_coefficients())
    rates = Rates(site.hardware, generation(site), load_coefficients())
    sheet = Sheet()
    sheet.say(
        f"The command is `{COMMAND}`. Rounded numbers are shown; results are those of the full ones. The coefficients "
        f"are those of engine generation `{rates.generation}` and architecture `{'/'.join(rates.chip)}`.",
    )
    work = _work(sheet, models.find(MODEL).config)
    reached = _rates(sheet, rates)
    replay = _replayed(server, load_of(found))
    steps = replay.tally.steps
    decode = next(some for some in steps if some.decodes == CLIENTS and not some.tokens)
    _step(sheet, "3. A decode step", decode, (work, reached, rates, server))
    _step(sheet, "4. A step with prompts", steps[0], (work, reached, rates, server))
    _schedule(sheet, replay, server)
    _request(sheet, replay, server, found["performance"])
    return "\n".join(sheet.lines).rstrip("\n") + "\n"


def load_of(document: Mapping[str, Any]) -> Load:
    """The load of a simulation's document."""
    from llmtune.spec.performance import Load, Tokens

    requests = document["load"]["requests"]
    return Load(Tokens(PROMPT, PROMPT), Tokens(OUTPUT, OUTPUT), concurrency=CLIENTS, requests=requests)


def _replayed(server: Server, load: Load) -> Replay:
    replay = Replay(server, draw_lengths(load, load.requests, server.max_model_len), load.prefix_hit)
    replay.run([0.0] * CLIENTS)
    return replay


def _work(sheet: Sheet, config: Mapping[str, int]) -> Work:
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    heads, kv_heads, vocab = config["num_attention_heads"], config["num_key_value_heads"], config["vocab_size"]
    width = config.get("head_dim") or hidden // heads
    attention = hidden * (heads + 2 * kv_heads) * width + heads * width * hidden
    matrices = attention + 3 * hidden * inner
    inputs, outputs = 2 * hidden + heads * width + inner, (heads + 2 * kv_heads) * width + 2 * hidden + 2 * inner
    work = Work(
        layers=layers,
        calls=4 * layers,
        norms=2 * layers,
        activations=layers * (inputs + outputs) * B,
        bytes=layers * (matrices + 2 * hidden) * B,
        flops=2 * layers * matrices,
        head_bytes=(vocab * hidden + hidden) * B,
        head_flops=2 * vocab * hidden,
        token_bytes=layers * 2 * kv_heads * width * B,
        pair_flops=layers * 4 * heads * width,
    )
    sheet.say(
        "**1. The work**, from the shapes in `config.json`. A token takes two FLOPs for each number of a matrix; one "
        "token attending to another takes two for each number of key and value, in each of the query heads.",
    )
    expression = f"{hidden} x ({heads} + 2 x {kv_heads}) x {width} + {heads} x {width} x {hidden}"
    sheet.step("attention of a layer", expression, attention, "numbers")
    sheet.step("all its matrices", f"{attention:,} + 3 x {hidden} x {inner}", matrices, "numbers")
    sheet.step("in and out of matrices", f"{layers} x ({inputs} + {outputs}) x {B}", work.activations, "B")
    sheet.step("weights of the layers", f"{layers} x ({matrices:,} + 2 x {hidden}) x {B}", work.bytes, "B")
    sheet.step("arithmetic of a token", f"2 x {layers} x {matrices:,}", work.flops, "FLOPs")
    sheet.step("head", f"({vocab} x {hidden} + {hidden}) x {B}", work.head_bytes, "B")
    sheet.step("its arithmetic", f"2 x {vocab} x {hidden}", work.head_flops, "FLOPs")
    sheet.step("KV cache of a token", f"{layers} x 2 x {kv_heads} x {width} x {B}", work.token_bytes, "B")
    sheet.step("attention to a token", f"{layers} x 4 x {heads} x {width}", work.pair_flops, "FLOPs")
    return work


def _rates(sheet: Sheet, rates: Rates) -> Reached:
    gpu = rates.hardware.gpu
    sheet.say("**2. What is reached of the peak rates.** Datasheet x coefficient.")

    def reached(name: str, quantity: str, kernel: str, *, flops: bool) -> float:
        peak = rates.peak(kernel) if flops else float(gpu.bandwidth or 0)
        share = rates.coefficients.value(quantity, kernel, *rates.chip)
        entry = rates.coefficients.name(quantity, kernel, *rates.chip)
        unit = "TFLOPs a second" if flops else "TB a second"
        sheet.step(name, f"{peak / TERA:.4g} x {share:.3g} ({entry})", peak * share / TERA, unit)
        return peak * share

    return Reached(
        weights=reached("reading weights", "bandwidth_share", "plain", flops=False),
        compute=reached("matrix products", "flops_share", "plain", flops=True),
        cache=reached("reading the KV cache", "kv_bandwidth_share", "heads", flops=False),
        attention=reached("attention of prompts", "attention_flops_share", "plain", flops=True),
        sharpness=rates.coefficients.value("sharpness", "plain", *rates.chip),
    )


def _step(sheet: Sheet, title: str, steps: Steps, known: tuple[Work, Reached, Rates, Server]) -> None:
    work, reached, rates, server = known
    batch = steps.batch
    said = f"{steps.decodes} requests that hold {batch.context:.0f} tokens on average" if steps.decodes else ""
    if steps.tokens:
        said = f"the first one: {steps.tokens} prompt tokens of {steps.prefills} requests"
    sheet.say(f"**{title}**, {said}. p is {reached.sharpness:.3g} (`sharpness`).")
    tokens, rows = steps.decodes + steps.tokens, steps.decodes + steps.prefills
    total = _roofline(sheet, "layers", work.bytes, (tokens, work.flops), reached)
    total += _roofline(sheet, "head", work.head_bytes, (rows, work.head_flops), reached)
    if steps.decodes:
        held = f"{steps.decodes} x {batch.context:.0f} x {work.token_bytes:,} B / {reached.cache / TERA:.3g} TB/s"
        total += _add(sheet, "KV cache", held, steps.decodes * batch.context * work.token_bytes / reached.cache)
    if steps.tokens:
        pairs = f"{batch.pairs:,.0f} pairs x {work.pair_flops:,} / {reached.attention / TERA:.3g} TFLOPs/s"
        total += _add(sheet, "attention", pairs, batch.pairs * work.pair_flops / reached.attention)
    passes, bandwidth = rates.coefficients.value("activation_passes"), float(rates.hardware.gpu.bandwidth or 0)
    text = f"{tokens} x {passes:.3g} x {work.activations:,} B / {bandwidth / TERA:.3g} TB/s"
    total += _add(sheet, "activations", text, tokens * passes * work.activations / bandwidth)
    total += _host(sheet, batch, work, rates)
    total += _launch(sheet, batch, total, work, rates)
    sheet.step("one step", "layers + head + the lines behind them", total * MS, "ms")
    _check(title, total, step_seconds(server.costs, batch))


def _roofline(sheet: Sheet, name: str, size: int, work: tuple[int, int], reached: Reached) -> float:
    tokens, flops = work
    read, computed = size / reached.weights, tokens * flops / reached.compute
    p = reached.sharpness
    _add(sheet, f"{name}: read", f"{size:,} B / {reached.weights / TERA:.3g} TB/s", read)
    _add(sheet, f"{name}: compute", f"{tokens} x {flops:,} / {reached.compute / TERA:.3g} TFLOPs/s", computed)
    both = (read**p + computed**p) ** (1 / p)
    return _add(sheet, name, f"({read * MS:.2f}^p + {computed * MS:.2f}^p)^(1/p)", both)


def _host(sheet: Sheet, batch: Batch, work: Work, rates: Rates) -> float:
    value = rates.coefficients.value
    step, request = value("step_seconds", rates.generation), value("request_seconds", rates.generation)
    layer, norm = value("layer_seconds", *rates.chip), value("norm_seconds")
    call = value("call_seconds", "plain", *rates.chip)
    rows = batch.decodes + batch.prefills
    prompts = value("prompts_seconds") if batch.prefill_tokens else 0.0
    steps = f"{step * MS:.2f} ms + {prompts * MS:.2f} ms for prompts" if prompts else f"{step * MS:.2f} ms"
    text = f"{steps} + {rows:.0f} x {request * 1e6:.2g} us"
    total = _add(sheet, "host", text, step + prompts + rows * request)
    total += _add(sheet, "products", f"{work.calls} x {call * 1e6:.3g} us", work.calls * call)
    text = f"{work.layers} layers x {layer * 1e6:.3g} us + {work.norms} norms x {norm * 1e6:.3g} us"
    total += _add(sheet, "other kernels", text, work.layers * layer + work.norms * norm)
    return total


def _launch(sheet: Sheet, batch: Batch, total: float, work: Work, rates: Rates) -> float:
    """What a step with prompts waits for launches, where it is larger than the captured graphs."""
    if not batch.prefill_tokens:
        return 0.0
    one, kernels = rates.coefficients.value("launch_seconds", "compiled"), work.calls + work.norms + 4 * work.layers
    launched = kernels * one
    sheet.step("launches", f"{kernels} kernels x {one * 1e6:.3g} us, meanwhile", launched * MS, "ms")
    return _add(sheet, "waiting for them", "what they take longer than all lines above", max(0.0, launched - total))


def _add(sheet: Sheet, name: str, expression: str, seconds: float) -> float:
    sheet.step(name, expression, seconds * MS, "ms")
    return seconds


def _schedule(sheet: Sheet, replay: Replay, server: Server) -> None:
    sheet.say(
        f"**5. What the scheduler does.** All {CLIENTS} clients send at once; a step takes at most "
        f"{server.max_num_batched_tokens} tokens, decoding requests first. Until the first requests end:",
    )
    rows = [("from", "steps", "decoding", "prompt tokens", "each takes")]
    for some in replay.tally.steps:
        if some.start >= replay.requests[0].end:
            break
        each = f"{some.seconds / some.number * MS:.2f} ms"
        rows.append((f"{some.start * MS:.0f} ms", f"{some.number}", f"{some.decodes}", f"{some.tokens}", each))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    sheet.lines += ["```text", *lines, "```", ""]


def _request(sheet: Sheet, replay: Replay, server: Server, found: Mapping[str, Any]) -> None:
    first, last = replay.requests[0], replay.requests[CLIENTS - 1]
    steps = replay.tally.steps
    sheet.say("**6. One request.** The first one is in the first step, and then in every step until it has ended.")
    front = server.front_end + server.front_end_token * PROMPT
    waited, work = f"{front * MS:.3g} ms before the scheduler sees it", f"{steps[0].seconds * MS:.2f} ms"
    sheet.step("TTFT", f"{waited} + {work}", first.first * MS, "ms")
    _check("TTFT of the first request", front + steps[0].seconds, first.first - first.sent)
    later = [some for some in steps[1:] if first.first <= some.start < first.end]
    mixed = [some for some in later if some.tokens]
    only = sum(some.seconds for some in later if not some.tokens)
    number = sum(some.number for some in later if not some.tokens)
    parts = [f"{some.seconds * MS:.2f}" for some in mixed] + [f"{number} steps in {only * MS:.2f}"]
    tpot = (sum(some.seconds for some in mixed) + only) / (OUTPUT - 1)
    sheet.step("TPOT", f"({' + '.join(parts)}) / {OUTPUT - 1}", tpot * MS, "ms")
    _check("TPOT of the first request", tpot, (first.end - first.first) / (OUTPUT - 1))
    count = len(replay.requests)
    sheet.say(
        f"The last of the {CLIENTS} waits for the others' prompts: its TTFT is {last.first * MS:.0f} ms, its TPOT "
        f"{(last.end - last.first) / (OUTPUT - 1) * MS:.2f} ms. Over all {count} requests the mean TTFT is "
        f"{found['ttft_s']['mean'] * MS:.0f} ms, the mean TPOT {found['tpot_s']['mean'] * MS:.2f} ms, and "
        f"{count * OUTPUT} tokens in {max(request.end for request in replay.requests):.2f} s are "
        f"{found['output_tokens_per_s']:.0f} output tokens a second. Most of the time goes to `{found['bound_by']}`.",
    )
    _check("mean TTFT", sum(one.first - one.sent for one in replay.requests) / count, found["ttft_s"]["mean"])
    means = [(one.end - one.first) / (OUTPUT - 1) for one in replay.requests]
    _check("mean TPOT", sum(means) / count, found["tpot_s"]["mean"])


def _check(name: str, ours: float, package: float) -> None:
    if not isclose(ours, package, rel_tol=CLOSE):
        raise SystemExit(f"make_docs: in the worked time, {name} is {ours:.6g} s, the package says {package:.6g} s")
