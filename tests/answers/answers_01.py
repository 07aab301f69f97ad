"""Answers to the exercises of notebook 01: right ones of every style, and usual wrong ones."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import torch

# --- 01.1 ---------------------------------------------------------------------------------------


def ndcg_loop(ranks):
    values = []
    for rank in ranks:
        values.append(1 / math.log2(rank + 1) if rank <= 10 else 0.0)
    return values


def ndcg_torch(ranks):
    ranks = torch.tensor(ranks)
    return torch.where(ranks > 10, 0.0, 1 / torch.log2(ranks.float() + 1))


def ndcg_table(ranks):
    gain = np.zeros(10_000)
    gain[1:11] = np.log(2) / np.log(np.arange(2, 12))
    return pd.Series(gain[ranks])


def ndcg_like(cut, discount):
    return lambda ranks: [1 / discount(r) if r <= cut else 0.0 for r in ranks]


def no_plus_one(ranks):
    with np.errstate(divide="ignore"):
        return (ranks <= 10) / np.log2(ranks)


# --- 01.3 ---------------------------------------------------------------------------------------


def held_pandas(users, films, times):
    likes = pd.DataFrame({"user": users, "film": films, "time": times})
    ordered = likes.sort_values(["user", "time", "film"])
    last = ~ordered.duplicated("user", keep="last") & ordered.duplicated("user", keep=False)
    return last.sort_index()


def held_lexsort(users, films, times):
    order = np.lexsort((films, times, users))
    sorted_users = users[order]
    last = np.append(sorted_users[1:] != sorted_users[:-1], True)
    first = np.append(True, sorted_users[1:] != sorted_users[:-1])
    held_out = np.empty(len(users), dtype=bool)
    held_out[order] = last & ~first
    return held_out


def held_loop(users, films, times):
    likes = list(zip(users.tolist(), times.tolist(), films.tolist()))
    held_out = []
    for user, time, film in likes:
        others = [like for like in likes if like[0] == user and like != (user, time, film)]
        later = [like for like in others if like[1:] > (time, film)]
        held_out.append(1 if others and not later else 0)
    return held_out


def held_torch(users, films, times):
    users = torch.tensor(users)
    key = torch.tensor(times) * 1000 + torch.tensor(films)
    same = users[:, None] == users[None, :]
    return (same.sum(1) > 1) & (key == torch.where(same, key, 0).amax(1))


def held_by(order, keep="last", also_lone=False):
    """Sort by these columns, keep a user's first or last row."""

    def hold_out(users, films, times):
        likes = pd.DataFrame({"user": users, "film": films, "time": times})
        ordered = likes.sort_values(order, kind="stable") if order else likes
        held_out = ~ordered.duplicated("user", keep=keep)
        if not also_lone:
            held_out &= ordered.duplicated("user", keep=False)
        return held_out.sort_index().to_numpy()

    return hold_out


def held_ties(users, films, times):
    likes = pd.DataFrame({"user": users, "time": times})
    groups = likes.groupby("user").time
    return (likes.time == groups.transform("max")) & (groups.transform("size") > 1)


def held_global(users, films, times):
    held_out = np.zeros(len(users), dtype=bool)
    held_out[times.argmax()] = True
    if (times == times.max()).sum() > 1:
        held_out[:] = (times == times.max()) & (films == films[times == times.max()].max())
    return held_out


def held_last_but_one(users, films, times):
    held_out = np.zeros(len(users), dtype=bool)
    for user in np.unique(users):
        rows = sorted(np.flatnonzero(users == user), key=lambda row: (times[row], films[row]))
        if len(rows) > 1:
            held_out[rows[-2]] = True
    return held_out


# --- 01.4 ---------------------------------------------------------------------------------------


def turn_by_hand(user, films):
    x, y = user.tolist()
    r = math.sqrt(x * x + y * y)
    turned = [[(a * x + b * y) / r, (b * x - a * y) / r] for a, b in films.tolist()]
    return [r, 0], turned


def turn_by_angle(user, films):
    angle = -math.atan2(float(user[1]), float(user[0]))
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return user @ turn, films @ turn


