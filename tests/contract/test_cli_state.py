"""``pause``, ``resume`` and ``touch`` as their user runs them: over boto3 into a table."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from click.testing import CliRunner, Result

from infra.local.cloud import STATE_TABLE
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.deployment import TABLE_VARIABLE
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import CLOSED, Breaker, EntryKey, Traffic
from tests.fakes import EPOCH, MODEL, FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
    from prompt_cache_warmer.values.snapshot import Snapshot

    Run = Callable[..., Result]

KEY = EntryKey("support", "default", MODEL)
HOUR = timedelta(hours=1)


@pytest.fixture
def run(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command with the account in its environment; only the time is not the machine's."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    def run_one(*arguments: str, table: str = STATE_TABLE) -> Result:
        runner = CliRunner(env={**aws.environment(), TABLE_VARIABLE: table}, catch_exceptions=False)
        return runner.invoke(commands, arguments, obj=Seams(clock=FakeClock()))

    return run_one


def load(store: DynamoDbState) -> Snapshot:
    """Read the state as the next tick does."""
    return asyncio.run(store.load([KEY], day=EPOCH.date()))


def test_a_pause_is_what_the_next_tick_finds(run: Run, dynamodb_state: DynamoDbState) -> None:
    """Paused, paused anew and resumed: the table says so each time."""
    assert run("pause", "--for", "1h", "--reason", "load test").exit_code == 0
    assert load(dynamodb_state).pause == Pause("load test", since=EPOCH, until=EPOCH + HOUR)
    again = run("pause", "--until", "2026-11-22T14:00Z", "--reason", "longer")
    assert "It takes the place of the pause until 2026-11-22T13:00:00Z: 'load test'." in again.stdout
    assert load(dynamodb_state).pause == Pause("longer", since=EPOCH, until=EPOCH + 2 * HOUR)
    assert run("resume").stdout.startswith("The pause until 2026-11-22T14:00:00Z ('longer') in table ")
    assert load(dynamodb_state).pause is None
    assert run("resume").stdout == f"There was no pause in table {STATE_TABLE!r}.\n"


def test_a_touch_is_what_the_next_tick_finds(run: Run, dynamodb_state: DynamoDbState) -> None:
    """The first is news, the same one once more is not."""
    arguments = ("touch", "support", "--model", MODEL, "--at", "2026-11-22T11:00Z", "--json")
    assert json.loads(run(*arguments).stdout)["models"] == {MODEL: True}
    assert load(dynamodb_state).entries[KEY].traffic == Traffic(EPOCH - HOUR, None, EPOCH - HOUR)
    assert json.loads(run(*arguments).stdout)["models"] == {MODEL: False}
    assert json.loads(run("touch", "support", "--model", MODEL, "--json").stdout)["models"] == {MODEL: True}
    state = load(dynamodb_state).entries[KEY]
    assert state.touched_at == EPOCH


def test_a_stopped_credential_is_let_go(run: Run, dynamodb_state: DynamoDbState) -> None:
    """The next tick finds its breaker closed and may change it in turn."""
    stop = Breaker(failures=1, reason="spend-limit", opened_at=EPOCH - HOUR / 2, open_until=EPOCH + HOUR / 2)
    assert asyncio.run(dynamodb_state.save_credential("default", CredentialState(1, stop)))
    result = run("resume", "--credential", "default", "--credential", "other")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.partition(" (")[0].partition(";")[0] for line in result.stdout.splitlines()] == [
        "credential 'default' was stopped since 2026-11-22T11:30:00Z until 2026-11-22T12:30:00Z",
        "credential 'other' was not stopped",
    ]
    assert load(dynamodb_state).credentials == {"default": CredentialState(2, CLOSED, resumed_at=EPOCH)}
    assert asyncio.run(dynamodb_state.save_credential("default", CredentialState(3, stop)))


@pytest.mark.parametrize(
    "command",
    [["pause", "--for=1h", "--reason=x"], ["resume"], ["resume", "--credential=a"], ["touch", "a", "--model=m"]],
)
def test_a_table_that_does_not_exist_is_one_line(run: Run, command: list[str]) -> None:
    """DynamoDB's own word, what to correct, and who asked."""
    result = run(*command, table="nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: state table 'nowhere' refused ")
    assert "ResourceNotFoundException" in line
    assert "STATE_TABLE" not in line  # nobody set it: the name was typed
    assert line.endswith(
        "there is none of that name: check the name, and your own AWS identity and region: they ask "
        "here, not the function's"
    )
