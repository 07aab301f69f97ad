"""Training: one loop, two losses, early stopping, and a new user after training. Notebook 05."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import display
from torch import Tensor, nn
from tqdm.auto import tqdm
from tqdm.notebook import tqdm_notebook

from .evaluation import ndcg, target_ranks
from .splits import LeaveOneOutSplit, RatedPairs


@contextmanager
def progress_bar(epochs: int, shown: bool) -> Iterator[tqdm]:
    """A bar while training runs; afterwards nothing of it is left in the notebook.

    A closed widget leaves its view behind, and after a reload JupyterLab says in its place "Error
    displaying widget: model not found". So the view becomes an empty text.
    """
    is_widget = shown and issubclass(tqdm, tqdm_notebook)
    options = {"display": False} if is_widget else {}
    with tqdm(total=epochs, desc="epochs", disable=not shown, leave=False, **options) as bar:
        view = display(bar.container, display_id=True) if is_widget else None
        try:
            yield bar
        finally:
            if view:
                view.update({"text/plain": ""}, raw=True)


def train(
    model: nn.Module,
    batches: Callable[[torch.Generator], Iterable[Tensor]],
    loss: Callable[[Tensor], Tensor],
    validate: Callable[[], float],
    *,
    seed: int,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
    patience: int,
    progress: bool,
) -> pd.DataFrame:
    """AdamW until `validate` has not risen for `patience` epochs; the best epoch is kept.

    Training starts afresh: `model.reset_parameters(seed)`. The same seed gives the same model,
    also when a notebook cell is run twice.

    Returns:
        One row for each epoch: epoch, loss (mean over batches), validation.

    Raises:
        ValueError: epochs is below 1.
        ArithmeticError: the loss of a batch or the validation is no finite number.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    model.reset_parameters(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(seed)
    history, best, best_state = [], -float("inf"), None
    with progress_bar(epochs, progress) as bar:
        for epoch in range(epochs):
            model.train()
            losses = []
            for batch in batches(generator):
                optimizer.zero_grad()
                value = loss(batch)
                if not value.isfinite():
                    raise ArithmeticError(
                        f"epoch {epoch + 1}, batch {len(losses) + 1}: the loss is {value.item()}. "
                        f"Either training ran away (NaN in the model): take a smaller "
                        f"learning_rate than {learning_rate}; or the users of this batch have no "
                        "ratings to learn from: take a larger batch_size"
                    )
                value.backward()
                optimizer.step()
                losses.append(value.item())
            model.eval()
            validation = validate()
            if not math.isfinite(validation):
                raise ArithmeticError(
                    f"epoch {epoch + 1}: the validation is {validation}. Either there is nothing "
                    "to validate on (no validation pairs), or training ran away (NaN in the "
                    f"model): take a smaller learning_rate than {learning_rate}"
                )
            history.append((epoch + 1, sum(losses) / len(losses), validation))
            bar.set_postfix(validation=f"{validation:.4f}", refresh=False)
            bar.update()
            if validation > best:
                best, best_epoch = validation, epoch
                best_state = {name: value.clone() for name, value in model.state_dict().items()}
            elif epoch - best_epoch >= patience:
                bar.total = bar.n  # stopping early is success: without this the bar turns red
                break
    model.load_state_dict(best_state)
    return pd.DataFrame(history, columns=["epoch", "loss", "validation"])


def batches_of(
    n_users: int, batch_size: int, generator: torch.Generator, device: torch.device
) -> list[Tensor]:
    """All users once, in an order of their own, `batch_size` at a time."""
    order = torch.randperm(n_users, generator=generator).to(device)
    return list(order.split(batch_size))


def fit(
    model: nn.Module,
    split: LeaveOneOutSplit,
    *,
    seed: int = 0,
    epochs: int = 60,
    learning_rate: float = 0.02,
    weight_decay: float = 1.0,
    batch_size: int = 128,
    patience: int = 5,
    progress: bool = True,
) -> pd.DataFrame:
    """Train on likes: softmax over the whole catalogue; early stopping on validation NDCG@10.

    Formula: loss = - mean over likes (user, item) of log softmax_item(logits of the user).

    Args:
        model: a recommender with `reset_parameters`; it is trained in place.
        split: the likes to train on, and the validation items.
        seed: of the start values and of the order of users.
        batch_size: number of users in a batch, with all their likes.

    Returns:
        One row for each epoch: epoch, loss, validation (NDCG@10).

    Raises:
        ValueError: the model has another number of users than the split.
    """
    n_users = model.user.num_embeddings if hasattr(model, "user") else split.n_users
    if n_users != split.n_users:
        raise ValueError(f"the split has {split.n_users} users, the model {n_users}")
    parameter = next(model.parameters())
    likes, device = split.likes().to(parameter), parameter.device
    seen, everybody = split.seen("validation").to(device), torch.arange(split.n_users).to(device)
    model.liked = split.histories()  # where `explain` looks for the support of a reason

    def loss(users: Tensor) -> Tensor:
        target = likes[users]
        return -(F.log_softmax(model(users), dim=-1) * target).sum() / target.sum()

    def validate() -> float:
        with torch.no_grad():
            scores = model(everybody).masked_fill(seen, -torch.inf)
        return ndcg(target_ranks(scores, split.validation.to(device))).mean().item()

    return train(
        model,
        lambda generator: batches_of(split.n_users, batch_size, generator, device),
        loss,
        validate,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        patience=patience,
        progress=progress,
    )


def fit_ratings(
    model: nn.Module,
    train_pairs: RatedPairs,
    validation_pairs: RatedPairs,
    *,
    seed: int = 0,
    epochs: int = 60,
    learning_rate: float = 0.04,
    weight_decay: float = 0.7,
    batch_size: int = 128,
    patience: int = 5,
    progress: bool = True,
) -> pd.DataFrame:
    """Train on likes and dislikes: logistic loss; early stopping on the validation loss.

    Formula: loss = - mean over ratings of log sigmoid(+logit if liked, -logit if not).

    Args: as in `fit`; a batch is `batch_size` users with all their ratings.

    Returns:
        One row for each epoch: epoch, loss, validation (minus the validation loss).
    """
    parameter = next(model.parameters())
    dtype, device = parameter.dtype, parameter.device
    liked, rated = train_pairs.to_table(model.user.num_embeddings, model.table.n_items)
    model.liked = [row.nonzero()[:, 0] for row in liked]  # as in `fit`
    liked, rated = liked.to(device), rated.to(device)

    def loss(users: Tensor) -> Tensor:
        known = rated[users]
        return F.binary_cross_entropy_with_logits(
            model(users)[known], liked[users][known].to(dtype)
        )

    def validate() -> float:
        with torch.no_grad():
            logits = model(torch.arange(model.user.num_embeddings, device=device))
        logits = logits[validation_pairs.users, validation_pairs.items]
        return -F.binary_cross_entropy_with_logits(logits, validation_pairs.liked.to(dtype)).item()

    return train(
        model,
        lambda generator: batches_of(len(rated), batch_size, generator, device),
        loss,
        validate,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        patience=patience,
        progress=progress,
    )


def fold_in(
    model: nn.Module,
    liked_items: Tensor,
    *,
    steps: int = 200,
    learning_rate: float = 0.05,
    l2: float = 0.05,
) -> nn.Module:
    """Add a user who was not there in training: only the new user's vector is fitted.

    Formula: minimise - mean over liked items of log softmax_item(logits) + l2 |u|^2, with all
    attributes and biases as they are.

    Args:
        model: a trained AttributeAttentionRecommender; it is not changed.
        liked_items: `(n,)` row numbers of the items the new user likes, at least one.

    Returns:
        A copy of the model in which the last user is the new one, who likes these items.

    Raises:
        ValueError: no liked item.
    """
    if len(liked_items) == 0:
        raise ValueError("fold_in needs at least one liked item")
    vector = torch.zeros_like(model.user.weight[0])
    # Start from the average user: with a zero vector all attributes would count alike.
    vector += model.user.weight[: model.n_known].mean(dim=0).detach()
    vector.requires_grad_()
    optimizer = torch.optim.Adam([vector], lr=learning_rate)
    frozen = {name: value.detach() for name, value in model.state_dict().items()}
    user = torch.tensor([0], device=vector.device)
    for _ in range(steps):
        optimizer.zero_grad()
        state = {**frozen, "user.weight": vector[None]}
        logits = torch.func.functional_call(model, state, (user,))[0]
        loss = -F.log_softmax(logits, dim=-1)[liked_items].mean() + l2 * vector.square().sum()
        loss.backward()
        optimizer.step()
    return model.with_user(vector, liked_items)
