"""What the emulator caches and for whom, seen through the real SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.infra.messages_api.messages_api_bodies import (
    HOUR_MARKER,
    LONG_TEXT,
    MARKER,
    MODEL,
    NEW_MODEL,
    counters,
    create,
    text,
    tokens_of,
    tool,
    warm_body,
)

if TYPE_CHECKING:
    import anthropic

    from infra.local.messages_api import LocalMessagesApi

SYSTEM_TOKENS = tokens_of(text(LONG_TEXT))
PLACEHOLDER_TOKENS = tokens_of(text("."))


def test_a_prewarm_of_a_cold_prefix_writes_it_and_answers_at_once(client: anthropic.Anthropic) -> None:
    """`max_tokens: 0` answers with no content, stop reason max_tokens, 0 output and a full write."""
    message = client.messages.create(
        model=MODEL,
        max_tokens=0,
        system=[{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "."}],
    )
    assert message.content == []
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 0
    assert message.usage.service_tier == "standard"
    assert counters(message) == (0, SYSTEM_TOKENS, PLACEHOLDER_TOKENS)
    assert message.usage.cache_creation is not None
    assert message.usage.cache_creation.ephemeral_5m_input_tokens == SYSTEM_TOKENS
    assert message.usage.cache_creation.ephemeral_1h_input_tokens == 0


def test_a_prewarm_of_a_warm_prefix_reads_it(client: anthropic.Anthropic) -> None:
    """The same prefix again is a read, and the plain input stays what follows the breakpoint."""
    create(client, warm_body())
    assert counters(create(client, warm_body())) == (SYSTEM_TOKENS, 0, PLACEHOLDER_TOKENS)


def test_traffic_reads_what_a_warm_call_wrote(client: anthropic.Anthropic) -> None:
    """A real request with other messages behind the same marked system prompt is served from the cache."""
    create(client, warm_body())
    message = create(client, warm_body(max_tokens=100, messages=[{"role": "user", "content": "Hello?"}]))
    assert counters(message) == (SYSTEM_TOKENS, 0, tokens_of(text("Hello?")))
    assert message.usage.output_tokens == 12
    assert message.stop_reason == "end_turn"


def test_a_short_answer_is_cut_at_max_tokens(client: anthropic.Anthropic) -> None:
    """`max_tokens: 1` costs one output token and stops there."""
    message = create(client, warm_body(max_tokens=1))
    assert (message.usage.output_tokens, message.stop_reason) == (1, "max_tokens")


def test_a_snapshot_of_entries_says_what_each_one_is(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """`entries()` names workspace, model, tokens, ttl, lapse and the kind of breakpoint."""
    create(client, warm_body(tools=[tool("a", cache_control=HOUR_MARKER)], cache_control=MARKER))
    entries = api.entries()
    assert [entry.breakpoint_kind for entry in entries] == ["tools", "system", "automatic"]
    assert [entry.ttl for entry in entries] == ["1h", "5m", "5m"]
    assert [entry.tokens for entry in entries] == [
        tokens_of(tool("a")),
        tokens_of(tool("a"), text(LONG_TEXT)),
        tokens_of(tool("a"), text(LONG_TEXT), text(".")),
    ]
    assert {entry.model for entry in entries} == {MODEL}
    assert {entry.workspace_id[:7] for entry in entries} == {"wrkspc_"}


def test_models_do_not_share_entries(client: anthropic.Anthropic) -> None:
    """A prefix warmed for one model is cold for another."""
    create(client, warm_body())
    assert counters(create(client, warm_body(model=NEW_MODEL)))[:2] == (0, SYSTEM_TOKENS)


def test_workspaces_do_not_share_entries(client: anthropic.Anthropic) -> None:
    """A prefix warmed with a key of one workspace is cold for another workspace."""
    create(client, warm_body())
    other = client.with_options(api_key="sk-other")
    assert counters(create(other, warm_body()))[:2] == (0, SYSTEM_TOKENS)


def test_the_order_of_json_keys_matters(client: anthropic.Anthropic) -> None:
    """The same tool with its keys in another order is another prefix."""
    straight = tool("weather", cache_control=MARKER)
    turned = dict(reversed(straight.items()))
    create(client, warm_body(system=None, tools=[straight]))
    read, created, _ = counters(create(client, warm_body(system=None, tools=[turned])))
    assert (read, created) == (0, tokens_of(turned))


def test_a_nested_key_order_matters_too(client: anthropic.Anthropic) -> None:
    """Two keys exchanged deep inside an input schema lose the tools tier."""
    straight = tool("weather", cache_control=MARKER)
    turned = {**straight, "input_schema": dict(reversed(straight["input_schema"].items()))}
    create(client, warm_body(system=None, tools=[straight]))
    assert counters(create(client, warm_body(system=None, tools=[turned])))[0] == 0


def test_one_changed_byte_loses_the_prefix(client: anthropic.Anthropic) -> None:
    """A timestamp in a system prompt is a cold cache every time."""
    create(client, warm_body())
    changed = warm_body(system=[text(LONG_TEXT + "!", cache_control=MARKER)])
    assert counters(create(client, changed))[0] == 0


def test_a_system_string_and_its_single_block_are_one_prefix(client: anthropic.Anthropic) -> None:
    """Automatic caching behind a system string writes what a request with the block form reads."""
    first = create(client, warm_body(system=LONG_TEXT, cache_control=MARKER))
    assert counters(first)[1] == SYSTEM_TOKENS + PLACEHOLDER_TOKENS
    second = create(client, warm_body(system=[text(LONG_TEXT)], cache_control=MARKER))
    assert counters(second) == (SYSTEM_TOKENS + PLACEHOLDER_TOKENS, 0, 0)


def test_a_message_string_and_its_single_block_are_one_prefix(client: anthropic.Anthropic) -> None:
    """A message content given as a string caches as the block it stands for."""
    as_block = {"role": "user", "content": [text(LONG_TEXT, cache_control=MARKER)]}
    create(client, warm_body(system=None, messages=[as_block]))
    as_string = {"role": "user", "content": LONG_TEXT}
    message = create(client, warm_body(system=None, messages=[as_string], cache_control=MARKER))
    assert counters(message)[:2] == (SYSTEM_TOKENS, 0)


@pytest.mark.parametrize(
    ("model", "minimum"), [("claude-opus-5-5", 512), ("claude-sonnet-4-6", 1024), ("claude-haiku-4-5", 4096)]
)
def test_below_the_minimum_there_is_silence(
    api: LocalMessagesApi, client: anthropic.Anthropic, model: str, minimum: int
) -> None:
    """One token below a model's minimum: no error, no entry, both counters 0; at the minimum: a write."""
    overhead = tokens_of(text(""))
    below = text("x" * (4 * (minimum - 1 - overhead)), cache_control=MARKER)
    assert tokens_of(below) == minimum - 1
    message = create(client, warm_body(model=model, system=[below]))
    assert counters(message) == (0, 0, minimum - 1 + PLACEHOLDER_TOKENS)
    assert api.entries() == ()
    enough = text("x" * (4 * (minimum - overhead)), cache_control=MARKER)
    assert counters(create(client, warm_body(model=model, system=[enough]))) == (0, minimum, PLACEHOLDER_TOKENS)


