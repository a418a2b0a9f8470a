"""``diff``: is a real request's prefix still the target's; its lines, its JSON, its excerpts and its refusals."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.diff import diff
from prompt_cache_warmer.cli.request_files import UnusableError, read_request
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from tests.documents import FIVE_MINUTES, Json, target_document, text, tool, user

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "claude-opus-4-8"
LONG = "".join(f"{number:03}," for number in range(100))  # 400 characters that tell where they stand
REQUEST: Json = {
    "model": MODEL,
    "max_tokens": 1_000,
    "tools": [tool("search")],
    "system": [text(LONG, cache_control=FIVE_MINUTES)],
    "messages": [user(text("Hello."))],
}
TARGET = target_document(request={field: REQUEST[field] for field in ("tools", "system")}, betas=["b-1"])
SENT = {**REQUEST, "extra_headers": {"Anthropic-Beta": "b-1"}, "timeout": 60}
OTHER = {
    **SENT,
    "model": "claude-opus-5",
    "tools": [tool("search"), tool("order")],
    "system": [text(LONG.replace("050,", "o50,"), cache_control=FIVE_MINUTES)],
}
ALL_SAME = """\
support: compared up to $.system[0], where its prefix ends
  tools     same
  system    same
  markers   same
  model     same
  thinking  same
  effort    same
  betas     same
same: the request has the prefix that the target keeps warm
"""


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with the target."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.json").write_text(json.dumps(TARGET))
    return tmp_path


def run(request: Any, *arguments: str) -> Result:
    """Compare a request on standard input with the target; a crash fails the test."""
    given = request if isinstance(request, bytes) else json.dumps(request).encode()
    return CliRunner(catch_exceptions=False).invoke(commands, ["diff", "t.json", "-", *arguments], input=given)


def on_terminal(monkeypatch: pytest.MonkeyPatch, folder: Path, request: Json) -> list[str]:
    """Compare a request on a terminal; return its lines."""
    (folder / "r.json").write_text(json.dumps(request))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(SystemExit):
        diff.main(["t.json", "r.json"], color=False)
    return terminal.getvalue().splitlines()


def test_a_request_as_the_application_passes_it_to_its_sdk_is_the_same() -> None:
    """Headers hold betas, a timeout is none of the body; the exit code is 0."""
    result = run(SENT)
    assert (result.exit_code, result.output) == (0, ALL_SAME)


def test_what_differs_is_told_by_place_and_without_any_text() -> None:
    """In a pipe there are no excerpts; the exit code is 1."""
    result = run({**OTHER, "extra_headers": None})
    assert result.exit_code == 1
    assert result.output == (
        "support: compared up to $.system[0], where its prefix ends\n"
        "  tools     different: added at $.tools[1] (perhaps a tool set that varies)\n"
        "  system    different: changed text at $.system[0].text, character 200\n"
        "  markers   same\n"
        "  model     different: model not listed at $.models / $.model\n"
        "  thinking  same\n"
        "  effort    same\n"
        "  betas     different: removed at $.betas\n"
        "different: the request would miss all or part of the prefix that the target keeps warm\n"
    )


def test_another_ttl_is_a_warning_and_exit_code_0() -> None:
    """Whether 5 minutes and 1 hour find each other's entries is not known, so that no miss is claimed."""
    hour = {"type": "ephemeral", "ttl": "1h"}
    request = {**SENT, "system": [text(LONG, cache_control=hour)]}
    result = run(request)
    warned = "warning: other ttl at $.system[0].cache_control: whether each finds the other's entry is not known"
    assert (result.exit_code, result.output) == (0, ALL_SAME.replace("markers   same", f"markers   {warned}"))
    found = json.loads(run(request, "--json").output)
    assert found["is_same"] is True
    assert found["parts"][2] == {
        "part": "markers",
        "is_same": True,
        "warning": "whether each finds the other's entry is not known",
        "kind": "other-ttl",
        "target_path": "$.system[0].cache_control",
        "request_path": "$.system[0].cache_control",
        "character": None,
        "invalidator": None,
    }


def test_excerpts_are_for_the_operators_own_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 characters of both sides, 20 of them before the difference; a side without anything says so."""
    assert on_terminal(monkeypatch, folder, {**OTHER, "extra_headers": None}) == [
        "support: compared up to $.system[0], where its prefix ends",
        "  tools     different: added at $.tools[1] (perhaps a tool set that varies)",
        "              target   (nothing)",
        """              request  '{"name": "order", "description": "Search the orders.", "inpu'...""",
        "  system    different: changed text at $.system[0].text, character 200",
        "              target   ...'045,046,047,048,049,050,051,052,053,054,055,056,057,058,059,'...",
        "              request  ...'045,046,047,048,049,o50,051,052,053,054,055,056,057,058,059,'...",
        "  markers   same",
        "  model     different: model not listed at $.models / $.model",
        """              target   '["claude-opus-4-8"]'""",
        "              request  'claude-opus-5'",
        "  thinking  same",
        "  effort    same",
        "  betas     different: removed at $.betas",
        """              target   '["b-1"]'""",
        "              request  (nothing)",
        "different: the request would miss all or part of the prefix that the target keeps warm",
    ]


@pytest.mark.parametrize("sign", ["\x1b[2J", "\x9b2J", "\u202e", "\n", "\x7f"])
def test_an_excerpt_cannot_write_to_the_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    """Signs are shown and not carried out, in texts and inside values."""
    texts = {**SENT, "system": [text(f"{sign}a", cache_control=FIVE_MINUTES)], "thinking": {"type": sign}}
    lines = on_terminal(monkeypatch, folder, texts)
    assert [line for line in lines if sign in line] == []
    assert len(lines) == len(ALL_SAME.splitlines()) + 4


def test_the_tokens_of_mcp_servers_are_never_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's definition holds what it is called with, which is no matter for a screen either."""
    server = {"authorization_token": "swordfish", "type": "url", "name": "a", "url": "https://example.com"}
    lines = on_terminal(monkeypatch, folder, {**SENT, "mcp_servers": [server]})
    assert [line for line in lines if "mcp_servers" in line] == ["  mcp_servers  different: added at $.mcp_servers"]
    assert "swordfish" not in "\n".join(lines)


