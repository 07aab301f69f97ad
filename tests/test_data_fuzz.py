"""Whatever is done to a file, its loader gives every row of it or an error that names the place.

`test_data.py` and `test_movielens.py` say what a loader makes of one fault. Here good files are
damaged at random, in all formats, and each test at the end is something that fuzzing has found.
`scripts/fuzz_loaders.py` looks for more, with atheris.
"""

import csv
import errno
import json
import re
import stat
import time
import zipfile
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_movielens import EDITIONS, below, change_directory, write_folder, write_zip
from test_movielens import message as message_of

from recsys_utils import movielens
from recsys_utils.checks import storing
from recsys_utils.data import (
    AttributeTable,
    DataError,
    load_movielens,
    load_movies,
    load_ratings,
)
from recsys_utils.movielens import MAX_FILMS, MAX_RATIO
from recsys_utils.tables import DATA, MAX_TEXT


def budget(examples: int):
    return settings(
        max_examples=examples, derandomize=True, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example rewrites it
    )  # fmt: skip


# --- Good files, and what can happen to them -----------------------------------------------------


def first_lines(name: str, n: int) -> bytes:
    return b"".join((DATA / name).read_bytes().splitlines(keepends=True)[:n])


# (edition, file); the edition "course" is this course's own format.
GOOD = {("course", name): first_lines(name, 6) for name in ("movies.csv", "ratings.csv")} | {
    (edition, name): content
    for edition, files in EDITIONS.items()
    for name, content in files.items()
    if name in ("movies.csv", "ratings.csv", "movies.dat", "ratings.dat", "u.item", "u.data")
}
FEW_FILMS = {"movies.csv": first_lines("movies.csv", 6)}  # credits are looked up faster in these
BOM = b"\xef\xbb\xbf"
ODD = [b"", b" ", b"nan", b"inf", b"-1", b"-0", b"1e400", b"9" * 30, b"1_0", b"0x6", b"6.5",
       b"True", b"NULL", b"\xd9\xa3", b'"', b'""', b"\0", b"\xff", b"x" * 200_000,
       b"9" * 5_000]  # fmt: skip
KINDS = ["byte", "cut", "BOM", "line ends", "encoding", "twice", "lose", "new", "odd", "swap",
         "drop"]  # fmt: skip


def separator(name: str) -> bytes:
    return {"csv": b",", "dat": b"::", "data": b"\t", "item": b"|"}[name.rpartition(".")[2]]


def damage(draw, content: bytes, name: str) -> bytes:
    """One thing that happens to files: in an editor, a spreadsheet, a broken copy."""
    lines, between = content.splitlines(keepends=True), separator(name)
    if not lines:
        return content
    row = draw(st.integers(0, len(lines) - 1))
    fields = lines[row].split(between)
    one, other = (draw(st.integers(0, len(fields) - 1)) for _ in range(2))
    kind = draw(st.sampled_from(KINDS))
    match kind:
        case "byte":
            place = draw(st.integers(0, len(content) - 1))
            new = bytes([draw(st.integers(0, 255))])
            return content[:place] + new + content[place + 1 :]
        case "cut":
            return content[: draw(st.integers(0, len(content)))]
        case "BOM":
            return BOM + content
        case "line ends":
            return re.sub(rb"\r?\n", draw(st.sampled_from([b"\r\n", b"\r", b"\n\n"])), content)
        case "encoding":
            text = content.decode("utf-8", "replace")
            return text.encode(draw(st.sampled_from(["utf-16", "utf-16-le", "cp1252"])), "replace")
        case "twice":
            return b"".join([*lines, lines[row]])
        case "odd":
            fields[one] = draw(st.sampled_from(ODD))
        case "swap":
            fields[one], fields[other] = fields[other], fields[one]
        case "drop":
            del fields[one]
        case "lose":
            return b"".join(lines[:row] + lines[row + 1 :])
        case "new":
            lines.insert(row, draw(st.binary(max_size=20)) + b"\n")
            return b"".join(lines)
    lines[row] = between.join(fields)
    return b"".join(lines)


@st.composite
def damaged(draw, content: bytes, name: str) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        content = damage(draw, content, name)
    return content


