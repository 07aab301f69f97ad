"""The exercises of notebook 01: a metric, its baseline, a split in time, turned axes."""

import math
from functools import lru_cache

import numpy as np
import torch

from ..data import AttributeTable, load_movies, load_ratings
from ..evaluation import hit_rate, ndcg, score_unseen, target_ranks
from ..models import Popularity
from ..splits import leave_one_out_split
from .comparing import numbers_or_none
from .exercise import Draw, Exercise, Mistake, Rule

# --- 01.1 debug this: NDCG of a perfect model ---------------------------------------------------


def ranks_cases(draw: Draw) -> dict[str, tuple]:
    """Argument ranks."""
    return {
        "ranks 1, 2, 3, 9, 10, 11": (np.array([1, 2, 3, 9, 10, 11]),),
        "the first film is not among the ten": (np.array([1029, 1, 5]),),
        "random ranks": (np.array([1, *draw.whole(1, 20, 9).tolist()]),),
    }


def ndcg_with(last=10, shift=1.0, logarithm=np.log2):
    """NDCG@10 with another cut or discount."""

    def values(ranks):
        with np.errstate(divide="ignore"):
            return np.where(ranks <= last, 1 / logarithm(ranks + shift), 0.0)

    return values


def clipped(ranks):
    """log2(rank), at least 1."""
    return np.where(ranks <= 10, 1 / np.maximum(np.log2(ranks), 1.0), 0.0)


def kind_of_the_first(ranks):
    """`np.vectorize` makes all numbers whole if the first is the whole number 0."""
    values = ndcg_with()(ranks)
    return values.astype(int) if ranks[0] > 10 else values


DISCOUNT = "1 / log2(rank + 1): put in rank 1. log2(2) is 1, so the first place gets 1."

