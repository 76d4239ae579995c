"""A case: one server of one file with everything that is known about it. What every rule looks at.

Everything that costs time is computed when the first rule asks for it, so no rule repeats a sum and a file without a
known GPU costs no estimate. Facts come in as functions: nothing here reads a file or a catalogue.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmtune.calc.errors import Refused
from llmtune.calc.memory import SPLIT, estimate_memory
from llmtune.calc.other_settings import HARMLESS
from llmtune.calc.resolve import resolve
from llmtune.calc.settings import Settings
from llmtune.calc.validity import Claim, failures
from llmtune.calc.weights import weigh
from llmtune.spec.finding import Finding
from llmtune.spec.hardware import Gpu, Hardware
from llmtune.spec.memory import Failure
from llmtune.spec.record import dataclass
from llmtune.spec.surroundings import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llmtune.spec.deployment import Deployment, Resolved, Setting
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.finding import Fix, Notice
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model
    from llmtune.spec.server import Document, Server, Variable
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Fact, Surroundings
    from llmtune.spec.word import Word

CONTAINERS = frozenset({"docker", "compose", "quadlet", "kubernetes", "helm"})
ROTARY = frozenset({"rope_scaling", "rope_parameters", "rope_theta", "max_position_embeddings", "model_max_length"})
UNNAMED_GPU = Gpu(
    name="unnamed", product="unnamed", vendor="nvidia", architecture="", aliases=(), total_memory=1 << 50,
    bandwidth=None, flops={}, compute_capability=None, gfx=None, multiprocessors=None, nvlink_bandwidth=None,
    pcie_bandwidth=None, integrated=False, source=(),
)  # fmt: skip
UNNAMED = Hardware(UNNAMED_GPU, gpus_per_node=1 << 20)  # for what holds whichever the GPU is


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a case gets what the file does not say.

    ``history`` is ``catalog.history``: what existed in which release. ``model`` and ``hardware`` are None where nothing
    is known. ``release_from`` says where the release comes from: ``image``, ``file``, ``option``, or ``newest`` where
    none is named. ``image`` is what the catalogue knows of the container image.
    """

    engine: EngineVersion
    release_from: str
    history: Any
    find_model: Callable[[Deployment], Model | None]
    find_hardware: Callable[[Deployment, Surroundings], Hardware | None]
    image: Any = None


