"""``prompt-cache-warmer check``: validate target documents, like a linter, before and after they are uploaded."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import click

from prompt_cache_warmer.cli.annotations import annotation
from prompt_cache_warmer.cli.counting import counted
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.known_names import KnownName
from prompt_cache_warmer.cli.places import takes_places
from prompt_cache_warmer.cli.stack import json_option
from prompt_cache_warmer.cli.target_files import problem_line
from prompt_cache_warmer.values.explanations import EXPLANATIONS
from prompt_cache_warmer.values.problems import ProblemCode, Severity

if TYPE_CHECKING:
    from prompt_cache_warmer.cli.places import TargetPlaces
    from prompt_cache_warmer.ports import Index

_INDENT = "  "


@click.command(
    epilog=examples(
        "prompt-cache-warmer check targets/ --strict",
        "prompt-cache-warmer check s3://BUCKET/targets/",
        "prompt-cache-warmer check --explain marker-added",
    )
)
@takes_places(required=False)
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.option(
    "--explain",
    "code",
    type=KnownName("code", {code.value: found.meaning for code, found in EXPLANATIONS.items()}),
    metavar="CODE",
    help="In place of PATH: what a code in brackets means, why it matters and how to mend it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["lines", "github"]),
    default="lines",
    show_default=True,
    help="How problems are printed; github: as annotations of a workflow.",
)
@json_option
@click.pass_context
def check(
    context: click.Context,
    *,
    places: TargetPlaces,
    strict: bool,
    code: str | None,
    form: Literal["lines", "github"],
    as_json: bool,
) -> None:
    """Find everything that is wrong with target documents.

    PATH is a document, a folder, of which every .json, .yaml and .yml file directly in it is checked, or
    s3://BUCKET/targets/ for what is deployed: its documents and prompts are read as a tick reads them, with your own
    AWS identity (s3:ListBucket and s3:GetObject).

    All problems are told at once, each with its place and what is allowed, and a code in brackets. Warnings do not
    keep a target from being warmed.

    Exits with 1 if there is an error, with 2 if there is nothing to check.
    """
    is_called = bool(places.files.paths or places.buckets)
    if is_called is (code is not None):
        raise click.UsageError("say what to check, PATH..., or --explain CODE; one of the two")
    if as_json and form != "lines":
        raise click.UsageError("--json and --format are two ways to print: say one of them")
    if code is not None:
        _explain(ProblemCode(code), as_json=as_json)
        return
    index = places.read()
    if as_json:
        click.echo(json.dumps(_as_json(index), indent=2))
    else:
        _print(index, form)
    severities = {problem.severity for problem in index.problems}
    context.exit(int(Severity.ERROR in severities or (strict and bool(severities))))


def _print(index: Index, form: Literal["lines", "github"]) -> None:
    for problem in index.problems:
        click.echo(problem_line(problem) if form == "lines" else annotation(problem))
    for target in index.targets:
        ttls = ", ".join(dict.fromkeys(target.ttls))
        models = ", ".join(target.models)
        click.echo(f"{target.source}: {target.name}: about {target.prefix_tokens:,} tokens, ttl {ttls}, on {models}")
    counts = Counter(problem.severity for problem in index.problems)
    click.echo(
        f"{len(index.targets)} valid, {len(index.invalid_sources)} invalid; "
        f"{counted(counts[Severity.ERROR], 'error')}, {counted(counts[Severity.WARNING], 'warning')}"
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


def _explain(code: ProblemCode, *, as_json: bool) -> None:
    found = EXPLANATIONS[code]
    if as_json:
        whole = {"code": code.value, "severity": code.severity.value, **asdict(found)}
        click.echo(json.dumps({field: words for field, words in whole.items() if words is not None}, indent=2))
        return
    click.echo(f"{code.value} ({code.severity.value}): {found.meaning}")
    for head, said in (("Why", found.why), ("What to do", found.mend)):
        click.echo(f"{head}: {said}")
    for head, example in (("Not", found.wrong), ("but", found.right)):
        if example is not None:
            click.echo(f"{head}:\n{_INDENT}{example}")
