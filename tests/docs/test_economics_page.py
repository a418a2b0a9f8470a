"""The page on economics: its figures are worked out by hand from list prices, and its commands are real."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal

import pytest

from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.values.limits import WORTH_WARMING_TOKENS
from tests.docs.pages import fenced, page, rows
from tests.stacks import Stack

PAGE = page("economics.md")
POLICY = (ROOT / "tests/bench/policy.md").read_text(encoding="utf-8")
PRICES = {cells[0].strip("`"): cells[1:] for cells in rows(PAGE, "prices")}
BREAK_EVEN = {model: cells[1:] for cells in rows(PAGE, "break-even") for model in re.findall("`(.+?)`", cells[0])}


@pytest.mark.parametrize(
    ("model", "figures"),
    [
        # 50,000 tokens: input, writes at 1.25 and 2 times it, a read; 360 refreshes a day, or one every 56 minutes.
        ("claude-sonnet-4-6", ["1,024", "0.15", "0.1875", "0.3", "0.015", "5.40", "0.39"]),
        ("claude-haiku-4-5", ["4,096", "0.05", "0.0625", "0.1", "0.005", "1.80", "0.13"]),
        ("claude-opus-5-5", ["512", "0.2", "0.25", "0.4", "0.01", "3.60", "0.26"]),
    ],
)
def test_the_prices_are_the_list_prices(model: str, figures: list[str]) -> None:
    """Per million tokens: 3 USD, 1 USD, and 4 USD with a read at a twentieth."""
    assert PRICES[model] == figures


@pytest.mark.parametrize(
    ("model", "figures"),
    [
        # (1.25 - 0.1) / 0.1 and (2 - 0.1) / 0.1, rounded down; 40 requests cost as much as 40 plain ones, 41 less.
        ("claude-sonnet-4-6", ["11", "19", "41", "3", "44", "4"]),
        # The same with reads at 0.05 of the input's price.
        ("claude-sonnet-5-5", ["24", "39", "19", "2", "22", "2"]),
        # And at 0.025.
        ("claude-fable-5-1", ["49", "79", "10", "1", "11", "1"]),
    ],
)
def test_the_break_even_is_worked_out_by_hand(model: str, figures: list[str]) -> None:
    """Idle refreshes for each time to live, then the requests a day from which each rule pays."""
    assert BREAK_EVEN[model][:6] == figures


def test_every_model_with_prices_has_its_break_even() -> None:
    """No model stands in one table alone."""
    assert PRICES.keys() == BREAK_EVEN.keys()
    assert len(PRICES) >= 15


def test_holding_by_hour_beats_plain_input_from_the_third_request_on() -> None:
    """25.7 refreshes and n reads of 0.015 against n plain prefixes of 0.15: equal at 2.86, and traffic saves some."""
    held = {rate: Decimal(cost) for rate, cost in zip((2, 5), _row("`always`, 1h"), strict=False)}
    plain = {rate: Decimal(cost) for rate, cost in zip((2, 5), _row("plain input, no caching"), strict=False)}
    assert held[2] > plain[2] == Decimal("0.30")
    assert held[5] < plain[5] == Decimal("0.75")


def _row(label: str) -> list[str]:
    return next(cells[1:] for cells in rows(PAGE, "rates") if cells[0] == label)


def test_of_the_ways_to_hold_it_an_hour_is_never_dearer() -> None:
    """At every rate of the table, for both rules: what the page says under 5 minutes or 1 hour."""
    for keep in ("always", "while-used"):
        short, long = _row(f"`{keep}`, 5m"), _row(f"`{keep}`, 1h")
        dearer = [
            pair for pair in zip(short, long, strict=True) if Decimal(pair[1]) > Decimal(pair[0]) + Decimal("0.03")
        ]
        assert dearer == []


def test_the_sizes_and_factors_named_in_words_are_right() -> None:
    """A write for an hour costs 1.6 times one for 5 minutes, and an entry of an hour has a fourteenth of the calls."""
    assert "fewer than 5,000 tokens" in PAGE
    assert WORTH_WARMING_TOKENS == 5_000
    _, _, short, long, _, held_short, held_long = (Decimal(text.replace(",", "")) for text in PRICES["claude-opus-4-8"])
    assert long / short == Decimal("1.6")
    assert round(held_short / held_long) == 14


def test_the_measured_results_are_the_benchs() -> None:
    """Each figure of the two sentences stands in its row of the bench's own table."""
    said = " ".join(PAGE.partition("## How good the rule is")[2].partition("## Plan and replay")[0].split())
    means = {
        (cells[0], cells[1], cells[2]): cells[4]
        for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in POLICY.splitlines() if "|" in line)
        if len(cells) > 10
    }
    for rate, mean in (("1/min", "1.002"), ("1/5min", "1.009"), ("1/15min", "1.027"), ("1/h", "1.094")):
        assert means[rate, "240 s", "even"] == mean
        assert mean in said
    goals = re.findall(
        r"^\| (1h, 1/h, 4-minute.*|1h, 12 a day and more: worst.*|advised, 1 to 12.*) \|$", POLICY, re.MULTILINE
    )
    assert [re.split(r" \| ", goal)[1:4:1] for goal in goals] == [
        ["1.06", "1.0939", "1.0798"],
        ["1.2", "1.3455", "1.3770"],
        ["1.3", "1.4235", "1.4631"],
    ]
    for figure in ("1.06 was the goal", "1.377 (goal 1.2)", "1.463 times the least on average (goal 1.3)"):
        assert figure in said


@pytest.mark.parametrize("name", ["plan output", "replay output"])
def test_plan_and_replay_print_what_the_page_shows(name: str) -> None:
    """Every line of the transcript and no other."""
    command, *lines = fenced(PAGE, name).splitlines()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        result = Stack().run(*shlex.split(command)[2:])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == lines
    assert max(map(len, lines)) <= 80
