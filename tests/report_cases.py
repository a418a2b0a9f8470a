"""What a service and its applications may have published, for the tests of the report: made by formula, by hand."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.effect_sources import ReportedUsage, Series, SourceError
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.effect_window import BucketWidth, Window

HAIKU = "claude-haiku-4-5"
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
START = EPOCH - WEEK

# One target on one model: what each figure of it comes to is computed in the tests.
TRAFFIC = {
    "TrafficRequests": 100.0,
    "TrafficHits": 90.0,
    "TrafficColdStarts": 7.0,
    "PrefixDrift": 3.0,
    "TrafficReadTokens": 4_500_000.0,
    "TrafficWrite5mTokens": 200_000.0,
    "TrafficWrite1hTokens": 150_000.0,
    "TrafficUncachedTokens": 50_000.0,
    "WarmedHits": 12.0,
    "Warmed5mTokens": 400_000.0,
    "Warmed1hTokens": 200_000.0,
}
WARM = {
    "CacheReadTokens": 1_000_000.0,
    "CacheWrite5mTokens": 50_000.0,
    "CacheWrite1hTokens": 0.0,
    "UncachedInputTokens": 100.0,
    "WarmCostUSD": 0.4875,
}


def series(sums: dict[str, float], *, at: datetime = START, **names: str) -> list[Series]:
    """Return one series of one point for each sum."""
    return [Series(metric, points={at: value}, **names) for metric, value in sums.items()]


def one_entry(model: str = MODEL) -> list[Series]:
    """Return a service with one target on one model, in the detail of entries."""
    entry = [*series(TRAFFIC, target="support", model=model), *series(WARM, target="support", model=model)]
    return [*series(TRAFFIC), *series(WARM), *entry]


def working_week() -> list[Series]:
    """Return a week by the hour: two targets used in office hours, warmed around the clock, some misses."""
    points: dict[tuple[str, str | None, str | None], dict[datetime, float]] = defaultdict(dict)
    entries = (("support-agent", MODEL, 50_000), ("support-agent", HAIKU, 50_000), ("ticket-router", HAIKU, 12_000))
    for number in range(168):
        at = START + number * HOUR
        for entry, (target, model, tokens) in enumerate(entries):
            is_busy = at.weekday() < 5 and 7 <= at.hour < 19
            requests = (14 + (7 * number + 5 * entry) % 23) if is_busy else 1 if (number + entry) % 9 == 0 else 0
            cold = 1 + number % 3 if number % 17 == entry else 0
            drifts = 2 if 60 <= number < 64 and entry == 1 and requests else 0
            hits = max(0, requests - cold - drifts)
            warmed = 1 if requests and (number % 24 in (7, 20) or not is_busy) and hits else 0
            values = {
                "TrafficRequests": requests,
                "TrafficHits": hits,
                "TrafficColdStarts": min(cold, requests),
                "PrefixDrift": min(drifts, max(0, requests - cold)),
                "TrafficReadTokens": hits * tokens,
                "TrafficWrite1hTokens": min(cold, requests) * tokens,
                "TrafficUncachedTokens": requests * 900,
                "Warmed1hTokens": warmed * 2 * tokens,
            }
            for metric, value in values.items():
                if value:
                    points[metric, target, model][at] = value
                    points[metric, None, None][at] = points[metric, None, None].get(at, 0) + value
        for target, cost in (("support-agent", 0.021), ("ticket-router", 0.0013)):
            points["WarmCostUSD", target, None][at] = cost
            points["CacheReadTokens", target, None][at] = cost * 3_000_000
        points["WarmCostUSD", None, None][at] = 0.0223
        points["CacheReadTokens", None, None][at] = 66_900
    found = [Series(metric, target, model, points=values) for (metric, target, model), values in points.items()]
    causes = {"prefix-drift": 8.0, "evicted-early": 11.0, "lookback-exceeded": 2.0}
    return found + [Series("EntriesMissed", cause=cause, points={START: count}) for cause, count in causes.items()]


@dataclass
class FakeHistory:
    """Published metrics in memory."""

    found: list[Series] = field(default_factory=list)
    trouble: str | None = None
    windows: list[Window] = field(default_factory=list)
    opened: list[tuple[str, str]] = field(default_factory=list)

    def open(self, namespace: str, service: str) -> FakeHistory:
        """Open the metrics of a service."""
        self.opened.append((namespace, service))
        return self

    def read(self, window: Window) -> tuple[Series, ...]:
        """Return what there is."""
        self.windows.append(window)
        if self.trouble is not None:
            raise SourceError(self.trouble)
        return tuple(self.found)


@dataclass
class FakeUsage:
    """What a provider says it billed."""

    found: list[ReportedUsage] = field(default_factory=list)
    trouble: str | None = None
    opened: list[tuple[str, str | None]] = field(default_factory=list)
    asked: list[tuple[Window, BucketWidth]] = field(default_factory=list)

    def open(self, admin_key: str, address: str | None, _: object) -> FakeUsage:
        """Open it with a key."""
        self.opened.append((admin_key, address))
        return self

    async def read(self, window: Window, width: BucketWidth) -> list[ReportedUsage]:
        """Return what there is."""
        self.asked.append((window, width))
        if self.trouble is not None:
            raise SourceError(self.trouble)
        return self.found


def reported(model: str | None = MODEL, workspace: str | None = "wrkspc_a", **tokens: Any) -> ReportedUsage:
    """Return a row of the Usage API."""
    return ReportedUsage(model, workspace, Usage(**tokens))
