"""Figures show what they were given: names, numbers, empty slots, one honest scale."""

import io
import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.text import Text

from recsys_utils import plots
from recsys_utils.explanation import Explanation
from recsys_utils.plots import (
    explanation_bars,
    explanations_heatmap,
    heatmap,
    interval_plot,
    readable_on,
    shorten,
    strongest_reasons,
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


def bar_lines(fig) -> list[float]:
    """Where lines are drawn in the colour bar."""
    lines = [part for part in fig.axes[1].collections if hasattr(part, "get_segments")]
    return [segment[0][1] for part in lines for segment in part.get_segments() if len(segment) == 2]


def test_weights_use_all_colours_from_0_to_the_largest_and_the_value_is_in_the_cell():
    fig, ax = heatmap([[0.25, 0.75]], ["q"], ["a", "b"], title="t")
    assert ax.collections[0].get_clim() == (0, 0.75)
    assert texts(ax) == ["0.25", "0.75"]
    assert fig.axes[1].get_ylabel().startswith("weight, 0 to 0.75")
    _, ax = heatmap([[0.25, 0.75]], ["q"], ["a", "b"], title="t", limit=1)
    assert ax.collections[0].get_clim() == (0, 1)


def test_equal_weights_are_marked_in_the_scale_once_for_each_number_of_slots():
    fig, _ = heatmap([[0.2, 0.5, 0.3]], ["q"], ["a", "b", "c"], title="t")
    assert bar_lines(fig) == pytest.approx([1 / 3])
    assert fig.axes[1].get_ylabel().endswith("white line:\nequal weights, 1/3")
    mask = np.tril(np.ones((3, 3), bool))
    values = [[1.0, 0, 0], [0.7, 0.3, 0], [0.2, 0.5, 0.3]]
    fig, _ = heatmap(values, list("xyz"), list("abc"), title="t", mask=mask)
    assert bar_lines(fig) == pytest.approx([1 / 2, 1 / 3])
    assert fig.axes[1].get_ylabel().endswith("white lines: equal\nweights, 1/3 to 1/2")


def test_where_all_weights_are_equal_there_is_nothing_to_mark():
    fig, _ = heatmap([[0.5, 0.5]], ["q"], ["a", "b"], title="t")
    assert bar_lines(fig) == [] and fig.axes[1].get_ylabel() == "weight, 0 to 0.50"


def test_contributions_are_on_a_scale_symmetric_about_0_with_signs():
    _, ax = heatmap([[0.5, -2.0, -0.001]], ["f"], ["a", "b", "c"], title="t", kind="contributions")
    assert ax.collections[0].get_clim() == (-2, 2)
    assert texts(ax) == ["+0.50", "-2.00", "+0.00"]
    _, ax = heatmap([[0.5]], ["f"], ["a"], title="t", kind="contributions", limit=3)
    assert ax.collections[0].get_clim() == (-3, 3)


def test_empty_slots_are_hatched_and_hold_no_number():
    _, ax = heatmap([[1.0, 0.7]], ["f"], ["a", "b"], title="t", mask=[[True, False]])
    assert texts(ax) == ["1.00"]
    assert ax.patch.get_hatch() and ax.get_legend().texts[0].get_text() == "empty slot"


def test_rows_that_do_not_sum_to_one_are_refused_unless_nothing_was_attended_to():
    with pytest.raises(ValueError, match=r"weights of row 'second' sum to 0\.9000"):
        heatmap([[0.5, 0.5], [0.4, 0.5]], ["first", "second"], ["a", "b"], title="t")
    heatmap([[0.5, 0.5], [0.0, 0.0]], ["first", "second"], ["a", "b"], title="t")


@pytest.mark.parametrize(
    ("values", "rows", "words"),
    [([[0.5, np.nan]], ["f"], "1 values are NaN, 0 values are infinite"),
     ([[0.5, np.inf]], ["f"], "0 values are NaN, 1 values are infinite"),
     ([[0.5, 0.5]], ["f", "g"], "2 row names"),
     ([[1.5, -0.5]], ["f"], "row 'f' has the weight -0.5, expected 0 to 1"),
     ([[60, 40]], ["f"], "weights of row 'f' sum to 100.0000, expected 1"),
     (np.zeros((0, 2)), [], "nothing to draw: 0 rows and 2 columns")],
)  # fmt: skip
def test_bad_values_are_refused(values, rows, words):
    with pytest.raises(ValueError, match=words):
        heatmap(values, rows, ["a", "b"], title="t")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision_are_drawn(dtype):
    """Their rows sum to 1 as well as the format can: here to 1.0006 in bfloat16."""
    scores = torch.randn(1, 30, generator=torch.Generator().manual_seed(1))
    weights = torch.softmax(scores, dim=-1).to(dtype).float().numpy()
    assert abs(weights.sum() - 1) > 5e-5
    _, ax = heatmap(weights, ["a"], range(30), title="t")
    assert len(texts(ax)) == 30


def test_a_weight_below_0_by_rounding_is_0():
    _, ax = heatmap([[1 + 2e-8, -2e-8]], ["a"], ["b", "c"], title="t")
    assert texts(ax) == ["1.00", "0.00"]


def test_names_may_be_numbers_empty_or_have_line_ends():
    _, ax = heatmap([[0.5, 0.5]] * 2, [3, "a\nb"], ["", 4], title="t")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["3", "a b"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["", "4"]


def test_no_explanations_is_said_so():
    with pytest.raises(ValueError, match="no explanations: at least one"):
        explanations_heatmap([], title="t")


def test_contributions_that_are_all_0_are_drawn():
    nothing = Explanation("A (1990)", ["a", "b"], ["x", "y"], np.array([0.5, 0.5]), np.zeros(2),
                          0.0, 0.0)  # fmt: skip
    _, ax = explanations_heatmap([nothing], title="t", kind="contributions")
    assert texts(ax) == ["a\n+0.00", "b\n+0.00"] and ax.collections[0].get_clim() == (-1, 1)
    _, axes = explanation_bars(nothing, title="t")
    assert axes[1].get_xlim() == (-1, 1)


def name_in_every_figure(name: str) -> list:
    """One figure of each kind with this name wherever names stand."""
    one = Explanation(name, [name, "b"], ["price", "genre"], np.array([0.5, 0.5]),
                      np.array([0.3, -0.1]), 0.0, 0.2)  # fmt: skip
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2, 1], "validation": [0.1, 0.2]})
    interval = pd.DataFrame({"mean": [1.0], "low": [0.5], "high": [2.0]}, index=[name])
    _, own = plt.subplots()  # made outside, as in notebooks with several panels
    return [
        heatmap(np.eye(2), [name, "b"], [name, "c"], title=name)[0],
        heatmap(np.eye(2), [name, "b"], [name, "c"], title=name, ax=own)[0],
        explanations_heatmap([one], title=name, kind="contributions")[0],
        explanation_bars(one, {name: np.array([0.1, 0.2])}, title=name)[0],
        training_curves({name: history}, title=name)[0],
        interval_plot(interval, title=name, value_name=name)[0],
    ]


