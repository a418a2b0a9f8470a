"""One key for one cached prefix: what changes it, what does not, and that every process computes the same."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.errors import ArgumentError
from prompt_cache_warmer.library.prompts import cache_key
from prompt_cache_warmer.library.prompts.cache_key import KEY_PREFIX, compute_cache_key
from tests.canaries import CANARY
from tests.documents import (
    FIVE_MINUTES,
    ONE_HOUR,
    PROSE,
    Json,
    assistant,
    json_values,
    read_request,
    text,
    tool,
    user,
    valid,
)

MODEL = "claude-opus-4-8"
BASE: Json = {
    "model": MODEL,
    "tools": [tool("a"), tool("b")],
    "system": [text("You are kind."), text("Be brief.", cache_control=FIVE_MINUTES)],
    "messages": [user(text("Hello."))],
}
# The sha256sum of nothing: a tier without blocks.
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
# printf '["",{"text":"a","type":"text"}]' | sha256sum: system=22ec...; printf '{"betas":[],"effort":null}' | sha256sum:
# settings=1c66...; printf "$nothing\n$system\n$nothing\n$settings" | sha256sum
KEY_OF_A = "anthropic-cache:claude-opus-4-8:sha256:f73476a2df9ab980a8e23631d05a1a4fddc3e078620d7319a4d8a4736ce14862"
# The same with the keys as they stand: ["",{"type":"text","text":"a"}] and {"effort":null,"betas":[]}.
STRICT_KEY_OF_A = (
    "anthropic-cache:claude-opus-4-8:sha256:7dd6820cfda959fe2e9d9ad31ce7228a41371becf8a6b1ea5f5f2a17f183a345"
)
# printf '["f734...", {"workspace": "wrkspc_1", "region": "us-east-1"}]' | sha256sum
PLACED_KEY_OF_A = (
    "anthropic-cache:claude-opus-4-8:sha256:33c060b29797dbe35aa444f759b1e5da6832b2e643bd087b122e9f337914357d"
)


def reordered(value: Any) -> Any:
    """Turn round the keys of every object, at every depth."""
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


def both(request: Json) -> tuple[str, str]:
    """Compute a request's key in the default mode and in the strict one."""
    return compute_cache_key(request), compute_cache_key(request, strict=True)


def test_a_key_is_the_same_for_ever() -> None:
    """prompt-cache-key: "`anthropic-cache:{model}:sha256:{hex}` over model, tools, system", by a fixed formula."""
    assert KEY_PREFIX == "anthropic-cache"
    assert compute_cache_key(model=MODEL, system="a") == KEY_OF_A
    assert compute_cache_key(model=MODEL, system="a", strict=True) == STRICT_KEY_OF_A
    placed = compute_cache_key(model=MODEL, system="a", workspace="wrkspc_1", region="us-east-1")
    assert placed == PLACED_KEY_OF_A


@pytest.mark.parametrize(
    "change",
    [
        {"model": "claude-haiku-4-5"},
        {"tools": [tool("b"), tool("a")]},
        {"tools": [tool("a")]},
        {"tools": [tool("a"), tool("b", strict=True)]},
        {"system": [text("You are kind."), text("Be brief!", cache_control=FIVE_MINUTES)]},
        {"system": [text("You are kind.Be brief.", cache_control=FIVE_MINUTES)]},
        # The place of the last marker is where the prefix ends.
        {"system": [text("You are kind.", cache_control=FIVE_MINUTES), text("Be brief.")]},
        {"messages": [user(text("Hello.", cache_control=FIVE_MINUTES))]},
        {"betas": ["context-1m"]},
        {"extra_headers": {"Anthropic-Beta": "context-1m"}},
        {"extra_body": {"thinking": {"type": "adaptive"}}},
        {"speed": "fast"},
        {"inference_geo": "eu"},
    ],
)
def test_another_prefix_has_another_key(change: Json) -> None:
    """prompt-cache-key: "over model, tools, system", and over whatever else chooses another cache entry."""
    before, strict_before = both(BASE)
    after, strict_after = both({**BASE, **change})
    assert after != before
    assert strict_after != strict_before


