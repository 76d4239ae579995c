"""The server that a command is about: from the words or the file that describe it to its estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.cli import judge
from llmtune.cli.drafts import attach
from llmtune.cli.estimate import read_words, release_teller
from llmtune.cli.hardware import from_options
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.readers import Reading
    from llmtune.spec.calibration import Record
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.recommendation import Estimate


@dataclass(frozen=True, slots=True)
class HardwareOptions:
    """The options that name hardware, as they were typed."""

    gpu: str | None = "auto"
    gpus: int | None = None
    nodes: int = 1
    instance: str | None = None
    gpu_memory: str | None = None
    free_memory: str | None = None
    shared_with: list[str] | None = None
    gpu_share: str | None = None
    compute_capability: str | None = None

    def find(self, reading: Reading | None = None) -> tuple[Hardware, tuple[str, ...]]:
        """The hardware and what is assumed about it; a deployment says how many GPUs where no option does."""
        gpus = self.gpus
        if gpus is None and not self.instance and reading is not None:
            gpus = judge.gpus_asked_for(reading.deployment, self.nodes)
        return from_options(
            gpu=self.gpu,
            gpus=gpus,
            nodes=self.nodes,
            instance=self.instance,
            gpu_memory=self.gpu_memory,
            free_memory=self.free_memory,
            shared_with=self.shared_with,
            gpu_share=self.gpu_share,
            compute_capability=self.compute_capability,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts come from beside the command: release, the Hub, an architecture to assume, measured start-ups."""

    vllm_version: str | None = None
    offline: bool = False
    assume_architecture: str | None = None
    records: tuple[Record, ...] = ()


def estimate_words(words: list[str], hardware: HardwareOptions, source: Source) -> Estimate:
    """What the server that a file or a command describes will do."""
    told: list[str] = []
    asked = source.vllm_version
    reading = read_words(words, judge.load_engine(asked) if asked else release_teller(told))
    engine = judge.load_engine(asked or reading.deployment.engine_version)
    machines, notes = hardware.find(reading)
    model = judge.load_model(
        reading.deployment.model, offline=source.offline, assume_architecture=source.assume_architecture
    )
    model, said = attach(model, reading.deployment, offline=source.offline)
    return judge.estimate(reading, model, machines, engine, (*notes, *said, *told), records=source.records)
