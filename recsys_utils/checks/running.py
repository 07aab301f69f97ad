"""Run a learner's answer so that nothing it does can harm the notebook."""

import builtins
import ctypes
import getpass
import io
import math
import os
import random
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, NamedTuple

import numpy as np
import torch

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

    Raises:
        KeyboardInterrupt: somebody pressed Stop; the function was ended first.
    """
    result: list[Any] = []
    ended = threading.Event()
    thread = threading.Thread(target=_keep, args=(function, result, ended), daemon=True)
    printed = FirstCharacters()
    with left_as_found([]), nobody_to_ask(), redirect_stdout(printed), redirect_stderr(printed):
        thread.start()
        try:
            # Not thread.join(): interrupted, it takes the thread for ended (bpo-45274).
            finished = ended.wait(seconds)
        except KeyboardInterrupt:
            _end(thread, ended)
            raise
        _end(thread, ended)
    finished = finished and bool(result)
    return Run(result[0] if finished else None, finished, not ended.is_set(), printed.text)


def _end(thread: threading.Thread, ended: threading.Event) -> None:
    """Ask a thread to end, for a second: again and again, for the answer may catch it."""
    give_up = time.monotonic() + 1.0
    while not ended.is_set() and time.monotonic() < give_up:
        identity = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(Stop))
        ended.wait(0.05)


def _keep(function: Callable[[], Any], result: list[Any], ended: threading.Event) -> None:
    try:
        with suppress(Stop):  # it was asked to end, and it did
            result.append(function())
    finally:
        ended.set()


# --- What an answer may change for everybody else -------------------------------------------------

# Where somebody may put another function in the place of a known one.
SHARED = {
    "torch": torch,
    "torch.nn.functional": torch.nn.functional,
    "torch.Tensor": torch.Tensor,
    "numpy": np,
    "math": math,
    "builtins": builtins,
}


@contextmanager
def left_as_found(told: list[str]) -> Iterator[None]:
    """Put back what the body changes for everybody; `told` gets the names of what it was.

    Random numbers, the default dtype, the folder, warnings, the functions of torch and NumPy.
    """
    folder = os.getcwd()
    seed = torch.initial_seed()
    dtype = torch.get_default_dtype()
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    anomaly = torch.is_anomaly_enabled()
    torch_random, numpy_random, own_random = (
        torch.get_rng_state(),
        np.random.get_state(),
        random.getstate(),
    )
    functions = {name: dict(vars(module)) for name, module in SHARED.items()}
    try:
        with warnings.catch_warnings(), np.errstate(), torch.enable_grad():
            warnings.simplefilter("ignore")  # a library's words are not what the answer printed
            yield
    finally:
        if torch.get_default_dtype() != dtype:
            told.append("the default dtype of torch")
            torch.set_default_dtype(dtype)  # torch.Storage follows it
        for name, known in functions.items():
            told += [f"{name}.{key}" for key in _put_back(SHARED[name], known)]
        if _folder() != folder:
            told.append("the working directory")
            os.chdir(folder)
        if torch.initial_seed() != seed:
            told.append("the seed of torch")
        if torch.get_num_threads() != threads:
            told.append("the number of threads")
            torch.set_num_threads(threads)
        if torch.are_deterministic_algorithms_enabled() != deterministic:
            told.append("torch.use_deterministic_algorithms")
            torch.use_deterministic_algorithms(deterministic)
        if torch.is_anomaly_enabled() != anomaly:
            told.append("the anomaly detection of torch")
            torch.autograd.set_detect_anomaly(anomaly)
        torch.set_rng_state(torch_random)
        np.random.set_state(numpy_random)
        random.setstate(own_random)


def _inside(function: Any) -> Any:
    """What a function wraps, if it says so."""
    return getattr(function, "__wrapped__", None)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _put_back(module: Any, known: dict[str, Any]) -> list[str]:
    """The names of functions that were replaced; they are as before afterwards."""
    now = dict(vars(module))
    changed = []
    for key, before in known.items():
        after = now.get(key)
        # torch wraps some of its own functions when a part of it is loaded.
        if callable(before) and after is not before and _inside(after) is not before:
            setattr(module, key, before)
            changed.append(key)
    if isinstance(module, type):  # its methods are inherited: a new one hides the old
        added = [key for key in now if key not in known]
        for key in added:
            delattr(module, key)
        changed += added
    return changed


@contextmanager
def nobody_to_ask() -> Iterator[None]:
    """`input()` and `breakpoint()` would wait for somebody who is not there."""

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("a check gives the inputs itself: take input() or breakpoint() out")

    before = builtins.input, getpass.getpass, sys.breakpointhook
    builtins.input, getpass.getpass, sys.breakpointhook = refuse, refuse, refuse
    try:
        yield
    finally:
        builtins.input, getpass.getpass, sys.breakpointhook = before


# --- What to say about an error -------------------------------------------------------------------

# A part of an error's words, and what they mean.
MEANINGS = {
    "same dtype": "One holds float32 and the other float64. Make both alike: x.float().",
    "not implemented for 'Long'": "Whole numbers came where decimal ones are needed: x.float().",
    "not implemented for 'Int'": "Whole numbers came where decimal ones are needed: x.float().",
    "not implemented for 'Bool'": "True and False came where numbers are needed: x.float().",
    "not implemented for 'Float'": "A mask must hold True and False here, not 1.0 and 0.0: "
    "mask.bool().",
    "shapes cannot be multiplied": "In A @ B a row of A must be as long as a column of B. Print "
    "both shapes. Must one of them be turned with .transpose(-2, -1)?",
    "must match the size of tensor": "Two shapes do not fit each other. Print both. After "
    ".sum(dim=-1) a size is missing; keepdim=True keeps it.",
    "could not be broadcast": "Two shapes do not fit each other. Print both.",
    "more than one value is ambiguous": "`if`, `and`, `or` need one True or False. For many at "
    "once use &, | and ~.",
    "truth value of an array": "`if`, `and`, `or` need one True or False. For many at once use "
    "&, | and ~.",
    "only implemented on integer and Boolean": "A mask must hold True and False here, not 1.0 and "
    "0.0: mask.bool().",
    "Use tensor.detach()": "Call .detach() before .numpy().",
    "unexpected keyword argument": "Is the name of that argument written as in its help?",
}


def code_of(answer: Any) -> Any:
    """The code of a function, a method or a module; None if there is none in Python."""
    if isinstance(answer, types.FunctionType | types.MethodType):
        return answer.__code__
    # By its class: what the object itself is asked for, it may answer with an error.
    kind = type(answer)
    inner = (
        kind.forward if hasattr(kind, "forward") else kind.__call__ if callable(answer) else None
    )
    return getattr(inner, "__code__", None)


def describe_error(error: BaseException, answer: Any) -> str:
    """`TypeError: what it says, in line 3 of your function`; also for errors that cannot print."""
    try:
        words = " ".join(str(error).split())[:200]
    except Exception:
        words = "(its message cannot be printed)"
    line = ""
    code = code_of(answer)
    traceback = error.__traceback__
    while code and traceback:
        if traceback.tb_frame.f_code is code:
            place = traceback.tb_lineno - code.co_firstlineno + 1
            line = f", in line {place} of your function"
        traceback = traceback.tb_next
    said = f"{type(error).__name__}: {words}{line}." if words else f"{type(error).__name__}{line}."
    meaning = next((meaning for part, meaning in MEANINGS.items() if part in words), "")
    return f"{said}\n{meaning}" if meaning else said


def is_stub_error(error: BaseException, answer: Any) -> bool:
    """Whether it is a bare `raise NotImplementedError` in the answer's own lines."""
    if type(error) is not NotImplementedError or error.args:
        return False
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code is code_of(answer)
