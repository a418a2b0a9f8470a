"""The way between the handler and the world: every request passes here, and here faults are carried out.

A lane is one sandbox's own address. A sandbox that is killed loses it: nothing it still sends arrives
anywhere, as of a process that has ended. All that two processes can see of each other passes by here, so to be
killed before or after any of these requests is to be killed at any await.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from tests.campaign import wire
from tests.campaign.faults import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.campaign.faults import Fault
    from tests.campaign.wire import Request, Response

LOOPBACK = "127.0.0.1"


class World(Protocol):
    """What stands behind the proxy."""

    def place(self, request: Request) -> str:
        """Name the place a request is at."""

    def upstream(self, request: Request) -> tuple[str, int]:
        """Say where it goes."""

    def before(self, lane: Lane, request: Request, fault: Fault | None) -> Response | None:
        """See a request before it goes on; a response is answered in its place."""

    def after(self, lane: Lane, request: Request, fault: Fault | None, answer: Response) -> Response:
        """See the true answer; returns what is answered."""


@dataclass(eq=False)
class Lane:
    """One sandbox's way to the world.

    Attributes:
        port: where it listens.
        is_dead: whether the sandbox was killed.
        on_death: called when it is.
        cancel: cancels the run of the sandbox.
    """

    name: str
    port: int = 0
    is_dead: bool = False
    on_death: Callable[[], None] = lambda: None
    cancel: Callable[[], None] = lambda: None
    writers: set[asyncio.StreamWriter] = field(default_factory=set, repr=False)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def die(self) -> None:
        """End as a killed process does: every connection is cut, and nothing arrives any more."""
        if not self.is_dead:
            self.is_dead = True
            self.on_death()
            for writer in list(self.writers):
                writer.transport.abort()


class Proxy(threading.Thread):
    """The proxy, in a thread of its own as long as the ``with`` block lasts.

    Args:
        world: what stands behind it.
    """

    def __init__(self, world: World) -> None:
        super().__init__(name="campaign-proxy", daemon=True)
        self._world = world
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._lanes: list[Lane] = []
        self.plan = FaultPlan()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.join()

    def run(self) -> None:
        """Serve."""
        self._loop.set_exception_handler(lambda *_: None)  # cut connections are what it is for
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        """Wait for the end and close everything."""
        await self._end.wait()
        for server in self._servers:
            server.close()
        for lane in self._lanes:
            lane.die()
        await asyncio.sleep(0)  # what was cut is closed in the loop's next round

    def open(self, name: str) -> Lane:
        """Open a lane."""
        lane = Lane(name)
        self._lanes.append(lane)

        async def serve() -> None:
            server = await asyncio.start_server(
                lambda reader, writer: self._connection(lane, reader, writer), LOOPBACK, 0, limit=wire.LIMIT_BYTES
            )
            self._servers.append(server)
            lane.port = server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(serve(), self._loop).result()
        return lane

    async def _connection(self, lane: Lane, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lane.writers.add(writer)
        try:
            while not lane.is_dead and (request := await wire.read_request(reader)) is not None:
                if not await self._exchange(lane, request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            lane.writers.discard(writer)
            writer.transport.abort()

    async def _exchange(self, lane: Lane, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Carry one request over; False closes the connection."""
        if lane.is_dead:  # since it began to be read
            return False
        fault = self.plan.take(self._world.place(request))
        kind = "" if fault is None else fault.kind
        if kind == "die-before":
            lane.die()
        if kind == "cancel":
            lane.cancel()
        if kind in ("die-before", "reset-before"):
            return False
        if kind == "hang-before":
            await asyncio.sleep(fault.detail["seconds"])  # type: ignore[union-attr] # there is one
            return False
        answer = self._world.before(lane, request, fault)
        if answer is None:
            true = await wire.ask(*self._world.upstream(request), request)
            answer = self._world.after(lane, request, fault, true)
        if kind == "die-after":
            lane.die()
            return False
        return await _send(answer, fault, writer)


async def _send(answer: Response, fault: Fault | None, writer: asyncio.StreamWriter) -> bool:
    raw = answer.as_bytes()
    kind = "" if fault is None else fault.kind
    if fault is not None and kind == "reset":
        writer.write(raw[: _cut(raw, str(fault.detail["name"]))])
        await writer.drain()
        await asyncio.sleep(0.005)  # what was written goes out before the connection is cut
        return False
    if fault is not None and kind == "hang-after":
        await asyncio.sleep(fault.detail["seconds"])
        return False
    if fault is not None and kind in ("drip", "drip-long"):
        pieces = fault.detail["pieces"]
        size = -(-len(raw) // pieces)
        for start in range(0, len(raw), size):
            writer.write(raw[start : start + size])
            await writer.drain()
            await asyncio.sleep(fault.detail["seconds"] / pieces)
        return True
    writer.write(raw)
    await writer.drain()
    return True


def _cut(raw: bytes, where: str) -> int:
    """Say after how many bytes a connection is cut."""
    head = raw.index(b"\r\n\r\n") + 4
    return {
        "nothing": 0,
        "status line": 9,
        "first header": raw.index(b"\r\n") + 5,
        "end of head": head - 2,
        "head": head,
        "first byte": min(head + 1, len(raw) - 1),
        "half": (head + len(raw)) // 2,
        "last byte": len(raw) - 1,
    }[where]


CUTS = ("nothing", "status line", "first header", "end of head", "head", "first byte", "half", "last byte")
"""Every class of positions at which a connection can be cut."""
