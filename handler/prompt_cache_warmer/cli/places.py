"""Where target documents are that are only looked at: files, folders of them, and the buckets of stacks."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prompt_cache_warmer.cli.deployment import BUCKET_VARIABLE, in_words
from prompt_cache_warmer.cli.opening import over_aws
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.target_files import TargetFiles, prompts_prefix_option, root_option
from prompt_cache_warmer.errors import SettingsError, TargetsUnreadableError
from prompt_cache_warmer.ports import Index
from prompt_cache_warmer.settings import DEFAULT_TARGETS_PREFIX, Settings
from prompt_cache_warmer.values.problems import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_cache_warmer.adapters.watched_bucket import Told

S3_SCHEME = "s3://"
MANY_DOCUMENTS = 50  # fewer are read from a disk before anybody wonders

_NO_SECRET = {"ANTHROPIC_SECRET_ID": "none"}  # the function's settings ask for a key; nothing is called here
# What the user typed in place of the variables that the function's settings are made of.
_PARTS = {BUCKET_VARIABLE: "BUCKET", "TARGETS_PREFIX": "PREFIX", "PROMPTS_PREFIX": "--prompts-prefix"}


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Documents in a bucket.

    Attributes:
        bucket: the bucket's name.
        targets_prefix: the prefix of their keys.
        address: how it was typed.
    """

    bucket: str
    targets_prefix: str
    address: str = field(compare=False)

    @classmethod
    def parse(cls, address: str) -> BucketPlace:
        """Read ``s3://BUCKET/PREFIX/``; without a prefix the usual one is meant."""
        bucket, _, prefix = address.removeprefix(S3_SCHEME).partition("/")
        if prefix and not prefix.endswith("/"):
            allowed = f"{S3_SCHEME}BUCKET/PREFIX/, with its slash at the end: all documents under it"
            raise click.BadParameter(f"{shown(address)} is not allowed; allowed: {allowed}")
        return cls(bucket, prefix or DEFAULT_TARGETS_PREFIX, address)

    def read(self, prompts_prefix: str) -> Index:
        """Read every document as a tick reads it; sources are whole addresses.

        Raises:
            UsageError: when the names are none of a bucket and its prefixes.
            UnusableError: with one line, when the bucket cannot be asked or has no document.
        """
        settings = self._settings(prompts_prefix)
        with _progress() as told, over_aws(f"bucket {self.bucket!r}"):
            from prompt_cache_warmer.wiring.deployment import deployed_targets  # noqa: PLC0415 - AWS only where asked

            try:
                index = asyncio.run(deployed_targets(settings, told=told).load())
            except TargetsUnreadableError as error:
                said = str(error).partition("; check ")[0]  # what the function's operator is told is not asked here
                advice = "check the bucket's name, and your own AWS identity and region: they ask here"
                raise UnusableError(f"{said}; {advice}") from error
        if not index.targets and not index.problems:
            raise UnusableError(f"there is no document under {S3_SCHEME}{self.bucket}/{self.targets_prefix}")
        home = f"{S3_SCHEME}{self.bucket}/"
        return Index(
            tuple(replace(target, source=home + target.source) for target in index.targets),
            tuple(replace(problem, source=home + problem.source) for problem in index.problems),
        )

    def _settings(self, prompts_prefix: str) -> Settings:
        given = {
            BUCKET_VARIABLE: self.bucket,
            "TARGETS_PREFIX": self.targets_prefix,
            "PROMPTS_PREFIX": prompts_prefix,
        }
        try:
            return Settings.from_environment({**given, **_NO_SECRET})
        except SettingsError as error:
            said = in_words(error.problems, _PARTS)
            raise click.UsageError(f"{shown(self.address)} is read as {S3_SCHEME}BUCKET/PREFIX/: {said}") from error


@dataclass(frozen=True, slots=True)
class TargetPlaces:
    """Where a command looks for target documents.

    Attributes:
        files: documents in files.
        buckets: documents in buckets.
    """

    files: TargetFiles
    buckets: tuple[BucketPlace, ...]

    def read(self) -> Index:
        """Read every document once, files first; each place is a bucket of its own.

        Raises:
            UsageError: when there is none.
            UnusableError: with one line, when a bucket cannot be asked.
        """
        found = [self.files.read(watched=_watched)] if self.files.paths else []
        found += [place.read(self.files.prompts_prefix) for place in self.buckets]
        return Index(
            tuple(target for index in found for target in index.targets),
            tuple(problem for index in found for problem in index.problems),
        )


class PlaceType(click.Path):
    """A path of a file or a folder that exists, or an address of a bucket; shells complete the paths."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - click's own signature
        """Return a path or a place in a bucket."""
        if isinstance(value, str) and value.startswith(S3_SCHEME):
            return BucketPlace.parse(value)
        return super().convert(value, param, ctx)


def takes_places(*, required: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the arguments and options that name target documents, as its one argument ``places``.

    Args:
        required: whether the command is called wrongly without any.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.argument("paths", nargs=-1, required=required, metavar="PATH...", type=PlaceType())
        @root_option
        @prompts_prefix_option
        @wraps(command)
        def with_places(
            *given: object, paths: tuple[Any, ...], root: Path | None, prompts_prefix: str, **others: object
        ) -> None:
            files = tuple(path for path in dict.fromkeys(paths) if isinstance(path, Path))
            buckets = tuple(path for path in dict.fromkeys(paths) if isinstance(path, BucketPlace))
            command(*given, places=TargetPlaces(TargetFiles(files, root, prompts_prefix), buckets), **others)

        return with_places

    return decorate


def _watched(files: list[Path]) -> Iterator[Path]:
    """Yield files, and show on a terminal how many of many are done."""
    hidden = len(files) < MANY_DOCUMENTS or not _is_terminal()
    with click.progressbar(files, label="reading", hidden=hidden, file=sys.stderr) as watched:
        yield from watched


@contextmanager
def _progress() -> Iterator[Told]:
    """Show on a terminal how many documents of a bucket are read."""
    with click.progressbar(length=1, label="reading", hidden=not _is_terminal(), file=sys.stderr) as bar:

        def told(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield told


def _is_terminal() -> bool:
    return sys.stderr.isatty()
