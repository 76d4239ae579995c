"""Public measurements of vLLM's speed, as the benchmarks and the fit read them.

One file a source in ``data/performance`` (made by ``tools/make_performance_rows.py``): a header, then one line a
deployment with its runs. A ``Row`` is one run. ``Row.site`` is its deployment as the calculations take it, made once
for all runs of one server; ``Row.calc_load`` the requests it got.

    rows = load_rows()
    rows[0].site.resolved.max_num_seqs
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from llmtune.architectures import read_model
from llmtune.architectures.quantize import quantize_online
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware
from llmtune.spec.performance import Load, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

DATA = Path(__file__).parent / "data" / "performance"
KEY = ("model", "gpu", "gpus", "engine", "settings", "environment")  # what makes a deployment
APART = ("Qwen/Qwen3-235B-A22B-FP8", "nvidia/Llama-3.1-8B-Instruct-FP8")
NODE = 8  # GPUs of one machine; more are several machines


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The load of a run, as far as it is known. Lengths are (median, 95th percentile) in tokens; None: not stated.

    One of ``concurrency`` (closed loop), ``rate`` (requests a second) and ``batch`` (all at once, offline) says how
    requests come; without any, all ``requests`` come at once to a server (``--request-rate inf``). ``rate`` is Poisson
    unless ``spacing`` is ``constant``. ``prompt_mean`` and ``output_mean`` stand where lengths differ and their mean is
    known; ``means`` has them for every row. ``resent``: the same server had answered the same requests just before.
    """

    prompt: tuple[int, int] | None = None
    output: tuple[int, int] | None = None
    prompt_mean: float | None = None
    output_mean: float | None = None
    concurrency: int | None = None
    rate: float | None = None
    batch: int | None = None
    requests: int | None = None
    dataset: str = ""
    spacing: str = ""
    resent: bool = False

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean tokens of prompt and output; None where they are not known. Evenly spread lengths have their median."""
        if self.prompt is None or self.output is None:
            return None
        return self.prompt_mean or float(self.prompt[0]), self.output_mean or float(self.output[0])


@dataclass(frozen=True)
class Row:
    """One measurement.

    ``environment`` has variables that the server was started with. ``measured`` holds seconds (``ttft_s``, ``tpot_s``,
    ``*_p99_s``), of which ``statistic`` says what they are over requests (``mean``, ``median``, ``unknown``), and rates
    over the run (``output_tok_s``, ``total_tok_s``, ``req_s``, and ``batch_s``, the seconds of an offline batch).
    ``stated`` is the release as the source names it where ``engine`` stands in for it. ``assumed`` names what the
    source does not say and was deduced (``engine``, ``settings``, ``model``, ``gpu``, ``prompt``, ``prefix``: how much
    of the prompts was cached); ``excluded`` why the row cannot be compared with a prediction, empty where it can.
    """

    id: str
    source: str
    source_url: str
    model: str
    gpu: str
    gpus: int
    engine: str
    settings: Mapping[str, Any]
    arrivals: Arrivals
    measured: Mapping[str, float]
    environment: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "mean"
    stated: str = ""
    assumed: tuple[str, ...] = ()
    excluded: str = ""
    key: str = field(default="", repr=False)  # of the deployment, in JSON

    @cached_property
    def site(self) -> Site:
        """The deployment with all that a prediction depends on; the same object for all runs of one server."""
        return site_of(self.key)

    @property
    def load(self) -> Load:
        """The requests, as ``calc`` takes them. Prompts that were sent before are cached where all of them have room.

        Raises:
            ValueError: when the lengths are not known.

        """
        given = self.arrivals
        if given.prompt is None or given.output is None:
            raise ValueError(f"{self.id}: the lengths of prompt and output are not known")
        return Load(
            Tokens(*given.prompt),
            Tokens(*given.output),
            concurrency=given.concurrency,
            rate=given.rate,
            offline=given.concurrency is None and given.rate is None,
            requests=given.requests or given.batch or 0,
            prefix_hit=float(given.resent and self.room > 1),
        )

    @property
    def room(self) -> float:
        """KV cache of all replicas over what every request of the run takes; 0 where it does not start.

        Blocks that are free are taken again in the order in which they were freed, so that a run which is sent again
        finds either all of its prompts or none.
        """
        memory, means = memory_of(self.key), self.arrivals.means
        if memory.kv is None or means is None:
            return 0.0
        return memory.kv.tokens * self.replicas / (sum(means) * (self.arrivals.requests or 1))

    @property
    def replicas(self) -> int:
        """Data-parallel replicas."""
        return int(self.settings.get("data-parallel-size", 1))


def load_rows(source: str | None = None, *, usable: bool = False) -> list[Row]:
    """Every run of every source, or of one; with ``usable`` only those that can be compared with a prediction."""
    paths = sorted(DATA.glob("*.jsonl")) if source is None else [DATA / f"{source}.jsonl"]
    rows = [row for path in paths if path.stem != "tuning_pairs" for row in _rows(path)]
    return [row for row in rows if not row.excluded] if usable else rows


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs and what changed between them: ``metric`` of both, and the relative change.

    ``gpus`` of the two may differ: compare per GPU where a pair changes the layout. A side that is no row of its own
    has no measurement but this one.
    """

    id: str
    url: str
    metric: str
    before: Row
    after: Row
    before_value: float
    after_value: float
    change: float


