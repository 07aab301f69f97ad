"""The exercises of notebook 02: look-up, pooling, neighbours, contributions, the sentence."""

import numpy as np
import torch

from .. import by_hand
from ..attention import masked_softmax
from .comparing import close, numbers_or_none, to_numbers
from .exercise import Draw, Exercise, Mistake, Rule

# --- 02.1 one row for each film -----------------------------------------------------------------


def rows_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments ids, n_attributes."""
    random = torch.stack([1 + draw.order(8)[:3] for _ in range(5)])
    return {
        "two films, the last slot is empty": (torch.tensor([[1, 3, 4, 0], [2, 4, 3, 0]]), 6),
        "a film with nothing filled": (torch.tensor([[2, 0], [0, 0], [0, 1]]), 3),
        "random films": (random * draw.mask(5, 3), 9),
    }


def rows_with(first=0.0, shift=0, value=lambda ids: torch.ones(ids.shape), mean=False):
    """Rows of films with something done in another way."""

    def rows(ids, n_attributes):
        found = torch.zeros(len(ids), n_attributes).scatter(1, ids, value(ids))
        found[:, 0] = 0.0
        if mean:
            found = found / (ids > 0).sum(dim=1, keepdim=True)
        return found.roll(shift, dims=1)

    return rows


def counts_empty_slots(answer, ids, n_attributes) -> str | None:
    """Column 0 must be empty."""
    found = numbers_or_none(answer, (len(ids), n_attributes))
    if found is None or not found[:, 0].any():
        return None
    return "column 0 is filled: number 0 is the empty slot, not an attribute."


def keeps_slots(answer, ids, n_attributes) -> str | None:
    """One-hot vectors slot by slot, not added."""
    if numbers_or_none(answer, (*ids.shape, n_attributes)) is None:
        return None
    return "you have one row for each slot. Add the slots of a film: one row for each film."


LEFT = "your columns are one too far left: attribute 1 belongs in column 1; column 0 stays."

one_row = Exercise(
    "02.1",
    "A film as one row",
    level="Easy",
    minutes=10,
    stub='''def film_rows(ids, n_attributes):
    """1 where the film has it, else 0: `(n_films, n_attributes)`."""
    rows = torch.zeros(len(ids), n_attributes)
    ...
    return rows''',
    hints=(
        "A film with the attributes 1 and 3 is the row 0, 1, 0, 1, 0, 0: the sum of two one-hot "
        "vectors.",
        "Go through the films, and through the numbers of each film, in two loops.",
        "if number > 0: rows[film, number] = 1. The number 0 stands for an empty slot: column 0 "
        "stays 0.",
    ),
    way=rows_with,
    cases=rows_cases,
    axes=("film", "attribute"),
    mistakes=(
        Mistake(
            LEFT,
            "Do not take 1 away from the number: column 0 is there, for the empty slot.",
            changes={"shift": -1},
        ),
        Mistake(
            LEFT,
            "Write rows[film, number], without - 1, and skip the number 0.",
            lambda ids, n: torch.zeros(len(ids), n).scatter(1, (ids - 1) % n, 1.0),
        ),
        Mistake(
            "your rows hold attribute numbers. Numbers are names, not sizes: write 1.",
            "rows[film, number] = 1, whatever the number is.",
            changes={"value": lambda ids: ids.float()},
        ),
        Mistake(
            "your rows sum to 1: that gives the mean of the embeddings, not their sum.",
            "Leave out the division: each attribute gets a 1.",
            changes={"mean": True},
        ),
        Mistake(
            "all rows are 0: nothing was written.",
            "rows[film, number] = 1 writes one of them.",
            lambda ids, n: torch.zeros(len(ids), n),
        ),
    ),
    rules=(
        Rule(counts_empty_slots, "Skip the number 0: if number > 0."),
        Rule(keeps_slots, "Add over the slots: .sum(dim=1). Then set column 0 to 0."),
    ),
)

# --- 02.2 predict, then measure: equal weights --------------------------------------------------


def logit_with(weights=(1 / 3, 1 / 3, 1 / 3), bias=by_hand.BIAS):
    """The logit of the example on paper with these weights."""
    taste = by_hand.VALUE @ by_hand.USER
    return lambda: bias + (torch.tensor(weights, dtype=taste.dtype) @ taste).item()


ATTENTION = torch.softmax(by_hand.KEY @ by_hand.USER / 2, dim=0).tolist()

equal_weights = Exercise(
    "02.2",
    "Predict, then measure: equal weights for Heat",
    level="Easy",
    minutes=5,
    stub="""prediction = ...
