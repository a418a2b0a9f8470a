"""Usage in every provider's words."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from prompt_cache_warmer.library.tracking.records import Standing
from prompt_cache_warmer.library.tracking.tracker import CacheTracker
from prompt_cache_warmer.values.usage import Usage
from prompt_cache_warmer.values.usage_shapes import NO_USAGE, Provider, usage_of
from tests.fakes import FakeClock
from tests.tracker_cases import usage

SPLIT = SimpleNamespace(ephemeral_5m_input_tokens=30, ephemeral_1h_input_tokens=70)


@pytest.mark.parametrize(
    ("provider", "answer", "expected"),
    [
        (
            "anthropic",
            {"usage": usage(read=1, wrote=20, wrote_1h=300, plain=4_000, output=50_000)},
            Usage(4_000, 1, 20, 300, 50_000),
        ),
        (
            "anthropic",
            SimpleNamespace(
                usage=SimpleNamespace(
                    input_tokens=5,
                    output_tokens=6,
                    cache_read_input_tokens=None,
                    cache_creation_input_tokens=100,
                    cache_creation=SPLIT,
                    speed="fast",
                )
            ),
            Usage(5, 0, 30, 70, 6, speed="fast"),
        ),
        ("anthropic", {"input_tokens": 0}, Usage()),
        ("anthropic", {"cache_creation_input_tokens": 9}, Usage(write_1h_tokens=9, is_split=False)),
        ("anthropic", Usage(read_tokens=7), Usage(read_tokens=7)),
        (
            "openai",
            {
                "usage": {
                    "prompt_tokens": 2_000,
                    "completion_tokens": 9,
                    "prompt_tokens_details": {"cached_tokens": 1_536},
                }
            },
            Usage(464, 1_536, 0, 0, 9),
        ),
        (
            "openai",
            SimpleNamespace(
                usage=SimpleNamespace(
                    input_tokens=2_000, output_tokens=9, input_tokens_details=SimpleNamespace(cached_tokens=2_000)
                )
            ),
            Usage(0, 2_000, 0, 0, 9),
        ),
        ("openai", {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None}, Usage(5, 0, 0, 0, 1)),
        (
            "bedrock",
            {
                "usage": {
                    "inputTokens": 4_000,
                    "outputTokens": 50_000,
                    "totalTokens": 54_321,
                    "cacheReadInputTokens": 1,
                    "cacheWriteInputTokens": 320,
                    "cacheDetails": [{"ttl": "1h", "inputTokens": 300}, {"ttl": "5m", "inputTokens": 20}],
                }
            },
            Usage(4_000, 1, 20, 300, 50_000),
        ),
        ("bedrock", {"inputTokens": 5, "outputTokens": 6}, Usage(5, 0, 0, 0, 6)),
        ("bedrock", {"usage": {"cacheWriteInputTokens": 5}}, Usage(write_1h_tokens=5, is_split=False)),
        ("bedrock", {"usage": usage(read=8, plain=5)}, Usage(5, 8)),
        ("anthropic", {"usage": {"prompt_tokens": 5}}, NO_USAGE),
        ("openai", {"inputTokens": 5}, NO_USAGE),
        ("bedrock", {"body": object()}, NO_USAGE),
    ],
)
def test_usage_is_read_in_every_providers_words(provider: Provider, answer: object, expected: Usage) -> None:
    """cachebench: "Anthropic, OpenAI and Bedrock usage shapes": dictionaries and objects, responses and usages."""
    assert usage_of(answer, provider=provider, unsplit_ttl="1h") == expected


@pytest.mark.parametrize(
    ("provider", "answer"),
    [
        ("anthropic", {"cache_creation": 5}),
        ("anthropic", {"input_tokens": True}),
        ("openai", {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 6}}),
        ("openai", {"prompt_tokens": "5"}),
        ("bedrock", {"inputTokens": -5}),
        ("bedrock", {"cacheWriteInputTokens": 5, "cacheDetails": [{"ttl": "5m", "inputTokens": 6}]}),
    ],
)
def test_counts_that_make_no_sense_are_refused(provider: Provider, answer: object) -> None:
    """They are an error, never 0."""
    with pytest.raises(ValueError, match="usage"):
        usage_of(answer, provider=provider, unsplit_ttl="5m")


def test_openai_calls_cost_openai_prices() -> None:
    """GPT-5: 464 plain x 1.25 + 1,536 read x 0.125 + 9 out x 10 millionths, and no writes."""
    record = CacheTracker(provider="openai").record(
        {
            "model": "gpt-5",
            "usage": {
                "prompt_tokens": 2_000,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 1_536},
            },
        }
    )
    assert record.cost_usd == Decimal("0.000862")
    assert record.saved_usd == Decimal("0.001728")  # 1,536 x 1.125 millionths
    assert record.hit_ratio == 1.0


@pytest.mark.parametrize(
    ("model", "tier", "cost", "saved"),
    [
        # GPT-5, USD per million: 1.25 plain and 0.125 read; half of that in flex, twice that in priority
        ("gpt-5", None, "0.6875", "0.5625"),
        ("gpt-5", "default", "0.6875", "0.5625"),
        ("gpt-5", "auto", "0.6875", "0.5625"),
        ("gpt-5", "flex", "0.34375", "0.28125"),
        ("gpt-5", "priority", "1.375", "1.125"),
        ("gpt-5", "scale", None, None),  # paid in advance
        ("gpt-5-nano", "priority", None, None),  # nobody knows that price
        ("gpt-unheard-of", "flex", None, None),
    ],
)
def test_openais_tiers_have_prices_of_their_own(
    model: str, tier: str | None, cost: str | None, saved: str | None
) -> None:
    """The tier that served a call is its answer's; a tier without a known price has no cost, never the plain one."""
    used = {"prompt_tokens": 1_000_000, "prompt_tokens_details": {"cached_tokens": 500_000}}
    expected = (cost and Decimal(cost), saved and Decimal(saved))
    answer = {"id": "1", "model": model, "service_tier": tier, "usage": used}
    tracker = CacheTracker(provider="openai")
    record = tracker.record(answer)
    assert (record.cost_usd, record.saved_usd) == expected
    chat = [{"id": "1", "service_tier": tier, "usage": None}, answer]
    responses = [{"response": {"service_tier": "auto"}}, {"response": answer}]
    for events in (chat, responses):
        assert len(list(tracker.wrap(lambda events=events, **_: iter(events))(model=model))) == 2
        assert (tracker.history[-1].cost_usd, tracker.history[-1].saved_usd) == expected


