"""``replay``: recorded requests under every rule; its table, its JSON, its files and its refusals."""

from __future__ import annotations

import gzip
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from prompt_cache_warmer.cli.commands import commands
from tests.stacks import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

# 100,000 tokens on Sonnet 4.6: plain 0.30, written 0.375 or 0.60, read 0.03 USD.
SIZE = ("--prefix-tokens", "100000")
THREE = "t_s\n0\n60\n4000\n"
# Added up by hand, with ticks at multiples of 240 s: cost in USD, cold starts, warm calls.
BY_HAND = {
    "decide_1h": (0.69, 1, 1),  # a write, two hits, and a refresh at 3,360 s, before the lapse at 3,660
    "decide_5m": (0.84, 2, 2),  # two refreshes, as long as a newcomer is kept, and written again
    "advised": (0.69, 1, 1),
    "never_1h": (1.23, 2, 0),
    "never_5m": (0.78, 2, 0),
    "ping_5m_always": (0.915, 1, 16),  # 240 to 3,840 s
    "ping_5m_skipping": (1.23, 1, 15),  # from 480 s on, which finds it lapsed and writes it
    "ping_5m_bounded": (1.11, 2, 11),  # (0.375 - 0.03) / 0.03 is 11
    "uncached": (0.9, 3, 0),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with three requests."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "three.csv").write_text(THREE)
    return tmp_path


def replay(*arguments: str) -> Result:
    """Replay with a clock that stands still."""
    return Stack().run("replay", *arguments)


def replayed(*arguments: str) -> dict[str, Any]:
    """Replay without a complaint; return the JSON."""
    result = replay(*arguments, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_three_requests_cost_what_the_hand_adds_up(folder: Path) -> None:
    """Every rule's cost, cold starts and warm calls, and the clairvoyants'."""
    assert folder.is_dir()
    found = replayed("three.csv", *SIZE)["files"]["three.csv"]
    rules = found["rules"]
    assert {
        name: (rule["cost_usd"], rule["cold_starts"], rule["warm_calls"]) for name, rule in rules.items()
    } == BY_HAND
    assert found["clairvoyant"] == found["clairvoyant_1h"] == {"cost_usd": 0.69}
    assert found["clairvoyant_5m"] == {"cost_usd": 0.78}
    assert (found["arrivals"], found["advised"]) == (3, "1h")
    assert rules["never_1h"]["vs_clairvoyant"] == 1.782609
    assert rules["never_1h"]["cold_start_share"] == 0.666667
    assert rules["ping_5m_always"]["warm_calls_per_day"] is None


def test_the_table_has_the_cheapest_first_and_a_sentence_below(folder: Path) -> None:
    """The same figures in 80 columns, our rows marked; at the same cost ours come first."""
    assert folder.is_dir()
    result = replay("three.csv", *SIZE)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "three.csv\n"
        "  3 requests in 1.1 hours, prefix of 100,000 tokens, claude-sonnet-4-6, ticks\n"
        "  every 240 s\n"
        "  rule                           USD   x least       cold    share  warm calls\n"
        "> decide_1h                   0.6900     1.000          1    33.3%           1\n"
        "> advised                     0.6900     1.000          1    33.3%           1\n"
        "  clairvoyant                 0.6900     1.000\n"
        "  clairvoyant_1h              0.6900     1.000\n"
        "  clairvoyant_5m              0.7800     1.130\n"
        "  never_5m                    0.7800     1.130          2    66.7%           0\n"
        "> decide_5m                   0.8400     1.217          2    66.7%           2\n"
        "  uncached                    0.9000     1.304          3   100.0%           0\n"
        "  ping_5m_always              0.9150     1.326          1    33.3%          16\n"
        "  ping_5m_bounded             1.1100     1.609          2    66.7%          11\n"
        "  never_1h                    1.2300     1.783          2    66.7%           0\n"
        "  ping_5m_skipping            1.2300     1.783          1    33.3%          15\n"
        "  -> As its first day advises (ttl 1h) this service costs 0.69 USD, 1.00 times\n"
        "  the least anybody could have paid, with 1 cold start. The best of the others,\n"
        "  never_5m, costs 1.13 times the least, with 2 cold starts.\n"
        "\n"
        "> is this service; x least: times the clairvoyant's cost. Costs are the prefix's\n"
        "alone: hits, misses, warm calls. replay --help says what each rule does.\n"
    )


@pytest.mark.parametrize(
    ("ttl", "rules", "clairvoyants"),
    [
        (
            "5m",
            ["decide_5m", "advised", "never_5m", "ping_5m_always", "ping_5m_skipping", "ping_5m_bounded", "uncached"],
            ["clairvoyant", "clairvoyant_5m"],
        ),
        ("1h", ["decide_1h", "advised", "never_1h", "uncached"], ["clairvoyant", "clairvoyant_1h"]),
    ],
)
def test_one_time_to_live_shows_its_own_rules(
    folder: Path, ttl: str, rules: list[str], clairvoyants: list[str]
) -> None:
    """What has no time to live of its own is always there; the table and the picture go by the same."""
    assert folder.is_dir()
    found = replayed("three.csv", *SIZE, "--ttl", ttl)["files"]["three.csv"]
    assert list(found["rules"]) == rules
    assert [name for name in found if name.startswith("clairvoyant")] == clairvoyants
    rows = [
        line[2:].split()[0] for line in replay("three.csv", *SIZE, "--ttl", ttl).stdout.splitlines()[4:] if "%" in line
    ]
    hidden = {"advised"} - {"advised" for shown in rules if shown == "decide_1h"}  # the first day advises an hour
    assert sorted(rows) == sorted(set(rules) - hidden)


def test_a_rival_that_costs_less_is_named(folder: Path) -> None:
    """Two requests two days apart: the first day speaks for an hour, and nobody should have cached."""
    (folder / "two.csv").write_text("t_s\n0\n172800\n")
    sentence = " ".join(line.strip() for line in replay("two.csv", *SIZE).stdout.splitlines() if line.startswith("  "))
    assert "uncached costs less here: 1.00 times the least, with 2 cold starts." in sentence


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "claude-sonnet-4-6, ticks every 240 s"),
        (["--tick-seconds", "0"], "claude-sonnet-4-6, exact timers"),
        (["--cold-start-value-usd", "0.5"], "ticks every 240 s, a cold start counts 0.5 USD"),
        (["--end-seconds", "86400"], "ticks every 240 s, 86400 s after the last request"),
    ],
)
def test_the_conditions_stand_above_the_figures(folder: Path, arguments: list[str], expected: str) -> None:
    """What was not said is not there."""
    assert folder.is_dir()
    head = " ".join(
        line.strip() for line in replay("three.csv", *SIZE, *arguments).stdout.split("  rule")[0].splitlines()
    )
    assert head.endswith(expected)


