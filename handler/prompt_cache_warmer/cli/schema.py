"""``prompt-cache-warmer schema``: the JSON Schema of a target document."""

from __future__ import annotations

import json

import click

from prompt_cache_warmer.values.document import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of a target document, for editors and pipelines."""
    click.echo(json.dumps(json_schema(), indent=2))
