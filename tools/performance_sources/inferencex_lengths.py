"""InferenceX, experimental/token_position_decode_slo: TTFT and TPOT by prompt length on 8 x H200, February 2026.

Commands: ``serve_*_sbatch.sh`` in that folder (nightly images of 13 to 17 February 2026: between 0.15.1 and 0.16.0; the
MiniMax runs name commit dea63512). Ten fixed-length random prompts for each of the concurrency, 128 tokens out, with
``--ignore-eos``. All runs take the same seed and the servers cached prefixes, so a run's first prompts repeat those of
the runs before it: how many tokens were still cached is not known (``prefix`` in ``assumed``). Medians.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from performance_sources.common import Found, Run, Source, measured

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/SemiAnalysisAI/InferenceX/"
RELEASE = "0.16.0"
LATER = {"qwen35": "0.17.0"}  # the first release that has the architecture
SETTINGS: dict[str, dict[str, Any]] = {
    "glm5_fp8_vllm_tp8": {
        "tensor-parallel-size": 8,
        "speculative-config": {"method": "mtp", "num_speculative_tokens": 1},
    },
    "minimax_m25_vllm_tep8": {"tensor-parallel-size": 8, "enable-expert-parallel": True},
    "minimax_m25_vllm_dep8": {"data-parallel-size": 8, "enable-expert-parallel": True},
    "qwen35_vllm_tp8": {
        "tensor-parallel-size": 8,
        "language-model-only": True,
        "enable-prefix-caching": True,
    },
}


def read(rows: Iterable[Found]) -> Source:
    """Every result of that folder."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    url = found[0]["source_url"].partition("/glm-5/")[0].partition("/minimax-m2.5/")[0]
    about = "Closed loop, random prompts of one length. Settings: serve_*_sbatch.sh beside the results."
    return Source("inferencex-lengths", url, "Apache-2.0", about, [_run(row) for row in found], "median")


def _run(row: Found) -> Run:
    name = row["source_url"].rpartition("/")[2].removesuffix(".json")
    settings = SETTINGS[name.partition("_isl")[0]]
    concurrency = int(float(row["batch_or_concurrency"]))
    return Run(
        id=name,
        model=row["model"],
        gpu="h200-sxm",
        gpus=8,
        engine=LATER.get(name.partition("_")[0], RELEASE),
        settings=settings,
        load={
            "prompt": int(float(row["input_len"])),
            "output": int(float(row["output_len"])),
            "concurrency": concurrency,
            "requests": int(float(row["num_prompts"])),
        },
        measured=measured(row),
        stated="nightly, February 2026",
        assumed=("engine", "prefix"),
        excluded="how many draft tokens were accepted is not known" if "speculative-config" in settings else "",
    )
