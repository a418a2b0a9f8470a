"""The usage is read out of an answer's bytes, however they are cut, packed or broken."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.messages_api.providers import first_party
from prompt_cache_warmer.adapters.answer_reading import Reading, UnreadableAnswerError, reader_for
from tests.observer_cases import HIT, events, message

if TYPE_CHECKING:
    from collections.abc import Iterable

SSE, JSON, AWS = "text/event-stream", "application/json", "application/vnd.amazon.eventstream"
COUNTS = HIT
WHOLE = json.dumps(message(HIT)).encode()
# A text that says what an event says, quotes and line ends escaped as JSON does it.
SLY = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 'data: {"usage": {"input_tokens": 9}}\n'}}
SLY_EVENT = f"event: content_block_delta\ndata: {json.dumps(SLY)}\n\n".encode()
EVENTS = [*events(HIT)[:3], SLY_EVENT, *events(HIT)[3:]]
STREAM = b"".join(EVENTS)
CRLF = STREAM.replace(b"\n", b"\r\n")


def framed(event: bytes) -> bytes:
    """Frame an event as Bedrock does."""
    return first_party("/model/m/invoke-with-response-stream", {}, b"{}").encode(event)


FRAMES = b"".join(map(framed, EVENTS))


def raw_deflated(data: bytes) -> bytes:
    """Return what some servers send as deflate: no header, no checksum."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def read(kind: str, chunks: Iterable[bytes], *, encoding: str = "", is_decoded: bool = False) -> Reading:
    """Read an answer; the clock counts its own calls."""
    ticks = iter(range(1_000))
    reading = Reading(lambda: next(ticks))
    reader = reader_for({"content-type": kind, "content-encoding": encoding}, reading, is_decoded=is_decoded)
    for chunk in chunks:
        reader.feed(chunk)
    reader.end()
    return reading


PACKED = {
    "json": (JSON, "", WHOLE),
    "json-gzip": (JSON, "gzip", gzip.compress(WHOLE, mtime=0)),
    "sse": (SSE, "", STREAM),
    "sse-crlf": (SSE, "identity", CRLF),
    "sse-gzip": (SSE, "gzip", gzip.compress(STREAM, mtime=0)),
    "sse-zlib": (SSE, "deflate", zlib.compress(STREAM)),
    "sse-raw-deflate": (SSE, " Deflate ", raw_deflated(STREAM)),
    "aws": (AWS, "", FRAMES),
    "aws-gzip": (AWS, "gzip", gzip.compress(FRAMES, mtime=0)),
}


@pytest.mark.parametrize("case", PACKED)
def test_an_answer_cut_anywhere_is_read_the_same(case: str) -> None:
    """Cut once at every place, and into single bytes."""
    kind, encoding, content = PACKED[case]
    for cut in range(len(content) + 1):
        assert read(kind, [content[:cut], content[cut:]], encoding=encoding).counts == COUNTS
    assert read(kind, [bytes([byte]) for byte in content], encoding=encoding).counts == COUNTS


@pytest.mark.parametrize("case", PACKED)
@settings(max_examples=40)
@given(cuts=st.lists(st.integers(0, 5_000), max_size=12))
def test_an_answer_cut_into_any_chunks_is_read_the_same(case: str, cuts: list[int]) -> None:
    """Empty chunks among them; a stream's first token is seen once."""
    kind, encoding, content = PACKED[case]
    ends = sorted(min(cut, len(content)) for cut in cuts)
    pieces = [content[start:end] for start, end in zip([0, *ends], [*ends, len(content)], strict=True)]
    reading = read(kind, pieces, encoding=encoding)
    assert reading.counts == COUNTS
    assert reading.first_token_seconds == (None if kind == JSON else 0)


def test_whole_lines_of_text_are_passed_over_and_what_follows_is_read() -> None:
    """After the first token a chunk of whole lines is looked at only for a usage, one of half a line always."""
    begin, end = EVENTS[:3], EVENTS[-2]
    half = len(end) // 2
    assert read(SSE, [*begin, SLY_EVENT, SLY_EVENT, end]).counts["output_tokens"] == 2
    assert read(SSE, [*begin, SLY_EVENT + end[:half], end[half:]]).counts["output_tokens"] == 2
    assert read(SSE, [*begin, b"data: {", b'"type": "ping"}\n', end]).counts["output_tokens"] == 2


def test_counts_of_a_later_event_replace_those_of_an_earlier_one() -> None:
    """A stream that breaks off before them leaves those of its start."""
    started = b"".join(EVENTS[:2])
    assert read(SSE, [started]).counts == {**COUNTS, "output_tokens": 1}
    assert read(SSE, [started]).first_token_seconds is None
    assert read(SSE, [started, EVENTS[-2]]).counts == COUNTS


def test_the_last_line_needs_no_end() -> None:
    """It ends with the stream."""
    assert read(SSE, [b"".join(EVENTS[:-1]).rstrip(b"\n")]).counts == COUNTS


