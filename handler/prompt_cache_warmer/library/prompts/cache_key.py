"""One key for one cached prefix, which every process computes alike without asking the API.

Two requests with the same key read the same cache entry. The key is made of the engine's own fingerprint,
so it follows what the API caches: tools, then system, then messages, up to the last marker, with
thinking, effort, betas and the other settings that are rendered into the prompt. It does not follow
markers and their ttl, a text against its one text block, what stands behind the last marker, or what
belongs to one request (``max_tokens``, ``temperature``, ``metadata``, ...).

Without any marker the key is of what a warm call would mark: all tools and all of the system prompt.
Messages that are not marked are in no key, because no other request shares them.

To the API the order of an object's keys matters. Processes that build the same tool in another order miss
each other's entries, so ``strict=True`` tells them apart; the default does not, which suits questions such
as "has the prompt changed?".
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.prompts.bodies import checked_body
from prompt_cache_warmer.values.document import MODEL_PATTERN
from prompt_cache_warmer.values.markers import mark
from prompt_cache_warmer.values.prefix import fingerprint
from prompt_cache_warmer.values.problems import named
from prompt_cache_warmer.values.validation import PATTERN_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.values.body import Json

KEY_PREFIX = "anthropic-cache"


def compute_cache_key(  # noqa: PLR0913 - one argument for each part of the API's own key
    request: Mapping[str, Any] | None = None,
    *,
    model: str | None = None,
    system: str | Sequence[Mapping[str, Any]] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    messages: Sequence[Mapping[str, Any]] | None = None,
    thinking: Mapping[str, Any] | None = None,
    effort: str | None = None,
    betas: Sequence[str] = (),
    workspace: str | None = None,
    region: str | None = None,
    strict: bool = False,
) -> str:
    """Compute the key of a request's cached prefix: ``anthropic-cache:{model}:sha256:{hex}``.

    Give either the request as the application sends it, or its parts.

    Args:
        request: a Messages API body.
        model: the model's id; not needed where the request has it.
        system: a text, or text blocks.
        tools: the tool definitions, in order.
        messages: the messages, in order; only what stands before the last marker counts.
        thinking: the request's ``thinking``.
        effort: the request's ``output_config.effort``.
        betas: the values of the ``anthropic-beta`` header; a set, so their order does not count.
        workspace: the workspace the credential belongs to: on the Claude API each has a cache of its own.
        region: the region that answers, where the cache is kept by region (Bedrock).
        strict: whether the order of an object's keys counts, as it does for the API.

    Returns:
        The key. A model id may hold colons, so split it from the right.

    Raises:
        ArgumentTypeError: when an argument has the wrong type or holds what is not JSON, with its place.
        ArgumentValueError: when there is no model or nothing to cache, when something is given twice, or
            for a value the API has no meaning for.
    """
    if not isinstance(strict, bool):
        raise ArgumentTypeError("strict", f"a value of type {type(strict).__name__} is not True or False")
    where = {"workspace": _word("workspace", workspace), "region": _word("region", region)}
    parts = {"system": system, "tools": tools, "messages": messages, "thinking": thinking, "effort": effort}
    given = {field: value for field, value in parts.items() if value is not None}
    if request is None:
        if "effort" in given:
            given["output_config"] = {"effort": _word("effort", given.pop("effort"))}
        body = checked_body(given, betas=betas)
    else:
        if given:
            raise ArgumentValueError(next(iter(given)), "stands beside request; give either the request or its parts")
        body = checked_body(request, within="request", betas=betas)
    model = _model(model, body)
    marked = mark(body)
    if marked is None:
        message = "there is nothing to cache: no marked message, no system prompt and no tool"
        raise ArgumentValueError("request", message)
    prefix = fingerprint(marked.body, marked.end, _betas(betas, body), sort_keys=not strict)
    return f"{KEY_PREFIX}:{model}:sha256:{_placed(prefix.combined, where)}"


def _placed(prefix: str, where: Mapping[str, str | None]) -> str:
    """Add where the cache is kept; without any place the hash is the engine's own of the prefix."""
    known = {field: name for field, name in where.items() if name is not None}
    return hashlib.sha256(json.dumps([prefix, known]).encode()).hexdigest() if known else prefix


def _model(model: object, body: Json) -> str:
    written: str | None = body.get("model")
    chosen = _word("model", written if model is None else model)
    if chosen is None:
        raise ArgumentValueError("model", "is missing; each model has a cache of its own: give model, or request.model")
    if written is not None and chosen != written:
        message = f"{named(chosen)} is not the request's own {named(written)}; give one of them"
        raise ArgumentValueError("model", message)
    if re.fullmatch(MODEL_PATTERN, chosen) is None:
        raise ArgumentValueError("model", f"{named(chosen)} is not {PATTERN_WORDS[MODEL_PATTERN]}")
    return chosen


def _betas(betas: Sequence[str], body: Json) -> Sequence[str]:
    written: Sequence[str] = body.get("betas", ())
    if betas and written:
        raise ArgumentValueError("betas", "stands in the request and beside it; give it once")
    return betas or written


def _word(argument: str, value: object) -> str | None:
    """Check an argument that is a word or nothing."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ArgumentTypeError(argument, f"a value of type {type(value).__name__} is not text")
    if not value.strip():
        raise ArgumentValueError(argument, "is blank; leave it out, or give its name")
    return str.__str__(value)  # of an enumeration's member the word it stands for
