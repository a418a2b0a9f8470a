"""What of a request's tools and settings goes into a target document: what the key is made of, and no secret.

Of MCP servers a list of fields is kept, because they hold what the application is let in with. Tools and the other
settings are kept as they are but for fields that are named like a credential, at any depth; a JSON Schema is the
application's own and part of the key, and a property of that name is no credential.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prompt_cache_warmer.values.problems import json_path

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.problems import JsonPath

_SERVERS = "mcp_servers"
_SERVER_TEXTS = frozenset({"type", "name"})
_SERVER_FIELDS = _SERVER_TEXTS | {"url", "tool_configuration"}
_CONFIGURATION_FIELDS = frozenset({"enabled", "allowed_tools"})
_WEB = frozenset({"http", "https"})
# What a field of a credential is called, in small letters without the signs between words.
_CREDENTIAL = re.compile(
    r"authori[sz]ation|apikey|accesskey|secret|password|credential|bearer|token$|^(auth|headers?|cookies?)$"
)
_SCHEMAS = frozenset({("output_config", "format", "schema"), ("output_format", "schema")})
_TOOL_SCHEMA = ("tools", "input_schema")


class KeptFields:
    """Keeps what belongs in a document, and remembers the places of what does not."""

    def __init__(self) -> None:
        self._left_out: list[tuple[JsonPath, str]] = []

    def field(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return what is kept of a field of a request.

        Args:
            name: the field's name.
            value: any JSON value.
        """
        if name == _SERVERS and value is not None:
            return self._servers(value)
        return self._uncredentialed(value, (name,))

    def left_out(self, kept: Json) -> list[str]:
        """List the places that were left out of fields that are kept, as far as their lists are; never a value."""
        return [
            json_path(path) + part
            for path, part in self._left_out
            if path[0] in kept and not (path[0] == "tools" and int(path[1]) >= len(kept["tools"]))
        ]

    def _uncredentialed(self, value: Any, path: JsonPath) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, list):
            return [self._uncredentialed(each, (*path, index)) for index, each in enumerate(value)]
        if not isinstance(value, dict) or _is_schema(path):
            return value
        kept = {}
        for name, inner in value.items():
            if _is_credential(name):
                self._leave_out((*path, name))
            else:
                kept[name] = self._uncredentialed(inner, (*path, name))
        return kept

    def _servers(self, servers: object) -> list[Json]:
        kept = []
        for index, server in enumerate(servers if isinstance(servers, list) else ()):
            if isinstance(server, dict):
                kept.append(self._server(server, (_SERVERS, index)))
            else:
                self._leave_out((_SERVERS, index))
        if not isinstance(servers, list):
            self._leave_out((_SERVERS,))
        return kept

    def _server(self, server: Json, path: JsonPath) -> Json:
        kept: Json = {}
        for name, value in server.items():
            here = (*path, name)
            address = _address(value) if name == "url" else None
            if address is not None:
                kept[name] = address
                if address != value:
                    self._leave_out(here, " behind its path or before its host")
            elif name in _SERVER_FIELDS and (value is None or (name in _SERVER_TEXTS and isinstance(value, str))):
                kept[name] = value
            elif name == "tool_configuration" and isinstance(value, dict):
                kept[name] = self._tool_configuration(value, here)
            else:
                self._leave_out(here)
        return kept

    def _tool_configuration(self, configuration: Json, path: JsonPath) -> Json:
        kept: Json = {}
        for name, value in configuration.items():
            is_names = isinstance(value, list) and all(isinstance(each, str) for each in value)
            is_plain = value is None or (is_names if name == "allowed_tools" else isinstance(value, bool))
            if name in _CONFIGURATION_FIELDS and is_plain:
                kept[name] = value
            else:
                self._leave_out((*path, name))
        return kept

    def _leave_out(self, path: JsonPath, part: str = "") -> None:
        self._left_out.append((path, part))


def _is_schema(path: JsonPath) -> bool:
    return path in _SCHEMAS or (path[::2] == _TOOL_SCHEMA and len(path) == len(("tools", 0, "input_schema")))


def _is_credential(name: str) -> bool:
    """Whether a field is named like a credential, such as ``authorization_token`` or ``x-api-key``."""
    return _CREDENTIAL.search(re.sub(r"[^a-z0-9]", "", name.lower())) is not None


def _address(url: object) -> str | None:
    """Return a web address without user info, query and fragment; None for what is no web address."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in _WEB or not parts.netloc:
        return None
    if "@" not in parts.netloc and not {"?", "#"} & set(url):
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
