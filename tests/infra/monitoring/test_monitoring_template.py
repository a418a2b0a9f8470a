"""The nested stack: who is told of what, and that every alarm watches what is published and says what to type."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from infra.local.alarms import MAX_DESCRIPTION_CHARACTERS, Alarm, Missing
from infra.local.lint_template import lint
from infra.local.template_values import ResolvedStack, TemplateValueError
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.metrics import CATALOGUE, Scope
from tests.monitored import ROOT, STACK, TOPIC_ARN, WATCHED, alarms, deployed, monitoring, template, watched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.monitoring.conftest import Published

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

OWN_TOPIC = f"{STACK}-Monitoring-AlarmTopic"
ALWAYS = {
    *("cold", "missed", "failing", "breaker-open", "invalid-targets", "capped", "slow-runs", "failed-runs"),
    *("dead-letters", "drift"),
}
LONG_NAME = "a" * 64  # longer than stacks are named; 128 is what CloudFormation takes


def series() -> list[tuple[str, str]]:
    """Return every metric of every alarm."""
    return [(name, one) for name, alarm in alarms(watched()).items() for one in alarm.series]


@pytest.mark.parametrize("name", alarms(watched()))
def test_every_alarm_watches_what_is_published_at_every_detail(name: str, published: Published) -> None:
    """Namespace, name and dimensions are those of what the handler, the observer and AWS really publish."""
    assert {one.key for one in alarms(watched())[name].series.values()} <= published.metrics


@pytest.mark.parametrize(("name", "one"), series())
def test_a_misspelt_name_or_dimension_is_not_published(name: str, one: str, published: Published) -> None:
    """Each alarm, each of its metrics, with a letter too many in each place: the test above would fail."""
    key = alarms(watched())[name].series[one].key
    (dimension,) = key.dimensions
    for wrong in (
        replace(key, namespace=f"{key.namespace}s"),
        replace(key, name=f"{key.name}s"),
        replace(key, name=key.name.lower()),
        replace(key, dimensions=frozenset({(f"{dimension[0]}s", dimension[1])})),
        replace(key, dimensions=frozenset({(dimension[0].swapcase(), dimension[1])})),
        replace(key, dimensions=frozenset({(dimension[0], f"{dimension[1]}s")})),
        replace(key, dimensions=frozenset()),
        replace(key, dimensions=key.dimensions | {("Target", "nobody")}),
    ):
        assert wrong not in published.metrics


def test_the_alarm_for_silence_watches_what_a_selection_does_not_publish() -> None:
    """A metric that uploads and calls of one target publish too would hide that no tick comes."""
    alarm = alarms(watched())["stopped"]
    scopes = {metric.name: metric.scope for metric in CATALOGUE}
    assert [scopes[one.key.name] for one in alarm.series.values()] == [Scope.RUN]
    assert [(name, one.missing) for name, one in alarms(watched()).items() if one.missing is Missing.BREACHING] == [
        ("stopped", Missing.BREACHING)
    ]


@pytest.mark.parametrize("minutes", ["10", "15", "60"])
def test_the_minutes_without_a_run_are_the_deployers(minutes: str) -> None:
    """As many periods of a minute as were asked for, all of them silent."""
    alarm = alarms(watched(StoppedAfterMinutes=minutes))["stopped"]
    assert (alarm.periods, alarm.breaches, alarm.period.seconds) == (int(minutes), int(minutes), 60)


@pytest.mark.parametrize(("timeout", "slow_ms"), [("110", 99_000), ("170", 153_000), ("230", 207_000)])
def test_a_run_is_slow_at_nine_tenths_of_its_timeout(timeout: str, slow_ms: float) -> None:
    """Whatever the timeout is."""
    assert int(timeout) in template("template.yaml")["Parameters"]["Timeout"]["AllowedValues"]
    assert alarms(watched(Timeout=timeout, TickMinutes="4"))["slow-runs"].threshold == slow_ms


@pytest.mark.parametrize("percent", ["1", "90", "100"])
def test_the_least_hit_ratio_is_the_deployers(percent: str) -> None:
    """And a quarter of an hour with fewer than 20 requests says nothing."""
    alarm = alarms(watched(MinHitRatioPercent=percent))["hit-ratio"]
    assert (alarm.threshold, alarm.comparison) == (int(percent), "LessThanThreshold")
    assert alarm.expression == "IF(requests >= 20, 100 * hits / requests)"


def test_without_anybody_to_tell_there_is_no_alarm() -> None:
    """Nobody pays for an alarm that nobody reads; without a dashboard either there is no nested stack at all."""
    alone = monitoring(deployed(FanOut="ENABLED"))
    assert alone is not None
    assert set(alone.resources()) == {"ServiceDashboard"}
    assert monitoring(deployed(Dashboard="DISABLED")) is None


@pytest.mark.parametrize(
    ("told", "actions"),
    [
        ({"AlarmEmail": "on-call@example.com"}, (OWN_TOPIC,)),
        ({"AlarmTopicArn": TOPIC_ARN}, (TOPIC_ARN,)),
        ({"AlarmEmail": "on-call@example.com", "AlarmTopicArn": TOPIC_ARN}, (OWN_TOPIC, TOPIC_ARN)),
    ],
    ids=["mail", "topic", "both"],
)
def test_everybody_is_told_of_every_alarm_and_of_its_end(told: dict[str, str], actions: tuple[str, ...]) -> None:
    """By mail, by a topic of one's own, or both; and an own topic is made only for mail."""
    stack = monitoring(deployed(**told))
    assert stack is not None
    found = alarms(stack)
    assert set(found) == ALWAYS | {"stopped"}
    assert {(one.alarm_actions, one.ok_actions) for one in found.values()} == {(actions, actions)}
    topics = stack.resources("AWS::SNS::Topic")
    assert set(topics) == ({"AlarmTopic"} if "AlarmEmail" in told else set())
    for topic in topics.values():
        assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": "on-call@example.com"}]
        assert "KmsMasterKeyId" not in topic  # CloudWatch could not publish to it


