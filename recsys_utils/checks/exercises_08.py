"""The exercises of notebook 08: true reasons found, deletion, sparsemax."""

import numpy as np
import torch

from .. import by_hand
from .comparing import close, numbers_or_none, to_numbers
from .exercise import Draw, Exercise, Mistake, Rule

# --- 08.1 debug this: true reasons --------------------------------------------------------------


def share_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments values, truth, mask. In empty slots stands whatever was there before."""
    truth = draw.numbers(40, 4)
    mask = draw.mask(40, 4)
    some = torch.tensor([[True, True, False], [True, True, True]])
    single = torch.tensor([[True, False], [False, True], [True, True]])
    return {
        "two films, three slots each": (
            torch.tensor([[3.0, 1.0, -2.0], [1.0, 0.5, -4.0]]),
            torch.tensor([[2.0, -1.0, 0.0], [2.0, 0.5, -1.0]]),
            torch.ones(2, 3, dtype=torch.bool),
        ),
        "an empty slot where the method has a number": (
            torch.tensor([[3.0, 1.0, 9.0], [1.0, -5.0, 0.5]]),
            torch.tensor([[2.0, -1.0, 0.0], [0.5, -2.0, 1.0]]),
            some,
        ),
        "an empty slot where the truth has a number": (
            torch.tensor([[3.0, 1.0, 0.0], [1.0, -5.0, 0.5]]),
            torch.tensor([[2.0, -1.0, -7.0], [0.5, -2.0, 1.0]]),
            some,
        ),
        "films with a single attribute": (
            torch.tensor([[1.0, 9.0], [9.0, -1.0], [1.0, -2.0]]),
            torch.tensor([[-1.0, 9.0], [9.0, 1.0], [2.0, 1.0]]),
            single,
        ),
        "40 random films": (
            truth + draw.numbers(40, 4) / 2 + ~mask * 3 * draw.numbers(40, 4),
            truth,
            mask,
        ),
    }


def share_with(
    size=lambda x: x.abs(), size_of_truth=None, mask_values=True, mask_truth=True,
    films=lambda mask: mask.any(dim=1),
):  # fmt: skip
    """The share of films in which both name the same slot; with something done otherwise."""

    def top(x, mask, sized, masked):
        return (sized(x).masked_fill(~mask, -torch.inf) if masked else sized(x)).argmax(dim=1)

    def share(values, truth, mask):
        one = top(values, mask, size, mask_values)
        other = top(truth, mask, size_of_truth or size, mask_truth)
        return (one == other)[films(mask)].double().mean()

    return share


def signed(x):
    """As it is."""
    return x


def colleagues_share(values, truth, mask):
    """The faulty function of the stub."""
    return (values.argmax(dim=1) == truth.argmax(dim=1)).double().mean()


def slots_counted(values, truth, mask):
    """Slots that are top on both sides or on neither."""
    share = share_with()(values, truth, mask)
    return 1 - (1 - share) * 2 / mask.shape[1]


true_reasons = Exercise(
    "08.1",
    "Debug this: the share of true reasons",
    level="Easy",
    minutes=10,
    stub='''def share_of_true_reasons(values, truth, mask):
    """One number from 0 to 1."""
    top_of_method = values.argmax(dim=1)
    true_top = truth.argmax(dim=1)
    return (top_of_method == true_top).double().mean()''',
    hints=(
        "There are two faults. Which slot wins in a film whose strongest reason speaks against it? "
        "And which slots take part at all?",
        "The top reason has the largest *absolute* value, on both sides.",
        "Fill empty slots with -1 after taking absolute values: "
        "values.abs().masked_fill(~mask, -1.0).argmax(dim=1)",
    ),
    way=share_with,
    cases=share_cases,
    debug=True,
    share=True,
    mistakes=(
        Mistake(
            "this still gives what the code gave: it looks at signs, and at empty slots.",
            "Begin with .abs(), on both sides.",
            colleagues_share,
        ),
        Mistake(
            "a strong reason against is a reason, too: the top reason has the largest absolute "
            "value.",
            ".abs() before .argmax(), on both sides.",
            changes={"size": signed},
        ),
        Mistake(
            "empty slots are named as reasons: only slots with mask True may win.",
            ".masked_fill(~mask, -1.0) after .abs(), on both sides.",
            share_with(mask_values=False, mask_truth=False),
        ),
        Mistake(
            "the truth has old numbers in empty slots, too: mask both sides.",
            ".masked_fill(~mask, -1.0) after .abs(), on both sides.",
            changes={"mask_truth": False},
        ),
        Mistake(
            "the method has old numbers in empty slots, too: mask both sides.",
            ".masked_fill(~mask, -1.0) after .abs(), on both sides.",
            changes={"mask_values": False},
        ),
        Mistake(
            "you take absolute values on one side only; the truth has signs as well.",
            ".abs() on both sides.",
            changes={"size_of_truth": signed},
        ),
        Mistake(
            "you leave out films with a single attribute. They agree always, and they count.",
            "Take the mean over all films.",
            changes={"films": lambda mask: mask.sum(dim=1) > 1},
        ),
        Mistake(
            "this is a number of films. Asked is their share.",
            ".mean() in place of .sum().",
            lambda values, *rest: len(values) * share_with()(values, *rest),
        ),
        Mistake(
            "you count slots: most are no top reason on either side, and all of those agree. "
            "Count films.",
            "One place for each film: .argmax(dim=1). Then compare the places.",
            slots_counted,
        ),
    ),
)

# --- 08.2 predict, then measure: agreement by independence --------------------------------------


def agreement_with(right=0.7, wrong_ones=3):
    """Both right, or both wrong in the same way."""
    return lambda: right**2 + (1 - right) ** 2 / wrong_ones


independent = Exercise(
    "08.2",
    "Predict, then measure: two methods that know nothing of each other",
    level="Easy",
    minutes=10,
    stub="""prediction = ...
