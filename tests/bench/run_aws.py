"""S3 and DynamoDB of the bench of a run: moto's server in a process of its own, its bucket filled from inside."""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import unquote

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends

from infra.local.aws import LocalAws
from infra.local.cloud import API_KEY, BUCKET, SECRET, STATE_TABLE, create_state_table
from tests.bench.kept_alive import HOST, serve
from tests.bench.run_targets import document, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

_FRONTS_OWN = frozenset({"content-length", "connection"})


@dataclass(frozen=True, slots=True)
class BenchAws:
    """An account that listens.

    Attributes:
        connection: leads to its process.
        environment: what makes the handler and boto3 talk to it.
    """

    connection: Connection
    environment: dict[str, str]

    def fill(self, count: int, prompt_bytes: int, *, ttl: str = "5m") -> None:
        """Let there be just so many documents, and nothing remembered of them."""
        self.connection.send((count, prompt_bytes, ttl))
        self.connection.recv()


@contextmanager
def bench_aws() -> Iterator[BenchAws]:
    """Run one in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs,), daemon=True)
    server.start()
    try:
        yield BenchAws(ours, ours.recv())
    finally:
        server.terminate()
        server.join()


def _run(parent: Connection) -> None:
    with LocalAws() as aws:
        settings = {"TARGETS_BUCKET": BUCKET, "ANTHROPIC_SECRET_ID": SECRET}
        moto = DomainDispatcherApplication(create_backend_app)
        lock = Lock()  # what is filled in and what is asked for come one at a time
        ours, front = multiprocessing.Pipe()
        Thread(target=lambda: asyncio.run(serve(front, partial(_asked, moto, lock))), daemon=True).start()
        parent.send({**aws.environment(), **settings, "AWS_ENDPOINT_URL": f"http://{HOST}:{ours.recv()}"})
        while True:
            count, prompt_bytes, ttl = parent.recv()
            with lock:
                aws.reset()
                aws.s3.create_bucket(Bucket=BUCKET)
                aws.secrets.create_secret(Name=SECRET, SecretString=API_KEY)
                create_state_table(aws, STATE_TABLE)
                backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # over HTTP it would take minutes
                for number in range(count):
                    content = document(number, prompt_bytes, ttl=ttl)
                    backend.put_object(BUCKET, f"targets/{name_of(number)}.json", content)
            parent.send("filled")


def _asked(
    moto: Callable[..., Iterable[bytes]], lock: Lock, head: bytes, body: bytes, answer: Callable[[str, bytes], None]
) -> None:
    """Hand a request on to moto as a WSGI server does."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    path, _, query = target.partition("?")
    headers = {
        name.upper().replace("-", "_"): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote(path),
        "RAW_URI": target,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": HOST,
        "SERVER_PORT": headers["HOST"].partition(":")[2],
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }
    begun: list[str] = []

    def start(status: str, pairs: list[tuple[str, str]], *_: object) -> None:
        kept = (f"{name}: {value}" for name, value in pairs if name.lower() not in _FRONTS_OWN)
        begun.append("\r\n".join((f"HTTP/1.1 {status}", *kept)))

    with lock:
        content = b"".join(moto(environ, start))
    answer(begun[-1], content)
