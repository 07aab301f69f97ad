"""Answers to the exercises of notebook 05: right ones of every style, and usual wrong ones."""

import math

import numpy as np
import pandas as pd
import torch

from recsys_utils.attention import masked_softmax, scaled_dot_product_attention
from recsys_utils.evaluation import bootstrap_interval, target_ranks


def contributions_by_loops(key, value, user, mask):
    user = user.tolist()
    filled = [i for i in range(len(key)) if mask[i]]
    scores = {i: sum(a * b for a, b in zip(key[i].tolist(), user)) / math.sqrt(len(user))
              for i in filled}  # fmt: skip
    total = sum(math.exp(s) for s in scores.values())
    found = [0.0] * len(key)
    for i in filled:
        says = sum(a * b for a, b in zip(value[i].tolist(), user))
        found[i] = math.exp(scores[i]) / total * says
    return found


def contributions_by_package(key, value, user, mask):
    attended = scaled_dot_product_attention(user[None], key, value, mask)
    return attended.weights[0] * (value @ user)


def contributions_by_numpy(key, value, user, mask):
    key, value, user, mask = (x.double().numpy() for x in (key, value, user, mask))
    exp = np.exp(key @ user / np.sqrt(len(user))) * mask
    return exp / exp.sum() * (value @ user)


def weights(key, user, mask=None, scale=True):
    return masked_softmax(key @ user / (math.sqrt(len(user)) if scale else 1), mask)


def split_by_sorted(items, times):
    ordered = [item for _, item in sorted(zip(times, items))]
    return ordered[:-2], ordered[-2], ordered[-1]


def split_by_pandas(items, times):
    frame = pd.DataFrame({"item": items, "time": times}).sort_values(["time", "item"])
    ordered = frame["item"]
    return ordered.iloc[:-2], ordered.iloc[-2], ordered.iloc[-1]


def split_by_numpy(items, times):
    ordered = np.array(items)[np.lexsort((items, times))]
    return np.split(ordered, [len(ordered) - 2])[0], ordered[-2], ordered[-1]


def split_descending(items, times):
    ordered = [item for _, item in sorted(zip(times, items), reverse=True)]
    return ordered[:-2], ordered[-2], ordered[-1]


def split_stable(items, times):
    """Python keeps the order of the file for equal times."""
    ordered = [items[i] for i in sorted(range(len(items)), key=lambda i: times[i])]
    return ordered[:-2], ordered[-2], ordered[-1]


def hits(n):
    return (torch.arange(652) < n).double()


def half(values):
    low, high = bootstrap_interval(values)
    return (high - low) / 2


def ranks_by_loops(scores, seen, target):
    found = []
    for row, known, t in zip(scores.tolist(), seen.tolist(), target.tolist()):
        found.append(sum(s >= row[t] for s, old in zip(row, known) if not old))
    return found


def ranks_by_package(scores, seen, target):
    return target_ranks(scores.masked_fill(seen, -torch.inf), target)


def ranks_by_sorting(scores, seen, target):
    found = []
    for row, known, t in zip(scores.numpy(), seen.numpy(), target.tolist()):
        left = np.sort(row[~known])
        found.append(len(left) - np.searchsorted(left, row[t]))
    return np.array(found)


def own(scores, target):
    return scores[torch.arange(len(target)), target][:, None]


RIGHT = {
    "05.1": {
        "loops": contributions_by_loops,
        "the package": contributions_by_package,
        "NumPy": contributions_by_numpy,
    },
    "05.2": {
        "sorted pairs": split_by_sorted,
        "pandas": split_by_pandas,
        "NumPy": split_by_numpy,
    },
    "05.3": {"bootstrap": half(hits(98)), "formula": 1.96 * math.sqrt(0.15 * 0.85 / 652)},
    "05.4": {
        "loops": ranks_by_loops,
        "the package": ranks_by_package,
        "sorting": ranks_by_sorting,
        "float64": lambda s, n, t: ranks_by_package(s.double(), n, t).float(),
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "05.1": [
        ("no weights", lambda k, v, u, m: torch.where(m, v @ u, 0), "the weights are missing"),
        ("weights only", lambda k, v, u, m: weights(k, u, m), "these are the weights"),
        ("no scale", lambda k, v, u, m: weights(k, u, m, False) * (v @ u), "without the scale"),
        (
            "d_k",
            lambda k, v, u, m: masked_softmax(k @ u / len(u), m) * (v @ u),
            "not by its square root",
        ),
        ("fit", lambda k, v, u, m: weights(k, u, m) * (k @ u), "passed on is the value"),
        ("no mask", lambda k, v, u, m: weights(k, u) * (v @ u), "the mask is ignored"),
        ("mask late", lambda k, v, u, m: weights(k, u) * (v @ u) * m, "out after softmax"),
        ("swapped", lambda k, v, u, m: weights(v, u, m) * (k @ u), "have changed places"),
        ("sum", lambda k, v, u, m: (weights(k, u, m) * (v @ u)).sum(), "this is their sum"),
        ("context", lambda k, v, u, m: weights(k, u, m) @ v, "has shape (9,)"),
        ("inverted", lambda k, v, u, m: weights(k, u, ~m) * (v @ u), "your answer is not right"),
    ],
    "05.2": [
        (
            "validation trained",
            lambda i, t: (
                split_by_sorted(i, t)[0] + [split_by_sorted(i, t)[1]],
                *split_by_sorted(i, t)[1:],
            ),
            "trains on the validation like",
        ),
        ("oldest", split_descending, "you hold out the oldest"),
        (
            "test first",
            lambda i, t: (split_by_sorted(i, t)[0], *split_by_sorted(i, t)[:0:-1]),
            "changed places",
        ),
        ("file order", lambda i, t: (i[:-2], i[-2], i[-1]), "not sorted by time"),
        ("ties by file", split_stable, "two likes in the same second"),
        ("one list", lambda i, t: [x for _, x in sorted(zip(t, i))], "3 things"),
        (
            "the last one only",
            lambda i, t: (split_by_sorted(i, t)[0][:3], *split_by_sorted(i, t)[1:]),
            "'eight likes, two in one second': your answer (part 1)",
        ),
    ],
    "05.3": [
        ("whole", 2 * half(hits(98)), "whole interval"),
        ("one user", hits(98).std(), "of one user's hit"),
        ("one standard error", hits(98).std() / math.sqrt(652), "one standard error"),
        ("both ends", bootstrap_interval(hits(98)), "single number was expected"),
    ],
    "05.4": [
        ("seen compete", lambda s, n, t: (s >= own(s, t)).sum(1), "still compete"),
        (
            "seen are 0",
            lambda s, n, t: (s.masked_fill(n, 0) >= own(s, t)).sum(1),
            "does not take seen films out",
        ),
        ("twice", lambda s, n, t: ranks_by_package(s, n, t) + 1, "counted twice"),
        ("from 0", lambda s, n, t: ranks_by_package(s, n, t) - 1, "yours begins at 0"),
        (
            "ties for it",
            lambda s, n, t: 1 + ((s > own(s, t)) & ~n).sum(1),
            "ties count for the held-out film",
        ),
        ("upside down", lambda s, n, t: ((s <= own(s, t)) & ~n).sum(1), "score *lower*"),
        ("among seen", lambda s, n, t: 1 + ((s >= own(s, t)) & n).sum(1), "wrong way round"),
        (
            "argsort of argsort",
            lambda s, n, t: 1 + own((-s.masked_fill(n, -1e9)).argsort(1).argsort(1), t)[:, 0],
            "your answer is not right",
        ),
    ],
}
