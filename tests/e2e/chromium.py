"""A headless Chromium that shows one page from a file, spoken to over its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_PORT_FILE = "DevToolsActivePort"
_POLLS, _POLL_SECONDS = 300, 0.05  # 15 s: a first start on a busy machine
_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


@dataclass
class Page:
    """One page that is being looked at.

    Attributes:
        requests: the addresses it asked for.
        complaints: what it said on its console, and what went wrong in it.
    """

    socket: aiohttp.ClientWebSocketResponse
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _number: int = 0
    _seen: set[str] = field(default_factory=set)

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser something and return its answer."""
        self._number += 1
        await self.socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self.socket.receive_json()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    async def show(self, address: str, *, width: int, is_dark: bool) -> None:
        """Open an address in a window of a width, and wait until it is loaded."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        await self.ask("Page.navigate", url=address)
        while "Page.loadEventFired" not in self._seen:
            self._note(await self.socket.receive_json())

    async def value(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def picture(self) -> bytes:
        """Take a picture of the whole page, as PNG."""
        answer = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method", ""), event.get("params", {})
        self._seen.add(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.complaints.append(str(parameters))


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Page]:
    """Start Chromium with a profile of its own, and end it."""
    assert CHROMIUM is not None
    arguments = [CHROMIUM, *_ARGUMENTS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = await _port(profile / _PORT_FILE)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [found for found in await answer.json() if found["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    for _ in range(_POLLS):
        if "\n" in (written := _written(file)):
            return int(written.splitlines()[0])
        await asyncio.sleep(_POLL_SECONDS)
    raise TimeoutError(f"{CHROMIUM} did not start")


def _written(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
