"""Answers to the exercises of notebook 08: right ones of every style, and usual wrong ones."""

import math

import numpy as np
import torch

from recsys_utils.variants import sparsemax


def share_loops(values, truth, mask):
    right = 0
    for one, other, filled in zip(values.tolist(), truth.tolist(), mask.tolist()):
        slots = [i for i in range(len(one)) if filled[i]]
        best = max(slots, key=lambda i: abs(one[i]))
        right += best == max(slots, key=lambda i: abs(other[i]))
    return right / len(values)


def share_numpy(values, truth, mask):
    values, truth = (np.where(mask, np.abs(x.numpy()), -np.inf) for x in (values, truth))
    return np.mean(values.argmax(axis=1) == truth.argmax(axis=1))


def share_times_mask(values, truth, mask):
    same = (values * mask).abs().max(1).indices == (truth * mask).abs().max(1).indices
    return same.float().mean()


def share_signed(values, truth, mask):
    return torch.mean(
        (values.masked_fill(~mask, -1e9).argmax(1) == truth.masked_fill(~mask, -1e9).argmax(1))
        * 1.0
    )


def share_no_mask(values, truth, mask):
    return (values.abs().argmax(1) == truth.abs().argmax(1)).float().mean()


def share_one_side(values, truth, mask):
    one, other = values.abs().masked_fill(~mask, -1), truth.masked_fill(~mask, -torch.inf)
    return (one.argmax(1) == other.argmax(1)).float().mean()


def share_of_slots(values, truth, mask):
    tops = [x.abs().masked_fill(~mask, -1) for x in (values, truth)]
    one, other = (x == x.max(dim=1, keepdim=True).values for x in tops)
    return (one == other).double().mean()


def share_truth_open(values, truth, mask):
    one = values.abs().masked_fill(~mask, -1).argmax(1)
    return (one == truth.abs().argmax(1)).float().mean()


def share_values_open(values, truth, mask):
    other = truth.abs().masked_fill(~mask, -1).argmax(1)
    return (values.abs().argmax(1) == other).float().mean()


def share_choices_only(values, truth, mask):
    some = mask.sum(1) > 1
    return share_loops(values[some], truth[some], mask[some])


def share_signed_open(values, truth, mask):
    one = values.masked_fill(~mask, -torch.inf).argmax(1)
    return (one == truth.argmax(1)).float().mean()


def two_methods(wrong=lambda n: torch.randint(1, 4, (n,)), n=200_000):
    torch.manual_seed(1)
    a, b = (torch.where(torch.rand(n) < 0.7, torch.tensor(0), wrong(n)) for _ in range(2))
    return (a == b).double().mean()


def softmax(scores):
    exp = np.exp(scores - scores.max())
    return exp / exp.sum()


def curve_loops(scores, tastes, bias, values):
    there = list(range(len(scores)))
    points = []
    while True:
        exp = {i: math.exp(scores[i]) for i in there}
        total = sum(exp.values())
        points.append(bias + sum(exp[i] / total * float(tastes[i]) for i in there))
        if not there:
            return points
        there.remove(max(there, key=lambda i: values[i]))


def curve_numpy(scores, tastes, bias, values):
    order = np.argsort(-values.numpy())
    scores, tastes = scores.numpy()[order], tastes.numpy()[order]
    rest = [bias + softmax(scores[k:]) @ tastes[k:] for k in range(len(order))]
    return np.array([*rest, bias])


def curve_cumulative(scores, tastes, bias, values):
    """Sums from behind: all points at once."""
    order = values.argsort(descending=True)
    exp = scores[order].exp()
    above = (exp * tastes[order]).flip(0).cumsum(0).flip(0)
    below = exp.flip(0).cumsum(0).flip(0)
    return bias + torch.cat([above / below, torch.zeros(1)])


def curve_mask_matrix(scores, tastes, bias, values):
    rank = values.argsort(descending=True).argsort()
    keep = rank >= torch.arange(len(scores) + 1)[:, None]
    weights = torch.softmax(scores.masked_fill(~keep, -torch.inf), dim=1)
    return (weights.nan_to_num(0.0) @ tastes + bias).float()


def curve_by(order, keep_rest=True, zero=None, bias_at_end=True):
    """order(scores, tastes, values) -> positions, the first to go first."""

    def curve(scores, tastes, bias, values):
        positions = order(scores, tastes, values)
        points = []
        for k in range(len(scores) + 1):
            gone = positions[:k]
            keep = [i not in gone for i in range(len(scores))]
            keep = torch.tensor(keep if keep_rest else [not x for x in keep])
            weights = torch.softmax(scores.masked_fill(~keep, -torch.inf), 0)
            weights = weights.nan_to_num(0.0) if bias_at_end else weights
            if zero == "weights":
                weights = scores.softmax(0) * keep
            elif zero:
                weights = (scores * keep).softmax(0)
            points.append(bias + weights @ (tastes * keep if zero == "both" else tastes))
        return torch.stack(points)

    return curve


