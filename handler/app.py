"""The Lambda handler: settings, wiring, one run, its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.wiring.sandbox import sandbox

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MILLISECONDS_PER_SECOND = 1000


def lambda_handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Warm what is due and return the run report; raise only when the run as a whole could not happen."""
    return sandbox(Settings.from_environment()).handle(
        event, remaining_seconds=lambda: context.get_remaining_time_in_millis() / MILLISECONDS_PER_SECOND
    )
