"""Which kernels run routed experts: the first of the release's cases that applies decides.

Several libraries can run a format, and differ by up to twice. The cases (``speed.experts_*``, by class) are the
defaults of vLLM's own image, which has FlashInfer, and what deployments ask for by ``--moe-backend`` or a variable. A
case tells the ``kernel`` class, and where it is not for all: ``chips`` (compute capabilities), ``whole`` experts on a
rank or slices of all, ``asked`` and ``refused`` (variables set to 1, to 0), ``backend`` (of the option). NVIDIA only; a
class without a case that applies keeps its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from llmtune.calc.settings import Settings
from llmtune.calc.switches import classes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.calc.shares import Site


def expert_kernel(of: str, site: Site, *, whole: bool) -> str:
    """The kernel class of experts whose format has the class ``of``."""
    settings, gpu, name = Settings(site.deployment), site.hardware.gpu, f"speed.experts_{of}"
    if gpu.vendor != "nvidia" or name not in site.engine.behaviour:
        return of
    for case in classes(site.engine, name):
        here = "chips" not in case or gpu.capability in cast("list[str]", case["chips"])
        if here and case.get("whole", whole) == whole and _is_wanted(case, settings):
            return str(case["kernel"])
    return of


def _is_wanted(case: Mapping[str, object], settings: Settings) -> bool:
    """Whether the deployment asks for a case, or leaves it as it is."""
    chosen = (settings.text("moe-backend") or "auto").lower().replace("-", "_")
    if chosen != "auto" or "backend" in case:
        return chosen == case.get("backend")
    if "asked" in case and settings.variable(str(case["asked"])) is not True:
        return False
    return "refused" not in case or settings.variable(str(case["refused"])) is False