def test_json_is_for_pipelines_and_holds_no_excerpt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same findings with their places; on a terminal too without any text."""
    result = run(OTHER, "--json")
    found = json.loads(result.output)
    assert result.exit_code == 1
    assert (found["target"], found["is_same"], found["prefix_end"]) == ("support", False, "$.system[0]")
    assert [part["part"] for part in found["parts"] if not part["is_same"]] == ["tools", "system", "model"]
    assert found["parts"][1] == {
        "part": "system",
        "is_same": False,
        "warning": None,
        "kind": "changed-text",
        "target_path": "$.system[0].text",
        "request_path": "$.system[0].text",
        "character": 200,
        "invalidator": None,
    }
    assert run(SENT, "--json").exit_code == 0
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    (folder / "r.json").write_text(json.dumps(OTHER))
    with pytest.raises(SystemExit):
        diff.main(["t.json", "r.json", "--json"])
    assert json.loads(terminal.getvalue()) == found


def test_a_target_is_read_as_check_reads_it(folder: Path) -> None:
    """YAML, references and the short form: the folder that stands for the bucket is guessed or given."""
    (folder / "bucket/texts").mkdir(parents=True)
    (folder / "bucket/texts/a.md").write_text("Be kind.")
    (folder / "t.yaml").write_text(
        "name: short\nmodels: [m]\nkeep: once\nsystem_prompt:\n- {type: text, text_from: texts/a.md}\n"
    )
    request = json.dumps({"system": [text("Be kind.", cache_control=FIVE_MINUTES)], "messages": []})
    arguments = ["diff", "t.yaml", "-", "--root", "bucket", "--prompts-prefix", "texts/"]
    result = CliRunner(catch_exceptions=False).invoke(commands, arguments, input=request)
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, ALL_SAME.splitlines()[-1])
    assert CliRunner().invoke(commands, arguments[:3], input=request).exit_code == 2


def test_a_request_may_be_yaml(folder: Path) -> None:
    """By its name, as target documents."""
    (folder / "r.yaml").write_text("system: Be kind.\nmessages: []\n")
    assert CliRunner(catch_exceptions=False).invoke(commands, ["diff", "t.json", "r.yaml"]).exit_code == 1


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (b"{", "Error: <stdin>: not JSON at line 1, column 2: "),
        (b"[]", "Error: <stdin>: request: a value of type list is not a Messages API body"),
        (TARGET, "Error: <stdin>: this is no Messages API body: it has none of tools, system, messages\n"),
        ({"system": 5}, "Error: <stdin>: request.system: "),
        ({"system": "a", "extra_headers": 5}, "Error: <stdin>: request.extra_headers: 5 is not a mapping"),
        (b" " * (MAX_TARGET_BYTES + 1), "Error: <stdin>: 8,388,609 bytes with everything it refers to"),
    ],
)
def test_a_request_that_is_none_is_exit_code_2(request_: Any, said: str) -> None:
    """One line says which place of which file is wrong."""
    result = run(request_)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)


def test_a_request_of_the_largest_size_is_read() -> None:
    """The bound is the one of targets."""
    body = json.dumps(SENT).encode()
    assert run(body + b" " * (MAX_TARGET_BYTES - len(body))).exit_code == 0


class BrokenFile(io.BytesIO):
    """A file that cannot be read to its end."""

    name = "r.json"

    def read(self, _: int | None = -1) -> bytes:
        """Fail."""
        raise OSError(5, "Input/output error")


def test_a_file_that_cannot_be_read_is_said() -> None:
    """A broken disk is no traceback."""
    with pytest.raises(UnusableError, match=r"r\.json: cannot be read: Input/output error"):
        read_request(BrokenFile())


def test_a_target_that_is_none_is_exit_code_2_with_every_error(folder: Path) -> None:
    """As check says them; its warnings are left to check."""
    (folder / "t.json").write_text(json.dumps({**TARGET, "keep": "allways", "name": "A"}))
    result = run(SENT)
    lines = result.stderr.splitlines()
    assert (result.exit_code, result.stdout, lines[0]) == (2, "", "Error: this is no valid target:")
    assert [line.split(":")[1] for line in lines[1:]] == [" $.name", " $.keep"]


@pytest.mark.parametrize("arguments", [["diff"], ["diff", "t.json"], ["diff", "t.json", "no.json"], ["diff", ".", "-"]])
def test_a_wrong_call_is_exit_code_2(arguments: list[str]) -> None:
    """Two files are needed, and a folder is none."""
    assert CliRunner().invoke(commands, arguments).exit_code == 2