def test_the_conditions_change_the_figures(folder: Path) -> None:
    """Exact timers, a cold start's value, a tail and another model, each by hand; JSON repeats them."""
    assert folder.is_dir()

    def cost(name: str, *arguments: str) -> float:
        rules = replayed("three.csv", *SIZE, *arguments)["files"]["three.csv"]["rules"]
        return float(rules[name]["cost_usd"])

    assert cost("never_5m", "--cold-start-value-usd", "0.5") == 1.78
    assert cost("ping_5m_always", "--end-seconds", "2400") == 1.215  # ten more
    assert cost("uncached", "--model", "claude-haiku-4-5") == 0.3
    assert cost("decide_5m", "--tick-seconds", "0") == 0.84  # at 360 and 660 s instead of 240 and 480
    assert replayed("three.csv", *SIZE, "--ttl", "5m", "--end-seconds", "60")["conditions"] == {
        "model": "claude-sonnet-4-6",
        "prefix_tokens": 100_000,
        "ttl": "5m",
        "cold_start_value_usd": 0.0,
        "tick_seconds": 240.0,
        "end_seconds": 60.0,
    }


def test_sizes_of_the_file_count_before_the_option(folder: Path) -> None:
    """Three prefixes of their own: plain input of 60,000 tokens; without either it is 50,000."""
    (folder / "sizes.csv").write_text("t_s,input_tokens\n0,10000\n1,20000\n2,30000\n")
    found = replayed("sizes.csv", "three.csv", *SIZE)["files"]
    assert found["sizes.csv"]["rules"]["uncached"]["cost_usd"] == 0.18
    assert found["three.csv"]["rules"]["uncached"]["cost_usd"] == 0.9
    assert replayed("three.csv")["files"]["three.csv"]["rules"]["uncached"]["cost_usd"] == 0.45
    assert "prefix of 10,000 to 30,000 tokens" in replay("sizes.csv").stdout


def test_one_bad_file_does_not_stop_the_others(folder: Path) -> None:
    """It is told on standard error, the good ones are printed, the exit code is 1."""
    (folder / "bad.csv").write_text("t_s\n5\n4\n")
    result = replay("bad.csv", "three.csv", "nowhere.csv", ".", *SIZE)
    said = [
        "Error: bad.csv: line 3, column t_s: '4' is before the row above, which has 5; sort the rows by time",
        "Error: nowhere.csv: No such file or directory",
        "Error: .: Is a directory",
    ]
    assert (result.exit_code, result.stderr.splitlines()) == (1, said)
    assert result.stdout == replay("three.csv", *SIZE).stdout
    again = replay("bad.csv", "three.csv", *SIZE, "--json")
    assert again.exit_code == 1
    assert list(json.loads(again.stdout)["files"]) == ["three.csv"]
    assert json.loads(again.stdout)["errors"] == {"bad.csv": said[0].removeprefix("Error: bad.csv: ")}


