"""The self-attention of notebook 06, tuned for the next film on MovieLens 100K. See peers.py."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from recsys_utils.attention import masked_softmax
from recsys_utils.sequence_models import DecayedMarkov, SelfAttentiveRecommender
from recsys_utils.splits import LeaveOneOutSplit


class NextFilm(SelfAttentiveRecommender):
    """Self-attention for the next film, tuned: notebook 06's with three changes.

    1. How far back a film lies counts, not its place in the row: score = q . k / sqrt(d_k) + b_gap,
       one b for each head and gap; no position vectors (after Shaw et al. 2018, arXiv:1803.02155).
    2. Embeddings are not multiplied by sqrt(d_model); they start at 0.02.
    3. Dropout also on the weights.

    Args:
        attention: as in SelfAttentiveRecommender; or "gap": the score is b_gap alone, so the
            weights do not depend on the films.
        gaps: False keeps the position vectors: without change 1.
    """

    def __init__(
        self, split: LeaveOneOutSplit, attention: str = "softmax", gaps: bool = True
    ) -> None:
        self.gap = None
        inner = "uniform" if attention == "gap" else attention
        super().__init__(split, 64, dropout=0.2, attention=inner, dtype=torch.float32)
        if gaps and attention in ("softmax", "gap"):
            self.gap = nn.Parameter(torch.zeros(self.attention.n_heads, self.max_len))
        self.reset_parameters(0)

    def reset_parameters(self, seed: int) -> None:
        """Change 2."""
        super().reset_parameters(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name == "gap":
                    nn.init.zeros_(weight)
                elif weight.dim() == 2 and weight.requires_grad:
                    nn.init.normal_(weight, std=0.02, generator=self.generator)
            self.item.weight[0] = 0.0

    def drop(self, x: Tensor) -> Tensor:
        """In float32, which is faster."""
        if not self.training:
            return x
        return (
            x * (torch.rand(x.shape, generator=self.generator) >= self.dropout) / (1 - self.dropout)
        )

    def encode(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """Changes 1 and 3; shapes as in SelfAttentiveRecommender."""
        n, before, between, after = films.shape[1], *self.norms
        x = self.item(films)
        if self.gap is None:
            x = x + self.position.weight[:n]
        x = self.drop(x)
        query, key, value = (
            self.attention.split_heads(layer(before(x)))
            for layer in (self.attention.W_Q, self.attention.W_K, self.attention.W_V)
        )
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        if self.gap is not None:
            place = torch.arange(n)
            scores = scores + self.gap[:, (place[:, None] - place).clamp(min=0)]
        mask = torch.ones(n, n, dtype=torch.bool).tril()
        if self.kind == "last":
            mask = torch.eye(n, dtype=torch.bool)
        weights = masked_softmax(scores, mask & (films > 0)[:, None, None, :])
        context = (self.drop(weights) @ value).transpose(1, 2).flatten(-2)
        y = x + self.drop(self.attention.W_O(context))
        return after(y + self.drop(self.feed_forward(between(y)))), weights


class Blend(NextFilm):
    """NextFilm with the ideas of peers_tuned.py, each of which can be switched on alone.

    Args:
        dropout: as in SelfAttentiveRecommender.
        blocks: how many blocks of attention and feed-forward, one after the other.
        gated: each block decides how much of its result is added, after RecTools' LiGR layers:
            y = x + sigmoid(W x + b) * attention(norm(x)), and so for the feed-forward.
        attributes: `(n_items, n_attributes)` 0 or 1; an item's vector is its own plus the sum of
            its attributes' vectors. None: without.
        counts: window, decay and power of DecayedMarkov counts inside the model: log(0.01 + count
            score), times a learned number, is added to the logits in training too. In training a
            user's own history is left out of the counts: it contains the answer. None: without.
    """

    def __init__(
        self,
        split: LeaveOneOutSplit,
        attention: str = "softmax",
        dropout: float = 0.2,
        blocks: int = 1,
        gated: bool = False,
        attributes: Tensor | None = None,
        counts: tuple[int, float, float] | None = None,
    ) -> None:
        self.more = None
        super().__init__(split, attention)
        self.dropout, width = dropout, self.item.embedding_dim
        others = [NextFilm(split, attention) for _ in range(blocks - 1)]
        for block in others:
            del block.item, block.position, block.bias
        self.blocks = nn.ModuleList(others)
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(2 * blocks * gated))
        self.attribute, self.counted, self.settings, self.table = None, None, counts, None
        if attributes is not None:
            self.attribute = nn.Linear(attributes.shape[1], width, bias=False)
            self.register_buffer("attributes", nn.functional.pad(attributes.float(), (0, 0, 1, 0)))
        if counts is not None:
            self.counted = nn.Parameter(torch.tensor(0.5))
            self.follows = DecayedMarkov(split, *counts).follows.float()
        self.more = True
        self.reset_parameters(0)

    def reset_parameters(self, seed: int) -> None:
        """Small random numbers, as change 2 says; gaps and biases 0, scales 1."""
        if self.more is None:  # called by the class above, when not all is there
            return super().reset_parameters(seed)
        self.generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name == "counted":
                    weight.fill_(0.5)
                elif name.endswith("gap") or (weight.dim() == 1 and name.endswith("bias")):
                    nn.init.zeros_(weight)
                elif weight.dim() == 1:
                    nn.init.ones_(weight)
                elif weight.requires_grad:
                    nn.init.normal_(weight, std=0.02, generator=self.generator)
            self.item.weight[0] = 0.0
        for block in self.blocks:
            block.generator = self.generator

    def count_once(self, split: LeaveOneOutSplit) -> None:
        """Prepare training with counts: what they say after each like of the training data.

        A table of float16, `(n_likes, n_items)`: log(0.01 + score of DecayedMarkov), without what
        the user's own history adds to the counts. As nobody rates a film twice, that is known: an
        own pair (j, i) was counted once. It needs 330 MB, so it is not copied with the model.
        """
        window, decay, power = self.settings
        popularity = torch.bincount(split.items, minlength=split.n_items).clamp(min=1)
        share, parts = popularity.float() ** -power, []
        for films in split.histories():
            place = torch.arange(len(films))
            gap = place[:, None] - place  # (t, j): j lies so far back
            recent = torch.where((gap >= 0) & (gap < window), decay ** gap.float(), 0.0)
            follow = torch.where((gap < 0) & (gap >= -window), decay ** (-gap - 1.0), 0.0)
            own = (recent @ follow) * share[films]
            for rows in place.split(self.max_len):  # in pieces: weights far from 0 <= gap are 0
                columns = place[max(0, int(rows[0]) - window) : int(rows[-1]) + 1]
                scores = recent[rows][:, columns] @ self.follows[films[columns]]
                scores[:, films] -= own[rows]
                parts.append(torch.log(0.01 + scores.clamp(min=0.0)).half())
        self.table = torch.cat(parts)
        self.likes = nn.functional.pad(split.items + 1, (1, 0))
        self.places = list(
            torch.arange(len(split.items)).split([len(h) for h in split.histories()])
        )

    def batches(self, generator: torch.Generator, size: int = 16) -> Iterator[Tensor]:
        """As in SelfAttentiveRecommender; with counts, places in the training data, not films."""
        if self.table is None:
            return super().batches(generator, size)
        other = copy.copy(self)
        other.history = self.places
        return super(Blend, other).batches(generator, size)

    def vectors(self) -> Tensor:
        """`(n_items + 1, d_model)` the vector of each item, row 0 = empty."""
        if self.attribute is None:
            return self.item.weight
        return self.item.weight + self.attribute(self.attributes)

    def logits(self, z: Tensor) -> Tensor:
        """`(..., d_model)` -> `(..., n_items)`."""
        return nn.functional.linear(z, self.vectors()[1:], self.bias)

    def block(self, number: int, x: Tensor, films: Tensor) -> tuple[Tensor, Tensor]:
        """One block: x `(batch, n, d_model)` -> the same shape, and the weights."""
        part, n = ([self, *self.blocks])[number], films.shape[1]
        before, between, _ = part.norms
        query, key, value = (
            part.attention.split_heads(layer(before(x)))
            for layer in (part.attention.W_Q, part.attention.W_K, part.attention.W_V)
        )
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        if part.gap is not None:
            place = torch.arange(n)
            scores = scores + part.gap[:, (place[:, None] - place).clamp(min=0)]
        mask = torch.ones(n, n, dtype=torch.bool).tril()
        if self.kind == "last":
            mask = torch.eye(n, dtype=torch.bool)
        weights = masked_softmax(scores, mask & (films > 0)[:, None, None, :])
        context = part.attention.W_O((self.drop(weights) @ value).transpose(1, 2).flatten(-2))
        first, second = self.gates[2 * number : 2 * number + 2] or (None, None)
        y = x + self.drop(context) * (1.0 if first is None else torch.sigmoid(first(x)))
        forward = self.drop(part.feed_forward(between(y)))
        return y + forward * (1.0 if second is None else torch.sigmoid(second(y))), weights

    def encode(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """As in NextFilm; the weights are those of the first block."""
        x = nn.functional.embedding(films, self.vectors())
        if self.gap is None:
            x = x + self.position.weight[: films.shape[1]]
        x, weights = self.block(0, self.drop(x), films)
        for number in range(len(self.blocks)):
            x, _ = self.block(number + 1, x, films)
        return self.norms[2](x), weights

    def loss(self, windows: Tensor) -> Tensor:
        """As in SelfAttentiveRecommender, with the counts where there are any."""
        films = windows if self.table is None else self.likes[windows]
        target, there = films[:, 1:], films[:, 1:] > 0
        logits = self.logits(self.encode(films[:, :-1])[0][there])
        if self.table is not None:
            logits = logits + self.counted * self.table[windows[:, :-1][there] - 1].float()
        return nn.functional.cross_entropy(logits, target[there] - 1)

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all items as the next film: `(batch,)` -> `(batch, n_items)`."""
        scores = super().forward(users)
        if self.counted is None:
            return scores
        window, decay, _ = self.settings
        recent = torch.zeros(len(users), len(self.follows))
        for row, user in enumerate(users.tolist()):
            films = self.history[user].flip(0)[:window]
            recent[row, films] = decay ** torch.arange(len(films)).float()
        return scores + self.counted * torch.log(0.01 + recent @ self.follows)