measured = ...""",
    hints=(
        "v · u is 4 for Michael Mann, 2 for Al Pacino, -1 for Crime. What is their mean?",
        "An empty slot is no attribute: it is not counted. And the bias is not divided.",
        "Average the three rows of by_hand.VALUE, take the dot product with by_hand.USER, and add "
        "by_hand.BIAS.",
    ),
    way=logit_with,
    predict=True,
    tolerance=2e-3,  # 2.17 is fine
    mistakes=(
        Mistake(
            "this is the logit with the weights of attention; now each attribute gets the same.",
            "Three attributes, so each weight is 1/3.",
            changes={"weights": ATTENTION},
        ),
        Mistake(
            "the empty slot is counted: the weights are 1/3, not 1/4.",
            "How many attributes has Heat? Divide by that.",
            changes={"weights": (1 / 4, 1 / 4, 1 / 4)},
        ),
        Mistake(
            "you added up the values; mean pooling takes their mean.",
            "Divide the sum of the three v · u by 3, then add the bias.",
            changes={"weights": (1.0, 1.0, 1.0)},
        ),
        Mistake(
            "the bias of the film is missing.",
            "Add by_hand.BIAS at the end.",
            changes={"bias": 0.0},
        ),
        Mistake(
            "two ways lead to this number: the bias was divided by 3 as well, or the keys were "
            "averaged. The bias is added at the end, and what is read is the values.",
            "0.5 + (4 + 2 - 1) / 3: only the three v · u are divided.",
            lambda: (by_hand.BIAS + 5) / 3,
        ),
    ),
)

# --- 02.3 debug this: odd neighbours ------------------------------------------------------------


def neighbours_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments vectors, row, k. Row 0 is the empty slot: zeros."""
    one_long = [[0, 0], [2, 1], [1, 0.4], [8, -2], [0.6, 0.6], [-3, 1]]
    no_friend = [[0, 0], [-0.5, 0.5], [-3, 1], [1, 0], [-1, 3], [-2, -1]]
    parallel = [[0, 0], [2, 4], [3, 1], [1, 2], [4, -1]]
    random = draw.numbers(9, 3)
    random[0] = 0
    return {
        "one vector is long": (torch.tensor(one_long), 1, 3),
        "no other vector points the same way": (torch.tensor(no_friend), 3, 2),
        "a row with exactly the same direction": (torch.tensor(parallel).float(), 3, 2),
        "random vectors": (random, int(draw.whole(1, 9, 1)), 4),
    }


def cosine(vectors, vector):
    """0 for a row of zeros."""
    return torch.cosine_similarity(vectors, vector[None], dim=1)


def dot(vectors, vector):
    """Dot products: long vectors win."""
    return vectors @ vector


def nearest_with(measure=cosine, itself=-torch.inf, empty=-torch.inf, start=0):
    """The k rows with the highest measure; `itself` and `empty` keep two rows out."""

    def nearest(vectors, row, k):
        likeness = measure(vectors, vectors[row]).clone()
        if itself is not None:
            likeness[row] = itself
        if empty is not None:
            likeness[0] = empty
        return likeness.topk(k).indices - start

    return nearest


def drops_the_first(vectors, row, k):
    """In the hope that the first is the row itself."""
    likeness = cosine(vectors, vectors[row])
    likeness[0] = -torch.inf
    return likeness.topk(k + 1).indices[1:]


def in_answer(answer, row: int) -> bool:
    """Whether this row number is in the answer."""
    found = numbers_or_none(answer)
    return found is not None and bool((found == row).any())


def names_itself(answer, vectors, row, k) -> str | None:
    """Everything is most like itself."""
    return "the row itself is among its neighbours." if in_answer(answer, row) else None


def names_the_empty_slot(answer, vectors, row, k) -> str | None:
    """Row 0 has cosine 0 (or NaN), which may be more than all others have."""
    if not in_answer(answer, 0):
        return None
    return "row 0, the empty slot, is among the neighbours. It has no direction: leave it out."


