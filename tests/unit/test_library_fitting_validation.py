"""Fitting refuses what it cannot use: the error names the argument and what is allowed, and quotes no prompt."""

from __future__ import annotations

from typing import Any

import pytest

from prompt_cache_warmer.errors import ArgumentError, ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.fitting.fitting import fit_messages

CHAT: list[Any] = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "there"}]
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "ok"}]}


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        ({"budget_tokens": -1}, "budget_tokens", "is -1; give 0 or more"),
        ({"keep_first": -2}, "keep_first", "is -2; give 0 or more"),
        ({"keep_last": -3}, "keep_last", "is -3; give 0 or more"),
        (
            {"strategy": "sliding"},
            "strategy",
            "is 'sliding'; allowed: 'tail', 'head', 'middle', 'slide', 'drop-oldest'",
        ),
        ({"strategy": "drop_oldest"}, "strategy", "did you mean 'drop-oldest'?"),
        ({"strategy": "priority"}, "priorities", "is missing; strategy 'priority' needs one for each message"),
        ({"priorities": [1, 2]}, "priorities", "is given; only strategy 'priority' uses it"),
        ({"strategy": "priority", "priorities": [1]}, "priorities", "has 1 entries for 2 messages; give as many"),
        ({"strategy": "priority", "priorities": [1, float("nan")]}, "priorities[1]", "is not a number"),
        ({"token_counts": [1, 2, 3]}, "token_counts", "has 3 entries for 2 messages; give as many"),
        ({"token_counts": [1, -1]}, "token_counts[1]", "is -1; give 0 or more"),
        ({"count_tokens": lambda _: -5}, "count_tokens(messages[0])", "is -5; give 0 or more"),
        ({"messages": [*CHAT, {"role": "tool", "content": "x"}]}, "messages[2].role", "is 'tool'; allowed: 'user'"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role", "is of type list; allowed: 'user'"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "is missing; allowed: 'user'"),
        ({"messages": [*CHAT, {"role": "user", "content": ""}]}, "messages[2].content", "is empty; the API refuses"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content", "is empty; the API refuses"),
        ({"messages": [*CHAT, RESULT]}, "messages[2]", "has a tool_result for no tool_use of the assistant's turn"),
        ({"messages": [CHAT[0], CALL, RESULT, CHAT[1], RESULT]}, "messages[4]", "has a tool_result for no tool_use"),
        ({"messages": [CHAT[0], CALL, CHAT[0], CHAT[1]]}, "messages[1]", "has a tool_use without its tool_result"),
        ({"messages": [CHAT[0], CHAT[1], CALL, *CHAT]}, "messages[2]", "has a tool_use without its tool_result"),
    ],
)
def test_value_that_is_not_allowed(options: dict[str, Any], argument: str, message: str) -> None:
    """agentfit: "validation": a value that is not allowed is refused by the argument's name, with what is allowed."""
    with pytest.raises(ArgumentValueError) as caught:
        fit_messages(**{"messages": CHAT, "budget_tokens": 99, **options})
    assert caught.value.argument == argument
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        ({"budget_tokens": 1.5}, "budget_tokens", "is of type float; give a whole number, 0 or more"),
        ({"budget_tokens": True}, "budget_tokens", "is of type bool"),
        ({"budget_tokens": None}, "budget_tokens", "is of type NoneType"),
        ({"keep_first": "1"}, "keep_first", "is of type str"),
        ({"keep_last": 1.0}, "keep_last", "is of type float"),
        ({"keep_system": "no"}, "keep_system", "is of type str; give True or False"),
        ({"partial": 1}, "partial", "is of type int; give True or False"),
        ({"strategy": None}, "strategy", "is of type NoneType; give a name"),
        ({"strategy": "priority", "priorities": "12"}, "priorities", "is of type str; give a list"),
        ({"strategy": "priority", "priorities": {0: 1, 1: 2}}, "priorities", "is of type dict; give a list"),
        ({"strategy": "priority", "priorities": [1, "2"]}, "priorities[1]", "is of type str; give a number"),
        ({"strategy": "priority", "priorities": [True, 2]}, "priorities[0]", "is of type bool; give a number"),
        ({"token_counts": 7}, "token_counts", "is of type int; give a list, one for each message"),
        ({"token_counts": [1, 2.5]}, "token_counts[1]", "is of type float; give a whole number"),
        ({"count_tokens": 7}, "count_tokens", "is of type int; give a callable"),
        ({"count_tokens": lambda _: 1.5}, "count_tokens(messages[0])", "is of type float; give a whole number"),
        ({"request": "body"}, "request", "is of type str; give the request's body"),
        ({"request": {"tools": "t"}}, "request.tools", "must be a list"),
        ({"request": {"system": [{"type": "text", "text": "x"}, 5]}}, "request.system[1]", "must be an object"),
        ({"messages": "hello"}, "messages", "is of type str; give a list of messages"),
        ({"messages": b"hello"}, "messages", "is of type bytes; give a list of messages"),
        ({"messages": CHAT[0]}, "messages", "is of type dict; give a list of messages"),
        ({"messages": None}, "messages", "is missing; give a list of messages"),
        ({"messages": [*CHAT, "hello"]}, "messages[2]", "is of type str; give a message with role and content"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages[0].content",
            "is of type int; give a text or a list",
        ),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "is missing; give a text or a list of blocks"),
        (
            {"messages": [{"role": "user", "content": ["x"]}]},
            "messages[0].content[0]",
            "is of type str; give an object",
        ),
    ],
)
def test_wrong_type(options: dict[str, Any], argument: str, message: str) -> None:
    """A value of the wrong type is refused by the argument's name, with what to give."""
    with pytest.raises(ArgumentTypeError) as caught:
        fit_messages(**{"messages": CHAT, "budget_tokens": 99, **options})
    assert caught.value.argument == argument
    assert message in str(caught.value)


def test_no_prompt_in_an_error() -> None:
    """A message that is refused is not quoted."""
    strange = [{"type": "tool_use", "id": "a", "name": "look", "input": {"a secret": object()}}]
    for broken in (
        {"role": "assistant", "content": strange},
        {"role": "user", "content": "a secret \ud800"},
        {"role": "x" * 99, "content": "a secret"},
        {"role": "user", "content": {"a secret": 1}},
        "a secret",
    ):
        with pytest.raises(ArgumentError) as caught:
            fit_messages([broken], budget_tokens=9)  # type: ignore[type-var] # wrong on purpose
        assert "secret" not in str(caught.value)
        assert "xxx" not in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None


def test_what_the_counter_raises() -> None:
    """An error of the caller's own counter reaches the caller as it is."""

    def count(_: object) -> int:
        raise LookupError("no such model")

    with pytest.raises(LookupError, match="no such model"):
        fit_messages(CHAT, budget_tokens=9, count_tokens=count)


def test_numbers_of_any_size_are_priorities() -> None:
    """Whole numbers beyond a float's range and infinities can be compared, so they are priorities."""
    fitted = fit_messages([CHAT[0], CHAT[0]], budget_tokens=1, strategy="priority", priorities=[10**400, float("-inf")])
    assert fitted.kept_places == (0,)


def test_results_that_are_still_coming() -> None:
    """Where only some of the last calls are answered, the conversation is still going on and is taken as it is."""
    two_calls = {"role": "assistant", "content": [{**CALL["content"][0], "id": one} for one in ("a", "b")]}  # type: ignore[dict-item] # a block of a list
    messages = [CHAT[0], two_calls, RESULT]
    assert fit_messages(messages, budget_tokens=99).messages == messages
