"""What to train on and what to hold out. Rows of users and items are numbers here. Notebook 05."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype
from torch import Tensor

Stage = Literal["validation", "test"]


def check_frame(ratings: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse tables that would be split into something else without a word.

    The loaders have checked their files; this is for tables that people make themselves.

    Args:
        ratings: one row for each rating.
        columns: the columns that are needed, userId and movieId among them.

    Raises:
        ValueError: a column or a value is missing, ratings or times are text, a user has rated
            an item twice.
    """
    for column in columns:
        if column not in ratings:
            raise ValueError(f"ratings have no column {column!r}, only {list(ratings.columns)}")
        missing = ratings[column].isna()
        if missing.any():
            row = ratings.index[missing][0]
            raise ValueError(f"ratings, row {row!r}: {column} is missing (NaN)")
    for column in {"rating", "timestamp"} & set(columns):
        values = ratings[column]
        is_time = column == "timestamp" and is_datetime64_any_dtype(values)
        if not is_numeric_dtype(values) and not is_time:
            raise ValueError(
                f"ratings, column {column}: expected numbers, got {values.iloc[0]!r} "
                f"(dtype {values.dtype}); pd.to_numeric turns text into numbers"
            )
    twice = ratings.duplicated(["userId", "movieId"])
    if twice.any():
        user, item = ratings.loc[twice.to_numpy(), ["userId", "movieId"]].iloc[0]
        raise ValueError(f"user {user} has rated movieId {item} twice, expected one rating")


