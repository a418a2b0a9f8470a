"""A call's request as the cache sees it: which prompt it belongs to, and where it may read and write.

The prefix id groups the calls of one prompt: the engine's fingerprint of tools and system, up to the last marker
in them, on one model. Messages are left out of it, because a conversation's grow with every call; only
a request without tools and system goes by its messages, up to their first marker.

What a call may read is another matter, and exact: each marker has a fingerprint of its own, and the positions
before it count too, because the API looks back that far for an earlier write. OpenAI has no markers: what
calls share there is tools and system.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.library.tracking.bodies import betas_of, body_of, model_of
from prompt_cache_warmer.library.tracking.records import NO_PREFIX
from prompt_cache_warmer.values.body import DEFAULT_TTL, Block, Json, Tier, blocks, marked_blocks, marker_ttl
from prompt_cache_warmer.values.limits import LOOKBACK_POSITIONS
from prompt_cache_warmer.values.markers import mark
from prompt_cache_warmer.values.prefix import Fingerprint, estimate_tokens, fingerprint, fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.usage import Usage
    from prompt_cache_warmer.values.usage_shapes import Provider

_PREFIX_ID_CHARACTERS = 16  # 64 bits: no two prompts of one process share them
# A prefix inside a longer cached one was cached too if it is long enough for every model of the provider.
_SURELY_CACHED_TOKENS: dict[Provider, int] = {"anthropic": 4_096, "bedrock": 4_096, "openai": 1_024}


@dataclass(frozen=True, slots=True)
class Proof:
    """A prefix that a call's usage proves to be in the cache.

    Attributes:
        digest: the prefix and its model.
        tokens: how many tokens it has, at least.
        ttl: how long it was asked to live.
    """

    digest: str
    tokens: int
    ttl: Ttl


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker of a request.

    Attributes:
        digest: the prefix that ends there and its model.
        size: an estimate of its tokens.
        ttl: how long it asks it to live.
    """

    digest: str
    size: int
    ttl: Ttl


@dataclass(frozen=True, slots=True)
class TrackedRequest:
    """What is kept of one request: hashes and sizes, never its words, because a stream may be under way for long.

    Attributes:
        provider: whose API it goes to.
        model: the model's id, empty when it is not known.
        prefix_id: the prompt it belongs to.
        marks: its markers, in order.
        readable: the prefixes that the API looks for, from the longest on.
        size: an estimate of its tokens.
    """

    provider: Provider
    model: str = ""
    prefix_id: str = NO_PREFIX
    marks: tuple[Mark, ...] = ()
    readable: tuple[str, ...] = ()
    size: int = 0

    @property
    def ttl(self) -> Ttl:
        """The time to live of its last marker."""
        return self.marks[-1].ttl if self.marks else DEFAULT_TTL

    def proofs(self, usage: Usage) -> Iterator[Proof]:
        """Walk the prefixes that this request's usage proves to be in the cache."""
        if not usage.cached_tokens or not self.marks:
            return
        inner, whole_size, whole_tokens = self.marks[:-1], self.marks[-1].size, usage.cached_tokens
        if self.provider == "openai":  # it says how much was read, not where that ends
            inner, whole_size, whole_tokens = self.marks, self.size, usage.input_tokens
        else:
            yield Proof(self.marks[-1].digest, whole_tokens, self.ttl)
        for each in inner:
            tokens = int(whole_tokens * each.size / max(whole_size, 1) * 2 / 3)  # right within about a third
            if _SURELY_CACHED_TOKENS[self.provider] <= tokens <= usage.cached_tokens:
                yield Proof(each.digest, tokens, each.ttl)


def read_request(arguments: Mapping[str, Any], *, provider: Provider, prefix_id: str | None = None) -> TrackedRequest:
    """Read the keyword arguments of a call.

    Args:
        arguments: the arguments.
        provider: whose call it is.
        prefix_id: the caller's own name of the prompt, in place of the fingerprint.

    Raises:
        Exception: of any kind, when they are not what the API takes.
    """
    model = model_of(arguments)
    body = body_of(arguments, provider=provider)
    automatic = body.pop("cache_control", None)
    betas = betas_of(arguments)
    positions = tuple(blocks(body))
    end = _stable_end(body, is_automatic=automatic is not None)
    own_id = _digest(provider, model, fingerprint(*end, betas))[:_PREFIX_ID_CHARACTERS] if end else NO_PREFIX
    ends = dict(_ends(positions, automatic, provider))
    looked_for = _looked_for(ends)
    prefix = positions[: max(ends, default=-1) + 1]
    found = fingerprints(body, prefix, betas, at=set(looked_for))
    digests = {at: _digest(provider, model, each) for at, each in zip(sorted(looked_for), found, strict=True)}
    sizes = list(accumulate((estimate_tokens((position,)) for position in positions), initial=0))
    return TrackedRequest(
        provider=provider,
        model=model,
        prefix_id=prefix_id or own_id,
        marks=tuple(Mark(digests[at], sizes[at + 1], ttl) for at, ttl in ends.items()),
        readable=tuple(digests[at] for at in looked_for),
        size=sizes[-1],
    )


def _looked_for(ends: Iterable[int]) -> list[int]:
    """List where the prefixes end that the API looks for: before each marker, the last one first."""
    back = (range(end, max(-1, end - LOOKBACK_POSITIONS), -1) for end in sorted(ends, reverse=True))
    return list(dict.fromkeys(chain.from_iterable(back)))


def _ends(positions: tuple[Block, ...], automatic: Json | None, provider: Provider) -> Iterator[tuple[int, Ttl]]:
    if provider == "openai":
        shared = sum(position.tier is not Tier.MESSAGES for position in positions)
        if shared:
            yield shared - 1, DEFAULT_TTL
        return
    for index, position in enumerate(positions):
        is_last = index == len(positions) - 1
        ttl = marker_ttl(automatic) if automatic is not None and is_last else position.ttl
        if ttl is not None:
            yield index, ttl


def _stable_end(body: Json, *, is_automatic: bool) -> tuple[Json, Block] | None:
    """Find where the part ends that the calls of one prompt share; None where nothing can be cached."""
    shared = mark({name: value for name, value in body.items() if name != "messages"})
    if shared is not None:
        return shared.body, shared.end
    candidates = marked_blocks(body) or (list(blocks(body)) if is_automatic else [])
    return (body, candidates[0]) if candidates else None


def _digest(provider: str, model: str, found: Fingerprint) -> str:
    return hashlib.sha256(json.dumps([provider, model, *astuple(found)]).encode()).hexdigest()
