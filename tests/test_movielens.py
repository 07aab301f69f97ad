"""What is true of `load_movielens`: five formats, folder or zip, nothing lost, nothing invented."""

import os
import re
import struct
import zipfile
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_utils import movielens
from recsys_utils.data import (
    AttributeTable,
    DataError,
    MovieLens,
    load_movielens,
    load_movies,
    load_ratings,
)
from recsys_utils.movielens import FLAGS, MAX_UNPACKED, natural_title, split_title
from recsys_utils.tables import DATA

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("MOVIELENS_SMALL", ROOT.parent / "shared/reference/ml-latest-small"))

# The same films in each format: with credits in the course, without, without a year.
TITLES = {
    6: "Heat (1995)",
    293: "Léon: The Professional (a.k.a. The Professional) (Léon) (1994)",
    2571: "Matrix, The (1999)",
    40697: "Babylon 5",
    171749: "Death Note: Desu nôto (2006–2007)",
    999999: "Nobody's Film, A (1950) ",
}
EXPECTED = [
    (6, "Heat", 1995, "Michael Mann", "Al Pacino", "Robert De Niro"),
    (293, "Léon: The Professional", 1994, "Luc Besson", "Jean Reno", "Gary Oldman"),
    (2571, "The Matrix", 1999, "Lana Wachowski|Lilly Wachowski", "Keanu Reeves", None),
    (40697, "Babylon 5", None, "", "", ""),
    (171749, "Death Note: Desu nôto", 2006, "", "", ""),
    (999999, "A Nobody's Film", 1950, "", "", ""),
]
RATINGS = [(1, 6, 4.0, 100), (1, 2571, 5.0, 90), (2, 6, 3.0, 80), (2, 999999, 1.0, 70)]


def csv_edition(end: str = "\n") -> dict[str, bytes]:
    films = [f'{i},"{title}",Crime|Drama' for i, title in TITLES.items()]
    films[3] = "40697,Babylon 5,(no genres listed)"
    rows = ["{},{},{},{}".format(*row) for row in RATINGS]
    return {
        "movies.csv": end.join(["movieId,title,genres", *films, ""]).encode(),
        "ratings.csv": end.join(["userId,movieId,rating,timestamp", *rows, ""]).encode(),
    }


def dat_edition(encoding: str) -> dict[str, bytes]:
    titles = {i: title.replace("–", "-") for i, title in TITLES.items()}  # not in Latin-1
    films = "".join(f"{i}::{title}::Crime|Drama\n" for i, title in titles.items())
    films = films.replace("Babylon 5::Crime|Drama", "Babylon 5::(no genres listed)")
    rows = "".join("{}::{}::{:.0f}::{}\n".format(*row) for row in RATINGS)
    return {"movies.dat": films.encode(encoding), "ratings.dat": rows.encode()}


def edition_100k() -> dict[str, bytes]:
    flags = "|".join("1" if flag in ("Crime", "Drama") else "0" for flag in FLAGS)
    unknown = "|".join("1" if flag == "unknown" else "0" for flag in FLAGS)
    films = "".join(
        f"{i}|{title.replace('–', '-')}|01-Jan-1995||http://x|{unknown if i == 40697 else flags}\n"
        for i, title in TITLES.items()
    )
    rows = "".join("{}\t{}\t{:.0f}\t{}\n".format(*row) for row in RATINGS)
    return {"u.item": films.encode("latin-1"), "u.data": rows.encode()}


EDITIONS = {
    "small": csv_edition("\r\n") | {"tags.csv": b"", "links.csv": b"", "README.txt": b""},
    "25M and 32M": csv_edition(),
    "10M": dat_edition("utf-8"),
    "1M": dat_edition("latin-1") | {"users.dat": b""},
    "100K": edition_100k() | {"u.user": b"", "u1.base": b"", "u.genre": b""},
}


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path: Path, files: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, **options)
    return path


def below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_movielens(path)
    return str(caught.value)


