"""Checks that bite: right answers of every style pass, each wrong one gets its own message."""

import ast
import dataclasses
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_utils import checks
from recsys_utils.checks import exercise as judging
from recsys_utils.checks import storing
from recsys_utils.checks.comparing import shown
from recsys_utils.checks.exercise import Draw, Exercise, Mistake, Rule

HERE = Path(__file__).parent
EXERCISES = {
    name: exercise
    for notebook in checks.NOTEBOOKS
    for name, exercise in checks.exercises(notebook).items()
}


def answers(notebook: str):
    """The catalogue of one notebook: RIGHT and WRONG."""
    return import_module(f"answers_{notebook}")


CATALOGUE = {notebook: answers(notebook) for notebook in checks.NOTEBOOKS}
RIGHT = {name: ways for book in CATALOGUE.values() for name, ways in book.RIGHT.items()}
WRONG = {name: ways for book in CATALOGUE.values() for name, ways in book.WRONG.items()}


@pytest.fixture(autouse=True)
def seeds(monkeypatch):
    """Every check draws from another seed, here the same ones in every run of the tests."""
    numbers = itertools.count()
    monkeypatch.setattr(judging, "new_seed", lambda: next(numbers))


@pytest.fixture(autouse=True)
def a_new_kernel(monkeypatch, tmp_path):
    """Nothing is known of other tests, and nothing is written beside them."""
    monkeypatch.chdir(tmp_path)
    checks._hints_shown.clear()
    checks._hint_about_last_try.clear()


def judged(exercise: Exercise, answer):
    prediction = 0.5 if exercise.predict else ...
    return checks.verdict(exercise, answer, prediction)[0]


def first_line(exercise: Exercise, answer) -> str:
    verdict = judged(exercise, answer)
    return verdict.message.splitlines()[0] if verdict.status == "not yet" else verdict.status


def by_heart(exercise: Exercise):
    """An answer that knows the inputs of one check, and the results."""
    known = list(exercise.cases(Draw(seed=123_456)).values())

    def answer(*inputs):
        for arguments in known:
            if judging.same_inside(list(arguments), list(inputs)):
                return right_answer(exercise)(*inputs)
        return 0

    return answer


def right_answer(exercise: Exercise):
    """The first of the catalogue."""
    return next(iter(RIGHT[exercise.id].values()))


def complaints(exercise: Exercise, first: str = ""):
    """What the catalogue finds wrong with this exercise's check: nothing if it does its work.

    Args:
        exercise: with all its conditions, or with one taken away.
        first: begin with the answers whose message is part of this text.
    """
    for way, answer, words in sorted(WRONG[exercise.id], key=lambda line: line[2] not in first):
        if words not in (said := first_line(exercise, answer)):
            yield f"wrong way {way!r}, wanted {words!r}: {said}"
    if exercise.cases and judged(exercise, by_heart(exercise)).status != "not yet":
        yield "an answer that knows the cases by heart is right"
    for way, answer in RIGHT[exercise.id].items():
        if (verdict := judged(exercise, answer)).status != "right":
            yield f"right way {way!r}: {verdict}"


def is_noticed(exercise: Exercise, first: str = "") -> bool:
    """Whether the catalogue finds anything wrong."""
    return next(complaints(exercise, first), None) is not None


def test_every_exercise_has_its_catalogue():
    assert RIGHT.keys() == WRONG.keys() == EXERCISES.keys()
    for name, exercise in EXERCISES.items():
        least = 2 if exercise.cases is None else 3
        assert len(RIGHT[name]) >= least, name
        assert len(WRONG[name]) >= 4, name


@pytest.mark.parametrize("name", EXERCISES)
def test_right_answers_pass_and_wrong_ones_get_their_message(name):
    assert list(complaints(EXERCISES[name])) == []


@pytest.mark.parametrize("name", EXERCISES)
def test_right_answers_pass_whatever_is_drawn(name):
    if EXERCISES[name].cases:
        for answer in [*RIGHT[name].values()] * 3:
            assert judged(EXERCISES[name], answer).status == "right"


@pytest.mark.parametrize("name", EXERCISES)
def test_each_wrong_way_has_a_message_of_its_own(name):
    """Only ways that come to the same result may share one; of two faults the first is named."""
    exercise = EXERCISES[name]
    said = [(words, first_line(exercise, answer)) for _, answer, words in WRONG[name]]
    said = [
        (words, line)
        for words, line in said
        if "(And that is not all" not in line and not words.endswith("': ")  # a case, no message
    ]
    for (words, _), (others, line) in itertools.product(said, said):
        assert words == others or words not in line, f"{words!r} and {others!r}: {line}"


@pytest.mark.parametrize("name", EXERCISES)
def test_no_condition_of_a_check_can_be_taken_away(name):
    """Without any one case, mistake, rule or name an answer of the catalogue goes wrong."""
    exercise = EXERCISES[name]
    for i, mistake in enumerate(exercise.mistakes):
        fewer = exercise.mistakes[:i] + exercise.mistakes[i + 1 :]
        assert is_noticed(dataclasses.replace(exercise, mistakes=fewer), mistake.says), mistake
    for i, rule in enumerate(exercise.rules):
        fewer = exercise.rules[:i] + exercise.rules[i + 1 :]
        assert is_noticed(dataclasses.replace(exercise, rules=fewer)), rule
    if exercise.cases:
        every = exercise.cases(Draw(0))
        for case in every if len(every) > 1 else ():

            def fewer_cases(draw, case=case):
                return {key: value for key, value in exercise.cases(draw).items() if key != case}

            assert is_noticed(dataclasses.replace(exercise, cases=fewer_cases)), case
    if exercise.parts:
        assert is_noticed(dataclasses.replace(exercise, parts=()))


