"""Every command in front of something that is not AWS: a proxy's page, whatever its status, is no answer."""

from __future__ import annotations

import http.server
import json
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner

from prompt_cache_warmer.adapters.aws_answers import EndpointAddressError, NotAwsError, check_answer, checked
from prompt_cache_warmer.adapters.s3_bucket import Bucket, ObjectUnavailableError, StoredObject
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.errors import StateUnavailableError, TargetsUnreadableError
from prompt_cache_warmer.wiring.aws import aws_client
from tests.fakes import FakeClock, document
from tests.local_stack import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

PAGE = b"<!DOCTYPE html>\n<html><body><h1>Sign in</h1></body></html>"
OLD_PAGE = b"<html><body>gateway</body></html>"
NOT_AWS = "something that is not AWS answered; check AWS_ENDPOINT_URL and the proxy"
FAILS = "fails: try again, and check the network path and AWS_ENDPOINT_URL"
TABLE, FUNCTION = ("--table", "t-table"), ("--function", "f")
COMMANDS = {
    "stack": ("status", "--stack", "shop"),
    "status": ("status", "--bucket", "b-bucket", *TABLE),
    "check": ("check", "s3://b-bucket/targets/"),
    "capture": ("capture", "request.json", "--upload", "--bucket", "b-bucket"),
    "touch": ("touch", "support", "--model", "m", *TABLE),
    "pause": ("pause", "--for", "1h", "--reason", "x", *TABLE),
    "resume": ("resume", *TABLE),
    "settings": ("status", *FUNCTION),
    "warm": ("warm", "support", *FUNCTION),
    "report": ("report", "--service", "shop"),
}


@dataclass
class Proxy:
    """Something that answers all requests alike.

    Attributes:
        url: where it is.
        status: what it answers with.
        body: what it answers.
        headers: what it says of it.
    """

    url: str = ""
    status: int = 200
    body: bytes = PAGE
    headers: tuple[tuple[str, str], ...] = ()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    """Return it, with boto3 led to it."""
    answers = Proxy()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(answers.status)
            for name, value in answers.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answers.body)))
            self.end_headers()
            self.wfile.write(answers.body)

        do_POST = do_PUT = do_GET  # noqa: N815 - the server's own names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for name in (*VARIABLES, "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "request.json").write_text(json.dumps({"model": "claude-sonnet-4-6", **document()["request"]}))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        answers.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", answers.url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "a")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield answers
        server.shutdown()


def run(*arguments: str) -> Result:
    """Type a command; a crash fails the test."""
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(commands, arguments, obj=Seams(clock=FakeClock()), prog_name="prompt-cache-warmer")


