"""Breakers: what opens one, for how long, and what closes it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    ExchangeRefusedError,
    NotConnectedError,
    OverloadedError,
    RateLimitedError,
    RejectedError,
    SpendLimitError,
    UnreachableError,
    WarmCallError,
    ZeroRefusedError,
)
from prompt_cache_warmer.rules.breaker import (
    CANNOT_BE_HELD,
    NEVER_CACHED,
    after_answer,
    after_failure,
    after_resume,
    credential_after_failure,
    stops_credential,
)
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.state import CLOSED, Breaker

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR, TEN_MINUTES = timedelta(hours=1), timedelta(minutes=10)
OF_VERSION = Breaker(version="v7")

REFUSALS = [
    RejectedError("400", http_status=400),
    RejectedError("404 no such model", http_status=404),
    RejectedError("413", http_status=413),
    CredentialError("403", http_status=403),
]
PASSING = [
    OverloadedError("529", http_status=529),
    RateLimitedError("429", http_status=429),
    UnreachableError("no answer"),
    NotConnectedError("no connection"),
    CallTimeoutError("none in time"),
    ZeroRefusedError("400 max_tokens", http_status=400),
    WarmCallError("something else"),
]
STOPPING = [
    SpendLimitError("limit", http_status=400),
    SpendLimitError("limit"),
    CredentialError("401", http_status=401),
    *(ExchangeRefusedError("no token", http_status=status) for status in (400, 401, 403, 404)),
    CredentialError("there is no credential 'x'"),
]


def name(error: WarmCallError) -> str:
    """Name a failure by its class and status."""
    return f"{type(error).__name__}-{error.http_status}"


def opened(breaker: Breaker, reason: str, cool_down: timedelta, at: datetime = AT) -> Breaker:
    """Return a breaker that was opened."""
    return replace(breaker, reason=reason, opened_at=at, open_until=at + cool_down)


@pytest.mark.parametrize("error", REFUSALS, ids=name)
def test_one_refusal_opens_an_entrys_breaker_for_an_hour(error: WarmCallError) -> None:
    """The API will refuse it again; the reason is the failure's code, and the document's version stays."""
    found = after_failure(OF_VERSION, error, at=AT)
    assert found == opened(Breaker(failures=1, failed_at=AT, version="v7"), error.code, HOUR)
    assert found.reason in ("rejected", "credential")


@pytest.mark.parametrize("error", PASSING, ids=name)
def test_what_may_pass_opens_it_at_the_fifth_time_for_ten_minutes(error: WarmCallError) -> None:
    """Four in a row are only counted."""
    breaker = OF_VERSION
    for number in range(1, 5):
        breaker = after_failure(breaker, error, at=AT)
        assert breaker == Breaker(failures=number, failed_at=AT, version="v7")
    fifth = Breaker(failures=5, failed_at=AT, version="v7")
    assert after_failure(breaker, error, at=AT) == opened(fifth, error.code, TEN_MINUTES)


@pytest.mark.parametrize("error", STOPPING, ids=name)
def test_what_stops_the_credential_is_no_failure_of_the_entry(error: WarmCallError) -> None:
    """Its own breaker only knows that there was a call."""
    assert stops_credential(error)
    assert after_failure(OF_VERSION, error, at=AT) == replace(OF_VERSION, failed_at=AT)


@pytest.mark.parametrize("error", [*REFUSALS, *PASSING], ids=name)
def test_what_is_the_entrys_own_does_not_stop_the_credential(error: WarmCallError) -> None:
    """403 too: the key is good, it may only not do this."""
    assert not stops_credential(error)
    assert credential_after_failure(OF_VERSION, error, at=AT) is OF_VERSION


@pytest.mark.parametrize("error", STOPPING[:-1], ids=name)
def test_a_spend_limit_and_a_refused_key_stop_the_credential_for_an_hour(error: WarmCallError) -> None:
    """And again after each trial; they are counted."""
    first = credential_after_failure(CLOSED, error, at=AT)
    assert first == opened(Breaker(failures=1), error.code, HOUR)
    later = AT + HOUR
    assert credential_after_failure(first, error, at=later) == opened(Breaker(failures=2), error.code, HOUR, later)


def test_a_credential_nobody_put_into_the_secret_is_tried_at_each_tick() -> None:
    """Nothing is sent for it, so nothing has to cool down, and it works as soon as it is there."""
    assert credential_after_failure(CLOSED, STOPPING[-1], at=AT) is CLOSED


def test_open_is_until_its_end_and_half_open_from_then_on() -> None:
    """A closed one is neither."""
    breaker = opened(CLOSED, "rejected", HOUR)
    moments = (AT, AT + HOUR - timedelta(seconds=1), AT + HOUR, AT + 2 * HOUR)
    assert [breaker.is_open(at) for at in moments] == [True, True, False, False]
    assert [breaker.is_half_open(at) for at in moments] == [False, False, True, True]
    assert (CLOSED.is_open(AT), CLOSED.is_half_open(AT)) == (False, False)


@pytest.mark.parametrize("reason", ["rejected", CANNOT_BE_HELD])
def test_a_trial_that_fails_opens_it_again(reason: str) -> None:
    """Whatever opened it: an overload keeps it open for ten minutes more, a refusal for an hour."""
    half_open = opened(Breaker(failures=1, unheld=3), reason, HOUR, AT - HOUR)
    overloaded = after_failure(half_open, PASSING[0], at=AT)
    assert overloaded == opened(Breaker(failures=2, unheld=3, failed_at=AT), "overloaded", TEN_MINUTES)
    refused = after_failure(half_open, REFUSALS[0], at=AT)
    assert refused == opened(Breaker(failures=2, unheld=3, failed_at=AT), "rejected", HOUR)


@pytest.mark.parametrize("reason", ["rejected", "overloaded", CANNOT_BE_HELD])
def test_a_trial_that_is_a_refresh_closes_it(reason: str) -> None:
    """All counts start anew, for the same document version."""
    half_open = opened(Breaker(failures=5, unheld=3, version="v7"), reason, HOUR, AT - HOUR)
    assert after_answer(half_open, Verdict.REFRESHED, was_alive=False, at=AT) == OF_VERSION
    assert after_answer(half_open, Verdict.REFRESHED, was_alive=True, at=AT) == OF_VERSION


@pytest.mark.parametrize("verdict", [Verdict.WRITTEN, Verdict.PARTIAL])
def test_three_writes_where_a_refresh_was_due_open_it_for_an_hour(verdict: Verdict) -> None:
    """It cannot be held warm, so it is not paid for every few minutes."""
    breaker = OF_VERSION
    for number in (1, 2):
        breaker = after_answer(breaker, verdict, was_alive=True, at=AT)
        assert breaker == Breaker(unheld=number, version="v7")
    third = after_answer(breaker, verdict, was_alive=True, at=AT)
    assert third == opened(Breaker(unheld=3, version="v7"), "cannot-be-held", HOUR)


@pytest.mark.parametrize("verdict", [Verdict.WRITTEN, Verdict.PARTIAL])
def test_a_write_of_what_had_lapsed_is_no_sign(verdict: Verdict) -> None:
    """It is what had to happen; what was counted before is neither raised nor forgotten."""
    assert after_answer(OF_VERSION, verdict, was_alive=False, at=AT) == OF_VERSION
    twice = Breaker(unheld=2, version="v7")
    assert after_answer(twice, verdict, was_alive=False, at=AT) == twice
    assert after_answer(twice, Verdict.REFRESHED, was_alive=True, at=AT) == OF_VERSION


@pytest.mark.parametrize("was_alive", [True, False])
def test_three_calls_that_cached_nothing_open_it_for_an_hour(*, was_alive: bool) -> None:
    """Whether or not it should have been alive: the prefix is too short, or the model does not cache."""
    breaker = CLOSED
    for _ in range(2):
        breaker = after_answer(breaker, Verdict.UNCACHED, was_alive=was_alive, at=AT)
    assert breaker == Breaker(unheld=2)
    third = after_answer(breaker, Verdict.UNCACHED, was_alive=was_alive, at=AT)
    assert third == opened(Breaker(unheld=3), "never-cached", HOUR)


def test_after_an_hour_one_write_may_pass_and_the_next_pointless_one_opens_it_again() -> None:
    """By then it has lapsed, so the trial's write proves nothing; the call after it does."""
    half_open = opened(Breaker(unheld=3), CANNOT_BE_HELD, HOUR, AT - HOUR)
    trial = after_answer(half_open, Verdict.WRITTEN, was_alive=False, at=AT)
    assert trial == Breaker(unheld=3)
    again = after_answer(trial, Verdict.WRITTEN, was_alive=True, at=AT)
    assert again == opened(Breaker(unheld=4), CANNOT_BE_HELD, HOUR)
    assert after_answer(trial, Verdict.REFRESHED, was_alive=True, at=AT) == CLOSED


