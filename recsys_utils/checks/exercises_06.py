"""The exercises of notebook 06: applications."""

from itertools import chain
from math import comb

import torch

from ..attention import masked_softmax
from .comparing import numbers_or_none
from .exercise import Draw, Exercise, Mistake, Rule

# --- 06.1 predict, then measure ---------------------------------------------------------------


def hit_with(better=79, others=999, drawn=100, at_least=0, at_most=9):
    """Chance that so many of the better films are among those drawn without return."""

    def chance():
        ways = sum(
            comb(better, k) * comb(others - better, drawn - k)
            for k in range(at_least, at_most + 1)
        )
        return ways / comb(others, drawn)

    return chance


sampled_hit = Exercise(
    "06.1",
    "Predict, then measure: place 80 is a hit",
    level="Medium",
    minutes=15,
    stub="""prediction = ...
measured = ...""",
    hints=(
        "79 of the 999 other films are better. Among 100 drawn films, about how many of the 79 "
        "do you expect?",
        "It is a hit if at most 9 of the better films are drawn. Draw many times and count: "
        "np.random.default_rng().hypergeometric(79, 920, 100, 100_000) gives the number of better "
        "films in 100,000 draws.",
        "The share of these numbers that are at most 9: (numbers <= 9).mean().",
    ),
    way=hit_with,
    predict=True,
    share=True,
    tolerance=4e-3,  # five times the standard error of 100,000 draws
    mistakes=(
        Mistake(
            "this is the hit in the full ranking: place 80 is not among the ten. Rank among the "
            "drawn films.",
            "How many of the 79 better films are among the 100 drawn ones?",
            lambda: 0.0,
        ),
        Mistake(
            "10 better films in front mean rank 11: for HR@10 at most 9 may be drawn.",
            "<= 9, or < 10.",
            changes={"at_most": 10},
        ),
        Mistake(
            "8 better films in front mean rank 9; with 9 in front it is still among the ten.",
            "<= 9, or < 10.",
            changes={"at_most": 8},
        ),
        Mistake(
            "this is the chance of exactly 9 better films; 0 to 8 are hits as well.",
            "<= 9, not == 9.",
            changes={"at_least": 9},
        ),
        Mistake(
            "this is the chance of a miss: take 1 minus it.",
            "At most 9 better films are a hit, 10 or more a miss.",
            lambda: 1 - hit_with()(),
        ),
        Mistake(
            "this is what a model that knows nothing gets. Here only 79 of 999 films are better.",
            "How many of the 79 better films are among the 100 drawn ones?",
            lambda: 10 / 101,
        ),
        Mistake(
            "you count 80 better films: the test film is one of the 80. 79 stand in front of it.",
            "79 better, 920 others.",
            changes={"better": 80},
        ),
    ),
)

# --- 06.2 debug this: the causal mask ---------------------------------------------------------


def mask_cases(draw: Draw) -> dict[str, tuple]:
    """Argument filled: empty places come first."""
    empty = draw.whole(0, 6, 4)
    return {
        "3 films": (torch.tensor([[True, True, True]]),),
        "2 films after 2 empty places": (torch.tensor([[False, False, True, True]]),),
        "random histories": (torch.arange(6) >= empty[:, None],),
    }


def causal_with(
    diagonal=0, turn=lambda mask: mask, empty=lambda filled: filled[:, None, :],
    finish=lambda mask: mask,
):  # fmt: skip
    """True where a row may look; with something done in another way."""

    def causal_mask(filled):
        n = filled.shape[1]
        triangle = turn(torch.ones(n, n, dtype=torch.bool).tril(diagonal))
        return finish((triangle & empty(filled)).expand(len(filled), n, n))

    return causal_mask


def upper(filled):
    """The faulty function of the stub."""
    n_users, n = filled.shape
    return torch.ones(n_users, n, n, dtype=torch.bool).triu()


def added(mask):
    """For scores + mask."""
    return torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)


