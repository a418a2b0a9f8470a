"""Names out of a closed set, as commands are called with them: the nearest is suggested, and shells complete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping


class KnownName(click.ParamType[str]):
    """A name that has to be one of those there are.

    Args:
        what: what it is the name of, in a word.
        known: the names there are, each with a sentence that a shell may show beside it.
    """

    name = "name"

    def __init__(self, what: str, known: Mapping[str, str]) -> None:
        self._what = what
        self._known = known

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name.

        Raises:
            BadParameter: with the nearest name, or all there are where none is near.
        """
        if value not in self._known:
            hint = nearest(value, self._known) or f"; there are: {', '.join(self._known)}"
            self.fail(f"{shown(value)} is no {self._what}{hint}", param, ctx)
        return value

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's own signature
        param: click.Parameter,  # noqa: ARG002 - as above
        incomplete: str,
    ) -> list[CompletionItem]:
        """List the names that begin as it does."""
        return [
            CompletionItem(name, help=sentence) for name, sentence in self._known.items() if name.startswith(incomplete)
        ]
