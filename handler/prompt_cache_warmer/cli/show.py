"""``prompt-cache-warmer show``: a run report as a table a person reads."""

from __future__ import annotations

import json
from typing import TextIO

import click

from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.run_report import NO_REPORT, Shown
from prompt_cache_warmer.cli.stack import json_option


@click.command(epilog=examples("prompt-cache-warmer show report.json"))
@click.argument("report", metavar="[REPORT.json]", type=click.File(encoding="utf-8"), default="-")
@json_option
def show(report: TextIO, *, as_json: bool) -> None:
    """Show a run report as a table.

    REPORT.json is the JSON that the function answers, in a file or on standard input. Shown are the entries that were
    due or missed, each with its why, the others in numbers, and what was proved where the function was asked to verify.

    --json prints the report again, indented, if it is one.
    """
    try:
        answer = json.load(report)
        shown = Shown(answer)
    except NO_REPORT as error:
        raise UnusableError("this is not a run report: expected the JSON the handler answers") from error
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        shown.print()
