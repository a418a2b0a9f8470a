"""``capture``: a target document out of a real request, valid at once, without anything of its user."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules.capture import capture
from prompt_cache_warmer.values.body import Tier
from prompt_cache_warmer.values.markers import MarkerOrigin, mark
from prompt_cache_warmer.values.prefix import fingerprint
from tests.canaries import CANARY
from tests.documents import FIVE_MINUTES, ONE_HOUR, Json, assistant, read, text, tool, user, valid

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "claude-opus-4-8"
WORTH = "word" * 5_000
SHARED = text(WORTH, cache_control=FIVE_MINUTES)
# A user's data wherever a request can hold any: behind the shared block, in every field of one request.
PLANTED: Json = {
    "model": MODEL,
    "max_tokens": 1_000,
    "metadata": {"user_id": CANARY},
    "temperature": CANARY,
    "top_p": CANARY,
    "top_k": CANARY,
    "stop_sequences": [CANARY],
    "stream": CANARY,
    "diagnostics": {"previous_message_id": CANARY},
    "container": CANARY,
    "user_profile_id": CANARY,
    "workspace_id": CANARY,
    "a_field_of_next_year": {"deep": [CANARY]},
    "tool_choice": {"type": "tool", "name": CANARY},
    "cache_control": FIVE_MINUTES,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "speed": "fast",
    "mcp_servers": [
        {"type": "url", "name": "a", "url": "https://example.com", "authorization_token": CANARY},
        {"type": "url", "name": "b", "url": "https://example.com"},
    ],
    "tools": [tool("search"), tool("order")],
    "system": [text("You sell tents."), SHARED, text(CANARY)],
    "messages": [user(text(CANARY)), assistant(text(CANARY)), user(text(CANARY))],
    "timeout": 60,
    "extra_headers": {"anthropic-beta": "b-1,b-2,b-1", "x-user": CANARY},
    "extra_query": {"user": CANARY},
    "extra_body": {"another_field": CANARY},
}
KEPT: Json = {
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "speed": "fast",
    "mcp_servers": [
        {"type": "url", "name": "a", "url": "https://example.com"},
        {"type": "url", "name": "b", "url": "https://example.com"},
    ],
    "tools": [tool("search"), tool("order")],
    "system": [text("You sell tents."), SHARED],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(request: Any, *arguments: str) -> Result:
    """Capture a request on standard input; a crash fails the test."""
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(commands, ["capture", "-", *arguments], input=json.dumps(request))


def captured(request: Any, *arguments: str) -> Json:
    """Capture a request; return the document."""
    result = run(request, *arguments)
    assert result.exit_code == 0, result.stderr
    document: Json = json.loads(result.stdout)
    return document


def test_nothing_of_the_user_is_written() -> None:
    """Not on either stream, and nothing but the prefix and its settings, in the request's own key order."""
    result = run(PLANTED)
    assert result.exit_code == 0
    assert CANARY not in result.stdout + result.stderr
    document = json.loads(result.stdout)
    assert document.pop("name").startswith("captured-")
    assert document == {"models": [MODEL], "keep": "while-used", "betas": ["b-1", "b-2"], "request": KEPT}
    assert [json.dumps(block) for block in document["request"]["tools"]] == [json.dumps(each) for each in KEPT["tools"]]


def test_what_was_left_out_and_may_matter_is_named() -> None:
    """Fields of one request are expected to go; others may be part of the key some day."""
    assert run(PLANTED).stderr.splitlines()[-1] == (
        "left out, and perhaps part of the key: $.container, $.user_profile_id, $.workspace_id, "
        "$.a_field_of_next_year, $.another_field, $.system[2] and what follows, $.mcp_servers[0].authorization_token"
    )