def test_nothing_usable_prints_no_table(folder: Path) -> None:
    """Not even the legend; exit code 2 as of every command whose file is missing, and the JSON is whole."""
    assert folder.is_dir()
    result = replay("nowhere.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: nowhere.csv: No such file or directory\n"
    listed = replay("nowhere.csv", "--json")
    assert (listed.exit_code, listed.stderr) == (2, result.stderr)
    assert json.loads(listed.stdout)["errors"] == {"nowhere.csv": "No such file or directory"}


def test_a_file_is_replayed_once(folder: Path) -> None:
    """However often it is named."""
    assert folder.is_dir()
    assert replay("three.csv", "three.csv", *SIZE).stdout == replay("three.csv", *SIZE).stdout


def test_gzip_and_standard_input_are_read_too(folder: Path) -> None:
    """The same figures under another name."""
    (folder / "three.csv.gz").write_bytes(gzip.compress(THREE.encode()))
    expected = replayed("three.csv", *SIZE)["files"]["three.csv"]
    assert replayed("three.csv.gz", *SIZE)["files"]["three.csv.gz"] == expected
    for content in (THREE.encode(), gzip.compress(THREE.encode())):
        piped = CliRunner(catch_exceptions=False).invoke(commands, ["replay", "-", *SIZE, "--json"], input=content)
        assert json.loads(piped.stdout)["files"] == {"-": expected}


def test_a_files_name_is_plain_text(folder: Path) -> None:
    """What a terminal would obey is replaced, and brackets are no markup."""
    (folder / "[red]\x1b[2J.csv").write_text(THREE)
    assert replay("[red]\x1b[2J.csv").stdout.splitlines()[0] == "[red]\ufffd[2J.csv"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "gpt-9"], "'--model': the price of 'gpt-9' is not known; name a model that genai-prices knows"),
        (["--prefix-tokens", "0"], "'--prefix-tokens': 0 is not in the range 1<=x<=100000000."),
        (["--ttl", "1d"], "'--ttl': '1d' is not one of '5m', '1h', 'both'."),
        (["--tick-seconds", "-1"], "'--tick-seconds': '-1' is not allowed; allowed: 0, or 1 to 31,622,400 seconds"),
        (["--tick-seconds", "nan"], "'--tick-seconds': 'nan' is not allowed; allowed: 0, or 1 to 31,622,400 seconds"),
        (["--end-seconds", "1e9"], "'--end-seconds': '1e9' is not allowed; allowed: 0 to 31,622,400 seconds"),
        (["--end-seconds", "a day"], "'--end-seconds': 'a day' is not allowed; allowed: 0 to 31,622,400 seconds"),
        (
            ["--cold-start-value-usd", "-0.1"],
            "'--cold-start-value-usd': '-0.1' is not allowed; allowed: 0 to 1,000,000 USD, such as 0.05",
        ),
        (
            ["--cold-start-value-usd", "NaN"],
            "'--cold-start-value-usd': 'NaN' is not allowed; allowed: 0 to 1,000,000 USD, such as 0.05",
        ),
        (
            ["--cold-start-value-usd", "free"],
            "'--cold-start-value-usd': 'free' is not allowed; allowed: 0 to 1,000,000 USD, such as 0.05",
        ),
        (["--plot", "three.jpg"], "'--plot': 'three.jpg' does not end in .png"),
        (["--plot", "nowhere/three.png"], "'--plot': there is no folder 'nowhere'"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_read(folder: Path, arguments: list[str], said: str) -> None:
    """The value and what is allowed."""
    assert folder.is_dir()
    result = replay("nowhere.csv", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"Error: Invalid value for {said}"


def test_a_call_without_files_is_refused() -> None:
    """There is no default."""
    assert replay().exit_code == 2


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
def test_pictures_are_drawn_one_for_each_file(folder: Path) -> None:
    """One file has the name that was given; several are numbered as they were named, bad ones too."""
    assert replay("three.csv", "--plot", "one.png").stderr == "three.csv: drawn in one.png\n"
    (folder / "again.csv").write_text(THREE)
    result = replay("three.csv", "nowhere.csv", "again.csv", "--plot", "out.png", "--json")
    assert result.stderr.splitlines() == [
        "three.csv: drawn in out-1.png",
        "Error: nowhere.csv: No such file or directory",
        "again.csv: drawn in out-3.png",
    ]
    assert sorted(path.name for path in folder.glob("*.png")) == ["one.png", "out-1.png", "out-3.png"]
    json.loads(result.stdout)


def test_without_matplotlib_the_picture_is_refused_and_the_rest_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install is said; nothing else needs it."""
    assert folder.is_dir()
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = replay("three.csv", "--plot", "out.png")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: matplotlib is not installed; --plot needs, from a clone of prompt-cache-warmer: "
        "pip install '.[cli,plot]'\n"
    )
    assert replay("three.csv").exit_code == 0


def test_a_picture_that_cannot_be_written_is_told_and_the_figures_are_printed(folder: Path) -> None:
    """The place is named on standard error, the JSON is whole, and the exit code says that something is missing."""
    (folder / "out.png").symlink_to(folder / "nowhere" / "out.png")
    result = replay("three.csv", *SIZE, "--json", "--plot", "out.png")
    assert result.exit_code == 1
    assert "three.csv: not drawn in out.png: No such file or directory" in result.stderr
    assert json.loads(result.stdout)["files"]["three.csv"]["arrivals"] == 3
