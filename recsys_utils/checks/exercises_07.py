"""The exercises of notebook 07: masks in three dialects, a wrong map, integrated gradients."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..attention import scaled_dot_product_attention
from .comparing import AnswerError, close, compare, name_of, shape_of, to_numbers
from .exercise import Exercise, Mistake


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers of this shape, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# --- 07.1 masks -------------------------------------------------------------------------------

MASKS = ("key_padding_mask", "attn_mask of the function", "attn_mask of the module")


def dialect_cases() -> dict[str, tuple]:
    """Arguments known, n_heads."""
    known = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)
    return {"3 entries, 4 slots, 2 heads": (known, 2)}


def dialects(known, n_heads):
    """The three masks."""
    batch, n = known.shape
    added = torch.zeros(batch, n).masked_fill(~known, -torch.inf)
    added = added[:, None, None].expand(batch, n_heads, n, n).reshape(-1, n, n)
    return ~known, known[:, None, None], added


def three_masks(answer, known, n_heads) -> str | None:
    """Three of them, of the right shapes."""
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        came = f"{len(answer)}" if isinstance(answer, tuple | list) else name_of(answer)
        return f"give back three masks, not {came}."
    for name, right, mask in zip(MASKS, dialects(known, n_heads), answer):
        if (got := to_numbers(mask, f"your {name}")).shape != tuple(right.shape):
            wanted = shape_of(to_numbers(right))
            return f"your {name} has {shape_of(got)}, but {wanted} was expected."
    return None


def same(mask, other) -> bool:
    """Whether two masks hold the same."""
    return np.array_equal(to_numbers(mask), to_numbers(other), equal_nan=True)


def blocks_the_known(answer, known, n_heads) -> str | None:
    """First mask turned round."""
    if same(answer[0], known):
        return "your key_padding_mask is the wrong way round: in the module True means blocked."
    return None


def keeps_the_unknown(answer, known, n_heads) -> str | None:
    """Second mask turned round."""
    if same(answer[1], ~known[:, None, None]):
        return "your attn_mask of the function is the wrong way round: there True means kept."
    return None


def is_added(answer, known, n_heads) -> str | None:
    """0.0 and 1.0 where True and False are meant."""
    for name, mask in zip(MASKS[:2], answer):
        kind = str(getattr(mask, "dtype", ""))
        if "float" in kind:
            return f"your {name} is {kind}: PyTorch adds such numbers to the scores. Make it bool."
    return None


def zero_times_infinity(answer, known, n_heads) -> str | None:
    """(~known) * -inf."""
    if np.isnan(to_numbers(answer[2])).any():
        return "your third mask holds NaN: 0 times minus infinity is no number. Fill instead."
    return None


def finite(answer, known, n_heads) -> str | None:
    """-1e9 as in heatmap 3."""
    lowest = to_numbers(answer[2]).min()
    if -np.inf < lowest <= -1e3:
        return f"{lowest:g} in your third mask is not out of the race; minus infinity is."
    return None


def adds_to_the_known(answer, known, n_heads) -> str | None:
    """Minus infinity in the wrong places."""
    if same(answer[2], dialects(~known, n_heads)[2]):
        return "your third mask has minus infinity where something is known: turn it round."
    return None


def zeros_and_ones(answer, known, n_heads) -> str | None:
    """Booleans in the third mask."""
    if set(np.unique(to_numbers(answer[2]))) <= {0.0, 1.0}:
        return "your third mask holds True and False; asked are numbers that are added to scores."
    return None


def blocks_queries(answer, known, n_heads) -> str | None:
    """The rows in place of the columns."""
    if same(answer[2], dialects(known, n_heads)[2].mT):
        return "your third mask blocks rows, the queries. Nobody may look *at* an unknown slot: "\
            "block columns, the keys."  # fmt: skip
    return None


def heads_apart(answer, known, n_heads) -> str | None:
    """`repeat` in place of `repeat_interleave`."""
    n = known.shape[1]
    one = dialects(known, 1)[2]
    if same(answer[2], one.repeat(n_heads, 1, 1).reshape(-1, n, n)):
        return "your third mask goes through all entries for head 1, then for head 2. The module "\
            "wants all heads of entry 1, then those of entry 2."  # fmt: skip
    return None


def masks_equal(answer, known, n_heads) -> str | None:
    """Whatever else is wrong."""
    for name, right, mask in zip(MASKS, dialects(known, n_heads), answer):
        compare(right, mask, 1e-4, f"your {name}")
    return None


three_dialects = Exercise(
    "07.1",
    "One mask, three dialects",
    hints=(
        "Ask of each: does True mean blocked or kept? In the module's key_padding_mask it means "
        "blocked, in the function's attn_mask kept.",
        "known[:, None, None] has the shape (batch, 1, 1, n) and fits all heads and queries. "
        "known[:, None, :] means: the same keys for every query.",
        "For the third: torch.zeros(batch, n, n).masked_fill(~known[:, None, :], -torch.inf), then "
        ".repeat_interleave(n_heads, dim=0).",
    ),
    cases=dialect_cases,
    rules=(
        three_masks,
        blocks_the_known,
        keeps_the_unknown,
        is_added,
        zero_times_infinity,
        finite,
        adds_to_the_known,
        zeros_and_ones,
        blocks_queries,
        heads_apart,
        masks_equal,
    ),
)

# --- 07.2 debug this: a map from the built-in ---------------------------------------------------


class SameDropout(nn.MultiheadAttention):
    """Drops the same weights in every call, and leaves the notebook's random numbers alone."""

    def forward(self, *arguments, **named):
        """As the module's, from seed 2."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            return super().forward(*arguments, **named)


def map_cases() -> dict[str, tuple]:
    """Arguments module, x, known. The module is in training mode, with dropout."""
    module = SameDropout(8, 2, dropout=0.5, batch_first=True).double()
    with torch.no_grad():
        module.in_proj_weight.copy_(numbers(24, 8) / 2)
    some = torch.tensor([[True, True, False, True], [False, True, True, False]])
    nothing = torch.tensor([[True, False, True, True], [False] * 4])
    return {
        "two entries, each with unknown slots": (module, numbers(2, 4, 8, seed=1), some),
        "an entry of which nothing is known": (module, numbers(2, 4, 8, seed=2), nothing),
    }


def colleagues_maps(module, x, known):
    """The faulty function of the stub."""
    _, weights = module(x, x, x, key_padding_mask=known)
    return weights


def head_maps(module, x, known):
    """What should come out, from the module's matrices."""
    query, key, _ = F.linear(x, module.in_proj_weight, module.in_proj_bias).chunk(3, dim=-1)
    query, key = (
        part.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for part in (query, key)
    )
    return scaled_dot_product_attention(query, key, key, known[:, None, None]).weights.detach()


