"""How long the emulator keeps what it cached, seen through the real SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.messages_api.messages_api_bodies import (
    HOUR_MARKER,
    LONG_TEXT,
    MARKER,
    PLACEHOLDER,
    counters,
    create,
    text,
    tokens_of,
    warm_body,
)

if TYPE_CHECKING:
    import anthropic

    from infra.local.messages_api import LocalMessagesApi

SYSTEM_TOKENS = tokens_of(text(LONG_TEXT))
PLACEHOLDER_TOKENS = tokens_of(text("."))


@pytest.mark.parametrize(("marker", "lifetime_seconds"), [(MARKER, 300), (HOUR_MARKER, 3600)])
def test_an_entry_lives_for_its_ttl_and_not_a_moment_longer(
    api: LocalMessagesApi, client: anthropic.Anthropic, marker: dict[str, Any], lifetime_seconds: int
) -> None:
    """One second before its ttl an entry is listed; exactly at its ttl it is gone and must be written again."""
    body = warm_body(system=[text(LONG_TEXT, cache_control=marker)])
    create(client, body)
    api.clock.advance(lifetime_seconds - 1)
    assert len(api.entries()) == 1
    api.clock.advance(1)
    assert api.entries() == ()
    assert counters(create(client, body)) == (0, SYSTEM_TOKENS, PLACEHOLDER_TOKENS)


def test_an_entry_just_before_its_ttl_is_read(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A call that starts one second before the lapse still finds the entry."""
    create(client, warm_body())
    api.clock.advance(299)
    assert counters(create(client, warm_body()))[0] == SYSTEM_TOKENS


def test_every_read_restarts_the_lifetime(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Refreshed every 240 seconds, a 5-minute entry is still alive after 20 minutes."""
    create(client, warm_body())
    for _ in range(5):
        api.clock.advance(240)
        assert counters(create(client, warm_body()))[0] == SYSTEM_TOKENS


def test_a_hour_entry_is_refreshed_with_its_own_hour(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A 5m marker finds a 1h entry, and the read gives it another hour: the entry's own ttl, our choice."""
    create(client, warm_body(system=[text(LONG_TEXT, cache_control=HOUR_MARKER)]))
    api.clock.advance(3000)
    assert counters(create(client, warm_body()))[:2] == (SYSTEM_TOKENS, 0)
    (entry,) = api.entries()
    assert entry.ttl == "1h"
    assert entry.expires_at_seconds == api.clock.now_seconds() + 3600


def test_a_provider_may_silently_grant_five_minutes_for_an_hour(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """With `downgrades_hour` set, only `cache_creation` tells that the entry will live five minutes."""
    api.downgrades_hour = True
    created = create(client, warm_body(system=[text(LONG_TEXT, cache_control=HOUR_MARKER)])).usage.cache_creation
    assert created is not None
    assert (created.ephemeral_5m_input_tokens, created.ephemeral_1h_input_tokens) == (SYSTEM_TOKENS, 0)
    (entry,) = api.entries()
    assert (entry.ttl, entry.expires_at_seconds) == ("5m", api.clock.now_seconds() + 300)


def test_an_hour_marker_reads_a_five_minute_entry_without_rewriting_it(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """The reverse cross-hit: a 1h marker finds a 5m entry, which keeps its five minutes; our choice."""
    create(client, warm_body())
    create(client, warm_body(system=[text(LONG_TEXT, cache_control=HOUR_MARKER)]))
    (entry,) = api.entries()
    assert (entry.ttl, entry.expires_at_seconds) == ("5m", api.clock.now_seconds() + 300)


def test_an_entry_can_vanish_early(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """After an eviction the same prefix is written again, well inside its lifetime."""
    create(client, warm_body())
    api.forget_entries()
    assert counters(create(client, warm_body()))[:2] == (0, SYSTEM_TOKENS)


def test_both_breakpoints_of_a_request_refresh_what_they_find(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """Each breakpoint reads for itself, so a long conversation keeps its marked system prompt alive."""
    body = warm_body(cache_control=MARKER)
    create(client, body)
    api.clock.advance(200)
    create(client, body)
    assert {entry.expires_at_seconds for entry in api.entries()} == {api.clock.now_seconds() + 300}


def test_an_unmarked_shorter_entry_is_not_refreshed(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A read refreshes only what a breakpoint found: an entry on the way to it keeps its lapse."""
    create(client, warm_body(cache_control=MARKER))
    written_at = api.clock.now_seconds()
    api.clock.advance(200)
    create(client, warm_body(system=[text(LONG_TEXT)], messages=[PLACEHOLDER], cache_control=MARKER))
    lapses = {entry.breakpoint_kind: entry.expires_at_seconds for entry in api.entries()}
    assert lapses == {"system": written_at + 300, "automatic": api.clock.now_seconds() + 300}
