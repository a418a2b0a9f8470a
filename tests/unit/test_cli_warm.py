"""``warm``: what is refused before anything is spent, dry runs from files, and which reports are well."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from prompt_cache_warmer.cli.warm import is_warm, own_problems
from tests.fakes import MODEL, document
from tests.stacks import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a command line without a function and a key in its environment."""
    for name in ("WARMER_FUNCTION", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Stack()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two valid targets, ``sales`` and ``support``, of which nobody reported traffic."""
    for name in ("support", "sales"):
        write(tmp_path, name, keep="while-used")
    return tmp_path


def write(folder: Path, name: str, **changes: Any) -> None:
    """Write a target."""
    (folder / f"{name}.json").write_text(json.dumps(document(name, **changes)))


def said(result: Result) -> str:
    """Return the last line of a call that was wrong, and that printed nothing."""
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.splitlines()[-1]


def test_somebody_must_be_named_to_warm(stack: Stack) -> None:
    """The stack, its function, or files from here."""
    line = said(stack.run("warm", "support"))
    assert "Say --stack NAME or set WARMER_STACK; or say --function NAME or set WARMER_FUNCTION" in line
    assert line.endswith("Or say --file TARGET.json to warm from here.")


@pytest.mark.parametrize(
    "arguments",
    [["--function", "f"], ["support", "--all", "--function", "f"], ["support", "--all", "--file", "."]],
    ids=["no names", "names and all", "names and all of files"],
)
def test_names_or_all_are_said(
    stack: Stack, arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is guessed: it is what costs money."""
    monkeypatch.chdir(folder)
    assert said(stack.run("warm", *arguments)) == (
        "Error: which targets? Say their NAMEs, or --all for all of them; one of the two"
    )


@pytest.mark.parametrize("way", ["stack", "function"])
def test_there_is_one_way_at_a_time(stack: Stack, way: str, folder: Path) -> None:
    """Deployed or from here."""
    line = said(stack.run("warm", "support", f"--{way}", "x", "--file", str(folder)))
    assert line == f"Error: --{way} and --file are two ways to warm: say one of them"


def test_a_dry_run_from_files_needs_no_key_and_calls_nothing(stack: Stack, folder: Path) -> None:
    """All targets of the folder without a name, whatever their keeping rule; sockets are closed here."""
    result = stack.run("warm", "--file", str(folder), "--dry-run", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer["dry_run"] is True
    assert [(line["target"], line["model"], line["outcome"]) for line in answer["entries"]] == [
        ("sales", MODEL, "planned"),
        ("support", MODEL, "planned"),
    ]


def test_a_dry_run_is_shown_as_a_table(stack: Stack, folder: Path) -> None:
    """The one that is named, as show prints it."""
    result = stack.run("warm", "sales", "--file", str(folder), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["sales", MODEL, "planned"]
    assert "would be warmed" in result.stdout
    assert "support" not in result.stdout
    assert "STATE_TABLE" not in result.stdout  # nobody asks this machine later what it remembers


def test_all_and_files_is_all_of_the_files(stack: Stack, folder: Path) -> None:
    """It says the same twice."""
    result = stack.run("warm", "--all", "--file", str(folder), "--dry-run", "--json")
    assert len(json.loads(result.stdout)["entries"]) == 2


def test_a_disabled_target_is_not_called_and_not_warm(stack: Stack, folder: Path) -> None:
    """It was asked for by name, so the exit code says that it is not."""
    write(folder, "support", enabled=False)
    result = stack.run("warm", "support", "--file", str(folder), "--dry-run")
    assert result.exit_code == 1
    assert "1 not called (disabled): the target says enabled: false" in " ".join(result.stdout.split())


def test_a_name_that_no_file_has_is_refused(stack: Stack, folder: Path) -> None:
    """Before anything is spent, with the nearest one."""
    line = said(stack.run("warm", "suport", "--file", str(folder)))
    assert line == "Error: the files have no valid target 'suport'; did you mean 'support'?"


def test_invalid_documents_are_refused_where_all_are_meant(stack: Stack, folder: Path) -> None:
    """Nobody knows whether they are meant; a named one beside them is warmed all the same."""
    write(folder, "worse", keep="allways")
    result = stack.run("warm", "--file", str(folder), "--dry-run")
    assert said(result) == (
        "Error: not all of these documents are valid targets: mend them, or say which NAMEs are meant"
    )
    assert "worse.json: $.keep: error: keep='allways' is not allowed" in result.stderr
    assert stack.run("warm", "sales", "--file", str(folder), "--dry-run").exit_code == 0


def test_without_a_key_nothing_is_asked(stack: Stack, folder: Path) -> None:
    """One sentence that names the variable."""
    line = said(stack.run("warm", "support", "--file", str(folder)))
    assert line == "Error: there is no ANTHROPIC_API_KEY in the environment"


@pytest.mark.parametrize("address", ["foo", "http://192.0.2.2:9"])
@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]], ids=["calls", "dry run"])
def test_a_key_does_not_travel_in_the_open(stack: Stack, folder: Path, address: str, dry_run: list[str]) -> None:
    """An address that is neither https nor loopback is refused by the settings' rule, and nothing is sent."""
    environment = {"ANTHROPIC_API_KEY": "sk-planted", "ANTHROPIC_BASE_URL": address}
    line = said(stack.run("warm", "support", "--file", str(folder), *dry_run, **environment))
    assert line == (
        f"Error: the environment is not valid: ANTHROPIC_BASE_URL='{address}': "
        "must be an https:// URL (plain http:// is for a loopback address only: keys travel there)"
    )