@pytest.mark.parametrize("name", [name for name in EXERCISES if EXERCISES[name].predict])
def test_a_prediction_comes_first(name):
    exercise, answer = EXERCISES[name], right_answer(EXERCISES[name])
    assert checks.verdict(exercise, answer)[0].status == "not tried yet"
    assert checks.verdict(exercise, answer, "soon")[0].status == "not yet"
    assert "You predicted 0.5" in checks.verdict(exercise, answer, 0.5)[0].message


@pytest.mark.parametrize("name", [name for name in EXERCISES if EXERCISES[name].share])
def test_percent_is_told_where_a_share_is_asked(name):
    exercise, right = EXERCISES[name], right_answer(EXERCISES[name])
    percent = (lambda *case: 100 * right(*case)) if exercise.cases else 100 * right
    assert "in percent" in first_line(exercise, percent)


def function_of(stub: str):
    names = {"torch": torch, "np": np}
    exec(compile(stub, "<cell>", "exec"), names)
    return list(names.values())[-1]


@pytest.mark.parametrize("name", [name for name in EXERCISES if EXERCISES[name].cases])
def test_the_stub_is_not_tried_yet_and_all_else_is(name):
    """What a stub does, written by somebody, is a try: it gets a message."""
    exercise = EXERCISES[name]
    stub = function_of(exercise.stub)
    assert judged(exercise, stub).status == "not tried yet"
    with_a_comment = exercise.stub.replace(":\n", ":  # begin\n", 1)
    assert judged(exercise, function_of(with_a_comment)).status == "not tried yet"
    if exercise.debug:
        assert "this still gives what the code gave" in first_line(
            exercise, lambda *case: stub(*case)
        )


@pytest.mark.parametrize("name", EXERCISES)
def test_every_known_mistake_has_a_hint_of_its_own(name, capsys):
    exercise = EXERCISES[name]
    for condition in [*exercise.mistakes, *exercise.rules]:
        assert len(condition.hint) > 10 and condition.hint not in exercise.hints, condition
    told = 0
    for _, answer, _ in WRONG[name]:
        checks._hints_shown.clear()
        checks.check(name, answer, prediction=1)
        hint = checks._hint_about_last_try[name]
        capsys.readouterr()
        checks.hint(name)
        out = capsys.readouterr().out
        assert out.startswith(f"About your last try: {hint}" if hint else "Hint "), out
        told += bool(hint)
        if hint:  # it is given once; then the usual ones
            checks.hint(name)
            assert capsys.readouterr().out.startswith("Hint 1 of")
    assert told >= len(WRONG[name]) / 2


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_go_step_by_step(name, capsys):
    hints = EXERCISES[name].hints
    assert len(hints) >= 2 and all(hint.endswith((".", "?", "]", ")")) for hint in hints), hints
    for number, hint in enumerate(hints, start=1):
        checks.hint(name)
        assert capsys.readouterr().out == f"Hint {number} of {len(hints)}: {hint}\n"
    checks.hint(name)
    assert "all hints" in capsys.readouterr().out
    checks.hint(name)
    assert hints[0] in capsys.readouterr().out
    checks._hints_shown.clear()


def test_exercises_are_numbered():
    for notebook in checks.NOTEBOOKS:
        names = list(checks.exercises(notebook))
        assert names == [f"{notebook}.{i}" for i in range(1, len(names) + 1)]
        assert 3 <= len(names) <= 5


def loops_for_ever(*_):
    while True:
        pass


def swallows_everything(*_):
    end = time.monotonic() + 3  # else the thread of this test would never end
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            pass


def sleeps(*_):
    time.sleep(2.5)


def prints_much(*_):
    for _ in range(20_000):
        print("x" * 1000)
    return "much"


def recurses(*arguments):
    return recurses(*arguments)


def raises(error):
    def answer(*_):
        raise error

    return answer


class Nasty:
    """Everything one can ask of it raises."""

    def __getattr__(self, name):
        raise RuntimeError("nasty")

    def __array__(self, *_):
        raise RuntimeError("nasty")

    __len__ = __iter__ = __bool__ = __eq__ = __array__
    __hash__ = None


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("nasty")


VALUES = [None, ..., "forty-two", b"x", 7, -0.0, float("nan"), float("inf"), 10**400, True, [], {},
          [1, [2, 3]], ["a"], {"a": 1}, object(), int, Nasty(), np.zeros((0, 3)), range(3),
          torch.zeros(2, 2, 2, 2), torch.zeros(3, dtype=torch.complex64), np.array(["a"]),
          iter([1]), np.array([1, "a", None], dtype=object)]  # fmt: skip
