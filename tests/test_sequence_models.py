"""What is true of the recommenders that read a history."""

import numpy as np
import pytest
import torch

from recsys_utils.attention import scaled_dot_product_attention
from recsys_utils.data import AttributeTable
from recsys_utils.evaluation import evaluate
from recsys_utils.explanation import Explanation
from recsys_utils.sequence_models import (
    DecayedMarkov,
    HistoryAttentionRecommender,
    SelfAttentiveRecommender,
    shuffled,
    with_validation,
)
from recsys_utils.splits import LeaveOneOutSplit
from recsys_utils.training import fit, train

N_ITEMS = 12


def make_split(rows: list[list[int]], n_items: int = N_ITEMS) -> LeaveOneOutSplit:
    """A split with these likes in time; the last two of each user are held out."""
    train_rows = [row[:-2] for row in rows]
    counts = torch.tensor([len(row) for row in train_rows])
    return LeaveOneOutSplit(
        user_ids=np.arange(len(rows)),
        n_items=n_items,
        users=torch.arange(len(rows)).repeat_interleave(counts),
        items=torch.tensor([item for row in train_rows for item in row]),
        validation=torch.tensor([row[-2] for row in rows]),
        test=torch.tensor([row[-1] for row in rows]),
        rated=[np.array(row) for row in rows],
    )


@pytest.fixture(scope="module")
def split() -> LeaveOneOutSplit:
    """Everybody goes round in a circle: item i + 1 follows item i. User 0 has one training like."""
    lengths = [3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 11, 11, 11]
    return make_split([[(u + t) % N_ITEMS for t in range(n)] for u, n in enumerate(lengths)])


@pytest.fixture(scope="module")
def table() -> AttributeTable:
    labels = [f"item {i} (2000)" for i in range(N_ITEMS)]
    return AttributeTable.from_lists(range(N_ITEMS), labels, {"film": [[n] for n in labels]})


def fit_next(model, split, seed=0, epochs=20):
    return train(
        model, lambda generator: model.batches(generator, 4), model.loss,
        lambda: evaluate(model, split, "validation", k=1)["NDCG@1"], seed=seed, epochs=epochs,
        learning_rate=0.01, weight_decay=0.01, patience=epochs, progress=False,
    )  # fmt: skip


class TestHistories:
    """The likes in time, and what may be known when."""

    def test_each_user_has_the_own_likes_in_time(self, split):
        assert [h.tolist() for h in split.histories()[:3]] == [[0], [1, 2], [2, 3, 4]]

    def test_the_validation_like_comes_last_and_nothing_else_changes(self, split):
        later = with_validation(split).histories()
        assert [h.tolist() for h in later[:2]] == [[0, 1], [1, 2, 3]]
        assert torch.equal(with_validation(split).test, split.test)
        assert [len(h) + 1 for h in split.histories()] == [len(h) for h in later]

    def test_shuffling_keeps_each_users_likes_and_loses_their_order(self, split):
        before, after = split.histories(), shuffled(split).histories()
        assert all(a.sort().values.equal(b.sort().values) for a, b in zip(before, after))
        assert sum(not a.equal(b) for a, b in zip(before, after)) > 8
        assert torch.equal(shuffled(split).test, split.test)
        assert torch.equal(shuffled(split).items, shuffled(split).items)


