"""The simulated worlds of the studies: real films, made-up people, known reasons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recsys_utils.data import AttributeTable, load_movies
from recsys_utils.evaluation import auc, auc_by_user
from recsys_utils.explanation import top_reason
from recsys_utils.simulation import SimulatedTastes, shared_credits, simulate_tastes
from recsys_utils.splits import RatedPairs, random_rows
from recsys_utils.training import fit_ratings

N_USERS = 600
FIELDS = ("director", "actor", "genre", "decade")


def shared_table() -> AttributeTable:
    """Films whose director and leads stand on three films at least, without the film itself."""
    return AttributeTable.from_movies(shared_credits(load_movies()), FIELDS)


@dataclass(frozen=True)
class World:
    """Ratings of a simulated world, dealt out, and the true reasons of those held out.

    `truth (n_test, n_slots)`: the stars each attribute was worth; `mask`: where there is one.
    """

    table: AttributeTable
    train: RatedPairs
    validation: RatedPairs
    test: RatedPairs
    truth: Tensor
    mask: Tensor

    @classmethod
    def of(cls, table: AttributeTable, tastes: SimulatedTastes, n_test: int = 1500) -> "World":
        """80 % of the ratings train, 10 % validate; of the rest the first n_test are judged."""
        pairs = RatedPairs.from_ratings(tastes.ratings, table.item_ids)
        train, validation, test = random_rows(len(pairs.users))
        test = test[:n_test]
        items = pairs.items[test]
        return cls(
            table,
            pairs.take(train),
            pairs.take(validation),
            pairs.take(test),
            tastes.contributions[test],
            table.mask[items],
        )

    def found(self, values: Tensor) -> float:
        """The share of held-out ratings whose true main reason has the largest |value|."""
        right = top_reason(values, self.mask) == top_reason(self.truth, self.mask)
        return right.double().mean().item()

    def chance(self) -> float:
        """The share that is found by pointing at any attribute."""
        return (1 / self.mask.sum(dim=1)).mean().item()

    def always_the_commonest(self) -> float:
        """The share that is found by always pointing at the first attribute of one field: the
        field for which this works best.
        """
        truth = top_reason(self.truth, self.mask)
        shares = []
        for slot in range(len(self.table.slots)):
            shares.append((truth == slot).double().mean().item())
        return max(shares)

    def judge(self, model) -> dict[str, float]:
        """How well a model predicts the held-out ratings."""
        with torch.no_grad():
            logits = model.attend(self.test.users, self.test.items).logits
        by_user = auc_by_user(logits, self.test.liked, self.test.users)
        return {
            "AUC": auc(logits, self.test.liked),
            "AUC per user": by_user.mean().item(),
        }


def easy_world(world: int) -> World:
    """The world of notebooks 03 and 05: four taste groups, 150 ratings, tastes that add up."""
    table = shared_table()
    return World.of(table, simulate_tastes(table, N_USERS, seed=world))


def train_best(
    make: Callable[[], nn.Module], world: World, seed: int, weight_decays: Sequence[float]
) -> tuple[nn.Module, dict[str, float]]:
    """Train with each weight decay; keep the model with the best validation loss.

    Args:
        make: gives a fresh model.
        world: whose ratings are learned.

    Returns:
        The model; its validation (minus the loss) and the weight decay that was chosen.
    """
    best, facts = None, {"validation": -float("inf")}
    for decay in weight_decays:
        model = make()
        history = fit_ratings(
            model,
            world.train,
            world.validation,
            seed=seed,
            weight_decay=decay,
            progress=False,
        )
        validation = history["validation"].max()
        if validation > facts["validation"]:
            best, facts = model, {"validation": validation, "chosen weight decay": decay}
    return best, facts