def maps(answer, shape) -> np.ndarray | None:
    """The answer's numbers if they have this shape."""
    try:
        got = to_numbers(answer)
    except AnswerError:
        return None
    return got if got.shape == tuple(shape) else None


def heads_averaged(answer, module, x, known) -> str | None:
    """One map where there should be two."""
    if maps(answer, (*known.shape, known.shape[1])) is None:
        return None
    return "the heads are averaged: one map for each entry is left. Ask for one for each head."


def on_both(answer, module, x, known) -> tuple[np.ndarray, np.ndarray] | None:
    """Total weight on unknown and on known slots of each entry that has some."""
    n = known.shape[1]
    if (got := maps(answer, (len(known), module.num_heads, n, n))) is None:
        return None
    some = known.any(dim=1).numpy()
    on_slots, known = got[some].sum(axis=(1, 2)), known.numpy()[some]
    return (on_slots * ~known).sum(axis=1), (on_slots * known).sum(axis=1)


def turned_round(answer, module, x, known) -> str | None:
    """All weight on what is unknown."""
    both = on_both(answer, module, x, known)
    if both and (both[0] > 0).all() and (both[1] == 0).all():
        return "all weight lies on unknown slots: in this module True means blocked."
    return None


def not_masked(answer, module, x, known) -> str | None:
    """Weight on both."""
    both = on_both(answer, module, x, known)
    if both and (both[0] > 0).all() and (both[1] > 0).all():
        return "unknown slots get weight as well: the mask does nothing."
    return None


