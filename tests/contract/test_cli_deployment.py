"""``--stack``: one name for everything a stack made, read over CloudFormation and Lambda as its operator's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.deployed_stack import DeployedStack, function_environment, read_stack
from prompt_cache_warmer.errors import RunError
from tests.fakes import EPOCH, document
from tests.lambda_endpoint import FakeLambda
from tests.local_stack import BUCKET, FUNCTION, NAMESPACE, STACK, STATE_TABLE, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOUCH = ("touch", "support", "--model", "m")
WHICH = "which stack? Say --stack NAME or set WARMER_STACK; or say --table NAME or set STATE_TABLE, "


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalStack]:
    """Return a deployed stack; its state is the tests' own matter."""
    with LocalStack() as stack:
        yield stack


def test_a_stack_is_its_three_outputs(deployed: LocalStack) -> None:
    """And nothing else of it is looked at."""
    assert read_stack(deployed.aws.client("cloudformation"), STACK) == DeployedStack(
        STACK, bucket=BUCKET, table=STATE_TABLE, function=FUNCTION
    )
    assert function_environment(deployed.aws.client("lambda"), FUNCTION)["STATE_TABLE"] == STATE_TABLE


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["pause", "--for", "1h", "--reason", "x"], f"All warming by table {STATE_TABLE!r} is paused until"),
        (["resume"], f"in table {STATE_TABLE!r}"),
        (list(TOUCH), "support on m by credential 'default': the request at 2026-11-22T12:00:00Z is"),
    ],
    ids=["pause", "resume", "touch"],
)
def test_one_name_is_enough(deployed: LocalStack, command: list[str], said: str) -> None:
    """As an option and as a variable."""
    for result in (deployed.run(*command, "--stack", STACK), deployed.run(*command, WARMER_STACK=STACK)):
        assert (result.exit_code, result.stderr) == (0, "")
        assert said in result.stdout


@pytest.mark.parametrize(
    ("options", "environment", "asked"),
    [
        ([f"--table={STATE_TABLE}", "--stack=nowhere"], {}, "table"),
        ([f"--table={STATE_TABLE}"], {"WARMER_STACK": "nowhere"}, "table"),
        ([], {"STATE_TABLE": STATE_TABLE, "WARMER_STACK": "nowhere"}, "table"),
        (["--stack=nowhere"], {"STATE_TABLE": STATE_TABLE}, "stack"),
        ([], {"STATE_TABLE": "", "WARMER_STACK": "nowhere"}, "stack"),
        ([], {"WARMER_STACK": ""}, "nothing"),
    ],
    ids=["both typed", "table typed", "both variables", "stack typed", "an empty variable", "nothing"],
)
def test_what_is_typed_beats_a_variable_and_the_tables_own_name_the_stacks(
    deployed: LocalStack, options: list[str], environment: dict[str, str | None], asked: str
) -> None:
    """So that a variable that is set for good never sends a typed command elsewhere."""
    result = deployed.run(*TOUCH, *options, **environment)
    said = {"table": "", "stack": "Error: there is no stack 'nowhere' in us-east-1", "nothing": WHICH}[asked]
    assert result.exit_code == (0 if asked == "table" else 2)
    assert said in result.stderr


def failing(deployed: LocalStack, name: str) -> str:
    """Run a command on a stack that cannot be used; returns the one line it must say, with exit code 2."""
    result = deployed.run(*TOUCH, "--stack", name)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line


def test_a_stack_that_does_not_exist(deployed: LocalStack) -> None:
    """The region that was asked stands in the sentence, because it is what is most often wrong."""
    assert failing(deployed, "shpo") == (
        "Error: there is no stack 'shpo' in us-east-1 of this account: aws cloudformation list-stacks"
    )


def test_a_stack_of_somebody_else(deployed: LocalStack) -> None:
    """It has outputs, and not ours."""
    deployed.create_stack("other", {"FunctionName": "f", "WebsiteUrl": "u"})
    assert failing(deployed, "other") == (
        "Error: stack 'other' is not one of prompt-cache-warmer: it has no output TargetsBucketName, StateTableName"
    )
    deployed.create_stack("bare", {})
    assert failing(deployed, "bare").startswith(
        "Error: stack 'bare' is not one of prompt-cache-warmer: it has no output"
    )


