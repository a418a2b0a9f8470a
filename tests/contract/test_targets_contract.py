"""What every source of targets does: the fake of the unit tests and S3 alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import pytest

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.errors import TargetUnavailableError
from prompt_cache_warmer.ports import unlimited
from prompt_cache_warmer.values.problems import ProblemCode
from tests.fakes import MemoryTargets, codes, document, etag

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.ports import BodySource, Index, TargetIndex
    from prompt_cache_warmer.values.targets import Target, TargetSummary


class Store(Protocol):
    """A source of targets that the test can change."""

    def put(self, key: str, value: object) -> None:
        """Write a document."""

    def delete(self, key: str) -> None:
        """Remove a document."""

    async def load(
        self, *, remaining_seconds: Callable[[], float] = unlimited, only: frozenset[str] | None = None
    ) -> Index:
        """Index the targets."""

    async def fetch(self, target: TargetSummary) -> Target:
        """Fetch a body."""


class _Memory(MemoryTargets):
    def put(self, key: str, value: object) -> None:
        self.documents[key] = value

    def delete(self, key: str) -> None:
        del self.documents[key]


class _S3(S3Targets):
    def __init__(self, aws: LocalAws) -> None:
        self._s3 = aws.s3
        self._s3.create_bucket(Bucket="b-1")
        super().__init__(
            Bucket(aws.s3, "b-1"),
            targets_prefix="targets/",
            prompts_prefix="prompts/",
            bodies=BodyCache(0),  # nothing is kept, so every fetch goes to S3
            max_inflight_bytes=1_000_000,
        )

    def put(self, key: str, value: object) -> None:
        self._s3.put_object(Bucket="b-1", Key=key, Body=json.dumps(value))

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket="b-1", Key=key)


@pytest.fixture(params=["fake", "real"])
def store(request: pytest.FixtureRequest, aws: LocalAws) -> Store:
    """Return the store under test."""
    return _Memory() if request.param == "fake" else _S3(aws)


def as_ports(store: Store) -> tuple[TargetIndex, BodySource]:
    """Show to mypy that a store is both ports."""
    return store, store


async def test_an_empty_store_has_no_targets_and_no_problems(store: Store) -> None:
    """Nothing there is not an error."""
    index, _ = as_ports(store)
    assert await index.load() == await index.load()
    assert (await index.load()).targets == ()


async def test_a_target_is_indexed_and_its_body_fetched(store: Store) -> None:
    """The body is the author's own, key for key."""
    store.put("targets/a.json", document("a"))
    (summary,) = (await store.load()).targets
    body = (await store.fetch(summary)).body
    assert json.dumps(body) == json.dumps(document("a")["request"])


async def test_a_bad_document_is_a_problem_beside_the_good_ones(store: Store) -> None:
    """One is indexed, the other is named as invalid."""
    store.put("targets/a.json", document("a"))
    store.put("targets/b.json", {"name": "b"})
    index = await store.load()
    assert [target.name for target in index.targets] == ["a"]
    assert index.invalid_sources == {"targets/b.json"}


async def test_a_name_stands_in_one_document_only(store: Store) -> None:
    """The first key keeps the name, the second is an error that names the first."""
    store.put("targets/a.json", document("same"))
    store.put("targets/b.json", document("same"))
    index = await store.load()
    assert [target.source for target in index.targets] == ["targets/a.json"]
    assert codes(index.problems) == [ProblemCode.DUPLICATE_NAME]
    assert "targets/a.json" in index.problems[0].message
    assert index.invalid_sources == {"targets/b.json"}


async def test_every_object_that_is_listed_is_known_by_its_entity_tag(store: Store) -> None:
    """Without quotes, valid or not; what is gone has none."""
    store.put("targets/a.json", document("a"))
    store.put("targets/b.json", {"name": "b"})
    assert (await store.load()).etags == {"targets/a.json": etag(document("a")), "targets/b.json": etag({"name": "b"})}
    store.delete("targets/a.json")
    assert set((await store.load()).etags) == {"targets/b.json"}


async def test_changes_and_deletions_are_seen_at_the_next_load(store: Store) -> None:
    """A changed document is read anew, a deleted one disappears."""
    store.put("targets/a.json", document("a"))
    store.put("targets/b.json", document("b"))
    before = await store.load()
    store.put("targets/a.json", document("a", models=["claude-opus-4-8"]))
    store.delete("targets/b.json")
    after = await store.load()
    assert [target.name for target in before.targets] == ["a", "b"]
    assert [(target.name, target.models) for target in after.targets] == [("a", ("claude-opus-4-8",))]


async def test_a_body_that_changed_since_the_listing_is_unavailable(store: Store) -> None:
    """What was decided on is what is called, or nothing."""
    store.put("targets/a.json", document("a"))
    (summary,) = (await store.load()).targets
    store.put("targets/a.json", document("a", betas=["x-2026"]))
    with pytest.raises(TargetUnavailableError, match=r"targets/a\.json"):
        await store.fetch(summary)
