"""Models follow the device of their parameters.

No accelerator is needed to see that: on PyTorch's `meta` device a tensor that was left on the CPU
is an error.
"""

import pytest
import torch

from recsys_utils.data import AttributeTable, load_movies, load_ratings
from recsys_utils.models import AttributeAttentionRecommender, MatrixFactorization
from recsys_utils.sequence_models import HistoryAttentionRecommender, SelfAttentiveRecommender
from recsys_utils.splits import leave_one_out_split
from recsys_utils.variants import (
    MLPRecommender,
    OpenRecommender,
    SelfAttentionRecommender,
    SkipRecommender,
    SparseRecommender,
)

MOVIES = load_movies()
TABLE = AttributeTable.from_movies(MOVIES)
SPLIT = leave_one_out_split(load_ratings(movies=MOVIES), TABLE.item_ids)
USERS, ITEMS = torch.arange(4, device="meta"), torch.arange(4, device="meta")


def attribute_models():
    for pooling in ("attention", "mean"):
        yield AttributeAttentionRecommender(TABLE, SPLIT.n_users, 8, pooling)
    for kind in (OpenRecommender, SparseRecommender, MLPRecommender, SkipRecommender):
        yield kind(TABLE, SPLIT.n_users, 8)
    yield SelfAttentionRecommender(TABLE, SPLIT.n_users, 8)


@pytest.mark.parametrize("model", list(attribute_models()), ids=lambda model: type(model).__name__)
def test_scores_loss_and_explanation_of_attribute_models(model):
    model = model.to("meta").train()
    scores = model(USERS)
    assert scores.device.type == "meta" and scores.shape == (4, TABLE.n_items)
    scores.log_softmax(dim=-1).sum().backward()
    assert model.user.weight.grad.device.type == "meta"
    looked = model.attend(USERS, ITEMS)
    assert {part.device.type for part in looked} == {"meta"}
    if hasattr(model, "contribute"):
        assert {part.device.type for part in model.contribute(USERS, ITEMS)} == {"meta"}


def test_scores_and_loss_of_the_black_box():
    model = MatrixFactorization(SPLIT.n_users, SPLIT.n_items).to("meta")
    model(USERS).log_softmax(dim=-1).sum().backward()
    assert model.user.weight.grad.device.type == "meta"


def test_scores_and_the_average_user_of_attention_over_the_history():
    model = HistoryAttentionRecommender(TABLE, SPLIT, d_k=8).to("meta")
    model(USERS).log_softmax(dim=-1).sum().backward()
    assert model.average_user(3).device.type == "meta"


@pytest.mark.parametrize("attention", ["softmax", "uniform", "last"])
def test_scores_and_loss_of_self_attention(attention):
    model = SelfAttentiveRecommender(SPLIT, d_model=8, attention=attention).to("meta").train()
    windows = next(iter(model.batches(torch.Generator().manual_seed(0))))
    assert windows.device.type == "meta"
    z, weights = model.encode(windows[:, :-1])
    assert {z.device.type, weights.device.type, model.logits(z).device.type} == {"meta"}
