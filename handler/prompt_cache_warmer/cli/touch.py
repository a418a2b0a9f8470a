"""``prompt-cache-warmer touch``: report a real request of the application, for those without the observer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.deployment import takes_table
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.rules.entry_result import time_json
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.values.state import EntryKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.ports import StateStore

MAX_CLOCK_SKEW = timedelta(seconds=60)  # two machines' clocks differ by less, or one of them needs repair


@click.command(epilog=examples("prompt-cache-warmer touch support --model claude-sonnet-4-6 --stack STACK"))
@click.argument("target", metavar="NAME", type=arguments.name)
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    type=arguments.model,
    metavar="MODEL",
    help="The model that was asked; repeatable.",
)
@click.option(
    "--credential",
    default=DEFAULT_CREDENTIAL,
    show_default=True,
    type=arguments.name,
    metavar="NAME",
    help="As the target's.",
)
@click.option(
    "--at",
    type=arguments.moment,
    metavar="TIME",
    help="When the request started, with the zone: 2026-11-22T18:00Z.  [default: now]",
)
@takes_table
@json_option
@pass_seams
def touch(
    seams: Seams,
    *,
    target: str,
    models: tuple[str, ...],
    credential: str,
    at: datetime | None,
    table: str,
    as_json: bool,
) -> None:
    """Report one real request of the application.

    It restarted the time to live of its entries. NAME is the target's. The table knows neither targets nor models, so
    that a misspelt one is remembered and helps nobody. A request that is no later than the last known one changes
    nothing.
    """
    now = seams.clock.now()
    if at is not None and at > now + MAX_CLOCK_SKEW:
        raise click.BadParameter(f"{utc_text(at)} is yet to come: it is {utc_text(now)}", param_hint="'--at'")
    started_at = min(at or now, now)  # where clocks differ, the earlier time is the one that lets nothing lapse
    keys = [EntryKey(target, credential, model) for model in dict.fromkeys(models)]
    is_news = seams.ask(table, lambda store: _touch(store, keys, started_at))
    if as_json:
        answer = {
            "table": table,
            "target": target,
            "credential": credential,
            "at": time_json(started_at),
            "models": {key.model: news for key, news in zip(keys, is_news, strict=True)},
        }
        click.echo(json.dumps(answer, indent=2))
        return
    for key, news in zip(keys, is_news, strict=True):
        entry = f"{key.target} on {key.model} by credential {key.credential!r}"
        what = "is remembered" if news else "is no news: one as late was known"
        click.echo(f"{entry}: the request at {utc_text(started_at)} {what}")


async def _touch(store: StateStore, keys: Sequence[EntryKey], at: datetime) -> list[bool]:
    """Report a request to entries; returns for each whether it was news."""
    return [await store.touch(key, at=at) for key in keys]
