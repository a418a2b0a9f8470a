"""``report``: what it prints, how it is called wrongly, where the admin key may come from, and what it never says."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.effect_words import ADVICE, LABELS, compact, named, percent, usd
from prompt_cache_warmer.cli.report import ReportSeams
from prompt_cache_warmer.cli.report_chart import money_plot, nice_top, plot_size, ratio_plot
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.rules.diagnosis import Cause
from prompt_cache_warmer.rules.effect import Moment, merged
from prompt_cache_warmer.rules.effect_figures import DEFINITIONS, Seen
from prompt_cache_warmer.rules.effect_sources import Series
from prompt_cache_warmer.rules.effect_window import Window, window
from tests.canaries import CANARY
from tests.fakes import EPOCH, MODEL, FakeClock
from tests.report_cases import HAIKU, START, TRAFFIC, FakeHistory, FakeUsage, one_entry, reported, series, working_week

if TYPE_CHECKING:
    from pathlib import Path

KEY = f"sk-ant-admin-{CANARY}"
VARIABLES = ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "ANTHROPIC_ADMIN_KEY", "ANTHROPIC_BASE_URL")
ENVIRONMENT: dict[str, str | None] = dict.fromkeys(VARIABLES)
OURS: dict[str, Any] = {"read_tokens": 6_000_000, "write_5m_tokens": 300_000, "write_1h_tokens": 200_000}
OURS |= {"uncached_tokens": 60_000}


def run(history: FakeHistory, *arguments: str, usage: FakeUsage | None = None, **environment: str) -> Result:
    """Run the command with what was published; its service is named unless a test leaves it out."""
    seams = ReportSeams(
        clock=FakeClock(), open_history=history.open, open_usage=FakeUsage().open if usage is None else usage.open
    )
    runner = CliRunner(catch_exceptions=False, env={**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": "svc", **environment})
    return runner.invoke(commands, ["report", *arguments], obj=seams)


def test_the_table_of_one_target() -> None:
    """Eighty columns: the traffic, the money, and below them what each figure means."""
    result = run(FakeHistory(one_entry()))
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:10] == [
        "svc, 2026-11-15T12:00:00Z to 2026-11-22T12:00:00Z",
        "traffic              requests    hits  ratio  cold drift  read  w 5m  w 1h plain",
        "support on claude-sonnet-4-6",
        "                          100      90  90.0%     7     3  4.5M  200k  150k 50.0k",
        "all targets               100      90  90.0%     7     3  4.5M  200k  150k 50.0k",
        "",
        "USD                      vs uncached   vs no warming         spent           net",
        "support on claude-sonnet-4-6",
        "                               11.55            2.52        0.4875          2.03",
        "all targets                    11.55            2.52        0.4875          2.03",
    ]
    assert max(map(len, lines)) <= 80
    said = " ".join(result.stdout.split())
    assert all(f"{LABELS[name]}: {words}." in said for name, words in DEFINITIONS.items())


def test_the_table_of_several_targets_and_models() -> None:
    """A row for each, the models indented below a target that has several; money that is published elsewhere is -."""
    lines = run(FakeHistory(working_week())).stdout.splitlines()
    assert [line[:21].strip() for line in lines[2:8]] == [
        "support-agent",
        "claude-haiku-4-5",
        "claude-sonnet-4-6",
        "ticket-router on clau",
        "",
        "all targets",
    ]
    rows = [line.split() for line in lines[10:16]]
    assert rows[0] == ["support-agent", "263.48", "11.21", "3.53", "7.68"]
    assert rows[1] == ["claude-haiku-4-5", "67.74", "2.66", "-", "-"]
    why = lines.index("why entries were missed")
    assert [line.split(":")[0] for line in lines[why:] if re.match(r"\d", line)] == [
        "11 evicted-early",
        "8 prefix-drift",
        "2 lookback-exceeded",
    ]


def test_json_has_what_the_table_has_and_the_series() -> None:
    """Definitions, totals, targets, causes, buckets, notices; no cross-check unless a key is given."""
    history = FakeHistory([*one_entry(), Series("EntriesMissed", cause="x", points={START: 2.0})])
    answer = json.loads(run(history, "--json").stdout)
    assert answer["total"]["net_usd"] == "2.032500000000"
    assert (answer["why"], answer["cross_check"], answer["notices"]) == ({"x": 2}, None, [])
    assert answer["definitions"]["net_usd"].startswith("saved against no warming - spent; unknown for a target of")
    assert len(answer["series"]) == 168


def test_unknown_money_is_said_and_never_zero() -> None:
    """A model without a price: unknown in every row, and a note."""
    result = run(FakeHistory([*series(TRAFFIC), *series(TRAFFIC, target="a", model="m-1")]))
    assert result.stdout.splitlines()[6].split() == ["a", "on", "m-1", "unknown", "unknown", "unknown", "unknown"]
    assert "note: 1 model has no known price, so what it saved is in no sum: m-1\n" in result.stderr
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("since", "age"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("2026-11-20", timedelta(days=2, hours=12)),
        ("2026-11-20T14:00+01:00", timedelta(hours=47)),
    ],
)
def test_since_is_a_duration_a_date_or_a_time(since: str, age: timedelta) -> None:
    """A date begins at 0:00 UTC."""
    history = FakeHistory(one_entry())
    assert run(history, "--since", since).exit_code == 0
    assert history.windows == [window(EPOCH - age, now=EPOCH)]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (
            "a week",
            "'a week' is not allowed; allowed: days, hours and minutes in this order, such as 1d, 2h30m or 45m;",
        ),
        ("0d", "'0d' is not allowed; allowed: days, hours and minutes"),
        ("2026-11-20T14:00", "'2026-11-20T14:00' is not allowed; allowed: days, hours"),
        ("2026-11-23", "2026-11-23T00:00:00Z is yet to come: it is 2026-11-22T12:00:00Z"),
        ("456d", "2025-08-23T12:00:00Z is too long ago; allowed: up to 455 days: CloudWatch forgets what is older"),
    ],
)
def test_a_since_that_cannot_be_is_refused(since: str, said: str) -> None:
    """With what is allowed, and nothing is asked."""
    history = FakeHistory(one_entry())
    result = run(history, "--since", since)
    assert result.exit_code == 2
    assert f"Invalid value for '--since': {said}" in " ".join(result.stderr.split())
    assert history.opened == []


def test_the_oldest_that_there_is_may_be_asked_for() -> None:
    """455 days and no more."""
    assert run(FakeHistory(one_entry()), "--since", "455d").exit_code == 0


def test_service_and_namespace_are_options_or_variables() -> None:
    """The option is the stronger one; --stack is the same."""
    history = FakeHistory(one_entry())
    run(history)
    run(history, "--service", "a", "--namespace", "N")
    run(history, "--stack", "b", POWERTOOLS_METRICS_NAMESPACE="M")
    assert history.opened == [("PromptCacheWarmer", "svc"), ("N", "a"), ("M", "b")]


def test_without_a_service_it_is_said_which() -> None:
    """Exit code 2."""
    result = run(FakeHistory(), POWERTOOLS_SERVICE_NAME="")
    assert result.exit_code == 2
    assert "Error: whose metrics? Say --stack NAME or set WARMER_STACK; or say --service NAME" in result.stderr


def test_what_cannot_be_read_is_one_line() -> None:
    """The source's own sentence."""
    result = run(FakeHistory(trouble="CloudWatch refused"))
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "Error: CloudWatch refused\n")


