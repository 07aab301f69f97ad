"""Scaled dot-product attention, written out once. Derived in notebooks 03 and 04.

Shapes: n_query questions are asked of n_key things. `...` stands for any leading dimensions
(batch, heads). Masks: True = this key may be attended to, as in
`torch.nn.functional.scaled_dot_product_attention`.

Source: Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.2;
the article, sections 3.2, 4 and 5.2.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class AttentionResult(NamedTuple):
    """What attention gives back: `context (..., n_query, d_v)`, `weights (..., n_query, n_key)`."""

    context: Tensor
    weights: Tensor


def check_mask(mask: Tensor | None, scores: Tensor) -> Tensor | None:
    """Turn a mask of True/False or 1/0 into booleans, or say what is wrong with it.

    Raises:
        TypeError: the mask is no tensor, holds other values than True/False or 1/0, or is all 0 in
            floating point: PyTorch adds such masks to the scores, where 0 means allowed.
        ValueError: its shape does not fit the scores' shape.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor):
        raise TypeError(f"mask must be a torch tensor, got {type(mask).__name__}")
    if mask.dtype != torch.bool:
        if not torch.isin(mask, torch.tensor([0, 1], dtype=mask.dtype, device=mask.device)).all():
            raise TypeError(
                "mask must hold True/False or 1/0 (True = may be attended to), "
                f"but this {mask.dtype} mask holds other values"
            )
        if mask.is_floating_point() and mask.numel() and not mask.any():
            raise TypeError(
                f"this {mask.dtype} mask holds nothing but 0: added to the scores that would allow "
                "everything, as 1/0 nothing; give True/False (True = may be attended to)"
            )
        mask = mask.bool()
    try:
        return mask.expand(scores.shape)
    except RuntimeError:
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} does not fit scores of shape {tuple(scores.shape)}"
            " (..., n_query, n_key)"
        ) from None


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the last dimension, over the allowed entries only.

    Formula: w_i = exp(score_i) / sum_j exp(score_j), both over the entries whose mask is True.

    Args:
        scores: `(..., n_query, n_key)`, any finite numbers.
        mask: None, or True/False (1/0) that broadcasts to `scores`; True = allowed.

    Returns:
        Weights of the same shape, each row summing to 1. A row with nothing allowed is all zeros:
        nothing was attended to. (A fill of -1e9 would make it uniform, -inf would make it NaN.)

    Raises:
        TypeError, ValueError: see `check_mask`.
    """
    mask = check_mask(mask, scores)
    if mask is None:
        return torch.softmax(scores, dim=-1)
    weights = torch.softmax(scores.masked_fill(~mask, torch.finfo(scores.dtype).min), dim=-1)
    return weights.masked_fill(~mask, 0.0)  # only rows with nothing allowed change here


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> AttentionResult:
    """Look up `value` by how well `query` fits `key`.

    Formula: weights = softmax(query key^T / sqrt(d_k)), context = weights value.

    Args:
        query: `(..., n_query, d_k)`.
        key: `(..., n_key, d_k)`.
        value: `(..., n_key, d_v)`.
        mask: None, or True/False (1/0) that broadcasts to `(..., n_query, n_key)`; True = allowed.

    Returns:
        AttentionResult(context `(..., n_query, d_v)`, weights `(..., n_query, n_key)`).

    Raises:
        ValueError: d_k is 0, query and key differ in d_k, key and value in n_key, or the mask does
            not fit.
        TypeError: the three tensors do not share one floating-point dtype, or the mask holds other
            values than True/False or 1/0.
    """
    dtypes = [query.dtype, key.dtype, value.dtype]
    if len(set(dtypes)) > 1 or not query.is_floating_point():
        raise TypeError(f"query, key and value need one floating-point dtype, got {dtypes}")
    d_k = query.shape[-1]
    if d_k < 1:
        raise ValueError("d_k must be at least 1, but query has d_k = 0")
    if key.shape[-1] != d_k:
        raise ValueError(f"query has d_k = {d_k}, but key has d_k = {key.shape[-1]}")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"{key.shape[-2]} keys, but {value.shape[-2]} values: each key needs one")
    # Scale first: in half precision query key^T can be too large a number before the division.
    scores = (query / math.sqrt(d_k)) @ key.transpose(-2, -1)
    weights = masked_softmax(scores, mask)
    return AttentionResult(weights @ value, weights)


class ScaledDotProductAttention(nn.Module):
    """The article's module (section 5.2), same call, with its two faults put right.

    A row with nothing allowed gets zeros, not uniform weights, and masks work in half precision.

    Args:
        d_k: length of a query and of a key, at least 1.
        dropout: share of the weights dropped in training mode, 0 to 1. The context uses the
            dropped weights; the weights that are returned are those before dropout.

    Raises:
        ValueError: d_k is below 1, or a query does not have d_k numbers.
    """

    def __init__(self, d_k: int, dropout: float = 0.0) -> None:
        super().__init__()
        if d_k < 1:
            raise ValueError(f"d_k must be at least 1, got {d_k}")
        self.d_k = d_k
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
    ) -> AttentionResult:
        """As `scaled_dot_product_attention`: returns context and weights."""
        if Q.shape[-1] != self.d_k:
            raise ValueError(f"this module was made for d_k = {self.d_k}, got {Q.shape[-1]}")
        context, weights = scaled_dot_product_attention(Q, K, V, mask)
        if self.training and self.dropout.p > 0:
            context = self.dropout(weights) @ V
        return AttentionResult(context, weights)


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each on its own part of the vectors, heads kept apart.

    Formula: context = [head_1; ...; head_h] W_O, head_j = attention(query W_Q, key W_K, value W_V)
    on slice j of the projected vectors (arXiv:1706.03762, section 3.2.2; notebook 03).

    Args:
        d_model: length of the vectors that go in and come out.
        n_heads: number of heads; it must divide d_model, so that d_k = d_model / n_heads.
        dropout: as in `ScaledDotProductAttention`.

    Raises:
        ValueError: n_heads does not divide d_model.
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if n_heads < 1 or d_model % n_heads:
            raise ValueError(f"n_heads = {n_heads} does not divide d_model = {d_model}")
        self.n_heads = n_heads
        self.W_Q = nn.Linear(d_model, d_model)
        self.W_K = nn.Linear(d_model, d_model)
        self.W_V = nn.Linear(d_model, d_model)
        self.W_O = nn.Linear(d_model, d_model)
        self.attention = ScaledDotProductAttention(d_model // n_heads, dropout)

    def split_heads(self, x: Tensor) -> Tensor:
        """`(batch, n, d_model)` -> `(batch, n_heads, n, d_k)`."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> AttentionResult:
        """Shapes `(batch, n, d_model)`; mask broadcasts to `(batch, n_heads, n_query, n_key)`.

        Returns context `(batch, n_query, d_model)`, weights `(batch, n_heads, n_query, n_key)`:
        one map per head, never their mean.
        """
        Q, K, V = (
            self.split_heads(layer(x))
            for layer, x in ((self.W_Q, query), (self.W_K, key), (self.W_V, value))
        )
        context, weights = self.attention(Q, K, V, mask)
        return AttentionResult(self.W_O(context.transpose(1, 2).flatten(-2)), weights)
