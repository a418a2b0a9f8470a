"""A starter target: the document, its prompt, the schema for editors, and the commands that come next."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.conditions import DEFAULT_MODEL
from prompt_cache_warmer.settings import DEFAULT_PROMPTS_PREFIX, DEFAULT_TARGETS_PREFIX
from prompt_cache_warmer.values.body import Ttl
from prompt_cache_warmer.values.document import Keep, json_schema

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_NAME = "my-agent"
SCHEMA_NAME = "targets.schema.json"
UNKNOWN_BUCKET, UNKNOWN_STACK = "BUCKET", "STACK"

_PROGRAM = "prompt-cache-warmer"
_PROMPT = "Put the system prompt of your agent in the place of this text, byte for byte as your application sends it.\n"
_KEPT: dict[Keep, str] = {
    "once": "one warm call after each upload and whenever you type warm; nothing goes on by itself",
    "while-used": "nothing is called until requests of your application are reported, by CacheObserver or touch; then "
    "it is held as long as they pay for it",
    "always": "it is called around the clock, whoever uses it; plan says what that costs a day",
}


@dataclass(frozen=True, slots=True)
class Starter:
    """A target to begin with.

    Attributes:
        name: its name.
        models: the models it is kept warm on.
        keep: the keeping rule.
        ttl: the time to live of its marker.
        folder: the folder that stands for the bucket.
    """

    name: str
    models: tuple[str, ...]
    keep: Keep
    ttl: Ttl
    folder: Path

    @property
    def target(self) -> Path:
        """Where the document stands."""
        return self.folder / DEFAULT_TARGETS_PREFIX / f"{self.name}.json"

    @property
    def prompt(self) -> Path:
        """Where its prompt stands."""
        return self.folder / self._prompt_key

    @property
    def schema(self) -> Path:
        """Where the schema for editors stands: outside of the targets, because it is none."""
        return self.folder / SCHEMA_NAME

    @property
    def _prompt_key(self) -> str:
        return f"{DEFAULT_PROMPTS_PREFIX}{self.name}.md"

    def files(self) -> dict[Path, bytes]:
        """Return the document and its prompt, by where they stand."""
        marker = {"type": "ephemeral", "ttl": self.ttl}
        document = {
            "$schema": f"../{SCHEMA_NAME}",
            "name": self.name,
            "models": list(self.models),
            "keep": self.keep,
            "request": {"system": [{"type": "text", "text_from": self._prompt_key, "cache_control": marker}]},
        }
        return {self.target: _json(document), self.prompt: _PROMPT.encode()}

    @staticmethod
    def schema_content() -> bytes:
        """Return the schema."""
        return _json(json_schema())

    def what_it_costs(self) -> str:
        """Say what the keeping rule will call."""
        return f"keep: {self.keep}: {_KEPT[self.keep]}."

    def what_to_do_first(self) -> str:
        """Say what is still missing."""
        return (
            f"First put your agent's system prompt into {self.prompt}, and let the application mark that block with "
            f'"cache_control": {{"type": "ephemeral", "ttl": "{self.ttl}"}} too.'
        )

    def commands(self, *, bucket: str, stack: str) -> list[str]:
        """Return the commands to type next, in their order.

        Args:
            bucket: the stack's bucket.
            stack: the stack's name.
        """
        key = self.target.name
        uploads = {self.prompt: self._prompt_key, self.target: f"{DEFAULT_TARGETS_PREFIX}{key}"}
        lines = [[_PROGRAM, "check", str(self.target)], [_PROGRAM, "plan", str(self.target)]]
        lines += [["aws", "s3", "cp", str(path), f"s3://{bucket}/{key}"] for path, key in uploads.items()]
        if self.keep != "while-used":  # its calls wait for requests, also where somebody asks for one
            lines.append([_PROGRAM, "warm", self.name, "--stack", stack])
        lines.append([_PROGRAM, "status", "--stack", stack])
        return [shlex.join(line) for line in lines]


def takes_starter(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument and options that say what to begin with, as its one argument ``starter``."""

    @click.argument("name", metavar="[NAME]", default=DEFAULT_NAME, type=arguments.name)
    @click.option(
        "--dir",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(),
        show_default="this one",
        metavar="FOLDER",
        help="The folder that stands for the bucket; it is made if it is not there.",
    )
    @click.option(
        "--model",
        "models",
        multiple=True,
        default=(DEFAULT_MODEL,),
        show_default=True,
        type=arguments.model,
        metavar="MODEL",
        help="A model to keep it warm on; repeatable.",
    )
    @click.option(
        "--keep",
        type=click.Choice(get_args(Keep)),
        default="once",
        show_default=True,
        help="The keeping rule; once and while-used call nothing that you did not ask for.",
    )
    @click.option(
        "--ttl", type=click.Choice(get_args(Ttl)), default="1h", show_default=True, help="The ttl of the marker."
    )
    @wraps(command)
    def with_starter(
        *given: object, name: str, folder: Path, models: tuple[str, ...], keep: Keep, ttl: Ttl, **others: object
    ) -> None:
        command(*given, starter=Starter(name, tuple(dict.fromkeys(models)), keep, ttl, folder), **others)

    return with_starter


def _json(value: object) -> bytes:
    return f"{json.dumps(value, indent=2)}\n".encode()
