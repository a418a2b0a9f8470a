"""Captures of an observer: drafts of requests whose target has another prefix, stored in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.library.observing.capturing import PAUSE_SECONDS, Capturing
from prompt_cache_warmer.rules.traffic import Match
from tests.canaries import CANARY
from tests.fakes import MODEL, FakeClock, target
from tests.observer_cases import REQUEST
from tests.observer_parts import Desk, Source, answered

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.draft import Draft

MINE = target().summary


class Shelf:
    """Stores drafts; it may refuse."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.fails = False

    def __call__(self, draft: Draft, /, *, may_replace: bool) -> object:
        """Store one."""
        assert isinstance(may_replace, bool)
        if self.fails:
            raise OSError(CANARY)
        self.drafts.append(draft)
        return draft


def made(*, may_replace: bool = False) -> tuple[Capturing, Shelf, FakeClock, list[str]]:
    """Return what captures, with everything around it."""
    shelf, clock, failed = Shelf(), FakeClock(), list[str]()
    capturing = Capturing(
        store=shelf,
        may_replace=may_replace,
        seconds=clock.monotonic_seconds,
        failed=lambda what, error: failed.append(f"{what} {type(error).__name__}"),
    )
    return capturing, shelf, clock, failed


@pytest.mark.parametrize(
    ("ascribed_to", "found", "may_replace", "is_taken"),
    [
        pytest.param("support", None, False, True, id="unknown"),
        pytest.param(None, None, True, False, id="of-nobody"),
        pytest.param("support", Match(MINE, (), None), True, False, id="the-same"),
        pytest.param("support", Match(MINE, ("system",), None), False, False, id="drift-and-may-not"),
        pytest.param("support", Match(MINE, ("system",), None), True, True, id="drift-and-may"),
    ],
)
def test_only_an_ascribed_request_with_another_prefix_is_captured(
    ascribed_to: str | None,
    found: Match | None,
    may_replace: bool,  # noqa: FBT001 - a column
    is_taken: bool,  # noqa: FBT001 - a column
) -> None:
    """When a second one has it too, and nothing of what follows the prefix."""
    capturing, shelf, _, failed = made(may_replace=may_replace)
    assert not capturing.offer(answered(ascribed_to=ascribed_to, betas=("b",)), found, MODEL)
    assert capturing.offer(answered(ascribed_to=ascribed_to, betas=("b",)), found, MODEL) is is_taken
    assert capturing.work() is is_taken
    assert not capturing.work()
    assert [(draft.name, draft.models, draft.keep, draft.betas) for draft in shelf.drafts] == [
        ("support", (MODEL,), "while-used", ("b",))
    ] * is_taken
    assert CANARY not in repr(shelf.drafts)
    assert failed == []


def test_a_target_is_stored_once_in_five_minutes() -> None:
    """Whatever came of it; others are looked at meanwhile."""
    capturing, shelf, clock, failed = made()
    a, b = answered(ascribed_to="a"), answered(ascribed_to="b")
    shelf.fails = True
    assert [capturing.offer(a, None, MODEL) for _ in range(2)] == [False, True]
    assert not capturing.work()
    shelf.fails = False
    assert not capturing.offer(a, None, MODEL)
    assert [capturing.offer(b, None, MODEL) for _ in range(2)] == [False, True]
    clock.seconds = PAUSE_SECONDS
    assert capturing.offer(a, None, MODEL)
    assert capturing.work()
    assert sorted(draft.name for draft in shelf.drafts) == ["a", "b"]
    assert failed == ["capture OSError"]


def test_a_prefix_that_is_another_one_each_time_is_not_captured() -> None:
    """Two requests in a row must have it, and it may hold no time, date or id."""
    capturing, shelf, clock, failed = made()
    for number in range(4):
        body = {**REQUEST, "system": f"You are bot {'x' * number}. " * 400}
        assert not capturing.offer(answered(ascribed_to="a", body=body), None, MODEL)
    timed = {**REQUEST, "system": "Now it is 2026-11-22T12:00:00Z. You are a bot. " * 100}
    for _ in range(3):
        assert not capturing.offer(answered(ascribed_to="b", body=timed), None, MODEL)
    assert not capturing.work()
    assert (shelf.drafts, failed) == ([], ["capture CaptureError"])
    clock.seconds = PAUSE_SECONDS
    capturing.offer(answered(ascribed_to="b", body=timed), None, MODEL)
    assert failed == ["capture CaptureError"] * 2


def test_a_request_that_shares_nothing_is_not_captured() -> None:
    """It has no prefix."""
    capturing, shelf, _, _ = made()
    assert not capturing.offer(answered(ascribed_to="a", body={"messages": REQUEST["messages"]}), None, MODEL)
    assert not capturing.work()
    assert shelf.drafts == []


def test_a_child_stores_nothing_of_its_parents() -> None:
    """What waits is the parent's to store."""
    capturing, _, _, _ = made()
    for _ in range(2):
        capturing.offer(answered(ascribed_to="a"), None, MODEL)
    capturing.forget()
    assert not capturing.work()
    assert not capturing.offer(answered(ascribed_to="a"), None, MODEL)


def test_targets_are_read_again_once_one_was_stored() -> None:
    """So that the next request belongs to it; until then nothing is due."""
    capturing, shelf, _, _ = made()
    source = Source()
    desk = Desk(source=source, capturing=capturing)
    desk.teller.work(False)
    desk.record(ascribed_to="new", body={**REQUEST, "system": "A prompt that no target has. " * 100})
    assert desk.woken == 0
    desk.record(ascribed_to="new", body={**REQUEST, "system": "A prompt that no target has. " * 100})
    assert desk.woken == 1
    desk.teller.work(False)
    assert (source.reads, len(shelf.drafts)) == (2, 1)
    desk.record(ascribed_to="new", body={**REQUEST, "system": "A prompt that no target has. " * 100})
    desk.teller.work(False)
    assert (source.reads, desk.woken) == (2, 1)


def test_a_recording_goes_on_whatever_a_capture_does() -> None:
    """A body that no document can hold is counted, and the request is recorded all the same."""

    class Odd(dict[Any, Any]):
        """A mapping that looks fine until it is copied."""

    capturing, shelf, _, failed = made()
    desk = Desk(capturing=capturing)
    desk.record(ascribed_to="new", body={**REQUEST, "metadata": Odd({1: object()})})
    assert shelf.drafts == []
    assert desk.account.counts().requests == 1
    assert len(desk.told) == 1
    assert failed == ["capture ArgumentTypeError"]