measured = ...""",
    hints=(
        "They agree if both are right. They also agree if both are wrong in the same way: how "
        "often do two wrong ones name the same of three attributes?",
        "Let slot 0 be the true one. A method's answer: 0 where torch.rand(n) < 0.7, else "
        "torch.randint(1, 4, (n,)). torch.where(condition, a, b) chooses.",
        "Make two such answers a and b: (a == b).double().mean()",
    ),
    way=agreement_with,
    predict=True,
    share=True,
    tolerance=1e-2,  # four times the standard error of 20,000 films
    mistakes=(
        Mistake(
            "0.7 is how often one method is right. Two that err on their own agree less often.",
            "Compare the two answers with each other, not with the truth.",
            lambda: 0.7,
        ),
        Mistake(
            "0.49 is how often both are right, 0.48 how often they differ. They agree when both "
            "are right, and also when both name the same wrong one.",
            "Compare the two answers with each other: (a == b).double().mean()",
            lambda: 0.7**2,
        ),
        Mistake(
            "two wrong answers need not be the same: there are three wrong attributes.",
            "Draw which wrong one: torch.randint(1, 4, (n,)).",
            changes={"wrong_ones": 1},
        ),
        Mistake(
            "wrong answers never name the true attribute: three are left to choose from, not four.",
            "torch.randint(1, 4, (n,)) gives 1, 2 or 3.",
            lambda: 0.775**2 + 3 * 0.075**2,
        ),
        Mistake(
            "a quarter is two methods that guess. These are right in 70 % of the films.",
            "torch.where(torch.rand(n) < 0.7, 0, wrong)",
            lambda: 0.25,
        ),
    ),
)

# --- 08.3 deletion curve ------------------------------------------------------------------------


def curve_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments scores, tastes, bias, values."""
    scores = (by_hand.KEY @ by_hand.USER / by_hand.D_K**0.5).float()
    tastes = (by_hand.VALUE @ by_hand.USER).float()
    return {
        "Heat, by contributions": (scores, tastes, by_hand.BIAS, scores.softmax(0) * tastes),
        "one attribute": (torch.tensor([2.0]), torch.tensor([3.0]), 1.0, torch.tensor([-1.0])),
        "five random attributes": (
            draw.numbers(5), 2 * draw.numbers(5), -0.3 + float(draw.whole(1, 9, 1)),
            draw.numbers(5),
        ),
    }  # fmt: skip