def turn_numpy(user, films):
    c, s = user.numpy() / np.linalg.norm(user)
    turn = np.array([[c, -s], [s, c]])
    return user.numpy() @ turn, films.numpy() @ turn


def turn_complex(user, films):
    """A turn is a product of complex numbers."""
    back = complex(*user.tolist()).conjugate() / abs(complex(*user.tolist()))
    points = [complex(*point) * back for point in [user.tolist(), *films.tolist()]]
    pairs = [(z.real, z.imag) for z in points]
    return pairs[0], pairs[1:]


def turned(angle, films_too=1.0, mirror=1.0, stretch=1.0):
    def answer(user, films):
        a = angle(*user.tolist())
        new_user = user @ rotation(a)
        return new_user * stretch, films @ rotation(films_too * a) * torch.tensor([1, mirror])

    return answer


def rotation(a):
    return torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])


def to_axis(x, y):
    return math.atan2(y, x)


def slope(x, y):
    return math.atan(y / x) if x else math.pi / 2 * (1 if y > 0 else -1)


def films_by_degrees(user, films):
    return turn_by_hand(user, films)[0], turned(lambda *p: math.degrees(to_axis(*p)))(user, films)[
        1
    ]


def films_in_one_number(user, films):
    length = math.hypot(*user.tolist())
    return (length, 0.0), [[float(film @ user) / length, 0.0] for film in films]


def length_one(user, films):
    x, y = user / user.norm()
    return (1.0, 0.0), torch.stack([films[:, 0] * x + films[:, 1] * y,
                                    films[:, 1] * x - films[:, 0] * y], dim=1)  # fmt: skip


def held_object(users, films, times):
    return pd.Series(held_lexsort(users, films, times)).astype(object)


def held_in_numpy_order(users, films, times):
    order = np.lexsort((films, times, users))
    return held_lexsort(users, films, times)[order]


def held_sorted_by_time(users, films, times):
    frame = pd.DataFrame({"user": users, "film": films, "time": times})
    frame = frame.sort_values(["time", "film"])
    return ~frame.duplicated("user", keep="last") & frame.duplicated("user", keep=False)


def held_float32(users, films, times):
    return held_lexsort(users, films, times.astype(np.float32))


