"""``prompt-cache-warmer pause``: stop all warming of a stack until a time, without a deployment."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.deployment import state_option, takes_table
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.rules.report import pause_json
from prompt_cache_warmer.values.snapshot import Pause

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.ports import StateStore

MAX_PAUSE = timedelta(days=366)  # beyond it a pause is a slip of the pen, or the stack's StopCommand is meant


@click.command(epilog=examples('prompt-cache-warmer pause --for 2h30m --reason "load test" --stack STACK'))
@click.option("--until", type=arguments.moment, metavar="TIME", help="When it ends, with the zone: 2026-11-22T18:00Z.")
@click.option(
    "--for", "duration", type=arguments.duration, metavar="DURATION", help="Instead: how long it lasts: 45m, 2h30m, 1d."
)
@click.option(
    "--reason", required=True, type=arguments.reason, metavar="TEXT", help="Why, for whoever reads the report."
)
@takes_table
@json_option
@pass_seams
def pause(
    seams: Seams,
    *,
    until: datetime | None,
    duration: timedelta | None,
    reason: str,
    table: str,
    as_json: bool,
) -> None:
    """Stop all warming of a stack until a time.

    It holds from the next tick on and ends by itself, or with resume. What lapses meanwhile is decided
    anew at the first tick after it. A pause takes the place of an earlier one.
    """
    now = seams.clock.now()
    asked = Pause(reason, since=now, until=_end(now, until, duration))
    replaced = seams.ask(table, lambda store: _pause(store, asked))
    if as_json:
        answer = {"table": table, "pause": pause_json(asked), "replaced": replaced and pause_json(replaced)}
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(
        f"All warming by table {table!r} is paused until {utc_text(asked.until)}, from the next tick on: {reason!r}."
    )
    if replaced is not None:
        click.echo(f"It takes the place of the pause until {utc_text(replaced.until)}: {replaced.reason!r}.")
    click.echo(f"To end it sooner: prompt-cache-warmer resume {state_option(table)}")


def _end(now: datetime, until: datetime | None, duration: timedelta | None) -> datetime:
    """Return when the pause ends, told in one of two ways."""
    if until is not None and duration is None:
        hint, end = "'--until'", until
    elif duration is not None and until is None:
        hint, end = "'--for'", now + duration
    else:
        raise click.UsageError("say when it ends by exactly one of --until TIME and --for DURATION")
    if end <= now:
        raise click.BadParameter(f"{utc_text(end)} is past: it is {utc_text(now)}", param_hint=hint)
    if end > now + MAX_PAUSE:
        allowed = f"up to {MAX_PAUSE.days} days; to stop without an end, see the stack's output StopCommand"
        raise click.BadParameter(f"{utc_text(end)} is too far away; allowed: {allowed}", param_hint=hint)
    return end


async def _pause(store: StateStore, asked: Pause) -> Pause | None:
    """Begin a pause and return the one that held until now."""
    before = (await store.load((), day=asked.since.date())).pause
    await store.pause(asked)
    return before if before is not None and asked.since < before.until else None
