"""Somebody to recommend to, and what becomes of a film if an attribute does not count. Notebook 05.

The numbers and the words of `explorer`, which only shows them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from .evaluation import target_ranks, top_k
from .explanation import Explanation
from .models import AttributeAttentionRecommender
from .splits import LeaveOneOutSplit
from .training import fold_in


class Outcome(NamedTuple):
    """A film with some of its attributes: its score (logit), its rank (1 = first), and why.

    In `explanation` an attribute that is left out has weight and contribution 0. It is None if all
    are left out: then the score is the film's own bias, and there is nothing to explain.
    """

    score: float
    rank: int
    explanation: Explanation | None


class Person(NamedTuple):
    """A model, the row of the user in it, the scores of all films.

    `scores (n_items,)`: -inf for what the person knows already and is not recommended.
    """

    model: AttributeAttentionRecommender
    user: int
    scores: Tensor

    @classmethod
    def from_split(
        cls, model: AttributeAttentionRecommender, split: LeaveOneOutSplit, user: int
    ) -> Self:
        """A user of the data. Not recommended: what the user had rated before the test film."""
        return cls.who_knows(model, user, split.seen("test")[user])

    @classmethod
    def from_likes(cls, model: AttributeAttentionRecommender, liked: Sequence[int]) -> Self:
        """Somebody new, fitted to the films they like, which are not recommended again.

        Raises:
            ValueError: no liked film.
        """
        likes = torch.tensor(list(liked), dtype=torch.long)
        with_me = fold_in(model, likes)
        known = torch.zeros(model.table.n_items, dtype=torch.bool)
        known[likes] = True
        return cls.who_knows(with_me, with_me.user.num_embeddings - 1, known)

    @classmethod
    def who_knows(cls, model: AttributeAttentionRecommender, user: int, known: Tensor) -> Self:
        """A user of the model and the films `(n_items,)` not to recommend."""
        with torch.no_grad():
            scores = model(torch.tensor([user], device=model.bias.device))[0].cpu()
        return cls(model, user, scores.masked_fill(known, -torch.inf))

    @property
    def n_films(self) -> int:
        """How many films may be recommended."""
        return int((self.scores > -torch.inf).sum())

    def recommended(self, k: int = 10) -> list[int]:
        """The k best films, best first; all if fewer are left."""
        return top_k(self.scores[None], min(k, self.n_films))[0].tolist()

    def outcome(self, film: int, kept: Sequence[bool] | None = None) -> Outcome:
        """What becomes of a film if only some attributes count: those share the weight.

        All other films stay as they are. With one attribute left out, the score loses exactly
        what `leave_one_out` says.

        Args:
            film: the row of a film that may be recommended.
            kept: for each attribute, in the order of `Explanation.names`: does it count? None: all.

        Raises:
            ValueError: not one value for each attribute, or the film is not to be recommended.
        """
        full = self.model.explain(self.user, film)
        kept = [True] * len(full.names) if kept is None else list(kept)
        if len(kept) != len(full.names):
            raise ValueError(f"{full.label}: {len(full.names)} attributes, {len(kept)} values")
        device = self.model.bias.device
        slots = self.model.table.mask[film].nonzero()[:, 0]
        mask = torch.zeros_like(self.model.table.mask[film])
        mask[slots] = torch.tensor(kept)
        user, item = torch.tensor([self.user]), torch.tensor([film])
        parts = self.model.contribute(user.to(device), item.to(device), mask[None].to(device))
        score = parts.logits.item()
        scores = self.scores.clone()
        scores[film] += score - full.score  # -inf stays -inf, and is refused by target_ranks
        rank = target_ranks(scores[None], item).item()
        if not any(kept):
            return Outcome(score, rank, None)
        changed = {
            "weights": parts.weights[0, slots].double().cpu().numpy(),
            "contributions": parts.contributions[0, slots].double().cpu().numpy(),
            "everybody": None
            if full.everybody is None
            else parts.everybody[0, slots].double().cpu().numpy(),
            "score": score,
        }
        return Outcome(score, rank, replace(full, **changed))


def left_out(full: Explanation, kept: Sequence[bool]) -> str:
    """What does not count, or what does, whichever can be read at a glance.

    "Without its director Michael Mann"; "With only its genre crime"; "Without 3 of its 7
    attributes"; "Without any attribute".
    """
    missing = [full.says(i) for i, keep in enumerate(kept) if not keep]
    left = [full.says(i) for i, keep in enumerate(kept) if keep]
    if not left:
        return "Without any attribute"
    if len(missing) <= 2:
        return f"Without {' and '.join(missing)}"
    if len(left) <= 2:
        return f"With only {' and '.join(left)}"
    return f"Without {len(missing)} of its {len(kept)} attributes"


def in_words(full: Outcome, now: Outcome, kept: Sequence[bool], n_films: int) -> list[str]:
    """Lines of text: score and rank of a film, what changed, and why it is recommended.

    Args:
        full: the film with all its attributes.
        now: the film with those that are kept; `kept` as in `Person.outcome`.
        n_films: among how many films it is ranked.
    """
    base, why = full.explanation.base, now.explanation
    if why is None:
        lines = [f"Score {now.score:.3f}. Rank {now.rank} of {n_films} films."]
    else:
        yours = why.yours.sum()
        everybody = why.contributions.sum() - yours
        lines = [
            f"Score {now.score:.3f} = base {base:.3f} + for everybody {everybody:+.3f} "
            f"+ for you {yours:+.3f}. Rank {now.rank} of {n_films} films."
        ]
    if not all(kept):
        change = round(now.score - full.score, 3) + 0.0  # + 0.0: no "-0.000"
        lines.append(
            f"{left_out(full.explanation, kept)}: score from {full.score:.3f} to {now.score:.3f} "
            f"({change:+.3f}), rank from {full.rank} to {now.rank}."
        )
    if why is None:
        lines.append("Nothing is left to look at: only the film's own bias counts.")
    else:
        lines.append(why.sentence())
    return lines
