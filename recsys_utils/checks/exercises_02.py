"""The exercises of notebook 02: look-up, pooling, neighbours, contributions, the sentence."""

import numpy as np
import torch

from .. import by_hand
from ..attention import masked_softmax
from .comparing import AnswerError, close, to_numbers
from .exercise import Exercise, Mistake


def shape(answer) -> tuple[int, ...] | None:
    """The shape of an answer; None if it does not hold numbers."""
    try:
        return to_numbers(answer).shape
    except AnswerError:
        return None


# --- 02.1 one row for each film -----------------------------------------------------------------


def rows_cases() -> dict[str, tuple]:
    """Arguments ids, n_attributes. Number 5 is in the vocabulary, but on neither film."""
    return {"2 films, 6 attributes": (torch.tensor([[1, 3, 4, 0], [2, 0, 3, 0]]), 6)}


def one_row_each(ids, n_attributes):
    """`(n_films, n_attributes)` 1 where the film has the attribute, else 0."""
    rows = torch.zeros(len(ids), n_attributes)
    return rows.scatter(1, ids, 1.0).index_fill(1, torch.tensor([0]), 0.0)


def counts_empty_slots(answer, ids, n_attributes) -> str | None:
    """Column 0 must be empty."""
    if shape(answer) != (len(ids), n_attributes) or not to_numbers(answer)[:, 0].any():
        return None
    return "column 0 is filled: number 0 is the empty slot, not an attribute."


def keeps_slots(answer, ids, n_attributes) -> str | None:
    """One-hot vectors slot by slot, not added."""
    if shape(answer) != (*ids.shape, n_attributes):
        return None
    return "you have one row for each slot. Add the slots of a film: one row for each film."


one_row = Exercise(
    "02.1",
    "A film as one row",
    hints=(
        "A film with the attributes 1 and 3 is the row 0, 1, 0, 1, 0, 0: the sum of two one-hot "
        "vectors.",
        "Start with torch.zeros(len(ids), n_attributes) and set a 1 for each number, in a loop.",
        "The number 0 stands for an empty slot: column 0 must stay 0 for every film.",
    ),
    right=one_row_each,
    cases=rows_cases,
    mistakes=(
        Mistake(
            "your columns are one too far left: attribute 1 belongs in column 1; column 0 stays.",
            lambda ids, n: one_row_each(ids, n).roll(-1, dims=1),
        ),
        Mistake(
            "your rows hold attribute numbers. Numbers are names, not sizes: write 1.",
            lambda ids, n: one_row_each(ids, n) * torch.arange(n),
        ),
        Mistake(
            "your rows sum to 1: that gives the mean of the embeddings, not their sum.",
            lambda ids, n: one_row_each(ids, n) / (ids > 0).sum(dim=1, keepdim=True),
        ),
    ),
    rules=(counts_empty_slots, keeps_slots),
)

# --- 02.2 predict, then measure: equal weights --------------------------------------------------


def logit_of_heat(weights: list[float], bias: float = by_hand.BIAS) -> float:
    """The logit of the example by hand with these weights."""
    taste = by_hand.VALUE @ by_hand.USER
    return bias + (torch.tensor(weights, dtype=torch.float64) @ taste).item()


def logit_with_attention() -> float:
    """The logit as the notebook has it."""
    return logit_of_heat(torch.softmax(by_hand.KEY @ by_hand.USER / 2, dim=0).tolist())


equal_weights = Exercise(
    "02.2",
    "Predict, then measure: equal weights for Heat",
    hints=(
        "v . u is 4 for Michael Mann, 2 for Al Pacino, -1 for Crime. What is their mean?",
        "Average the three rows of VALUE, then take the dot product with USER. Add BIAS. An empty "
        "slot is no attribute: it is not counted.",
    ),
    right=lambda: logit_of_heat([1 / 3] * 3),
    predict=True,
    tolerance=2e-3,  # 2.17 is fine
    mistakes=(
        Mistake(
            "this is the logit with the weights of attention; now each attribute gets the same.",
            logit_with_attention,
        ),
        Mistake(
            "the empty slot is counted: the weights are 1/3, not 1/4.",
            lambda: logit_of_heat([1 / 4] * 3),
        ),
        Mistake(
            "you added up the values; mean pooling takes their mean.",
            lambda: logit_of_heat([1.0] * 3),
        ),
        Mistake("the bias of the film is missing.", lambda: logit_of_heat([1 / 3] * 3, bias=0.0)),
        Mistake(
            "you averaged the keys. Keys say where to look; the values are what is read.",
            lambda: by_hand.BIAS + (by_hand.KEY.mean(dim=0) @ by_hand.USER).item(),
        ),
    ),
)

# --- 02.3 debug this: odd neighbours ------------------------------------------------------------