def by_values(scores, tastes, values):
    return values.argsort(descending=True).tolist()


def by_own(scores, tastes, values):
    return (scores.softmax(0) * tastes).argsort(descending=True).tolist()


def three_steps(scores, tastes, bias, values):
    return curve_by(by_values)(scores, tastes, bias, values)[:4]


def changes_scores(scores, tastes, bias, values):
    points = [bias + scores.softmax(0) @ tastes]
    for i in values.argsort(descending=True):
        scores[i] = -torch.inf
        points.append(bias + scores.softmax(0).nan_to_num(0.0) @ tastes)
    return points


def curve_low(scores, tastes, bias, values):
    points, left = [bias + scores.softmax(0) @ tastes], scores.clone()
    for i in values.argsort(descending=True):
        left[i] = -1e9
        points.append(bias + left.softmax(0) @ tastes)
    return torch.stack(points)


def last_is_zero(scores, tastes, bias, values):
    return [*curve_loops(scores, tastes, bias, values)[:-1], 0.0]


def sparse_sorted(scores):
    z = np.sort(scores.numpy())[::-1]
    k = np.arange(1, len(z) + 1)
    size = k[1 + k * z > np.cumsum(z)][-1]
    tau = (z[:size].sum() - 1) / size
    return np.maximum(scores.numpy() - tau, 0), tau


def sparse_bisection(scores):
    low, high = scores.min() - 1, scores.max()
    for _ in range(60):
        tau = (low + high) / 2
        if (scores - tau).clamp(min=0).sum() > 1:
            low = tau
        else:
            high = tau
    return (scores - tau).clamp(min=0), tau


def sparse_dropping(scores):
    inside = list(range(len(scores)))
    while True:
        tau = (sum(float(scores[i]) for i in inside) - 1) / len(inside)
        rest = [i for i in inside if scores[i] > tau]
        if rest == inside:
            return [[max(float(s) - tau, 0.0) for s in scores], tau]
        inside = rest


def sparse_package(scores):
    weights = sparsemax(scores[None].float())[0]
    return weights, scores[weights > 0].float().mean() - weights[weights > 0].mean()


def from_all(scores):
    tau = (scores.sum() - 1) / len(scores)
    return torch.relu(scores - tau), tau


def from_all_divided(scores):
    weights, tau = from_all(scores)
    return weights / weights.sum(), tau


def two_looks(scores):
    inside = scores[from_all(scores)[0] > 0]
    tau = (inside.sum() - 1) / len(inside)
    return torch.relu(scores - tau), tau


def two_largest(scores):
    tau = (scores.sort().values[-2:].sum() - 1) / 2
    return torch.relu(scores - tau), tau


def the_largest(scores):
    weights = torch.zeros(len(scores))
    weights[scores.argmax()] = 1.0
    return weights, scores.max() - 1


def within_one(scores):
    inside = scores[scores > scores.max() - 1]
    tau = (inside.sum() - 1) / len(inside)
    return torch.relu(scores - tau), tau


def one_forgotten(scores):
    """(sum of the k largest) / k, without - 1."""
    tau = scores.topk(min(2, len(scores))).values.mean()
    return torch.relu(scores - tau), tau


def wrong_tau(scores):
    return sparse_sorted(scores)[0], 0.0


