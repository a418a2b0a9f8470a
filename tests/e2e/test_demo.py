"""The demo's command: its switches, and what it never does without asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from click.testing import CliRunner
from rich.console import Console

from infra.local import demo, demo_day
from infra.local.demo_tables import ScheduleRow, day_table
from prompt_cache_warmer.values.usage import Usage

READ, WRITTEN = Usage(read_tokens=20_000), Usage(write_1h_tokens=20_000)


def test_a_live_call_without_a_key_says_where_the_key_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    result = CliRunner().invoke(demo.main, ["--live"])
    assert (result.exit_code, result.output) == (1, "LIVE=1 needs a key of your own in ANTHROPIC_API_KEY\n")


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_a_live_call_is_made_only_after_a_yes(answer: str) -> None:
    """The question names the model and the price; anything but yes makes no call and shows no key."""
    result = CliRunner().invoke(demo.main, ["--live", "--api-key", "sk-ant-planted"], input=answer)
    assert result.exit_code == 0
    assert "two real calls on claude-haiku-4-5 with your key, about 0.0108 USD. Go on? [y/N]" in result.output
    assert "sk-ant-planted" not in result.output
    assert "Real call" not in result.output


def test_the_demo_runs_behind_a_proxy_and_with_a_stale_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own configuration reaches the local cloud."""
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "AWS_PROFILE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(demo.main, [])
    assert result.exit_code == 0, result.output


def test_the_demo_exits_with_1_when_a_verdict_is_not_the_expected_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock does not move, so nothing ever lapses: the demo says which entries differ and fails."""
    monkeypatch.setattr(demo, "SECONDS_PER_MINUTE", 0)
    result = CliRunner().invoke(demo.main, [])
    assert result.exit_code == 1
    assert "not as expected: support-agent on claude-haiku-4-5: expected" in result.output
    assert "written by hand" not in result.output


def test_the_day_lasts_from_8_to_8_with_a_tick_every_four_minutes() -> None:
    """360 ticks and 35 requests, the last one on the next morning; the gaps over an hour are the ones named."""
    start = datetime(2026, 11, 20, 8, tzinfo=UTC)
    moments = demo_day.moments(start)
    asked = [at for at, is_tick in moments if not is_tick]
    assert (len(moments), len(asked)) == (395, 35)
    assert (moments[0], moments[-1]) == ((start, True), (datetime(2026, 11, 21, 7, 56, tzinfo=UTC), True))
    long = [f"{late:%H:%M}" for early, late in pairwise(asked) if late - early > timedelta(hours=1)]
    assert long == ["13:01", "19:21", "21:05", "07:41"]


def test_the_day_says_what_did_not_come_out_as_claimed() -> None:
    """A service that warms in vain, leaves users cold and costs more than both others: each is named."""
    schedules = demo_day.three_schedules()
    schedules.service.warm_calls += [READ] * 360
    schedules.service.requests += [WRITTEN] * 35
    schedules.naive.requests += [WRITTEN] + [READ] * 34
    schedules.nothing.requests += [WRITTEN] * 4 + [READ] * 30
    assert demo_day.broken_claims(schedules) == [
        "this service has at most 1 cold start, not 35",
        "without warming there are 5 cold starts, not 4",
        "the loop leaves no cold start, not 1",
        "this service (6.36 USD) costs less than the loop (0.32)",  # 360 x 0.006 + 35 x 0.12, and 0.12 + 34 x 0.006
        "this service (6.36 USD) costs less than no warming (0.66)",  # 4 x 0.12 + 30 x 0.006
        "each schedule had every request of the day",
    ]


def test_questions_and_answers_are_no_part_of_what_the_prompt_costs() -> None:
    """They cost the same with every schedule: only the prefix's tokens are priced, of warm calls everything."""
    service = demo_day.three_schedules().service
    call = Usage(read_tokens=20_000, uncached_tokens=1_000, output_tokens=1_000)
    service.requests.append(call)
    service.warm_calls.append(call)
    assert (service.traffic_usd, service.warming_usd) == (Decimal("0.006"), Decimal("0.024"))


def test_the_days_table_fits_80_columns() -> None:
    """Names, five figures and their heads, as wide as a day's bill gets."""
    names = [schedule.name for schedule in demo_day.three_schedules().all]
    console = Console(width=80, record=True, quiet=False, file=None)
    console.print(day_table([ScheduleRow(name, 360, 35, *[Decimal("12.3456")] * 3) for name in names]))
    lines = console.export_text().splitlines()
    assert len(lines) == 5
    assert all(name in line and line.rstrip().endswith("12.3456") for name, line in zip(names, lines[2:], strict=True))
