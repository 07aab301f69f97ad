"""The exercises of notebook 03: scaled dot-product attention."""

import math

import torch

from .. import by_hand
from ..attention import masked_softmax
from .comparing import numbers_or_none
from .exercise import Draw, Exercise, Mistake, Rule

# --- 03.1 attention ---------------------------------------------------------------------------


def attention_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments query, key, value."""
    query = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
    key = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 3.0]])
    value = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
    return {
        "2 queries, 3 keys, d_k = 3": (query, key, value),
        "random numbers": (draw.numbers(4, 5), draw.numbers(6, 5), draw.numbers(6, 2)),
        "scores around 300": (30 * draw.numbers(2, 9), 30 * draw.numbers(4, 9), draw.numbers(4, 2)),
        "a batch of 2": (draw.numbers(2, 3, 4), draw.numbers(2, 5, 4), draw.numbers(2, 5, 4)),
        "a batch of 2, with 3 heads": (
            draw.numbers(2, 3, 4, 5),
            draw.numbers(2, 3, 6, 5),
            draw.numbers(2, 3, 6, 5),
        ),
    }


def attention_with(
    scale=lambda query, key, value: math.sqrt(query.shape[-1]),
    normalise=lambda scores: torch.softmax(scores, dim=-1),
    turn=lambda key: key.transpose(-2, -1),
    shown=lambda scores, weights: weights,
):
    """Attention with something done in another way than it should be."""

    def attention(query, key, value):
        scores = query @ turn(key) / scale(query, key, value)
        weights = normalise(scores)
        return weights @ value, shown(scores, weights)

    return attention


def bare_exp(scores):
    """Softmax that overflows."""
    exp = torch.exp(scores)
    return exp / exp.sum(dim=-1, keepdim=True)


def over_all(scores):
    """One softmax for all queries together."""
    return torch.softmax(scores.flatten(-2), dim=-1).reshape(scores.shape)


def swapped(query, key, value):
    """Weights first."""
    return attention_with()(query, key, value)[::-1]


def one_thing_only(answer, query, key, value) -> str | None:
    """Context alone, or weights alone."""
    context, weights = attention_with()(query, key, value)
    for name, other, right in (("context", "weights", context), ("weights", "context", weights)):
        found = numbers_or_none(answer, right.shape)
        if found is not None and not isinstance(answer, tuple | list):
            return f"this looks like the {name} alone. Give back both: return context, weights."
    return None


SCALE = "Divide by math.sqrt(d_k) before softmax; d_k = query.shape[-1]."

attention = Exercise(
    "03.1",
    "Attention from nothing",
    level="Easy",
    minutes=15,
    stub='''def attention(query, key, value):
    """Context `(..., n_query, d_v)` and weights `(..., n_query, n_key)`."""
    d_k = query.shape[-1]
    scores = ...
    weights = ...
    context = ...
    return context, weights''',
    hints=(
        "Three steps: scores, weights, context. A score is the dot product of one query and one "
        "key: how many scores are there for 2 queries and 3 keys?",
        "Swap the last two dimensions of the key, so that query @ key has shape "
        "(..., n_query, n_key). Then divide by the square root of d_k.",
        "Softmax along the last dimension, so that each query's weights sum to 1. "
        "Then context = weights @ value.",
    ),
    way=attention_with,
    cases=attention_cases,
    parts=("context", "weights"),
    mistakes=(
        Mistake(
            "the scores are not divided by sqrt(d_k).",
            SCALE,
            changes={"scale": lambda query, key, value: 1.0},
        ),
        Mistake(
            "the scores are divided by d_k, not by its square root.",
            SCALE,
            changes={"scale": lambda query, key, value: query.shape[-1]},
        ),
        Mistake(
            "the scores are multiplied by sqrt(d_k) instead of divided.",
            SCALE,
            changes={"scale": lambda query, key, value: query.shape[-1] ** -0.5},
        ),
        Mistake(
            "the scale is taken from the values (d_v); d_k is the length of a query and of a key.",
            SCALE,
            changes={"scale": lambda query, key, value: math.sqrt(value.shape[-1])},
        ),
        Mistake(
            "the scale is taken from the number of keys; d_k is the length of one of them.",
            SCALE,
            changes={"scale": lambda query, key, value: math.sqrt(key.shape[-2])},
        ),
        Mistake(
            "your weights sum to 1 over the queries; softmax belongs on the keys (dim=-1).",
            "torch.softmax(scores, dim=-1): each row sums to 1.",
            changes={"normalise": lambda scores: torch.softmax(scores, dim=-2)},
        ),
        Mistake(
            "all queries together share one weight of 1; each query hands out its own (dim=-1).",
            "torch.softmax(scores, dim=-1): each row sums to 1.",
            changes={"normalise": over_all},
        ),
        Mistake(
            "the key is not transposed: query i meets column i of the keys, not key i.",
            "query @ key.transpose(-2, -1)",
            changes={"turn": lambda key: key},
        ),
        Mistake(
            "your weights are the bare scores: softmax is missing.",
            "weights = torch.softmax(scores, dim=-1)",
            changes={"normalise": lambda scores: scores},
        ),
        Mistake(
            "exp of a large score is infinite, and infinite / infinite is NaN.",
            "Use torch.softmax. Or subtract the row's largest score before exp: that changes "
            "nothing in the result.",
            changes={"normalise": bare_exp},
        ),
        Mistake(
            "you return the scores where the weights should be.",
            "return context, weights",
            changes={"shown": lambda scores, weights: scores},
        ),
        Mistake(
            "context comes first, weights second; yours are swapped.",
            "return context, weights",
            swapped,
        ),
    ),
    rules=(Rule(one_thing_only, "return context, weights"),),
)

# --- 03.2 debug this: a mask that leaks -------------------------------------------------------


def mask_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments scores, mask."""
    scores = torch.tensor([[1.0, 2.0, 0.5, -1.0], [3.0, 0.5, 1.0, 2.0]])
    some = torch.tensor([[True, True, False, True], [False, True, True, False]])
    high = torch.tensor([[1.0, 2.0, 150.0], [3.0, 1.0, 150.0]])
    first = torch.tensor([[True, True, False], [True, True, False]])
    return {
        "some slots are empty": (scores, some),
        "a film with nothing filled": (scores, some & torch.tensor([[True], [False]])),
        "an empty slot with a score of 150": (high, first),
        "a filled slot with a score of 0": (torch.tensor([[0.0, 1.0, 2.0]]), first[:1]),
        "all scores far below 0": (torch.tensor([[-93.0, -93.5, -120.0]]), first[:1]),
        "random scores": (3 * draw.numbers(5, 6), draw.mask(5, 6)),
    }


