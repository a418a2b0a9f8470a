"""The page on monitoring: a section for each alarm, commands that exist, and a bill that is the README's."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal

from click.testing import CliRunner

from infra.local.costs import METRIC, Deployment, monthly_usd
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.cli.commands import commands
from tests.docs.pages import page, rows
from tests.monitored import alarms, template, watched

PAGE = page("monitoring.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """Return the sections below "The alarms", by their headings."""
    part = PAGE.partition("\n## The alarms\n")[2].partition("\n## ")[0]
    found = re.split(r"^### (.+)$", part, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def typed() -> list[str]:
    """Return every line of the page's blocks."""
    return [
        line
        for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    """In the order of the template, and each says what it means, what to look at first and when it recovers."""
    found = sections()
    assert list(found) == list(alarms(watched()))
    for name, text in found.items():
        assert "Recovers" in text, name
    assert [row[0] for row in rows(PAGE, "alarms")] == [f"[{name}](#{name})" for name in found]


def test_every_alarm_points_to_its_section() -> None:
    """By its name, which is the heading's."""
    assert {
        name: alarm.description.rpartition(" section ")[2].rstrip(".") for name, alarm in alarms(watched()).items()
    } == {name: name for name in sections()}


def test_every_command_of_the_page_exists_with_its_options() -> None:
    """Ours are registered and take the options that are typed; AWS's name the stack's own things."""
    lines = typed()
    assert len(lines) > 15
    for line in lines:
        program, name, *arguments = shlex.split(line)
        assert program in {"prompt-cache-warmer", "aws"}, line
        if program == "aws":
            assert {"STACK", "FUNCTION", "QUEUE", "UNWARMED"} & set(re.findall(r"[A-Z]{5,}", line)), line
            continue
        command = commands.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {one for one in arguments if one.startswith("--")} <= known, line
        assert CliRunner().invoke(commands, [name, "--help"]).exit_code == 0


def test_every_parameter_named_on_the_page_is_one() -> None:
    """In the words of the template."""
    parameters = set(template("template.yaml")["Parameters"])
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)(?:=\w+)?`", PAGE))
    metrics = {series.key.name for alarm in alarms(watched()).values() for series in alarm.series.values()}
    others = {
        "CacheObserver",
        "DashboardUrl",
        "EntriesDeferred",
        "FailuresQueueUrl",
        "FunctionName",
        "UnwarmedQueueUrl",
    }
    assert named - metrics - others <= parameters
    assert {"AlarmEmail", "AlarmTopicArn", "StoppedAfterMinutes", "MinHitRatioPercent"} <= named


def test_the_total_of_the_bill_is_its_lines() -> None:
    """To the cent, but for what rounding each line leaves."""
    *lines, total = rows(PAGE, "costs")
    for column in range(1, len(total)):
        summed = sum(Decimal(row[column].replace(",", "")) for row in lines)
        assert abs(summed - Decimal(total[column].strip("*"))) <= Decimal("0.05")
    assert [row[1:3] for row in rows(PAGE, "metric prices")] == [
        ["27 for 8.10", "27 for 8.10"],
        ["39 for 11.70", "147 for 44.10"],
        ["24 for 7.20", "132 for 39.60"],
    ]


def test_the_readme_says_what_the_page_says() -> None:
    """About 12 USD without targets, 3 of them the dashboard; 12 metrics a target; 1.60 for all alarms."""
    alone, one = (sum(monthly_usd(Deployment(targets)).values()) for targets in (0, 1))
    assert round(alone) == 12
    assert Decimal("3.60") == METRIC * 12
    assert Decimal("3.60") < one - alone < Decimal("3.75")
    assert rows(PAGE, "costs")[2][1] == "1.60"
    said = "about 12 USD a month, 3 of them the dashboard, 1.60 more with all its alarms, and 3.60 more per target"
    assert said in " ".join(README.split())


def test_an_alarm_is_billed_by_the_metrics_it_looks_at() -> None:
    """16 of 15 alarms: the one on the hit ratio looks at two."""
    found = alarms(watched())
    assert (len(found), sum(len(alarm.series) for alarm in found.values())) == (15, 16)
