"""What can go wrong, end to end: the exact verdict, log line, metric and report of each."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import API_KEY, BUCKET, LocalCloud
from infra.local.function import InProcessFunction
from infra.local.messages_api import Fault
from prompt_cache_warmer.errors import EventError, SecretUnreadableError, SettingsError, TargetsUnreadableError
from tests.canaries import CANARY
from tests.fakes import MODEL, document

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tick:
    """One tick of the real handler over real HTTP, and everything it left behind."""

    def __init__(self, cloud: LocalCloud, function: InProcessFunction) -> None:
        self._cloud = cloud
        self._since = datetime.now(UTC) - timedelta(seconds=1)
        self.answer = cloud.tick(function, "exec-1")
        self.lines = log_lines(function.output())

    @property
    def totals(self) -> dict[str, Any]:
        """The report's totals."""
        found: dict[str, Any] = self.answer["totals"]
        return found

    def line(self, message: str) -> dict[str, Any]:
        """Return the one log line with a message."""
        (found,) = [line for line in self.lines if line["message"] == message]
        return found

    def metric(self, name: str, **dimensions: str) -> float | None:
        """Read a metric back from CloudWatch."""
        return self._cloud.metric_sum(name, self._since, **dimensions)


def log_lines(output: str) -> list[dict[str, Any]]:
    """Pick the JSON log lines out of a function's output."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" not in line]


def tick(cloud: LocalCloud, settings: Mapping[str, str] | None = None, *, timeout_seconds: float = 110) -> Tick:
    """Run one tick."""
    return Tick(cloud, InProcessFunction(cloud.environment(**(settings or {})), timeout_seconds=timeout_seconds))


def test_an_invalid_document_is_in_report_log_and_metric_and_the_others_are_warmed(cloud: LocalCloud) -> None:
    """Key, path, value and what is allowed stand in all three places an operator looks."""
    cloud.put("targets/bad.json", document("bad", keep="allways"))
    cloud.put("targets/good.json", document("good"))
    seen = tick(cloud)
    message = "keep='allways' is not allowed; allowed: 'always', 'while-used' or 'once'; did you mean 'always'?"
    assert seen.answer["problems"] == [
        {
            "severity": "error",
            "code": "not-allowed",
            "source": "targets/bad.json",
            "path": "$.keep",
            "message": message,
        }
    ]
    line = seen.line("target invalid")
    assert (line["level"], line["source"], line["path"], line["code"], line["problem"]) == (
        "ERROR",
        "targets/bad.json",
        "$.keep",
        "not-allowed",
        message,
    )
    assert (seen.metric("TargetsInvalid"), seen.metric("TargetsLoaded"), seen.metric("EntriesWritten")) == (1, 1, 1)
    assert [entry["verdict"] for entry in seen.answer["entries"]] == ["written"]


@pytest.mark.parametrize(
    ("fault", "settings", "code", "attempts", "reason"),
    [
        pytest.param(
            Fault(kind="status", status=529, times=None, message="Overloaded"),
            {},
            "overloaded",
            2,
            "529 overloaded_error: Overloaded",
            id="529",
        ),
        pytest.param(
            Fault(kind="status", status=401, times=None, message="invalid x-api-key"),
            {},
            "credential",
            1,
            "401 authentication_error: invalid x-api-key",
            id="401",
        ),
        pytest.param(
            Fault(kind="delay", seconds=3, times=None),
            {"REQUEST_TIMEOUT_SECONDS": "1"},
            "timeout",
            1,
            "no answer within 1 s",
            id="timeout",
        ),
        pytest.param(
            Fault(
                kind="status",
                status=429,
                times=None,
                error_code="enforced_spend_limit_reached",
                message="Monthly limit reached",
            ),
            {},
            "spend-limit",
            1,
            "429 rate_limit_error (enforced_spend_limit_reached): Monthly limit reached",
            id="spend limit",
        ),
    ],
)
def test_a_failed_call_is_in_report_log_and_metric(
    cloud: LocalCloud, fault: Fault, settings: Mapping[str, str], code: str, attempts: int, reason: str
) -> None:
    """The verdict is failed, with its code, reason, attempts and advice; the invocation itself succeeds."""
    cloud.put("targets/a.json", document("a"))
    cloud.api.faults.add(fault)
    seen = tick(cloud, settings)
    (entry,) = seen.answer["entries"]
    assert (entry["outcome"], entry["verdict"], entry["code"], entry["attempts"], entry["reason"]) == (
        "failed",
        "failed",
        code,
        attempts,
        reason,
    )
    assert entry["advice"]
    assert "cost_usd" not in entry
    line = seen.line("entry failed")
    assert (line["level"], line["target"], line["model"], line["code"], line["reason"]) == (
        "ERROR",
        "a",
        MODEL,
        code,
        reason,
    )
    assert (seen.metric("EntriesFailed"), seen.metric("EntriesWarmed"), seen.metric("WarmCostUSD")) == (1, 0, 0)
    assert seen.metric("EntriesFailed", Target="a") == 1
    assert (seen.totals["failed"], seen.totals["cost_usd"]) == (1, "0")


def test_a_lost_connection_heals_with_the_one_retry(cloud: LocalCloud) -> None:
    """The first request is dropped, the second writes: two attempts, no failure."""
    cloud.put("targets/a.json", document("a"))
    cloud.api.faults.add(Fault(kind="drop"))
    seen = tick(cloud)
    (entry,) = seen.answer["entries"]
    assert (entry["verdict"], entry["attempts"]) == ("written", 2)


def test_a_deadline_defers_what_does_not_fit(cloud: LocalCloud) -> None:
    """With 30 s left and a timeout of 60 s nothing is called; the next tick takes it up."""
    cloud.put("targets/a.json", document("a"))
    seen = tick(cloud, timeout_seconds=30)
    (entry,) = seen.answer["entries"]
    assert (entry["outcome"], entry["code"], "verdict" in entry) == ("deferred", "deadline", False)
    assert "a call needs REQUEST_TIMEOUT_SECONDS (60 s) and 5 s to finish the run" in entry["reason"]
    line = seen.line("entry deferred")
    assert (line["level"], line["code"], line["target"]) == ("WARNING", "deadline", "a")
    assert (seen.metric("EntriesDeferred"), seen.metric("EntriesDue"), seen.metric("EntriesFailed")) == (1, 1, 0)
    assert cloud.api.requests == ()


def failure(cloud: LocalCloud, **settings: str) -> tuple[Exception, str]:
    """Run a tick that fails as a whole; return the error and the output."""
    function = InProcessFunction(cloud.environment(**settings))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks at the type
        cloud.tick(function, "exec-1")
    assert cloud.api.requests == ()
    return caught.value, function.output()


def test_a_dead_s3_fails_the_invocation(cloud: LocalCloud) -> None:
    """Nothing can be known, so Lambda's own Errors metric counts it and the schedule's alarm can tell."""
    error, output = failure(cloud, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert isinstance(error, TargetsUnreadableError)
    said = rf"bucket '{BUCKET}' could not be listed under '(targets|prompts)/': EndpointConnectionError"
    assert re.match(said, str(error))
    assert "TargetsUnreadableError" in output


def test_a_missing_secret_fails_the_invocation(cloud: LocalCloud) -> None:
    """No credential at all: the run as a whole could not happen."""
    cloud.put("targets/a.json", document("a"))
    error, _ = failure(cloud, ANTHROPIC_SECRET_ID="nobody")
    assert isinstance(error, SecretUnreadableError)
    assert "secret 'nobody' could not be read: ResourceNotFoundException" in str(error)


def test_a_wrong_environment_fails_the_invocation_with_every_problem(cloud: LocalCloud) -> None:
    """All variables that are wrong are named at once."""
    error, _ = failure(cloud, TARGETS_BUCKET="", MAX_CONCURRENCY="many", METRIC_DETAIL="all")
    assert isinstance(error, SettingsError)
    assert [problem.split("=")[0].split(" ")[0] for problem in error.problems] == [
        "TARGETS_BUCKET",
        "MAX_CONCURRENCY",
        "METRIC_DETAIL",
    ]


def test_an_event_with_a_misspelt_field_spends_nothing(cloud: LocalCloud) -> None:
    """dry-run instead of dry_run must not make real calls."""
    cloud.put("targets/a.json", document("a"))
    function = InProcessFunction(cloud.environment())
    with pytest.raises(EventError, match="unknown field 'dry-run'; did you mean 'dry_run'"):
        function.invoke({"dry-run": True})
    assert cloud.api.requests == ()


def test_a_key_in_the_environment_serves_instead_of_the_secret(cloud: LocalCloud) -> None:
    """On one's own machine no secret is needed, and none is read."""
    cloud.put("targets/a.json", document("a"))
    environment = cloud.environment(ANTHROPIC_SECRET_ID="", ANTHROPIC_API_KEY=API_KEY)
    assert InProcessFunction(environment).invoke({})["totals"]["written"] == 1