CALLS = [raises(ValueError("no")), raises(UnprintableError()), raises(SystemExit(3)), prints_much,
         raises(KeyboardInterrupt()), raises(GeneratorExit()), recurses, print, len, lambda: 1,
         raises(MemoryError()), *[lambda *_, value=value: value for value in VALUES]]  # fmt: skip


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", EXERCISES)
def test_hostile_answers_get_a_friendly_line(name, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for answer in VALUES + (CALLS if EXERCISES[name].cases else CALLS[:3]):
        checks.check(name, answer, prediction=1)
        out, err = capsys.readouterr()
        assert out.startswith(("✗", "○")) and err == "" and len(out) < 1500, (answer, out)
        assert "cannot be read" not in out or isinstance(answer, Nasty), out
    assert storing.load() == ({}, "")


QUICK = Exercise(
    "99.1",
    "quick",
    level="Easy",
    minutes=1,
    stub="def add_one(x):\n    return ...",
    hints=("a.", "b."),
    right=lambda x: x + 1,
    cases=lambda _: {"one": (1,), "a tensor": (torch.ones(2),)},
    seconds=0.3,
)


class TestAnswersThatDoNotEnd:
    """The check comes back, says so, and the notebook's own output still works."""

    def test_a_loop_is_stopped(self):
        before = time.monotonic()
        verdict, _ = checks.verdict(QUICK, loops_for_ever)
        assert "did not finish in 0.3 seconds" in verdict.message
        assert "Restart" not in verdict.message and time.monotonic() - before < 1.5

    @pytest.mark.parametrize("answer", [swallows_everything, sleeps])
    def test_what_cannot_be_stopped_is_left_behind(self, answer, capsys):
        before = time.monotonic()
        verdict, _ = checks.verdict(QUICK, answer)
        assert "Restart the kernel" in verdict.message and time.monotonic() - before < 2.5
        print("still here")
        assert capsys.readouterr().out == "still here\n"

    def test_megabytes_are_cut(self):
        verdict, printed = checks.verdict(dataclasses.replace(QUICK, seconds=20), prints_much)
        assert len(printed) == 2000 and "text 'much'" in verdict.message


def math_function(x):
    return x


class TestMessages:
    """They name the case, what was expected and what came, and the line."""

    def said(self, answer, exercise=QUICK):
        return checks.verdict(exercise, answer)[0].message

    def test_expected_and_got(self):
        assert self.said(lambda x: 3 if isinstance(x, int) else x + 1) == (
            "In the case 'one': your answer is not right.\n"
            "  x:        1\n  expected: 2\n  got:      3"
        )

    def test_the_line_of_an_exception(self):
        def answer(x):
            y = x + 1
            return y / 0

        assert "ZeroDivisionError" in self.said(answer) and "in line 3 of" in self.said(answer)

    def test_the_line_is_that_of_the_answer_not_of_what_it_calls(self):
        def helper():
            _ = 1
            _ = 2
            raise ValueError("deep inside")

        def answer(x):
            return helper()

        assert "ValueError: deep inside, in line 2 of your function" in self.said(answer)

    def test_an_exception_in_a_later_case_names_it(self):
        assert "In the case 'a tensor'" in self.said(lambda x: int(x) + 1)

    def test_nothing_returned(self):
        assert "`return` missing" in self.said(lambda x: None)
        assert "`return` missing" in self.said(
            None, dataclasses.replace(QUICK, right=lambda: 1, cases=None)
        )

    def test_not_tried(self):
        def not_begun(x):
            raise NotImplementedError

        def not_begun_either(x):
            # YOUR CODE HERE
            raise NotImplementedError()

        for answer in (..., lambda x: ..., not_begun, not_begun_either):
            assert checks.verdict(QUICK, answer)[0].status == "not tried yet"

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda x: torch.softmax(torch.tensor([1, 2]), dim=0), "not implemented for 'Long'"),
            (lambda x: torch.ones(2) & torch.ones(2), "not implemented for 'Float'"),
            (lambda x: torch.nn.Module()(x), "missing the required"),
            (lambda x: input("scale? "), "take input() or breakpoint() out"),
            (lambda x: breakpoint(), "take input() or breakpoint() out"),
            (raises(NotImplementedError("I gave up")), "I gave up"),
        ],
    )
    def test_errors_of_the_kind_of_a_stub_are_tries(self, answer, words):
        verdict = checks.verdict(QUICK, answer)[0]
        assert verdict.status == "not yet" and words in verdict.message

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda x: torch.ones(2) @ torch.ones(2).double(), "One holds float32 and the other"),
            (lambda x: torch.ones(2, 3) @ torch.ones(2, 3), "a row of A must be as long"),
            (lambda x: torch.ones(2) + torch.ones(3), "Two shapes do not fit"),
            (lambda x: np.ones(2) + np.ones(3), "Two shapes do not fit"),
            (lambda x: 1 if torch.ones(2) > 0 else 0, "use &, | and ~"),
            (lambda x: 1 if np.ones(2) > 0 else 0, "use &, | and ~"),
            (lambda x: torch.softmax(torch.tensor([1, 2]), 0), "Whole numbers came"),
            (lambda x: torch.softmax(torch.ones(2).int(), 0), "Whole numbers came"),
            (lambda x: torch.softmax(torch.ones(2) > 0, 0), "True and False came"),
            (lambda x: ~torch.ones(2), "A mask must hold True and False"),
            (lambda x: torch.ones(2, requires_grad=True).numpy(), "Call .detach()"),
            (lambda x: torch.ones(2).sum(axes=0), ""),
        ],
    )
    def test_what_an_error_means(self, answer, words):
        assert words in self.said(answer)

    def test_a_value_where_a_function_is_asked_for(self):
        assert "asks for a function; you gave a list" in self.said([1])

    @pytest.mark.parametrize(
        ("argument", "change"),
        [
            (torch.ones(2), lambda x: x.add_(1)),
            (torch.tensor([1.0, np.nan]), lambda x: x.zero_()),
            (np.ones(2), lambda x: x.fill(0)),
            (np.array([1.0, np.nan]), lambda x: x.fill(0)),
            (np.array(["a", "b"]), lambda x: x.put(0, "c")),
            (pd.DataFrame({"a": [1]}), lambda x: x.insert(0, "b", 2)),
            (pd.Series([1, 2]), lambda x: x.update(pd.Series([3]))),
            ([1, "a"], lambda x: x.append(1)),
            ([1, "a"], lambda x: x.reverse()),
            ({"a": [torch.ones(1)]}, lambda x: x["a"][0].zero_()),
            ({"a": 1}, lambda x: x.update(b=2)),
        ],
    )
    def test_an_input_may_be_read_but_not_changed(self, argument, change):
        exercise = dataclasses.replace(
            QUICK, right=lambda x: 2, cases=lambda _: {"a case": (argument,)}
        )
        assert judged(exercise, lambda x: 2).status == "right"
        said = "In the case 'a case': your function changes its input"
        assert said in self.said(lambda x: (change(x), 2)[1], exercise)

    def test_a_model_as_input(self):
        """Too large to compare: it is trusted to stay."""
        exercise = dataclasses.replace(
            QUICK, right=lambda x: 2, cases=lambda _: {"a model": (torch.nn.Linear(1, 1),)}
        )
        assert judged(exercise, lambda x: 2).status == "right"

    def test_rules_decide_where_there_is_no_one_right_answer(self):
        exercise = dataclasses.replace(
            QUICK,
            right=None,
            cases=lambda _: {"one": (1,)},
            rules=(Rule(lambda result, x: None if result > x else "too small.", "larger."),),
        )
        assert judged(exercise, lambda x: x + 5).status == "right"
        assert "too small" in self.said(lambda x: x, exercise)

    def test_a_mistake_is_named_only_if_it_explains_every_case(self):
        double = Mistake("you doubled.", "add.", lambda x: 2 * x)
        exercise = dataclasses.replace(
            QUICK, mistakes=(double,), cases=lambda _: {"3": (3,), "5": (5,)}
        )
        assert "you doubled" in self.said(lambda x: 2 * x, exercise)
        assert "you doubled" not in self.said(lambda x: 2 * x if x == 3 else 0, exercise)

    def test_up_to_24_numbers_are_shown(self):
        for n, words in ((24, "expected: [1 1"), (25, "the first at place (0,).\n  expected: 1\n")):
            exercise = dataclasses.replace(
                QUICK, right=lambda n=n: np.ones(n), cases=lambda _: {"a": ()}
            )
            assert words in self.said(lambda n=n: np.arange(n) * 1.0, exercise)

    def test_one_thing_at_a_time(self):
        """Of several mistakes or objections that fit, the first is named."""
        mistakes = tuple(Mistake(f"mistake {i}.", "add.", lambda x: 2 * x) for i in (1, 2))
        rules = tuple(Rule(lambda result, x, i=i: f"objection {i}.", "add.") for i in (1, 2))
        exercise = dataclasses.replace(
            QUICK, mistakes=mistakes, rules=rules, cases=lambda _: {"3": (3,)}
        )
        said = self.said(lambda x: 2 * x, exercise)
        assert "mistake 1" in said and "mistake 2" not in said and "objection" not in said
        said = self.said(lambda x: 0, exercise)
        assert "objection 1" in said and "objection 2" not in said and "expected: 4" in said

    def test_a_wrong_value_is_told_in_a_sentence(self):
        exercise = dataclasses.replace(QUICK, right=lambda: 1, cases=None)
        assert self.said(2, exercise).startswith("Your answer is not right.\n  expected: 1")

    def test_large_results_name_the_first_place(self):
        right = torch.arange(30.0).reshape(5, 6) ** 2
        wrong = right.clone()
        wrong[2, 3] = 0
        exercise = dataclasses.replace(
            QUICK, right=lambda x: right, cases=lambda _: {"a": (1,)}, axes=("film", "slot")
        )
        said = self.said(lambda x: wrong, exercise)
        assert "1 of 30 numbers are wrong, the first at film 2, slot 3." in said
        assert "expected: 225\n  got:      0" in said
        assert "shape (6, 5) came, but shape (5, 6)" in self.said(lambda x: wrong.T, exercise)
        assert "holds NaN" in self.said(lambda x: wrong * torch.nan, exercise)
        assert "rows have different shapes" in self.said(lambda x: [[1, 2], [3]], exercise)

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (torch.tensor([True, False]), "[ True False]"),
            (torch.tensor([-0.0, 1.0]), "[0 1]"),
            (torch.tensor([0.5, -1e-9]), "[0.5 0. ]"),
            (np.zeros((5, 6)), "shape (5, 6)"),
            ([[0, 1], [2]], "[[0, 1], [2]]"),
            (["Al Pacino"], "['Al Pacino']"),
            (math_function, "math_function"),
        ],
    )
    def test_values_are_written_as_a_learner_would(self, value, words):
        assert shown(value) == words

    def test_a_small_input_is_shown_a_large_one_is_not(self):
        assert "x:        [1 1]" in self.said(lambda x: x + 1 if isinstance(x, int) else x * 9)
        exercise = dataclasses.replace(QUICK, cases=lambda _: {"a": (torch.ones(60),)})
        assert "x: " not in self.said(lambda x: x, exercise)

    def test_parts_have_names(self):
        exercise = dataclasses.replace(
            QUICK, right=lambda x: (x, 2.0), cases=lambda _: {"a": (1,)}, parts=("weights", "tau")
        )
        assert "your answer (tau) is not right" in self.said(lambda x: (1, 3), exercise)
        assert "2 things are asked for (weights, tau)" in self.said(lambda x: 1, exercise)
        assert "still `...`" in self.said(lambda x: (1, ...), exercise)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda right: -right, "plus and minus"),
            (lambda right: right.T, "rows and columns"),
            (lambda right: right.flip(-1), "the reverse order"),
            (lambda right: right.roll(1, -1), "another order"),
            (lambda right: 3 * right, "3 times as large"),
            (lambda right: right + 2, "2 more than"),
            (lambda right: right - 2, "2 less than"),
        ],
    )
    def test_what_all_numbers_have_in_common_is_told(self, change, words):
        def right(x):
            return torch.tensor([[1.0, 2.0, 7.0], [4.0, 9.0, 6.0], [0.5, 8.0, 3.0]]) + x

        exercise = dataclasses.replace(QUICK, right=right, cases=lambda _: {"a": (0,), "b": (1,)})
        assert words in self.said(lambda x: change(right(x)), exercise)
        assert words not in self.said(lambda x: change(right(x)) if x else right(x) ** 2, exercise)

    def test_true_and_false_shares_and_percent(self):
        masks = dataclasses.replace(QUICK, right=lambda x: torch.tensor([True, False, False]))
        assert "True and False have changed places" in self.said(
            lambda x: [False, True, True], masks
        )
        share = dataclasses.replace(QUICK, right=lambda x: 0.2, share=True)
        assert "in percent" in self.said(lambda x: 20, share)
        assert "1 minus the right share" in self.said(lambda x: 0.8, share)
        assert "percent" not in self.said(lambda x: 20, dataclasses.replace(share, share=False))

    def test_of_two_mistakes_at_once_the_first_is_named(self):
        def way(times=2, plus=1):
            return lambda x: times * x + plus

        mistakes = (
            Mistake("three times.", "twice.", changes={"times": 3}),
            Mistake("four times.", "twice.", changes={"times": 4}),
            Mistake("plus five.", "plus one.", changes={"plus": 5}),
        )
        exercise = dataclasses.replace(
            QUICK, right=None, way=way, mistakes=mistakes,
            cases=lambda draw: {"1": (1,), "2": (2,), "random": (draw.numbers(2),)},
        )  # fmt: skip
        assert judged(exercise, way()).status == "right"
        assert "three times." in judged(exercise, lambda x: 3 * x + 1).message
        both = judged(exercise, lambda x: 4 * x + 5)
        assert "four times. (And that is not all" in both.message and both.hint == "twice."
        assert "times." not in judged(exercise, lambda x: 5 * x + 5).message

    def test_a_mistake_is_named_although_another_case_shows_another_fault(self):
        double = Mistake("you doubled.", "add.", lambda x: 2 * x if x < 9 else x + 1)
        cases = {"3": (3.0,), "5": (5.0,), "7": (7.0,), "9": (9.0,)}
        exercise = dataclasses.replace(QUICK, mistakes=(double,), cases=lambda _: cases)
        assert "you doubled" in self.said(lambda x: 2 * x if x < 9 else 0, exercise)
        assert "you doubled" in self.said(lambda x: 2 * x if x < 9 else np.nan, exercise)
        assert "you doubled" not in self.said(lambda x: 2 * x if x < 7 else 0, exercise)
        few = dataclasses.replace(exercise, cases=lambda _: {"3": (3.0,), "9": (9.0,)})
        assert "you doubled" not in self.said(lambda x: 2 * x if x < 9 else 0, few)


