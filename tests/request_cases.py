"""Documents whose request has a broken shape, and what is said of each."""

from __future__ import annotations

from prompt_cache_warmer.values.problems import ProblemCode as Code
from tests.document_cases import Case
from tests.documents import PROSE, Json, short_document, target_document, text, tool


def _system(**block: object) -> Json:
    return target_document(request={"system": [block]})


def _marked(marker: object) -> Json:
    return _system(type="text", text=PROSE, cache_control=marker)


def _message(**message: object) -> Json:
    return target_document(request={"system": PROSE, "messages": [message]})


REQUESTS: dict[str, Case] = {
    "request as text": Case(
        target_document(request="Be brief."),
        Code.WRONG_TYPE,
        "$.request",
        "request=a string of 9 characters must be an object",
    ),
    "one system block": Case(
        target_document(request={"system": text(PROSE)}),
        Code.WRONG_TYPE,
        "$.request.system",
        "system=an object of 2 fields must be text or a list of blocks",
    ),
    "short form: one system block": Case(
        short_document(system_prompt=text(PROSE)),
        Code.WRONG_TYPE,
        "$.system_prompt",
        "system_prompt=an object of 2 fields must be text or a list of blocks",
    ),
    "text is a number": Case(
        _system(type="text", text=7), Code.WRONG_TYPE, "$.request.system[0].text", "text=a number must be text"
    ),
    "block without a type": Case(
        _system(text=PROSE), Code.MISSING_FIELD, "$.request.system[0].type", "type is missing"
    ),
    "block with an empty type": Case(
        _system(type=""),
        Code.NOT_ALLOWED,
        "$.request.system[0].type",
        "type='' is not allowed; allowed: at least 1 characters",
    ),
    "tools as an object": Case(
        target_document(request={"tools": {"a": 1}}),
        Code.WRONG_TYPE,
        "$.request.tools",
        "tools=an object of 1 fields must be a list",
    ),
    "a tool as text": Case(
        target_document(request={"tools": [tool(), "search"]}),
        Code.WRONG_TYPE,
        "$.request.tools[1]",
        "tools[1]=a string of 6 characters must be an object",
    ),
    "short form: a tool as text": Case(
        short_document(tools=["search"]),
        Code.WRONG_TYPE,
        "$.tools[0]",
        "tools[0]=a string of 6 characters must be an object",
    ),
    "a message as text": Case(
        target_document(request={"messages": ["Hello."]}),
        Code.WRONG_TYPE,
        "$.request.messages[0]",
        "messages[0]=a string of 6 characters must be an object",
    ),
    "message without content": Case(
        _message(role="user"), Code.MISSING_FIELD, "$.request.messages[0].content", "content is missing"
    ),
    "message with null content": Case(
        _message(role="user", content=None),
        Code.WRONG_TYPE,
        "$.request.messages[0].content",
        "content=null must be text or a list of blocks",
    ),
    "unknown role": Case(
        _message(role="asistant", content="a"),
        Code.NOT_ALLOWED,
        "$.request.messages[0].role",
        "role='asistant' is not allowed; allowed: 'user', 'assistant' or 'system'; did you mean 'assistant'?",
    ),
    "marker as text": Case(
        _marked("ephemeral"),
        Code.WRONG_TYPE,
        "$.request.system[0].cache_control",
        "cache_control=a string of 9 characters must be an object",
    ),
    "marker without a type": Case(
        _marked({"ttl": "1h"}), Code.MISSING_FIELD, "$.request.system[0].cache_control.type", "type is missing"
    ),
    "persistent marker": Case(
        _marked({"type": "persistent"}),
        Code.NOT_ALLOWED,
        "$.request.system[0].cache_control.type",
        "type='persistent' is not allowed; allowed: 'ephemeral'",
    ),
    "misspelt ttl": Case(
        _marked({"type": "ephemeral", "tll": "1h"}),
        Code.UNKNOWN_FIELD,
        "$.request.system[0].cache_control.tll",
        "unknown field 'tll'; did you mean 'ttl'?; allowed: type, ttl",
    ),
    "ttl of an hour in minutes": Case(
        _marked({"type": "ephemeral", "ttl": "60m"}),
        Code.NOT_ALLOWED,
        "$.request.system[0].cache_control.ttl",
        "ttl='60m' is not allowed; allowed: '5m' or '1h'",
    ),
    "ttl in seconds": Case(
        target_document(request={"system": PROSE, "cache_control": {"type": "ephemeral", "ttl": 300}}),
        Code.NOT_ALLOWED,
        "$.request.cache_control.ttl",
        "ttl=300 is not allowed; allowed: '5m' or '1h'",
    ),
    "thinking as text": Case(
        target_document(request={"system": PROSE, "thinking": "adaptive"}),
        Code.WRONG_TYPE,
        "$.request.thinking",
        "thinking='adaptive' must be an object",
    ),
    "budget of 0": Case(
        target_document(request={"system": PROSE, "thinking": {"type": "enabled", "budget_tokens": 0}}),
        Code.NOT_ALLOWED,
        "$.request.thinking.budget_tokens",
        "budget_tokens=0 is not allowed; allowed: at least 1",
    ),
    "format as text": Case(
        target_document(request={"system": PROSE, "output_config": {"format": "json"}}),
        Code.WRONG_TYPE,
        "$.request.output_config.format",
        "format=a string of 4 characters must be an object",
    ),
}
