"""The exercises of notebook 03: scaled dot-product attention."""

import math

import torch

from .. import by_hand
from ..attention import AttentionResult, masked_softmax, scaled_dot_product_attention
from .exercise import Exercise, Mistake, numbers

# --- 03.1 attention ---------------------------------------------------------------------------


def attention_cases() -> dict[str, tuple]:
    """Arguments query, key, value."""
    return {
        "3 queries, 3 keys, d_k = 3": (numbers(3, 3), numbers(3, 3, seed=1), numbers(3, 3, seed=2)),
        "scores around 300": (
            30 * numbers(2, 9),
            30 * numbers(4, 9, seed=1),
            numbers(4, 2, seed=2),
        ),
        "a batch of 2": (numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 4, seed=2)),
    }


def attention_with(scale=math.sqrt, axis=-1, look_up=lambda weights, value: weights @ value):
    """Attention with something done in another way than it should be."""

    def attention(query, key, value):
        scores = query @ key.transpose(-2, -1) / scale(query.shape[-1])
        weights = torch.softmax(scores, dim=axis)
        return AttentionResult(look_up(weights, value), weights)

    return attention


def key_not_transposed(query, key, value):
    """Runs only where key is square."""
    weights = torch.softmax(query @ key / math.sqrt(query.shape[-1]), dim=-1)
    return AttentionResult(weights @ value, weights)


def scores_as_weights(query, key, value):
    """Softmax left out."""
    weights = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return AttentionResult(weights @ value, weights)