def refusal(*arguments: str) -> str:
    """Return the one sentence of a command that could not ask."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_with_status_200_is_no_answer(proxy: Proxy, name: str) -> None:
    """Nothing is remembered, listed or paused by it, and no lookup fails."""
    said = {
        "warm": "answered something that is not JSON: check AWS_ENDPOINT_URL and the proxy",
        "check": "something that is not AWS answered",
    }
    assert proxy.status == 200
    assert said.get(name, NOT_AWS) in refusal(*COMMANDS[name])


@pytest.mark.parametrize("name", ["stack", "status", "touch", "settings", "warm", "report"])
@pytest.mark.parametrize("body", [PAGE, OLD_PAGE, b""], ids=["page", "old page", "nothing"])
def test_a_gateway_that_fails_is_asked_again_later(proxy: Proxy, name: str, body: bytes) -> None:
    """Nobody refused anything: neither the name nor the login is what is wrong."""
    proxy.status, proxy.body = 502, body
    assert refusal(*COMMANDS[name]).endswith(f": 502; AWS, or a proxy on the way to it, {FAILS}")


@pytest.mark.parametrize("name", ["stack", "touch", "settings"])
def test_a_page_that_refuses_is_not_aws_refusing(proxy: Proxy, name: str) -> None:
    """As a proxy that wants a login of its own answers."""
    proxy.status = 403
    assert refusal(*COMMANDS[name]).endswith(NOT_AWS)


@pytest.mark.parametrize("status", [200, 502])
def test_doctor_sends_nobody_to_log_in_for_it(proxy: Proxy, status: int) -> None:
    """Who asks is not what is wrong."""
    proxy.status = status
    result = run("doctor", "--stack", "shop")
    assert result.exit_code == 2
    line = result.stdout.splitlines()[0]
    word = {200: "something that is not AWS answered", 502: "502"}[status]
    assert line == f"red       identity: AWS cannot be reached: {word}"
    assert "log in" not in result.stdout
    assert "check itself failed" not in result.stdout


def test_a_tick_is_told_in_errors_of_ours(proxy: Proxy) -> None:
    """The function's adapters raise what its operator knows, and no lookup's error."""
    table, bucket = StateTable(aws_client("dynamodb"), "t-table"), Bucket(aws_client("s3"), "b-bucket")
    with pytest.raises(StateUnavailableError, match="BatchGetItem, or gave no answer: something that is not AWS"):
        table.read(["key"])
    with pytest.raises(TargetsUnreadableError, match="listed under '': something that is not AWS answered; check TARG"):
        bucket.objects("")
    with pytest.raises(ObjectUnavailableError, match="'k' could not be read: something that is not AWS answered"):
        bucket.read(StoredObject("k", '"e"', 1))
    proxy.status = 502
    with pytest.raises(StateUnavailableError, match="502; DynamoDB, or a proxy on the way to it, fails: the next run"):
        table.read(["key"])


def test_json_that_is_not_dynamodbs_is_no_answer(proxy: Proxy) -> None:
    """Neither without its request id, nor with it and without what was asked for."""
    proxy.body = b'{"ok": true}'
    assert refusal(*COMMANDS["touch"]).endswith(NOT_AWS)
    proxy.headers = (("x-amzn-RequestId", "1"),)
    assert refusal(*COMMANDS["resume"]).endswith(NOT_AWS)


def test_a_listing_that_is_none_is_no_empty_bucket(proxy: Proxy) -> None:
    """XML with S3's request id, and nothing of a listing in it."""
    proxy.body, proxy.headers = b"<Other/>", (("x-amz-request-id", "1"),)
    assert refusal(*COMMANDS["status"]).endswith("the answer is no listing; check AWS_ENDPOINT_URL and the proxy")


@dataclass
class Operation:
    """As much of botocore's model of an operation as is looked at."""

    output_shape: object
    protocol: str

    @property
    def service_model(self) -> Any:
        """Its service."""
        return type("Service", (), {"resolved_protocol": self.protocol})


@pytest.mark.parametrize(
    ("body", "operation", "is_well"),
    [
        (b"", Operation(None, "json"), True),
        (b"", Operation(object(), "json"), False),
        (b"", Operation(object(), "rest-xml"), True),
        (b"{}", Operation(object(), "json"), True),
        (b'{"cut": ', Operation(object(), "json"), False),
        (b"<a><b/></a>", Operation(object(), "query"), True),
        (b"<a><b/>", Operation(object(), "query"), False),
        (PAGE, Operation(object(), "query"), False),
    ],
    ids=["none wanted", "none", "headers only", "object", "cut object", "xml", "cut xml", "page"],
)
def test_a_body_is_of_the_services_kind(body: bytes, operation: Operation, *, is_well: bool) -> None:
    """An answer that was cut off is none, even with AWS's own headers."""
    response = {"status_code": 200, "body": body, "headers": {"X-Amzn-RequestId": "1"}}
    if is_well:
        check_answer(operation_model=operation, response_dict=response)
        return
    with pytest.raises(NotAwsError, match="something that is not AWS answered"):
        check_answer(operation_model=operation, response_dict=response)


@pytest.mark.parametrize("address", ["garbage", "localhost:4566"])
def test_an_address_that_is_none_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """With the variable that says it."""
    assert proxy.url
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    said = f"AWS_ENDPOINT_URL='{address}' is no http(s):// address"
    for command in COMMANDS.values():
        assert refusal(*command).endswith(said)
    made = run("init", "starter", "--dir", "made", "--stack", "shop")  # the starter stands all the same
    assert (made.exit_code, said in made.stderr) == (0, True)
    with pytest.raises(EndpointAddressError):
        aws_client("sts")


def test_another_error_of_a_value_is_left_as_it_is() -> None:
    """It is a defect, and not the address's."""

    def make(service: str) -> object:
        raise ValueError(service)

    with pytest.raises(ValueError, match="sts"):
        checked(make, "sts")
