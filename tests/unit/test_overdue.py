"""What is overdue: what was due for some ticks and not called, with nothing that kept it back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.errors import OverloadedError, RejectedError
from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import Breaker
from prompt_cache_warmer.warm.look import look
from tests.fakes import EPOCH, document
from tests.house import House

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.warm.look import Look

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
TICK_SECONDS = 240.0
SOURCE = "targets/a.json"


def house(*, put_at: datetime = EPOCH, **changes: Any) -> House:
    """Return a house with one target of five minutes that was put at a time."""
    found = House({SOURCE: document("a", **changes)})
    found.targets.modified_at[SOURCE] = put_at
    return found


async def looked(at: House, minutes: float, *, caps: Caps = NO_CAPS) -> Look:
    """Look at a house so many minutes after its clock began."""
    at.clock.seconds = minutes * 60
    return await look(at.targets, at.store, now=at.clock.now(), tick_seconds=TICK_SECONDS, caps=caps)


@pytest.mark.parametrize(("minutes", "is_overdue"), [(0, False), (12, False), (12.1, True)])
async def test_what_was_never_called_is_as_old_as_its_document(minutes: float, *, is_overdue: bool) -> None:
    """A tick comes within minutes of an upload; three of them without a call are no matter of patience."""
    assert (await looked(house(), minutes)).overdue_since == (EPOCH if is_overdue else None)


async def test_what_nobody_knows_the_age_of_is_no_proof() -> None:
    """Nothing says how long it has been there."""
    at = house()
    at.targets.modified_at.clear()
    assert (await looked(at, 600)).overdue_since is None


async def test_what_it_refers_to_is_part_of_the_document() -> None:
    """A prompt that was put again is new, however old the document is."""
    referring = {"system": [{"type": "text", "text_from": "prompts/p.md", "cache_control": {"type": "ephemeral"}}]}
    at = house(request=referring)
    at.targets.prompts["prompts/p.md"] = "You are a bot. " * 2000
    at.targets.modified_at["prompts/p.md"] = EPOCH + 60 * MINUTE
    assert (await looked(at, 61)).overdue_since is None
    assert (await looked(at, 73)).overdue_since == EPOCH + 60 * MINUTE


async def test_a_new_document_beside_healthy_ones_is_no_alarm() -> None:
    """With an hour to live there is nothing to call for most of it, and the last call says nothing."""
    hourly = {"system": [{"type": "text", "text": "x " * 5000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}
    at = house(request=hourly)
    await at.run()
    at.targets.documents["targets/b.json"] = document("b")
    at.targets.modified_at["targets/b.json"] = EPOCH + 40 * MINUTE
    found = await looked(at, 41)
    assert (found.called_at, found.overdue_since) == (EPOCH, None)
    assert (await looked(at, 53)).overdue_since == EPOCH + 40 * MINUTE


@pytest.mark.parametrize(("minutes", "is_overdue"), [(6, False), (17, False), (17.1, True)])
async def test_what_lapsed_has_been_due_since_then(minutes: float, *, is_overdue: bool) -> None:
    """It was called, and then no more."""
    at = house()
    await at.run()
    since = EPOCH + 5 * MINUTE
    assert (await looked(at, minutes)).overdue_since == (since if is_overdue else None)


async def test_what_was_put_again_since_it_lapsed_has_waited_since_then() -> None:
    """It may have been disabled until then."""
    at = house()
    await at.run()
    at.targets.modified_at[SOURCE] = EPOCH + HOUR
    assert (await looked(at, 61)).overdue_since is None


async def test_a_window_that_opened_is_when_it_was_due() -> None:
    """Before it nobody was to call."""
    at = house(
        put_at=EPOCH - 9 * HOUR, windows=[{"from": "13:00", "to": "14:00", "timezone": "UTC", "lead_minutes": 0}]
    )
    assert (await looked(at, 59)).overdue_since is None
    assert (await looked(at, 72)).overdue_since is None
    assert (await looked(at, 73)).overdue_since == EPOCH + HOUR


async def test_a_call_that_failed_is_a_call() -> None:
    """The ticks come; why it fails is said elsewhere."""
    at = house(put_at=EPOCH - HOUR)
    assert (await looked(at, 30)).overdue_since == EPOCH - HOUR
    at.messages.script = [OverloadedError("529", http_status=529)] * 2
    await at.run()
    assert (await looked(at, 42)).overdue_since is None
    assert (await looked(at, 43)).overdue_since == EPOCH + timedelta(minutes=30, seconds=1)  # its retry


async def test_a_pause_is_a_reason_and_a_tick_comes_after_it() -> None:
    """Also one that ended by itself: what lapsed in it is called at the next tick."""
    at = house(put_at=EPOCH - HOUR)
    await at.store.pause(Pause("incident", since=EPOCH, until=EPOCH + HOUR))
    assert (await looked(at, 59)).overdue_since is None
    assert (await looked(at, 72)).overdue_since is None
    assert (await looked(at, 73)).overdue_since == EPOCH + HOUR


@pytest.mark.parametrize("is_resumed", [True, False])
async def test_a_stopped_credential_is_a_reason(*, is_resumed: bool) -> None:
    """Until it is tried again, by itself or because somebody let it go."""
    at = house(put_at=EPOCH - HOUR)
    stop = Breaker(failures=1, reason="credential", opened_at=EPOCH, open_until=EPOCH + HOUR)
    await at.store.save_credential("default", CredentialState(1, stop))
    assert (await looked(at, 59)).overdue_since is None
    if is_resumed:
        await at.store.save_credential("default", CredentialState(2, resumed_at=EPOCH + HOUR))
    assert (await looked(at, 61)).overdue_since is None
    assert (await looked(at, 73)).overdue_since == EPOCH + HOUR


async def test_an_open_breaker_is_a_reason() -> None:
    """Its entry is left alone on purpose; a trial that nobody makes is overdue."""
    at = house(put_at=EPOCH - HOUR)
    at.messages.script = [RejectedError("400", http_status=400)]
    await at.run()
    (result,) = (await looked(at, 1)).statuses
    open_until = result.state.breaker.open_until
    assert open_until is not None
    minutes = (open_until - EPOCH) / MINUTE
    assert (await looked(at, minutes - 1)).overdue_since is None
    assert (await looked(at, minutes + 12)).overdue_since is None
    assert (await looked(at, minutes + 13)).overdue_since == open_until


async def test_a_cap_is_a_reason_and_a_new_day_is_no_old_matter() -> None:
    """What a cap kept cold yesterday is called at the first tick of today."""
    at = house(put_at=EPOCH - HOUR)
    assert (await looked(at, 30, caps=Caps(usd_per_day=Decimal(0)))).overdue_since is None
    some = Caps(usd_per_day=Decimal(5))
    midnight = 12 * 60
    assert (await looked(at, midnight - 1, caps=some)).overdue_since == EPOCH - HOUR
    assert (await looked(at, midnight + 12, caps=some)).overdue_since is None
    assert (await looked(at, midnight + 13, caps=some)).overdue_since == EPOCH + 12 * HOUR
    assert (await looked(at, midnight + 12)).overdue_since == EPOCH - HOUR


@pytest.mark.parametrize("changes", [{"keep": "while-used"}, {"enabled": False}], ids=["while-used", "disabled"])
async def test_what_nobody_is_to_call_is_not_overdue(changes: dict[str, Any]) -> None:
    """By its own rule."""
    assert (await looked(house(put_at=EPOCH - HOUR, **changes), 30)).overdue_since is None


async def test_what_is_warm_waits_for_nothing() -> None:
    """A five-minute entry is due at every tick, and alive."""
    at = house()
    await at.run()
    (status,) = (await looked(at, 4)).statuses
    assert (status.decision.is_due, status.due_since) == (True, None)
