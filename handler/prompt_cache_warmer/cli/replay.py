"""``prompt-cache-warmer replay``: what each rule would have cost on recorded requests. Nothing is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click
from rich.console import Console

from prompt_cache_warmer.adapters.arrivals_csv import read_arrivals_csv
from prompt_cache_warmer.cli.conditions import takes_conditions
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.replay_plot import PLOT_SUFFIX, draw, require_matplotlib
from prompt_cache_warmer.cli.replay_table import LEGEND, replay_table
from prompt_cache_warmer.cli.stack import json_option
from prompt_cache_warmer.errors import ArrivalsError
from prompt_cache_warmer.rules.replay.course import courses

if TYPE_CHECKING:
    from prompt_cache_warmer.cli.conditions import Conditions
    from prompt_cache_warmer.rules.replay.arrivals import Arrivals
    from prompt_cache_warmer.rules.replay.score import Score

STANDARD_INPUT = "-"
_NOTHING_USED_CODE = 2


def _image(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Refuse an image that could not be written, before a long replay and not after it."""
    if path is None:
        return None
    if path.suffix != PLOT_SUFFIX:
        raise click.BadParameter(f"{path.name!r} does not end in {PLOT_SUFFIX}")
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
    require_matplotlib()
    return path


@click.command(epilog=examples("prompt-cache-warmer replay arrivals.csv --model claude-sonnet-4-6 --ttl 1h"))
@click.argument("sources", nargs=-1, required=True, metavar="ARRIVALS.csv...")
@takes_conditions
@click.option(
    "--plot",
    "image",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_image,
    metavar="OUT.png",
    help="Draw the costs and cold starts over time; with several files OUT-1.png, OUT-2.png and so on.",
)
@json_option
@click.pass_context
def replay(
    context: click.Context, *, sources: tuple[str, ...], conditions: Conditions, image: Path | None, as_json: bool
) -> None:
    """Say what each rule would have cost on recorded requests.

    Beside the rules stands the cheapest that anybody could have paid who knew the future.

    ARRIVALS.csv has a header and a column t_s: when each request started, in seconds, sorted. A column
    input_tokens says how large the prefix of each is; other columns are passed over. Plain or gzip; - is
    standard input. A file that cannot be used is told on standard error; the others are replayed, and the
    exit code is 1; it is 2 where none can be used.

    Rules: decide_1h and decide_5m are this service with keep: while-used; advised is the one of them, or no
    caching, that the first day speaks for. never_1h and never_5m send the markers and no warm call,
    ping_5m_always pings every 4 minutes, ping_5m_skipping leaves out the ping after a request,
    ping_5m_bounded pings until break-even, uncached sends no markers. The clairvoyant is the cheapest
    that anybody could have paid who knew every request beforehand. Ticks are multiples of the interval,
    counted from 0 seconds; one at the very moment of a request does nothing, so times that are rounded to whole
    ticks flatter every rule that pings. The clairvoyant writes nothing ahead of a request.

    --json prints one object: "conditions", "errors" by file, and "files" by file, each with "arrivals",
    "clairvoyant", "clairvoyant_1h" and "clairvoyant_5m" ("cost_usd"), "advised" and "rules" by name
    ("cost_usd", "vs_clairvoyant", "cold_starts", "cold_start_share", "warm_calls", "warm_calls_per_day").
    Costs, ratios and shares are JSON numbers, rounded to what a script would compare.
    """
    names = list(dict.fromkeys(sources))
    scores: dict[str, Score] = {}
    errors: dict[str, str] = {}
    for number, name in enumerate(names, start=1):
        try:
            arrivals = _read(name, conditions)
        except (ArrivalsError, OSError) as error:
            errors[name] = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            click.echo(f"Error: {name}: {errors[name]}", err=True)
            continue
        scores[name] = conditions.score(arrivals)
        if not as_json:
            Console().print(replay_table(name, arrivals, scores[name], conditions), soft_wrap=True)
        if image is not None:
            drawn = image if len(names) == 1 else image.with_stem(f"{image.stem}-{number}")
            try:
                _draw(drawn, name, arrivals, conditions)
            except OSError as error:
                errors[name] = f"not drawn in {drawn}: {error.strerror or type(error).__name__}"
                click.echo(f"Error: {name}: {errors[name]}", err=True)
                continue
            click.echo(f"{name}: drawn in {drawn}", err=True)
    if as_json:
        files = {name: _as_json(score, conditions) for name, score in scores.items()}
        click.echo(json.dumps({"conditions": conditions.as_json(), "files": files, "errors": errors}, indent=2))
    elif scores:
        Console().print(LEGEND, soft_wrap=True)
    context.exit(_NOTHING_USED_CODE if not scores else int(bool(errors)))


def _read(name: str, conditions: Conditions) -> Arrivals:
    with click.open_file(name, "rb") as file:
        return read_arrivals_csv(cast("BinaryIO", file), prefix_tokens=conditions.prefix_tokens)


def _draw(image: Path, name: str, arrivals: Arrivals, conditions: Conditions) -> None:
    course = courses(
        arrivals, conditions.tariff, tick_seconds=conditions.tick_seconds, tail_seconds=conditions.tail_seconds
    )
    shown = {rule: drawn for rule, drawn in course.items() if conditions.shows(rule)}
    title = "standard input" if name == STANDARD_INPUT else Path(name).name
    draw(image, shown, title=title, subtitle=conditions.in_words(arrivals))


def _as_json(score: Score, conditions: Conditions) -> dict[str, object]:
    """Return a score without the rules that are not shown."""
    whole = score.as_json()
    kept = {key: value for key, value in whole.items() if conditions.shows(key)}
    return kept | {"rules": {name: rule for name, rule in whole["rules"].items() if conditions.shows(name)}}
