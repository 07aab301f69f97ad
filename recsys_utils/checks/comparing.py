"""Compare an answer with what was expected, whatever it is made of, and say how they differ."""

import numbers
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import torch

SMALL = 24  # so many numbers are shown in full


class AnswerError(Exception):
    """What is wrong with an answer, in the learner's terms; `values` stand below it."""

    def __init__(self, says: str, **values: Any) -> None:
        super().__init__(says)
        self.values = values


def unrolled(answer: Any) -> Any:
    """A list in place of a generator, `map` or `zip`, which can be read only once."""
    if isinstance(answer, Iterator) or type(answer).__name__ in ("dict_values", "dict_keys"):
        return [unrolled(part) for part in islice(answer, 1_000_000)]
    if type(answer) in (list, tuple):
        return type(answer)(unrolled(part) for part in answer)
    return answer


def to_numbers(answer: Any, what: str = "your answer") -> np.ndarray:
    """Numbers, fractions, lists, NumPy, pandas, torch of any dtype -> float64 array.

    Raises:
        AnswerError: it does not hold numbers, or its rows differ in length.
    """
    if isinstance(answer, torch.Tensor):
        if answer.is_complex():
            raise AnswerError(f"{what}: real numbers are asked for, but these are complex.")
        return answer.detach().cpu().to(torch.float64).numpy()
    if isinstance(answer, pd.Series | pd.DataFrame | pd.Index):
        answer = answer.to_numpy()
    if isinstance(answer, np.ndarray) and answer.dtype == object:
        answer = answer.tolist()
    if isinstance(answer, list | tuple | range):
        rows = [to_numbers(row, what) for row in answer]
        shapes = sorted({row.shape for row in rows})
        if len(shapes) > 1:
            raise AnswerError(f"{what}: its rows have different shapes, "
                              f"{shapes[0]} and {shapes[1]}.")  # fmt: skip
        return np.stack(rows) if rows else np.zeros(0)
    if isinstance(answer, complex):
        raise AnswerError(f"{what}: real numbers are asked for, but this one is complex.")
    if isinstance(answer, numbers.Number | np.ndarray | np.generic):
        try:
            array = np.asarray(answer, dtype=None if hasattr(answer, "dtype") else float)
        except OverflowError:
            raise AnswerError(f"{what}: a number is too large.") from None
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
    raise AnswerError(f"{what}: numbers are asked for, but this is {name_of(answer)}.")


def numbers_or_none(answer: Any, shape: tuple[int, ...] | None = None) -> np.ndarray | None:
    """The answer's numbers; None if it holds none, or if they have another shape than this."""
    try:
        found = to_numbers(answer)
    except AnswerError:
        return None
    return found if shape is None or found.shape == tuple(shape) else None


def name_of(answer: Any) -> str:
    """`a list`, `None`, `the text 'abc'`: what an answer is, for a message."""
    if answer is None:
        return "None (is a `return` missing?)"
    if answer is ...:
        return "still `...` (write this part, too)"
    if isinstance(answer, str):
        return f"the text {answer[:40]!r}"
    if callable(answer):
        return "a function (call it, and give the result)"
    if isinstance(answer, np.ndarray):
        return f"an array of {answer.dtype}"
    kind = type(answer).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def shape_of(array: np.ndarray) -> str:
    """`a single number` or `shape (2, 3)`."""
    return f"shape {array.shape}" if array.ndim else "a single number"


def close(expected: np.ndarray, got: np.ndarray, tolerance: float) -> np.ndarray:
    """Which entries agree: |expected - got| <= tolerance (1 + |expected|); NaN agrees with NaN."""
    return np.isclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def is_half(answer: Any) -> bool:
    """Whether these numbers have 3 digits only (half precision)."""
    return getattr(answer, "dtype", None) in (torch.float16, torch.bfloat16, np.float16)


def is_true_or_false(value: Any) -> bool:
    """Whether this is one truth value, or many."""
    return isinstance(value, bool) or getattr(value, "dtype", None) in (torch.bool, np.bool_)


def as_truth(array: np.ndarray) -> np.ndarray:
    """0 and 1 as False and True; other numbers as they are."""
    return array.astype(bool) if np.isin(array, (0, 1)).all() else array


def shown(value: Any) -> str:
    """A value as a learner would write it: 4 digits, whole numbers without a point, no -0."""
    if isinstance(value, str):
        return value
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if (array := numbers_or_none(value)) is None:
        return repr(value)[:200]
    if array.size > SMALL:
        return shape_of(array)
    if is_true_or_false(value):
        array = array.astype(bool)
    elif np.isfinite(array).all():
        array = array.round(4) + 0.0
        if (array == array.round()).all() and (abs(array) < 1e15).all():
            array = array.astype(int)
    with np.printoptions(precision=4, suppress=True, linewidth=75):
        return str(array)


class Words:
    """How an exercise calls the parts of its answer.

    Args:
        parts: the names of the things that are given back together ("context", "weights").
        axes: what the sizes of the answer count ("film", "slot").
    """

    def __init__(self, parts: tuple[str, ...] = (), axes: tuple[str, ...] = ()) -> None:
        self.parts = parts
        self.axes = axes

    def place(self, index: tuple[int, ...]) -> str:
        """`film 2, slot 0`, or `place (2, 0)`."""
        if len(self.axes) != len(index):
            return f"place {index}"
        return ", ".join(f"{axis} {i}" for axis, i in zip(self.axes, index))


