"""When does attention explain? The course's recommender, opened, and four variants. Notebook 08.

`OpenRecommender` has the parameters and the numbers of `models.AttributeAttentionRecommender`, is
slower, and has three places to change: before the attention, in it, after it. Each variant changes
one of them in a few lines.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .attention import check_mask, masked_softmax, scaled_dot_product_attention
from .data import AttributeTable


def sparsemax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Like softmax, but small weights are exactly 0: the point of the simplex nearest to scores.

    Formula: w_i = max(score_i - tau, 0), with tau such that the weights sum to 1. With the scores
    sorted, z_1 >= z_2 >= ..., the k largest get a weight, k = the largest k with
    1 + k z_k > z_1 + ... + z_k, and tau = (z_1 + ... + z_k - 1) / k.
    Source: Martins, Astudillo 2016, arXiv:1602.02068.

    Args:
        scores: `(..., n)`.
        mask: as in `attention.masked_softmax`; a row with nothing allowed is all zeros.
    """
    mask = check_mask(mask, scores)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    z = scores - scores.amax(dim=-1, keepdim=True)  # exact for large scores; weights do not change
    largest = z.sort(dim=-1, descending=True).values
    sums = largest.cumsum(dim=-1)
    ranks = torch.arange(1, z.shape[-1] + 1, dtype=z.dtype, device=z.device)
    k = (1 + ranks * largest > sums).sum(dim=-1, keepdim=True)
    tau = (sums.gather(-1, k - 1) - 1) / k
    weights = (z - tau).clamp(min=0)
    return weights if mask is None else weights.masked_fill(~mask, 0.0)


def dots(vectors: Tensor, user: Tensor) -> Tensor:
    """The dot product of each slot's vector with the user's: `(..., n_slots, d)`, `(..., d)`."""
    return torch.einsum("...sd,...d->...s", vectors, user)


class Looked(NamedTuple):
    """`weights (..., n_slots)` and `logits (...)`. No contributions: not every variant has them."""

    weights: Tensor
    logits: Tensor


