"""What the book adds to the sources of the course, page by page, before Sphinx reads them.

The sources are written for JupyterLab and for the repository's web page. Sphinx wants a few things
said in its own words; they are said here, so that nothing in the sources is there for the book.
"""

import html
import itertools
import os
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from docutils import nodes

import recsys_utils

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "data/README.md", "docs/", "notebooks/")
IN_CONTENTS = {"article", "glossary", "teaching"}  # of docs/; the others are behind the course
CONTENTS = """
```{toctree}
:hidden:
:caption: The course
:glob:

notebooks/*
```
```{toctree}
:hidden:
:caption: To look up

docs/glossary
book/api
book/solutions
```
```{toctree}
:hidden:
:caption: For teachers and the curious

docs/article
docs/teaching
book/behind
```
"""
PICK = """
<p class="pick"><a href="pick/index.html">Pick films, see why</a>
<span>in your browser, at once: choose films you like, get ten more and the reasons</span></p>
"""


def repository(environment: Mapping[str, str]) -> str | None:
    """The public address, as a GitHub workflow knows it; None anywhere else."""
    if "GITHUB_REPOSITORY" not in environment:
        return None
    server = environment.get("GITHUB_SERVER_URL", "https://github.com")
    return f"{server}/{environment['GITHUB_REPOSITORY']}"


def prepare(app, docname: str, content: list[str]) -> None:
    """Sphinx's event `source-read`: change the text of one page in place."""
    path = Path(app.env.doc2path(docname)).relative_to(ROOT)
    address = app.config.html_theme_options.get("repository_url")
    if path.suffix == ".ipynb":
        content[0] = nbformat.writes(for_the_book(nbformat.reads(content[0], 4), path, address))
        return
    text = content[0]
    if path.parts[0] != "book":
        text = to_the_repository(text, path, address)
    if docname == "README":
        title, rest = without_badges(text).split("\n", 1)
        text = "\n".join([title, PICK, rest, CONTENTS])
    if docname == "docs/glossary":
        text = as_glossary(text)
    if docname == "book/behind":
        others = sorted({page.stem for page in ROOT.glob("docs/*.md")} - IN_CONTENTS)
        text = text.replace("OTHER-DOCS", "\n".join(f"/docs/{name}" for name in others))
    if docname == "book/api":
        text += "".join(modules())
    content[0] = text


def without_badges(text: str) -> str:
    """README without what scripts/badges.py adds: pictures from elsewhere, the book's own links."""
    return re.sub(r"^\[!\[.*\n", "", text, flags=re.M)


# --- Notebooks -----------------------------------------------------------------------------------


def for_the_book(
    notebook: nbformat.NotebookNode, path: Path, address: str | None
) -> nbformat.NotebookNode:
    """A notebook with words for its figures, folded cells, and no output of unsolved exercises."""
    for cell, after in itertools.zip_longest(notebook.cells, notebook.cells[1:]):
        if cell.cell_type == "markdown":
            # The book has its own contents, and its own links to the pages before and after.
            cell.source = re.sub(r"^.*\[Contents\]\(.*\n?", "", cell.source, flags=re.M)
            cell.source = drawn(to_the_repository(cell.source, path, address))
            continue
        tags = cell.metadata.setdefault("tags", [])
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            tags.append("hide-input")
        if "exercise" in tags and "solutions" not in path.parts:
            tags.append("remove-output")
        if after and after.source.startswith("**In words.**"):
            words = in_plain_words(after.source.removeprefix("**In words.**"))
            cell.metadata["mystnb"] = {"image": {"alt": words}}
    return notebook


def in_plain_words(markdown: str) -> str:
    """The first paragraph without marks: what a screen reader should read aloud."""
    text = markdown.strip().split("\n\n")[0]
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\\[a-z]+|[*`$\\{}]", "", text)
    return " ".join(text.split())


def drawn(markdown: str) -> str:
    """Diagrams as mermaid.js wants them."""
    return re.sub(
        r"^```mermaid\n(.*?)^```$",
        lambda found: f'<pre class="mermaid">\n{html.escape(found[1])}</pre>\n',
        markdown,
        flags=re.M | re.S,
    )


# --- Links ---------------------------------------------------------------------------------------


def to_the_repository(text: str, path: Path, address: str | None) -> str:
    """Lead links to folders and to code into the repository, or leave only their words.

    Raises:
        FileNotFoundError: a link leads to a file that is not there.
    """

    def lead(found: re.Match) -> str:
        words, target = found[1], found[2]
        place = target.partition("#")[0]
        if not place or re.match(r"\w+:", place):
            return found[0]
        there = Path(os.path.normpath(path.parent / place))
        if not (ROOT / there).exists():
            raise FileNotFoundError(f"{path}: a link leads to {target}, which is not there")
        is_page = (ROOT / there).is_file() and there.as_posix().startswith(PAGES)
        if is_page:
            return found[0]
        if there.as_posix() == "book/pick/index.html":  # `make site` writes it afterwards
            page = Path(os.path.relpath("pick/index.html", path.parent)).as_posix()
            return f'<a href="{page}">{words}</a>'
        if there.as_posix() == "notebooks/solutions":
            page = Path(os.path.relpath("book/solutions.md", path.parent)).as_posix()
            return f"[{words}]({page})"
        return f"[{words}]({address}/tree/HEAD/{there.as_posix()})" if address else words

    # Not in code: neither in fences nor between backticks. A picture's "!" stands before.
    parts = re.split(r"(^```.*?^```$|`[^`\n]*`)", text, flags=re.M | re.S)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<!!)\[([^\[\]]*)\]\(([^)\s]+)\)", lead, parts[i])
    return "".join(parts)


