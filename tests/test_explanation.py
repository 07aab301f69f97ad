"""An explanation is exact, says what its numbers say, and agrees with other ways of asking."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from recsys_utils.data import AttributeTable, load_movies
from recsys_utils.explanation import (
    Explanation,
    integrated_gradients,
    leave_one_out,
    top_reason,
)
from recsys_utils.models import AttributeAttentionRecommender


@pytest.fixture(scope="module")
def model() -> AttributeAttentionRecommender:
    table = AttributeTable.from_movies(load_movies().head(40))
    model = AttributeAttentionRecommender(table, n_users=5, d_k=6)
    model.reset_parameters(0)
    with torch.no_grad():
        model.embedding.weight.mul_(15)
        model.user.weight.mul_(15)
        model.bias.fill_(0.3)
    return model


def explanation(contributions, names=None, fields=None, **changes) -> Explanation:
    n = len(contributions)
    parts = {
        "label": "Heat (1995)",
        "names": names or [f"name {i}" for i in range(n)],
        "fields": fields or ["actor"] * n,
        "weights": np.full(n, 1 / n),
        "contributions": np.array(contributions, dtype=float),
        "bias": 0.5,
        "score": 0.5 + sum(contributions),
    }
    return Explanation(**parts | changes)


def test_parts_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match=r"parts add up to 1\.500000, score 1\.600000"):
        explanation([0.4, 0.6], score=1.6)
    with pytest.raises(ValueError, match=r"parts add up to nan"):
        explanation([0.4, np.nan])
    with pytest.raises(ValueError, match=r"weights add up to 0\.500000"):
        explanation([0.4, 0.6], weights=np.array([0.25, 0.25]))


def test_rounding_is_no_fault():
    assert explanation([0.4, 0.6], score=1.500009).score == 1.500009
    explanation([-0.4, 0.0], score=0.100009)
    explanation([999.5, 0.0], score=1000.009)  # of large scores it is larger
    explanation([0.4, 0.6], weights=np.array([0.5, 0.500009]))
    for total, score in [(0.1, 0.100012), (1000.0, 1000.012)]:
        with pytest.raises(ValueError, match="parts add up"):
            explanation([total - 0.5, 0.0], score=score)


def test_an_explanation_cannot_be_changed_behind_its_own_back():
    with pytest.raises(FrozenInstanceError):
        explanation([0.4, 0.6]).score = 2.0


def test_explained_scores_are_the_models_scores(model):
    scores = model(torch.arange(5)).detach()
    for user in range(5):
        for item in range(40):
            explained = model.explain(user, item)
            total = explained.bias + explained.contributions.sum()
            assert total == pytest.approx(scores[user, item].item(), abs=1e-5)


def test_the_frame_begins_with_the_largest_contribution_of_either_sign():
    fields, weights = ["film", "actor", "genre"], np.array([0.5, 0.2, 0.3])
    frame = explanation([0.1, -0.9, 0.4], fields=fields, weights=weights).to_frame()
    assert list(frame) == ["field", "attribute", "weight", "contribution"]
    assert frame.to_numpy().tolist() == [
        ["actor", "name 1", 0.2, -0.9],
        ["genre", "name 2", 0.3, 0.4],
        ["film", "name 0", 0.5, 0.1],
    ]


def test_equal_contributions_stay_in_the_order_of_the_attributes():
    contributions = [0.0] * 30 + [-0.1, 0.1] * 15
    frame = explanation(contributions).to_frame()
    assert frame["attribute"].tolist() == [f"name {i}" for i in [*range(30, 60), *range(30)]]
    for i in range(15):
        three = explanation([0.0] * i + [1.0] * 3 + [0.0] * (14 - i))
        assert f"because of its actor name {i} and its actor name {i + 1}." in three.sentence()


@pytest.mark.parametrize(
    ("contributions", "expected"),
    [
        ([0.6, 0.1, 0.1], "Heat (1995): mainly because of its actor A."),
        ([0.4, 0.4, 0.1], "Heat (1995): because of its actor A and its director B."),
        ([0.1, 0.1, 0.7], "Heat (1995): mainly because of the film itself."),
        ([0.5, -0.4, 0.1], "Heat (1995): because of its actor A, despite its director B."),
        ([-0.8, 0.1, 0.1], "Heat (1995): despite its actor A."),
        ([0.35, 0.6, 0.05], "Heat (1995): mainly because of its director B and its actor A."),
        ([0.3, 0.3, 0.4], "Heat (1995): because of the film itself and its actor A."),
        ([-0.3, -0.7, 0.0], "Heat (1995): despite its director B."),
        ([0.8, -0.15, 0.05], "Heat (1995): mainly because of its actor A."),
        ([0.0, 0.0, 0.0], "Heat (1995): no clear reason; many attributes count a little."),
    ],
)
def test_the_sentence_says_what_the_numbers_say(contributions, expected):
    fields, names = ["actor", "director", "film"], ["A", "B", "Heat (1995)"]
    assert explanation(contributions, names, fields).sentence() == expected


def test_many_small_reasons_are_no_clear_reason():
    assert "no clear reason" in explanation([0.1] * 6).sentence()
    assert "no clear reason" not in explanation([0.1] * 5).sentence()  # a fifth each
    assert "no clear reason" in explanation([-0.1] * 6).sentence()
    assert "despite its actor name 0" in explanation([-0.1] * 5).sentence()


def test_leave_one_out_is_what_the_score_loses(model):
    user, item = 2, 4
    table = model.table
    changes = leave_one_out(model, user, item)
    slots = table.mask[item].nonzero()[:, 0]
    assert type(changes) is np.ndarray and len(changes) == len(slots)
    for change, slot in zip(changes, slots):
        mask = table.mask[item].clone()
        mask[slot] = False
        attended = model.attend(torch.tensor([user]), torch.tensor([item]), mask=mask[None])
        assert attended.weights[0, slot] == 0
        assert change == pytest.approx(model.explain(user, item).score - attended.logits.item())


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_leaving_out_the_only_attribute_leaves_the_bias(pooling):
    table = AttributeTable.from_lists([1], ["one"], {"film": [["one"]]})
    lonely = AttributeAttentionRecommender(table, 1, d_k=4, pooling=pooling)
    explained = lonely.explain(0, 0)
    assert leave_one_out(lonely, 0, 0) == pytest.approx(explained.contributions)


def test_integrated_gradients_add_up_to_the_score_without_the_bias(model):
    for item in (0, 4, 9):
        explained = model.explain(1, item)
        gradients = integrated_gradients(model, 1, item, n_steps=200)
        assert type(gradients) is np.ndarray and len(gradients) == len(explained.names)
        whole = explained.score - explained.bias
        assert gradients.sum() == pytest.approx(whole, abs=1e-2)
        few_steps = integrated_gradients(model, 1, item, n_steps=2).sum()
        assert abs(gradients.sum() - whole) < abs(few_steps - whole) / 2


def test_integrated_gradients_of_mean_pooling_are_its_contributions(model):
    """Without attention the logit is linear in the embeddings: both answers are the same."""
    mean = AttributeAttentionRecommender(model.table, 5, d_k=6, pooling="mean")
    mean.load_state_dict(model.state_dict())
    expected = mean.explain(1, 4).contributions
    assert integrated_gradients(mean, 1, 4) == pytest.approx(expected, abs=1e-7)


def test_the_top_reason_is_the_largest_of_either_sign_and_never_an_empty_slot():
    values = torch.tensor([[0.1, -0.9, 0.5], [0.0, 0.0, 9.0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert top_reason(values, mask).tolist() == [1, 0]
