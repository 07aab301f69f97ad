"""The recommenders. Each is called with user numbers and gives scores for the whole catalogue.

    scores = model(users)        # users (batch,) -> scores (batch, n_items)

Higher is better. Baselines are counted or solved from a split; the others are trained (`training`).
"""

from typing import Literal, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import scaled_dot_product_attention
from .data import AttributeTable
from .explanation import Explanation
from .splits import LeaveOneOutSplit

FILM_DROPOUT = 0.9  # by the rule stated in studies/film_dropout.py, before its runs
# `contribute` takes so many at a time: between its steps stands a table of (pairs, slots, 2 d_k).
PAIRS_AT_A_TIME = 2000


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
    """How some (user, item) pairs got their logits: where the user looked, what was found there.

    `weights (batch, n_slots)`, `tastes (batch, n_slots)` = v_i . u, `bias (batch,)`,
    `logits (batch,)`; logits = bias + sum of weights x tastes.
    """

    weights: Tensor
    tastes: Tensor
    bias: Tensor
    logits: Tensor


class Contributed(NamedTuple):
    """The same logits as sums of contributions, measured from each user's average item.

    `weights (batch, n_slots)`, `contributions (batch, n_slots)`, `everybody (batch, n_slots)`: the
    contributions that the average user gets for the same item; `base (batch,)`, `logits (batch,)`.
    logits = base + contributions.sum(-1) = base + everybody.sum(-1) + yours.sum(-1), with
    yours = contributions - everybody.
    """

    weights: Tensor
    contributions: Tensor
    everybody: Tensor
    base: Tensor
    logits: Tensor


