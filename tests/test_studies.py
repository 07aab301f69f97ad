"""The studies: what is stored is what the scripts compute, on these data."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import running
from running import Run

from recsys_utils import studies
from recsys_utils.studies import chosen, intervals, read_ranks, read_study, run_table

FOLDER = Path(__file__).parents[1] / "studies"
NAMES = import_module("run_all").NAMES
MACHINE = ("seconds",)  # measures whose name begins so are this machine's


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_every_study_is_run_by_make_studies_and_listed_for_readers():
    scripts = {path.stem for path in FOLDER.glob("*.py") if "\nRUNS = " in path.read_text("utf-8")}
    assert scripts - {"recbole_peers"} == set(NAMES)
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}]({name}.py)" in listed for name in NAMES)


def test_a_study_can_be_read_in_one_sitting(name):
    lines = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 140
    assert lines[0].startswith('"""') and lines[0].endswith("?"), "one question"
    doc = import_module(name).__doc__
    assert "Real ratings" in doc or "imulated" in doc, "it says what its people are"


def test_all_runs_are_stored_once(name):
    module, stored = import_module(name), read_study(name)
    keys = stored[studies.KEY].drop_duplicates()
    rows = list(zip(keys["variant"], keys["setting"], keys["world"], keys["seed"]))
    assert [Run(*row) for row in rows] == module.RUNS
    assert not stored.duplicated([*studies.KEY, "measure"]).any()


def test_one_cheap_run_again_gives_the_stored_digits(name):
    """Changing a model, a loader or the data makes this fail until the studies run again."""
    module = import_module(name)
    assert module.CHEAP in module.RUNS
    again, ranks = running.as_rows(module.CHEAP, module.work(module.CHEAP))
    stored = running.read_rows(FOLDER / f"{name}.csv", running.HEADER)
    stored = {row[4]: row[5] for row in stored if row[:4] == module.CHEAP.key}
    assert [row[4] for row in again] == list(stored)
    for *_, measure, value in again:
        if measure.startswith(MACHINE):
            continue
        both_nan = value == stored[measure] == "nan"
        assert both_nan or float(value) == pytest.approx(float(stored[measure]), abs=2e-4), measure
    path = FOLDER / f"{name}_ranks.csv"
    kept = {tuple(row[:4]): row[4] for row in running.read_rows(path, running.RANKS)}
    key = tuple(module.CHEAP.key)
    assert path.exists() == bool(ranks)
    if key in kept:
        old, new = (np.array(text.split(), int) for text in (kept[key], ranks[0][4]))
        assert (abs(old - new) <= 1).all()  # a tie in the last bit


def test_the_data_are_those_of_the_studies(name):
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert facts["data"] == running.data_version(), "run `make studies` again"
    total = len(import_module(name).RUNS)
    assert facts["runs"] == f"{total} of {total}"
    assert set(facts) == {"data", "date", "machine", "numpy", "pandas", "python", "runs", "torch"}


def test_stored_ranks_are_those_of_the_chosen_setting(name):
    if not (FOLDER / f"{name}_ranks.csv").exists():
        return
    stored = read_study(name)
    best = chosen(stored) if (stored["measure"] == "validation").any() else stored
    for variant, ranks in read_ranks(name).items():
        found = run_table(best, variant, "HR@10").reshape(-1)
        assert (ranks <= 10).mean(axis=1) == pytest.approx(found, abs=1e-5)


def test_the_page_was_made_from_the_studies():
    made = import_module("page").page()
    assert (FOLDER.parent / "docs" / "studies.md").read_text(encoding="utf-8") == made


