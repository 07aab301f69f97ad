"""What is true of the course's data, of its loaders and of the attribute table."""

import csv
import io
import re
import unicodedata
from dataclasses import FrozenInstanceError
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recsys_utils import tables
from recsys_utils.data import AttributeTable, DataError, load_movies, load_ratings
from recsys_utils.splits import leave_one_out_split
from recsys_utils.tables import RATING_KINDS, read_table

CREDITS = ["director", "actor_1", "actor_2"]
budget = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example rewrites the file
)


@pytest.fixture(scope="module")
def movies() -> pd.DataFrame:
    return load_movies()


@pytest.fixture(scope="module")
def ratings(movies) -> pd.DataFrame:
    return load_ratings(movies=movies)


@pytest.fixture(scope="module")
def table(movies) -> AttributeTable:
    return AttributeTable.from_movies(movies)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "table.csv"


def outcome(load, *arguments) -> pd.DataFrame | str:
    """The table, or the DataError's message."""
    try:
        return load(*arguments)
    except DataError as error:
        return str(error)


# --- The course's data ---------------------------------------------------------------------------


def test_the_course_has_1029_films_63122_ratings_and_671_users(movies, ratings):
    assert len(movies) == 1_029
    assert len(ratings) == 63_122
    assert ratings["userId"].nunique() == 671


def test_columns_and_types_are_as_documented(movies, ratings):
    assert list(movies) == ["movieId", "title", "year", *CREDITS, "genres"]
    assert movies["movieId"].dtype == movies["year"].dtype == "int64"
    assert not movies.isna().any(axis=None)
    assert movies.index.equals(pd.RangeIndex(len(movies)))
    assert list(ratings) == ["userId", "movieId", "rating", "timestamp"]
    assert [str(t) for t in ratings.dtypes] == ["int64", "int64", "float64", "int64"]
    assert ratings.index.equals(pd.RangeIndex(len(ratings)))


def test_films_with_ratings_and_films_in_the_table_are_the_same(movies, ratings):
    assert set(ratings["movieId"]) == set(movies["movieId"])


def test_every_film_has_at_least_25_ratings(ratings):
    assert ratings.groupby("movieId").size().min() >= 25


def test_ratings_are_half_stars_and_likes_are_not_rare(ratings):
    assert set(ratings["rating"]) == {s / 2 for s in range(1, 11)}
    assert 0.5 < (ratings["rating"] >= 4).mean() < 0.6


def test_ratings_are_in_the_order_user_time_film(ratings):
    keys = ["userId", "timestamp", "movieId"]
    assert ratings[keys].equals(ratings.sort_values(keys, ignore_index=True)[keys])


def people(movies) -> set[str]:
    return {name for c in CREDITS for names in movies[c] for name in names.split("|") if name}


def plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(filter(str.isalnum, letters))


def test_each_person_is_spelled_in_one_way(movies):
    spellings = {}
    for name in people(movies):
        spellings.setdefault(plain(name), set()).add(name)
    assert not [names for names in spellings.values() if len(names) > 1]
    assert all(spellings)  # no name without letters


def test_names_genres_and_titles_hold_no_stray_characters(movies):
    parts = {p for c in ["title", *CREDITS, "genres"] for v in movies[c] for p in v.split("|")}
    assert not [p for p in parts if p != " ".join(p.split()) or not p.isprintable()]


def test_no_film_has_the_same_person_twice_as_lead_or_as_director(movies):
    leads = movies.loc[movies["actor_1"] != ""]
    assert (leads["actor_1"] != leads["actor_2"]).all()
    for names in movies["director"].str.split("|"):
        assert len(set(names)) == len(names)


def test_no_second_lead_without_a_first(movies):
    assert (movies.loc[movies["actor_2"] != "", "actor_1"] != "").all()


def test_titles_are_in_natural_order_and_without_years(movies):
    assert not movies["title"].str.contains(r", (?:The|An?|L[ae]s?|Das|Der|Die|Il|El)$").any()
    assert not movies["title"].str.contains(r"\(\d{4}\)").any()


def test_title_and_year_name_one_film(movies):
    assert not movies.duplicated(["title", "year"]).any()


def test_every_film_has_a_genre_and_nearly_every_film_a_director(movies):
    assert (movies["genres"] != "").all()
    assert (movies["director"] != "").sum() >= 1_025


