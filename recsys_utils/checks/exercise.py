"""What an exercise is, and how an answer is judged."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch

from .comparing import AnswerError, compare, name_of
from .running import Stop, describe_error

Status = Literal["right", "not yet", "not tried yet"]


class Verdict(NamedTuple):
    """`status`, and what to tell the learner."""

    status: Status
    message: str = ""


class Mistake(NamedTuple):
    """A usual wrong way: what to say to somebody whose answer does the same as `does`."""

    says: str
    does: Callable[..., Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise. Its answer is a function, or (without `cases`) a value.

    An answer is right if it equals `right` in every case; without `right`, if no rule objects.

    Args:
        id: "03.1": notebook and number.
        title: a few words.
        hints: one step at a time, the last nearly the solution.
        right: gives the right result. Called with a case's arguments, for a value with none.
        cases: makes the arguments to try, by name; simple ones first. None: the answer is a value.
        mistakes: usual wrong ways, each with its own message.
        rules: functions (result, *arguments) -> what is wrong with the result, or None.
        given: for "debug this": the faulty function in the stub. Doing the same = not tried.
        predict: the learner must write down a prediction first.
        tolerance: differences up to tolerance x (1 + |expected|) count as equal.
        seconds: how long one check may take.
    """

    id: str
    title: str
    hints: tuple[str, ...]
    right: Callable[..., Any] | None = None
    cases: Callable[[], dict[str, tuple]] | None = None
    mistakes: tuple[Mistake, ...] = ()
    rules: tuple[Callable[..., str | None], ...] = ()
    given: Callable[..., Any] | None = None
    predict: bool = False
    tolerance: float = 1e-4
    seconds: float = 20.0


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers of this shape for a case, the same every time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """The verdict on one answer. May hang or print if the answer does: run it guarded."""
    if answer is ... or answer is None:
        return Verdict("not tried yet")
    if exercise.cases is None:
        tries: list[tuple[str, tuple, Any]] = [("", (), answer)]
    else:
        if not callable(answer):
            return Verdict("not yet", f"This asks for a function; you gave {name_of(answer)}.")
        tries = []
        for name, arguments in exercise.cases().items():
            mine = copy.deepcopy(arguments)
            try:
                result = answer(*mine)
            except Stop:
                raise
            except NotImplementedError:
                return Verdict("not tried yet")
            except BaseException as error:  # also sys.exit() and KeyboardInterrupt
                said = f"your function stopped with {describe_error(error, answer)}."
                return _first_fault(exercise, tries) or Verdict("not yet", _in(name, said))
            if result is ...:
                return Verdict("not tried yet")
            if not _same_inside(arguments, mine):
                said = "your function changes its input. Work on a copy: others still need it."
                return _first_fault(exercise, tries) or Verdict("not yet", _in(name, said))
            tries.append((name, arguments, result))
    if exercise.given and all(_agree(exercise, exercise.given, t) for t in tries):
        return Verdict("not tried yet")
    return _first_fault(exercise, tries) or Verdict("right")


def _first_fault(exercise: Exercise, tries: list[tuple[str, tuple, Any]]) -> Verdict | None:
    """The message for the first case that went wrong; None if all are right."""
    for name, arguments, result in tries:
        try:
            if exercise.right:
                expected = exercise.right(*copy.deepcopy(arguments))
                compare(expected, result, exercise.tolerance)
            else:
                for rule in exercise.rules:
                    if said := rule(result, *copy.deepcopy(arguments)):
                        raise AnswerError(said)
        except AnswerError as error:
            said = [str(error)]
            if exercise.right:
                # A mistake is named only if the answer makes it in every case.
                known = [m.says for m in exercise.mistakes
                         if all(_agree(exercise, m.does, t) for t in tries)]  # fmt: skip
                objections = (rule(result, *copy.deepcopy(arguments)) for rule in exercise.rules)
                said = [*known[:1], *said] if known else [o for o in objections if o][:1] + said
            return Verdict("not yet", _in(name, "\n".join(said)))
    return None


def _agree(exercise: Exercise, way: Callable[..., Any], attempt: tuple[str, tuple, Any]) -> bool:
    """Whether the answer's result in this case is that of `way`."""
    _, arguments, result = attempt
    try:
        compare(way(*copy.deepcopy(arguments)), result, exercise.tolerance)
    except Exception:  # another result; or this wrong way cannot deal with the case at all
        return False
    return True


def _in(case: str, said: str) -> str:
    return f"In the case '{case}': {said}" if case else said[:1].upper() + said[1:]


def _same_inside(before: Any, after: Any) -> bool:
    """Whether arguments still hold what they held."""
    if isinstance(before, torch.Tensor):
        return torch.equal(before.nan_to_num(), after.nan_to_num())
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, pd.DataFrame | pd.Series):
        return before.equals(after)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_same_inside, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(
            _same_inside(before[key], after[key]) for key in before
        )
    if isinstance(before, int | float | str | None):
        return before == after
    return True  # models and tables: too large to look at
