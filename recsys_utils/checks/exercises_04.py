"""The exercises of notebook 04: spread, temperature, removal, the Jacobian, compared with what."""

import torch

from .comparing import numbers_or_none
from .exercise import Draw, Exercise, Mistake, Rule

# --- 04.1 predict, then measure: the spread of a dot product -------------------------------------


def variance_given(result) -> str | None:
    """A measured variance is some way from 400, so it is told by its size."""
    found = numbers_or_none(result)
    if found is not None and found.size == 1 and 300 < found.item() < 500:
        return "this is the variance (or d_k); the standard deviation is its root."
    return None


def one_for_each_pair(result) -> str | None:
    """Something for every pair."""
    found = numbers_or_none(result)
    if found is None or found.size < 400:
        return None
    return "you give one number for each pair. Asked is one: how far do they spread?"


spread = Exercise(
    "04.1",
    "Predict, then measure: the spread of a dot product",
    level="Easy",
    minutes=10,
    stub="""prediction = ...
measured = ...""",
    hints=(
        "A dot product of 400 numbers is a sum of 400 products, each with mean 0 and variance 1. "
        "Variances add up.",
        "query = torch.randn(20_000, 400), and key alike. (query * key).sum(dim=1) are 20,000 dot "
        "products.",
        ".std() of these 20,000 numbers.",
    ),
    right=lambda: 20.0,
    predict=True,
    tolerance=0.02,  # 20,000 draws: the standard deviation is sure to about 0.1
    mistakes=(
        Mistake(
            "1 is the spread of a single number of q, or of q · k divided by sqrt(d_k). Asked is "
            "the spread of q · k itself.",
            "Sum the 400 products of each pair first: (query * key).sum(dim=1). Then .std().",
            lambda: 1.0,
        ),
        Mistake(
            "this is the mean of |q · k|. The standard deviation looks at squares.",
            "Use .std() of the dot products themselves, without abs().",
            lambda: 20.0 * (2 / torch.pi) ** 0.5,
        ),
        Mistake(
            "this is the spread of |q · k|: it has lost the sign.",
            "Use .std() of the dot products themselves, without abs().",
            lambda: 20.0 * (1 - 2 / torch.pi) ** 0.5,
        ),
        Mistake(
            "two ways lead to this number: the root was taken twice (.std() is a root already), or "
            "the numbers are those of torch.rand, between 0 and 1.",
            "torch.randn, with an n, has mean 0 and variance 1. Then .std() once.",
            lambda: 20.0**0.5,
        ),
    ),
    rules=(
        Rule(variance_given, "The root of it; or .std() in place of .var()."),
        Rule(one_for_each_pair, "Add .std() at the end."),
    ),
)

# --- 04.2 debug this: temperature ----------------------------------------------------------------


