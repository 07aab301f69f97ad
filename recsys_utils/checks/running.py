"""Run a learner's answer so that nothing it does can harm the notebook."""

import ctypes
import io
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any, NamedTuple

KEPT = 2_000  # characters of what an answer prints


class Stop(BaseException):
    """Thrown into an answer that does not end. Not an `Exception`, so that few catch it."""


class Run(NamedTuple):
    """What came of it: the result, or `finished` False; `alive`: it could not be stopped."""

    result: Any
    finished: bool
    alive: bool
    printed: str


class FirstCharacters(io.TextIOBase):
    """Keeps the first characters written to it and forgets the rest, however many they are."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Keep what there is room for."""
        self.text += text[: max(0, KEPT - len(self.text))]
        return len(text)


def run_guarded(function: Callable[[], Any], seconds: float) -> Run:
    """Call `function()` in a thread of its own, for at most `seconds`, its output caught.

    A thread can be left behind: this returns also when the function sleeps for ever or swallows
    every exception. `function` must not raise.
    """
    result: list[Any] = []
    thread = threading.Thread(target=_keep, args=(function, result), daemon=True)
    printed = FirstCharacters()
    with redirect_stdout(printed), redirect_stderr(printed):
        thread.start()
        thread.join(seconds)
        finished = not thread.is_alive()
        give_up = time.monotonic() + 1.0
        while thread.is_alive() and time.monotonic() < give_up:
            # Asks Python to raise Stop in the thread; again and again, for it may be caught.
            identity = ctypes.c_ulong(thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(Stop))
            thread.join(0.05)
    finished = finished and bool(result)
    return Run(result[0] if finished else None, finished, thread.is_alive(), printed.text)


def _keep(function: Callable[[], Any], result: list[Any]) -> None:
    with suppress(Stop):  # it was asked to end, and it did
        result.append(function())


def describe_error(error: BaseException, answer: Any) -> str:
    """`TypeError: what it says, in line 3 of your function`; also for errors that cannot print."""
    try:
        words = " ".join(str(error).split())[:200]
    except Exception:
        words = "(its message cannot be printed)"
    line = ""
    code = getattr(answer, "__code__", None)
    traceback = error.__traceback__
    while code and traceback:
        if traceback.tb_frame.f_code is code:
            place = traceback.tb_lineno - code.co_firstlineno + 1
            line = f", in line {place} of your function"
        traceback = traceback.tb_next
    return f"{type(error).__name__}: {words}{line}" if words else f"{type(error).__name__}{line}"
