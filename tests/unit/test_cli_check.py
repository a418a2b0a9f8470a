"""``check``: a linter for target documents, for people and for pipelines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands
from tests.documents import FIVE_MINUTES, PROSE, target_document, text
from tests.terminals import typed

if TYPE_CHECKING:
    from pathlib import Path

WORTH = "word" * 5_000
GOOD = target_document(name="good", request={"system": [text(WORTH, cache_control=FIVE_MINUTES)]})
WARNED = target_document(name="warned", request={"system": [text(WORTH)]})
BROKEN = target_document(name="broken", keep="allways")
REFERRING = target_document(
    name="referring", request={"system": [{"type": "text", "text_from": "prompts/a.md", "cache_control": FIVE_MINUTES}]}
)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder that stands for the bucket, and stand in it."""
    (tmp_path / "targets").mkdir()
    (tmp_path / "prompts").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **documents: Any) -> None:
    """Write target documents as JSON."""
    for name, document in documents.items():
        (folder / "targets" / f"{name}.json").write_text(json.dumps(document))


def run(*arguments: str) -> Result:
    """Run ``check``; a crash fails the test."""
    return CliRunner(catch_exceptions=False).invoke(commands, ["check", *arguments])


def test_a_valid_file_is_one_line_and_a_count(bucket: Path) -> None:
    """The line says what would be warmed; the exit code is 0."""
    write(bucket, good=GOOD)
    result = run("targets/good.json")
    assert result.output == (
        "targets/good.json: good: about 5,000 tokens, ttl 5m, on claude-opus-4-8\n"
        "1 valid, 0 invalid; 0 errors, 0 warnings\n"
    )
    assert result.exit_code == 0


def test_a_broken_file_is_said_like_a_linter_and_fails(bucket: Path) -> None:
    """Source, place, severity, sentence, code; the valid files beside it are still listed."""
    write(bucket, broken=BROKEN, good=GOOD)
    result = run("targets/broken.json", "targets/good.json")
    assert result.output == (
        "targets/broken.json: $.keep: error: keep='allways' is not allowed; allowed: 'always', 'while-used' or 'once'; "
        "did you mean 'always'? [not-allowed]\n"
        "targets/good.json: good: about 5,000 tokens, ttl 5m, on claude-opus-4-8\n"
        "1 valid, 1 invalid; 1 error, 0 warnings\n"
    )
    assert result.exit_code == 1


@pytest.mark.parametrize(("strict", "exit_code"), [(False, 0), (True, 1)])
def test_warnings_fail_when_asked_to(bucket: Path, *, strict: bool, exit_code: int) -> None:
    """A warned target is valid; ``--strict`` is for pipelines that want none."""
    write(bucket, warned=WARNED)
    result = run("targets/warned.json", *(["--strict"] if strict else []))
    assert "warning: no cache_control marker found" in result.output
    assert result.output.endswith("1 valid, 0 invalid; 0 errors, 1 warning\n")
    assert result.exit_code == exit_code


def test_strict_passes_what_has_no_warning(bucket: Path) -> None:
    """Nothing found is 0 with ``--strict`` too."""
    write(bucket, good=GOOD)
    assert run("--strict", "targets").exit_code == 0


def test_a_folder_stands_for_its_documents(bucket: Path) -> None:
    """Every document directly in it is checked once, in order, other files are not."""
    write(bucket, good=GOOD, broken=BROKEN)
    (bucket / "targets/readme.md").write_text("not a document")
    (bucket / "targets/second.yml").write_text("[]")
    (bucket / "targets/inner").mkdir()
    (bucket / "targets/inner/deep.json").write_text("[]")
    result = run("targets", "targets/good.json")
    lines = result.output.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "targets/broken.json",
        "targets/second.yml",
        "targets/good.json",
    ]
    assert lines[-1] == "1 valid, 2 invalid; 2 errors, 0 warnings"


def test_json_output_is_for_pipelines(bucket: Path) -> None:
    """The same findings as one JSON object, exit code included."""
    write(bucket, broken=BROKEN, warned=WARNED)
    result = run("--json", "targets")
    assert json.loads(result.output) == {
        "valid": [
            {
                "source": "targets/warned.json",
                "name": "warned",
                "models": ["claude-opus-4-8"],
                "prefix_tokens_estimate": 5_000,
                "ttls": ["5m"],
            }
        ],
        "invalid": ["targets/broken.json"],
        "problems": [
            {
                "severity": "error",
                "code": "not-allowed",
                "source": "targets/broken.json",
                "path": "$.keep",
                "message": (
                    "keep='allways' is not allowed; allowed: 'always', 'while-used' or 'once'; did you mean 'always'?"
                ),
            },
            {
                "severity": "warning",
                "code": "marker-added",
                "source": "targets/warned.json",
                "path": "$.request.system[0]",
                "message": "no cache_control marker found; one is added at $.request.system[0]: real traffic hits "
                "only with its own there",
            },
        ],
    }
    assert result.exit_code == 1


