"""What holds for every command: its help, an example, --json, options that mean the same everywhere, colours."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.examples import examples
from tests.documents import target_document

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "prompt-cache-warmer"
NAMES = list(commands.commands)
WITHOUT_JSON = {
    "schema": "what it prints is JSON",
    "completion": "what it prints is for the shell",
}
SECTIONS = ["Targets", "Operate", "Prove", "Tools"]


def options(name: str) -> list[click.Option]:
    """Return the options of a command."""
    return [parameter for parameter in commands.commands[name].params if isinstance(parameter, click.Option)]


def example_lines(name: str) -> list[str]:
    """Return the commands to type at the end of a command's help."""
    return [line.strip() for line in (commands.commands[name].epilog or "").splitlines() if line.startswith("  ")]


def test_the_help_lists_every_command_once_by_what_it_is_for() -> None:
    """In four sections, each command with a whole sentence that fits its line."""
    output = CliRunner().invoke(commands, ["--help"], terminal_width=80).output
    lines = output.splitlines()
    assert [line.removesuffix(":") for line in lines if line.removesuffix(":") in SECTIONS] == SECTIONS
    listed = {
        line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line[:2] == "  " and line.split()[0] in NAMES
    }
    assert list(listed) == NAMES
    assert {name: said for name, said in listed.items() if not said.endswith(".") or said.endswith("...")} == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_first_sentence_says_what_it_does(name: str) -> None:
    """One line: a verb in the imperative first, and no name of the command in its place."""
    first = (commands.commands[name].help or "").partition("\n\n")[0].strip()
    assert "\n" not in first
    assert first.endswith(".")
    assert first[0].isupper()
    assert not first.split()[0].endswith(("s", "ing")), first  # "Lists" and "Listing" describe, "List" tells


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_its_help(name: str) -> None:
    """A sentence, and a word for its value."""
    shown = [option for option in options(name) if not option.hidden]
    assert [option.opts[0] for option in shown if not (option.help or "").strip()] == []
    unnamed = [
        option.opts[0]
        for option in shown
        if not option.is_flag and option.metavar is None and not isinstance(option.type, click.Choice)
    ]
    assert set(unnamed) <= {"--root", "--name"}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_answers_in_json_too(name: str) -> None:
    """By the same flag with the same words; two have their reason, which their help tells."""
    flags = [option for option in options(name) if "--json" in option.opts]
    if name in WITHOUT_JSON:
        assert flags == []
        assert "There is no --json" in (commands.commands[name].help or "")
        return
    (flag,) = flags
    assert (flag.name, flag.is_flag, flag.help) == ("as_json", True, "Print JSON.")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_an_example_that_it_understands(name: str) -> None:
    """Each is a line to type: of this command, with arguments it takes and options it has."""
    lines = example_lines(name)
    assert lines
    for line in lines:
        program, first, *arguments = shlex.split(line.partition(" > ")[0])
        assert (program, first) == (PROGRAM, name)
        command = commands.commands[name]
        context = click.Context(command, info_name=name, parent=click.Context(commands, **commands.context_settings))
        values, rest, _ = command.make_parser(context).parse_args(list(arguments))
        assert rest == []
        missing = [
            parameter.name
            for parameter in command.params
            if parameter.required and values.get(parameter.name or "") in (None, ())
        ]
        assert missing == []


def test_an_example_is_one_and_examples_are_several() -> None:
    """Lines that click leaves as they are."""
    assert examples("a b") == "\b\nExample:\n  a b"
    assert examples("a", "b") == "\b\nExamples:\n  a\n  b"
    printed = CliRunner().invoke(commands, ["warm", "--help"], terminal_width=60).output
    assert "    prompt-cache-warmer warm --all --dry-run --stack STACK\n" in printed


def test_an_option_means_the_same_everywhere() -> None:
    """The same variable behind it, the same word for its value; a flag is nowhere something else."""
    kinds: dict[str, set[tuple[object, ...]]] = {}
    for name in NAMES:
        for option in options(name):
            envvar = tuple(option.envvar) if isinstance(option.envvar, list) else option.envvar
            kinds.setdefault(option.opts[0], set()).add((envvar, option.metavar, option.is_flag))
    assert {option: found for option, found in kinds.items() if len(found) > 1} == {}


def test_a_mistyped_command_names_the_nearest() -> None:
    """With exit code 2."""
    result = CliRunner().invoke(commands, ["chekc"])
    assert result.exit_code == 2
    assert "No such command 'chekc'" in result.stderr
    assert "check" in result.stderr


@pytest.mark.parametrize(
    ("environment", "is_coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "x"}, False)],
    ids=["unset", "empty", "1", "x"],
)
def test_no_color_is_respected(environment: dict[str, str], *, is_coloured: bool, tmp_path: Path) -> None:
    """Whatever it is set to, but not where it is set to nothing: https://no-color.org."""
    (tmp_path / "a.json").write_text(json.dumps(target_document(keep="allways")))
    runner = CliRunner(env={"NO_COLOR": None, **environment})
    result = runner.invoke(commands, ["check", str(tmp_path)], color=True)
    assert ("\x1b[31merror\x1b[0m" in result.output) is is_coloured
    assert "error" in result.output
