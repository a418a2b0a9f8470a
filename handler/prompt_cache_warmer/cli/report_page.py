"""A report as one page that needs nothing else: no script, no font, no image, no network; light and dark.

Everything from outside (names of services, targets, models and causes) is escaped, and the page's own policy
lets a browser load nothing at all.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.effect_words import (
    ADVICE,
    LABELS,
    NO_ADVICE,
    NONE,
    UNKNOWN,
    named,
    percent,
    savings_words,
    total_words,
    usd,
)
from prompt_cache_warmer.cli.report_chart import money_plot, plot_size, ratio_plot
from prompt_cache_warmer.rules.effect import merged
from prompt_cache_warmer.rules.effect_check import CHECK_WORDS
from prompt_cache_warmer.rules.effect_figures import DEFINITIONS, PRICES_WORDS, WHY_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.rules.effect import Effect
    from prompt_cache_warmer.rules.effect_check import Comparison, CrossCheck
    from prompt_cache_warmer.rules.effect_figures import Seen
    from prompt_cache_warmer.values.usage import Usage

TEMPLATE = "report_page.html"
_PACKAGE = "prompt_cache_warmer.cli"

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
_WIDTHS = {60: "minute", 300: "5 minutes", 3_600: "hour", 86_400: "day"}
_SEEN_HEADS = ("requests", "hit ratio", "cold starts", "drifts")
_TOKEN_HEADS = ("read", "written 5m", "written 1h", "uncached")
_MONEY_HEADS = ("saved against uncached", "saved against no warming", "spent on warming", "net")
_ADVICE_HEAD = "what to do"
_WORDS = ' class="words"'  # read from the left
_ALL = "all targets"


def report_page(effect: Effect, check: CrossCheck | None, troubles: Sequence[str], *, at: datetime) -> str:
    """Write the page.

    Args:
        effect: what it shows.
        check: the cross-check, None where there is none.
        troubles: what went wrong, in words.
        at: when it was made.
    """
    by = _WIDTHS[effect.window.bucket_seconds]
    size = plot_size(len(effect.moments))
    shown = merged(effect.moments, size)
    sections = [
        _targets(effect),
        _tokens(effect),
        *_why(effect),
        *_checked(check),
        _definitions(),
        _moments(effect, by),
    ]
    return Template(files(_PACKAGE).joinpath(TEMPLATE).read_text(encoding="utf-8")).substitute(
        title=escape(f"{effect.service}: what the caches did"),
        heading=f"{escape(effect.service)}: what the caches did for real traffic",
        lead=escape(
            f"{_when(effect.window.start)} to {_when(effect.window.end)} UTC, by the {by}. Warm calls are no traffic."
        ),
        notes=_notes([*effect.notices, *troubles]),
        cards="\n".join(_cards(effect)),
        ratio_words=escape(f"Hits by requests, {_every(effect.window.bucket_seconds * size)}."),
        ratio_plot=ratio_plot(effect.window, shown),
        money_words=_money_words(effect),
        money_plot=money_plot(effect.window, shown),
        sections="\n".join(sections),
        footer=escape(f"Made by prompt-cache-warmer report at {utc_text(at)}. Times are UTC, money is USD."),
    )


def _money_words(effect: Effect) -> str:
    """Say what the plot of money shows."""
    words = "Added up from the start"
    if effect.savings.spent_usd is None:
        return f"{words}."
    bound = "at most that, because not every price is known" if effect.savings.has_unpriced else ""
    return f"{words}; between the lines lies the net{', ' * bool(bound)}{bound}."


def _every(seconds: int) -> str:
    """Say how often a plot has a point."""
    length, unit = next((length, unit) for length, unit in _UNITS if seconds % length == 0)
    count = seconds // length
    return f"each {unit}" if count == 1 else f"every {count} {unit}s"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}.</li>" for note in notes)
    return f'<aside class="notes" aria-label="Notes"><ul>{items}</ul></aside>'


def _cards(effect: Effect) -> Iterator[str]:
    seen, savings = effect.seen, effect.savings
    *_, spent, net = (words if words in (NONE, UNKNOWN) else f"{words} USD" for words in total_words(savings))
    known = savings.most_net_usd
    is_loss, is_gain = bool(known and known < 0), bool(savings.net_usd and savings.net_usd > 0)
    sign = " bad" if is_loss else " good" if is_gain else ""  # of what is at most a gain nobody knows
    yield _card("Net", net, "saved against no warming - spent", sign)
    yield _card("Saved against no warming", _money(savings.vs_no_warming_usd), "only what is proved")
    yield _card("Spent on warming", spent, "what the warm calls cost")
    yield _card("Hit ratio", percent(seen.hit_ratio), f"{seen.hits:,} of {seen.requests:,} requests")
    yield _card("Cold starts", f"{seen.cold_starts:,}", f"and {named(seen.drifts, 'drift')}")
    yield _card("Saved against uncached", _money(savings.vs_uncached_usd), "caching, whoever wrote the entry")


def _card(label: str, figure: str, under: str, sign: str = "") -> str:
    return (
        f'<li class="card"><div class="label">{escape(label)}</div>'
        f'<div class="figure{sign}">{escape(figure)}</div><div class="under">{escape(under)}</div></li>'
    )


def _money(amount: Decimal | None) -> str:
    return usd(amount) if amount is None else f"{usd(amount)} USD"


def _targets(effect: Effect) -> str:
    heads = (*_SEEN_HEADS, *_MONEY_HEADS)
    rows = [
        _row(name, zip(heads, (*_seen(seen), *money), strict=True), kind) for name, seen, money, kind in _lines(effect)
    ]
    return _section("Targets", _table("Requests are counted, money is USD.", "target, model", heads, rows))


def _tokens(effect: Effect) -> str:
    rows = [_row(name, _counts(seen.usage), kind) for name, seen, _, kind in _lines(effect)]
    table = _table(
        "Input tokens of requests; those of warm calls are not among them.", "target, model", _TOKEN_HEADS, rows
    )
    return _section("Tokens", table)


def _lines(effect: Effect) -> Iterator[tuple[tuple[str, str], Seen, tuple[str, ...], str]]:
    """Return every target, each of its models where it has several, and all: name, traffic, money and kind."""
    for target in effect.targets:
        names = [model.model for model in target.models]
        only = f"on {names[0]}" if len(names) == 1 else ""
        yield (target.target, only), target.seen, savings_words(target.savings, is_priced=target.is_priced), ""
        for model in target.models if len(names) > 1 else ():
            yield (model.model, ""), model.seen, savings_words(model.savings, is_priced=model.is_priced), "part"
    yield (_ALL, ""), effect.seen, total_words(effect.savings), "all"


def _seen(seen: Seen) -> tuple[str, ...]:
    return f"{seen.requests:,}", percent(seen.hit_ratio), f"{seen.cold_starts:,}", f"{seen.drifts:,}"


def _counts(usage: Usage) -> list[tuple[str, str]]:
    counts = (usage.read_tokens, usage.write_5m_tokens, usage.write_1h_tokens, usage.uncached_tokens)
    return list(zip(_TOKEN_HEADS, (f"{count:,}" for count in counts), strict=True))


def _why(effect: Effect) -> Iterator[str]:
    if effect.causes:
        rows = [
            f'<tr role="row"><th scope="row" role="rowheader">{escape(cause)}</th>'
            f'<td role="cell" data-label="times found">{count:,}</td>'
            f'<td role="cell" class="words">{escape(ADVICE.get(cause, NO_ADVICE))}</td></tr>'
            for cause, count in effect.causes
        ]
        table = _table(f"{WHY_WORDS[0].upper()}{WHY_WORDS[1:]}.", "cause", ("times found", _ADVICE_HEAD), rows)
        yield _section("Why entries were missed", table)


def _checked(check: CrossCheck | None) -> Iterator[str]:
    if check is None:
        return
    rows = [row for one in (*check.models, check.total) for row in _sides(one)]
    caption = f"{_when(check.window.start)} to {_when(check.window.end)} UTC: {CHECK_WORDS}"
    verdict = "consistent" if check.is_consistent else "not consistent"
    table = _table(caption, "model", _TOKEN_HEADS, rows)
    yield _section(f"Cross-check with the Usage API: {verdict}", table)


def _sides(one: Comparison) -> Iterator[str]:
    ours = "our metrics" if one.has_warm_calls else "our metrics, traffic only"
    verdict = "" if one.is_consistent else ": ours is more"
    yield _row((f"{one.model}{verdict}", ours), _counts(one.ours), "" if one.is_consistent else "bad")
    yield _row(("Usage API", ""), _counts(one.theirs), "part")


def _definitions() -> str:
    items = "".join(f"<dt>{escape(LABELS[name])}</dt><dd>{escape(words)}</dd>" for name, words in DEFINITIONS.items())
    prices = f"<dt>prices</dt><dd>{escape(PRICES_WORDS)}</dd>"
    return _section("What each figure means", f"<dl>{items}{prices}</dl>")


def _moments(effect: Effect, by: str) -> str:
    heads = (*_SEEN_HEADS, _MONEY_HEADS[1], _MONEY_HEADS[2])
    rows = []
    for moment in effect.moments:
        if moment.seen.requests or moment.vs_no_warming_usd or moment.spent_usd:
            values = (*_seen(moment.seen), usd(moment.vs_no_warming_usd), usd(moment.spent_usd))
            rows.append(_row((_when(moment.start), ""), zip(heads, values, strict=True), ""))
    table = _table("The figures of the plots, where there are any.", "from", heads, rows)
    return _section("By time", f"<details><summary>Every {escape(by)} as a table</summary>{table}</details>")


def _section(heading: str, inner: str) -> str:
    return f'<section class="card"><h2>{escape(heading)}</h2>{inner}</section>'


def _table(caption: str, first: str, heads: Iterable[str], rows: Iterable[str]) -> str:
    """Write a table that becomes a list of cards on a phone; its roles are said, because that hides them."""
    columns = "".join(
        f'<th scope="col" role="columnheader"{_WORDS if head == _ADVICE_HEAD else ""}>{escape(head)}</th>'
        for head in (first, *heads)
    )
    return (
        f'<div class="stack"><table role="table"><caption>{escape(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{columns}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table></div>'
    )


def _row(name: tuple[str, str], cells: Iterable[tuple[str, str]], kind: str) -> str:
    values = "".join(f'<td role="cell" data-label="{escape(head)}">{escape(value)}</td>' for head, value in cells)
    first, second = map(escape, name)
    under = f"<small>{second}</small>" if second else ""
    return f'<tr role="row" class="{kind}"><th scope="row" role="rowheader">{first}{under}</th>{values}</tr>'