@pytest.mark.parametrize(
    ("parameters", "there"),
    [
        ({"MaxUsdPerDay": "2.50"}, {"stopped", "day-budget"}),
        ({"MaxUsdPerDay": "0"}, {"stopped", "day-budget"}),
        ({"MaxUsdPerMonth": "50"}, {"stopped", "month-budget"}),
        ({"MinHitRatioPercent": "90"}, {"stopped", "hit-ratio"}),
        ({"FanOut": "ENABLED"}, {"stopped", "unwarmed"}),
        ({"ScheduleState": "DISABLED"}, set()),
    ],
    ids=["day", "nothing a day", "month", "ratio", "workers", "stopped on purpose"],
)
def test_an_alarm_that_could_not_fire_or_would_fire_for_ever_is_not_made(
    parameters: dict[str, str], there: set[str]
) -> None:
    """A budget without a cap, a ratio nobody asked for, a queue without workers, and silence without a schedule."""
    stack = monitoring(deployed(AlarmTopicArn=TOPIC_ARN, **parameters))
    assert stack is not None
    assert set(alarms(stack)) == ALWAYS | there


def test_each_alarm_says_where_it_is_what_to_type_and_where_to_read() -> None:
    """In at most 1,024 characters, with the stack's own names, even where they are long."""
    stack = ResolvedStack(
        LONG_NAME,
        template("template.yaml"),
        WATCHED,
        dict.fromkeys(
            ("FailuresQueue", "UnwarmedQueue"), f"https://sqs.eu-central-1.amazonaws.com/123456789012/{LONG_NAME}"
        ),
    )
    nested = monitoring(stack)
    assert nested is not None
    for one in nested.resources("AWS::CloudWatch::Alarm").values():
        alarm = Alarm.from_template(one)
        assert len(alarm.description) <= MAX_DESCRIPTION_CHARACTERS
        assert LONG_NAME in alarm.description
        assert "eu-central-1" in alarm.description
        section = alarm.name.removeprefix(f"{LONG_NAME}-")
        assert alarm.description.endswith(f"Runbook: infra/docs/monitoring.md, section {section}.")
        assert not re.search(r"\$\{|  ", alarm.description)


def typed(description: str, program: str) -> list[list[str]]:
    """Return the arguments of every command of a program in a description, as far as they are of a command."""
    found = re.findall(
        rf"{program} ((?:[\w./-]+|'[^']*'|https?://\S+)(?: (?:--?[\w-]+|[A-Z]+\b|'[^']*'|[\w./:-]+))*)", description
    )
    return [shlex.split(one.rstrip(".,;:")) for one in found]


def test_the_commands_in_the_alarms_exist_with_their_options() -> None:
    """Each command of ours is registered, and takes each option that is typed."""
    seen = set()
    for name, alarm in alarms(watched()).items():
        for arguments in typed(alarm.description, "prompt-cache-warmer"):
            command = commands.commands[arguments[0]]
            known = {option for parameter in command.params for option in parameter.opts}
            options = {one for one in arguments if one.startswith("-")}
            assert options <= known, (name, arguments)
            seen.add(arguments[0])
            assert CliRunner().invoke(commands, [arguments[0], "--help"]).exit_code == 0
            assert isinstance(command, click.Command)
    assert {"status", "doctor", "pause", "resume", "check", "plan", "report", "verify", "diff", "capture"} == seen


