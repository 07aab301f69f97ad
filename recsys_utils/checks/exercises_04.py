"""The exercises of notebook 04: temperature, spread, an attribute removed, the Jacobian, twins."""

import torch

from .comparing import AnswerError, close, to_numbers
from .exercise import Exercise, Mistake, numbers

# --- 04.1 predict, then measure: the spread of a dot product -------------------------------------


def variance_given(result) -> str | None:
    """A measured variance is some way from 400, so it is told by its size."""
    found = to_numbers(result)
    if found.size == 1 and 300 < found.item() < 500:
        return "this is the variance; the standard deviation is its root."
    return None


spread = Exercise(
    "04.1",
    "Predict, then measure: the spread of a dot product",
    hints=(
        "A dot product of 400 numbers is a sum of 400 products, each with mean 0 and variance 1. "
        "Variances add up.",
        "query = torch.randn(20_000, 400), key alike: (query * key).sum(dim=1).std()",
    ),
    right=lambda: 20.0,
    predict=True,
    tolerance=0.02,  # 20,000 draws: the standard deviation is sure to about 0.1
    mistakes=(
        Mistake("you have divided by sqrt(d_k) already: asked is the spread before.", lambda: 1.0),
        Mistake(
            "this is the mean of |q . k|, or the like: use .std(), which looks at the distance "
            "from the mean.",
            lambda: 20.0 * (2 / torch.pi) ** 0.5,
        ),
    ),
    rules=(variance_given,),
)

# --- 04.2 debug this: temperature ----------------------------------------------------------------


def temperature_cases() -> dict[str, tuple]:
    """Arguments scores, temperature."""
    return {
        "a temperature of 4": (2 * numbers(3, 5), 4.0),
        "scores around 1000": (1000 + numbers(2, 4, seed=1), 0.5),
    }


def hot_and_loud(scores, temperature):
    """The faulty function of the stub."""
    exp = torch.exp(scores * temperature)
    return exp / exp.sum(dim=-1, keepdim=True)


def bare_exp(scores, temperature):
    """The right formula, which overflows."""
    exp = torch.exp(scores / temperature)
    return exp / exp.sum(dim=-1, keepdim=True)


temperature = Exercise(
    "04.2",
    "Debug this: temperature",
    hints=(
        "Two faults. A high temperature should make the weights more equal: does it? And what is "
        "exp(1000)?",
        "Scores are divided by the temperature.",
        "Softmax does not see a number that is added to all scores. So subtract the largest score "
        "of the row first (torch.softmax does this for you).",
    ),
    right=lambda scores, temperature: torch.softmax(scores / temperature, dim=-1),
    cases=temperature_cases,
    given=hot_and_loud,
    mistakes=(
        Mistake(
            "a high temperature must make weights more equal: divide by it, do not multiply.",
            lambda scores, temperature: torch.softmax(scores * temperature, dim=-1),
        ),
        Mistake(
            "exp of a large score is infinity, and infinity / infinity is NaN. Subtract the "
            "largest score of the row first.",
            bare_exp,
        ),
        Mistake(
            "the temperature is ignored.",
            lambda scores, temperature: torch.softmax(scores, dim=-1),
        ),
        Mistake(
            "softmax runs down the columns; each row should sum to 1 (dim=-1).",
            lambda scores, temperature: torch.softmax(scores / temperature, dim=0),
        ),
        Mistake(
            "you divide the weights by the temperature; it belongs under the scores.",
            lambda scores, temperature: torch.softmax(scores, dim=-1) / temperature,
        ),
    ),
)

# --- 04.3 an attribute removed -------------------------------------------------------------------


def removal_cases() -> dict[str, tuple]:
    """Arguments weights, parts (v_i . u), removed."""
    weights = torch.softmax(numbers(5), dim=0)
    return {"the third of five": (weights, 2 * numbers(5, seed=1), 2)}


def change_without(weights, parts, removed):
    """The new sum of contributions minus the old, the others sharing the weight."""
    contributions = weights * parts
    rest = contributions.sum() - contributions[removed]
    return rest / (1 - weights[removed]) - contributions.sum()


removal = Exercise(
    "04.3",
    "What the logit loses without one attribute",
    hints=(
        "The removed attribute's weight becomes 0. Where does it go? All weights still sum to 1.",
        "The scores of the others stay, so their weights keep their proportions: each is divided "
        "by 1 - w_removed.",
        "New logit minus old: sum over the others of w_i / (1 - w_j) (v_i . u), minus the sum over "
        "all of w_i (v_i . u). The bias is in both.",
    ),
    right=change_without,
    cases=removal_cases,
    mistakes=(
        Mistake(
            "you take the contribution away, and nobody gets its weight. The others share it.",
            lambda weights, parts, removed: -(weights * parts)[removed],
        ),
        Mistake(
            "the sign: asked is new minus old.",
            lambda weights, parts, removed: -change_without(weights, parts, removed),
        ),
        Mistake(
            "this is the new logit without the bias; asked is how far it has moved.",
            lambda weights, parts, removed: (
                change_without(weights, parts, removed) + (weights * parts).sum()
            ),
        ),
        Mistake(
            "you share the weight equally. Softmax keeps the proportions: divide by 1 - w_removed.",
            lambda weights, parts, removed: (
                -(weights * parts)[removed]
                + weights[removed] * (parts.sum() - parts[removed]) / (len(weights) - 1)
            ),
        ),
    ),
)

