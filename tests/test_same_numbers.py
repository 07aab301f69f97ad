"""The same numbers under all settings: `make same-numbers` runs; here: it would notice."""

import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)"}


@pytest.fixture
def script():
    return import_module("same_numbers")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course: makes a copy with one notebook of this code and stored output."""

    def make(code: str, stored: str) -> Path:
        cell = nbformat.v4.new_code_cell(code, execution_count=1)
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=stored)]
        (tmp_path / "notebooks").mkdir()
        book = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL})
        nbformat.write(book, tmp_path / "notebooks" / "01.ipynb")
        options = "--nbval --nbval-current-env"
        (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {options}\n", encoding="utf-8")
        return tmp_path

    return make


def test_a_number_that_differs_is_noticed(script, course):
    copy = course("print(0.123)", "0.124\n")
    same, seconds, said = script.run(script.PLAIN, copy)
    assert not same and seconds > 0
    assert "0.124" in said


@pytest.mark.parametrize(
    ("setting", "code", "stored"),
    [
        ("two threads", "import torch; print(torch.get_num_threads())", "2\n"),
        ("other working directory", "import os; print(os.path.exists('01.ipynb'))", "False\n"),
        ("one thread", "import os; print(os.path.exists('01.ipynb'))", "True\n"),
    ],
)
def test_a_setting_reaches_the_kernel(script, course, setting, code, stored):
    same, _, said = script.run(setting, course(code, stored))
    assert same, said


def test_a_warning_of_our_own_is_an_error_then(script, course):
    copy = course("import warnings; warnings.warn('old'); print(1)", "1\n")
    assert not script.run("warnings of our own code are errors", copy)[0]


def test_a_setting_without_effect_is_refused(script, monkeypatch):
    monkeypatch.setitem(script.PROOFS, script.PLAIN, "torch.get_num_threads() == 7")
    with pytest.raises(RuntimeError, match="one thread: not in effect on this machine"):
        script.prove(script.PLAIN)


def test_every_setting_is_run_once(script):
    assert script.plan(None) == list(script.SETTINGS)
    assert script.plan("two threads") == ["two threads"]


def test_the_page_has_every_setting_and_no_run_that_differed(script):
    page = (ROOT / "docs" / "same-numbers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \|$", page, re.M)
    assert [setting for setting, _, _ in rows] == list(script.SETTINGS)
    assert all(runs == same and int(runs) >= 1 for _, runs, same in rows)
