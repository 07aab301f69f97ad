"""Reading tables so that a bad line is named, never dropped: used by every loader.

A row is a line, so that every fault has a line number. pandas would read faster, but it fills up
short rows, takes `True` for 1 and cannot say where it is. 32 million ratings take about a minute.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd


def course_folder(name: str) -> Path:
    """A folder of the course: a wheel carries it in the package (pyproject.toml), a clone beside
    the package.
    """
    package = Path(__file__).resolve().parent
    carried = package / f"course_{name}"
    return carried if carried.is_dir() else package.parent / name


DATA = course_folder("data")
MOVIE_COLUMNS = ["movieId", "title", "year", "director", "actor_1", "actor_2", "genres"]
RATING_KINDS = {"userId": int, "movieId": int, "rating": float, "timestamp": int}

Source = Path | Callable[[], BinaryIO]
BLOCK = 50_000  # rows read at a time: bounds the memory for text
MAX_TEXT = 1000  # characters of a text; the course's longest title has 83
EXACT = 2**53  # up to here floats hold every whole number
UNUSUAL = re.compile(r"[^0-9eE+\-. \t\v\f\n]")  # Python's float also takes nan, inf, 1_0 and ٣


class DataError(ValueError):
    """A data file is not as it should be. Says file, line, column, value and what was expected."""


def read_table(
    source: Source,
    name: str,
    kinds: dict[str, type],
    separator: str = ",",
    encoding: str = "utf-8-sig",
) -> pd.DataFrame:
    """Read a table, with the line number of every row as its index.

    Args:
        source: a path, or a function that opens the file for reading bytes.
        name: what to call the file in messages.
        kinds: the columns wanted and what they hold: `str`, `int` (whole numbers, also written
            4.0) or `float` (finite numbers).
        separator: a comma means CSV: with quotes, and with a header in which the columns wanted
            are found by name. Others, as `::` in MovieLens 1M, know neither: there the file's
            columns are exactly `kinds`, in this order.
        encoding: of the text; the default is UTF-8 with or without a byte order mark.

    Raises:
        DataError: no file, an empty file, no such column, a blank line, a line with too many or
            too few fields, a column that is there twice, a field that goes on over the end of its
            line, a field that is no such number or longer than `MAX_TEXT`, bad encoding.
    """
    first = 2 if separator == "," else 1
    n_rows = 0
    blocks = {column: [] for column in kinds}
    for texts in _blocks(source, name, list(kinds), separator, encoding):
        for column, kind in kinds.items():
            if kind is str:
                values = np.array(texts[column], dtype=object)
                _check_length(texts[column], column, name, first + n_rows)
            else:
                values = _to_numbers(texts[column], kind, column, name, first + n_rows)
            blocks[column].append(values)
        n_rows += len(values)
    lines = pd.RangeIndex(first, first + n_rows, name="line")
    columns = {}
    for column, kind in kinds.items():
        values = np.concatenate(blocks.pop(column))  # pop: not all of them in memory twice
        columns[column] = pd.Series(values, lines, dtype=str if kind is str else None)
    return pd.DataFrame(columns, copy=False)


def open_source(source: Source, name: str) -> BinaryIO:
    """Open for reading bytes; DataError where there is no such file."""
    if not isinstance(source, Path):
        return source()
    try:
        return source.open("rb")
    except FileNotFoundError:
        if source.parent == DATA:
            raise DataError(
                f"{name}: the course's data are not in {DATA}; "
                "in the folder of the course: python -m pip install -e ."
            ) from None
        raise DataError(f"{name}: no such file ({source})") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        if os.path.isdir(source):  # Path.is_dir raises an error where the name is too long
            raise DataError(f"{name}: this is a folder, a file was expected") from None
        raise DataError(f"{name}: cannot be opened: {error}") from None


def _blocks(
    source: Source, name: str, wanted: list[str], separator: str, encoding: str
) -> Iterator[dict[str, list[str]]]:
    """Column -> its texts, a block of rows at a time."""
    names = None if separator == "," else wanted
    fields: list[str] = []  # of all rows of the block, one behind the other
    line = 0
    # Bytes that are no text are kept as surrogates, so that their line can be named.
    with io.TextIOWrapper(
        open_source(source, name), encoding=encoding, errors="surrogateescape", newline=""
    ) as handle:
        for line, text in enumerate(handle, start=1):
            row = _split(text.rstrip("\r\n"), separator, encoding, name, line)
            if names is None:
                names = row
                _check_header(names, wanted, name)
                continue
            if len(row) != len(names):
                raise DataError(
                    f"{name}, line {line}: {len(row)} fields, expected {len(names)}: {_cut(row)}"
                )
            fields.extend(row)
            if len(fields) >= BLOCK * len(names):
                yield {column: fields[names.index(column) :: len(names)] for column in wanted}
                fields = []
    if line == 0:
        raise DataError(f"{name}: the file is empty, expected the columns {wanted}")
    yield {column: fields[names.index(column) :: len(names)] for column in wanted}


def _split(text: str, separator: str, encoding: str, name: str, line: int) -> list[str]:
    """The fields of one line."""
    if not text:
        raise DataError(f"{name}, line {line}: empty line")
    bad = None if text.isascii() else re.search("[\udc80-\udcff]", text)
    if bad:
        part = text[max(bad.start() - 20, 0) : bad.end() + 20]
        value = part.encode("utf-8", "surrogateescape")
        raise DataError(f"{name}, line {line}: {value!r} is not {encoding} text")
    if separator != "," or '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:  # often a quote that is not closed: the field goes on
        raise DataError(
            f"{name}, line {line}: {error}, a row of CSV on one line was expected: {_cut(text)}"
        ) from None


def _check_header(names: list[str], wanted: list[str], name: str) -> None:
    for column in wanted:
        if column not in names:
            raise DataError(f"{name}, line 1: no column {column!r}; found {_cut(names)}")
        if names.count(column) > 1:
            raise DataError(f"{name}, line 1: column {column!r} twice, expected once")


def _check_length(texts: Sequence[str], column: str, name: str, first: int) -> None:
    for line, text in enumerate(texts, first):
        if len(text) > MAX_TEXT:
            raise DataError(_fault(name, line, column, text, f"at most {MAX_TEXT} characters"))


def _to_numbers(texts: Sequence[str], kind: type, column: str, name: str, first: int) -> np.ndarray:
    """The texts as `int` or `float`; DataError names the first that is no such number."""
    try:
        if UNUSUAL.search("\n".join(texts)):
            raise ValueError
        values = np.array([float(text) for text in texts])
    except ValueError:
        values = np.array([_number(text) for text in texts])
    bad = ~np.isfinite(values)
    if kind is int:  # further out a float may already be a neighbour of the number in the file
        bad |= (values != np.trunc(values)) | (np.abs(values) >= EXACT)
    if bad.any():
        row = int(bad.argmax())
        expected = "a whole number" if kind is int else "a number"
        raise DataError(_fault(name, first + row, column, texts[row], expected))
    return values.astype(kind)


def _number(text: str) -> float:
    """The number, NaN if the text is none."""
    try:
        return float("nan" if UNUSUAL.search(text) else text)
    except ValueError:
        return float("nan")


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
        value = str(table.loc[line, column])
        raise DataError(_fault(name, line, column, value, expected) + more)


def _fault(name: str, line: int, column: str, value: str, expected: str) -> str:
    return f"{name}, line {line}, {column}: {_cut(value)}, expected {expected}"


def _cut(value: object) -> str:
    """The value as Python writes it, cut off where nobody reads on."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} ..."


def check_names(table: pd.DataFrame, column: str, name: str) -> None:
    """Names are joined by `|`, each once, without stray spaces; an empty text holds no name.

    Args:
        table: as `read_table` gives it.
        column: the column of names.
        name: what to call the file in messages.

    Raises:
        DataError: for the first row where this is not so.
    """
    untidy = []
    for text in table[column]:
        names = text.split("|") if text else []
        is_tidy = all(part and part == part.strip() for part in names)
        untidy.append(not is_tidy or len(set(names)) < len(names))
    untidy = pd.Series(untidy, table.index, dtype=bool)
    fail(table, column, name, untidy, "names joined by |, each once, no stray spaces")


def check_ratings(table: pd.DataFrame, name: str, known_movies: pd.Series | None) -> pd.DataFrame:
    """Every user rates a film once, 0.5 to 5 stars; films are known if a list of them is given.

    Args:
        table: `RATING_KINDS` as `read_table` gives them, with line numbers as the index.
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
