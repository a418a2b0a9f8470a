"""Nothing that is broken around the observer reaches the application: it is counted, and logged without its text."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.emf import emf_lines
from prompt_cache_warmer import CacheObserver
from tests.canaries import CANARY
from tests.fakes import MODEL, FakeClock, document
from tests.observer_cases import HIT, REQUEST, SYSTEM, Api, Watch, async_client, client, whole

if TYPE_CHECKING:
    from prompt_cache_warmer.library.observing.records import ObservedRequest


class BrokenError(Exception):
    """Something of the application is broken."""


def fail(*_: object) -> None:
    """Be broken."""
    raise BrokenError(CANARY)


def test_a_broken_callback_only_counts(caplog: pytest.LogCaptureFixture) -> None:
    """Every time it is called; the log says it once, and never the text."""
    watch = Watch({"on_request": fail})
    with caplog.at_level(logging.DEBUG, logger="prompt_cache_warmer"):
        for _ in range(3):
            assert watch.client.messages.create(**REQUEST).content
    assert watch.counted == {"requests": 3, "hits": 3, "callback": 3}
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "prompt_cache_warmer.observer")
    said = "callback failed (BrokenError); this is logged once, see CacheObserver.counts"
    assert record.getMessage() == said


class Clogged(io.StringIO):
    """A standard output that takes nothing."""

    def write(self, _: str) -> int:
        """Refuse."""
        raise BrokenPipeError


def test_a_broken_standard_output_only_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback is called all the same."""
    monkeypatch.setattr(sys, "stdout", Clogged())
    watch = Watch({"metrics": "emf"})
    watch.client.messages.create(**REQUEST)
    assert watch.counted == {"requests": 1, "hits": 1, "metrics": 1}
    assert len(watch.told) == 1


def test_metrics_are_one_line_a_request_that_cloudwatch_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """For the service, and for the target on its model; a request of no target has none."""
    watch = Watch({"metrics": "emf", "service": "stack-1", "namespace": "Mine"})
    watch.client.messages.create(**REQUEST)
    list(watch.client.messages.create(**REQUEST, stream=True))
    watch.client.messages.create(**{**REQUEST, "system": "Nobody's."})
    first, second = emf_lines(capsys.readouterr().out)
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Mine"
    assert [sorted(group) for group in directive["Dimensions"]] == [["service"], ["Model", "Target", "service"]]
    assert (first["service"], first["Target"], first["Model"]) == ("stack-1", "support", MODEL)
    assert (first["TrafficRequests"], first["TrafficHits"], first["TrafficReadTokens"]) == ([1], [1], [3000])
    assert "TimeToFirstToken" not in first
    assert second["TimeToFirstToken"] == [0.0]


class BrokenClock(FakeClock):
    """A clock that stops working."""

    def now(self) -> Any:
        """Be broken."""
        raise BrokenError(CANARY)


def test_a_broken_clock_only_counts() -> None:
    """The request is sent, and the answer is the application's."""
    watch = Watch({"clock": BrokenClock()})
    assert watch.client.messages.create(**REQUEST).content
    assert watch.counted == {"observing": 1}


def test_a_prompt_that_no_request_can_carry_only_counts() -> None:
    """What the SDK makes of it, is the application's."""
    watch = Watch()
    cases: list[Any] = [[7], {"role": 1}, [{"role": "user", "content": [object()]}]]
    for messages in cases:
        seen = []
        for asked in (watch.client, client(Api())):
            try:
                seen.append(type(asked.post("/v1/messages", body={**REQUEST, "messages": messages}, cast_to=object)))
            except TypeError as error:
                seen.append(type(error))
        assert seen[0] is seen[1]
    assert set(watch.counted) <= {"requests", "hits", "observing"}
    assert watch.observer.counts.failures["observing"] >= 1


