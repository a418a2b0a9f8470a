"""Faults on demand, met by the real SDK."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api import Fault
from tests.infra.messages_api.messages_api_bodies import NEW_MODEL, create, send_raw, warm_body

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi


@pytest.mark.parametrize(
    ("status", "error", "error_type"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (504, anthropic.APIStatusError, "timeout_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
        (418, anthropic.APIStatusError, "api_error"),
    ],
)
def test_a_status_fault_answers_with_the_error_of_its_status(
    api: LocalMessagesApi,
    client: anthropic.Anthropic,
    status: int,
    error: type[anthropic.APIStatusError],
    error_type: str,
) -> None:
    """The status, and the error type that belongs to it, reach the SDK; the cache is left alone."""
    api.faults.add(Fault(kind="status", status=status))
    with pytest.raises(error) as refusal:
        create(client, warm_body())
    assert refusal.value.status_code == status
    assert refusal.value.type == error_type
    assert refusal.value.workspace_id is not None
    assert api.entries() == ()


def test_a_spend_limit_is_a_429_with_a_code_and_without_a_wait(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """`enforced_spend_limit_reached` stands in `error.details`, and there is no `retry-after`."""
    api.faults.add(Fault(kind="status", status=429, error_code="enforced_spend_limit_reached", message="No."))
    with pytest.raises(anthropic.RateLimitError) as refusal:
        create(client, warm_body())
    assert refusal.value.error_code == "enforced_spend_limit_reached"
    assert refusal.value.api_message == "No."
    assert "retry-after" not in refusal.value.response.headers


def test_a_status_fault_carries_headers_and_its_own_type(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A rate limit can name its wait, and any error type can be given."""
    fault = Fault(kind="status", status=429, headers={"retry-after": "7"}, error_type="billing_error")
    api.faults.add(fault)
    with pytest.raises(anthropic.RateLimitError) as refusal:
        create(client, warm_body())
    assert refusal.value.response.headers["retry-after"] == "7"
    assert refusal.value.type == "billing_error"


def test_a_fault_hits_as_often_as_it_says(api: LocalMessagesApi) -> None:
    """Two hits, and the third request is answered: the SDK's retries get through."""
    api.faults.add(Fault(kind="status", status=529, times=2, headers={"retry-after-ms": "1"}))
    with anthropic.Anthropic(base_url=api.base_url, api_key="k", max_retries=2) as client:
        create(client, warm_body())
    assert [request.status for request in api.requests] == [529, 529, 200]


def test_a_fault_without_a_count_stays_until_it_is_cleared(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """`times=None` hits every request until `clear`."""
    api.faults.add(Fault(kind="status", status=500, times=None))
    for _ in range(3):
        with pytest.raises(anthropic.InternalServerError):
            create(client, warm_body())
    api.faults.clear()
    create(client, warm_body())


def test_faults_are_used_in_the_order_they_were_added(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """The first fault that matches is used up before the second."""
    api.faults.add(Fault(kind="status", status=500))
    api.faults.add(Fault(kind="status", status=404))
    with pytest.raises(anthropic.InternalServerError):
        create(client, warm_body())
    with pytest.raises(anthropic.NotFoundError):
        create(client, warm_body())


def test_a_fault_can_be_for_one_model_or_one_path(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Requests that do not match pass and do not use it up."""
    api.faults.add(Fault(kind="status", status=500, model=NEW_MODEL))
    api.faults.add(Fault(kind="status", status=504, path="/v1/messages/count_tokens"))
    create(client, warm_body())
    with pytest.raises(anthropic.InternalServerError):
        create(client, warm_body(model=NEW_MODEL))
    with pytest.raises(anthropic.APIStatusError) as refusal:
        client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x"}])
    assert refusal.value.status_code == 504


def test_a_dropped_connection_has_no_answer(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """The SDK sees a connection error; the request is recorded without a status; the server lives on."""
    api.faults.add(Fault(kind="drop"))
    with pytest.raises(anthropic.APIConnectionError):
        create(client, warm_body())
    assert [request.status for request in api.requests] == [None]
    create(client, warm_body())


def test_garbage_is_a_200_that_is_no_json(api: LocalMessagesApi) -> None:
    """What a proxy in the way answers: status 200, HTML."""
    api.faults.add(Fault(kind="garbage"))
    answer = send_raw(api, json.dumps(warm_body()))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_garbage_can_claim_to_be_json(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """With a JSON content type the SDK itself fails to decode it."""
    api.faults.add(Fault(kind="garbage", headers={"content-type": "application/json"}))
    with pytest.raises(json.JSONDecodeError):
        create(client, warm_body())


@pytest.mark.parametrize("kind", ["delay", "slow_body"])
def test_a_slow_answer_is_the_normal_answer_late(api: LocalMessagesApi, client: anthropic.Anthropic, kind: Any) -> None:
    """Delayed or dribbled, the message arrives whole, not before its time."""
    api.faults.add(Fault(kind=kind, seconds=0.3))
    began = time.monotonic()
    assert create(client, warm_body()).stop_reason == "max_tokens"
    assert time.monotonic() - began >= 0.25  # ten pauses of a timer that may fire a little early
    assert len(api.entries()) == 1


def test_a_delay_outlasts_the_clients_patience(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A client timeout shorter than the delay is a timeout error."""
    api.faults.add(Fault(kind="delay", seconds=0.5))
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=0.1).messages.create(
            model="m", max_tokens=0, messages=[{"role": "user", "content": "x"}]
        )


def test_a_slow_body_sends_its_headers_at_once(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Status and headers are there while the body is still coming."""
    api.faults.add(Fault(kind="slow_body", seconds=1.0))
    began = time.monotonic()
    with client.messages.with_streaming_response.create(
        model="m", max_tokens=0, messages=[{"role": "user", "content": "x"}]
    ) as response:
        assert response.status_code == 200
        headers_after = time.monotonic() - began
        response.read()
        body_after = time.monotonic() - began
    assert headers_after < body_after / 2


@pytest.mark.parametrize("path", ["stream", "count"])
def test_streams_and_counts_can_be_slow_too(api: LocalMessagesApi, client: anthropic.Anthropic, path: str) -> None:
    """A dribbling stream is a stream, a dribbling count a count."""
    api.faults.add(Fault(kind="slow_body", seconds=0.05))
    if path == "stream":
        with client.messages.stream(model="m", max_tokens=5, messages=[{"role": "user", "content": "x"}]) as stream:
            assert stream.get_final_message().usage.output_tokens == 5
    else:
        count = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x"}])
        assert count.input_tokens > 0


@pytest.mark.parametrize(
    ("changes", "message"), [({"times": 0}, "times"), ({"kind": "status", "status": 200}, "status")]
)
def test_a_fault_that_makes_no_sense_is_refused(api: LocalMessagesApi, changes: dict[str, Any], message: str) -> None:
    """A fault that never hits, or an error that is none, is a mistake in the test that adds it."""
    with pytest.raises(ValueError, match=message):
        api.faults.add(Fault(**{"kind": "drop", **changes}))


def test_an_unknown_key_is_refused_before_any_fault(api: LocalMessagesApi) -> None:
    """A fault is not used up by a request that fails to authenticate."""
    api.api_keys = {"good": "wrkspc_good"}
    api.faults.add(Fault(kind="status", status=500))
    assert send_raw(api, "{}", **{"x-api-key": "bad"}).status_code == 401
    assert send_raw(api, "{}", **{"x-api-key": "good"}).status_code == 500
