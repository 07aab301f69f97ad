"""Can other weights give the same recommendations?

Simulated: the world of `five_models.py` with 4 taste groups, five draws. An adversary starts at the
trained additive model's second seed and is trained to give the same logits with weights as
different as it can: loss = mean squared difference of logits - lambda x Jensen-Shannon distance of
weights. Lambda 1, 3, 10, 30; 80 and 800 steps. What does it pay in AUC, and how often do its
weights and its contributions still name the true main reason? Beside it: the honest model, another
start, chance.
"""

import copy

import torch
from five_models import D_K, N_USERS, WEIGHT_DECAYS, table_of_shared_credits
from running import Run, main
from simulated import World, train_best
from torch.nn import functional

from recsys_utils.faithfulness import jensen_shannon
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import simulate_tastes

STRENGTHS, STEPS = ["1", "3", "10", "30"], ["80", "800"]
RUNS = [Run("honest", world=world) for world in range(5)]
RUNS += [Run("another start", world=world) for world in range(5)]
RUNS += [
    Run(f"lambda {strength}, {steps} steps", world=world)
    for steps in STEPS
    for strength in STRENGTHS
    for world in range(5)
]
CHEAP = Run("honest", world=0)


def adversary(model, start, world: World, strength: float, steps: int):
    """A whole model: nearly the same logits, weights as different as it can."""
    rival = copy.deepcopy(start)
    optimizer = torch.optim.Adam(rival.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(world.train.users), (2048,), generator=generator)
        users, items, _ = world.train.take(rows)
        with torch.no_grad():
            goal = model.attend(users, items)
        made = rival.attend(users, items)
        moved = jensen_shannon(made.weights, goal.weights).mean()
        optimizer.zero_grad()
        (functional.mse_loss(made.logits, goal.logits) - strength * moved).backward()
        optimizer.step()
    return rival


def work(run: Run) -> dict:
    """Train the honest models, then the adversary, and mark its reasons."""
    table = table_of_shared_credits()
    world = World.of(table, simulate_tastes(table, N_USERS, 100, n_groups=4, seed=run.world))

    def make() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(table, N_USERS, D_K)

    model, _ = train_best(make, world, 0, WEIGHT_DECAYS)
    judged = model
    if run.variant != "honest":
        judged, _ = train_best(make, world, 1, WEIGHT_DECAYS)
    if run.variant.startswith("lambda"):
        strength, steps = run.variant.removeprefix("lambda ").split(", ")
        steps = int(steps.removesuffix(" steps"))
        judged = adversary(model, judged, world, float(strength), steps)
    users, items = world.test.users, world.test.items
    honest, parts = model.contribute(users, items), judged.contribute(users, items)
    same_order = (parts.logits - honest.logits).abs().median()
    return {
        **world.judge(judged),
        "distance of weights": jensen_shannon(parts.weights, honest.weights).median(),
        "difference of logits": same_order,
        "true by weight": world.found(parts.weights),
        "true by contribution": world.found(parts.contributions),
        "chance": world.chance(),
    }


if __name__ == "__main__":
    main(__file__, RUNS, work)
