"""``init``: a starter target that is valid, files that are never lost, and commands that follow."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.adapters.deployed_stack import DeployedStack
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.values.document import json_schema

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("folder")

VARIABLES = ("WARMER_STACK", "TARGETS_BUCKET")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stack(name: str) -> DeployedStack:
    """Read a stack's outputs; one is not there."""
    if name == "gone":
        raise UnusableError("there is no stack 'gone'")
    return DeployedStack(name, bucket="its-bucket", table="its-table", function="its-function")


def run(*arguments: str, **environment: str) -> Result:
    """Run a command; a crash fails the test."""
    runner = CliRunner(catch_exceptions=False, env={**dict.fromkeys(VARIABLES), **environment})
    return runner.invoke(commands, arguments, obj=Seams(open_stack=stack))


def written(folder: Path) -> dict[str, Any]:
    """Return every file of a folder: JSON as it reads, other files as text."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): json.loads(path.read_text()) if path.suffix == ".json" else path.read_text()
        for path in files
    }


def test_a_starter_is_a_document_its_prompt_and_the_schema(folder: Path) -> None:
    """Under the names that the bucket has, and with the schema where the document says."""
    result = run("init")
    assert (result.exit_code, result.stderr) == (0, "")
    found = written(folder)
    assert list(found) == ["prompts/my-agent.md", "targets/my-agent.json", "targets.schema.json"]
    assert found["targets/my-agent.json"] == {
        "$schema": "../targets.schema.json",
        "name": "my-agent",
        "models": ["claude-sonnet-4-6"],
        "keep": "once",
        "request": {
            "system": [
                {
                    "type": "text",
                    "text_from": "prompts/my-agent.md",
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                }
            ]
        },
    }
    assert found["targets.schema.json"] == json_schema()
    assert "system prompt" in found["prompts/my-agent.md"]


def test_what_it_says_is_what_to_know_and_to_type() -> None:
    """What was written, what it will cost, what is missing, and the commands in their order."""
    assert run("init", "shop").output == (
        "Written: targets/shop.json, prompts/shop.md, targets.schema.json\n"
        "keep: once: one warm call after each upload and whenever you type warm; nothing goes on by itself.\n"
        "First put your agent's system prompt into prompts/shop.md, and let the application mark that block with "
        '"cache_control": {"type": "ephemeral", "ttl": "1h"} too.\n'
        "Then type:\n"
        "\n"
        "  prompt-cache-warmer check targets/shop.json\n"
        "  prompt-cache-warmer plan targets/shop.json\n"
        "  aws s3 cp prompts/shop.md s3://BUCKET/prompts/shop.md\n"
        "  aws s3 cp targets/shop.json s3://BUCKET/targets/shop.json\n"
        "  prompt-cache-warmer warm shop --stack STACK\n"
        "  prompt-cache-warmer status --stack STACK\n"
        "\n"
        "STACK is the name of your stack; BUCKET is the stack's output TargetsBucketName: "
        "sam list stack-outputs --stack-name STACK.\n"
    )


@pytest.mark.parametrize("keep", ["once", "while-used", "always"])
def test_every_starter_is_valid_by_check(folder: Path, keep: str) -> None:
    """With a warning that the prompt is not there yet, and no error."""
    assert run("init", "a", "--keep", keep, "--ttl", "5m", "--model", "m-1", "--model", "m-2").exit_code == 0
    document = written(folder)["targets/a.json"]
    assert (document["keep"], document["models"]) == (keep, ["m-1", "m-2"])
    assert document["request"]["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    checked = run("check", "targets")
    assert checked.exit_code == 0
    assert checked.output.endswith("1 valid, 0 invalid; 0 errors, 1 warning\n")


def test_what_each_rule_calls_is_said() -> None:
    """And no command is advised that would not work: a target that waits for requests is not warmed by hand."""
    waiting = run("init", "a", "--keep", "while-used").output
    assert "keep: while-used: nothing is called until requests of your application are reported" in waiting
    assert "prompt-cache-warmer warm" not in waiting
    always = run("init", "b", "--keep", "always").output
    assert "keep: always: it is called around the clock, whoever uses it; plan says what that costs a day." in always
    assert "prompt-cache-warmer warm b" in always


@pytest.mark.parametrize("kept", [("targets/a.json",), ("prompts/a.md",), ("targets/a.json", "prompts/a.md")], ids=str)
def test_nothing_is_ever_overwritten(folder: Path, kept: tuple[str, ...]) -> None:
    """Exit code 1, a sentence with what is there, and nothing written beside it."""
    for name in kept:
        (folder / name).parent.mkdir()
        (folder / name).write_text("{}")
    result = run("init", "a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: there is {' and '.join(kept)} already; nothing was written, --force overwrites\n"
    assert set(written(folder)) == set(kept)
    assert {(folder / name).read_text() for name in kept} == {"{}"}


def test_force_overwrites_all_of_it(folder: Path) -> None:
    """The schema too, which another version may have written."""
    run("init", "a")
    for name in ("targets/a.json", "prompts/a.md", "targets.schema.json"):
        (folder / name).write_text("{}")
    assert run("init", "a", "--force").exit_code == 0
    found = written(folder)
    assert found["targets/a.json"]["name"] == "a"
    assert found["prompts/a.md"] != "{}"
    assert found["targets.schema.json"] == json_schema()


def test_a_second_target_leaves_the_schema_alone(folder: Path) -> None:
    """It is not said to be written."""
    run("init", "a")
    (folder / "targets.schema.json").write_text('{"own": 1}')
    assert run("init", "b").output.startswith("Written: targets/b.json, prompts/b.md\n")
    assert written(folder)["targets.schema.json"] == {"own": 1}


def test_another_folder_is_made_and_its_names_are_quoted() -> None:
    """The commands can be typed from here, as they stand."""
    result = run("init", "a", "--dir", "my agents/eu", "--json")
    answer = json.loads(result.stdout)
    assert answer["written"] == [
        "my agents/eu/targets/a.json",
        "my agents/eu/prompts/a.md",
        "my agents/eu/targets.schema.json",
    ]
    assert answer["commands"][0] == "prompt-cache-warmer check 'my agents/eu/targets/a.json'"
    assert shlex.split(answer["commands"][2])[3:] == ["my agents/eu/prompts/a.md", "s3://BUCKET/prompts/a.md"]
    assert run(*shlex.split(answer["commands"][0])[1:]).exit_code == 0


def test_the_json_is_for_scripts() -> None:
    """Name, rule, files and commands."""
    answer = json.loads(run("init", "a", "--bucket", "b-1", "--json").stdout)
    assert list(answer) == ["name", "keep", "written", "commands"]
    assert (answer["name"], answer["keep"]) == ("a", "once")
    assert answer["commands"][3] == "aws s3 cp targets/a.json s3://b-1/targets/a.json"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--stack", "shop"], {}), ([], {"WARMER_STACK": "shop"}), (["--stack", "shop"], {"TARGETS_BUCKET": "other"})],
    ids=["said", "variable", "said beside a variable"],
)
def test_a_stack_says_its_bucket(arguments: list[str], environment: dict[str, str]) -> None:
    """Then nothing is left to fill in."""
    output = run("init", "a", *arguments, **environment).output
    assert "s3://its-bucket/targets/a.json" in output
    assert "prompt-cache-warmer warm a --stack shop" in output
    assert "BUCKET" not in output
    assert "STACK" not in output


def test_a_bucket_alone_leaves_the_stack_open() -> None:
    """One sentence less."""
    output = run("init", "a", TARGETS_BUCKET="b-1").output
    assert "s3://b-1/targets/a.json" in output
    assert output.endswith("\nSTACK is the name of your stack.\n")


def test_a_stack_that_cannot_be_read_is_told_and_the_starter_stands(folder: Path) -> None:
    """Its name is known all the same."""
    result = run("init", "a", "--stack", "gone")
    assert (result.exit_code, result.stderr) == (0, "note: there is no stack 'gone'\n")
    assert "s3://BUCKET/targets/a.json" in result.stdout
    assert "--stack gone" in result.stdout
    assert len(written(folder)) == 3


@pytest.mark.parametrize(
    "arguments", [["No Name"], ["a", "b"], ["a", "--keep", "allways"], ["a", "--ttl", "2h"], ["a", "--model", "a b"]]
)
def test_a_wrong_call_is_exit_code_2(folder: Path, arguments: list[str]) -> None:
    """And nothing is written."""
    assert run("init", *arguments).exit_code == 2
    assert written(folder) == {}


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--bucket", "s3://foo"], {}, "--bucket 's3://foo'"),
        (["--bucket", "s3://foo", "--stack", "shop"], {}, "--bucket 's3://foo'"),
        ([], {"TARGETS_BUCKET": "My Bucket"}, "TARGETS_BUCKET='My Bucket'"),
    ],
    ids=["said", "said beside a stack", "variable"],
)
def test_what_is_no_buckets_name_is_refused(
    folder: Path, arguments: list[str], environment: dict[str, str], named: str
) -> None:
    """By the settings' rule, before anything is written; a stack that is said beats the variable."""
    result = run("init", "a", *arguments, **environment)
    assert (result.exit_code, result.stdout, written(folder)) == (2, "", {})
    assert result.stderr.endswith(
        f"Error: {named}: must be the name of an S3 bucket: 3 to 63 of a-z, 0-9, '.' and '-', no s3:// and no ARN\n"
    )
    assert run("init", "a", "--stack", "shop", **environment).exit_code == 0


def test_what_cannot_be_written_is_one_sentence(folder: Path) -> None:
    """A file where a folder has to be, a name that is too long, a folder where the file has to be."""
    (folder / "file").write_text("")
    result = run("init", "a", "--dir", "file")
    assert result.exit_code == 2
    (folder / "x").mkdir()
    (folder / "x/targets").write_text("")
    said = run("init", "a", "--dir", "x")
    assert (said.exit_code, said.stderr) == (2, "Error: x/targets: cannot be made: File exists\n")
    long = run("init", "a", "--dir", "y" * 300)
    assert long.exit_code == 2
    assert long.stderr.endswith("/targets/a.json: cannot be looked at: File name too long\n")
    (folder / "z/targets/a.json").mkdir(parents=True)
    there = run("init", "a", "--dir", "z", "--force")
    assert (there.exit_code, there.stderr) == (2, "Error: z/targets/a.json: cannot be written: Is a directory\n")
    assert [path.name for path in (folder / "z/targets").iterdir()] == ["a.json"]
