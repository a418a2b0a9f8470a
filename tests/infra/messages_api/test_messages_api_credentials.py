"""Credentials, workspaces, required headers, unknown paths and the shape of every refusal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anthropic
import pytest

from infra.local.messages_api import LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import create, send_raw, warm_body

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = json.dumps(warm_body())


@pytest.fixture
def guarded_api() -> Iterator[LocalMessagesApi]:
    """Run an emulator that knows two keys of one workspace and one of another."""
    keys = {"sk-a": "wrkspc_one", "sk-b": "wrkspc_one", "sk-c": "wrkspc_two"}
    with LocalMessagesApi(api_keys=keys) as running:
        yield running


def test_a_missing_credential_is_refused(api: LocalMessagesApi) -> None:
    """Without `x-api-key` or bearer token: 401, in the API's shape, with a request id in body and header."""
    answer = send_raw(api, BODY, x_api_key="", **{"x-api-key": ""})
    assert answer.status_code == 401
    body = answer.json()
    assert body["type"] == "error"
    assert body["error"] == {"type": "authentication_error", "message": "x-api-key header is required"}
    assert body["request_id"] == answer.headers["request-id"]
    assert "anthropic-workspace-id" not in answer.headers
    assert "anthropic-ratelimit-requests-limit" not in answer.headers


def test_an_unknown_key_is_refused(guarded_api: LocalMessagesApi) -> None:
    """A key outside `api_keys` is 401 `authentication_error`."""
    with (
        anthropic.Anthropic(base_url=guarded_api.base_url, api_key="sk-x", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError) as refusal,
    ):
        create(client, warm_body())
    assert refusal.value.type == "authentication_error"


def test_a_key_resolves_to_its_workspace(guarded_api: LocalMessagesApi) -> None:
    """The workspace header says which one, and keys of one workspace share its cache."""
    created = {}
    for key in ("sk-a", "sk-b", "sk-c"):
        answer = send_raw(guarded_api, BODY, **{"x-api-key": key})
        workspace = answer.headers["anthropic-workspace-id"]
        created[key] = (workspace, answer.json()["usage"]["cache_creation_input_tokens"] > 0)
    assert created == {
        "sk-a": ("wrkspc_one", True),
        "sk-b": ("wrkspc_one", False),
        "sk-c": ("wrkspc_two", True),
    }


def test_a_bearer_token_is_a_credential_too(guarded_api: LocalMessagesApi) -> None:
    """`authorization: Bearer`, as the SDK's `auth_token` sends it, resolves like a key."""
    with anthropic.Anthropic(base_url=guarded_api.base_url, auth_token="sk-c", max_retries=0) as client:
        raw = client.messages.with_raw_response.create(
            model="claude-sonnet-4-6", max_tokens=1, messages=[{"role": "user", "content": "hi"}]
        )
    assert raw.headers["anthropic-workspace-id"] == "wrkspc_two"


def test_without_known_keys_every_key_has_a_stable_workspace(api: LocalMessagesApi) -> None:
    """Any key is accepted; the same key resolves to the same workspace in every run, others to others."""
    first, again, other = (
        send_raw(api, BODY, **{"x-api-key": key}).headers["anthropic-workspace-id"] for key in ("a", "a", "b")
    )
    assert first == again == "wrkspc_ca978112ca1bbdcafac231b3"
    assert other != first


def test_errors_carry_the_workspace_too(client: anthropic.Anthropic) -> None:
    """An authenticated refusal names workspace and request, and the SDK reads both."""
    with pytest.raises(anthropic.BadRequestError) as refusal:
        create(client, warm_body(max_tokens=-1))
    assert str(refusal.value.workspace_id).startswith("wrkspc_")
    assert str(refusal.value.request_id).startswith("req_")


def test_the_version_header_is_required(api: LocalMessagesApi) -> None:
    """Without `anthropic-version` a request is 400."""
    answer = send_raw(api, BODY, **{"anthropic-version": ""})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "anthropic-version" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/messages/batches", "/v1/complete"])
def test_other_paths_are_not_found(client: anthropic.Anthropic, path: str) -> None:
    """Everything but the two endpoints is a 404 in the API's shape."""
    with pytest.raises(anthropic.NotFoundError) as refusal:
        client.post(path, cast_to=object, body={})
    assert refusal.value.type == "not_found_error"


def test_other_methods_are_not_found(client: anthropic.Anthropic) -> None:
    """A GET on the messages path is a 404 too."""
    with pytest.raises(anthropic.NotFoundError):
        client.get("/v1/messages", cast_to=object)


def test_every_answer_has_its_own_ids(client: anthropic.Anthropic) -> None:
    """Message ids and request ids never repeat within one emulator."""
    answers = [create(client, warm_body()) for _ in range(3)]
    assert len({answer.id for answer in answers}) == 3
    assert all(answer.id.startswith("msg_") for answer in answers)
