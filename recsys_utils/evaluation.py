"""How good are the recommendations? Full ranking, one held-out item for each user. Notebook 05.

Every item of the catalogue is ranked except those the user had rated before (`split.seen`), for
every model alike. With one target for each user HR@k is also Recall@k.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .splits import LeaveOneOutSplit, Stage

Model = Callable[[Tensor], Tensor]


def score_unseen(model: Model, split: LeaveOneOutSplit, stage: Stage = "test") -> Tensor:
    """Scores `(n_users, n_items)`, with -inf where the user had rated the item before."""
    with torch.no_grad():
        scores = model(torch.arange(split.n_users))
    return scores.masked_fill(split.seen(stage), -torch.inf)


def target_ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """The rank of each user's held-out item among all items, 1 = first.

    Args:
        scores: `(n_users, n_items)`, -inf for items that must not be recommended.
        targets: `(n_users,)` the held-out items.

    Returns:
        `(n_users,)`. Ties count against the target: a model that scores all items alike
        ranks it last, not first.

    Raises:
        ValueError: a score is NaN, or a target itself is excluded.
    """
    if scores.isnan().any():
        raise ValueError(f"{int(scores.isnan().sum())} scores are NaN")
    own = scores.gather(1, targets[:, None])
    if torch.isneginf(own).any():
        user = int(torch.isneginf(own)[:, 0].nonzero()[0])
        raise ValueError(f"user {user}: the held-out item {int(targets[user])} is excluded (-inf)")
    return (scores >= own).sum(dim=1)


def hit_rate(ranks: Tensor, k: int = 10) -> Tensor:
    """HR@k for each user: 1 if the target is among the first k, else 0.

    Args:
        ranks: `(n_users,)` as `target_ranks` gives them, 1 = first.
        k: length of the list.

    Raises:
        ValueError: k is below 1, or a rank is (counted from 0, perhaps).
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if (ranks < 1).any():
        raise ValueError(f"ranks count from 1, got {ranks.min().item()}")
    return (ranks <= k).double()


def ndcg(ranks: Tensor, k: int = 10) -> Tensor:
    """NDCG@k for each user: 1 / log2(rank + 1) if the target is among the first k, else 0.

    Raises:
        ValueError: as `hit_rate`.
    """
    return hit_rate(ranks, k) / torch.log2(ranks + 1.0)


def reciprocal_rank(ranks: Tensor, k: int = 10) -> Tensor:
    """MRR@k for each user: 1 / rank if the target is among the first k, else 0.

    Raises:
        ValueError: as `hit_rate`.
    """
    return hit_rate(ranks, k) / ranks


def top_k(scores: Tensor, k: int = 10) -> Tensor:
    """The k best items of each user, best first: `(n_users, n_items)` -> `(n_users, k)`.

    No list holds an excluded item (score -inf). A table has one width: if fewer than k items are
    left for somebody, every list is as short as that one.

    Args:
        scores: -inf for items that must not be recommended.
        k: length of the lists, where so many items are left for everybody.

    Raises:
        ValueError: k is below 1, a score is NaN, or nothing is left for a user.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if scores.isnan().any():
        raise ValueError(f"{int(scores.isnan().sum())} scores are NaN")
    n_left = (~torch.isneginf(scores)).sum(dim=1)
    if (n_left == 0).any():
        user = int((n_left == 0).nonzero()[0])
        raise ValueError(f"user {user}: all {scores.shape[1]} items are excluded (-inf)")
    shortest = int(n_left.min()) if len(n_left) else scores.shape[1]
    return scores.topk(min(k, shortest), dim=1).indices


def evaluate(
    model: Model, split: LeaveOneOutSplit, stage: Stage = "test", k: int = 10
) -> pd.Series:
    """HR@k, NDCG@k, MRR@k (means over users) and coverage@k.

    Coverage: the share of the catalogue that is in somebody's first k, 0 to 1. A user with fewer
    than k unseen items adds all of them.

    Raises:
        ValueError: k is below 1, a score is NaN or that of a held-out item is -inf.
    """
    scores = score_unseen(model, split, stage)
    ranks = target_ranks(scores, split.target(stage))
    best = scores.topk(min(k, split.n_items), dim=1)
    shown = best.indices[~torch.isneginf(best.values)]  # what is excluded is not recommended
    return pd.Series(
        {
            f"HR@{k}": hit_rate(ranks, k).mean().item(),
            f"NDCG@{k}": ndcg(ranks, k).mean().item(),
            f"MRR@{k}": reciprocal_rank(ranks, k).mean().item(),
            f"coverage@{k}": len(shown.unique()) / split.n_items,
        }
    )


def bootstrap_interval(
    values: Tensor | np.ndarray, level: float = 0.95, n_samples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """An interval for the mean: draw as many users again, with replacement, many times.

    For the difference of two models pass the difference for each user (a paired comparison).

    Args:
        values: `(n_users,)` one number for each user.
        level: share of the drawn means inside the interval, between 0 and 1.
    """
    values = np.asarray(values)
    draws = np.random.default_rng(seed).integers(len(values), size=(n_samples, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
