"""Just enough HTTP/1.1 for a proxy on loopback: whole requests in, whole responses out, as bytes that can be cut."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus

_END_OF_HEAD = b"\r\n\r\n"
_HOP_HEADERS = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})
LIMIT_BYTES = 1 << 20  # of a head


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: its method.
        target: its path and query, as sent.
        headers: names as sent, in order.
        body: its bytes.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def as_bytes(self) -> bytes:
        """Write it, for a connection that is closed after it."""
        kept = [(key, value) for key, value in self.headers if key.lower() not in _HOP_HEADERS | {"expect"}]
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{key}: {value}" for key, value in kept)]
        lines += [f"Content-Length: {len(self.body)}", "Connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def with_body(self, body: bytes, **headers: str) -> Response:
        """Return it with another body, and some headers set."""
        names = {name.replace("_", "-") for name in headers}
        kept = tuple((key, value) for key, value in self.headers if key.lower() not in names)
        return replace(self, body=body, headers=(*kept, *((k.replace("_", "-"), v) for k, v in headers.items())))

    def as_bytes(self) -> bytes:
        """Write it."""
        kept = [(key, value) for key, value in self.headers if key.lower() not in _HOP_HEADERS]
        lines = [f"HTTP/1.1 {self.status} -", *(f"{key}: {value}" for key, value in kept)]
        lines += [f"content-length: {len(self.body)}", "", ""]
        no_body = self.status == HTTPStatus.NOT_MODIFIED  # one with a body would spoil the connection's next answer
        return "\r\n".join(lines).encode("latin-1") + (b"" if no_body else self.body)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request of a connection; None at its end."""
    try:
        head = (await reader.readuntil(_END_OF_HEAD)).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = _headers(lines)
    length = int({key.lower(): value for key, value in headers}.get("content-length", 0))
    body = await reader.readexactly(length) if length else b""
    return Request(method, target, headers, body)


async def ask(host: str, port: int, request: Request) -> Response:
    """Send a request on and read the whole answer."""
    reader, writer = await asyncio.open_connection(host, port, limit=LIMIT_BYTES)
    try:
        writer.write(request.as_bytes())
        await writer.drain()
        raw = await reader.read()
    finally:
        writer.close()
    head, _, body = raw.partition(_END_OF_HEAD)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = _headers(lines)
    if any(key.lower() == "transfer-encoding" and value == "chunked" for key, value in headers):
        body = _joined(body)
    return Response(int(first.split(" ")[1]), headers, body)


def _headers(lines: list[str]) -> tuple[tuple[str, str], ...]:
    parts = (line.partition(":") for line in lines if line)
    return tuple((key.strip(), value.strip()) for key, _, value in parts)


def _joined(chunked: bytes) -> bytes:
    whole, rest = bytearray(), chunked
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if not length:
            break
        whole += rest[:length]
        rest = rest[length + 2 :]
    return bytes(whole)
