"""The ways to install the course agree with one another, and the README's commands exist."""

import hashlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
# conda-forge has these under other names.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "seaborn": "seaborn-base", "torch": "pytorch-cpu"}


def requirement(line: str) -> tuple[str, str]:
    """'torch>=2.6,<2.14' -> ('torch', '>=2.6,<2.14')"""
    name = re.match(r"[\w-]+", line)[0]
    return name, line[len(name) :]


def conda_requirements() -> dict[str, str]:
    lines = [line for line in CONDA["dependencies"] if isinstance(line, str)]
    pip = next(line for line in CONDA["dependencies"] if isinstance(line, dict))["pip"]
    return dict(requirement(line) for line in lines + [line for line in pip if line[0] != "-"])


def test_conda_and_pip_install_the_same_versions():
    found = conda_requirements()
    lab = PROJECT["optional-dependencies"]["lab"]
    for line in PROJECT["dependencies"] + lab:
        name, versions = requirement(line)
        assert found.get(CONDA_NAMES.get(name, name)) == versions, line
    testing = dict(requirement(line) for line in PROJECT["optional-dependencies"]["test"])
    assert found["nbval"] == testing["nbval"] and found["pytest"] == testing["pytest"]


def locked() -> dict[str, set[str]]:
    """Package -> its versions in the lock file; several where systems or Pythons differ."""
    found = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, locked_version = re.fullmatch(r"([\w.-]+)==([^ ;]+)(?: ; .+)?", line).groups()
            found.setdefault(name, set()).add(locked_version)
    return found


def test_the_lock_has_one_version_of_everything_within_the_bounds():
    """`make lock` writes it anew; pip takes it as constraints, so it may hold more than needed."""
    found = locked()
    every_extra = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in every_extra for line in extra)]:
        need = Requirement(line)
        assert found[need.name] and all(map(need.specifier.contains, found[need.name])), line


def pip_commands(*asked: str) -> list[str]:
    """The two commands with which `make lab` installs torch, then all the rest."""
    command = ["make", "-n", "VENV=no-such-folder", *asked, "no-such-folder/.done"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return [line for line in run.stdout.splitlines() if "pip install" in line]


def test_make_lab_installs_what_is_locked_and_the_newest_if_asked_to():
    torch = next(line for line in PROJECT["dependencies"] if line.startswith("torch"))
    for first, rest in (pip_commands(), pip_commands("LOCK=")):
        assert f'"{torch}"' in first
        assert rest.endswith('-e ".[lab,test,site]"')
    assert all("--constraint requirements.lock" in line for line in pip_commands())
    assert not any("requirements.lock" in line for line in pip_commands("LOCK="))


def test_binder_finds_its_files_at_the_root():
    """A binder/ folder would hide environment.yml; `python=3.11` needs a single =."""
    assert "python=3.11" in CONDA["dependencies"] and CONDA["channels"][0] == "conda-forge"
    assert "-e ." in CONDA["dependencies"][-1]["pip"]
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists()


@pytest.mark.parametrize("line", PROJECT["dependencies"], ids=lambda line: requirement(line)[0])
def test_every_dependency_is_bounded_below_and_above(line):
    assert ">=" in line and "<" in line
    assert version(requirement(line)[0])


def test_every_dependency_is_imported_somewhere():
    sources = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "recsys_utils").glob("*.py"))
    for line in PROJECT["dependencies"]:
        name = requirement(line)[0]
        # ipywidgets draws tqdm's progress bar in a notebook
        word = "tqdm.auto" if name == "ipywidgets" else name
        assert re.search(rf"(import|from) {re.escape(word)}\b", sources), name


def test_the_readmes_commands_are_in_the_makefile():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"^make ([a-z-]+)", readme, re.M))
    assert {"lab", "test"} <= commands
    assert all(re.search(rf"^{command}:", makefile, re.M) for command in commands)


@pytest.mark.parametrize("page", ["README.md", "data/README.md"])
def test_links_in_the_pages_work(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|#", target):
            assert (ROOT / page).parent.joinpath(target.split("#")[0]).exists(), target


def test_the_readme_lists_every_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"(notebooks/{path.name})" in readme, path.name


def test_checksums_in_the_datasheet_are_those_of_the_files():
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for name in ("ratings.csv", "movies.csv"):
        digest = hashlib.sha256((ROOT / "data" / name).read_bytes()).hexdigest()
        assert re.search(rf"{digest}\W+{re.escape(name)}", text), f"{name}: {digest}"


def test_ratings_are_what_the_script_makes_of_the_source():
    """Byte for byte; titles, years and genres of movies.csv are those of the source as well."""
    command = [sys.executable, "data/make_ratings.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_in_the_project_names_a_machine():
    kinds = {".py", ".md", ".toml", ".yml", ".ipynb", ".cfg", ".csv", ".svg", ".txt"}
    for path in ROOT.rglob("*"):
        inside = path.relative_to(ROOT).parts
        if path.suffix in kinds and not any(p.startswith(".") or "egg" in p for p in inside):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"[\"' ]/(home|root|Users|work|tmp)/\w+/", text), path
