"""What ``capture`` keeps of tools and settings: no secret of any kind, whatever field it stands in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules.capture import capture
from prompt_cache_warmer.values.prefix import fingerprint
from tests.canaries import CANARY
from tests.documents import FIVE_MINUTES, Json, read, text, user, valid
from tests.planted_secrets import KEPT_SERVER, MODEL, PLANTED, SERVER, TOOL, WORTH, place_of, planted, server

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA: Json = {
    "type": "object",
    "properties": {"authorization_token": {"type": "string"}, "headers": {"type": "object"}, "api_key": {}},
    "required": ["authorization_token"],
}


def left_out(request: Json) -> tuple[str, ...]:
    """Return the places that are left out of what is captured."""
    found = capture(request)
    assert found is not None
    return found.left_out


@pytest.mark.parametrize("place", PLANTED)
def test_a_secret_is_left_out_and_its_place_is_named(place: str, tmp_path: Path) -> None:
    """Neither in the file nor on a stream; the place is said without what stood there."""
    result = CliRunner(catch_exceptions=False).invoke(
        commands, ["capture", "-", "-o", str(tmp_path / "t.json")], input=json.dumps(planted(place))
    )
    assert result.exit_code == 0
    assert CANARY not in (tmp_path / "t.json").read_text(encoding="utf-8") + result.stdout + result.stderr
    assert result.stderr.splitlines()[-1] == f"left out, and perhaps part of the key: {place_of(place)}"


def test_what_is_listed_of_a_server_is_kept_as_it_is() -> None:
    """Type, name, address, and which tools there are, in the request's own order; nothing is named."""
    request = {"system": [text(WORTH, cache_control=FIVE_MINUTES)], "mcp_servers": [KEPT_SERVER]}
    found = capture(request)
    assert found is not None
    assert json.dumps(found.request["mcp_servers"]) == json.dumps([KEPT_SERVER])
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://mcp.example.com:8443/sse/", "https://mcp.example.com:8443/sse/"),
        ("HTTPS://mcp.example.com", "HTTPS://mcp.example.com"),
        ("http://localhost/@scope", "http://localhost/@scope"),
        (f"https://u:{CANARY}@mcp.example.com:8443/sse", "https://mcp.example.com:8443/sse"),
        (f"https://a@{CANARY}@mcp.example.com", "https://mcp.example.com"),
        (f"https://mcp.example.com/sse?{CANARY}", "https://mcp.example.com/sse"),
        (f"https://mcp.example.com#{CANARY}", "https://mcp.example.com"),
    ],
)
def test_of_an_address_scheme_host_and_path_are_kept(url: str, kept: str) -> None:
    """User info, query and fragment are where people put keys; what has none of them is not touched."""
    found = capture({"system": WORTH, "mcp_servers": [{**SERVER, "url": url}]})
    assert found is not None
    assert found.request["mcp_servers"][0]["url"] == kept
    assert found.left_out == (() if url == kept else ("$.mcp_servers[0].url behind its path or before its host",))


@pytest.mark.parametrize(
    "url",
    [CANARY, f"u:{CANARY}@mcp.example.com", f"https:/{CANARY}", f"https://[{CANARY}", f"ftp://{CANARY}/", 5, [CANARY]],
)
def test_what_is_no_web_address_is_left_out_whole(url: Any) -> None:
    """Nobody knows which part of it is secret."""
    found = capture({"system": WORTH, "mcp_servers": [{**SERVER, "url": url}]})
    assert found is not None
    assert found.request["mcp_servers"] == [{"type": "url", "name": "crm"}]
    assert found.left_out == ("$.mcp_servers[0].url",)


