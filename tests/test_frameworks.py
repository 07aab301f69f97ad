"""The stored answers of thirteen attention functions are whole, and ours are those of today.

The functions of Keras, JAX and Flax need an environment of 2 GB from the network, which is off in
tests: `make frameworks` asks them again and fails if an answer is not the stored one. The public CI
runs it for every change and every week.
"""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from recsys_utils import by_hand

ROOT = Path(__file__).parents[1]
PATH = ROOT / "studies" / "frameworks.csv"
STORED = pd.read_csv(PATH)
FUNCTIONS = STORED["function"].unique()
WORDS = STORED.groupby(["function", "case"])["word"].first().unstack()


@pytest.fixture(scope="module")
def frameworks():
    return import_module("frameworks")


def numbers(function, case, measure):
    rows = STORED[(STORED["function"] == function) & (STORED["case"] == case)]
    return rows.loc[rows["measure"] == measure, "value"].to_numpy()


def test_the_example_is_that_of_the_course(frameworks):
    assert frameworks.NAMES == by_hand.NAMES
    assert by_hand.USER[None].tolist() == frameworks.USER
    assert by_hand.KEY.tolist() == frameworks.KEY
    assert by_hand.VALUE.tolist() == frameworks.VALUE
    assert frameworks.BIAS == by_hand.BIAS


def test_every_function_answers_every_case_once(frameworks):
    assert list(STORED.columns) == frameworks.HEADER and len(FUNCTIONS) == 13
    assert not STORED.duplicated(["function", "case", "measure", "position"]).any()
    for function in FUNCTIONS:
        shows_weights = len(numbers(function, "hand example", "weight")) > 0
        for case, (_, n_heads, _) in frameworks.CASES.items():
            assert len(numbers(function, case, "logit")) == 1
            assert len(numbers(function, case, "context")) == 4
            assert len(numbers(function, case, "weight")) == 3 * n_heads * shows_weights
            rows = STORED[(STORED["function"] == function) & (STORED["case"] == case)]
            assert rows["word"].nunique() == 1
    assert set(STORED["case"]) == set(frameworks.CASES)


def test_the_versions_are_those_that_make_frameworks_installs():
    """Packages that Python calls tensorflow-cpu or tensorflow are one thing."""
    pins = (ROOT / "studies" / "frameworks.txt").read_text(encoding="utf-8")
    pins = {
        name.split("-")[0]: number
        for name, number in re.findall(r"^([\w-]+)==(\S+?);?\s", pins, re.M)
    }
    said = STORED.groupby("library")["version"].unique().map(list).to_dict()
    assert said["Keras"] == [f"{pins['keras']} on TensorFlow {pins['tensorflow']}"]
    assert said["JAX"] == [pins["jax"]]
    assert said["Flax"] == [f"{pins['flax']} on JAX {pins['jax']}"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert said["PyTorch"] == re.findall(r"^torch==(\S+)", lock, re.M)


def test_this_course_the_article_and_pytorch_give_the_same_today(frameworks, tmp_path):
    now = tmp_path / "now.csv"
    functions = import_module("frameworks_torch").FUNCTIONS
    frameworks.write(now, functions, begin=True)
    stored = tmp_path / "stored.csv"
    STORED[STORED["function"].isin(list(functions))].to_csv(stored, index=False, na_rep="nan")
    assert len(frameworks.read(stored)) > 200
    assert list(frameworks.differences(stored, now)) == []


def test_a_word_says_what_the_numbers_are():
    ours = "scaled_dot_product_attention"
    equal = by_hand.VALUE.mean(dim=0).numpy()
    for function in FUNCTIONS:
        for case in WORDS.columns:
            found, same = numbers(function, case, "context"), numbers(ours, case, "context")
            expected = {
                "scaled": same,
                "zeros": np.zeros(4),
                "not a number": np.full(4, np.nan),
                "equal": equal,
                "as unmasked": numbers(function, "hand example", "context"),
            }
            word = WORDS.loc[function, case]
            if word in expected:
                np.testing.assert_allclose(found, expected[word], rtol=0, atol=2e-4)
            else:
                assert word in ("not scaled", "other")
                assert abs(found - same).max() > 0.01


def test_contexts_are_sums_of_values_by_the_weights_that_are_shown(frameworks):
    for function in FUNCTIONS:
        for case, (_, n_heads, _) in frameworks.CASES.items():
            weights = numbers(function, case, "weight")
            if len(weights):
                made = frameworks.as_context(weights.reshape(n_heads, 3), n_heads)
                found = numbers(function, case, "context")
                np.testing.assert_allclose(made, found, rtol=0, atol=4e-4)


def test_four_answers_to_a_row_with_nothing_allowed():
    answers = WORDS[["nothing allowed", "nothing allowed, float64"]]
    assert set(answers.stack()) == {"zeros", "not a number", "equal", "as unmasked"}


@pytest.mark.parametrize("module", ["nn.MultiheadAttention", "keras.layers.MultiHeadAttention"])
def test_asking_for_weights_changes_the_answer(module):
    quiet, asked = WORDS.loc[module], WORDS.loc[f"{module}, asked for weights"]
    assert list(quiet.index[quiet != asked]) == ["nothing allowed", "nothing allowed, float64"]


class TestMakeFrameworks:
    """It asks again, and fails if an answer is another one."""

    def compare(self, stored, now):
        command = [sys.executable, "studies/frameworks.py", "compare", str(stored), str(now)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    def test_the_same_passes_and_so_does_a_last_digit_or_another_version(self, tmp_path):
        assert self.compare(PATH, PATH).returncode == 0
        text = PATH.read_text(encoding="utf-8").replace("0.7054", "0.7055")
        (tmp_path / "now.csv").write_text(text.replace("2.13.0", "2.14.0"), encoding="utf-8")
        assert self.compare(PATH, tmp_path / "now.csv").returncode == 0

    @pytest.mark.parametrize(
        "old, new",
        [("1,0.7054,scaled", "1,0.7064,scaled"), ("1,0.0000,zeros", "1,nan,zeros"),
         ("1,0.3333,equal", "1,0.3333,zeros"), ("logit,logit,1.7917", "logit,other,1.7917")],
    )  # fmt: skip
    def test_another_number_another_word_or_another_row_is_named(self, tmp_path, old, new):
        text = PATH.read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "now.csv").write_text(text.replace(old, new, 1), encoding="utf-8")
        run = self.compare(PATH, tmp_path / "now.csv")
        assert run.returncode == 1
        assert re.search(r"^\w\S+, .*: stored .*, now ", run.stderr, re.M)
        assert "Is what is new right? Then: cp " in run.stderr

    def test_it_asks_both_environments_and_compares(self):
        command = ["make", "-n", "frameworks", "VENV=no-such"]
        plan = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
        now = "no-such/frameworks/now.csv"
        assert "pip install" in plan and "-r studies/frameworks.txt" in plan
        assert plan.splitlines()[-3:] == [
            f"no-such/bin/python studies/frameworks.py torch {now}",
            f"no-such/frameworks/bin/python studies/frameworks.py others {now}",
            f"no-such/bin/python studies/frameworks.py compare studies/frameworks.csv {now}",
        ]

    def test_the_public_ci_runs_it(self):
        text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
        job = yaml.safe_load(text)["jobs"]["frameworks"]
        assert "make frameworks" in [step.get("run") for step in job["steps"]]
        assert "if" not in job  # for every change, not only every week
