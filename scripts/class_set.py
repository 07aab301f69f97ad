"""Make what a class gets: the course without outputs and without worked solutions, as a zip too.

    python scripts/class_set.py class-set

The folder stands on its own: students unpack it and run `make lab`, or use conda.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
WHOLE = ["recsys_utils", "data", "notebooks/images", "notebooks/ledger.csv", "LICENSE", "Makefile",
         "environment.yml", "pyproject.toml", "requirements.lock"]  # fmt: skip
README = """# Explainable recommendation with attention: class set

You need Python 3.11 or newer. With `make`: `make lab`. With conda:
`conda env create -f environment.yml`, then `conda activate explainable-recommendation` and
`jupyter lab notebooks`. The first command downloads about 1 GB, once. Afterwards everything works
offline.

Begin with [01 Background](notebooks/01_background.ipynb). Each notebook ends with exercises:
write your answer in place of `...` and run the cell. `checks.hint("01.1")` helps,
`checks.progress()` shows what you have solved.

The data in [data](data/README.md) have terms of their own: research and education, no commercial
use.
"""


def bare(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without outputs, counts and links to solutions."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = re.sub(r"^.*\]\(solutions/.*\n?", "", cell.source, flags=re.M).rstrip()
    return notebook


def make(folder: Path) -> Path:
    """Write the class set to a new folder, and beside it a zip. Returns the zip.

    Raises:
        FileExistsError: there is something in the folder. Nothing is ever overwritten.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: remove it first, or choose another name")
    for name in WHOLE:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        nbformat.write(bare(nbformat.read(path, 4)), folder / "notebooks" / path.name)
    (folder / "README.md").write_text(README, encoding="utf-8")
    folder = folder.resolve()
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/class_set.py FOLDER")
    try:
        print(make(Path(sys.argv[1])))
    except FileExistsError as error:
        sys.exit(str(error))
