"""Generated files: the JSON Schema of target documents, the tables of the pages and the example arrivals.

``make generate`` writes them, ``tests/docs`` compares them: what the docs say is what the code has.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from infra.local.generate_library import figures_table, names_table
from infra.local.generated_tables import filled, table
from infra.local.lambda_emulator import ROOT
from infra.local.office_hours import csv_text
from prompt_cache_warmer.rules.diagnosis import Cause
from prompt_cache_warmer.rules.metrics import CATALOGUE, Metric, Scope
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.rules.verification import Finding
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.document import json_schema
from prompt_cache_warmer.values.problems import ProblemCode, Severity

if TYPE_CHECKING:
    from pathlib import Path

README = ROOT / "README.md"
LIBRARY = ROOT / "infra/docs/library.md"
SIBLINGS = ROOT / "infra/docs/from-other-packages.md"
SCHEMA = ROOT / "infra/targets.schema.json"
ARRIVALS = ROOT / "infra/examples/arrivals/office-hours.csv"


def generated() -> dict[Path, str]:
    """Return what each generated file should hold."""
    return {
        SCHEMA: json.dumps(json_schema(), indent=2) + "\n",
        README: filled(README.read_text(encoding="utf-8"), _readme_tables(), page=README.name),
        LIBRARY: filled(LIBRARY.read_text(encoding="utf-8"), {"names": names_table()}, page=LIBRARY.name),
        SIBLINGS: filled(SIBLINGS.read_text(encoding="utf-8"), {"figures": figures_table()}, page=SIBLINGS.name),
        ARRIVALS: csv_text(),
    }


def main() -> None:
    """Write the generated files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


def _readme_tables() -> dict[str, str]:
    return {
        "metrics": table(
            ("metric", "unit", "dimensions", "meaning"),
            (
                (
                    f"`{metric.name}`",
                    metric.unit.value,
                    _dimensions(metric),
                    metric.meaning,
                )
                for metric in CATALOGUE
            ),
        ),
        "causes": table(("cause", "what it means"), ((f"`{cause.value}`", cause.meaning) for cause in Cause)),
        "findings": table(
            ("reason", "what it means"), ((f"`{finding.value}`", finding.sentence) for finding in Finding)
        ),
        "verdicts": table(
            ("verdict", "what it means"), ((f"`{verdict.value}`", verdict.sentence) for verdict in Verdict)
        ),
        "reasons": table(
            ("reason", "", "in words"),
            ((f"`{reason.value}`", "called" if reason.is_due else "not called", reason.sentence) for reason in Reason),
        ),
        "settings": table(
            ("variable", "default", "what it is"),
            (
                (
                    f"`{field.alias}`",
                    "" if field.is_required() or field.default is None else f"`{field.default}`",
                    str(field.description),
                )
                for field in Settings.model_fields.values()
            ),
        ),
        "warnings": ", ".join(f"`{code.value}`" for code in ProblemCode if code.severity is Severity.WARNING) + "\n",
    }


_DIMENSIONS = {
    Scope.RUN: "service",
    Scope.ENTRY: "service; service, Target; service, Target, Model",
    Scope.TRAFFIC: "service; service, Target, Model",
}


def _dimensions(metric: Metric) -> str:
    """Say under which dimensions a metric is published."""
    if metric.name == "EntriesMissed":
        return "service; service, Cause"
    return _DIMENSIONS[metric.scope]


if __name__ == "__main__":
    main()
