"""Commands that call the Messages API from this machine: targets in files, the key of the environment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.target_files import problem_line
from prompt_cache_warmer.errors import RunError, SettingsError
from prompt_cache_warmer.values.problems import Severity, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.cli.target_files import TargetFiles
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.values.targets import Target


def own_targets(names: Sequence[str], files: TargetFiles) -> dict[str, Target]:
    """Read the named targets out of files; all of them without a name.

    Raises:
        UsageError: when a name is not that of a valid target, or there is none, before anything is spent.
    """
    index = files.read()
    sources = {target.name: Path(target.source) for target in index.targets}
    errors = [problem for problem in index.problems if problem.severity is Severity.ERROR]
    if errors and not names:
        _say(errors)
        raise click.UsageError("not all of these documents are valid targets: mend them, or say which NAMEs are meant")
    missing = [name for name in names if name not in sources]
    if missing:
        likely = [problem for problem in errors if _may_be(problem, missing, files)]
        _say(likely)
        name = missing[0]
        others = len({problem.source for problem in errors} - {problem.source for problem in likely})
        what = "1 other document is" if others == 1 else f"{others} other documents are"
        hint = f"; {what} not valid: prompt-cache-warmer check says why" if others else ""
        raise click.UsageError(f"the files have no valid target {shown(name)}{nearest(name, sources)}{hint}")
    read = {name: files.read_one(sources[name]).target for name in names or sources}
    return {name: target for name, target in read.items() if target is not None}


def _say(problems: Sequence[Problem]) -> None:
    for problem in problems:
        click.echo(problem_line(problem), err=True)


def _may_be(problem: Problem, missing: Sequence[str], files: TargetFiles) -> bool:
    """Tell whether an invalid document may be a target that is missed: by its file's name, or as the file was named."""
    file = Path(problem.source)
    return file.stem in missing or file in files.paths


def run_from_here(order: Order, targets: dict[str, Target], clock: Clock) -> dict[str, Any]:
    """Carry out an order from this machine.

    Args:
        order: what is asked for.
        targets: the targets by name.
        clock: the time.

    Returns:
        The run report as the deployed function answers it.

    Raises:
        UnusableError: with one line, when nothing could be asked.
    """
    from prompt_cache_warmer.library.warming.progress import ProgressLog  # noqa: PLC0415 - only where it is asked for
    from prompt_cache_warmer.wiring.own_machine import run_here  # noqa: PLC0415 - it loads the SDK, for seconds

    try:
        report = asyncio.run(run_here(order, targets, clock=clock, log=ProgressLog(None, total=0)))
    except (RunError, SettingsError) as error:
        raise UnusableError(str(error)) from error
    return report.as_json()
