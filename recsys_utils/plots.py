"""The figures. Each takes names and numbers and returns `(fig, axes)`; none is shown by itself.

Weights are drawn on one scale from 0 to 1 (cividis), contributions on a scale that is symmetric
about 0 (PuOr: orange below, purple above). Both maps can be told apart by colour-blind readers and
in grey print, and the value stands in the cell. An empty slot is hatched: it is data, not a zero.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .explanation import Explanation

FOR, AGAINST, NEUTRAL = "#5e3c99", "#e66101", "#31688e"  # PuOr's ends; a blue for plain series


def shorten(label: str, width: int = 34) -> str:
    """The label, cut to `width` with "..." in place of the last words; the year is kept.

    Words stay whole ("Episode IV" must not become "Episode I"), unless there is only one.
    """
    if len(label) <= width:
        return label
    title, _, year = label.rpartition(" (")
    end = f"... ({year}" if title else "..."
    title = title or label
    room = width - len(end)
    start = title[:room]
    if title[room] != " " and " " in start:
        start = start[: start.rindex(" ")]
    return start.rstrip() + end


def readable_on(colour: Sequence[float]) -> str:
    """Black or white: which of them stands out more on this colour (WCAG relative luminance)."""
    rgb = np.asarray(colour[:3])
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"


def heatmap(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
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
        kind: "weights": scale 0 to 1; "contributions": symmetric about 0, sign printed.
        mask: True where there is a value; the other cells are hatched.
        text: a name for each cell, printed above its value.
        row_name, column_name: what the axes are: who attends to what.
        limit: the end of the scale of contributions, to share it between figures.
        ax: where to draw; a new figure if None.

    Raises:
        ValueError: names and values differ in number, a value is NaN, weights outside 0 to 1, or
            a row of weights that sums to neither 1 nor 0 (nothing attended to).
    """
    values = np.asarray(values, dtype=float)
    mask = np.ones(values.shape, bool) if mask is None else np.asarray(mask, bool)
    if values.shape != (len(rows), len(columns)) or mask.shape != values.shape:
        raise ValueError(
            f"values {values.shape} and mask {mask.shape} do not fit "
            f"{len(rows)} row names and {len(columns)} column names"
        )
    if np.isnan(values[mask]).any():
        raise ValueError(f"{int(np.isnan(values[mask]).sum())} values are NaN")
    if kind == "weights":
        sums = np.where(mask, values, 0).sum(axis=1)
        bad = ~(np.isclose(sums, 1, atol=1e-4) | np.isclose(sums, 0, atol=1e-4))
        if bad.any() or values[mask].min(initial=0) < 0:
            row = int(np.flatnonzero(bad)[0]) if bad.any() else 0
            raise ValueError(f"weights of row {rows[row]!r} sum to {sums[row]:.4f}, expected 1")
        low, high, cmap, form, label = 0.0, 1.0, "cividis", "{:.2f}", "weight (0 to 1)"
    else:
        high = limit or float(np.abs(values[mask]).max(initial=1e-9))
        low, cmap, form, label = -high, "PuOr", "{:+.2f}", "contribution (logits)"
    if text is None:
        rows, lines, width = [shorten(row) for row in rows], 1, 0.75
    else:
        text = [[textwrap.fill(n, 10, break_long_words=False) for n in names] for names in text]
        rows = [textwrap.fill(row, 24) for row in rows]
        parts = [part for names in text for name in names for part in name.split("\n")]
        lines = 1 + max(name.count("\n") + 1 for names in text for name in names)
        widest = 1.1 if len(columns) <= 10 else 0.95
        width = min(max(0.8, 0.2 + 0.068 * max(map(len, parts))), widest)  # inches, for 9 pt
    if ax is None:
        size = (2.9 + width * len(columns), 1.5 + (0.16 + 0.155 * lines) * len(rows))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    sns.heatmap(
        values,
        mask=~mask,
        vmin=low,
        vmax=high,
        cmap=cmap,
        linewidths=1,
        linecolor="white",
        ax=ax,
        xticklabels=list(columns),
        yticklabels=rows,
        cbar_kws={"label": label, "shrink": 0.8, "pad": 0.04},
    )
    mesh = ax.collections[0]
    for i, j in zip(*np.nonzero(mask)):
        name = text[i][j] + "\n" if text is not None else ""
        value = form.format(round(values[i, j], 2) + 0.0)  # + 0.0: no "-0.00"
        colour = readable_on(mesh.cmap(mesh.norm(values[i, j])))
        ax.text(j + 0.5, i + 0.5, name + value, ha="center", va="center", fontsize=9, color=colour)
    ax.patch.set(hatch="////", edgecolor="0.75", facecolor="white")
    ax.set_title(title, fontsize=11, loc="left")
    ax.set_xlabel(column_name)
    ax.set_ylabel(row_name)
    ax.tick_params(axis="x", rotation=0 if text is not None else 35, labelsize=9)
    ax.tick_params(axis="y", rotation=0, labelsize=9)
    if kind == "weights" and mask.any():
        counts = mask.sum(axis=1)
        uniform = 1 / counts[counts > 0]
        bar = mesh.colorbar.ax
        bar.hlines([uniform.min(), uniform.max()], 0, 1, color="white", lw=1.5)
        bar.text(-0.2, uniform.mean(), "1/n", ha="right", va="center", fontsize=9)
    if not mask.all():
        empty = Patch(hatch="////", facecolor="white", edgecolor="0.75", label="empty slot")
        ax.legend(handles=[empty], loc="lower right", bbox_to_anchor=(1, 1.0), frameon=False)
    return ax.figure, ax


