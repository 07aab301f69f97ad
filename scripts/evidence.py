"""Keep what the cells printed that the ledger quotes: notebooks/evidence.json.

    python scripts/evidence.py

`run_and_store.py` does it after each notebook; by hand it is needed only when ledger.csv changed.
So notebook 08 shows the whole ledger to somebody who has not run the others.
"""

import csv
import json
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
FILE = NOTEBOOKS / "evidence.json"


def text_of(cell: nbformat.NotebookNode) -> str:
    """What a cell printed, or what it says if it is text."""
    if cell.cell_type == "markdown":
        return cell.source
    outputs = []
    for output in cell.outputs:
        outputs.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(outputs)


def collect() -> dict[str, str]:
    """Notebook and cell -> its text, for each cell the ledger quotes.

    A cell that is gone is left out: tests/test_ledger.py names the row that still wants it.
    """
    with (NOTEBOOKS / "ledger.csv").open(encoding="utf-8", newline="") as handle:
        quoted = {(row["notebook"], row["cell"]) for row in csv.DictReader(handle) if row["cell"]}
    texts = {}
    for name in sorted({notebook for notebook, _ in quoted}):
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells:
            if (name, cell.id) in quoted:
                texts[f"{name} {cell.id}"] = text_of(cell)
    return texts


def as_text(texts: dict[str, str]) -> str:
    """As it stands in the file."""
    return json.dumps(texts, ensure_ascii=False, indent=1) + "\n"


def store() -> bool:
    """Write the file; True if that changed it: then notebook 08 has to be run (again)."""
    text = as_text(collect())
    changed = not FILE.exists() or FILE.read_text(encoding="utf-8") != text
    FILE.write_text(text, encoding="utf-8", newline="\n")
    return changed


if __name__ == "__main__":
    print("changed: run notebook 08 again" if store() else "nothing has changed")
