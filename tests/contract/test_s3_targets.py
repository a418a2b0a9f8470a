"""Targets in S3: what is fetched and what is not, references, sizes, races, a dead S3."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.errors import TargetsUnreadableError, TargetUnavailableError
from prompt_cache_warmer.values.problems import ProblemCode
from tests.fakes import codes, document, etag

if TYPE_CHECKING:
    from infra.local.aws import LocalAws

BUCKET = "b-1"
MARK = {"type": "ephemeral"}
PLENTY_BYTES = 100_000_000


class Shelf:
    """A bucket whose requests are counted."""

    def __init__(self, aws: LocalAws, *, cache_bytes: int = PLENTY_BYTES) -> None:
        self.s3 = aws.s3
        self.s3.create_bucket(Bucket=BUCKET)
        self.requests: Counter[str] = Counter()
        self.client = aws.s3
        for operation in ("GetObject", "ListObjectsV2"):
            self.client.meta.events.register(f"before-call.s3.{operation}", self._count)
        self.targets = S3Targets(
            Bucket(self.client, BUCKET),
            targets_prefix="targets/",
            prompts_prefix="prompts/",
            bodies=BodyCache(cache_bytes),
            max_inflight_bytes=PLENTY_BYTES,
        )

    def _count(self, model: object, **_: object) -> None:
        self.requests[str(getattr(model, "name", ""))] += 1

    def put(self, key: str, content: object) -> None:
        """Write an object; anything but text and bytes as JSON."""
        body = content if isinstance(content, str | bytes) else json.dumps(content)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture
def shelf(aws: LocalAws) -> Shelf:
    """Return an empty bucket with room to keep every body."""
    return Shelf(aws)


def referring(name: str, key: str) -> dict[str, object]:
    """Return a document whose prompt stands in another object."""
    return document(name, request={"system": [{"type": "text", "text_from": key, "cache_control": MARK}]})


async def test_an_unchanged_object_is_listed_and_never_fetched_again(shelf: Shelf) -> None:
    """The second tick lists two prefixes and gets nothing, bodies included."""
    for name in ("a", "b"):
        shelf.put(f"targets/{name}.json", referring(name, "prompts/p.md"))
    shelf.put("prompts/p.md", "You are a bot. " * 2000)
    for target in (await shelf.targets.load()).targets:
        await shelf.targets.fetch(target)
    shelf.requests.clear()
    for target in (await shelf.targets.load()).targets:
        await shelf.targets.fetch(target)
    assert shelf.requests == {"ListObjectsV2": 2}


async def test_only_what_changed_is_fetched(shelf: Shelf) -> None:
    """One of two documents is written again: one GET."""
    shelf.put("targets/a.json", document("a"))
    shelf.put("targets/b.json", document("b"))
    await shelf.targets.load()
    shelf.put("targets/b.json", document("b", enabled=False))
    shelf.requests.clear()
    index = await shelf.targets.load()
    assert shelf.requests["GetObject"] == 1
    assert [target.enabled for target in index.targets] == [True, False]


async def test_a_changed_prompt_is_a_new_version_of_every_target_that_refers_to_it(shelf: Shelf) -> None:
    """The document's own ETag is the same, and yet version and fingerprint change."""
    shelf.put("targets/a.json", referring("a", "prompts/p.md"))
    shelf.put("prompts/p.md", "one " * 3000)
    (before,) = (await shelf.targets.load()).targets
    shelf.put("prompts/p.md", "two " * 3000)
    (after,) = (await shelf.targets.load()).targets
    assert before.version != after.version
    assert before.fingerprint.system != after.fingerprint.system
    assert (await shelf.targets.fetch(after)).body["system"][0]["text"] == "two " * 3000


async def test_a_target_knows_what_it_refers_to_and_the_listing_knows_every_prompt(shelf: Shelf) -> None:
    """Who refers to a prompt that is uploaded is known without reading anything again."""
    shelf.put("targets/a.json", referring("a", "prompts/p.md"))
    shelf.put("targets/b.json", document("b"))
    for name in ("p", "unused"):
        shelf.put(f"prompts/{name}.md", f"{name} " * 3000)
    index = await shelf.targets.load()
    assert [target.references for target in index.targets] == [("prompts/p.md",), ()]
    assert index.etags["prompts/p.md"] == etag("p " * 3000)
    assert set(index.etags) == {"targets/a.json", "targets/b.json", "prompts/p.md", "prompts/unused.md"}
    assert set(index.modified_at) == set(index.etags)
    assert {at.utcoffset() for at in index.modified_at.values()} == {timedelta()}


