"""``prompt-cache-warmer report``: what the caches did for real traffic, from the metrics that were published."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.admin_key import takes_admin_access
from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.deployment import STACK_VARIABLE
from prompt_cache_warmer.cli.effect_table import effect_table
from prompt_cache_warmer.cli.effect_words import LABELS
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.report_page import report_page
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams, json_option
from prompt_cache_warmer.rules.effect import NO_TRAFFIC, effect
from prompt_cache_warmer.rules.effect_check import cross_check
from prompt_cache_warmer.rules.effect_figures import DEFINITIONS
from prompt_cache_warmer.rules.effect_sources import NothingPublishedError, SourceError
from prompt_cache_warmer.rules.effect_window import MAX_AGE, settled, window
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_cache_warmer.cli.admin_key import AdminAccess
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.rules.effect_check import CrossCheck
    from prompt_cache_warmer.rules.effect_sources import MetricHistory, Series, UsageReports
    from prompt_cache_warmer.rules.effect_window import Window

SERVICE_VARIABLE = "POWERTOOLS_SERVICE_NAME"
NAMESPACE_VARIABLE = "POWERTOOLS_METRICS_NAMESPACE"
PAGE_SUFFIX = ".html"


def open_history(namespace: str, service: str) -> MetricHistory:
    """Open the metrics of one service.

    Raises:
        UnusableError: when what speaks to AWS is not installed.
        SourceError: when nothing says which region is meant.
    """
    try:
        from prompt_cache_warmer.wiring.reports import metric_history  # noqa: PLC0415 - AWS only where it is asked for
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; this command needs, {from_a_clone('aws', 'cli')}"
        raise UnusableError(message) from error
    return metric_history(namespace=namespace, service=service)


def open_usage(admin_key: str, address: str | None, clock: Clock) -> UsageReports:
    """Open the Usage API."""
    from prompt_cache_warmer.wiring.reports import usage_reports  # noqa: PLC0415 - the SDK takes seconds to load

    return usage_reports(admin_key, base_url=address, clock=clock)


@dataclass(frozen=True, slots=True)
class ReportSeams(Seams):
    """Where a report gets what is not in its arguments.

    Attributes:
        open_history: opens the metrics of a service, by namespace and service.
        open_usage: opens the Usage API, by key, address and clock.
    """

    open_history: Callable[[str, str], MetricHistory] = open_history
    open_usage: Callable[[str, str | None, Clock], UsageReports] = open_usage


def _service(_: click.Context, __: click.Parameter, service: str | None) -> str:
    if not service:
        raise click.UsageError(
            f"whose metrics? Say --stack NAME or set {STACK_VARIABLE}; or say --service NAME or set "
            f"{SERVICE_VARIABLE}; NAME is the stack's name, unless the function's {SERVICE_VARIABLE} says otherwise"
        )
    return service


def _page(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix != PAGE_SUFFIX:
        raise click.BadParameter(f"{path.name!r} does not end in {PAGE_SUFFIX}")
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}")
    return path


@click.command(
    epilog="\n\n".join(
        (
            *(f"{LABELS[name]}: {words}." for name, words in DEFINITIONS.items()),
            examples("prompt-cache-warmer report --stack STACK --since 7d --html report.html"),
        )
    )
)
@click.option(
    "--since",
    type=arguments.since,
    default="7d",
    show_default=True,
    metavar="WHEN",
    help="How far back: 7d, 24h, 90m, or since a date: 2026-11-15.",
)
@click.option(
    *("--service", "--stack", "service"),
    envvar=[SERVICE_VARIABLE, STACK_VARIABLE],
    show_envvar=True,
    metavar="NAME",
    callback=_service,
    help="Whose metrics: the stack's name.",
)
@click.option(
    "--namespace",
    envvar=NAMESPACE_VARIABLE,
    default=Settings.model_fields["metrics_namespace"].default,
    show_default=True,
    show_envvar=True,
    metavar="NAME",
    help="The CloudWatch namespace they are in.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_page,
    metavar="FILE.html",
    help="Write one page with plots too; it needs no network to be read.",
)
@takes_admin_access
@json_option
@click.pass_context
def report(
    context: click.Context,
    *,
    since: timedelta | datetime,
    service: str,
    namespace: str,
    page: Path | None,
    access: AdminAccess | None,
    as_json: bool,
) -> None:
    """Say what the caches did for real traffic, and what it saved.

    Read from CloudWatch: what the application's CacheObserver saw of real requests, and what warm calls cost. Warm
    calls are never traffic. What each figure means stands at the end of this help, below the table, in
    "definitions" of --json and on the page.

    With an admin key our tokens are put beside those of Anthropic's Usage API, which counts all requests of the
    organization and is about five minutes late. It is asked once a minute at most: more than 31 days take longer.

    CloudWatch keeps metrics for 455 days, and names targets that published something in the last two weeks. It
    charges about 0.01 USD for 1,000 metrics, of which each target and model has up to 15. Exits with 1 where there
    is nothing to report or the cross-check fails, with 2 where CloudWatch could not be asked or the page not written.
    """
    seams = context.find_object(ReportSeams) or ReportSeams(clock=context.ensure_object(Seams).clock)
    now = seams.clock.now()
    asked = window(_start(since, now), now=now)
    try:
        series = seams.open_history(namespace, service).read(asked)
    except NothingPublishedError as error:
        raise click.ClickException(str(error)) from error
    except SourceError as error:
        raise UnusableError(str(error)) from error
    found = effect(service, asked, series)
    if not found.has_data:
        raise click.ClickException(f"{service!r} published nothing since {utc_text(asked.start)}; {NO_TRAFFIC}")
    check, troubles = (None, ()) if access is None else _check(seams, access, asked, series)
    troubles = (*(check.notices if check else ()), *troubles)
    if page is not None:
        _write(page, report_page(found, check, troubles, at=now))
    if as_json:
        answer = {**found.as_json(), "cross_check": check and check.as_json()}
        click.echo(json.dumps({**answer, "notices": [*found.notices, *troubles]}, indent=2))
    else:
        Console().print(effect_table(found, check), soft_wrap=True)
    for notice in (*found.notices, *troubles):
        click.echo(f"note: {notice}", err=True)
    context.exit(int(bool(troubles)))


def _start(since: timedelta | datetime, now: datetime) -> datetime:
    """Return when the report begins."""
    start = now - since if isinstance(since, timedelta) else since
    if start >= now:
        raise click.BadParameter(f"{utc_text(start)} is yet to come: it is {utc_text(now)}", param_hint="'--since'")
    if now - start > MAX_AGE:
        allowed = f"up to {MAX_AGE.days} days: CloudWatch forgets what is older"
        raise click.BadParameter(f"{utc_text(start)} is too long ago; allowed: {allowed}", param_hint="'--since'")
    return start


def _check(
    seams: ReportSeams, access: AdminAccess, asked: Window, series: Sequence[Series]
) -> tuple[CrossCheck | None, tuple[str, ...]]:
    """Ask the Usage API; what goes wrong with it is told, and the report stands without it."""
    cut = settled(asked, now=seams.clock.now())
    if cut is None:
        return None, ("no cross-check: the Usage API knows nothing of so short a time yet",)
    part, width = cut
    try:
        reported = asyncio.run(seams.open_usage(access.key, access.address, seams.clock).read(part, width))
    except SourceError as error:
        return None, (f"no cross-check: {error}",)
    return cross_check(part, series, reported), ()


def _write(page: Path, text: str) -> None:
    try:
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"{page} cannot be written: {error.strerror or type(error).__name__}") from error
    click.echo(f"written to {page}", err=True)
