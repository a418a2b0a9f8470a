"""Every kind of call of a synchronous client: the caller gets what it gets without the observer, and it is counted."""

from __future__ import annotations

import gzip
import json
from typing import Any

import anthropic
import httpx2
import pytest

from prompt_cache_warmer import CacheObserver
from tests.fakes import MODEL, document
from tests.observer_cases import COLD, HEADERS, HIT, REQUEST, Api, Chunks, Watch, client, message, used, whole

KINDS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


def create(asked: anthropic.Anthropic) -> Any:
    """Ask for a message."""
    return asked.messages.create(**REQUEST)


def helper(asked: anthropic.Anthropic) -> Any:
    """Read a stream by the SDK's helper."""
    with asked.messages.stream(**REQUEST) as stream:
        return [event.type for event in stream], stream.get_final_message(), stream.response.headers["request-id"]


def texts(asked: anthropic.Anthropic) -> Any:
    """Read the texts of a stream."""
    with asked.messages.stream(**REQUEST) as stream:
        return list(stream.text_stream)


def plain_stream(asked: anthropic.Anthropic) -> Any:
    """Read the events of a stream."""
    return list(asked.messages.create(**REQUEST, stream=True))


def raw(asked: anthropic.Anthropic) -> Any:
    """Ask for the raw response."""
    answer = asked.messages.with_raw_response.create(**REQUEST)
    return answer.parse(), answer.status_code, dict(answer.headers), answer.elapsed.total_seconds() >= 0


def raw_stream(asked: anthropic.Anthropic) -> Any:
    """Ask for the raw response of a stream."""
    answer = asked.messages.with_raw_response.create(**REQUEST, stream=True)
    return list(answer.parse()), dict(answer.headers), answer.http_response.elapsed.total_seconds() >= 0


def unread(asked: anthropic.Anthropic) -> Any:
    """Ask for a response whose body is still to come, and read it."""
    with asked.messages.with_streaming_response.create(**REQUEST) as answer:
        return answer.read(), answer.parse(), answer.http_response.elapsed.total_seconds() >= 0


def unread_lines(asked: anthropic.Anthropic) -> Any:
    """The same of a stream, by its lines."""
    with asked.messages.with_streaming_response.create(**REQUEST, stream=True) as answer:
        return list(answer.iter_lines()), answer.http_response.num_bytes_downloaded


def beta(asked: anthropic.Anthropic) -> Any:
    """Ask the beta's messages."""
    return asked.beta.messages.create(**REQUEST)


def beta_stream(asked: anthropic.Anthropic) -> Any:
    """Read a stream of the beta's helper."""
    with asked.beta.messages.stream(**REQUEST) as stream:
        return stream.get_final_message()


CALLS = [create, helper, texts, plain_stream, raw, raw_stream, unread, unread_lines, beta, beta_stream]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("usage", "sight"), [(HIT, "hits"), (COLD, "cold_starts")], ids=["hit", "cold"])
def test_a_call_gives_what_it_gives_unobserved_and_counts_once(call: Any, usage: dict[str, Any], sight: str) -> None:
    """Type, content, headers and times; one request, of one sight."""
    watch = Watch(api=Api(usage))
    assert call(watch.client) == call(client(Api(usage)))
    assert watch.counted == {"requests": 1, sight: 1}
    (told,) = watch.told
    assert (told.target, told.model, told.usage.read_tokens) == ("support", MODEL, usage["cache_read_input_tokens"])
    assert (told.usage.output_tokens, told.usage.uncached_tokens) == (2, 5)
    assert (told.request_id, told.workspace_id, told.region) == ("req_1", "wrkspc_1", None)
    assert told.is_streamed is ("stream" in call.__name__ or call.__name__ in ("helper", "texts", "unread_lines"))
    assert (told.first_token_ms is not None) is told.is_streamed


def test_counting_tokens_and_other_paths_are_no_requests() -> None:
    """Only messages are traffic."""
    watch = Watch()
    assert watch.client.messages.count_tokens(model=MODEL, messages=REQUEST["messages"]).input_tokens == 5
    watch.api.script.append(httpx2.Response(200, json={"data": [], "has_more": False}))
    watch.client.models.list()
    watch.api.script.append(httpx2.Response(200, json={"id": "b", "type": "message_batch"}))
    watch.client.post("/v1/messages/batches", body={"requests": []}, cast_to=object)
    assert watch.counted == {}


