"""Recommenders that read a user's own history: what was liked, and in which order. Notebook 06.

Called like all others: `model(users)` gives scores `(batch, n_items)`. None has a vector for the
user; each reads the user's likes. `with_history` changes what is read, not what was learned.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import MultiHeadAttention, scaled_dot_product_attention
from .data import AttributeTable
from .explanation import Explanation
from .splits import LeaveOneOutSplit


def with_validation(split: LeaveOneOutSplit) -> LeaveOneOutSplit:
    """The same users a little later: the validation like is now the latest of the known likes."""
    users = torch.cat([split.users, torch.arange(split.n_users)])
    order = users.argsort(stable=True)
    items = torch.cat([split.items, split.validation])
    return replace(split, users=users[order], items=items[order])


def shuffled(split: LeaveOneOutSplit, seed: int = 0) -> LeaveOneOutSplit:
    """A control: the same likes, each user's in an arbitrary order. Held-out items stay."""
    generator = torch.Generator().manual_seed(seed)
    mixed = [h[torch.randperm(len(h), generator=generator)] for h in split.histories()]
    return replace(split, items=torch.cat(mixed))


class ReadsHistory:
    """A recommender that keeps `history`: for each user the items liked, in time."""

    history: list[Tensor]

    def with_history(self, split: LeaveOneOutSplit) -> Self:
        """A copy with the same counts or parameters, shared, that reads this split's likes."""
        other = copy.copy(self)
        other.history = split.histories()
        return other


class DecayedMarkov(ReadsHistory):
    """Counts of what followed what, the nearer the more. No training, no vectors.

    Formula: count(j, i) = sum of decay^(g - 1) over all places in all histories where i comes g
    places after j, g = 1 to window; with h_a = the user's a-th latest like and n_i = number of
    likes of item i, at least 1,

        score(user, i) = sum_a decay^(a - 1) count(h_a, i) / n_i^power,  a = 1 to window

    Args:
        split: the likes to count.
        window: how many places count, backward and forward, at least 1.
        decay: what one more place is worth, above 0, at most 1.
        power: 0 recommends popular items, 1 divides popularity out.
    """

    def __init__(
        self, split: LeaveOneOutSplit, window: int = 50, decay: float = 0.9, power: float = 0.5
    ) -> None:
        self.window, self.decay = window, decay
        counts = torch.zeros(split.n_items, split.n_items, dtype=torch.float64)
        for gap in range(1, window + 1):
            same = split.users[gap:] == split.users[:-gap]
            pairs = split.items[:-gap][same], split.items[gap:][same]
            worth = torch.tensor(decay ** (gap - 1), dtype=torch.float64)
            counts.index_put_(pairs, worth, accumulate=True)
        popularity = torch.bincount(split.items, minlength=split.n_items).clamp(min=1)
        self.follows = counts / popularity.double() ** power
        self.history = split.histories()

    def __call__(self, users: Tensor) -> Tensor:
        """Scores of all items: `(batch,)` -> `(batch, n_items)`."""
        recent = torch.zeros(len(users), len(self.follows), dtype=torch.float64)
        for row, user in enumerate(users.tolist()):
            latest = self.history[user].flip(0)[: self.window]
            recent[row, latest] = self.decay ** torch.arange(len(latest), dtype=torch.float64)
        return recent @ self.follows


