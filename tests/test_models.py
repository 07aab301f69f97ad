"""What is true of the recommenders and of their training."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_utils import by_hand, models
from recsys_utils.data import AttributeTable
from recsys_utils.models import (
    EASE,
    AttributeAttentionRecommender,
    MatrixFactorization,
    Popularity,
)
from recsys_utils.splits import RatedPairs, leave_one_out_split, random_rows
from recsys_utils.training import fit, fit_ratings, fold_in

N_ITEMS, N_USERS = 12, 30


@pytest.fixture(scope="module")
def table() -> AttributeTable:
    """Twelve items; colour decides who likes what, shape has empty slots."""
    colours = [["red"] if i < 6 else ["blue"] for i in range(N_ITEMS)]
    shapes = [["round", "flat"][: i % 3] for i in range(N_ITEMS)]
    labels = [f"item {i} (2000)" for i in range(N_ITEMS)]
    return AttributeTable.from_lists(range(N_ITEMS), labels, {"colour": colours, "shape": shapes})


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    """Even users like red, odd users like blue."""
    random = np.random.default_rng(0)
    rows = []
    for user in range(N_USERS):
        for time, item in enumerate(random.permutation(N_ITEMS)):
            red = item < 6
            rows.append((user, item, 5.0 if red == (user % 2 == 0) else 1.0, time))
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])


@pytest.fixture(scope="module")
def split(ratings, table):
    return leave_one_out_split(ratings, table.item_ids)


def make(table, pooling="attention", **options) -> AttributeAttentionRecommender:
    model = AttributeAttentionRecommender(table, N_USERS, d_k=8, pooling=pooling, **options)
    model.reset_parameters(1)
    with torch.no_grad():  # so that weights are far from equal and the bias counts
        model.embedding.weight.mul_(20)
        model.bias.copy_(torch.arange(N_ITEMS))
    return model


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_fast_scores_equal_the_formula(table, pooling):
    model = make(table, pooling)
    users = torch.arange(N_USERS).repeat_interleave(N_ITEMS)
    items = torch.arange(N_ITEMS).repeat(N_USERS)
    slow = model.attend(users, items).logits.view(N_USERS, N_ITEMS)
    assert torch.allclose(model(torch.arange(N_USERS)), slow, atol=1e-10)


def test_fast_scores_do_not_overflow(table):
    """Scores of a thousand: exp would be infinite without the shift by the largest."""
    model = make(table)
    with torch.no_grad():
        red = table.names.index("red")
        model.user.weight[0] = 1000 * torch.sign(model.embedding.weight[red, :8])
    scores = model(torch.tensor([0, 1]))  # together with a user whose scores are small
    slow = model.attend(torch.zeros(6, dtype=int), torch.arange(6)).logits  # the red items
    assert torch.isfinite(slow).all() and torch.allclose(scores[0, :6], slow)
    assert torch.allclose(scores[1], model(torch.tensor([1]))[0])


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_contributions_add_up_and_weights_sum_to_one(table, pooling):
    model = make(table, pooling)
    a = model.attend(torch.arange(N_ITEMS), torch.arange(N_ITEMS))
    assert torch.allclose(a.bias + (a.weights * a.tastes).sum(dim=1), a.logits, atol=1e-12)
    assert torch.allclose(a.weights.sum(dim=1), torch.ones(N_ITEMS, dtype=torch.float64))
    assert (a.weights[~table.mask] == 0).all() and (a.tastes[~table.mask] == 0).all()


def test_mean_pooling_weighs_all_attributes_alike(table):
    weights = make(table, "mean").attend(torch.zeros(1, dtype=int), torch.tensor([2])).weights
    assert weights[0, table.mask[2]].tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_an_attribute_that_stands_alone_gets_all_the_weight(table, pooling):
    """A mask in place of the item's own leaves attributes out."""
    model = make(table, pooling)
    users, item = torch.tensor([3]), torch.tensor([8])
    only = torch.arange(len(table.slots)) == table.mask[8].nonzero()[1]
    a = model.attend(users, item, mask=only[None])
    assert a.weights[0].tolist() == only.tolist()
    value = model.embedding.weight[table.ids[8, only][0], model.d_k :]
    assert a.logits.item() == pytest.approx((8 + value @ model.user.weight[3]).item())


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_an_item_whose_attributes_are_all_left_out_keeps_its_bias(table, pooling):
    nothing = torch.zeros(1, len(table.slots), dtype=torch.bool)
    a = make(table, pooling).attend(torch.tensor([3]), torch.tensor([8]), mask=nothing)
    assert (a.weights == 0).all() and a.logits.item() == 8


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_embeddings_of_nothing_leave_the_bias(table, pooling):
    """Embeddings in place of the item's own are what the logit is made of."""
    nothing = torch.zeros(1, len(table.slots), 16, dtype=torch.float64)
    a = make(table, pooling).attend(torch.tensor([3]), torch.tensor([8]), embeddings=nothing)
    assert a.logits.item() == a.bias.item() == 8


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_every_attribute_of_an_item_is_learned_and_no_other(table, pooling):
    model = make(table, pooling)
    model.attend(torch.tensor([3]), torch.tensor([8])).logits.sum().backward()
    learned = model.embedding.weight.grad.abs().sum(dim=1) > 0
    assert learned.nonzero().flatten().tolist() == sorted(table.ids[8, table.mask[8]].tolist())