def explanations_heatmap(
    explanations: Sequence[Explanation],
    *,
    title: str,
    kind: Literal["weights", "contributions"] = "weights",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """Several explained films, one a row, their attributes in the columns, names in the cells."""
    order: list[str] = []  # of fields, also where the first films lack some
    for explanation in explanations:
        for field in reversed(explanation.fields):
            if field not in order:
                later = explanation.fields[explanation.fields.index(field) + 1 :]
                known = [order.index(other) for other in later if other in order]
                order.insert(min(known, default=len(order)), field)
    counts = {field: max(e.fields.count(field) for e in explanations) for field in order}
    columns = [(field, i) for field, n in counts.items() for i in range(n)]
    shape = (len(explanations), len(columns))
    values, mask, text = np.zeros(shape), np.zeros(shape, bool), np.full(shape, "", dtype=object)
    for row, explanation in enumerate(explanations):
        used: dict[str, int] = {}
        for place, (field, name) in enumerate(zip(explanation.fields, explanation.names)):
            column = columns.index((field, used.get(field, 0)))
            used[field] = used.get(field, 0) + 1
            values[row, column] = getattr(explanation, kind)[place]
            mask[row, column] = True
            text[row, column] = "itself" if field == "film" else name
    return heatmap(
        values,
        [explanation.label for explanation in explanations],
        [field if counts[field] == 1 else f"{field} {i + 1}" for field, i in columns],
        title=title,
        kind=kind,
        mask=mask,
        text=text.tolist(),
        row_name="recommended film",
        column_name="its attributes",
        ax=ax,
    )


def explanation_bars(
    explanation: Explanation, others: Mapping[str, np.ndarray] | None = None, *, title: str
) -> tuple[Figure, np.ndarray]:
    """One film in depth: weights, contributions and other measures side by side, signs in colour.

    Args:
        explanation: the explained film.
        others: name -> `(n,)` values in logits, in the order of `explanation.names`.
        title: a sentence that says what is seen.
    """
    names = [
        "the film itself" if field == "film" else f"{field}: {name}"
        for field, name in zip(explanation.fields, explanation.names)
    ]
    panels = {"weight": explanation.weights, "contribution (logits)": explanation.contributions}
    panels |= dict(others or {})
    limit = 1.35 * max(np.abs(v).max() for k, v in panels.items() if k != "weight")
    fig, axes = plt.subplots(
        1,
        len(panels),
        sharey=True,
        layout="constrained",
        figsize=(2.6 + 2.3 * len(panels), 1.3 + 0.33 * len(names)),
    )
    places = np.arange(len(names))[::-1]
    for ax, (name, values) in zip(axes, panels.items()):
        weight = name == "weight"
        colours = NEUTRAL if weight else [FOR if v >= 0 else AGAINST for v in values]
        bars = ax.barh(places, values, color=colours, zorder=2)
        texts = [f"{v:.2f}" if weight else f"{round(v, 2) + 0.0:+.2f}" for v in values]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        ax.bar_label(bars, texts, padding=3, fontsize=9, bbox=box, zorder=3)
        ax.set_xlim(*((0, 1.15) if weight else (-limit, limit)))
        ax.axvline(
            1 / len(names) if weight else 0, color="0.4", lw=1, ls="--" if weight else "-", zorder=1
        )
        ax.set_xlabel(f"{name}\n(dashed: 1/n)" if weight else name, fontsize=9)
        sns.despine(ax=ax)
    axes[0].set_yticks(places, names, fontsize=9)
    fig.suptitle(title, fontsize=11, x=0.01, ha="left")
    return fig, axes


def training_curves(
    histories: Mapping[str, pd.DataFrame],
    *,
    title: str,
    validation_name: str = "validation NDCG@10",
) -> tuple[Figure, np.ndarray]:
    """Loss and validation over the epochs, one line for each model; the kept epoch is marked."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    palette = sns.color_palette("colorblind", len(histories))
    for (name, history), colour, style in zip(
        histories.items(), palette, ["-", "--", "-.", ":"] * 9
    ):
        best = history.loc[history["validation"].idxmax()]
        for ax, column in zip(axes, ("loss", "validation")):
            ax.plot(history["epoch"], history[column], style, color=colour, label=name)
            ax.plot(best["epoch"], best[column], "o", color=colour)
    axes[0].set_ylabel("training loss")
    axes[1].set_ylabel(validation_name)
    axes[0].legend(frameon=False)
    for ax in axes:
        ax.set_xlabel("epoch (dot: the epoch that is kept)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    sns.despine(fig=fig)
    fig.suptitle(title, fontsize=11, x=0.01, ha="left")
    return fig, axes


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
    return ax.figure, ax
