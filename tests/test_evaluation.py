"""The metrics, held against an established library (scikit-learn), and the intervals."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import (
    label_ranking_average_precision_score,
    ndcg_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from recsys_utils.evaluation import (
    auc,
    auc_by_user,
    bootstrap_interval,
    evaluate,
    hit_rate,
    ndcg,
    reciprocal_rank,
    score_unseen,
    target_ranks,
    top_k,
)
from recsys_utils.splits import leave_one_out_split

budget = settings(max_examples=40, derandomize=True, deadline=None)


@budget
@given(st.integers(0, 10**6), st.integers(3, 30), st.integers(1, 12))
def test_metrics_agree_with_scikit_learn(seed, n_items, k):
    random = torch.Generator().manual_seed(seed)
    scores = torch.rand(25, n_items, generator=random, dtype=torch.float64)
    targets = torch.randint(n_items, (25,), generator=random)
    ranks = target_ranks(scores, targets)
    truth = torch.nn.functional.one_hot(targets, n_items).numpy()
    assert ndcg(ranks, k).mean().item() == pytest.approx(ndcg_score(truth, scores.numpy(), k=k))
    labels = np.arange(n_items)
    if k < n_items:
        hits = top_k_accuracy_score(targets, scores.numpy(), k=k, labels=labels)
        assert hit_rate(ranks, k).mean().item() == pytest.approx(hits)
    full = label_ranking_average_precision_score(truth, scores.numpy())
    assert reciprocal_rank(ranks, n_items).mean().item() == pytest.approx(full)


def test_values_by_hand():
    ranks = torch.tensor([1, 2, 10, 11])
    assert hit_rate(ranks).tolist() == [1, 1, 1, 0]
    assert ndcg(ranks).tolist() == pytest.approx([1, 0.63093, 0.28906, 0], abs=1e-5)
    assert reciprocal_rank(ranks).tolist() == pytest.approx([1, 0.5, 0.1, 0])


def test_ties_count_against_the_target():
    assert target_ranks(torch.zeros(1, 7), torch.tensor([3])).item() == 7


def test_nan_and_excluded_targets_are_refused():
    with pytest.raises(ValueError, match="1 scores are NaN"):
        target_ranks(torch.tensor([[0.0, torch.nan]]), torch.tensor([0]))
    scores = torch.tensor([[0.0, 1.0], [0.0, -torch.inf], [-torch.inf, 0.0]])
    with pytest.raises(ValueError, match=r"user 1: the held-out item 1 is excluded"):
        target_ranks(scores, torch.tensor([1, 1, 0]))  # users 1 and 2; the first is named


def test_a_list_holds_the_k_best_best_first_or_the_whole_small_catalogue():
    scores = torch.tensor([[0.1, 0.4, 0.3, 0.2], [9.0, 7.0, 8.0, 6.0]])
    assert top_k(scores, 3).tolist() == [[1, 2, 3], [0, 2, 1]]
    assert top_k(scores, 5).tolist() == [[1, 2, 3, 0], [0, 2, 1, 3]]
    assert top_k(torch.rand(2, 30)).shape == (2, 10)  # ten, as in the metrics


def test_no_list_holds_an_excluded_item_and_all_lists_are_as_long_as_the_shortest():
    out = -torch.inf
    scores = torch.tensor([[out, 3.0, out, 1.0, out], [5.0, 4.0, 3.0, 2.0, out]])
    assert top_k(scores, 2).tolist() == [[1, 3], [0, 1]]
    assert top_k(scores, 4).tolist() == [[1, 3], [0, 1]]
    assert top_k(scores[1:], 4).tolist() == [[0, 1, 2, 3]]
    assert top_k(scores[:0], 4).shape == (0, 4)
    with pytest.raises(ValueError, match="1 scores are NaN"):  # they would come first
        top_k(torch.tensor([[1.0, torch.nan, 3.0]]), 2)
    with pytest.raises(ValueError, match=r"user 1: all 3 items are excluded \(-inf\)"):
        top_k(torch.tensor([[1.0, 2.0, 3.0], [out, out, out]]))


@pytest.mark.parametrize("k", [0, -1])
def test_a_list_has_at_least_one_place(k):
    for measure in (hit_rate, ndcg, reciprocal_rank):
        with pytest.raises(ValueError, match=f"k must be at least 1, got {k}"):
            measure(torch.tensor([1, 2]), k)
    with pytest.raises(ValueError, match=f"k must be at least 1, got {k}"):
        top_k(torch.rand(2, 3), k)


def test_ranks_that_count_from_0_are_refused():
    """1 / rank would be infinite, and every hit rate too high."""
    for measure in (hit_rate, ndcg, reciprocal_rank):
        with pytest.raises(ValueError, match="ranks count from 1, got 0"):
            measure(torch.tensor([3, 0]))


@pytest.fixture(scope="module")
def split():
    """Three users, eight items, likes and dislikes in time."""
    rows = [
        (user, (user + 3 * t) % 8, 5.0 if t % 6 else 1.0, t) for user in range(3) for t in range(6)
    ]
    ratings = pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])
    return leave_one_out_split(ratings, np.arange(8))


def test_seen_items_are_never_recommended_whatever_the_model_says(split):
    scores = score_unseen(lambda users: 100.0 * split.seen("test")[users], split)
    seen = split.seen("test")
    assert torch.isneginf(scores[seen]).all() and torch.isfinite(scores[~seen]).all()
    assert not seen.gather(1, top_k(scores, 1)).any()


@pytest.mark.parametrize("stage", ["validation", "test"])
def test_a_model_that_knows_the_answer_is_perfect_and_one_that_knows_nothing_is_last(split, stage):
    def oracle(users):
        return torch.nn.functional.one_hot(split.target(stage)[users], 8).double()

    found = evaluate(oracle, split, stage)
    assert found[["HR@10", "NDCG@10", "MRR@10"]].tolist() == [1, 1, 1]
    assert found.dtype == "float64"
    nothing = evaluate(lambda users: torch.zeros(len(users), 8), split, stage, k=1)
    assert nothing[["HR@1", "NDCG@1", "MRR@1"]].tolist() == [0, 0, 0]


def test_coverage_is_the_share_of_the_catalogue_in_somebodys_list(split):
    """Lists hold unseen items only, also where fewer than k are left."""

    def model(users):
        return torch.arange(8.0).expand(len(users), -1)

    unseen = ~split.seen("test")
    best = {int(row.nonzero().max()) for row in unseen}
    assert evaluate(model, split, k=1)["coverage@1"] == len(best) / 8
    assert evaluate(model, split, k=10)["coverage@10"] == int(unseen.any(dim=0).sum()) / 8


class TestIntervals:
    """The bootstrap interval is that of the mean."""

    def test_it_agrees_with_the_normal_approximation(self):
        values = np.random.default_rng(1).normal(3, 2, size=200)
        error = values.std() / np.sqrt(200)
        for level, half in [(0.95, 1.960), (0.8, 1.282)]:  # in standard errors
            low, high = bootstrap_interval(values, level, n_samples=20_000)
            assert (low - values.mean()) / error == pytest.approx(-half, abs=0.05)
            assert (high - values.mean()) / error == pytest.approx(half, abs=0.05)

    def test_it_is_wider_for_a_higher_level_and_the_same_for_the_same_seed(self):
        values = torch.arange(50.0)
        wide, narrow = bootstrap_interval(values, 0.99), bootstrap_interval(values, 0.8)
        assert wide[0] < narrow[0] < narrow[1] < wide[1]
        assert bootstrap_interval(values) == bootstrap_interval(values, level=0.95, seed=0)
        assert bootstrap_interval(values, seed=1) != bootstrap_interval(values)

    def test_it_agrees_with_scipys(self):
        """Percentiles; of 300 values the expansion is less than a hundredth of the width."""
        values = np.random.default_rng(2).exponential(2, size=300)
        theirs = stats.bootstrap(
            (values,), np.mean, n_resamples=20_000, method="percentile", rng=0
        ).confidence_interval
        ours = bootstrap_interval(values, n_samples=20_000)
        assert ours == pytest.approx(tuple(theirs), abs=0.02 * (theirs.high - theirs.low))

    def test_an_axis_that_does_not_matter_does_not_widen_it(self):
        """The same numbers for every seed: only users are uncertain, and the other way round."""
        values = np.random.default_rng(3).normal(size=40)
        alone = bootstrap_interval(values, n_samples=20_000)
        for table in (np.tile(values, (6, 1)), np.tile(values, (6, 1)).T):
            both = bootstrap_interval(table, n_samples=20_000)
            assert both == pytest.approx(alone, abs=0.03 * (alone[1] - alone[0]))

    @pytest.mark.parametrize("shape", [(5,), (5, 3), (5, 100), (40,)])
    def test_it_holds_the_true_mean_about_as_often_as_it_says(self, shape):
        """Also of five values, where plain percentiles hold it in 83 of 100 cases."""
        random, held, trials = np.random.default_rng(4), 0, 300
        for _ in range(trials):
            values = random.normal(size=shape)
            if len(shape) == 2:
                values = values + random.normal(size=(shape[0], 1))
                values = values + random.normal(size=(1, shape[1]))
            low, high = bootstrap_interval(values, n_samples=1000)
            held += low <= 0 <= high
        assert 0.89 <= held / trials <= 1.0, held / trials

    def test_a_single_value_is_its_own_interval(self):
        assert bootstrap_interval(np.array([[0.3]])) == (0.3, 0.3)

    @pytest.mark.parametrize("level", [95, 0, 1, -0.1])
    def test_a_level_that_is_no_share_is_refused(self, level):
        with pytest.raises(ValueError, match=f"between 0 and 1, for example 0.95, got {level}"):
            bootstrap_interval(torch.arange(5.0), level)

    @pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
    def test_no_values_and_values_that_are_no_numbers_are_refused(self, values):
        with pytest.raises(ValueError, match=f"{len(values)} values, {len(values) // 2} of them"):
            bootstrap_interval(np.array(values))


class TestAUC:
    """How often a liked item stands above another."""

    def test_it_agrees_with_scikit_learn_ties_included(self):
        generator = torch.Generator().manual_seed(0)
        scores = torch.randint(10, (200,), generator=generator).double()
        liked = torch.rand(200, generator=generator) < 0.3
        assert auc(scores, liked) == pytest.approx(roc_auc_score(liked, scores))

    def test_perfect_wrong_and_nothing_known(self):
        liked = torch.tensor([True, False, True, False])
        assert auc(torch.tensor([3.0, 1.0, 4.0, 2.0]), liked) == 1
        assert auc(torch.tensor([1.0, 3.0, 2.0, 4.0]), liked) == 0
        assert auc(torch.zeros(4), liked) == 0.5

    def test_one_kind_alone_has_no_order(self):
        for liked in (torch.ones(3) > 0, torch.ones(3) < 0):
            with pytest.raises(ValueError, match=f"got {int(liked.sum())} of 3"):
                auc(torch.arange(3.0), liked)

    def test_each_user_is_judged_alone_and_those_of_one_kind_are_left_out(self):
        users = torch.tensor([0, 0, 1, 1, 2])
        liked = torch.tensor([True, False, True, False, True])
        scores = torch.tensor([9.0, 8.0, 1.0, 2.0, 0.0])
        assert auc_by_user(scores, liked, users).tolist() == [1.0, 0.0]
