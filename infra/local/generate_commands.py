"""Generated parts of the page of commands: what click says of each, and the variables they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.local.generated_tables import table
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.exit_codes import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "prompt-cache-warmer"
_WIDTH = 80  # columns: what every terminal has


def command_parts() -> dict[str, str]:
    """Return the page's parts: the overview, the help of every command in its order, exit codes, variables."""
    parent = _context(commands, PROGRAM)
    return {
        "overview": _block(commands.get_help(parent)),
        "commands": "".join(_section(name, command, parent) for name, command in commands.commands.items()),
        "exit codes": table(("code", "meaning"), ((str(code), words) for code, words in EXIT_CODES.items())),
        "variables": table(
            ("variable", "option", "commands"),
            (
                (f"`{variable}`", f"`{option}`", ", ".join(f"`{name}`" for name in names))
                for (variable, option), names in sorted(_variables().items())
            ),
        ),
    }


def _section(name: str, command: click.Command, parent: click.Context) -> str:
    return f"### {name}\n\n{_block(command.get_help(_context(command, name, parent)))}\n"


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    settings = command.context_settings
    return click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH, color=False, **settings)


def _block(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"


def _variables() -> dict[tuple[str, str], list[str]]:
    """Find the variables that stand for options, each with the commands that have it."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, command in commands.commands.items():
        for variable, option in _read_by(command):
            found.setdefault((variable, option), []).append(name)
    return found


def _read_by(command: click.Command) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden and parameter.envvar:
            variables = [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar
            yield from ((variable, "/".join(parameter.opts)) for variable in variables)
