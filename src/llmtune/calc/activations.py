"""Peak of the memory that lives only while a step runs, as the engine's profile run finds it.

The profile run pushes T tokens through the model, then samples for R = min(S, T) requests, and before both it encodes
the largest pictures. The phases reuse each other's memory, so the peak is the largest of them, not their sum.
b is the bytes of the model's dtype, H its hidden size, V its vocabulary.

    forward = b T (4 H + widest layer)        widest: inputs and outputs of the layer's widest block on this rank
    sampler = R V s + b T H                   s bytes for every row and vocabulary entry; not shrunk by TP
    encoder = b P (2 H_v + widest tower layer)
              P tokens of one item for each of S requests, and what the encoder keeps, where v0 has an encoder-decoder

Fitted on 66 start-ups of 0.7.3 to 0.19.0 (27 of them distinct); how exact it is, ``benchmarks/startups.py`` prints.
Source: vLLM 0.33.0 v1/worker/gpu_model_runner.py and v1/worker/gpu/model_runner.py::profile_run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.constant import NOTHING, Constant, Range, exactly, largest, times
from llmtune.calc.encoder import element_bytes, encoder, encoder_cache
from llmtune.calc.moe_buffers import expert_workspace
from llmtune.calc.switches import on, size, word
from llmtune.spec.memory import Part
from llmtune.spec.record import dataclass
from llmtune.spec.weights import Experts, Linear, Shard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

MIB = 2**20

HIDDEN_COPIES = Constant(
    4, 3, 4.5, "hidden states alive at once",
    "Qwen2.5-7B, T 32,768, 0.8.5: 4.35 GiB measured, 4.34 with 4; Llama-3.1-8B stage of 4, T 8,192, 0.19.0: 1.05 GiB, "
    "1.03 with 4; residual, input, normed input and output of a block",
    (("f-qwen25-7b-v100", 4), ("llm-d-planner", 4)), (4, 2, 6),
)  # fmt: skip
SORTING_SAMPLER = Constant(
    38.4, 36, 41, "B per row and vocabulary entry",
    "Qwen3-14B, R 1,024, 0.15.0 and 0.16.0: 5.64 GiB; Qwen2.5-7B, R 256, 0.7.3: 1.42 GiB; logits 2 + 4, sorted 4, "
    "indices 8, scratch of the sort 12, probabilities 4, noise 4",
    (("llm-d-planner", 38.4), ("i13882", 38.4), ("f-dsr1", 38.3), ("f-qwen25-7b-1m", 38.4)), (38, 34, 42),
)  # fmt: skip
TRITON_SAMPLER = Constant(
    14, 13.5, 15, "B per row and vocabulary entry",
    "24 start-ups of 13 models under 0.19.0, R 1,024, within 2 %; logits 2 + 4, probabilities 4, noise 4",
    (("llm-d-planner", 14),), (14, 10, 16),
)  # fmt: skip
FLASHINFER_SAMPLER = Constant(
    14, 10, 16, "B per row and vocabulary entry", "as the Triton sampler, not measured; logits 2 + 4, probabilities 4"
)
WARMED_SAMPLER = Constant(
    12, 10, 15, "B per row and vocabulary entry",
    "0.33.0 v1/worker/gpu/model_runner.py::_dummy_sampler_run with every feature on: logits 2, their 32-bit copy 4, "
    "probabilities 4, scratch 2; not measured",
)  # fmt: skip
COPYING_SAMPLER = Constant(
    6, 6, 8, "B per row and vocabulary entry",
    "0.24.0 v1/worker/gpu/sample/sampler.py::apply_sampling_params: logits 2, their 32-bit copy 4; not measured",
)  # fmt: skip
PLAIN_SAMPLER = Constant(
    2, 2, 4, "B per row and vocabulary entry",
    "0.28.0 v1/worker/gpu/sample/sampler.py: without a parameter set the logits are sampled as they are; Qwen3-0.6B, "
    "R 1,024, 0.27.1: 0.26 GiB measured, 0.30 with 2",
)  # fmt: skip
SAMPLER_SCRATCH = Constant(
    48 * MIB,
    30 * MIB,
    70 * MIB,
    "B",
    "what is left of the same 24 start-ups after the terms above: 42 to 65 MB",
    (("llm-d-planner", 48 * MIB),),
    (0, 0, 100 * MIB),
)
DRAFT_LOGITS = 6  # B per row, draft and vocabulary entry: logits 2 and their 32-bit copy 4
LATENT_CONTEXT = 65_536  # tokens of the up-projected context chunk; layers/attention/mla_attention.py
LATENT_BLOCK = 64  # tokens, the usual block of latent attention
ASSUMED_PROCESSORS = 132  # multiprocessors where the GPU's own count is not known


@dataclass(frozen=True, slots=True)
class Stage:
    """Which part of the pipeline a rank holds."""

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether it embeds tokens and encodes pictures."""
        return self.number == 0

    @property
    def is_last(self) -> bool:
        """Whether it samples."""
        return self.number == self.count - 1


ONLY = Stage()  # a pipeline of one stage


