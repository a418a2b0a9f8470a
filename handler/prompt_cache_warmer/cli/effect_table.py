"""A report on real traffic as a person reads it: rows of 80 columns, why entries were missed, and what is what."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.cli.effect_words import ADVICE, LABELS, NO_ADVICE, compact, percent, savings_words, total_words
from prompt_cache_warmer.rules.effect_check import CHECK_WORDS
from prompt_cache_warmer.rules.effect_figures import DEFINITIONS, PRICES_WORDS, WHY_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_cache_warmer.rules.effect import Effect
    from prompt_cache_warmer.rules.effect_check import Comparison, CrossCheck
    from prompt_cache_warmer.rules.effect_figures import Seen
    from prompt_cache_warmer.rules.effect_window import Window
    from prompt_cache_warmer.values.usage import Usage

_WIDTH = 80
_NAME_WIDTH = 21
_SEEN_WIDTHS = (8, 8, 7, 6, 6, 6, 6, 6, 6)
_SAVINGS_WIDTHS = (15, 16, 14, 14)
_CHECK_WIDTHS = (15, 15, 14, 15)
_SEEN_HEADS = ("requests", "hits", "ratio", "cold", "drift", "read", "w 5m", "w 1h", "plain")
_SAVINGS_HEADS = ("vs uncached", "vs no warming", "spent", "net")
_CHECK_HEADS = ("read", "w 5m", "w 1h", "plain")
_ALL = "all targets"
_TOKENS_WORDS = "w 5m and w 1h are written tokens, plain is uncached."
_INDENT = "  "


def effect_table(effect: Effect, check: CrossCheck | None) -> Group:
    """Lay out a report: the traffic, the money, why entries were missed, the cross-check and the definitions."""
    return Group(
        Text(_filled(f"{_plain(effect.service)}, {in_words(effect.window)}", ""), style="bold"),
        *_block("traffic", _SEEN_HEADS, _SEEN_WIDTHS, _rows(effect, seen=True)),
        Text(),
        *_block("USD", _SAVINGS_HEADS, _SAVINGS_WIDTHS, _rows(effect, seen=False)),
        *_why(effect),
        *(() if check is None else _checked(check)),
        Text(),
        *(Text(_filled(f"{LABELS[name]}: {words}."), style="dim") for name, words in DEFINITIONS.items()),
        Text(_filled(f"{_TOKENS_WORDS} {PRICES_WORDS}"), style="dim"),
    )


def in_words(window: Window) -> str:
    """Say a window in words."""
    return f"{utc_text(window.start)} to {utc_text(window.end)}"


def _rows(effect: Effect, *, seen: bool) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Return each row's name, cells and style: every target, each of its models where it has several, and all."""
    for target in effect.targets:
        names = [model.model for model in target.models]
        only = f" on {names[0]}" if len(names) == 1 else ""
        yield (
            f"{target.target}{only}",
            _seen(target.seen) if seen else savings_words(target.savings, is_priced=target.is_priced),
            "",
        )
        if len(names) > 1:
            for model in target.models:
                cells = _seen(model.seen) if seen else savings_words(model.savings, is_priced=model.is_priced)
                yield f"{_INDENT}{model.model}", cells, "dim"
    yield _ALL, _seen(effect.seen) if seen else total_words(effect.savings), "bold"


def _block(
    title: str, heads: Sequence[str], widths: Sequence[int], rows: Iterator[tuple[str, tuple[str, ...], str]]
) -> Iterator[Text]:
    yield Text(_line(title, heads, widths), style="bold")
    for name, cells, style in rows:
        shown = _plain(name)
        if len(shown) >= _NAME_WIDTH:  # a name of its own line, so that no figure is cut
            yield Text(shown, style=style)
            shown = ""
        yield Text(_line(shown, cells, widths), style=style)


def _seen(seen: Seen) -> tuple[str, ...]:
    usage = seen.usage
    tokens = (usage.read_tokens, usage.write_5m_tokens, usage.write_1h_tokens, usage.uncached_tokens)
    counts = (f"{seen.requests:,}", f"{seen.hits:,}", percent(seen.hit_ratio), compact(seen.cold_starts))
    return (*counts, compact(seen.drifts), *map(compact, tokens))


def _why(effect: Effect) -> Iterator[Text]:
    if effect.causes:
        yield Text()
        yield Text("why entries were missed", style="bold")
        yield Text(_filled(f"{WHY_WORDS}."), style="dim")
    for cause, count in effect.causes:
        yield Text(_filled(f"{count:,} {_plain(cause)}: {ADVICE.get(cause, NO_ADVICE)}."))


def _checked(check: CrossCheck) -> Iterator[Text]:
    yield Text()
    yield Text(_line("cross-check, tokens", _CHECK_HEADS, _CHECK_WIDTHS), style="bold")
    for one in (*check.models, check.total):
        style = "" if one.is_consistent else "bold red"
        verdict = "" if one.is_consistent else ": ours is more"
        yield Text(f"{_plain(one.model)}{verdict}", style=style)
        ours = "ours" if one.has_warm_calls else "ours, traffic only"
        yield Text(_line(f"{_INDENT}{ours}", _tokens(one.ours), _CHECK_WIDTHS), style=style)
        yield Text(_line(f"{_INDENT}Usage API", _tokens(one.theirs), _CHECK_WIDTHS), style=style)
        yield Text(_line(f"{_INDENT}difference", _difference(one), _CHECK_WIDTHS), style=style)
    yield Text(_filled(f"{in_words(check.window)}: {CHECK_WORDS}"), style="dim")


def _tokens(usage: Usage) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in _counts(usage))


def _difference(one: Comparison) -> tuple[str, ...]:
    return tuple(f"{theirs - ours:+,}" for ours, theirs in zip(_counts(one.ours), _counts(one.theirs), strict=True))


def _counts(usage: Usage) -> tuple[int, ...]:
    return usage.read_tokens, usage.write_5m_tokens, usage.write_1h_tokens, usage.uncached_tokens


def _line(name: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    figures = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{name:<{_NAME_WIDTH}}{figures}".rstrip()


def _filled(sentence: str, indent: str = _INDENT) -> str:
    return textwrap.fill(sentence, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _plain(text: str) -> str:
    """Replace what a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
