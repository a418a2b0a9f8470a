"""``prompt-cache-warmer schema``: the JSON Schema of a target document."""

from __future__ import annotations

import json

import click

from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.values.document import json_schema


@click.command(epilog=examples("prompt-cache-warmer schema > targets.schema.json"))
def schema() -> None:
    """Print the JSON Schema of a target document.

    For editors and pipelines; infra/targets.schema.json is the same. There is no --json: it is JSON.
    """
    click.echo(json.dumps(json_schema(), indent=2))