RIGHT = {
    "08.1": {"loops": share_loops, "NumPy": share_numpy, "times mask": share_times_mask},
    "08.2": {
        "200,000 films": two_methods(),
        "formula": 0.49 + 0.09 / 3,
        "20,000 films": two_methods(n=20_000),
    },
    "08.3": {
        "loops": curve_loops,
        "NumPy, sorted": curve_numpy,
        "cumulative sums": curve_cumulative,
        "a matrix of masks, float32": curve_mask_matrix,
    },
    "08.4": {
        "sorted, NumPy": sparse_sorted,
        "bisection": sparse_bisection,
        "dropping, a list": sparse_dropping,
        "the package, float32": sparse_package,
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "08.1": [
        ("signed", share_signed, "'two films, three slots each': a strong reason against"),
        ("no mask", share_no_mask, "empty slots are named as reasons"),
        ("one side", share_one_side, "on one side only"),
        ("number", lambda v, t, m: len(v) * share_loops(v, t, m), "a number of films"),
        ("slots", share_of_slots, "you count slots"),
        ("truth not masked", share_truth_open, "truth has a number': the truth has old numbers"),
        ("method not masked", share_values_open, "method has a number': the method has old"),
        ("single ones left out", share_choices_only, "single attribute': you leave out films"),
        ("still the same", lambda v, t, m: (v.argmax(1) == t.argmax(1)).float().mean(), "this still"),
        ("signed, truth not masked", share_signed_open, "the top reason has the largest absolute"),
        ("half", lambda v, t, m: 0.5, "slot where the method has a number': "),
        ("per film", lambda v, t, m: v.abs().argmax(1) == t.abs().argmax(1), "shape (2,) came"),
    ],
    "08.2": [
        ("one follows the other", 0.7, "how often one method is right"),
        ("both right", 0.49, "how often both are right"),
        ("wrong alike", 0.58, "need not be the same"),
        ("four to choose from", two_methods(lambda n: torch.randint(4, (n,))), "three are left"),
        ("percent", 52, "in percent"),
        ("chance", 0.25, "A quarter is two methods that guess"),
        ("they differ", 0.48, "how often both are right"),
        ("a tenth", 0.1, "Your answer is not right"),
        ("both methods", [0.7, 0.7], "shape (2,) came"),
    ],
    "08.3": [
        ("smallest first", curve_by(lambda s, t, v: v.argsort().tolist()), "smallest value first"),
        ("keeps", curve_by(by_values, keep_rest=False), "you keep what should go"),
        ("old weights", curve_by(by_values, zero="weights"), "not shared anew"),
        ("score 0", curve_by(by_values, zero="scores"), "exp(0) = 1"),
        ("score and taste 0", curve_by(by_values, zero="both"), "still takes weight"),
        (
            "absolute",
            curve_by(lambda s, t, v: v.abs().argsort(descending=True).tolist()),
            "you order by absolute value",
        ),
        (
            "by weight",
            curve_by(lambda s, t, v: s.argsort(descending=True).tolist()),
            "you order by weight",
        ),
        ("own contributions", curve_by(by_own), "your own contributions"),
        ("no bias", lambda s, t, b, v: curve_loops(s, t, 0, v), "the bias is missing"),
        (
            "falls",
            lambda s, t, b, v: curve_numpy(s, t, b, v)[0] - curve_numpy(s, t, b, v),
            "these are the falls",
        ),
        ("NaN", curve_by(by_values, bias_at_end=False), "softmax gives NaN"),
        ("no first", lambda *case: curve_loops(*case)[1:], "the first point is missing"),
        ("no last", lambda *case: curve_loops(*case)[:-1], "the last point is missing"),
        ("three steps", three_steps, "'five random attributes': your answer: shape (4,) came"),
        ("0 at the end", last_is_zero, "'Heat, by contributions': your answer is not right"),
        ("-1e9", curve_low, "yet your weights are uniform"),
        (
            "smallest first, no bias",
            lambda s, t, b, v: curve_by(lambda s, t, v: v.argsort().tolist())(s, t, 0.0, v),
            "the strongest reason goes first. (And that is not all",
        ),
        ("two at least", lambda s, t, b, v: curve_loops(s, t, b, v) if len(s) > 1 else [b, b],
         "one attribute': your answer is not right"),
        ("in place", changes_scores, "changes its input"),
    ],
    "08.4": [
        ("all scores", from_all, "tau comes from all scores"),
        ("divided", from_all_divided, "dividing by the sum"),
        ("two looks", two_looks, "you look once"),
        (
            "negative",
            lambda s: (s - sparse_sorted(s)[1], sparse_sorted(s)[1]),
            "some weights are negative",
        ),
        ("softmax", lambda s: (s.softmax(0), s.min()), "these are softmax weights"),
        ("the largest", the_largest, "all weight on the largest"),
        ("always two", two_largest, "two scores are not always"),
        ("swapped", lambda s: sparse_bisection(s)[::-1], "yours are swapped"),
        (
            "sorted",
            lambda s: (np.sort(sparse_sorted(s)[0])[::-1].copy(), sparse_sorted(s)[1]),
            "order of the sorted scores",
        ),
        ("weights only", lambda s: sparse_sorted(s)[0], "these are the weights"),
        ("the 1 forgotten", one_forgotten, "your weights sum to"),
        ("within one", within_one, "you take all scores less than 1 below"),
        ("equal ones", lambda s: sparse_sorted(s) if s.std() != 0 else ([1.0] + [0.0] * (len(s) - 1), 1.0),
         "all scores equal': "),
        ("not for one", lambda s: sparse_sorted(s) if len(s) > 1 else (s, s[0]), "one score': "),
        ("five at most", lambda s: sparse_sorted(s[:5]), "random scores': "),
        ("large ones only", lambda s: sparse_sorted(s) if s.max() > 0 else the_largest(s), "below 0': "),
        (
            "the last is 0",
            lambda s: sparse_sorted(s) if len(s) != 3 or s[2] > 0.1 else the_largest(s),
            "gets nothing': ",
        ),
        ("another tau", wrong_tau, "'Heat, half the scores': your answer (tau) is not right"),
    ],
}
