"""Who recommends best on the real ratings?

Real ratings. Popularity, EASE, the black box, mean pooling and attention, the last two with the
course's film dropout and without any: rank of every user's held-out film among all films not yet
rated. Every trained model tries the same nine settings; validation NDCG@10 chooses. Five seeds;
EASE and popularity need none.
"""

from itertools import product

from running import Run, main

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import hit_rate, ndcg, score_unseen, target_ranks
from recsys_utils.models import (
    EASE,
    FILM_DROPOUT,
    AttributeAttentionRecommender,
    MatrixFactorization,
    Popularity,
)
from recsys_utils.training import fit

SETTINGS = {}
for rate, decay in product((0.01, 0.02, 0.04), (0.5, 1.0, 2.0)):
    SETTINGS[f"learning rate {rate}, weight decay {decay}"] = (rate, decay)
STRENGTHS = ["10", "30", "50", "100", "200", "300", "500", "1000", "3000"]
WITHOUT = ", film dropout 0"
TRAINED = [
    "black box",
    "mean pooling",
    "attention",
    "mean pooling" + WITHOUT,
    "attention" + WITHOUT,
]
RUNS = [Run("popularity")]
RUNS += [Run("EASE", f"l2 {strength}") for strength in STRENGTHS]
RUNS += [
    Run(variant, setting, seed=seed)
    for variant in TRAINED
    for setting in SETTINGS
    for seed in range(5)
]
CHEAP = Run("mean pooling", "learning rate 0.02, weight decay 1.0", seed=0)


def made(run: Run, table: AttributeTable, split):
    """The variant's model, trained if it is one that is trained."""
    if run.variant == "popularity":
        return Popularity(split)
    if run.variant == "EASE":
        return EASE(split, float(run.setting.removeprefix("l2 ")))
    if run.variant == "black box":
        model = MatrixFactorization(split.n_users, split.n_items)
    else:
        pooling = "mean" if run.variant.startswith("mean") else "attention"
        share = 0.0 if run.variant.endswith(WITHOUT) else FILM_DROPOUT
        model = AttributeAttentionRecommender(
            table, split.n_users, pooling=pooling, film_dropout=share
        )
    rate, decay = SETTINGS[run.setting]
    fit(model, split, seed=run.seed, learning_rate=rate, weight_decay=decay, progress=False)
    return model


def work(run: Run) -> dict:
    """Train once, rank everybody's held-out film."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    model = made(run, table, split)
    before = target_ranks(score_unseen(model, split, "validation"), split.validation)
    ranks = target_ranks(score_unseen(model, split), split.test)
    return {
        "validation": ndcg(before).mean(),
        "NDCG@10": ndcg(ranks).mean(),
        "HR@10": hit_rate(ranks).mean(),
        "ranks": ranks.tolist(),
    }


if __name__ == "__main__":
    main(__file__, RUNS, work)