def test_scoring_all_items_never_builds_a_table_with_d_k(table):
    """The largest tensor in the forward pass is smaller than (batch, items, slots, d_k)."""
    model = make(table)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    with Watch():
        model(torch.arange(N_USERS))
    assert largest < N_USERS * N_ITEMS * len(table.slots) * model.d_k / 4


def test_the_example_by_hand_comes_out():
    fields = {field: [[name]] for field, name in zip(by_hand.FIELDS, by_hand.NAMES)}
    one_film = AttributeTable.from_lists([6], [by_hand.LABEL], fields)
    model = AttributeAttentionRecommender(one_film, 1, by_hand.D_K, zero="nothing")
    with torch.no_grad():
        model.user.weight[0] = by_hand.USER
        model.embedding.weight[1:] = torch.cat([by_hand.KEY, by_hand.VALUE], dim=1)
        model.bias[0] = by_hand.BIAS
    explanation = model.explain(0, 0)
    assert explanation.weights == pytest.approx([0.0351, 0.7054, 0.2595], abs=5e-5)
    assert explanation.contributions == pytest.approx([0.1405, 1.4108, -0.2595], abs=5e-5)
    assert explanation.score == pytest.approx(1.7917, abs=5e-5)
    assert model(torch.tensor([0])).item() == pytest.approx(explanation.score)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_models_in_low_precision_explain_as_far_as_they_can_count(table, dtype):
    model = make(table, dtype=torch.float64).to(dtype)
    explanation = model.explain(user=3, item=8)
    assert explanation.weights.dtype == np.float64
    exact = make(table).explain(user=3, item=8)
    tolerance = 40 * torch.finfo(dtype).eps
    assert explanation.contributions == pytest.approx(exact.contributions, abs=tolerance)


def test_explain_names_what_the_item_has(table):
    explanation = make(table).explain(user=3, item=8)
    assert explanation.label == "item 8 (2000)"
    assert list(zip(explanation.fields, explanation.names)) == [
        ("colour", "blue"), ("shape", "round"), ("shape", "flat"),
    ]  # fmt: skip
    assert type(explanation.weights) is type(explanation.contributions) is np.ndarray


def test_other_zeros_and_shares_are_refused(table):
    with pytest.raises(ValueError, match='"average film" or "nothing", got \'mean\''):
        AttributeAttentionRecommender(table, 1, zero="mean")
    with pytest.raises(ValueError, match=r"0 to 1, got 1\.5"):
        AttributeAttentionRecommender(table, 1, film_dropout=1.5)


