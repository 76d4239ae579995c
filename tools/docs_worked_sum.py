"""The worked sum of docs/concepts/memory.md: a real estimate taken apart, every step checked against the document.

The arithmetic here is done from the shapes in config.json and the named constants, not with the package's functions,
so it is a second opinion: where it differs from the estimate, ``make_docs`` stops. It covers a dense model with full
attention on one GPU; the page uses one such model.
"""

from __future__ import annotations

import json
from math import ceil
from typing import TYPE_CHECKING, Any

from llmtune.calc.activations import HIDDEN_COPIES, WARMED_SAMPLER
from llmtune.calc.cuda_graphs import PER_LAYER_AND_GRAPH, POOL
from llmtune.calc.non_torch import CAPTURING, CONTEXT
from llmtune.calc.persistent import SLOT_BYTES
from llmtune.catalog import models

if TYPE_CHECKING:
    from collections.abc import Mapping

GIB = 2**30
B = 2  # bytes of a bfloat16 number
BLOCK = 16  # tokens


class Sheet:
    """Lines of ``name  expression = result``, in code blocks under headings."""

    def __init__(self) -> None:
        """Start empty."""
        self.lines: list[str] = []
        self._rows: list[tuple[str, str, str]] = []

    def step(self, name: str, expression: str, value: float, unit: str = "") -> None:
        """One line of the sum."""
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
        self._rows.append((name, expression, f"{shown} {unit}".rstrip()))

    def say(self, *paragraphs: str) -> None:
        """Close the code block and write text."""
        if self._rows:
            left, middle = (max(len(row[column]) for row in self._rows) for column in (0, 1))
            rows = [f"{a:<{left}}  {b:<{middle}}  = {c}" for a, b, c in self._rows]
            self.lines += ["```text", *rows, "```", ""]
            self._rows = []
        for paragraph in paragraphs:
            self.lines += [paragraph, ""]


def write(document: str, command: str) -> str:
    """The worked sum of one estimate, as Markdown."""
    estimate = json.loads(document)
    config: Mapping[str, int] = models.find(estimate["model"]["id"]).config
    sheet = Sheet()
    sheet.say(
        f"The command is `{command}`. Its whole output is in "
        "[estimate.example.json](../reference/estimate.example.json). The shapes are those of the model's "
        "`config.json`. b is 2 bytes, the size of one bfloat16 number.",
    )
    spent = _weights(sheet, config, estimate)
    spent += _estimates(sheet, config, estimate)
    available = _left(sheet, estimate, spent)
    _kv_cache(sheet, config, estimate, available)
    sheet.say()
    return "\n".join(sheet.lines).rstrip("\n") + "\n"


