"""Fitting messages into a token budget: the strategies, what stays whatever they say, and the result."""

from __future__ import annotations

import json
from typing import Any

import anthropic.types
import pytest

from prompt_cache_warmer.errors import MessagesTooLongError, OverBudgetError
from prompt_cache_warmer.library.fitting.fitting import fit_messages

MARKER = {"type": "ephemeral"}


def user(text: str) -> dict[str, Any]:
    """Make a user's message."""
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    """Make an assistant's message."""
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, Any]:
    """Make a system message."""
    return {"role": "system", "content": text}


def marked(message: dict[str, Any]) -> dict[str, Any]:
    """Mark a message's text."""
    return {**message, "content": [{"type": "text", "text": message["content"], "cache_control": MARKER}]}


def calls(*ids: str) -> dict[str, Any]:
    """Make an assistant's message that calls tools."""
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": one, "name": "look", "input": {}} for one in ids],
    }


def results(*ids: str) -> dict[str, Any]:
    """Make a user's message that answers tool calls."""
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": one, "content": "ok"} for one in ids]}


# Eight messages of 10 tokens each, but for the fifth, which has 40: 110 in all.
CHAT = [user("q0"), assistant("a1"), user("q2"), assistant("a3"), user("q4"), assistant("a5"), user("q6"), user("q7")]
COUNTS = [10, 10, 10, 10, 40, 10, 10, 10]
# A loop of an agent: one task, then calls with their results. 10, then 20 a call.
LOOP = [user("task"), calls("a"), results("a"), calls("b"), results("b"), calls("c"), results("c")]
LOOP_COUNTS = [10, 10, 10, 10, 10, 10, 10]


def kept(strategy: Any, budget_tokens: int, **options: Any) -> tuple[int, ...]:
    """Fit the chat and say which of its messages stay."""
    given = {"token_counts": COUNTS, **options}
    return fit_messages(CHAT, budget_tokens=budget_tokens, strategy=strategy, **given).kept_places


def kept_of_loop(strategy: Any, budget_tokens: int, **options: Any) -> tuple[int, ...]:
    """Fit the agent's loop and say which of its messages stay."""
    given = {"token_counts": LOOP_COUNTS, **options}
    return fit_messages(LOOP, budget_tokens=budget_tokens, strategy=strategy, **given).kept_places


def test_tail() -> None:
    """agentfit: "Fit messages into a token budget: tail": the newest that fit, past one that is too large."""
    assert kept("tail", 59) == (0, 2, 3, 6, 7)  # 5 and 1 would bring a question that has no room, 4 has 40
    assert kept("tail", 60) == (4, 6, 7)


def test_head() -> None:
    """agentfit: "head" takes every message that still fits, the oldest first."""
    assert kept("head", 60) == (0, 1, 2, 3, 5, 6)


def test_middle() -> None:
    """agentfit: "middle" takes from both ends in turn, the newest first, every message that still fits."""
    assert kept("middle", 50) == (0, 1, 5, 6, 7)
    assert kept("middle", 70) == (0, 1, 2, 3, 5, 6, 7)  # 4, with 40, is left out and 3 behind it is not


def test_slide() -> None:
    """agentfit: "slide" keeps a window without gaps: it ends before the first message that does not fit."""
    assert kept("slide", 60) == (6, 7)  # with 5 the user's message before it, 4, would have to lead: 70 in all
    assert kept("slide", 70) == (4, 5, 6, 7)


def test_drop_oldest() -> None:
    """agentfit: "drop-oldest" drops the oldest until the rest fits, and no newer one."""
    assert kept("drop-oldest", 109) == (2, 3, 4, 5, 6, 7)  # 1 goes with 0: nothing begins with an assistant's message
    assert kept("drop-oldest", 80) == (4, 5, 6, 7)
    assert kept("drop-oldest", 90) == (2, 3, 4, 5, 6, 7)


def test_drop_middle() -> None:
    """agentfit: "drop-middle" drops from the middle outwards and leaves one gap."""
    assert kept("drop-middle", 109) == (0, 1, 2, 4, 5, 6, 7)  # wanted last of all is 3
    assert kept("drop-middle", 70) == (0, 1, 2, 5, 6, 7)
    assert kept("drop-middle", 40) == (0, 1, 6, 7)


