"""A notebook that Colab opens alone brings the course with it; its links lead somewhere."""

import re
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
BOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
ADDRESS = "https://github.com/ada-l/explained"


@pytest.fixture(scope="module")
def script():
    return import_module("colab")


@pytest.fixture
def made(script):
    """Path -> the notebook as Colab opens it."""
    paths = [path.relative_to(ROOT).as_posix() for path in BOOKS]
    return {
        path: script.for_colab(nbformat.read(ROOT / path, as_version=4), path, ADDRESS)
        for path in paths
    }


def test_the_first_code_cell_installs_the_course_and_the_rest_is_the_same(made):
    assert len(made) > 10
    for path, notebook in made.items():
        nbformat.validate(notebook)
        stored = [c for c in nbformat.read(ROOT / path, 4).cells if c.cell_type == "code"]
        install, *others = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert f"git clone -q --depth 1 {ADDRESS} " in install.source
        assert others == stored


def test_every_link_has_an_address_of_its_own(made):
    for path, notebook in made.items():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                targets = re.findall(r"\]\(([^)\s]+)|src=\"([^\"]+)", cell.source)
                for target in filter(None, sum(targets, ())):
                    assert re.match(r"https?://|doi:|#", target), (path, target)


def test_links_lead_to_the_next_notebook_to_pictures_and_to_pages(script):
    text = "[a](06_x.ipynb) ![b](images/c.png) [d](../docs/glossary.md#e) [f](#g) [h](https://i.k)"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("1")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    (first, *_) = script.for_colab(notebook, "notebooks/05_y.ipynb", ADDRESS).cells
    assert re.findall(r"\(([^)]*)\)", first.source) == [
        "https://colab.research.google.com/github/ada-l/explained/blob/colab/notebooks/06_x.ipynb",
        "https://raw.githubusercontent.com/ada-l/explained/colab/notebooks/images/c.png",
        f"{ADDRESS}/blob/HEAD/docs/glossary.md#e",
        "#g",
        "https://i.k",
    ]


@pytest.fixture
def ran(script, monkeypatch):
    """What the cell asks the shell for; what it says."""
    asked = []
    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    monkeypatch.setattr(shell, "system", lambda line: asked.append(f"!{line}"))
    monkeypatch.setattr(shell, "getoutput", lambda line: asked.append(f"!{line}"))
    monkeypatch.setattr(
        shell, "run_line_magic", lambda name, line, *_, **__: asked.append(f"%{name} {line}")
    )

    def run() -> list[str]:
        shell.run_cell(script.INSTALL.format(address=ADDRESS)).raise_error()
        return asked

    return run


def test_anywhere_else_the_cell_does_nothing(ran, capsys):
    assert "google.colab" not in sys.modules
    assert ran() == [] and capsys.readouterr().out == ""


def test_in_colab_it_clones_once_installs_and_goes_to_the_notebooks(ran, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    clone, install, go = ran()
    assert clone == (
        f"!test -d /content/course || git clone -q --depth 1 {ADDRESS} /content/course"
    )
    assert (install, go) == ("%pip install -q /content/course", "%cd -q /content/course/notebooks")


def test_what_colab_has_loaded_before_is_said(ran, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    ran()
    assert capsys.readouterr().out == ""
    import pandas

    monkeypatch.setattr(pandas, "__version__", "2.2.2")
    ran()
    assert "Restart session and run all" in capsys.readouterr().out


def test_the_branch_is_written_by_the_workflow_that_publishes_and_by_nothing_else():
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text("utf-8"))
    job = workflow["jobs"]["colab"]
    assert job["permissions"] == {"contents": "write"}, "of this job alone"
    run = job["steps"][-1]["run"]
    assert 'python scripts/colab.py "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"\n' in run
    assert run.rstrip().endswith("git push --force origin HEAD:colab")
