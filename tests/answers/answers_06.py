"""Answers to the exercises of notebook 06: right ones of every style, and usual wrong ones."""

import math
from collections import Counter
from itertools import chain, pairwise

import numpy as np
import torch


def exactly(k, better=79, others=999, drawn=100):
    ways = math.comb(better, k) * math.comb(others - better, drawn - k)
    return ways / math.comb(others, drawn)


HIT = math.fsum(exactly(k) for k in range(10))


def drawn_without_return():
    random = np.random.default_rng(3)
    return (random.hypergeometric(79, 920, 100, 300_000) < 10).mean()


def mask_loops(filled):
    rows = []
    for user in filled.tolist():
        n = len(user)
        rows.append([[user[k] and k <= q for k in range(n)] for q in range(n)])
    return rows


def mask_torch(filled, diagonal=0):
    return (
        torch.tril(torch.ones(filled.shape[1], filled.shape[1]), diagonal).bool() & filled[:, None]
    )


def mask_numpy(filled):
    place = np.arange(filled.shape[1])
    return (place[None, :] <= place[:, None])[None] * filled.numpy()[:, None, :].astype(np.int64)


def mask_einsum(filled):
    order = torch.ones(filled.shape[1], filled.shape[1]).tril()
    return torch.einsum("qk,bk->bqk", order, filled.float())


def markov_dictionary(histories, user, n_items, decay, power):
    count, likes = Counter(), Counter(film for films in histories for film in films)
    for films in histories:
        for a in range(len(films)):
            for b in range(a + 1, len(films)):
                count[films[a], films[b]] += decay ** (b - a - 1)
    mine = histories[user]
    return [
        sum(decay ** (len(mine) - 1 - a) * count[mine[a], i] for a in range(len(mine)))
        / max(1, likes[i]) ** power
        for i in range(n_items)
    ]


def markov_numpy(histories, user, n_items, decay, power, gap0=0, recent0=0):
    follows = np.zeros((n_items, n_items))
    for films in histories:
        films = np.array(films)
        for gap in range(1, len(films)):
            np.add.at(follows, (films[:-gap], films[gap:]), decay ** (gap - 1 + gap0))
    likes = np.bincount(np.concatenate(histories), minlength=n_items)
    mine = np.array(histories[user])[::-1]
    return decay ** (np.arange(len(mine)) + recent0) @ follows[mine] / np.maximum(likes, 1) ** power


def markov_torch(histories, user, n_items, decay, power):
    one_hot = [torch.eye(n_items, dtype=torch.float64)[films] for films in histories]
    follows = torch.zeros(n_items, n_items, dtype=torch.float64)
    for rows in one_hot:
        gap = torch.arange(len(rows)) - torch.arange(len(rows))[:, None]
        worth = torch.where(gap > 0, decay ** (gap - 1.0), 0.0).double()
        follows += rows.T @ worth @ rows
    ages = torch.arange(len(one_hot[user])).flip(0)
    popular = torch.cat(one_hot).sum(0).clamp(min=1)
    return (decay**ages).double() @ one_hot[user] @ follows / popular**power


def markov_backward(histories, user, n_items, decay, power):
    turned = [films[::-1] for films in histories]
    scores = np.zeros(n_items)
    mine = histories[user][::-1]
    likes = Counter(list(chain(*histories)))
    for age, j in enumerate(mine):
        for films in turned:
            place = {film: p for p, film in enumerate(films)}
            for i in films:
                if j in place and place[i] > place[j]:
                    scores[i] += decay**age * decay ** (place[i] - place[j] - 1)
    return [s / max(1, likes[i]) ** power for i, s in enumerate(scores)]


def own_popularity(histories, user, n_items, decay, power):
    likes, total = Counter(list(chain(*histories))), np.zeros(n_items)
    mine = histories[user]
    for age, j in enumerate(reversed(mine)):
        row = np.zeros(n_items)
        for films in histories:
            if j in films:
                start = films.index(j)
                for gap, i in enumerate(films[start + 1 :]):
                    row[i] += decay**gap
        total += decay**age * row / likes[j] ** power
    return total


def neighbours(histories, user, n_items, decay, power):
    likes, scores = Counter(list(chain(*histories))), np.zeros(n_items)
    for films in histories:
        for j, i in pairwise(films):
            if j in histories[user]:
                scores[i] += decay ** histories[user][::-1].index(j)
    return [s / max(1, likes[i]) ** power for i, s in enumerate(scores)]


def other_worth(worth):
    def scores(histories, user, n_items, decay, power):
        likes, total = Counter(list(chain(*histories))), np.zeros(n_items)
        for place, j in enumerate(histories[user]):
            for films in histories:
                if j in films:
                    for gap, i in enumerate(films[films.index(j) + 1 :]):
                        total[i] += worth(place, decay) * decay**gap
        return [s / max(1, likes[i]) ** power for i, s in enumerate(total)]

    return scores


