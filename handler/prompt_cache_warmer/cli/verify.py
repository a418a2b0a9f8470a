"""``prompt-cache-warmer verify``: prove that the next real request will read what is kept warm."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.cli.target_files import TargetFiles, problem_line, prompts_prefix_option, root_option
from prompt_cache_warmer.cli.verification_lines import verification_lines
from prompt_cache_warmer.errors import RunError
from prompt_cache_warmer.values.problems import Severity, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.values.targets import Target

FUNCTION_VARIABLE = "WARMER_FUNCTION"


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=arguments.name)
@click.option(
    "--function",
    envvar=FUNCTION_VARIABLE,
    show_envvar=True,
    metavar="FUNCTION",
    help="The deployed function that verifies: the stack's output FunctionName.",
)
@click.option(
    "--file",
    "paths",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="TARGET.json",
    help="Verify from here: a document that has a target of these names, or a folder of them; repeatable.",
)
@root_option
@prompts_prefix_option
@json_option
@pass_seams
def verify(
    seams: Seams,
    *,
    names: tuple[str, ...],
    function: str | None,
    paths: tuple[Path, ...],
    root: Path | None,
    prompts_prefix: str,
    as_json: bool,
) -> None:
    """Prove that the next real request will read what is kept warm, and say why where it would not.

    For each model of the targets: a warm call, two seconds, and the smallest real request with the same prefix.
    Proven is what read at least the tokens that the warm call left in the cache, by the API's own usage. Both calls
    cost money: a refresh or a write, a read, and a token; pause, breakers, windows and caps hold for both.

    With --function the deployed function does it with its own keys, so that a pipeline needs no more than the right
    to invoke it. With --file it is done from here with ANTHROPIC_API_KEY of the environment: that proves it for the
    key and the workspace of your application, with none of the stack's state and caps but the target's own.

    Exits with 0 if all is proven, with 1 if something is not, with 2 if it could not be asked.
    """
    context = click.get_current_context()
    names = tuple(dict.fromkeys(names))
    if paths and context.get_parameter_source("function") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--function and --file are two ways to verify: say one of them")
    try:
        if paths:
            answer = _from_here(names, _named(names, TargetFiles(paths, root, prompts_prefix)), seams.clock)
        else:
            answer = _by_function(_given(function), names)
    except RunError as error:
        raise UnusableError(str(error)) from error
    try:
        lines, is_proven = list(verification_lines(answer)), answer["is_proven"] is True
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise UnusableError(f"function {function!r} answered no verification: is it of this version?") from error
    click.echo(json.dumps(answer, indent=2) if as_json else "\n".join(lines))
    context.exit(int(not is_proven))


def _given(function: str | None) -> str:
    if not function:
        raise click.UsageError(
            f"which function? Say --function FUNCTION or set {FUNCTION_VARIABLE}; FUNCTION is the stack's output "
            "FunctionName: sam list stack-outputs --stack-name STACK. Or say --file TARGET.json to verify from here."
        )
    return function


def _by_function(function: str, names: Sequence[str]) -> dict[str, Any]:
    """Let the deployed function verify.

    Raises:
        RunError: when it could not be asked, or failed.
        UnusableError: when what speaks to AWS is not installed, or not set up.
    """
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see cli.stack

        from prompt_cache_warmer.adapters.deployed_function import ask_function  # noqa: PLC0415 - as above
        from prompt_cache_warmer.wiring.aws import function_client  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; --function needs: pip install 'prompt-cache-warmer[aws,cli]'"
        raise UnusableError(message) from error
    try:
        client = function_client()
    except BotoCoreError as error:
        advice = "Set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has one."
        raise UnusableError(f"function {function!r} cannot be asked: {error} {advice}") from error
    return ask_function(client, function, {"verify": list(names)})


def _named(names: Sequence[str], files: TargetFiles) -> dict[str, Target]:
    """Read the named targets.

    Raises:
        UsageError: when a name is not that of a valid target, before anything is spent.
    """
    index = files.read()
    sources = {target.name: Path(target.source) for target in index.targets}
    missing = [name for name in names if name not in sources]
    if missing:
        errors = [problem for problem in index.problems if problem.severity is Severity.ERROR]
        likely = [problem for problem in errors if _may_be(problem, missing, files)]
        for problem in likely:
            click.echo(problem_line(problem), err=True)
        name = missing[0]
        others = len({problem.source for problem in errors} - {problem.source for problem in likely})
        what = "1 other document is" if others == 1 else f"{others} other documents are"
        hint = f"; {what} not valid: prompt-cache-warmer check says why" if others else ""
        raise click.UsageError(f"the files have no valid target {shown(name)}{nearest(name, sources)}{hint}")
    read = {name: files.read_one(sources[name]).target for name in names}
    return {name: target for name, target in read.items() if target is not None}


def _may_be(problem: Problem, missing: Sequence[str], files: TargetFiles) -> bool:
    """Tell whether an invalid document may be a target that is missed: by its file's name, or as the file was named."""
    file = Path(problem.source)
    return file.stem in missing or file in files.paths


def _from_here(names: tuple[str, ...], targets: dict[str, Target], clock: Clock) -> dict[str, Any]:
    """Verify from this machine.

    Raises:
        RunError: when nothing could be asked.
    """
    from prompt_cache_warmer.library.warming.progress import ProgressLog  # noqa: PLC0415 - only where it is asked for
    from prompt_cache_warmer.wiring.verification import verify_here  # noqa: PLC0415 - it loads the SDK, for seconds

    report = asyncio.run(verify_here(names, targets, clock=clock, log=ProgressLog(None, total=0)))
    return report.as_json()
