"""Opening what a command works on over AWS: the state's table, a stack, its function's settings, its targets.

The library for AWS is loaded when something is opened and not before, so that the commands that need no
stack work without it. Region, profile and credentials are boto3's own matter.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.errors import RunError, StateUnavailableError, TargetsUnreadableError
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.adapters.deployed_stack import DeployedStack
    from prompt_cache_warmer.ports import StateStore, TargetIndex
    from prompt_cache_warmer.settings import Settings


@contextmanager
def over_aws(what: str) -> Iterator[None]:
    """Say in one line what keeps something from being asked over AWS.

    Args:
        what: what is asked, as the sentence's subject.

    Raises:
        UnusableError: for whatever goes wrong inside that is not a defect.
    """
    try:
        from botocore import exceptions  # noqa: PLC0415 - see the module's docstring
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    try:
        yield
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    except (TargetsUnreadableError, StateUnavailableError) as error:
        raise UnusableError(asked_here(error)) from error
    except RunError as error:
        raise UnusableError(" ".join(str(error).split())) from error
    except exceptions.BotoCoreError as error:
        from prompt_cache_warmer.adapters.aws_advice import reason  # noqa: PLC0415 - as above

        raise UnusableError(f"{what} cannot be asked: {reason(error)}") from error


def asked_here(error: TargetsUnreadableError | StateUnavailableError) -> str:
    """Say what a tick would say of its bucket or table, with what whoever asks from here can do about it."""
    cause, said = error.__cause__, " ".join(str(error).split())
    if cause is None:
        is_bucket = isinstance(error, TargetsUnreadableError)
        advice = "check AWS_ENDPOINT_URL and the proxy" if is_bucket else "try again in a minute"
        return f"{said.partition('; check ')[0]}; {advice}"
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see the module's docstring

    from prompt_cache_warmer.adapters.aws_advice import reason  # noqa: PLC0415 - as above
    from prompt_cache_warmer.adapters.s3_bucket import error_word  # noqa: PLC0415 - as above

    if not isinstance(cause, (BotoCoreError, ClientError)):
        return said
    return f"{said.partition(f': {error_word(cause)}')[0]}: {reason(cause)}"


def open_table(table: str) -> StateStore:
    """Open the state in a stack's table.

    Raises:
        UnusableError: when what speaks to AWS is not installed.
        StateUnavailableError: when nothing says which region or account is meant.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see the module's docstring

        from prompt_cache_warmer.adapters.s3_bucket import error_word  # noqa: PLC0415 - only where it is asked for
        from prompt_cache_warmer.wiring.aws import state_store  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    try:
        return state_store(table)
    except BotoCoreError as error:
        raise StateUnavailableError(f"the state table {table!r} cannot be opened: {error_word(error)}") from error


def open_stack(name: str) -> DeployedStack:
    """Read what a stack made.

    Raises:
        UnusableError: with one line, when it cannot be told.
    """
    with over_aws(f"stack {name!r}"):
        from prompt_cache_warmer.wiring.deployment import deployed_stack  # noqa: PLC0415 - only where it is asked for

        return deployed_stack(name)


def open_settings(function: str) -> Settings:
    """Read the settings a deployed function runs with.

    Raises:
        UnusableError: with one line, when they cannot be read.
    """
    with over_aws(f"function {function!r}"):
        from prompt_cache_warmer.wiring.deployment import deployed_settings  # noqa: PLC0415 - as above

        return deployed_settings(function)


def open_targets(settings: Settings) -> TargetIndex:
    """Open the targets of a deployment.

    Raises:
        UnusableError: with one line, when nothing says which region is meant.
    """
    with over_aws(f"bucket {settings.targets_bucket!r}"):
        from prompt_cache_warmer.wiring.deployment import deployed_targets  # noqa: PLC0415 - as above

        return deployed_targets(settings)


def _not_installed(error: ModuleNotFoundError) -> UnusableError:
    return UnusableError(f"{error.name} is not installed; this command needs, {from_a_clone('aws', 'cli')}")
