"""What an exercise is, and how an answer is judged."""

import copy
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import CodeType
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch

from .comparing import (
    SMALL,
    AnswerError,
    Words,
    compare,
    name_of,
    numbers_or_none,
    rearranged,
    shown,
    turned_round,
    unrolled,
)
from .running import Stop, code_of, describe_error, is_stub_error, left_as_found

Status = Literal["right", "not yet", "not tried yet"]


class Verdict(NamedTuple):
    """`status`, and what to tell the learner."""

    status: Status
    message: str = ""


class KnownMistake(Verdict):
    """The verdict on a known mistake: it has a hint about it, too."""

    hint: str


@dataclass(frozen=True)
class Mistake:
    """A usual wrong way.

    Args:
        says: what to say to somebody whose answer does the same.
        hint: the first hint that they get if they ask.
        does: the wrong way itself. Or, if the exercise has a `way`:
        changes: what this mistake does in another way, by argument of `way`.
    """

    says: str
    hint: str
    does: Callable[..., Any] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


class Rule(NamedTuple):
    """What else can be wrong: `finds` (result, *arguments) gives it in a sentence, or None."""

    finds: Callable[..., str | None]
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One exercise. Its answer is a function, or (without `cases`) a value.

    An answer is right if it equals `right` in every case; without `right`, if no rule objects.

    Args:
        id: "03.1": notebook and number.
        title: a few words.
        level: "Easy", "Medium" or "Hard".
        minutes: for somebody who has read the notebook.
        stub: the code that the notebook gives to start from.
        hints: one step at a time, the last nearly the solution.
        right: gives the right result. Called with a case's arguments, for a value with none.
        way: makes a way to solve it, right or (by its arguments) wrong; in place of `right`.
        cases: (draw) -> the arguments to try, by name; simple ones first. None: it is a value.
        mistakes: usual wrong ways, each with its own message. Two at once are found, too, if both
            are `changes`.
        rules: what else can be wrong.
        parts: the names of the things that are given back together.
        axes: what the sizes of the answer count.
        share: the answer is a share from 0 to 1.
        debug: the stub is a faulty function.
        predict: the learner must write down a prediction first.
        tolerance: differences up to tolerance x (1 + |expected|) count as equal.
        seconds: how long one check may take.
    """

    id: str
    title: str
    level: str
    minutes: int
    stub: str
    hints: tuple[str, ...]
    right: Callable[..., Any] | None = None
    way: Callable[..., Callable[..., Any]] | None = None
    cases: Callable[["Draw"], dict[str, tuple]] | None = None
    mistakes: tuple[Mistake, ...] = ()
    rules: tuple[Rule, ...] = ()
    parts: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    share: bool = False
    debug: bool = False
    predict: bool = False
    tolerance: float = 1e-4
    seconds: float = 20.0

    def expected(self, *arguments: Any) -> Any:
        """The right result, or None if only rules decide."""
        solve = self.right or (self.way() if self.way else None)
        return solve(*arguments) if solve else None


class Draw:
    """Random inputs. Every check draws others, so that no answer can know them by heart."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def numbers(self, *shape: int) -> torch.Tensor:
        """Decimal numbers around 0, float32."""
        return torch.randn(*shape, generator=self.generator)

    def whole(self, low: int, high: int, *shape: int) -> torch.Tensor:
        """Whole numbers, low to high - 1."""
        return torch.randint(low, high, shape, generator=self.generator)

    def order(self, n: int) -> torch.Tensor:
        """The numbers 0 to n - 1 in any order."""
        return torch.randperm(n, generator=self.generator)

    def mask(self, rows: int, columns: int) -> torch.Tensor:
        """True and False; each row has both (with two columns or more)."""
        mask = torch.rand(rows, columns, generator=self.generator) < 0.6
        for row in mask:
            first, second = self.order(columns)[:2].tolist()
            row[first], row[second] = False, True
        return mask


def new_seed() -> int:
    """Another seed for every check."""
    return secrets.randbelow(1_000_000)


class Attempt(NamedTuple):
    """One case: its name and arguments, and what the answer gave."""

    case: str
    arguments: tuple
    result: Any


# --- Judging --------------------------------------------------------------------------------------