def mask_with(
    allow=lambda scores, mask: mask,
    fill=None,
    after=lambda weights, mask: weights.nan_to_num(0.0),
    axis=-1,
):
    """Weights with another mask, another filling, or another axis."""

    def weights(scores, mask):
        mask = allow(scores, mask)
        low = -torch.inf if fill is None else fill
        return after(torch.softmax(scores.masked_fill(~mask, low), dim=axis), mask)

    return weights


def mask_after_softmax(scores, mask):
    """The faulty function of the stub."""
    return torch.softmax(scores, dim=-1) * mask


def divided_afterwards(scores, mask):
    """Renormalised after softmax: 0 / 0 where nothing is filled."""
    weights = torch.softmax(scores, dim=-1) * mask
    return weights / weights.sum(dim=-1, keepdim=True)


def divided_carefully(scores, mask):
    """As before, without the 0 / 0."""
    return divided_afterwards(scores, mask).nan_to_num(0.0)


UNIFORM = (
    "nothing to attend to, yet your row is uniform: all scores got the same large negative number. "
    "Let it be zeros."
)
NOT_LOW = "-100 is not low enough: other scores are hardly higher. Fill with minus infinity."
INFINITY = "scores.masked_fill(~mask, -torch.inf) before softmax."
ZEROS = "weights.nan_to_num(0.0) turns NaN into 0; weights.masked_fill(~mask, 0.0) empties, too."

