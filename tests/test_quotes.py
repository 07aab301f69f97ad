"""What prose quotes is what a cell printed: tests/quotes/NN.csv, like the ledger's table.

`quoted` stands in a Markdown cell, with `{}` for the numbers; `pattern` finds them in what the cell
printed.
"""

import csv
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
COLUMNS = ["quoted", "cell", "pattern"]
TABLES = sorted((ROOT / "tests" / "quotes").glob("*.csv"))


def test_every_notebook_has_a_table():
    numbers = [path.stem[:2] for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert [table.stem for table in TABLES] == numbers


def rows_of(table: Path) -> list[dict]:
    with table.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        rows = list(reader)
    assert reader.fieldnames == COLUMNS, table.name
    return rows


def book_of(table: Path):
    (path,) = (ROOT / "notebooks").glob(f"{table.stem}_*.ipynb")
    return nbformat.read(path, as_version=4)


def printed(cell) -> str:
    """All that a code cell printed, as text."""
    parts = []
    for output in cell.get("outputs", []):
        parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_prose_says_what_the_cell_printed(table):
    book = book_of(table)
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    prose = " ".join(prose.split())
    outputs = {cell.id: printed(cell) for cell in book.cells if cell.cell_type == "code"}
    rows = rows_of(table)
    assert rows, f"{table.name} is empty"
    for row in rows:
        assert row["cell"] in outputs, f"{table.name}: no code cell {row['cell']}"
        found = re.search(row["pattern"], outputs[row["cell"]], re.MULTILINE)
        assert found, f"{row['cell']} does not show {row['pattern']!r}"
        said = row["quoted"].format(*found.groups())
        assert "{}" in row["quoted"], f"no number in {row['quoted']!r}"
        assert " ".join(said.split()) in prose, f"the text does not say: {said}"


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_decimal_number_in_prose_is_printed_by_a_cell(table):
    """Numbers in formulas, code and links are no claims."""
    book = book_of(table)
    shown = "\n".join(
        printed(cell) + cell.source for cell in book.cells if cell.cell_type == "code"
    )
    for cell in book.cells:
        if cell.cell_type != "markdown" or cell.id.startswith("exercise"):
            continue
        text = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)", " ", cell.source,
                      flags=re.DOTALL)  # fmt: skip
        for number in re.findall(r"(?<![\w.:/])\d+\.\d+(?![\w./]|\.\d)", text):
            assert number in shown, f"{cell.id}: {number} is printed by no cell"
