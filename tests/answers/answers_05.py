"""Answers to the exercises of notebook 05: right ones of every style, and usual wrong ones."""

import math

import numpy as np
import pandas as pd
import torch

from recsys_utils.attention import masked_softmax, scaled_dot_product_attention
from recsys_utils.evaluation import bootstrap_interval, target_ranks


def contributions_by_loops(key, value, user, mask, average):
    user = user.tolist()
    filled = [i for i in range(len(key)) if mask[i]]
    scores = {i: sum(a * b for a, b in zip(key[i].tolist(), user)) / math.sqrt(len(user))
              for i in filled}  # fmt: skip
    total = sum(math.exp(s) for s in scores.values())
    found = torch.zeros(len(key))
    for i in filled:
        says = sum(a * b for a, b in zip(value[i].tolist(), user))
        found[i] = math.exp(scores[i]) / total * (says - average)
    return found


def contributions_by_package(key, value, user, mask, average):
    attended = scaled_dot_product_attention(user[None], key, value, mask)
    return attended.weights[0] * (value @ user) - attended.weights[0] * average


def contributions_by_numpy(key, value, user, mask, average):
    key, value, user, mask = (x.numpy() for x in (key, value, user, mask))
    exp = np.exp(key @ user / np.sqrt(len(user))) * mask
    return exp / exp.sum() * (value @ user - average)


def parts(key, value, user, mask, average, weigh=masked_softmax, scale=0.5):
    """With other weights or another scale."""
    return weigh(key @ user / len(user) ** scale, mask) * (value @ user - average)


def soft(scores):
    return torch.softmax(scores, dim=-1)


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


def sorted_items(items, times):
    return [item for _, item in sorted(zip(times, items))]


def split_ties_backward(items, times):
    rows = sorted(range(len(items)), key=lambda i: (times[i], -items[i]))
    ordered = [items[i] for i in rows]
    return ordered[:-2], ordered[-2], ordered[-1]


def split_file_order(items, times):
    _, validation, test = split_by_sorted(items, times)
    return [item for item in items if item not in (validation, test)], validation, test


def hits(n):
    return (torch.arange(652) < n).double()