def item_rows(ratings: pd.DataFrame, item_ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """The catalogue row of every rating's item.

    Raises:
        ValueError: an id is in the catalogue twice, a rated item is not in it.
    """
    rows = pd.Series(np.arange(len(item_ids)), index=item_ids)
    if not rows.index.is_unique:
        twice = rows.index[rows.index.duplicated()][0]
        raise ValueError(f"item_ids: {twice} is there twice, expected one row for each item")
    unknown = ratings.loc[~ratings["movieId"].isin(rows.index), "movieId"]
    if len(unknown):
        raise ValueError(f"movieId {unknown.iloc[0]} is rated, but not in the catalogue")
    return rows.loc[ratings["movieId"]].to_numpy()


@dataclass(frozen=True)
class LeaveOneOutSplit:
    """Each user's last like is the test, the one before the validation, the others train.

    Attributes:
        user_ids: `(n_users,)` the ids in the source (userId), ascending.
        n_items: size of the catalogue.
        users, items: `(n_train,)` the likes to train on, by user, then in time.
        validation, test: `(n_users,)` the held-out item of each user.
        rated: for each user every item rated, in time: likes and others.
    """

    user_ids: np.ndarray
    n_items: int
    users: Tensor
    items: Tensor
    validation: Tensor
    test: Tensor
    rated: list[np.ndarray]

    @property
    def n_users(self) -> int:
        """Number of users with enough likes."""
        return len(self.user_ids)

    def likes(self) -> Tensor:
        """`(n_users, n_items)` 1 where the user likes the item in the training data, else 0."""
        likes = torch.zeros(self.n_users, self.n_items)
        likes[self.users, self.items] = 1.0
        return likes

    def histories(self) -> list[Tensor]:
        """For each user the items of the training likes, in time, the latest last."""
        counts = torch.bincount(self.users, minlength=self.n_users).tolist()
        return list(self.items.split(counts))

    def target(self, stage: Stage) -> Tensor:
        """`(n_users,)` the held-out item of each user: "validation" or "test"."""
        return {"validation": self.validation, "test": self.test}[stage]

    def seen(self, stage: Stage) -> Tensor:
        """`(n_users, n_items)` True where the user had rated the item before the held-out one.

        These are never recommended. What was rated later is not known yet, so it stays in.
        """
        seen = torch.zeros(self.n_users, self.n_items, dtype=torch.bool)
        for user, (items, target) in enumerate(zip(self.rated, self.target(stage).tolist())):
            before = items[: items.tolist().index(target)]
            seen[user, torch.tensor(before)] = True
        return seen


def leave_one_out_split(
    ratings: pd.DataFrame,
    item_ids: Sequence[int] | np.ndarray,
    like: float = 4.0,
    min_likes: int = 5,
) -> LeaveOneOutSplit:
    """Hold out each user's last two likes in time; ties in time are broken by movieId.

    Args:
        ratings: userId, movieId, rating, timestamp (numbers or dates); no value missing.
        item_ids: the catalogue: `AttributeTable.item_ids`.
        like: a rating of at least so many stars is a like.
        min_likes: users with fewer likes are left out (at least 3: train, validation, test).

    Raises:
        ValueError: min_likes below 3, nobody has so many likes, a rated item is not in item_ids
            or an id is there twice, or see `check_frame`.
    """
    check_frame(ratings, ["userId", "movieId", "rating", "timestamp"])
    if min_likes < 3:
        raise ValueError(f"min_likes must be at least 3 (train, validation, test), got {min_likes}")
    ordered = ratings.assign(item=item_rows(ratings, item_ids))
    ordered = ordered.sort_values(["userId", "timestamp", "movieId"])
    likes = ordered[ordered["rating"] >= like]
    count = likes.groupby("userId")["item"].transform("size")
    likes = likes[count >= min_likes]
    if likes.empty:
        raise ValueError(f"no user has {min_likes} ratings of {like} or more")
    by_user = {user: group.to_numpy() for user, group in likes.groupby("userId")["item"]}
    rated = {user: group.to_numpy() for user, group in ordered.groupby("userId")["item"]}
    train = [items[:-2] for items in by_user.values()]
    counts = torch.tensor([len(items) for items in train])
    return LeaveOneOutSplit(
        user_ids=np.array(list(by_user)),
        n_items=len(item_ids),
        users=torch.repeat_interleave(torch.arange(len(train)), counts),
        items=torch.tensor(np.concatenate(train)),
        validation=torch.tensor([items[-2] for items in by_user.values()]),
        test=torch.tensor([items[-1] for items in by_user.values()]),
        rated=[rated[user] for user in by_user],
    )


class RatedPairs(NamedTuple):
    """Ratings as likes and dislikes: `users`, `items`, `liked`, each `(n,)`, row by row."""

    users: Tensor
    items: Tensor
    liked: Tensor

    @classmethod
    def from_ratings(
        cls, ratings: pd.DataFrame, item_ids: Sequence[int] | np.ndarray, like: float = 4.0
    ) -> Self:
        """Users are numbered in the order of their ids; `liked` is rating >= like.

        Raises:
            ValueError: a rated item is not in item_ids or an id is there twice, or see
                `check_frame`.
        """
        check_frame(ratings, ["userId", "movieId", "rating"])
        _, users = np.unique(ratings["userId"], return_inverse=True)
        liked = (ratings["rating"] >= like).to_numpy()
        rows = item_rows(ratings, item_ids)
        return cls(torch.tensor(users), torch.tensor(rows), torch.tensor(liked))

    def take(self, rows: Tensor) -> Self:
        """Only these rows, in this order."""
        return type(self)(self.users[rows], self.items[rows], self.liked[rows])

    def to_table(self, n_users: int, n_items: int) -> tuple[Tensor, Tensor]:
        """`(n_users, n_items)` twice: the user liked the item; the user rated it.

        Raises:
            ValueError: a user or an item has a number that the table does not have.
        """
        for name, rows, size in (("user", self.users, n_users), ("item", self.items, n_items)):
            if len(rows) and rows.max() >= size:
                raise ValueError(
                    f"{name} number {int(rows.max())} is rated, but there are only {size} {name}s "
                    "(counted from 0): was the model made for other data?"
                )
        liked = torch.zeros(n_users, n_items, dtype=torch.bool)
        rated = liked.clone()
        liked[self.users, self.items] = self.liked
        rated[self.users, self.items] = True
        return liked, rated


def random_rows(n: int, shares: tuple[float, ...] = (0.8, 0.1, 0.1), seed: int = 0) -> list[Tensor]:
    """Shuffle n row numbers and deal them out: train, validation, test.

    Raises:
        ValueError: the shares do not add up to 1.
    """
    if abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares must add up to 1, got {shares} with sum {sum(shares)}")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    ends = [round(n * sum(shares[: i + 1])) for i in range(len(shares))]
    return [order[start:end] for start, end in zip([0, *ends], ends)]