@pytest.mark.parametrize(
    "change",
    [
        {"extra_headers": {"x-trace": "1"}, "extra_query": {"a": "b"}, "timeout": 30, "extra_body": {"top_k": 3}},
        {"max_tokens": 5, "temperature": 0.5, "metadata": {"user_id": "u"}, "stream": True, "stop_sequences": ["x"]},
        {"messages": [user(text("Something else."))]},
        {"messages": None, "thinking": None, "output_config": None, "betas": None, "cache_control": None},
        {"system": [*BASE["system"], text("Today is a day.")]},
        {"tool_choice": {"type": "any"}},
        {"betas": []},
    ],
)
def test_what_stands_behind_the_prefix_is_in_no_key(change: Json) -> None:
    """Fields of one request, later blocks and nulls leave the key alone, in both modes."""
    assert both({**BASE, **change}) == both(BASE)


def test_a_marked_message_belongs_to_the_key_with_all_before_it() -> None:
    """Messages count up to the last marker among them, with how tools are chosen, which keys them too."""
    marked = {**BASE, "messages": [user(text("a")), assistant(text("b", cache_control=FIVE_MINUTES), text("c"))]}
    later = {**marked, "messages": [user(text("a")), assistant(text("b", cache_control=FIVE_MINUTES)), user(text("d"))]}
    first = {**marked, "messages": [user(text("A")), assistant(text("b", cache_control=FIVE_MINUTES))]}
    role = {**marked, "messages": [assistant(text("a")), assistant(text("b", cache_control=FIVE_MINUTES))]}
    choice = {**marked, "tool_choice": {"type": "any"}}
    assert compute_cache_key(later) == compute_cache_key(marked)
    assert len({compute_cache_key(body) for body in (BASE, marked, first, role, choice)}) == 5


PROGRAM = """
import json, sys
from prompt_cache_warmer.library.prompts.cache_key import compute_cache_key
request = json.load(sys.stdin)
print(compute_cache_key(request, workspace="w", region="r"), compute_cache_key(request, strict=True, betas=["b", "a"]))
"""


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_every_process_computes_the_same_key(seed: str) -> None:
    """prompt-cache-key: "deterministic across processes", whatever their hash seeds."""
    path = str(Path(cache_key.__file__).parents[2])
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own program
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(BASE),
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},  # noqa: TID251 - a child needs this one's
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    here = compute_cache_key(BASE, workspace="w", region="r")
    assert done.stdout.split() == [here, compute_cache_key(BASE, strict=True, betas=["a", "b"])]


