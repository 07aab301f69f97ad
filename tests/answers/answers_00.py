"""Answers to the exercises of notebook 00: right ones of every style, and usual wrong ones."""

import numpy as np
import pandas as pd
import torch

# --- 00.1 ---------------------------------------------------------------------------------------

N_RATINGS, N_USERS, N_FILMS = 63_122, 671, 1_029
SHARE = N_RATINGS / (N_USERS * N_FILMS)

# --- 00.2 ---------------------------------------------------------------------------------------


def new_loop(scores, seen):
    chosen = []
    for user in range(len(scores)):
        best = None
        for film in range(scores.shape[1]):
            if seen[user, film]:
                continue
            if best is None or scores[user, film] > scores[user, best]:
                best = film
        chosen.append(best)
    return chosen


def new_numpy(scores, seen):
    return np.where(seen.numpy(), -np.inf, scores.numpy()).argmax(axis=1)


def new_pandas(scores, seen):
    return pd.DataFrame(scores.numpy()).mask(seen.numpy()).idxmax(axis=1)


def new_by_sorting(scores, seen):
    order = scores.argsort(dim=1, descending=True)
    return torch.stack([row[~hidden[row]][0] for row, hidden in zip(order, seen)])


def new_copy(scores, seen):
    mine = scores.clone()
    mine[seen] = float("-inf")
    return mine.max(dim=1).indices


def filled_with(value):
    return lambda scores, seen: torch.where(seen, torch.tensor(value), scores).argmax(dim=1)


def new_in_place(scores, seen):
    scores[seen] = -torch.inf
    return scores.argmax(dim=1)


# --- 00.3 ---------------------------------------------------------------------------------------


def own_loop(stars):
    rows = []
    for row in stars.tolist():
        mean = sum(row) / len(row)
        rows.append([star - mean for star in row])
    return rows


def own_pandas(stars):
    frame = pd.DataFrame(stars.numpy())
    return frame.sub(frame.mean(axis=1), axis=0)


# --- 00.4 ---------------------------------------------------------------------------------------


def step_detached(level, film, given, rate):
    watched = level.clone().requires_grad_()
    loss = ((watched[film] - given) ** 2).mean()
    loss.backward()
    return level - rate * watched.grad


def step_no_grad(level, film, given, rate):
    level = level.clone().requires_grad_()
    torch.nn.functional.mse_loss(level[film], given).backward()
    with torch.no_grad():
        level -= rate * level.grad
    return level


def step_by_hand(level, film, given, rate):
    new = level.tolist()
    for number, star in zip(film.tolist(), given.tolist()):
        new[number] -= rate * 2 * (float(level[number]) - star) / len(film)
    return new


def step_optimizer(level, film, given, rate):
    level = torch.nn.Parameter(level.clone())
    optimizer = torch.optim.SGD([level], lr=rate)
    ((level[film] - given) ** 2).mean().backward()
    optimizer.step()
    return level


def stepped(sum_up=False, sign=-1, by=lambda rate: rate, absolute=False, keep=1):
    """A step in which something is done in another way."""

    def answer(level, film, given, rate):
        gradient = torch.zeros_like(level)
        for number, star in zip(film.tolist(), given.tolist()):
            error = level[number] - star
            gradient[number] += error.sign() if absolute else 2 * error
        gradient = gradient if sum_up else gradient / len(film)
        return keep * level + sign * by(rate) * gradient

    return answer


def means_of_films(level, film, given, rate):
    frame = pd.Series(given.numpy()).groupby(film.numpy()).mean()
    return [frame.get(number, old) for number, old in enumerate(level.tolist())]


def each_rating(level, film, given, rate):
    return level[film] - rate * 2 * (level[film] - given) / len(film)


def only_rated(level, film, given, rate):
    return torch.stack([step_detached(level, film, given, rate)[f] for f in film.unique()])


# --- 00.5 ---------------------------------------------------------------------------------------


