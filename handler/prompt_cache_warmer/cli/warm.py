"""``prompt-cache-warmer warm``: warm targets now, by the deployed function or from this machine."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.counting import counted
from prompt_cache_warmer.cli.doers import takes_doer
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.run_report import NO_REPORT, Shown
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.problems import ProblemCode, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.cli.doers import Doer

# Not called, and all is well: the entry is alive, or another run is calling it.
_ALIVE = frozenset({Reason.OUTLIVES_TICK, Reason.OUTLIVES_WINDOW, Reason.CALLED_THIS_TICK, Reason.CLAIMED})
# Not called, because its own document says so: all is well where nobody asked for it by name.
_BY_ITS_RULE = frozenset(
    {
        *(Reason.DISABLED, Reason.OUTSIDE_WINDOW, Reason.KEPT_ONCE),
        *(Reason.NO_TRAFFIC, Reason.LEFT_TO_TRAFFIC, Reason.BREAK_EVEN, Reason.NO_BREAK_EVEN),
    }
)
_BAD_COUNTS = ("entries_failed", "entries_deferred", "uncached")


@click.command(
    epilog=examples(
        "prompt-cache-warmer warm support-agent --stack STACK",
        "prompt-cache-warmer warm --all --dry-run --stack STACK",
        "prompt-cache-warmer warm --file targets/support-agent.json",
    )
)
@click.argument("names", metavar="[NAME]...", nargs=-1, type=arguments.name)
@click.option("--all", "is_all", is_flag=True, help="All targets: what the next tick would call.")
@click.option("--dry-run", is_flag=True, help="Say what would be called and what it costs; call nothing.")
@takes_doer
@json_option
@pass_seams
def warm(seams: Seams, *, names: tuple[str, ...], is_all: bool, dry_run: bool, doer: Doer, as_json: bool) -> None:
    """Warm targets now, and say what each warm call proved.

    With --stack or --function the deployed function does it, with its keys, its state and its caps; whoever types it
    needs lambda:InvokeFunction and no key. With --file it is done from here with ANTHROPIC_API_KEY of the environment,
    for that key's workspace, whatever the keeping rule; no stack knows of it, and only the targets' own caps hold.

    What is alive and outlives the next tick is not called again. A warm call costs a refresh, or a write where the
    entry is cold; --dry-run says how much. The report is that of show, --json prints it as the function answers it.

    Exits with 1 where something that was asked for failed, was left to the next tick, proved uncached, or is kept back
    and not known to be warm: by a cap, a pause, a breaker, or, if it was named, by its own rule; with --all also where
    a document is no valid target or was not read yet. With 2 if it could not be asked.
    """
    if bool(names) is is_all and not (doer.files is not None and not names):
        raise click.UsageError("which targets? Say their NAMEs, or --all for all of them; one of the two")
    order = Order(targets=tuple(dict.fromkeys(names)) or None, dry_run=dry_run)
    answer = doer.carry_out(order, seams.clock)
    try:
        own, others = own_problems(answer, names)
        shown, is_well = Shown({**answer, "problems": own}), is_warm(answer, is_named=bool(names))
    except NO_REPORT as error:
        raise UnusableError(f"function {doer.function!r} answered no run report: is it of this version?") from error
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        shown.print()
        if others:
            click.echo(f"{others} of other documents: prompt-cache-warmer check names them")
    click.get_current_context().exit(int(not is_well))


def own_problems(answer: Mapping[str, Any], names: tuple[str, ...]) -> tuple[list[Any], str]:
    """Tell the problems that may be those of the targets that were asked for from those that cannot.

    Args:
        answer: the report, as JSON.
        names: the targets' names; all are meant where there is none.

    Returns:
        Their own problems, and the others counted in words; none is an empty text.
    """
    problems = list(answer["problems"])
    if not names:
        return problems, ""
    own = [
        problem
        for problem in problems
        if problem["code"] == ProblemCode.NO_SUCH_TARGET or PurePosixPath(problem["source"]).stem in names
    ]
    others = sum(problem not in own and problem["severity"] == Severity.ERROR for problem in problems)
    return own, counted(others, "problem") if others else ""


def is_warm(answer: Mapping[str, Any], *, is_named: bool) -> bool:
    """Tell from a run report whether all that was asked for is warm, or is as its document wants it.

    Args:
        answer: the report, as JSON.
        is_named: whether targets were asked for by name; not called by their own rule, they are not warm. Where all
            were asked for, a document that is no target, or was not read, is one of them.
    """
    fine = _ALIVE if is_named else _ALIVE | _BY_ITS_RULE
    codes = {problem["code"] for problem in answer["problems"]}
    is_whole = is_named or (not answer["totals"]["targets_invalid"] and ProblemCode.NOT_READ_YET not in codes)
    return (
        is_whole
        and not any(answer["totals"][count] for count in _BAD_COUNTS)
        and set(answer["skipped"]) <= fine
        and ProblemCode.NO_SUCH_TARGET not in codes
    )
