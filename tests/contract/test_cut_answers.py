"""Answers of AWS and of the API that were cut off or spoilt on their way: never taken for what they seem to say.

All found by the fault campaign (``make campaign``).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from prompt_cache_warmer.adapters.s3_bucket import Bucket, ObjectUnavailableError, StoredObject
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.errors import StateUnavailableError, TargetsUnreadableError, UnreachableError, WarmCallError
from prompt_cache_warmer.rules.request import warm_call
from tests.fakes import MODEL, target
from tests.message_adapters import ADAPTERS, opened

if TYPE_CHECKING:
    from collections.abc import Iterator


LISTING = (
    b"<?xml version='1.0'?><ListBucketResult><Name>b-1</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"
    b"</ListBucketResult>"
)
STREAMED = {"system": "word " * 9_000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
NO_RETRIES = Config(retries={"total_max_attempts": 1})


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """Answer everything with these bytes and then hang up; gives the address."""

    class Answer(StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while line := self.rfile.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self.rfile.read(length)
            self.wfile.write(raw)

    with ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def whole(body: bytes, **headers: str) -> bytes:
    """Return an answer with all its headers."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, f"content-length: {len(body)}", "", ""]).encode() + body


def client(service: str, address: str) -> object:
    """Return a boto3 client that asks once."""
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    return session.client(service, endpoint_url=address, config=NO_RETRIES)  # type: ignore[call-overload] # by name


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(whole(b""), id="empty"),
        pytest.param(whole(b"<html>Please sign in</html>"), id="page"),
        pytest.param(b"HTTP/1.1 200 OK\r\nserv", id="cut among the headers"),
    ],
)
def test_what_is_no_listing_is_no_empty_bucket(raw: bytes) -> None:
    """Read as one, it would leave every target out without a word."""
    with answering(raw) as address, pytest.raises(TargetsUnreadableError, match="the answer is no listing"):
        Bucket(client("s3", address), "b-1").objects("targets/")  # type: ignore[arg-type] # see client


def test_an_empty_listing_is_an_empty_bucket() -> None:
    """A bucket may hold nothing."""
    with answering(whole(LISTING)) as address:
        assert Bucket(client("s3", address), "b-1").objects("targets/") == {}  # type: ignore[arg-type] # see client


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(whole(b'{"na', etag='"e1"'), "4 bytes came of 10", id="shorter than listed"),
        pytest.param(whole(b"1234567890"), "something that is not AWS answered", id="no ETag"),
        pytest.param(b"HTTP/1.1 200 OK\r\nserv", "something that is not AWS answered", id="cut among the headers"),
        pytest.param(
            b'HTTP/1.1 200 OK\r\netag: "e1"\r\n', "something that is not AWS answered", id="cut behind the ETag"
        ),
    ],
)
def test_an_object_that_was_cut_off_is_unavailable(raw: bytes, said: str) -> None:
    """Kept under its ETag, half a document would stay a wrong one until somebody uploads it again."""
    stored = StoredObject("targets/a.json", '"e1"', 10)
    with answering(raw) as address, pytest.raises(ObjectUnavailableError, match=said):
        Bucket(client("s3", address), "b-1").read(stored)  # type: ignore[arg-type] # see client


def test_a_newer_object_may_have_another_size() -> None:
    """What was uploaded since the listing is read as it is."""
    with answering(whole(b"12345", etag='"e2"')) as address:
        bucket = Bucket(client("s3", address), "b-1")  # type: ignore[arg-type] # see client
        assert bucket.read(StoredObject("a", '"e1"', 10)) == (StoredObject("a", '"e2"', 5), b"12345")


def test_a_batch_read_that_was_cut_off_knows_nothing_of_nobody() -> None:
    """Read as no items, it would have every entry called again and every cap forgotten."""
    with (
        answering(b"HTTP/1.1 200 OK\r\nserv") as address,
        pytest.raises(
            StateUnavailableError, match="BatchGetItem, or gave no answer: something that is not AWS answered"
        ),
    ):
        StateTable(client("dynamodb", address), "state").read(["stack"])  # type: ignore[arg-type] # see client


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    """Return the name of each adapter."""
    return str(request.param)


async def test_a_stream_that_breaks_off_is_an_unreachable_api(adapter: str) -> None:
    """The SDK turns its HTTP library's errors into its own only while it sends, not while a stream is read."""
    raw = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\nevent: message_st"
    call = warm_call(target(request=STREAMED), "claude-haiku-4-5")
    with answering(raw) as address:
        async with opened(adapter, address) as messages:
            with pytest.raises(UnreachableError, match="no usable answer: RemoteProtocolError") as caught:
                await messages.send(call, timeout_seconds=5)
    assert caught.value.may_be_billed


async def test_lists_in_lists_without_end_are_an_unreachable_api(adapter: str) -> None:
    """A hundred thousand brackets break no run."""
    raw = whole(b"[" * 100_000, content_type="application/json")
    with answering(raw) as address:
        async with opened(adapter, address) as messages:
            with pytest.raises(UnreachableError, match="its body is not JSON"):
                await messages.send(warm_call(target(), MODEL), timeout_seconds=5)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"5"'])
async def test_a_count_that_is_no_object_is_an_unreachable_api(adapter: str, body: bytes) -> None:
    """The SDK hands a list or a text on as it came."""
    with answering(whole(body, content_type="application/json")) as address:
        async with opened(adapter, address) as messages:
            with pytest.raises(UnreachableError, match="an answer without a token count"):
                await messages.count_tokens(warm_call(target(), MODEL), timeout_seconds=5)


@pytest.mark.parametrize(
    ("identifier", "kept"),
    [('"msg_1"', "msg_1"), ('{"deep": [1]}', None), ('"what the prompt says"', None), ("7", None)],
)
async def test_an_id_that_is_none_is_not_kept(adapter: str, identifier: str, kept: str | None) -> None:
    """It is remembered and reported as it came, so that only an id may be one."""
    body = f'{{"id": {identifier}, "type": "message", "content": [], "usage": {{"input_tokens": 5}}}}'.encode()
    with answering(whole(body, content_type="application/json")) as address:
        async with opened(adapter, address) as messages:
            assert (await messages.send(warm_call(target(), MODEL), timeout_seconds=5)).message_id == kept


@pytest.mark.parametrize(
    "error",
    [
        b'{"type": 1, "message": "x", "details": {"error_code": ["a"]}}',
        b'{"type": {"a": 1}, "message": ["x"], "details": 7}',
        b'{"type": "what the prompt says", "details": {"error_code": "what the prompt says"}}',
    ],
)
async def test_an_error_of_odd_types_is_told_by_its_status(adapter: str, error: bytes) -> None:
    """Type, code and message of an error may be anything; none of it breaks a run or is quoted as a word."""
    body = b'{"type": "error", "error": ' + error + b"}"
    raw = whole(body, content_type="application/json").replace(b"200 OK", b"400 Bad Request")
    with answering(raw) as address:
        async with opened(adapter, address) as messages:
            with pytest.raises(WarmCallError) as caught:
                await messages.send(warm_call(target(), MODEL), timeout_seconds=5)
    assert str(caught.value).startswith("400 without an error type")
    assert "prompt says" not in str(caught.value)
