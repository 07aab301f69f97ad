"""Sparsemax is the projection it claims to be; the open model is the course's; variants differ."""

from itertools import combinations

import pytest
import torch
from torch import nn

from recsys_utils.attention import masked_softmax
from recsys_utils.data import AttributeTable, load_movies
from recsys_utils.models import AttributeAttentionRecommender
from recsys_utils.simulation import simulate_tastes
from recsys_utils.splits import RatedPairs
from recsys_utils.training import fit_ratings
from recsys_utils.variants import (
    MLPRecommender,
    OpenRecommender,
    SelfAttentionRecommender,
    SkipRecommender,
    SparseRecommender,
    dots,
    sparsemax,
    with_equal_weights,
)

KINDS = [
    OpenRecommender,
    SparseRecommender,
    MLPRecommender,
    SkipRecommender,
    SelfAttentionRecommender,
]
USERS, ITEMS = torch.arange(5).repeat_interleave(4), torch.arange(20)


def projection(z: torch.Tensor) -> torch.Tensor:
    """The nearest point of the simplex, by trying every set of entries that may be above 0."""
    best, best_distance = None, float("inf")
    for size in range(1, len(z) + 1):
        for chosen in combinations(range(len(z)), size):
            # Minimise |w - z|^2 with sum 1 on these entries: all move by the same amount.
            w = torch.zeros_like(z)
            w[list(chosen)] = z[list(chosen)] - (z[list(chosen)].sum() - 1) / size
            distance = (w - z).square().sum().item()
            if (w >= 0).all() and distance < best_distance:
                best, best_distance = w, distance
    return best


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_sparsemax_is_the_projection_onto_the_simplex(scale):
    scores = torch.randn(30, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = scores * scale + 3
    weights = sparsemax(scores)
    for row, expected in zip(weights, map(projection, scores)):
        assert torch.allclose(row, expected, atol=1e-12)


def test_sparsemax_by_hand():
    scores = torch.tensor([[-0.5, 1.0, 0.5], [-1.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    expected = torch.tensor([[0.0, 0.75, 0.25], [0.0, 1.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    assert torch.allclose(sparsemax(scores), expected)


def test_sparsemax_of_masked_entries_is_that_of_the_others():
    scores = torch.randn(50, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.rand(50, 7, generator=torch.Generator().manual_seed(2)) < 0.6
    weights = sparsemax(scores, mask)
    assert (weights[~mask] == 0).all()
    for row in range(50):
        if mask[row].any():
            assert torch.allclose(weights[row][mask[row]], sparsemax(scores[row][mask[row]]))


def test_sparsemax_of_nothing_is_zero_and_gradients_stay_finite():
    scores = torch.randn(3, 4, dtype=torch.float64).requires_grad_()
    mask = torch.tensor([[True] * 4, [False] * 4, [True, False, False, False]])
    weights = sparsemax(scores, mask)
    assert weights[1].tolist() == [0.0] * 4 and weights[2].tolist() == [1.0, 0.0, 0.0, 0.0]
    weights.square().sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[1] == 0).all()


def test_sparsemax_of_huge_scores_is_exact():
    scores = torch.tensor([[1e6, 1e6 - 0.5, -1e30]], dtype=torch.float64)
    assert torch.allclose(sparsemax(scores), torch.tensor([[0.75, 0.25, 0.0]]).double())


def test_the_gradient_of_sparsemax_is_that_of_the_paper():
    """On the entries above 0: 1 minus the mean, elsewhere 0 (arXiv:1602.02068, section 2.5)."""
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randn(6, generator=generator, dtype=torch.float64)
        support = (sparsemax(scores) > 0).double()
        expected = torch.diag(support) - torch.outer(support, support) / support.sum()
        jacobian = torch.autograd.functional.jacobian(sparsemax, scores)
        assert torch.allclose(jacobian, expected, atol=1e-12)


def test_dots_are_dot_products_for_pairs_and_for_the_catalogue():
    vectors, user = torch.randn(4, 3, 5), torch.randn(4, 5)
    assert torch.allclose(dots(vectors, user), (vectors * user[:, None]).sum(dim=-1))
    users = torch.randn(2, 5)
    everything = dots(vectors, users[:, None])
    assert everything.shape == (2, 4, 3)
    expected = torch.stack([(vectors * u).sum(dim=-1) for u in users])
    assert torch.allclose(everything, expected, atol=1e-6)


@pytest.fixture(scope="module")
def table() -> AttributeTable:
    return AttributeTable.from_movies(load_movies().head(40), min_films=2)


def spread(model: nn.Module) -> nn.Module:
    """The start values are small: enlarge them, so that differences show."""
    with torch.no_grad():
        model.embedding.weight.mul_(15)
        model.user.weight.mul_(15)
        model.bias.normal_(generator=torch.Generator().manual_seed(1))
    return model


@pytest.mark.parametrize("seed", [0, 3])
def test_the_open_model_is_the_models_model(table, seed):
    ours, theirs = OpenRecommender(table, 5, d_k=6), AttributeAttentionRecommender(table, 5, d_k=6)
    ours.reset_parameters(seed)
    theirs.reset_parameters(seed)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    spread(ours), spread(theirs)
    assert torch.allclose(ours(torch.arange(5)), theirs(torch.arange(5)), atol=1e-12)
    mine, other = ours.attend(USERS, ITEMS), theirs.attend(USERS, ITEMS)
    assert torch.allclose(mine.weights, other.weights, atol=1e-12)
    assert torch.allclose(mine.logits, other.logits, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_the_catalogue_are_those_of_single_pairs(table, kind):
    model = spread(kind(table, 5, d_k=6))
    looked = model.attend(USERS, ITEMS)
    assert looked.logits.dtype == torch.float64
    assert torch.allclose(model(torch.arange(5))[USERS, ITEMS], looked.logits, atol=1e-12)
    assert torch.allclose(looked.weights.sum(dim=1), torch.ones(20, dtype=torch.float64))
    assert (looked.weights[~table.mask[ITEMS]] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_empty_slots_do_not_count(table, kind):
    """Neither their embeddings nor what a mask leaves out."""
    model = spread(kind(table, 5, d_k=6))
    embeddings = model.embedding(table.ids[ITEMS]).detach().clone()
    before = model.attend(USERS, ITEMS, embeddings=embeddings).logits
    embeddings[~table.mask[ITEMS]] = 7.0
    assert torch.allclose(model.attend(USERS, ITEMS, embeddings=embeddings).logits, before)
    nothing = torch.zeros_like(table.mask[ITEMS])
    looked = model.attend(USERS, ITEMS, mask=nothing)
    assert (looked.weights == 0).all() and torch.isfinite(looked.logits).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_all_parameters(table, kind):
    first, second = kind(table, 5, d_k=6), kind(table, 5, d_k=6)
    with torch.no_grad():
        for parameter in second.parameters():
            parameter.fill_(1.0)
    for model in (first, second):
        model.reset_parameters(4)
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters()):
        assert torch.equal(a, b), name
    second.reset_parameters(5)
    same = [n for n, p in first.named_parameters() if torch.equal(p, second.get_parameter(n))]
    assert all("bias" in name for name in same), same


def test_each_variant_changes_one_thing(table):
    """From the same embeddings: what stays equal to the additive model, and what does not."""
    additive = spread(OpenRecommender(table, 5, d_k=6))
    base = additive.attend(USERS, ITEMS)
    looked = {}
    for kind in KINDS[1:]:
        model = kind(table, 5, d_k=6)
        model.load_state_dict(additive.state_dict(), strict=False)
        looked[kind] = model.attend(USERS, ITEMS)
        assert not torch.allclose(looked[kind].logits, base.logits)
    for kind in (MLPRecommender, SkipRecommender):  # they look alike and read differently
        assert torch.equal(looked[kind].weights, base.weights)
    for kind in (SparseRecommender, SelfAttentionRecommender):
        assert not torch.allclose(looked[kind].weights, base.weights)
    assert (looked[SparseRecommender].weights[table.mask[ITEMS]] == 0).any()


def test_an_mlp_that_sums_is_the_additive_model(table):
    model = spread(MLPRecommender(table, 5, d_k=6))
    with torch.no_grad():
        model.mlp[0].weight.copy_(torch.eye(6))
        model.mlp[0].bias.fill_(1e3)  # far above 0: ReLU lets everything pass
        model.mlp[2].weight.fill_(1.0)
        model.mlp[2].bias.fill_(-6e3)
    additive = OpenRecommender(table, 5, d_k=6)
    additive.load_state_dict(model.state_dict(), strict=False)
    expected = additive.attend(USERS, ITEMS).logits
    assert torch.allclose(model.attend(USERS, ITEMS).logits, expected)


def test_the_skip_adds_the_mean_of_what_passes_around(table):
    model = spread(SkipRecommender(table, 5, d_k=6))
    additive = OpenRecommender(table, 5, d_k=6)
    additive.load_state_dict(model.state_dict(), strict=False)
    difference = model.attend(USERS, ITEMS).logits - additive.attend(USERS, ITEMS).logits
    for row, (user, item) in enumerate(zip(USERS, ITEMS)):
        own = model.embedding(table.ids[item][table.mask[item]])
        around = (model.around(own) @ model.user(user)).mean()
        assert difference[row].item() == pytest.approx(around.item())


@pytest.mark.parametrize("kind", [AttributeAttentionRecommender, OpenRecommender, SkipRecommender])
def test_equal_weights_are_equal_and_leave_the_model_alone(table, kind):
    model = spread(kind(table, 5, d_k=6))
    before = model.attend(USERS, ITEMS)
    equal = with_equal_weights(model).attend(USERS, ITEMS).weights
    mask = table.mask[ITEMS].double()
    assert torch.allclose(equal, mask / mask.sum(dim=1, keepdim=True))
    assert torch.equal(model.attend(USERS, ITEMS).weights, before.weights)
    assert not torch.allclose(before.weights, equal)


def test_hooks_are_what_the_model_uses(table):
    class Sharp(OpenRecommender):
        def before(self, embeddings, mask):
            return 2 * embeddings

        def normalise(self, scores, mask):
            return masked_softmax(3 * scores, mask)

        def after(self, weights, values, user, embeddings, mask):
            return weights.amax(dim=-1)

    model = spread(Sharp(table, 5, d_k=6))
    looked = model.attend(USERS, ITEMS)
    key = 2 * model.embedding(table.ids[ITEMS])[..., :6]
    scores = (key * model.user(USERS)[:, None]).sum(dim=-1) / 6**0.5
    assert torch.allclose(looked.weights, masked_softmax(3 * scores, table.mask[ITEMS]))
    expected = model.bias[ITEMS] + looked.weights.amax(dim=1)
    assert torch.allclose(looked.logits, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_every_variant_learns(kind):
    table = AttributeTable.from_movies(load_movies().head(80), fields=("director", "genre"))
    tastes = simulate_tastes(table, 40, 30, reasons=("director", "genre"))
    pairs = RatedPairs.from_ratings(tastes.ratings, table.item_ids)
    model = kind(table, 40, d_k=8)
    history = fit_ratings(model, pairs, pairs, epochs=5, batch_size=8, progress=False)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] - 0.05