def test_the_aws_commands_in_the_alarms_name_what_the_stack_has() -> None:
    """The log group, the function and each its queue; nothing is left to fill in."""
    group, urls = f"/aws/lambda/{STACK}", "https://sqs.eu-central-1.amazonaws.com/123456789012/"
    found = {name: alarm.description for name, alarm in alarms(watched()).items()}
    text = " ".join(found.values())
    assert set(re.findall(r"aws (\w+ [\w-]+)", text)) == {
        *("logs tail", "lambda invoke", "sqs receive-message", "sqs purge-queue"),
    }
    assert set(re.findall(r"aws logs tail (\S+)", text)) == {group}
    queues = {name: re.findall(r"--queue-url (\S+?)\.?(?: |$)", one) for name, one in found.items()}
    assert {name: set(each) for name, each in queues.items() if each} == {
        "dead-letters": {f"{urls}failures"},
        "unwarmed": {f"{urls}unwarmed"},
    }
    assert f"--function-name {STACK}-WarmerFunction " in text


def test_the_lines_the_alarms_look_for_are_written() -> None:
    """The filter patterns are messages of the log."""
    log = (ROOT / "handler/prompt_cache_warmer/adapters/json_log.py").read_text().replace("%s", Outcome.FAILED.value)
    text = " ".join(alarm.description for alarm in alarms(watched()).values())
    patterns = set(re.findall(r"--filter-pattern '\"([^\"]+)\"'", text))
    assert patterns == {"entry missed", "entry failed", "target invalid"}
    assert all(f'"{pattern}"' in log for pattern in patterns)


def test_the_parameters_are_described_constrained_and_all_filled_in() -> None:
    """Each value that the parent passes on is one the nested stack accepts, and each is passed on."""
    parameters = template("infra/monitoring.yaml")["Parameters"]
    parent = deployed(**WATCHED)
    made = ("FailuresQueue.QueueName", "UnwarmedQueue.QueueName", "WarmerFunction")
    names = {one: f"warmer-{one.partition('.')[0]}-AbC" for one in made}
    given = ResolvedStack(STACK, parent.template, parent.given, {**parent.attributes, **names}).resources()[
        "Monitoring"
    ]
    assert set(given["Parameters"]) == set(parameters)
    for name, parameter in parameters.items():
        value = given["Parameters"][name]
        assert parameter["Description"].endswith("."), name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name
        assert ("AllowedPattern" in parameter) <= ("ConstraintDescription" in parameter), name
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], value), name
        assert value in map(str, parameter.get("AllowedValues", [value])), name


def test_what_the_parent_accepts_the_nested_stack_accepts() -> None:
    """The questions stand in template.yaml; the nested stack never refuses what was answered there."""
    parent, nested = (template(name)["Parameters"] for name in ("template.yaml", "infra/monitoring.yaml"))
    same = ("AlarmEmail", "AlarmTopicArn", "MinHitRatioPercent", "StoppedAfterMinutes", "Dashboard", "ScheduleState")
    limits = ("Type", "AllowedPattern", "AllowedValues", "MinValue", "MaxValue")
    for name in same:
        assert {one: parent[name].get(one) for one in limits} == {one: nested[name].get(one) for one in limits}, name
    assert parent["Timeout"]["AllowedValues"] == nested["TimeoutSeconds"]["AllowedValues"]
    assert parent["MetricsNamespace"]["AllowedPattern"] == nested["Namespace"]["AllowedPattern"]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        (
            "AlarmTopicArn",
            ["", TOPIC_ARN, "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a_b"],
            ["on-call", f"{TOPIC_ARN}.fifo"],
        ),
        ("MinHitRatioPercent", ["", "1", "90", "100"], ["0", "101", "0.9", "90 %", "-1"]),
        ("AlarmEmail", ["", "a@example.com"], ["me"]),
    ],
    ids=["topic", "ratio", "mail"],
)
def test_what_could_never_work_is_refused_before_it_is_deployed(
    name: str, accepted: list[str], refused: list[str]
) -> None:
    """By the pattern of the parameter; nothing at all is what one begins with."""
    parameter = template("template.yaml")["Parameters"][name]
    pattern = re.compile(parameter["AllowedPattern"])
    assert parameter["Default"] == ""
    assert [one for one in accepted if not pattern.search(one)] == []
    assert [one for one in refused if pattern.search(one)] == []


