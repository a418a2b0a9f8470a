"""``doctor``: each check is made red by its real cause, and none hides another."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.local.cloud import API_KEY, SECRET, WORKSPACE
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.rules.checkup import CheckState, Finding, green, not_asked
from prompt_cache_warmer.wiring.checkup import account
from prompt_cache_warmer.wiring.checkup.asking import all_found, answered
from prompt_cache_warmer.wiring.checkup.keys import check_secret
from prompt_cache_warmer.wiring.checkup.parts import check_bucket, check_function, check_table
from tests.checked import checked
from tests.fakes import FakeClock, document
from tests.local_stack import BUCKET, FUNCTION, STACK, STATE_TABLE, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [
    *("identity", "clock", "versions", "function", "schedule", "bucket", "object-versions", "bucket-tls"),
    *("table", "table-ttl", "targets", "minimums", "caps", "ticks", "pause", "stopped", "breakers", "budget"),
    *("secret", "api-clock", "credential default"),
]
NOWHERE = "there is no stack 'nowhere' in us-east-1 of this account: aws cloudformation list-stacks"
# Moto would deny everything, if there were one: see LocalStack.
NOT_TLS = "the bucket's policy does not refuse everybody plain HTTP, for the bucket and all in it"


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalStack]:
    """Return a deployed stack for all tests."""
    with LocalStack() as shop:
        yield shop


@pytest.fixture
def stack(deployed: LocalStack) -> LocalStack:
    """Return the deployed stack, with one target that is called by the machine's clock."""
    deployed.empty()
    deployed.clock = SystemClock()
    deployed.put("targets/support.json", document("support"))
    return deployed


def test_a_deployment_that_is_well_has_every_check_green_but_what_the_local_cloud_lacks(stack: LocalStack) -> None:
    """After one real tick; the checks stand in one order."""
    from infra.local.function import InProcessFunction  # noqa: PLC0415 - only here

    assert stack.tick(InProcessFunction(stack.environment()), "one")["totals"]["written"] == 1
    code, found = checked(stack)
    assert list(found) == CHECKS
    assert {name: check["state"] for name, check in found.items() if check["state"] != "green"} == {"bucket-tls": "red"}
    assert (code, found["bucket-tls"]["sentence"]) == (1, NOT_TLS)
    assert found["identity"]["sentence"].endswith("in account 123456789012, region us-east-1")
    assert WORKSPACE in found["credential default"]["sentence"]
    assert found["ticks"]["sentence"].startswith("the last warm call was ")
    assert API_KEY not in json.dumps(found)


def test_a_person_reads_a_line_for_each_and_the_fix_below(stack: LocalStack) -> None:
    """Colours on a terminal only; what was not asked for one reason shares a line."""
    result = stack.run("doctor", "--stack", "nowhere")
    lines = result.stdout.splitlines()
    assert result.exit_code == 2
    assert lines[3:5] == [
        f"red       deployment: {NOWHERE}",
        "  -> aws cloudformation describe-stacks --query 'Stacks[].StackName'",
    ]
    assert lines[5].startswith(
        "not asked bucket, table, function, schedule, uploads, workers, secret, api-clock, targets, "
    )
    assert lines[5].endswith(": the deployment's settings could not be read")
    assert lines[6:] == ["3 green, 1 red, 0 noted, 17 not asked"]


RED = [
    ("object-versions", "the bucket keeps no versions", "aws s3api put-bucket-versioning --bucket "),
    ("table-ttl", "nothing expires", "aws dynamodb update-time-to-live --table-name "),
    ("schedule", "the schedule is off", "sam deploy --parameter-overrides ScheduleState=ENABLED"),
    (
        "targets",
        "1 document is no valid target: targets/broken.json",
        "prompt-cache-warmer check --explain not-allowed",
    ),
    ("minimums", "too short to be cached: targets/short.json: about", "make the prefix longer, or set enabled: false"),
    ("caps", "never called, whatever was spent: support: the call may cost more", f"raise the cap in s3://{BUCKET}/"),
    (
        "ticks",
        "no warm call is remembered, and something has been due for 1h",
        "aws logs tail /aws/lambda/shop --since 1h",
    ),
    ("secret", f"secret {SECRET!r} ", f"aws secretsmanager put-secret-value --secret-id {SECRET} --secret-string "),
    ("credential default", "", ""),
]


class Behind(SystemClock):
    """What is put by it was put an hour ago."""

    def now(self) -> datetime:
        """Return the time of an hour ago."""
        return super().now() - timedelta(hours=1, minutes=1)


