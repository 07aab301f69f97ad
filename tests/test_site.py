"""The book of `make site` is whole, loads nothing from elsewhere, says what its sources say."""

import itertools
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
BOOKS = sorted(path.relative_to(ROOT) for path in (ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted(path.relative_to(ROOT) for path in ROOT.glob("notebooks/solutions/*.ipynb"))
TEXTS = [path.relative_to(ROOT) for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]]
COURSE = "Explainable recommendation with attention"
ADDRESS = {"GITHUB_REPOSITORY": "ada-l/explained", "GITHUB_REF_NAME": "main",
           "JUPYTERHUB_URL": "https://hub.example.org"}  # fmt: skip


@pytest.fixture(scope="module")
def sources():
    sys.path.insert(0, str(ROOT / "book"))
    yield import_module("sources")
    sys.path.remove(str(ROOT / "book"))


@pytest.fixture(scope="module")
def npm(tmp_path_factory):
    """What stands for the packages from npm: their work is looked at in tests/browser."""
    folder = tmp_path_factory.mktemp("npm")
    for name in ("mathjax/es5/tex-svg.js", "mermaid/dist/mermaid.min.js"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    return folder


def build(folder: Path, npm: Path, *options: str, **environment: str) -> Path:
    """As `make site` does it, in an environment where nothing says an address."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("GITHUB_")}
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", *options, "-c", "book", ".", folder / "html"],
        cwd=ROOT, env={**clean, "BOOK_NPM": str(npm), **environment},
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def folder(npm, tmp_path_factory):
    """The whole book; a warning of Sphinx is an error."""
    return build(tmp_path_factory.mktemp("book"), npm, "-W", "--keep-going")


@pytest.fixture(scope="module")
def site(folder):
    """Every page of the book: path -> parsed HTML."""
    pages = [path for path in folder.rglob("*.html") if "_static" not in path.parts]
    return {path: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in sorted(pages)}


@pytest.fixture(scope="module")
def page(site, folder):
    """The page of a source."""
    return lambda source: site[folder / Path(source).with_suffix(".html")]


def code_cells(source: Path) -> list:
    cells = nbformat.read(ROOT / source, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


# --- Every page ----------------------------------------------------------------------------------


def test_every_notebook_and_text_has_a_page_with_its_title(page):
    for source in [*BOOKS, *SOLUTIONS, *TEXTS]:
        text = (ROOT / source).read_text("utf-8")
        if source.suffix == ".ipynb":
            text = nbformat.reads(text, as_version=4).cells[0].source
        title = text.splitlines()[0].removeprefix("# ")
        assert page(source).h1.get_text().rstrip("#") == title


def test_the_front_page_has_the_name_that_servers_look_for(site, folder):
    assert str(site[folder / "index.html"]) == str(site[folder / "README.html"])


def test_links_lead_to_pages_places_and_pictures_that_are_there(site, folder):
    for path, soup in site.items():
        tags = [*soup.find_all(href=True), *soup.find_all(src=True)]
        for target in [tag.get("href") or tag["src"] for tag in tags]:
            if urlsplit(target).scheme or target == "#" or target.endswith("pick/index.html"):
                continue  # `make site` writes that page afterwards
            file, anchor = urldefrag(target)
            file = unquote(file).split("?")[0]
            there = (path.parent / file).resolve() if file else path
            assert there.is_file(), f"{path.name}: {target}"
            if anchor and there in site:
                assert site[there].find(id=unquote(anchor)), f"{path.name}: {target}"


def test_nothing_is_loaded_from_another_host(site, folder):
    for path, soup in site.items():
        loading = [*soup.find_all(["script", "img", "iframe", "source"], src=True)]
        values = [tag["src"] for tag in loading]
        values += [tag["href"] for tag in soup.find_all("link", href=True)]
        assert values and not [value for value in values if "//" in value], path.name


def test_the_contents_show_the_course_first_and_solutions_apart(page):
    menu = page("README.md").select(".bd-sidenav a[href]")
    order = [link["href"] for link in menu if link["href"] != "#"]
    assert order[: len(BOOKS)] == [path.with_suffix(".html").as_posix() for path in BOOKS]
    top = page("README.md").select(".bd-sidenav > li.toctree-l1 > a")
    assert not [link for link in top if "notebooks/solutions" in link["href"]]
    assert not [link for link in top if re.search("budget|same-numbers|CONTRIB", link["href"])]
    below = page("book/solutions.md").select("main .toctree-wrapper a")
    assert len(below) == len(SOLUTIONS)


def test_previous_and_next_lead_through_the_course(page):
    for before, after in itertools.pairwise(BOOKS):
        assert page(before).select_one("a.right-next")["href"] == after.stem + ".html"
        assert page(after).select_one("a.left-prev")["href"] == before.stem + ".html"
        assert not page(after).main("a", string="Contents"), "the notebook's own line is not shown"


# --- Notebooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [*BOOKS, *SOLUTIONS], ids=lambda path: path.stem)
def test_code_and_outputs_are_all_there_but_not_those_of_unsolved_exercises(page, source):
    shown = squeezed("".join(block.get_text() for block in page(source).main("pre")))
    for cell in code_cells(source):
        assert squeezed(cell.source) in shown
        unsolved = source in BOOKS and "exercise" in cell.metadata.get("tags", [])
        for output in cell.outputs:
            if output.output_type == "stream" and output.text.strip():
                said = squeezed(re.sub(r"\x1b\[[\d;]*m", "", output.text))
                assert (said in shown) != unsolved, output.text


@pytest.mark.parametrize("source", BOOKS, ids=lambda path: path.stem)
def test_figures_have_their_words_as_alternative_text(page, source):
    figures = page(source).select(".cell_output img")
    stored = [
        output
        for cell in code_cells(source)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(figures) == len(stored) > 0
    for figure in figures:
        assert len(figure["alt"].split()) >= 8, figure["alt"]
        assert not re.search(r"\*\*|\\|\$|\.png|In words", figure["alt"]), figure["alt"]


def test_formulas_wait_for_mathjax_and_diagrams_for_mermaid(page):
    for source in BOOKS:
        scripts = [tag["src"] for tag in page(source)("script", src=True)]
        mathjax = [name for name in scripts if "mathjax.js" in name]
        mermaid = [name for name in scripts if "mermaid.js" in name]
        assert bool(mathjax) == bool(page(source).select(".math"))
        assert bool(mermaid) == bool(page(source).select("pre.mermaid"))


def test_a_notebook_is_prepared_as_the_book_wants_it(sources):
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# Title\n\n[← 04](x.ipynb) | [Contents](../README.md)"),
            nbformat.v4.new_code_cell("plot()", metadata={"jupyter": {"source_hidden": True}}),
            nbformat.v4.new_markdown_cell(
                "**In words.** *Bars* of $w_1$, `x`, [here](#a).\n\nMore."
            ),
            nbformat.v4.new_code_cell("check()", metadata={"tags": ["exercise"]}),
            nbformat.v4.new_markdown_cell("```mermaid\ngraph LR\n  A --> B\n```"),
        ]
    )
    title, figure, _, exercise, diagram = sources.for_the_book(
        notebook, Path("notebooks/05_x.ipynb"), None
    ).cells
    assert title.source == "# Title\n\n"
    assert figure.metadata.tags == ["hide-input"]
    assert figure.metadata.mystnb == {"image": {"alt": "Bars of w_1, x, here."}}
    assert exercise.metadata.tags == ["exercise", "remove-output"]
    assert diagram.source == '<pre class="mermaid">\ngraph LR\n  A --&gt; B\n</pre>\n'


# --- Glossary and package ------------------------------------------------------------------------


def test_the_glossary_has_every_term_with_its_chinese_word(page):
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    table = text.split("| Term |")[1].split("\n\n")[0].splitlines()[2:]
    terms = page("docs/glossary.md").select("dl.glossary > dt")
    chinese = page("docs/glossary.md").select("dl.glossary > dd span[lang=zh]")
    assert len(terms) == len(chinese) == len(table) > 50
    for row, term, word in zip(table, terms, chinese):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert term.get_text().rstrip("#") == cells[0] and word.get_text() == cells[1]


@pytest.mark.parametrize("source", BOOKS, ids=lambda path: path.stem)
def test_terms_lead_to_the_glossary_where_they_are_first_used(page, source):
    links = page(source).select("main a.term")
    targets = [link["href"] for link in links]
    assert len(targets) == len(set(targets)) > 5, "each term once"
    for link in links:
        term = page("docs/glossary.md").find(id=urldefrag(link["href"])[1])
        assert term.get_text().rstrip("#").lower() == link.get_text().lower()
    assert not page(source).select("h1 a.term, h2 a.term, h3 a.term, pre a.term")


def test_a_function_is_linked_from_the_notebooks_and_back(page):
    name = "recsys_utils.attention.scaled_dot_product_attention"
    there = page("notebooks/03_algorithm.ipynb").select(f'pre a[href$="#{name}"]')
    assert there
    function = page("book/api.md").find(id=name).parent
    back = [link["href"] for link in function.select("details a")]
    assert [link for link in back if "notebooks/03_algorithm.html" in link]


def test_every_public_module_stands_on_the_page_of_the_package(page):
    modules = {path.stem for path in (ROOT / "recsys_utils").glob("[a-z]*.py")}
    shown = {heading.get_text().rstrip("#") for heading in page("book/api.md").article("h2")}
    assert shown == modules


def test_docstrings_become_restructured_text(sources):
    lines = ["P(a|b) of `x`, 2 * 3.", "", "    code_ = a|b", "", "Args:", "    n_: how many."]
    sources.as_restructured_text(None, None, None, None, None, lines)
    assert lines == [r"P(a\|b) of ``x``, 2 \* 3.", "", "::", "", "    code_ = a|b", "",
                     "Args:", r"    n\_: how many."]  # fmt: skip


# --- The address ---------------------------------------------------------------------------------


def test_without_an_address_there_is_no_launch_button_and_nothing_is_missing(page):
    for source in BOOKS:
        assert not page(source).select(".dropdown-launch-buttons")
        assert page(source).select_one(f'a.btn[href$="_sources/{source.as_posix()}"]')


def test_launch_buttons_come_from_the_workflows_environment(npm, tmp_path):
    some = "include_patterns=README.md,notebooks/05*,docs/teaching.md"
    html = build(tmp_path, npm, "-D", some, **ADDRESS) / "notebooks" / "05_project_practice.html"
    soup = BeautifulSoup(html.read_text("utf-8"), "html.parser")
    links = [link["href"] for link in soup.select(".dropdown-launch-buttons a")]
    book = "notebooks/05_project_practice.ipynb"
    assert links == [
        f"https://mybinder.org/v2/gh/ada-l/explained/main?urlpath=lab/tree/{book}",
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A//github.com/ada-l/"
        f"explained&urlpath=lab/tree/explained/{book}&branch=main",
        f"https://colab.research.google.com/github/ada-l/explained/blob/colab/{book}",
    ]


@pytest.mark.parametrize(
    ("words", "without", "known"),
    [
        ("[a](../recsys_utils/models.py)", "a", "[a](AT/tree/HEAD/recsys_utils/models.py)"),
        ("[a](solutions)", "[a](../book/solutions.md)", "[a](../book/solutions.md)"),
        ("[a](../data)", "a", "[a](AT/tree/HEAD/data)"),
        (
            "[a](../book/pick/index.html)",
            '<a href="../pick/index.html">a</a>',
            '<a href="../pick/index.html">a</a>',
        ),
        ("[a](../README.md#start)", None, None),
        ("[a](https://arxiv.org/abs/1706.03762)", None, None),
        ("`[a](nowhere)`", None, None),
        ("![a](images/architecture.svg)", None, None),
    ],
)
def test_links_to_code_lead_into_the_repository_or_become_words(sources, words, without, known):
    path = Path("notebooks/05_project_practice.ipynb")
    assert sources.to_the_repository(words, path, None) == (without or words)
    assert sources.to_the_repository(words, path, "AT") == (known or words)


def test_a_link_to_nowhere_is_an_error(sources):
    with pytest.raises(FileNotFoundError, match=r"README\.md: a link leads to missing\.md"):
        sources.to_the_repository("[x](missing.md)", Path("README.md"), None)


def test_publishing_builds_what_make_site_builds_and_needs_no_secret():
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text("utf-8"))
    steps = workflow["jobs"]["book"]["steps"]
    assert "make site" in [step.get("run") for step in steps]
    upload = next(step for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"-c book . {upload['with']['path']}\n" in makefile
    assert workflow["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}
    assert workflow[True]["push"] == {"branches": ["main"]} and "secrets" not in str(workflow)
