"""Does a planted fault show, in accuracy and in explanations?

Real ratings; the fault is planted. In 15 % of the accounts, drawn anew, half of all Westerns get a
false 5-star rating at the very start. Ten draws. Black box and attention (the course's settings)
are trained on clean data and on faulty data with the same start; and, to know what chance does, on
clean data with another start. Asked afterwards: accuracy (paired, user by user); the share of
Westerns in the lists; how often "Western" is the main reason, and its place among all reasons; and
two audits of the black box with a table of genres in hand: which genre is recommended most in
proportion to the catalogue, and which genre a linear probe reads best out of the film vectors.
"""

import numpy as np
import pandas as pd
import torch
from running import Run, main
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import hit_rate, ndcg, score_unseen, target_ranks, top_k
from recsys_utils.explanation import top_reason
from recsys_utils.models import AttributeAttentionRecommender, MatrixFactorization
from recsys_utils.training import fit

MODELS = ["black box", "attention"]
DATA_OF = ["clean", "clean, another start", "with the fault"]
AFFECTED, PLANTED = 0.15, 0.5
RUNS = [
    Run(f"{model}: {data}", world=draw)
    for model in MODELS
    for data in DATA_OF
    for draw in range(10)
]
CHEAP = Run("black box: with the fault", world=0)


def plant(ratings: pd.DataFrame, user_ids: np.ndarray, films: np.ndarray, draw: int):
    """The ratings with false ones before each affected user's first."""
    random = np.random.default_rng(draw)
    affected = random.choice(user_ids, int(AFFECTED * len(user_ids)), replace=False)
    start = ratings.groupby("userId")["timestamp"].min()
    false = []
    for user in np.sort(affected):
        for film in films[random.random(len(films)) < PLANTED]:
            false.append((user, film, 5.0, start[user] - 1))
    both = pd.concat([ratings, pd.DataFrame(false, columns=ratings.columns)], ignore_index=True)
    return both.drop_duplicates(["userId", "movieId"])  # who has rated a Western keeps that


def probe(vectors: np.ndarray, genres: pd.DataFrame) -> pd.Series:
    """How well a linear probe reads each genre out of the film vectors: AUC, cross-validated."""
    found = {}
    for genre in genres.columns:
        reader = LogisticRegression(C=1.0, max_iter=500)
        guess = cross_val_predict(reader, vectors, genres[genre], cv=5, method="decision_function")
        found[genre] = roc_auc_score(genres[genre], guess)
    return pd.Series(found)


def place(values: pd.Series, name: str) -> int:
    """1 = the highest of all."""
    return int((values >= values[name]).sum())


def work(run: Run) -> dict:
    """Plant, train, look."""
    name, data = run.variant.split(": ")
    movies, ratings = load_movies(), load_ratings()
    table = AttributeTable.from_movies(movies, min_films=2)
    genres = movies["genres"].str.get_dummies("|")
    western = genres["Western"].to_numpy() == 1
    split = leave_one_out_split(ratings, table.item_ids)
    if data == "with the fault":
        ratings = plant(ratings, split.user_ids, table.item_ids[western], run.world)
        split = leave_one_out_split(ratings, table.item_ids)
    if name == "black box":
        model = MatrixFactorization(split.n_users, split.n_items)
    else:
        model = AttributeAttentionRecommender(table, split.n_users)
    seed = run.world + 100 if data == "clean, another start" else run.world
    fit(model, split, seed=seed, progress=False)
    scores = score_unseen(model, split)
    ranks = target_ranks(scores, split.test)
    lists = top_k(scores).flatten()
    listed = genres.to_numpy()[lists].mean(axis=0)
    proportion = pd.Series(listed, index=genres.columns) / genres.mean()
    found = {
        "HR@10": hit_rate(ranks).mean(),
        "NDCG@10": ndcg(ranks).mean(),
        "Westerns in the lists": western[lists].mean(),
        "place of Western: lists / catalogue": place(proportion, "Western"),
        "ranks": ranks.tolist(),
    }
    if name == "black box":
        read = probe(model.item.weight.detach().numpy(), genres)
        found["AUC of a linear probe for Western"] = read["Western"]
        found["place of Western: linear probe"] = place(read, "Western")
    else:
        users = torch.arange(split.n_users).repeat_interleave(10)
        slots = top_reason(model.contribute(users, lists).contributions, table.mask[lists])
        counts = torch.bincount(table.ids[lists, slots], minlength=table.n_attributes)
        named = [f"{field}: {text}" for field, text in zip(table.fields, table.names)]
        reasons = pd.Series(counts.numpy(), index=named)
        reasons = reasons[[not label.startswith("film") for label in named]]
        found["Western is the main reason"] = reasons["genre: Western"] / len(lists)
        found["place of Western: main reasons"] = place(reasons, "genre: Western")
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
