"""From tables to tensors: films, ratings, the attributes of a film, the split. Used everywhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .movielens import MovieLens, load_movielens
from .splits import LeaveOneOutSplit, leave_one_out_split
from .tables import (
    DATA,
    MOVIE_COLUMNS,
    RATING_KINDS,
    DataError,
    check_names,
    check_ratings,
    fail,
    read_table,
)

__all__ = [
    "AttributeTable",
    "DataError",
    "LeaveOneOutSplit",
    "MovieLens",
    "leave_one_out_split",
    "load_movielens",
    "load_movies",
    "load_ratings",
]


def load_movies(path: str | Path = DATA / "movies.csv") -> pd.DataFrame:
    """The films with their credits, one row each: movieId, title, year, director, actor_1,
    actor_2, genres. Several directors or genres are joined by `|`; an unknown credit is "".

    Raises:
        DataError: no such file or column, a wrong type, a film twice, no title, a name with
            stray spaces, the same lead twice. Names file, line, value and what was expected.
    """
    path = Path(path)
    kinds = {column: int if column in ("movieId", "year") else str for column in MOVIE_COLUMNS}
    movies = read_table(path, path.name, kinds)
    for column in MOVIE_COLUMNS:
        if kinds[column] is str:
            check_names(movies, column, path.name)
    fail(movies, "title", path.name, movies["title"] == "", "a title")
    same = (movies["actor_1"] == movies["actor_2"]) & (movies["actor_1"] != "")
    fail(movies, "actor_2", path.name, same, "another person than actor_1")
    fail(movies, "movieId", path.name, movies["movieId"].duplicated(), "one row for each film")
    fail(movies, "year", path.name, ~movies["year"].between(1880, 2100), "a year, 1880 to 2100")
    return movies.reset_index(drop=True)


def load_ratings(
    path: str | Path = DATA / "ratings.csv", movies: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The ratings, one row each: userId, movieId, rating (0.5 to 5 stars), timestamp (seconds).

    Args:
        path: a CSV with these four columns.
        movies: the film table; then a rating of a film that is not in it is an error.

    Raises:
        DataError: no such file or column, a wrong type, a rating out of 0.5-5, a film rated twice
            by a user, an unknown film. Names file, line, value and what was expected.
    """
    path = Path(path)
    table = read_table(path, path.name, RATING_KINDS)
    return check_ratings(table, path.name, None if movies is None else movies["movieId"])


def _check_attributes(values: Sequence[str], where: str) -> None:
    """One item's attributes in one field: a list of different, non-empty texts."""
    if isinstance(values, str):
        raise ValueError(f"{where}: a list of texts is expected, got the text {values!r}")
    if not isinstance(values, Sequence | np.ndarray | pd.Series):  # a set has no order
        raise ValueError(f"{where}: a list of texts is expected, got {values!r}")
    for name in values:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"{where}: attributes are non-empty texts, got {name!r}")
    if len(set(values)) < len(values):
        raise ValueError(f"{where}: each attribute is expected once, got {list(values)!r}")


def _film_table(movies: pd.DataFrame) -> pd.DataFrame:
    """The columns of films as `load_movies` gives them, also where pandas read the file."""
    missing = [column for column in MOVIE_COLUMNS if column not in movies]
    if missing:
        raise ValueError(f"films have no column {missing[0]!r}, only {list(movies.columns)}")
    movies = movies[MOVIE_COLUMNS].copy()
    for column in ("title", "director", "actor_1", "actor_2", "genres"):
        if column != "title":
            movies[column] = movies[column].where(movies[column].notna(), "")
        for film, value in zip(movies["movieId"], movies[column]):
            if not isinstance(value, str):
                raise ValueError(f"movieId {film}, {column}: a text is expected, got {value!r}")
    years = pd.to_numeric(movies["year"], errors="coerce").astype("Float64")
    is_year = years.between(1000, 9999) & (years % 1 == 0)
    is_year = is_year.fillna(False).astype(bool) | movies["year"].isna()
    for film, value, fits in zip(movies["movieId"], movies["year"], is_year):
        if not fits:
            raise ValueError(f"movieId {film}, year: a year or none is expected, got {value!r}")
    movies["year"] = years.astype("Int64")
    return movies


