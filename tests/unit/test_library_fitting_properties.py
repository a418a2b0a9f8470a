"""Fitting any conversation with any strategy: what the API would refuse never comes out, and no room is wasted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.messages_api.conversation import check_conversation
from prompt_cache_warmer.errors import MessagesTooLongError
from prompt_cache_warmer.library.fitting.fitting import FitResult, fit_messages

settings.register_profile("fitting", deadline=None, max_examples=200)
FITTING = settings.get_profile("fitting")  # a loaded machine is not a defect

SKIPPING = ("tail", "head", "middle")
WHOLE = ("slide", "drop-oldest", "drop-middle", "priority")
Fitted = FitResult[dict[str, Any]]
KINDS = ("user", "user", "ruled", "answer", "call", "call", "ruled call")


@dataclass(frozen=True)
class Case:
    """A conversation in the units it was made of, and what to do with it."""

    units: tuple[tuple[int, ...], ...]
    messages: list[dict[str, Any]]
    counts: list[int]
    priorities: list[int]
    strategy: Any
    budget_tokens: int
    keep_system: bool
    keep_first: int
    keep_last: int

    def fit(self, *, partial: bool = False, of: Fitted | None = None) -> Fitted:
        """Fit the conversation, or what was kept of it before."""
        places = range(len(self.messages)) if of is None else of.kept_places
        return fit_messages(
            self.messages if of is None else of.messages,
            budget_tokens=self.budget_tokens,
            strategy=self.strategy,
            keep_system=self.keep_system,
            keep_first=self.keep_first,
            keep_last=self.keep_last,
            token_counts=[self.counts[at] for at in places],
            priorities=[self.priorities[at] for at in places] if self.strategy == "priority" else None,
            partial=partial,
        )

    def role(self, number: int) -> str:
        """Say whose message leads a unit; system messages lead none."""
        roles = [self.messages[at]["role"] for at in self.units[number]]
        return next((role for role in roles if role != "system"), "")

    def tokens(self, numbers: set[int]) -> int:
        """Count the tokens of some units."""
        return sum(self.counts[at] for number in numbers for at in self.units[number])

    def completed(self, numbers: set[int]) -> set[int]:
        """Add the user's message that must lead some units."""
        spoken = [number for number in range(len(self.units)) if self.role(number)]
        chosen = [number for number in spoken if number in numbers]
        if not chosen or self.role(chosen[0]) == "user" or self.role(spoken[0]) != "user":
            return numbers
        return numbers | {max(n for n in spoken if n < chosen[0] and self.role(n) == "user")}

    def pinned(self) -> set[int]:
        """List the units that must stay."""
        spoken = [at for at, message in enumerate(self.messages) if message["role"] != "system"]
        must = set(spoken[: self.keep_first]) | set(spoken[len(spoken) - min(self.keep_last, len(spoken)) :])
        if self.keep_system:
            must |= set(range(len(self.messages))) - set(spoken)
        must |= set(range(self.prefix_length()))
        return {number for number, places in enumerate(self.units) if must & set(places)}

    def prefix_length(self) -> int:
        """Count the messages of the cached prefix."""
        marked = [at for at, message in enumerate(self.messages) if "cache_control" in json.dumps(message)]
        return marked[-1] + 1 if marked else 0

    def wanted(self) -> list[int]:
        """Put the units that may go in the order in which a strategy without skips wants them."""
        free = [number for number in range(len(self.units)) if number not in self.pinned()]
        if self.strategy in ("slide", "drop-oldest"):
            return free[::-1]
        if self.strategy == "drop-middle":
            return [free.pop(-1 if turn % 2 == 0 else 0) for turn in range(len(free))]
        weights = {n: max(self.priorities[at] for at in self.units[n]) for n in free}
        return sorted(free, key=lambda n: (-weights[n], -n))

    def numbers(self, fitted: Fitted) -> set[int]:
        """Name the units that were kept; none may be split."""
        places = set(fitted.kept_places)
        kept = {number for number, unit in enumerate(self.units) if places & set(unit)}
        assert places == {at for number in kept for at in self.units[number]}
        return kept


