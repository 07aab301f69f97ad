"""The exercises of notebook 07: masks in three dialects, a wrong map, integrated gradients."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..attention import scaled_dot_product_attention
from .comparing import (
    AnswerError,
    close,
    compare,
    name_of,
    numbers_or_none,
    shape_of,
    shown,
    to_numbers,
)
from .exercise import Draw, Exercise, Mistake, Rule

# --- 07.1 masks -------------------------------------------------------------------------------

MASKS = ("key_padding_mask", "attn_mask of the function", "attn_mask of the module")


def dialect_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments known, n_heads."""
    return {
        "1 entry, 3 slots, 1 head": (torch.tensor([[True, True, False]]), 1),
        "2 entries, 3 slots, 2 heads": (
            torch.tensor([[True, True, False], [False, True, False]]),
            2,
        ),
        "random entries, 3 heads": (draw.mask(4, 5), 3),
    }


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
        try:
            got = to_numbers(mask, f"your {name}")
        except AnswerError as error:
            return str(error)
        if got.shape != tuple(right.shape):
            wanted = shape_of(to_numbers(right))
            return f"your {name} has {shape_of(got)}, but {wanted} is asked for."
    return None


def same(mask, other) -> bool:
    """Whether two masks hold the same."""
    return np.array_equal(to_numbers(mask), to_numbers(other), equal_nan=True)


def blocks_the_known(answer, known, n_heads) -> str | None:
    """First mask inverted."""
    if same(answer[0], known):
        return "your key_padding_mask is the wrong way round: in the module True means blocked."
    return None


def keeps_the_unknown(answer, known, n_heads) -> str | None:
    """Second mask inverted."""
    if same(answer[1], ~known[:, None, None]):
        return "your attn_mask of the function is the wrong way round: there True means kept."
    return None


def is_no_bool(answer, known, n_heads) -> str | None:
    """Numbers where True and False are meant."""
    for name, mask in zip(MASKS[:2], answer):
        kind = str(getattr(mask, "dtype", "bool"))
        if "float" in kind:
            return f"your {name} is {kind}: PyTorch adds such numbers to the scores. Make it bool."
        if "bool" not in kind:
            return f"your {name} is {kind}: PyTorch refuses whole numbers. Make it bool."
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
        return "your third mask has minus infinity where something is known: invert it."
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
    if same(answer[2], dialects(known, n_heads)[2]):
        return None  # with one entry or one head there is no other order
    if same(answer[2], one.repeat(n_heads, 1, 1).reshape(-1, n, n)):
        return "your third mask goes through all entries for head 1, then for head 2. The module "\
            "wants all heads of entry 1, then those of entry 2."  # fmt: skip
    return None


def masks_equal(answer, known, n_heads) -> str | None:
    """Whatever else is wrong."""
    for name, right, mask in zip(MASKS, dialects(known, n_heads), answer):
        try:
            compare(right, mask, 1e-4, what=f"your {name}")
        except AnswerError as error:
            wanted, got = shown(error.values["expected"]), shown(error.values["got"])
            return f"{error} Expected:\n{wanted}\nbut got:\n{got}"
    return None


THIRD = (
    "blocked = torch.zeros(batch, n, n).masked_fill(~known[:, None, :], -torch.inf), then "
    "blocked.repeat_interleave(n_heads, dim=0)"
)

