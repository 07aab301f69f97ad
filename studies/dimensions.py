"""How long must the vectors be?

Real ratings. The course's model with d_k = 2 to 128, each with its own best of three weight decays
(validation), five seeds. And the other way round: the trained values of the longest model are cut
to their r strongest directions (singular value decomposition), nothing is trained again: how many
directions does it use?
"""

import torch
from running import Run, main

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import hit_rate, ndcg, score_unseen, target_ranks
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.training import fit

LENGTHS = [2, 4, 8, 16, 32, 64, 128]
DIRECTIONS = [1, 2, 4, 8, 16, 32, 64]
WEIGHT_DECAYS = ["0.5", "1", "2"]
RUNS = [
    Run(f"d_k = {length}", f"weight decay {decay}", seed=seed)
    for length in LENGTHS
    for decay in WEIGHT_DECAYS
    for seed in range(5)
]
CHEAP = Run("d_k = 8", "weight decay 1", seed=0)


def cut(model: AttributeAttentionRecommender, directions: int) -> None:
    """Leave only the strongest directions of the values."""
    with torch.no_grad():
        _, value = model.embedding.weight.chunk(2, dim=1)
        left, sizes, right = torch.linalg.svd(value, full_matrices=False)
        sizes[directions:] = 0.0
        model.embedding.weight[:, model.d_k :] = (left * sizes) @ right


def accuracy(model, split) -> tuple[float, float]:
    """HR@10 and NDCG@10."""
    ranks = target_ranks(score_unseen(model, split), split.test)
    return hit_rate(ranks).mean().item(), ndcg(ranks).mean().item()


def work(run: Run) -> dict:
    """Train once; cut the longest model afterwards."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    d_k = int(run.variant.removeprefix("d_k = "))
    model = AttributeAttentionRecommender(table, split.n_users, d_k)
    decay = float(run.setting.removeprefix("weight decay "))
    fit(model, split, seed=run.seed, weight_decay=decay, progress=False)
    before = target_ranks(score_unseen(model, split, "validation"), split.validation)
    hits, gain = accuracy(model, split)
    found = {"validation": ndcg(before).mean(), "HR@10": hits, "NDCG@10": gain}
    found["ranks"] = target_ranks(score_unseen(model, split), split.test).tolist()
    if d_k == max(LENGTHS):
        for directions in reversed(DIRECTIONS):
            cut(model, directions)
            hits, gain = accuracy(model, split)
            found[f"HR@10, cut to {directions}"] = hits
            found[f"NDCG@10, cut to {directions}"] = gain
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
