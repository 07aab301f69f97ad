"""What is true of attention, whatever the numbers are."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_utils import by_hand
from recsys_utils.attention import (
    MultiHeadAttention,
    ScaledDotProductAttention,
    masked_softmax,
    scaled_dot_product_attention,
)

budget = settings(max_examples=60, derandomize=True, deadline=None)
TOLERANCE = 1e-6


@st.composite
def cases(draw):
    """Query, key, value and a mask (or None) of any shape: batch, heads, n_query, n_key."""
    lead = draw(st.sampled_from([(), (2,), (2, 3)]))
    n_query, n_key = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    d_k, d_v = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    random = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    shapes = [(n_query, d_k), (n_key, d_k), (n_key, d_v)]
    tensors = [torch.randn(*lead, *s, generator=random, dtype=dtype) for s in shapes]
    kind = draw(st.sampled_from(["none", "full", "keys"]))
    mask = None
    if kind != "none":
        shape = (*lead, n_query, n_key) if kind == "full" else (n_key,)
        mask = torch.rand(*shape, generator=random) < 0.6
    return *tensors, mask


@budget
@given(cases())
def test_equals_the_built_in_where_something_is_allowed(case):
    query, key, value, mask = case
    context, weights = scaled_dot_product_attention(query, key, value, mask)
    allowed = (
        torch.ones_like(weights, dtype=torch.bool) if mask is None else mask.expand_as(weights)
    )
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
    some = allowed.any(dim=-1)
    assert torch.allclose(context[some], expected[some], atol=TOLERANCE)
    assert context.dtype == query.dtype


@budget
@given(cases())
def test_rows_sum_to_one_or_to_zero_and_forbidden_keys_get_nothing(case):
    query, key, value, mask = case
    _, weights = scaled_dot_product_attention(query, key, value, mask)
    assert not weights.isnan().any() and (weights >= 0).all()
    allowed = (
        torch.ones_like(weights, dtype=torch.bool) if mask is None else mask.expand_as(weights)
    )
    assert (weights[~allowed] == 0).all()
    expected = allowed.any(dim=-1).to(weights.dtype)
    assert torch.allclose(weights.sum(dim=-1), expected, atol=TOLERANCE)


@budget
@given(cases(), st.randoms(use_true_random=False))
def test_order_of_the_keys_does_not_matter(case, random):
    query, key, value, _ = case
    order = list(range(key.shape[-2]))
    random.shuffle(order)
    context, weights = scaled_dot_product_attention(query, key, value)
    again, permuted = scaled_dot_product_attention(query, key[..., order, :], value[..., order, :])
    assert torch.allclose(context, again, atol=TOLERANCE)
    assert torch.allclose(weights[..., order], permuted, atol=TOLERANCE)


@budget
@given(cases())
def test_inputs_are_not_changed(case):
    before = [None if x is None else x.clone() for x in case]
    scaled_dot_product_attention(*case)
    for old, new in zip(before, case):
        assert old is new or torch.equal(old, new)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_fully_masked_row_is_zero_in_every_format(dtype):
    x = torch.ones(2, 3, dtype=dtype)
    mask = torch.tensor([[False, False, False], [True, True, False]])
    context, weights = scaled_dot_product_attention(x, torch.ones(3, 3, dtype=dtype), x.T, mask)
    assert (weights[0] == 0).all() and (context[0] == 0).all()
    assert weights[1].tolist() == [0.5, 0.5, 0.0]


def test_gradients_are_right_and_never_nan():
    tensors = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mask = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    assert torch.autograd.gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, mask), tensors
    )


def test_softmax_jacobian_is_diag_w_minus_w_w():
    scores = torch.randn(5, dtype=torch.float64)
    w = masked_softmax(scores)
    jacobian = torch.autograd.functional.jacobian(masked_softmax, scores)
    assert torch.allclose(jacobian, torch.diag(w) - torch.outer(w, w))


def test_very_large_scores_do_not_overflow():
    weights = masked_softmax(torch.tensor([[1e30, 0.0, -1e30]]))
    assert weights.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("attend", [scaled_dot_product_attention, ScaledDotProductAttention(64)])
def test_half_precision_gives_weights_where_query_times_key_would_overflow(attend):
    """q.k is 104,960 and 103,680; the largest number in half precision is 65,504."""
    query = torch.full((1, 64), 40.0, dtype=torch.float16)
    key = torch.stack([torch.full((64,), 41.0), torch.full((64,), 40.5)]).half()
    value = torch.eye(2).half()
    assert torch.isinf(query @ key.T).all()
    assert attend(query, key, value).weights.tolist() == [[1.0, 0.0]]


def test_the_scale_is_the_root_of_d_k():
    query, key = torch.ones(1, 16), torch.stack([torch.ones(16), torch.zeros(16)])
    weights = scaled_dot_product_attention(query, key, torch.eye(2)).weights
    assert weights[0, 0].item() == pytest.approx(1 / (1 + math.exp(-4)))


@pytest.mark.parametrize(
    ("mask", "error", "words"),
    [
        (torch.tensor([0.0, -1e9, 1.0]), TypeError, "True = may be attended to"),
        (torch.tensor([0, 2, 1]), TypeError, "other values"),
        (torch.tensor([0.0, 0.0, 0.0]), TypeError, "nothing but 0: added to the scores"),
        (torch.ones(4, dtype=torch.bool), ValueError, r"\(4,\) does not fit scores"),
        ([[True, False, True]], TypeError, "must be a torch tensor, got list"),
        (np.array([[True, False, True]]), TypeError, "must be a torch tensor, got ndarray"),
    ],
)
def test_a_wrong_mask_is_refused(mask, error, words):
    with pytest.raises(error, match=words):
        scaled_dot_product_attention(torch.ones(1, 2), torch.ones(3, 2), torch.ones(3, 1), mask)


def test_masks_of_ones_and_zeros_are_masks():
    scores, mask = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1, 0, 1]])
    for same in (mask, mask.float(), mask.bool()):
        assert torch.equal(masked_softmax(scores, same), masked_softmax(scores, mask.bool()))


@pytest.mark.parametrize("lead", [(), (7,)])
def test_shapes_that_do_not_fit_are_refused(lead):
    query, key = torch.ones(*lead, 1, 2), torch.ones(*lead, 4, 2)
    with pytest.raises(ValueError, match="d_k = 2, but key has d_k = 3"):
        scaled_dot_product_attention(query, torch.ones(*lead, 4, 3), torch.ones(*lead, 4, 1))
    with pytest.raises(ValueError, match="at least 1, but query has d_k = 0"):
        scaled_dot_product_attention(query[..., :0], key[..., :0], key)
    with pytest.raises(ValueError, match="4 keys, but 5 values"):
        scaled_dot_product_attention(query, key, torch.ones(*lead, 5, 1))
    with pytest.raises(ValueError, match="made for d_k = 8, got 2"):
        ScaledDotProductAttention(8)(query, key, key)


@pytest.mark.parametrize("other", [torch.float64, torch.float16, torch.long, torch.complex64])
def test_numbers_of_different_kinds_or_no_floats_are_refused(other):
    x = torch.ones(3, 3)
    with pytest.raises(TypeError, match=f"one floating-point dtype, got .*{other}"):
        scaled_dot_product_attention(x, x.to(other), x)
    if not other.is_floating_point:
        with pytest.raises(TypeError, match="one floating-point dtype"):
            scaled_dot_product_attention(*[x.to(other)] * 3)


class TestModule:
    """The article's call: ScaledDotProductAttention(d_k)(Q, K, V, mask) -> (context, weights)."""

    def test_it_is_the_function(self):
        Q, K, V = torch.randn(2, 1, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 3)
        mask = torch.tensor([1, 1, 0, 1, 0])
        context, weights = ScaledDotProductAttention(8)(Q, K, V, mask)
        expected = scaled_dot_product_attention(Q, K, V, mask)
        assert torch.equal(context, expected.context) and torch.equal(weights, expected.weights)

    def test_d_k_is_at_least_1(self):
        with pytest.raises(ValueError, match="at least 1"):
            ScaledDotProductAttention(0)
        assert ScaledDotProductAttention(1)(*[torch.ones(1, 1)] * 3).weights.item() == 1

    def test_weights_are_those_before_dropout(self):
        torch.manual_seed(0)
        module = ScaledDotProductAttention(4, dropout=0.5).train()
        Q, K, V = torch.randn(3, 4), torch.randn(6, 4), torch.eye(6)
        context, weights = module(Q, K, V)
        assert torch.allclose(weights.sum(dim=-1), torch.ones(3))
        assert (context == 0).any()  # V is the identity: the context shows the dropped weights
        assert torch.allclose(module.eval()(Q, K, V).context, weights)