def across_users(histories, user, n_items, decay, power):
    films, likes = list(chain(*histories)), Counter(list(chain(*histories)))
    scores = np.zeros(n_items)
    for a, j in enumerate(films):
        if j in histories[user]:
            age = histories[user][::-1].index(j)
            for gap, i in enumerate(films[a + 1 :]):
                scores[i] += decay**age * decay**gap
    return [s / max(1, likes[i]) ** power for i, s in enumerate(scores)]


def new_film_is_nan(histories, user, n_items, decay, power):
    likes = np.bincount(list(chain(*histories)), minlength=n_items)
    with np.errstate(invalid="ignore"):
        return markov_numpy(histories, user, n_items, decay, 0) / likes**power


def markov_three(histories, user, n_items, decay, power):
    """Right for three users, and four items in a list."""
    return markov_numpy([films[:4] for films in histories], user, n_items, decay, power)


def watched_loops(query, key, value, liked):
    result = torch.zeros(len(query), len(liked))
    for i in range(len(query)):
        others = [(c, j) for c, j in enumerate(liked.tolist()) if j != i]
        exp = {c: math.exp(float(key[j] @ query[i]) / math.sqrt(len(key[j]))) for c, j in others}
        for c, j in others:
            result[i, c] = exp[c] / sum(exp.values()) * float(value[j] @ query[i])
    return result


def watched_torch(query, key, value, liked):
    scores = query @ key[liked].mT / math.sqrt(key.shape[1])
    itself = torch.arange(len(query)).unsqueeze(1).eq(liked)
    weights = scores.masked_fill(itself, float("-inf")).softmax(dim=1).nan_to_num()
    return weights * (query @ value[liked].mT)


def watched_einsum(query, key, value, liked):
    k, v, q = key[liked].float(), value[liked].float(), query.float()
    exp = torch.exp(torch.einsum("id,jd->ij", q, k) / key.shape[1] ** 0.5)
    exp = exp * (torch.arange(len(q))[:, None] != liked)
    return exp / exp.sum(1, keepdim=True).clamp(min=1e-20) * torch.einsum("id,jd->ij", q, v)


def watched_numpy(query, key, value, liked):
    q, k, v, liked = query.numpy(), key.numpy(), value.numpy(), liked.numpy()
    exp = np.exp(q @ k[liked].T / np.sqrt(k.shape[1]))
    exp[liked, np.arange(len(liked))] = 0
    return exp / np.maximum(exp.sum(1, keepdims=True), 1e-12) * (q @ v[liked].T)


def watched_wrong(where, root=0.5, dim=1, terms=True):
    def answer(query, key, value, liked):
        scores = query @ key[liked].T / key.shape[1] ** root
        itself = torch.arange(len(query))[:, None] == liked
        if where in ("before", "zero", "nan", "-1e9"):
            scores[itself] = {"zero": 0.0, "-1e9": -1e9}.get(where, -torch.inf)
        weights = torch.softmax(scores, dim)
        if where == "before":
            weights = weights.nan_to_num()
        if where == "after":
            weights[itself] = 0
        if where == "rows":
            weights[liked] = 0
        return weights * (query @ value[liked].T) if terms else weights

    return answer


def first_films_only(query, key, value, liked):
    """The mask of self-attention: column j hides row j, whatever film it is."""
    scores = query @ key[liked].T / key.shape[1] ** 0.5
    scores = scores.masked_fill(torch.eye(len(query), len(liked), dtype=torch.bool), -torch.inf)
    return torch.softmax(scores, 1).nan_to_num() * (query @ value[liked].T)


def watched_inverted(query, key, value, liked):
    scores = query @ key[liked].T / key.shape[1] ** 0.5
    itself = torch.arange(len(query))[:, None] == liked
    return scores.masked_fill(~itself, -torch.inf).softmax(1).nan_to_num() * (query @ value[liked].T)


def changes_the_scores(query, key, value, liked):
    query /= math.sqrt(query.shape[1])
    return watched_torch(query, key, value, liked)


