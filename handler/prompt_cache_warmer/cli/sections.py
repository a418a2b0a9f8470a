"""A group of commands whose help lists them by what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARGINS = 6  # columns that click leaves free around a list of two columns


class Sections(click.Group):
    """A group of commands in sections, in the order they are given."""

    sections: Mapping[str, Sequence[click.Command]] = {}

    def add_sections(self, sections: Mapping[str, Sequence[click.Command]]) -> None:
        """Add commands under their headings.

        Args:
            sections: each heading with its commands.
        """
        self.sections = sections
        for members in sections.values():
            for command in members:
                self.add_command(command)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Name the commands in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write each section with its commands, the sentences of all below each other."""
        longest = max(map(len, self.commands))
        room = formatter.width - longest - _MARGINS
        for heading, members in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(f"{command.name:<{longest}}", command.get_short_help_str(room)) for command in members]
                )
