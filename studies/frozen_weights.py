"""Do weights help a model that did not make them?

The third of Wiegreffe and Pinter's four tests (2019, arXiv:1908.04626). Simulated: the world of
`five_models.py` with 4 taste groups, five draws. A simple model gets its attention weights ready
made, one row for each user and film, and never changes them; it learns the rest anew: user vectors,
values, biases, logit = b + sum_i w_i (v_i . u). The weights are equal; or those of a trained model:
the additive one (honest), the additive one's for another user, the adversary's (`adversary.py`,
lambda 3, 800 steps), one with a second path around its attention, one with self-attention before
it. Beside them a model that learns its weights with the rest. Each has its own best of five weight
decays. What AUC does it reach, and how often do its weights and contributions name the true reason?
"""

import torch
from adversary import adversary
from five_models import D_K, N_USERS, WEIGHT_DECAYS, table_of_shared_credits
from running import Run, main
from simulated import World, train_best
from torch import Tensor, nn

from recsys_utils.data import AttributeTable
from recsys_utils.faithfulness import jensen_shannon
from recsys_utils.models import Attended, AttributeAttentionRecommender
from recsys_utils.simulation import simulate_tastes
from recsys_utils.variants import SelfAttentionRecommender, SkipRecommender

DECAYS = [0.08, *WEIGHT_DECAYS]
VARIANTS = [
    "equal weights",
    "learned together",
    "from the honest model",
    "the honest model's, for another user",
    "from the adversary",
    "from the second path",
    "from self-attention before",
]
RUNS = [Run(variant, world=world) for variant in VARIANTS for world in range(5)]
CHEAP = Run("from the honest model", world=0)


class GivenWeights(nn.Module):
    """logit = b + sum_i w_i (v_i . u) with weights that are given and stay: only the rest learns.

    Args:
        weights: `(n_users, n_items, n_slots)`.
    """

    def __init__(self, table: AttributeTable, weights: Tensor) -> None:
        super().__init__()
        self.table, self.weights = table, weights
        self.user = nn.Embedding(len(weights), D_K, dtype=weights.dtype)
        self.value = nn.Embedding(table.n_attributes, D_K, padding_idx=0, dtype=weights.dtype)
        self.bias = nn.Parameter(torch.zeros(table.n_items, dtype=weights.dtype))

    def reset_parameters(self, seed: int) -> None:
        """As the additive model does."""
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.user, self.value):
            nn.init.normal_(layer.weight, std=0.1, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, users: Tensor) -> Tensor:
        """Scores of all films: `(batch,)` -> `(batch, n_items)`."""
        tastes = (self.user(users) @ self.value.weight.T)[:, self.table.ids]
        return self.bias + (self.weights[users] * tastes).sum(dim=-1)

    def attend(self, users: Tensor, items: Tensor) -> Attended:
        """Single pairs."""
        weights = self.weights[users, items]
        tastes = torch.einsum("bsd,bd->bs", self.value(self.table.ids[items]), self.user(users))
        bias = self.bias[items]
        return Attended(weights, tastes, bias, bias + (weights * tastes).sum(dim=-1))

    def contributions(self, users: Tensor, items: Tensor) -> Tensor:
        """From each user's average film: w_i (v_i . u - r_u)."""
        with torch.no_grad():
            pair = self.attend(users, items)
            average = (self(users) - self.bias).mean(dim=1, keepdim=True)
        return pair.weights * (pair.tastes - average)


def weights_of(model, table: AttributeTable) -> Tensor:
    """The weights of every user and film: `(n_users, n_items, n_slots)`."""
    users = torch.arange(N_USERS).repeat_interleave(table.n_items)
    items = torch.arange(table.n_items).repeat(N_USERS)
    with torch.no_grad():
        weights = model.attend(users, items).weights
    return weights.reshape(N_USERS, table.n_items, -1)


def work(run: Run) -> dict:
    """Train whose weights are taken, then the simple model that gets them."""
    table = table_of_shared_credits()
    world = World.of(table, simulate_tastes(table, N_USERS, 100, n_groups=4, seed=run.world))

    def additive() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(table, N_USERS, D_K)

    honest, _ = train_best(additive, world, 0, WEIGHT_DECAYS)
    source = honest
    if run.variant == "from the adversary":
        start, _ = train_best(additive, world, 1, WEIGHT_DECAYS)
        source = adversary(honest, start, world, 3.0, 800)
    elif run.variant == "from the second path":
        source, _ = train_best(
            lambda: SkipRecommender(table, N_USERS, D_K), world, 0, WEIGHT_DECAYS
        )
    elif run.variant == "from self-attention before":
        source, _ = train_best(
            lambda: SelfAttentionRecommender(table, N_USERS, D_K), world, 0, WEIGHT_DECAYS
        )
    weights = weights_of(source, table)
    if run.variant == "equal weights":
        equal = (table.mask / table.mask.sum(dim=1, keepdim=True)).double()
        weights = equal.expand(N_USERS, -1, -1)
    elif "another user" in run.variant:
        weights = weights.roll(1, dims=0)

    users, items = world.test.users, world.test.items
    if run.variant == "learned together":
        model, found = train_best(additive, world, 2, DECAYS)
        contributions = model.contribute(users, items).contributions
    else:
        model, found = train_best(lambda: GivenWeights(table, weights), world, 2, DECAYS)
        contributions = model.contributions(users, items)
    its_weights = model.attend(users, items).weights.detach()
    own = honest.attend(users, items).weights.detach()
    found |= {
        **world.judge(model),
        "distance from the honest weights": jensen_shannon(its_weights, own).median(),
        "true by contribution": world.found(contributions),
        "chance": world.chance(),
        "always the commonest": world.always_the_commonest(),
    }
    if run.variant != "equal weights":  # where all are the largest, none is
        found["true by weight"] = world.found(its_weights)
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
