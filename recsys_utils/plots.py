"""The figures. Each takes names and numbers and returns `(fig, axes)`; none is shown by itself.

Weights are coloured from 0 to the largest one shown (cividis), contributions on a scale that is
symmetric about 0 (PuOr: orange below, purple above); the colour bar says which. Both maps can be
told apart by colour-blind readers and in grey print, and the value stands in the cell. An empty
slot is hatched: it is data, not a zero. Names are drawn as they are written, `$` and `_` too.
"""

import sys
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text

from .explanation import Explanation

FOR, AGAINST, NEUTRAL = "#5e3c99", "#e66101", "#31688e"  # PuOr's ends; a blue for plain series
FONT_SIZE = 9  # points; of a name that does not fit its cell at least SMALLEST
SMALLEST = 6
NARROW = 0.55  # inches: below such columns stand slanted names
WIDEST = 1.2  # inches: a cell; a longer name is broken or drawn smaller
SUM = 2**-8  # bfloat16 keeps 8 bits: rows of its weights sum to 1 only that well
# Fonts with Chinese, Japanese and Korean signs, as systems name them.
CJK_FONTS = [
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Droid Sans Fallback", "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic",
    "PingFang SC", "Hiragino Sans GB", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS",
]  # fmt: skip


def shorten(label: str, width: int = 34) -> str:
    """The label in at most `width` characters, with "..." in place of words in its middle.

    The year is kept, and so are the first and the last words: the last ones tell the parts of a
    series apart. Words stay whole, unless not even the first and the last fit.
    """
    if len(label) <= width:
        return label
    title, _, year = label.rpartition(" (")
    end = f" ({year}" if title else ""
    title = title or label
    room = width - len(end)
    words = title.split()
    best, best_balance = "", 0
    for n_first in range(1, len(words)):
        for n_last in range(1, len(words) - n_first):
            beginning = " ".join(words[:n_first])
            ending = " ".join(words[-n_last:]).lstrip("-– ")
            balance = min(len(beginning), len(ending))
            text = f"{beginning}... {ending}"
            if len(text) <= room and balance > best_balance:
                best, best_balance = text, balance
    return (best or title[: room - 3].rstrip() + "...") + end


def readable_on(colour: Sequence[float]) -> str:
    """Black or white: which of them stands out more on this colour (WCAG relative luminance)."""
    rgb = np.asarray(colour[:3])
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"


