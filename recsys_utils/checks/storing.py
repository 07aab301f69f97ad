"""Which exercises are solved: one small file beside the notebooks, `progress.json`."""

import json
import os
from datetime import date
from pathlib import Path

NAME = "progress.json"


def place() -> Path | None:
    """The file, in the notebook's folder. None in `solutions/`: those are not your answers."""
    folder = Path.cwd()
    return None if folder.name == "solutions" else folder / NAME


def load() -> tuple[dict[str, str], str]:
    """`{exercise: day it was solved}` and, if something was wrong with the file, what."""
    file = place()
    if file is None or not file.exists():
        return {}, ""
    try:
        # Some editors put a byte order mark in front: -sig.
        solved = json.loads(file.read_text(encoding="utf-8-sig"))["solved"]
        if not isinstance(solved, dict):
            raise TypeError(f"'solved' should hold exercises and days, not {solved!r}")
        return {str(key): str(day) for key, day in solved.items()}, ""
    except OSError as error:
        return {}, f"{NAME} cannot be read: {error.strerror}."
    except (ValueError, TypeError, KeyError, RecursionError):
        number = 1
        while (aside := file.with_name(f"progress.damaged-{number}.json")).exists():
            number += 1
        try:
            file.rename(aside)
        except OSError as error:
            return {}, f"{NAME} is damaged and cannot be renamed: {error.strerror}."
        return {}, f"{NAME} was damaged. It is now {aside.name}; a new one was begun."


def mark(exercise: str) -> str:
    """Note that this exercise is solved. Returns what went wrong, if something did."""
    file = place()
    if file is None:
        return ""
    solved, trouble = load()
    if trouble and file.exists():  # neither read nor set aside: what it holds must stay
        return f"This cannot be stored in {NAME}: {trouble}"
    solved.setdefault(exercise, date.today().isoformat())
    new = file.with_name(f".{NAME}.{os.getpid()}")
    try:
        new.write_text(json.dumps({"solved": solved}, indent=1) + "\n", encoding="utf-8")
        new.replace(file)  # all or nothing: another notebook may be reading
    except OSError as error:
        trouble = f"This cannot be stored in {NAME}: {error.strerror}."
    return trouble