def test_a_dry_run_of_a_selection_calls_nothing(cloud: LocalCloud) -> None:
    """A direct invocation may name targets and ask for the plan only."""
    cloud.put("targets/a.json", document("a"))
    cloud.put("targets/b.json", document("b"))
    answer = InProcessFunction(cloud.environment()).invoke({"targets": ["b"], "dry_run": True})
    assert [(entry["target"], entry["outcome"]) for entry in answer["entries"]] == [("b", "planned")]
    assert cloud.api.requests == ()
    assert InProcessFunction(cloud.environment()).invoke({"targets": ["b"]})["totals"]["written"] == 1


def test_nothing_planted_is_in_the_output_of_any_run(cloud: LocalCloud) -> None:
    """Prompts, keys and bodies are in no log line, metric, report or trace, even at LOG_LEVEL=DEBUG."""
    canary = CANARY
    prompt = f"You know the {canary}-prompt. " * 1000
    good = {"system": [{"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}]}
    cloud.put("targets/good.json", document("good", request=good))
    cloud.put("targets/refused.json", document("refused", models=["claude-opus-4-8"], request=good))
    cloud.put("targets/bad.json", document("bad", request={**good, "tools": [{"cache_control": f"{canary}-tool"}]}))
    cloud.put("targets/blank.json", document("blank", system_prompt=f"{canary}-short", request=good))
    cloud.put("targets/syntax.json", f'{{"name": "{canary}-syntax')
    cloud.put("prompts/p.md", f"{canary}-referred")
    key = f"sk-ant-{canary}-key"
    cloud.aws.secrets.put_secret_value(SecretId="prompt-cache-warmer/anthropic", SecretString=key)
    cloud.api.api_keys = {key: "w"}
    cloud.api.faults.add(
        Fault(kind="status", status=400, model="claude-opus-4-8", message=f"bad text: {prompt[:50]}", times=None)
    )
    function = InProcessFunction(cloud.environment(LOG_LEVEL="DEBUG"))
    answers = [cloud.tick(function, f"exec-{number}") for number in range(2)]
    cloud.api.faults.add(Fault(kind="garbage", times=None))
    answers.append(cloud.tick(function, "exec-garbage"))
    assert [answer["totals"]["failed"] for answer in answers] == [1, 0, 1]  # what is refused is left alone then
    assert answers[0]["totals"]["written"] == 1
    assert answers[0]["totals"]["targets_invalid"] == 3
    assert canary not in function.output()
    assert canary not in json.dumps(answers)
