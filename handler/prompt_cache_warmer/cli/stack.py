"""The stack a command works on: the table of its state, where the time comes from, what is said when AWS fails.

The library for AWS is loaded when a table is opened and not before, so that the commands that need no
stack work without it. Region, profile and credentials are boto3's own matter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.errors import StateUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from prompt_cache_warmer.ports import Clock, StateStore

TABLE_VARIABLE = "STATE_TABLE"

T = TypeVar("T")


def open_table(table: str) -> StateStore:
    """Open the state in a stack's table.

    Raises:
        UnusableError: when what speaks to AWS is not installed.
        StateUnavailableError: when nothing says which region or account is meant.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see the module's docstring

        from prompt_cache_warmer.wiring.aws import state_store  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; this command needs: pip install 'prompt-cache-warmer[aws,cli]'"
        raise UnusableError(message) from error
    try:
        return state_store(table)
    except BotoCoreError as error:
        raise StateUnavailableError(f"the state table {table!r} cannot be opened: {error}") from error


@dataclass(frozen=True, slots=True)
class Seams:
    """Where a command gets what is not in its arguments; ``obj`` of click's context, made where there is none.

    Attributes:
        clock: the time.
        open_store: opens a stack's state by its table's name.
    """

    clock: Clock = field(default_factory=SystemClock)
    open_store: Callable[[str], StateStore] = open_table

    def ask(self, table: str, question: Callable[[StateStore], Coroutine[Any, Any, T]]) -> T:
        """Ask a stack's state something.

        Raises:
            UnusableError: with one line, when it cannot be asked.
        """
        try:
            return asyncio.run(question(self.open_store(table)))
        except StateUnavailableError as error:
            raise UnusableError(" ".join(_sentence(error).split())) from error


pass_seams = click.make_pass_decorator(Seams, ensure=True)


def _named(_: click.Context, __: click.Parameter, table: str | None) -> str:
    if not table:
        raise click.UsageError(
            f"which stack? Say --table NAME or set {TABLE_VARIABLE}; NAME is the stack's output StateTableName: "
            "sam list stack-outputs --stack-name STACK"
        )
    return table


table_option = click.option(
    "--table",
    envvar=TABLE_VARIABLE,
    show_envvar=True,
    metavar="NAME",
    callback=_named,
    help="The table of the stack's state: its output StateTableName.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _sentence(error: StateUnavailableError) -> str:
    """Say what went wrong, and what to do where boto3 only says what is missing."""
    said, cause = str(error).rstrip("."), error.__cause__
    if cause is None:
        return said
    from botocore import exceptions  # noqa: PLC0415 - as above

    if isinstance(cause, exceptions.ClientError):
        return f"{said}. Here your own AWS identity and region ask, not the function's."
    asked = said.partition("; check ")[0]  # what the function's operator is told to check is not asked here
    if isinstance(cause, exceptions.NoRegionError):
        return f"{asked}. Set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has one."
    if isinstance(cause, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        return f"{asked}. Check the network path to DynamoDB, the region and AWS_ENDPOINT_URL."
    if isinstance(cause, exceptions.NoCredentialsError):
        return f"{asked}. Log in to AWS, or set AWS_PROFILE to a profile that may read and write the table."
    return asked