def activation_peak(model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion, stage: Stage = ONLY) -> Part:
    """The peak of one rank, in bytes, with the phase that sets it.

    Example:
        Llama-3.1-8B under 0.19.0 on an H100, T 8192, S 1024: forward 2 x 8192 x (4 x 4096 + 3 x 14,336) = 0.91 GiB;
        sampler 1024 x 128,256 x 14 + 8192 x 4096 x 2 + 132 x 128,256 x 4 + 48 MiB = 1.88 GiB (measured: 1.89).

    """
    phases = {
        "the forward pass over {T} tokens": forward(model, resolved, engine, stage=stage),
        "sampling for {R} requests": (
            sampler(model, resolved, gpu=gpu, engine=engine) + _received(model, resolved, stage)
            if stage.is_last
            else NOTHING
        ),
        "encoding pictures": encoder(model, resolved, engine) if stage.is_first else NOTHING,
    }
    peak = largest(*phases.values())
    name = max(phases, key=lambda phase: phases[phase].bytes)
    rows = min(resolved.max_num_seqs, resolved.max_num_batched_tokens)
    why = "peak of " + name.format(T=resolved.max_num_batched_tokens, R=rows)
    return Part("activations", peak.bytes, why, peak.low, peak.high)


def forward(model: Model, resolved: Resolved, engine: EngineVersion, *, stage: Stage = ONLY) -> Range:
    """Bytes of the forward pass over T tokens."""
    size, tokens = element_bytes(resolved), resolved.max_num_batched_tokens
    hidden = size * tokens * model.hidden
    widest = max(_widest(group.modules, resolved.tensor_parallel) for group in model.groups)
    inside = max(size * tokens * widest, _latent_context(model, resolved))
    total = times(HIDDEN_COPIES, hidden) + exactly(inside) + encoder_cache(model, resolved, engine)
    total += _received(model, resolved, stage) + _indexer_logits(model, engine)
    if not on(engine, "memory.moe_workspace_persistent"):
        total += expert_workspace(model, resolved, engine)
    return total


def sampler(model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion) -> Range:
    """Bytes of sampling for R requests: every rank holds all R rows of logits, whatever the tensor parallel size."""
    if not traits.generates(model):
        return NOTHING
    size = element_bytes(resolved)
    rows = min(resolved.max_num_seqs, resolved.max_num_batched_tokens)
    entries = rows * model.vocab
    constant = _sampler_constant(resolved, engine)
    total = times(constant, entries) + exactly((size - 2) * entries)
    total += exactly(size * resolved.max_num_batched_tokens * model.hidden) + encoder_cache(model, resolved, engine)
    if constant is TRITON_SAMPLER:
        total += exactly((gpu.multiprocessors or ASSUMED_PROCESSORS) * model.vocab * 4)
    if resolved.runner != "v2" and constant is not SORTING_SAMPLER:
        total += times(SAMPLER_SCRATCH, 1)
    return total


def after_profile(model: Model, resolved: Resolved, *, engine: EngineVersion) -> int:
    """Bytes that sampling takes with every feature on, and that the profile run of this release does not see.

    Runner v2 samples without parameters while it profiles (to 0.32), and with all of them when it warms up, after the
    KV cache has been allocated; so do the first requests that ask for them. Drafts' logits come on top.
    Source: vLLM 0.28.0 v1/worker/gpu/warmup.py::warmup_kernels, 0.33.0 v1/worker/gpu/model_runner.py.
    """
    if not traits.generates(model):
        return 0
    rows = min(resolved.max_num_seqs, resolved.max_num_batched_tokens)
    entries = rows * model.vocab
    drafts = resolved.speculative_tokens * entries * DRAFT_LOGITS
    seen = _sampler_constant(resolved, engine)
    full = WARMED_SAMPLER if resolved.runner == "v2" else seen
    return int((full.value - seen.value) * entries) + drafts


def _received(model: Model, resolved: Resolved, stage: Stage) -> Range:
    """Hidden states and residual that arrive from the stage before."""
    if stage.is_first:
        return NOTHING
    return exactly(2 * element_bytes(resolved) * resolved.max_num_batched_tokens * model.hidden)


def _sampler_constant(resolved: Resolved, engine: EngineVersion) -> Constant:
    if resolved.runner == "v2":
        kinds = {"copied": COPYING_SAMPLER, "plain": PLAIN_SAMPLER, "warmed": WARMED_SAMPLER}
        return kinds[word(engine, "memory.v2_sampler")]
    kinds = {"sort": SORTING_SAMPLER, "triton": TRITON_SAMPLER, "flashinfer": FLASHINFER_SAMPLER}
    return kinds[word(engine, "memory.sampler")]


def _indexer_logits(model: Model, engine: EngineVersion) -> Range:
    """What sparse attention sets aside for the logits of its indexer (VLLM_SPARSE_INDEXER_MAX_LOGITS_MB)."""
    latent = traits.latent(model)
    return exactly(size(engine, "memory.indexer_logits")) if latent is not None and latent.sparse else NOTHING


def _latent_context(model: Model, resolved: Resolved) -> int:
    """Latent attention projects a chunk of its context up to full keys and values."""
    latent = traits.latent(model)
    if latent is None or latent.sparse:
        return 0
    wanted = max(8 * resolved.max_model_len, 4 * resolved.max_num_seqs * (resolved.block_size or LATENT_BLOCK))
    heads = -(-latent.heads // resolved.tensor_parallel)
    return min(wanted, LATENT_CONTEXT) * heads * (latent.nope_dim + latent.value_dim) * element_bytes(resolved)


def _widest(modules: Iterable[Module], ranks: int) -> int:
    """Features a token has at once inside the widest block: outputs of its split layers and input of its last one.

    For a gated MLP that is 2 I + I, for attention queries, keys and values plus the attention's output.
    """
    widest = outputs = 0
    for module in modules:
        if isinstance(module, Experts):
            outputs = 0
        if not isinstance(module, Linear):
            continue
        match module.shard:
            case Shard.COLUMN:
                outputs += -(-module.size // ranks)
            case Shard.NONE:
                outputs += module.size
            case Shard.ROW:
                widest = max(widest, outputs + -(-module.inputs // ranks))
                outputs = 0
    return max(widest, outputs)
