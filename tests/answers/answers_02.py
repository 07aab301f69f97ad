"""Answers to the exercises of notebook 02: right ones of every style, and usual wrong ones."""

import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from recsys_utils import by_hand

# --- 02.1 ---------------------------------------------------------------------------------------


def rows_loop(ids, n_attributes):
    rows = [[0] * n_attributes for _ in ids]
    for row, numbers in zip(rows, ids.tolist()):
        for number in numbers:
            if number > 0:
                row[number] = 1
    return rows


def rows_one_hot(ids, n_attributes):
    rows = F.one_hot(ids, n_attributes).sum(dim=1)
    rows[:, 0] = 0
    return rows


def rows_numpy(ids, n_attributes):
    ids = ids.numpy()
    return (ids[:, :, None] == np.arange(n_attributes)).any(axis=1) & (np.arange(n_attributes) > 0)


def rows_pandas(ids, n_attributes):
    long = pd.DataFrame(ids.numpy()).melt(ignore_index=False).query("value > 0")
    return pd.crosstab(long.index, long.value).reindex(
        index=range(len(ids)), columns=range(n_attributes), fill_value=0
    )


# --- 02.3 ---------------------------------------------------------------------------------------


def near_loop(vectors, row, k):
    def length(v):
        return math.sqrt(sum(x * x for x in v))

    vectors = vectors.tolist()
    cosines = []
    for i, v in enumerate(vectors):
        if i not in (0, row):
            dot = sum(a * b for a, b in zip(v, vectors[row]))
            cosines.append((dot / length(v) / length(vectors[row]), i))
    return [i for _, i in sorted(cosines, reverse=True)[:k]]


def near_normalize(vectors, row, k):
    unit = F.normalize(vectors, dim=-1)
    likeness = unit @ unit[row]
    likeness[[0, row]] = -torch.inf
    return likeness.topk(k).indices


def near_numpy(vectors, row, k):
    v = vectors.double().numpy()
    with np.errstate(invalid="ignore"):
        cosines = v @ v[row] / np.linalg.norm(v, axis=1) / np.linalg.norm(v[row])
    order = [i for i in np.argsort(-cosines) if i != row and i != 0]
    return np.array(order[:k])


def near(measure, out=(0, "row")):
    def nearest(vectors, row, k):
        likeness = [measure(v, vectors[row]) for v in vectors.double().numpy()]
        left_out = {row if name == "row" else name for name in out}
        rows = [i for i in range(len(vectors)) if i not in left_out]
        return sorted(rows, key=lambda i: -likeness[i])[:k]

    return lambda vectors, row, k: nearest(vectors.double(), row, k)


def cos(a, b):
    return float(a @ b.numpy() / max(1e-12, np.linalg.norm(a) * np.linalg.norm(b)))


def dots(a, b):
    return float(a @ b.numpy())


def near_nan(vectors, row, k):
    cosines = vectors @ vectors[row] / vectors.norm(dim=1) / vectors[row].norm()
    cosines[row] = -1.0
    return cosines.topk(k).indices


def near_cut(vectors, row, k):
    likeness = torch.cosine_similarity(vectors[1:], vectors[row], dim=-1)
    likeness[row - 1] = -2
    return likeness.topk(k).indices


def near_zero(vectors, row, k):
    likeness = torch.cosine_similarity(vectors, vectors[row], dim=-1)
    likeness[[0, row]] = 0
    return likeness.topk(k).indices


def near_first_dropped(vectors, row, k):
    unit = F.normalize(vectors, dim=-1)
    cosines = unit[1:] @ unit[row]
    return cosines.topk(k + 1).indices[1:] + 1


def near_values(vectors, row, k):
    unit = F.normalize(vectors, dim=-1)
    likeness = unit @ unit[row]
    likeness[[0, row]] = -torch.inf
    return likeness.topk(k)


# --- 02.4 ---------------------------------------------------------------------------------------


def parts_loop(user, key, value, mask):
    result = torch.zeros(mask.shape)
    for film in range(len(mask)):
        slots = [s for s in range(mask.shape[1]) if mask[film, s]]
        exp = {s: math.exp(float(key[film, s] @ user) / math.sqrt(len(user))) for s in slots}
        for s in slots:
            result[film, s] = exp[s] / sum(exp.values()) * float(value[film, s] @ user)
    return result