async def test_a_missing_reference_is_an_error_of_that_target_until_the_prompt_appears(shelf: Shelf) -> None:
    """The other target is indexed; the broken one heals without being touched."""
    shelf.put("targets/a.json", referring("a", "prompts/p.md"))
    shelf.put("targets/b.json", document("b"))
    index = await shelf.targets.load()
    assert [target.name for target in index.targets] == ["b"]
    assert codes(index.problems) == [ProblemCode.REFERENCE_MISSING]
    assert index.problems[0].path == "$.request.system[0].text_from"
    shelf.put("prompts/p.md", "here " * 3000)
    assert [target.name for target in (await shelf.targets.load()).targets] == ["a", "b"]


async def test_a_prompt_that_is_not_utf_8_is_a_missing_reference(shelf: Shelf) -> None:
    """The target says so, and nothing is guessed."""
    shelf.put("targets/a.json", referring("a", "prompts/p.md"))
    shelf.put("prompts/p.md", b"\xff\xfe")
    problems = (await shelf.targets.load()).problems
    assert codes(problems) == [ProblemCode.REFERENCE_MISSING]
    assert problems[0].message == "text_from='prompts/p.md': is not UTF-8 text"


async def test_a_prompt_is_taken_byte_for_byte(shelf: Shelf) -> None:
    """Line ends, a byte order mark and the last newline are the author's."""
    text = "\ufeffline one\r\nline two\n" * 900
    shelf.put("targets/a.json", referring("a", "prompts/p.md"))
    shelf.put("prompts/p.md", text.encode())
    (target,) = (await shelf.targets.load()).targets
    assert (await shelf.targets.fetch(target)).body["system"][0]["text"] == text


async def test_a_document_over_8_mib_is_refused_without_being_fetched(shelf: Shelf) -> None:
    """The listing already says how large it is."""
    shelf.put("targets/a.json", b" " * (8 * 1024 * 1024 + 1))
    index = await shelf.targets.load()
    assert codes(index.problems) == [ProblemCode.TOO_LARGE]
    assert "8,388,609 bytes" in index.problems[0].message
    assert shelf.requests["GetObject"] == 0


async def test_references_count_toward_the_8_mib_and_are_not_fetched_beyond_it(shelf: Shelf) -> None:
    """A small document must not pull in a large prompt; exactly 8 MiB in all is fine."""
    shelf.put("targets/a.json", referring("a", "prompts/p.md"))
    size = 8 * 1024 * 1024 - len(json.dumps(referring("a", "prompts/p.md")))
    shelf.put("prompts/p.md", "x" * (size + 1))
    assert codes((await shelf.targets.load()).problems) == [ProblemCode.TOO_LARGE]
    assert shelf.requests["GetObject"] == 1
    shelf.put("prompts/p.md", "x" * size)
    (target,) = (await shelf.targets.load()).targets
    assert target.size_bytes == 8 * 1024 * 1024


async def test_folder_marks_of_the_console_are_no_documents(shelf: Shelf) -> None:
    """An empty object named like the prefix is what the S3 console makes of a folder."""
    shelf.put("targets/", b"")
    shelf.put("targets/team/", b"")
    shelf.put("targets/team/a.json", document("a"))
    index = await shelf.targets.load()
    assert ([target.name for target in index.targets], index.problems) == (["a"], ())


