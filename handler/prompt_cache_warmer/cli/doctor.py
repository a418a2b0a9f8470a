"""``prompt-cache-warmer doctor``: everything a deployment consists of, each green or red, with the line to type."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.deployment import (
    BUCKET_VARIABLE,
    function_option,
    own_option,
    stack_option,
    table_option,
)
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.opening import over_aws
from prompt_cache_warmer.cli.place import WHICH_PLACE, find_place
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.rules.checkup import CheckState, Finding, Named, not_asked, red

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_cache_warmer.cli.place import Place

_COLOURS = {
    CheckState.GREEN: "green",
    CheckState.RED: "red",
    CheckState.NOTED: "yellow",
    CheckState.NOT_ASKED: "yellow",
}
_WORD_WIDTH = max(len(state.value) for state in CheckState)
_INDENT = "  "
_NOT_ASKED_CODE = 2
_DEPLOYMENT = "deployment"
_BY_NAMES = "what needs none of it: prompt-cache-warmer doctor --bucket BUCKET --table TABLE"
_LIST_STACKS = "aws cloudformation describe-stacks --query 'Stacks[].StackName'"


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found.

    Attributes:
        account: who asks, and with what.
        deployment: what was found of the deployment.
    """

    account: list[Finding]
    deployment: list[Finding]

    @property
    def findings(self) -> list[Finding]:
        """All of it, in order."""
        return [*self.account, *self.deployment]

    @property
    def exit_code(self) -> int:
        """What the command exits with: nothing could be asked where it is not known who asks, or what to look at."""
        is_unknown = any(finding.check == "identity" and finding.state is CheckState.RED for finding in self.account)
        is_unread = any(finding.check == _DEPLOYMENT for finding in self.deployment)  # nothing else says so
        return _NOT_ASKED_CODE if is_unknown or is_unread else int(self.count(CheckState.RED) > 0)

    def count(self, state: CheckState) -> int:
        """Count the findings in a state."""
        return sum(finding.state is state for finding in self.findings)


@click.command(epilog=examples("prompt-cache-warmer doctor --stack STACK"))
@stack_option
@function_option
@own_option("--bucket", BUCKET_VARIABLE, "with --table: the bucket of its targets, its output TargetsBucketName.")
@table_option
@json_option
@pass_seams
def doctor(
    seams: Seams, *, stack: str | None, function: str | None, bucket: str | None, table: str | None, as_json: bool
) -> None:
    """Check all that a deployment consists of, and say the fix.

    Account, identity and region; the stack; its bucket, table, function, schedule, upload trigger and workers; the
    secret and each credential with its workspace; this machine's clock against AWS's and the API's; the targets, the
    minimums of their models, their caps, the last tick; a pause, stopped credentials, open breakers and budgets that
    are used up; the versions of what is installed here.

    It asks as you, by your own AWS identity, and reads only; no warm call is made and no key is shown. What you may
    not read is "not asked", which is no fault of the deployment, and so is a signed or federated credential that
    refuses you: verify lets the function prove it. A pause is "noted". The checks are made beside each other and each
    for 20 seconds at most, so that none hides another.

    Exits with 0 if nothing is red, with 1 if something is, with 2 if AWS does not know who asks, there is no
    such deployment, you may not read what it is, or what to look at was not said.
    """
    if not (stack or function or (bucket and table)):
        raise click.UsageError(WHICH_PLACE)
    context = click.get_current_context()

    def place() -> Place:
        return find_place(context, stack=stack, function=function, bucket=bucket, table=table)

    with over_aws("the deployment"):
        found = _checkup(seams, place)
    if as_json:
        answer = {
            "is_well": found.exit_code == 0,
            **{state.name.lower(): found.count(state) for state in CheckState},
            "checks": [finding.as_json() for finding in found.findings],
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        for line in _lines(found.findings):
            click.echo(line)
        counts = (f"{found.count(state)} {state.value}" for state in CheckState)
        click.echo(", ".join(counts))
    context.exit(found.exit_code)


def _checkup(seams: Seams, place: Callable[[], Place]) -> Checkup:
    from prompt_cache_warmer.wiring.checkup.asking import is_denied  # noqa: PLC0415 - as below
    from prompt_cache_warmer.wiring.checkup.checkup import (  # noqa: PLC0415 - AWS only where it is asked for
        check_account,
        check_deployment,
        nothing_asked,
    )

    account = asyncio.run(check_account(seams.clock))
    try:
        found = place()
    except UnusableError as error:
        if is_denied(error):
            failure = not_asked(_DEPLOYMENT, error.format_message(), fix=_BY_NAMES)
        else:
            failure = red(_DEPLOYMENT, error.format_message(), fix=_LIST_STACKS)
        return Checkup(account, [failure, *nothing_asked("the deployment's settings could not be read")])
    settings = found.settings.model_copy(update={"state_table": found.table})
    named = Named(state=found.state_option, function=found.function_option)
    checking = check_deployment(settings, function=found.function, named=named, clock=seams.clock)
    return Checkup(account, asyncio.run(checking))


def _lines(findings: list[Finding]) -> Iterator[str]:
    """Yield a line for each finding and its fix; checks beside each other that say the same share a line."""
    for (state, sentence, fix), alike in groupby(findings, key=lambda one: (one.state, one.sentence, one.fix)):
        word = click.style(f"{state.value:<{_WORD_WIDTH}}", fg=_COLOURS[state])
        yield f"{word} {_plain(', '.join(finding.check for finding in alike))}: {_plain(sentence)}"
        if fix is not None:
            yield click.style(f"{_INDENT}-> {_plain(fix)}", fg="cyan")


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