class TestDecayedMarkov:
    """The counts, on paper."""

    @pytest.fixture
    def small(self):
        """Training likes 0 1 2 of user 0 and 4 1 2 3 of user 1."""
        return make_split([[0, 1, 2, 3, 5], [4, 1, 2, 3, 0, 5]], n_items=6)

    def test_by_hand(self, small):
        """Counts, window 2, decay 1/2: 0 1: 1; 0 2: 1/2; 1 2: 1 + 1; 4 1: 1; 4 2: 1/2; 1 3: 1/2;
        2 3: 1. Likes: 1 2 2 1 1 0. User 0 reads 2, then 1 at half; user 1 reads 3, then 2."""
        scores = DecayedMarkov(small, window=2, decay=0.5, power=1.0)(torch.tensor([0, 1]))
        first = [0, 0, 0.5 * 2 / 2, (1 + 0.5 * 0.5) / 1, 0, 0]
        assert scores.tolist() == [first, [0, 0, 0, 0.5 * 1 / 1, 0, 0]]

    def test_power_divides_by_popularity(self, small):
        plain = DecayedMarkov(small, window=2, decay=0.5, power=0.0)(torch.tensor([0]))
        halved = DecayedMarkov(small, window=2, decay=0.5, power=0.5)(torch.tensor([0]))
        assert plain[0].tolist() == [0, 0, 1, 1.25, 0, 0]
        assert halved[0].tolist() == pytest.approx([0, 0, 1 / 2**0.5, 1.25, 0, 0])

    def test_another_history_is_read_with_the_same_counts(self, small):
        model = DecayedMarkov(small, window=1, decay=0.5, power=0.0)
        later = model.with_history(with_validation(small))
        assert model(torch.tensor([0]))[0].tolist() == [0, 0, 0, 1, 0, 0]  # after 2 comes 3
        assert later(torch.tensor([0])).abs().sum() == 0  # after 3 nothing came


