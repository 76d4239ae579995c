"""Rules about quantisation methods: known to the release, matching the checkpoint, able to run on the GPU.

Source: vLLM 0.33.0 config/model.py::ModelConfig._verify_quantization, config/vllm.py::_get_quantization_config.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.switches import on, table, words

if TYPE_CHECKING:
    from llmtune.calc.validity import Claim

# Methods that read each other's checkpoints: asking for one of a family is not a mismatch.
FAMILIES = (
    frozenset({"gptq", "gptq_marlin", "auto_gptq", "gptq_bitblas", "marlin", "moe_wna16", "inc"}),
    frozenset({"awq", "awq_marlin", "auto_awq", "moe_wna16", "inc"}),
    frozenset({"modelopt", "modelopt_fp4", "modelopt_mxfp8", "modelopt_mixed", "nvfp4"}),
    frozenset({"mxfp4", "gpt_oss_mxfp4"}),
    frozenset({"fp8", "deepseek_v4_fp8"}),
    frozenset({"auto-round", "inc"}),
)
SHARED = frozenset({"moe_wna16", "inc"})  # read several kinds of checkpoints
ANY_CHECKPOINT = frozenset({"humming"})
HALF_ONLY = {"awq": "auto_awq", "gptq": "auto_gptq"}  # plain methods, and what has replaced each
WITH_OWN_CONFIG = (FAMILIES[0] | FAMILIES[1]) - {"inc", "moe_wna16"}  # methods whose settings only a checkpoint has


def _matches(claim: Claim) -> str | None:
    asked, stored = claim.settings.text("quantization"), claim.model.quantization
    if asked is None or stored is None or asked == stored or asked in ANY_CHECKPOINT:
        return None
    if stored in words(claim.engine, "quantization.overrides"):
        return None
    if any(asked in family and stored in family for family in FAMILIES):
        return None
    return (
        f"Quantization method specified in the model config ({stored}) does not match the quantization method "
        f"specified in the `quantization` argument ({asked})."
    )


def _name_here(claim: Claim) -> str | None:
    """The method under the name this release has for it: a checkpoint's method was called otherwise before."""
    method = claim.resolved.quantization
    known = words(claim.engine, "quantization.methods")
    if method is None or method in known or claim.settings.text("quantization") == method:
        return method
    others = (name for family in FAMILIES if method in family for name in sorted(family - SHARED))
    return next((name for name in others if name in known), method)


def _known(claim: Claim) -> str | None:
    method = _name_here(claim)
    known = list(words(claim.engine, "quantization.methods"))
    if method is None or method in known:
        return None
    return f"Unknown quantization method: {method}. Must be one of {known}."


def _not_deprecated(claim: Claim) -> str | None:
    method = claim.resolved.quantization
    deprecated = words(claim.engine, "quantization.deprecated")
    if method not in deprecated or claim.settings.flag("allow-deprecated-quantization"):
        return None
    return (
        f"The quantization method {method} is deprecated and will be removed in future versions of vLLM. To bypass, "
        "set `--allow-deprecated-quantization`."
    )


def described(claim: Claim) -> str | None:
    """Whether there is a checkpoint with the settings of a method that has none of its own."""
    asked = claim.settings.text("quantization")
    if asked not in WITH_OWN_CONFIG or claim.model.quantization is not None:
        return None
    return f"Cannot find the config file for {asked}"


def capable(claim: Claim) -> str | None:
    """Whether the GPU is new enough for the method."""
    method, capability = _name_here(claim), claim.hardware.gpu.compute_capability
    least = _least_capability(claim, method)
    if least is None or capability is None:
        return None
    current = capability[0] * 10 + capability[1]
    if current >= least:
        return None
    return (
        f"The quantization method {method} is not supported for the current GPU. Minimum capability: {least}. "
        f"Current capability: {current}."
    )


def computes_in(claim: Claim) -> str | None:
    """Kernels of plain AWQ and GPTQ compute in float16 only; asked for by name, the faster ones are not taken.

    Source: vLLM 0.16.0 quantization/awq.py, gptq.py (get_supported_act_dtypes), config/vllm.py; no longer so where
    ``auto_awq`` (0.24) and ``auto_gptq`` (0.22) exist.
    """
    asked, dtype = claim.settings.text("quantization"), claim.resolved.dtype
    if asked not in HALF_ONLY or claim.model.quantization is None or dtype == "float16":
        return None
    if HALF_ONLY[asked] in words(claim.engine, "quantization.methods"):
        return None
    return f"torch.{dtype} is not supported for quantization method {asked}. Supported dtypes: [torch.float16]"


def _least_capability(claim: Claim, method: str | None) -> int | None:
    """The lowest compute capability of a method, times ten; one that says none of its own has its family's."""
    least = table(claim.engine, "quantization.capability")
    if method is None or method in least:
        return least.get(method or "")
    family = next((family - SHARED for family in FAMILIES if method in family), frozenset())
    return min((least[name] for name in family if name in least), default=None)


def _loadable(claim: Claim) -> str | None:
    """Whether the release still loads this kind of config (activation order was dropped)."""
    return claim.model.refusal if on(claim.engine, "quantization.refuses_act_order") else None


RULES = (_matches, _known, _not_deprecated, _loadable)