def test_priority() -> None:
    """agentfit: "priority" drops the least important first, the older one of equals."""
    priorities = [5, 0, 1, 0, 9, 0, 1, 2]
    assert kept("priority", 100, priorities=priorities) == (0, 2, 3, 4, 5, 6, 7)
    assert kept("priority", 70, priorities=priorities) == (0, 4, 6, 7)
    assert kept("priority", 69, priorities=priorities) == (0, 4, 7)  # 6 and 2 are alike, 6 is newer and does not fit


def test_priority_of_a_unit() -> None:
    """A call and its result are as important as the more important of the two."""
    priorities = [0, 0, 7, 5, 5, 6, 6]
    assert kept_of_loop("priority", 30, priorities=priorities) == (0, 1, 2)


def test_the_default_strategy() -> None:
    """Where no strategy is named it is tail."""
    assert fit_messages(CHAT, budget_tokens=60, token_counts=COUNTS).kept_places == kept("tail", 60)


def test_keep_system() -> None:
    """agentfit: "keep system" keeps a system message that stands first, unless told otherwise."""
    messages = [system("rules"), user("q1"), assistant("a2"), user("q3")]
    counts = [50, 10, 10, 10]
    assert fit_messages(messages, budget_tokens=60, token_counts=counts).kept_places == (0, 3)
    freed = fit_messages(messages, budget_tokens=60, token_counts=counts, keep_system=False)
    assert freed.kept_places == (1, 2, 3)


def test_system_message_in_the_middle() -> None:
    """A system message in the middle keeps the user's message before it and the answer after it, as the API demands."""
    messages = [user("q0"), assistant("a1"), user("q2"), system("rules"), assistant("a4"), user("q5")]
    counts = [10] * 6
    assert fit_messages(messages, budget_tokens=30, token_counts=counts).kept_places == (2, 3, 4)
    freed = fit_messages(messages, budget_tokens=30, token_counts=counts, strategy="slide", keep_system=False)
    assert freed.kept_places == (5,)
    at_the_end = [*messages[:3], system("rules")]
    assert fit_messages(at_the_end, budget_tokens=20, token_counts=[10] * 4).kept_places == (2, 3)


def test_keep_first_and_last() -> None:
    """agentfit: "first N, last N" of the conversation stay, system messages not counted."""
    assert kept("slide", 40, keep_first=2) == (0, 1, 6, 7)
    assert kept("head", 40, keep_last=1) == (0, 1, 2, 7)
    messages = [system("rules"), *CHAT]
    fitted = fit_messages(messages, budget_tokens=40, token_counts=[10, *COUNTS], keep_first=1, keep_last=2)
    assert fitted.kept_places == (0, 1, 7, 8)
    assert kept("tail", 110, keep_first=99, keep_last=99) == tuple(range(8))


def test_a_kept_answer_brings_its_question() -> None:
    """A result never begins with an assistant's message: the user's message before it stays as well, and counts."""
    chat, counts = CHAT[:6], COUNTS[:6]
    assert fit_messages(chat, budget_tokens=50, token_counts=counts, keep_last=1).kept_places == (4, 5)
    with pytest.raises(MessagesTooLongError, match=r"50 tokens; the budget is 49"):
        fit_messages(chat, budget_tokens=49, token_counts=counts, strategy="slide", keep_last=1)


def test_an_older_question_may_lead_instead() -> None:
    """Where the nearest question is too large, an older one that is wanted anyway leads the kept answer."""
    chat, counts = CHAT[:6], COUNTS[:6]
    assert fit_messages(chat, budget_tokens=49, token_counts=counts, keep_last=1).kept_places == (0, 2, 3, 5)


def test_an_agents_loop_keeps_its_task() -> None:
    """In an agent's loop the task leads the newest calls, for it is the only message of the user's own."""
    for strategy in ("tail", "slide", "drop-oldest"):
        assert kept_of_loop(strategy, 59) == (0, 3, 4, 5, 6)
        assert kept_of_loop(strategy, 30) == (0, 5, 6)


def test_conversation_that_begins_with_the_assistant() -> None:
    """A conversation that begins with an assistant's message may do so afterwards too."""
    messages = [assistant("a0"), user("q1"), assistant("a2")]
    assert fit_messages(messages, budget_tokens=10, token_counts=[10, 10, 10]).kept_places == (2,)


def test_leader_that_makes_room() -> None:
    """A message left out for its large leader is taken once an older, smaller one leads."""
    messages = [user("q0"), assistant("a1"), user("q2"), assistant("a3")]
    fitted = fit_messages(messages, budget_tokens=30, token_counts=[10, 10, 90, 10])
    assert fitted.kept_places == (0, 1, 3)  # 3 would have brought 2 with its 90; with 0 in front it fits


