"""What the studies found, in tables with intervals: studies/page.py writes docs/studies.md.

python studies/page.py docs/studies.md
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from run_all import NAMES

from recsys_utils.evaluation import bootstrap_interval, ndcg
from recsys_utils.studies import chosen, intervals, read_ranks, read_study

# Study -> the measures shown, and the variant that differences are taken to.
SHOWN = {
    "film_dropout": (
        [
            "validation",
            "NDCG@10",
            "HR@10",
            "why at all: the film itself",
            "why at all: with support",
            "why for you: the film itself",
            "why for you: with support",
        ],
        "0",
    ),
    "accuracy": (["validation", "NDCG@10", "HR@10"], "attention"),
    "dimensions": (["validation", "NDCG@10", "HR@10"], "d_k = 128"),
    "scale": (
        [
            "NDCG@10",
            "HR@10",
            "|J| after training",
            "|dw/dq| at the start",
            "|dw/dq| after training",
        ],
        "with the scale",
    ),
    "stability": (
        [
            "films of ten shared",
            "same top weight",
            "same top weight, by the marginals",
            "same top contribution",
            "same top contribution, by the marginals",
            "same top part for you",
            "same top part for you, by the marginals",
            "same top contribution, film itself aside",
            "chance, film itself aside",
        ],
        None,
    ),
    "cold_start": (["AUC per user"], "genre match"),
    "planted_bug": (
        [
            "HR@10",
            "Westerns in the lists",
            "Western is the main reason",
            "place of Western: main reasons",
            "place of Western: lists / catalogue",
            "AUC of a linear probe for Western",
            "place of Western: linear probe",
        ],
        None,
    ),
    "worlds": (
        [
            "AUC per user",
            "weight",
            "contribution",
            "leave-one-out",
            "integrated gradients",
            "always the commonest",
            "chance",
        ],
        None,
    ),
    "support": (
        [
            "with support",
            "true with support",
            "true without support",
            "names: with support",
            "names: true with support",
            "names: true without support",
        ],
        None,
    ),
    "noise_tags": (
        [
            "AUC per user",
            "weight on tags",
            "|contributions| on tags",
            "share of tags among the attributes",
        ],
        None,
    ),
    "steps_and_seconds": (
        ["steps to 0.5", "steps to 0.4", "steps to 0.3", "lowest held-out loss", "seconds a step"],
        None,
    ),
    "five_models": (
        [
            "AUC",
            "AUC, weights made equal",
            "true by weight",
            "true by leave-one-out",
            "true by integrated gradients",
            "always the commonest",
            "films of ten shared with an additive model",
        ],
        None,
    ),
    "adversary": (
        ["AUC", "distance of weights", "true by weight", "true by contribution", "chance"],
        None,
    ),
    "frozen_weights": (
        [
            "AUC",
            "distance from the honest weights",
            "true by weight",
            "true by contribution",
            "always the commonest",
            "chance",
        ],
        None,
    ),
    "next_film": (["validation", "NDCG@10", "HR@10"], "self-attention"),
    "latest_film": (
        [
            "latest film: falls most without it",
            "latest film: largest weight",
            "latest film: weight, in units of 1/n",
            "largest weight: falls most without it",
            "largest contribution: falls most without it",
            "chance",
        ],
        None,
    ),
    "carries_over": (
        [
            "told right",
            "true by contribution",
            "true by weight",
            "always the commonest",
            "chance",
            "reason is the brand: found",
            "reason is the category: found",
            "reason is the price: found",
            "known: true by contribution",
            "new: true by contribution",
            "new: always the commonest",
            "new: chance",
        ],
        None,
    ),
}


def settled(name: str) -> pd.DataFrame:
    """The runs of a study, each variant with its chosen setting."""
    runs = read_study(name)
    if runs["setting"].nunique() > 1:
        return chosen(runs)
    return runs


def cell(mean: float, low: float, high: float) -> str:
    """0.071 (0.066 to 0.075); the interval is left out where there is one run only."""
    if low == high:
        return f"{mean:.3f}"
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def table_of(runs: pd.DataFrame, measures: list[str]) -> list[str]:
    """A Markdown table: variants in rows, measures in columns."""
    lines = ["| | " + " | ".join(measures) + " |", "|---|" + "---|" * len(measures)]
    columns = {measure: intervals(runs, measure) for measure in measures}
    for variant in runs["variant"].unique():
        cells = []
        for measure in measures:
            found = columns[measure]
            cells.append(cell(*found.loc[variant]) if variant in found.index else "")
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return lines


def paired(name: str, minus: str) -> list[str]:
    """NDCG@10 less another variant's, user by user and seed by seed, and the verdict."""
    gains = {v: ndcg(torch.tensor(ranks)).numpy() for v, ranks in read_ranks(name).items()}
    lines = [f"| NDCG@10, minus {minus} | difference | |", "|---|---|---|"]
    for variant, values in gains.items():
        if variant == minus:
            continue
        difference = values - gains[minus]
        low, high = bootstrap_interval(difference)
        verdict = "not decided" if low <= 0 <= high else "higher" if low > 0 else "lower"
        lines.append(f"| {variant} | {cell(difference.mean(), low, high)} | {verdict} |")
    return lines


def page() -> str:
    """All studies, one section each."""
    lines = [
        "# What the studies found",
        "",
        "Every table is made from the stored runs by `studies/page.py`. Means, and in brackets "
        "95 % intervals over worlds and seeds; in the tables of differences over seeds and users. "
        "An interval that contains 0 decides nothing. Each variant has its own best setting, "
        "chosen on validation. [studies/](../studies/README.md) says how to run them.",
    ]
    for name in NAMES:
        script = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        question, _, rest = script.removeprefix('"""').split('"""')[0].partition("\n")
        measures, minus = SHOWN[name]
        lines += ["", f"## {question}", "", f"[studies/{name}.py](../studies/{name}.py)"]
        for paragraph in rest.strip().split("\n\n"):
            lines += ["", " ".join(paragraph.split())]
        lines += ["", *table_of(settled(name), measures)]
        ranks = Path(__file__).with_name(f"{name}_ranks.csv").exists()
        if minus and ranks:
            lines += ["", *paired(name, minus)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python studies/page.py PAGE.md")
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
