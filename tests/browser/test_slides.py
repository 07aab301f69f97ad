"""Slides of every notebook in a real browser: whole, without a network, nothing beyond the edge."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDTH, HEIGHT = 1280, 720
# What of the current slide lies beyond the window, and what can be scrolled.
BEYOND = """([width, height]) => {
    const slide = Reveal.getCurrentSlide();
    const seen = [...slide.querySelectorAll('*')].filter(part =>
        part.checkVisibility() && !part.closest('aside, mjx-assistive-mml, defs'));
    const far = part => {
        const box = part.getBoundingClientRect();
        return box.width && box.height &&
            (box.bottom > height + 1 || box.right > width + 1 || box.left < -1 || box.top < -1);
    };
    const scrolls = part => part.scrollHeight > part.clientHeight + 2 &&
        ['auto', 'scroll'].includes(getComputedStyle(part).overflowY);
    return {
        beyond: seen.filter(far).map(part => `${part.tagName}: ${part.textContent.slice(0, 80)}`),
        scrolled: seen.filter(scrolls).map(part => part.textContent.slice(0, 80)),
        text: slide.textContent,
    };
}"""


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of `make slides`."""
    folder = tmp_path_factory.mktemp("slides")
    command = [sys.executable, "book/slides/make.py", folder, *BOOKS]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_slides_are_whole_and_nothing_lies_beyond_the_edge(visit, made, path):
    page = visit((made / f"{path.stem}.html").as_uri(), WIDTH, HEIGHT)
    page.wait_for_function("window.Reveal?.isReady()")
    assert page.complaints == [] and page.foreign(made) == []
    assert page.locator("mjx-merror, [data-mjx-error], pre.mermaid:not(:has(svg))").count() == 0
    slides = []
    for _ in range(page.evaluate("Reveal.getTotalSlides()")):
        slides.append(page.evaluate(BEYOND, [WIDTH, HEIGHT]))
        page.evaluate("Reveal.next()")
    assert page.evaluate("Reveal.isLastSlide()") and len(slides) > 10
    for number, slide in enumerate(slides, start=1):
        assert slide["beyond"] == [], f"slide {number}"
        assert slide["scrolled"] == [], f"slide {number}"
    shown = squeezed("".join(slide["text"] for slide in slides))
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and cell.metadata.slideshow.slide_type == "-":
            folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            assert (squeezed(cell.source) in shown) != folded, cell.source
