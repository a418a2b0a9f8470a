"""``pause`` and ``resume``: all warming, or one credential's calls, stopped and let go by an operator."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.values.snapshot import CredentialState, Pause, Snapshot
from prompt_cache_warmer.values.state import CLOSED, Breaker
from tests.fakes import EPOCH
from tests.stacks import TABLE, BrokenState, Stack

SIX = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EARLIER = Pause("deploy", since=EPOCH - HOUR, until=EPOCH + HOUR)
STOPPED = Breaker(failures=1, reason="spend-limit", opened_at=EPOCH - HOUR / 2, open_until=EPOCH + HOUR / 2)
LET_GO = CredentialState(2, CLOSED, resumed_at=EPOCH)
NOT_STOPPED = "was not stopped; what the API refused to single entries of it is tried again at the next tick"
UNREADABLE = "item 'credential/b': breaker is not what this version writes (KeyError)"


@pytest.fixture
def stack() -> Stack:
    """Return a stack nobody has paused."""
    return Stack()


def paused(stack: Stack, pause: Pause = EARLIER) -> None:
    """Pause a stack."""
    asyncio.run(stack.store.pause(pause))


def stopped(stack: Stack, **breakers: Breaker) -> None:
    """Stop credentials."""
    for name, breaker in breakers.items():
        asyncio.run(stack.store.save_credential(name, CredentialState(1, breaker)))


class RacingState(MemoryState):
    """A state in which a run changes a credential just before each of the first writes."""

    def __init__(self, *changes: Breaker) -> None:
        super().__init__()
        self._changes = list(changes)
        self.is_racing = False

    async def save_credential(self, name: str, state: CredentialState) -> bool:
        """Let the run be first."""
        if self.is_racing and self._changes:
            await super().save_credential(name, CredentialState(state.sequence, self._changes.pop(0)))
        return await super().save_credential(name, state)


class PartlyReadState(MemoryState):
    """A state that holds something this version cannot read."""

    async def load(self, *_: object, **__: object) -> Snapshot:
        """Say so."""
        return Snapshot(unreadable=(UNREADABLE,))


class EmptyHandedState(MemoryState):
    """A state whose pause begins between a look and an order."""

    async def load(self, *_: object, **__: object) -> Snapshot:
        """See nothing yet."""
        return Snapshot()


def test_a_pause_until_a_time_says_what_it_stops_until_when_and_how_to_end_it(stack: Stack) -> None:
    """One sentence and the command that ends it; the state holds it from now on."""
    assert stack.ok("pause", "--until", "2026-11-22T18:00Z", "--reason", "load test") == (
        "All warming by table 'warmer-state' is paused until 2026-11-22T18:00:00Z, from the next tick on: "
        "'load test'.\n"
        "To end it sooner: prompt-cache-warmer resume --table warmer-state\n"
    )
    assert stack.state().pause == Pause("load test", since=EPOCH, until=SIX)
    assert stack.opened == [TABLE]


@pytest.mark.parametrize(
    ("written", "until"),
    [
        ("2026-11-22T18:00Z", SIX),
        ("2026-11-22T18:00:30Z", SIX + timedelta(seconds=30)),
        ("2026-11-22 18:00+00:00", SIX),
        ("2026-11-22T19:00+01:00", SIX),
        ("2026-11-22T07:30-10:30", SIX),
        ("20261122T1800Z", SIX),
        ("2026-11-22T12:00:01Z", EPOCH + timedelta(seconds=1)),
        ("2027-11-23T12:00Z", EPOCH + timedelta(days=366)),
    ],
)
def test_a_time_has_any_zone_and_is_kept_in_utc(stack: Stack, written: str, until: datetime) -> None:
    """Any time of ISO 8601 from the next moment up to a year away."""
    stack.ok("pause", "--until", written, "--reason", "x")
    found = stack.state().pause
    assert found is not None
    assert (found.until, found.until.utcoffset()) == (until, timedelta(0))


@pytest.mark.parametrize(
    ("written", "duration"),
    [
        ("2h30m", timedelta(hours=2, minutes=30)),
        ("45m", timedelta(minutes=45)),
        ("90m", timedelta(minutes=90)),
        ("1d", timedelta(days=1)),
        ("1d2h3m", timedelta(days=1, hours=2, minutes=3)),
        ("0h1m", timedelta(minutes=1)),
        ("366d", timedelta(days=366)),
    ],
)
def test_a_duration_counts_from_now(stack: Stack, written: str, duration: timedelta) -> None:
    """Days, hours and minutes, any of them, each in any number."""
    stack.ok("pause", "--for", written, "--reason", "x")
    assert stack.state().pause == Pause("x", since=EPOCH, until=EPOCH + duration)


MOMENT_WORDS = "is not allowed; allowed: a time with its zone, such as 2026-11-22T18:00Z or 2026-11-22T19:00+01:00"
NO_ZONE = "has no zone: add Z for UTC, or an offset such as +01:00"
DURATION_WORDS = "is not allowed; allowed: days, hours and minutes in this order, such as 1d, 2h30m or 45m"
TOO_FAR = "is too far away; allowed: up to 366 days; to stop without an end, see the stack's output StopCommand"
ONE_OF_TWO = "Error: say when it ends by exactly one of --until TIME and --for DURATION"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2026-11-22T18:00", f"'2026-11-22T18:00' {NO_ZONE}"),
        ("2026-11-22", f"'2026-11-22' {NO_ZONE}"),
        ("tomorrow", f"'tomorrow' {MOMENT_WORDS}"),
        ("18:00Z", f"'18:00Z' {MOMENT_WORDS}"),
        ("2026-11-31T18:00Z", f"'2026-11-31T18:00Z' {MOMENT_WORDS}"),
        ("", f"'' {MOMENT_WORDS}"),
        ("x" * 100, f"a string of 100 characters {MOMENT_WORDS}"),
        ("\x1b[2J", f"'\\x1b[2J' {MOMENT_WORDS}"),
        ("0001-01-01T00:00+14:00", f"'0001-01-01T00:00+14:00' {MOMENT_WORDS}"),
        ("9999-12-31T23:59-14:00", f"'9999-12-31T23:59-14:00' {MOMENT_WORDS}"),
        ("2026-11-22T12:00Z", "2026-11-22T12:00:00Z is past: it is 2026-11-22T12:00:00Z"),
        ("2026-11-22T12:30+01:00", "2026-11-22T11:30:00Z is past: it is 2026-11-22T12:00:00Z"),
        ("2027-11-23T12:00:01Z", f"2027-11-23T12:00:01Z {TOO_FAR}"),
    ],
)
def test_a_wrong_end_is_refused(stack: Stack, written: str, said: str) -> None:
    """No zone, no time, past or too far away: the message has the value and what is allowed."""
    assert stack.refused("pause", "--until", written, "--reason", "x") == f"Error: Invalid value for '--until': {said}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2 hours", f"'2 hours' {DURATION_WORDS}"),
        ("30", f"'30' {DURATION_WORDS}"),
        ("30s", f"'30s' {DURATION_WORDS}"),
        ("2H", f"'2H' {DURATION_WORDS}"),
        ("1.5h", f"'1.5h' {DURATION_WORDS}"),
        ("30m2h", f"'30m2h' {DURATION_WORDS}"),
        ("-1h", f"'-1h' {DURATION_WORDS}"),
        ("0h0m", f"'0h0m' {DURATION_WORDS}"),
        ("1234567h", f"'1234567h' {DURATION_WORDS}"),
        ("\N{ARABIC-INDIC DIGIT TWO}h", f"'\N{ARABIC-INDIC DIGIT TWO}h' {DURATION_WORDS}"),
        ("", f"'' {DURATION_WORDS}"),
        ("366d1m", f"2027-11-23T12:01:00Z {TOO_FAR}"),
        ("999999d999999h999999m", f"4880-10-10T13:39:00Z {TOO_FAR}"),
    ],
)
def test_a_wrong_duration_is_refused(stack: Stack, written: str, said: str) -> None:
    """Other units, another order, nothing or too long."""
    assert stack.refused("pause", f"--for={written}", "--reason", "x") == f"Error: Invalid value for '--for': {said}"


@pytest.mark.parametrize("ends", [[], ["--until", "2026-11-22T18:00Z", "--for", "1h"]])
def test_a_pause_has_exactly_one_end(stack: Stack, ends: list[str]) -> None:
    """Neither none nor two."""
    assert stack.refused("pause", *ends, "--reason", "x") == ONE_OF_TWO


@pytest.mark.parametrize(
    ("written", "kept"),
    [("x", "x"), (" spaces around ", "spaces around"), ("Grüße: 50 % \N{SNOWMAN}", "Grüße: 50 % \N{SNOWMAN}")],
)
def test_a_reason_is_any_printable_line(stack: Stack, written: str, kept: str) -> None:
    """In any language; blanks around it are dropped."""
    stack.ok("pause", "--for", "1h", "--reason", written)
    found = stack.state().pause
    assert found is not None
    assert found.reason == kept


@pytest.mark.parametrize("written", ["", "  ", "a\nb", "\x1b[31mred", "a\tb", "\u202ebidi", "x" * 201])
def test_a_wrong_reason_is_refused(stack: Stack, written: str) -> None:
    """Nothing, more than 200 characters, or what a terminal would obey."""
    said = stack.refused("pause", "--for", "1h", "--reason", written)
    assert said.startswith("Error: Invalid value for '--reason': ")
    assert said.endswith(" is not allowed; allowed: 1 to 200 printable characters on one line")
    assert said.isprintable()


def test_a_reason_may_have_200_characters(stack: Stack) -> None:
    """The bound is on what comes after."""
    stack.ok("pause", "--for", "1h", "--reason", "x" * 200)
    found = stack.state().pause
    assert found is not None
    assert len(found.reason) == 200


def test_a_reason_is_required(stack: Stack) -> None:
    """Who finds everything paused must be able to read why."""
    assert stack.refused("pause", "--for", "1h") == "Error: Missing option '--reason'."


def test_a_pause_takes_the_place_of_an_earlier_one_and_says_so(stack: Stack) -> None:
    """It may be a colleague's, so its end and its reason are shown, and nothing in it moves the terminal."""
    paused(stack, Pause("deploy \x1b[2J", since=EARLIER.since, until=EARLIER.until))
    lines = stack.ok("pause", "--for", "10m", "--reason", "x").splitlines()
    assert lines[1] == r"It takes the place of the pause until 2026-11-22T13:00:00Z: 'deploy \x1b[2J'."
    assert len(lines) == 3
    assert stack.state().pause == Pause("x", since=EPOCH, until=EPOCH + timedelta(minutes=10))