@pytest.mark.parametrize(
    ("servers", "kept", "places"),
    [
        ([CANARY, SERVER], [SERVER], ("$.mcp_servers[0]",)),
        ({"a": CANARY}, [], ("$.mcp_servers",)),
        (CANARY, [], ("$.mcp_servers",)),
    ],
)
def test_servers_of_an_odd_shape_are_left_out(servers: Any, kept: list[Json], places: tuple[str, ...]) -> None:
    """A list of what is kept knows no odd shapes."""
    found = capture({"system": WORTH, "mcp_servers": servers})
    assert found is not None
    assert (found.request["mcp_servers"], found.left_out) == (kept, places)


@pytest.mark.parametrize(
    "field",
    [
        *("authorization", "Authorization", "headers", "apiKey", "x_api_key", "access_token", "accessKeyId"),
        *("client_secret", "password", "cookie", "auth", "credentials"),
    ],
)
def test_fields_named_like_a_credential_are_known_in_any_writing(field: str) -> None:
    """Small or large letters, whatever stands between the words."""
    assert left_out({"tools": [{**TOOL, field: "x"}]}) == (f"$.tools[0].{field}",)


def test_tools_are_kept_verbatim_and_a_schema_is_the_applications_own() -> None:
    """A property named like a credential holds none: the API's key is made of it, for tools and for the answer."""
    request = {
        "tools": [
            {"name": "call", "description": "Calls.", "input_schema": SCHEMA, "max_tokens": 5, "tokens": [1]},
            {"type": "mcp_toolset", "mcp_server_name": "crm", "default_config": {"enabled": False}},
        ],
        "system": [text(WORTH, cache_control=FIVE_MINUTES)],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "high"},
        "output_format": {"type": "json_schema", "schema": SCHEMA},
    }
    found = capture(request)
    assert found is not None
    assert json.dumps({field: found.request[field] for field in request}) == json.dumps(request)
    assert found.left_out == ()


def test_a_schema_elsewhere_or_of_an_odd_shape_hides_nothing() -> None:
    """Only where the API has one; a list is none."""
    request = {
        "tools": [
            {**TOOL, "deep": {"input_schema": {"headers": CANARY}}},
            {**TOOL, "input_schema": [{"auth": CANARY}]},
        ],
        "context_management": {"schema": {"api_key": CANARY}},
    }
    assert left_out(request) == (
        "$.tools[0].deep.input_schema.headers",
        "$.tools[1].input_schema[0].auth",
        "$.context_management.schema.api_key",
    )


def test_what_is_cut_behind_the_prefix_is_named_once() -> None:
    """A tool behind the marked one is left out whole, whatever it holds."""
    request = {"tools": [{**TOOL, "cache_control": FIVE_MINUTES}, {**TOOL, "headers": CANARY}]}
    assert left_out(request) == ("$.tools[1] and what follows",)


def test_a_tool_choice_that_is_kept_is_kept_without_secrets() -> None:
    """It is part of the key where the prefix ends in the messages."""
    messages = [user(text("a", cache_control=FIVE_MINUTES))]
    request = {"messages": messages, "tool_choice": {"type": "auto", "authorization": CANARY}}
    found = capture(request, with_messages=True)
    assert found is not None
    assert (found.request["tool_choice"], found.left_out) == ({"type": "auto"}, ("$.tool_choice.authorization",))


@pytest.mark.parametrize("place", PLANTED)
def test_the_fingerprint_is_that_of_what_is_kept(place: str) -> None:
    """So the document that comes of it is known again, also where the last tool had a secret."""
    request = planted(place)
    for body in (request, {field: value for field, value in request.items() if field != "system"}):
        found = capture(body)
        if found is None:
            continue
        assert found.fingerprint == fingerprint(found.request, valid(read(_document(found.request))).marked.end)


def _document(request: Json) -> Json:
    return {"name": "a", "models": [MODEL], "keep": "once", "request": request}


def test_two_servers_are_each_named_by_their_place() -> None:
    """The second one's token is the second one's."""
    servers = [SERVER, server(authorization_token=CANARY)]
    assert left_out({"system": WORTH, "mcp_servers": servers}) == ("$.mcp_servers[1].authorization_token",)
