"""The Lambda handler: settings, wiring, one run, its report."""

from __future__ import annotations

import gc

gc.disable()  # all that is imported stays, and to look for garbage in it is a tenth of a cold start

from typing import TYPE_CHECKING, Any  # noqa: E402 - see above

from prompt_cache_warmer.settings import Settings  # noqa: E402 - as above
from prompt_cache_warmer.wiring.sandbox import sandbox  # noqa: E402 - as above

gc.freeze()  # nor is it looked through later
gc.enable()

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MILLISECONDS_PER_SECOND = 1000


def lambda_handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Warm what is due and return the run report; raise only when the run as a whole could not happen."""
    return sandbox(Settings.from_environment()).handle(
        event, remaining_seconds=lambda: context.get_remaining_time_in_millis() / MILLISECONDS_PER_SECOND
    )
