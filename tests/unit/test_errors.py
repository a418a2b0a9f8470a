"""The error tree: what the docstring draws is what the classes are."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal

import pytest

from prompt_cache_warmer import errors
from prompt_cache_warmer.errors import CacheWarmerError, SettingsError, WarmCallError

# A line of the drawing: four columns for each level, then the branch's corner, the name and its sentence.
_LINE = re.compile(r"^    (?P<branches>(?:\|   |    )*(?:\|-- |`-- )?)(?P<name>\w+Error)(?: +(?P<sentence>\S.*))?$")


def drawn() -> list[tuple[str, str]]:
    """Read the docstring's drawing: each class with the class it hangs from."""
    above: list[str] = []
    found: list[tuple[str, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match(line)
        if match:
            depth = len(match["branches"]) // 4
            above = [*above[:depth], match["name"]]
            found.append((match["name"], above[depth - 1] if depth else "Exception"))
    return found


def warm_call_errors() -> list[type[WarmCallError]]:
    """List every class of the warm calls' branch."""
    classes = [getattr(errors, name) for name, _ in drawn()]
    return [found for found in classes if issubclass(found, WarmCallError)]


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    """Every class is drawn, once, under the class it derives from."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert sorted(drawn()) == sorted((found.__name__, found.__mro__[1].__name__) for found in classes)


def test_every_error_has_the_one_root() -> None:
    """Whoever catches the root catches all of them."""
    assert all(issubclass(getattr(errors, name), CacheWarmerError) for name, _ in drawn())


@pytest.mark.parametrize("kind", warm_call_errors(), ids=lambda kind: str(kind.__name__))
def test_every_failed_call_says_what_to_do(kind: type[WarmCallError]) -> None:
    """A failure carries a stable word, one sentence of advice, and what the API said."""
    error = kind("no", http_status=529, request_id="req_1", workspace_id="wrkspc_1", retry_after_seconds=2.5)
    assert re.fullmatch(r"[a-z-]+", error.code)
    assert error.advice.endswith(".")
    assert (str(error), error.http_status, error.request_id, error.workspace_id, error.retry_after_seconds) == (
        "no",
        529,
        "req_1",
        "wrkspc_1",
        2.5,
    )


EXAMPLES: list[CacheWarmerError] = [
    errors.ArgumentValueError("model", "is missing"),
    errors.ArgumentTypeError("client", "7 is not a client"),
    errors.CostCapError(estimate_usd=Decimal("0.5"), cap_usd=Decimal("0.1"), model="claude-sonnet-4-6"),
    errors.PoolExhaustedError(cap="max_usd", limit=Decimal(1), taken=Decimal("0.5"), wanted=Decimal(2)),
    errors.MessagesTooLongError(budget_tokens=5, needed_tokens=7),
    SettingsError(("one", "two")),
    errors.RateLimitedError("no", http_status=429, retry_after_seconds=2.0),
    errors.StateUnavailableError("no table"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_can_be_sent_to_another_process(error: CacheWarmerError) -> None:
    """With its message and all it says, so that a worker's error breaks no pool of processes."""
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(sent) is type(error)
    assert (str(sent), sent.args, vars(sent)) == (str(error), error.args, vars(error))


def test_the_words_of_failures_are_stable() -> None:
    """Reports, alarms and runbooks use these words."""
    assert {kind.__name__: kind.code for kind in warm_call_errors()} == {
        "WarmCallError": "failed",
        "CredentialError": "credential",
        "ExchangeRefusedError": "credential",
        "SpendLimitError": "spend-limit",
        "RejectedError": "rejected",
        "ZeroRefusedError": "rejected",
        "TransportError": "transport",
        "TransientError": "transient",
        "RateLimitedError": "rate-limited",
        "OverloadedError": "overloaded",
        "UnexpectedCallError": "internal",
        "UnreachableError": "unreachable",
        "NotConnectedError": "unreachable",
        "CallTimeoutError": "timeout",
    }


def test_a_failure_without_an_answer_says_nothing_of_one() -> None:
    """Everything the API might have said is None when it said nothing."""
    error = WarmCallError("no")
    assert (error.http_status, error.request_id, error.workspace_id, error.retry_after_seconds) == (None,) * 4


def test_settings_problems_are_joined_in_one_message() -> None:
    """One error names every variable that is wrong."""
    error = SettingsError(("A is missing", "B=1: too small"))
    assert str(error) == "the environment is not valid: A is missing; B=1: too small"
    assert error.problems == ("A is missing", "B=1: too small")


@pytest.mark.parametrize(
    ("error", "may_be_billed"),
    [
        (errors.CallTimeoutError("late"), True),
        (errors.CallTimeoutError("408", http_status=408), False),
        (errors.UnreachableError("dropped"), True),
        (errors.UnreachableError("200 without usage", http_status=200), True),
        (errors.NotConnectedError("refused"), False),
        (errors.OverloadedError("529", http_status=529), False),
        (errors.OverloadedError("a stream that broke off", http_status=200), True),
        (errors.RejectedError("400", http_status=400), False),
        (errors.UnexpectedCallError("unexpected KeyError"), True),
        (errors.CredentialError("no such credential"), False),
    ],
    ids=str,
)
def test_only_an_error_status_says_that_nothing_is_billed(error: WarmCallError, *, may_be_billed: bool) -> None:
    """What got no answer, or one that was begun, may be billed; what was never sent is not."""
    assert error.may_be_billed is may_be_billed
