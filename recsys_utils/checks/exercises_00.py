"""The exercises of notebook 00: counting, a mask, broadcasting, a training step, intervals."""

from functools import lru_cache

import pandas as pd
import torch

from ..data import load_movies, load_ratings
from .comparing import numbers_or_none
from .exercise import Draw, Exercise, Mistake, Rule

# --- 00.1 predict, then measure: how full is the table? -----------------------------------------


@lru_cache(maxsize=1)
def table_counts() -> dict[str, float]:
    """What can be counted in the ratings."""
    movies = load_movies()
    ratings = load_ratings(movies=movies)
    n_users, n_films = ratings["userId"].nunique(), len(movies)
    return {
        "share": len(ratings) / (n_users * n_films),
        "liked": (ratings["rating"] >= 4).sum() / (n_users * n_films),
        "per user": len(ratings) / n_users,
        "per film": len(ratings) / n_films,
        "ratings": len(ratings),
        "some users": len(ratings) / (652 * n_films),
        "largest number": len(ratings) / (ratings["userId"].max() * movies["movieId"].max()),
        "all columns": ratings.size / (n_users * n_films),
    }


how_full = Exercise(
    "00.1",
    "Predict, then measure: how full is the table?",
    level="Easy",
    minutes=5,
    stub="""movies = data.load_movies()
ratings = data.load_ratings(movies=movies)

prediction = ...
measured = ...""",
    hints=(
        "How many entries has a table with 4 users and 5 films? And the large one?",
        "There is one row for each rating, so len(ratings) is how many entries are filled, and "
        "len(movies) is the number of films. The number of users is "
        'ratings["userId"].nunique().',
        "The share is len(ratings) / (n_users * n_films).",
    ),
    right=lambda: table_counts()["share"],
    predict=True,
    share=True,
    tolerance=5e-4,
    mistakes=(
        Mistake(
            "this counts only the likes, 4 stars or more. Every rating fills an entry.",
            "Leave the stars alone: count rows.",
            lambda: table_counts()["liked"],
        ),
        Mistake(
            "this is how many films a user has rated. Now divide by the number of films.",
            "A share is never above 1.",
            lambda: table_counts()["per user"],
        ),
        Mistake(
            "this is how many users have rated a film. Now divide by the number of users.",
            "A share is never above 1.",
            lambda: table_counts()["per film"],
        ),
        Mistake(
            "this is how many entries are filled. Now divide by the number of all entries.",
            "All entries: users times films.",
            lambda: table_counts()["ratings"],
        ),
        Mistake(
            "you took the largest movieId for the number of films. Ids have gaps.",
            'len(movies) counts rows, ratings["userId"].nunique() counts different users.',
            lambda: table_counts()["largest number"],
        ),
        Mistake(
            "you took the 652 users of section 6. Some who rated are left out there.",
            'ratings["userId"].nunique() counts all users in `ratings`.',
            lambda: table_counts()["some users"],
        ),
        Mistake(
            ".size counts rows times columns, so each rating counts four times.",
            "len(ratings) counts rows.",
            lambda: table_counts()["all columns"],
        ),
    ),
)

# --- 00.2 the best film that is new -------------------------------------------------------------


