"""A run report on a terminal: the table, and what it proved where it was asked to verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from prompt_cache_warmer.cli.report_table import report_table
from prompt_cache_warmer.cli.verification_lines import verification_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Group

# What reading an answer of another kind as a report fails with.
NO_REPORT = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)


class Shown:
    """A run report, laid out as far as nothing is printed yet.

    Args:
        answer: the handler's answer.

    Raises:
        NO_REPORT: when it is none.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._console = Console()
        self._table: Group = report_table(answer, width=self._console.width)
        self._proof = list(verification_lines(answer)) if "verified" in answer else []

    def print(self) -> None:
        """Print it."""
        self._console.print(self._table)
        for line in self._proof:
            click.echo(line)
