"""The state table behind an observer: how often it is told, and what it knows then."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import anthropic
import pytest

from infra.local.cloud import STATE_TABLE, create_state_table
from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.library.observing import observer as module
from tests.fakes import EPOCH, FakeClock, document, target
from tests.observer_cases import REQUEST
from tests.observer_parts import Session
from tests.state_cases import known

if TYPE_CHECKING:
    from infra.local.aws import LocalAws
    from infra.local.messages_api import LocalMessagesApi


async def test_the_table_is_told_once_in_30_seconds(aws: LocalAws, api: LocalMessagesApi) -> None:
    """Of the last request, the counts and the prefix; a warm call is told to nobody."""
    create_state_table(aws)
    session, clock = Session(aws), FakeClock()
    observer = CacheObserver(targets=document(), state_table=STATE_TABLE, session=session, clock=clock)
    with anthropic.Anthropic(api_key="k", base_url=api.base_url, middleware=[observer]) as asked:
        asked.messages.create(**{**REQUEST, "max_tokens": 0})
        for second in range(61):
            clock.seconds = second
            asked.messages.create(**REQUEST)
            _settle(observer, clock)
    assert session.calls["UpdateItem"] <= 3
    observer.close()
    assert set(session.calls) == {"UpdateItem"}
    assert session.calls["UpdateItem"] in (3, 4)  # the last one is the flush's, if anything was left for it
    state = DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE))
    entry = await known(state)
    assert entry.traffic is not None
    assert (entry.traffic.last_at, entry.traffic.fingerprint) == (
        EPOCH + timedelta(seconds=60),
        target().summary.prefix_digest,
    )
    assert entry.sightings is not None
    assert (entry.sightings.hits, entry.sightings.cold_starts, entry.sightings.drifts) == (61, 0, 0)


@pytest.mark.parametrize("end", ["close", "exit"])
async def test_a_flush_tells_no_entry_twice_in_30_seconds_and_the_end_does(
    aws: LocalAws, api: LocalMessagesApi, end: str
) -> None:
    """As a function does that flushes at every invocation; what was held back is no failure, and is not lost."""
    create_state_table(aws)
    session, clock = Session(aws), FakeClock()
    observer = CacheObserver(targets=document(), state_table=STATE_TABLE, session=session, clock=clock)
    with anthropic.Anthropic(api_key="k", base_url=api.base_url, middleware=[observer]) as asked:
        for clock.seconds in (0, 10, 29):
            asked.messages.create(**REQUEST)
            assert observer.flush()
    assert session.calls["UpdateItem"] == 1
    if end == "close":
        assert observer.close()
    else:
        module._record_all()
        assert observer.flush()
    assert session.calls["UpdateItem"] == 2
    entry = await known(DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE)))
    assert entry.sightings is not None
    assert entry.sightings.requests == 3
    observer.close()
    assert session.calls["UpdateItem"] == 2


def _settle(observer: CacheObserver, clock: FakeClock) -> None:
    """Wait until what is due at this second was told."""
    until = time.monotonic() + 10
    while observer._account.due(clock.seconds) and time.monotonic() < until:
        time.sleep(0.001)
