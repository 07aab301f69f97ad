"""Read MovieLens as GroupLens ships it: folder or zip; csv (small, 20M, 25M, 32M), 1M, 10M, 100K.

Source: Harper and Konstan 2015, "The MovieLens Datasets", doi:10.1145/2827872; the README in each
edition describes its files. The course's own data need none of this: see `data.load_ratings`.
"""

import os
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pandas as pd

from .tables import (
    DATA,
    MOVIE_COLUMNS,
    RATING_KINDS,
    DataError,
    Source,
    check_names,
    check_ratings,
    fail,
    open_source,
    read_table,
)

EDITIONS = {"ratings.csv": "movies.csv", "ratings.dat": "movies.dat", "u.data": "u.item"}
SEPARATORS = {"ratings.csv": ",", "ratings.dat": "::", "u.data": "\t",
              "movies.csv": ",", "movies.dat": "::", "u.item": "|"}  # fmt: skip
CREDITS = ["director", "actor_1", "actor_2"]
MAX_UNPACKED = 2**30  # bytes of one file of a zip; ratings.csv of MovieLens 32M has 0.88e9
MAX_FILMS = 2**24  # bytes of the film file of a zip; movies.csv of MovieLens 32M has 4.2e6
MAX_RATIO = 100  # a file of a zip to the zip; MovieLens' are 4 times the zip, a bomb 1,000 times
FLAGS = ["unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",
         "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance",
         "Sci-Fi", "Thriller", "War", "Western"]  # the genres of 100K # fmt: skip
ARTICLES = "The|A|An|La|Le|Les|L'|Das|Der|Die|Il|El|Los|Las|Un|Une|Una|Ein|Eine"
YEAR = r"\(((?:18|19|20)\d\d)(?:\s*[-–][^()]*)?\)+"  # (1995), (2006-2007), (2016- )
TWO_BYTES = "[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}"  # UTF-8 taken for Latin-1: "LÃ©on"
ZIP_FAULTS = (OSError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)


class MovieLens(NamedTuple):
    """Tables like those of `data.load_ratings` and `data.load_movies`; here a year may be <NA>."""

    ratings: pd.DataFrame
    movies: pd.DataFrame


def load_movielens(path: str | Path) -> MovieLens:
    """Read a MovieLens edition from a folder or a zip; nothing is unpacked to the disk.

    The two files may stand in the folder itself or one folder below, as in GroupLens' zips.
    Rows in = rows out, ids and order as in the files. Of the columns of `movies`,

    - title is in natural word order, without year and other titles: `Matrix, The (1999)` is
      "The Matrix";
    - year is <NA> where the title has none, and the first year of a range like (2006-2007);
    - genres are spelled as in the edition; none listed, or "unknown" in 100K, is "";
    - director, actor_1 and actor_2 are the course's, and "" for films the course does not have.
      Titles and years must agree, so that no film gets another's credits. The movieIds must
      agree too, except for 100K, which has ids of its own.

    Raises:
        DataError: no such edition there, a damaged or encrypted zip, a file that is twice in it or
            unpacks to more than the limits above, a faulty line, a film twice, a rating of an
            unknown film. Names file, line, value and what was expected.
    """
    path = Path(path)
    if os.path.isdir(path):  # Path.is_dir raises an error where the name is too long
        inside = {p.relative_to(path).as_posix(): p for g in ("*", "*/*") for p in path.glob(g)}
        return _read_edition(inside, str(path))
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(f"{path.name}: no such folder or zip ({path})") from None
    except (*ZIP_FAULTS, ValueError) as error:
        raise DataError(f"{path.name}: neither a folder nor a sound zip: {error!s:.200}") from None
    with archive:
        inside: dict[str, Source] = {}
        for member in archive.infolist():
            if member.filename in inside:
                raise DataError(f"{path.name}, {member.filename[:80]}: twice in the zip")
            inside[member.filename] = partial(_open_member, archive, member)
        try:
            return _read_edition(inside, str(path))
        except ZIP_FAULTS as error:
            raise DataError(f"{path.name}: the zip is damaged: {error!s:.200}") from None


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    """Open a file of a zip, unless it may unpack to too much.

    The size of a stored or deflated file may be a lie, but zipfile never unpacks more than it says.
    Of other packings it unpacks whole blocks: a zip of 2 kB with bzip2 took 4 GB of memory.
    """
    name = f"{Path(archive.filename).name}, {member.filename}"
    if member.flag_bits & 1:
        raise DataError(f"{name}: encrypted, expected a zip without password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(
            f"{name}: damaged, or packed by method {member.compress_type}, "
            "expected 0 or 8 (stored or deflated)"
        )
    is_films = member.filename.rpartition("/")[2] in EDITIONS.values()
    limit = min(MAX_UNPACKED, MAX_FILMS) if is_films else MAX_UNPACKED
    if member.file_size > limit:
        raise DataError(f"{name}: {member.file_size:,} bytes unpacked, limit {limit:,}")
    packed = os.path.getsize(archive.filename)
    if member.file_size > MAX_RATIO * packed:
        raise DataError(
            f"{name}: {member.file_size:,} bytes unpacked, more than {MAX_RATIO} times the zip "
            f"({packed:,} bytes); if you trust it, unpack it and give the folder"
        )
    try:
        return archive.open(member)
    except (*ZIP_FAULTS, ValueError) as error:
        raise DataError(f"{name}: damaged: {error!s:.200}") from None