def result_and_scores(query, key, value):
    """Returns scores where the weights should be."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return AttentionResult(torch.softmax(scores, dim=-1) @ value, scores)


def swapped(query, key, value):
    """Weights first."""
    return tuple(reversed(scaled_dot_product_attention(query, key, value)))


attention = Exercise(
    "03.1",
    "Attention from nothing",
    hints=(
        "Three steps: scores, weights, context. A score is the dot product of one query and one "
        "key: how many scores are there for 2 queries and 3 keys?",
        "Swap the last two dimensions of the key, so that query @ key has shape "
        "(..., n_query, n_key). Then divide by the square root of d_k.",
        "Softmax along the last dimension, so that each query's weights sum to 1. "
        "Then context = weights @ value.",
    ),
    right=scaled_dot_product_attention,
    cases=attention_cases,
    mistakes=(
        Mistake("the scores are not divided by sqrt(d_k).", attention_with(lambda d: 1.0)),
        Mistake("the scores are divided by d_k, not by its square root.", attention_with(float)),
        Mistake(
            "the scores are multiplied by sqrt(d_k) instead of divided.",
            attention_with(lambda d: 1 / math.sqrt(d)),
        ),
        Mistake(
            "your weights sum to 1 over the queries; softmax belongs on the keys (dim=-1).",
            attention_with(axis=-2),
        ),
        Mistake(
            "the key is not transposed: query i meets column i of the keys, not key i.",
            key_not_transposed,
        ),
        Mistake("your weights are the bare scores: softmax is missing.", scores_as_weights),
        Mistake("you return the scores where the weights should be.", result_and_scores),
        Mistake("context comes first, weights second; yours are swapped.", swapped),
    ),
)

# --- 03.2 debug this: a mask that leaks -------------------------------------------------------


def mask_cases() -> dict[str, tuple]:
    """Arguments scores, mask."""
    some = torch.tensor([[True, True, False, True], [False, True, True, False]])
    return {
        "some slots empty": (numbers(2, 4), some),
        "a film with nothing filled": (numbers(2, 4), some & torch.tensor([[True], [False]])),
    }


def mask_after_softmax(scores, mask):
    """The faulty function of the stub."""
    return torch.softmax(scores, dim=-1) * mask


def fill_with(value):
    """Fill empty slots before softmax."""
    return lambda scores, mask: torch.softmax(scores.masked_fill(~mask, value), dim=-1)


def zero_sum_is_nan(scores, mask):
    """Renormalised after softmax: 0 / 0 where nothing is filled."""
    weights = torch.softmax(scores, dim=-1) * mask
    return weights / weights.sum(dim=-1, keepdim=True)


mask_leak = Exercise(
    "03.2",
    "Debug this: weights that do not sum to 1",
    hints=(
        "Print weights.sum(dim=-1) for a row with an empty slot. Where did the rest go?",
        "Softmax had already shared the weight among all slots. Empty slots must be out of the "
        "race before softmax.",
        "scores.masked_fill(~mask, -torch.inf) before softmax. Then a row with nothing allowed is "
        "0 / 0 = NaN: fill those rows with 0 afterwards.",
    ),
    right=masked_softmax,
    cases=mask_cases,
    given=mask_after_softmax,
    mistakes=(
        Mistake(
            "the mask is the wrong way round: True means the slot may be attended to.",
            lambda scores, mask: masked_softmax(scores, ~mask),
        ),
        Mistake(
            "empty slots still get weight: the mask is ignored.",
            lambda scores, mask: torch.softmax(scores, dim=-1),
        ),
        Mistake(
            "a score of 0 is not out of the race: exp(0) = 1. Fill with minus infinity.",
            fill_with(0.0),
        ),
        Mistake("nothing to attend to: your row is 0 / 0 = NaN. Let it be zeros.", zero_sum_is_nan),
        Mistake(
            "nothing to attend to, yet your row is uniform: all scores got the same large negative "
            "number. Let it be zeros.",
            fill_with(-1e9),
        ),
        Mistake(
            "softmax runs over the films; it belongs on the slots of one film (dim=-1).",
            lambda scores, mask: masked_softmax(scores.T, mask.T).T,
        ),
    ),
)

# --- 03.3 predict, then measure ---------------------------------------------------------------


def weight_of_pacino(factor: float = 3.0, scale: float = by_hand.D_K**0.5) -> float:
    """The weight of Al Pacino when the query is `factor` times as long."""
    return torch.softmax(by_hand.KEY @ (factor * by_hand.USER) / scale, dim=0)[1].item()


stronger_query = Exercise(
    "03.3",
    "Predict, then measure: a stronger query",
    hints=(
        "The scores are -1, 2 and 1. What are they when the query is three times as long?",
        "torch.softmax(torch.tensor([...]), dim=0), and take the middle one with [1].",
    ),
    right=weight_of_pacino,
    predict=True,
    mistakes=(
        Mistake(
            "this is the weight with the old query, or you multiplied the weights instead of "
            "the query.",
            lambda: weight_of_pacino(1.0),
        ),
        Mistake(
            "three times the weight is more than 1: multiply the query, not the weight.",
            lambda: 3 * weight_of_pacino(1.0),
        ),
        Mistake(
            "the scores must be divided by sqrt(d_k) = 2 as well.",
            lambda: weight_of_pacino(scale=1.0),
        ),
        Mistake("this is the largest score, not the weight: softmax is missing.", lambda: 6.0),
    ),
)

# --- 03.4 heads -------------------------------------------------------------------------------


def heads_cases() -> dict[str, tuple]:
    """Arguments query, key, n_heads."""
    return {
        "2 heads": (numbers(2, 6), numbers(3, 6, seed=1), 2),
        "4 heads, d_model = 8": (2 * numbers(5, 8), 2 * numbers(5, 8, seed=1), 4),
    }


def heads_with(split, scale=lambda d_model, n_heads: d_model / n_heads):
    """Weights per head, with another way to cut the vectors or to scale."""

    def weights_per_head(query, key, n_heads):
        query, key = split(query, n_heads), split(key, n_heads)
        d_model = query.shape[0] * query.shape[-1]
        return torch.softmax(query @ key.mT / scale(d_model, n_heads) ** 0.5, dim=-1)

    return weights_per_head


def slices(x, n_heads):
    """`(n, d_model)` -> `(n_heads, n, d_k)`: head j has the j-th slice of every vector."""
    return x.unflatten(-1, (n_heads, -1)).transpose(0, 1)


def rows_cut(x, n_heads):
    """The right shape, but the vectors of different things get mixed."""
    return x.reshape(n_heads, x.shape[0], -1)


def every_other(x, n_heads):
    """Head j gets components j, j + n_heads, ..."""
    return x.unflatten(-1, (-1, n_heads)).movedim(-1, 0)


weights_per_head = heads_with(slices)

heads = Exercise(
    "03.4",
    "Each head has its own map",
    hints=(
        "Head 1 works with the first d_model / n_heads numbers of each query and key, head 2 with "
        "the next ones. A loop over the heads is fine.",
        "part = slice(j * d_k, (j + 1) * d_k); then attention weights from query[:, part] and "
        "key[:, part], divided by the square root of the d_k of one head.",
        "torch.stack the maps: shape (n_heads, n_query, n_key). Do not average them.",
    ),
    right=weights_per_head,
    cases=heads_cases,
    mistakes=(
        Mistake(
            "the heads are averaged: one map is left. Keep one map for each head.",
            lambda query, key, n_heads: weights_per_head(query, key, n_heads).mean(dim=0),
        ),
        Mistake(
            "the scale is that of the whole vector; each head has d_k = d_model / n_heads.",
            heads_with(slices, lambda d_model, n_heads: d_model),
        ),
        Mistake("the scores are not divided by sqrt(d_k).", heads_with(slices, lambda d, n: 1.0)),
        Mistake(
            "your reshape mixes the numbers of different queries. Cut each vector into slices "
            "first, then move the heads to the front.",
            heads_with(rows_cut),
        ),
        Mistake(
            "your head 1 takes every n_heads-th number; heads are slices that lie side by side.",
            heads_with(every_other),
        ),
        Mistake(
            "your heads stand last; the shape should be (n_heads, n_query, n_key).",
            lambda query, key, n_heads: weights_per_head(query, key, n_heads).movedim(0, -1),
        ),
    ),
)

EXERCISES = [attention, mask_leak, stronger_query, heads]
