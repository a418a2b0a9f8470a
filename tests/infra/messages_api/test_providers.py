"""Every client class of the SDK against the emulator: the provider's paths, bodies, credentials and streams."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import anthropic
import pytest

from infra.local.messages_api import Fault, LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import (
    KEY,
    LONG_TEXT,
    MARKER,
    MODEL,
    PLACEHOLDER,
    counters,
    send_raw,
    text,
    warm_body,
)
from tests.provider_clients import ASYNC_CLIENTS, SYNC_CLIENTS, ClientFactory

SYNC = pytest.mark.parametrize("factory", [pytest.param(make, id=name) for name, make in SYNC_CLIENTS])
ASYNC = pytest.mark.parametrize("factory", [pytest.param(make, id=name) for name, make in ASYNC_CLIENTS])

QUESTION: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 12,
    "system": [text(LONG_TEXT, cache_control=MARKER)],
    "messages": [PLACEHOLDER],
}
PREFIX_TOKENS = 2_107  # {"type":"text","text":"..."} around 8,400 bytes: 8,425 bytes by four, rounded up
PLAIN_TOKENS = 7  # {"type":"text","text":"."}: 26 bytes
VERSIONED = {"anthropic_version": "2026-10-21"}


def refused(answer: Any) -> str:
    """Read the message of a refusal, in whichever shape the provider has."""
    body: dict[str, Any] = answer.json()
    return str(body["message"] if "message" in body else body["error"]["message"])


@SYNC
def test_a_client_of_each_provider(api: LocalMessagesApi, factory: ClientFactory) -> None:
    """A client of each provider gets an answer it can read, and the same request again reads the cache."""
    with closing(factory(api.base_url)) as client:
        first, second = client.messages.create(**QUESTION), client.messages.create(**QUESTION)
    assert first.content[0].text.startswith("This is the local Messages API")
    assert (first.model, second.model) == (MODEL, MODEL)
    assert counters(first) == (0, PREFIX_TOKENS, PLAIN_TOKENS)
    assert counters(second) == (PREFIX_TOKENS, 0, PLAIN_TOKENS)


@ASYNC
async def test_an_async_client_of_each_provider(api: LocalMessagesApi, factory: ClientFactory) -> None:
    """The async form of each client gets the same."""
    async with factory(api.base_url) as client:
        first, second = await client.messages.create(**QUESTION), await client.messages.create(**QUESTION)
    assert first.content[0].text.startswith("This is the local Messages API")
    assert counters(first) == (0, PREFIX_TOKENS, PLAIN_TOKENS)
    assert counters(second) == (PREFIX_TOKENS, 0, PLAIN_TOKENS)


@SYNC
def test_a_stream_of_each_provider(api: LocalMessagesApi, factory: ClientFactory) -> None:
    """A client of each provider reads a stream to its end, Bedrock's binary one too."""
    with closing(factory(api.base_url)) as client, client.messages.stream(**QUESTION) as stream:
        words = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert words == "This is the local Messages API emulator, it answers always the same"
    assert counters(message) == (0, PREFIX_TOKENS, PLAIN_TOKENS)
    assert message.usage.output_tokens == 12


@ASYNC
async def test_an_async_stream_of_each_provider(api: LocalMessagesApi, factory: ClientFactory) -> None:
    """The async form of each client reads a stream to its end."""
    async with factory(api.base_url) as client, client.messages.stream(**QUESTION) as stream:
        message = await stream.get_final_message()
    assert message.usage.output_tokens == 12


@SYNC
def test_betas_of_each_provider(api: LocalMessagesApi, factory: ClientFactory) -> None:
    """Betas are part of the prompt wherever a provider puts them: another set reads nothing."""
    with closing(factory(api.base_url)) as client:
        plain = client.messages.create(**QUESTION)
        beta = client.beta.messages.create(**QUESTION, betas=["one-2026-01-01", "two-2026-01-01"])
        again = client.beta.messages.create(**QUESTION, betas=["two-2026-01-01", "one-2026-01-01"])
    assert [counters(one)[0] for one in (plain, beta, again)] == [0, 0, PREFIX_TOKENS]


@SYNC
def test_a_refusal_of_each_provider(api: LocalMessagesApi, factory: ClientFactory) -> None:
    """A fault on the model reaches the clients of every provider as the SDK's own error."""
    api.faults.add(Fault(kind="status", status=529, model=MODEL))
    with closing(factory(api.base_url)) as client, pytest.raises(anthropic.InternalServerError) as refusal:
        client.messages.create(**QUESTION)
    assert refusal.value.status_code == 529