def test_a_name_may_stand_in_one_file_only(bucket: Path) -> None:
    """Two files with one name would be an error in the bucket, so they are one here."""
    write(bucket, a=GOOD, b=GOOD)
    result = run("targets")
    assert "targets/b.json: $.name: error: name='good' is taken by targets/a.json" in result.output
    assert result.exit_code == 1


def test_references_are_found_beside_the_targets_folder(bucket: Path) -> None:
    """The folder above targets/ stands for the bucket when it has the prompts."""
    (bucket / "prompts/a.md").write_text(WORTH)
    write(bucket, referring=REFERRING)
    result = run("targets/referring.json")
    assert (result.exit_code, "about 5,000 tokens" in result.output) == (0, True)


def test_references_are_found_beside_the_file(bucket: Path) -> None:
    """A file with its prompts next to it is a bucket of its own."""
    (bucket / "alone/prompts").mkdir(parents=True)
    (bucket / "alone/prompts/a.md").write_text(WORTH)
    (bucket / "alone/a.json").write_text(json.dumps(REFERRING))
    assert run("alone/a.json").exit_code == 0


def test_the_root_and_the_prefix_may_be_given(bucket: Path) -> None:
    """Another layout than the usual one is said by two options."""
    (bucket / "elsewhere/texts").mkdir(parents=True)
    (bucket / "elsewhere/texts/a.md").write_text(WORTH)
    document = json.loads(json.dumps(REFERRING).replace("prompts/", "texts/"))
    write(bucket, referring=document)
    assert run("targets", "--root", "elsewhere", "--prompts-prefix", "texts/").exit_code == 0
    assert "[reference-not-allowed]" in run("targets", "--root", "elsewhere").output


def test_a_prompt_that_is_nowhere_is_said(bucket: Path) -> None:
    """Without any prompts folder the file's own folder stands for the bucket."""
    (bucket / "prompts").rmdir()
    write(bucket, referring=REFERRING)
    result = run("targets/referring.json")
    assert "[reference-missing]" in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize("arguments", [[], ["nowhere.json"], ["empty"], ["targets", "--root", "nowhere"], ["--what"]])
def test_a_wrong_call_is_exit_code_2(bucket: Path, arguments: list[str]) -> None:
    """No file, a missing file, a folder without documents and an unknown option are the caller's mistakes."""
    (bucket / "empty").mkdir()
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.output


def test_colour_is_for_terminals(bucket: Path) -> None:
    """Errors are red and warnings yellow where there is a terminal, and plain in a pipe."""
    write(bucket, broken=BROKEN, warned=WARNED)
    coloured = CliRunner().invoke(commands, ["check", "targets"], color=True).output
    assert "\x1b[31merror\x1b[0m" in coloured
    assert "\x1b[33mwarning\x1b[0m" in coloured
    assert "\x1b" not in run("targets").output


def test_a_document_cannot_write_to_the_terminal(bucket: Path) -> None:
    """Escape sequences in names, models and keys are shown and not carried out."""
    sign = "\x1b[2J"
    write(
        bucket,
        a={**GOOD, "name": sign, "models": [sign], sign: sign},
        b={**GOOD, "request": {sign: 1, "system": PROSE}},
    )
    assert "\x1b" not in run("targets").output
    assert "\x1b" not in run("targets", "--json").output


def test_progress_is_shown_for_many_files_on_a_terminal(bucket: Path) -> None:
    """From fifty documents on; fewer are read before anybody wonders, and a pipe is told nothing."""
    write(bucket, **{f"t{number}": {**GOOD, "name": f"t{number}"} for number in range(50)})
    assert run("targets").stderr == ""
    exit_code, printed, screen = typed("check", "targets", folder=bucket)
    assert (exit_code, printed.splitlines()[-1]) == (0, "50 valid, 0 invalid; 0 errors, 0 warnings")
    assert "reading" in screen
    assert "100%" in screen
    (bucket / "targets/t0.json").unlink()
    assert typed("check", "targets", folder=bucket)[2] == ""
