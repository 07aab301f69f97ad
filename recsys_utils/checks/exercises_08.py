"""The exercises of notebook 08: true reasons found, deletion, sparsemax."""

import numpy as np
import torch

from .. import by_hand
from ..faithfulness import agreement
from ..variants import sparsemax
from .comparing import AnswerError, close, to_numbers
from .exercise import Exercise, Mistake


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers of this shape, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def in_numbers(answer) -> np.ndarray:
    """The answer's numbers; none if it does not hold any."""
    try:
        return to_numbers(answer)
    except AnswerError:
        return np.zeros(0)


# --- 08.1 debug this: true reasons --------------------------------------------------------------


def share_cases() -> dict[str, tuple]:
    """Arguments values, truth, mask: 40 films of 4 slots; the values are near the truth."""
    truth = numbers(40, 4)
    values = truth + numbers(40, 4, seed=1) / 2
    full = torch.ones(40, 4, dtype=torch.bool)
    some = full.clone()
    some[::2, 3] = some[::3, 2] = False
    old_numbers = torch.where(some, values, 3 * numbers(40, 4, seed=2))
    return {
        "no empty slots": (values, truth, full),
        "empty slots hold old numbers": (old_numbers, truth * some, some),
    }


def colleagues_share(values, truth, mask):
    """The faulty function of the stub."""
    return (values.argmax(dim=1) == truth.argmax(dim=1)).double().mean()


def top(values, mask) -> torch.Tensor:
    """The largest among the filled slots, with its sign."""
    return values.masked_fill(~mask, -torch.inf).argmax(dim=1)


def share_by(tops) -> torch.Tensor:
    """The share of films in which the two tops are the same slot."""
    one, other = tops
    return (one == other).double().mean()


true_reasons = Exercise(
    "08.1",
    "Debug this: the share of true reasons",
    hints=(
        "There are two faults. Which slot wins in a film whose strongest reason speaks against it? "
        "And which slots take part at all?",
        "The top reason has the largest *absolute* value, on both sides.",
        "Fill empty slots with -1 after taking absolute values: "
        "values.abs().masked_fill(~mask, -1.0).argmax(dim=1)",
    ),
    right=agreement,
    cases=share_cases,
    given=colleagues_share,
    mistakes=(
        Mistake(
            "a strong reason against is a reason, too: the top reason has the largest absolute "
            "value.",
            lambda values, truth, mask: share_by((top(values, mask), top(truth, mask))),
        ),
        Mistake(
            "empty slots are named as reasons: only slots with mask True may win.",
            lambda values, truth, mask: share_by((values.abs().argmax(1), truth.abs().argmax(1))),
        ),
        Mistake(
            "you take absolute values on one side only; the truth has signs as well.",
            lambda values, truth, mask: share_by((top(values.abs(), mask), top(truth, mask))),
        ),
        Mistake(
            "this is a number of films. Asked is their share.",
            lambda values, truth, mask: len(values) * agreement(values, truth, mask),
        ),
        Mistake(
            "you count slots: most are no top reason on either side, and all of those agree. "
            "Count films.",
            lambda values, truth, mask: 1 - (1 - agreement(values, truth, mask)) * 2 / 4,
        ),
    ),
)

# --- 08.2 predict, then measure: agreement by independence --------------------------------------

independent = Exercise(
    "08.2",
    "Predict, then measure: two methods that know nothing of each other",
    hints=(
        "They agree if both are right. They also agree if both are wrong in the same way: how "
        "often do two wrong ones name the same of three attributes?",
        "Let slot 0 be the true one. A method's answer: 0 where torch.rand(n) < 0.7, else "
        "torch.randint(1, 4, (n,)). Make two such answers and compare: (a == b).double().mean()",
    ),
    right=lambda: 0.7**2 + 0.3**2 / 3,
    predict=True,
    tolerance=8e-3,  # 20,000 films at random
    mistakes=(
        Mistake(
            "that would be so if one followed the other. Here each errs on its own.", lambda: 0.7
        ),
        Mistake("both are right that often; they can also agree on a wrong one.", lambda: 0.7**2),
        Mistake(
            "two wrong answers need not be the same: there are three wrong attributes.",
            lambda: 0.7**2 + 0.3**2,
        ),
        Mistake(
            "wrong answers never name the true attribute: three are left to choose from, not four.",
            lambda: 0.775**2 + 3 * 0.075**2,
        ),
        Mistake("give a share between 0 and 1, not percent.", lambda: 52.0),
    ),
)

