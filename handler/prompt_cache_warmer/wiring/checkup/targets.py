"""The targets of a deployment: whether they are valid, long enough, within their caps, and called."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.budget import refusal
from prompt_cache_warmer.rules.checkup import Finding, green, not_asked, red
from prompt_cache_warmer.rules.situation import Tick
from prompt_cache_warmer.values.durations import short
from prompt_cache_warmer.values.problems import ProblemCode
from prompt_cache_warmer.values.snapshot import Snapshot
from prompt_cache_warmer.warm.docket import docket

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.settings import Settings
    from prompt_cache_warmer.warm.look import Look

TARGETS, MINIMUMS, CAPS, TICKS = "targets", "minimums", "caps", "ticks"
OF_LOOK = (TARGETS, MINIMUMS, CAPS, TICKS)
_NAMED = 3  # so many are named in one line; status lists all


def check_look(found: Look, settings: Settings) -> list[Finding]:
    """Say what a look at the deployment shows."""
    return [
        _targets(found, settings),
        _minimums(found, settings),
        _caps(found, settings),
        _ticks(found, settings),
    ]


def _targets(found: Look, settings: Settings) -> Finding:
    invalid = sorted(found.index.invalid_sources)
    place = f"s3://{settings.targets_bucket}/{settings.targets_prefix}"
    if invalid:
        code = found.errors[0].code.value
        said = f"{_count(len(invalid), 'document')} no valid target: {_listed(invalid)}"
        return red(TARGETS, said, fix=f"prompt-cache-warmer check --explain {code}")
    if not found.index.targets:
        return red(TARGETS, f"there is no target under {place}", fix=f"aws s3 cp my-target.json {place}")
    return green(TARGETS, f"{len(found.index.targets)} valid under {place}")


def _minimums(found: Look, settings: Settings) -> Finding:
    if not found.index.targets:
        return not_asked(MINIMUMS, "there is no target")
    short_ones = [problem for problem in found.index.problems if problem.code is ProblemCode.BELOW_MINIMUM]
    if not short_ones:
        return green(MINIMUMS, "every prefix is estimated longer than its model's minimum")
    first = short_ones[0]
    sources = sorted({problem.source for problem in short_ones})
    fix = f"make the prefix longer, or set enabled: false in s3://{settings.targets_bucket}/{first.source}"
    return red(MINIMUMS, f"too short to be cached: {_listed(sources)}: {first.message}", fix=fix)


def _caps(found: Look, settings: Settings) -> Finding:
    """Find entries whose first call no cap has room for, with nothing spent: they would never be called."""
    entries = [status.entry for status in found.statuses if status.entry.target.enabled]
    if not entries:
        return not_asked(CAPS, "there is no target")
    tick = Tick(now=found.now, interval_seconds=found.tick_seconds)
    cases = docket(entries, Snapshot(), tick, caps=settings.caps)
    capped = [(case, reason) for case in cases if (reason := refusal(case.allowances, case.expected_worst)) is not None]
    if capped:
        case, reason = capped[0]
        worst = case.expected_worst
        price = "an unknown price" if worst.usd is None else f"{worst.usd:.6f} USD"
        names = sorted({case.entry.target.name for case, _ in capped})
        said = f"never called, whatever was spent: {_listed(names)}: {reason.sentence}: up to {price} for "
        fix = f"raise the cap in s3://{settings.targets_bucket}/{case.entry.target.source}, or the stack's: sam deploy"
        return red(CAPS, f"{said}{worst.tokens:,} tokens", fix=fix)
    if not any(case.allowances for case in cases):
        return green(CAPS, "there is no cap")
    return green(CAPS, "every cap has room for a full write of each entry")


def _ticks(found: Look, settings: Settings) -> Finding:
    if not found.statuses:
        return not_asked(TICKS, "there is no target to call for")
    at = found.called_at
    said = "no warm call is remembered" if at is None else f"the last warm call was {_ago(found, at)} ago"
    since = found.overdue_since
    if since is not None:
        group = shlex.quote(f"/aws/lambda/{settings.service_name}")
        said = f"{said}, and something has been due for {_ago(found, since)}"
        return red(TICKS, said, fix=f"aws logs tail {group} --since 1h")
    return green(TICKS, f"{said}, and nothing is overdue")


def _ago(found: Look, at: datetime) -> str:
    return short((found.now - at).total_seconds())


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _count(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number} {noun}s are"