def _read_edition(inside: Mapping[str, Source], where: str) -> MovieLens:
    """Find the edition's two files among those inside a folder or zip, and read them."""
    found = []  # (folder, ratings file)
    for path in inside:
        folder, slash, file = path.rpartition("/")
        is_here_or_below = not slash or re.fullmatch(r"(?!\.\.$)[^/\\]{1,255}", folder)
        if file in EDITIONS and is_here_or_below and folder + slash + EDITIONS[file] in inside:
            found.append((folder + slash, file))
    found = [pair for pair in found if pair[0] == ""] or found
    if len(found) != 1:
        some = [name[:80] for name in sorted(inside)[:12]]
        pairs = ", ".join(f"{ratings} with {movies}" for ratings, movies in EDITIONS.items())
        raise DataError(
            f"{where}: {'several editions' if found else 'no MovieLens edition'} found; looked "
            f"for {pairs}, here or one folder below; there is {some or 'nothing'}"
        )
    folder, file = found[0]
    ratings_name, movies_name = folder + file, folder + EDITIONS[file]
    movies = _read_movies(inside[movies_name], movies_name)
    ratings = read_table(inside[ratings_name], ratings_name, RATING_KINDS, SEPARATORS[file])
    return MovieLens(check_ratings(ratings, ratings_name, movies["movieId"]), movies)


def _encoding(source: Source, name: str) -> str:
    """UTF-8 in csv and 10M, Latin-1 in 1M and 100K; but people save files again as UTF-8."""
    with open_source(source, name) as handle:
        content = handle.read()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        is_damaged_utf8 = re.search(TWO_BYTES, content.decode("latin-1"))
        if not is_damaged_utf8 and not name.endswith("csv"):
            return "latin-1"
    return "utf-8-sig"


def _read_movies(source: Source, name: str) -> pd.DataFrame:
    """The films of any edition, with the course's credits."""
    file = name.rpartition("/")[2]
    columns = ["movieId", "title", "genres"]
    if file == "u.item":
        columns = ["movieId", "title", "released", "video", "url", *FLAGS]
    kinds = dict.fromkeys(columns, str) | {"movieId": int}
    if file == "movies.csv":
        with open_source(source, name) as handle:
            if b"year" in handle.readline():
                raise DataError(f"{name}: the course's own format, read it with load_movies")
    table = read_table(source, name, kinds, SEPARATORS[file], _encoding(source, name))
    if file == "u.item":
        table["genres"] = _genres_of_flags(table, name)
    table["genres"] = table["genres"].replace("(no genres listed)", "")
    check_names(table, "genres", name)
    fail(table, "movieId", name, table["movieId"].duplicated(), "one row for each film")
    titles, years = [], []
    for text in table["title"]:
        title, year = split_title(text)
        titles.append(title)
        years.append(year)
    fail(table, "title", name, pd.Series(titles, table.index, dtype=str) == "", "a title")
    table["title"] = pd.Series(titles, table.index, dtype=str)
    table["year"] = pd.Series(years, table.index, dtype="Int64")
    return add_credits(table, same_ids=file != "u.item")


def _genres_of_flags(table: pd.DataFrame, name: str) -> pd.Series:
    """100K has a column for each genre, 1 where the film has it."""
    genres = pd.Series("", table.index, dtype=str)
    for flag in FLAGS:
        fail(table, flag, name, ~table[flag].isin(["0", "1"]), "0 or 1")
        if flag != "unknown":
            genres += table[flag].map({"0": "", "1": f"|{flag}"})
    return genres.str.removeprefix("|")


def add_credits(movies: pd.DataFrame, same_ids: bool) -> pd.DataFrame:
    """Give films the course's credits, where title and year (and movieId if `same_ids`) agree."""
    kinds = dict.fromkeys(MOVIE_COLUMNS, str) | {"movieId": int}
    course = read_table(DATA / "movies.csv", "movies.csv", kinds)
    keys = ["key", "movieId"] if same_ids else ["key"]
    left = movies.assign(key=_film_keys(movies))
    right = course.assign(key=_film_keys(course))
    right = right.drop_duplicates(keys, keep=False)[keys + CREDITS]  # unclear which: no credits
    joined = left.merge(right, on=keys, how="left", validate="many_to_one")
    return joined.fillna(dict.fromkeys(CREDITS, ""))[MOVIE_COLUMNS]


def _film_keys(movies: pd.DataFrame) -> list[str]:
    """Title and year without accents, capitals and punctuation: "leontheprofessional 1994"."""
    titles = (unicodedata.normalize("NFKD", t.replace("&", "and")) for t in movies["title"])
    plain = ("".join(filter(str.isalnum, title.casefold())) for title in titles)
    return [f"{title} {year}" for title, year in zip(plain, movies["year"])]


def split_title(title: str) -> tuple[str, int | None]:
    """'Matrix, The (1999)' -> ('The Matrix', 1999); the year is None where there is none."""
    title = title.strip()
    dated = re.fullmatch(rf"(.*\S)\s*{YEAR}((?:\s*\([^()]*\))*)", title, re.DOTALL)
    if not dated:
        return natural_title(title), None
    return natural_title(dated[1] + dated[3]), int(dated[2])


def natural_title(title: str) -> str:
    """'Matrix, The' -> 'The Matrix'; other titles in round brackets behind it are dropped."""
    title = re.sub(r"(?<=\S)(\s+\([^()]*\))+$", "", title)
    article = re.fullmatch(rf"(.*), ({ARTICLES})", title)
    if not article:
        return title
    space = "" if article[2] == "L'" else " "
    return article[2] + space + article[1]