@pytest.mark.parametrize(
    "title, year, director, actor_1, actor_2, genre",
    [
        ("Heat", 1995, "Michael Mann", "Al Pacino", "Robert De Niro", "Crime"),
        ("Toy Story", 1995, "John Lasseter", "Tom Hanks", "Tim Allen", "Animation"),
        ("Pulp Fiction", 1994, "Quentin Tarantino", "John Travolta", "Samuel L. Jackson", "Crime"),
        ("Forrest Gump", 1994, "Robert Zemeckis", "Tom Hanks", "Robin Wright", "Drama"),
        ("The Godfather", 1972, "Francis Ford Coppola", "Marlon Brando", "Al Pacino", "Crime"),
        ("Casablanca", 1942, "Michael Curtiz", "Humphrey Bogart", "Ingrid Bergman", "Romance"),
        ("Alien", 1979, "Ridley Scott", "Tom Skerritt", "Sigourney Weaver", "Horror"),
        ("Jaws", 1975, "Steven Spielberg", "Roy Scheider", "Robert Shaw", "Horror"),
        ("Chinatown", 1974, "Roman Polanski", "Jack Nicholson", "Faye Dunaway", "Mystery"),
        ("Vertigo", 1958, "Alfred Hitchcock", "James Stewart", "Kim Novak", "Mystery"),
        ("Inception", 2010, "Christopher Nolan", "Leonardo DiCaprio", None, "Sci-Fi"),
        ("Titanic", 1997, "James Cameron", "Leonardo DiCaprio", "Kate Winslet", "Romance"),
        ("Taxi Driver", 1976, "Martin Scorsese", "Robert De Niro", None, "Thriller"),
    ],
)
def test_famous_films_have_their_credits(movies, title, year, director, actor_1, actor_2, genre):
    film = movies[(movies["title"] == title) & (movies["year"] == year)].iloc[0]
    assert (film["director"], film["actor_1"]) == (director, actor_1)
    assert actor_2 in (None, film["actor_2"])
    assert genre in film["genres"].split("|")


def test_films_with_two_directors_keep_both(movies):
    film = movies[movies["title"] == "The Matrix"].iloc[0]
    assert len(film["director"].split("|")) == 2
    assert all("Wachowski" in name for name in film["director"].split("|"))


# --- The attribute table -------------------------------------------------------------------------


def attributes(table: AttributeTable, row: int, field: str) -> list[str]:
    """The names in the slots of this field, empty ones left out."""
    slots = [i for i, name in enumerate(table.slot_fields) if name == field]
    return [table.names[table.ids[row, i]] for i in slots if table.mask[row, i]]


def test_the_table_says_what_the_file_says(table):
    with open(tables.DATA / "movies.csv", encoding="utf-8", newline="") as handle:
        films = list(csv.DictReader(handle))
    assert table.n_items == len(films)
    for row, film in enumerate(films):
        label = f"{film['title']} ({film['year']})"
        assert table.item_ids[row] == int(film["movieId"])
        assert table.labels[row] == label
        assert attributes(table, row, "film") == [label]
        assert attributes(table, row, "director") == [n for n in film["director"].split("|") if n]
        assert attributes(table, row, "actor") == [
            n for n in (film["actor_1"], film["actor_2"]) if n
        ]
        assert attributes(table, row, "genre") == film["genres"].split("|")
        assert attributes(table, row, "decade") == [film["year"][:3] + "0s"]


def test_every_attribute_stands_in_a_slot_of_its_field(table):
    for slot, field in enumerate(table.slot_fields):
        used = table.ids[:, slot][table.mask[:, slot]].unique().tolist()
        assert {table.fields[i] for i in used} == {field}


def test_number_0_is_the_empty_slot_and_nothing_else(table):
    assert table.names[0] == table.fields[0] == ""
    assert torch.equal(table.mask, table.ids > 0)
    assert "" not in table.names[1:]


def test_every_attribute_is_used_and_has_one_number(table):
    assert table.ids.unique().tolist() == list(range(table.n_attributes))
    pairs = list(zip(table.fields, table.names))
    assert len(set(pairs)) == len(pairs)


def test_a_person_who_directs_and_plays_is_two_attributes(table):
    numbers = [i for i, name in enumerate(table.names) if name == "Clint Eastwood"]
    assert {table.fields[i] for i in numbers} == {"director", "actor"}


def test_the_table_cannot_be_changed_after_it_was_made(table):
    with pytest.raises(FrozenInstanceError):
        table.labels = []


def test_slots_are_numbered_where_a_field_has_several():
    table = AttributeTable.from_lists(
        [7, 8], ["a", "b"], {"x": [["p"], []], "y": [["q", "r"], ["q"]]}
    )
    assert table.slots == ["x", "y 1", "y 2"]
    assert table.slot_fields == ["x", "y", "y"]
    assert table.ids.tolist() == [[1, 2, 3], [0, 2, 0]]
    assert table.names == ["", "p", "q", "r"]


def test_fields_come_in_the_order_asked_for(movies):
    table = AttributeTable.from_movies(movies, fields=("genre", "director"))
    assert list(dict.fromkeys(table.slot_fields)) == ["genre", "director"]


