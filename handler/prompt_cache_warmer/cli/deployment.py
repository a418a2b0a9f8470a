"""Which deployment a command works on: by its stack's name alone, or by the names of what the stack made.

What is typed beats what stands in a variable, and the name of the thing itself beats the stack's.
"""

from __future__ import annotations

import shlex
from functools import wraps
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from prompt_cache_warmer.cli.stack import Seams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prompt_cache_warmer.adapters.deployed_stack import DeployedStack

STACK_VARIABLE = "WARMER_STACK"
TABLE_VARIABLE = "STATE_TABLE"
FUNCTION_VARIABLE = "WARMER_FUNCTION"
BUCKET_VARIABLE = "TARGETS_BUCKET"

_OPTIONS = {
    BUCKET_VARIABLE: "bucket",
    TABLE_VARIABLE: "table",
    "TARGETS_PREFIX": "targets_prefix",
    "PROMPTS_PREFIX": "prompts_prefix",
}

stack_option = click.option(
    "--stack",
    envvar=STACK_VARIABLE,
    show_envvar=True,
    metavar="NAME",
    help="The deployed stack; its outputs say the rest.",
)


def own_option(option: str, variable: str, said: str) -> Callable[..., Callable[..., None]]:
    """Return the option that names one of the things a stack made, in place of the stack."""
    return click.option(option, envvar=variable, show_envvar=True, metavar="NAME", help=f"In place of --stack: {said}")


table_option = own_option("--table", TABLE_VARIABLE, "the table of its state, its output StateTableName.")
function_option = own_option("--function", FUNCTION_VARIABLE, "its function, its output FunctionName.")
bucket_option = own_option("--bucket", BUCKET_VARIABLE, "the bucket of its targets, its output TargetsBucketName.")


def is_typed(context: click.Context, parameter: str) -> bool:
    """Tell whether something was said on the command line, and not by a variable."""
    return context.get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def stack_meant(context: click.Context, parameter: str, *, own: str | None, stack: str | None) -> DeployedStack | None:
    """Read the stack, where its name and not that of the thing itself says what is meant.

    Args:
        context: the command's.
        parameter: the parameter that names the thing itself.
        own: what that one was given; an empty one counts as absent, because variables are emptied so.
        stack: the stack's name.

    Raises:
        UnusableError: with one line, when the stack cannot be read.
    """
    is_stack_first = is_typed(context, "stack") and not is_typed(context, parameter)
    if not stack or (own and not is_stack_first):
        return None
    return context.ensure_object(Seams).open_stack(stack)


def own_name(
    context: click.Context, parameter: str, *, own: str | None, stack: str | None, of: Callable[[DeployedStack], str]
) -> str | None:
    """Return the name of one of the things a stack made; None where neither it nor the stack was said.

    Args:
        context: the command's.
        parameter: the parameter that names the thing itself.
        own: what that one was given.
        stack: the stack's name.
        of: takes the name out of the stack's outputs.

    Raises:
        UnusableError: with one line, when the stack cannot be read.
    """
    found = stack_meant(context, parameter, own=own, stack=stack)
    return (own or None) if found is None else of(found)


def as_typed(context: click.Context, problems: tuple[str, ...]) -> str:
    """Join what is wrong with settings, by the options that were typed in place of their variables."""
    typed = {variable: parameter for variable, parameter in _OPTIONS.items() if is_typed(context, parameter)}
    return in_words(problems, {variable: f"--{name.replace('_', '-')}" for variable, name in typed.items()})


def in_words(problems: tuple[str, ...], words: Mapping[str, str]) -> str:
    """Join what is wrong with settings, by the words that the user knows in place of their variables."""
    said = "; ".join(problems)
    for variable, word in words.items():
        said = said.replace(f"{variable}=", f"{word} ").replace(variable, word)
    return said


def state_option(table: str) -> str:
    """Return the option that names the same state to another command, as the present one was told."""
    context = click.get_current_context()
    stack = context.params.get("stack")
    if stack and is_typed(context, "stack") and not is_typed(context, "table"):
        return f"--stack {shlex.quote(stack)}"
    return f"--table {shlex.quote(table)}"


def takes_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a stack or its table, as its one argument ``table``."""
    return _taking(command, table_option, "table", "StateTableName", TABLE_VARIABLE, lambda stack: stack.table)


def _taking(
    command: Callable[..., None],
    option: Callable[..., Callable[..., None]],
    parameter: str,
    output: str,
    variable: str,
    of: Callable[[DeployedStack], str],
) -> Callable[..., None]:
    @stack_option
    @option
    @wraps(command)
    def with_name(*given: object, stack: str | None, **others: object) -> None:
        context = click.get_current_context()
        own = others.pop(parameter)
        named = own_name(context, parameter, own=str(own) if own else None, stack=stack, of=of)
        if named is None:
            raise click.UsageError(which(parameter, output, variable))
        command(*given, **{parameter: named}, **others)

    return with_name


def which(parameter: str, output: str, variable: str) -> str:
    """Say how to name the deployment where nobody did."""
    return (
        f"which stack? Say --stack NAME or set {STACK_VARIABLE}; or say --{parameter} NAME or set {variable}, "
        f"where NAME is the stack's output {output}: sam list stack-outputs --stack-name STACK"
    )