def test_nothing_behind_the_last_marked_message_is_written() -> None:
    """With --messages what was marked is shared by its author's word; the rest of the talk is not."""
    talk = [
        {"role": "user", "content": "A long manual.", "of_next_year": CANARY},
        {
            "role": "assistant",
            "content": [text("Read.", cache_control=FIVE_MINUTES), text(CANARY)],
            "of_next_year": CANARY,
        },
        user(text(CANARY)),
    ]
    request = {**PLANTED, "system": KEPT["system"], "messages": talk, "tool_choice": {"type": "auto"}}
    result = run(request, "--messages")
    assert CANARY not in result.stdout + result.stderr
    assert json.loads(result.stdout)["request"] == {
        **KEPT,
        "tool_choice": {"type": "auto"},
        "messages": [
            {"role": "user", "content": "A long manual."},
            {"role": "assistant", "content": [text("Read.", cache_control=FIVE_MINUTES)]},
        ],
    }
    assert "messages" not in captured(request)["request"]


def test_a_talk_without_a_marker_is_nobodys_but_the_users() -> None:
    """Automatic caching marks the user's own last message: with --messages too none is written."""
    assert captured(PLANTED, "--messages")["request"] == KEPT


def test_a_marked_tool_ends_the_prefix() -> None:
    """Tools and the system prompt behind it are not written."""
    tools = [tool("search", cache_control=FIVE_MINUTES), tool(CANARY)]
    result = run({**PLANTED, "tools": tools, "system": CANARY, "mcp_servers": None, "extra_body": None})
    assert CANARY not in result.stdout + result.stderr
    request = json.loads(result.stdout)["request"]
    assert request["tools"] == tools[:1]
    assert "system" not in request
    assert result.stderr.splitlines()[-1].endswith("$.system, $.tools[1] and what follows")


@pytest.mark.parametrize(("more", "ttl"), [({}, None), ({"cache_control": ONE_HOUR}, "1h")])
def test_without_a_marker_one_is_added_and_said(more: Json, ttl: str | None) -> None:
    """All of tools and system is taken to be shared; automatic caching gives its ttl."""
    request = {"model": MODEL, "system": WORTH, "messages": [], **more}
    result = run(request)
    marker = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    assert json.loads(result.stdout)["request"] == {"system": [text(WORTH, cache_control=marker)]}
    assert result.stderr == (
        "a marker was added at $.system[0]: real traffic hits only with its own cache_control there\n"
    )


def test_the_result_passes_check_and_diff(folder: Path) -> None:
    """Captured, checked with --strict and compared with where it came from: nothing to say."""
    (folder / "r.json").write_text(json.dumps({**PLANTED, "mcp_servers": KEPT["mcp_servers"]}))
    runner = CliRunner(catch_exceptions=False)
    for arguments in (
        ["capture", "r.json", "-o", "t.json"],
        ["check", "--strict", "t.json"],
        ["diff", "t.json", "r.json"],
    ):
        assert runner.invoke(commands, arguments).exit_code == 0, arguments


@pytest.mark.parametrize("with_messages", [False, True])
def test_the_fingerprint_is_the_requests_own(*, with_messages: bool) -> None:
    """What is cut behind the prefix, its time to live and its tokens change nothing that the key is made of."""
    body = {
        **KEPT,
        "messages": [user(text("a", cache_control=FIVE_MINUTES), text("b"))],
        "tool_choice": {"type": "auto"},
    }
    found = capture(body, ("b-1",), with_messages=with_messages, ttl="1h")
    assert found is not None
    marked = mark(body if with_messages else KEPT)
    assert marked is not None
    assert found.fingerprint == fingerprint(marked.body, marked.end, ("b-1",))
    assert (found.end.tier, found.origin) == (Tier.MESSAGES if with_messages else Tier.SYSTEM, MarkerOrigin.AUTHOR)
    document = {"name": "a", "models": ["m"], "keep": "once", "betas": ["b-1"], "request": found.request}
    assert valid(read(document)).summary.fingerprint == found.fingerprint


def test_a_name_is_made_of_the_fingerprint() -> None:
    """The same prefix has the same name whatever its user said; another prefix has another one."""
    names = [
        captured(request)["name"]
        for request in (
            PLANTED,
            {**PLANTED, "messages": []},
            {**PLANTED, "speed": None},
            {**PLANTED, "extra_headers": None},
        )
    ]
    found = capture(KEPT, ("b-1", "b-2"))
    assert found is not None
    assert names[0] == names[1] == f"captured-{found.fingerprint.combined[:12]}"
    assert len(set(names)) == 3