def test_a_field_that_nobody_has_gets_no_slot_and_ids_stay_whole_numbers():
    table = AttributeTable.from_lists([7], ["a"], {"x": [["p"]], "y": [[]]})
    assert table.slots == ["x"]
    assert table.ids.dtype == torch.long


def test_a_film_without_a_year_has_no_decade_and_a_label_without_year(movies):
    some = movies.head(3).astype({"year": "Int64"})
    some.loc[1, "year"] = pd.NA
    table = AttributeTable.from_movies(some)
    assert table.labels[1] == some["title"][1]
    assert attributes(table, 0, "decade") == ["1990s"]
    assert attributes(table, 1, "decade") == []


def test_two_films_with_one_label_are_not_chosen_between(movies):
    twins = pd.concat([movies.head(2), movies.head(1)])
    with pytest.raises(KeyError, match="2 items are called 'Toy Story"):
        AttributeTable.from_movies(twins).position("Toy Story (1995)")


def test_names_with_fewer_films_than_asked_for_leave_an_empty_slot(movies, table):
    some = AttributeTable.from_movies(movies, min_films=3)
    for row in range(table.n_items):
        for field in ("director", "actor", "genre"):
            kept = attributes(some, row, field)
            left_out = [n for n in attributes(table, row, field) if n not in kept]
            for names, enough in ((kept, True), (left_out, False)):
                assert all((films_with(table, field, n) >= 3) is enough for n in names)
        assert attributes(some, row, "film") == [table.labels[row]]


def films_with(table: AttributeTable, field: str, name: str) -> int:
    numbers = [i for i, pair in enumerate(zip(table.fields, table.names)) if pair == (field, name)]
    return int((table.ids == numbers[0]).any(dim=1).sum())


def test_from_lists_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"field 'x' describes 1 items, .* 2 ids and 2 labels"):
        AttributeTable.from_lists([1, 2], ["a", "b"], {"x": [["p"]]})
    with pytest.raises(ValueError, match="2 ids and 1 labels"):
        AttributeTable.from_lists([1, 2], ["a"], {"x": [["p"], ["q"]]})
    with pytest.raises(ValueError, match="item 'b' has no attribute"):
        AttributeTable.from_lists([1, 2, 3], ["a", "b", "c"], {"x": [["p"], [], []]})


@pytest.mark.parametrize(
    "lists, said",
    [
        (["Crime", "Drama"], "a list of texts is expected, got the text 'Crime'"),
        (["Crime|Drama", ["Drama"]], "a list of texts is expected, got the text 'Crime|Drama'"),
        ([["Crime", "Crime"], ["Drama"]], "expected once, got ['Crime', 'Crime']"),
        ([["Crime", None], ["Drama"]], "non-empty texts, got None"),
        ([["Crime", ""], ["Drama"]], "non-empty texts, got ''"),
        ([[10], [20]], "non-empty texts, got 10"),
        ([{"Crime"}, {"Drama"}], "a list of texts is expected, got {'Crime'}"),
        ([float("nan"), ["Drama"]], "a list of texts is expected, got nan"),
    ],
)
def test_what_is_no_list_of_different_texts_is_refused(lists, said):
    with pytest.raises(ValueError) as caught:
        AttributeTable.from_lists([1, 2], ["a", "b"], {"genre": lists})
    assert str(caught.value).startswith("field 'genre', item 'a': ")
    assert said in str(caught.value)


FILMS_OF_PANDAS = """movieId,title,year,director,actor_1,actor_2,genres
6,Heat,1995,Michael Mann,Al Pacino,Robert De Niro,Crime
8,Undated,,,,,Drama
"""


def test_a_film_table_that_pandas_read_gives_the_same_attributes(table):
    """pandas makes NaN of an empty credit, and 1995.0 of 1995 where a year is missing."""
    assert AttributeTable.from_movies(pd.read_csv(tables.DATA / "movies.csv")).names == table.names
    films = pd.read_csv(io.StringIO(FILMS_OF_PANDAS))
    assert films["year"].dtype == "float64" and films["director"].isna().any()
    found = AttributeTable.from_movies(films)
    assert found.labels == ["Heat (1995)", "Undated"]
    assert attributes(found, 0, "decade") == ["1990s"]
    assert attributes(found, 1, "director") == attributes(found, 1, "actor") == []
    nobody = AttributeTable.from_movies(films.assign(director=np.nan))
    assert "director" not in nobody.slot_fields


