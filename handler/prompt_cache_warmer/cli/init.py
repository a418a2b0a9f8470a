"""``prompt-cache-warmer init``: a starter target, and what to type next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.deployment import (
    BUCKET_VARIABLE,
    as_typed,
    bucket_option,
    is_typed,
    stack_meant,
    stack_option,
)
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.new_files import write_file
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import json_option
from prompt_cache_warmer.cli.starter import UNKNOWN_BUCKET, UNKNOWN_STACK, Starter, takes_starter
from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

_UNKNOWN = {
    UNKNOWN_STACK: "the name of your stack",
    UNKNOWN_BUCKET: "the stack's output TargetsBucketName: sam list stack-outputs --stack-name STACK",
}
_NO_SECRET = {"ANTHROPIC_SECRET_ID": "none"}  # the function's settings ask for a key; nothing is called here


@click.command(
    epilog=examples(
        "prompt-cache-warmer init support-agent",
        "prompt-cache-warmer init support-agent --keep while-used --stack STACK",
    )
)
@takes_starter
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@stack_option
@bucket_option
@json_option
@click.pass_context
def init(
    context: click.Context,
    *,
    starter: Starter,
    force: bool,
    stack: str | None,
    bucket: str | None,
    as_json: bool,
) -> None:
    """Write a starter target, and say what to type next.

    Written are targets/NAME.json, prompts/NAME.md, which it refers to, and targets.schema.json, by which editors
    complete and check it. NAME is my-agent unless you say it. Nothing is called or uploaded.

    Exits with 1 if the target or its prompt is there already; then nothing is written, unless --force is said.
    """
    _check_name(context, bucket)
    files = starter.files()
    there = [str(path) for path in files if _is_there(path)]
    if there and not force:
        raise click.ClickException(f"there is {' and '.join(there)} already; nothing was written, --force overwrites")
    if force or not _is_there(starter.schema):
        files[starter.schema] = starter.schema_content()
    for path, content in files.items():
        _write(path, content, force=force)
    bucket = _known_bucket(context, bucket, stack)
    lines = starter.commands(bucket=bucket or UNKNOWN_BUCKET, stack=stack or UNKNOWN_STACK)
    written = [str(path) for path in files]
    if as_json:
        click.echo(
            json.dumps({"name": starter.name, "keep": starter.keep, "written": written, "commands": lines}, indent=2)
        )
        return
    click.echo(f"Written: {', '.join(written)}")
    click.echo(starter.what_it_costs())
    click.echo(starter.what_to_do_first())
    click.echo("Then type:\n")
    for line in lines:
        click.echo(f"  {line}")
    unknown = {UNKNOWN_STACK: stack, UNKNOWN_BUCKET: bucket}
    meant = [f"{place} is {_UNKNOWN[place]}" for place, known in unknown.items() if not known]
    if meant:
        click.echo(f"\n{'; '.join(meant)}.")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise UnusableError(f"{path}: cannot be looked at: {error.strerror}") from error


def _write(path: Path, content: bytes, *, force: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableError(f"{path.parent}: cannot be made: {error.strerror}") from error
    write_file(path, content, may_replace=force)


def _check_name(context: click.Context, bucket: str | None) -> None:
    """Refuse what is no bucket's name as every command does, or the commands that follow would be broken."""
    is_stack_first = is_typed(context, "stack") and not is_typed(context, "bucket")
    if bucket and not is_stack_first:
        try:
            Settings.from_environment({BUCKET_VARIABLE: bucket, **_NO_SECRET})
        except SettingsError as error:
            raise click.UsageError(as_typed(context, error.problems)) from error


def _known_bucket(context: click.Context, bucket: str | None, stack: str | None) -> str | None:
    """Return the name of the stack's bucket; where the stack cannot be read it is told, and the starter stands."""
    try:
        found = stack_meant(context, "bucket", own=bucket, stack=stack)
    except UnusableError as error:
        click.echo(f"note: {error.message}", err=True)
        return None
    return (bucket or None) if found is None else found.bucket