RIGHT = {
    "01.1": {
        "a loop, a list": ndcg_loop,
        "torch": ndcg_torch,
        "a table of gains": ndcg_table,
        "NumPy": lambda ranks: np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0),
        "fractions of integers": lambda ranks: [Fraction(x) for x in ndcg_loop(ranks)],
        "float32": lambda ranks: ((ranks <= 10) / np.log2(ranks + 1)).astype(np.float32),
    },
    "01.2": {"24 of 652": 24 / 652, "rounded": 0.037, "a tensor": torch.tensor(24 / 652)},
    "01.3": {
        "pandas": held_pandas,
        "lexsort": held_lexsort,
        "a loop, 1 and 0": held_loop,
        "a Series of objects": held_object,
        "a generator": lambda *likes: (bool(x) for x in held_lexsort(*likes)),
    },
    "01.4": {
        "by hand": turn_by_hand,
        "by the angle": turn_by_angle,
        "NumPy": turn_numpy,
        "complex numbers": turn_complex,
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "01.1": [
        ("cut at 9", ndcg_like(9, lambda r: math.log2(r + 1)), "the cut is not"),
        ("rank + 2", ndcg_like(10, lambda r: math.log2(r + 2)), "yours gives 0.63"),
        ("log2(rank)", no_plus_one, "1 / 0"),
        ("clipped", ndcg_like(10, lambda r: max(1.0, math.log2(r))), "clipping hides"),
        ("natural", ndcg_like(10, lambda r: math.log(r + 1)), "is the natural one"),
        ("base 10", ndcg_like(10, lambda r: math.log10(r + 1)), "has base 10"),
        ("no cut", ndcg_like(1e9, lambda r: math.log2(r + 1)), "rank 11 still counts"),
        ("MRR", ndcg_like(10, lambda r: r), "this is MRR"),
        ("HR", ndcg_like(10, lambda r: 1), "this is HR@10"),
        ("mean", lambda ranks: np.mean(ndcg_loop(ranks)), "a single number came"),
        (
            "still the same",
            lambda ranks: (ranks < 10) / np.log2(2 + ranks),
            "this still gives what",
        ),
        ("cut at 5", ndcg_like(5, lambda r: math.log2(r + 1)), "11': your answer is not right"),
        (
            "np.vectorize",
            np.vectorize(lambda r: 1 / np.log2(r + 1) if r <= 10 else 0),
            "among the ten': your numbers are cut",
        ),
        ("rank + 2, base e", ndcg_like(10, lambda r: math.log(r + 2)), "the discount is not"),
        ("percent", lambda ranks: 100 * np.array(ndcg_loop(ranks)), "100 times as large"),
    ],
    "01.2": [
        ("left out as usual", 0.0598, "value of section 2"),
        ("likes left out", 35 / 652, "liked in training"),
        ("validation", 26 / 652, "validation films"),
        ("NDCG", 0.01858, "is NDCG@10, not"),
        ("hits", 24, "the number of hits"),
        ("percent", 3.68, "in percent"),
        ("none", 0.0, "Your answer is not right"),
        ("one for each user", np.zeros(652), "shape (652,) came"),
    ],
    "01.3": [
        ("inverted", lambda *likes: ~held_lexsort(*likes), "True and False have changed places"),
        ("composite key", held_torch, "one second apart': two likes are a second apart"),
        ("float32 times", held_float32, "one second apart': two likes are a second apart"),
        ("sorted order", held_in_numpy_order, "your marks stand in sorted order"),
        ("order of time", held_sorted_by_time, "in the order of the times"),
        (
            "last row, lone likes",
            held_by(None, also_lone=True),
            "The rows are not sorted: look at times. (And that is not all",
        ),
        ("nothing", lambda u, f, t: [False] * len(u), "nothing is held out"),
        ("integers cut", lambda u, f, t: held_lexsort(u, f, t)[:-1], "but shape (8,)"),
        ("last row", held_by(None), "each user's last row"),
        ("first like", held_by(["time", "film"], "first"), "each user's first like"),
        ("by film", held_by("film"), "the largest number"),
        ("one in all", held_global, "one like in all"),
        ("ties twice", held_ties, "same second': user 2 has several held-out likes"),
        (
            "ties by row",
            held_by("time"),
            "same second': two likes have the same time",
        ),
        (
            "lone likes",
            held_by(["time", "film"], also_lone=True),
            "'a user with one like': a user has one like only",
        ),
        ("last but one", held_last_but_one, "any order': your answer is not right"),
        ("row numbers", lambda u, f, t: np.flatnonzero(held_lexsort(u, f, t)), "of the rows. Give"),
    ],
    "01.4": [
        ("user only", lambda user, films: torch.tensor([5.0, 0.0]), "(user, films), not a Tensor"),
        ("films not turned", turned(to_axis, films_too=0.0), "you turn the user but not the films"),
        ("films the other way", turned(to_axis, films_too=-1.0), "the films turn the other way"),
        ("the wrong way", turned(lambda x, y: -to_axis(x, y)), "everything the wrong way"),
        ("degrees", turned(lambda x, y: math.degrees(to_axis(x, y))), "your angle is in degrees"),
        ("degrees for the films", films_by_degrees, "the films turn by an angle in degrees"),
        ("atan", turned(slope), "a user at (-3, 4)': when x is negative"),
        (
            "acos",
            turned(lambda x, y: math.acos(x / math.hypot(x, y))),
            "a user at (0, -2)': when y is negative",
        ),
        ("length one", length_one, "the user's arrow has another length"),
        (
            "mirrored",
            turned(to_axis, mirror=-1.0),
            "a user at (3, 4)': the films are not turned but",
        ),
        ("scores only", films_in_one_number, "throws away all others"),
        (
            "mirrored, degrees",
            turned(lambda x, y: math.degrees(to_axis(x, y)), mirror=-1.0),
            "in degrees; cos and sin want radians. (And that is not all",
        ),
        ("twice as long", turned(to_axis, stretch=2.0), "your answer (user) is not right"),
        ("swapped", lambda u, f: turn_by_hand(u, f)[::-1], "your answer (user): shape (4, 2) came"),
    ],
}
