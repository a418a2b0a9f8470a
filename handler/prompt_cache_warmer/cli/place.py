"""The deployment that is looked at: its settings, and how it is named in the commands to type next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.deployment import (
    BUCKET_VARIABLE,
    FUNCTION_VARIABLE,
    STACK_VARIABLE,
    TABLE_VARIABLE,
    as_typed,
    function_option,
    is_typed,
    own_option,
    stack_meant,
    stack_option,
    table_option,
)
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

WHICH_PLACE = (
    f"which stack? Say --stack NAME or set {STACK_VARIABLE}; or say --function NAME or set {FUNCTION_VARIABLE}; "
    f"or both --bucket and --table, or set {BUCKET_VARIABLE} and {TABLE_VARIABLE}"
)
_NO_SECRET = {"ANTHROPIC_SECRET_ID": "none"}  # the function's settings ask for a key; nobody who looks needs one


@dataclass(frozen=True, slots=True)
class Place:
    """The deployment that is looked at.

    Attributes:
        settings: what it runs with; where only bucket and table were named, the defaults beside them.
        table: the table of its state.
        stack: its stack's name, None where that was not said.
        function: its function's name, None where only bucket and table were said.
    """

    settings: Settings
    table: str
    stack: str | None = None
    function: str | None = None

    @property
    def are_caps_known(self) -> bool:
        """Whether the caps are the deployment's, because its function was asked."""
        return self.function is not None

    @property
    def state_option(self) -> str:
        """The option that names it to a command that works on its state."""
        return f"--table {shlex.quote(self.table)}" if self.stack is None else f"--stack {shlex.quote(self.stack)}"

    @property
    def function_option(self) -> str:
        """The option that names it to a command that asks its function."""
        if self.stack is not None:
            return f"--stack {shlex.quote(self.stack)}"
        return f"--function {'FUNCTION' if self.function is None else shlex.quote(self.function)}"

    def address(self, key: str) -> str:
        """Return where an object of its bucket stands."""
        return f"s3://{self.settings.targets_bucket}/{key}"


def takes_place(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a deployment to look at, as its one argument ``place``."""

    @stack_option
    @function_option
    @own_option("--bucket", BUCKET_VARIABLE, "with --table: the bucket of its targets, its output TargetsBucketName.")
    @table_option
    @wraps(command)
    def with_place(
        *given: object, stack: str | None, function: str | None, bucket: str | None, table: str | None, **others: object
    ) -> None:
        context = click.get_current_context()
        place = find_place(context, stack=stack, function=function, bucket=bucket, table=table)
        command(*given, place=place, **others)

    return with_place


def find_place(
    context: click.Context, *, stack: str | None, function: str | None, bucket: str | None, table: str | None
) -> Place:
    """Find the deployment that options and variables name.

    Raises:
        UsageError: when they name none.
        UnusableError: with one line, when what they name cannot be read.
    """
    seams = context.ensure_object(Seams)
    typed = {name for name in ("stack", "function", "bucket", "table") if is_typed(context, name)}
    is_bare = {"bucket", "table"} <= typed and not {"stack", "function"} & typed
    if bucket and table and (is_bare or not (stack or function)):
        return _named(bucket, table)
    found = stack_meant(context, "function", own=function, stack=stack)
    asked = function if found is None else found.function
    if not asked:
        raise click.UsageError(WHICH_PLACE)
    settings = seams.open_settings(asked)
    if bucket and "bucket" in typed:
        settings = settings.model_copy(update={"targets_bucket": bucket})
    meant = table if table and "table" in typed else settings.state_table
    if meant is None:
        raise UnusableError(f"function {asked!r} has no STATE_TABLE: what it remembers is in its own memory only")
    return Place(settings, meant, stack=None if found is None else found.name, function=asked)


def _named(bucket: str, table: str) -> Place:
    try:
        settings = Settings.from_environment({BUCKET_VARIABLE: bucket, TABLE_VARIABLE: table, **_NO_SECRET})
    except SettingsError as error:
        raise click.UsageError(as_typed(click.get_current_context(), error.problems)) from error
    return Place(settings, table)
