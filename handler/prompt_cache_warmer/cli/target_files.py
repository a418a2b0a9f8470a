"""Target documents in files, as the commands take them that work before an upload: options, finding, reading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.adapters.file_targets import document_files, index_files, read_file, root_of
from prompt_cache_warmer.settings import DEFAULT_PROMPTS_PREFIX
from prompt_cache_warmer.values.problems import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_cache_warmer.ports import Index
    from prompt_cache_warmer.values.reading import Reading

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@dataclass(frozen=True, slots=True)
class TargetFiles:
    """Where a command looks for target documents.

    Attributes:
        paths: documents, and folders of them.
        root: the folder that stands for the bucket; None to guess it for each document.
        prompts_prefix: the only prefix references may have.
    """

    paths: tuple[Path, ...]
    root: Path | None
    prompts_prefix: str

    def read(self, *, watched: Callable[[list[Path]], Iterable[Path]] = iter) -> Index:
        """Read every document once, in order.

        Args:
            watched: yields the files one after the other, and may show how far it has come.

        Raises:
            UsageError: when there is none.
        """
        files = list(document_files(self.paths))
        if not files:
            raise click.UsageError("there is no .json, .yaml or .yml file to check")
        return index_files(map(self.read_one, watched(files)))

    def read_one(self, file: Path) -> Reading:
        """Read one document, with its body."""
        return read_file(
            file,
            root=self.root or root_of(file, prompts_prefix=self.prompts_prefix),
            prompts_prefix=self.prompts_prefix,
        )


root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that stands for the bucket: text_from is looked up below it.  "
    "[default: the folder above targets/, else the file's own]",
)
prompts_prefix_option = click.option(
    "--prompts-prefix",
    envvar="PROMPTS_PREFIX",
    show_envvar=True,
    default=DEFAULT_PROMPTS_PREFIX,
    show_default=True,
    metavar="PREFIX",
    help="The only prefix that text_from may have.",
)


def problem_line(problem: Problem) -> str:
    """Say a problem as a linter does: source, place, severity, sentence, code."""
    severity = click.style(problem.severity.value, fg=_COLOURS[problem.severity])
    return f"{problem.source}: {problem.path}: {severity}: {problem.message} [{problem.code.value}]"
