"""What studies/scaling.py measures: simulated tables of any size, and the tasks on them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from recsys_utils.data import AttributeTable
from recsys_utils.evaluation import Model
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.sequence_models import SelfAttentiveRecommender
from recsys_utils.splits import LeaveOneOutSplit, Stage, leave_one_out_split
from recsys_utils.training import fit, train

USERS, FILMS, RATINGS = 200_948, 87_585, 32_000_204  # MovieLens 32M
BATCH, K = 128, 10
EXPLAINED = 16  # users in a batch, with K films each: tables above 32 MB are slow, see the page


class Clock:
    """Hands out the parts of a task until `budget` CPU seconds are used up, at least three."""

    def __init__(self, budget: float) -> None:
        self.budget = budget

    def __call__(self, parts: Sequence) -> Iterator:
        """The parts in turn; notes when each was done."""
        self.parts, self.times = len(parts), [time.process_time()]
        for part in parts:
            yield part
            self.times.append(time.process_time())
            if len(self.times) > 3 and self.times[-1] - self.times[0] > self.budget:
                return

    def seconds(self) -> float:
        """CPU seconds of all parts: their number times the median; the first is a warm-up."""
        seconds = np.diff(self.times)
        return float(np.median(seconds[1:] if len(seconds) > 1 else seconds)) * self.parts


def skewed(random: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Random numbers 0 to n - 1, the small ones much more often: a tenth of them has half."""
    return (n * random.random(size) ** 3).astype(np.int64)


def simulated_table(n_films: int, n_slots: int, seed: int = 0) -> AttributeTable:
    """Films with n_slots attributes: the film itself, and names that films share.

    As in the course's own table there are 1.44 shared names a film, whatever n_slots is.
    """
    random = np.random.default_rng(seed)
    names = max(1, round(1.44 * n_films / (n_slots - 1)))  # in each of the other slots
    columns = [np.arange(n_films)]
    columns += [n_films + s * names + skewed(random, names, n_films) for s in range(n_slots - 1)]
    ids = torch.tensor(np.stack(columns, axis=1) + 1)
    labels = [f"film {i}" for i in range(n_films)]
    slots = ["film", *(f"name {s}" for s in range(1, n_slots))]
    shared = names * (n_slots - 1)
    return AttributeTable(
        item_ids=np.arange(n_films),
        labels=labels,
        ids=ids,
        mask=ids > 0,
        slots=slots,
        slot_fields=slots,
        names=["", *labels, *(f"name {i}" for i in range(shared))],
        fields=["", *["film"] * n_films, *["name"] * shared],
    )


def simulated_split(n_users: int, n_films: int, seed: int = 0) -> LeaveOneOutSplit:
    """Users with as many ratings on average as in MovieLens 32M, all of them likes."""
    random = np.random.default_rng(seed)
    counts = random.lognormal(np.log(RATINGS / USERS) - 0.5, 1, n_users).astype(np.int64) + 3
    ends = counts.cumsum()
    rated = skewed(random, n_films, ends[-1])
    train_rows = np.ones(len(rated), dtype=bool)
    train_rows[ends - 1] = train_rows[ends - 2] = False
    return LeaveOneOutSplit(
        user_ids=np.arange(n_users),
        n_items=n_films,
        users=torch.from_numpy(np.repeat(np.arange(n_users), counts - 2)),
        items=torch.from_numpy(rated[train_rows]),
        validation=torch.from_numpy(rated[ends - 2]),
        test=torch.from_numpy(rated[ends - 1]),
        rated=np.split(rated, ends[:-1]),
    )


def seen_before(split: LeaveOneOutSplit, stage: Stage, users: Tensor) -> list[np.ndarray]:
    """What `split.seen` says of these users, as lists: the items rated before the held-out one."""
    pairs = [(split.rated[user], int(split.target(stage)[user])) for user in users.tolist()]
    return [items[: int(np.argmax(items == target))] for items, target in pairs]


