"""RecTools' transformers on MovieLens 100K, judged as peers_protocol.py says. Its own environment:

    pip install "rectools[torch]==0.19.0" torch==2.13.0 "numpy<2"
    python studies/rectools_peers.py recbole-1.2.1-py3-none-any.whl studies   (make peers does both)

RecTools trains on the latest films of a user only. So each window of a history is given to it as a
user of its own; a recommendation reads the user's latest films. It knows only the 1,678 of 1,682
films that somebody rated in the training data: the four others come last in our ranking.
"""

import pandas as pd
import pytorch_lightning
import torch
from peers_protocol import (
    Judge,
    RunningMean,
    carry_out,
    fingerprint,
    joined,
    known_films,
    padded,
    windows,
)
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers
from rectools.models.nn.transformers.sasrec import SASRecTransformerLayers

LENGTH = 50
GOOD = {"ligr": True, "blocks": 1, "dropout": 0.2, "rate": 0.002, "batch": 16}
LIGR, SASREC = "SASRec, LiGR layers", "SASRec"
TRIALS = {
    "dropout 0.2, rate 0.002": (LIGR, GOOD),
    "dropout 0.3, rate 0.002": (LIGR, GOOD | {"dropout": 0.3}),
    "dropout 0.2, rate 0.001": (LIGR, GOOD | {"rate": 0.001}),
    "dropout 0.2, rate 0.004": (LIGR, GOOD | {"rate": 0.004}),
    "dropout 0.2, rate 0.002, two blocks": (LIGR, GOOD | {"blocks": 2}),
    "dropout 0.2, rate 0.002, SASRec's own layers": (SASREC, GOOD | {"ligr": False}),
    "dropout 0.3, rate 0.004": (LIGR, GOOD | {"dropout": 0.3, "rate": 0.004}),
    "dropout 0.3, rate 0.008": (LIGR, GOOD | {"dropout": 0.3, "rate": 0.008}),
    "dropout 0.3, rate 0.004, averaged": (
        LIGR,
        GOOD | {"dropout": 0.3, "rate": 0.004, "decay": 0.998},
    ),
}


def dataset_of(pieces):
    """Every window is a user; times are ranks."""
    rows = [(number, film) for number, piece in enumerate(pieces) for film in piece.tolist()]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id"])
    frame["datetime"] = pd.Timestamp(0) + pd.to_timedelta(range(len(frame)), unit="s")
    return Dataset.construct(frame.assign(weight=1))


def model_of(trainer, ligr, blocks, dropout, rate, batch):
    """SASRec, softmax over all films."""
    return SASRecModel(
        n_blocks=blocks,
        n_heads=2,
        n_factors=64,
        session_max_len=LENGTH,
        dropout_rate=dropout,
        lr=rate,
        batch_size=batch,
        loss="softmax",
        use_key_padding_mask=True,
        transformer_layers_type=LiGRLayers if ligr else SASRecTransformerLayers,
        transformer_layers_kwargs={"ff_factors_multiplier": 1} if ligr else None,
        get_trainer_func=trainer,
    )


def scores_of(network, preparator, histories, n_films):
    """Scores of all films after each history; a film that is not known gets the lowest score."""
    number = pd.Series(preparator.item_id_map.to_internal).reindex(range(n_films))  # NaN: not known
    known = torch.tensor(number.notna().to_numpy())
    inner = torch.tensor(number.fillna(0).to_numpy(dtype=int))
    sessions = padded([inner[films[known[films]]] for films in histories], 0, LENGTH)
    items = network.item_model.get_all_embeddings()
    states = [network.encode_sessions({"x": x}, items)[:, -1] for x in sessions.split(128)]
    scores = (torch.cat(states) @ items.T)[:, inner]
    lowest = scores.min(dim=1, keepdim=True).values - 1
    return torch.where(known, scores, lowest)


class Clock(pytorch_lightning.Callback):
    """Tells the judge of batches and epochs."""

    def __init__(self, judge, decay):
        self.decay = decay
        self.judge, self.mean = judge, None

    def __deepcopy__(self, memo):
        return self  # RecTools copies the trainer; there is one clock

    def on_train_start(self, trainer, module):
        """The model exists only now."""
        self.mean = RunningMean(module.torch_model, self.decay)

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        """Count the targets; stop when the budget is used up."""
        self.mean.update()
        self.judge.targets += int((batch["y"] > 0).sum())
        trainer.should_stop = self.judge.over

    def on_train_epoch_end(self, trainer, module):
        """Judge, with the clock stopped."""
        self.judge.epoch()
        module.train()
        self.judge.start()


def train(split, seed, seconds, decay=0.0, **settings):
    """One run."""
    pytorch_lightning.seed_everything(seed, verbose=False)

    def trainer():
        return pytorch_lightning.Trainer(
            max_epochs=-1,
            accelerator="cpu",
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    judge = Judge(
        split,
        seconds,
        lambda stage: scores_of(
            clock.mean.judged, model.data_preparator, known_films(split, stage), split.n_items
        ),
    )
    clock = Clock(judge, decay)
    judge.start()
    model, dataset = model_of(trainer, **settings), dataset_of(windows(split, LENGTH))
    held = dataset.get_raw_interactions().groupby("user_id")["item_id"].apply(list).tolist()
    assert fingerprint(joined(held, split), split.validation, split.test) == fingerprint(
        split.histories(), split.validation, split.test
    )
    model.fit(dataset)
    return judge.result()


if __name__ == "__main__":
    carry_out("RecTools 0.19.0", train, TRIALS)
