"""Makes catalog/data/bench_options.json: from which to which release an option of vLLM's benchmark client exists.

    python tools/make_bench_options.py SOURCES

SOURCES holds one unpacked source distribution a release (``SOURCES/0.33.0/vllm/benchmarks/serve.py``). The files are
parsed, not run: every ``add_argument("--...")`` of ``vllm bench serve`` (with its data sets) and ``vllm bench sweep
serve`` counts. Releases before 0.8.0 have the client beside the package, in ``benchmarks/`` of the repository.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spans import lines, parts, releases, spans, write

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = {
    "bench serve": ("serve.py", "datasets.py", "datasets/*.py"),
    "bench sweep serve": ("sweep/serve.py",),
}
FIRST = "0.8.0"


def main() -> None:
    """Read every release and write the table."""
    sources = Path(sys.argv[1])
    known = [release for release in releases() if parts(release) >= parts(FIRST)]
    tables = {}
    for command, patterns in COMMANDS.items():
        present = {release: set(_options(sources / release / "vllm" / "benchmarks", patterns)) for release in known}
        tables[command] = spans(present)
        print(f"{command}: {len(tables[command])} options")
    inner = ",\n".join(f' "{command}": {lines(table, "  ")}' for command, table in tables.items())
    write("bench_options.json", f"{{\n{inner}\n}}")


def _options(folder: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
                    words = [str(word.value) for word in node.args if isinstance(word, ast.Constant)]
                    yield from (word.removeprefix("--") for word in words if word.startswith("--"))


if __name__ == "__main__":
    main()
