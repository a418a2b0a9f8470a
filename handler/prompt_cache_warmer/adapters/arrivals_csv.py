"""Arrivals in CSV: a header row, a column ``t_s`` of seconds, and ``input_tokens`` if the prefixes differ in size.

Plain or gzip, UTF-8, commas; other columns are passed over. Rows are taken in blocks, a whole column at
a time and in C, so that a million of them take about as long as splitting the lines does, and nothing is
held but the numbers. A block with anything unusual in it is gone through row by row instead: that
reading alone says what is allowed, and its errors name the line, the column and the value.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from array import array
from dataclasses import dataclass, field
from itertools import chain, islice
from operator import itemgetter, le
from typing import TYPE_CHECKING, BinaryIO

from prompt_cache_warmer.errors import ArrivalsError
from prompt_cache_warmer.rules.replay.arrivals import MAX_TIME_SECONDS, MAX_TOKENS, MICROSECONDS, Arrivals
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TIME_COLUMN = "t_s"
TOKENS_COLUMN = "input_tokens"
# Where neither the file nor the caller knows: what the README's prices speak of, a handbook with its tools.
DEFAULT_PREFIX_TOKENS = 50_000

# Large enough that a block's own cost is nothing, small enough to stay in the processor's cache.
_BLOCK_ROWS = 8_192
_GZIP_MAGIC = b"\x1f\x8b"
_OTHER_SEPARATORS = ";\t|"
_MAX_NAMED_COLUMNS = 8
_NOT_UTF8 = "is not UTF-8; save the file as UTF-8"
_SURROGATES = range(0xDC80, 0xDD00)  # what surrogateescape makes of bytes that are no UTF-8

Row = list[str]


def read_arrivals_csv(file: BinaryIO, *, prefix_tokens: int | None) -> Arrivals:
    """Read arrivals from a CSV file.

    Args:
        file: its bytes, plain or gzip.
        prefix_tokens: how many tokens a request without ``input_tokens`` has; None where nobody said.

    Raises:
        ArrivalsError: naming the line, the column, the value and what is allowed.
        OSError: when the file cannot be read.
    """
    buffered = io.BufferedReader(file)  # type: ignore[type-var] # any BinaryIO can be read into a buffer
    is_gzip = buffered.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] == _GZIP_MAGIC
    plain = gzip.GzipFile(fileobj=buffered) if is_gzip else buffered
    text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.reader(text, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            raise ArrivalsError(f"the file is empty; a header row with a column {TIME_COLUMN!r} is needed")
        table = _Table.of(header, prefix_tokens)
        before = rows.line_num
        while block := list(islice(rows, _BLOCK_ROWS)):
            table.add(_Block(block, first_line=before + 1))
            before = rows.line_num
    except csv.Error as error:
        raise ArrivalsError(f"line {rows.line_num}: not CSV: {error}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ArrivalsError(f"after line {rows.line_num}: the gzip file is damaged or cut off: {error}") from error
    finally:  # the file is the caller's, to close or to leave open
        text.detach()
        buffered.detach()
    if not table.times_us:
        raise ArrivalsError("there is no row below the header; at least one arrival is needed")
    return Arrivals(table.times_us, table.tokens)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some rows of a file, and the line the first one begins on."""

    rows: Sequence[Row]
    first_line: int

    def numbered(self) -> Iterator[tuple[int, Row]]:
        """Name the line each row begins on; a quoted cell may go over several."""
        line = self.first_line
        for row in self.rows:
            yield line, row
            line += 1 + sum(cell.count("\n") for cell in row)