def test_name_models_and_keep_are_the_operators() -> None:
    """What is said on the command line stands in the document."""
    document = captured(PLANTED, "--name", "support", "--model", "m-1", "--model", "m-2", "--keep", "always")
    assert {field: document[field] for field in ("name", "models", "keep")} == {
        "name": "support",
        "models": ["m-1", "m-2"],
        "keep": "always",
    }
    assert "betas" not in captured({**PLANTED, "extra_headers": None})


def test_ttl_is_of_every_marker_and_of_nothing_else() -> None:
    """A tool's schema and a tool call's input are free JSON and stay as they are."""
    free = {"cache_control": FIVE_MINUTES}
    request = {
        "model": MODEL,
        "tools": [tool("a", input_schema=free, role="none"), tool("b", cache_control=ONE_HOUR)],
        "system": [text("c", cache_control=FIVE_MINUTES)],
        "messages": [
            {"role": "user", "content": "d"},
            assistant({"type": "tool_use", "id": "t", "name": "a", "input": free, "cache_control": FIVE_MINUTES}),
        ],
    }
    found = captured(request, "--messages", "--ttl", "1h")["request"]
    assert found == {
        "tools": [tool("a", input_schema=free, role="none"), tool("b", cache_control=ONE_HOUR)],
        "system": [text("c", cache_control=ONE_HOUR)],
        "messages": [
            {"role": "user", "content": "d"},
            assistant({"type": "tool_use", "id": "t", "name": "a", "input": free, "cache_control": ONE_HOUR}),
        ],
    }
    assert captured(request, "--ttl", "5m")["request"]["tools"][1]["cache_control"] == {
        "type": "ephemeral",
        "ttl": "5m",
    }


def test_settings_of_an_odd_shape_travel_as_they_are() -> None:
    """What the API would refuse is not ours to change; of MCP servers only what is listed travels at all."""
    request = {
        "model": MODEL,
        "system": [SHARED],
        "mcp_servers": [{"name": "b", "url": None, "type": None, "tool_configuration": None}],
        "context_management": {"edits": []},
    }
    assert captured(request)["request"] == {field: value for field, value in request.items() if field != "model"}
    found = capture({**request, "mcp_servers": None})
    assert found is not None
    assert (found.request["mcp_servers"], found.left_out) == (None, ())


def test_a_file_is_written_and_never_overwritten(folder: Path) -> None:
    """Into the new file goes what standard output gets; an old one stays as it was."""
    result = run(PLANTED, "-o", "t.json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (folder / "t.json").read_text() == run(PLANTED).stdout
    assert (folder / "t.json").read_text().endswith("}\n")
    (folder / "t.json").write_text("mine")
    result = run(PLANTED, "-o", "t.json")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "Error: t.json exists and is not overwritten")
    assert (folder / "t.json").read_text() == "mine"


def test_a_file_is_written_whole_or_not_at_all(folder: Path) -> None:
    """Where there is no room for all of it, nothing is left behind, and the name is free for the next try."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))  # bytes: fewer than the document has
    try:
        result = run(PLANTED, "-o", "t.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == "Error: t.json: cannot be written: File too large"
    assert list(folder.iterdir()) == []
    assert run(PLANTED, "-o", "t.json").exit_code == 0
    assert [file.name for file in folder.iterdir()] == ["t.json"]


def test_a_file_has_the_rights_of_every_new_file(folder: Path) -> None:
    """The writer's own umask decides, as for standard output that is sent into a file."""
    run(PLANTED, "-o", "t.json")
    (folder / "plain.txt").write_text("a")
    assert (folder / "t.json").stat().st_mode == (folder / "plain.txt").stat().st_mode


def test_a_folder_that_is_not_there_is_said() -> None:
    """No traceback."""
    result = run(PLANTED, "-o", "no/t.json")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "Error: no/t.json: cannot be written: No such file or directory"


@pytest.mark.parametrize("sign", ["\x9b2J", "\x7f", "\u202e", "\u2066", "\u200e"])
def test_a_prompt_cannot_write_to_the_terminal(sign: str) -> None:
    """Signs are escaped as JSON has it: the document means the same; other letters stay readable."""
    result = run({"model": MODEL, "system": f"Grüße {sign} {WORTH}"})
    assert sign not in result.stdout
    assert "Grüße" in result.stdout
    assert json.loads(result.stdout)["request"]["system"][0]["text"] == f"Grüße {sign} {WORTH}"


