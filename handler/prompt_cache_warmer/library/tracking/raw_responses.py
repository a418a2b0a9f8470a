"""Raw responses of an SDK (``with_raw_response``, ``with_streaming_response``): what they hold, once it has been read.

A body that nobody has read is left alone: it is the application's to read, or to leave. Reading it here would also
wait for it.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.usage_shapes import member

if TYPE_CHECKING:
    from collections.abc import Callable


def parsed(response: object) -> Any:  # noqa: ANN401 - whatever the SDK makes of it
    """Return what a raw response holds; None when it is none, was not read, or would have to be awaited."""
    parse = _parser(response)
    if parse is None or inspect.iscoroutinefunction(parse):
        return None
    with suppress(Exception):  # whatever is wrong with it, its reader is told, not its observer
        return parse()
    return None


async def parsed_later(response: object) -> Any:  # noqa: ANN401 - whatever the SDK makes of it
    """Return the same of a response whose parser may have to be awaited."""
    parse = _parser(response)
    if not inspect.iscoroutinefunction(parse):
        return parsed(response)
    with suppress(Exception):  # see above
        return await parse()
    return None


def _parser(response: object) -> Callable[[], Any] | None:
    parse: Callable[[], Any] | None = member(response, "parse")
    return parse if member(response, "is_closed") is True and callable(parse) else None
