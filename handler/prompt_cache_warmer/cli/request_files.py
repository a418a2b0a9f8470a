"""Requests of the application in files, as ``diff`` and ``capture`` take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click

from prompt_cache_warmer.adapters.documents import YAML_SUFFIXES, DocumentError, check_size, decode
from prompt_cache_warmer.errors import ArgumentError
from prompt_cache_warmer.library.prompts.bodies import checked_body
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Json

_PROMPT_FIELDS = ("tools", "system", "messages")

request_argument = click.argument("file", metavar="REQUEST.json", type=click.File("rb"))


class UnusableError(click.ClickException):
    """What a command was given cannot be used, or whom it asks could not be asked."""

    exit_code = 2


def read_request(file: BinaryIO) -> Json:
    """Read a request: a Messages API body, or the keyword arguments of the SDK's ``create``.

    Returns:
        The body, the values of its ``anthropic-beta`` header in ``betas``.

    Raises:
        UnusableError: when it is none, with its place and never with its text.
    """
    source = str(getattr(file, "name", "<stdin>"))  # not every stream that stands for it has a name
    try:
        content = file.read(MAX_TARGET_BYTES + 1)
        check_size(len(content))
        value = decode(content, source if source.endswith(YAML_SUFFIXES) else "request.json")
        body = checked_body(value, within="request")
    except OSError as error:
        raise UnusableError(f"{source}: cannot be read: {error.strerror}") from error
    except (DocumentError, ArgumentError) as error:
        raise UnusableError(f"{source}: {error}") from error
    if not any(field in body for field in _PROMPT_FIELDS):
        fields = ", ".join(_PROMPT_FIELDS)
        raise UnusableError(f"{source}: this is no Messages API body: it has none of {fields}")
    return body
