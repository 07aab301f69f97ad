"""Another start, the same reasons?

Real ratings. Two models that differ only in their start explain the same films (everybody's first
recommendation by the first of them): how often do they give the same attribute the largest weight,
the largest contribution, the largest part for you? Beside each share stands what two models would
reach that chose each kind of attribute (film, director, ...) as often, but independently; and the
share among the rest when the film itself is left aside. Ten pairs of starts, with the course's film
dropout and without.
"""

import torch
from running import Run, main

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import score_unseen, top_k
from recsys_utils.explanation import top_reason
from recsys_utils.faithfulness import jensen_shannon
from recsys_utils.models import FILM_DROPOUT, AttributeAttentionRecommender
from recsys_utils.training import fit

SHARES = {"film dropout 0": 0.0, "the course's film dropout": FILM_DROPOUT}
RUNS = [Run(variant, seed=pair) for variant in SHARES for pair in range(10)]
CHEAP = Run("the course's film dropout", seed=0)


def agree(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> float:
    """The share of films for which both have their largest |value| at the same attribute."""
    return (top_reason(one, mask) == top_reason(other, mask)).double().mean().item()


def by_marginals(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> float:
    """What `agree` would be if the second model's choices were dealt to other films at random.

    A film keeps its own attributes; a choice means "the k-th slot of the table", and falls to the
    second largest and so on where the film has no such slot. Mean over twenty deals.
    """
    generator, shares = torch.Generator().manual_seed(0), []
    first, values = top_reason(one, mask), other.abs()
    for _ in range(20):
        dealt = values[torch.randperm(len(values), generator=generator)]
        shares.append((first == top_reason(dealt, mask)).double().mean().item())
    return sum(shares) / len(shares)


def work(run: Run) -> dict:
    """Train two models, compare their reasons."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    models = []
    for seed in (2 * run.seed, 2 * run.seed + 1):
        model = AttributeAttentionRecommender(
            table, split.n_users, film_dropout=SHARES[run.variant]
        )
        fit(model, split, seed=seed, progress=False)
        models.append(model)
    lists = [top_k(score_unseen(model, split)) for model in models]
    shared = (lists[0][:, :, None] == lists[1][:, None, :]).sum().item() / split.n_users
    users, films = torch.arange(split.n_users), lists[0][:, 0]
    mask = table.mask[films]
    is_film = torch.tensor([field == "film" for field in table.slot_fields])
    one, other = (model.contribute(users, films) for model in models)
    found = {
        "films of ten shared": shared,
        "distance of weights": jensen_shannon(one.weights, other.weights).median(),
        "same sign of a contribution": (
            (one.contributions.sign() == other.contributions.sign())[mask].double().mean()
        ),
        "chance": (1 / mask.sum(dim=1)).mean(),
    }
    pairs = {
        "weight": (one.weights, other.weights),
        "contribution": (one.contributions, other.contributions),
        "part for you": (
            one.contributions - one.everybody,
            other.contributions - other.everybody,
        ),
    }
    for name, (mine, theirs) in pairs.items():
        found[f"same top {name}"] = agree(mine, theirs, mask)
        found[f"same top {name}, by the marginals"] = by_marginals(mine, theirs, mask)
        found[f"same top {name}, film itself aside"] = agree(mine, theirs, mask & ~is_film)
    found["chance, film itself aside"] = (1 / (mask & ~is_film).sum(dim=1)).mean()
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
