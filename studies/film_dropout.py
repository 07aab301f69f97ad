"""What do reasons with names cost?

Real ratings, ten seeds. The model may lean on the attribute "film" (the film itself), which names
nothing. In training, a share p of the batches sees films without it. How accurate is the model
then, and how often is the main reason of a recommendation the film itself? Last variant: films
have no such attribute.

The rule, stated before the runs: take the largest p whose validation NDCG@10 (mean of the seeds,
each p with its own best weight decay) is within one standard error of the best p's. The standard
error is that over users, of the best p.
"""

import torch
from running import Run, main

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import hit_rate, ndcg, score_unseen, target_ranks, top_k
from recsys_utils.explanation import top_reason
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.training import fit

SHARES = ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]
NO_FILM = "no film attribute"
WEIGHT_DECAYS = ["0.5", "1", "2"]
RUNS = [
    Run(share, f"weight decay {decay}", seed=seed)
    for share in [*SHARES, NO_FILM]
    for decay in WEIGHT_DECAYS
    for seed in range(10)
]
CHEAP = Run("0.5", "weight decay 1", seed=0)
FIELDS = ("film", "director", "actor", "genre", "decade")


def reasons(model, split, table) -> dict[str, float]:
    """What the main reasons of everybody's ten recommendations are."""
    films = top_k(score_unseen(model, split)).flatten()
    users = torch.arange(split.n_users).repeat_interleave(10)
    parts = model.contribute(users, films)
    mask = table.mask[films]
    is_film = torch.tensor([field == "film" for field in table.slot_fields])
    has_support = shared_likes(split, table)[users[:, None], table.ids[films]] > 0
    found = {}
    for name, values in (
        ("why at all", parts.contributions),
        ("why for you", parts.contributions - parts.everybody),
    ):
        main_slot = top_reason(values, mask)
        sizes = values.abs()
        found[f"{name}: the film itself"] = is_film[main_slot].double().mean()
        supported = has_support.gather(1, main_slot[:, None])[:, 0]
        found[f"{name}: with support"] = supported.double().mean()
        on_film = sizes[:, is_film].sum() / sizes.sum()
        found[f"{name}: share of the film itself"] = on_film
    everybody, total = parts.everybody.sum(dim=1), parts.contributions.sum(dim=1)
    found["everybody's share of the sum"] = (everybody / total).median()
    return found


def shared_likes(split, table) -> torch.Tensor:
    """`(n_users, n_attributes)` how many of a user's training likes have an attribute."""
    return split.likes() @ table.has()


def work(run: Run) -> dict:
    """Train once, measure accuracy and reasons."""
    movies = load_movies()
    fields = FIELDS[1:] if run.variant == NO_FILM else FIELDS
    table = AttributeTable.from_movies(movies, fields, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    share = 0.0 if run.variant == NO_FILM else float(run.variant)
    model = AttributeAttentionRecommender(table, split.n_users, film_dropout=share)
    decay = float(run.setting.removeprefix("weight decay "))
    history = fit(model, split, seed=run.seed, weight_decay=decay, progress=False)
    validation = ndcg(target_ranks(score_unseen(model, split, "validation"), split.validation))
    ranks = target_ranks(score_unseen(model, split), split.test)
    return {
        "validation": history["validation"].max(),
        "standard error of validation": validation.std() / split.n_users**0.5,
        "NDCG@10": ndcg(ranks).mean(),
        "HR@10": hit_rate(ranks).mean(),
        **reasons(model, split, table),
        "ranks": ranks.tolist(),
    }


if __name__ == "__main__":
    main(__file__, RUNS, work)
