"""The Usage API over the real SDK: pages, the minute between two requests, refusals, and a key that stays secret."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.usage_report import AnthropicUsageReports
from prompt_cache_warmer.rules.effect_sources import ReportedUsage, SourceError
from prompt_cache_warmer.rules.effect_window import Window
from prompt_cache_warmer.values.usage import Usage
from tests.canaries import CANARY

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN_KEY = f"sk-ant-admin-{CANARY}"
MODEL = "claude-sonnet-4-6"
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = Window(START, START + timedelta(days=40), 86_400)
HOURS = Window(START, START + 2 * HOUR, 3_600)


class EmulatorsClock:
    """The emulator's clock as a seam: waiting moves it."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self.slept_seconds: list[float] = []

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self._clock.now_seconds(), UTC)

    def monotonic_seconds(self) -> float:
        """Return the time in seconds."""
        return self._clock.now_seconds()

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.slept_seconds.append(seconds)
        self._clock.advance(seconds)


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Return a Messages API with two keys of two workspaces and an admin key."""
    keys = {"sk-a": "wrkspc_a", "sk-b": "wrkspc_b"}
    clock = EmulatorClock(frozen=True)
    with LocalMessagesApi(clock=clock, api_keys=keys, admin_keys=frozenset({ADMIN_KEY})) as emulator:
        yield emulator


def send(api: LocalMessagesApi, key: str, ttl: str = "5m") -> None:
    """Send one request whose prefix is marked."""
    system: list[Any] = [
        {"type": "text", "text": "stable prefix " * 600, "cache_control": {"type": "ephemeral", "ttl": ttl}}
    ]
    with anthropic.Anthropic(base_url=api.base_url, api_key=key, max_retries=0) as client:
        client.messages.create(model=MODEL, max_tokens=1, system=system, messages=[{"role": "user", "content": "hi"}])


def reports(api: LocalMessagesApi, key: str = ADMIN_KEY) -> AnthropicUsageReports:
    """Return what asks the emulator."""
    return AnthropicUsageReports(key, clock=EmulatorsClock(api.clock), base_url=api.base_url)


@pytest.mark.parametrize("reports_rows", [False, True], ids=["buckets", "rows"])
async def test_both_shapes_say_what_the_emulators_own_ledger_says(
    api: LocalMessagesApi,
    reports_rows: bool,  # noqa: FBT001 - a column
) -> None:
    """By model and workspace, to the token: a write and a read in one, a write for an hour in the other."""
    api.reports_rows = reports_rows
    send(api, "sk-a")
    api.clock.advance(60)
    send(api, "sk-a")
    send(api, "sk-b", ttl="1h")
    api.clock.advance(3_600)
    first, second, third = (request.usage for request in api.requests)
    assert first is not None
    assert second is not None
    assert third is not None
    assert await reports(api).read(HOURS, "1h") == (
        ReportedUsage(
            MODEL,
            "wrkspc_a",
            Usage(
                uncached_tokens=first.input_tokens + second.input_tokens,
                read_tokens=second.cache_read_input_tokens,
                write_5m_tokens=first.ephemeral_5m_input_tokens,
            ),
        ),
        ReportedUsage(
            MODEL,
            "wrkspc_b",
            Usage(uncached_tokens=third.input_tokens, write_1h_tokens=third.ephemeral_1h_input_tokens),
        ),
    )
    sent = api.requests[-1]
    assert (sent.headers["anthropic-version"], sent.headers["x-api-key"]) == ("2023-06-01", ADMIN_KEY)
    assert "authorization" not in sent.headers
    assert second.cache_read_input_tokens > 0 < third.ephemeral_1h_input_tokens


async def test_pages_are_asked_for_a_minute_apart(api: LocalMessagesApi) -> None:
    """Forty days are two pages of 31; what is on the second is not lost."""
    send(api, "sk-a")
    api.clock.advance(35 * 86_400)
    send(api, "sk-a")
    api.clock.advance(86_400)
    clock = EmulatorsClock(api.clock)
    (row,) = await AnthropicUsageReports(ADMIN_KEY, clock=clock, base_url=api.base_url).read(DAYS, "1d")
    assert clock.slept_seconds == [60.0]
    written = [request.usage.ephemeral_5m_input_tokens for request in api.requests if request.usage]
    assert (len(written), row.usage.write_5m_tokens) == (2, sum(written))


async def test_whoever_asked_before_is_waited_for(api: LocalMessagesApi) -> None:
    """429 with retry-after: that long, and then it is answered."""
    await reports(api).read(HOURS, "1h")
    api.clock.advance(18)
    clock = EmulatorsClock(api.clock)
    assert await AnthropicUsageReports(ADMIN_KEY, clock=clock, base_url=api.base_url).read(HOURS, "1h") == ()
    assert clock.slept_seconds == [42.0, 18.0]


async def test_a_refused_key_is_told_and_never_quoted(api: LocalMessagesApi, caplog: pytest.LogCaptureFixture) -> None:
    """What to check, without the key and without the API's own words."""
    with caplog.at_level("DEBUG"), pytest.raises(SourceError) as refusal:
        await reports(api, f"sk-ant-api-{CANARY}").read(HOURS, "1h")
    assert str(refusal.value) == (
        "the Usage API answered 401: check the admin key: one that begins with sk-ant-admin, of the organization "
        "that pays"
    )
    assert CANARY not in caplog.text + repr(refusal.value)
    assert refusal.value.__suppress_context__