@pytest.fixture
def with_film(table):
    """The same items, each with a film attribute of its own."""
    fields = {"film": [[label] for label in table.labels]}
    fields["colour"] = [["red" if item < 6 else "blue"] for item in range(N_ITEMS)]
    return AttributeTable.from_lists(table.item_ids, table.labels, fields)


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_film_dropout_hides_the_film_from_whole_training_batches(with_film, pooling):
    model = make(with_film, pooling, film_dropout=0.5)
    everybody = torch.arange(N_USERS)
    whole = model(everybody).detach()
    only_colours = with_film.mask.clone()
    only_colours[:, 0] = False
    users = everybody.repeat_interleave(N_ITEMS)
    items = torch.arange(N_ITEMS).repeat(N_USERS)
    hidden = model.attend(users, items, mask=only_colours[items]).logits.view(N_USERS, N_ITEMS)
    model.train()
    kinds = []
    for _ in range(200):
        scores = model(everybody)
        if torch.allclose(scores, whole):
            kinds.append("whole")
        else:
            assert torch.allclose(scores, hidden)
            kinds.append("hidden")
    assert 70 < kinds.count("hidden") < 130
    model.eval()
    assert torch.equal(model(everybody), whole)


def test_which_batches_see_no_film_depends_on_the_seed_alone(with_film):
    def history(seed):
        model = make(with_film, film_dropout=0.5).train()
        model.reset_parameters(seed)
        return [model(torch.tensor([0])).sum().item() for _ in range(20)]

    assert history(1) == history(1) != history(2)


@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_a_film_that_is_only_itself_keeps_its_bias_without_the_film(with_film, pooling):
    model = make(with_film, pooling)
    nothing = torch.zeros(with_film.n_attributes, dtype=torch.bool)
    assert (model.read(model.user.weight, nothing) == 0).all()


def test_a_new_model_is_ready_to_score(with_film):
    model = AttributeAttentionRecommender(with_film, N_USERS, film_dropout=0.9)
    assert torch.equal(model(torch.tensor([1])), model(torch.tensor([1])))


def test_many_pairs_are_explained_as_each_alone(table):
    model = make(table)
    users = torch.arange(N_USERS).repeat_interleave(N_ITEMS)
    items = torch.arange(N_ITEMS).repeat(N_USERS)
    together = model.contribute(users, items)
    one_by_one = [model.contribute(u[None], i[None]) for u, i in zip(users, items)]
    for name in together._fields:
        apart = torch.cat([getattr(parts, name) for parts in one_by_one])
        assert torch.allclose(getattr(together, name), apart, rtol=0, atol=1e-12)


def test_pairs_are_taken_in_portions_and_come_back_in_order(table, monkeypatch):
    model = make(table)
    users, items = torch.tensor([3, 0, 3, 1, 2]), torch.tensor([8, 1, 2, 0, 4])
    mask = model.mask[items].clone()
    mask[:, 0] = False
    whole = model.contribute(users, items, mask)
    monkeypatch.setattr(models, "PAIRS_AT_A_TIME", 2)
    for together, apart in zip(whole, model.contribute(users, items, mask)):
        assert torch.allclose(together, apart, rtol=0, atol=1e-12)
    none = torch.arange(0)
    assert model.contribute(none, none).contributions.shape == (0, mask.shape[1])


def test_without_attributes_the_base_is_the_films_own_bias(table):
    model = make(table)
    parts = model.contribute(torch.tensor([3]), torch.tensor([8]), torch.zeros(1, 3) > 0)
    assert parts.base == parts.logits == model.bias[8] and (parts.contributions == 0).all()


def test_another_pooling_is_refused(table):
    with pytest.raises(ValueError, match='"attention" or "mean", got \'max\''):
        AttributeAttentionRecommender(table, 1, pooling="max")


@pytest.fixture(params=["attention", "mean", "black box"])
def build(request, table):
    """A function that makes a new model, untrained."""

    def new(**options):
        if request.param == "black box":
            return MatrixFactorization(N_USERS, N_ITEMS, **options)
        return AttributeAttentionRecommender(table, N_USERS, pooling=request.param, **options)

    return new


