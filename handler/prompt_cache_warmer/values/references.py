"""References: a block's text may stand in another object of the same bucket.

``{"type": "text", "text_from": "prompts/support.md"}`` keeps a megabyte prompt out of the JSON. Only
keys under one prefix are allowed: never another bucket, another prefix or a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import NESTING_FIELDS
from prompt_cache_warmer.values.problems import JsonPath, Problem, ProblemCode, json_path, named, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_REFERENCES = 64  # more would let one small document pull in a bucket
NOT_TEXT = "is not UTF-8 text"
_NOT_THERE = "there is no such object"
_MAX_KEY_BYTES = 1_024  # S3's own limit of a key


def find_references(value: object) -> tuple[str, ...]:
    """List the distinct keys a document's blocks refer to, in order of first use."""
    return tuple(dict.fromkeys(_uses(value)))


def repeated_bytes(value: object, texts: Mapping[str, str]) -> int:
    """Count the bytes that come of referring to an object again: each use is sent, each object is counted once."""
    sizes = {key: len(text.encode()) for key, text in texts.items()}
    uses = [sizes[key] for key in _uses(value) if key in sizes]
    return sum(uses) - sum(sizes[key] for key in find_references(value) if key in sizes)


def reference_problems(value: object, *, source: str, prompts_prefix: str) -> Iterator[Problem]:
    """Report every reference that leaves the prompts' prefix or stands where no text does, and too many of them."""
    for path, block in _referring(value):
        message = _refusal(path, block, prompts_prefix)
        if message is not None:
            yield Problem(ProblemCode.REFERENCE_NOT_ALLOWED, source, json_path((*path, "text_from")), message)
    count = len(find_references(value))
    if count > MAX_REFERENCES:
        message = f"{count} different text_from keys; at most {MAX_REFERENCES} are allowed"
        yield Problem(ProblemCode.REFERENCE_NOT_ALLOWED, source, "$", message)


def missing_references(
    value: object, texts: Mapping[str, str], *, lost: Mapping[str, str], source: str
) -> Iterator[Problem]:
    """Report every reference that ``texts`` does not hold, and why, as far as ``lost`` knows it."""
    for path, block in _referring(value):
        key = block["text_from"]
        if key not in texts:
            yield Problem(
                ProblemCode.REFERENCE_MISSING,
                source,
                json_path((*path, "text_from")),
                f"text_from={shown(key)}: {lost.get(key, _NOT_THERE)}",
            )


def resolve_references(content: object, texts: Mapping[str, str]) -> object:
    """Return content whose references are replaced, in place and in key order, by the text they refer to.

    Args:
        content: a system prompt or a list of messages without a problem of its references.
        texts: the text of every object it refers to, by key.
    """
    if isinstance(content, list):
        return [resolve_references(item, texts) for item in content]
    if not isinstance(content, dict):
        return content
    if "text_from" in content:
        return _with_text(content, texts)
    return {
        field: resolve_references(value, texts) if field in NESTING_FIELDS else value
        for field, value in content.items()
    }


def is_allowed(key: str, prompts_prefix: str) -> bool:
    """Tell whether a reference is the plain key of an object under the prompts' prefix, which is the operator's own."""
    return (
        key.isprintable()
        and key.startswith(prompts_prefix)
        and len(key.encode()) <= _MAX_KEY_BYTES
        and not {"", ".", ".."}.intersection(key.removeprefix(prompts_prefix).split("/"))
        and "\\" not in key
    )


def _with_text(block: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Put the text in the reference's place; a null on either side of the pair says nothing and goes."""
    key = block["text_from"]
    if key is None:
        return {field: value for field, value in block.items() if field != "text_from"}
    given = {field: value for field, value in block.items() if field != "text"}
    return {
        ("text" if field == "text_from" else field): (texts[key] if field == "text_from" else value)
        for field, value in given.items()
    }


def _refusal(path: JsonPath, block: Mapping[str, Any], prompts_prefix: str) -> str | None:
    key = block["text_from"]
    if not isinstance(key, str):
        return f"text_from={shown(key)} must be text"
    if block.get("type") != "text" or path[-1] == "source":
        return "text_from stands outside a text block; only a block of type 'text' can refer to an object"
    if block.get("text") is not None:
        return "text_from stands beside text; write one of them"
    if not is_allowed(key, prompts_prefix):
        return (
            f"text_from={named(key)} is not allowed; it must be the key of an object of the same bucket "
            f"that begins with {prompts_prefix!r}, without '..' or '//'"
        )
    return None


def _uses(value: object) -> Iterator[str]:
    return (block["text_from"] for _, block in _referring(value) if isinstance(block["text_from"], str))


def _referring(value: object) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Walk everything that refers to an object, in system prompts and messages and in the blocks inside them."""
    if not isinstance(value, dict):
        return
    request = value.get("request")
    if isinstance(request, dict):
        for field in ("system", "messages"):
            yield from _referring_in(("request", field), request.get(field))
    for field in ("system_prompt", "seed_messages"):
        yield from _referring_in((field,), value.get(field))


def _referring_in(path: JsonPath, content: object) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    if isinstance(content, list):
        for index, item in enumerate(content):
            yield from _referring_in((*path, index), item)
    elif isinstance(content, dict):
        if content.get("text_from") is not None:
            yield path, content
        for field in NESTING_FIELDS:
            yield from _referring_in((*path, field), content.get(field))
