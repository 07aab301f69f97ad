"""The exercises of notebook 01: a metric, its baseline, a split in time, turned axes."""

from functools import lru_cache

import numpy as np
import torch

from ..data import AttributeTable, load_movies, load_ratings
from ..evaluation import hit_rate, ndcg, reciprocal_rank, score_unseen, target_ranks
from ..models import Popularity
from ..splits import leave_one_out_split
from .comparing import AnswerError, close, compare, to_numbers
from .exercise import Exercise, Mistake

# --- 01.1 debug this: NDCG of a perfect model ---------------------------------------------------


def ranks_cases() -> dict[str, tuple]:
    """Argument ranks."""
    return {"ranks 1, 2, 3, 9, 10, 11": (np.array([1, 2, 3, 9, 10, 11]),)}


def ndcg_with(last=10, shift=1.0, logarithm=torch.log2):
    """NDCG@10 with another cut or discount."""

    def values(ranks):
        ranks = torch.as_tensor(ranks).double()
        return (ranks <= last).double() / logarithm(ranks + shift)

    return values


def of_ranks(metric):
    """One of the package's metrics, for ranks as the learner gets them."""
    return lambda ranks: metric(torch.as_tensor(ranks))


perfect = Exercise(
    "01.1",
    "Debug this: a perfect model gets 0.63",
    hints=(
        "Put in the ranks 1 and 10 alone. What should come out, and what does?",
        "1 / log2(rank + 1): which rank gives 1? The code counts as if the first place were 0.",
        "Rank 10 is still among the first ten. Two places have to change.",
    ),
    right=of_ranks(ndcg),
    cases=ranks_cases,
    given=ndcg_with(last=9, shift=2.0),
    mistakes=(
        Mistake(
            "the discount is repaired, the cut is not: rank 10 is among the first ten.",
            ndcg_with(last=9),
        ),
        Mistake(
            "the cut is repaired, the discount is not: rank 1 must give 1, yours gives 0.63.",
            ndcg_with(shift=2.0),
        ),
        Mistake(
            "log2(1) is 0, so rank 1 gives 1 / 0. The discount is log2(rank + 1).",
            ndcg_with(shift=0.0),
        ),
        Mistake(
            "ranks 1 and 2 count the same: clipping hides that the discount is log2(rank + 1).",
            ndcg_with(shift=0.0, logarithm=lambda x: torch.log2(x).clamp(min=1.0)),
        ),
        Mistake(
            "your logarithm is the natural one; NDCG uses base 2, so that rank 1 gives 1.",
            ndcg_with(logarithm=torch.log),
        ),
        Mistake(
            "your logarithm has base 10; NDCG uses base 2, so that rank 1 gives 1.",
            ndcg_with(logarithm=torch.log10),
        ),
        Mistake("rank 11 still counts: NDCG@10 is 0 from there on.", ndcg_with(last=float("inf"))),
        Mistake("this is MRR, 1 / rank. NDCG divides by a logarithm.", of_ranks(reciprocal_rank)),
        Mistake("this is HR@10: where in the ten the film stands is lost.", of_ranks(hit_rate)),
    ),
)

# --- 01.2 predict, then measure: popularity with nothing left out -----------------------------


