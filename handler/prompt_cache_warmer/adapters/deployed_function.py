"""The deployed function, asked over AWS: one invocation, its answer or one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.aws_advice import reason
from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NO_SUCH_FUNCTION = "ResourceNotFoundException"


class FunctionClient(Protocol):
    """What is used of a boto3 Lambda client."""

    @property
    def invoke(self) -> Callable[..., Mapping[str, Any]]:
        """Invoke a function."""


def ask_function(client: FunctionClient, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a function and wait for its answer.

    Args:
        client: a client that never repeats an invocation by itself.
        name: the function's name or ARN.
        event: what it is asked.

    Returns:
        The object it answered.

    Raises:
        RunError: when it could not be asked, failed, or answered something else; one sentence.
    """
    try:
        response = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        answer = json.loads(response["Payload"].read())
    except (BotoCoreError, ClientError) as error:
        if error_word(error) == _NO_SUCH_FUNCTION:
            raise RunError(f"there is no function {name!r} in this region of this account") from error
        said = reason(error, needs="lambda:InvokeFunction on it")
        raise RunError(f"function {name!r} could not be asked, or gave no answer: {said}") from error
    except ValueError as error:
        said = "something that is not JSON: check AWS_ENDPOINT_URL and the proxy"
        raise RunError(f"function {name!r} answered {said}") from error
    if not isinstance(answer, dict):
        raise RunError(f"function {name!r} answered something that is not an object")
    if "FunctionError" in response or "errorType" in answer:
        said = " ".join(f"{answer.get('errorType')}: {answer.get('errorMessage')}".split())
        raise RunError(f"function {name!r} failed: {said}")
    return answer