@pytest.mark.parametrize(
    "column, value, said",
    [
        ("title", None, "movieId 6, title: a text is expected, got None"),
        ("director", ["Michael Mann"], "movieId 6, director: a text is expected, got ["),
        ("genres", 7, "movieId 6, genres: a text is expected, got 7"),
        ("year", "next", "movieId 6, year: a year or none is expected, got 'next'"),
        ("year", 1995.5, "movieId 6, year: a year or none is expected, got 1995.5"),
        ("year", 95, "movieId 6, year: a year or none is expected, got 95"),
    ],
)
def test_a_film_table_with_something_else_in_a_column_is_refused(movies, column, value, said):
    films = movies[movies["movieId"] == 6].astype(object)
    films.at[films.index[0], column] = value
    with pytest.raises(ValueError) as caught:
        AttributeTable.from_movies(films)
    assert str(caught.value).startswith(said)
    with pytest.raises(ValueError, match=f"films have no column '{column}', only"):
        AttributeTable.from_movies(films.drop(columns=column))


def test_films_have_no_other_fields(movies):
    with pytest.raises(ValueError, match="no field 'colour'"):
        AttributeTable.from_movies(movies, fields=("genre", "colour"))


def test_position_finds_by_label_or_by_an_unambiguous_beginning(table):
    row = table.position("Heat (1995)")
    assert table.labels[row] == "Heat (1995)"
    assert table.position("Pulp Fic") == table.position("Pulp Fiction (1994)")
    assert table.position("Heat") == row
    with pytest.raises(KeyError, match="0 items"):
        table.position("No such film")
    with pytest.raises(KeyError, match="Star Wars: Episode"):
        table.position("Star Wars")


def test_of_many_items_with_the_same_beginning_five_are_named():
    labels = [f"Part {i}" for i in range(7)]
    table = AttributeTable.from_lists(range(7), labels, {"x": [["p"]] * 7})
    with pytest.raises(KeyError) as caught:
        table.position("Part")
    assert caught.value.args[0] == f"7 items are called 'Part': {labels[:5]}"


# --- The split -----------------------------------------------------------------------------------

IDS = np.array([50, 10, 40, 20, 30, 60])  # neither sorted nor row numbers


def naive_split(rows: list[tuple], like: float, min_likes: int) -> dict[int, dict]:
    """The same split with loops: user -> train, validation, test, seen before each."""
    place = {item: row for row, item in enumerate(IDS.tolist())}
    users = {}
    for user in sorted({row[0] for row in rows}):
        mine = sorted((time, item, stars) for u, item, stars, time in rows if u == user)
        likes = [place[item] for _, item, stars in mine if stars >= like]
        if len(likes) < min_likes:
            continue
        everything = [place[item] for _, item, _ in mine]
        users[user] = {
            "train": likes[:-2],
            "validation": likes[-2],
            "test": likes[-1],
            "rated": everything,
            "seen validation": set(everything[: everything.index(likes[-2])]),
            "seen test": set(everything[: everything.index(likes[-1])]),
        }
    return users


def as_ratings(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(RATING_KINDS)).astype(RATING_KINDS)


rating_rows = st.lists(
    st.tuples(
        st.integers(1, 3), st.sampled_from(IDS.tolist()), st.sampled_from([3.5, 4.0, 5.0]),
        st.integers(0, 3),
    ),
    unique_by=lambda row: row[:2], max_size=18,
)  # fmt: skip


@budget
@given(rating_rows, st.sampled_from([4.0, 5.0]), st.integers(3, 5))
def test_the_split_is_what_a_naive_split_says(rows, like, min_likes):
    expected = naive_split(rows, like, min_likes)
    if not expected:
        with pytest.raises(ValueError, match="no user has"):
            leave_one_out_split(as_ratings(rows), IDS, like, min_likes)
        return
    split = leave_one_out_split(as_ratings(rows), IDS, like, min_likes)
    assert split.user_ids.tolist() == list(expected)
    assert (split.n_users, split.n_items) == (len(expected), len(IDS))
    seen = {stage: split.seen(stage) for stage in ("validation", "test")}
    for row, user in enumerate(expected.values()):
        assert split.items[split.users == row].tolist() == user["train"]
        assert split.likes()[row].tolist() == [item in user["train"] for item in range(len(IDS))]
        assert split.target("validation")[row] == user["validation"]
        assert split.target("test")[row] == user["test"]
        assert split.rated[row].tolist() == user["rated"]
        for stage in seen:
            assert set(seen[stage][row].nonzero().flatten().tolist()) == user[f"seen {stage}"]


def test_ties_in_time_are_broken_by_movie_id():
    split = leave_one_out_split(as_ratings([(1, i, 5, 0) for i in (30, 10, 20)]), IDS, min_likes=3)
    held_out = torch.cat([split.items, split.validation, split.test])
    assert IDS[held_out.numpy()].tolist() == [10, 20, 30]


def test_what_is_rated_after_the_held_out_film_is_not_seen_before_it():
    rows = [(1, 10, 5, 0), (1, 20, 5, 1), (1, 30, 5, 2), (1, 40, 1, 3)]
    split = leave_one_out_split(as_ratings(rows), IDS, min_likes=3)
    assert set(IDS[split.seen("test")[0]]) == {10, 20}
    assert set(IDS[split.seen("validation")[0]]) == {10}