causal_mask = Exercise(
    "06.2",
    "Debug this: the model knows the future",
    level="Medium",
    minutes=15,
    stub='''def causal_mask(filled):
    """True where a place (row) may look (column): `(n_users, n, n)`."""
    n_users, n = filled.shape
    mask = torch.ones(n_users, n, n, dtype=torch.bool)
    return mask.triu()''',
    hints=(
        "Print the mask of the first user. A row is the film that looks. What may the first row "
        "see, what the last?",
        "Rows look to the left: tril(), with the diagonal. Then the empty places: who must not be "
        "looked at, a row or a column?",
        "mask.tril() & filled[:, None, :] hides the empty places as columns, in every row.",
    ),
    way=causal_with,
    cases=mask_cases,
    debug=True,
    axes=("user", "row", "column"),
    mistakes=(
        Mistake(
            "this still gives what the code gave: each film sees the future.",
            "Which triangle is left of the diagonal, tril or triu?",
            upper,
        ),
        Mistake(
            "each film still sees itself and the future: the triangle is the wrong way round.",
            "tril() keeps what is left of the diagonal.",
            changes={"turn": lambda mask: mask.T},
        ),
        Mistake(
            "your mask is inverted: True means that a place may be looked at.",
            "~mask turns it round.",
            changes={"finish": lambda mask: ~mask},
        ),
        Mistake(
            "a film does not see itself, and the first film sees nothing: the diagonal is missing.",
            "tril() without an argument keeps the diagonal.",
            changes={"diagonal": -1},
        ),
        Mistake(
            "each film sees one film of the future: the diagonal is moved.",
            "tril() without an argument ends at the diagonal.",
            changes={"diagonal": 1},
        ),
        Mistake(
            "the empty places may still be looked at.",
            "& filled[:, None, :]",
            changes={"empty": lambda filled: torch.ones_like(filled)[:, None, :]},
        ),
        Mistake(
            "you emptied the rows of the empty places, not their columns: they can still be "
            "looked at.",
            "filled[:, None, :] is one row for each user, and hides columns.",
            changes={"empty": lambda filled: filled[:, :, None]},
        ),
        Mistake(
            "the order is lost: every film sees all films, also later ones.",
            "& with tril() of ones.",
            changes={"turn": torch.ones_like},
        ),
        Mistake(
            "these are numbers to be added to scores. Asked are True and False.",
            "True where a place may be looked at: no -inf, no softmax.",
            changes={"finish": added},
        ),
        Mistake(
            "these are numbers to be added to scores. Asked are True and False.",
            "True where a place may be looked at: no -1e9, no softmax.",
            changes={"finish": lambda mask: added(mask).clamp(min=-1e9)},
        ),
    ),
)

# --- 06.3 decayed Markov ----------------------------------------------------------------------


