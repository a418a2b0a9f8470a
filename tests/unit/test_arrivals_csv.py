"""Arrivals in CSV: read fast, and refused with the line, the column, the value and what is allowed."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.adapters import arrivals_csv
from prompt_cache_warmer.adapters.arrivals_csv import read_arrivals_csv
from prompt_cache_warmer.errors import ArrivalsError

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.arrivals import Arrivals

BLOCK = 8_192  # rows that are read at once
# A letter no plain block has in a column nobody reads: it sends the same rows down the slow path.
NOTE = "café"
NO_COLUMN = "line 1: there is no column 't_s' (seconds)"


def read(content: str | bytes, prefix_tokens: int | None = None) -> Arrivals:
    """Read a file's content."""
    raw = content.encode() if isinstance(content, str) else content
    return read_arrivals_csv(io.BytesIO(raw), prefix_tokens=prefix_tokens)


def refused(content: str | bytes, prefix_tokens: int | None = None) -> str:
    """Read what is not usable; return what is said."""
    with pytest.raises(ArrivalsError) as refusal:
        read(content, prefix_tokens)
    return str(refusal.value)


def test_times_and_tokens_are_read_by_their_columns() -> None:
    """Whole microseconds; other columns, their order and blanks around names and numbers do not matter."""
    found = read("model, t_s ,x,input_tokens\na,0,,70000\nb, 1.5,, 71000\nc,1e1,,9\nd,10.0000004,,100000000\n")
    assert list(found.times_us) == [0, 1_500_000, 10_000_000, 10_000_000]
    assert list(found.tokens) == [70_000, 71_000, 9, 100_000_000]


@pytest.mark.parametrize(("prefix_tokens", "expected"), [(None, 50_000), (1_234, 1_234)])
def test_without_the_column_every_prefix_is_as_said_or_50_000(prefix_tokens: int | None, expected: int) -> None:
    """The default is what the README's prices speak of."""
    assert list(read("t_s\n0\n1\n", prefix_tokens).tokens) == [expected, expected]


def test_an_empty_token_cell_is_filled_only_when_that_was_asked_for() -> None:
    """A gap is no size; what is there is never replaced."""
    content = "t_s,input_tokens\n0,7\n1,\n2, \n"
    assert list(read(content, 1_234).tokens) == [7, 1_234, 1_234]
    assert refused(content) == (
        "line 3, column input_tokens: the cell is empty; fill it, or say what it stands for by --prefix-tokens"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbft_s\n1\n2\n",  # with a byte order mark, as Excel writes it
        b"t_s\r\n1\r\n2\r\n",
        b"t_s\r1\r2\r",
        b"t_s\n1\n2",
        b"t_s\n1\n2\n\n\n",
        b'"t_s"\n"1"\n"2"\n',
        gzip.compress(b"t_s\n1\n2\n", mtime=0),  # it is part of the test's name, which is the same in every process
        gzip.compress(b"t_s\n1\n", mtime=0) + gzip.compress(b"2\n", mtime=0),
    ],
)
def test_the_same_rows_in_other_clothes(content: bytes) -> None:
    """Line ends, quotes, a byte order mark and gzip change nothing; empty lines at the end are none."""
    assert list(read(content).times_us) == [1_000_000, 2_000_000]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file is empty; a header row with a column 't_s' is needed"),
        ("t_s\n", "there is no row below the header; at least one arrival is needed"),
        ("t_s\n\n\n", "there is no row below the header; at least one arrival is needed"),
        (
            "0,100\n1,200\n",
            f"{NO_COLUMN}; the first row has to be a header, and this one seems to be data",
        ),
        (
            "time_s,tokens\n0,1\n",
            f"{NO_COLUMN}, but 'time_s', 'tokens'; did you mean 'time_s'?",
        ),
        (
            "a,b,c,d,e,f,g,h,i\n",
            f"{NO_COLUMN}, but 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', ...",
        ),
        (
            "t_s;input_tokens\n0;1\n",
            f"{NO_COLUMN}; the cells seem to be separated by ';', commas are needed",
        ),
        ("t_s,x,t_s\n0,1,2\n", "line 1: the column 't_s' stands there 2 times; once is allowed"),
        (
            "t_s,input_tokens,input_tokens,input_tokens\n0,1,2,3\n",
            "line 1: the column 'input_tokens' stands there 3 times; once is allowed",
        ),
        (b"t_s,caf\xe9\n0,1\n", "line 1 is not UTF-8; save the file as UTF-8"),
        ("t_s\n0\n".encode("utf-16"), "line 1 is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_arrivals(content: str | bytes, said: str) -> None:
    """The header is looked at first."""
    assert refused(content) == said


SECONDS = "is not allowed; allowed: 0 to 3,162,240,000 seconds"
WHOLE = "allowed: whole numbers from 1 to 100,000,000"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("", "the cell is empty; a number of seconds is needed"),
        ("  ", "the cell is empty; a number of seconds is needed"),
        ("noon", "'noon' is not a number of seconds"),
        ("1_0", "'1_0' is not a number of seconds"),
        ("10:00", "'10:00' is not a number of seconds"),
        ("nan", f"'nan' {SECONDS}"),
        ("inf", f"'inf' {SECONDS}"),
        ("-1", f"'-1' {SECONDS}"),
        ("3162240000.5", f"'3162240000.5' {SECONDS}"),
        ("4.999", "'4.999' is before the row above, which has 5; sort the rows by time"),
        ("x" * 200, "a string of 200 characters is not a number of seconds"),
    ],
)
@pytest.mark.parametrize("note", ["plain", NOTE])
def test_a_wrong_time_is_refused_with_its_place(cell: str, said: str, note: str) -> None:
    """Whether its block is plain or not."""
    assert refused(f"t_s,note\n5,{note}\n{cell},{note}\n9,{note}\n") == f"line 3, column t_s: {said}"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("many", f"'many' is not a whole number; {WHOLE}"),
        ("1.5", f"'1.5' is not a whole number; {WHOLE}"),
        ("1e3", f"'1e3' is not a whole number; {WHOLE}"),
        ("1_000", f"'1_000' is not a whole number; {WHOLE}"),
        ("nan", f"'nan' is not a whole number; {WHOLE}"),
        ("0", f"'0' is not allowed; {WHOLE}"),
        ("-5", f"'-5' is not allowed; {WHOLE}"),
        ("100000001", f"'100000001' is not allowed; {WHOLE}"),
        ("9" * 30, f"'{'9' * 30}' is not allowed; {WHOLE}"),
    ],
)
def test_a_wrong_size_is_refused_with_its_place(cell: str, said: str) -> None:
    """The first row is right, the second is not."""
    assert refused(f"t_s,input_tokens\n0,1\n1,{cell}\n") == f"line 3, column input_tokens: {said}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("t_s,a\n0,1\n1\n", "line 3 has 1 cell; the header has 2"),
        ("t_s,a\n0,1\n1,2,3\n", "line 3 has 3 cells; the header has 2"),
        ("t_s,a\n0,1\n\n2,3\n", "line 3 is empty, and rows follow it; take it out"),
        ("t_s\n0\n\n\n2\n", "line 3 is empty, and rows follow it; take it out"),
        (b"t_s,a\n0,1\n1,caf\xe9\n", "line 3, column a: 'caf\\udce9' is not UTF-8; save the file as UTF-8"),
        ('t_s,a\n0,"1\n2"\n1,x\nno,x\n', "line 5, column t_s: 'no' is not a number of seconds"),
        ('t_s,a\n0,1\n1,"open\n2,3\n', "line 4: not CSV: unexpected end of data"),
        (f"t_s,a\n0,{'x' * 140_000}\n", "line 2: not CSV: field larger than field limit (131072)"),
    ],
)
def test_a_damaged_row_is_refused_with_its_line(content: str | bytes, said: str) -> None:
    """Ragged rows, gaps, bytes that are no text; a cell over two lines is counted as such."""
    assert refused(content) == said


