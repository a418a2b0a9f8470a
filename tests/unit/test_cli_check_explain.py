"""``check --explain`` and ``check --format github``: what a code means, and problems where a reviewer sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.annotations import annotation
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from tests.documents import target_document

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> Result:
    """Run ``check``; a crash fails the test."""
    return CliRunner(catch_exceptions=False).invoke(commands, ["check", *arguments])


def test_a_code_is_explained_with_an_example() -> None:
    """What it means, why it matters, what to do; the exit code is 0."""
    result = run("--explain", "not-allowed")
    assert (result.exit_code, result.output) == (
        0,
        (
            "not-allowed (error): A field has a value that it does not take.\n"
            "Why: The document would be refused by the API, or would not mean what it says.\n"
            "What to do: Write one of the values that the message lists.\n"
            'Not:\n  {"keep": "allways"}\n'
            'but:\n  {"keep": "always"}\n'
        ),
    )


def test_a_code_without_an_example_is_three_sentences() -> None:
    """A warning is called one."""
    lines = run("--explain", "below-minimum").output.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["below-minimum (warning)", "Why", "What to do"]


@pytest.mark.parametrize("code", list(ProblemCode), ids=str)
def test_every_code_can_be_explained(code: ProblemCode) -> None:
    """In words and as JSON, which has no field without a value."""
    assert run("--explain", code.value).output.startswith(f"{code.value} ({code.severity.value}): ")
    answer = json.loads(run("--explain", code.value, "--json").output)
    assert (answer["code"], answer["severity"]) == (code.value, code.severity.value)
    assert {"meaning", "why", "mend"} <= set(answer)
    assert None not in answer.values()


def test_an_unknown_code_names_the_nearest() -> None:
    """Or, where none is near, all there are."""
    near = run("--explain", "not-alowed")
    assert near.exit_code == 2
    assert "'not-alowed' is no code; did you mean 'not-allowed'?" in near.stderr
    far = run("--explain", "xyz")
    assert far.exit_code == 2
    assert "'xyz' is no code; there are: unreadable, unknown-format, " in far.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to check, PATH..., or --explain CODE; one of the two"),
        ([".", "--explain", "syntax"], "say what to check, PATH..., or --explain CODE; one of the two"),
        (["s3://bucket/targets/", "--explain", "syntax"], "say what to check, PATH..., or --explain CODE"),
        ([".", "--json", "--format", "github"], "--json and --format are two ways to print: say one of them"),
        (["s3://bucket/targets"], "allowed: s3://BUCKET/PREFIX/, with its slash at the end"),
        (["s3://UPPER/targets/"], "BUCKET 'UPPER': must be the name of an S3 bucket: "),
        (["s3:///targets/"], "'s3:///targets/' is read as s3://BUCKET/PREFIX/: BUCKET is missing"),
        (["s3://bucket/a/", "--prompts-prefix", "p"], "--prompts-prefix 'p': must be a key prefix"),
    ],
    ids=["nothing", "both", "bucket and code", "two forms", "no slash", "no bucket", "no name", "no prefix"],
)
def test_a_wrong_call_is_one_sentence(arguments: list[str], said: str) -> None:
    """With exit code 2, and nothing is read."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.splitlines()[-1]


def test_problems_are_annotations_of_a_workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the file, with the code as its title; what else is printed is no command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(target_document(keep="allways")))
    result = run("a.json", "--format", "github")
    assert result.output.splitlines() == [
        (
            "::error file=a.json,title=not-allowed::$.keep: keep='allways' is not allowed; allowed: 'always', "
            "'while-used' or 'once'; did you mean 'always'?"
        ),
        "0 valid, 1 invalid; 1 error, 0 warnings",
    ]
    assert result.exit_code == 1


def test_what_would_end_an_annotation_is_escaped() -> None:
    """Signs of the commands' own language, in a file's name and in a message."""
    problem = Problem(ProblemCode.MARKER_ADDED, "a,b:c%.json", "$", "100 %\r\nof it: all")
    assert annotation(problem) == ("::warning file=a%2Cb%3Ac%25.json,title=marker-added::$: 100 %25%0D%0Aof it: all")


def test_a_document_of_a_bucket_is_no_file_of_the_repository() -> None:
    """It is named in the words."""
    problem = Problem(ProblemCode.SYNTAX, "s3://b/targets/a.json", "$", "not JSON")
    assert annotation(problem) == "::error title=syntax::s3://b/targets/a.json: $: not JSON"
