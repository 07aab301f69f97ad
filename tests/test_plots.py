"""Figures show what they were given: names, numbers, empty slots, one honest scale."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from recsys_utils.explanation import Explanation
from recsys_utils.plots import (
    explanation_bars,
    explanations_heatmap,
    heatmap,
    interval_plot,
    readable_on,
    shorten,
    training_curves,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def film(label, fields, names, weights) -> Explanation:
    contributions = np.array(weights) - 0.2
    return Explanation(label, names, fields, np.array(weights), contributions, 0.0,
                       float(contributions.sum()))  # fmt: skip


FILMS = [
    film("A (1990)", ["film", "genre", "decade"], ["A (1990)", "Drama", "1990s"], [0.5, 0.3, 0.2]),
    film("B (1980)", ["film", "director", "genre", "genre", "decade"],
         ["B (1980)", "Ann Lee", "Crime", "Drama", "1980s"], [0.1, 0.2, 0.3, 0.3, 0.1]),
]  # fmt: skip


def test_weights_are_on_a_scale_from_0_to_1_with_the_value_in_the_cell():
    fig, ax = heatmap([[0.25, 0.75]], ["q"], ["a", "b"], title="t")
    assert ax.collections[0].get_clim() == (0, 1)
    assert texts(ax)[:2] == ["0.25", "0.75"]
    assert fig.axes[1].get_ylabel() == "weight (0 to 1)"


def test_contributions_are_on_a_scale_symmetric_about_0_with_signs():
    _, ax = heatmap([[0.5, -2.0, -0.001]], ["f"], ["a", "b", "c"], title="t", kind="contributions")
    assert ax.collections[0].get_clim() == (-2, 2)
    assert texts(ax) == ["+0.50", "-2.00", "+0.00"]
    _, ax = heatmap([[0.5]], ["f"], ["a"], title="t", kind="contributions", limit=3)
    assert ax.collections[0].get_clim() == (-3, 3)


def test_empty_slots_are_hatched_and_hold_no_number():
    _, ax = heatmap([[1.0, 0.7]], ["f"], ["a", "b"], title="t", mask=[[True, False]])
    assert [t for t in texts(ax) if t != "1/n"] == ["1.00"]
    assert ax.patch.get_hatch() and ax.get_legend().texts[0].get_text() == "empty slot"


def test_rows_that_do_not_sum_to_one_are_refused_unless_nothing_was_attended_to():
    with pytest.raises(ValueError, match=r"weights of row 'second' sum to 0\.9000"):
        heatmap([[0.5, 0.5], [0.4, 0.5]], ["first", "second"], ["a", "b"], title="t")
    heatmap([[0.5, 0.5], [0.0, 0.0]], ["first", "second"], ["a", "b"], title="t")


@pytest.mark.parametrize(
    ("values", "rows", "words"),
    [([[0.5, np.nan]], ["f"], "1 values are NaN"), ([[0.5, 0.5]], ["f", "g"], "2 row names"),
     ([[1.5, -0.5]], ["f"], "sum to 1.0000")],
)  # fmt: skip
def test_bad_values_are_refused(values, rows, words):
    with pytest.raises(ValueError, match=words):
        heatmap(values, rows, ["a", "b"], title="t")


def test_explained_films_stand_in_rows_with_their_own_names_in_the_cells():
    _, ax = explanations_heatmap(FILMS, title="t")
    columns = [tick.get_text() for tick in ax.get_xticklabels()]
    assert columns == ["film", "director", "genre 1", "genre 2", "decade"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["A (1990)", "B (1980)"]
    cells = {(int(t.get_position()[1]), columns[int(t.get_position()[0])]): t.get_text()
             for t in ax.texts}  # fmt: skip
    assert cells == {
        (0, "film"): "itself\n0.50", (0, "genre 1"): "Drama\n0.30", (0, "decade"): "1990s\n0.20",
        (1, "film"): "itself\n0.10", (1, "director"): "Ann Lee\n0.20",
        (1, "genre 1"): "Crime\n0.30",
        (1, "genre 2"): "Drama\n0.30", (1, "decade"): "1980s\n0.10",
    }  # fmt: skip


def test_bars_show_every_measure_of_one_film():
    _, axes = explanation_bars(FILMS[0], {"leave-one-out": np.array([0.1, -0.2, 0.3])}, title="t")
    assert [ax.get_xlabel() for ax in axes] == [
        "weight\n(dashed: 1/n)", "contribution (logits)", "leave-one-out"
    ]  # fmt: skip
    widths = [[bar.get_width() for bar in ax.patches] for ax in axes]
    assert widths[0] == FILMS[0].weights.tolist() and widths[2] == [0.1, -0.2, 0.3]
    colours = [bar.get_facecolor() for bar in axes[2].patches]
    assert colours[0] == colours[2] != colours[1]
    names = [tick.get_text() for tick in axes[0].get_yticklabels()]
    assert names == ["the film itself", "genre: Drama", "decade: 1990s"]


def test_curves_mark_the_best_epoch():
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3, 2, 1], "validation": [0.1, 0.3, 0.2]})
    _, axes = training_curves({"model": history}, title="t")
    dot = axes[1].lines[1]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (2, 0.3)


def test_intervals_are_drawn_from_low_to_high_in_the_given_order():
    frame = pd.DataFrame({"mean": [1, 2], "low": [0, 1], "high": [3, 4]}, index=["a", "b"])
    _, ax = interval_plot(frame, title="t", value_name="x")
    ends = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert ends == [[0, 3], [1, 4]]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]


def test_long_titles_keep_their_year():
    long = "The Lord of the Rings: The Fellowship of the Ring (2001)"
    assert shorten(long) == "The Lord of the Rings:... (2001)"
    wars = "Star Wars: Episode {} (1977)"
    assert shorten(wars.format("IV - A New Hope"), 30) == "Star Wars: Episode... (1977)"
    assert shorten(wars.format("V - The Empire"), 30) == "Star Wars: Episode V... (1977)"
    assert shorten("Koyaanisqatsi" * 3 + " (1982)", 30) == "KoyaanisqatsiKoyaani... (1982)"
    assert shorten("no year, but many words", 15) == "no year, but..."
    assert len(shorten(long)) <= 34 and shorten("Heat (1995)") == "Heat (1995)"


def test_text_stands_out_from_its_cell():
    assert readable_on((0, 0, 0.3, 1)) == "white" and readable_on((0.9, 0.9, 0.5, 1)) == "black"