# --- Five formats --------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "one folder below"])
@pytest.mark.parametrize("write", [write_folder, write_zip], ids=["folder", "zip"])
@pytest.mark.parametrize("edition", EDITIONS)
def test_each_format_gives_the_same_tables(tmp_path, edition, write, nested):
    files = below("ml-x", EDITIONS[edition]) if nested else EDITIONS[edition]
    found = load_movielens(write(tmp_path / "it", files))
    assert isinstance(found, MovieLens)
    assert found.ratings.to_numpy().tolist() == [list(row) for row in RATINGS]
    assert found.ratings.dtypes.equals(load_ratings().dtypes)
    assert list(found.movies) == list(load_movies())
    assert found.movies["year"].dtype == "Int64"
    for film, (movie_id, title, year, director, actor_1, actor_2) in zip(
        found.movies.itertuples(), EXPECTED, strict=True
    ):
        assert (film.movieId, film.title) == (movie_id, title)
        assert film.year is pd.NA if year is None else film.year == year
        assert film.director == director
        assert film.actor_1 == actor_1
        assert actor_2 in (None, film.actor_2)
        assert film.genres == ("" if movie_id == 40697 else "Crime|Drama")
    assert not found.movies.drop(columns="year").isna().any(axis=None)


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_film_file_saved_again_as_utf_8_keeps_its_titles_and_credits(tmp_path, edition):
    """People do, because pandas asks for it; Notepad puts a byte order mark in front as well."""
    file = next(
        name for name in ("movies.csv", "movies.dat", "u.item") if name in EDITIONS[edition]
    )
    content = EDITIONS[edition][file]
    if edition in ("1M", "100K"):
        content = content.decode("latin-1").encode()
    for mark in (b"", BOM):
        files = EDITIONS[edition] | {file: mark + content}
        film = load_movielens(write_folder(tmp_path, files)).movies.iloc[1]
        assert (film["movieId"], film["title"]) == (293, "Léon: The Professional")
        assert film["director"] == "Luc Besson"


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_byte_order_mark_in_the_ratings_is_no_part_of_the_first_number(tmp_path, edition):
    file = next(
        name for name in ("ratings.csv", "ratings.dat", "u.data") if name in EDITIONS[edition]
    )
    files = EDITIONS[edition] | {file: BOM + EDITIONS[edition][file]}
    assert len(load_movielens(write_folder(tmp_path, files)).ratings) == len(RATINGS)


def test_a_fault_in_a_marked_file_is_named_as_in_any_other(tmp_path):
    films = BOM + EDITIONS["100K"]["u.item"].decode("latin-1").encode().replace(b"293|", b"x|")
    assert "u.item, line 2, movieId: 'x'" in message(
        write_folder(tmp_path, EDITIONS["100K"] | {"u.item": films})
    )


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_attribute_table_takes_each_format(tmp_path, edition):
    found = load_movielens(write_folder(tmp_path, EDITIONS[edition]))
    table = AttributeTable.from_movies(found.movies)
    assert table.labels[:1] + table.labels[3:4] == ["Heat (1995)", "Babylon 5"]
    assert {field for field in table.fields if field} == {
        "film", "director", "actor", "genre", "decade"
    }  # fmt: skip


def test_an_edition_without_any_film_of_the_course_is_read_too(tmp_path):
    files = {
        "movies.csv": b"movieId,title,genres\n999999,Nobody's Film,(no genres listed)\n",
        "ratings.csv": b"userId,movieId,rating,timestamp\n1,999999,4.0,1\n",
    }
    found = load_movielens(write_folder(tmp_path, files))
    table = AttributeTable.from_movies(found.movies)
    assert table.slots == ["film"]
    assert table.ids.tolist() == [[1]]


def test_the_path_may_be_a_string(tmp_path):
    write_folder(tmp_path, csv_edition())
    assert len(load_movielens(str(tmp_path)).ratings) == 4


def test_genres_keep_the_spelling_of_the_edition(tmp_path):
    files = csv_edition()
    files["movies.csv"] = files["movies.csv"].replace(b"Crime|Drama", b"Children's|Drama")
    assert load_movielens(write_folder(tmp_path, files)).movies["genres"][0] == "Children's|Drama"
    flags = EDITIONS["100K"]["u.item"].replace(b"0|0|0|0|0|0|1", b"0|0|0|0|1|0|1")
    found = load_movielens(write_folder(tmp_path / "100k", EDITIONS["100K"] | {"u.item": flags}))
    assert found.movies["genres"][0] == "Children's|Crime|Drama"


# --- Credits -------------------------------------------------------------------------------------


def with_films(path: Path, *rows: str) -> pd.DataFrame:
    text = "\n".join(["movieId,title,genres", *rows, ""])
    ratings = b"userId,movieId,rating,timestamp\n"
    return load_movielens(
        write_folder(path, {"movies.csv": text.encode(), "ratings.csv": ratings})
    ).movies


def test_a_renumbered_film_gets_no_credits(tmp_path):
    found = with_films(tmp_path, "6,Toy Story (1995),A", "1,Heat (1995),A", "47,Heat (1995),A")
    assert found["director"].tolist() == ["", "", ""]


