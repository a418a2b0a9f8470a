"""The SDK's own time-out, which may come first."""

from __future__ import annotations

import anthropic
import httpx2

from prompt_cache_warmer.adapters.anthropic_errors import translate
from prompt_cache_warmer.errors import CallTimeoutError
from prompt_cache_warmer.rules.request import warm_call
from tests.fakes import MODEL, target


def test_the_sdks_time_out_is_ours() -> None:
    """Whichever clock runs out first, it is the same failure."""
    error = anthropic.APITimeoutError(request=httpx2.Request("POST", "http://127.0.0.1"))
    assert type(translate(error, warm_call(target(), MODEL))) is CallTimeoutError
