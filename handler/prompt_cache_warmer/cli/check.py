"""``prompt-cache-warmer check``: validate target documents before they are uploaded, like a linter."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.adapters.documents import JSON_SUFFIXES, YAML_SUFFIXES
from prompt_cache_warmer.adapters.file_targets import index_files, read_file
from prompt_cache_warmer.settings import DEFAULT_PROMPTS_PREFIX
from prompt_cache_warmer.values.problems import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prompt_cache_warmer.ports import Index

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that stands for the bucket: text_from is looked up below it.  "
    "[default: the folder above targets/, else the file's own]",
)
@click.option("--prompts-prefix", default=DEFAULT_PROMPTS_PREFIX, show_default=True, help="As PROMPTS_PREFIX.")
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(
    context: click.Context,
    *,
    paths: tuple[Path, ...],
    root: Path | None,
    prompts_prefix: str,
    strict: bool,
    as_json: bool,
) -> None:
    """Validate target documents: all problems at once, each with its place and what is allowed.

    FILE may be a folder; every .json, .yaml and .yml file directly in it is checked. Warnings do not
    keep a target from being warmed. Exits with 1 if there is an error.
    """
    files = list(dict.fromkeys(_files(paths)))
    if not files:
        raise click.UsageError("there is no .json, .yaml or .yml file to check")
    readings = [
        read_file(file, root=root or _root_of(file, prompts_prefix), prompts_prefix=prompts_prefix) for file in files
    ]
    index = index_files(readings)
    if as_json:
        click.echo(json.dumps(_as_json(index), indent=2))
    else:
        _print(index)
    severities = {problem.severity for problem in index.problems}
    context.exit(int(Severity.ERROR in severities or (strict and bool(severities))))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix in (*JSON_SUFFIXES, *YAML_SUFFIXES))
        else:
            yield path


def _root_of(file: Path, prompts_prefix: str) -> Path:
    """Guess the folder that stands for the bucket: the first one above the file that has the prompts."""
    parents = (file.parent, file.resolve().parent.parent)
    return next((folder for folder in parents if (folder / prompts_prefix).is_dir()), file.parent)


def _print(index: Index) -> None:
    for problem in index.problems:
        click.echo(_line(problem))
    for target in index.targets:
        ttls = ", ".join(dict.fromkeys(target.ttls))
        models = ", ".join(target.models)
        click.echo(f"{target.source}: {target.name}: about {target.prefix_tokens:,} tokens, ttl {ttls}, on {models}")
    counts = Counter(problem.severity for problem in index.problems)
    click.echo(
        f"{len(index.targets)} valid, {len(index.invalid_sources)} invalid; "
        f"{counts[Severity.ERROR]} errors, {counts[Severity.WARNING]} warnings"
    )


def _line(problem: Problem) -> str:
    severity = click.style(problem.severity.value, fg=_COLOURS[problem.severity])
    return f"{problem.source}: {problem.path}: {severity}: {problem.message} [{problem.code.value}]"


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