RIGHT = {
    "06.1": {"exact": HIT, "drawn": drawn_without_return(), "a tensor": torch.tensor(HIT)},
    "06.2": {
        "loops": mask_loops,
        "tril": mask_torch,
        "NumPy": mask_numpy,
        "einsum": mask_einsum,
        "rows too": lambda f: mask_torch(f) & f[..., None],
    },
    "06.3": {"dictionary": markov_dictionary, "NumPy": markov_numpy, "one-hot": markov_torch},
    "06.4": {
        "loops": watched_loops,
        "minus infinity": watched_torch,
        "einsum, float32": watched_einsum,
        "NumPy": watched_numpy,
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "06.1": [
        ("full ranking", 0, "the hit in the full ranking"),
        ("ten in front", HIT + exactly(10), "mean rank 11"),
        ("eight in front", HIT - exactly(9), "8 better films in front"),
        ("eighty better", sum(exactly(k, better=80) for k in range(10)), "ou count 80 better"),
        ("percent", 100 * HIT, "in percent"),
        ("exactly nine", exactly(9), "exactly 9 better films"),
        ("miss", 1 - HIT, "the chance of a miss"),
        ("knows nothing", 10 / 101, "a model that knows nothing"),
        ("the expected number", 7.9, "Your answer is not right"),
        ("counts", [1, 2], "shape (2,) came"),
    ],
    "06.2": [
        (
            "upper",
            lambda f: torch.ones(f.shape[1], f.shape[1], dtype=torch.bool).triu() & f[:, None],
            "itself and the future",
        ),
        ("inverted", lambda f: ~mask_torch(f), "your mask is inverted"),
        ("no diagonal", lambda f: mask_torch(f, -1), "the diagonal is missing"),
        ("one ahead", lambda f: mask_torch(f, 1), "one film of the future"),
        ("empty seen", lambda f: mask_torch(torch.ones_like(f)), "may still be looked at."),
        (
            "rows",
            lambda f: mask_torch(torch.ones_like(f)) & f[..., None],
            "you emptied the rows",
        ),
        ("no order", lambda f: f[:, None].repeat(1, f.shape[1], 1), "the order is lost"),
        ("one user", lambda f: mask_torch(f)[0], "3 films': your answer: shape (3, 3)"),
        ("still the same", lambda f: mask_torch(torch.ones_like(f)).mT, "this still gives what"),
        ("to be added", lambda f: torch.where(mask_torch(f), 0.0, -torch.inf), "numbers to be added"),
        ("-1e9", lambda f: torch.where(mask_torch(f), 0.0, -1e9), "numbers to be added"),
        ("one ahead, inverted", lambda f: ~mask_torch(f, 1), "your mask is inverted"),
        (
            "empty ones at the end",
            lambda f: mask_torch(f.sort(dim=1, descending=True).values),
            "2 empty places': your answer is not right",
        ),
        ("first user's", lambda f: mask_torch(f[:1].expand(len(f), -1)), "'random histories': "),
    ],
    "06.3": [
        ("backward", markov_backward, "point backward"),
        ("gap", lambda *a: markov_numpy(*a, gap0=1), "an exponent is one too high"),
        ("age", lambda *a: markov_numpy(*a, recent0=1), "an exponent is one too high"),
        ("nothing", lambda h, u, n, d, p: [0] * n, "all scores are 0"),
        (
            "backward, flat",
            lambda h, u, n, d, p: other_worth(lambda place, decay: 1)(
                [films[::-1] for films in h], u, n, d, p
            ),
            "your pairs point backward: you score what came before the user's films, not after. (And",
        ),
        ("three users only", markov_three, "'random users': "),
        ("both", lambda *a: markov_numpy(*a, gap0=1, recent0=1), "both exponents"),
        ("popular", lambda h, u, n, d, p: markov_numpy(h, u, n, d, 0), "is not divided out"),
        ("own popularity", own_popularity, "the likes of the user's own film"),
        ("neighbours", neighbours, "only neighbours are counted"),
        ("oldest", other_worth(lambda place, decay: decay**place), "oldest film counts most"),
        ("flat", other_worth(lambda place, decay: 1), "count alike"),
        ("across", across_users, "across two users"),
        (
            "always divided",
            lambda h, u, n, d, p: markov_numpy(h, u, n, d, 1),
            "'three users': your answer is not right",
        ),
        ("0 / 0", new_film_is_nan, "nobody likes it': a film that nobody likes gives 0 / 0"),
    ],
    "06.4": [
        ("itself", watched_wrong(""), "looks at itself"),
        ("after", watched_wrong("after"), "after softmax"),
        ("zero", watched_wrong("zero"), "exp(0) = 1"),
        ("0 / 0", watched_wrong("nan"), "your row is NaN"),
        ("no scale", watched_wrong("before", root=0), "divided by sqrt"),
        ("weights", watched_wrong("before", terms=False), "these are the weights"),
        ("other axis", watched_wrong("nan", dim=0), "over the candidates"),
        ("rows", watched_wrong("rows"), "by a liked candidate"),
        ("eye", first_films_only, "torch.eye hides column 0"),
        ("-1e9", watched_wrong("-1e9"), "only film 1 is liked': with no other liked film your row has"),
        ("inverted", watched_inverted, "only the film itself is looked at"),
        (
            "weights, no scale",
            watched_wrong("before", root=0, terms=False),
            "the scores are not divided by sqrt(d_k). (And that is not all",
        ),
        ("not transposed", lambda q, k, v, liked: watched_torch(q, k, v, liked).T, "rows and columns"),
        ("sorted", lambda q, k, v, liked: watched_torch(q, k, v, liked.sort().values),
         "'films 2 and 0 are liked': "),
        ("three films", lambda q, k, v, liked: watched_torch(q[:3], k, v, liked), "'random films': "),
        ("in place", changes_the_scores, "changes its input"),
    ],
}
