"""Are reasons with support true more often?

A reason has support if the user liked another film that shares the attribute. Simulated users
(five kinds of world, five draws each; attention, its weight decay
chosen on validation); held-out films that were
liked and whose largest contribution is positive. Share of main reasons with support; how often the
main reason is the true one, with support and without; the same among names only (director, actor),
because a genre nearly always has support and is seldom the reason of somebody whose field it isn't.
"""

import torch
from running import Run, main
from simulated import N_USERS, World, shared_table, train_best

from recsys_utils.explanation import top_reason
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import simulate_tastes

WORLDS = {
    "4 taste groups": {"n_groups": 4},
    "16 taste groups": {"n_groups": 16},
    "40 taste groups": {"n_groups": 40},
    "everybody an own taste": {"n_groups": None},
    "everybody an own taste, 400 ratings": {"n_groups": None, "ratings_per_user": 400},
}
WEIGHT_DECAYS = [0.1, 0.2, 0.4, 0.8, 1.6]
RUNS = [Run(name, world=world) for name in WORLDS for world in range(5)]
CHEAP = Run("16 taste groups", world=0)


def supported(world: World, slots: torch.Tensor) -> torch.Tensor:
    """For each held-out rating: did the user like another film with this attribute in training?"""
    likes = torch.zeros(N_USERS, world.table.n_items)
    train = world.train
    likes[train.users[train.liked], train.items[train.liked]] = 1.0
    attributes = world.table.ids[world.test.items].gather(1, slots[:, None])[:, 0]
    return (likes @ world.table.has())[world.test.users, attributes] > 0


def work(run: Run) -> dict:
    """Train in this world and mark the main reasons of the held-out likes."""
    table = shared_table()
    world = World.of(table, simulate_tastes(table, N_USERS, **WORLDS[run.variant], seed=run.world))

    def make() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(table, N_USERS, d_k=32)

    model, _ = train_best(make, world, run.world, WEIGHT_DECAYS)
    parts = model.contribute(world.test.users, world.test.items)
    slots = top_reason(parts.contributions, world.mask)
    positive = parts.contributions.gather(1, slots[:, None])[:, 0] > 0
    asked = world.test.liked & positive
    true = slots == top_reason(world.truth, world.mask)
    with_support = supported(world, slots)
    fields = [world.table.slot_fields[slot] for slot in slots.tolist()]
    name = torch.tensor([field in ("director", "actor") for field in fields])

    def share(what: torch.Tensor, among: torch.Tensor) -> float:
        return what[among].double().mean().item()

    found = {
        "with support": share(with_support, asked),
        "true": share(true, asked),
        "true with support": share(true, asked & with_support),
        "true without support": share(true, asked & ~with_support),
        "names: with support": share(with_support, asked & name),
        "names: true with support": share(true, asked & name & with_support),
        "names: true without support": share(true, asked & name & ~with_support),
    }
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