# --- 04.4 the Jacobian ----------------------------------------------------------------------------


def jacobian(scores) -> torch.Tensor:
    """J[i, j] = d weight_i / d score_j = w_i (1 if i = j else 0) - w_i w_j."""
    weights = torch.softmax(scores, dim=-1)
    return torch.diag_embed(weights) - weights[..., :, None] * weights[..., None, :]


slopes = Exercise(
    "04.4",
    "The Jacobian of softmax",
    hints=(
        "How does w_i move with its own score? Derive exp(s_i) / sum: you get w_i (1 - w_i). "
        "With another score s_j the numerator stays, the sum grows: - w_i w_j.",
        "Both in one: a matrix with w on the diagonal, minus the outer product of w with itself.",
        "torch.diag(w) - torch.outer(w, w), with w = torch.softmax(scores, dim=0)",
    ),
    right=jacobian,
    cases=lambda: {"four scores": (numbers(4),)},
    mistakes=(
        Mistake(
            "the sign is turned round: raising a score raises its own weight.",
            lambda scores: -jacobian(scores),
        ),
        Mistake(
            "the diagonal is missing: w_i (1 - w_i), not - w_i w_i.",
            lambda scores: jacobian(scores) - torch.diag(torch.softmax(scores, dim=0)),
        ),
        Mistake(
            "only the diagonal: a score moves the other weights as well, for they sum to 1.",
            lambda scores: torch.diag(jacobian(scores).diagonal()),
        ),
        Mistake(
            "you take the scores for the weights: softmax first.",
            lambda scores: torch.diag(scores) - torch.outer(scores, scores),
        ),
        Mistake(
            "these are slopes of log w: they are not yet multiplied by w_i.",
            lambda scores: torch.eye(len(scores)) - torch.softmax(scores, dim=0),
        ),
    ),
)

# --- 04.5 other weights, the same context ---------------------------------------------------------


def twin_cases() -> dict[str, tuple]:
    """Arguments weights, value: six attributes, values of three numbers."""
    return {"six attributes": (torch.softmax(numbers(6) / 3, dim=0), numbers(6, 3, seed=1))}


def as_weights(result, weights):
    """The answer as numbers, or what is wrong with its shape."""
    other = to_numbers(result)
    if other.shape != tuple(weights.shape):
        raise AnswerError(
            f"your answer has shape {other.shape}, the weights {tuple(weights.shape)}."
        )
    return torch.tensor(other)


def not_negative(result, weights, value) -> str | None:
    """Weights are at least 0."""
    lowest = as_weights(result, weights).min()
    return f"a weight is negative: {lowest:.3f}. Go a shorter way." if lowest < -1e-6 else None


def sum_is_one(result, weights, value) -> str | None:
    """Weights sum to 1."""
    total = as_weights(result, weights).sum()
    return None if abs(total - 1) < 1e-3 else f"your weights sum to {total:.3f}, not to 1."


def same_context(result, weights, value) -> str | None:
    """The context stays."""
    old, new = weights.double() @ value.double(), as_weights(result, weights) @ value.double()
    if close(old.numpy(), new.numpy(), 1e-3).all():
        return None
    return f"the context has moved: from {old.numpy().round(3)} to {new.numpy().round(3)}."


def really_other(result, weights, value) -> str | None:
    """At least one weight differs visibly."""
    most = (as_weights(result, weights) - weights).abs().max()
    if most >= 0.05:
        return None
    return (
        f"these are nearly the same weights: the largest difference is {most:.3f}, 0.05 is asked."
    )


other_weights = Exercise(
    "04.5",
    "Other weights, the same context",
    hints=(
        "A change d of the weights leaves the context alone if d @ value = 0, and the sum if "
        "d.sum() = 0. These are four equations for six numbers: there is room.",
        "Put value and a column of ones side by side: A = torch.cat([value, torch.ones(6, 1)], 1). "
        "You look for d with d @ A = 0.",
        "The last columns of torch.linalg.svd(A).U are such directions. Go weights + step * d, "
        "with the largest step that leaves no weight below 0.",
    ),
    cases=twin_cases,
    rules=(sum_is_one, not_negative, same_context, really_other),
)

EXERCISES = [spread, temperature, removal, slopes, other_weights]