# --- 08.3 deletion curve ------------------------------------------------------------------------


def curve_cases() -> dict[str, tuple]:
    """Arguments scores, tastes, bias, values."""
    scores = by_hand.KEY @ by_hand.USER / by_hand.D_K**0.5
    tastes = by_hand.VALUE @ by_hand.USER
    five = numbers(5, seed=3), numbers(5, seed=4), -0.3, numbers(5, seed=5)
    return {
        "Heat, by contributions": (scores, tastes, by_hand.BIAS, scores.softmax(0) * tastes),
        "five attributes, other values": five,
    }


def logit(scores, tastes, bias, keep) -> torch.Tensor:
    """The logit with these attributes."""
    weights = torch.softmax(scores.masked_fill(~keep, -torch.inf), dim=0).nan_to_num(0.0)
    return bias + weights @ tastes


def curve_with(
    rank=lambda scores, tastes, values: values, left=lambda gone: ~gone, logit=logit
) -> object:
    """A deletion curve with something done in another way than it should be."""

    def curve(scores, tastes, bias, values):
        order = rank(scores, tastes, values).argsort(descending=True)
        gone = torch.zeros(len(scores), dtype=torch.bool)
        points = [logit(scores, tastes, bias, left(gone))]
        for slot in order:
            gone[slot] = True
            points.append(logit(scores, tastes, bias, left(gone)))
        return torch.stack(points)

    return curve


curve = curve_with()


def old_weights(scores, tastes, bias, keep):
    """Not shared anew."""
    return bias + (torch.softmax(scores, dim=0) * keep) @ tastes


def score_zero(scores, tastes, bias, keep):
    """A score of 0 is not out of the race."""
    return bias + torch.softmax(scores * keep, dim=0) @ tastes


def taste_stays_in_the_sum(scores, tastes, bias, keep):
    """Removed attributes have score 0 and taste 0."""
    return bias + torch.softmax(scores * keep, dim=0) @ (tastes * keep)


def nothing_left(answer, scores, tastes, bias, values) -> str | None:
    """0 / 0 at the end."""
    got = in_numbers(answer)
    if got.shape == (len(scores) + 1,) and np.isnan(got[-1]) and not np.isnan(got[:-1]).any():
        return "at the end nothing is left and softmax gives NaN. The film keeps its bias."
    return None


def point_missing(answer, scores, tastes, bias, values) -> str | None:
    """One point too few, at either end."""
    right, got = to_numbers(curve(scores, tastes, bias, values)), in_numbers(answer)
    if got.shape != (len(scores),):
        return None
    if close(right[1:], got, 1e-3).all():
        return "the first point is missing: the logit with all attributes."
    if close(right[:-1], got, 1e-3).all():
        return "the last point is missing: when all attributes are gone, the bias is left."
    return None


deletion = Exercise(
    "08.3",
    "A deletion curve",
    hints=(
        "order = values.argsort(descending=True). Keep a mask of what is still there, and compute "
        "the logit n + 1 times.",
        "The weights that are left must share the whole attention again: fill removed scores with "
        "minus infinity, then softmax.",
        "At the end nothing is left: there the logit is the bias. Do not call softmax on nothing.",
    ),
    right=curve,
    cases=curve_cases,
    mistakes=(
        Mistake(
            "you remove the smallest value first; the strongest reason goes first.",
            curve_with(lambda scores, tastes, values: -values),
        ),
        Mistake(
            "you keep what should go: your curve begins with nothing and ends with all.",
            curve_with(left=lambda gone: gone),
        ),
        Mistake(
            "the weights that are left are not shared anew: softmax over those only.",
            curve_with(logit=old_weights),
        ),
        Mistake(
            "a score of 0 is not out of the race: exp(0) = 1. Removed attributes get minus "
            "infinity.",
            curve_with(logit=score_zero),
        ),
        Mistake(
            "a removed attribute still takes weight from the others. Give it minus infinity "
            "before softmax.",
            curve_with(logit=taste_stays_in_the_sum),
        ),
        Mistake(
            "you order by absolute value. Here signs count: what speaks for the film goes first.",
            curve_with(lambda scores, tastes, values: values.abs()),
        ),
        Mistake(
            "you order by weight; the order is that of `values`.",
            curve_with(lambda scores, tastes, values: scores),
        ),
        Mistake(
            "you order by your own contributions; the order is that of `values`.",
            curve_with(lambda scores, tastes, values: scores.softmax(0) * tastes),
        ),
        Mistake(
            "the bias is missing: nobody can remove it.",
            lambda scores, tastes, bias, values: curve(scores, tastes, 0.0, values),
        ),
        Mistake(
            "these are the falls. Asked are the logits themselves.",
            lambda *case: curve(*case)[0] - curve(*case),
        ),
    ),
    rules=(nothing_left, point_missing),
)