def test_a_tier_without_counts_is_no_usage() -> None:
    """A stream that was not asked for its usage names the tier all the same."""
    assert usage_of({"id": "1", "service_tier": "flex"}, provider="openai", unsplit_ttl="5m") == NO_USAGE
    assert usage_of({"input_tokens": 5, "service_tier": "batch"}, provider="anthropic", unsplit_ttl="5m") == Usage(5)
    assert usage_of({"prompt_tokens": 5, "service_tier": 5}, provider="openai", unsplit_ttl="5m") == Usage(5)


def test_bedrock_calls_cost_bedrock_prices() -> None:
    """Sonnet 4.5 through a regional profile is a tenth dearer: 10,000 read cost 0.0033 USD, not 0.003."""
    request = {"modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "messages": []}
    record = CacheTracker(provider="bedrock").record({"usage": {"cacheReadInputTokens": 10_000}}, request=request)
    assert record.cost_usd == Decimal("0.0033")


CONVERSE: dict[str, Any] = {
    "modelId": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "system": [{"text": "You are brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
    "toolConfig": {"tools": [{"toolSpec": {"name": "search"}}, {"cachePoint": {"type": "default"}}]},
    "messages": [{"role": "user", "content": [{"text": "What now?"}]}],
}


def changed(**changes: Any) -> dict[str, Any]:
    """Return the Converse call with other arguments."""
    return {**CONVERSE, **changes}


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (changed(messages=[{"role": "user", "content": [{"text": "And now?"}]}]), True),
        (changed(inferenceConfig={"maxTokens": 5}), True),
        (changed(system=[{"text": "You are long."}, {"cachePoint": {"type": "default"}}]), False),
        (changed(toolConfig={"tools": [{"toolSpec": {"name": "fetch"}}, {"cachePoint": {"type": "default"}}]}), False),
        (changed(additionalModelRequestFields={"thinking": {"type": "adaptive"}}), False),
        (changed(modelId="anthropic.claude-haiku-4-5-20251001-v1:0"), False),
    ],
)
def test_a_converse_call_has_a_prefix(other: dict[str, Any], *, is_same: bool) -> None:
    """Its cache points end it, whatever follows in the messages."""
    tracker = CacheTracker(provider="bedrock")
    first, second = (tracker.record(request=request) for request in (CONVERSE, other))
    assert (first.prefix_id == second.prefix_id) is is_same


def test_a_converse_cache_point_says_how_long_its_prefix_lives() -> None:
    """After 50 minutes the prefix of a 1h point is still known; without a split its write costs an hour's."""
    clock = FakeClock()
    tracker = CacheTracker(provider="bedrock", clock=clock)
    written = tracker.record({"usage": {"cacheWriteInputTokens": 10_000}}, request=CONVERSE)
    clock.seconds = 3_000
    read = tracker.record({"usage": {"cacheReadInputTokens": 10_000}}, request=CONVERSE)
    assert (written.standing, read.standing) == (Standing.NEW, Standing.WARM)
    assert written.cost_usd == Decimal("0.066")  # 6.60 a million


def test_a_cache_point_in_the_messages_counts() -> None:
    """With the messages alone marked, a prompt is known by them, up to the first point."""
    content = [{"text": "A shared document."}, {"cachePoint": {"type": "default"}}, {"text": "What now?"}]
    other = [*content[:2], {"text": "And now?"}]
    tracker = CacheTracker(provider="bedrock", clock=FakeClock())
    used = {"usage": {"cacheWriteInputTokens": 10_000}}
    for each in (content, other):
        request = {
            "modelId": "m",
            "messages": [{"role": "user", "content": each}],
            "toolConfig": {"toolChoice": {"any": {}}},
        }
        tracker.record(used, request=request)
    assert [record.standing for record in tracker.history] == [Standing.NEW, Standing.WARM]
    nothing = tracker.record(used, request={"modelId": "m", "system": [{"cachePoint": {"type": "default"}}]})
    assert nothing.standing is Standing.UNKNOWN


def gpt(system: str = "You are brief. " * 400, question: str = "What now?", **more: Any) -> dict[str, Any]:
    """Return the arguments of a chat completion."""
    messages = [{"role": "developer", "content": system}, {"role": "user", "content": question}]
    return {"model": "gpt-5", "messages": messages, **more}


def chat(prompt: int, cached: int) -> dict[str, Any]:
    """Return the usage of a chat completion."""
    return {"prompt_tokens": prompt, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": cached}}


def test_openai_prompts_are_their_instructions_and_tools() -> None:
    """Chat and responses, as text or in parts; what follows the instructions is not part of them."""
    tracker = CacheTracker(provider="openai")
    requests = [
        gpt("Be kind."),
        gpt("Be kind.", "Something else."),
        {"model": "gpt-5", "instructions": "Be kind.", "input": "What now?"},
        {"model": "gpt-5", "messages": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}]},
        gpt("Be rude."),
        gpt("Be kind.", tools=[{"type": "function", "function": {"name": "search"}}]),
    ]
    ids = [tracker.record(request=request).prefix_id for request in requests]
    assert ids[0] == ids[1] == ids[2] == ids[3]
    assert len(set(ids)) == 3
    assert tracker.record(request={"model": "gpt-5", "input": "What now?"}).standing is Standing.UNKNOWN


def test_openai_has_cached_what_it_says_it_read() -> None:
    """A first call proves nothing, because it names no write; a read of the instructions does, for 5 minutes."""
    clock = FakeClock()
    tracker = CacheTracker(provider="openai", clock=clock)
    tracker.record(chat(1_800, 0), request=gpt())
    tracker.record(chat(1_800, 1_664), request=gpt())
    clock.seconds = 299
    tracker.record(chat(1_800, 0), request=gpt(question="And then?"))
    clock.seconds = 600
    tracker.record(chat(1_800, 0), request=gpt())
    standings = [record.standing for record in tracker.history]
    assert standings == [Standing.NEW, Standing.COLD, Standing.WARM, Standing.COLD]
    assert [record.is_miss for record in tracker.history] == [False, False, True, False]
    assert 1_024 <= tracker.history[2].expected_tokens <= 1_200


def test_openai_reads_too_short_for_the_instructions_prove_nothing() -> None:
    """Tools before them may have been read alone."""
    tracker = CacheTracker(provider="openai", clock=FakeClock())
    for _ in range(2):
        tracker.record(chat(1_800, 1_024), request=gpt())
    assert tracker.history[1].standing is Standing.COLD
