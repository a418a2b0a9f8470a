"""``verify``: what is asked of a function, what is said of its answer, and what is refused before anything is spent."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError

from prompt_cache_warmer.adapters.deployed_function import ask_function
from prompt_cache_warmer.cli.verification_lines import verification_lines
from prompt_cache_warmer.errors import RunError
from prompt_cache_warmer.wiring.deployment import function_client
from tests.fakes import MODEL, document
from tests.stacks import Stack

if TYPE_CHECKING:
    from pathlib import Path

UNASKED = "function 'warmer' could not be asked, or gave no answer: "
NEEDS = "lambda:InvokeFunction on it"
LOG_IN = "log in to AWS (aws sso login, or aws configure), or set AWS_PROFILE to a profile that may"
EVIDENCE = {"expected_tokens": 5616, "read_tokens": 5616, "divergence": "messages_changed"}
PROVEN = {
    "target": "support",
    "model": MODEL,
    "is_proven": True,
    "reason": "read",
    "sentence": "a real request read all that the warm call left in the cache",
    "evidence": EVIDENCE,
}
APART = {
    **PROVEN,
    "is_proven": False,
    "reason": "other-workspace",
    "sentence": "the warm call and the real request went to different workspaces, which share no cache",
    "evidence": {
        "expected_tokens": 5616,
        "read_tokens": 0,
        "divergence": "previous_message_not_found",
        "warm_workspace_id": "wrkspc_a",
        "request_workspace_id": "wrkspc_b",
    },
    "notices": ["markers ask for ttl 1h; the API granted 5m"],
}
PAUSED = {
    **PROVEN,
    "is_proven": False,
    "reason": "warm-call-not-made",
    "sentence": "the warm call was not made: all warming is paused",
    "code": "paused",
    "advice": "Resume.",
    "evidence": {},
}


def answer(*verified: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a function's answer."""
    return {
        "is_proven": all(line["is_proven"] for line in verified),
        "entries_verified": len(verified),
        "entries_proven": sum(line["is_proven"] for line in verified),
        "verification_cost_usd": "0.0221",
        "verified": list(verified),
        "verified_truncated": 0,
        "problems": [],
        **changes,
    }


def test_each_entry_is_a_line_and_what_explains_it_stands_below() -> None:
    """Proven or not, the reason, what was read of what was expected; the workspaces where they differ."""
    assert [*verification_lines(answer(PROVEN, APART, PAUSED))] == [
        "support on claude-sonnet-4-6: \x1b[32mproven\x1b[0m: 5,616 of 5,616 tokens read",
        "support on claude-sonnet-4-6: \x1b[31mnot proven\x1b[0m: other-workspace: 0 of 5,616 tokens read",
        "\x1b[2m  the warm call and the real request went to different workspaces, which share no cache\x1b[0m",
        "\x1b[2m  the warm call went to workspace wrkspc_a, the request to wrkspc_b\x1b[0m",
        "\x1b[2m  the API's diagnostics: previous_message_not_found\x1b[0m",
        "\x1b[2m  markers ask for ttl 1h; the API granted 5m\x1b[0m",
        "support on claude-sonnet-4-6: \x1b[31mnot proven\x1b[0m: warm-call-not-made",
        "\x1b[2m  the warm call was not made: all warming is paused\x1b[0m",
        "\x1b[2m  Resume.\x1b[0m",
        "1 of 3 proven, for 0.022100 USD",
    ]


def test_a_diagnosis_says_how_much_was_missed_and_twins_whose_calls_they_were() -> None:
    """Figures and names, no text."""
    changed = {
        **APART,
        "reason": "tools-changed",
        "sentence": "other tools",
        "evidence": {"expected_tokens": 9, "read_tokens": 1, "divergence": "tools_changed", "missed_tokens": 1200},
        "notices": [],
        "shared_with": "other",
    }
    lines = [*verification_lines(answer(changed))]
    assert lines[2:4] == [
        "\x1b[2m  the API's diagnostics: tools_changed, 1,200 tokens missed\x1b[0m",
        "\x1b[2m  by the calls of other, which are the same bytes\x1b[0m",
    ]


