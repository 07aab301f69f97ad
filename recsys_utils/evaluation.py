"""How good are the recommendations? Full ranking, one held-out item for each user. Notebook 05.

Every item of the catalogue is ranked except those the user had rated before (`split.seen`), for
every model alike. With one target for each user HR@k is also Recall@k.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy import special
from torch import Tensor

from .splits import LeaveOneOutSplit, Stage

Model = Callable[[Tensor], Tensor]


def score_unseen(model: Model, split: LeaveOneOutSplit, stage: Stage = "test") -> Tensor:
    """Scores `(n_users, n_items)`, with -inf where the user had rated the item before."""
    with torch.no_grad():
        scores = model(torch.arange(split.n_users))
    return scores.cpu().masked_fill(split.seen(stage), -torch.inf)


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


def auc(scores: Tensor, liked: Tensor) -> float:
    """How often a liked item has a higher score than one that is not: 0.5 = guessing, 1 = always.

    Over all pairs of a liked and a not liked item; a tie counts half. Also called the area under
    the ROC curve.

    Args:
        scores: `(n,)`.
        liked: `(n,)` True or False, at least one of each.

    Raises:
        ValueError: all are liked, or none.
    """
    if liked.all() or not liked.any():
        raise ValueError(f"AUC needs liked and other items, got {int(liked.sum())} of {len(liked)}")
    others = scores[~liked].sort().values
    below = torch.searchsorted(others, scores[liked])
    not_above = torch.searchsorted(others, scores[liked], right=True)
    return ((below + not_above).double().mean() / (2 * len(others))).item()


def auc_by_user(scores: Tensor, liked: Tensor, users: Tensor) -> Tensor:
    """The `auc` of each user who has items of both kinds, in the order of their numbers.

    The AUC over all pairs also compares an item of one user with an item of another; a
    recommendation never does.

    Args:
        scores, liked, users: `(n,)`, one entry for each (user, item) pair.
    """
    values = []
    for user in users.unique():
        own = users == user
        if 0 < liked[own].sum() < own.sum():
            values.append(auc(scores[own], liked[own]))
    return torch.tensor(values, dtype=torch.float64)


def bootstrap_interval(
    values: Tensor | np.ndarray, level: float = 0.95, n_samples: int = 4000, seed: int = 0
) -> tuple[float, float]:
    """An interval for the mean: draw as many users again, with replacement, many times.

    With more than one axis, each is drawn again by itself: `(n_seeds, n_users)` draws seeds and
    users, `(n_worlds, n_seeds)` worlds and seeds. So the interval answers "other users, and another
    seed?" (Owen 2007, the pigeonhole bootstrap; a little too wide rather than too short).
    For the difference of two models pass the differences (a paired comparison).

    Five seeds say little about all seeds, and plain percentiles of five numbers drawn again are too
    short. So percentiles further out are taken: those at Phi(-t sqrt(n / (n - 1))), t from
    Student's distribution (Hesterberg 2015, arXiv:1411.5279, expanded percentiles). n - 1 are the
    degrees of freedom; with two axes they are pooled by the rule of Welch and Satterthwaite.

    Args:
        values: one number for each user; or a table as above. No NaN.
        level: how often such an interval should hold the true mean, between 0 and 1.

    Returns:
        Its lower and its upper end. With a single value both are that value: nothing is known.

    Raises:
        ValueError: level is not between 0 and 1, there are no values, or one is NaN.
    """
    values = np.asarray(values, dtype=float)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, for example 0.95, got {level}")
    if values.size == 0 or np.isnan(values).any():
        raise ValueError(f"{values.size} values, {int(np.isnan(values).sum())} of them NaN")
    values = values.reshape([n for n in values.shape if n > 1] or [1])  # one seed: no axis
    random = np.random.default_rng(seed)
    means = np.broadcast_to(values, (n_samples, *values.shape))
    for n in reversed(values.shape):
        drawn = random.multinomial(n, np.full(n, 1 / n), size=n_samples) / n
        means = np.einsum("s...i,si->s...", means, drawn)
    tail = _expanded_tail((1 - level) / 2, values)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _expanded_tail(tail: float, values: np.ndarray) -> float:
    """How far out the percentile must be taken, so that few values do not look like many."""
    spreads, sizes = [], []
    for axis, n in enumerate(values.shape):
        others = tuple(other for other in range(values.ndim) if other != axis)
        spreads.append(values.mean(axis=others).var(ddof=1) / n if n > 1 else 0.0)
        sizes.append(n)
    total = sum(spreads)
    if total == 0:
        return tail
    shares = [spread / total for spread in spreads]
    freedom = 1 / sum(share**2 / (n - 1) for share, n in zip(shares, sizes) if n > 1)
    t = special.stdtrit(freedom, tail)
    return float(special.ndtr(t * ((freedom + 1) / freedom) ** 0.5))
