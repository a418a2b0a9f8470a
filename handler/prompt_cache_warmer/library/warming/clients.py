"""What the warmers take as a client, for type checkers: a client of the other kind is an error in the editor already.

At run time ``wiring.engine.connected`` decides. It takes more than is said here, such as a client that was typed
as an ``object``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    import anthropic


class Answered(Protocol):
    """A message: what makes it one here is its usage."""

    @property
    def usage(self) -> object:
        """What the call read from the cache and wrote to it."""


class Messages(Protocol):
    """Makes calls and answers with a message, or a dictionary of its shape."""

    @property
    def create(self) -> Callable[..., Answered | Mapping[str, Any]]:
        """Make one call; the request comes as keyword arguments."""


class AsyncMessages(Protocol):
    """``Messages`` whose answer is awaited."""

    @property
    def create(self) -> Callable[..., Awaitable[Answered | Mapping[str, Any]]]:
        """Make one call; the request comes as keyword arguments."""


class HasMessages(Protocol):
    """Any client in the shape of the SDK's; those of Bedrock and Vertex share no public base with the others."""

    @property
    def messages(self) -> Messages:
        """Where calls are made."""


class HasAsyncMessages(Protocol):
    """``HasMessages`` of the asynchronous kind."""

    @property
    def messages(self) -> AsyncMessages:
        """Where calls are made."""


# In quotes, because the SDK is not loaded for its types. A callable may answer with anything: what has no usage
# proves nothing, and what can be awaited is told apart when a warmer is made.
Client: TypeAlias = "anthropic.Anthropic | HasMessages | Callable[[dict[str, Any]], object]"
AsyncClient: TypeAlias = "anthropic.AsyncAnthropic | HasAsyncMessages | Callable[[dict[str, Any]], Awaitable[object]]"
