"""Problems as GitHub shows them beside the lines of a pull request: workflow commands on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.cli.places import S3_SCHEME

if TYPE_CHECKING:
    from prompt_cache_warmer.values.problems import Problem

# What would end a command, or one of its properties.
_IN_MESSAGES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTIES = {**_IN_MESSAGES, ":": "%3A", ",": "%2C"}


def annotation(problem: Problem) -> str:
    """Write a problem as a workflow command; of a document that is no file of the repository only the name is said."""
    title = f"title={_escaped(problem.code.value, _IN_PROPERTIES)}"
    if problem.source.startswith(S3_SCHEME):
        place, said = title, f"{problem.source}: {problem.path}: {problem.message}"
    else:
        place = f"file={_escaped(problem.source, _IN_PROPERTIES)},{title}"
        said = f"{problem.path}: {problem.message}"
    return f"::{problem.severity.value} {place}::{_escaped(said, _IN_MESSAGES)}"


def _escaped(text: str, signs: dict[str, str]) -> str:
    return "".join(signs.get(character, character) for character in text)
