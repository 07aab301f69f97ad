"""The public address stands in pyproject.toml; scripts/set_address.py makes the rest from it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
COPIED = ["README.md", "pyproject.toml", "CITATION.cff", "notebooks", "tests", "scripts"]
BOOKS = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
ONE = "https://github.com/ada-l/explained"
OTHER = "https://github.com/Grace9/re.com_mender"


@pytest.fixture(scope="module")
def script():
    return import_module("set_address")


def copied(folder: Path) -> Path:
    """The files of the repository that have to do with the address."""
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def copy(tmp_path):
    return copied(tmp_path)


@pytest.fixture(scope="module")
def written(script, tmp_path_factory):
    """A copy with an address. Only to be read."""
    folder = copied(tmp_path_factory.mktemp("written"))
    script.set_address(ONE, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def first_cell(folder: Path, name: str) -> str:
    return nbformat.read(folder / "notebooks" / name, 4).cells[0].source


def address_of(folder: Path) -> str | None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def test_the_repository_is_as_the_script_makes_it(script, copy):
    """Whoever adds a notebook, or edits an address by hand, is told to run the script."""
    if address := address_of(ROOT):
        assert script.set_address(address, copy) == []
    else:
        text = "".join(first_cell(copy, name) for name in BOOKS)
        text += (ROOT / "README.md").read_text(encoding="utf-8")
        text += (ROOT / "CITATION.cff").read_text(encoding="utf-8")
        assert not re.search(r"mybinder\.org/v2|colab\.research|repository-code", text)


def test_it_writes_the_address_where_it_belongs(script, copy):
    changed = script.set_address(ONE, copy)
    books = [f"notebooks/{name}" for name in BOOKS]
    assert changed == ["pyproject.toml", "README.md", "CITATION.cff", *books]
    assert address_of(copy) == ONE
    citation = yaml.safe_load((copy / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == ONE


def test_badges_follow_the_marker(script, written):
    readme = (written / "README.md").read_text(encoding="utf-8")
    below = readme.split(f"\n{script.MARKER}\n")[1].split("\n\n")[0]
    links = re.findall(r"\[!\[[^\]]{10,}\]\(https://\S+\.svg\)\]\((\S+)\)", below)
    assert links == [
        "https://mybinder.org/v2/gh/ada-l/explained/main"
        "?urlpath=lab/tree/notebooks/01_background.ipynb",
        "https://colab.research.google.com/github/ada-l/explained/blob/main"
        "/notebooks/01_background.ipynb",
    ]


def test_what_you_clone_is_the_address(written):
    readme = (written / "README.md").read_text(encoding="utf-8")
    clones = re.findall(r"git clone.*? (https://\S+)", readme)
    assert clones and set(clones) == {ONE}


@pytest.mark.parametrize("name", BOOKS)
def test_every_notebook_launches_itself(written, name):
    text = first_cell(written, name)
    line = next(line for line in text.splitlines() if line.startswith("**Launch:** "))
    assert re.findall(r"\]\((\S+?)\)", line) == [
        f"https://mybinder.org/v2/gh/ada-l/explained/main?urlpath=lab/tree/notebooks/{name}",
        f"https://colab.research.google.com/github/ada-l/explained/blob/main/notebooks/{name}",
        f"{ONE}#colab",
    ]
    paragraphs = text.split("\n\n")
    assert "(../README.md)" in paragraphs[paragraphs.index(line) - 1]
    assert text.replace(f"\n\n{line}", "") == re.sub(
        r"\n\n\*\*Launch:.*", "", first_cell(ROOT, name)
    )


@pytest.mark.parametrize("name", BOOKS)
def test_nothing_else_in_a_notebook_changes(written, name):
    """Not a byte outside the first cell: outputs, ids, metadata, order of keys, spaces."""
    before = (ROOT / "notebooks" / name).read_bytes()
    after = (written / "notebooks" / name).read_bytes()
    second = b'\n  {\n   "cell_type"'
    assert before.split(second)[2:] == after.split(second)[2:]
    old, new = json.loads(before), json.loads(after)
    new["cells"][0]["source"] = old["cells"][0]["source"]
    assert old == new


def test_a_second_run_changes_nothing(script, copy):
    script.set_address(ONE, copy)
    before = contents(copy)
    assert script.set_address(ONE, copy) == []
    assert contents(copy) == before


def test_another_address_replaces_the_first(script, copy, tmp_path_factory):
    straight = tmp_path_factory.mktemp("straight") / "copy"
    shutil.copytree(copy, straight)
    script.set_address(ONE, copy)
    script.set_address(OTHER, copy)
    script.set_address(OTHER, straight)
    assert contents(copy) == contents(straight)
    assert not any(b"ada-l" in content for name, content in contents(copy).items()
                   if not name.startswith("tests"))  # fmt: skip


def test_other_addresses_of_the_project_stay(script):
    text = '[project]\nname = "x"\n\n[project.urls]\nHomepage = "https://example.org"\n'
    once = script.in_pyproject(text, ONE)
    assert tomllib.loads(once)["project"]["urls"] == {
        "Homepage": "https://example.org",
        "Repository": ONE,
    }
    assert script.in_pyproject(once, OTHER) == once.replace(ONE, OTHER)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada-l/explained",
        "http://github.com/ada-l/explained",
        "https://github.com/ada-l",
        "https://github.com/ada-l/explained/",
        "https://github.com/ada-l/explained.git",
        "https://github.com/ada-l/explained/tree/main",
        "https://github.com/ada l/explained",
        "https://github.com/ada-l/explained)",
        "https://gitlab.com/ada-l/explained",
        "git@github.com:ada-l/explained.git",
        "https://github.com/ada-l/explained\n",
    ],
)
def test_what_is_no_address_is_refused(script, copy, address):
    before = contents(copy)
    with pytest.raises(script.AddressError) as error:
        script.set_address(address, copy)
    assert "expected https://github.com/OWNER/NAME, without .git and" in str(error.value)
    assert f"got {address!r}" in str(error.value)
    assert contents(copy) == before


def test_a_file_without_a_place_is_named_and_nothing_is_written(script, copy):
    def refused(name: str, old: str, new: str) -> str:
        path = copy / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        before = contents(copy)
        with pytest.raises(script.AddressError) as error:
            script.set_address(ONE, copy)
        assert contents(copy) == before
        path.write_text(text, encoding="utf-8")
        return str(error.value)

    assert script.MARKER in refused("README.md", script.MARKER, "")
    assert "'### Colab'" in refused("README.md", "### Colab", "### Elsewhere")
    book = f"notebooks/{BOOKS[2]}"
    assert refused(book, "(../README.md)", "(README)").startswith(f"{book}: the first cell")
    assert refused(book, '\n "cells"', '\n\n "cells"').startswith(f"{book} is not stored as")


def test_as_a_command(copy):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "scripts/set_address.py", *arguments]
        return subprocess.run(command, cwd=copy, capture_output=True, text=True)

    usage = run()
    assert usage.returncode == 1 and usage.stderr.startswith("Usage: python scripts/set_address")
    refused = run("somewhere")
    assert refused.returncode == 1 and refused.stderr.startswith("Nothing was changed: expected")
    assert "pyproject.toml\nREADME.md\nCITATION.cff\nnotebooks/01" in run(ONE).stdout
    assert run(ONE).stdout == "Nothing to change.\n"


def test_the_notebooks_keep_their_anatomy(written):
    """tests/test_notebooks.py, on the copy: what a line in the first cell could break."""
    parts = "parts_every_notebook or headings or size or previous_and_next"
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:nbval"]
    command += ["-p", "no:cacheprovider", "tests/test_notebooks.py", "-k", parts]
    run = subprocess.run(command, cwd=written, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
