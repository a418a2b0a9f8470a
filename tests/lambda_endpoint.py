"""An endpoint of AWS Lambda on loopback, for the command that asks a deployed function over boto3."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeLambda:
    """An endpoint of AWS Lambda on loopback, with a function behind it.

    Args:
        answer: takes the event; its answer, or what it raises as a function error.
    """

    def __init__(self, answer: Callable[[Any], object]) -> None:
        asked: list[tuple[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["content-length"])))
                asked.append((self.path, event))
                is_error = False
                try:
                    body = answer(event)
                except Exception as error:  # noqa: BLE001 - as the runtime does
                    is_error, body = True, {"errorType": type(error).__name__, "errorMessage": str(error)}
                self.send_response(200)
                if is_error:
                    self.send_header("x-amz-function-error", "Unhandled")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.asked = asked
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def run(self, *arguments: str, command: str = "verify") -> Result:
        """Run a command with this endpoint in its environment."""
        environment = {
            "AWS_ENDPOINT_URL_LAMBDA": self.address,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
            "WARMER_FUNCTION": "warmer",
        }
        return CliRunner(env=environment, catch_exceptions=False).invoke(commands, [command, *arguments])