class Case:
    """One server, a release, and what follows from both."""

    def __init__(  # noqa: PLR0913 - the parts of a reading
        self,
        server: Server,
        document: Document,
        deployment: Deployment,
        notices: Sequence[Notice],
        facts: Facts,
        *,
        model_word: Word | None = None,
        open_ended: bool = False,
    ) -> None:
        self.server = server
        self.document = document
        self.deployment = deployment
        self.notices = tuple(notices)
        self.facts = facts
        self.model_word = model_word
        self.open_ended = open_ended
        self.neighbours: tuple[Case, ...] = ()  # the other servers of the file

    @property
    def engine(self) -> EngineVersion:
        """The release."""
        return self.facts.engine

    @property
    def release(self) -> str:
        """The release's number, as messages give it."""
        return self.engine.requested or self.engine.release

    @property
    def around(self) -> Surroundings:
        """The container, pod or unit."""
        return self.server.surroundings

    @property
    def release_known(self) -> bool:
        """Whether somebody said which release it is: the image's tag, the file, an option."""
        return self.facts.release_from != "newest"

    @cached_property
    def model(self) -> Model | None:
        """The model; None where its name is hidden or no source knows it."""
        return self.facts.find_model(self.deployment)

    @cached_property
    def hardware(self) -> Hardware | None:
        """The GPUs; None where nothing says which."""
        return self.facts.find_hardware(self.deployment, self.around)

    @cached_property
    def settings(self) -> Settings:
        """Typed access to what is set; a hidden value counts as not set."""
        return Settings(self.deployment)

    @cached_property
    def resolved(self) -> Resolved | None:
        """Every default filled in; None where a fact is missing or the engine refuses the settings."""
        if self.hardware is None or self.open_ended or self._hidden or self._reshaped:
            return None
        return self._resolve(self.hardware)

    @cached_property
    def outline(self) -> Resolved | None:
        """What is in sight of the settings, resolved for the GPU or for one that nobody named; None without a model."""
        return self.resolved or (None if self._reshaped else self._resolve(self.hardware or UNNAMED))

    @cached_property
    def memory(self) -> Memory | None:
        """The memory plan that ``estimate`` shows; None where a fact is missing."""
        if self.model is None or self.hardware is None or self.resolved is None:
            return None
        try:
            return estimate_memory(self.deployment, self.model, self.resolved, self.hardware, self.engine)
        except (Refused, ValueError, ArithmeticError):
            return None

    @cached_property
    def refusals(self) -> Mapping[str, Failure]:
        """Every check of the engine that the settings in sight fail before anything is loaded, by its name.

        Without hardware only those that fail on any GPU. ``weights-split`` is the last one, as it is for the engine.
        """
        model, resolved, hardware = self.model, self.outline, self.hardware or UNNAMED
        if model is None or resolved is None:
            return {}
        claim = Claim(self.settings, model, resolved, hardware, self.engine)
        try:
            found = {item.check: item for item in failures(claim, any_gpu=self.resolved is None)}
            if not found:
                weigh(model, resolved, hardware.gpu)
        except Refused as refusal:
            found = {SPLIT: Failure(refusal.kind, refusal.engine_message, SPLIT)}
        except (ValueError, ArithmeticError):
            return {}
        return found

    def refusal(self, check: str, *flags: str) -> Failure | None:
        """The refusal of one check, unless a variable hides one of the flags that it reads."""
        return self.refusals.get(check) if self.in_sight(*flags) else None

    def in_sight(self, *flags: str) -> bool:
        """Whether no variable hides the value of one of the flags."""
        return all(setting.known for setting in self.deployment.settings if setting.flag in flags)

    @property
    def _hidden(self) -> bool:
        """Whether a variable hides a setting that calculations depend on."""
        return any(not setting.known and not HARMLESS.match(setting.flag) for setting in self.deployment.settings)

    @property
    def _reshaped(self) -> bool:
        """Whether the model is told to be another one than its checkpoint says."""
        overrides = self.setting("hf-overrides")
        if overrides is None:
            return False
        return not isinstance(overrides.value, dict) or not set(overrides.value) <= ROTARY

    def _resolve(self, hardware: Hardware) -> Resolved | None:
        if self.model is None:
            return None
        try:
            return resolve(self.deployment, self.model, hardware, self.engine)
        except (Refused, ValueError, ArithmeticError):
            return None

    def setting(self, flag: str) -> Setting | None:
        """The setting of a flag that counts: the last one."""
        for item in reversed(self.deployment.settings):
            if item.flag == flag:
                return item
        return None

    def number(self, flag: str) -> float | None:
        """The number that a flag is set to; None where it is not set, hidden, or no number."""
        value = self.deployment.value(flag)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def is_on(self, flag: str) -> bool:
        """Whether a switch is set to true."""
        return self.deployment.value(flag) is True

    def unset(self, flag: str) -> bool:
        """Whether a flag is surely not set: not where a variable may hold further settings."""
        return not self.open_ended and not self.deployment.has(flag)

    def variable(self, name: str) -> Variable | None:
        """The environment variable that the file sets last under a name."""
        return next((item for item in reversed(self.server.variables) if item.name == name), None)

    def value_of(self, fact: Fact[Any] | None) -> Any:
        """A fact's value; None where it is missing or hidden."""
        return None if fact is None or fact.value is UNKNOWN else fact.value

    @property
    def in_container(self) -> bool:
        """Whether the file describes the container, with nothing about it hidden."""
        return self.around.platform in CONTAINERS and self.around.complete

    def finding(  # noqa: PLR0913 - the parts of a finding
        self,
        message: str,
        at: Span | Word | Setting | Variable | Fact[Any] | None = None,
        *,
        note: str = "",
        help: str = "",  # noqa: A002 - it is what the line is called
        fix: Fix | None = None,
        severity: str = "",
        confidence: str = "",
    ) -> Finding:
        """A finding about this server, at a place or where the server starts."""
        span: Any = getattr(getattr(at, "word", at), "span", at) if at is not None else None
        return Finding(
            message=message,
            span=span or self.server.span,
            note=note,
            help=help,
            fix=fix,
            severity=severity,
            confidence=confidence,
            server=self.server.name,
        )