def scores_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments scores, seen."""
    small = torch.tensor([[2.0, 3.0, 1.0], [0.5, 4.0, 0.7]])
    return {
        "all scores are negative": (
            -small,
            torch.tensor([[False, False, True], [True, False, False]]),
        ),
        "scores in the millions": (
            small * 1e6 - 3e6,
            torch.tensor([[True, True, False], [False, True, False]]),
        ),
        "random scores": (draw.numbers(6, 9), draw.mask(6, 9)),
    }


def new_film_with(hide=lambda seen: seen, fill=-torch.inf, axis=1, best=torch.argmax):
    """The best film, with something done in another way."""

    def choose(scores, seen):
        return best(scores.masked_fill(hide(seen), fill), dim=axis)

    return choose


NOT_SEEN = "Fill with a number that no score can be below: -torch.inf."

best_new = Exercise(
    "00.2",
    "The best film that is new",
    level="Easy",
    minutes=5,
    stub='''def best_new_film(scores, seen):
    """A film number for each user, (n_users,)."""
    return ...''',
    hints=(
        "Two steps: first make sure that a film that was seen cannot win, then look for the "
        "largest score of each user.",
        "scores.masked_fill(mask, value) writes the value where the mask is True, and keeps the "
        "shape. Which value loses against every score?",
        "scores.masked_fill(seen, -torch.inf), then .argmax(dim=...). The result must have one "
        "number for each user: which axis goes away?",
    ),
    way=new_film_with,
    cases=scores_cases,
    axes=("user",),
    mistakes=(
        Mistake(
            "films that were seen can still win: the mask is not used.",
            "User 0 of the first case has seen film 2, the one with the highest score.",
            changes={"hide": torch.zeros_like},
        ),
        Mistake(
            "your mask is the wrong way round: you choose among the films that were seen.",
            "masked_fill writes where the mask is True, and seen is True where it must be hidden.",
            changes={"hide": torch.logical_not},
        ),
        Mistake(
            "zero is not low enough: a negative score loses against it, and a seen film wins.",
            NOT_SEEN,
            changes={"fill": 0.0},
        ),
        Mistake(
            "-1000 is not low enough: a film that was seen wins against a lower score.",
            NOT_SEEN,
            changes={"fill": -1000.0},
        ),
        Mistake(
            "you filled with plus infinity, which wins against every score.",
            "What must never be the largest is filled with *minus* infinity.",
            changes={"fill": torch.inf},
        ),
        Mistake(
            "this is a number for each film. dim= names the axis that goes away: the films.",
            "From (n_users, n_films) to (n_users,): which axis has gone?",
            changes={"axis": 0},
        ),
        Mistake(
            "these are the scores of the films; asked for are their numbers, which argmax gives.",
            "max gives the largest score, argmax gives its place.",
            changes={"best": torch.amax},
        ),
        Mistake(
            "this is one number for the whole table; give one for each user.",
            "Tell argmax which axis goes away: dim=1.",
            changes={"axis": None},
        ),
    ),
)

# --- 00.3 debug this: stars above one's own mean ------------------------------------------------


def stars_cases(draw: Draw) -> dict[str, tuple]:
    """Argument stars."""
    return {
        "3 users, 3 films": (torch.tensor([[5.0, 4.0, 3.0], [1.0, 2.0, 3.0], [4.0, 4.0, 1.0]]),),
        "random stars": (draw.whole(1, 6, 4, 7).float(),),
    }


def minus_mean(shape=(-1, 1), axis=1, mean=torch.mean):
    """Stars minus a mean that is turned into this shape."""
    return lambda stars: stars - mean(stars, dim=axis).reshape(shape)


own_mean = Exercise(
    "00.3",
    "Debug this: stars above one's own mean",
    level="Medium",
    minutes=10,
    stub='''def above_own_mean(stars):
    """Each entry minus the mean of its row, (n_users, n_films)."""
    return stars - stars.mean(dim=1)''',
    hints=(
        "The mean is the right one, one number for each user. Print both shapes and write them "
        "under each other, from the right. Which axis of stars does the mean meet?",
        "Each row needs its own number. So the mean must be a column: which shape is that?",
        "keepdim=True in the mean leaves an axis of size 1. Or put it in with [:, None].",
    ),
    way=minus_mean,
    cases=stars_cases,
    debug=True,
    axes=("user", "film"),
    mistakes=(
        Mistake(
            "this still gives what the code gave: each column loses the mean of another user.",
            "Look at user 0 with the stars 5, 4 and 3: the mean is 4. What is taken away from 5, "
            "from 4 and from 3?",
            lambda stars: stars - stars.mean(dim=1),
        ),
        Mistake(
            "you take away the mean of the film (dim=0); asked for is the mean of the user.",
            "Which axis must go away, so that one number for each user is left?",
            changes={"axis": 0, "shape": (1, -1)},
        ),
        Mistake(
            "you take away one mean over everything; each user has a mean of their own.",
            "stars.mean(dim=1) has one number for each user.",
            lambda stars: stars - stars.mean(),
        ),
        Mistake(
            "these are the means themselves; take them away from the stars.",
            "The result has the shape of stars.",
            lambda stars: stars.mean(dim=1, keepdim=True),
        ),
        Mistake(
            "you take away the sum of the row; asked for is its mean.",
            ".mean in place of .sum.",
            changes={"mean": torch.sum},
        ),
    ),
)

# --- 00.4 one training step ---------------------------------------------------------------------


def step_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments level, film, given, rate."""
    return {
        "two films, three stars": (
            torch.tensor([0.0, 3.0]),
            torch.tensor([0, 0, 1]),
            torch.tensor([4.0, 5.0, 2.0]),
            1.0,
        ),
        "a film that nobody rated": (
            torch.tensor([1.0, 2.0, 3.0]),
            torch.tensor([0, 2, 2, 0]),
            torch.tensor([3.0, 3.0, 5.0, 2.0]),
            0.5,
        ),
        "random stars": (
            draw.numbers(5),
            torch.cat([draw.order(5), draw.whole(0, 5, 7)]),
            draw.whole(1, 6, 12).float(),
            0.3,
        ),
    }


