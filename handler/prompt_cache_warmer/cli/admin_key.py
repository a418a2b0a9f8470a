"""The admin key a command may be given: from a file or the environment, never on the command line, never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from prompt_cache_warmer.settings import base_url

if TYPE_CHECKING:
    from collections.abc import Callable

ADMIN_KEY_VARIABLE = "ANTHROPIC_ADMIN_KEY"
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
MAX_KEY_CHARACTERS = 1_000  # a key has about a hundred; anything longer is another file


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """How the Usage API is asked.

    Attributes:
        key: an admin key of the organization.
        address: the API's address, None for the usual one.
    """

    key: str = field(repr=False)  # not for tracebacks
    address: str | None = None


def takes_admin_access(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say an admin key, as its one argument ``access``; None without a key."""

    @click.option(
        "--admin-key-file",
        "file_key",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_file_key,
        metavar="FILE",
        help=f"Cross-check with Anthropic's Usage API, by the admin key in FILE or in {ADMIN_KEY_VARIABLE}.",
    )
    @click.option("--admin-key", envvar=ADMIN_KEY_VARIABLE, hidden=True, callback=_environment_key)
    @click.option("--base-url", envvar=BASE_URL_VARIABLE, hidden=True)
    @wraps(command)
    def with_admin_access(
        *given: object, file_key: str | None, admin_key: str | None, base_url: str | None, **others: object
    ) -> None:
        key = file_key or admin_key
        access = AdminAccess(key, _address(base_url)) if key else None
        command(*given, access=access, **others)

    return with_admin_access


def _file_key(_: click.Context, __: click.Parameter, path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        with path.open(encoding="utf-8") as file:
            return _one_key(file.read(MAX_KEY_CHARACTERS + 1), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{str(path)!r} cannot be read: {type(error).__name__}") from None


def _environment_key(context: click.Context, parameter: click.Parameter, key: str | None) -> str | None:
    if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
        raise click.UsageError("a key on the command line is seen by everybody: use --admin-key-file FILE")
    return _one_key(key, ADMIN_KEY_VARIABLE) if key else None


def _one_key(text: str, place: str) -> str:
    key = text.strip()
    if not key or len(key) > MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable() or " " in key:
        raise click.BadParameter(f"{place} holds no key; allowed: one admin key on one line")
    return key


def _address(address: str | None) -> str | None:
    try:
        return base_url(address) if address else None
    except ValueError as error:
        raise click.UsageError(f"{BASE_URL_VARIABLE} {error}") from error
