"""Opening a state table over AWS: what keeps it from being opened is told as a fault of the argument that names it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import ArgumentValueError
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opening_table(argument: str) -> Iterator[None]:
    """Open a table inside, with what speaks to AWS loaded there and not before.

    Args:
        argument: the name of the caller's argument that names the table.

    Raises:
        ArgumentValueError: when a library is not installed, or AWS is not set up: no region, no such profile.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - only where it is asked for

        from prompt_cache_warmer.adapters.aws_advice import reason  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise _not_installed(argument, error) from error
    try:
        yield
    except ModuleNotFoundError as error:
        raise _not_installed(argument, error) from error
    except BotoCoreError as error:
        raise ArgumentValueError(argument, f"the table cannot be opened: {reason(error)}") from error


def _not_installed(argument: str, error: ModuleNotFoundError) -> ArgumentValueError:
    return ArgumentValueError(argument, f"it needs {error.name}; install it {from_a_clone('aws')}")
