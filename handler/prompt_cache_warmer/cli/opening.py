"""Opening what a command works on over AWS: the state's table, a stack, its function's settings, its targets.

The library for AWS is loaded when something is opened and not before, so that the commands that need no
stack work without it. Region, profile and credentials are boto3's own matter.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.errors import RunError, StateUnavailableError, TargetsUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.adapters.deployed_stack import DeployedStack
    from prompt_cache_warmer.ports import StateStore, TargetIndex
    from prompt_cache_warmer.settings import Settings

NO_REGION_ADVICE = "Set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has one."


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
    except TargetsUnreadableError as error:
        said = str(error).partition("; check ")[0]  # what the function's operator is told to check is not asked here
        advice = "check the bucket's name, and your own AWS identity and region: they ask here, not the function's"
        raise UnusableError(f"{said}; {advice}") from error
    except RunError as error:
        raise UnusableError(" ".join(str(error).split())) from error
    except exceptions.BotoCoreError as error:
        said = " ".join(str(error).split()).rstrip(".")
        advice = f". {NO_REGION_ADVICE}" if isinstance(error, exceptions.NoRegionError) else ""
        raise UnusableError(f"{what} cannot be asked: {said}{advice}") from error


def open_table(table: str) -> StateStore:
    """Open the state in a stack's table.

    Raises:
        UnusableError: when what speaks to AWS is not installed.
        StateUnavailableError: when nothing says which region or account is meant.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see the module's docstring

        from prompt_cache_warmer.wiring.aws import state_store  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    try:
        return state_store(table)
    except BotoCoreError as error:
        raise StateUnavailableError(f"the state table {table!r} cannot be opened: {error}") from error


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
    return UnusableError(
        f"{error.name} is not installed; this command needs: pip install 'prompt-cache-warmer[aws,cli]'"
    )