def _weights(sheet: Sheet, config: Mapping[str, int], estimate: Mapping[str, Any]) -> int:
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    heads, kv_heads, width = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    vocab = config["vocab_size"]
    qkv = hidden * (heads + 2 * kv_heads) * width
    gate_up, norms = hidden * 2 * inner, 2 * hidden + 2 * width
    layer = qkv + heads * width * hidden + gate_up + inner * hidden + norms
    table = -(-vocab // 64) * 64 * hidden * B
    sheet.say("**1. Weights.** One layer, in numbers; then all layers, embedding, head and last norm, in bytes.")
    sheet.step("queries, keys, values", f"{hidden} x ({heads} + 2 x {kv_heads}) x {width}", qkv)
    sheet.step("attention output", f"{heads} x {width} x {hidden}", heads * width * hidden)
    sheet.step("gate and up", f"{hidden} x 2 x {inner}", gate_up)
    sheet.step("down", f"{inner} x {hidden}", inner * hidden)
    sheet.step("norms", f"2 x {hidden} + 2 x {width}", norms)
    sheet.step("one layer", "sum of the above", layer, "numbers")
    sheet.step("all layers", f"{layers} x {layer:,} x {B}", layers * layer * B, "B")
    sheet.step("embedding", f"{vocab} x {hidden} x {B}", table, "B")
    sheet.step("head (not tied)", f"{vocab} x {hidden} x {B}", table, "B")
    sheet.step("last norm", f"{hidden} x {B}", hidden * B, "B")
    total = layers * layer * B + 2 * table + hidden * B
    sheet.step("weights", "sum of the last four", total, "B")
    sheet.step("", "in GiB", total / GIB, "GiB")
    _check("weights", total, estimate["memory"]["per_gpu"]["weights_bytes"])
    return total


def _estimates(sheet: Sheet, config: Mapping[str, int], estimate: Mapping[str, Any]) -> int:
    per_gpu, settings = estimate["memory"]["per_gpu"], estimate["settings"]
    seqs, tokens = (int(settings[flag]["value"]) for flag in ("max-num-seqs", "max-num-batched-tokens"))
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    vocab, rows = config["vocab_size"], min(seqs, tokens)
    entry, copies = int(WARMED_SAMPLER.value), int(HIDDEN_COPIES.value)
    forward = B * tokens * (copies * hidden + 3 * inner)
    sampling = rows * vocab * entry + B * tokens * hidden
    sheet.say(
        f"**2. Activations.** T = {tokens} tokens in a step and S = {seqs} requests are the engine's defaults for this "
        "GPU. The larger of the two phases counts.",
    )
    sheet.step("forward pass", f"{B} x {tokens} x ({copies} x {hidden} + 3 x {inner})", forward, "B")
    expression = f"{rows} x {vocab} x {entry} + {B} x {tokens} x {hidden}"
    sheet.step("sampling", expression, sampling, "B")
    peak = max(forward, sampling)
    sheet.step("activations", "the larger one", peak, "B")
    _check("activations", peak, per_gpu["activation_bytes"])
    persistent = _persistent(sheet, config, seqs=seqs)
    _check("persistent buffers", persistent, per_gpu["persistent_bytes"])
    graphs = _graphs(sheet, layers, seqs=seqs, tokens=tokens)
    _check("CUDA graphs", graphs, per_gpu["cuda_graph_bytes"])
    kernels, context = int(CAPTURING.value), int(CONTEXT.value)
    sheet.say("**5. Non-torch.** Both numbers were measured; only the first is charged to the budget.")
    sheet.step("kernels' work space", f"{CAPTURING.value / GIB:.2f} GiB", kernels, "B")
    sheet.step("CUDA context", f"{CONTEXT.value / GIB:.2f} GiB", context, "B")
    _check("non-torch", kernels + context, per_gpu["non_torch_bytes"])
    return peak + persistent + graphs + kernels


def _persistent(sheet: Sheet, config: Mapping[str, int], *, seqs: int) -> int:
    vocab, context, width = config["vocab_size"], config["max_position_embeddings"], config["head_dim"]
    mask = -(-vocab // 32) * 4
    state, rotary = seqs * (vocab * 4 + 2 * mask + SLOT_BYTES), context * width * B
    sheet.say(
        "**3. Persistent buffers.** Each request slot has a counter (4 bytes) and two bits for every vocabulary entry "
        f"and {SLOT_BYTES:,} bytes of fixed tables. The rotary table covers the model's own context.",
    )
    sheet.step("bits", f"ceil({vocab} / 32) x 4", mask, "B")
    sheet.step("sampler state", f"{seqs} x ({vocab} x 4 + 2 x {mask:,} + {SLOT_BYTES:,})", state, "B")
    sheet.step("rotary table", f"{context} x {width} x {B}", rotary, "B")
    sheet.step("persistent buffers", "sum of the last two", state + rotary, "B")
    return state + rotary


def _graphs(sheet: Sheet, layers: int, *, seqs: int, tokens: int) -> int:
    most = min(2 * seqs, 512, tokens)
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, most + 1, 16)]
    full = sum(size <= seqs for size in sizes)
    count = len(sizes) + full
    each = PER_LAYER_AND_GRAPH.value
    total = int(POOL.value) + int(each * layers * count)
    sheet.say(
        f"**4. CUDA graphs.** Sizes are 1, 2, 4, then steps of 8 to 248 and of 16 from 256 to {most}: {len(sizes)}. "
        f"Each is captured piecewise, and the {full} of up to {seqs} as a full graph too. "
        "Both constants are fitted to measured start-ups.",
    )
    sheet.step("graphs", f"{len(sizes)} + {full}", count)
    unit = f"{each / 1024:.2f} KiB"
    sheet.step("CUDA graphs", f"{POOL.value / GIB:.2f} GiB + {layers} x {count} x {unit}", total, "B")
    sheet.say("(The constant is shown rounded; the result is that of the full number.)")
    return total


