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
WHOLE = ["recsys_utils", "data", "studies", "docs/glossary.md", "docs/peers.md", "docs/studies.md",
         "notebooks/images", "notebooks/ledger.csv", "notebooks/evidence.json",
         "LICENSE", "requirements.lock"]  # fmt: skip
TARGETS = {"help", "lab", "doctor", "studies", "clean", "$(VENV)/.done"}  # that work without us
README = """# Explainable recommendation with attention: class set

You need Python 3.11 or newer, 2 GB of disk, and the network once, for about 1 GB. Afterwards
everything works offline. Open a terminal in this folder, then:

- **Linux, macOS:** `make lab`. It installs and opens JupyterLab; the next time it only opens it.
- **Windows:** once

      py -m venv .venv
      .venv\\Scripts\\activate
      python -m pip install -e ".[lab]"

  and each time `.venv\\Scripts\\activate`, then `jupyter lab`.
- **conda:** once `conda env create -f environment.yml`, and each time
  `conda activate explainable-recommendation`, then `jupyter lab`.

Something does not work? `make doctor` says what is missing and what to do (on Windows and with
conda, after `activate`: `python -m recsys_utils.doctor`).

Begin with [the first notebook](notebooks/FIRST). Each notebook ends with exercises: write your
answer in place of `...` and run the cell. `checks.hint("00.1")` helps, `checks.progress()` shows
what you have solved. Words you do not know stand in the [glossary](docs/glossary.md).

The data in [data](data/README.md) have terms of their own: research and education, no commercial
use.
"""


def makefile(text: str) -> str:
    """The Makefile with the targets that work in the class set, and what students need."""
    kept, comment, keep = [], [], True
    for line in text.splitlines(keepends=True):
        target = re.match(r"([^\s:=]+):(?!=)", line)
        if line.startswith("#"):
            comment.append(line)
            continue
        if target:
            keep = target[1] in TARGETS or target[1] == ".PHONY"
        elif not line.startswith("\t"):
            keep = not line.startswith("PEER")
        if keep:
            kept += [*comment, line]
        comment = []
    names = " ".join(sorted(name for name in TARGETS if f"\n{name}:" in text and "$" not in name))
    text = re.sub(r"^\.PHONY:.*\n", "", "".join(kept), flags=re.M)
    text = text.replace("help: ##", f".PHONY: {names}\nhelp: ##")
    text = text.replace("make test: everything that is checked.  ", "")
    return re.sub(r"\.\[lab[\w,]*\]", ".[lab]", text)


def pyproject(text: str) -> str:
    """pyproject.toml with the package and JupyterLab, without what tests and our book need."""
    text = text.split("[tool.pytest")[0]
    head, extras = text.split("[project.optional-dependencies]\n")
    extras, rest = extras.split("\n\n", 1)
    lab = re.search(r"^lab = \[.*?\]$", extras, flags=re.M | re.S)[0]
    return f"{head}[project.optional-dependencies]\n{lab}\n\n{rest.rstrip()}\n"


def environment(text: str) -> str:
    """environment.yml without the programs that test."""
    return re.sub(r"^ *- (?:pytest|nbval).*\n", "", text, flags=re.M)


CHANGED = {"Makefile": makefile, "pyproject.toml": pyproject, "environment.yml": environment}


def bare(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without outputs, counts, and lines that link to solutions or to the book."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            links = r"^.*\]\((?:solutions|\.\./book)/.*\n?"
            cell.source = re.sub(links, "", cell.source, flags=re.M).rstrip()
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
    for name, change in CHANGED.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        (folder / name).write_text(change(text), encoding="utf-8", newline="\n")
    first = min(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    readme = README.replace("FIRST", first)
    (folder / "README.md").write_text(readme, encoding="utf-8", newline="\n")
    folder = folder.resolve()
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/class_set.py FOLDER")
    try:
        print(make(Path(sys.argv[1])))
    except FileExistsError as error:
        sys.exit(str(error))