def test_nothing_published_says_what_to_do() -> None:
    """Since when, and what is missing."""
    result = run(FakeHistory())
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: 'svc' published nothing since 2026-11-15T12:00:00Z; no traffic was reported: add CacheObserver to the "
        "application, or nothing proves what warming saves\n"
    )


def test_a_cross_check_by_a_file_or_the_environment(tmp_path: Path) -> None:
    """The file is the stronger one; neither key is printed."""
    file = tmp_path / "key"
    file.write_text(f"  {KEY}\n", encoding="utf-8")
    usage = FakeUsage([reported(**OURS)])
    one = run(FakeHistory(one_entry()), "--admin-key-file", str(file), usage=usage, ANTHROPIC_ADMIN_KEY="sk-other")
    other = run(
        FakeHistory(one_entry()),
        usage=usage,
        ANTHROPIC_ADMIN_KEY=f"sk-{CANARY}",
        ANTHROPIC_BASE_URL="https://gateway.example",
    )
    assert usage.opened == [(KEY, None), (f"sk-{CANARY}", "https://gateway.example")]
    assert [asked[1] for asked in usage.asked] == ["1h", "1h"]
    assert usage.asked[0][0] == Window(START, EPOCH - timedelta(hours=1), 3_600)
    assert (one.exit_code, one.stderr) == (0, "")
    assert CANARY not in one.output + other.output
    lines = one.stdout.splitlines()
    at = lines.index("cross-check, tokens             read           w 5m          w 1h          plain")
    assert lines[at + 1 : at + 6] == [
        "claude-sonnet-4-6",
        "  ours                     5,500,000        250,000       150,000         50,100",
        "  Usage API                6,000,000        300,000       200,000         60,000",
        "  difference                +500,000        +50,000       +50,000         +9,900",
        "all models",
    ]


