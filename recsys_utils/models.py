"""The recommenders. Each is called with user numbers and gives scores for the whole catalogue.

    scores = model(users)        # users (batch,) -> scores (batch, n_items)

Higher is better. Baselines are counted or solved from a split; the others are trained (`training`).
"""

from typing import Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import scaled_dot_product_attention
from .data import AttributeTable
from .explanation import Explanation
from .splits import LeaveOneOutSplit


class Popularity:
    """Score of an item = number of its likes in the training data. The same for every user."""

    def __init__(self, split: LeaveOneOutSplit) -> None:
        self.counts = split.likes().sum(dim=0)

    def __call__(self, users: Tensor) -> Tensor:
        return self.counts.expand(len(users), -1)


class EASE:
    """Embarrassingly shallow autoencoder: a linear model of "who liked that, liked this".

    Formula: B = argmin |X - XB|^2 + l2 |B|^2 with diag(B) = 0, in closed form
    B_ij = -P_ij / P_jj, P = (X^T X + l2 I)^-1; scores = X B. X is the user-item table of likes.
    Source: Steck 2019, arXiv:1905.03375.

    Args:
        split: the likes to learn from.
        l2: strength of the regularisation, above 0.
    """

    def __init__(self, split: LeaveOneOutSplit, l2: float = 100.0) -> None:
        self.likes = split.likes()
        gram = self.likes.T @ self.likes
        gram.diagonal().add_(l2)
        inverse = torch.linalg.inv(gram)
        self.item_weights = (-inverse / inverse.diagonal()).fill_diagonal_(0.0)

    def __call__(self, users: Tensor) -> Tensor:
        return self.likes[users] @ self.item_weights