def test_a_pause_that_is_over_is_not_replaced(stack: Stack) -> None:
    """It ends at its time by itself."""
    paused(stack, Pause("deploy", since=EPOCH - HOUR, until=EPOCH))
    assert len(stack.ok("pause", "--for", "10m", "--reason", "x").splitlines()) == 2


def test_pause_prints_json(stack: Stack) -> None:
    """One object: the pause as reports write it, and the one it took the place of."""
    first = json.loads(stack.ok("pause", "--for", "1h", "--reason", "x", "--json"))
    pause = {"reason": "x", "since": "2026-11-22T12:00:00+00:00", "until": "2026-11-22T13:00:00+00:00"}
    assert first == {"table": TABLE, "pause": pause, "replaced": None}
    second = json.loads(stack.ok("pause", "--for", "2h", "--reason", "y", "--json"))
    assert second == {
        "table": TABLE,
        "pause": {"reason": "y", "since": "2026-11-22T12:00:00+00:00", "until": "2026-11-22T14:00:00+00:00"},
        "replaced": pause,
    }


def test_the_command_that_ends_a_pause_can_be_pasted(stack: Stack) -> None:
    """A table's name is quoted for a shell, whatever it is."""
    result = stack.run("pause", "--for", "1h", "--reason", "x", "--table", "my table")
    assert result.stdout.splitlines()[-1].endswith(" resume --table 'my table'")