def test_a_gzip_file_that_is_cut_off_says_after_which_line() -> None:
    """And one whose bytes were changed."""
    whole = gzip.compress(b"t_s\n" + b"".join(b"%d\n" % time for time in range(100)))
    assert refused(whole[:-10]).startswith("after line ")
    assert "the gzip file is damaged or cut off" in refused(whole[:-10])
    assert "the gzip file is damaged or cut off" in refused(whole[:-8] + b"\0\0\0\0" + whole[-4:])
    assert "the gzip file is damaged or cut off" in refused(whole[:20] + b"\xff" * 20 + whole[40:])


@pytest.mark.parametrize("place", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_places_are_right_in_every_block(place: int) -> None:
    """The line is counted through all blocks; order is checked over their edges."""
    rows = [str(number) for number in range(2 * BLOCK + 10)]
    assert len(read("t_s\n" + "\n".join(rows))) == len(rows)
    rows[place] = str(place - 2)
    assert refused("t_s\n" + "\n".join(rows)) == (
        f"line {place + 2}, column t_s: '{place - 2}' is before the row above, which has {place - 1}; "
        "sort the rows by time"
    )


def test_an_empty_line_before_a_new_block_is_found() -> None:
    """It is remembered over the edge."""
    rows = ["1"] * (BLOCK - 1) + ["", "2"]
    assert refused("t_s\n" + "\n".join(rows)) == f"line {BLOCK + 1} is empty, and rows follow it; take it out"


def test_the_file_stays_the_callers() -> None:
    """It is read to its end and left open."""
    for content in (b"t_s\n1\n", gzip.compress(b"t_s\n1\n")):
        file = io.BytesIO(content)
        read_arrivals_csv(file, prefix_tokens=None)
        assert not file.closed


CELLS = st.one_of(
    st.floats(min_value=0, max_value=4e9).map(repr),
    st.integers(min_value=-2, max_value=12).map(str),
    st.sampled_from(["", " ", "nan", "inf", "-0.0", "1_0", "1e2", " 3 ", "0x1", "\u0663", "12,", '"4"', "5 6", "\x00"]),
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_whole_columns_and_single_rows_are_read_alike(rows: list[tuple[str, str]]) -> None:
    """What the fast reading takes is what the slow one would: same numbers, or the same refusal."""

    def outcome(note: str) -> str:
        content = "t_s,input_tokens,note\n" + "".join(f"{time},{tokens},{note}\n" for time, tokens in rows)
        try:
            found = read(content)
        except ArrivalsError as error:
            return str(error)
        return json.dumps([list(found.times_us), list(found.tokens)])

    assert outcome("plain") == outcome(NOTE)


def test_the_block_of_these_tests_is_the_readers() -> None:
    """Their edges are the reader's own."""
    assert vars(arrivals_csv)["_BLOCK_ROWS"] == BLOCK
