"""The measures of explanations do what their formulas say, for every pair alike."""

import math
from itertools import pairwise

import pytest
import torch

from recsys_utils.data import AttributeTable, load_movies
from recsys_utils.explanation import integrated_gradients, leave_one_out
from recsys_utils.faithfulness import (
    agreement,
    all_answers,
    deletion_curve,
    gradient_times_input,
    integrated_gradients_all,
    jensen_shannon,
    leave_one_out_all,
    most_different_weights,
)
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.variants import SkipRecommender

USERS = torch.arange(5).repeat_interleave(4)
ITEMS = torch.arange(20)


@pytest.fixture(scope="module")
def model() -> AttributeAttentionRecommender:
    table = AttributeTable.from_movies(load_movies().head(40), min_films=2)
    model = AttributeAttentionRecommender(table, n_users=5, d_k=6)
    with torch.no_grad():
        model.embedding.weight.mul_(15)
        model.user.weight.mul_(15)
        model.bias.normal_(generator=torch.Generator().manual_seed(1))
    return model


@pytest.fixture(scope="module")
def mask(model) -> torch.Tensor:
    return model.table.mask[ITEMS]


def test_leave_one_out_is_that_of_single_pairs(model, mask):
    changes = leave_one_out_all(model, USERS, ITEMS)
    assert (changes[~mask] == 0).all()
    for row, (user, item) in enumerate(zip(USERS.tolist(), ITEMS.tolist())):
        assert changes[row][mask[row]].numpy() == pytest.approx(leave_one_out(model, user, item))


def test_integrated_gradients_are_captums_and_add_up(model, mask):
    values = integrated_gradients_all(model, USERS, ITEMS, n_steps=400)
    assert (values[~mask] == 0).all()
    attended = model.attend(USERS, ITEMS)
    assert torch.allclose(values.sum(dim=1), attended.logits - attended.bias, atol=1e-3)
    for row in range(6):
        single = integrated_gradients(model, int(USERS[row]), int(ITEMS[row]), n_steps=200)
        assert values[row][mask[row]].numpy() == pytest.approx(single, abs=1e-3)


def test_gradient_times_input_is_the_slope_of_the_logit(model, mask):
    """A slightly longer embedding in one slot changes the logit by so much."""
    values, step = gradient_times_input(model, USERS, ITEMS), 1e-6
    embeddings = model.embedding(model.table.ids[ITEMS]).detach()
    for slot in range(mask.shape[1]):
        moved = [embeddings.clone(), embeddings.clone()]
        moved[0][:, slot] *= 1 + step
        moved[1][:, slot] *= 1 - step
        up, down = (model.attend(USERS, ITEMS, embeddings=e).logits for e in moved)
        assert torch.allclose(values[:, slot], (up - down) / (2 * step), atol=1e-6)


def test_mean_pooling_has_one_answer(model, mask):
    """Its logit is linear in the embeddings: contributions from nothing and gradients agree."""
    mean = AttributeAttentionRecommender(model.table, 5, d_k=6, pooling="mean", zero="nothing")
    mean.load_state_dict(model.state_dict())
    answers = all_answers(mean, USERS, ITEMS)
    for name in ("gradient x input", "integrated gradients"):
        assert torch.allclose(answers[name], answers["contribution"], atol=1e-12)


def test_all_answers_are_the_methods_and_contributions_only_where_they_exist(model, mask):
    answers = all_answers(model, USERS, ITEMS)
    attended = model.attend(USERS, ITEMS)
    assert torch.equal(answers["weight"], attended.weights)
    expected = model.contribute(USERS, ITEMS).contributions
    assert torch.equal(answers["contribution"], expected)
    assert torch.equal(answers["leave-one-out"], leave_one_out_all(model, USERS, ITEMS))
    assert torch.equal(answers["gradient x input"], gradient_times_input(model, USERS, ITEMS))
    expected = integrated_gradients_all(model, USERS, ITEMS)
    assert torch.equal(answers["integrated gradients"], expected)
    assert not any(values.requires_grad for values in answers.values())
    assert "contribution" not in all_answers(SkipRecommender(model.table, 5), USERS, ITEMS)