def parts_numpy(user, key, value, mask):
    user, key, value = (x.double().numpy() for x in (user, key, value))
    scores = np.where(mask.numpy(), key @ user / np.sqrt(user.size), -np.inf)
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True) * (value @ user)


def parts_einsum(user, key, value, mask, scale=None, taste=None):
    scores = torch.einsum("fsd,d->fs", key, user) / (len(user) ** 0.5 if scale is None else scale)
    weights = scores.masked_fill(~mask, -1e9).softmax(dim=1)
    return weights * (torch.einsum("fsd,d->fs", value, user) if taste is None else taste)


def parts_values_first(user, key, value, mask):
    weights = F.softmax((key * user).sum(-1) / math.sqrt(user.numel()) + mask.log(), dim=-1)
    return ((weights[..., None] * value) * user).sum(dim=-1)


def parts_no_softmax(user, key, value, mask):
    return (key @ user) / math.sqrt(len(user)) * (value @ user) * mask


def parts_unmasked(user, key, value, mask, after=False):
    weights = torch.softmax(key @ user / math.sqrt(len(user)), dim=-1)
    return weights * (value @ user) * (mask if after else 1)


def parts_mean(user, key, value, mask):
    return (value @ user) * mask / mask.sum(dim=1)[:, None]


def parts_share_of_score(user, key, value, mask):
    weights = parts_einsum(user, key, value, mask, taste=1.0)
    return weights * parts_loop(user, key, value, mask).sum(dim=1, keepdim=True)


def parts_other_axis(user, key, value, mask):
    scores = (key @ user / math.sqrt(len(user))).masked_fill(~mask, -torch.inf)
    return torch.softmax(scores, dim=0) * (value @ user)


def parts_one_softmax(user, key, value, mask):
    scores = (key @ user / math.sqrt(len(user))).masked_fill(~mask, -torch.inf)
    return torch.softmax(scores.flatten(), 0).view(scores.shape) * (value @ user)


def parts_filled(user, key, value, mask, fill):
    scores = torch.where(mask, key @ user / math.sqrt(len(user)), fill)
    return scores.softmax(1) * (value @ user)


def parts_plain(user, key, value, mask):
    return torch.softmax(key @ user, dim=1) * (value @ user)


def parts_two_slots(user, key, value, mask):
    keep = mask & (torch.arange(mask.shape[1]) < 2)
    return parts_loop(user, key, value, keep)


def contexts(user, key, value, mask):
    weights = parts_einsum(user, key, value, mask, taste=1.0)
    return (weights[:, :, None] * value).sum(dim=1)


# --- 02.5 ---------------------------------------------------------------------------------------


def sentence_loop(label, names, contributions):
    total = sum(abs(c) for c in contributions)
    best, worst = (0.2 * total, None), (-0.2 * total, None)
    for name, c in zip(names, contributions):
        if c >= best[0] and c > 0:
            best = (c, name)
        if c <= worst[0] and c < 0:
            worst = (c, name)
    if best[1] and worst[1]:
        return f"{label}: because of {best[1]}, despite {worst[1]}."
    if best[1]:
        return f"{label}: because of {best[1]}."
    if worst[1]:
        return f"{label}: despite {worst[1]}."
    return f"{label}: no clear reason."


def sentence_numpy(label, names, contributions, total=None, limit=0.2):
    whole = np.abs(contributions).sum() if total is None else abs(total)
    share = contributions / (whole or 1.0)
    high, low = int(np.argmax(share)), int(np.argmin(share))
    parts = ["because of " + names[high]] * bool(share[high] >= limit and share[high] > 0)
    parts += ["despite " + names[low]] * bool(share[low] <= -limit and share[low] < 0)
    return label + ": " + (", ".join(parts) if parts else "no clear reason") + "."


def sentence_sorted(label, names, contributions):
    by_name = pd.Series(contributions, index=names)
    by_name = by_name[by_name.abs() >= by_name.abs().sum() / 5].sort_values()
    parts = []
    if len(by_name) and by_name.iloc[-1] > 0:
        parts.append(f"because of {by_name.index[-1]}")
    if len(by_name) and by_name.iloc[0] < 0:
        parts.append(f"despite {by_name.index[0]}")
    return f"{label}: {', '.join(parts) or 'no clear reason'}."


