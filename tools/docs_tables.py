"""The generated tables of the documentation: commands, scenarios, catalogue, behaviour by release."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from llmtune.architectures import architectures
from llmtune.calc import activations, cuda_graphs, encoder, non_torch
from llmtune.calc.constant import Constant
from llmtune.catalog import engines, gpus, instances, models, scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import ModuleType

    from llmtune.spec.scenario import Scenario

GIB = 2**30
BEHAVIOUR = Path(engines.__file__).parent / "data" / "behaviour"
RELEASES = ("0.8.5", "0.11.2", "0.19.1", "0.24.0", "0.33.0")
COMPARED = (
    ("Qwen/Qwen3-8B", "l4", "--max-model-len 8192"),
    ("google/gemma-3-12b-it", "h100", "--max-model-len 32768"),
)
FLAGS = ("override-generation-config", "kv-cache-memory-bytes", "async-scheduling", "attention-backend")
TAKES: dict[str, set[object]] = {
    "": {bool},
    "integer": {int},
    "number": {float},
    "text, may be repeated": {list[str]},
    "text": {str},
    "file": {Path},
}
GENERATED = "<!-- Made by tools/make_docs.py; do not edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A Markdown table.

    >>> print(table(("a", "b"), [(1, "x|y")]), end="")
    | a | b |
    |---|---|
    | 1 | x\|y |
    """
    lines = [head, *[[str(cell).replace("|", "\\|") for cell in row] for row in rows]]
    text = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:]]) + "\n"


