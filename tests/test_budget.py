"""The budget: `make budget` measures; these tests make sure that it would complain."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def budget():
    return import_module("budget")


@pytest.fixture
def costs(budget):
    """What would just be allowed."""
    return {(book.stem, threads): budget.Cost(120 / len(budget.NOTEBOOKS), 40, 750)
            for book in budget.NOTEBOOKS for threads in (1, 2)}  # fmt: skip


def test_what_is_promised_may_be_used_up(budget, costs):
    assert budget.broken(costs) == []


@pytest.mark.parametrize(
    ("threads", "cost", "words"),
    [
        (1, (26, 26, 500), "1 threads: 26 s, at most 25"),
        (2, (27, 60, 500), "2 threads: 27 s, at most 25"),
        (1, (20, 20, 751), "1 threads: 751 MB, at most 750"),
    ],
)
def test_a_notebook_that_costs_too_much_is_named(budget, costs, threads, cost, words):
    name = budget.NOTEBOOKS[2].stem
    costs[name, threads] = budget.Cost(*cost)
    assert f"{name}, {words}" in budget.broken(costs)


def test_the_whole_course_and_the_files_are_looked_at(budget, costs, monkeypatch):
    every = {key: budget.Cost(24, 24, 500) for key in costs}
    assert any("whole course" in words for words in budget.broken(every))
    monkeypatch.setattr(budget, "FILE_KB", 10)
    assert len(budget.broken(costs)) == len(budget.NOTEBOOKS)


def test_a_run_is_measured_in_the_kernel(budget, tmp_path):
    """A notebook that computes for a second and holds 300 MB costs about that much more."""
    import nbformat

    def cost(code: str):
        book = tmp_path / "book.ipynb"
        cells = [nbformat.v4.new_code_cell(code)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), book)
        return budget.measure(book, 1)

    program = "import time\nheld = bytearray(300_000_000)\nend = time.process_time() + 1\n"
    program += "while time.process_time() < end:\n    pass"
    little, much = cost("pass"), cost(program)
    assert 0.8 < much.cpu - little.cpu < 2 and 250 < much.peak - little.peak < 350
    assert much.seconds > 1


def test_a_slow_run_gets_a_second_chance_but_no_third(budget, monkeypatch):
    times = iter([26, 27, 24, 30, 23])
    monkeypatch.setattr(budget, "measure_once", lambda *_: budget.Cost(next(times), 1, 1))
    assert [budget.measure(None, 1).seconds for _ in range(2)] == [26, 24]
    assert budget.measure(None, 2).seconds == 23


def test_the_page_was_measured_and_within_the_promise(budget):
    """docs/budget.md has a row for every notebook, and none over the limits."""
    page = (ROOT / "docs" / "budget.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d_\w+) \| (.*) \|$", page, re.M)
    books = [book.stem for book in budget.NOTEBOOKS]
    assert [name for name, _ in rows] == books
    for name, cells in rows:
        one, _, peak, two, _, peak_two, size = map(int, cells.split(" | "))
        assert one <= budget.SECONDS[1] and two <= budget.SECONDS[2], name
        assert max(peak, peak_two) <= budget.PEAK_MB and size <= budget.FILE_KB, name
    assert re.search(r"Measured on 20\d\d-\d\d-\d\d by `make budget`: \d+ cores of \w+", page)
