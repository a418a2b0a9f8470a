"""The cloud behind the proxy: moto and the Messages API emulator, what is in them, and the ledger of true calls."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from infra.local.aws import LocalAws
from infra.local.cloud import BUCKET, SECRET, STATE_TABLE, create_state_table
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from tests.campaign import answers, aws_answers
from tests.campaign.world import WORKSPACES, TargetSpec, key_of, price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.campaign.faults import Fault
    from tests.campaign.proxy import Lane
    from tests.campaign.wire import Request, Response

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
# moto answers 500 to a scan that meets a write, which a run that was killed may still make.
LOOKS, LOOK_PAUSE_SECONDS = 20, 0.05
_PROMPT = re.compile(rb"canary-(p[0-9.]+)-plumbago")


@dataclass(slots=True)
class Call:
    """One request for a message that reached the API, as the API itself knows it.

    Attributes:
        lane: the sandbox that sent it.
        prompt: the prompt it carried.
        model: its model.
        at_seconds: when it arrived.
        true: the usage it is billed at; None where it was refused.
        seen: the usage the sandbox was sent; None where none arrived whole.
        is_certain: whether all of it arrived, or a stream was cut somewhere.
        message_id: the answer's id.
        usd: what it is billed at.
    """

    lane: Lane
    prompt: str
    model: str
    at_seconds: float
    true: Mapping[str, Any] | None = None
    seen: Mapping[str, Any] | None = None
    is_certain: bool = True
    message_id: str | None = None
    usd: Decimal = Decimal(0)


class CampaignCloud:
    """Everything a deployment talks to; what stands behind the proxy.

    Args:
        targets: the targets at the start.
    """

    def __init__(self, targets: Mapping[str, TargetSpec]) -> None:
        clock = EmulatorClock(frozen=True)
        clock.advance(MONDAY.timestamp() - clock.now_seconds())
        self.generations = dict.fromkeys(WORKSPACES, 0)
        self.keys: dict[str, str] = {}
        self.aws = LocalAws()
        minimums = {model: 1 for target in targets.values() for model in target.models}
        self.api = LocalMessagesApi(
            clock=clock, api_keys=self.keys, minimum_cacheable_tokens=minimums, event_pause_seconds=0
        )
        self.targets = dict(targets)
        self.touched: set[str] = set()
        self.calls: list[Call] = []
        self._waiting = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.aws)
        self._stack.enter_context(self.api)
        self.aws.s3.create_bucket(Bucket=BUCKET)
        self.aws.secrets.create_secret(Name=SECRET, SecretString="{}")
        self.rotate("default")
        self.rotate("second")
        create_state_table(self.aws)
        for target in self.targets.values():
            self.put(target)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def now_seconds(self) -> float:
        """Tell the true time."""
        return self.api.clock.now_seconds()

    def put(self, target: TargetSpec) -> None:
        """Upload a target."""
        self.targets[target.name] = target
        for key, content in target.objects().items():
            self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def remove(self, name: str) -> None:
        """Delete a target."""
        for key in self.targets.pop(name).objects():
            self.aws.s3.delete_object(Bucket=BUCKET, Key=key)

    def rotate(self, credential: str) -> None:
        """Revoke a credential's key and store another one."""
        self.generations[credential] += 1
        old = {name: key for name, key in self._current().items() if name != credential}
        self.keys.clear()
        self.keys |= {key: WORKSPACES[name] for name, key in old.items()}
        self.keys[key_of(credential, self.generations[credential])] = WORKSPACES[credential]
        self.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(self._current()))

    def lose_table(self) -> None:
        """Delete the state table and make it anew."""
        self.aws.dynamodb.delete_table(TableName=STATE_TABLE)
        create_state_table(self.aws)

    def items(self) -> dict[str, dict[str, Any]]:
        """Read the whole state table."""
        for look in range(LOOKS):
            try:
                return {item["pk"]["S"]: item for item in self.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"]}
            except ClientError:
                if look == LOOKS - 1:
                    raise
                time.sleep(LOOK_PAUSE_SECONDS)
        raise AssertionError

    def _current(self) -> dict[str, str]:
        return {name: key_of(name, number) for name, number in self.generations.items()}

    # What the proxy asks.

    def place(self, request: Request) -> str:
        """Name the place a request is at."""
        path = request.target.partition("?")[0]
        if path in (MESSAGES, COUNT):
            prompt, model = _prompt_of(request)
            return f"{'messages' if path == MESSAGES else 'count'} {prompt} {model}"
        return aws_answers.operation_of(request)

    def upstream(self, request: Request) -> tuple[str, int]:
        """Say where it goes."""
        is_api = request.target.startswith(MESSAGES)
        url = urlsplit(self.api.base_url if is_api else self.aws.endpoint_url)
        return str(url.hostname), int(url.port or 0)

    def before(self, lane: Lane, request: Request, fault: Fault | None) -> Response | None:
        """Note a call, and answer in the API's or AWS's place where a fault says so."""
        is_call = request.target.partition("?")[0] == MESSAGES
        if fault is not None and fault.kind == "status":
            text = next(iter(_PROMPT.findall(request.body)), b"").decode()
            quoted = f"canary-{text}-plumbago. canary-{text}-plumbago. "
            if is_call:
                self._note(lane, request)
            return answers.refusal(
                fault.detail["name"], fault.detail.get("body"), prompt=quoted, key=request.header("x-api-key")
            )
        if fault is not None and fault.kind == "latency":
            self.api.clock.advance(fault.detail["seconds"])
        if fault is not None and fault.kind == "error":
            return aws_answers.error(request, fault.detail["name"])
        if fault is not None and fault.kind == "unprocessed":
            return aws_answers.unprocessed(request)
        if fault is not None and fault.kind in ("changed", "vanished"):
            self._change(fault)
        return None

    def after(self, lane: Lane, request: Request, fault: Fault | None, answer: Response) -> Response:
        """Keep the ledger, and alter the answer where a fault says so."""
        path = request.target.partition("?")[0]
        kind, name = ("", "") if fault is None else (fault.kind, str(fault.detail.get("name", "")))
        if path == MESSAGES:
            return self._message(self._note(lane, request), kind, name, answer)
        if path == COUNT:
            return answer.with_body(answers.COUNTS[name]) if kind == "count" else answer
        if kind == "rotated":
            self.rotate(name)
        return aws_answers.garbled(answer, name) if kind == "garbled" else answer

    def _note(self, lane: Lane, request: Request) -> Call:
        prompt, model = _prompt_of(request)
        call = Call(lane, prompt, model, self.now_seconds())
        with self._waiting:
            self.calls.append(call)
        return call

    def _message(self, call: Call, kind: str, name: str, answer: Response) -> Response:
        if answer.status != 200:
            return answer
        is_stream = answer.body.startswith(b"event:")
        true = _streamed(answer.body) if is_stream else json.loads(answer.body)
        call.true, call.message_id = true["usage"], true["id"]
        call.usd = price(call.model, true["usage"], ttl="5m")
        sent = answer
        is_lost = kind in ("reset", "hang-after", "die-after", "drip-long")
        if kind == "usage" and not is_stream:
            sent = answer.with_body(answers.with_usage(answer.body, name))
            call.seen = answers.usage_in(sent.body) if name in answers.SOUND else None
            if call.seen is not None:
                call.usd = price(call.model, {**true["usage"], **_counted(call.seen)}, ttl="5m")
        elif kind == "body" and not is_stream:
            body, headers = answers.BODIES[name](answer.body)
            sent = answer.with_body(body, **headers)
            call.seen = true["usage"] if name in answers.BELIEVED else None
            call.message_id = None if "id" in name.split(" ") else true["id"]
        else:
            call.is_certain = not (is_lost and is_stream)  # a stream's first event is enough
            call.seen = true["usage"] if is_stream or not is_lost else None
        return sent

    def _change(self, fault: Fault) -> None:
        """Change or delete a target's object between its listing and its reading."""
        name = fault.detail["target"]
        with self._waiting:
            if name not in self.targets:
                return
            self.touched.add(name)
            if fault.kind == "vanished":
                self.remove(name)
            else:
                self.put(self.targets[name].edited())


def _prompt_of(request: Request) -> tuple[str, str]:
    found = _PROMPT.search(request.body)
    model = json.loads(request.body).get("model", "")
    return "" if found is None else found[1].decode(), model


def _counted(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a usage counts; what it leaves out of its split is billed as the truth says."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    split: dict[str, Any] = {} if seen.get("cache_creation_input_tokens") else {"cache_creation": {}}
    return {**split, **{name: seen.get(name) or 0 for name in names}}


def _streamed(body: bytes) -> dict[str, Any]:
    """Read the message out of a stream's first event."""
    line = next(line for line in body.split(b"\n") if line.startswith(b"data:"))
    message: dict[str, Any] = json.loads(line.removeprefix(b"data:"))["message"]
    return message
