"""The exercises in the notebooks, and their worked solutions."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

from recsys_utils import checks

ROOT = Path(__file__).parents[1]
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WITH_AN_OPEN_EXERCISE = {"05", "06", "08"}


@pytest.fixture(params=BOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def section(path: Path) -> list:
    """The cells from `## Exercises` to the next heading of that level."""
    cells = nbformat.read(path, as_version=4).cells
    starts = [i for i, cell in enumerate(cells) if re.match(r"## Exercises$", cell.source, re.M)]
    assert len(starts) == 1, f"{path.name} has {len(starts)} sections '## Exercises'"
    rest = cells[starts[0] + 1 :]
    return [cells[starts[0]], *rest[: next(i for i, c in enumerate(rest) if c.source[:3] == "## ")]]


def exercise_cells(cells: list) -> dict:
    """`{"03.1": cell}`: code cells with a check."""
    found = {}
    for cell in cells:
        if cell.cell_type == "code" and (name := re.search(r'checks\.check\("(.*?)"', cell.source)):
            assert cell.metadata.get("tags") == ["exercise"], cell.source
            found[name[1]] = cell
    return found


def call(cell) -> str:
    """The last line: `checks.check("03.1", attention)`."""
    return cell.source.splitlines()[-1]


def solutions(path: Path):
    return nbformat.read(path.parent / "solutions" / path.name, as_version=4)


def output(cell) -> str:
    """What was printed, without colours."""
    text = "".join(part.get("text", "") for part in cell.outputs)
    return re.sub(r"\x1b\[\d+m", "", text)


def run(*sources: str) -> None:
    """Run cells one after another, as a fresh kernel would."""
    names: dict = {}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), names)


def imports(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return next(cell.source for cell in cells if cell.cell_type == "code")


def test_each_exercise_is_announced_and_has_a_stub(path):
    cells, known = section(path), checks.exercises(path.stem[:2])
    assert list(exercise_cells(cells)) == list(known)
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for name, exercise in known.items():
        assert f"### Exercise {name} · {exercise.title}\n\n**Trains:** " in text, name
        of_this_one = text.split(f"### Exercise {name} ")[1].split("###")[0]
        assert f"*{exercise.level}, {exercise.minutes} minutes.*\n" in of_this_one, name
    levels = {exercise.level for exercise in known.values()}
    assert levels <= {"Easy", "Medium", "Hard"} and len(levels) >= 2
    minutes = sum(exercise.minutes for exercise in known.values())
    assert f"(solutions/{path.name})" in text and f"About {minutes} minutes" in text
    for name in ("hint", "reset", "progress", "report"):
        assert f"checks.{name}(" in text
    assert ("### Open exercise" in text) == (path.stem[:2] in WITH_AN_OPEN_EXERCISE)
    assert any(exercise.predict for exercise in known.values()), "one to predict, then measure"
    assert any(exercise.debug for exercise in known.values()), "one to debug"


def test_the_section_is_short(path):
    cells = section(path)
    words = sum(len(c.source.split()) for c in cells if c.cell_type == "markdown")
    assert len(cells) <= 13 and words <= 1000
    assert all(len(c.source.splitlines()) <= 25 for c in cells)


def test_the_stub_in_the_notebook_is_the_one_that_reset_prints(path):
    for name, cell in exercise_cells(section(path)).items():
        stub = checks.exercises(path.stem[:2])[name].stub
        assert cell.source.rsplit("checks.check", 1)[0].strip() == stub
        assert all(len(line) <= 79 for line in stub.splitlines())


def test_nothing_is_solved_in_the_notebook(path):
    for name, cell in exercise_cells(section(path)).items():
        assert output(cell).startswith(f"○ {name} "), output(cell)
        assert "not tried yet" in output(cell)


def test_the_first_cell_is_all_an_exercise_needs(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, cell in exercise_cells(section(path)).items():
        run(imports(path), cell.source)
        assert f"○ {name} " in capsys.readouterr().out


def test_a_solution_in_the_place_of_its_stub_is_right(path, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    stubs, solved = exercise_cells(section(path)), exercise_cells(solutions(path).cells)
    assert list(stubs) == list(solved)
    for name, cell in solved.items():
        assert call(cell) == call(stubs[name])
        run(imports(path), cell.source)
        assert f"✓ {name} " in capsys.readouterr().out, name


def test_solutions_are_complete_and_were_run(path):
    book = solutions(path)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for name, cell in exercise_cells(book.cells).items():
        assert output(cell).startswith(f"✓ {name} ")
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    for name, exercise in checks.exercises(path.stem[:2]).items():
        assert f"## Exercise {name} · {exercise.title}\n" in text
    assert "## Questions to take away: what a good answer contains" in text
    assert ("marking guide" in text) == (path.stem[:2] in WITH_AN_OPEN_EXERCISE)
    assert f"(../{path.name})" in book.cells[0].source
    assert f"(../{path.name})" in book.cells[-1].source
    asked = nbformat.read(path, 4).cells
    asked = next(c.source for c in asked if c.source.startswith("## Questions to take away"))
    asked = re.findall(r"^- ", asked.split("\n## ")[0], re.M)
    answered = text.split("what a good answer contains")[1]
    assert len(re.findall(r"^- \*\*", answered, re.M)) == len(asked)


def test_links_in_solutions_work(path):
    for cell in solutions(path).cells:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", cell.source):
            assert (path.parent / "solutions" / target).exists(), target


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_nbgrader_marks_a_wrong_answer_wrong_without_assert(flag, tmp_path):
    cells = import_module("nbgrader_source").source(ROOT / "notebooks" / "03_algorithm.ipynb").cells
    test = next(c.source for c in cells if c.metadata.get("nbgrader", {}).get("grade"))
    wrong = "attention = lambda query, key, value: (query, query)\n"
    untouched = checks.exercises("03")["03.1"].stub + "\n"
    right = "import torch\ndef attention(q, k, v):\n    w = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1)\n    return w @ v, w\n"  # noqa: E501
    for answer, words in (
        (wrong, "03.1 not yet."),
        (untouched, "03.1 not tried yet."),
        (right, ""),
    ):
        result = subprocess.run(
            [sys.executable, flag, "-c", answer + test],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        assert (result.returncode == 0) == (not words) and words in result.stderr, result.stderr