def step_with(sign=-1.0, average=True, rate=lambda r: r, power=2, start=1.0):
    """One step, with something done in another way."""

    def one_step(level, film, given, length):
        watched = level.clone().requires_grad_()
        errors = (watched[film] - given).abs() ** power
        loss = errors.mean() if average else errors.sum()
        loss.backward()
        return start * level + sign * rate(length) * watched.grad

    return one_step


def loss_itself(level, film, given, rate):
    """One number."""
    return ((level[film] - given) ** 2).mean()


def means_themselves(level, film, given, rate):
    """Where many steps would lead."""
    new = level.clone()
    for number in film.unique():
        new[number] = given[film == number].mean()
    return new


def repeated(answer, level, film, given, rate) -> str | None:
    """One value for each rating in place of one for each film."""
    found = numbers_or_none(answer, film.shape)
    if found is None or len(film) == len(level):
        return None
    return "there is one number for each rating; the levels are one for each film."


training_step = Exercise(
    "00.4",
    "One training step",
    level="Medium",
    minutes=10,
    stub='''def one_step(level, film, given, rate):
    """The levels after one step, (n_films,)."""
    level = level.clone().requires_grad_()
    ...
    return ...''',
    hints=(
        "What does the model predict for each rating? level[film] picks one level for each film "
        "number.",
        "error = level[film] - given, loss = (error**2).mean(). After loss.backward() the gradient "
        "stands in level.grad.",
        "Against the gradient means minus: level.detach() - rate * ... (.detach() gives the "
        "numbers without what PyTorch has written down).",
    ),
    way=step_with,
    cases=step_cases,
    axes=("film",),
    mistakes=(
        Mistake(
            "you step along the gradient: the loss grows. Step against it.",
            "Against means minus.",
            changes={"sign": 1.0},
        ),
        Mistake(
            "your loss is the sum of the squared errors; asked for is their mean.",
            ".mean() in place of .sum().",
            changes={"average": False},
        ),
        Mistake(
            "the rate is left out: the step is as long as the gradient.",
            "How long the step is, says rate.",
            changes={"rate": lambda r: 1.0},
        ),
        Mistake(
            "you divide by the rate; multiply.",
            "A larger rate makes a longer step.",
            changes={"rate": lambda r: 1.0 / r},
        ),
        Mistake(
            "your errors are not squared.",
            "Look at the loss of section 8: which sign stands behind the error?",
            changes={"power": 1},
        ),
        Mistake(
            "this is the step alone; give back the levels after it.",
            "Old level plus step.",
            changes={"start": 0.0},
        ),
        Mistake(
            "this is the gradient; give back the levels after the step.",
            "New level = old level - rate * gradient.",
            changes={"start": 0.0, "sign": 1.0, "rate": lambda r: 1.0},
        ),
        Mistake(
            "the levels are as before: no step was taken.",
            "level.grad says where to go; nothing moves by itself.",
            changes={"sign": 0.0},
        ),
        Mistake(
            "this is the loss; give back the levels after the step.",
            "Call backward on the loss. Then look at level.grad.",
            loss_itself,
        ),
        Mistake(
            "these are the means, where many steps would lead. Only one step is asked for.",
            "One call of backward, one step.",
            means_themselves,
        ),
    ),
    rules=(Rule(repeated, "level.grad has the shape of level: one number for each film."),),
)