def test_smaller_leader_later() -> None:
    """A message whose large leader has no room may stay with the smaller one that is wanted next."""
    messages = [user("q0"), user("q1"), assistant("a2")]
    fitted = fit_messages(messages, budget_tokens=20, token_counts=[10, 90, 10], strategy="drop-middle")
    assert fitted.kept_places == (0, 2)


def test_own_tokenizer() -> None:
    """agentfit: "own tokenizer with a default" counts one message at a time; the default is the engine's estimate."""
    messages = [user("one two three"), assistant("four"), user("five six")]
    words = fit_messages(messages, budget_tokens=3, count_tokens=lambda message: len(message["content"].split()))
    assert (words.before_tokens, words.after_tokens, words.kept_places) == (6, 2, (2,))
    estimated = fit_messages([user("x" * 400), assistant("y" * 40), user("z")], budget_tokens=200)
    assert estimated.before_tokens == 100 + 10 + 1  # four bytes a token, and no message is free


def test_precomputed_counts() -> None:
    """agentfit: "precomputed counts" are taken as they are, and what is not known is counted."""
    asked: list[Any] = []

    def count(message: Any) -> int:
        asked.append(message)
        return 7

    fitted = fit_messages(CHAT[:3], budget_tokens=99, token_counts=[1, None, 3], count_tokens=count)
    assert fitted.before_tokens == 11
    assert len(asked) == 1
    assert asked[0] is CHAT[1]


def test_result() -> None:
    """agentfit: "result with dropped, before, after, budget, truncated": what went, the figures, and whether it did."""
    fitted = fit_messages(CHAT, budget_tokens=25, token_counts=COUNTS)
    assert fitted.messages == [user("q6"), user("q7")]
    assert fitted.dropped == CHAT[:6]
    assert (fitted.before_tokens, fitted.after_tokens, fitted.budget_tokens) == (110, 20, 25)
    assert fitted.truncated
    assert fitted.fits


def test_nothing_is_dropped_that_fits() -> None:
    """Messages that fit exactly all stay, and nothing is said to be truncated."""
    fitted = fit_messages(CHAT, budget_tokens=110, token_counts=COUNTS, strategy="slide")
    assert fitted.messages == CHAT
    assert fitted.dropped == []
    assert not fitted.truncated


def test_no_messages() -> None:
    """No messages need no room."""
    nothing: list[dict[str, Any]] = []
    fitted = fit_messages(nothing, budget_tokens=0)
    assert (fitted.messages, fitted.after_tokens, fitted.fits) == ([], 0, True)


def test_system_messages_alone() -> None:
    """A list of nothing but system messages is fitted like any other."""
    fitted = fit_messages([system("a"), system("b")], budget_tokens=5, token_counts=[5, 5], keep_system=False)
    assert fitted.kept_places == (1,)


def test_over_budget_is_an_error() -> None:
    """agentfit: "over-budget error": what must stay and does not fit is an error that has both figures."""
    with pytest.raises(OverBudgetError, match=r"what must be kept has 20 tokens; the budget is 15") as caught:
        kept("tail", 15, keep_last=2)
    assert isinstance(caught.value, MessagesTooLongError)
    assert (caught.value.needed_tokens, caught.value.budget_tokens) == (20, 15)


def test_partial() -> None:
    """agentfit: "or partial": the least there can be comes back, over the budget, and says that it was truncated."""
    fitted = fit_messages(CHAT, budget_tokens=15, token_counts=COUNTS, keep_last=2, partial=True)
    assert fitted.kept_places == (6, 7)
    assert fitted.after_tokens == 20
    assert fitted.truncated
    assert not fitted.fits


def test_at_least_one_message() -> None:
    """A result is never empty: where not even one message fits, that is an error, or partial returns one."""
    messages, counts = [system("rules"), *CHAT], [1, *COUNTS]
    for strategy in ("tail", "slide"):
        with pytest.raises(MessagesTooLongError, match=r"11 tokens; the budget is 5"):
            fit_messages(messages, budget_tokens=5, token_counts=counts, strategy=strategy)
        fitted = fit_messages(messages, budget_tokens=5, token_counts=counts, strategy=strategy, partial=True)
        assert fitted.kept_places in ((0, 8), (0, 1))


def test_the_least_of_a_window_is_its_newest_message() -> None:
    """A window's least is the newest message, even where an older one would fit."""
    with pytest.raises(MessagesTooLongError, match=r"90 tokens; the budget is 50"):
        fit_messages(CHAT[:3], budget_tokens=50, token_counts=[10, 10, 90], strategy="slide")


