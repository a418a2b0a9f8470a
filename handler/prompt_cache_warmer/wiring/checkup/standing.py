"""What keeps calls back right now: a pause, stopped credentials, open breakers, budgets that are used up."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.budget import Spent, allowances
from prompt_cache_warmer.rules.checkup import Finding, Named, green, noted, red
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.caps import NO_CAPS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from prompt_cache_warmer.rules.status import EntryStatus
    from prompt_cache_warmer.settings import Settings
    from prompt_cache_warmer.warm.look import Look

PAUSE, STOPPED, BREAKERS, BUDGET = "pause", "stopped", "breakers", "budget"
OF_STANDING = (PAUSE, STOPPED, BREAKERS, BUDGET)
_NAMED = 3  # so many are named in one line; status lists all
_RESUME = "prompt-cache-warmer resume"
_STACK_CAPS = {
    Reason.STACK_DAY_CAP: ("MaxUsdPerDay", "MaxTokensPerDay", "the day"),
    Reason.STACK_MONTH_CAP: ("MaxUsdPerMonth", "MaxTokensPerMonth", "the month"),
}


def check_standing(found: Look, settings: Settings, named: Named) -> list[Finding]:
    """Say what keeps calls back, each with the line that ends it.

    Args:
        found: what a look at the deployment shows.
        settings: what it runs with.
        named: how it is named in commands.
    """
    return [_pause(found, named), _stopped(found, named), _breakers(found, settings), _budget(found, settings)]


def _pause(found: Look, named: Named) -> Finding:
    pause = found.standing.pause
    if pause is None:
        return green(PAUSE, "nothing is paused")
    said = f"all warming is paused since {_utc(pause.since)} until {_utc(pause.until)}: {pause.reason!r}"
    return noted(PAUSE, said, fix=f"{_RESUME} {named.state}")


def _stopped(found: Look, named: Named) -> Finding:
    stopped = found.standing.stopped_credentials
    if stopped:
        whys = {
            status.entry.credential: f" ({status.needed.detail})"
            for status in found.statuses
            if status.needed.reason is Reason.CREDENTIAL_STOPPED
        }
        said = ", ".join(f"{name!r}{whys.get(name, '')}" for name in stopped)
        return red(STOPPED, f"no call is made with {said}", fix=f"mend the key, then: {_let_go(stopped, named)}")
    tried = sorted(
        {status.entry.credential for status in found.statuses if status.needed.reason is Reason.CREDENTIAL_ON_TRIAL}
    )
    if tried:
        said = f"one call at the next tick tries {', '.join(map(repr, tried))}, which was stopped; the others wait"
        return noted(STOPPED, said, fix=_let_go(tried, named))
    return green(STOPPED, "no credential is stopped")


def _breakers(found: Look, settings: Settings) -> Finding:
    kept = _because(found, (Reason.BREAKER_OPEN,))
    if not kept:
        return green(BREAKERS, "no breaker keeps a due entry back")
    group, pattern = shlex.quote(f"/aws/lambda/{settings.service_name}"), shlex.quote(f'"{kept[0].entry.target.name}"')
    said = _listed(f"{_entry(status)} ({status.needed.detail})" for status in kept)
    fix = f"aws logs tail {group} --since 2h --filter-pattern {pattern}; a changed document is tried anew"
    return red(BREAKERS, f"left alone after failed or pointless calls: {said}", fix=fix)


def _budget(found: Look, settings: Settings) -> Finding:
    """Find caps that are used up, or have no room for an entry that is due."""
    standing = found.standing
    spent = Spent(stack_today=standing.spent_today, stack_this_month=standing.spent_this_month)
    used_up = {cap.reason for cap in allowances(NO_CAPS, standing.caps, spent) if cap.is_used_up}
    for reason, (usd, tokens, period) in _STACK_CAPS.items():
        if reason in used_up or _because(found, (reason,)):
            amount = standing.spent_today if reason is Reason.STACK_DAY_CAP else standing.spent_this_month
            said = (
                f"the stack's cap for {period} (UTC) has no room: {amount.known_usd:.6f} USD, {amount.tokens:,} tokens"
            )
            return red(
                BUDGET, f"{said} spent", fix=f"sam deploy --parameter-overrides {usd}=AMOUNT (or {tokens}=COUNT)"
            )
    kept = _because(found, (Reason.TARGET_DAY_CAP,))
    if kept:
        target = kept[0].entry.target
        said = f"the cap of the day (UTC) has no room for the next call of {_listed(_entry(status) for status in kept)}"
        place = f"s3://{settings.targets_bucket}/{target.source}"
        return red(BUDGET, said, fix=f"raise max_usd_per_day or max_tokens_per_day in {place}")
    return green(BUDGET, "no cap of a day or a month keeps a due entry back")


def _because(found: Look, reasons: tuple[Reason, ...]) -> list[EntryStatus]:
    return [status for status in found.statuses if status.needed.reason in reasons]


def _let_go(names: Iterable[str], named: Named) -> str:
    return f"{_RESUME} {' '.join(f'--credential {shlex.quote(name)}' for name in names)} {named.state}"


def _entry(status: EntryStatus) -> str:
    return f"{status.entry.target.name} on {status.entry.model}"


def _listed(parts: Iterable[str]) -> str:
    listed = list(parts)
    more = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