def spoil(stack: LocalStack, check: str) -> None:
    """Bring a check's real cause about."""
    aws, scheduler = stack.aws, stack.aws.client("scheduler")
    if check == "object-versions":
        aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    elif check == "table-ttl":
        aws.dynamodb.update_time_to_live(
            TableName=STATE_TABLE, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
        )
    elif check == "schedule":
        found = scheduler.get_schedule(Name="tick")
        kept = {name: found[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
        scheduler.update_schedule(**kept, State="DISABLED")
    elif check == "targets":
        stack.put("targets/broken.json", {"name": "broken", "models": ["m"], "keep": "allways", "system_prompt": "x"})
    elif check == "minimums":
        stack.put("targets/short.json", document("short", request=None, system_prompt="You are a bot."))
    elif check == "caps":
        stack.put("targets/support.json", document("support", max_usd_per_call="0.000001"))
    elif check == "ticks":
        stack.clock = Behind()
        stack.put("targets/support.json", document("support"))
        stack.clock = SystemClock()
    elif check == "secret":
        aws.secrets.put_secret_value(SecretId=SECRET, SecretString='{"default": 7}')
    elif check == "credential default":
        aws.secrets.put_secret_value(SecretId=SECRET, SecretString="sk-ant-another-key")


def mend(stack: LocalStack, check: str) -> None:
    """Take the cause back, where it is not in the bucket or the table."""
    if check == "object-versions":
        stack.aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    elif check == "schedule":
        scheduler = stack.aws.client("scheduler")
        found = scheduler.get_schedule(Name="tick")
        kept = {name: found[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
        scheduler.update_schedule(**kept, State="ENABLED")
    elif check in ("secret", "credential default"):
        stack.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=API_KEY)


@pytest.mark.parametrize(("check", "sentence", "fix"), RED, ids=[row[0] for row in RED])
def test_a_check_is_red_by_its_cause_and_says_what_to_type(
    stack: LocalStack, check: str, sentence: str, fix: str
) -> None:
    """And green again without it."""
    assert checked(stack)[1][check]["state"] == "green"
    spoil(stack, check)
    code, found = checked(stack)
    mend(stack, check)
    assert (code, found[check]["state"]) == (1, "red")
    assert found[check]["sentence"].startswith(sentence)
    assert found[check]["fix"].startswith(fix)
    assert "sk-ant" not in json.dumps(found)


def test_a_target_nobody_has_yet_is_red_and_what_needs_one_is_not_asked(stack: LocalStack) -> None:
    """With the command that uploads the first."""
    stack.aws.s3.delete_object(Bucket=BUCKET, Key="targets/support.json")
    _, found = checked(stack)
    assert found["targets"]["fix"] == f"aws s3 cp my-target.json s3://{BUCKET}/targets/"
    assert [found[check]["state"] for check in ("minimums", "caps", "ticks")] == ["not asked"] * 3


def test_without_a_table_what_it_would_tell_is_not_asked_and_the_rest_is(stack: LocalStack) -> None:
    """One check that is red hides no other."""
    stack.aws.dynamodb.delete_table(TableName=STATE_TABLE)
    code, found = checked(stack)
    assert (code, found["table"]["sentence"]) == (1, f"there is no table {STATE_TABLE!r} in this region")
    assert [found[check]["state"] for check in ("table-ttl", "targets", "ticks")] == ["not asked"] * 3
    assert [found[check]["state"] for check in ("bucket", "schedule", "credential default")] == ["green"] * 3


def test_another_table_is_not_taken_for_the_state(stack: LocalStack) -> None:
    """Its key is another."""
    stack.aws.dynamodb.create_table(
        TableName="orders",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    _, found = checked(stack, "--stack", STACK, "--table", "orders")
    stack.aws.dynamodb.delete_table(TableName="orders")
    assert found["table"]["sentence"] == "table 'orders' has the key id, and pk is needed"


def test_a_bucket_that_is_gone(stack: LocalStack) -> None:
    """What could be asked of it is not asked."""
    code, found = checked(stack, "--stack", STACK, "--bucket", "nowhere-else")
    assert (code, found["bucket"]["sentence"]) == (1, "there is no bucket 'nowhere-else'")
    assert [found[check]["state"] for check in ("object-versions", "bucket-tls", "targets")] == ["not asked"] * 3


def test_a_schedule_that_is_gone(stack: LocalStack) -> None:
    """Another function's schedule is not taken for it."""
    scheduler = stack.aws.client("scheduler")
    found = scheduler.get_schedule(Name="tick")
    kept = {name: found[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    other = {**kept, "Target": {**found["Target"], "Arn": found["Target"]["Arn"] + "-2"}}
    scheduler.update_schedule(**other)
    _, checks = checked(stack)
    scheduler.update_schedule(**kept)
    assert checks["schedule"]["sentence"] == f"no schedule invokes {FUNCTION}: nothing is called by itself"


def test_with_bucket_and_table_alone_the_functions_parts_are_not_asked(stack: LocalStack) -> None:
    """Which key is used, only the function says."""
    _, found = checked(stack, "--bucket", BUCKET, "--table", STATE_TABLE)
    assert "function" not in found
    assert found["credential"]["state"] == "not asked"
    assert found["table"]["state"] == "green"


@pytest.mark.parametrize(
    ("environment", "sentence", "fix"),
    [
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "AWS cannot be reached: EndpointConnectionError",
            "check the netw",
        ),
        (
            {"AWS_DEFAULT_REGION": None, "AWS_REGION": None},
            "nothing says which AWS region is meant",
            "set AWS_DEFAULT_",
        ),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_EC2_METADATA_DISABLED": "true"},
            "AWS does not know who asks: NoCredentialsError",
            "log in (aws sso login, or aws configure) or set AWS_PROFILE",
        ),
    ],
    ids=["no network", "no region", "no credentials"],
)
def test_when_aws_does_not_know_who_asks_the_exit_code_is_2(
    stack: LocalStack, environment: dict[str, str | None], sentence: str, fix: str
) -> None:
    """What needs AWS is not asked; what does not is told all the same."""
    code, found = checked(stack, **environment)
    assert (code, found["identity"]["state"], found["identity"]["sentence"]) == (2, "red", sentence)
    assert found["identity"]["fix"].startswith(fix)
    assert found["deployment"]["state"] == "red"
    assert found["versions"]["state"] == "green"


def test_a_clock_that_is_wrong_is_said_with_its_way(stack: LocalStack) -> None:
    """Against AWS's own date and the API's."""

    class Fast(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(minutes=5)

    class Slow(SystemClock):
        def now(self) -> datetime:
            return super().now() - timedelta(seconds=62)

    stack.clock = Fast()
    _, found = checked(stack)
    assert [found[check]["state"] for check in ("clock", "api-clock")] == ["red", "red"]
    assert found["clock"]["sentence"].endswith(" s ahead of that of AWS")
    stack.clock = Slow()
    assert checked(stack)[1]["clock"]["sentence"].endswith(" s behind that of AWS")


def test_an_api_nobody_can_reach_from_here_is_no_fault_of_the_deployment() -> None:
    """Its clock is not asked; nor is that of one that sends no date."""
    (found,) = account.check_api_clock("http://127.0.0.1:9", SystemClock())
    assert (found.state, found.sentence) == (
        CheckState.NOT_ASKED,
        "the Messages API cannot be reached from here: ConnectionRefusedError",
    )


class Dated(BaseHTTPRequestHandler):
    """An API that answers anybody, with or without a date."""

    date: str | None = "Sun, 22 Nov 2026 12:00:00 GMT"

    def do_HEAD(self) -> None:
        """Answer."""
        self.send_response_only(200)
        if self.date is not None:
            self.send_header("Date", self.date)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("date", "state", "said"),
    [
        ("Sun, 22 Nov 2026 12:00:59 GMT", CheckState.GREEN, "this machine's clock is within 60 s of that of the Mess"),
        (
            "Sun, 22 Nov 2026 12:01:01 GMT",
            CheckState.RED,
            "this machine's clock is 61 s behind that of the Messages API",
        ),
        (
            "Sun, 22 Nov 2026 11:58:59 GMT",
            CheckState.RED,
            "this machine's clock is 61 s ahead of that of the Messages API",
        ),
        (None, CheckState.NOT_ASKED, "the Messages API sent no date"),
    ],
    ids=["near", "behind", "ahead", "no date"],
)
def test_the_apis_clock_is_its_own_date(date: str | None, state: CheckState, said: str) -> None:
    """Up to a minute is no matter."""
    handler = type("Handler", (Dated,), {"date": date})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        (found,) = account.check_api_clock(f"http://127.0.0.1:{server.server_port}/", FakeClock())
    assert (found.state, found.sentence[: len(said)]) == (state, said)


def test_versions_that_are_too_old_are_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pyproject.toml asks for them."""
    (well,) = account.check_versions()
    assert (well.state, well.sentence.startswith("Python 3.")) == (CheckState.GREEN, True)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "2.11.9")
    (old,) = account.check_versions()
    assert (old.state, old.sentence.endswith(": too old: anthropic")) == (CheckState.RED, True)
    assert old.fix == "install again from a clone of prompt-cache-warmer: pip install '.[aws,cli]'"


@pytest.mark.parametrize("word", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])
def test_what_the_operator_may_not_read_is_not_asked(word: str) -> None:
    """It says nothing of the deployment."""

    def refused() -> Finding:
        raise ClientError({"Error": {"Code": word}}, "GetBucketPolicy")

    found = answered("bucket-tls", "s3:GetBucketPolicy", refused)
    assert found == not_asked("bucket-tls", f"your own AWS identity may not s3:GetBucketPolicy ({word})")


def test_what_got_no_answer_is_not_asked() -> None:
    """Whose fault that is, nobody knows."""

    def unanswered() -> Finding:
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1:9")

    found = answered("table", "dynamodb:DescribeTable", unanswered)
    assert found == not_asked("table", "AWS gave no answer to dynamodb:DescribeTable: ReadTimeoutError")


class Denied:
    """A client that may nothing."""

    def __getattr__(self, name: str) -> Any:
        def refused(**_: object) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, name)

        return refused


def test_a_bucket_and_a_table_nobody_may_look_at_are_not_asked() -> None:
    """Each check by itself: what one may read is told all the same."""
    found = [*check_bucket(BUCKET, "targets/", client=Denied()), *check_table("t-t", client=Denied())]
    assert [(one.check, one.state) for one in found] == [
        (check, CheckState.NOT_ASKED) for check in ("bucket", "object-versions", "bucket-tls", "table", "table-ttl")
    ]


def test_a_function_without_a_secret_has_none_to_check() -> None:
    """It has its keys from elsewhere, and each credential is proven all the same."""
    assert check_secret(None) == [not_asked("secret", "the function has no secret of Secrets Manager")]


def test_a_policy_that_refuses_plain_http_is_green(stack: LocalStack) -> None:
    """Read from S3; moto denies everything once it stands."""
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": condition}
    stack.aws.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Statement": [statement]}))
    _, found = checked(stack)
    stack.aws.s3.delete_bucket_policy(Bucket=BUCKET)
    assert found["bucket-tls"]["state"] == "green"


def test_another_refusal_is_red() -> None:
    """By AWS's own word."""

    def refused() -> Finding:
        raise ClientError({"Error": {"Code": "InvalidRequest"}}, "GetBucketPolicy")

    found = answered("bucket-tls", "s3:GetBucketPolicy", refused)
    assert (found.state, found.sentence) == (CheckState.RED, "AWS refused s3:GetBucketPolicy: InvalidRequest")


async def test_a_check_that_hangs_or_fails_hides_no_other() -> None:
    """Each is bounded by itself; what hangs is left behind."""

    def hang() -> list[Finding]:
        time.sleep(5)
        return []

    def fail() -> list[Finding]:
        raise KeyError("canary")

    started = time.monotonic()
    found = await all_found({"slow": hang, "broken": fail, "good": lambda: [green("good", "well")]}, bound_seconds=0.2)
    assert time.monotonic() - started < 4
    assert [(one.check, one.state, one.sentence) for one in found] == [
        ("slow", CheckState.RED, "no answer within 0.2 seconds"),
        ("broken", CheckState.RED, "the check itself failed: KeyError"),
        ("good", CheckState.GREEN, "well"),
    ]


class Lambda:
    """A Lambda client whose function is in a state moto never shows."""

    def __init__(self, **facts: str) -> None:
        self._facts = facts

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, str]:  # noqa: N803 - boto3's own
        """Describe it."""
        return {"FunctionName": FunctionName, "Runtime": "python3.13", **self._facts}


@pytest.mark.parametrize(
    ("facts", "state", "sentence"),
    [
        ({}, "green", "f is active on python3.13, its last update successful"),
        ({"State": "Inactive", "StateReasonCode": "Idle"}, "red", "f is Inactive: Idle"),
        ({"State": "Failed"}, "red", "f is Failed: no reason given"),
        ({"LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "X"}, "red", "the last update of f failed: X"),
        ({"LastUpdateStatus": "InProgress"}, "green", "f is active on python3.13, its last update inprogress"),
    ],
    ids=["well", "inactive", "failed", "update failed", "updating"],
)
def test_a_function_that_cannot_run(facts: dict[str, str], state: str, sentence: str) -> None:
    """By Lambda's own words."""
    (found,) = check_function("f", client=Lambda(**facts))
    assert (found.state.value, found.sentence) == (state, sentence)


def test_a_table_that_is_being_made(stack: LocalStack) -> None:
    """It is waited for."""

    class Tables:
        def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803 - boto3's own
            keys = [{"AttributeName": "pk", "KeyType": "HASH"}]
            return {"Table": {"TableName": TableName, "TableStatus": "CREATING", "KeySchema": keys}}

    found = check_table("t-t", client=Tables())
    assert (found[0].sentence, found[0].fix) == (
        "table 't-t' is CREATING",
        "aws dynamodb wait table-exists --table-name t-t",
    )
    assert [one.state for one in check_bucket(BUCKET, "targets/", client=stack.aws.s3)][:2] == [CheckState.GREEN] * 2


@pytest.mark.parametrize("options", [[], ["--bucket", BUCKET]], ids=["nothing", "half"])
def test_without_a_deployment_it_is_said_how_to_name_one(stack: LocalStack, options: list[str]) -> None:
    """A wrong call."""
    result = stack.run("doctor", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: which stack? Say --stack NAME or set WARMER_STACK; ")
