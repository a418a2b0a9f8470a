"""The pieces a conversation can be cut into: what the API accepts together or not at all is one unit.

- Consecutive assistant messages are one turn for the API, and a server tool's result may stand in the second.
- A ``tool_use`` and its ``tool_result`` stand in one unit with everything between them.
- A system message in the middle follows a user's message and precedes an assistant's, or the API answers
  400; so the three are one unit. A system message that opens the list stands alone.

Source: the API's documentation of tool use, of the Messages endpoint and of mid-conversation system messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.body import Json, marked_blocks
from prompt_cache_warmer.values.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES = ("user", "assistant", "system")


@dataclass(frozen=True, slots=True)
class Unit:
    """Consecutive messages that are kept or dropped together.

    Attributes:
        places: where they stand in the list.
        led_by: the role of the first of them that is not a system message; None where all are.
    """

    places: range
    led_by: str | None


def read_messages(messages: object) -> list[Json]:
    """Read messages as the engine does: plain JSON, the SDK's own block objects included.

    Raises:
        ArgumentTypeError: something has the wrong type.
        ArgumentValueError: a role is unknown or a message is empty.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise ArgumentTypeError("messages", f"is {_kind(messages)}; give a list of messages")
    return [_read_message(message, f"messages[{at}]") for at, message in enumerate(messages)]


def cached_until(messages: Sequence[Json]) -> int:
    """Count the messages up to and including the last that carries a marker: the cached prefix."""
    marked = marked_blocks({"messages": messages})
    return int(marked[-1].path[1]) + 1 if marked else 0


def units_of(messages: Sequence[Json]) -> list[Unit]:
    """Cut a conversation into its units.

    Raises:
        ArgumentValueError: a tool call and its result do not belong together; the API would refuse it.
    """
    starts = [at for at, is_joined in enumerate(_joins(messages)) if not is_joined]
    ranges = [range(start, stop) for start, stop in pairwise([*starts, len(messages)])]
    return [Unit(places, _led_by([messages[at] for at in places])) for places in ranges]


@dataclass(slots=True)
class _Turn:
    """The turn so far; system messages are no turn of their own."""

    role: str | None = None
    calls: set[str] = field(default_factory=set)
    unanswered: dict[str, int] = field(default_factory=dict)
    results_end: int = 0


def _joins(messages: Sequence[Json]) -> Iterator[bool]:
    """Tell of each message whether it cannot be parted from the one before it."""
    turn = _Turn()
    for at, message in enumerate(messages):
        role = message["role"]
        if role == "system":
            yield turn.role is not None
            continue
        if role == "assistant":
            yield turn.role is not None and messages[at - 1]["role"] != "user"
            if turn.role != role:
                _check_answered(turn)
                turn = _Turn(role)
            calls = _ids(message, "tool_use", "id")
            turn.calls.update(calls)
            turn.unanswered.update(dict.fromkeys(calls, at))
            continue
        if turn.role == "assistant":
            turn.results_end = _results_end(messages, at)
        turn.role = role
        yield at < turn.results_end
        for answered in _ids(message, "tool_result", "tool_use_id"):
            if answered not in turn.calls:
                raise ArgumentValueError(
                    f"messages[{at}]", "has a tool_result for no tool_use of the assistant's turn before it"
                )
            turn.unanswered.pop(answered, None)


def _results_end(messages: Sequence[Json], start: int) -> int:
    """Find the end of the results in the user's turn that begins at ``start``; 0 where it has none."""
    end = 0
    for at in range(start, len(messages)):
        if messages[at]["role"] == "assistant":
            break
        if _ids(messages[at], "tool_result", "tool_use_id"):
            end = at + 1
    return end


def _check_answered(turn: _Turn) -> None:
    for at in turn.unanswered.values():
        raise ArgumentValueError(
            f"messages[{at}]", "has a tool_use without its tool_result in the user's turn after it"
        )


def _ids(message: Json, kind: str, name: str) -> list[str]:
    content = message["content"]
    found = content if isinstance(content, list) else []
    return [str(block.get(name)) for block in found if block.get("type") == kind]


def _led_by(messages: Sequence[Json]) -> str | None:
    return next((str(message["role"]) for message in messages if message["role"] != "system"), None)


def _read_message(message: object, place: str) -> Json:
    if not isinstance(message, Mapping):
        raise ArgumentTypeError(place, f"is {_kind(message)}; give a message with role and content")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        what = shown(role, ("role",)) if isinstance(role, str) else _kind(role)
        raise ArgumentValueError(f"{place}.role", f"is {what}; allowed: 'user', 'assistant', 'system'")
    if not isinstance(content, str | list | tuple):
        raise ArgumentTypeError(f"{place}.content", f"is {_kind(content)}; give a text or a list of blocks")
    if not content:
        raise ArgumentValueError(f"{place}.content", "is empty; the API refuses empty messages")
    if isinstance(content, str):
        return {"role": role, "content": content}
    blocks = [_read_block(block, f"{place}.content[{at}]") for at, block in enumerate(content)]
    return {"role": role, "content": blocks}


def _read_block(block: object, place: str) -> Json:
    if isinstance(block, Mapping):
        return dict(block)
    if hasattr(block, "model_dump"):  # an answer's content goes back into the list as the SDK's own objects
        return cast("Json", block.model_dump(mode="json", exclude_unset=True))
    raise ArgumentTypeError(place, f"is {_kind(block)}; give an object")


def _kind(value: Any) -> str:  # noqa: ANN401 - anything may have been given
    return "missing" if value is None else f"of type {type(value).__name__}"
