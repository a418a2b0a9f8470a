"""Who carries out what a command orders: the deployed function, or this machine for targets in files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prompt_cache_warmer.cli.deployment import (
    FUNCTION_VARIABLE,
    function_option,
    is_typed,
    own_name,
    stack_option,
    which,
)
from prompt_cache_warmer.cli.function import ask_deployed
from prompt_cache_warmer.cli.own_machine import own_targets, run_from_here
from prompt_cache_warmer.cli.target_files import TargetFiles, prompts_prefix_option, root_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.rules.order import Order


@dataclass(frozen=True, slots=True)
class Doer:
    """Who carries out an order; one of the two.

    Attributes:
        function: the deployed function.
        files: the targets that are called from here.
    """

    function: str = ""
    files: TargetFiles | None = None

    def carry_out(self, order: Order, clock: Clock) -> dict[str, Any]:
        """Carry out an order; from files one that names no target is meant for all of them.

        Returns:
            The run report, as JSON.

        Raises:
            UsageError: when the files have no such target.
            UnusableError: with one line, when nothing could be asked.
        """
        if self.files is None:
            return ask_deployed(self.function, _event(order))
        targets = own_targets(order.names or (), self.files)
        named = order if order.names is not None else replace(order, targets=tuple(targets))
        return run_from_here(named, targets, clock)


def takes_doer(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say who does it, as its one argument ``doer``."""

    @stack_option
    @function_option
    @click.option(
        "--file",
        "paths",
        multiple=True,
        type=click.Path(exists=True, path_type=Path),
        metavar="TARGET.json",
        help="In place of --stack: from this machine with ANTHROPIC_API_KEY, the targets of a document or of a folder "
        "of them; repeatable.",
    )
    @root_option
    @prompts_prefix_option
    @wraps(command)
    def with_doer(
        *given: object,
        stack: str | None,
        function: str | None,
        paths: tuple[Path, ...],
        root: Path | None,
        prompts_prefix: str,
        **others: object,
    ) -> None:
        files = TargetFiles(paths, root, prompts_prefix)
        command(*given, doer=_from_here(files) if paths else _deployed(function, stack), **others)

    return with_doer


def _deployed(function: str | None, stack: str | None) -> Doer:
    context = click.get_current_context()
    named = own_name(context, "function", own=function, stack=stack, of=lambda stack: stack.function)
    if named is None:
        advice = f"Or say --file TARGET.json to {context.info_name} from here."
        raise click.UsageError(f"{which('function', 'FunctionName', FUNCTION_VARIABLE)}. {advice}")
    return Doer(named)


def _from_here(files: TargetFiles) -> Doer:
    context = click.get_current_context()
    for way in ("stack", "function"):
        if is_typed(context, way):
            message = f"--{way} and --file are two ways to {context.info_name}: say one of them"
            raise click.UsageError(message)
    return Doer(files=files)


def _event(order: Order) -> dict[str, Any]:
    """Write an order as the event of an invocation."""
    names = {"targets": order.targets, "verify": order.verify}
    event: dict[str, Any] = {field: list(found) for field, found in names.items() if found is not None}
    return event | ({"dry_run": True} if order.dry_run else {})