mask_leak = Exercise(
    "03.2",
    "Debug this: weights that do not sum to 1",
    level="Medium",
    minutes=15,
    stub='''def slot_weights(scores, mask):
    """Weights `(n_films, n_slots)`: rows sum to 1; zeros if a film has nothing filled."""
    weights = torch.softmax(scores, dim=-1)
    return weights * mask''',
    hints=(
        "Print weights.sum(dim=-1) for a row with an empty slot. Where did the rest go?",
        "Softmax had already shared the weight among all slots. Empty slots must be out of the "
        "race before softmax: exp(-infinity) is 0.",
        "scores.masked_fill(~mask, -torch.inf) before softmax. Then a row with nothing allowed is "
        "0 / 0 = NaN: fill those rows with 0 afterwards.",
    ),
    right=masked_softmax,
    way=mask_with,
    cases=mask_cases,
    debug=True,
    axes=("film", "slot"),
    mistakes=(
        Mistake(
            "this still gives what the code gave: the weight of the empty slots is lost.",
            "The mask must do its work before softmax, not after it.",
            mask_after_softmax,
        ),
        Mistake(
            "the mask is the wrong way round: True means the slot may be attended to.",
            "masked_fill fills where it finds True: give it ~mask.",
            changes={"allow": lambda scores, mask: ~mask},
        ),
        Mistake(
            "empty slots still get weight: the mask is ignored.",
            INFINITY,
            lambda scores, mask: torch.softmax(scores, dim=-1),
        ),
        Mistake(
            "a score of 0 is not out of the race: exp(0) = 1. Fill with minus infinity.",
            INFINITY,
            changes={"fill": 0.0},
        ),
        Mistake(
            NOT_LOW,
            INFINITY,
            lambda scores, mask: torch.softmax(scores.masked_fill(~mask, -100.0), dim=-1) * mask,
        ),
        Mistake(
            NOT_LOW,
            INFINITY,
            lambda scores, mask: torch.softmax(scores.masked_fill(~mask, -100.0), dim=-1),
        ),
        Mistake(
            "True adds 1 to the score, False 0: that is no mask. Fill with minus infinity.",
            INFINITY,
            lambda scores, mask: torch.softmax(scores + mask, dim=-1),
        ),
        Mistake(
            "you divide by the row's sum afterwards: where nothing is filled that is 0 / 0 = NaN. "
            "Take the empty slots out before softmax.",
            INFINITY,
            divided_afterwards,
        ),
        Mistake(
            "you divide by the row's sum afterwards: an empty slot with a high score has taken "
            "all the weight, and nothing is left to divide.",
            INFINITY,
            divided_carefully,
        ),
        Mistake(
            "you also take out filled slots whose score is 0: a score may be 0.",
            "Ask the mask, not the score.",
            changes={"allow": lambda scores, mask: mask & (scores != 0)},
        ),
        Mistake(
            "nothing to attend to: your row is 0 / 0 = NaN. Let it be zeros.",
            ZEROS,
            changes={"after": lambda weights, mask: weights},
        ),
        Mistake(UNIFORM, ZEROS, changes={"fill": -1e9}),
        Mistake(
            "softmax runs over the films; it belongs on the slots of one film (dim=-1).",
            "torch.softmax(..., dim=-1): each row sums to 1.",
            changes={"axis": 0},
        ),
    ),
)

# --- 03.3 predict, then measure ---------------------------------------------------------------


def pacino_with(factor=3.0, scale=by_hand.D_K**0.5):
    """The weight of Al Pacino when the query is `factor` times as long."""
    scores = by_hand.KEY @ (factor * by_hand.USER) / scale
    return lambda: torch.softmax(scores, dim=0)[1].item()


stronger_query = Exercise(
    "03.3",
    "Predict, then measure: a stronger query",
    level="Easy",
    minutes=5,
    stub="""from recsys_utils import by_hand

prediction = ...
measured = ...""",
    hints=(
        "The scores are -1, 2 and 1. What are they when the query is three times as long?",
        "Softmax looks at differences: how far is Al Pacino in front of Crime now?",
        "torch.softmax(torch.tensor([...]), dim=0), and take the middle one with [1].",
    ),
    way=pacino_with,
    predict=True,
    share=True,
    mistakes=(
        Mistake(
            "this is the weight with the old query, or you multiplied the weights instead of "
            "the query.",
            "The three scores are three times as large: -3, 6, 3. Then softmax.",
            changes={"factor": 1.0},
        ),
        Mistake(
            "three times the weight is more than 1: multiply the query, not the weight.",
            "The three scores are three times as large: -3, 6, 3. Then softmax.",
            lambda: 3 * pacino_with(1.0)(),
        ),
        Mistake(
            "the scores must be divided by sqrt(d_k) = 2 as well.",
            "by_hand.KEY @ (3 * by_hand.USER) / 2, then softmax.",
            changes={"scale": 1.0},
        ),
        Mistake(
            "this is the largest score, not the weight: softmax is missing.",
            "torch.softmax(scores, dim=0)[1]",
            lambda: 6.0,
        ),
    ),
)