def temperature_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments scores, temperature."""
    return {
        "a temperature of 4": (torch.tensor([[4.0, 0.0, 8.0], [-4.0, 0.0, 2.0]]), 4.0),
        "scores around 1000": (torch.tensor([[1000.0, 999.0], [1001.0, 1000.5]]), 0.5),
        "one row around 1000, one around -1000": (
            torch.tensor([[1000.0, 999.0], [-1000.0, -999.0]]),
            1.0,
        ),
        "one score far above the others": (torch.tensor([[0.0, 1.0, 0.0, 400.0]]), 1.0),
        "random scores": (3 * draw.numbers(5, 4), 0.3 + float(draw.whole(1, 30, 1)) / 10),
    }


def heat_with(
    under=lambda scores, t: scores / t,
    subtract=lambda scores: scores.amax(dim=-1, keepdim=True),
    axis=-1,
):
    """Softmax at a temperature, with something done in another way."""

    def softmax_at(scores, temperature):
        scores = under(scores, temperature)
        exp = torch.exp(scores - subtract(scores))
        return exp / exp.sum(dim=axis, keepdim=True)

    return softmax_at


LARGEST = "scores = scores - scores.max(dim=-1, keepdim=True).values"

temperature = Exercise(
    "04.2",
    "Debug this: temperature",
    level="Easy",
    minutes=10,
    stub='''def softmax_at(scores, temperature):
    """Weights `(n_query, n_key)`; the hotter, the more equal."""
    exp = torch.exp(scores * temperature)
    return exp / exp.sum(dim=-1, keepdim=True)''',
    hints=(
        "Put in one row of scores with temperature 1, then with 10. Which should be more equal?",
        "Scores are divided by the temperature. And torch.exp(torch.tensor(1000.0))?",
        "Subtract the largest score of each row before exp: "
        "scores.max(dim=-1, keepdim=True).values.",
    ),
    right=lambda scores, temperature: torch.softmax(scores / temperature, dim=-1),
    way=heat_with,
    cases=temperature_cases,
    debug=True,
    axes=("row", "column"),
    mistakes=(
        Mistake(
            "this still gives what the code gave: a high temperature makes the weights less equal.",
            "Start with the first fault: what must happen to the scores when it gets hot?",
            heat_with(lambda scores, t: scores * t, lambda scores: 0.0),
        ),
        Mistake(
            "a high temperature must make weights more equal: divide by it, do not multiply.",
            "scores / temperature",
            changes={"under": lambda scores, t: scores * t},
        ),
        Mistake(
            "exp of a large score is infinite, and infinite / infinite is NaN. Subtract the "
            "largest score of the row first.",
            LARGEST,
            changes={"subtract": lambda scores: 0.0},
        ),
        Mistake(
            "you subtract the largest of all scores: a row far below it becomes 0 / 0. Each row "
            "needs its own largest.",
            LARGEST,
            changes={"subtract": lambda scores: scores.max()},
        ),
        Mistake(
            "you subtract the mean of the row: a score far above the mean still overflows.",
            LARGEST,
            changes={"subtract": lambda scores: scores.mean(dim=-1, keepdim=True)},
        ),
        Mistake(
            "the temperature is ignored.",
            "scores / temperature",
            changes={"under": lambda scores, t: scores},
        ),
        Mistake(
            "softmax runs down the columns; each row should sum to 1 (dim=-1).",
            "dim=-1 adds along a row.",
            lambda scores, t: torch.softmax(scores / t, dim=0),
        ),
        Mistake(
            "you divide the weights by the temperature; it belongs under the scores.",
            "scores / temperature, before exp.",
            lambda scores, t: torch.softmax(scores, dim=-1) / t,
        ),
    ),
)

# --- 04.3 an attribute removed -------------------------------------------------------------------


def removal_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments weights, parts (v_i . u), removed."""
    weights = torch.softmax(draw.numbers(6), dim=0)
    return {
        "the first of three": (torch.tensor([0.5, 0.3, 0.2]), torch.tensor([4.0, 2.0, -1.0]), 0),
        "the last of three speaks against": (
            torch.tensor([0.2, 0.3, 0.5]),
            torch.tensor([1.0, 2.0, -3.0]),
            2,
        ),
        "a random film": (weights, 2 * draw.numbers(6), int(draw.whole(3, 6, 1))),
    }


def proportional(weights, parts, removed):
    """The others keep their proportions."""
    kept = (weights * parts).sum() - weights[removed] * parts[removed]
    return kept / (1 - weights[removed])


def nobody(weights, parts, removed):
    """The weight is lost."""
    return (weights * parts).sum() - weights[removed] * parts[removed]


def equally(weights, parts, removed):
    """Each of the others gets the same share of the weight."""
    share = weights[removed] / (len(weights) - 1)
    return nobody(weights, parts, removed) + share * (parts.sum() - parts[removed])


def change_with(rest=proportional, old=lambda weights, parts: (weights * parts).sum()):
    """New sum of contributions minus the old one."""
    return lambda weights, parts, removed: rest(weights, parts, removed) - old(weights, parts)


