"""How plain is the code that a learner reads? Counted in a notebook.

Without the section "Exercises" and without cells whose code is folded away (`jupyter.source_hidden`
or the tag `hide-input`). The newest public versions of well-known courses, counted alike (2026):

                            tokens  densest  comprehensions  nested  asserts
    LLMs-from-scratch 1-7     9.8      19         1.4          0       0.7
    uvadlc tutorials 2-9     10.8      22         1.1          0.06    0.4
    handson-ml3              11.5      21         0.9          0.03    0.5
    pytorch-deep-learning     9.9      20         0.4          0       0.4
"""

import ast
import re
import statistics
from typing import NamedTuple

import nbformat

COMPREHENSIONS = (ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)


class Plainness(NamedTuple):
    """Words and signs a line (mean, and where the densest tenth begins), and per 100 lines:
    comprehensions, those inside others or with two `for`, asserts, stars that unpack, lines with
    three calls in a row. `imports`: lines of imports, in all.
    """

    tokens: float
    densest: int
    comprehensions: float
    nested: float
    asserts: float
    stars: float
    chains: float
    imports: int


def visible_code(notebook: nbformat.NotebookNode) -> list[str]:
    """The code cells that a reader sees, without those of the exercises."""
    sources, in_exercises = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if cell.source.startswith("## "):
                in_exercises = cell.source.startswith("## Exercises\n")
            continue
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        hidden = hidden or "hide-input" in cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not hidden and not in_exercises:
            sources.append(cell.source)
    return sources


def calls_in_a_row(node: ast.AST) -> int:
    """`a.b().c()[0].d()` -> 3."""
    count = 0
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        count += isinstance(node, ast.Call)
        node = node.func if isinstance(node, ast.Call) else node.value
    return count


def is_nested(node: ast.AST) -> bool:
    """Whether a comprehension holds another one, or two `for`."""
    inside = [part for child in ast.iter_child_nodes(node) for part in ast.walk(child)]
    return len(node.generators) > 1 or any(isinstance(part, COMPREHENSIONS) for part in inside)


def plainness(notebook: nbformat.NotebookNode) -> Plainness:
    """Count.

    Raises:
        ValueError: there is no code to count.
    """
    sizes: list[int] = []
    found = dict.fromkeys(["comprehensions", "nested", "asserts", "stars", "chains", "imports"], 0)
    for source in visible_code(notebook):
        for line in source.split("\n"):
            if line.strip() and not line.strip().startswith("#"):
                sizes.append(len(re.findall(r"\w+|[^\s\w]", line)))
        chained = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, COMPREHENSIONS):
                found["comprehensions"] += 1
                found["nested"] += is_nested(node)
            elif isinstance(node, ast.Assert):
                found["asserts"] += node.end_lineno - node.lineno + 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found["imports"] += node.end_lineno - node.lineno + 1
            elif isinstance(node, ast.Starred):
                found["stars"] += 1
            elif isinstance(node, ast.Call) and calls_in_a_row(node) >= 3:
                chained.add(node.lineno)
        found["chains"] += len(chained)
    if not sizes:
        raise ValueError("the notebook has no visible code")
    imports = found.pop("imports")
    per_100_lines = {name: 100 * count / len(sizes) for name, count in found.items()}
    densest = sorted(sizes)[int(0.9 * len(sizes))]
    return Plainness(statistics.mean(sizes), densest, **per_100_lines, imports=imports)