def read_iterrows(table):
    verdicts = []
    for _, row in table.iterrows():
        if row["low"] <= 0 <= row["high"]:
            verdicts.append(0)
        else:
            verdicts.append(1 if row["low"] > 0 else -1)
    return verdicts


def read_where(table):
    return np.where(table.low > 0, 1, np.where(table.high < 0, -1, 0))


def read_apply(table):
    def one(row):
        if row.low > 0:
            return 1
        return -1 if row.high < 0 else 0

    return table.apply(one, axis=1)


def read_masks(table):
    return (table["low"] > 0).astype(int) - (table["high"] < 0).astype(int)


def read_by_number(table):
    """Works only where the rows are called 0, 1, 2."""
    verdicts = []
    for i in range(len(table)):
        low, high = table.loc[i, "low"], table.loc[i, "high"]
        verdicts.append(1 if low > 0 else -1 if high < 0 else 0)
    return verdicts


def read_as(first, second):
    def answer(table):
        given = []
        for low, high in table[["low", "high"]].to_numpy():
            given.append(1 if first(low, high) else -1 if second(low, high) else 0)
        return given

    return answer


def read_texts(table):
    return ["first" if verdict == 1 else "not decided" for verdict in read_iterrows(table)]


def above(low, high):
    return low > 0


def below(low, high):
    return high < 0


