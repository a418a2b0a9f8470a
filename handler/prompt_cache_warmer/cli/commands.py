"""The commands under one name."""

from __future__ import annotations

import click

from prompt_cache_warmer.cli.capture import capture
from prompt_cache_warmer.cli.check import check
from prompt_cache_warmer.cli.diff import diff
from prompt_cache_warmer.cli.pause import pause
from prompt_cache_warmer.cli.plan import plan
from prompt_cache_warmer.cli.replay import replay
from prompt_cache_warmer.cli.report import report
from prompt_cache_warmer.cli.resume import resume
from prompt_cache_warmer.cli.schema import schema
from prompt_cache_warmer.cli.show import show
from prompt_cache_warmer.cli.touch import touch
from prompt_cache_warmer.cli.verify import verify

_EXIT_CODES = (
    "Exit codes: 0 all is well; 1 it was read or asked, and the answer is bad: something is invalid, different, not "
    "proven, or there is nothing to report; 2 it was called wrongly, or could not be asked or written at all: no "
    "region, no credentials, no network, a refusal."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES)
@click.version_option(package_name="prompt-cache-warmer", message="%(prog)s %(version)s")
def commands() -> None:
    """Keep the prompt caches of Claude agents warm, at the lowest price, with proof."""


for command in (capture, check, diff, pause, plan, replay, report, resume, schema, show, touch, verify):
    commands.add_command(command)