@lru_cache(maxsize=1)
def popularity_scores() -> dict[str, float]:
    """What popularity gets, measured in several ways."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies, min_films=2)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    model = Popularity(split)
    scores = model(torch.arange(split.n_users))
    ranks = target_ranks(scores, split.test)
    not_liked = scores.masked_fill(split.likes() > 0, -torch.inf)

    def share(ranks):
        return hit_rate(ranks).mean().item()

    return {
        "open": share(ranks),
        "unseen": share(target_ranks(score_unseen(model, split), split.test)),
        "not liked": share(target_ranks(not_liked, split.test)),
        "validation": share(target_ranks(scores, split.validation)),
        "ndcg": ndcg(ranks).mean().item(),
        "hits": hit_rate(ranks).sum().item(),
    }


nothing_left_out = Exercise(
    "01.2",
    "Predict, then measure: nothing is left out",
    hints=(
        "Which films stand first in a list of the most popular films? Who has rated them already?",
        "score_unseen puts -inf where a film was rated. Here you want the bare scores: "
        "popularity(torch.arange(split.n_users)).",
        "target_ranks(scores, split.test) gives the ranks, hit_rate(ranks) a 1 or 0 for each user. "
        "Take the mean.",
    ),
    right=lambda: popularity_scores()["open"],
    predict=True,
    tolerance=5e-4,  # 0.037 is fine
    mistakes=(
        Mistake(
            "this is the value of section 2: the rated films are still left out.",
            lambda: popularity_scores()["unseen"],
        ),
        Mistake(
            "you leave out the films the user liked in training. Leave out none this time.",
            lambda: popularity_scores()["not liked"],
        ),
        Mistake(
            "you look for the validation films; the question is about the test films.",
            lambda: popularity_scores()["validation"],
        ),
        Mistake("this is NDCG@10, not HR@10.", lambda: popularity_scores()["ndcg"]),
        Mistake(
            "this is the number of hits; HR@10 is their share of the users.",
            lambda: popularity_scores()["hits"],
        ),
    ),
)

# --- 01.3 hold out the future -----------------------------------------------------------------


def split_cases() -> dict[str, tuple]:
    """Arguments users, films, times."""
    return {
        "likes in any order": (
            np.array([3, 1, 3, 1, 8, 3, 8, 8]),
            np.array([50, 20, 10, 40, 60, 30, 70, 20]),
            np.array([500, 200, 100, 120, 310, 410, 330, 320]),
        ),
        "likes in the same second": (
            np.array([2, 2, 5, 2, 5, 5]),
            np.array([90, 30, 40, 10, 80, 20]),
            np.array([700, 700, 600, 650, 600, 550]),
        ),
        "a user with one like": (
            np.array([4, 9, 9]),
            np.array([10, 20, 30]),
            np.array([900, 800, 810]),
        ),
    }


def hold_out_last(users, films, times):
    """True for each user's last like; ties go to the larger film number; one like stays."""
    held_out = np.zeros(len(users), dtype=bool)
    for user in np.unique(users):
        own = np.flatnonzero(users == user)
        if len(own) > 1:
            held_out[max(own, key=lambda row: (times[row], films[row]))] = True
    return held_out


def per_user(choose):
    """Hold out the likes that `choose` picks from a user's rows, if there are two or more."""

    def hold_out(users, films, times):
        held_out = np.zeros(len(users), dtype=bool)
        for user in np.unique(users):
            own = np.flatnonzero(users == user)
            if len(own) > 1:
                held_out[choose(own, films, times)] = True
        return held_out

    return hold_out


def held_out_rows(answer, users) -> np.ndarray | None:
    """The row numbers of an answer that has the right shape, else None."""
    try:
        numbers = to_numbers(answer)
    except AnswerError:
        return None
    return np.flatnonzero(numbers) if numbers.shape == users.shape else None


def keeps_lone_likes(answer, users, films, times) -> str | None:
    """A user needs something to train on."""
    rows = held_out_rows(answer, users)
    lone = [] if rows is None else [users[row] for row in rows if (users == users[row]).sum() == 1]
    if not lone:
        return None
    return f"user {lone[0]} has one like only; held out, nothing is left to train on."


def one_each(answer, users, films, times) -> str | None:
    """Not two likes of the same second."""
    rows = held_out_rows(answer, users)
    several = [] if rows is None else [u for u in np.unique(users) if (users[rows] == u).sum() > 1]
    return f"user {several[0]} has several held-out likes; hold out one." if several else None


def ties_by_film(answer, users, films, times) -> str | None:
    """The last in time, but not the one that the rule for ties wants."""
    rows = held_out_rows(answer, users)
    if rows is None or set(users[rows]) != {u for u in users if (users == u).sum() > 1}:
        return None
    if all(times[row] == times[users == users[row]].max() for row in rows):
        return "two likes have the same time: hold out the one with the larger film number."
    return None


