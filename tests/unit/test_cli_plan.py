"""``plan``: what keeping targets warm costs, offline; its table, its JSON and its refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.documents import FIVE_MINUTES, ONE_HOUR, target_document, text
from tests.stacks import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SONNET = "claude-sonnet-4-6"
WORTH = "word" * 100_000  # 100,000 tokens: on Sonnet 4.6 plain 0.30, written 0.375 or 0.60, read 0.03 USD
OFFICE = [{"days": "mon-fri", "from": "08:00", "to": "18:00", "timezone": "UTC", "lead_minutes": 0}]


def support(name: str = "support", marker: dict[str, Any] = FIVE_MINUTES, **changes: Any) -> dict[str, Any]:
    """Return a document of 100,000 tokens on Sonnet 4.6."""
    whole = {"models": [SONNET], "request": {"system": [text(WORTH, cache_control=marker)]}, **changes}
    return target_document(name=name, **whole)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(folder: Path, document: dict[str, Any], *arguments: str) -> Result:
    """Plan one document."""
    (folder / "a.json").write_text(json.dumps(document))
    return Stack().run("plan", "a.json", *arguments)


def planned(folder: Path, document: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """Plan one valid document; return its JSON."""
    result = plan(folder, document, "--json", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_without_a_rate_the_table_has_the_most_that_warm_calls_cost(folder: Path) -> None:
    """360 refreshes at 0.03 USD are 10.80 a day, one every 56 minutes 0.7714."""
    result = plan(folder, support())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "support on claude-sonnet-4-6\n"
        "  about 100,000 tokens, ttl 5m, keep: always, around the clock\n"
        "  USD for the prefix           ttl 5m                      ttl 1h\n"
        "    miss (write)             0.375000                    0.600000\n"
        "    hit, refresh (read)      0.030000                    0.030000\n"
        "    plain input              0.300000                    0.300000\n"
        "  a day, at most                  USD   calls                 USD   calls\n"
        "    always                  > 10.8000     360              0.7714    25.7\n"
        "    while-used                10.8000     360              0.7714    25.7\n"
        "    once                       0.0000     0.0              0.0000     0.0\n"
        "  requests a day for which always pays\n"
        "    vs. not warming     from 35.4 to 997            from 1.4 to 1,225\n"
        "    vs. not caching     from 40.0                   from 2.7\n"
        "  -> switch to ttl 1h: 36.0 -> 2.6 prefix-prices a day at most; pass\n"
        "  --requests-per-day to learn whether warming pays at all\n"
        "\n"
        "> is what the target says. A prefix-price is the prefix once, as plain input.\n"
        "Tokens are estimates, prices today's, requests come at random. Without\n"
        "--requests-per-day costs are those of the warm calls alone, and the most they\n"
        "can be. Each new prefix costs one write (a miss) on top; around the clock that\n"
        "is all that once calls for.\n"
    )


def test_with_a_rate_costs_and_cold_starts_are_expected_ones(folder: Path) -> None:
    """Windows make not warming a row of its own: five cold openings a week and what random gaps miss."""
    document = support(keep="while-used", windows=OFFICE, cold_start_value_usd="0.05", enabled=False)
    result = plan(folder, document, "--requests-per-day", "600")
    assert result.stdout.splitlines() == [
        "support on claude-sonnet-4-6",
        "  about 100,000 tokens, ttl 5m, keep: while-used, open 7.1 hours a day, a cold",
        "  start counts 0.05 USD",
        "  disabled: nothing is called",
        "  USD for the prefix           ttl 5m                      ttl 1h",
        "    miss (write)             0.375000                    0.600000",
        "    hit, refresh (read)      0.030000                    0.030000",
        "    plain input              0.300000                    0.300000",
        "  600 requests a day              USD   calls   cold          USD   calls   cold",
        "    always                    21.4607     107    0.0      18.4286     0.7    0.0",
        "    while-used              > 21.4919     107    0.7      18.4429     0.0    0.7",
        "    once                      18.4840     0.7    0.5      18.4286     0.7    0.0",
        "    not warmed                18.4980     0.0    1.3      18.4429     0.0    0.7",
        "    not cached               210.0000     0.0    600",
        "  requests a day for which always pays",
        "    vs. not warming     from 9.7 to 314             from 1.1",
        "    vs. not caching     from 10.8                   from 1.9",
        "  -> if it is enabled: switch to ttl 1h: 71.6 -> 61.5 prefix-prices a day",
        "",
        "> is what the target says. A prefix-price is the prefix once, as plain input.",
        "Tokens are estimates, prices today's, requests come at random.",
    ]


def test_around_the_clock_once_is_not_warming(folder: Path) -> None:
    """One row for both; half a request a day is written as it was given."""
    lines = plan(folder, support(), "--requests-per-day", "0.5").stdout.splitlines()
    assert lines[6].startswith("  0.5 requests a day ")
    assert [line[4:24] for line in lines[7:11]] == [
        "always              ",
        "while-used          ",
        "once, or not warmed ",
        "not cached          ",
    ]


@pytest.mark.parametrize("arguments", [[], ["--requests-per-day", "9876543"], ["--tick-minutes", "5"]])
def test_no_line_is_longer_than_80_columns(folder: Path, arguments: list[str]) -> None:
    """The longest name and model, dear prefixes, and sentences."""
    document = support("n" * 64, models=["claude-opus-4-1"], request={"system": [text("word" * 1_500_000)]})
    lines = plan(folder, document, *arguments).stdout.splitlines()
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == [
        f"{'n' * 64} on claude-opus-4-1"  # names are not broken
    ]


def test_ticks_that_cannot_hold_are_said_in_the_row(folder: Path) -> None:
    """Every five minutes is too late for five minutes."""
    lines = plan(folder, support(), "--tick-minutes", "5").stdout.splitlines()
    assert "    always              > ticks too far apart              0.7855    26.2" in lines
    assert "    vs. not warming     never                       from 1.4 to 1,032" in lines
    assert "  -> ticks every 5 minutes cannot hold ttl 5m: switch to ttl 1h, or tick more" in lines


def test_an_unknown_price_is_said_and_the_rest_goes_on(folder: Path) -> None:
    """One entry has no figures, the other has."""
    result = plan(folder, support(models=["gpt-9", SONNET]))
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "support on gpt-9",
        "  about 100,000 tokens, ttl 5m, keep: always, around the clock",
        "  -> the price of 'gpt-9' is not known, so nothing can be said of its costs",
    ]
    assert "support on claude-sonnet-4-6" in lines
    assert result.exit_code == 0
    (unknown, known) = planned(folder, support(models=["gpt-9", SONNET]))["entries"]
    assert (unknown["prices"], unknown["ways"], unknown["pays_from_requests_per_day"]) == ({}, [], {})
    assert unknown["recommendation"]["keep"] is None
    assert known["ways"]


def test_a_prefix_below_the_models_minimum_is_told_off(folder: Path) -> None:
    """No figures: the calls would be paid and nothing cached. Prices are in the JSON all the same."""
    short = support(request={"system": [text("word" * 1_000, cache_control=FIVE_MINUTES)]})
    assert plan(folder, short).stdout.splitlines()[2:] == [
        "  -> claude-sonnet-4-6 caches nothing below 1,024 tokens: make the prefix",
        "  longer, or set enabled: false",
        "",
    ]
    (entry,) = planned(folder, short)["entries"]
    assert (entry["prices"]["5m"]["plain_usd"], entry["ways"]) == ("0.003", [])


def test_a_prefix_of_a_few_bytes_is_below_the_minimum_too(folder: Path) -> None:
    """It rounds to no tokens, which cost nothing: that is no unknown price."""
    tiny = support(request={"system": [text("a", cache_control=FIVE_MINUTES)]})
    assert plan(folder, tiny).stdout.splitlines()[2].startswith("  -> claude-sonnet-4-6 caches nothing below 1,024")


@pytest.mark.parametrize(
    ("changes", "note", "begins"),
    [
        ({"enabled": False}, "disabled: nothing is called", "if it is enabled: switch to ttl 1h"),
        (
            {"max_usd_per_day": "0.01"},
            "its max_usd_per_day of 0.01 USD is below one write (0.375): it is never written",
            "if its cap is raised: switch to ttl 1h",
        ),
        (
            {"max_usd_per_call": "0", "enabled": False},
            "its max_usd_per_call of 0 allows no call: it is never written",
            "if it is enabled and its cap is raised: switch to ttl 1h",
        ),
        (
            {"max_tokens_per_day": 5_000},
            "its max_tokens_per_day of 5,000 is below one write (about 100,000 tokens): it is never written",
            "if its cap is raised: switch to ttl 1h",
        ),
    ],
)
def test_what_is_never_called_is_said(folder: Path, changes: dict[str, Any], note: str, begins: str) -> None:
    """The recommendation names what must change first."""
    (entry,) = planned(folder, support(**changes), "--requests-per-day", "35")["entries"]
    assert entry["notes"][-1] == note
    assert entry["recommendation"]["sentence"].startswith(begins)


def test_a_cap_with_room_for_a_write_is_no_note(folder: Path) -> None:
    """The write of 5 minutes costs 0.375, that of an hour 0.6."""
    (entry,) = planned(folder, support(max_usd_per_day="0.375", max_tokens_per_call=110_000))["entries"]
    assert entry["notes"] == []
    (entry,) = planned(folder, support(marker=ONE_HOUR, max_usd_per_day="0.375"))["entries"]
    assert len(entry["notes"]) == 1


def test_what_pays_best_uncalled_is_left_uncalled(folder: Path) -> None:
    """Half a request a day is cheapest without any cache."""
    (entry,) = planned(folder, support(enabled=False), "--requests-per-day", "0.5")["entries"]
    assert entry["recommendation"]["sentence"].startswith("it need not be called: take cache_control out")


def test_a_disabled_short_prefix_is_not_told_to_be_disabled(folder: Path) -> None:
    """It is."""
    short = support(request={"system": [text("word" * 1_000, cache_control=FIVE_MINUTES)]}, enabled=False)
    assert plan(folder, short).stdout.splitlines()[2:-1] == [
        "  disabled: nothing is called",
        "  -> claude-sonnet-4-6 caches nothing below 1,024 tokens: make the prefix longer",
    ]


def test_json_has_the_prices_and_every_way(folder: Path) -> None:
    """Amounts are strings, what is not known is null; without a rate the costs are bounds."""
    found = planned(folder, support(marker=ONE_HOUR))
    (entry,) = found["entries"]
    assert (found["requests_per_day"], found["tick_minutes"], found["invalid"]) == (None, 4, [])
    assert entry["prices"] == {
        ttl: {
            "write_usd": write,
            "miss_usd": write,
            "refresh_usd": "0.03",
            "hit_usd": "0.03",
            "plain_usd": "0.3",
        }
        for ttl, write in (("5m", "0.375"), ("1h", "0.6"))
    }
    ways = {(way["ttl"], way["keep"]): way for way in entry["ways"]}
    assert ways["5m", "always"] == {
        "ttl": "5m",
        "keep": "always",
        "cost_usd_per_day": "10.8",
        "prefix_prices_per_day": "36",
        "warm_calls_per_day": 360.0,
        "cold_starts_per_day": None,
    }
    assert ways["1h", "always"]["prefix_prices_per_day"] == "2.571429"
    assert entry["is_bound"] is True
    assert entry["pays_from_requests_per_day"]["1h"]["than_not_caching"] == pytest.approx(2.7, abs=0.05)
    assert entry["recommendation"] == {
        "ttl": "1h",
        "keep": "always",
        "sentence": "leave ttl 1h as it is: 2.6 prefix-prices a day at most; "
        "pass --requests-per-day to learn whether warming pays at all",
    }
    head = ("source", "target", "model", "enabled", "keep", "ttl", "prefix_tokens_estimate", "cold_start_value_usd")
    assert [entry[name] for name in head] == ["a.json", "support", SONNET, True, "always", "1h", 100_000, "0"]
    assert (entry["open_hours_per_day"], entry["openings_per_week"]) == (24.0, 0)


def test_json_with_a_rate_has_expected_values(folder: Path) -> None:
    """Ten requests a day sent as plain input are ten prefix-prices; its way has no time to live."""
    (entry,) = planned(folder, support(windows=OFFICE), "--requests-per-day", "10")["entries"]
    uncached = next(way for way in entry["ways"] if way["ttl"] is None)
    assert entry["is_bound"] is False
    assert uncached == {
        "ttl": None,
        "keep": "never",
        "cost_usd_per_day": "3",
        "prefix_prices_per_day": "10",
        "warm_calls_per_day": 0.0,
        "cold_starts_per_day": 10.0,
    }
    assert (entry["open_hours_per_day"], entry["openings_per_week"]) == (7.142857, 5)


def test_mixed_markers_live_as_long_as_the_shortest(folder: Path) -> None:
    """The whole of the prefix lives no longer."""
    mixed = {"system": [text(WORTH, cache_control=ONE_HOUR), text(WORTH, cache_control=FIVE_MINUTES)]}
    (entry,) = planned(folder, support(request=mixed))["entries"]
    assert (entry["ttl"], entry["notes"]) == ("5m", ["markers of 1h and 5m: priced as if all of it had ttl 5m"])


def test_invalid_documents_are_said_as_check_says_them(folder: Path) -> None:
    """Errors first, exit code 1; the valid ones are planned; warnings are check's matter."""
    (folder / "broken.json").write_text(json.dumps(support(keep="allways")))
    (folder / "good.json").write_text(json.dumps(support()))
    (folder / "warned.json").write_text(json.dumps(support("warned", request={"system": [text(WORTH)]})))
    result = Stack().run("plan", ".")
    error = (
        "broken.json: $.keep: error: keep='allways' is not allowed; allowed: 'always', 'while-used' or 'once'; "
        "did you mean 'always'? [not-allowed]"
    )
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:2] == [error, "support on claude-sonnet-4-6"]
    assert "warning" not in result.stdout
    assert result.stdout == Stack().run("check", "broken.json").stdout.splitlines()[0] + "\n" + (
        Stack().run("plan", "good.json", "warned.json").stdout
    )
    found = json.loads(Stack().run("plan", ".", "--json").stdout)
    assert found["invalid"] == ["broken.json"]
    assert [problem["severity"] for problem in found["problems"]] == ["error", "warning"]
    assert [entry["target"] for entry in found["entries"]] == ["support", "warned"]