class Short(anthropic.Middleware):
    """Answers by itself, or raises, without asking the API."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> Any:
        """Answer or raise."""
        del request, call_next
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def handle_async(self, request: anthropic.APIRequest, call_next: anthropic.AsyncCallNext) -> Any:
        """Answer or raise."""
        del request, call_next
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", ["a cached answer", None, {"usage": HIT}], ids=["text", "none", "dict"])
async def test_what_another_middleware_answers_by_itself_is_no_request(answer: Any) -> None:
    """Before the observer and behind it; the caller gets it as it is, and nothing failed."""
    watch = Watch()
    for order in ([watch.observer, Short(answer)], [Short(answer), watch.observer]):
        assert client(watch.api, *order).messages.create(**REQUEST) is answer
        assert await async_client(watch.api, *order).messages.create(**REQUEST) is answer
    assert watch.counted == {}


@pytest.mark.parametrize("error", [BrokenError(), KeyboardInterrupt(), GeneratorExit()], ids=["error", "key", "exit"])
def test_what_another_middleware_raises_goes_through(error: BaseException) -> None:
    """Before the observer and behind it."""
    watch = Watch()
    for order in ([watch.observer, Short(error)], [Short(error), watch.observer]):
        with pytest.raises(type(error)) as caught:
            client(watch.api, *order).messages.create(**REQUEST)
        assert caught.value is error
    assert watch.counted == {}


class Reading(anthropic.Middleware):
    """Reads or closes the body before the observer does."""

    def __init__(self, how: str) -> None:
        self.how = how

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        """Do it."""
        answer = call_next(request)
        getattr(answer.http_response, self.how)()
        return answer


def test_a_body_that_another_middleware_has_read_is_read_there() -> None:
    """Also one of a stream; of one that it has closed nothing is known."""
    watch = Watch()
    stream = client(watch.api, watch.observer, Reading("read")).messages.create(**REQUEST, stream=True)
    assert [event.type for event in stream][-1] == "message_stop"
    assert watch.counted == {"requests": 1, "hits": 1}
    closing = client(watch.api, watch.observer, Reading("close"))
    with closing.messages.with_streaming_response.create(**REQUEST, stream=True):
        pass
    assert watch.counted == {"requests": 1, "hits": 1, "observing": 1}


def test_a_middleware_that_asks_twice_is_two_requests_behind_it_and_one_before() -> None:
    """An observer counts the attempts that pass it."""

    class Twice(anthropic.Middleware):
        """Throws the first answer away."""

        def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
            call_next(request)
            return call_next(request)

    for order, requests in ((0, 1), (1, 2)):
        watch = Watch()
        middleware: list[Any] = [Twice()]
        middleware.insert(order, watch.observer)
        client(watch.api, *middleware).messages.create(**REQUEST)
        assert watch.observer.counts.requests == requests


def test_no_prompt_is_in_anything_the_observer_says(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in records, metrics, logs and representations, whatever goes wrong."""
    secret = [{"type": "text", "text": f"{CANARY} " * 3_000, "cache_control": {"type": "ephemeral"}}]
    held: list[ObservedRequest] = []

    def keep(request: ObservedRequest) -> None:
        held.append(request)
        fail()

    watch = Watch({"targets": document(request={"system": secret}), "metrics": "emf", "on_request": keep})
    body = {**REQUEST, "system": secret}
    watch.api.script += [whole(HIT), whole({"input_tokens": CANARY})]
    with caplog.at_level(logging.DEBUG, logger="prompt_cache_warmer"):
        for _ in range(2):
            watch.client.messages.create(**body)
        watch.client.post("/v1/messages", body={**body, "messages": [{"content": 7, CANARY: 1}]}, cast_to=object)
    observer = watch.observer
    inner = [getattr(part, name) for part in (observer, observer._recorder) for name in vars(part)]
    said = [caplog.text, capsys.readouterr().out, repr(held), repr(observer), repr(observer.counts), repr(inner)]
    assert CANARY not in json.dumps(said)
    assert len(held) == 1


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
def test_fifty_threads_are_counted_exactly() -> None:
    """Whole and streamed, by name and by prefix, all at once."""
    told: list[Any] = []
    api, observer = Api(), CacheObserver(targets=document(), on_request=told.append)
    asked = client(api, observer)
    start = threading.Barrier(50)

    def work(number: int) -> None:
        start.wait()
        for turn in range(12):
            if turn % 3 == 0:
                list(asked.messages.create(**REQUEST, stream=True))
            elif turn % 3 == 1:
                asked.messages.create(**{**REQUEST, "system": SYSTEM if number % 2 else "Nobody's."})
            else:
                with observer.ascribe("support"):
                    asked.messages.create(**{**REQUEST, "system": "Another."})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = observer.counts
    assert (counts.requests, counts.hits, counts.unascribed, counts.drifts) == (600, 300, 100, 200)
    assert (counts.lost, counts.unproven, dict(counts.failures)) == (0, 0, {})
    assert len(told) == 600