class TestStart:
    """Before training: small random vectors and no opinion about any item."""

    def test_a_new_model_is_that_of_seed_0_whatever_was_drawn_before(self, build):
        torch.manual_seed(1)
        one = build().state_dict()
        torch.manual_seed(2)
        two = build()
        two.reset_parameters(0)
        assert all(torch.equal(value, one[name]) for name, value in two.state_dict().items())

    def test_the_start_is_small_and_random_and_takes_all_training_back(self, build):
        model = build()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(7.0)
        model.reset_parameters(3)
        assert (model.bias == 0).all()
        vectors = [value.flatten() for name, value in model.named_parameters() if name != "bias"]
        assert all(abs(v.mean()) < 0.01 and 0.09 < v.std() < 0.11 for v in vectors)

    def test_the_same_seed_is_the_same_start_and_another_is_not(self, build):
        model = build()
        start = model.user.weight.clone()
        model.reset_parameters(1)
        assert not torch.equal(model.user.weight, start)
        model.reset_parameters(0)
        assert torch.equal(model.user.weight, start)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_all_parameters_and_the_scores_have_the_dtype_asked_for(self, build, dtype):
        model = build(dtype=dtype)
        assert {value.dtype for value in model.parameters()} == {dtype}
        assert model(torch.tensor([0])).dtype == dtype

    def test_the_state_to_keep_is_what_was_learned_and_not_the_table(self, build):
        model = build()
        assert list(model.state_dict()) == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pooling", ["attention", "mean"])
def test_a_copy_with_one_more_user_scores_as_before_and_the_new_one_counts(table, pooling, dtype):
    model = make(table, pooling, dtype=dtype)
    longer = model.with_user(model.user.weight[4], torch.tensor([2]))
    assert longer.user.num_embeddings == N_USERS + 1 == model.user.num_embeddings + 1
    assert {value.dtype for value in longer.parameters()} == {dtype}
    everybody = torch.arange(N_USERS)
    assert torch.equal(longer(everybody), model(everybody))
    assert torch.equal(longer(torch.tensor([N_USERS])), model(torch.tensor([4])))