def markov_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments histories, user, n_items, decay, power."""
    random = [draw.order(7)[: int(draw.whole(1, 7, 1))].tolist() for _ in range(5)]
    return {
        "three users": ([[0, 1, 2], [1, 3, 0, 4], [2, 4, 1]], 0, 5, 0.5, 0.5),
        "film 5 is new: nobody likes it": ([[4, 0, 3, 1], [2, 1, 0], [0, 2]], 1, 6, 0.8, 1.0),
        "random users": ([*random, [0, 6, 1, 2, 3, 4, 5]], 5, 7, 0.7, 0.4),
    }


def markov_with(
    first=0,
    backward=False,
    divide="film",
    nearest=False,
    latest_first=True,
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
                    counts[films[early], film] += decay ** (late - early - 1)
        counts = counts.T if backward else counts
        popular = popularity.clamp(min=1) ** power
        result = torch.zeros(n_items)
        for age, film in enumerate(histories[user][::-1] if latest_first else histories[user]):
            worth = 1.0 if flat else decay**age
            result += worth * decay**first * counts[film] / (popular[film] if divide == "own" else 1)
        return result / popular if divide == "film" else result

    return scores


def nan_for_new_films(answer, histories, user, n_items, decay, power) -> str | None:
    """0 / 0."""
    found = numbers_or_none(answer, (n_items,))
    liked = set(chain(*histories))
    if found is None or not any(found[i] != found[i] for i in range(n_items) if i not in liked):
        return None
    return "a film that nobody likes gives 0 / 0 = NaN. Divide by max(n_i, 1)."


PAIR = "counts[earlier, later] += decay ** (gap - 1)"

markov = Exercise(
    "06.3",
    "What comes next, by counting",
    level="Hard",
    minutes=25,
    stub='''def next_scores(histories, user, n_items, decay, power):
    """The scores of films 0 to n_items - 1, `(n_items,)`."""
    counts = torch.zeros(n_items, n_items)  # counts[j, i]: how often i comes after j
    likes = torch.zeros(n_items)
    for films in histories:
        ...
    scores = torch.zeros(n_items)
    ...
    return scores''',
    hints=(
        "First the counts. In the history [0, 1, 2] film 1 comes one place after 0, film 2 one "
        "place after 1 and two places after 0: three pairs.",
        "counts[earlier, later] += decay ** (gap - 1), for all pairs of one user, then of the "
        "next. Neighbours have gap 1 and count 1.",
        "Then for the user: latest film times 1, the one before times decay, and so on: add up "
        "worth * counts[film]. Last, divide by likes ** power, with likes at least 1.",
    ),
    way=markov_with,
    cases=markov_cases,
    axes=("film",),
    mistakes=(
        Mistake(
            "all scores are 0.",
            "Do the loops write into counts? " + PAIR,
            lambda histories, user, n_items, decay, power: torch.zeros(n_items),
        ),
        Mistake(
            "your pairs point backward: you score what came before the user's films, not after.",
            PAIR,
            changes={"backward": True},
        ),
        Mistake(
            "all scores are too small by one decay: an exponent is one too high. Neighbours count "
            "1 (gap - 1), and so does the user's latest film (a - 1).",
            "decay ** 0 is 1. Which of your two exponents begins at 1?",
            changes={"first": 1},
        ),
        Mistake(
            "all scores are too small by two decays: both exponents are one too high. Neighbours "
            "count 1, and so does the latest film.",
            "decay ** 0 is 1. Both exponents should begin at 0.",
            changes={"first": 2},
        ),
        Mistake(
            "popularity is not divided out.",
            "scores / likes.clamp(min=1) ** power",
            changes={"divide": ""},
        ),
        Mistake(
            "you divide by the likes of the user's own film; it is the scored film that must not "
            "win by popularity.",
            "Divide at the end: scores / likes.clamp(min=1) ** power",
            changes={"divide": "own"},
        ),
        Mistake(
            "only neighbours are counted; films further apart count too, only less.",
            "Two loops: for every film, all films after it.",
            changes={"nearest": True},
        ),
        Mistake(
            "the user's oldest film counts most; it should be the latest.",
            "reversed(histories[user]) begins with the latest.",
            changes={"latest_first": False},
        ),
        Mistake(
            "all films of the user count alike; each step back should be worth decay.",
            "worth = decay ** age, with age 0 for the latest.",
            changes={"flat": True},
        ),
        Mistake(
            "you count pairs across two users: one user's list ends before the next begins.",
            "The loop over places belongs inside `for films in histories`.",
            changes={"joined": True},
        ),
    ),
    rules=(Rule(nan_for_new_films, "likes.clamp(min=1) makes every number at least 1."),),
)

# --- 06.4 because you watched -----------------------------------------------------------------


def watched_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments query, key, value, liked."""
    query = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    key = torch.tensor([[2.0, 1.0], [0.0, 1.0], [1.0, -1.0]])
    value = torch.tensor([[1.0, 0.0], [3.0, 1.0], [0.0, 2.0]])
    films = draw.numbers(7, 4), draw.numbers(7, 4), draw.numbers(7, 4)
    return {
        "films 2 and 0 are liked": (query, key, value, torch.tensor([2, 0])),
        "only film 1 is liked": (query, key, value, torch.tensor([1])),
        "random films": (*films, draw.order(7)[:4]),
    }


def watched_with(
    weigh=masked_softmax, scale=lambda d: d**0.5, look=lambda query, value: query @ value.T,
    hide=lambda n, liked: torch.arange(n)[:, None] == liked,
):  # fmt: skip
    """Contributions with other weights, another scale, or another look-up."""

    def contributions(query, key, value, liked):
        other = ~hide(len(query), liked)
        scores = query @ key[liked].T / scale(query.shape[1])
        return weigh(scores, other) * look(query, value[liked])

    return contributions