def test_unknown_names_and_what_is_not_listed_are_said() -> None:
    """Problems of other documents are not this command's."""
    problems = [
        {"code": "no-such-target", "message": "there is no valid target 'x'"},
        {"code": "not-allowed", "message": "keep='allways' is not allowed"},
    ]
    lines = [*verification_lines(answer(PROVEN, problems=problems, verified_truncated=1200))]
    assert lines[1:] == [
        "and 1,200 more that are not listed",
        "\x1b[31mnot proven\x1b[0m: there is no valid target 'x'",
        "1 of 1 proven, for 0.022100 USD",
    ]


def test_what_a_terminal_would_obey_is_replaced() -> None:
    """A function's answer comes from outside."""
    lines = [*verification_lines(answer({**PAUSED, "target": "a\x1b[2Jb", "sentence": "no\x07"}))]
    assert lines[0].startswith("a\N{REPLACEMENT CHARACTER}[2Jb on ")
    assert "no\N{REPLACEMENT CHARACTER}" in lines[1]


class Client:
    """A Lambda client that answers what it is told to."""

    def __init__(self, payload: bytes = b"{}", *, is_error: bool = False, error: Exception | None = None) -> None:
        self.payload = payload
        self.is_error = is_error
        self.error = error
        self.asked: list[dict[str, Any]] = []

    def invoke(self, **asked: Any) -> dict[str, Any]:
        """Answer."""
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return {"Payload": io.BytesIO(self.payload), **({"FunctionError": "Unhandled"} if self.is_error else {})}


def test_a_function_is_asked_once_with_the_event() -> None:
    """And what it answers is returned."""
    client = Client(b'{"is_proven": true}')
    assert ask_function(client, "warmer", {"verify": ["a"]}) == {"is_proven": True}
    assert client.asked == [{"FunctionName": "warmer", "Payload": b'{"verify": ["a"]}'}]


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (
            Client(b'{"errorType": "EventError", "errorMessage": "no\\n  field"}', is_error=True),
            "function 'warmer' failed: EventError: no field",
        ),
        (
            Client(b'{"errorType": "Sandbox.Timedout", "errorMessage": "110 s"}'),
            "function 'warmer' failed: Sandbox.Timedout: 110 s",
        ),
        (
            Client(b"<html>"),
            "function 'warmer' answered something that is not JSON: check AWS_ENDPOINT_URL and the proxy",
        ),
        (Client(b"[1]"), "function 'warmer' answered something that is not an object"),
        (Client(error=NoCredentialsError()), f"{UNASKED}NoCredentialsError; {LOG_IN} {NEEDS}"),
        (
            Client(error=ReadTimeoutError(endpoint_url="http://here")),
            f"{UNASKED}ReadTimeoutError; check the network path, the region and AWS_ENDPOINT_URL",
        ),
        (
            Client(error=ClientError({"Error": {"Code": "AccessDenied", "Message": "no."}}, "Invoke")),
            f"{UNASKED}AccessDenied; your own AWS identity asks here and needs {NEEDS}",
        ),
    ],
    ids=["function error", "timed out", "no JSON", "no object", "no credentials", "no answer", "denied"],
)
def test_what_goes_wrong_is_one_sentence(client: Client, said: str) -> None:
    """With the function's own error, or what AWS says and who asked."""
    with pytest.raises(RunError) as caught:
        ask_function(client, "warmer", {})
    assert str(caught.value) == said
    assert len(client.asked) == 1


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a command line without a function in its environment."""
    monkeypatch.delenv("WARMER_FUNCTION", raising=False)
    return Stack()


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return a file with a valid target, ``support``."""
    path = tmp_path / "support.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    return str(path)


