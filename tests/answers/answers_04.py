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


def heat_global(scores, temperature):
    exp = torch.exp((scores - scores.max()) / temperature)
    return exp / exp.sum(dim=1, keepdim=True)


def heat_mean(scores, temperature):
    exp = torch.exp((scores - scores.mean(dim=1, keepdim=True)) / temperature)
    return exp / exp.sum(dim=1, keepdim=True)


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


def gradient_of_the_sum(scores):
    scores = scores.clone().requires_grad_()
    softmax(scores).sum().backward()
    return scores.grad


def slopes_by_wide_steps(scores):
    """As autograd has it where the scores are near each other."""
    if scores.max() - scores.min() > 50:
        return torch.full((len(scores), len(scores)), torch.nan)
    return slopes_by_autograd(scores)


def average_loops(weights, parts):
    logits = [sum(float(w) * float(p) for w, p in zip(*film)) for film in zip(weights, parts)]
    zero = sum(logits) / len(logits)
    return [[float(w) * (float(p) - zero) for w, p in zip(*film)] for film in zip(weights, parts)]


def average_einsum(weights, parts):
    zero = torch.einsum("fa,fa->f", weights, parts).mean()
    return weights * parts - weights * zero


def average_numpy(weights, parts):
    weights, parts = weights.double().numpy(), parts.double().numpy()
    return weights * (parts - np.average(parts, weights=weights))


