"""``prompt-cache-warmer verify``: prove that the next real request will read what is kept warm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.doers import takes_doer
from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.run_report import NO_REPORT
from prompt_cache_warmer.cli.stack import Seams, json_option, pass_seams
from prompt_cache_warmer.cli.verification_lines import verification_lines
from prompt_cache_warmer.rules.order import Order

if TYPE_CHECKING:
    from prompt_cache_warmer.cli.doers import Doer


@click.command(
    epilog=examples(
        "prompt-cache-warmer verify support-agent --stack STACK",
        "prompt-cache-warmer verify support-agent --file targets/support-agent.json",
    )
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=arguments.name)
@takes_doer
@json_option
@pass_seams
def verify(seams: Seams, *, names: tuple[str, ...], doer: Doer, as_json: bool) -> None:
    """Prove that the next real request reads what is kept warm.

    For each model of the targets: a warm call, two seconds, and the smallest real request with the same prefix.
    Proven is what read at least the tokens that the warm call left in the cache, by the API's own usage; where
    something is not proven it says why. Both calls cost money: a refresh or a write, a read, and a token; pause,
    breakers, windows and caps hold for both.

    With --stack or --function the deployed function does it with its own keys, so that a pipeline needs no more than
    the right to invoke it. With --file it is done from here with ANTHROPIC_API_KEY of the environment: that proves it
    for the key and the workspace of your application, with none of the stack's state and caps but the target's own.

    Exits with 0 if all is proven, with 1 if something is not, with 2 if it could not be asked.
    """
    answer = doer.carry_out(Order(verify=tuple(dict.fromkeys(names))), seams.clock)
    try:
        lines, is_proven = list(verification_lines(answer)), answer["is_proven"] is True
    except NO_REPORT as error:
        raise UnusableError(f"function {doer.function!r} answered no verification: is it of this version?") from error
    click.echo(json.dumps(answer, indent=2) if as_json else "\n".join(lines))
    click.get_current_context().exit(int(not is_proven))