def long_vectors(answer, vectors, row, k) -> str | None:
    """As dot products have it."""
    by_dots = nearest_with(dot)(vectors, row, k).numpy()
    found = numbers_or_none(answer, by_dots.shape)
    if found is None or (found != by_dots).any():
        return None
    return "you compare dot products: a long vector is near everybody. Divide by the lengths."


odd_neighbours = Exercise(
    "02.3",
    "Debug this: odd neighbours",
    level="Medium",
    minutes=15,
    stub='''def nearest_rows(vectors, row, k):
    """The numbers of the k nearest rows, `(k,)`, nearest first."""
    likeness = vectors @ vectors[row]
    return likeness.topk(k).indices''',
    hints=(
        "There are three faults. Make three vectors on paper, one of them very long, and ask for "
        "the neighbours of the first. Who comes first?",
        "For the cosine divide each dot product by both lengths: vectors.norm(dim=1) and "
        "vectors[row].norm(). Row 0 has length 0, and 0 / 0 is NaN.",
        "Set the likeness of the row itself and of row 0 to -torch.inf before topk.",
    ),
    way=nearest_with,
    cases=neighbours_cases,
    debug=True,
    mistakes=(
        Mistake(
            "this still gives what the code gave: by dot products, with the row itself.",
            "Start with the length: divide by vectors.norm(dim=1).",
            nearest_with(dot, itself=None, empty=None),
        ),
        Mistake(
            "you compare distances; the cosine looks at directions only.",
            "Dot product, divided by both lengths.",
            changes={"measure": lambda vectors, vector: -(vectors - vector).norm(dim=1)},
        ),
        Mistake(
            "you list the furthest rows: sort from the highest cosine down.",
            "topk takes the largest. Are your numbers distances, or did you turn a sign?",
            changes={"measure": lambda vectors, vector: -cosine(vectors, vector)},
        ),
        Mistake(
            "you took the absolute value: cosine -1 is the opposite direction, not a near one.",
            "Leave out abs().",
            changes={"measure": lambda vectors, vector: cosine(vectors, vector).abs()},
        ),
        Mistake(
            "your row numbers are one too small: you cut off row 0, so count from 1.",
            "Keep row 0 in the table and set its likeness to -torch.inf.",
            changes={"start": 1},
        ),
        Mistake(
            "a likeness of 0 does not keep a row out: others are below 0. Use minus infinity.",
            "likeness[row] = -torch.inf, and the same for row 0.",
            changes={"itself": 0.0, "empty": 0.0},
        ),
        Mistake(
            "you drop the first of the list, but that need not be the row you ask about: another "
            "can have the same direction.",
            "Say whom you leave out: likeness[row] = -torch.inf.",
            drops_the_first,
        ),
        Mistake(
            "you give the cosines; the rows' numbers are asked for.",
            "topk gives two things: .values and .indices.",
            lambda vectors, row, k: cosine(vectors, vectors[row])[nearest_with()(vectors, row, k)],
        ),
    ),
    rules=(
        Rule(names_itself, "likeness[row] = -torch.inf before topk."),
        Rule(names_the_empty_slot, "likeness[0] = -torch.inf before topk."),
        Rule(long_vectors, "Divide by vectors.norm(dim=1): one length for each row."),
    ),
)

# --- 02.4 contributions -------------------------------------------------------------------------


