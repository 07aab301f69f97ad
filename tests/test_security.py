"""A data file runs no code, nothing listens to other machines, text stays text."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parents[1]

# --- No data file is run -------------------------------------------------------------------------

RUN_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
CALLS = {"eval", "exec", "builtins.eval", "builtins.exec", "pandas.read_pickle", "torch.load",
         "torch.jit.load", "torch.hub.load", "numpy.load", "yaml.load", "yaml.load_all",
         "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load",
         "yaml.unsafe_load_all"}  # fmt: skip
SAFE_IF = {"torch.load": ("weights_only", "True"), "yaml.load": ("Loader", "yaml.SafeLoader"),
           "yaml.load_all": ("Loader", "yaml.SafeLoader")}  # fmt: skip
# It reads one pickle, of one package, and only if its checksum is the one in the script.
KNOWN = r"data/make_ratings\.py:\d+: pandas\.read_pickle"


def code() -> dict[str, str]:
    """Every Python file and code cell of the course: where it is -> its text."""
    found = {}
    for folder in ("recsys_utils", "scripts", "book", "studies", "data", "tests/guard"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    plain = TransformerManager().transform_cell  # %magic and !command become Python
    for path in sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/solutions/*")]):
        if path.suffix == ".ipynb":
            for number, cell in enumerate(nbformat.read(path, 4).cells):
                if cell.cell_type == "code":
                    name = f"{path.relative_to(ROOT).as_posix()}, cell {number}"
                    found[name] = plain(cell.source)
    return found


def dangers(text: str, where: str) -> list[str]:
    """Imports and calls that run code which stands in a file, each with its place."""
    tree, names, found = ast.parse(text), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                      for a in node.names}  # fmt: skip
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            modules = [node.module]
        else:
            continue
        found += [(node.lineno, f"import {m}") for m in modules if m.split(".")[0] in RUN_CODE]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        call = names.get(first, first) + dot + rest
        options = {option.arg: ast.unparse(option.value) for option in node.keywords}
        if call == "numpy.load" and "allow_pickle" not in options:
            continue
        option, safe = SAFE_IF.get(call, (None, ""))
        if options.get(option) == safe:
            continue
        if call in CALLS or re.search(r"\.read_pickle$", call):
            found.append((node.lineno, call))
    return [f"{where}:{line}: {what}" for line, what in sorted(found)]


def test_nothing_in_the_course_runs_code_out_of_a_file():
    places = code()
    assert len(places) > 100 and any("cell" in place for place in places)
    found = [danger for place, text in places.items() for danger in dangers(text, place)]
    new = [danger for danger in found if not re.fullmatch(KNOWN, danger)]
    assert not new, "\n".join(new)
    assert len(found) == 1


@pytest.mark.parametrize(
    "text, what",
    [
        ("import pickle", "import pickle"),
        ("from pickle import loads", "import pickle"),
        ("import os, dill as d", "import dill"),
        ("import pandas as pd\n\npd.read_pickle('a')", "pandas.read_pickle"),
        ("from pandas import read_pickle as r\nr('a')", "pandas.read_pickle"),
        ("import torch\ndef f():\n    return torch.load('a')", "torch.load"),
        ("import torch\ntorch.load('a', weights_only=False)", "torch.load"),
        ("from torch import load\nload('a')", "torch.load"),
        ("import numpy as np\nnp.load('a', allow_pickle=True)", "numpy.load"),
        ("import yaml\nyaml.load(open('a'), Loader=yaml.Loader)", "yaml.load"),
        ("import yaml\nyaml.unsafe_load('a')", "yaml.unsafe_load"),
        ("x = eval('1')", "eval"),
        ("if 1:\n    exec(open('a').read())", "exec"),
    ],
)
def test_a_call_that_runs_code_out_of_a_file_is_seen(text, what):
    assert dangers(text, "a.py") == [f"a.py:{len(text.splitlines())}: {what}"]


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()",
        "import json\njson.load(open('a'))",
        "import torch\ntorch.load('a', weights_only=True)",
        "import numpy as np\nnp.load('a')",
        "import yaml\nyaml.safe_load('a')",
        "import yaml\nyaml.load('a', Loader=yaml.SafeLoader)",
        "from . import storing\nstoring.load()",
    ],
)
def test_what_is_harmless_is_left_alone(text):
    assert dangers(text, "a.py") == []


def test_the_one_pickle_is_opened_after_its_checksum_was_compared():
    lines = (ROOT / "data/make_ratings.py").read_text(encoding="utf-8").splitlines()
    compared = next(i for i, line in enumerate(lines) if "found != SOURCE_SHA256" in line)
    assert "sys.exit" in lines[compared + 1]
    assert [i for i, line in enumerate(lines) if "read_pickle(" in line] == [compared + 2]


# --- Nothing listens to other machines -----------------------------------------------------------

OPEN = {
    "another address than this machine": r"(?:--|\.)ip[= ]\s*['\"]?(?!127\.0\.0\.1)[\w*:]",
    "every address": r"\b0\.0\.0\.0\b",
    "started as root": r"--allow-root|\.allow_root",
    "no token": r"token\s*=\s*(?:''|\"\")|\.token=(?:\s|$)",
    "no password": r"password\s*=\s*(?:''|\"\")|\.password=(?:\s|$)",
    "from any site": r"allow_origin|allow_remote_access|disable_check_xsrf|allow_credentials",
}  # fmt: skip


def starters() -> list[Path]:
    """What starts the course, on your machine, on Binder, in CI, and the texts that say how."""
    names = ["Makefile", "start", "environment.yml", "pyproject.toml", "README.md",
             "CONTRIBUTING.md", "recsys_utils/doctor.py", ".ci/run"]  # fmt: skip
    patterns = ["scripts/*.py", ".github/workflows/*", "docs/*.md", "notebooks/*.ipynb"]
    found = [ROOT / name for name in names] + [p for x in patterns for p in ROOT.glob(x)]
    return [path for path in found if path.is_file()]


def openings(text: str) -> list[str]:
    return [why for why, pattern in OPEN.items() if re.search(pattern, text, re.MULTILINE)]


def test_jupyterlab_is_started_with_its_own_safe_defaults():
    assert {path.name for path in starters()} > {"Makefile", "start", "environment.yml"}
    for path in starters():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)
        assert openings(text) == [], path.name


def test_no_settings_of_jupyter_are_brought_along():
    assert not [p for p in ROOT.glob("**/jupyter_*config.*") if ".venv" not in p.parts]


@pytest.mark.parametrize(
    "line",
    [
        "jupyter lab --ip=0.0.0.0",
        "jupyter lab --ip 192.168.1.5",
        "jupyter lab --ip='*'",
        "jupyter lab --allow-root notebooks",
        "jupyter lab --IdentityProvider.token='' notebooks",
        "jupyter lab --NotebookApp.token= notebooks",
        'jupyter lab --ServerApp.password=""',
        "c.ServerApp.allow_origin = '*'",
        "jupyter lab --ServerApp.disable_check_xsrf=True",
    ],
)
def test_a_line_that_opens_the_server_is_seen(line):
    assert openings(line)


def test_the_tests_own_server_has_a_token_and_listens_on_this_machine_only():
    if not (folder := ROOT / "tests/browser").is_dir():
        return
    text = (folder / "conftest.py").read_text(encoding="utf-8")
    assert "--ip=127.0.0.1" in text and "secrets.token_hex" in text
    assert openings(text) == ["started as root"]  # a container has no other user


# --- Text stays text -----------------------------------------------------------------------------


def test_the_books_scripts_make_no_tags_and_no_code_of_text():
    scripts = sorted(ROOT.glob("book/**/*.js"))
    assert scripts
    for path in scripts:
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function",
            path.read_text(encoding="utf-8"),
        )
        assert not found, f"{path.name}: {found}"
