"""How a study runs: one run after the other, two at a time, each stored as soon as it is done.

A study is a script with one question. It lists its RUNS, and `work` does one of them. `main` does
those that are not stored yet, so that a study can be stopped and goes on where it was:

    python studies/NAME.py               # what is missing
    python studies/NAME.py --seeds 1     # of these only the first seed of the first world
    python studies/NAME.py --again       # all of them, from the start

Stored are NAME.csv (one row for each run and measure), NAME_ranks.csv (rank by user, of the
settings that validation chose) and NAME.json (machine, versions, date, data). One thread a run, so
that the numbers are the same everywhere; rounded to five digits after the point.
"""

import argparse
import csv
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from recsys_utils.studies import KEY, chosen
from recsys_utils.tables import DATA

HEADER = [*KEY, "measure", "value"]
RANKS = [*KEY, "ranks"]


class Run(NamedTuple):
    """One run: which world and seed, which variant is tried, with which setting."""

    variant: str
    setting: str = ""
    world: int = 0
    seed: int = 0

    @property
    def key(self) -> list[str]:
        """As it stands in the files."""
        return [str(self.world), str(self.seed), self.variant, self.setting]


Work = Callable[[Run], dict]


def data_version() -> str:
    """A short name of the course's data: another one means that the studies must run again."""
    both = (DATA / "movies.csv").read_bytes() + (DATA / "ratings.csv").read_bytes()
    return hashlib.sha256(both).hexdigest()[:16]


def one_run(work: Work, run: Run) -> dict:
    """Do it on one thread."""
    torch.set_num_threads(1)
    return work(run)


def read_rows(path: Path, header: list[str]) -> list[list[str]]:
    """The rows of a CSV of this study, without the header; none if there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if rows[:1] != [header]:
        raise ValueError(f"{path.name}, line 1: {rows[:1]}, expected {header}")
    return rows[1:]


def write_rows(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """All rows, in one go: who is stopped here leaves the old file, not half of a new one."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    unfinished.replace(path)


def as_rows(run: Run, found: dict) -> tuple[list[list[str]], list[list[str]]]:
    """What a run found, as rows of NAME.csv and of NAME_ranks.csv."""
    ranks = []
    if "ranks" in found:
        ranks.append([*run.key, " ".join(str(int(rank)) for rank in found["ranks"])])
    values = []
    for measure, value in found.items():
        if measure != "ranks":
            values.append([*run.key, measure, str(round(float(value), 5) + 0.0)])
    return values, ranks


def main(file: str, runs: list[Run], work: Work) -> None:
    """Do what is not stored yet and store it.

    Args:
        file: the study's `__file__`.
        runs: all its runs, in the order in which they are stored.
        work: does one run: measure -> value; "ranks" -> rank by user.
    """
    parser = argparse.ArgumentParser(description=f"The study {Path(file).stem}.")
    parser.add_argument("--seeds", type=int, help="only worlds and seeds below this number")
    parser.add_argument("--again", action="store_true", help="also what is stored already")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    path = Path(file).with_suffix(".csv")
    ranks_path = path.with_name(f"{path.stem}_ranks.csv")
    known = {tuple(run.key) for run in runs}
    values = [row for row in read_rows(path, HEADER) if tuple(row[:4]) in known]
    ranks = read_rows(ranks_path, RANKS)
    wanted = runs
    if options.seeds:
        wanted = [run for run in runs if run.world < options.seeds and run.seed < options.seeds]
    if options.again:
        again = {tuple(run.key) for run in wanted}
        values = [row for row in values if tuple(row[:4]) not in again]
        ranks = [row for row in ranks if tuple(row[:4]) not in again]
    stored = {tuple(row[:4]) for row in values}
    missing = [run for run in wanted if tuple(run.key) not in stored]
    context = get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        waiting = {pool.submit(one_run, work, run): run for run in missing}
        for done in tqdm(as_completed(waiting), total=len(missing), desc=path.stem):
            more_values, more_ranks = as_rows(waiting[done], done.result())
            values += more_values
            ranks += more_ranks
            if ranks:  # first: a run counts as stored once its values are
                write_rows(ranks_path, RANKS, ranks)
            write_rows(path, HEADER, values)
    place = {tuple(run.key): number for number, run in enumerate(runs)}
    values.sort(key=lambda row: place[tuple(row[:4])])
    write_rows(path, HEADER, values)
    if ranks:
        keep_chosen_ranks(path, ranks_path, ranks, place)
    facts = {
        "data": data_version(),
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, one thread a run",
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "runs": f"{len({tuple(row[:4]) for row in values})} of {len(runs)}",
    }
    text = json.dumps(facts, indent=2)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    if len(missing) == 0:
        print(f"{path.stem}: all {len(wanted)} runs are stored", file=sys.stderr)


def keep_chosen_ranks(path: Path, ranks_path: Path, ranks: list, place: dict) -> None:
    """Of the ranks keep each variant's best setting: the others would be megabytes."""
    runs = pd.read_csv(path, dtype={"variant": str, "setting": str}, keep_default_na=False)
    if (runs["measure"] == "validation").any():
        runs = chosen(runs)
    best = set(zip(runs["variant"], runs["setting"]))
    kept = [row for row in ranks if (row[2], row[3]) in best and tuple(row[:4]) in place]
    kept.sort(key=lambda row: place[tuple(row[:4])])
    write_rows(ranks_path, RANKS, kept)
    with_ranks = {(row[2], row[3]) for row in kept}
    if best - with_ranks:
        raise ValueError(f"{path.stem}: the choice fell on {best - with_ranks}: run --again")
