"""``prompt-cache-warmer plan``: what keeping targets warm will cost, before they are uploaded. Nothing is called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.places import takes_places
from prompt_cache_warmer.cli.plan_table import plan_table
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.cli.target_files import problem_line
from prompt_cache_warmer.rules.prospect import Prospect, prospect
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.problems import Severity
from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.docket import asked_ttl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.cli.places import TargetPlaces
    from prompt_cache_warmer.ports import Index

_SECONDS_PER_MINUTE = 60.0
_TICK_MINUTES = Settings.model_fields["tick_minutes"]


@click.command(
    epilog=examples(
        "prompt-cache-warmer plan targets/ --requests-per-day 500", "prompt-cache-warmer plan s3://BUCKET/targets/"
    )
)
@takes_places()
@click.option(
    "--requests-per-day",
    type=arguments.requests_per_day,
    metavar="N",
    help="How many requests of the application each entry gets on an average day. Without it the costs that "
    "depend on traffic are left out, and those of warm calls are the most they can be.",
)
@click.option(
    "--tick-minutes",
    type=click.IntRange(1, 60),
    default=_TICK_MINUTES.default,
    show_default=True,
    metavar="N",
    help="The minutes between two ticks, as TICK_MINUTES.",
)
@json_option
@pass_seams
@click.pass_context
def plan(
    context: click.Context,
    seams: Seams,
    *,
    places: TargetPlaces,
    requests_per_day: float | None,
    tick_minutes: int,
    as_json: bool,
) -> None:
    """Say what keeping targets warm costs, and when it starts to pay.

    No model is called: prefixes are estimated from their bytes, prices are those of today. Each entry
    (a target on a model) has its prices, its costs a day under every keeping rule and time to live inside
    its windows, the requests a day from which warming pays, and a recommendation. Requests are taken to
    come at random while a window is open; real ones come in bursts and are cheaper to keep.

    PATH is a document, a folder of them, or s3://BUCKET/targets/. Exits with 1 if a document is invalid; the others
    are planned all the same.

    --json prints one object: "entries", each with "prices" per time to live, "ways" (its costs a day; where
    "is_bound" is true, the most its warm calls cost), "pays_from_requests_per_day", "notes" and "recommendation";
    "invalid" and "problems" as check prints them. Amounts of USD and prefix-prices are strings, because they
    are exact; counts and rates are numbers; what is not known is null.
    """
    index = places.read()
    now = seams.clock.now()
    tick_seconds = tick_minutes * _SECONDS_PER_MINUTE
    prospects = [
        prospect(entry, asked_ttl(entry), requests_per_day, tick_seconds=tick_seconds, at=now)
        for entry in entries(index.targets)
    ]
    errors = [problem for problem in index.problems if problem.severity is Severity.ERROR]
    if as_json:
        head = {"requests_per_day": requests_per_day, "tick_minutes": tick_minutes}
        click.echo(json.dumps(head | _as_json(index, prospects), indent=2))
    else:
        for problem in errors:
            click.echo(problem_line(problem))
        Console().print(plan_table(prospects, requests_per_day), soft_wrap=True)
    context.exit(int(bool(errors)))


def _as_json(index: Index, prospects: Sequence[Prospect]) -> dict[str, Any]:
    return {
        "entries": [prospect.as_json() for prospect in prospects],
        "invalid": sorted(index.invalid_sources),
        "problems": [problem.as_json() for problem in index.problems],
    }
