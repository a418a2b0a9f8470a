"""The deployed function as commands ask it: one invocation, and one sentence where there is no answer.

The library for AWS is loaded when it is asked and not before, so that the commands work without it from files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.errors import RunError
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Mapping


def ask_deployed(function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Let the deployed function carry out an order.

    Args:
        function: its name or ARN.
        event: what it is asked.

    Raises:
        UnusableError: with one line, when it could not be asked, failed, or what speaks to AWS is not set up.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see the module's docstring

        from prompt_cache_warmer.adapters.aws_advice import reason  # noqa: PLC0415 - as above
        from prompt_cache_warmer.adapters.deployed_function import ask_function  # noqa: PLC0415 - as above
        from prompt_cache_warmer.wiring.deployment import function_client  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; --function needs, {from_a_clone('aws', 'cli')}"
        raise UnusableError(message) from error
    try:
        client = function_client()
    except BotoCoreError as error:
        raise UnusableError(f"function {function!r} cannot be asked: {reason(error)}") from error
    try:
        return ask_function(client, function, event)
    except RunError as error:
        raise UnusableError(str(error)) from error