class TestReading:
    """What notebooks do with a study."""

    @pytest.fixture
    def runs(self):
        rows = []
        for variant, setting, validation, value in (
            ("a", "s", 0.1, 1.0),
            ("a", "t", 0.2, 2.0),
            ("b", "s", 0.9, 5.0),
            ("b", "t", 0.8, 7.0),
        ):
            for world in range(3):
                for seed in range(2):
                    key = (world, seed, variant, setting)
                    rows.append((*key, "validation", validation))
                    rows.append((*key, "test", value + world + 0.1 * seed))
        return pd.DataFrame(rows, columns=[*studies.KEY, "measure", "value"])

    def test_each_variant_gets_its_own_best_setting(self, runs):
        best = chosen(runs)
        assert best.groupby("variant")["setting"].unique().map(list).to_dict() == {
            "a": ["t"],
            "b": ["s"],
        }

    def test_a_table_has_a_row_for_each_world_and_a_column_for_each_seed(self, runs):
        table = run_table(chosen(runs), "a", "test")
        assert table == pytest.approx(np.array([[2.0, 2.1], [3.0, 3.1], [4.0, 4.1]]))

    def test_a_difference_is_taken_run_by_run(self, runs):
        table = intervals(chosen(runs), "test", minus="a")
        assert table.loc["b"].tolist() == pytest.approx([3.0, 3.0, 3.0])
        wide = intervals(chosen(runs), "test")
        assert wide.loc["a", "low"] < wide.loc["a", "mean"] < wide.loc["a", "high"]

    def test_what_is_not_there_is_named(self, runs):
        with pytest.raises(ValueError, match=r"no study 'acuracy'; there are .*'worlds'"):
            read_study("acuracy")
        with pytest.raises(ValueError, match="no runs of 'c' with the measure 'test'"):
            run_table(runs, "c", "test")
        with pytest.raises(ValueError, match="'a' has several settings: choose one first"):
            run_table(runs, "a", "test")


class TestRunning:
    """A study goes on where it was stopped."""

    @pytest.fixture
    def study(self, tmp_path, monkeypatch):
        (tmp_path / "small.py").write_text(SMALL, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop("small", None)  # that of the test before
        return tmp_path

    def start(self, monkeypatch, *options):
        module = import_module("small")
        monkeypatch.setattr("sys.argv", ["small.py", "--processes", "1", *options])
        running.main(module.__file__, module.RUNS, module.work)

    def done(self, folder) -> list[str]:
        return (folder / "log.txt").read_text(encoding="utf-8").split()

    def test_what_is_stored_is_not_run_again_unless_asked(self, study, monkeypatch):
        self.start(monkeypatch, "--seeds", "1")
        assert self.done(study) == ["a0", "b0"]
        self.start(monkeypatch)
        assert sorted(self.done(study)) == ["a0", "a1", "b0", "b1"]
        self.start(monkeypatch)
        assert len(self.done(study)) == 4
        self.start(monkeypatch, "--again", "--seeds", "1")
        assert sorted(self.done(study)) == ["a0", "a0", "a1", "b0", "b0", "b1"]
        text = (study / "small.csv").read_text(encoding="utf-8")
        assert text.splitlines() == [
            "world,seed,variant,setting,measure,value",
            "0,0,a,,value,0.0",
            "0,1,a,,value,1.0",
            "0,0,b,,value,0.0",
            "0,1,b,,value,1.0",
        ]
        ranks = (study / "small_ranks.csv").read_text(encoding="utf-8").splitlines()
        assert ranks[1:] == ["0,0,a,,1 2", "0,1,a,,2 3", "0,0,b,,1 2", "0,1,b,,2 3"]

    def test_a_file_of_another_kind_is_refused(self, study, monkeypatch):
        (study / "small.csv").write_text("a,b\n1,2\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"small.csv, line 1: .*expected .*'world'"):
            self.start(monkeypatch)


SMALL = '''"""Is it so?"""

from pathlib import Path

from running import Run

RUNS = [Run(variant, seed=seed) for variant in ("a", "b") for seed in range(2)]


def work(run):
    with (Path(__file__).parent / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"{run.variant}{run.seed} ")
    return {"value": run.seed, "ranks": [run.seed + 1, run.seed + 2]}
'''
