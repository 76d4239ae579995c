"""Argument lists for ``vllm serve`` in every form that people write them in, right and wrong.

Made from a release's option table with a seed: the same table and seed give the same lists. Whether a list is right is
not decided here; that is what the engine is asked for.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llmtune.spec.engine import EngineVersion, Option

MODEL = "org/model"
WHOLE = ("1", "8", "64", "256", "8192", "-1", "0", "1_000", " 7", "+3", "007")
NO_WHOLE = ("abc", "1e4", "256.0", "None", "", "auto", "8GB", "0x10", "1,024", "32k", "32K", "1.5K", "2.5m", "inf", "-")
NUMBERS = ("0.9", "1", ".5", "1e-3", "-0.5", "2", "nan", "inf")
NO_NUMBERS = ("abc", "0,9", "90%", "0.9x", "None", "", "true", "1K", "0.9.1")
TEXTS = ("value", "a/b", "None", "", "a b", "x=y", "-1", "auto", "TRUE", "a,b")
TRUTHS = ("true", "false", "True", "False", "1", "0", "yes", "no", "on", "off", "")
OBJECTS = (
    "{}", '{"a": 1}', '{"a": {"b": [1, 2]}}', "{a: 1}", "{'a': 1}", '{"a": 1', '{"a": 1,}', "image=2", "3", "[]",
    "null", "None", "", '"text"', "text", '{"a": 2k}', '{"a": true}', '{"a": True}', "{", '  {"a": 1} ', "NaN",
)  # fmt: skip
LISTS = ('["*"]', "[]", "*", '["a", "b"]', "['a']", "None", "{}", "1", "a,b", "")
# Legal and illegal keys of JSON options: (option, key, value as written).
KEYS = (
    ("compilation-config", "mode", "3"), ("compilation-config", "mode", '"NONE"'), ("compilation-config", "level", "3"),
    ("compilation-config", "cudagraph_mode", '"FULL"'), ("compilation-config", "cudagraph_mode", '"full"'),
    ("compilation-config", "cudagraph_mode", '"fulll"'), ("compilation-config", "cudagraph_capture_sizes", "[1, 2]"),
    ("compilation-config", "cudagraph_capture_sizes", '[1, "b"]'), ("compilation-config", "use_inductor", "true"),
    ("compilation-config", "max_cudagraph_capture_size", "512"), ("compilation-config", "custom_ops", '["+rms_norm"]'),
    ("compilation-config", "custom_ops", '"none"'), ("compilation-config", "pass_config", '{"fuse_norm_quant": true}'),
    ("compilation-config", "pass_config", '{"enable_fusion": true}'), ("compilation-config", "backend", '"eager"'),
    ("compilation-config", "cudagraph_num_of_warmups", '"many"'), ("compilation-config", "cuda_graph_mode", '"FULL"'),
    ("speculative-config", "method", '"ngram"'), ("speculative-config", "num_speculative_tokens", "3"),
    ("speculative-config", "no_such_key", "3"), ("kv-transfer-config", "kv_connector", '"NixlConnector"'),
    ("kv-transfer-config", "kv_role", '"kv_both"'), ("kv-transfer-config", "kv_role", '"both"'),
    ("kv-transfer-config", "kv_connecter", '"NixlConnector"'), ("kv-transfer-config", "kv_buffer_size", "1e9"),
    ("kv-transfer-config", "kv_buffer_size", "5G"), ("kv-transfer-config", "kv_port", '"14579"'),
    ("kv-transfer-config", "kv_connector_extra_config", '{"a": 1}'), ("kv-events-config", "publisher", '"zmq"'),
    ("kv-events-config", "enable_kv_cache_events", "true"), ("kv-events-config", "enable_kv_cache_events", '"maybe"'),
    ("kv-events-config", "topics", '"a"'), ("eplb-config", "window_size", "1000"), ("eplb-config", "window", "1000"),
    ("eplb-config", "num_redundant_experts", "2.5"), ("eplb-config", "num_redundant_experts", '"2"'),
    ("eplb-config", "log_balancedness", "1"), ("pooler-config", "pooling_type", '"CLS"'),
    ("pooler-config", "pooling_type", '"cls"'), ("pooler-config", "normalize", "true"),
    ("pooler-config", "use_activation", "false"), ("pooler-config", "step_tag_id", "1"),
    ("structured-outputs-config", "backend", '"xgrammar"'), ("structured-outputs-config", "backend", '"outlines2"'),
    ("structured-outputs-config", "disable_any_whitespace", "true"), ("structured-outputs-config", "guided", "true"),
    ("structured-outputs-config", "reasoning_parser", '"qwen3"'), ("attention-config", "backend", '"FLASH_ATTN"'),
    ("attention-config", "backend", '"flash_attn"'), ("attention-config", "backend", '"NOPE"'),
    ("attention-config", "flash_attn_version", "3"), ("attention-config", "flash_attn_version", "7"),
    ("kernel-config", "enable_flashinfer_autotune", "false"), ("kernel-config", "moe_backend", '"triton"'),
    ("profiler-config", "profiler", '"torch"'), ("profiler-config", "torch_profiler_dir", '"/tmp/x"'),
    ("hf-overrides", "rope_scaling", '{"factor": 2.0}'), ("limit-mm-per-prompt", "image", "2"),
    ("limit-mm-per-prompt", "image", '"two"'), ("override-generation-config", "temperature", "0.6"),
    ("mm-processor-kwargs", "max_pixels", "1003520"), ("additional-config", "a", "1"), ("port", "x", "1"),
    ("model-loader-extra-config", "concurrency", "16"), ("dtype", "a", "1"), ("lora-modules", "name", "a"),
)  # fmt: skip
OTHER_RELEASES = (
    "--num-scheduler-steps 8", "--use-v2-block-manager", "--device cuda", "--task embed", "--swap-space 4",
    "--disable-log-requests", "--guided-decoding-backend xgrammar", "--max-seq-len-to-capture 8192", "--rope-theta 1e6",
    "--rope-scaling {}", "--enable-reasoning", "--speculative-model a/b", "--num-speculative-tokens 3",
    "--cuda-graph-sizes 8", "--worker-use-ray", "--engine-use-ray", "--enable-lora-bias", "--calculate-kv-scales",
    "--override-pooler-config {}", "--num-redundant-experts 2", "--disable-mm-preprocessor-cache",
    "--max-num-partial-prefills 2", "--preemption-mode recompute", "--disable-frontend-multiprocessing",
    "--logits-processor-pattern .*", "--override-attention-dtype half", "--tokenizer-pool-size 2",
)  # fmt: skip
# Values for a key of a JSON option, as written in JSON.
JSON_VALUES = (
    "1", "0", "-1", "2.5", "3.0", '"3"', '"text"', "true", "false", '"true"', '"off"', "null", "[]", "[1, 2]", '["a"]',
    '[1, "a"]', "{}", '{"a": 1}', "100000", "1e3", '""', '"auto"',
)  # fmt: skip
WHOLE_LISTS: tuple[list[str], ...] = (
    [], ["--model", MODEL], [f"--model={MODEL}"], [MODEL, "other/model"], [MODEL, "--model", "other/model"],
    ["--served-model-name", "a", MODEL], [MODEL, "--served-model-name", "a", "b"], ["--port", "8000", MODEL],
    ["--enable-prefix-caching", MODEL], ["--served-model-name", "a", "--port", "1", MODEL], ["--model"],
    ["--port", "8000", "--model", MODEL, "--seed", "1"], [MODEL, "--config"], [MODEL, "--config", "none.yaml"],
    [MODEL, "--config", "none.txt"], [MODEL, "--config=none.yaml"], ["--served-model-name=a", "--model", MODEL],
    ["--config=none.yaml", "--served-model-name", "a", MODEL], [MODEL, "-O"], [MODEL, "-O", "3"], [MODEL, "-O3"],
    [MODEL, "-O=2"], [MODEL, "-O", "4"], [MODEL, "-O4"], [MODEL, "-Odecode"], [MODEL, "-O.mode=3"],
    [MODEL, "-tp", "2"], [MODEL, "-tp=2"], [MODEL, "-tp2"], [MODEL, "--tp", "2"], [MODEL, "-t", "2"],
    [MODEL, "-pp", "2", "-dp", "2"], [MODEL, "-dpl", "2"], [MODEL, "-dc", "{}"], [MODEL, "-d", "2"],
    [MODEL, "-q", "awq"],
    [MODEL, "-qawq"], [MODEL, "-q=awq"], [MODEL, "-n", "2"], [MODEL, "-n2"], [MODEL, "-r", "0"], [MODEL, "-r0"],
    [MODEL, "-ep"], [MODEL, "-ep=true"], [MODEL, "-ep", "true"], [MODEL, "-cc", "{}"], [MODEL, "-cc.mode=3"],
    [MODEL, "-cc.mode", "3"], [MODEL, "-cc={}"], [MODEL, "-sc", '{"method": "ngram"}'], [MODEL, "-asc", "2"],
    [MODEL, "-ac.backend=FLASH_ATTN"], [MODEL, "-h"], [MODEL, "--help"], [MODEL, "-v"], [MODEL, "--version"],
    [MODEL, "\u2013tp", "2"], [MODEL, "\u2014port", "1"], [MODEL, "--port 8000"], [MODEL, "--port\u00a08000"],
    [MODEL, "--dtype auto --port 1"], [MODEL, "-port", "8000"], [MODEL, "-max-model-len", "1"], [MODEL, ""],
    [MODEL, "--seed", "-1"], [MODEL, "--seed=-1"], [MODEL, "--gpu-memory-utilization", "-0.5"], [MODEL, "-1"],
    [MODEL, "--gpu-memory-utilization=-0.5"], [MODEL, "-0.5"], [MODEL, "--lora-modules", "a=b", "c=d"],
    [MODEL, "--lora-modules", '{"name": "a", "path": "b"}'], [MODEL, "--lora-modules", "a"], ["-tp", "2", MODEL],
    [MODEL, "--lora-modules", '{"name": "a"}'], [MODEL, "--lora-modules=a=b"], [MODEL, "--middleware", "a"],
    [MODEL, "--middleware", "a", "--middleware", "b"], [MODEL, "--device-ids", "0,1"], [MODEL, "--device-ids", "0"],
    [MODEL, "--moe-backend", "Triton"], [MODEL, "--moe-backend", "no-such"], [MODEL, "--linear-backend", "AUTO"],
    [MODEL, "--reasoning-parser", "none"], [MODEL, "--reasoning-parser", "bogus"], ["--hf-token", MODEL],
    [MODEL, "--hf-token"], [MODEL, "--hf-token", "abc"], [MODEL, "--api-key", "a", "b"], [MODEL, "--api-key"],
    [MODEL, "--cudagraph-capture-sizes", "1", "2"], [MODEL, "--cudagraph-capture-sizes", "1,2"],
    [MODEL, "--cudagraph-capture-sizes", "[1,2]"], [MODEL, "--cudagraph-capture-sizes"],
)  # fmt: skip


def make(engine: EngineVersion, count: int, seed: int) -> list[list[str]]:
    """At least ``count`` different lists: all fixed ones, some of every option, then several options at once."""
    choice = random.Random(seed)  # noqa: S311 - a sample, no secret
    lists = [list(words) for words in WHOLE_LISTS]
    lists += [[MODEL, *text.split()] for text in OTHER_RELEASES]
    lists += [words for key in KEYS for words in _keyed(*key)]
    parts = [part for option in engine.options.values() for part in _option(option, choice)]
    lists += [[MODEL, *part] for part in parts]
    while len(lists) < count + 200:
        chosen = [choice.choice(parts) for _ in range(choice.randint(2, 5))]
        lists.append([MODEL, *(word for part in chosen for word in part)])
    return [json.loads(text) for text in dict.fromkeys(json.dumps(words) for words in lists)]


def _keyed(flag: str, key: str, value: str) -> list[list[str]]:
    plain = json.loads(value) if value[0] == '"' else value
    return [
        [MODEL, f"--{flag}", f'{{"{key}": {value}}}'],
        [MODEL, f"--{flag}.{key}", plain],
        [MODEL, f"--{flag.replace('-', '_')}.{key}={plain}"],
    ]


def _option(option: Option, choice: random.Random) -> list[list[str]]:
    """A few ways of writing one option."""
    flag = f"--{option.flag}"
    if option.negatable or option.flag_only:
        return _switch(option, choice)
    right, wrong = _values(option)
    value, other = choice.choice(right), choice.choice(wrong)
    made = [[flag, value], [flag, other], [f"{flag}={choice.choice(right)}"], [f"{flag}={choice.choice(wrong)}"]]
    made.append([flag.replace("-", "_").replace("__", "--", 1), choice.choice(right)])
    made += [
        [_misspelt(flag, choice), value],
        [_shortened(flag, choice), value],
        [f"{_shortened(flag, choice)}={value}"],
    ]
    made += [[flag, text] for text in _objects(option, choice)]
    if choice.random() < 0.3:  # noqa: PLR2004
        made += choice.sample([[flag], [flag, "--seed", "1"], [flag, value, "extra"], [f"no-{flag}", value]], 2)
    if choice.random() < 0.3:  # noqa: PLR2004
        made += choice.sample([[flag, value, flag, other], [f"--no-{option.flag}"], [f"{flag} {value}"]], 1)
    return choice.sample(made, min(len(made), 8 if not option.json else 24))


def _objects(option: Option, choice: random.Random) -> list[str]:
    """JSON objects with one key of an option that has its own, and a value that may be of the wrong kind."""
    keys = [key for key in option.keys if key and "." not in key]
    chosen = choice.sample(keys, min(len(keys), 10))
    made = [f'{{"{key}": {choice.choice(JSON_VALUES)}}}' for key in chosen]
    for key in chosen:
        names = [kind[1:] for kind in option.keys[key] if kind[0] in "=~%" and not kind.startswith(("=#", "~#"))]
        if names:
            made.append(json.dumps({key: choice.choice([*names, names[0].upper(), names[0].replace("_", "-")])}))
    return [*made, *(f'{{"{_slip(key, choice)}": 1}}' for key in chosen[:3])]


def _slip(key: str, choice: random.Random) -> str:
    at = choice.randrange(len(key))
    return key[:at] + key[at + 1 :]


def _switch(option: Option, choice: random.Random) -> list[list[str]]:
    flag, truth = f"--{option.flag}", choice.choice(TRUTHS)
    other = f"--{option.inverse}" if option.inverse else f"--disable-{option.flag}"
    made = [
        [flag],
        [f"--no-{option.flag}"],
        [flag, truth],
        [f"{flag}={truth}"],
        [flag.replace("-", "_").replace("__", "--", 1)],
        [other],
        [f"--no-{other[2:]}"],
        [f"--no-{option.flag}={truth}"],
        [_misspelt(flag, choice)],
        [_shortened(flag, choice)],
        [f"--no-{_shortened(flag, choice)[2:]}"],
        [flag, f"--no-{option.flag}"],
        [f"--not-{option.flag}"],
    ]
    return choice.sample(made, 8)


def _values(option: Option) -> tuple[Sequence[str], Sequence[str]]:
    """Values that look right for an option and values that do not."""
    if option.choices:
        names = option.choices
        return names, (names[0].upper(), f"{names[-1]}x", "bogus", "fp16", "None", "7", "")
    kinds: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "int": (WHOLE, NO_WHOLE),
        "float": (NUMBERS, NO_NUMBERS),
        "json": (OBJECTS, OBJECTS) if option.json else (LISTS, LISTS),
        "str": (TEXTS, OBJECTS if option.json else TEXTS),
    }
    return kinds[option.type]


def _misspelt(flag: str, choice: random.Random) -> str:
    """One slip of the keyboard."""
    at = choice.randint(3, len(flag) - 1)
    slips: tuple[Callable[[], str], ...] = (
        lambda: flag[:at] + flag[at + 1 :],
        lambda: flag[:at] + flag[at] + flag[at:],
        lambda: flag[: at - 1] + flag[at] + flag[at - 1] + flag[at + 1 :],
        lambda: flag + choice.choice("sx1"),
        flag.upper,
        lambda: flag.replace("-", "", 1),
        lambda: "--vllm-" + flag[2:],
        lambda: flag.replace("-", ".").replace("..", "--", 1),
    )
    return choice.choice(slips)()


def _shortened(flag: str, choice: random.Random) -> str:
    return flag[: choice.randint(3, max(3, len(flag) - 1))]
