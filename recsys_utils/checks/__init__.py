"""Checks for the exercises.

`check` an answer, ask for a `hint`, get the stub back with `reset`, see your `progress`, write a
`report` for your teacher. None of them raises or hangs, whatever the answer does; only Stop (the
interrupt button) goes through, after it has ended the answer. The exercises themselves are in
`exercises_00` to `exercises_08`, the worked solutions in `notebooks/solutions/`.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from . import storing
from .comparing import AnswerError, to_numbers
from .exercise import Exercise, Verdict, judge
from .running import Stop, describe_error, run_guarded

NOTEBOOKS = sorted(path.stem[-2:] for path in Path(__file__).parent.glob("exercises_[0-9]*.py"))
SIGNS = {"right": "✓", "not yet": "✗", "not tried yet": "○"}
COLOURS = {"right": 32, "not yet": 31}  # of terminals and notebooks: green, red
_hints_shown: dict[str, int] = {}
_hint_about_last_try: dict[str, str] = {}


def exercises(notebook: str) -> dict[str, Exercise]:
    """The exercises of one notebook, "01" to "08", by id."""
    module = import_module(f".exercises_{notebook}", __package__)
    return {exercise.id: exercise for exercise in module.EXERCISES}


def _say(text: str) -> None:
    """Print, also where the terminal knows no ticks, or nothing but ASCII."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("✓", "[x]").replace("✗", "[-]").replace("○", "[ ]")
        text = text.encode(encoding, errors="replace").decode(encoding)
    print(text)


def _coloured(text: str, status: str) -> str:
    """Green if right, red if not yet: in a notebook, which shows colours, and only there."""
    if status in COLOURS and type(sys.stdout).__module__.startswith("ipykernel"):
        return f"\x1b[{COLOURS[status]}m{text}\x1b[0m"
    return text


def _find(name: Any) -> Exercise | None:
    """The exercise, or a line that says which there are."""
    if not isinstance(name, str):
        _say('Give the exercise as text, for example "03.1".')
        return None
    known = exercises(name[:2]) if name[:2] in NOTEBOOKS else {}
    if name not in known:
        there = ", ".join(known) or f"{NOTEBOOKS[0]}.1, {NOTEBOOKS[0]}.2 and so on"
        _say(f"There is no exercise {name[:20]!r}. There are: {there}.")
    return known.get(name)


def verdict(exercise: Exercise, answer: Any, prediction: Any = ...) -> tuple[Verdict, str]:
    """The verdict on an answer, and what the answer printed. Never hangs.

    Raises:
        KeyboardInterrupt: somebody pressed Stop. The answer was ended first.
    """
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
        return Verdict("not yet", f"Your answer cannot be read: {describe_error(error, answer)}")


def check(name: str, answer: Any, prediction: Any = ...) -> None:
    """Say whether an answer is right, and if not, what is wrong with it.

    Args:
        name: the exercise, for example "03.1".
        answer: your function or value; `...` means not tried yet.
        prediction: for "predict, then measure": the number you expected.
    """
    if (exercise := _find(name)) is None:
        return
    result, printed = verdict(exercise, answer, prediction)
    status, message = result
    _hint_about_last_try[exercise.id] = getattr(result, "hint", "")
    lines = [_coloured(f"{SIGNS[status]} {exercise.id} {exercise.title}: {status}.", status)]
    if message:
        lines.append("  " + message.replace("\n", "\n  "))
    if printed.strip() and status != "not tried yet":
        lines.append("  Your code printed: " + printed.strip()[:300].replace("\n", "\n  "))
    trouble = storing.count("tries", exercise.id) if status != "not tried yet" else ""
    if status == "right":
        trouble = storing.mark(exercise.id) or trouble
    else:
        lines.append(f'  Stuck? checks.hint("{exercise.id}")')
    if trouble:
        lines.append("  " + trouble)
    _say("\n".join(lines))


def hint(name: str) -> None:
    """Print the next hint: first one about the mistake of the last try, if that is a known one."""
    if (exercise := _find(name)) is None:
        return
    if about := _hint_about_last_try.pop(exercise.id, ""):
        _say(f"About your last try: {about}")
        storing.count("hints", exercise.id)
        return
    shown = _hints_shown.get(exercise.id, 0)
    if shown == len(exercise.hints):
        _say(f"Those were all hints. The solution is in solutions, notebook {exercise.id[:2]}.")
        _hints_shown[exercise.id] = 0
        return
    _say(f"Hint {shown + 1} of {len(exercise.hints)}: {exercise.hints[shown]}")
    _hints_shown[exercise.id] = shown + 1
    storing.count("hints", exercise.id)


def reset(name: str) -> None:
    """Print the code that the exercise began with, to be copied into its cell."""
    if (exercise := _find(name)) is None:
        return
    _hints_shown.pop(exercise.id, None)
    _hint_about_last_try.pop(exercise.id, None)
    _say(exercise.stub)


def progress() -> None:
    """Print what is solved, over all notebooks."""
    solved, trouble = storing.load()
    if trouble:
        _say(trouble)
    total = done = 0
    for notebook in NOTEBOOKS:
        line = notebook
        for name in exercises(notebook):
            total += 1
            done += name in solved
            line += f"  {SIGNS['right' if name in solved else 'not tried yet']} {name}"
        _say(line)
    _say(f"{done} of {total} solved.")


def report() -> None:
    """Print, and write to progress.json, what was solved, after how many tries and hints."""
    solved, trouble = storing.load()
    if trouble:
        _say(trouble)
    tries, hints = storing.counts("tries"), storing.counts("hints")
    rows = []
    for notebook in NOTEBOOKS:
        for name, exercise in exercises(notebook).items():
            row = {"exercise": name, "title": exercise.title, "level": exercise.level}
            row["solved"] = solved.get(name, "")
            row["tries"] = tries.get(name, 0)
            row["hints"] = hints.get(name, 0)
            rows.append(row)
    _say("exercise  solved      tries  hints")
    for row in rows:
        if row["tries"] or row["hints"] or row["solved"]:
            _say(f"{row['exercise']:8}  {row['solved'] or 'not yet':10}  "
                 f"{row['tries']:5}  {row['hints']:5}")  # fmt: skip
    done = sum(1 for row in rows if row["solved"])
    _say(f"{done} of {len(rows)} solved.")
    if storing.place() is None:
        _say("Nothing is stored here: these are the worked solutions.")
    else:
        _say(storing.write(report=rows) or "This is now in progress.json, beside the notebooks.")