class TestWhatAnAnswerChangesForAll:
    """It is told and undone: the next answer, and the notebook, find everything as it was."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda: torch.manual_seed(987), "the seed of torch"),
            (lambda: torch.set_default_dtype(torch.float64), "the default dtype of torch"),
            (lambda: os.chdir("/"), "the working directory"),
            (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "the number of threads"),
            (lambda: torch.use_deterministic_algorithms(True), "use_deterministic_algorithms"),
            (lambda: torch.autograd.set_detect_anomaly(True), "the anomaly detection"),
            (lambda: setattr(torch, "softmax", lambda x, dim: x), "torch.softmax"),
            (lambda: setattr(torch.Tensor, "softmax", lambda x, dim: x), "torch.Tensor.softmax"),
            (lambda: setattr(np, "exp", np.log), "numpy.exp"),
            (lambda: np.random.seed(3), ""),
            (lambda: random.seed(3), ""),
            (lambda: torch.set_grad_enabled(False), ""),
            (lambda: np.seterr(all="raise"), ""),
            (lambda: warnings.simplefilter("error"), ""),
            (lambda: setattr(sys, "stdout", None), ""),
        ],
    )
    def test_it_is_put_back(self, change, words, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)

        def state():
            return (
                torch.initial_seed(), torch.get_default_dtype(), os.getcwd(), sys.stdout,
                torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(),
                torch.is_anomaly_enabled(), torch.softmax, torch.Tensor.softmax, np.exp,
                np.geterr(), warnings.filters[:], random.getstate(), torch.is_grad_enabled(),
                np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(),
            )  # fmt: skip

        before = state()
        patient = dataclasses.replace(QUICK, seconds=100)  # torch loads parts of itself
        verdict = judged(patient, lambda x: (change(), x + 1)[1])
        assert state() == before
        assert verdict.status == "right"
        assert words in verdict.message and bool(words) == bool(verdict.message)

    def test_the_answer_is_judged_with_the_functions_as_they_were(self):
        def cheat(query, key, value):
            torch.softmax = lambda x, dim: torch.ones_like(x) / x.shape[dim]
            weights = torch.softmax(query @ key.mT, dim=-1)
            return weights @ value, weights

        verdict = judged(EXERCISES["03.1"], cheat)
        assert (
            verdict.status == "not yet" and "Your answer changed torch.softmax" in verdict.message
        )

    def test_progress_stays_in_the_notebooks_folder(self, monkeypatch, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        right = right_answer(EXERCISES["03.2"])
        checks.check("03.2", lambda *case: (os.chdir("elsewhere"), right(*case))[1]
                     if Path("elsewhere").exists() else right(*case))  # fmt: skip
        assert (tmp_path / "progress.json").exists()
        assert not list((tmp_path / "elsewhere").iterdir())

    def test_a_folder_that_is_removed(self, monkeypatch, tmp_path):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path)

        def answer(x):
            (tmp_path / "gone").mkdir(exist_ok=True)
            os.chdir(tmp_path / "gone")
            (tmp_path / "gone").rmdir()
            return x + 1

        assert judged(QUICK, answer).status == "right" and Path.cwd() == tmp_path


class TestStop:
    """The interrupt button ends the answer, then goes through, so that "Run all" ends as well."""

    @pytest.fixture(autouse=True)
    def interrupts_count(self):
        """A shell that starts the tests in the background lets them ignore interrupts."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def test_nothing_runs_on(self):
        rounds = [0]

        def answer(x):
            while True:
                rounds[0] += 1

        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        before = sys.stdout
        with pytest.raises(KeyboardInterrupt):
            checks.verdict(dataclasses.replace(QUICK, seconds=20), answer)
        seen = rounds[0]
        time.sleep(0.2)
        assert rounds[0] == seen and sys.stdout is before

    def test_in_a_kernel(self, tmp_path):
        from jupyter_client.manager import start_new_kernel

        manager, client = start_new_kernel(cwd=str(tmp_path))
        try:
            said = []

            def run(code):
                client.execute_interactive(
                    code, timeout=120, output_hook=lambda m: said.append(str(m["content"]))
                )
                return said[-2:]

            run("n = [0]\nfrom recsys_utils import checks")
            run("def a(q, k, v):\n    while True: n[0] += 1")
            threading.Timer(2, manager.interrupt_kernel).start()
            run("checks.check('03.1', a)")
            assert "KeyboardInterrupt" in "".join(said)
            run("b = n[0]\nimport time\ntime.sleep(0.5)\nprint(n[0] - b, 'more')")
            assert "0 more" in "".join(said)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