def test_without_a_marker_nothing_is_cached(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A long prompt without `cache_control` is plain input."""
    message = create(client, warm_body(system=[text(LONG_TEXT)]))
    assert counters(message) == (0, 0, SYSTEM_TOKENS + PLACEHOLDER_TOKENS)
    assert api.entries() == ()


def test_a_later_breakpoint_that_is_cold_is_written_on_top_of_a_read(client: anthropic.Anthropic) -> None:
    """Read and creation are both above 0 when a shorter prefix was alive: the rest is written."""
    create(client, warm_body())
    question = text("What about a long question? " * 40, cache_control=MARKER)
    message = create(client, warm_body(messages=[{"role": "user", "content": [question, text("And?")]}]))
    assert counters(message) == (SYSTEM_TOKENS, tokens_of(question), tokens_of(text("And?")))


def test_writes_are_split_by_the_ttl_of_the_breakpoint_that_ends_each_segment(
    client: anthropic.Anthropic,
) -> None:
    """A 1h tool and a 5m system prompt are counted apart in `cache_creation`."""
    body = warm_body(tools=[tool("a"), tool("b", cache_control=HOUR_MARKER)])
    created = create(client, body).usage.cache_creation
    assert created is not None
    assert created.ephemeral_1h_input_tokens == tokens_of(tool("a"), tool("b"))
    assert created.ephemeral_5m_input_tokens == SYSTEM_TOKENS


def test_automatic_caching_marks_the_last_block(client: anthropic.Anthropic) -> None:
    """Top-level `cache_control` writes up to the last block, and the next turn reads it from there."""
    turn = {"role": "user", "content": "First question"}
    create(client, warm_body(system=LONG_TEXT, messages=[turn], cache_control=MARKER))
    longer = [turn, {"role": "assistant", "content": "Answer"}, {"role": "user", "content": "Second question"}]
    message = create(client, warm_body(system=LONG_TEXT, messages=longer, cache_control=MARKER))
    assert counters(message) == (
        SYSTEM_TOKENS + tokens_of(text("First question")),
        tokens_of(text("Answer"), text("Second question")),
        0,
    )


def test_a_warm_call_with_automatic_caching_marks_the_placeholder_which_traffic_never_reads(
    client: anthropic.Anthropic,
) -> None:
    """Automatic caching is useless for warming: the entry ends in the placeholder."""
    create(client, warm_body(system=LONG_TEXT, cache_control=MARKER))
    traffic = warm_body(system=LONG_TEXT, messages=[{"role": "user", "content": "Real question"}], cache_control=MARKER)
    assert counters(create(client, traffic))[0] == 0


def test_count_tokens_counts_everything_and_caches_nothing(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """`count_tokens` returns the estimate of the whole prompt and leaves no entry."""
    count = client.messages.count_tokens(
        model=MODEL,
        system=[{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "."}],
    )
    assert count.input_tokens == SYSTEM_TOKENS + PLACEHOLDER_TOKENS
    assert api.entries() == ()


def test_the_beta_surface_of_the_sdk_is_the_same_api(client: anthropic.Anthropic) -> None:
    """`client.beta.messages` posts to `/v1/messages?beta=true` and is answered alike."""
    message = client.beta.messages.create(
        model=MODEL,
        max_tokens=0,
        system=[{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "."}],
    )
    assert message.usage.cache_creation_input_tokens == SYSTEM_TOKENS
