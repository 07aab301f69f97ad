"""RecBole's models on MovieLens 100K, all judged alike: one JSON line per model.

RecBole wants older libraries than this course, so it gets an environment of its own (Python 3.11):

    pip install recbole==1.2.1 torch==2.13.0 "numpy<2" "pandas<3"
    python studies/recbole_peers.py results.jsonl        (make peers does both)

Every rating is a positive. A user's ratings are sorted by time, equal times in the order of the
file: the last is the test film, the one before it the validation film, the rest is for training.
In every model, all films but those the user rated before are ranked (RecBole's sequential models
rank these too, so we rank its scores ourselves); ties count against the model. At the test, the
validation film is input where a model has one: the history in SASRec and GRU4Rec, the user's row
in ItemKNN and EASE. The epoch with the best validation NDCG@10 is kept.
RecBole rounds times to float32: left alone, it tests 4 of 943 users on another film and validates
5. So it is given ranks as times, and what it holds out is asserted.
The clock is `time.process_time` on one thread, over building the model and RecBole's own training
without our evaluation; a budget may end it inside an epoch. ItemKNN and EASE are only built.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import recbole
import scipy.sparse
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

sys.path.append(str(Path(__file__).parents[1] / "scripts"))
from budget import processor

OFF = "anomaly detection off"  # RecBole switches autograd's on when a sequential model is imported
BATCH = {"train_batch_size": 128}  # RecBole's own is 2048
RUNS = [(m, "as shipped", {}) for m in ("Pop", "ItemKNN", "EASE", "BPR", "LightGCN", "SASRec")]
RUNS += [("GRU4Rec", OFF, {}), ("SASRec", OFF, {}), ("SASRec", f"{OFF}, batch 128", BATCH)]
RUNS += [("SASRec", f"{OFF}, batch 128, long", BATCH)]


def measure(scores, target, seen):
    """Return HR, NDCG and MRR at 10 of float[users, films] scores, the `seen` left out."""
    own = scores[np.arange(len(target)), target][:, None]
    rank = (~(scores < own) & ~seen).sum(axis=1)  # counts the target too; NaN is no hit
    gain = {"HR@10": 1, "NDCG@10": 1 / np.log2(rank + 1), "MRR@10": 1 / rank}
    return {name: round(float((value * (rank <= 10)).mean()), 4) for name, value in gain.items()}


def run(name, setting, options, seconds, seed):
    """Train a model of RecBole's for `seconds` of CPU time; return its measurements."""
    torch.set_num_threads(1)
    folder = os.path.dirname(recbole.__file__)
    numbers = np.loadtxt(folder + "/dataset_example/ml-100k/ml-100k.inter", dtype=int, skiprows=1)
    user, film = numbers[np.argsort(numbers[:, 3], kind="stable"), :2].T - 1  # both count from 0
    people = np.arange(user.max() + 1)
    targets = np.array([film[user == u][-2:] for u in people]).T  # row 0 validation, row 1 test
    before = np.zeros((2, len(people), film.max() + 1), dtype=bool)
    before[:, user, film] = True
    before[:, people, targets[1]] = before[0, people, targets[0]] = False
    fields = "user_id:token\titem_id:token\ttimestamp:float"
    ranked = np.column_stack([user, film, np.arange(len(user))])
    np.savetxt("ml-100k.inter", ranked, "%d", delimiter="\t", header=fields, comments="")
    protocol = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}
    options = {"eval_args": protocol, "seed": seed, "show_progress": False} | options
    options["load_col"] = {"inter": ["user_id", "item_id", "timestamp"]}
    if name in ("GRU4Rec", "SASRec"):
        options["train_neg_sample_args"] = None  # their loss, cross-entropy, takes no negatives
    config = Config(model=name, dataset="ml-100k", config_dict=options)
    config["data_path"] = os.getcwd()  # only now: Config insists on the file in the wheel
    init_seed(seed, config["reproducibility"])
    dataset = create_dataset(config)
    train, *held_out = data_preparation(config, dataset)
    users = dataset.token2id("user_id", [str(u) for u in people])
    films = dataset.token2id("item_id", [str(f) for f in range(film.max() + 1)])
    inputs = [loader._dataset.inter_feat for loader in held_out]
    inputs = [r[np.argsort(r["user_id"].numpy())[users - 1]] for r in inputs]  # our order of users
    theirs = np.array([rows["item_id"].numpy() for rows in inputs])
    assert (theirs == films[targets]).all(), "RecBole holds out other films"

    def judge(part):  # 0 validation, 1 test
        model.eval()
        with torch.no_grad():
            scores = model.full_sort_predict(inputs[part]).view(len(users), -1).numpy()
        return measure(scores[:, films], targets[part], before[part])

    def batches():
        nonlocal trained
        for batch in train:
            yield batch
            trained += len(batch)
            if clock + time.process_time() - start >= seconds:
                return

    scipy.sparse.dok_matrix._update = scipy.sparse.dok_matrix.update  # LightGCN: the older name
    model_class, trainer_class = get_model(name), get_trainer(config["MODEL_TYPE"], name)
    if setting != "as shipped":
        torch.autograd.set_detect_anomaly(False)
    one_pass = config["MODEL_TYPE"].name == "TRADITIONAL"
    clock, trained, best, start = 0.0, 0, {"validation": -1.0}, time.process_time()
    model = model_class(config, train._dataset)
    trainer = trainer_class(config, model)
    while clock < seconds and not (one_pass and clock):
        if name not in ("ItemKNN", "EASE"):
            trainer._train_epoch(batches(), trained // len(train._dataset))
        clock += time.process_time() - start
        validation = judge(0)["NDCG@10"]
        if name in ("ItemKNN", "EASE"):
            model.interaction_matrix[users, films[targets[0]]] = 1
        if name == "ItemKNN":
            model.pred_mat = model.interaction_matrix @ model.w
        if validation > best["validation"]:
            best = judge(1) | {"validation": validation, "cpu_seconds": round(clock, 2)}
        start = time.process_time()
    return best | {
        "cpu_seconds_total": round(clock, 2),
        "targets_per_second": None if one_pass else round(trained / clock),
        "epochs": None if one_pass else round(trained / len(train._dataset), 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main():
    """Run every model in a process of its own, so that each has its own peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", help="JSON lines are appended to this file")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds per model")
    parser.add_argument("--long", type=float, default=900, help="CPU seconds of the long run")
    parser.add_argument("--only", choices=sorted({name for name, *_ in RUNS}))
    parser.add_argument("--seed", type=int, default=2020, help="RecBole's own is 2020")
    args = parser.parse_args()
    sys.argv[1:] = []  # RecBole would take our arguments for its own
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with open(args.results, "a") as file, tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # RecBole leaves files behind
        for name, setting, options in [r for r in RUNS if args.only in (None, r[0])]:
            budget = args.long if "long" in setting else args.seconds
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
                result = child.submit(run, name, setting, options, budget, args.seed).result()
            head = {"library": "RecBole 1.2.1", "model": name, "setting": setting}
            head |= {"seed": args.seed, "budget": budget}
            head |= {"date": date.today().isoformat(), "machine": processor()}
            print(json.dumps(head | result), file=file, flush=True)


if __name__ == "__main__":
    main()
