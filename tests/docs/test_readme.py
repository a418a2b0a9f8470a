"""The README: short at the top, true throughout. What can run, runs."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal

import pytest
from click.testing import CliRunner
from rich.console import Console

from infra.local import demo, demo_day
from infra.local.cloud import LocalCloud
from infra.local.function import InProcessFunction, LocalClock
from infra.local.generate import generated
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules.diagnosis import Cause
from prompt_cache_warmer.rules.metrics import custom_metric_count
from prompt_cache_warmer.rules.retry import RUN_END_MARGIN_SECONDS
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, reading
from tests.stacks import TABLE, Stack

README = (ROOT / "README.md").read_text(encoding="utf-8")
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


def test_generated_files_are_current() -> None:
    """The tables of the README and the JSON Schema are what the code says; `make generate` writes them."""
    stale = [path.name for path, text in generated().items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Files exist, and anchors are headings."""
    headings = {re.sub(r"[^a-z0-9 ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in README.splitlines()}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        found = target.removeprefix("#") in headings if target.startswith("#") else (ROOT / target).exists()
        assert found, target


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


def test_the_check_commands_output_is_real() -> None:
    """The lines under the command are lines of its output."""
    command, *lines = block("check output").splitlines()
    _, _, *arguments = shlex.split(command)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 1
    assert set(lines) <= set(result.output.splitlines())


def test_the_commands_on_a_stack_print_what_the_readme_shows() -> None:
    """Run one after the other, they print every line below them and no other."""
    stack = Stack()
    printed = ""
    for line in block("pause output").splitlines():
        if line.startswith("$ "):
            result = stack.run(*shlex.split(line)[2:], STATE_TABLE=TABLE)
            assert (result.exit_code, result.stderr) == (0, "")
            printed += f"{line}\n{result.stdout}"
    assert printed.rstrip("\n") == block("pause output")


@pytest.mark.parametrize("name", ["plan output", "replay output"])
def test_plan_and_replay_print_what_the_readme_shows(name: str) -> None:
    """Every line of the transcript and no other."""
    command, *lines = block(name).splitlines()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        result = Stack().run(*shlex.split(command)[2:])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == lines
    assert max(map(len, lines)) <= 80


def test_the_prices_named_in_the_readme_are_the_models_own() -> None:
    """50,000 tokens read, once, at each of the day's 360 ticks, and at every fourteenth of them."""
    refresh = cost_usd("claude-sonnet-4-6", Usage(read_tokens=50_000), at=EPOCH)
    assert refresh == Decimal("0.015")
    assert "are 0.015 USD, so 5.40 a day with 5-minute markers (a refresh at every tick) and 0.39 with 1-hour" in README
    assert refresh * 360 == Decimal("5.40")
    assert round(refresh * 360 / 14, 2) == Decimal("0.39")


def test_the_metric_counts_and_their_prices_are_right() -> None:
    """26 for a run, 12 a target, and for 5,000 targets the first 10,000 at 0.30 USD and the rest at 0.10."""
    assert custom_metric_count("run", targets=1, entries=1) == 26
    assert custom_metric_count("target", targets=1, entries=1) - 26 == 12
    assert f"at most {len(Cause)} more" in README
    metrics = custom_metric_count("entry", targets=5000, entries=5000)
    assert metrics == 60_026
    assert 10_000 * Decimal("0.30") + (metrics - 10_000) * Decimal("0.10") == Decimal("8002.60")
    assert "about 8,000 USD a\nmonth" in README
    assert "about 8 USD a month, and 3.60 more per target" in README


def test_the_margin_named_in_messages_is_the_codes() -> None:
    """Messages say five seconds; the rule has them."""
    assert RUN_END_MARGIN_SECONDS == 5