class TestHistoryAttention:
    """Because you watched: exact, and never because of itself."""

    @pytest.fixture
    def model(self, table, split):
        model = HistoryAttentionRecommender(table, split, d_k=6)
        model.reset_parameters(1)
        with torch.no_grad():  # so that weights are far from equal and the bias counts
            model.embedding.weight.mul_(8)
            model.query.weight.mul_(8)
            model.bias.copy_(torch.arange(N_ITEMS))
        return model

    def test_contributions_add_up_to_the_logit(self, model, split):
        """Also for films of the own history: the fast way and the explanation leave them out."""
        scores = model(torch.arange(split.n_users)).detach()
        for user in range(1, split.n_users):
            for item in range(N_ITEMS):
                explanation = model.explain(user, item)
                assert isinstance(explanation, Explanation)
                total = explanation.base + explanation.contributions.sum()
                assert total == pytest.approx(scores[user, item].item(), rel=0, abs=1e-9)
                assert explanation.score == pytest.approx(total, abs=1e-12)
                assert explanation.weights.sum() == pytest.approx(1)

    def test_explanations_name_the_watched_films_in_time(self, model):
        explanation = model.explain(2, 9)
        assert explanation.label == "item 9 (2000)"
        assert explanation.names == ["item 2 (2000)", "item 3 (2000)", "item 4 (2000)"]
        assert explanation.fields == ["watched"] * 3

    def test_by_hand(self, model):
        """User 2 watched 2, 3, 4; the candidate is 9: softmax(k . q / sqrt(6)) times v . q."""
        key, value = model.embedding.weight[[2, 3, 4]].detach().chunk(2, dim=1)
        query = model.query.weight[9].detach()
        weights = torch.softmax(key @ query / 6**0.5, dim=0)
        explanation = model.explain(2, 9)
        assert explanation.weights == pytest.approx(weights.numpy())
        own = (weights * (value @ query)).sum() + model.bias[9].item()
        assert explanation.score == pytest.approx(own.item())
        average = (model(torch.arange(len(model.likes)))[:, 9] - model.bias[9]).mean().detach()
        expected = weights * (value @ query - average)
        assert explanation.contributions == pytest.approx(expected.numpy())
        assert explanation.base == pytest.approx((model.bias[9] + average).item())

    def test_a_vector_that_moves_from_the_biases_to_all_values_changes_nothing(self, model):
        """The same logits, so the same explanation: contributions have a zero."""
        before, scores = model.explain(2, 9), model(torch.arange(1, 5)).detach()
        moved = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            model.embedding.weight[:, 6:] += moved
            model.bias -= model.query.weight @ moved
        assert torch.allclose(model(torch.arange(1, 5)), scores, rtol=0, atol=1e-9)
        after = model.explain(2, 9)
        assert after.contributions == pytest.approx(before.contributions, rel=0, abs=1e-9)
        assert after.base == pytest.approx(before.base)
        assert after.sentence() == before.sentence()

    def test_a_film_is_never_among_its_own_keys(self, model):
        """User 2 watched item 3. Its key and value must not count when it is the candidate."""
        users, before = torch.tensor([2]), model(torch.tensor([2]))[0, 3].item()
        assert "item 3 (2000)" not in model.explain(2, 3).names
        with torch.no_grad():
            model.embedding.weight[3] += 5
        assert model(users)[0, 3].item() == pytest.approx(before, rel=0, abs=1e-12)
        assert model.explain(2, 3).score == pytest.approx(before)

    def test_training_never_sees_a_film_explain_itself(self, table, split):
        """The gradient of the loss of one like does not reach the like's own key and value."""
        model = HistoryAttentionRecommender(table, split, d_k=6)
        model(torch.tensor([2]))[0, 3].backward()
        reached = model.embedding.weight.grad.abs().sum(dim=1) > 0
        assert reached.nonzero()[:, 0].tolist() == [2, 4]

    def test_a_history_of_one_film(self, model):
        scores = model(torch.tensor([0]))[0]
        assert scores[0].item() == model.bias[0].item() and scores.isfinite().all()
        assert model.explain(0, 5).weights.tolist() == [1.0]
        with pytest.raises(ValueError, match="user 0 likes no film that could explain item 0"):
            model.explain(0, 0)

    def test_the_order_of_the_history_does_not_matter(self, model, split):
        users = torch.arange(split.n_users)
        assert torch.allclose(model.with_history(shuffled(split))(users), model(users))

    def test_another_history_is_read_and_the_model_itself_stays(self, model, split):
        users = torch.arange(split.n_users)
        before = model(users).detach()
        later = model.with_history(with_validation(split))
        assert later.explain(0, 5).names == ["item 0 (2000)", "item 1 (2000)"]
        assert not torch.allclose(later(users), before)
        assert torch.equal(model(users), before) and len(model.history[0]) == 1

    def test_no_table_of_users_films_and_histories(self, model, split):
        """The largest tensor is a table of films by films."""
        largest = 0

        class Watch(torch.utils._python_dispatch.TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                nonlocal largest
                out = function(*args, **(kwargs or {}))
                if isinstance(out, torch.Tensor):
                    largest = max(largest, out.numel())
                return out

        with Watch():
            model(torch.arange(split.n_users))
        assert largest <= max(N_ITEMS, split.n_users) * N_ITEMS

    def test_same_seed_same_model(self, table, split):
        model = HistoryAttentionRecommender(table, split, d_k=6)
        runs = []
        for seed in (3, 3, 4):
            fit(model, split, seed=seed, epochs=3, progress=False)
            runs.append(model.query.weight.clone())
        assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def wild(split, **options) -> SelfAttentiveRecommender:
    """A small model whose weights are far from equal."""
    model = SelfAttentiveRecommender(split, d_model=8, **options)
    model.reset_parameters(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "W_" in name or "position" in name or name == "bias":
                weight.add_(0.5 * torch.randn(weight.shape, generator=model.generator))
    return model.eval()


FILMS = torch.tensor([[3, 1, 4, 7, 5, 9]])


class TestSelfAttention:
    """It looks back only, at films only, and each head by itself."""

    def test_a_later_film_never_changes_what_came_before(self, split):
        model = wild(split)
        z, weights = model.encode(FILMS)
        other = FILMS.clone()
        other[0, 3:] = torch.tensor([2, 8, 6])
        z_other, weights_other = model.encode(other)
        assert torch.allclose(z[:, :3], z_other[:, :3], rtol=0, atol=1e-12)
        assert torch.equal(weights[:, :, :3], weights_other[:, :, :3])
        assert not torch.allclose(z[:, 3:], z_other[:, 3:])
        assert (weights.triu(1) == 0).all()

    def test_an_earlier_film_does_change_what_comes_after(self, split):
        model = wild(split)
        other = FILMS.clone()
        other[0, 0] = 11
        assert not torch.allclose(model.encode(FILMS)[0][0, -1], model.encode(other)[0][0, -1])

    def test_empty_places_are_never_attended_to(self, split):
        model = wild(split)
        padded = torch.cat([FILMS, torch.zeros(1, 3, dtype=torch.long)], dim=1)
        z, weights = model.encode(padded)
        assert (weights[..., 6:] == 0).all()
        assert torch.allclose(z[:, :6], model.encode(FILMS)[0])

    def test_a_user_alone_gets_the_same_scores_as_among_others(self, split):
        model = wild(split)
        users = torch.arange(split.n_users)
        alone = torch.cat([model(user[None]) for user in users])
        assert torch.allclose(model(users), alone)
        many = torch.arange(100) % split.n_users  # more than one part
        assert torch.allclose(model(many), alone[many])

    def test_heads_are_kept_apart(self, split):
        """Each head's map is its own, and changing one head's queries changes its map only."""
        model = wild(split)
        _, weights = model.encode(FILMS)
        assert weights.shape == (1, 2, 6, 6)
        assert torch.allclose(weights.sum(dim=-1), torch.ones(1, 2, 6, dtype=weights.dtype))
        assert (weights[0, 0] - weights[0, 1]).abs().max() > 0.1
        with torch.no_grad():
            model.attention.W_Q.weight[4:] *= -1  # the second half: head 2
        _, changed = model.encode(FILMS)
        assert torch.equal(changed[0, 0], weights[0, 0])
        assert not torch.allclose(changed[0, 1], weights[0, 1])

    def test_the_weights_are_those_of_the_formula(self, split):
        model = wild(split)
        x = model.item(FILMS) * 8**0.5 + model.position.weight[:6]
        h = model.norms[0](x)
        query, key, value = (getattr(model.attention, f"W_{n}")(h)[0] for n in "QKV")
        mask = torch.ones(6, 6, dtype=torch.bool).tril()
        heads = [
            scaled_dot_product_attention(query[:, part], key[:, part], value[:, part], mask)
            for part in (slice(0, 4), slice(4, 8))
        ]
        z, weights = model.encode(FILMS)
        assert torch.allclose(weights[0], torch.stack([head.weights for head in heads]))
        y = x[0] + model.attention.W_O(torch.cat([head.context for head in heads], dim=1))
        expected = model.norms[2](y + model.feed_forward(model.norms[1](y)))
        assert torch.allclose(z[0], expected)

    def test_a_history_of_one_film(self, split):
        model = wild(split)
        films, weights = model.look(0)
        assert films.tolist() == [0] and weights.tolist() == [[[1.0]], [[1.0]]]
        assert model(torch.tensor([0])).isfinite().all()

    def test_look_gives_the_films_in_time_and_each_heads_weights(self, split):
        films, weights = wild(split, max_len=4).look(12)
        assert films.tolist() == [5, 6, 7, 8]  # the latest 4 of 0 1 ... 8
        assert weights.shape == (2, 4, 4)
        assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 4, dtype=weights.dtype))

    def test_only_the_latest_films_are_read(self, split):
        model, users = wild(split, max_len=4), torch.tensor([12])
        before = model(users)
        model.history = [history[-4:] for history in model.history]
        assert torch.equal(model(users), before)
        model.history = [history[-3:] for history in model.history]
        assert not torch.allclose(model(users), before)

    def test_every_like_but_the_first_is_a_target_once(self, split):
        model = SelfAttentiveRecommender(split, d_model=8, max_len=3)
        for seed in range(3):
            parts = list(model.batches(torch.Generator().manual_seed(seed), size=4))
            assert max(part.shape[1] for part in parts) <= 4
            rows = [row[row > 0] - 1 for part in parts for row in part]
            assert all((row.diff() % N_ITEMS == 1).all() for row in rows)  # in time, no gaps
            targets = torch.cat([row[1:] for row in rows]).bincount(minlength=N_ITEMS)
            expected = torch.cat([h[1:] for h in model.history]).bincount(minlength=N_ITEMS)
            assert torch.equal(targets, expected)

    def test_the_loss_is_the_mean_over_places_with_the_whole_catalogue(self, split):
        """Equal to asking the model after every start of a row, one by one."""
        model = wild(split)
        windows = torch.tensor([[3, 1, 4, 7], [5, 9, 0, 0]])
        losses = []
        for row in windows:
            row = row[row > 0]
            for t in range(1, len(row)):
                model.history = [row[:t] - 1]
                scores = model(torch.tensor([0]))[0]
                losses.append(-torch.log_softmax(scores, dim=0)[row[t] - 1])
        assert model.loss(windows).item() == pytest.approx(torch.stack(losses).mean().item())

    def test_films_in_and_films_out_share_one_embedding(self, split):
        model = wild(split)
        z, _ = model.encode(FILMS)
        expected = model.bias + z @ model.item.weight[1:].T
        assert torch.allclose(model.logits(z), expected)
        assert not any("out" in name for name, _ in model.named_parameters())

    def test_dropout_is_seeded_and_only_in_training(self, split):
        model = SelfAttentiveRecommender(split, d_model=8, dropout=0.5)
        x = torch.ones(1000, dtype=torch.float64)
        model.train()
        model.reset_parameters(2)
        first = model.drop(x)
        model.reset_parameters(2)
        torch.rand(5)  # the global generator does not matter
        assert torch.equal(model.drop(x), first) and not torch.equal(model.drop(x), first)
        assert set(first.tolist()) == {0.0, 2.0} and 400 < (first == 0).sum() < 600
        assert torch.equal(model.eval().drop(x), x)

    def test_same_seed_same_model(self, split):
        model = SelfAttentiveRecommender(split, d_model=8)
        runs = []
        for seed in (3, 3, 4):
            fit_next(model, split, seed=seed, epochs=3)
            runs.append(model.item.weight.clone())
        assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])

    def test_it_learns_what_follows_what_and_needs_the_order(self, split):
        known = with_validation(split)
        model = SelfAttentiveRecommender(split, d_model=16)
        fit_next(model, split)
        assert evaluate(model.with_history(known), split, k=1)["HR@1"] > 0.9
        mixed = SelfAttentiveRecommender(shuffled(split), d_model=16)
        fit_next(mixed, split)
        assert evaluate(mixed.with_history(shuffled(known)), split, k=1)["HR@1"] < 0.7

    def test_another_kind_of_attention_is_refused(self, split):
        with pytest.raises(ValueError, match="softmax, uniform or last, got 'max'"):
            SelfAttentiveRecommender(split, attention="max")


