"""Usage as each provider words it, read into the engine's ``Usage``; dictionaries and objects alike.

======================= ======================================= ==================================================
provider                where it stands                         what is different
======================= ======================================= ==================================================
anthropic               ``usage``                               nothing: the engine's own shape
openai, chat            ``usage.prompt_tokens`` and details     ``prompt_tokens`` has the cached tokens in it
openai, responses       ``usage.input_tokens`` and details      the same, under other names
bedrock, Converse       ``usage.inputTokens``, ``cacheDetails`` camelCase; the writes' lifetimes in a list
bedrock, InvokeModel    ``usage`` of the parsed body            nothing
======================= ======================================= ==================================================

OpenAI names no writes, so none are made up: what was not read is plain input. Its answers name their service tier
beside their usage; what is not the default tier has prices of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl

Provider = Literal["anthropic", "openai", "bedrock"]
# What genai-prices calls them.
PRICED_AS: dict[Provider, str] = {"anthropic": "anthropic", "openai": "openai", "bedrock": "aws"}

NO_USAGE = Usage(is_reported=False)

_SNAKE_FIELDS = (
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("cache_creation", "speed"),
)
_SPLIT_FIELDS = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_CAMEL_FIELDS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails")
_OPENAI_FIELDS = (
    *("prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    *("input_tokens", "output_tokens", "input_tokens_details"),
)
_FIELDS: dict[Provider, tuple[str, ...]] = {
    "anthropic": _SNAKE_FIELDS,
    "openai": _OPENAI_FIELDS,
    "bedrock": (*_CAMEL_FIELDS, *_SNAKE_FIELDS),
}
# OpenAI's words for its plain prices; an answer under way still says "auto".
_PLAIN_TIERS = frozenset({"auto", "default"})
# Where an event of a stream carries usage: itself, a message's start, a response's end, Converse's last event.
_EVENT_PLACES = ("message", "response", "metadata")


def member(value: object, name: str) -> Any:  # noqa: ANN401 - any JSON value or object of an SDK
    """Look a public member up, in a dictionary or on an object; None where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def counts_of(answer: object, *, provider: Provider) -> dict[str, Any]:
    """Find the counts of an answer, an event of a stream or a usage object; nothing where there are none."""
    places = [answer, *(member(answer, name) for name in _EVENT_PLACES)]
    place, found = next(
        ((place, usage) for place in places if (usage := member(place, "usage")) is not None), (answer, answer)
    )
    counts = {name: member(found, name) for name in _FIELDS[provider]}
    counts = {name: value for name, value in counts.items() if value is not None}
    if counts and (tier := member(place, "service_tier")) is not None:
        counts["service_tier"] = tier  # no count, but it says what OpenAI's cost
    return counts


def usage_of(answer: object, *, provider: Provider, unsplit_ttl: Ttl) -> Usage:
    """Read the usage of an answer, or a usage object itself.

    Args:
        answer: what the provider answered: a dictionary, an object of its SDK, or our own ``Usage``.
        provider: whose shape it has.
        unsplit_ttl: the class of written tokens when the answer does not say it.

    Returns:
        Its tokens; ``is_reported`` is False when the answer carries no usage.

    Raises:
        ValueError: when a count is not a whole number of at least 0, or the parts exceed their sum.
    """
    if isinstance(answer, Usage):
        return answer
    counts = counts_of(answer, provider=provider)
    if not counts:
        return NO_USAGE
    if provider == "openai":
        return _from_openai(counts)
    is_camel = any(name in counts for name in _CAMEL_FIELDS)
    return Usage.from_api(_snake(counts) if is_camel else _split_read(counts), unsplit_ttl=unsplit_ttl)


def _split_read(counts: dict[str, Any]) -> dict[str, Any]:
    """Read the split off an SDK's object; a dictionary, and what is neither, stays for the engine to judge."""
    split = counts.get("cache_creation")
    if not any(hasattr(split, name) for name in _SPLIT_FIELDS):
        return counts
    return {**counts, "cache_creation": {name: member(split, name) for name in _SPLIT_FIELDS}}


def _snake(counts: Mapping[str, Any]) -> dict[str, Any]:
    details = counts.get("cacheDetails") or ()
    return {
        "input_tokens": counts.get("inputTokens"),
        "output_tokens": counts.get("outputTokens"),
        "cache_read_input_tokens": counts.get("cacheReadInputTokens"),
        "cache_creation_input_tokens": counts.get("cacheWriteInputTokens"),
        "cache_creation": {
            f"ephemeral_{member(each, 'ttl')}_input_tokens": member(each, "inputTokens") for each in details
        },
    }


def _from_openai(counts: Mapping[str, Any]) -> Usage:
    details = counts.get("prompt_tokens_details", counts.get("input_tokens_details"))
    usage = Usage.from_api(
        {
            "input_tokens": counts.get("prompt_tokens", counts.get("input_tokens")),
            "output_tokens": counts.get("completion_tokens", counts.get("output_tokens")),
            "cache_read_input_tokens": member(details, "cached_tokens"),
        },
        unsplit_ttl="5m",
    )
    if usage.read_tokens > usage.uncached_tokens:
        raise ValueError(f"usage says {usage.read_tokens} of {usage.uncached_tokens} input tokens were cached")
    tier = counts.get("service_tier")
    return replace(
        usage,
        uncached_tokens=usage.uncached_tokens - usage.read_tokens,
        service_tier=tier if isinstance(tier, str) and tier not in _PLAIN_TIERS else None,
    )
