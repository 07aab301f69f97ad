"""Is attention harder to train than mean pooling?

The easy world (simulated). Attention and mean pooling, each with its own best of five weight decays
(chosen on validation): optimiser steps and CPU seconds of training until the loss on held-out
ratings is below a level for the first time. Five worlds, two starts each. Seconds are this
machine's; only their ratio travels.
"""

import time

import torch
from running import Run, main
from simulated import N_USERS, easy_world, train_best

from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.training import fit_ratings

LEVELS = [0.5, 0.4, 0.35, 0.3]
WEIGHT_DECAYS = [0.1, 0.2, 0.4, 0.8, 1.6]
EPOCHS = 60
RUNS = [
    Run(pooling, world=world, seed=seed)
    for pooling in ("attention", "mean")
    for world in range(5)
    for seed in range(2)
]
CHEAP = Run("mean", world=0, seed=0)


def work(run: Run) -> dict:
    """Choose the weight decay, train with it once more under the clock."""
    world = easy_world(run.world)

    def make() -> AttributeAttentionRecommender:
        return AttributeAttentionRecommender(world.table, N_USERS, d_k=32, pooling=run.variant)

    _, found = train_best(make, world, run.seed, WEIGHT_DECAYS)
    start = time.process_time()
    history = fit_ratings(
        make(),
        world.train,
        world.validation,
        seed=run.seed,
        weight_decay=found["chosen weight decay"],
        epochs=EPOCHS,
        patience=EPOCHS,
        progress=False,
    )
    seconds_an_epoch = (time.process_time() - start) / EPOCHS
    steps_an_epoch = -(-N_USERS // 128)
    # A step without the evaluation on held-out ratings: what training itself costs.
    model, users = make().train(), torch.arange(128)
    start = time.process_time()
    for _ in range(100):
        model(users).sum().backward()
    found["seconds a step"] = (time.process_time() - start) / 100
    found["seconds an epoch, with evaluation"] = seconds_an_epoch
    found["lowest held-out loss"] = -history["validation"].max()
    for level in LEVELS:
        reached = history.loc[-history["validation"] <= level, "epoch"]
        epochs = reached.min() if len(reached) else float("nan")
        found[f"steps to {level}"] = epochs * steps_an_epoch
        found[f"seconds to {level}"] = epochs * steps_an_epoch * found["seconds a step"]
    return found


if __name__ == "__main__":
    main(__file__, RUNS, work)