# --- 08.4 sparsemax -----------------------------------------------------------------------------


def sparse_cases() -> dict[str, tuple]:
    """Argument scores."""
    return {
        "Heat, half the scores": (torch.tensor([-0.5, 1.0, 0.5], dtype=torch.float64),),
        "five scores below 0": (torch.tensor([-2.2, -1.0, -6.0, -1.3, -1.5], dtype=torch.float64),),
    }


def with_threshold(scores) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and tau: the largest score keeps what lies above tau."""
    weights = sparsemax(scores)
    return weights, (scores - weights).max()


def threshold_of(scores, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and tau as if the k largest had a weight."""
    tau = (scores.topk(k).values.sum() - 1) / k
    return (scores - tau).clamp(min=0), tau


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
    return (scores == scores.max()).double(), scores.max() - 1


def only_weights(answer, scores) -> str | None:
    """The threshold is missing."""
    got = in_numbers(answer)
    if got.shape == scores.shape and close(to_numbers(sparsemax(scores)), got, 1e-3).all():
        return "these are the weights. Give back two things: weights and tau."
    return None


def no_zeros(answer, scores) -> str | None:
    """Softmax in its place."""
    got = in_numbers(answer[0]) if isinstance(answer, tuple | list) and answer else in_numbers(None)
    if got.shape == scores.shape and close(to_numbers(scores.softmax(0)), got, 1e-3).all():
        return "these are softmax weights: none of them can be 0."
    return None


def sums_to_one(answer, scores) -> str | None:
    """Weights that do not sum to 1."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return None
    got = in_numbers(answer[0])
    if got.shape != scores.shape or abs(got.sum() - 1) <= 1e-3:
        return None
    return f"your weights sum to {got.sum():.3f}; tau must make the sum 1."


sparse = Exercise(
    "08.4",
    "Sparsemax by hand",
    hints=(
        "If you knew which k scores get a weight, tau would be easy: their sum minus k * tau is 1.",
        "They are the k largest. Try k = 1, 2, ...: tau = (sum of the k largest - 1) / k. A score "
        "belongs to them if it lies above that tau.",
        "Sort the scores z, largest first. k is the last one with 1 + k * z[k - 1] > sum(z[:k]). "
        "Then weights = max(scores - tau, 0), in the old order.",
    ),
    right=with_threshold,
    cases=sparse_cases,
    mistakes=(
        Mistake(
            "tau comes from all scores, also from those that get no weight. Find out first which "
            "ones get some.",
            lambda scores: threshold_of(scores, len(scores)),
        ),
        Mistake(
            "dividing by the sum at the end makes it 1, but moves the weights away from the "
            "scores. The right tau needs no dividing.",
            divided,
        ),
        Mistake(
            "you look once which scores lie above tau. With the new tau others may drop out: look "
            "again.",
            cut_once,
        ),
        Mistake("some weights are negative: max(score - tau, 0).", not_cut),
        Mistake(
            "all weight on the largest score: others may be near enough to get some.",
            winner_takes_all,
        ),
        Mistake(
            "two scores are not always the right number: how many lie above tau?",
            lambda scores: threshold_of(scores, 2),
        ),
        Mistake(
            "weights come first, tau second; yours are swapped.",
            lambda scores: with_threshold(scores)[::-1],
        ),
        Mistake(
            "your weights stand in the order of the sorted scores. Give them back in the old one.",
            lambda scores: with_threshold(scores.sort(descending=True).values),
        ),
    ),
    rules=(only_weights, no_zeros, sums_to_one),
)

EXERCISES = [true_reasons, independent, deletion, sparse]