def contributions_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments user, key, value, mask. Empty slots hold numbers, too: the mask decides."""
    user = torch.tensor([1.0, 2.0, 0.0])
    key = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0], [2.0, 0.0, 1.0]]])
    value = torch.tensor([[[2.0, 0, 1], [1, -1, 2]], [[-1, 1, 0], [0, 3, 1]]])
    mask = torch.tensor([[True, True], [True, False]])
    some = torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 0, 0]]).bool()
    low = draw.numbers(3, 4, 4)
    low[..., 0] = -20.0 - draw.numbers(3, 4).abs()  # all scores are around -60
    return {
        "2 films, 2 slots": (user, key, value, mask),
        "3 films, 4 slots": (
            2 * draw.numbers(5), draw.numbers(3, 4, 5), draw.numbers(3, 4, 5), some,
        ),
        "all scores far below 0": (
            torch.tensor([6.0, 0.0, 0.0, 0.1]), low, draw.numbers(3, 4, 4), some,
        ),
    }  # fmt: skip


def contributions_with(
    weights=masked_softmax, read=lambda value, user: value @ user, scale=lambda d: d**0.5
):
    """Weight times what the user reads, with something done in another way."""

    def contributions(user, key, value, mask):
        scores = key @ user / scale(len(user))
        return weights(scores, mask) * read(value, user)

    return contributions


def as_shares(*arguments):
    """Divided by their sum."""
    contributions = contributions_with()(*arguments)
    return contributions / contributions.sum(dim=-1, keepdim=True)


def mean_weights(scores, mask):
    """1 / n for each filled slot."""
    return mask / mask.sum(dim=-1, keepdim=True)


def fill_with(value):
    """Softmax with this score in empty slots."""
    return lambda scores, mask: torch.softmax(scores.masked_fill(~mask, value), dim=-1)


def over_the_films(scores, mask):
    """Softmax along the wrong axis."""
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=0).nan_to_num(0.0)


def over_everything(scores, mask):
    """One softmax for all films together."""
    filled = scores.masked_fill(~mask, -torch.inf)
    return torch.softmax(filled.reshape(-1), dim=0).reshape(scores.shape)


def adds_too_early(answer, user, key, value, mask) -> str | None:
    """Summed over slots: one vector or one number for each film."""
    found = numbers_or_none(answer)
    if found is not None and found.shape == (len(key), len(user)) != mask.shape:
        return "you give the contexts. Do not add up the slots: one contribution for each."
    if found is not None and found.shape == (len(key),):
        return "you give one number for each film. Keep the contributions of its slots apart."
    return None


def adds_up(answer, user, key, value, mask) -> str | None:
    """The sum of a film's contributions is context . u."""
    expected = contributions_with()(user, key, value, mask)
    if numbers_or_none(answer, expected.shape) is None:
        return None
    sums, wanted = to_numbers(answer).sum(axis=1), expected.sum(dim=1).numpy()
    right = close(wanted, sums, 1e-4)
    if right.all():
        return "the sums are right, but they are shared out among the slots in another way."
    film = int(right.argmin())
    return (
        f"your contributions of film {film} add up to {sums[film]:.4f}, "
        f"but context · u is {wanted[film]:.4f}."
    )


BEFORE = "scores.masked_fill(~mask, -torch.inf) comes first, softmax after it."

contributions = Exercise(
    "02.4",
    "Contributions that add up",
    level="Medium",
    minutes=20,
    stub='''def slot_contributions(user, key, value, mask):
    """The contribution of every slot, `(n_films, n_slots)`."""
    d_k = len(user)
    scores = ...
    weights = ...
    return ...''',
    hints=(
        "Two numbers for each slot: a weight (where the model looks) and v · u (what the user "
        "reads there). The contribution is their product.",
        "key @ user has the shape (n_films, n_slots), and so has value @ user.",
        "The weights are softmax over the slots (dim=1) of k · u / sqrt(d_k). Empty slots must be "
        "out before softmax: their score is -torch.inf.",
    ),
    way=contributions_with,
    cases=contributions_cases,
    axes=("film", "slot"),
    mistakes=(
        Mistake(
            "these are the weights. A contribution also asks what the user reads: times v · u.",
            "Multiply by value @ user.",
            changes={"read": lambda value, user: 1.0},
        ),
        Mistake(
            "this is v · u alone; the weight is missing.",
            "Multiply by the weights of attention.",
            changes={"weights": lambda scores, mask: mask},
        ),
        Mistake(
            "these are contributions of mean pooling.",
            "The weights are not equal: they come from softmax of the scores.",
            changes={"weights": mean_weights},
        ),
        Mistake(
            "you multiply by the scores, not by the weights: softmax is missing.",
            "torch.softmax(scores, dim=1), after the empty slots were taken out.",
            changes={"weights": lambda scores, mask: scores * mask},
        ),
        Mistake(
            "the empty slots take weight away: leave them out before softmax, not after it.",
            BEFORE,
            changes={"weights": lambda scores, mask: torch.softmax(scores, dim=-1) * mask},
        ),
        Mistake(
            "the empty slots contribute: the mask is ignored.",
            BEFORE,
            changes={"weights": lambda scores, mask: torch.softmax(scores, dim=-1)},
        ),
        Mistake(
            "the mask is the wrong way round: True means the slot is filled.",
            "~mask is True where a slot is empty: that is what must be taken out.",
            changes={"weights": lambda scores, mask: masked_softmax(scores, ~mask)},
        ),
        Mistake(
            "a score of 0 is not out of the race: exp(0) = 1. Fill with minus infinity.",
            BEFORE,
            changes={"weights": fill_with(0.0)},
        ),
        Mistake(
            "your fill is not low enough: here all scores are lower. Fill with minus infinity.",
            BEFORE,
            changes={"weights": fill_with(-10.0)},
        ),
        Mistake(
            "softmax runs over the films; it belongs on the slots of one film (dim=1).",
            "Each film hands out a weight of 1 among its own slots.",
            changes={"weights": over_the_films},
        ),
        Mistake(
            "all films together share one weight of 1; each film hands out its own (dim=1).",
            "Each film hands out a weight of 1 among its own slots.",
            changes={"weights": over_everything},
        ),
        Mistake(
            "the scores are not divided by sqrt(d_k).",
            "Divide by d_k ** 0.5 before softmax.",
            changes={"scale": lambda d: 1.0},
        ),
        Mistake(
            "the scores are divided by d_k, not by its square root.",
            "d_k ** 0.5 is the square root.",
            changes={"scale": float},
        ),
        Mistake(
            "yours have lost their sign; what speaks against the film must stay negative.",
            "Leave out abs().",
            changes={"read": lambda value, user: (value @ user).abs()},
        ),
        Mistake(
            "weight times the length of v does not know the user; read it with v · u.",
            "Multiply by value @ user.",
            changes={"read": lambda value, user: value.norm(dim=-1)},
        ),
        Mistake(
            "you divided by the sum: then they add up to 1 for every film, not to the score.",
            "Leave out the last division.",
            as_shares,
        ),
    ),
    rules=(
        Rule(adds_too_early, "weights * (value @ user), without a sum."),
        Rule(adds_up, "Print the weights: does each film's row sum to 1?"),
    ),
)

