"""What the emulator refuses, with the status and the words of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api.validation import MESSAGE_FIELDS
from tests.infra.messages_api.messages_api_bodies import (
    MARKER,
    MODEL,
    PLACEHOLDER,
    create,
    send_raw,
    text,
    warm_body,
)

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi

CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "a", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}]}
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}


def say(*messages: Any) -> dict[str, Any]:
    """Make a request with these messages."""
    return warm_body(messages=list(messages))


def thinking(max_tokens: int, **config: Any) -> dict[str, Any]:
    """Make a request with manual thinking."""
    return warm_body(max_tokens=max_tokens, thinking={"type": "enabled", **config})


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no model", warm_body(model=None), "model: Field required"),
    ("empty model", warm_body(model=""), "model: String should have at least 1 character"),
    ("no messages", warm_body(messages=None), "messages: Field required"),
    ("empty messages", say(), "messages: at least one message is required"),
    ("messages no list", warm_body(messages="hi"), "messages: Input should be a valid list"),
    ("message no object", say("hi"), "messages.0: Input should be a valid dictionary"),
    ("unknown role", say({"role": "robot", "content": "hi"}), "messages.0.role"),
    ("no content", say({"role": "user"}), "messages.0.content: Input should be"),
    ("empty content", say({"role": "user", "content": []}), "must have non-empty content"),
    ("untyped block", say({"role": "user", "content": [{"text": "x"}]}), "content block with a type"),
    ("text block without text", say({"role": "user", "content": [{"type": "text"}]}), "text: Field required"),
    ("blank user text", say({"role": "user", "content": "  \n"}), "must contain non-whitespace text"),
    ("empty user text", say({"role": "user", "content": ""}), "must contain non-whitespace text"),
    ("blank user block", say({"role": "user", "content": [text(" ")]}), "must contain non-whitespace text"),
    ("blank system block", warm_body(system=[text(" ")]), "system.0: text content blocks must contain"),
    ("system no text block", warm_body(system=[{"type": "image"}]), "system.0: Input should be a text block"),
    ("system no string", warm_body(system=5), "system: Input should be a valid string"),
    ("tools no list", warm_body(tools={}, system=None) | {"tools": {"a": 1}}, "tools: Input should be"),
    ("unknown field", warm_body(prompt="x"), "prompt: Extra inputs are not permitted"),
    ("no max_tokens", warm_body(max_tokens=None), "max_tokens: Field required"),
    ("negative max_tokens", warm_body(max_tokens=-1), "max_tokens: must be greater than or equal to 0"),
    ("fractional max_tokens", warm_body(max_tokens=1.5), "max_tokens: Input should be a valid integer"),
    ("boolean max_tokens", warm_body(max_tokens=True), "max_tokens: Input should be a valid integer"),
    ("prewarm that streams", warm_body(stream=True), "max_tokens: 0 cannot be combined with `stream: true`"),
    ("prewarm that thinks", thinking(0, budget_tokens=1024), "max_tokens: 0 cannot be combined with `thinking"),
    (
        "prewarm with a format",
        warm_body(output_config={"format": FORMAT}),
        "max_tokens: 0 cannot be combined with `output_config.format`",
    ),
    (
        "prewarm with any tool",
        warm_body(tool_choice={"type": "any"}),
        'max_tokens: 0 cannot be combined with `tool_choice.type: "any"`',
    ),
    (
        "prewarm with one tool",
        warm_body(tool_choice={"type": "tool", "name": "a"}),
        'max_tokens: 0 cannot be combined with `tool_choice.type: "tool"`',
    ),
    ("thinking without budget", thinking(4096), "budget_tokens: Field required"),
    ("thinking budget too small", thinking(4096, budget_tokens=1023), "greater than or equal to 1024"),
    ("thinking budget not below max", thinking(2048, budget_tokens=2048), "`max_tokens` must be greater than"),
    ("unknown thinking", warm_body(thinking={"type": "hard"}), "thinking.type: Input should be"),
    ("thinking no object", warm_body(thinking="on"), "thinking: Input should be a valid dictionary"),
    ("unknown effort", warm_body(output_config={"effort": "huge"}), "output_config.effort"),
    ("unknown tool choice", warm_body(tool_choice={"type": "some"}), "tool_choice.type"),
    ("unknown speed", warm_body(speed="slow"), "speed: Input should be 'standard' or 'fast'"),
    ("unknown service tier", warm_body(service_tier="gold"), "service_tier"),
    ("stream no boolean", warm_body(stream="yes"), "stream: Input should be a valid boolean"),
    ("diagnostics no object", warm_body(diagnostics="x"), "diagnostics: Input should be"),
    ("diagnostics field", warm_body(diagnostics={"id": "x"}), "diagnostics.id: Extra inputs"),
    ("diagnostics id", warm_body(diagnostics={"previous_message_id": 5}), "diagnostics.previous_message_id"),
    ("call without result", say(CALL, PLACEHOLDER), "messages.0: `tool_use` ids were found without"),
    ("call at the end", say(PLACEHOLDER, CALL), "messages.1: `tool_use` ids were found without"),
    ("result without call", say(RESULT), "messages.0: unexpected `tool_use_id` found in `tool_result` blocks"),
    ("result a turn late", say(CALL, RESULT, {"role": "assistant", "content": "ok"}, RESULT), "messages.3"),
]


@pytest.mark.parametrize(("body", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_request_against_the_rules_is_refused(
    client: anthropic.Anthropic, body: dict[str, Any], message: str
) -> None:
    """400 `invalid_request_error` in the API's shape, with a message that names the field."""
    with pytest.raises(anthropic.BadRequestError) as refusal:
        create(client, body)
    assert refusal.value.type == "invalid_request_error"
    assert message in str(refusal.value.api_message)
    assert refusal.value.error_code is None


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("prewarm with adaptive thinking", warm_body(thinking={"type": "adaptive"})),
    ("prewarm with disabled thinking", warm_body(thinking={"type": "disabled"})),
    ("prewarm with tool choice auto", warm_body(tool_choice={"type": "auto"})),
    ("prewarm with effort", warm_body(output_config={"effort": "high"})),
    ("prewarm that says it does not stream", warm_body(stream=False)),
    ("thinking within its budget", thinking(2048, budget_tokens=1024)),
    ("one token with a format", warm_body(max_tokens=1, output_config={"format": FORMAT})),
    ("an empty system string", warm_body(system="")),
    ("a call and its result", say(CALL, RESULT)),
    ("a result split over two messages of one turn", say(CALL, PLACEHOLDER, RESULT)),
    ("a system message between call and result", say(CALL, {"role": "system", "content": "Brief."}, RESULT)),
    ("a conversation that ends with the assistant", say(PLACEHOLDER, {"role": "assistant", "content": "I"})),
]


