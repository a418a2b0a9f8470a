"""The body cache: bounded in bytes, the least recently used goes first, a version is exact."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.adapters.body_cache import BodyCache
from tests.documents import read, target_document, valid

if TYPE_CHECKING:
    from prompt_cache_warmer.values.targets import Target


def body(source: str, size_bytes: int = 10, version: str = "1") -> Target:
    """Make a target of a size."""
    target = valid(read(target_document()))
    return replace(target, summary=replace(target.summary, source=source, version=version, size_bytes=size_bytes))


def kept(cache: BodyCache, *sources: str) -> list[str]:
    """Say which of these bodies are there."""
    return [source for source in sources if cache.get(source, "1") is not None]


def test_a_body_comes_back_in_just_its_version() -> None:
    """Another version of the same object is not the body that was asked for."""
    cache = BodyCache(100)
    stored = body("a", version="2")
    cache.put(stored)
    assert cache.get("a", "2") is stored
    assert cache.get("a", "1") is None
    assert cache.get("b", "2") is None


def test_the_body_used_longest_ago_makes_room() -> None:
    """Getting counts as use."""
    cache = BodyCache(30)
    for source in ("a", "b", "c"):
        cache.put(body(source))
    assert kept(cache, "a") == ["a"]
    cache.put(body("d"))
    assert kept(cache, "a", "b", "c", "d") == ["a", "c", "d"]


def test_one_large_body_may_displace_several() -> None:
    """As many go as are in the way, and a body of just the bound's size is kept."""
    cache = BodyCache(30)
    for source in ("a", "b", "c"):
        cache.put(body(source))
    cache.put(body("d", 30))
    assert kept(cache, "a", "b", "c", "d") == ["d"]


def test_a_body_beyond_the_bound_is_not_kept_and_displaces_nothing() -> None:
    """It replaces its own older version, which is of no use any more."""
    cache = BodyCache(30)
    cache.put(body("a"))
    cache.put(body("b"))
    cache.put(body("a", 31))
    assert kept(cache, "a", "b") == ["b"]


def test_a_newer_version_takes_the_place_of_the_older() -> None:
    """The older one's bytes are given back."""
    cache = BodyCache(30)
    cache.put(body("a", 20))
    cache.put(body("a", 20))
    cache.put(body("b", 10))
    assert kept(cache, "a", "b") == ["a", "b"]


def test_a_dropped_body_gives_its_bytes_back() -> None:
    """Dropping what is not there is nothing."""
    cache = BodyCache(30)
    cache.put(body("a", 30))
    cache.drop("a")
    cache.drop("a")
    cache.put(body("b", 30))
    assert kept(cache, "a", "b") == ["b"]


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 40))))
def test_memory_never_exceeds_the_bound(puts: list[tuple[str, int]]) -> None:
    """Whatever comes, what is kept fits, and what fits came last."""
    cache = BodyCache(40)
    sizes: dict[str, int] = {}
    for source, size_bytes in puts:
        cache.put(body(source, size_bytes))
        sizes[source] = size_bytes
        assert sum(sizes[found] for found in kept(cache, *"abcde")) <= 40
        assert cache.get(source, "1") is not None
