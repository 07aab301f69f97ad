"""The website that `make site` writes is whole, works offline, and says what the sources say."""

import base64
import itertools
import re
from importlib import import_module
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
SOURCES = [
    Path("README.md"),
    *(path.relative_to(ROOT) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))),
    *(path.relative_to(ROOT) for path in sorted((ROOT / "docs").glob("*.md"))),
    Path("data/README.md"),
]
BOOKS = [source for source in SOURCES if source.suffix == ".ipynb"]
COURSE = "Explainable recommendation with attention"


@pytest.fixture(scope="module")
def script():
    return import_module("build_site")


@pytest.fixture(scope="module")
def site(script, tmp_path_factory):
    """Every page of the site: path -> parsed HTML."""
    folder = tmp_path_factory.mktemp("site")
    made = script.build(folder)
    assert sorted(made) == sorted(folder.rglob("*.html"))
    return {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in made}


@pytest.fixture
def folder(site):
    return next(path.parent for path in site if path.parent.joinpath("style.css").exists())


@pytest.fixture
def page(site, folder):
    """The page of a source."""

    def find(source):
        name = source.with_suffix(".html")
        return site[folder / (name.with_name("index.html") if source.stem == "README" else name)]

    return find


def cells(source, kind) -> list:
    if source.suffix == ".ipynb":
        return [c for c in nbformat.read(ROOT / source, 4).cells if c.cell_type == kind]
    text = (ROOT / source).read_text(encoding="utf-8")
    return [nbformat.v4.new_markdown_cell(text)] if kind == "markdown" else []


def prose(source) -> str:
    """The Markdown of a source without its code."""
    text = "\n\n".join(cell.source for cell in cells(source, "markdown"))
    return re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL)


def outputs(source, mime) -> list[str]:
    found = [o.get("data", {}) for c in cells(source, "code") for o in c.get("outputs", [])]
    return [data[mime] for data in found if mime in data]


def told(source) -> list[str]:
    """For every figure the text after it."""
    notebook = nbformat.read(ROOT / source, 4).cells
    return [
        after.source
        for cell, after in itertools.pairwise(notebook)
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]{3,}", text)


def test_every_notebook_and_text_has_a_page_and_solutions_have_none(site, folder, page):
    assert all(page(source).main.get_text().strip() for source in SOURCES)
    names = {path.relative_to(folder).as_posix() for path in site}
    assert not [name for name in names if "solutions" in name]
    extra = len(site) - len(SOURCES)
    assert extra == ((ROOT / "CONTRIBUTING.md").exists())


def test_links_lead_to_pages_places_and_pictures_that_are_there(site):
    for path, soup in site.items():
        targets = [tag[key] for key in ("href", "src") for tag in soup.find_all(attrs={key: True})]
        assert len(targets) > len(site)
        for target in targets:
            if urlsplit(target).scheme:
                continue
            file, anchor = urldefrag(target)
            there = (path.parent / file).resolve() if file else path
            assert there.is_file(), f"{path.name}: {target}"
            assert there.suffix not in {".md", ".ipynb"}, f"{path.name}: {target}"
            if anchor:
                assert site[there].find(id=anchor), f"{path.name}: {target}"


def test_ids_are_unique(site):
    for path, soup in site.items():
        ids = [tag["id"] for tag in soup.find_all(id=True)]
        assert len(ids) == len(set(ids)), path.name