def compare(
    expected: Any, got: Any, tolerance: float = 1e-4, words: Words | None = None,
    what: str = "your answer",
) -> None:  # fmt: skip
    """Nothing happens if `got` is right; containers and dtypes of numbers do not matter.

    Raises:
        AnswerError: it is not; the message names what was expected and what came.
    """
    words = words or Words()
    if isinstance(expected, tuple):
        names = words.parts or [f"part {i + 1}" for i in range(len(expected))]
        if not isinstance(got, tuple | list) or len(got) != len(expected):
            came = f"{len(got)} of them" if isinstance(got, tuple | list) else name_of(got)
            raise AnswerError(
                f"{what}: {len(expected)} things are asked for ({', '.join(names)}), not {came}."
            )
        for name, right, part in zip(names, expected, got):
            compare(right, part, tolerance, Words(axes=words.axes), f"{what} ({name})")
    elif isinstance(expected, str):
        if not isinstance(got, str):
            raise AnswerError(f"{what}: a text is asked for, but this is {name_of(got)}.")
        if " ".join(got.split()).casefold() != " ".join(expected.split()).casefold():
            raise AnswerError(f"{what} is not right.", expected=expected, got=got[:200])
    else:
        compare_numbers(expected, got, tolerance, words, what)


def compare_numbers(right: Any, got: Any, tolerance: float, words: Words, what: str) -> None:
    """The case of numbers: shape first, then NaN, then the values."""
    expected, found = to_numbers(right), to_numbers(got, what)
    if expected.ndim == 0 and found.size == 1:
        found = found.reshape(())
    both = {"expected": expected, "got": found}
    if is_true_or_false(right):
        both = {"expected": as_truth(expected), "got": as_truth(found)}
    if found.shape != expected.shape:
        says = f"{what}: {shape_of(found)} came, but {shape_of(expected)} is asked for."
        raise AnswerError(says, **both)
    agree = close(expected, found, 5e-3 if is_half(got) else tolerance)
    if agree.all():
        return
    if (np.isnan(found) & ~np.isnan(expected)).any():
        raise AnswerError(f"{what} holds NaN (not a number) where a number is asked for.", **both)
    if expected.size <= SMALL:
        raise AnswerError(f"{what} is not right.", **both)
    index = tuple(int(i) for i in np.argwhere(~agree)[0])
    places = f"{int((~agree).sum())} of {agree.size} numbers"
    raise AnswerError(
        f"{what} is not right: {places} are wrong, the first at {words.place(index)}.",
        expected=both["expected"][index],
        got=both["got"][index],
    )


Results = list[np.ndarray]


def in_numbers(results: list[Any]) -> Results | None:
    """All results as numbers; None if one of them is something else."""
    found = [numbers_or_none(result) for result in results]
    return None if any(array is None for array in found) else found


def is_always(
    change: Callable[[np.ndarray], np.ndarray], right: Results, found: Results, tolerance: float
) -> bool:
    """Whether this change of the right results gives the answer's, in every case."""
    for expected, got in zip(right, found):
        changed = change(expected)
        if changed.shape != got.shape or not close(changed, got, tolerance).all():
            return False
    return True


def turned_round(
    expected: list[Any], got: list[Any], tolerance: float, share: bool = False
) -> str | None:
    """Whether all results are reversed: True for False, minus for plus, percent for a share.

    Args:
        expected: the right result of each case.
        got: the answer's.
        tolerance: as in `compare`.
        share: the result is a share from 0 to 1.
    """
    right, found = in_numbers(expected), in_numbers(got)
    if right is None or found is None:
        return None
    if all(map(is_true_or_false, expected)) and is_always(lambda e: 1 - e, right, found, tolerance):
        return "True and False have changed places."
    if share and is_always(lambda e: 100 * e, right, found, tolerance):
        return "this is in percent. Give a share between 0 and 1."
    if share and is_always(lambda e: 1 - e, right, found, tolerance):
        return "this is 1 minus the right share."
    if is_always(lambda e: -e, right, found, tolerance):
        return "your numbers have the wrong sign: plus and minus have changed places."
    return None


def rearranged(expected: list[Any], got: list[Any], tolerance: float) -> str | None:
    """Whether all results are the right numbers in another place, size or step."""
    right, found = in_numbers(expected), in_numbers(got)
    if right is None or found is None or all(map(is_true_or_false, expected)):
        return None
    if is_always(lambda e: e.T if e.ndim == 2 else e, right, found, tolerance):
        return "rows and columns have changed places."
    if any(e.shape != g.shape or not np.isfinite(g).all() for e, g in zip(right, found)):
        return None
    if is_always(lambda e: np.flip(e, -1) if e.ndim else e, right, found, tolerance):
        return "these are the right numbers in the reverse order."
    if all(close(np.sort(e, None), np.sort(g, None), tolerance).all()
           for e, g in zip(right, found)):  # fmt: skip
        return "these are the right numbers in another order."
    return multiple(right, found, tolerance)


def multiple(right: Results, found: Results, tolerance: float) -> str | None:
    """Whether all numbers are the same factor, or the same step, away from the right ones."""
    e = np.concatenate([array.reshape(-1) for array in right])
    g = np.concatenate([array.reshape(-1) for array in found])
    if e.size < 3:  # of one or two numbers this says nothing
        return None
    factor = (e @ g) / (e @ e) if e.any() else 0.0
    if factor > 0 and close(factor * e, g, tolerance * min(1.0, factor)).all():
        return f"all your numbers are {factor:.4g} times as large as they should be."
    step = (g - e).mean()
    if close(e + step, g, tolerance).all():
        more = "more" if step > 0 else "less"
        return f"all your numbers are {abs(step):.4g} {more} than they should be."
    return None