def softmax(scores, other):
    """Itself is seen as well."""
    return torch.softmax(scores, dim=-1)


def softmax_to_nan(scores, other):
    """Nothing to look at gives NaN."""
    return torch.softmax(scores.masked_fill(~other, -torch.inf), dim=-1)


def over_candidates(scores, other):
    """Softmax along the wrong axis."""
    return torch.softmax(scores.masked_fill(~other, -torch.inf), dim=0)


HIDE = "itself = torch.arange(n_films)[:, None] == liked; scores.masked_fill(itself, -torch.inf)"

because_you_watched = Exercise(
    "06.4",
    "Because you watched, but never itself",
    level="Hard",
    minutes=20,
    stub='''def watched_contributions(query, key, value, liked):
    """One row for each candidate, one column for each liked film."""
    n_films, d_k = query.shape
    scores = query @ key[liked].T / d_k**0.5  # (n_films, n_liked)
    ...
    return ...''',
    hints=(
        "Three steps for all candidates at once: scores (n_films, n_liked), weights, and the "
        "weights times v_j · q, which is query @ value[liked].T.",
        "Where is a candidate the liked film itself? torch.arange(n_films)[:, None] == liked. "
        "It must be out of the race before softmax.",
        "scores.masked_fill(itself, -torch.inf), softmax over the liked films (dim=1). If the only "
        "liked film is the candidate, the row is NaN: nan_to_num(0.0).",
    ),
    way=watched_with,
    cases=watched_cases,
    axes=("candidate", "liked film"),
    mistakes=(
        Mistake("a liked candidate looks at itself.", HIDE, changes={"weigh": softmax}),
        Mistake(
            "you took the film itself out after softmax: it had already taken weight away from "
            "the others.",
            HIDE,
            changes={"weigh": lambda scores, other: softmax(scores, other) * other},
        ),
        Mistake(
            "a score of 0 for itself still gets weight: exp(0) = 1. Use minus infinity.",
            HIDE,
            changes={"weigh": lambda scores, other: softmax(scores * other, other)},
        ),
        Mistake(
            "with no other liked film your row is NaN. Nothing was looked at: let it be zeros.",
            "weights.nan_to_num(0.0)",
            changes={"weigh": softmax_to_nan},
        ),
        Mistake(
            "with no other liked film your row has weights, because -1e9 stands in all its places. "
            "Nothing was looked at: let it be zeros.",
            "weights.masked_fill(itself, 0.0) after softmax.",
            changes={
                "weigh": lambda scores, other: softmax(scores.masked_fill(~other, -1e9), other)
            },
        ),
        Mistake(
            "the scores are not divided by sqrt(d_k).",
            "query @ key[liked].T / d_k**0.5",
            changes={"scale": lambda d: 1.0},
        ),
        Mistake(
            "these are the weights: each must be multiplied by v_j · q.",
            "weights * (query @ value[liked].T)",
            changes={"look": lambda query, value: 1.0},
        ),
        Mistake(
            "softmax runs over the candidates; each candidate shares its weight among the liked "
            "films.",
            "torch.softmax(scores, dim=1)",
            changes={"weigh": over_candidates},
        ),
        Mistake(
            "no liked film is ever looked at by a liked candidate; only the film itself should "
            "be hidden.",
            HIDE,
            changes={
                "weigh": lambda scores, other: (
                    softmax(scores, other) * other.all(dim=-1, keepdim=True)
                )
            },
        ),
        Mistake(
            "torch.eye hides column 0 from candidate 0, whatever film stands in column 0.",
            HIDE,
            changes={"hide": lambda n, liked: torch.eye(n, len(liked), dtype=torch.bool)},
        ),
        Mistake(
            "the mask is the wrong way round: only the film itself is looked at.",
            "masked_fill fills where it finds True: that must be the film itself.",
            changes={"weigh": lambda scores, other: masked_softmax(scores, ~other)},
        ),
    ),
)

EXERCISES = [sampled_hit, causal_mask, markov, because_you_watched]
