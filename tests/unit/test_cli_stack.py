"""What the commands that work on a stack share: which table, and what is said when AWS cannot be asked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ReadTimeoutError
from click.testing import CliRunner

from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.opening import open_table
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.errors import StateUnavailableError
from tests.stacks import Stack

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import StateStore

COMMANDS = [["pause", "--for=1h", "--reason=x"], ["resume"], ["touch", "support", "--model=m"]]
ASKED, CHECK = "state table 'warmer-state' was asked", "check STATE_TABLE, the function's role"
HERE = "check the name, and your own AWS identity and region: they ask here, not the function's"
NO_TABLE = (
    "Error: which stack? Say --stack NAME or set WARMER_STACK; or say --table NAME or set STATE_TABLE, "
    "where NAME is the stack's output StateTableName: sam list stack-outputs --stack-name STACK"
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take this machine's AWS settings out of the way."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


def failed(*arguments: str) -> str:
    """Run a command as its user does, without any seam of ours; returns the one line it must fail with, by code 2."""
    result = CliRunner(catch_exceptions=False).invoke(commands, [*arguments, "--table", "warmer-state"])
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_is_named_by_the_option_or_the_variable(command: list[str]) -> None:
    """The option is the stronger one."""
    stack = Stack()
    assert stack.run(*command, "--table", "a").exit_code == 0
    assert stack.run(*command, STATE_TABLE="b").exit_code == 0
    assert stack.run(*command, "--table", "c", STATE_TABLE="d").exit_code == 0
    assert stack.opened == ["a", "b", "c"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("options", [[], ["--table", ""]])
def test_without_a_table_it_is_said_where_to_find_its_name(command: list[str], options: list[str]) -> None:
    """A wrong call: exit code 2. A variable that is set to nothing counts as absent."""
    stack = Stack()
    for variable in ({}, {"STATE_TABLE": ""}):
        result = stack.run(*command, *options, **variable)
        assert (result.exit_code, result.stdout, stack.opened) == (2, "", [])
        assert result.stderr.splitlines()[-1] == NO_TABLE


def test_the_time_is_the_machines_and_the_state_the_tables_unless_said_otherwise() -> None:
    """Only tests say otherwise."""
    assert isinstance(Seams().clock, SystemClock)
    assert Seams().open_store is open_table


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_region_it_is_said_how_to_name_one(aws: pytest.MonkeyPatch, command: list[str]) -> None:
    """boto3 says only that one is missing."""
    assert aws is not None
    assert failed(*command) == (
        "Error: the state table 'warmer-state' cannot be opened: nothing says which region is meant: "
        "set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has a region"
    )


def test_without_credentials_it_is_said_how_to_have_some(aws: pytest.MonkeyPatch) -> None:
    """No call is made without them, so that nothing refused it; and the function's role is not what is missing."""
    aws.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert failed("resume") == (
        "Error: state table 'warmer-state' could not be asked for BatchGetItem, or gave no answer: "
        "NoCredentialsError; log in to AWS (aws sso login, or aws configure), or set AWS_PROFILE"
    )


def broken(cause: BaseException | None) -> StateUnavailableError:
    """Return what a table says of a question that failed."""
    word = {ClientError: ": AccessDeniedException", type(None): ""}.get(type(cause), f": {type(cause).__name__}")
    error = StateUnavailableError(f"{ASKED}{word}; {CHECK}")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (None, f"{ASKED}; try again in a minute"),
        (ValueError(), f"{ASKED}: ValueError; {CHECK}"),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            f"{ASKED}: EndpointConnectionError; check the network path, the region and AWS_ENDPOINT_URL",
        ),
        (
            ReadTimeoutError(endpoint_url="http://127.0.0.1:1"),
            f"{ASKED}: ReadTimeoutError; check the network path, the region and AWS_ENDPOINT_URL",
        ),
        (BotoCoreError(), f"{ASKED}: BotoCoreError; see how AWS is set up here: aws configure list"),
        (
            ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem"),
            f"{ASKED}: AccessDeniedException; {HERE}",
        ),
    ],
    ids=["no cause", "a defect", "no network", "no answer", "another", "refused"],
)
def test_what_to_do_is_said_to_whoever_typed_the_command(cause: BaseException | None, said: str) -> None:
    """What only the function's operator could check is left out where the command's own machine did not get through."""

    def fail(_: str) -> StateStore:
        raise broken(cause)

    result = CliRunner(catch_exceptions=False).invoke(
        commands, ["resume", "--table", "warmer-state"], obj=Seams(open_store=fail)
    )
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {said}\n")


def test_an_unknown_profile_is_one_line(aws: pytest.MonkeyPatch) -> None:
    """And says what lists those that there are."""
    aws.setenv("AWS_PROFILE", "nobody")
    assert failed("resume") == (
        "Error: the state table 'warmer-state' cannot be opened: there is no profile 'nobody': "
        "aws configure list-profiles"
    )


@pytest.mark.parametrize(
    ("missing", "module", "command"),
    [
        ("boto3", "aws", ["resume", "--table", "warmer-state"]),
        ("boto3", "deployment", ["resume", "--stack", "shop"]),
        ("botocore", "deployment", ["status", "--stack", "shop"]),
        ("boto3", "deployment", ["doctor", "--stack", "shop"]),
    ],
    ids=["table", "stack", "status", "doctor"],
)
def test_a_missing_extra_is_explained(
    monkeypatch: pytest.MonkeyPatch, missing: str, module: str, command: list[str]
) -> None:
    """Installed for checking documents only, the command says what to install."""
    for name in list(sys.modules):
        if name.startswith((f"prompt_cache_warmer.wiring.{module}", "prompt_cache_warmer.wiring.checkup")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "prompt_cache_warmer.wiring.aws", raising=False)  # makes every client
    monkeypatch.setitem(sys.modules, missing, None)
    result = CliRunner(catch_exceptions=False).invoke(commands, command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: {missing} is not installed; this command needs, from a clone of prompt-cache-warmer: "
        "pip install '.[aws,cli]'\n"
    )


def test_commands_without_a_stack_load_nothing_of_aws() -> None:
    """They start fast and work where only the cli extra is installed."""
    loaded = "import sys, prompt_cache_warmer.cli.commands; print({'boto3', 'botocore'} & sys.modules.keys())"
    printed = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert printed.stdout == "set()\n"