def test_a_cross_check_that_fails_is_told_and_the_report_stands() -> None:
    """Ours is more, or the Usage API refuses: exit code 1 and a note; the figures are printed all the same."""
    more = run(FakeHistory(one_entry()), usage=FakeUsage([reported(HAIKU, read_tokens=1)]), ANTHROPIC_ADMIN_KEY=KEY)
    assert more.exit_code == 1
    assert "claude-sonnet-4-6: ours is more" in more.stdout
    assert "note: our metrics count more than the Usage API" in more.stderr
    refused = run(FakeHistory(one_entry()), usage=FakeUsage(trouble="refused"), ANTHROPIC_ADMIN_KEY=KEY)
    assert (refused.exit_code, refused.stderr) == (1, "note: no cross-check: refused\n")
    assert refused.stdout.startswith("svc, ")
    short = run(FakeHistory(one_entry()), "--since", "5m", ANTHROPIC_ADMIN_KEY=KEY)
    assert (short.exit_code, short.stderr) == (
        1,
        "note: no cross-check: the Usage API knows nothing of so short a time yet\n",
    )


def test_rows_whose_warm_calls_are_not_known_by_model_say_so() -> None:
    """Traffic only."""
    result = run(FakeHistory(working_week()), usage=FakeUsage([reported(read_tokens=1)]), ANTHROPIC_ADMIN_KEY=KEY)
    assert "  ours, traffic only" in result.stdout


