"""The commands under one name."""

from __future__ import annotations

import click

from prompt_cache_warmer.cli.capture import capture
from prompt_cache_warmer.cli.check import check
from prompt_cache_warmer.cli.completion import completion
from prompt_cache_warmer.cli.diff import diff
from prompt_cache_warmer.cli.doctor import doctor
from prompt_cache_warmer.cli.exit_codes import in_a_sentence
from prompt_cache_warmer.cli.init import init
from prompt_cache_warmer.cli.metrics import metrics
from prompt_cache_warmer.cli.pause import pause
from prompt_cache_warmer.cli.plan import plan
from prompt_cache_warmer.cli.replay import replay
from prompt_cache_warmer.cli.report import report
from prompt_cache_warmer.cli.resume import resume
from prompt_cache_warmer.cli.schema import schema
from prompt_cache_warmer.cli.sections import Sections
from prompt_cache_warmer.cli.show import show
from prompt_cache_warmer.cli.status import status
from prompt_cache_warmer.cli.touch import touch
from prompt_cache_warmer.cli.verify import verify
from prompt_cache_warmer.cli.warm import warm


def _plain(context: click.Context, _: click.Parameter, sign: str | None) -> None:
    """Leave out colours where the environment says so: https://no-color.org."""
    if sign:
        context.color = False


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]}, epilog=in_a_sentence())
@click.version_option(package_name="prompt-cache-warmer", message="%(prog)s %(version)s")
@click.option("--no-color", envvar="NO_COLOR", hidden=True, expose_value=False, is_eager=True, callback=_plain)
def commands() -> None:
    """Keep the prompt caches of Claude agents warm, at the lowest price, with proof."""


commands.add_sections(
    {
        "Targets": (init, check, plan, capture, diff),
        "Operate": (status, doctor, warm, show, pause, resume, touch),
        "Prove": (verify, report, replay),
        "Tools": (metrics, schema, completion),
    }
)
