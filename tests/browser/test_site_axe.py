"""The website in a real browser: axe-core's rules, a telephone's width, dark mode, no network.

Run by `make test-browser`, not by `make test`. What is missing is an error here, never a skip.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AXE = Path(os.environ.get("NODE_PATH", Path(sys.prefix) / "node_modules")) / "axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = {
    "window": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}

script = import_module("build_site")
PAGES = [script.address(source).as_posix() for source in script.sources()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    script.build(folder)
    return folder


@pytest.fixture(scope="module")
def axe():
    if not AXE.is_file():
        pytest.fail(
            f"no axe-core at {AXE}: npm install --no-save --prefix {sys.prefix} axe-core@4, "
            "or set NODE_PATH to the node_modules folder that has it",
            pytrace=False,
        )
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def opened(browser, folder):
    """A page, and all that it asked for and complained about."""
    contexts = []

    def visit(name, view):
        context = browser.new_context(**VIEWS[view])
        contexts.append(context)
        page = context.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("requestfailed", lambda request: page.complaints.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                page.complaints.append(said.text) if said.type in ("error", "warning") else None
            ),
        )
        page.goto((folder / name).as_uri())
        page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
        page.wait_for_function("[...document.images].every(i => i.complete)")
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_page(opened, axe, folder, name, view):
    page = opened(name, view)
    page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")

    assert page.complaints == []
    here = folder.as_uri()
    assert page.asked and [u for u in page.asked if not u.startswith((here, "data:"))] == []

    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) <= 0, "the page scrolls sideways"
    empty = "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
    assert page.evaluate(empty) == []

    page.evaluate(axe)
    found = page.evaluate("rules => axe.run({runOnly: rules, preload: false})", RULES)
    assert len(found["passes"]) > 20, "axe-core has hardly looked"
    grave = [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
    assert not grave, grave[:5]


def test_dark_is_dark_and_figures_keep_their_white_card(opened):
    colour = "(what) => getComputedStyle(document.querySelector(what)).backgroundColor"
    name = next(name for name in PAGES if "notebooks/" in name)
    dark, light = opened(name, "dark"), opened(name, "window")
    assert light.evaluate(colour, "body") == "rgb(255, 255, 255)"
    shades = dark.evaluate(colour, "body").strip("rgb()").split(", ")
    assert max(map(int, shades)) < 60
    assert dark.evaluate(colour, "figure img") == "rgb(255, 255, 255)"


def test_the_menu_is_folded_on_a_phone_and_opens_with_the_keyboard(opened):
    page = opened("index.html", "phone")
    link = page.locator("#menu nav a").first
    assert not link.is_visible()
    page.locator("#menu summary").focus()
    page.keyboard.press("Enter")
    assert link.is_visible()
    assert opened("index.html", "window").locator("#menu nav a").first.is_visible()
