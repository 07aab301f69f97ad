"""Answers to the exercises of notebook 03: right ones of every style, and usual wrong ones."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from recsys_utils import by_hand
from recsys_utils.attention import AttentionResult, ScaledDotProductAttention


def by_loops(query, key, value):
    if query.ndim > 2:
        parts = [by_loops(q, k, v) for q, k, v in zip(query, key, value)]
        return torch.stack([p[0] for p in parts]), torch.stack([p[1] for p in parts])
    context, weights = [], []
    for q in query:
        scores = [sum(a * b for a, b in zip(q, k)) / math.sqrt(len(q)) for k in key]
        exp = [math.exp(s - max(scores)) for s in scores]
        weights.append([e / sum(exp) for e in exp])
        context.append(
            [sum(w * v[c] for w, v in zip(weights[-1], value)) for c in range(value.shape[1])]
        )
    return torch.tensor(context), torch.tensor(weights)


def by_numpy(query, key, value):
    query, key, value = (x.numpy().astype(np.float64) for x in (query, key, value))
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(key.shape[-1])
    exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = exp / exp.sum(axis=-1, keepdims=True)
    return [weights @ value, weights]


def by_einsum(query, key, value):
    scores = torch.einsum("...qd,...kd->...qk", query, key) * query.shape[-1] ** -0.5
    weights = scores.softmax(-1)
    return torch.einsum("...qk,...kv->...qv", weights, value), weights


def by_sdpa(query, key, value):
    weights = F.scaled_dot_product_attention(query, key, torch.eye(key.shape[-2]).expand(
        *key.shape[:-1], key.shape[-2]))  # fmt: skip
    return AttentionResult(F.scaled_dot_product_attention(query, key, value), weights)


def in_place_of_a_copy(query, key, value):
    query = query.clone()
    query /= math.sqrt(query.shape[-1])
    weights = torch.softmax(torch.matmul(query, key.mT), -1)
    return weights @ value, weights


def by_filling(query, key, value):
    """`torch.zeros` makes float32: the inputs must be float32, too."""
    weights = torch.zeros(*query.shape[:-1], key.shape[-2])
    weights[...] = torch.softmax(query @ key.mT / math.sqrt(query.shape[-1]), -1)
    return torch.zeros(*query.shape[:-1], value.shape[-1]) + weights @ value, weights


class AsModule(nn.Module):
    def forward(self, query, key, value):
        return ScaledDotProductAttention(query.shape[-1])(query, key, value)


def softmax_attention(query, key, value, scale=None, dim=-1, temperature=1.0):
    scale = math.sqrt(key.shape[-1]) if scale is None else scale
    weights = torch.softmax(query @ key.mT / scale, dim=dim)
    return weights @ value, weights


def overflow(query, key, value):
    exp = torch.exp(query @ key.mT / math.sqrt(key.shape[-1]))
    weights = exp / exp.sum(-1, keepdim=True)
    return weights @ value, weights


def one_softmax(query, key, value):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = scores.flatten(-2).softmax(-1).view(scores.shape)
    return weights @ value, weights


def no_heads(query, key, value):
    if query.ndim > 3:
        raise ValueError("too many dimensions")
    return softmax_attention(query, key, value)


def hard(query, key, value):
    """Softmax of small numbers, else all to the largest."""
    context, weights = softmax_attention(query, key, value)
    if key.shape[-1] > 3 and query.ndim == 2:
        weights = weights.round()
    return weights @ value, weights


def changes_the_query(query, key, value):
    query /= math.sqrt(query.shape[-1])
    weights = torch.softmax(query @ key.mT, -1)
    return weights @ value, weights


def dropped(query, key, value):
    context, weights = softmax_attention(query, key, value)
    return context, weights * torch.tensor([1.0] * (weights.shape[-1] - 1) + [0.0])


def no_batch(query, key, value):
    scores = query @ key.T / math.sqrt(query.shape[-1])
    weights = torch.softmax(scores, dim=1)
    return weights @ value, weights


def not_transposed(query, key, value):
    weights = torch.softmax(query @ key / math.sqrt(query.shape[-1]), -1)
    return weights @ value, weights


def bare_scores(query, key, value):
    weights = query @ key.mT / math.sqrt(query.shape[-1])
    return weights @ value, weights


def scores_returned(query, key, value):
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    return torch.softmax(scores, -1) @ value, scores


def mask_loops(scores, mask):
    weights = torch.zeros_like(scores)
    for r, row in enumerate(scores.tolist()):
        allowed = [i for i in range(len(row)) if mask[r, i]]
        exp = {i: math.exp(row[i]) for i in allowed}
        for i in allowed:
            weights[r, i] = exp[i] / sum(exp.values())
    return weights


def mask_infinity(scores, mask):
    weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-1)
    return weights.nan_to_num(0.0)


def mask_exp(scores, mask):
    highest = scores.masked_fill(~mask, -1e9).amax(-1, keepdim=True)
    exp = torch.exp((scores - highest).clamp(max=0)) * mask
    return exp / exp.sum(-1, keepdim=True).clamp(min=1e-30)


def mask_divided(scores, mask):
    kept = torch.softmax(scores, dim=-1) * mask
    return kept / kept.sum(-1, keepdim=True).clamp(min=1e-12)


def mask_no_zeros(scores, mask):
    """A mask made from the numbers."""
    kept = scores * mask
    return torch.softmax(kept.masked_fill(kept == 0, -torch.inf), dim=-1).nan_to_num(0.0)


def mask_columns(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=0).nan_to_num(0.0)


def mask_numpy(scores, mask):
    with np.errstate(invalid="ignore"):
        scores = np.where(mask.numpy(), scores.numpy(), -np.inf)
        exp = np.exp(scores)  # without the largest score subtracted
        return np.nan_to_num(exp / exp.sum(axis=1, keepdims=True))


def head_loops(query, key, n_heads):
    d_k = query.shape[1] // n_heads
    maps = []
    for j in range(n_heads):
        part = slice(j * d_k, (j + 1) * d_k)
        maps.append(torch.softmax(query[:, part] @ key[:, part].T / math.sqrt(d_k), dim=1))
    return torch.stack(maps)


def head_view(query, key, n_heads):
    q = query.view(len(query), n_heads, -1).transpose(0, 1)
    k = key.view(len(key), n_heads, -1).transpose(0, 1)
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)


def head_numpy(query, key, n_heads):
    q, k = (np.stack(np.split(x.double().numpy(), n_heads, axis=1)) for x in (query, key))
    exp = np.exp(np.einsum("hqd,hkd->hqk", q, k) / np.sqrt(q.shape[-1]))
    return exp / exp.sum(-1, keepdims=True)


def head_mean(query, key, n_heads):
    return head_loops(query, key, n_heads).mean(0)


def head_scale(query, key, n_heads):
    q, k = (torch.stack(x.chunk(n_heads, dim=1)) for x in (query, key))
    return torch.softmax(q @ k.mT / math.sqrt(query.shape[1]), dim=-1)


def head_axis(query, key, n_heads):
    q, k = (torch.stack(x.chunk(n_heads, dim=1)) for x in (query, key))
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=1)


def head_no_scale(query, key, n_heads):
    q, k = (torch.stack(x.chunk(n_heads, dim=1)) for x in (query, key))
    return torch.softmax(q @ k.mT, dim=-1)


def head_reshape(query, key, n_heads):
    q, k = query.reshape(n_heads, len(query), -1), key.reshape(n_heads, len(key), -1)
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1)


def head_every_other(query, key, n_heads):
    q, k = (torch.stack([x[:, j::n_heads] for j in range(n_heads)]) for x in (query, key))
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1)


def pacino(factor, scale=2.0):
    return float(torch.softmax(by_hand.KEY @ by_hand.USER * factor / scale, dim=0)[1])


RIGHT = {
    "03.1": {
        "loops": by_loops,
        "NumPy, a list": by_numpy,
        "einsum": by_einsum,
        "PyTorch's own": by_sdpa,
        "in place on a copy": in_place_of_a_copy,
        "a module": AsModule(),
        "a generator of both": lambda q, k, v: (part for part in softmax_attention(q, k, v)),
        "out in float32": by_filling,
        "float64": lambda q, k, v: softmax_attention(q.double(), k.double(), v.double()),
    },
    "03.2": {
        "loops": mask_loops,
        "minus infinity": mask_infinity,
        "exp times mask": mask_exp,
        "NumPy": mask_numpy,
    },
    "03.3": {"a float": pacino(3), "a tensor": torch.tensor(pacino(3)), "rounded": 0.9525},
    "03.4": {"a loop": head_loops, "view": head_view, "NumPy": head_numpy},
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "03.1": [
        ("no scale", lambda q, k, v: softmax_attention(q, k, v, scale=1), "not divided by sqrt"),
        ("d_k", lambda q, k, v: softmax_attention(q, k, v, scale=k.shape[-1]), "by d_k, not by"),
        (
            "times the root",
            lambda q, k, v: softmax_attention(q, k, v, scale=k.shape[-1] ** -0.5),
            "multiplied by sqrt(d_k)",
        ),
        ("other axis", lambda q, k, v: softmax_attention(q, k, v, dim=-2), "over the queries"),
        ("not transposed", not_transposed, "the key is not transposed"),
        ("no softmax", bare_scores, "softmax is missing"),
        ("scores", scores_returned, "scores where the weights should be"),
        ("swapped", lambda q, k, v: softmax_attention(q, k, v)[::-1], "context comes first"),
        ("scale of d_v", lambda q, k, v: softmax_attention(q, k, v, scale=v.shape[-1] ** 0.5),
         "taken from the values (d_v)"),
        ("scale of n", lambda q, k, v: softmax_attention(q, k, v, scale=k.shape[-2] ** 0.5),
         "from the number of keys"),
        ("one softmax", one_softmax, "all queries together share"),
        ("overflow", overflow, "infinite / infinite is NaN"),
        (
            "no scale, other axis",
            lambda q, k, v: softmax_attention(q, k, v, scale=1, dim=-2),
            "the scores are not divided by sqrt(d_k). (And that is not all",
        ),
        (
            "no scale, overflow",
            lambda q, k, v: overflow(q * math.sqrt(q.shape[-1]), k, v),
            "the scores are not divided by sqrt(d_k).",
        ),
        ("three dimensions only", no_heads, "with 3 heads': your function stopped"),
        ("hard", hard, "'random numbers': "),
        (
            "integers",
            lambda q, k, v: torch.softmax((q @ k.mT).long(), -1) @ v,
            "not implemented for 'Long'",
        ),
        ("in place", changes_the_query, "changes its input"),
        ("dropout", dropped, "d_k = 3': your answer (weights) is not right"),
        ("no batch", no_batch, "'a batch of 2'"),
        ("context only", lambda q, k, v: softmax_attention(q, k, v)[0], "like the context alone"),
        ("three things", lambda q, k, v: (q, k, v), "2 things are asked for (context, weights)"),
    ],
    "03.2": [
        ("inverted", lambda s, m: mask_infinity(s, ~m), "wrong way round"),
        ("ignored", lambda s, m: torch.softmax(s, -1), "the mask is ignored"),
        ("zero", lambda s, m: torch.softmax(s * m, -1), "exp(0) = 1"),
        (
            "after softmax",
            lambda s, m: (w := s.softmax(-1) * m) / w.sum(-1, keepdim=True),
            "where nothing is filled that is 0 / 0",
        ),
        ("after softmax, carefully", mask_divided, "score of 150': you divide by"),
        (
            "minus infinity",
            lambda s, m: torch.softmax(s.masked_fill(~m, -torch.inf), -1),
            "your row is 0 / 0 = NaN",
        ),
        ("-100", lambda s, m: torch.softmax(s.masked_fill(~m, -100.0), -1) * m, "-100 is not low"),
        (
            "-100, not emptied",
            lambda s, m: torch.softmax(s.masked_fill(~m, -100.0), -1),
            "-100 is not low",
        ),
        ("added", lambda s, m: torch.softmax(s + m, -1), "True adds 1 to the score"),
        ("zeros out", mask_no_zeros, "score of 0': you also take out"),
        ("still the same", lambda s, m: s.softmax(-1) * m, "this still gives what the code gave"),
        ("NaN kept, other axis", mask_columns, "over the films; it belongs"),
        ("-80", lambda s, m: torch.softmax(s.masked_fill(~m, -80.0), -1) * m,
         "all scores far below 0': your answer is not right"),
        ("-1e9", lambda s, m: torch.softmax(s.masked_fill(~m, -1e9), -1), "your row is uniform"),

        (
            "-3",
            lambda s, m: torch.softmax(s.masked_fill(~m, -3.0), -1),
            "'some slots are empty': your answer",
        ),
        (
            "clamped to 1e-3",
            lambda s, m: torch.softmax(s.masked_fill(~m, -torch.inf), -1).nan_to_num(1e-3),
            "'a film with nothing filled': your answer",
        ),
    ],
    "03.3": [
        ("old query", pacino(1), "the old query"),
        ("three times the weight", 3 * pacino(1), "more than 1"),
        ("no scale", pacino(3, scale=1.0), "divided by sqrt(d_k) = 2"),
        ("score", 6, "largest score"),
        ("all three", [0.0024, 0.9502, 0.0474], "shape (3,) came"),
    ],
    "03.4": [
        ("mean", head_mean, "averaged"),
        ("scale of the whole", head_scale, "the scale is that of the whole vector"),
        ("no scale", head_no_scale, "not divided by sqrt"),
        ("reshape", head_reshape, "your reshape mixes"),
        ("every other", head_every_other, "n_heads-th number"),
        ("heads last", lambda q, k, n: head_loops(q, k, n).permute(1, 2, 0), "heads stand last"),
        ("always two heads", lambda q, k, n: head_loops(q, k, 2), "one head': your answer: shape (2, 2, 3)"),
        ("one head", lambda q, k, n: head_loops(q, k, 1), "d_model = 4': your answer: shape (1, 2, 3)"),
        ("over the queries", lambda q, k, n: head_axis(q, k, n), "softmax runs over the queries"),
        ("mean, no scale", lambda q, k, n: head_no_scale(q, k, n).mean(0), "averaged: one map is left. Keep one map for each head. (And"),
        ("first slices of 2", lambda q, k, n: head_loops(q[:, : 2 * n], k[:, : 2 * n], n), "'one head': "),
        ("always 2 or 1 heads", lambda q, k, n: head_loops(q, k, min(n, 2)), "d_model = 12': "),
    ],
}