def width(values, seed=0):
    low, high = bootstrap_interval(values, seed=seed)
    return high - low


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
    "05.3": {
        "bootstrap": width(hits(98)),
        "another seed": width(hits(98), seed=7),
        "formula": 2 * 1.96 * math.sqrt(0.15 * 0.85 / 652),
    },
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
        ("from 0", lambda k, v, u, m, a: parts(k, v, u, m, 0.0), "measured from 0, as on paper"),
        (
            "whole average",
            lambda k, v, u, m, a: parts(k, v, u, m, 0.0) - a,
            "you take the whole average away",
        ),
        ("added", lambda k, v, u, m, a: parts(k, v, u, m, -a), "is added, not taken away"),
        (
            "no weights",
            lambda k, v, u, m, a: torch.where(m, v @ u - a, 0),
            "the weights are missing",
        ),
        ("weights only", lambda k, v, u, m, a: weights(k, u, m), "these are the weights"),
        ("no scale", lambda *case: parts(*case, scale=0.0), "without the scale"),
        ("d_k", lambda *case: parts(*case, scale=1.0), "not by its square root"),
        ("fit", lambda k, v, u, m, a: weights(k, u, m) * (k @ u - a), "passed on is the value"),
        ("no mask", lambda *case: parts(*case, weigh=lambda s, m: soft(s)), "the mask is ignored"),
        (
            "mask late",
            lambda *case: parts(*case, weigh=lambda s, m: soft(s) * m),
            "out after softmax",
        ),
        ("score 0", lambda *case: parts(*case, weigh=lambda s, m: soft(s * m)), "exp(0) = 1"),
        (
            "-10",
            lambda *case: parts(*case, weigh=lambda s, m: soft(s.masked_fill(~m, -10.0))),
            "-10 is not low enough",
        ),
        (
            "-20",
            lambda *case: parts(*case, weigh=lambda s, m: soft(s.masked_fill(~m, -20.0))),
            "'all scores far below 0': your answer is not right",
        ),
        ("inverted", lambda k, v, u, m, a: parts(k, v, u, ~m, a), "the wrong way round"),
        ("swapped", lambda k, v, u, m, a: parts(v, k, u, m, a), "have changed places"),
        ("sum", lambda *case: parts(*case).sum(), "this is their sum"),
        (
            "context",
            lambda k, v, u, m, a: weights(k, u, m) @ v,
            "last is empty': your answer: shape",
        ),
        (
            "from 0, no scale",
            lambda k, v, u, m, a: parts(k, v, u, m, 0.0, scale=0.0),
            "Measure it from the average film. (And that is not all",
        ),
        (
            "three slots",
            lambda k, v, u, m, a: parts(k[:3], v[:3], u, m[:3], a),
            "'a random film': your answer: shape (3,)",
        ),
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
        ("ties backward", split_ties_backward, "two likes in the same second"),
        ("all trained", lambda i, t: (sorted_items(i, t), *split_by_sorted(i, t)[1:]), "all likes"),
        (
            "four fifths",
            lambda i, t: (sorted_items(i, t)[: int(0.8 * len(i))], *split_by_sorted(i, t)[1:]),
            "'three likes': four fifths are not all but two",
        ),
        (
            "still the same",
            lambda i, t: (i[:-1], i[-2], i[-1]),
            "this still gives what the code gave",
        ),
        ("training in the file's order", split_file_order, "in the order of the file. They"),
        ("by item", lambda i, t: (sorted(i)[:-2], *sorted(i)[-2:]), "you sort by item"),
        (
            "validation trained, test first",
            lambda i, t: (sorted_items(i, t)[:-1], sorted_items(i, t)[-1], sorted_items(i, t)[-2]),
            "it must leave training as well. (And that is not all",
        ),
        (
            "no ties at the end",
            lambda i, t: split_by_sorted(i, t) if t[-2:] != [400, 200] else ([3, 5], 90, 70),
            "the two last in one second': your answer",
        ),
        (
            "pairs",
            lambda i, t: (sorted(zip(t, i))[:-2], *sorted(zip(t, i))[-2:]),
            "you give pairs (time, item)",
        ),
        ("one list", lambda i, t: [x for _, x in sorted(zip(t, i))], "3 things are asked for"),
        (
            "the last one only",
            lambda i, t: (split_by_sorted(i, t)[0][:3], *split_by_sorted(i, t)[1:]),
            "'eight likes, two in one second': your answer (training items)",
        ),
    ],
    "05.3": [
        ("one side", width(hits(98)) / 2, "is half of it: the reach"),
        ("one user", hits(98).std(), "of one user's hit"),
        ("one standard error", hits(98).std() / math.sqrt(652), "one standard error"),
        ("share", 98 / 652, "the share of hits itself"),
        ("both ends", bootstrap_interval(hits(98)), "are the two ends"),
        ("both sides", (-0.027, 0.027), "the reach to each side"),
        ("percent", 100 * width(hits(98)), "in percent"),
        ("reversed", -width(hits(98)), "the wrong sign"),
        ("three", [1, 2, 3], "shape (3,) came"),
        ("a tenth", 0.1, "Your answer is not right"),
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
            lambda s, n, t: (
                1 + own((-s.masked_fill(n, -1e9)).argsort(dim=1, stable=True).argsort(1), t)[:, 0]
            ),
            "sorting breaks ties by the number",
        ),
        (
            "argsort",
            lambda s, n, t: (
                1 + own((-s.masked_fill(n, -torch.inf)).argsort(dim=1, stable=True), t)[:, 0]
            ),
            "which film stands at a place",
        ),
        (
            "> alone",
            lambda s, n, t: ((s > own(s, t)) & ~n).sum(1),
            "the film itself is not counted",
        ),
        (
            "> alone, seen compete",
            lambda s, n, t: (s > own(s, t)).sum(1),
            "still compete: they would never be shown. (And that is not all",
        ),
        (
            "1 for all",
            lambda s, n, t: [1] * len(t),
            "two users, four films': your answer is not right",
        ),
        (
            "best if all are alike",
            lambda s, n, t: ranks_by_package(s, n, t) if s.std() > 0 else torch.ones(len(t)),
            "all films score the same': your answer is not right",
        ),
        (
            "four films",
            lambda s, n, t: ranks_by_package(s[:, :5], n[:, :5], t.clamp(max=4)),
            "random scores, many ties': ",
        ),
    ],
}
