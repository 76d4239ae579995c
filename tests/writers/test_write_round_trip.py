"""What is written is read back as the same deployment, for settings drawn from the option tables of three releases."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtune.catalog import engines
from llmtune.readers import read
from llmtune.spec.deployment import Deployment, Setting
from llmtune.writers import WriteError
from llmtune.writers import command as write_command
from llmtune.writers import vllm_yaml as write_yaml
from llmtune.writers.arguments import looks_like_flag

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion, Option

RELEASES = ("0.6.6", "0.9.2", "0.33.0")
LEFT_OUT = {"model", "config", "middleware", "lora-modules"}  # collected, or with a syntax of their own
# No "$" and "{": in a file they may be a variable or a template, so what they stand for is not known.
WORDS = st.text(st.characters(exclude_categories=["Cs", "Co"], exclude_characters="\0${"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ENVIRONMENTS = st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), WORDS, max_size=2)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=3)


def one_value(option: Option) -> st.SearchStrategy[Any]:
    if option.choices:
        return st.sampled_from(option.choices).map({"int": int, "float": float}.get(option.type, str))
    texts = WORDS.filter(lambda text: text not in {"", "None"} and not text.lstrip().startswith("{"))
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "int": st.integers(-1, 1 << 62),
        "float": st.floats(allow_nan=False),
        "bool": st.booleans(),
        "json": OBJECTS if option.json else JSON,
        "pairs": st.dictionaries(st.sampled_from(["image", "video"]), st.integers(0, 9), min_size=1),
    }
    return kinds.get(option.type, texts | OBJECTS if option.json else texts)


@st.composite
def setting(draw: st.DrawFn, options: list[Option]) -> Setting:
    option = draw(st.sampled_from(options))
    if option.negatable or option.flag_only:
        return Setting(option.flag, draw(st.booleans()) if option.negatable else True)
    if option.append or option.nargs not in {None, "?"}:
        size = int(str(option.nargs)) if str(option.nargs).isdecimal() else None
        item = one_value(option)
        return Setting(option.flag, draw(st.lists(item, min_size=size or 1, max_size=size or 4)))
    if option.optional and draw(st.booleans()):
        return Setting(option.flag, None)
    return Setting(option.flag, True if option.nargs == "?" and draw(st.booleans()) else draw(one_value(option)))


@lru_cache
def spelling_only(release: str) -> EngineVersion:
    """A release that takes any keys and numbers: what is shown here is that values survive."""
    engine = engines.find(release)
    return replace(engine, options={flag: replace(option, keys={}) for flag, option in engine.options.items()})


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Deployment, EngineVersion]:
    engine = spelling_only(draw(st.sampled_from(RELEASES)))
    options = [option for flag, option in engine.options.items() if flag not in LEFT_OUT]
    chosen = draw(st.lists(setting(options), max_size=5, unique_by=lambda item: item.flag))
    model = draw(WORDS.filter(lambda text: bool(text) and not text.startswith("-")))
    return Deployment(model, tuple(chosen), {}, engine.release), engine


@given(deployments(), ENVIRONMENTS, st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_command(case: tuple[Deployment, EngineVersion], environment: dict[str, str], pretty: bool) -> None:  # noqa: FBT001
    deployment, engine = replace(case[0], environment=environment), case[1]
    try:
        text = write_command.write(deployment, engine, pretty=pretty)
    except WriteError:
        assert any(cannot_be_listed(setting.value) or has_infinity(setting.value) for setting in deployment.settings)
        return
    assert read(text, engine, kind="shell").deployment == deployment


@given(deployments(), st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_yaml(case: tuple[Deployment, EngineVersion], mappings: bool) -> None:  # noqa: FBT001
    deployment, engine = case[0], replace(case[1], behaviour={"parser.config_mappings": mappings})
    try:
        text = write_yaml.write(deployment, engine)
    except WriteError as error:
        refusals = ("starts with a dash", "only once")
        assert any(words in str(error) for words in refusals) or any(  # noqa: PT017
            has_infinity(item.value) for item in deployment.settings
        )
        return
    assert read(text, engine, kind="vllm-config").deployment == deployment


def cannot_be_listed(value: object) -> bool:
    return isinstance(value, list) and len(value) > 1 and any(looks_like_flag(str(item)) for item in value)


def has_infinity(value: object) -> bool:
    return "inf" in str(value)


@pytest.mark.parametrize("release", RELEASES)
def test_every_default_of_the_table_can_be_written(release: str) -> None:
    engine = engines.find(release)
    for option in engine.options.values():
        value = option.default
        if option.flag in LEFT_OUT or value in (None, "", [], {}) or (option.flag_only and value is False):
            continue
        deployment = Deployment("m", (Setting(option.flag, value),), {}, engine.release)  # type: ignore[arg-type]
        try:
            text = write_command.write(deployment, engine)
        except WriteError:
            # Some defaults are of a type that the parser gives no option (a level that is a text when it is written).
            assert option.type == "str" or not isinstance(value, (int, float)), option
            continue
        assert read(text, engine, kind="shell").deployment == deployment
