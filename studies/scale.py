"""What does the division by sqrt(d_k) do after training?

Real ratings. The course's model with and without the scale, each with its own best of four
learning rates and four weight decays (validation), five seeds: accuracy, and two gradients of the
weights of everybody's first recommendation: by the scores (|J|) and by the query (|dw/dq|), which
is what training moves. Both before and after training; medians over users.
"""

from itertools import product

import torch
from running import Run, main

from recsys_utils.attention import masked_softmax
from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import hit_rate, ndcg, score_unseen, target_ranks, top_k
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.training import fit

SETTINGS = {}
for rate, decay in product((0.005, 0.01, 0.02, 0.04), (0.5, 1.0, 2.0, 4.0)):
    SETTINGS[f"learning rate {rate}, weight decay {decay}"] = (rate, decay)
RUNS = [
    Run(variant, setting, seed=seed)
    for variant in ("with the scale", "without the scale")
    for setting in SETTINGS
    for seed in range(5)
]
CHEAP = Run("with the scale", "learning rate 0.04, weight decay 1.0", seed=0)


def gradients(model, users: torch.Tensor, films: torch.Tensor) -> dict[str, float]:
    """Medians over users of the norms of d weights / d scores and d weights / d query."""
    with torch.no_grad():
        key = model.embedding(model.ids[films]).chunk(2, dim=-1)[0]
        mask = model.mask[films]
        scale = model.d_k**0.5
        scores = (key @ model.user(users)[:, :, None])[:, :, 0] / scale
        weights = masked_softmax(scores, mask)
        by_scores = torch.diag_embed(weights) - weights[:, :, None] * weights[:, None, :]
        by_query = by_scores @ key / scale
    return {
        "|J|": by_scores.flatten(1).norm(dim=1).median(),
        "|dw/dq|": by_query.flatten(1).norm(dim=1).median(),
        "largest weight": weights.amax(dim=1).median(),
        "standard deviation of scores": scores[mask].std(),
    }


def work(run: Run) -> dict:
    """Train once; look at the gradients before and after."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    model = AttributeAttentionRecommender(table, split.n_users)
    if run.variant == "without the scale":
        model.d_k = 1  # the model divides by d_k**0.5; its vectors keep their 128 numbers
    rate, decay = SETTINGS[run.setting]
    model.reset_parameters(run.seed)
    users = torch.arange(split.n_users)
    films = top_k(score_unseen(model, split), 1)[:, 0]
    start = gradients(model, users, films)
    fit(model, split, seed=run.seed, learning_rate=rate, weight_decay=decay, progress=False)
    films = top_k(score_unseen(model, split), 1)[:, 0]
    before = target_ranks(score_unseen(model, split, "validation"), split.validation)
    ranks = target_ranks(score_unseen(model, split), split.test)
    found = {
        "validation": ndcg(before).mean(),
        "NDCG@10": ndcg(ranks).mean(),
        "HR@10": hit_rate(ranks).mean(),
        "ranks": ranks.tolist(),
    }
    for name, value in start.items():
        found[f"{name} at the start"] = value
    for name, value in gradients(model, users, films).items():
        found[f"{name} after training"] = value
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