def test_key_order_counts_in_strict_mode_only() -> None:
    """prompt-cache-key: "insensitive to key order, with a strict mode that is sensitive (the API is)"."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": ["x", {"c": 1, "d": 2}]}}}
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    body = {**BASE, "tools": [tool(input_schema=schema)], "thinking": thinking}
    body["tool_choice"] = {"type": "tool", "name": "search"}
    body["messages"] = [user(text("Hello.", cache_control=FIVE_MINUTES))]
    default, strict = both(body)
    for part in ("tools", "system", "messages", "thinking", "tool_choice"):
        turned = {**body, part: reordered(body[part])}
        assert compute_cache_key(turned) == default, part
        assert compute_cache_key(turned, strict=True) != strict, part
    assert both(dict(reversed(body.items()))) == (default, strict)  # the body's own fields are no part of the prompt


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), json_values(), max_size=4))
def test_the_order_of_no_objects_keys_counts_by_default(schema: Json) -> None:
    """prompt-cache-key: "insensitive to key order", at any depth; the order of a list always counts."""
    body = {"model": MODEL, "tools": [tool(input_schema=schema)]}
    assert compute_cache_key(reordered(body)) == compute_cache_key(body)
    listed = {"model": MODEL, "tools": [tool(input_schema={"enum": [schema, "last"]})]}
    turned = {"model": MODEL, "tools": [tool(input_schema={"enum": ["last", schema]})]}
    assert compute_cache_key(listed) != compute_cache_key(turned)


@pytest.mark.parametrize("strict", [False, True])
def test_ttl_and_form_of_a_text_are_in_no_key(strict: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    """prompt-cache-key: "Beyond: insensitive to ttl and to string-versus-block form"."""
    bodies: list[Json] = [
        {"system": PROSE},
        {"system": [text(PROSE)]},
        {"system": [text(PROSE, cache_control=FIVE_MINUTES)]},
        {"system": [text(PROSE, cache_control=ONE_HOUR)]},
        {"system": [text(PROSE, cache_control={"type": "ephemeral", "ttl": "5m"})]},
        {"system": [text(PROSE, cache_control=None)]},
        {"system": [text(PROSE)], "cache_control": ONE_HOUR},
        {"system": PROSE, "messages": [{"role": "user", "content": "Hello."}]},
    ]
    assert len({compute_cache_key(body, model=MODEL, strict=strict) for body in bodies}) == 1
    end = assistant(text("b", cache_control=ONE_HOUR))
    talks = [
        [{"role": "user", "content": "a"}, end],
        [user(text("a")), end],
        [user(text("a", cache_control=ONE_HOUR)), end],
    ]
    assert len({compute_cache_key(model=MODEL, messages=talk, strict=strict) for talk in talks}) == 1


def test_thinking_and_effort_are_in_the_key() -> None:
    """prompt-cache-key: "includes thinking and effort"."""
    keys = {
        compute_cache_key(model=MODEL, system=PROSE),
        compute_cache_key(model=MODEL, system=PROSE, thinking={"type": "adaptive"}),
        compute_cache_key(model=MODEL, system=PROSE, thinking={"type": "enabled", "budget_tokens": 1_024}),
        compute_cache_key(model=MODEL, system=PROSE, thinking={"type": "enabled", "budget_tokens": 2_048}),
        compute_cache_key(model=MODEL, system=PROSE, effort="low"),
        compute_cache_key(model=MODEL, system=PROSE, effort="high"),
        compute_cache_key(model=MODEL, system=PROSE, effort="high", thinking={"type": "adaptive"}),
    }
    assert len(keys) == 7


def test_where_the_cache_is_kept_can_be_in_the_key() -> None:
    """prompt-cache-key: "optional workspace and region", each for itself."""
    places: list[Json] = [
        {},
        {"workspace": "a"},
        {"workspace": "b"},
        {"region": "a"},
        {"workspace": "a", "region": "b"},
    ]
    assert len({compute_cache_key(BASE, **place) for place in places}) == 5
    assert compute_cache_key(BASE, workspace=None, region=None) == compute_cache_key(BASE)


def test_betas_are_the_same_wherever_they_stand() -> None:
    """In the request, in its header, or beside it."""
    request = {field: value for field, value in BASE.items() if field != "betas"}
    header = {"extra_headers": {"anthropic-beta": "b-2, a-1"}}
    keys = {
        compute_cache_key({**request, "betas": ["a-1", "b-2"]}),
        compute_cache_key({**request, **header}),
        compute_cache_key(request, betas=["a-1", "b-2"]),
    }
    assert len(keys) == 1


def test_the_parts_and_the_whole_request_have_the_same_key() -> None:
    """Whether a caller passes the request or what it is made of is no difference."""
    whole = {
        **BASE,
        "messages": [user(text("a", cache_control=ONE_HOUR))],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "betas": ["b", "a"],
    }
    before = copy.deepcopy(whole)
    parts = {field: whole[field] for field in ("model", "tools", "system", "messages", "thinking")}
    for strict in (False, True):
        key = compute_cache_key(whole, strict=strict)
        assert compute_cache_key(**parts, effort="high", betas=["a", "b", "a"], strict=strict) == key
        unnamed = {field: value for field, value in whole.items() if field not in ("model", "betas")}
        assert compute_cache_key(unnamed, model=MODEL, betas=("b", "a"), strict=strict) == key
        assert compute_cache_key(whole, model=MODEL, strict=strict) == key
    assert whole == before


def test_a_strict_key_is_the_engines_own_fingerprint() -> None:
    """The Lambda keeps state under the same hash, so a key and a target can be compared."""
    request = {
        "tools": [tool()],
        "system": [text(PROSE, cache_control=ONE_HOUR)],
        "thinking": {"type": "adaptive"},
        "betas": ["b"],
    }
    target = valid(read_request(request))
    assert compute_cache_key(request, model=MODEL, strict=True) == (
        f"anthropic-cache:{MODEL}:sha256:{target.summary.prefix_digest}"
    )
    assert target.summary.fingerprint.combined == target.summary.prefix_digest


def test_without_a_marker_the_key_is_of_what_a_warm_call_marks() -> None:
    """All tools and all of the system prompt, without the messages; a marker there changes nothing."""
    unmarked = {**BASE, "system": [text("You are kind."), text("Be brief.")]}
    assert both(unmarked) == both(BASE)
    tools_only = {"model": MODEL, "tools": BASE["tools"], "messages": BASE["messages"]}
    marked = {**tools_only, "tools": [tool("a"), tool("b", cache_control=ONE_HOUR)], "system": "Behind the marker."}
    assert both(tools_only) == both(marked)


def test_a_model_id_may_hold_colons() -> None:
    """Bedrock's do; the hash is what stands behind the last colon."""
    model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
    key = compute_cache_key(model=model, system="a")
    assert key.rsplit(":", 2)[0] == f"anthropic-cache:{model}"
    assert key.rsplit(":", 1)[1] == KEY_OF_A.rsplit(":", 1)[1]


