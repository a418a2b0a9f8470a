"""References: one prefix of one bucket, text blocks only, resolved in place, each use counted."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.values.references import find_references, is_allowed, resolve_references
from tests.documents import FIVE_MINUTES, PROSE, read, read_request, short_document, text, user, valid
from tests.reference_cases import REFERENCES

if TYPE_CHECKING:
    from tests.document_cases import Case

HANDBOOK = {"prompts/handbook.md": "The handbook.", "prompts/a b/ä.md": "Umlauts."}


def refers(key: str = "prompts/handbook.md", **further: object) -> dict[str, object]:
    """Make a text block that refers to an object."""
    return {"type": "text", "text_from": key, **further}


@pytest.mark.parametrize("case", REFERENCES.values(), ids=REFERENCES)
def test_a_reference_that_is_not_allowed_or_missing_is_an_error_of_its_target(case: Case) -> None:
    """Each document is no target and has just the problem written beside it."""
    reading = read(case.document, case.texts)
    assert reading.target is None
    assert [(found.code, found.path, found.message) for found in reading.errors] == [
        (case.code, case.path, case.message)
    ]


@pytest.mark.parametrize(
    "key",
    ["prompts/a", "prompts/a b/c.md", "prompts/..a/b..", "prompts/ä.md", "prompts/a%2e%2e", "prompts/" + "a" * 1016],
)
def test_any_plain_key_under_the_prefix_is_allowed(key: str) -> None:
    """Blanks, dots inside a name, other scripts and the longest key S3 has are fine."""
    assert is_allowed(key, "prompts/")


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.text(max_size=40), st.sampled_from(["", "prompts/", "prompts/a/", "/prompts/", "prompts"]))
def test_an_allowed_key_never_leaves_the_prefix(tail: str, head: str) -> None:
    """Whatever is allowed stays below the prefix when a file system or a URL normalises it."""
    key = head + tail
    if is_allowed(key, "prompts/"):
        parts = PurePosixPath(key).parts
        assert parts[0] == "prompts"
        assert len(parts) >= 2
        assert ".." not in parts
        assert "\\" not in key
        assert "/".join(parts) == key


def test_the_prefix_itself_is_the_operators_own() -> None:
    """Only what follows it is looked at, so that a prefix such as ./ does not refuse every reference."""
    assert is_allowed("./prompts/a.md", "./prompts/")
    assert not is_allowed("./prompts/../a.md", "./prompts/")


def test_a_reference_is_replaced_in_place_and_in_key_order() -> None:
    """The text stands where text_from stood, before the marker, as if it had been pasted."""
    body = valid(read_request({"system": [refers(cache_control=FIVE_MINUTES)]}, HANDBOOK)).body
    assert body == {"system": [{"type": "text", "text": "The handbook.", "cache_control": FIVE_MINUTES}]}
    assert list(body["system"][0]) == ["type", "text", "cache_control"]


def test_null_beside_a_reference_says_nothing() -> None:
    """A null text beside a reference, or a null reference beside a text, leaves one text and nothing else."""
    blocks = [refers(text=None), {"text": None, **refers()}, text(PROSE, text_from=None)]
    assert valid(read_request({"system": blocks, "tools": []}, HANDBOOK)).body["system"] == [
        text("The handbook."),
        text("The handbook."),
        text(PROSE, cache_control=FIVE_MINUTES),
    ]


def test_references_stand_in_both_forms_and_inside_blocks() -> None:
    """System prompts, messages, tool results and documents of blocks may all refer."""
    result = {"type": "tool_result", "tool_use_id": "a", "content": [refers(), text("and")]}
    pages = {"type": "document", "source": {"type": "content", "content": [refers("prompts/a b/ä.md")]}}
    document = short_document(system_prompt=[refers()], seed_messages=[user(result, pages)])
    body = valid(read(document, HANDBOOK)).body
    assert body["system"] == [text("The handbook.", cache_control=FIVE_MINUTES)]
    assert body["messages"][0]["content"][0]["content"] == [text("The handbook."), text("and")]
    assert body["messages"][0]["content"][1]["source"] == {"type": "content", "content": [text("Umlauts.")]}


def test_references_are_listed_once_in_order_of_first_use() -> None:
    """What has to be fetched is each key once, and nothing of a document that is not an object."""
    document = {
        "seed_messages": [user(refers("prompts/c"))],
        "system_prompt": [refers("prompts/b"), refers("prompts/b")],
        "request": {"system": [refers("prompts/a")], "messages": [user(refers("prompts/b"), {"text_from": 7})]},
    }
    assert find_references(document) == ("prompts/a", "prompts/b", "prompts/c")
    assert find_references([document]) == ()
    assert find_references({"request": [], "system_prompt": "prompts/a", "seed_messages": {"content": 5}}) == ()


def test_64_objects_may_be_referred_to() -> None:
    """The bound is on what comes after the sixty-fourth."""
    texts = {f"prompts/{number}": PROSE for number in range(64)}
    assert len(valid(read_request({"system": [refers(key) for key in texts]}, texts)).body["system"]) == 64


def test_each_use_of_an_object_counts_toward_the_size() -> None:
    """An object is counted once by whoever read it; every further use is sent too and adds its bytes."""
    blocks = [refers("prompts/a b/ä.md"), refers("prompts/a b/ä.md"), refers("prompts/a b/ä.md"), refers()]
    assert valid(read_request({"system": blocks}, HANDBOOK)).summary.size_bytes == 116  # 100 and two more of 8 bytes


def test_what_is_no_block_is_left_alone() -> None:
    """Resolving touches lists and objects that hold blocks; a bare string stays what it is."""
    assert resolve_references("prompts/handbook.md", HANDBOOK) == "prompts/handbook.md"
    assert resolve_references([{"role": "user", "content": "text_from"}], {}) == [
        {"role": "user", "content": "text_from"}
    ]
