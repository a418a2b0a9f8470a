"""Requests the API would refuse or not cache, and what is said of each."""

from __future__ import annotations

from prompt_cache_warmer.values.problems import ProblemCode as Code
from tests.document_cases import Case
from tests.documents import (
    FIVE_MINUTES,
    ONE_HOUR,
    PICTURE,
    PROSE,
    Json,
    assistant,
    short_document,
    target_document,
    text,
    tool,
    user,
)

BLANK = "the text is blank; the API refuses blank text"
INNER = "a block inside a block cannot carry cache_control; mark the outer block instead"
OUTER = "cannot carry cache_control; mark a text, tool or tool_result block instead"


def _request(**request: object) -> Json:
    return target_document(request=request)


def _marks(count: int) -> list[Json]:
    return [text(f"{PROSE}{number}", cache_control=FIVE_MINUTES) for number in range(count)]


ERRORS: dict[str, Case] = {
    "blank system": Case(_request(system=" \n\t"), Code.BLANK_PROMPT, "$.request.system", BLANK),
    "empty system": Case(_request(system=""), Code.BLANK_PROMPT, "$.request.system", BLANK),
    "blank system block": Case(
        _request(system=[text(PROSE), text("\u00a0")]), Code.BLANK_PROMPT, "$.request.system[1]", BLANK
    ),
    "short form: blank": Case(short_document(system_prompt=" "), Code.BLANK_PROMPT, "$.system_prompt", BLANK),
    "blank message": Case(
        _request(system=PROSE, messages=[{"role": "user", "content": ""}]),
        Code.BLANK_PROMPT,
        "$.request.messages[0].content",
        BLANK,
    ),
    "short form: blank message": Case(
        short_document(seed_messages=[user(text(" "))]), Code.BLANK_PROMPT, "$.seed_messages[0].content[0]", BLANK
    ),
    "blank object": Case(
        _request(system=[{"type": "text", "text_from": "prompts/a.md"}]),
        Code.BLANK_PROMPT,
        "$.request.system[0]",
        BLANK,
        {"prompts/a.md": "\n"},
    ),
    "text block without text": Case(
        _request(system=[{"type": "text"}]),
        Code.MISSING_FIELD,
        "$.request.system[0].text",
        "text is missing; a text block has text or text_from",
    ),
    "text block with nulls": Case(
        short_document(system_prompt=[{"type": "text", "text": None, "text_from": None}]),
        Code.MISSING_FIELD,
        "$.system_prompt[0].text",
        "text is missing; a text block has text or text_from",
    ),
    "picture in the system prompt": Case(
        _request(system=[text(PROSE), PICTURE]),
        Code.NOT_ALLOWED,
        "$.request.system[1].type",
        "type='image' is not allowed in a system prompt; allowed: 'text'",
    ),
    "nothing": Case(
        _request(),
        Code.NOTHING_TO_CACHE,
        "$.request",
        "there is nothing to cache: no marked message, no system prompt and no tool",
    ),
    "empty lists": Case(
        _request(tools=[], system=[], messages=[]),
        Code.NOTHING_TO_CACHE,
        "$.request",
        "there is nothing to cache: no marked message, no system prompt and no tool",
    ),
    "unmarked messages": Case(
        _request(messages=[user(text(PROSE))], cache_control=FIVE_MINUTES),
        Code.NOTHING_TO_CACHE,
        "$.request",
        "there is nothing to cache: no marked message, no system prompt and no tool",
    ),
    "short form: unmarked messages": Case(
        short_document(system_prompt=None, seed_messages=[user(text(PROSE))]),
        Code.NOTHING_TO_CACHE,
        "$",
        "there is nothing to cache: no marked message, no system prompt and no tool",
    ),
    "deferred tools only": Case(
        short_document(system_prompt=None, tools=[tool(defer_loading=True)]),
        Code.NOTHING_TO_CACHE,
        "$",
        "there is nothing to cache: no marked message, no system prompt and no tool",
    ),
    "5 markers": Case(
        _request(tools=[tool(cache_control=FIVE_MINUTES)], system=_marks(4)),
        Code.TOO_MANY_MARKERS,
        "$.request.system[3]",
        "5 cache_control markers; at most 4 are allowed in all",
    ),
    "4 markers and automatic caching": Case(
        _request(system=_marks(4), cache_control=FIVE_MINUTES),
        Code.TOO_MANY_MARKERS,
        "$.request.cache_control",
        "5 cache_control markers (automatic caching uses one); at most 4 are allowed in all",
    ),
    "1h after 5m": Case(
        _request(tools=[tool(cache_control=FIVE_MINUTES)], system=[text(PROSE, cache_control=ONE_HOUR)]),
        Code.MARKER_ORDER,
        "$.request.system[0].cache_control",
        "ttl='1h' comes after the 5m marker at $.request.tools[0].cache_control; 1h markers come first",
    ),
    "short form: 1h after 5m": Case(
        short_document(
            system_prompt=[text(PROSE, cache_control={"type": "ephemeral", "ttl": "5m"})],
            seed_messages=[user(text(PROSE, cache_control=ONE_HOUR))],
        ),
        Code.MARKER_ORDER,
        "$.seed_messages[0].content[0].cache_control",
        "ttl='1h' comes after the 5m marker at $.system_prompt[0].cache_control; 1h markers come first",
    ),
    "automatic 1h after 5m": Case(
        _request(system=[text(PROSE, cache_control=FIVE_MINUTES), text(PROSE)], cache_control=ONE_HOUR),
        Code.MARKER_ORDER,
        "$.request.cache_control",
        "ttl='1h' comes after the 5m marker at $.request.system[0].cache_control; 1h markers come first",
    ),
    "automatic 5m on a 1h block": Case(
        _request(system=[text(PROSE, cache_control=ONE_HOUR)], cache_control=FIVE_MINUTES),
        Code.MARKER_ORDER,
        "$.request.cache_control",
        "automatic caching asks for ttl='5m' on a block already marked '1h'",
    ),
    "marked empty text": Case(
        _request(system=PROSE, messages=[user({"type": "thinking", "thinking": "a", "cache_control": FIVE_MINUTES})]),
        Code.MARKER_MISPLACED,
        "$.request.messages[0].content[0].cache_control",
        f"a thinking block {OUTER}",
    ),
    "marked deferred tool": Case(
        _request(tools=[tool(defer_loading=True, cache_control=FIVE_MINUTES)], system=PROSE),
        Code.MARKER_MISPLACED,
        "$.request.tools[0].cache_control",
        f"a tool with defer_loading {OUTER}",
    ),
    "marker inside a tool result": Case(
        _request(
            messages=[
                user(
                    {
                        "type": "tool_result",
                        "tool_use_id": "a",
                        "cache_control": FIVE_MINUTES,
                        "content": [text(PROSE, cache_control=FIVE_MINUTES)],
                    }
                )
            ]
        ),
        Code.MARKER_MISPLACED,
        "$.request.messages[0].content[0].content[0].cache_control",
        INNER,
    ),
    "thinking without a budget": Case(
        _request(system=PROSE, thinking={"type": "enabled", "budget_tokens": None}),
        Code.MISSING_FIELD,
        "$.request.thinking.budget_tokens",
        "budget_tokens is missing; thinking.type 'enabled' needs it",
    ),
}

