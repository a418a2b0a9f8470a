"""A deployed stack, asked over AWS: what it made, by its outputs, and what its function runs with.

Only read: ``DescribeStacks`` and ``GetFunctionConfiguration``. Whoever may do both types one name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.aws_advice import reason
from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NO_SUCH_STACK = "ValidationError"  # what CloudFormation answers for a name that no stack has
_NO_SUCH_FUNCTION = "ResourceNotFoundException"
_OURS = ("TargetsBucketName", "StateTableName", "FunctionName")
_WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_UNDER_WAY = "_IN_PROGRESS"
_BEING_MADE = ("CREATE_", "REVIEW_")


class StackClient(Protocol):
    """What is used of a boto3 CloudFormation client."""

    @property
    def describe_stacks(self) -> Callable[..., Mapping[str, Any]]:
        """Describe stacks."""

    @property
    def meta(self) -> Any:  # noqa: ANN401 - botocore's own
        """The client's facts: its region."""


class ConfigurationClient(Protocol):
    """What is used of a boto3 Lambda client."""

    @property
    def get_function_configuration(self) -> Callable[..., Mapping[str, Any]]:
        """Read a function's configuration."""


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """What a stack of ours made.

    Attributes:
        name: the stack's name.
        bucket: its output ``TargetsBucketName``.
        table: its output ``StateTableName``.
        function: its output ``FunctionName``.
    """

    name: str
    bucket: str
    table: str
    function: str


def read_stack(client: StackClient, name: str) -> DeployedStack:
    """Read a stack's outputs.

    Raises:
        RunError: when it cannot be asked, does not exist, is not made yet, or is not one of ours; one sentence.
    """
    region = client.meta.region_name
    try:
        (found,) = client.describe_stacks(StackName=name)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        if error_word(error) == _NO_SUCH_STACK:
            message = f"there is no stack {name!r} in {region} of this account: aws cloudformation list-stacks"
            raise RunError(message) from error
        raise _unasked(f"stack {name!r}", error, "cloudformation:DescribeStacks") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    missing = [output for output in _OURS if output not in outputs]
    if not missing:
        bucket, table, function = (outputs[output] for output in _OURS)
        return DeployedStack(name, bucket=bucket, table=table, function=function)
    status = str(found["StackStatus"])
    if status.startswith(_BEING_MADE) and status.endswith(_UNDER_WAY):
        raise RunError(
            f"stack {name!r} is still being made ({status}): wait for it with aws cloudformation wait "
            f"stack-create-complete --stack-name {name}"
        )
    if outputs or status in _WELL:
        raise RunError(f"stack {name!r} is not one of prompt-cache-warmer: it has no output {', '.join(missing)}")
    raise RunError(
        f"stack {name!r} has no outputs: it is {status}; aws cloudformation describe-stack-events "
        f"--stack-name {name} says why"
    )


def function_environment(client: ConfigurationClient, function: str) -> Mapping[str, str]:
    """Read the environment that a deployed function runs with.

    Raises:
        RunError: when it cannot be read; one sentence.
    """
    try:
        answer = client.get_function_configuration(FunctionName=function)
    except (BotoCoreError, ClientError) as error:
        if error_word(error) == _NO_SUCH_FUNCTION:
            raise RunError(f"there is no function {function!r} in this region of this account") from error
        raise _unasked(f"function {function!r}", error, "lambda:GetFunctionConfiguration") from error
    return dict(answer.get("Environment", {}).get("Variables", {}))


def _unasked(what: str, error: BotoCoreError | ClientError, action: str) -> RunError:
    """Say that something could not be asked, and what to do about it."""
    return RunError(f"{what} could not be asked: {reason(error, needs=action)}")