def test_the_nested_stack_is_plain_cloudformation_in_its_own_file() -> None:
    """Without a macro, so that its deployment needs no further consent, and without YAML aliases, which AWS refuses."""
    text = (ROOT / "infra/monitoring.yaml").read_text()
    assert "Transform" not in template("infra/monitoring.yaml")
    assert not re.search(r"(^|\s)[&*][a-z]+\b", text)
    resource = template("template.yaml")["Resources"]["Monitoring"]
    assert (resource["Type"], resource["Properties"]["TemplateURL"]) == (
        "AWS::CloudFormation::Stack",
        "infra/monitoring.yaml",
    )
    assert resource["DependsOn"] == "WarmerFunctionTick"


def test_everything_that_can_be_is_tagged_and_named_after_its_stack() -> None:
    """What costs money can be found, and two stacks fit into one account."""
    tag = {"Key": "service", "Value": "prompt-cache-warmer"}
    for name, one in watched().resources().items():
        assert tag in one.get("Tags", []) or name == "ServiceDashboard", name
        assert str(one.get("AlarmName", one.get("DashboardName", STACK))).startswith(STACK)


def test_every_alarm_says_beside_its_timing_why() -> None:
    """A comment stands in front of, or behind, each number of evaluation periods."""
    for block in (ROOT / "infra/monitoring.yaml").read_text().split("Type: AWS::CloudWatch::Alarm")[1:]:
        watched_so = "Expression:" if "Expression:" in block else "Statistic:"
        timing = block.partition(watched_so)[2].partition("Threshold:")[0]
        assert "EvaluationPeriods:" in timing
        assert "#" in timing, block[:200]


PLANTED = [
    ("Namespace: AWS/SQS", "Namespace: AWS/SSQ", "AWS/SSQ ApproximateNumberOfMessagesVisible is not one of"),
    ("MessagesVisible", "MessagesVisble", "ApproximateNumberOfMessagesVisble is not one of"),
    (
        "Name: QueueName,",
        "Name: Queue,",
        "['Queue']: ApproximateNumberOfMessagesVisible is published under ['QueueName']",
    ),
    ("MetricName: Duration", "MetricName: Durations", "AWS/Lambda Durations is not one of"),
    ("TreatMissingData: breaching", "TreatMissingData: breaks", "'breaks' is not one of"),
    ("!Ref AlarmTopicArn,", "!Ref AlarmTopicAn,", "'AlarmTopicAn' is not one of"),
    ("!GetAtt ColdAlarm.Arn", "!GetAtt ColdAlarm.An", "'An' is not one of"),
    ("Statistic: SampleCount", "Statistic: SampleCounts", "'SampleCounts' is not one of"),
]


@pytest.mark.parametrize(("written", "instead", "said"), PLANTED, ids=[instead for _, instead, _ in PLANTED])
def test_a_planted_error_is_caught_by_the_linter(tmp_path: Path, written: str, instead: str, said: str) -> None:
    """What stands there, or what is allowed."""
    text = (ROOT / "infra/monitoring.yaml").read_text()
    assert written in text
    copy = tmp_path / "monitoring.yaml"
    copy.write_text(text.replace(written, instead))
    assert said in "\n".join(problem.message for problem in lint(copy))


def test_the_template_is_clean() -> None:
    """cfn-lint and the own checks find nothing."""
    assert lint(ROOT / "infra/monitoring.yaml") == []


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"Fn::Base64": "x"}, "Fn::Base64 is not known here"),
        ({"Ref": "Nobody"}, "'Nobody' is neither a parameter nor a resource"),
        ({"Fn::If": ["Never", 1, 2]}, "there is no condition 'Never'"),
    ],
    ids=["function", "name", "condition"],
)
def test_a_template_that_is_not_understood_is_an_error(node: Any, said: str) -> None:
    """Rather than a value that is wrong."""
    with pytest.raises(TemplateValueError, match=re.escape(said)):
        deployed().resolved(node)


def test_references_become_what_a_deployment_would_give() -> None:
    """Each function of the templates, with its parameters chosen."""
    stack = deployed(TickMinutes="2")
    assert stack.resolved({"Fn::FindInMap": ["HalfTick", {"Ref": "TickMinutes"}, "Seconds"]}) == 60
    assert (
        stack.resolved({"Fn::Sub": ["${A}-${AWS::Region}", {"A": {"Ref": "AWS::StackName"}}]})
        == f"{STACK}-eu-central-1"
    )
    assert stack.resolved([{"Ref": "AWS::NoValue"}, 1]) == [1]
    assert stack.resolved({"a": {"Ref": "AWS::NoValue"}, "b": {"Fn::Join": ["+", ["x", "y"]]}}) == {"b": "x+y"}
    assert stack.resolved({"Fn::GetAtt": ["StateTable", "Arn"]}).endswith(f":{STACK}-StateTable")
