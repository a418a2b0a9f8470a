"""The page of transcripts: each command is typed against the local cloud, and prints every byte that stands there.

`UPDATE_TRANSCRIPTS=1 .venv/bin/pytest --no-cov tests/docs/test_transcripts.py` writes the page again.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.function import InProcessFunction, LocalClock
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.values.snapshot import CredentialState
from prompt_cache_warmer.values.state import Breaker
from tests.docs_transcripts import PAGE, Block, blocks, written
from tests.fakes import EPOCH, FakeClock, document
from tests.lambda_endpoint import FakeLambda
from tests.local_stack import BUCKET, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

HOUR = timedelta(hours=1)
VERSIONS = r"Python \S+, prompt-cache-warmer \S+, anthropic \S+, boto3 [0-9.]+"
AS_SHOWN = "Python 3.13.0, prompt-cache-warmer 0.1.0, anthropic 2.12.0, boto3 1.44.5"
AGENT = document("support-agent")  # one model: two are reported in the order in which they were answered


class Session:
    """One reader's session: a folder, a deployed stack, a function behind it and a clock that stands still."""

    def __init__(self, stack: LocalStack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.clock = FakeClock()
        stack.api.clock.advance(EPOCH.timestamp() - stack.api.clock.now_seconds())
        self.function = InProcessFunction(
            stack.environment(MAX_USD_PER_DAY="2.50", POWERTOOLS_SERVICE_NAME="shop"), clock=LocalClock(stack.api.clock)
        )
        (folder / "request.json").write_text(json.dumps({"model": "claude-sonnet-4-6", **REQUEST}))
        (folder / "arrivals.csv").write_text("t_s\n" + "\n".join(str(n * 1_500) for n in range(40)) + "\n")
        (folder / "broken.json").write_text('{"name": "broken", "models": ["claude-sonnet-4-6"], "keep": "allways"}')

    def wait(self, minutes: float) -> None:
        """Let time pass, for the commands and the function alike."""
        self.clock.seconds += minutes * 60
        self.stack.api.clock.advance(minutes * 60)

    def prepare(self, scene: str) -> None:
        """Bring about what a scene begins with."""
        stack, clock = self.stack, self.clock
        stack.clock = clock
        if scene == "deployed":
            stack.put("targets/support-agent.json", AGENT)
        elif scene == "later":
            stack.put("targets/ticket-router.json", document("ticket-router", keep="while-used"))
            stack.put("targets/broken.json", (self.folder / "broken.json").read_bytes())
            self.wait(30)
        elif scene == "stopped":
            stop = Breaker(failures=1, reason="credential", opened_at=clock.now(), open_until=clock.now() + HOUR)
            asyncio.run(stack.store.save_credential("default", CredentialState(1, stop)))
        elif scene == "traffic":
            self.publish()
        elif scene == "doctor":
            stack.empty()
            stack.clock = SystemClock()  # AWS's own date is the machine's
            stack.put("targets/support-agent.json", AGENT)

    def publish(self) -> None:
        """Publish what an application's observer would have."""
        values = {"TrafficRequests": 40.0, "TrafficHits": 38.0, "TrafficColdStarts": 2.0}
        values |= {"TrafficReadTokens": 1_900_000.0, "TrafficWrite5mTokens": 100_000.0, "Warmed5mTokens": 300_000.0}
        for names in ({}, {"Target": "support-agent", "Model": "claude-sonnet-4-6"}):
            dimensions = [{"Name": name, "Value": value} for name, value in {"service": "shop", **names}.items()]
            data: Any = [
                {"MetricName": name, "Dimensions": dimensions, "Timestamp": EPOCH - HOUR, "Value": value}
                for name, value in values.items()
            ]
            self.stack.aws.cloudwatch.put_metric_data(Namespace="PromptCacheWarmer", MetricData=data)

    def run(self, line: str) -> tuple[str, Result]:
        """Type one line; returns what is seen and the result."""
        command, _, head = line.partition(" | head -")
        command, _, target = command.partition(" > ")
        with FakeLambda(self.function.invoke) as function:
            result = self.stack.run(
                *shlex.split(command)[1:],
                AWS_ENDPOINT_URL_LAMBDA=function.address if " warm " in command or " verify " in command else None,
                ANTHROPIC_API_KEY=None,
            )
        if target:
            (self.folder / target).write_text(result.stdout)
        shown = "" if target else result.stdout
        if head:
            shown = "".join(shown.splitlines(keepends=True)[: int(head)])
        return shown + result.stderr, result


REQUEST: dict[str, Any] = {
    "max_tokens": 512,
    "system": [{"type": "text", "text": "You answer for the shop.", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "Where is my order?"}],
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a session."""
    folder = tmp_path_factory.mktemp("session")
    api = LocalMessagesApi(clock=EmulatorClock(frozen=True))
    with LocalStack(api, MAX_USD_PER_DAY="2.50") as stack, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Session(stack, folder)


def typed(session: Session, block: Block) -> str:
    """Type every line of a block; returns the block as it would have to stand there."""
    session.prepare(block.scene)
    seen = ""
    for line in block.lines:
        shown, result = session.run(line)
        code = f"[exit code {result.exit_code}]\n" if result.exit_code and " | " not in line else ""
        seen += f"$ {line}\n{shown}{'' if not shown or shown.endswith(chr(10)) else chr(10)}{code}"
    return re.sub(VERSIONS, AS_SHOWN, seen.replace(BUCKET, "BUCKET"))


def test_every_transcript_is_what_is_typed_and_seen(session: Session) -> None:
    """Byte for byte, in the order of the page; only the bucket's name and the versions are not this machine's."""
    page = PAGE.read_text(encoding="utf-8")
    seen = {block: typed(session, block) for block in blocks(page)}
    fresh = written(page, seen)
    if os.environ.get("UPDATE_TRANSCRIPTS"):  # noqa: TID251 - the switch that the module's docstring names
        PAGE.write_text(fresh, encoding="utf-8")
        page = fresh
    assert page == fresh


def test_every_command_has_a_transcript() -> None:
    """Of the group itself, so that a new one without a transcript fails."""
    lines = [line for block in blocks(PAGE.read_text(encoding="utf-8")) for line in block.lines]
    assert {line.split()[1] for line in lines} == set(commands.commands)
    assert {line.split()[0] for line in lines} == {"prompt-cache-warmer"}
