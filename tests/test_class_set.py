"""What `make class-set` hands out: complete, working, and without the answers."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

from recsys_utils import checks

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return import_module("class_set")


@pytest.fixture(scope="module")
def folder(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "class-set"
    script.make(folder)
    return folder


def books(folder):
    return [nbformat.read(path, 4) for path in sorted((folder / "notebooks").glob("*.ipynb"))]


def test_all_notebooks_without_outputs(folder):
    assert len(books(folder)) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    for book in books(folder):
        nbformat.validate(book)
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        assert code and not any(cell.outputs or cell.execution_count for cell in code)


def test_no_solutions(folder):
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    assert not [name for name in names if "solution" in name or "tests" in name or ".git" in name]
    assert "solutions/" not in "".join(cell.source for book in books(folder) for cell in book.cells)


def test_the_exercises_are_all_there(folder):
    def calls(book):
        return [line for cell in book.cells for line in re.findall("checks.check.*", cell.source)]

    original = [nbformat.read(path, 4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert list(map(calls, books(folder))) == list(map(calls, original))


def test_the_ledger_is_complete_for_somebody_who_has_run_no_notebook(folder):
    """What the cells printed that it quotes comes with the class set."""
    program = (
        "import recsys_utils.ledger as ledger; claims = ledger.read_ledger(); "
        "print(ledger.NOTEBOOKS, len(claims), claims['measured'].str.contains('{').sum())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    lines = (ROOT / "notebooks" / "ledger.csv").read_text("utf-8").splitlines()
    assert run.stdout == f"{folder / 'notebooks'} {len(lines) - 1} 0\n", run.stderr


def test_all_links_work(folder):
    for book in books(folder):
        for cell in book.cells:
            if cell.cell_type == "markdown":
                for target in re.findall(r"\]\(((?!https?:)[^)\s#]+)", cell.source):
                    assert (folder / "notebooks" / target).exists(), target
    for target in re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text()):
        assert (folder / target).exists(), target
    for target in re.findall(
        r"\]\((\.\./[^)#]+)", (folder / "docs/glossary.md").read_text("utf-8")
    ):
        assert (folder / "docs" / target).exists(), target


def test_only_commands_that_work_and_only_what_students_need(folder):
    makefile = (folder / "Makefile").read_text("utf-8")
    listed = subprocess.run(["make", "help"], cwd=folder, capture_output=True, text=True)
    names = [line.split("\t")[0] for line in listed.stdout.splitlines()]
    assert {"help", "lab", "clean"} <= set(names) <= {"help", "lab", "doctor", "studies", "clean"}
    planned = subprocess.run(["make", "-n", "lab"], cwd=folder, capture_output=True, text=True)
    assert planned.returncode == 0 and '-e ".[lab]"' in planned.stdout, planned.stderr
    assert not re.search("scripts/|pytest|recbole|npm", makefile, re.I)
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    assert list(project["project"]["optional-dependencies"]) == ["lab"]
    assert list(project["tool"]) == ["setuptools"]
    conda = (folder / "environment.yml").read_text("utf-8")
    assert "jupyterlab" in conda and "pytest" not in conda and "nbval" not in conda


def test_the_readme_says_what_to_do_on_every_system(folder):
    text = (folder / "README.md").read_text("utf-8")
    commands = ["make lab", "make doctor", ".venv\\Scripts\\activate", "conda env create",
                "python -m recsys_utils.doctor", "docs/glossary.md"]  # fmt: skip
    assert [command for command in commands if command not in text] == []
    for target in re.findall(r"`make (\w+)`", text):
        assert f"\n{target}:" in (folder / "Makefile").read_text("utf-8")


def test_hints_name_no_file_that_is_not_there(folder):
    for path in (folder / "recsys_utils" / "checks").glob("*.py"):
        named = re.findall(r"\b(?:tests|scripts|solutions)/[\w/]*\.\w+", path.read_text("utf-8"))
        assert not named, path.name


def test_it_stands_on_its_own(folder):
    program = (
        "import recsys_utils.checks as c; from recsys_utils.data import load_movies; "
        "print(len(load_movies()), c.__file__); c.check('03.1', ...)"
    )
    # The class set's own package, not the installed one.
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert str(folder) in run.stdout and "○ 03.1" in run.stdout, run.stdout + run.stderr


def test_the_zip_holds_the_same(folder):
    with zipfile.ZipFile(folder.with_suffix(".zip")) as archive:
        zipped = {name for name in archive.namelist() if not name.endswith("/")}
    files = {p.relative_to(folder.parent).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert zipped == {name for name in files if "__pycache__" not in name}


def test_nothing_is_overwritten(script, folder):
    with pytest.raises(FileExistsError, match="class-set is not empty"):
        script.make(folder)


def test_the_assignments_for_nbgrader_hold_text_solution_and_test():
    """Each test cell passes with the worked solution and fails with the stub."""
    module = import_module("nbgrader_source")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        made = module.source(path)
        nbformat.validate(made)
        parts = list(zip(made.cells[1::3], made.cells[2::3], made.cells[3::3], strict=True))
        assert len(parts) == len(checks.exercises(path.stem[:2]))
        for text, answer, test in parts:
            assert "### BEGIN SOLUTION\n" in answer.source and answer.metadata.nbgrader.solution
            assert test.metadata.nbgrader.grade and test.metadata.nbgrader.points == 2
            names = {}
            exec(made.cells[0].source, names)
            exec(re.search("```python\n(.*)```", text.source, re.S)[1], names)
            with pytest.raises(AssertionError):
                exec(test.source, names)
            exec(answer.source, names)
            exec(test.source, names)