@pytest.mark.parametrize("name", ["anthropic", "aws", "mantle", "vertex", "google-cloud", "foundry"])
def test_counting_of_each_provider(api: LocalMessagesApi, name: str) -> None:
    """Tokens are counted for every client that can count; Bedrock's cannot."""
    with closing(dict(SYNC_CLIENTS)[name](api.base_url)) as client:
        counted = client.messages.count_tokens(**{name: QUESTION[name] for name in ("model", "system", "messages")})
    assert counted.input_tokens == PREFIX_TOKENS + PLAIN_TOKENS


def test_every_client_class_is_here() -> None:
    """The list has every client class that the SDK exports, sync and async, each once."""
    exported = {name for name in dir(anthropic) if "Anthropic" in name and not name.endswith("Error")}
    made = [type(factory("http://127.0.0.1:9")).__name__ for _, factory in SYNC_CLIENTS + ASYNC_CLIENTS]
    assert len(made) == 14
    assert set(made) == exported


def test_paths_as_the_sdk_builds_them(api: LocalMessagesApi) -> None:
    """Each client asks at its provider's path, and what is recorded is what was received."""
    for _, factory in SYNC_CLIENTS:
        with closing(factory(api.base_url)) as client:
            client.messages.create(**QUESTION)
    workspace = "/v1/projects/local-project/locations/global/workspaces/wrkspc_local/invoke"
    assert [one.path for one in api.requests] == [
        "/v1/messages",
        "/v1/messages",
        "/model/claude-sonnet-4-6/invoke",
        "/anthropic/v1/messages",
        "/v1/projects/local-project/locations/global/publishers/anthropic/models/claude-sonnet-4-6:rawPredict",
        f"{workspace}/v1/messages",
        "/anthropic/v1/messages",
    ]
    assert "model" not in api.requests[2].body
    assert api.requests[2].body["anthropic_version"] == "2026-10-21"


def test_a_bedrock_model_id(api: LocalMessagesApi) -> None:
    """Bedrock's own ids and the ARNs of its profiles name the model, with all their punctuation."""
    for model in (
        "us.anthropic.claude-opus-4-8-v1:0",
        "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc",
    ):
        with closing(dict(SYNC_CLIENTS)["bedrock"](api.base_url)) as client:
            assert client.messages.create(**{**QUESTION, "model": model}).model == model


