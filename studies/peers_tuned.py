"""This course's self-attention, tuned as its peers are: ideas tried one at a time on validation.

    python studies/peers_tuned.py recbole-1.2.1-py3-none-any.whl studies

The model is peers_model.Blend, the protocol that of peers_protocol.py.
"""

from dataclasses import replace

import torch
from peers_model import Blend
from peers_protocol import Judge, carry_out
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from recsys_utils.sequence_models import shuffled, with_validation
from recsys_utils.splits import LeaveOneOutSplit, Stage

MODEL = "self-attention"
MARKOV = 20, 0.9, 0.3  # window, decay, power: what peers.tuned_markov chooses
QUICK = {"rate": 0.002, "dropout": 0.3}
# Six ideas one at a time, against the first; then what may go together with the best of them.
TRIALS = {
    "rate 0.002, dropout 0.3": (MODEL, QUICK),
    "rate 0.004, dropout 0.3": (MODEL, QUICK | {"rate": 0.004}),
    "rate 0.002, dropout 0.3, counts inside": (MODEL, QUICK | {"counts": MARKOV}),
    "rate 0.002, dropout 0.3, three short runs": (MODEL, QUICK | {"members": 3}),
    "rate 0.002, dropout 0.3, gated blocks": (MODEL, QUICK | {"gated": True}),
    "rate 0.002, dropout 0.3, genres": (MODEL, QUICK | {"genres": True}),
    "rate 0.002, dropout 0.4, two blocks": (MODEL, {"rate": 0.002, "dropout": 0.4, "blocks": 2}),
    "rate 0.003, dropout 0.3, counts inside": (MODEL, QUICK | {"rate": 0.003, "counts": MARKOV}),
    "rate 0.003, dropout 0.3, counts inside, two short runs": (
        MODEL,
        QUICK | {"rate": 0.003, "counts": MARKOV, "members": 2},
    ),
}
ALONE = "rate 0.002, dropout 0.3"  # attention alone
GAP = "counts inside, control: weights by gap alone"
ALSO = {ALONE: TRIALS[ALONE], GAP: (MODEL, QUICK | {"counts": MARKOV, "attention": "gap"})}


def shuffled_but_latest(split: LeaveOneOutSplit) -> LeaveOneOutSplit:
    """The same likes; of each user all but the latest stand in an arbitrary order."""
    latest = [films[-1:] for films in split.histories()]
    mixed = zip(shuffled(split).histories(), latest)
    return replace(
        split,
        items=torch.cat([part for films, last in mixed for part in (films[films != last], last)]),
    )


def train(
    split: LeaveOneOutSplit,
    seed: int,
    seconds: float,
    rate: float = 0.001,
    members: int = 1,
    genres: Tensor | None = None,
    order: str = "in time",
    **options,
) -> dict:
    """One run.

    Args:
        rate: learning rate.
        members: so many models share the budget; their logits are averaged.
        genres: `(n_items, n_genres)`, added to the films' vectors.
        order: "shuffled" is a control: histories are shuffled in training.
        options: see `Blend`.
    """
    known = with_validation(split)
    read = {"validation": split, "test": known, "order": shuffled_but_latest(known)}
    finished: list[dict[str, Tensor]] = []

    def scores(stage: Stage | str) -> Tensor:
        users = torch.arange(split.n_users)
        logits = judged.module.with_history(read[stage])(users)
        return torch.stack([logits, *(past[stage] for past in finished)]).mean(dim=0)

    judge = Judge(split, seconds, scores, {"all but the latest shuffled": lambda: scores("order")})
    judge.start()
    data = shuffled(split) if order == "shuffled" else split
    for number in range(members):
        model = Blend(data, attributes=genres, **options)
        model.reset_parameters(members * seed + number)
        judged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998)).eval()
        if model.counted is not None:
            model.count_once(data)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
        )
        generator = torch.Generator().manual_seed(members * seed + number)
        while judge.clock < seconds * (number + 1) / members:
            model.train()
            for rows in model.batches(generator):
                optimizer.zero_grad()
                model.loss(rows).backward()
                optimizer.step()
                judged.update_parameters(model)
                judge.targets += int((rows[:, 1:] > 0).sum())
                if judge.clock >= seconds * (number + 1) / members:
                    break
            judge.epoch()
            judge.start()
        with torch.no_grad():
            users = torch.arange(split.n_users)
            last = {stage: judged.module.with_history(data)(users) for stage, data in read.items()}
        finished.append(last)
        judge.start()
    return judge.result()


if __name__ == "__main__":
    carry_out("this course", train, TRIALS, ALSO)
