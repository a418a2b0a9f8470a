"""The status as a person reads it at night: what is wrong first, each with the line to type, in 80 columns.

What comes from outside is plain text: rich would read brackets in a str as markup, and a terminal would
obey control characters.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.counting import counted
from prompt_cache_warmer.cli.status_advice import doctor, explained, resume, to_type
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.status import Warm
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.values.durations import short

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.cli.place import Place
    from prompt_cache_warmer.rules.status import EntryStatus
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.warm.look import Look

WELL_LISTED = 50  # a screen of those that need nobody; --all lists the rest

_WIDTH = 80
_INDENT = "  "
_NAME_WIDTH = 32
_HEADS = (("state", 8), ("left", 6), ("ttl", 4), ("last verdict", 16), ("traffic", 8), ("next", 6))
_STYLES = {Warm.WARM: "green", Warm.LAPSED: "yellow", Warm.NEVER: "yellow", Warm.UNKNOWN: "magenta"}
_WRONG = "bold red"
_NOTHING = "-"
_ENTRIES = ("entry", "entries")
_USD_PLACES = 4  # a day's refreshes cost cents


def status_table(look: Look, place: Place, *, lists_all: bool) -> Group:
    """Lay out a look."""
    return Group(*_lines(look, place, lists_all=lists_all))


def status_line(look: Look) -> str:
    """Say a look in one line, for where lines are read one by one."""
    words = [f"{look.count(warm)} {warm.value}" for warm in Warm]
    wrong = [f"{_name(status)} {status.warm.value} ({status.decision.reason.value})" for status in look.wrong]
    invalid = [f"{problem.source} invalid ({problem.code.value})" for problem in look.errors]
    bad = f"; wrong: {', '.join([*wrong, *invalid])}" if wrong or invalid else ""
    return _plain(f"{utc_text(look.now)} {', '.join(words)}; {_spent(look.standing.spent_today)} USD today{bad}")


def _lines(look: Look, place: Place, *, lists_all: bool) -> Iterator[Text]:
    pause = look.standing.pause
    if pause is not None:
        yield from _wrapped(f"All warming is paused until {utc_text(pause.until)}: {pause.reason}", "bold yellow")
        yield from _typed(resume(place))
    if look.statuses:
        yield Text(f"{'entry':<{_NAME_WIDTH}}{_cells(*(head for head, _ in _HEADS))}".rstrip(), "bold")
    well = 0
    for status in look.statuses:
        well += not status.is_wrong
        if lists_all or well <= WELL_LISTED:  # what is wrong comes before all that is well
            yield from _entry(status, place, look.now)
    if not lists_all and well > WELL_LISTED:
        yield Text(f"and {well - WELL_LISTED:,} more that are well (--all lists them)", "dim")
    for problem in look.errors:
        yield from _invalid(problem, place)
    yield from _summary(look, place)


def _entry(status: EntryStatus, place: Place, now: datetime) -> Iterator[Text]:
    remaining, warmth = status.remaining_seconds(now), status.state.warmth
    verdict = _NOTHING if warmth is None else f"{warmth.verdict} {_age(warmth.warmed_at, now)}"
    failed_at = status.state.breaker.failed_at
    if failed_at is not None and (warmth is None or warmth.warmed_at < failed_at):
        verdict = f"failed {_age(failed_at, now)}"
    traffic = _NOTHING if status.traffic_at is None else _age(status.traffic_at, now)
    left = _NOTHING if remaining is None else short(remaining)
    facts = _cells(status.warm.value, left, short(status.ttl_seconds), verdict, traffic, _next(status, now)).rstrip()
    name, style = _plain(_name(status)), _WRONG if status.is_wrong else _STYLES[status.warm]
    if len(name) >= _NAME_WIDTH:
        yield Text(name)
        name = ""
    yield Text.assemble(f"{name:<{_NAME_WIDTH}}", (facts, style))
    if (status.is_wrong or status.is_idle) and status.decision.reason is not Reason.PAUSED:  # which is said above
        detail = f": {status.decision.detail}" if status.decision.detail else ""
        yield from _wrapped(_INDENT + status.decision.reason.sentence + detail, "dim")
        yield from _typed(to_type(status, place))


def _next(status: EntryStatus, now: datetime) -> str:
    if status.decision.is_due:
        return "now"
    return _NOTHING if status.next_at is None else short((status.next_at - now).total_seconds())


def _invalid(problem: Problem, place: Place) -> Iterator[Text]:
    yield Text.assemble(f"{_plain(place.address(problem.source))} ", ("invalid", _WRONG))
    yield from _wrapped(f"{_INDENT}{problem.path}: {problem.message}", "dim")
    yield from _typed(explained(problem))


def _summary(look: Look, place: Place) -> Iterator[Text]:
    entries, wrong = len(look.statuses), len(look.wrong)
    words = ", ".join(f"{look.count(warm)} {warm.value}" for warm in Warm)
    if not entries:
        yield Text(f"There is no valid target under {_plain(place.address(place.settings.targets_prefix))}", "yellow")
    elif wrong:
        verb = "is not as it should be" if wrong == 1 else "are not as they should be"
        yield Text(f"{wrong} of {counted(entries, *_ENTRIES)} {verb}: {words}", _WRONG)
    else:
        yield Text(f"{counted(entries, *_ENTRIES)}, nothing to do: {words}", "green")
    invalid = len(look.index.invalid_sources)
    if invalid:
        other, style = ("other ", "yellow") if look.names else ("", _WRONG)
        yield Text(f"{invalid} {other}{'document is' if invalid == 1 else 'documents are'} no valid target", style)
    for period, spent, usd, tokens in (
        ("today", look.standing.spent_today, place.settings.max_usd_per_day, place.settings.max_tokens_per_day),
        (
            "this month",
            look.standing.spent_this_month,
            place.settings.max_usd_per_month,
            place.settings.max_tokens_per_month,
        ),
    ):
        yield Text(_budget(period, spent, usd, tokens, are_caps_known=place.are_caps_known))
    called = look.called_at
    yield Text("no warm call is remembered" if called is None else f"last warm call {_age(called, look.now)} ago")
    since = look.overdue_since
    if since is not None:
        said = f"Something has been due for {_age(since, look.now)} and was not called: does the schedule run?"
        yield from _wrapped(said, "bold yellow")
        yield from _typed(doctor(place))
    for trouble in look.standing.troubles:
        yield from _wrapped(trouble, "yellow")


def _budget(period: str, spent: Amount, usd: Decimal | None, tokens: int | None, *, are_caps_known: bool) -> str:
    said = [f"spent {period} (UTC): {_spent(spent)}{'' if usd is None else f' of {usd}'} USD"]
    if tokens is not None:
        said.append(f"{spent.tokens:,} of {tokens:,} tokens")
    if (usd, tokens) == (None, None):
        said.append("no cap" if are_caps_known else "caps unknown without --stack")
    return ", ".join(said)


def _spent(amount: Amount) -> str:
    return f"{amount.known_usd:.{_USD_PLACES}f}"


def _name(status: EntryStatus) -> str:
    credential = status.entry.credential
    own = "" if credential == DEFAULT_CREDENTIAL else f" ({credential})"
    return f"{status.entry.target.name} {status.entry.model}{own}"


def _age(at: datetime, now: datetime) -> str:
    return short((now - at).total_seconds())


def _cells(*cells: str) -> str:
    return "".join(f"{cell:<{width}}" for cell, (_, width) in zip(cells, _HEADS, strict=True))


def _typed(command: str) -> Iterator[Text]:
    """Show what to type on a line of its own, whole, so that it can be copied."""
    yield Text(f"{_INDENT}-> {_plain(command)}", "cyan")


def _wrapped(sentence: str, style: str) -> Iterator[Text]:
    edge = _INDENT if sentence.startswith(_INDENT) else ""
    filled = textwrap.wrap(_plain(sentence), _WIDTH, subsequent_indent=edge, break_on_hyphens=False)
    yield from (Text(line, style) for line in filled)


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