def refused(stack: Stack, *arguments: str, **environment: str) -> str:
    """Run the command, which must be called wrongly and print nothing; returns its last line."""
    result = stack.run("verify", *arguments, **environment)
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.splitlines()[-1]


def test_somebody_must_be_named_to_verify(stack: Stack) -> None:
    """The message says where the function's name is found, and the other way."""
    assert refused(stack, "support") == (
        "Error: which stack? Say --stack NAME or set WARMER_STACK; or say --function NAME or set WARMER_FUNCTION, "
        "where NAME is the stack's output FunctionName: sam list stack-outputs --stack-name STACK. Or say --file "
        "TARGET.json to verify from here."
    )


def test_a_name_is_required_and_checked(stack: Stack) -> None:
    """As every name of a target."""
    assert refused(stack) == "Error: Missing argument 'NAME...'."
    assert "'No Name' is not allowed; allowed: 1 to 64 of a-z" in refused(stack, "No Name")


def test_there_is_one_way_at_a_time(stack: Stack, file: str) -> None:
    """Both said are an error."""
    said = refused(stack, "support", "--function", "warmer", "--file", file)
    assert said == "Error: --function and --file are two ways to verify: say one of them"


def test_a_name_that_no_file_has_is_refused_before_anything_is_spent(stack: Stack, file: str, tmp_path: Path) -> None:
    """With the nearest one, and what is wrong with the files; a function in the environment changes nothing."""
    assert refused(stack, "suport", "--file", file, WARMER_FUNCTION="warmer") == (
        "Error: the files have no valid target 'suport'; did you mean 'support'?"
    )
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document("broken", keep="allways")), encoding="utf-8")
    unmarked = tmp_path / "unmarked.json"
    unmarked.write_text(json.dumps(document("unmarked", request={"system": "You are brief."})), encoding="utf-8")
    result = stack.run("verify", "broken", "support", "--file", str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "marker-added" not in result.stderr
    assert "broken.json: $.keep: error: keep='allways' is not allowed" in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: the files have no valid target 'broken'"


def test_the_errors_of_other_documents_are_counted_and_left_to_check(stack: Stack, file: str, tmp_path: Path) -> None:
    """What is printed may be the target that is missed: by its file's name, or because its file was named itself."""
    for name in ("broken", "worse"):
        (tmp_path / f"{name}.json").write_text(json.dumps(document(name, keep="allways", modles=[])), encoding="utf-8")
    result = stack.run("verify", "nope", "--file", str(tmp_path))
    lines = result.stderr.splitlines()
    assert [line for line in lines if "keep=" in line] == []
    assert lines[-1] == (
        "Error: the files have no valid target 'nope'; 2 other documents are not valid: "
        "prompt-cache-warmer check says why"
    )
    result = stack.run(
        "verify", "nope", "--file", file, "--file", str(tmp_path / "worse.json"), "--file", str(tmp_path)
    )
    lines = result.stderr.splitlines()
    assert [line.partition(": ")[0] for line in lines if "keep=" in line] == [str(tmp_path / "worse.json")]
    assert "'nope'; 1 other document is not valid: prompt-cache-warmer check says why" in lines[-1]


def test_without_a_key_nothing_can_be_asked(stack: Stack, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that names the variable."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    assert refused(stack, "support", "--file", file) == "Error: there is no ANTHROPIC_API_KEY in the environment"


def test_without_what_speaks_to_aws_the_extra_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function cannot be asked, and the sentence says what to install."""
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    assert refused(stack, "support", "--function", "warmer").endswith(
        "is not installed; --function needs, from a clone of prompt-cache-warmer: pip install '.[aws,cli]'"
    )


def test_the_function_is_waited_for_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second invocation would spend a second time, and no function runs longer than 15 minutes."""
    environment = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in environment.items():  # else boto3 looks for them over the network
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    client: Any = function_client()
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout > 900
