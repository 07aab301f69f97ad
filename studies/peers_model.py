"""The self-attention of notebook 06, tuned for the next film on MovieLens 100K. See peers.py."""

import torch
from torch import Tensor, nn

from recsys_utils.attention import masked_softmax
from recsys_utils.sequence_models import SelfAttentiveRecommender
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