def test_any_terminal_can_print_it(encoding, tmp_path):
    program = (
        "from recsys_utils import checks\n"
        "checks.check('03.1', lambda q, k, v: 1)\nchecks.check('02.2', 5.5, 1)\n"
        "checks.progress()\nchecks.hint('02.2')\nchecks.reset('03.1')\nchecks.report()\n"
        "print('END')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True
    )
    assert result.returncode == 0 and result.stdout.strip().endswith(b"END"), result.stderr


class TestTolerance:
    """Wide enough for rounding to four digits and for half precision, not wider."""

    def test_numbers(self):
        exercise = dataclasses.replace(QUICK, right=lambda: 0.5, cases=lambda _: {"a": ()})
        for good in (
            0.5,
            0.50005,
            np.float32(0.5),
            torch.tensor(0.5),
            [0.5],
            torch.tensor([[0.5]]),
            torch.tensor(0.5, requires_grad=True),
            torch.tensor(0.501).half(),
        ):
            assert judged(exercise, lambda good=good: good).status == "right", good
        for bad in (0.5005, torch.tensor(0.52).half(), [0.5, 0.5]):
            assert judged(exercise, lambda bad=bad: bad).status == "not yet", bad

    @pytest.mark.parametrize(
        ("right", "good", "bad", "words"),
        [
            ("two words", ["Two  words"], "two", "is not right"),
            ("two", [], 2, "a text is asked for, but this is an int"),
            ((1.0, 2.0), [(1, 2), [1, 2]], (1, 3), "part 2"),
            ((1.0, 2.0), [], 1, "2 things are asked for (part 1, part 2), not an int"),
            ([1.0, 2.0], [pd.Series([1, 2]), np.array([1.0, 2.0])], [1, 3], "is not right"),
            (
                np.ones(2),
                [pd.Series([1, 1]), pd.Index([1.0, 1.0]), [torch.ones(1)[0], 1]],
                1,
                "a single number came, but shape (2,)",
            ),
            (
                np.ones((1, 2)),
                [pd.DataFrame({"a": [1], "b": [1]})],
                np.array([None]),
                "this is None",
            ),
            (0.5, [Fraction(1, 2), Decimal("0.5")], Fraction(1, 3), "is not right"),
            (
                np.array([1.0, 0.0]),
                [pd.Series([True, False], dtype=object), np.array([1, 0], dtype=object)],
                ["a"],
                "this is the text 'a'",
            ),
            (1.0, [], torch.tensor(1 + 1j), "real numbers are asked for"),
            (1.0, [], 1j, "but this one is complex"),
            (1.0, [], 10**400, "a number is too large"),
            (1.0, [], {1}, "but this is a set"),
            (1.0, [], "1", "but this is the text '1'"),
            (1.0, [], print, "but this is a function"),
        ],
    )
    def test_other_kinds_of_answers(self, right, good, bad, words):
        exercise = dataclasses.replace(QUICK, right=lambda: right, cases=lambda _: {"a": ()})
        for answer in [right, *good]:
            assert judged(exercise, lambda answer=answer: answer).status == "right", answer
        assert words in judged(exercise, lambda: bad).message

    def test_generators_are_read_once(self):
        exercise = dataclasses.replace(
            QUICK, right=lambda: np.array([1.0, 2.0]), cases=lambda _: {"a": (), "b": ()}
        )
        for answer in (
            lambda: (x for x in (1, 2)),
            lambda: map(float, "12"),
            lambda: {"a": 1, "b": 2}.values(),
            lambda: range(1, 3),
        ):
            assert judged(exercise, answer).status == "right"
        assert "ZeroDivisionError" in judged(exercise, lambda: (1 / x for x in (1, 0))).message