@pytest.mark.parametrize("kind", ["history", "self-attention"])
def test_another_seed_is_another_start(table, split, kind):
    if kind == "history":
        model = HistoryAttentionRecommender(table, split)
    else:
        model = SelfAttentiveRecommender(split, d_model=8)
    starts = []
    for seed in (0, 1, 0):
        model.reset_parameters(seed)
        starts.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))
    assert torch.equal(starts[0], starts[2]) and not torch.equal(starts[0], starts[1])


class TestControls:
    """What is left when attention is taken away; also after training."""

    def test_uniform_weights_are_equal_for_all_films_so_far(self, split):
        model = SelfAttentiveRecommender(split, d_model=8, attention="uniform")
        fit_next(model, split, epochs=3)
        _, weights = model.encode(FILMS)
        expected = torch.ones(6, 6, dtype=torch.float64).tril()
        expected = expected / expected.sum(dim=1, keepdim=True)
        assert torch.allclose(weights, expected.expand(1, 2, 6, 6))

    def test_last_sees_the_latest_film_only(self, split):
        model = SelfAttentiveRecommender(split, d_model=8, attention="last")
        fit_next(model, split, epochs=3)
        z, weights = model.encode(FILMS)
        assert torch.equal(weights, torch.eye(6, dtype=torch.float64).expand(1, 2, 6, 6))
        other = FILMS.clone()
        other[0, :5] = 2
        assert torch.allclose(model.encode(other)[0][0, -1], z[0, -1])