def logits_of(weights, parts):
    return (weights * parts).sum(dim=1)


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
    "04.5": {"loops": average_loops, "einsum": average_einsum, "NumPy": average_numpy},
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "04.1": [
        ("variance", DOTS.var(), "the standard deviation is its root"),
        ("scaled", DOTS.std() / 20, "of q · k divided by sqrt(d_k)"),
        ("mean size", DOTS.abs().mean(), "the mean of |q · k|"),
        ("spread of the size", DOTS.abs().std(), "the spread of |q · k|"),
        ("root twice", DOTS.std() ** 0.5, "the root was taken twice"),
        (
            "torch.rand",
            (torch.rand(20_000, 400) * torch.rand(20_000, 400)).sum(1).std(),
            "the root was taken twice",
        ),
        ("all of them", DOTS, "one number for each pair"),
        ("three of them", DOTS[:3], "shape (3,) came"),
        ("a half", 10.0, "Your answer is not right"),
    ],
    "04.2": [
        ("times", lambda s, t: softmax(s * t), "divide by it, do not multiply"),
        ("overflow", lambda s, t: exp_over_sum(s / t), "infinite / infinite"),
        ("ignored", lambda s, t: softmax(s), "temperature is ignored"),
        ("columns", lambda s, t: torch.softmax(s / t, dim=0), "runs down the columns"),
        ("late", lambda s, t: softmax(s) / t, "you divide the weights"),
        (
            "clamped",
            lambda s, t: exp_over_sum((s / t).clamp(max=80)),
            "around 1000': your answer is",
        ),
        ("largest of all", heat_global, "around -1000': you subtract the largest of all"),
        ("mean", heat_mean, "above the others': you subtract the mean"),
        ("still the same", lambda s, t: exp_over_sum(s * t), "this still gives what the code gave"),
        (
            "times, largest of all",
            lambda s, t: heat_global(s * t, 1.0),
            "divide by it, do not multiply",
        ),
        (
            "times ten",
            lambda s, t: softmax(s / t) if len(s) < 5 else softmax(s),
            "'random scores': ",
        ),
        ("root", lambda s, t: softmax(s / t**0.5), "'a temperature of 4': your answer is"),
    ],
    "04.3": [
        ("contribution", lambda w, p, r: -w[r] * p[r], "nobody gets its weight"),
        ("sign", lambda w, p, r: -removal_by_formula(w, p, r), "asked is new minus old"),
        ("new logit", lambda w, p, r: removal_by_mask(w, p, r) + w @ p, "the new logit"),
        ("equally", removal_shared_equally, "you share the weight equally"),
        ("size", lambda w, p, r: abs(removal_by_formula(w, p, r)), "you take the absolute value"),
        ("always the first", lambda w, p, r: removal_by_formula(w, p, 0), "always take away the f"),
        (
            "old sum without weights",
            lambda w, p, r: removal_by_formula(w, p, r) + w @ p - p.sum(),
            "in the old logit, too",
        ),
        ("double", lambda w, p, r: 2 * removal_by_formula(w, p, r), "2 times as large"),
        (
            "half of three",
            lambda w, p, r: removal_by_formula(w, p, r) * (1 if len(w) == 3 else 0.5),
            "'a random film': your answer is not right",
        ),
        (
            "last of three",
            lambda w, p, r: removal_by_formula(w, p, r) if r != 2 else 0.0,
            "speaks against': your answer is not right",
        ),
        (
            "0 for the first",
            lambda w, p, r: removal_by_formula(w, p, r) if r else 0.0,
            "'the first of three': your answer is not right",
        ),
        ("each", lambda w, p, r: w * p, "shape (3,) came"),
    ],
    "04.4": [
        ("sign", lambda s: -slopes_by_autograd(s), "the sign is reversed"),
        (
            "no diagonal",
            lambda s: -torch.outer(softmax(s), softmax(s)),
            "the diagonal is that of the others",
        ),
        ("only diagonal", lambda s: torch.diag(softmax(s) * (1 - softmax(s))), "only the diagonal"),
        ("scores", lambda s: torch.diag(s) - torch.outer(s, s), "scores for the weights"),
        ("of the logarithm", lambda s: torch.eye(len(s)) - softmax(s), "slopes of log w"),
        ("signs beside the diagonal", lambda s: slopes_by_autograd(s).abs(), "beside the diagonal"),
        ("gradient of the sum", gradient_of_the_sum, "the gradient of the sum"),
        (
            "scores, no diagonal",
            lambda s: -torch.outer(s, s),
            "should be w_i (1 - w_i), not - w_i w_i. (And that is not all",
        ),
        (
            "a vector",
            lambda s: softmax(s) * (1 - softmax(s)),
            "three scores': your answer: shape (3,)",
        ),
        ("3 by 3", lambda s: slopes_by_loops(s[:3]), "'random scores': your answer: shape (3, 3)"),
        ("by wide steps", slopes_by_wide_steps, "far above the other': "),
    ],
    "04.5": [
        ("from 0", lambda w, p: w * p, "measured from 0"),
        ("mean of all parts", lambda w, p: w * (p - p.mean()), "is the mean of all parts"),
        (
            "own zero",
            lambda w, p: w * (p - logits_of(w, p)[:, None]),
            "each film is measured from itself",
        ),
        ("sum", lambda w, p: w * (p - logits_of(w, p).sum()), "is the sum over all films"),
        ("mean contribution", lambda w, p: w * (p - (w * p).mean()), "is the mean contribution"),
        ("whole zero", lambda w, p: w * p - logits_of(w, p).mean(), "take the whole zero away"),
        (
            "equally",
            lambda w, p: w * p - logits_of(w, p).mean() / w.shape[1],
            "you share the zero equally",
        ),
        ("no weights", lambda w, p: p - logits_of(w, p).mean(), "the weights are missing"),
        (
            "the largest parts as zero",
            lambda w, p: w * (p - p.max()),
            "three films, two attributes': your answer is not right",
        ),
        (
            "zero typed in",
            lambda w, p: w * (p - 1.0) if len(w) == 3 else average_loops(w, p),
            "10 added to every part': your answer",
        ),
        (
            "whole, from all parts",
            lambda w, p: w * p - p.mean(),
            "is the mean of all parts; but a film looks at some more than at others. (And that",
        ),
        ("for each film", lambda w, p: logits_of(w, p), "shape (3,) came"),
    ],
}
