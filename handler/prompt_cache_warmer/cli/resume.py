"""``prompt-cache-warmer resume``: end a stack's pause, or let stopped credentials go again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.deployment import takes_table
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.cli.stopped import let_go
from prompt_cache_warmer.rules.report import pause_json

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.values.snapshot import Pause


@click.command(
    epilog=examples(
        "prompt-cache-warmer resume --stack STACK", "prompt-cache-warmer resume --credential default --stack STACK"
    )
)
@click.option(
    "--credential",
    "credentials",
    multiple=True,
    type=arguments.name,
    metavar="NAME",
    help="Instead: let the calls of a stopped credential go again; repeatable.",
)
@takes_table
@json_option
@pass_seams
def resume(seams: Seams, *, credentials: tuple[str, ...], table: str, as_json: bool) -> None:
    """End a stack's pause, or let a stopped credential go again.

    Without --credential it is the pause, and warming goes on at the next tick. A refused key or a spend limit stops
    all calls of its credential for an hour, a permission or a model that is missing those of the entry it was refused
    to. Once that is put right, --credential lets all of them go at the next tick; it ends no pause.
    """
    if credentials:
        _let_credentials_go(seams, tuple(dict.fromkeys(credentials)), table=table, as_json=as_json)
    else:
        _end_pause(seams, table=table, as_json=as_json)


def _end_pause(seams: Seams, *, table: str, as_json: bool) -> None:
    now = seams.clock.now()
    was_stored, pause = seams.ask(table, lambda store: _resume(store, now))
    was_paused = was_stored and (pause is None or now < pause.until)
    if as_json:
        click.echo(
            json.dumps({"table": table, "was_paused": was_paused, "pause": pause and pause_json(pause)}, indent=2)
        )
    elif not was_stored:
        click.echo(f"There was no pause in table {table!r}.")
    elif pause is None:
        click.echo(f"The pause in table {table!r} is ended: warming goes on at the next tick.")
    elif was_paused:
        what = f"The pause until {utc_text(pause.until)} ({pause.reason!r})"
        click.echo(f"{what} in table {table!r} is ended: warming goes on at the next tick.")
    else:
        click.echo(f"There was no pause in table {table!r} any more: the last one ended at {utc_text(pause.until)}.")


async def _resume(store: StateStore, now: datetime) -> tuple[bool, Pause | None]:
    """End the pause; returns whether one was stored and which one was seen before."""
    pause = (await store.load((), day=now.date())).pause
    was_stored = await store.resume()
    return was_stored, pause if was_stored else None


def _let_credentials_go(seams: Seams, names: tuple[str, ...], *, table: str, as_json: bool) -> None:
    now = seams.clock.now()
    stops, before = seams.ask(table, lambda store: let_go(store, names, at=now))
    pause = before.pause if before.pause is not None and now < before.pause.until else None
    if as_json:
        answer = {
            "table": table,
            "credentials": [stop.as_json() for stop in stops],
            "pause": pause and pause_json(pause),
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        for stop in stops:
            click.echo(stop.sentence(now))
        if pause is not None:
            click.echo(f"All warming is paused until {utc_text(pause.until)} ({pause.reason!r}) all the same.")
    for sentence in before.unreadable:
        click.echo(f"Warning: {sentence}", err=True)
    click.get_current_context().exit(int(not all(stop.is_let_go for stop in stops)))