def test_without_what_speaks_to_aws_the_extra_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function cannot be asked, and the sentence says what to install."""
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    assert said(stack.run("warm", "support", "--function", "warmer")).endswith(
        "is not installed; --function needs, from a clone of prompt-cache-warmer: pip install '.[aws,cli]'"
    )


def test_without_a_region_the_function_cannot_be_asked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that says what to set."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    nothing = {"AWS_CONFIG_FILE": "/nowhere", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert said(stack.run("warm", "support", "--function", "warmer", **nothing)) == (
        "Error: function 'warmer' cannot be asked: nothing says which region is meant: set AWS_DEFAULT_REGION, "
        "or AWS_PROFILE to a profile that has a region"
    )


def test_of_other_documents_problems_only_the_number_is_said() -> None:
    """Who names a target wants to hear of it: of a name that is none, and of a document that is called so."""
    unknown = {"code": "no-such-target", "source": "event", "severity": "error"}
    own = {"code": "not-json", "source": "targets/support.yaml", "severity": "error"}
    other = {"code": "not-json", "source": "targets/sales.json", "severity": "error"}
    warning = {"code": "below-minimum", "source": "targets/old.json", "severity": "warning"}
    answer = {"problems": [unknown, own, other, warning]}
    assert own_problems(answer, ("support",)) == ([unknown, own], "1 problem")
    assert own_problems({"problems": [other, {**other, "path": "$.name"}]}, ("support",)) == ([], "2 problems")
    assert own_problems({"problems": [warning]}, ("support",)) == ([], "")
    assert own_problems(answer, ()) == ([unknown, own, other, warning], "")


def report(*skipped: str, **totals: int) -> dict[str, Any]:
    """Return as much of a run report as the exit code is read from."""
    counts = {"entries_failed": 0, "entries_deferred": 0, "uncached": 0, "targets_invalid": 0, **totals}
    return {"totals": counts, "skipped": dict.fromkeys(skipped, 1), "problems": []}


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("count", ["entries_failed", "entries_deferred", "uncached"])
def test_what_failed_waits_or_is_uncached_is_bad(count: str, *, is_named: bool) -> None:
    """However it was asked for."""
    assert is_warm(report(), is_named=is_named)
    assert not is_warm(report(**{count: 1}), is_named=is_named)


@pytest.mark.parametrize(
    ("reasons", "if_named", "if_all"),
    [
        (["outlives-tick", "outlives-window", "called-this-tick", "claimed"], True, True),
        (["disabled", "outside-window", "kept-once", "no-traffic", "left-to-traffic"], False, True),
        (["break-even", "no-break-even"], False, True),
        (["paused", "breaker-open", "credential-stopped", "credential-on-trial"], False, False),
        (["call-cap", "target-day-cap", "stack-day-cap", "stack-month-cap", "unpriced", "unbounded"], False, False),
        (["a-reason-of-another-version"], False, False),
    ],
    ids=["alive", "by its rule", "not worth it", "kept back", "capped", "unknown"],
)
def test_what_is_not_called_is_well_where_it_is_alive_or_by_its_own_rule(
    reasons: list[str], *, if_named: bool, if_all: bool
) -> None:
    """By name a target is wanted warm; all of them are wanted as their documents say."""
    for reason in reasons:
        answer = report(reason, "outlives-tick")
        assert (is_warm(answer, is_named=True), is_warm(answer, is_named=False)) == (if_named, if_all)


def test_a_name_that_nobody_has_is_bad_and_other_problems_are_not() -> None:
    """Documents that were not asked for are check's matter."""
    assert is_warm(report(targets_invalid=1), is_named=True)
    problem = {"severity": "error", "source": "event", "path": "$", "message": "..."}
    assert is_warm({**report(), "problems": [{**problem, "code": "syntax"}]}, is_named=True)
    assert not is_warm({**report(), "problems": [{**problem, "code": "no-such-target"}]}, is_named=True)


@pytest.mark.parametrize(
    "answer",
    [
        report(targets_invalid=1),
        {**report(), "problems": [{"severity": "warning", "source": "targets/a.json", "code": "not-read-yet"}]},
    ],
    ids=["no valid target", "not read yet"],
)
def test_of_all_targets_none_is_warm_whose_document_was_not_read(answer: dict[str, Any]) -> None:
    """Where all are asked for, a document that is no target is one of them; by name it was not asked for."""
    assert not is_warm(answer, is_named=False)
    assert is_warm(answer, is_named=True)
