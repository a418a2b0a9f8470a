"""The dashboard: a body CloudWatch takes, widgets that fit, and not one metric that nothing publishes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.dashboards import DashboardError, Search, Widget, misplaced, widgets
from infra.local.metric_data import MetricKey
from prompt_cache_warmer.cli.commands import commands
from tests.monitored import STACK, TOPIC_ARN, alarms, deployed, monitoring, watched

if TYPE_CHECKING:
    from tests.infra.monitoring.conftest import Published

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

QUESTIONS = ("Is everything warm?", "What does it save?", "What does it cost?", "What broke?")


def body(**parameters: str) -> str:
    """Return the body of a deployment's dashboard."""
    [dashboard] = watched(**parameters).resources("AWS::CloudWatch::Dashboard").values()
    return str(dashboard["DashboardBody"])


@pytest.fixture(scope="module")
def shown() -> list[Widget]:
    """The widgets of a deployment in which everything is watched."""
    return widgets(body())


def test_the_body_is_what_cloudwatch_takes_and_fits_the_grid(shown: list[Widget]) -> None:
    """Valid against the published structure, within 24 columns, and nothing lies on anything else."""
    assert misplaced(shown) == []
    assert {one.kind for one in shown} == {"text", "alarm", "metric", "log"}
    cells = {(column, row) for one in shown for column in one.columns for row in one.rows}
    assert len(cells) == 24 * (max(row for _, row in cells) + 1)  # and there are no holes


def test_one_screen_asks_the_four_questions_in_their_order(shown: list[Widget]) -> None:
    """One row each, from the left, above everything that is split by target."""
    rows = [one.rows.start for question in QUESTIONS for one in shown if one.title.startswith(question)]
    assert len(rows) == len(QUESTIONS)
    assert rows == sorted(rows)
    (split,) = [one.rows.start for one in shown if "By target" in str(one.properties)]
    assert all(one.rows.start > split for one in shown for search in one.searches if "Target" in search.dimension_names)
    assert max(rows) < split


def test_every_metric_of_the_dashboard_is_published(shown: list[Widget], published: Published) -> None:
    """At every detail, with just these dimensions: by the handler, the observer, or AWS of this function and queue."""
    named = {key for one in shown for key in one.metrics}
    assert len(named) > 30
    assert sorted((key.name, *sorted(key.dimensions)) for key in named - published.metrics) == []


def test_every_search_finds_what_is_published_at_its_detail(
    shown: list[Widget], published: Published, detail: str
) -> None:
    """By target with target, by entry with entry, and traffic at every detail; with run the title says what is not."""
    for one in shown:
        for search in one.searches:
            is_split_run = search.dimension_names != {"service", "Cause"} and "MetricDetail" in one.title
            levels = {frozenset({"service", "Target"}): "target", frozenset({"service", "Target", "Model"}): "entry"}
            is_there = not is_split_run or levels[search.dimension_names] == detail
            assert any(search.finds(key) for key in published.metrics) is is_there, (one.title, search)


def test_a_search_finds_every_target_and_no_other_stacks(published_by_detail: dict[str, Published]) -> None:
    """A target appears with its first data; a stack of another name in the same namespace does not."""
    search = Search.from_text(
        f'SEARCH(\'{{"PromptCacheWarmer",service,Target}} MetricName="WarmCostUSD" service="{STACK}"\', \'Sum\', 3600)'
    )
    found = {dict(key.dimensions)["Target"] for key in published_by_detail["target"].metrics if search.finds(key)}
    assert found == {"bot", "idle"}
    other = MetricKey("PromptCacheWarmer", "WarmCostUSD", frozenset({("service", f"{STACK}-2"), ("Target", "bot")}))
    assert not search.finds(other)


def test_the_arithmetic_names_lines_of_its_widget(shown: list[Widget]) -> None:
    """An id that is not there would leave the line empty."""
    assert {one.title: one.unknown_ids for one in shown if one.unknown_ids} == {}


def test_nothing_is_fixed() -> None:
    """Region, namespace, service, function and queue are those of the stack."""
    text = body(MetricsNamespace="Other/Space#1")
    assert "PromptCacheWarmer" not in text
    for one in widgets(text):
        if one.kind in {"metric", "log"}:
            assert one.properties["region"] == "eu-central-1"
        services = {dict(key.dimensions).get("service", STACK) for key in one.metrics}
        assert services <= {STACK}
        assert {key.namespace for key in one.metrics} <= {"Other/Space#1", "AWS/Lambda", "AWS/SQS"}
        assert {search.namespace for search in one.searches} <= {"Other/Space#1"}
        assert all(("service", STACK) in search.dimensions for search in one.searches)


def test_the_dashboard_shows_every_alarm_there_is() -> None:
    """All of them, or those of a deployment without caps, schedule and ratio; and no other."""
    for parameters in (
        {},
        {"MaxUsdPerDay": "", "MaxUsdPerMonth": "", "MinHitRatioPercent": "", "ScheduleState": "DISABLED"},
    ):
        (status,) = [one for one in widgets(body(**parameters)) if one.kind == "alarm"]
        made = watched(**parameters).resources("AWS::CloudWatch::Alarm")
        assert [arn.rsplit("-", 1)[1] for arn in status.properties["alarms"]] == list(made)
        assert len(made) == len(alarms(watched(**parameters)))