def solve(name: str) -> None:
    """The first right answer of the catalogue."""
    checks.check(name, next(iter(RIGHT[name].values())), prediction=1)


class TestProgress:
    """One small file beside the notebooks; never lost, never in the way."""

    @pytest.fixture(autouse=True)
    def empty_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_what_is_solved_is_kept(self, capsys):
        checks.progress()
        assert f"0 of {len(EXERCISES)} solved." in capsys.readouterr().out
        checks.check("03.1", lambda q, k, v: 1)  # a wrong answer is not stored
        solve("03.2")
        solve("03.3")
        solve("03.2")
        capsys.readouterr()
        checks.progress()
        out = capsys.readouterr().out
        assert "○ 03.1  ✓ 03.2  ✓ 03.3" in out and f"2 of {len(EXERCISES)} solved." in out
        assert os.listdir() == ["progress.json"] and Path("progress.json").stat().st_size < 500

    def test_tries_and_hints_are_counted_until_it_is_solved(self, capsys):
        checks.check("03.2", ...)  # not a try
        checks.check("03.2", lambda scores, mask: torch.softmax(scores, -1))
        checks.check("03.2", lambda scores, mask: 1)
        checks.hint("03.2")
        checks.check("03.4", print)
        for _ in range(2):
            solve("03.2")
        checks.hint("03.2")
        assert storing.counts("tries") == {"03.2": 3, "03.4": 1}
        assert storing.counts("hints") == {"03.2": 1}

    def test_the_report_is_in_the_file_and_on_the_screen(self, capsys):
        checks.check("03.2", lambda scores, mask: 1)
        checks.hint("03.2")
        solve("03.2")
        checks.check("01.1", print)
        capsys.readouterr()
        checks.report()
        out = capsys.readouterr().out
        today = date.today().isoformat()
        assert f"03.2      {today}      2      1\n" in out
        assert "01.1      not yet         1      0\n" in out and "02.1" not in out
        assert f"1 of {len(EXERCISES)} solved." in out and "now in progress.json" in out
        rows = json.loads(Path("progress.json").read_text())["report"]
        assert [row["exercise"] for row in rows] == list(EXERCISES)
        row = next(row for row in rows if row["exercise"] == "03.2")
        assert row == {
            "exercise": "03.2", "title": EXERCISES["03.2"].title, "level": "Medium",
            "solved": today, "tries": 2, "hints": 1,
        }  # fmt: skip
        solve("03.3")  # the report stays until the next one
        assert json.loads(Path("progress.json").read_text())["report"] == rows

    @pytest.mark.parametrize("counts", ["3", '{"03.1": "many"}', '{"03.1": -1}', "null"])
    def test_counts_that_are_none_are_left_out(self, counts, capsys):
        Path("progress.json").write_text('{"solved": {}, "tries": ' + counts + "}")
        assert storing.counts("tries") == {}
        checks.check("03.1", print)
        assert storing.counts("tries") == {"03.1": 1}
        checks.report()

    def test_the_day_stays_that_of_the_first_time(self):
        Path("progress.json").write_text('{"solved": {"03.1": "2020-01-01"}}')
        solve("03.1")
        assert json.loads(Path("progress.json").read_text())["solved"] == {"03.1": "2020-01-01"}

    @pytest.mark.parametrize("damage", ["", "{", "[]", '{"solved": 3}', "\x00\xff"])
    def test_a_damaged_file_is_set_aside(self, damage, capsys):
        Path("progress.json").write_bytes(damage.encode("latin-1"))
        Path("progress.damaged-1.json").write_text("an older one")
        solve("03.3")
        assert "was damaged. It is now progress.damaged-2.json" in capsys.readouterr().out
        assert Path("progress.damaged-2.json").read_bytes() == damage.encode("latin-1")
        assert Path("progress.damaged-1.json").read_text() == "an older one"
        assert storing.load()[0].keys() == {"03.3"}

    def test_a_folder_one_cannot_write_to(self, capsys, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "write_text", refuse)
        solve("03.3")
        assert "cannot be stored in progress.json: Permission denied" in capsys.readouterr().out

    def test_worked_solutions_are_not_your_progress(self, tmp_path, monkeypatch, capsys):
        (tmp_path / "solutions").mkdir()
        monkeypatch.chdir(tmp_path / "solutions")
        solve("03.3")
        checks.report()
        assert os.listdir() == []
        assert "Nothing is stored here" in capsys.readouterr().out
        checks.progress()
        assert f"0 of {len(EXERCISES)} solved." in capsys.readouterr().out

    def test_a_file_that_cannot_be_read(self, capsys):
        Path("progress.json").mkdir()
        solve("03.3")
        assert "cannot be stored in progress.json" in capsys.readouterr().out
        checks.progress()
        assert "progress.json cannot be read: " in capsys.readouterr().out

    def test_git_ignores_it(self):
        assert "progress*.json" in (HERE.parent / ".gitignore").read_text().split()


