"""Documents that refer to objects they may not refer to, or that are not there, and what is said of each."""

from __future__ import annotations

from prompt_cache_warmer.values.problems import ProblemCode as Code
from tests.document_cases import Case
from tests.documents import PROSE, Json, short_document, target_document, user

A_KEY = "it must be the key of an object of the same bucket that begins with 'prompts/', without '..' or '//'"


def _system(**block: object) -> Json:
    return target_document(request={"system": [block]})


def _message(**message: object) -> Json:
    return target_document(request={"system": PROSE, "messages": [message]})


def _refers(key: str) -> Case:
    shown = f"a name of {len(key):,} characters" if " " in key or len(key) > 60 else repr(key)
    message = f"text_from={shown} is not allowed; {A_KEY}"
    return Case(
        _system(type="text", text_from=key), Code.REFERENCE_NOT_ALLOWED, "$.request.system[0].text_from", message
    )


REFERENCES: dict[str, Case] = {
    "parent": _refers("prompts/../targets/a.json"),
    "here": _refers("prompts/./a.md"),
    "doubled slash": _refers("prompts//a.md"),
    "trailing slash": _refers("prompts/"),
    "nothing": _refers(""),
    "absolute": _refers("/prompts/a.md"),
    "url": _refers("https://example.com/prompts/a.md"),
    "s3 url": _refers("s3://bucket/prompts/a.md"),
    "other prefix": _refers("secrets/key.txt"),
    "prefix without its slash": _refers("prompts-old/a.md"),
    "prefix in capitals": _refers("Prompts/a.md"),
    "full-width prefix": _refers("\uff50rompts/a.md"),
    "backslash": _refers("prompts\\..\\a.md"),
    "backslash inside": _refers("prompts/..\\a.md"),
    "null character": _refers("prompts/a\x00.md"),
    "newline": Case(
        _system(type="text", text_from="prompts/a\n"),
        Code.REFERENCE_NOT_ALLOWED,
        "$.request.system[0].text_from",
        f"text_from=a name of 10 characters is not allowed; {A_KEY}",
    ),
    "right-to-left override": _refers("prompts/\u202edm.a"),
    "half a surrogate pair": _refers("prompts/\ud800"),
    "1,025 bytes": _refers("prompts/" + "a" * 1017),
    "1,026 bytes in 517 characters": _refers("prompts/" + "ä" * 509),
    "the prompt itself": _refers("You are a kind agent."),
    "no text": Case(
        _message(role="user", content=[{"type": "tool_result", "tool_use_id": "a", "content": [{"text_from": 7}]}]),
        Code.REFERENCE_NOT_ALLOWED,
        "$.request.messages[0].content[0].content[0].text_from",
        "text_from=7 must be text",
    ),
    "no text in a block": Case(
        _system(type="text", text_from=7),
        Code.WRONG_TYPE,
        "$.request.system[0].text_from",
        "text_from=a number must be text",
    ),
    "beside a text": Case(
        _system(type="text", text=PROSE, text_from="prompts/a.md"),
        Code.REFERENCE_NOT_ALLOWED,
        "$.request.system[0].text_from",
        "text_from stands beside text; write one of them",
        {"prompts/a.md": PROSE},
    ),
    "on a message": Case(
        _message(role="user", content="a", text_from="prompts/a.md"),
        Code.REFERENCE_NOT_ALLOWED,
        "$.request.messages[0].text_from",
        "text_from stands outside a text block; only a block of type 'text' can refer to an object",
        {"prompts/a.md": PROSE},
    ),
    "on a document's source": Case(
        _message(role="user", content=[{"type": "document", "source": {"type": "text", "text_from": "prompts/a.md"}}]),
        Code.REFERENCE_NOT_ALLOWED,
        "$.request.messages[0].content[0].source.text_from",
        "text_from stands outside a text block; only a block of type 'text' can refer to an object",
        {"prompts/a.md": PROSE},
    ),
    "missing": Case(
        _system(type="text", text_from="prompts/a.md"),
        Code.REFERENCE_MISSING,
        "$.request.system[0].text_from",
        "text_from='prompts/a.md': there is no such object",
        {"prompts/A.md": PROSE},
    ),
    "missing inside a tool result": Case(
        short_document(
            seed_messages=[
                user(
                    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text_from": "prompts/a"}]}
                )
            ]
        ),
        Code.REFERENCE_MISSING,
        "$.seed_messages[0].content[0].content[0].text_from",
        "text_from='prompts/a': there is no such object",
    ),
    "65 objects": Case(
        target_document(
            request={"system": [{"type": "text", "text_from": f"prompts/{number}"} for number in range(65)]}
        ),
        Code.REFERENCE_NOT_ALLOWED,
        "$",
        "65 different text_from keys; at most 64 are allowed",
        {f"prompts/{number}": PROSE for number in range(65)},
    ),
    "9 uses of a mebibyte": Case(
        target_document(request={"system": [{"type": "text", "text_from": "prompts/a"}] * 9}),
        Code.TOO_LARGE,
        "$",
        "8,388,708 bytes with every use of what it refers to; at most 8,388,608",
        {"prompts/a": "a" * 1_048_576},
    ),
}