removal = Exercise(
    "04.3",
    "What the logit loses without one attribute",
    level="Medium",
    minutes=15,
    stub='''def change_without(weights, parts, removed):
    """The new logit minus the old one, a number."""
    old = ...
    new = ...
    return new - old''',
    hints=(
        "old is the sum of all contributions, weight times part. (The bias is in both logits, so "
        "it drops out.)",
        "The removed attribute's weight becomes 0. Where does it go? All weights still sum to 1, "
        "and the others keep their proportions.",
        "Each of the other weights is divided by 1 - weights[removed].",
    ),
    way=change_with,
    cases=removal_cases,
    mistakes=(
        Mistake(
            "you take the contribution away, and nobody gets its weight. The others share it.",
            "The other weights must sum to 1 again: divide them by their sum.",
            changes={"rest": nobody},
        ),
        Mistake(
            "the sign: asked is new minus old.",
            "Lower afterwards means a number below 0.",
            lambda *case: -change_with()(*case),
        ),
        Mistake(
            "you take the absolute value. Below 0 means: the logit falls without it.",
            "Leave out abs().",
            lambda *case: abs(change_with()(*case)),
        ),
        Mistake(
            "this is the new logit without the bias; asked is how far it has moved.",
            "Subtract the old one, (weights * parts).sum().",
            changes={"old": lambda weights, parts: 0.0},
        ),
        Mistake(
            "you share the weight equally. Softmax keeps the proportions: divide by 1 - w_removed.",
            "An attribute with twice the weight of another still has twice its weight afterwards.",
            changes={"rest": equally},
        ),
        Mistake(
            "in the old logit, too, each part must be multiplied by its weight.",
            "old = (weights * parts).sum()",
            changes={"old": lambda weights, parts: parts.sum()},
        ),
        Mistake(
            "you always take away the first attribute.",
            "removed is the place of the one that goes.",
            lambda weights, parts, removed: change_with()(weights, parts, 0),
        ),
    ),
)

# --- 04.4 the Jacobian ----------------------------------------------------------------------------


def jacobian_cases(draw: Draw) -> dict[str, tuple]:
    """Argument scores."""
    return {
        "three scores": (torch.tensor([-1.0, 2.0, 1.0]),),
        "one score far above the other": (torch.tensor([0.0, 60.0]),),
        "random scores": (draw.numbers(5),),
    }


def jacobian_with(weigh=lambda scores: torch.softmax(scores, dim=0), own=1.0, others=1.0, sign=1):
    """J[i, j] = d weight_i / d score_j = w_i (1 if i = j else 0) - w_i w_j."""

    def jacobian(scores):
        weights = weigh(scores)
        products = torch.outer(weights, weights)
        diagonal = torch.diag(products.diagonal())
        return sign * (own * torch.diag(weights) - diagonal - others * (products - diagonal))

    return jacobian


slopes = Exercise(
    "04.4",
    "The Jacobian of softmax",
    level="Medium",
    minutes=15,
    stub='''def jacobian(scores):
    """`(n, n)`: row i, column j is the slope of w_i in s_j."""
    weights = torch.softmax(scores, dim=0)
    n = len(scores)
    slopes = torch.zeros(n, n)
    for i in range(n):
        for j in range(n):
            slopes[i, j] = ...
    return slopes''',
    hints=(
        "Raise one score a little, on paper. Which weights grow, which shrink? All of them still "
        "sum to 1, so each column of the matrix sums to 0.",
        "Two cases. With its own score (i = j), the numerator exp(s_i) grows, and so does the sum. "
        "With another score (i not j), only the sum grows. Section 'The Jacobian' derives both.",
        "i = j: w_i (1 - w_i). Otherwise: - w_i w_j. Write an if and an else.",
    ),
    way=jacobian_with,
    cases=jacobian_cases,
    axes=("row", "column"),
    mistakes=(
        Mistake(
            "the sign is reversed: raising a score raises its own weight.",
            "The diagonal must be above 0, everything else below.",
            changes={"sign": -1},
        ),
        Mistake(
            "the diagonal is that of the others: it should be w_i (1 - w_i), not - w_i w_i.",
            "With its own score the numerator grows, too.",
            changes={"own": 0.0},
        ),
        Mistake(
            "only the diagonal: a score moves the other weights as well, for they sum to 1.",
            "For i not j: - w_i w_j.",
            changes={"others": 0.0},
        ),
        Mistake(
            "beside the diagonal the sign is wrong: if one score rises, the other weights fall.",
            "For i not j: - w_i w_j.",
            changes={"others": -1.0},
        ),
        Mistake(
            "you take the scores for the weights: softmax first.",
            "Use `weights` in the formula, not `scores`.",
            changes={"weigh": lambda scores: scores},
        ),
        Mistake(
            "these are slopes of log w: they are not yet multiplied by w_i.",
            "Multiply row i by w_i.",
            lambda scores: torch.eye(len(scores)) - torch.softmax(scores, dim=0),
        ),
        Mistake(
            "you give the gradient of the sum of all weights. That sum is always 1, so its slopes "
            "are 0.",
            "One row for each weight: derive each w_i alone.",
            lambda scores: torch.zeros(len(scores)),
        ),
    ),
)

