"""Every bad argument of an observer is an error of its own type that names the argument, and quotes no prompt."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.adapters.file_targets import document_files, root_of
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from tests.canaries import CANARY
from tests.fakes import document
from tests.observer_cases import REQUEST, Watch
from tests.observer_parts import Offline

TEXT = json.dumps(document(request={"system": [{"type": "text", "text": CANARY * 99}]}))


async def later(_: object) -> None:
    """Be awaited by nobody."""


BAD: list[tuple[dict[str, Any], str]] = [
    ({"target": 7}, "target: a value of type int is not text"),
    ({"target": ""}, "target: is empty"),
    ({"target": "suport"}, "target: there is no target 'suport'; did you mean 'support'?"),
    ({"metrics": "statsd"}, "metrics: 'statsd' is not allowed; allowed: 'emf', 'cloudwatch', None"),
    ({"metrics": ["emf"]}, "metrics: a list of 1 is not allowed; allowed: 'emf', 'cloudwatch', None"),
    ({"service": None}, "service: a value of type NoneType is not text"),
    ({"service": ""}, "service: is empty"),
    ({"service": "a b"}, "service: 'a b' is not allowed; allowed: 1 to 255 characters, no blanks"),
    ({"namespace": "AWS/Lambda"}, "namespace: 'AWS/Lambda' is CloudWatch's own; allowed: one without 'AWS/'"),
    ({"namespace": "ü"}, "namespace: 'ü' is not allowed; allowed: 1 to 255 characters, no blanks"),
    ({"state_table": ""}, "state_table: is empty"),
    ({"state_table": 7}, "state_table: a value of type int is not text"),
    ({"state_table": "ab"}, "state_table: 'ab' is not allowed; allowed: the name of a DynamoDB table, or its ARN"),
    ({"state_table": "a" * 256}, "state_table: a string of 256 characters is not allowed"),
    ({"state_table": "my table"}, "state_table: 'my table' is not allowed"),
    ({"state_table": "arn:aws:dynamodb:eu-central-1:12:table/abc"}, "state_table: 'arn:aws:dynamodb:eu"),
    ({"clock": 7}, "clock: a value of type int has no now and monotonic_seconds"),
    ({"clock": datetime}, "clock: a value of type type has no now and monotonic_seconds"),
    ({"session": "default"}, "session: a value of type str has no client"),
    ({"on_request": 7}, "on_request: a value of type int cannot be called"),
    ({"on_request": later}, "on_request: is a coroutine function, which nobody would await"),
    ({"capture": "all"}, "capture: 'all' is not allowed; allowed: 'new', 'changed', None"),
    ({"capture": "new"}, "capture: needs targets='s3://BUCKET/PREFIX/'"),
    ({"prompts_prefix": 7}, "prompts_prefix: a value of type int is not text"),
    ({"prompts_prefix": "prompts"}, "prompts_prefix: 'prompts' is not allowed; allowed: a prefix that ends in /"),
    ({"targets": 7}, "targets: a value of type int is no target"),
    ({"targets": b"x"}, "targets: a value of type bytes is no target"),
    ({"targets": [7]}, "targets: a value of type int is no target"),
    ({"targets": {7}}, "targets: a value of type set is no target"),
    ({"targets": []}, "targets: there is no target document"),
    ({"targets": ""}, "targets: a path is empty"),
    ({"targets": [""]}, "targets: a path is empty"),
    ({"targets": "nowhere"}, "targets: there is no file or folder 'nowhere'"),
    ({"targets": Path("nowhere")}, "targets: there is no file or folder 'nowhere'"),
    ({"targets": "a\0b"}, "targets: there is no file or folder"),
    ({"targets": "x" * 5_000}, "targets: there is no file or folder a string of 5,000 characters"),
    ({"targets": TEXT}, f"targets: there is no file or folder of {len(TEXT):,} characters"),
    ({"targets": '{"name": "x"}'}, "targets: there is no file or folder of 13 characters"),
    ({"targets": "s3://bucket"}, "targets: 's3://bucket' is no place in S3; allowed: 's3://BUCKET/PREFIX/'"),
    ({"targets": "s3://bucket/targets"}, "targets: 's3://bucket/targets' is no place in S3"),
    ({"targets": "s3://B/targets/"}, "targets: 's3://B/targets/' is no place in S3"),
    ({"targets": "s3:targets"}, "targets: 's3:targets' is no place in S3"),
    ({"targets": {"name": "x"}}, "targets: a mapping: $.models: models is missing"),
    ({"targets": document(keep="sometimes")}, "targets: a mapping: $.keep: keep='sometimes' is not allowed"),
    ({"targets": [document(), document()]}, "targets: a mapping: $.name: name='support' is taken by a mapping"),
    ({"targets": {"name": object()}}, "targets.name: a value of type object is not JSON"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[said[:60] for _, said in BAD])
def test_a_bad_argument_is_named(options: dict[str, Any], said: str) -> None:
    """With what it is and what is allowed."""
    with pytest.raises((ArgumentTypeError, ArgumentValueError)) as caught:
        CacheObserver(**{"targets": document(), **options})
    assert str(caught.value).startswith(said)
    assert CANARY not in str(caught.value)
    assert isinstance(caught.value, TypeError | ValueError)


@pytest.mark.parametrize(
    "state_table",
    ["abc", "a" * 255, "My_Table-1.x", "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/stack-StateTable-1"],
)
def test_a_table_goes_by_its_name_or_its_arn(state_table: str) -> None:
    """Nothing is read of it before there is traffic."""
    observer = CacheObserver(targets=document(), state_table=state_table, session=Offline(), namespace="Team/AWS/Warm")
    assert not observer._background.is_started


@pytest.mark.parametrize("targets", ["s3://my-bucket/targets/", "s3://my.bucket1/", "s3://b-1/a/b/c/"])
def test_a_place_in_s3_is_only_named(targets: str) -> None:
    """It is read later and elsewhere, so that no name can be checked against it."""
    observer = CacheObserver(targets=targets, target="whatever", session=Offline())
    assert observer.close()
    assert observer.counts.failures["targets"] >= 1


def write(folder: Path, name: str, value: object, *, as_yaml: bool = False) -> Path:
    """Write a document."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False) if as_yaml else json.dumps(value), encoding="utf-8")
    return path


