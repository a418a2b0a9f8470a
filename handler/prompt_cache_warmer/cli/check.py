"""``prompt-cache-warmer check``: validate target documents before they are uploaded, like a linter."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.target_files import problem_line, takes_target_files
from prompt_cache_warmer.values.problems import Severity

if TYPE_CHECKING:
    from prompt_cache_warmer.cli.target_files import TargetFiles
    from prompt_cache_warmer.ports import Index


@click.command()
@takes_target_files
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, *, files: TargetFiles, strict: bool, as_json: bool) -> None:
    """Validate target documents: all problems at once, each with its place and what is allowed.

    FILE may be a folder; every .json, .yaml and .yml file directly in it is checked. Warnings do not
    keep a target from being warmed. Exits with 1 if there is an error.
    """
    index = files.read()
    if as_json:
        click.echo(json.dumps(_as_json(index), indent=2))
    else:
        _print(index)
    severities = {problem.severity for problem in index.problems}
    context.exit(int(Severity.ERROR in severities or (strict and bool(severities))))


def _print(index: Index) -> None:
    for problem in index.problems:
        click.echo(problem_line(problem))
    for target in index.targets:
        ttls = ", ".join(dict.fromkeys(target.ttls))
        models = ", ".join(target.models)
        click.echo(f"{target.source}: {target.name}: about {target.prefix_tokens:,} tokens, ttl {ttls}, on {models}")
    counts = Counter(problem.severity for problem in index.problems)
    click.echo(
        f"{len(index.targets)} valid, {len(index.invalid_sources)} invalid; "
        f"{counts[Severity.ERROR]} errors, {counts[Severity.WARNING]} warnings"
    )


def _as_json(index: Index) -> object:
    return {
        "valid": [
            {
                "source": target.source,
                "name": target.name,
                "models": list(target.models),
                "prefix_tokens_estimate": target.prefix_tokens,
                "ttls": list(target.ttls),
            }
            for target in index.targets
        ],
        "invalid": sorted(index.invalid_sources),
        "problems": [problem.as_json() for problem in index.problems],
    }