def test_the_split_of_the_course_keeps_every_like(ratings, table):
    split = leave_one_out_split(ratings, table.item_ids)
    likes = ratings[ratings["rating"] >= 4]
    likes = likes[likes.groupby("userId")["movieId"].transform("size") >= 5]
    assert split.n_users == likes["userId"].nunique() == 652
    assert len(split.users) + 2 * split.n_users == len(likes)
    assert not split.seen("test")[torch.arange(split.n_users), split.test].any()
    assert split.seen("test")[torch.arange(split.n_users), split.validation].all()


def test_the_split_does_not_depend_on_the_order_of_the_rows(ratings, table):
    one = leave_one_out_split(ratings, table.item_ids)
    other = leave_one_out_split(ratings.sample(frac=1, random_state=0), table.item_ids)
    assert torch.equal(one.items, other.items)
    assert torch.equal(one.test, other.test)


def test_a_split_cannot_be_changed_after_it_was_made():
    split = leave_one_out_split(as_ratings([(1, i, 5, 0) for i in IDS]), IDS)
    with pytest.raises(FrozenInstanceError):
        split.test = split.validation


def test_the_split_refuses_what_cannot_be_split():
    three = as_ratings([(1, i, 5, 0) for i in (10, 20, 30)])
    with pytest.raises(ValueError, match="min_likes must be at least 3"):
        leave_one_out_split(three, IDS, min_likes=2)
    with pytest.raises(ValueError, match=r"no user has 4 ratings of 4\.0 or more"):
        leave_one_out_split(three, IDS, min_likes=4)
    with pytest.raises(ValueError, match="movieId 10 is rated"):
        leave_one_out_split(three, np.array([20, 30]), min_likes=3)


# --- Loading: faults are named -------------------------------------------------------------------

HEAD = b"userId,movieId,rating,timestamp\n"
GOOD = b"1,6,4.0,100\n"


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", ["empty"]),
        (b"userId,movieId,rating\n1,6,4.0\n", ["line 1", "'timestamp'"]),
        (HEAD + GOOD + b"1,7,4.0,100,9\n", ["line 3", "5 fields, expected 4", "'9'"]),
        (HEAD + b"1,7,4.0,100,9\n" + GOOD, ["line 2", "5 fields, expected 4", "'9'"]),
        (HEAD + b"1,7,4,3,9\n", ["line 2", "5 fields, expected 4", "'9'"]),
        (HEAD + GOOD + b"1,7,4.0\n", ["line 3", "3 fields, expected 4", "'7'"]),
        (HEAD + GOOD + b"1,7,four,100\n", ["line 3", "rating", "'four'"]),
        (HEAD + GOOD + b"one,7,4.0,100\n", ["line 3", "userId", "'one'"]),
        (HEAD + GOOD + b"1,7.5,4.0,100\n", ["line 3", "movieId", "'7.5'", "whole"]),
        (HEAD + GOOD + b"1,7,,100\n", ["line 3", "rating", "''"]),
        (HEAD + GOOD + b"1,7,nan,100\n", ["line 3", "rating", "'nan'"]),
        (HEAD + GOOD + b"1,7,4.0,nan\n", ["line 3", "timestamp", "'nan'"]),
        (HEAD + GOOD + b"1,7,inf,100\n", ["line 3", "rating", "'inf'"]),
        (HEAD + GOOD + b"1,7,1e999,100\n", ["line 3", "rating", "'1e999'"]),
        (HEAD + GOOD + b"1,7,4.0,-inf\n", ["line 3", "timestamp", "'-inf'"]),
        (HEAD + b"True,7,4.0,100\n", ["line 2", "userId", "'True'"]),
        (HEAD + GOOD + b"1,7,True,100\n", ["line 3", "rating", "'True'"]),
        (HEAD + GOOD + b"1,1_0,4.0,100\n", ["line 3", "movieId", "'1_0'"]),
        (HEAD + GOOD + b"1,0x10,4.0,100\n", ["line 3", "movieId", "'0x10'"]),
        (
            HEAD + GOOD + b"1,9007199254740993,4.0,100\n",
            ["line 3", "movieId", "'9007199254740993'"],
        ),
        (HEAD + GOOD + b"1,99999999999999999999,4,100\n", ["line 3", "movieId", "'9999999999"]),
        (HEAD + GOOD + b"1,7,0,100\n", ["line 3", "rating", "'0.0'", "0.5 to 5"]),
        (HEAD + GOOD + b"1,7,5.5,100\n", ["line 3", "rating", "'5.5'", "0.5 to 5"]),
        (HEAD + GOOD + b"1,7,-1,100\n", ["line 3", "rating", "'-1.0'"]),
        (HEAD + GOOD + b"2,6,3.0,100\n1,6,3.0,200\n", ["line 4", "movieId", "'6'", "one rating"]),
        (HEAD + GOOD + b"1,7,9,1\n1,8,9,1\n", ["line 3", "(and 1 more)"]),
        (HEAD + GOOD + b"1,7\xff,4.0,100\n", ["line 3", "xff", "utf-8"]),
        (HEAD + GOOD + b"\n2,6,4.0,100\n", ["line 3", "empty line"]),
        (HEAD + GOOD + b"\n", ["line 3", "empty line"]),
        (b"\n" + HEAD + GOOD, ["line 1", "empty line"]),
        (HEAD + GOOD + b'"1\n",7,4.0,100\n', ["line 3", "unexpected end", "on one line"]),
        (HEAD + GOOD + b'1,"7,4.0,100\n', ["line 3", "unexpected end", "on one line"]),
        (HEAD + GOOD + b'1,"7"5,4.0,100\n', ["line 3", "',' expected after '\"'"]),
        (HEAD + GOOD + b"1,7\x00,4.0,100\n", ["line 3", "movieId", r"'7\x00'"]),
    ],
)
def test_a_fault_in_the_ratings_is_named_with_file_line_and_value(file, content, said):
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_ratings(file)
    message = str(caught.value)
    assert message.startswith("table.csv")
    assert all(part in message for part in said), message


