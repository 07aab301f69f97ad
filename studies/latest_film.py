"""Which film of a history counts, and do the weights say so?

Real ratings. Two models of next_film with the settings chosen there, five seeds: self-attention,
where a film has a way around the attention, and attention over the history, where it has none.
Explained is everybody's first recommendation, for users with 3 to 50 likes (self-attention reads no
more than 50). What a film does is measured: it is taken out of the list and nothing is trained
again; how far does the logit of the recommended film fall? Asked: how often does the largest weight
(for self-attention the mean of its heads) or the largest contribution belong to the film without
which it falls most? Beside it chance (1 / number of films) and the answer that needs no model: the
latest film. And one user, 643, film by film.
"""

import numpy as np
import torch
from next_film import trained
from running import Run, main

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import score_unseen
from recsys_utils.sequence_models import HistoryAttentionRecommender, with_validation

HISTORY, SELF = "attention over the history", "self-attention"
RUNS = [Run(variant, seed=seed) for variant in (HISTORY, SELF) for seed in range(5)]
CHEAP = Run(HISTORY, seed=0)
ONE_USER = 643
# What validation chose in next_film.
CHOSEN = {HISTORY: "learning rate 0.08, weight decay 0.4", SELF: "learning rate 0.005"}


def without_each(model, user: int, item: int) -> np.ndarray:
    """`(n,)` what the item's logit loses when one film is taken out of the user's history."""
    films = model.history[user]
    if isinstance(model, HistoryAttentionRecommender):
        found = model.explain(user, item)
        total = found.contributions.sum()
        others = (total - found.contributions) / (1 - found.weights)  # they share its weight
        return total - others
    fewer = []
    for place in range(len(films)):
        fewer.append(torch.cat([films[:place], films[place + 1 :]]) + 1)
    with torch.no_grad():
        full = model.logits(model.encode(films[None] + 1)[0][0, -1])[item]
        less = model.logits(model.encode(torch.stack(fewer))[0][:, -1])[:, item]
    return (full - less).numpy()


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's: the correlation of the places, 1 = the same order."""
    return np.corrcoef(one.argsort().argsort(), other.argsort().argsort())[0, 1]


def work(run: Run) -> dict:
    """Train, explain everybody's first recommendation, take out one film after the other."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    known = with_validation(split)
    model = trained(run._replace(setting=CHOSEN[run.variant]), table, split).with_history(known)
    first = score_unseen(model, split).argmax(dim=1).tolist()
    rows, one_user = [], {}
    for user, item in enumerate(first):
        n = len(model.history[user])
        if n > 50:
            continue
        change = without_each(model, user, item)
        most = change.argmax()
        if run.variant == HISTORY:
            found = model.explain(user, item)
            weights, contributions = found.weights, found.contributions
        else:
            weights = model.look(user)[1][:, -1].mean(dim=0).numpy()
            contributions = None
        row = {
            "latest film: falls most without it": most == n - 1,
            "latest film: largest weight": weights.argmax() == n - 1,
            "latest film: weight, in units of 1/n": weights[-1] * n,
            "largest weight: falls most without it": weights.argmax() == most,
            "chance": 1 / n,
            "weight and |change|: rank correlation": rank_correlation(weights, np.abs(change)),
        }
        if contributions is not None:
            right = contributions.argmax() == most
            row["largest contribution: falls most without it"] = right
            correlation = rank_correlation(contributions, change)
            row["contribution and change: rank correlation"] = correlation
        rows.append(row)
        if split.user_ids[user] == ONE_USER:
            for place in range(n):
                one_user[f"user {ONE_USER}, film {place + 1}: weight"] = weights[place]
                one_user[f"user {ONE_USER}, film {place + 1}: change"] = change[place]
    found = {"users": len(rows)}
    for measure in rows[0]:
        found[measure] = np.mean([row[measure] for row in rows])
    return found | one_user


if __name__ == "__main__":
    main(__file__, RUNS, work)
