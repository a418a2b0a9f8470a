"""Generated parts of the page on monitoring: the alarms as the template defines them, and what a month costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.alarms import Alarm
from infra.local.costs import Deployment, metrics_usd, monthly_usd, observer_metrics
from infra.local.generated_tables import table
from infra.local.lambda_emulator import ROOT
from infra.local.template_values import ResolvedStack
from infra.local.transform import read, transform

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from prompt_cache_warmer.rules.metrics import Detail

_TARGETS = (1, 10, 50, 200)
_DETAILS: tuple[Detail, ...] = ("run", "target")
_BY_PARAMETER = {"hit-ratio": "`MinHitRatioPercent`"}  # thresholds without a default
# Everything that can be watched is.
_WATCHED = {
    "AnthropicSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:anthropic-AbCdEf",
    "AlarmEmail": "on-call@example.com",
    "MaxUsdPerDay": "10",
    "MaxUsdPerMonth": "200",
    "MinHitRatioPercent": "90",
    "FanOut": "ENABLED",
}


def monitoring_parts() -> dict[str, str]:
    """Return the page's generated parts."""
    alarms = list(_alarms())
    return {"alarms": _alarms_table(alarms), "costs": _costs_table(alarms), "metric prices": _metrics_table()}


def alarm_metrics(alarms: Iterable[Alarm]) -> int:
    """Count what alarms are billed by: the metrics they look at."""
    return sum(len(alarm.series) for alarm in alarms)


def _alarms() -> Iterable[Alarm]:
    parent = ResolvedStack(
        "STACK", transform(read(ROOT / "template.yaml")), _WATCHED, {"FailuresQueue": "https://QUEUE"}
    )
    nested = parent.nested("Monitoring", transform(read(ROOT / "infra/monitoring.yaml")))
    assert nested is not None  # noqa: S101 - there is an address
    return map(Alarm.from_template, nested.resources("AWS::CloudWatch::Alarm").values())


def _alarms_table(alarms: Iterable[Alarm]) -> str:
    return table(("alarm", "watches", "fires when", "without data"), (_row(alarm) for alarm in alarms))


def _row(alarm: Alarm) -> tuple[str, ...]:
    section = alarm.name.removeprefix("STACK-")
    names = " / ".join(f"`{one.key.name}`" for one in alarm.series.values())
    sign = "<" if alarm.comparison.startswith("LessThan") else "at least"
    threshold = _BY_PARAMETER.get(section, f"{alarm.threshold:,g}")
    minutes = alarm.period.seconds // 60
    of = "in" if alarm.periods == 1 else f"in {alarm.breaches} of {alarm.periods} times"
    silence = {"breaching": "fires", "notBreaching": "recovers", "ignore": "stays as it is"}[alarm.missing.value]
    return f"[{section}](#{section})", names, f"{sign} {threshold} {of} {minutes} min", silence


def _costs_table(alarms: Iterable[Alarm]) -> str:
    looked_at = alarm_metrics(alarms)
    months = [monthly_usd(Deployment(targets, alarm_metrics=looked_at)) for targets in _TARGETS]
    lines = [(name, *(_usd(month[name]) for month in months)) for name in months[0]]
    total = (
        "**all**",
        *(f"**{_usd(sum(month.values(), start=month['alarms (CloudWatch)'] * 0))}**" for month in months),
    )
    return table(("USD a month", *(_counted(targets) for targets in _TARGETS)), [*lines, total])


def _metrics_table() -> str:
    counts = [
        (f"runs, `{detail}`", [Deployment(targets, detail=detail).metrics for targets in _TARGETS])
        for detail in _DETAILS
    ]
    counts.append(("observers, on top", [observer_metrics(targets) for targets in _TARGETS]))
    lines = [(name, *(f"{count:,} for {_usd(metrics_usd(count))}" for count in found)) for name, found in counts]
    return table(("metrics and USD a month", *(_counted(targets) for targets in _TARGETS)), lines)


def _counted(targets: int) -> str:
    return f"{targets} target{'s' if targets > 1 else ''}"


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}"
