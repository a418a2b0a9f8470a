"""The keyword arguments of a call, as a Messages API body: what the engine's fingerprint reads.

An application passes its SDK's own objects back as messages, so they are turned into JSON here. An iterator is
left alone: reading it would take it away from the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import BETA_HEADER, DEFAULT_TTL
from prompt_cache_warmer.values.prefix import RENDERED_SETTINGS
from prompt_cache_warmer.values.usage_shapes import member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.usage_shapes import Provider

_BODY_FIELDS = ("tools", "system", "messages", "cache_control", "tool_choice", "output_config", *RENDERED_SETTINGS)
_INSTRUCTION_ROLES = frozenset({"system", "developer"})


def body_of(arguments: Mapping[str, Any], *, provider: Provider) -> Json:
    """Read the body of a call; a provider's own shape becomes tools, system and messages.

    Raises:
        TypeError: when they hold something that is not JSON and does not become JSON.
    """
    given = {**arguments, **(arguments.get("extra_body") or {})}
    if provider == "openai":
        return _openai_body(given)
    if "modelId" in given:
        return _converse_body(given)
    return {name: _plain(given[name]) for name in _BODY_FIELDS if given.get(name)}


def model_of(arguments: Mapping[str, Any]) -> str:
    """Read the model's id; Bedrock's own calls name it otherwise."""
    found = arguments.get("modelId") or arguments.get("model") or ""
    return str.__str__(found) if isinstance(found, str) else str(found)  # an enumeration's member writes its own name


def betas_of(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """List a call's beta features: its own argument's and its header's."""
    headers: Mapping[str, str] = arguments.get("extra_headers") or {}
    named = [value for name, value in headers.items() if name.lower() == BETA_HEADER]
    listed = ",".join([*(arguments.get("betas") or ()), *named])
    return tuple(beta.strip() for beta in listed.split(",") if beta.strip())


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    dump = member(value, "model_dump")  # an answer's block, as the SDK made it: it sends what was set, and so is read
    if dump is None:
        raise TypeError(f"a {type(value).__name__} in a request is not JSON")
    return dump(mode="json", exclude_unset=True)


def _openai_body(given: Mapping[str, Any]) -> Json:
    sent = _plain(given.get("messages") or given.get("input") or [])
    messages = [{"role": "user", "content": sent}] if isinstance(sent, str) else sent
    leading = list(takewhile(lambda message: message.get("role") in _INSTRUCTION_ROLES, messages))
    system = [given["instructions"]] if given.get("instructions") else []
    for message in leading:
        system += [message["content"]] if isinstance(message["content"], str) else message["content"]
    return {
        "tools": _plain(given.get("tools") or []),
        "system": [{"type": "text", "text": each} if isinstance(each, str) else each for each in system],
        "messages": messages[len(leading) :],
    }


def _converse_body(given: Mapping[str, Any]) -> Json:
    tools: Mapping[str, Any] = given.get("toolConfig") or {}
    return {
        **_plain(given.get("additionalModelRequestFields") or {}),
        "tools": _marked(_plain(tools.get("tools") or [])),
        "system": _marked(_plain(given.get("system") or [])),
        "messages": [
            {**message, "content": _marked(message["content"])} for message in _plain(given.get("messages") or [])
        ],
        **({"tool_choice": _plain(tools["toolChoice"])} if tools.get("toolChoice") else {}),
    }


def _marked(content: Sequence[Json]) -> list[Json]:
    """Turn cache points, which stand behind what they mark, into markers on it."""
    marked: list[Json] = []
    for block in content:
        point = block.get("cachePoint")
        if point is None:
            marked.append(block)
        elif marked:
            marked[-1] = {**marked[-1], "cache_control": {"type": "ephemeral", "ttl": point.get("ttl", DEFAULT_TTL)}}
    return marked
