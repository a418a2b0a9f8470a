"""``touch``: a real request of the application, reported by hand or by a script."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from prompt_cache_warmer.values.state import EntryKey, EntryState, Traffic
from tests.fakes import EPOCH
from tests.stacks import TABLE, BrokenState, Stack

OPUS, HAIKU = "claude-opus-4-8", "claude-haiku-4-5"
MINUTE = timedelta(minutes=1)
NAME_WORDS = "is not allowed; allowed: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
MODEL_WORDS = "is not allowed; allowed: a model id: 1 to 128 printable ASCII characters without blanks"


@pytest.fixture
def stack() -> Stack:
    """Return a stack without traffic."""
    return Stack()


def touched(stack: Stack, model: str = OPUS, credential: str = "default") -> datetime | None:
    """Return when the last request of the target ``support`` started."""
    found = stack.entry(EntryKey("support", credential, model))
    return found.traffic.last_at if found is not None and found.traffic is not None else None


def test_a_touch_is_a_request_now_of_any_prefix(stack: Stack) -> None:
    """Without more it started now; the fingerprint is not known, so it counts for any prefix."""
    assert stack.ok("touch", "support", "--model", OPUS) == (
        "support on claude-opus-4-8 by credential 'default': the request at 2026-11-22T12:00:00Z is remembered\n"
    )
    assert stack.entry(EntryKey("support", "default", OPUS)) == EntryState(traffic=Traffic(EPOCH, None, EPOCH))


def test_each_model_is_an_entry_of_its_own(stack: Stack) -> None:
    """Several are said in one command, each once; others are left alone."""
    lines = stack.ok("touch", "support", "--model", OPUS, "--model", HAIKU, "--model", OPUS).splitlines()
    assert [line.split()[2] for line in lines] == [OPUS, HAIKU]
    assert (touched(stack), touched(stack, HAIKU), touched(stack, "claude-opus-5")) == (EPOCH, EPOCH, None)


def test_a_touch_belongs_to_its_credential(stack: Stack) -> None:
    """A workspace has its own cache."""
    assert "by credential 'eu'" in stack.ok("touch", "support", "--model", OPUS, "--credential", "eu")
    assert (touched(stack, credential="eu"), touched(stack)) == (EPOCH, None)


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2026-11-22T11:00Z", EPOCH - timedelta(hours=1)),
        ("2026-11-22T12:30+01:00", EPOCH - timedelta(minutes=30)),
        ("2001-01-01T00:00Z", datetime(2001, 1, 1, tzinfo=UTC)),
        ("2026-11-22T12:00:59Z", EPOCH),
        ("2026-11-22T12:01:00Z", EPOCH),
    ],
)
def test_a_touch_is_at_any_time_until_now(stack: Stack, written: str, at: datetime) -> None:
    """Up to a minute ahead is a clock's difference and counts as now, so that nothing lapses unseen."""
    assert f"the request at {at:%Y-%m-%dT%H:%M:%SZ} is remembered" in stack.ok(
        "touch", "support", "--model", OPUS, "--at", written
    )
    assert touched(stack) == at


def test_a_touch_that_is_not_later_is_no_news(stack: Stack) -> None:
    """Each model says for itself; that is no mistake."""
    stack.ok("touch", "support", "--model", OPUS)
    stack.clock.seconds = 60
    request = "by credential 'default': the request at 2026-11-22T12:00:00Z"
    lines = stack.ok("touch", "support", "--model", OPUS, "--model", HAIKU, "--at", "2026-11-22T12:00Z").splitlines()
    assert lines == [
        f"support on {OPUS} {request} is no news: one as late was known",
        f"support on {HAIKU} {request} is remembered",
    ]
    assert "is remembered" in stack.ok("touch", "support", "--model", OPUS)
    assert touched(stack) == EPOCH + MINUTE


def test_touch_prints_json(stack: Stack) -> None:
    """One object, with each model's own answer."""
    stack.ok("touch", "support", "--model", OPUS)
    answer = json.loads(stack.ok("touch", "support", "--model", OPUS, "--model", HAIKU, "--json"))
    assert answer == {
        "table": TABLE,
        "target": "support",
        "credential": "default",
        "at": "2026-11-22T12:00:00+00:00",
        "models": {OPUS: False, HAIKU: True},
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2026-11-22T12:01:01Z", "2026-11-22T12:01:01Z is yet to come: it is 2026-11-22T12:00:00Z"),
        ("2026-11-22T11:00", "'2026-11-22T11:00' has no zone: add Z for UTC, or an offset such as +01:00"),
        (
            "now",
            "'now' is not allowed; allowed: a time with its zone, such as 2026-11-22T18:00Z or 2026-11-22T19:00+01:00",
        ),
    ],
)
def test_a_wrong_time_is_refused(stack: Stack, written: str, said: str) -> None:
    """What is yet to come would keep a lapsed entry looking alive."""
    refused = stack.refused("touch", "support", "--model", OPUS, "--at", written)
    assert refused == f"Error: Invalid value for '--at': {said}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Support", "--model", OPUS], f"Invalid value for 'NAME': 'Support' {NAME_WORDS}"),
        (["a" * 65, "--model", OPUS], f"Invalid value for 'NAME': a string of 65 characters {NAME_WORDS}"),
        (["a\n", "--model", OPUS], f"Invalid value for 'NAME': 'a\\n' {NAME_WORDS}"),
        (["a", "--model", ""], f"Invalid value for '--model': '' {MODEL_WORDS}"),
        (["a", "--model", OPUS, "--model", "a b"], f"Invalid value for '--model': 'a b' {MODEL_WORDS}"),
        (["a", "--model", "x" * 129], f"Invalid value for '--model': a string of 129 characters {MODEL_WORDS}"),
        (["a", "--model", OPUS, "--credential", "A"], f"Invalid value for '--credential': 'A' {NAME_WORDS}"),
        (["a"], "Missing option '--model'."),
        (["--model", OPUS], "Missing argument 'NAME'."),
    ],
)
def test_a_wrong_name_is_refused(stack: Stack, arguments: list[str], said: str) -> None:
    """Names are those a target document may have; the place, the value and what is allowed are said."""
    assert stack.refused("touch", *arguments) == f"Error: {said}"


def test_a_state_that_cannot_be_had_is_one_line() -> None:
    """Exit code 2, no traceback, nothing on standard output."""
    result = Stack(BrokenState()).run("touch", "support", "--model", OPUS, "--table", TABLE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: state table 'warmer-state' refused UpdateItem; try again in a minute\n"