@pytest.mark.parametrize(
    ("request_", "arguments", "said"),
    [
        ({"system": "a"}, [], "the request has no model, and each model has a cache of its own: say --model"),
        ({"model": MODEL, "messages": [user(text("a"))]}, [], "there is nothing to cache: "),
        ({"model": MODEL, "messages": [user(text("a"))]}, ["--messages"], "there is nothing to cache: "),
        ({"model": MODEL, "system": " "}, [], "there is nothing to cache: "),
        ({"messages": 5}, [], "<stdin>: request.messages: "),
    ],
)
def test_a_request_of_which_no_target_comes_is_exit_code_2(request_: Json, arguments: list[str], said: str) -> None:
    """The reason is said and nothing is written."""
    result = run(request_, *arguments, "-o", "t.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {said}")


def test_an_invalid_target_is_not_written(folder: Path) -> None:
    """What check would refuse is refused here, in its words."""
    markers = [text(str(number), cache_control=FIVE_MINUTES) for number in range(5)]
    result = run({"model": MODEL, "system": markers}, "-o", "t.json")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "Error: no valid target comes of this request:\nt.json: $.request.system[4]: error: 5 "
    )
    assert not (folder / "t.json").exists()


def test_a_warning_is_said_as_check_says_it() -> None:
    """A prompt that changes by itself is captured, and told."""
    result = run({"model": MODEL, "system": [text("2026-11-22T10:00 " + WORTH, cache_control=FIVE_MINUTES)]})
    assert result.exit_code == 0
    assert result.stderr.startswith("<stdout>: $.request.system[0]: warning: the prefix holds a time stamp: ")
    assert result.stderr.endswith("[changing-text]\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--name", "Two Words"],
        ["--model", "a b"],
        ["--model", ""],
        ["--ttl", "2h"],
        ["--keep", "ever"],
        ["-o", "t.yaml"],
        ["-o", "."],
    ],
)
def test_a_wrong_call_is_exit_code_2(arguments: list[str]) -> None:
    """Each option has its own allowed values."""
    result = run(PLANTED, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--upload"], "or say --bucket NAME or set TARGETS_BUCKET, where NAME is the stack's output TargetsBucketN"),
        (["--upload", "--bucket="], "which stack? Say --stack NAME or set WARMER_STACK; "),
        (["--upload", "--bucket=b-1", "-o", "t.json"], "say --output or --upload"),
        (["--json"], "--json goes with --upload: without it the answer is the document itself"),
        (["--upload", "--bucket=s3://b-1"], "--bucket 's3://b-1': must be the name of an S3 bucket: "),
        (["--upload", "--bucket=b-1", "--targets-prefix=t"], "--targets-prefix 't': must be a key prefix such as "),
        (
            ["--upload", "--bucket=b-1", "--prompts-prefix=targets/p/"],
            "TARGETS_PREFIX='targets/' and --prompts-prefix 'targets/p/' overlap: neither may begin with the other",
        ),
        (
            ["--upload", "--bucket=b", "--targets-prefix=/"],
            "and '-', no s3:// and no ARN; --targets-prefix '/': must be a key prefix",
        ),
    ],
    ids=[
        *("no bucket", "an empty one", "two destinations", "JSON of a document", "an address", "no slash"),
        *("one inside the other", "two problems"),
    ],
)
def test_an_upload_to_nowhere_is_exit_code_2(arguments: list[str], said: str) -> None:
    """Every problem is said, by the name it was typed with, before anything is asked of AWS."""
    result = run(PLANTED, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert said in result.stderr


def test_an_upload_is_checked_before_anything_is_asked_of_aws() -> None:
    """Problems and warnings stand under the key it would have."""
    markers = [text(str(number), cache_control=FIVE_MINUTES) for number in range(5)]
    result = run({"model": MODEL, "system": markers}, "--upload", "--bucket=b-1", "--targets-prefix=t/", "--name=a")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: no valid target comes of this request:\nt/a.json: $.request.system[4]: ")