def test_another_year_or_title_gets_no_credits(tmp_path):
    found = with_films(tmp_path, "6,Heat (1986),A", "2571,Matrix Two (1999),A", "47,Seven,A")
    assert found[["director", "actor_1", "actor_2"]].eq("").all(axis=None)


def test_accents_capitals_punctuation_and_ampersands_do_not_count(tmp_path):
    found = with_films(
        tmp_path, '293,"leon, the professional! (1994)",A', "2571,THE MATRIX (1999),A"
    )
    assert found["director"].tolist() == ["Luc Besson", "Lana Wachowski|Lilly Wachowski"]


def test_100k_has_its_own_ids_and_is_joined_by_title_and_year(tmp_path):
    files = EDITIONS["100K"]
    files = files | {"u.item": files["u.item"].replace(b"6|Heat", b"168|Heat", 1),
                     "u.data": files["u.data"].replace(b"\t6\t", b"\t168\t")}  # fmt: skip
    film = load_movielens(write_folder(tmp_path, files)).movies.iloc[0]
    assert (film["movieId"], film["director"]) == (168, "Michael Mann")


def test_two_films_of_the_course_with_one_title_and_year_give_no_credits_by_title(tmp_path):
    course = pd.read_csv(DATA / "movies.csv", keep_default_na=False)
    twin = course[course["movieId"] == 6].assign(movieId=7_000_000, director="Somebody Else")
    pd.concat([course, twin]).to_csv(tmp_path / "movies.csv", index=False)
    with patch.object(movielens, "DATA", tmp_path):
        by_title = load_movielens(write_folder(tmp_path / "a", EDITIONS["100K"])).movies
        by_id = load_movielens(write_folder(tmp_path / "b", EDITIONS["1M"])).movies
    assert by_title["director"].tolist()[:2] == ["", "Luc Besson"]
    assert by_id["director"][0] == "Michael Mann"


def test_every_film_of_the_course_gets_its_own_credits_back(tmp_path):
    course = load_movies()
    rows = [f'{f.movieId},"{f.title} ({f.year})",{f.genres}' for f in course.itertuples()]
    pd.testing.assert_frame_equal(with_films(tmp_path, *rows), course.astype({"year": "Int64"}))


# --- Titles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title, expected",
    [
        ("Matrix, The (1999)", ("The Matrix", 1999)),
        ("Toy Story (1995) ", ("Toy Story", 1995)),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)",
         ("The City of Lost Children", 1995)),
        ("(500) Days of Summer (2009)", ("(500) Days of Summer", 2009)),
        ("2001: A Space Odyssey (1968)", ("2001: A Space Odyssey", 1968)),
        ("1984 (Nineteen Eighty-Four) (1984)", ("1984", 1984)),
        ("Avventura, L' (Adventure, The) (1960)", ("L'Avventura", 1960)),
        ("Beautiful Mind, A (2001)", ("A Beautiful Mind", 2001)),
        ("American in Paris, An (1951)", ("An American in Paris", 1951)),
        ("I, Robot (2004)", ("I, Robot", 2004)),
        ("Land Before Time III, The (1995) (V)", ("The Land Before Time III", 1995)),
        ("Burning Love (Palava rakkaus) (1983))", ("Burning Love", 1983)),
        ("Fawlty Towers (1975-1979)", ("Fawlty Towers", 1975)),
        ("Death Note: Desu nôto (2006–2007)", ("Death Note: Desu nôto", 2006)),
        ("Big Bang Theory, The (2007-)", ("The Big Bang Theory", 2007)),
        ("Doctor Who (2005– )", ("Doctor Who", 2005)),
        ("Babylon 5", ("Babylon 5", None)),
        ("Millions Game, The (Das Millionenspiel)", ("The Millions Game", None)),
        ("Zero (0000)", ("Zero", None)),
        ("unknown", ("unknown", None)),
        ("(1995)", ("(1995)", None)),
        ("", ("", None)),
    ],
)  # fmt: skip
def test_a_title_is_split_into_natural_title_and_year(title, expected):
    assert split_title(title) == expected


def test_commas_that_are_no_article_stay():
    for title in ("Girl, Interrupted", "Lock, Stock & Two Smoking Barrels", "Monsters, Inc."):
        assert natural_title(title) == title


@given(st.text(max_size=40), st.integers(1900, 2099))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_any_title_keeps_its_year_and_no_title_is_lost(title, year):
    assert split_title(title)[0] or not title.strip()
    if title.strip():
        assert split_title(f"{title.strip()} ({year})")[1] == year