def sentence_like(total=None, limit=0.2, over=False, signs=True):
    """With argmax and argmin, as many write it."""

    def answer(label, names, c):
        needed = limit * (abs(c).sum() if total is None else total(c))
        high, low = c.argmax(), c.argmin()
        enough = (lambda x: x > needed) if over else (lambda x: x >= needed)
        parts = []
        if enough(abs(c[high])) and (c[high] > 0 or not signs):
            parts.append(f"because of {names[high]}")
        if enough(abs(c[low])) and (c[low] < 0 or not signs):
            parts.append(f"despite {names[low]}")
        return f"{label}: {', '.join(parts) or 'no clear reason'}."

    return answer


def strong(contributions):
    return [i for i, c in enumerate(contributions) if abs(c) >= abs(contributions).sum() / 5]


def sentence_any_sign(label, names, contributions):
    if not strong(contributions) or not contributions.any():
        return f"{label}: no clear reason."
    return f"{label}: because of {names[abs(contributions).argmax()]}."


def sentence_only_for(label, names, contributions):
    if contributions.max() <= 0 or contributions.max() < abs(contributions).sum() / 5:
        return f"{label}: no clear reason."
    return f"{label}: because of {names[contributions.argmax()]}."


def sentence_first(label, names, contributions, joined=False):
    parts = []
    for word, sign in (("because of ", 1), ("despite ", -1)):
        named = [names[i] for i in strong(contributions) if contributions[i] * sign > 0]
        if named:
            parts.append(word + (" and ".join(named) if joined else named[0]))
    return f"{label}: {', '.join(parts) or 'no clear reason'}."


def sentence_swapped(label, names, contributions):
    return sentence_loop(label, names, -contributions)


def sentence_always_despite(label, names, contributions):
    said = sentence_loop(label, names, contributions)
    if "because" in said and "despite" not in said:
        said = said[:-1] + f", despite {names[contributions.argmin()]}."
    return said


def sentence_needs_a_reason(label, names, contributions):
    said = sentence_loop(label, names, contributions)
    return said if "because" in said else f"{label}: no clear reason."


def sentence_lowest(label, names, contributions):
    """The lowest speaks against the film, even if it is above 0."""
    limit = abs(contributions).sum() / 5
    high, low = contributions.argmax(), contributions.argmin()
    parts = [f"because of {names[high]}"] * int(contributions[high] >= limit > 0)
    parts += [f"despite {names[low]}"] * int(abs(contributions[low]) >= limit > 0)
    return f"{label}: {', '.join(parts) or 'no clear reason'}."


def sentence_at_zero(label, names, contributions):
    """>= and <= let a 0 through when the limit is 0 as well."""
    limit = abs(contributions).sum() / 5
    high, low = contributions.argmax(), contributions.argmin()
    parts = [f"because of {names[high]}"] * int(contributions[high] >= limit)
    parts += [f"despite {names[low]}"] * int(contributions[low] <= -limit)
    return f"{label}: {', '.join(parts) or 'no clear reason'}."


def heat(weights, bias=0.5):
    return bias + sum(w * t for w, t in zip(weights, (4, 2, -1)))