@pytest.mark.parametrize("content", ["", " \n", "two words", "x" * 1_001, "schlüssel", "a\nb"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    """Named, and not quoted."""
    file = tmp_path / "key"
    file.write_text(content, encoding="utf-8")
    result = run(FakeHistory(), "--admin-key-file", str(file))
    assert result.exit_code == 2
    assert "holds no key; allowed: one admin key on one line" in " ".join(result.stderr.split())
    assert content.strip() == "" or content not in result.stderr


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """It is not there, or no text."""
    missing = run(FakeHistory(), "--admin-key-file", str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    binary = run(FakeHistory(), "--admin-key-file", str(tmp_path / "binary"))
    assert (missing.exit_code, binary.exit_code) == (2, 2)
    assert "cannot be read: FileNotFoundError" in " ".join(missing.stderr.split())
    assert "cannot be read: UnicodeDecodeError" in " ".join(binary.stderr.split())


def test_a_key_on_the_command_line_is_refused() -> None:
    """Others of the machine would see it."""
    result = run(FakeHistory(), "--admin-key", KEY)
    assert result.exit_code == 2
    assert "a key on the command line is seen by everybody: use --admin-key-file FILE" in result.stderr
    assert CANARY not in result.output


def test_an_admin_key_travels_over_https_only() -> None:
    """An address in plain text is refused, where a key would go there."""
    result = run(FakeHistory(one_entry()), ANTHROPIC_ADMIN_KEY=KEY, ANTHROPIC_BASE_URL="http://gateway.example")
    assert result.exit_code == 2
    assert "ANTHROPIC_BASE_URL must be an https:// URL" in result.stderr
    assert run(FakeHistory(one_entry()), ANTHROPIC_BASE_URL="http://gateway.example").exit_code == 0


def test_html_writes_a_page_that_names_everything(tmp_path: Path) -> None:
    """The table is printed all the same; the page has the figures, the causes, the check and the definitions."""
    file = tmp_path / "report.html"
    usage = FakeUsage([reported(**OURS), reported(HAIKU, **OURS)])
    result = run(FakeHistory(working_week()), "--html", str(file), usage=usage, ANTHROPIC_ADMIN_KEY=KEY)
    assert (result.exit_code, result.stdout[:5]) == (1, "svc, ")
    assert f"written to {file}\n" in result.stderr
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    for said in (
        *("8.19 USD", "11.94 USD", "3.75 USD", "99.4%", "4,504 of 4,529 requests", "and 1 drift<", "279.92 USD"),
        *("support-agent", "<small>on claude-haiku-4-5</small>", "166,984,000", "evicted-early", "11"),
        *("Cross-check with the Usage API: not consistent", "our metrics, traffic only", "ours is more"),
        *("every 3 hours", "By time", "Every hour as a table", "2026-11-16 07:00", "2026-11-22T12:00:00Z"),
        *("our metrics count more than the Usage API", "saved against no warming - spent"),
    ):
        assert said in page, said
    assert not re.search(r"<script|https?://|url\(|@import|\$[a-z]", page)


def test_the_page_escapes_what_comes_from_outside(tmp_path: Path) -> None:
    """Names of services, targets, models and causes are text."""
    bad = "<b>&\"'"
    given = [
        *series(TRAFFIC, target=bad, model=bad),
        *series(TRAFFIC),
        Series("EntriesMissed", cause=bad, points={START: 1.0}),
    ]
    file = tmp_path / "report.html"
    assert run(FakeHistory(given), "--html", str(file), POWERTOOLS_SERVICE_NAME=bad).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert "<b>&" not in page
    assert page.count("&lt;b&gt;&amp;&quot;&#x27;") >= 6
    assert "see the run report" in page


def test_the_page_of_warming_nobody_used(tmp_path: Path) -> None:
    """A loss is shown as one; there is nothing to divide by, and the page says what to do."""
    file = tmp_path / "report.html"
    given = series({"WarmCostUSD": 0.5, "CacheReadTokens": 1.0})
    assert run(FakeHistory(given), "--html", str(file)).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert '<div class="figure bad">-0.5000 USD</div>' in page
    assert '<div class="figure">-</div>' in page
    assert "add CacheObserver to the application" in page
    assert 'class="first" d=' not in page.partition("money-heading")[0]


@pytest.mark.parametrize(
    ("name", "said"), [("report.txt", "'report.txt' does not end in .html"), ("no/report.html", "there is no folder")]
)
def test_a_page_that_could_not_be_written_is_refused_before(tmp_path: Path, name: str, said: str) -> None:
    """Nothing is asked of CloudWatch."""
    history = FakeHistory(one_entry())
    result = run(history, "--html", str(tmp_path / name))
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert history.opened == []


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A folder of that name vanished, or a disk is full."""
    history = FakeHistory(one_entry())
    folder = tmp_path / "gone"
    folder.mkdir()

    def open_and_remove(*_: str) -> FakeHistory:
        folder.rmdir()
        return history

    seams = ReportSeams(clock=FakeClock(), open_history=open_and_remove)
    runner = CliRunner(catch_exceptions=False, env={**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": "svc"})
    result = runner.invoke(commands, ["report", "--html", str(folder / "r.html")], obj=seams)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("cannot be written: No such file or directory\n")


def test_a_terminal_cannot_be_written_to() -> None:
    """Control characters of a name are replaced."""
    result = run(FakeHistory([*series(TRAFFIC), *series(TRAFFIC, target="a\x1b[2J", model=MODEL)]))
    assert "\x1b[2J" not in result.stdout
    assert "a\N{REPLACEMENT CHARACTER}[2J" in result.stdout


def test_without_seams_of_its_own_the_clock_of_the_others_counts() -> None:
    """Whoever hands over the seams of another command still decides what time it is."""
    runner = CliRunner(env={**ENVIRONMENT, "POWERTOOLS_SERVICE_NAME": "svc"})
    result = runner.invoke(commands, ["report", "--since", "2026-11-23"], obj=Seams(clock=FakeClock()))
    assert "it is 2026-11-22T12:00:00Z" in " ".join(result.stderr.split())


def test_help_says_what_every_figure_means() -> None:
    """The same words as below the table."""
    said = " ".join(CliRunner().invoke(commands, ["report", "--help"]).stdout.split())
    assert all(f"{LABELS[name]}: {words}." in said for name, words in DEFINITIONS.items())
    assert "--admin-key " not in said
    assert set(LABELS) == set(DEFINITIONS)


def test_every_cause_has_its_advice() -> None:
    """What to do stands beside each."""
    assert set(ADVICE) == set(Cause)


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (None, "unknown"),
        (Decimal(0), "0.00"),
        (Decimal("0E-12"), "0.00"),
        (Decimal("1234.5"), "1,234.50"),
        (Decimal(-1), "-1.00"),
        (Decimal("0.5"), "0.5000"),
        (Decimal("-0.01"), "-0.0100"),
        (Decimal("0.0099"), "0.009900"),
    ],
)
def test_money_is_written_as_fine_as_it_needs(amount: Decimal | None, written: str) -> None:
    """Cents from a dollar on, fractions of a cent below."""
    assert usd(amount) == written


@pytest.mark.parametrize(
    ("ratio", "written"),
    [(None, "-"), (0.0, "0.0%"), (0.0001, "0.1%"), (0.5, "50.0%"), (0.9999, "99.9%"), (1.0, "100.0%")],
)
def test_all_and_none_are_said_of_nothing_less(ratio: float | None, written: str) -> None:
    """One miss in ten thousand is not none."""
    assert percent(ratio) == written


@pytest.mark.parametrize(
    ("count", "written"),
    [
        *((0, "0"), (999, "999"), (1_000, "1.0k"), (50_000, "50.0k"), (149_600, "150k")),
        *((4_500_000, "4.5M"), (2_500_000_000, "2.5G")),
    ],
)
def test_a_count_is_short(count: int, written: str) -> None:
    """Five characters at the most."""
    assert compact(count) == written
    assert named(1, "drift") == "1 drift"
    assert named(1_000, "drift") == "1,000 drifts"


@pytest.mark.parametrize(
    ("amount", "top"),
    [("0.0001", "0.0001"), ("1", "1"), ("1.01", "2"), ("2.2", "2.5"), ("3", "5"), ("51", "100"), ("0.034", "0.05")],
)
def test_a_scale_ends_at_a_round_amount(amount: str, top: str) -> None:
    """1, 2, 2.5 or 5 of a power of ten."""
    assert nice_top(Decimal(amount)) == Decimal(top)


@pytest.mark.parametrize(("count", "size"), [(1, 1), (60, 1), (61, 2), (168, 3), (360, 6), (401, 12), (1_000, 12)])
def test_a_plot_has_sixty_points_or_less(count: int, size: int) -> None:
    """Neighbours are added up."""
    assert plot_size(count) == size


def test_a_ratio_is_drawn_where_there_were_requests() -> None:
    """A gap where there were none, a dot where a bucket stands alone, bars in proportion, a title for each."""
    seen = [Seen(requests=4, hits=4), Seen(requests=2, hits=1, cold_starts=1), Seen(), Seen(requests=1)]
    over = window(EPOCH - timedelta(minutes=4), now=EPOCH)
    moments = [Moment(at, one, Decimal(0), Decimal(0)) for at, one in zip(over.starts(), seen, strict=True)]
    drawn = ratio_plot(over, moments)
    assert '<path class="first" d="M125.00 0.00 L375.00 50.00 M875.00 100.00 L875.00 100.00"/>' in drawn
    volumes = re.findall(r'class="volume" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawn)
    assert volumes == [
        ("25.00", "70.00", "200.00", "30.00"),
        ("275.00", "85.00", "200.00", "15.00"),
        ("775.00", "92.50", "200.00", "7.50"),
    ]
    assert re.findall(r'class="cold" x="([\d.]+)" y="([\d.]+)"', drawn) == [("275.00", "0.00")]
    assert "<title>2026-11-22 11:57: 50.0% of 2 requests, 1 cold starts</title>" in drawn
    assert "<title>2026-11-22 11:58: - of 0 requests, 0 cold starts</title>" in drawn
    assert "requests, at most 4" in drawn
    assert re.findall(r"<b[^>]*>(\d+:\d+)</b>", drawn) == ["12:00"]


def test_money_is_added_up() -> None:
    """The lines are sums, the scale ends at a round amount, the key has the last values."""
    over = window(EPOCH - timedelta(days=17), now=EPOCH)
    moments = [Moment(at, Seen(), Decimal("0.5"), Decimal("0.1")) for at in over.starts()]
    assert len(moments) == 18
    drawn = money_plot(over, moments)
    assert re.findall(r'<b style="top:[\d.]+%">([^<]+)</b>', drawn) == ["0", "2.5", "5", "7.5", "10"]
    first = re.findall(r'class="first" d="M([\d. L]+)"', drawn)[0].split(" L")
    assert (first[0], first[-1]) == ("27.78 95.00", "972.22 10.00")
    second = re.findall(r'class="second" d="M([\d. L]+)"', drawn)[0].split(" L")
    assert (second[0], second[-1]) == ("27.78 99.00", "972.22 82.00")
    assert "saved against no warming: 9.00 USD" in drawn
    assert "spent on warming: 1.80 USD" in drawn
    assert "<title>2026-11-06, up to its end: saved 1.00 USD, spent 0.2000 USD, net 0.8000 USD</title>" in drawn
    assert re.findall(r"<b[^>]*>(\d+ \w+)</b>", drawn) == ["5 Nov", "12 Nov", "19 Nov"]


def test_money_of_unknown_spending_is_no_net() -> None:
    """One line, no area, and the key and every title say that the rest is unknown; never 0.00."""
    over = window(EPOCH - timedelta(days=17), now=EPOCH)
    moments = [Moment(at, Seen(), Decimal("0.5"), None) for at in over.starts()]
    drawn = money_plot(over, merged(moments, 1))
    assert 'class="first" d="M27.78 95.00' in drawn
    assert '<path class="second"' not in drawn
    assert "<polygon" not in drawn
    assert "<title>2026-11-06, up to its end: saved 1.00 USD, spent unknown</title>" in drawn
    assert re.findall(r"<li>(.*?)</li>", drawn) == [
        '<i class="first"></i>saved against no warming: 9.00 USD',
        "spent on warming: unknown, and so is the net",
    ]
    assert "saved against no warming, and what was spent on warming is unknown" in drawn


def test_spending_of_which_a_part_is_unknown_is_a_bound_and_never_a_net(tmp_path: Path) -> None:
    """At least so much, at most so much for all; no net of the target; the same on the page, in no colour."""
    page = tmp_path / "r.html"
    unpriced = series({"CacheReadTokens": 1_000.0, "WarmCostUSD": 0.0}, target="support", model="m-1")
    history = FakeHistory([*one_entry(), *unpriced])
    result = run(history, "--html", str(page))
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["support", "11.55", "2.52", ">=", "0.4875", "unknown"] in lines
    assert ["m-1", "unknown", "unknown", "unknown", "unknown"] in lines
    assert ["all", "targets", "11.55", "2.52", ">=", "0.4875", "<=", "2.03"] in lines
    assert "the net of 1 target is unknown, and of all targets together spent is a lower bound" in result.stderr
    written = page.read_text(encoding="utf-8")
    assert '<div class="figure">&lt;= 2.03 USD</div>' in written
    assert '<div class="figure">&gt;= 0.4875 USD</div>' in written
    assert "between the lines lies the net, at most that, because not every price is known.<" in written
    answer = json.loads(run(history, "--json").stdout)
    assert (answer["targets"][0]["net_usd"], answer["targets_with_unknown_net"]) == (None, 1)
    assert (answer["spent_is_lower_bound"], answer["net_is_upper_bound"]) == (True, True)


def test_a_loss_is_a_loss_however_much_more_was_spent(tmp_path: Path) -> None:
    """What is at most below zero is below zero."""
    page = tmp_path / "r.html"
    run(FakeHistory([*series({"WarmCostUSD": 2.0}), *series({"EntriesUnpriced": 1.0})]), "--html", str(page))
    assert '<div class="figure bad">&lt;= -2.00 USD</div>' in page.read_text(encoding="utf-8")


def test_a_page_of_unknown_spending_says_unknown_everywhere(tmp_path: Path) -> None:
    """In its plot, in its table by time, and in the series of --json; a service that spent has 0 in a quiet bucket."""
    page = tmp_path / "r.html"
    unknown = FakeHistory(series({**TRAFFIC, "Warmed5mTokens": 50_000.0}, target="support", model=MODEL))
    found = json.loads(run(unknown, "--json", "--html", str(page)).stdout)
    assert {moment["spent_usd"] for moment in found["series"]} == {None}
    written = page.read_text(encoding="utf-8")
    assert "Added up from the start.<" in written
    assert '<td role="cell" data-label="spent on warming">unknown</td></tr></tbody>' in written
    run(FakeHistory(one_entry()), "--html", str(page))
    assert "Added up from the start; between the lines lies the net.<" in page.read_text(encoding="utf-8")
    known = json.loads(run(FakeHistory(one_entry()), "--json").stdout)
    assert len([moment for moment in known["series"] if moment["spent_usd"] == "0"]) == len(known["series"]) - 1


def test_what_speaks_to_aws_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said with what to install."""
    monkeypatch.setitem(__import__("sys").modules, "prompt_cache_warmer.wiring.reports", None)
    with pytest.raises(UnusableError, match="this command needs, from a clone of prompt-cache-warmer"):
        ReportSeams().open_history("N", "s")