@pytest.mark.parametrize("name", EXERCISES)
def test_reset_prints_the_stub_and_begins_anew(name, capsys):
    checks.hint(name)
    capsys.readouterr()
    checks.reset(name)
    assert capsys.readouterr().out == EXERCISES[name].stub + "\n"
    checks.hint(name)
    assert capsys.readouterr().out.startswith("Hint 1 of")


def test_unknown_exercises(capsys):
    for name in ("03.9", "99.1", "", 3.1, None, "x" * 10_000):
        checks.check(name, 1)
        checks.hint(name)
        checks.reset(name)
        out = capsys.readouterr().out
        assert len(out) < 600 and out.count("\n") == 3
    checks.check("03.9", 1)
    assert "There is no exercise '03.9'. There are: 03.1, 03.2" in capsys.readouterr().out


def test_no_answer_of_the_catalogue_stands_in_the_package():
    """The catalogue is written apart: it must not borrow the functions it tests."""
    for notebook in checks.NOTEBOOKS:
        tree = ast.parse((HERE / "answers" / f"answers_{notebook}.py").read_text(encoding="utf-8"))
        used = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not any(name.startswith("recsys_utils.checks") for name in used)


class TestWhatIsSaid:
    def test_in_a_notebook_right_is_green_and_wrong_is_red(self, monkeypatch):
        def right(query, key, value):
            scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
            weights = torch.softmax(scores, dim=-1)
            return weights @ value, weights

        stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
        monkeypatch.setattr(sys, "stdout", stream)
        checks.check("03.1", right)
        checks.check("03.1", lambda query, key, value: query)
        checks.check("03.1", ...)
        said = [line for line in stream.getvalue().splitlines() if " 03.1 " in line]
        assert said[0].startswith("\x1b[32m✓ 03.1 ") and said[0].endswith(": right.\x1b[0m")
        assert said[1].startswith("\x1b[31m✗ 03.1 ") and said[1].endswith(": not yet.\x1b[0m")
        assert said[2].startswith("○ 03.1 ")

    def test_elsewhere_there_are_no_colours(self, capsys):
        checks.check("03.1", lambda query, key, value: query)
        assert "\x1b" not in capsys.readouterr().out

    def test_after_a_wrong_measurement_the_right_one_is_not_told(self):
        predicting = [exercise for exercise in EXERCISES.values() if exercise.predict]
        assert len(predicting) >= 4
        for exercise in predicting:
            (status, message), _ = checks.verdict(exercise, 0.123456, 0.5)
            assert status == "not yet" and "0.123" in message, exercise.id
            assert "expected:" not in message, exercise.id

    def test_a_librarys_warning_is_not_what_the_answer_printed(self, capsys):
        def answer(query, key, value):
            warnings.warn("of a library", stacklevel=1)
            print("of the answer")
            return query

        checks.check("03.1", answer)
        out = capsys.readouterr().out
        assert "of the answer" in out and "of a library" not in out
