r"""Two options are set that exclude each other, or one without the other that it needs.

vLLM has short options for single keys of its JSON options (`--attention-backend`, `--cudagraph-capture-sizes`,
`--spec-model`) and refuses to start when both are set. So are two ways of balancing data parallel ranks, API servers in
a headless node, and logged outputs without logged requests (vLLM 0.33.0, engine/arg_utils.py, create_engine_config and
create_speculative_config; entrypoints/cli/serve.py; entrypoints/common/cli_args.py, validate_parsed_serve_args).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --attention-backend FLASHINFER --attention-config.backend FLASH_ATTN \
      --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --attention-backend FLASHINFER --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without, without_words
from llmtune.calc.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
SINCE = "0.12.0"

KEYS = (
    ("attention-backend", "attention-config", "backend"),
    ("cudagraph-capture-sizes", "compilation-config", "cudagraph_capture_sizes"),
    ("max-cudagraph-capture-size", "compilation-config", "max_cudagraph_capture_size"),
    ("enable-flashinfer-autotune", "kernel-config", "enable_flashinfer_autotune"),
    ("spec-method", "speculative-config", "method"),
    ("spec-model", "speculative-config", "model"),
    ("spec-tokens", "speculative-config", "num_speculative_tokens"),
)
# Ways of balancing load between data parallel ranks; of these flags only those of one way may be set.
BALANCING = (
    ("data-parallel-multi-port-external-lb",),
    ("data-parallel-external-lb", "data-parallel-rank"),
    ("data-parallel-hybrid-lb",),
)
NEEDED = (("enable-log-outputs", "enable-log-requests"),)


def check(case: Case) -> Iterator[Finding]:
    """Short options beside the JSON option with the same keys, ways of balancing load, and two single pairs."""
    for option in dict.fromkeys(option for _, option, _ in KEYS):
        yield from twice(case, option)
    yield from balancing(case)
    count = case.setting("api-server-count")
    if case.is_on("headless") and count is not None and (case.number("api-server-count") or 0) > 0:
        message = "--headless starts no API server, so --api-server-count above 0 is refused"
        yield case.finding(message, count, help="delete it", fix=without(count, safe=True))
    for flag, other in NEEDED:
        if case.is_on(flag) and case.unset(other):
            yield case.finding(f"--{flag} is refused without --{other}", case.setting(flag), help=f"add --{other}")


def twice(case: Case, option: str) -> Iterator[Finding]:
    """Short options whose keys a JSON option sets, too: one finding for all of them."""
    whole = case.deployment.value(option)
    if not isinstance(whole, dict):
        return
    keys = {flag: key for flag, named, key in KEYS if named == option and whole.get(key) is not None}
    settings = [setting for flag in keys if (setting := case.setting(flag)) is not None]
    if not settings:
        return
    flags = listed(f"--{setting.flag}" for setting in settings)
    one = f"{flags} and {keys[settings[0].flag]!r} of --{option} are both set, which vLLM refuses"
    yield case.finding(
        one if len(settings) == 1 else f"{flags} say again what --{option} says, which vLLM refuses",
        min(settings, key=lambda setting: (setting.span.line, setting.span.column) if setting.span else (0, 0)),
        help="keep one of them" if len(settings) == 1 else f"keep them or --{option}",
        fix=without_words([word for setting in settings for word in setting.words], f"remove {flags}"),
    )


def balancing(case: Case) -> Iterator[Finding]:
    """More than one way of balancing load between ranks."""
    chosen = [[case.setting(flag) for flag in flags if is_set(case, flag)] for flags in BALANCING]
    used = [settings[0] for settings in chosen if settings and settings[0] is not None]
    if len(used) > 1:
        listed = " and ".join(f"--{setting.flag}" for setting in used)
        message = f"{listed} are two ways of balancing load, of which vLLM takes one"
        yield case.finding(message, used[-1], help="keep one of them")


def is_set(case: Case, flag: str) -> bool:
    """Whether a flag is set to something other than false."""
    value = case.deployment.value(flag)
    return value is not None and value is not False