def test_the_first_token_is_timed_when_it_passes_by() -> None:
    """By the clock of whoever reads, once."""
    moments = iter((7.5, 9.0))
    reading = Reading(lambda: next(moments))
    reader = reader_for({"content-type": SSE}, reading, is_decoded=False)
    for event in EVENTS:
        reader.feed(event)
    assert reading.first_token_seconds == 7.5


@pytest.mark.parametrize("kind", [JSON, SSE, AWS])
def test_an_empty_answer_says_nothing(kind: str) -> None:
    """And breaks nothing."""
    assert read(kind, []).counts == {}
    assert read(kind, [b""]).counts == {}
    assert read(kind, [b""], encoding="gzip").counts == {}
    assert read(kind, [b"\x1f"], encoding="gzip").counts == {}


def test_a_body_the_client_has_read_is_decoded_already() -> None:
    """Its header still names the encoding."""
    assert read(JSON, [WHOLE], encoding="gzip", is_decoded=True).counts == COUNTS
    assert read(JSON, [WHOLE], encoding="br", is_decoded=True).counts == COUNTS


@pytest.mark.parametrize("kind", ["Application/JSON; charset=utf-8", "application/json;x=y"])
def test_a_type_is_known_whatever_is_written_around_it(kind: str) -> None:
    """In any case, with any parameter."""
    assert read(kind, [WHOLE]).counts == COUNTS


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "content-type ''"),
        ({"content-type": "text/html"}, "content-type 'text/html'"),
        ({"content-type": JSON, "content-encoding": "br"}, "content-encoding 'br'"),
        ({"content-type": SSE, "content-encoding": "gzip, gzip"}, "content-encoding 'gzip, gzip'"),
    ],
)
def test_an_unknown_type_or_encoding_is_said_to_be_unreadable(headers: dict[str, str], said: str) -> None:
    """Not guessed at."""
    with pytest.raises(UnreadableAnswerError) as caught:
        reader_for(headers, Reading(float), is_decoded=False)
    assert str(caught.value) == said


@pytest.mark.parametrize("kind", [JSON, SSE])
def test_a_piece_that_is_too_large_is_not_held(kind: str) -> None:
    """One body or one line of more than 16 MiB is given up; a longer stream of short lines is not."""
    largest = b"x" * 16 * 1024 * 1024
    reader = reader_for({"content-type": kind}, Reading(float), is_decoded=False)
    reader.feed(largest)
    with pytest.raises(UnreadableAnswerError, match="more than 16,777,216 bytes in one piece"):
        reader.feed(b"x")
    assert read(SSE, [b"x" * 1024 * 1024 + b"\n"] * 20).counts == {}


@pytest.mark.parametrize(
    ("kind", "content", "encoding", "error"),
    [
        pytest.param(JSON, b'{"usage": {', "", json.JSONDecodeError, id="json"),
        pytest.param(JSON, b"\xff\xfe\xfd", "", UnicodeDecodeError, id="no-text"),
        pytest.param(SSE, b'data: {"usage": \n', "", json.JSONDecodeError, id="event"),
        pytest.param(SSE, b"\x1f\x8b and then nonsense", "gzip", zlib.error, id="gzip"),
        pytest.param(SSE, b"\xff\xff nonsense", "deflate", zlib.error, id="deflate"),
        pytest.param(AWS, FRAMES[:40] + b"!" + FRAMES[41:], "", Exception, id="checksum"),
    ],
)
def test_what_is_broken_raises_what_is_wrong_with_it(
    kind: str, content: bytes, encoding: str, error: type[Exception]
) -> None:
    """Whoever watches the body counts it."""
    with pytest.raises(error):
        read(kind, [content], encoding=encoding)


@pytest.mark.parametrize("said", [b"[]", b"7", b'"usage"', b"null", b"{}", b'{"usage": null}', b'{"usage": "lots"}'])
def test_json_without_a_usage_says_nothing(said: bytes) -> None:
    """Whatever else it is."""
    assert read(JSON, [said]).counts == {}


@pytest.mark.parametrize("payload", [b"[]", b"{}", b'{"bytes": 7}', b'{"p": "abcd"}'])
def test_a_frame_that_holds_no_event_is_passed_over(payload: bytes) -> None:
    """Bedrock may send others; the events around it are read."""
    made = framed(b"data: x")
    inner = json.dumps({"bytes": base64.b64encode(b"x").decode()}).encode()
    head = made[12 : made.index(inner)]
    lengths = (16 + len(head) + len(payload)).to_bytes(4) + len(head).to_bytes(4)
    frame = lengths + zlib.crc32(lengths).to_bytes(4) + head + payload
    frame += zlib.crc32(frame).to_bytes(4)
    assert read(AWS, [framed(EVENTS[0]), frame, framed(EVENTS[-2])]).counts == COUNTS


def test_fields_of_no_interest_are_left_out() -> None:
    """Only counts of the usage are kept, never a text."""
    usage: dict[str, Any] = {**HIT, "server_tool_use": {"web_search_requests": 1}, "service_tier": "standard"}
    said = json.dumps(message(usage, model="secret")).encode()
    assert read(JSON, [said]).counts == HIT
