"""Reading tables so that a bad line is named, never dropped: used by every loader.

Two readers agree with each other. pandas reads numbers fast, 32 million ratings in about half
a minute, but is generous and does not say where a fault is. The careful reader goes line by line.
It has the last word: what pandas does not read as plain numbers is read again by it.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parent.parent / "data"
MOVIE_COLUMNS = ["movieId", "title", "year", "director", "actor_1", "actor_2", "genres"]
RATING_COLUMNS = ["userId", "movieId", "rating", "timestamp"]
RATING_KINDS = dict(zip(RATING_COLUMNS, (int, int, float, int)))

Source = Path | Callable[[], BinaryIO]
BLOCK = 500_000  # rows read at a time: bounds the memory for text
LONG = 1000  # characters: no line of numbers is as long
EXACT = 2**53  # up to here floats hold every whole number
PADDING = " \t\v\f"  # pandas ignores it around numbers, so the careful reader does too
NUMBER = rf"[{PADDING}]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[{PADDING}]*"


class DataError(ValueError):
    """A data file is not as it should be. Says file, line, column, value and what was expected."""


def read_table(
    source: Source, name: str, columns: list[str], *, separator: str = ",",
    header: bool = True, encoding: str = "utf-8-sig",
) -> pd.DataFrame:  # fmt: skip
    """Read a table as strings, with the line number of every row as its index.

    Args:
        source: a path, or a function that opens the file for reading bytes.
        name: what to call the file in messages.
        columns: the columns wanted. With `header` they are found by name and others are left out;
            without it the file's columns are exactly these, in this order.
        separator: a comma means CSV with its quotes. Others, as `::` in MovieLens 1M, know none.
        header: whether line 1 holds the column names.
        encoding: of the text; the default is UTF-8 with or without a byte order mark.

    Raises:
        DataError: no file, an empty file, no such column, a blank line, a line with too many or
            too few fields, a column that is there twice, a field that goes on over the end of its
            line, bad encoding.
    """
    rows = _rows(source, name, columns, separator, header, encoding)
    return _strings(list(rows), columns)


def read_numbers(
    source: Source, name: str, kinds: dict[str, type], *, separator: str = ",", header: bool = True
) -> pd.DataFrame:
    """Read a table of numbers, with the line number of every row as its index.

    Args:
        source, name, separator, header: as in `read_table`.
        kinds: column -> `int` or `float`.

    Raises:
        DataError: as `read_table`, or a field is not such a number.
    """
    blocks, done = _read_fast(source, name, kinds, separator, header)
    if not done:
        rows = _rows(source, name, list(kinds), separator, header, "utf-8-sig")
        rows = islice(rows, sum(map(len, blocks)), None)
        while not done:
            text = _strings(list(islice(rows, BLOCK)), list(kinds))
            blocks.append(pd.DataFrame({c: to_number(text, c, name, k) for c, k in kinds.items()}))
            done = len(text) < BLOCK
    return pd.concat(blocks)


def _read_fast(
    source: Source, name: str, kinds: dict[str, type], separator: str, header: bool
) -> tuple[list[pd.DataFrame], bool]:
    """Read blocks of plain numbers with pandas; False if the careful reader has to go on."""
    names, blank = list(kinds), []
    if separator == "::":  # pandas is fast with one character only: a::b is a, a blank, b
        blank = [f"blank {i}" for i in range(len(kinds) - 1)]
        names = [name for pair in zip(kinds, [*blank, ""]) for name in pair][:-1]
    blocks, line = [], 1 + header
    with open_source(source, name) as handle:
        if any(len(handle.readline(LONG)) == LONG for _ in range(2)):
            return blocks, False  # pandas takes 20 s for 100,000 fields
        handle.seek(0)
        try:
            # Types are found, not given: pandas would turn the word True into a given int 1.
            # Without quoting and with blank lines kept, each row is one line.
            reader = pd.read_csv(
                handle, sep=separator[0], names=None if header else names,
                header=0 if header else None, dtype=dict.fromkeys(blank, str),
                quoting=csv.QUOTE_NONE, na_filter=False, skip_blank_lines=False,
                encoding="utf-8-sig", low_memory=False, chunksize=BLOCK,
            )  # fmt: skip
            for block in reader:
                # One field too many in the first row becomes an index, not an error.
                if list(block) != names or not isinstance(block.index, pd.RangeIndex):
                    return blocks, False
                if not (block[blank] == "").all(axis=None):
                    return blocks, False
                if not all(_is_plain(block[column], kind) for column, kind in kinds.items()):
                    return blocks, False
                lines = pd.RangeIndex(line, line + len(block), name="line")
                blocks.append(block[list(kinds)].astype(kinds).set_axis(lines))
                line += len(block)
        except (ValueError, OverflowError):  # includes the parser's and the decoder's errors
            return blocks, False
    return blocks, line > 1 + header  # no rows: the careful reader knows whether that is a fault


def _is_plain(values: pd.Series, kind: type) -> bool:
    """Did pandas find numbers of this kind, and none that the careful reader would refuse?"""
    if len(values) and values.dtype.kind not in {int: "i", float: "if"}[kind]:
        return False
    if kind is int:
        return bool(values.between(-EXACT, EXACT, inclusive="neither").all())
    return bool(np.isfinite(values.to_numpy(dtype=float)).all())


def open_source(source: Source, name: str) -> BinaryIO:
    """Open for reading bytes; DataError where there is no such file."""
    if not isinstance(source, Path):
        return source()
    try:
        return source.open("rb")
    except FileNotFoundError:
        raise DataError(f"{name}: no such file ({source})") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if os.path.isdir(source):  # Path.is_dir raises an error where the name is too long
            raise DataError(f"{name}: this is a folder, a file was expected") from None
        raise DataError(f"{name}: cannot be opened: {error}") from None


def _rows(
    source: Source, name: str, columns: list[str], separator: str, header: bool, encoding: str
) -> Iterator[tuple[int, list[str]]]:
    """The careful reader: line number and wanted fields of each row."""
    with io.TextIOWrapper(open_source(source, name), encoding=encoding, newline="") as handle:
        if separator == ",":
            reader = csv.reader(handle, strict=True)
        else:
            reader = (line.rstrip("\r\n").split(separator) for line in handle)
        names, places, line = columns, range(len(columns)), 0
        try:
            for line, row in enumerate(reader, start=1):
                if separator == "," and reader.line_num != line:
                    raise DataError(
                        f"{name}, line {line}: a field goes on in the next line: {_cut(row)}"
                    )
                if line == 1 and header:
                    names = row
                    missing = [c for c in columns if c not in names]
                    if missing:
                        raise DataError(
                            f"{name}, line 1: no column {missing[0]!r}; found {_cut(names)}"
                        )
                    twice = [c for c in columns if names.count(c) > 1]
                    if twice:
                        raise DataError(f"{name}, line 1: column {twice[0]!r} twice, expected once")
                    places = [names.index(c) for c in columns]
                    continue
                if row in ([], [""]):
                    raise DataError(f"{name}, line {line}: empty line")
                if len(row) != len(names):
                    raise DataError(
                        f"{name}, line {line}: {len(row)} fields, "
                        f"expected {len(names)}: {_cut(row)}"
                    )
                yield line, [row[place] for place in places]
        except csv.Error as error:
            raise DataError(f"{name}, line {reader.line_num}: {error}") from None
        except UnicodeDecodeError:
            raise DataError(_undecodable(source, name, encoding)) from None
    if not line:
        raise DataError(f"{name}: the file is empty, expected the columns {columns}")


def _undecodable(source: Source, name: str, encoding: str) -> str:
    """Name the first line that is not text: the decoder itself only knows its place in a block."""
    with io.TextIOWrapper(
        open_source(source, name), encoding=encoding, errors="surrogateescape", newline=""
    ) as handle:
        for line, text in enumerate(handle, start=1):
            bad = re.search("[\udc80-\udcff]", text)  # what this error handler makes of bad bytes
            if bad:
                part = text[max(bad.start() - 20, 0) : bad.end() + 20]
                value = part.encode("utf-8", "surrogateescape")
                return f"{name}, line {line}: {value!r} is not {encoding} text"
    return f"{name}: not {encoding} text"


def _strings(rows: list[tuple[int, list[str]]], columns: list[str]) -> pd.DataFrame:
    lines = pd.Index([line for line, _ in rows], name="line", dtype="int64")
    return pd.DataFrame([row for _, row in rows], columns=columns, index=lines, dtype=str)


def to_number(table: pd.DataFrame, column: str, name: str, kind: type) -> pd.Series:
    """The column of strings as `int` or `float`.

    Args:
        table: as `read_table` gives it.
        column: the column to turn into numbers.
        name: what to call the file in messages.
        kind: `int` (whole numbers, also written 4.0) or `float` (finite numbers).

    Raises:
        DataError: with line and value where a field is no such number.
    """
    text = table[column]
    # Python's float, not pandas' to_numeric: that one fails at 4,300 digits.
    values = text.where(text.str.fullmatch(NUMBER), "nan").str.strip(PADDING).map(float)
    values = values.astype("float64")
    bad = ~np.isfinite(values)
    if kind is int:  # further out a float may already be a neighbour of the number in the file
        bad |= (values % 1 != 0) | (values.abs() >= EXACT)
    fail(table, column, name, bad, "a whole number" if kind is int else "a number")
    return values.astype("int64" if kind is int else "float64")


def fail(table: pd.DataFrame, column: str, name: str, bad: pd.Series, expected: str) -> None:
    """Raise a DataError for the first bad row, with the number of bad rows.

    Args:
        table: with line numbers as its index.
        column: where the bad value stands.
        name: what to call the file in messages.
        bad: True for each bad row.
        expected: what should stand there.

    Raises:
        DataError: if any row is bad.
    """
    if bad.any():
        line = bad.index[bad][0]
        more = f" (and {bad.sum() - 1} more)" if bad.sum() > 1 else ""
        value = _cut(str(table.loc[line, column]))
        raise DataError(f"{name}, line {line}, {column}: {value}, expected {expected}{more}")


def _cut(value: object) -> str:
    """The value as Python writes it, cut off where nobody reads on."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} ..."


def check_ratings(table: pd.DataFrame, name: str, known_movies: pd.Series | None) -> pd.DataFrame:
    """Every user rates a film once, 0.5 to 5 stars; films are known if a list of them is given.

    Args:
        table: numbers as `read_numbers` gives them, with line numbers as the index.
        name: what to call the file in messages.
        known_movies: the movieIds of the film table, or None.

    Returns:
        The same rows, numbered from 0.

    Raises:
        DataError: a rating out of 0.5-5, an unknown film, a second rating of the same film.
    """
    fail(table, "rating", name, ~table["rating"].between(0.5, 5), "0.5 to 5")
    if known_movies is not None:
        unknown = ~table["movieId"].isin(known_movies)
        fail(table, "movieId", name, unknown, "a film of the film table")
    twice = table.duplicated(["userId", "movieId"])
    fail(table, "movieId", name, twice, "one rating for each user and film")
    return table.reset_index(drop=True)