def neighbours_cases() -> dict[str, tuple]:
    """Arguments vectors, row, k. Row 0 is the empty slot: zeros."""
    one_long = [[0, 0], [2, 1], [1, 0.4], [8, -2], [0.6, 0.6], [-3, 1]]
    no_friend = [[0, 0], [-0.5, 0.5], [-3, 1], [1, 0], [-1, 3], [-2, -1]]
    return {
        "one vector is long": (torch.tensor(one_long), 1, 3),
        "no other vector points the same way": (torch.tensor(no_friend), 3, 2),
    }


def nearest_by(measure, away=-torch.inf):
    """The k rows with the highest measure; `away` keeps the row itself and row 0 out."""

    def nearest(vectors, row, k):
        likeness = measure(vectors, vectors[row])
        if away is not None:
            likeness = likeness.index_fill(0, torch.tensor([0, row]), away)
        return likeness.topk(k).indices

    return nearest


def cosine(vectors, vector):
    """0 for a row of zeros."""
    return torch.cosine_similarity(vectors, vector[None], dim=1)


def dot(vectors, vector):
    """Dot products: long vectors win."""
    return vectors @ vector


def names_row(answer, row: int) -> bool:
    """Whether this row number is in the answer."""
    return shape(answer) is not None and bool((to_numbers(answer) == row).any())


def itself(answer, vectors, row, k) -> str | None:
    """Everything is most like itself."""
    return "the row itself is among its neighbours." if names_row(answer, row) else None


def empty_slot(answer, vectors, row, k) -> str | None:
    """Row 0 has cosine 0 (or NaN), which may be more than all others have."""
    if not names_row(answer, 0):
        return None
    return "row 0, the empty slot, is among the neighbours. It has no direction: leave it out."


def long_vectors(answer, vectors, row, k) -> str | None:
    """As dot products have it."""
    by_dots = nearest_by(dot)(vectors, row, k).numpy()
    if shape(answer) != by_dots.shape or (to_numbers(answer) != by_dots).any():
        return None
    return "you compare dot products: a long vector is near everybody. Divide by the lengths."


odd_neighbours = Exercise(
    "02.3",
    "Debug this: odd neighbours",
    hints=(
        "There are three faults. Make three vectors on paper, one of them very long, and ask for "
        "the neighbours of the first. Who comes first?",
        "For the cosine divide each dot product by both lengths. Row 0 has length 0, and 0 / 0 is "
        "NaN.",
        "Set the likeness of the row itself and of row 0 to -torch.inf before topk.",
    ),
    right=nearest_by(cosine),
    cases=neighbours_cases,
    given=nearest_by(dot, away=None),
    mistakes=(
        Mistake(
            "you compare distances; the cosine looks at directions only.",
            nearest_by(lambda vectors, vector: -(vectors - vector).norm(dim=1)),
        ),
        Mistake(
            "you list the furthest rows: sort from the highest cosine down.",
            nearest_by(lambda vectors, vector: -cosine(vectors, vector)),
        ),
        Mistake(
            "you took the absolute value: cosine -1 is the opposite direction, not a near one.",
            nearest_by(lambda vectors, vector: cosine(vectors, vector).abs()),
        ),
        Mistake(
            "your row numbers are one too small: you cut off row 0, so count from 1.",
            lambda *arguments: nearest_by(cosine)(*arguments) - 1,
        ),
        Mistake(
            "you give the cosines; the rows' numbers are asked for.",
            lambda vectors, row, k: cosine(vectors, vectors[row])[
                nearest_by(cosine)(vectors, row, k)
            ],
        ),
    ),
    rules=(itself, empty_slot, long_vectors),
)

# --- 02.4 contributions -------------------------------------------------------------------------


def contributions_cases() -> dict[str, tuple]:
    """Arguments user, key, value, mask. Empty slots hold numbers, too: the mask decides."""
    random = torch.Generator().manual_seed(0)
    user, key, value = (
        torch.randn(*shape, generator=random) for shape in [(5,), (3, 4, 5), (3, 4, 5)]
    )
    mask = torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 0, 0]]).bool()
    return {"3 films, 4 slots": (2 * user, key, value, mask)}


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


def adds_too_early(answer, user, key, value, mask) -> str | None:
    """Summed over slots: one vector or one number for each film."""
    if shape(answer) == (len(key), len(user)):
        return "you give the contexts. Do not add up the slots: one contribution for each."
    if shape(answer) == (len(key),):
        return "you give one number for each film. Keep the contributions of its slots apart."
    return None


def adds_up(answer, user, key, value, mask) -> str | None:
    """The sum of a film's contributions is context . u."""
    expected = contributions_with()(user, key, value, mask)
    if shape(answer) != expected.shape:
        return None
    sums, wanted = to_numbers(answer).sum(axis=1), expected.sum(dim=1).numpy()
    right = close(wanted, sums, 1e-4)
    if right.all():
        return "the sums are right, but they are shared out among the slots in another way."
    film = int(right.argmin())
    return (
        f"your contributions of film {film} add up to {sums[film]:.4f}, "
        f"but context . u is {wanted[film]:.4f}."
    )


