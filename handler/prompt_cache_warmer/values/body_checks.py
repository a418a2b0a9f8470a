"""What the API would refuse or silently not cache, found before the first call.

Source of every rule: the API's prompt caching documentation. Paths are those of the document, so
the short form's fields are named as the author wrote them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import (
    MAX_MARKERS,
    Block,
    Json,
    Tier,
    blocks,
    marked_blocks,
    marker_ttl,
    nested_blocks,
)
from prompt_cache_warmer.values.limits import LOOKBACK_POSITIONS, WORTH_WARMING_TOKENS, minimum_prefix
from prompt_cache_warmer.values.markers import MarkedBody, MarkerOrigin
from prompt_cache_warmer.values.problems import JsonPath, Problem, ProblemCode, json_path, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# A prefix that holds one of these was probably made for one request. Each pattern is linear and begins
# with a character that is rare in prose: megabytes of prompt are searched on every cold start.
_CHANGING = (
    ("a time stamp", re.compile(r"-\d\d-\d\d[T ]\d\d:\d\d")),
    ("a uuid", re.compile(r"-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")),
)
_DATED = re.compile(r"(?:current|today['\u2019]?s) (?:date|time)\b.{0,20}\d{4}")
_DATED_WORDS = ("current ", "today")
_SHORT_FORM = {"system": "system_prompt", "messages": "seed_messages"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a body stands in its document.

    Attributes:
        source: the object key or file.
        short_form: whether the author wrote the short form.
    """

    source: str
    short_form: bool

    def path(self, path: JsonPath) -> str:
        """Write a path of the body as a path of the document."""
        if not self.short_form:
            return json_path(("request", *path))
        return json_path((_SHORT_FORM.get(str(path[0]), path[0]), *path[1:]) if path else ())

    def problem(self, code: ProblemCode, path: JsonPath, message: str) -> Problem:
        """Make a problem at a path of the body."""
        return Problem(code, self.source, self.path(path), message)


