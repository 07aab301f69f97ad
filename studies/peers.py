"""Simple models and controls on MovieLens 100K, in 60 seconds of one thread: one JSON line a run.

    pip download --no-deps recbole==1.2.1        # its wheel holds the data
    python studies/peers.py recbole-1.2.1-py3-none-any.whl results.jsonl

The protocol is that of peers_protocol.py. The models that are set beside other libraries, with
settings chosen in as many trials, are in peers_tuned.py.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch
from peers_model import NextFilm
from peers_protocol import load, read
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from recsys_utils.evaluation import hit_rate, ndcg, reciprocal_rank, score_unseen, target_ranks
from recsys_utils.models import EASE, Popularity
from recsys_utils.sequence_models import (
    DecayedMarkov,
    SelfAttentiveRecommender,
    shuffled,
    with_validation,
)
from recsys_utils.splits import LeaveOneOutSplit, Stage

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
from budget import processor

MARKOV = 20, 0.9, 0.3  # window, decay, power: what `tuned_markov` chooses


def judge(scores, split: LeaveOneOutSplit, stage: Stage) -> dict[str, float]:
    """HR@10, NDCG@10, MRR@10, and the standard error of NDCG@10 over users."""
    ranks = target_ranks(score_unseen(scores, split, stage), split.target(stage))
    metrics = {"HR@10": hit_rate(ranks), "NDCG@10": ndcg(ranks), "MRR@10": reciprocal_rank(ranks)}
    error = metrics["NDCG@10"].std() / len(ranks) ** 0.5
    means = {name: values.mean().item() for name, values in metrics.items()}
    return means | {"standard_error": error.item()}


def fit_for(
    seconds: float,
    model: nn.Module,
    split: LeaveOneOutSplit,
    seed: int,
    decay: float = 0.998,
    counts_weight: float = 0.0,
) -> dict:
    """Train for so many CPU seconds; keep the best epoch by validation NDCG@10.

    The course's `train` counts epochs; a comparison needs the same seconds for all.

    Args:
        decay: of the running mean of the parameters that is evaluated; 0: no mean.
        counts_weight: a in the score logit + a log(0.01 + score of the decayed Markov counts).
    """
    known = with_validation(split)
    counts = DecayedMarkov(split, *MARKOV)

    def at(stage: Stage, model) -> dict[str, float]:
        data = split if stage == "validation" else known
        model, markov = model.with_history(data), counts.with_history(data)

        def scores(users):
            logits = model(users)
            if counts_weight == 0:
                return logits
            return logits + counts_weight * torch.log(0.01 + markov(users))

        return judge(scores, split, stage)

    model.reset_parameters(seed)
    judged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    clock, targets, best, curve = 0.0, 0, {"validation": -1.0}, []
    while clock < seconds:
        begin = time.process_time()
        model.train()
        for windows in model.batches(generator):
            optimizer.zero_grad()
            model.loss(windows).backward()
            optimizer.step()
            targets += int((windows[:, 1:] > 0).sum())
            if judged:
                judged.update_parameters(model)
        clock += time.process_time() - begin
        now = (judged.module if judged else model).eval()
        validation = at("validation", now)["NDCG@10"]
        curve.append((round(clock, 2), round(validation, 4)))
        if validation > best["validation"]:
            best = {"validation": validation, "cpu_seconds": clock}
            best |= at("test", now)
    return best | {
        "cpu_seconds_total": clock,
        "targets_per_second": round(targets / clock),
        "epochs": len(curve),
        "curve": curve,
    }


def counted(make, split: LeaveOneOutSplit) -> dict:
    """A model that is counted or solved, not trained."""
    begin = time.process_time()
    model = make(split)
    clock = time.process_time() - begin
    validation = judge(model, split, "validation")["NDCG@10"]
    known = with_validation(split)
    final = model.with_history(known) if hasattr(model, "with_history") else make(known)
    test = judge(final, split, "test")
    return test | {"validation": validation, "cpu_seconds": clock, "cpu_seconds_total": clock}


def tuned_markov(split: LeaveOneOutSplit) -> dict:
    """The best of 27 settings on validation; the clock counts the best one."""
    settings = product((5, 10, 20), (0.8, 0.9, 0.95), (0.3, 0.5, 0.7))
    tried = {s: counted(lambda data, s=s: DecayedMarkov(data, *s), split) for s in settings}
    best = max(tried, key=lambda s: tried[s]["validation"])
    return tried[best] | {"chosen": str(best)}


def tuned_ease(split: LeaveOneOutSplit) -> dict:
    """The best l2 on validation."""
    tried = [counted(lambda data, l2=l2: EASE(data, l2), split) for l2 in (30, 100, 300, 1000)]
    return max(tried, key=lambda result: result["validation"])


def notebook_06(split: LeaveOneOutSplit) -> SelfAttentiveRecommender:
    """The model of notebook 06 at this size, in float32."""
    return SelfAttentiveRecommender(split, 64, dropout=0.2, dtype=torch.float32)


TRAINED = {  # setting -> model, arguments of fit_for
    "as in notebook 06": (notebook_06, {"decay": 0}),
    "changes 2, 3": (lambda split: NextFilm(split, gaps=False), {"decay": 0}),
    "changes 2, 3, averaged": (lambda split: NextFilm(split, gaps=False), {}),
    "all changes, averaged": (NextFilm, {}),
    "all changes, averaged, Markov counts added": (NextFilm, {"counts_weight": 0.5}),
    "control: weights by gap alone": (lambda split: NextFilm(split, "gap"), {}),
    "control: equal weights": (lambda split: NextFilm(split, "uniform"), {}),
    "control: latest film alone": (lambda split: NextFilm(split, "last"), {}),
    "control: histories shuffled": (NextFilm, {}),
}
COUNTED = {
    "popularity": lambda split: counted(Popularity, split),
    "EASE": tuned_ease,
    "decayed Markov": tuned_markov,
}


def run(wheel: Path, setting: str, seconds: float, seed: int) -> dict:
    """One line of results, computed in a process of its own."""
    import resource  # not on Windows

    torch.set_num_threads(1)
    split = load(wheel)
    if setting in COUNTED:
        result = COUNTED[setting](split)
    else:
        make, options = TRAINED[setting]
        # Shuffled in training; at the test the true order cannot help it any more.
        data = shuffled(split) if "shuffled" in setting else split
        result = fit_for(seconds, make(data), split, seed, **options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    name = setting if setting in COUNTED else "self-attention"
    head = {"library": "this course", "model": name, "seed": seed, "budget": seconds}
    head["setting"] = "" if setting in COUNTED else setting
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()}
    head |= {"date": date.today().isoformat(), "machine": processor()}
    return head | rounded | {"peak_mb": round(peak)}


def main() -> None:
    """All runs that are not stored yet, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="the wheel of RecBole 1.2.1: it holds the data")
    parser.add_argument("results", type=Path, help="JSON lines are appended to this file")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of training")
    parser.add_argument("--only", choices=[*COUNTED, *TRAINED])
    options = parser.parse_args()
    plan = [(s, 0) for s in COUNTED] + [(s, seed) for s in TRAINED for seed in range(3)]
    stored = [(line["setting"] or line["model"], line["seed"]) for line in read(options.results)]
    for setting, seed in plan:
        if options.only in (None, setting) and (setting, seed) not in stored:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
                job = child.submit(run, options.wheel, setting, options.seconds, seed)
                line = json.dumps(job.result())
            with options.results.open("a", encoding="utf-8") as file:
                print(line, file=file)
            print(line[:300], flush=True)


if __name__ == "__main__":
    main()