def test_an_unknown_film_is_named(file, movies):
    file.write_bytes(HEAD + GOOD + b"1,999999,4.0,100\n")
    assert len(load_ratings(file)) == 2
    with pytest.raises(DataError, match=r"table.csv, line 3, movieId: '999999', .* film table"):
        load_ratings(file, movies)


@pytest.mark.parametrize("load", [load_ratings, load_movies])
def test_a_missing_file_a_folder_and_an_impossible_path_are_named(tmp_path, load):
    with pytest.raises(DataError, match=r"gone.csv: no such file"):
        load(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"this is a folder"):
        load(tmp_path)
    with pytest.raises(DataError, match="cannot be opened"):
        load(str(tmp_path / "nul\0byte.csv"))


MOVIE_HEAD = "movieId,title,year,director,actor_1,actor_2,genres\n"
HEAT = "6,Heat,1995,Michael Mann,Al Pacino,Robert De Niro,Action|Crime\n"


@pytest.mark.parametrize(
    "row, said",
    [
        (HEAT, ["movieId", "'6'", "one row"]),
        ("x,Alien,1979,,,,Horror\n", ["movieId", "'x'"]),
        ("7,,1979,,,,Horror\n", ["title", "''"]),
        ("7,Alien,,,,,Horror\n", ["year", "''"]),
        ("7,Alien ,1979,,,,Horror\n", ["title", "'Alien '"]),
        ("7,Alien,197,,,,Horror\n", ["year", "'197'", "1880 to 2100"]),
        ("7,Alien,1879,,,,Horror\n", ["year", "'1879'"]),
        ("7,Alien,2101,,,,Horror\n", ["year", "'2101'"]),
        ("7,Alien,1979,Ridley Scott ,,,Horror\n", ["director", "'Ridley Scott '"]),
        ("7,Alien,1979,A||B,,,Horror\n", ["director", "'A||B'"]),
        ("7,Alien,1979,A|B|A,,,Horror\n", ["director", "'A|B|A'", "each once"]),
        ("7,Alien,1979,,A,A,Horror\n", ["actor_2", "'A'"]),
        ("7,Alien,1979,,,,Horror|\n", ["genres", "'Horror|'"]),
        ("7,Alien,1979,,,,Horror,\n", ["8 fields, expected 7"]),
        ("7,Alien,1979\n", ["3 fields, expected 7"]),
        ('7,"Ali\nen",1979,,,,Horror\n', ["unexpected end", "on one line"]),
        ("\n", ["empty line"]),
    ],
)
def test_a_fault_in_the_films_is_named_with_file_line_and_value(file, row, said):
    file.write_text(MOVIE_HEAD + HEAT + row, encoding="utf-8", newline="")
    with pytest.raises(DataError) as caught:
        load_movies(file)
    assert str(caught.value).startswith("table.csv, line 3")
    assert all(part in str(caught.value) for part in said), caught.value


def test_the_first_and_the_last_year_are_years(file):
    file.write_text(MOVIE_HEAD + "7,Early,1880,,,,\n8,Late,2100,,,,\n", encoding="utf-8")
    assert load_movies(file)["year"].tolist() == [1880, 2100]


def test_empty_credits_and_the_word_nan_are_kept_as_text(file):
    file.write_text(MOVIE_HEAD + "7,nan,1979,,NA,,Horror\n", encoding="utf-8")
    film = load_movies(file).iloc[0]
    assert (film["title"], film["director"], film["actor_1"]) == ("nan", "", "NA")