def test_resume_ends_the_pause_and_says_which(stack: Stack) -> None:
    """Warming goes on at the next tick."""
    paused(stack)
    assert stack.ok("resume") == (
        "The pause until 2026-11-22T13:00:00Z ('deploy') in table 'warmer-state' is ended: "
        "warming goes on at the next tick.\n"
    )
    assert stack.state().pause is None


def test_resume_without_a_pause_says_that_there_was_none(stack: Stack) -> None:
    """That is no mistake: it is as it was asked for."""
    assert stack.ok("resume") == "There was no pause in table 'warmer-state'.\n"


def test_resume_after_the_end_says_when_that_was(stack: Stack) -> None:
    """Whoever expects a pause learns that it ended by itself."""
    paused(stack, Pause("deploy", since=EPOCH - HOUR, until=EPOCH))
    said = "There was no pause in table 'warmer-state' any more: the last one ended at 2026-11-22T12:00:00Z.\n"
    assert stack.ok("resume") == said
    assert stack.state().pause is None


def test_resume_ends_a_pause_it_has_not_seen() -> None:
    """One that begins between the look and the order is ended all the same."""
    stack = Stack(EmptyHandedState())
    paused(stack)
    said = "The pause in table 'warmer-state' is ended: warming goes on at the next tick.\n"
    assert stack.ok("resume") == said
    paused(stack)
    assert json.loads(stack.ok("resume", "--json")) == {"table": TABLE, "was_paused": True, "pause": None}
    assert json.loads(stack.ok("resume", "--json")) == {"table": TABLE, "was_paused": False, "pause": None}


