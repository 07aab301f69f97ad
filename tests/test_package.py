"""The package as a whole: one direction, documented, nothing unused, nothing heavy at import."""

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "recsys_utils"
MODULES = sorted(path.stem for path in PACKAGE.glob("[a-z]*.py"))
# Each module may use those before it.
ORDER = ["tables", "movielens", "splits", "data", "attention", "explanation", "faithfulness",
         "models", "sequence_models", "variants", "evaluation", "studies", "ledger", "training",
         "simulation", "plots", "what_if", "explorer"]  # fmt: skip
# The checks of the exercises: each may use those before it. The exercises may use all of these.
CHECKS = ["running", "comparing", "exercise", "storing"]
EXERCISES = sorted(path.stem for path in (PACKAGE / "checks").glob("exercises_*.py"))
EVERY = [*MODULES, "checks", *(f"checks.{name}" for name in [*CHECKS, *EXERCISES])]


def source(name: str) -> str:
    path = PACKAGE / f"{name.replace('.', '/')}.py"
    return (path if path.exists() else PACKAGE / name / "__init__.py").read_text(encoding="utf-8")


def imported(name: str, level: int = 1) -> set[str]:
    """The modules it imports with `from .module` (level 1) or `from ..module` (level 2)."""
    nodes = [n for n in ast.walk(ast.parse(source(name))) if isinstance(n, ast.ImportFrom)]
    nodes = [node for node in nodes if node.level == level]
    return {n.module for n in nodes if n.module} | {
        alias.name for n in nodes if not n.module for alias in n.names
    }


def public(name: str) -> list:
    module = import_module(f"recsys_utils.{name}")
    return [thing for key, thing in vars(module).items()
            if not key.startswith("_") and getattr(thing, "__module__", "") == module.__name__
            and (inspect.isfunction(thing) or inspect.isclass(thing))]  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_modules_depend_in_one_direction(name):
    assert imported(name) <= set(ORDER[: ORDER.index(name)])


def test_checks_depend_in_one_direction():
    for name in CHECKS:
        assert imported(f"checks.{name}") <= set(CHECKS[: CHECKS.index(name)]), name
    for name in EXERCISES:
        assert imported(f"checks.{name}") <= {"comparing", "exercise"}, name
        assert imported(f"checks.{name}", level=2) <= {*ORDER, "by_hand"}, name
    assert imported("checks") <= set(CHECKS)
    assert not any("checks" in imported(name) for name in MODULES)


def test_every_module_is_in_the_order_or_stands_alone():
    alone = set(MODULES) - set(ORDER)
    assert all(not imported(name) for name in alone), alone
    text = source("__init__")
    assert all(f"`{name}`" in text for name in [*MODULES, "checks"])
    assert {*CHECKS, *EXERCISES} == {path.stem for path in (PACKAGE / "checks").glob("[a-z]*.py")}


@pytest.mark.parametrize("name", EVERY)
def test_public_functions_are_documented_and_typed(name):
    """Those of the exercises need no types: they stand for what a learner writes."""
    for thing in public(name):
        if "<locals>" in thing.__qualname__:
            continue  # made by a function that is documented
        assert thing.__doc__ and thing.__doc__.strip(), thing
        functions = [thing] if inspect.isfunction(thing) else list(vars(thing).values())
        for function in functions:
            if not inspect.isfunction(function) or function.__name__.startswith("_"):
                continue
            if name.removeprefix("checks.") in EXERCISES:
                continue
            signature = inspect.signature(function)
            assert signature.return_annotation is not inspect.Signature.empty, function
            bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
            untyped = [name for name in bare if name not in ("self", "cls")]
            assert not untyped or untyped == ["model"], (function, untyped)


def test_every_public_function_is_used_by_a_notebook_or_a_study_or_by_another_that_is():
    books = [nbformat.read(path, 4) for path in (ROOT / "notebooks").glob("*.ipynb")]
    text = "\n".join(c.source for book in books for c in book.cells if c.cell_type == "code")
    text += "\n".join(c.source for book in books for c in book.cells if "checks." in c.source)
    text += "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "studies").glob("*.py"))
    sources = {name: source(name) for name in EVERY}
    for name in EVERY:
        for thing in public(name):
            word = rf"\b{thing.__name__}\b"
            inside = len(re.findall(word, sources[name]))
            others = any(re.search(word, sources[other]) for other in EVERY if other != name)
            assert re.search(word, text) or others or inside > 1, f"{name}.{thing.__name__}"


def test_what_is_heavy_is_loaded_only_when_it_is_used():
    """captum takes a second; the exercises of a notebook come with its first check."""
    modules = [f"recsys_utils.{name}" for name in [*ORDER, "checks"]]
    program = "import sys, " + ", ".join(modules)
    program += "; print([m for m in sys.modules if m in ('captum', 'sklearn') or 'exercises' in m])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
