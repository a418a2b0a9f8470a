"""A 401 beside answers to the same key: what it stops, and what it does not."""

from __future__ import annotations

from prompt_cache_warmer.errors import CredentialError, ExchangeRefusedError, SpendLimitError, WarmCallError
from prompt_cache_warmer.rules.entry_result import Outcome
from tests.house import House, numbered

TICK_SECONDS = 240.0
UNAUTHORIZED = CredentialError("401 no", http_status=401)


def refused_at(number: int, error: WarmCallError) -> House:
    """Return a warmer of four entries, called one after the other, whose call of a number is refused."""
    house = House(numbered(4), max_concurrency=1)
    house.messages.hook = lambda _: house.messages.script.append(error) if len(house.messages.calls) == number else None
    return house


async def test_one_401_among_answers_is_its_entrys_own() -> None:
    """The same key was answered a moment ago: the others are called, now and at the next tick, and so is this one."""
    house = refused_at(2, UNAUTHORIZED)
    report = await house.run()
    assert (report.count(Outcome.WARMED), report.count(Outcome.FAILED)) == (3, 1)
    house.clock.seconds = TICK_SECONDS
    report = await house.run()
    assert report.count(Outcome.WARMED) == 4
    assert report.as_json()["stopped_credentials"] == []


async def test_a_401_before_any_answer_stops_the_credential() -> None:
    """Nothing says that the key is good; the answer of an earlier run does not count, because it may be revoked."""
    house = House(numbered(4), max_concurrency=1)
    await house.run()
    house.clock.seconds = TICK_SECONDS
    house.messages.script = [UNAUTHORIZED]
    report = await house.run()
    assert report.count(Outcome.FAILED) == 4
    assert len(house.messages.calls) == 4 + 1


async def test_money_that_is_used_up_in_the_middle_of_a_run_stops_the_credential() -> None:
    """As does an identity that is no longer exchanged: what was answered before says nothing of it."""
    for error in (SpendLimitError("400 no", http_status=400), ExchangeRefusedError("401 no", http_status=401)):
        house = refused_at(2, error)
        report = await house.run()
        assert (report.count(Outcome.WARMED), report.count(Outcome.FAILED)) == (1, 3)
        assert len(house.messages.calls) == 2