def heatmap(
    values: np.ndarray,
    rows: Sequence[object],
    columns: Sequence[object],
    *,
    title: str,
    kind: Literal["weights", "contributions"] = "weights",
    mask: np.ndarray | None = None,
    text: Sequence[Sequence[str]] | None = None,
    row_name: str = "query",
    column_name: str = "key",
    limit: float | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The heatmap of all notebooks: weights (rows sum to 1) or contributions.

    Args:
        values: `(n_rows, n_columns)`.
        rows, columns: the names on the axes.
        title: a sentence that says what is seen.
        kind: "weights": colours from 0 to the largest weight, lines in the colour bar where all
            weights of a row would be equal; "contributions": symmetric about 0, sign printed.
        mask: True where there is a value; the other cells are hatched.
        text: a name for each cell, printed above its value.
        row_name, column_name: what the axes are: who attends to what.
        limit: the end of the scale, to share it between figures.
        ax: where to draw; a new figure if None.

    Raises:
        ValueError: no rows or columns, names and values differ in number, a value is NaN or
            infinite, a weight is negative, or a row of weights sums to neither 1 nor 0 (nothing
            attended to).
    """
    values = np.asarray(values, dtype=float)
    mask = np.ones(values.shape, bool) if mask is None else np.asarray(mask, bool)
    rows = [str(row) for row in rows]
    columns = [str(column) for column in columns]
    _check_values(values, mask, rows, columns)
    if kind == "weights":
        values = _check_weights(values, mask, rows)
    largest = float(np.abs(values[mask]).max(initial=0)) or 1.0
    high = limit or largest
    low, cmap, form = (
        (0.0, "cividis", "{:.2f}") if kind == "weights" else (-high, "PuOr", "{:+.2f}")
    )
    rows = [textwrap.fill(row, 24) for row in rows]
    if text is not None:
        text = [[textwrap.fill(name, 10, break_long_words=False) for name in row] for row in text]
    if ax is None:
        _, ax = plt.subplots(figsize=_size(rows, columns, text), layout="constrained")
    mesh = ax.pcolormesh(
        np.ma.masked_array(values, ~mask),
        vmin=low,
        vmax=high,
        cmap=cmap,
        edgecolors="white",
        linewidth=1,
    )
    ax.invert_yaxis()
    ax.set_facecolor("white")
    ax.patch.set(hatch="////", edgecolor="0.75")
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=FONT_SIZE)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=FONT_SIZE)
    ax.tick_params(length=0)
    if text is None:
        plt.setp(ax.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
    sns.despine(ax=ax, left=True, bottom=True)
    for i, j in zip(*np.nonzero(mask)):
        name = text[i][j] + "\n" if text is not None else ""
        value = form.format(round(values[i, j], 2) + 0.0)  # + 0.0: no "-0.00"
        colour = readable_on(mesh.cmap(mesh.norm(values[i, j])))
        ax.text(
            j + 0.5, i + 0.5, name + value, ha="center", va="center", fontsize=FONT_SIZE,
            color=colour,
        )  # fmt: skip
    ax.set_title(title, fontsize=11, loc="left")
    ax.set_xlabel(column_name)
    ax.set_ylabel(row_name)
    bar = _colour_bar(mesh, ax, kind, high, mask)
    if not mask.all():
        empty = Patch(hatch="////", facecolor="white", edgecolor="0.75", label="empty slot")
        ax.legend(handles=[empty], loc="lower right", bbox_to_anchor=(1, 1.0), frameon=False)
    _as_written(ax, bar)
    _fit_cells(ax.figure)
    return ax.figure, ax


def _check_values(
    values: np.ndarray, mask: np.ndarray, rows: list[str], columns: list[str]
) -> None:
    if values.shape != (len(rows), len(columns)) or mask.shape != values.shape:
        raise ValueError(
            f"values {values.shape} and mask {mask.shape} do not fit "
            f"{len(rows)} row names and {len(columns)} column names"
        )
    if not values.size:
        raise ValueError(f"nothing to draw: {len(rows)} rows and {len(columns)} columns")
    shown = values[mask]
    if not np.isfinite(shown).all():
        n_nan, n_infinite = int(np.isnan(shown).sum()), int(np.isinf(shown).sum())
        raise ValueError(f"{n_nan} values are NaN, {n_infinite} values are infinite")


def _check_weights(values: np.ndarray, mask: np.ndarray, rows: list[str]) -> np.ndarray:
    """The weights, with those just below 0 by rounding set to 0."""
    values = np.where(mask, values, 0)
    for row, weights in zip(rows, values):
        if weights.min() < -1e-6:
            raise ValueError(f"row {row!r} has the weight {weights.min():.4g}, expected 0 to 1")
        total = weights.sum()
        if abs(total - 1) > SUM and abs(total) > SUM:
            raise ValueError(f"weights of row {row!r} sum to {total:.4f}, expected 1")
    return values.clip(min=0)


def _size(rows: list[str], columns: list[str], text: list[list[str]] | None) -> tuple[float, float]:
    """Width and height in inches of a figure whose names fit."""
    n_lines = max(row.count("\n") + 1 for row in rows)
    width = 0.75
    foot = 1.5
    if text is None:  # column names are slanted
        foot += 0.045 * max(0, max(map(len, columns)) - 10)
    else:
        lines = [line for row in text for name in row for line in name.split("\n")]
        n_lines = max([n_lines, *(name.count("\n") + 2 for row in text for name in row)])
        width = min(max(0.8, 0.2 + 0.075 * max(map(len, lines))), WIDEST)
    return 2.9 + width * len(columns), foot + (0.16 + 0.155 * n_lines) * len(rows)


def _colour_bar(mesh: QuadMesh, ax: Axes, kind: str, high: float, mask: np.ndarray) -> Axes:
    """The scale, said in words; for weights with a line where a row's weights would be equal."""
    bar = ax.figure.colorbar(mesh, ax=ax, shrink=0.8, pad=0.04)
    bar.outline.set_visible(False)
    if kind == "contributions":
        bar.set_label("contribution (logits)")
        return bar.ax
    label = f"weight, 0 to {high:.2f}"
    counts = np.unique(mask.sum(axis=1))
    counts = counts[(counts > 1) & (1 / counts.clip(min=1) < 0.97 * high)]
    if len(counts) == 1:
        label += f"\nwhite line:\nequal weights, 1/{counts[0]}"
    elif len(counts) > 1:
        label += f"\nwhite lines: equal\nweights, 1/{counts[-1]} to 1/{counts[0]}"
    bar.ax.hlines(1 / counts, 0, 1, color="white", lw=1.5)
    bar.set_label(label, fontsize=8)
    return bar.ax


def _fit_cells(figure: Figure) -> None:
    """Draw names and numbers smaller where they would leave their cells; cut what is too long.

    In all heatmaps of the figure: the last panel that is drawn changes the room of those before.
    """
    heatmaps = []
    for ax in figure.axes:
        is_bar = ax.get_label() == "<colorbar>"
        if not is_bar and any(isinstance(part, QuadMesh) for part in ax.collections):
            heatmaps.append(ax)
    figure.draw_without_rendering()  # once for all panels: it takes a fifth of a second
    for ax in heatmaps:
        if _cell_size(ax)[0] < NARROW * figure.dpi:
            plt.setp(ax.get_xticklabels(), rotation=35, ha="right", rotation_mode="anchor")
    figure.draw_without_rendering()  # slanted names take more room
    for ax in heatmaps:
        width, height = _cell_size(ax)
        for text in ax.texts:
            text.set_fontsize(FONT_SIZE)
            box = text.get_window_extent()
            size = FONT_SIZE * min(0.9 * width / box.width, 0.9 * height / box.height)
            if size < FONT_SIZE:
                text.set_fontsize(max(SMALLEST, size))
            if size < SMALLEST:
                *name, number = text.get_text().split("\n")
                room = int(max(map(len, name), default=0) * size / SMALLEST)
                name = [line if len(line) <= room else line[: room - 1] + "…" for line in name]
                text.set_text("\n".join([*name, number]))


def _cell_size(ax: Axes) -> np.ndarray:
    """Width and height of a cell in pixels, as the figure was last laid out."""
    corner, next_corner = ax.transData.transform([(0, 0), (1, 1)])
    return np.abs(next_corner - corner)


def _as_written(*parts: Artist) -> None:
    """No `$...$` in a name is a formula, and signs of other scripts get a font that has them."""
    for part in parts:
        for text in part.findobj(Text):
            text.set_parse_math(False)
            missing = {sign for sign in text.get_text() if sign.isprintable()} - _signs(None)
            if not missing:
                continue
            fonts = [family for family in CJK_FONTS if missing <= _signs(family)]
            if fonts:
                text.set_fontfamily([*plt.rcParams["font.family"], fonts[0]])
            else:
                _warn_of_missing_fonts()


@cache
def _signs(family: str | None) -> frozenset[str]:
    """All signs of a font, None: the usual one; none if it is not installed."""
    try:
        wanted = font_manager.FontProperties(family=family)
        path = font_manager.findfont(wanted, fallback_to_default=family is None)
    except ValueError:
        return frozenset()
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


@cache  # once
def _warn_of_missing_fonts() -> None:
    warnings.warn(
        "Some names have signs that no font here has: they are drawn as boxes. Install a font, "
        "such as Noto Sans CJK for Chinese, Japanese and Korean (Debian and Ubuntu: apt install "
        "fonts-noto-cjk; else fonts.google.com/noto), then restart the kernel.",
        stacklevel=2,
    )
    # matplotlib would say so again for each sign of each figure.
    warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")


def explanations_heatmap(
    explanations: Sequence[Explanation],
    *,
    title: str,
    kind: Literal["weights", "contributions", "yours"] = "weights",
    limit: float | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Several explained films, one a row, their attributes in the columns, names in the cells.

    Behind a name stands its support, if it is known: how many of the user's likes share it.

    Args:
        explanations: at least one.
        kind: "weights", "contributions", or "yours": the contributions less everybody's.
        title, limit, ax: as in `heatmap`.

    Raises:
        ValueError: no explanations.
    """
    if not len(explanations):
        raise ValueError("no explanations: at least one is needed")
    columns = []  # (field, 0 for its first column, 1 for its second, ...)
    for field in _fields_in_order(explanations):
        most = max(explanation.fields.count(field) for explanation in explanations)
        columns += [(field, number) for number in range(most)]
    shape = (len(explanations), len(columns))
    values, mask = np.zeros(shape), np.zeros(shape, dtype=bool)
    text = np.full(shape, "", dtype=object)
    for row, explanation in enumerate(explanations):
        for place, (field, name) in enumerate(zip(explanation.fields, explanation.names)):
            column = columns.index((field, explanation.fields[:place].count(field)))
            values[row, column] = getattr(explanation, kind)[place]
            mask[row, column] = True
            text[row, column] = "itself" if field == "film" else name + _likes(explanation, place)
    names = []
    for field, number in columns:
        is_only = (field, 1) not in columns
        names.append(field if is_only else f"{field} {number + 1}")
    return heatmap(
        values,
        [explanation.label for explanation in explanations],
        names,
        title=title,
        kind="weights" if kind == "weights" else "contributions",
        mask=mask,
        text=text.tolist(),
        row_name="recommended film",
        column_name="its attributes" + _what_brackets_say(explanations),
        limit=limit,
        ax=ax,
    )


def _likes(explanation: Explanation, place: int) -> str:
    """The support behind a name: " (3)"; nothing where there is none to tell."""
    if explanation.support is None or explanation.fields[place] in ("film", "watched"):
        return ""
    return f" ({len(explanation.support[place])})"


def _what_brackets_say(explanations: Sequence[Explanation]) -> str:
    if all(explanation.support is None for explanation in explanations):
        return ""
    return " (in brackets: how many of the user's likes share it)"


def _fields_in_order(explanations: Sequence[Explanation]) -> list[str]:
    """All fields in the films' own order, also where the first films lack some."""
    order: list[str] = []
    for explanation in explanations:
        place = len(order)
        for field in reversed(explanation.fields):
            if field not in order:
                order.insert(place, field)
            place = order.index(field)
    return order


def explanation_bars(
    explanation: Explanation, others: Mapping[str, np.ndarray] | None = None, *, title: str
) -> tuple[Figure, np.ndarray]:
    """One film in depth: weights, contributions and other measures side by side, signs in colour.

    Behind a name stands its support, as in `explanations_heatmap`.

    Args:
        explanation: the explained film.
        others: name -> `(n,)` values in logits, in the order of `explanation.names`. None: the
            contributions' two parts, for everybody and for you, if they are known.
        title: a sentence that says what is seen.
    """
    names = []
    for place, (field, name) in enumerate(zip(explanation.fields, explanation.names)):
        name = "the film itself" if field == "film" else f"{field}: {name}"
        names.append(name + _likes(explanation, place))
    if others is None and explanation.everybody is not None:
        others = {"for everybody": explanation.everybody, "for you": explanation.yours}
    signed = {"contribution (logits)": explanation.contributions, **(others or {})}
    fig, axes = plt.subplots(
        1,
        1 + len(signed),
        sharey=True,
        layout="constrained",
        figsize=(4.9 + 2.3 * len(signed), 1.3 + 0.33 * len(names)),
    )
    places = np.arange(len(names))[::-1]
    _weight_bars(axes[0], places, explanation.weights)
    axes[0].set_ylabel("attribute" + _what_brackets_say([explanation]).replace(": ", ":\n"))
    limit = 1.7 * max(np.abs(values).max() for values in signed.values()) or 1.0
    for ax, (name, values) in zip(axes[1:], signed.items()):
        colours = [FOR if value >= 0 else AGAINST for value in values]
        bars = ax.barh(places, values, color=colours)
        numbers = [f"{round(value, 2) + 0.0:+.2f}" for value in values]  # + 0.0: no "-0.00"
        ax.bar_label(bars, numbers, padding=3, fontsize=FONT_SIZE)
        ax.set_xlim(-limit, limit)
        ax.axvline(0, color="0.4", lw=1)
        ax.set_xlabel(name, fontsize=FONT_SIZE)
    axes[0].set_yticks(places, names, fontsize=FONT_SIZE)
    sns.despine(fig=fig)
    fig.suptitle(title, fontsize=11, x=0.01, ha="left")
    _as_written(fig)
    return fig, axes


def _weight_bars(ax: Axes, places: np.ndarray, weights: np.ndarray) -> None:
    """Weights, with their numbers in a column at the right: there no line runs through them."""
    equal = 1 / len(weights)
    largest = max(weights.max(), equal)
    ax.barh(places, weights, color=NEUTRAL)
    for place, weight in zip(places, weights):
        ax.text(1.27 * largest, place, f"{weight:.2f}", ha="right", va="center", fontsize=FONT_SIZE)
    ax.set_xlim(0, 1.3 * largest)
    ax.axvline(equal, color="0.4", lw=1, ls="--")
    ax.set_xlabel(f"weight\n(dashed: equal weights, 1/{len(weights)})", fontsize=FONT_SIZE)


def strongest_reasons(
    explanations: Sequence[Explanation], n_reasons: int = 3, *, title: str
) -> tuple[Figure, Axes]:
    """A few films in large type: what speaks for them for you, and what all the rest adds up to.

    The numbers are the parts for you; where there is no average user, whole contributions (the
    label of the colours says which). Also to be read on a phone: the title stands above its row,
    names are never cut. Colours are symmetric about 0. Base, what everybody gets and the numbers of
    a row add up to the score.

    Args:
        explanations: a few films, at least one.
        n_reasons: how many of each are named, the largest part (either sign) first.
        title: a sentence that says what is seen.

    Raises:
        ValueError: no explanations, or a film with too few attributes to fill the columns.
    """
    if not len(explanations):
        raise ValueError("no explanations: at least one is needed")
    shape = (len(explanations), n_reasons + 1)
    values, texts = np.zeros(shape), np.full(shape, "", dtype=object)
    for row, explanation in enumerate(explanations):
        n_others = len(explanation.names) - n_reasons
        if n_others < 1:
            raise ValueError(
                f"{explanation.label} has {len(explanation.names)} attributes, "
                f"expected more than n_reasons = {n_reasons}"
            )
        order = np.argsort(-np.abs(explanation.yours), kind="stable")
        for column, place in enumerate(order[:n_reasons]):
            values[row, column] = explanation.yours[place]
            texts[row, column] = _reason_in_lines(explanation, place)
        values[row, -1] = explanation.yours[order[n_reasons:]].sum()
        texts[row, -1] = f"{n_others} more"
    wide, narrow, pitch, size = 1.62, 0.95, 1.35, 12  # inches; points
    edges = np.append(wide * np.arange(n_reasons + 1), wide * n_reasons + narrow)
    figure, ax = plt.subplots(
        figsize=(edges[-1] + 0.2, 1.4 + pitch * len(values)), layout="constrained"
    )
    limit = float(np.abs(values).max()) or 1.0
    colours = plt.get_cmap("PuOr")
    for row, explanation in enumerate(explanations):
        top = pitch * row
        ax.text(0, top + 0.25, explanation.label, fontsize=size, fontweight="bold", va="center")
        for column, value in enumerate(values[row]):
            colour = colours(0.5 + 0.5 * value / limit)
            left, width = edges[column], edges[column + 1] - edges[column]
            ax.add_patch(
                plt.Rectangle((left, top + 0.4), width, 0.85, facecolor=colour, edgecolor="white")
            )
            number = f"{round(value, 2) + 0.0:+.2f}"  # + 0.0: no "-0.00"
            ax.text(
                left + width / 2, top + 0.82, f"{texts[row, column]}\n{number}", ha="center",
                va="center", fontsize=size - 1, color=readable_on(colour), linespacing=1.15,
            )  # fmt: skip
    ax.set_xlim(0, edges[-1])
    ax.set_ylim(pitch * len(values), 0)
    ax.set_axis_off()
    ax.set_title(title, fontsize=size + 1, loc="left")
    scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), colours)
    bar = figure.colorbar(scale, ax=ax, orientation="horizontal", aspect=40, pad=0.02)
    bar.outline.set_visible(False)
    drawn = "contribution" if explanations[0].everybody is None else "part for you"
    bar.set_label(f"against the film  ←  {drawn} (logits)  →  for the film", fontsize=size - 1)
    _as_written(ax, bar.ax)
    return figure, ax