# --- Loading: what is allowed --------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.rstrip(b"\n"),
        lambda text: re.sub(rb"([\w.]+),", rb'"\1",', text),
        lambda text: text.replace(b",6,", b",6.0,").replace(b"4.0", b"4"),
    ],
    ids=["CRLF", "CR", "byte order mark", "no last line end", "quotes", "6.0 for 6"],
)
def test_other_ways_to_write_the_same_file_give_the_same_ratings(file, change):
    content = HEAD + GOOD + b"2,6,3.5,200\n"
    file.write_bytes(content)
    expected = load_ratings(file)
    assert expected.to_numpy().tolist() == [[1, 6, 4, 100], [2, 6, 3.5, 200]]
    file.write_bytes(change(content))
    pd.testing.assert_frame_equal(load_ratings(file), expected)


def test_columns_are_found_by_name_and_others_left_out(file):
    file.write_bytes(b"mood,timestamp,rating,movieId,userId\nhappy,100,4.0,6,1\n")
    assert load_ratings(file).to_numpy().tolist() == [[1, 6, 4, 100]]


def test_a_file_with_a_header_only_has_no_ratings(file):
    file.write_bytes(HEAD)
    assert load_ratings(file).shape == (0, 4)


def test_the_course_is_read_as_pandas_reads_it():
    pd.testing.assert_frame_equal(load_ratings(), pd.read_csv(tables.DATA / "ratings.csv"))


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 4, 6, 7])
def test_blocks_change_nothing(file, n_rows):
    rows = [(user, 6, 0.5, 100) for user in range(n_rows)]
    file.write_bytes(HEAD + b"".join(b"%d,%d,%.1f,%d\n" % row for row in rows))
    with patch.object(tables, "BLOCK", 3):
        found = load_ratings(file)
    assert found.to_numpy().tolist() == [list(row) for row in rows]
    assert found.dtypes.equals(load_ratings().dtypes)


@pytest.mark.parametrize("line", range(2, 12))
def test_a_fault_in_any_block_is_named_with_its_line(file, line):
    rows = [b"%d,6,4.0,100\n" % user for user in range(10)]
    for bad, value in [(b"True,6,4.0,100\n", "'True'"), (b"77,6,7.0,100\n", "'7.0'")]:
        rows[line - 2] = bad
        file.write_bytes(HEAD + b"".join(rows))
        with patch.object(tables, "BLOCK", 3), pytest.raises(DataError) as caught:
            load_ratings(file)
        assert f"line {line}," in str(caught.value)
        assert value in str(caught.value)


def test_quotes_and_a_blank_line_in_a_later_block_are_what_they_are_in_the_first(file):
    rows = [b"%d,6,4.0,100\n" % user for user in range(10)]
    rows[5] = b'"5",6,4.0,100\n'
    file.write_bytes(HEAD + b"".join(rows))
    with patch.object(tables, "BLOCK", 3):
        assert load_ratings(file)["userId"].tolist() == list(range(10))
        file.write_bytes(HEAD + b"".join(rows[:5]) + b"\n" + b"".join(rows[5:]))
        assert outcome(load_ratings, file) == "table.csv, line 7: empty line"


def test_tables_without_header_hold_exactly_the_columns(file):
    file.write_bytes(b"1::2\n3::4\n")
    kinds = {"a": int, "b": int}
    found = read_table(file, "f", kinds, "::")
    assert found.reset_index().to_numpy().tolist() == [[1, 1, 2], [2, 3, 4]]
    for content in (
        b"1::2\n3::4::5\n",
        b"1::2\n3\n",
        b"1::2\n3:4\n",
        b"1::2\n3:9:4\n",
        b"1::2\n3:::4\n",
        b"",
        b"\n",
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"f, line 2|empty"):
            read_table(file, "f", kinds, "::")


def test_quotes_mean_nothing_where_the_separator_is_no_comma(file):
    file.write_bytes(b'1|"Quoted\n2|6" Tall\n')
    found = read_table(file, "f", {"a": int, "b": str}, "|")
    assert found["b"].tolist() == ['"Quoted', '6" Tall']


# --- Loading: whatever the content, a frame or a DataError ---------------------------------------

pieces = st.sampled_from(
    ["1", "2", "6", "4.0", "3.5", "1e1", ".5", "+5", "-1", "0", " 4 ", "nan", "inf", "True", "",
     "x", "é", "\0", '"', '"4"', ",", ",,", "\n", "\r", "\r\n", "\t", "\x0b", "1_0", "9" * 20,
     "1,6,4.0,9", "\n1,7,3,9\n", "2,6,4.0,9\n", "\ufeff", "\u2028", "٣"]
)  # fmt: skip
texts = st.lists(pieces, max_size=12).map("".join).map(lambda t: HEAD + t.encode())
contents = st.one_of(texts, st.binary(max_size=60), st.text(max_size=40).map(str.encode),
                     st.binary(max_size=20).map(lambda b: HEAD + GOOD + b))  # fmt: skip


