"""Answers to the exercises of notebook 04: right ones of every style, and usual wrong ones."""

import math

import numpy as np
import torch

DRAWS = torch.Generator().manual_seed(5)
QUERY, KEY = torch.randn(20_000, 400, generator=DRAWS), torch.randn(20_000, 400, generator=DRAWS)
DOTS = (QUERY * KEY).sum(dim=1)


def softmax(scores):
    return torch.softmax(scores, dim=-1)


def heat_loops(scores, temperature):
    rows = []
    for row in scores.tolist():
        highest = max(row)
        exp = [math.exp((s - highest) / temperature) for s in row]
        rows.append([e / sum(exp) for e in exp])
    return rows


def heat_numpy(scores, temperature):
    scores = scores.double().numpy() / temperature
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def exp_over_sum(scores):
    return torch.exp(scores) / torch.exp(scores).sum(dim=-1, keepdim=True)


def removal_by_formula(weights, parts, removed):
    """w_j / (1 - w_j) (mean of all - part_j)"""
    w = weights[removed]
    return w / (1 - w) * ((weights * parts).sum() - parts[removed])


def removal_by_mask(weights, parts, removed):
    scores = weights.log()
    scores[removed] = -torch.inf
    return (torch.softmax(scores, dim=0) - weights) @ parts


def removal_by_loops(weights, parts, removed):
    old = sum(float(w) * float(p) for w, p in zip(weights, parts))
    left = [i for i in range(len(weights)) if i != removed]
    total = sum(float(weights[i]) for i in left)
    return sum(float(weights[i]) / total * float(parts[i]) for i in left) - old


def removal_shared_equally(weights, parts, removed):
    new = weights + weights[removed] / (len(weights) - 1)
    new[removed] = 0
    return (new - weights) @ parts


def slopes_by_autograd(scores):
    return torch.autograd.functional.jacobian(lambda s: torch.softmax(s, dim=0), scores)


def slopes_by_loops(scores):
    w = softmax(scores).tolist()
    return [[w[i] * ((i == j) - w[j]) for j in range(len(w))] for i in range(len(w))]


def slopes_by_differences(scores):
    scores, columns = scores.double(), []
    for j in range(len(scores)):
        step = torch.zeros_like(scores)
        step[j] = 1e-5
        columns.append((softmax(scores + step) - softmax(scores - step)) / 2e-5)
    return torch.stack(columns, dim=1)


def directions(value):
    together = torch.cat([value, torch.ones(len(value), 1)], dim=1).double()
    return torch.linalg.svd(together).U[:, together.shape[1] :]


def longest_step(weights, d):
    falls = d < 0
    return (weights[falls] / -d[falls]).min()


def other_by_svd(weights, value):
    weights = weights.double()
    d = directions(value)[:, 0]
    return weights + longest_step(weights, d) * d


def other_by_search(weights, value):
    """Random changes, projected; the first that is far enough."""
    random = np.random.default_rng(0)
    together = np.c_[value.double().numpy(), np.ones(len(value))]
    old = weights.double().numpy()
    while True:
        d = random.normal(size=len(old))
        d = d - together @ np.linalg.lstsq(together, d, rcond=None)[0]
        d *= 0.06 / np.abs(d).max()
        if (old + d).min() > 0:
            return old + d


def other_by_equations(weights, value):
    """Choose the change of two weights, solve for the other four."""
    together = torch.cat([value, torch.ones(len(value), 1)], dim=1).double().T
    d = torch.zeros(6, dtype=torch.float64)
    d[4] = 1.0
    d[:4] = torch.linalg.solve(together[:, :4], -together[:, 4:] @ d[4:])
    old = weights.double()
    up, down = longest_step(old, d), longest_step(old, -d)
    return (old + up * d if up > down else old - down * d).tolist()


def too_far(weights, value):
    weights = weights.double()
    d = directions(value)[:, 0]
    return weights + 3 * longest_step(weights, d) * d


def sum_forgotten(weights, value):
    d = torch.linalg.svd(value.double()).U[:, -1]
    return weights + 0.1 * d


RIGHT = {
    "04.1": {"measured": DOTS.std(), "theory": math.sqrt(400), "numpy": DOTS.numpy().std()},
    "04.2": {
        "loops": heat_loops,
        "NumPy": heat_numpy,
        "torch.softmax": lambda s, t: softmax(s / t),
        "float64": lambda s, t: torch.log_softmax(s.double() / t, -1).exp(),
    },
    "04.3": {
        "formula": removal_by_formula,
        "mask": removal_by_mask,
        "loops": removal_by_loops,
    },
    "04.4": {
        "outer product": lambda s: torch.diag(softmax(s)) - torch.outer(softmax(s), softmax(s)),
        "autograd": slopes_by_autograd,
        "loops": slopes_by_loops,
        "differences": slopes_by_differences,
    },
    "04.5": {
        "SVD": other_by_svd,
        "search": other_by_search,
        "equations": other_by_equations,
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "04.1": [
        ("variance", DOTS.var(), "the standard deviation is its root"),
        ("scaled", DOTS.std() / 20, "divided by sqrt(d_k) already"),
        ("mean size", DOTS.abs().mean(), "mean of |q . k|"),
        ("all of them", DOTS[:3], "single number was expected"),
    ],
    "04.2": [
        ("times", lambda s, t: softmax(s * t), "divide by it, do not multiply"),
        ("overflow", lambda s, t: exp_over_sum(s / t), "infinity / infinity"),
        ("ignored", lambda s, t: softmax(s), "temperature is ignored"),
        ("columns", lambda s, t: torch.softmax(s / t, dim=0), "runs down the columns"),
        ("late", lambda s, t: softmax(s) / t, "you divide the weights"),
        (
            "clamped",
            lambda s, t: exp_over_sum((s / t).clamp(max=80)),
            "around 1000': your answer is",
        ),
        ("root", lambda s, t: softmax(s / t**0.5), "'a temperature of 4': your answer is"),
    ],
    "04.3": [
        ("contribution", lambda w, p, r: -w[r] * p[r], "nobody gets its weight"),
        ("sign", lambda w, p, r: -removal_by_formula(w, p, r), "asked is new minus old"),
        ("new logit", lambda w, p, r: removal_by_mask(w, p, r) + w @ p, "the new logit"),
        ("equally", removal_shared_equally, "you share the weight equally"),
        ("each", lambda w, p, r: w * p, "has shape (5,)"),
    ],
    "04.4": [
        ("sign", lambda s: -slopes_by_autograd(s), "the sign is turned round"),
        ("no diagonal", lambda s: -torch.outer(softmax(s), softmax(s)), "the diagonal is missing"),
        ("only diagonal", lambda s: torch.diag(softmax(s) * (1 - softmax(s))), "only the diagonal"),
        ("scores", lambda s: torch.diag(s) - torch.outer(s, s), "scores for the weights"),
        ("of the logarithm", lambda s: torch.eye(4) - softmax(s), "slopes of log w"),
        ("a vector", lambda s: softmax(s) * (1 - softmax(s)), "has shape (4,)"),
    ],
    "04.5": [
        ("the same", lambda w, v: w, "nearly the same weights"),
        ("too far", too_far, "a weight is negative"),
        ("sum forgotten", sum_forgotten, "your weights sum to"),
        ("uniform", lambda w, v: torch.full((6,), 1 / 6), "the context has moved"),
        ("the change only", lambda w, v: directions(v)[:, 0], "your weights sum to"),
        ("too few", lambda w, v: w[:5], "your answer has shape (5,)"),
    ],
}