class MatrixFactorization(nn.Module):
    """The black box of notebook 01: a vector for each user, a vector for each item, no reasons.

    Formula: logit(user, item) = b_item + u . v. Source: Koren, Bell, Volinsky 2009,
    doi:10.1109/MC.2009.263.

    Args:
        n_users, n_items: size of the table.
        d: length of the vectors, the latent factors.
        dtype: as in `AttributeAttentionRecommender`.
    """

    def __init__(
        self, n_users: int, n_items: int, d: int = 64, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        self.user = nn.Embedding(n_users, d, dtype=dtype)
        self.item = nn.Embedding(n_items, d, dtype=dtype)
        self.bias = nn.Parameter(torch.zeros(n_items, dtype=dtype))
        self.reset_parameters(0)

    def reset_parameters(self, seed: int) -> None:
        """Small random vectors, biases 0. The same seed gives the same start."""
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.user, self.item):
            nn.init.normal_(layer.weight, std=0.1, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all items: `(batch,)` -> `(batch, n_items)`."""
        return self.bias + self.user(users) @ self.item.weight.T


class Attended(NamedTuple):
    """How some (user, item) pairs got their logits, before anything is named.

    `weights (batch, n_slots)`, `contributions (batch, n_slots)`, `bias (batch,)`,
    `logits (batch,)`; logits = bias + contributions.sum(-1).
    """

    weights: Tensor
    contributions: Tensor
    bias: Tensor
    logits: Tensor


class AttributeAttentionRecommender(nn.Module):
    """The recommender that explains itself: attention of a user over the attributes of a film.

    Formula: embedding e_i = f(x_i) = [k_i; v_i] of each attribute x_i of the film, user vector u,
    weights w_i = softmax_i(k_i . u / sqrt(d_k)), context = sum_i w_i v_i,

        logit(user, film) = b_film + context . u = b_film + sum_i w_i (v_i . u)

    contribution_i = w_i (v_i . u). The user's vector is the query (it asks which attributes count)
    and the taste (it reads the answer). Article, sections 3.2, 4.1 and 5; notebooks 02 to 05.

    Args:
        table: the items and their attributes.
        n_users: number of users.
        d_k: length of keys, values and user vectors.
        pooling: "attention", or "mean" for equal weights 1/n: the control without attention.
        dtype: float64 by default. Training then gives the same numbers, to the digits the course
            prints, on every processor; in float32 it does not (notebook 05).

    Raises:
        ValueError: another pooling.
    """

    def __init__(
        self,
        table: AttributeTable,
        n_users: int,
        d_k: int = 128,
        pooling: Literal["attention", "mean"] = "attention",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        if pooling not in ("attention", "mean"):
            raise ValueError(f'pooling must be "attention" or "mean", got {pooling!r}')
        self.table, self.pooling, self.d_k = table, pooling, d_k
        self.user = nn.Embedding(n_users, d_k, dtype=dtype)
        self.embedding = nn.Embedding(table.n_attributes, 2 * d_k, padding_idx=0, dtype=dtype)
        self.bias = nn.Parameter(torch.zeros(table.n_items, dtype=dtype))
        self.register_buffer("ids", table.ids, persistent=False)
        self.register_buffer("mask", table.mask, persistent=False)
        # The attributes of all films in one row, and where each film begins: for `embedding_bag`.
        self.register_buffer("flat_ids", table.ids[table.mask], persistent=False)
        starts = table.mask.sum(dim=1).cumsum(dim=0) - table.mask.sum(dim=1)
        self.register_buffer("starts", starts, persistent=False)
        self.reset_parameters(0)

    def reset_parameters(self, seed: int) -> None:
        """Small random vectors, biases 0. The same seed gives the same start."""
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.user, self.embedding):
            nn.init.normal_(layer.weight, std=0.1, generator=generator)
        nn.init.zeros_(self.bias)

    def attend(
        self,
        users: Tensor,
        items: Tensor,
        mask: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> Attended:
        """The formula for single pairs, one step after the other.

        Args:
            users, items: `(batch,)` row numbers.
            mask: `(batch, n_slots)` in place of the films' own, to leave attributes out.
            embeddings: `(batch, n_slots, 2 d_k)` in place of the films' own, for gradients.
        """
        u = self.user(users)
        mask = self.mask[items] if mask is None else mask
        e = self.embedding(self.ids[items]) if embeddings is None else embeddings
        key, value = e.chunk(2, dim=-1)
        if self.pooling == "attention":
            _, weights = scaled_dot_product_attention(u[:, None], key, value, mask[:, None])
            weights = weights[:, 0]
        else:
            weights = mask.to(u.dtype) / mask.sum(dim=-1, keepdim=True).clamp(min=1)
        contributions = weights * (value @ u[:, :, None])[:, :, 0]
        bias = self.bias[items]
        return Attended(weights, contributions, bias, bias + contributions.sum(dim=-1))

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all films: `(batch,)` -> `(batch, n_items)`. Equal to `attend`, and fast.

        Each attribute of the vocabulary is scored once per user; a film then sums over its own:
        sum_i exp(score_i) (v_i . u) / sum_i exp(score_i). No (batch, films, slots, d_k) table.
        The price: a film whose scores all lie more than 700 below the user's highest gets NaN, and
        `target_ranks` stops. Trained scores differ by less than 10.
        """
        u = self.user(users)
        key, value = self.embedding.weight.chunk(2, dim=-1)
        taste = value @ u.T  # (n_attributes, batch)
        if self.pooling == "mean":
            counts = self.mask.sum(dim=1, keepdim=True)
            return self.bias + (self.sum_by_item(taste) / counts).T
        scores = key @ u.T / self.d_k**0.5
        exp = torch.exp(scores - scores.amax(dim=0))
        return self.bias + (self.sum_by_item(exp * taste) / self.sum_by_item(exp)).T

    def sum_by_item(self, per_attribute: Tensor) -> Tensor:
        """Sum over each item's attributes: `(n_attributes, batch)` -> `(n_items, batch)`."""
        return F.embedding_bag(self.flat_ids, per_attribute, self.starts, mode="sum")

    def explain(self, user: int, item: int) -> Explanation:
        """Why this item for this user: names, weights, contributions, bias and score."""
        with torch.no_grad():
            attended = self.attend(torch.tensor([user]), torch.tensor([item]))
        slots = self.table.mask[item].nonzero()[:, 0]
        ids = self.table.ids[item, slots].tolist()
        return Explanation(
            label=self.table.labels[item],
            names=[self.table.names[i] for i in ids],
            fields=[self.table.fields[i] for i in ids],
            weights=attended.weights[0, slots].numpy(),
            contributions=attended.contributions[0, slots].numpy(),
            bias=float(attended.bias[0]),
            score=float(attended.logits[0]),
        )

    def with_user(self, vector: Tensor) -> Self:
        """A copy that knows one more user, the last one, with this vector `(d_k,)`."""
        copy = type(self)(
            self.table, self.user.num_embeddings + 1, self.d_k, self.pooling, vector.dtype
        )
        state = self.state_dict()
        state["user.weight"] = torch.cat([state["user.weight"], vector.detach()[None]])
        copy.load_state_dict(state)
        return copy