def dropped(answer, module, x, known) -> str | None:
    """A known slot without weight, though another one has some."""
    n = known.shape[1]
    if (got := maps(answer, (len(known), module.num_heads, n, n))) is None:
        return None
    some = known.any(dim=1).numpy()
    places = np.broadcast_to(known.numpy()[:, None, None], got.shape)
    if (got[some] >= 0).all() and (got[some] > 0).any() and (got[places] == 0).any():
        return "known slots have a weight of exactly 0: dropout took them. Explain in eval mode."
    return None


def unknown_entry(answer, module, x, known) -> str | None:
    """The row of an entry of which nothing is known."""
    n = known.shape[1]
    got = maps(answer, (len(known), module.num_heads, n, n))
    nothing = ~known.any(dim=1).numpy()
    if got is None or not nothing.any():
        return None
    if np.isnan(got[nothing]).all():
        return "an entry of which nothing is known gives NaN. Let its weights be zeros."
    if (got[nothing] > 0).any():
        return "nothing is known of an entry, yet its map has weights. Let them be zeros."
    return None


wrong_map = Exercise(
    "07.2",
    "Debug this: a map from the built-in",
    hints=(
        "There are four faults: heads, mask, mode, and an entry of which nothing is known. Print "
        "weights.shape and weights.sum(dim=-1).",
        "average_attn_weights=False keeps the heads; ~known blocks what is unknown; eval mode "
        "switches dropout off.",
        "For an entry of which nothing is known let all be open, and fill its weights with 0 "
        "afterwards: weights.masked_fill(nothing[:, None, None, None], 0.0)",
    ),
    right=head_maps,
    cases=map_cases,
    given=colleagues_maps,
    rules=(heads_averaged, turned_round, not_masked, dropped, unknown_entry),
)

# --- 07.3 predict, then measure: what the doctor misses -----------------------------------------

missed = Exercise(
    "07.3",
    "Predict, then measure: what the doctor misses",
    hints=(
        "Ten slots of weight 0.1. With dropout 0.1 each one is either 0 or 0.1 / 0.9. How many "
        "must be left so that the row sums to 1?",
        "module = nn.MultiheadAttention(4, 1, dropout=0.1, batch_first=True); ten equal keys: "
        "x = torch.ones(10_000, 10, 4). One query: x[:, :1].",
        "sums = module(x[:, :1], x, x)[1].sum(dim=-1), then the mean of (sums - 1).abs() < 1e-5. "
        "The sums of numbers with rounding are rarely exactly 1.",
    ),
    right=lambda: 10 * 0.9**9 * 0.1,
    predict=True,
    tolerance=0.02,  # 10,000 rows at random
    mistakes=(
        Mistake(
            "no row at all: did you ask for exactly 1? Rounded sums can miss it. Allow 1e-5.",
            lambda: 0.0,
        ),
        Mistake(
            "all rows sum to 1 only in eval mode. Here the module is in training mode.",
            lambda: 1.0,
        ),
        Mistake(
            "this is the share of *weights* that are kept. Asked is the share of *rows*.",
            lambda: 0.9,
        ),
        Mistake(
            "this is the share of rows in which nothing was dropped. They sum to 1.11.",
            lambda: 0.9**10,
        ),
        Mistake(
            "this is the share of rows that the doctor *does* find. Asked are those it misses.",
            lambda: 1 - 10 * 0.9**9 * 0.1,
        ),
        Mistake("give a share between 0 and 1, not percent.", lambda: 1000 * 0.9**9 * 0.1),
    ),
)

# --- 07.4 integrated gradients ------------------------------------------------------------------


def product(x):
    """Two factors share the credit."""
    return x[..., 0] * x[..., 1]


def saturated(x):
    """Flat where x[0] is large; x[1] counts against."""
    return 3 * torch.tanh(x[..., 0]) - x[..., 1] ** 2 + x[..., 0] * x[..., 2]


