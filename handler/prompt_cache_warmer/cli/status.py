"""``prompt-cache-warmer status``: what is warm now, what should be and is not, and what to type."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.opening import over_aws
from prompt_cache_warmer.cli.place import takes_place
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.cli.status_advice import to_type
from prompt_cache_warmer.cli.status_table import status_line, status_table
from prompt_cache_warmer.values.problems import nearest, shown
from prompt_cache_warmer.warm.look import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.cli.place import Place
    from prompt_cache_warmer.warm.look import Look

SHORTEST_WATCH_SECONDS = 1
LONGEST_WATCH_SECONDS = 3_600
DEFAULT_WATCH_SECONDS = 10  # ticks are minutes apart, and each look lists the bucket


@click.command(
    epilog=examples("prompt-cache-warmer status --stack STACK", "prompt-cache-warmer status --stack STACK --watch")
)
@takes_place
@click.option(
    "--target", "names", multiple=True, type=arguments.name, metavar="NAME", help="Only this target; repeatable."
)
@click.option(
    "--watch",
    is_flag=False,
    flag_value=DEFAULT_WATCH_SECONDS,
    type=click.IntRange(SHORTEST_WATCH_SECONDS, LONGEST_WATCH_SECONDS),
    metavar="[SECONDS]",
    help=f"Look again every so many seconds ({DEFAULT_WATCH_SECONDS} unless said) until Ctrl-C.",
)
@click.option("--all", "lists_all", is_flag=True, help="List every entry that is well too, however many there are.")
@json_option
@pass_seams
def status(
    seams: Seams, *, place: Place, names: tuple[str, ...], watch: int | None, lists_all: bool, as_json: bool
) -> None:
    """Say what is warm now, and what to type where it should be.

    Every entry (a target on a model) has its state: warm, lapsed, never (nothing proves that it was ever cached)
    or unknown; how long it stays warm; its time to live; the last verdict, the last reported traffic and how long
    ago they were; and when it is called next, by the same rule that ticks decide by. What is wrong comes first.

    It reads the targets' bucket and the state's table as you, by your own AWS identity: no API key is needed, nothing
    is called and nothing is written. With --watch a terminal is redrawn; elsewhere each look is one line.

    Exits with 0 if all that should be warm is, with 1 if something is not, is kept back or is no valid target, with
    2 if it could not ask. With --target only the targets that are named count.
    """
    ask = _asking(seams, place, frozenset(names))
    found = ask()
    with suppress(KeyboardInterrupt), asyncio.Runner() as runner:
        runner.get_loop()  # made before anybody can know that it is time for a Ctrl-C, which a half-made loop tells of
        _show(found, place, lists_all=lists_all, as_json=as_json, watch=watch)
        while watch is not None:
            with closing(seams.clock.sleep(watch)) as waiting:  # a Ctrl-C that comes first leaves it unbegun
                runner.run(waiting)
            try:
                found = ask()
            except UnusableError as error:  # a network that fails once is no reason to stop watching
                click.echo(f"Error: {error.format_message()}", err=True)
                continue
            _show(found, place, lists_all=lists_all, as_json=as_json, watch=watch)
    click.get_current_context().exit(int(not found.is_well))


def _asking(seams: Seams, place: Place, names: frozenset[str]) -> Callable[[], Look]:
    """Open what is looked at, once, and return what looks."""
    targets = seams.open_targets(place.settings)
    settings = place.settings

    def ask() -> Look:
        with over_aws(f"bucket {settings.targets_bucket!r}"):
            found = seams.ask(
                place.table,
                lambda store: look(
                    targets,
                    store,
                    now=seams.clock.now(),
                    tick_seconds=settings.tick_minutes * 60.0,
                    caps=settings.caps,
                    names=names,
                ),
            )
        known = {target.name for target in found.index.targets}
        for name in sorted(names - known):
            raise click.UsageError(f"there is no valid target {shown(name)}{nearest(name, known)}")
        return found

    return ask


def _show(found: Look, place: Place, *, lists_all: bool, as_json: bool, watch: int | None) -> None:
    console = Console()
    if as_json:
        answer = found.as_json()
        for line, status in zip(answer["entries"], found.statuses, strict=True):
            line["to_type"] = to_type(status, place) if status.is_wrong else None
        click.echo(json.dumps(answer, indent=None if watch else 2))
    elif watch is None:
        console.print(status_table(found, place, lists_all=lists_all), soft_wrap=True)
    elif console.is_terminal:
        console.clear()
        console.print(status_table(found, place, lists_all=lists_all), soft_wrap=True)
        console.print(Text(f"Looked at {found.now:%H:%M:%S} UTC; again in {watch} s; Ctrl-C ends it.", "dim"))
    else:
        click.echo(status_line(found))