three_dialects = Exercise(
    "07.1",
    "One mask, three dialects",
    level="Medium",
    minutes=15,
    stub='''def dialects(known, n_heads):
    """Three masks that say the same."""
    batch, n = known.shape
    padding = ...
    kept = ...
    added = ...
    return padding, kept, added''',
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
        Rule(three_masks, "Print the .shape of each, and compare with the text."),
        Rule(blocks_the_known, "~known turns True and False round."),
        Rule(keeps_the_unknown, "known[:, None, None], without ~."),
        Rule(is_no_bool, "mask.bool()"),
        Rule(zero_times_infinity, THIRD),
        Rule(finite, THIRD),
        Rule(adds_to_the_known, THIRD),
        Rule(zeros_and_ones, THIRD),
        Rule(blocks_queries, "known[:, None, :] blocks columns, known[:, :, None] rows."),
        Rule(heads_apart, "repeat_interleave puts the copies of one entry side by side."),
        Rule(masks_equal, THIRD),
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


def attention_module(draw: Draw, d_model: int, n_heads: int) -> nn.Module:
    """In training mode, with dropout."""
    module = SameDropout(d_model, n_heads, dropout=0.5, batch_first=True)
    with torch.no_grad():
        module.in_proj_weight.copy_(draw.numbers(3 * d_model, d_model) / 2)
    return module


def map_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments module, x, known. The module is in training mode, with dropout."""
    fixed = Draw(1)  # with these numbers dropout takes known slots in every entry
    some = torch.tensor([[True, True, False, True], [False, True, True, False]])
    nothing = torch.tensor([[True, False, True, True], [False] * 4])
    return {
        "two entries, each with unknown slots": (
            attention_module(fixed, 8, 2), fixed.numbers(2, 4, 8), some,
        ),
        "an entry of which nothing is known": (
            attention_module(fixed, 8, 2), fixed.numbers(2, 4, 8), nothing,
        ),
        "random entries": (
            attention_module(draw, 12, 3), draw.numbers(3, 5, 12), draw.mask(3, 5),
        ),
    }  # fmt: skip


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


def maps(answer, module, known) -> np.ndarray | None:
    """The answer's numbers if there is one map for each entry and head."""
    n = known.shape[1]
    return numbers_or_none(answer, (len(known), module.num_heads, n, n))


def heads_averaged(answer, module, x, known) -> str | None:
    """One map where there should be two."""
    if numbers_or_none(answer, (*known.shape, known.shape[1])) is None:
        return None
    return "the heads are averaged: one map for each entry is left. Ask for one for each head."


def on_both(answer, module, x, known) -> tuple[np.ndarray, np.ndarray] | None:
    """Total weight on unknown and on known slots of each entry that has some."""
    if (got := maps(answer, module, known)) is None:
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


def rows_emptied(answer, module, x, known) -> str | None:
    """Rows of unknown slots set to 0."""
    if (got := maps(answer, module, known)) is None:
        return None
    empty = ~got.any(axis=(1, 3))  # (entries, rows)
    unknown = ~known.numpy() & known.any(dim=1, keepdim=True).numpy()
    if not unknown.any() or not empty[unknown].all() or empty[known.numpy()].any():
        return None
    return (
        "the rows of unknown slots are emptied. Nobody may look *at* them, that is their columns; "
        "their own rows stay."
    )


def dropped(answer, module, x, known) -> str | None:
    """A known slot without weight, though another one in its row has some."""
    if (got := maps(answer, module, known)) is None:
        return None
    places = np.broadcast_to(known.numpy()[:, None, None], got.shape)
    rows = (got > 0).any(axis=-1, keepdims=True)
    if (got[places] >= 0).all() and ((got == 0) & places & rows).any():
        return "known slots have a weight of exactly 0: dropout took them. Explain in eval mode."
    return None


def unknown_entry(answer, module, x, known) -> str | None:
    """The row of an entry of which nothing is known."""
    got = maps(answer, module, known)
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
    level="Hard",
    minutes=20,
    stub='''def head_maps(module, x, known):
    """Weights to be shown, `(batch, n_heads, n, n)`."""
    _, weights = module(x, x, x, key_padding_mask=known)
    return weights''',
    hints=(
        "There are four faults: heads, mask, mode, and an entry of which nothing is known. Print "
        "weights.shape and weights.sum(dim=-1).",
        "average_attn_weights=False keeps the heads; ~known blocks what is unknown; module.eval() "
        "switches dropout off. And afterwards? The training goes on: module.train() puts it back.",
        "An entry of which nothing is known gives NaN: weights.nan_to_num(0.0). (If somebody needs "
        "gradients, let all be open there and empty the map afterwards.)",
    ),
    right=head_maps,
    cases=map_cases,
    debug=True,
    axes=("entry", "head", "row", "column"),
    mistakes=(
        Mistake(
            "this still gives what the code gave: all four faults are there.",
            "Begin with the heads: what shape should come out? average_attn_weights=False.",
            colleagues_maps,
        ),
    ),
    rules=(
        Rule(heads_averaged, "average_attn_weights=False in the call of the module."),
        Rule(turned_round, "key_padding_mask=~known"),
        Rule(not_masked, "key_padding_mask=~known"),
        Rule(rows_emptied, "key_padding_mask=~known blocks columns."),
        Rule(dropped, "module.eval() before the call, module.train() after it."),
        Rule(unknown_entry, "weights.nan_to_num(0.0)"),
    ),
)