def test_agreement_is_the_share_of_equal_top_reasons():
    mask = torch.tensor([[True, True, False]] * 4)
    values = torch.tensor([[1.0, 2.0, 9.0], [-3.0, 2.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    others = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 9.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    assert agreement(values, others, mask) == 0.75


def test_the_deletion_curve_removes_the_largest_value_first(model, mask):
    values = torch.rand(mask.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    n_slots = mask.shape[1]
    curve = deletion_curve(model, USERS, ITEMS, values, n_steps=n_slots - 1)
    assert curve.shape == (20, n_slots)
    for row in range(20):
        slots = mask[row].nonzero()[:, 0].tolist()
        slots.sort(key=lambda slot: -values[row, slot].item())
        for step in range(n_slots):
            keep = torch.zeros(n_slots, dtype=torch.bool)
            keep[slots[step:]] = True
            users, items = USERS[row : row + 1], ITEMS[row : row + 1]
            expected = model.attend(users, items, mask=keep[None]).logits.item()
            assert curve[row, step].item() == pytest.approx(expected)
        assert curve[row, -1].item() == pytest.approx(model.bias[ITEMS[row]].item())


def test_deletion_does_not_change_the_table(model, mask):
    before = model.table.mask.clone()
    deletion_curve(model, USERS, ITEMS, mask.double(), n_steps=3)
    assert torch.equal(model.table.mask, before)


def test_jensen_shannon_by_hand():
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    assert jensen_shannon(p, p).item() == pytest.approx(0, abs=1e-7)
    assert jensen_shannon(p, q).item() == pytest.approx(math.log(2))
    p, q = torch.tensor([0.75, 0.25]), torch.tensor([0.25, 0.75])
    by_hand = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert jensen_shannon(p, q).item() == pytest.approx(by_hand)
    assert jensen_shannon(q, p).item() == pytest.approx(by_hand)


def test_the_most_different_weights_are_weights_with_the_same_logit(model, mask):
    attended = model.attend(USERS, ITEMS)
    weights = attended.weights.detach()
    value = model.embedding(model.table.ids[ITEMS]).chunk(2, dim=-1)[1]
    tastes = torch.einsum("nsd,nd->ns", value, model.user(USERS)).detach()
    other = most_different_weights(weights, tastes, mask)
    assert (other >= 0).all() and (other[~mask] == 0).all()
    assert torch.allclose(other.sum(dim=1), torch.ones(20, dtype=torch.float64))
    same = attended.bias + (other * tastes).sum(dim=1)
    assert torch.allclose(same, attended.logits)
    assert ((other > 0).sum(dim=1) <= 2).all()


def test_no_other_weights_with_the_same_logit_are_further_away():
    """With three attributes all weights with this logit lie on a line: walk along it."""
    generator = torch.Generator().manual_seed(0)
    mask, ones = torch.ones(1, 3, dtype=torch.bool), torch.ones(3, dtype=torch.float64)
    for _ in range(20):
        tastes = torch.randn(1, 3, generator=generator, dtype=torch.float64)
        weights = torch.randn(1, 3, generator=generator, dtype=torch.float64).softmax(dim=1)
        found = jensen_shannon(weights, most_different_weights(weights, tastes, mask)).item()
        way = torch.linalg.cross(ones, tastes[0])
        ends = -weights[0] / way  # where one of the weights becomes 0
        low, high = ends[ends < 0].max(), ends[ends > 0].min()
        steps = low + (high - low) * torch.linspace(0, 1, 1001, dtype=torch.float64)
        line = (weights + steps[:, None] * way).clamp(min=0)
        assert found == pytest.approx(jensen_shannon(weights, line).max().item(), abs=1e-9)


def test_without_a_choice_the_weights_stay():
    """One attribute; or all the weight on the largest taste: nothing else gives this logit."""
    mask = torch.tensor([[True, False], [True, True]])
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    tastes = torch.tensor([[2.0, 0.0], [1.0, 3.0]], dtype=torch.float64)
    assert torch.equal(most_different_weights(weights, tastes, mask), weights)


def test_more_deletion_steps_only_extend_the_curve(model, mask):
    values = mask.double()
    curves = [deletion_curve(model, USERS, ITEMS, values, n) for n in (1, 2, 4)]
    for short, long in pairwise(curves):
        assert torch.equal(short, long[:, : short.shape[1]])