async def test_more_than_one_page_of_targets(shelf: Shelf) -> None:
    """25 documents in pages of ten: every one of them is indexed, in the order of the keys."""

    def ten_a_page(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 10

    shelf.client.meta.events.register("before-parameter-build.s3.ListObjectsV2", ten_a_page)
    for number in range(25):
        shelf.put(f"targets/{number:02}.json", document(f"t{number}", request={"system": f"You are number {number}."}))
    index = await shelf.targets.load()
    assert [target.name for target in index.targets] == [f"t{number}" for number in range(25)]
    assert shelf.requests == {"ListObjectsV2": 4, "GetObject": 25}


async def test_bodies_beyond_the_caches_bound_are_fetched_again(aws: LocalAws) -> None:
    """With room for one body, the other is fetched when its turn comes."""
    size = len(json.dumps(document("a")))
    shelf = Shelf(aws, cache_bytes=size)
    shelf.put("targets/a.json", document("a"))
    shelf.put("targets/b.json", document("b"))
    first, second = (await shelf.targets.load()).targets
    shelf.requests.clear()
    await shelf.targets.fetch(first)
    await shelf.targets.fetch(second)
    assert 1 <= shelf.requests["GetObject"] <= 2


async def test_a_target_that_is_not_in_the_listing_is_unavailable(shelf: Shelf) -> None:
    """A summary of an earlier run whose object is gone."""
    shelf.put("targets/a.json", document("a"))
    (target,) = (await shelf.targets.load()).targets
    shelf.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")
    await shelf.targets.load()
    with pytest.raises(TargetUnavailableError, match="not in the bucket any more"):
        await shelf.targets.fetch(target)


@pytest.mark.parametrize("content", [None, b"{not json"], ids=["deleted", "broken"])
async def test_a_body_that_is_no_target_any_more_when_its_turn_comes(aws: LocalAws, content: bytes | None) -> None:
    """Between the listing and the call the object was deleted, or overwritten with something else."""
    shelf = Shelf(aws, cache_bytes=0)
    shelf.put("targets/a.json", document("a"))
    (target,) = (await shelf.targets.load()).targets
    if content is None:
        shelf.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")
    else:
        shelf.put("targets/a.json", content)
    with pytest.raises(TargetUnavailableError, match=r"'targets/a\.json' is not what was listed any more"):
        await shelf.targets.fetch(target)


async def test_an_object_deleted_between_listing_and_reading_is_gone(shelf: Shelf) -> None:
    """It is no target and no problem, as it would be a moment later."""
    shelf.put("targets/a.json", document("a"))
    shelf.put("targets/b.json", document("b"))

    def vanish(params: dict[str, object], **_: object) -> None:
        if "a.json" in str(params["url_path"]):
            shelf.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")

    shelf.client.meta.events.register("before-call.s3.GetObject", vanish)
    index = await shelf.targets.load()
    assert ([target.name for target in index.targets], index.problems) == (["b"], ())


async def test_what_is_gone_is_gone_though_s3_says_denied(shelf: Shelf) -> None:
    """A role that may list only some prefixes gets 403 for what is not there; a listing of the one key tells which.

    Its neighbour, whose key begins in the same way, is really denied: that stays a problem of its own.
    """
    shelf.put("targets/a.json", document("a"))
    shelf.put("targets/a.json.yaml", b"name: b")

    def refuse(params: dict[str, object], **_: object) -> None:
        if str(params["url_path"]).endswith("a.json"):
            shelf.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    shelf.client.meta.events.register("before-call.s3.GetObject", refuse)
    index = await shelf.targets.load()
    assert [(one.source, one.code) for one in index.problems] == [("targets/a.json.yaml", ProblemCode.UNREADABLE)]


async def test_what_is_denied_and_cannot_be_listed_stays_denied(shelf: Shelf) -> None:
    """Nothing says that it is gone."""
    shelf.put("targets/a.json", document("a"))

    def refuse(**_: object) -> None:
        shelf.client.meta.events.register("before-call.s3.ListObjectsV2", refuse)
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    shelf.client.meta.events.register("before-call.s3.GetObject", refuse)
    assert codes((await shelf.targets.load()).problems) == [ProblemCode.UNREADABLE]


async def test_an_object_written_between_listing_and_reading_is_taken_as_it_is_now(shelf: Shelf) -> None:
    """An upload at the moment of a tick costs the target nothing, and the next tick need not read it again."""
    shelf.put("targets/a.json", document("a"))

    def overwrite(**_: object) -> None:
        shelf.put("targets/a.json", document("a", models=["claude-opus-4-8"]))

    shelf.client.meta.events.register("before-call.s3.GetObject", overwrite)
    (target,) = (await shelf.targets.load()).targets
    assert target.models == ("claude-opus-4-8",)
    shelf.client.meta.events.unregister("before-call.s3.GetObject", overwrite)
    shelf.requests.clear()
    await shelf.targets.load()
    assert shelf.requests["GetObject"] == 0


async def test_an_object_that_may_not_be_read_is_tried_again_at_the_next_tick(shelf: Shelf) -> None:
    """The problem names S3's own code and is not remembered as the document's."""
    shelf.put("targets/a.json", document("a"))

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    shelf.client.meta.events.register("before-call.s3.GetObject", refuse)
    index = await shelf.targets.load()
    assert codes(index.problems) == [ProblemCode.UNREADABLE]
    assert "'targets/a.json' could not be read: AccessDenied; the next tick tries again" in index.problems[0].message
    shelf.client.meta.events.unregister("before-call.s3.GetObject", refuse)
    assert len((await shelf.targets.load()).targets) == 1


async def test_a_bucket_that_is_not_there_fails_the_whole_load(aws: LocalAws) -> None:
    """The error names the bucket, the prefix, S3's code and what to check."""
    targets = S3Targets(
        Bucket(aws.s3, "nobodys-bucket"),
        targets_prefix="targets/",
        prompts_prefix="prompts/",
        bodies=BodyCache(0),
        max_inflight_bytes=1,
    )
    with pytest.raises(
        TargetsUnreadableError, match=r"'nobodys-bucket' could not be listed.*NoSuchBucket.*TARGETS_BUCKET"
    ):
        await targets.load()


async def test_a_dead_s3_fails_the_whole_load() -> None:
    """No answer at all is named by the kind of error."""
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    targets = S3Targets(
        Bucket(client, "b-1"),
        targets_prefix="targets/",
        prompts_prefix="prompts/",
        bodies=BodyCache(0),
        max_inflight_bytes=1,
    )
    with pytest.raises(TargetsUnreadableError, match="EndpointConnectionError"):
        await targets.load()
