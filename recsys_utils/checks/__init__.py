"""Checks for the exercises: `check` an answer, ask for a `hint`, see your `progress`.

None of them raises or hangs, whatever the answer does. The exercises themselves are in
`exercises_01` to `exercises_08`, the worked solutions in `notebooks/solutions/`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from . import storing
from .comparing import AnswerError, to_numbers
from .exercise import Exercise, Verdict, judge
from .running import Stop, describe_error, run_guarded

NOTEBOOKS = sorted(path.stem[-2:] for path in Path(__file__).parent.glob("exercises_[0-9]*.py"))
_hints_shown: dict[str, int] = {}


def exercises(notebook: str) -> dict[str, Exercise]:
    """The exercises of one notebook, "01" to "08", by id."""
    module = import_module(f".exercises_{notebook}", __package__)
    return {exercise.id: exercise for exercise in module.EXERCISES}


def _find(name: Any) -> Exercise | None:
    """The exercise, or a line that says which there are."""
    if not isinstance(name, str):
        print('Give the exercise as text, for example "03.1".')
        return None
    known = exercises(name[:2]) if name[:2] in NOTEBOOKS else {}
    if name not in known:
        there = ", ".join(known) or f"{NOTEBOOKS[0]}.1, {NOTEBOOKS[0]}.2 and so on"
        print(f"There is no exercise {name[:20]!r}. There are: {there}.")
    return known.get(name)


def verdict(exercise: Exercise, answer: Any, prediction: Any = ...) -> tuple[Verdict, str]:
    """The verdict on an answer, and what the answer printed. Never raises, never hangs."""
    run = run_guarded(lambda: _judged(exercise, answer, prediction), exercise.seconds)
    if not run.finished:
        said = f"Your answer did not finish in {exercise.seconds:g} seconds: does a loop never end?"
        if run.alive:
            said += "\nIt could not be stopped. Restart the kernel (menu Kernel)."
        return Verdict("not yet", said), run.printed
    return run.result, run.printed


def _judged(exercise: Exercise, answer: Any, prediction: Any) -> Verdict:
    """`judge`, with the prediction, and a line instead of an exception."""
    try:
        result = judge(exercise, answer)
        if not exercise.predict or result.status == "not tried yet":
            return result
        if prediction is ... or prediction is None:
            return Verdict("not tried yet", "First write down your prediction, a number.")
        guess = to_numbers(prediction, "your prediction")
        if guess.size != 1:
            raise AnswerError("your prediction should be one number.")
        if result.status == "right":
            said = f"You predicted {guess.item():g}, you measured {to_numbers(answer).item():.4g}."
            return Verdict("right", said)
        return result
    except Stop:
        raise
    except AnswerError as error:
        return Verdict("not yet", str(error)[:1].upper() + str(error)[1:])
    except BaseException as error:
        return Verdict("not yet", f"Your answer cannot be read: {describe_error(error, answer)}.")


def check(name: str, answer: Any, prediction: Any = ...) -> None:
    """Say whether an answer is right, and if not, what is wrong with it.

    Args:
        name: the exercise, for example "03.1".
        answer: your function or value; `...` means not tried yet.
        prediction: for "predict, then measure": the number you expected.
    """
    if (exercise := _find(name)) is None:
        return
    (status, message), printed = verdict(exercise, answer, prediction)
    sign = {"right": "✓", "not yet": "✗", "not tried yet": "○"}[status]
    print(f"{sign} {exercise.id} {exercise.title}: {status}.")
    if message:
        print("  " + message.replace("\n", "\n  "))
    if printed.strip() and status != "not tried yet":
        print("  Your code printed: " + printed.strip()[:300].replace("\n", "\n  "))
    if status != "right":
        print(f'  Stuck? checks.hint("{exercise.id}")')
    elif trouble := storing.mark(exercise.id):
        print("  " + trouble)


def hint(name: str) -> None:
    """Print the next hint. The first time the first one, and so on."""
    if (exercise := _find(name)) is None:
        return
    shown = _hints_shown.get(exercise.id, 0)
    if shown == len(exercise.hints):
        print(f"Those were all hints. The solution is in solutions, notebook {exercise.id[:2]}.")
        _hints_shown[exercise.id] = 0
        return
    print(f"Hint {shown + 1} of {len(exercise.hints)}: {exercise.hints[shown]}")
    _hints_shown[exercise.id] = shown + 1


def progress() -> None:
    """Print what is solved, over all notebooks."""
    solved, trouble = storing.load()
    if trouble:
        print(trouble)
    every = {notebook: exercises(notebook) for notebook in NOTEBOOKS}
    for notebook, known in every.items():
        marks = "  ".join(f"{'✓' if name in solved else '○'} {name}" for name in known)
        print(f"{notebook}  {marks}")
    total = [name for known in every.values() for name in known]
    done = [name for name in total if name in solved]
    print(f"{len(done)} of {len(total)} solved.")