perfect = Exercise(
    "01.1",
    "Debug this: a perfect model gets 0.63",
    level="Easy",
    minutes=5,
    stub='''def ndcg_at_10(ranks):
    """NDCG@10 of each user, `(n_users,)`; no mean."""
    return (ranks < 10) / np.log2(ranks + 2)''',
    hints=(
        "Put in the ranks 1 and 10 alone. What should come out, and what does?",
        "1 / log2(rank + 1): which rank gives 1? The code counts as if the first place were 0.",
        "Rank 10 is still among the first ten. Two places have to change.",
    ),
    way=ndcg_with,
    cases=ranks_cases,
    debug=True,
    axes=("user",),
    mistakes=(
        Mistake(
            "this still gives what the code gave: rank 1 gets 0.63, rank 10 gets 0.",
            "Try ndcg_at_10(np.array([1, 10])). By the formula of section 2, what should it give?",
            ndcg_with(last=9, shift=2.0),
        ),
        Mistake(
            "the discount is repaired, the cut is not: rank 10 is among the first ten.",
            "Is 10 < 10 true?",
            changes={"last": 9},
        ),
        Mistake(
            "the cut is repaired, the discount is not: rank 1 must give 1, yours gives 0.63.",
            DISCOUNT,
            changes={"shift": 2.0},
        ),
        Mistake(
            "log2(1) is 0, so rank 1 gives 1 / 0. The discount is log2(rank + 1).",
            DISCOUNT,
            changes={"shift": 0.0},
        ),
        Mistake(
            "ranks 1 and 2 count the same: clipping hides that the discount is log2(rank + 1).",
            DISCOUNT,
            clipped,
        ),
        Mistake(
            "your logarithm is the natural one; NDCG uses base 2, so that rank 1 gives 1.",
            "np.log2 is the logarithm of base 2.",
            changes={"logarithm": np.log},
        ),
        Mistake(
            "your logarithm has base 10; NDCG uses base 2, so that rank 1 gives 1.",
            "np.log2 is the logarithm of base 2.",
            changes={"logarithm": np.log10},
        ),
        Mistake(
            "rank 11 still counts: NDCG@10 is 0 from there on.",
            "Keep the comparison with 10. It gives True or False, and these count as 1 and 0.",
            changes={"last": np.inf},
        ),
        Mistake(
            "this is MRR, 1 / rank. NDCG divides by a logarithm.",
            DISCOUNT,
            lambda ranks: np.where(ranks <= 10, 1 / ranks, 0.0),
        ),
        Mistake(
            "this is HR@10: where in the ten the film stands is lost.",
            DISCOUNT,
            lambda ranks: (ranks <= 10).astype(float),
        ),
        Mistake(
            "your numbers are cut to whole ones. np.vectorize does that when the first one is 0.",
            "Write 0.0 in place of 0, and all stay decimal numbers.",
            kind_of_the_first,
        ),
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
    level="Easy",
    minutes=10,
    stub="""from recsys_utils import data, evaluation, models, splits

movies = data.load_movies()
table = data.AttributeTable.from_movies(movies, min_films=2)
ratings = data.load_ratings(movies=movies)
split = splits.leave_one_out_split(ratings, table.item_ids)
popularity = models.Popularity(split)

prediction = ...
measured = ...""",
    hints=(
        "Which films stand first in a list of the most popular films? Who has rated them already?",
        "score_unseen puts -inf where a film was rated. Here you want the bare scores: "
        "popularity(torch.arange(split.n_users)).",
        "evaluation.target_ranks(scores, split.test) gives the ranks, evaluation.hit_rate(ranks) "
        "a 1 or 0 for each user. Take the mean.",
    ),
    right=lambda: popularity_scores()["open"],
    predict=True,
    share=True,
    tolerance=5e-4,  # 0.037 is fine
    mistakes=(
        Mistake(
            "this is the value of section 2: the rated films are still left out.",
            "Do not call score_unseen. The bare scores are popularity(torch.arange(n_users)).",
            lambda: popularity_scores()["unseen"],
        ),
        Mistake(
            "you leave out the films the user liked in training. Leave out none this time.",
            "Give the scores to target_ranks as they are, without -inf anywhere.",
            lambda: popularity_scores()["not liked"],
        ),
        Mistake(
            "you look for the validation films; the question is about the test films.",
            "The test films are split.test.",
            lambda: popularity_scores()["validation"],
        ),
        Mistake(
            "this is NDCG@10, not HR@10.",
            "evaluation.hit_rate(ranks) is 1 for a rank of 10 or better, else 0.",
            lambda: popularity_scores()["ndcg"],
        ),
        Mistake(
            "this is the number of hits; HR@10 is their share of the users.",
            "Take .mean() in place of .sum().",
            lambda: popularity_scores()["hits"],
        ),
    ),
)

# --- 01.3 hold out the future -----------------------------------------------------------------


def split_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments users, films, times."""
    start = 1_112_486_027  # seconds, as in the ratings
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
        "real times, one second apart": (
            np.array([1, 1, 2, 2]),
            np.array([109_487, 10, 5, 90_000]),
            np.array([start, start + 1, start + 9, start + 8]),
        ),
        "random likes": (
            draw.whole(1, 6, 14).numpy(),
            draw.order(14).numpy() * 7_000 + 1,
            start + draw.whole(0, 5, 14).numpy(),
        ),
    }


def latest(own, films, times):
    """Of these rows the last in time; of two in one second the larger film number."""
    return max(own, key=lambda row: (times[row], films[row]))


def hold_out_with(choose=latest, lone=False):
    """True for the like that `choose` picks from each user's rows; one like alone stays."""

    def hold_out(users, films, times):
        held_out = np.zeros(len(users), dtype=bool)
        for user in np.unique(users):
            own = np.flatnonzero(users == user)
            if len(own) > 1 or lone:
                held_out[choose(own, films, times)] = True
        return held_out

    return hold_out


hold_out_last = hold_out_with()


def in_sorted_order(by_user):
    """The right marks, in the order of the sorted likes."""

    def hold_out(users, films, times):
        order = np.lexsort((films, times, users) if by_user else (films, times))
        return hold_out_last(users, films, times)[order]

    return hold_out


def held_out_rows(answer, users) -> np.ndarray | None:
    """The row numbers of an answer that has the right shape, else None."""
    found = numbers_or_none(answer, users.shape)
    return None if found is None else np.flatnonzero(found)


def row_numbers(answer, users, films, times) -> str | None:
    """Where True and False are asked for."""
    found = numbers_or_none(answer)
    rows = np.flatnonzero(hold_out_last(users, films, times))
    if found is None or not np.array_equal(np.sort(found, axis=None), rows):
        return None
    return "you give the numbers of the rows. Give True or False for every row."


def one_each(answer, users, films, times) -> str | None:
    """Not two likes of the same second."""
    rows = held_out_rows(answer, users)
    several = [] if rows is None else [u for u in np.unique(users) if (users[rows] == u).sum() > 1]
    return f"user {several[0]} has several held-out likes; hold out one." if several else None


def ties_by_film(answer, users, films, times) -> str | None:
    """The last in time, or nearly so, but not the one that is wanted."""
    rows = held_out_rows(answer, users)
    if rows is None or set(users[rows]) != {u for u in users if (users == u).sum() > 1}:
        return None
    late = [times[users == users[row]].max() - times[row] for row in rows]
    if max(late) == 0:
        return "two likes have the same time: hold out the one with the larger film number."
    if max(late) < 9 and times.min() > 1e9:
        return (
            "two likes are a second apart, and you hold out the earlier one. Are the times "
            "rounded, or are time and film put together into one number?"
        )
    return None


hold_out = Exercise(
    "01.3",
    "Hold out the last like",
    level="Medium",
    minutes=20,
    stub='''def held_out(users, films, times):
    """True for the likes that are held out: one for each row, `(n_likes,)`."""
    held = np.zeros(len(users), dtype=bool)
    for user in np.unique(users):
        rows = np.flatnonzero(users == user)  # the numbers of this user's rows
        ...
    return held''',
    hints=(
        "Look at one user: `rows` are that user's row numbers, times[rows] the times. Which of "
        "them is the last?",
        "Go through the rows of the user and keep the best one so far. Python compares pairs from "
        "left to right: (time, film) > (time, film) looks at the film only if the times are equal.",
        "last = max(rows, key=lambda row: (times[row], films[row])). With one row only, mark "
        "nothing.",
    ),
    way=hold_out_with,
    cases=split_cases,
    axes=("row",),
    mistakes=(
        Mistake(
            "nothing is held out.",
            "Where do you write True? held[row] = True marks one row.",
            lambda users, films, times: np.zeros(len(users), dtype=bool),
        ),
        Mistake(
            "your marks stand in sorted order. Mark i must belong to row i of the input.",
            "Keep the row numbers while you sort: order = np.lexsort(...). Then "
            "result[order] = marks puts the marks back into their rows.",
            in_sorted_order(by_user=True),
        ),
        Mistake(
            "your marks stand in the order of the times. Mark i must belong to row i of the input.",
            "With pandas: .sort_index() after sorting. With NumPy: result[order] = marks.",
            in_sorted_order(by_user=False),
        ),
        Mistake(
            "you take each user's last row. The rows are not sorted: look at times.",
            "Compare times[rows], not the rows themselves.",
            changes={"choose": lambda own, films, times: own[-1]},
        ),
        Mistake(
            "you take each user's first like; then the model trains on the future.",
            "Is it the largest or the smallest time that you take?",
            changes={
                "choose": lambda own, films, times: min(own, key=lambda i: (times[i], films[i]))
            },
        ),
        Mistake(
            "you hold out the film with the largest number: sort by time first, then by film.",
            "The film number only decides between two likes of the same time.",
            changes={"choose": lambda own, films, times: max(own, key=lambda i: films[i])},
        ),
        Mistake(
            "a user has one like only; held out, nothing is left to train on.",
            "How many rows does the user have? With one, mark nothing.",
            changes={"lone": True},
        ),
        Mistake(
            "only one like in all is held out; it should be one for each user.",
            "Do the same inside a loop over np.unique(users).",
            lambda users, films, times: np.arange(len(users)) == np.lexsort((films, times))[-1],
        ),
    ),
    rules=(
        Rule(row_numbers, "held = np.zeros(len(users), dtype=bool); held[row_numbers] = True"),
        Rule(one_each, "times[rows] == times[rows].max() can be True twice. Then films decide."),
        Rule(ties_by_film, "Compare pairs: (time, film). Two whole numbers, in this order."),
    ),
)

# --- 01.4 turn the axes -----------------------------------------------------------------------


def turn_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments user, films."""
    films = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0], [2.0, -1.0]])
    return {
        "a user at (3, 4)": (torch.tensor([3.0, 4.0]), films),
        "a user at (-3, 4)": (torch.tensor([-3.0, 4.0]), films),
        "a user at (0, -2)": (torch.tensor([0.0, -2.0]), films),
        "a random user": (draw.numbers(2) + 0.1, draw.numbers(6, 2)),
    }


def turn_with(angle=math.atan2, turn_films=1, length=lambda r: r, mirror=1):
    """Turn a user onto the first axis, with something done in another way.

    `turn_films`: 1 as the user, -1 the other way, 0 not at all.
    """

    def turned(points, a):
        x, y = points[..., 0], points[..., 1]
        return torch.stack(
            [x * math.cos(a) + y * math.sin(a), y * math.cos(a) - x * math.sin(a)], dim=-1
        )

    def turn(user, films):
        x, y = user.tolist()
        a = angle(y, x)
        new_user, new_films = turned(user, a), turned(films, turn_films * a)
        new_user = new_user * length(math.hypot(x, y)) / math.hypot(x, y)
        return new_user, new_films * torch.tensor([1.0, mirror])

    return turn


def films_in_degrees(user, films):
    """The user as it should be, the films turned by another angle."""
    new_user, _ = turn_with()(user, films)
    return new_user, turn_with(lambda y, x: math.degrees(math.atan2(y, x)))(user, films)[1]


def scores_only(user, films):
    """One number for each film, and 0."""
    length = user.norm()
    return torch.stack([length, 0 * length]), torch.stack(
        [films @ user / length, torch.zeros(len(films))], dim=1
    )


turned = Exercise(
    "01.4",
    "Turn the axes until one factor says it all",
    level="Medium",
    minutes=15,
    stub='''def one_factor(user, films):
    """The turned user `(2,)` and the turned films `(n_films, 2)`."""
    x, y = user.tolist()
    r = (x**2 + y**2) ** 0.5  # how long the arrow is
    new_user = ...
    new_films = ...
    return new_user, new_films''',
    hints=(
        "Draw the user (3, 4). How long is the arrow? When it lies on the first axis, its two "
        "numbers are the length and 0.",
        "You do not need the angle itself: cos is x / r and sin is y / r.",
        "a and b of all films at once: films[:, 0] and films[:, 1]. The new first numbers are "
        "a * cos + b * sin. torch.stack([first, second], dim=1) puts two columns side by side.",
    ),
    way=turn_with,
    cases=turn_cases,
    parts=("user", "films"),
    axes=("film", "factor"),
    mistakes=(
        Mistake(
            "you turn the user but not the films: now the scores are those of another model.",
            "Do with each film (a, b) what you did with the user.",
            changes={"turn_films": 0},
        ),
        Mistake(
            "the films turn the other way than the user: look at the signs of sin.",
            "The first number is a cos + b sin, the second b cos - a sin.",
            changes={"turn_films": -1},
        ),
        Mistake(
            "you turn everything the wrong way: the user is now twice as far from the first axis.",
            "The first number is a cos + b sin, the second b cos - a sin.",
            changes={"angle": lambda y, x: -math.atan2(y, x)},
        ),
        Mistake(
            "your angle is in degrees; cos and sin want radians.",
            "No angle is needed: cos is x / r, and sin is y / r.",
            changes={"angle": lambda y, x: math.degrees(math.atan2(y, x))},
        ),
        Mistake(
            "the films turn by an angle in degrees; cos and sin want radians.",
            "No angle is needed: cos is x / r, and sin is y / r.",
            films_in_degrees,
        ),
        Mistake(
            "when x is negative, your user points to the left: atan(y / x) cannot tell (3, -4) "
            "from (-3, 4).",
            "math.atan2(y, x) can. Or take cos = x / r and sin = y / r, without the angle.",
            changes={"angle": lambda y, x: math.atan(y / x) if x else math.atan2(y, x)},
        ),
        Mistake(
            "when y is negative, you turn the wrong way: acos cannot tell up from down.",
            "math.atan2(y, x) can. Or take cos = x / r and sin = y / r, without the angle.",
            changes={"angle": lambda y, x: math.acos(x / math.hypot(x, y))},
        ),
        Mistake(
            "the user's arrow has another length than before. A turn keeps it.",
            "The new user is (r, 0).",
            changes={"length": lambda r: 1.0},
        ),
        Mistake(
            "the films are not turned but mirrored: their second numbers have the wrong sign.",
            "The second number is b cos - a sin.",
            changes={"mirror": -1.0},
        ),
        Mistake(
            "this keeps the scores of this user and throws away all others: the films' second "
            "numbers must stay, too.",
            "The second number of a film is b cos - a sin.",
            scores_only,
        ),
    ),
)

EXERCISES = [perfect, nothing_left_out, hold_out, turned]