def turn(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    """Make a message of blocks."""
    return {"role": role, "content": list(blocks)}


def words(value: str) -> dict[str, Any]:
    """Make a text block."""
    return {"type": "text", "text": value}


@st.composite
def exchanges(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """Draw a call with one to three parallel tools, and its results in one message or several."""
    ids = [f"call{number}-{at}" for at in range(draw(st.integers(1, 3)))]
    uses = [{"type": "tool_use", "id": one, "name": "look", "input": {}} for one in ids]
    results = [{"type": "tool_result", "tool_use_id": one, "content": "ok"} for one in ids]
    calling = [turn("assistant", words("I look"), *uses)]
    if draw(st.booleans()):
        calling = [turn("assistant", words("I look")), turn("assistant", *uses)]
    if draw(st.booleans()):
        return [*calling, turn("user", *results)]
    return [*calling, *(turn("user", result) for result in results)]


@st.composite
def units(draw: st.DrawFn, kind: str, number: int) -> list[dict[str, Any]]:
    """Draw what goes together by the API's rules."""
    system, answer = turn("system", words(f"rule {number}")), turn("assistant", words(f"answer {number}"))
    user = turn("user", words(f"question {number}"))
    if kind == "user":
        return [user]
    if kind == "ruled":
        return [user, system, answer]
    if kind == "answer":
        return [answer] * draw(st.integers(1, 2))
    exchange = draw(exchanges(number))
    return exchange if kind == "call" else [*exchange, system, answer]


@st.composite
def cases(draw: st.DrawFn, *, strategies: tuple[str, ...] = SKIPPING + WHOLE) -> Case:
    """Draw a conversation the API would take, and how to fit it."""
    found = [[turn("system", words("opening"))] for _ in range(draw(st.integers(0, 2)))]
    opening = len(found)
    begins_with_user = draw(st.booleans())
    for number, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), max_size=10))):
        unit = draw(units(kind, number))
        is_first = len(found) == opening
        follows_assistant = not is_first and found[-1][-1]["role"] == "assistant"
        if unit[0]["role"] == "assistant" and (follows_assistant or (is_first and begins_with_user)):
            found.append([turn("user", words(f"why {number}"))])
        found.append(unit)
    messages = json.loads(json.dumps([message for unit in found for message in unit]))  # nothing shared
    lengths = [len(unit) for unit in found]
    places = [tuple(range(sum(lengths[:n]), sum(lengths[: n + 1]))) for n in range(len(lengths))]
    for at in draw(st.sets(st.integers(0, len(messages) - 1), max_size=2)) if messages and draw(st.booleans()) else ():
        if at < draw(st.integers(0, len(messages))):  # markers stand early more often than late
            messages[at]["content"][-1]["cache_control"] = {"type": "ephemeral"}
    counts = draw(st.lists(st.sampled_from([0, 1, 5, 10, 10, 40]), min_size=len(messages), max_size=len(messages)))
    return Case(
        units=tuple(places),
        messages=messages,
        counts=counts,
        priorities=draw(st.lists(st.integers(0, 3), min_size=len(messages), max_size=len(messages))),
        strategy=draw(st.sampled_from(strategies)),
        budget_tokens=draw(st.integers(0, sum(counts) + 1)),
        keep_system=draw(st.booleans()),
        keep_first=draw(st.sampled_from([0, 0, 0, 1, 2, 30])),
        keep_last=draw(st.sampled_from([0, 0, 1, 2, 30])),
    )


def fitted_or_none(case: Case) -> Fitted | None:
    """Fit a conversation; None where what must stay does not fit."""
    try:
        return case.fit()
    except MessagesTooLongError:
        return None


@FITTING
@given(cases())
def test_within_budget_or_an_error(case: Case) -> None:
    """A result is within the budget, or there is an error, or with partial it says that it does not fit."""
    fitted, partial = fitted_or_none(case), case.fit(partial=True)
    assert partial.after_tokens == sum(case.counts[at] for at in partial.kept_places)
    assert partial.before_tokens == sum(case.counts)
    assert partial.fits == (partial.after_tokens <= case.budget_tokens)
    assert (fitted is None) == (not partial.fits)
    assert fitted is None or fitted == partial


