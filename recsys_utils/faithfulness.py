"""Does an explanation say what the model does? Measures for many pairs at once. Notebook 08.

The functions take any model with `attend(users, items, mask=..., embeddings=...)` whose result has
`weights` and `logits`; they import none. Values of an explanation: `(n, n_slots)`, one row for each
(user, item) pair, 0 in empty slots.
"""

import torch
from torch import Tensor

from .explanation import top_reason


def leave_one_out_all(model, users: Tensor, items: Tensor) -> Tensor:
    """What each logit loses when one attribute is left out: `(n, n_slots)`.

    As `explanation.leave_one_out`, for many pairs.
    """
    mask = model.mask[items]
    changes = torch.zeros(mask.shape, dtype=model.bias.dtype, device=mask.device)
    with torch.no_grad():
        full = model.attend(users, items).logits
        for slot in range(mask.shape[1]):
            less = mask.clone()
            less[:, slot] = False
            changes[:, slot] = full - model.attend(users, items, mask=less).logits
    return changes.masked_fill(~mask, 0.0)


def integrated_gradients_all(model, users: Tensor, items: Tensor, n_steps: int = 32) -> Tensor:
    """Integrated gradients of each logit, from zero embeddings to the item's: `(n, n_slots)`.

    Formula: IG_i = e_i . mean over t of d logit / d e_i (t e), at the midpoints t of n_steps equal
    parts of 0 to 1. As `explanation.integrated_gradients` (captum), for many pairs.
    Source: Sundararajan, Taly, Yan 2017, arXiv:1703.01365.
    """
    return _gradients(model, users, items, ((torch.arange(n_steps) + 0.5) / n_steps).tolist())


def gradient_times_input(model, users: Tensor, items: Tensor) -> Tensor:
    """e_i . d logit / d e_i at the item's own embeddings: `(n, n_slots)`."""
    return _gradients(model, users, items, [1.0])


def _gradients(model, users: Tensor, items: Tensor, points: list[float]) -> Tensor:
    embeddings = model.embedding(model.ids[items]).detach()
    total = torch.zeros_like(embeddings)
    for point in points:
        at = (point * embeddings).requires_grad_()
        logits = model.attend(users, items, embeddings=at).logits
        total += torch.autograd.grad(logits.sum(), at)[0]
    return (total * embeddings).sum(dim=-1) / len(points)


def all_answers(model, users: Tensor, items: Tensor) -> dict[str, Tensor]:
    """Every method's answer to "why?": name -> values. "contribution" only where they exist."""
    with torch.no_grad():
        answers = {"weight": model.attend(users, items).weights}
    if hasattr(model, "contribute"):
        answers["contribution"] = model.contribute(users, items).contributions
    return answers | {
        "leave-one-out": leave_one_out_all(model, users, items),
        "gradient x input": gradient_times_input(model, users, items),
        "integrated gradients": integrated_gradients_all(model, users, items),
    }


def agreement(values: Tensor, others: Tensor, mask: Tensor) -> float:
    """The share of rows in which both have the same top reason (`explanation.top_reason`).

    With true contributions as `others`: the share of true reasons found. With the values of
    another seed: stability.
    """
    return (top_reason(values, mask) == top_reason(others, mask)).double().mean().item()


def deletion_curve(model, users: Tensor, items: Tensor, values: Tensor, n_steps: int) -> Tensor:
    """Each logit after 0, 1, ..., n_steps attributes are removed, the largest value first.

    Signs count: what speaks for the item goes first. An item with fewer attributes keeps its bias
    once all are gone. `(n, n_steps + 1)`.
    """
    keep = model.mask[items].clone()
    order = values.masked_fill(~keep, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    logits = []
    with torch.no_grad():
        for step in range(n_steps + 1):
            logits.append(model.attend(users, items, mask=keep).logits)
            keep = keep.scatter(1, order[:, step : step + 1], False)
    return torch.stack(logits, dim=-1)


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """How far apart two rows of weights are: 0 = equal, log 2 = 0.693 = nothing in common.

    Formula: mean of KL(p, m) and KL(q, m) with m = (p + q) / 2. `(..., n)` -> `(...)`.
    """
    middle = (p + q) / 2
    return (torch.special.xlogy(p, p) + torch.special.xlogy(q, q)).sum(dim=-1) / 2 - (
        torch.special.xlogy(middle, middle).sum(dim=-1)
    )


def most_different_weights(weights: Tensor, tastes: Tensor, mask: Tensor) -> Tensor:
    """Other weights with the same logit, as far from the model's own as can be: `(n, n_slots)`.

    Formula: maximise jensen_shannon(weights, w) over w_i >= 0, sum w_i = 1,
    sum w_i taste_i = sum weights_i taste_i, for an additive model (logit = bias + sum w_i taste_i).
    The distance is convex, so its maximum is at a corner of that set, and a corner has at most two
    weights above 0: one taste below the logit and one above it. All such pairs are tried, so the
    answer is exact. The idea: Jain and Wallace 2019, arXiv:1902.10186, who search by gradient.

    Args:
        weights: `(n, n_slots)` the model's own, rows sum to 1.
        tastes: `(n, n_slots)` v_i . u.
        mask: True where a slot holds an attribute.
    """
    target = (weights * tastes).sum(dim=-1)
    best, distance = weights.clone(), torch.zeros_like(target)
    for i in range(weights.shape[1]):
        for j in range(weights.shape[1]):
            share = (target - tastes[:, i]) / (tastes[:, j] - tastes[:, i])  # of j; the rest is i's
            fits = mask[:, i] & mask[:, j] & (share >= 0) & (share <= 1)  # never true for NaN
            corner = torch.zeros_like(weights)
            corner[fits, i] = 1 - share[fits]
            corner[fits, j] = share[fits]
            further = fits & (jensen_shannon(weights, corner) > distance)
            best[further] = corner[further]
            distance = jensen_shannon(weights, best)
    return best
