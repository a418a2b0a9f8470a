"""Targets in files: the same reading as from the bucket, and an index in which a name stands once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.adapters.file_targets import index_files, read_file
from prompt_cache_warmer.adapters.indexing import index_of
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from tests.documents import PROSE, findings, read, target_document, text, valid

if TYPE_CHECKING:
    from pathlib import Path

    from prompt_cache_warmer.values.reading import Reading

REFERRING = target_document(request={"system": [{"type": "text", "text_from": "prompts/handbook.md"}]})


def write(folder: Path, name: str, content: bytes | object) -> Path:
    """Write a file, as JSON unless it is bytes."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def found_in(folder: Path, content: bytes | object, name: str = "targets/a.json") -> Reading:
    """Read a file of a folder that stands for the bucket."""
    return read_file(write(folder, name, content), root=folder, prompts_prefix="prompts/")


def test_a_file_is_read_with_what_it_refers_to(tmp_path: Path) -> None:
    """The text comes from below the folder, and the size is that of both files."""
    write(tmp_path, "prompts/handbook.md", "Ärger vermeiden.".encode())
    target = valid(found_in(tmp_path, REFERRING))
    assert target.body["system"][0]["text"] == "Ärger vermeiden."
    assert (target.summary.source, target.summary.version) == (str(tmp_path / "targets/a.json"), "local")
    assert target.summary.size_bytes == len(json.dumps(REFERRING)) + 17


def test_a_yaml_file_is_the_same_target(tmp_path: Path) -> None:
    """The suffix says how a document is written, not what it means."""
    written = b"name: support\nmodels: [claude-opus-4-8]\nkeep: always\nsystem_prompt: yes\n"
    assert valid(found_in(tmp_path, written, "a.yml")).body["system"][0]["text"] == "yes"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (None, "there is no such file in {root!r}; --root says which folder stands for the bucket"),
    ],
    ids=["not text", "missing"],
)
def test_an_object_that_is_missing_or_not_text_is_an_error(tmp_path: Path, content: bytes | None, why: str) -> None:
    """Both are said of the reference that names it, each in its own words."""
    if content is not None:
        write(tmp_path, "prompts/handbook.md", content)
    problems = found_in(tmp_path, REFERRING).problems
    assert findings(problems) == [(ProblemCode.REFERENCE_MISSING, "$.request.system[0].text_from")]
    said = why.format(root=str(tmp_path))
    assert problems[0].message == f"text_from='prompts/handbook.md': {said}"


@pytest.mark.parametrize(
    "key", ["prompts/../targets/a.json", "/etc/hostname", "prompts/a\x00b", "../prompts/a", "prompts/" + "a/" * 3000]
)
def test_a_reference_never_leaves_the_folder(tmp_path: Path, key: str) -> None:
    """What is not allowed is not even looked at, null characters and endless names included."""
    document = target_document(request={"system": [{"type": "text", "text_from": key}]})
    assert findings(found_in(tmp_path, document).problems) == [
        (ProblemCode.REFERENCE_NOT_ALLOWED, "$.request.system[0].text_from")
    ]


def test_a_link_out_of_the_prompts_is_not_followed(tmp_path: Path) -> None:
    """A key under the prefix may be a link to a secret elsewhere; it counts as missing."""
    secret = write(tmp_path, "secret.txt", b"planted")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/handbook.md").symlink_to(secret)
    assert findings(found_in(tmp_path, REFERRING).problems) == [
        (ProblemCode.REFERENCE_MISSING, "$.request.system[0].text_from")
    ]


def test_a_file_name_too_long_for_the_disk_is_a_missing_reference(tmp_path: Path) -> None:
    """S3 keys may be longer than file names; checking such a document does not crash."""
    document = target_document(request={"system": [{"type": "text", "text_from": f"prompts/{'a' * 1000}"}]})
    assert findings(found_in(tmp_path, document).problems) == [
        (ProblemCode.REFERENCE_MISSING, "$.request.system[0].text_from")
    ]


@pytest.mark.parametrize(
    ("content", "name", "code", "message"),
    [
        (b"{", "a.json", ProblemCode.SYNTAX, "not JSON at line 1, column 2"),
        (b"{}", "a.txt", ProblemCode.UNKNOWN_FORMAT, "the name ends in none of .json, .yaml, .yml"),
        (b" " * 8_388_609, "a.json", ProblemCode.TOO_LARGE, "8,388,609 bytes with everything it refers to"),
    ],
)
def test_a_file_that_is_no_document_is_a_problem(
    tmp_path: Path, content: bytes, name: str, code: ProblemCode, message: str
) -> None:
    """Syntax, suffix and size are said of the document as a whole."""
    reading = found_in(tmp_path, content, name)
    assert findings(reading.problems) == [(code, "$")]
    assert reading.problems[0].message.startswith(message)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A folder or a pipe called like a document, or a file that has gone, does not stop the others."""
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    irregular, gone = "is not a regular file", "cannot be read: No such file or directory"
    for name, why in (("folder.json", irregular), ("pipe.json", irregular), ("gone.json", gone)):
        reading = read_file(tmp_path / name, root=tmp_path, prompts_prefix="prompts/")
        problem = Problem(ProblemCode.UNREADABLE, str(tmp_path / name), "$", why)
        assert reading.problems == (problem,)


def test_the_size_counts_what_is_referred_to(tmp_path: Path) -> None:
    """Eight mebibytes hold the document and its references together."""
    write(tmp_path, "prompts/handbook.md", b"a" * 8_388_608)
    reading = found_in(tmp_path, REFERRING)
    assert findings(reading.problems) == [(ProblemCode.TOO_LARGE, "$")]
    assert reading.problems[0].message.endswith("at most 8,388,608 are allowed")


def test_a_name_stands_in_one_document_only(tmp_path: Path) -> None:
    """The first document keeps its name, the later one is an error that names the first, and the rest is kept."""
    names = {"a.json": "same", "b.json": "same", "c.json": "other"}
    files = [write(tmp_path, file, target_document(name=name)) for file, name in names.items()]
    index = index_files(read_file(file, root=tmp_path, prompts_prefix="prompts/") for file in files)
    assert [target.name for target in index.targets] == ["same", "other"]
    duplicate = [problem for problem in index.problems if problem.code is ProblemCode.DUPLICATE_NAME]
    message = f"name='same' is taken by {files[0]}; a name stands in one document only"
    assert duplicate == [Problem(ProblemCode.DUPLICATE_NAME, str(files[1]), "$.name", message)]
    assert index.invalid_sources == {str(files[1])}


def test_an_index_keeps_every_problem_of_every_document() -> None:
    """Warnings of valid documents and errors of invalid ones stand in the documents' order."""
    broken = read(target_document(keep=None))
    warned = read(target_document(request={"system": [text(PROSE)]}))
    index = index_of([(None, broken.problems), (valid(warned).summary, warned.problems)])
    assert index.problems == (*broken.problems, *warned.problems)
    assert [target.name for target in index.targets] == ["support"]


def test_an_empty_folder_is_an_empty_index() -> None:
    """Nothing to warm is not an error."""
    index = index_of([])
    assert (index.targets, index.problems, index.invalid_sources) == ((), (), frozenset())