class AttributeAttentionRecommender(nn.Module):
    """The recommender that explains itself: attention of a user over the attributes of a film.

    Formula: embedding e_i = f(x_i) = [k_i; v_i] of each attribute x_i of the film, user vector u,
    weights w_i = softmax_i(k_i . u / sqrt(d_k)), context = sum_i w_i v_i,

        logit(user, film) = b_film + context . u = b_film + sum_i w_i (v_i . u)

    The user's vector is the query (it asks which attributes count) and the taste (it reads the
    answer). A contribution is measured from what the user's average film gets (`contribute`).
    Article, sections 3.2, 4.1 and 5; notebooks 02 to 05.

    Args:
        table: the items and their attributes.
        n_users: number of users.
        d_k: length of keys, values and user vectors.
        pooling: "attention", or "mean" for equal weights 1/n: the control without attention.
        film_dropout: in this share of the training batches no film has its attribute "film", so
            that attributes with a name must do its work (notebook 05; the idea of Volkovs, Yu,
            Poutanen 2017, DropoutNet). 0 to 1; the default is chosen by studies/film_dropout.py.
        zero: what contributions are measured from: the user's "average film", or "nothing": then
            they are w_i (v_i . u), as in the article and on paper, where there is no catalogue.
        dtype: float64 by default. Training then gives the same numbers, to the digits the course
            prints, on every processor; in float32 it does not (notebook 05).

    Attributes:
        liked: for each user the items liked in training, the latest last; None before training.
            `training` writes it down, and `explain` looks there for the support of a reason.

    Raises:
        ValueError: another pooling or zero, a film_dropout outside 0 to 1.
    """

    def __init__(
        self,
        table: AttributeTable,
        n_users: int,
        d_k: int = 128,
        pooling: Literal["attention", "mean"] = "attention",
        film_dropout: float = FILM_DROPOUT,
        zero: Literal["average film", "nothing"] = "average film",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        if pooling not in ("attention", "mean"):
            raise ValueError(f'pooling must be "attention" or "mean", got {pooling!r}')
        if zero not in ("average film", "nothing"):
            raise ValueError(f'zero must be "average film" or "nothing", got {zero!r}')
        if not 0 <= film_dropout <= 1:
            raise ValueError(f"film_dropout must be 0 to 1, got {film_dropout}")
        self.table, self.pooling, self.d_k = table, pooling, d_k
        self.film_dropout, self.zero = film_dropout, zero
        self.liked: list[Tensor] | None = None
        self.n_known = n_users  # the average user is theirs, also in a copy made by `with_user`
        self.user = nn.Embedding(n_users, d_k, dtype=dtype)
        self.embedding = nn.Embedding(table.n_attributes, 2 * d_k, padding_idx=0, dtype=dtype)
        self.bias = nn.Parameter(torch.zeros(table.n_items, dtype=dtype))
        self.register_buffer("ids", table.ids, persistent=False)
        self.register_buffer("mask", table.mask, persistent=False)
        is_film = torch.tensor([field == "film" for field in table.fields])
        self.register_buffer("is_film", is_film, persistent=False)
        # The attributes of all films in one row, and where each film begins: for `embedding_bag`.
        self.register_buffer("flat_ids", table.ids[table.mask], persistent=False)
        starts = table.mask.sum(dim=1).cumsum(dim=0) - table.mask.sum(dim=1)
        self.register_buffer("starts", starts, persistent=False)
        self.reset_parameters(0)
        self.eval()  # nothing is dropped, until `training.train` trains

    def reset_parameters(self, seed: int) -> None:
        """Small random vectors, biases 0. The same seed gives the same start."""
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.user, self.embedding):
            nn.init.normal_(layer.weight, std=0.1, generator=generator)
        nn.init.zeros_(self.bias)
        self.generator = generator  # decides which training batches see no film

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
        return self.look(self.user(users), items, mask, embeddings)

    def look(
        self,
        u: Tensor,
        items: Tensor,
        mask: Tensor | None = None,
        embeddings: Tensor | None = None,
    ) -> Attended:
        """As `attend`, for users given by their vectors `(batch, d_k)`."""
        mask = self.mask[items] if mask is None else mask
        e = self.embedding(self.ids[items]) if embeddings is None else embeddings
        key, value = e.chunk(2, dim=-1)
        if self.pooling == "attention":
            _, weights = scaled_dot_product_attention(u[:, None], key, value, mask[:, None])
            weights = weights[:, 0]
        else:
            weights = mask.to(u.dtype) / mask.sum(dim=-1, keepdim=True).clamp(min=1)
        tastes = ((value @ u[:, :, None])[:, :, 0]).masked_fill(~mask, 0.0)
        bias = self.bias[items]
        return Attended(weights, tastes, bias, bias + (weights * tastes).sum(dim=-1))

    def contribute(self, users: Tensor, items: Tensor, mask: Tensor | None = None) -> Contributed:
        """The logits of single pairs as sums of contributions, with a zero that means something.

        Formula: r_u = mean over the catalogue of sum_i w_i (v_i . u), what the user's average film
        gets;

            contribution_i = w_i (v_i . u - r_u),    base = b_film + r_u,

        so a positive contribution lifts the film above this user's average film. One vector added
        to all values changes r_u and every v_i . u by the same number: no contribution moves, as no
        ranking does (notebook 04). With nothing to look at, base is b_film and the sum is empty.
        `everybody`: the same for the mean of all users' vectors.

        Args: as in `attend`.
        """
        parts = []
        with torch.no_grad():
            # Never more rows than there are users: their averages are picked afterwards.
            if len(users) > self.user.num_embeddings:
                averages = self.average_film(self.user.weight)[users]
            else:
                averages = self.average_film(self.user(users))
            mean_user = self.user.weight[: self.n_known].mean(dim=0, keepdim=True)
            mean_average = self.average_film(mean_user)
            for start in range(0, max(len(users), 1), PAIRS_AT_A_TIME):
                rows = slice(start, start + PAIRS_AT_A_TIME)
                here = items[rows]
                allowed = None if mask is None else mask[rows]
                average = averages[rows]
                attended = self.attend(users[rows], here, allowed)
                for_all = self.look(mean_user.expand(len(here), -1), here, allowed)
                everybody = for_all.weights * (for_all.tastes - mean_average[:, None])
                contributions = attended.weights * (attended.tastes - average[:, None])
                base = attended.bias + average * attended.weights.sum(dim=-1)
                parts.append((attended.weights, contributions, everybody, base, attended.logits))
        return Contributed(*[torch.cat(values) for values in zip(*parts)])

    def average_film(self, u: Tensor) -> Tensor:
        """r_u, what an average film gets from each user, its bias aside: `(batch, d_k)` ->
        `(batch,)`. 0 if contributions are measured from nothing.
        """
        if self.zero == "nothing":
            return torch.zeros_like(u[:, 0])
        return self.read(u).mean(dim=1)

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all films: `(batch,)` -> `(batch, n_items)`. Equal to `attend`, and fast.

        In training, `film_dropout` decides for the whole batch whether films have the attribute
        "film".
        """
        keep = None
        if self.training and self.film_dropout > 0:
            chance = torch.rand(1, generator=self.generator, dtype=torch.float64).item()
            if chance < self.film_dropout:
                keep = ~self.is_film
        return self.bias + self.read(self.user(users), keep)

    def read(self, u: Tensor, keep: Tensor | None = None) -> Tensor:
        """context . u of all films: users' vectors `(batch, d_k)` -> `(batch, n_items)`.

        Each attribute of the vocabulary is scored once per user; a film then sums over its own:
        sum_i exp(score_i) (v_i . u) / sum_i exp(score_i). No (batch, films, slots, d_k) table.
        The price: a film whose scores all lie more than 700 below the user's highest gets NaN, and
        `target_ranks` stops. Trained scores differ by less than 10.

        Args:
            keep: `(n_attributes,)` False for attributes that no film has for the moment; None: all
                are there. A film without any gets 0.
        """
        key, value = self.embedding.weight.chunk(2, dim=-1)
        tastes = value @ u.T  # (n_attributes, batch)
        if self.pooling == "mean":
            size = torch.ones_like(tastes[:, :1])
        else:
            scores = key @ u.T / self.d_k**0.5
            size = torch.exp(scores - scores.amax(dim=0))
        if keep is None:
            total = self.sum_by_item(size)
        else:
            size = size * keep[:, None]
            total = self.sum_by_item(size).clamp(min=torch.finfo(size.dtype).tiny)
        return (self.sum_by_item(size * tastes) / total).T

    def sum_by_item(self, per_attribute: Tensor) -> Tensor:
        """Sum over each item's attributes: `(n_attributes, batch)` -> `(n_items, batch)`."""
        return F.embedding_bag(self.flat_ids, per_attribute, self.starts, mode="sum")

    def explain(self, user: int, item: int) -> Explanation:
        """Why this item for this user: names, weights, contributions, support, base and score."""
        device = self.bias.device
        parts = self.contribute(
            torch.tensor([user], device=device), torch.tensor([item], device=device)
        )
        slots = self.table.mask[item].nonzero()[:, 0]
        ids = self.table.ids[item, slots].tolist()

        def numbers(values: Tensor) -> np.ndarray:
            return values[0].double().cpu().numpy()[slots]

        return Explanation(
            label=self.table.labels[item],
            names=[self.table.names[i] for i in ids],
            fields=[self.table.fields[i] for i in ids],
            weights=numbers(parts.weights),
            contributions=numbers(parts.contributions),
            base=float(parts.base[0]),
            score=float(parts.logits[0]),
            everybody=None if self.zero == "nothing" else numbers(parts.everybody),
            support=None if self.liked is None else self.support(user, item),
            precision=max(1e-5, 4 * torch.finfo(self.bias.dtype).eps),
        )

    def support(self, user: int, item: int) -> list[list[str]]:
        """For each attribute of the item: the labels of the user's other liked items that share
        it, the latest first.
        """
        liked = self.liked[user].flip(0)
        liked = liked[liked != item]
        support = []
        for attribute in self.table.ids[item][self.table.mask[item]]:
            shares = (self.table.ids[liked] == attribute).any(dim=1)
            support.append([self.table.labels[film] for film in liked[shares].tolist()])
        return support

    def with_user(self, vector: Tensor, liked: Tensor) -> Self:
        """A copy that knows one more user, the last one, with this vector `(d_k,)` and these liked
        items. Who the average user is stays as it was.
        """
        n_users = self.user.num_embeddings
        options = (self.pooling, self.film_dropout, self.zero, vector.dtype)
        copy = type(self)(self.table, n_users + 1, self.d_k, *options).to(vector.device)
        state = self.state_dict()
        state["user.weight"] = torch.cat([state["user.weight"], vector.detach()[None]])
        copy.load_state_dict(state)
        copy.n_known = self.n_known
        known = [liked.new_empty(0)] * n_users if self.liked is None else self.liked
        copy.liked = [*known, liked]
        return copy