def logit_of(scores, tastes, bias, keep) -> torch.Tensor:
    """The logit with these attributes."""
    weights = torch.softmax(scores.masked_fill(~keep, -torch.inf), dim=0).nan_to_num(0.0)
    return bias + weights @ tastes


def curve_with(
    rank=lambda scores, tastes, values: values, left=lambda gone: ~gone, logit=logit_of,
    bias_counts=True,
) -> object:  # fmt: skip
    """A deletion curve with something done in another way than it should be."""

    def curve(scores, tastes, bias, values):
        bias = bias if bias_counts else 0.0
        order = rank(scores, tastes, values).argsort(descending=True)
        gone = torch.zeros(len(scores), dtype=torch.bool)
        points = [logit(scores, tastes, bias, left(gone))]
        for slot in order:
            gone[slot] = True
            points.append(logit(scores, tastes, bias, left(gone)))
        return torch.stack(points)

    return curve


def old_weights(scores, tastes, bias, keep):
    """Not shared anew."""
    return bias + (torch.softmax(scores, dim=0) * keep) @ tastes


def score_zero(scores, tastes, bias, keep):
    """A score of 0 is not out of the race."""
    return bias + torch.softmax(scores * keep, dim=0) @ tastes


def taste_stays_in_the_sum(scores, tastes, bias, keep):
    """Removed attributes have score 0 and taste 0."""
    return bias + torch.softmax(scores * keep, dim=0) @ (tastes * keep)


def uniform_at_the_end(scores, tastes, bias, keep):
    """-1e9 in all places."""
    return bias + torch.softmax(scores.masked_fill(~keep, -1e9), dim=0) @ tastes


def nothing_left(answer, scores, tastes, bias, values) -> str | None:
    """0 / 0 at the end."""
    got = numbers_or_none(answer, (len(scores) + 1,))
    if got is not None and np.isnan(got[-1]) and not np.isnan(got[:-1]).any():
        return "at the end nothing is left and softmax gives NaN. The film keeps its bias."
    return None


def point_missing(answer, scores, tastes, bias, values) -> str | None:
    """One point too few, at either end."""
    right = to_numbers(curve_with()(scores, tastes, bias, values))
    got = numbers_or_none(answer, (len(scores),))
    if got is None:
        return None
    if close(right[1:], got, 1e-3).all():
        return "the first point is missing: the logit with all attributes."
    if close(right[:-1], got, 1e-3).all():
        return "the last point is missing: when all attributes are gone, the bias is left."
    return None


ANEW = "torch.softmax(scores[left], dim=0), with the places that are left."