@pytest.mark.parametrize("status", [429, 500, 529])
def test_retries_count_once(status: int) -> None:
    """The answer does, the refusals before it do not."""
    watch = Watch()
    watch.api.script += [whole(HIT, status=status, **{"retry-after-ms": "1"}) for _ in range(2)]
    asked = client(watch.api, watch.observer, max_retries=2)
    assert asked.messages.create(**REQUEST).usage.cache_read_input_tokens == 3_000
    assert len(watch.api.requests) == 3
    assert watch.counted == {"requests": 1, "hits": 1}


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 529])
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_raised_as_ever_and_not_counted(status: int, stream: bool) -> None:  # noqa: FBT001 - a column
    """The same type, status, text and body."""
    watch, plain = Watch(), Api()
    raised = []
    for api, asked in ((watch.api, watch.client), (plain, client(plain))):
        api.script.append(whole(HIT, status=status))
        with pytest.raises(anthropic.APIStatusError) as caught:
            asked.messages.create(**REQUEST, stream=stream)
        raised.append((type(caught.value), caught.value.status_code, str(caught.value), caught.value.body))
    assert raised[0] == raised[1]
    assert watch.counted == {}


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (httpx2.ConnectError("no"), anthropic.APIConnectionError),
        (httpx2.ReadTimeout("late"), anthropic.APITimeoutError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(3), SystemExit),
    ],
    ids=["connect", "timeout", "interrupt", "exit"],
)
def test_a_call_that_is_not_answered_is_not_counted(error: BaseException, seen: type[BaseException]) -> None:
    """Whatever it raises goes through."""
    watch = Watch()
    watch.api.script.append(error)
    with pytest.raises(seen):
        watch.client.messages.create(**REQUEST)
    assert watch.counted == {}


def test_a_compressed_answer_is_read_and_handed_on_as_it_came() -> None:
    """Unread bodies are decoded here and there."""
    watch = Watch()
    packed = gzip.compress(json.dumps(message(HIT)).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip", **HEADERS}
    watch.api.script += [httpx2.Response(200, headers=headers, stream=Chunks([packed[:9], packed[9:]])) for _ in "12"]
    with watch.client.messages.with_streaming_response.create(**REQUEST) as answer:
        assert json.loads(answer.read()) == message(HIT)
    assert watch.client.messages.create(**REQUEST).usage.cache_read_input_tokens == 3_000
    assert watch.counted == {"requests": 2, "hits": 2}


@pytest.mark.parametrize(
    "usage",
    [None, {}, "lots", 7, [], {"input_tokens": -1}, {"input_tokens": "5"}, {"cache_creation": 3, "input_tokens": 1}],
    ids=["none", "empty", "text", "number", "list", "negative", "string", "split"],
)
def test_an_answer_without_a_sensible_usage_proves_nothing(usage: object) -> None:
    """It is counted as that, and the caller gets it as it is."""
    watch, plain = Watch(), Api()
    for api in (watch.api, plain):
        api.script.append(whole(usage))
    got = watch.client.messages.with_raw_response.create(**REQUEST)
    assert got.text() == client(plain).messages.with_raw_response.create(**REQUEST).text()
    assert watch.observer.counts.unproven == 1
    assert watch.observer.counts.requests == 0
    assert set(watch.observer.counts.failures) <= {"observing"}
    assert watch.told == []


def test_written_tokens_that_are_not_split_are_of_the_class_the_request_asks_for() -> None:
    """By the automatic marker; five minutes without one."""
    watch = Watch()
    unsplit = {**used(), "cache_creation_input_tokens": 50}
    del unsplit["cache_creation"]
    watch.api.script += [whole(unsplit), whole(unsplit)]
    watch.client.messages.create(**REQUEST)
    watch.client.messages.create(**REQUEST, cache_control={"type": "ephemeral", "ttl": "1h"})
    assert [(each.usage.write_5m_tokens, each.usage.write_1h_tokens) for each in watch.told] == [(50, 0), (0, 50)]


def test_times_are_of_the_attempt_that_was_answered() -> None:
    """From its start to the first token and to the end, on the observer's own clock."""
    watch = Watch()
    watch.clock.seconds = 100.0
    stream = watch.client.messages.create(**REQUEST, stream=True)
    watch.clock.seconds += 1.5
    for event in stream:
        if event.type == "content_block_delta":
            watch.clock.seconds += 2.5
    (told,) = watch.told
    assert told.at.timestamp() == watch.clock.now().timestamp() - 4
    assert (told.first_token_ms, told.duration_ms) == (1_500, 4_000)


def test_copies_of_a_client_keep_the_observer_and_two_observers_count_each_for_itself() -> None:
    """One observer twice on a client counts twice, and breaks nothing."""
    watch, other = Watch(), CacheObserver(targets=document())
    watch.client.with_options(timeout=5).messages.create(**REQUEST)
    watch.client.copy(middleware=[*watch.client.middleware, other]).messages.create(**REQUEST)
    assert (watch.observer.counts.hits, other.counts.hits) == (2, 1)
    twice = client(watch.api, other, other)
    assert [event.type for event in twice.messages.create(**REQUEST, stream=True)] == KINDS
    assert other.counts.hits == 3


@pytest.mark.parametrize("body", [[1, 2], None, "text"])
def test_a_body_that_is_no_object_breaks_nothing(body: Any) -> None:
    """It belongs to no target."""
    watch = Watch()
    watch.client.post("/v1/messages", body=body, cast_to=object)
    assert watch.counted == {"requests": 1, "unascribed": 1}