def ids_in(content: bytes, name: str) -> list[float]:
    """The first id of each line, by the standard library alone."""
    lines = re.split(rb"\r\n|\r|\n", content.replace(BOM, b""))
    lines = [line.decode("latin-1") for line in (lines if lines[-1] else lines[:-1])]
    if not name.endswith("csv"):
        return [float(line.split(separator(name).decode())[0]) for line in lines]
    head, *rows = csv.reader(lines)
    place = head.index("userId" if name.startswith("ratings") else "movieId")
    return [float(row[place]) for row in rows]


def load(folder: Path, edition: str, name: str) -> pd.DataFrame:
    if edition == "course":
        return (load_movies if name == "movies.csv" else load_ratings)(folder / name)
    found = load_movielens(folder)
    return found.ratings if name in ("ratings.csv", "ratings.dat", "u.data") else found.movies


@pytest.mark.parametrize("edition, name", GOOD, ids=lambda part: part)
def test_a_damaged_file_gives_all_its_rows_or_an_error_that_names_the_place(
    tmp_path, edition, name
):
    write_folder(tmp_path, EDITIONS.get(edition, {}))
    good = GOOD[edition, name]

    @budget(40)
    @given(damaged(good, name))
    def check(content):
        (tmp_path / name).write_bytes(content)
        try:
            table = load(tmp_path, edition, name)
        except DataError as error:
            # A film that went from the film table is missed where it is rated.
            assert re.match(
                rf"({name}|ratings\.csv|ratings\.dat|u\.data)(, line \d+|: )", str(error)
            )
            assert len(str(error)) < 2_000
            assert ", line " in str(error) or "empty" in str(error) or "own format" in str(error)
            return
        id_column = "userId" if "userId" in table else "movieId"
        assert table[id_column].tolist() == ids_in(content, name)

    with patch.object(movielens, "DATA", write_folder(tmp_path / "a/few films", FEW_FILMS)):
        check()


@pytest.mark.parametrize("edition, name", GOOD, ids=lambda part: part)
def test_a_row_that_stands_twice_is_named(tmp_path, edition, name):
    good = GOOD[edition, name]
    write_folder(tmp_path, EDITIONS.get(edition, {}) | {name: good})
    n_rows = len(load(tmp_path, edition, name))
    n_lines = len(good.splitlines())
    assert n_lines == n_rows + name.endswith("csv")
    for row in good.splitlines(keepends=True)[-n_rows:]:
        (tmp_path / name).write_bytes(good + row)
        with pytest.raises(DataError, match=rf"{name}, line {n_lines + 1}, movieId: .* one r"):
            load(tmp_path, edition, name)


@pytest.mark.parametrize("content", [b"", b"\0", b"\n", BOM, b"PK\x05\x06", b"\x80\x04K."])
@pytest.mark.parametrize("edition, name", GOOD, ids=lambda part: part)
def test_a_file_that_holds_nothing_readable_is_refused(tmp_path, edition, name, content):
    write_folder(tmp_path, EDITIONS.get(edition, {}) | {name: content})
    with pytest.raises(DataError, match=rf"^{name}(, line 1|: the file is empty)"):
        load(tmp_path, edition, name)


# --- Very long lines, columns and names ----------------------------------------------------------

HEAD = first_lines("ratings.csv", 1)


def refused(path: Path, content: bytes) -> str:
    """The error, which must come at once and be short enough to be read."""
    path.write_bytes(content)
    start = time.process_time()
    with pytest.raises(DataError) as caught:
        load_ratings(path)
    assert time.process_time() - start < 2
    assert len(str(caught.value)) < 1_000
    return str(caught.value)


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("number", [b"1" * 5_000, b"1" * 20_000 + b"x", b"9" * 130_000])
def test_a_number_with_thousands_of_digits_is_named_at_once(tmp_path, column, number):
    """Python turns no more than 4,300 digits into an int; 20,000 and a letter took 13 seconds."""
    row = [b"1", b"6", b"4.0", b"100"]
    row[column] = number
    said = refused(tmp_path / "r.csv", HEAD + b",".join(row) + b"\n")
    assert said.startswith("r.csv, line 2, ") and said.endswith("number")


