"""Generated files: the JSON Schema of target documents, the tables of the pages and the example arrivals.

``make generate`` writes them, ``tests/docs`` compares them: what the docs say is what the code has. A page has
a place for each of its parts, between ``<!-- name: generated -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.local.generate_commands import command_parts
from infra.local.generate_deploying import deploying_parts
from infra.local.generate_economics import economics_parts
from infra.local.generate_library import figures_table, names_table
from infra.local.generate_monitoring import monitoring_parts
from infra.local.generate_scale import scale_parts
from infra.local.generate_security import security_parts
from infra.local.generate_service import decisions_parts, effectiveness_parts, metrics_parts, settings_parts
from infra.local.generate_targets import target_parts
from infra.local.generated_tables import filled
from infra.local.lambda_emulator import ROOT
from infra.local.office_hours import csv_text
from prompt_cache_warmer.values.document import json_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES = ROOT / "infra/docs"
SCHEMA = ROOT / "infra/targets.schema.json"
ARRIVALS = ROOT / "infra/examples/arrivals/office-hours.csv"

# What each page's generated parts are, by the name of its file.
PARTS: dict[str, Callable[[], dict[str, str]]] = {
    "targets.md": target_parts,
    "economics.md": economics_parts,
    "decisions.md": decisions_parts,
    "effectiveness.md": effectiveness_parts,
    "metrics.md": metrics_parts,
    "monitoring.md": monitoring_parts,
    "settings.md": settings_parts,
    "security.md": security_parts,
    "scale.md": scale_parts,
    "commands.md": command_parts,
    "deploying.md": deploying_parts,
    "library.md": lambda: {"names": names_table()},
    "from-other-packages.md": lambda: {"figures": figures_table()},
}


def generated() -> dict[Path, str]:
    """Return what each generated file should hold."""
    return {
        SCHEMA: json.dumps(json_schema(), indent=2) + "\n",
        **{
            PAGES / page: filled((PAGES / page).read_text(encoding="utf-8"), parts(), page=page)
            for page, parts in PARTS.items()
        },
        ARRIVALS: csv_text(),
    }


def main() -> None:
    """Write the generated files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
