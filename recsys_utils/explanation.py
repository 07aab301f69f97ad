"""The explanation object, its sentence, and other ways to ask the model why. Notebooks 02, 05, 08.

The functions take any model that has `attend`; they import none.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor


@dataclass(frozen=True)
class Explanation:
    """One recommendation explained: score = bias + sum of contributions, exactly.

    Attributes:
        label: the item: "Heat (1995)".
        names, fields: `(n)` the item's attributes and the field of each.
        weights: `(n,)` where the model looked: at least 0, sum 1.
        contributions: `(n,)` what tipped the decision, in logits; the sign says which way.
        bias: what the item gets from everybody, in logits.
        score: the logit.

    Raises:
        ValueError: the parts do not add up to the score (1e-5), or the weights not to 1.
    """

    label: str
    names: list[str]
    fields: list[str]
    weights: np.ndarray
    contributions: np.ndarray
    bias: float
    score: float

    def __post_init__(self) -> None:
        total = self.bias + self.contributions.sum()
        if not abs(total - self.score) <= 1e-5 * max(1.0, abs(self.score)):
            raise ValueError(f"{self.label}: parts add up to {total:.6f}, score {self.score:.6f}")
        if not abs(self.weights.sum() - 1) <= 1e-5:
            raise ValueError(f"{self.label}: weights add up to {self.weights.sum():.6f}, not 1")

    def to_frame(self) -> pd.DataFrame:
        """One row for each attribute, the largest contribution (either sign) first."""
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        return pd.DataFrame(
            {
                "field": [self.fields[i] for i in order],
                "attribute": [self.names[i] for i in order],
                "weight": self.weights[order],
                "contribution": self.contributions[order],
            }
        )

    def says(self, i: int) -> str:
        """Attribute i in words: "its director Michael Mann"."""
        if self.fields[i] == "film":
            return "the film itself"
        return f"its {self.fields[i]} {self.names[i]}"

    def sentence(self) -> str:
        """One sentence: the reasons for, the reason against, or "no clear reason".

        A reason is an attribute with at least a fifth of the sum of all |contributions|.
        "Mainly": more than half of it.
        """
        total = np.abs(self.contributions).sum()
        share = self.contributions / total if total > 0 else np.zeros(len(self.names))
        order = np.argsort(-np.abs(share), kind="stable")
        reasons = [i for i in order if share[i] >= 0.2]
        against = [i for i in order if share[i] <= -0.2]
        if not reasons and not against:
            return f"{self.label}: no clear reason; many attributes count a little."
        text = f"{self.label}:"
        if reasons:
            mainly = "mainly " if share[reasons[0]] > 0.5 else ""
            text += f" {mainly}because of " + " and ".join(self.says(i) for i in reasons[:2])
        if against:
            text += (", despite " if reasons else " despite ") + self.says(against[0])
        return text + "."


def leave_one_out(model, user: int, item: int) -> np.ndarray:
    """What the score loses when one attribute is left out and the others share its weight.

    Formula: change_i = logit(all attributes) - logit(all but i). `(n,)`, in the order of
    `Explanation.names`. It differs from the contribution, because attention moves elsewhere.
    """
    slots = model.table.mask[item].nonzero()[:, 0]
    mask = model.table.mask[item].repeat(len(slots), 1)
    mask[torch.arange(len(slots)), slots] = False
    users, items = torch.tensor([user]), torch.tensor([item])
    with torch.no_grad():
        full = model.attend(users, items).logits
        less = model.attend(users.expand(len(slots)), items.expand(len(slots)), mask=mask).logits
    return (full - less).numpy()


def integrated_gradients(model, user: int, item: int, n_steps: int = 64) -> np.ndarray:
    """Integrated gradients of the logit along a straight line from zero embeddings to the film's.

    Formula: IG_i = e_i . integral of d logit / d e_i (t e) dt, t from 0 to 1; they add up to
    logit - bias, up to the error of the sum over n_steps. Computed by captum. `(n,)`, in the order
    of `Explanation.names`. Source: Sundararajan, Taly, Yan 2017, arXiv:1703.01365.
    """
    from captum.attr import IntegratedGradients  # imported late: it is slow to load

    def logits(embeddings: Tensor) -> Tensor:
        n = len(embeddings)
        return model.attend(
            torch.full((n,), user), torch.full((n,), item), embeddings=embeddings
        ).logits

    embeddings = model.embedding(model.ids[item])[None].detach()
    attributions = IntegratedGradients(logits).attribute(embeddings, n_steps=n_steps)
    return attributions[0].sum(dim=-1)[model.table.mask[item]].numpy()


def top_reason(values: Tensor, mask: Tensor) -> Tensor:
    """The slot with the largest |value| in each row: `(batch, n_slots)` -> `(batch,)`.

    Args:
        values: weights, contributions or true contributions.
        mask: True where a slot holds an attribute; others never win.
    """
    return values.abs().masked_fill(~mask, -1.0).argmax(dim=-1)