# --- 07.3 predict, then measure: what the doctor misses -----------------------------------------

SUMS = "sums = module(x[:, :1], x, x)[1].sum(dim=-1); ((sums - 1).abs() < 1e-5).double().mean()"

missed = Exercise(
    "07.3",
    "Predict, then measure: what the doctor misses",
    level="Medium",
    minutes=10,
    stub="""prediction = ...
module = nn.MultiheadAttention(4, 1, dropout=0.1, batch_first=True)
x = torch.ones(10_000, 10, 4)
measured = ...""",
    hints=(
        "Ten slots of weight 0.1. With dropout 0.1 each one is either 0 or 0.1 / 0.9. How many "
        "must be left so that the row sums to 1?",
        "weights = module(x[:, :1], x, x)[1]: one query for each row of x. Sum each row.",
        "sums = weights.sum(dim=-1), then the mean of (sums - 1).abs() < 1e-5. "
        "The sums of numbers with rounding are rarely exactly 1.",
    ),
    right=lambda: 10 * 0.9**9 * 0.1,
    predict=True,
    share=True,
    tolerance=0.02,  # 10,000 rows at random
    mistakes=(
        Mistake(
            "no row at all: did you ask for exactly 1? Rounded sums can miss it. Allow 1e-5.",
            SUMS,
            lambda: 0.0,
        ),
        Mistake(
            "all rows: either the module is in eval mode, or you allow for more than rounding "
            "(1e-5 is enough). A fresh module is in training mode.",
            SUMS,
            lambda: 1.0,
        ),
        Mistake(
            "this is the share of *weights* that are kept. Asked is the share of *rows*.",
            "Sum each row first: weights.sum(dim=-1).",
            lambda: 0.9,
        ),
        Mistake(
            "this is the share of rows in which nothing was dropped. They sum to 1.11.",
            "Each kept weight is 0.1 / 0.9. How many of them make 1?",
            lambda: 0.9**10,
        ),
        Mistake(
            "this is the share of rows that the doctor *does* find. Asked are those it misses.",
            "The doctor misses the rows that sum to 1.",
            lambda: 1 - 10 * 0.9**9 * 0.1,
        ),
    ),
)

# --- 07.4 integrated gradients ------------------------------------------------------------------


def product(x):
    """x0 * x1: two factors share the credit."""
    return x[..., 0] * x[..., 1]


def saturated(x):
    """3 tanh(x0) - x1**2 + x0 * x2: flat where x0 is large; x1 counts against."""
    return 3 * torch.tanh(x[..., 0]) - x[..., 1] ** 2 + x[..., 0] * x[..., 2]


def gradient_cases(draw: Draw) -> dict[str, tuple]:
    """Arguments f, x, baseline."""
    slopes, bends = draw.numbers(4), draw.numbers(4)

    def random_curve(x):
        return x @ slopes + (x**2) @ bends + x[..., 0] * x[..., 3]

    return {
        "x0 * x1, from zero": (product, torch.tensor([2.0, 3.0]), torch.zeros(2)),
        "a flat end, from another baseline": (
            saturated,
            torch.tensor([3.0, 2.0, -1.0]),
            torch.tensor([0.5, 1.0, 1.0]),
        ),
        "x is the baseline": (product, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])),
        "a random curve": (random_curve, draw.numbers(4), draw.numbers(4)),
    }