def test_nothing_valid_is_no_table(folder: Path) -> None:
    """Only the errors."""
    result = plan(folder, support(keep="allways"))
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--requests-per-day", "0"], "'0' is not allowed; allowed: numbers above 0, up to 10,000,000"),
        (["--requests-per-day", "-1"], "'-1' is not allowed; allowed: numbers above 0, up to 10,000,000"),
        (["--requests-per-day", "nan"], "'nan' is not allowed; allowed: numbers above 0, up to 10,000,000"),
        (["--requests-per-day", "inf"], "'inf' is not allowed; allowed: numbers above 0, up to 10,000,000"),
        (["--requests-per-day", "many"], "'many' is not allowed; allowed: numbers above 0, up to 10,000,000"),
        (["--requests-per-day", "10000001"], "'10000001' is not allowed; allowed: numbers above 0, up to 10,000,000"),
        (["--tick-minutes", "0"], "0 is not in the range 1<=x<=60."),
        (["--tick-minutes", "61"], "61 is not in the range 1<=x<=60."),
    ],
)
def test_a_wrong_number_is_refused(folder: Path, arguments: list[str], said: str) -> None:
    """The value and what is allowed."""
    result = plan(folder, support(), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"Error: Invalid value for '{arguments[0]}': {said}"


def test_references_and_folders_are_found_as_check_finds_them(folder: Path) -> None:
    """The same arguments, the same options."""
    (folder / "elsewhere/texts").mkdir(parents=True)
    (folder / "elsewhere/texts/a.md").write_text(WORTH)
    block = {"type": "text", "text_from": "texts/a.md", "cache_control": FIVE_MINUTES}
    (folder / "targets").mkdir()
    (folder / "targets/a.yaml").write_text(json.dumps(support(request={"system": [block]})))
    arguments = ("targets", "--root", "elsewhere", "--prompts-prefix", "texts/")
    assert "about 100,000 tokens" in Stack().run("plan", *arguments).stdout
    assert Stack().run("plan", "targets").exit_code == 1
    assert Stack().run("plan", "elsewhere").exit_code == 2
    assert Stack().run("plan").exit_code == 2


def test_a_plan_opens_no_state_and_asks_for_none(folder: Path) -> None:
    """No table is named and none is opened."""
    (folder / "a.json").write_text(json.dumps(support()))
    stack = Stack()
    assert stack.run("plan", "a.json").exit_code == 0
    assert stack.opened == []