@pytest.mark.parametrize(
    "name",
    ["$10 to $20", "Ba$$in (2010)", "$9.99 or $5", "100%_pure", r"a\b^2 {x}", "$x^2$", "_hidden"],
)
def test_names_are_drawn_as_they_are_written(name):
    for fig in name_in_every_figure(name):
        fig.savefig(io.BytesIO(), format="png")  # a broken formula fails here
        found = [text for text in fig.findobj(Text) if name in text.get_text().replace("\n", " ")]
        assert found and not any(text.get_parse_math() for text in found)


def test_signs_that_no_font_has_give_one_warning_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(plots, "CJK_FONTS", [])
    plots._warn_of_missing_fonts.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            fig, _ = heatmap(np.eye(2), ["霸王别姬", "기생충"], ["千と千尋", "b"], title="t")
            fig.savefig(io.BytesIO(), format="png")
    assert len(caught) == 1
    assert "Noto Sans CJK" in str(caught[0].message) and "fonts-noto-cjk" in str(caught[0].message)


def test_signs_that_a_font_here_has_are_drawn_in_it(monkeypatch):
    """STIXGeneral comes with matplotlib, and has a sign that the usual font does not have."""
    assert "⃝" in plots._signs("STIXGeneral") - plots._signs(None)
    monkeypatch.setattr(plots, "CJK_FONTS", ["No Such Font", "STIXGeneral"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fig, ax = heatmap(np.eye(2), ["a⃝", "b"], ["c", "d"], title="t")
        fig.savefig(io.BytesIO(), format="png")
    fonts = [tick.get_fontfamily() for tick in ax.get_yticklabels()]
    assert fonts[0][-1] == "STIXGeneral" and "STIXGeneral" not in fonts[1]


def outside_their_cells(ax) -> list[str]:
    ax.figure.draw_without_rendering()
    found = []
    for text in ax.texts:
        box = text.get_window_extent().transformed(ax.transData.inverted())
        column, row = (int(place) for place in text.get_position())
        fits_across = column <= min(box.x0, box.x1) and max(box.x0, box.x1) <= column + 1
        fits_down = row <= min(box.y0, box.y1) and max(box.y0, box.y1) <= row + 1
        if not (fits_across and fits_down):
            found.append(text.get_text())
    return found


def test_names_fit_their_cells():
    names = ["Arnold Schwarzenegger", "Apichatpong Weerasethakul", "Bob", "Documentary"]
    films = [film("A (1990)", ["director", "actor", "actor", "genre"], names, [0.25] * 4)] * 2
    _, ax = explanations_heatmap(films, title="t")
    assert outside_their_cells(ax) == []
    assert "Arnold\nSchwarzenegger\n0.25" in texts(ax)
    small = [text.get_fontsize() for text in ax.texts if "Schw" in text.get_text()]
    assert min(small) >= 8  # a little wider than the column, not unreadable


def test_in_cells_that_are_far_too_narrow_names_are_cut_and_numbers_are_not():
    _, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    names = ["Arnold Schwarzenegger", "Apichatpong Weerasethakul", "Bob", "Documentary"]
    films = [film("A (1990)", ["director", "actor", "actor", "genre"], names, [0.25] * 4)] * 2
    for ax in axes:
        explanations_heatmap(films, title="t", ax=ax)
    for ax in axes:
        assert outside_their_cells(ax) == []
        assert all(text.endswith("\n0.25") for text in texts(ax))
        assert any("…" in text for text in texts(ax))


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
        "weight\n(dashed: equal weights, 1/3)", "contribution (logits)", "leave-one-out"
    ]  # fmt: skip
    widths = [[bar.get_width() for bar in ax.patches] for ax in axes]
    assert widths[0] == FILMS[0].weights.tolist() and widths[2] == [0.1, -0.2, 0.3]
    colours = [bar.get_facecolor() for bar in axes[2].patches]
    assert colours[0] == colours[2] != colours[1]
    names = [tick.get_text() for tick in axes[0].get_yticklabels()]
    assert names == ["the film itself", "genre: Drama", "decade: 1990s"]


def test_no_line_runs_through_a_number_of_the_bars_and_all_are_inside():
    _, axes = explanation_bars(FILMS[1], title="t")
    axes[0].figure.draw_without_rendering()
    for ax in axes:
        for text in ax.texts:
            box = text.get_window_extent()
            for line in ax.lines:
                place = ax.transData.transform((line.get_xdata()[0], 0))[0]
                assert not box.x0 - 1 < place < box.x1 + 1, text.get_text()
            frame = ax.get_window_extent()
            assert frame.x0 < box.x0 and box.x1 < frame.x1


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


def test_long_titles_keep_their_year_and_what_tells_them_apart():
    wars = "Star Wars: Episode {}"
    assert shorten(wars.format("IV - A New Hope (1977)")) == "Star Wars:... A New Hope (1977)"
    back = shorten(wars.format("V - The Empire Strikes Back (1980)"))
    assert back == "Star Wars:... Strikes Back (1980)"
    rings = "The Lord of the Rings: The {} (2001)"
    one, two = shorten(rings.format("Two Towers")), shorten(rings.format("Return of the King"))
    assert one == "The Lord of... Two Towers (2001)" and two == "The Lord of... of the King (2001)"


def test_short_labels_stay_and_long_ones_fit():
    assert shorten("Heat (1995)") == "Heat (1995)"
    assert shorten("Koyaanisqatsi" * 3 + " (1982)", 30) == "KoyaanisqatsiKoyaani... (1982)"
    assert shorten("no year, but many words", 15) == "no... words"
    for label in ("The Hobbit: An Unexpected Journey (2012)", "a " * 40, "b" * 80):
        assert len(shorten(label)) <= 34 and "..." in shorten(label)


def test_text_stands_out_from_its_cell():
    assert readable_on((0, 0, 0.3, 1)) == "white" and readable_on((0.9, 0.9, 0.5, 1)) == "black"


def explained() -> Explanation:
    return Explanation(
        "B (1980)",
        ["B (1980)", "Ann Lee", "Crime"],
        ["film", "director", "genre"],
        np.array([0.2, 0.5, 0.3]),
        np.array([0.3, 0.9, -0.2]),
        0.1,
        1.1,
        everybody=np.array([0.1, 0.2, 0.0]),
        support=[[], ["C (1985)"], ["C (1985)", "D (1986)"]],
    )


def test_a_heatmap_shows_your_part_and_how_many_likes_support_each_reason():
    _, ax = explanations_heatmap([explained()], title="t", kind="yours")
    assert [text.replace("\n", " ") for text in texts(ax)] == [
        "itself +0.20",
        "Ann Lee (1) +0.70",
        "Crime (2) -0.20",
    ]
    assert "in brackets: how many of the user's likes" in ax.get_xlabel()
    _, ax = explanations_heatmap(FILMS, title="t", kind="contributions")
    assert "brackets" not in ax.get_xlabel()  # nothing is known of likes


def test_bars_show_the_two_parts_of_a_contribution_unless_others_are_asked_for():
    _, axes = explanation_bars(explained(), title="t")
    names = [ax.get_xlabel() for ax in axes[1:]]
    assert names == ["contribution (logits)", "for everybody", "for you"]
    whole, everybody, yours = ([bar.get_width() for bar in ax.patches] for ax in axes[1:])
    assert np.add(everybody, yours) == pytest.approx(whole)
    ticks = [text.get_text() for text in axes[0].get_yticklabels()]
    assert ticks == ["the film itself", "director: Ann Lee (1)", "genre: Crime (2)"]
    _, axes = explanation_bars(explained(), {"leave-one-out": np.zeros(3)}, title="t")
    assert [ax.get_xlabel() for ax in axes[1:]] == ["contribution (logits)", "leave-one-out"]


def test_the_strongest_reasons_come_first_and_the_others_are_added_up():
    fig, ax = strongest_reasons([FILMS[1]], n_reasons=2, title="t")
    title, *cells = texts(ax)
    assert title == "B (1980)"
    assert cells == ["the film itself\n-0.10", "1980s\n-0.10", "3 more\n+0.20"]
    assert fig.axes[1].get_xlim() == pytest.approx((-0.2, 0.2))
    colours = [patch.get_facecolor() for patch in ax.patches]
    assert colours[0] == colours[1] and colours[2] == plt.get_cmap("PuOr")(1.0)


def test_only_the_part_for_you_is_drawn_where_everybodys_part_is_known():
    whole = np.array([0.5, 0.4, 0.1])
    everybody = np.array([0.5, 0.1, 0.0])
    explanation = Explanation("A (1990)", ["Ann Lee", "Drama", "1990s"],
                              ["director", "genre", "decade"], whole, whole, 0.0, 1.0,
                              everybody=everybody)  # fmt: skip
    fig, ax = strongest_reasons([explanation], n_reasons=2, title="t")
    assert texts(ax)[1:] == ["Drama\n+0.30", "1990s\n+0.10", "1 more\n+0.00"]
    assert "part for you" in fig.axes[1].get_xlabel()
    fig, _ = strongest_reasons([FILMS[1]], n_reasons=2, title="t")
    assert "contribution" in fig.axes[1].get_xlabel()


def test_a_reason_says_how_many_likes_support_it_and_long_names_fit_their_cells():
    names = ["Arnold Schwarzenegger", "Action", "1990s", "Quentin Tarantino"]
    support = [["X (1990)"], ["X (1990)", "Y (1991)"], [], []]
    values = np.array([0.4, 0.3, 0.2, 0.1])
    explanation = Explanation("A (1990)", names, ["actor", "genre", "decade", "director"],
                              values, values, 0.0, 1.0, support=support)  # fmt: skip
    fig, ax = strongest_reasons([explanation], title="t")
    fig.draw_without_rendering()
    first, second, third, _ = ax.texts[1:]
    assert first.get_text() == "Arnold\nSchwarzenegger\n1 of your likes\n+0.40"
    assert "2 of your likes" in second.get_text() and "none of your likes" in third.get_text()
    for cell, text in zip(ax.patches, ax.texts[1:]):
        inside, outside = text.get_window_extent(), cell.get_window_extent()
        assert outside.x0 < inside.x0 and inside.x1 < outside.x1
        assert outside.y0 < inside.y0 and inside.y1 < outside.y1


def test_films_with_too_few_attributes_for_the_columns_are_refused():
    with pytest.raises(ValueError, match="no explanations"):
        strongest_reasons([], title="t")
    with pytest.raises(ValueError, match=r"A \(1990\) has 3 attributes, expected more than n_reas"):
        strongest_reasons([FILMS[0]], title="t")