def judge(exercise: Exercise, answer: Any) -> Verdict:
    """The verdict on one answer. May hang or print if the answer does: run it guarded."""
    if answer is ... or (answer is None and exercise.cases) or is_untouched(exercise, answer):
        return Verdict("not tried yet")
    if exercise.cases is None:
        return first_fault(exercise, [Attempt("", (), unrolled(answer))]) or Verdict("right")
    if not callable(answer):
        return Verdict("not yet", f"This asks for a function; you gave {name_of(answer)}.")
    attempts: list[Attempt] = []
    told: list[str] = []
    stopped, changed = "", ""
    for case, arguments in exercise.cases(Draw(new_seed())).items():
        mine = copy.deepcopy(arguments)
        try:
            with left_as_found(told):
                result = unrolled(answer(*mine))
        except Stop:
            raise
        except BaseException as error:  # also sys.exit() and KeyboardInterrupt
            if is_stub_error(error, answer):
                return Verdict("not tried yet")
            says = f"your function stopped with {describe_error(error, answer)}"
            stopped = in_case(case, says, given(exercise, arguments))
            break
        if result is ...:
            return Verdict("not tried yet")
        attempts.append(Attempt(case, arguments, result))
        if change := changed_inside(arguments, mine):
            changed = in_case(case, f"your function changes {change}", {})
            break
    fault = first_fault(exercise, attempts)
    if changed and not isinstance(fault, KnownMistake):  # which comes first
        fault = Verdict("not yet", changed)
    if stopped and not fault:
        fault = Verdict("not yet", stopped)
    verdict = fault or Verdict("right")
    if told:
        names = ", ".join(sorted(set(told)))
        note = f"Your answer changed {names}. The check has put it back: a function should not."
        message = f"{verdict.message}\n{note}".strip()
        return explained(verdict.status, message, getattr(verdict, "hint", ""))
    return verdict


def explained(status: Status, message: str, hint: str) -> Verdict:
    """A verdict, with a hint if there is one."""
    if not hint:
        return Verdict(status, message)
    verdict = KnownMistake(status, message)
    verdict.hint = hint
    return verdict


def is_untouched(exercise: Exercise, answer: Any) -> bool:
    """Whether the answer is the code of the stub, comments and spaces apart."""
    code = code_of(answer)
    if code is None or exercise.cases is None:
        return False
    return any(same_code(code, stub) for stub in functions_in(exercise.stub))


def functions_in(stub: str) -> list[CodeType]:
    """The code of each function that a stub defines."""
    return [part for part in compile(stub, "<stub>", "exec").co_consts if type(part) is CodeType]


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two functions do the same steps with the same names."""

    def steps(code: CodeType) -> tuple:
        constants = [part for part in code.co_consts if not isinstance(part, str)]
        return code.co_code, constants, code.co_names, code.co_varnames

    return steps(one) == steps(other)


def first_fault(exercise: Exercise, attempts: list[Attempt]) -> Verdict | None:
    """The verdict on the first case that went wrong; None if all are right."""
    for attempt in attempts:
        error = fault_in(exercise, attempt)
        if error is None:
            continue
        says, hint = str(error), ""
        if known := known_mistake(exercise, attempts, attempt):
            says, hint = known
        elif common := symptom(exercise, attempts, turned_round, exercise.share):
            says = common
        elif objection := objection_to(exercise, attempt):
            says, hint = objection
        elif common := symptom(exercise, attempts, rearranged):
            says = common
        below = {**given(exercise, attempt.arguments), **error.values}
        if exercise.predict:
            below.pop("expected", None)  # it is there to be measured
        return explained("not yet", in_case(attempt.case, says, below), hint)
    return None


def fault_in(exercise: Exercise, attempt: Attempt) -> AnswerError | None:
    """What is wrong in this case, without a reason."""
    words = Words(exercise.parts, exercise.axes)
    try:
        if exercise.right or exercise.way:
            expected = exercise.expected(*copy.deepcopy(attempt.arguments))
            compare(expected, attempt.result, exercise.tolerance, words)
        elif objection := objection_to(exercise, attempt):
            raise AnswerError(objection[0])
    except AnswerError as error:
        return error
    return None


def objection_to(exercise: Exercise, attempt: Attempt) -> tuple[str, str] | None:
    """What the first rule that objects says, and its hint."""
    for rule in exercise.rules:
        if says := rule.finds(attempt.result, *copy.deepcopy(attempt.arguments)):
            return says, rule.hint
    return None


def known_mistake(
    exercise: Exercise, attempts: list[Attempt], failed: Attempt
) -> tuple[str, str] | None:
    """What the mistake that explains the results says, and its hint.

    First a single mistake that explains them all, then two at once. Last one that explains them
    all but one: an answer may have another fault, which shows in that case alone.
    """
    for mistake, way in wrong_ways(exercise):
        if explains(exercise, way, attempts, failed):
            return mistake.says, mistake.hint
    for mistake, way in pairs_of_mistakes(exercise):
        if explains(exercise, way, attempts, failed):
            return f"{mistake.says} (And that is not all; but first this.)", mistake.hint
    for mistake, way in wrong_ways(exercise):
        if len(attempts) > 3 and explains(exercise, way, attempts, failed, except_for=1):
            return mistake.says, mistake.hint
    return None


def wrong_ways(exercise: Exercise) -> Iterator[tuple[Mistake, Callable[..., Any]]]:
    """Each mistake, and what it does."""
    for mistake in exercise.mistakes:
        yield mistake, mistake.does or exercise.way(**mistake.changes)


def pairs_of_mistakes(exercise: Exercise) -> Iterator[tuple[Mistake, Callable[..., Any]]]:
    """Two mistakes at once: the one that is named, and what both do together."""
    for one, other in combinations([m for m in exercise.mistakes if m.changes], 2):
        if one.changes.keys().isdisjoint(other.changes):
            yield one, exercise.way(**one.changes, **other.changes)


def explains(
    exercise: Exercise, way: Callable[..., Any], attempts: list[Attempt], failed: Attempt,
    except_for: int = 0,
) -> bool:  # fmt: skip
    """Whether a wrong way gives the answer's result in every case, except for so many.

    Only such cases are excepted as show another fault of the answer: the way is right there, and
    the answer is not. So are cases in which the answer's own exp overflows to NaN, say.
    """
    for attempt in attempts:
        if agrees(exercise, way, attempt):
            continue
        if attempt is failed:
            return False
        result = numbers_or_none(attempt.result)
        if result is not None and np.isnan(result).any():
            continue
        except_for -= 1
        if except_for < 0 or not fault_in(exercise, attempt):
            return False
        should_be = attempt._replace(result=exercise.expected(*copy.deepcopy(attempt.arguments)))
        if not agrees(exercise, way, should_be):
            return False
    return True


def agrees(exercise: Exercise, way: Callable[..., Any], attempt: Attempt) -> bool:
    """Whether the answer's result in this case is that of `way`."""
    try:
        expected = way(*copy.deepcopy(attempt.arguments))
        compare(expected, attempt.result, exercise.tolerance)
    except Exception:  # another result; or this wrong way cannot deal with the case at all
        return False
    return True


