"""Does attention ignore what is irrelevant?

The easy world (simulated: four taste groups, 150 ratings a user, additive). Each film gets 0, 3 or
12 random tags that are never a reason. How much weight, and how much of all |contributions|, falls
on tags after training, and what do they cost? Attention and mean pooling, each with its own best of
five weight decays, chosen on validation for every number of tags. Ten worlds.
"""

import torch
from running import Run, main
from simulated import N_USERS, World, shared_table, train_best

from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import add_noise, simulate_tastes

POOLINGS = ["attention", "mean"]
WEIGHT_DECAYS = [0.1, 0.2, 0.4, 0.8, 1.6]
N_TAGS = [0, 3, 12]
RUNS = [
    Run(f"{pooling}, {n_tags} tags", world=world)
    for pooling in POOLINGS
    for n_tags in N_TAGS
    for world in range(10)
]
CHEAP = Run("mean, 3 tags", world=0)


def work(run: Run) -> dict:
    """Add the tags, train, measure what falls on them."""
    pooling, text = run.variant.split(", ")
    table = add_noise(shared_table(), int(text.removesuffix(" tags")), run.world)
    world = World.of(table, simulate_tastes(table, N_USERS, seed=run.world))

    def make() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(table, N_USERS, d_k=32, pooling=pooling)

    model, found = train_best(make, world, run.world, WEIGHT_DECAYS)
    parts = model.contribute(world.test.users, world.test.items)
    noise = torch.tensor([field == "noise" for field in table.slot_fields])
    sizes = parts.contributions.abs()
    found["share of tags among the attributes"] = (world.mask & noise).sum() / world.mask.sum()
    found["weight on tags"] = parts.weights[:, noise].sum(dim=1).mean()
    found["|contributions| on tags"] = sizes[:, noise].sum() / sizes.sum()
    found["true reason by contribution"] = world.found(parts.contributions)
    return found | world.judge(model)


if __name__ == "__main__":
    main(__file__, RUNS, work)
