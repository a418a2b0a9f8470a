"""`LocalMessagesApi`: the emulator on a loopback port, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import web

from infra.local.messages_api.behaviour import Behaviour
from infra.local.messages_api.clock import EmulatorClock
from infra.local.messages_api.emulator import Emulator
from infra.local.messages_api.server import MessagesServer

if TYPE_CHECKING:
    from types import TracebackType

    from infra.local.messages_api.cache import CacheEntry
    from infra.local.messages_api.faults import FaultBoard
    from infra.local.messages_api.records import ReceivedRequest

HOST = "127.0.0.1"  # loopback only: it accepts any key
KEEP_REQUESTS = 10_000  # requests remembered by default: a long demo, with bodies of kilobytes

_BACKLOG = 1024  # connections waiting to be accepted: 500 clients may knock at the same moment
_SHUTDOWN_SECONDS = 1.0  # how long answers under way are given when the emulator stops


@dataclass(kw_only=True, eq=False)
class LocalMessagesApi(Behaviour):
    """The Messages API emulator as a context manager: it listens inside the `with` block only.

    Every field of `Behaviour` is a keyword of the constructor too, and may be set while it runs.

    Attributes:
        clock: what lifetimes and rate limits run on; a clock of real time unless given.
        keep_requests: how many requests are remembered.
    """

    clock: EmulatorClock = field(default_factory=EmulatorClock)
    keep_requests: int = KEEP_REQUESTS

    def __post_init__(self) -> None:
        self._emulator = Emulator(clock=self.clock, behaviour=self, keep_requests=self.keep_requests)
        self._server: _ServerThread | None = None

    def __enter__(self) -> Self:
        if self._server is not None:
            raise RuntimeError("the local Messages API is already running; leave its `with` block first")
        server = _ServerThread(self._emulator)
        server.start_and_wait()
        self._server = server
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop_and_wait()
            self._server = None

    @property
    def base_url(self) -> str:
        """Where it listens, for the SDK's `base_url`.

        Raises:
            RuntimeError: it is not running.
        """
        if self._server is None:
            raise RuntimeError("the local Messages API is not running; use it in a `with` block")
        return f"http://{HOST}:{self._server.port}"

    @property
    def faults(self) -> FaultBoard:
        """The faults in force: `add` one, `clear` them all."""
        return self._emulator.faults

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """The last requests whose answer has begun, oldest first."""
        return self._emulator.log.all()

    @property
    def peak_connections(self) -> int:
        """The most requests that were open at once."""
        return self._emulator.connections.peak

    def clear_requests(self) -> None:
        """Forget the requests received so far."""
        self._emulator.log.clear()

    def entries(self) -> tuple[CacheEntry, ...]:
        """List the cache entries that are alive now, oldest write first."""
        return self._emulator.cache.entries(self.clock.now_seconds())

    def forget_tokens(self) -> None:
        """Revoke every token that was granted for an identity token."""
        self._emulator.tokens.forget()

    def forget_entries(self) -> None:
        """Evict every cache entry: an entry can vanish before its lifetime ends."""
        self._emulator.cache.forget()


class _ServerThread(threading.Thread):
    """Runs one event loop with one server in it, from start to clean stop."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(name="local-messages-api", daemon=True)
        self.port = 0
        self._emulator = emulator
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._has_settled = threading.Event()
        self._failure: BaseException | None = None

    def start_and_wait(self) -> None:
        """Start and return once the port is open."""
        self.start()
        self._has_settled.wait()
        if self._failure is not None:
            self.join()
            raise self._failure

    def stop_and_wait(self) -> None:
        """Close the port and every connection, end every task, then return."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self.join()

    def run(self) -> None:
        """Serve until told to stop."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits for the start
                self._failure = failure
            finally:
                self._has_settled.set()

    async def _serve(self) -> None:
        application = MessagesServer(self._emulator).application()
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0, backlog=_BACKLOG).start()
            self.port = int(runner.addresses[0][1])
            self._has_settled.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()