# --- The glossary --------------------------------------------------------------------------------


def as_glossary(text: str) -> str:
    """The table of terms as a Sphinx glossary, so that notebooks can link to each term."""
    head, table = re.split(r"^\| Term .*\n\|.*\n", text, maxsplit=1, flags=re.M)
    rows, rest = re.fullmatch(r"((?:\|[^\n]*\n)+)(.*)", table, re.S).groups()
    entries = []
    for row in rows.splitlines():
        term, chinese, meaning, notebook = (cell.strip() for cell in row.strip("|").split("|"))
        entries.append(
            f'{term}\n  <span lang="zh">{chinese}</span> · {meaning} (notebook {notebook})\n'
        )
    head = head.replace(" The last column says which notebook to read.", "")
    return f"{head}```{{glossary}}\n" + "\n".join(entries) + f"```\n{rest}"


PLAIN_TEXT_ENDS = (nodes.reference, nodes.literal, nodes.title, nodes.math, nodes.term,
                   nodes.raw, nodes.literal_block, nodes.Invisible)  # fmt: skip


def link_terms(app, doctree: nodes.document, docname: str) -> None:
    """Sphinx's event `doctree-resolved`: each term leads to the glossary where it is first used."""
    if not docname.startswith("notebooks/") or "solutions" in docname:
        return
    glossary = {
        name.lower(): (page, anchor)
        for (kind, name), (page, anchor) in app.env.domains.standard_domain.objects.items()
        if kind == "term"
    }
    for text in list(doctree.findall(nodes.Text)):
        if not glossary:
            return
        if not text.strip() or inside(text, PLAIN_TEXT_ENDS):
            continue
        longest_first = sorted(glossary, key=len, reverse=True)
        pattern = rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])"
        new, end = [], 0
        for found in re.finditer(pattern, text, re.I):
            if found[0].lower() not in glossary:
                continue  # linked a few words before
            page, anchor = glossary.pop(found[0].lower())
            address = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"
            new.append(nodes.Text(text[end : found.start()]))
            link = nodes.reference("", found[0], refuri=address, internal=True, classes=["term"])
            new.append(link)
            end = found.end()
        if new:
            text.parent.replace(text, [*new, nodes.Text(text[end:])])


def inside(node: nodes.Node, kinds: tuple) -> bool:
    """Is one of these kinds of node around it?"""
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


# --- The package ---------------------------------------------------------------------------------


def modules() -> list[str]:
    """A section for each module of the package, in the order of the alphabet."""
    sections = []
    for found in pkgutil.iter_modules(recsys_utils.__path__):
        if found.ispkg or found.name.startswith("_"):
            continue
        sections.append(
            f"\n## {found.name}\n\n"
            f"```{{eval-rst}}\n.. automodule:: recsys_utils.{found.name}\n"
            "   :ignore-module-all:\n```\n"
        )
    return sections


def as_restructured_text(app, what, name, thing, options, lines: list[str]) -> None:
    """Event `autodoc-process-docstring`: docstrings are plain text with `code` and indented code.

    Sphinx reads reStructuredText: there | and * mean something, and marks for code are doubled.
    """
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()  # what Python says of the fields of every named tuple
    written, above, code_below = [], "", None
    for line in lines:
        if line.strip():
            if code_below is not None and indent(line) <= code_below:
                code_below = None
            deeper = indent(line) > indent(above)
            if code_below is None and deeper and written and not written[-1].strip():
                code_below = indent(above)
                written += [" " * code_below + "::", ""]
            above = line
        written.append(line if code_below is not None else escaped(line))
    lines[:] = written


def indent(line: str) -> int:
    """How many spaces a line begins with."""
    return len(line) - len(line.lstrip())


def escaped(line: str) -> str:
    """A line of plain text as reStructuredText."""
    parts = line.split("`")
    parts[::2] = [re.sub(r"[\\|*]|_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    return "``".join(parts)