def test_the_least_is_not_a_system_message() -> None:
    """System messages that may go make room for a message of the conversation, because the API needs one."""
    messages = [system("rules"), user("q1"), assistant("a2")]
    fitted = fit_messages(messages, budget_tokens=50, token_counts=[45, 10, 50], strategy="head", keep_system=False)
    assert fitted.kept_places == (1,)
    opened = [system("short"), *messages]
    fitted = fit_messages(opened, budget_tokens=51, token_counts=[5, 46, 20, 50], strategy="head", keep_system=False)
    assert fitted.kept_places == (0, 2)  # the room that is left is used


def test_content_blocks() -> None:
    """agentfit: "Beyond: content blocks" are measured as the API sees them: a picture is not its base64."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}}
    messages = [{"role": "user", "content": [picture, {"type": "text", "text": "x" * 400}]}, assistant("y" * 40)]
    fitted = fit_messages(messages, budget_tokens=10_000)
    assert fitted.before_tokens == 1_600 + 100 + 10
    assert fitted.messages == messages


def test_blocks_of_the_sdk() -> None:
    """An answer's content goes back into the conversation as the SDK's own objects, and is understood as it is."""
    call = anthropic.types.ToolUseBlock(type="tool_use", id="a", name="look", input={"where": "x" * 80})
    text = anthropic.types.TextBlock(type="text", text="y" * 40)
    messages = [
        user("task"),
        {"role": "assistant", "content": [text, call]},
        results("a"),
        assistant("done"),
        user("next"),
    ]
    fitted = fit_messages(messages, budget_tokens=60, keep_first=1, keep_last=1)
    assert fitted.kept_places == (0, 1, 2, 3, 4)
    assert fitted.messages[1]["content"] == [text, call]
    as_json = {"type": "tool_use", "id": "a", "name": "look", "input": {"where": "x" * 80}}
    alike = [
        messages[0],
        {"role": "assistant", "content": [{"type": "text", "text": "y" * 40}, as_json]},
        *messages[2:],
    ]
    assert fitted.before_tokens == fit_messages(alike, budget_tokens=999).before_tokens
    assert fit_messages(messages, budget_tokens=20, keep_first=1, keep_last=1).kept_places == (0, 3, 4)


def test_tool_pairs() -> None:
    """agentfit: "tool_use/tool_result pairs kept together" with everything between them, parallel calls included."""
    messages = [
        user("task"),
        calls("a", "b"),
        results("a"),
        user("by the way"),
        results("b"),
        user("more"),
        user("end"),
    ]
    counts = [10] * 7
    assert fit_messages(messages, budget_tokens=69, token_counts=counts).kept_places == (0, 5, 6)
    assert fit_messages(messages, budget_tokens=69, token_counts=counts, strategy="slide").kept_places == (5, 6)
    priorities = [0, 0, 0, 0, 9, 0, 0]
    fitted = fit_messages(messages, budget_tokens=50, token_counts=counts, strategy="priority", priorities=priorities)
    assert fitted.kept_places == (0, 1, 2, 3, 4)


def test_calls_of_a_turn_in_two_messages() -> None:
    """Calls in two assistant messages of one turn are answered together, whatever stands between the results."""
    messages = [user("task"), calls("a"), calls("b"), results("a"), system("rules"), results("b"), user("end")]
    fitted = fit_messages(messages, budget_tokens=69, token_counts=[10] * 7, keep_system=False)
    assert fitted.kept_places == (0, 6)
    assert fit_messages(messages, budget_tokens=70, token_counts=[10] * 7).messages == messages


def test_calls_that_wait() -> None:
    """Calls that nobody has answered yet, at the end, are kept together with nothing."""
    messages = [*LOOP, calls("d", "e")]
    assert fit_messages(messages, budget_tokens=20, token_counts=[10] * 8).kept_places == (0, 7)


def test_assistants_in_a_row() -> None:
    """Consecutive assistant messages are one turn for the API and go together, a system message between them too."""
    messages = [user("q0"), user("q1"), assistant("a2"), system("rules"), calls("a"), results("a"), user("q6")]
    fitted = fit_messages(messages, budget_tokens=30, token_counts=[10] * 7, keep_system=False)
    assert fitted.kept_places == (0, 1, 6)


def test_cached_prefix() -> None:
    """agentfit: "and **never cutting inside the cached prefix**": all up to the last marker stays, the same bytes."""
    messages = [user("q0"), marked(assistant("a1")), user("q2"), marked(user("q3")), *CHAT[4:]]
    for strategy in ("tail", "head", "middle", "slide", "drop-oldest", "drop-middle"):
        fitted = fit_messages(messages, budget_tokens=55, token_counts=COUNTS, strategy=strategy)
        assert fitted.kept_places[:4] == (0, 1, 2, 3)
        assert json.dumps(fitted.messages[:4]) == json.dumps(messages[:4])
        assert len(fitted.kept_places) == 5
    priorities = [0, 0, 0, 0, 9, 9, 9, 9]
    fitted = fit_messages(messages, budget_tokens=55, token_counts=COUNTS, strategy="priority", priorities=priorities)
    assert fitted.kept_places == (0, 1, 2, 3, 7)


def test_cached_prefix_that_does_not_fit() -> None:
    """A cached prefix over the budget is an error, or with partial all there is."""
    messages = [user("q0"), assistant("a1"), marked(user("q2")), assistant("a3")]
    counts = [10, 10, 10, 10]
    with pytest.raises(MessagesTooLongError, match=r"30 tokens; the budget is 29"):
        fit_messages(messages, budget_tokens=29, token_counts=counts)
    fitted = fit_messages(messages, budget_tokens=29, token_counts=counts, partial=True)
    assert fitted.messages == messages[:3]


def test_prefix_that_ends_in_a_call() -> None:
    """A marker on a tool call keeps its result too."""
    last_call = calls("b")
    last_call["content"][0]["cache_control"] = MARKER
    messages = [*LOOP[:3], last_call, *LOOP[4:]]
    fitted = fit_messages(messages, budget_tokens=50, token_counts=LOOP_COUNTS, strategy="head")
    assert fitted.kept_places == (0, 1, 2, 3, 4)


def test_request_takes_room() -> None:
    """The request's tools and system prompt are always sent, so they count; automatic caching keeps nothing."""
    request = {
        "system": "s" * 400,
        "tools": [{"name": "t", "description": "", "input_schema": {}}],  # 47 bytes of JSON: with the system 447 // 4
        "cache_control": MARKER,
        "messages": "not looked at",
    }
    fitted = fit_messages(CHAT, budget_tokens=111 + 20, token_counts=COUNTS, request=request)
    assert fitted.kept_places == (6, 7)
    assert (fitted.before_tokens, fitted.after_tokens) == (111 + 110, 111 + 20)
    with pytest.raises(MessagesTooLongError, match=r"121 tokens; the budget is 111"):
        fit_messages(CHAT, budget_tokens=111, token_counts=COUNTS, request=request, keep_last=1)
    blocks = {"system": [{"type": "text", "text": "s" * 40, "cache_control": MARKER}]}
    assert fit_messages(CHAT, budget_tokens=999, token_counts=COUNTS, request=blocks).before_tokens == 120


