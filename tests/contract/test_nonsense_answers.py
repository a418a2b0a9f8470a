"""What is not the API's answer proves nothing: a gateway's page, JSON without usage, impossible counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from prompt_cache_warmer.errors import OverloadedError, UnreachableError, WarmCallError
from prompt_cache_warmer.rules.request import warm_call
from tests.fakes import MODEL, document, target
from tests.message_adapters import ADAPTERS, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

STREAMED = {**document()["request"], "thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    """Return the name of each adapter."""
    return str(request.param)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[str, str], Awaitable[str]]]:
    """Return a function that serves one answer to everything and returns its address."""
    runners: list[web.AppRunner] = []

    async def start(content_type: str, body: str) -> str:
        async def answer(_: web.Request) -> web.Response:
            return web.Response(text=body, content_type=content_type)

        app = web.Application()
        app.router.add_post("/v1/messages", answer)
        app.router.add_post("/v1/messages/count_tokens", answer)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def event(name: str, **data: Any) -> str:
    """Return one server-sent event."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/html", "<html>Please sign in</html>", "its body is not JSON"),
        ("application/json", "{", "its body is not JSON"),
        ("application/json", "[]", "an answer without usage, so nothing is proved"),
        ("application/json", '{"id": "msg_1"}', "an answer without usage, so nothing is proved"),
        ("application/json", '{"usage": {}}', "an answer whose usage names no input_tokens, so nothing is proved"),
        ("application/json", '{"usage": {"output_tokens": 0}}', "an answer whose usage names no input_tokens"),
        ("application/json", '{"usage": {"input_tokens": 100000001}}', "usage cannot be read: usage.input_tokens"),
        ("application/json", '{"usage": {"input_tokens": -5}}', "usage cannot be read: usage.input_tokens"),
        ("application/json", '{"usage": {"input_tokens": "5"}}', "usage cannot be read: usage.input_tokens"),
    ],
)
async def test_a_body_that_proves_nothing_is_an_unreachable_api(
    serve: Callable[[str, str], Awaitable[str]], adapter: str, content_type: str, body: str, message: str
) -> None:
    """200 is not enough: without a usage that adds up there is no verdict."""
    address = await serve(content_type, body)
    async with opened(adapter, address) as messages:
        with pytest.raises(UnreachableError) as caught:
            await messages.send(warm_call(target(), MODEL), timeout_seconds=5)
    assert message in str(caught.value)
    assert "sign in" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("", UnreachableError, "the stream ended before message_start"),
        (event("message_stop"), UnreachableError, "the stream ended before message_start"),
        (event("ping"), UnreachableError, "the stream ended before message_start"),
        ("event: message_start\ndata: {nonsense\n\n", UnreachableError, "its body is not JSON"),
        (event("message_start"), UnreachableError, "an answer without usage"),
        (
            event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
            OverloadedError,
            "overloaded_error: Overloaded",
        ),
    ],
)
async def test_a_stream_that_proves_nothing_is_the_error_it_says(
    serve: Callable[[str, str], Awaitable[str]], adapter: str, body: str, kind: type[WarmCallError], message: str
) -> None:
    """An error event is the API's own error; anything else without usage is no answer."""
    address = await serve("text/event-stream", body)
    async with opened(adapter, address) as messages:
        with pytest.raises(WarmCallError) as caught:
            await messages.send(warm_call(target(request=STREAMED), "claude-haiku-4-5"), timeout_seconds=5)
    assert type(caught.value) is kind
    assert message in str(caught.value)


@pytest.mark.parametrize("body", ["{}", '{"input_tokens": "5"}', '{"input_tokens": -5}', '{"input_tokens": true}'])
async def test_an_answer_without_a_count_is_an_unreachable_api(
    serve: Callable[[str, str], Awaitable[str]], adapter: str, body: str
) -> None:
    """What is no number of tokens bounds nothing."""
    address = await serve("application/json", body)
    async with opened(adapter, address) as messages:
        with pytest.raises(UnreachableError, match="an answer without a token count"):
            await messages.count_tokens(warm_call(target(), MODEL), timeout_seconds=5)