@pytest.mark.parametrize("body", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_a_request_within_the_rules_is_answered(client: anthropic.Anthropic, body: dict[str, Any]) -> None:
    """What is close to a rule but within it gets a message."""
    assert create(client, body).type == "message"


def test_every_field_of_the_sdk_is_known() -> None:
    """The stable and beta parameters of the SDK are all accepted, so that the SDK can send what it can."""
    headers = {"betas", "user_profile_id", "workspace_id"}  # these travel as headers
    stable = anthropic.types.message_create_params.MessageCreateParamsBase.__annotations__
    beta = anthropic.types.beta.message_create_params.MessageCreateParamsBase.__annotations__
    assert (set(stable) | set(beta)) - headers <= MESSAGE_FIELDS


def test_the_real_fields_outside_the_cache_are_accepted_without_a_beta_header(
    client: anthropic.Anthropic,
) -> None:
    """Sampling, metadata and the beta-only fields pass, whether or not a beta header is present."""
    body = warm_body(
        temperature=0.3,
        top_p=0.9,
        top_k=5,
        metadata={"user_id": "u"},
        stop_sequences=["END"],
        container="c",
        context_management={"edits": []},
        mcp_servers=[],
        user_profile_id="p",
        inference_geo="us",
    )
    assert create(client, body).stop_reason == "max_tokens"


def test_a_provider_that_refuses_zero_names_the_smallest_value(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """With `refuses_zero` set, 0 is a 400 and 1 is answered with one output token."""
    api.refuses_zero = True
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: must be greater than or equal to 1"):
        create(client, warm_body())
    assert create(client, warm_body(max_tokens=1)).usage.output_tokens == 1


def test_an_unknown_model_is_not_found(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A model outside `models` answers 404 `not_found_error`, on both endpoints."""
    api.models = frozenset({MODEL})
    create(client, warm_body())
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        body = warm_body(model="claude-1")
        if path.endswith("count_tokens"):
            del body["max_tokens"]
        with pytest.raises(anthropic.NotFoundError) as refusal:
            client.post(path, cast_to=object, body=body)
        assert (refusal.value.type, refusal.value.api_message) == ("not_found_error", "model: claude-1")


def test_count_tokens_takes_no_max_tokens(client: anthropic.Anthropic) -> None:
    """The counting endpoint knows its own fields only, and checks the rest by the same rules."""
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs are not permitted"):
        client.post("/v1/messages/count_tokens", cast_to=object, body=warm_body())
    blocks: Any = [text(f"{number}", cache_control=MARKER) for number in range(5)]
    with pytest.raises(anthropic.BadRequestError, match="A maximum of 4 blocks"):
        client.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": blocks}])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b'{"model": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(api: LocalMessagesApi, content: bytes) -> None:
    """Broken JSON, other JSON and JSON too deep to parse are 400, never a crash."""
    answer = send_raw(api, content)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_lone_surrogate_does_not_break_the_server(api: LocalMessagesApi) -> None:
    """JSON may carry half a surrogate pair; it is hashed like any other text."""
    content = r'{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"\ud800"}]}'
    assert send_raw(api, content).status_code == 200


def test_a_body_over_32_mb_is_too_large(client: anthropic.Anthropic) -> None:
    """413 `request_too_large`."""
    with pytest.raises(anthropic.ContentTooLargeError) as refusal:
        create(client, say({"role": "user", "content": "x" * (32 * 1024 * 1024)}))
    assert refusal.value.body["error"]["type"] == "request_too_large"  # type: ignore[index]  # the SDK types it as object