def test_resume_prints_json(stack: Stack) -> None:
    """One object: whether there was a pause, and which was the last."""
    assert json.loads(stack.ok("resume", "--json")) == {"table": TABLE, "was_paused": False, "pause": None}
    paused(stack)
    assert json.loads(stack.ok("resume", "--json")) == {
        "table": TABLE,
        "was_paused": True,
        "pause": {"reason": "deploy", "since": "2026-11-22T11:00:00+00:00", "until": "2026-11-22T13:00:00+00:00"},
    }
    paused(stack, Pause("deploy", since=EPOCH - HOUR, until=EPOCH))
    assert json.loads(stack.ok("resume", "--json"))["was_paused"] is False


def test_resume_lets_a_stopped_credential_go_and_says_why_it_was_stopped(stack: Stack) -> None:
    """Its breaker is closed as the next change of its state, and no pause is ended."""
    stopped(stack, billing=STOPPED)
    assert stack.ok("resume", "--credential", "billing") == (
        "credential 'billing' was stopped since 2026-11-22T11:30:00Z until 2026-11-22T12:30:00Z ('spend-limit'); "
        "its calls are tried again at the next tick\n"
    )
    assert stack.credential("billing") == LET_GO


def test_a_credential_on_trial_is_let_go_too(stack: Stack) -> None:
    """After its cool-down one call would be tried: now all of them are."""
    stopped(stack, billing=Breaker(open_until=EPOCH))
    assert stack.ok("resume", "--credential", "billing") == (
        "credential 'billing' was on trial since 2026-11-22T12:00:00Z; its calls are tried again at the next tick\n"
    )
    assert stack.credential("billing") == LET_GO


def test_a_credential_that_was_not_stopped_lets_its_entries_go(stack: Stack) -> None:
    """When it was asked for is all that is written, because entries are the runs'; each is named once."""
    stopped(stack, fine=CLOSED, billing=STOPPED)
    options = [f"--credential={name}" for name in ("fine", "billing", "nobody", "billing")]
    lines = stack.ok("resume", *options).splitlines()
    assert lines[::2] == [f"credential 'fine' {NOT_STOPPED}", f"credential 'nobody' {NOT_STOPPED}"]
    assert lines[1].startswith("credential 'billing' was stopped")
    assert len(lines) == 3
    assert stack.credential("fine") == LET_GO
    assert stack.credential("nobody") == replace(LET_GO, sequence=1)


def test_letting_a_credential_go_ends_no_pause_and_says_so(stack: Stack) -> None:
    """Else its user would wait for calls at the next tick."""
    stopped(stack, billing=STOPPED)
    paused(stack)
    lines = stack.ok("resume", "--credential", "billing").splitlines()
    assert lines[1:] == ["All warming is paused until 2026-11-22T13:00:00Z ('deploy') all the same."]
    assert stack.state().pause == EARLIER
    paused(stack, Pause("over", since=EPOCH - HOUR, until=EPOCH))
    assert stack.ok("resume", "--credential", "billing") == f"credential 'billing' {NOT_STOPPED}\n"


