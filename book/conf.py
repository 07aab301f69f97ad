"""The course as a book: Sphinx reads README, notebooks and docs where they are. `make site`.

Notebooks are not run: their stored outputs are shown. What the sources leave to the book (folded
cells, words for figures, links into the repository) is added in `sources.py`, page by page.
"""

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import sources  # noqa: E402

project = "Explainable recommendation with attention"
author = "the authors of the course"
project_copyright = "the authors of the course; MIT licence"
language = "en"
smartquotes = False

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_codeautolink",
]
root_doc = "README"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "data/README.md",
    "docs/*.md",
    "notebooks/**.ipynb",
    "book/*.md",
]
exclude_patterns = [".*", "**/.*", "**/node_modules", "site", "class-set"]

# Notebooks and Markdown.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 4
# Docstrings: types stand in the signature, once.
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

# Code in notebooks links to the package, and the package back to the notebooks.
codeautolink_concat_default = True
codeautolink_autodoc_inject = True

# The look. The address comes from the workflow that publishes the book; without it the book has
# no launch buttons, and nothing else is missing.
html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "static/icon.svg"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
templates_path = ["templates"]
html_sidebars = {
    "**": ["navbar-logo.html", "pick.html", "search-button-field.html", "sbt-sidebar-nav.html"]
}
html_context = {"default_mode": "auto"}
html_show_sphinx = False
html_copy_source = True
html_theme_options = {
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "home_page_in_toc": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
REPOSITORY = sources.repository(os.environ)
if REPOSITORY:
    html_theme_options |= {
        "repository_url": REPOSITORY,
        "repository_branch": os.environ.get("GITHUB_REF_NAME", "main"),
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
            "jupyterhub_url": os.environ.get("JUPYTERHUB_URL", ""),
        },
    }

# Formulas and diagrams: npm packages, copied at build, so that nothing comes from elsewhere.
NPM = Path(os.environ.get("BOOK_NPM", ROOT / ".venv" / "npm"))
SCRIPTS = {
    "mathjax.js": NPM / "mathjax" / "es5" / "tex-svg.js",
    "mermaid.js": NPM / "mermaid" / "dist" / "mermaid.min.js",
}
mathjax_path = "mathjax.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "global"}}


def add_mermaid(app, pagename, templatename, context, doctree):
    """Load the drawing program (3 MB) only on pages that have a diagram."""
    if 'class="mermaid"' in context.get("body", ""):
        app.add_js_file("mermaid.js", priority=400)


def lead_to_colab(app, pagename, templatename, context, doctree):
    """The branch whose notebooks install the course: see scripts/colab.py."""
    branch = app.config.html_theme_options.get("repository_branch")
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button["text"] == "Colab":
                button["url"] = button["url"].replace(f"/blob/{branch}/", "/blob/colab/", 1)


def finish(app, error):
    """After the build: the scripts from npm, and the front page under the name people expect."""
    if error:
        return
    for name, path in SCRIPTS.items():
        shutil.copy(path, Path(app.outdir) / "_static" / name)
    shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app):
    """Sphinx calls this once."""
    missing = [str(path) for path in SCRIPTS.values() if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"not there: {', '.join(missing)}; `make site` brings them")
    app.connect("source-read", sources.prepare)
    # Before napoleon, which reads "Args:" and the like.
    app.connect("autodoc-process-docstring", sources.as_restructured_text, priority=400)
    app.connect("doctree-resolved", sources.link_terms)
    app.connect("html-page-context", add_mermaid)
    app.connect("html-page-context", lead_to_colab, priority=900)  # after the theme's buttons
    app.connect("build-finished", finish)