def symptom(
    exercise: Exercise, attempts: list[Attempt], look: Callable[..., str | None], *more: Any
) -> str | None:
    """What the results of all cases have in common with the right ones."""
    if not (exercise.right or exercise.way):
        return None
    right = [exercise.expected(*copy.deepcopy(attempt.arguments)) for attempt in attempts]
    return look(right, [attempt.result for attempt in attempts], exercise.tolerance, *more)


# --- Words ----------------------------------------------------------------------------------------


def in_case(case: str, says: str, below: dict[str, Any]) -> str:
    """The sentence, and under it the names and values, aligned."""
    line = f"In the case '{case}': {says}" if case else says[:1].upper() + says[1:]
    width = max(map(len, below), default=0) + 2
    for name, value in below.items():
        lines = shown(value).replace("\n\n", "\n").replace("\n", "\n" + " " * (width + 2))
        line += f"\n  {name + ':':{width}}{lines}"
    return line


def given(exercise: Exercise, arguments: tuple) -> dict[str, Any]:
    """The inputs of a case by name; nothing if they are many numbers."""
    sizes = [numbers_or_none(argument) for argument in arguments]
    functions = functions_in(exercise.stub)
    if not functions or sum(array.size for array in sizes if array is not None) > 2 * SMALL:
        return {}
    names = functions[0].co_varnames
    return dict(zip(names, arguments))


COPY = "Work on a copy: others still need it."


def changed_inside(before: Any, after: Any) -> str | None:
    """What a function has done to its arguments, in words; None if they hold what they held."""
    if isinstance(before, torch.nn.Module):
        return changed_module(before, after)
    if isinstance(before, list | tuple):
        changes = [changed_inside(*pair) for pair in zip(before, after)]
        changes += [f"its input. {COPY}"] * (len(before) != len(after))
        return next((change for change in changes if change), None)
    return None if same_inside(before, after) else f"its input. {COPY}"


def changed_module(before: torch.nn.Module, after: torch.nn.Module) -> str | None:
    """A module must stay in its mode, keep its dropout and its numbers."""
    if before.training != after.training:
        return "the module and leaves it so: it was in training mode, and now it is in eval mode. "\
            "Put the mode back at the end: module.train()."  # fmt: skip
    for name, value in vars(before).items():
        if isinstance(value, bool | int | float | str) and vars(after).get(name) != value:
            return f"the module and leaves it so: {name} was {value}, now it is "\
                f"{vars(after).get(name)}. Put it back at the end."  # fmt: skip
    old, new = before.state_dict(), after.state_dict()
    if any(not same_inside(old[name], new[name]) for name in old):
        return "the numbers in the module. It is still being trained: leave them alone."
    return None


def same_inside(before: Any, after: Any) -> bool:
    """Whether an argument still holds what it held."""
    if isinstance(before, torch.Tensor):
        return before.shape == after.shape and torch.equal(before.nan_to_num(), after.nan_to_num())
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, pd.DataFrame | pd.Series):
        return before.equals(after)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(same_inside, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(
            same_inside(before[key], after[key]) for key in before
        )
    if isinstance(before, int | float | str | None):
        return before == after
    return True  # functions: nothing to look at
