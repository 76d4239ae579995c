"""``llmtune recommend``: the main job."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from llmtune.cli import goal_options as goals  # noqa: TC001 - Typer reads the annotations
from llmtune.cli import load_options as load  # noqa: TC001
from llmtune.cli import options as opt  # noqa: TC001

ModelName = Annotated[str, typer.Argument(help="Hugging Face id, catalog id or a directory with a config.json.")]
ScenarioName = Annotated[str, typer.Option("--scenario", "-s", help="A shipped scenario, or your own YAML file.")]
Format = Annotated[str, typer.Option("--format", "-f", help="text, json, yaml or command.")]
Pretty = Annotated[bool, typer.Option("--pretty", help="Break a command over several lines.")]
Pins = Annotated[
    list[str] | None, typer.Option("--set", help="Pin a vLLM setting, e.g. --set max-num-seqs=64; may be repeated.")
]
Length = Annotated[str | None, typer.Option("--max-model-len", help="Context length to serve, e.g. 16384 or 16k.")]
KvDtype = Annotated[str | None, typer.Option("--kv-cache-dtype", help="KV cache dtype to use.")]
Quantization = Annotated[str | None, typer.Option("--quantization", help="Quantise a 16-bit checkpoint while loading.")]
Tensor = Annotated[int | None, typer.Option("--tensor-parallel-size", "-tp", help="Tensor parallel size to use.")]
Pipeline = Annotated[int | None, typer.Option("--pipeline-parallel-size", "-pp", help="Pipeline stages to use.")]
Data = Annotated[int | None, typer.Option("--data-parallel-size", "-dp", help="Replicas to use.")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="Requests in flight at once.")]
Tokens = "tokens: one number, or P50:P95 (median and 95th percentile)"
Prompt = Annotated[str | None, typer.Option("--prompt-tokens", help=f"Prompt {Tokens}.")]
Answer = Annotated[str | None, typer.Option("--output-tokens", help=f"Output {Tokens}.")]
Risk = Annotated[str, typer.Option("--risk", help="low: it must fit at worst; even: at the expected sizes.")]
Headroom = Annotated[float | None, typer.Option("--headroom", help="Share of the GPU to leave free, e.g. 0.1.")]


def command(  # noqa: PLR0913 - one parameter an option
    model: ModelName,
    scenario: ScenarioName = "chat",
    gpu: opt.GpuName = "auto",
    gpus: goals.GpuCount = None,
    nodes: opt.Nodes = 1,
    instance: opt.Instance = None,
    gpu_memory: opt.GpuMemory = None,
    free_memory: opt.FreeMemory = None,
    shared_with: opt.SharedWith = None,
    gpu_share: opt.GpuShare = None,
    compute_capability: opt.Capability = None,
    vllm_version: opt.EngineRelease = None,
    max_model_len: Length = None,
    concurrency: Concurrency = None,
    prompt_tokens: Prompt = None,
    output_tokens: Answer = None,
    rate: load.Rate = None,
    objective: goals.Objective = None,
    ttft: goals.Ttft = None,
    tpot: goals.Tpot = None,
    price: goals.Price = None,
    allow_quantized: goals.Quantized = False,  # noqa: FBT002
    quick: goals.Quick = False,  # noqa: FBT002
    kv_cache_dtype: KvDtype = None,
    quantization: Quantization = None,
    tensor_parallel_size: Tensor = None,
    pipeline_parallel_size: Pipeline = None,
    data_parallel_size: Data = None,
    headroom: Headroom = None,
    risk: Risk = "low",
    pins: Pins = None,
    format_: Format = "text",
    pretty: Pretty = False,  # noqa: FBT002
    output: opt.Output = None,
    offline: opt.Offline = False,  # noqa: FBT002
    assume_architecture: opt.Assume = None,
    calibration: opt.Calibration = None,
    no_calibration: opt.NoCalibration = False,  # noqa: FBT002
    color: opt.Color = "auto",
    exit_zero: opt.ExitZero = False,  # noqa: FBT002
) -> None:
    """Recommend a vLLM configuration for a model, GPUs and a scenario: one that starts, with a reason per setting.

    Layouts, steps and slots are compared by what they are predicted to do; `--quick` looks at memory alone.
    """
    from llmtune.cli import advise, judge  # noqa: PLC0415 - the calculation, which --help does not need
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.drafts import attach  # noqa: PLC0415
    from llmtune.cli.goals import GoalOptions, find_goal, read_counts, with_counts, with_siblings  # noqa: PLC0415
    from llmtune.cli.hardware import from_options  # noqa: PLC0415
    from llmtune.cli.terminal import deliver, say  # noqa: PLC0415
    from llmtune.spec.deployment import Deployment  # noqa: PLC0415

    judge.check_choice("--format", format_, advise.FORMATS)
    judge.check_choice("--color", color, ("auto", "always", "never"))
    judge.check_choice("--risk", risk, ("low", "even"))
    aims = GoalOptions(objective, ttft, tpot, rate, concurrency, price)
    aims.check()
    counts = read_counts(gpus)
    engine = judge.load_engine(vllm_version)
    wishes = {
        "max-model-len": max_model_len,
        "kv-cache-dtype": kv_cache_dtype,
        "quantization": quantization,
        "tensor-parallel-size": tensor_parallel_size,
        "pipeline-parallel-size": pipeline_parallel_size,
        "data-parallel-size": data_parallel_size,
    }
    pinned = advise.read_pins({key: value for key, value in wishes.items() if value is not None}, pins or [], engine)
    workload = advise.Workload(concurrency, prompt_tokens, output_tokens, headroom)
    chosen = aims.scenario(advise.load_scenario(scenario, workload))
    hardware, notes = from_options(
        gpu=gpu,
        gpus=counts[-1] if counts else None,
        nodes=nodes,
        instance=instance,
        gpu_memory=gpu_memory,
        free_memory=free_memory,
        shared_with=shared_with,
        gpu_share=gpu_share,
        compute_capability=compute_capability,
    )
    known = judge.load_model(model, offline=offline, assume_architecture=assume_architecture)
    known, said = attach(known, Deployment(model, pinned), offline=offline)
    records = load_records(calibration, off=no_calibration)
    asked = advise.request(known, hardware, engine, chosen, pinned, records=records)
    asked = replace(asked, risk=risk)
    if prompt_tokens or output_tokens:
        advise.check_lengths(asked)
    requests = with_counts(asked, counts)
    requests = with_siblings(requests) if allow_quantized else requests
    goal = None if quick else find_goal(aims, chosen, hardware.gpu)
    answer = advise.advise(requests[0], (*notes, *said), goal=goal, others=requests[1:])
    feasible = answer.recommendation.deployment is not None
    if format_ in {"yaml", "command"}:
        say(advise.spoken(answer))
    if feasible or format_ in {"text", "json"}:
        deliver(advise.render(answer, format_, pretty=pretty, color=color, to_file=output is not None), output)
    raise typer.Exit(0 if feasible or exit_zero else 1)