@pytest.mark.parametrize("before", [b"", b"1,6,4.0,100\n"])
def test_a_line_with_a_hundred_thousand_fields_is_named_at_once(tmp_path, before):
    """As the first row it took 20 seconds, and its message had 400,000 characters."""
    said = refused(tmp_path / "r.csv", HEAD + before + b"," * 100_000 + b"\n")
    assert f"line {3 if before else 2}: 100001 fields, expected 4: ['', ''" in said
    said = refused(tmp_path / "r.csv", b"," * 100_000 + b"\n")
    assert "line 1: no column 'userId'; found ['', ''" in said


def test_of_two_columns_with_one_name_none_is_chosen(tmp_path):
    twice = HEAD.replace(b"timestamp", b"timestamp,rating") + b"1,6,4.0,100,1.0\n"
    assert (
        refused(tmp_path / "r.csv", twice) == "r.csv, line 1: column 'rating' twice, expected once"
    )


@pytest.mark.parametrize("load_one", [load_ratings, load_movies])
def test_a_file_name_that_is_too_long_is_refused(load_one):
    with pytest.raises(DataError, match=r"cannot be opened: .*File name too long"):
        load_one("x" * 5_000)


# --- Zips ----------------------------------------------------------------------------------------


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    files = EDITIONS["25M and 32M"] | {"movies.csv": b"0" * 10_000_000}
    bomb = write_zip(tmp_path / "bomb.zip", files)
    with patch.object(zipfile.ZipExtFile, "read", side_effect=AssertionError("it was read")):
        said = message_of(bomb)
    assert f"10,000,000 bytes unpacked, more than {MAX_RATIO} times the zip" in said
    assert "give the folder" in said


def test_movielens_itself_is_far_from_the_limits():
    packed, ratings, films = 239e6, 877e6, 4.2e6  # bytes of MovieLens 32M
    assert ratings / packed < MAX_RATIO / 20
    assert films * 3 < MAX_FILMS < films * 6  # in memory it is 30 times as large


def test_a_film_file_that_is_larger_than_any_list_of_films_is_refused(tmp_path):
    path = write_zip(tmp_path / "it.zip", EDITIONS["1M"])
    change_directory(path, "movies.dat", 24, (MAX_FILMS + 1).to_bytes(4, "little"))
    assert f"movies.dat: {MAX_FILMS + 1:,} bytes unpacked, limit {MAX_FILMS:,}" in message_of(path)


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_in_one_go_are_refused(tmp_path, way):
    """A bzip2 file of 2 kB that says it holds 1 kB took 4 GB of memory."""
    path = write_zip(tmp_path / "it.zip", EDITIONS["1M"], compress_type=way)
    assert f"movies.dat: damaged, or packed by method {way}, expected 0 or 8" in message_of(path)


def test_stored_and_deflated_zips_are_read(tmp_path):
    for way in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = write_zip(tmp_path / f"{way}.zip", EDITIONS["1M"], compress_type=way)
        assert len(load_movielens(path).ratings) == 4


def test_of_two_files_with_one_name_none_is_chosen(tmp_path):
    path = write_zip(tmp_path / "it.zip", EDITIONS["1M"])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("ratings.dat", b"1::6::1::1\n")
    assert "it.zip, ratings.dat: twice in the zip" in message_of(path)


def test_a_link_in_a_zip_is_not_followed(tmp_path):
    (tmp_path / "outside.dat").write_bytes(EDITIONS["1M"]["ratings.dat"])
    link = zipfile.ZipInfo("ratings.dat")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "it.zip", "w") as archive:
        archive.writestr("movies.dat", EDITIONS["1M"]["movies.dat"])
        archive.writestr(link, str(tmp_path / "outside.dat"))
    assert "ratings.dat, line 1: 1 fields, expected 4" in message_of(tmp_path / "it.zip")


