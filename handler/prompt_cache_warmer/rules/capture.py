"""Capture: the prefix a request shares with every other one, as the request of a target document.

Kept is what the API's key is made of and nothing else: tools and system (messages only when asked) up to the
last marked block, and the settings that are rendered into the prompt. A list of what is kept and not of what
is dropped, so that a field nobody knows yet cannot carry a user's data into a bucket; of what is kept, no
credential (``kept_fields``). Without a marker on tools or system all of both is taken to be shared, and a marker
is added, as for every target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.kept_fields import KeptFields
from prompt_cache_warmer.values.body import Block, Json, Tier, Ttl, marked_blocks
from prompt_cache_warmer.values.markers import MarkerOrigin, mark
from prompt_cache_warmer.values.prefix import (
    PER_REQUEST_FIELDS,
    RENDERED_SETTINGS,
    Fingerprint,
    fingerprint,
    shared_body,
)
from prompt_cache_warmer.values.problems import json_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIERS = ("tools", "system", "messages")
_SETTINGS = (*RENDERED_SETTINGS, "output_config", "output_format")
# What nobody misses: it is in no key of the prefix, or it was not asked for.
_EXPECTED_LOSSES = PER_REQUEST_FIELDS | {"messages", "tool_choice"}


@dataclass(frozen=True, slots=True)
class Captured:
    """What a request shares.

    Attributes:
        request: the ``request`` of a target document.
        fingerprint: the hash of its prefix, one per tier.
        end: the block it ends in, which carries a marker.
        origin: who put that marker there; where the request's author did not, real traffic needs it too.
        left_out: the places that were left out and might have been part of the key; never what stood there.
    """

    request: Json
    fingerprint: Fingerprint
    end: Block
    origin: MarkerOrigin
    left_out: tuple[str, ...]


def capture(
    body: Mapping[str, Any], betas: Sequence[str] = (), *, with_messages: bool = False, ttl: Ttl | None = None
) -> Captured | None:
    """Take the shared prefix out of a request.

    Args:
        body: a Messages API body.
        betas: the values of its ``anthropic-beta`` header.
        with_messages: whether the messages up to the last marked block are shared too.
        ttl: the time to live of every marker; as the request has it where it is None.

    Returns:
        The prefix, or None when there is nothing to cache.
    """
    fields = _TIERS if with_messages else _TIERS[:-1]
    kept = KeptFields()
    prompt = {field: body[field] for field in body if field in (*fields, "cache_control")}
    if "tools" in prompt:
        prompt["tools"] = kept.field("tools", prompt["tools"])
    if marked_blocks({field: prompt[field] for field in fields if field in prompt}):
        prompt.pop("cache_control", None)  # automatic caching marks the last message, which is the user's
    marked = mark(prompt)
    if marked is None:
        return None
    tiers = _up_to(marked.body, marked.end)
    if ttl is not None:
        tiers = _with_ttl(tiers, ttl)
    settings = {field: kept.field(field, body[field]) for field in body if field in _SETTINGS}
    if marked.end.tier is Tier.MESSAGES and "tool_choice" in body:  # it keys the messages and nothing before them
        settings["tool_choice"] = kept.field("tool_choice", body["tool_choice"])
    request = {**settings, **tiers}
    found = fingerprint(request, marked.end, betas)
    left_out = (*_left_out(body, request), *kept.left_out(request))
    return Captured(request, found, marked.end, marked.origin, left_out)


def _up_to(body: Mapping[str, Any], end: Block) -> Json:
    """Cut the tiers after a block; of messages only what the API has a meaning for."""
    if end.tier is Tier.MESSAGES:
        shared = shared_body(body, end)
        messages = [{"role": each["role"], "content": each["content"]} for each in shared["messages"]]
        return {**shared, "messages": messages}
    field, index = str(end.path[0]), int(end.path[1])
    before = {tier: body[tier] for tier in _TIERS[: end.tier] if tier in body}
    return {**before, field: body[field][: index + 1]}


def _with_ttl(tiers: Json, ttl: Ttl) -> Json:
    """Give every marker another time to live; what stands inside a block is left alone."""
    changed = {field: _remarked(value, ttl) for field, value in tiers.items() if field != "messages"}
    if "messages" in tiers:
        changed["messages"] = [
            {**message, "content": _remarked(message["content"], ttl)} for message in tiers["messages"]
        ]
    return changed


def _remarked(content: str | list[Json], ttl: Ttl) -> str | list[Json]:
    if isinstance(content, str):
        return content
    return [
        {**block, "cache_control": {**block["cache_control"], "ttl": ttl}} if block.get("cache_control") else block
        for block in content
    ]


def _left_out(body: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    found = [json_path((field,)) for field in body if field not in request and field not in _EXPECTED_LOSSES]
    for field in ("tools", "system"):
        kept = len(request.get(field, ()))
        if field in request and isinstance(body[field], list) and kept < len(body[field]):
            found.append(f"{json_path((field, kept))} and what follows")
    return found