def _left(sheet: Sheet, estimate: Mapping[str, Any], spent: int) -> int:
    per_gpu, share = estimate["memory"]["per_gpu"], estimate["settings"]["gpu-memory-utilization"]["value"]
    total: int = per_gpu["total_bytes"]
    budget = ceil(total * float(share))
    sheet.say(f"**6. What is left.** CUDA reports {total:,} bytes on this GPU.")
    sheet.step("budget", f"ceil({total:,} x {share})", budget, "B")
    sheet.step("taken", "1 + 2 + 3 + 4 + kernels of 5", spent, "B")
    sheet.step("left for the KV cache", "budget - taken", budget - spent, "B")
    _check("budget", budget, per_gpu["budget_bytes"])
    return budget - spent


def _kv_cache(sheet: Sheet, config: Mapping[str, int], estimate: Mapping[str, Any], available: int) -> None:
    kv_heads, width, layers = config["num_key_value_heads"], config["head_dim"], config["num_hidden_layers"]
    kv, length = estimate["kv_cache"], estimate["settings"]["max-model-len"]["value"]
    page = BLOCK * kv_heads * (width + width) * B
    block = layers * page
    blocks, each = available // block, -(-length // BLOCK)
    usable = (available - block) // block
    sheet.say("**7. KV cache.** Keys and values of every layer for 16 tokens make a block.")
    sheet.step("page of one layer", f"{BLOCK} x {kv_heads} x ({width} + {width}) x {B}", page, "B")
    sheet.step("one block", f"{layers} x {page:,}", block, "B")
    sheet.step("blocks", f"floor({available:,} / {block:,})", blocks)
    sheet.step("KV cache", f"{blocks} x {block:,}", blocks * block, "B")
    sheet.step("blocks of one request", f"ceil({length} / {BLOCK})", each)
    sheet.step("requests of full length", f"{blocks} / {each}", blocks / each)
    sheet.step("tokens", f"floor({blocks} / {each} x {length})", int(blocks / each * length))
    sheet.step("longest context", f"floor(({available:,} - {block:,}) / {block:,}) x {BLOCK}", usable * BLOCK)
    _check("bytes per block", block, kv["bytes_per_block"])
    _check("blocks", blocks, kv["num_blocks"])
    _check("tokens", int(blocks / each * length), kv["tokens"])
    _check("KV cache", blocks * block, estimate["memory"]["per_gpu"]["kv_cache_bytes"])
    _check("longest context", usable * BLOCK, estimate["max_model_len_that_fits"])
    low, high = estimate["memory"]["interval"]["kv_cache_bytes"]
    sheet.say(
        "The engine keeps one block for itself, hence the subtraction in the last line. "
        f"The interval of the KV cache, {low / GIB:.2f} to {high / GIB:.2f} GiB, is step 6 with the high, then with "
        "the low end of every estimate (`memory.parts` in the document has both ends).",
    )


def _check(name: str, ours: int, document: int) -> None:
    if ours != document:
        raise SystemExit(f"make_docs: the worked sum's {name} is {ours:,}, the estimate says {document:,}")