def stream_top_k(
    model: Model,
    users: Tensor,
    split: LeaveOneOutSplit,
    stage: Stage = "test",
    k: int = K,
    batch: int = BATCH,
) -> Tensor:
    """The k best unseen items of each user, best first, `(n_users, k)`; a batch at a time.

    Equal to `evaluation.top_k` of `evaluation.score_unseen`, without a (n_users, n_items) table;
    somebody with fewer than k unseen items gets seen ones at the end.
    """
    # Filled in place: small results in a list lie between the large tables that come and go, the
    # holes cannot be used again, and memory grows with the number of batches.
    best = torch.empty(len(users), min(k, split.n_items), dtype=torch.long)
    for part, place in zip(users.split(batch), best.split(batch)):
        seen = seen_before(split, stage, part)
        rows = torch.arange(len(part)).repeat_interleave(torch.tensor([len(s) for s in seen]))
        with torch.no_grad():
            scores = model(part)
        excluded = torch.tensor(-torch.inf, dtype=scores.dtype)
        where = rows, torch.from_numpy(np.concatenate(seen))
        place.copy_(scores.index_put(where, excluded).topk(best.shape[1], dim=1).indices)
    return best


def train_once(
    model: torch.nn.Module,
    batches: Callable[[torch.Generator], Iterable[Tensor]],
    loss: Callable[[Tensor], Tensor],
) -> None:
    """One epoch of the course's loop, as far as `batches` goes, without validation."""
    train(model, batches, loss, lambda: 0.0, seed=0, epochs=1, learning_rate=0.02,
          weight_decay=1.0, patience=1, progress=False)  # fmt: skip


def training(
    model: AttributeAttentionRecommender, split: LeaveOneOutSplit, items: Tensor, clock: Clock
) -> None:
    """An epoch of `training.fit`, but the table of likes is made for one batch at a time."""
    likes = split.histories()

    def loss(users: Tensor) -> Tensor:
        target = torch.zeros(len(users), split.n_items, dtype=torch.float64)
        for row, user in enumerate(users.tolist()):
            target[row, likes[user]] = 1.0
        return -(F.log_softmax(model(users), dim=-1) * target).sum() / target.sum()

    def batches(generator: torch.Generator) -> Iterator[Tensor]:
        return clock(torch.randperm(split.n_users, generator=generator).split(BATCH))

    train_once(model, batches, loss)


def scoring(
    model: AttributeAttentionRecommender, split: LeaveOneOutSplit, items: Tensor, clock: Clock
) -> None:
    """The ten best films of everybody, streamed."""
    users, best = torch.arange(split.n_users), torch.empty(split.n_users, K, dtype=torch.long)
    for part, place in clock(list(zip(users.split(BATCH), best.split(BATCH)))):
        place.copy_(stream_top_k(model, part, split))


def explaining(
    model: AttributeAttentionRecommender, split: LeaveOneOutSplit, items: Tensor, clock: Clock
) -> None:
    """Weights and contributions of everybody's ten films, a batch of users at a time."""
    for part in clock(torch.arange(split.n_users).split(EXPLAINED)):
        with torch.no_grad():
            model.attend(part.repeat_interleave(K), items[part].flatten())


def one_by_one(
    model: AttributeAttentionRecommender, split: LeaveOneOutSplit, items: Tensor, clock: Clock
) -> None:
    """The same with `explain`: one user and one film at a time, with names."""
    for number in clock(range(items.numel())):
        user, place = divmod(number, K)
        model.explain(user, int(items[user, place]))


def encoding(model: SelfAttentiveRecommender, windows: list[Tensor], clock: Clock) -> None:
    """Self-attention over histories of the same length, without training."""
    model.eval()
    for part in clock(windows):
        with torch.no_grad():
            model.encode(part[:, :-1])


def sequence_training(model: SelfAttentiveRecommender, windows: list[Tensor], clock: Clock) -> None:
    """An epoch of self-attention."""
    train_once(model, lambda _: clock(windows), model.loss)


def splitting(split: LeaveOneOutSplit, clock: Clock) -> None:
    """`leave_one_out_split` of all ratings: the only step that must see them at once."""
    users = np.repeat(np.arange(split.n_users), [len(items) for items in split.rated])
    ratings = pd.DataFrame(
        {
            "userId": users,
            "movieId": np.concatenate(split.rated),
            "rating": 4.0,
            "timestamp": np.arange(len(users)),
        }
    )
    # Films are drawn with replacement, and a user rates a film once.
    ratings = ratings.drop_duplicates(["userId", "movieId"])
    for _ in clock([None]):
        leave_one_out_split(ratings, np.arange(split.n_items))


def whole_tables(split: LeaveOneOutSplit, clock: Clock) -> None:
    """One epoch of `training.fit` as it is: tables of all users times all films, in `likes`,
    `seen` and the validation. They do not depend on d_k; a small one saves time.
    """
    model = AttributeAttentionRecommender(simulated_table(split.n_items, 8), split.n_users, d_k=8)
    for _ in clock([None]):
        fit(model, split, epochs=1, progress=False)
