"""What keeps calls back, as doctor tells it: each with the line that ends it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from prompt_cache_warmer.ports import Index
from prompt_cache_warmer.rules.checkup import CheckState, Named, green, noted, red
from prompt_cache_warmer.rules.decision import Decision
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.report import RunStanding
from prompt_cache_warmer.rules.situation import Tick
from prompt_cache_warmer.rules.status import EntryStatus, Warm
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import UNKNOWN
from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.look import Look
from prompt_cache_warmer.wiring.checkup.keys import Use, uses_of
from prompt_cache_warmer.wiring.checkup.standing import OF_STANDING, check_standing
from tests.fakes import EPOCH, document, reading

SHOP = Named(state="--stack shop", function="--stack shop")
SETTINGS = Settings.from_environment(
    {"TARGETS_BUCKET": "bucket", "ANTHROPIC_SECRET_ID": "s", "POWERTOOLS_SERVICE_NAME": "shop"}
)
TICK = Tick(now=EPOCH, interval_seconds=240.0)
UNTIL = "2026-03-02T10:00:00Z"


def status(reason: Reason, *, name: str = "support", credential: str = "default", detail: str = "") -> EntryStatus:
    """Return an entry that was decided so; a pause, if there is one, hides it."""
    target = reading(document(name, credential=credential), source=f"targets/{name}.json").target
    assert target is not None
    (entry,) = entries((target.summary,))
    needed = Decision(reason, TICK, detail=detail)
    return EntryStatus(entry, Warm.NEVER, UNKNOWN, Decision(Reason.PAUSED, TICK), needed, 3600, None)


def found(*statuses: EntryStatus, **standing: Any) -> dict[str, Any]:
    """Return the checks by name."""
    look = Look(EPOCH, statuses, Index((), ()), RunStanding(**standing), 240.0)
    checks = {one.check: one for one in check_standing(look, SETTINGS, SHOP)}
    assert tuple(checks) == OF_STANDING
    return checks


def test_where_nothing_keeps_calls_back_all_is_green() -> None:
    """An entry that is due, a cap that has room and a pause that is over are no matter."""
    caps = Caps(usd_per_day=Decimal(1), tokens_per_month=10)
    checks = found(status(Reason.COLD), caps=caps, spent_today=Amount(Decimal("0.99"), 9), spent_this_month=Amount())
    assert list(checks.values()) == [
        green("pause", "nothing is paused"),
        green("stopped", "no credential is stopped"),
        green("breakers", "no breaker keeps a due entry back"),
        green("budget", "no cap of a day or a month keeps a due entry back"),
    ]


def test_a_pause_is_noted_with_its_reason_and_its_times() -> None:
    """It is no fault: somebody asked for it; what it hides is told all the same."""
    pause = Pause("an outage", since=EPOCH, until=EPOCH + timedelta(hours=1))
    checks = found(status(Reason.BREAKER_OPEN, detail="rejected"), pause=pause)
    times = f"since {EPOCH:%Y-%m-%dT%H:%M:%SZ} until {EPOCH + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert checks["pause"] == noted(
        "pause", f"all warming is paused {times}: 'an outage'", fix="prompt-cache-warmer resume --stack shop"
    )
    assert checks["breakers"].state is CheckState.RED


def test_a_stopped_credential_is_red_with_its_reason() -> None:
    """Also one whose entries are not due just now."""
    stopped = status(Reason.CREDENTIAL_STOPPED, credential="team", detail=f"credential, until {UNTIL}")
    assert found(stopped, stopped_credentials=("other", "team"))["stopped"] == red(
        "stopped",
        f"no call is made with 'other', 'team' (credential, until {UNTIL})",
        fix="mend the key, then: prompt-cache-warmer resume --credential other --credential team --stack shop",
    )


def test_a_credential_on_trial_is_noted() -> None:
    """One call tries it, and the others wait."""
    assert found(status(Reason.CREDENTIAL_ON_TRIAL, credential="team"))["stopped"] == noted(
        "stopped",
        "one call at the next tick tries 'team', which was stopped; the others wait",
        fix="prompt-cache-warmer resume --credential team --stack shop",
    )


def test_open_breakers_are_red_and_the_first_is_looked_for() -> None:
    """Three are named."""
    kept = [status(Reason.BREAKER_OPEN, name=f"t{n}", detail=f"rejected, until {UNTIL}") for n in range(4)]
    assert found(*kept)["breakers"] == red(
        "breakers",
        "left alone after failed or pointless calls: "
        + ", ".join(f"t{n} on claude-sonnet-4-6 (rejected, until {UNTIL})" for n in range(3))
        + " and 1 more",
        fix="aws logs tail /aws/lambda/shop --since 2h --filter-pattern '\"t0\"'; a changed document is tried anew",
    )


@pytest.mark.parametrize(
    ("caps", "reason", "sentence", "fix"),
    [
        (
            Caps(usd_per_day=Decimal(1)),
            Reason.OUTLIVES_TICK,
            "the stack's cap for the day (UTC) has no room: 1.000000 USD, 70 tokens spent",
            "sam deploy --parameter-overrides MaxUsdPerDay=AMOUNT (or MaxTokensPerDay=COUNT)",
        ),
        (
            Caps(tokens_per_month=900),
            Reason.OUTLIVES_TICK,
            "the stack's cap for the month (UTC) has no room: 9.000000 USD, 900 tokens spent",
            "sam deploy --parameter-overrides MaxUsdPerMonth=AMOUNT (or MaxTokensPerMonth=COUNT)",
        ),
        (
            Caps(usd_per_day=Decimal("1.01")),
            Reason.STACK_DAY_CAP,
            "the stack's cap for the day (UTC) has no room: 1.000000 USD, 70 tokens spent",
            "sam deploy --parameter-overrides MaxUsdPerDay=AMOUNT (or MaxTokensPerDay=COUNT)",
        ),
        (
            Caps(),
            Reason.TARGET_DAY_CAP,
            "the cap of the day (UTC) has no room for the next call of support on claude-sonnet-4-6",
            "raise max_usd_per_day or max_tokens_per_day in s3://bucket/targets/support.json",
        ),
    ],
    ids=["day used up", "month used up", "no room for the next call", "target"],
)
def test_a_budget_without_room_is_red_with_the_cap_to_raise(
    caps: Caps, reason: Reason, sentence: str, fix: str
) -> None:
    """Whether or not an entry is due at this moment."""
    spent = {"spent_today": Amount(Decimal(1), 70), "spent_this_month": Amount(Decimal(9), 900)}
    assert found(status(reason), caps=caps, **spent)["budget"] == red("budget", sentence, fix=fix)


def test_each_credential_is_asked_with_every_model_of_its_targets() -> None:
    """Each model once, with a target that the function can verify."""
    statuses = (
        status(Reason.DUE, name="a"),
        status(Reason.DUE, name="b"),
        status(Reason.DUE, name="c", credential="x"),
    )
    look = Look(EPOCH, statuses, Index((), ()), RunStanding(), 240.0)
    assert uses_of(look) == {
        "default": Use("a", ("claude-sonnet-4-6",)),
        "x": Use("c", ("claude-sonnet-4-6",)),
    }