def load_pairs() -> list[Pair]:
    """Every usable pair of ``tuning_pairs.jsonl``."""
    rows = {row.id: row for row in load_rows()}
    pairs = []
    for line in (DATA / "tuning_pairs.jsonl").read_text(encoding="utf-8").splitlines():
        given = json.loads(line)
        if given.pop("excluded", ""):
            continue
        sides = {key: _side(given, key, rows) for key in ("before", "after")}
        pairs.append(Pair(**{"url": sides["before"].source_url, **given, **sides}))
    return pairs


def is_sound(row: Row) -> bool:
    """Whether a row's load is known as the source says it.

    NVIDIA's own runs of two models in the InferenceX sample are reported apart: neither we nor aiconfigurator come
    within 30 % of them, in both directions.
    """
    return not (row.source == "inferencex" and row.model in APART)


def by_graphs() -> list[tuple[Any, ...]]:
    """GPU, largest captured graph, clients, runs and mean TTFT in seconds, as InferenceX measured equal servers.

    Kimi-K2.5 in NVFP4 on four GPUs under 0.17.0 with prompts of 1,000 tokens.
    """
    found: dict[tuple[Any, ...], list[float]] = {}
    for row in load_rows("inferencex", usable=True):
        given = row.arrivals
        alike = (row.model, row.gpus, row.engine) == ("nvidia/Kimi-K2.5-NVFP4", 4, "0.17.0")
        if alike and given.prompt == (922, 1014) and given.concurrency in {4, 32}:
            key = (row.gpu, str(row.settings.get("max-cudagraph-capture-size", "default")), given.concurrency)
            found.setdefault(key, []).append(row.measured["ttft_s"])
    return [(*key, len(runs), fmean(runs)) for key, runs in sorted(found.items())]


def _side(pair: Mapping[str, Any], key: str, rows: Mapping[str, Row]) -> Row:
    told = pair[key]
    if isinstance(told, str):
        return rows[told]
    run = {"id": f"{pair['id']}-{key}", "load": told["load"], "measured": {pair["metric"]: pair[f"{key}_value"]}}
    deployment = {name: value for name, value in told.items() if name != "load"}
    return _row({"source": "tuning_pairs", "url": pair["url"], "statistic": "mean"}, deployment, run)


@cache
def site_of(key: str) -> Site:
    """The site of a deployment, given as JSON: model, gpu, gpus, engine, settings, and what environment it had."""
    given = json.loads(key)
    engine = engines.find(given["engine"])
    method = given["settings"].get("quantization")
    model = model_of(given["model"], method)
    settings = tuple(Setting(flag, value) for flag, value in given["settings"].items() if flag != "quantization")
    deployment = Deployment(given["model"], settings, environment=given.get("environment", {}))
    nodes = -(-given["gpus"] // NODE)
    hardware = Hardware(gpus.load(given["gpu"]), max(given["gpus"] // nodes, 1), nodes)
    return Site(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)


@cache
def memory_of(key: str) -> Memory:
    """The memory plan of a deployment, given as ``site_of`` takes it."""
    site = site_of(key)
    return estimate_memory(site.deployment, site.model, site.resolved, site.hardware, site.engine)


@cache
def model_of(name: str, method: str | None = None) -> Model:
    """A catalogue model, quantised when it is loaded where ``method`` says so."""
    facts = models.find(name)
    model = read_model(
        facts.config, facts.quantization, model_id=facts.id, source=facts.source, parameters=facts.parameters
    )
    return quantize_online(model, method) if method and model.quantization is None else model


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        header = json.loads(next(file))
        for line in file:
            given = json.loads(line)
            runs = given.pop("runs")
            for run in runs:
                yield _row(header, given, run)


def _row(header: Mapping[str, Any], deployment: Mapping[str, Any], run: Mapping[str, Any]) -> Row:
    kept = {name: deployment[name] for name in KEY if name in deployment}
    return Row(
        id=run["id"],
        source=header["source"],
        source_url=_address(header["url"], run),
        arrivals=_arrivals(run["load"]),
        measured=run["measured"],
        statistic=header["statistic"],
        stated=deployment.get("stated", ""),
        assumed=tuple(deployment.get("assumed", ())),
        excluded=run.get("excluded", ""),
        key=json.dumps(kept, sort_keys=True),
        **kept,
    )


def _address(url: str, run: Mapping[str, Any]) -> str:
    """Where a run is published: its own address, or what follows its file's."""
    own = str(run.get("url", ""))
    if not own:
        return url.replace("{id}", run["id"])
    return own if own.startswith("https://") else f"{url}/{own}"


def _arrivals(load: Mapping[str, Any]) -> Arrivals:
    lengths = {name: _length(load[name]) for name in ("prompt", "output") if name in load}
    return Arrivals(**{**load, **lengths})


def _length(given: int | list[int]) -> tuple[int, int]:
    return (given, given) if isinstance(given, int) else (given[0], given[1])