def test_result_is_a_copy() -> None:
    """Whatever is done to a result, the messages given stay as they were."""
    messages = [marked(user("q0")), assistant("a1"), marked(user("q2"))]
    before = json.dumps(messages)
    fitted = fit_messages(messages, budget_tokens=99)
    fitted.messages[0]["content"][0]["cache_control"]["ttl"] = "1h"
    fitted.messages[2]["content"].append({"type": "text", "text": "more"})
    fitted.messages.append(user("next"))
    assert json.dumps(messages) == before


def test_messages_of_the_applications_own_type() -> None:
    """Messages typed as the SDK's come back as the SDK's, and go into its call without a cast."""
    chat: list[anthropic.types.MessageParam] = [{"role": "user", "content": "q0"}, {"role": "user", "content": "q1"}]
    fitted: list[anthropic.types.MessageParam] = fit_messages(chat, budget_tokens=1).messages
    assert fitted == [user("q1")]


def test_result_shows_no_prompt() -> None:
    """A result that is logged shows its figures and no prompt."""
    fitted = fit_messages([user("a secret"), user("another secret")], budget_tokens=3)
    assert fitted.truncated
    assert "secret" not in repr(fitted)


def test_ten_thousand_messages() -> None:
    """A very long conversation is fitted in a time that grows with its length, not with its square."""
    messages = [user("task"), *(part for at in range(5_000) for part in (calls(str(at)), results(str(at))))]
    fitted = fit_messages(messages, budget_tokens=1_001, token_counts=[1] * 10_001, strategy="tail")
    assert fitted.kept_places == (0, *range(9_001, 10_001))
