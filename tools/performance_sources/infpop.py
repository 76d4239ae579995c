"""UPCBarcelonaTech/infpop (arXiv 2408.01050): code completion offline, models x GPU counts x batch sizes.

``scripts/runInference.py`` completes the 1,033 prompts of HumanEval-SingleLineInfilling (only what stands before the
hole), sorted by length and cut into batches, with ``ignore_eos`` and 5, 10 and 20 tokens to generate. A table's value
equals the first of the three runs of that model, GPU count and batch in ``allData.csv``: 5 tokens. Throughput is the
average over batches of generated tokens by wall time. The prompts hold 647 characters on average, 556 in the median and
1,351 at the 95th percentile: about 3.2 characters a token in code.

Which A100 and V100 follows from what ran: 34 B parameters in 16 bit needed four A100 (so 40 GB, not 80) and
15.5 B two V100 (so 32 GB, not 16). bfloat16 does not exist on a V100: the 16-bit type there is float16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.catalog import models
from performance_sources.common import Found, Run, Source, measured

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/UPCBarcelonaTech/infpop/"
RELEASE = "0.6.0"  # the oldest of the catalogue, without what came with it; measured before July 2024
STATED = "before July 2024"
CHARACTERS = 3.23  # of Python a token
PROMPT = [round(count / CHARACTERS) for count in (556, 1351)]
PROMPT_MEAN = round(646.8 / CHARACTERS)
OUTPUT = 5
UNSPLIT = "GPTBigCodeForCausalLM"
GPUS = {"NVIDIA A100": "a100-sxm-40gb", "NVIDIA V100": "v100-sxm2-32gb"}
MODELS = {
    "Bloom-1b7": "bigscience/bloom-1b7",
    "Bloom-3b": "bigscience/bloom-3b",
    "Bloom-7b1": "bigscience/bloom-7b1",
    "Codellama-7b-hf": "codellama/CodeLlama-7b-hf",
    "Codellama-13b-hf": "codellama/CodeLlama-13b-hf",
    "Codellama-34b-hf": "codellama/CodeLlama-34b-hf",
    "Codellama-70b-hf": "codellama/CodeLlama-70b-hf",
    "Codestral-22b": "mistralai/Codestral-22B-v0.1",
    "Gemma-2b": "google/gemma-2b",
    "Gemma-7b": "google/gemma-7b",
    "Mistral-7b": "mistralai/Mistral-7B-v0.1",
    "Mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1",
    "Phi-1": "microsoft/phi-1",
    "Phi-1_5": "microsoft/phi-1_5",
    "Phi-2": "microsoft/phi-2",
    "Starcoder-15b": "bigcode/starcoder",
    "Starcoder": "bigcode/starcoder",
    "Starcoder2-3b": "bigcode/starcoder2-3b",
    "Starcoder2-7b": "bigcode/starcoder2-7b",
    "Wizardcoder-15b": "WizardLM/WizardCoder-15B-V1.0",
    "Wizardcoder-33b": "WizardLMTeam/WizardCoder-33B-V1.1",
}


def read(rows: Iterable[Found]) -> Source:
    """Every row of the tables behind research question 2."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    url = found[0]["source_url"].partition("/tables/")[0] + "/tables"
    about = "A batch of code prefixes at once, 5 tokens each; output_tok_s is generated tokens over wall time."
    return Source("infpop", url, "none stated", about, [_run(row) for row in found])


def settings_of(gpu: str, tensor_parallel: int) -> dict[str, object]:
    """The settings of ``runInference.py``."""
    dtype = {"dtype": "float16"} if gpu.startswith("v100") else {}
    older = {"disable-async-output-proc": True}
    return {"tensor-parallel-size": tensor_parallel, "gpu-memory-utilization": 0.85, **dtype, **older}


def load_of(batch: int) -> dict[str, object]:
    """A batch of the data set."""
    return {"prompt": PROMPT, "prompt_mean": PROMPT_MEAN, "output": OUTPUT, "batch": batch, "dataset": "humaneval"}


def _run(row: Found) -> Run:
    gpu, batch = GPUS[row["gpu"]], int(row["batch_or_concurrency"])
    return Run(
        id=f"{gpu.partition('-')[0]}-{row['model'].casefold()}-tp{row['tp']}-b{batch}",
        model=MODELS[row["model"]],
        gpu=gpu,
        gpus=int(row["num_gpus"]),
        engine=RELEASE,
        settings=settings_of(gpu, int(row["tp"])),
        load=load_of(batch),
        measured=measured(row, "output_tok_s"),
        stated=STATED,
        assumed=("engine", "gpu", "prompt"),
        excluded=_excluded(MODELS[row["model"]], int(row["tp"])),
    )


def _excluded(model: str, tensor_parallel: int) -> str:
    split = tensor_parallel > 1 and models.find(model).config.get("architectures") == [UNSPLIT]
    return "the catalogue describes it as newer releases run it, which do not split its MLP" if split else ""
