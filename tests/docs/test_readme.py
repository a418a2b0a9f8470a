"""The README: short at the top, true throughout. What can run, runs."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rich.console import Console

from infra.local import demo, demo_day
from infra.local.cloud import LocalCloud
from infra.local.function import InProcessFunction, LocalClock
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules.metrics import custom_metric_count
from prompt_cache_warmer.rules.retry import RUN_END_MARGIN_SECONDS
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage
from tests.docs.pages import fenced, page
from tests.fakes import EPOCH, reading

if TYPE_CHECKING:
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
FLAT = " ".join(README.split())
FIRST_SCREEN = README.partition("\n## ")[0]


def block(name: str) -> str:
    """Return what follows a comment of the README, up to the next one or the end of a fence."""
    text = README.partition(f"<!-- {name} -->\n")[2]
    return text.partition("<!--")[0] if not text.startswith("```") else text.partition("\n```\n")[0].partition("\n")[2]


def test_the_first_screen_has_at_most_40_lines_and_what_a_newcomer_asks() -> None:
    """What it is, the two commands, deploying, the cost and how to stop it."""
    assert len(FIRST_SCREEN.splitlines()) <= 40
    for said in ("make demo", "make test", "sam build && sam deploy --guided", "What it costs", "How to stop it"):
        assert said in FIRST_SCREEN


@pytest.mark.timeout(120)
def test_the_demo_prints_what_the_readme_shows_and_accepts_nothing_else() -> None:
    """Every line of the sample is a line of the real output; a verdict that is not the expected one fails it."""
    console = Console(width=demo.WIDE_COLUMNS, record=True, file=None, quiet=False)
    with LocalCloud(state=True) as cloud:
        function = InProcessFunction(cloud.environment(), clock=LocalClock(cloud.api.clock))
        assert demo.show(console, cloud, function, "the handler in this process")
    assert demo_day.show_day(console)
    printed = [" ".join(line.split()) for line in console.export_text().splitlines()]
    for line in block("demo output").splitlines():
        assert " ".join(line.split()) in printed, line

    with LocalCloud() as cloud:
        answer = InProcessFunction(cloud.environment()).invoke({})
    expected = demo.expected_verdicts()
    seen = {(target, model): list(found) for target, models in expected.items() for model, found in models.items()}
    seen.pop(("broken", "invalid"))
    answer["problems"] = [{"source": "targets/broken.json", "path": path} for path in ("$.keep", "$.requst")]
    assert demo.differences(expected, seen, answer) == []
    seen["greeter", "claude-haiku-4-5"][5] = "refreshed"
    del seen["research-agent", "claude-opus-4-8"]
    answer["problems"].pop()
    assert [line.split(":")[0] for line in demo.differences(expected, seen, answer)] == [
        "broken",
        "greeter on claude-haiku-4-5",
        "research-agent on claude-opus-4-8",
    ]


def test_the_example_target_is_valid() -> None:
    """What people copy first is a target without errors."""
    found = reading(json.loads(block("target example")), **{"prompts/support-handbook.md": "You are a bot. " * 3000})
    assert found.problems == ()
    assert found.target is not None


def test_the_five_commands_are_those_of_the_page_on_deploying() -> None:
    """Word for word; that page's tests say of each that it works."""
    typed = fenced(README, "deploy commands")
    assert [line[:2] for line in typed.splitlines()] == ["$ "] * 5
    assert f"```console\n{typed}\n```" in page("deploying.md")


def test_a_newcomers_first_target_is_one_that_check_accepts(tmp_path: Path) -> None:
    """What the third command writes lies where the fourth uploads it from; only its length is complained of."""
    run = CliRunner(catch_exceptions=False)
    init = shlex.split(fenced(README, "deploy commands").splitlines()[2])[2:]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert run.invoke(commands, init).exit_code == 0
        assert (tmp_path / "prompts/support-agent.md").is_file()
        checked = run.invoke(commands, ["check", "targets/"])
        assert (checked.exit_code, re.findall(r"\[([a-z-]+)\]", checked.output)) == (0, ["below-minimum"])
        (tmp_path / "prompts/support-agent.md").write_text("You answer questions. " * 2_000, encoding="utf-8")
        planned = run.invoke(commands, ["plan", "targets/"])
        assert planned.exit_code == 0
        assert "support-agent on claude-sonnet-4-6" in planned.output


def test_the_prices_named_in_the_readme_are_the_models_own() -> None:
    """50,000 tokens read, once, at each of the day's 360 ticks, and at every fourteenth of them."""
    refresh = cost_usd("claude-sonnet-4-6", Usage(read_tokens=50_000), at=EPOCH)
    assert refresh == Decimal("0.015")
    assert "are 0.015 USD, so 5.40 a day with 5-minute markers (a refresh at every tick) and 0.39 with 1-hour" in FLAT
    assert refresh * 360 == Decimal("5.40")
    assert round(refresh * 360 / 14, 2) == Decimal("0.39")


def test_the_metrics_prices_named_in_the_readme_are_cloudwatchs() -> None:
    """27 custom metrics of a run and 12 of a target, at 0.30 USD a month each."""
    run = custom_metric_count("run", targets=1, entries=1)
    assert run * Decimal("0.30") == Decimal("8.10")
    assert (custom_metric_count("target", targets=1, entries=1) - run) * Decimal("0.30") == Decimal("3.60")
    assert "and 3.60 more per target for its metrics" in FLAT  # the rest is of tests/docs/test_monitoring_page.py


def test_the_margin_named_in_messages_is_the_codes() -> None:
    """Messages say five seconds; the rule has them."""
    assert RUN_END_MARGIN_SECONDS == 5
