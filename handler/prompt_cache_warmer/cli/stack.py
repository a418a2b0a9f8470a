"""The stack a command works on: the seams to its state, settings and targets, and what is said when AWS fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.cli.opening import asked_here, open_settings, open_stack, open_table, open_targets
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.errors import StateUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from prompt_cache_warmer.adapters.deployed_stack import DeployedStack
    from prompt_cache_warmer.ports import Clock, StateStore, TargetIndex
    from prompt_cache_warmer.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seams:
    """Where a command gets what is not in its arguments; ``obj`` of click's context, made where there is none.

    Attributes:
        clock: the time.
        open_store: opens a stack's state by its table's name.
        open_stack: reads what a stack made, by its name.
        open_settings: reads what a function runs with, by its name.
        open_targets: opens a deployment's targets, by its settings.
    """

    clock: Clock = field(default_factory=SystemClock)
    open_store: Callable[[str], StateStore] = open_table
    open_stack: Callable[[str], DeployedStack] = open_stack
    open_settings: Callable[[str], Settings] = open_settings
    open_targets: Callable[[Settings], TargetIndex] = open_targets

    def ask(self, table: str, question: Callable[[StateStore], Coroutine[Any, Any, T]]) -> T:
        """Ask a stack's state something.

        Raises:
            UnusableError: with one line, when it cannot be asked.
        """
        try:
            return asyncio.run(question(self.open_store(table)))
        except StateUnavailableError as error:
            raise UnusableError(asked_here(error)) from error


pass_seams = click.make_pass_decorator(Seams, ensure=True)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
