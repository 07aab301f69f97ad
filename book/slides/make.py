"""Slides of notebooks, which need no network: reveal.js, formulas, diagrams beside them.

    python book/slides/make.py slides notebooks/03_algorithm.ipynb

`make slides` makes those of all notebooks. Which cell begins a slide stands in the notebooks (see
`slide_type` in scripts/run_and_store.py); slides.js divides what is too long for one.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import SlidesExporter

HERE = Path(__file__).parent
NPM = Path(os.environ.get("BOOK_NPM", HERE.parents[1] / ".venv" / "npm"))
IMAGES = HERE.parents[1] / "notebooks" / "images"
# Name beside the slides -> where it comes from.
STATIC = {
    "reveal.js": NPM / "reveal.js" / "dist" / "reveal.js",
    "dist/reveal.css": NPM / "reveal.js" / "dist" / "reveal.css",
    "dist/theme/slides.css": HERE / "slides.css",
    "notes.js": NPM / "reveal.js" / "plugin" / "notes" / "notes.js",
    "mathjax.js": NPM / "mathjax" / "es5" / "tex-svg.js",
    "mermaid.js": NPM / "mermaid" / "dist" / "mermaid.min.js",
    "slides.js": HERE / "slides.js",
}


def exporter() -> SlidesExporter:
    """nbconvert's, with our template."""
    template = (HERE / "slides.html.j2").read_text(encoding="utf-8")
    return SlidesExporter(
        extra_loaders=[DictLoader({"slides.html.j2": template})],
        template_file="slides.html.j2",
        reveal_url_prefix="static",
        reveal_theme="slides",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )


def for_slides(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without code that is folded away in JupyterLab (its figures stay), and without the lines that
    lead to other notebooks.
    """
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"^.*\[Contents\]\(.*\n?", "", cell.source, flags=re.M).strip()
    notebook.cells = [cell for cell in notebook.cells if cell.source]
    return notebook


def make(folder: Path, paths: list[Path]) -> list[Path]:
    """Write the slides of these notebooks into a folder. Returns the pages.

    Raises:
        FileNotFoundError: a package from npm is not there.
    """
    missing = [str(path) for path in STATIC.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"not there: {', '.join(missing)}; `make slides` brings them")
    static = folder / "static"
    for name, path in STATIC.items():
        (static / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, static / name)
    to_slides, pages = exporter(), []
    for path in paths:
        notebook = for_slides(nbformat.read(path, as_version=4))
        place = {"metadata": {"name": path.stem, "path": str(path.parent)}}
        html, _ = to_slides.from_notebook_node(notebook, resources=place)
        page = folder / f"{path.stem}.html"
        page.write_text(html, encoding="utf-8")
        pages.append(page)
    shutil.copytree(IMAGES, folder / "images", dirs_exist_ok=True)
    return pages


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("Usage: python book/slides/make.py FOLDER NOTEBOOK ...")
    for written in make(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]):
        print(written)