def test_without_anybody_to_tell_the_dashboard_says_that_there_are_no_alarms() -> None:
    """In the place of the alarms."""
    shown = widgets(body(AlarmEmail=""))
    assert [one.kind for one in shown if one.kind == "alarm"] == []
    assert misplaced(shown) == []
    assert any("No alarms" in str(one.properties.get("markdown")) for one in shown)


def test_the_dashboard_is_its_own_choice() -> None:
    """With or without alarms, and its address among the outputs of both stacks."""
    for told in ({}, {"AlarmTopicArn": TOPIC_ARN}):
        stack = monitoring(deployed(**told))
        assert stack is not None
        assert list(stack.resources("AWS::CloudWatch::Dashboard")) == ["ServiceDashboard"]
        assert stack.outputs()["DashboardUrl"].endswith(f"region=eu-central-1#dashboards:name={STACK}")
        assert "DashboardUrl" in deployed(**told).outputs()
    without = monitoring(deployed(AlarmTopicArn=TOPIC_ARN, Dashboard="DISABLED"))
    assert without is not None
    assert without.resources("AWS::CloudWatch::Dashboard") == {}
    assert without.outputs() == {}
    assert "DashboardUrl" not in deployed(AlarmTopicArn=TOPIC_ARN, Dashboard="DISABLED").outputs()


def test_the_query_of_the_log_names_fields_of_its_lines(shown: list[Widget], published: Published) -> None:
    """What broke is read out of lines the handler really writes."""
    (log,) = [one for one in shown if one.kind == "log"]
    query = log.properties["query"]
    assert query.startswith(f"SOURCE '/aws/lambda/{STACK}' | ")
    fields = re.search(r"fields ([^|]+)\|", query)
    assert fields is not None
    named = {field.strip() for field in fields[1].split(",")}
    own = {"code", "reason", "target", "model"}  # of failed entries, which this deployment has none of
    assert named - {"@timestamp"} - own <= published.log_fields


def test_the_commands_of_the_dashboard_exist(shown: list[Widget]) -> None:
    """Whoever reads it at night can type them."""
    text = " ".join(str(one.properties.get("markdown")) for one in shown)
    typed = set(re.findall(r"`prompt-cache-warmer (\w+)", text))
    assert typed == {"status", "report"}
    assert typed <= set(commands.commands)


def changed(path: list[Any], value: Any) -> str:
    """Return the body with one value changed."""
    parsed = json.loads(body())
    place: Any = parsed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(parsed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["widgets", 2, "properties", "regoin"], "eu-central-1"),
        (["widgets", 2, "properties", "stat"], "Total"),
        (["widgets", 2, "properties", "view"], "line"),
        (["widgets", 2, "x"], 24),
        (["widgets", 2, "width"], 0),
        (["widgets", 2, "type"], "graph"),
        (["widgets", 1, "properties", "alarms"], []),
        (["widgets", 2, "properties", "region"], "${AWS::Region}"),
        (["start"], "12 hours"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_a_body_cloudwatch_would_not_take_is_an_error(path: list[Any], value: Any) -> None:
    """Or would take, and show nothing."""
    with pytest.raises(DashboardError):
        widgets(changed(path, value))


def test_text_that_is_no_json_is_an_error() -> None:
    """A quote that a parameter broke."""
    with pytest.raises(DashboardError, match="no JSON"):
        widgets(body().replace('"widgets"', "widgets"))


@pytest.mark.parametrize("wrong", [{"x": 20}, {"y": 8}])
def test_a_widget_that_lies_on_another_or_outside_is_named(wrong: dict[str, int]) -> None:
    """CloudWatch would move it somewhere."""
    [(name, value)] = wrong.items()
    assert misplaced(widgets(changed(["widgets", 2, name], value)))


@pytest.mark.parametrize(
    "text",
    [
        "SEARCH('{N,service} MetricName=\"A\" Target=\"b\"', 'Sum', 300)",
        "SEARCH('{N,service} service=\"b\"', 'Sum', 300)",
        "SEARCH('{N,service} MetricName=\"A\" NOT service=\"b\"', 'Sum', 300)",
        "SEARCH('{N,service} MetricName=\"A\"', 'Sum')",
    ],
)
def test_a_search_that_is_not_understood_is_an_error(text: str) -> None:
    """Rather than one that finds nothing."""
    with pytest.raises(DashboardError):
        Search.from_text(text)


def test_a_misspelt_metric_or_dimension_is_not_published(published_by_detail: dict[str, Published]) -> None:
    """Each metric and each search of the dashboard, each with one letter too many, is found nowhere."""
    everything = frozenset().union(*(one.metrics for one in published_by_detail.values()))
    for one in widgets(body()):
        for key in one.metrics:
            assert MetricKey(key.namespace, f"{key.name}s", key.dimensions) not in everything
            assert (
                MetricKey(key.namespace, key.name, frozenset((f"{n}s", v) for n, v in key.dimensions)) not in everything
            )
        for search in one.searches:
            wrong = Search(search.namespace, search.dimension_names, f"{search.name}s", search.dimensions)
            assert not any(wrong.finds(key) for key in everything)


def test_a_repetition_of_nothing_is_an_error() -> None:
    """The format's short forms need a line before them."""
    with pytest.raises(DashboardError, match="repeats what is not there"):
        _ = Widget("metric", range(1), range(1), {"metrics": [[".", "Errors"]]}).metrics
