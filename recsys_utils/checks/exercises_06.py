"""The exercises of notebook 06: applications."""

from itertools import chain
from math import comb

import torch

from ..attention import masked_softmax
from .exercise import Exercise, Mistake

# --- 06.1 predict, then measure ---------------------------------------------------------------


def chance_of_a_hit(better=79, others=999, drawn=100, at_most=9):
    """Chance that at most so many of the better films are among those drawn without return."""
    ways = sum(
        comb(better, k) * comb(others - better, drawn - k) for k in range(min(at_most, better) + 1)
    )
    return ways / comb(others, drawn)


sampled_hit = Exercise(
    "06.1",
    "Predict, then measure: place 80 is a hit",
    hints=(
        "79 of the 999 other films are better. Among 100 drawn films, about how many of the 79 "
        "do you expect?",
        "It is a hit if at most 9 of the better films are drawn. The chance of exactly k: "
        "comb(79, k) * comb(920, 100 - k) / comb(999, 100).",
        "Add that up for k = 0 to 9. Or draw: np.random.default_rng(0).hypergeometric(79, 920, "
        "100, 200_000), and take the share of draws that are at most 9.",
    ),
    right=chance_of_a_hit,
    predict=True,
    tolerance=2e-3,  # simulations of 100,000 draws are welcome
    mistakes=(
        Mistake(
            "this is the hit in the full ranking: place 80 is not among the ten. Rank among the "
            "drawn films.",
            lambda: 0.0,
        ),
        Mistake(
            "10 better films in front mean rank 11: for HR@10 at most 9 may be drawn.",
            lambda: chance_of_a_hit(at_most=10),
        ),
        Mistake(
            "this is the chance of exactly 9 better films; 0 to 8 are hits as well.",
            lambda: chance_of_a_hit() - chance_of_a_hit(at_most=8),
        ),
        Mistake("this is the chance of a miss: take 1 minus it.", lambda: 1 - chance_of_a_hit()),
        Mistake(
            "this is what a model that knows nothing gets. Here only 79 of 999 films are better.",
            lambda: 10 / 101,
        ),
    ),
)

# --- 06.2 debug this: the causal mask ---------------------------------------------------------


def mask_cases():
    """Argument filled."""
    filled = torch.tensor([[True, True, True, True], [False, False, True, True]])
    return {"4 films, and 2 films after 2 empty places": (filled,)}


def future_seen(filled):
    """The faulty function of the stub: the wrong triangle, empty places forgotten."""
    return torch.ones(len(filled), *filled.shape[1:] * 2, dtype=torch.bool).triu()


def triangle(filled, diagonal=0):
    """Where a row may look if nothing were empty."""
    return torch.ones(filled.shape[1], filled.shape[1], dtype=torch.bool).tril(diagonal)


causal_mask = Exercise(
    "06.2",
    "Debug this: the model knows the future",
    hints=(
        "Print the mask of the first user. A row is the film that looks. What may the first row "
        "see, what the last?",
        "Rows look to the left: tril(), with the diagonal. Then the empty places: who must not be "
        "looked at, a row or a column?",
        "order & filled[:, None, :] hides the empty places as keys, in every row of that user.",
    ),
    right=lambda filled: triangle(filled) & filled[:, None, :],
    cases=mask_cases,
    given=future_seen,
    mistakes=(
        Mistake(
            "each film still sees itself and the future: the triangle is the wrong way round.",
            lambda filled: triangle(filled).T & filled[:, None, :],
        ),
        Mistake(
            "your mask is inverted: True means that a place may be looked at.",
            lambda filled: ~(triangle(filled) & filled[:, None, :]),
        ),
        Mistake(
            "a film does not see itself, and the first film sees nothing: the diagonal is missing.",
            lambda filled: triangle(filled, -1) & filled[:, None, :],
        ),
        Mistake(
            "each film sees one film of the future: the diagonal is moved.",
            lambda filled: triangle(filled, 1) & filled[:, None, :],
        ),
        Mistake(
            "the empty places may still be looked at.",
            lambda filled: triangle(filled).expand(len(filled), -1, -1),
        ),
        Mistake(
            "you emptied the rows of the empty places, not their columns: they can still be "
            "looked at.",
            lambda filled: triangle(filled) & filled[:, :, None],
        ),
        Mistake(
            "the order is lost: every film sees all films, also later ones.",
            lambda filled: filled[:, None, :].expand(-1, filled.shape[1], -1),
        ),
    ),
)

# --- 06.3 decayed Markov ----------------------------------------------------------------------


def markov_cases():
    """Arguments histories, user, n_items, decay, power."""
    return {
        "three users": ([[0, 1, 2], [1, 3, 0, 4], [2, 4, 1]], 0, 5, 0.5, 0.5),
        "film 5 is new: nobody likes it": ([[4, 0, 3, 1], [2, 1, 0], [0, 2]], 1, 6, 0.8, 1.0),
    }


def markov_with(
    gap_first=0,
    age_first=0,
    backward=False,
    divide="film",
    nearest=False,
    oldest=False,
    joined=False,
    flat=False,
):
    """Scores with something done in another way than it should be."""

    def scores(histories, user, n_items, decay, power):
        counts, popularity = torch.zeros(n_items, n_items), torch.zeros(n_items)
        for films in [list(chain(*histories))] if joined else histories:
            for late, film in enumerate(films):
                popularity[film] += 1
                for early in range(max(0, late - 1) if nearest else 0, late):
                    counts[films[early], film] += decay ** (late - early - 1 + gap_first)
        counts = counts.T if backward else counts
        popular = popularity.clamp(min=1) ** power
        latest = histories[user] if oldest else histories[user][::-1]
        result = torch.zeros(n_items)
        for age, film in enumerate(latest):
            worth = 1.0 if flat else decay ** (age + age_first)
            result += worth * counts[film] / (popular[film] if divide == "own" else 1)
        return result / popular if divide == "film" else result

    return scores


