"""Make nbgrader's source notebooks from the exercises and their worked solutions.

    python scripts/nbgrader_source.py COURSE/source

One assignment for each notebook (`source/03/03_algorithm.ipynb`): the imports, then for each
exercise its text and stub, the worked solution between nbgrader's marks, and a test worth 2 points.
`nbgrader generate_assignment 03` makes the students' version. See docs/teaching.md.
"""

import itertools
import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
TEST = """from recsys_utils.checks import exercises, verdict

result, printed = verdict(exercises("{notebook}")["{name}"], {answer})
print(result.message)
if result.status != "right":  # no `assert`: python -O leaves those out
    raise AssertionError("{name} " + result.status + ". " + result.message)"""


def marked(kind: str, name: str, points: int = 0) -> dict:
    """nbgrader's metadata for one cell."""
    return {
        "nbgrader": {
            "schema_version": 3,
            "grade_id": f"{kind}-{name.replace('.', '-')}",
            "solution": kind == "answer",
            "grade": kind == "test",
            "locked": kind == "test",
            "task": False,
            **({"points": points} if points else {}),
        }
    }


def source(notebook: Path) -> nbformat.NotebookNode:
    """The assignment of one notebook of the course."""
    cells = nbformat.read(notebook, 4).cells
    solved = nbformat.read(notebook.parent / "solutions" / notebook.name, 4).cells
    answers = {}
    for cell in solved:
        if found := re.search(r'\n+checks\.check\("(.*?)", (.*)\)$', cell.source):
            arguments = found[2].replace("prediction=", "")
            answers[found[1]] = (cell.source[: found.start()], arguments)
    made = nbformat.v4.new_notebook()
    imports = next(cell.source for cell in cells if cell.cell_type == "code")
    made.cells = [nbformat.v4.new_code_cell(imports)]
    for text, cell in itertools.pairwise(cells):
        if found := re.search(r'^checks\.check\("(.*?)"', cell.source, re.M):
            code, answer = answers[found[1]]
            stub = cell.source[: found.start()].rstrip()
            start = f"{text.source}\n\nStart from:\n\n```python\n{stub}\n```"
            test = TEST.format(notebook=found[1][:2], name=found[1], answer=answer)
            made.cells += [
                nbformat.v4.new_markdown_cell(start),
                nbformat.v4.new_code_cell(
                    f"### BEGIN SOLUTION\n{code}\n### END SOLUTION",
                    metadata=marked("answer", found[1]),
                ),
                nbformat.v4.new_code_cell(test, metadata=marked("test", found[1], points=2)),
            ]
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/nbgrader_source.py COURSE/source")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        folder = Path(sys.argv[1]) / path.stem[:2]
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(source(path), folder / path.name)
        print(folder / path.name)
