"""The Messages API of a run, whose SDK is loaded when the first call is due and not before.

The SDK is three quarters of all that a cold start would load, and most ticks find nothing due. It is loaded with the
first body, which nobody asks for unless it is to be called: the clock of a call starts later, so that the seconds
this takes are not taken for the API's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages
    from prompt_cache_warmer.ports import Answer, BodySource
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.targets import Target, TargetSummary


class MessagesOnDemand:
    """A ``BodySource`` and a ``MessagesApi``; use it as an async context manager, once per run.

    Args:
        bodies: where bodies are.
        make: loads the SDK and makes what sends the calls.
    """

    def __init__(self, bodies: BodySource, make: Callable[[], AnthropicMessages]) -> None:
        self._bodies = bodies
        self._make = make
        self._made: AnthropicMessages | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._made is not None:
            await self._made.__aexit__()

    async def fetch(self, target: TargetSummary) -> Target:
        """Return the target with its body, and be ready to send it.

        Raises:
            TargetUnavailableError: when that version cannot be had any more, or not now.
        """
        self._messages()
        return await self._bodies.fetch(target)

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a warm call.

        Raises:
            WarmCallError: the branch that says what the operator should do.
            SecretUnreadableError: when there are no credentials at all.
        """
        return await self._messages().send(call, timeout_seconds=timeout_seconds)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Ask for the API's own estimate of a call's input tokens.

        Raises:
            WarmCallError: when it cannot be had.
            SecretUnreadableError: when there are no credentials at all.
        """
        return await self._messages().count_tokens(call, timeout_seconds=timeout_seconds)

    def _messages(self) -> AnthropicMessages:
        if self._made is None:
            self._made = self._make()
        return self._made
