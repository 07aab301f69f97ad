"""Installed without a clone, the course still has its data, and notebooks run in any folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
WHERE = "import recsys_utils.tables as t; print(t.__file__); print(t.DATA)"
LOAD = "from recsys_utils.data import *; print(len(load_ratings(movies=load_movies())))"


def run(*command, cwd: Path) -> str:
    """What a command prints; the course's folder is not on its path."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "tests" / "guard"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def new_environment(folder: Path, *install: str) -> Path:
    """The Python of an environment with this one's packages, and the course as pip installs it."""
    venv.create(folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    command = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", command, cwd=folder).strip())
    # A .pth file is not followed by another: the course as installed here stays out of sight.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, *install, cwd=folder)
    return python


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of what makes the package: building it leaves a folder behind."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("recsys_utils", "data", "notebooks", "studies"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(project) -> Path:
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "dist"]
    run(sys.executable, "-m", "pip", "wheel", *options, ".", cwd=project)
    return next((project / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The Python of an environment with nothing but the wheel and what the course needs."""
    return new_environment(tmp_path_factory.mktemp("installed"), str(wheel))


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    folder = tmp_path / "Mes cours été 2026" / "notebooks"
    folder.mkdir(parents=True)
    return folder


def test_the_wheel_carries_every_module_and_the_data_byte_for_byte(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        modules = [*(ROOT / "recsys_utils").rglob("*.py")]
        for path in [*modules, ROOT / "recsys_utils" / "explorer.css"]:
            assert path.relative_to(ROOT).as_posix() in names
        for name in ("movies.csv", "ratings.csv", "README.md"):
            carried = archive.read(f"recsys_utils/course_data/{name}")
            assert carried == (ROOT / "data" / name).read_bytes()


def test_the_wheel_carries_the_studies_and_finds_them(wheel, python, elsewhere):
    stored = {path.name for path in (ROOT / "studies").glob("*.csv")}
    stored.add("peers.jsonl")  # notebook 06 reads it
    with zipfile.ZipFile(wheel) as archive:
        carried = {Path(name).name for name in archive.namelist() if "course_studies" in name}
    assert stored <= carried
    program = "from recsys_utils.studies import *; print(len(read_study('worlds')) > 1000)"
    assert run(python, "-c", program, cwd=elsewhere) == "True\n"


def test_the_wheel_carries_the_ledger_and_no_notebook(wheel, python, elsewhere):
    with zipfile.ZipFile(wheel) as archive:
        carried = {Path(name).name for name in archive.namelist() if "course_notebooks" in name}
    assert carried == {"ledger.csv", "evidence.json"}
    program = "from recsys_utils.ledger import *; print(len(read_ledger()) > 80)"
    assert run(python, "-c", program, cwd=elsewhere) == "True\n"


def test_the_data_are_found_in_the_wheel_and_in_a_folder_with_spaces_and_accents(python, elsewhere):
    module, data = run(python, "-c", WHERE, cwd=elsewhere).splitlines()
    assert Path(module).is_relative_to(python.parents[1])
    assert Path(data) == Path(module).parent / "course_data"
    assert run(python, "-c", LOAD, cwd=elsewhere) == "63122\n"


def test_installed_with_e_the_data_are_those_of_the_clone(project, tmp_path, elsewhere):
    python = new_environment(tmp_path / "environment", "-e", str(project))
    module, data = run(python, "-c", WHERE, cwd=elsewhere).splitlines()
    assert Path(module) == project / "recsys_utils" / "tables.py"
    assert Path(data) == project / "data"
    assert run(python, "-c", LOAD, cwd=elsewhere) == "63122\n"


def test_a_notebook_runs_in_a_folder_of_its_own(python, elsewhere):
    notebook = nbformat.read(ROOT / "notebooks" / "02_core_concepts.ipynb", 4)
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE))
    nbformat.write(notebook, elsewhere / "copy.ipynb")
    command = ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", "run", "copy.ipynb"]
    run(python, *command, cwd=elsewhere)
    last = nbformat.read(elsewhere / "run.ipynb", 4).cells[-1]
    assert "course_data" in last.outputs[0].text


def test_the_doctor_is_content_with_it(python, elsewhere):
    lines = run(python, "-m", "recsys_utils.doctor", cwd=elsewhere).splitlines()
    assert "OK  data/ratings.csv" in lines and "OK  data/movies.csv" in lines
    assert "OK  in it the packages can be imported and the data loaded" in lines
