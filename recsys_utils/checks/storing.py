"""What is solved, after how many tries and hints: one small file, `progress.json`.

It lies beside the notebooks and is sent nowhere. It holds
`{"solved": {exercise: day}, "tries": {exercise: number}, "hints": {exercise: number}}`, and after
`checks.report()` also `"report"`, a list with one row for each exercise.
"""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

NAME = "progress.json"


def place() -> Path | None:
    """The file, in the notebook's folder. None in `solutions/`: those are not your answers."""
    folder = Path.cwd()
    return None if folder.name == "solutions" else folder / NAME


def load() -> tuple[dict[str, str], str]:
    """`{exercise: day it was solved}` and, if something was wrong with the file, what."""
    solved, _, trouble = read()
    return solved, trouble


def counts(what: str) -> dict[str, int]:
    """`{exercise: number}` of "tries" or "hints"; what is no number is left out."""
    stored = read()[1].get(what)
    if not isinstance(stored, dict):
        return {}
    return {str(key): n for key, n in stored.items() if type(n) is int and n >= 0}


def read() -> tuple[dict[str, str], dict[str, Any], str]:
    """What is solved, all that the file holds, and what was wrong with it."""
    file = place()
    if file is None or not file.exists():
        return {}, {}, ""
    try:
        # Some editors put a byte order mark in front: -sig.
        stored = json.loads(file.read_text(encoding="utf-8-sig"))
        solved = stored["solved"]
        if not isinstance(solved, dict):
            raise TypeError(f"'solved' should hold exercises and days, not {solved!r}")
        return {str(key): str(day) for key, day in solved.items()}, stored, ""
    except OSError as error:
        return {}, {}, f"{NAME} cannot be read: {error.strerror}."
    except (ValueError, TypeError, KeyError, RecursionError):
        number = 1
        while (aside := file.with_name(f"progress.damaged-{number}.json")).exists():
            number += 1
        try:
            file.rename(aside)
        except OSError as error:
            return {}, {}, f"{NAME} is damaged and cannot be renamed: {error.strerror}."
        return {}, {}, f"{NAME} was damaged. It is now {aside.name}; a new one was begun."


def mark(exercise: str) -> str:
    """Note that this exercise is solved. Returns what went wrong, if something did."""
    solved, trouble = load()  # a damaged file is set aside here, and that is told
    solved.setdefault(exercise, date.today().isoformat())
    return write(solved=solved) or trouble


def count(what: str, exercise: str) -> None:
    """One more of "tries" or "hints". Not counted any more once the exercise is solved."""
    if exercise not in load()[0]:
        numbers = counts(what)
        write(**{what: {**numbers, exercise: numbers.get(exercise, 0) + 1}})


def write(**changed: Any) -> str:
    """Store these parts and keep the others. Returns what went wrong, if something did."""
    file = place()
    if file is None:
        return ""
    solved, stored, trouble = read()
    if trouble and file.exists():  # neither read nor set aside: what it holds must stay
        return f"This cannot be stored in {NAME}: {trouble}"
    kept = {key: stored[key] for key in ("tries", "hints", "report") if key in stored}
    content = {"solved": solved, **kept, **changed}
    new = file.with_name(f".{NAME}.{os.getpid()}")
    try:
        new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        new.replace(file)  # all or nothing: another notebook may be reading
    except OSError as error:
        return f"This cannot be stored in {NAME}: {error.strerror}."
    return ""
