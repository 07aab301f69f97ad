"""When do weights explain, and in which worlds?

Five models: the additive attention model and four that change one thing: sparsemax for softmax, a
network after the attention, a second path around it, self-attention before it. Simulated worlds:
400 users, 100 ratings each, 4 or 40 taste groups a field, five draws, three starts (with 40 groups
one). Each model chooses among four weight decays on validation. Asked: AUC, also with the weights
made equal; the true main reason by weight, by leave-one-out and by integrated gradients, beside
chance and the lazy answer; how many of ten recommended films it shares with the additive model
(same start), beside two additive models with other starts.
"""

import torch
from running import Run, main
from simulated import World, train_best

from recsys_utils.data import AttributeTable, load_movies
from recsys_utils.evaluation import auc, top_k
from recsys_utils.faithfulness import integrated_gradients_all, leave_one_out_all
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import shared_credits, simulate_tastes
from recsys_utils.variants import (
    MLPRecommender,
    SelfAttentionRecommender,
    SkipRecommender,
    SparseRecommender,
    with_equal_weights,
)

N_USERS, D_K = 400, 32
KINDS = {
    "additive": None,
    "sparsemax": SparseRecommender,
    "network after": MLPRecommender,
    "second path": SkipRecommender,
    "self-attention before": SelfAttentionRecommender,
}
SEEDS = {4: 3, 40: 1}  # taste groups -> starts
WEIGHT_DECAYS = [0.15, 0.3, 0.6, 1.2]
RUNS = [
    Run(f"{kind}: {groups} taste groups", world=world, seed=seed)
    for groups, seeds in SEEDS.items()
    for kind in KINDS
    for world in range(5)
    for seed in range(seeds)
]
CHEAP = Run("additive: 4 taste groups", world=0, seed=0)


def table_of_shared_credits() -> AttributeTable:
    """As in notebook 08: names on five films at least, at most three genres a film."""
    films = shared_credits(load_movies(), min_films=5)
    films["genres"] = films["genres"].str.split("|").str[:3].str.join("|")
    return AttributeTable.from_movies(films, ("director", "actor", "genre", "decade"))


def best_ten(model) -> torch.Tensor:
    """`(n_users, 10)` everybody's first ten films of the whole catalogue."""
    with torch.no_grad():
        return top_k(model(torch.arange(N_USERS)))


def shared_films(one: torch.Tensor, other: torch.Tensor) -> float:
    """How many of ten films two lists share, mean over users."""
    total = 0
    for mine, theirs in zip(one.tolist(), other.tolist()):
        total += len(set(mine) & set(theirs))
    return total / len(one)


def work(run: Run) -> dict:
    """Train this kind, and the additive model beside it, in the same world."""
    kind, groups = run.variant.split(": ")
    table = table_of_shared_credits()
    n_groups = int(groups.removesuffix(" taste groups"))
    world = World.of(table, simulate_tastes(table, N_USERS, 100, n_groups=n_groups, seed=run.world))

    def additive() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(table, N_USERS, D_K)

    def variant():
        return KINDS[kind](table, N_USERS, D_K)

    if kind == "additive":
        model, found = train_best(additive, world, run.seed, WEIGHT_DECAYS)
        other, _ = train_best(additive, world, run.seed + 10, WEIGHT_DECAYS)
    else:
        model, found = train_best(variant, world, run.seed, WEIGHT_DECAYS)
        other, _ = train_best(additive, world, run.seed, WEIGHT_DECAYS)
    found |= world.judge(model)
    users, items, liked = world.test
    with torch.no_grad():
        weights = model.attend(users, items).weights
        equal = with_equal_weights(model).attend(users, items).logits
    found["AUC, weights made equal"] = auc(equal, liked)
    found["true by weight"] = world.found(weights)
    found["true by leave-one-out"] = world.found(leave_one_out_all(model, users, items))
    gradients = integrated_gradients_all(model, users, items, n_steps=8)
    found["true by integrated gradients"] = world.found(gradients)
    found["chance"], found["always the commonest"] = world.chance(), world.always_the_commonest()
    found["weights that are exactly 0"] = (weights[world.mask] == 0).double().mean()
    found["films of ten shared with an additive model"] = shared_films(
        best_ten(model), best_ten(other)
    )
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
