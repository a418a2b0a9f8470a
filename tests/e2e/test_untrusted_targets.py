"""Whoever may write targets can make the handler read nothing but prompts: no address, no other object, no disguise."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.aws_calls import default_session
from tests.deployments import Deployment, codes, prompt
from tests.fakes import document

if TYPE_CHECKING:
    from collections.abc import Iterator

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

ESCAPES = (
    *("../secrets/a.csv", "prompts/../secrets/a.csv", "prompts/%2e%2e/secrets/a.csv", "prompts/..%2fsecrets/a.csv"),
    *("/etc/passwd", "file:///etc/passwd", "s3://prompt-cache-warmer-local/secrets/a.csv", "secrets/a.csv"),
    *("prompts\\..\\secrets\\a.csv", "prompts/\uff0e\uff0e/secrets/a.csv", "prompts/\u2024\u2024/secrets/a.csv"),
    *("prompts\u2215..\u2215secrets\u2215a.csv", "prompts/a\u0000/../../secrets/a.csv", "prompts/\u202ea.csv"),
)
DISGUISES = (
    *("b\u043et", "bot\u200b", "bot\u202e", "\uff42ot", "bot\u0301", "bo\u2060t", "Bot", "bot\n", " bot", "b\u00f6t"),
    *("b\u006f\u0308t", "bot\x00", "\ufeffbot"),
)


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """Listen on loopback; yields the address, and who called."""
    callers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                callers.append(connection.recv(100))
                connection.close()

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", callers


def with_addresses(url: str) -> dict[str, Any]:
    """Return a request with an address wherever one may stand."""
    good = prompt()
    picture = {"type": "image", "source": {"type": "url", "url": f"{url}/a.png"}}
    paper = {"type": "document", "source": {"type": "url", "url": f"{url}/a.pdf"}}
    return {
        "system": [{"type": "text", "text": f"See {url}/a and <img src='{url}/b'>."}, *good["system"]],
        "messages": [{"role": "user", "content": [picture, paper, {"type": "text", "text": f"{url}/c"}]}],
        "mcp_servers": [{"type": "url", "url": f"{url}/sse", "name": "crm"}],
        "tools": [{"name": "fetch", "description": url, "input_schema": {"$ref": f"{url}/schema", "type": "object"}}],
        "metadata": {"user_id": url},
    }


def test_no_address_in_a_target_is_ever_fetched(deployment: Deployment) -> None:
    """Wherever it stands, as text, as a source, as a schema's reference or as an MCP server: nobody calls there."""
    with listening() as (url, callers):
        deployment.cloud.put("targets/bot.json", document("bot", request=with_addresses(url)))
        deployment.cloud.put("targets/link.json", {"name": "link", "$ref": f"{url}/target", "keep": "always"})
        deployment.cloud.put("targets/tag.yaml", f"!include {url}/target.yaml\n")
        answer = deployment.tick()
        assert {entry["target"] for entry in answer["entries"]} == {"bot"}
        assert deployment.calls  # the target itself was warmed with all of it
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as proof:
            proof.sendall(b"proof")
            proof.recv(1)
        assert callers == [b"proof"]  # whoever calls is seen


def test_no_reference_leaves_the_prompts(deployment: Deployment) -> None:
    """Dots, encodings, look-alikes, other buckets, files: nothing but objects of the two prefixes is asked for."""
    deployment.cloud.put("secrets/a.csv", "theirs")
    for number, key in enumerate(ESCAPES):
        request = {"system": [{"type": "text", "text_from": key, "cache_control": {"type": "ephemeral"}}]}
        deployment.cloud.put(f"targets/t{number}.json", document(f"t{number}", request=request))
    with default_session() as calls:
        answer = deployment.tick()
    read = [call.resource.partition(":::")[2].partition("/")[2] for call in calls if call.action == "s3:GetObject"]
    assert {key.partition("/")[0] for key in read} <= {"targets", "prompts"}
    assert not [key for key in read if "secrets" in key and not key.startswith("prompts/%2e%2e/")]
    assert (answer["entries"], deployment.calls) == ([], [])


@pytest.mark.parametrize("name", DISGUISES, ids=lambda name: name.encode("unicode_escape").decode())
def test_two_targets_cannot_look_the_same(deployment: Deployment, name: str) -> None:
    """A name that looks like another is refused, and signs that nobody sees are shown as escapes."""
    deployment.cloud.put("targets/bot.json", document("bot", request=prompt()))
    deployment.cloud.put("targets/disguised.json", document(name, request=prompt(text="You are another bot. ")))
    answer = deployment.tick()
    assert (codes(answer), [entry["target"] for entry in answer["entries"]]) == (["written"], ["bot"])
    lines = [json.loads(line) for line in deployment.function.output().splitlines() if line.startswith("{")]
    assert [line["path"] for line in lines if line.get("message") == "target invalid"] == ["$.name"]
    assert all(line.isprintable() for line in deployment.function.output().split("\n"))


def test_a_key_that_hides_what_it_is_stays_readable(deployment: Deployment) -> None:
    """An object's key may hold any character; the log shows signs that turn or hide text as escapes."""
    deployment.cloud.put("targets/\u202egnp.\u200bbot.json", "{}")
    deployment.tick()
    assert "\\u202egnp.\\u200bbot.json" in deployment.function.output()
    assert deployment.function.output().isascii()