def test_targets_may_be_files_folders_and_mappings(tmp_path: Path) -> None:
    """Together, in any order; a folder stands for the documents in it, and a file is read once."""
    one = write(tmp_path, "targets/one.json", document("one"))
    write(tmp_path, "targets/two.yaml", document("two"), as_yaml=True)
    write(tmp_path, "targets/notes.txt", "no document")
    three = write(tmp_path, "three.json", document("three"))
    watch = Watch({"targets": [str(tmp_path / "targets"), three, document()]})
    for name in ("one", "two", "three", "support"):
        watch.client.messages.create(**{**REQUEST, "system": document(name)["request"]["system"]})
    assert [told.target for told in watch.told] == ["one", "two", "three", "support"]
    with pytest.raises(ArgumentValueError, match=r"targets: .*three\.json: \$\.name: "):
        CacheObserver(targets=[three, write(tmp_path, "again/three.json", document("three"))])
    assert list(document_files([tmp_path / "targets", one])) == [one, tmp_path / "targets/two.yaml"]
    with pytest.raises(ArgumentValueError, match="there is no target document"):
        CacheObserver(targets=write(tmp_path, "empty/x.txt", "").parent)


@pytest.mark.parametrize("place", ["", "targets/"])
def test_texts_are_found_beside_the_document_or_beside_its_folder(tmp_path: Path, place: str) -> None:
    """As in the bucket, where both prefixes stand beside each other; else below the document's own folder."""
    text = REQUEST["system"][0]["text"]
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/support.md").write_text(text, encoding="utf-8")
    block = {"type": "text", "text_from": "prompts/support.md", "cache_control": {"type": "ephemeral"}}
    path = write(tmp_path, f"{place}a.json", document(request={"system": [block]}))
    watch = Watch({"targets": path})
    watch.client.messages.create(**REQUEST)
    assert watch.counted == {"requests": 1, "hits": 1}
    assert root_of(path, prompts_prefix="prompts/") == tmp_path
    assert root_of(path, prompts_prefix="others/") == path.parent


def test_a_document_with_a_warning_is_a_target() -> None:
    """It is warmed as well: here with a marker that the document lacks."""
    unmarked = {"system": [{"type": "text", "text": REQUEST["system"][0]["text"]}]}
    watch = Watch({"targets": document(request=unmarked)})
    watch.client.messages.create(**REQUEST)
    assert watch.counted == {"requests": 1, "hits": 1}


def test_a_file_that_is_no_document_says_where(tmp_path: Path) -> None:
    """The file and the place in it."""
    path = tmp_path / "a.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ArgumentValueError, match=r"^targets: .*a\.json: "):
        CacheObserver(targets=path)


class Locked(type(Path())):  # type: ignore[misc]  # the path class of this platform
    """A folder that may not be listed, whoever runs the tests."""

    def iterdir(self) -> Any:
        """Refuse."""
        raise PermissionError(13, "Permission denied")


def test_a_folder_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """And what the system says of it."""
    folder = Locked(tmp_path)
    with pytest.raises(ArgumentValueError) as caught:
        CacheObserver(targets=folder)
    assert str(caught.value).startswith("targets: the folder ")
    assert str(caught.value).endswith(" cannot be read: Permission denied")


@pytest.mark.parametrize("seconds", [None, "5", True])
def test_only_numbers_are_waited_for(seconds: Any) -> None:
    """Flushing and closing name the argument."""
    observer = Watch().observer
    for wait in (observer.flush, observer.close):
        with pytest.raises(ArgumentTypeError, match=r"^timeout_seconds: a value of type .* is not a number of seconds"):
            wait(timeout_seconds=seconds)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e300, 5])
def test_any_number_of_seconds_will_do(seconds: float) -> None:
    """Without anything in the background there is nothing to wait for."""
    observer = Watch().observer
    assert observer.flush(timeout_seconds=seconds)
    assert observer.close(timeout_seconds=seconds)


def test_the_working_directory_is_read_only_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dot says so; an empty text is a variable that was not set."""
    write(tmp_path, "a.json", document())
    monkeypatch.chdir(tmp_path)
    assert os.listdir() == ["a.json"]  # noqa: PTH208 - the working directory, by no name at all
    CacheObserver(targets=".")
    with pytest.raises(ArgumentValueError, match="a path is empty"):
        CacheObserver(targets="")