class TestHeads:
    """Heads are kept apart, and together they are what PyTorch's module computes."""

    def test_equals_the_built_in_on_the_same_weights(self):
        torch.manual_seed(0)
        ours, theirs = MultiHeadAttention(8, 2), torch.nn.MultiheadAttention(8, 2, batch_first=True)
        with torch.no_grad():
            layers = (ours.W_Q, ours.W_K, ours.W_V)
            theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
            theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
            theirs.out_proj.weight.copy_(ours.W_O.weight)
            theirs.out_proj.bias.copy_(ours.W_O.bias)
        query, key = torch.randn(3, 4, 8), torch.randn(3, 6, 8)
        mask = torch.rand(4, 6) < 0.7
        mask[:, 0] = True
        context, weights = ours(query, key, key, mask)
        expected, maps = theirs(query, key, key, attn_mask=~mask, average_attn_weights=False)
        assert weights.shape == (3, 2, 4, 6)
        assert torch.allclose(context, expected, atol=TOLERANCE)
        assert torch.allclose(weights, maps, atol=TOLERANCE)

    def test_dropout_reaches_every_head_in_training_only(self):
        x = torch.randn(2, 3, 8)
        module = MultiHeadAttention(8, 2, dropout=1.0).train()
        context, weights = module(x, x, x)
        assert torch.equal(context, module.W_O.bias.expand(2, 3, 8))  # nothing is left to look up
        assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 2, 3))
        assert not torch.allclose(module.eval()(x, x, x).context, context)

    @pytest.mark.parametrize("n_heads", [0, 3])
    def test_heads_that_do_not_divide_are_refused(self, n_heads):
        with pytest.raises(ValueError, match=f"n_heads = {n_heads} does not divide d_model = 8"):
            MultiHeadAttention(8, n_heads)

    def test_one_head_is_a_head(self):
        x = torch.randn(1, 3, 8)
        assert MultiHeadAttention(8, 1)(x, x, x).weights.shape == (1, 1, 3, 3)


def test_the_example_by_hand():
    context, weights = scaled_dot_product_attention(by_hand.USER[None], by_hand.KEY, by_hand.VALUE)
    assert np.allclose(weights, [[0.0351, 0.7054, 0.2595]], atol=5e-5)
    assert np.allclose(context, [[0.7054, -0.1893, 0.0351, 0.9649]], atol=5e-5)
    assert by_hand.BIAS + (context @ by_hand.USER).item() == pytest.approx(1.7917, abs=5e-5)
