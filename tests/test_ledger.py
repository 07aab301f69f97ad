"""The ledger of notebook 08: each claim points to a cell that shows the number it quotes."""

import csv
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
COLUMNS = ["section", "claim", "notebook", "cell", "pattern", "measured", "verdict"]
VERDICTS = {"holds", "holds in part", "does not hold here", "not decided", "not testable here"}
# The parts of the article that make claims. Section 6 joins when notebook 06 measures it.
PARTS = {"1", "2", "9"} | {
    f"{section}.{part}"
    for section, parts in {3: 4, 4: 3, 5: 4, 6: 2, 7: 3, 8: 4}.items()
    for part in range(1, parts + 1)
}

with (NOTEBOOKS / "ledger.csv").open(encoding="utf-8", newline="") as handle:
    ROWS = list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def cells() -> dict:
    """(notebook, cell id) -> what the cell printed, or what it says if it is text."""
    texts = {}
    for path in NOTEBOOKS.glob("0*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            outputs = [
                output.get("text") or output.get("data", {}).get("text/plain", "")
                for output in cell.get("outputs", [])
            ]
            text = cell.source if cell.cell_type == "markdown" else "\n".join(outputs)
            texts[path.stem, cell.id] = text
    return texts


def test_the_columns_are_filled():
    assert ROWS and list(ROWS[0]) == COLUMNS
    for row in ROWS:
        assert all(value and value == value.strip() for value in row.values()), row


def test_every_part_of_the_article_has_rows():
    assert {row["section"] for row in ROWS} == PARTS
    parts = [[int(n) for n in row["section"].split(".")] for row in ROWS]
    assert parts == sorted(parts), "in the order of the article"


def test_no_claim_stands_twice():
    claims = [(row["section"], row["claim"]) for row in ROWS]
    assert len(claims) == len(set(claims))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['section']} {row['claim'][:40]}")
def test_its_cell_exists_and_shows_the_number(row, cells):
    assert row["verdict"] in VERDICTS
    place = row["notebook"], row["cell"]
    assert place in cells, place
    found = re.search(row["pattern"], cells[place], re.MULTILINE)
    assert found, f"{place} does not show: {row['measured']}"
    for number in found.groups():
        float(number.replace(",", ""))  # ValueError: what was found is no number
    text = row["measured"].format(*found.groups())
    assert "{" not in text and text != row["measured"], "a number is taken from the cell"


def test_no_figure_is_typed_into_what_was_measured():
    for row in ROWS:
        assert not re.search(r"\d\.\d", row["measured"]), row["measured"]


def test_notebook_08_shows_every_row(cells):
    """Its table was made from this file."""
    first = ROWS[0]["claim"]
    shown = next(text for (book, _), text in cells.items() if book[:2] == "08" and first in text)
    for row in ROWS:
        assert f"{row['notebook'][:2]} {row['cell']}" in shown, row
        assert row["claim"] in shown, row
        found = re.search(row["pattern"], cells[row["notebook"], row["cell"]], re.MULTILINE)
        assert row["measured"].format(*found.groups()) in shown, f"run notebook 08 again: {row}"