def test_a_lost_race_is_run_once_more() -> None:
    """A run that wrote in between has the older view of the world."""
    later = Breaker(reason="credential", open_until=EPOCH + HOUR)
    store = RacingState(later)
    stack = Stack(store)
    stopped(stack, billing=STOPPED)
    store.is_racing = True
    assert "was stopped until 2026-11-22T13:00:00Z ('credential');" in stack.ok("resume", "--credential", "billing")
    assert stack.credential("billing") == replace(LET_GO, sequence=3)


def test_a_race_that_let_it_go_is_no_loss() -> None:
    """A run whose trial was answered closed the breaker first."""
    store = RacingState(CLOSED)
    stack = Stack(store)
    stopped(stack, billing=STOPPED)
    store.is_racing = True
    assert stack.ok("resume", "--credential", "billing") == f"credential 'billing' {NOT_STOPPED}\n"
    assert stack.credential("billing") == replace(LET_GO, sequence=3)


def test_a_race_lost_twice_is_a_finding() -> None:
    """Exit code 1 and what to do; what the run wrote stands."""
    later = Breaker(reason="credential", open_until=EPOCH + HOUR)
    store = RacingState(STOPPED, later)
    stack = Stack(store)
    stopped(stack, billing=STOPPED)
    store.is_racing = True
    result = stack.run("resume", "--credential", "billing", "--credential", "fine", "--table", TABLE)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        "credential 'billing' is stopped until 2026-11-22T12:30:00Z ('spend-limit'), and runs keep changing it: "
        "try again\n"
        f"credential 'fine' {NOT_STOPPED}\n"
    )
    assert stack.credential("billing") == CredentialState(3, later)


def test_a_race_lost_twice_for_one_that_was_not_stopped_is_a_finding_too() -> None:
    """Else its user would take what was refused for let go."""
    store = RacingState(CLOSED, CLOSED)
    store.is_racing = True
    result = Stack(store).run("resume", "--credential", "fine", "--table", TABLE)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == "credential 'fine' was not stopped, and runs keep changing it: try again\n"


def test_resume_of_credentials_prints_json(stack: Stack) -> None:
    """One object with each credential as it was found, and the pause that holds."""
    stopped(stack, billing=STOPPED)
    paused(stack)
    answer = json.loads(stack.ok("resume", "--credential", "billing", "--credential", "fine", "--json"))
    assert answer == {
        "table": TABLE,
        "credentials": [
            {
                "credential": "billing",
                "was_stopped": True,
                "is_let_go": True,
                "reason": "spend-limit",
                "stopped_at": "2026-11-22T11:30:00+00:00",
                "stopped_until": "2026-11-22T12:30:00+00:00",
            },
            {
                "credential": "fine",
                "was_stopped": False,
                "is_let_go": True,
                "reason": None,
                "stopped_at": None,
                "stopped_until": None,
            },
        ],
        "pause": {"reason": "deploy", "since": "2026-11-22T11:00:00+00:00", "until": "2026-11-22T13:00:00+00:00"},
    }


def test_what_cannot_be_read_is_said_beside_the_answer() -> None:
    """A credential whose record is of another version counts as unknown, and its user must know."""
    result = Stack(PartlyReadState()).run("resume", "--credential", "b", "--json", "--table", TABLE)
    assert (result.exit_code, result.stderr) == (0, f"Warning: {UNREADABLE}\n")
    assert json.loads(result.stdout)["pause"] is None


@pytest.mark.parametrize("written", ["", "Billing", "-", "a b", "sk-ant-api03-" + "A" * 95])
def test_a_wrong_credential_is_refused(stack: Stack, written: str) -> None:
    """The pattern of target documents; a key that was put there by mistake is not quoted."""
    said = stack.refused("resume", f"--credential={written}")
    assert said.startswith("Error: Invalid value for '--credential': ")
    assert said.endswith("allowed: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit")
    assert "sk-ant" not in said


@pytest.mark.parametrize("command", [["pause", "--for=1h", "--reason=x"], ["resume"], ["resume", "--credential=a"]])
def test_a_state_that_cannot_be_had_is_one_line(command: list[str]) -> None:
    """Exit code 2, no traceback, nothing on standard output."""
    result = Stack(BrokenState()).run(*command, "--table", TABLE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr == "Error: state table 'warmer-state' refused BatchGetItem: AccessDenied; try again in a minute\n"
    )