@contextmanager
def answering(*answers: tuple[int, dict[str, str], str]) -> Iterator[tuple[str, list[str]]]:
    """Serve answers one after the other, the last one for ever; yields the address and the paths that were asked."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


async def ask(address: str, clock: EmulatorsClock) -> str:
    """Ask an address, which must fail; returns the sentence."""
    with pytest.raises(SourceError) as failure:
        await AnthropicUsageReports(ADMIN_KEY, clock=clock, base_url=address).read(HOURS, "1h")
    return str(failure.value)


@pytest.mark.parametrize(
    ("status", "headers", "body", "said", "slept"),
    [
        (403, {}, "{}", "the Usage API answered 403: check the admin key: it may not read usage reports", []),
        (404, {}, "{}", "the Usage API answered 404: check ANTHROPIC_BASE_URL: Bedrock and Claude Platform on AWS", []),
        (500, {}, "{}", "the Usage API answered 500: try again later", []),
        (429, {"retry-after": "121"}, "{}", "the Usage API answered 429: it may be asked once a minute by all", []),
        (429, {"retry-after": "100"}, "{}", "the Usage API answered 429: it may be", [100.0, 0.0, 100.0, 0.0]),
        (429, {}, "{}", "the Usage API answered 429: it may be asked once a minute", [60.0, 0.0, 60.0, 0.0]),
        (200, {}, "[]", "the Usage API answered in a shape this version does not know: the answer is no JSON", []),
        (200, {"content-type": "text/html"}, "<p>", "the Usage API answered in a shape this version does not", []),
        (200, {}, '{"data": [], "has_more": true}', "the Usage API answered in a shape this version does not k", []),
    ],
    ids=["403", "404", "500", "429-long", "429-retries", "429-plain", "list", "html", "no-page"],
)
async def test_whatever_goes_wrong_is_a_sentence(
    status: int, headers: dict[str, str], body: str, said: str, slept: list[float]
) -> None:
    """Waiting is bounded: three attempts, two minutes each at the most."""
    clock = EmulatorsClock(EmulatorClock(frozen=True))
    with answering((status, headers, body)) as (address, _):
        assert (await ask(address, clock)).startswith(said)
    assert clock.slept_seconds == slept


async def test_pages_without_an_end_are_given_up() -> None:
    """Twenty pages are more than there can be."""
    page = json.dumps({"data": [], "has_more": True, "next_page": "page_x"})
    clock = EmulatorsClock(EmulatorClock(frozen=True))
    with answering((200, {}, page)) as (address, asked):
        assert await ask(address, clock) == "the Usage API has more than 20 pages: ask for a shorter time"
    assert len(asked) == 20
    assert [("page=page_x" in path) for path in asked] == [False] + 19 * [True]
    assert clock.slept_seconds == 19 * [60.0]


async def test_an_address_where_nobody_answers_is_a_sentence() -> None:
    """Nothing listens there."""
    clock = EmulatorsClock(EmulatorClock(frozen=True))
    with answering((200, {}, "{}")) as (address, _):
        pass
    assert await ask(address, clock) == "the Usage API does not answer: ConnectError; check the network path"