class OpenRecommender(nn.Module):
    """The additive attention recommender, open in three places.

    Formula: [k_i; v_i] = before(e_i), w = normalise(k_i . u / sqrt(d_k)),
    logit = b_item + after(w, v, u). As it stands: nothing, softmax, sum_i w_i (v_i . u). A subclass
    replaces one of the three methods; `add_layers` makes the layers it needs.

    Args:
        table: the items and their attributes.
        n_users: number of users.
        d_k: length of keys, values and user vectors.
    """

    def __init__(self, table: AttributeTable, n_users: int, d_k: int = 32) -> None:
        super().__init__()
        self.table, self.d_k = table, d_k
        self.register_buffer("ids", table.ids, persistent=False)
        self.register_buffer("mask", table.mask, persistent=False)
        self.user = nn.Embedding(n_users, d_k)
        self.embedding = nn.Embedding(table.n_attributes, 2 * d_k, padding_idx=0)
        self.bias = nn.Parameter(torch.zeros(table.n_items))
        self.add_layers()
        self.double()
        self.reset_parameters(0)

    def add_layers(self) -> None:
        """Layers of a variant; here none."""

    def reset_parameters(self, seed: int) -> None:
        """Small random vectors, biases 0; layers of a variant keep the size of what goes in."""
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.user, self.embedding):
            nn.init.normal_(layer.weight, std=0.1, generator=generator)
        nn.init.zeros_(self.bias)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def before(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """What happens to an item's embeddings `(..., n_slots, 2 d_k)` before the attention."""
        return embeddings

    def normalise(self, scores: Tensor, mask: Tensor) -> Tensor:
        """From scores to weights, both `(..., n_slots)`."""
        return masked_softmax(scores, mask)

    def after(
        self, weights: Tensor, values: Tensor, user: Tensor, embeddings: Tensor, mask: Tensor
    ) -> Tensor:
        """From weights, values and user to logits `(...)`, without the item's bias."""
        return (weights * dots(values, user)).sum(dim=-1)

    def look(self, user: Tensor, embeddings: Tensor, mask: Tensor) -> Looked:
        """The formula, without the item's bias. Leading dimensions broadcast."""
        key, value = self.before(embeddings, mask).chunk(2, dim=-1)
        weights = self.normalise(dots(key, user) / self.d_k**0.5, mask)
        return Looked(weights, self.after(weights, value, user, embeddings, mask))

    def attend(
        self,
        users: Tensor,
        items: Tensor,
        mask: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> Looked:
        """Single pairs; arguments as in `models.AttributeAttentionRecommender.attend`."""
        mask = self.mask[items] if mask is None else mask
        if embeddings is None:
            embeddings = self.embedding(self.ids[items])
        weights, logits = self.look(self.user(users), embeddings, mask)
        return Looked(weights, self.bias[items] + logits)

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all items: `(batch,)` -> `(batch, n_items)`."""
        embeddings = self.embedding(self.ids)
        return self.bias + self.look(self.user(users)[:, None], embeddings, self.mask).logits


class SparseRecommender(OpenRecommender):
    """Sparsemax in place of softmax: weights can be exactly 0."""

    def normalise(self, scores: Tensor, mask: Tensor) -> Tensor:
        """From scores to weights, both `(..., n_slots)`."""
        return sparsemax(scores, mask)


class MLPRecommender(OpenRecommender):
    """A network after the attention: logit = b_item + MLP(context * u), element by element.

    The additive read-out is the case in which the MLP is a plain sum.
    """

    def add_layers(self) -> None:
        """One hidden layer as wide as the context."""
        d = self.d_k
        self.mlp = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 1))

    def after(
        self, weights: Tensor, values: Tensor, user: Tensor, embeddings: Tensor, mask: Tensor
    ) -> Tensor:
        """From the context to logits `(...)`."""
        context = torch.einsum("...s,...sd->...d", weights, values)
        return self.mlp(context * user)[..., 0]


class SkipRecommender(OpenRecommender):
    """A second way around the attention: additive logit + mean over slots of (W e_i) . u."""

    def add_layers(self) -> None:
        """W, from an embedding to a vector that the user reads."""
        self.around = nn.Linear(2 * self.d_k, self.d_k, bias=False)

    def after(
        self, weights: Tensor, values: Tensor, user: Tensor, embeddings: Tensor, mask: Tensor
    ) -> Tensor:
        """The additive logit and what comes around the attention."""
        through = super().after(weights, values, user, embeddings, mask)
        tastes = dots(self.around(embeddings), user) * mask
        return through + tastes.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)


class SelfAttentionRecommender(OpenRecommender):
    """The attributes attend to each other first: e_i becomes e_i + SelfAttention(e)_i."""

    def add_layers(self) -> None:
        """Query, key and value of the self-attention, one head."""
        d = 2 * self.d_k
        self.Q, self.K, self.V = (nn.Linear(d, d, bias=False) for _ in range(3))

    def before(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Each slot gets a mixture of all slots of its item."""
        query, key, value = (layer(embeddings) for layer in (self.Q, self.K, self.V))
        mixed, _ = scaled_dot_product_attention(query, key, value, mask[..., None, :])
        return embeddings + mixed


def with_equal_weights(model) -> nn.Module:
    """A copy of a trained recommender that must look at all attributes alike; nothing is trained.

    Args:
        model: an OpenRecommender or an AttributeAttentionRecommender; it is not changed.
    """
    equal = copy.copy(model)
    equal.pooling = "mean"  # as the one knows it
    equal.normalise = (  # as the other does
        lambda scores, mask: (mask / mask.sum(dim=-1, keepdim=True).clamp(min=1)).to(scores.dtype)
    )
    return equal