# --- Faults in the tables ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edition, file, old, new, said",
    [
        ("25M and 32M", "ratings.csv", b"2,999999", b"2,8", ["line 5", "movieId", "'8'"]),
        ("1M", "ratings.dat", b"2::999999", b"2::8", ["line 4", "movieId", "'8'"]),
        ("100K", "u.data", b"2\t999999", b"2\t8", ["line 4", "movieId", "'8'"]),
        ("1M", "ratings.dat", b"::3::", b"::three::", ["line 3", "rating", "'three'"]),
        ("1M", "ratings.dat", b"::80", b"::80::1", ["line 3", "5 fields, expected 4"]),
        ("1M", "ratings.dat", b"1::2571", b"1:2571", ["line 2", "3 fields"]),
        ("100K", "u.data", b"\t80", b"", ["line 3", "3 fields"]),
        ("100K", "u.data", b"2\t6\t3", b"1\t6\t3", ["line 3", "movieId", "'6'", "one rating"]),
        ("small", "movies.csv", b"293,", b"6,", ["line 3", "movieId", "'6'", "one row"]),
        ("small", "movies.csv", b"293,", b"x,", ["line 3", "movieId", "'x'"]),
        ("small", "movies.csv", b'"Heat (1995)"', b'" "', ["line 2", "title", "' '"]),
        ("small", "movies.csv", b'"Heat (1995)"', b'"Heat\r\n(1995)"', ["line 2", "on one line"]),
        ("small", "movies.csv", b"genres", b"kinds", ["line 1", "'genres'"]),
        ("small", "movies.csv", "é".encode(), b"\xe9", ["line 3", "xe9", "utf-8"]),
        ("1M", "movies.dat", b"::Heat", b":Heat", ["line 1", "2 fields, expected 3"]),
        ("100K", "u.item", b"|1|", b"|2|", ["line 1", "Crime", "'2'", "0 or 1"]),
        ("100K", "u.item", b"|01-Jan-1995", b"", ["line 1", "23 fields, expected 24"]),
        ("25M and 32M", "ratings.csv", b"5.0", b"5.5", ["line 3", "rating", "'5.5'"]),
    ],
)
@pytest.mark.parametrize("write", [write_folder, write_zip], ids=["folder", "zip"])
def test_a_fault_is_named_with_file_line_and_value(tmp_path, write, edition, file, old, new, said):
    content = EDITIONS[edition][file]
    assert old in content
    files = below("ml", EDITIONS[edition] | {file: content.replace(old, new, 1)})
    found = message(write(tmp_path / "it", files))
    assert found.startswith(f"ml/{file}, line")
    assert all(part in found for part in said), found


@pytest.mark.parametrize("file", ["ratings.dat", "u.data", "ratings.csv", "movies.csv"])
def test_an_empty_file_is_named(tmp_path, file):
    edition = next(files for files in EDITIONS.values() if file in files)
    assert f"{file}: the file is empty" in message(write_folder(tmp_path, edition | {file: b""}))


def test_where_nothing_is_found_the_error_says_what_was_looked_for_and_what_is_there(tmp_path):
    found = message(write_folder(tmp_path, {"notes.txt": b"", "a/b/ratings.csv": b""}))
    for part in ("ratings.csv with movies.csv", "ratings.dat", "u.item", "notes.txt"):
        assert part in found
    assert "nothing" in message(write_zip(tmp_path / "empty.zip", {}))


def test_both_files_must_stand_in_the_same_folder(tmp_path):
    files = csv_edition()
    found = message(
        write_folder(tmp_path, {"ratings.csv": files["ratings.csv"], "x/movies.csv": b""})
    )
    assert "no MovieLens edition" in found


def test_two_editions_are_not_chosen_between(tmp_path):
    files = below("ml-1m", EDITIONS["1M"]) | below("ml-100k", EDITIONS["100K"])
    assert "several editions" in message(write_folder(tmp_path / "both", files))
    assert "several editions" in message(write_zip(tmp_path / "both.zip", files))


def test_the_edition_in_the_folder_itself_goes_before_those_below(tmp_path):
    files = below("old", EDITIONS["1M"]) | csv_edition("\n")
    assert load_movielens(write_folder(tmp_path, files)).movies["title"][4].startswith("Death")


def test_the_course_s_own_folder_is_sent_to_its_own_loaders():
    assert "load_movies" in message(DATA)


def test_what_is_no_folder_and_no_zip_is_refused(tmp_path):
    assert "no such folder or zip" in message(tmp_path / "gone")
    (tmp_path / "ratings.csv").write_bytes(csv_edition()["ratings.csv"])
    assert "neither a folder nor a sound zip" in message(tmp_path / "ratings.csv")
    assert "neither a folder" in message(Path("nul\0byte"))


# --- Zips that are not what they should be -------------------------------------------------------


