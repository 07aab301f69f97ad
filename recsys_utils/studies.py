"""Read what the studies found: many runs, stored in studies/NAME.csv. Used by every notebook.

A notebook trains one model, to show. A sentence about models in general rests on a study: the same
experiment over seeds, users and simulated worlds. `studies/README.md` lists them.
"""

import numpy as np
import pandas as pd

from .evaluation import bootstrap_interval
from .tables import course_folder

STUDIES = course_folder("studies")
KEY = ["world", "seed", "variant", "setting"]


def read_study(name: str) -> pd.DataFrame:
    """The runs of a study, one row for each run and measure.

    Columns: world, seed (numbers), variant (what is compared), setting (what was tried for it),
    measure, value.

    Raises:
        ValueError: no such study.
    """
    path = STUDIES / f"{name}.csv"
    if not path.exists():
        known = sorted(path.stem for path in STUDIES.glob("*.csv") if "_ranks" not in path.stem)
        raise ValueError(f"no study {name!r}; there are {known}")
    return pd.read_csv(path, dtype={"variant": str, "setting": str}, keep_default_na=False)


def chosen(runs: pd.DataFrame, by: str = "validation") -> pd.DataFrame:
    """Only each variant's own best setting: the one with the highest mean of the measure `by`.

    Every variant gets the same effort, and no test figure has a say.
    """
    means = runs[runs["measure"] == by].groupby(["variant", "setting"], sort=False)["value"].mean()
    kept = []
    for variant, group in runs.groupby("variant", sort=False):
        best = means[variant].idxmax()
        kept.append(group[group["setting"] == best])
    return pd.concat(kept, ignore_index=True)


def run_table(runs: pd.DataFrame, variant: str, measure: str) -> np.ndarray:
    """`(n_worlds, n_seeds)` the values of one measure of one variant.

    Raises:
        ValueError: no such runs, or several settings (see `chosen`).
    """
    rows = runs[(runs["variant"] == variant) & (runs["measure"] == measure)]
    if rows.empty:
        raise ValueError(f"no runs of {variant!r} with the measure {measure!r}")
    if rows["setting"].nunique() > 1:
        raise ValueError(f"{variant!r} has several settings: choose one first")
    return rows.pivot(index="world", columns="seed", values="value").to_numpy()


def intervals(runs: pd.DataFrame, measure: str, minus: str | None = None) -> pd.DataFrame:
    """Mean, low and high of a measure for each variant, over worlds and seeds (95 %).

    Args:
        runs: one setting for each variant (see `chosen`).
        minus: a variant; then of the differences to it, run by run (paired).
    """
    rows = {}
    for variant in runs.loc[runs["measure"] == measure, "variant"].unique():
        values = run_table(runs, variant, measure)
        if minus is not None:
            values = values - run_table(runs, minus, measure)
        rows[variant] = [values.mean(), *bootstrap_interval(values)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"])


def read_ranks(name: str) -> dict[str, np.ndarray]:
    """Variant -> `(n_seeds, n_users)` the rank of each user's held-out item, 1 = first.

    Of each variant's chosen setting. Pass `metric(ranks)` to `evaluation.bootstrap_interval` for an
    interval over seeds and users.
    """
    path = STUDIES / f"{name}_ranks.csv"
    frame = pd.read_csv(path, dtype={"variant": str, "setting": str}, keep_default_na=False)
    tables = {}
    for variant, rows in frame.groupby("variant", sort=False):
        ranks = [[int(rank) for rank in text.split()] for text in rows["ranks"]]
        tables[variant] = np.array(ranks)
    return tables