hold_out = Exercise(
    "01.3",
    "Hold out the last like",
    hints=(
        "The rows have no order. Look at one user: users == user gives that user's rows.",
        "Sort by (time, film) and take the last row: then ties go to the larger film number. "
        "np.lexsort((films, times, users)) sorts all users at once.",
        "Count each user's likes. With one like only, mark nothing.",
    ),
    right=hold_out_last,
    cases=split_cases,
    mistakes=(
        Mistake(
            "True should mark what is held out; yours marks what is left for training.",
            lambda *likes: ~hold_out_last(*likes),
        ),
        Mistake(
            "you take each user's last row. The rows are not sorted: look at times.",
            per_user(lambda own, films, times: own[-1]),
        ),
        Mistake(
            "you take each user's first like; then the model trains on the future.",
            per_user(lambda own, films, times: min(own, key=lambda i: (times[i], films[i]))),
        ),
        Mistake(
            "you hold out the film with the largest number: sort by time first, then by film.",
            per_user(lambda own, films, times: max(own, key=lambda i: films[i])),
        ),
        Mistake(
            "only one like in all is held out; it should be one for each user.",
            lambda users, films, times: np.arange(len(users)) == np.lexsort((films, times))[-1],
        ),
    ),
    rules=(keeps_lone_likes, one_each, ties_by_film),
)

# --- 01.4 turn the axes -----------------------------------------------------------------------


def turn_cases() -> dict[str, tuple]:
    """Arguments user, films."""
    random = torch.Generator().manual_seed(0)
    films = torch.randn(8, 5, generator=random, dtype=torch.float64)
    user = torch.randn(5, generator=random, dtype=torch.float64)
    on_axis = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    return {
        "5 factors, 8 films": (user, films),
        "the user lies on the first axis already": (on_axis, films[:4, :3]),
    }


def keeps_shapes(answer, user, films) -> str | None:
    """Two things, of the shapes they had, without NaN."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "give back two things: the turned user and the turned films."
    for name, old, new in zip(("user", "films"), (user, films), answer):
        numbers = to_numbers(new, f"your turned {name}")
        if numbers.shape != tuple(old.shape):
            return f"your turned {name} has shape {numbers.shape}, it was {tuple(old.shape)}."
        if np.isnan(numbers).any():
            return f"your turned {name} holds NaN: did you divide by a length that can be 0?"
    return None


def keeps_length(answer, user, films) -> str | None:
    """A rotation does not make the user's vector longer or shorter."""
    old, new = np.linalg.norm(user), np.linalg.norm(to_numbers(answer[0]))
    if close(old, new, 1e-4):
        return None
    return f"the user's vector had length {old:.4f}, now {new:.4f}. A rotation keeps it."


def one_factor_only(answer, user, films) -> str | None:
    """Only the first number of the user is not 0."""
    numbers = to_numbers(answer[0])
    if close(np.zeros(len(numbers) - 1), numbers[1:], 1e-4).all():
        return None
    return f"the user still has numbers on other axes than the first: {numbers.round(4)}."


def keeps_scores(answer, user, films) -> str | None:
    """The dot product of this user with every film."""
    turned_user, turned_films = map(to_numbers, answer)
    try:
        compare((films @ user).numpy(), turned_films @ turned_user, what="the scores")
    except AnswerError as error:
        return f"the model changed. Turn user and films by the same rotation: {error}"
    return None


def keeps_angles(answer, user, films) -> str | None:
    """The dot products among films, so that the rest of the model stays too."""
    turned = to_numbers(answer[1])
    if close((films @ films.T).numpy(), turned @ turned.T, 1e-4).all():
        return None
    return (
        "the scores of this user stay, but lengths or angles of the films do not: "
        "other users would get other scores."
    )


turned = Exercise(
    "01.4",
    "Turn the axes until one factor says it all",
    hints=(
        "Look for a matrix R whose columns have length 1 and are at right angles. Then user @ R "
        "and films @ R give the same scores as before. Which column makes user @ R = (length, 0, "
        "..., 0)?",
        "The first column of R must point in the user's direction; the others may be any that are "
        "at right angles to it.",
        "np.linalg.qr of a matrix whose first column is the user's vector, and whose other columns "
        "are random, gives such an R.",
    ),
    cases=turn_cases,
    rules=(keeps_shapes, keeps_length, one_factor_only, keeps_scores, keeps_angles),
)

EXERCISES = [perfect, nothing_left_out, hold_out, turned]
