"""Where ``capture`` puts a target: standard output, a new file, or the bucket of a stack.

What speaks to AWS is loaded for the bucket only, so that the others work without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from prompt_cache_warmer.cli.deployment import (
    BUCKET_VARIABLE,
    as_typed,
    bucket_option,
    stack_meant,
    stack_option,
    which,
)
from prompt_cache_warmer.cli.new_files import write_file
from prompt_cache_warmer.cli.stack import Seams, json_option
from prompt_cache_warmer.cli.target_files import prompts_prefix_option
from prompt_cache_warmer.cli.uploads import upload
from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import DEFAULT_TARGETS_PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.rules.draft import Draft
    from prompt_cache_warmer.values.targets import TargetSummary

_SUFFIX = ".json"
_TARGETS, _PROMPTS = "TARGETS_PREFIX", "PROMPTS_PREFIX"
_UNSAID = (ParameterSource.DEFAULT, None)
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
            write_file(self.output, content)
        else:
            click.echo(content, nl=False)


def _output(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and path.suffix != _SUFFIX:
        raise click.BadParameter(f"{path.name!r} does not end in {_SUFFIX}")
    return path


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
    @stack_option
    @bucket_option
    @click.option(
        "--targets-prefix",
        envvar=_TARGETS,
        show_envvar=True,
        default=DEFAULT_TARGETS_PREFIX,
        show_default=True,
        metavar="PREFIX",
        help="With --upload: where the stack's targets stand.",
    )
    @prompts_prefix_option
    @json_option
    @wraps(command)
    def with_destination(
        *given: object,
        output: Path | None,
        is_upload: bool,
        stack: str | None,
        bucket: str | None,
        targets_prefix: str,
        prompts_prefix: str,
        as_json: bool,
        **others: object,
    ) -> None:
        if output is not None and is_upload:
            raise click.UsageError("say --output or --upload")
        if as_json and not is_upload:
            raise click.UsageError("--json goes with --upload: without it the answer is the document itself")
        prefixes = {"targets_prefix": targets_prefix, "prompts_prefix": prompts_prefix}
        settings = _settings(bucket, stack, prefixes) if is_upload else None
        command(*given, destination=Destination(output, settings, as_json), **others)

    return with_destination


def _settings(bucket: str | None, stack: str | None, prefixes: dict[str, str]) -> Settings:
    """Say where to upload; a stack's function knows the prefixes too, and what is said here comes first."""
    context = click.get_current_context()
    found = stack_meant(context, "bucket", own=bucket, stack=stack)
    if found is not None:
        own = context.ensure_object(Seams).open_settings(found.function)
        bucket, known = found.bucket, {"targets_prefix": own.targets_prefix, "prompts_prefix": own.prompts_prefix}
        prefixes |= {name: at for name, at in known.items() if context.get_parameter_source(name) in _UNSAID}
    if not bucket:
        raise click.UsageError(which("bucket", "TargetsBucketName", BUCKET_VARIABLE))
    given = {BUCKET_VARIABLE: bucket, _TARGETS: prefixes["targets_prefix"], _PROMPTS: prefixes["prompts_prefix"]}
    try:
        return Settings.from_environment({**given, **_NO_SECRET})
    except SettingsError as error:
        raise click.UsageError(as_typed(context, error.problems)) from error