def test_nothing_is_loaded_from_another_host(site, folder):
    loading = ("src", "srcset", "poster", "data", "background", "action", "xlink:href")
    for path, soup in site.items():
        for tag in soup.find_all(True):
            values = [tag[key] for key in loading if key in tag.attrs]
            values += [tag["href"]] if tag.name != "a" and "href" in tag.attrs else []
            assert not [v for v in values if "//" in v], f"{path.name}: {tag}"
        for tag in soup(["style", "script"]):
            assert not re.search(r"@import|url\(|//\w|fetch|import", tag.get_text()), tag
    for path in [*folder.rglob("*.css"), *folder.rglob("*.svg")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(\s*['\"]?\w+:|href=\"\w+:|<script", text), path.name


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_formula_is_drawn(page, source):
    soup = BeautifulSoup(str(page(source).main), "html.parser")
    blocks = re.findall(r"\$\$.+?\$\$", prose(source), re.DOTALL)
    inline = re.findall(r"\$.+?\$", re.sub(r"\$\$.+?\$\$", "", prose(source), flags=re.DOTALL))
    assert len(soup("math")) == len(blocks) + len(inline)
    assert len(soup("math", display="block")) == len(blocks)
    for tag in soup(["pre", "code"]):
        tag.decompose()
    assert not re.search(r"\$|\\[a-zA-Z]+", soup.get_text())


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_pictures_are_described(page, source):
    for image in page(source)("img"):
        assert len(words(image["alt"])) >= 8, image
        assert not re.search(r"\*\*|\\|\.png|\n", image["alt"]), image["alt"]


@pytest.mark.parametrize("source", BOOKS, ids=str)
def test_figures_are_those_of_the_notebook_with_its_words(page, folder, source):
    figures = page(source).select("figure img")
    drawn = [base64.b64decode(picture) for picture in outputs(source, "image/png")]
    stored = [(folder / source.parent / image["src"]).read_bytes() for image in figures]
    assert stored == drawn
    for image, text in zip(figures, told(source), strict=True):
        assert text.startswith("**In words.**")
        assert words(image["alt"])[:8] == words(text.removeprefix("**In words.**"))[:8]
        assert int(image["width"]) > 100 and int(image["height"]) > 100


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_tables_are_all_there_and_say_what_heads_what(page, source):
    tables = page(source).main("table")
    stored = sum(html.count("<table") for html in outputs(source, "text/html"))
    assert len(tables) == stored + len(
        re.findall(r"^\|(?=.*-)[ :|-]+\|$", prose(source), re.MULTILINE)
    )
    for table in tables:
        heads = table("th")
        assert heads and all(head.get_text(strip=True) and head.get("scope") for head in heads)
        assert "scroll" in table.parent["class"]


@pytest.mark.parametrize("source", BOOKS, ids=str)
def test_code_and_printed_outputs_are_all_there(page, source):
    shown = "\n".join(block.get_text() for block in page(source)("pre"))
    for cell in cells(source, "code"):
        assert cell.source.strip() in shown
        for output in cell.outputs:
            data = output.get("data", {})
            if not {"image/png", "text/html"} & set(data):
                assert (output.get("text") or data["text/plain"]).strip() in shown


def test_headings_are_in_order_below_one_title(site):
    for path, soup in site.items():
        levels = [int(heading.name[1]) for heading in soup(re.compile("^h[1-6]$"))]
        assert levels[0] == 1 and levels.count(1) == 1, path.name
        assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), (path.name, levels)


def test_titles_and_descriptions_are_there_and_differ(site, page):
    titles = [soup.title.get_text() for soup in site.values()]
    assert len(set(titles)) == len(titles)
    assert page(Path("README.md")).title.get_text() == COURSE
    assert page(BOOKS[0]).title.get_text() == f"01 Background · {COURSE}"
    assert all(title.endswith(COURSE) for title in titles)
    texts = [soup.find("meta", attrs={"name": "description"})["content"] for soup in site.values()]
    assert len(set(texts)) == len(texts) and all(30 < len(text) <= 170 for text in texts)
    for soup in site.values():
        assert soup.html["lang"] == "en"
        viewport = soup.find("meta", attrs={"name": "viewport"})["content"]
        assert (
            "width=device-width" in viewport and "scal" not in viewport.replace("initial-", "")[30:]
        )


def test_next_leads_through_all_pages_and_previous_back(site, folder):
    here, visited = folder / "index.html", []
    while here:
        visited.append(here)
        link = site[here].select_one("nav.around a[rel=next]")
        following = (here.parent / link["href"]).resolve() if link else None
        if following:
            back = site[following].select_one("nav.around a[rel=prev]")["href"]
            assert (following.parent / back).resolve() == here
        here = following
    assert sorted(visited) == sorted(site)
    for path, soup in site.items():
        menu = [(path.parent / a["href"]).resolve() for a in soup.select("#menu a[href*=html]")]
        assert menu == visited


def test_a_notebooks_own_line_of_links_is_not_shown_twice(page):
    for source in BOOKS:
        assert not page(source).main("a", string="Contents")


def soup_of(script, text):
    return BeautifulSoup(script.markdown(text), "html.parser")


@pytest.mark.parametrize(
    ("link", "address"),
    [
        ("04_mathematical_model.ipynb#5-temperature", "04_mathematical_model.html#5-temperature"),
        ("../README.md", "../index.html"),
        ("../data/README.md#terms-of-use", "../data/index.html#terms-of-use"),
        ("../docs/teaching.md", "../docs/teaching.html"),
        ("#exercises", "#exercises"),
        ("https://arxiv.org/abs/1706.03762", "https://arxiv.org/abs/1706.03762"),
    ],
)
def test_links_to_pages_lead_to_their_place_in_the_site(script, tmp_path, link, address):
    soup = soup_of(script, f"[words]({link})")
    script.lead_links(soup, BOOKS[0], tmp_path, None)
    assert soup.a["href"] == address


def test_equal_headings_get_different_ids_the_ones_github_gives(script):
    soup = soup_of(script, "## Of $d_k$: what?\n\n## Answer\n\n## Answer")
    script.name_headings(soup)
    assert [heading["id"] for heading in soup("h2")] == ["of-d_k-what", "answer", "answer-1"]


def test_links_to_other_files_lead_to_the_repository_or_say_the_path(script, tmp_path):
    text = "[worked](solutions/03_algorithm.ipynb)"
    soup = soup_of(script, text)
    script.lead_links(soup, BOOKS[2], tmp_path, "https://example.org/course")
    address = "https://example.org/course/tree/HEAD/notebooks/solutions/03_algorithm.ipynb"
    assert soup.a["href"] == address
    soup = soup_of(script, text)
    script.lead_links(soup, BOOKS[2], tmp_path, None)
    assert soup.p.decode_contents() == (
        "worked (notebooks/solutions/03_algorithm.ipynb in the repository)"
    )


def test_a_badge_from_another_host_becomes_words(script, tmp_path):
    soup = soup_of(
        script, "[![Open in Binder](https://example.org/badge.svg)](https://example.org)"
    )
    script.lead_links(soup, BOOKS[0], tmp_path, None)
    assert not soup("img") and soup.a.get_text() == "Open in Binder"


def test_the_description_is_not_made_of_badges(script):
    soup = soup_of(script, "[![Run](x.svg)](y) [here](z)\n\nA course with [links](z).")
    assert [script.only_links(line) for line in soup("p")] == [True, False]


def test_a_link_to_nowhere_and_a_formula_that_cannot_be_drawn_are_errors(script, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"README.md: .* leads to missing.md"):
        script.lead_links(soup_of(script, "[x](missing.md)"), SOURCES[0], tmp_path, None)
    with pytest.raises(ValueError, match=r"unknown command \\nonsense"):
        script.markdown(r"so $\nonsense{x}$")
    with pytest.raises(ValueError, match="cannot be read"):
        script.markdown(r"so $\frac{1}{$")


def test_chinese_words_are_marked_as_chinese(script):
    soup = soup_of(script, "weight (权重，注意力)")
    script.mark_chinese(soup)
    assert soup.find(lang="zh").get_text() == "权重，注意力"


def test_only_an_older_site_is_replaced(script, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        script.build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