@pytest.mark.parametrize(
    ("headers", "workspace"),
    [
        ({"x-api-key": "key-one"}, "wrkspc_one"),
        ({"api-key": "key-one"}, "wrkspc_one"),
        ({"authorization": "Bearer key-one"}, "wrkspc_one"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=key-two/20261122/eu-central-1/bedrock/x, ..."}, "wrkspc_two"),
        ({"x-api-key": "key-one", "authorization": "AWS4-HMAC-SHA256 Credential=key-two/x"}, "wrkspc_one"),
        ({"x-api-key": "key-one", "api-key": "key-two"}, "wrkspc_one"),
        ({"api-key": "key-one", "anthropic-workspace-id": "wrkspc_two"}, "wrkspc_one"),
    ],
)
def test_who_is_asking(headers: dict[str, str], workspace: str) -> None:
    """The key, the token or the id of the signing key says who asks, in this order, and nothing else does."""
    with LocalMessagesApi(api_keys={"key-one": "wrkspc_one", "key-two": "wrkspc_two"}) as guarded:
        answer = send_raw(guarded, json.dumps(warm_body()), **{"x-api-key": "", **headers})
    assert answer.status_code == 200
    assert answer.headers["anthropic-workspace-id"] == workspace


@pytest.mark.parametrize("authorization", ["", "Bearer other", "AWS4-HMAC-SHA256 Credential=other/x", "AWS4 key-one"])
def test_who_is_not_known(authorization: str) -> None:
    """A provider's caller without a credential, or with one that is unknown, is refused like any other."""
    with LocalMessagesApi(api_keys={"key-one": "wrkspc_one"}) as guarded:
        answer = send_raw(guarded, "{}", path="/model/m/invoke", **{"x-api-key": "", "authorization": authorization})
    assert (answer.status_code, answer.headers["x-amzn-errortype"].partition(":")[0]) == (
        403,
        "UnrecognizedClientException",
    )


@pytest.mark.parametrize(
    ("path", "content", "status", "message"),
    [
        ("/model/m/invoke", {**VERSIONED, "model": "m"}, 400, "model: Extra inputs are not permitted"),
        ("/model/m/invoke", {**VERSIONED, "stream": False}, 400, "stream: Extra inputs are not permitted"),
        ("/model/m/invoke", {}, 400, "anthropic-version: header is required"),
        ("/model/m/invoke", [], 400, "The request body is not a JSON object."),
        ("/model/m/invoke", {**VERSIONED, "max_tokens": 1}, 400, "messages: Field required"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict", {"model": "m"}, 400, "model: Extra"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:predict", {}, 404, "Not found: POST /v1/projects"),
        ("/v1/projects/p/locations/l/publishers/google/models/m:rawPredict", {}, 404, "Not found"),
        ("/v1/projects/p/locations/l/workspaces/w/invoke/v1/models", {}, 404, "Not found"),
        ("/anthropic/v2/messages", {}, 404, "Not found: POST /anthropic/v2/messages"),
        ("/other/anthropic/v1/messages", {}, 404, "Not found"),
        ("/model/m/converse", {}, 404, "Not found"),
    ],
)
def test_what_a_provider_refuses(api: LocalMessagesApi, path: str, content: object, status: int, message: str) -> None:
    """What a provider does not take is refused: fields that its path has, a version left out, other paths."""
    answer = send_raw(api, json.dumps(content), path=path)
    assert answer.status_code == status
    assert refused(answer).startswith(message)


@pytest.mark.parametrize(
    ("model", "is_refused"),
    [
        ("anthropic.claude-sonnet-4-6", True),
        ("eu.anthropic.claude-sonnet-4-20250514-v1:0", True),
        ("us.anthropic.claude-opus-4-6-v1", True),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", True),
        (
            "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            True,
        ),
        ("anthropic.claude-opus-4-7", False),
        ("global.anthropic.claude-opus-4-8-v1:0", False),
        ("anthropic.claude-sonnet-5", False),
        ("anthropic.claude-fable-5-1", False),
    ],
)
def test_bedrocks_early_models_refuse_the_late_version(api: LocalMessagesApi, model: str, *, is_refused: bool) -> None:
    """What the SDK sends by itself is for Claude 4.7 and later; the version of 2023 is for all."""
    with closing(dict(SYNC_CLIENTS)["bedrock"](api.base_url)) as client:
        early = client.messages.create(
            **{**QUESTION, "model": model}, extra_body={"anthropic_version": "bedrock-2023-05-31"}
        )
        assert early.model == model
        if not is_refused:
            client.messages.create(**{**QUESTION, "model": model})
            return
        with pytest.raises(anthropic.BadRequestError) as refusal:
            client.messages.create(**{**QUESTION, "model": model})
    assert refusal.value.response.headers["x-amzn-errortype"].startswith("ValidationException:")
    assert refused(refusal.value.response) == "anthropic_version: Input should be 'bedrock-2023-05-31'"


def test_a_body_that_is_not_json(api: LocalMessagesApi) -> None:
    """A provider's body that cannot be read is refused for that, not for what it should have said."""
    answer = send_raw(api, "{", path="/model/m/invoke", **{"anthropic-version": ""})
    assert refused(answer) == "The request body is not valid JSON."


def test_a_body_beyond_the_limit(api: LocalMessagesApi) -> None:
    """A provider's body beyond 32 MB is 413."""
    too_much = b" " * (32 * 1024 * 1024 + 1)
    answer = send_raw(api, too_much, path="/model/m/invoke", **{"anthropic-version": ""})
    assert answer.status_code == 413


def test_an_event_of_bedrocks_stream(api: LocalMessagesApi) -> None:
    """Bedrock's stream has its own content type and ends in a frame that says so."""
    body = {**VERSIONED, "max_tokens": 1, "messages": [PLACEHOLDER]}
    answer = send_raw(api, json.dumps(body), path="/model/m/invoke-with-response-stream", authorization=f"Bearer {KEY}")
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert int.from_bytes(answer.content[:4]) < len(answer.content)  # the first frame's length
    assert b"\x0b:event-type\x07\x00\x05chunk" in answer.content
    assert answer.content.count(b":message-type") == 7
