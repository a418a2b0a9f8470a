"""The least of HTTP/1.1 for a bench's own servers: connections that are kept alive, one request at a time on each.

AWS and the API keep connections alive; moto's own server closes each after its answer, and what a new one costs would
be on our side's clock.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

HOST = "127.0.0.1"
BACKLOG = 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"


class KeptAlive(asyncio.Protocol):
    """One connection.

    Args:
        asked: takes a request's head, its body, and what sends an answer: a status line, headers, a body.
    """

    def __init__(self, asked: Callable[[bytes, bytes, Callable[[str, bytes], None]], None]) -> None:
        self._asked = asked
        self._head = b""
        self._parts: list[bytes] = []
        self._missing: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what the answers are written to."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self._missing is None:
            self._head, end, data = (self._head + data).partition(_END_OF_HEAD)
            if not end:
                return
            length = _LENGTH.search(self._head)
            self._missing = int(length[1]) if length else 0
        self._parts.append(data)
        self._missing -= len(data)
        if not self._missing:
            head, body = self._head, b"".join(self._parts)
            self._head, self._parts, self._missing = b"", [], None
            self._asked(head, body, self._answer)

    def _answer(self, head: str, body: bytes) -> None:
        self._transport.write(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode("latin-1") + body)


async def serve(parent: Connection, asked: Callable[[bytes, bytes, Callable[[str, bytes], None]], None]) -> None:
    """Listen, and tell the parent the port."""
    server = await asyncio.get_running_loop().create_server(lambda: KeptAlive(asked), HOST, 0, backlog=BACKLOG)
    parent.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()