def gradient_cases() -> dict[str, tuple]:
    """Arguments f, x, baseline."""
    points = ((2.0, 3.0), (0.0, 0.0)), ((3.0, 2.0, -1.0), (0.5, 1.0, 1.0))
    points = [[torch.tensor(p, dtype=torch.float64) for p in pair] for pair in points]
    return {
        "a product, from zero": (product, *points[0]),
        "a flat end, from another baseline": (saturated, *points[1]),
    }


def gradient(f, x) -> torch.Tensor:
    """The slopes of f at one point or at many: the shape of x."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


def mean_gradient(f, x, baseline) -> torch.Tensor:
    """The mean slopes on the way from baseline to x."""
    t = ((torch.arange(2000) + 0.5) / 2000)[:, None]
    return gradient(f, baseline + t * (x - baseline)).mean(dim=0)


def attributions(f, x, baseline) -> torch.Tensor:
    """Integrated gradients."""
    return (x - baseline) * mean_gradient(f, x, baseline)


def one_left_out(f, x, baseline) -> torch.Tensor:
    """Each input in turn set to the baseline."""
    return torch.stack(
        [f(x) - f(torch.where(torch.arange(len(x)) == i, baseline, x)) for i in range(len(x))]
    )


def slopes_added(answer, f, x, baseline) -> str | None:
    """The sum over the steps in place of the mean: a whole multiple of the right one."""
    right = to_numbers(attributions(f, x, baseline))
    if (got := maps(answer, right.shape)) is None or not (ratio := got[0] / right[0]) > 1.5:
        return None
    if not close(right * ratio, got, 0.03).all():
        return None
    return (
        f"yours is about {ratio:.0f} times too large: take the mean of the slopes, not the sum. "
        "(`.grad` adds up as well, as long as nobody clears it.)"
    )


def adds_up(answer, f, x, baseline) -> str | None:
    """Completeness."""
    wanted = (f(x) - f(baseline)).item()
    if (got := maps(answer, x.shape)) is None or abs(got.sum() - wanted) <= 0.02 * (
        1 + abs(wanted)
    ):
        return None
    return f"your parts add up to {got.sum():.3f}, but f(x) - f(baseline) is {wanted:.3f}."


by_hand = Exercise(
    "07.4",
    "Integrated gradients by hand",
    hints=(
        "The way is straight: the point at t is baseline + t * (x - baseline), t from 0 to 1. Take "
        "the middles of 1000 equal parts.",
        "At each point you need the slopes of f: make it a tensor with .requires_grad_() and call "
        "torch.autograd.grad(f(point), point)[0]. A new tensor for each point: .grad adds up.",
        "Mean of the slopes over all points, times (x - baseline). Then compare the sum with "
        "f(x) - f(baseline).",
    ),
    right=attributions,
    cases=gradient_cases,
    tolerance=1e-2,
    mistakes=(
        Mistake(
            "this is gradient x input: the slopes at x alone. Take their mean on the whole way.",
            lambda f, x, baseline: x * gradient(f, x),
        ),
        Mistake(
            "you take the slopes at the end of the way only; take their mean on the whole way.",
            lambda f, x, baseline: (x - baseline) * gradient(f, x),
        ),
        Mistake(
            "you multiply by x; the way is x - baseline long.",
            lambda f, x, baseline: x * mean_gradient(f, x, baseline),
        ),
        Mistake(
            "these are the mean slopes; multiply each by the length of its way, x - baseline.",
            mean_gradient,
        ),
        Mistake(
            "your way begins at zero; it must begin at the baseline.",
            lambda f, x, baseline: (x - baseline) * mean_gradient(f, x, torch.zeros_like(x)),
        ),
        Mistake(
            "this is leave-one-out: you set one input after the other to its baseline.",
            one_left_out,
        ),
        Mistake(
            "keep the signs: an input can speak against.",
            lambda f, x, baseline: attributions(f, x, baseline).abs(),
        ),
    ),
    rules=(slopes_added, adds_up),
)

EXERCISES = [three_dialects, wrong_map, missed, by_hand]
