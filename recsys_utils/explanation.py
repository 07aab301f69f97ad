"""The explanation object, its sentence, and other ways to ask the model why. Notebooks 02, 05, 08.

The functions take any model that has `attend`; they import none.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

MOST_TITLES = 2  # of the films that support a reason, in a sentence


@dataclass(frozen=True)
class Explanation:
    """One recommendation explained: score = base + sum of contributions, exactly.

    Contributions are measured from the user's average film (`models`), so their signs mean
    something: more, or less, than this user gets from an average film.

    Attributes:
        label: the item: "Heat (1995)".
        names, fields: `(n)` the item's attributes and the field of each.
        weights: `(n,)` where the model looked: at least 0, sum 1.
        contributions: `(n,)` terms of the sum, in logits: how far each attribute lifts the item
            above the user's average film.
        base: what the item's bias and the user's average film give, in logits.
        score: the logit.
        everybody: `(n,)` the contributions that the average user gets for the same item; None
            where there is no average user (on paper). What is left is for you: `yours`.
        support: for each attribute the labels of the user's own liked items that share it, the
            latest first; None where nobody wrote down what the user likes.

        precision: how far the parts may miss the score: 1e-5, more for a model in half precision.

    Raises:
        ValueError: the parts do not add up to the score, or the weights not to 1.
    """

    label: str
    names: list[str]
    fields: list[str]
    weights: np.ndarray
    contributions: np.ndarray
    base: float
    score: float
    everybody: np.ndarray | None = None
    support: list[list[str]] | None = None
    precision: float = 1e-5

    def __post_init__(self) -> None:
        total = self.base + self.contributions.sum()
        if not abs(total - self.score) <= self.precision * max(1.0, abs(self.score)):
            raise ValueError(f"{self.label}: parts add up to {total:.6f}, score {self.score:.6f}")
        if not abs(self.weights.sum() - 1) <= self.precision:
            raise ValueError(f"{self.label}: weights add up to {self.weights.sum():.6f}, not 1")

    @property
    def yours(self) -> np.ndarray:
        """`(n,)` what is for you: the contributions less what the average user gets.

        score = base + everybody.sum() + yours.sum(), exactly.
        """
        if self.everybody is None:
            return self.contributions
        return self.contributions - self.everybody

    def to_frame(self) -> pd.DataFrame:
        """One row for each attribute, the largest contribution (either sign) first.

        Columns: field, attribute, weight, contribution; for everybody, for you, your likes (how
        many share the attribute) where they are known.
        """
        columns = {
            "field": self.fields,
            "attribute": self.names,
            "weight": self.weights,
            "contribution": self.contributions,
        }
        if self.everybody is not None:
            columns["for everybody"] = self.everybody
            columns["for you"] = self.yours
        if self.support is not None:
            columns["your likes"] = [len(titles) for titles in self.support]
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        return pd.DataFrame(columns).iloc[order].reset_index(drop=True)

    def says(self, i: int) -> str:
        """Attribute i in words: "its director Michael Mann"."""
        if self.fields[i] == "film":
            return "the film itself"
        if self.fields[i] == "watched":
            return f"{self.names[i]}, which you liked"
        return f"its {self.fields[i]} {self.names[i]}"

    def supported(self, i: int) -> str:
        """The support of reason i in brackets: " (you liked Heat (1995) and 3 more)"."""
        if self.support is None or self.fields[i] == "watched":
            return ""
        if self.fields[i] == "film":
            return " (which names no reason)"
        titles = self.support[i]
        if not titles:
            return f" (though no film you liked has this {self.fields[i]})"
        more = len(titles) - MOST_TITLES
        if more > 0:
            return f" (you liked {', '.join(titles[:MOST_TITLES])} and {more} more)"
        return f" (you liked {' and '.join(titles)})"

    def sentence(self) -> str:
        """One sentence: what speaks for the item for you, with its support, what speaks against it.

        A reason is an attribute with at least a fifth of the sum of all |yours|. "Mainly": more
        than half of it. At most two reasons for, one against; "no clear reason" without any.
        """
        total = np.abs(self.yours).sum()
        share = self.yours / total if total > 0 else np.zeros(len(self.names))
        order = np.argsort(-np.abs(share), kind="stable")
        reasons = [i for i in order if share[i] >= 0.2]
        against = [i for i in order if share[i] <= -0.2]
        if not reasons and not against:
            return f"{self.label}: no clear reason; many attributes count a little."
        text = f"{self.label}:"
        if reasons:
            mainly = "mainly " if share[reasons[0]] > 0.5 else ""
            said = [self.says(i) + self.supported(i) for i in reasons[:2]]
            text += f" {mainly}because of " + " and ".join(said)
        if against:
            text += (", despite " if reasons else " despite ") + self.says(against[0])
        return text + "."


def leave_one_out(model, user: int, item: int) -> np.ndarray:
    """What the score loses when one attribute is left out and the others share its weight.

    Formula: change_i = logit(all attributes) - logit(all but i). `(n,)`, in the order of
    `Explanation.names`. It differs from the contribution, because attention moves elsewhere.
    """
    device = model.mask.device
    slots = model.mask[item].nonzero()[:, 0]
    mask = model.mask[item].repeat(len(slots), 1)
    mask[torch.arange(len(slots)), slots] = False
    users, items = torch.tensor([user], device=device), torch.tensor([item], device=device)
    with torch.no_grad():
        full = model.attend(users, items).logits
        less = model.attend(users.expand(len(slots)), items.expand(len(slots)), mask=mask).logits
    return (full - less).double().cpu().numpy()


def integrated_gradients(model, user: int, item: int, n_steps: int = 64) -> np.ndarray:
    """Integrated gradients of the logit along a straight line from zero embeddings to the film's.

    Formula: IG_i = e_i . integral of d logit / d e_i (t e) dt, t from 0 to 1; they add up to
    logit - bias, up to the error of the sum over n_steps. Computed by captum. `(n,)`, in the order
    of `Explanation.names`. Source: Sundararajan, Taly, Yan 2017, arXiv:1703.01365.
    """
    from captum.attr import IntegratedGradients  # imported late: it is slow to load

    device = model.mask.device

    def logits(embeddings: Tensor) -> Tensor:
        users = torch.full((len(embeddings),), user, device=device)
        items = torch.full((len(embeddings),), item, device=device)
        return model.attend(users, items, embeddings=embeddings).logits

    embeddings = model.embedding(model.ids[item])[None].detach()
    attributions = IntegratedGradients(logits).attribute(embeddings, n_steps=n_steps)
    return attributions[0].sum(dim=-1)[model.mask[item]].double().cpu().numpy()


def top_reason(values: Tensor, mask: Tensor) -> Tensor:
    """The slot with the largest |value| in each row: `(batch, n_slots)` -> `(batch,)`.

    Args:
        values: weights, contributions or true contributions.
        mask: True where a slot holds an attribute; others never win.
    """
    return values.abs().masked_fill(~mask, -1.0).argmax(dim=-1)