# --- 04.5 compared with what ----------------------------------------------------------------------


def average_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments weights, parts: films and their attributes."""
    weights = torch.tensor([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    parts = torch.tensor([[4.0, 2.0], [8.0, 0.0], [-2.0, 6.0]])
    random = torch.softmax(draw.numbers(6, 4), dim=1)
    return {
        "three films, two attributes": (weights, parts),
        "the same films, 10 added to every part": (weights, parts + 10),
        "random films": (random, 3 * draw.numbers(6, 4)),
    }


def average_with(
    zero=lambda weights, parts: (weights * parts).sum(dim=1).mean(),
    spread=lambda weights, parts, zero: weights * (parts - zero),
):
    """Contributions measured from another zero, or with the zero spread in another way."""
    return lambda weights, parts: spread(weights, parts, zero(weights, parts))


ZERO = "logits = (weights * parts).sum(dim=1): one for each film. zero = logits.mean()."

from_average = Exercise(
    "04.5",
    "Compared with what?",
    level="Hard",
    minutes=15,
    stub='''def from_average(weights, parts):
    """Contributions from the average film, `(n_films, n_attributes)`."""
    logits = ...  # what each film says: one number for each film
    zero = ...  # what the average film says
    return ...''',
    hints=(
        "One film says the sum of its weights times its parts: (weights * parts).sum(dim=1) does "
        "it for all films.",
        "The average film says the mean of these numbers. Of each part take away that mean, then "
        "weigh it.",
        "weights * (parts - zero). Test it: add 10 to all parts. Nothing may change.",
    ),
    way=average_with,
    cases=average_cases,
    axes=("film", "attribute"),
    mistakes=(
        Mistake(
            "these are contributions as on paper, measured from 0: the zero is missing.",
            ZERO,
            changes={"zero": lambda weights, parts: 0.0},
        ),
        Mistake(
            "your zero is the mean of all parts; but a film looks at some more than at others.",
            ZERO,
            changes={"zero": lambda weights, parts: parts.mean()},
        ),
        Mistake(
            "each film is measured from itself, so its contributions sum to 0. Take one zero for "
            "all films: their mean.",
            ZERO,
            changes={"zero": lambda weights, parts: (weights * parts).sum(dim=1, keepdim=True)},
        ),
        Mistake(
            "your zero is the sum over all films; take their mean.",
            ZERO,
            changes={"zero": lambda weights, parts: (weights * parts).sum()},
        ),
        Mistake(
            "your zero is the mean contribution, not what the average film says: add up the "
            "attributes of a film first, then take the mean over films.",
            ZERO,
            changes={"zero": lambda weights, parts: (weights * parts).mean()},
        ),
        Mistake(
            "you take the whole zero away from every contribution; each loses only its weight's "
            "share of it.",
            "weights * (parts - zero)",
            changes={"spread": lambda weights, parts, zero: weights * parts - zero},
        ),
        Mistake(
            "you share the zero equally among the attributes; each loses its weight's share of it.",
            "weights * (parts - zero)",
            changes={
                "spread": lambda weights, parts, zero: weights * parts - zero / parts.shape[1]
            },
        ),
        Mistake(
            "the weights are missing: these are the parts, measured from the average film.",
            "weights * (parts - zero)",
            changes={"spread": lambda weights, parts, zero: parts - zero},
        ),
    ),
)

EXERCISES = [spread, temperature, removal, slopes, from_average]