class HistoryAttentionRecommender(ReadsHistory, nn.Module):
    """Because you watched: a candidate film looks through the films that the user liked.

    Formula: query q of the candidate; key k_j and value v_j of each liked film j, in no order;
    weights w_j = softmax_j(k_j . q / sqrt(d_k)),

        logit(user, candidate) = b_candidate + sum_j w_j (v_j . q)

    A contribution is measured from what the candidate gets from an average user:
    r = mean over users of sum_j w_j (v_j . q), contribution_j = w_j (v_j . q - r), base =
    b_candidate + r. One vector added to all values, and taken off the biases, changes no logit and
    no contribution. A film never attends to itself: in training that would give the
    answer away. The idea is from Zhou et al. 2018, arXiv:1706.06978, who use no softmax.

    Args:
        table: the items; their labels are the names in explanations.
        split: whose likes are the histories.
        d_k: length of queries, keys and values.
        dtype: float64 by default, as in `models.AttributeAttentionRecommender`.
    """

    def __init__(
        self,
        table: AttributeTable,
        split: LeaveOneOutSplit,
        d_k: int = 32,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        self.table, self.d_k = table, d_k
        self.query = nn.Embedding(split.n_items, d_k, dtype=dtype)
        self.embedding = nn.Embedding(split.n_items, 2 * d_k, dtype=dtype)
        self.bias = nn.Parameter(torch.zeros(split.n_items, dtype=dtype))
        self.likes, self.history = split.likes().to(dtype), split.histories()
        self.reset_parameters(0)

    def reset_parameters(self, seed: int) -> None:
        """Small random vectors, biases 0. The same seed gives the same start."""
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.query, self.embedding):
            nn.init.normal_(layer.weight, std=0.3, generator=generator)
        nn.init.zeros_(self.bias)

    def with_history(self, split: LeaveOneOutSplit) -> Self:
        """A copy with the same parameters, shared, that reads the likes of this split."""
        other = super().with_history(split)
        other.likes = split.likes().to(self.bias.dtype)
        return other

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all items: `(batch,)` -> `(batch, n_items)`. Equal to `explain`, and fast.

        Each pair of films is scored once, for everybody; a user then sums over their own likes:
        sum_j exp(score_j) (v_j . q) / sum_j exp(score_j). No (batch, items, history, d_k) table.
        """
        key, value = self.embedding.weight.chunk(2, dim=-1)
        query, likes = self.query.weight, self.likes.to(self.bias)[users]
        taste = value @ query.T  # (history film, candidate)
        scores = key @ (query / self.d_k**0.5).T
        scores = scores.fill_diagonal_(-torch.inf)  # never itself
        exp = torch.exp(scores - scores.detach().amax(dim=0))
        total = (likes @ exp).clamp(min=torch.finfo(exp.dtype).tiny)  # nothing liked: no context
        return self.bias + (likes @ (exp * taste)) / total

    def explain(self, user: int, item: int) -> Explanation:
        """Why this item for this user: the liked films in time, their weights and contributions.

        Raises:
            ValueError: the user likes no other film.
        """
        watched = self.history[user]
        watched = watched[watched != item]
        if len(watched) == 0:
            raise ValueError(f"user {user} likes no film that could explain item {item}")
        with torch.no_grad():
            key, value = self.embedding(watched).chunk(2, dim=-1)
            query = self.query.weight[item]
            weights = scaled_dot_product_attention(query[None], key, value).weights[0]
            average = self.average_user(item)
            contributions = weights * (value @ query - average)
            base = float(self.bias[item] + average)
        return Explanation(
            label=self.table.labels[item],
            names=[self.table.labels[i] for i in watched.tolist()],
            fields=["watched"] * len(watched),
            weights=weights.double().cpu().numpy(),
            contributions=contributions.double().cpu().numpy(),
            base=base,
            score=base + float(contributions.sum()),
        )

    def average_user(self, item: int) -> Tensor:
        """r, what this item gets from an average user, its bias aside: one number."""
        with torch.no_grad():
            query, likes = self.query.weight[item], self.likes.to(self.bias)
            key, value = self.embedding.weight.chunk(2, dim=-1)
            scores = key @ query / self.d_k**0.5
            scores[item] = -torch.inf  # never itself
            exp = torch.exp(scores - scores.amax())
            total = (likes @ exp).clamp(min=torch.finfo(exp.dtype).tiny)
            return (likes @ (exp * (value @ query)) / total).mean()


class SelfAttentiveRecommender(ReadsHistory, nn.Module):
    """The next film: self-attention over the latest likes, in time (SASRec, one layer).

    Formula, for a row of films f_1 ... f_n (n up to max_len), each with embedding e_f:

        x_t = sqrt(d_model) e_f + position_t,     y = x + attention(norm(x)), t looks at 1 ... t,
        z = norm(y + feed_forward(norm(y))),    logit(next film g after t) = b_g + z_t . e_g

    Films in and films out share one embedding. Trained at every position with the softmax over
    the whole catalogue. Sources: Kang, McAuley 2018, arXiv:1808.09781; the loss: Klenitskiy,
    Vasilev 2023, arXiv:2309.07602.

    Args:
        split: whose likes are the histories.
        d_model: length of the vectors.
        n_heads: number of heads; it must divide d_model.
        max_len: how many of the latest likes are read.
        dropout: share of numbers set to 0 in training. The masks come from the model's own seeded
            generator, so training can be repeated on every processor.
        attention: "softmax"; or, as controls, "uniform": equal weights for all films so far,
            "last": only the latest film is seen.
        dtype: float64 by default, as in `models.AttributeAttentionRecommender`.

    Raises:
        ValueError: another kind of attention, or n_heads does not divide d_model.
    """

    def __init__(
        self,
        split: LeaveOneOutSplit,
        d_model: int = 48,
        n_heads: int = 2,
        max_len: int = 50,
        dropout: float = 0.1,
        attention: Literal["softmax", "uniform", "last"] = "softmax",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        if attention not in ("softmax", "uniform", "last"):
            raise ValueError(f"attention must be softmax, uniform or last, got {attention!r}")
        self.n_items, self.max_len, self.dropout = split.n_items, max_len, dropout
        self.kind, self.history = attention, split.histories()
        self.item = nn.Embedding(split.n_items + 1, d_model, padding_idx=0)  # film i is i + 1
        self.position = nn.Embedding(max_len, d_model)
        self.attention = MultiHeadAttention(d_model, n_heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(d_model, d_model), nn.GELU(), nn.Linear(d_model, d_model)
        )
        self.norms = nn.ModuleList([nn.LayerNorm(d_model) for _ in range(3)])
        self.bias = nn.Parameter(torch.zeros(split.n_items))
        self.to(dtype)
        self.reset_parameters(0)

    def reset_parameters(self, seed: int) -> None:
        """Small random vectors, biases 0. The same seed gives the same start."""
        self.generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif name.startswith("norms"):
                nn.init.ones_(weight)
            elif name.startswith("position"):
                nn.init.normal_(weight, std=0.02, generator=self.generator)
            elif name.startswith("item"):
                std = 0.5 * weight.shape[1] ** -0.5
                nn.init.normal_(weight, std=std, generator=self.generator)
            else:
                nn.init.xavier_normal_(weight, generator=self.generator)
        with torch.no_grad():
            self.item.weight[0] = 0.0  # number 0 is the empty place
        if self.kind == "uniform":  # queries of zeros: all scores are 0, all weights equal
            for weight in self.attention.W_Q.parameters():
                nn.init.zeros_(weight).requires_grad_(False)

    def drop(self, x: Tensor) -> Tensor:
        """Dropout with masks from the model's own generator; nothing happens outside training."""
        if not self.training or self.dropout == 0:
            return x
        kept = torch.rand(x.shape, generator=self.generator, dtype=torch.float64) >= self.dropout
        return x * kept.to(x.device) / (1 - self.dropout)

    def encode(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """What is known after each place, and where each head looked for it.

        Args:
            films: `(batch, n)` item row + 1; 0 = empty. Films first, empty places at the end.

        Returns:
            z `(batch, n, d_model)`, weights `(batch, n_heads, n, n)`.
        """
        n, width = films.shape[1], self.item.embedding_dim
        x = self.drop(self.item(films) * width**0.5 + self.position.weight[:n])
        mask = torch.ones(n, n, dtype=torch.bool, device=films.device).tril()
        if self.kind == "last":
            mask = torch.eye(n, dtype=torch.bool, device=films.device)
        before, between, after = self.norms
        h = before(x)
        context, weights = self.attention(h, h, h, mask & (films > 0)[:, None, None, :])
        y = x + self.drop(context)
        return after(y + self.drop(self.feed_forward(between(y)))), weights

    def logits(self, z: Tensor) -> Tensor:
        """`(..., d_model)` -> `(..., n_items)`."""
        return F.linear(z, self.item.weight[1:], self.bias)

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all items as the next film: `(batch,)` -> `(batch, n_items)`."""
        scores = []
        for part in users.split(32):  # faster than all at once, and less memory
            rows = [self.history[user][-self.max_len :] + 1 for user in part.tolist()]
            last = torch.tensor([len(row) for row in rows]) - 1
            films = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.bias.device)
            z, _ = self.encode(films)
            scores.append(self.logits(z[torch.arange(len(rows)), last]))
        return torch.cat(scores)

    def look(self, user: int) -> tuple[Tensor, Tensor]:
        """The films the model reads for this user, `(n,)` item rows, and its weights for them,
        `(n_heads, n, n)`: row t is where each head looked after film t.
        """
        films = self.history[user][-self.max_len :]
        with torch.no_grad():
            return films, self.encode(films[None].to(self.bias.device) + 1)[1][0]

    def batches(self, generator: torch.Generator, size: int = 16) -> Iterator[Tensor]:
        """Every like but the first once as a target, in windows of at most max_len + 1 films.

        A longer history is cut into windows, each time at other places. Yields `(size, n)`, n up to
        max_len + 1: item row + 1, 0 = empty.
        """
        windows = []
        for films in self.history:
            end = len(films)
            if end > self.max_len + 1:
                shift = int(torch.randint(self.max_len, (1,), generator=generator))
                windows.append(films[max(0, end - shift - 1) :] + 1)
                end -= shift
            while end > 1:
                windows.append(films[max(0, end - self.max_len - 1) : end] + 1)
                end -= self.max_len
        windows = [window for window in windows if len(window) > 1]
        for rows in torch.randperm(len(windows), generator=generator).split(size):
            chosen = [windows[i] for i in rows.tolist()]
            padded = nn.utils.rnn.pad_sequence(chosen, batch_first=True)
            yield padded.to(self.bias.device)

    def loss(self, windows: Tensor) -> Tensor:
        """- mean over places of log softmax_item(logits) at the film that came next."""
        films, target = windows[:, :-1], windows[:, 1:]
        there = target > 0
        z, _ = self.encode(films)
        return F.cross_entropy(self.logits(z[there]), target[there] - 1)
