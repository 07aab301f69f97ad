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
MODULES = sorted(path.stem for path in (ROOT / "recsys_utils").glob("[a-z]*.py"))
# Each module may use those before it.
ORDER = ["tables", "movielens", "splits", "data", "attention", "explanation", "faithfulness",
         "models", "variants", "evaluation", "training", "simulation", "plots"]  # fmt: skip


def source(name: str) -> str:
    return (ROOT / "recsys_utils" / f"{name}.py").read_text(encoding="utf-8")


def imported(name: str) -> set[str]:
    tree = ast.parse(source(name))
    return {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
    }


def public(name: str) -> list:
    module = import_module(f"recsys_utils.{name}")
    return [thing for key, thing in vars(module).items()
            if not key.startswith("_") and getattr(thing, "__module__", "") == module.__name__
            and (inspect.isfunction(thing) or inspect.isclass(thing))]  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_modules_depend_in_one_direction(name):
    assert imported(name) <= set(ORDER[: ORDER.index(name)])


def test_every_module_is_in_the_order_or_stands_alone():
    alone = set(MODULES) - set(ORDER)
    assert all(not imported(name) for name in alone), alone
    text = (ROOT / "recsys_utils" / "__init__.py").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_are_typed_and_documented(name):
    for thing in public(name):
        assert thing.__doc__ and thing.__doc__.strip(), thing
        functions = [thing] if inspect.isfunction(thing) else list(vars(thing).values())
        for function in functions:
            if not inspect.isfunction(function) or function.__name__.startswith("_"):
                continue
            signature = inspect.signature(function)
            assert signature.return_annotation is not inspect.Signature.empty, function
            bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
            untyped = [name for name in bare if name not in ("self", "cls")]
            assert not untyped or untyped == ["model"], (function, untyped)


def test_every_public_function_is_used_by_a_notebook_or_by_another_that_is():
    books = [nbformat.read(path, 4) for path in (ROOT / "notebooks").rglob("*.ipynb")]
    text = "\n".join(c.source for book in books for c in book.cells if c.cell_type == "code")
    sources = {name: source(name) for name in MODULES}
    for name in MODULES:
        for thing in public(name):
            word = rf"\b{thing.__name__}\b"
            inside = len(re.findall(word, sources[name]))
            others = any(re.search(word, sources[other]) for other in MODULES if other != name)
            assert re.search(word, text) or others or inside > 1, f"{name}.{thing.__name__}"


def test_captum_is_loaded_only_when_it_is_used():
    """It takes a second; most notebooks do not need it."""
    program = "import sys; " + "; ".join(f"import recsys_utils.{name}" for name in ORDER)
    program += "; print([m for m in ('captum', 'sklearn') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
