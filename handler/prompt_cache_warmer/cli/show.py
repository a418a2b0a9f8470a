"""``prompt-cache-warmer show``: a run report as a table a person reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

import click
from rich.console import Console

from prompt_cache_warmer.cli.report_table import report_table
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.verification_lines import verification_lines

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.argument("report", type=click.File(encoding="utf-8"), default="-")
def show(report: TextIO) -> None:
    """Show a run report (the handler's JSON answer) as a table, and what it proved where it was asked to verify.

    REPORT is a file, or standard input.
    """
    console = Console()
    try:
        answer: Mapping[str, Any] = json.load(report)
        table = report_table(answer, width=console.width)
        proof = list(verification_lines(answer)) if "verified" in answer else []
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UnusableError("this is not a run report: expected the JSON the handler answers") from error
    console.print(table)
    for line in proof:
        click.echo(line)
