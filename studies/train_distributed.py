"""The course's training loop on several processes, and the proof that it gives the same model.

    python studies/train_distributed.py             one process, then two; compares them
    torchrun --nproc-per-node 2 studies/train_distributed.py --result FOLDER

`training.train` runs unchanged. It trains the model; only the loss calls it through
DistributedDataParallel, which averages the gradients of all processes in every backward pass.
Each process computes the loss of its share of a batch. CPU, gloo, float64.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from recsys_utils.data import AttributeTable, leave_one_out_split, load_movies, load_ratings
from recsys_utils.evaluation import evaluate
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.splits import LeaveOneOutSplit
from recsys_utils.training import fit, train

TOLERANCE = 1e-8  # sums in another order differ by the last digits


def load() -> tuple[AttributeAttentionRecommender, LeaveOneOutSplit]:
    """The course's model, untrained, and the course's split."""
    movies = load_movies()
    table = AttributeTable.from_movies(movies)
    split = leave_one_out_split(load_ratings(movies=movies), table.item_ids)
    return AttributeAttentionRecommender(table, split.n_users), split


def fit_distributed(
    model: AttributeAttentionRecommender, split: LeaveOneOutSplit, epochs: int
) -> pd.DataFrame:
    """`training.fit` on all processes of the group: the same model afterwards.

    All processes draw the same batches; process r takes every world-th user of a batch from r on.
    """
    rank, world = dist.get_rank(), dist.get_world_size()
    parallel = DistributedDataParallel(model)
    likes = split.likes().to(next(model.parameters()).dtype)

    def loss(users: Tensor) -> Tensor:
        # The mean over the likes of the whole batch, not of the share: shares differ in likes.
        # Times `world`, because DistributedDataParallel divides the sum of gradients by it.
        share = users[rank::world]
        log_share = F.log_softmax(parallel(share), dim=-1)
        return -(log_share * likes[share]).sum() * world / likes[users].sum()

    history = train(
        model,
        lambda generator: torch.randperm(split.n_users, generator=generator).split(128),
        loss,
        lambda: evaluate(model, split, "validation")["NDCG@10"],
        seed=0, epochs=epochs, learning_rate=0.02, weight_decay=1.0,  # the defaults of `fit`
        patience=5, progress=False,
    )  # fmt: skip
    losses = torch.tensor(history["loss"])  # each process knows its own share only
    dist.all_reduce(losses)
    return history.assign(loss=losses / world)


def report(name: str, history: pd.DataFrame) -> str:
    """One line: the losses and the validation NDCG@10 of the epochs."""
    losses = " ".join(f"{value:.6f}" for value in history["loss"])
    return f"{name}: losses {losses}; NDCG@10 {history['validation'].iloc[-1]:.6f} (validation)"


def compare(epochs: int, processes: int = 2) -> float:
    """Train here with `fit`, then with torchrun: the largest difference of any parameter or loss.

    Raises:
        SystemExit: two processes do not hold the same model.
    """
    model, split = load()
    history = fit(model, split, epochs=epochs, progress=False)
    print(report("one process, training.fit", history), flush=True)
    expected = {**model.state_dict(), "loss": torch.tensor(history["loss"])}
    with tempfile.TemporaryDirectory() as folder:
        command = f"-m torch.distributed.run --standalone --nproc-per-node {processes}".split()
        command += [__file__, "--epochs", str(epochs), "--result", folder]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *command], check=True, env=one_thread)
        found = [
            torch.load(Path(folder, f"{rank}.pt"), weights_only=True) for rank in range(processes)
        ]
    if not all(torch.equal(found[0][name], other[name]) for other in found for name in expected):
        sys.exit("The processes do not hold the same model.")
    gap = max((found[0][name] - expected[name]).abs().max().item() for name in expected)
    print(f"{processes} processes hold the same model, to the last bit.\n"
          f"Largest difference from one process: {gap:.1e} (at most {TOLERANCE:.0e})")  # fmt: skip
    return gap


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--result", type=Path, help="folder for each process's model (torchrun)")
    chosen = parser.parse_args()
    if not dist.is_torchelastic_launched():
        sys.exit(0 if compare(chosen.epochs) <= TOLERANCE else "Several processes: another model.")
    dist.init_process_group("gloo")
    model, split = load()
    history = fit_distributed(model, split, chosen.epochs)
    rank, world = dist.get_rank(), dist.get_world_size()
    print(report(f"process {rank} of {world}", history) + "\n", end="", flush=True)  # one write
    if chosen.result:
        result = {**model.state_dict(), "loss": torch.tensor(history["loss"])}
        torch.save(result, chosen.result / f"{rank}.pt")
    dist.destroy_process_group()