@pytest.mark.parametrize("verdict", [Verdict.WRITTEN, Verdict.PARTIAL, Verdict.UNCACHED])
def test_every_answer_ends_a_row_of_failures(verdict: Verdict) -> None:
    """What could be asked did not fail."""
    assert after_answer(Breaker(failures=4), verdict, was_alive=False, at=AT).failures == 0


@pytest.mark.parametrize("error", REFUSALS, ids=name)
def test_what_was_refused_before_an_operator_resumed_is_tried_again(error: WarmCallError) -> None:
    """The count starts anew; what is refused after it waits for its hour, and nobody resumed stays as it is."""
    refused = after_failure(OF_VERSION, error, at=AT)
    for resumed_at in (AT, AT + TEN_MINUTES):
        assert after_resume(refused, resumed_at) == Breaker(failed_at=AT, version="v7")
    assert after_resume(refused, AT - timedelta(seconds=1)) is refused
    assert after_resume(refused, None) is refused


@pytest.mark.parametrize("reason", ["overloaded", "timeout", CANNOT_BE_HELD, NEVER_CACHED])
def test_what_no_credential_can_mend_is_not_resumed(reason: str) -> None:
    """An overload passes by itself, and what cannot be held would be paid for again."""
    breaker = opened(Breaker(failures=5, unheld=3), reason, HOUR)
    assert after_resume(breaker, AT + TEN_MINUTES) is breaker
    assert after_resume(Breaker(failures=2), AT) == Breaker(failures=2)


def test_the_codes_of_pointless_calls_are_two() -> None:
    """Reports and alarms know them by these words."""
    assert (CANNOT_BE_HELD, NEVER_CACHED) == ("cannot-be-held", "never-cached")