def records(content: bytes) -> list[list[str]]:
    """The rows of a CSV, by the standard library alone."""
    lines = re.split("\r\n|\r|\n", content.decode("utf-8-sig"))
    return list(csv.reader(lines if lines[-1] else lines[:-1]))[1:]


@budget
@given(contents)
@example(HEAD + b" 1 ,\t6,4.0\x0b,9\n")
@example(HEAD + b'"1",6,4.0,9\r\n2,6,4,9\r')
def test_any_content_gives_all_its_ratings_or_a_data_error(tmp_path, content):
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    found = outcome(load_ratings, file)
    if isinstance(found, str):
        assert found.startswith("any.csv")
    else:
        expected = [[float(field) for field in row] for row in records(content)]
        assert found.to_numpy(dtype=float).tolist() == expected


numbers = st.text("0123456789.eE+-_ naif", min_size=1, max_size=20) | st.floats().map(str)
NUMBER = r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *"


def is_number(text: str, kind: type) -> bool:
    """What the file format calls a number: written in digits, finite, whole if it is an int."""
    if not re.fullmatch(NUMBER, text):
        return False
    value = float(text)
    return abs(value) < (2**53 if kind is int else float("inf")) and (
        kind is float or value == int(value)
    )


@budget
@given(st.lists(numbers, min_size=1, max_size=4))
def test_numbers_and_nothing_else_are_read_as_numbers(tmp_path, values):
    file = tmp_path / "numbers.csv"
    file.write_text("a\n" + "".join(f"{value}\n" for value in values))
    for kind in (int, float):
        found = outcome(read_table, file, "f", {"a": kind})
        bad = [line for line, text in enumerate(values, 2) if not is_number(text, kind)]
        if bad:
            assert found.startswith(f"f, line {bad[0]}, a: ")
        else:
            assert found["a"].tolist() == [float(text) for text in values]


film_pieces = st.sampled_from(
    ["7", "Alien", "1979", "", "A|B", "|", " ", "é", '"', '"a,b"', ",", ",,,,", "\n", "\r\n", "\0",
     "7,Alien,1979,,,,Horror\n", "8,\u2028,2000,A,B,,\n", "nan", "1e3"]
)  # fmt: skip


@budget
@given(
    st.lists(film_pieces, max_size=10).map("".join).map(lambda t: (MOVIE_HEAD + HEAT + t).encode())
    | st.binary(max_size=40).map(lambda b: (MOVIE_HEAD + HEAT).encode() + b)
    | st.binary(max_size=40)
)
def test_any_content_gives_all_its_films_or_a_data_error(tmp_path, content):
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    found = outcome(load_movies, file)
    if isinstance(found, str):
        assert found.startswith("any.csv")
    else:
        rows = records(content)
        assert found["title"].tolist() == [row[1] for row in rows]
        assert AttributeTable.from_movies(found).n_items == len(rows)


def test_films_with_the_same_title_and_year_stay_two_films():
    twin = {"title": "Hamlet", "year": 2000, "director": "", "actor_1": "", "actor_2": "",
            "genres": "Drama"}  # fmt: skip
    movies = pd.DataFrame([{"movieId": 7, **twin}, {"movieId": 9, **twin}])
    table = AttributeTable.from_movies(movies)
    assert table.labels == ["Hamlet (2000) [7]", "Hamlet (2000) [9]"]
    assert table.ids[0, 0] != table.ids[1, 0]


def test_names_with_too_few_films_leave_an_empty_slot(movies):
    table = AttributeTable.from_movies(movies, min_films=2)
    everything = AttributeTable.from_movies(movies)
    for field in ("director", "actor", "genre", "decade"):
        counts = {}
        for row in everything.ids.tolist():
            for number in row:
                if everything.fields[number] == field:
                    counts[everything.names[number]] = counts.get(everything.names[number], 0) + 1
        kept = {name for name, f in zip(table.names, table.fields) if f == field}
        assert kept == {name for name, count in counts.items() if count >= 2}, field
    assert table.fields.count("film") == len(movies)  # films are always kept


def test_an_item_is_found_by_label_title_or_first_words(table):
    heat = table.labels.index("Heat (1995)")
    assert table.position("Heat (1995)") == table.position("Heat") == heat  # not Heathers
    assert table.labels[table.position("The Lord of the Rings: The Two")].endswith("(2002)")
    with pytest.raises(KeyError, match="2 items are called 'The Jungle Book'"):
        table.position("The Jungle Book")
    with pytest.raises(KeyError, match="0 items are called 'No such film'"):
        table.position("No such film")
