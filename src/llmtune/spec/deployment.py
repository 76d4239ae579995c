"""A deployment: one vLLM server as configured, and its settings after every default has been filled in."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.hardware import Hardware
    from llmtune.spec.span import Span
    from llmtune.spec.word import Word

Value = bool | int | float | str | list["Value"] | dict[str, "Value"] | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One vLLM setting: flag without dashes in kebab-case (``max-model-len``), value, and where it was written.

    ``words`` are the words that say it, the flag's first. ``known`` is False where a variable hides the value, which
    is then None.
    """

    flag: str
    value: Value
    span: Span | None = field(default=None, compare=False)
    words: tuple[Word, ...] = field(default=(), compare=False, repr=False)
    known: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One vLLM server as somebody configured it: what readers make and writers write."""

    model: str
    settings: tuple[Setting, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    engine_version: str | None = None
    hardware: Hardware | None = None

    def value(self, flag: str) -> Value:
        """The last value given for a flag, as argparse takes it; None when it is not set."""
        for setting in reversed(self.settings):
            if setting.flag == flag:
                return setting.value
        return None

    def has(self, flag: str) -> bool:
        """Whether the flag is set at all."""
        return flag in [setting.flag for setting in self.settings]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings the engine will run with: what was set, and every default that decides memory or limits.

    ``origins`` says for each flag where its value comes from: set, engine default, GPU class, model, calculated.
    Sizes in bytes, lengths in tokens. ``max_num_batched_tokens`` is T and ``max_num_seqs`` S in the docs.
    """

    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    dtype: str = "bfloat16"
    kv_cache_dtype: str = "auto"
    quantization: str | None = None
    block_size: int | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    decode_context_parallel: int = 1
    expert_parallel: bool = False
    enforce_eager: bool = False
    prefix_caching: bool = True
    chunked_prefill: bool = True
    async_scheduling: bool = True
    async_output_proc: bool = True  # of V0: tokens become text while the GPU computes the next step
    fuses_norms: bool = False  # into the all-reduce before them
    hybrid_kv_manager: bool = True
    language_model_only: bool = False
    mm_encoder_tp_mode: str = "weights"
    mm_profiling: bool = True
    kv_cache_memory: int | None = None
    num_gpu_blocks_override: int | None = None
    mamba_ssm_cache_dtype: str | None = None
    mamba_cache_dtype: str | None = None
    speculative_tokens: int = 0
    speculative_method: str | None = None
    shares_draft_head: bool = True  # draft layers with an output head of their own take the model's instead
    max_loras: int = 0
    max_lora_rank: int = 0
    fully_sharded_loras: bool = False
    cpu_offload: int = 0
    tables_on_host: bool = True  # n-gram tables, unless --engram-config says otherwise
    cudagraph_sizes: tuple[int, ...] = ()
    attention_backend: str | None = None
    runner: str = "v2"  # v0, v1 or v2 (model runner)
    auto_max_model_len: bool = False  # the length is lowered to what fits (``--max-model-len auto``)
    cudagraph_mode: str = "full_and_piecewise"  # none, piecewise, full, full_decode_only, full_and_piecewise
    max_concurrent_batches: int = 1  # scheduled and not yet finished; 2 with async scheduling
    mamba_cache_mode: str = "none"  # none, align, all
    origins: Mapping[str, str] = field(default_factory=dict)
