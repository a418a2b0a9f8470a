"""``prompt-cache-warmer completion``: what a shell needs to complete our commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from prompt_cache_warmer.cli.examples import examples

PROGRAM = "prompt-cache-warmer"
COMPLETE_VARIABLE = "_PROMPT_CACHE_WARMER_COMPLETE"  # the name that click makes of the program's
SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        "prompt-cache-warmer completion bash > ~/.prompt-cache-warmer.bash",
        "prompt-cache-warmer completion fish > ~/.prompt-cache-warmer.fish",
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that lets your shell complete commands.

    Source it where your shell starts: for bash write it to a file and put "source FILE" into ~/.bashrc (bash 4.4 or
    newer), for zsh the same with ~/.zshrc, after compinit, for fish with ~/.config/fish/config.fish. It completes
    commands, options, files, lint codes and names of metrics.

    There is no --json: the script is for the shell.
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click has one for each of them
    script = found(context.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE)
    click.echo(script.source_template % script.source_vars())
