"""Answers to the exercises of notebook 07: right ones of every style, and usual wrong ones."""

import copy
import math

import numpy as np
import torch
from torch import nn

INF = float("inf")


def masks(known, n_heads, third=None):
    batch, n = known.shape
    if third is None:
        third = torch.zeros(batch, n, n).masked_fill(~known[:, None, :], -INF)
    return ~known, known[:, None, None], third.repeat_interleave(n_heads, dim=0)


def masks_by_loops(known, n_heads):
    blocked = [[not slot for slot in row] for row in known.tolist()]
    third = []
    for row in known.tolist():
        for _ in range(n_heads):
            third.append([[0.0 if slot else -INF for slot in row] for _ in row])
    return [blocked, [[[row]] for row in known.tolist()], third]


def masks_by_numpy(known, n_heads):
    known = known.numpy()
    batch, n = known.shape
    added = np.where(known, 0.0, -np.inf)[:, None, None]
    added = np.broadcast_to(added, (batch, n_heads, n, n)).reshape(-1, n, n)
    return np.logical_not(known), known.reshape(batch, 1, 1, n), added


def masks_by_log(known, n_heads):
    """log(1) = 0, log(0) = -inf."""
    batch, n = known.shape
    third = known.double().log().view(batch, 1, 1, n) + torch.zeros(1, n_heads, n, 1)
    return torch.logical_not(known), known.reshape(batch, 1, 1, n), third.flatten(0, 1)


def masks_of_integers(known, n_heads):
    one, two, three = masks(known, n_heads)
    return one.int(), two, three


def first(change):
    def answer(known, n_heads):
        one, two, three = masks(known, n_heads)
        return change(one), two, three

    return answer


def second(change):
    def answer(known, n_heads):
        one, two, three = masks(known, n_heads)
        return one, change(two), three

    return answer


def third(make):
    """make(known) -> (batch, n, n)"""
    return lambda known, n_heads: masks(known, n_heads, make(known))


def square(known):
    return known[:, None, :].expand(-1, known.shape[1], -1)


def heads_outside(known, n_heads):
    one, two, three = masks(known, 1)
    return one, two, three.repeat(n_heads, 1, 1)


def safe(module, x, known):
    module = copy.deepcopy(module).eval()
    nothing = ~known.any(dim=1)
    blocked = ~known & ~nothing[:, None]
    _, weights = module(x, x, x, key_padding_mask=blocked, average_attn_weights=False)
    return weights.masked_fill(nothing[:, None, None, None], 0.0)


def by_training_switch(module, x, known):
    before = module.training
    module.eval()
    with torch.no_grad():
        _, weights = module(x, x, x, key_padding_mask=~known, average_attn_weights=False)
    module.train(before)
    return weights.nan_to_num(0.0)


def by_dropout_zero(module, x, known):
    before, module.dropout = module.dropout, 0.0
    n = known.shape[1]
    blocked = (~known)[:, None].expand(-1, n, -1).repeat_interleave(module.num_heads, 0)
    _, weights = module(x, x, x, attn_mask=blocked, average_attn_weights=False)
    module.dropout = before
    return torch.nan_to_num(weights).detach().numpy()


def rows_closed(module, x, known):
    """The rows of unknown slots are emptied at the end."""
    return ask(module, x, ~known).nan_to_num(0.0) * known[:, None, :, None]


def left_in_eval(module, x, known):
    module.eval()
    return by_training_switch(module, x, known)


def left_without_dropout(module, x, known):
    result = by_training_switch(module, x, known)
    module.dropout = 0.0
    return result


def retrained(module, x, known):
    result = by_training_switch(module, x, known)
    module.in_proj_weight.data *= 1.1
    return result


