"""Bad arguments of warmers and schedules: each is an error that names the argument, and nothing is done."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer import (
    ArgumentError,
    AsyncCacheWarmer,
    AsyncWarmSchedule,
    CacheWarmer,
    PrefixWarning,
    WarmSchedule,
)
from tests.fakes import EPOCH, MODEL
from tests.library import LONG_SYSTEM_PROMPT, Bench, MemoryTransport, answered, async_warmer

if TYPE_CHECKING:
    from collections.abc import Callable


class Recorded:
    """An object with the client's shape that is none of the SDK's."""

    def __init__(self) -> None:
        self.messages = self

    def create(self, **request: Any) -> dict[str, Any]:
        """Answer a request."""
        return answered(written=len(request["system"]))


async def coroutine_function(request: dict[str, Any]) -> object:
    """Answer a request, asynchronously."""
    return request


class AsyncCallable:
    """An asynchronous callable object."""

    async def __call__(self, request: dict[str, Any]) -> object:
        """Answer a request."""
        return request


def made(**changes: Any) -> CacheWarmer:
    """Make a warmer, with some arguments changed; None leaves one out."""
    arguments = {"client": MemoryTransport(), "model": MODEL, **changes}
    return CacheWarmer(**{name: value for name, value in arguments.items() if value is not None})


def added(**changes: Any) -> str:
    """Add a target, with some arguments changed; None leaves one out."""
    arguments = {"system_prompt": LONG_SYSTEM_PROMPT, **changes}
    return made().add(**{name: value for name, value in arguments.items() if value is not None})


def scheduled(**changes: Any) -> WarmSchedule:
    """Make a schedule."""
    return WarmSchedule(**{"warmer": Bench().warmer, **changes})


MAKE = "making a warmer"
ADD = "adding a target"
SCHEDULE = "making a schedule"
CASES: list[tuple[Callable[..., object], dict[str, Any], type[Exception], str]] = [
    # wrong client
    (
        made,
        {"client": 7},
        TypeError,
        "client: a value of type int is not a client; allowed: a client of",
    ),
    (made, {"client": "sk-ant-key"}, TypeError, "client: a value of type str is not a client"),
    (made, {"client": MemoryTransport}, TypeError, "client: the class MemoryTransport is not a client"),
    (made, {"client": coroutine_function}, TypeError, "is asynchronous; use AsyncCacheWarmer for it"),
    (made, {"client": partial(coroutine_function)}, TypeError, "is asynchronous; use AsyncCacheWarmer for it"),
    (made, {"client": AsyncCallable()}, TypeError, "client: a value of type AsyncCallable is asynchronous; use Async"),
    # no model, and what is none
    (made, {"model": None}, ValueError, "model: is missing; pass model='claude-sonnet-4-6', or models="),
    (made, {"models": [MODEL]}, ValueError, "models: stands beside model; pass one of them"),
    (made, {"model": None, "models": []}, ValueError, "models: 0 models are not allowed; allowed: 1 to 16"),
    (made, {"model": None, "models": MODEL}, TypeError, "models: 'claude-sonnet-4-6' is not a list; pass model="),
    (made, {"model": None, "models": [MODEL, MODEL]}, ValueError, "models[1]: 'claude-sonnet-4-6' is named twice"),
    (made, {"model": None, "models": [MODEL] * 17}, ValueError, "models: 17 models are not allowed"),
    (made, {"model": 46}, TypeError, "model: a value of type int is not a model id"),
    (made, {"model": "claude sonnet"}, ValueError, "model: 'claude sonnet' is not allowed; allowed: a model id"),
    # numbers
    (made, {"max_tokens": -1}, ValueError, "max_tokens: -1 is not allowed; allowed: 0 to 100,000"),
    (made, {"max_tokens": 1.0}, TypeError, "max_tokens: a value of type float is not a whole number"),
    (made, {"max_tokens": True}, TypeError, "max_tokens: a value of type bool is not a whole number"),
    (made, {"request_timeout_seconds": 0}, ValueError, "request_timeout_seconds: 0 is not allowed; allowed: more than"),
    (
        made,
        {"request_timeout_seconds": "60"},
        TypeError,
        "request_timeout_seconds: a value of type str is not",
    ),
    (made, {"request_timeout_seconds": float("nan")}, ValueError, "request_timeout_seconds: nan is not allowed"),
    (made, {"max_usd_per_day": 1.5}, TypeError, "max_usd_per_day: 1.5 is not a Decimal"),
    (made, {"max_usd_per_day": "-1"}, ValueError, "max_usd_per_day: -1 is not allowed"),
    (made, {"prices": {MODEL: 3}}, TypeError, "prices['claude-sonnet-4-6']: 3 is not a ModelPrices"),
    (made, {"prices": [MODEL]}, TypeError, "prices: a list of 1 is not a mapping"),
    (made, {"credential": "My Key"}, ValueError, "credential: 'My Key' is not allowed; allowed: 1 to 64 of a-z"),
    (made, {"credential": 7}, TypeError, "credential: a value of type int is not a name"),
    (made, {"request_timeout_seconds": 121}, ValueError, "request_timeout_seconds: 121 is not allowed"),
    (made, {"state_table": 7}, TypeError, "state_table: 7 is not the name of a table"),
    # no prompt, and what is none
    (added, {"system_prompt": None}, ValueError, "system_prompt: is missing; pass system_prompt, tools, seed_messages"),
    (added, {"system_prompt": 7}, TypeError, "system_prompt: system_prompt=a number must be text or a list of blocks"),
    (added, {"system_prompt": ""}, ValueError, "system_prompt: the text is blank; the API refuses blank text"),
    (added, {"system_prompt": b"bytes"}, TypeError, "system_prompt: a value of type bytes is not JSON"),
    (added, {"system_prompt": [{"type": "image"}]}, ValueError, "system_prompt[0].type: type='image' is not allowed"),
    (added, {"request": {"system": "x"}}, ValueError, "system_prompt: system_prompt stands beside request"),
    (added, {"system_prompt": None, "request": {}}, ValueError, "there is nothing to cache"),
    (added, {"system_prompt": None, "request": "x"}, TypeError, "request: request="),
    (added, {"system_prompt": None, "request": {"extra_body": 7}}, TypeError, "request.extra_body: 7 is not a mapping"),
    (added, {"tools": [{"name": "t", "cache_control": {"ttl": "2h"}}]}, ValueError, "tools[0].cache_control.ttl"),
    (
        added,
        {"tools": [{"name": "t", "input_schema": {1, 2}}]},
        TypeError,
        "tools[0].input_schema: a value of type set is",
    ),
    (added, {"seed_messages": [{"role": "robot", "content": "x"}]}, ValueError, "seed_messages[0].role: role="),
    (added, {"system_prompt": "x" * 9_000_000}, ValueError, "request: 9,000,0"),
    (added, {"name": "Support Agent"}, ValueError, "name: name='Support Agent' is not allowed; allowed: 1 to 64 of"),
    (added, {"name": 7}, TypeError, "name: a value of type int is not a name"),
    (added, {"expected_requests": 0}, ValueError, "expected_requests: 0 is not allowed; allowed: 1 to 1,000,000,000"),
    # schedules
    (scheduled, {"interval_seconds": -1}, ValueError, "interval_seconds: -1 is not allowed; allowed: more than 0.01"),
    (scheduled, {"interval_seconds": 0}, ValueError, "interval_seconds: 0 is not allowed"),
    (scheduled, {"interval_seconds": 86_401}, ValueError, "interval_seconds: 86401 is not allowed"),
    (
        scheduled,
        {"interval_seconds": "240"},
        TypeError,
        "interval_seconds: a value of type str is not",
    ),
    (scheduled, {"warmer": 7}, TypeError, "warmer: a value of type int is no CacheWarmer"),
    (
        scheduled,
        {"warmer": async_warmer(MemoryTransport())},
        TypeError,
        "warmer: a value of type AsyncCacheWarmer is no CacheWarmer; use AsyncWarmSchedule for it",
    ),
    (scheduled, {"interval_seconds": 1e-7}, ValueError, "interval_seconds: 1e-07 is not allowed; allowed: more than"),
    (scheduled, {"on_error": coroutine_function}, TypeError, "on_error: is a coroutine function, which nobody would"),
    (scheduled, {"on_result": AsyncCallable()}, TypeError, "on_result: is a coroutine function"),
    (scheduled, {"on_result": 7}, TypeError, "on_result: a value of type int cannot be called"),
    (scheduled, {"on_error": "log"}, TypeError, "on_error: a value of type str cannot be called"),
]


@pytest.mark.parametrize(
    ("make", "arguments", "kind", "message"), CASES, ids=[f"{make.__name__} {said}"[:60] for make, *_, said in CASES]
)
def test_a_bad_argument_is_named(
    make: Callable[..., object], arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """With its value and what is allowed, as one of ours and as Python's own.

    prompt-cache-warmer: "own client or a callable transport, anything else `TypeError`"
    """
    with pytest.raises(ArgumentError) as raised:
        make(**arguments)
    assert isinstance(raised.value, kind)
    assert message in str(raised.value)
    assert str(raised.value).startswith(f"{raised.value.argument}: ")


def test_all_problems_of_a_prompt_are_counted() -> None:
    """The first is told in full, the others by their places."""
    blank = {"type": "text", "text": " "}
    with pytest.raises(ValueError, match=r"system_prompt\[0\]: the text is blank.*and 2 more problems: system_prompt"):
        added(system_prompt=[blank, blank, blank])


def test_no_prompt_is_quoted() -> None:
    """Whatever is wrong with it."""
    for prompt in ([{"type": "text", "text": "SECRET", "cache_control": {"ttl": "SECRET"}}], [["SECRET"]], {"SECRET"}):
        with pytest.raises(ArgumentError) as raised:
            added(system_prompt=prompt)
        assert "SECRET" not in str(raised.value)


def test_an_asynchronous_warmer_refuses_what_is_known_to_be_synchronous() -> None:
    """Of plain callables only their answer shows it."""
    with pytest.raises(TypeError, match="warmer: a value of type CacheWarmer is no AsyncCacheWarmer; use WarmSchedule"):
        AsyncWarmSchedule(warmer=Bench().warmer)  # type: ignore[arg-type] # the wrong one
    with pytest.raises(TypeError, match=r"warmer: a value of type int is no AsyncCacheWarmer$"):
        AsyncWarmSchedule(warmer=7)  # type: ignore[arg-type] # the wrong one
    with pytest.raises(TypeError, match="client: a value of type int is not a client"):
        AsyncCacheWarmer(client=7, model=MODEL)  # type: ignore[arg-type] # none at all


def test_an_object_of_the_clients_shape_is_a_client() -> None:
    """Instrumented clients wrap the SDK's, and fakes have no more than ``messages.create``."""
    warmer = CacheWarmer(client=Recorded(), model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().cache_creation_tokens == 1


def test_there_is_nothing_to_warm_without_a_target() -> None:
    """Neither now nor at an interval."""
    with pytest.raises(ValueError, match="add: there is no target to warm; add one first"):
        made().warm()
    with pytest.raises(ValueError, match=r"warmer: it has no target; call its add\(\) first"):
        WarmSchedule(warmer=made()).start()


async def test_there_is_nothing_to_warm_asynchronously_without_a_target() -> None:
    """The same error where the same call is awaited."""
    warmer = AsyncCacheWarmer(client=coroutine_function, model=MODEL)
    with pytest.raises(ValueError, match=r"warmer: it has no target; call its add\(\) first"):
        await AsyncWarmSchedule(warmer=warmer).start()


def test_a_name_is_one_targets_only() -> None:
    """A prefix that nobody named is known by its fingerprint, so adding it twice is adding it once."""
    warmer = made()
    assert warmer.add(system_prompt=LONG_SYSTEM_PROMPT, name="support") == "support"
    with pytest.raises(ValueError, match="name: 'support' is taken by another target of this warmer"):
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT, name="support")
    unnamed = {warmer.add(system_prompt=f"Once more. {LONG_SYSTEM_PROMPT}") for _ in range(2)}
    assert warmer.targets == ("support", *unnamed)
    assert unnamed == {"prefix-5952cf0b76b1acc0"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "suport"}, "name: there is no target 'suport'; did you mean 'support'"),
        ({"model": "claude-haiku-4-5"}, "model: 'claude-haiku-4-5' is not one of claude-sonnet-4-6"),
        ({"at": datetime(2026, 11, 22, 12)}, "at: 2026-11-22 12:00:00 has no time zone"),  # noqa: DTZ001 - that is the case
        ({"at": EPOCH + timedelta(minutes=2)}, "at: 2026-11-22 12:02:00+00:00 is in the future; allowed: up to now"),
        ({"at": "2026-11-22"}, "at: a value of type str is not a datetime"),
        ({"name": ["support"]}, "name: a value of type list is not a name"),
    ],
)
def test_a_touch_of_nothing_is_an_error(arguments: dict[str, Any], message: str) -> None:
    """What is not there cannot have been used."""
    with pytest.raises(ArgumentError) as raised:
        Bench().warmer.touch(**arguments)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (
            "Be kind. " * 1_500,
            r"system_prompt: about 3,375 tokens .*; under 5,000 it is hardly worth warming",
        ),
        (f"{LONG_SYSTEM_PROMPT} It is 2026-11-22T12:00:00Z.", r"system_prompt: .*a time stamp"),
        (f"{LONG_SYSTEM_PROMPT} You are 2f1d4f0e-9c1b-4a57-8a8e-0d6a3c5b7e91.", r"system_prompt: .*a uuid"),
    ],
)
def test_advice_is_given_when_a_target_is_added(prompt: str, message: str) -> None:
    """As a warning at the caller's own line; the whole of it can be read off the warmer.

    The article: "Its advice is ours to give at load time: not worth it under about 5,000 tokens; not for prompts that
    change per user or request (a timestamp or uuid in the prefix is the sign)."
    """
    warmer = made()
    with pytest.warns(PrefixWarning, match=message) as warned:
        warmer.add(system_prompt=prompt)
    assert [one.filename for one in warned] == [__file__]
    assert {"marker-added"} < {problem.code.value for problem in warmer.advice}


def test_what_of_a_request_is_not_sent_is_said() -> None:
    """A gateway's own headers belong on the client."""
    warmer = made()
    marked = [{"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}]
    request = {"system": marked, "extra_headers": {"x-tenant": "blue"}, "extra_query": {"trace": "1"}}
    with pytest.warns(PrefixWarning) as warned:
        warmer.add(request=request)
    assert [str(one.message) for one in warned] == [
        "request.extra_headers['x-tenant'] is not sent with warm calls; set it on the client if they need it",
        "request.extra_query is not sent with warm calls; set it on the client if they need it",
    ]


def test_where_a_warning_is_an_error_nothing_is_added() -> None:
    """So that it can be tried again."""
    warmer = made()
    with pytest.raises(PrefixWarning):  # the tests take every warning for an error
        warmer.add(system_prompt="Be kind. " * 1_500, name="support")
    assert warmer.targets == ()


def test_a_good_prefix_is_added_without_a_word() -> None:
    """That a marker is put where there was none is in the advice, and no warning."""
    warmer = made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert [problem.code.value for problem in warmer.advice] == ["marker-added"]