@FITTING
@given(cases())
def test_order_and_completeness(case: Case) -> None:
    """Every message either stays or goes, unchanged and in order, and the messages given stay as they are."""
    before = json.dumps(case.messages)
    fitted = case.fit(partial=True)
    gone = [at for at in range(len(case.messages)) if at not in fitted.kept_places]
    assert list(fitted.kept_places) == sorted(set(fitted.kept_places))
    assert json.dumps(fitted.messages) == json.dumps([case.messages[at] for at in fitted.kept_places])
    assert json.dumps(fitted.dropped) == json.dumps([case.messages[at] for at in gone])
    assert fitted.truncated == bool(gone)
    assert json.dumps(case.messages) == before


@FITTING
@given(cases())
def test_the_api_would_take_it(case: Case) -> None:
    """Tool pairs, the first message's role, system messages' places and non-empty content are as the API wants them."""
    fitted = case.fit(partial=True)
    case.numbers(fitted)
    roles = [message["role"] for message in case.messages]
    spoken = [role for role in roles if role != "system"]
    if not spoken:
        return
    check_conversation(fitted.messages)  # the emulator's rules, which share no code with ours
    found = [message["role"] for message in fitted.messages]
    opening = next(at for at, role in enumerate(found) if role != "system")
    assert spoken[0] != "user" or found[opening] == "user"
    for role, following in pairwise(found[opening:]):
        assert following != "system" or role == "user"
        assert role != "system" or following == "assistant"


@FITTING
@given(cases())
def test_what_must_stay_stays(case: Case) -> None:
    """The cached prefix stays to the byte, and so does all that was to be kept, with whatever strategy."""
    fitted = case.fit(partial=True)
    length = case.prefix_length()
    assert json.dumps(fitted.messages[:length]) == json.dumps(case.messages[:length])
    assert case.pinned() <= case.numbers(fitted)


@FITTING
@given(cases())
def test_nothing_is_dropped_without_need(case: Case) -> None:
    """Where all fits nothing is dropped, and where all must stay it is not either."""
    fitted = case.fit(partial=True)
    if sum(case.counts) <= case.budget_tokens or len(case.pinned()) == len(case.units):
        assert fitted.messages == case.messages


@FITTING
@given(cases())
def test_fitting_twice(case: Case) -> None:
    """Fitting a result again changes nothing."""
    fitted = case.fit(partial=True)
    again = case.fit(partial=True, of=fitted)
    assert again.messages == fitted.messages
    assert again.after_tokens == fitted.after_tokens


@FITTING
@given(cases(strategies=SKIPPING))
def test_no_unit_could_be_put_back(case: Case) -> None:
    """What tail, head and middle leave out does not fit: not one unit of it could be put back."""
    fitted = fitted_or_none(case)
    kept = case.pinned() if fitted is None else case.numbers(fitted)
    for number in set(range(len(case.units))) - kept:
        with_it = case.completed(kept | {number})
        if fitted is not None or any(map(case.role, with_it)):
            assert case.tokens(with_it) > case.budget_tokens


@FITTING
@given(cases(strategies=WHOLE))
def test_as_many_of_the_most_wanted_as_fit(case: Case) -> None:
    """The other strategies keep as many of the most wanted units as fit together, and skip none."""
    fitted = fitted_or_none(case)
    wanted, pinned = case.wanted(), case.pinned()
    spoken = any(map(case.role, range(len(case.units))))
    choices = [case.completed(pinned | set(wanted[:count])) for count in range(len(wanted) + 1)]
    legal = [one for one in choices if not spoken or any(map(case.role, one))]
    fitting = [one for one in legal if case.tokens(one) <= case.budget_tokens]
    if fitting:
        assert fitted is not None
        assert case.numbers(fitted) == fitting[-1]
    elif fitted is not None:  # system messages that may go went for the most wanted of the conversation
        assert case.numbers(fitted) == case.completed(pinned | {next(n for n in wanted if case.role(n))})