def _reason_in_lines(explanation: Explanation, place: int) -> str:
    """A reason and its support, in lines that fit a wide cell."""
    if explanation.fields[place] == "film":
        return "the film itself"
    lines = textwrap.fill(explanation.names[place], 17, break_long_words=False)
    if explanation.support is not None:
        n_likes = len(explanation.support[place])
        lines += f"\n{n_likes or 'none'} of your likes"
    return lines


def interval_plot(
    intervals: pd.DataFrame, *, title: str, value_name: str, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Means with their intervals, one a row: index = names, columns mean, low, high."""
    if ax is None:
        _, ax = plt.subplots(figsize=(7, 1.2 + 0.4 * len(intervals)), layout="constrained")
    places = np.arange(len(intervals))[::-1]
    ax.hlines(places, intervals["low"], intervals["high"], color=NEUTRAL, lw=2)
    ax.plot(intervals["mean"], places, "o", color=NEUTRAL)
    for place, row in zip(places, intervals.itertuples()):
        ax.annotate(
            f"{row.mean:.3f}",
            (row.mean, place),
            xytext=(0, 6),
            fontsize=9,
            textcoords="offset points",
            ha="center",
        )
    ax.set_yticks(places, intervals.index)
    ax.set_ylim(-0.6, len(intervals) - 0.4)
    ax.set_xlabel(value_name)
    ax.set_title(title, fontsize=11, loc="left")
    sns.despine(ax=ax)
    _as_written(ax)
    return ax.figure, ax


def _sharp_in_notebooks() -> None:
    """Twice as many dots in each direction, at the same size: sharp on every screen."""
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats  # comes with IPython

        set_matplotlib_formats("retina")


_sharp_in_notebooks()
