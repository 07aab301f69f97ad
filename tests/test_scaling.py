"""The benchmarks of docs/scaling.md: what they stream or distribute is what the course computes."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from recsys_utils.evaluation import score_unseen, top_k

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scaling():
    return import_module("scaling")


@pytest.fixture(scope="module")
def tasks(scaling):
    return scaling.tasks


@pytest.fixture(scope="module")
def course(scaling):
    """The course's model, untrained, and split."""
    return scaling.load()


@pytest.mark.parametrize("stage", ["validation", "test"])
def test_lists_of_seen_films_say_what_the_table_says(tasks, course, stage):
    _, split = course
    users = torch.tensor([3, 650, 3, 0])
    for user, items in zip(users, tasks.seen_before(split, stage, users)):
        assert sorted(items) == split.seen(stage)[user].nonzero()[:, 0].tolist()


@pytest.mark.parametrize("batch", [40, 100, 1000])
def test_streamed_top_k_is_the_top_k_of_all_scores(tasks, course, batch):
    """Sums in another order may swap films whose scores agree to the last digits, no others."""
    model, split = course
    dense = score_unseen(model, split)
    found = tasks.stream_top_k(model, torch.arange(split.n_users), split, batch=batch)
    expected = dense.gather(1, top_k(dense))
    torch.testing.assert_close(dense.gather(1, found), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch", [5, 100, 652])
def test_of_tied_films_the_same_ones_are_chosen(tasks, course, batch):
    """torch.topk decides among equal scores by the row alone; a batch does not change a row."""
    _, split = course
    random = torch.Generator().manual_seed(0)
    scores = torch.randint(3, (split.n_users, split.n_items), generator=random).double()
    users = torch.randperm(split.n_users, generator=random)
    found = tasks.stream_top_k(scores.__getitem__, users, split, "validation", 20, batch)
    assert torch.equal(
        found, top_k(score_unseen(scores.__getitem__, split, "validation"), 20)[users]
    )


def test_streaming_needs_no_table_of_all_users_times_all_films(scaling):
    """Such a table would have 80 MB here, and scoring makes ten. Measured in an own process."""
    size = {"users": 10_000, "films": 1_000, "attributes": 8}
    streamed = scaling.run("scoring", size, 100)
    assert streamed.done == streamed.parts == 79
    assert 10_000 * 128 * 8 / 1e6 < streamed.mb < 200  # more than the users' vectors


def test_two_processes_train_the_model_of_one(capfd):
    """`fit` here, torchrun with gloo on this machine's own address there."""
    assert import_module("train_distributed").compare(epochs=1) < 1e-10
    lines = capfd.readouterr().out.splitlines()
    one, *two = [line.split(": ", 1)[1] for line in lines if "NDCG@10" in line]
    assert two == [one, one]


def test_costs_are_fitted_and_written_correctly(scaling):
    assert scaling.slope([10, 20, 80], [3.0, 12.0, 192.0]) == pytest.approx(2)
    costs = [scaling.Cost(2.0, 4, 9, 50.0, 200.0), scaling.Cost(20.0, 9, 9, 50.0, 200.0)]
    assert [scaling.seconds(cost) for cost in costs] == ["2.00 (4)", "20.0"]
    assert [scaling.number(x) for x in (0, 0.01234, 12.34, 999.9, 1234.0, 2_345_678)] == [
        "0", "0.0123", "12.3", "1,000", "1,230", "2,350,000"]  # fmt: skip


def test_a_clock_counts_all_parts_and_stops_in_time(tasks):
    clock = tasks.Clock(budget=0)
    assert list(clock(range(100))) == [0, 1, 2] and clock.parts == 100
    clock.times = [0.0, 9.0, 10.0, 11.0, 13.0]
    assert clock.seconds() == 100  # the first was the warm-up


def test_simulated_tables_have_the_size_and_the_skew_of_movielens(tasks):
    split = tasks.simulated_split(3_000, 500)
    rated = np.concatenate(split.rated)
    assert len(rated) / 3_000 == pytest.approx(32_000_204 / 200_948, rel=0.05)
    assert (rated < 50).mean() == pytest.approx(0.1 ** (1 / 3), abs=0.01)
    assert len(split.users) == len(split.items) == len(rated) - 2 * 3_000
    table = tasks.simulated_table(500, 8)
    assert table.ids.max() < table.n_attributes == 1 + 500 + 7 * 103
    assert table.mask.all() and len(table.fields) == table.n_attributes


def tables(text: str) -> dict[str, list[list[str]]]:
    """factor -> the rows of its table, cell by cell."""
    found = re.findall(r"^### Against (\w+):.*\n\n((?:\|.*\n)+)", text, re.M)
    return {factor: [[cell.strip() for cell in line.strip("|").split("|")]
                     for line in rows.splitlines()] for factor, rows in found}  # fmt: skip


def check_slopes(scaling, text: str, points: dict) -> None:
    """Every task has a slope for every factor, from all points."""
    assert tables(text).keys() == points.keys()
    for factor, (head, _, *rows) in tables(text).items():
        tasks = [task for by, task in scaling.THEORY if by == factor]
        names = [f"{scaling.NAMES.get(task, task)}: s" for task in tasks]
        assert head == [factor, *[cell for name in names for cell in (name, "MB")]]
        *measured, slopes, ends, theory = rows
        assert [row[0] for row in measured] == [f"{x:,}" for x in points[factor]]
        assert [row[0].strip("*") for row in (slopes, ends, theory)] == [
            "slope", "slope, last two", "theory, in the limit"]  # fmt: skip
        for row in (slopes, ends):
            assert len(row) == len(head) and np.isfinite(list(map(float, row[1:]))).all()


def test_the_benchmark_writes_a_slope_for_every_factor(scaling):
    check_slopes(scaling, scaling.measured(quick=True), scaling.QUICK)


def test_the_page_has_a_slope_for_every_factor(scaling):
    check_slopes(scaling, PAGE, scaling.POINTS)
    assert {"users", "films", "attributes", "history"} == scaling.POINTS.keys()
    for values in scaling.POINTS.values():
        assert len(values) >= 4 and values[-1] / values[0] > 10**1.5
    assert re.search(r"Measured on 20\d\d-\d\d-\d\d by `python studies/scaling.py", PAGE)
    assert "Explanations a second at the course's size" in PAGE
    gap = float(re.search(r"Largest difference from one process: (\S+) ", PAGE)[1])
    assert gap <= 1e-8


def test_a_page_without_a_place_for_the_measurements_is_left_alone(scaling, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Mine\n" + scaling.END + scaling.BEGIN, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"page\.md: expected a line"):
        scaling.around(page)
    assert scaling.around(ROOT / "docs" / "scaling.md")[0].startswith("# How cost grows")
