"""``prompt-cache-warmer diff``: does a real request still read what a target keeps warm, and if not, why not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.request_files import UnusableError, read_request, request_argument
from prompt_cache_warmer.cli.stack import json_option
from prompt_cache_warmer.cli.target_files import TargetFiles, problem_line, prompts_prefix_option, root_option
from prompt_cache_warmer.rules.drift import drift
from prompt_cache_warmer.values.problems import json_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.rules.drift import Drift
    from prompt_cache_warmer.rules.json_difference import Difference
    from prompt_cache_warmer.values.problems import JsonPath
    from prompt_cache_warmer.values.targets import Target

_EXCERPT_CHARACTERS = 60  # enough to see what changed; the place says where to read on
_BEFORE_CHARACTERS = 20  # of them before the first difference, to recognise where it is
_SECRET_PARTS = frozenset({"mcp_servers"})  # these hold the tokens of other services


@click.command(epilog=examples("prompt-cache-warmer diff targets/support-agent.json request.json"))
@click.argument("target", metavar="TARGET.json", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@request_argument
@root_option
@prompts_prefix_option
@json_option
@click.pass_context
def diff(
    context: click.Context,
    *,
    target: Path,
    file: BinaryIO,
    root: Path | None,
    prompts_prefix: str,
    as_json: bool,
) -> None:
    """Compare a target with a real request, part by part.

    Each part is the same, or different and where first. REQUEST.json is a Messages API body, or the arguments of the
    SDK's create as JSON; - is standard input. It is compared up to where the target's prefix ends. Places are those of
    the Messages API body on either side. A marker with another ttl is a warning and no difference: nobody has said
    whether each finds the other's entry.

    Short excerpts of both sides are shown on a terminal only, never in a pipe, a file or --json: the log of a
    pipeline is no place for prompts. Exits with 0 if the request has the prefix the target keeps warm, with 1 if
    it has not, and with 2 if one of the two cannot be used.
    """
    reading = TargetFiles((target,), root, prompts_prefix).read_one(target)
    if reading.target is None:
        raise UnusableError("\n".join(["this is no valid target:", *map(problem_line, reading.errors)]))
    request = read_request(file)
    found = drift(reading.target, request, request.get("betas", ()))
    if as_json:
        click.echo(json.dumps({"target": reading.target.summary.name, **found.as_json()}, indent=2))
    else:
        _print(found, reading.target, request)
    context.exit(int(not found.is_same))


def _print(found: Drift, target: Target, request: Mapping[str, Any]) -> None:
    own = {**target.body, "betas": list(target.betas), "models": list(target.summary.models)}
    click.echo(f"{target.summary.name}: compared up to {json_path(found.prefix_end)}, where its prefix ends")
    width = max(len(part.part) for part in found.parts)
    for part in found.parts:
        difference = part.difference
        if difference is None:
            click.echo(f"  {part.part:<{width}}  same")
            continue
        said = click.style("different", fg="red") if part.warning is None else click.style("warning", fg="yellow")
        unknown = "" if part.warning is None else f": {part.warning}"
        click.echo(f"  {part.part:<{width}}  {said}: {_words(difference)}{unknown}")
        if sys.stdout.isatty() and part.part not in _SECRET_PARTS:
            for side, body, path in (
                ("target", own, difference.target_path),
                ("request", request, difference.request_path),
            ):
                click.echo(f"  {'':<{width}}    {side:<7}  {_excerpt(body, path, difference.character)}")
    verdict = "same: the request has" if found.is_same else "different: the request would miss all or part of"
    click.echo(f"{verdict} the prefix that the target keeps warm")


def _words(difference: Difference) -> str:
    """Say a difference in one line: how, where, and what may be behind it."""
    paths = (difference.target_path, difference.request_path)
    places = list(dict.fromkeys(json_path(path) for path in paths if path is not None))
    character = "" if difference.character is None else f", character {difference.character:,}"
    why = "" if difference.invalidator is None else f" (perhaps {difference.invalidator.value})"
    return f"{difference.kind.value.replace('-', ' ')} at {' / '.join(places)}{character}{why}"


def _excerpt(body: Mapping[str, Any], path: JsonPath | None, character: int | None) -> str:
    """Show a bounded piece of what stands at a place, as one line that cannot write to the terminal."""
    if path is None:
        return "(nothing)"
    value: Any = body
    for part in path:
        value = value.get(part) if isinstance(value, dict) else value[part]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    begin = max(0, (character or 0) - _BEFORE_CHARACTERS)
    end = begin + _EXCERPT_CHARACTERS
    before, after = "..." * (begin > 0), "..." * (end < len(text))
    return f"{before}{text[begin:end]!r}{after}"
