"""Answers to the exercises of notebook 01: right ones of every style, and usual wrong ones."""

import math

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


def turn_qr(user, films):
    columns = np.random.default_rng(0).normal(size=(len(user), len(user)))
    columns[:, 0] = user
    rotation = np.linalg.qr(columns)[0]
    return user.numpy() @ rotation, films.numpy() @ rotation


def turn_svd(user, films):
    rotation = torch.linalg.svd(user[None]).Vh.T
    return user @ rotation, films @ rotation


def turn_mirror(user, films):
    """Householder, with the sign that never divides by 0."""
    v = user.clone()
    v[0] += user.norm() * (1.0 if user[0] >= 0 else -1.0)
    mirror = torch.eye(len(user), dtype=user.dtype) - 2 * torch.outer(v, v) / (v @ v)
    return [user @ mirror, films @ mirror]


def turn_loops(user, films):
    """Gram and Schmidt."""
    user, films = user.tolist(), films.tolist()
    d, basis = len(user), []
    for start in [user, *np.eye(d).tolist()]:
        for b in basis:
            inside = sum(x * y for x, y in zip(start, b))
            start = [x - inside * y for x, y in zip(start, b)]
        length = math.sqrt(sum(x * x for x in start))
        if length > 1e-9:
            basis.append([x / length for x in start])
    both = [[sum(x * y for x, y in zip(row, b)) for b in basis] for row in [user, *films]]
    return both[0], both[1:]


def turn_float32(user, films):
    user, films = turn_svd(user.float(), films.float())
    return user, films


def mirror_zero(user, films):
    v = user.clone()
    v[0] -= user.norm()
    mirror = torch.eye(len(user), dtype=user.dtype) - 2 * torch.outer(v, v) / (v @ v)
    return user @ mirror, films @ mirror


def forgets_the_films(user, films):
    return turn_svd(user, films)[0], films


def turns_films_back(user, films):
    rotation = torch.linalg.svd(user[None]).Vh.T
    return user @ rotation, films @ rotation.T.roll(1, 0)


def any_rotation(user, films):
    columns = np.random.default_rng(1).normal(size=(len(user), len(user)))
    rotation = np.linalg.qr(columns)[0]
    return user.numpy() @ rotation, films.numpy() @ rotation


def scores_only(user, films):
    new_user, new_films = torch.zeros_like(user), torch.zeros_like(films)
    new_user[0] = user.norm()
    new_films[:, 0] = films @ user / user.norm()
    return new_user, new_films


def length_one(user, films):
    user, films = turn_svd(user, films)
    return user / user.norm(), films


RIGHT = {
    "01.1": {
        "a loop, a list": ndcg_loop,
        "torch": ndcg_torch,
        "a table of gains": ndcg_table,
        "NumPy": lambda ranks: np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0),
        "float32": lambda ranks: ((ranks <= 10) / np.log2(ranks + 1)).astype(np.float32),
    },
    "01.2": {"24 of 652": 24 / 652, "rounded": 0.037, "a tensor": torch.tensor(24 / 652)},
    "01.3": {
        "pandas": held_pandas,
        "lexsort": held_lexsort,
        "a loop, 1 and 0": held_loop,
        "torch": held_torch,
    },
    "01.4": {
        "QR": turn_qr,
        "SVD": turn_svd,
        "a mirror": turn_mirror,
        "loops": turn_loops,
        "float32": turn_float32,
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
        ("mean", lambda ranks: np.mean(ndcg_loop(ranks)), "has a single number"),
        ("cut at 5", ndcg_like(5, lambda r: math.log2(r + 1)), "11': your answer is not right"),
    ],
    "01.2": [
        ("left out as usual", 0.0598, "value of section 2"),
        ("likes left out", 35 / 652, "liked in training"),
        ("validation", 26 / 652, "validation films"),
        ("NDCG", 0.01858, "is NDCG@10, not"),
        ("hits", 24, "the number of hits"),
        ("percent", 3.68, "Your answer is not right"),
        ("one for each user", np.zeros(652), "has shape (652,)"),
    ],
    "01.3": [
        ("inverted", lambda *likes: ~held_lexsort(*likes), "left for training"),
        ("last row", held_by(None), "each user's last row"),
        ("first like", held_by(["time", "film"], "first"), "each user's first like"),
        ("by film", held_by("film"), "the largest number"),
        ("one in all", held_global, "one like in all"),
        ("ties twice", held_ties, "several held-out likes"),
        ("ties by row", held_by("time"), "the larger film number"),
        ("lone likes", held_by(["time", "film"], also_lone=True), "one like only"),
        ("last but one", held_last_but_one, "any order': your answer is not right"),
        ("row numbers", lambda u, f, t: np.flatnonzero(held_lexsort(u, f, t)), "has shape (3,)"),
    ],
    "01.4": [
        ("user only", lambda user, films: turn_svd(user, films)[0], "give back two things"),
        ("films in columns", lambda u, f: (turn_svd(u, f)[0], turn_svd(u, f)[1].T), "it was (8,"),
        ("length 1", length_one, "A rotation keeps it"),
        ("any rotation", any_rotation, "other axes than the first"),
        ("films not turned", forgets_the_films, "the model changed"),
        ("another rotation", turns_films_back, "the model changed"),
        ("scores only", scores_only, "other users would get other scores"),
        ("0 / 0", mirror_zero, "already': your turned user holds NaN"),
        ("swapped", lambda u, f: turn_svd(u, f)[::-1], "your turned user has shape (8, 5)"),
    ],
}
