"""The book in a real browser: axe-core's rules, a telephone's width, light and dark, no network.

Run by `make test-browser`, not by `make test`. What is missing is an error here, never a skip.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIZES = {"window": (1280, 900), "phone": (360, 740)}
THOROUGH = [("window", "light"), ("phone", "dark")]
FOLDERS = ["README.md", "notebooks/*.ipynb", "notebooks/solutions/*.ipynb", "docs/*.md",
           "data/README.md", "CONTRIBUTING.md", "book/*.md"]  # fmt: skip
SOURCES = [path.relative_to(ROOT) for places in FOLDERS for path in sorted(ROOT.glob(places))]
PAGES = [path.with_suffix(".html").as_posix() for path in SOURCES]
# Formulas and diagrams that have not become pictures.
LEFT_UNDRAWN = """[...document.querySelectorAll('.math, pre.mermaid')]
    .filter(part => !part.querySelector('svg') || part.querySelector('merror, [data-mjx-error]'))
    .map(part => part.textContent)"""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_open_to_everybody(visit, barriers, book, name):
    """From file://, in a window and on a phone; in light and dark, without loading it again."""
    for size, (width, height) in SIZES.items():
        page = visit((book / name).as_uri(), width, height)
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")
        assert page.complaints == []
        assert page.foreign(book) == []
        assert page.sideways() <= 0, f"{size}: the page scrolls sideways"
        assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0
        assert page.evaluate(LEFT_UNDRAWN) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if folder := os.environ.get("SCREENSHOTS"):
                place = Path(folder) / f"{name.replace('/', '-')}-{size}-{scheme}.png"
                page.screenshot(path=place, full_page=True)
            # All rules in a light window and on a dark phone, the colours in all four.
            found = barriers(page, colours_only=(size, scheme) not in THOROUGH)
            assert found == [], (size, scheme)


def test_search_finds_a_page_without_a_server(visit, book):
    page = visit((book / "search.html").as_uri() + "?q=bootstrap", 1280, 900)
    page.wait_for_selector("#search-results li a")
    found = page.evaluate("[...document.querySelectorAll('#search-results a')].map(a => a.href)")
    assert any("docs/glossary.html" in address for address in found)


def test_code_is_copied_with_a_button_and_dark_mode_has_a_switch(visit, book):
    page = visit((book / "notebooks/03_algorithm.html").as_uri(), 1280, 900)
    cells = page.locator("main .cell_input").count()
    assert page.locator("main .cell_input button.copybtn").count() == cells > 10
    mode = "document.documentElement.dataset.theme"
    assert page.evaluate(mode) == "light"
    page.locator("button.theme-switch-button").first.click()
    page.locator("button.theme-change-button[data-mode=dark]").first.click()
    assert page.evaluate(mode) == "dark"
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in colour.strip("rgb()").split(", ")) < 60


def test_a_wide_table_scrolls_by_itself_and_by_keyboard(visit, book):
    page = visit((book / "README.html").as_uri(), 360, 740)
    table = page.locator(".pst-scrollable-table-container").first
    assert table.get_attribute("tabindex") == "0"
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