deletion = Exercise(
    "08.3",
    "A deletion curve",
    level="Medium",
    minutes=20,
    stub='''def curve(scores, tastes, bias, values):
    """The logit after 0, 1, ..., n removals."""
    order = values.argsort(descending=True)  # the place of the largest value comes first
    logits = []
    for removed in range(len(order)):
        left = order[removed:]  # the places of the attributes that are still there
        ...
    return ...''',
    hints=(
        "scores[left] are the scores that are left, tastes[left] their tastes. Which weights have "
        "they now?",
        "The weights that are left must share the whole attention again: softmax over "
        "scores[left] only.",
        "logit = bias + (weights * tastes[left]).sum(). At the end nothing is left: there the "
        "logit is the bias. Append it after the loop.",
    ),
    way=curve_with,
    cases=curve_cases,
    axes=("removals",),
    mistakes=(
        Mistake(
            "you remove the smallest value first; the strongest reason goes first.",
            "values.argsort(descending=True)",
            changes={"rank": lambda scores, tastes, values: -values},
        ),
        Mistake(
            "you keep what should go: your curve begins with nothing and ends with all.",
            "order[removed:] is what is left, order[:removed] what is gone.",
            changes={"left": lambda gone: gone},
        ),
        Mistake(
            "the weights that are left are not shared anew: softmax over those only.",
            ANEW,
            changes={"logit": old_weights},
        ),
        Mistake(
            "a score of 0 is not out of the race: exp(0) = 1. Removed attributes get minus "
            "infinity.",
            ANEW,
            changes={"logit": score_zero},
        ),
        Mistake(
            "a removed attribute still takes weight from the others. Give it minus infinity "
            "before softmax.",
            ANEW,
            changes={"logit": taste_stays_in_the_sum},
        ),
        Mistake(
            "at the end nothing is left, yet your weights are uniform: all scores got the same "
            "large negative number. The last point is the bias.",
            "Append the bias after the loop.",
            changes={"logit": uniform_at_the_end},
        ),
        Mistake(
            "you order by absolute value. Here signs count: what speaks for the film goes first.",
            "values.argsort(descending=True), without abs().",
            changes={"rank": lambda scores, tastes, values: values.abs()},
        ),
        Mistake(
            "you order by weight; the order is that of `values`.",
            "values.argsort(descending=True)",
            changes={"rank": lambda scores, tastes, values: scores},
        ),
        Mistake(
            "you order by your own contributions; the order is that of `values`.",
            "values.argsort(descending=True)",
            changes={"rank": lambda scores, tastes, values: scores.softmax(0) * tastes},
        ),
        Mistake(
            "the bias is missing: nobody can remove it.",
            "logit = bias + ...",
            changes={"bias_counts": False},
        ),
        Mistake(
            "these are the falls. Asked are the logits themselves.",
            "Do not subtract the points from the first one.",
            lambda *case: curve_with()(*case)[0] - curve_with()(*case),
        ),
    ),
    rules=(
        Rule(nothing_left, "The loop ends before nothing is left; append the bias after it."),
        Rule(point_missing, "n + 1 points: all there first, nothing there last."),
    ),
)

# --- 08.4 sparsemax -----------------------------------------------------------------------------


def sparse_cases(draw: Draw) -> dict[str, tuple]:
    """Argument scores."""
    return {
        "Heat, half the scores": (torch.tensor([-0.5, 1.0, 0.5]),),
        "five scores below 0": (torch.tensor([-2.2, -1.0, -6.0, -1.3, -1.5]),),
        "one score within 1 of the largest gets nothing": (torch.tensor([0.9, 1.0, 0.05]),),
        "one score": (torch.tensor([7.0]),),
        "all scores equal": (torch.tensor([2.0, 2.0, 2.0, 2.0]),),
        "random scores": (draw.numbers(8) + float(draw.whole(-5, 6, 1)),),
    }


