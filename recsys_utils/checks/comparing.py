"""Compare an answer with what was expected, whatever it is made of, and say how they differ."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch


class AnswerError(Exception):
    """What is wrong with an answer, in the learner's terms."""


def to_numbers(answer: Any, what: str = "your answer") -> np.ndarray:
    """Numbers, lists, tuples, NumPy, pandas, torch of any dtype -> float64 array.

    Raises:
        AnswerError: it does not hold numbers, or its rows differ in length.
    """
    if isinstance(answer, torch.Tensor):
        if answer.is_complex():
            raise AnswerError(f"{what} should hold real numbers, but is complex.")
        return answer.detach().cpu().to(torch.float64).numpy()
    if isinstance(answer, pd.Series | pd.DataFrame | pd.Index):
        answer = answer.to_numpy()
    if isinstance(answer, list | tuple):
        rows = [to_numbers(row, what) for row in answer]
        shapes = sorted({row.shape for row in rows})
        if len(shapes) > 1:
            raise AnswerError(f"{what} has rows of different shapes: {shapes[0]} and {shapes[1]}.")
        return np.stack(rows) if rows else np.zeros(0)
    if isinstance(answer, bool | int | float | np.ndarray | np.generic):
        array = np.asarray(answer)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
    raise AnswerError(f"{what} should be numbers, but is {name_of(answer)}.")


def name_of(answer: Any) -> str:
    """`a list`, `None`, `the text 'abc'`: what an answer is, for a message."""
    if answer is None:
        return "None (is a `return` missing?)"
    if isinstance(answer, str):
        return f"the text {answer[:40]!r}"
    if callable(answer):
        return "a function (call it, and give the result)"
    if isinstance(answer, np.ndarray):
        return f"an array of {answer.dtype}"
    kind = type(answer).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def inside(what: str, part: str) -> str:
    """`your answer` -> `your answer (weights)` -> `your answer (weights, number 2)`."""
    return f"{what[:-1]}, {part})" if what.endswith(")") else f"{what} ({part})"


def shape_of(array: np.ndarray) -> str:
    """`a single number` or `shape (2, 3)`."""
    return f"shape {array.shape}" if array.ndim else "a single number"


def close(expected: np.ndarray, got: np.ndarray, tolerance: float) -> np.ndarray:
    """Which entries agree: |expected - got| <= tolerance (1 + |expected|); NaN agrees with NaN."""
    return np.isclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def is_half(answer: Any) -> bool:
    """Whether these numbers have 3 digits only (half precision)."""
    return getattr(answer, "dtype", None) in (torch.float16, torch.bfloat16, np.float16)


def compare(expected: Any, got: Any, tolerance: float = 1e-4, what: str = "your answer") -> None:
    """Nothing happens if `got` is right; containers and dtypes of numbers do not matter.

    Raises:
        AnswerError: it is not; the message names what was expected and what came.
    """
    if isinstance(expected, tuple):
        names = getattr(expected, "_fields", [f"part {i + 1}" for i in range(len(expected))])
        if not isinstance(got, tuple | list) or len(got) != len(expected):
            came = f"{len(got)} of them" if isinstance(got, tuple | list) else name_of(got)
            raise AnswerError(
                f"{what} should be {len(expected)} things ({', '.join(names)}), not {came}."
            )
        for name, right, part in zip(names, expected, got):
            compare(right, part, tolerance, inside(what, name))
    elif isinstance(expected, Mapping):
        if isinstance(got, pd.Series):
            got = got.to_dict()
        if not isinstance(got, Mapping):
            raise AnswerError(f"{what} should be a dictionary, but is {name_of(got)}.")
        for key in expected:
            if key not in got:
                raise AnswerError(f"{what} has no entry for {key!r}.")
            compare(expected[key], got[key], tolerance, inside(what, repr(key)))
        if extra := [key for key in got if key not in expected]:
            raise AnswerError(f"{what} has an entry too many: {extra[0]!r}.")
    elif isinstance(expected, str):
        if not isinstance(got, str):
            raise AnswerError(f"{what} should be a text, but is {name_of(got)}.")
        if " ".join(got.split()).casefold() != " ".join(expected.split()).casefold():
            raise AnswerError(
                f"{what} is not right.\n  expected: {expected}\n  got:      {got[:200]}"
            )
    elif isinstance(expected, list):  # words, in order
        if isinstance(got, pd.Series | pd.Index | np.ndarray):
            got = got.tolist()
        if not isinstance(got, list | tuple) or len(got) != len(expected):
            came = f"{len(got)} of them" if isinstance(got, list | tuple) else name_of(got)
            raise AnswerError(f"{what} should be a list of {len(expected)}, not {came}.")
        for place, (right, part) in enumerate(zip(expected, got), start=1):
            compare(right, part, tolerance, inside(what, f"number {place}"))
    else:
        compare_numbers(to_numbers(expected), got, tolerance, what)


def compare_numbers(expected: np.ndarray, got: Any, tolerance: float, what: str) -> None:
    """The case of numbers: shape first, then NaN, then the values."""
    numbers = to_numbers(got, what)
    if expected.ndim == 0 and numbers.size == 1:
        numbers = numbers.reshape(())
    if numbers.shape != expected.shape:
        raise AnswerError(f"{what} has {shape_of(numbers)}, but {shape_of(expected)} was expected.")
    right = close(expected, numbers, 5e-3 if is_half(got) else tolerance)
    if right.all():
        return
    if (np.isnan(numbers) & ~np.isnan(expected)).any():
        raise AnswerError(f"{what} holds NaN (not a number) where a number was expected.")
    if expected.size <= 12:
        with np.printoptions(precision=4, suppress=True, linewidth=90):
            came = f"\n  expected: {expected.round(4)}\n  got:      {numbers.round(4)}"
        raise AnswerError(f"{what} is not right." + came.replace("\n   ", "\n            "))
    place = tuple(int(i) for i in np.argwhere(~right)[0])
    raise AnswerError(
        f"{what} is not right at {int((~right).sum())} of {right.size} places."
        f"\n  first at {place}: expected {expected[place]:.4f}, got {numbers[place]:.4f}"
    )
