"""Make the notebooks ready for Colab, which opens a notebook alone: without package, pages, data.

    python scripts/colab.py https://github.com/OWNER/NAME

It changes the notebooks where they are: the workflow that publishes the book does it in a copy, on
the branch `colab`, and the book's Colab buttons lead there. So one click is enough, nobody sets
anything, and notebooks opened anywhere else have no cell that is meant for Colab.
"""

import os
import re
import sys
from pathlib import Path

import nbformat
from badges import owner_and_name

ROOT = Path(__file__).parents[1]
BRANCH = "colab"
INSTALL = """# Brings the course to Colab. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    !test -d /content/course || git clone -q --depth 1 {address} /content/course
    %pip install -q /content/course
    %cd -q /content/course/notebooks
    if "pandas" in sys.modules and sys.modules["pandas"].__version__ < "3":
        print("Colab holds on to an older pandas: menu Runtime, Restart session and run all.")
"""


def for_colab(notebook: nbformat.NotebookNode, path: str, address: str) -> nbformat.NotebookNode:
    """The notebook with a first code cell that installs the course, and links that lead somewhere.

    Args:
        path: of the notebook in the repository.
        address: https://github.com/OWNER/NAME.

    Raises:
        ValueError: not an address of this form, or the notebook has no code.
    """
    owner, name = owner_and_name(address)
    places = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    if not places:
        raise ValueError(f"{path}: no code cell")
    install = nbformat.v4.new_code_cell(INSTALL.format(address=address), id="install")
    notebook.cells.insert(places[0], install)

    def lead(target: str) -> str:
        if re.match(r"\w+:|#", target):
            return target
        file, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(path), file)).replace(os.sep, "/")
        if there.endswith(".ipynb"):
            colab = "https://colab.research.google.com/github"
            return f"{colab}/{owner}/{name}/blob/{BRANCH}/{there}"
        if there.endswith((".png", ".svg")):
            return f"https://raw.githubusercontent.com/{owner}/{name}/{BRANCH}/{there}"
        return f"{address}/blob/HEAD/{there}" + (f"#{anchor}" if anchor else "")

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"(\]\(|src=\")([^)\s\"]+)", lambda found: found[1] + lead(found[2]), cell.source
            )
    return notebook


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/colab.py https://github.com/OWNER/NAME")
    for file in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        book = nbformat.read(file, as_version=4)
        nbformat.write(for_colab(book, file.relative_to(ROOT).as_posix(), sys.argv[1]), file)
