"""Coverage-guided fuzzing of everything that reads a file of yours. Not part of `make test`.

    python -m pip install atheris     # not among the course's packages; Linux and macOS only
    python scripts/fuzz_loaders.py ratings.csv -max_total_time=60

The first argument is one of TARGETS, the others go to libFuzzer. Each loader must give a table with
as many rows as the file has, or a DataError. What breaks this is written to `crash-...`; with its
name instead of a time the same command runs it again.
"""

import re
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
with atheris.instrument_imports(include=["recsys_utils", "csv", "zipfile", "json"]):
    from test_movielens import EDITIONS, TITLES, below, write_folder, write_zip

    from recsys_utils import movielens
    from recsys_utils.checks import storing
    from recsys_utils.data import DataError, load_movielens, load_movies, load_ratings

HERE = Path(tempfile.mkdtemp())
OF_EDITION = {"ml/movies.csv": "small", "ml/ratings.csv": "small", "movies.dat": "10M",
              "ratings.dat": "1M", "u.item": "100K", "u.data": "100K"}  # fmt: skip
TARGETS = ["movies.csv", "ratings.csv", *OF_EDITION, "zip", "progress.json"]
TARGET = sys.argv.pop(1)
FILE = HERE / TARGET.removeprefix("ml/")


def seeds() -> list[bytes]:
    """Good files to begin with."""
    if TARGET == "zip":
        files = [below("ml", files) for files in EDITIONS.values()]
        return [write_zip(HERE / f"{i}.zip", each).read_bytes() for i, each in enumerate(files)]
    if TARGET == "progress.json":
        return [b'{"solved": {"01.1": "2026-01-01"}}\n']
    if TARGET in OF_EDITION:
        return [files[FILE.name] for files in EDITIONS.values() if FILE.name in files]
    lines = (ROOT / "data" / TARGET).read_bytes().splitlines(keepends=True)
    return [b"".join(lines[:n]) for n in (2, 4, 10)]


def run(content: bytes) -> None:
    """Give one file to its loader."""
    FILE.write_bytes(content)
    if TARGET == "progress.json":
        solved, trouble = storing.load()
        assert trouble or all(type(part) is str for pair in solved.items() for part in pair)
        assert FILE.exists() == ("damaged" not in trouble)
        return (HERE / "progress.damaged-1.json").unlink(missing_ok=True)
    load = {"movies.csv": load_movies, "ratings.csv": load_ratings}.get(TARGET, load_movielens)
    try:
        found = load(HERE if TARGET in OF_EDITION else FILE)
    except DataError as error:
        assert len(str(error)) < 2_000, "a message that nobody reads"
        return None
    if TARGET == "zip":
        assert (len(found.ratings), len(found.movies)) == (4, len(TITLES))
        return None
    if TARGET in OF_EDITION:
        found = found.movies if FILE.stem in ("movies", "u") and "data" not in TARGET else found[0]
    lines = re.split(rb"\r\n|\r|\n", content)
    assert len(found) == len(lines) - (lines[-1] == b"") - (FILE.suffix == ".csv")


warnings.simplefilter("error")
storing.place = lambda: FILE
write_folder(HERE / "seeds", {str(i): seed for i, seed in enumerate(seeds())})
write_folder(HERE, EDITIONS.get(OF_EDITION.get(TARGET), {}))
few_films = b"".join((ROOT / "data/movies.csv").read_bytes().splitlines(keepends=True)[:6])
movielens.DATA = write_folder(HERE / "a/b", {"movies.csv": few_films})  # quicker than all
atheris.Setup([*sys.argv, *[str(HERE / "seeds")] * ("=" in sys.argv[-1])], run)
atheris.Fuzz()
