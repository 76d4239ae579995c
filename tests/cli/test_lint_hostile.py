"""Files that want to break the linter: it answers in bounded time, crashes on none, runs nothing."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtune.cli import main
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers import ReadError, readers

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 2.0  # of this process for one file; the slowest takes one
COMMAND = "vllm serve Qwen/Qwen3-8B --port 8000"
BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
)
TEXTS = {
    "bomb.yaml": f"services:\n  vllm: {{image: vllm/vllm-openai}}\n{BOMB}",
    "deep.yaml": "services: " + "[" * 5000 + "]" * 5000 + " # vllm",
    "deep-block.yaml": "".join(f"{' ' * depth}a:\n" for depth in range(900)) + "# vllm serve",
    "deep.sh": "(" * 3000 + COMMAND + ")" * 3000,
    "deep-substitution.sh": f"vllm serve m --a {'$(' * 2000}x{')' * 2000}",
    "deep-expansion.sh": f"vllm serve m --a {'${a:-' * 2000}x{'}' * 2000}",
    "deep-quotes.sh": "bash -c '" * 500 + COMMAND,
    "self.sh": f'A="$A $A"\nB="$A$B"\nA="$B$B"\n{COMMAND} $A $B\n',
    "doubling.sh": "A0=xxxxxxxxxx\n" + "".join(f'A{n + 1}="$A{n}$A{n}"\n' for n in range(60)) + f"{COMMAND} $A60\n",
    "array.sh": "a=(x x)\n" + 'a=("${a[@]}" "${a[@]}")\n' * 60 + f'{COMMAND} "${{a[@]}}"\n',
    "long-line.sh": f"{COMMAND} --served-model-name {'a' * 900_000}",
    "many-words.sh": f"{COMMAND} --served-model-name {'a ' * 200_000}",
    "words.sh": f"{COMMAND} --served-model-name {'a ' * 60_000}",
    "grow.sh": "A=$A$A\n" * 18_000 + f"{COMMAND} $A\n",
    "grow-array.sh": "a=(x x)\n" + 'a=("${a[@]}" "${a[@]}")\n' * 4500 + COMMAND,
    "branches.sh": "".join(f"A{n}=1\n" for n in range(600)) + "if :;then B=1;fi\n" * 7500 + COMMAND,
    "exports.sh": "".join(f"export A{n}=1\n" for n in range(600)) + "vllm\n" * 24_000,
    "quotes.sh": "'\"" * 60_000 + COMMAND,
    "unknown-flags.sh": COMMAND + "".join(f" --max-model-lenx{n} {n}" for n in range(4000)),
    "comments.sh": "# llmtune: ignore[no-model]\n" * 4500 + COMMAND,
    "many-commands.sh": f"{COMMAND}\n" * 3000,
    "json.sh": f"{COMMAND} --speculative-config '{'[' * 50_000}'",
    "dotted.sh": f"{COMMAND} --speculative-config{'.a' * 20_000} 1",
    "digits.sh": f"{COMMAND} --max-model-len {'9' * 100_000}",
    "exponent.sh": f"{COMMAND} --gpu-memory-utilization 1e999 --max-model-len 9e99999k",
    "heredoc.sh": f"cat <<EOF\n{COMMAND}\n",
    "templates.yaml": "{{" * 50_000 + " vllm serve",
    "expansion.yaml": f"services:\n  vllm:\n    image: vllm/vllm-openai\n    command: {'${A:-' * 3000}\n",
    "ports.yaml": "services:\n  v:\n    image: vllm/vllm-openai\n    ports:\n" + "      - 1-65535:1-65535\n" * 9000,
    "variables.yaml": "services:\n  v:\n    image: vllm/vllm-openai\n    environment:\n"
    + "".join(f"      A{n}: b\n" for n in range(20_000)),
    "repeated.yaml": "services:\n  v:\n    image: vllm/vllm-openai\n" + "    k: 1\n" * 60_000,
    "words.yaml": "services:\n  v:\n    image: vllm/vllm-openai\n    command: " + "a " * 400_000,
    "flags.yaml": "services:\n  v:\n    image: vllm/vllm-openai\n    command: >\n" + "      --a b\n" * 30_000,
    "crlf.yaml": f"services:\r\n  v:\r\n    image: vllm/vllm-openai:v0.19.0\r\n    command: >\r\n      {COMMAND}\r\n",
    "tabs.yaml": "services:\n\tvllm: serve\n",
    "timestamp.yaml": "model: m\nmax-model-len: 2020-13-45\nport: 0x\nseed: 1e400\n",
    "dates.yaml": "max-model-len: 2020-13-45\n2020-13-45: vllm\n? [a, b]\n: c\n? {a: b}\n: d\n",
    "tag.yaml": "max-model-len: !!python/object/apply:os.system ['touch pwned']\nmodel: !x vllm\n",
    "Dockerfile": "FROM vllm/vllm-openai\nCMD [" + '"a",' * 50_000,
    "environment.Dockerfile": "FROM vllm/vllm-openai\n" + "ENV A=$A$A\n" * 20_000 + "CMD vllm serve m $A\n",
    "big.service": "[Service]\n" + "Environment=A=b\n" * 5000 + "ExecStart=" + COMMAND + " $A" * 5000,
    "a.service": "[Service]\nExecStart=" + "\\\n" * 50_000 + COMMAND,
    "substitution.sh": f"X=$(touch pwned); `touch pwned`; {COMMAND} $(touch pwned)",
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    read(TEXTS[name], name)
    assert time.process_time() - start < SECONDS
    assert not (tmp_path / "pwned").exists()


def test_hundred_megabytes_and_zero_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(100 << 20)
    (tmp_path / "nul.sh").write_bytes(b"vllm serve \0 m\n")
    (tmp_path / "empty.yaml").write_bytes(b"")
    (tmp_path / "good.sh").write_text(f"{COMMAND} --host 127.0.0.1 --max-model-len 8192\n")
    monkeypatch.setattr(sys, "argv", ["llmtune", "lint", str(tmp_path), "--format", "json"])
    start = time.process_time()
    with pytest.raises(SystemExit) as stop:
        main()
    assert time.process_time() - start < SECONDS
    assert stop.value.code == 2
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {(item["path"].rsplit("/", 1)[-1], item["rule"]) for item in document["findings"]} >= {
        ("big.yaml", "unreadable-file"),
        ("nul.sh", "unreadable-file"),
    }
    assert "good.sh" in {file["path"].rsplit("/", 1)[-1] for file in document["checked"]}


SHELL = r"""vllm serve m|--port|8000|--enforce-eager|=|'|"|$(|)|${|}|A=|$A|[|]|#|>|&|<<EOF|EOF|;|`"""
YAML = "{|:|-|services|image: vllm/vllm-openai|command:|args|kind: Pod|apiVersion: v1|spec:|containers:|- name: a|env:"
OTHERS = (
    "{{|}}|FROM vllm/vllm-openai|CMD |[Service]|ExecStart=|*a|&a|? |!!|%|é|model: m|max-model-len: 1|run: >|resources:"
    "|accelerators: H100:8|type: service|commands:|engine_kwargs:|llm_configs:|servingEngineSpec:|\ue000|\ue001"
)
WORDS = [*SHELL.split("|"), *YAML.split("|"), *OTHERS.split("|"), " ", "  ", "\n", "\n", "\t", "\r\n", "\\\n", "|"]
PIECES = st.lists(st.sampled_from(WORDS), max_size=40).map("".join)


def read(text: str, name: str, kind: str | None = None) -> None:
    """Lint a text; refusing it with a message is fine."""
    try:
        lint_text(text, name, LintOptions(kind=kind))
    except ReadError as error:
        if not error.message:
            raise


@pytest.mark.parametrize("kind", [None, *sorted(reader.KIND for reader in readers())])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=PIECES)
def test_pieces_in_any_order_break_no_reader(kind: str | None, text: str) -> None:
    read(text, "deploy.yaml", kind)
