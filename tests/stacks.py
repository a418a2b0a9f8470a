"""A stack in memory for the commands that work on one: its state, a clock that stands still, and the command line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from click.testing import CliRunner, Result

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.deployment import STACK_VARIABLE, TABLE_VARIABLE
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.values.state import EntryKey, EntryState
from tests.fakes import EPOCH, FakeClock

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.values.snapshot import CredentialState, Snapshot

TABLE = "warmer-state"


class Stack:
    """The command line in front of one stack's state.

    Attributes:
        store: the state.
        clock: the time.
        opened: the tables that were opened, in order.
    """

    def __init__(self, store: StateStore | None = None) -> None:
        self.store: StateStore = MemoryState() if store is None else store
        self.clock = FakeClock()
        self.opened: list[str] = []

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run a command as it stands, without the variables of this machine; a crash fails the test."""
        runner = CliRunner(catch_exceptions=False, env={TABLE_VARIABLE: None, STACK_VARIABLE: None, **environment})
        return runner.invoke(commands, arguments, obj=Seams(self.clock, self._open))

    def ok(self, *arguments: str) -> str:
        """Run a command on the table; it must succeed and complain of nothing. Returns what it printed."""
        result = self.run(*arguments, "--table", TABLE)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def refused(self, *arguments: str) -> str:
        """Run a command on the table that is called wrongly: it must not open it. Returns the last line."""
        result = self.run(*arguments, "--table", TABLE)
        assert (result.exit_code, result.stdout, self.opened) == (2, "", [])
        return result.stderr.splitlines()[-1]

    def state(self, *keys: EntryKey) -> Snapshot:
        """Read the state."""
        return asyncio.run(self.store.load(keys, day=EPOCH.date()))

    def entry(self, key: EntryKey) -> EntryState | None:
        """Read what is remembered of an entry."""
        return self.state(key).entries.get(key)

    def credential(self, name: str) -> CredentialState | None:
        """Read what is remembered of a credential."""
        return self.state(EntryKey("any", name, "any")).credentials.get(name)

    def _open(self, table: str) -> StateStore:
        self.opened.append(table)
        return self.store


class BrokenState(MemoryState):
    """A state that can be opened and not read; boto3 says so on several lines."""

    async def load(self, *_: object, **__: object) -> Snapshot:
        """Fail."""
        raise StateUnavailableError("state table 'warmer-state'\nrefused BatchGetItem:  AccessDenied")

    async def touch(self, *_: object, **__: object) -> bool:
        """Fail."""
        raise StateUnavailableError("state table 'warmer-state' refused UpdateItem")
