"""The next film: do learned weights, and the order of a history, help?

Real ratings. Self-attention over the latest likes against its controls: equal weights for all films
so far, only the latest film, histories shuffled before training. Each is trained until its
validation NDCG@10 has not risen for three epochs, with its own best of two learning rates (five
seeds), so that no control is stopped early. At the test all know the validation film. A second test
of the same model shuffles everything but the latest film: what is left of the order? Beside them
popularity, EASE, decayed Markov counts (best of eight settings on validation) and attention over
the history without order.
"""

from dataclasses import replace
from itertools import product

import torch
from running import Run, main

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import hit_rate, ndcg, score_unseen, target_ranks
from recsys_utils.models import EASE, Popularity
from recsys_utils.sequence_models import (
    DecayedMarkov,
    HistoryAttentionRecommender,
    SelfAttentiveRecommender,
    shuffled,
    with_validation,
)
from recsys_utils.training import fit, train

KINDS = {
    "self-attention": "softmax",
    "equal weights": "uniform",
    "latest film only": "last",
    "shuffled histories": "softmax",
}
SETTINGS = {}
for rate in (0.002, 0.005):
    SETTINGS[f"learning rate {rate}"] = rate
HISTORY_SETTINGS = {}
for rate, decay in product((0.04, 0.08), (0.4, 0.8)):
    HISTORY_SETTINGS[f"learning rate {rate}, weight decay {decay}"] = (rate, decay)
MARKOV = {}
for window, decay, power in product((10, 50), (0.8, 0.9), (0.3, 0.5)):
    MARKOV[f"window {window}, decay {decay}, power {power}"] = (window, decay, power)
RUNS = [Run("popularity"), *(Run("EASE", f"l2 {strength}") for strength in (30, 100, 300, 1000))]
RUNS += [Run("decayed Markov", setting) for setting in MARKOV]
RUNS += [
    Run("attention over the history", setting, seed=seed)
    for setting in HISTORY_SETTINGS
    for seed in range(5)
]
RUNS += [
    Run(kind, setting, seed=seed) for kind in KINDS for setting in SETTINGS for seed in range(5)
]
CHEAP = Run("attention over the history", "learning rate 0.08, weight decay 0.8", seed=0)


def trained(run: Run, table: AttributeTable, split):
    """The variant's model, trained on the training likes."""
    if run.variant == "popularity":
        return Popularity(split)
    if run.variant == "EASE":
        return EASE(split, float(run.setting.removeprefix("l2 ")))
    if run.variant == "decayed Markov":
        return DecayedMarkov(split, *MARKOV[run.setting])
    if run.variant == "attention over the history":
        model = HistoryAttentionRecommender(table, split)
        rate, decay = HISTORY_SETTINGS[run.setting]
        fit(model, split, seed=run.seed, learning_rate=rate, weight_decay=decay, progress=False)
        return model
    data = shuffled(split) if run.variant == "shuffled histories" else split
    model = SelfAttentiveRecommender(data, attention=KINDS[run.variant])

    def validation() -> float:
        ranks = target_ranks(score_unseen(model, split, "validation"), split.validation)
        return ndcg(ranks).mean().item()

    train(
        model,
        model.batches,
        model.loss,
        validation,
        seed=run.seed,
        epochs=30,
        learning_rate=SETTINGS[run.setting],
        weight_decay=0.3,
        patience=3,
        progress=False,
    )
    return model


def all_but_the_latest_shuffled(split, seed: int):
    """A split whose histories are in an arbitrary order, but for the latest film of each."""
    generator = torch.Generator().manual_seed(seed)
    histories = []
    for films in split.histories():
        order = torch.randperm(len(films) - 1, generator=generator)
        histories.append(torch.cat([films[:-1][order], films[-1:]]))
    return replace(split, items=torch.cat(histories))


def work(run: Run) -> dict:
    """Train, then rank with the validation film known."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    model = trained(run, table, split)
    before = target_ranks(score_unseen(model, split, "validation"), split.validation)
    known = with_validation(split)
    if run.variant in ("popularity", "EASE", "decayed Markov"):
        later = trained(run, table, known)
    elif run.variant == "shuffled histories":
        later = model.with_history(shuffled(known, run.seed))
    else:
        later = model.with_history(known)
    ranks = target_ranks(score_unseen(later, split), split.test)
    found = {
        "validation": ndcg(before).mean(),
        "NDCG@10": ndcg(ranks).mean(),
        "HR@10": hit_rate(ranks).mean(),
        "ranks": ranks.tolist(),
    }
    if run.variant == "self-attention":
        mixed = model.with_history(all_but_the_latest_shuffled(known, run.seed))
        mixed_ranks = target_ranks(score_unseen(mixed, split), split.test)
        found["NDCG@10, all but the latest film shuffled"] = ndcg(mixed_ranks).mean()
        wholly = model.with_history(shuffled(known, run.seed))
        wholly_ranks = target_ranks(score_unseen(wholly, split), split.test)
        found["NDCG@10, all shuffled"] = ndcg(wholly_ranks).mean()
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