@dataclass(slots=True)
class _Table:
    """What was read so far.

    Attributes:
        header: the names of the columns.
        time: the place of the column of times.
        token: the place of the column of tokens, None where there is none.
        prefix_tokens: what the caller says a row without tokens has.
        times_us: the times.
        tokens: the tokens.
        last_s: the last time.
        blank_line: the line of the first empty row since the last one that is not empty.
    """

    header: Row
    time: int
    token: int | None
    prefix_tokens: int | None
    times_us: array[int] = field(default_factory=lambda: array("q"))
    tokens: array[int] = field(default_factory=lambda: array("q"))
    last_s: float = 0.0
    blank_line: int | None = None

    @classmethod
    def of(cls, header: Row, prefix_tokens: int | None) -> _Table:
        """Find the columns."""
        names = [name.strip() for name in header]
        _check_header(names)
        token = names.index(TOKENS_COLUMN) if TOKENS_COLUMN in names else None
        return cls(header=names, time=names.index(TIME_COLUMN), token=token, prefix_tokens=prefix_tokens)

    def add(self, block: _Block) -> None:
        """Take a block of rows."""
        if not self._add_columns(block.rows):
            for line, row in block.numbered():
                self._add_row(line, row)

    def _add_columns(self, rows: Sequence[Row]) -> bool:
        """Take whole columns at once; False, and nothing taken, when there is anything unusual in them."""
        if self.blank_line is not None or set(map(len, rows)) != {len(self.header)}:
            return False
        text = "".join(chain.from_iterable(rows))
        if not text.isascii() or "_" in text:
            return False
        try:
            seconds = list(map(float, map(itemgetter(self.time), rows)))
            tokens = self._token_column(rows)
        except (ValueError, OverflowError):
            return False
        in_order = all(map(le, chain((self.last_s,), seconds), seconds))  # False where there is a NaN
        if not in_order or seconds[-1] > MAX_TIME_SECONDS or min(tokens) < 1 or max(tokens) > MAX_TOKENS:
            return False
        self.times_us.extend([round(time_s * MICROSECONDS) for time_s in seconds])
        self.tokens.extend(tokens)
        self.last_s = seconds[-1]
        return True

    def _token_column(self, rows: Sequence[Row]) -> array[int]:
        if self.token is not None:
            return array("q", map(int, map(itemgetter(self.token), rows)))
        return array("q", (self._constant_tokens,)) * len(rows)

    def _add_row(self, line: int, row: Row) -> None:
        if not row:
            self.blank_line = self.blank_line or line
            return
        if self.blank_line is not None:
            raise ArrivalsError(f"line {self.blank_line} is empty, and rows follow it; take it out")
        if len(row) != len(self.header):
            raise ArrivalsError(f"line {line} has {_cells(len(row))}; the header has {len(self.header)}")
        for name, cell in zip(self.header, row, strict=True):
            if _is_undecodable(cell):
                raise _wrong(line, name, cell, _NOT_UTF8)
        seconds = _seconds(line, row[self.time], self.last_s)
        tokens = self._row_tokens(line, row)
        self.times_us.append(round(seconds * MICROSECONDS))
        self.tokens.append(tokens)
        self.last_s = seconds

    @property
    def _constant_tokens(self) -> int:
        """What every row has in a file without the column."""
        return DEFAULT_PREFIX_TOKENS if self.prefix_tokens is None else self.prefix_tokens

    def _row_tokens(self, line: int, row: Row) -> int:
        if self.token is None:
            return self._constant_tokens
        cell = row[self.token]
        if cell.strip():
            return _token_count(line, cell)
        if self.prefix_tokens is None:
            raise ArrivalsError(
                f"line {line}, column {TOKENS_COLUMN}: the cell is empty; fill it, or say what it stands for "
                "by --prefix-tokens"
            )
        return self.prefix_tokens


def _check_header(names: Row) -> None:
    if any(map(_is_undecodable, names)):
        raise ArrivalsError(f"line 1 {_NOT_UTF8}")
    for name in (TIME_COLUMN, TOKENS_COLUMN):
        if names.count(name) > 1:
            raise ArrivalsError(f"line 1: the column {name!r} stands there {names.count(name)} times; once is allowed")
    if TIME_COLUMN in names:
        return
    missing = f"line 1: there is no column {TIME_COLUMN!r} (seconds)"
    separator = next((mark for mark in _OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), None)
    if separator is not None:
        raise ArrivalsError(f"{missing}; the cells seem to be separated by {separator!r}, commas are needed")
    if any(map(_is_number, names)):
        raise ArrivalsError(f"{missing}; the first row has to be a header, and this one seems to be data")
    listed = ", ".join(map(shown, names[:_MAX_NAMED_COLUMNS])) + (", ..." if len(names) > _MAX_NAMED_COLUMNS else "")
    raise ArrivalsError(f"{missing}, but {listed}{nearest(TIME_COLUMN, names)}")


def _seconds(line: int, cell: str, last_s: float) -> float:
    if not cell.strip():
        raise ArrivalsError(f"line {line}, column {TIME_COLUMN}: the cell is empty; a number of seconds is needed")
    if not _is_number(cell):
        raise _wrong(line, TIME_COLUMN, cell, "is not a number of seconds")
    seconds = float(cell)
    if not 0 <= seconds <= MAX_TIME_SECONDS:  # so is no NaN
        raise _wrong(line, TIME_COLUMN, cell, f"is not allowed; allowed: 0 to {MAX_TIME_SECONDS:,} seconds")
    if seconds < last_s:
        above = f"is before the row above, which has {last_s:.17g}"
        raise _wrong(line, TIME_COLUMN, cell, f"{above}; sort the rows by time")
    return seconds


def _token_count(line: int, cell: str) -> int:
    allowed = f"allowed: whole numbers from 1 to {MAX_TOKENS:,}"
    try:
        count = int(cell.replace("_", "no digit"))
    except ValueError:
        raise _wrong(line, TOKENS_COLUMN, cell, f"is not a whole number; {allowed}") from None
    if not 1 <= count <= MAX_TOKENS:
        raise _wrong(line, TOKENS_COLUMN, cell, f"is not allowed; {allowed}")
    return count


def _is_number(cell: str) -> bool:
    """Tell whether a cell is a number as other readers of CSV know it; Python's own 1_000 is none."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_undecodable(cell: str) -> bool:
    return not cell.isascii() and any(ord(character) in _SURROGATES for character in cell)


def _wrong(line: int, column: str, cell: str, why: str) -> ArrivalsError:
    return ArrivalsError(f"line {line}, column {column}: {shown(cell)} {why}")


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