def threshold_of(scores, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and tau as if the k largest had a weight."""
    tau = (scores.topk(k).values.sum() - 1) / k
    return (scores - tau).clamp(min=0), tau


def with_threshold(scores) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and tau: the most scores that all lie above their own tau."""
    k = max(
        k
        for k in range(1, len(scores) + 1)
        if scores.topk(k).values[-1] > threshold_of(scores, k)[1]
    )
    return threshold_of(scores, k)


def divided(scores):
    """All in the support, cut, then divided by the sum."""
    weights, tau = threshold_of(scores, len(scores))
    return weights / weights.sum(), tau


def cut_once(scores):
    """Tau from all; those above it make the new tau; no further look."""
    weights, _ = threshold_of(scores, len(scores))
    return threshold_of(scores, int((weights > 0).sum()))


def not_cut(scores):
    """Negative weights left."""
    _, tau = with_threshold(scores)
    return scores - tau, tau


def winner_takes_all(scores):
    """One weight of 1."""
    weights = torch.zeros(len(scores))
    weights[scores.argmax()] = 1.0
    return weights, scores.max() - 1


def within_one(scores):
    """All scores less than 1 below the largest."""
    return threshold_of(scores, int((scores > scores.max() - 1).sum()))


def pair(answer) -> tuple | list | None:
    """The answer if it is two things."""
    return answer if isinstance(answer, tuple | list) and len(answer) == 2 else None


def only_weights(answer, scores) -> str | None:
    """The threshold is missing."""
    got = numbers_or_none(answer, scores.shape)
    if got is not None and close(to_numbers(with_threshold(scores)[0]), got, 1e-3).all():
        return "these are the weights. Give back two things: weights and tau."
    return None


def no_zeros(answer, scores) -> str | None:
    """Softmax in its place."""
    got = numbers_or_none(answer[0], scores.shape) if pair(answer) else None
    if got is not None and len(got) > 1 and close(to_numbers(scores.softmax(0)), got, 1e-3).all():
        return "these are softmax weights: none of them can be 0."
    return None


def sums_to_one(answer, scores) -> str | None:
    """Weights that do not sum to 1."""
    got = numbers_or_none(answer[0], scores.shape) if pair(answer) else None
    if got is None or abs(got.sum() - 1) <= 1e-3:
        return None
    return f"your weights sum to {got.sum():.3f}; tau must make the sum 1."


sparse = Exercise(
    "08.4",
    "Sparsemax by hand",
    level="Hard",
    minutes=25,
    stub='''def sparse(scores):
    """Weights `(n,)` and tau."""
    z = scores.sort(descending=True).values  # the largest first
    tau = ...
    for k in range(1, len(z) + 1):
        ...  # what would tau be if the k largest scores got a weight?
    weights = (scores - tau).clamp(min=0)
    return weights, tau''',
    hints=(
        "If you knew which k scores get a weight, tau would be easy: their sum minus k * tau is 1.",
        "They are the k largest. Try k = 1, 2, ...: (z[:k].sum() - 1) / k. The smallest of them is "
        "z[k - 1]. Does it lie above this tau?",
        "Keep the tau of the last k for which z[k - 1] > tau.",
    ),
    right=with_threshold,
    cases=sparse_cases,
    parts=("weights", "tau"),
    axes=("score",),
    mistakes=(
        Mistake(
            "tau comes from all scores, also from those that get no weight. Find out first which "
            "ones get some.",
            "For each k: does z[k - 1] lie above the tau of the k largest?",
            lambda scores: threshold_of(scores, len(scores)),
        ),
        Mistake(
            "dividing by the sum at the end makes it 1, but moves the weights away from the "
            "scores. The right tau needs no dividing.",
            "For each k: does z[k - 1] lie above the tau of the k largest?",
            divided,
        ),
        Mistake(
            "you look once which scores lie above tau. With the new tau others may drop out: look "
            "again.",
            "Repeat until nothing drops out any more.",
            cut_once,
        ),
        Mistake(
            "you take all scores less than 1 below the largest. Some of them get nothing when "
            "others share the weight.",
            "For each k: does z[k - 1] lie above the tau of the k largest?",
            within_one,
        ),
        Mistake(
            "some weights are negative: max(score - tau, 0).",
            "(scores - tau).clamp(min=0)",
            not_cut,
        ),
        Mistake(
            "all weight on the largest score: others may be near enough to get some.",
            "Do not stop at k = 1.",
            winner_takes_all,
        ),
        Mistake(
            "two scores are not always the right number: how many lie above tau?",
            "Try all k, and keep the last one that fits.",
            lambda scores: threshold_of(scores, min(2, len(scores))),
        ),
        Mistake(
            "weights come first, tau second; yours are swapped.",
            "return weights, tau",
            lambda scores: with_threshold(scores)[::-1],
        ),
        Mistake(
            "your weights stand in the order of the sorted scores. Give them back in the old one.",
            "weights = (scores - tau).clamp(min=0), with scores and not with z.",
            lambda scores: with_threshold(scores.sort(descending=True).values),
        ),
    ),
    rules=(
        Rule(only_weights, "return weights, tau"),
        Rule(no_zeros, "weights = (scores - tau).clamp(min=0)"),
        Rule(sums_to_one, "Print z, k and tau in the loop."),
    ),
)

EXERCISES = [true_reasons, independent, deletion, sparse]
