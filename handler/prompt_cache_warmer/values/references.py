"""References: a block's text may stand in another object of the same bucket.

``{"type": "text", "text_from": "prompts/support.md"}`` keeps a megabyte prompt out of the JSON. Only
keys under one prefix are allowed: never another bucket, another prefix or a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.problems import JsonPath, Problem, ProblemCode, json_path, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_REFERENCES = 64  # more would let one small document pull in a bucket
_MAX_KEY_CHARACTERS = 1_024  # S3's own limit of a key


def find_references(value: object) -> tuple[str, ...]:
    """List the distinct keys a document's blocks refer to, in order of first use."""
    return tuple(
        dict.fromkeys(key for _, block in _text_blocks(value) if isinstance(key := block.get("text_from"), str))
    )


def reference_problems(value: object, *, source: str, prompts_prefix: str) -> Iterator[Problem]:
    """Report every reference that leaves the prompts' prefix, and too many of them."""
    for path, block in _text_blocks(value):
        key = block.get("text_from")
        if isinstance(key, str) and not _is_allowed(key, prompts_prefix):
            place = (*path, "text_from")
            yield Problem(
                ProblemCode.REFERENCE_NOT_ALLOWED,
                source,
                json_path(place),
                f"text_from={shown(key)} is not allowed; it must be the key of an object of the same bucket "
                f"that begins with {prompts_prefix!r}, without '..' or '//'",
            )
    if len(find_references(value)) > MAX_REFERENCES:
        yield Problem(
            ProblemCode.REFERENCE_NOT_ALLOWED,
            source,
            "$",
            f"{len(find_references(value))} different text_from keys; at most {MAX_REFERENCES} are allowed",
        )


def missing_references(value: object, texts: Mapping[str, str], *, source: str) -> Iterator[Problem]:
    """Report every reference that ``texts`` does not hold."""
    for path, block in _text_blocks(value):
        key = block.get("text_from")
        if isinstance(key, str) and key not in texts:
            yield Problem(
                ProblemCode.REFERENCE_MISSING,
                source,
                json_path((*path, "text_from")),
                f"text_from={shown(key)}: there is no such object, or it is not UTF-8 text",
            )


def resolve_references(content: object, texts: Mapping[str, str]) -> object:
    """Return content whose references are replaced, in place and in key order, by the text they refer to."""
    if isinstance(content, list):
        return [resolve_references(item, texts) for item in content]
    if not isinstance(content, dict):
        return content
    if isinstance(content.get("text_from"), str):
        return {
            ("text" if field == "text_from" else field): (texts[value] if field == "text_from" else value)
            for field, value in content.items()
        }
    if "content" in content:
        return {**content, "content": resolve_references(content["content"], texts)}
    return content


def _is_allowed(key: str, prompts_prefix: str) -> bool:
    parts = key.split("/")
    return (
        key.startswith(prompts_prefix)
        and len(key.encode()) <= _MAX_KEY_CHARACTERS
        and not {"", ".", ".."}.intersection(parts)
        and key.isprintable()
        and "\\" not in key
    )


def _text_blocks(value: object) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Walk the places where a reference may stand: system blocks and message content blocks."""
    if not isinstance(value, dict):
        return
    request = value.get("request")
    if isinstance(request, dict):
        yield from _blocks_of(("request", "system"), request.get("system"))
        yield from _message_blocks(("request", "messages"), request.get("messages"))
    yield from _blocks_of(("system_prompt",), value.get("system_prompt"))
    yield from _message_blocks(("seed_messages",), value.get("seed_messages"))


def _message_blocks(path: JsonPath, messages: object) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict):
            yield from _blocks_of((*path, index, "content"), message.get("content"))


def _blocks_of(path: JsonPath, content: object) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    for index, block in enumerate(content if isinstance(content, list) else ()):
        if isinstance(block, dict):
            yield (*path, index), block