markov_scores = markov_with()

markov = Exercise(
    "06.3",
    "What comes next, by counting",
    hints=(
        "First the counts. In the history [0, 1, 2] film 1 comes one place after 0, film 2 one "
        "place after 1 and two places after 0: three pairs.",
        "counts[earlier, later] += decay ** (gap - 1), for all pairs of one user, then of the "
        "next. Neighbours have gap 1 and count 1.",
        "Then for the user: latest film times 1, the one before times decay, and so on: add up "
        "worth * counts[film]. Last, divide by n_i ** power, with n_i at least 1.",
    ),
    right=markov_scores,
    cases=markov_cases,
    mistakes=(
        Mistake(
            "your pairs point backward: you score what came before the user's films, not after.",
            markov_with(backward=True),
        ),
        Mistake(
            "neighbours are one place apart and count 1: the exponent of a pair is gap - 1.",
            markov_with(gap_first=1),
        ),
        Mistake(
            "both exponents are one too high: neighbours count 1, and so does the latest film.",
            markov_with(gap_first=1, age_first=1),
        ),
        Mistake("popularity is not divided out.", markov_with(divide="")),
        Mistake(
            "you divide by the likes of the user's own film; it is the scored film that must not "
            "win by popularity.",
            markov_with(divide="own"),
        ),
        Mistake(
            "only neighbours are counted; films further apart count too, only less.",
            markov_with(nearest=True),
        ),
        Mistake(
            "the user's oldest film counts most; it should be the latest.", markov_with(oldest=True)
        ),
        Mistake(
            "all films of the user count alike; each step back should be worth decay.",
            markov_with(flat=True),
        ),
        Mistake(
            "you count pairs across two users: one user's list ends before the next begins.",
            markov_with(joined=True),
        ),
    ),
)

# --- 06.4 because you watched -----------------------------------------------------------------


def numbers(*shape, seed=0):
    """Random numbers of this shape, the same every time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def watched_cases():
    """Arguments query, key, value, liked."""
    films = numbers(5, 4), numbers(5, 4, seed=1), numbers(5, 4, seed=2)
    return {
        "films 4, 1 and 2 are liked": (*films, torch.tensor([4, 1, 2])),
        "only film 3 is liked": (*films, torch.tensor([3])),
    }


def watched_with(weigh, scale=0.5, look=lambda query, value: query @ value.T):
    """Contributions with other weights, another scale, or another look-up."""

    def contributions(query, key, value, liked):
        other = torch.arange(len(query))[:, None] != liked
        return weigh(query @ key[liked].T * scale, other) * look(query, value[liked])

    return contributions


def softmax(scores, other):
    """Itself is seen as well."""
    return torch.softmax(scores, dim=-1)


def softmax_to_nan(scores, other):
    """Nothing to look at gives NaN."""
    return torch.softmax(scores.masked_fill(~other, -torch.inf), dim=-1)


because_you_watched = Exercise(
    "06.4",
    "Because you watched, but never itself",
    hints=(
        "Three steps for all candidates at once: scores (n_films, n_liked), weights, and the "
        "weights times v_j . q. Candidate i has the query of row i.",
        "Where is a candidate the liked film itself? torch.arange(n_films)[:, None] == liked. "
        "It must be out of the race before softmax.",
        "scores.masked_fill(itself, -torch.inf), softmax over the liked films. If the only liked "
        "film is the candidate, the row is NaN: nan_to_num(0.0).",
    ),
    right=watched_with(masked_softmax),
    cases=watched_cases,
    mistakes=(
        Mistake("a liked candidate looks at itself.", watched_with(softmax)),
        Mistake(
            "you took the film itself out after softmax: it had already taken weight away from "
            "the others.",
            watched_with(lambda scores, other: softmax(scores, other) * other),
        ),
        Mistake(
            "a score of 0 for itself still gets weight: exp(0) = 1. Use minus infinity.",
            watched_with(lambda scores, other: softmax(scores * other, other)),
        ),
        Mistake(
            "with no other liked film your row is NaN. Nothing was looked at: let it be zeros.",
            watched_with(softmax_to_nan),
        ),
        Mistake(
            "the scores are not divided by sqrt(d_k).", watched_with(masked_softmax, scale=1.0)
        ),
        Mistake(
            "these are the weights: each must be multiplied by v_j . q.",
            watched_with(masked_softmax, look=lambda query, value: 1.0),
        ),
        Mistake(
            "softmax runs over the candidates; each candidate shares its weight among the liked "
            "films.",
            watched_with(
                lambda scores, other: torch.softmax(scores.masked_fill(~other, -torch.inf), dim=0)
            ),
        ),
        Mistake(
            "no liked film is ever looked at by a liked candidate; only the film itself should "
            "be hidden.",
            watched_with(
                lambda scores, other: (
                    torch.softmax(scores, dim=-1) * other.all(dim=-1, keepdim=True)
                )
            ),
        ),
    ),
)

EXERCISES = [sampled_hit, causal_mask, markov, because_you_watched]
