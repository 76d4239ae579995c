"""What the engine refuses about ``--speculative-config``.

Source: vLLM 0.33.0 config/speculative.py::SpeculativeConfig.__post_init__, _verify_args, _verify_and_get_draft_tp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.drafts import MTP
from llmtune.calc.runner import speculative_method
from llmtune.calc.switches import on

if TYPE_CHECKING:
    from llmtune.calc.validity import Claim


def counts(claim: Claim) -> str | None:
    """Draft tokens, and the lengths that n-gram matching looks up."""
    config = claim.settings.mapping("speculative-config")
    count, low, high = (config.get(key) for key in ("num_speculative_tokens", "prompt_lookup_min", "prompt_lookup_max"))
    if isinstance(count, int) and count < 1:
        return "num_speculative_tokens: Input should be greater than 0"
    if isinstance(low, int) and isinstance(high, int) and low > high:
        return f"prompt_lookup_min={low} must be <= prompt_lookup_max={high}"
    return None


def whole_rounds(claim: Claim) -> str | None:
    """The layers of a checkpoint that predict further tokens run in turn, all of them equally often."""
    tokens, layers = claim.resolved.speculative_tokens, len(claim.model.draft)
    if speculative_method(claim.settings) != MTP or not layers or tokens <= layers or tokens % layers == 0:
        return None
    return f"num_speculative_tokens:{tokens} must be divisible by n_predict={layers}"


def ranks(claim: Claim) -> str | None:
    """A draft model runs on one rank or on all."""
    config = claim.settings.mapping("speculative-config")
    if config.get("tensor_parallel_size") is not None:
        return (
            "'tensor_parallel_size' is not a valid argument in the speculative_config. Please pass "
            "'draft_tensor_parallel_size' instead."
        )
    asked = config.get("draft_tensor_parallel_size")
    if not isinstance(asked, int) or asked in {1, claim.resolved.tensor_parallel}:
        return None
    return (
        f"speculative_draft_tensor_parallel_size={asked} cannot be other value than 1 or target model "
        "tensor_parallel_size"
    )


def adapters_budget(claim: Claim) -> str | None:
    """With adapters a step must hold the draft tokens of every request (engine/arg_utils.py::create_engine_config)."""
    resolved = claim.resolved
    if not on(claim.engine, "validity.lora_draft_budget") or not (resolved.max_loras and resolved.speculative_method):
        return None
    if resolved.max_num_batched_tokens >= resolved.max_num_seqs * (resolved.speculative_tokens + 1):
        return None
    return "Consider increasing max_num_batched_tokens or decreasing num_speculative_tokens"


RULES = (counts, whole_rounds, ranks)
