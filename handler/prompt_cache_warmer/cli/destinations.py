"""Where ``capture`` puts a target: standard output, a new file, or the bucket of a stack.

What speaks to AWS is loaded for the bucket only, so that the others work without it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import json_option
from prompt_cache_warmer.cli.uploads import upload
from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import DEFAULT_PROMPTS_PREFIX, DEFAULT_TARGETS_PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.rules.draft import Draft
    from prompt_cache_warmer.values.targets import TargetSummary

_SUFFIX = ".json"
_BUCKET, _TARGETS, _PROMPTS = "TARGETS_BUCKET", "TARGETS_PREFIX", "PROMPTS_PREFIX"
_NO_SECRET = {"ANTHROPIC_SECRET_ID": "none"}  # the function's settings ask for a key; a capture calls no API


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a target is put.

    Attributes:
        output: the new file; None for standard output or the bucket.
        settings: the bucket and its prefixes; None where nothing is uploaded.
        as_json: whether what was uploaded is said in JSON.
    """

    output: Path | None
    settings: Settings | None
    as_json: bool

    def source(self, name: str) -> str:
        """Say where the document of a target is to stand."""
        if self.settings is not None:
            return f"{self.settings.targets_prefix}{name}{_SUFFIX}"
        return str(self.output or "<stdout>")

    def put(self, draft: Draft, target: TargetSummary, content: bytes, *, is_named: bool) -> None:
        """Put a target there.

        Args:
            draft: what it is made of.
            target: what a tick would read of it.
            content: its document.
            is_named: whether its name was said, so that a target of that name is meant.

        Raises:
            ClickException: with the reason, when it cannot be put there.
        """
        if self.settings is not None:
            upload(self.settings, draft, target, is_named=is_named, as_json=self.as_json)
        elif self.output is not None:
            _write(self.output, content)
        else:
            click.echo(content, nl=False)


def _output(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix != _SUFFIX:
        raise click.BadParameter(f"{path.name!r} does not end in {_SUFFIX}")
    return path


def _bucket_option(option: str, variable: str, default: str | None, *, said: str) -> Callable[..., Callable[..., None]]:
    metavar = "NAME" if default is None else "PREFIX"
    return click.option(
        option, envvar=variable, show_envvar=True, default=default, show_default=True, metavar=metavar, help=said
    )


def takes_destination(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where a target is put, as its one argument ``destination``."""

    @click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_output,
        metavar="FILE.json",
        help="A new file; one that exists is never overwritten.  [default: standard output]",
    )
    @click.option("--upload", "is_upload", is_flag=True, help="Put it into the stack's bucket, if its prefix is new.")
    @_bucket_option("--bucket", _BUCKET, None, said="With --upload: the stack's output TargetsBucketName.")
    @_bucket_option("--prefix", _TARGETS, DEFAULT_TARGETS_PREFIX, said="With --upload: where its targets stand.")
    @_bucket_option("--prompts-prefix", _PROMPTS, DEFAULT_PROMPTS_PREFIX, said="With --upload: where their texts do.")
    @json_option
    @wraps(command)
    def with_destination(
        *given: object,
        output: Path | None,
        is_upload: bool,
        bucket: str | None,
        prefix: str,
        prompts_prefix: str,
        as_json: bool,
        **others: object,
    ) -> None:
        if output is not None and is_upload:
            raise click.UsageError("say --output or --upload")
        if as_json and not is_upload:
            raise click.UsageError("--json goes with --upload: without it the answer is the document itself")
        settings = _settings({_BUCKET: bucket or "", _TARGETS: prefix, _PROMPTS: prompts_prefix}) if is_upload else None
        command(*given, destination=Destination(output, settings, as_json), **others)

    return with_destination


def _settings(given: dict[str, str]) -> Settings:
    if not given[_BUCKET]:
        raise click.UsageError(
            f"which bucket? Say --bucket NAME or set {_BUCKET}; NAME is the stack's output TargetsBucketName: "
            "sam list stack-outputs --stack-name STACK"
        )
    try:
        return Settings.from_environment({**given, **_NO_SECRET})
    except SettingsError as error:
        raise click.UsageError("; ".join(error.problems)) from error


def _write(output: Path, content: bytes) -> None:
    """Write a new file, whole or not at all: beside it first, and then into a name that was free."""
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        output.open("xb").close()
        beside.replace(output)
    except FileExistsError as error:
        raise UnusableError(f"{output} exists and is not overwritten") from error
    except OSError as error:
        raise UnusableError(f"{output}: cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