class Word(str, Enum):  # noqa: UP042 - the older kind, whose text is not its value, is what is tested
    """Words as an application may keep them; not a StrEnum, whose text is its value anyway."""

    MODEL = "claude-opus-4-8"
    EFFORT = "high"
    TEXT = "a"


def test_an_enumerations_member_is_the_word_it_stands_for() -> None:
    """A model, an effort and a text from an enumeration give the key of the plain word."""
    named_by_enum = compute_cache_key(model=Word.MODEL, system=Word.TEXT, effort=Word.EFFORT, region=Word.TEXT)
    assert named_by_enum == compute_cache_key(model=MODEL, system="a", effort="high", region="a")


NO_PREFIX = "request: there is nothing to cache: no marked message, no system prompt and no tool"
ALLOWED = "is not JSON; allowed: text, numbers, true, false, None, lists, mappings and the SDK's objects"
PROMPT = {"model": MODEL, "system": "a"}


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            {"system": "a"},
            ValueError,
            "model: is missing; each model has a cache of its own: give model, or request.model",
        ),
        (
            {"request": {"system": "a"}},
            ValueError,
            "model: is missing; each model has a cache of its own: give model, or request.model",
        ),
        ({"system": "a", "model": ""}, ValueError, "model: is blank; leave it out, or give its name"),
        ({"system": "a", "model": 5}, TypeError, "model: a value of type int is not text"),
        (
            {"system": "a", "model": "claude opus"},
            ValueError,
            "model: a name of 11 characters is not a model id: 1 to 128 printable ASCII characters without blanks",
        ),
        (
            {"system": "a", "model": "claude\n"},
            ValueError,
            "model: a name of 7 characters is not a model id: 1 to 128 printable ASCII characters without blanks",
        ),
        (
            {"system": "a", "model": "clé"},
            ValueError,
            "model: 'clé' is not a model id: 1 to 128 printable ASCII characters without blanks",
        ),
        (
            {"request": PROMPT, "model": "other"},
            ValueError,
            "model: 'other' is not the request's own 'claude-opus-4-8'; give one of them",
        ),
        ({"request": {**PROMPT, "model": ""}}, ValueError, "model: is blank; leave it out, or give its name"),
        ({"request": {**PROMPT, "model": 5}}, TypeError, "request.model: model=5 must be text"),
        (
            {"request": PROMPT, "system": "a"},
            ValueError,
            "system: stands beside request; give either the request or its parts",
        ),
        (
            {"request": PROMPT, "effort": "high"},
            ValueError,
            "effort: stands beside request; give either the request or its parts",
        ),
        (
            {"request": PROMPT, "messages": []},
            ValueError,
            "messages: stands beside request; give either the request or its parts",
        ),
        (
            {"request": {**PROMPT, "betas": ["a"]}, "betas": ["a"]},
            ValueError,
            "betas: stands in the request and beside it; give it once",
        ),
        (
            {"request": "a", "model": MODEL},
            TypeError,
            "request: a value of type str is not a Messages API body, such as {'system': [...]}",
        ),
        ({"model": MODEL}, ValueError, NO_PREFIX),
        ({"model": MODEL, "system": " "}, ValueError, NO_PREFIX),
        ({"model": MODEL, "system": [], "tools": []}, ValueError, NO_PREFIX),
        ({"model": MODEL, "messages": [user(text("a"))]}, ValueError, NO_PREFIX),
        (
            {"request": {"model": MODEL, "messages": [user(text("a"))], "cache_control": ONE_HOUR}},
            ValueError,
            NO_PREFIX,
        ),
        ({**PROMPT, "effort": " "}, ValueError, "effort: is blank; leave it out, or give its name"),
        ({**PROMPT, "effort": 3}, TypeError, "effort: a value of type int is not text"),
        ({**PROMPT, "workspace": ""}, ValueError, "workspace: is blank; leave it out, or give its name"),
        ({**PROMPT, "workspace": b"w"}, TypeError, "workspace: a value of type bytes is not text"),
        ({**PROMPT, "region": "\t"}, ValueError, "region: is blank; leave it out, or give its name"),
        ({**PROMPT, "region": 1}, TypeError, "region: a value of type int is not text"),
        ({**PROMPT, "strict": "yes"}, TypeError, "strict: a value of type str is not True or False"),
        ({**PROMPT, "strict": None}, TypeError, "strict: a value of type NoneType is not True or False"),
        ({**PROMPT, "betas": "context-1m"}, TypeError, "betas: betas='context-1m' must be a list"),
        ({**PROMPT, "betas": {"a"}}, TypeError, f"betas: a value of type set {ALLOWED}"),
        ({**PROMPT, "betas": ["a", 1]}, TypeError, "betas[1]: betas[1]=1 must be text"),
        (
            {**PROMPT, "betas": ["a b"]},
            ValueError,
            "betas[0]: betas[0]='a b' is not allowed; allowed: 1 to 128 of letters, digits, '.', '_' and '-'",
        ),
        ({"model": MODEL, "system": 5}, TypeError, "system: system=a number must be text or a list of blocks"),
        ({**PROMPT, "tools": "search"}, TypeError, "tools: tools=a string of 6 characters must be a list"),
        (
            {**PROMPT, "tools": [tool(input_schema={"d": object()})]},
            TypeError,
            f"tools[0].input_schema.d: a value of type object {ALLOWED}",
        ),
        ({**PROMPT, "messages": [{"content": "a"}]}, ValueError, "messages[0].role: role is missing"),
        (
            {**PROMPT, "thinking": "adaptive"},
            TypeError,
            "thinking: thinking='adaptive' must be an object",
        ),
        ({**PROMPT, "thinking": {}}, ValueError, "thinking.type: type is missing"),
        (
            {"request": {**PROMPT, "tools": [tool(cache_control={"type": "persistent"})]}},
            ValueError,
            "request.tools[0].cache_control.type: type='persistent' is not allowed; allowed: 'ephemeral'",
        ),
        (
            {"request": {**PROMPT, "metadata": {"at": object()}}},
            TypeError,
            f"request.metadata.at: a value of type object {ALLOWED}",
        ),
    ],
)
def test_a_bad_argument_is_named_with_what_is_allowed(arguments: Json, kind: type[Exception], message: str) -> None:
    """The error is ours and Python's own kind at once, and names the argument, the place in it and what is allowed."""
    with pytest.raises(ArgumentError) as caught:
        compute_cache_key(**arguments)
    assert isinstance(caught.value, kind)
    assert str(caught.value) == message


def test_no_error_quotes_a_prompt() -> None:
    """A prompt in the place of any argument is told by its size at most."""
    prose = f"You are {CANARY}, and kind."
    for argument in ("request", "model", "tools", "messages", "strict"):
        arguments: Json = {"model": MODEL, argument: prose} if argument != "model" else {"model": prose, "system": "a"}
        with pytest.raises(ArgumentError) as caught:
            compute_cache_key(**arguments)
        assert CANARY not in str(caught.value)