# The prefixes below are as long as their warnings need: one token is four bytes.
WORTH = "word" * 5_000
ADDED = "no cache_control marker found; one is added at {}: real traffic hits only with its own there"
HARDLY = "about {} tokens (estimate); under 5,000 it is hardly worth warming"


def _marked(words: str, target_model: str = "claude-opus-4-8", **request: object) -> Json:
    return target_document(
        models=[target_model], request={"system": [text(words, cache_control=FIVE_MINUTES)], **request}
    )


WARNINGS: dict[str, Case] = {
    "no marker": Case(
        _request(system=[text("a"), text(WORTH)]),
        Code.MARKER_ADDED,
        "$.request.system[1]",
        ADDED.format("$.request.system[1]"),
    ),
    "no marker on a bare string": Case(
        _request(system=WORTH), Code.MARKER_ADDED, "$.request.system", ADDED.format("$.request.system")
    ),
    "short form: no marker": Case(
        short_document(system_prompt=WORTH), Code.MARKER_ADDED, "$.system_prompt", ADDED.format("$.system_prompt")
    ),
    "short form: no marker on tools": Case(
        short_document(system_prompt=None, tools=[tool(description=WORTH), tool(defer_loading=True)]),
        Code.MARKER_ADDED,
        "$.tools[0]",
        ADDED.format("$.tools[0]"),
    ),
    "only automatic caching": Case(
        _request(system=WORTH, cache_control=ONE_HOUR, messages=[user(text("a"))]),
        Code.AUTOMATIC_CACHING,
        "$.request.cache_control",
        "only automatic caching: real traffic finds the warmed entry at $.request.system only within 20 blocks; "
        "put an explicit marker there in the application too",
    ),
    "1 token below the minimum": Case(
        _marked("word" * 1_023),
        Code.BELOW_MINIMUM,
        "$.request.system[0]",
        "about 1,023 tokens (estimate); claude-opus-4-8 caches from 1,024, below it the API caches nothing and says "
        "nothing",
    ),
    "the minimum": Case(_marked("word" * 1_024), Code.HARDLY_WORTH_IT, "$.request.system[0]", HARDLY.format("1,024")),
    "1 token below what is worth it": Case(
        _marked("word" * 4_999, "a-model-nobody-knows"),
        Code.HARDLY_WORTH_IT,
        "$.request.system[0]",
        HARDLY.format("4,999"),
    ),
    "time stamp": Case(
        _marked(f"It is 2026-11-05T07:30:00Z. {WORTH}"),
        Code.CHANGING_TEXT,
        "$.request.system[0]",
        "the prefix holds a time stamp: if it differs by request, real traffic never hits this entry",
    ),
    "uuid in a tool": Case(
        _marked(WORTH, tools=[tool(), tool(description="Session 123E4567-e89b-12d3-a456-426614174000.")]),
        Code.CHANGING_TEXT,
        "$.request.tools[1]",
        "the prefix holds a uuid: if it differs by request, real traffic never hits this entry",
    ),
    "date in words": Case(
        _marked(f"Today\u2019s date is 5 November 2026. {WORTH}"),
        Code.CHANGING_TEXT,
        "$.request.system[0]",
        "the prefix holds today's date: if it differs by request, real traffic never hits this entry",
    ),
    "unknown request field": Case(
        _marked(WORTH, sytem="a"),
        Code.UNKNOWN_REQUEST_FIELD,
        "$.request.sytem",
        "request field 'sytem' is not known; did you mean 'system'?; it is sent as it is",
    ),
    "prose as a request field": Case(
        _marked(WORTH, **{"Be kind": "and brief"}),
        Code.UNKNOWN_REQUEST_FIELD,
        "$.request[a name of 7 characters]",
        "request field a name of 7 characters is not known; it is sent as it is",
    ),
    "another model pasted": Case(
        _request(model="claude-opus-5", system=[text(WORTH, cache_control=FIVE_MINUTES)]),
        Code.MODEL_NOT_LISTED,
        "$.request.model",
        "request.model='claude-opus-5' is not in models (claude-opus-4-8); models is what counts",
    ),
    "picture after the prefix": Case(
        _request(messages=[user(text(WORTH, cache_control=FIVE_MINUTES)), assistant(text("a")), user(PICTURE)]),
        Code.IMAGES_CUT,
        "$.request.messages",
        "images stand after the prefix: with them the API keys the messages differently",
    ),
    "picture in a tool result after the prefix": Case(
        _request(
            messages=[
                user(text(WORTH, cache_control=FIVE_MINUTES)),
                user({"type": "tool_result", "tool_use_id": "a", "content": [PICTURE]}),
            ]
        ),
        Code.IMAGES_CUT,
        "$.request.messages",
        "images stand after the prefix: with them the API keys the messages differently",
    ),
}
