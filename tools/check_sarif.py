"""Hold a SARIF report against OASIS's schema, which is not part of this repository.

    llmtune lint --format sarif -o report.sarif FILES...
    python tools/check_sarif.py report.sarif sarif-schema-2.1.0.json

The schema: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema


def main() -> int:
    """Print every violation; 1 when there is one."""
    report, schema = (json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:3])
    validator = jsonschema.validators.validator_for(schema)(schema)
    errors = sorted(validator.iter_errors(report), key=lambda error: list(map(str, error.absolute_path)))
    for error in errors:
        print(f"{'/'.join(map(str, error.absolute_path))}: {error.message}")
    print(f"{len(errors)} violations of the schema in {sys.argv[1]}")
    return int(bool(errors))


if __name__ == "__main__":
    sys.exit(main())