def gradient(f, x) -> torch.Tensor:
    """The slopes of f at one point or at many: the shape of x."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(f(x).sum(), x)[0]


MIDDLES = (torch.arange(2000) + 0.5) / 2000  # of 2000 equal parts of the way


def attributions_with(
    start=lambda baseline: baseline,
    length=lambda x, baseline: x - baseline,
    points=MIDDLES,
    weigh=lambda t: 1.0,
):
    """Integrated gradients: the mean slope on the way times its length, or something else."""

    def attributions(f, x, baseline):
        t = points[:, None]
        way = start(baseline) + t * (x - start(baseline))
        return length(x, baseline) * (weigh(t) * gradient(f, way)).mean(dim=0)

    return attributions


def one_left_out(f, x, baseline) -> torch.Tensor:
    """Each input in turn set to the baseline."""
    return torch.stack(
        [f(x) - f(torch.where(torch.arange(len(x)) == i, baseline, x)) for i in range(len(x))]
    )


def slopes_added(answer, f, x, baseline) -> str | None:
    """The sum over the steps in place of the mean: a whole multiple of the right one."""
    right = to_numbers(attributions_with()(f, x, baseline))
    got = numbers_or_none(answer, right.shape)
    if got is None or not right[0] or not (ratio := got[0] / right[0]) > 1.5:
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
    got = numbers_or_none(answer, x.shape)
    if got is None or np.isnan(got).any() or abs(got.sum() - wanted) <= 0.02 * (1 + abs(wanted)):
        return None
    return f"your parts add up to {got.sum():.3f}, but f(x) - f(baseline) is {wanted:.3f}."


MEAN = "Sum the slopes at 1000 points of the way, divide by 1000, multiply by (x - baseline)."

by_hand = Exercise(
    "07.4",
    "Integrated gradients by hand",
    level="Hard",
    minutes=25,
    stub='''def attributions(f, x, baseline):
    """One part for each input, `(d,)`."""
    n_steps = 1000
    total = torch.zeros_like(x)
    for step in range(n_steps):
        t = (step + 0.5) / n_steps  # the middle of this step
        ...
    return ...''',
    hints=(
        "The way is straight: the point at t is baseline + t * (x - baseline), t from 0 to 1.",
        "At each point you need the slopes of f: point.requires_grad_(), then "
        "torch.autograd.grad(f(point), point)[0]. Add them to total.",
        "total / n_steps is the mean of the slopes. Times (x - baseline). Then compare the sum of "
        "the parts with f(x) - f(baseline).",
    ),
    way=attributions_with,
    cases=gradient_cases,
    axes=("input",),
    tolerance=1e-2,
    mistakes=(
        Mistake(
            "this is gradient x input: the slopes at x alone. Take their mean on the whole way.",
            MEAN,
            lambda f, x, baseline: x * gradient(f, x),
        ),
        Mistake(
            "you take the slopes at the end of the way only; take their mean on the whole way.",
            MEAN,
            changes={"points": torch.ones(1)},
        ),
        Mistake(
            "you take the slopes at the beginning of the way only; take their mean on the whole "
            "way.",
            MEAN,
            changes={"points": torch.zeros(1)},
        ),
        Mistake(
            "you multiply by x; the way is x - baseline long.",
            "(x - baseline), not x.",
            changes={"length": lambda x, baseline: x},
        ),
        Mistake(
            "these are the mean slopes; multiply each by the length of its way, x - baseline.",
            "total / n_steps * (x - baseline)",
            changes={"length": lambda x, baseline: 1.0},
        ),
        Mistake(
            "the way goes from x to the baseline: all signs are reversed.",
            "(x - baseline), not (baseline - x).",
            changes={"length": lambda x, baseline: baseline - x},
        ),
        Mistake(
            "your way begins at zero; it must begin at the baseline.",
            "point = baseline + t * (x - baseline)",
            changes={"start": torch.zeros_like},
        ),
        Mistake(
            "you ask for the slopes in x, and each point moves only t times as far as x. Ask for "
            "the slopes at the point itself.",
            "point.requires_grad_(), and torch.autograd.grad(f(point), point).",
            changes={"weigh": lambda t: t},
        ),
        Mistake(
            "this is leave-one-out: you set one input after the other to its baseline.",
            MEAN,
            one_left_out,
        ),
        Mistake(
            "keep the signs: an input can speak against.",
            "Leave out abs().",
            lambda *case: attributions_with()(*case).abs(),
        ),
    ),
    rules=(
        Rule(slopes_added, "Divide by the number of steps; take a new tensor for each point."),
        Rule(adds_up, MEAN),
    ),
)

EXERCISES = [three_dialects, wrong_map, missed, by_hand]