def body_errors(body: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Report what the API would answer with an error."""
    for block in blocks(body):
        yield from _block_errors(block, place)
    yield from _marker_errors(body, place)
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled" and thinking.get("budget_tokens") is None:
        yield place.problem(
            ProblemCode.MISSING_FIELD,
            ("thinking", "budget_tokens"),
            "budget_tokens is missing; thinking.type 'enabled' needs it",
        )


def _block_errors(block: Block, place: Place) -> Iterator[Problem]:
    content = block.content
    kind = content.get("type")
    if kind == "text":
        if content.get("text") is None:
            message = "text is missing; a text block has text or text_from"
            yield place.problem(ProblemCode.MISSING_FIELD, (*block.path, "text"), message)
            return
        if not str(content["text"]).strip():
            yield place.problem(ProblemCode.BLANK_PROMPT, block.path, "the text is blank; the API refuses blank text")
    elif block.tier is Tier.SYSTEM:
        message = f"type={shown(kind)} is not allowed in a system prompt; allowed: 'text'"
        yield place.problem(ProblemCode.NOT_ALLOWED, (*block.path, "type"), message)
    if block.marker is not None and not block.is_markable:
        message = f"{_unmarkable(block)} cannot carry cache_control; mark a text, tool or tool_result block instead"
        yield place.problem(ProblemCode.MARKER_MISPLACED, (*block.path, "cache_control"), message)
    for path in () if block.tier is Tier.TOOLS else _nested_markers(content):
        message = "a block inside a block cannot carry cache_control; mark the outer block instead"
        yield place.problem(ProblemCode.MARKER_MISPLACED, (*block.path, *path), message)


def _unmarkable(block: Block) -> str:
    if block.is_deferred:
        return "a tool with defer_loading"
    return "an empty text block" if block.content.get("type") == "text" else f"a {block.content['type']} block"


def _nested_markers(content: Json) -> Iterator[JsonPath]:
    """Find markers on sub-blocks; a tool's schema and a tool call's input are free JSON and are left alone."""
    for path, inner in nested_blocks(content):
        if inner.get("cache_control") is not None:
            yield (*path, "cache_control")


def _marker_errors(body: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    marked = marked_blocks(body)
    automatic: Json | None = body.get("cache_control")
    count = len(marked) + (automatic is not None)
    if count > MAX_MARKERS:
        also = " (automatic caching uses one)" if automatic is not None else ""
        beyond = marked[MAX_MARKERS].path if len(marked) > MAX_MARKERS else ("cache_control",)
        message = f"{count} cache_control markers{also}; at most {MAX_MARKERS} are allowed in all"
        yield place.problem(ProblemCode.TOO_MANY_MARKERS, beyond, message)
    order = [((*block.path, "cache_control"), block.ttl) for block in marked]
    if automatic is not None:
        order.append((("cache_control",), marker_ttl(automatic)))
    five_minutes_at: JsonPath | None = None
    for path, ttl in order:
        if ttl == "1h" and five_minutes_at is not None:
            message = f"ttl='1h' comes after the 5m marker at {place.path(five_minutes_at)}; 1h markers come first"
            yield place.problem(ProblemCode.MARKER_ORDER, path, message)
            break
        if ttl == "5m" and five_minutes_at is None:
            five_minutes_at = path
    last = next(iter(reversed(list(blocks(body)))), None)
    if automatic is not None and last is not None and last.ttl not in (None, marker_ttl(automatic)):
        message = f"automatic caching asks for ttl={marker_ttl(automatic)!r} on a block already marked {last.ttl!r}"
        yield place.problem(ProblemCode.MARKER_ORDER, ("cache_control",), message)


def prefix_warnings(
    original: Mapping[str, Any],
    marked: MarkedBody,
    prefix: Sequence[Block],
    place: Place,
    *,
    models: Sequence[str],
    prefix_tokens: int,
) -> Iterator[Problem]:
    """Report what the API would accept and yet not cache, or not for long, or not for real traffic."""
    end = _as_written(original, marked.end.path)
    where = place.path(end)
    if marked.origin is MarkerOrigin.ADDED:
        message = f"no cache_control marker found; one is added at {where}: real traffic hits only with its own there"
        yield place.problem(ProblemCode.MARKER_ADDED, end, message)
    if marked.origin is MarkerOrigin.AUTOMATIC:
        message = (
            f"only automatic caching: real traffic finds the warmed entry at {where} only within "
            f"{LOOKBACK_POSITIONS} blocks; put an explicit marker there in the application too"
        )
        yield place.problem(ProblemCode.AUTOMATIC_CACHING, ("cache_control",), message)
    for code, message in _size_warnings(models, prefix_tokens):
        yield place.problem(code, end, message)
    for block in prefix:
        what = changing_text(str(block.content.get("text") or block.content.get("description") or ""))
        if what is not None:
            message = f"the prefix holds {what}: if it differs by request, real traffic never hits this entry"
            yield place.problem(ProblemCode.CHANGING_TEXT, _as_written(original, block.path), message)
    if marked.end.tier is Tier.MESSAGES and not place.short_form:  # the short form's own messages are all sent
        cut = list(blocks(original))[len(prefix) :]
        if _has_image(cut) and not _has_image(prefix):
            message = "images stand after the prefix: with them the API keys the messages differently"
            yield place.problem(ProblemCode.IMAGES_CUT, ("messages",), message)


def _as_written(original: Mapping[str, Any], path: JsonPath) -> JsonPath:
    """Say where a block stands in the author's body, which may have a bare string in its place."""
    return path[:1] if isinstance(original.get(str(path[0])), str) else path


def changing_text(text: str) -> str | None:
    """Name what a text holds that probably differs from request to request; None where nothing is recognised."""
    found = next((what for what, pattern in _CHANGING if pattern.search(text)), None)
    if found is not None:
        return found
    lowered = text.lower()
    if any(word in lowered for word in _DATED_WORDS) and _DATED.search(lowered):
        return "today's date"
    return None


def _size_warnings(models: Sequence[str], prefix_tokens: int) -> Iterator[tuple[ProblemCode, str]]:
    size = f"about {prefix_tokens:,} tokens (estimate)"
    too_short = False
    for model in models:
        minimum = minimum_prefix(model)
        if minimum is None:
            continue
        if prefix_tokens < minimum.tokens:
            too_short = True
            message = (
                f"{size}; {model} caches from {minimum.tokens:,}, below it the API caches nothing and says nothing"
            )
            yield ProblemCode.BELOW_MINIMUM, message
        elif minimum.disputed_tokens is not None and prefix_tokens < minimum.disputed_tokens:
            message = (
                f"{size}; {model} is documented to cache from {minimum.tokens:,}, "
                f"third parties measured {minimum.disputed_tokens:,}"
            )
            yield ProblemCode.MINIMUM_DISPUTED, message
    if not too_short and prefix_tokens < WORTH_WARMING_TOKENS:
        yield ProblemCode.HARDLY_WORTH_IT, f"{size}; under {WORTH_WARMING_TOKENS:,} it is hardly worth warming"


def _has_image(found: Sequence[Block]) -> bool:
    return any(
        content.get("type") == "image"
        for block in found
        for content in (block.content, *(inner for _, inner in nested_blocks(block.content)))
    )
