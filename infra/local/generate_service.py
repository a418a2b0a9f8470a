"""Generated parts of the service's own pages: its reasons, verdicts, metrics and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.generated_tables import table
from prompt_cache_warmer.rules.diagnosis import Cause
from prompt_cache_warmer.rules.dimension_sets import dimension_sets
from prompt_cache_warmer.rules.metrics import CATALOGUE, Detail, custom_metric_count
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.rules.verification import Finding
from prompt_cache_warmer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

# What each detail publishes beside the run's own set.
_SETS: Mapping[Detail, str] = {
    "run": "none",
    "target": "one of `service, Target` for each target with a verdict or a lapse in the run",
    "entry": "one of `service, Target, Model` for each entry with one",
}
_MODELS_EACH = 2
_TARGETS = (1, 10, 50, 5_000)  # a first try, a team, the most that auto splits, and the most that were tested


def decisions_parts() -> dict[str, str]:
    """Return the generated parts of the page on decisions."""
    return {
        "reasons": table(
            ("reason", "", "in words"),
            ((f"`{reason.value}`", "called" if reason.is_due else "not called", reason.sentence) for reason in Reason),
        ),
        "verdicts": table(
            ("verdict", "what it means"), ((f"`{verdict.value}`", verdict.sentence) for verdict in Verdict)
        ),
    }


def effectiveness_parts() -> dict[str, str]:
    """Return the generated parts of the page on real traffic."""
    return {
        "causes": table(("cause", "what it means"), ((f"`{cause.value}`", cause.meaning) for cause in Cause)),
        "findings": table(
            ("reason", "what it means"), ((f"`{finding.value}`", finding.sentence) for finding in Finding)
        ),
    }


def metrics_parts() -> dict[str, str]:
    """Return the generated parts of the page on metrics."""
    return {
        "detail": table(
            (
                "`METRIC_DETAIL`",
                "sets beside the run's own",
                *(f"metrics of {targets:,} target{'s' * (targets > 1)}" for targets in _TARGETS),
            ),
            (
                (
                    f"`{detail}`",
                    sets,
                    *(
                        f"{custom_metric_count(detail, targets=targets, entries=targets * _MODELS_EACH):,}"
                        for targets in _TARGETS
                    ),
                )
                for detail, sets in _SETS.items()
            ),
        ),
        "metrics": table(
            ("metric", "unit", "dimensions", "meaning"),
            (
                (
                    f"`{metric.name}`",
                    metric.unit.value,
                    "; ".join(", ".join(dimensions) for dimensions in dimension_sets(metric)),
                    metric.meaning,
                )
                for metric in CATALOGUE
            ),
        ),
    }


def settings_parts() -> dict[str, str]:
    """Return the generated part of the page on settings."""
    return {
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
        )
    }