def command_reference() -> str:
    """Every command with its arguments and options, from the annotations that Typer makes ``--help`` of."""
    from llmtune.cli import app

    lines = [
        "# Command line", "", GENERATED, "",
        f"{app.info.help} `llmtune COMMAND --help` says the same as this page.", "",
        "`llmtune --version` prints the version. `--install-completion` and `--show-completion` set up the shell's "
        "completion.", "",
        "Exit codes are described in [exit codes and scripts](../guide/exit-codes-and-scripts.md).", "",
    ]  # fmt: skip
    for command in app.registered_commands:
        callback: Any = command.callback
        lines += [f"## llmtune {command.name}", "", " ".join(str(callback.__doc__).split()), ""]
        arguments, options = [], []
        for name, kind in get_type_hints(callback, include_extras=True).items():
            if name != "return":
                parameter = inspect.signature(callback).parameters[name]
                info = next(one for one in kind.__metadata__ if hasattr(one, "param_decls"))
                if type(info).__name__ == "ArgumentInfo":
                    arguments.append(f"* `{info.metavar or name.upper()}`: {info.help}")
                else:
                    options.append(_option(kind.__origin__, info, parameter.default))
        lines += [*arguments, ""] if arguments else []
        lines += [table(("option", "takes", "default", "what it does"), options)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _option(kind: Any, info: Any, default: object) -> tuple[str, str, str, str]:
    spellings = (info.default, *(info.param_decls or ()))  # inside Annotated, Typer keeps the first one as default
    names = ", ".join(f"`{name}`" for name in sorted(spellings, key=lambda name: (name.startswith("--"), name)))
    takes = next(word for word, types in TAKES.items() if {kind, *get_args(kind)} & types)
    return names, takes, f"`{default}`" if takes and default is not None else "", str(info.help)


def catalog() -> str:
    """How many things the catalogue has."""
    known = [models.find(name) for name in models.names()]
    rows = [
        ("GPUs", len(gpus.names()), "`llmtune list gpus`"),
        ("cloud instances", len(instances.names()), "`llmtune list instances`"),
        ("models", len(known), "`llmtune list models`"),
        ("model architectures", len(architectures()), ""),
        ("scenarios", len(scenarios.names()), "`llmtune list scenarios`"),
        ("vLLM releases", len(engines.names()), "`llmtune list versions`"),
    ]
    return table(("what", "how many", "to see them"), rows)


def scenario_table() -> str:
    """The presets' numbers side by side."""
    head = ("scenario", "prompt p50 / p95", "output p50 / p95", "concurrency", "aim", "utilization", "headroom",
            "`max-num-seqs`", "batched tokens", "KV dtypes")  # fmt: skip
    return table(head, [_scenario_row(scenarios.find(name)) for name in scenarios.names()])


def _scenario_row(one: Scenario) -> tuple[object, ...]:
    work, policy = one.workload, one.policy
    low, high = policy.max_num_seqs
    return (
        f"`{one.name}`",
        f"{work.prompt.p50} / {work.prompt.p95}",
        f"{work.output.p50} / {work.output.p95}",
        work.concurrency,
        policy.aim,
        policy.gpu_memory_utilization or "engine's default",
        policy.headroom,
        f"{low} to {high}",
        policy.max_num_batched_tokens or "engine's default",
        ", ".join(policy.kv_cache_dtypes),
    )


def scenario_reasons() -> str:
    """The reasons that stand in the presets."""
    lines = []
    for name in scenarios.names():
        one = scenarios.find(name)
        lines += [f"### {name}", "", one.description, ""]
        lines += [f"* `{key.replace('_', '-')}`: {reason}" for key, reason in one.reasons.items()]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def sampling() -> str:
    """Sampling defaults with their reasons."""
    found = [scenarios.find(name) for name in scenarios.names()]
    rows = [
        (f"`{one.name}`", f"`{entry.name}`", f"{entry.value:g}", entry.reason)
        for one in found
        for entry in one.sampling
    ]
    return table(("scenario", "parameter", "value", "why"), rows)


def releases(document: Callable[[str], str]) -> str:
    """The same commands under several releases."""
    parts = []
    for model, gpu, rest in COMPARED:
        command = f"estimate --gpu {gpu} --vllm-version RELEASE -- vllm serve {model} {rest}"
        rows = []
        for release in RELEASES:
            words = command.replace("--vllm-version RELEASE", f"--format json --vllm-version {release}")
            rows.append(_release_row(release, json.loads(document(f"llmtune {words}"))))
        head = ("release", "utilization", "budget GiB", "S", "T", "graphs charged", "KV cache GiB", "blocks", "tokens",
                "requests of full length")  # fmt: skip
        parts.append(f"`llmtune {command}`:\n\n{table(head, rows)}")
    return "\n".join(parts)


def _release_row(release: str, estimate: dict[str, Any]) -> tuple[object, ...]:
    per_gpu, settings, kv = estimate["memory"]["per_gpu"], estimate["settings"], estimate["kv_cache"]
    return (
        release,
        settings["gpu-memory-utilization"]["value"],
        f"{per_gpu['budget_bytes'] / GIB:.2f}",
        settings["max-num-seqs"]["value"],
        settings["max-num-batched-tokens"]["value"],
        "yes" if engines.behaviour_of(release)["memory.graphs_charged"] else "no",
        f"{per_gpu['kv_cache_bytes'] / GIB:.2f}",
        kv["num_blocks"],
        kv["tokens"],
        f"{kv['max_concurrency']:.2f}",
    )


def behaviour() -> str:
    """What changed for the memory plan, release by release."""
    return _changes("memory", "kv")


def behaviour_of_speed() -> str:
    """What changed for step times, release by release."""
    return _changes("speed")


def _changes(*files: str) -> str:
    entries = [
        entry
        for name in files
        for entry in json.loads((BEHAVIOUR / f"{name}.json").read_text(encoding="utf-8"))
        if entry["since"] != engines.names()[0]
    ]
    entries.sort(key=lambda entry: engines.names().index(engines.find(entry["since"]).release))
    rows = [
        (entry["since"], "<br>".join(f"`{key}`: {_value(value)}" for key, value in entry["set"].items()),
         entry["source"].removeprefix("vllm: "))
        for entry in entries
    ]  # fmt: skip
    return table(("since", "switch: new value", "where vLLM says so"), rows)


def behaviour_entry() -> str:
    """One change of behaviour, as its file has it."""
    entries = json.loads((BEHAVIOUR / "defaults.json").read_text(encoding="utf-8"))
    entry = next(one for one in entries if one["set"].get("default.gpu_memory_utilization") and one["since"] != "0.6.0")
    return f"```json\n{json.dumps(entry, indent=2)}\n```\n"


def batch_defaults() -> str:
    """Default limits of a batch by size of the GPU, as the newest release has them."""
    cases: Any = engines.find("latest").behaviour["default.batch_classes"]
    rows = []
    for case in cases:
        names = [f"without {name.upper()}" for name in case.get("not_named", ())]
        if "not_capability" in case:
            names.append(f"without compute capability {case['not_capability']}")
        which = f"at least {case['total_gib']} GiB" if case["total_gib"] else "all others"
        rows.append(("; ".join([which, *names]), case["seqs"], case["tokens"]))
    return table(("GPU's total memory", "`max-num-seqs` (S)", "`max-num-batched-tokens` (T)"), rows)


def option_ranges() -> str:
    """First and last release that has an option."""
    rows = []
    for flag in FLAGS:
        having = [name for name in engines.names() if flag in engines.find(name).options]
        rows.append((f"`--{flag}`", having[0], having[-1]))
    return table(("option", "first release", "last known release that has it"), rows)


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def constants() -> str:
    """Every constant of the memory estimate."""
    modules = (activations, encoder, cuda_graphs, non_torch)
    rows = [_constant_row(name, value) for module in modules for name, value in _own_constants(module)]
    return table(("constant", "value", "interval", "unit", "evidence"), rows)


def _own_constants(module: ModuleType) -> Iterator[tuple[str, Constant]]:
    """The constants that a module defines, not those it imports."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    for name, value in vars(module).items():
        if isinstance(value, Constant) and f"\n{name} = Constant(" in source:
            yield name, value


def _constant_row(name: str, constant: Constant) -> tuple[object, ...]:
    sizes = constant.value, constant.low, constant.high
    value, low, high = (f"{size / GIB:.3g}" if constant.unit == "B" else f"{size:g}" for size in sizes)
    unit = "GiB" if constant.unit == "B" else constant.unit
    return name.lower().replace("_", " "), value, f"{low} to {high}", unit, constant.evidence
