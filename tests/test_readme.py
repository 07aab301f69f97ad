"""What the front page says is what the studies found and what the notebooks say of themselves."""

import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import torch

from recsys_utils.evaluation import bootstrap_interval, hit_rate, ndcg
from recsys_utils.ledger import read_ledger
from recsys_utils.models import FILM_DROPOUT
from recsys_utils.studies import chosen, read_ranks, read_study, run_table

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COURSE = str(FILM_DROPOUT)


def percent(value: float) -> str:
    return f"{value:.0%}".replace("%", " %")


def is_said(sentence: str) -> None:
    assert sentence in TEXT, f"README does not say: {sentence}"


def gains(study: str, metric) -> dict:
    """Variant -> `(n_seeds, n_users)` what each user's held-out film is worth."""
    return {name: metric(torch.tensor(r)).numpy() for name, r in read_ranks(study).items()}


class TestWhatWasFound:
    def test_the_price_of_reasons_that_name_something(self):
        runs = chosen(read_study("film_dropout"))
        share = "why at all: the film itself"
        is_said(f"main reason of {percent(run_table(runs, '0', share).mean())} of its")
        is_said(f"Ours does so in {percent(run_table(runs, COURSE, share).mean())}.")
        worth = gains("film_dropout", ndcg)
        before, after = worth["0"], worth[COURSE]
        assert before.shape == (10, 652)
        low, high = bootstrap_interval(after - before)
        assert low < 0 < high, "it is decided"
        difference = (after - before).mean()
        said = f"from {before.mean():.3f} to {after.mean():.3f}, a difference of {difference:.3f}"
        is_said(f"{said} (95 % interval {low:.3f} to {high:.3f}): not decided")

    def test_accuracy(self):
        worth = gains("accuracy", ndcg)
        ours = worth["attention"]
        is_said(f"it reaches {ours.mean():.3f};")
        words = {"mean pooling": "equal weights in place of attention", "EASE": "a linear model",
                 "black box": "a black box"}  # fmt: skip
        for variant, name in words.items():
            is_said(f"{name} {worth[variant].mean():.3f}")
            low, high = bootstrap_interval(ours - worth[variant])
            assert low < 0 < high, f"{variant} is decided"
        is_said(f"clearly worse ({worth['popularity'].mean():.3f})")
        assert bootstrap_interval(ours - worth["popularity"])[0] > 0

    def test_worlds(self):
        runs = read_study("worlds")

        def share(variant, measure="contribution"):
            return percent(run_table(runs, variant, measure).mean())

        ours, equal = "attention: 4 tastes, 150 ratings", "mean: 4 tastes, 150 ratings"
        lazy, chance = share(equal, "always the commonest"), share(equal, "chance")
        is_said(f"With 4 kinds of taste {share(ours)} of the main reasons are true")
        said = f"equal weights {share(equal)}, always naming the commonest kind of reason {lazy}"
        is_said(f"({said}, chance {chance})")
        forty = [share(f"{model}: 40 tastes, 150 ratings") for model in ("attention", "mean")]
        is_said(f"With 40 kinds it is {forty[0]} against {forty[1]}")
        own = "attention: own tastes, 150 ratings"
        is_said(f"{share(own)} are true, hardly more than the lazy answer")
        gap = run_table(runs, own, "contribution") - run_table(runs, own, "always the commonest")
        assert 0 < gap.mean() < 0.05

    def test_the_planted_fault(self):
        runs = read_study("planted_bug")
        for variant, measures in {
            "attention: with the fault": ["main reasons"],
            "black box: with the fault": ["lists / catalogue", "linear probe"],
        }.items():
            for measure in measures:
                places = run_table(runs, variant, f"place of Western: {measure}")
                assert places.size == 10 and (places == 1).all(), measure
        hits = gains("planted_bug", hit_rate)
        for model in ("black box", "attention"):
            change = hits[f"{model}: with the fault"] - hits[f"{model}: clean"]
            low, high = bootstrap_interval(change)
            assert low < 0 < high, "accuracy decides after all"

    def test_the_adversary(self):
        runs = read_study("adversary")

        def mean(variant, measure):
            return run_table(runs, variant, measure).mean()

        liar = "lambda 3, 800 steps"
        is_said(f"(AUC {mean(liar, 'AUC'):.3f}, the honest one {mean('honest', 'AUC'):.3f})")
        lies, honest = mean(liar, "true by weight"), mean("honest", "true by weight")
        said = f"in {percent(lies)} of the ratings instead of {percent(honest)}"
        is_said(f"{said}; chance is {percent(mean(liar, 'chance'))}")


def test_the_sentence_is_one_that_notebook_01_printed():
    sentence = re.search(r'As a sentence: \*"(.*?)"\*', TEXT)[1]
    cells = nbformat.read(ROOT / "notebooks" / "01_background.ipynb", 4).cells
    printed = [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    assert any(sentence in text for text in printed)


@pytest.fixture(scope="module")
def minutes() -> dict[str, tuple[int, int]]:
    """Notebook -> minutes to read, minutes for its exercises."""
    found = {}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        text = "\n\n".join(cell.source for cell in nbformat.read(path, 4).cells)
        read = re.search(r"\*\*Time:\*\* about (\d+) minutes to read", text)
        solve = re.search(r"## Exercises\n\nAbout (\d+) minutes", text)
        found[path.name] = int(read[1]), int(solve[1])
    return found


def test_the_minutes_are_those_the_notebooks_give(minutes):
    for name, (read, _) in minutes.items():
        row = next(line for line in TEXT.splitlines() if f"](notebooks/{name})" in line[:90])
        assert row.split(" | ")[1] == str(read), name


def test_the_hours_are_their_sum(minutes):
    read = sum(read for read, _ in minutes.values()) / 60
    solve = sum(solve for _, solve in minutes.values()) / 60
    said = f"About {read + solve:.0f} hours: {read:.0f} to read at an easy pace, "
    is_said(f"{said}{solve:.0f} for the exercises")


def test_what_became_of_the_articles_claims():
    claims = read_ledger()
    once = claims[claims["repeats"] == ""]
    count = once["verdict"].value_counts()
    is_said(
        f"Of its {len(once)} claims {count['holds']} hold, {count['holds in part']} hold in part, "
        f"{count['does not hold here']} do not hold here, {count['not decided']} is not decided, "
        f"and {count['not testable here']} cannot be tested"
    )


def test_who_installs_without_make_gets_the_torch_that_the_course_wants():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = next(line for line in project["dependencies"] if line.startswith("torch"))
    index = re.search(r"TORCH_INDEX \?= (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))[1]
    is_said(f'python -m pip install "{wanted}" --index-url {index}')