class Described:
    """CloudFormation with one stack in a state moto never shows."""

    def __init__(self, status: str) -> None:
        self._status = status
        self.meta = self
        self.region_name = "eu-central-1"

    def describe_stacks(self, *, StackName: str) -> dict[str, object]:  # noqa: N803 - boto3's own
        """Describe it."""
        return {"Stacks": [{"StackName": StackName, "StackStatus": self._status}]}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("CREATE_IN_PROGRESS", "is still being made (CREATE_IN_PROGRESS): wait for it with aws cloudformation wait "),
        ("REVIEW_IN_PROGRESS", "is still being made (REVIEW_IN_PROGRESS): "),
        ("ROLLBACK_COMPLETE", "has no outputs: it is ROLLBACK_COMPLETE; aws cloudformation describe-stack-events "),
        ("CREATE_FAILED", "has no outputs: it is CREATE_FAILED; "),
        ("DELETE_IN_PROGRESS", "has no outputs: it is DELETE_IN_PROGRESS; "),
    ],
)
def test_a_stack_that_is_not_there_yet_or_never_was(status: str, said: str) -> None:
    """What to wait for, or where to read why."""
    with pytest.raises(RunError, match="stack 'shop' ") as raised:
        read_stack(Described(status), STACK)
    assert str(raised.value).startswith(f"stack 'shop' {said}")


def test_without_the_permission_it_is_named(deployed: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto lets the first calls through and no further."""
    assert monkeypatch is not None
    from botocore.exceptions import ClientError  # noqa: PLC0415 - only here

    class Denied(Described):
        def describe_stacks(self, *, StackName: str) -> dict[str, object]:  # noqa: N803 - boto3's own
            raise ClientError({"Error": {"Code": "AccessDenied"}}, StackName)

        def get_function_configuration(self, *, FunctionName: str) -> dict[str, object]:  # noqa: N803 - boto3's own
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, FunctionName)

    with pytest.raises(RunError, match="AccessDenied; your own AWS identity asks here and needs cloudformation:Descr"):
        read_stack(Denied(""), STACK)
    with pytest.raises(RunError, match=r"AccessDeniedException; .* needs lambda:GetFunctionConfiguration"):
        function_environment(Denied(""), FUNCTION)
    with pytest.raises(RunError, match="there is no function 'nobody' in this region"):
        function_environment(deployed.aws.client("lambda"), "nobody")


@pytest.mark.parametrize("command", [["status"], ["touch", "support", "--model", "m"]], ids=["status", "touch"])
@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "could not be asked: EndpointConnectionError; check the n"),
        (
            {"AWS_DEFAULT_REGION": None, "AWS_REGION": None},
            "cannot be asked: nothing says which region is meant: set AWS_DEFAULT_REGION",
        ),
        ({"AWS_PROFILE": "nobody"}, "cannot be asked: there is no profile 'nobody': aws conf"),
    ],
    ids=["no network", "no region", "no profile"],
)
def test_when_aws_cannot_be_asked_it_is_one_sentence(
    deployed: LocalStack, command: list[str], environment: dict[str, str | None], said: str
) -> None:
    """Exit code 2, whichever command asked."""
    result = deployed.run(*command, "--stack", STACK, **environment)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: stack 'shop' {said}")
    assert len(result.stderr.splitlines()) == 1


def test_a_capture_goes_where_the_stack_keeps_its_targets(deployed: LocalStack, tmp_path: Path) -> None:
    """Its prefixes are the function's, unless they are typed."""
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"model": "claude-sonnet-4-6", **document()["request"]}))
    deployed.reconfigure(TARGETS_PREFIX="prod/")
    own = deployed.run("capture", str(request), "--name=a", "--upload", "--stack", STACK)
    typed = deployed.run("capture", str(request), "--name=b", "--upload", "--stack", STACK, "--targets-prefix=dev/")
    deployed.reconfigure()
    assert (own.exit_code, typed.exit_code) == (0, 0)
    assert own.stdout.startswith(f"target 'a' was written to s3://{BUCKET}/prod/a.json")
    assert typed.stdout.startswith(f"target 'b' was written to s3://{BUCKET}/dev/b.json")
    lost = deployed.run("capture", str(request), "--upload", "--stack", "nowhere")
    assert (lost.exit_code, lost.stdout) == (2, "")


@pytest.mark.parametrize("command", ["warm", "verify"])
def test_the_function_is_named_by_its_stack_too(deployed: LocalStack, command: str) -> None:
    """It is asked under the name that stands in the stack's outputs."""
    with FakeLambda(lambda _: []) as function:
        result = deployed.run(command, "support", "--stack", STACK, AWS_ENDPOINT_URL_LAMBDA=function.address)
    assert result.exit_code == 2
    assert [path for path, _ in function.asked] == [f"/2015-03-31/functions/{FUNCTION}/invocations"]


def test_a_report_takes_the_stacks_name_for_its_metrics(deployed: LocalStack) -> None:
    """The template names the service so."""
    point: Any = {"MetricName": "TargetsLoaded", "Dimensions": [{"Name": "service", "Value": "another"}], "Value": 1.0}
    deployed.aws.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[point | {"Timestamp": EPOCH}])
    result = deployed.run("report", WARMER_STACK=STACK)
    assert result.stdout == ""
    assert result.stderr.startswith(
        "Error: no metrics of service 'shop' in namespace 'PromptCacheWarmer'; there are: another"
    )
