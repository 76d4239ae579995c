"""Which kernels run routed experts: the first of the release's cases that applies decides.

Several libraries can run a format, and differ by up to twice. The cases (``speed.experts_*``, by class) are the
defaults of vLLM's own image, which has FlashInfer, and what deployments ask for by ``--moe-backend`` or a variable. A
case tells the ``kernel`` class, and where it is not for all: ``chips`` (compute capabilities), ``whole`` experts on a
rank or slices of all, ``asked`` and ``refused`` (variables set to 1, to 0), ``backend`` (of the option, which goes
first; one that no case names changes nothing). NVIDIA only; a class without a case that applies keeps its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from llmtune.calc.settings import Settings
from llmtune.calc.switches import classes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.calc.shares import Site
    from llmtune.spec.hardware import Gpu


def expert_kernel(of: str, site: Site, *, whole: bool) -> str:
    """The kernel class of experts whose format has the class ``of``."""
    settings, gpu, name = Settings(site.deployment), site.hardware.gpu, f"speed.experts_{of}"
    if gpu.vendor != "nvidia" or name not in site.engine.behaviour:
        return of
    here = [case for case in classes(site.engine, name) if _holds(case, gpu, whole=whole)]
    chosen = (settings.text("moe-backend") or "auto").lower().replace("-", "_")
    named = [case for case in here if case.get("backend") == chosen]
    left = [case for case in here if "backend" not in case and _is_wanted(case, settings)]
    return next((str(case["kernel"]) for case in (*named, *left)), of)


def _holds(case: Mapping[str, object], gpu: Gpu, *, whole: bool) -> bool:
    """Whether a case is for this GPU and for experts that ranks hold so."""
    return case.get("whole", whole) == whole and gpu.capability in cast(
        "list[str]", case.get("chips", [gpu.capability])
    )


def _is_wanted(case: Mapping[str, object], settings: Settings) -> bool:
    """Whether the variables are what a case asks for."""
    if "asked" in case and settings.variable(str(case["asked"])) is not True:
        return False
    return "refused" not in case or settings.variable(str(case["refused"])) is False
