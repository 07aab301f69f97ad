"""RecBole's models on MovieLens 100K, judged as peers_protocol.py says. Its own environment:

    pip install recbole==1.2.1 torch==2.13.0 "numpy<2" "pandas<3"
    python studies/recbole_peers.py recbole-1.2.1-py3-none-any.whl studies    (make peers does both)

First settings are tried, as for the other libraries; with --as-shipped, seven models run once as
they come. RecBole rounds times to float32: left alone, it tests 4 of 943 users on another film and
validates 5. So it is given ranks as times. Its sequential models rank seen films too, so we rank
its scores ourselves. At the test, the validation film is input where a model has one: the history
in SASRec and GRU4Rec, the user's row in ItemKNN and EASE.
The clock is over building the model and RecBole's own training. ItemKNN and EASE are only built.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from peers_protocol import Judge, RunningMean, carry_out, fingerprint, run_once
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

LIBRARY = "RecBole 1.2.1"
# RecBole trains one target for each padded history, so short histories are many times faster.
GOOD = {
    "name": "SASRec",
    "anomaly_detection": False,
    "train_batch_size": 128,
    "n_layers": 1,
    "inner_size": 64,
    "hidden_dropout_prob": 0.3,
    "attn_dropout_prob": 0.3,
    "learning_rate": 0.002,
    "MAX_ITEM_LIST_LENGTH": 20,
}
TRIALS = {
    "20 films, rate 0.002": ("SASRec", GOOD),
    "50 films, rate 0.002": ("SASRec", GOOD | {"MAX_ITEM_LIST_LENGTH": 50}),
    "10 films, rate 0.002": ("SASRec", GOOD | {"MAX_ITEM_LIST_LENGTH": 10}),
    "20 films, rate 0.004": ("SASRec", GOOD | {"learning_rate": 0.004}),
    "20 films, rate 0.002, batch 512": ("SASRec", GOOD | {"train_batch_size": 512}),
    "20 films, rate 0.002, two layers": ("SASRec", GOOD | {"n_layers": 2}),
    "20 films, rate 0.004, batch 512": (
        "SASRec",
        GOOD | {"learning_rate": 0.004, "train_batch_size": 512},
    ),
    "20 films, rate 0.004, averaged": ("SASRec", GOOD | {"learning_rate": 0.004, "decay": 0.998}),
    "10 films, rate 0.004": (
        "SASRec",
        GOOD | {"learning_rate": 0.004, "MAX_ITEM_LIST_LENGTH": 10},
    ),
}
OFF = "anomaly detection off"  # RecBole switches autograd's on when a sequential model is imported
OWN_SEED = 2020
AS_SHIPPED = [
    (m, "as shipped", {}) for m in ("Pop", "ItemKNN", "EASE", "BPR", "LightGCN", "SASRec")
]
AS_SHIPPED += [(m, OFF, {"anomaly_detection": False}) for m in ("GRU4Rec", "SASRec")]
BATCH = {"anomaly_detection": False, "train_batch_size": 128}  # RecBole's own is 2048
AS_SHIPPED += [("SASRec", f"{OFF}, batch 128", BATCH), ("SASRec", f"{OFF}, batch 128, long", BATCH)]


def prepared(split, name, options, seed):
    """The split as a file of RecBole's, and what RecBole makes of it."""
    held_out = zip(split.histories(), split.validation, split.test)
    rows = [(u, f) for u, (h, v, t) in enumerate(held_out) for f in (*h.tolist(), int(v), int(t))]
    table = np.column_stack([rows, np.arange(len(rows))])
    fields = "user_id:token\titem_id:token\ttimestamp:float"
    np.savetxt("ml-100k.inter", table, "%d", delimiter="\t", header=fields, comments="")
    protocol = {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"}
    options = {"eval_args": protocol, "seed": seed, "show_progress": False} | options
    options["load_col"] = {"inter": ["user_id", "item_id", "timestamp"]}
    if name in ("GRU4Rec", "SASRec"):
        options["train_neg_sample_args"] = None  # their loss, cross-entropy, takes no negatives
    config = Config(model=name, dataset="ml-100k", config_dict=options)
    config["data_path"] = os.getcwd()  # only now: Config insists on the file in the wheel
    init_seed(seed, config["reproducibility"])
    dataset = create_dataset(config)
    held = dataset.inter_feat.sort_values(["user_id", "timestamp"])
    films = dataset.id2token("item_id", held["item_id"].to_numpy()).astype(int)
    users = dataset.id2token("user_id", held["user_id"].to_numpy()).astype(int)
    order = np.argsort(users, kind="stable")
    histories = np.split(films[order], np.cumsum(np.bincount(users))[:-1])
    parts = [h[:-2] for h in histories], [h[-2] for h in histories], [h[-1] for h in histories]
    assert fingerprint(*parts) == fingerprint(split.histories(), split.validation, split.test)
    return config, dataset, data_preparation(config, dataset)


def train(split, seed, seconds, name, anomaly_detection=True, decay=0.0, **options):
    """One run."""
    os.chdir(tempfile.mkdtemp())  # RecBole leaves files behind
    config, dataset, (batches, *held_out) = prepared(split, name, options, seed)
    users = dataset.token2id("user_id", [str(u) for u in range(split.n_users)])
    films = dataset.token2id("item_id", [str(f) for f in range(split.n_items)])
    inputs = [loader._dataset.inter_feat for loader in held_out]
    inputs = [rows[np.argsort(rows["user_id"].numpy())[users - 1]] for rows in inputs]
    inputs = dict(zip(("validation", "test"), inputs))  # our order of users
    for stage, rows in inputs.items():
        theirs = rows["item_id"].numpy()
        assert (theirs == films[split.target(stage)]).all(), f"RecBole's {stage} is another film"

    def scores(stage):
        if stage == "test" and name in ("ItemKNN", "EASE"):
            model.interaction_matrix[users, films[split.validation]] = 1
            if name == "ItemKNN":
                model.pred_mat = model.interaction_matrix @ model.w
        with torch.no_grad():
            found = mean.judged.full_sort_predict(inputs[stage]).view(len(users), -1)[:, films]
        return found.nan_to_num(nan=-1e30)  # NaN is no hit

    def timed():
        for batch in batches:
            yield batch
            mean.update()
            judge.targets += len(batch)
            if judge.over:
                return

    scipy.sparse.dok_matrix._update = scipy.sparse.dok_matrix.update  # LightGCN: the older name
    model_class, trainer_class = get_model(name), get_trainer(config["MODEL_TYPE"], name)
    torch.autograd.set_detect_anomaly(anomaly_detection and torch.is_anomaly_enabled())
    judge = Judge(split, seconds, scores)
    judge.start()
    model = model_class(config, batches._dataset)
    trainer, mean = trainer_class(config, model), RunningMean(model, decay)
    one_pass = config["MODEL_TYPE"].name == "TRADITIONAL"
    while not (judge.curve and (one_pass or judge.over)):
        if name not in ("ItemKNN", "EASE"):
            trainer._train_epoch(timed(), len(judge.curve))
        judge.epoch()
        judge.start()
    return judge.result() | ({"targets_per_second": None, "epochs": None} if one_pass else {})


if __name__ == "__main__":
    if "--as-shipped" in sys.argv:
        sys.argv.remove("--as-shipped")
        wheel, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
        sys.argv[1:] = []  # RecBole would take our arguments for its own
        for name, setting, options in AS_SHIPPED:
            run_once(
                LIBRARY,
                name,
                setting,
                train,
                {"name": name} | options,
                OWN_SEED,
                wheel,
                folder,
                seconds=900 if "long" in setting else 60,
            )
    else:
        carry_out(LIBRARY, train, TRIALS)