def test_a_zip_is_read_without_writing_anything_anywhere(tmp_path):
    names = ["../evil.csv", "/abs.csv", "..\\evil.csv", "../ratings.csv", "../movies.csv",
             "/ratings.csv", "/movies.csv", "../../ml/ratings.csv"]  # fmt: skip
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    path = write_zip(inner / "it.zip", dict.fromkeys(names, b"evil") | csv_edition())
    before = sorted(tmp_path.rglob("*"))
    assert len(load_movielens(path).ratings) == 4
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("folder", ["..", "../x", "a/..", "", "/x", "a/b"])
def test_names_that_lead_out_of_the_zip_or_deep_into_it_are_not_taken(tmp_path, folder):
    path = write_zip(tmp_path / "it.zip", below(folder, csv_edition()))
    assert "no MovieLens edition" in message(path)


def test_the_limit_lets_movielens_32m_through_but_not_much_more():
    assert 0.9e9 < MAX_UNPACKED < 2e9


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path):
    path = write_zip(tmp_path / "it.zip", csv_edition())
    with patch.object(movielens, "MAX_UNPACKED", 100):
        assert "it.zip, movies.csv" in message(path)
        assert "limit 100" in message(path)


def change_directory(path: Path, name: str, offset: int, value: bytes) -> None:
    """Overwrite bytes of a member's entry in the zip's directory, which stands at its end."""
    content = bytearray(path.read_bytes())
    entries = [m.start() for m in re.finditer(b"PK\x01\x02", content)]
    entry = next(e for e in entries if content[e + 46 :].startswith(name.encode()))
    content[entry + offset : entry + offset + len(value)] = value
    path.write_bytes(content)


def test_a_file_that_declares_a_huge_size_is_refused_before_it_is_read(tmp_path):
    path = write_zip(tmp_path / "it.zip", csv_edition())
    change_directory(path, "ratings.csv", 24, struct.pack("<L", 3_000_000_000))
    assert "ratings.csv: 3,000,000,000 bytes unpacked, limit 1,073,741,824" in message(path)


def test_a_file_that_declares_less_than_it_holds_is_not_read_beyond_that(tmp_path):
    for file in ("ratings.csv", "movies.csv"):
        path = write_zip(tmp_path / "it.zip", csv_edition())
        change_directory(path, file, 24, struct.pack("<L", 50))
        assert "the zip is damaged" in message(path)
        assert "CRC" in message(path)


def test_an_encrypted_file_is_refused(tmp_path):
    path = write_zip(tmp_path / "it.zip", csv_edition())
    change_directory(path, "movies.csv", 8, b"\x01")
    assert "movies.csv: encrypted" in message(path)


def test_a_zip_that_is_cut_off_or_packed_in_an_unknown_way_is_refused(tmp_path):
    path = write_zip(tmp_path / "it.zip", csv_edition())
    change_directory(path, "movies.csv", 10, b"\x63")
    assert "damaged" in message(path)
    content = path.read_bytes()
    for length in (0, 1, 30, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:length])
        assert "sound zip" in message(path)


ways = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])


@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(ways, st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=3))
def test_a_zip_with_wrong_bytes_gives_all_ratings_or_a_data_error(tmp_path, way, changes):
    path = write_zip(tmp_path / "it.zip", csv_edition(), compress_type=way)
    content = bytearray(path.read_bytes())
    for place, change in changes:
        content[int(place * (len(content) - 1))] ^= change
    path.write_bytes(content)
    try:
        found = load_movielens(path)
    except DataError:
        return
    assert found.ratings.to_numpy().tolist() == [list(row) for row in RATINGS]
    assert found.movies["movieId"].tolist() == list(TITLES)


# --- The real thing ------------------------------------------------------------------------------


@pytest.mark.skipif(
    not REAL.is_dir(),
    reason="no ml-latest-small here: set MOVIELENS_SMALL to its folder to run this test",
)
def test_movielens_latest_small_is_read_whole():
    found = load_movielens(REAL)
    assert len(found.ratings) == 100_836
    assert found.ratings["userId"].nunique() == 610
    assert len(found.movies) == 9_742
    assert found.movies["year"].isna().sum() == 12
    course = load_movies()
    credited = found.movies[found.movies["director"] != ""]
    assert len(credited) == (course["director"] != "").sum() == 1_027
    joined = credited.merge(course, on=["movieId", "year"], suffixes=("", "_course"))
    assert len(joined) == len(credited)
    for column in ("title", "director", "actor_1", "actor_2"):
        assert (joined[column] == joined[f"{column}_course"]).all()
    assert AttributeTable.from_movies(found.movies).n_items == 9_742
