"""The ledger: every claim of the article, what the course measured, the verdict (notebook 08).

Two files in `notebooks` make it. `ledger.csv` says for each claim which cell measured it and how
its numbers are found in what that cell printed. `evidence.json` keeps what those cells printed when
the course was last stored (`scripts/evidence.py` writes it). So the ledger is complete before you
have run a single notebook, and no figure in it was typed.
"""

import json
import re

import pandas as pd

from .tables import course_folder

NOTEBOOKS = course_folder("notebooks")
SHOWN = ["section", "words", "claim", "measured", "where", "verdict", "repeats"]


def read_ledger() -> pd.DataFrame:
    """The claims in the order of the article, one row each.

    Columns: section of the article; words, the claim in Chinese, as it stands there; claim, the
    same in English; measured, with its numbers; where, notebook and cell; verdict; repeats, the
    section that made the same claim before, or an empty text. Totals count rows that repeat
    nothing.

    Raises:
        ValueError: a cell that is quoted is not in the evidence, or does not show the number.
    """
    claims = pd.read_csv(NOTEBOOKS / "ledger.csv", dtype=str, keep_default_na=False)
    evidence = json.loads((NOTEBOOKS / "evidence.json").read_text(encoding="utf-8"))
    measured = []
    for row in claims.to_dict("records"):
        measured.append(_with_its_numbers(row, evidence))
    claims["measured"] = measured
    claims["where"] = (claims["notebook"].str[:2] + " " + claims["cell"]).str.strip()
    return claims[SHOWN]


def _with_its_numbers(row: dict[str, str], evidence: dict[str, str]) -> str:
    """The sentence on what was measured, its numbers taken from what the cell printed."""
    if not row["cell"]:  # not testable here: a reason, no number
        return row["measured"]
    place = f"{row['notebook']} {row['cell']}"
    printed = evidence.get(place)
    if printed is None:
        raise ValueError(f"evidence.json: nothing from {place}; python scripts/evidence.py")
    found = re.search(row["pattern"], printed, re.MULTILINE)
    if found is None:
        raise ValueError(f"evidence.json: {place} does not show {row['pattern']!r}")
    return row["measured"].format(*found.groups())
