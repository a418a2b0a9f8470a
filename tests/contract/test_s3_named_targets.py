"""Targets in S3 of which a worker is told the documents: those are read, and nothing else is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.held_targets import HeldTargets
from prompt_cache_warmer.adapters.s3_bucket import Bucket, StoredObject
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.problems import ProblemCode
from tests.fakes import codes, document, target

if TYPE_CHECKING:
    from infra.local.aws import LocalAws

BUCKET = "b-1"
REFERRING = {"system": [{"type": "text", "text_from": "prompts/p.md", "cache_control": {"type": "ephemeral"}}]}


class Shelf:
    """A bucket whose requests are noted, by what they ask for."""

    def __init__(self, aws: LocalAws) -> None:
        self._s3 = aws.s3
        self._s3.create_bucket(Bucket=BUCKET)
        self.asked: list[str] = []
        self._s3.meta.events.register("provide-client-params.s3.*", self._note)
        self.targets = self.another()

    def another(self) -> S3Targets:
        """Return a sandbox's targets that know nothing yet."""
        bucket = Bucket(self._s3, BUCKET)
        return S3Targets(
            bucket,
            targets_prefix="targets/",
            prompts_prefix="prompts/",
            bodies=BodyCache(100_000_000),
            max_inflight_bytes=100_000_000,
        )

    def put(self, key: str, content: str | bytes | dict[str, Any]) -> None:
        """Write an object."""
        body = json.dumps(content) if isinstance(content, dict) else content
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        self.asked.clear()

    def _note(self, params: dict[str, str], model: object, **_: object) -> None:
        name = str(getattr(model, "name", ""))
        self.asked.append(params.get("Key", "") if name == "GetObject" else name)


@pytest.fixture
def shelf(aws: LocalAws) -> Shelf:
    """Return an empty bucket."""
    return Shelf(aws)


async def test_a_cold_sandbox_reads_the_named_documents_and_lists_nothing(shelf: Shelf) -> None:
    """One of three, with what it refers to; its body is there when its turn comes."""
    for name in "abc":
        shelf.put(f"targets/{name}.json", document(name, request=REFERRING))
    shelf.put("prompts/p.md", "You are a bot. " * 2000)
    index = await shelf.targets.load(only=frozenset({"targets/b.json"}))
    assert [one.name for one in index.targets] == ["b"]
    fetched = await shelf.targets.fetch(index.targets[0])
    assert fetched.body["system"][0]["text"].startswith("You are a bot.")
    assert shelf.asked == ["targets/b.json", "prompts/p.md"]


async def test_it_is_the_same_target_as_a_whole_listing_finds(shelf: Shelf) -> None:
    """Its version too: what a tick and a worker know of it is one and the same state."""
    shelf.put("targets/a.json", document("a", request=REFERRING))
    shelf.put("prompts/p.md", "You are a bot. " * 2000)
    listed = (await shelf.another().load()).targets
    named = (await shelf.targets.load(only=frozenset({"targets/a.json"}))).targets
    assert named == listed


async def test_a_new_version_is_read_at_the_next_run(shelf: Shelf) -> None:
    """Nothing is taken for current that was not looked at."""
    shelf.put("targets/a.json", document("a"))
    only = frozenset({"targets/a.json"})
    before = (await shelf.targets.load(only=only)).targets[0]
    shelf.put("targets/a.json", document("a", keep="once"))
    after = (await shelf.targets.load(only=only)).targets[0]
    assert (before.keep, after.keep) == ("always", "once")


async def test_what_another_run_read_is_forgotten(shelf: Shelf) -> None:
    """A worker's memory does not grow with the documents it has ever been told of."""
    for name in "ab":
        shelf.put(f"targets/{name}.json", document(name))
    await shelf.targets.load(only=frozenset({"targets/a.json"}))
    index = await shelf.targets.load(only=frozenset({"targets/b.json"}))
    assert [one.name for one in index.targets] == ["b"]
    assert [one.name for one in (await shelf.targets.load()).targets] == ["a", "b"]


async def test_what_is_gone_or_outside_the_prefix_is_not_there(shelf: Shelf) -> None:
    """A message cannot make a worker read another part of the bucket."""
    shelf.put("secret/a.json", document("a"))
    index = await shelf.targets.load(only=frozenset({"secret/a.json", "targets/gone.json"}))
    assert (index.targets, index.problems) == ((), ())
    assert shelf.asked == ["targets/gone.json"]


@pytest.mark.parametrize("key", ["secret/p.md", "prompts/../secret/p.md"])
async def test_a_reference_outside_the_prompts_is_not_read(shelf: Shelf, key: str) -> None:
    """Though there is no listing that would leave it out."""
    request = {"system": [{**REFERRING["system"][0], "text_from": key}]}
    shelf.put("secret/p.md", "hidden")
    shelf.put("targets/a.json", document("a", request=request))
    index = await shelf.targets.load(only=frozenset({"targets/a.json"}))
    assert index.targets == ()
    assert shelf.asked == ["targets/a.json"]


async def test_what_is_larger_than_a_document_may_be_is_not_taken_into_memory(shelf: Shelf) -> None:
    """Neither a document nor a prompt whose size nobody listed; both together are held to it too."""
    shelf.put("targets/large.json", b" " * (MAX_TARGET_BYTES + 1))
    shelf.put("targets/a.json", document("a", request=REFERRING))
    shelf.put("prompts/p.md", b"x" * (MAX_TARGET_BYTES + 1))
    index = await shelf.targets.load(only=frozenset({"targets/large.json", "targets/a.json"}))
    assert codes(index.problems) == [ProblemCode.TOO_LARGE] * 2
    shelf.put("prompts/p.md", b"x" * MAX_TARGET_BYTES)
    index = await shelf.targets.load(only=frozenset({"targets/a.json"}))
    assert codes(index.problems) == [ProblemCode.TOO_LARGE]


async def test_targets_in_memory_are_picked_by_their_source_too() -> None:
    """The port is one for all who list targets."""
    held = HeldTargets({"a": target(name="a")})
    assert len((await held.load(only=frozenset({"targets/a.json"}))).targets) == 1
    assert (await held.load(only=frozenset())).targets == ()


async def test_what_is_too_large_together_is_not_read_to_the_end(shelf: Shelf) -> None:
    """Of 64 references of 8 MiB each only as many are read as a document may hold."""
    keys = [f"prompts/{name}.md" for name in "abc"]
    blocks = [{"type": "text", "text_from": key} for key in keys]
    for key in keys:
        shelf.put(key, b"x" * (MAX_TARGET_BYTES // 2 + 1))
    shelf.put("targets/a.json", document("a", request={"system": blocks}))
    index = await shelf.targets.load(only=frozenset({"targets/a.json"}))
    assert codes(index.problems) == [ProblemCode.TOO_LARGE]
    assert shelf.asked == ["targets/a.json", *keys[:2]]


class Unread:
    """A body that nobody may read."""

    is_closed = False

    def read(self) -> bytes:
        """Fail."""
        raise AssertionError

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def test_the_bytes_of_what_is_too_large_stay_where_they_are() -> None:
    """Its size is in the answer's head; the connection is given up instead of drained."""
    body = Unread()

    class Client:
        def get_object(self, **_: str) -> dict[str, Any]:
            return {"ETag": "e", "ContentLength": MAX_TARGET_BYTES + 1, "Body": body}

    found, content = Bucket(Client(), "b").read(StoredObject("k", "", 0))  # type: ignore[arg-type] # a double
    assert (found.size_bytes, content, body.is_closed) == (MAX_TARGET_BYTES + 1, b"", True)