@dataclass(frozen=True)
class AttributeTable:
    """Each item's attributes as numbers: what the embedding layer looks up (notebook 02).

    Attributes:
        item_ids: `(n_items,)` the ids in the source (movieId).
        labels: `(n_items)` what people call the items: "Heat (1995)".
        ids: `(n_items, n_slots)` attribute numbers; 0 where a slot is empty.
        mask: `(n_items, n_slots)` True where a slot holds an attribute.
        slots: `(n_slots)` the name of each slot: "director 1".
        slot_fields: `(n_slots)` the field of each slot: "director".
        names: `(n_attributes)` the name of each attribute: "Michael Mann"; number 0 is "".
        fields: `(n_attributes)` the field of each attribute: "director"; number 0 is "".
    """

    item_ids: np.ndarray
    labels: list[str]
    ids: Tensor
    mask: Tensor
    slots: list[str]
    slot_fields: list[str]
    names: list[str]
    fields: list[str]

    @classmethod
    def from_lists(
        cls,
        item_ids: Sequence[int],
        labels: Sequence[str],
        fields: Mapping[str, Sequence[Sequence[str]]],
    ) -> Self:
        """Number the attributes of any items: films, goods, news.

        Args:
            item_ids: one id for each item.
            labels: one name for each item.
            fields: field -> for each item the list of its attributes in this field, such as
                {"genre": [["Crime", "Drama"], ["Comedy"]]} for two films.

        Raises:
            ValueError: no items or no fields, lists of different lengths, an item without any
                attribute, a text where a list of texts is meant, an attribute that is no text,
                empty, or twice in one list.
        """
        if not len(item_ids) or not fields:
            raise ValueError(
                f"{len(item_ids)} items and {len(fields)} fields, expected at least one of each"
            )
        names, attribute_fields, slots, slot_fields, columns = [""], [""], [], [], []
        for field, lists in fields.items():
            if not len(lists) == len(item_ids) == len(labels):
                raise ValueError(
                    f"field {field!r} describes {len(lists)} items, "
                    f"but there are {len(item_ids)} ids and {len(labels)} labels"
                )
            for label, values in zip(labels, lists):
                _check_attributes(values, f"field {field!r}, item {label!r}")
            number = {}
            for name in sorted({name for values in lists for name in values}):
                number[name] = len(names)
                names.append(name)
                attribute_fields.append(field)
            width = max(map(len, lists))
            slots += [field] if width == 1 else [f"{field} {i + 1}" for i in range(width)]
            slot_fields += [field] * width
            rows = [[number[n] for n in values] + [0] * (width - len(values)) for values in lists]
            columns.append(torch.tensor(rows, dtype=torch.long).reshape(len(item_ids), width))
        ids = torch.cat(columns, dim=1)
        bare = (ids == 0).all(dim=1).nonzero()
        if len(bare):
            raise ValueError(f"item {labels[bare[0]]!r} has no attribute at all")
        return cls(
            np.asarray(item_ids),
            list(labels),
            ids,
            ids > 0,
            slots,
            slot_fields,
            names,
            attribute_fields,
        )

    @classmethod
    def from_movies(
        cls,
        movies: pd.DataFrame,
        fields: Sequence[str] = ("film", "director", "actor", "genre", "decade"),
        min_films: int = 1,
    ) -> Self:
        """The attributes of films as `load_movies` or `load_movielens` gives them.

        A film without a year has no decade, and its label is the title alone. Films with the same
        title and year get their movieId behind the label, so that they stay two films.

        A table that pandas read by itself will do as well: there an unknown credit is NaN, and
        years are 1995.0 if one is missing.

        Args:
            movies: the film table: movieId, title, year, director, actor_1, actor_2, genres.
            fields: the fields wanted; their order is the order of the slots.
            min_films: a name with fewer films than this in its field is left out, and its slot is
                empty. A name that stands on one film only says the same as the film itself
                (notebook 05). The field "film" is always kept.

        Raises:
            ValueError: no films, a field that films do not have, a column that is missing or
                holds something else, a film without a title.
        """
        movies = _film_table(movies)
        labels = [
            title if pd.isna(year) else f"{title} ({year})"
            for title, year in zip(movies["title"], movies["year"])
        ]
        twins = {label for label, count in Counter(labels).items() if count > 1}
        labels = [
            f"{label} [{key}]" if label in twins else label
            for label, key in zip(labels, movies["movieId"])
        ]
        leads = zip(movies["actor_1"], movies["actor_2"])
        known = {
            "film": [[label] for label in labels],
            "director": [[n for n in names.split("|") if n] for names in movies["director"]],
            "actor": [[name for name in pair if name] for pair in leads],
            "genre": [[n for n in names.split("|") if n] for names in movies["genres"]],
            "decade": [[] if pd.isna(y) else [f"{y // 10 * 10}s"] for y in movies["year"]],
        }
        unknown = [field for field in fields if field not in known]
        if unknown:
            raise ValueError(f"films have no field {unknown[0]!r}; they have {list(known)}")
        for field in set(fields) - {"film"}:
            counts = Counter(name for names in known[field] for name in names)
            known[field] = [[n for n in names if counts[n] >= min_films] for names in known[field]]
        return cls.from_lists(movies["movieId"], labels, {field: known[field] for field in fields})

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.labels)

    @property
    def n_attributes(self) -> int:
        """Number of attributes, counting number 0, the empty slot."""
        return len(self.names)

    def has(self) -> Tensor:
        """`(n_items, n_attributes)` 1 where the item has the attribute, else 0."""
        has = torch.zeros(self.n_items, self.n_attributes)
        has.scatter_(1, self.ids, 1.0)
        has[:, 0] = 0.0  # the empty slot
        return has

    def position(self, label: str) -> int:
        """The row of an item: by its label, its title without the year, or the first words of it.

        Raises:
            KeyError: no such item, or several.
        """
        for fits in (label.__eq__, lambda known: known.rpartition(" (")[0] == label):
            found = [i for i, known in enumerate(self.labels) if fits(known)]
            if len(found) == 1:
                return found[0]
        found = [i for i, known in enumerate(self.labels) if known.startswith(label)]
        if len(found) != 1:
            names = [self.labels[i] for i in found[:5]]
            raise KeyError(f"{len(found)} items are called {label!r}: {names}")
        return found[0]