# --- 00.5 read a table of intervals -------------------------------------------------------------


def table_of(pairs) -> pd.DataFrame:
    """Columns low and high."""
    pairs = list(pairs)
    return pd.DataFrame({"low": [low for low, _ in pairs], "high": [high for _, high in pairs]})


def interval_cases(draw: Draw) -> dict[str, tuple]:
    """Argument table."""
    middle, half = draw.numbers(8), draw.numbers(8).abs()
    return {
        "the mean is far from 0": (table_of([(-0.1, 2.9), (-3.0, 0.2), (0.01, 0.02)]),),
        "an end is 0": (table_of([(0.0, 0.6), (-0.6, 0.0)]),),
        "rows with names": (table_of([(-2.0, -1.0), (1.0, 2.0)]).set_axis(["Heat", "Alien"]),),
        "random intervals": (table_of(zip((middle - half).tolist(), (middle + half).tolist())),),
    }


def reading_with(
    first=lambda low, high: low > 0,
    second=lambda low, high: high < 0,
):
    """Read intervals by other conditions."""

    def read(table):
        verdicts = []
        for low, high in zip(table["low"], table["high"]):
            if first(low, high):
                verdicts.append(1)
            elif second(low, high):
                verdicts.append(-1)
            else:
                verdicts.append(0)
        return verdicts

    return read


def texts(answer, table) -> str | None:
    """Words where numbers are asked for."""
    if isinstance(answer, str) or (isinstance(answer, list) and str in map(type, answer)):
        return "give numbers: 1, -1 or 0 for each row."
    return None


read_table = Exercise(
    "00.5",
    "Read a table of intervals",
    level="Easy",
    minutes=5,
    stub='''def read_intervals(table):
    """A list with 1, -1 or 0 for each row."""
    verdicts = []
    ...
    return verdicts''',
    hints=(
        "Where does 0 lie, if the first film is ahead? Both ends are on the same side of it.",
        'Go through the rows: for low, high in zip(table["low"], table["high"]).',
        "If low > 0, append 1. If high < 0, append -1. Else 0 is inside.",
    ),
    way=reading_with,
    cases=interval_cases,
    axes=("row",),
    mistakes=(
        Mistake(
            "you decide by the middle of the interval. Ask whether 0 is inside.",
            "An interval from -0.1 to 2.9 has its middle far above 0, and 0 is inside.",
            changes={
                "first": lambda low, high: low + high > 0,
                "second": lambda low, high: low + high < 0,
            },
        ),
        Mistake(
            "an end that is exactly 0 belongs to the interval: then 0 is inside.",
            "low > 0 is not the same as low >= 0.",
            changes={
                "first": lambda low, high: low >= 0,
                "second": lambda low, high: high <= 0,
            },
        ),
        Mistake(
            "you look at one end only: an upper end above 0 does not make the first film win.",
            "For the first film to win, the whole interval must be above 0: its lower end, too.",
            changes={"first": lambda low, high: high > 0},
        ),
        Mistake(
            "you look at one end only: a lower end below 0 does not make the second film win.",
            "For the second film to win, the whole interval must be below 0: its upper end, too.",
            changes={"second": lambda low, high: low < 0},
        ),
        Mistake(
            "intervals without 0 and intervals with it have changed places.",
            "0 inside: not decided.",
            lambda table: [int(low <= 0 <= high) for low, high in zip(table["low"], table["high"])],
        ),
        Mistake(
            "you say that there is a winner, but not who: -1 where the second film is ahead.",
            "Is the whole interval above 0, or below?",
            changes={"second": lambda low, high: False, "first": lambda low, high: low * high > 0},
        ),
    ),
    rules=(Rule(texts, "verdicts.append(1), and so on, without quotation marks."),),
)

EXERCISES = [how_full, best_new, own_mean, training_step, read_table]
