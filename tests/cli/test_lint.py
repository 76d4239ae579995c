"""The command: files, options, exit codes, suppression, baseline, project settings, fixing."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.cli import main
from llmtune.cli.lint_files import targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BAD = "vllm serve Qwen/Qwen3-8B --config=vllm.yaml --host 127.0.0.1 --max-model-len 8192\n"
GOOD = "vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --max-model-len 8192\n"
RULE = "config-equals-ignored"

Answer = tuple[int, str, str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Answer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / ".git").mkdir()

    def call(*words: str, only: str | None = RULE) -> Answer:
        chosen = ["--select", only] if only else []
        monkeypatch.setattr(sys, "argv", ["llmtune", "lint", *words, *chosen])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def findings(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["findings"]
    return found


def test_exit_codes(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text(BAD)
    (tmp_path / "good.sh").write_text(GOOD)
    assert run("good.sh")[0] == 0
    assert run("bad.sh")[0] == 1
    assert run("bad.sh", "--exit-zero")[0] == 0
    assert run(".")[0] == 1
    for format_ in ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "markdown"):
        assert run("bad.sh", "--format", format_)[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.yaml"], "'nowhere.yaml' does not exist"),
        (["*.nothing"], "no file matches '*.nothing'"),
        (["good.sh", "--format", "xml"], "--format must be one of"),
        (["good.sh", "--fail-on", "fatal"], "--fail-on must be one of"),
        (["good.sh", "--ignore", "enforce-eagr-x"], "there is no rule 'enforce-eagr-x'"),
        (["good.sh", "--unsafe"], "--unsafe goes with --fix or --diff"),
        (["good.sh", "--fix", "--diff"], "give one of them"),
        (["good.sh", "--vllm-version", "9.9"], "unknown vLLM version"),
        (["good.sh", "--gpu", "h10"], "unknown GPU 'h10'"),
        (["good.sh", "--gpus", "2"], "--gpus needs --gpu"),
        (["good.sh", "--kind", "terraform"], "--kind must be one of"),
        (["good.sh", "--baseline", "none.json"], "cannot read none.json"),
        (["other.yaml"], "nothing was checked"),
        (["-", "--fix"], "cannot be fixed"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    run: Callable[..., Answer], tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "good.sh").write_text(GOOD)
    (tmp_path / "other.yaml").write_text("a: 1\n")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_nothing_to_check_is_not_fine_unless_said(run: Callable[..., Answer]) -> None:
    assert run(".")[0] == 2
    assert run(".", "--allow-empty")[0] == 0


def test_a_broken_file_stops_nothing(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("command: vllm serve".encode("utf-16"))
    (tmp_path / "b.sh").write_text(BAD)
    (tmp_path / "c.yaml").write_text("services: {vllm: [}\n")
    (tmp_path / "d.yaml").mkdir()
    os.mkfifo(tmp_path / "e.yaml")
    (tmp_path / "f.yaml").symlink_to("f.yaml")
    code, out, _ = run(".", "--format", "json", "--exit-zero", only=None)
    assert code == 2
    rules = {(item["path"], item["rule"]) for item in findings(out)}
    assert {("a.yaml", "unreadable-file"), ("b.sh", RULE)} <= rules
    assert {path for path, _ in rules} >= {"a.yaml", "b.sh", "c.yaml", "e.yaml", "f.yaml"}


def test_stdin(run: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    code, out, _ = run("-", "--format", "concise")
    assert code == 1
    assert out.startswith(f"<stdin>:1:26: error[{RULE}]")


def test_walk_respects_gitignore_and_exclude(run: Callable[..., Answer], tmp_path: Path) -> None:
    for name in ("a.sh", "b/c.sh", "b/ignored.sh", "node_modules/d.sh", ".hidden/e.sh", "script", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/bash\n{BAD}")
    (tmp_path / ".gitignore").write_text("ignored.sh\n")
    assert [target.path for target in targets(["."], [])] == ["a.sh", "script", "b/c.sh"]
    assert [target.path for target in targets(["b"], [])] == ["b/c.sh"]
    assert [target.path for target in targets(["."], ["b/"])] == ["a.sh", "script"]
    assert [target.path for target in targets(["b/ignored.sh", "b/*.sh"], [])] == ["b/ignored.sh", "b/c.sh"]
    assert run(".")[0] == 1


def test_suppression(run: Callable[..., Answer], tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_text(f"# llmtune: ignore[{RULE}] known\n{BAD}")
    assert run("a.sh")[0] == 0
    path.write_text(f"{BAD.rstrip()}  # llmtune: ignore[{RULE}]\n")
    assert run("a.sh")[0] == 0
    path.write_text(f"# llmtune: ignore-file[{RULE}]\n\n\n{BAD}{BAD}")
    assert run("a.sh")[0] == 0
    continued = BAD.replace(" --host", " \\\n  --host").replace(" --config", " \\\n  --config")
    path.write_text(f"# llmtune: ignore[{RULE}]\n{continued}")
    assert run("a.sh")[0] == 0
    path.write_text(f"{BAD}# llmtune: ignore[{RULE}]\n")
    assert run("a.sh")[0] == 1


def test_a_suppression_without_use_is_reported(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text(f"# llmtune: ignore[{RULE}, enforce-eagr]\n{GOOD}")
    code, out, _ = run("a.sh", "--format", "json", "--select", "unused-suppression")
    assert code == 1
    found = [(item["rule"], item["line"], item["column"], item["end_column"]) for item in findings(out)]
    assert found == [("unused-suppression", 1, 19, 40), ("unused-suppression", 1, 42, 54)]


def test_baseline(run: Callable[..., Answer], tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_text(BAD)
    assert run("a.sh", "--write-baseline", "base.json")[0] == 0
    assert "hunter" not in (tmp_path / "base.json").read_text()
    assert run("a.sh", "--baseline", "base.json")[0] == 0
    path.write_text(f"# moved\n\n{BAD}")
    assert run("a.sh", "--baseline", "base.json")[0] == 0
    path.write_text(BAD + BAD)
    assert run("a.sh", "--baseline", "base.json")[0] == 1
    (tmp_path / "base.json").write_text("[]")
    assert run("a.sh", "--baseline", "base.json")[0] == 2


def test_project_settings(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.sh").write_text(BAD)
    settings = tmp_path / "llmtune.toml"
    settings.write_text(f'[lint]\nignore = ["{RULE}"]\n')
    assert run("b", only=None)[1].count(RULE) == 0
    settings.write_text(f'[lint.per-file-ignores]\n"b/*.sh" = ["{RULE}"]\n')
    assert run("b")[0] == 0
    settings.write_text('[lint]\nexclude = ["b/"]\n')
    assert run(".")[0] == 2
    settings.write_text('[lint]\nfail-on = "error"\nvllm-version = "0.11.0"\n')
    document = json.loads(run("b", "--format", "json")[1])
    assert document["checked"][0]["servers"][0]["engine_version"] == "0.11.0"
    assert document["checked"][0]["servers"][0]["engine_version_from"] == "option"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lint]\nselekt = []\n", "has no key 'selekt'"),
        ("[lint]\nselect = 'a'\n", "'select' is a list of texts"),
        ("[linting]\n", "only a table [lint]"),
        ("[lint]\ngpus = '2'\n", "gpus is a number"),
        ("[lint\n", "llmtune.toml"),
        ("[lint]\nignore = ['no-such-rule']\n", "there is no rule 'no-such-rule'"),
    ],
)
def test_wrong_project_settings(run: Callable[..., Answer], tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.sh").write_text(GOOD)
    (tmp_path / "llmtune.toml").write_text(text)
    code, _, err = run("a.sh")
    assert code == 2
    assert said in err


def test_fix_and_diff(run: Callable[..., Answer], tmp_path: Path) -> None:
    path = tmp_path / "a.sh"
    path.write_bytes(b"\xef\xbb\xbf" + f"#!/bin/sh\r\n# why\r\n{BAD.rstrip()} # end\r\n".encode())
    before = path.read_bytes()
    code, out, _ = run("a.sh", "--diff")
    assert code == 1
    assert "+vllm serve Qwen/Qwen3-8B --config vllm.yaml" in out
    assert path.read_bytes() == before
    code, _, err = run("a.sh", "--fix")
    assert code == 0
    assert "fixed 1 in 1 file(s)" in err
    after = path.read_bytes()
    assert after == before.replace(b"--config=vllm", b"--config vllm")
    assert run("a.sh", "--fix")[0] == 0
    assert path.read_bytes() == after
    assert run("a.sh", "--diff")[:2] == (0, "")


def test_quiet_statistics_and_files(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text(BAD + BAD)
    (tmp_path / "b.yaml").write_text("x: 1\n")
    out = run("a.sh", "--statistics")[1]
    assert out.splitlines()[0] == f"2  error    {RULE}  (2 with --fix)"
    out = run(".", "--show-files")[1]
    assert out.startswith("a.sh: shell\n")
    assert "b.yaml: skipped, it starts no vLLM server" in out
    (tmp_path / "a.sh").write_text(GOOD)
    assert run("a.sh", "--quiet")[:2] == (0, "")
    run("a.sh", "--format", "json", "--output", "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["servers"] == 1


def test_no_secret_leaves_in_any_format(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text(
        f"export HF_TOKEN=tok3nvalue\n{BAD.rstrip()} --api-key hunter22 --enforce-eagr hunter22\n"
    )
    for format_ in ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "markdown"):
        _, out, err = run("a.sh", "--format", format_, only=None)
        assert "hunter22" not in out + err
        assert "tok3nvalue" not in out + err
    assert "hunter22" not in run("a.sh", "--diff", only=None)[1]


def test_many_files_go_side_by_side(run: Callable[..., Answer], tmp_path: Path) -> None:
    for number in range(260):
        (tmp_path / f"{number:03}.sh").write_text(BAD if number % 2 else GOOD)
    _, out, _ = run(".", "--format", "json")
    document = json.loads(out)
    assert len(document["checked"]) == 260
    assert [item["path"] for item in document["findings"]] == [f"{number:03}.sh" for number in range(1, 260, 2)]


def test_no_file_elsewhere_on_this_machine_is_opened(run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "secret.yaml").write_text("not-a-flag-but-a-secret: 1\n")
    os.mkfifo(tmp_path / "repository" / "pipe.yaml")
    for path in (tmp_path / "secret.yaml", "../secret.yaml", "pipe.yaml", "~/x.yaml", "/dev/zero.yaml"):
        (tmp_path / "repository" / "a.sh").write_text(f"vllm serve m --host 127.0.0.1 --config {path}\n")
        code, out, err = run("repository/a.sh", "--fail-on", "error", only=None)
        assert code == 0
        assert "not-a-flag" not in out + err


def test_estimate_takes_the_release_of_the_image(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = "image: vllm/vllm-openai:v0.19.0, command: --model Qwen/Qwen3-8B --max-model-len 8192"
    (tmp_path / "compose.yaml").write_text(f"services:\n  vllm: {{{words}}}\n")

    def release(*words: str) -> tuple[str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["llmtune", "estimate", "--gpu", "l4", "--format", "json", *words])
        with pytest.raises(SystemExit):
            main()
        document = json.loads(capsys.readouterr().out)
        return document["engine_version"], document["assumptions"]

    found, said = release(str(tmp_path / "compose.yaml"))
    assert found == "0.19.0"
    assert "vLLM 0.19.0 is what the image says" in said
    assert release("--vllm-version", "0.33.0", str(tmp_path / "compose.yaml"))[0] == "0.33.0"
    image = "vllm/vllm-openai:v0.19.0"
    assert release("--", "docker", "run", image, "--model", "Qwen/Qwen3-8B", "--max-model-len", "8192")[0] == "0.19.0"
