"""The exercises in the notebooks, and their worked solutions."""

import re
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
    return "".join(part.get("text", "") for part in cell.outputs)


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
        task = text.split(f"### Exercise {name} ")[1].split("\n### ")[0]
        effort = rf"\*{exercise.level}[,.] (about )?{exercise.minutes} minutes\.\*"
        assert re.search(effort, task), f"{name}: says how hard it is, and how long it takes"
    assert len({exercise.level for exercise in known.values()}) >= 2
    assert f"(solutions/{path.name})" in text and re.search(r"About \d+ minutes", text)
    assert ("### Open exercise" in text) == (path.stem[:2] in WITH_AN_OPEN_EXERCISE)
    assert any(exercise.predict for exercise in known.values()), "one to predict, then measure"
    assert any(exercise.debug for exercise in known.values()), "one to debug"


def test_the_stub_is_the_one_that_reset_prints(path):
    for name, cell in exercise_cells(section(path)).items():
        stub = cell.source.removesuffix(call(cell)).rstrip()
        assert stub == checks.exercises(path.stem[:2])[name].stub.rstrip()


def test_the_section_is_short(path):
    cells = section(path)
    words = sum(len(c.source.split()) for c in cells if c.cell_type == "markdown")
    assert len(cells) <= 13 and words <= 900
    assert all(len(c.source.splitlines()) <= 25 for c in cells)


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