def by_matrices(module, x, known):
    d_model, heads = x.shape[-1], module.num_heads
    projected = x @ module.in_proj_weight.T + module.in_proj_bias
    out = torch.zeros(len(x), heads, x.shape[1], x.shape[1])
    d_k = d_model // heads
    for b in range(len(x)):
        for h in range(heads):
            q = projected[b, :, h * d_k : (h + 1) * d_k]
            k = projected[b, :, d_model + h * d_k : d_model + (h + 1) * d_k]
            exp = torch.exp(q @ k.T / math.sqrt(d_k)) * known[b]
            out[b, h] = exp / exp.sum(-1, keepdim=True).clamp(min=1e-20)
    return out


def ask(module, x, blocked, evaluate=True, average=False):
    module = copy.deepcopy(module).train(not evaluate)
    return module(x, x, x, key_padding_mask=blocked, average_attn_weights=average)[1]


def left_open(module, x, known):
    return ask(module, x, ~known & known.any(dim=1, keepdim=True))


def evenly(module, x, known):
    return ask(module, x, ~known).nan_to_num(1 / known.shape[1])


def renormalised(module, x, known):
    weights = ask(module, x, ~known, evaluate=False)
    return (weights / weights.sum(-1, keepdim=True)).nan_to_num(0.0)


def other_scale(module, x, known):
    module = copy.deepcopy(module)
    module.in_proj_weight.data[: x.shape[-1]] *= 2
    module.in_proj_bias.data[: x.shape[-1]] *= 2
    return ask(module, x, ~known).nan_to_num(0.0)


def share_of_rows():
    torch.manual_seed(0)
    module = nn.MultiheadAttention(4, 1, dropout=0.1, batch_first=True)
    x = torch.ones(10_000, 10, 4)
    sums = module(x[:, :1], x, x)[1].sum(dim=-1)
    return ((sums - 1).abs() < 1e-5).double().mean()


def share_with_numpy():
    kept = np.random.default_rng(0).random((10_000, 10)) < 0.9
    return np.mean(np.isclose((kept * 0.1 / 0.9).sum(axis=1), 1))


def ig_loop(f, x, baseline, steps=200):
    total = torch.zeros_like(x)
    for k in range(steps):
        point = (baseline + (k + 0.5) / steps * (x - baseline)).requires_grad_()
        f(point).backward()
        total += point.grad
    return (total / steps * (x - baseline)).tolist()


def ig_batch(f, x, baseline):
    t = torch.linspace(0, 1, 1001)[:, None]
    way = torch.lerp(baseline, x, t).requires_grad_()
    (slopes,) = torch.autograd.grad(f(way).sum(), way)
    return (x - baseline) * torch.trapezoid(slopes, t, dim=0)


def ig_differences(f, x, baseline):
    """Without gradients: small steps of one coordinate."""
    result, h = np.zeros(len(x)), 1e-2
    for t in np.linspace(0, 1, 100, endpoint=False) + 1 / 200:
        point = baseline + t * (x - baseline)
        for i in range(len(x)):
            step = torch.zeros_like(x)
            step[i] = h
            result[i] += float(f(point + step) - f(point - step)) / (2 * h) / 100
    return result * (x - baseline).numpy()


def ig_func(f, x, baseline):
    way = [baseline.float() + (k + 0.5) / 60 * (x - baseline).float() for k in range(60)]
    return torch.stack([torch.func.grad(f)(p) for p in way]).mean(0) * (x - baseline).float()


def slopes(f, x):
    x = x.clone().requires_grad_()
    f(x).backward()
    return x.grad


def mean_slopes(f, x, start, steps=100):
    return sum(slopes(f, start + (k + 0.5) / steps * (x - start)) for k in range(steps)) / steps


def slopes_in_x(f, x, baseline, steps=100):
    x = x.clone().requires_grad_()
    points = [baseline + (k + 0.5) / steps * (x - baseline) for k in range(steps)]
    (found,) = torch.autograd.grad(sum(f(p) for p in points) / steps, x)
    return found * (x.detach() - baseline)


def shares_of_the_change(f, x, baseline):
    parts = ig_batch(f, x, baseline)
    return parts / parts.sum() * (f(x) - f(baseline))


def without_one(f, x, baseline):
    parts = []
    for i in range(len(x)):
        less = x.clone()
        less[i] = baseline[i]
        parts.append(float(f(x) - f(less)))
    return parts