# --- 03.4 heads -------------------------------------------------------------------------------


def heads_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments query, key, n_heads."""
    query = torch.tensor([[1.0, 0.0, 2.0, 1.0], [0.0, 3.0, 1.0, 0.0]])
    key = torch.tensor([[2.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 3.0, 2.0]])
    return {
        "2 heads, d_model = 4": (query, key, 2),
        "one head": (query, key, 1),
        "random, 4 heads, d_model = 12": (2 * draw.numbers(5, 12), draw.numbers(3, 12), 4),
    }


def slices(x, n_heads):
    """`(n, d_model)` -> `(n_heads, n, d_k)`: head j has the j-th slice of every vector."""
    return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)


def rows_cut(x, n_heads):
    """The right shape, but the vectors of different things get mixed."""
    return x.reshape(n_heads, x.shape[0], -1)


def every_other(x, n_heads):
    """Head j gets components j, j + n_heads, ..."""
    return x.unflatten(-1, (-1, n_heads)).movedim(-1, 0)


def heads_with(
    split=slices, scale=lambda d_model, n_heads: d_model / n_heads, axis=-1,
    collect=lambda maps: maps,
):  # fmt: skip
    """Weights per head, with another way to cut the vectors, to scale, or to collect."""

    def weights_per_head(query, key, n_heads):
        d_model = query.shape[-1]
        query, key = split(query, n_heads), split(key, n_heads)
        scores = query @ key.mT / scale(d_model, n_heads) ** 0.5
        return collect(torch.softmax(scores, dim=axis))

    return weights_per_head


SLICE = "part = slice(j * d_k, (j + 1) * d_k); query[:, part] are the numbers of head j."

heads = Exercise(
    "03.4",
    "Each head has its own map",
    level="Hard",
    minutes=20,
    stub='''def weights_per_head(query, key, n_heads):
    """One map for each head, `(n_heads, n_query, n_key)`, never their mean."""
    d_k = query.shape[1] // n_heads  # the length of one slice
    maps = []
    for head in range(n_heads):
        ...
    return torch.stack(maps)''',
    hints=(
        "Head 0 works with the first d_k numbers of each query and each key, head 1 with the next "
        "d_k, and so on.",
        "part = slice(head * d_k, (head + 1) * d_k), then query[:, part] and key[:, part].",
        "For each head: scores = query[:, part] @ key[:, part].T / d_k ** 0.5, softmax along the "
        "keys, and maps.append(...). Do not average the maps.",
    ),
    way=heads_with,
    cases=heads_cases,
    axes=("head", "query", "key"),
    mistakes=(
        Mistake(
            "the heads are averaged: one map is left. Keep one map for each head.",
            "torch.stack(maps), without a mean.",
            changes={"collect": lambda maps: maps.mean(dim=0)},
        ),
        Mistake(
            "the scale is that of the whole vector; each head has d_k = d_model / n_heads.",
            "Divide by the square root of the length of one slice.",
            changes={"scale": lambda d_model, n_heads: d_model},
        ),
        Mistake(
            "the scores are not divided by sqrt(d_k).",
            "Divide by the square root of the length of one slice.",
            changes={"scale": lambda d_model, n_heads: 1.0},
        ),
        Mistake(
            "softmax runs over the queries; each query hands out 1 among the keys (dim=-1).",
            "torch.softmax(scores, dim=1) for one head.",
            changes={"axis": -2},
        ),
        Mistake(
            "your reshape mixes the numbers of different queries. Cut each vector into slices "
            "first, then move the heads to the front.",
            SLICE,
            changes={"split": rows_cut},
        ),
        Mistake(
            "your head 1 takes every n_heads-th number; heads are slices that lie side by side.",
            SLICE,
            changes={"split": every_other},
        ),
        Mistake(
            "your heads stand last; the shape should be (n_heads, n_query, n_key).",
            "torch.stack(maps) puts the heads first.",
            changes={"collect": lambda maps: maps.movedim(0, -1)},
        ),
    ),
)

EXERCISES = [attention, mask_leak, stronger_query, heads]
