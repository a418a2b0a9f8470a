"""The API's rules for `system` and `messages`: shapes, blank text, and tool calls with their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.messages_api.errors import invalid_request

if TYPE_CHECKING:
    from infra.local.messages_api.blocks import JsonObject

ROLES = ("user", "assistant", "system")  # `system` inside messages is the mid-conversation system message
MAXIMUM_MESSAGES = 100_000  # documented limit of one request


def check_system(system: Any) -> None:  # noqa: ANN401 - anything may have been sent
    """Check the system prompt: a string, or text blocks that say something.

    Raises:
        ApiError: 400.
    """
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid_request("system: Input should be a valid string or list of text blocks")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise invalid_request(f"system.{index}: Input should be a text block")
        _check_text(block, f"system.{index}")


def check_conversation(messages: Any) -> None:  # noqa: ANN401 - anything may have been sent
    """Check the messages of a request.

    Raises:
        ApiError: 400.
    """
    if not isinstance(messages, list):
        raise invalid_request("messages: Input should be a valid list")
    if not messages:
        raise invalid_request("messages: at least one message is required")
    if len(messages) > MAXIMUM_MESSAGES:
        raise invalid_request(f"messages: at most {MAXIMUM_MESSAGES} messages are allowed, got {len(messages)}")
    for index, message in enumerate(messages):
        _check_message(message, f"messages.{index}")
    _check_tool_pairs(messages)


def _check_message(message: Any, path: str) -> None:  # noqa: ANN401 - anything may have been sent
    if not isinstance(message, dict):
        raise invalid_request(f"{path}: Input should be a valid dictionary")
    if message.get("role") not in ROLES:
        raise invalid_request(f"{path}.role: Input should be 'user', 'assistant' or 'system'")
    content = message.get("content")
    if isinstance(content, str):
        _check_text({"type": "text", "text": content}, f"{path}.content")
        return
    if not isinstance(content, list):
        raise invalid_request(f"{path}.content: Input should be a valid string or list of blocks")
    if not content:
        raise invalid_request(f"{path}: {message['role']} messages must have non-empty content")
    for index, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise invalid_request(f"{path}.content.{index}: Input should be a content block with a type")
        _check_text(block, f"{path}.content.{index}")


def _check_text(block: JsonObject, path: str) -> None:
    if block["type"] != "text":
        return
    text = block.get("text")
    if not isinstance(text, str):
        raise invalid_request(f"{path}.text: Field required")
    if text.strip():
        return
    if block.get("cache_control") is not None:
        raise invalid_request(f"{path}.text: cache_control cannot be set for empty text blocks")
    raise invalid_request(f"{path}: text content blocks must contain non-whitespace text")


def _check_tool_pairs(messages: list[JsonObject]) -> None:
    """Every tool_use has its tool_result in the next turn, and the reverse."""
    waiting: set[str] = set()
    for first_index, role, blocks in _turns(messages):
        results = _ids(blocks, "tool_result", "tool_use_id") if role == "user" else []
        unexpected = [result for result in results if result not in waiting]
        if unexpected:
            raise invalid_request(
                f"messages.{first_index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{', '.join(unexpected)}. Each `tool_result` block must have a corresponding `tool_use` "
                "block in the previous message."
            )
        _check_answered(first_index - 1, waiting - set(results))
        waiting = set(_ids(blocks, "tool_use", "id")) if role == "assistant" else set()
    _check_answered(len(messages) - 1, waiting)


def _check_answered(index: int, unanswered: set[str]) -> None:
    if unanswered:
        raise invalid_request(
            f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(sorted(unanswered))}. Each `tool_use` block must have a corresponding "
            "`tool_result` block in the next message."
        )


def _turns(messages: list[JsonObject]) -> list[tuple[int, str, list[JsonObject]]]:
    """Join consecutive messages of one role, as the API does; system messages are no turn."""
    turns: list[tuple[int, str, list[JsonObject]]] = []
    for index, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role == "system":
            continue
        blocks = content if isinstance(content, list) else []
        if turns and turns[-1][1] == role:
            turns[-1][2].extend(blocks)
        else:
            turns.append((index, role, list(blocks)))
    return turns


def _ids(blocks: list[JsonObject], block_type: str, field: str) -> list[str]:
    return [str(block.get(field)) for block in blocks if block["type"] == block_type]