def grad_never_cleared(f, x, baseline, steps=100):
    """.grad adds up when the same tensor is used again."""
    point, total = baseline.clone().requires_grad_(), torch.zeros_like(x)
    for k in range(steps):
        point.data = baseline + (k + 0.5) / steps * (x - baseline)
        f(point).backward()
        total += point.grad
    return total / steps * (x - baseline)


def few_steps(f, x, baseline):
    return torch.tensor(ig_loop(f, x, baseline, steps=1))


def changes_x(f, x, baseline):
    result = ig_batch(f, x, baseline)
    x -= baseline
    return result


def split_evenly(f, x, baseline):
    return (f(x) - f(baseline)) * torch.ones_like(x) / len(x)


RIGHT = {
    "07.1": {
        "masked_fill": masks,
        "loops, lists": masks_by_loops,
        "NumPy": masks_by_numpy,
        "log": masks_by_log,
    },
    "07.2": {
        "open, then emptied": safe,
        "eval and back, nan_to_num": by_training_switch,
        "dropout 0, attn_mask": by_dropout_zero,
        "from the matrices": by_matrices,
    },
    "07.3": {
        "the module": share_of_rows(),
        "NumPy": share_with_numpy(),
        "formula": 10 * 0.9**9 * 0.1,
        "rounded": 0.39,
    },
    "07.4": {
        "a loop": ig_loop,
        "one batch, trapezoids": ig_batch,
        "differences": ig_differences,
        "torch.func, float32": ig_func,
    },
}
# (what is wrong, the answer, what the message must say)
WRONG = {
    "07.1": [
        ("one mask", lambda known, n_heads: ~known, "three masks, not a Tensor"),
        ("first as it is", first(lambda m: ~m), "your key_padding_mask is the wrong way round"),
        ("second inverted", second(lambda m: ~m), "function is the wrong way round"),
        ("1.0 for blocked", first(lambda m: m.float()), "key_padding_mask is torch.float32"),
        ("1.0 for kept", second(lambda m: m.double()), "of the function is torch.float64"),
        ("times infinity", third(lambda m: square(~m) * -INF), "0 times minus infinity"),
        ("-1e9", third(lambda m: square(~m) * -1e9), "-1e+09 in your third mask"),
        (
            "infinity on the known",
            third(lambda m: torch.zeros(square(m).shape).masked_fill(square(m), -INF)),
            "minus infinity where something is known",
        ),
        ("booleans", third(lambda m: square(~m)), "holds True and False"),
        ("queries", third(lambda m: square(m).mT.double().log()), "blocks rows, the queries"),
        ("heads outside", heads_outside, "all entries for head 1"),
        (
            "no heads",
            lambda known, n_heads: masks(known, 1),
            "2 heads': your attn_mask of the module has shape (2, 3, 3)",
        ),
        ("two dimensions", second(lambda m: m[:, 0, 0]), "of the function has shape (1, 3)"),
        ("integers", masks_of_integers, "PyTorch refuses whole numbers"),
        ("part left out", lambda known, n_heads: (~known, ..., known), "still `...`"),
        (
            "one entry",
            lambda known, n_heads: (
                masks(known[:1], n_heads)
                if len(known) < 3
                else masks(known[:1].expand(len(known), -1), n_heads)
            ),
            "2 entries, 3 slots, 2 heads': your key",
        ),
        (
            "first and third",
            lambda known, n_heads: (known, *masks(known, 1)[1:]),
            "your key_padding_mask is the wrong way round",
        ),
        ("-2", third(lambda m: square(~m) * -2.0), "your attn_mask of the module is not right"),
    ],
    "07.2": [
        ("averaged", lambda m, x, k: ask(m, x, ~k, average=True), "heads are averaged"),
        ("inverted", lambda m, x, k: ask(m, x, k), "all weight lies on unknown slots"),
        ("no mask", lambda m, x, k: ask(m, x, None), "the mask does nothing"),
        ("dropout", lambda m, x, k: ask(m, x, ~k, evaluate=False), "dropout took them"),
        ("dropout, divided by the sum", renormalised, "dropout took them"),
        ("NaN", lambda m, x, k: ask(m, x, ~k), "gives NaN. Let its weights be zeros"),
        ("left open", left_open, "yet its map has weights"),
        ("a quarter each", evenly, "yet its map has weights"),
        ("another scale", other_scale, "unknown slots': your answer is not right"),
        ("one head", lambda m, x, k: safe(m, x, k)[:, 0, None], "shape (2, 1, 4, 4) came"),
        (
            "two heads of any",
            lambda m, x, k: safe(m, x, k)[:, :2],
            "random entries': your answer: sh",
        ),
        ("rows closed", rows_closed, "the rows of unknown slots are emptied"),
        ("left in eval mode", left_in_eval, "it was in training mode, and now it is in eval mode"),
        ("left without dropout", left_without_dropout, "dropout was 0.5, now it is 0.0"),
        ("other numbers", retrained, "the numbers in the module"),
        ("still the same", lambda m, x, k: m(x, x, x, key_padding_mask=k)[1], "this still gives"),
        (
            "averaged, inverted",
            lambda m, x, k: ask(m, x, k, average=True),
            "heads are averaged",
        ),
    ],
    "07.3": [
        ("exactly 1", 0.0, "did you ask for exactly 1"),
        ("eval", torch.tensor(1.0), "the module is in eval mode, or you allow"),
        ("weights kept", 0.9, "share of *weights*"),
        ("nothing dropped", 0.349, "nothing was dropped"),
        ("found", 0.6126, "*does* find"),
        ("percent", 38.7, "in percent"),
        ("a half", 0.5, "Your answer is not right"),
        ("every row", [1.0, 0.0], "shape (2,) came"),
    ],
    "07.4": [
        ("gradient x input", lambda f, x, b: x * slopes(f, x), "this is gradient x input"),
        ("slopes at the end", lambda f, x, b: (x - b) * slopes(f, x), "at the end of the way"),
        ("times x", lambda f, x, b: x * mean_slopes(f, x, b), "you multiply by x"),
        ("not multiplied", lambda f, x, b: mean_slopes(f, x, b), "these are the mean slopes"),
        ("slopes at the beginning", lambda f, x, b: (x - b) * slopes(f, b), "at the beginning of"),
        ("other way", lambda f, x, b: (b - x) * mean_slopes(f, x, b), "all signs are reversed"),
        ("slopes in x", slopes_in_x, "each point moves only t times as far"),
        (
            "times x, from zero",
            lambda f, x, b: x * mean_slopes(f, x, 0 * x),
            "you multiply by x; the way is x - baseline long. (And that is not all",
        ),
        ("0 / 0", shares_of_the_change, "x is the baseline': your answer holds NaN"),
        (
            "four inputs",
            lambda f, x, b: ig_batch(f, x, b) if len(x) < 4 else 0 * x,
            "random curve': your parts",
        ),
        ("from zero", lambda f, x, b: (x - b) * mean_slopes(f, x, 0 * x), "begins at zero"),
        ("leave-one-out", without_one, "this is leave-one-out"),
        ("absolute", lambda f, x, b: ig_batch(f, x, b).abs(), "keep the signs"),
        ("sum", lambda f, x, b: 50 * torch.tensor(ig_loop(f, x, b, 50)), "times too large"),
        (".grad adds up", grad_never_cleared, "times too large"),
        ("one step", few_steps, "from another baseline': your parts add up to -5.646"),
        ("x is changed", changes_x, "changes its input"),
        ("shared evenly", split_evenly, "from another baseline': your answer is not right"),
        (
            "rolled",
            lambda f, x, b: (
                ig_batch(f, x, b).roll(1) + torch.tensor([0.5, -0.5] + [0.0] * (len(x) - 2))
            ),
            "from zero': your answer is not right",
        ),
        ("one number", lambda f, x, b: f(x) - f(b), "a single number came, but shape (2,)"),
    ],
}