RIGHT = {
    "00.1": {
        "the formula": SHARE,
        "rounded": 0.0914,
        "a tensor": torch.tensor(SHARE),
        "NumPy": np.float32(SHARE),
    },
    "00.2": {
        "a loop": new_loop,
        "NumPy": new_numpy,
        "pandas": new_pandas,
        "by sorting": new_by_sorting,
        "a copy": new_copy,
        "masked_fill": lambda scores, seen: scores.masked_fill(seen, -torch.inf).argmax(dim=1),
        "masked_fill, last axis": lambda s, seen: s.masked_fill(seen, -torch.inf).argmax(-1),
        "the lowest number there is": filled_with(torch.finfo(torch.float32).min),
    },
    "00.3": {
        "a loop": own_loop,
        "None": lambda stars: stars - stars.mean(dim=1)[:, None],
        "keepdim": lambda stars: stars - stars.mean(dim=1, keepdim=True),
        "unsqueeze": lambda stars: stars - stars.mean(1).unsqueeze(-1),
        "turned twice": lambda stars: (stars.T - stars.mean(dim=1)).T,
        "pandas": own_pandas,
        "NumPy": lambda stars: stars.numpy() - stars.numpy().mean(axis=1, keepdims=True),
    },
    "00.4": {
        "detached": step_detached,
        "no_grad": step_no_grad,
        "by hand": step_by_hand,
        "an optimizer": step_optimizer,
    },
    "00.5": {
        "iterrows": read_iterrows,
        "np.where": read_where,
        "apply": read_apply,
        "two masks": read_masks,
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "00.1": [
        ("empty", 1 - SHARE, "1 minus the right share"),
        ("percent", 100 * SHARE, "in percent"),
        ("likes", 35_519 / (N_USERS * N_FILMS), "only the likes"),
        ("for each user", N_RATINGS / N_USERS, "how many films a user has rated"),
        ("for each film", N_RATINGS / N_FILMS, "how many users have rated a film"),
        ("the number", N_RATINGS, "how many entries are filled"),
        ("ids", N_RATINGS / (671 * 134_130), "Ids have gaps"),
        ("users of section 6", N_RATINGS / (652 * N_FILMS), "the 652 users of section 6"),
        ("size", 4 * SHARE, "each rating counts four times"),
        ("half", 0.5, "Your answer is not right"),
    ],
    "00.2": [
        ("no mask", lambda s, seen: s.argmax(dim=1), "the mask is not used"),
        (
            "inverted",
            lambda s, seen: s.masked_fill(~seen, -torch.inf).argmax(dim=1),
            "the wrong way round",
        ),
        ("times the mask", lambda s, seen: (s * ~seen).argmax(dim=1), "zero is not low enough"),
        ("minus a thousand", filled_with(-1000.0), "-1000 is not low enough"),
        ("plus infinity", filled_with(torch.inf), "plus infinity"),
        (
            "for each film",
            lambda s, seen: s.masked_fill(seen, -torch.inf).argmax(dim=0),
            "a number for each film",
        ),
        (
            "the scores",
            lambda s, seen: s.masked_fill(seen, -torch.inf).max(dim=1).values,
            "these are the scores of the films",
        ),
        (
            "one for all",
            lambda s, seen: s.masked_fill(seen, -torch.inf).argmax(),
            "one number for the whole table",
        ),
        ("in place", new_in_place, "your function changes its input"),
        ("film 0", lambda s, seen: [0] * len(s), "negative': your answer is not right"),
    ],
    "00.3": [
        ("the same", lambda s: s - s.mean(axis=1), "this still gives what the code gave"),
        (
            "the same by None",
            lambda s: s - s.mean(dim=1)[None],
            "this still gives what the code gave",
        ),
        ("the film's", lambda s: s - s.mean(dim=0), "the mean of the film (dim=0)"),
        ("of all", lambda s: s - s.mean(), "one mean over everything"),
        ("the means", lambda s: s.mean(dim=1)[:, None], "these are the means themselves"),
        ("sign", lambda s: s.mean(dim=1)[:, None] - s, "the wrong sign"),
        ("turned", lambda s: s.T - s.mean(dim=1), "rows and columns have changed places"),
        ("the sum", lambda s: s - s.sum(dim=1)[:, None], "the sum of the row"),
        ("nothing", lambda s: s, "3 films': your answer is not right"),
    ],
    "00.4": [
        ("along", stepped(sign=1), "you step along the gradient"),
        ("sum", stepped(sum_up=True), "the sum of the squared errors"),
        ("no rate", stepped(by=lambda rate: 1), "the rate is left out"),
        ("divided", stepped(by=lambda rate: 1 / rate), "you divide by the rate"),
        ("absolute", stepped(absolute=True), "your errors are not squared"),
        ("the step alone", stepped(keep=0), "this is the step alone"),
        ("the gradient", stepped(keep=0, sign=1, by=lambda rate: 1), "this is the gradient"),
        ("as before", lambda level, film, given, rate: level, "no step was taken"),
        (
            "the loss",
            lambda level, film, given, rate: (level[film] - given).pow(2).mean(),
            "this is the loss",
        ),
        ("the means", means_of_films, "these are the means"),
        ("each rating", each_rating, "one number for each rating"),
        ("only films with stars", only_rated, "nobody rated': your answer: shape (2,) came"),
        ("half", stepped(by=lambda rate: rate / 2), "three stars': your answer is not right"),
    ],
    "00.5": [
        ("swapped", read_as(below, above), "the wrong sign"),
        (
            "by the mean",
            read_as(lambda low, high: low + high > 0, lambda low, high: low + high < 0),
            "by the middle",
        ),
        (
            "an end at 0",
            read_as(lambda low, high: low >= 0, lambda low, high: high <= 0),
            "an end that is exactly 0",
        ),
        ("upper end", read_as(lambda low, high: high > 0, below), "an upper end above 0"),
        ("lower end", read_as(above, lambda low, high: low < 0), "a lower end below 0"),
        (
            "inside is decided",
            lambda table: (table.low <= 0) & (table.high >= 0),
            "intervals without 0 and intervals with it",
        ),
        ("no sign", lambda table: np.abs(read_where(table)), "there is a winner, but not who"),
        ("texts", read_texts, "give numbers"),
        ("by number", read_by_number, "rows with names': your function stopped with KeyError"),
        ("one row", lambda table: read_iterrows(table)[:1], "but shape (3,)"),
    ],
}