contributions = Exercise(
    "02.4",
    "Contributions that add up",
    hints=(
        "Two numbers for each slot: a weight (where the model looks) and v . u (what the user "
        "reads there). The contribution is their product.",
        "The weights are softmax over the slots of k . u / sqrt(d_k). Empty slots must be out "
        "before softmax.",
        "key @ user has the shape (n_films, n_slots), and so has value @ user.",
    ),
    right=contributions_with(),
    cases=contributions_cases,
    mistakes=(
        Mistake(
            "these are the weights. A contribution also asks what the user reads: times v . u.",
            contributions_with(read=lambda value, user: 1.0),
        ),
        Mistake(
            "this is v . u alone; the weight is missing.",
            contributions_with(weights=lambda scores, mask: mask),
        ),
        Mistake("these are contributions of mean pooling.", contributions_with(mean_weights)),
        Mistake(
            "you multiply by the scores, not by the weights: softmax is missing.",
            contributions_with(weights=lambda scores, mask: scores * mask),
        ),
        Mistake(
            "the empty slots take weight away: leave them out before softmax, not after it.",
            contributions_with(lambda scores, mask: torch.softmax(scores, dim=-1) * mask),
        ),
        Mistake(
            "the empty slots contribute: the mask is ignored.",
            contributions_with(lambda scores, mask: torch.softmax(scores, dim=-1)),
        ),
        Mistake(
            "the scores are not divided by sqrt(d_k).", contributions_with(scale=lambda d: 1.0)
        ),
        Mistake(
            "yours have lost their sign; what speaks against the film must stay negative.",
            contributions_with(read=lambda value, user: (value @ user).abs()),
        ),
        Mistake(
            "weight times the length of v does not know the user; read it with v . u.",
            contributions_with(read=lambda value, user: value.norm(dim=-1)),
        ),
        Mistake(
            "you divided by the sum: then they add up to 1 for every film, not to the score.",
            as_shares,
        ),
    ),
    rules=(adds_too_early, adds_up),
)

# --- 02.5 the sentence --------------------------------------------------------------------------


def sentence_cases() -> dict[str, tuple]:
    """Arguments label, names, contributions."""
    heat = ["Michael Mann", "Al Pacino", "Crime", "1990s"]
    shrek = ["Comedy", "Fantasy", "Romance", "2000s", "Mike Myers", "Animation"]
    return {
        "one for, one against": ("Heat", heat, np.array([0.9, 1.4, -1.1, 0.2])),
        "nothing against": ("Heat", heat, np.array([1.5, 0.9, -0.1, -0.2])),
        "nothing for": ("Heat", heat, np.array([0.1, 0.2, -0.7, -1.2])),
        "many small ones": ("Shrek", shrek, np.array([0.5, -0.4, 0.3, -0.5, 0.4, -0.45])),
    }


def sentence_with(
    total=lambda c: abs(c).sum(),
    limit=0.2,
    strongest=lambda c: abs(c).argmax(),
    sides=((1, "because of"), (-1, "despite")),
):
    """The sentence, with another total, limit or choice."""

    def sentence(label, names, contributions):
        parts = []
        for sign, words in sides:
            reasons = (contributions * sign > 0) & (
                abs(contributions) >= limit * abs(total(contributions))
            )
            if reasons.any():
                parts.append(f"{words} {names[strongest(contributions * reasons)]}")
        return f"{label}: {', '.join(parts) or 'no clear reason'}."

    return sentence


def whatever_its_sign(label, names, contributions):
    """The largest |contribution| is called a reason for the film."""
    return sentence_with(sides=((1, "because of"),))(label, names, abs(contributions))


sentence = Exercise(
    "02.5",
    "One honest sentence",
    hints=(
        "total = the sum of all |contributions|. A contribution is a reason if its absolute value "
        "is at least a fifth of the total.",
        "Look for the highest and for the lowest contribution. Each is named only if it is a "
        "reason and has the right sign.",
        "Collect the parts in a list and join them with ', '. If the list is empty, write 'no "
        "clear reason'.",
    ),
    right=sentence_with(),
    cases=sentence_cases,
    mistakes=(
        Mistake(
            "you take a fifth of the plain sum, in which for and against cancel. "
            "Sum the absolute values.",
            sentence_with(total=lambda c: c.sum()),
        ),
        Mistake(
            "you name reasons that are weak: each needs a fifth of the sum of |contributions|.",
            sentence_with(limit=0.0),
        ),
        Mistake(
            "the sentence says 'because of' something that speaks against the film.",
            whatever_its_sign,
        ),
        Mistake(
            "your sentence is silent about what speaks against the film.",
            sentence_with(sides=((1, "because of"),)),
        ),
        Mistake(
            "you name the first reason in the list; name the strongest.",
            sentence_with(strongest=lambda c: (c != 0).argmax()),
        ),
    ),
)

EXERCISES = [one_row, equal_weights, odd_neighbours, contributions, sentence]
