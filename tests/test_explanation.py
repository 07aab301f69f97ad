"""An explanation is exact, says what its numbers say, and agrees with other ways of asking."""

import copy
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
        "base": 0.5,
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
            total = explained.base + explained.contributions.sum()
            assert total == pytest.approx(scores[user, item].item(), abs=1e-9)


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


def test_the_sentence_names_the_strongest_reason_for_you_and_its_support():
    """What everybody gets for the film is no reason for you; support is your own likes."""
    parts = {
        "fields": ["director", "actor", "film", "genre"],
        "names": ["A", "B", "Heat (1995)", "Crime"],
        "everybody": np.array([0.9, 0.0, 0.0, 0.0]),
    }
    support = [["Ali (2001)", "Thief (1981)", "Collateral (2004)"], ["Ali (2001)"], [], []]
    explained = explanation([1.0, 0.9, 0.0, 0.0], support=support, **parts)
    assert explained.yours == pytest.approx([0.1, 0.9, 0.0, 0.0])
    assert explained.sentence() == (
        "Heat (1995): mainly because of its actor B (you liked Ali (2001))."
    )
    explained = explanation([1.9, 0.8, 0.0, 0.0], support=support, **parts)
    assert explained.sentence() == (
        "Heat (1995): mainly because of its director A (you liked Ali (2001), Thief (1981) and 1"
        " more) and its actor B (you liked Ali (2001))."
    )
    explained = explanation([0.9, 0.0, 0.6, 0.9], support=support, **parts)
    assert explained.sentence() == (
        "Heat (1995): mainly because of its genre Crime (though no film you liked has this genre)"
        " and the film itself (which names no reason)."
    )


def test_two_films_in_the_support_are_joined_by_and():
    explained = explanation([1.0], support=[["Ali (2001)", "Thief (1981)"]])
    assert explained.supported(0) == " (you liked Ali (2001) and Thief (1981))"


def test_without_likes_written_down_nothing_is_said_about_support():
    assert explanation([1.0]).supported(0) == ""


def test_a_watched_film_is_its_own_support():
    explained = explanation([1.0], ["Ali (2001)"], ["watched"], support=[[]])
    assert explained.sentence() == "Heat (1995): mainly because of Ali (2001), which you liked."


def test_the_frame_shows_for_everybody_for_you_and_how_many_likes():
    explained = explanation(
        [0.2, 0.7], everybody=np.array([0.1, 0.2]), support=[["Ali (2001)"], []]
    )
    frame = explained.to_frame()
    assert frame["for everybody"].tolist() == [0.2, 0.1]
    assert frame["for you"].tolist() == pytest.approx([0.5, 0.1])
    assert frame["your likes"].tolist() == [0, 1]


def test_base_everybodys_part_and_your_part_add_up_to_the_score(model):
    for user in range(5):
        for item in (0, 4, 9):
            explained = model.explain(user, item)
            parts = explained.base + explained.everybody.sum() + explained.yours.sum()
            assert parts == pytest.approx(explained.score, rel=0, abs=1e-9)


def test_the_average_user_has_no_part_of_their_own(model):
    average = model.with_user(model.user.weight.mean(dim=0), torch.tensor([], dtype=torch.long))
    assert average.explain(5, 4).yours == pytest.approx(np.zeros(len(average.explain(5, 4).names)))


def test_a_contribution_is_measured_from_the_average_film(model):
    """Over the catalogue the sums of contributions have the mean 0."""
    for user in range(5):
        sums = [model.explain(user, item).contributions.sum() for item in range(40)]
        assert np.mean(sums) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("pooling", ["attention", "mean"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.floats(0.01, 10))
def test_a_constant_in_all_values_or_keys_changes_no_explanation(pooling, seed, size):
    """It changes all scores of a user by one number: no ranking moves, so no reason may."""
    table = AttributeTable.from_movies(load_movies().head(40))
    plain = AttributeAttentionRecommender(table, 5, d_k=6, pooling=pooling)
    plain.reset_parameters(seed)
    with torch.no_grad():
        plain.embedding.weight.mul_(15)
        plain.user.weight.mul_(15)
    shifted = copy.deepcopy(plain)
    generator = torch.Generator().manual_seed(seed)
    constant = size * torch.randn(12, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        shifted.embedding.weight += constant
    everybody = torch.arange(5)
    moved = shifted(everybody) - plain(everybody)
    assert moved.std(dim=1).max() < 1e-9  # one number for each user
    assert moved.abs().max() > 1e-6  # and not none
    for user in range(5):
        for item in (0, 4, 9):
            before, after = plain.explain(user, item), shifted.explain(user, item)
            tolerance = 1e-9 * max(1.0, size) * 100
            for part in ("weights", "contributions", "everybody", "yours"):
                wanted = pytest.approx(getattr(before, part), rel=0, abs=tolerance)
                assert getattr(after, part) == wanted
            assert after.sentence() == before.sentence()


def test_without_a_zero_the_same_shift_would_change_the_main_reason(model):
    """The test above bites: contributions measured from nothing do move."""
    bare = AttributeAttentionRecommender(model.table, 5, d_k=6, zero="nothing")
    bare.load_state_dict(model.state_dict())
    before = bare.explain(1, 4).contributions
    with torch.no_grad():
        bare.embedding.weight[:, 6:] += 3 * bare.user.weight[1]
    assert abs(bare.explain(1, 4).contributions - before).max() > 1


def test_support_is_the_users_own_likes_that_share_an_attribute_the_latest_first():
    movies = load_movies()
    table = AttributeTable.from_movies(movies)
    model = AttributeAttentionRecommender(table, 1, d_k=4)
    assert model.explain(0, 0).support is None
    titles = ["Goodfellas", "Taxi Driver", "Casino", "Aladdin"]
    model.liked = [torch.tensor([table.position(title) for title in titles])]
    explained = model.explain(0, table.position("Taxi Driver"))
    support = dict(zip(explained.names, explained.support))
    assert support["Martin Scorsese"] == ["Casino (1995)", "Goodfellas (1990)"]
    assert support["Jodie Foster"] == [] and support["Taxi Driver (1976)"] == []


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
    assert leave_one_out(lonely, 0, 0) == pytest.approx(explained.score - lonely.bias[0].item())


def test_integrated_gradients_add_up_to_the_score_without_the_bias(model):
    for item in (0, 4, 9):
        explained = model.explain(1, item)
        gradients = integrated_gradients(model, 1, item, n_steps=200)
        assert type(gradients) is np.ndarray and len(gradients) == len(explained.names)
        whole = explained.score - model.bias[item].item()
        assert gradients.sum() == pytest.approx(whole, abs=1e-2)
        few_steps = integrated_gradients(model, 1, item, n_steps=2).sum()
        assert abs(gradients.sum() - whole) < abs(few_steps - whole) / 2


def test_integrated_gradients_of_mean_pooling_are_its_contributions(model):
    """Without attention the logit is linear in the embeddings: both answers are the same."""
    mean = AttributeAttentionRecommender(model.table, 5, d_k=6, pooling="mean", zero="nothing")
    mean.load_state_dict(model.state_dict())
    expected = mean.explain(1, 4).contributions
    assert integrated_gradients(mean, 1, 4) == pytest.approx(expected, abs=1e-7)


def test_the_top_reason_is_the_largest_of_either_sign_and_never_an_empty_slot():
    values = torch.tensor([[0.1, -0.9, 0.5], [0.0, 0.0, 9.0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert top_reason(values, mask).tolist() == [1, 0]