# --- 02.5 the sentence --------------------------------------------------------------------------


def sentence_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments label, names, contributions."""
    heat = ["Michael Mann", "Al Pacino", "Crime", "1990s"]
    shrek = ["Comedy", "Fantasy", "Romance", "2000s", "Mike Myers", "Animation"]
    places = draw.order(6).tolist()
    return {
        "one for, one against": ("Heat", heat, np.array([0.9, 1.4, -1.1, 0.2])),
        "nothing against": ("Heat", heat, np.array([1.5, 0.9, -0.1, -0.2])),
        "nothing for": ("Heat", heat, np.array([0.1, 0.2, -0.7, -1.2])),
        "many small ones": ("Shrek", shrek, np.array([0.5, -0.4, 0.3, -0.5, 0.4, -0.45])),
        "all speak against": ("Heat", heat[:3], np.array([-1.0, -2.0, -1.5])),
        "all speak for": ("Heat", heat[:3], np.array([2.0, 1.0, 1.5])),
        "exactly a fifth": ("Heat", heat[:2], np.array([1.0, -4.0])),
        "a bit more than a fifth": ("Heat", heat, np.array([0.22, -0.2, -0.19, -0.39])),
        "a weak one against": ("Heat", heat[:3], np.array([1.0, 0.9, -0.25])),
        "one against five": ("Shrek", shrek, np.array([1.0, 0.9, 0.8, 0.7, 0.25, -0.25])),
        "all are 0": ("Heat", heat, np.zeros(4)),
        "random": (
            "Shrek",
            [shrek[place] for place in places],
            np.array([0.7, 0.1, -0.6, 0.15, -0.1, 0.05])[places] * float(draw.whole(1, 50, 1)),
        ),
    }


def sentence_with(
    total=lambda c: abs(c).sum(),
    limit=0.2,
    strongest=lambda c: abs(c).argmax(),
    sides=((1, "because of"), (-1, "despite")),
    signs=True,
    enough=np.greater_equal,
):
    """The sentence, with another total, limit or choice."""

    def sentence(label, names, contributions):
        parts = []
        for sign, words in sides:
            reasons = enough(abs(contributions), limit * total(contributions))
            if signs:
                reasons &= contributions * sign > 0
                best = strongest(contributions * reasons)
            else:
                best = (contributions * sign).argmax()
            if reasons[best]:
                parts.append(f"{words} {names[best]}")
        return f"{label}: {', '.join(parts) or 'no clear reason'}."

    return sentence


def whatever_its_sign(label, names, contributions):
    """The largest |contribution| is called a reason for the film."""
    return sentence_with(sides=((1, "because of"),))(label, names, abs(contributions))


def all_reasons(label, names, contributions):
    """Not only the strongest."""
    limit = abs(contributions).sum() / 5
    parts = []
    for sign, words in ((1, "because of"), (-1, "despite")):
        strong = [n for n, c in zip(names, contributions) if c * sign >= limit and c * sign > 0]
        if strong:
            parts.append(f"{words} {' and '.join(strong)}")
    return f"{label}: {', '.join(parts) or 'no clear reason'}."


def names_nothing(answer, label, names, contributions) -> str | None:
    """All contributions are 0, and something is named all the same."""
    if contributions.any() or not isinstance(answer, str) or "no clear" in answer:
        return None
    return "all contributions are 0, so nothing is a reason; yet your sentence names one."


PLAIN_SUM = (
    "you take a fifth of the plain sum, in which for and against cancel. Sum the absolute values."
)
WEAK = "you name reasons that are weak: each needs a fifth of the sum of |contributions|."
ABSOLUTE = "limit = abs(contributions).sum() / 5"

sentence = Exercise(
    "02.5",
    "One honest sentence",
    level="Hard",
    minutes=20,
    stub='''def one_sentence(label, names, contributions):
    """The sentence, a text."""
    limit = ...
    parts = []
    ...
    return f"{label}: {', '.join(parts)}."''',
    hints=(
        "limit = a fifth of the sum of all |contributions|. What is the strongest reason for the "
        "film? The highest contribution. And against it?",
        "high = contributions.argmax() is the place of the highest. It is named only if it is "
        "above 0 and at least limit. The lowest alike, with -limit.",
        "Collect the texts 'because of ...' and 'despite ...' in the list parts. If it stays "
        "empty, parts = ['no clear reason'].",
    ),
    way=sentence_with,
    cases=sentence_cases,
    mistakes=(
        Mistake(PLAIN_SUM, ABSOLUTE, changes={"total": lambda c: c.sum()}),
        Mistake(PLAIN_SUM, ABSOLUTE, changes={"total": lambda c: abs(c.sum())}),
        Mistake(
            "you take a fifth of the largest contribution; a fifth of the sum of all is asked.",
            ABSOLUTE,
            changes={"total": lambda c: abs(c).max()},
        ),
        Mistake(WEAK, ABSOLUTE, changes={"limit": 0.0}),
        Mistake(WEAK, ABSOLUTE, changes={"limit": 0.1}),
        Mistake(
            "you ask for a quarter; a fifth is enough.",
            ABSOLUTE,
            changes={"limit": 0.25},
        ),
        Mistake(
            "you ask for more than a fifth: here a reason with more than a fifth is missing.",
            "A fifth is 0.2, or 1 / 5.",
            changes={"limit": 0.3},
        ),
        Mistake(
            "exactly a fifth is enough: at least, so >= and not >.",
            "Compare with >=.",
            changes={"enough": np.greater},
        ),
        Mistake(
            "the sign is not looked at: the highest contribution speaks for the film only if it "
            "is above 0, the lowest against it only if it is below 0.",
            "if contributions[high] >= limit and contributions[high] > 0.",
            changes={"signs": False},
        ),
        Mistake(
            "the sentence says 'because of' something that speaks against the film.",
            "Look for the highest contribution, not for the highest |contribution|.",
            whatever_its_sign,
        ),
        Mistake(
            "your sentence is silent about what speaks against the film.",
            "Do the same for the lowest contribution, with 'despite'.",
            changes={"sides": ((1, "because of"),)},
        ),
        Mistake(
            "for and against have changed places.",
            "Above 0 speaks for the film: 'because of'.",
            changes={"sides": ((-1, "because of"), (1, "despite"))},
        ),
        Mistake(
            "you name the first reason in the list; name the strongest.",
            "contributions.argmax() is the place of the highest.",
            changes={"strongest": lambda c: (c != 0).argmax()},
        ),
        Mistake(
            "you name all reasons; name the strongest on each side.",
            "contributions.argmax() is the place of the highest.",
            all_reasons,
        ),
    ),
    rules=(Rule(names_nothing, "Ask for the sign as well: contributions[high] > 0."),),
)

EXERCISES = [one_row, equal_weights, odd_neighbours, contributions, sentence]
