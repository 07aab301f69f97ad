"""RePlay's SasRec on MovieLens 100K, judged as peers_protocol.py says. Its own environment:

    pip install "replay-rec[torch]==0.22.0" torch==2.13.0 "numpy<2"
    python studies/replay_peers.py recbole-1.2.1-py3-none-any.whl studies     (make peers does both)

RePlay reads windows from a Parquet file; cutting histories into windows is left to its user.
"""

import tempfile
from pathlib import Path

import lightning
import pandas as pd
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
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import ParquetModule, TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.nn.lightning import LightningModule
from replay.nn.lightning.optimizer import OptimizerFactory
from replay.nn.sequential import SasRec
from replay.nn.transform.template import make_default_sasrec_transforms

LENGTH = 50
GOOD = {"blocks": 1, "dropout": 0.3, "rate": 0.002, "batch": 16}
TRIALS = {
    "dropout 0.3, rate 0.002": ("SasRec", GOOD),
    "dropout 0.3, rate 0.001": ("SasRec", GOOD | {"rate": 0.001}),
    "dropout 0.3, rate 0.004": ("SasRec", GOOD | {"rate": 0.004}),
    "dropout 0.2, rate 0.002": ("SasRec", GOOD | {"dropout": 0.2}),
    "dropout 0.4, rate 0.002": ("SasRec", GOOD | {"dropout": 0.4}),
    "dropout 0.3, rate 0.002, two blocks": ("SasRec", GOOD | {"blocks": 2}),
    "dropout 0.4, rate 0.004": ("SasRec", GOOD | {"dropout": 0.4, "rate": 0.004}),
    "dropout 0.3, rate 0.008": ("SasRec", GOOD | {"rate": 0.008}),
    "dropout 0.3, rate 0.004, averaged": ("SasRec", GOOD | {"rate": 0.004, "decay": 0.998}),
}


def schema(n_films):
    """One feature: the film."""
    film = TensorFeatureInfo(
        "item_id",
        feature_type=FeatureType.CATEGORICAL,
        is_seq=True,
        feature_hint=FeatureHint.ITEM_ID,
        feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
        cardinality=n_films,
        padding_value=n_films,
        embedding_dim=64,
    )
    return TensorSchema([film])


def data_module(pieces, n_films, folder, batch):
    """The windows, in a Parquet file."""
    path = str(Path(folder) / "train.parquet")
    pd.DataFrame({"item_id": [piece.tolist() for piece in pieces]}).to_parquet(path)
    shape = {"item_id": {"shape": LENGTH + 1, "padding": n_films}}
    transforms = make_default_sasrec_transforms(schema(n_films))
    return ParquetModule(batch, {"train": shape}, transforms, train_path=path)


def model_of(n_films, blocks, dropout, rate):
    """SasRec and its training."""
    model = SasRec.from_params(
        schema(n_films),
        embedding_dim=64,
        num_heads=2,
        num_blocks=blocks,
        max_sequence_length=LENGTH,
        dropout=dropout,
    )
    return LightningModule(model, OptimizerFactory(learning_rate=rate))


def scores_of(model, histories, n_films):
    """Scores of all films after each history."""
    films = padded(histories, n_films, LENGTH)
    parts = []
    for part in films.split(128):
        output = model(feature_tensors={"item_id": part}, padding_mask=part != n_films)
        parts.append(output["logits"][:, :n_films])
    return torch.cat(parts)


class Clock(lightning.Callback):
    """Tells the judge of batches and epochs."""

    def __init__(self, judge, mean):
        self.judge, self.mean = judge, mean

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        """Count the targets; stop when the budget is used up."""
        self.mean.update()
        self.judge.targets += int(batch["target_padding_mask"].sum())
        trainer.should_stop = self.judge.over

    def on_train_epoch_end(self, trainer, module):
        """Judge, with the clock stopped."""
        self.judge.epoch()
        module.train()
        self.judge.start()


def train(split, seed, seconds, blocks, dropout, rate, batch, decay=0.0):
    """One run."""
    lightning.seed_everything(seed, verbose=False)
    n_films, pieces = split.n_items, windows(split, LENGTH)
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(
            split,
            seconds,
            lambda stage: scores_of(mean.judged, known_films(split, stage), n_films),
        )
        judge.start()
        module = model_of(n_films, blocks, dropout, rate)
        mean = RunningMean(module.model, decay)
        data = data_module(pieces, n_films, folder, batch)
        held = pd.read_parquet(data.datapaths["train"])["item_id"].tolist()
        assert fingerprint(joined(held, split), split.validation, split.test) == fingerprint(
            split.histories(), split.validation, split.test
        )
        trainer = lightning.Trainer(
            max_epochs=-1,
            accelerator="cpu",
            limit_val_batches=0,
            callbacks=[Clock(judge, mean)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, data)
    return judge.result()


if __name__ == "__main__":
    carry_out("RePlay 0.22.0", train, TRIALS)
