"""``prompt-cache-warmer capture``: a target document out of a real request, without anything of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, get_args

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.destinations import takes_destination
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.request_files import UnusableError, read_request, request_argument
from prompt_cache_warmer.cli.target_files import problem_line
from prompt_cache_warmer.rules import capture as rule
from prompt_cache_warmer.rules.draft import Draft, written
from prompt_cache_warmer.values.body import Ttl
from prompt_cache_warmer.values.document import Keep
from prompt_cache_warmer.values.markers import MarkerOrigin
from prompt_cache_warmer.values.problems import json_path

if TYPE_CHECKING:
    from prompt_cache_warmer.cli.destinations import Destination
    from prompt_cache_warmer.values.targets import TargetSummary

_NAME_CHARACTERS = 12  # of the fingerprint: enough that no two prompts of a bucket share them


@click.command(
    epilog=examples(
        "prompt-cache-warmer capture request.json --name support -o target.json",
        "prompt-cache-warmer capture request.json --upload --stack STACK",
    )
)
@request_argument
@click.option("--name", type=arguments.name, help="The target's name.  [default: captured- and its fingerprint]")
@click.option("--ttl", type=click.Choice(get_args(Ttl)), help="The ttl of every marker.  [default: the request's own]")
@click.option("--messages", "with_messages", is_flag=True, help="Keep messages too, up to the last marked block.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=arguments.model,
    metavar="MODEL",
    help="A model to keep it warm on; repeatable.  [default: the request's own]",
)
@click.option(
    "--keep", type=click.Choice(get_args(Keep)), default="while-used", show_default=True, help="The keeping rule."
)
@takes_destination
def capture(
    *,
    file: BinaryIO,
    name: str | None,
    ttl: Ttl | None,
    with_messages: bool,
    models: tuple[str, ...],
    keep: Keep,
    destination: Destination,
) -> None:
    """Make a target document of a real request.

    REQUEST.json is a Messages API body, or the arguments of the SDK's create as JSON; - is standard input.

    Written is the prefix that the request shares with all others: tools and system up to the last block marked with
    cache_control (all of both if none is marked) and the settings that are part of the cache's key. Messages are kept
    with --messages only, and then up to their last marked block. Nothing behind it is written: no user's words, no
    metadata, no sampling, no token of an MCP server. What was left out and might matter is named on standard error,
    without its text.

    With --ttl the application has to send the same ttl. Exits with 2 if no valid target comes of the request.

    --upload writes nothing if a target of the bucket has the prefix already. A target of the NAME you say keeps its
    other fields and gets this prefix, unless someone changes it meanwhile. Exits with 1 if it cannot be written.
    """
    body = read_request(file)
    betas: list[str] = list(dict.fromkeys(body.get("betas", ())))
    named = models or ((body["model"],) if "model" in body else ())
    if not named:
        raise UnusableError("the request has no model, and each model has a cache of its own: say --model")
    found = rule.capture(body, betas, with_messages=with_messages, ttl=ttl)
    if found is None:
        raise UnusableError("there is nothing to cache: no system prompt, no tool and no marked message")
    draft = Draft(
        name=name or f"captured-{found.fingerprint.combined[:_NAME_CHARACTERS]}",
        models=named,
        keep=keep,
        betas=tuple(betas),
        captured=found,
    )
    content, target = _checked(draft, destination.source(draft.name))
    if found.origin is not MarkerOrigin.AUTHOR:
        place = json_path(found.end.path)
        click.echo(f"a marker was added at {place}: real traffic hits only with its own cache_control there", err=True)
    if found.left_out:
        click.echo(f"left out, and perhaps part of the key: {', '.join(found.left_out)}", err=True)
    destination.put(draft, target, content, is_named=name is not None)


def _checked(draft: Draft, source: str) -> tuple[bytes, TargetSummary]:
    """Write a draft as JSON and check it as ``check`` does; warnings go to standard error.

    Raises:
        UnusableError: when it is no target.
    """
    content, reading = written(draft.document(), source)
    lines = [problem_line(problem) for problem in reading.problems]
    if reading.target is None:
        raise UnusableError("\n".join(["no valid target comes of this request:", *lines]))
    for line in lines:
        click.echo(line, err=True)
    return content, reading.target.summary