class TestTraining:
    """Training finds what is there, stops in time and can be repeated."""

    def test_it_learns_who_likes_what(self, table, split):
        model = AttributeAttentionRecommender(table, split.n_users, d_k=8)
        history = fit(model, split, weight_decay=0.1, progress=False)
        assert history["loss"].iloc[-1] < history["loss"].iloc[0]
        scores = model(torch.arange(split.n_users))
        red_first = scores[:, :6].mean(dim=1) > scores[:, 6:].mean(dim=1)
        assert red_first.tolist() == [user % 2 == 0 for user in range(split.n_users)]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_twice_is_the_same(self, table, split, dtype):
        model = AttributeAttentionRecommender(table, split.n_users, d_k=8, dtype=dtype)
        first = fit(model, split, seed=3, epochs=4, progress=False)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        again = fit(model, split, seed=3, epochs=4, progress=False)
        pd.testing.assert_frame_equal(first, again)
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert model.bias.dtype == dtype

    def test_a_model_for_other_users_is_refused(self, table, split):
        model = AttributeAttentionRecommender(table, split.n_users - 1, d_k=8)
        words = f"the split has {split.n_users} users, the model {split.n_users - 1}"
        with pytest.raises(ValueError, match=words):
            fit(model, split, progress=False)

    def test_the_best_epoch_is_kept_and_training_stops_after_it(self, table, split):
        model = AttributeAttentionRecommender(table, split.n_users, d_k=8)
        kept = []
        values = iter([0.1, 0.3, 0.2, 0.2, 0.2, 0.9])

        def fake_ndcg(ranks):
            kept.append(model.bias.detach().clone())
            return torch.tensor([next(values)])

        with patch("recsys_utils.training.ndcg", fake_ndcg):
            history = fit(model, split, patience=3, progress=False)
        assert history["validation"].tolist() == pytest.approx([0.1, 0.3, 0.2, 0.2, 0.2])
        assert torch.equal(model.bias, kept[1])

    def test_the_validation_and_test_likes_are_not_trained_on(self, split):
        likes = split.likes()
        rows = torch.arange(split.n_users)
        assert likes.sum() == len(split.users)
        assert (likes[rows, split.validation] == 0).all() and (likes[rows, split.test] == 0).all()

    def test_ratings_are_learned_as_likes_and_dislikes(self, table, ratings):
        pairs = RatedPairs.from_ratings(ratings, table.item_ids)
        train, validation, test = (pairs.take(rows) for rows in random_rows(len(pairs.users)))
        model = AttributeAttentionRecommender(table, N_USERS, d_k=8)
        history = fit_ratings(model, train, validation, weight_decay=0.1, progress=False)
        assert history["validation"].max() > -0.3  # the loss of guessing is 0.69
        logits = model.attend(test.users, test.items).logits
        assert ((logits > 0) == test.liked).double().mean() > 0.9

    def test_a_new_user_is_folded_in_and_nobody_else_changes(self, table, split):
        model = AttributeAttentionRecommender(table, split.n_users, d_k=8)
        fit(model, split, weight_decay=0.1, progress=False)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        liked = torch.tensor([7, 9])
        longer = fold_in(model, liked)
        assert model.liked[0].tolist() == split.histories()[0].tolist()
        assert longer.liked[-1].tolist() == [7, 9] and len(model.liked) == split.n_users
        newcomer = longer.explain(split.n_users, 8)  # blue, as 7 and 9 are
        assert newcomer.support[newcomer.names.index("blue")] == ["item 9 (2000)", "item 7 (2000)"]
        same = model.explain(0, 8)
        assert longer.explain(0, 8).everybody == pytest.approx(same.everybody)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        everybody = torch.arange(split.n_users)
        assert torch.allclose(longer(everybody), model(everybody))
        scores = longer(torch.tensor([split.n_users]))[0]
        assert scores[6:].min() > scores[:6].max()  # two blue items are enough to see blue
        strict = fold_in(model, liked, l2=10.0).user.weight[-1]
        assert strict.norm() < longer.user.weight[-1].norm() / 2  # l2 keeps the vector short
        with pytest.raises(ValueError, match="at least one liked item"):
            fold_in(model, torch.tensor([], dtype=torch.long))


class TestBaselines:
    """The baselines do what their formula says."""

    def test_popularity_counts_training_likes(self, split):
        scores = Popularity(split)(torch.tensor([0, 1]))
        counts = np.bincount(split.items.numpy(), minlength=N_ITEMS)
        assert scores[0].tolist() == counts.tolist() == scores[1].tolist()

    def test_ease_solves_its_problem(self, split):
        """Column by column it is ridge regression on the other items."""
        model = EASE(split, l2=3.0)
        X = split.likes()
        assert (model.item_weights.diagonal() == 0).all()
        for item in (0, 7):
            others = [i for i in range(N_ITEMS) if i != item]
            A = X[:, others]
            ridge = torch.linalg.solve(A.T @ A + 3.0 * torch.eye(len(others)), A.T @ X[:, item])
            assert torch.allclose(model.item_weights[others, item], ridge, atol=1e-4)

    def test_ease_scores_an_item_by_the_items_a_user_liked(self, split):
        model = EASE(split, l2=3.0)
        users = torch.tensor([5, 2])
        for scores, user in zip(model(users), users):
            liked = split.items[split.users == user]
            assert torch.allclose(scores, model.item_weights[liked].sum(dim=0), atol=1e-6)

    def test_matrix_factorization_is_a_dot_product(self):
        model = MatrixFactorization(n_users=4, n_items=5, d=3)
        scores = model(torch.tensor([2]))
        expected = model.bias + model.item.weight @ model.user.weight[2]
        assert torch.allclose(scores[0], expected)
