"""Anything at all as a document, an event or a line of output: an answer or our own error, soon, and nothing else.

``make campaign`` runs these with ``--hypothesis-profile=campaign``, which tries a hundred times as many.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.emf import EmfError, emf_lines
from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.uploads import Watched
from prompt_cache_warmer.values.reading import Origin, read_target
from tests.fakes import document

if TYPE_CHECKING:
    from collections.abc import Iterator

CI = settings(deadline=None)  # a loaded machine is not a hang; LONGEST_SECONDS says what is one
LONGEST_SECONDS = 10.0  # the largest document takes one
WATCHED = Watched("bucket-1", "targets/", "prompts/")

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
)
GOOD = document("a", windows=[{"days": "mon-fri", "from": "07:30", "to": "19:00", "timezone": "Europe/Berlin"}])
S3_EVENT = {
    "detail-type": "Object Created",
    "source": "aws.s3",
    "id": "1",
    "time": "2026-11-22T12:00:00Z",
    "detail": {"bucket": {"name": "bucket-1"}, "object": {"key": "targets/a.json", "etag": "1", "size": 1}},
}
EVENTS: tuple[dict[str, Any], ...] = (
    {"source": "prompt-cache-warmer.schedule", "scheduled_time": "2026-11-22T12:00:00Z", "execution_id": "1"},
    {"targets": ["a"], "dry_run": True},
    {"verify": ["a"]},
    {"detail-type": "Scheduled Event", "time": "2026-11-22T12:00:00Z", "id": "1"},
    S3_EVENT,
    {"Records": [{"messageId": "1", "body": json.dumps(S3_EVENT)}]},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List every place inside a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*path, name))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a value with another one in one of its places."""
    if not path:
        return new
    if isinstance(value, dict):
        return {name: replaced(each, path[1:], new) if name == path[0] else each for name, each in value.items()}
    return [replaced(each, path[1:], new) if number == path[0] else each for number, each in enumerate(value)]


def spoilt(good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Put anything into any place of a good value."""
    return st.builds(lambda path, new: replaced(good, path, new), st.sampled_from(list(places(good))), values)


def read(content: bytes, source: str) -> None:
    """Read bytes as the service reads a target: a target or problems, whatever they are."""
    started = time.monotonic()
    try:
        value = decode(content, source)
    except DocumentError:
        pass
    else:
        reading = read_target(value, Origin(source, "1", len(content), "prompts/"), {})
        assert reading.target is not None or reading.problems
    assert time.monotonic() - started < LONGEST_SECONDS


@CI
@given(content=st.binary(max_size=200), suffix=st.sampled_from(["json", "yaml", "yml", "txt"]))
def test_any_bytes_are_a_document_or_a_problem(content: bytes, suffix: str) -> None:
    """No bytes under a target's key end a run."""
    read(content, f"targets/a.{suffix}")


@CI
@given(content=st.text("{}[]:,-&*!|>'\"\\ab1 \n\t#%@`?~<\u2028\ufeff", max_size=120))
def test_any_signs_of_the_grammars_are_a_document_or_a_problem(content: str) -> None:
    """What looks like JSON or YAML gets further into their readers than any bytes."""
    read(content.encode(), "targets/a.yaml")
    read(content.encode(), "targets/a.json")


@CI
@given(value=spoilt(GOOD))
def test_a_target_with_anything_anywhere_is_a_target_or_problems(value: object) -> None:
    """Every field may hold anything; both forms of the document are read alike."""
    read(json.dumps(value).encode(), "targets/a.json")
    read(yaml.safe_dump(value, allow_unicode=True).encode(errors="surrogatepass"), "targets/a.yaml")


@CI
@given(event=values | st.sampled_from(EVENTS).flatmap(spoilt))
def test_any_event_is_an_order_or_an_event_error(event: object) -> None:
    """Whoever may invoke the function can send anything."""
    with suppress(EventError):
        Order.from_event(event, watched=WATCHED)


@CI
@given(body=st.text(max_size=200) | spoilt(S3_EVENT).map(json.dumps), record=spoilt({"messageId": "1", "body": "{}"}))
def test_any_message_of_a_queue_is_an_order_or_an_event_error(body: str, record: object) -> None:
    """A queue's message is a text, and what stands in it may be anything."""
    for event in ({"Records": [{"messageId": "1", "body": body}]}, {"Records": [record]}):
        with suppress(EventError):
            Order.from_event(event, watched=WATCHED)


LINE = {
    "_aws": {
        "Timestamp": 1,
        "CloudWatchMetrics": [{"Namespace": "N", "Dimensions": [["service"]], "Metrics": [{"Name": "A"}]}],
    },
    "service": "s",
    "A": [1.0],
}


@CI
@given(line=st.text(max_size=100) | spoilt(LINE).map(json.dumps))
def test_any_line_of_output_is_metrics_or_none_or_an_emf_error(line: str) -> None:
    """An application prints what it likes beside our metrics."""
    with suppress(EmfError):
        emf_lines(line)