RIGHT = {
    "02.1": {
        "a loop, lists": rows_loop,
        "one-hot, added": rows_one_hot,
        "NumPy, true and false": rows_numpy,
        "pandas": rows_pandas,
    },
    "02.2": {
        "by hand": 0.5 + 5 / 3,
        "a tensor": by_hand.BIAS + by_hand.VALUE.mean(0) @ by_hand.USER,
        "rounded": 2.17,
    },
    "02.3": {
        "a loop": near_loop,
        "normalized": near_normalize,
        "NumPy": near_numpy,
        "float64": lambda vectors, row, k: near_normalize(vectors.double(), row, k),
    },
    "02.4": {
        "a loop": parts_loop,
        "NumPy": parts_numpy,
        "einsum": parts_einsum,
        "weighted values first": parts_values_first,
    },
    "02.5": {"a loop": sentence_loop, "NumPy": sentence_numpy, "pandas": sentence_sorted},
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "02.1": [
        ("empty slots", lambda ids, n: F.one_hot(ids, n).sum(1), "column 0 is filled"),
        (
            "empty slots, too far left",
            lambda ids, n: F.one_hot((ids - 1) % n, n).amax(1),
            "too far left",
        ),
        ("empty slots once", lambda ids, n: F.one_hot(ids, n).amax(1), "column 0 is filled"),
        ("slots kept", F.one_hot, "one row for each slot"),
        (
            "one too far left",
            lambda ids, n: F.one_hot((ids - 1) % n, n).sum(1) * (torch.arange(n) < n - 1),
            "too far left",
        ),
        (
            "numbers",
            lambda ids, n: [[i if i and i in row else 0 for i in range(n)] for row in ids],
            "names, not sizes",
        ),
        (
            "mean",
            lambda ids, n: rows_one_hot(ids, n) / (ids != 0).sum(1)[:, None],
            "not their sum",
        ),
        (
            "as long as needed",
            lambda ids, n: rows_one_hot(ids, int(ids.max()) + 1),
            "shape (2, 5) came",
        ),
        ("turned", lambda ids, n: rows_one_hot(ids, n).T, "rows and columns have changed"),
        ("nothing", lambda ids, n: torch.zeros(len(ids), n), "all rows are 0"),
        (
            "empty films forgotten",
            lambda ids, n: rows_one_hot(ids[ids.any(1)], n),
            "nothing filled': your answer: shape (2, 3) came",
        ),
        (
            "mean, too far left",
            lambda ids, n: (rows_one_hot(ids, n) / (ids != 0).sum(1)[:, None]).roll(-1, 1),
            "too far left: attribute 1 belongs in column 1; column 0 stays. (And that",
        ),
    ],
    "02.2": [
        ("attention", heat([0.0351, 0.7054, 0.2595]), "weights of attention"),
        ("empty slot", heat([0.25] * 3), "1/3, not 1/4"),
        ("sum", heat([1, 1, 1]), "added up the values"),
        ("no bias", heat([1 / 3] * 3, bias=0), "bias of the film is missing"),
        ("keys", 0.5 + float((by_hand.KEY @ by_hand.USER).mean()), "the bias was divided by 3"),
        ("bias divided", 5.5 / 3, "the bias was divided by 3"),
        ("sum without bias", 5, "takes their mean. (And"),
        ("all three", [4 / 3, 2 / 3, -1 / 3], "shape (3,) came"),
        ("another number", 3, "Your answer is not right"),
    ],
    "02.3": [
        ("itself", near(cos, out=(0,)), "row itself is among"),
        ("empty slot", near(cos, out=("row",)), "no direction"),
        ("empty slot is NaN", near_nan, "no direction"),
        ("dot products", near(dots), "you compare dot products"),
        ("dot products, empty slot", near(dots, out=("row",)), "you compare dot products"),
        ("dot products, itself", near(dots, out=(0,)), "row itself is among"),
        (
            "distances",
            near(lambda a, b: -np.linalg.norm(a - b.numpy())),
            "you compare distances",
        ),
        ("furthest", near(lambda a, b: -cos(a, b)), "the furthest rows"),
        ("absolute", near(lambda a, b: abs(cos(a, b))), "the absolute value"),
        ("row 0 cut off", near_cut, "one too small"),
        ("cosines", lambda *a: near_values(*a).values, "you give the cosines"),
        ("all of topk", near_values, "shape (2, 3) came"),
        ("backwards", lambda *a: near_loop(*a)[::-1], "in the reverse order"),
        ("still the same", lambda v, row, k: (v @ v[row]).topk(k)[1], "this still gives what"),
        ("seen set to 0", near_zero, "does not keep a row out"),
        ("first dropped", near_first_dropped, "same direction': you drop the first"),
        ("k + 1", lambda v, row, k: near_loop(v, row, k + 1), "long': your answer: shape (4,)"),
        ("always 2", lambda v, row, k: near_loop(v, row, 2), "long': your answer: shape (2,)"),
        (
            "by heart with one friend",
            lambda v, row, k: (
                near_loop(v, row, k) if v[0].numel() > 2 or len(v) < 6 or row == 1 else [4, 2]
            ),
            "points the same way': your answer is not right",
        ),
        (
            "furthest distances",
            near(lambda a, b: np.linalg.norm(a - b.numpy())),
            "one vector is long': ",
        ),
    ],
    "02.4": [
        ("weights", lambda *a: parts_einsum(*a, taste=1.0), "these are the weights"),
        ("v . u", lambda u, k, v, m: (v @ u) * m, "v · u alone"),
        ("mean pooling", parts_mean, "contributions of mean pooling"),
        ("no softmax", parts_no_softmax, "not by the weights"),
        ("mask after", lambda *a: parts_unmasked(*a, after=True), "take weight away"),
        ("no mask", parts_unmasked, "the empty slots contribute"),
        ("no scale", lambda *a: parts_einsum(*a, scale=1.0), "not divided by sqrt"),
        ("no sign", lambda *a: parts_numpy(*a).__abs__(), "lost their sign"),
        (
            "length of v",
            lambda u, k, v, m: parts_einsum(u, k, v, m, taste=v.norm(dim=-1)),
            "does not know the user",
        ),
        ("shares", lambda *a: (p := parts_loop(*a)) / p.sum(1, keepdim=True), "divided by the sum"),
        ("contexts", contexts, "you give the contexts"),
        ("one for each film", lambda *a: parts_loop(*a).sum(1), "one number for each film"),
        ("weight times score", parts_share_of_score, "the sums are right"),
        (
            "scale d_k",
            lambda u, k, v, m: parts_einsum(u, k, v, m, scale=len(u)),
            "divided by d_k, not",
        ),
        ("over the films", parts_other_axis, "softmax runs over the films"),
        ("over everything", parts_one_softmax, "all films together share"),
        ("inverted", lambda u, k, v, m: parts_loop(u, k, v, ~m), "the wrong way round"),
        ("filled with 0", lambda *a: parts_filled(*a, fill=0.0), "exp(0) = 1"),
        ("filled with -10", lambda *a: parts_filled(*a, fill=-10.0), "your fill is not low enough"),
        (
            "filled with -40",
            lambda *a: parts_filled(*a, fill=-40.0),
            "'all scores far below 0': ",
        ),
        ("double", lambda *a: 2 * parts_loop(*a), "2 films, 2 slots': your contributions of film"),
        ("no scale, no mask", parts_plain, "the mask is ignored. (And that is not all"),
        ("two slots only", parts_two_slots, "'3 films, 4 slots': your"),
    ],
    "02.5": [
        ("plain sum", sentence_like(lambda c: c.sum()), "the plain sum"),
        ("size of the plain sum", sentence_like(lambda c: abs(c.sum())), "the plain sum"),
        ("largest", sentence_like(lambda c: abs(c).max()), "a fifth of the largest contribution"),
        (
            "no limit",
            lambda label, names, c: sentence_numpy(label, names, c, limit=0.0),
            "'nothing against': you name reasons that are weak",
        ),
        ("a quarter", sentence_like(limit=0.25), "you ask for a quarter"),
        ("0.3", sentence_like(limit=0.3), "you ask for more than a fifth"),
        ("a tenth", sentence_like(limit=0.1), "'many small ones': you name reasons that are weak"),
        ("over", sentence_like(over=True), "'exactly a fifth': exactly a fifth is enough"),
        ("no signs", sentence_like(signs=False), "'all speak against': the sign is not looked at"),
        ("no sign for the lowest", sentence_lowest, "'all speak for': "),
        ("any sign", sentence_any_sign, "something that speaks against"),
        ("only for", sentence_only_for, "is silent about"),
        ("first", sentence_first, "the first reason in the list"),
        ("all reasons", lambda *a: sentence_first(*a, joined=True), "you name all reasons"),
        ("swapped", sentence_swapped, "for and against have changed places"),
        ("zeros", sentence_at_zero, "'all are 0': all contributions are 0"),
        (
            "plain sum, first",
            lambda label, names, c: (
                sentence_first(label, names, c)
                if abs(c).sum() == abs(c.sum())
                else "Heat: because of Crime."
            ),
            "'one for, one against': your answer is not right",
        ),
        ("always despite", sentence_always_despite, "'nothing against': your answer"),
        ("needs a reason", sentence_needs_a_reason, "'nothing for': your answer"),
        ("a list", lambda *a: [sentence_loop(*a)], "a text is asked for, but this is a list"),
    ],
}
