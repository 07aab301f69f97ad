"""The book in a real browser: axe-core's rules, a telephone's width, light and dark, no network.

Run by `make test-browser`, not by `make test`. What is missing is an error here, never a skip.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast"]
SIZES = {"window": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740}}
THOROUGH = [("window", "light"), ("phone", "dark")]
SOURCES = [
    path.relative_to(ROOT)
    for pattern in ["README.md", "notebooks/**/*.ipynb", "docs/*.md", "data/README.md",
                    "CONTRIBUTING.md", "book/*.md"]
    for path in sorted(ROOT.glob(pattern))
    if ".ipynb_checkpoints" not in path.parts
]  # fmt: skip
PAGES = [path.with_suffix(".html").as_posix() for path in SOURCES]
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Formulas and diagrams that have not become pictures.
UNDRAWN = """[...document.querySelectorAll('.math, pre.mermaid')]
    .filter(part => !part.querySelector('svg') || part.querySelector('merror, [data-mjx-error]'))
    .map(part => part.textContent)"""
DRAWN = "!window.MathJax || MathJax.startup.promise.then(() => true)"


class Visit:
    """One page, looked at by one browser window, and all it asked for and complained about."""

    def __init__(self, page, address: str) -> None:
        self.page, self.asked, self.complaints = page, [], []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("requestfailed", lambda request: self.complaints.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self.hear)
        page.goto(address)
        page.add_style_tag(content="* { transition: none !important; }")  # colours change at once
        page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
        page.wait_for_function("[...document.images].every(i => i.complete)")
        page.wait_for_function(DRAWN)

    def hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
def visit(browser):
    """Opens an address in a window of a size and colour scheme."""
    contexts = []

    def opened(address: str, size: str = "window", scheme: str = "light", **more) -> Visit:
        context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, **more)
        contexts.append(context)
        return Visit(context.new_page(), address)

    yield opened
    for context in contexts:
        context.close()


def serious(page, axe: str, rules: list[str]) -> list:
    """What axe-core finds that shuts somebody out."""
    page.evaluate(axe)
    # The inside of a formula is MathJax's picture of it, hidden from screen readers.
    look = "rules => axe.run({exclude: ['mjx-container']}, {runOnly: rules, preload: false})"
    found = page.evaluate(look, rules)
    assert len(found["passes"]) >= (1 if rules == COLOURS else 20), "axe-core has hardly looked"
    return [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_open_to_everybody(visit, axe, book, name):
    """From file://, in a window and on a phone; in light and dark, without loading it again."""
    for size in SIZES:
        seen = visit((book / name).as_uri(), size)
        page = seen.page
        page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")
        assert seen.complaints == []
        assert [url for url in seen.asked if not url.startswith((book.as_uri(), "data:"))] == []
        assert page.evaluate(SIDEWAYS) <= 0, f"{size}: the page scrolls sideways"
        assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).length") == 0
        assert page.evaluate(UNDRAWN) == []
        # All rules in a light window and on a dark phone, the colours in all four.
        for scheme in ("light", "dark"):
            rules = RULES if (size, scheme) in THOROUGH else COLOURS
            page.emulate_media(color_scheme=scheme)
            if folder := os.environ.get("SCREENSHOTS"):
                place = Path(folder) / f"{name.replace('/', '-')}-{size}-{scheme}.png"
                page.screenshot(path=place, full_page=True)
            assert serious(page, axe, rules)[:5] == [], (size, scheme)