def test_a_zip_within_a_zip_is_not_opened(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", EDITIONS["1M"]).read_bytes()
    outer = write_zip(tmp_path / "outer.zip", {"ml-1m.zip": inner})
    assert "no MovieLens edition" in message_of(outer)
    renamed = write_zip(tmp_path / "it.zip", EDITIONS["25M and 32M"] | {"ratings.csv": inner})
    assert message_of(renamed).startswith("ratings.csv, line 1")


def test_long_names_in_a_zip_do_not_make_a_long_message(tmp_path):
    path = write_zip(tmp_path / "it.zip", {f"{i}" * 9_000: b"" for i in range(9)})
    assert "no MovieLens edition" in message_of(path)
    assert len(message_of(path)) < 2_000
    path = write_zip(tmp_path / "deep.zip", below("x" * 300, EDITIONS["25M and 32M"]))
    assert "no MovieLens edition" in message_of(path)


def test_a_path_that_is_too_long_is_refused():
    assert "File name too long" in message_of(Path("x" * 5_000))


# --- Film tables ---------------------------------------------------------------------------------


def test_one_wrong_byte_does_not_garble_all_titles(tmp_path):
    """10M is in UTF-8, 1M in Latin-1: damaged UTF-8 must not be read as Latin-1, as "LÃ©on"."""
    films = EDITIONS["10M"]["movies.dat"]
    assert "Léon".encode() in films
    write_folder(tmp_path, EDITIONS["10M"] | {"movies.dat": films.replace(b"Heat", b"H\xe9at")})
    assert message_of(tmp_path).startswith("movies.dat, line 1: b'6::H\\xe9at")
    assert "is not utf-8-sig text" in message_of(tmp_path)


def test_an_endless_title_is_refused_at_once(tmp_path):
    """Titles with thousands of brackets took minutes."""
    title = "(1995) " * 15_000 + "x"
    for edition, name in [("25M and 32M", "movies.csv"), ("1M", "movies.dat"), ("100K", "u.item")]:
        films = EDITIONS[edition][name].replace(b"Heat (1995)", title.encode())
        write_folder(tmp_path / edition, EDITIONS[edition] | {name: films})
        start = time.process_time()
        assert f"expected at most {MAX_TEXT} characters" in message_of(tmp_path / edition)
        assert time.process_time() - start < 2


def test_no_films_at_all_is_said_so():
    with pytest.raises(ValueError, match="0 items and 5 fields, expected at least one"):
        AttributeTable.from_movies(load_movies().head(0))
    with pytest.raises(ValueError, match="1 items and 0 fields, expected at least one"):
        AttributeTable.from_lists([1], ["a"], {})


# --- progress.json -------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
notes = st.one_of(
    st.binary(max_size=40),
    values.map(json.dumps).map(str.encode),
    st.dictionaries(st.text(max_size=5), values).map(lambda v: json.dumps({"solved": v}).encode()),
    st.sampled_from([b"[" * 20_000, b'{"solved":' * 20_000, b"9" * 5_000, b'{"solved": {}'])
)  # fmt: skip


@budget(80)
@given(notes)
def test_whatever_is_in_progress_json_is_read_or_kept_aside(tmp_path, content):
    file, aside = tmp_path / "progress.json", tmp_path / "progress.damaged-1.json"
    file.write_bytes(content)
    with patch.object(storing, "place", lambda: file):
        solved, trouble = storing.load()
        assert all(type(part) is str for pair in solved.items() for part in pair)
        if trouble:
            assert not solved and aside.read_bytes() == content
            aside.unlink()
        assert storing.mark("01.1") == ""
        assert storing.load() == ({**solved, "01.1": solved.get("01.1", stored_day(file))}, "")


def stored_day(file: Path) -> str:
    return json.loads(file.read_text())["solved"]["01.1"]


@pytest.fixture
def progress(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "progress.json"


def test_progress_that_an_editor_has_saved_is_still_read(progress):
    progress.write_text('{"solved": {"01.1": "2026-01-01"}}', encoding="utf-8-sig")
    assert storing.load() == ({"01.1": "2026-01-01"}, "")


def test_a_file_that_cannot_be_read_now_is_not_written_over(progress):
    progress.write_text('{"solved": {"01.1": "2026-01-01"}}')
    fault = PermissionError(errno.EACCES, "Permission denied")
    with patch.object(Path, "read_text", side_effect=fault):
        said = storing.mark("02.1")
    assert said.startswith("This cannot be stored in progress.json") and "Permission" in said
    assert storing.load() == ({"01.1": "2026-01-01"}, "")


def test_a_damaged_file_that_cannot_be_set_aside_is_not_written_over(progress):
    progress.write_text("{")
    with patch.object(Path, "rename", side_effect=PermissionError(errno.EACCES, "Read-only")):
        assert storing.load() == ({}, "progress.json is damaged and cannot be renamed: Read-only.")
        assert storing.mark("02.1").endswith("cannot be renamed: Read-only.")
    assert progress.read_text() == "{"
