"""When can a reason be found?

Simulated users with known tastes rate real films; a rating's main reason is the attribute worth
most stars. Every method names an attribute of each held-out rating: how often is it the true main
reason? Beside them two answers that need no model: chance, and "always the commonest": the first
attribute of the field that is most often the reason. One screw of the world is turned at a time,
from the middle: 16 taste groups a field, 150 ratings a user, noise 0.5 stars, main field 0.8,
additive; and groups and ratings together. Attention and mean pooling each choose among five weight
decays on validation, in every world anew. Five worlds each: other tastes, other users, another
start.
"""

from running import Run, main
from simulated import N_USERS, World, shared_table, train_best

from recsys_utils.faithfulness import integrated_gradients_all, leave_one_out_all
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import simulate_tastes

MIDDLE = {"n_groups": 16, "ratings_per_user": 150}
WORLDS = {}
for groups in (4, 16, 40, 150, None):
    for ratings in (50, 150, 400):
        name = f"{groups or 'own'} tastes, {ratings} ratings"
        WORLDS[name] = {"n_groups": groups, "ratings_per_user": ratings}
WORLDS["noise 0"] = MIDDLE | {"noise": 0.0}
WORLDS["noise 1"] = MIDDLE | {"noise": 1.0}
WORLDS["main field 0.65"] = MIDDLE | {"main_weight": 0.65}
WORLDS["main field 0.95"] = MIDDLE | {"main_weight": 0.95}
WORLDS["actors only with some genres"] = MIDDLE | {"only_with": ("actor", "genre")}
POOLINGS = ["attention", "mean"]
WEIGHT_DECAYS = [0.1, 0.2, 0.4, 0.8, 1.6]
RUNS = [
    Run(f"{pooling}: {name}", world=world)
    for name in WORLDS
    for pooling in POOLINGS
    for world in range(5)
]
CHEAP = Run("mean: 16 tastes, 50 ratings", world=0)


def work(run: Run) -> dict:
    """Make the world, train in it, ask every method for the reasons."""
    pooling, name = run.variant.split(": ")
    table = shared_table()
    world = World.of(table, simulate_tastes(table, N_USERS, **WORLDS[name], seed=run.world))

    def make() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(table, N_USERS, d_k=32, pooling=pooling)

    model, found = train_best(make, world, run.world, WEIGHT_DECAYS)
    found |= world.judge(model)
    users, items = world.test.users, world.test.items
    parts = model.contribute(users, items)
    answers = {
        "contribution": parts.contributions,
        "leave-one-out": leave_one_out_all(model, users, items),
        "integrated gradients": integrated_gradients_all(model, users, items, n_steps=16),
    }
    if pooling == "attention":  # the weights of mean pooling are all alike
        answers["weight"] = parts.weights
    for method, values in answers.items():
        found[method] = world.found(values)
    found["chance"] = world.chance()
    found["always the commonest"] = world.always_the_commonest()
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
