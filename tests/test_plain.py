"""The measure of plainness sees what it is meant to see."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from plain import Plainness, plainness


def counted(*cells) -> Plainness:
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return plainness(new_notebook(cells=cells))


def test_words_and_signs_are_counted_but_not_comments_and_empty_lines():
    found = counted("# a comment\n\nx = 1", "print(x)")
    assert found.tokens == 3.5 and found.densest == 4


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("x = [i for i in y]", "comprehensions"),
        ("x = [[i for i in j] for j in y]", "nested"),
        ("x = {i: j for j in y for i in j}", "nested"),
        ("assert x == 1", "asserts"),
        ("print(*x)", "stars"),
        ("first, *rest = x", "stars"),
        ("x.mean(dim=1)[:, None].sum().item()", "chains"),
    ],
)
def test_what_is_dense_is_counted_per_100_lines(line, name):
    assert getattr(counted("x = 1", line), name) == 50
    assert getattr(counted("x = 1", "x = 2"), name) == 0


def test_two_calls_in_a_row_are_no_chain():
    assert counted("x.mean(dim=1).item()").chains == 0


def test_lines_of_imports():
    assert counted("import torch\nfrom a import (\n    b,\n    c,\n)").imports == 5


def test_exercises_and_folded_code_are_left_out():
    folded = new_code_cell("assert 1", metadata={"jupyter": {"source_hidden": True}})
    tagged = new_code_cell("assert 1", metadata={"tags": ["hide-input"]})
    exercises = new_markdown_cell("## Exercises\n\nTry.")
    after = new_markdown_cell("## Questions")
    found = counted("x = 1", folded, tagged, exercises, "assert 1", after, "x = 2")
    assert found.asserts == 0
    assert counted("x = 1", after, "assert 1").asserts == 50


def test_nothing_to_count_is_an_error():
    with pytest.raises(ValueError, match="no visible code"):
        counted("# nothing")
