"""The emulator's own life: its clock, its records, its start and its stop, and its independence."""

from __future__ import annotations

import ast
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anthropic
import httpx2
import pytest

import infra.local.messages_api as package
from infra.local.messages_api import EmulatorClock, Fault, LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import create, send_raw, warm_body

if TYPE_CHECKING:
    from types import ModuleType

SOURCE_FOLDER = Path(str(package.__file__)).parent


def test_a_frozen_clock_moves_only_when_told() -> None:
    """Two readings are equal until `advance`."""
    clock = EmulatorClock(frozen=True)
    before = clock.now_seconds()
    time.sleep(0.01)
    assert clock.now_seconds() == before
    clock.advance(240)
    assert clock.now_seconds() == before + 240


def test_a_running_clock_follows_real_time_plus_what_it_was_advanced() -> None:
    """Real seconds pass on it, and advanced seconds are added."""
    clock = EmulatorClock()
    before = clock.now_seconds()
    assert before == pytest.approx(time.time(), abs=5)
    time.sleep(0.02)
    assert clock.now_seconds() > before
    clock.advance(1000)
    assert clock.now_seconds() > before + 1000


def test_a_clock_can_be_frozen_later() -> None:
    """From `freeze` on, only `advance` moves it."""
    clock = EmulatorClock()
    clock.freeze()
    before = clock.now_seconds()
    time.sleep(0.01)
    clock.advance(1)
    assert clock.now_seconds() == before + 1


def test_a_clock_does_not_go_back() -> None:
    """A negative step is a mistake."""
    with pytest.raises(ValueError, match="-1"):
        EmulatorClock().advance(-1)


def test_a_request_is_recorded_as_it_was_received(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Path, lower-case headers, bytes, parsed body, start, status and usage."""
    body = warm_body()
    create(client, body, X_Custom="yes")
    (received,) = api.requests
    assert received.path == "/v1/messages"
    assert received.headers["x-custom"] == "yes"
    assert received.headers["authorization"] == "Bearer sk-local"
    assert received.body == body
    assert list(received.body) == list(body)
    assert b'"max_tokens":0' in received.raw_body
    assert received.started_at_seconds == api.clock.now_seconds()
    assert received.status == 200
    assert received.usage is not None
    assert received.usage.cache_creation_input_tokens > 2000
    assert not received.disconnected


def test_refusals_are_recorded_without_usage(api: LocalMessagesApi) -> None:
    """A body that is no JSON is recorded as bytes, its parsed form is None."""
    send_raw(api, b"{")
    (received,) = api.requests
    assert (received.status, received.usage, received.body, received.raw_body) == (400, None, None, b"{")


def test_a_count_is_recorded_without_usage(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """`count_tokens` uses nothing."""
    client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x"}])
    (received,) = api.requests
    assert (received.path, received.status, received.usage) == ("/v1/messages/count_tokens", 200, None)


def test_the_record_is_bounded() -> None:
    """Only the last `keep_requests` are remembered, and `clear_requests` forgets them."""
    with LocalMessagesApi(keep_requests=2) as api:
        for number in range(3):
            send_raw(api, f'"{number}"')
        assert [received.body for received in api.requests] == ["1", "2"]
        api.clear_requests()
        assert api.requests == ()


def test_it_listens_on_loopback_inside_its_block_only() -> None:
    """A free port of 127.0.0.1 while the block lasts, nothing afterwards."""
    api = LocalMessagesApi()
    with pytest.raises(RuntimeError, match="not running"):
        _ = api.base_url
    with api:
        url = api.base_url
        assert url.startswith("http://127.0.0.1:")
        assert httpx2.post(url).status_code == 401
    with pytest.raises(httpx2.ConnectError):
        httpx2.post(url)
    assert not [thread for thread in threading.enumerate() if thread.name == "local-messages-api"]


def test_it_can_be_started_again_and_keeps_its_cache() -> None:
    """A second block is a restart of the server, not of the cache; two at once are a mistake."""
    api = LocalMessagesApi(clock=EmulatorClock(frozen=True))
    for _ in range(2):
        with api, anthropic.Anthropic(base_url=api.base_url, api_key="k", max_retries=0) as client:
            create(client, warm_body())
            with pytest.raises(RuntimeError, match="already running"):
                api.__enter__()
    assert len(api.entries()) == 1
    assert [received.usage.cache_read_input_tokens > 0 for received in api.requests if received.usage] == [
        False,
        True,
    ]


def test_a_client_that_leaves_while_it_sends_does_no_harm(api: LocalMessagesApi) -> None:
    """Half a body and a closed socket: the next request is answered."""
    host, port = api.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half_way:
        half_way.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        while api.peak_connections == 0:
            time.sleep(0.01)
    assert send_raw(api, "{}").status_code == 400


def test_two_emulators_run_side_by_side() -> None:
    """Each has its own port, cache and records."""
    with LocalMessagesApi() as one, LocalMessagesApi() as two:
        assert one.base_url != two.base_url
        send_raw(one, "{}")
        assert (len(one.requests), len(two.requests)) == (1, 0)


def test_stopping_ends_answers_under_way() -> None:
    """Leaving the block does not wait for a minute-long prefill."""
    began = time.monotonic()
    with LocalMessagesApi() as api:
        api.faults.add(Fault(kind="delay", seconds=60))
        caller = threading.Thread(target=_call_and_expect_no_answer, args=(api.base_url,))
        caller.start()
        while api.peak_connections == 0:
            time.sleep(0.01)
    caller.join()
    assert time.monotonic() - began < 30


def _call_and_expect_no_answer(url: str) -> None:
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    with pytest.raises(httpx2.HTTPError):
        httpx2.post(f"{url}/v1/messages", json=warm_body(), headers=headers, timeout=60)


def test_the_public_face_is_what_it_says() -> None:
    """`__all__` lists the nine names, and each exists."""
    expected = {
        "AwsCaller",
        "FederationRule",
        "CacheEntry",
        "EmulatorClock",
        "Fault",
        "LocalMessagesApi",
        "RateLimits",
        "ReceivedRequest",
        "Usage",
    }
    module: ModuleType = package
    assert set(module.__all__) == expected
    assert all(hasattr(module, name) for name in expected)


@pytest.mark.parametrize("source", sorted(SOURCE_FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_it_shares_no_code_with_the_warmer(source: Path) -> None:
    """The oracle imports nothing of the package that is tested against it, nor the SDK."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported.isdisjoint({"prompt_cache_warmer", "anthropic", "app"})
